//! Questions that have a name, over a socket, on a log that real requests made.

use tonic::{Code, Response, Status};
use weir::audit::entry::{Facet, Kind};
use weir::audit::questions::{ALL, Parameter};
use weir::auth::issuer::Person;
use weir::clock::Clock;
use weir::grpc::pb;

use crate::story::weir;
use crate::support::{
    AISHA, BEN, CARER, CONSTABLE, GP_AUDITOR, HOSPITAL_AUDITOR, HOUSING, Inhabitant, NURSE, Place,
    expect_refused, relationship, request, shown, treatment,
};

const HOUSING_AUDITOR: Person<'_> =
    Person { agency: "northfield-council-housing", person: "auditor-5", roles: &["hub-auditor"] };
const POLICE_AUDITOR: Person<'_> =
    Person { agency: "northshire-police", person: "auditor-3", roles: &["hub-auditor"] };

fn named(question: &str) -> pb::AnswerQuestionRequest {
    pb::AnswerQuestionRequest { question: question.to_owned(), ..Default::default() }
}

async fn asked(
    place: &Place,
    who: Person<'_>,
    message: pb::AnswerQuestionRequest,
) -> Result<Response<pb::AnswerQuestionResponse>, Status> {
    place.audit().answer_question(place.from(who, message)).await
}

/// The cells of some columns, row by row.
async fn rows(
    place: &Place,
    who: Person<'_>,
    message: pb::AnswerQuestionRequest,
    columns: &[&str],
) -> Vec<String> {
    let name = message.question.clone();
    let answer = asked(place, who, message).await.unwrap().into_inner();
    let at = |column: &&str| answer.columns.iter().position(|c| c == column);
    let places: Vec<usize> = columns.iter().filter_map(at).collect();
    assert_eq!(places.len(), columns.len(), "{name} has the columns {:?}", answer.columns);
    assert!(answer.rows.iter().all(|row| row.cells.len() == answer.columns.len()), "{name}");
    let cells = |row: &pb::AnswerRow| -> Vec<String> {
        places.iter().map(|place| row.cells[*place].clone()).collect()
    };
    answer.rows.iter().map(|row| cells(row).join(" ")).collect()
}

async fn have(place: &Place, who: Person<'_>, question: pb::CanShareRequest) -> String {
    let message = place.from(who, request(question));
    let reply = place.sharing().request_records(message).await.unwrap().into_inner();
    reply.answers[0].receipt.as_ref().unwrap().entry.clone()
}

/// A purpose that no policy has: the log says `?` for it.
fn marketing(about: Inhabitant) -> pb::CanShareRequest {
    pb::CanShareRequest { purpose: "marketing".to_owned(), ..treatment(about) }
}

fn mobility() -> pb::CanShareRequest {
    pb::CanShareRequest {
        purpose: "medical_priority".to_owned(),
        fields: vec!["health/support.mobility".to_owned()],
        ..treatment(AISHA)
    }
}

fn later(place: &Place, hours: i64) {
    place.clock.set(place.clock.now() + jiff::SignedDuration::from_hours(hours));
}

#[tokio::test]
async fn lists_name_the_entries_that_are_meant_within_what_the_asker_may_see() {
    let place = Place::open().await;
    let first = have(&place, NURSE, treatment(AISHA)).await;
    let partly =
        pb::CanShareRequest { fields: vec!["health/summary".to_owned()], ..treatment(AISHA) };
    let second = have(&place, CARER, partly).await;
    have(&place, NURSE, marketing(AISHA)).await;
    let third = have(&place, NURSE, treatment(BEN)).await;
    let about = |who: Inhabitant| pb::AnswerQuestionRequest {
        resident: who.path(),
        ..named("who-saw-resident")
    };
    let entry = ["entry"];
    assert_eq!(
        rows(&place, GP_AUDITOR, about(AISHA), &entry).await,
        [first.clone(), second.clone()]
    );
    assert_eq!(
        rows(&place, HOSPITAL_AUDITOR, about(AISHA), &entry).await,
        std::slice::from_ref(&first)
    );
    assert_eq!(rows(&place, POLICE_AUDITOR, about(AISHA), &entry).await, [""; 0]);
    assert_eq!(rows(&place, GP_AUDITOR, about(BEN), &entry).await, std::slice::from_ref(&third));
    let why = ["agency", "role", "purpose", "released"];
    assert_eq!(
        rows(&place, GP_AUDITOR, about(BEN), &why).await,
        ["northfield-hospital nurse direct_care health/summary.allergies"]
    );
    let rule = rows(&place, GP_AUDITOR, about(BEN), &["rules"]).await.remove(0);
    assert!(!rule.is_empty(), "under which rule?");
    let field = pb::AnswerQuestionRequest {
        released: "health/summary.allergies".to_owned(),
        ..named("received-field")
    };
    assert_eq!(rows(&place, GP_AUDITOR, field, &entry).await, [first.clone(), third.clone()]);
    let agreement = rows(&place, GP_AUDITOR, about(BEN), &["agreements"]).await.remove(0);
    let under = |agreement: &str| pb::AnswerQuestionRequest {
        agreement: agreement.to_owned(),
        ..named("under-agreement")
    };
    if !agreement.is_empty() {
        assert!(rows(&place, GP_AUDITOR, under(&agreement), &entry).await.contains(&third));
    }
    assert_eq!(rows(&place, GP_AUDITOR, under("isa-befriend"), &entry).await, [""; 0]);

    // The nurse, as the GP's auditor knows her, and as her own does.
    let shown = rows(&place, GP_AUDITOR, about(BEN), &["officer"]).await.remove(0);
    let own = rows(&place, HOSPITAL_AUDITOR, about(AISHA), &["officer"]).await.remove(0);
    assert_ne!(shown, own);
    let month = |officer: &str, asker: &str| pb::AnswerQuestionRequest {
        officer: hex::decode(officer).unwrap(),
        asker: asker.to_owned(),
        ..named("officer-month")
    };
    let hospital = "agencies/northfield-hospital";
    for (who, message) in
        [(GP_AUDITOR, month(&shown, hospital)), (HOSPITAL_AUDITOR, month(&own, ""))]
    {
        let all = rows(&place, who, message, &["purpose", "outcome"]).await;
        assert_eq!(all, ["direct_care PERMIT", "? DENY", "direct_care PERMIT"]);
    }
    later(&place, 32 * 24);
    assert_eq!(rows(&place, HOSPITAL_AUDITOR, month(&own, ""), &entry).await, [""; 0], "a month");
    // Whoever asked all this is seen.
    let read = rows(&place, HOSPITAL_AUDITOR, named("who-read-the-log"), &["agency", "what"]).await;
    assert_eq!(read, ["northfield-hospital question"; 5]);
    let changes = rows(&place, POLICE_AUDITOR, named("policy-changes"), &["what"]).await;
    let logged = place.entries(0).iter().filter(|e| e.entry.kind == Kind::Policy).count();
    assert_eq!(changes.len(), logged, "a policy is every agency's");
}

#[tokio::test]
async fn what_comes_after_what_is_seen() {
    let place = Place::open().await;
    have(&place, NURSE, marketing(AISHA)).await;
    let refused = have(&place, NURSE, marketing(BEN)).await;
    later(&place, 1);
    // Neither somebody else's record, nor somebody else's request.
    have(&place, CARER, treatment(AISHA)).await;
    let released = have(&place, NURSE, treatment(BEN)).await;
    let columns = ["entry", "purpose", "refused purpose", "refusals", "first refusal"];
    let question = || named("refused-then-released");
    assert_eq!(
        rows(&place, GP_AUDITOR, question(), &columns).await,
        [format!("{released} direct_care ? 1 {refused}")]
    );
    later(&place, 30);
    have(&place, NURSE, treatment(AISHA)).await;
    assert_eq!(rows(&place, GP_AUDITOR, question(), &columns).await.len(), 1, "a day later");
    let longer = pb::AnswerQuestionRequest { hours: 48, ..question() };
    assert_eq!(rows(&place, GP_AUDITOR, longer, &columns).await.len(), 2);

    // Looks that nothing follows.
    let least = pb::AnswerQuestionRequest { least: 1, ..named("looked-without-opening") };
    let columns = ["agency", "residents without request", "residents looked at"];
    for about in [AISHA, BEN] {
        place.sharing().can_share(place.from(CARER, treatment(about))).await.unwrap();
    }
    let both = ["northfield-council-adult-care 2 2"];
    assert_eq!(rows(&place, GP_AUDITOR, least.clone(), &columns).await, both);
    assert_eq!(rows(&place, GP_AUDITOR, named("looked-without-opening"), &columns).await, [""; 0]);
    have(&place, CARER, treatment(BEN)).await;
    let one = ["northfield-council-adult-care 1 2"];
    assert_eq!(rows(&place, GP_AUDITOR, least, &columns).await, one);

    // How often, by which code.
    let columns = ["agency", "purpose", "code", "refused", "decisions"];
    let refusals = rows(&place, HOSPITAL_AUDITOR, named("refusals-by-code"), &columns).await;
    assert_eq!(refusals, ["northfield-hospital ? PUR_UNKNOWN 2 2"]);
    // How broad, how fast, how late.
    let columns = ["agency", "residents", "purposes", "releases"];
    let breadth = rows(&place, HOSPITAL_AUDITOR, named("breadth"), &columns).await;
    assert_eq!(breadth, ["northfield-hospital 2 1 2"]);
    let bursts = |hours, least| pb::AnswerQuestionRequest { hours, least, ..named("bursts") };
    let columns = ["agency", "residents"];
    assert_eq!(rows(&place, HOSPITAL_AUDITOR, bursts(1, 2), &columns).await, [""; 0]);
    let slow = rows(&place, HOSPITAL_AUDITOR, bursts(48, 2), &columns).await;
    assert_eq!(slow, ["northfield-hospital 2"]);
    let columns = ["agency", "out of hours", "releases"];
    let odd = || named("out-of-hours");
    assert_eq!(rows(&place, HOSPITAL_AUDITOR, odd(), &columns).await, [""; 0]);
    place.clock.set("2026-07-18T12:00:00+01:00".parse().unwrap());
    have(&place, NURSE, treatment(AISHA)).await;
    let saturday = ["northfield-hospital 1 3"];
    assert_eq!(rows(&place, HOSPITAL_AUDITOR, odd(), &columns).await, saturday);
}

#[tokio::test]
async fn nothing_relied_on_a_consent_that_was_taken_back() {
    let place = Place::open().await;
    let consent = pb::Consent {
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
    };
    let message = pb::RecordConsentRequest {
        resident: AISHA.path(),
        consent: Some(consent),
        request_id: String::new(),
    };
    let given = place.choices().record_consent(place.from(HOUSING, message)).await.unwrap();
    let released = have(&place, HOUSING, mobility()).await;
    later(&place, 1);
    let message = pb::WithdrawConsentRequest {
        choice: given.into_inner().choice,
        by: "self".to_owned(),
        evidence: true,
        ..Default::default()
    };
    place.choices().withdraw_consent(place.from(HOUSING, message)).await.unwrap();
    have(&place, HOUSING, mobility()).await;
    let field = pb::AnswerQuestionRequest {
        released: "health/support.mobility".to_owned(),
        ..named("received-field")
    };
    assert_eq!(rows(&place, HOUSING_AUDITOR, field, &["entry"]).await, [released]);
    let message = named("after-consent-withdrawal");
    let answer = asked(&place, HOUSING_AUDITOR, message.clone()).await.unwrap().into_inner();
    assert!(answer.must_be_nil && answer.rows.is_empty(), "{} rows", answer.rows.len());
    // A hub that had released it would be found out, by the holder too, who never wrote the withdrawal.
    let mut wrong = place.entries(0).into_iter().rfind(|e| e.entry.kind == Kind::Disclose).unwrap();
    wrong.entry.event = "00000000-0000-4000-8000-00000000000f".parse().unwrap();
    wrong.entry.slots = std::mem::take(&mut wrong.slots)
        .into_iter()
        .map(|(slot, bytes)| (weir::audit::entry::SlotId::from_number(slot).unwrap(), bytes))
        .collect();
    weir::store::Store::append(place.app.store.as_ref(), vec![wrong.entry]).await.unwrap();
    for who in [HOUSING_AUDITOR, GP_AUDITOR] {
        let found = rows(&place, who, message.clone(), &["purpose", "rule"]).await;
        assert_eq!(found, ["medical_priority N25"], "{}", who.agency);
    }
    assert_eq!(rows(&place, HOSPITAL_AUDITOR, message, &["entry"]).await, [""; 0]);
}

#[tokio::test]
async fn an_override_waits_for_its_review() {
    let place = Place::open().await;
    place.record(vec![relationship(CONSTABLE, BEN, place.clock.now())]).await;
    let text = |text: &str| pb::OverrideAnswer {
        answer: Some(pb::override_answer::Answer::Text(text.to_owned())),
    };
    let questions = ["harm", "who_at_risk", "why_these_fields", "why_not_consent"];
    let message = pb::LocateRecordsRequest {
        resident: BEN.path(),
        purpose: "missing_person".to_owned(),
        reason: "Missing since this morning".to_owned(),
        case_reference: "CASE-4".to_owned(),
        r#override: Some(pb::OverrideClaim {
            kind: "SAFEGUARD_CHILD".to_owned(),
            answers: questions.map(|q| (q.to_owned(), text("as told"))).into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let told = place.sharing().locate_records(place.from(CONSTABLE, message)).await.unwrap();
    let told = told.into_inner().holders.len();
    assert!(told > 0);
    let question = || named("break-glass-unreviewed");
    let columns = ["hours", "agency", "override"];
    assert_eq!(rows(&place, POLICE_AUDITOR, question(), &columns).await, [""; 0], "there is time");
    later(&place, 25);
    let waits = vec!["25 northshire-police SAFEGUARD_CHILD".to_owned(); told];
    assert_eq!(rows(&place, POLICE_AUDITOR, question(), &columns).await, waits);
    let patient = pb::AnswerQuestionRequest { hours: 26, ..question() };
    assert_eq!(rows(&place, POLICE_AUDITOR, patient, &columns).await, [""; 0]);
    // Another duty that is met is no review, and nobody reviews their own use.
    let list = pb::ListObligationsRequest::default();
    let owed = place.reviews().list_obligations(place.from(CONSTABLE, list)).await.unwrap();
    let owed = owed.into_inner().obligations;
    for (duty, met) in [("RETROSPECTIVE_FORM", true), ("REVIEW_BY", false)] {
        let name = owed.iter().find(|one| one.duty == duty).unwrap().name.clone();
        let message = pb::FulfilObligationRequest {
            name,
            note: "Looked at by the inspector".to_owned(),
            request_id: String::new(),
        };
        let reply = place.reviews().fulfil_obligation(place.from(CONSTABLE, message)).await;
        assert_eq!(reply.is_ok(), met, "{duty}");
        let waits = rows(&place, POLICE_AUDITOR, question(), &columns).await;
        assert_eq!(waits.len(), told, "{duty}");
    }
}

#[tokio::test]
async fn every_question_can_be_asked_by_an_auditor_and_is_recorded_first() {
    let place = Place::open().await;
    have(&place, NURSE, treatment(AISHA)).await;
    for question in ALL {
        let mut message = named(question.name);
        for parameter in question.needs {
            match parameter {
                Parameter::Resident => message.resident = AISHA.path(),
                Parameter::Officer => message.officer = vec![7; 16],
                Parameter::Released => message.released = "health/summary.allergies".to_owned(),
                Parameter::Agreement => message.agreement = "isa-care".to_owned(),
                Parameter::Asker | Parameter::Hours | Parameter::Least => {
                    panic!("{}: told nothing", question.name)
                }
            }
        }
        let before = place.log_size();
        let answer = asked(&place, GP_AUDITOR, message.clone()).await.unwrap().into_inner();
        assert_eq!((answer.log_size, answer.rows_left), (before + 1, 0), "{}", question.name);
        let logged = place.entries(before);
        assert_eq!(logged.len(), 1, "{}", question.name);
        assert_eq!(logged[0].facet(Facet::What), "question");
        let request = String::from_utf8(logged[0].slots[&3].clone()).unwrap();
        assert!(request.contains(question.name), "{request}");
        let reply = asked(&place, NURSE, message).await;
        expect_refused(question.name, reply, Code::PermissionDenied, "AUDITOR_NEEDED", &[]);
    }
    let any = || named("who-read-the-log");
    let wrong: Vec<(&str, pb::AnswerQuestionRequest)> = vec![
        ("question", named("who-saw-residents")),
        ("question", named("")),
        ("resident", named("who-saw-resident")),
        ("resident", pb::AnswerQuestionRequest { resident: AISHA.path(), ..any() }),
        ("resident", pb::AnswerQuestionRequest { resident: "Aisha".to_owned(), ..any() }),
        ("officer", named("officer-month")),
        ("officer", pb::AnswerQuestionRequest { officer: vec![1], ..named("officer-month") }),
        ("hours", pb::AnswerQuestionRequest { hours: 1, ..any() }),
        ("hours", pb::AnswerQuestionRequest { hours: u32::MAX, ..named("bursts") }),
        ("least", pb::AnswerQuestionRequest { least: 1, ..any() }),
        ("access", pb::AnswerQuestionRequest { access: "x".to_owned(), ..any() }),
    ];
    for (field, message) in wrong {
        let reply = asked(&place, GP_AUDITOR, message).await;
        expect_refused(field, reply, Code::InvalidArgument, "REQUEST_INVALID", &[field]);
    }
    let access = "auditAccesses/00000000-0000-4000-8000-000000000000".to_owned();
    let reply = asked(&place, GP_AUDITOR, pb::AnswerQuestionRequest { access, ..any() }).await;
    expect_refused("access", reply, Code::NotFound, "NOT_FOUND", &[]);
}

#[tokio::test]
async fn the_same_questions_are_asked_of_a_folder() {
    let place = Place::open().await;
    have(&place, NURSE, marketing(AISHA)).await;
    let (dir, _clock) = place.ended().await;
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let policies = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    let ask = |more: &[&str]| {
        let all = ["audit", "question", "--data", data, "--policies", policies];
        weir(&[&all[..], more].concat())
    };
    let (exit, said) = ask(&["refusals-by-code", "--json"]);
    assert_eq!(exit, 0, "{said}");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let row = ["northfield-hospital", "?", "PUR_UNKNOWN", "1", "0", "1"];
    assert_eq!(said["rows"], serde_json::json!([row]));
    let (exit, said) = ask(&["who-read-the-log"]);
    assert!(exit == 0 && said.contains("what=question|refusals-by-code"), "{said}");
    for (wrong, says) in [
        (vec!["no-question"], "nearest"),
        (vec!["officer-month"], "--officer must be told"),
        (vec!["officer-month", "--officer", "12"], "32 hexadecimal digits"),
        (vec!["who-saw-resident", "--resident", "Aisha"], "--resident"),
        (vec!["bursts", "--hours", "0"], "--hours"),
    ] {
        let (exit, said) = ask(&wrong);
        assert!(exit == 2 && said.contains(says), "{wrong:?}: {said}");
    }
    let (exit, said) = weir(&["audit", "questions"]);
    assert!(exit == 0 && ALL.iter().all(|one| said.contains(one.name)), "{said}");
    let search = |more: &[&str]| weir(&[&["audit", "search", "--data", data][..], more].concat());
    let (exit, said) =
        search(&["--kind", "Refuse", "--holder", "oakdale-gp", "--code", "PUR_UNKNOWN", "--json"]);
    assert_eq!(exit, 0, "{said}");
    let lines: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["agency"]), (2, &serde_json::json!("northfield-hospital")));
    let officer = lines[0]["officer"].as_str().unwrap();
    let (_, said) = search(&["--officer", officer, "--since", "2020-01-01T00:00:00Z"]);
    assert!(said.contains("Refuse  northfield-hospital"), "{said}");
    for wrong in [["--kind", "refuse"], ["--officer", "1"], ["--since", "now"], ["--category", "?"]]
    {
        assert_eq!(search(&wrong).0, 2, "{wrong:?}");
    }
    let index = |more: &[&str]| weir(&[&["audit", "index", "--data", data][..], more].concat());
    assert_eq!(index(&[]).0, 0);
    let (exit, said) = index(&["--check"]);
    assert!(exit == 0 && said.contains("says of"), "{said}");
    let file = rusqlite::Connection::open(dir.path().join("data/index.db")).unwrap();
    let id = "(SELECT id FROM word WHERE word = CAST('PUR_UNKNOWN' AS BLOB))";
    file.execute_batch(&format!("DELETE FROM posting WHERE word = {id}")).unwrap();
    drop(file);
    for command in [vec!["index", "--check"], vec!["verify"]] {
        let all = [&["audit"][..], &command, &["--data", data]].concat();
        let (exit, said) = weir(&all);
        assert!(exit == 1 && said.contains("left out under Codes PUR_UNKNOWN"), "{said}");
    }
    assert_eq!((index(&["--rebuild"]).0, index(&["--check"]).0), (0, 0));
}
