//! Consents as FHIR R4 resources, there and back.

use serde_json::{Value, json};
use tonic::{Code, Response, Status};
use weir::audit::entry::{Facet, Kind};
use weir::grpc::pb;

use super::{asked, bytes, consent, consents, listed, mobility, recorded};
use crate::support::{
    ABSENT, AISHA, BEN, CHILDRENS, HOUSING, Inhabitant, Place, SEALED, expect_refused, shown,
};

async fn exported(place: &Place, about: Inhabitant) -> (Vec<Value>, Vec<String>) {
    let message = pb::ExportConsentsRequest { resident: about.path(), ..Default::default() };
    let reply = place.choices().export_consents(place.from(HOUSING, message)).await.unwrap();
    let reply = reply.into_inner();
    let lines = reply.ndjson.lines().map(|line| serde_json::from_str(line).unwrap());
    (lines.collect(), reply.left_out)
}

async fn imported(
    place: &Place,
    resources: &[Value],
    id: &str,
) -> Result<Response<pb::ImportConsentsResponse>, Status> {
    let lines: Vec<String> = resources.iter().map(Value::to_string).collect();
    let message = pb::ImportConsentsRequest { ndjson: lines.join("\n"), request_id: id.to_owned() };
    place.choices().import_consents(place.from(HOUSING, message)).await
}

/// The consents of a resident, as a list without what each hub settles itself.
async fn said(place: &Place, about: Inhabitant) -> Vec<pb::Consent> {
    consents(listed(place, HOUSING, about).await)
}

/// Events of every shape that the contract can record.
fn shapes() -> Vec<pb::Consent> {
    let state = |state: &str| pb::Consent { state: state.to_owned(), ..consent() };
    let fields = |fields: &[&str]| pb::Consent {
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        ..consent()
    };
    vec![
        consent(),
        pb::Consent { channel: String::new(), assessment: String::new(), ..state("renewed") },
        state("requested"),
        pb::Consent { notice: None, ..state("refused") },
        pb::Consent { by: "parent".to_owned(), evidence: false, freely_given: false, ..consent() },
        fields(&["health/support.mobility", "health/summary.conditions"]),
        fields(&["health/support", "health/summary"]),
        fields(&["health/support", "health/summary.conditions"]),
        pb::Consent {
            kind: "statutory_consent".to_owned(),
            purposes: vec!["homelessness_referral".to_owned()],
            parts: vec!["notice".to_owned(), "contact".to_owned(), "authority".to_owned()],
            notice: shown("homelessness-referral"),
            ..consent()
        },
        pb::Consent {
            recipients: vec![
                "agencies/northfield-council-housing".to_owned(),
                "agencies/rivermead-housing".to_owned(),
            ],
            until_date: "2026-12-31".to_owned(),
            event_time: Some(prost_types::Timestamp { seconds: 1_783_000_000, nanos: 5_000_000 }),
            ..consent()
        },
    ]
}

#[tokio::test]
async fn what_fhir_can_say_comes_back_as_it_went() {
    let place = Place::open().await;
    for shape in shapes() {
        recorded(&place, AISHA, shape).await;
    }
    recorded(&place, AISHA, pb::Consent { state: "unknown".to_owned(), ..consent() }).await;
    let (resources, left_out) = exported(&place, AISHA).await;
    assert_eq!((resources.len(), left_out.len()), (shapes().len(), 1), "unknown has no status");
    let statuses: Vec<&str> =
        resources.iter().take(4).map(|one| one["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["active", "active", "proposed", "rejected"]);
    for one in &resources {
        assert_eq!(one["resourceType"], "Consent");
        for needed in ["status", "scope", "category", "policyRule"] {
            assert!(one.get(needed).is_some(), "{needed}");
        }
    }
    // The same about another resident: word for word the same events.
    let (from, to) = (AISHA.path(), BEN.path());
    let id = |path: &str| path.trim_start_matches("residents/").to_owned();
    let moved: Vec<Value> = resources
        .iter()
        .map(|one| serde_json::from_str(&one.to_string().replace(&id(&from), &id(&to))).unwrap())
        .collect();
    let before = place.log_size();
    let done = imported(&place, &moved, "").await.unwrap().into_inner();
    let logged = place.entries(before);
    assert_eq!(done.choices.len(), moved.len());
    assert_eq!(logged.len(), moved.len() + 1, "an entry for the whole and one for each");
    assert!(logged.iter().all(|one| one.entry.kind == Kind::Choice));
    assert_eq!(logged[0].facet(Facet::What), "consent-import");
    let mut own = said(&place, AISHA).await;
    own.retain(|one| one.state != "unknown");
    assert_eq!(bytes(&said(&place, BEN).await), bytes(&own));
}

#[tokio::test]
async fn what_is_taken_back_or_invalid_goes_out_and_does_not_come_in() {
    let place = Place::open().await;
    let choice = recorded(&place, AISHA, consent()).await;
    let message = pb::WithdrawConsentRequest {
        choice,
        by: "self".to_owned(),
        evidence: true,
        ..Default::default()
    };
    place.choices().withdraw_consent(place.from(HOUSING, message)).await.unwrap();
    let (resources, _) = exported(&place, AISHA).await;
    assert_eq!(resources[1]["status"], "inactive");
    assert_eq!(resources[1]["provision"]["type"], "deny");
    let reply = imported(&place, &resources, "").await;
    let field = "resources[1].status";
    expect_refused("withdrawn", reply, Code::InvalidArgument, "REQUEST_INVALID", &[field]);
    assert_eq!(said(&place, AISHA).await.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_with_its_path_and_nothing_is_recorded() {
    let place = Place::open().await;
    recorded(&place, AISHA, consent()).await;
    let (mut resources, _) = exported(&place, AISHA).await;
    let good = resources.pop().unwrap();
    let set = |pointer: &str, value: Value| {
        let mut one = good.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        one.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(name.to_owned(), value);
        one
    };
    let coding = |system: &str, code: &str| json!({ "system": system, "code": code });
    let actors = good["provision"]["actor"].clone();
    let table: Vec<(&str, Value, &str)> = vec![
        ("another resource", set("/resourceType", json!("Patient")), "resourceType"),
        ("a member more", set("/dataAbsentReason", json!("x")), "Consent"),
        ("a modifier", set("/modifierExtension", json!([{}])), "Consent"),
        ("a status of no list", set("/status", json!("draft")), "status"),
        ("status and type at odds", set("/status", json!("rejected")), "provision.type"),
        ("no time", set("/dateTime", json!("2026-07")), "dateTime"),
        (
            "another scope",
            set("/scope/coding", json!([coding("urn:x", "y")])),
            "scope.coding[0].system",
        ),
        (
            "two kinds",
            set("/category", json!([good["category"][0], good["category"][0]])),
            "category",
        ),
        (
            "a kind of no list",
            set("/category/0/coding", json!([coding("urn:weir:consent-kind", "ndo")])),
            "category[0].coding[0].code",
        ),
        ("a patient elsewhere", set("/patient/reference", json!("Patient/7")), "patient.reference"),
        (
            "an exception within",
            set("/provision/provision", json!([{ "type": "deny" }])),
            "provision",
        ),
        ("no end", set("/provision/period", json!({})), "provision.period.end"),
        ("to nobody", set("/provision/actor", json!([])), "provision.actor"),
        (
            "to whoever it is",
            set("/provision/actor/0/role/coding", json!([coding("urn:x", "y")])),
            "provision.actor[0].role.coding[0].system",
        ),
        (
            "for a purpose of others",
            set(
                "/provision/purpose",
                json!([coding("http://terminology.hl7.org/CodeSystem/v3-ActReason", "TREAT")]),
            ),
            "provision.purpose[0].system",
        ),
        (
            "a purpose of no list",
            set("/provision/purpose", json!([coding("urn:weir:purpose", "marketing")])),
            "provision.purpose",
        ),
        (
            "untold whether free",
            set("/extension", json!([{ "url": "urn:weir:fhir:channel", "valueCode": "paper" }])),
            "extension",
        ),
        (
            "an extension of others",
            set("/extension", json!([{ "url": "urn:x", "valueCode": "paper" }])),
            "extension[0]",
        ),
        (
            "to no wording",
            set(
                "/sourceReference",
                json!({ "type": "DocumentReference", "identifier": { "system": "urn:weir:notice", "value": "medical-priority" } }),
            ),
            "sourceReference.identifier.value",
        ),
        (
            "to a wording that is none",
            set(
                "/sourceReference",
                json!({ "type": "DocumentReference", "identifier": { "system": "urn:weir:notice", "value": "medical-priority|7|en" } }),
            ),
            "sourceReference",
        ),
        (
            "two speakers",
            set("/performer", json!([good["performer"][0], good["performer"][0]])),
            "performer",
        ),
        (
            "verified, perhaps",
            set("/verification", json!([{ "verified": "yes" }])),
            "verification[0].verified",
        ),
    ];
    assert!(actors.is_array());
    let before = (place.log_size(), said(&place, AISHA).await);
    for (what, odd, path) in table {
        let reply = imported(&place, &[good.clone(), odd], "").await;
        let (code, reason, fields) = crate::support::refused(reply);
        assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "REQUEST_INVALID"), "{what}");
        let path = format!("resources[1].{path}");
        assert!(fields.contains(&path), "{what}: {path} is not among {fields:?}");
        assert!(
            fields.iter().all(|field| field.starts_with("resources[1].")),
            "{what}: {fields:?}"
        );
    }
    let both = set("/provision/class", json!([coding("urn:weir:category", "health/support")]));
    let mut both = both;
    both["provision"]["code"] =
        json!([{ "coding": [coding("urn:weir:field", "health/summary.conditions")] }]);
    let reply = imported(&place, &[both], "").await;
    let field = "resources[0].provision.code";
    expect_refused("both at once", reply, Code::InvalidArgument, "REQUEST_INVALID", &[field]);
    let message = pb::ImportConsentsRequest { ndjson: "{".to_owned(), ..Default::default() };
    let reply = place.choices().import_consents(place.from(HOUSING, message)).await;
    let wrong = ["resources[0]"];
    expect_refused("no JSON", reply, Code::InvalidArgument, "REQUEST_INVALID", &wrong);
    for many in [0, 31] {
        let reply = imported(&place, &vec![good.clone(); many], "").await;
        expect_refused("too many", reply, Code::InvalidArgument, "REQUEST_INVALID", &["ndjson"]);
    }
    assert_eq!(bytes(&said(&place, AISHA).await), bytes(&before.1));
    // Only the look of the last line is in the log since.
    assert_eq!(place.log_size(), before.0 + 2);
}

#[tokio::test]
async fn an_import_is_whole_repeats_and_tells_nothing_of_hidden_residents() {
    let place = Place::open().await;
    recorded(&place, AISHA, consent()).await;
    let (resources, _) = exported(&place, AISHA).await;
    let id = uuid::Uuid::from_u128(5).to_string();
    let first = imported(&place, &resources, &id).await.unwrap().into_inner();
    let size = place.log_size();
    let again = imported(&place, &resources, &id).await.unwrap().into_inner();
    assert_eq!(first.choices, again.choices);
    assert_eq!(place.log_size(), size, "nothing is done twice");
    let other = [resources[0].clone(), resources[0].clone()];
    let reply = imported(&place, &other, &id).await;
    expect_refused("another call", reply, Code::AlreadyExists, "REQUEST_ID_REUSED", &[]);
    let own = |about: Inhabitant| about.path().trim_start_matches("residents/").to_owned();
    for one in [SEALED, ABSENT] {
        let text = resources[0].to_string().replace(&own(AISHA), &own(one));
        let hidden: Value = serde_json::from_str(&text).unwrap();
        let reply = imported(&place, &[resources[0].clone(), hidden], "").await;
        expect_refused("hidden", reply, Code::NotFound, "NOT_FOUND", &[]);
        let message = pb::ExportConsentsRequest { resident: one.path(), ..Default::default() };
        let reply = place.choices().export_consents(place.from(HOUSING, message)).await;
        expect_refused("hidden", reply, Code::NotFound, "NOT_FOUND", &[]);
    }
    assert_eq!(said(&place, AISHA).await.len(), 2);
    // What came in this way decides like any other.
    assert_eq!(asked(&place, HOUSING, mobility()).await, (true, vec![]));
    // Whom it does not concern gets nothing.
    let message = pb::ExportConsentsRequest { resident: AISHA.path(), ..Default::default() };
    let reply = place.choices().export_consents(place.from(CHILDRENS, message)).await;
    assert_eq!(reply.unwrap().into_inner().ndjson, "");
    let page = |token: &str| pb::ExportConsentsRequest {
        resident: AISHA.path(),
        page_size: 1,
        page_token: token.to_owned(),
    };
    let reply = place.choices().export_consents(place.from(HOUSING, page(""))).await;
    let reply = reply.unwrap().into_inner();
    let more = place.from(HOUSING, page(&reply.next_page_token));
    let next = place.choices().export_consents(more).await.unwrap().into_inner();
    assert_eq!((reply.ndjson.lines().count(), next.ndjson.lines().count()), (1, 1));
    assert_eq!(next.next_page_token, "");
}
