//! `heads.db`: published heads with what witnesses signed. Made when it is first needed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::SqliteStore;
use super::log::{private, reader, sqlite};
use crate::limits::HEADS_KEPT;
use crate::store::{Heads, LastSigned, PublishedHead, SignedHead, SplitView, StoreError};

/// The file.
pub(super) const FILE: &str = "heads.db";

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS head (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS cosignature (
    size INTEGER NOT NULL, witness TEXT NOT NULL, line TEXT NOT NULL, PRIMARY KEY (size, witness)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS signed (
    witness TEXT PRIMARY KEY, size INTEGER NOT NULL, at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS split (
    witness TEXT PRIMARY KEY, size INTEGER NOT NULL, evidence TEXT, since_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS watch (
    one INTEGER PRIMARY KEY CHECK (one = 1), since_us INTEGER NOT NULL, told INTEGER NOT NULL
) STRICT;
";

/// Heads with their signatures, from a statement that ends in what is wanted of `head`.
const NOTES: &str = "SELECT size, note || coalesce((SELECT group_concat(line || char(10), '' ORDER BY \
                     witness) FROM cosignature c WHERE c.size = head.size), '') FROM head";

/// The file, opened once.
pub(super) struct HeadsFile {
    path: PathBuf,
    open: Mutex<Option<Connection>>,
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn size_in(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|size| u64::try_from(size).unwrap_or_default())
}

fn time_in(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let us = row.get(column)?;
    Ok(Timestamp::from_microsecond(us).unwrap_or(Timestamp::MIN))
}

impl HeadsFile {
    pub(super) fn of(dir: &Path) -> Self {
        Self { path: dir.join(FILE), open: Mutex::new(None) }
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match &mut *open {
            Some(connection) => connection,
            None => open.insert(opened(&self.path)?),
        };
        work(connection).map_err(|e| sqlite(&e))
    }
}

fn opened(path: &Path) -> Result<Connection, StoreError> {
    private(path)?;
    let connection = Connection::open(path).map_err(|e| sqlite(&e))?;
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 2000;",
        )
        .and_then(|()| connection.execute_batch(SCHEMA))
        .map_err(|e| sqlite(&e))?;
    Ok(connection)
}

fn published(
    connection: &Connection,
    which: &str,
    values: &[i64],
) -> rusqlite::Result<Vec<PublishedHead>> {
    let mut statement = connection.prepare_cached(&format!("{NOTES} {which}"))?;
    let rows = statement.query_map(rusqlite::params_from_iter(values), |row| {
        Ok(PublishedHead { size: size_in(row, 0)?, note: row.get(1)? })
    })?;
    rows.collect()
}

fn splits(connection: &Connection) -> rusqlite::Result<Vec<SplitView>> {
    let mut statement =
        connection.prepare("SELECT witness, size, evidence, since_us FROM split ORDER BY 1")?;
    let rows = statement.query_map([], |row| {
        Ok(SplitView {
            witness: row.get(0)?,
            size: size_in(row, 1)?,
            evidence: row.get(2)?,
            since: time_in(row, 3)?,
        })
    })?;
    rows.collect()
}

/// Split views of a data folder that nobody has accepted, without a hub.
///
/// # Errors
/// When the file cannot be read.
pub fn split_views_in(dir: &Path) -> Result<Vec<SplitView>, StoreError> {
    if !dir.join(FILE).exists() {
        return Ok(Vec::new());
    }
    let connection = reader(&dir.join(FILE))?;
    splits(&connection).map_err(|e| sqlite(&e))
}

/// Takes the split views of a data folder away, once that they were accepted is in the log.
///
/// # Errors
/// When the file cannot be written.
pub fn accept_split_views_in(dir: &Path) -> Result<(), StoreError> {
    HeadsFile::of(dir).with(|connection| connection.execute("DELETE FROM split", []).map(drop))
}

/// The published heads of a data folder, oldest first, at most so many of the newest, without a hub.
///
/// # Errors
/// When the file cannot be read.
pub fn heads_in(dir: &Path, limit: usize) -> Result<Vec<PublishedHead>, StoreError> {
    if !dir.join(FILE).exists() {
        return Ok(Vec::new());
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let connection = reader(&dir.join(FILE))?;
    let newest = published(&connection, "ORDER BY size DESC LIMIT ?1", &[limit]);
    let mut heads = newest.map_err(|e| sqlite(&e))?;
    heads.reverse();
    Ok(heads)
}

fn keep_head(connection: &mut Connection, head: &SignedHead) -> rusqlite::Result<()> {
    let t = connection.transaction()?;
    let size = number(head.size);
    // Only after an older copy of the log was accepted are there others: its entry keeps what was lost.
    for table in ["cosignature", "signed"] {
        t.execute(
            &format!(
                "DELETE FROM {table} WHERE size >= ?1 AND EXISTS \
                 (SELECT 1 FROM head WHERE size > ?1 OR (size = ?1 AND note <> ?2))"
            ),
            params![size, head.note],
        )?;
    }
    t.execute(
        "DELETE FROM head WHERE size > ?1 OR (size = ?1 AND note <> ?2)",
        params![size, head.note],
    )?;
    t.execute("INSERT OR IGNORE INTO head (size, note) VALUES (?1, ?2)", params![size, head.note])?;
    let least: Option<i64> = t
        .query_row(
            "SELECT size FROM head ORDER BY size DESC LIMIT 1 OFFSET ?1",
            [number(HEADS_KEPT)],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(least) = least {
        t.execute("DELETE FROM head WHERE size <= ?1", [least])?;
        t.execute("DELETE FROM cosignature WHERE size <= ?1", [least])?;
    }
    t.commit()
}

fn keep_cosignatures(
    connection: &mut Connection,
    size: u64,
    at: Timestamp,
    lines: &[(String, String)],
) -> rusqlite::Result<()> {
    let t = connection.transaction()?;
    for (witness, line) in lines {
        t.execute(
            "INSERT INTO cosignature (size, witness, line) VALUES (?1, ?2, ?3) \
             ON CONFLICT (size, witness) DO UPDATE SET line = ?3",
            params![number(size), witness, line],
        )?;
        t.execute(
            "INSERT INTO signed (witness, size, at_us) VALUES (?1, ?2, ?3) \
             ON CONFLICT (witness) DO UPDATE SET size = ?2, at_us = ?3",
            params![witness, number(size), at.as_microsecond()],
        )?;
    }
    t.commit()
}

fn keep_split_view(connection: &mut Connection, split: &SplitView) -> rusqlite::Result<bool> {
    let made = connection.execute(
        "INSERT INTO split (witness, size, evidence, since_us) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (witness) DO UPDATE SET size = ?2, evidence = ?3 \
         WHERE evidence IS NULL AND ?3 IS NOT NULL",
        params![split.witness, number(split.size), split.evidence, split.since.as_microsecond()],
    )?;
    Ok(made > 0)
}

fn last_signed(connection: &Connection) -> rusqlite::Result<LastSigned> {
    let mut statement = connection.prepare_cached("SELECT witness, size, at_us FROM signed")?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, (size_in(row, 1)?, time_in(row, 2)?)))
    })?;
    rows.collect()
}

impl SqliteStore {
    async fn in_heads<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let heads = Arc::clone(&self.heads);
        tokio::task::spawn_blocking(move || heads.with(work))
            .await
            .map_err(|_| StoreError::Unavailable("a thread was stopped".to_owned()))?
    }
}

#[tonic::async_trait]
impl Heads for SqliteStore {
    async fn keep_head(&self, head: SignedHead) -> Result<(), StoreError> {
        self.in_heads(move |c| keep_head(c, &head)).await
    }

    async fn keep_cosignatures(
        &self,
        size: u64,
        at: Timestamp,
        lines: Vec<(String, String)>,
    ) -> Result<(), StoreError> {
        self.in_heads(move |c| keep_cosignatures(c, size, at, &lines)).await
    }

    async fn heads_after(&self, size: u64, limit: usize) -> Result<Vec<PublishedHead>, StoreError> {
        let values = [number(size), i64::try_from(limit).unwrap_or(i64::MAX)];
        let which = "WHERE size > ?1 ORDER BY size LIMIT ?2";
        self.in_heads(move |c| published(c, which, &values)).await
    }

    async fn newest_heads(&self, limit: usize) -> Result<Vec<PublishedHead>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.in_heads(move |c| published(c, "ORDER BY size DESC LIMIT ?1", &[limit])).await
    }

    async fn last_signed(&self) -> Result<LastSigned, StoreError> {
        self.in_heads(|c| last_signed(c)).await
    }

    async fn split_views(&self) -> Result<Vec<SplitView>, StoreError> {
        self.in_heads(|c| splits(c)).await
    }

    async fn keep_split_view(&self, split: SplitView) -> Result<bool, StoreError> {
        self.in_heads(move |c| keep_split_view(c, &split)).await
    }

    async fn witnessed_since(&self, now: Timestamp) -> Result<(Timestamp, bool), StoreError> {
        self.in_heads(move |c| {
            let begun = "INSERT OR IGNORE INTO watch (one, since_us, told) VALUES (1, ?1, 0)";
            c.execute(begun, [now.as_microsecond()])?;
            c.query_row("SELECT since_us, told FROM watch", [], |row| {
                Ok((time_in(row, 0)?, row.get(1)?))
            })
        })
        .await
    }

    async fn keep_witnessed(&self, last: Timestamp, told: bool) -> Result<(), StoreError> {
        let kept = "UPDATE watch SET since_us = ?1, told = ?2 WHERE since_us <> ?1 OR told <> ?2";
        let last = last.as_microsecond();
        self.in_heads(move |c| c.execute(kept, params![last, told]).map(drop)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(size: u64, of: &str) -> SignedHead {
        SignedHead { size, root: [0; 32], note: format!("{of} {size}\n\n\u{2014} log\n") }
    }

    #[test]
    fn a_head_comes_back_with_what_witnesses_signed_until_another_log_takes_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let file = HeadsFile::of(dir.path());
        assert_eq!(heads_in(dir.path(), 9).unwrap(), []);
        let keep = |head: SignedHead| file.with(|c| keep_head(c, &head)).unwrap();
        let sign = |size: u64, by: &str, line: &str| {
            let lines = [(by.to_owned(), line.to_owned())];
            file.with(|c| keep_cosignatures(c, size, Timestamp::UNIX_EPOCH, &lines)).unwrap();
        };
        let notes = || -> Vec<String> {
            heads_in(dir.path(), 9).unwrap().into_iter().map(|head| head.note).collect()
        };
        [3, 5, 8].into_iter().for_each(|size| keep(head(size, "a")));
        sign(5, "w2", "second");
        sign(5, "w1", "first");
        sign(5, "w1", "first again");
        sign(8, "w1", "third");
        keep(head(8, "a"));
        let whole = |size: u64, lines: &str| head(size, "a").note + lines;
        assert_eq!(notes(), [whole(3, ""), whole(5, "first again\nsecond\n"), whole(8, "third\n")]);
        let last = file.with(|c| last_signed(c)).unwrap();
        assert_eq!((last["w1"].0, last["w2"].0), (8, 5));
        // An older copy goes on: what was published of the other log is not of this one.
        keep(head(6, "b"));
        assert_eq!(notes(), [whole(3, ""), whole(5, "first again\nsecond\n"), head(6, "b").note]);
        keep(head(8, "b"));
        assert_eq!(notes().last(), Some(&head(8, "b").note));
        assert!(!file.with(|c| last_signed(c)).unwrap().contains_key("w1"));
    }

    #[test]
    fn so_many_heads_are_kept_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let file = HeadsFile::of(dir.path());
        keep_all(&file, HEADS_KEPT);
        let sizes = || -> Vec<u64> {
            let all = usize::try_from(2 * HEADS_KEPT).unwrap();
            heads_in(dir.path(), all).unwrap().iter().map(|head| head.size).collect()
        };
        assert_eq!(sizes().len() as u64, HEADS_KEPT);
        file.with(|c| keep_head(c, &head(HEADS_KEPT + 1, "a"))).unwrap();
        assert_eq!((sizes().first(), sizes().len() as u64), (Some(&2), HEADS_KEPT));
    }

    fn keep_all(file: &HeadsFile, count: u64) {
        file.with(|c| {
            let t = c.transaction()?;
            for size in 1..=count {
                t.execute("INSERT INTO head VALUES (?1, ?2)", params![number(size), "a"])?;
            }
            t.commit()
        })
        .unwrap();
    }
}
