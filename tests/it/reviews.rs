//! Where a decision waits for a person: over a socket, each person with a token of their own.

use jiff::{SignedDuration, Timestamp};
use tonic::{Code, Response, Status};
use uuid::Uuid;
use weir::audit::entry::{Facet, Kind};
use weir::clock::Clock;
use weir::domain::{
    Capacity, ConsentEvent, ConsentKind, ConsentState, DecisionId, Giver, OverrideClaim,
};
use weir::grpc::pb;
use weir::store::{ChoiceEvent, Fact, Store, StoredChoice};

use crate::support::{
    AISHA, BEN, CONSTABLE, HOUSING, Inhabitant, Place, decision, expect_refused, prepared,
    relationship, request, staff, treatment,
};

type Person = weir::auth::issuer::Person<'static>;

const POLICE: &str = "northshire-police";
const COUNCIL: &str = "northfield-council-housing";
const INSPECTOR: Person = Person { agency: POLICE, person: "insp-1", roles: &["police-inspector"] };
const OFFICER: Person =
    Person { agency: COUNCIL, person: "auth-1", roles: &["authorised-officer"] };
const GUARDIAN: Person =
    Person { agency: COUNCIL, person: "cal-1", roles: &["caldicott-guardian"] };
const POLICE_OFFICER: Person =
    Person { agency: POLICE, person: "auth-9", roles: &["authorised-officer"] };
const GP_GUARDIAN: Person =
    Person { agency: "oakdale-gp", person: "cal-2", roles: &["caldicott-guardian"] };

async fn place() -> Place {
    let place = Place::open().await;
    let start = place.clock.now();
    let all = [INSPECTOR, OFFICER, GUARDIAN, POLICE_OFFICER, GP_GUARDIAN];
    let mut facts: Vec<Fact> = all.into_iter().map(|who| staff(who, None)).collect();
    facts.extend([AISHA, BEN].map(|one| relationship(INSPECTOR, one, start)));
    facts.push(Fact::PolicyDocument {
        agency: COUNCIL.parse().unwrap(),
        until: Some(jiff::civil::date(2026, 12, 31)),
    });
    place.record(facts).await;
    place
}

fn outcome(answer: &pb::Answer) -> &'static str {
    pb::Outcome::try_from(decision(answer).outcome).unwrap().as_str_name()
}

fn later(place: &Place, hours: i64) {
    place.clock.set(place.clock.now() + SignedDuration::from_hours(hours));
}

fn stamp(at: Timestamp) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() })
}

type Reply<T> = Result<Response<T>, Status>;

async fn ask(
    place: &Place,
    who: Person,
    asked: pb::RequestRecordsRequest,
) -> Reply<pb::RequestRecordsResponse> {
    place.sharing().request_records(place.from(who, asked)).await
}

async fn answer(place: &Place, who: Person, asked: pb::RequestRecordsRequest) -> pb::Answer {
    ask(place, who, asked).await.unwrap().into_inner().answers.pop().unwrap()
}

fn id(answer: &pb::Answer) -> String {
    answer.receipt.as_ref().unwrap().name.clone()
}

/// What only the holder can decide.
fn enquiry(about: Inhabitant) -> pb::RequestRecordsRequest {
    request(pb::CanShareRequest {
        holder: format!("agencies/{COUNCIL}"),
        purpose: "crime_enquiry".to_owned(),
        fields: vec!["housing/tenancy.tenancy_status".to_owned()],
        reason: "Burglary at the address".to_owned(),
        ..treatment(about)
    })
}

/// What needs the holder's second person.
fn serious(about: Inhabitant, fields: &[&str]) -> pb::CanShareRequest {
    let text = |text: &str| pb::OverrideAnswer {
        answer: Some(pb::override_answer::Answer::Text(text.to_owned())),
    };
    let answers = ["offence", "necessity", "prejudice"].map(|q| (q.to_owned(), text("as told")));
    pb::CanShareRequest {
        holder: format!("agencies/{COUNCIL}"),
        purpose: "serious_crime".to_owned(),
        fields: fields.iter().map(|f| (*f).to_owned()).collect(),
        reason: "Armed robbery last night".to_owned(),
        r#override: Some(pb::OverrideClaim {
            kind: "SERIOUS_CRIME".to_owned(),
            answers: answers.into(),
            named_approver: Some(pb::NamedApprover {
                agency: format!("agencies/{COUNCIL}"),
                person: OFFICER.person.to_owned(),
            }),
            ..Default::default()
        }),
        ..treatment(about)
    }
}

const TENANCY: &[&str] = &["housing/tenancy.tenancy_status"];

async fn approve(
    place: &Place,
    who: Person,
    disclosure: &str,
) -> Reply<pb::ApproveOverrideResponse> {
    let message =
        pb::ApproveOverrideRequest { disclosure: disclosure.to_owned(), ..Default::default() };
    place.reviews().approve_override(place.from(who, message)).await
}

fn grant(disclosure: &str) -> pb::DecideReferralRequest {
    pb::DecideReferralRequest {
        name: disclosure.replace("disclosures/", "referrals/"),
        decision: pb::ReferralDecision::Grant.into(),
        reason: "The enquiry outweighs confidence".to_owned(),
        ..Default::default()
    }
}

async fn decide(
    place: &Place,
    who: Person,
    message: pb::DecideReferralRequest,
) -> Reply<pb::DecideReferralResponse> {
    place.reviews().decide_referral(place.from(who, message)).await
}

fn with(mut asked: pb::RequestRecordsRequest, disclosure: &str) -> pb::RequestRecordsRequest {
    asked.referral = disclosure.replace("disclosures/", "referrals/");
    asked
}

/// The entries from `from` on that say what became of a review, by the word for it.
fn reviews(place: &Place, from: u64) -> Vec<String> {
    let entries = place.entries(from);
    let of = |kind| entries.iter().filter(move |e| e.entry.kind == kind);
    of(Kind::Review).chain(of(Kind::TurnedAway)).map(|e| e.facet(Facet::What).to_owned()).collect()
}

#[tokio::test]
async fn an_approval_of_a_named_person_counts_once_they_give_it_and_for_one_release() {
    let place = place().await;
    let first = answer(&place, INSPECTOR, request(serious(AISHA, TENANCY))).await;
    assert_eq!(outcome(&first), "OUTCOME_DENY");
    assert!(decision(&first).codes.contains(&"OVR_NEEDS_SECOND_PERSON".to_owned()), "only named");
    let before = place.log_size();
    approve(&place, OFFICER, &id(&first)).await.unwrap();
    let reply = approve(&place, GUARDIAN, &id(&first)).await;
    expect_refused("again", reply, Code::FailedPrecondition, "APPROVED_ALREADY", &[]);
    assert_eq!(reviews(&place, before), ["approve", "approved", "approved-already"]);

    // A question uses nothing up.
    let asked = serious(AISHA, TENANCY);
    let said = place.sharing().can_share(place.from(INSPECTOR, asked)).await.unwrap();
    assert_eq!(outcome(&said.into_inner().answer.unwrap()), "OUTCOME_PERMIT");
    // Other fields, another resident, and another asker have no approval.
    let more = ["housing/tenancy.tenancy_status", "identity/core.name"];
    let two = Person { person: "insp-2", ..INSPECTOR };
    let start = place.clock.now();
    place.record(vec![staff(two, None), relationship(two, AISHA, start)]).await;
    for (what, who, asked) in [
        ("other fields", INSPECTOR, serious(AISHA, &more)),
        ("another resident", INSPECTOR, serious(BEN, TENANCY)),
        ("another asker", two, serious(AISHA, TENANCY)),
    ] {
        let other = answer(&place, who, request(asked)).await;
        assert_eq!((outcome(&other), other.values.len()), ("OUTCOME_DENY", 0), "{what}");
        let codes = &decision(&other).codes;
        assert!(codes.contains(&"OVR_NEEDS_SECOND_PERSON".to_owned()), "{what}: {codes:?}");
    }
    let before = place.log_size();
    let released = answer(&place, INSPECTOR, request(serious(AISHA, TENANCY))).await;
    assert_eq!((outcome(&released), released.values.len()), ("OUTCOME_PERMIT", 1));
    assert_eq!(reviews(&place, before), ["used"]);
    let again = answer(&place, INSPECTOR, request(serious(AISHA, TENANCY))).await;
    assert_eq!((outcome(&again), again.values.len()), ("OUTCOME_DENY", 0), "used");
    let reply = approve(&place, OFFICER, &id(&first)).await;
    expect_refused("replayed", reply, Code::FailedPrecondition, "APPROVED_ALREADY", &[]);
    // Another refused request may be approved anew.
    approve(&place, OFFICER, &id(&again)).await.unwrap();
    later(&place, 24);
    let late = answer(&place, INSPECTOR, request(serious(AISHA, TENANCY))).await;
    assert_eq!((outcome(&late), late.values.len()), ("OUTCOME_DENY", 0), "its time is over");
}

#[tokio::test]
async fn only_an_entitled_other_person_approves() {
    let place = place().await;
    let refused = id(&answer(&place, INSPECTOR, request(serious(AISHA, TENANCY))).await);
    let gone = Person { person: "auth-2", ..OFFICER };
    let self_made = Person { roles: &["authorised-officer"], ..INSPECTOR };
    let related = Person { person: "auth-3", ..OFFICER };
    place
        .record(vec![
            staff(gone, Some(place.clock.now())),
            staff(related, None),
            Fact::Conflict {
                agency: COUNCIL.parse().unwrap(),
                person: related.person.parse().unwrap(),
                resident: AISHA.resident(),
                is_self: false,
                conflict: true,
                tie: None,
            },
        ])
        .await;
    for (what, who, code, reason) in [
        ("the role", HOUSING, Code::PermissionDenied, "APPROVER_NOT_ENTITLED"),
        ("the asker's agency", POLICE_OFFICER, Code::PermissionDenied, "APPROVER_NOT_ENTITLED"),
        ("a third agency", GP_GUARDIAN, Code::NotFound, "NOT_FOUND"),
        ("the asker", self_made, Code::PermissionDenied, "OWN_REQUEST"),
        ("who has left", gone, Code::PermissionDenied, "ACCOUNT_INACTIVE"),
        ("who knows the resident", related, Code::PermissionDenied, "APPROVER_NOT_ENTITLED"),
    ] {
        let before = place.log_size();
        let reply = approve(&place, who, &refused).await;
        expect_refused(what, reply, code, reason, &[]);
        let kinds: Vec<_> = place.entries(before).iter().map(|e| e.entry.kind).collect();
        assert_eq!(kinds, [Kind::TurnedAway], "{what}");
    }
    let plain = id(&answer(&place, CONSTABLE, enquiry(AISHA)).await);
    let reply = approve(&place, OFFICER, &plain).await;
    expect_refused("no override", reply, Code::FailedPrecondition, "NOTHING_TO_APPROVE", &[]);
    let late = place.clock.now() + SignedDuration::from_hours(25);
    for (until, field) in [(late, "expire_time"), (place.clock.now(), "expire_time")] {
        let message = pb::ApproveOverrideRequest {
            disclosure: refused.clone(),
            expire_time: stamp(until),
            ..Default::default()
        };
        let reply = place.reviews().approve_override(place.from(OFFICER, message)).await;
        expect_refused("time", reply, Code::InvalidArgument, "REQUEST_INVALID", &[field]);
    }
    let after = answer(&place, INSPECTOR, request(serious(AISHA, TENANCY))).await;
    assert_eq!(outcome(&after), "OUTCOME_DENY", "nothing of it approved anything");
}

#[tokio::test]
async fn a_granted_referral_is_released_once_to_the_asker_for_the_case() {
    let place = place().await;
    let referred = answer(&place, CONSTABLE, enquiry(AISHA)).await;
    assert_eq!(outcome(&referred), "OUTCOME_REFER");
    let name = id(&referred);
    let use_it = |asked: pb::RequestRecordsRequest| with(asked, &name);
    let reply = ask(&place, CONSTABLE, use_it(enquiry(AISHA))).await;
    expect_refused("open", reply, Code::FailedPrecondition, "REFERRAL_OPEN", &[]);
    let asker = Person { roles: &["authorised-officer"], ..CONSTABLE };
    for (what, who, code, reason) in [
        ("the role", HOUSING, Code::PermissionDenied, "DECIDER_NOT_ENTITLED"),
        ("the asker", asker, Code::NotFound, "NOT_FOUND"),
        ("another agency", GP_GUARDIAN, Code::NotFound, "NOT_FOUND"),
    ] {
        let before = place.log_size();
        let reply = decide(&place, who, grant(&name)).await;
        expect_refused(what, reply, code, reason, &[]);
        assert_eq!(place.entries(before)[0].entry.kind, Kind::TurnedAway, "{what}");
    }
    let more = vec!["identity/core.name".to_owned()];
    let reply =
        decide(&place, OFFICER, pb::DecideReferralRequest { fields: more, ..grant(&name) }).await;
    expect_refused("not referred", reply, Code::InvalidArgument, "REQUEST_INVALID", &["fields"]);
    decide(&place, OFFICER, grant(&name)).await.unwrap();
    let decline = pb::DecideReferralRequest {
        decision: pb::ReferralDecision::Decline.into(),
        ..grant(&name)
    };
    let reply = decide(&place, GUARDIAN, decline).await;
    expect_refused("twice", reply, Code::FailedPrecondition, "REFERRAL_DECIDED", &[]);

    let mut other_case = enquiry(AISHA);
    other_case.case_reference = "CASE-119".to_owned();
    let two = Person { person: "officer-6", ..CONSTABLE };
    let start = place.clock.now();
    place.record(vec![staff(two, None), relationship(two, AISHA, start)]).await;
    for (what, who, asked, code, reason) in [
        ("case", CONSTABLE, other_case, Code::FailedPrecondition, "GRANT_MISMATCH"),
        ("resident", CONSTABLE, enquiry(BEN), Code::FailedPrecondition, "GRANT_MISMATCH"),
        ("person", two, enquiry(AISHA), Code::NotFound, "NOT_FOUND"),
    ] {
        let reply = ask(&place, who, use_it(asked)).await;
        expect_refused(what, reply, code, reason, &[]);
    }
    let mut both = use_it(enquiry(AISHA));
    both.residents.push(BEN.path());
    let reply = ask(&place, CONSTABLE, both).await;
    expect_refused("two", reply, Code::InvalidArgument, "REQUEST_INVALID", &["referral"]);
    let plain = answer(&place, CONSTABLE, enquiry(AISHA)).await;
    assert_eq!(outcome(&plain), "OUTCOME_REFER", "a grant that is not named lifts nothing");

    // What was not granted is judged as ever.
    let mut wider = use_it(enquiry(AISHA));
    wider.fields.push("housing/tenancy.start_date".to_owned());
    let before = place.log_size();
    let released = answer(&place, CONSTABLE, wider).await;
    assert_eq!((outcome(&released), released.values.len()), ("OUTCOME_PARTIAL", 1));
    let entries = place.entries(before);
    let referral = name.replace("disclosures/", "");
    assert_eq!(entries[0].facet(Facet::Review), referral, "the release names the referral");
    assert_eq!((entries[1].facet(Facet::What), entries.len()), ("used", 2), "in one run");
    assert_eq!((entries[0].entry.call, entries[0].entry.parts), (entries[1].entry.call, 2));
    let reply = ask(&place, CONSTABLE, use_it(enquiry(AISHA))).await;
    expect_refused("used", reply, Code::FailedPrecondition, "GRANT_USED", &[]);
}

#[tokio::test]
async fn of_requests_that_race_with_one_grant_exactly_one_is_released() {
    let place = place().await;
    let name = id(&answer(&place, CONSTABLE, enquiry(AISHA)).await);
    decide(&place, OFFICER, grant(&name)).await.unwrap();
    let one = || ask(&place, CONSTABLE, with(enquiry(AISHA), &name));
    let replies = tokio::join!(one(), one(), one(), one(), one(), one(), one(), one());
    let all: [Reply<pb::RequestRecordsResponse>; 8] = replies.into();
    let released = all.iter().filter(|reply| {
        reply.as_ref().is_ok_and(|reply| reply.get_ref().answers[0].values.len() == 1)
    });
    assert_eq!(released.count(), 1);
    for reply in all.into_iter().filter(Result::is_err) {
        expect_refused("later", reply, Code::FailedPrecondition, "GRANT_USED", &[]);
    }
}

#[tokio::test]
async fn a_grant_ends_and_a_declined_referral_gives_nothing() {
    let place = place().await;
    let name = id(&answer(&place, CONSTABLE, enquiry(AISHA)).await);
    decide(&place, OFFICER, grant(&name)).await.unwrap();
    later(&place, 72);
    let reply = ask(&place, CONSTABLE, with(enquiry(AISHA), &name)).await;
    expect_refused("after its time", reply, Code::FailedPrecondition, "GRANT_EXPIRED", &[]);
    let name = id(&answer(&place, CONSTABLE, enquiry(AISHA)).await);
    let decline = pb::DecideReferralRequest {
        decision: pb::ReferralDecision::Decline.into(),
        ..grant(&name)
    };
    decide(&place, OFFICER, decline).await.unwrap();
    let reply = ask(&place, CONSTABLE, with(enquiry(AISHA), &name)).await;
    expect_refused("declined", reply, Code::FailedPrecondition, "REFERRAL_DECLINED", &[]);
}

/// What the custodian and the assessor say of her.
fn circumstances(flag: Option<&str>, capacity: Capacity) -> Vec<Fact> {
    let flags = ["sealed", "in-refuge", "protected-person"].map(|known| Fact::Flag {
        resident: AISHA.resident(),
        flag: known.parse().unwrap(),
        agency: "northfield-council-childrens".parse().unwrap(),
        set: flag == Some(known),
    });
    let assessed =
        Fact::Capacity { resident: AISHA.resident(), capacity, on: jiff::civil::date(2026, 7, 14) };
    flags.into_iter().chain([assessed]).collect()
}

async fn consent(place: &Place, state: ConsentState) {
    let event = ConsentEvent {
        kind: ConsentKind::ConfidentialityExplicit,
        state,
        at: place.clock.now(),
        until: jiff::civil::date(2027, 6, 30),
        purposes: ["medical_priority".parse().unwrap()].into(),
        recipients: [COUNCIL.parse().unwrap()].into(),
        fields: None,
        by: Giver::Own,
        evidence: true,
        gillick: false,
        freely_given: true,
        parts: [].into(),
        collected: Default::default(),
        proxy: None,
    };
    let choice = StoredChoice {
        id: DecisionId::from_uuid(Uuid::new_v4()),
        recorded_by: COUNCIL.parse().unwrap(),
        recorded_at: place.clock.now(),
        event: ChoiceEvent::Consent(event),
    };
    let store = place.app.store.as_ref();
    store.record_choice(AISHA.resident(), choice, vec![prepared(Kind::Choice)]).await.unwrap();
}

#[tokio::test]
async fn a_grant_lifts_what_was_referred_and_nothing_that_has_failed_since() {
    let place = place().await;
    let name = id(&answer(&place, CONSTABLE, enquiry(AISHA)).await);
    decide(&place, OFFICER, grant(&name)).await.unwrap();
    place.record(circumstances(Some("sealed"), Capacity::Has)).await;
    let before = place.log_size();
    let sealed = answer(&place, CONSTABLE, with(enquiry(AISHA), &name)).await;
    assert_eq!((outcome(&sealed), sealed.values.len()), ("OUTCOME_DENY", 0));
    assert_eq!(decision(&sealed).codes, ["SUBJ_NOT_AVAILABLE"]);
    assert_eq!(reviews(&place, before), [""; 0], "nothing was released, nothing is used");
    place.record(circumstances(None, Capacity::InDoubt)).await;
    consent(&place, ConsentState::Given).await;

    let priority = || {
        request(pb::CanShareRequest {
            purpose: "medical_priority".to_owned(),
            fields: vec!["health/support.mobility".to_owned()],
            ..treatment(AISHA)
        })
    };
    let referred = answer(&place, HOUSING, priority()).await;
    assert_eq!(outcome(&referred), "OUTCOME_REFER", "{:?}", decision(&referred).codes);
    decide(&place, GP_GUARDIAN, grant(&id(&referred))).await.unwrap();
    later(&place, 1);
    consent(&place, ConsentState::Withdrawn).await;
    let withdrawn = answer(&place, HOUSING, with(priority(), &id(&referred))).await;
    assert_eq!((outcome(&withdrawn), withdrawn.values.len()), ("OUTCOME_DENY", 0));
    assert!(decision(&withdrawn).codes.contains(&"CNS_WITHDRAWN".to_owned()));
    later(&place, 1);
    consent(&place, ConsentState::Renewed).await;
    let released = answer(&place, HOUSING, with(priority(), &id(&referred))).await;
    assert_eq!((outcome(&released), released.values.len()), ("OUTCOME_PERMIT", 1));
}

#[tokio::test]
async fn a_duty_is_met_once_by_the_agency_that_owes_it() {
    let place = place().await;
    let refused = id(&answer(&place, INSPECTOR, request(serious(AISHA, TENANCY))).await);
    approve(&place, OFFICER, &refused).await.unwrap();
    let released = answer(&place, INSPECTOR, request(serious(AISHA, TENANCY))).await;
    let meet = |duty: &str| pb::FulfilObligationRequest {
        name: format!("{}/obligations/{duty}", id(&released)),
        note: "Entered on the case file".to_owned(),
        request_id: String::new(),
    };
    for (what, who, duty, code, reason) in [
        ("the holder", OFFICER, "RECORD_REASON", Code::NotFound, "NOT_FOUND"),
        ("not of this release", INSPECTOR, "NOTIFY_SUBJECT", Code::NotFound, "NOT_FOUND"),
        ("the hub's own", INSPECTOR, "UPDATE_RECIPIENT_LEDGER", Code::NotFound, "NOT_FOUND"),
        ("theirs", INSPECTOR, "RECORD_REASON", Code::Ok, ""),
        ("again", INSPECTOR, "RECORD_REASON", Code::FailedPrecondition, "DUTY_NOT_OPEN"),
    ] {
        let reply = place.reviews().fulfil_obligation(place.from(who, meet(duty))).await;
        expect_refused(what, reply, code, reason, &[]);
    }
}

async fn waiting(place: &Place, who: Person) -> Vec<pb::Referral> {
    let message = pb::ListReferralsRequest::default();
    let reply = place.reviews().list_referrals(place.from(who, message)).await.unwrap();
    reply.into_inner().referrals
}

#[tokio::test]
async fn referrals_are_listed_for_who_decides_and_who_asked() {
    let place = place().await;
    let name = id(&answer(&place, CONSTABLE, enquiry(AISHA)).await);
    for (who, count) in [
        (OFFICER, 1),
        (GUARDIAN, 1),
        (CONSTABLE, 1),
        (HOUSING, 0),
        (INSPECTOR, 0),
        (GP_GUARDIAN, 0),
    ] {
        assert_eq!(waiting(&place, who).await.len(), count, "{}", who.person);
    }
    let listed = waiting(&place, OFFICER).await.pop().unwrap();
    assert_eq!(listed.name, name.replace("disclosures/", "referrals/"));
    assert_eq!((listed.resident, listed.fields), (AISHA.path(), enquiry(AISHA).fields));
    assert_eq!(listed.due_time, stamp(place.clock.now() + SignedDuration::from_hours(24)));
    assert_eq!(listed.state, i32::from(pb::ReferralState::Open));
    decide(&place, OFFICER, grant(&name)).await.unwrap();
    let state = async || waiting(&place, CONSTABLE).await[0].state;
    assert_eq!(state().await, i32::from(pb::ReferralState::Decided));
    answer(&place, CONSTABLE, with(enquiry(AISHA), &name)).await;
    assert_eq!(state().await, i32::from(pb::ReferralState::Used));
}

async fn owed(place: &Place, who: Person) -> Vec<(String, &'static str)> {
    let message = pb::ListObligationsRequest::default();
    let reply = place.reviews().list_obligations(place.from(who, message)).await.unwrap();
    let all = reply.into_inner().obligations.into_iter();
    all.map(|one| (one.duty, pb::ObligationState::try_from(one.state).unwrap().as_str_name()))
        .collect()
}

async fn swept(place: &Place) -> Vec<String> {
    let before = place.log_size();
    let mut sweep = weir::hub::Sweep::default();
    while place.app.hub.sweep(&mut sweep).await.unwrap() {}
    let entries = place.entries(before);
    entries.iter().map(|e| format!("{} {}", e.facet(Facet::What), e.facet(Facet::Duties))).collect()
}

#[tokio::test]
async fn a_duty_that_is_not_met_in_time_is_late_in_the_log_once() {
    let place = place().await;
    let refused = id(&answer(&place, INSPECTOR, request(serious(AISHA, TENANCY))).await);
    approve(&place, OFFICER, &refused).await.unwrap();
    let released = answer(&place, INSPECTOR, request(serious(AISHA, TENANCY))).await;
    let state = |duty: &str, all: &[(String, &'static str)]| {
        all.iter().find(|(name, _)| name == duty).unwrap().1
    };
    let all = owed(&place, INSPECTOR).await;
    assert_eq!(state("RECORD_REASON", &all), "OBLIGATION_STATE_OPEN");
    assert!(all.iter().all(|(duty, _)| duty != "UPDATE_RECIPIENT_LEDGER"), "the hub's own");
    assert_eq!(owed(&place, OFFICER).await, [], "another agency's");
    let message = pb::FulfilObligationRequest {
        name: format!("{}/obligations/EXPIRE_AT", id(&released)),
        note: "Put out of use".to_owned(),
        request_id: String::new(),
    };
    place.reviews().fulfil_obligation(place.from(INSPECTOR, message)).await.unwrap();
    assert_eq!(swept(&place).await, [""; 0], "nothing is late");
    later(&place, 24);
    let mut late = swept(&place).await;
    late.sort();
    assert_eq!(late, ["overdue RECORD_REASON"]);
    assert_eq!(swept(&place).await, [""; 0], "once, also for a sweep that begins anew");
    let all = owed(&place, INSPECTOR).await;
    assert_eq!(state("RECORD_REASON", &all), "OBLIGATION_STATE_OVERDUE");
    assert_eq!(state("EXPIRE_AT", &all), "OBLIGATION_STATE_MET");
    assert_eq!(state("REVIEW_BY", &all), "OBLIGATION_STATE_OPEN", "it has a week");
    assert_eq!(state("NO_ONWARD", &all), "OBLIGATION_STATE_OPEN", "it is never late");
}

#[test]
fn an_approver_is_nothing_that_a_claim_can_name() {
    let text = r#"{"kind":"SERIOUS_CRIME","answers":{},"asserted_at":null,"approver":null,
        "named":{"agency":"northfield-council-housing","person":"auth-1"}}"#;
    let claim: OverrideClaim = serde_json::from_str(text).unwrap();
    assert!(claim.approver.is_none() && claim.named.is_some());
}

#[test]
fn an_operator_lists_what_is_due_and_is_told_by_the_exit_code_that_something_is_late() {
    use crate::story::weir;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let shown = data.to_str().unwrap();
    assert_eq!(weir(&["demo", "--exit", "--data", shown]).0, 0);
    let (exit, said) = weir(&["due", "--data", shown]);
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("REVIEW_BY") && said.contains("0 of them late"), "{said}");
    let start: Timestamp =
        std::fs::read_to_string(data.join("sample-clock")).unwrap().trim().parse().unwrap();
    let late = start + SignedDuration::from_hours(48);
    std::fs::write(data.join("sample-clock"), format!("{late}\n")).unwrap();
    let (exit, said) = weir(&["due", "--data", shown, "--json"]);
    assert_eq!(exit, 1, "{said}");
    let rows: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let review = rows.iter().find(|r| r["name"].as_str().unwrap().ends_with("REVIEW_BY")).unwrap();
    assert_eq!(review["state"], "overdue");
}

/// The id that versions before gave the first approval of this question.
fn id_of_before(principal: [u8; 16], about: Inhabitant) -> DecisionId {
    let resident: Uuid = about.path().trim_start_matches("residents/").parse().unwrap();
    let parts: [&[u8]; 7] = [
        b"approval",
        &principal,
        resident.as_bytes(),
        COUNCIL.as_bytes(),
        b"serious_crime",
        b"SERIOUS_CRIME",
        &0_u32.to_be_bytes(),
    ];
    let mut all = Vec::new();
    for part in parts {
        all.extend((part.len() as u64).to_be_bytes());
        all.extend(part);
    }
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &all);
    let bytes = digest.as_ref()[..16].try_into().unwrap();
    DecisionId::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

#[tokio::test]
async fn nobody_can_look_whether_there_is_an_approval_and_older_ones_still_count() {
    let (first, second) = (place().await, place().await);
    let refused = id(&answer(&first, INSPECTOR, request(serious(AISHA, TENANCY))).await);
    let before = first.log_size();
    approve(&first, OFFICER, &refused).await.unwrap();
    let made = first.entries(before).into_iter();
    let mut made = made.filter(|one| one.facet(Facet::What) == "approve");
    let mut made = made.next().unwrap();
    let asker = first.entries(0).into_iter().rfind(|one| one.entry.kind == Kind::Refuse).unwrap();
    let guessed = id_of_before(asker.entry.principal, AISHA);
    assert_ne!(made.entry.event, guessed);
    assert!(first.app.store.entry(guessed).await.unwrap().is_none());
    // The same approval in another hub, as a version before has written it.
    answer(&second, INSPECTOR, request(serious(AISHA, TENANCY))).await;
    made.entry.event = guessed;
    made.entry.slots = std::mem::take(&mut made.slots)
        .into_iter()
        .map(|(slot, bytes)| (weir::audit::entry::SlotId::from_number(slot).unwrap(), bytes))
        .collect();
    second.app.store.append(vec![made.entry]).await.unwrap();
    let released = answer(&second, INSPECTOR, request(serious(AISHA, TENANCY))).await;
    assert_eq!(outcome(&released), "OUTCOME_PERMIT");
    let again = answer(&second, INSPECTOR, request(serious(AISHA, TENANCY))).await;
    assert_ne!(outcome(&again), "OUTCOME_PERMIT", "an approval is good for one release");
}
