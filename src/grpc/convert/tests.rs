//! Bounds and shapes of messages: each row spoils one field of a sound message and expects the
//! violation to name it.

use super::*;

const RESIDENT: &str = "residents/0198f0c0-7a3e-4d7e-9c1a-2b6d7f3e5a11";
const OTHER: &str = "residents/0198f0c0-7a3e-4d7e-9c1a-2b6d7f3e5a12";

fn sound() -> pb::RequestRecordsRequest {
    pb::RequestRecordsRequest {
        residents: vec![RESIDENT.to_owned(), OTHER.to_owned()],
        holders: vec!["agencies/oakdale-gp".to_owned(), "agencies/befriend".to_owned()],
        purpose: "direct_care".to_owned(),
        fields: vec!["health/summary".to_owned(), "identity/core.name".to_owned()],
        reason: "review of asthma".to_owned(),
        case_reference: "CASE-1".to_owned(),
        ..Default::default()
    }
}

fn named(result: Result<Questions, Violations>) -> Vec<String> {
    match result {
        Ok(_) => vec![],
        Err(Violations(all)) => all.into_iter().map(|v| v.field).collect(),
    }
}

#[test]
fn residents_times_holders_in_order() {
    let Questions(all) = sound().try_into().unwrap();
    let pairs: Vec<(String, &str)> =
        all.iter().map(|q| (resident_name(q.resident), q.ask.from.as_str())).collect();
    let expected = [
        (RESIDENT.to_owned(), "oakdale-gp"),
        (RESIDENT.to_owned(), "befriend"),
        (OTHER.to_owned(), "oakdale-gp"),
        (OTHER.to_owned(), "befriend"),
    ];
    assert_eq!(pairs, expected);
    assert!(all.iter().all(|q| q.ask.override_claim.is_none()));
}

#[test]
fn each_fault_names_its_field() {
    type Spoil = fn(&mut pb::RequestRecordsRequest);
    let long = || "x".repeat(limits::TEXT_LEN_MAX + 1);
    assert_eq!(long().len(), 2001);
    let table: Vec<(&str, Spoil)> = vec![
        ("residents", |m| m.residents.clear()),
        ("residents", |m| m.residents = vec![RESIDENT.to_owned(); 101]),
        ("residents[1]", |m| m.residents[1] = RESIDENT.to_owned()),
        ("residents[1]", |m| m.residents[1] = RESIDENT.to_uppercase()),
        ("residents[0]", |m| m.residents[0] = "residents/9434765919".to_owned()),
        ("residents[0]", |m| m.residents[0] = String::new()),
        ("holders", |m| m.holders.clear()),
        ("holders[1]", |m| m.holders[1] = "agencies/oakdale-gp".to_owned()),
        ("holders[0]", |m| m.holders[0] = "oakdale-gp".to_owned()),
        ("holders[0]", |m| m.holders[0] = "agencies/".to_owned()),
        ("purpose", |m| m.purpose.clear()),
        ("purpose", |m| m.purpose = "direct care".to_owned()),
        ("fields", |m| m.fields.clear()),
        ("fields", |m| m.fields = vec!["a/b".to_owned(); 201]),
        ("fields[1]", |m| m.fields[1] = "näme".to_owned()),
        ("reason", |m| m.reason = "x".repeat(2001)),
        ("reason", |m| m.reason = "nul \0 here".to_owned()),
        ("case_reference", |m| m.case_reference = "x".repeat(2001)),
        ("basis", |m| m.basis = "6 1 e".to_owned()),
        ("cited_gateway", |m| m.cited_gateway = "a b".to_owned()),
        ("threshold_statement", |m| m.threshold_statement = "x".repeat(2001)),
        ("notice_reference", |m| m.notice_reference = "x".repeat(2001)),
        ("received_for_purpose", |m| m.received_for_purpose = "a b".to_owned()),
        ("do_not_tell_reason", |m| m.do_not_tell_reason = "x".repeat(2001)),
        ("override.kind", |m| m.r#override = Some(pb::OverrideClaim::default())),
        ("override.asserted_time", |m| {
            m.r#override = Some(pb::OverrideClaim {
                kind: "VITAL".to_owned(),
                asserted_time: Some(prost_types::Timestamp { seconds: 0, nanos: -1 }),
                ..Default::default()
            });
        }),
        ("override.answers", |m| {
            let answer = pb::OverrideAnswer { answer: None };
            m.r#override = Some(pb::OverrideClaim {
                kind: "VITAL".to_owned(),
                answers: [("immediate_risk".to_owned(), answer)].into(),
                ..Default::default()
            });
        }),
    ];
    for (field, spoil) in table {
        let mut message = sound();
        spoil(&mut message);
        let found = named(message.try_into());
        assert!(found.iter().any(|f| f == field), "{field}: {found:?}");
    }
}

#[test]
fn too_many_questions_are_turned_down() {
    let mut message = sound();
    message.residents =
        (0..100).map(|n| format!("residents/{}", uuid::Uuid::from_u128(n + 1))).collect();
    message.holders.push("agencies/x".to_owned());
    assert_eq!(named(message.try_into()), ["residents"]);
}

#[test]
fn a_single_question_reads_the_same_terms() {
    let terms = sound();
    let message = pb::CanShareRequest {
        resident: RESIDENT.to_owned(),
        holder: "agencies/oakdale-gp".to_owned(),
        purpose: terms.purpose.clone(),
        fields: terms.fields.clone(),
        reason: terms.reason.clone(),
        case_reference: terms.case_reference.clone(),
        ..Default::default()
    };
    let Questions(one) = message.clone().try_into().unwrap();
    let Questions(many) = terms.try_into().unwrap();
    assert_eq!(one[0].ask, many[0].ask);
    let batch =
        pb::BatchCanShareRequest { requests: vec![message, pb::CanShareRequest::default()] };
    let found = named(batch.try_into());
    assert!(found.contains(&"requests[1].resident".to_owned()), "{found:?}");
}

#[test]
fn violations_are_bounded_and_repeat_nothing() {
    let mut message = sound();
    message.fields = vec!["Aisha Khan".to_owned(); 200];
    let Violations(all) = Questions::try_from(message).unwrap_err();
    assert_eq!(all.len(), limits::VIOLATIONS_MAX);
    assert!(!format!("{all:?}").contains("Aisha"));
}

#[test]
fn an_override_has_answers_and_never_an_approver() {
    let flag = pb::override_answer::Answer::Flag(true);
    let mut message = sound();
    message.r#override = Some(pb::OverrideClaim {
        kind: "VITAL".to_owned(),
        answers: [("unable_to_consent".to_owned(), pb::OverrideAnswer { answer: Some(flag) })]
            .into(),
        asserted_time: None,
        named_approver: Some(pb::NamedApprover {
            agency: "agencies/oakdale-gp".to_owned(),
            person: "gp-1".to_owned(),
        }),
    });
    let Questions(all) = message.try_into().unwrap();
    let claim = all[0].ask.override_claim.as_ref().unwrap();
    assert_eq!(claim.answers["unable_to_consent"], crate::domain::Answer::Flag(true));
    assert!(claim.approver.is_none());
}

#[test]
fn page_sizes_are_cut_down() {
    for (wish, size) in [(0, 50), (1, 1), (500, 500), (501, 500), (i32::MAX, 500)] {
        assert_eq!(Check::default().page_size(wish), size);
    }
    let mut check = Check::default();
    check.page_size(-1);
    assert!(check.done(Some(())).is_err());
}

#[test]
fn a_page_token_belongs_to_its_question() {
    let list = |category: &str, token: &str| {
        Page::try_from(pb::ListHeldRecordsRequest {
            category: category.to_owned(),
            page_size: 0,
            page_token: token.to_owned(),
        })
    };
    let held = vec![crate::store::HeldRecord {
        local_id: "77".to_owned(),
        category: "health/summary".parse().unwrap(),
        published_at: Timestamp::UNIX_EPOCH,
        expires_at: Timestamp::UNIX_EPOCH,
    }];
    let of = "health/summary".parse().unwrap();
    let token = held_response(held.clone(), true, Some(&of)).next_page_token;
    let page = list("health/summary", &token).unwrap_or_else(|_| panic!("refused"));
    assert_eq!(page.after, Some((of.clone(), "77".to_owned())));
    assert!(list("contact/home", &token).is_err());
    assert!(list("", &token).is_err());
    assert!(list("health/summary", "nonsense!").is_err());
    assert!(list("health/summary", &"A".repeat(5000)).is_err());
    assert!(held_response(held, false, Some(&of)).next_page_token.is_empty());
}

#[test]
fn times_before_the_epoch_keep_their_order() {
    let at: Timestamp = "1969-12-31T23:59:59.5Z".parse().unwrap();
    let wire = time_message(at);
    assert_eq!((wire.seconds, wire.nanos), (-1, 500_000_000));
    let mut check = Check::default();
    assert_eq!(check.time("t", Some(wire)), Some(at));
}

#[test]
fn days_have_one_shape() {
    for (text, sound) in [
        ("2026-07-15", true),
        ("2026-02-30", false),
        ("20260715", false),
        ("2026-07-15T10:00:00", false),
        ("-002026-07", false),
    ] {
        let mut check = Check::default();
        assert_eq!(check.day("d", text).is_some(), sound, "{text}");
    }
}

#[test]
fn rows_of_an_extract() {
    use pb::publish_records_request::Part;
    let value = |field: &str, text: &str| pb::FieldText {
        field: field.to_owned(),
        text: text.to_owned(),
        labels: Vec::new(),
    };
    let read = |local_id: &str, values: Vec<pb::FieldText>| {
        let row = pb::PublishRow { local_id: local_id.to_owned(), values };
        let part = Some(Part::Row(row));
        read_row(pb::PublishRecordsRequest { part }, 3).map_err(|wrong| wrong.0[0].field.clone())
    };
    let name = || value("identity/core.name", "Aisha");
    assert!(read("7", vec![name()]).is_ok());
    let table = [
        ("rows[3].local_id", read("", vec![name()])),
        ("rows[3].local_id", read(&"7".repeat(121), vec![name()])),
        ("rows[3].local_id", read("né", vec![name()])),
        ("rows[3].values", read("7", vec![])),
        ("rows[3].values", read("7", vec![name(), name()])),
        ("rows[3].values", read("7", vec![value("identity/core.name", "  ")])),
        ("rows[3].values", read("7", vec![value("bad field", "x")])),
    ];
    for (field, found) in table {
        assert_eq!(found.err().as_deref(), Some(field));
    }
    assert!(read_header(pb::PublishRecordsRequest { part: None }).is_err());
}

#[test]
fn a_consent_names_what_is_wrong() {
    let consent = pb::Consent {
        kind: "confidentiality_explict".to_owned(),
        state: "given".to_owned(),
        by: "me".to_owned(),
        recipients: vec!["befriend".to_owned()],
        ..Default::default()
    };
    let message = pb::RecordConsentRequest {
        resident: RESIDENT.to_owned(),
        consent: Some(consent),
        request_id: String::new(),
    };
    let Violations(all) = crate::hub::NewConsent::try_from(message).err().unwrap();
    let what = |field: &str| all.iter().find(|v| v.field == field).map(|v| v.what.clone());
    let kind = what("consent.kind").unwrap();
    assert!(kind.contains("`confidentiality_explicit`"), "{kind}");
    assert!(what("consent.by").is_some());
    assert!(what("consent.purposes").is_some());
    assert!(what("consent.recipients[0]").is_some());
}
