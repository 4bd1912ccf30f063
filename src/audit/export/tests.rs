//! The cover of what is not exported, and what an entry reads like elsewhere.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::*;
use crate::audit::entry::{Facet, Kind};
use crate::domain::DecisionId;

#[test]
fn a_cover_has_no_gap_and_the_fewest_subtrees() {
    let check = |from, to, expected: &[(u64, u32)]| {
        assert_eq!(cover(from, to).collect::<Vec<_>>(), expected, "{from} to {to}");
    };
    check(0, 0, &[]);
    check(5, 3, &[]);
    check(0, 8, &[(0, 3)]);
    check(1, 8, &[(1, 0), (2, 1), (4, 2)]);
    check(0, 7, &[(0, 2), (4, 1), (6, 0)]);
    check(250, 262, &[(250, 1), (252, 2), (256, 2), (260, 1)]);
    for (from, to) in [(3, 1_000_003), (u64::MAX - 5, u64::MAX)] {
        let (mut at, mut count) = (from, 0);
        for (place, level) in cover(from, to) {
            assert_eq!((place, place.is_multiple_of(1 << level)), (at, true));
            at += 1 << level;
            count += 1;
        }
        assert_eq!(at, to);
        assert!(count <= 2 * (to - from).ilog2() + 2);
    }
}

fn row(kind: Kind, facets: &[(Facet, &str)]) -> Row {
    let event = DecisionId::from_uuid(Uuid::from_u128(7));
    let facets: BTreeMap<Facet, String> =
        facets.iter().map(|(facet, words)| (*facet, (*words).to_owned())).collect();
    Row {
        index: 12,
        at: "2026-07-15T09:00:00Z".parse().unwrap(),
        entry: Entry {
            event,
            kind,
            rpc: "weir.hub.v1.SharingService/RequestRecords".to_owned(),
            call: event,
            part: 1,
            parts: 1,
            agency: "northfield-hospital".parse().ok(),
            principal: [3; 16],
            policy: [2; 32],
            facets,
            slots: BTreeMap::new(),
        },
    }
}

/// What R4 wants of every AuditEvent, and where one code is wanted, that it is one.
fn is_sound(event: &Value) {
    let object = |value: &Value| value.as_object().is_some_and(|members| !members.is_empty());
    assert_eq!(event["resourceType"], "AuditEvent");
    assert!(object(&event["type"]) && event["type"]["code"].is_string());
    assert!(event["recorded"].as_str().unwrap().ends_with('Z'));
    assert!(["0", "4", "8", "12"].contains(&event["outcome"].as_str().unwrap()));
    assert!(["C", "R", "U", "D", "E"].contains(&event["action"].as_str().unwrap()));
    let agents = event["agent"].as_array().unwrap();
    assert!(!agents.is_empty() && agents.iter().all(|agent| agent["requestor"].is_boolean()));
    assert_eq!(agents.iter().filter(|agent| agent["requestor"] == true).count(), 1);
    assert!(object(&event["source"]["observer"]));
    for entity in event["entity"].as_array().unwrap() {
        assert!(object(&entity["what"]) && object(&entity["type"]) && object(&entity["role"]));
        for detail in entity["detail"].as_array().into_iter().flatten() {
            assert!(detail["type"].is_string() && detail["valueString"].is_string());
        }
    }
    let known = [
        "resourceType",
        "id",
        "meta",
        "type",
        "subtype",
        "action",
        "recorded",
        "outcome",
        "outcomeDesc",
        "purposeOfEvent",
        "agent",
        "source",
        "entity",
    ];
    for member in event.as_object().unwrap().keys() {
        assert!(known.contains(&member.as_str()), "{member} is no element of AuditEvent");
    }
}

#[test]
fn every_kind_of_entry_is_an_audit_event() {
    for kind in (1..=u8::MAX).map_while(Kind::from_number) {
        is_sound(&fhir::event(&row(kind, &[(Facet::What, "something")]), "hub.example/a", None));
        let mut own = row(kind, &[]);
        own.entry.agency = None;
        is_sound(&fhir::event(&own, "hub.example/a", Some(b"leaf")));
    }
}

#[test]
fn a_release_is_a_privacy_disclosure_at_its_source() {
    let mut release = row(
        Kind::Disclose,
        &[
            (Facet::Holder, "oakdale-gp"),
            (Facet::Purpose, "direct_care"),
            (Facet::Outcome, "PERMIT"),
            (Facet::Override, "SAFEGUARD_CHILD"),
            (Facet::Role, "nurse"),
        ],
    );
    let event = fhir::event(&release, "hub.example/a", None);
    assert_eq!(event["type"]["code"], "110106");
    assert_eq!(event["subtype"][0]["code"], "disclose");
    assert_eq!((&event["outcome"], &event["action"]), (&json!("0"), &json!("R")));
    let agents: Vec<&str> = event["agent"]
        .as_array()
        .unwrap()
        .iter()
        .map(|agent| agent["who"]["identifier"]["value"].as_str().unwrap())
        .collect();
    assert_eq!(agents, ["oakdale-gp", "northfield-hospital", &"03".repeat(16)]);
    assert_eq!(event["purposeOfEvent"][0]["coding"][0]["code"], "direct_care");
    assert_eq!(event["purposeOfEvent"][1]["coding"][0]["code"], "BTG");
    // The profile wants a patient, and nobody is laid open here.
    assert!(event.get("meta").is_none());
    let resident = Uuid::from_u128(9);
    release.entry.slots.insert(SlotId::Subject, resident.as_bytes().to_vec());
    let event = fhir::event(&release, "hub.example/a", None);
    assert!(event["meta"]["profile"][0].as_str().unwrap().ends_with("PrivacyDisclosure.Source"));
    let patient = &event["entity"][0]["what"]["identifier"]["value"];
    assert_eq!(*patient, json!(format!("residents/{resident}")));
    let refused = row(Kind::Refuse, &[(Facet::Outcome, "DENY"), (Facet::Codes, "WHY_NO_BASIS")]);
    let event = fhir::event(&refused, "hub.example/a", None);
    assert_eq!(event["outcome"], "8");
    assert_eq!(event["outcomeDesc"], "DENY: WHY_NO_BASIS");
    let partial = row(Kind::Disclose, &[(Facet::Outcome, "PARTIAL")]);
    assert_eq!(fhir::event(&partial, "hub.example/a", None)["outcome"], "4");
}
