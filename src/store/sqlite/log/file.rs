//! The log's file: its tables, and what it says of itself when it is opened.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::{Connection, OpenFlags};

use super::rollback::Seen;
use super::tiles::Adopting;
use super::{private, sqlite, unavailable};
use crate::audit::checkpoint::VerifierKey;
use crate::audit::leaf::decode;
use crate::audit::tile::RightSide;
use crate::audit::tree::{Edge, leaf_hash};
use crate::domain::DecisionId;
use crate::store::{SignedHead, StoreError};

/// Nothing but these tables; no secondary index: SQLite would log whole pages for it at each commit.
const SCHEMA: &str = "
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

/// The log of a folder: the one that is there, or that of the year of `now`.
///
/// # Errors
/// When the folder cannot be read.
pub fn file_in(dir: &Path, now: Timestamp) -> Result<PathBuf, StoreError> {
    let year = now.to_zoned(TimeZone::UTC).year();
    let newest = files_in(dir)?.pop();
    Ok(newest.unwrap_or_else(|| dir.join(format!("audit-{year}.db"))))
}

/// An open file with the state that its rows make.
pub(super) struct State {
    pub connection: Connection,
    pub edge: Edge,
    pub right: Arc<RightSide>,
    pub last_commit: Timestamp,
    pub note: String,
}

impl State {
    /// Opens the file and adopts what is in it, if the newest head covers exactly that; tells the
    /// place of every entry. Refuses a log that does not hold what was `seen` before.
    pub(super) fn open(
        path: &Path,
        verifier: &VerifierKey,
        seen: Option<&Seen>,
    ) -> Result<(Self, HashMap<DecisionId, u64>), StoreError> {
        private(path)?;
        let connection = Connection::open(path).map_err(|e| sqlite(&e))?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 2000; \
                 PRAGMA wal_autocheckpoint = 1024;",
            )
            // A log of a version that kept no tiles gets them all, or is left as it was.
            .and_then(|()| connection.execute_batch(&format!("BEGIN; {SCHEMA}")))
            .map_err(|e| sqlite(&e))?;
        #[cfg(test)]
        confined(&connection, path);
        let mut state = Self {
            connection,
            edge: Edge::default(),
            right: Arc::default(),
            last_commit: Timestamp::MIN,
            note: String::new(),
        };
        let places = state.adopt(seen)?;
        state.check(verifier)?;
        state.connection.execute_batch("COMMIT").map_err(|e| sqlite(&e))?;
        Ok((state, places))
    }

    /// Row by row: a log is larger than memory should be.
    fn adopt(&mut self, seen: Option<&Seen>) -> Result<HashMap<DecisionId, u64>, StoreError> {
        let corrupt = |what: String| StoreError::Corrupt(what);
        let mut places = HashMap::new();
        let mut statement = self.connection.prepare(ROWS).map_err(|e| sqlite(&e))?;
        let mut tiles = Adopting::default();
        let mut rows = statement.query([]).map_err(|e| sqlite(&e))?;
        while let Some(row) = rows.next().map_err(|e| sqlite(&e))? {
            let (index, leaf): (u64, Vec<u8>) = numbered(row)?;
            if index != self.edge.size() {
                return Err(corrupt(format!("entry {} is missing", self.edge.size())));
            }
            let decoded = decode(&leaf).map_err(|e| corrupt(format!("entry {index}: {e}")))?;
            places.insert(decoded.entry.event, index);
            self.last_commit = self.last_commit.max(decoded.committed_at);
            let hash = leaf_hash(&leaf);
            self.edge.push(hash);
            tiles.push(&self.connection, hash)?;
            seen.map_or(Ok(()), |seen| seen.agrees(&self.edge))?;
        }
        seen.map_or(Ok(()), |seen| seen.is_covered(self.edge.size()))?;
        self.right = Arc::new(tiles.finish(&self.connection)?);
        Ok(places)
    }

    /// The newest head is signed and covers exactly what is there.
    fn check(&mut self, verifier: &VerifierKey) -> Result<(), StoreError> {
        let corrupt = |what: String| StoreError::Corrupt(what);
        let newest = "SELECT size, note FROM head ORDER BY size DESC LIMIT 1";
        match rows::<String>(&self.connection, newest)?.last() {
            None if self.edge.size() == 0 => Ok(()),
            None => Err(corrupt("there are entries but no signed head".to_owned())),
            Some((_, note)) => {
                let head =
                    verifier.open(note).map_err(|e| corrupt(format!("the newest head: {e}")))?;
                if head.size == self.edge.size() && head.root == self.edge.root() {
                    self.note.clone_from(note);
                    Ok(())
                } else {
                    Err(corrupt(format!(
                        "the newest head covers {} entries, {} are there, or the root differs",
                        head.size,
                        self.edge.size()
                    )))
                }
            }
        }
    }

    pub(super) fn head(&self) -> SignedHead {
        SignedHead { size: self.edge.size(), root: self.edge.root(), note: self.note.clone() }
    }
}

/// All leaves in order.
///
/// # Errors
/// When the file cannot be read.
pub fn stored_rows(connection: &Connection) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    rows(connection, ROWS)
}

/// Hands over every leaf in order, which is without a gap.
pub(super) fn each_leaf(
    connection: &Connection,
    mut take: impl FnMut(u64, Vec<u8>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare(ROWS).map_err(|e| sqlite(&e))?;
    let mut rows = statement.query([]).map_err(|e| sqlite(&e))?;
    let mut next = 0;
    while let Some(row) = rows.next().map_err(|e| sqlite(&e))? {
        let (index, leaf): (u64, Vec<u8>) = numbered(row)?;
        if index != next {
            return Err(StoreError::Corrupt(format!("entry {next} is missing")));
        }
        next += 1;
        take(index, leaf)?;
    }
    Ok(())
}

/// All heads in order of size.
///
/// # Errors
/// When the file cannot be read.
pub fn stored_heads(connection: &Connection) -> Result<Vec<(u64, String)>, StoreError> {
    rows(connection, "SELECT size, note FROM head ORDER BY size")
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
    connection.execute_batch("PRAGMA busy_timeout = 2000").map_err(|e| sqlite(&e))?;
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
