-- Version 5. The National Data Opt-out is no fact on record any more: what an earlier version kept of it goes, and
-- what a check finds stands here until the policy's hours are over.
DELETE FROM fact WHERE kind = 'opt-out';
DELETE FROM fact_history WHERE instr(body, '"fact":"opt-out"');
CREATE TABLE opt_out_asked (
    reference BLOB NOT NULL, resident BLOB NOT NULL REFERENCES resident (id), made_us INTEGER NOT NULL,
    PRIMARY KEY (reference, resident)
) STRICT, WITHOUT ROWID;
CREATE INDEX opt_out_asked_made ON opt_out_asked (made_us);
CREATE TABLE opt_out_check (
    resident BLOB PRIMARY KEY REFERENCES resident (id), opted_out INTEGER NOT NULL, made_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX opt_out_check_made ON opt_out_check (made_us);
