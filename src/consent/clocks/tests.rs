use std::collections::BTreeSet;
use std::path::Path;

use uuid::Uuid;

use super::*;
use crate::domain::{
    Choice, ConsentKind, ConsentState, Giver, ObjectionState, ProxyGrant, PurposeId,
};
use crate::policy::load::load_dir;

fn book() -> RuleBook {
    load_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")).unwrap()
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn noon(text: &str) -> Timestamp {
    format!("{text}T12:00:00Z").parse().unwrap()
}

fn id(n: u128) -> DecisionId {
    DecisionId::from_uuid(Uuid::from_u128(n))
}

fn by(n: u128, event: ChoiceEvent) -> Event {
    (id(n), "oakdale-gp".parse().unwrap(), event)
}

fn stop(kind: ChoiceKind, on: &str) -> ChoiceEvent {
    ChoiceEvent::Choice(Choice {
        kind,
        on: day(on),
        fields: None,
        lifted: None,
        purpose: None,
        state: ObjectionState::Pending,
    })
}

fn consent(state: ConsentState, on: &str, until: &str) -> ConsentEvent {
    ConsentEvent {
        kind: ConsentKind::ConfidentialityExplicit,
        state,
        at: noon(on),
        until: day(until),
        purposes: BTreeSet::from(["early_help".parse::<PurposeId>().unwrap()]),
        recipients: BTreeSet::from(["befriend".parse().unwrap()]),
        fields: None,
        by: Giver::Own,
        evidence: true,
        gillick: false,
        freely_given: true,
        parts: BTreeSet::new(),
        collected: Default::default(),
        proxy: None,
    }
}

fn found(events: &[Event], born: Option<&str>, now: &str) -> Vec<(&'static str, String, u128)> {
    open_clocks(events, born.map(day), &book(), noon(now))
        .into_iter()
        .inspect(|clock| assert_eq!(clock.agency.as_str(), "oakdale-gp"))
        .map(|clock| (clock.kind.as_str(), clock.due.to_string(), clock.of.uuid().as_u128()))
        .collect()
}

fn one(kind: &'static str, due: &str, of: u128) -> (&'static str, String, u128) {
    (kind, due.to_owned(), of)
}

#[test]
fn an_objection_is_due_until_it_is_decided() {
    let mut events = vec![
        by(1, stop(ChoiceKind::Art21, "2026-01-31")),
        by(2, stop(ChoiceKind::Art18, "2026-01-15")),
        by(3, stop(ChoiceKind::DirectCareObjection, "2026-01-15")),
    ];
    let both =
        [one("decide-restriction", "2026-02-15", 2), one("decide-objection", "2026-02-28", 1)];
    assert_eq!(found(&events, None, "2026-02-01"), both);
    assert_eq!(found(&events, None, "2027-02-01"), both, "late is not gone");
    let state = ObjectionState::Upheld;
    events.push(by(4, ChoiceEvent::Decided { of: id(1), state, at: noon("2026-02-01") }));
    assert_eq!(found(&events, None, "2026-02-02"), both[..1]);
}

#[test]
fn a_consent_is_due_at_its_end_and_at_a_birthday() {
    let yes = consent(ConsentState::Given, "2026-07-01", "2027-06-30");
    let events = vec![by(1, ChoiceEvent::Consent(yes.clone()))];
    let end = one("consent-ends", "2027-06-30", 1);
    let alone = vec![end.clone()];
    assert_eq!(found(&events, Some("1980-01-01"), "2026-07-15"), alone);
    assert_eq!(found(&events, None, "2026-07-15"), alone);
    // Sixteen on 1 March 2027: from then on it has to be given again.
    let young = [one("reconfirm-consent", "2027-02-28", 1), end.clone()];
    assert_eq!(found(&events, Some("2011-03-01"), "2026-07-15"), young);
    assert_eq!(found(&events, Some("2011-03-01"), "2027-03-01"), [end]);
    assert_eq!(found(&events, None, "2027-06-30").len(), 1, "the last day counts");
    assert_eq!(found(&events, None, "2027-07-01"), []);
    let withdrawn = consent(ConsentState::Withdrawn, "2026-07-02", "2027-06-30");
    let gone = vec![by(1, ChoiceEvent::Consent(yes)), by(2, ChoiceEvent::Consent(withdrawn))];
    assert_eq!(found(&gone, None, "2026-07-15"), []);
}

#[test]
fn a_proxy_is_due_at_whatever_ends_it_first() {
    let grant = |kind, until: Option<&str>| {
        ChoiceEvent::ProxyGranted(ProxyGrant {
            kind,
            evidence: "court-order".parse().unwrap(),
            seen: day("2026-01-01"),
            from: day("2026-01-01"),
            until: until.map(day),
            purposes: None,
            fields: None,
        })
    };
    let events = vec![
        by(1, grant(Giver::Parent, None)),
        by(2, grant(Giver::Parent, Some("2026-12-31"))),
        by(3, grant(Giver::AttorneyHw, None)),
    ];
    // Eighteen on 1 March 2030, born on a leap day.
    let wanted = [one("proxy-ends", "2026-12-31", 2), one("proxy-ends", "2030-02-28", 1)];
    assert_eq!(found(&events, Some("2012-02-29"), "2026-07-15"), wanted);
    assert_eq!(found(&events, Some("2012-02-29"), "2027-01-01"), wanted[1..]);
    assert_eq!(found(&events, Some("2012-02-29"), "2030-03-01"), []);
    let mut ended = events;
    ended.push(by(4, ChoiceEvent::ProxyEnded { of: id(1), at: noon("2026-07-10") }));
    assert_eq!(found(&ended, Some("2012-02-29"), "2026-07-15"), wanted[..1]);
}
