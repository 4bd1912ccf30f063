use std::str::FromStr;

use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::domain::{Choice, ConsentKind, Giver};

fn word<T: FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn set<T: FromStr<Err: std::fmt::Debug> + Ord>(texts: &[&str]) -> BTreeSet<T> {
    texts.iter().map(|text| word(text)).collect()
}

fn id(n: u128) -> DecisionId {
    DecisionId::from_uuid(Uuid::from_u128(n))
}

fn given(n: u128, holder: &str, recipient: &str, purpose: &str, fields: &[&str]) -> Given {
    Given {
        id: id(n),
        holder: Some(word(holder)),
        recipient: word(recipient),
        purpose: Some(word(purpose)),
        fields: Some(set(fields)),
    }
}

const ALLERGIES: &str = "health/summary.allergies";
const ADDRESS: &str = "contact/home.address";

fn all() -> Vec<Given> {
    vec![
        given(1, "oakdale-gp", "befriend", "befriending", &[ALLERGIES, ADDRESS]),
        given(2, "oakdale-gp", "northfield-hospital", "direct_care", &[ALLERGIES]),
        given(3, "northfield-hospital", "befriend", "befriending", &[ADDRESS]),
        given(4, "oakdale-gp", "northshire-police", "crime_enquiry", &[ADDRESS]),
    ]
}

/// Who is told, with how many releases.
fn who(given: &[Given], concern: &Concern) -> Vec<(String, Vec<DecisionId>)> {
    let told = told(given, concern);
    told.into_iter().map(|(agency, got)| (agency.to_string(), got.disclosures)).collect()
}

#[test]
fn each_part_of_a_concern_narrows_who_is_told() {
    let all = all();
    let every = ["befriend", "northfield-hospital", "northshire-police"];
    let found = who(&all, &Concern::default());
    assert_eq!(found.iter().map(|(agency, _)| agency.as_str()).collect::<Vec<_>>(), every);
    for (concern, wanted) in [
        (
            Concern { purposes: Some(set(&["befriending"])), ..Concern::default() },
            vec![("befriend", vec![id(1), id(3)])],
        ),
        (
            Concern { recipients: Some(set(&["northshire-police"])), ..Concern::default() },
            vec![("northshire-police", vec![id(4)])],
        ),
        (
            Concern { holder: Some(word("northfield-hospital")), ..Concern::default() },
            vec![("befriend", vec![id(3)])],
        ),
        (
            Concern { fields: Some(vec![word("health/summary")]), ..Concern::default() },
            vec![("befriend", vec![id(1)]), ("northfield-hospital", vec![id(2)])],
        ),
        (
            Concern { fields: Some(vec![word(ADDRESS)]), ..Concern::default() },
            vec![("befriend", vec![id(1), id(3)]), ("northshire-police", vec![id(4)])],
        ),
        (
            Concern {
                purposes: Some(set(&["befriending"])),
                fields: Some(vec![word("housing/tenancy")]),
                ..Concern::default()
            },
            vec![],
        ),
    ] {
        let wanted: Vec<_> = wanted.into_iter().map(|(a, d)| (a.to_owned(), d)).collect();
        assert_eq!(who(&all, &concern), wanted, "{concern:?}");
    }
    let fields = Concern { fields: Some(vec![word(ADDRESS)]), ..Concern::default() };
    let got = told(&all, &fields).remove(&word::<AgencyId>("befriend")).unwrap();
    assert_eq!(got.fields, set(&[ADDRESS]), "what did not change is not named");
    assert_eq!(got.holders, set(&["northfield-hospital", "oakdale-gp"]));
}

#[test]
fn what_cannot_be_read_is_told_of() {
    let narrow = Concern {
        holder: Some(word("oakdale-gp")),
        purposes: Some(set(&["befriending"])),
        fields: Some(vec![word(ALLERGIES)]),
        recipients: None,
    };
    let base = given(1, "oakdale-gp", "befriend", "befriending", &[ALLERGIES]);
    for unread in [
        Given { holder: None, ..base.clone() },
        Given { purpose: None, ..base.clone() },
        Given { fields: None, ..base.clone() },
    ] {
        assert_eq!(who(std::slice::from_ref(&unread), &narrow).len(), 1, "{unread:?}");
    }
}

fn consent(state: ConsentState, recipients: &[&str]) -> ConsentEvent {
    ConsentEvent {
        kind: ConsentKind::ConfidentialityExplicit,
        state,
        at: "2026-07-01T00:00:00Z".parse().unwrap(),
        until: word("2027-01-01"),
        purposes: set(&["befriending"]),
        recipients: set(recipients),
        fields: None,
        by: Giver::Own,
        evidence: false,
        gillick: false,
        freely_given: true,
        parts: BTreeSet::new(),
        collected: Default::default(),
        proxy: None,
    }
}

fn kind(event: &ChoiceEvent, before: &[(DecisionId, ChoiceEvent)]) -> Option<NoticeKind> {
    tells(event, before).map(|(kind, _)| kind)
}

#[test]
fn a_consent_tells_the_recipients_it_names_when_it_ends() {
    let yes = ChoiceEvent::Consent(consent(ConsentState::Given, &["befriend"]));
    let before = [(id(1), yes.clone())];
    for (state, wanted) in [
        (ConsentState::Requested, None),
        (ConsentState::Given, None),
        (ConsentState::Renewed, None),
        (ConsentState::Unknown, None),
        (ConsentState::Refused, Some(NoticeKind::Withdrawal)),
        (ConsentState::Withdrawn, Some(NoticeKind::Withdrawal)),
        (ConsentState::Invalidated, Some(NoticeKind::InvalidConsent)),
    ] {
        let event = ChoiceEvent::Consent(consent(state, &["befriend"]));
        assert_eq!(kind(&event, &before), wanted, "{state}");
    }
    // A no to somebody who never had a yes takes nothing from anybody.
    let no = ChoiceEvent::Consent(consent(ConsentState::Refused, &["befriend"]));
    assert_eq!(kind(&no, &[]), None);
    let other = ChoiceEvent::Consent(consent(ConsentState::Refused, &["northshire-fire"]));
    assert_eq!(kind(&other, &before), None);
    let withdrawn = ChoiceEvent::Consent(consent(ConsentState::Withdrawn, &["befriend"]));
    let (_, concern) = tells(&withdrawn, &before).unwrap();
    assert_eq!(concern.recipients, Some(set(&["befriend"])));
    assert_eq!(concern.purposes, Some(set(&["befriending"])));
}

fn choice(kind: ChoiceKind, purpose: Option<&str>) -> ChoiceEvent {
    ChoiceEvent::Choice(Choice {
        kind,
        on: word("2026-07-10"),
        fields: Some(vec![word("contact/home")]),
        lifted: None,
        purpose: purpose.map(word),
        state: ObjectionState::Pending,
    })
}

#[test]
fn a_restriction_tells_at_once_and_an_objection_when_it_is_upheld() {
    let restriction = choice(ChoiceKind::Art18, None);
    let (told, concern) = tells(&restriction, &[]).unwrap();
    assert_eq!((told, concern.purposes, concern.recipients), (NoticeKind::Restriction, None, None));
    assert_eq!(concern.fields, Some(vec![word("contact/home")]));
    let objection = choice(ChoiceKind::Art21, Some("befriending"));
    assert_eq!(kind(&objection, &[]), None);
    let before = [(id(7), objection)];
    let at = Timestamp::UNIX_EPOCH;
    let decided = |of, state| ChoiceEvent::Decided { of, state, at };
    let (told, concern) = tells(&decided(id(7), ObjectionState::Upheld), &before).unwrap();
    assert_eq!((told, concern.purposes), (NoticeKind::Objection, Some(set(&["befriending"]))));
    assert_eq!(kind(&decided(id(7), ObjectionState::Rejected), &before), None);
    assert_eq!(kind(&decided(id(8), ObjectionState::Upheld), &before), None, "of nothing");
    assert_eq!(kind(&ChoiceEvent::Lifted { of: id(7), at }, &before), None);
}
