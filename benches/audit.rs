//! What recording costs, as ratios in one run on a disk whose flush takes a millisecond longer than this
//! machine's: many callers against one commit for each, one caller against a bare flush; and what verifying
//! costs against hashing, and storing against the leaves.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot run has failed"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;
use weir::app::DataFolder;
use weir::audit::entry::{Entry, Facet, Kind, SlotId};
use weir::audit::leaf::SealedSlot;
use weir::audit::tile::RightSide;
use weir::audit::tree::leaf_hash;
use weir::clock::{SharedClock, SystemClock};
use weir::domain::DecisionId;
use weir::limits::AUDIT_BATCH_MAX;
use weir::store::sqlite::log::{Log, files_in, stored_rows, verify_files};

/// As in the hub itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Where this is a run with slow flushes, its folder.
const RUN: &str = "WEIR_BENCH_AUDIT";
const CALLERS: usize = 256;
const TIME: Duration = Duration::from_secs(4);
const VERIFIED: usize = 200_000;

/// As large as the entry of a usual disclosure.
fn entry() -> Entry {
    let words = [
        (Facet::Role, "social_worker"),
        (Facet::Purpose, "child_protection_enquiry"),
        (Facet::Holder, "oakdale-gp"),
        (Facet::Outcome, "PARTIAL"),
        (Facet::Codes, "FIELD_NOT_NEEDED"),
        (Facet::Released, "health/gp_summary.conditions|health/gp_summary.medication"),
        (Facet::Withheld, "health/gp_summary.notes"),
        (Facet::Rules, "R-CP-014"),
        (Facet::Gateways, "children_act_1989_s47"),
        (Facet::Agreements, "northfield-mash-2026"),
        (Facet::Bases, "6-1-e|9-2-g"),
        (Facet::Subjects, "1"),
    ];
    let event = Uuid::now_v7();
    Entry {
        event: DecisionId::from_uuid(event),
        kind: Kind::Disclose,
        rpc: "weir.hub.v1.SharingService/RequestRecords".to_owned(),
        call: DecisionId::from_uuid(event),
        part: 1,
        parts: 1,
        agency: "northfield-council".parse().ok(),
        principal: [1; 16],
        policy: [2; 32],
        facets: words.into_iter().map(|(facet, word)| (facet, word.to_owned())).collect(),
        slots: BTreeMap::from([(SlotId::Subject, vec![16; 16]), (SlotId::Asker, vec![b' '; 64])]),
    }
}

fn opened(dir: &Path, together: usize) -> Arc<Log> {
    std::fs::create_dir_all(dir).unwrap();
    let clock: SharedClock = Arc::new(SystemClock);
    let keys = DataFolder::from(dir).keys(&clock).unwrap();
    Arc::new(Log::open_committing(dir, keys, "bench.example/audit", clock, together).unwrap())
}

/// Durable appends in a second, by callers who each wait for their own.
async fn rate(log: &Arc<Log>, callers: usize) -> f64 {
    let start = Instant::now();
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let log = Arc::clone(log);
            tokio::spawn(async move {
                let mut done = 0_u32;
                while start.elapsed() < TIME {
                    log.append(vec![entry()]).await.unwrap();
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for caller in callers {
        done += caller.await.unwrap();
    }
    f64::from(done) / start.elapsed().as_secs_f64()
}

fn middle(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).unwrap().as_secs_f64()
}

fn bare_flush(dir: &Path) -> f64 {
    let mut file = File::create(dir.join("bare")).unwrap();
    let timed = (0..500).map(|_| {
        let start = Instant::now();
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
        start.elapsed()
    });
    middle(timed.collect())
}

async fn alone(log: &Log) -> f64 {
    let mut times = Vec::new();
    for _ in 0..500 {
        let start = Instant::now();
        log.append(vec![entry()]).await.unwrap();
        times.push(start.elapsed());
    }
    middle(times)
}

async fn recorded(dir: &Path) {
    let log = opened(&dir.join("together"), AUDIT_BATCH_MAX);
    let single = opened(&dir.join("single"), 1);
    let before = bare_flush(dir);
    let one = alone(&log).await;
    let flush = f64::midpoint(before, bare_flush(dir));
    println!(
        "one caller {:.2} ms, a bare flush {:.2} ms: {:.2} of it (wanted: at most 1.1)",
        one * 1e3,
        flush * 1e3,
        one / flush
    );
    let naive = rate(&single, CALLERS).await;
    let start = Instant::now();
    let together = rate(&log, CALLERS).await;
    println!(
        "{CALLERS} callers {together:.0} a second, with a commit for each {naive:.0}: {:.0} times (wanted: 100)",
        together / naive
    );
    log.catch_up_index().unwrap();
    let whole = together * TIME.as_secs_f64() / start.elapsed().as_secs_f64();
    println!("with the index caught up {whole:.0} a second: {:.0} times", whole / naive);
}

async fn verified(dir: &Path) {
    let log = opened(dir, AUDIT_BATCH_MAX);
    for _ in 0..VERIFIED / 1_000 {
        log.append((0..1_000).map(|_| entry()).collect()).await.unwrap();
    }
    let key = log.verifier().clone();
    log.close();
    drop(log);
    let files = files_in(dir).unwrap();
    let file = rusqlite::Connection::open(files.first().unwrap()).unwrap();
    let leaves: Vec<Vec<u8>> =
        stored_rows(&file).unwrap().into_iter().map(|(_, leaf)| leaf).collect();
    let number = |sql: &str| file.query_row(sql, [], |row| row.get::<_, f64>(0)).unwrap();
    let stored = number(
        "SELECT CAST(sum(pgsize) AS REAL) FROM dbstat WHERE name IN ('entry', 'tile', 'head')",
    );
    let bytes = number("SELECT CAST(sum(length(leaf)) AS REAL) FROM entry");
    println!("log and tiles {:.2} of the leaves (wanted: at most 1.25)", stored / bytes);
    let slots = slots_of(&file);
    assert_eq!(slots.len(), 2 * VERIFIED);
    let (mut of_leaves, mut hashing, mut verifying) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let start = Instant::now();
        let mut right = RightSide::default();
        let full: usize = leaves.iter().map(|leaf| right.push(leaf_hash(leaf)).len()).sum();
        of_leaves.push(start.elapsed());
        assert!(full >= VERIFIED / 256);
        for slot in &slots {
            std::hint::black_box(slot.commitment());
        }
        hashing.push(start.elapsed());
        let start = Instant::now();
        let verdict = verify_files(&files, key.clone(), None, None).unwrap();
        verifying.push(start.elapsed());
        assert_eq!((verdict.findings.len(), verdict.entries), (0, leaves.len() as u64));
    }
    let count = f64::from(u32::try_from(leaves.len()).unwrap());
    let [of_leaves, hashing, verifying] =
        [of_leaves, hashing, verifying].map(|times| count / middle(times));
    println!(
        "verifies {verifying:.0} entries a second, only hashes {hashing:.0}: {:.2} of it (wanted: 0.5); without \
         the slots' hashes {of_leaves:.0}",
        verifying / hashing
    );
}

/// What else is hashed: the slots.
fn slots_of(file: &rusqlite::Connection) -> Vec<SealedSlot> {
    let mut statement = file.prepare("SELECT slot, content, bytes FROM slot").unwrap();
    let slots = statement.query_map([], |row| {
        let id = SlotId::from_number(row.get(0)?).unwrap();
        Ok(SealedSlot { id, content: row.get(1)?, bytes: row.get(2)? })
    });
    slots.unwrap().map(Result::unwrap).collect()
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(dir) = std::env::var_os(RUN) {
        return runtime.block_on(recorded(Path::new(&dir)));
    }
    let dir = tempfile::tempdir().unwrap();
    let slow = dir.path().join("slow");
    std::fs::create_dir(&slow).unwrap();
    let library = dir.path().join("flush.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .args([library.as_path(), Path::new("tests/shim/flush.c"), Path::new("-lpthread")])
        .status()
        .unwrap();
    assert!(built.success());
    let run = Command::new(std::env::current_exe().unwrap())
        .env(RUN, &slow)
        .env("LD_PRELOAD", &library)
        .env("WEIR_SHIM_UNDER", &slow)
        .env("WEIR_SHIM_DELAY", "1000")
        .status()
        .unwrap();
    assert!(run.success());
    runtime.block_on(verified(&dir.path().join("data")));
}
