-- Version 4: what keeps a resident from being erased, and erasures whose keys are not yet destroyed. The reference of a
-- hold is sealed under its resident's key; a tag is a blind name.
CREATE TABLE legal_hold (
    resident BLOB NOT NULL REFERENCES resident (id), tag BLOB NOT NULL, sealed BLOB NOT NULL,
    placed_us INTEGER NOT NULL, PRIMARY KEY (resident, tag)
) STRICT, WITHOUT ROWID;
CREATE TABLE erasure (resident BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
