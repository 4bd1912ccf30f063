//! Residents at a portal: what they see of releases about them, what they ask for, and that whoever holds the login
//! learns nothing of what is sealed.

use jiff::SignedDuration;
use tonic::{Code, Response, Status};
use weir::audit::entry::{Facet, Kind};
use weir::clock::Clock;
use weir::grpc::pb;

use crate::support::{
    ABSENT, AISHA, BEN, GP_AUDITOR, Inhabitant, NURSE, PROTECTED, Place, SEALED, decision,
    expect_refused, relationship, request, treatment,
};

type Person = weir::auth::issuer::Person<'static>;
type Reply<T> = Result<Response<T>, Status>;

const PORTAL: Person = Person {
    agency: "northfield-council-early-help",
    person: "portal-1",
    roles: &["hub-resident-portal"],
};
const GP_OFFICER: Person =
    Person { agency: "oakdale-gp", person: "rights-1", roles: &["hub-rights-officer"] };
const HOSPITAL_OFFICER: Person =
    Person { agency: "northfield-hospital", person: "rights-2", roles: &["hub-rights-officer"] };

async fn place() -> Place {
    let place = Place::open().await;
    let now = place.clock.now();
    place.record([AISHA, BEN].map(|one| relationship(NURSE, one, now)).into()).await;
    place
}

fn later(place: &Place, days: i64) {
    place.clock.set(place.clock.now() + SignedDuration::from_hours(24 * days));
}

/// A release; `told` is whether the resident may be told.
async fn release(place: &Place, about: Inhabitant, told: bool) -> String {
    let do_not_tell_reason = if told { "" } else { "A partner reads over her shoulder" };
    let question = pb::CanShareRequest {
        do_not_tell_reason: do_not_tell_reason.to_owned(),
        ..treatment(about)
    };
    let reply = place.sharing().request_records(place.from(NURSE, request(question))).await;
    let answer = reply.unwrap().into_inner().answers.pop().unwrap();
    let outcome = pb::Outcome::try_from(decision(&answer).outcome).unwrap();
    assert!(outcome == pb::Outcome::Permit, "{:?}", decision(&answer).codes);
    answer.receipt.unwrap().name
}

async fn page(
    place: &Place,
    one: Inhabitant,
    page_size: i32,
    page_token: String,
) -> pb::ListDisclosuresResponse {
    let message = pb::ListDisclosuresRequest { page_size, page_token };
    let request = place.session(PORTAL, one, message);
    place.rights().list_disclosures(request).await.unwrap().into_inner()
}

async fn seen(place: &Place, one: Inhabitant) -> Vec<pb::SeenDisclosure> {
    page(place, one, 0, String::new()).await.disclosures
}

async fn review(
    place: &Place,
    who: Person,
    disclosure: &str,
    days: i32,
) -> Reply<pb::ReviewVisibilityResponse> {
    let message = pb::ReviewVisibilityRequest {
        disclosure: disclosure.to_owned(),
        show: days == 0,
        review_days: days,
        reason: "Spoke with her case worker".to_owned(),
        request_id: String::new(),
    };
    place.rights().review_visibility(place.from(who, message)).await
}

async fn sealed(place: &Place, who: Person, due_only: bool) -> Vec<pb::SealedDisclosure> {
    let message = pb::ListSealedRequest { due_only, ..Default::default() };
    let reply = place.rights().list_sealed(place.from(who, message)).await;
    reply.unwrap().into_inner().disclosures
}

#[tokio::test]
async fn a_resident_sees_who_received_what_and_why() {
    let place = place().await;
    let first = release(&place, AISHA, true).await;
    later(&place, 0);
    let second = release(&place, AISHA, true).await;
    release(&place, BEN, true).await;
    let before = place.log_size();
    let found = seen(&place, AISHA).await;
    assert_eq!(found.iter().map(|one| &one.name).collect::<Vec<_>>(), [&second, &first]);
    let sentence = found[0].sentence.clone().unwrap();
    assert!(sentence.en.starts_with("Oakdale GP Practice gave Northfield Hospital NHS Trust: "));
    assert!(sentence.cy.starts_with("Rhoddodd Oakdale GP Practice i Northfield Hospital"));
    assert!(!found[0].rules.is_empty());
    let all = format!("{}{}", sentence.en, sentence.cy);
    assert!(!all.contains("nurse"), "an organisation, no person");
    // The look is an entry about the resident.
    let entry = place.entries(before).pop().unwrap();
    assert_eq!((entry.entry.kind, entry.facet(Facet::What)), (Kind::Rights, "disclosures"));
    assert_eq!(entry.slots[&1], AISHA.resident().uuid().as_bytes());

    let one = page(&place, AISHA, 1, String::new()).await;
    let two = page(&place, AISHA, 1, one.next_page_token.clone()).await;
    assert_eq!((&one.disclosures[0].name, &two.disclosures[0].name), (&second, &first));
    assert!(two.next_page_token.is_empty());
    // A page token is good for who got it.
    let message = pb::ListDisclosuresRequest { page_size: 1, page_token: "x".to_owned() };
    let reply = place.rights().list_disclosures(place.session(PORTAL, AISHA, message)).await;
    assert_eq!(crate::support::refused(reply).2, ["page_token"]);
}

#[tokio::test]
async fn the_login_of_the_dead_opens_nothing() {
    let place = place().await;
    release(&place, AISHA, true).await;
    let died = Some(jiff::civil::date(2026, 7, 1));
    place.record(vec![weir::domain::Fact::Death { resident: AISHA.resident(), died }]).await;
    let message = pb::ListDisclosuresRequest::default();
    let reply = place.rights().list_disclosures(place.session(PORTAL, AISHA, message)).await;
    expect_refused("dead", reply, Code::PermissionDenied, "SAR_NOT_AUTHORISED", &[]);
}

#[tokio::test]
async fn nobody_else_reads_as_a_resident() {
    let place = place().await;
    for who in [NURSE, GP_AUDITOR, GP_OFFICER] {
        let message = pb::ListDisclosuresRequest::default();
        let reply = place.rights().list_disclosures(place.from(who, message)).await;
        expect_refused(who.person, reply, Code::PermissionDenied, "FUNCTION_NEEDED", &[]);
    }
    // A portal without a resident is nobody.
    let message = pb::ListDisclosuresRequest::default();
    let reply = place.rights().list_disclosures(place.from(PORTAL, message)).await;
    expect_refused("portal", reply, Code::Unauthenticated, "TOKEN_MALFORMED", &[]);
    // And a portal asks for nothing else.
    let asked = place.session(PORTAL, AISHA, treatment(AISHA));
    let reply = place.sharing().can_share(asked).await;
    expect_refused("a question", reply, Code::PermissionDenied, "ROLE_NEEDED", &[]);
}

/// Everything a login shows, without what is new with each call.
async fn shown(place: &Place, one: Inhabitant, own: &[String]) -> String {
    let mut out = String::new();
    let mut token = String::new();
    for _ in 0..8 {
        let found = page(place, one, 2, token).await;
        for line in &found.disclosures {
            let at = own.iter().position(|name| *name == line.name).unwrap();
            let sentence = line.sentence.clone().unwrap();
            out.push_str(&format!("{at} {:?} {} {}\n", line.time, sentence.en, sentence.cy));
            out.push_str(&format!("{:?} {:?}\n", line.laws, line.rules));
        }
        out.push_str(&format!("token {}\n", found.next_page_token.len()));
        token = found.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let request = place.session(PORTAL, one, pb::ListRequestsRequest::default());
    let requests = place.rights().list_requests(request).await.unwrap().into_inner();
    out.push_str(&format!("requests {}\n", requests.requests.len()));
    out
}

async fn challenge(
    place: &Place,
    one: Inhabitant,
    name: &str,
) -> Reply<pb::ChallengeEntryResponse> {
    let message = pb::ChallengeEntryRequest {
        disclosure: name.to_owned(),
        text: "I was not at the hospital that day".to_owned(),
        request_id: String::new(),
    };
    place.rights().challenge_entry(place.session(PORTAL, one, message)).await
}

#[tokio::test]
async fn whoever_holds_the_login_cannot_tell_that_anything_is_sealed() {
    let place = place().await;
    let (mut aisha, mut ben, mut hidden) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        aisha.push(release(&place, AISHA, true).await);
        ben.push(release(&place, BEN, true).await);
        hidden.push(release(&place, AISHA, false).await);
        hidden.push(release(&place, AISHA, false).await);
    }
    assert_eq!(shown(&place, AISHA, &aisha).await, shown(&place, BEN, &ben).await);
    // To challenge a sealed line, another's line and none at all is one and the same answer.
    let none = "disclosures/00000000-0000-4000-8000-000000000000".to_owned();
    let mut told = Vec::new();
    for name in [&hidden[0], &ben[0], &none] {
        let status = challenge(&place, AISHA, name).await.err().unwrap();
        told.push((status.code(), status.message().to_owned(), status.details().to_vec()));
    }
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
    // Long after, too; and the auditor of the agency that gave counts them.
    later(&place, 400);
    let later_on = place.issuer.token(GP_AUDITOR, place.clock.now(), 10).unwrap();
    assert_eq!(shown(&place, AISHA, &aisha).await, shown(&place, BEN, &ben).await);
    let asked = crate::support::bearing(&later_on, pb::GetVisibilityFiguresRequest {});
    let figures = place.rights().get_visibility_figures(asked).await.unwrap().into_inner();
    assert_eq!((figures.visible_count, figures.delayed_count), (6, 0));
    assert_eq!((figures.sealed_count, figures.overdue_count), (6, 6));
}

#[tokio::test]
async fn closed_records_and_strangers_see_an_empty_list() {
    let place = place().await;
    for one in [SEALED, PROTECTED, ABSENT] {
        assert!(seen(&place, one).await.is_empty());
    }
    // What was seen before somebody had to be hidden stays; what is released after does not come.
    let before = release(&place, AISHA, true).await;
    assert_eq!(seen(&place, AISHA).await.len(), 1);
    later(&place, 1);
    let custodian =
        Person { agency: "oakdale-gp", person: "custodian-1", roles: &["hub-custodian"] };
    let flag = pb::FlagFact { resident: AISHA.path(), flag: "sealed".to_owned(), set: true };
    let fact = pb::Fact { etag: String::new(), fact: Some(pb::fact::Fact::Flag(flag)) };
    let message = pb::RecordFactsRequest { facts: vec![fact], request_id: String::new() };
    place.facts().record_facts(place.from(custodian, message)).await.unwrap();
    let found = seen(&place, AISHA).await;
    assert_eq!(found.iter().map(|one| &one.name).collect::<Vec<_>>(), [&before]);
}

#[tokio::test]
async fn a_person_of_the_agency_that_gave_says_what_is_shown() {
    let place = place().await;
    let hidden = release(&place, AISHA, false).await;
    assert!(seen(&place, AISHA).await.is_empty());
    let found = sealed(&place, GP_OFFICER, false).await;
    assert_eq!(found.iter().map(|one| &one.name).collect::<Vec<_>>(), [&hidden]);
    assert!(sealed(&place, GP_OFFICER, true).await.is_empty(), "nobody has to look yet");
    assert!(sealed(&place, HOSPITAL_OFFICER, false).await.is_empty(), "who got decides nothing");
    let reply = review(&place, HOSPITAL_OFFICER, &hidden, 0).await;
    expect_refused("of who got", reply, Code::NotFound, "NOT_FOUND", &[]);
    expect_refused(
        "a nurse",
        review(&place, NURSE, &hidden, 0).await,
        Code::PermissionDenied,
        "FUNCTION_NEEDED",
        &[],
    );

    review(&place, GP_OFFICER, &hidden, 0).await.unwrap();
    assert_eq!(seen(&place, AISHA).await.len(), 1);
    // The later word counts, and says when to look again.
    review(&place, GP_OFFICER, &hidden, 7).await.unwrap();
    assert!(seen(&place, AISHA).await.is_empty());
    later(&place, 8);
    assert_eq!(sealed(&place, GP_OFFICER, true).await.len(), 1);
    // Whether it is sealed does not stand in a head.
    let said: Vec<_> =
        place.entries(0).into_iter().filter(|e| e.facet(Facet::What) == "visibility").collect();
    assert_eq!(said.len(), 2);
    assert_eq!(said[0].entry.facets, said[1].entry.facets);
    let message = pb::ReviewVisibilityRequest {
        disclosure: hidden,
        show: true,
        review_days: 3,
        reason: "x".to_owned(),
        request_id: String::new(),
    };
    let reply = place.rights().review_visibility(place.from(GP_OFFICER, message)).await;
    expect_refused("both", reply, Code::InvalidArgument, "REQUEST_INVALID", &["review_days"]);
}

async fn file(place: &Place, kind: &str, request_id: &str) -> Reply<pb::FileRequestResponse> {
    let message = pb::FileRequestRequest {
        controller: "agencies/oakdale-gp".to_owned(),
        kind: kind.to_owned(),
        text: "Everything that you keep about me".to_owned(),
        request_id: request_id.to_owned(),
    };
    place.rights().file_request(place.session(PORTAL, AISHA, message)).await
}

async fn step(
    place: &Place,
    who: Person,
    name: &str,
    step: &str,
) -> Reply<pb::AdvanceRequestResponse> {
    let message = pb::AdvanceRequestRequest {
        request: name.to_owned(),
        step: step.to_owned(),
        text: "Please tell us which years you mean".to_owned(),
        request_id: String::new(),
    };
    place.rights().advance_request(place.from(who, message)).await
}

async fn requests(place: &Place, one: Inhabitant) -> Vec<pb::ResidentRequest> {
    let request = place.session(PORTAL, one, pb::ListRequestsRequest::default());
    place.rights().list_requests(request).await.unwrap().into_inner().requests
}

#[tokio::test]
async fn a_request_runs_by_its_clock() {
    let place = place().await;
    let id = "018f0000-0000-7000-8000-0000000000aa";
    let filed = file(&place, "access", id).await.unwrap().into_inner();
    assert_eq!(filed.answer_by, "2026-08-15");
    // Said twice, filed once.
    let again = file(&place, "access", id).await.unwrap().into_inner();
    assert_eq!((&again.request, &again.answer_by), (&filed.request, &filed.answer_by));
    assert_eq!(requests(&place, AISHA).await.len(), 1);
    assert!(requests(&place, BEN).await.is_empty());
    // Only the agency that was asked takes steps.
    let reply = step(&place, HOSPITAL_OFFICER, &filed.request, "answered").await;
    expect_refused("of another", reply, Code::NotFound, "NOT_FOUND", &[]);

    later(&place, 10);
    step(&place, GP_OFFICER, &filed.request, "paused").await.unwrap();
    let reply = step(&place, GP_OFFICER, &filed.request, "paused").await;
    expect_refused("twice", reply, Code::InvalidArgument, "REQUEST_INVALID", &["step"]);
    later(&place, 40);
    let found = requests(&place, AISHA).await.pop().unwrap();
    assert!(found.paused && !found.overdue);
    let resumed = step(&place, GP_OFFICER, &filed.request, "resumed").await.unwrap().into_inner();
    assert_eq!(resumed.answer_by, "2026-09-24");
    later(&place, 30);
    let found = requests(&place, AISHA).await.pop().unwrap();
    assert!(found.overdue, "{}", found.answer_by);
    assert_eq!(found.text, "Everything that you keep about me");
    let mut rights = place.rights();
    let queue = rights.list_requests(
        place.from(GP_OFFICER, pb::ListRequestsRequest { open_only: true, ..Default::default() }),
    );
    assert_eq!(queue.await.unwrap().into_inner().requests.len(), 1);
    step(&place, GP_OFFICER, &filed.request, "answered").await.unwrap();
    let found = requests(&place, AISHA).await.pop().unwrap();
    let steps: Vec<&str> = found.steps.iter().map(|one| one.step.as_str()).collect();
    assert_eq!(steps, ["paused", "resumed", "answered"]);
    assert!(!found.overdue);
    // What was written stands in no head.
    for entry in place.entries(0) {
        let heads = format!("{:?}", entry.entry.facets);
        assert!(!heads.contains("Everything") && !heads.contains("which years"), "{heads}");
    }
    let reply = file(&place, "everything", "").await;
    expect_refused("no kind", reply, Code::InvalidArgument, "REQUEST_INVALID", &["kind"]);
}

#[tokio::test]
async fn a_line_that_looks_wrong_is_a_request_to_who_gave() {
    let place = place().await;
    let name = release(&place, AISHA, true).await;
    let filed = challenge(&place, AISHA, &name).await.unwrap().into_inner();
    let found = requests(&place, AISHA).await.pop().unwrap();
    assert_eq!((found.name, found.kind.as_str()), (filed.request, "challenge"));
    assert_eq!((found.controller.as_str(), found.disclosure), ("agencies/oakdale-gp", name));
    let complaint = file(&place, "complaint", "").await.unwrap().into_inner();
    let found = requests(&place, AISHA).await.pop().unwrap();
    assert_eq!(found.acknowledge_by, "2026-08-14");
    step(&place, GP_OFFICER, &complaint.request, "acknowledged").await.unwrap();
    assert!(requests(&place, AISHA).await.pop().unwrap().acknowledge_by.is_empty());
}
