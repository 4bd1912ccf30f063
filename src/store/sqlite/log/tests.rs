//! The log on real files: durability before answers, grouping, full disks, and every kind of tampering.

mod years;

use std::collections::BTreeMap;

use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

use super::super::keys::HubKey;
use super::*;
use crate::audit::entry::{Facet, Kind};
use crate::clock::FixedClock;

mod flips;
mod spans;
mod tiles;

const ORIGIN: &str = "hub.example/audit";

fn clock() -> SharedClock {
    Arc::new(FixedClock::at("2026-07-15T10:00:00+01:00".parse().unwrap()))
}

fn keys(dir: &TempDir) -> Arc<Keyring> {
    let hub = HubKey::from_bytes([1; 32]);
    Arc::new(Keyring::open(dir.path(), hub, clock().now()).unwrap())
}

fn verifier(dir: &TempDir) -> VerifierKey {
    keys(dir).signing_key().unwrap().verifier(ORIGIN)
}

fn open(dir: &TempDir) -> Log {
    Log::open(dir.path(), keys(dir), ORIGIN, clock()).unwrap()
}

fn entry(kind: Kind, purpose: &str) -> Entry {
    Entry {
        event: DecisionId::from_uuid(Uuid::now_v7()),
        kind,
        rpc: "test".to_owned(),
        call: DecisionId::from_uuid(Uuid::now_v7()),
        part: 1,
        parts: 1,
        agency: "oakdale-gp".parse().ok(),
        principal: [1; 16],
        policy: [2; 32],
        facets: BTreeMap::from([(Facet::Purpose, purpose.to_owned())]),
        slots: BTreeMap::from([(SlotId::Subject, b"somebody".to_vec())]),
    }
}

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join("audit-2026.db")
}

fn findings(dir: &TempDir) -> Vec<String> {
    verify_file(&file(dir), verifier(dir), None, None).unwrap().findings
}

#[tokio::test]
async fn a_receipt_means_that_a_stranger_finds_the_entry() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir);
    for i in 0..5 {
        let wanted = entry(Kind::Disclose, "direct_care");
        let event = wanted.event;
        let receipts = log.append(vec![wanted, entry(Kind::Query, "marac")]).await.unwrap();
        let stranger = Connection::open(file(&dir)).unwrap();
        let rows = stored_rows(&stranger).unwrap();
        assert_eq!(rows.len(), 3 + 2 * i);
        let place = usize::try_from(receipts[0].index()).unwrap();
        let leaf = crate::audit::leaf::decode(&rows[place].1).unwrap();
        assert_eq!(leaf.entry.event, event);
        assert_eq!(receipts[1].index(), receipts[0].index() + 1);
        assert_eq!(log.head().size, receipts[1].size());
    }
    assert_eq!(findings(&dir), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_share_a_commit() {
    let dir = TempDir::new().unwrap();
    let log = Arc::new(open(&dir));
    let mut callers = Vec::new();
    for _ in 0..64 {
        let log = Arc::clone(&log);
        callers.push(tokio::spawn(async move {
            for _ in 0..10 {
                log.append(vec![entry(Kind::Disclose, "direct_care")]).await.unwrap();
            }
        }));
    }
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(log.head().size, 641);
    let stranger = Connection::open(file(&dir)).unwrap();
    let heads = stored_heads(&stranger).unwrap().len();
    assert!(heads < 641, "{heads} commits for 641 entries");
    assert_eq!(findings(&dir), Vec::<String>::new());
}

#[tokio::test]
async fn a_reopened_log_goes_on_where_it_was() {
    let dir = TempDir::new().unwrap();
    let event = {
        let log = open(&dir);
        let wanted = entry(Kind::Disclose, "direct_care");
        let event = wanted.event;
        log.append(vec![wanted.clone()]).await.unwrap();
        let twice = log.append_once(vec![wanted]).await.unwrap().remove(0);
        assert_eq!((twice.event(), twice.index()), (event, 1));
        event
    };
    let log = open(&dir);
    assert_eq!(log.head().size, 2);
    let found = log.entry(event).await.unwrap().unwrap();
    assert_eq!(found.index, 1);
    assert_eq!(found.entry.slots[&SlotId::Subject], b"somebody");
    log.append(vec![entry(Kind::Refuse, "marac")]).await.unwrap();
    assert_eq!(findings(&dir), Vec::<String>::new());
}

#[tokio::test]
async fn a_clock_that_goes_back_is_entered_once_and_times_stand_still() {
    let dir = TempDir::new().unwrap();
    let clock = FixedClock::at("2026-07-15T10:00:00Z".parse().unwrap());
    let log =
        Log::open(dir.path(), keys(&dir), ORIGIN, Arc::new(clock.clone()) as SharedClock).unwrap();
    for at in ["10:30:00", "10:29:01", "09:00:00", "09:01:00", "10:31:00", "10:00:00"] {
        clock.set(format!("2026-07-15T{at}Z").parse().unwrap());
        log.append(vec![entry(Kind::Query, "marac")]).await.unwrap();
    }
    let page = log.search(Search { limit: 20, ..Search::default() }).await.unwrap();
    let said: Vec<_> = page
        .entries
        .iter()
        .filter(|stored| stored.entry.kind == Kind::Operation)
        .map(|stored| (stored.index, stored.entry.facets[&Facet::What].as_str()))
        .collect();
    assert_eq!(said, [(3, "clock-back|5400"), (7, "clock-back|1860")], "not for a few seconds");
    drop(log);
    let verdict = verify_file(&file(&dir), verifier(&dir), None, None).unwrap();
    assert_eq!(verdict.findings, Vec::<String>::new());
    assert_eq!(verdict.notes.len(), 2);
    assert!(verdict.notes[0].starts_with("entry 3: the hub's clock went back by 5400 seconds"));
}

#[tokio::test]
async fn a_second_process_is_turned_away() {
    let dir = TempDir::new().unwrap();
    let _log = open(&dir);
    let second = Log::open(dir.path(), keys(&dir), ORIGIN, clock());
    assert!(matches!(second, Err(StoreError::InUse)));
}

#[tokio::test]
async fn a_key_that_did_not_sign_does_not_open_the_log() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir));
    let elsewhere = TempDir::new().unwrap();
    let opened = Log::open(dir.path(), keys(&elsewhere), ORIGIN, clock());
    assert!(matches!(opened, Err(StoreError::Corrupt(_))));
}

/// Somebody else holds the file: no receipt is given, and afterwards the gap is in the log.
#[tokio::test]
async fn a_failed_commit_gives_no_receipt_and_leaves_a_gap_entry() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir);
    let holder = Connection::open(file(&dir)).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let failed = log.append(vec![entry(Kind::Disclose, "direct_care")]).await;
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
    holder.execute_batch("ROLLBACK").unwrap();
    let next = entry(Kind::Disclose, "direct_care");
    let receipts = log.append(vec![next.clone()]).await.unwrap();
    let places: Vec<_> = receipts.iter().map(|r| (r.event(), r.index())).collect();
    assert_eq!(places, [(next.event, 2)], "the gap's receipt is nobody's");
    let page = log.search(Search { limit: 10, ..Search::default() }).await.unwrap();
    let kinds: Vec<Kind> = page.entries.iter().map(|e| e.entry.kind).collect();
    assert_eq!(kinds, [Kind::Genesis, Kind::Gap, Kind::Disclose]);
    assert_eq!(page.entries[1].entry.facets[&Facet::Count], "1");
    assert_eq!(findings(&dir), Vec::<String>::new());
}

/// The queue is bounded by entries, not by calls: a call may bring two hundred.
#[tokio::test]
async fn more_entries_than_may_wait_are_turned_down_at_once() {
    let dir = TempDir::new().unwrap();
    let log = Arc::new(open(&dir));
    let holder = Connection::open(file(&dir)).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let run = |count| (0..count).map(|_| entry(Kind::Query, "marac")).collect::<Vec<_>>();
    let too_many = log.append(run(AUDIT_QUEUE_MAX + 1)).await;
    assert!(matches!(too_many, Err(StoreError::Unavailable(_))), "{too_many:?}");
    let waiting = {
        let (log, run) = (Arc::clone(&log), run(AUDIT_QUEUE_MAX - 1));
        tokio::spawn(async move { log.append(run).await.map(|receipts| receipts.len()) })
    };
    // A spawned call has queued once this one is polled again.
    tokio::task::yield_now().await;
    let too_many = log.append(run(2)).await;
    assert!(too_many.unwrap_err().to_string().contains("too many"));
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), AUDIT_QUEUE_MAX - 1);
    log.append(run(AUDIT_QUEUE_MAX)).await.unwrap();
    assert_eq!(findings(&dir), Vec::<String>::new());
}

#[tokio::test]
async fn an_entry_too_large_is_refused_before_it_is_written() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir);
    let mut large = entry(Kind::Disclose, &"x".repeat(Entry::LEAF_LEN_MAX));
    let refused = |r| matches!(r, Err(StoreError::Refused(Refusal::EntryTooLarge)));
    assert!(refused(log.append(vec![large.clone()]).await));
    large.facets.clear();
    large.slots.insert(SlotId::Asker, vec![0; Entry::SLOT_LEN_MAX + 1]);
    assert!(refused(log.append(vec![large]).await));
    assert_eq!(log.head().size, 1);
}

#[tokio::test]
async fn a_search_reads_what_is_meant_and_says_up_to_where() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir);
    for i in 0..30 {
        let purpose = if i % 3 == 0 { "marac" } else { "direct_care" };
        log.append(vec![entry(Kind::Disclose, purpose)]).await.unwrap();
    }
    let mut search = Search { limit: 4, ..Search::default() };
    search.facets.push((Facet::Purpose, "marac".to_owned()));
    let mut found = 0;
    loop {
        let page = log.search(search.clone()).await.unwrap();
        assert_eq!(page.size, 31);
        assert!(page.entries.len() <= 4);
        found += page.entries.len();
        match page.next_index {
            Some(next) => search.from_index = next,
            None => break,
        }
    }
    assert_eq!(found, 10);
    let somebody = Some((SlotId::Subject, b"somebody".to_vec()));
    let by_slot = Search { limit: 100, slot: somebody, ..Search::default() };
    assert_eq!(log.search(by_slot).await.unwrap().entries.len(), 30);
}

#[tokio::test]
async fn every_kind_of_tampering_is_found_and_named() {
    let cases = [
        ("UPDATE entry SET leaf = CAST(leaf || x'00' AS BLOB) WHERE idx = 2", "entry 2"),
        ("UPDATE entry SET leaf = (SELECT leaf FROM entry WHERE idx = 3) WHERE idx = 2", "entry 3"),
        ("DELETE FROM entry WHERE idx = 2", "entry 2: missing"),
        ("DELETE FROM entry WHERE idx = 5", "entry 5"),
        ("DELETE FROM entry WHERE idx = 5; DELETE FROM slot WHERE idx = 5", "head 6"),
        ("UPDATE entry SET idx = 9 WHERE idx = 5", "entry 5: missing"),
        ("UPDATE slot SET bytes = x'00' WHERE idx = 3", "entry 3: slot Subject was changed"),
        (
            "UPDATE slot SET content = zeroblob(32) WHERE idx = 3",
            "entry 3: slot Subject was changed",
        ),
        ("UPDATE slot SET content = x'00' WHERE idx = 3", "entry 3: slot 1 is malformed"),
        ("DELETE FROM slot WHERE idx = 3", "entry 3: slot Subject is missing"),
        ("INSERT INTO slot VALUES (3, 4, zeroblob(32), x'00')", "entry 3: slot Decision is not"),
        ("INSERT INTO slot VALUES (77, 1, zeroblob(32), x'00')", "entry 77: is missing"),
        (
            "UPDATE head SET note = replace(note, 'hub.example', 'hub.exampl3') WHERE size = 4",
            "head 4",
        ),
        ("UPDATE head SET note = (SELECT note FROM head WHERE size = 3) WHERE size = 4", "head 4"),
        ("DELETE FROM head WHERE size = 6", "entries 5 to 5 are under no signed head"),
        ("CREATE TABLE extra (x)", "table extra in audit-2026.db is no part of a log"),
        ("CREATE INDEX extra ON entry (leaf)", "index extra in audit-2026.db is no part of a log"),
        (
            "ALTER TABLE entry ADD COLUMN note TEXT",
            "table entry in audit-2026.db is not made as a log makes it",
        ),
        ("DROP TABLE slot", "it has no table slot"),
        ("DROP TABLE entry", "it has no table entry"),
        ("DROP TABLE head", "no such table: head"),
    ];
    for (sql, says) in cases {
        let dir = TempDir::new().unwrap();
        {
            let log = open(&dir);
            for _ in 0..5 {
                log.append(vec![entry(Kind::Disclose, "direct_care")]).await.unwrap();
            }
        }
        assert_eq!(findings(&dir), Vec::<String>::new());
        Connection::open(file(&dir)).unwrap().execute_batch(sql).unwrap();
        let found = findings(&dir);
        assert!(found.iter().any(|f| f.contains(says)), "{sql}: {found:?}");
    }
}

#[tokio::test]
async fn a_log_put_back_to_an_older_copy_is_found_by_what_was_kept() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir);
    log.append(vec![entry(Kind::Query, "marac"), entry(Kind::Query, "marac")]).await.unwrap();
    let head = log.head();
    log.close();
    drop(log);
    let kept = |size, root| {
        let verdict = verify_file(&file(&dir), verifier(&dir), Some((size, root)), None);
        verdict.unwrap().findings.join("; ")
    };
    assert_eq!(kept(head.size, head.root), "");
    assert!(kept(head.size, [9; 32]).contains("not those of the root that was kept"));
    assert!(kept(head.size + 1, head.root).contains("there were 4 when the root was kept"));
}
