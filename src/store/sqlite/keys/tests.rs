//! Keys on real files: what opens, what does not, and what is left when one is destroyed.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};
use tempfile::TempDir;

use super::{HubKey, Keyring};
use crate::audit::entry::{Entry, Kind, SlotId};
use crate::audit::retention::Lot;
use crate::clock::FixedClock;
use crate::domain::{KeptKind, ResidentId};
use crate::store::contract::{LATER, NOW, entry, local, resident, row, time, word};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::log::{Log, check_slots, verify_file};
use crate::store::{Search, Store, StoreError};

const ORIGIN: &str = "hub.example/audit";
const NUMBER: &str = "9434765919";

fn hub(n: u8) -> HubKey {
    HubKey::from_bytes([n; 32])
}

fn keys(dir: &Path, n: u8) -> Result<Keyring, StoreError> {
    Keyring::open(dir, hub(n), time(NOW))
}

async fn open_at(dir: &Path, n: u8, clock: FixedClock) -> SqliteStore {
    let keys = Arc::new(keys(dir, n).unwrap());
    let log = Log::open(dir, keys, ORIGIN, Arc::new(clock)).unwrap();
    SqliteStore::open(dir, log).await.unwrap()
}

async fn open(dir: &Path) -> SqliteStore {
    open_at(dir, 1, FixedClock::at(time(NOW))).await
}

/// Registers somebody with a record, and leaves an entry about them.
async fn somebody(store: &SqliteStore, name: &str, number: Option<&str>, id: &str) -> ResidentId {
    let one = resident(name, number);
    let resident = one.id;
    let ids = vec![local("oakdale-gp", id)];
    store.register(vec![(one, ids)], entry(Kind::Hold)).await.unwrap();
    let rows = vec![row(id, &[("health/summary.allergies", "canary-penicillin")])];
    let times = (time(NOW), time(LATER));
    let (holder, category) = (word("oakdale-gp"), word("health/summary"));
    store.shelve(holder, category, rows, times, vec![entry(Kind::Hold)]).await.unwrap();
    store.append(vec![about(resident, "canary-reason")]).await.unwrap();
    resident
}

fn about(resident: ResidentId, reason: &str) -> Entry {
    let slots = [
        (SlotId::Subject, resident.uuid().as_bytes().to_vec()),
        (SlotId::Asker, reason.as_bytes().to_vec()),
    ];
    Entry { slots: slots.into(), ..entry(Kind::Disclose) }
}

async fn held(store: &SqliteStore, resident: ResidentId) -> Result<usize, StoreError> {
    let record =
        store.shelf_record(word("oakdale-gp"), resident, vec![word("health/summary")]).await?;
    Ok(record.values.len())
}

fn log_file(dir: &Path) -> PathBuf {
    dir.join("audit-2026.db")
}

fn findings(dir: &Path) -> Vec<String> {
    let vkey = std::fs::read_to_string(dir.join("audit.vkey")).unwrap();
    let vkey = crate::audit::checkpoint::VerifierKey::parse(&vkey).unwrap();
    verify_file(&log_file(dir), vkey, None, None).unwrap().findings
}

fn bytes_of(dir: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let files: Vec<PathBuf> = files.filter(|file| file.is_file()).collect();
    assert!(files.iter().any(|file| file.ends_with("hub.db-wal")), "{files:?}");
    files.iter().flat_map(|file| std::fs::read(file).unwrap()).collect()
}

fn holds(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|found| found == word)
}

#[tokio::test]
async fn nothing_personal_stands_in_the_files() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    let ann = somebody(&store, "Canary Annable", Some(NUMBER), "p-1").await;
    assert_eq!(held(&store, ann).await.unwrap(), 1);
    let born = word("1980-02-29");
    assert_eq!(store.find(NUMBER, "canary  ANNABLE", born).await.unwrap(), [ann]);
    let bytes = bytes_of(dir.path());
    assert!(holds(&bytes, b"oakdale-gp"), "nothing was read");
    for canary in ["Annable", "annable", NUMBER, "penicillin", "canary", "1980-02-29"] {
        assert!(!holds(&bytes, canary.as_bytes()), "{canary}");
    }
    // Whom an entry is about stands in `hub.db`, never in the log.
    let log = std::fs::read(dir.path().join("audit-2026.db-wal")).unwrap();
    assert!(holds(&bytes, ann.uuid().as_bytes()) && !holds(&log, ann.uuid().as_bytes()));
}

#[tokio::test]
async fn equal_subjects_leave_nothing_equal_and_all_are_of_one_length() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    let ann = somebody(&store, "Ann", None, "p-1").await;
    let unknown = resident("Nobody", None).id;
    let count = || {
        let file = Connection::open(dir.path().join("keys.db")).unwrap();
        file.query_row("SELECT count(*) FROM wrapped", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let before = count();
    for subject in [ann, ann, unknown, unknown] {
        store.append(vec![about(subject, "canary-reason")]).await.unwrap();
    }
    assert_eq!(count(), before, "a question about somebody unknown leaves a key");
    let file = Connection::open(log_file(dir.path())).unwrap();
    let sql = "SELECT bytes FROM slot WHERE slot = 1 ORDER BY idx DESC LIMIT 4";
    let mut statement = file.prepare(sql).unwrap();
    let slots: Vec<Vec<u8>> =
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(slots.iter().all(|slot| slot.len() == slots[0].len()));
    for (n, one) in slots.iter().enumerate() {
        for other in &slots[n + 1..] {
            // Version, year and kind are the same for everybody.
            let same = one[4..].windows(8).any(|part| other[4..].windows(8).any(|p| p == part));
            assert!(!same, "two entries can be linked");
        }
    }
    for (subject, found) in [(ann, 3), (unknown, 2)] {
        let slot = Some((SlotId::Subject, subject.uuid().as_bytes().to_vec()));
        let page = store.search(Search { slot, limit: 50, ..Search::default() }).await.unwrap();
        assert_eq!(page.entries.len(), found);
        assert!(page.entries.iter().all(|e| e.entry.slots[&SlotId::Asker] == b"canary-reason"));
    }
}

#[tokio::test]
async fn a_destroyed_key_erases_and_is_no_tampering_and_tampering_is_found_still() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    let ann = somebody(&store, "Ann", None, "p-1").await;
    let bob = somebody(&store, "Bob", None, "p-2").await;
    store.log().keys().destroy(ann).unwrap();
    for reopened in [false, true] {
        let keys = store.log().keys();
        let slots = check_slots(&log_file(dir.path()), keys).unwrap();
        assert_eq!((slots.erased, slots.wrong), (2, 0), "{reopened}");
        assert_eq!(findings(dir.path()), Vec::<String>::new());
        let slot = Some((SlotId::Subject, ann.uuid().as_bytes().to_vec()));
        let page = store.search(Search { slot, limit: 50, ..Search::default() }).await.unwrap();
        assert_eq!(page.entries.len(), 1, "that there was an entry stays known");
        assert!(page.entries[0].entry.slots.is_empty(), "an erased slot says something");
        assert!(held(&store, ann).await.is_err());
        assert_eq!(held(&store, bob).await.unwrap(), 1);
    }
    let keys = bytes_of(dir.path());
    let name = store.log().keys().name(super::file::Purpose::Slots, ann.uuid().as_bytes());
    assert!(!holds(&keys, &name), "the key is in the files still");
    let file = Connection::open(log_file(dir.path())).unwrap();
    let tampered = "UPDATE slot SET bytes = CAST(bytes || x'00' AS BLOB) WHERE slot = 2";
    assert_eq!(file.execute(tampered, []).unwrap(), 2);
    let found = findings(dir.path());
    assert!(found.len() == 2 && found[0].contains("slot Asker was changed"), "{found:?}");
    let found = check_slots(&log_file(dir.path()), store.log().keys()).unwrap();
    assert_eq!((found.erased, found.wrong), (2, 1), "what is erased cannot be told from changed");
}

/// The keys of kinds as they stand in the file, by year and kind.
fn kinds(dir: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let file = Connection::open(dir.join("keys.db")).unwrap();
    let sql = "SELECT name, key FROM wrapped WHERE kind = 8 ORDER BY name";
    let mut rows = file.prepare(sql).unwrap();
    let found = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    found.unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn the_keys_of_a_year_are_made_together_before_anything_is_asked() {
    let dir = TempDir::new().unwrap();
    let clock = FixedClock::at(time(NOW));
    let store = open_at(dir.path(), 1, clock.clone()).await;
    let names =
        || -> Vec<Vec<u8>> { kinds(dir.path()).into_iter().map(|(name, _)| name).collect() };
    let of = |year: i16| {
        let of_kind = |kind: &KeptKind| [&year.to_be_bytes()[..], &[kind.number()]].concat();
        KeptKind::ALL.iter().map(of_kind).collect::<Vec<_>>()
    };
    assert_eq!(names(), of(2026));
    // Entries of all kinds, about somebody known and somebody unknown, leave no key.
    let ann = somebody(&store, "Ann", None, "p-1").await;
    for kind in (0..=u8::MAX).filter_map(Kind::from_number) {
        for subject in [ann, resident("Nobody", None).id] {
            store.append(vec![Entry { kind, ..about(subject, "canary-why") }]).await.unwrap();
        }
    }
    assert_eq!(names(), of(2026));
    clock.set("2027-01-01T00:00:00Z".parse().unwrap());
    store.append(vec![about(ann, "canary-why")]).await.unwrap();
    assert_eq!(names(), [of(2026), of(2027)].concat(), "the first entry makes all of its year");
    let wrapped: BTreeSet<Vec<u8>> = kinds(dir.path()).into_iter().map(|(_, key)| key).collect();
    assert_eq!(wrapped.len(), 2 * KeptKind::ALL.len());
}

#[tokio::test]
async fn a_kind_whose_key_is_destroyed_is_erased_and_the_others_of_its_year_are_not() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    let ann = somebody(&store, "Ann", None, "p-1").await;
    let refused = Entry { kind: Kind::Refuse, ..about(ann, "canary-why") };
    store.append(vec![refused]).await.unwrap();
    let keys = store.log().keys();
    let lot = Lot::of(2026, KeptKind::Disclose);
    let found = kinds(dir.path()).into_iter().find(|(name, _)| name == b"\x07\xea\x02");
    let wrapped = found.unwrap().1;
    assert!(holds(&bytes_of(dir.path()), &wrapped), "nothing was read");
    let before = check_slots(&log_file(dir.path()), keys).unwrap();
    keys.destroy_lots(&[lot]).unwrap();
    let lots = KeptKind::ALL.iter().map(|kind| Lot::of(2026, *kind));
    assert!(lots.into_iter().all(|one| keys.opens_lot(one).unwrap() == (one != lot)));
    let after = check_slots(&log_file(dir.path()), keys).unwrap();
    assert_eq!((after.open, after.erased, after.wrong), (before.open - 2, 2, 0));
    assert_eq!(findings(dir.path()), Vec::<String>::new());
    assert!(!holds(&bytes_of(dir.path()), &wrapped), "the key is in the files still");
    // Whom what was released was about nobody can tell any more; what was refused says all it said.
    let slot = Some((SlotId::Subject, ann.uuid().as_bytes().to_vec()));
    let page = store.search(Search { slot, limit: 50, ..Search::default() }).await.unwrap();
    let said: Vec<_> = page
        .entries
        .iter()
        .map(|one| (one.entry.kind, one.entry.slots[&SlotId::Asker].as_slice()))
        .collect();
    assert_eq!(said, [(Kind::Refuse, b"canary-why".as_slice())]);
    let released = Search { kinds: vec![Kind::Disclose], limit: 50, ..Search::default() };
    let page = store.search(released).await.unwrap();
    assert!(page.entries.len() == 1 && page.entries[0].entry.slots.is_empty());
    assert_eq!(held(&store, ann).await.unwrap(), 1, "records have a life of their own");
    let sound = keys.check().unwrap();
    // Four of the place, two of the resident, and those of the other kinds.
    assert_eq!((sound.keys, sound.wrong), (6 + KeptKind::ALL.len() as u64 - 1, 0));
    // Nor is it made again, whatever year the clock says: what it sealed would read as changed.
    drop(store);
    let again = open(dir.path()).await;
    let keys = again.log().keys();
    keys.begin_year(2026).unwrap();
    assert!(
        !keys.opens_lot(lot).unwrap() && keys.opens_lot(Lot::of(2026, KeptKind::Refuse)).unwrap()
    );
    assert!(keys.lot_for_sealing(2026, KeptKind::Disclose).is_err());
    assert_eq!(check_slots(&log_file(dir.path()), keys).unwrap().wrong, 0);
}

/// What a program of before does first with `keys.db`, whatever it is told to do.
fn begun_before(file: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    file.execute_batch(
        "BEGIN IMMEDIATE;
         CREATE TABLE IF NOT EXISTS hub (one INTEGER PRIMARY KEY CHECK (one = 1), id BLOB NOT NULL) STRICT;
         CREATE TABLE IF NOT EXISTS wrapped (
             kind INTEGER NOT NULL, name BLOB NOT NULL, key BLOB NOT NULL, PRIMARY KEY (kind, name)
         ) STRICT, WITHOUT ROWID;",
    )?;
    let id = file.query_row("SELECT id FROM hub", [], |row| row.get(0)).optional();
    file.execute_batch("ROLLBACK")?;
    id
}

#[tokio::test]
async fn a_program_of_before_is_told_to_leave_the_keys_alone_and_so_is_this_one_later() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()).await);
    let file = Connection::open(dir.path().join("keys.db")).unwrap();
    for _ in 0..2 {
        let told = begun_before(&file).unwrap_err().to_string();
        assert!(told.contains("keys.db is of version 2: use a newer program"), "{told}");
        keys(dir.path(), 1).unwrap();
    }
    file.execute_batch("PRAGMA user_version = 3").unwrap();
    let error = keys(dir.path(), 1).err().unwrap().to_string();
    assert!(error.contains("version 3, this program knows 2: use a newer one"), "{error}");
}

#[tokio::test]
async fn what_was_swapped_or_moved_does_not_open() {
    for (file, table, sql, says) in [
        (
            "keys.db",
            "wrapped",
            "SET key = (SELECT key FROM was WHERE was.kind = 6 AND was.name <> wrapped.name) \
             WHERE kind = 6",
            "keys.db was changed or moved",
        ),
        (
            "hub.db",
            "shelf",
            "SET sealed = (SELECT sealed FROM was WHERE was.local_id <> shelf.local_id)",
            "changed or moved",
        ),
        ("hub.db", "shelf", "SET expires_us = expires_us + 1", "changed or moved"),
        (
            "hub.db",
            "identity",
            "SET resident = (SELECT resident FROM was WHERE was.local_id <> identity.local_id)",
            "changed or moved",
        ),
    ] {
        let dir = TempDir::new().unwrap();
        let store = open(dir.path()).await;
        let ann = somebody(&store, "Ann", None, "p-1").await;
        somebody(&store, "Bob", None, "p-2").await;
        assert_eq!(held(&store, ann).await.unwrap(), 1);
        drop(store);
        let changing = Connection::open(dir.path().join(file)).unwrap();
        changing.execute_batch(&format!("CREATE TEMP TABLE was AS SELECT * FROM {table}")).unwrap();
        assert_eq!(changing.execute(&format!("UPDATE {table} {sql}"), []).unwrap(), 2, "{sql}");
        drop(changing);
        let store = open(dir.path()).await;
        let error = held(&store, ann).await.unwrap_err().to_string();
        assert!(error.contains(says), "{sql}: {error}");
        assert_eq!(store.log().keys().check().unwrap().wrong > 0, file == "keys.db");
    }
}

#[tokio::test]
async fn another_hub_key_and_a_folder_without_keys_are_refused() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()).await);
    let error = keys(dir.path(), 2).err().unwrap().to_string();
    assert!(error.contains(&hub(1).name()) && error.contains(&hub(2).name()), "{error}");
    for lost in ["keys.db", "keys.db-wal", "keys.db-shm"] {
        let _there = std::fs::remove_file(dir.path().join(lost));
    }
    for _ in 0..2 {
        let error = keys(dir.path(), 1).err().unwrap().to_string();
        assert!(error.contains("without its keys"), "{error}");
    }
}

#[test]
fn a_hub_key_is_its_owners_alone_and_lies_elsewhere() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let good = dir.path().join("hub-key");
    let made = HubKey::make(&good, Some(&data)).unwrap();
    assert_eq!(HubKey::read(&good, &data).unwrap().id(), made.id());
    assert!(HubKey::make(&good, Some(&data)).is_err(), "a key was replaced");
    assert_eq!(HubKey::read(&good, &data).unwrap().id(), made.id());
    let refused = |path: &Path, says: &str| {
        let error = HubKey::read(path, &data).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    };
    let mode = |mode| std::fs::set_permissions(&good, PermissionsExt::from_mode(mode)).unwrap();
    for open in [0o644, 0o640, 0o604, 0o660, 0o700] {
        mode(open);
        refused(&good, "chmod 600");
    }
    mode(0o600);
    assert!(HubKey::make(&data.join("hub-key"), Some(&data)).is_err());
    std::fs::copy(&good, data.join("hub-key")).unwrap();
    let link = |to: &Path, name: &str| {
        let path = dir.path().join(name);
        std::os::unix::fs::symlink(to, &path).unwrap();
        path
    };
    refused(&data.join("hub-key"), "in the data folder");
    refused(&link(&data.join("hub-key"), "linked"), "in the data folder");
    refused(&link(&data, "folder").join("hub-key"), "in the data folder");
    std::os::unix::fs::symlink(&good, data.join("leading-out")).unwrap();
    refused(&data.join("leading-out"), "in the data folder");
    HubKey::read(&link(&good, "harmless"), &data).unwrap();
    refused(&dir.path().join("none"), "cannot be read");
    for wrong in ["", "nonsense", &"0".repeat(63), &"0".repeat(66), &"0".repeat(1 << 20)] {
        std::fs::write(&good, wrong).unwrap();
        refused(&good, "holds no hub key");
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap().path();
        // What one process tells another is made anew.
        if !file.to_string_lossy().ends_with("-shm") {
            std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
        }
    }
}

/// The files as they stand at each step are what a kill there leaves.
#[tokio::test]
async fn a_rotation_that_is_cut_off_leaves_one_key_that_works() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let store = open(&data).await;
    let ann = somebody(&store, "Ann", None, "p-1").await;
    let mut steps = Vec::new();
    let done = store.log().keys().rewrap(&hub(2), |step| {
        let left = dir.path().join(format!("{}-{step}", steps.len()));
        copy(&data, &left);
        steps.push((step.to_owned(), left));
    });
    assert_eq!(done.unwrap(), 6 + KeptKind::ALL.len() as u64);
    drop(store);
    let names: Vec<&str> = steps.iter().map(|(step, _)| step.as_str()).collect();
    assert_eq!(names, ["wrapped", "ready", "committed", "settled"]);
    for (step, left) in steps.iter().chain([&("end".to_owned(), data)]) {
        let new = !["wrapped", "ready"].contains(&step.as_str());
        let (works, not) = if new { (2, 1) } else { (1, 2) };
        assert!(keys(left, not).is_err(), "{step}: both keys work");
        let store = open_at(left, works, FixedClock::at(time(NOW))).await;
        assert_eq!(held(&store, ann).await.unwrap(), 1, "{step}");
        assert_eq!(store.log().keys().check().unwrap().wrong, 0, "{step}");
        assert_eq!(check_slots(&log_file(left), store.log().keys()).unwrap().wrong, 0, "{step}");
    }
}

#[tokio::test]
async fn what_has_expired_is_not_released_and_purged_with_its_number() {
    let dir = TempDir::new().unwrap();
    let clock = FixedClock::at(time(NOW));
    let store = open_at(dir.path(), 1, clock.clone()).await;
    let ann = somebody(&store, "Ann", None, "p-1").await;
    let size = store.head().await.unwrap().size;
    let end = time(LATER);
    let before = end.checked_sub(jiff::SignedDuration::from_micros(1)).unwrap();
    for (now, released) in [(before, 1), (end, 0), (before, 1)] {
        clock.set(now);
        assert_eq!(held(&store, ann).await.unwrap(), released, "{now}");
    }
    assert_eq!(store.purge_expired(10).await.unwrap(), 0);
    assert_eq!(store.head().await.unwrap().size, size, "an entry tells of nothing");
    clock.set(end);
    assert_eq!(store.purge_expired(10).await.unwrap(), 1);
    assert_eq!(store.head().await.unwrap().size, size + 1);
    clock.set(before);
    assert_eq!(held(&store, ann).await.unwrap(), 0, "what is purged is there still");
}
