//! Who may call what: every call of the contract by every kind of caller, against `permissions.csv`. A cell
//! is `ok`, or the reason for machines; a new call without a row fails. Messages are sound, so that what
//! decides is the caller. Written anew with `WEIR_WRITE_DOCS=1`; a difference is for a person to read.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::SignedDuration;
use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};
use tonic_types::StatusExt;
use weir::auth::HubFunction;
use weir::auth::issuer::Person;
use weir::clock::Clock;
use weir::domain::Fact;
use weir::grpc::convert::time_message;
use weir::grpc::pb;

use crate::candidates::folder;
use crate::support::{AISHA, BEN, Place, relationship, request, shown, staff, treatment};
use crate::transport::every_call;

/// Bytes as they are.
#[derive(Clone, Copy, Default)]
struct Plain;

impl Codec for Plain {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        Self
    }
    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;
    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;
    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let len = bytes::Buf::remaining(buffer);
        let mut out = vec![0; len];
        bytes::Buf::copy_to_slice(buffer, &mut out);
        Ok(Some(out))
    }
}

/// A sound message for each call; the publishing stream has two.
fn messages(place: &Place) -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let id = "00000000-0000-4000-8000-000000000000";
    let choice = format!("{}/choices/{id}", AISHA.path());
    let disclosure = format!("disclosures/{id}");
    let why = || "Three words here".to_owned();
    let none = String::new;
    let ask = || treatment(AISHA);
    let expires = time_message(place.clock.now() + SignedDuration::from_hours(24));
    let header = pb::PublishHeader {
        category: "health/support".to_owned(),
        expire_time: Some(expires),
        request_id: none(),
    };
    let value = pb::FieldText {
        field: "health/support.mobility".to_owned(),
        text: "walks".to_owned(),
        labels: vec![],
    };
    let row = pb::PublishRow { local_id: "N-1".to_owned(), values: vec![value] };
    let part = |part| pb::PublishRecordsRequest { part: Some(part) }.encode_to_vec();
    let death = pb::DeathFact { resident: AISHA.path(), death_date: none() };
    let fact = pb::Fact { etag: String::new(), fact: Some(pb::fact::Fact::Death(death)) };
    let consent = pb::Consent {
        kind: "participation".to_owned(),
        state: "given".to_owned(),
        purposes: vec!["fire_home_visit".to_owned()],
        recipients: vec!["agencies/northshire-fire".to_owned()],
        by: "self".to_owned(),
        notice: shown("fire-home-visit"),
        ..Default::default()
    };
    let checked = pb::CheckPolicyRequest {
        files: vec![pb::PolicyFile { path: "model.conf".to_owned(), content: Vec::new() }],
        as_of_date: none(),
    };
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let replayed = pb::ReplayPolicyRequest { files: folder(&shipped), ..Default::default() };
    let all: Vec<(&str, Vec<u8>)> = vec![
        ("SharingService/CanShare", ask().encode_to_vec()),
        (
            "SharingService/BatchCanShare",
            pb::BatchCanShareRequest { requests: vec![ask()] }.encode_to_vec(),
        ),
        ("SharingService/RequestRecords", request(ask()).encode_to_vec()),
        (
            "SharingService/LocateRecords",
            pb::LocateRecordsRequest {
                resident: AISHA.path(),
                purpose: "child_protection".to_owned(),
                reason: why(),
                case_reference: "C".to_owned(),
                ..Default::default()
            }
            .encode_to_vec(),
        ),
        (
            "SharingService/ReportNonDisclosure",
            pb::ReportNonDisclosureRequest {
                resident: AISHA.path(),
                holder: "agencies/oakdale-gp".to_owned(),
                purpose: "direct_care".to_owned(),
                fields: vec!["identity/core".to_owned()],
                asked_date: "2026-07-01".to_owned(),
                answer: 1,
                reason: why(),
                case_reference: "C".to_owned(),
                ..Default::default()
            }
            .encode_to_vec(),
        ),
        (
            "SharingService/GetDisclosure",
            pb::GetDisclosureRequest { name: disclosure.clone() }.encode_to_vec(),
        ),
        (
            "RecordService/RetractRecords",
            pb::RetractRecordsRequest {
                category: "health/support".to_owned(),
                local_ids: vec!["N-1".to_owned()],
                request_id: none(),
            }
            .encode_to_vec(),
        ),
        ("RecordService/ListHeldRecords", vec![]),
        (
            "ResidentService/RegisterResident",
            pb::RegisterResidentRequest {
                name: "Nobody New".to_owned(),
                nation: "England".to_owned(),
                local_id: "N-9".to_owned(),
                ..Default::default()
            }
            .encode_to_vec(),
        ),
        (
            "ResidentService/LinkIdentity",
            pb::LinkIdentityRequest {
                resident: BEN.path(),
                local_id: "N-2".to_owned(),
                request_id: none(),
            }
            .encode_to_vec(),
        ),
        (
            "ResidentService/UnlinkIdentity",
            pb::UnlinkIdentityRequest { local_id: "N-2".to_owned(), request_id: none() }
                .encode_to_vec(),
        ),
        (
            "ResidentService/FindResident",
            pb::FindResidentRequest {
                nhs_number: AISHA.nhs_number.to_owned(),
                name: AISHA.name.to_owned(),
                birth_date: AISHA.born.to_owned(),
                purpose: "direct_care".to_owned(),
                reason: why(),
            }
            .encode_to_vec(),
        ),
        (
            "ChoiceService/RecordConsent",
            pb::RecordConsentRequest {
                resident: AISHA.path(),
                consent: Some(consent),
                request_id: none(),
            }
            .encode_to_vec(),
        ),
        (
            "ChoiceService/WithdrawConsent",
            pb::WithdrawConsentRequest {
                choice: choice.clone(),
                by: "self".to_owned(),
                ..Default::default()
            }
            .encode_to_vec(),
        ),
        (
            "ChoiceService/RecordObjection",
            pb::RecordObjectionRequest {
                resident: AISHA.path(),
                kind: "direct-care-objection".to_owned(),
                fields: vec!["early-help/notes".to_owned()],
                ..Default::default()
            }
            .encode_to_vec(),
        ),
        (
            "ChoiceService/DecideObjection",
            pb::DecideObjectionRequest {
                choice: choice.clone(),
                upheld: true,
                reason: why(),
                request_id: none(),
            }
            .encode_to_vec(),
        ),
        (
            "ChoiceService/WithdrawObjection",
            pb::WithdrawObjectionRequest { choice: choice.clone(), request_id: none() }
                .encode_to_vec(),
        ),
        (
            "ChoiceService/SetRestriction",
            pb::SetRestrictionRequest {
                resident: AISHA.path(),
                fields: vec!["early-help/notes".to_owned()],
                ..Default::default()
            }
            .encode_to_vec(),
        ),
        (
            "ChoiceService/LiftRestriction",
            pb::LiftRestrictionRequest {
                choice: choice.clone(),
                reason: why(),
                request_id: none(),
            }
            .encode_to_vec(),
        ),
        (
            "ChoiceService/InvalidateConsent",
            pb::InvalidateConsentRequest {
                choice: choice.clone(),
                reason: why(),
                request_id: none(),
            }
            .encode_to_vec(),
        ),
        (
            "ChoiceService/GetConsentReceipt",
            pb::GetConsentReceiptRequest { choice: choice.clone(), cosigned: false }
                .encode_to_vec(),
        ),
        (
            "ChoiceService/ImportConsents",
            pb::ImportConsentsRequest { ndjson: resource(), request_id: none() }.encode_to_vec(),
        ),
        (
            "ChoiceService/ExportConsents",
            pb::ExportConsentsRequest { resident: AISHA.path(), ..Default::default() }
                .encode_to_vec(),
        ),
        (
            "ChoiceService/ListChoices",
            pb::ListChoicesRequest { resident: AISHA.path(), ..Default::default() }.encode_to_vec(),
        ),
        (
            "FactService/RecordFacts",
            pb::RecordFactsRequest { facts: vec![fact], request_id: none() }.encode_to_vec(),
        ),
        ("FactService/ListFacts", vec![]),
        ("AuditService/SearchEntries", vec![]),
        (
            "AuditService/GetEntry",
            pb::GetEntryRequest { name: "entries/0".to_owned(), access: none() }.encode_to_vec(),
        ),
        ("AuditService/GetCheckpoint", vec![]),
        (
            "AuditService/AnswerQuestion",
            pb::AnswerQuestionRequest {
                question: "who-read-the-log".to_owned(),
                ..Default::default()
            }
            .encode_to_vec(),
        ),
        ("AuditService/ExportEntries", vec![]),
        ("AuditService/ListNonDisclosures", vec![]),
        ("AuditService/GetNonDisclosureFigures", vec![]),
        (
            "AuditService/RequestAuditAccess",
            pb::RequestAuditAccessRequest { reason: why() }.encode_to_vec(),
        ),
        (
            "AuditService/ApproveAuditAccess",
            pb::ApproveAuditAccessRequest { name: format!("auditAccesses/{id}") }.encode_to_vec(),
        ),
        (
            "AuditService/GetInclusionProof",
            pb::GetInclusionProofRequest { entry: "entries/0".to_owned(), tree_size: 0 }
                .encode_to_vec(),
        ),
        ("AuditService/GetConsistencyProof", vec![]),
        ("AuditService/GetTile", vec![]),
        (
            "AuditService/WatchHeads",
            pb::WatchHeadsRequest { after_size: 0, heads: 1 }.encode_to_vec(),
        ),
        (
            "AuditService/GetReceipt",
            pb::GetReceiptRequest { name: disclosure.clone(), cosigned: false }.encode_to_vec(),
        ),
        ("PolicyService/GetPolicy", vec![]),
        ("PolicyService/ListVersions", vec![]),
        ("PolicyService/GetRuleBook", vec![]),
        (
            "PolicyService/ExplainDecision",
            pb::ExplainDecisionRequest { name: disclosure.clone() }.encode_to_vec(),
        ),
        ("PolicyService/CheckPolicy", checked.encode_to_vec()),
        ("PolicyService/ReplayPolicy", replayed.encode_to_vec()),
        (
            "PolicyService/GetPolicyReplay",
            pb::GetPolicyReplayRequest { name: format!("replays/{id}") }.encode_to_vec(),
        ),
        (
            "PolicyService/CancelPolicyReplay",
            pb::CancelPolicyReplayRequest { name: format!("replays/{id}") }.encode_to_vec(),
        ),
        (
            "ReviewService/ApproveOverride",
            pb::ApproveOverrideRequest { disclosure: disclosure.clone(), ..Default::default() }
                .encode_to_vec(),
        ),
        (
            "ReviewService/DecideReferral",
            pb::DecideReferralRequest {
                name: format!("referrals/{id}"),
                decision: pb::ReferralDecision::Decline.into(),
                reason: why(),
                ..Default::default()
            }
            .encode_to_vec(),
        ),
        ("ReviewService/ListReviews", vec![]),
        ("ReviewService/GetSignalFigures", vec![]),
        (
            "ReviewService/CloseReview",
            pb::CloseReviewRequest {
                disclosure: disclosure.clone(),
                outcome: "justified".to_owned(),
                reason: why(),
                request_id: none(),
            }
            .encode_to_vec(),
        ),
        ("RightsService/ListDisclosures", vec![]),
        ("RightsService/ListRequests", vec![]),
        ("RightsService/ListSealed", vec![]),
        ("RightsService/GetVisibilityFigures", vec![]),
        (
            "RightsService/FileRequest",
            pb::FileRequestRequest {
                controller: "agencies/oakdale-gp".to_owned(),
                kind: "access".to_owned(),
                text: why(),
                request_id: none(),
            }
            .encode_to_vec(),
        ),
        (
            "RightsService/ChallengeEntry",
            pb::ChallengeEntryRequest {
                disclosure: disclosure.clone(),
                text: why(),
                request_id: none(),
            }
            .encode_to_vec(),
        ),
        (
            "RightsService/AdvanceRequest",
            pb::AdvanceRequestRequest {
                request: format!("requests/{id}"),
                step: "answered".to_owned(),
                text: why(),
                request_id: none(),
            }
            .encode_to_vec(),
        ),
        (
            "RightsService/ReviewVisibility",
            pb::ReviewVisibilityRequest {
                disclosure: disclosure.clone(),
                show: true,
                review_days: 0,
                reason: why(),
                request_id: none(),
            }
            .encode_to_vec(),
        ),
        ("ReviewService/ListReferrals", vec![]),
        ("ReviewService/ListObligations", vec![]),
        (
            "ReviewService/FulfilObligation",
            pb::FulfilObligationRequest {
                name: format!("{disclosure}/obligations/RECORD_REASON"),
                note: why(),
                request_id: none(),
            }
            .encode_to_vec(),
        ),
    ];
    let mut all: BTreeMap<&str, Vec<Vec<u8>>> =
        all.into_iter().map(|(call, message)| (call, vec![message])).collect();
    let stream = vec![
        part(pb::publish_records_request::Part::Header(header)),
        part(pb::publish_records_request::Part::Row(row)),
    ];
    all.insert("RecordService/PublishRecords", stream);
    all
}

/// A refusal as FHIR says it.
fn resource() -> String {
    let code = |system: &str, code: &str| serde_json::json!({ "system": system, "code": code });
    let concept = |system: &str, one: &str| serde_json::json!({ "coding": [code(system, one)] });
    let patient = format!("Patient/{}", AISHA.resident().uuid());
    let hl7 = |name: &str| format!("http://terminology.hl7.org/CodeSystem/{name}");
    serde_json::json!({
        "resourceType": "Consent",
        "status": "rejected",
        "scope": concept(&hl7("consentscope"), "patient-privacy"),
        "category": [concept("urn:weir:consent-kind", "participation")],
        "patient": { "reference": patient },
        "dateTime": "2026-07-15T08:00:00Z",
        "performer": [{ "reference": patient }],
        "policyRule": concept(&hl7("v3-ActCode"), "OPTIN"),
        "provision": {
            "type": "deny",
            "period": { "end": "2027-07-15" },
            "actor": [{
                "role": concept(&hl7("v3-ParticipationType"), "IRCP"),
                "reference": {
                    "type": "Organization",
                    "identifier": { "system": "urn:weir:agency", "value": "northshire-fire" },
                },
            }],
            "purpose": [code("urn:weir:purpose", "fire_home_visit")],
        },
    })
    .to_string()
}

/// Calls, and tells `ok` or the reason.
async fn called(place: &Place, path: &str, token: Option<&str>, messages: Vec<Vec<u8>>) -> String {
    let mut request = Request::new(tokio_stream::iter(messages));
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    let mut grpc = tonic::client::Grpc::new(place.channel.clone());
    grpc.ready().await.unwrap();
    let path = path.parse().unwrap();
    match grpc.client_streaming(request, path, Plain).await {
        Ok(_) => "ok".to_owned(),
        Err(status) => {
            let details = status.get_error_details();
            let reason = details.error_info().map(|info| info.reason.clone());
            reason.unwrap_or_else(|| format!("{:?}", status.code()))
        }
    }
}

#[tokio::test]
async fn every_kind_of_caller_may_call_what_the_table_says() {
    let place = Place::open().await;
    const AGENCY: &str = "northfield-hospital";
    let nurse = |person: &'static str| Person { agency: AGENCY, person, roles: &["nurse"] };
    let gone = Person { agency: "befriend", person: "helper-1", roles: &["charity-worker"] };
    let then = Some("2026-07-15T09:00:00+01:00".parse().unwrap());
    let untrained = Fact::Staff {
        agency: AGENCY.parse().unwrap(),
        person: "untrained-1".parse().unwrap(),
        account_ends: None,
        training_until: Some(jiff::civil::date(2026, 7, 14)),
        interests_declared: None,
    };
    let now = place.clock.now();
    place
        .record(vec![
            staff(nurse("ended-1"), then),
            untrained,
            staff(gone, None),
            relationship(gone, AISHA, now),
            Fact::Agency { agency: "befriend".parse().unwrap(), active: false },
        ])
        .await;
    // An extract about nobody stores nothing, and is no change to record.
    let link = pb::LinkIdentityRequest {
        resident: AISHA.path(),
        local_id: "N-1".to_owned(),
        request_id: String::new(),
    };
    let registrar = Person { agency: AGENCY, person: "desk-1", roles: &["hub-registrar"] };
    place.residents().link_identity(place.from(registrar, link)).await.unwrap();
    let functions: Vec<String> =
        HubFunction::ALL.iter().map(|f| format!("hub-{}", f.as_str())).collect();
    let mut callers: Vec<(String, Option<String>)> = vec![
        ("no token".to_owned(), None),
        ("unknown issuer".to_owned(), Some(place.token(Person { agency: "nobody", ..nurse("n") }))),
        (
            "unknown role".to_owned(),
            Some(place.token(Person { roles: &["janitor"], ..nurse("n") })),
        ),
        ("role".to_owned(), Some(place.token(nurse("nurse-7")))),
        ("role, no staff record".to_owned(), Some(place.token(nurse("stranger-1")))),
        ("role, training lapsed".to_owned(), Some(place.token(nurse("untrained-1")))),
        ("role, account ended".to_owned(), Some(place.token(nurse("ended-1")))),
        ("role, agency suspended".to_owned(), Some(place.token(gone))),
    ];
    for function in &functions {
        let roles = [function.as_str()];
        let who = Person { agency: AGENCY, person: "account-1", roles: &roles };
        let portal = function == "hub-resident-portal";
        let session = || place.issuer.session(who, AISHA.resident(), now, 10).unwrap();
        let token = if portal { session() } else { place.token(who) };
        callers.push((function.clone(), Some(token)));
    }
    let messages = messages(&place);
    let mut table = String::from("call");
    for (name, _) in &callers {
        table.push_str(&format!(",\"{name}\""));
    }
    table.push('\n');
    for path in every_call() {
        let call = path.trim_start_matches("/weir.hub.v1.");
        let message = messages.get(call).unwrap_or_else(|| panic!("{call} has no row"));
        table.push_str(call);
        for (name, token) in &callers {
            let before = place.log_size();
            let said = called(&place, &path, token.as_deref(), message.clone()).await;
            // Whoever is proven leaves an entry, let through or not; whoever is not leaves none.
            let proven = !matches!(name.as_str(), "no token" | "unknown issuer" | "unknown role");
            let quiet = [
                "PolicyService/GetPolicy",
                "PolicyService/ListVersions",
                "PolicyService/GetRuleBook",
                "PolicyService/CheckPolicy",
                "AuditService/GetCheckpoint",
                "AuditService/GetInclusionProof",
                "AuditService/GetConsistencyProof",
                "AuditService/GetTile",
                "AuditService/WatchHeads",
            ]
            .contains(&call);
            let grew = place.log_size() > before;
            assert!(grew == proven || (quiet && proven), "{call} by {name}: {said}");
            table.push_str(&format!(",{said}"));
        }
        table.push('\n');
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/permissions.csv");
    if std::env::var_os("WEIR_WRITE_DOCS").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    for (found, wanted) in table.lines().zip(golden.lines()) {
        assert_eq!(found, wanted);
    }
    assert_eq!(table.lines().count(), golden.lines().count());
}
