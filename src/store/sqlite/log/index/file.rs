//! `index.db`: its tables, and up to where it has followed which log.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

use super::super::{private, sqlite, unavailable};
use crate::audit::tree::Hash;
use crate::store::StoreError;

/// The derived file. Whoever deletes it loses time and nothing else.
pub(super) const FILE: &str = "index.db";

/// What is filed how. A file of another format is made anew.
const FORMAT: i64 = 4;

/// Clustered by what is looked for. A row of `subject` is found by who has the keys, and by nobody else.
pub(super) const SCHEMA: &str = "
CREATE TABLE word (id INTEGER PRIMARY KEY, dim INTEGER NOT NULL, word BLOB NOT NULL, UNIQUE (dim, word)) STRICT;
CREATE TABLE posting (word INTEGER NOT NULL, idx INTEGER NOT NULL, PRIMARY KEY (word, idx)) STRICT, WITHOUT ROWID;
CREATE TABLE subject (label BLOB PRIMARY KEY, place INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE mark (one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, leaf BLOB NOT NULL) STRICT;
";

/// Up to where the index has followed the log: so many entries, the last of them with this hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) size: u64,
    pub(super) leaf: Hash,
}

/// Opens the file for writing; one of another format is made anew.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let connection = opened(path)?;
    let version = version(&connection)?;
    if version == FORMAT {
        return Ok(connection);
    }
    drop(connection);
    remove(path)?;
    let connection = opened(path)?;
    connection
        .execute_batch(&format!("BEGIN; {SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;"))
        .map_err(|e| sqlite(&e))?;
    Ok(connection)
}

fn opened(path: &Path) -> Result<Connection, StoreError> {
    private(path)?;
    let connection = Connection::open(path).map_err(|e| sqlite(&e))?;
    // What a power cut takes from it is followed again; what is deleted must be gone.
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; \
             PRAGMA busy_timeout = 2000; PRAGMA cache_size = -32768;",
        )
        .map_err(|e| sqlite(&e))?;
    Ok(connection)
}

fn version(connection: &Connection) -> Result<i64, StoreError> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(|e| sqlite(&e))
}

/// Deletes the file with what SQLite keeps beside it.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        match std::fs::remove_file(PathBuf::from(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(unavailable(&error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// A connection for reading that stays open, and which file it reads.
pub(super) struct Held {
    connection: Connection,
    file: Identity,
}

impl Held {
    /// `None`: there is no index of this format.
    pub(super) fn at(path: &Path) -> Result<Option<Self>, StoreError> {
        let before = identity(path);
        let Some(connection) = reader(path)? else { return Ok(None) };
        // One that was put in its place meanwhile is opened the next time.
        let file = before.filter(|before| identity(path) == Some(*before));
        Ok(file.map(|file| Self { connection, file }))
    }

    pub(super) fn stands_at(&self, path: &Path) -> bool {
        identity(path) == Some(self.file)
    }

    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// Device and number of a file: while it is open no other one has them.
pub(super) type Identity = (u64, u64);

pub(super) fn identity(path: &Path) -> Option<Identity> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// A connection for reading; `None`: there is no index of this format.
pub(super) fn reader(path: &Path) -> Result<Option<Connection>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    let connection = super::super::file::reader(path)?;
    Ok((version(&connection)? == FORMAT).then_some(connection))
}

pub(super) fn mark(connection: &Connection) -> Result<Mark, StoreError> {
    let found = connection
        .query_row("SELECT size, leaf FROM mark", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })
        .optional()
        .map_err(|e| sqlite(&e))?;
    let Some((size, leaf)) = found else { return Ok(Mark::default()) };
    let wrong = || StoreError::Corrupt("the index has a malformed mark".to_owned());
    Ok(Mark {
        size: u64::try_from(size).map_err(|_| wrong())?,
        leaf: leaf.try_into().map_err(|_| wrong())?,
    })
}

pub(super) fn set_mark(connection: &Connection, mark: Mark) -> Result<(), StoreError> {
    let size = i64::try_from(mark.size).unwrap_or(i64::MAX);
    connection
        .prepare_cached("INSERT OR REPLACE INTO mark (one, size, leaf) VALUES (1, ?1, ?2)")
        .and_then(|mut s| s.execute(params![size, mark.leaf]))
        .map(drop)
        .map_err(|e| sqlite(&e))
}
