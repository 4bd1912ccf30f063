//! "I withdraw my consent", whatever sharing rests on.

use tonic::{Code, Response, Status};
use weir::audit::entry::{Facet, Kind};
use weir::clock::Clock;
use weir::domain::{ChoiceEvent, ConsentEvent, ConsentKind, ConsentState, DecisionId, Giver};
use weir::grpc::pb;
use weir::store::{Store, StoredChoice};

use super::{Person, asked, consent, listed, mobility, recorded};
use crate::support::{
    ABSENT, AISHA, BEN, CHILDRENS, GP_REGISTRAR, HOUSING, Inhabitant, Place, SEALED,
    expect_refused, prepared, shown, treatment,
};

fn said(about: Inhabitant, purpose: &str) -> pb::WithdrawConsentRequest {
    pb::WithdrawConsentRequest {
        resident: about.path(),
        purpose: purpose.to_owned(),
        by: "self".to_owned(),
        channel: "telephone".to_owned(),
        ..Default::default()
    }
}

async fn withdraw(
    place: &Place,
    who: Person,
    message: pb::WithdrawConsentRequest,
) -> Result<Response<pb::WithdrawConsentResponse>, Status> {
    place.choices().withdraw_consent(place.from(who, message)).await
}

/// Releases that relied on what had been taken back.
async fn broken(place: &Place, agency: &'static str) -> usize {
    let auditor = Person { agency, person: "auditor-9", roles: &["hub-auditor"] };
    let message = pb::AnswerQuestionRequest {
        question: "after-consent-withdrawal".to_owned(),
        ..Default::default()
    };
    let answer = place.audit().answer_question(place.from(auditor, message)).await.unwrap();
    answer.into_inner().rows.len()
}

#[tokio::test]
async fn under_a_public_task_the_consent_ends_and_an_objection_stands() {
    let place = Place::open().await;
    recorded(&place, AISHA, consent()).await;
    assert_eq!(asked(&place, HOUSING, mobility()).await, (true, vec![]));
    place.clock.set("2026-07-15T10:00:01+01:00".parse().unwrap());
    let before = place.log_size();
    let done = withdraw(&place, HOUSING, said(AISHA, "medical_priority")).await.unwrap();
    let done = done.into_inner();
    assert_eq!((done.choice.as_str(), done.withdrawn.len()), ("", 1));
    // Who was told of the end stands behind it.
    let mut logged = place.entries(before);
    logged.retain(|one| one.entry.kind != Kind::Notice);
    let words: Vec<&str> = logged.iter().map(|one| one.facet(Facet::What)).collect();
    assert_eq!(words, ["withdrawal", "confidentiality_explicit|withdrawn", "art21"]);
    assert!(logged.iter().all(|one| one.entry.kind == Kind::Choice));
    assert_eq!(done.receipt.unwrap().entry, format!("entries/{}", logged[0].index));
    let told = done.told.unwrap();
    for part in
        ["take back your consent", "Nothing more is shared", "objection", "No other sharing"]
    {
        assert!(told.en.contains(part), "{part}: {}", told.en);
    }
    assert!(told.cy.contains("gwrthwynebiad") && !told.cy.contains('{'), "{}", told.cy);
    let (open, codes) = asked(&place, HOUSING, mobility()).await;
    assert!(!open, "{codes:?}");
    for code in ["CNS_WITHDRAWN", "CHO_ART21_PENDING"] {
        assert!(codes.contains(&code.to_owned()), "{code}: {codes:?}");
    }
    let objections: Vec<pb::Choice> = listed(&place, HOUSING, AISHA)
        .await
        .into_iter()
        .filter(|choice| choice.name == done.objection)
        .collect();
    assert_eq!(objections.len(), 1);
    assert_eq!(broken(&place, "northfield-council-housing").await, 0);
    // Said again: it is on record, and nothing is there to end.
    let done = withdraw(&place, HOUSING, said(AISHA, "medical_priority")).await.unwrap();
    let done = done.into_inner();
    assert_eq!((done.withdrawn.len(), done.objection.as_str()), (0, ""));
    assert!(done.told.unwrap().en.contains("No agreement of yours"));
}

#[tokio::test]
async fn where_consent_is_the_basis_it_ends_and_that_is_all() {
    let place = Place::open().await;
    let yes = pb::Consent {
        kind: "gdpr_art9_explicit".to_owned(),
        purposes: vec!["befriending".to_owned()],
        recipients: vec!["agencies/befriend".to_owned()],
        notice: shown("befriending"),
        ..consent()
    };
    recorded(&place, AISHA, yes).await;
    let done = withdraw(&place, HOUSING, said(AISHA, "befriending")).await.unwrap().into_inner();
    assert_eq!((done.withdrawn.len(), done.objection.as_str()), (1, ""));
    assert!(done.goes_on_under.is_empty(), "{:?}", done.goes_on_under);
    let told = done.told.unwrap().en;
    assert!(!told.contains("objection") && told.contains("No other sharing"), "{told}");
}

#[tokio::test]
async fn a_consent_to_several_purposes_ends_for_the_one() {
    let place = Place::open().await;
    let event = yes_to(&["medical_priority", "early_help"], "northfield-council-housing");
    store(&place, AISHA, event).await;
    withdraw(&place, HOUSING, said(AISHA, "early_help")).await.unwrap();
    assert_eq!(asked(&place, HOUSING, mobility()).await, (true, vec![]));
    place.clock.set("2026-07-15T10:00:02+01:00".parse().unwrap());
    withdraw(&place, HOUSING, said(AISHA, "medical_priority")).await.unwrap();
    assert!(!asked(&place, HOUSING, mobility()).await.0);
}

fn yes_to(purposes: &[&str], recipient: &str) -> ConsentEvent {
    ConsentEvent {
        kind: ConsentKind::ConfidentialityExplicit,
        state: ConsentState::Given,
        at: "2026-07-01T09:00:00Z".parse().unwrap(),
        until: jiff::civil::date(2027, 6, 30),
        purposes: purposes.iter().map(|purpose| purpose.parse().unwrap()).collect(),
        recipients: [recipient.parse().unwrap()].into(),
        fields: None,
        by: Giver::Own,
        evidence: true,
        gillick: true,
        freely_given: true,
        parts: [].into(),
        proxy: None,
        collected: Default::default(),
    }
}

async fn store(place: &Place, about: Inhabitant, event: ConsentEvent) {
    let choice = StoredChoice {
        id: DecisionId::from_uuid(uuid::Uuid::new_v4()),
        recorded_by: "northfield-council-childrens".parse().unwrap(),
        recorded_at: place.clock.now(),
        event: ChoiceEvent::Consent(event),
    };
    let store = place.app.store.as_ref();
    store.record_choice(about.resident(), choice, vec![prepared(Kind::Choice)]).await.unwrap();
}

#[tokio::test]
async fn an_enquiry_into_harm_goes_on_and_the_person_is_told_under_which_law() {
    let place = Place::open().await;
    let enquiry = || pb::CanShareRequest {
        resident: BEN.path(),
        purpose: "child_protection".to_owned(),
        fields: vec!["identity/core.name".to_owned()],
        threshold_statement: "Significant harm is suspected".to_owned(),
        ..treatment(BEN)
    };
    assert_eq!(asked(&place, CHILDRENS, enquiry()).await, (true, vec![]));
    store(&place, BEN, yes_to(&["child_protection"], "northfield-council-childrens")).await;
    place.clock.set("2026-07-15T10:00:01+01:00".parse().unwrap());
    let done = withdraw(&place, CHILDRENS, said(BEN, "child_protection")).await.unwrap();
    let done = done.into_inner();
    assert_eq!(done.withdrawn.len(), 1, "the confidentiality consent ends");
    let told = done.told.unwrap();
    for part in ["goes on all the same", "Children Act 1989", "in danger", "objection"] {
        assert!(told.en.contains(part), "{part}: {}", told.en);
    }
    assert!(done.goes_on_under.iter().any(|law| law.contains("Children Act 1989")));
    assert_eq!(asked(&place, CHILDRENS, enquiry()).await, (true, vec![]), "it goes on");
    let choices = listed(&place, CHILDRENS, BEN).await;
    let pending = choices.iter().find(|choice| choice.name == done.objection).unwrap();
    match &pending.event {
        Some(pb::choice::Event::Objection(objection)) => {
            assert_eq!((objection.kind.as_str(), objection.state.as_str()), ("art21", "pending"));
            assert_eq!(objection.purpose, "child_protection");
        }
        _ => panic!("another event"),
    }
    let ended = choices.iter().find(|choice| choice.name == done.withdrawn[0]).unwrap();
    match &ended.event {
        Some(pb::choice::Event::Consent(consent)) => assert_eq!(consent.state, "withdrawn"),
        _ => panic!("another event"),
    }
    assert_eq!(broken(&place, "northfield-council-childrens").await, 0);
}

#[tokio::test]
async fn it_is_done_once_whole_or_not_at_all() {
    let place = Place::open().await;
    recorded(&place, AISHA, consent()).await;
    let id = uuid::Uuid::from_u128(77).to_string();
    let under = |message: pb::WithdrawConsentRequest| pb::WithdrawConsentRequest {
        request_id: id.clone(),
        ..message
    };
    let once = || under(said(AISHA, "medical_priority"));
    let first = withdraw(&place, HOUSING, once()).await.unwrap().into_inner();
    let size = place.log_size();
    let again = withdraw(&place, HOUSING, once()).await.unwrap().into_inner();
    assert_eq!((&first.withdrawn, &first.objection), (&again.withdrawn, &again.objection));
    let told = |one: pb::WithdrawConsentResponse| {
        let told = one.told.unwrap();
        (told.en, told.cy, one.goes_on_under)
    };
    assert_eq!(told(first.clone()), told(again));
    assert_eq!(place.log_size(), size);
    let reply = withdraw(&place, HOUSING, under(said(AISHA, "early_help"))).await;
    expect_refused("another call", reply, Code::AlreadyExists, "REQUEST_ID_REUSED", &[]);

    let before = listed(&place, HOUSING, AISHA).await.len();
    let size = place.log_size();
    let both = pb::WithdrawConsentRequest {
        choice: first.withdrawn[0].clone(),
        ..said(AISHA, "medical_priority")
    };
    let late = pb::WithdrawConsentRequest {
        event_time: Some(prost_types::Timestamp { seconds: 1_784_109_000, nanos: 0 }),
        ..said(AISHA, "medical_priority")
    };
    let nothing = pb::WithdrawConsentRequest { by: "self".to_owned(), ..Default::default() };
    let unpurposed = pb::WithdrawConsentRequest { purpose: String::new(), ..said(AISHA, "") };
    for (what, message, field) in [
        ("both", both, "choice"),
        ("of no list", said(AISHA, "marketing"), "purpose"),
        ("not yet", late, "event_time"),
        ("nothing", nothing, "choice"),
        ("for nothing", unpurposed, "purpose"),
    ] {
        let reply = withdraw(&place, HOUSING, message).await;
        expect_refused(what, reply, Code::InvalidArgument, "REQUEST_INVALID", &[field]);
    }
    assert_eq!(place.log_size(), size);
    for one in [SEALED, ABSENT] {
        let reply = withdraw(&place, HOUSING, said(one, "medical_priority")).await;
        expect_refused("hidden", reply, Code::NotFound, "NOT_FOUND", &[]);
    }
    let reply = withdraw(&place, GP_REGISTRAR, said(AISHA, "medical_priority")).await;
    expect_refused("no role", reply, Code::PermissionDenied, "ROLE_NEEDED", &[]);
    assert_eq!(listed(&place, HOUSING, AISHA).await.len(), before);
}
