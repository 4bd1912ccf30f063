//! Where searches read: the log's files and its index, kept open between two searches. To open them costs as
//! much as many an answer.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::index::Reading;
use super::parts::{Files, Parts};
use crate::limits::DESKS_KEPT;
use crate::store::StoreError;

/// What one search reads at a time.
pub(super) struct Desk {
    pub(super) files: Files,
    pub(super) index: Reading,
}

/// The desks of an open log that nobody reads at.
pub(super) struct Desks {
    dir: PathBuf,
    /// `None`: the log is closed.
    free: Mutex<Option<Vec<Desk>>>,
}

impl Desks {
    pub(super) fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), free: Mutex::new(Some(Vec::new())) }
    }

    /// Has `work` done at a desk with these files. Blocks.
    pub(super) fn at<T>(
        &self,
        parts: &Parts,
        work: impl FnOnce(&mut Desk) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut desk = self.taken(parts);
        let done = work(&mut desk);
        // What an error leaves open is not trusted.
        if done.is_ok() {
            self.put_back(desk);
        }
        done
    }

    fn taken(&self, parts: &Parts) -> Desk {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let desk = free.as_mut().and_then(Vec::pop);
        drop(free);
        // A year may have begun since.
        desk.filter(|desk| desk.files.parts() == parts).unwrap_or_else(|| Desk {
            files: Files::of(parts.clone()),
            index: Reading::of(&self.dir),
        })
    }

    fn put_back(&self, desk: Desk) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(free) = free.as_mut().filter(|free| free.len() < DESKS_KEPT) {
            free.push(desk);
        }
    }

    /// Closes what is open: the writer is the last to close the log, and leaves nothing beside it.
    pub(super) fn close(&self) {
        drop(self.free.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
