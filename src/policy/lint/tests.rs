//! Each accident of a policy folder, found where it is; and what the shipped folder rests on.

use std::collections::BTreeMap;

use super::*;
use crate::domain::Code;
use crate::policy::PolicySnapshot;
use crate::policy::load::{Files, load};
use crate::policy::scenario::{Case, coverage, parse, run};
use crate::policy::tests::shipped;

const DAY: &str = "2026-07-15";

/// Replaces once in each file named.
#[track_caller]
fn edited(edits: &[(&str, &str, &str)]) -> Files {
    let mut files = shipped();
    for (file, from, to) in edits {
        let text = String::from_utf8(files[*file].clone()).unwrap();
        assert!(text.contains(from), "{file} holds no {from:?}");
        files.insert((*file).to_owned(), text.replacen(from, to, 1).into_bytes());
    }
    files
}

fn cases(files: &Files, policy: &PolicySnapshot) -> Vec<Case> {
    let texts = files.iter().filter(|(name, _)| name.starts_with("scenarios/"));
    texts
        .flat_map(|(_, bytes)| parse(std::str::from_utf8(bytes).unwrap(), policy.book()).unwrap())
        .collect()
}

/// Code, file, line and text of whatever is found, at the load or after it; without scenarios.
fn said(files: &Files, day: &str) -> Vec<(String, String, usize, String)> {
    match load(files) {
        Err(findings) => findings
            .into_iter()
            .map(|one| (one.code.to_owned(), one.file, one.line, one.message))
            .collect(),
        Ok(book) => {
            let hits = book
                .rules
                .iter()
                .map(|rule| (rule.id.clone(), Hits { permits: 1, refers: 0, refuses: 1 }))
                .collect();
            let found = check(&book, day.parse().unwrap(), &hits).unwrap();
            found
                .into_iter()
                .filter(|one| one.excused.is_none())
                .map(|one| (one.code.to_owned(), one.file, one.line, one.message))
                .collect()
        }
    }
}

#[track_caller]
fn finds(edits: &[(&str, &str, &str)], day: &str, want: (&str, &str, usize, &str)) {
    let found = said(&edited(edits), day);
    let (code, file, line, says) = want;
    let before = said(&shipped(), DAY);
    let new: Vec<_> = found.iter().filter(|one| !before.contains(one)).collect();
    assert!(
        new.iter()
            .any(|one| one.0 == code && one.1 == file && one.2 == line && one.3.contains(says)),
        "{want:?}: {new:#?}"
    );
}

const MEDICAL: &str = "rules/isa-housing-health.csv";
const BEFRIEND: &str = "rules/isa-befriend.csv";
const SUPPORT: &str = "rules/isa-families.csv";
const REVENUES: &str = "rules/isa-revenues.csv";
const CHILDREN: &str = "rules/isa-children.csv";
const SAFETY: &str = "rules/isa-community-safety.csv";
const STATUTORY: &str = "rules/statutory.csv";
const NEVER: &str = "rules/00-never.csv";
const CARE: &str = "agreements/isa-care.toml";
const EXPLICIT: &str = "consent:confidentiality_explicit";

#[test]
fn what_the_law_asks_of_a_row_is_found() {
    for (file, from, to, code, line, says) in [
        (REVENUES, "ordinary, isa-revenues", "ordinary, -", "E20", 3, "has no agreement"),
        (BEFRIEND, "6-1-a", "6-1-e", "E22", 3, "befriend is none"),
        ("rules/isa-marac.csv", "9-2-g, sch1-10|sch1-18", "9-2-g, -", "E23", 3, "Sch 1"),
        ("rules/isa-adults.csv", "9-2-g", "-", "E23", 3, "without an Art 9 condition"),
        (MEDICAL, EXPLICIT, "consent:participation", "E24", 3, "lifts no confidence"),
        (MEDICAL, EXPLICIT, "consent:confidentiality_implied", "E24", 3, "their own care only"),
        (MEDICAL, EXPLICIT, "care", "E24", 3, "which is none"),
        (MEDICAL, EXPLICIT, "ordinary", "E24", 3, "on the ground ordinary"),
        (MEDICAL, EXPLICIT, "consent:gdpr_art9_explicit", "E24", 3, "has another basis"),
        (BEFRIEND, "consent:gdpr_art9_explicit", EXPLICIT, "E24", 3, "another kind of yes"),
        (
            BEFRIEND,
            "consent:gdpr_art9_explicit",
            "consent:gdpr_art6a",
            "E24",
            3,
            "ordinary consent",
        ),
        (SUPPORT, "LA11-1", "CARE-6-7", "E25", 5, "under a duty"),
        (SUPPORT, "isa-families, art18, -", "isa-families, art18, VITAL", "E25", 5, "under VITAL"),
        (SUPPORT, "CA04-10-11, 6-1-e", "CA04-10-11, 6-1-f", "E21", 3, "a public authority"),
    ] {
        finds(&[(file, from, to)], DAY, (code, file, line, says));
    }
    let row = "p, N22.2, befriend, charity-worker, befriending, identity/core, identity/core.name, -, -, \
               CARE-6-7, 6-1-c, -, -, ordinary, isa-befriend, art18, -, NO_ONWARD, -, the same unasked, \
               allow\n# end 2 rows";
    let twice = [(BEFRIEND, "# end 1 rows", row)];
    finds(
        &twice,
        DAY,
        ("E25", BEFRIEND, 3, "N22.2 (rules/isa-befriend.csv line 4) opens the same"),
    );
}

#[test]
fn a_yes_that_nobody_can_say_is_found() {
    let notice = "notices/befriending.toml";
    let other = [(notice, "\"befriending\"", "\"fundraising\"")];
    finds(&other, DAY, ("W24", BEFRIEND, 3, "gdpr_art9_explicit for befriending, and no notice"));
    let kind = [(notice, "gdpr_art9_explicit", "participation")];
    finds(&kind, DAY, ("W24", BEFRIEND, 3, "no notice asks for it"));
    finds(&[], "2023-12-31", ("W25", BEFRIEND, 3, "in force on 2023-12-31"));
    let over = [(notice, "2024-01-01\n", "2024-01-01\nlast_day = 2026-07-14\n")];
    finds(&over, DAY, ("W25", BEFRIEND, 3, "no version of a notice"));
    let parties = "words/parties.csv";
    let silent = [(parties, "hello@befriend.example", "")];
    finds(&silent, DAY, ("I26", parties, 0, "(befriend) has no contact"));
    let last = "befriend,Befriend (charity),charity,England,no,befriend,open";
    let more = format!("{last}\nhelpers,Helpers,charity,England,no,helpers,open");
    let newcomer = [("words/agencies.csv", last, more.as_str())];
    finds(&newcomer, DAY, ("I26", parties, 0, "(helpers) has no line"));
}

#[test]
fn what_an_agreement_or_a_gateway_does_not_carry_is_found() {
    let eastmoor = "northfield-council-housing|eastmoor-council-housing";
    let wales = "northfield-council-housing|llanfair-council";
    finds(&[(STATUTORY, eastmoor, wales)], DAY, ("E30", STATUTORY, 7, "is in Wales"));
    finds(&[], "2028-01-01", ("E30", CARE, 0, "ended on 2027-03-31"));
    finds(&[], "2026-12-24", ("E30", CARE, 0, "days of grace are over"));
    finds(&[], "2026-09-15", ("W31", CARE, 0, "to be reviewed by 2026-10-31"));
    finds(&[], "2025-03-31", ("W30", CARE, 0, "begins on 2025-04-01"));
    finds(&[(CARE, "\"live\"", "\"suspended\"")], DAY, ("W30", CARE, 0, "is suspended"));
    finds(&[(CARE, "\"live\"", "\"none\"")], DAY, ("W30", CARE, 0, "is withdrawn"));
    finds(&[(CARE, "dpia = \"DPIA-CARE\"\n", "")], DAY, ("W31", CARE, 0, "no impact assessment"));
    let more = [(CARE, "    \"direct_care\",", "    \"direct_care\",\n    \"crime_enquiry\",")];
    finds(&more, DAY, ("I47", CARE, 0, "is for crime_enquiry, and no rule"));
    let unused = [(STATUTORY, "CARE-45, 6-1-c", "CARE-42, 6-1-c")];
    finds(&unused, DAY, ("I47", "words/gateways.csv", 0, "CARE-45 (Care Act 2014 s45) commands"));
    let gateways = "words/gateways.csv";
    let lapsed = [(
        gateways,
        "HA96-P6,Housing Act 1996,Part 6,power,England,1997-04-01,",
        "HA96-P6,Housing Act 1996,Part 6,power,England,1997-04-01,2020-01-01",
    )];
    finds(&lapsed, DAY, ("E30", MEDICAL, 3, "lapsed on 2020-01-01"));
    let later = [(gateways, "power,England,1997-04-01", "power,England,2027-04-01")];
    finds(&later, DAY, ("W30", MEDICAL, 3, "comes into force on 2027-04-01"));
    let strange =
        [("rules/isa-fire.csv", "northshire-fire, fire-officer", "befriend, fire-officer")];
    finds(&strange, DAY, ("E30", "rules/isa-fire.csv", 3, "is no party"));
}

#[test]
fn rows_that_can_do_nothing_or_too_much_are_found() {
    let list = "medical_priority, identity/core|health/support|health/summary|housing/need, \
                identity/core.name|health/support.support_needs_summary|health/support.mobility|\
                health/summary.conditions|housing/need.medical_priority_letter";
    let agreement = "agreements/isa-housing-health.toml";
    let debt = |to| [(MEDICAL, list, to), (agreement, "medical_priority", "debt_recovery")];
    let all = debt("debt_recovery, health/support, health/support.mobility");
    finds(&all, DAY, ("E40", MEDICAL, 3, "all of it is stopped by V1"));
    let part = debt("debt_recovery, identity/core|health/support, health/support.mobility");
    finds(&part, DAY, ("W43", MEDICAL, 3, "stopped in part by V1"));
    finds(&part, DAY, ("W43", MEDICAL, 3, "field identity/core.birth_date"));
    let both = [(CHILDREN, ", child, -, CA89-47", ", child|parent, -, CA89-47")];
    finds(&both, DAY, ("E40", CHILDREN, 3, "nobody is"));
    let from = "aggregate/statistics, -, -, bulk, SVD-16, 6-1-e, -, -, ordinary";
    let to = "aggregate/statistics|health/episodes, -, -, bulk, SVD-16, 6-1-e, 9-2-g, -, threshold";
    let shut = [(SAFETY, from, to)];
    finds(&shut, DAY, ("E40", SAFETY, 4, "SVD-16 is closed to health/episodes.attendance_date"));
    let nobody = [(STATUTORY, "SAFEGUARD_CHILD|VITAL", "BREAK_GLASS")];
    finds(&nobody, DAY, ("E40", STATUTORY, 4, "no role of the row may assert one"));
    let idle = "p, V9, *, *, parking_enforcement, badge/blue, -, -, *, -, -, -, -, -, -, -, *, -, \
                MIN_NOT_NECESSARY, never for parking, deny\n# end 11 rows";
    let files = edited(&[(NEVER, "# end 10 rows", idle)]);
    let book = load(&files).unwrap();
    let found = check(&book, DAY.parse().unwrap(), &BTreeMap::new()).unwrap();
    let idle: Vec<_> = found.iter().filter(|one| one.code == "W44").collect();
    assert!(matches!(idle.as_slice(), [one] if one.about == "V9" && one.line == 13), "{idle:#?}");
    let twin = "p, N29.2, northfield-council-housing, housing-officer, empty_homes, council-tax/account, \
                council-tax/account.liable_name, -, -, LGFA-18A, 6-1-e, -, -, ordinary, isa-revenues, \
                art21|art18, -, NO_ONWARD, -, the name only, allow\n# end 2 rows";
    finds(
        &[(REVENUES, "# end 1 rows", twin)],
        DAY,
        ("W41", REVENUES, 4, "nothing that N29 does not"),
    );
    let other = twin.replace("NO_ONWARD", "RECORD_REASON");
    let other = [(REVENUES, "# end 1 rows", other.as_str())];
    finds(&other, DAY, ("W42", REVENUES, 3, "NO_ONWARD here, RECORD_REASON there"));
    let whole = [("rules/isa-school-health.csv", "health/summary|health/support", "health/*")];
    finds(&whole, DAY, ("E45", "rules/isa-school-health.csv", 3, "one by one"));
    let everybody: Vec<String> =
        load(&shipped()).unwrap().agencies.keys().map(ToString::to_string).collect();
    let four = "northfield-council-adult-care|northfield-council-childrens|northfield-council-housing|\
                northshire-police, legal-officer";
    let everybody = format!("{}, legal-officer", everybody.join("|"));
    let broad = [(STATUTORY, four, everybody.as_str())];
    finds(&broad, DAY, ("W45", STATUTORY, 11, "more than one in 50"));
}

#[test]
fn a_broken_promise_names_region_row_and_one_request() {
    let promise = |row: &str| format!("{row}\n# end 14 rows");
    for (row, says) in [
        (
            "never, X1, *, *, direct_care, health/mental, -, -, no",
            "broken by N01 (rules/isa-care.csv line 3)",
        ),
        (
            "never, X1, oakdale-gp, *, direct_care, letter:x, -, -, no",
            "One request: oakdale-gp / doctor / direct_care / health/sensitive.",
        ),
        ("never, X1, *, *, youth_portal, contact/home.email, watch, -, no", "flag watch"),
        ("never, X1, public-authority, *, *, identity/core, -, 6-1-a, no", "broken by N20"),
        ("always, X1, befriend, *, direct_care, identity/core, -, -, no", "no path for befriend"),
        (
            "always, X1, oakdale-gp, analyst|gp, direct_care, identity/core, -, -, no",
            "no path for oakdale-gp / analyst / direct_care / identity/core.",
        ),
        ("always, X1, oakdale-gp, *, direct_care, health/*, sealed, -, no", "no path for"),
    ] {
        let row = promise(row);
        finds(&[("promises.csv", "# end 13 rows", &row)], DAY, ("E46", "promises.csv", 17, says));
    }
    // One that holds on the words does not when its agreement has run out.
    let row = promise("always, X1, oakdale-gp, *, direct_care, identity/core|health/*, -, -, no");
    let kept = edited(&[("promises.csv", "# end 13 rows", &row)]);
    assert!(said(&kept, DAY).iter().all(|one| one.0 != "E46"));
    assert!(said(&kept, "2028-01-01").iter().any(|one| one.0 == "E46"));
}

#[test]
fn severities_and_exceptions_are_data_and_cannot_excuse_everything() {
    const LINTS: &str = "lints.toml";
    let severity = |text: &str| [(LINTS, "[severity]\n", format!("[severity]\n{text}\n"))];
    for (text, says) in [
        ("E46 = \"warning\"", "E46 (a promise is broken) has no exception"),
        ("E99 = \"warning\"", "\"E99\" is no code"),
        ("W42 = \"eror\"", "\"eror\" must be error, warning or info"),
    ] {
        let [(file, from, to)] = severity(text);
        finds(&[(file, from, &to)], DAY, ("E10", LINTS, 5, says));
    }
    let [(file, from, to)] = severity("W42 = \"error\"");
    let raised = edited(&[(file, from, &to)]);
    let refused = load(&raised).unwrap_err();
    assert!(
        matches!(refused.as_slice(), [one] if one.code == "W42" && one.line == 5),
        "{refused:?}"
    );
    let [(file, from, to)] = severity("E24 = \"warning\"");
    assert!(load(&edited(&[(file, from, &to), (MEDICAL, EXPLICIT, "care")])).is_ok());
    finds(&[(LINTS, "on = \"N23\"", "on = \"N32\"")], DAY, ("E24", "rules/isa-fire.csv", 3, "N23"));
    finds(&[(LINTS, "on = \"N23\"", "on = \"N32\"")], DAY, ("E51", LINTS, 7, "excuses nothing"));
    finds(&[(LINTS, "reason = \"The", "reason = \"\" # The")], DAY, ("E10", LINTS, 7, "no reason"));
    finds(&[(LINTS, "code = \"E24\"", "code = \"E46\"")], DAY, ("E10", LINTS, 7, "no exception"));
}

#[test]
fn every_code_stands_in_the_table_once() {
    let codes: Vec<&str> = LINTS.iter().map(|one| one.code).collect();
    let found = FAMILIES.iter().flat_map(|family| family.codes);
    assert!(found.copied().all(|code| codes.contains(&code)));
    assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
}

#[test]
fn the_shipped_folder_has_no_error_and_every_rule_its_scenarios() {
    let files = shipped();
    let policy = PolicySnapshot::build(load(&files).unwrap()).unwrap();
    let hits = coverage(&policy, &cases(&files, &policy));
    let found = check(policy.book(), DAY.parse().unwrap(), &hits).unwrap();
    let errors: Vec<_> = found
        .iter()
        .filter(|one| one.severity == Severity::Error && one.excused.is_none())
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert_eq!(found.iter().filter(|one| one.excused.is_some()).count(), 1);
    // Without scenarios every allow row is in doubt, and every hard stop that no promise names.
    let bare = check(policy.book(), DAY.parse().unwrap(), &BTreeMap::new()).unwrap();
    let doubted = bare.iter().filter(|one| one.code == "E50").count();
    assert_eq!(doubted, law::allows(policy.book()).count());
}

/// Each hard stop is needed: without it some scenario comes out otherwise, or some promise breaks.
#[test]
fn no_hard_stop_can_be_taken_away_unnoticed() {
    let files = shipped();
    let whole = load(&files).unwrap();
    let stops: Vec<RuleId> = whole
        .rules
        .iter()
        .filter(|rule| rule.effect == crate::policy::book::Effect::Deny)
        .map(|rule| rule.id.clone())
        .collect();
    assert_eq!(stops.len(), 10);
    for stop in stops {
        let mut book = whole.clone();
        book.rules.retain(|rule| rule.id != stop);
        let refused = refusals(&book).unwrap().iter().any(|one| one.code == "E46");
        let policy = PolicySnapshot::build(book).unwrap();
        let speaks = |case: &&Case| {
            let wants = &case.want.full;
            wants.codes.iter().chain(wants.withheld.iter().flat_map(|w| w.values())).any(|code| {
                let name = code.as_str();
                name.starts_with("BAR_")
                    || [Code::PurIncompatible, Code::MinLocationProtected].contains(code)
            })
        };
        let named: Vec<Case> = cases(&files, &policy).iter().filter(speaks).cloned().collect();
        let failed = !run(&policy, &named).failures.is_empty();
        assert!(failed || refused, "{stop} can go unnoticed");
    }
}

#[test]
fn slips_that_read_well_are_found() {
    let figure = |from: &str, to: &str, says: &str| {
        let line = String::from_utf8(shipped()["conditions.toml"].clone()).unwrap();
        assert!(line.contains(from), "{from}");
        finds(&[("conditions.toml", from, to)], DAY, ("W46", "conditions.toml", 0, says));
    };
    figure("adult_age = 18", "adult_age = 81", "adult_age is usually 18");
    figure("own_voice_age = 16", "own_voice_age = 90", "from 12 to 16");
    figure("window_group = 12", "window_group = 4000000000", "from 1 to 100");
    figure("ndo_hours = 24", "ndo_hours = 8784", "from 1 to 168");
    figure("factors_min = 2", "factors_min = 0", "from 2 to 13");
    figure("reason_words_min = 3", "reason_words_min = 0", "from 2 to 20");
    let ceiling = ("words/overrides.csv", "reason,8,WHO", "reason,87600,WHO");
    finds(&[ceiling], DAY, ("W46", "words/overrides.csv", 0, "87600 hours"));
    let care = "agreements/isa-care.toml";
    let text = String::from_utf8(shipped()[care].clone()).unwrap();
    let line = |key: &str| text.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    for key in ["end", "review_due"] {
        let days = ["end", "review_due"].map(|key| (line(key), format!("{key} = 9999-12-31")));
        let edits = days.each_ref().map(|(from, to)| (care, from.as_str(), to.as_str()));
        finds(&edits, DAY, ("W46", care, 0, &format!("{key} is ")));
    }
    let row = "p, V9, *, *, debt_recovery, housing/need, -, -, *, -, -, -, -, -, -, -, *, -, \
               CNF_NO_BASIS, no case for debt, deny\n# end 11 rows";
    let rows = [(NEVER, "# end 10 rows", row)];
    finds(&rows, DAY, ("W47", NEVER, 13, "an override or a person can lift it"));
    let both = "label, -, NO_ONWARD|NOTIFY_SUBJECT|DO_NOT_NOTIFY, -, a MAPPA subject";
    let both = [("rules/isa-housing.csv", "label, -, NO_ONWARD, -, a MAPPA subject", both)];
    finds(&both, DAY, ("E49", "rules/isa-housing.csv", 5, "told and not told"));
    let mut files = shipped();
    files.insert("promises.csv".to_owned(), b"# none\n# end 0 rows\n".to_vec());
    let found = said(&files, DAY);
    assert!(found.iter().any(|one| one.0 == "E48"), "{found:?}");
}
