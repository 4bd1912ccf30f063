//! Between two commits: what a crash, a full disk or a stubborn file leaves, made with real SQL in
//! real files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use tempfile::TempDir;

use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::clock::FixedClock;
use crate::store::contract::{
    LATER, NOW, entry, is_suspended, knowledge, local, recorded, resident, row, time, word,
};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::keys::{HubKey, Keyring};
use crate::store::sqlite::log::{Log, stored_rows, verify_file};
use crate::store::{RecordedFact, Search, Store, StoreError};

/// The board says so.
fn suspended() -> Vec<RecordedFact> {
    recorded(vec![knowledge::suspended("befriend", true)])
}

const ORIGIN: &str = "hub.example/audit";

fn keys(dir: &TempDir) -> Arc<Keyring> {
    let hub = HubKey::from_bytes([1; 32]);
    Arc::new(Keyring::open(dir.path(), hub, time(NOW)).unwrap())
}

fn log(dir: &TempDir) -> Log {
    Log::open(dir.path(), keys(dir), ORIGIN, Arc::new(FixedClock::at(time(NOW)))).unwrap()
}

async fn open(dir: &TempDir) -> SqliteStore {
    SqliteStore::open(dir.path(), log(dir)).await.unwrap()
}

fn audit(dir: &TempDir) -> PathBuf {
    dir.path().join("audit-2026.db")
}

fn sql(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

fn count(path: &Path, sql: &str) -> i64 {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn outbox(dir: &TempDir) -> i64 {
    count(&dir.path().join("hub.db"), "SELECT count(*) FROM outbox")
}

/// How often an entry is in the log, as the file says.
fn times(dir: &TempDir, wanted: &Entry) -> usize {
    let rows = stored_rows(&Connection::open(audit(dir)).unwrap()).unwrap();
    let decoded = rows.iter().map(|(_, leaf)| crate::audit::leaf::decode(leaf).unwrap());
    decoded.filter(|leaf| leaf.entry.event == wanted.event).count()
}

fn whole(dir: &TempDir) {
    let verdict =
        verify_file(&audit(dir), keys(dir).signing_key().unwrap().verifier(ORIGIN), None, None)
            .unwrap();
    assert_eq!(verdict.findings, Vec::<String>::new());
}

/// Writes the outbox row that a change leaves that was cut off after its commit.
fn left_behind(dir: &TempDir, entry: &Entry) {
    let plain = serde_json::to_vec(entry).unwrap();
    let mut sealer =
        keys(dir).sealer(b"somebody", entry.event, entry.kind.kept(), time(NOW)).unwrap();
    let row = (*entry.event.uuid().as_bytes(), sealer.seal(0, &[&plain]).unwrap());
    let file = Connection::open(dir.path().join("hub.db")).unwrap();
    file.execute("INSERT INTO outbox (event, sealed) VALUES (?1, ?2)", row).unwrap();
}

#[tokio::test]
async fn a_crash_between_the_commits_is_made_good_once() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir).await);
    let lost = entry(Kind::Choice);
    left_behind(&dir, &lost);
    for round in 0..3 {
        let store = open(&dir).await;
        assert_eq!(store.entry(lost.event).await.unwrap().unwrap().index, 1, "round {round}");
        assert_eq!((times(&dir, &lost), outbox(&dir)), (1, 0), "round {round}");
        assert_eq!(store.head().await.unwrap().size, 2, "round {round}");
    }
    whole(&dir);
}

#[tokio::test]
async fn a_crash_after_both_commits_appends_nothing_twice() {
    let dir = TempDir::new().unwrap();
    let done = entry(Kind::Choice);
    let store = open(&dir).await;
    store.append(vec![done.clone(), entry(Kind::Query)]).await.unwrap();
    drop(store);
    left_behind(&dir, &done);
    let store = open(&dir).await;
    assert_eq!((times(&dir, &done), outbox(&dir)), (1, 0));
    assert_eq!(store.head().await.unwrap().size, 3);
    whole(&dir);
}

/// Of a run that was cut off some entries may be in the log and some not: all are, once, in order.
#[tokio::test]
async fn a_crash_amid_what_follows_from_a_change_is_made_good_once() {
    for there in 0..=3 {
        let dir = TempDir::new().unwrap();
        let run: Vec<Entry> = [Kind::Choice, Kind::Report, Kind::Report].map(entry).to_vec();
        let store = open(&dir).await;
        store.append(run.iter().take(there).cloned().collect()).await.unwrap();
        drop(store);
        run.iter().for_each(|entry| left_behind(&dir, entry));
        for round in 0..2 {
            let store = open(&dir).await;
            let mut places = Vec::new();
            for one in &run {
                assert_eq!(times(&dir, one), 1, "{there} were there, round {round}");
                places.push(store.entry(one.event).await.unwrap().unwrap().index);
            }
            assert_eq!(places, [1, 2, 3], "{there} were there, round {round}");
            assert_eq!((outbox(&dir), store.head().await.unwrap().size), (0, 4));
        }
        whole(&dir);
    }
}

/// The log cannot be written when a change with followers is committed: all of them come before what
/// relies on it.
#[tokio::test]
async fn a_log_that_fails_gets_the_whole_run_first() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir).await;
    let held = Connection::open(audit(&dir)).unwrap();
    held.execute_batch("BEGIN IMMEDIATE").unwrap();
    let run: Vec<Entry> = [Kind::Fact, Kind::Report, Kind::Report].map(entry).to_vec();
    let made = store.record_facts(suspended(), run.clone()).await;
    assert!(matches!(made, Err(StoreError::Unavailable(_))), "{made:?}");
    assert_eq!(outbox(&dir), 3);
    held.execute_batch("ROLLBACK").unwrap();
    let relying = store.append(vec![entry(Kind::Disclose)]).await.unwrap().remove(0);
    for one in &run {
        let place = store.entry(one.event).await.unwrap().unwrap().index;
        assert_eq!(times(&dir, one), 1);
        assert!(place < relying.index());
    }
    assert_eq!(outbox(&dir), 0);
    whole(&dir);
}

#[tokio::test]
async fn entries_of_one_change_are_all_made_good_in_order() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir).await;
    let [done, second, third] = [(); 3].map(|()| entry(Kind::Choice));
    // The log took the first of them; a crash kept the others from it.
    store.append(vec![done.clone()]).await.unwrap();
    drop(store);
    for one in [&done, &second, &third] {
        left_behind(&dir, one);
    }
    let store = open(&dir).await;
    for (one, index) in [(&done, 1), (&second, 2), (&third, 3)] {
        assert_eq!(store.entry(one.event).await.unwrap().unwrap().index, index);
        assert_eq!(times(&dir, one), 1);
    }
    assert_eq!((outbox(&dir), store.head().await.unwrap().size), (0, 4));
    whole(&dir);
}

#[tokio::test]
async fn an_outbox_that_cannot_be_read_opens_nothing() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir).await);
    sql(
        &dir.path().join("hub.db"),
        "INSERT INTO outbox (event, sealed) VALUES (zeroblob(16), zeroblob(200))",
    );
    let opened = SqliteStore::open(dir.path(), log(&dir)).await;
    assert!(matches!(opened, Err(StoreError::Corrupt(_))));
    assert_eq!(outbox(&dir), 1, "what is damaged is kept for an operator");
}

/// Somebody took the log away: it must not begin anew in silence.
#[tokio::test]
async fn changes_without_their_log_open_nothing() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir).await;
    store.register(vec![(resident("Ann", None), vec![])], entry(Kind::Hold)).await.unwrap();
    drop(store);
    for round in 0..2 {
        if round == 0 {
            std::fs::remove_file(audit(&dir)).unwrap();
        }
        let opened = SqliteStore::open(dir.path(), log(&dir)).await;
        let Err(StoreError::Corrupt(what)) = opened else { panic!("round {round}: it opens") };
        assert!(what.contains("audit log"), "{what}");
    }
}

/// The change is durable, so its receipt is true, whatever becomes of the outbox.
#[tokio::test]
async fn an_outbox_that_cannot_be_emptied_costs_neither_receipt_nor_order() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir).await;
    let file = dir.path().join("hub.db");
    sql(&file, "CREATE TRIGGER stuck BEFORE DELETE ON outbox BEGIN SELECT RAISE(FAIL, 'no'); END");
    let first = entry(Kind::Hold);
    let made = store.register(vec![(resident("Ann", None), vec![])], first.clone()).await;
    assert_eq!(made.unwrap().index(), 1);
    assert_eq!((times(&dir, &first), outbox(&dir)), (1, 1));
    // No further change while the outbox is stuck; what needs no outbox goes on.
    let next = store.register(vec![(resident("Bob", None), vec![])], entry(Kind::Hold)).await;
    assert!(matches!(next, Err(StoreError::Unavailable(_))), "{next:?}");
    store.append(vec![entry(Kind::Query)]).await.unwrap();
    sql(&file, "DROP TRIGGER stuck");
    store.register(vec![(resident("Cy", None), vec![])], entry(Kind::Hold)).await.unwrap();
    assert_eq!((times(&dir, &first), outbox(&dir)), (1, 0));
    assert_eq!(count(&file, "SELECT count(*) FROM resident"), 2);
    whole(&dir);
}

/// The log cannot be written when the change is committed: the caller is told that nothing is
/// promised, and the entry comes before any that relies on the change.
#[tokio::test]
async fn a_log_that_fails_after_the_commit_gets_the_entry_first() {
    for reopened in [false, true] {
        let dir = TempDir::new().unwrap();
        let mut store = open(&dir).await;
        let held = Connection::open(audit(&dir)).unwrap();
        held.execute_batch("BEGIN IMMEDIATE").unwrap();
        let late = entry(Kind::Fact);
        let made = store.record_facts(suspended(), vec![late.clone()]).await;
        assert!(matches!(made, Err(StoreError::Unavailable(_))), "{made:?}");
        let suspended = is_suspended(&store, "befriend").await;
        assert!(suspended, "what is in memory is older than the file");
        assert_eq!((times(&dir, &late), outbox(&dir)), (0, 1));
        if reopened {
            drop(store);
            let opened = SqliteStore::open(dir.path(), log(&dir)).await;
            assert!(opened.is_err(), "it opens with a log that is behind");
            held.execute_batch("ROLLBACK").unwrap();
            store = open(&dir).await;
        } else {
            let relying = store.append(vec![entry(Kind::Disclose)]).await;
            assert!(relying.is_err(), "a disclosure overtook the choice that it rests on");
            held.execute_batch("ROLLBACK").unwrap();
        }
        let relying = store.append(vec![entry(Kind::Disclose)]).await.unwrap();
        let place = store.entry(late.event).await.unwrap().unwrap().index;
        assert_eq!((times(&dir, &late), outbox(&dir)), (1, 0), "reopened {reopened}");
        assert!(place < relying[0].index(), "reopened {reopened}");
        whole(&dir);
    }
}

#[tokio::test]
async fn a_full_disk_takes_no_half_change_and_goes_on_when_there_is_space() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir).await;
    let people =
        (0..40).map(|n| (resident("Ann", None), vec![local("oakdale-gp", &n.to_string())]));
    store.register(people.collect(), entry(Kind::Hold)).await.unwrap();
    let file = dir.path().join("hub.db");
    let confine = |pages: i64| {
        let writer = store.changes.writer.lock().unwrap();
        writer.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    };
    let (mut shelved, mut told) = (0, None);
    confine(count(&file, "PRAGMA page_count") + 20);
    for round in 0..40 {
        let text = "x".repeat(2_000);
        let rows = (0..5).map(|n| row(&((round * 5 + n) % 40).to_string(), &[("a/b.c", &text)]));
        let before = (store.head().await.unwrap(), count(&file, "SELECT count(*) FROM shelf"));
        let category = word(&format!("a/b{round}"));
        let new = entry(Kind::Hold);
        let made = store
            .shelve(
                word("oakdale-gp"),
                category,
                rows.collect(),
                (time(NOW), time(LATER)),
                vec![new.clone()],
            )
            .await;
        match made {
            Ok((report, receipts)) => {
                assert_eq!((report.stored, receipts.len()), (5, 1));
                shelved += 5;
            }
            Err(error) => {
                assert!(matches!(error, StoreError::Full), "{error:?}");
                let after =
                    (store.head().await.unwrap(), count(&file, "SELECT count(*) FROM shelf"));
                assert_eq!(after, before, "something of the change is left");
                assert_eq!((times(&dir, &new), outbox(&dir)), (0, 0));
                told = Some(round);
                break;
            }
        }
    }
    assert!(told.is_some_and(|round| round > 0), "the disk was never full: {told:?}");
    // Reading and refusing go on, and both are in the log, which has a file of its own.
    store.append(vec![entry(Kind::Refuse)]).await.unwrap();
    confine(i64::from(u32::MAX - 1));
    store.record_facts(suspended(), vec![entry(Kind::Fact)]).await.unwrap();
    assert!(is_suspended(&store, "befriend").await);
    assert_eq!(count(&file, "SELECT count(*) FROM shelf"), shelved);
    let sound = "SELECT integrity_check = 'ok' FROM pragma_integrity_check";
    assert_eq!(count(&file, sound), 1);
    let gaps = Search { limit: 500, kinds: vec![Kind::Gap], ..Search::default() };
    assert_eq!(store.search(gaps).await.unwrap().entries.len(), 0, "the log never failed");
    whole(&dir);
}

/// Whether this process holds a lock on a file, as other processes see it.
fn is_locked(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let file = format!(":{}", std::fs::metadata(path).unwrap().ino());
    let (own, locks) = (std::process::id().to_string(), std::fs::read_to_string("/proc/locks"));
    locks.unwrap().lines().any(|lock| {
        let words: Vec<&str> = lock.split_whitespace().collect();
        words.contains(&own.as_str()) && words.iter().any(|word| word.ends_with(&file))
    })
}

#[tokio::test]
async fn a_full_disk_under_the_log_lets_nothing_out_and_leaves_a_gap_entry() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir).await);
    let path = audit(&dir);
    assert!(!is_locked(&path));
    crate::store::sqlite::log::confine(&path, Some(count(&path, "PRAGMA page_count") + 60));
    let store = open(&dir).await;
    let large = |kind| {
        let mut entry = entry(kind);
        entry.slots.insert(SlotId::Decision, vec![7; 60_000]);
        entry
    };
    let run = || -> Vec<Entry> { vec![entry(Kind::Disclose), large(Kind::Disclose)] };
    let mut kept = 0;
    let failed = loop {
        let (before, new) = (store.head().await.unwrap(), run());
        match store.append(new.clone()).await {
            Ok(receipts) => kept += receipts.len(),
            Err(error) => {
                assert!(matches!(error, StoreError::Full), "{error:?}");
                assert_eq!(store.head().await.unwrap(), before);
                assert!(new.iter().all(|e| times(&dir, e) == 0), "a part of the run is there");
                break new;
            }
        }
        assert!(kept < 300, "the disk was never full");
    };
    assert!(kept > 0);
    whole(&dir);
    // It stays full: the file is opened anew each time, and nothing changes.
    assert!(matches!(store.append(run()).await, Err(StoreError::Full)));
    let made = store.register(vec![(resident("Ann", None), vec![])], large(Kind::Hold)).await;
    assert!(made.is_err() && outbox(&dir) == 1, "{made:?}");
    let rows = count(&path, "SELECT count(*) FROM entry");
    assert_eq!(rows, 1 + i64::try_from(kept).unwrap());
    whole(&dir);
    crate::store::sqlite::log::confine(&path, None);
    store.append(failed.clone()).await.unwrap();
    // It was opened anew, while searches and the index had it open.
    assert!(is_locked(&path), "another program would take itself for the only one");
    assert!(failed.iter().all(|e| times(&dir, e) == 1));
    let gaps = Search { limit: 500, kinds: vec![Kind::Gap, Kind::Hold], ..Search::default() };
    let found = store.search(gaps).await.unwrap().entries;
    let kinds: Vec<Kind> = found.iter().map(|e| e.entry.kind).collect();
    assert_eq!(kinds, [Kind::Gap, Kind::Hold], "the gap, then what the log missed");
    assert_eq!(found[0].entry.facets[&Facet::Count], "5");
    assert_eq!(outbox(&dir), 0);
    whole(&dir);
}
