//! The index on real files: it finds what the log says, tells nothing to who has only the files, and whatever
//! is done to it is found.

use std::collections::BTreeMap;

use tempfile::TempDir;
use uuid::Uuid;

use super::super::super::keys::HubKey;
use super::super::Log;
use super::*;
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::audit::retention::Lot;
use crate::clock::{Clock, FixedClock};
use crate::domain::{DecisionId, KeptKind, ResidentId};
use crate::store::{Slots, StoredEntry};

struct Ground {
    log: Log,
    clock: FixedClock,
    dir: TempDir,
}

fn opened(dir: &TempDir, clock: &FixedClock) -> Log {
    let keys = Keyring::open(dir.path(), HubKey::from_bytes([1; 32]), clock.now()).unwrap();
    Log::open(dir.path(), Arc::new(keys), "hub.example/audit", Arc::new(clock.clone())).unwrap()
}

fn resident(n: u128) -> ResidentId {
    ResidentId::from_uuid(Uuid::from_u128(0x01a0_0000_0000_4000_8000_0000_0000_0000 + n))
}

fn bytes(resident: ResidentId) -> Vec<u8> {
    resident.uuid().as_bytes().to_vec()
}

/// Entry `n` of a run: every word has its own rhythm.
fn entry(n: u128) -> Entry {
    let field =
        ["health/summary.allergies", "housing/tenancy.status"][usize::from(n.is_multiple_of(4))];
    let mut facets = BTreeMap::from([
        (Facet::Purpose, format!("purpose-{}", n % 3)),
        (Facet::Holder, format!("holder-{}", n % 5)),
        (Facet::Codes, format!("X|C{}", n % 7)),
        (Facet::Released, field.to_owned()),
        (Facet::Rules, format!("N{}", n % 11)),
    ]);
    if n.is_multiple_of(50) {
        facets.insert(Facet::Override, "VITAL".to_owned());
    }
    Entry {
        event: DecisionId::from_uuid(Uuid::now_v7()),
        kind: if n.is_multiple_of(2) { Kind::Disclose } else { Kind::Refuse },
        rpc: "test".to_owned(),
        call: DecisionId::from_uuid(Uuid::now_v7()),
        part: 1,
        parts: 1,
        agency: format!("holder-{}", n % 4).parse().ok(),
        principal: [u8::try_from(n % 13).unwrap(); 16],
        policy: [2; 32],
        facets,
        // Of nine, two are not registered, and one is nobody.
        slots: BTreeMap::from([(
            SlotId::Subject,
            if n % 9 == 8 { vec![0; 16] } else { bytes(resident(n % 9)) },
        )]),
    }
}

impl Ground {
    /// A log of `count` entries, a minute apart in a year, with an index of all of them.
    async fn of(count: u128) -> Self {
        let dir = TempDir::new().unwrap();
        let clock = FixedClock::at("2026-12-31T20:00:00Z".parse().unwrap());
        let log = opened(&dir, &clock);
        let known: Vec<_> = (0..6).map(resident).collect();
        log.keys().add(&known).unwrap();
        let ground = Self { log, clock, dir };
        ground.write(0, count).await;
        assert_eq!(ground.log.catch_up_index().unwrap(), ground.log.head().size);
        ground
    }

    async fn write(&self, from: u128, to: u128) {
        for n in from..to {
            let next = self.clock.now() + jiff::SignedDuration::from_mins(1);
            self.clock.set(next);
            self.log.append(vec![entry(n)]).await.unwrap();
        }
    }

    fn index(&self) -> PathBuf {
        self.dir.path().join(file::FILE)
    }

    fn check(&self) -> Vec<String> {
        check(self.dir.path(), Some(self.log.keys())).unwrap().unwrap().findings
    }

    /// So many entries the index leads to, by so many looks.
    fn looks(&self, index: &Connection, search: &Search) -> (u64, u64) {
        let mut sought = seek::Sought::of(index, self.log.keys(), search).unwrap().unwrap();
        let (mut from, mut found) = (0, 0);
        while let Next::At(at) = sought.next(from).unwrap() {
            (from, found) = (at + 1, found + 1);
        }
        (found, sought.steps())
    }

    /// Every page of an answer.
    async fn all(&self, mut search: Search) -> Vec<u64> {
        let mut found = Vec::new();
        for _ in 0..10_000 {
            let page = self.log.search(search.clone()).await.unwrap();
            assert!(page.entries.len() <= search.limit, "{search:?}");
            found.extend(page.entries.iter().map(|stored| stored.index));
            let Some(next) = page.next_index else { return found };
            assert!(next > search.from_index, "{search:?}");
            search.from_index = next;
        }
        panic!("{search:?} has no end");
    }
}

fn searches() -> Vec<Search> {
    let any = Search::default;
    let word = |facet, word: &str| vec![(facet, word.to_owned())];
    let about = |n| Some((SlotId::Subject, bytes(resident(n))));
    let at = |text: &str| Some(text.parse().unwrap());
    let agency = |n: &str| Some(n.parse().unwrap());
    vec![
        any(),
        Search { kinds: vec![Kind::Refuse], ..any() },
        Search { kinds: vec![Kind::Refuse, Kind::Genesis], ..any() },
        Search { kinds: vec![Kind::Policy], ..any() },
        Search { agency: agency("holder-1"), ..any() },
        Search { concerns: agency("holder-1"), ..any() },
        Search { concerns: agency("holder-9"), ..any() },
        Search { principal: Some([3; 16]), ..any() },
        Search { category: Some("housing/tenancy".parse().unwrap()), ..any() },
        Search { facets: word(Facet::Override, "VITAL"), ..any() },
        Search { facets: word(Facet::Codes, "C3"), agency: agency("holder-2"), ..any() },
        Search { facets: word(Facet::Codes, "X|C3"), ..any() },
        Search { facets: word(Facet::Codes, "X"), ..any() },
        Search {
            facets: [word(Facet::Codes, "X"), word(Facet::Codes, "C5")].concat(),
            agency: agency("holder-3"),
            kinds: vec![Kind::Refuse],
            ..any()
        },
        Search { facets: word(Facet::Codes, "C3"), concerns: agency("holder-2"), ..any() },
        Search { has: Some(Facet::Override), ..any() },
        Search { has: Some(Facet::Rules), kinds: vec![Kind::Genesis, Kind::Refuse], ..any() },
        Search { facets: word(Facet::Rules, "N4"), kinds: vec![Kind::Disclose], ..any() },
        Search { slot: about(2), ..any() },
        Search { slot: about(2), concerns: agency("holder-2"), with: Slots::Subject, ..any() },
        Search { slot: about(7), ..any() },
        Search { slot: about(99), ..any() },
        Search { slot: Some((SlotId::Subject, vec![0; 16])), kinds: vec![Kind::Disclose], ..any() },
        Search { since: at("2026-12-31T23:00:00Z"), kinds: vec![Kind::Disclose], ..any() },
        Search { until: at("2026-12-31T23:00:00Z"), slot: about(1), ..any() },
        Search { since: at("2026-12-31T21:00:00Z"), until: at("2026-12-31T21:30:00Z"), ..any() },
        Search { since: at("2030-01-01T00:00:00Z"), principal: Some([3; 16]), ..any() },
        Search { upto: Some(100), principal: Some([3; 16]), ..any() },
        Search { from_index: 200, principal: Some([3; 16]), ..any() },
        Search { from_index: u64::MAX, principal: Some([3; 16]), ..any() },
    ]
}

/// What is meant, told from the entries themselves.
fn by_hand(all: &[StoredEntry], search: &Search) -> Vec<u64> {
    let mut found = Vec::new();
    let size = search.upto.unwrap_or(u64::MAX);
    for stored in all.iter().filter(|one| (search.from_index..size).contains(&one.index)) {
        let entry = &stored.entry;
        let said = |facet: &Facet, word: &String| {
            entry.facets.get(facet).is_some_and(|words| words.split('|').any(|w| w == word))
        };
        let fields = entry.facets.get(&Facet::Released).cloned().unwrap_or_default();
        let holder = entry.facets.get(&Facet::Holder).cloned().unwrap_or_default();
        let agency = entry.agency.as_ref().map(|a| a.as_str().to_owned()).unwrap_or_default();
        let meant = (search.kinds.is_empty() || search.kinds.contains(&entry.kind))
            && search.agency.as_ref().is_none_or(|a| a.as_str() == agency)
            && search
                .concerns
                .as_ref()
                .is_none_or(|a| [&holder, &agency].contains(&&a.to_string()))
            && search.principal.is_none_or(|p| p == entry.principal)
            && search.category.as_ref().is_none_or(|c| fields.starts_with(&format!("{c}.")))
            && search.facets.iter().all(|(facet, word)| said(facet, word))
            && search.has.is_none_or(|facet| entry.facets.contains_key(&facet))
            && search.since.is_none_or(|since| stored.committed_at >= since)
            && search.until.is_none_or(|until| stored.committed_at < until)
            && search.slot.as_ref().is_none_or(|(slot, b)| entry.slots.get(slot) == Some(b));
        if meant {
            found.push(stored.index);
        }
    }
    found
}

#[tokio::test]
async fn index_and_log_find_the_same_whatever_is_looked_for() {
    let ground = Ground::of(400).await;
    // What the index has not taken up is found all the same.
    ground.log.index.close();
    ground.write(400, 500).await;
    assert_eq!(mark(&Connection::open(ground.index()).unwrap()).unwrap().size, 402);
    let every = Search { limit: 1000, ..Search::default() };
    let every = ground.log.search(every).await.unwrap().entries;
    // A year has begun meanwhile, with an entry of its own.
    assert_eq!(every.len(), 502);
    let mut found = 0;
    for search in searches() {
        let wanted = by_hand(&every, &search);
        found += wanted.len();
        for limit in [1, 7, 1000] {
            let search = Search { limit, ..search.clone() };
            assert_eq!(ground.all(search.clone()).await, wanted, "{search:?}");
        }
    }
    assert!(found > 1900, "little was looked for: {found}");
    assert_eq!(ground.check(), Vec::<String>::new());
}

#[tokio::test]
async fn pages_of_one_answer_end_at_one_head() {
    let ground = Ground::of(60).await;
    let search = Search { limit: 5, kinds: vec![Kind::Disclose], ..Search::default() };
    let first = ground.log.search(search.clone()).await.unwrap();
    assert_eq!((first.entries.len(), first.size), (5, 61));
    ground.write(60, 70).await;
    let pinned =
        Search { from_index: first.next_index.unwrap(), upto: Some(first.size), ..search.clone() };
    assert_eq!(ground.all(pinned.clone()).await.len(), 25);
    let page = ground.log.search(pinned).await.unwrap();
    assert_eq!(page.size, 61);
    assert_eq!(ground.all(search).await.len(), 35);
}

#[tokio::test]
async fn whatever_is_done_to_the_index_is_named() {
    let ground = Ground::of(40).await;
    ground.log.index.close();
    let whole = std::fs::read(ground.index()).unwrap();
    let word = |dim: u8, word: &str| {
        format!("(SELECT id FROM word WHERE dim = {dim} AND word = CAST('{word}' AS BLOB))")
    };
    let vital = word(Facet::Override as u8, "VITAL");
    let table: Vec<(&str, String, &str)> = vec![
        (
            "an override is left out",
            format!("DELETE FROM posting WHERE word = {vital} AND idx = 1"),
            "entry 1: left out under Override VITAL",
        ),
        (
            "one is put in",
            format!("INSERT INTO posting VALUES ({vital}, 2)"),
            "entry 2: stands under Override VITAL and does not say so",
        ),
        (
            "a word is renamed",
            "UPDATE word SET word = CAST('N99' AS BLOB) WHERE word = CAST('N3' AS BLOB)".to_owned(),
            "entry 4: left out under Rules N3; stands under Rules N99 and does not say so",
        ),
        (
            "an agency is left out whole",
            format!("DELETE FROM posting WHERE word = {}", word(65, "holder-3")),
            "entry 4: left out under agency holder-3",
        ),
        (
            "rows about people are taken out",
            "DELETE FROM subject".to_owned(),
            "entry 1: left out under whom it is about",
        ),
        (
            "rows about people are mixed",
            "UPDATE subject SET place = place + 1".to_owned(),
            "entry 1: left out under whom it is about",
        ),
        (
            "a row about somebody is put in",
            "INSERT INTO subject VALUES (x'00112233445566778899aabbccddeeff', 3)".to_owned(),
            "1 rows are about nobody who has keys: left over from an erasure, or put in; making the \
             index anew removes them",
        ),
        (
            "it claims to have gone farther",
            "UPDATE mark SET size = size + 1".to_owned(),
            "it has taken up 42 entries of another log, or of one that was changed",
        ),
        (
            "another log",
            "UPDATE mark SET leaf = zeroblob(32)".to_owned(),
            "it has taken up 41 entries of another log, or of one that was changed",
        ),
    ];
    for (what, sql, finding) in table {
        assert_eq!(ground.check(), Vec::<String>::new(), "before: {what}");
        let other = Connection::open(ground.index()).unwrap();
        other.execute_batch(&sql).unwrap();
        assert!(other.query_row("SELECT total_changes()", [], |r| r.get::<_, i64>(0)).unwrap() > 0);
        drop(other);
        let found = ground.check();
        assert!(found.iter().any(|one| one == finding), "{what}: {found:#?}");
        file::remove(&ground.index()).unwrap();
        std::fs::write(ground.index(), &whole).unwrap();
    }
    // Whoever has no key is told of words, and that nothing was said of people.
    let other = Connection::open(ground.index()).unwrap();
    other
        .execute_batch(&format!("DELETE FROM subject; DELETE FROM posting WHERE word = {vital}"))
        .unwrap();
    let found = check(ground.dir.path(), None).unwrap().unwrap();
    assert_eq!(found.findings, ["entry 1: left out under Override VITAL"]);
    assert!(!found.subjects);
    std::fs::write(ground.index(), b"no database at all, but long enough to be one").unwrap();
    assert!(!ground.check().is_empty());
}

#[tokio::test]
async fn a_search_is_led_by_the_index_and_invents_nothing() {
    let ground = Ground::of(120).await;
    ground.log.index.close();
    let vital = Search {
        limit: 100,
        facets: vec![(Facet::Override, "VITAL".to_owned())],
        ..Search::default()
    };
    assert_eq!(ground.all(vital.clone()).await, [1, 51, 101]);
    let id = "(SELECT id FROM word WHERE word = CAST('VITAL' AS BLOB))";
    let other = Connection::open(ground.index()).unwrap();
    other.execute_batch(&format!("INSERT INTO posting VALUES ({id}, 3)")).unwrap();
    assert_eq!(
        ground.all(vital.clone()).await,
        [1, 51, 101],
        "an entry is found that does not say so"
    );
    // What it leaves out shows that it is the index that leads; the check finds that.
    other.execute_batch(&format!("DELETE FROM posting WHERE word = {id} AND idx = 51")).unwrap();
    assert_eq!(ground.all(vital).await, [1, 101]);
    assert_eq!(ground.check().len(), 2);
}

#[tokio::test]
async fn a_deleted_or_foreign_index_is_made_anew() {
    let ground = Ground::of(30).await;
    let vital = Search {
        limit: 100,
        facets: vec![(Facet::Override, "VITAL".to_owned())],
        ..Search::default()
    };
    std::fs::remove_file(ground.index()).unwrap();
    assert_eq!(ground.all(vital.clone()).await, [1]);
    ground.write(30, 31).await;
    assert_eq!(ground.log.catch_up_index().unwrap(), 32);
    assert_eq!(ground.check(), Vec::<String>::new());
    // That of another log, and something that is no index.
    let stranger = Ground::of(35).await;
    let Ground { log, clock, dir } = ground;
    drop(log);
    stranger.log.index.close();
    for foreign in [std::fs::read(stranger.index()).unwrap(), b"nothing of ours".repeat(500)] {
        file::remove(&dir.path().join(file::FILE)).unwrap();
        std::fs::write(dir.path().join(file::FILE), foreign).unwrap();
        let log = opened(&dir, &clock);
        assert_eq!(log.catch_up_index().unwrap(), 32);
        assert_eq!(
            check(dir.path(), Some(log.keys())).unwrap().unwrap().findings,
            Vec::<String>::new()
        );
        assert_eq!(log.search(vital.clone()).await.unwrap().entries.len(), 1);
    }
    // One that leaves something out is put right on demand.
    let log = opened(&dir, &clock);
    Connection::open(dir.path().join(file::FILE))
        .unwrap()
        .execute_batch("DELETE FROM posting")
        .unwrap();
    assert_eq!(log.rebuild_index().unwrap(), 32);
    assert_eq!(
        check(dir.path(), Some(log.keys())).unwrap().unwrap().findings,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn who_has_only_the_files_cannot_tie_entries_to_each_other_or_to_anybody() {
    let ground = Ground::of(400).await;
    ground.log.index.close();
    let index = Connection::open(ground.index()).unwrap();
    let rows: i64 = index.query_row("SELECT count(*) FROM subject", [], |r| r.get(0)).unwrap();
    assert_eq!(rows, 400 - 400 / 9, "a row for each entry about somebody");
    let kinds: i64 = index
        .query_row("SELECT count(DISTINCT label) + count(DISTINCT place) FROM subject", [], |r| {
            r.get(0)
        })
        .unwrap();
    assert_eq!(kinds, 2 * rows, "two rows have something in common");
    let file = std::fs::read(ground.index()).unwrap();
    for n in 0..9 {
        let id = bytes(resident(n));
        assert!(!file.windows(16).any(|window| window == id), "resident {n}");
    }
}

#[tokio::test]
async fn an_erasure_takes_its_rows_out_and_misses_nothing() {
    let ground = Ground::of(300).await;
    let (gone, stays) = (resident(2), resident(3));
    let about = |who| Search {
        limit: 1000,
        slot: Some((SlotId::Subject, bytes(who))),
        ..Search::default()
    };
    let before = (ground.all(about(gone)).await, ground.all(about(stays)).await);
    let places = i64::try_from(before.0.len()).unwrap();
    let count = || -> i64 {
        let index = Connection::open(ground.index()).unwrap();
        index.query_row("SELECT count(*) FROM subject", [], |r| r.get(0)).unwrap()
    };
    let all = count();
    let rows = ground.log.rows_about(gone).unwrap();
    ground.log.keys().destroy(gone).unwrap();
    // Between the two steps, or after a crash there: noise, and the log itself still answers.
    assert_eq!(ground.all(about(gone)).await, before.0);
    assert_eq!(ground.check().len(), 1);
    assert!(ground.check()[0].starts_with(&format!("{places} rows are about nobody")));
    assert_eq!(ground.log.forget_rows(rows).unwrap(), before.0.len() as u64);
    assert_eq!(count(), all - places);
    assert_eq!(ground.check(), Vec::<String>::new());
    assert_eq!((ground.all(about(gone)).await, ground.all(about(stays)).await), before);
    // Made anew, it does not come back.
    ground.log.rebuild_index().unwrap();
    assert_eq!((count(), ground.check()), (all - places, vec![]));
    // What lapses takes the rest of its rows along.
    let lots = [KeptKind::Disclose, KeptKind::Refuse].map(|kind| Lot::of(2026, kind));
    ground.log.keys().destroy_lots(&lots).unwrap();
    ground.log.rebuild_index().unwrap();
    assert!(count() < all / 2, "{}", count());
}

#[test]
fn the_index_waits_for_a_busy_log_and_not_for_ever() {
    // Not busy.
    assert!(!waits(1_000, 1_000, 0));
    assert!(!waits(1_000, 1_000 + INDEX_BUSY - 1, 1_000));
    assert!(waits(1_000, 1_000 + INDEX_BUSY, 1_000));
    // As far behind as it may be.
    let size = INDEX_BEHIND_MAX + 10_000;
    assert!(waits(0, size, 10_001));
    assert!(!waits(0, size, 10_000));
    // Another log stands there: it is not behind, it is wrong.
    assert!(waits(0, INDEX_BUSY, u64::MAX));
}

#[tokio::test]
async fn what_lapses_of_a_kind_is_found_by_nobody_and_the_rest_by_whom_it_is_about() {
    let ground = Ground::of(400).await;
    let every = Search { limit: 1000, ..Search::default() };
    let every = ground.log.search(every).await.unwrap().entries;
    let year = |one: &StoredEntry| one.committed_at.to_zoned(jiff::tz::TimeZone::UTC).year();
    let lapsed = |one: &StoredEntry| year(one) == 2026 && one.entry.kind == Kind::Disclose;
    assert!(every.iter().any(|one| year(one) == 2027) && every.iter().any(lapsed));
    ground.log.keys().destroy_lots(&[Lot::of(2026, KeptKind::Disclose)]).unwrap();
    let stay: Vec<StoredEntry> = every.into_iter().filter(|one| !lapsed(one)).collect();
    let about = |who: u128, kinds: &[Kind]| Search {
        slot: Some((SlotId::Subject, bytes(resident(who)))),
        kinds: kinds.to_vec(),
        limit: 7,
        ..Search::default()
    };
    let sought: [&[Kind]; 4] =
        [&[], &[Kind::Disclose], &[Kind::Refuse], &[Kind::Genesis, Kind::Disclose]];
    let all_found = async || {
        for who in 0..9 {
            for kinds in sought {
                let search = about(who, kinds);
                let wanted = by_hand(&stay, &search);
                assert_eq!(ground.all(search.clone()).await, wanted, "{search:?}");
            }
        }
    };
    // First what led to them is noise, then it is gone.
    all_found().await;
    let found = ground.check();
    assert!(
        found.len() == 1 && found[0].contains("rows are about nobody who has keys"),
        "{found:?}"
    );
    ground.log.rebuild_index().unwrap();
    assert_eq!(ground.check(), Vec::<String>::new());
    all_found().await;
}

#[tokio::test]
async fn an_answer_about_somebody_costs_few_looks_however_many_kinds_and_years_there_are() {
    let ground = Ground::of(40).await;
    let index = Connection::open(ground.index()).unwrap();
    let looks = |kinds: &[Kind]| {
        let slot = Some((SlotId::Subject, bytes(resident(2))));
        ground.looks(&index, &Search { slot, kinds: kinds.to_vec(), ..Search::default() })
    };
    // A chain before and one after the registration, of each kind, and the end of those that have entries.
    let chains = 2 * KeptKind::ALL.len() as u64;
    assert_eq!(looks(&[]), (5, chains + 5));
    let (found, steps) = looks(&[Kind::Disclose]);
    assert!(found == 3 && steps < 20, "{found} {steps}");
}

#[tokio::test]
async fn what_is_asked_for_in_a_row_is_read_in_a_few_looks() {
    let ground = Ground::of(400).await;
    let index = Connection::open(ground.index()).unwrap();
    let looks = |search| ground.looks(&index, &search);
    let coded = |code: &str| vec![(Facet::Codes, code.to_owned())];
    // 1, 2, 4 and so on at a time, and the end.
    assert_eq!(looks(Search { facets: coded("X"), ..Search::default() }), (400, 10));
    // An agency and a code are one list.
    let agency = Some("holder-2".parse().unwrap());
    let (found, steps) = looks(Search { facets: coded("C3"), agency, ..Search::default() });
    assert!(found == 14 && steps < 7, "{found} {steps}");
    // A list that another one leaps through is not read ahead for nothing.
    let facets = vec![(Facet::Rules, "N4".to_owned()), (Facet::Purpose, "purpose-1".to_owned())];
    let (found, steps) = looks(Search { facets, ..Search::default() });
    assert!(found == 12 && steps < 45, "{found} {steps}");
}

#[tokio::test]
async fn what_is_kept_open_is_the_index_that_stands_there_now() {
    let ground = Ground::of(120).await;
    let vital = || Search {
        limit: 100,
        facets: vec![(Facet::Override, "VITAL".to_owned())],
        ..Search::default()
    };
    let found = async || ground.all(vital()).await;
    let leave_out = |place: i64| {
        let id = "(SELECT id FROM word WHERE word = CAST('VITAL' AS BLOB))";
        let sql = format!("DELETE FROM posting WHERE word = {id} AND idx = {place}");
        assert_eq!(Connection::open(ground.index()).unwrap().execute(&sql, []).unwrap(), 1);
    };
    assert_eq!(found().await, [1, 51, 101]);
    // What is committed to it is seen, what is put in its place as well, and that it is gone.
    leave_out(51);
    assert_eq!(found().await, [1, 101]);
    ground.log.rebuild_index().unwrap();
    assert_eq!(found().await, [1, 51, 101]);
    leave_out(101);
    assert_eq!(found().await, [1, 51]);
    file::remove(&ground.index()).unwrap();
    assert_eq!(found().await, [1, 51, 101]);
    // It follows a log that grows, into another year.
    ground.write(120, 400).await;
    ground.log.catch_up_index().unwrap();
    leave_out(352);
    assert_eq!(found().await, [1, 51, 101, 151, 201, 252, 302]);
    // Something else is put in its place: it is made anew, and not only when the hub is.
    for n in [400, 401] {
        if n == 400 {
            file::remove(&ground.index()).unwrap();
        }
        // The other time with what SQLite has left beside the one that was there.
        let other = ground.dir.path().join("other");
        std::fs::write(&other, b"nothing of ours".repeat(500)).unwrap();
        std::fs::rename(&other, ground.index()).unwrap();
        ground.write(n, n + 1).await;
        assert_eq!(ground.log.catch_up_index().unwrap(), ground.log.head().size);
        assert_eq!(ground.check(), Vec::<String>::new());
        assert_eq!(found().await.len(), 9, "{n}");
    }
    // Closed, it leaves nothing beside the log that was written to.
    let Ground { log, dir, .. } = ground;
    drop(log);
    let left = |name: &str| dir.path().join(name).exists();
    assert!(left("audit-2027.db") && !left("audit-2027.db-wal"));
}

#[tokio::test]
async fn one_changed_slot_costs_its_entry_and_no_other() {
    let ground = Ground::of(40).await;
    let about = async |who| ground.log.about(bytes(resident(who))).await.unwrap().0;
    let (three, four) = (about(3).await, about(4).await);
    let changed = three[1];
    let row = i64::try_from(changed).unwrap();
    let file = Connection::open(ground.dir.path().join("audit-2026.db")).unwrap();
    let read = "SELECT bytes FROM slot WHERE idx = ?1";
    let mut sealed: Vec<u8> = file.query_row(read, [row], |row| row.get(0)).unwrap();
    sealed[20] ^= 1;
    let write = "UPDATE slot SET bytes = ?2 WHERE idx = ?1";
    assert_eq!(file.execute(write, rusqlite::params![row, sealed]).unwrap(), 1);
    // The index is filled past it, once, and says so.
    assert_eq!(ground.log.rebuild_index().unwrap(), ground.log.head().size);
    let what = format!("entry {changed}: its slot was changed: a search about anybody stops there");
    assert_eq!(ground.check(), [what]);
    assert_eq!(check(ground.dir.path(), None).unwrap().unwrap().findings, Vec::<String>::new());
    // Nobody can tell whom it is about: whoever asks about somebody is told, and not that there is no more.
    let about_both_stop = async || {
        for who in [3, 4] {
            let slot = Some((SlotId::Subject, bytes(resident(who))));
            let told = ground.log.search(Search { slot, limit: 100, ..Search::default() }).await;
            let told = told.unwrap_err().to_string();
            assert!(told.contains(&format!("entry {changed}: ")), "{told}");
        }
    };
    about_both_stop().await;
    // Who is erased is erased.
    let others: Vec<u64> = three.iter().copied().filter(|at| *at != changed).collect();
    assert_eq!(about(3).await, others);
    // Under a hold it is kept, whomever it was about.
    for (who, held) in [(3, three.len()), (4, four.len() + 1)] {
        let lots = ground.log.lots(vec![resident(who)]).await.unwrap();
        assert_eq!(lots.values().map(|lot| lot.held).sum::<u64>(), held as u64, "{who}");
    }
    // Who reads it is told where it is.
    let every = Search { limit: 100, ..Search::default() };
    let told = ground.log.search(every).await.unwrap_err().to_string();
    assert!(told.contains(&format!("entry {changed}: ")) && told.contains("weir audit verify"));
    // One that was taken away is no other: its entry says that it was there.
    assert_eq!(file.execute("DELETE FROM slot WHERE idx = ?1", [row]).unwrap(), 1);
    about_both_stop().await;
    ground.log.rebuild_index().unwrap();
    about_both_stop().await;
    assert_eq!(ground.check().len(), 1);
}
