//! The rule book as shipped, its scenarios, and what happens when a term or a figure changes.

use std::path::Path;

use super::engine::TERMS;
use super::load::{Files, load};
use super::scenario::{Case, parse, run};
use super::{FieldOutcome, Layout, PolicySnapshot};
use crate::domain::{Ask, Asked, Code, FieldId, PurposeId, Scope};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(super) fn shipped() -> Files {
    let mut files = Files::new();
    for entry in walk(&root().join("policies")) {
        let name = entry.strip_prefix(root().join("policies")).unwrap();
        files.insert(name.to_string_lossy().into_owned(), std::fs::read(&entry).unwrap());
    }
    files
}

/// The shipped files with `from` replaced by `to` once in `file`.
#[track_caller]
pub(super) fn edited(file: &str, from: &str, to: &str) -> Files {
    let mut files = shipped();
    let text = String::from_utf8(files[file].clone()).unwrap();
    assert!(text.contains(from), "{file} holds no {from:?}");
    files.insert(file.to_owned(), text.replacen(from, to, 1).into_bytes());
    files
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(walk(&path));
        } else {
            out.push(path);
        }
    }
    out
}

fn cases(policy: &PolicySnapshot) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, bytes) in shipped() {
        if name.starts_with("scenarios/") {
            cases.extend(parse(std::str::from_utf8(&bytes).unwrap(), policy.book()).unwrap());
        }
    }
    cases
}

/// Whether the case named comes out otherwise than it wants.
fn fails(policy: &PolicySnapshot, cases: &[Case], id: &str) -> bool {
    let case = cases.iter().find(|case| case.id == id).unwrap();
    !run(policy, std::slice::from_ref(case)).failures.is_empty()
}

#[test]
fn the_shipped_rule_book_decides_every_scenario() {
    let policy = PolicySnapshot::build(load(&shipped()).unwrap()).unwrap();
    let cases = cases(&policy);
    let report = run(&policy, &cases);
    assert_eq!(report.failures, Vec::<String>::new());
    assert!(report.passed >= 449, "only {} cases were run", report.passed);
}

/// Replacing any one term of the matcher by `true` makes a named scenario fail. All rows are in one
/// section here, since the index would keep agency, purpose and category apart by itself.
#[test]
fn every_term_of_the_matcher_is_needed() {
    let named = [
        ("when", "age-04#2"),
        ("role", "safe-05#2"),
        ("field", "safe-04"),
        ("category", "care-06"),
        ("purpose", "safe-09#2"),
        ("agency", "agree-10#2"),
        ("death", "right-09#1"),
        ("bulk", "gate-bulk"),
        ("asking", "care-07"),
        ("gateway", "care-08"),
        ("basis", "gate-basis"),
        ("apd9", "agree-07"),
        ("apd10", "gate-apd10"),
        ("ground", "consent-02#2"),
        ("agreement", "agree-03"),
        ("choices", "care-02"),
        ("override", "gate-override"),
    ];
    let book = load(&shipped()).unwrap();
    let whole = PolicySnapshot::build_as(book.clone(), Layout::Flat).unwrap();
    let cases = cases(&whole);
    assert_eq!(run(&whole, &cases).failures, Vec::<String>::new(), "the flat layout differs");
    let matcher = book.model.lines().find(|line| line.starts_with("m = ")).unwrap();
    let terms: Vec<&str> = matcher["m = ".len()..].split(" && ").collect();
    assert_eq!(named.map(|(term, _)| term), TERMS);
    for (i, (term, scenario)) in named.into_iter().enumerate() {
        let mut without = terms.clone();
        without[i] = "true";
        let mut book = book.clone();
        book.model = book.model.replace(&matcher["m = ".len()..], &without.join(" && "));
        let policy = PolicySnapshot::build_as(book, Layout::Flat).unwrap();
        assert!(fails(&policy, &cases, scenario), "without {term}, {scenario} comes out the same");
    }
}

/// Nothing of the law is in code: an edit of a file, and a named scenario comes out otherwise.
#[test]
fn an_edit_of_a_file_changes_a_decision() {
    #[track_caller]
    fn check(file: &str, from: &str, to: &str, scenario: &str) {
        let mut files = shipped();
        let text = String::from_utf8(files[file].clone()).unwrap();
        assert!(text.contains(from), "{file} holds no {from:?}");
        files.insert(file.to_owned(), text.replacen(from, to, 1).into_bytes());
        let policy = PolicySnapshot::build(load(&files).unwrap()).unwrap();
        let fails = fails(&policy, &cases(&policy), scenario);
        assert!(fails, "{file}: {from} -> {to}: {scenario} comes out the same");
    }
    let figures = "conditions.toml";
    check(figures, "adult_age = 18", "adult_age = 19", "age-04#2");
    check(figures, "own_voice_age = 16", "own_voice_age = 15", "gate-own-voice");
    check(figures, "until_age = 11", "until_age = 12", "age-03#2");
    check(figures, "digital_consent_age = 13", "digital_consent_age = 14", "age-01#2");
    check(figures, "reason_words_min = 3", "reason_words_min = 2", "police-01");
    check(figures, "ndo_hours = 24", "ndo_hours = 48", "right-04");
    check(figures, "factors_min = 2", "factors_min = 1", "house-08#2");
    check(figures, "small_group = 1", "small_group = 2", "gate-bulk");
    check(figures, "    \"child_protection\",\n", "", "gate-onward");
    check(figures, "[\"9-2-g\"]", "[]", "agree-07");
    check("agreements/isa-care.toml", "grace_days = 30", "grace_days = 10", "agree-02");
    let overrides = "words/overrides.csv";
    check(overrides, "unable_to_consent,24,", "unable_to_consent,25,", "over-06#2");
    check(
        overrides,
        "SERIOUS_CRIME,police-inspector,",
        "SERIOUS_CRIME,police-officer,",
        "over-07#2",
    );
    check(overrides, ",second-person,", ",,", "over-07#1");
    check(overrides, "reason,8,WHO_NO_RELATIONSHIP", "reason,8,all", "over-03#1");
    let fields = "words/fields.csv";
    check(
        fields,
        "contact/home.address,contact/home,no,no,no,yes",
        "contact/home.address,contact/home,no,no,no,no",
        "seal-04",
    );
    check(
        fields,
        "health/sensitive.hiv_status,health/sensitive,yes,no,yes,no,no,yes",
        "health/sensitive.hiv_status,health/sensitive,yes,no,yes,no,no,no",
        "care-04#1",
    );
    let codes = "words/codes.csv";
    check(codes, "SUBJ_DECEASED_ROUTE,R,no", "SUBJ_DECEASED_ROUTE,H,no", "right-09#1");
    check(codes, "CNS_REFUSED,O,yes,yes", "CNS_REFUSED,O,no,yes", "safe-07#2");
    check(codes, "BAR_GENDER_RECOGNITION,H,no,no", "BAR_GENDER_RECOGNITION,H,no,yes", "seal-06");
    check(
        "words/gateways.csv",
        "DEA-56,Digital Economy Act 2017,s56,power,England,2018-05-01,,,,nhs|adult-care,yes",
        "DEA-56,Digital Economy Act 2017,s56,power,England,2018-05-01,,,,nhs|adult-care,no",
        "house-06#1",
    );
}

/// A store may hold an objection that names no purpose: it is to every purpose, never to none.
#[test]
fn an_objection_without_a_purpose_stops_every_purpose() {
    let policy = PolicySnapshot::build(load(&shipped()).unwrap()).unwrap();
    let mut case = cases(&policy).into_iter().find(|case| case.id == "cho-art21#1").unwrap();
    case.facts.choices[0].purpose = None;
    let decision = policy.decide(&case.ask, &case.facts, case.at);
    assert!(decision.codes.contains(&Code::ChoArt21Pending), "{:?}", decision.codes);
    assert!(decision.permit.is_none());
}

/// Sectioned casbin, stock casbin over all rows, and the cells read naively say the same.
#[test]
fn three_readings_of_the_rows_agree() {
    let book = load(&shipped()).unwrap();
    let sectioned = PolicySnapshot::build(book.clone()).unwrap();
    let flat = PolicySnapshot::build_as(book, Layout::Flat).unwrap();
    let mut asked = 0;
    let mut released = 0;
    for base in cases(&sectioned) {
        let mut asks = vec![base.ask.clone()];
        for purpose in sectioned.book().purposes.keys().step_by(7) {
            for category in sectioned.book().categories.keys().step_by(9) {
                let fields = vec![Asked(Scope::Category(category.clone()))];
                asks.push(Ask { purpose: purpose.clone(), fields, ..base.ask.clone() });
            }
        }
        for ask in asks {
            let one = sectioned.decide(&ask, &base.facts, base.at);
            let two = flat.decide(&ask, &base.facts, base.at);
            assert_eq!(one, two, "{} {}", base.id, ask.purpose);
            assert_eq!(one.fault, None, "{} {}", base.id, ask.purpose);
            for (field, outcome) in &one.fields {
                asked += 1;
                if let FieldOutcome::Released(path) = outcome {
                    released += 1;
                    let rows = naive(&sectioned, field, &base, &ask.purpose);
                    assert!(rows.contains(&path.rule.to_string()), "{field}: {rows:?}");
                }
            }
        }
    }
    assert!(asked > 1_000 && released > 50, "{asked} asked, {released} released");
}

/// The ids of allow rows whose first cells name the question, read from the cells by hand.
fn naive(
    policy: &PolicySnapshot,
    field: &FieldId,
    case: &Case,
    purpose: &PurposeId,
) -> Vec<String> {
    let category = field.category().unwrap();
    let has = |cell: &str, word: &str| cell == "*" || cell.split('|').any(|w| w == word);
    policy
        .book()
        .rules
        .iter()
        .filter(|rule| {
            let c = &rule.cells;
            let narrowed: Vec<&str> =
                c[5].split('|').filter(|w| w.starts_with(&format!("{category}."))).collect();
            c[19] == "allow"
                && has(&c[1], case.facts.requester.agency.as_str())
                && has(&c[2], case.facts.requester.role.as_str())
                && has(&c[3], purpose.as_str())
                && has(&c[4], category)
                && (narrowed.is_empty() || narrowed.contains(&field.as_str()))
        })
        .map(|rule| rule.id.to_string())
        .collect()
}
