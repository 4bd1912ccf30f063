//! One list of everything that falls due, by agency and by who there sees to it.

use jiff::SignedDuration;
use tonic::{Code, Response, Status};
use weir::clock::Clock;
use weir::grpc::pb;

use crate::support::{
    AISHA, BEN, GP_AUDITOR, NURSE, Place, decision, expect_refused, refused, request, treatment,
};

type Person = weir::auth::issuer::Person<'static>;

const PORTAL: Person = Person {
    agency: "northfield-council-early-help",
    person: "portal-1",
    roles: &["hub-resident-portal"],
};
const GP_RIGHTS: Person =
    Person { agency: "oakdale-gp", person: "rights-1", roles: &["hub-rights-officer"] };
const GP_PRIVACY: Person =
    Person { agency: "oakdale-gp", person: "privacy-1", roles: &["hub-privacy-officer"] };

async fn due(
    place: &Place,
    who: Person,
    message: pb::ListDueRequest,
) -> Result<Response<pb::ListDueResponse>, Status> {
    place.reviews().list_due(place.from(who, message)).await
}

async fn all(place: &Place, who: Person, kinds: &[&str]) -> Vec<pb::DueItem> {
    let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    let message = pb::ListDueRequest { kinds, ..Default::default() };
    due(place, who, message).await.unwrap().into_inner().due
}

async fn file(place: &Place, kind: &str, controller: &str) -> String {
    let message = pb::FileRequestRequest {
        controller: controller.to_owned(),
        kind: kind.to_owned(),
        text: "Please look into this".to_owned(),
        request_id: String::new(),
    };
    let filed = place.rights().file_request(place.session(PORTAL, AISHA, message)).await;
    filed.unwrap().into_inner().request
}

async fn sealed_release(place: &Place) {
    let question = pb::CanShareRequest {
        do_not_tell_reason: "A partner reads over her shoulder".to_owned(),
        ..treatment(BEN)
    };
    let reply = place.sharing().request_records(place.from(NURSE, request(question))).await;
    let answer = reply.unwrap().into_inner().answers.pop().unwrap();
    assert_eq!(decision(&answer).outcome, i32::from(pb::Outcome::Permit));
}

fn later(place: &Place, days: i64) {
    place.clock.set(place.clock.now() + SignedDuration::from_hours(24 * days));
}

#[tokio::test]
async fn everything_is_in_one_list_the_soonest_first() {
    let place = Place::open().await;
    let access = file(&place, "access", "").await;
    let complaint = file(&place, "complaint", "agencies/oakdale-gp").await;
    sealed_release(&place).await;
    let found = all(&place, GP_RIGHTS, &[]).await;
    let times: Vec<_> = found.iter().filter_map(|one| one.due_time.map(|at| at.seconds)).collect();
    assert!(times.is_sorted(), "{times:?}");
    let of = |kind: &str, name: &str| found.iter().find(|one| one.kind == kind && one.name == name);
    for (kind, name, whose) in [
        ("answer", access.as_str(), "rights-officer"),
        ("answer", complaint.as_str(), "rights-officer"),
        ("acknowledge", complaint.as_str(), "rights-officer"),
        ("agreement", "agreements/isa-care", "privacy-officer"),
    ] {
        let one = of(kind, name).unwrap_or_else(|| panic!("{kind} of {name}"));
        assert_eq!((one.whose.as_str(), one.overdue), (whose, false), "{kind}");
    }
    assert_eq!(found.iter().filter(|one| one.kind == "look-again").count(), 1);
    // It names no person.
    for one in &found {
        let shown = format!("{}{}{}{}", one.name, one.kind, one.what, one.whose);
        assert!(!shown.contains("Aisha") && !shown.contains("look into this"), "{shown}");
    }
    // Another agency has its own: the same request to all, and no complaint.
    let housing = Person { agency: "northfield-council-housing", ..GP_RIGHTS };
    let theirs = all(&place, housing, &["answer", "acknowledge"]).await;
    assert_eq!(theirs.iter().map(|one| &one.name).collect::<Vec<_>>(), [&access]);
    let nobody = Person { agency: "befriend", ..GP_RIGHTS };
    assert!(all(&place, nobody, &["answer", "look-again"]).await.is_empty());

    // Said in time, it is gone; left alone, it is late.
    let step = pb::AdvanceRequestRequest {
        request: complaint.clone(),
        step: "acknowledged".to_owned(),
        text: "We have your complaint".to_owned(),
        request_id: String::new(),
    };
    place.rights().advance_request(place.from(GP_RIGHTS, step)).await.unwrap();
    assert!(all(&place, GP_RIGHTS, &["acknowledge"]).await.is_empty());
    later(&place, 40);
    let late: Vec<_> =
        all(&place, GP_RIGHTS, &["answer"]).await.into_iter().filter(|one| one.overdue).collect();
    assert_eq!(late.iter().map(|one| &one.name).collect::<Vec<_>>(), [&access]);
}

#[tokio::test]
async fn a_list_is_narrowed_and_comes_page_by_page() {
    let place = Place::open().await;
    for _ in 0..3 {
        file(&place, "rectify", "agencies/oakdale-gp").await;
    }
    let narrowed = pb::ListDueRequest {
        whose: "rights-officer".to_owned(),
        within_days: 40,
        page_size: 2,
        ..Default::default()
    };
    let one = due(&place, GP_PRIVACY, narrowed.clone()).await.unwrap().into_inner();
    assert_eq!(one.due.len(), 2);
    // What is done in the meantime takes nothing else away.
    let step = pb::AdvanceRequestRequest {
        request: one.due[0].name.clone(),
        step: "answered".to_owned(),
        text: "It is put right".to_owned(),
        request_id: String::new(),
    };
    place.rights().advance_request(place.from(GP_RIGHTS, step)).await.unwrap();
    let rest = pb::ListDueRequest { page_token: one.next_page_token.clone(), ..narrowed };
    let two = due(&place, GP_PRIVACY, rest).await.unwrap().into_inner();
    assert_eq!((two.due.len(), two.next_page_token.as_str()), (1, ""));
    assert!(!one.due.iter().any(|seen| seen.name == two.due[0].name));
    let soon = pb::ListDueRequest { within_days: 3, ..Default::default() };
    assert!(due(&place, GP_PRIVACY, soon).await.unwrap().into_inner().due.is_empty());
    for (what, message, field) in [
        (
            "kind",
            pb::ListDueRequest { kinds: vec!["answr".to_owned()], ..Default::default() },
            "kinds[0]",
        ),
        ("days", pb::ListDueRequest { within_days: -1, ..Default::default() }, "within_days"),
        (
            "page",
            pb::ListDueRequest { page_token: "x".to_owned(), ..Default::default() },
            "page_token",
        ),
    ] {
        assert_eq!(refused(due(&place, GP_PRIVACY, message).await).2, [field], "{what}");
    }
    let reply = due(&place, GP_AUDITOR, pb::ListDueRequest::default()).await;
    expect_refused("an auditor", reply, Code::PermissionDenied, "ROLE_NEEDED", &[]);
}
