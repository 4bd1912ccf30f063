//! What a decision costs: the hub's sections against stock casbin over a flat list, and a refusal's
//! explanation against the decision. Ratios of medians in one run; machines are shared and noisy.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot run has failed"
)]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use weir::policy::book::{Cell, Effect, Rule, RuleBook};
use weir::policy::diff::{Side, between};
use weir::policy::lint;
use weir::policy::load::{load, load_dir, read_dir};
use weir::policy::replay::{Came, Past, replay};
use weir::policy::scenario::{Case, parse};
use weir::policy::{Layout, PolicySnapshot};

/// The shipped book, the asked rule three times over, and other rules up to `total`.
fn grown(book: &RuleBook, total: usize) -> RuleBook {
    let mut book = book.clone();
    let asked = book.rules.iter().find(|r| r.id.as_str() == "N25").unwrap().clone();
    let (agencies, purposes, categories): (Vec<_>, Vec<_>, Vec<_>) = (
        book.agencies.keys().cloned().collect(),
        book.purposes.keys().cloned().collect(),
        book.categories.keys().cloned().collect(),
    );
    for i in 0..2 {
        book.rules.push(named(asked.clone(), format!("T{i}")));
    }
    let mut i = 0;
    while book.rules.len() < total {
        let mut rule = named(asked.clone(), format!("X{i}"));
        let agency = &agencies[i % agencies.len()];
        let purpose = &purposes[(i / agencies.len()) % purposes.len()];
        let category = &categories[(i / agencies.len() / purposes.len()) % categories.len()];
        i += 1;
        // The cell that is asked about keeps its three candidates.
        if asked.agencies.has(agency) && asked.purposes.has(purpose) {
            continue;
        }
        rule.agencies = Cell::These([agency.clone()].into());
        rule.purposes = Cell::These([purpose.clone()].into());
        rule.categories = Cell::These([category.clone()].into());
        rule.only.clear();
        rule.cells[1] = agency.to_string();
        rule.cells[3] = purpose.to_string();
        rule.cells[4] = category.to_string();
        rule.cells[5] = "-".to_owned();
        book.rules.push(rule);
    }
    assert!(book.rules.iter().filter(|r| r.effect == Effect::Allow).count() > 40);
    book
}

fn named(mut rule: Rule, id: String) -> Rule {
    rule.cells[0].clone_from(&id);
    rule.id = id.parse().unwrap();
    rule
}

fn median(mut work: impl FnMut(), rounds: usize, each: usize) -> Duration {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..each {
                work();
            }
            start.elapsed() / u32::try_from(each).unwrap()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

/// What all lints of 1,000 rules cost against reading those rules and building their engine.
fn checked(dir: &Path, book: &RuleBook) {
    let grown = grown(book, 1_000);
    let mut files = read_dir(dir).unwrap();
    // The rows over and above the shipped ones, as a file. Their agreement is not for their purposes: the
    // load ends before the lints, so that what is measured is the reading alone.
    let extra: Vec<String> = grown.rules[book.rules.len()..]
        .iter()
        .map(|rule| {
            let quoted: Vec<String> = rule.cells.iter().map(|cell| format!("\"{cell}\"")).collect();
            format!("p, {}", quoted.join(", "))
        })
        .collect();
    let text = format!("{}\n# end {} rows\n", extra.join("\n"), extra.len());
    files.insert("rules/zz-more.csv".to_owned(), text.into_bytes());
    let built = median(|| drop(black_box(PolicySnapshot::build(grown.clone()).unwrap())), 3, 1);
    let read = median(|| drop(black_box(load(&files))), 3, 1);
    let day = "2026-07-15".parse().unwrap();
    let hits = std::collections::BTreeMap::new();
    let linted = median(|| drop(black_box(lint::check(&grown, day, &hits).unwrap())), 5, 1);
    println!(
        "1000 rules: all lints {linted:?}, {:.2}x of reading ({read:?}) and building ({built:?})",
        linted.as_secs_f64() / (read + built).as_secs_f64(),
    );
}

/// What comparing 1,000 rules with 20 of them edited costs against building their engine.
fn compared(dir: &Path, book: &RuleBook) {
    let files = read_dir(dir).unwrap();
    let old = grown(book, 1_000);
    let mut new = old.clone();
    let from = new.rules.len() - 20;
    for rule in &mut new.rules[from..] {
        rule.agencies = Cell::These(["befriend".parse().unwrap()].into());
        rule.cells[1] = "befriend".to_owned();
    }
    let day = "2026-07-15".parse().unwrap();
    let side = |book| Side { book, files: &files, day };
    let built = median(|| drop(black_box(PolicySnapshot::build(new.clone()).unwrap())), 3, 1);
    let found = median(|| drop(black_box(between(side(&old), side(&new)).unwrap())), 3, 1);
    println!(
        "1000 rules, 20 edited: diff {found:?}, {:.2}x of building ({built:?})",
        found.as_secs_f64() / built.as_secs_f64(),
    );
}

/// What deciding the past again costs: every scenario of the folder, over and over.
fn replayed(root: &Path, policy: &PolicySnapshot) {
    let mut cases = Vec::new();
    for file in std::fs::read_dir(root.join("policies/scenarios")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        cases.extend(parse(&text, policy.book()).unwrap());
    }
    let past: Vec<Past> = cases
        .iter()
        .cycle()
        .take(20_000)
        .map(|case| Past {
            id: weir::domain::DecisionId::from_uuid(uuid::Uuid::nil()),
            resident: weir::domain::ResidentId::from_uuid(uuid::Uuid::nil()),
            was: Came::of(&policy.decide(&case.ask, &case.facts, case.at)),
            ask: case.ask.clone(),
            facts: case.facts.clone(),
            as_of: case.at,
        })
        .collect();
    let time = median(
        || {
            let report = replay(policy, &past);
            assert_eq!(report.alike, 20_000, "a policy over its own decisions flips nothing");
        },
        3,
        1,
    );
    let each = time / 20_000;
    println!(
        "replay of {} cases as 20000 decisions on all cores: {time:?}, {each:?} each, a million in {:?}",
        cases.len(),
        each * 1_000_000
    );
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let book = load_dir(&root.join("policies")).unwrap();
    let shipped = PolicySnapshot::build(book.clone()).unwrap();
    let text = std::fs::read_to_string(root.join("policies/scenarios/consent.toml")).unwrap();
    let cases = parse(&text, shipped.book()).unwrap();
    let find = |id: &str| cases.iter().find(|c| c.id == id).unwrap().clone();
    // One category with all its fields, one consent that covers it; and the same without the consent.
    let mut yes: Case = find("consent-02#1");
    yes.ask.fields = vec!["health/support".parse().map(weir::domain::Asked).unwrap()];
    let mut no = yes.clone();
    no.facts.consents.clear();

    checked(&root.join("policies"), &book);
    compared(&root.join("policies"), &book);
    replayed(root, &shipped);
    let mut small = Duration::ZERO;
    for total in [1_000, 10_000] {
        let grown = grown(&book, total);
        let hub = PolicySnapshot::build(grown.clone()).unwrap();
        let stock = PolicySnapshot::build_as(grown, Layout::Flat).unwrap();
        let decide = |policy: &PolicySnapshot, case: &Case| {
            black_box(policy.decide(&case.ask, &case.facts, case.at));
        };
        assert_eq!(
            hub.decide(&yes.ask, &yes.facts, yes.at).outcome,
            stock.decide(&yes.ask, &yes.facts, yes.at).outcome
        );
        let ours = median(|| decide(&hub, &yes), 21, 50);
        let refusal = median(
            || {
                let decision = hub.decide(&no.ask, &no.facts, no.at);
                let view = hub.view(&decision, |_| true);
                black_box(hub.explain(&no.ask, &no.facts, &view));
            },
            21,
            50,
        );
        let flat = median(|| decide(&stock, &yes), 5, 1);
        println!(
            "{total} rules: decide {ours:?}, stock casbin {flat:?}, {:.0}x; refused and explained {refusal:?}, {:.1}x the decision",
            flat.as_secs_f64() / ours.as_secs_f64(),
            refusal.as_secs_f64() / ours.as_secs_f64(),
        );
        if total == 1_000 {
            small = ours;
        } else {
            println!("10000 rules against 1000: {:.2}x", ours.as_secs_f64() / small.as_secs_f64());
        }
    }
}
