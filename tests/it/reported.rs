//! What a holder did not disclose outside the hub is put on record.

use tonic::Code;
use uuid::Uuid;
use weir::audit::entry::{Facet, Kind};
use weir::auth::issuer::Person;
use weir::grpc::pb;

use crate::support::{
    ABSENT, BEN, CHILDRENS, GP_AUDITOR, GP_REGISTRAR, HOUSING, Inhabitant, Place, SEALED,
    expect_refused,
};

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
        cited_gateway: "CA89-47".to_owned(),
        request_id: String::new(),
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
        (
            "cited_gateway",
            pb::ReportNonDisclosureRequest { cited_gateway: "CA98".to_owned(), ..plain() },
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

#[tokio::test]
async fn a_report_under_a_request_id_is_made_once() {
    let place = Place::open().await;
    let send = async |message: pb::ReportNonDisclosureRequest| {
        place.sharing().report_non_disclosure(place.from(CHILDRENS, message)).await
    };
    let message =
        || pb::ReportNonDisclosureRequest { request_id: Uuid::from_u128(9).into(), ..report(BEN) };
    let before = place.log_size();
    let first = send(message()).await.unwrap().into_inner();
    let again = send(message()).await.unwrap().into_inner();
    assert_eq!(place.log_size(), before + 1);
    assert!(again.duty_alarm && first.duty_alarm);
    assert_eq!(again.receipt.unwrap().name, first.receipt.unwrap().name);
    // What was said of the threshold is kept, with what the alarm rested on.
    let entry = &place.entries(before)[0];
    assert_eq!(entry.facet(Facet::Gateways), "CA89-47");
    let slots: String = entry.slots.values().map(|s| String::from_utf8_lossy(s)).collect();
    for kept in ["Significant harm is suspected", "commanded_then", "training_until"] {
        assert!(slots.contains(kept), "{kept}");
    }
    let other = pb::ReportNonDisclosureRequest { reason: "Another".to_owned(), ..message() };
    let (code, reason) = (Code::AlreadyExists, "REQUEST_ID_REUSED");
    expect_refused("reused", send(other).await, code, reason, &[]);
}
