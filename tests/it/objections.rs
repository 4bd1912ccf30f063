//! Objections and restrictions as state machines with clocks, over a socket: held while pending, decided once, lifted only
//! after telling, and late when the day is past.

use jiff::SignedDuration;
use tonic::{Code, Response, Status};
use weir::audit::entry::{Facet, Kind};
use weir::clock::Clock;
use weir::domain::{Fact, Register};
use weir::grpc::pb;

use crate::support::{
    AISHA, BEN, CHILDRENS, HOUSING, Inhabitant, NURSE, Place, decision, refused, relationship,
    request, staff, treatment,
};

type Person = weir::auth::issuer::Person<'static>;
type Reply<T> = Result<Response<T>, Status>;

const OFFICER: Person =
    Person { agency: "northfield-hospital", person: "privacy-1", roles: &["hub-privacy-officer"] };

async fn object(place: &Place) -> String {
    let message = pb::RecordObjectionRequest {
        resident: BEN.path(),
        kind: "art21".to_owned(),
        purpose: "child_welfare".to_owned(),
        ..Default::default()
    };
    let made = place.choices().record_objection(place.from(CHILDRENS, message)).await;
    made.unwrap().into_inner().choice
}

async fn restrict(place: &Place) -> String {
    let message = pb::SetRestrictionRequest {
        resident: AISHA.path(),
        fields: vec!["health/summary.allergies".to_owned()],
        ..Default::default()
    };
    let made = place.choices().set_restriction(place.from(NURSE, message)).await;
    made.unwrap().into_inner().choice
}

async fn decide(place: &Place, choice: &str, upheld: bool) -> Reply<pb::DecideObjectionResponse> {
    let message = pb::DecideObjectionRequest {
        choice: choice.to_owned(),
        upheld,
        reason: "Weighed against the duty to the child".to_owned(),
        request_id: String::new(),
    };
    place.choices().decide_objection(place.from(OFFICER, message)).await
}

async fn advance(place: &Place, choice: &str, step: &str) -> Reply<pb::AdvanceChoiceResponse> {
    let message = pb::AdvanceChoiceRequest {
        choice: choice.to_owned(),
        step: step.to_owned(),
        reason: "By letter of today".to_owned(),
        request_id: String::new(),
    };
    place.choices().advance_choice(place.from(OFFICER, message)).await
}

async fn lift(place: &Place, choice: &str) -> Reply<pb::LiftRestrictionResponse> {
    let message = pb::LiftRestrictionRequest {
        choice: choice.to_owned(),
        reason: "The entry was checked".to_owned(),
        request_id: String::new(),
    };
    place.choices().lift_restriction(place.from(OFFICER, message)).await
}

async fn take_back(place: &Place, choice: &str) -> Reply<pb::WithdrawObjectionResponse> {
    let message =
        pb::WithdrawObjectionRequest { choice: choice.to_owned(), request_id: String::new() };
    place.choices().withdraw_objection(place.from(CHILDRENS, message)).await
}

async fn stands(place: &Place, who: Person, of: Inhabitant) -> pb::Objection {
    let message = pb::ListChoicesRequest { resident: of.path(), ..Default::default() };
    let listed = place.choices().list_choices(place.from(who, message)).await.unwrap();
    let mut objections = listed.into_inner().choices.into_iter().filter_map(|c| match c.event {
        Some(pb::choice::Event::Objection(one)) => Some(one),
        _ => None,
    });
    let one = objections.next().unwrap();
    assert!(objections.next().is_none());
    one
}

/// Refused for what the choice is: the field, and a part of the sentence.
#[track_caller]
fn refuses<T>(reply: Reply<T>, says: &str) {
    let status = reply.err().expect(says);
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let text = format!("{status:?}");
    let fields = refused::<T>(Err(status)).2;
    assert_eq!(fields, ["choice"]);
    assert!(text.contains(says), "{text}");
}

/// Whether child welfare gets an answer about Ben.
async fn answered(place: &Place) -> bool {
    let question = pb::CanShareRequest {
        resident: BEN.path(),
        holder: "agencies/northfield-council-childrens".to_owned(),
        purpose: "child_welfare".to_owned(),
        fields: vec!["identity/core.name".to_owned()],
        ..treatment(BEN)
    };
    let message = place.from(CHILDRENS, request(question));
    let mut answers = place.sharing().request_records(message).await.unwrap().into_inner().answers;
    decision(&answers.pop().unwrap()).codes.is_empty()
}

/// Days go by, and what has to be confirmed is.
async fn days(place: &Place, days: i64) {
    let now = place.clock.now() + SignedDuration::from_hours(24 * days);
    place.clock.set(now);
    let read = |register| Fact::RegisterRead { register, at: now };
    place
        .record(vec![
            staff(CHILDRENS, None),
            relationship(CHILDRENS, BEN, now),
            read(Register::Flags),
            read(Register::Deaths),
        ])
        .await;
}

#[tokio::test]
async fn an_objection_holds_the_processing_until_it_is_rejected_with_the_way_to_complain() {
    let place = Place::open().await;
    assert!(answered(&place).await);
    let choice = object(&place).await;
    assert!(!answered(&place).await, "held at once");
    let one = stands(&place, CHILDRENS, BEN).await;
    assert_eq!((one.state.as_str(), one.decide_by_date.as_str()), ("pending", "2026-08-15"));
    assert!(!one.overdue && !one.extended && one.complaint_route.is_none());
    let reply = decide(&place, &choice, false).await.unwrap().into_inner();
    let route = reply.complaint_route.unwrap();
    assert!(route.en.contains("Information Commissioner") && route.cy.contains("Comisiynydd"));
    assert!(answered(&place).await);
    let one = stands(&place, CHILDRENS, BEN).await;
    assert_eq!((one.state.as_str(), one.decide_by_date.as_str()), ("rejected", ""));
    assert_eq!(one.decision_reason, "Weighed against the duty to the child");
    assert!(one.complaint_route.unwrap().en.contains("Information Commissioner"));
    // Once, and nothing afterwards.
    refuses(decide(&place, &choice, true).await, "is decided already: it is rejected");
    refuses(take_back(&place, &choice).await, "has no force any more: it is rejected");
    refuses(advance(&place, &choice, "extended").await, "has no force any more: it is rejected");
    assert!(answered(&place).await);
}

#[tokio::test]
async fn an_upheld_objection_stands_until_it_is_taken_back() {
    let place = Place::open().await;
    let choice = object(&place).await;
    let reply = decide(&place, &choice, true).await.unwrap().into_inner();
    assert!(reply.complaint_route.is_none());
    assert!(!answered(&place).await);
    refuses(decide(&place, &choice, false).await, "is decided already: it is upheld");
    take_back(&place, &choice).await.unwrap();
    assert!(answered(&place).await);
    let one = stands(&place, CHILDRENS, BEN).await;
    assert!(one.state == "withdrawn" && one.lifted_time.is_some());
    refuses(take_back(&place, &choice).await, "has no force any more: it is withdrawn");
    refuses(decide(&place, &choice, true).await, "has no force any more: it is withdrawn");
}

#[tokio::test]
async fn a_clock_runs_and_gives_more_time_once_and_in_time() {
    let place = Place::open().await;
    let choice = object(&place).await;
    days(&place, 31).await;
    assert!(!stands(&place, CHILDRENS, BEN).await.overdue, "the last day counts");
    let before = place.log_size();
    advance(&place, &choice, "extended").await.unwrap();
    let entry = place.entries(before).pop().unwrap();
    assert_eq!((entry.entry.kind, entry.facet(Facet::What)), (Kind::Choice, "art21|extended"));
    let one = stands(&place, CHILDRENS, BEN).await;
    assert_eq!((one.extended, one.decide_by_date.as_str()), (true, "2026-10-15"));
    refuses(advance(&place, &choice, "extended").await, "has more time already");
    days(&place, 62).await;
    let one = stands(&place, CHILDRENS, BEN).await;
    assert!(one.overdue && one.state == "pending", "late is not decided");
    assert!(!answered(&place).await, "and what is late is held");
    decide(&place, &choice, false).await.unwrap();
    assert!(!stands(&place, CHILDRENS, BEN).await.overdue);
    // Whoever needs longer says so before the day is past.
    let place = Place::open().await;
    let choice = object(&place).await;
    days(&place, 32).await;
    refuses(advance(&place, &choice, "extended").await, "the last day to decide is past");
}

#[tokio::test]
async fn a_restriction_is_lifted_only_after_telling_was_recorded() {
    let place = Place::open().await;
    let choice = restrict(&place).await;
    let one = stands(&place, NURSE, AISHA).await;
    assert_eq!((one.state.as_str(), one.decide_by_date.as_str()), ("set", "2026-08-15"));
    refuses(lift(&place, &choice).await, "the resident must be told before it is lifted");
    advance(&place, &choice, "kept").await.unwrap();
    let one = stands(&place, NURSE, AISHA).await;
    assert_eq!(
        (one.state.as_str(), one.decide_by_date.as_str()),
        ("kept", ""),
        "decided: it stays"
    );
    refuses(lift(&place, &choice).await, "the resident must be told before it is lifted");
    refuses(advance(&place, &choice, "kept").await, "was said already: it is kept");
    advance(&place, &choice, "told").await.unwrap();
    let one = stands(&place, NURSE, AISHA).await;
    assert!(one.state == "told" && one.told_time.is_some() && one.lifted_time.is_none());
    refuses(advance(&place, &choice, "told").await, "was said already: it is told");
    lift(&place, &choice).await.unwrap();
    let one = stands(&place, NURSE, AISHA).await;
    assert!(one.state == "lifted" && one.lifted_time.is_some());
    refuses(lift(&place, &choice).await, "has no force any more: it is lifted");
    refuses(advance(&place, &choice, "kept").await, "has no force any more: it is lifted");
}

#[tokio::test]
async fn what_is_of_another_kind_is_told_so() {
    let place = Place::open().await;
    let restriction = restrict(&place).await;
    refuses(decide(&place, &restriction, true).await, "must be an objection under art21");
    refuses(take_back_as(&place, NURSE, &restriction).await, "must be an objection");
    let objection = object(&place).await;
    refuses(lift(&place, &objection).await, "must be a restriction");
    refuses(advance(&place, &objection, "told").await, "must be a restriction");
    let message = pb::RecordObjectionRequest {
        resident: AISHA.path(),
        kind: "direct-care-objection".to_owned(),
        ..Default::default()
    };
    let made = place.choices().record_objection(place.from(HOUSING, message)).await;
    let care = made.unwrap().into_inner().choice;
    refuses(decide(&place, &care, true).await, "must be an objection under art21");
    refuses(advance(&place, &care, "extended").await, "is not decided by anybody");
    let one = stands(&place, HOUSING, AISHA).await;
    assert_eq!((one.state.as_str(), one.decide_by_date.as_str()), ("standing", ""));
}

async fn take_back_as(
    place: &Place,
    who: Person,
    choice: &str,
) -> Reply<pb::WithdrawObjectionResponse> {
    let message =
        pb::WithdrawObjectionRequest { choice: choice.to_owned(), request_id: String::new() };
    place.choices().withdraw_objection(place.from(who, message)).await
}
