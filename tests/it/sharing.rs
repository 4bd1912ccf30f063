//! SharingService over a socket: one way to decide, every answer with a receipt, every question in
//! the log by itself.

mod cases;

use std::collections::BTreeSet;

use cases::{cases, claim, fields};
use tonic::Code;
use weir::audit::entry::{Facet, Kind};
use weir::grpc::pb;

use crate::support::{
    ABSENT, AISHA, BEN, CARER, DOCTOR, GP_AUDITOR, GP_PUBLISHER, Inhabitant, NURSE, NURSE_TWO,
    Place, SEALED, decision, expect_refused, request, staff, treatment,
};

type Person = weir::auth::issuer::Person<'static>;

fn outcome(decision: &pb::Decision) -> &'static str {
    pb::Outcome::try_from(decision.outcome).unwrap().as_str_name()
}

async fn can_share(place: &Place, who: Person, asked: pb::CanShareRequest) -> pb::Answer {
    let reply = place.sharing().can_share(place.from(who, asked)).await.unwrap();
    reply.into_inner().answer.unwrap()
}

async fn ask(place: &Place, who: Person, asked: pb::CanShareRequest) -> pb::Answer {
    let reply = place.sharing().request_records(place.from(who, request(asked))).await.unwrap();
    reply.into_inner().answers.pop().unwrap()
}

/// DOCTOR has no relationship with BEN; everybody else has one with everybody.
async fn place() -> Place {
    let place = Place::open().await;
    let late = "2030-01-01T00:00:00Z".parse().unwrap();
    place.record(vec![crate::support::relationship(DOCTOR, BEN, late)]).await;
    place
}

#[tokio::test]
async fn a_question_and_a_request_are_decided_alike_and_recorded_each_by_itself() {
    let place = place().await;
    for case in cases() {
        // A fresh window for each: how often somebody asked is another test.
        let later = weir::clock::Clock::now(&place.clock) + jiff::SignedDuration::from_mins(11);
        place.clock.set(later);
        let before = place.log_size();
        let said = can_share(&place, case.who, case.asked.clone()).await;
        let got = ask(&place, case.who, case.asked.clone()).await;
        let what = case.what;
        assert!(said.decision == got.decision, "{what}: CanShare and RequestRecords differ");
        assert!(said.policy == got.policy && said.as_of_time == got.as_of_time, "{what}");
        assert!(said.values.is_empty(), "{what}: CanShare gave content");
        let decided = decision(&got);
        assert_eq!(outcome(decided), case.outcome, "{what}: {:?}", decided.codes);
        for code in case.codes {
            assert!(decided.codes.iter().any(|c| c == code), "{what}: {:?}", decided.codes);
            let meant = decided.missing.iter().find(|m| m.code == *code).unwrap();
            assert!(!meant.meaning.is_empty() && !meant.how.is_empty(), "{what}: {code}");
        }
        assert!(!decided.explanation.is_empty(), "{what}");
        let values: Vec<(&str, &str)> =
            got.values.iter().map(|v| (v.field.as_str(), v.text.as_str())).collect();
        assert_eq!(values, case.values, "{what}");
        let permitted: Vec<&str> = values.iter().map(|(field, _)| *field).collect();
        assert_eq!(decided.permitted_fields, permitted, "{what}");
        assert_eq!(values.is_empty(), decided.released.is_empty(), "{what}");

        let logged = place.entries(before);
        assert_eq!(logged.len(), 2, "{what}: one entry for each");
        for (answer, entry) in [&said, &got].into_iter().zip(&logged) {
            let receipt = answer.receipt.as_ref().unwrap();
            assert_eq!(receipt.name, format!("disclosures/{}", entry.entry.event), "{what}");
            assert_eq!(receipt.entry, format!("entries/{}", entry.index), "{what}");
            assert!(receipt.tree_size > u64::try_from(entry.index).unwrap(), "{what}");
            assert_eq!((receipt.leaf_hash.len(), receipt.root_hash.len()), (32, 32), "{what}");
            assert_eq!(entry.entry.facets, logged[0].entry.facets, "{what}");
        }
        assert_eq!(logged[0].entry.kind, Kind::Query, "{what}");
        let kind = if values.is_empty() { Kind::Refuse } else { Kind::Disclose };
        assert_eq!(logged[1].entry.kind, kind, "{what}");
        assert_eq!(logged[1].facet(Facet::Released), permitted.join("|"), "{what}");
        assert_eq!(logged[1].entry.agency.as_ref().unwrap().as_str(), case.who.agency, "{what}");
    }
}

#[tokio::test]
async fn what_no_vocabulary_has_is_not_written_into_the_log_s_headers() {
    let place = place().await;
    let before = place.log_size();
    let odd = pb::CanShareRequest {
        purpose: "aishas_secret".to_owned(),
        holder: "agencies/aishas-secret".to_owned(),
        fields: fields(&["aishas/secret.word"]),
        r#override: Some(claim("AISHAS_SECRET", &[])),
        basis: "6-1-aishas".to_owned(),
        cited_gateway: "AISHAS-ACT".to_owned(),
        received_for_purpose: "aishas_other".to_owned(),
        ..treatment(AISHA)
    };
    let answer = ask(&place, NURSE, odd).await;
    assert_eq!(outcome(decision(&answer)), "OUTCOME_DENY");
    let log = place.log_file();
    let leaf: Vec<u8> = log
        .query_row("SELECT leaf FROM entry WHERE idx = ?1", [before as i64], |r| r.get(0))
        .unwrap();
    let text = String::from_utf8_lossy(&leaf).to_lowercase();
    assert!(!text.contains("aishas"), "{text}");
}

#[tokio::test]
async fn every_resident_and_holder_of_a_call_is_decided_and_recorded_by_itself() {
    let place = place().await;
    let before = place.log_size();
    let housing = "agencies/northfield-council-housing";
    let asked = pb::RequestRecordsRequest {
        residents: vec![AISHA.path(), SEALED.path(), ABSENT.path()],
        holders: vec!["agencies/oakdale-gp".to_owned(), housing.to_owned()],
        ..request(treatment(AISHA))
    };
    let reply = place.sharing().request_records(place.from(NURSE, asked)).await.unwrap();
    let answers = reply.into_inner().answers;
    let order: Vec<(String, String)> =
        answers.iter().map(|a| (a.resident.clone(), a.holder.clone())).collect();
    let wanted: Vec<(String, String)> = [AISHA, SEALED, ABSENT]
        .iter()
        .flat_map(|one| ["agencies/oakdale-gp", housing].map(|h| (one.path(), h.to_owned())))
        .collect();
    assert_eq!(order, wanted, "residents in order, within each the holders in order");
    // A list of three needs a rule that covers lists; treatment has none.
    for answer in &answers {
        assert_eq!(outcome(decision(answer)), "OUTCOME_DENY");
        assert!(answer.values.is_empty());
    }
    assert!(decision(&answers[0]).codes.contains(&"MIN_BULK_NOT_JUSTIFIED".to_owned()));
    let logged = place.entries(before);
    assert_eq!(logged.len(), 6);
    let calls: BTreeSet<_> = logged.iter().map(|e| e.entry.call).collect();
    let events: BTreeSet<_> = logged.iter().map(|e| e.entry.event).collect();
    assert_eq!((calls.len(), events.len()), (1, 6));
    for (n, (entry, answer)) in (1_u32..).zip(logged.iter().zip(&answers)) {
        assert_eq!((entry.entry.part, entry.entry.parts), (n, 6), "a contiguous run in order");
        assert_eq!(entry.facet(Facet::Subjects), "3", "distinct residents of the call");
        let receipt = answer.receipt.as_ref().unwrap();
        assert_eq!(receipt.entry, format!("entries/{}", entry.index));
        assert_eq!(receipt.tree_size, place.log_size(), "one commit covers the call");
    }

    // Two holders about one resident: the resident counts once, and each holder is judged.
    place.clock.set("2026-07-15T11:00:00+01:00".parse().unwrap());
    let asked = pb::RequestRecordsRequest {
        residents: vec![AISHA.path()],
        holders: vec!["agencies/oakdale-gp".to_owned(), housing.to_owned()],
        ..request(treatment(AISHA))
    };
    let reply = place.sharing().request_records(place.from(NURSE, asked)).await.unwrap();
    let answers = reply.into_inner().answers;
    let outcomes: Vec<_> = answers.iter().map(|a| (outcome(decision(a)), a.values.len())).collect();
    assert_eq!(outcomes, [("OUTCOME_PERMIT", 1), ("OUTCOME_DENY", 0)]);
    assert_eq!(place.entries(before + 6)[0].facet(Facet::Subjects), "1");
}

#[tokio::test]
async fn a_batch_of_questions_is_answered_in_order_without_content() {
    let place = place().await;
    let before = place.log_size();
    let requests = vec![
        treatment(AISHA),
        pb::CanShareRequest { purpose: "marketing".to_owned(), ..treatment(AISHA) },
        treatment(AISHA),
    ];
    let asked = pb::BatchCanShareRequest { requests };
    let reply = place.sharing().batch_can_share(place.from(NURSE, asked)).await.unwrap();
    let answers = reply.into_inner().answers;
    let outcomes: Vec<_> = answers.iter().map(|a| outcome(decision(a))).collect();
    assert_eq!(outcomes, ["OUTCOME_PERMIT", "OUTCOME_DENY", "OUTCOME_PERMIT"]);
    assert!(answers.iter().all(|a| a.values.is_empty()));
    let single = can_share(&place, NURSE, treatment(AISHA)).await;
    assert!(answers[0].decision == single.decision, "one evaluator for one and for many");
    let logged = place.entries(before);
    let rpcs: Vec<_> = logged.iter().map(|e| e.entry.rpc.as_str()).collect();
    let batch = "weir.hub.v1.SharingService/BatchCanShare";
    assert_eq!(rpcs, [batch, batch, batch, "weir.hub.v1.SharingService/CanShare"]);
    assert!(logged.iter().all(|e| e.entry.kind == Kind::Query));
}

/// Asks about `count` residents, one call each, and tells who was refused as a list.
async fn one_by_one(place: &Place, who: Person, count: u128, how: &str) -> Vec<bool> {
    let mut refused = Vec::new();
    for n in 0..count {
        let one = Inhabitant { id: AISHA.id + 0x1000 + n, ..ABSENT };
        let asked = treatment(one);
        let answer = match how {
            "CanShare" => can_share(place, who, asked).await,
            "BatchCanShare" => {
                let asked = pb::BatchCanShareRequest { requests: vec![asked] };
                let reply = place.sharing().batch_can_share(place.from(who, asked)).await;
                reply.unwrap().into_inner().answers.pop().unwrap()
            }
            _ => ask(place, who, asked).await,
        };
        assert_eq!(outcome(decision(&answer)), "OUTCOME_DENY");
        let asked = treatment(AISHA);
        let last = n + 1 == count;
        if last {
            let answer = can_share(place, who, asked).await;
            let codes = &decision(&answer).codes;
            refused.push(codes.iter().any(|c| c == "MIN_BULK_NOT_JUSTIFIED"));
        }
    }
    refused
}

#[tokio::test]
async fn asking_one_by_one_is_a_list_once_the_window_is_full_however_it_is_asked() {
    for how in ["CanShare", "BatchCanShare", "RequestRecords"] {
        let place = place().await;
        assert_eq!(one_by_one(&place, NURSE, 11, how).await, [false], "{how}: twelve are no list");
        assert_eq!(one_by_one(&place, NURSE, 12, how).await, [true], "{how}: thirteen are");
        // The window is the person's own, and for the purpose.
        let other = can_share(&place, NURSE_TWO, treatment(AISHA)).await;
        assert_eq!(outcome(decision(&other)), "OUTCOME_PERMIT", "{how}");
        let purpose = "life_at_risk".to_owned();
        let asked = pb::CanShareRequest { purpose, ..treatment(AISHA) };
        let other = can_share(&place, NURSE, asked).await;
        let codes = &decision(&other).codes;
        assert!(!codes.iter().any(|c| c == "MIN_BULK_NOT_JUSTIFIED"), "{how}: {codes:?}");
        // It moves on.
        place.clock.set("2026-07-15T10:11:00+01:00".parse().unwrap());
        let later = can_share(&place, NURSE, treatment(AISHA)).await;
        assert_eq!(outcome(decision(&later)), "OUTCOME_PERMIT", "{how}");
    }
}

async fn look_up(
    place: &Place,
    who: Person,
    name: &str,
) -> Result<tonic::Response<pb::GetDisclosureResponse>, tonic::Status> {
    let message = pb::GetDisclosureRequest { name: name.to_owned() };
    place.sharing().get_disclosure(place.from(who, message)).await
}

#[tokio::test]
async fn an_earlier_decision_is_told_to_the_agency_that_asked_and_to_nobody_else() {
    let place = place().await;
    let partly = pb::CanShareRequest {
        fields: fields(&["health/summary.conditions", "health/summary.allergies"]),
        ..treatment(AISHA)
    };
    let answer = ask(&place, CARER, partly).await;
    let receipt = answer.receipt.clone().unwrap();
    let two = Person { person: "social-3", ..CARER };
    place.record(vec![staff(two, None)]).await;
    for who in [CARER, two] {
        let before = place.log_size();
        let reply = look_up(&place, who, &receipt.name).await.unwrap().into_inner();
        let told = reply.disclosure.unwrap();
        assert_eq!(
            (told.name.as_str(), told.entry.as_str()),
            (receipt.name.as_str(), receipt.entry.as_str())
        );
        assert_eq!(told.permitted_fields, ["health/summary.conditions"]);
        assert_eq!(told.withheld_fields, ["health/summary.allergies"]);
        assert_eq!(told.codes, ["MIN_NOT_NECESSARY"]);
        assert_eq!(told.policy_hash, answer.policy.as_ref().unwrap().hash);
        assert!(told.requested && told.outcome == i32::from(pb::Outcome::Partial));
        let bytes = prost::Message::encode_to_vec(&told);
        for secret in ["asthma", AISHA.path().as_str(), "Ward round", "CASE-118"] {
            let found = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
            assert!(!found, "an earlier decision is told with {secret}");
        }
        let logged = place.entries(before);
        assert_eq!((logged.len(), logged[0].entry.kind), (1, Kind::AuditRead));
        assert_eq!(reply.receipt.unwrap().entry, format!("entries/{}", logged[0].index));
    }
    let unknown = format!("disclosures/{}", uuid::Uuid::from_u128(7));
    let look = place.entries(place.log_size() - 1)[0].entry.event;
    let before = place.log_size();
    for (what, who, name) in [
        ("another agency's", NURSE, receipt.name.as_str()),
        ("the holder is not the asker", Person { agency: "oakdale-gp", ..NURSE }, &receipt.name),
        ("nobody's", NURSE, &unknown),
        ("an entry that is no decision", CARER, &format!("disclosures/{look}")),
    ] {
        place.record(vec![staff(who, None)]).await;
        let reply = look_up(&place, who, name).await;
        expect_refused(what, reply, Code::NotFound, "NOT_FOUND", &[]);
    }
    let looks = place.entries(before);
    let looks = looks.iter().filter(|e| e.entry.kind == Kind::AuditRead).count();
    assert_eq!(looks, 4, "a look that finds nothing is a look");
    let reply = look_up(&place, NURSE, "disclosures/7").await;
    expect_refused("no name", reply, Code::InvalidArgument, "REQUEST_INVALID", &["name"]);
}

#[tokio::test]
async fn who_has_left_is_told_nothing_of_earlier_decisions() {
    let place = place().await;
    let name = ask(&place, NURSE, treatment(AISHA)).await.receipt.unwrap().name;
    place.record(vec![staff(NURSE, Some("2026-07-15T09:30:00+01:00".parse().unwrap()))]).await;
    let reply = look_up(&place, NURSE, &name).await;
    expect_refused("left", reply, Code::PermissionDenied, "ACCOUNT_INACTIVE", &[]);
    let never = Person { person: "nurse-99", ..NURSE };
    let reply = look_up(&place, never, &name).await;
    expect_refused("never recorded", reply, Code::PermissionDenied, "ACCOUNT_INACTIVE", &[]);
    let answer = ask(&place, NURSE, treatment(AISHA)).await;
    assert!(decision(&answer).codes.contains(&"WHO_ACCOUNT_INACTIVE".to_owned()));
    assert!(answer.values.is_empty());
}

#[tokio::test]
async fn a_request_that_makes_no_sense_names_each_field_and_leaves_no_decision() {
    let place = place().await;
    let good = || request(treatment(AISHA));
    let many = |n: usize, text: &str| vec![text.to_owned(); n];
    type Change = fn(&mut pb::RequestRecordsRequest);
    let table: &[(&str, Change, &[&str])] = &[
        ("no residents", |r| r.residents.clear(), &["residents"]),
        ("no holders", |r| r.holders.clear(), &["holders"]),
        ("no purpose", |r| r.purpose.clear(), &["purpose"]),
        ("no fields", |r| r.fields.clear(), &["fields"]),
        ("nothing", |r| *r = Default::default(), &["residents", "holders"]),
        (
            "a resident by name",
            |r| r.residents = vec!["Aisha Rahman".to_owned()],
            &["residents[0]"],
        ),
        (
            "a bare id",
            |r| r.residents[0] = r.residents[0].replace("residents/", ""),
            &["residents[0]"],
        ),
        ("a bare agency", |r| r.holders[0] = "oakdale-gp".to_owned(), &["holders[0]"]),
        ("a resident twice", |r| r.residents = vec![r.residents[0].clone(); 2], &["residents[1]"]),
        ("a holder twice", |r| r.holders = vec![r.holders[0].clone(); 2], &["holders[1]"]),
        ("a field of no shape", |r| r.fields = vec!["Health Summary".to_owned()], &["fields[0]"]),
        ("a long reason", |r| r.reason = "a b c ".repeat(400), &["reason"]),
        ("a control character", |r| r.reason = "a b c\u{7}".to_owned(), &["reason"]),
        ("a purpose of no shape", |r| r.purpose = "Direct Care".to_owned(), &["purpose"]),
        (
            "an override without a kind",
            |r| r.r#override = Some(pb::OverrideClaim::default()),
            &["override.kind"],
        ),
        (
            "an answer without an answer",
            |r| {
                let mut claim = claim("VITAL", &[]);
                claim.answers.insert("immediate_risk".to_owned(), pb::OverrideAnswer::default());
                r.r#override = Some(claim);
            },
            &["override.answers"],
        ),
        (
            "asserted in a second",
            |r| r.r#override = Some(asserted("2026-07-15T10:00:01+01:00")),
            &["override.asserted_time"],
        ),
    ];
    let before = place.log_size();
    for (what, change, wrong) in table {
        let mut message = good();
        change(&mut message);
        let reply = place.sharing().request_records(place.from(DOCTOR, message)).await;
        expect_refused(what, reply, Code::InvalidArgument, "REQUEST_INVALID", wrong);
    }
    let message = pb::RequestRecordsRequest {
        residents: (0..101).map(|n| Inhabitant { id: n, ..AISHA }.path()).collect(),
        holders: many(20, "agencies/oakdale-gp"),
        ..good()
    };
    let reply = place.sharing().request_records(place.from(DOCTOR, message)).await;
    let wrong = ["residents", "holders"];
    expect_refused("too many", reply, Code::InvalidArgument, "REQUEST_INVALID", &wrong);

    let mut second = treatment(AISHA);
    second.r#override = Some(asserted("2026-07-15T10:00:01+01:00"));
    second.fields.clear();
    let requests = vec![treatment(AISHA), second.clone()];
    let message = pb::BatchCanShareRequest { requests };
    let reply = place.sharing().batch_can_share(place.from(DOCTOR, message)).await;
    let wrong = ["requests[1].fields"];
    expect_refused("the second", reply, Code::InvalidArgument, "REQUEST_INVALID", &wrong);
    second.fields = treatment(AISHA).fields;
    let message = pb::BatchCanShareRequest { requests: vec![treatment(AISHA), second] };
    let reply = place.sharing().batch_can_share(place.from(DOCTOR, message)).await;
    let wrong = ["requests[1].override.asserted_time"];
    expect_refused("the second", reply, Code::InvalidArgument, "REQUEST_INVALID", &wrong);
    let message = pb::BatchCanShareRequest { requests: vec![] };
    let reply = place.sharing().batch_can_share(place.from(DOCTOR, message)).await;
    expect_refused("none", reply, Code::InvalidArgument, "REQUEST_INVALID", &["requests"]);
    let decisions = place.entries(before);
    assert!(decisions.iter().all(|e| e.entry.kind == Kind::TurnedAway), "nothing was decided");
}

fn asserted(at: &str) -> pb::OverrideClaim {
    let at: jiff::Timestamp = at.parse().unwrap();
    let at = prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() };
    let good = claim("BREAK_GLASS", &[("reason", "Unconscious in bay two")]);
    pb::OverrideClaim { asserted_time: Some(at), ..good }
}

#[tokio::test]
async fn an_override_is_good_from_its_assertion_for_its_hours_and_no_longer() {
    let place = place().await;
    for (at, wanted) in [
        ("2026-07-15T10:00:00+01:00", "OUTCOME_PERMIT"),
        ("2026-07-15T02:00:00+01:00", "OUTCOME_PERMIT"),
        ("2026-07-15T01:59:59+01:00", "OUTCOME_DENY"),
    ] {
        let asked = pb::CanShareRequest { r#override: Some(asserted(at)), ..treatment(BEN) };
        let answer = ask(&place, DOCTOR, asked).await;
        assert_eq!(outcome(decision(&answer)), wanted, "{at}");
    }
}

#[tokio::test]
async fn only_somebody_in_a_role_asks() {
    let place = place().await;
    for who in [GP_PUBLISHER, GP_AUDITOR] {
        let before = place.log_size();
        let message = treatment(AISHA);
        let reply = place.sharing().can_share(place.from(who, message)).await;
        expect_refused("CanShare", reply, Code::PermissionDenied, "ROLE_NEEDED", &[]);
        let reply =
            place.sharing().request_records(place.from(who, request(treatment(AISHA)))).await;
        expect_refused("RequestRecords", reply, Code::PermissionDenied, "ROLE_NEEDED", &[]);
        let reply = look_up(&place, who, &format!("disclosures/{}", uuid::Uuid::nil())).await;
        expect_refused("GetDisclosure", reply, Code::PermissionDenied, "ROLE_NEEDED", &[]);
        let kinds: Vec<_> = place.entries(before).iter().map(|e| e.entry.kind).collect();
        assert_eq!(kinds, [Kind::TurnedAway; 3], "who was turned away is in the log");
    }
}
