//! What an auditor's questions cost with the index, against reading the whole log, as ratios in one run: one call,
//! which answers with a page of the usual size, and the whole answer with all its pages. The log is made by the
//! real writer, in large batches: `WEIR_BENCH_ENTRIES` says how many (1,000,000).

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot run has failed"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;
use weir::app::DataFolder;
use weir::audit::entry::{Entry, Facet, Kind, SlotId};
use weir::clock::{Clock, FixedClock, SharedClock};
use weir::domain::{DecisionId, ResidentId};
use weir::limits::PAGE_DEFAULT;
use weir::store::sqlite::SqliteStore;
use weir::store::sqlite::log::Log;
use weir::store::{Resident, Search, Slots, Store};

/// As in the hub itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RESIDENTS: u64 = 20_000;
const OFFICERS: u64 = 2_000;
const BATCH: u64 = 1_000;
/// Each question is asked so many times; the middle one counts.
const TIMES: usize = 31;

fn resident(n: u64) -> ResidentId {
    ResidentId::from_uuid(Uuid::from_u128(
        0x01a0_0000_0000_4000_8000_0000_0000_0000 + u128::from(n),
    ))
}

/// A number that looks like chance and is the same each time.
fn mixed(n: u64) -> u64 {
    let n = (n ^ (n >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (n ^ (n >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
}

fn principal(officer: u64) -> [u8; 16] {
    u128::from(officer + 1).to_be_bytes()
}

fn entry(n: u64) -> Entry {
    let chance = mixed(n);
    let refused = chance.is_multiple_of(10);
    let officer = chance % OFFICERS;
    let field = match chance % 3 {
        0 => "health/summary.allergies",
        1 => "health/support.mobility",
        _ => "housing/tenancy.status",
    };
    let mut facets = BTreeMap::from([
        (Facet::Role, "nurse".to_owned()),
        (
            Facet::Purpose,
            if chance.is_multiple_of(3) { "direct_care" } else { "medical_priority" }.to_owned(),
        ),
        (Facet::Holder, format!("holder-{}", chance % 19)),
        (Facet::Outcome, if refused { "DENY" } else { "PERMIT" }.to_owned()),
        (Facet::Subjects, "1".to_owned()),
    ]);
    if refused {
        let code =
            if mixed(n + 1).is_multiple_of(100) { "CNS_WITHDRAWN" } else { "LAW_NO_GATEWAY" };
        facets.insert(Facet::Codes, code.to_owned());
        facets.insert(Facet::Withheld, field.to_owned());
    } else {
        facets.insert(Facet::Released, field.to_owned());
        facets.insert(Facet::Rules, format!("N{:02}", chance % 40));
        facets.insert(Facet::Gateways, "CARE-42".to_owned());
        facets.insert(Facet::Bases, "6-1-e|9-2-h".to_owned());
        facets.insert(Facet::Agreements, format!("isa-{}", chance % 2_003));
    }
    if chance % 10_007 == 3 {
        facets.insert(Facet::Override, "VITAL".to_owned());
    }
    Entry {
        event: DecisionId::from_uuid(Uuid::from_u128(u128::from(n) | 1 << 100)),
        kind: if refused { Kind::Refuse } else { Kind::Disclose },
        rpc: "weir.hub.v1.SharingService/RequestRecords".to_owned(),
        call: DecisionId::from_uuid(Uuid::from_u128(u128::from(n))),
        part: 1,
        parts: 1,
        agency: format!("holder-{}", officer % 19).parse().ok(),
        principal: principal(officer),
        policy: [2; 32],
        facets,
        slots: BTreeMap::from([
            (SlotId::Subject, resident(mixed(n + 7) % RESIDENTS).uuid().as_bytes().to_vec()),
            (SlotId::Asker, vec![b' '; 64]),
        ]),
    }
}

fn prepared() -> Entry {
    let event = DecisionId::from_uuid(Uuid::now_v7());
    Entry::of_hub(event, Kind::Hold, "bench", BTreeMap::new())
}

async fn opened(dir: &Path, clock: &FixedClock) -> SqliteStore {
    let shared: SharedClock = Arc::new(clock.clone());
    let keys = DataFolder::from(dir).keys(&shared).unwrap();
    let log = Log::open(dir, keys, "bench.example/audit", shared).unwrap();
    SqliteStore::open(dir, log).await.unwrap()
}

/// Every page of an answer: how many entries.
async fn all(store: &SqliteStore, mut search: Search) -> usize {
    let mut found = 0;
    loop {
        let page = store.search(search.clone()).await.unwrap();
        found += page.entries.len();
        match page.next_index {
            Some(next) => search.from_index = next,
            None => return found,
        }
    }
}

fn questions(end: Timestamp) -> Vec<(&'static str, Search)> {
    let any = || Search { limit: 500, with: Slots::Subject, ..Search::default() };
    let subject = resident(17).uuid().as_bytes().to_vec();
    let month = end.checked_sub(SignedDuration::from_hours(30 * 24)).ok();
    vec![
        (
            "who saw a resident's records",
            Search { slot: Some((SlotId::Subject, subject)), kinds: vec![Kind::Disclose], ..any() },
        ),
        (
            "what a person looked at in a month",
            Search { principal: Some(principal(42)), since: month, ..any() },
        ),
        (
            "overrides, to see which were reviewed",
            Search { has: Some(Facet::Override), kinds: vec![Kind::Disclose], ..any() },
        ),
        (
            "refusals of an agency by a code",
            Search {
                kinds: vec![Kind::Refuse],
                agency: "holder-3".parse().ok(),
                facets: vec![(Facet::Codes, "CNS_WITHDRAWN".to_owned())],
                ..any()
            },
        ),
        (
            "everything under an agreement",
            Search { facets: vec![(Facet::Agreements, "isa-77".to_owned())], ..any() },
        ),
    ]
}

fn main() {
    let entries = std::env::var("WEIR_BENCH_ENTRIES").ok().and_then(|n| n.parse().ok());
    let entries: u64 = entries.unwrap_or(1_000_000);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(run(entries));
}

async fn run(entries: u64) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let clock = FixedClock::at("2026-01-01T00:00:00Z".parse().unwrap());
    let store = opened(&data, &clock).await;
    for first in (0..RESIDENTS).step_by(1_000) {
        let batch = (first..first + 1_000).map(|n| {
            let (name, nation) = (format!("R {n}"), "England".to_owned());
            (Resident { id: resident(n), nhs_number: None, name, born: None, nation }, Vec::new())
        });
        store.register(batch.collect(), prepared()).await.unwrap();
    }
    let step = SignedDuration::from_hours(24 * 300) / i32::try_from(entries / BATCH + 1).unwrap();
    let start = Instant::now();
    for first in (0..entries).step_by(usize::try_from(BATCH).unwrap()) {
        clock.set(clock.now() + step);
        let batch = (first..(first + BATCH).min(entries)).map(entry).collect();
        store.append(batch).await.unwrap();
    }
    let written = start.elapsed();
    let size = store.log().catch_up_index().unwrap();
    let filled = start.elapsed();
    let bytes = |name: &str| std::fs::metadata(data.join(name)).map_or(0, |found| found.len());
    println!(
        "{size} entries written in {written:.1?}, in the index {:.1?} later",
        filled - written
    );
    let (log, index) = (bytes("audit-2026.db"), bytes("index.db"));
    println!("log {} MB, index {} MB, {} B an entry", log >> 20, index >> 20, index / size);
    let mut with = Vec::new();
    for (name, search) in questions(clock.now()) {
        let (mut calls, mut wholes, mut found) = (Vec::new(), Vec::new(), 0);
        for _ in 0..TIMES {
            let page = Search { limit: PAGE_DEFAULT, ..search.clone() };
            let start = Instant::now();
            store.search(page).await.unwrap();
            calls.push(start.elapsed());
            let start = Instant::now();
            found = all(&store, search.clone()).await;
            wholes.push(start.elapsed());
        }
        with.push((name, search, found, middle(calls), middle(wholes)));
    }
    // Without the file everything is read from the log, as before there was an index.
    std::fs::remove_file(data.join("index.db")).unwrap();
    let mut least = (f64::MAX, f64::MAX);
    for (name, search, found, call, answer) in with {
        let whole = Search { since: None, until: None, ..search.clone() };
        // A scan knows no first day: it reads the log from its beginning.
        let start = Instant::now();
        let scanned = all(&store, whole).await;
        let scan: Duration = start.elapsed();
        assert!(scanned >= found && found > 0, "{name}: {found} of {scanned}");
        let [in_call, in_whole] =
            [call, answer].map(|time| scan.as_secs_f64() / time.as_secs_f64());
        least = (least.0.min(in_call), least.1.min(in_whole));
        println!(
            "{name}: scan {scan:.2?}; one call {call:.2?}, {in_call:.0} times; all {found} entries \
             {answer:.2?}, {in_whole:.0} times"
        );
    }
    println!(
        "least: {:.0} times a scan by one call, {:.0} by the whole answer (wanted: 500 at a million entries)",
        least.0, least.1
    );
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.swap_remove(times.len() / 2)
}
