//! The audit log on disk: one file, one writer, group commit. Nobody is told that an entry is in the
//! log before it is durable and covered by a signed head.

mod about;
mod check;
mod desk;
mod file;
mod index;
mod parts;
mod proofs;
mod read;
mod retained;
mod rollback;
mod rows;
mod tiles;
mod writer;

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Sender, TrySendError, bounded};
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use self::file::files_from;
use self::parts::Parts;
use self::rollback::Follower;
use super::keys::{ChainKey, Keyring, Sealer};
use crate::audit::checkpoint::VerifierKey;
use crate::audit::entry::{Entry, SlotId};
use crate::audit::leaf::{SealedSlot, Undated, content_commitment};
use crate::audit::tile::RightSide;
use crate::clock::SharedClock;
use crate::domain::{DecisionId, ResidentId};
use crate::limits::{AUDIT_BATCH_MAX, AUDIT_QUEUE_MAX};
use crate::store::{Page, Receipt, Refusal, Search, SignedHead, StoreError, StoredEntry};

pub use check::{verify_file, verify_files};
#[cfg(test)]
pub(super) use file::confine;
pub(super) use file::reader;
pub use file::{files_in, stored_heads, stored_rows};
pub use index::{Checked as CheckedIndex, check as check_index};
pub use proofs::StoredTree;
pub use read::{SlotsFound, check_slots};
pub use rollback::{RollbackLock, Seen};

/// The folder's lock, held as long as the log is open.
const LOCK: &str = "lock";
/// The verifier key, for auditors.
pub(super) const VERIFIER: &str = "audit.vkey";

/// An entry with salted slots, ready for the writer.
struct Draft {
    event: DecisionId,
    leaf: Undated,
    slots: Vec<SealedSlot>,
}

type Reply = oneshot::Sender<Result<Vec<Receipt>, StoreError>>;

/// A run of entries that stays together, and who waits for it.
struct Job {
    drafts: Vec<Draft>,
    reply: Reply,
    /// Its entries' places in the queue, kept until the answer.
    room: OwnedSemaphorePermit,
    /// Where whoever waits is woken.
    runtime: Option<Handle>,
}

/// What readers may see: set by the writer after each commit.
struct Published {
    head: SignedHead,
    /// The tiles that are not full at that head.
    right: Arc<RightSide>,
    /// Every entry's place by its id: about 50 bytes of memory for each.
    places: HashMap<DecisionId, u64>,
    /// The files that hold them.
    parts: Parts,
    /// Tells the size after each commit.
    grown: watch::Sender<u64>,
    /// When the newest entries were committed.
    last_commit: Timestamp,
}

/// The open log.
pub struct Log {
    queue: Mutex<Option<Sender<Job>>>,
    /// Entries that may still wait.
    room: Arc<Semaphore>,
    published: Arc<Mutex<Published>>,
    verifier: VerifierKey,
    keys: Arc<Keyring>,
    clock: SharedClock,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
    follower: Mutex<Option<Follower>>,
    index: index::Index,
    desks: Arc<desk::Desks>,
    _lock: File,
}

impl Log {
    /// Opens the log of a data folder, or begins one. Verifies what is there against the signing key
    /// of `keys` first.
    ///
    /// # Errors
    /// `InUse` when another process has the folder, `Corrupt` when the log is not what its signed
    /// head says.
    pub fn open(
        dir: &Path,
        keys: Arc<Keyring>,
        origin: &str,
        clock: SharedClock,
    ) -> Result<Self, StoreError> {
        Self::open_committing(dir, keys, origin, clock, AUDIT_BATCH_MAX)
    }

    /// As [`Log::open`], with at most `together` entries gathered for one commit.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn open_committing(
        dir: &Path,
        keys: Arc<Keyring>,
        origin: &str,
        clock: SharedClock,
        together: usize,
    ) -> Result<Self, StoreError> {
        Self::open_locked(dir, keys, origin, clock, together, None)
    }

    /// As [`Log::open_committing`], held against the lock and keeping it up to date.
    ///
    /// # Errors
    /// As [`Log::open`]; `RolledBack` when the log does not hold what the lock has seen.
    pub fn open_locked(
        dir: &Path,
        keys: Arc<Keyring>,
        origin: &str,
        clock: SharedClock,
        together: usize,
        rollback: Option<RollbackLock>,
    ) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).map_err(|e| unavailable(&e))?;
        let lock = lock(dir)?;
        let key = keys.signing_key()?;
        let verifier = key.verifier(origin);
        let files = files_from(dir, clock.now())?;
        let seen = rollback.as_ref().map(|lock| lock.seen(dir, &verifier)).transpose()?.flatten();
        let (state, places) = file::State::open(&files, &verifier, seen.as_ref())?;
        if let Some(lock) = rollback.as_ref().filter(|_| seen.is_none() && state.edge.size() > 0) {
            lock.may_be_new()?;
        }
        let published = Arc::new(Mutex::new(Published {
            head: state.head(),
            right: Arc::clone(&state.right),
            places,
            parts: state.parts.clone(),
            grown: watch::Sender::new(state.edge.size()),
            last_commit: state.last_commit,
        }));
        let (queue, jobs) = bounded(AUDIT_QUEUE_MAX);
        let writer = writer::Writer::new(
            state,
            dir.to_owned(),
            key,
            origin.to_owned(),
            Arc::clone(&clock),
            Arc::clone(&published),
        )?;
        let index = index::Index::follow(dir, Arc::clone(&keys), Arc::clone(&published))?;
        let thread = std::thread::Builder::new()
            .name("weir-audit".to_owned())
            .spawn(move || writer.run(&jobs, together))
            .map_err(|e| unavailable(&e))?;
        write_whole(&dir.join(VERIFIER), &format!("{}\n", verifier.text()), 0o644)?;
        let follower =
            rollback.map(|lock| Follower::start(lock, Arc::clone(&published))).transpose()?;
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            room: Arc::new(Semaphore::new(AUDIT_QUEUE_MAX)),
            published,
            verifier,
            keys,
            clock,
            writer: Mutex::new(Some(thread)),
            follower: Mutex::new(follower),
            index,
            desks: Arc::new(desk::Desks::of(dir)),
            _lock: lock,
        })
    }

    /// Appends a run of entries in one transaction; answers after the commit, never before.
    ///
    /// # Errors
    /// `Refused` for an entry that is too large or whose id is taken, `Unavailable` when the queue is
    /// full or the commit failed, `Full` when the disk is. Nothing was promised to anybody.
    pub async fn append(&self, entries: Vec<Entry>) -> Result<Vec<Receipt>, StoreError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let full = || StoreError::Unavailable("too many entries are waiting".to_owned());
        let count = u32::try_from(entries.len()).map_err(|_| full())?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(count).map_err(|_| full())?;
        let drafts = self.drafts(entries).await?;
        let (reply, answer) = oneshot::channel();
        let queue = {
            let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.clone()
        };
        let queue = queue.ok_or_else(|| StoreError::Unavailable("the log is closed".to_owned()))?;
        let runtime = Handle::try_current().ok();
        queue.try_send(Job { drafts, reply, room, runtime }).map_err(|error| match error {
            TrySendError::Full(_) => full(),
            TrySendError::Disconnected(_) => {
                StoreError::Unavailable("the log is closed".to_owned())
            }
        })?;
        drop(queue);
        let written = answer.await;
        self.index.remind();
        written.map_err(|_| StoreError::Unavailable("the log is closed".to_owned()))?
    }

    /// Says beforehand what [`Log::append`] would refuse of the entries of one change.
    ///
    /// # Errors
    /// `Refused` for an entry that is too large or whose id is taken or comes twice, and for none or more
    /// than [`AUDIT_BATCH_MAX`] of them.
    pub fn would_take(&self, entries: &[Entry]) -> Result<(), StoreError> {
        if entries.is_empty() || entries.len() > AUDIT_BATCH_MAX {
            return Err(StoreError::Refused(Refusal::EntryTooLarge));
        }
        let mut events = HashSet::new();
        for entry in entries {
            if !events.insert(entry.event) || self.place(entry.event).is_some() {
                return Err(StoreError::Refused(Refusal::EventTaken));
            }
            fits(entry)?;
        }
        Ok(())
    }

    /// Salts and seals; without leaving the thread where all keys are at hand.
    async fn drafts(&self, entries: Vec<Entry>) -> Result<Vec<Draft>, StoreError> {
        let at = self.sealing_time();
        let mut sealers = Vec::with_capacity(entries.len());
        for entry in &entries {
            let kind = entry.kind.kept();
            match self.keys.sealer_at_hand(subject_of(entry), entry.event, kind, at)? {
                Some(sealer) => sealers.push(sealer),
                None => break,
            }
        }
        let seal = |entries: Vec<Entry>, sealers: Vec<Sealer>| {
            entries.into_iter().zip(sealers).map(|(e, s)| draft(e, Some(s))).collect()
        };
        if sealers.len() == entries.len() {
            return seal(entries, sealers);
        }
        let keys = Arc::clone(&self.keys);
        blocking(move || {
            let sealers = entries
                .iter()
                .map(|one| keys.sealer(subject_of(one), one.event, one.kind.kept(), at))
                .collect::<Result<_, _>>()?;
            seal(entries, sealers)
        })
        .await
    }

    /// The keys that the slots are under.
    #[must_use]
    pub const fn keys(&self) -> &Arc<Keyring> {
        &self.keys
    }

    /// The time by the hub's clock.
    pub(in crate::store::sqlite) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time that entries are sealed by: it does not go back behind the log, as the time of a commit does
    /// not. A clock that does may be in a year whose keys are gone. What expires expires by the clock.
    pub(in crate::store::sqlite) fn sealing_time(&self) -> Timestamp {
        self.clock.now().max(self.last_commit())
    }

    /// When the newest entries were committed.
    #[must_use]
    pub fn last_commit(&self) -> Timestamp {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).last_commit
    }

    /// Appends a run of entries, leaving out those whose ids are in the log: for what is told twice after
    /// a crash. Receipts come for all of them, in order.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub async fn append_once(&self, entries: Vec<Entry>) -> Result<Vec<Receipt>, StoreError> {
        let events: Vec<DecisionId> = entries.iter().map(|entry| entry.event).collect();
        // A commit that comes between looking and appending may take an id: then it is looked for again.
        for _ in 0..=entries.len() {
            let missing = |entry: &&Entry| self.place(entry.event).is_none();
            let new: Vec<Entry> = entries.iter().filter(missing).cloned().collect();
            let is_all = new.len() == entries.len();
            match self.append(new).await {
                Ok(receipts) if is_all => return Ok(receipts),
                Ok(_) => break,
                Err(StoreError::Refused(Refusal::EventTaken)) => {}
                Err(error) => return Err(error),
            }
        }
        let mut receipts = Vec::with_capacity(events.len());
        for event in events {
            let receipt = self.receipt(event).await?;
            receipts.push(
                receipt.ok_or_else(|| StoreError::Corrupt("no receipt came back".to_owned()))?,
            );
        }
        Ok(receipts)
    }

    fn place(&self, event: DecisionId) -> Option<u64> {
        let published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        published.places.get(&event).copied()
    }

    /// The receipt of an entry, under the newest head.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn receipt(&self, event: DecisionId) -> Result<Option<Receipt>, StoreError> {
        let Some(index) = self.place(event) else {
            return Ok(None);
        };
        let (parts, head) = self.parts();
        let desks = Arc::clone(&self.desks);
        let leaf_hash =
            blocking(move || desks.at(&parts, |desk| read::leaf_hash_at(&desk.files, index)))
                .await?;
        Ok(Some(Receipt { event, index, leaf_hash, size: head.size, root: head.root }))
    }

    /// The newest signed head.
    #[must_use]
    pub fn head(&self) -> SignedHead {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).head.clone()
    }

    /// Waits until the log holds more than `size` entries, and tells how many.
    ///
    /// # Errors
    /// When the log is closed.
    pub async fn grown(&self, size: u64) -> Result<u64, StoreError> {
        let mut told = {
            let published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
            published.grown.subscribe()
        };
        let grown = told.wait_for(|now| *now > size).await;
        grown.map(|now| *now).map_err(|_| StoreError::Unavailable("the log is closed".to_owned()))
    }

    /// The files that hold what the newest head covers, and that head.
    fn parts(&self) -> (Parts, SignedHead) {
        let published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        (published.parts.clone(), published.head.clone())
    }

    /// The key that others verify with.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// A page of the log, complete up to the head of the moment.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn search(&self, search: Search) -> Result<Page, StoreError> {
        let (parts, head) = self.parts();
        let (desks, keys) = (Arc::clone(&self.desks), Arc::clone(&self.keys));
        let read = move |desk: &mut desk::Desk| read::search(desk, &keys, &search, head.size);
        blocking(move || desks.at(&parts, read)).await
    }

    /// The entry with this id.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn entry(&self, event: DecisionId) -> Result<Option<StoredEntry>, StoreError> {
        let Some(index) = self.place(event) else {
            return Ok(None);
        };
        let ((parts, _), keys) = (self.parts(), Arc::clone(&self.keys));
        let desks = Arc::clone(&self.desks);
        blocking(move || desks.at(&parts, |desk| read::entry_at(&desk.files, &keys, index))).await
    }

    /// Takes everything that is in the log up into the index; tells how many entries. Searches are complete
    /// without it, and quicker with it. Blocks.
    ///
    /// # Errors
    /// When the index cannot be written; the log is not touched.
    pub fn catch_up_index(&self) -> Result<u64, StoreError> {
        self.index.catch_up()
    }

    /// Makes the index anew; tells how many entries it has taken up. Blocks.
    ///
    /// # Errors
    /// As [`Log::catch_up_index`].
    pub fn rebuild_index(&self) -> Result<u64, StoreError> {
        self.index.rebuild()
    }

    /// The rows that the index finds a resident's entries by. Asked for before the resident's keys are
    /// destroyed, and handed to [`Log::forget_rows`] afterwards: then a search never misses what it should
    /// find, and what a crash leaves is noise. Blocks.
    ///
    /// # Errors
    /// When the keys cannot be read.
    pub fn rows_about(&self, resident: ResidentId) -> Result<IndexRows, StoreError> {
        let chains = self.keys.chains_about(resident.uuid().as_bytes(), &[])?;
        Ok(IndexRows(chains.unwrap_or_default()))
    }

    /// Takes rows out of the index and leaves nothing of them in its file; tells how many. Blocks.
    ///
    /// # Errors
    /// As [`Log::catch_up_index`].
    pub fn forget_rows(&self, rows: IndexRows) -> Result<u64, StoreError> {
        self.index.forget(rows.0)
    }

    /// Ends the writer after what is queued, and waits for it.
    pub fn close(&self) {
        self.desks.close();
        self.index.close();
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            tracing::error!("Audit writer ended by a panic");
        }
        // After the last commit, so that the lock has seen it.
        drop(self.follower.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Rows of the index that are about residents.
#[derive(Default)]
pub struct IndexRows(Vec<ChainKey>);

impl IndexRows {
    /// Adds those about another one.
    pub fn add(&mut self, more: Self) {
        self.0.extend(more.0);
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| StoreError::Unavailable("a reader was stopped".to_owned()))?
}

/// Whom the slots say that an entry is about.
pub(in crate::store::sqlite) fn subject_of(entry: &Entry) -> &[u8] {
    entry.slots.get(&SlotId::Subject).map(Vec::as_slice).unwrap_or_default()
}

/// Makes sure that the log can hold an entry.
fn fits(entry: &Entry) -> Result<(), StoreError> {
    slots_fit(entry)?;
    let commitments = entry.slots.keys().map(|slot| (*slot, [0; 32])).collect();
    Undated::encode(entry, &commitments).map(drop).map_err(|_| too_large())
}

fn slots_fit(entry: &Entry) -> Result<(), StoreError> {
    let fit = entry.slots.values().all(|bytes| bytes.len() <= Entry::SLOT_LEN_MAX);
    if fit { Ok(()) } else { Err(too_large()) }
}

const fn too_large() -> StoreError {
    StoreError::Refused(Refusal::EntryTooLarge)
}

/// Salts, commits to and seals the slots, and encodes the rest; an entry without slots needs no key.
fn draft(mut entry: Entry, mut sealer: Option<Sealer>) -> Result<Draft, StoreError> {
    slots_fit(&entry)?;
    let mut slots = Vec::with_capacity(entry.slots.len());
    for (id, content) in std::mem::take(&mut entry.slots) {
        let sealer = sealer
            .as_mut()
            .ok_or_else(|| StoreError::Corrupt("a slot without a key".to_owned()))?;
        let salt = sealer.salt()?;
        let commitment = content_commitment(id, &salt, &content);
        let bytes = sealer.seal(id as u8, &[&salt, &content])?;
        slots.push(SealedSlot { id, content: commitment, bytes });
    }
    let commitments = slots.iter().map(|slot| (slot.id, slot.commitment())).collect();
    let leaf = Undated::encode(&entry, &commitments).map_err(|_| too_large())?;
    Ok(Draft { event: entry.event, leaf, slots })
}

/// Puts a file in its place whole: a crash leaves the old one or the new one.
pub(super) fn write_whole(path: &Path, text: &str, mode: u32) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    // What a crash left has the mode it was made with.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(unavailable(&error));
        }
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(mode)
        .open(&new)
        .map_err(|e| unavailable(&e))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&new, path))
        .and_then(|()| match path.parent() {
            Some(dir) if dir != Path::new("") => File::open(dir)?.sync_all(),
            Some(_) | None => File::open(".")?.sync_all(),
        })
        .map_err(|e| unavailable(&e))
}

/// Makes the file of a database, where there is none, that its owner alone may read; SQLite gives what it makes
/// beside it the same mode. One that is there is not opened: to close a file that SQLite has open elsewhere in this
/// process takes all of its locks away, and the next program that looks at it would take itself for the only one.
pub(super) fn private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    match OpenOptions::new().create_new(true).write(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(unavailable(&error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

pub(super) fn unavailable(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// Takes what SQLite says to what a caller can do about it.
pub(super) fn sqlite(error: &rusqlite::Error) -> StoreError {
    use rusqlite::{Error, ErrorCode};
    if let Error::FromSqlConversionFailure(..)
    | Error::InvalidColumnType(..)
    | Error::IntegralValueOutOfRange(..)
    | Error::Utf8Error(..)
    | Error::SqlInputError { .. } = error
    {
        // What stands there, or the table that it should stand in, is nothing that was ever written.
        return StoreError::Corrupt(error.to_string());
    }
    if let Error::SqliteFailure(_, Some(why)) = error
        && why.starts_with("no such table")
    {
        return StoreError::Corrupt(why.clone());
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Corrupt(error.to_string())
        }
        Some(_) | None => unavailable(error),
    }
}

fn lock(dir: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join(LOCK))
        .map_err(|e| unavailable(&e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(std::fs::TryLockError::Error(error)) => Err(unavailable(&error)),
    }
}

#[cfg(test)]
mod tests;
