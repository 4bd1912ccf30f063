//! When something fails: first the log, then an answer. No log, no answer; no answer, no content.

use tonic::{Code, Response, Status};
use tonic_types::StatusExt;
use weir::audit::entry::{Facet, Kind, SlotId};
use weir::grpc::pb;

use crate::support::{
    ABSENT, AISHA, BEN, GP_AUDITOR, GP_PUBLISHER, GP_REGISTRAR, HOUSING, NURSE, Place, SEALED,
    decision, expect_refused, request, treatment,
};

/// Every call that reads or writes anything about anybody, made once.
async fn every_call(place: &Place) -> Vec<(&'static str, Status)> {
    let mut said = Vec::new();
    macro_rules! call {
        ($what:literal, $client:ident . $method:ident, $who:expr, $message:expr) => {
            let reply = place.$client().$method(place.from($who, $message)).await;
            said.push(($what, failed($what, reply)));
        };
    }
    fn failed<T>(what: &str, reply: Result<Response<T>, Status>) -> Status {
        match reply {
            Err(status) => status,
            Ok(_) => Status::ok(format!("{what} was answered")),
        }
    }
    let batch = pb::BatchCanShareRequest { requests: vec![treatment(AISHA)] };
    let name = |what: &str| format!("{what}/{}", uuid::Uuid::nil());
    call!("CanShare", sharing.can_share, NURSE, treatment(AISHA));
    call!("BatchCanShare", sharing.batch_can_share, NURSE, batch);
    call!("RequestRecords", sharing.request_records, NURSE, request(treatment(AISHA)));
    call!(
        "RequestRecords of a closed one",
        sharing.request_records,
        NURSE,
        request(treatment(SEALED))
    );
    let disclosure = pb::GetDisclosureRequest { name: name("disclosures") };
    call!("GetDisclosure", sharing.get_disclosure, NURSE, disclosure);
    let find = pb::FindResidentRequest {
        nhs_number: AISHA.nhs_number.to_owned(),
        name: AISHA.name.to_owned(),
        birth_date: AISHA.born.to_owned(),
        purpose: "direct_care".to_owned(),
        reason: "Brought in without papers".to_owned(),
    };
    call!("FindResident", residents.find_resident, NURSE, find);
    let link = pb::LinkIdentityRequest {
        resident: AISHA.path(),
        local_id: "G-2".to_owned(),
        request_id: String::new(),
    };
    call!("LinkIdentity", residents.link_identity, GP_REGISTRAR, link);
    let list = pb::ListChoicesRequest { resident: AISHA.path(), ..Default::default() };
    call!("ListChoices", choices.list_choices, NURSE, list);
    let restriction = pb::SetRestrictionRequest { resident: BEN.path(), ..Default::default() };
    call!("SetRestriction", choices.set_restriction, HOUSING, restriction);
    let registered = pb::RegisterResidentRequest {
        nhs_number: ABSENT.nhs_number.to_owned(),
        name: ABSENT.name.to_owned(),
        birth_date: ABSENT.born.to_owned(),
        nation: "England".to_owned(),
        local_id: "G-3".to_owned(),
        request_id: String::new(),
    };
    call!("RegisterResident", residents.register_resident, GP_REGISTRAR, registered);
    let unlink =
        pb::UnlinkIdentityRequest { local_id: AISHA.local_id(), request_id: String::new() };
    call!("UnlinkIdentity", residents.unlink_identity, GP_REGISTRAR, unlink);
    let objection = pb::RecordObjectionRequest {
        resident: BEN.path(),
        kind: "direct-care-objection".to_owned(),
        ..Default::default()
    };
    call!("RecordObjection", choices.record_objection, NURSE, objection);
    let retract = pb::RetractRecordsRequest {
        category: "health/summary".to_owned(),
        local_ids: vec![AISHA.local_id()],
        request_id: String::new(),
    };
    call!("RetractRecords", records.retract_records, GP_PUBLISHER, retract);
    let held = pb::ListHeldRecordsRequest::default();
    call!("ListHeldRecords", records.list_held_records, GP_PUBLISHER, held);
    let search = pb::SearchEntriesRequest::default();
    call!("SearchEntries", audit.search_entries, GP_AUDITOR, search);
    let entry = pb::GetEntryRequest { name: "entries/1".to_owned(), ..Default::default() };
    call!("GetEntry", audit.get_entry, GP_AUDITOR, entry);
    call!(
        "a turned away caller",
        audit.get_entry,
        NURSE,
        pb::GetEntryRequest { name: "entries/1".to_owned(), ..Default::default() }
    );
    said
}

#[tokio::test]
async fn without_its_log_the_hub_answers_nothing() {
    let place = Place::open().await;
    place.app.store.log().close();
    let before = place.entries(0).len();
    for (what, status) in every_call(&place).await {
        assert_eq!(status.code(), Code::Unavailable, "{what}: {}", status.message());
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "STORE_UNAVAILABLE", "{what}");
        assert!(details.retry_info().is_some(), "{what}");
        assert!(!status.message().contains("penicillin"), "{what}");
    }
    assert_eq!(place.entries(0).len(), before);
}

#[tokio::test]
async fn a_log_that_cannot_be_written_for_a_while_costs_answers_and_leaves_a_gap() {
    let place = Place::open().await;
    let before = place.log_size();
    // Somebody else holds the file: every commit fails after its patience.
    let other = place.log_file();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let asked = place.from(NURSE, request(treatment(AISHA)));
    let reply = place.sharing().request_records(asked).await;
    expect_refused("held", reply, Code::Unavailable, "STORE_UNAVAILABLE", &[]);
    other.execute_batch("ROLLBACK").unwrap();
    let asked = place.from(NURSE, request(treatment(AISHA)));
    let answers = place.sharing().request_records(asked).await.unwrap().into_inner().answers;
    assert_eq!(answers[0].values.len(), 1);
    // The hub may have tried by itself whether it can write again.
    let mut logged = place.entries(before);
    logged.retain(|e| e.entry.kind != Kind::Operation);
    let kinds: Vec<Kind> = logged.iter().map(|e| e.entry.kind).collect();
    assert_eq!(kinds, [Kind::Gap, Kind::Disclose]);
    assert_eq!(logged[0].facet(Facet::Count), "1", "how many were not written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_cannot_write_is_alive_and_not_ready_and_ready_again_by_itself() {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_check_response::ServingStatus;
    let place = Place::open().await;
    let health = || tonic_health::pb::health_client::HealthClient::new(place.channel.clone());
    let is = async |service: &str| {
        let service = service.to_owned();
        let reply = health().check(HealthCheckRequest { service }).await.unwrap();
        reply.into_inner().status()
    };
    // As long as it takes, and an end all the same.
    let becomes = async |service: &str, wanted: ServingStatus| {
        for _ in 0..600 {
            if is(service).await == wanted {
                return true;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        false
    };
    assert_eq!(is("").await, ServingStatus::Serving);
    let before = place.log_size();
    let other = place.log_file();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let asked = place.from(NURSE, request(treatment(AISHA)));
    let reply = place.sharing().request_records(asked).await;
    expect_refused("held", reply, Code::Unavailable, "STORE_UNAVAILABLE", &[]);
    let sharing = "weir.hub.v1.SharingService";
    for service in ["", sharing] {
        assert!(becomes(service, ServingStatus::NotServing).await, "{service} is still ready");
    }
    assert_eq!(is("weir.live").await, ServingStatus::Serving);
    other.execute_batch("ROLLBACK").unwrap();
    for service in ["", sharing] {
        assert!(becomes(service, ServingStatus::Serving).await, "{service} is not ready again");
    }
    let logged = place.entries(before);
    let ready = logged.iter().find(|e| e.entry.kind == Kind::Operation).unwrap();
    assert_eq!(ready.facet(Facet::What), "ready");
    assert_eq!(logged[0].entry.kind, Kind::Gap);
}

#[tokio::test]
async fn a_change_that_cannot_be_made_is_not_made() {
    let place = Place::open().await;
    let other = rusqlite::Connection::open(place.data().join("hub.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = place.log_size();
    let restriction = pb::SetRestrictionRequest { resident: AISHA.path(), ..Default::default() };
    let reply = place.choices().set_restriction(place.from(NURSE, restriction)).await;
    expect_refused("held", reply, Code::Unavailable, "STORE_UNAVAILABLE", &[]);
    assert_eq!(place.log_size(), before, "what did not happen is not in the log");
    // Reading goes on meanwhile.
    let asked = place.from(NURSE, request(treatment(AISHA)));
    let answers = place.sharing().request_records(asked).await.unwrap().into_inner().answers;
    assert_eq!(answers[0].values.len(), 1);
    other.execute_batch("ROLLBACK").unwrap();
    let asked = place.from(NURSE, request(treatment(AISHA)));
    let answers = place.sharing().request_records(asked).await.unwrap().into_inner().answers;
    assert_eq!(answers[0].values.len(), 1, "nor is it in force");
}

#[tokio::test]
async fn what_a_source_could_not_give_is_recorded_as_asked_and_not_answered() {
    let place = Place::open().await;
    // Housing's shelf is damaged; the practice's is whole.
    let other = rusqlite::Connection::open(place.data().join("hub.db")).unwrap();
    let damaged = "UPDATE shelf SET sealed = zeroblob(64) \
                   WHERE holder = 'oakdale-gp' AND local_id = ?1";
    assert!(other.execute(damaged, [BEN.local_id()]).unwrap() > 0);
    let before = place.log_size();
    let asked = pb::RequestRecordsRequest {
        residents: vec![BEN.path()],
        holders: ["northfield-council-housing", "oakdale-gp"]
            .map(|h| format!("agencies/{h}"))
            .into(),
        ..request(treatment(BEN))
    };
    let reply = place.sharing().request_records(place.from(NURSE, asked)).await;
    expect_refused("damaged", reply, Code::Unavailable, "SOURCE_UNAVAILABLE", &[]);
    let logged = place.entries(before);
    let told: Vec<_> = logged
        .iter()
        .map(|e| {
            let parts = (e.entry.part, e.entry.parts);
            (e.entry.kind, e.facet(Facet::What), e.facet(Facet::Holder), parts)
        })
        .collect();
    let away = Kind::TurnedAway;
    assert_eq!(
        told,
        [
            (away, "source", "northfield-council-housing", (1, 2)),
            (away, "source", "oakdale-gp", (2, 2)),
        ]
    );
    for entry in &logged {
        assert_eq!(entry.facet(Facet::Released), "", "nothing left");
        assert_eq!(entry.facet(Facet::Outcome), "", "and nothing was said");
        let subject = entry.slots.get(&(SlotId::Subject as u8)).unwrap();
        assert_eq!(subject.as_slice(), BEN.resident().uuid().as_bytes());
        let asker = String::from_utf8_lossy(entry.slots.get(&(SlotId::Asker as u8)).unwrap());
        assert!(asker.contains("Ward round this morning"), "{asker}");
    }
    // It is no decision that could be looked up.
    let name = format!("disclosures/{}", logged[0].entry.event);
    let look = place.from(NURSE, pb::GetDisclosureRequest { name });
    let reply = place.sharing().get_disclosure(look).await;
    expect_refused("no decision", reply, Code::NotFound, "NOT_FOUND", &[]);
    // Others are answered as before.
    let asked = place.from(NURSE, request(treatment(AISHA)));
    let answers = place.sharing().request_records(asked).await.unwrap().into_inner().answers;
    assert_eq!(decision(&answers[0]).outcome, i32::from(pb::Outcome::Permit));
}

#[tokio::test]
async fn more_than_a_reply_holds_is_turned_down_before_it_is_recorded_as_said() {
    let place = Place::open().await;
    let asked = |residents: u128, fields: Vec<String>| {
        let one = |n| crate::support::Inhabitant { id: AISHA.id + 0x5000 + n, ..AISHA }.path();
        let holders = ["northfield-council-housing", "oakdale-gp"];
        pb::RequestRecordsRequest {
            residents: (0..residents).map(one).collect(),
            holders: holders.map(|holder| format!("agencies/{holder}")).into(),
            fields,
            ..request(treatment(AISHA))
        }
    };
    let long = |n: usize| format!("shoes/sizes.{}{n:03}", "x".repeat(95));
    let unknown: Vec<String> = (0..200).map(long).collect();
    let before = place.log_size();
    let much = asked(100, unknown.clone());
    let reply = place.sharing().request_records(place.from(NURSE, much)).await;
    expect_refused("too much", reply, Code::ResourceExhausted, "TOO_MUCH", &[]);
    let logged = place.entries(before);
    assert_eq!(logged.len(), 200, "each question is recorded as not answered");
    let told = |e: &crate::support::Logged| (e.entry.kind, e.facet(Facet::What).to_owned());
    let away = (Kind::TurnedAway, "too-much".to_owned());
    assert!(logged.iter().all(|e| told(e) == away));

    // Less of it, and everything that the vocabulary has about everybody, do fit.
    place.clock.set("2026-07-15T11:00:00+01:00".parse().unwrap());
    let policy = place.app.hub.policy().unwrap();
    let every: Vec<String> = policy.book().fields.keys().map(ToString::to_string).collect();
    for (residents, fields) in [(30, unknown), (60, every)] {
        let much = asked(residents, fields);
        let reply = place.sharing().request_records(place.from(NURSE, much)).await.unwrap();
        let len = prost::Message::encoded_len(reply.get_ref());
        assert_eq!(reply.get_ref().answers.len(), 2 * usize::try_from(residents).unwrap());
        assert!(len > 500_000, "{len}: small after all");
    }
}
