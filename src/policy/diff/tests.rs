//! Single edits of the shipped folder, each with what it does; and rows against every request one by one.

use proptest::prelude::*;

use super::*;
use crate::policy::boxes::Region;
use crate::policy::load::load;
use crate::policy::tests::{edited, shipped};

const DAY: Date = jiff::civil::date(2026, 7, 15);

fn compared(old: &Files, new: &Files) -> Diff {
    let books = [load(old).unwrap(), load(new).unwrap_or_else(|found| panic!("{found:?}"))];
    let side = |book, files| Side { book, files, day: DAY };
    between(side(&books[0], old), side(&books[1], new)).unwrap()
}

#[test]
fn nothing_is_nothing() {
    let diff = compared(&shipped(), &shipped());
    assert_eq!((diff.class(), diff.newly_allowed, diff.no_longer_allowed), (None, 0, 0));
}

use Class::{Narrows, Rewords, Widens};

/// File, what stands there, what is to stand there, what that does, and a part of the sentence.
const EDITS: &[(&str, &str, &str, Class, &str)] = &[
    ("notices/befriending.toml", "can call on you?", "can call?", Widens, "version 1, en, text"),
    ("notices/befriending.toml", "title = \"S", "title = \"The s", Rewords, "title"),
    (
        "notices/befriending.toml",
        "[\"befriending\"]",
        "[\"befriending\", \"fundraising\"]",
        Widens,
        "version 1, purposes: now also fundraising",
    ),
    (
        "notices/befriending.toml",
        "2024-01-01\n",
        "2024-01-01\nlast_day = 2030-01-01\n",
        Narrows,
        "version 1, last_day: open -> 2030-01-01",
    ),
    (
        "notices/befriending.toml",
        "first_day = 2024-01-01",
        "first_day = 2023-01-01",
        Widens,
        "version 1, first_day",
    ),
    ("words/parties.csv", "hello@befriend", "hi@befriend", Rewords, "befriend, contact"),
    (
        "rules/isa-housing.csv",
        "label, -, NO_ONWARD, -, a MAPPA subject",
        "label, -, NO_ONWARD|DO_NOT_NOTIFY, -, a MAPPA subject",
        Widens,
        "without telling the resident",
    ),
    (
        "words/overrides.csv",
        "EXPIRE_AT|REVIEW_BY|NOTIFY_SUBJECT\nSERIOUS",
        "EXPIRE_AT|REVIEW_BY|DO_NOT_NOTIFY\nSERIOUS",
        Widens,
        "no longer NOTIFY_SUBJECT, telling the resident",
    ),
    (
        "scenarios/consent.toml",
        "id = \"consent-02\"",
        "id = \"consent-02a\"",
        Widens,
        "the case id = \"consent-02\" is taken away",
    ),
    (
        "rules/isa-housing.csv",
        "housing-officer|lettings-manager, ten",
        "housing-officer, ten",
        Narrows,
        "role no longer lettings-manager",
    ),
    (
        "rules/isa-housing.csv",
        "lettings-manager, mappa",
        "lettings-manager|housing-officer, mappa",
        Widens,
        "role now also housing-officer",
    ),
    (
        "rules/isa-housing.csv",
        "|housing/tenancy.start_date|housing/need.application|offences/record.risk_marker, -, -, HA96-P6, 6-1-f",
        "|housing/need.application|offences/record.risk_marker, -, -, HA96-P6, 6-1-f",
        Narrows,
        "only no longer",
    ),
    (
        "rules/isa-housing.csv",
        "art21|art18, -, -, -, the council lets",
        "art21, -, -, -, the council lets",
        Widens,
        "choices no longer art18",
    ),
    (
        "rules/isa-housing.csv",
        "label, -, NO_ONWARD, -, a MAPPA subject",
        "label, -, -, -, a MAPPA subject",
        Widens,
        "without NO_ONWARD",
    ),
    (
        "rules/isa-housing.csv",
        "label, -, NO_ONWARD, -, a MAPPA subject",
        "label, -, NO_ONWARD|RECORD_REASON, -, a MAPPA subject",
        Narrows,
        "more is owed",
    ),
    (
        "rules/isa-housing.csv",
        "the council lets and manages a home",
        "the council lets a home",
        Rewords,
        "another note",
    ),
    (
        "rules/isa-housing.csv",
        "ordinary, isa-housing, art21|art18, -, -, -, the council",
        "statute, isa-housing, art21|art18, -, -, -, the council",
        Widens,
        "ground ordinary -> statute",
    ),
    (
        "rules/statutory.csv",
        "victim_material, health/mental|health/episodes, health/mental.counselling_notes|health/episodes.injury_note, notice",
        "victim_material, health/mental|health/episodes, health/mental.counselling_notes|health/episodes.injury_note, -",
        Widens,
        "when no longer notice",
    ),
    (
        "rules/statutory.csv",
        "a missing person at risk must be found",
        "a missing person must be found",
        Rewords,
        "another note",
    ),
    (
        "rules/statutory.csv",
        "SAFEGUARD_CHILD|VITAL, RETROSPECTIVE_FORM",
        "VITAL, RETROSPECTIVE_FORM",
        Narrows,
        "overrides no longer SAFEGUARD_CHILD",
    ),
    ("rules/00-never.csv", "letter:l, flag:in-refuge", "-, flag:in-refuge", Narrows, "closes more"),
    (
        "rules/00-never.csv",
        "health and care never feed",
        "health never feeds",
        Rewords,
        "another note",
    ),
    (
        "words/agencies.csv",
        "Befriend (charity),charity,England,no,befriend,open",
        "Befriend,charity,England,no,befriend,open",
        Rewords,
        "befriend, name",
    ),
    ("words/agencies.csv", "harbour-refuge,never", "harbour-refuge,open", Widens, "involvement"),
    ("words/agencies.csv", "befriend,open", "befriend,never", Narrows, "involvement"),
    (
        "words/agencies.csv",
        "England,yes,eastmoor-council",
        "England,no,eastmoor-council",
        Widens,
        "public_authority",
    ),
    (
        "words/fields.csv",
        "contact/home.address,contact/home,no,no,no,yes",
        "contact/home.address,contact/home,no,no,no,no",
        Widens,
        "location: yes -> no",
    ),
    (
        "words/fields.csv",
        "health/summary.allergies,health/summary,yes,no,yes,no,no,no",
        "health/summary.allergies,health/summary,yes,no,yes,no,no,yes",
        Narrows,
        "sub_code: no -> yes",
    ),
    (
        "words/codes.csv",
        "CNS_REFUSED,O,yes,yes",
        "CNS_REFUSED,O,no,yes",
        Narrows,
        "lifted_by_override",
    ),
    (
        "words/codes.csv",
        "SUBJ_DECEASED_ROUTE,R,no",
        "SUBJ_DECEASED_ROUTE,H,no",
        Widens,
        "disposition",
    ),
    (
        "words/codes.csv",
        "BAR_GENDER_RECOGNITION,H,no,no",
        "BAR_GENDER_RECOGNITION,H,no,yes",
        Widens,
        "spoken_to_requester",
    ),
    (
        "words/codes.csv",
        "reason of fewer than three words",
        "a reason that is too short",
        Rewords,
        "meaning",
    ),
    (
        "words/gateways.csv",
        "CA04-10-11,Children Act 2004,ss10 11,power,England,2005-03-01,",
        "CA04-10-11,Children Act 2004,ss10 11,power,England,2027-03-01,",
        Widens,
        "in_force_from",
    ),
    (
        "words/gateways.csv",
        "2018-05-01,,,,nhs|adult-care,yes",
        "2018-05-01,,,,nhs|adult-care,no",
        Widens,
        "needs_registration",
    ),
    (
        "words/gateways.csv",
        "2018-05-01,,,,nhs|adult-care,yes",
        "2018-05-01,,,,adult-care,yes",
        Widens,
        "excludes_holder_types",
    ),
    (
        "words/overrides.csv",
        "SERIOUS_CRIME,police-inspector,",
        "SERIOUS_CRIME,police-inspector|police-officer,",
        Widens,
        "roles: now also police-officer",
    ),
    ("words/overrides.csv", ",second-person,", ",,", Widens, "tests"),
    (
        "words/overrides.csv",
        "reason,8,WHO_NO_RELATIONSHIP",
        "reason,4,WHO_NO_RELATIONSHIP",
        Narrows,
        "ceiling_hours",
    ),
    ("words/overrides.csv", "reason,8,WHO_NO_RELATIONSHIP", "reason,8,all", Widens, "lifts"),
    (
        "words/proxies.csv",
        "advocate,statutory-instruction|",
        "advocate,",
        Narrows,
        "advocate, evidence",
    ),
    ("words/proxies.csv", ",until-own-voice,", ",never,", Widens, "until-own-voice -> never"),
    (
        "words/proxies.csv",
        "appointee,dwp-appointment,never,no",
        "appointee,dwp-appointment,never,yes",
        Widens,
        "appointee, acts_in_portal",
    ),
    ("words/retention.csv", "disclose,8", "disclose,6", Widens, "disclose, years: 8 -> 6"),
    (
        "words/facts.csv",
        "staff,staff-manager,own,92",
        "staff,staff-manager,own,184",
        Widens,
        "max_age_days",
    ),
    (
        "words/facts.csv",
        "relationship,case-allocator,own,184",
        "relationship,case-allocator,own,30",
        Narrows,
        "max_age_days",
    ),
    (
        "words/facts.csv",
        "conflict,staff-manager|case-allocator,",
        "conflict,staff-manager,",
        Widens,
        "functions",
    ),
    (
        "words/fields.csv",
        "identity/core.language,identity/core,no,no,no,no",
        "identity/core.language,identity/core,no,no,no,yes",
        Widens,
        "location",
    ),
    ("words/reviews.csv", "VITAL,24,10", "VITAL,48,10", Widens, "due_hours"),
    ("words/reviews.csv", "VITAL,24,10", "VITAL,24,5", Rewords, "minutes"),
    (
        "words/outcomes.csv",
        "was not needed: training,yes",
        "was not needed: training,no",
        Widens,
        "unjustified",
    ),
    (
        "words/referrals.csv",
        "CNF_NO_BASIS,authorised-officer|caldicott-guardian,24,72",
        "CNF_NO_BASIS,caldicott-guardian,24,72",
        Narrows,
        "deciders",
    ),
    (
        "words/referrals.csv",
        "CNF_NO_BASIS,authorised-officer|caldicott-guardian,24,72",
        "CNF_NO_BASIS,authorised-officer|caldicott-guardian,24,96",
        Widens,
        "grant_hours",
    ),
    ("words/duties.csv", "asker,24", "asker,12", Narrows, "due"),
    (
        "words/duties.csv",
        "do not pass the data on,",
        "pass the data on to anybody,",
        Widens,
        "NO_ONWARD, meaning: do not pass the data on -> pass the data on to anybody",
    ),
    (
        "rules/isa-care.csv",
        "HSCA-251B, 6-1-c, 9-2-h",
        "HSCA-251B, 6-1-c, 9-2-c",
        Widens,
        "stands on another legal ground: art9 9-2-h -> 9-2-c",
    ),
    ("words/roles.csv", "general practitioner", "family doctor", Rewords, "gp"),
    (
        "words/purposes.csv",
        "direct_care,individual health and care,care",
        "direct_care,care of one person,care",
        Rewords,
        "direct_care",
    ),
    ("words/bases.csv", "contract,all", "agreement,all", Rewords, "6-1-b"),
    ("conditions.toml", "adult_age = 18", "adult_age = 17", Widens, "adult_age"),
    ("conditions.toml", "reason_words_min = 3", "reason_words_min = 2", Widens, "reason_words_min"),
    (
        "conditions.toml",
        "small_number_least = 5",
        "small_number_least = 10",
        Narrows,
        "small_number_least",
    ),
    ("conditions.toml", "window_group = 12", "window_group = 40", Widens, "window_group"),
    ("conditions.toml", "    \"child_protection\",\n", "", Narrows, "onward_purposes"),
    (
        "conditions.toml",
        "Does the rule name the asking agency?",
        "Is the agency named?",
        Rewords,
        "agency, sentence",
    ),
    ("place.toml", "name = \"Northfield\"", "name = \"Northfield Town\"", Rewords, "name"),
    ("agreements/isa-housing.toml", "end = 2027-03-31", "end = 2026-09-30", Narrows, "end"),
    ("agreements/isa-housing.toml", "grace_days = 30", "grace_days = 60", Widens, "grace_days"),
    (
        "agreements/isa-housing.toml",
        "status = \"live\"",
        "status = \"suspended\"",
        Narrows,
        "not live",
    ),
    (
        "agreements/isa-housing.toml",
        "    \"northshire-police\",\n",
        "    \"northshire-police\",\n    \"befriend\",\n",
        Widens,
        "parties: now also befriend",
    ),
    ("agreements/isa-housing.toml", "Head of housing", "Head of homes", Rewords, "owner"),
    ("agreements/isa-housing.toml", "isa-housing@", "housing@", Rewords, "written differently"),
    (
        "promises.csv",
        "health never feeds debt",
        "health does not feed debt",
        Widens,
        "a promise is taken back",
    ),
    ("scenarios/consent.toml", "id = ", "# id\nid = ", Rewords, "written differently"),
];

/// What goes out with less owed widens, also where only a row with more owed goes.
#[test]
fn a_heavier_row_that_goes_leaves_a_lighter_one() {
    let (files, mut old) = (shipped(), load(&shipped()).unwrap());
    let heavy = old.rules.iter().position(|rule| rule.id.as_str() == "N28.1").unwrap();
    let mut light = old.rules[heavy].clone();
    light.id = "N99".parse().unwrap();
    light.cells[0] = "N99".to_owned();
    light.duties.clear();
    light.cells[16] = "-".to_owned();
    old.rules.push(light);
    let mut new = old.clone();
    new.rules.remove(heavy);
    let side = |book| Side { book, files: &files, day: DAY };
    let diff = between(side(&old), side(&new)).unwrap();
    assert_eq!((diff.class(), diff.newly_allowed), (Some(Widens), 0), "{:#?}", diff.changes);
    assert!(diff.changes[0].text.contains("without NO_ONWARD"), "{:#?}", diff.changes);
}

/// A duty that goes from a row on patients' data is the guardian's to approve, though nobody newly sees it.
#[test]
fn who_guards_the_data_is_asked_whatever_widens() {
    let (from, to) =
        ("SAFEGUARD_CHILD|VITAL, RETROSPECTIVE_FORM|REVIEW_BY", "SAFEGUARD_CHILD|VITAL, REVIEW_BY");
    let diff = compared(&shipped(), &edited("rules/statutory.csv", from, to));
    assert_eq!((diff.class(), diff.newly_allowed), (Some(Widens), 0), "{:#?}", diff.changes);
    let roles = diff.approvals().roles;
    assert!(roles.contains(GUARDIAN) && roles.contains(RISK_OWNER), "{roles:?}");
}

#[test]
fn each_edit_is_named_and_classed() {
    for (file, from, to, class, said) in EDITS {
        let diff = compared(&shipped(), &edited(file, from, to));
        assert_eq!(diff.class(), Some(*class), "{file}: {from} -> {to}: {:#?}", diff.changes);
        let named = diff.changes.iter().any(|c| c.place.starts_with(file) && c.text.contains(said));
        assert!(named, "{file}: {from} -> {to}: {:#?}", diff.changes);
        // Back again: what widened narrows. Words stay words.
        let back = compared(&edited(file, from, to), &shipped());
        let symmetric = match class {
            Narrows => back.class() == Some(Widens),
            Rewords => back.class() == Some(Rewords),
            Widens => back.class().is_some(),
        };
        assert!(symmetric, "{file}: {to} -> {from}: {:#?}", back.changes);
        assert_eq!(
            (back.newly_allowed, back.no_longer_allowed),
            (diff.no_longer_allowed, diff.newly_allowed),
            "{file}: {to}"
        );
    }
}

/// A hard stop that goes widens exactly where a row opens what it kept closed.
#[test]
fn a_stop_that_goes_says_what_it_kept_closed() {
    // No such folder loads: a promise keeps the stop. What an edit of it does is said all the same.
    let (files, old) = (shipped(), load(&shipped()).unwrap());
    let mut new = old.clone();
    new.rules.retain(|rule| rule.id.as_str() != "B6");
    let side = |book| Side { book, files: &files, day: DAY };
    let diff = between(side(&old), side(&new)).unwrap();
    assert_eq!(diff.class(), Some(Widens));
    let stop = diff.changes.iter().find(|c| c.text.contains("hard stop B6")).unwrap();
    assert!(stop.text.contains("keeps less closed"), "{}", stop.text);
    assert!(stop.samples[0].contains("flag in-refuge"), "{:?}", stop.samples);
    assert_eq!(diff.approvals().people, 2);
    assert!(diff.approvals().roles.contains(RISK_OWNER));
}

/// What is gained and lost is what a request-by-request comparison finds.
#[test]
fn boxes_find_what_asking_everything_finds() {
    for (file, from, to, ..) in EDITS.iter().filter(|edit| edit.0.starts_with("rules/")) {
        let (old, new) = (load(&shipped()).unwrap(), load(&edited(file, from, to)).unwrap());
        let diff = compared(&shipped(), &edited(file, from, to));
        let space = Space::of(&[&old, &new]);
        let (was, is) = (space.allowed(&old).unwrap(), space.allowed(&new).unwrap());
        let gained = is.clone().minus(&was).unwrap();
        let lost = was.minus(&is).unwrap();
        assert_eq!(diff.newly_allowed, space.combinations(&gained).unwrap(), "{from} -> {to}");
        assert_eq!(diff.no_longer_allowed, space.combinations(&lost).unwrap(), "{from} -> {to}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Random small rule sets, old and new: every row-wise gain and loss together is the difference of
    /// what the two allow; the arithmetic is held to every single request in `boxes::tests`.
    #[test]
    fn row_by_row_is_all_together(
        old in prop::collection::vec(crate::policy::boxes::tests::a_rule(), 1..6),
        new in prop::collection::vec(crate::policy::boxes::tests::a_rule(), 1..6),
        kept in 0usize..4,
    ) {
        let mut books = [crate::policy::boxes::tests::small(), crate::policy::boxes::tests::small()];
        let named = |rules: Vec<crate::policy::book::Rule>| {
            rules.into_iter().enumerate().map(|(n, mut rule)| {
                rule.id = format!("R{n}").parse().unwrap();
                rule.cells[0] = rule.id.to_string();
                rule
            }).collect::<Vec<_>>()
        };
        let (old, mut new) = (named(old), named(new));
        for (n, rule) in old.iter().take(kept).enumerate() {
            if let Some(slot) = new.get_mut(n) {
                *slot = rule.clone();
            }
        }
        [books[0].rules, books[1].rules] = [old, new];
        let space = Space::of(&[&books[0], &books[1]]);
        let (was, is) = (space.allowed(&books[0]).unwrap(), space.allowed(&books[1]).unwrap());
        let mut notes = Notes::default();
        let found = rules::compare(&space, &books[0], &books[1], &mut notes).unwrap();
        let size = |region: Region| space.combinations(&region).unwrap();
        let gained = is.clone().minus(&was).unwrap();
        let lost = was.minus(&is).unwrap();
        let widens = notes.changes.iter().any(|c| c.class == Widens);
        let narrows = notes.changes.iter().any(|c| c.class == Narrows);
        prop_assert!(widens || gained.is_empty());
        prop_assert!(narrows || lost.is_empty());
        prop_assert_eq!(found.newly_allowed, size(gained));
        prop_assert_eq!(found.no_longer_allowed, size(lost));
    }
}
