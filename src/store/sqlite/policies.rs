//! The policies that are or were in force, by their content.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, params};

use super::log::sqlite;
use super::{FILE, VERSION, at_micros, micros, parsed};
use crate::domain::DecisionId;
use crate::store::{Candidate, KeptPolicy, PolicyNote, Refusal, StoreError};

/// The first schema with policies in it.
const SINCE: i64 = 3;
const COLUMNS: &str = "number, hash, since_us, event, note";

fn number(n: u64) -> Result<i64, StoreError> {
    i64::try_from(n).map_err(|_| StoreError::Refused(Refusal::PolicyNumberNotRising))
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Unavailable(e.to_string()))
}

/// Keeps a policy that is about to come into force; what became of a candidate is the past.
pub(super) fn put(
    t: &Transaction<'_>,
    policy: &KeptPolicy,
    bytes: &[u8],
) -> Result<(), StoreError> {
    let number = number(policy.number)?;
    let last: Option<i64> = t
        .query_row("SELECT max(number) FROM policy", [], |row| row.get(0))
        .map_err(|e| sqlite(&e))?;
    if last.is_some_and(|last| number <= last) {
        return Err(StoreError::Refused(Refusal::PolicyNumberNotRising));
    }
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        t.execute(sql, values).map(drop).map_err(|e| sqlite(&e))
    };
    run(
        "INSERT OR IGNORE INTO policy_folder (hash, bytes) VALUES (?1, ?2)",
        &[&policy.hash, &bytes],
    )?;
    run(
        "INSERT INTO policy (number, hash, since_us, event, note) VALUES (?1, ?2, ?3, ?4, ?5)",
        &[
            &number,
            &policy.hash,
            &micros(policy.since),
            policy.event.uuid().as_bytes(),
            &json(&policy.note)?,
        ],
    )?;
    run("DELETE FROM policy_candidate", &[])
}

/// Notes what became of a candidate; `None`: there is none any more.
pub(super) fn put_candidate(
    t: &Transaction<'_>,
    candidate: Option<&Candidate>,
) -> Result<(), StoreError> {
    t.execute("DELETE FROM policy_candidate", []).map_err(|e| sqlite(&e))?;
    if let Some(candidate) = candidate {
        t.execute(
            "INSERT INTO policy_candidate (one, body) VALUES (1, ?1)",
            params![json(candidate)?],
        )
        .map_err(|e| sqlite(&e))?;
    }
    Ok(())
}

pub(super) fn candidate(c: &Connection) -> Result<Option<Candidate>, StoreError> {
    let body: Option<String> = c
        .query_row("SELECT body FROM policy_candidate", [], |row| row.get(0))
        .optional()
        .map_err(|e| sqlite(&e))?;
    body.map(|body| parsed(&body)).transpose()
}

/// Newest first.
pub(super) fn listed(c: &Connection, limit: usize) -> Result<Vec<KeptPolicy>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM policy ORDER BY number DESC LIMIT ?1");
    let mut statement = c.prepare_cached(&sql).map_err(|e| sqlite(&e))?;
    let rows = statement
        .query_map([i64::try_from(limit).unwrap_or(i64::MAX)], raw)
        .map_err(|e| sqlite(&e))?;
    rows.map(|row| kept(row.map_err(|e| sqlite(&e))?)).collect()
}

/// The policy with this number, or the newest, with its folder.
pub(super) fn folder(
    c: &Connection,
    wanted: Option<u64>,
) -> Result<Option<(KeptPolicy, Vec<u8>)>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, (SELECT bytes FROM policy_folder WHERE hash = policy.hash) FROM policy \
         WHERE ?1 IS NULL OR number = ?1 ORDER BY number DESC LIMIT 1"
    );
    let wanted = wanted.map(number).transpose()?;
    let found: Option<(Raw, Vec<u8>)> = c
        .query_row(&sql, [wanted], |row| Ok((raw(row)?, row.get(5)?)))
        .optional()
        .map_err(|e| sqlite(&e))?;
    found.map(|(row, bytes)| Ok((kept(row)?, bytes))).transpose()
}

type Raw = (i64, [u8; 32], i64, [u8; 16], String);

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn kept((number, hash, since, event, note): Raw) -> Result<KeptPolicy, StoreError> {
    Ok(KeptPolicy {
        number: u64::try_from(number)
            .map_err(|_| StoreError::Corrupt("a stored policy".to_owned()))?,
        hash,
        since: at_micros(since)?,
        event: DecisionId::from_uuid(uuid::Uuid::from_bytes(event)),
        note: parsed::<PolicyNote>(&note)?,
    })
}

/// The policies of a data folder, read beside a hub that may have it open.
pub struct PolicyReader(Connection);

impl PolicyReader {
    /// Opens the operational file for reading; `None` where there is none yet.
    ///
    /// # Errors
    /// When it cannot be opened, or is of another version of the program.
    pub fn open(dir: &Path) -> Result<Option<Self>, StoreError> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(|e| sqlite(&e))?;
        connection.execute_batch("PRAGMA busy_timeout = 2000;").map_err(|e| sqlite(&e))?;
        let version: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(|e| sqlite(&e))?;
        match version {
            SINCE..=VERSION => Ok(Some(Self(connection))),
            other if other < SINCE => Ok(None),
            other => Err(StoreError::Corrupt(format!(
                "the data folder is of version {other}, this program knows {VERSION}: use a newer one"
            ))),
        }
    }

    /// The newest policies, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn listed(&self, limit: usize) -> Result<Vec<KeptPolicy>, StoreError> {
        listed(&self.0, limit)
    }

    /// The policy with this number, or the newest, with its folder.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn folder(&self, number: Option<u64>) -> Result<Option<(KeptPolicy, Vec<u8>)>, StoreError> {
        folder(&self.0, number)
    }

    /// Whether the entry of a change is still on its way to the log.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn waits(&self, event: DecisionId) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE event = ?1)";
        self.0.query_row(sql, [event.uuid().as_bytes()], |row| row.get(0)).map_err(|e| sqlite(&e))
    }

    /// What became of the latest candidate.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn candidate(&self) -> Result<Option<Candidate>, StoreError> {
        candidate(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::migrate;
    use super::*;

    #[test]
    fn a_folder_of_the_version_before_becomes_this_one_and_a_newer_one_is_left_alone() {
        let file = Connection::open_in_memory().unwrap();
        let before = include_str!("schema.sql");
        file.execute_batch(&format!("{before} PRAGMA user_version = 2;")).unwrap();
        let row = "INSERT INTO fact VALUES ('', 'agency', 'befriend', '{}', NULL, 1)";
        file.execute(row, []).unwrap();
        for _ in 0..2 {
            migrate(&file).unwrap();
            let version: i64 = file.query_row("PRAGMA user_version", [], |r| r.get(0)).unwrap();
            assert_eq!(version, VERSION);
            assert!(listed(&file, 1).unwrap().is_empty());
            assert!(candidate(&file).unwrap().is_none());
            let facts: i64 = file.query_row("SELECT count(*) FROM fact", [], |r| r.get(0)).unwrap();
            assert_eq!(facts, 1, "what was there stays");
        }
        let newer = format!("PRAGMA user_version = {};", VERSION + 1);
        file.execute_batch(&newer).unwrap();
        assert!(matches!(migrate(&file), Err(StoreError::Corrupt(_))));
    }
}
