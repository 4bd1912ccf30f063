//! What an agency puts right or erases of what it keeps about a resident, and that whoever received it hears of it.

use jiff::SignedDuration;
use pb::notice_service_client::NoticeServiceClient;
use prost_types::Timestamp as WireTime;
use tonic::{Code, Response, Status};
use weir::audit::entry::{Facet, Kind};
use weir::clock::Clock;
use weir::grpc::pb;
use weir::store::Store;

use crate::support::{
    AISHA, BEN, GP_PUBLISHER, Inhabitant, NURSE, Place, decision, expect_refused, prepared,
    refused, request, treatment,
};

type Person = weir::auth::issuer::Person<'static>;
type Reply<T> = Result<Response<T>, Status>;

const PORTAL: Person = Person {
    agency: "northfield-council-early-help",
    person: "portal-1",
    roles: &["hub-resident-portal"],
};
const GP: Person =
    Person { agency: "oakdale-gp", person: "rights-1", roles: &["hub-rights-officer"] };
const HOSPITAL: Person =
    Person { agency: "northfield-hospital", person: "rights-2", roles: &["hub-rights-officer"] };

async fn file(place: &Place, one: Inhabitant, kind: &str) -> String {
    let message = pb::FileRequestRequest {
        controller: "agencies/oakdale-gp".to_owned(),
        kind: kind.to_owned(),
        text: "This was never so".to_owned(),
        request_id: String::new(),
    };
    let filed = place.rights().file_request(place.session(PORTAL, one, message)).await;
    filed.unwrap().into_inner().request
}

/// What the hospital gets of the GP's record when it asks.
async fn got(place: &Place, one: Inhabitant) -> (i32, Vec<String>) {
    let reply = place.sharing().request_records(place.from(NURSE, request(treatment(one)))).await;
    let answer = reply.unwrap().into_inner().answers.pop().unwrap();
    let values = answer.values.iter().map(|value| value.text.clone()).collect();
    (decision(&answer).outcome, values)
}

fn correction(place: &Place, values: &[(&str, &str)]) -> pb::RectifyRecordRequest {
    let end = place.clock.now() + SignedDuration::from_hours(24 * 100);
    let values = values.iter().map(|(field, text)| pb::FieldCorrection {
        field: (*field).to_owned(),
        text: (*text).to_owned(),
    });
    pb::RectifyRecordRequest {
        request: String::new(),
        local_id: AISHA.local_id(),
        category: "health/summary".to_owned(),
        values: values.collect(),
        expire_time: Some(WireTime { seconds: end.as_second(), nanos: 0 }),
        reason: "The laboratory had taken two people for one".to_owned(),
        request_id: String::new(),
    }
}

async fn rectify(
    place: &Place,
    who: Person,
    message: pb::RectifyRecordRequest,
) -> Reply<pb::RectifyRecordResponse> {
    place.rights().rectify_record(place.from(who, message)).await
}

async fn notices(place: &Place, who: Person) -> Vec<pb::Notice> {
    let mut client = NoticeServiceClient::new(place.channel.clone());
    let message = pb::ListNoticesRequest::default();
    client.list_notices(place.from(who, message)).await.unwrap().into_inner().notices
}

#[tokio::test]
async fn who_received_what_was_wrong_hears_that_it_is_put_right() {
    let place = Place::open().await;
    assert_eq!(got(&place, AISHA).await.1, ["penicillin"]);
    let asked = file(&place, AISHA, "rectify").await;
    let fields = [("health/summary.allergies", "none known")];
    let id = "018f0000-0000-7000-8000-0000000000cc";
    let message = pb::RectifyRecordRequest {
        request: asked.clone(),
        request_id: id.to_owned(),
        ..correction(&place, &fields)
    };
    let before = place.log_size();
    let done = rectify(&place, GP, message.clone()).await.unwrap().into_inner();
    assert_eq!(done.told_count, 1);
    // The correction and the notice are one run of the log.
    let entries = place.entries(before);
    let kinds: Vec<Kind> = entries.iter().map(|one| one.entry.kind).collect();
    assert_eq!(kinds, [Kind::Rights, Kind::Notice]);
    assert_eq!(entries[0].facet(Facet::What), "rectified|health/summary");
    let heads = entries.iter().map(|one| format!("{:?}", one.entry.facets)).collect::<String>();
    assert!(!heads.contains("none known") && !heads.contains("laboratory"), "{heads}");
    // Repeated, it is done once.
    let again = rectify(&place, GP, message).await.unwrap().into_inner();
    assert_eq!((again.told_count, place.log_size()), (1, before + 2));
    assert_eq!(got(&place, AISHA).await.1, ["none known"]);
    let heard = notices(&place, HOSPITAL).await;
    assert_eq!(heard.len(), 1);
    // The rest of the record stays.
    let conditions = pb::CanShareRequest {
        fields: vec!["health/summary.conditions".to_owned()],
        ..treatment(AISHA)
    };
    let reply = place.sharing().request_records(place.from(NURSE, request(conditions))).await;
    let answer = reply.unwrap().into_inner().answers.pop().unwrap();
    assert_eq!(answer.values[0].text, "asthma");
    // What was never given concerns nobody; nor does what another agency gave.
    let medicines = correction(&place, &[("health/summary.medicines", "")]);
    let done = rectify(&place, GP, medicines).await.unwrap().into_inner();
    assert_eq!(done.told_count, 0);
}

#[tokio::test]
async fn a_correction_that_is_not_sound_changes_nothing() {
    let place = Place::open().await;
    let of_ben = file(&place, BEN, "rectify").await;
    let erase = file(&place, AISHA, "erase").await;
    let fine = [("health/summary.allergies", "none known")];
    let size = place.log_size();
    let base = correction(&place, &fine);
    let cases = [
        ("request", pb::RectifyRecordRequest { request: of_ben, ..base.clone() }),
        ("request", pb::RectifyRecordRequest { request: erase, ..base.clone() }),
        (
            "category",
            pb::RectifyRecordRequest { category: "health/sumary".to_owned(), ..base.clone() },
        ),
        ("values[0].field", correction(&place, &[("health/mental.mh_notes", "x")])),
        ("values", pb::RectifyRecordRequest { values: vec![], ..base.clone() }),
        ("values[0].text", correction(&place, &[("health/summary.allergies", "  ")])),
        ("expire_time", pb::RectifyRecordRequest { expire_time: None, ..base.clone() }),
        (
            "values",
            correction(
                &place,
                &[
                    ("health/summary.allergies", ""),
                    ("health/summary.medicines", ""),
                    ("health/summary.conditions", ""),
                ],
            ),
        ),
    ];
    for (field, message) in cases {
        let (_, _, fields) = refused(rectify(&place, GP, message).await);
        assert!(fields.iter().any(|found| found == field), "{field}: {fields:?}");
    }
    assert!(place.entries(size).iter().all(|one| one.facet(Facet::What) != "rectified"));
    let reply = rectify(&place, HOSPITAL, base.clone()).await;
    expect_refused("no such id", reply, Code::NotFound, "NOT_FOUND", &[]);
    let reply = rectify(&place, GP_PUBLISHER, base).await;
    expect_refused("a publisher", reply, Code::PermissionDenied, "FUNCTION_NEEDED", &[]);
    assert_eq!(got(&place, AISHA).await.1, ["penicillin"]);
}

async fn erase(
    place: &Place,
    request: &str,
    exemption: &str,
    id: &str,
) -> Reply<pb::EraseResidentResponse> {
    let message = pb::EraseResidentRequest {
        request: request.to_owned(),
        exemption: exemption.to_owned(),
        text: "What we keep for the law stays for eight years".to_owned(),
        request_id: id.to_owned(),
    };
    place.rights().erase_resident(place.from(GP, message)).await
}

async fn asked(place: &Place, one: Inhabitant) -> pb::ResidentRequest {
    let message = pb::ListRequestsRequest::default();
    let listed = place.rights().list_requests(place.session(PORTAL, one, message)).await;
    listed.unwrap().into_inner().requests.pop().unwrap()
}

#[tokio::test]
async fn what_an_agency_keeps_is_erased_and_who_received_it_hears_of_it() {
    let place = Place::open().await;
    assert_eq!(got(&place, AISHA).await.1, ["penicillin"]);
    let request = file(&place, AISHA, "erase").await;
    // A hold wins.
    let entry = prepared(Kind::Erase);
    place.app.store.place_hold(AISHA.resident(), "INQUEST-12".to_owned(), entry).await.unwrap();
    let reply = erase(&place, &request, "", "").await;
    assert_eq!(refused(reply).1, "LEGAL_HOLD");
    let entry = prepared(Kind::Erase);
    place.app.store.lift_hold(AISHA.resident(), "INQUEST-12".to_owned(), entry).await.unwrap();

    let id = "018f0000-0000-7000-8000-0000000000ee";
    let done = erase(&place, &request, "", id).await.unwrap().into_inner();
    assert_eq!(done.told_count, 1);
    assert!(got(&place, AISHA).await.1.is_empty());
    // Another's records, and other agencies' of hers, stay.
    assert_eq!(got(&place, BEN).await.1, ["penicillin"]);
    let ids = place.app.store.local_ids(AISHA.resident()).await.unwrap();
    assert!(!ids.is_empty() && ids.iter().all(|local| local.agency.as_str() != "oakdale-gp"));
    let heard = notices(&place, HOSPITAL).await;
    assert_eq!(heard.len(), 1);
    let found = asked(&place, AISHA).await;
    assert_eq!(found.steps.last().unwrap().step, "answered");
    let again = erase(&place, &request, "", id).await.unwrap().into_inner();
    assert_eq!(again.told_count, 1);
    let reply = erase(&place, &request, "", "").await;
    assert_eq!(refused(reply).2, ["request"], "answered");
}

#[tokio::test]
async fn what_is_kept_is_kept_for_a_reason() {
    let place = Place::open().await;
    let request = file(&place, AISHA, "erase").await;
    let reply = erase(&place, &request, "SAR_CRIME", "").await;
    assert_eq!(refused(reply).2, ["exemption"]);
    erase(&place, &request, "RET_LEGAL_DUTY", "").await.unwrap();
    assert_eq!(got(&place, AISHA).await.1, ["penicillin"]);
    let found = asked(&place, AISHA).await;
    let last = found.steps.last().unwrap();
    assert_eq!((last.step.as_str(), last.text.contains("eight years")), ("answered", true));
    let mut entries = place.entries(0);
    entries.retain(|one| one.facet(Facet::What).starts_with("kept"));
    assert_eq!(entries[0].facet(Facet::What), "kept|RET_LEGAL_DUTY");
    let other = file(&place, AISHA, "rectify").await;
    assert_eq!(refused(erase(&place, &other, "", "").await).2, ["request"]);
}
