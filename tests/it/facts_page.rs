//! `docs/FACTS.md`, written from the policy and held against it and against the scenarios.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use weir::domain::FactKind;
use weir::policy::book::{FactWriters, RuleBook};

/// Every key of a scenario's `given`, and where a running hub has it from.
const SOURCES: &[(&str, &str)] = &[
    ("requester.agency", "the token's issuer (`weir.toml`): nobody names their own agency"),
    ("requester.role", "the token's claim, mapped by issuer in `weir.toml`"),
    ("requester.person", "the token's `sub`"),
    ("requester.account_ends", "`staff`"),
    ("requester.training_until", "`staff`"),
    ("requester.relationship", "`relationship`"),
    ("requester.self", "`conflict`"),
    ("requester.conflict", "`conflict`, and the declaration of interests in `staff`"),
    ("resident.born", "ResidentService.RegisterResident; without it every test of age fails"),
    ("resident.nation", "ResidentService.RegisterResident"),
    ("resident.died", "`death`, while `register-read` of `deaths` is fresh"),
    ("resident.flags", "`flag`, while `register-read` of `flags` is fresh"),
    ("resident.match", "registration; `match` puts it in doubt"),
    ("resident.capacity", "`capacity`"),
    ("resident.parent_of_case", "`household`"),
    ("resident.disadvantages", "`factors`"),
    (
        "consents",
        "ChoiceService.RecordConsent, WithdrawConsent, InvalidateConsent; evidence of anybody but the resident: a proxy on record (GrantProxy, EndProxy)",
    ),
    ("consents.gillick", "`gillick`: a child's own yes is recorded as competent only with it"),
    (
        "choices",
        "ChoiceService.RecordObjection, DecideObjection, WithdrawObjection, SetRestriction, AdvanceChoice, LiftRestriction; `opt-out`",
    ),
    ("agreements", "the policy folder, `agreements/*.toml`"),
    ("gateways", "the policy folder, `words/gateways.csv`"),
    ("policy", "the policy folder, `conditions.toml`"),
    ("suspended", "`agency`"),
    ("apd_lapsed", "`policy-document`"),
    ("registered", "`registered`"),
    ("ndo_checked_at", "FactService.BeginOptOutCheck, ApplyOptOutCheck; `weir ndo`"),
    ("order", "`order`"),
    ("custodian_release", "`release`: every custodian who has closed the location must let it out"),
];

const BEGIN: &str = "\
# Facts

What a decision relies on besides the policy and the question: who keeps it, for how long it counts, and what is judged when it is
missing or too old. Never a friendly default: what nobody has said refuses. The one exception is the law's own: capacity is presumed
(Mental Capacity Act 2005 s1(2)). Generated from the shipped policy (`policies/words/facts.csv`) by a test
(`WEIR_WRITE_DOCS=1 cargo test facts_page`); do not edit. The figures are the policy's: a data protection officer changes them there.

Every kind has two doors: `FactService.RecordFacts`, for an account with the function named (granted in `weir.toml`, issuer by issuer),
and `weir facts import`, for the operator and extracts. Both leave an entry in the audit log. `own` means: only about the caller's own
agency, which the token names.

| fact | what it says | function | agencies | counts for | missing or too old |
|---|---|---|---|---|---|
";

const KEYS: &str = "
## Every key of a scenario, and its source in a running hub

| `given.` | source |
|---|---|
";

const IMPORT: &str = r#"
## Importing

`weir facts import --data DIR --policies DIR FILE.ndjson` takes one JSON object a line; the keys are those of the fact:

| fact | keys besides `fact` |
|---|---|
| `staff` | `agency`, `person`, `account_ends` (time), `training_until` (day), `interests_declared` (day) |
| `relationship` | `agency`, `person`, `resident`, `from` (time), `until` (time) |
| `conflict` | `agency`, `person`, `resident`, `is_self`, `conflict`, `tie` (household, kin, neighbour, colleague; may be left out) |
| `flag` | `resident`, `flag`, `agency` (the custodian), `set` |
| `death` | `resident`, `died` (day) |
| `capacity` | `resident`, `capacity` (has, lacks, in-doubt), `on` (day) |
| `gillick` | `resident`, `purpose`, `competent`, `on` (day) |
| `household` | `resident` (the parent), `child`, `until` (time) |
| `factors` | `resident`, `count` (0 to 13) |
| `agency` | `agency`, `active` |
| `policy-document` | `agency`, `until` (day) |
| `registered` | `gateway`, `registered` |
| `register-read` | `register` (flags, deaths), `at` (time) |
| `opt-out` | `resident`, `on` (day), `lifted` (time) |
| `match` | `resident`, `matched` (certain, uncertain) |
| `order` | `resident`, `order` (`id`, `to`, `fields`, `from`, `until`, `sealed_copy`), `copy_sha256` |
| `release` | `resident`, `agency` (the custodian), `release` (`fields`, `to`, `until`) |

An extract of another system comes in by a mapping, `weir facts import --mapping staff.toml staff.csv`:

```toml
fact = "staff"
# How the extract writes days; without it, 2026-12-31.
day_format = "%d/%m/%Y"
# Only for facts about residents: whose local ids the column `resident` holds; without it, the hub's own.
# resident_by = "oakdale-gp"

[set]                       # the same in every row
agency = "oakdale-gp"

[columns]                   # key of the fact = column of the extract
person = "Staff no"
training_until = "Training expires"
interests_declared = "Declared"
```

Errors name the row, the column and the key, never a value; a file is taken whole or not at all.
"#;

fn page(book: &RuleBook) -> String {
    let mut page = BEGIN.to_owned();
    for kind in FactKind::ALL {
        let rule = &book.facts[kind];
        let functions: Vec<&str> = rule.functions.iter().map(|f| f.as_str()).collect();
        let agencies = match &rule.writers {
            FactWriters::Own => "own".to_owned(),
            FactWriters::Any => "any".to_owned(),
            FactWriters::These(agencies) => {
                agencies.iter().map(|a| a.as_str()).collect::<Vec<_>>().join(", ")
            }
        };
        let age = match rule.max_age_days {
            Some(days) => format!("{days} days"),
            None => "its own end".to_owned(),
        };
        let functions = functions.join(" or ");
        let (meaning, missing) = (&rule.meaning, &rule.missing);
        let _ = writeln!(
            page,
            "| `{kind}` | {meaning} | {functions} | {agencies} | {age} | {missing} |"
        );
    }
    page.push_str(KEYS);
    for (key, source) in SOURCES {
        let _ = writeln!(page, "| `{key}` | {source} |");
    }
    page.push_str(IMPORT);
    page
}

#[test]
fn the_page_of_facts_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let policy = weir::cli::policy::open(&root.join("policies")).unwrap();
    let (page, path) = (page(policy.book()), root.join("docs/FACTS.md"));
    if std::env::var_os("WEIR_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, page, "docs/FACTS.md: run with WEIR_WRITE_DOCS=1");
}

/// The keys below `given` that a table uses, with the keys of its requester and its resident.
fn keys(table: &toml::Table, found: &mut BTreeSet<String>) {
    let Some(given) = table.get("given").and_then(toml::Value::as_table) else { return };
    for (key, value) in given {
        match (key.as_str(), value.as_table()) {
            ("requester" | "resident", Some(inner)) => {
                found.extend(inner.keys().map(|name| format!("{key}.{name}")));
            }
            _ => {
                found.insert(key.clone());
            }
        }
    }
}

#[test]
fn every_key_of_a_scenario_has_a_source() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/scenarios");
    let mut found = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let file: toml::Table = text.parse().unwrap();
        for scenario in file["scenario"].as_array().unwrap() {
            let scenario = scenario.as_table().unwrap();
            keys(scenario, &mut found);
            for step in scenario.get("step").and_then(toml::Value::as_array).into_iter().flatten() {
                keys(step.as_table().unwrap(), &mut found);
            }
        }
    }
    let known: BTreeSet<String> = SOURCES.iter().map(|(key, _)| (*key).to_owned()).collect();
    let unknown: Vec<_> = found.difference(&known).collect();
    assert!(unknown.is_empty(), "no source is named for {unknown:?}");
    let unused: Vec<_> = known.difference(&found).filter(|k| *k != "consents.gillick").collect();
    assert!(unused.is_empty(), "no scenario uses {unused:?}");
}
