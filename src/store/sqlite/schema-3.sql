-- Version 3: the policies that are or were in force, by content, and what became of the latest candidate. Nothing
-- personal stands in a policy; whoever reads the file may read them.
CREATE TABLE policy_folder (hash BLOB PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
CREATE TABLE policy (
    number INTEGER PRIMARY KEY, hash BLOB NOT NULL REFERENCES policy_folder (hash), since_us INTEGER NOT NULL,
    event BLOB NOT NULL UNIQUE, note TEXT NOT NULL
) STRICT;
CREATE TABLE policy_candidate (one INTEGER PRIMARY KEY CHECK (one = 1), body TEXT NOT NULL) STRICT;
