//! Uses of overrides are looked at by another person: over a socket, each person with a token of their own.

use jiff::SignedDuration;
use tonic::{Code, Response, Status};
use weir::audit::entry::{Facet, Kind};
use weir::clock::Clock;
use weir::domain::{Fact, Tie};
use weir::grpc::convert::time_message;
use weir::grpc::pb;

use crate::support::{
    ABSENT, AISHA, BEN, DOCTOR, Inhabitant, PROTECTED, Place, SEALED, decision, expect_refused,
    relationship, request, staff, treatment,
};

type Person = weir::auth::issuer::Person<'static>;
type Reply<T> = Result<Response<T>, Status>;

const HOSPITAL: &str = "northfield-hospital";
/// Has no relationship to anybody.
const LOCUM: Person = Person { agency: HOSPITAL, person: "doctor-20", roles: &["doctor"] };
const OFFICER: Person =
    Person { agency: HOSPITAL, person: "privacy-1", roles: &["hub-privacy-officer"] };
const GP_OFFICER: Person =
    Person { agency: "oakdale-gp", person: "privacy-2", roles: &["hub-privacy-officer"] };

async fn place() -> Place {
    let place = Place::open().await;
    let all = [LOCUM, OFFICER, GP_OFFICER];
    place.record(all.into_iter().map(|who| staff(who, None)).collect()).await;
    place
}

fn later(place: &Place, by: SignedDuration) {
    place.clock.set(place.clock.now() + by);
}

/// A request that breaks glass.
fn broken_glass(about: Inhabitant) -> pb::RequestRecordsRequest {
    let text = pb::override_answer::Answer::Text("Unconscious in bay two".to_owned());
    let answers = [("reason".to_owned(), pb::OverrideAnswer { answer: Some(text) })];
    let claim = pb::OverrideClaim {
        kind: "BREAK_GLASS".to_owned(),
        answers: answers.into(),
        ..Default::default()
    };
    request(pb::CanShareRequest { r#override: Some(claim), ..treatment(about) })
}

async fn ask(place: &Place, who: Person, asked: pb::RequestRecordsRequest) -> pb::Answer {
    let reply = place.sharing().request_records(place.from(who, asked)).await.unwrap();
    reply.into_inner().answers.pop().unwrap()
}

/// The answer to a request that breaks glass.
async fn break_glass(place: &Place, who: Person, about: Inhabitant) -> pb::Answer {
    ask(place, who, broken_glass(about)).await
}

/// A release after breaking glass.
async fn released(place: &Place, who: Person, about: Inhabitant) -> pb::Receipt {
    let answer = break_glass(place, who, about).await;
    let outcome = pb::Outcome::try_from(decision(&answer).outcome).unwrap();
    assert!(outcome == pb::Outcome::Permit, "{:?}", decision(&answer).codes);
    answer.receipt.unwrap()
}

async fn list(place: &Place, who: Person, minutes: i32) -> Reply<pb::ListReviewsResponse> {
    place.reviews().list_reviews(place.from(who, pb::ListReviewsRequest { minutes })).await
}

async fn queue(place: &Place, who: Person) -> pb::ListReviewsResponse {
    list(place, who, 0).await.unwrap().into_inner()
}

fn signals(one: &pb::OverrideReview) -> Vec<&str> {
    one.signals.iter().map(|signal| signal.signal.as_str()).collect()
}

async fn all_figures(place: &Place, who: Person) -> pb::GetSignalFiguresResponse {
    let message = place.from(who, pb::GetSignalFiguresRequest {});
    place.reviews().get_signal_figures(message).await.unwrap().into_inner()
}

/// The signals that fired in a closed review: in how many, and in how many the use was unjustified.
async fn figures(place: &Place, who: Person) -> Vec<(String, i64, i64)> {
    let all = all_figures(place, who).await.signals;
    assert_eq!(all.len(), weir::audit::review::Signal::ALL.len(), "each has its row");
    let counts = all.into_iter().map(|one| {
        let count = one.count.unwrap();
        (one.signal.unwrap().signal, count.closed_count, count.unjustified_count)
    });
    counts.filter(|(_, closed, _)| *closed > 0).collect()
}

fn closing(disclosure: &str, outcome: &str) -> pb::CloseReviewRequest {
    pb::CloseReviewRequest {
        disclosure: disclosure.to_owned(),
        outcome: outcome.to_owned(),
        reason: "Spoke with the ward sister".to_owned(),
        request_id: String::new(),
    }
}

async fn close(
    place: &Place,
    who: Person,
    message: pb::CloseReviewRequest,
) -> Reply<pb::CloseReviewResponse> {
    place.reviews().close_review(place.from(who, message)).await
}

/// A conflict of interest of a person of the hospital.
fn conflict(who: Person, about: Inhabitant, tie: Option<Tie>) -> Fact {
    Fact::Conflict {
        agency: who.agency.parse().unwrap(),
        person: who.person.parse().unwrap(),
        resident: about.resident(),
        is_self: false,
        conflict: true,
        tie,
    }
}

#[tokio::test]
async fn every_use_of_an_override_waits_for_a_review_with_what_speaks_for_it() {
    let place = place().await;
    let start = place.clock.now();
    let receipt = released(&place, LOCUM, AISHA).await;
    later(&place, SignedDuration::from_hours(10));
    // Asserted though nothing needed it: a use all the same.
    let needless = released(&place, DOCTOR, AISHA).await;
    let all = queue(&place, OFFICER).await;
    assert_eq!((all.waiting_count, all.overdue_count), (2, 0));
    assert!(i64::try_from(place.log_size()).unwrap() >= all.log_size && all.log_size > 0);
    let [first, second] = all.reviews.as_slice() else { panic!("two") };
    assert_eq!((&first.disclosure, &second.disclosure), (&receipt.name, &needless.name));
    assert_eq!(signals(first), ["no-case"]);
    assert_eq!(signals(second), ["out-of-hours"]);
    assert!(first.signals[0].says.contains("no relationship"));
    assert_eq!(first.use_time, Some(time_message(start)));
    assert_eq!(first.due_time, Some(time_message(start + SignedDuration::from_hours(24))));
    assert_eq!((first.override_kind.as_str(), first.minutes), ("BREAK_GLASS", 10));
    assert_eq!(first.holder, "agencies/oakdale-gp");
    let number = u64::from_be_bytes(receipt.leaf_hash[..8].try_into().unwrap());
    assert_eq!(first.in_slice, number.is_multiple_of(10), "whoever has the log can check it");

    later(&place, SignedDuration::from_hours(14));
    let all = queue(&place, OFFICER).await;
    assert_eq!((all.waiting_count, all.overdue_count), (2, 1), "a day is over");
    assert!(all.reviews[0].overdue && !all.reviews[1].overdue);
    let others = queue(&place, GP_OFFICER).await;
    assert_eq!((others.reviews.len(), others.waiting_count), (0, 0), "another agency's");
}

#[tokio::test]
async fn what_is_declared_afterwards_and_a_burst_speak_for_a_look() {
    let place = place().await;
    let start = place.clock.now();
    for _ in 0..2 {
        released(&place, LOCUM, AISHA).await;
        later(&place, SignedDuration::from_mins(30));
    }
    assert!(queue(&place, OFFICER).await.reviews.iter().all(|one| signals(one) == ["no-case"]));
    released(&place, LOCUM, BEN).await;
    let own = Fact::Conflict {
        agency: HOSPITAL.parse().unwrap(),
        person: LOCUM.person.parse().unwrap(),
        resident: BEN.resident(),
        is_self: true,
        conflict: false,
        tie: None,
    };
    place.record(vec![own, relationship(LOCUM, BEN, start)]).await;
    let all = queue(&place, OFFICER).await;
    let found: Vec<_> = all.reviews.iter().map(signals).collect();
    assert_eq!(
        found,
        [
            ["own-record", "burst", "no-case"].as_slice(),
            &["burst", "no-case"],
            &["burst", "no-case"]
        ],
        "the most signals first; what was on record then counts, not a relationship made up later"
    );
    assert!(all.reviews[1].use_time.unwrap().seconds < all.reviews[2].use_time.unwrap().seconds);
}

#[tokio::test]
async fn a_household_a_neighbour_and_a_colleague_are_signals_of_their_own() {
    let place = place().await;
    released(&place, LOCUM, AISHA).await;
    let first = async || {
        let all = queue(&place, OFFICER).await;
        let one = all.reviews.into_iter().next().unwrap();
        one.signals.into_iter().next().unwrap()
    };
    for (tie, signal, says) in [
        (None, "conflict", "how is not said"),
        (Some(Tie::Household), "household", "household, or kin"),
        (Some(Tie::Kin), "household", "household, or kin"),
        (Some(Tie::Neighbour), "neighbour", "neighbour"),
        (Some(Tie::Colleague), "colleague", "colleague"),
    ] {
        place.record(vec![conflict(LOCUM, AISHA, tie)]).await;
        let found = first().await;
        assert_eq!(found.signal, signal, "{tie:?}");
        assert!(found.says.contains(says), "{}", found.says);
    }
    // One signal more, one place further up; the figures count each by itself.
    released(&place, LOCUM, BEN).await;
    place.record(vec![conflict(LOCUM, AISHA, Some(Tie::Household))]).await;
    let all = queue(&place, OFFICER).await;
    let found: Vec<_> = all.reviews.iter().map(signals).collect();
    assert_eq!(found, [["household", "no-case"].as_slice(), &["no-case"]]);
    close(&place, OFFICER, closing(&all.reviews[0].disclosure, "breach")).await.unwrap();
    let counted = figures(&place, OFFICER).await;
    assert_eq!(counted, [("household".to_owned(), 1, 1), ("no-case".to_owned(), 1, 1)]);
}

#[tokio::test]
async fn who_has_no_declaration_in_date_is_a_signal_apart_from_a_conflict() {
    let place = place().await;
    released(&place, LOCUM, AISHA).await;
    let found = async || {
        let all = queue(&place, OFFICER).await;
        signals(&all.reviews[0]).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(found().await, ["no-case"]);
    let lapsed = Fact::Staff {
        agency: HOSPITAL.parse().unwrap(),
        person: LOCUM.person.parse().unwrap(),
        account_ends: None,
        training_until: None,
        interests_declared: None,
    };
    place.record(vec![lapsed, conflict(LOCUM, AISHA, Some(Tie::Colleague))]).await;
    assert_eq!(found().await, ["colleague", "undeclared", "no-case"]);
}

#[tokio::test]
async fn a_tie_that_the_decision_knew_counts_after_it_is_taken_back() {
    let place = place().await;
    // A colleague's own request is referred; the holder's guardian grants it.
    let guardian = Person { agency: "oakdale-gp", person: "cal-2", roles: &["caldicott-guardian"] };
    place.record(vec![staff(guardian, None), conflict(LOCUM, AISHA, Some(Tie::Colleague))]).await;
    let asked = broken_glass(AISHA);
    let referred = ask(&place, LOCUM, asked.clone()).await;
    assert_eq!(referred.values.len(), 0, "{:?}", decision(&referred).codes);
    let referral = referred.receipt.unwrap().name.replace("disclosures/", "referrals/");
    let grant = pb::DecideReferralRequest {
        name: referral.clone(),
        decision: pb::ReferralDecision::Grant.into(),
        reason: "Nobody else is on the ward".to_owned(),
        ..Default::default()
    };
    place.reviews().decide_referral(place.from(guardian, grant)).await.unwrap();
    let released = ask(&place, LOCUM, pb::RequestRecordsRequest { referral, ..asked }).await;
    assert!(!released.values.is_empty(), "{:?}", decision(&released).codes);
    let Fact::Conflict { agency, person, resident, .. } = conflict(LOCUM, AISHA, None) else {
        panic!("another fact")
    };
    let (is_self, conflict, tie) = (false, false, None);
    place.record(vec![Fact::Conflict { agency, person, resident, is_self, conflict, tie }]).await;
    let all = queue(&place, OFFICER).await;
    assert_eq!(all.reviews.iter().map(signals).collect::<Vec<_>>(), [["colleague", "no-case"]]);
}

#[tokio::test]
async fn nothing_of_whoever_is_hidden_comes_into_the_queue() {
    let place = place().await;
    let mut seen = Vec::new();
    for about in [ABSENT, SEALED, PROTECTED] {
        let answer = break_glass(&place, LOCUM, about).await;
        assert_eq!(answer.values.len(), 0);
        let name = answer.receipt.unwrap().name;
        let all = queue(&place, OFFICER).await;
        seen.push((all.reviews.len(), all.waiting_count, all.overdue_count));
        let reply = close(&place, OFFICER, closing(&name, "justified")).await;
        expect_refused("nothing was released", reply, Code::NotFound, "NOT_FOUND", &[]);
    }
    assert_eq!(seen, [(0, 0, 0); 3]);
}

#[tokio::test]
async fn another_person_closes_a_review_once_with_a_word_of_the_policy() {
    let place = place().await;
    let name = released(&place, LOCUM, AISHA).await.name;
    let plain = request(treatment(AISHA));
    let plain = place.sharing().request_records(place.from(DOCTOR, plain)).await.unwrap();
    let plain = plain.into_inner().answers.pop().unwrap().receipt.unwrap().name;
    let both = Person { roles: &["doctor", "hub-privacy-officer"], ..LOCUM };
    let self_made = Person { roles: &["hub-privacy-officer"], ..both };
    let related = Person { person: "privacy-3", ..OFFICER };
    let undeclared = Person { person: "privacy-4", ..OFFICER };
    let kin = conflict(related, AISHA, Some(Tie::Kin));
    place.record(vec![staff(related, None), kin]).await;
    let meet = pb::FulfilObligationRequest {
        name: format!("{name}/obligations/REVIEW_BY"),
        note: "Looked at it myself".to_owned(),
        request_id: String::new(),
    };
    for who in [LOCUM, DOCTOR] {
        let reply = place.reviews().fulfil_obligation(place.from(who, meet.clone())).await;
        let (code, reason) = (Code::PermissionDenied, "REVIEWER_NOT_ENTITLED");
        expect_refused("the duty alone", reply, code, reason, &[]);
    }
    let short = pb::CloseReviewRequest { reason: "Fine".to_owned(), ..closing(&name, "justified") };
    let (denied, wrong) = (Code::PermissionDenied, Code::InvalidArgument);
    for (what, who, message, code, reason, fields) in [
        ("no officer", DOCTOR, closing(&name, "justified"), denied, "FUNCTION_NEEDED", &[][..]),
        ("who asked", self_made, closing(&name, "justified"), denied, "OWN_REQUEST", &[]),
        ("kin", related, closing(&name, "justified"), denied, "REVIEWER_NOT_ENTITLED", &[]),
        (
            "undeclared",
            undeclared,
            closing(&name, "justified"),
            denied,
            "REVIEWER_NOT_ENTITLED",
            &[],
        ),
        ("the holder", GP_OFFICER, closing(&name, "justified"), Code::NotFound, "NOT_FOUND", &[]),
        ("no override", OFFICER, closing(&plain, "justified"), Code::NotFound, "NOT_FOUND", &[]),
        ("a word", OFFICER, closing(&name, "fine"), wrong, "REQUEST_INVALID", &["outcome"]),
        ("no word", OFFICER, closing(&name, ""), wrong, "REQUEST_INVALID", &["outcome"]),
        ("a reason", OFFICER, short, wrong, "REQUEST_INVALID", &["reason"]),
        ("a name", OFFICER, closing("it", "justified"), wrong, "REQUEST_INVALID", &["disclosure"]),
    ] {
        let reply = close(&place, who, message).await;
        expect_refused(what, reply, code, reason, fields);
        assert_eq!(queue(&place, OFFICER).await.waiting_count, 1, "{what}");
    }
    let before = place.log_size();
    close(&place, OFFICER, closing(&name, "disciplinary")).await.unwrap();
    let entry = &place.entries(before)[0];
    assert_eq!((entry.entry.kind, entry.facet(Facet::What)), (Kind::Review, "reviewed"));
    assert_eq!(format!("disclosures/{}", entry.facet(Facet::Review)), name);
    let told = |words: &String| words.contains("disciplinary");
    assert!(!entry.entry.facets.values().any(told), "what was found is not for every auditor");
    assert_eq!(queue(&place, OFFICER).await.waiting_count, 0);
    let reply = close(&place, OFFICER, closing(&name, "justified")).await;
    expect_refused("again", reply, Code::FailedPrecondition, "DUTY_NOT_OPEN", &[]);
    later(&place, SignedDuration::from_hours(24));
    let mut sweep = weir::hub::Sweep::default();
    let before = place.log_size();
    while place.app.hub.sweep(&mut sweep).await.unwrap() {}
    let late = |entry: &crate::support::Logged| entry.facet(Facet::Duties) == "REVIEW_BY";
    assert!(!place.entries(before).iter().any(late), "a closed review is never late");
}

#[tokio::test]
async fn the_queue_fits_the_minutes_and_the_figures_say_what_the_signals_found() {
    let place = place().await;
    let first = released(&place, LOCUM, AISHA).await;
    let second = released(&place, DOCTOR, BEN).await;
    for (minutes, count) in [(9, 0), (10, 1), (19, 1), (20, 2), (0, 2)] {
        let all = list(&place, OFFICER, minutes).await.unwrap().into_inner();
        assert_eq!((all.reviews.len(), all.waiting_count), (count, 2), "{minutes} minutes");
    }
    for minutes in [-1, 10_081] {
        let reply = list(&place, OFFICER, minutes).await;
        expect_refused("time", reply, Code::InvalidArgument, "REQUEST_INVALID", &["minutes"]);
    }
    close(&place, OFFICER, closing(&first.name, "breach")).await.unwrap();
    close(&place, OFFICER, closing(&second.name, "justified")).await.unwrap();
    assert_eq!(figures(&place, OFFICER).await, [("no-case".to_owned(), 1, 1)]);
    let own = all_figures(&place, OFFICER).await;
    let picked = |receipt: &pb::Receipt| {
        let bytes: [u8; 8] = receipt.leaf_hash[..8].try_into().unwrap();
        i64::from(u64::from_be_bytes(bytes).is_multiple_of(10))
    };
    let slice = own.slice.unwrap();
    assert_eq!(slice.closed_count, picked(&first) + picked(&second));
    assert_eq!(slice.unjustified_count, picked(&first));
    assert!(figures(&place, GP_OFFICER).await.is_empty());
}
