-- Version 2. What is sealed is under a key of its resident; a tag is a blind name (see docs/adr/0008). A
-- change of this file is a new file with the next number.
CREATE TABLE resident (
    id BLOB PRIMARY KEY, number_tag BLOB UNIQUE, match_tag BLOB, sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX resident_match ON resident (match_tag);
CREATE TABLE identity (
    agency TEXT NOT NULL, local_id TEXT NOT NULL, resident BLOB NOT NULL REFERENCES resident (id),
    PRIMARY KEY (agency, local_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_resident ON identity (resident, agency);
CREATE TABLE shelf (
    holder TEXT NOT NULL, local_id TEXT NOT NULL, category TEXT NOT NULL, sealed BLOB NOT NULL,
    published_us INTEGER NOT NULL, expires_us INTEGER NOT NULL,
    PRIMARY KEY (holder, local_id, category)
) STRICT, WITHOUT ROWID;
CREATE INDEX shelf_expiry ON shelf (expires_us);
CREATE INDEX shelf_category ON shelf (holder, category, local_id);
CREATE TABLE choice (
    seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, resident BLOB NOT NULL REFERENCES resident (id),
    recorded_by TEXT NOT NULL, recorded_us INTEGER NOT NULL, event TEXT NOT NULL
) STRICT;
CREATE INDEX choice_resident ON choice (resident, seq);
-- What is so now; every word that was ever recorded is in fact_history. `about` is the resident, the
-- person at work, or empty for the place.
CREATE TABLE fact (
    about TEXT NOT NULL, kind TEXT NOT NULL, who TEXT NOT NULL, body TEXT NOT NULL,
    recorded_by TEXT, recorded_us INTEGER NOT NULL, PRIMARY KEY (about, kind, who)
) STRICT, WITHOUT ROWID;
CREATE TABLE fact_history (
    seq INTEGER PRIMARY KEY, body TEXT NOT NULL, recorded_by TEXT, recorded_us INTEGER NOT NULL
) STRICT;
-- Entries whose change is committed and that the log may not have yet; sealed like a slot.
CREATE TABLE outbox (seq INTEGER PRIMARY KEY, event BLOB NOT NULL, sealed BLOB NOT NULL) STRICT;
