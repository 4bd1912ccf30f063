//! What a witness must not forget: its key, and of each log the latest head that it has signed. A folder of its
//! own, nothing of a hub in it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::log::{private, sqlite, unavailable};
use crate::audit::checkpoint::Checkpoint;
use crate::audit::proof::SizedRoot;
use crate::audit::witness::{AddCheckpoint, Declined, WitnessSigner, may_follow};
use crate::store::StoreError;

/// Its key: name and seed.
const KEY: &str = "witness.key";
/// Its memory.
const FILE: &str = "witness.db";
const LOCK: &str = "lock";
/// First line of the key's file.
const KEY_FORM: &str = "weir witness key 1";
/// Requests kept that would have had the witness sign a second history; the first ones count.
const EVIDENCE_MAX: i64 = 1_000;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS latest (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS evidence (
    id INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, origin TEXT NOT NULL, held TEXT NOT NULL,
    request TEXT NOT NULL
) STRICT;
";

/// The memory of a witness, held by one process.
pub struct WitnessMemory {
    connection: Mutex<Connection>,
    _lock: File,
}

/// Makes the folder of a new witness, with its key and an empty memory.
///
/// # Errors
/// When the folder holds something already, or cannot be written.
pub fn begin(dir: &Path, name: &str) -> Result<WitnessSigner, StoreError> {
    let said = |e: std::io::Error| unavailable(&format!("{}: {e}", dir.display()));
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(said)?;
    if std::fs::read_dir(dir).map_err(said)?.next().is_some() {
        let what = format!("{}: holds something already; a witness begins anew", dir.display());
        return Err(StoreError::Keys(what));
    }
    let mut seed = [0; 32];
    SystemRandom::new()
        .fill(&mut seed)
        .map_err(|_| StoreError::Unavailable("no randomness".to_owned()))?;
    let signer = WitnessSigner::from_seed(name, &seed)
        .map_err(|_| StoreError::Keys("--name must be one word without plus signs".to_owned()))?;
    // The memory first: a key without it would be one that forgot.
    drop(opened(&dir.join(FILE))?);
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(dir.join(KEY))
        .map_err(said)?;
    file.write_all(format!("{KEY_FORM}\n{name}\n{}\n", hex::encode(seed)).as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| File::open(dir)?.sync_all())
        .map_err(said)?;
    Ok(signer)
}

/// The key of the witness in a folder.
///
/// # Errors
/// When it is not there, is none, or others may read it.
pub fn signer(dir: &Path) -> Result<WitnessSigner, StoreError> {
    let path = dir.join(KEY);
    let wrong = |what: &str| StoreError::Keys(format!("{}: {what}", path.display()));
    let mode = std::fs::metadata(&path)
        .map_err(|e| wrong(&format!("{e}. `weir witness init` makes a witness, once")))?;
    if mode.mode() & 0o077 != 0 {
        return Err(wrong("others may read it: chmod 600, and think whether it is still secret"));
    }
    let text = std::fs::read_to_string(&path).map_err(|e| wrong(&e.to_string()))?;
    let mut lines = text.lines();
    let read = (lines.next() == Some(KEY_FORM)).then(|| {
        let name = lines.next()?;
        let seed = hex::decode(lines.next()?).ok()?;
        WitnessSigner::from_seed(name, &seed).ok()
    });
    read.flatten().ok_or_else(|| wrong("is no key of a witness"))
}

fn opened(path: &Path) -> Result<Connection, StoreError> {
    private(path)?;
    let connection = Connection::open(path).map_err(|e| sqlite(&e))?;
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
        .and_then(|()| connection.execute_batch(SCHEMA))
        .map_err(|e| sqlite(&e))?;
    Ok(connection)
}

impl WitnessMemory {
    /// Opens the memory that [`begin`] made.
    ///
    /// # Errors
    /// `InUse` when another process has it; `Keys` when it is gone: a witness that forgot would sign a second
    /// history.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Err(StoreError::Keys(format!(
                "{}: is not there. A witness that forgot what it signed must not sign again: begin a new \
                 one, with another name, by `weir witness init`",
                path.display()
            )));
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(dir.join(LOCK))
            .map_err(|e| unavailable(&e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(StoreError::InUse),
            Err(std::fs::TryLockError::Error(error)) => return Err(unavailable(&error)),
        }
        Ok(Self { connection: Mutex::new(opened(&path)?), _lock: lock })
    }

    /// Compares a head with the latest and keeps it in its place, in one step; durable when it returns. What
    /// `sign` puts under the note is kept with it.
    ///
    /// # Errors
    /// The store's; within, why the head is not signed. A second history is kept as evidence.
    pub fn take(
        &self,
        request: &AddCheckpoint,
        head: &Checkpoint,
        now: Timestamp,
        sign: impl FnOnce() -> Result<String, Declined>,
    ) -> Result<Result<String, Declined>, StoreError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let t = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|e| sqlite(&e))?;
        let held = latest(&t, &head.origin)?;
        let latest = held.as_ref().map(|(latest, _)| *latest);
        let line = match may_follow(latest, request, head).and_then(|()| sign()) {
            Ok(line) => line,
            Err(why) => {
                let same_size = latest.is_some_and(|latest| latest.size == request.old);
                if let Some((_, note)) = held.filter(|_| same_size) {
                    t.execute(
                        "INSERT INTO evidence (at_us, origin, held, request) SELECT ?1, ?2, ?3, ?4 \
                         WHERE (SELECT count(*) FROM evidence) < ?5",
                        params![
                            now.as_microsecond(),
                            head.origin,
                            note,
                            request.text(),
                            EVIDENCE_MAX
                        ],
                    )
                    .and_then(|_| t.commit())
                    .map_err(|e| sqlite(&e))?;
                }
                return Ok(Err(why));
            }
        };
        let size = i64::try_from(head.size)
            .map_err(|_| StoreError::Unavailable("the size is beyond what is kept".to_owned()))?;
        t.execute(
            "INSERT INTO latest (origin, size, root, note) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (origin) DO UPDATE SET size = ?2, root = ?3, note = ?4",
            params![head.origin, size, head.root, format!("{}{line}\n", request.note)],
        )
        .and_then(|_| t.commit())
        .map_err(|e| sqlite(&e))?;
        Ok(Ok(line))
    }

    /// The latest head of a log that was signed here, with the signature.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn latest(&self, origin: &str) -> Result<Option<String>, StoreError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(latest(&connection, origin)?.map(|(_, note)| note))
    }

    /// How many requests for a second history were kept.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn evidence(&self) -> Result<u64, StoreError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let count: i64 = connection
            .query_row("SELECT count(*) FROM evidence", [], |row| row.get(0))
            .map_err(|e| sqlite(&e))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }
}

fn latest(
    connection: &Connection,
    origin: &str,
) -> Result<Option<(SizedRoot, String)>, StoreError> {
    let row: Option<(i64, Vec<u8>, String)> = connection
        .prepare_cached("SELECT size, root, note FROM latest WHERE origin = ?1")
        .and_then(|mut s| {
            s.query_row([origin], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
        })
        .map_err(|e| sqlite(&e))?;
    let Some((size, root, note)) = row else { return Ok(None) };
    let sound = u64::try_from(size).ok().zip(root.try_into().ok());
    let (size, root) =
        sound.ok_or_else(|| StoreError::Corrupt("the memory of the witness".to_owned()))?;
    Ok(Some((SizedRoot { size, root }, note)))
}
