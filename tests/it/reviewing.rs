//! Uses of overrides are looked at by another person: over a socket, each person with a token of their own.

use jiff::SignedDuration;
use tonic::{Code, Response, Status};
use weir::audit::entry::{Facet, Kind};
use weir::clock::Clock;
use weir::domain::Fact;
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

/// The answer to a request that breaks glass.
async fn break_glass(place: &Place, who: Person, about: Inhabitant) -> pb::Answer {
    let text = pb::override_answer::Answer::Text("Unconscious in bay two".to_owned());
    let answers = [("reason".to_owned(), pb::OverrideAnswer { answer: Some(text) })];
    let claim = pb::OverrideClaim {
        kind: "BREAK_GLASS".to_owned(),
        answers: answers.into(),
        ..Default::default()
    };
    let asked = request(pb::CanShareRequest { r#override: Some(claim), ..treatment(about) });
    let reply = place.sharing().request_records(place.from(who, asked)).await.unwrap();
    reply.into_inner().answers.pop().unwrap()
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
    let kin = Fact::Conflict {
        agency: HOSPITAL.parse().unwrap(),
        person: related.person.parse().unwrap(),
        resident: AISHA.resident(),
        is_self: false,
        conflict: true,
        tie: None,
    };
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
    let figures = async |who: Person| {
        let message = place.from(who, pb::GetSignalFiguresRequest {});
        place.reviews().get_signal_figures(message).await.unwrap().into_inner()
    };
    let own = figures(OFFICER).await;
    let counted: Vec<(String, i64, i64)> = own
        .signals
        .into_iter()
        .map(|one| {
            let count = one.count.unwrap();
            (one.signal.unwrap().signal, count.closed_count, count.unjustified_count)
        })
        .filter(|(_, closed, _)| *closed > 0)
        .collect();
    assert_eq!(counted, [("no-case".to_owned(), 1, 1)]);
    let picked = |receipt: &pb::Receipt| {
        let bytes: [u8; 8] = receipt.leaf_hash[..8].try_into().unwrap();
        i64::from(u64::from_be_bytes(bytes).is_multiple_of(10))
    };
    let slice = own.slice.unwrap();
    assert_eq!(slice.closed_count, picked(&first) + picked(&second));
    assert_eq!(slice.unjustified_count, picked(&first));
    let others = figures(GP_OFFICER).await;
    assert!(others.signals.iter().all(|one| one.count.unwrap().closed_count == 0));
}
