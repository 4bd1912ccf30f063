//! What the words do, over the shipped rule book.

use std::path::Path;

use super::*;
use crate::domain::{Collected, ConsentKind, ConsentState};

fn book() -> RuleBook {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    crate::policy::load::load_dir(&root).unwrap()
}

const NOW: &str = "2026-07-15T09:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn yes(by: Giver, when: &str) -> ConsentEvent {
    ConsentEvent {
        kind: ConsentKind::ConfidentialityExplicit,
        state: ConsentState::Given,
        at: at(when),
        until: jiff::civil::date(2026, 12, 31),
        purposes: ["medical_priority".parse().unwrap()].into(),
        recipients: ["northfield-council-housing".parse().unwrap()].into(),
        fields: None,
        by,
        evidence: true,
        gillick: false,
        freely_given: true,
        parts: [].into(),
        collected: Collected::default(),
    }
}

fn events(all: Vec<ConsentEvent>) -> Vec<(DecisionId, ChoiceEvent)> {
    let ids = (1u128..).map(|n| DecisionId::from_uuid(uuid::Uuid::from_u128(n)));
    ids.zip(all.into_iter().map(ChoiceEvent::Consent)).collect()
}

fn speaker(by: Giver) -> Speaker {
    let taken = TakenBack { at: None, by, evidence: false, gillick: false, channel: None };
    let born = Some(jiff::civil::date(1950, 1, 1));
    Speaker { taken, born, capacity: Capacity::Has }
}

fn routed(all: Vec<ConsentEvent>, speaker: Speaker) -> Routed {
    let purpose = "medical_priority".parse().unwrap();
    route(&book(), &purpose, &events(all), speaker, at(NOW))
}

#[test]
fn only_what_still_stands_is_ended_and_each_scope_once() {
    let first = yes(Giver::Own, "2026-01-01T00:00:00Z");
    let again =
        ConsentEvent { state: ConsentState::Renewed, ..yes(Giver::Own, "2026-02-01T00:00:00Z") };
    let gone =
        |when: &str| ConsentEvent { state: ConsentState::Withdrawn, ..yes(Giver::Own, when) };
    let ends = |all: Vec<ConsentEvent>| routed(all, speaker(Giver::Own)).ends.len();
    assert_eq!(ends(vec![]), 0);
    assert_eq!(ends(vec![first.clone(), again.clone()]), 1, "the later of two");
    assert_eq!(ends(vec![again.clone(), first.clone()]), 1, "whatever came first into the hub");
    assert_eq!(ends(vec![first.clone(), gone("2026-03-01T00:00:00Z")]), 0);
    assert_eq!(ends(vec![gone("2026-01-15T00:00:00Z"), first.clone(), again.clone()]), 1);
    let over = ConsentEvent { until: jiff::civil::date(2026, 7, 14), ..first.clone() };
    assert_eq!(ends(vec![over]), 0);
    let narrow =
        ConsentEvent { fields: Some(vec!["health/support".parse().unwrap()]), ..first.clone() };
    assert_eq!(ends(vec![first.clone(), narrow]), 2, "two scopes");
    let other = ConsentEvent { purposes: ["early_help".parse().unwrap()].into(), ..first.clone() };
    assert_eq!(ends(vec![other]), 0, "for something else");
    let both = ConsentEvent {
        purposes: ["early_help", "medical_priority"].map(|one| one.parse().unwrap()).into(),
        ..first
    };
    let ended = routed(vec![both], speaker(Giver::Own)).ends.remove(0).1;
    assert_eq!(ended.purposes, ["medical_priority".parse().unwrap()].into());
    assert_eq!((ended.state, ended.at), (ConsentState::Withdrawn, at(NOW)));
}

#[test]
fn who_speaks_against_whom_is_said() {
    let attorney = || vec![yes(Giver::AttorneyHw, "2026-01-01T00:00:00Z")];
    let unheard = |all, speaker| routed(all, speaker).unheard;
    assert!(!unheard(attorney(), speaker(Giver::AttorneyHw)));
    assert!(!unheard(attorney(), speaker(Giver::Own)), "who has capacity speaks for themselves");
    let lacks = Speaker { capacity: Capacity::Lacks, ..speaker(Giver::Own) };
    assert!(unheard(attorney(), lacks));
    let own = || vec![yes(Giver::Own, "2026-01-01T00:00:00Z")];
    assert!(unheard(own(), speaker(Giver::Parent)));
    let child = Speaker { born: Some(jiff::civil::date(2014, 1, 1)), ..speaker(Giver::Own) };
    let parent = || vec![yes(Giver::Parent, "2026-01-01T00:00:00Z")];
    assert!(unheard(parent(), child));
    let mut competent = child;
    competent.taken.gillick = true;
    assert!(!unheard(parent(), competent));
}

#[test]
fn every_purpose_has_an_answer_that_holds_no_place() {
    let book = book();
    for purpose in book.purposes.keys() {
        let routed = route(&book, purpose, &[], speaker(Giver::Own), at(NOW));
        let told = told(&book, purpose, &routed).unwrap();
        for text in [&told.en, &told.cy] {
            assert!(!text.contains('{') && !text.contains("  "), "{purpose}: {text}");
        }
        // An objection is for bases that have one; what goes on is under a law.
        let objectable = book.rules.iter().any(|rule| {
            rule.effect == Effect::Allow
                && rule.purposes.has(purpose)
                && rule
                    .art6
                    .as_ref()
                    .is_some_and(|basis| ["6-1-e", "6-1-ea", "6-1-f"].contains(&basis.as_str()))
        });
        assert_eq!(routed.objection.is_some(), objectable, "{purpose}");
    }
    let goes_on = |purpose: &str| {
        let purpose = purpose.parse().unwrap();
        !route(&book, &purpose, &[], speaker(Giver::Own), at(NOW)).goes_on.is_empty()
    };
    assert!(goes_on("child_protection") && goes_on("direct_care") && goes_on("court_order"));
    assert!(
        !goes_on("befriending") && !goes_on("medical_priority") && !goes_on("parking_enforcement")
    );
}
