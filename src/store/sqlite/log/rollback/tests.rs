//! The lock on real files: a log that was put back, swapped or robbed of its lock is refused.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use uuid::Uuid;

use super::super::super::keys::{HubKey, Keyring};
use super::super::Log;
use super::*;
use crate::audit::entry::{Entry, Kind};
use crate::clock::{FixedClock, SharedClock};
use crate::domain::DecisionId;

const ORIGIN: &str = "hub.example/audit";

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn lock(&self) -> RollbackLock {
        RollbackLock::at(&self.dir.path().join("lock"))
    }

    fn keys(data: &Path, clock: &SharedClock) -> Arc<Keyring> {
        Arc::new(Keyring::open(data, HubKey::from_bytes([1; 32]), clock.now()).unwrap())
    }

    fn open(&self, lock: Option<RollbackLock>) -> Result<Log, StoreError> {
        let clock: SharedClock =
            Arc::new(FixedClock::at("2026-07-15T10:00:00+01:00".parse().unwrap()));
        let keys = Self::keys(&self.data(), &clock);
        Log::open_locked(&self.data(), keys, ORIGIN, clock, 8, lock)
    }

    /// Opens, appends so many entries, and closes.
    async fn append(&self, entries: usize, lock: Option<RollbackLock>) -> SignedHead {
        let log = self.open(lock).unwrap();
        for _ in 0..entries {
            let event = DecisionId::from_uuid(Uuid::now_v7());
            let entry = Entry::of_hub(event, Kind::Operation, "test", BTreeMap::new());
            log.append(vec![entry]).await.unwrap();
        }
        log.head()
    }

    fn copy(&self, from: &str, to: &str) {
        let (from, to) = (self.dir.path().join(from), self.dir.path().join(to));
        let _there = std::fs::remove_dir_all(&to);
        std::fs::create_dir_all(&to).unwrap();
        for file in std::fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }

    fn refused(&self, lock: RollbackLock, expected: &str) {
        match self.open(Some(lock)) {
            Err(StoreError::RolledBack(why)) => assert!(why.contains(expected), "{why}"),
            Err(error) => panic!("{expected}: {error}"),
            Ok(_) => panic!("{expected}: opened"),
        }
    }
}

#[tokio::test]
async fn the_lock_has_seen_the_last_entry_when_the_log_is_closed() {
    let place = Place::new();
    for entries in [0, 3, 1] {
        let head = place.append(entries, Some(place.lock())).await;
        assert_eq!(place.lock().note(&place.data()).unwrap(), Some(head.note), "{entries}");
    }
}

#[tokio::test]
async fn an_older_copy_is_refused_and_so_is_what_was_appended_to_it() {
    let place = Place::new();
    place.append(2, Some(place.lock())).await;
    place.copy("data", "old");
    place.append(2, Some(place.lock())).await;
    place.copy("data", "new");
    place.copy("old", "data");
    place.refused(place.lock(), "it holds 3 entries");
    // Longer than what was seen, but not the same.
    place.append(5, None).await;
    place.refused(place.lock(), "its first entries are others");
    place.copy("new", "data");
    place.append(1, Some(place.lock())).await;
}

#[tokio::test]
async fn a_lock_that_was_taken_away_swapped_or_put_in_the_folder_is_refused() {
    let place = Place::new();
    place.append(1, Some(place.lock())).await;
    let file = place.dir.path().join("lock");
    let own = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, own.replacen("\n2\n", "\n1\n", 1)).unwrap();
    place.refused(place.lock(), "not signed");
    std::fs::remove_file(&file).unwrap();
    place.refused(place.lock(), "is not there");
    assert!(!file.exists(), "a lock was begun");
    place.refused(RollbackLock::at(&place.data().join("lock")), "lies in the data folder");
    // The one beside the folder is begun where nobody named another.
    place.append(0, Some(RollbackLock::beside(&place.data()))).await;
    assert!(place.dir.path().join("data.audit-lock").exists());
}
