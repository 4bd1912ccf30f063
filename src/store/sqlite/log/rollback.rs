//! The lock against rollbacks: the newest signed head in a file apart from the data folder. A log that
//! was put back to an older copy does not hold what the lock has seen.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::super::keys::lies_in;
use super::{Published, unavailable, write_whole};
use crate::audit::checkpoint::{Checkpoint, VerifierKey};
use crate::audit::tree::{Edge, Hash};
use crate::limits::AUDIT_LOCK_EVERY;
use crate::store::{SignedHead, StoreError};

/// A size and root that a log had; it may only have grown since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Entries.
    pub size: u64,
    /// Their root.
    pub root: Hash,
    /// Where that was seen, for who is told.
    by: String,
}

impl Seen {
    /// What this process has told of.
    pub(super) fn in_this_run(head: &SignedHead) -> Option<Self> {
        let by = "this run of the hub".to_owned();
        (head.size > 0).then_some(Self { size: head.size, root: head.root, by })
    }

    pub(super) fn agrees(&self, edge: &Edge) -> Result<(), StoreError> {
        if edge.size() != self.size || edge.root() == self.root {
            return Ok(());
        }
        Err(self.refusal("its first entries are others"))
    }

    pub(super) fn is_covered(&self, size: u64) -> Result<(), StoreError> {
        if size >= self.size {
            return Ok(());
        }
        Err(self.refusal(&format!("it holds {size} entries")))
    }

    fn refusal(&self, what: &str) -> StoreError {
        StoreError::RolledBack(format!(
            "the audit log is an older copy than {} has seen, or another: {what}; seen were {} with root \
             {}. Put the newer one in its place. Where it is lost: weir audit accept-rollback",
            self.by,
            self.size,
            hex::encode(self.root)
        ))
    }
}

/// The file of a lock.
#[derive(Debug, Clone)]
pub struct RollbackLock {
    file: PathBuf,
    required: bool,
}

impl RollbackLock {
    /// A lock that must be there once the log holds entries: who takes it away is found out too.
    #[must_use]
    pub fn at(file: &Path) -> Self {
        Self { file: file.to_owned(), required: true }
    }

    /// The lock beside a data folder, `DIR.audit-lock`; begun where it is not there.
    #[must_use]
    pub fn beside(dir: &Path) -> Self {
        // Beside `.` is not in it.
        let whole = dir.file_name().is_none().then(|| dir.canonicalize().ok()).flatten();
        let dir = whole.as_deref().unwrap_or(dir);
        let mut file = dir.components().as_path().as_os_str().to_owned();
        file.push(".audit-lock");
        Self { file: PathBuf::from(file), required: false }
    }

    /// Its file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What the lock has seen of the log of `data`; `None`: there is none yet.
    ///
    /// # Errors
    /// When the file cannot be read, lies in the data folder, or holds no head that `key` has signed.
    pub fn seen(&self, data: &Path, key: &VerifierKey) -> Result<Option<Seen>, StoreError> {
        let Some(note) = self.note(data)? else { return Ok(None) };
        let Checkpoint { size, root, .. } = key.open(&note).map_err(|why| {
            StoreError::RolledBack(format!(
                "the lock {} is not of this audit log: {why}",
                self.file.display()
            ))
        })?;
        Ok(Some(Seen { size, root, by: format!("the lock {}", self.file.display()) }))
    }

    /// The signed head that the file holds.
    ///
    /// # Errors
    /// As [`RollbackLock::seen`].
    pub fn note(&self, data: &Path) -> Result<Option<String>, StoreError> {
        let shown = self.file.display();
        let cannot = |e: std::io::Error| unavailable(&format!("the lock {shown}: {e}"));
        if lies_in(&self.file, data).map_err(cannot)? {
            return Err(StoreError::RolledBack(format!(
                "the lock {shown} lies in the data folder: it would be put back with it. Put it elsewhere."
            )));
        }
        match std::fs::read_to_string(&self.file) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot(error)),
        }
    }

    /// A log with entries and no lock: the lock is new, or was taken away.
    pub(super) fn may_be_new(&self) -> Result<(), StoreError> {
        if !self.required {
            return Ok(());
        }
        Err(StoreError::RolledBack(format!(
            "the lock {} is not there, and the audit log holds entries: nobody can tell whether it is \
             the newest copy. Put the lock back; where it is new or lost: weir audit accept-rollback",
            self.file.display()
        )))
    }

    /// Puts a head in place of the one before, durably; a crash leaves one of the two.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&self, note: &str) -> Result<(), StoreError> {
        write_whole(&self.file, note, 0o644)
    }
}

/// Writes the newest head to the lock, again and again, and once more at the end. The lock is behind the
/// log by what was committed since, and never ahead of it.
pub(super) struct Follower {
    ending: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    pub(super) fn start(
        lock: RollbackLock,
        published: Arc<Mutex<Published>>,
    ) -> Result<Self, StoreError> {
        let ending = Arc::new((Mutex::new(false), Condvar::new()));
        let told = Arc::clone(&ending);
        let thread = std::thread::Builder::new()
            .name("weir-audit-lock".to_owned())
            .spawn(move || follow(&lock, &published, &told))
            .map_err(|e| unavailable(&e))?;
        Ok(Self { ending, thread: Some(thread) })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let (ending, woken) = &*self.ending;
        *ending.lock().unwrap_or_else(PoisonError::into_inner) = true;
        woken.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("The writer of the audit lock ended by a panic");
        }
    }
}

fn follow(lock: &RollbackLock, published: &Mutex<Published>, told: &(Mutex<bool>, Condvar)) {
    let (ending, woken) = told;
    let (mut kept, mut failing) = (String::new(), false);
    loop {
        // Asked before the head is read: what is committed before the end is written after it.
        let last = *ending.lock().unwrap_or_else(PoisonError::into_inner);
        let note = { published.lock().unwrap_or_else(PoisonError::into_inner).head.note.clone() };
        if note != kept {
            match lock.keep(&note) {
                Ok(()) => (kept, failing) = (note, false),
                Err(error) => {
                    if !failing {
                        tracing::error!(error = %error, "Audit lock could not be written");
                    }
                    failing = true;
                }
            }
        }
        if last {
            return;
        }
        let guard = ending.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = woken.wait_timeout_while(guard, AUDIT_LOCK_EVERY, |ending| !*ending);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests;
