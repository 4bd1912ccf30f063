//! The log's file: its tables, and what it says of itself when it is opened.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};

use super::parts::{Parts, file_of, settle_name, year_of};
use super::rollback::Seen;
use super::tiles::{Adopting, keep};
use super::{private, sqlite, unavailable};
use crate::audit::checkpoint::VerifierKey;
use crate::audit::leaf::decode;
use crate::audit::tile::{RightSide, Tile};
use crate::audit::tree::{Edge, leaf_hash};
use crate::audit::verify::continues;
use crate::domain::DecisionId;
use crate::store::{SignedHead, StoreError};

/// Nothing but these tables; no secondary index: SQLite would log whole pages for it at each commit.
pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS entry (idx INTEGER PRIMARY KEY, leaf BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS slot (
    idx INTEGER NOT NULL, slot INTEGER NOT NULL, content BLOB NOT NULL, bytes BLOB NOT NULL,
    PRIMARY KEY (idx, slot)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS head (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS tile (
    level INTEGER NOT NULL, n INTEGER NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY (level, n)
) STRICT, WITHOUT ROWID;
";

/// All leaves in order.
const ROWS: &str = "SELECT idx, leaf FROM entry ORDER BY idx";

/// The logs of a folder, oldest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn files_in(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(dir)
        .map_err(|e| unavailable(&e))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.starts_with("audit-") && name.ends_with(".db")
        })
        .collect();
    found.sort();
    Ok(found)
}

/// The files that the log of a folder consists of; of a log that is to begin, the file of the year of `now`.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn files_from(dir: &Path, now: Timestamp) -> Result<Vec<PathBuf>, StoreError> {
    let mut files = files_in(dir)?;
    if files.is_empty() {
        files.push(file_of(dir, year_of(now)));
    }
    Ok(files)
}

/// An open log with the state that its rows make.
pub(super) struct State {
    /// The newest file, which alone is written to.
    pub connection: Connection,
    pub path: PathBuf,
    /// The newest file holds an entry.
    pub begun: bool,
    pub parts: Parts,
    pub edge: Edge,
    pub right: Arc<RightSide>,
    pub last_commit: Timestamp,
    pub note: String,
}

impl State {
    /// Opens the files, oldest first, and adopts what is in them, if the newest head covers exactly that;
    /// tells the place of every entry. Refuses a log that does not hold what was `seen` before.
    pub(super) fn open(
        files: &[PathBuf],
        verifier: &VerifierKey,
        seen: Option<&Seen>,
    ) -> Result<(Self, HashMap<DecisionId, u64>), StoreError> {
        let Some((path, frozen)) = files.split_last() else {
            return Err(StoreError::Corrupt("the log has no file".to_owned()));
        };
        let (mut adopted, mut newest) = (Adopted::default(), None);
        for path in frozen {
            let connection = reader(path)?;
            // Only one that lacks a tile is written to.
            let mut writer = None;
            adopted.take(path, &connection, seen, &mut |tile| {
                let writer = match &mut writer {
                    Some(writer) => writer,
                    None => writer.insert(writable(path)?),
                };
                keep(writer, tile).map_err(|e| sqlite(&e))
            })?;
            newest = newest_head(&connection)?.or(newest);
        }
        let connection = writable(path)?;
        // What is made anew is made whole, or the file is left as it was.
        connection.execute_batch(&format!("BEGIN; {SCHEMA}")).map_err(|e| sqlite(&e))?;
        let before = adopted.edge.size();
        let own = |tile: &Tile| keep(&connection, tile).map_err(|e| sqlite(&e));
        adopted.take(path, &connection, seen, &mut { own })?;
        newest = newest_head(&connection)?.or(newest);
        let Adopted { parts, edge, tiles, last_commit, places } = adopted;
        seen.map_or(Ok(()), |seen| seen.is_covered(edge.size()))?;
        let note = checked(newest, &edge, verifier)?;
        connection.execute_batch("COMMIT").map_err(|e| sqlite(&e))?;
        let (path, begun, right) = (path.clone(), edge.size() > before, Arc::new(tiles.finish()));
        Ok((Self { connection, path, begun, parts, edge, right, last_commit, note }, places))
    }

    /// Begins the file of a new year; what was written to before is frozen.
    pub(super) fn turn(&mut self, path: PathBuf) -> Result<(), StoreError> {
        // Nothing is written to it any more. What cannot be brought over now is when it is read.
        let _busy = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        let connection = writable(&path)?;
        connection.execute_batch(SCHEMA).map_err(|e| sqlite(&e))?;
        settle_name(&path)?;
        let holds: bool = connection
            .query_row("SELECT EXISTS (SELECT 1 FROM entry)", [], |row| row.get(0))
            .map_err(|e| sqlite(&e))?;
        if holds {
            return Err(StoreError::Corrupt(format!("{}: is in use", path.display())));
        }
        self.parts.push(self.edge.size(), path.clone());
        (self.connection, self.path, self.begun) = (connection, path, false);
        Ok(())
    }

    pub(super) fn head(&self) -> SignedHead {
        SignedHead { size: self.edge.size(), root: self.edge.root(), note: self.note.clone() }
    }
}

/// What the rows of the files make, file by file.
#[derive(Default)]
struct Adopted {
    parts: Parts,
    edge: Edge,
    tiles: Adopting,
    last_commit: Timestamp,
    places: HashMap<DecisionId, u64>,
}

impl Adopted {
    /// Row by row: a log is larger than memory should be. Tiles that are missing are given to `keep`.
    fn take(
        &mut self,
        path: &Path,
        connection: &Connection,
        seen: Option<&Seen>,
        keep: &mut dyn FnMut(&Tile) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let corrupt = |what: String| StoreError::Corrupt(what);
        let first = self.edge.size();
        self.parts.push(first, path.to_owned());
        let mut statement = connection.prepare(ROWS).map_err(|e| sqlite(&e))?;
        let mut rows = statement.query([]).map_err(|e| sqlite(&e))?;
        while let Some(row) = rows.next().map_err(|e| sqlite(&e))? {
            let (index, leaf): (u64, Vec<u8>) = numbered(row)?;
            if index != self.edge.size() {
                return Err(corrupt(format!("entry {} is missing", self.edge.size())));
            }
            let decoded = decode(&leaf).map_err(|e| corrupt(format!("entry {index}: {e}")))?;
            if index == first && !continues(&decoded.entry, &self.edge) {
                let shown = path.display();
                return Err(corrupt(format!("{shown}: does not go on from the file before it")));
            }
            self.places.insert(decoded.entry.event, index);
            self.last_commit = self.last_commit.max(decoded.committed_at);
            let hash = leaf_hash(&leaf);
            self.edge.push(hash);
            self.tiles.push(connection, hash, keep)?;
            seen.map_or(Ok(()), |seen| seen.agrees(&self.edge))?;
        }
        self.tiles.end_of_file(connection)
    }
}

/// The newest head, which is signed and covers exactly what is there.
fn checked(
    newest: Option<String>,
    edge: &Edge,
    verifier: &VerifierKey,
) -> Result<String, StoreError> {
    let corrupt = |what: String| StoreError::Corrupt(what);
    let Some(note) = newest else {
        if edge.size() == 0 {
            return Ok(String::new());
        }
        return Err(corrupt("there are entries but no signed head".to_owned()));
    };
    let head = verifier.open(&note).map_err(|e| corrupt(format!("the newest head: {e}")))?;
    if head.size == edge.size() && head.root == edge.root() {
        return Ok(note);
    }
    Err(corrupt(format!(
        "the newest head covers {} entries, {} are there, or the root differs",
        head.size,
        edge.size()
    )))
}

/// A connection that may write, to a file that is made where it is not there.
fn writable(path: &Path) -> Result<Connection, StoreError> {
    private(path)?;
    let connection = Connection::open(path).map_err(|e| sqlite(&e))?;
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 2000; \
             PRAGMA wal_autocheckpoint = 1024;",
        )
        .map_err(|e| sqlite(&e))?;
    #[cfg(test)]
    confined(&connection, path);
    Ok(connection)
}

pub(super) fn newest_head(connection: &Connection) -> Result<Option<String>, StoreError> {
    let newest = "SELECT size, note FROM head ORDER BY size DESC LIMIT 1";
    Ok(rows::<String>(connection, newest)?.pop().map(|(_, note)| note))
}

/// All leaves in order.
///
/// # Errors
/// When the file cannot be read.
pub fn stored_rows(connection: &Connection) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    rows(connection, ROWS)
}

/// All heads in order of size.
///
/// # Errors
/// When the file cannot be read.
pub fn stored_heads(connection: &Connection) -> Result<Vec<(u64, String)>, StoreError> {
    rows(connection, "SELECT size, note FROM head ORDER BY size")
}

/// All heads in order of size, as bytes.
pub(super) fn stored_notes(connection: &Connection) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    rows(connection, "SELECT size, CAST(note AS BLOB) FROM head ORDER BY size")
}

fn rows<T: rusqlite::types::FromSql>(
    connection: &Connection,
    sql: &str,
) -> Result<Vec<(u64, T)>, StoreError> {
    let mut statement = connection.prepare(sql).map_err(|e| sqlite(&e))?;
    let mut found = statement.query([]).map_err(|e| sqlite(&e))?;
    let mut out = Vec::new();
    while let Some(row) = found.next().map_err(|e| sqlite(&e))? {
        out.push(numbered(row)?);
    }
    Ok(out)
}

fn numbered<T: rusqlite::types::FromSql>(row: &rusqlite::Row<'_>) -> Result<(u64, T), StoreError> {
    let number: i64 = row.get(0).map_err(|e| sqlite(&e))?;
    let number = u64::try_from(number)
        .map_err(|_| StoreError::Corrupt("a row has a negative number".to_owned()))?;
    Ok((number, row.get(1).map_err(|e| sqlite(&e))?))
}

/// A connection that cannot write.
pub(in crate::store::sqlite) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| sqlite(&e))?;
    connection
        .execute_batch("PRAGMA busy_timeout = 2000; PRAGMA cache_size = -8192;")
        .map_err(|e| sqlite(&e))?;
    Ok(connection)
}

/// How many pages a file may have, in place of a disk that is full.
#[cfg(test)]
static CONFINED: std::sync::Mutex<std::collections::BTreeMap<PathBuf, i64>> =
    std::sync::Mutex::new(std::collections::BTreeMap::new());

/// Lets a log have so many pages from its next opening on; `None`: as many as it likes.
#[cfg(test)]
pub(in crate::store::sqlite) fn confine(path: &Path, pages: Option<i64>) {
    let mut all = CONFINED.lock().unwrap();
    match pages {
        Some(pages) => all.insert(path.to_owned(), pages),
        None => all.remove(path),
    };
}

#[cfg(test)]
fn confined(connection: &Connection, path: &Path) {
    if let Some(pages) = CONFINED.lock().unwrap().get(path) {
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    }
}
