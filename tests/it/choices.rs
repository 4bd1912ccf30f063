//! ChoiceService over a socket: a yes opens, taking it back closes at once, an objection and a
//! restriction have force, and each agency sees the choices that concern it.

use tonic::{Code, Response, Status};
use weir::audit::entry::{Facet, Kind, SlotId};
use weir::grpc::pb;

use crate::support::{
    AISHA, BEN, CHILDRENS, GP_REGISTRAR, HOUSING, NURSE, Place, decision, expect_refused, refused,
    request, shown, treatment,
};

type Person = weir::auth::issuer::Person<'static>;

fn consent() -> pb::Consent {
    pb::Consent {
        kind: "confidentiality_explicit".to_owned(),
        state: "given".to_owned(),
        purposes: vec!["medical_priority".to_owned()],
        recipients: vec!["agencies/northfield-council-housing".to_owned()],
        fields: vec!["health/support.mobility".to_owned()],
        by: "self".to_owned(),
        evidence: true,
        freely_given: true,
        notice: shown("medical-priority"),
        ..Default::default()
    }
}

async fn record(
    place: &Place,
    who: Person,
    consent: pb::Consent,
) -> Result<Response<pb::RecordConsentResponse>, Status> {
    let message = pb::RecordConsentRequest {
        resident: AISHA.path(),
        consent: Some(consent),
        request_id: String::new(),
    };
    place.choices().record_consent(place.from(who, message)).await
}

async fn withdraw(
    place: &Place,
    who: Person,
    choice: &str,
) -> Result<Response<pb::WithdrawConsentResponse>, Status> {
    let message = pb::WithdrawConsentRequest {
        choice: choice.to_owned(),
        by: "self".to_owned(),
        evidence: true,
        ..Default::default()
    };
    place.choices().withdraw_consent(place.from(who, message)).await
}

async fn listed(place: &Place, who: Person) -> Vec<pb::Choice> {
    let message = pb::ListChoicesRequest { resident: AISHA.path(), ..Default::default() };
    let reply = place.choices().list_choices(place.from(who, message)).await;
    reply.unwrap().into_inner().choices
}

/// Whether the question is answered with values, and with which codes.
async fn asked(place: &Place, who: Person, question: pb::CanShareRequest) -> (bool, Vec<String>) {
    let message = place.from(who, request(question));
    let mut answers = place.sharing().request_records(message).await.unwrap().into_inner().answers;
    let answer = answers.pop().unwrap();
    (!answer.values.is_empty(), decision(&answer).codes.clone())
}

fn mobility() -> pb::CanShareRequest {
    pb::CanShareRequest {
        purpose: "medical_priority".to_owned(),
        fields: vec!["health/support.mobility".to_owned()],
        ..treatment(AISHA)
    }
}

#[tokio::test]
async fn a_yes_opens_and_taking_it_back_closes_at_once() {
    let place = Place::open().await;
    let absent = (false, vec!["CNS_ABSENT".to_owned()]);
    assert_eq!(asked(&place, HOUSING, mobility()).await, absent);
    let before = place.log_size();
    let given = record(&place, HOUSING, consent()).await.unwrap().into_inner();
    let logged = place.entries(before);
    assert_eq!((logged.len(), logged[0].entry.kind), (1, Kind::Choice));
    assert_eq!(logged[0].facet(Facet::What), "confidentiality_explicit|given");
    assert_eq!(given.receipt.unwrap().entry, format!("entries/{}", logged[0].index));
    assert_eq!(asked(&place, HOUSING, mobility()).await, (true, vec![]));
    // The yes is to housing, for this purpose, for this field.
    let other =
        pb::CanShareRequest { fields: vec!["health/summary.conditions".to_owned()], ..mobility() };
    assert_eq!(asked(&place, HOUSING, other).await, (false, vec!["CNS_OUT_OF_SCOPE".to_owned()]));

    place.clock.set("2026-07-15T10:00:01+01:00".parse().unwrap());
    let gone = withdraw(&place, HOUSING, &given.choice).await.unwrap().into_inner();
    assert_ne!(gone.choice, given.choice, "an event of its own");
    let withdrawn = (false, vec!["CNS_WITHDRAWN".to_owned()]);
    assert_eq!(asked(&place, HOUSING, mobility()).await, withdrawn);
    let states: Vec<String> = listed(&place, HOUSING)
        .await
        .into_iter()
        .map(|choice| match choice.event {
            Some(pb::choice::Event::Consent(consent)) => consent.state,
            _ => String::new(),
        })
        .collect();
    assert_eq!(states, ["given", "withdrawn"], "nothing is edited");
    // A refusal is an event too, and the latest decides.
    record(&place, HOUSING, consent()).await.unwrap();
    assert_eq!(asked(&place, HOUSING, mobility()).await, (true, vec![]));
    let refusal = pb::Consent { state: "refused".to_owned(), ..consent() };
    record(&place, HOUSING, refusal).await.unwrap();
    assert_eq!(asked(&place, HOUSING, mobility()).await, (false, vec!["CNS_REFUSED".to_owned()]));
}

#[tokio::test]
async fn a_consent_ends_on_its_last_day() {
    let place = Place::open().await;
    let short = pb::Consent { until_date: "2026-07-15".to_owned(), ..consent() };
    record(&place, HOUSING, short).await.unwrap();
    place.clock.set("2026-07-15T23:59:59+01:00".parse().unwrap());
    assert_eq!(asked(&place, HOUSING, mobility()).await, (true, vec![]));
    place.clock.set("2026-07-16T00:00:00+01:00".parse().unwrap());
    assert_eq!(asked(&place, HOUSING, mobility()).await, (false, vec!["CNS_EXPIRED".to_owned()]));
}

#[tokio::test]
async fn an_objection_and_a_restriction_have_force() {
    let place = Place::open().await;
    assert_eq!(asked(&place, NURSE, treatment(AISHA)).await, (true, vec![]));
    let message = pb::SetRestrictionRequest {
        resident: AISHA.path(),
        fields: vec!["health/summary.allergies".to_owned()],
        on_date: String::new(),
        request_id: String::new(),
    };
    let before = place.log_size();
    let done = place.choices().set_restriction(place.from(NURSE, message)).await.unwrap();
    assert_eq!(place.entries(before)[0].facet(Facet::What), "art18");
    assert!(done.into_inner().choice.starts_with(&AISHA.path()));
    let restricted = (false, vec!["CHO_ART18_RESTRICTED".to_owned()]);
    assert_eq!(asked(&place, NURSE, treatment(AISHA)).await, restricted);
    let other = pb::CanShareRequest {
        fields: vec!["health/summary.conditions".to_owned()],
        ..treatment(AISHA)
    };
    assert_eq!(asked(&place, NURSE, other.clone()).await, (true, vec![]));

    let message = pb::RecordObjectionRequest {
        resident: AISHA.path(),
        kind: "direct-care-objection".to_owned(),
        fields: vec!["health/summary.conditions".to_owned()],
        ..Default::default()
    };
    place.choices().record_objection(place.from(NURSE, message)).await.unwrap();
    let objected = (false, vec!["CHO_DIRECT_CARE_OBJECTION".to_owned()]);
    assert_eq!(asked(&place, NURSE, other).await, objected);

    let welfare = pb::CanShareRequest {
        resident: BEN.path(),
        holder: "agencies/northfield-council-childrens".to_owned(),
        purpose: "child_welfare".to_owned(),
        fields: vec!["identity/core.name".to_owned()],
        ..treatment(BEN)
    };
    assert_eq!(asked(&place, CHILDRENS, welfare.clone()).await, (true, vec![]));
    let message = pb::RecordObjectionRequest {
        resident: BEN.path(),
        kind: "art21".to_owned(),
        purpose: "child_welfare".to_owned(),
        ..Default::default()
    };
    place.choices().record_objection(place.from(CHILDRENS, message)).await.unwrap();
    let (answered, codes) = asked(&place, CHILDRENS, welfare).await;
    assert!(!answered && codes.contains(&"CHO_ART21_PENDING".to_owned()), "{codes:?}");
}

#[tokio::test]
async fn an_agency_sees_the_choices_that_it_recorded_or_that_name_it() {
    let place = Place::open().await;
    // Recorded by the hospital, to housing.
    record(&place, NURSE, consent()).await.unwrap();
    let message = pb::SetRestrictionRequest { resident: AISHA.path(), ..Default::default() };
    place.choices().set_restriction(place.from(NURSE, message)).await.unwrap();
    for (who, count) in [(NURSE, 2), (HOUSING, 1), (CHILDRENS, 0)] {
        let before = place.log_size();
        let choices = listed(&place, who).await;
        assert_eq!(choices.len(), count, "{}", who.agency);
        assert!(choices.iter().all(|c| c.recorded_by == "agencies/northfield-hospital"));
        let logged = place.entries(before);
        assert_eq!((logged.len(), logged[0].entry.kind), (1, Kind::Query), "a look is recorded");
    }
    let page = |size, token: &str| pb::ListChoicesRequest {
        resident: AISHA.path(),
        page_size: size,
        page_token: token.to_owned(),
    };
    let first = place.choices().list_choices(place.from(NURSE, page(1, ""))).await.unwrap();
    let first = first.into_inner();
    assert_eq!(first.choices.len(), 1);
    let asked = place.from(NURSE, page(1, &first.next_page_token));
    let second = place.choices().list_choices(asked).await.unwrap().into_inner();
    assert_eq!((second.choices.len(), second.next_page_token.as_str()), (1, ""));
    assert_ne!(first.choices[0].name, second.choices[0].name);
    let other = pb::ListChoicesRequest { resident: BEN.path(), ..page(1, &first.next_page_token) };
    let reply = place.choices().list_choices(place.from(NURSE, other)).await;
    let wrong = ["page_token"];
    expect_refused("another's", reply, Code::InvalidArgument, "REQUEST_INVALID", &wrong);
    let before = place.log_size();
    let reply = place.choices().list_choices(place.from(GP_REGISTRAR, page(1, ""))).await;
    expect_refused("no role", reply, Code::PermissionDenied, "ROLE_NEEDED", &[]);
    let reply = record(&place, GP_REGISTRAR, consent()).await;
    expect_refused("no role", reply, Code::PermissionDenied, "ROLE_NEEDED", &[]);
    assert_eq!(place.entries(before).len(), 2);
}

#[tokio::test]
async fn a_choice_that_makes_no_sense_is_not_recorded() {
    let place = Place::open().await;
    type Change = fn(&mut pb::Consent);
    let future = prost_types::Timestamp { seconds: 1_784_106_001, nanos: 0 };
    let table: [(&str, Change, &str); 12] = [
        ("no kind", |c| c.kind = String::new(), "consent.kind"),
        ("a kind of no list", |c| c.kind = "implied".to_owned(), "consent.kind"),
        ("no state", |c| c.state = String::new(), "consent.state"),
        ("no giver", |c| c.by = String::new(), "consent.by"),
        ("no purposes", |c| c.purposes.clear(), "consent.purposes"),
        ("no such purpose", |c| c.purposes = vec!["marketing".to_owned()], "consent.purposes[0]"),
        ("no recipients", |c| c.recipients.clear(), "consent.recipients"),
        (
            "no such recipient",
            |c| c.recipients = vec!["agencies/elsewhere".to_owned()],
            "consent.recipients[0]",
        ),
        ("no such field", |c| c.fields = vec!["shoes/sizes.left".to_owned()], "consent.fields[0]"),
        ("no day", |c| c.until_date = "soon".to_owned(), "consent.until_date"),
        ("over before it began", |c| c.until_date = "2026-07-14".to_owned(), "consent.until_date"),
        ("parts of nothing", |c| c.parts = vec!["whole".to_owned()], "consent.parts"),
    ];
    let before = place.log_size();
    for (what, change, field) in table {
        let mut odd = consent();
        change(&mut odd);
        let (code, reason, fields) = refused(record(&place, HOUSING, odd).await);
        assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "REQUEST_INVALID"), "{what}");
        assert!(fields.iter().any(|f| f.starts_with(field)), "{what}: {fields:?}");
    }
    let early = pb::Consent { event_time: Some(future), ..consent() };
    let reply = record(&place, HOUSING, early).await;
    let (code, _, fields) = refused(reply);
    assert_eq!(code, Code::InvalidArgument, "{fields:?}");
    for (what, message, field) in [
        ("no kind", pb::RecordObjectionRequest::default(), "kind"),
        ("art18 is set, not recorded", objection("art18", ""), "kind"),
        ("an opt-out is read from its list", objection("ndo", ""), "kind"),
        ("to what", objection("art21", ""), "purpose"),
        ("to no purpose", objection("art21", "marketing"), "purpose"),
        ("a purpose too many", objection("direct-care-objection", "direct_care"), "purpose"),
    ] {
        let message = pb::RecordObjectionRequest { resident: AISHA.path(), ..message };
        let reply = place.choices().record_objection(place.from(HOUSING, message)).await;
        expect_refused(what, reply, Code::InvalidArgument, "REQUEST_INVALID", &[field]);
    }
    let message = pb::SetRestrictionRequest {
        resident: AISHA.path(),
        on_date: "2026-07-16".to_owned(),
        ..Default::default()
    };
    let reply = place.choices().set_restriction(place.from(HOUSING, message)).await;
    expect_refused("tomorrow", reply, Code::InvalidArgument, "REQUEST_INVALID", &["on_date"]);
    assert_eq!(place.log_size(), before);
    assert!(listed(&place, HOUSING).await.is_empty());

    // Taking back what is not there, or is no consent, is recorded as a try.
    let message = pb::SetRestrictionRequest { resident: AISHA.path(), ..Default::default() };
    let done = place.choices().set_restriction(place.from(NURSE, message)).await.unwrap();
    let restriction = done.into_inner().choice;
    let nobody = format!("{}/choices/{}", AISHA.path(), uuid::Uuid::nil());
    let before = place.log_size();
    for choice in [&restriction, &nobody] {
        let reply = withdraw(&place, NURSE, choice).await;
        expect_refused("no consent", reply, Code::NotFound, "NOT_FOUND", &[]);
    }
    let kinds: Vec<_> = place.entries(before).iter().map(|e| e.entry.kind).collect();
    assert_eq!(kinds, [Kind::TurnedAway; 2]);
    let subject = place.entries(before)[0].slots.get(&(SlotId::Subject as u8)).cloned();
    assert_eq!(subject.unwrap(), AISHA.resident().uuid().as_bytes());
    let reply = withdraw(&place, NURSE, "residents/7/choices/7").await;
    expect_refused("no name", reply, Code::InvalidArgument, "REQUEST_INVALID", &["choice"]);
}

fn objection(kind: &str, purpose: &str) -> pb::RecordObjectionRequest {
    pb::RecordObjectionRequest {
        kind: kind.to_owned(),
        purpose: purpose.to_owned(),
        ..Default::default()
    }
}
