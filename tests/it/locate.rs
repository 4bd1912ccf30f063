//! Who knows a resident, without content.

use weir::audit::entry::{Facet, Kind};
use weir::auth::issuer::Person;
use weir::clock::Clock;
use weir::grpc::pb;
use weir::store::{LocalId, Store};

use crate::support::{
    ABSENT, AISHA, BEN, CARER, CHILDRENS, CONSTABLE, GP_AUDITOR, HOUSING, Inhabitant, NURSE,
    PROTECTED, Place, SEALED, expect_refused, flagged, prepared, relationship, staff,
};

const MANAGER: Person<'_> = Person {
    agency: "northfield-council-childrens",
    person: "manager-1",
    roles: &["mash-manager"],
};
const CARE_LEAD: Person<'_> = Person {
    agency: "northfield-council-adult-care",
    person: "lead-1",
    roles: &["safeguarding-lead"],
};

fn asked(about: Inhabitant) -> pb::LocateRecordsRequest {
    pb::LocateRecordsRequest {
        resident: about.path(),
        purpose: "child_protection".to_owned(),
        reason: "Section 47 enquiry opened today".to_owned(),
        case_reference: "CP-1".to_owned(),
        threshold_statement: "Significant harm is suspected".to_owned(),
        r#override: None,
    }
}

async fn locate(
    place: &Place,
    who: Person<'_>,
    message: pb::LocateRecordsRequest,
) -> pb::LocateRecordsResponse {
    place.sharing().locate_records(place.from(who, message)).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_social_worker_is_told_who_knows_a_child_and_nothing_more() {
    let place = Place::open().await;
    let before = place.log_size();
    let told = locate(&place, CHILDRENS, asked(BEN)).await;
    // Adult care knows him too, and is no party to the agreement.
    let known = ["northfield-council-housing", "oakdale-gp"];
    assert_eq!(told.holders, known.map(|a| format!("agencies/{a}")));
    assert_eq!(told.codes, [""; 0]);
    let entries = place.entries(before);
    assert_eq!((entries[0].entry.kind, entries[0].facet(Facet::What)), (Kind::Query, "locate"));
    assert_eq!(entries[0].facet(Facet::Outcome), "PERMIT");
    // Each holder that is told of is a release of its own, with its duties, for its auditor to find.
    let releases: Vec<(Kind, &str, &str)> = entries[1..]
        .iter()
        .map(|one| (one.entry.kind, one.facet(Facet::Holder), one.facet(Facet::Duties)))
        .collect();
    let duties = "NO_ONWARD|RECORD_REASON|UPDATE_RECIPIENT_LEDGER";
    assert_eq!(releases, known.map(|holder| (Kind::Disclose, holder, duties)));
    let search = pb::SearchEntriesRequest {
        kinds: vec![pb::EntryKind::Disclose.into()],
        ..Default::default()
    };
    let found = place.audit().search_entries(place.from(GP_AUDITOR, search)).await.unwrap();
    assert_eq!(found.into_inner().entries.len(), 1);
    // Without the threshold there is no ground, and the answer says so.
    let bare = pb::LocateRecordsRequest { threshold_statement: String::new(), ..asked(BEN) };
    let told = locate(&place, CHILDRENS, bare).await;
    assert!(told.holders.is_empty() && told.codes.contains(&"CNF_NO_BASIS".to_owned()));
    // No other rule opens the rung.
    for who in [NURSE, HOUSING] {
        let told = locate(&place, who, asked(BEN)).await;
        assert!(told.holders.is_empty() && !told.codes.is_empty(), "{who:?}");
    }
}

#[tokio::test]
async fn a_closed_record_and_none_are_located_alike() {
    let place = Place::open().await;
    let mut seen = Vec::new();
    for about in [ABSENT, SEALED, PROTECTED] {
        let before = place.log_size();
        let mut told = locate(&place, CHILDRENS, asked(about)).await;
        assert!(told.holders.is_empty(), "{}", about.name);
        told.receipt = None;
        let entries = place.entries(before);
        assert_eq!(entries.len(), 1);
        let slots: Vec<(u8, usize)> =
            entries[0].slots.iter().map(|(slot, bytes)| (*slot, bytes.len())).collect();
        let facets = format!("{:?}", entries[0].entry.facets);
        seen.push((format!("{told:?}", told = told.codes), facets, entries[0].leaf_len, slots));
    }
    assert_eq!(seen[0], seen[1], "sealed");
    assert_eq!(seen[0], seen[2], "protected");
    assert_eq!(seen[0].0, "[\"SUBJ_NOT_AVAILABLE\"]");
    // Somebody in a refuge is located by nobody.
    place.record(vec![flagged(BEN, "in-refuge")]).await;
    let told = locate(&place, CHILDRENS, asked(BEN)).await;
    assert!(told.holders.is_empty());
    assert_eq!(told.codes, ["SUBJ_NOT_AVAILABLE"]);
}

/// An agency knows a resident.
async fn link(place: &Place, agency: &str, about: Inhabitant) {
    let local = LocalId { agency: agency.parse().unwrap(), id: about.local_id() };
    place.app.store.link(about.resident(), local, prepared(Kind::Hold)).await.unwrap();
}

#[tokio::test]
async fn a_refuge_is_never_told_of_and_a_clinic_only_where_a_row_says_so() {
    let place = Place::open().await;
    let start = place.clock.now();
    place.record(vec![staff(MANAGER, None), relationship(MANAGER, BEN, start)]).await;
    // No flag says yet that anybody is in a refuge.
    link(&place, "harbour-refuge", BEN).await;
    link(&place, "northfield-mh-trust", BEN).await;
    let open = ["northfield-council-housing", "oakdale-gp"].map(|a| format!("agencies/{a}"));
    assert_eq!(locate(&place, CHILDRENS, asked(BEN)).await.holders, open);
    let told = locate(&place, MANAGER, asked(BEN)).await;
    let all = ["northfield-council-housing", "northfield-mh-trust", "oakdale-gp"];
    assert_eq!(told.holders, all.map(|a| format!("agencies/{a}")));
}

fn missing(about: Inhabitant) -> pb::LocateRecordsRequest {
    let text = |text: &str| pb::OverrideAnswer {
        answer: Some(pb::override_answer::Answer::Text(text.to_owned())),
    };
    let questions = ["harm", "who_at_risk", "why_these_fields", "why_not_consent"];
    pb::LocateRecordsRequest {
        purpose: "missing_person".to_owned(),
        threshold_statement: String::new(),
        r#override: Some(pb::OverrideClaim {
            kind: "SAFEGUARD_CHILD".to_owned(),
            answers: questions.map(|q| (q.to_owned(), text("as told"))).into(),
            ..Default::default()
        }),
        ..asked(about)
    }
}

#[tokio::test]
async fn an_override_that_finds_somebody_leaves_its_duties() {
    let place = Place::open().await;
    place.record(vec![relationship(CONSTABLE, BEN, place.clock.now())]).await;
    let before = place.log_size();
    let told = locate(&place, CONSTABLE, missing(BEN)).await;
    assert!(told.holders.contains(&"agencies/oakdale-gp".to_owned()), "{:?}", told.codes);
    let entries = place.entries(before);
    assert_eq!(entries.len(), told.holders.len() + 1);
    assert!(entries.iter().all(|one| one.facet(Facet::Override) == "SAFEGUARD_CHILD"));
    let message = pb::ListObligationsRequest::default();
    let owed = place.reviews().list_obligations(place.from(CONSTABLE, message)).await.unwrap();
    let owed = owed.into_inner().obligations;
    for duty in ["REVIEW_BY", "NOTIFY_SUBJECT", "RETROSPECTIVE_FORM"] {
        let count = owed.iter().filter(|one| one.duty == duty).count();
        assert_eq!(count, told.holders.len(), "{duty}");
    }
}

fn enquiry(about: Inhabitant) -> pb::LocateRecordsRequest {
    let text = |text: &str| pb::OverrideAnswer {
        answer: Some(pb::override_answer::Answer::Text(text.to_owned())),
    };
    let flag = |yes| pb::OverrideAnswer { answer: Some(pb::override_answer::Answer::Flag(yes)) };
    let answers = [
        ("capacity_view", text("has")),
        ("others_at_risk", flag(false)),
        ("coercion", flag(true)),
        ("wishes", text("wants nobody told")),
    ];
    let answers = answers.map(|(question, answer)| (question.to_owned(), answer)).into();
    pb::LocateRecordsRequest {
        purpose: "adult_safeguarding".to_owned(),
        threshold_statement: String::new(),
        r#override: Some(pb::OverrideClaim {
            kind: "SAFEGUARD_ADULT".to_owned(),
            answers,
            named_approver: Some(pb::NamedApprover {
                agency: format!("agencies/{}", CARE_LEAD.agency),
                person: CARE_LEAD.person.to_owned(),
            }),
            ..Default::default()
        }),
        ..asked(about)
    }
}

/// The same as a request to the holder, whose refusal can be approved.
fn refused_enquiry(about: Inhabitant) -> pb::RequestRecordsRequest {
    let pb::LocateRecordsRequest { resident, purpose, reason, case_reference, r#override, .. } =
        enquiry(about);
    pb::RequestRecordsRequest {
        residents: vec![resident],
        holders: vec!["agencies/oakdale-gp".to_owned()],
        purpose,
        fields: vec!["involvement/contact.holds".to_owned()],
        reason,
        case_reference,
        r#override,
        ..Default::default()
    }
}

#[tokio::test]
async fn an_approval_of_a_second_person_is_good_for_one_look() {
    let place = Place::open().await;
    let facts = vec![staff(CARE_LEAD, None), relationship(CARER, AISHA, place.clock.now())];
    place.record(facts).await;
    let told = locate(&place, CARER, enquiry(AISHA)).await;
    assert!(told.codes.contains(&"OVR_NEEDS_SECOND_PERSON".to_owned()), "{:?}", told.codes);
    let refused = refused_enquiry(AISHA);
    let reply = place.sharing().request_records(place.from(CARER, refused)).await.unwrap();
    let disclosure = reply.into_inner().answers[0].receipt.as_ref().unwrap().name.clone();
    let approve = pb::ApproveOverrideRequest { disclosure, ..Default::default() };
    place.reviews().approve_override(place.from(CARE_LEAD, approve)).await.unwrap();
    assert_eq!(locate(&place, CARER, enquiry(AISHA)).await.holders, ["agencies/oakdale-gp"]);
    assert!(locate(&place, CARER, enquiry(AISHA)).await.holders.is_empty(), "used");
}

#[tokio::test]
async fn a_look_with_an_override_is_reviewed_by_neither_who_asked_nor_who_approved() {
    use tonic::Code;
    let place = Place::open().await;
    let agency = CARER.agency;
    let officer = Person { agency, person: "privacy-1", roles: &["hub-privacy-officer"] };
    let asker = Person { roles: officer.roles, ..CARER };
    let approver = Person { roles: officer.roles, ..CARE_LEAD };
    let start = place.clock.now();
    let facts =
        vec![staff(CARE_LEAD, None), staff(officer, None), relationship(CARER, AISHA, start)];
    place.record(facts).await;
    let list = async || {
        let message = place.from(officer, pb::ListReviewsRequest::default());
        place.reviews().list_reviews(message).await.unwrap().into_inner().reviews
    };
    let refused = refused_enquiry(AISHA);
    let reply = place.sharing().request_records(place.from(CARER, refused)).await.unwrap();
    let disclosure = reply.into_inner().answers[0].receipt.as_ref().unwrap().name.clone();
    let approve = pb::ApproveOverrideRequest { disclosure, ..Default::default() };
    place.reviews().approve_override(place.from(CARE_LEAD, approve)).await.unwrap();
    assert!(list().await.is_empty(), "nothing was released yet");
    assert_eq!(locate(&place, CARER, enquiry(AISHA)).await.holders, ["agencies/oakdale-gp"]);
    let waiting = list().await;
    assert_eq!((waiting.len(), waiting[0].holder.as_str()), (1, "agencies/oakdale-gp"));
    for (what, who, code, reason) in [
        ("who asked", asker, Code::PermissionDenied, "OWN_REQUEST"),
        ("who approved", approver, Code::PermissionDenied, "REVIEWER_NOT_ENTITLED"),
        ("another", officer, Code::Ok, ""),
    ] {
        let message = pb::CloseReviewRequest {
            disclosure: waiting[0].disclosure.clone(),
            outcome: "justified".to_owned(),
            reason: "The son was there".to_owned(),
            request_id: String::new(),
        };
        let reply = place.reviews().close_review(place.from(who, message)).await;
        expect_refused(what, reply, code, reason, &[]);
    }
    assert!(list().await.is_empty());
}
