//! A log over the turn of years: one tree, a file for each year, and what happens when one is missing.

use super::super::super::keys::HubKey;
use super::*;
use crate::audit::proof::{inclusion, verify_inclusion};
use crate::audit::retention::Lot;
use crate::audit::tree::leaf_hash;
use crate::clock::Clock;
use crate::domain::KeptKind;

/// A log whose clock is set.
struct Place {
    dir: TempDir,
    clock: FixedClock,
}

impl Place {
    fn new() -> Self {
        let clock = FixedClock::at(at("2026-12-31T23:59:59Z"));
        Self { dir: TempDir::new().unwrap(), clock }
    }

    fn try_open(&self) -> Result<Log, StoreError> {
        let hub = HubKey::from_bytes([1; 32]);
        let keys = Arc::new(Keyring::open(self.dir.path(), hub, self.clock.now()).unwrap());
        Log::open(self.dir.path(), keys, ORIGIN, Arc::new(self.clock.clone()))
    }

    fn open(&self) -> Log {
        self.try_open().unwrap()
    }

    fn files(&self) -> Vec<String> {
        let name = |path: PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        files_in(self.dir.path()).unwrap().into_iter().map(name).collect()
    }

    fn path(&self, year: i16) -> PathBuf {
        self.dir.path().join(format!("audit-{year}.db"))
    }

    fn findings(&self) -> Vec<String> {
        let files = files_in(self.dir.path()).unwrap();
        verify_files(&files, verifier(&self.dir), None, None).unwrap().findings
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

async fn append(log: &Log, purpose: &str) -> Receipt {
    log.append(vec![entry(Kind::Disclose, purpose)]).await.unwrap().remove(0)
}

/// Three entries in each of three years.
async fn three_years(place: &Place) -> Vec<Receipt> {
    let log = place.open();
    let mut receipts = Vec::new();
    for year in ["2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z", "2028-06-01T00:00:00Z"] {
        place.clock.set(at(year));
        for _ in 0..3 {
            receipts.push(append(&log, "direct_care").await);
        }
    }
    receipts
}

#[tokio::test]
async fn each_year_has_a_file_that_begins_with_the_head_before() {
    let place = Place::new();
    let receipts = three_years(&place).await;
    assert_eq!(place.files(), ["audit-2026.db", "audit-2027.db", "audit-2028.db"]);
    // After the first: a genesis at 0, 4 and 8.
    let places: Vec<u64> = receipts.iter().map(Receipt::index).collect();
    assert_eq!(places, [1, 2, 3, 5, 6, 7, 9, 10, 11]);
    for (year, first, before) in [(2027, 4, &receipts[2]), (2028, 8, &receipts[5])] {
        let rows = stored_rows(&Connection::open(place.path(year)).unwrap()).unwrap();
        assert_eq!((rows.len(), rows[0].0), (4, first));
        let genesis = crate::audit::leaf::decode(&rows[0].1).unwrap().entry;
        let said = format!("{}:{}", before.size(), hex::encode(before.root()));
        assert_eq!((genesis.kind, &genesis.facets[&Facet::Previous]), (Kind::Genesis, &said));
    }
    assert_eq!(place.findings(), Vec::<String>::new());
    // Also when it is opened again, and a clock that goes back begins no file.
    place.clock.set(at("2027-03-01T00:00:00Z"));
    let log = place.open();
    assert_eq!(append(&log, "marac").await.index(), 13);
    let page = log.search(Search { from_index: 12, limit: 1, ..Search::default() }).await.unwrap();
    assert!(page.entries[0].entry.facets[&Facet::What].starts_with("clock-back|"));
    assert_eq!(place.files().len(), 3);
    for told in &receipts {
        let receipt = log.receipt(told.event()).await.unwrap().unwrap();
        assert_eq!((receipt.index(), receipt.leaf_hash()), (told.index(), told.leaf_hash()));
        assert_eq!(receipt.size(), 14);
        let stored = log.entry(told.event()).await.unwrap().unwrap();
        assert_eq!((stored.index, stored.entry.event), (told.index(), told.event()));
        // An id of another year is taken all the same.
        let again = Entry { event: told.event(), ..entry(Kind::Disclose, "marac") };
        let refused = log.append(vec![again]).await;
        assert!(matches!(refused, Err(StoreError::Refused(Refusal::EventTaken))));
    }
    assert_eq!(place.findings(), Vec::<String>::new());
}

#[tokio::test]
async fn a_search_goes_on_from_file_to_file() {
    let place = Place::new();
    let receipts = three_years(&place).await;
    let log = place.open();
    let mut found = Vec::new();
    let mut next = Some(0);
    while let Some(from_index) = next {
        let facets = vec![(Facet::Purpose, "direct_care".to_owned())];
        let search = Search { from_index, limit: 2, facets, ..Search::default() };
        let page = log.search(search).await.unwrap();
        assert!(page.entries.len() <= 2 && page.size == 12);
        found.extend(page.entries.into_iter().map(|one| one.index));
        next = page.next_index;
    }
    assert_eq!(found, receipts.iter().map(Receipt::index).collect::<Vec<_>>());
    let (about, size) = log.about(b"somebody".to_vec()).await.unwrap();
    assert_eq!((about, size), (found, 12));
}

#[tokio::test]
async fn the_index_leads_from_file_to_file() {
    let place = Place::new();
    let receipts = three_years(&place).await;
    let log = place.open();
    assert_eq!(log.catch_up_index().unwrap(), 12);
    // What comes in a further year is followed as well, by the same thread.
    place.clock.set(at("2029-01-01T00:00:00Z"));
    let last = append(&log, "direct_care").await;
    assert_eq!((last.index(), log.catch_up_index().unwrap()), (13, 14));
    let sought = || Search {
        facets: vec![(Facet::Purpose, "direct_care".to_owned())],
        limit: 100,
        ..Search::default()
    };
    let mut wanted: Vec<u64> = receipts.iter().map(Receipt::index).collect();
    wanted.push(13);
    let places = |page: Page| -> Vec<u64> { page.entries.iter().map(|one| one.index).collect() };
    assert_eq!(places(log.search(sought()).await.unwrap()), wanted);
    let since = Search { since: Some(at("2027-01-01T00:00:00Z")), ..sought() };
    assert_eq!(places(log.search(since).await.unwrap()), &wanted[3..]);
    let check = || check_index(place.dir.path(), Some(log.keys())).unwrap().unwrap();
    assert_eq!((check().entries, check().findings), (14, Vec::new()));
    Connection::open(place.dir.path().join("index.db"))
        .unwrap()
        .execute_batch("DELETE FROM posting WHERE idx = 6")
        .unwrap();
    assert!(check().findings[0].starts_with("entry 6: left out"), "{:?}", check().findings);
}

#[tokio::test]
async fn a_tile_of_two_years_stands_with_the_entry_that_filled_it() {
    let place = Place::new();
    let log = place.open();
    let many = |count| (0..count).map(|_| entry(Kind::Query, "marac")).collect();
    for (year, count) in [(2026, 200), (2027, 100), (2028, 300)] {
        place.clock.set(at(&format!("{year}-12-31T23:59:59Z")));
        log.append(many(count)).await.unwrap();
    }
    let head = log.head();
    // A genesis each.
    assert_eq!(head.size, 603);
    let tiles = |year| {
        let sql = "SELECT group_concat(level || '/' || n) FROM tile";
        let file = Connection::open(place.path(year)).unwrap();
        file.query_row(sql, [], |row| row.get::<_, Option<String>>(0)).unwrap()
    };
    assert_eq!(
        [tiles(2026), tiles(2027), tiles(2028)],
        [None, Some("0/0".to_owned()), Some("0/1".to_owned())]
    );
    let rows: Vec<_> = [2026, 2027, 2028]
        .into_iter()
        .flat_map(|year| stored_rows(&Connection::open(place.path(year)).unwrap()).unwrap())
        .collect();
    let proven = async |log: &Log| {
        for index in [0, 199, 200, 255, 256, 301, 302, 511, 512, 602] {
            let leaf = leaf_hash(&rows[usize::try_from(index).unwrap()].1);
            let path = log.inclusion(index, 603).await.unwrap().unwrap();
            assert_eq!(verify_inclusion(&leaf, index, 603, &path, &head.root), Ok(()), "{index}");
        }
    };
    proven(&log).await;
    drop(log);
    assert_eq!(place.findings(), Vec::<String>::new());
    let read = || StoredTree::read(&files_in(place.dir.path()).unwrap(), &verifier(&place.dir));
    let tree = read().unwrap();
    assert_eq!((tree.head().size, tree.note_at(201).unwrap().is_some()), (603, true));
    let mut leaves = 0;
    tree.each_leaf(0..u64::MAX, |index, leaf| {
        assert_eq!((index, leaf), (leaves, &rows[usize::try_from(leaves).unwrap()].1[..]));
        leaves += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(leaves, 603);
    let path = inclusion(&tree.tree(), 255, 603).unwrap().unwrap();
    assert_eq!(verify_inclusion(&leaf_hash(&rows[255].1), 255, 603, &path, &head.root), Ok(()));
    // In a frozen file, a tile that is missing is made anew; one that is not that of the entries stops it.
    let spoil = |sql: &str| Connection::open(place.path(2027)).unwrap().execute_batch(sql).unwrap();
    spoil("DELETE FROM tile");
    assert_eq!(place.findings(), ["tile 0/0: is missing"]);
    let log = place.open();
    proven(&log).await;
    drop(log);
    assert_eq!(place.findings(), Vec::<String>::new());
    spoil("UPDATE tile SET hashes = zeroblob(8192)");
    assert!(place.findings()[0].starts_with("tile 0/0"), "{:?}", place.findings());
    let refused = place.try_open().err().map(|e| e.to_string());
    assert!(refused.as_ref().is_some_and(|e| e.contains("tile 0/0 is not that")), "{refused:?}");
    spoil("DELETE FROM tile; INSERT INTO tile VALUES (0, 1, zeroblob(8192))");
    assert!(place.findings().iter().any(|f| f.contains("tile 0/1: is of entries that are not")));
}

#[tokio::test]
async fn a_crash_before_the_first_entry_of_a_year_costs_nothing() {
    let place = Place::new();
    let log = place.open();
    append(&log, "marac").await;
    drop(log);
    // What a crash leaves between making the file and its first commit: nothing in it, or only tables.
    for (year, tables) in [(2027, false), (2028, true)] {
        let new = Connection::open(place.path(year)).unwrap();
        if tables {
            let old = Connection::open(place.path(2026)).unwrap();
            let sql = "SELECT group_concat(sql, ';') FROM sqlite_master WHERE type = 'table'";
            let made: String = old.query_row(sql, [], |row| row.get(0)).unwrap();
            new.execute_batch(&made).unwrap();
        } else {
            new.execute_batch("PRAGMA journal_mode = WAL").unwrap();
        }
        drop(new);
        place.clock.set(at(&format!("{year}-01-01T00:00:00Z")));
        let log = place.open();
        let receipt = append(&log, "marac").await;
        drop(log);
        let rows = stored_rows(&Connection::open(place.path(year)).unwrap()).unwrap();
        assert_eq!(rows.last().map(|row| row.0), Some(receipt.index()), "{year}");
        assert_eq!(rows.len(), 2, "{year}: the head before, and the entry");
        assert_eq!(place.findings(), Vec::<String>::new(), "{year}");
    }
}

/// Does something to the files of the first, with the second at hand.
type Spoil = fn(&Place, &Place);

#[tokio::test]
async fn a_file_that_is_missing_cut_or_of_another_log_is_found() {
    let spoil: [(&str, Spoil, &str, &str); 4] = [
        (
            "the first is missing",
            |place, _| std::fs::remove_file(place.path(2026)).unwrap(),
            "entry 0 is missing",
            "audit-2027.db begins with entry 4: what was before it is missing, from entry 0 on",
        ),
        (
            "one in the middle is missing",
            |place, _| std::fs::remove_file(place.path(2027)).unwrap(),
            "entry 4 is missing",
            "audit-2028.db begins with entry 8: what was before it is missing, from entry 4 on",
        ),
        (
            "the end of a frozen one is cut off",
            |place, _| {
                let file = Connection::open(place.path(2026)).unwrap();
                file.execute_batch(
                    "DELETE FROM entry WHERE idx = 3; DELETE FROM slot WHERE idx = 3; \
                     DELETE FROM head WHERE size = 4",
                )
                .unwrap();
            },
            "entry 3 is missing",
            "entry 3: missing; the next one is 4",
        ),
        (
            "one of another log stands in its place",
            |place, other| {
                for name in ["audit-2027.db", "audit-2027.db-wal", "audit-2027.db-shm"] {
                    let _there = std::fs::remove_file(place.dir.path().join(name));
                    let from = other.dir.path().join(name);
                    if from.exists() {
                        std::fs::copy(from, place.dir.path().join(name)).unwrap();
                    }
                }
            },
            "does not go on from the file before it",
            "entry 4: does not go on from the head before it",
        ),
    ];
    let other = Place::new();
    three_years(&other).await;
    for (what, spoil, refused, found) in spoil {
        let place = Place::new();
        three_years(&place).await;
        assert_eq!(place.findings(), Vec::<String>::new());
        spoil(&place, &other);
        let findings = place.findings();
        assert!(findings.iter().any(|one| one.contains(found)), "{what}: {findings:?}");
        match place.try_open() {
            Ok(_) => panic!("{what}: opened"),
            Err(error) => assert!(error.to_string().contains(refused), "{what}: {error}"),
        }
    }
}

#[tokio::test]
async fn what_is_missing_in_one_file_is_not_said_of_the_next() {
    let place = Place::new();
    three_years(&place).await;
    let file = Connection::open(place.path(2026)).unwrap();
    file.execute_batch("DELETE FROM slot WHERE idx = 2; DELETE FROM entry WHERE idx = 2").unwrap();
    let findings = place.findings();
    assert!(findings.iter().any(|one| one.contains("entry 2: missing; the next one is 3")));
    assert!(!findings.iter().any(|one| one.contains("begins with")), "{findings:?}");
}

#[tokio::test]
async fn a_newest_file_that_is_taken_away_is_missed_by_what_was_kept() {
    let place = Place::new();
    let kept = {
        let receipts = three_years(&place).await;
        let last = receipts.last().unwrap();
        (last.size(), last.root())
    };
    std::fs::remove_file(place.path(2028)).unwrap();
    let files = files_in(place.dir.path()).unwrap();
    let found = verify_files(&files, verifier(&place.dir), Some(kept), None).unwrap().findings;
    assert!(found.iter().any(|one| one.contains("there were 12")), "{found:?}");
    assert_eq!(place.findings(), Vec::<String>::new(), "only what was kept can tell");
}

#[tokio::test]
async fn a_clock_that_goes_back_into_a_year_whose_keys_are_gone_stops_nobody() {
    let place = Place::new();
    three_years(&place).await;
    let lots: Vec<Lot> = KeptKind::ALL.iter().map(|kind| Lot::of(2026, *kind)).collect();
    place.open().keys().destroy_lots(&lots).unwrap();
    place.clock.set(at("2026-12-31T12:00:00Z"));
    let log = place.open();
    let receipt = append(&log, "marac").await;
    let stored = log.entry(receipt.event).await.unwrap().unwrap();
    assert_eq!(stored.entry.slots[&SlotId::Subject], b"somebody");
    assert!(lots.iter().all(|lot| !log.keys().opens_lot(*lot).unwrap()), "made again");
    drop(log);
    assert_eq!(place.findings(), Vec::<String>::new());
}
