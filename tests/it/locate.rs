//! Who knows a resident, without content; and what was not disclosed outside the hub.

use tonic::Code;
use weir::audit::entry::{Facet, Kind};
use weir::auth::issuer::Person;
use weir::grpc::pb;

use crate::support::{
    ABSENT, BEN, CHILDRENS, GP_AUDITOR, GP_REGISTRAR, HOUSING, Inhabitant, NURSE, PROTECTED, Place,
    SEALED, expect_refused, flagged,
};

fn asked(about: Inhabitant) -> pb::LocateRecordsRequest {
    pb::LocateRecordsRequest {
        resident: about.path(),
        purpose: "child_protection".to_owned(),
        reason: "Section 47 enquiry opened today".to_owned(),
        case_reference: "CP-1".to_owned(),
        threshold_statement: "Significant harm is suspected".to_owned(),
        r#override: None,
    }
}

async fn locate(
    place: &Place,
    who: Person<'_>,
    message: pb::LocateRecordsRequest,
) -> pb::LocateRecordsResponse {
    place.sharing().locate_records(place.from(who, message)).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_social_worker_is_told_who_knows_a_child_and_nothing_more() {
    let place = Place::open().await;
    let before = place.log_size();
    let told = locate(&place, CHILDRENS, asked(BEN)).await;
    // Adult care knows him too, and is no party to the agreement.
    let known = ["northfield-council-housing", "oakdale-gp"];
    assert_eq!(told.holders, known.map(|a| format!("agencies/{a}")));
    assert_eq!(told.codes, [""; 0]);
    let entries = place.entries(before);
    assert_eq!(entries.len(), 1, "one look is one entry");
    assert_eq!((entries[0].entry.kind, entries[0].facet(Facet::What)), (Kind::Query, "locate"));
    // Without the threshold there is no ground, and the answer says so.
    let bare = pb::LocateRecordsRequest { threshold_statement: String::new(), ..asked(BEN) };
    let told = locate(&place, CHILDRENS, bare).await;
    assert!(told.holders.is_empty() && told.codes.contains(&"CNF_NO_BASIS".to_owned()));
    // No other rule opens the rung.
    for who in [NURSE, HOUSING] {
        let told = locate(&place, who, asked(BEN)).await;
        assert!(told.holders.is_empty() && !told.codes.is_empty(), "{who:?}");
    }
}

#[tokio::test]
async fn a_closed_record_and_none_are_located_alike() {
    let place = Place::open().await;
    let mut seen = Vec::new();
    for about in [ABSENT, SEALED, PROTECTED] {
        let before = place.log_size();
        let mut told = locate(&place, CHILDRENS, asked(about)).await;
        assert!(told.holders.is_empty(), "{}", about.name);
        told.receipt = None;
        let entries = place.entries(before);
        assert_eq!(entries.len(), 1);
        let slots: Vec<(u8, usize)> =
            entries[0].slots.iter().map(|(slot, bytes)| (*slot, bytes.len())).collect();
        let facets = format!("{:?}", entries[0].entry.facets);
        seen.push((format!("{told:?}", told = told.codes), facets, entries[0].leaf_len, slots));
    }
    assert_eq!(seen[0], seen[1], "sealed");
    assert_eq!(seen[0], seen[2], "protected");
    assert_eq!(seen[0].0, "[\"SUBJ_NOT_AVAILABLE\"]");
    // Somebody in a refuge is located by nobody.
    place.record(vec![flagged(BEN, "in-refuge")]).await;
    let told = locate(&place, CHILDRENS, asked(BEN)).await;
    assert!(told.holders.is_empty());
    assert_eq!(told.codes, ["SUBJ_NOT_AVAILABLE"]);
}

fn report(about: Inhabitant) -> pb::ReportNonDisclosureRequest {
    pb::ReportNonDisclosureRequest {
        resident: about.path(),
        holder: "agencies/oakdale-gp".to_owned(),
        purpose: "child_protection".to_owned(),
        fields: vec!["health/summary.conditions".to_owned()],
        asked_date: "2026-07-10".to_owned(),
        answer: pb::NonDisclosure::Refused.into(),
        reason: "They said that they need consent".to_owned(),
        case_reference: "CP-1".to_owned(),
        threshold_statement: "Significant harm is suspected".to_owned(),
    }
}

#[tokio::test]
async fn a_refusal_outside_the_hub_is_recorded_and_raises_the_alarm_of_a_duty() {
    let place = Place::open().await;
    let send = async |who: Person<'_>, message: pb::ReportNonDisclosureRequest| {
        place.sharing().report_non_disclosure(place.from(who, message)).await
    };
    let before = place.log_size();
    let done = send(CHILDRENS, report(BEN)).await.unwrap().into_inner();
    assert!(done.duty_alarm, "Children Act 1989 s47 commands it");
    let entry = &place.entries(before)[0];
    assert_eq!(entry.entry.kind, Kind::Report);
    assert_eq!((entry.facet(Facet::What), entry.facet(Facet::Alarm)), ("refused", "yes"));
    // The holder's auditor finds it.
    let search = pb::SearchEntriesRequest {
        kinds: vec![pb::EntryKind::Report.into()],
        ..Default::default()
    };
    let found = place.audit().search_entries(place.from(GP_AUDITOR, search)).await.unwrap();
    assert_eq!(found.into_inner().entries.len(), 1);
    // A silence under a power is recorded, without an alarm.
    let silence = pb::ReportNonDisclosureRequest {
        purpose: "tenancy_management".to_owned(),
        answer: pb::NonDisclosure::Silent.into(),
        ..report(BEN)
    };
    assert!(!send(HOUSING, silence).await.unwrap().into_inner().duty_alarm);
    let plain = || report(BEN);
    let (code, reason) = (Code::InvalidArgument, "REQUEST_INVALID");
    for (field, message) in [
        (
            "asked_date",
            pb::ReportNonDisclosureRequest { asked_date: "2026-07-16".to_owned(), ..plain() },
        ),
        ("asked_date", pb::ReportNonDisclosureRequest { asked_date: String::new(), ..plain() }),
        ("answer", pb::ReportNonDisclosureRequest { answer: 0, ..plain() }),
        ("reason", pb::ReportNonDisclosureRequest { reason: " ".to_owned(), ..plain() }),
        (
            "holder",
            pb::ReportNonDisclosureRequest { holder: "agencies/nobody".to_owned(), ..plain() },
        ),
        ("purpose", pb::ReportNonDisclosureRequest { purpose: "gossip".to_owned(), ..plain() }),
        (
            "fields[0]",
            pb::ReportNonDisclosureRequest { fields: vec!["a/b.c".to_owned()], ..plain() },
        ),
    ] {
        expect_refused(field, send(CHILDRENS, message).await, code, reason, &[field]);
    }
    for about in [SEALED, ABSENT] {
        let reply = send(CHILDRENS, report(about)).await;
        expect_refused(about.name, reply, Code::NotFound, "NOT_FOUND", &[]);
    }
    let reply = send(GP_REGISTRAR, report(BEN)).await;
    expect_refused("no role", reply, Code::PermissionDenied, "ROLE_NEEDED", &[]);
}
