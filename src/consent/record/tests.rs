//! The record has every member that the standard wants, and says when to ask again.

use std::path::Path;

use super::*;
use crate::consent::notices::{NoticeRef, shown};
use crate::domain::{Channel, Collected, ConsentState, Language};

fn book() -> RuleBook {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    crate::policy::load::load_dir(&root).unwrap()
}

fn yes(book: &RuleBook) -> ConsentEvent {
    let mut event = ConsentEvent {
        kind: ConsentKind::GdprArt9Explicit,
        state: ConsentState::Given,
        at: "2026-07-15T09:00:00Z".parse().unwrap(),
        until: jiff::civil::date(2027, 7, 15),
        purposes: ["befriending".parse().unwrap()].into(),
        recipients: ["befriend".parse().unwrap()].into(),
        fields: None,
        by: Giver::Own,
        evidence: true,
        gillick: false,
        freely_given: true,
        parts: [].into(),
        collected: Collected {
            notice: None,
            channel: Some(Channel::Telephone),
            assessment: Some("MCA-2026-7".parse().unwrap()),
        },
    };
    let notice =
        NoticeRef { id: "befriending".parse().unwrap(), version: 1, language: Language::Cy };
    event.collected.notice = shown(book, &event, Some(&notice), &book.place.zone).unwrap();
    event
}

fn id(n: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(n)
}

fn made(book: &RuleBook, event: &ConsentEvent) -> Value {
    let by: AgencyId = "northfield-council-adult-care".parse().unwrap();
    let entered = Entered {
        id: DecisionId::from_uuid(id(7)),
        resident: ResidentId::from_uuid(id(9)),
        born: Some(jiff::civil::date(1950, 1, 1)),
        by: &by,
        at: "2026-07-15T09:01:00Z".parse().unwrap(),
    };
    record(book, event, entered)
}

/// The members that the standard wants of every record.
const MANDATORY: &[&str] = &[
    "/schema_version",
    "/record_id",
    "/pii_principal_id",
    "/pii_processing/privacy_notice/id",
    "/pii_processing/language",
    "/pii_processing/purposes/0/purpose",
    "/pii_processing/purposes/0/purpose_type",
    "/pii_processing/purposes/0/lawful_basis/0",
    "/pii_processing/purposes/0/pii_information/0/pii_type",
    "/pii_processing/purposes/0/pii_information/0/pii_attribute_id",
    "/pii_processing/purposes/0/pii_controllers/0",
    "/pii_processing/purposes/0/storage_locations/0/said",
    "/pii_processing/purposes/0/retention_period/0/said",
    "/pii_processing/purposes/0/jurisdiction/0",
    "/pii_processing/purposes/0/recipient_third_parties/0/party_id",
    "/pii_processing/purposes/0/withdrawal_method",
    "/party_identification/0/party_id",
    "/party_identification/0/party_name",
    "/party_identification/0/party_address",
    "/party_identification/0/party_contact",
    "/party_identification/0/party_type",
    "/event/event_time",
    "/event/validity_duration/until",
    "/event/entity_id",
    "/event/event_type",
    "/event/event_state",
    "/hub/consent_kind",
    "/hub/giver",
    "/hub/assessment",
    "/hub/channel",
    "/hub/wording_sha256",
    "/hub/if_refused",
    "/hub/collected_by",
    "/hub/receipt_id",
    "/hub/next_confirmation/on",
];

#[test]
fn every_mandatory_member_is_there() {
    let book = book();
    let record = made(&book, &yes(&book));
    for pointer in MANDATORY {
        let found = record.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is missing"));
        assert!(found.as_str().is_some_and(|text| !text.is_empty()), "{pointer}: {found}");
    }
    for (pointer, said) in [
        ("/schema_version", json!("ISO/IEC TS 27560:2023")),
        ("/record_id", json!(id(7).to_string())),
        ("/pii_principal_id", json!(id(9).to_string())),
        ("/pii_processing/language", json!("cy")),
        ("/pii_processing/purposes/0/lawful_basis", json!(["6-1-a", "9-2-a"])),
        ("/pii_processing/purposes/0/pii_controllers", json!(["befriend", "northfield-council"])),
        ("/event/entity_id", json!(id(9).to_string())),
        ("/event/event_state", json!("given")),
        ("/hub/receipt_id", json!(format!("events/{}", id(7)))),
        ("/hub/next_confirmation", json!({ "on": "2027-07-15", "because": "expiry" })),
    ] {
        assert_eq!(record.pointer(pointer), Some(&said), "{pointer}");
    }
    // Without fields of its own: what the rule lets out on this yes.
    let all = record.pointer("/pii_processing/purposes/0/pii_information").unwrap();
    let fields: Vec<&str> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["pii_attribute_id"].as_str().unwrap())
        .collect();
    let expected =
        ["contact/home.phone", "health/support.support_needs_summary", "identity/core.name"];
    assert_eq!(fields, expected);
    let text = record.pointer("/pii_processing/privacy_notice/shown").unwrap().as_str().unwrap();
    assert!(text.contains("elusen gyfeillio"), "{text}");
}

#[test]
fn what_is_not_known_is_null_and_what_was_reworded_is_not_repeated() {
    let mut book = book();
    let event = yes(&book);
    let notice = book.notices.get_mut("befriending").unwrap();
    let version = notice.versions.get_mut(&1).unwrap();
    version.wordings.get_mut(&Language::Cy).unwrap().text = "Rhywbeth arall".to_owned();
    book.parties.clear();
    let record = made(&book, &event);
    for pointer in [
        "/pii_processing/privacy_notice/shown",
        "/pii_processing/purposes/0/withdrawal_method",
        "/hub/if_refused",
        "/party_identification/0/party_address",
    ] {
        assert_eq!(record.pointer(pointer), Some(&Value::Null), "{pointer}");
    }
    let hash = json!(event.collected.notice.unwrap().wording);
    assert_eq!(record.pointer("/hub/wording_sha256"), Some(&hash));
}

#[test]
fn the_next_question_comes_on_the_last_day_or_a_birthday() {
    let book = book();
    let online: ConsentEvent = ConsentEvent {
        kind: ConsentKind::GdprArt6a,
        purposes: ["youth_portal".parse().unwrap()].into(),
        recipients: ["northfield-council-early-help".parse().unwrap()].into(),
        by: Giver::Parent,
        ..yes(&book)
    };
    let own = || ConsentEvent { by: Giver::Own, ..online.clone() };
    let plain = || ConsentEvent { by: Giver::Parent, ..yes(&book) };
    let day = |text: &str| -> Date { text.parse().unwrap() };
    let until = |event: ConsentEvent, text: &str| ConsentEvent { until: day(text), ..event };
    for (what, event, born, on, why) in [
        ("an adult", own(), "1980-06-15", "2027-07-15", Trigger::Expiry),
        ("16 in time", own(), "2011-03-01", "2027-03-01", Trigger::Age(16)),
        ("16 on the last day", own(), "2011-07-15", "2027-07-15", Trigger::Age(16)),
        ("16 a day after it", own(), "2011-07-16", "2027-07-15", Trigger::Expiry),
        ("16 today already", own(), "2010-07-15", "2027-07-15", Trigger::Expiry),
        ("18 next", own(), "2008-12-31", "2026-12-31", Trigger::Age(18)),
        ("a leap day", own(), "2012-02-29", "2027-07-15", Trigger::Expiry),
        (
            "a leap day in a leap year",
            until(own(), "2030-12-31"),
            "2012-02-29",
            "2028-02-29",
            Trigger::Age(16),
        ),
        ("18 on 1 March", own(), "2009-03-01", "2027-03-01", Trigger::Age(18)),
        ("a parent, 13 online", online.clone(), "2014-01-01", "2027-01-01", Trigger::Age(13)),
        ("a parent, not online", plain(), "2014-01-01", "2027-07-15", Trigger::Expiry),
        ("a parent, 11", plain(), "2016-01-01", "2027-01-01", Trigger::Age(11)),
    ] {
        let found = next_confirmation(&book, &event, Some(day(born)));
        assert_eq!(found, Some((day(on), why)), "{what}");
    }
    // Born on a leap day, 18 in a year without one.
    let event = until(own(), "2031-12-31");
    let given = ConsentEvent { at: "2029-01-01T09:00:00Z".parse().unwrap(), ..event };
    let found = next_confirmation(&book, &given, Some(day("2012-02-29")));
    assert_eq!(found, Some((day("2030-03-01"), Trigger::Age(18))));
    let no = ConsentEvent { state: ConsentState::Refused, ..own() };
    assert_eq!(next_confirmation(&book, &no, None), None);
    assert_eq!(next_confirmation(&book, &own(), None), Some((day("2027-07-15"), Trigger::Expiry)));
}
