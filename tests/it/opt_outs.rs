//! The National Data Opt-out as a check by exchange of lists: asked about, good for some hours, and gone; of nobody a flag,
//! and never in the way of care.

use jiff::SignedDuration;
use tonic::{Code, Response, Status};
use weir::audit::entry::{Facet, Kind};
use weir::clock::Clock;
use weir::grpc::pb;

use crate::story::weir;
use crate::support::{
    AISHA, BEN, NURSE, PROTECTED, Place, SEALED, decision, expect_refused, refused, relationship,
    request, staff, treatment,
};

type Person = weir::auth::issuer::Person<'static>;
type Reply<T> = Result<Response<T>, Status>;

const CLERK: Person =
    Person { agency: "northfield-hospital", person: "clerk-1", roles: &["hub-register-clerk"] };
const ANALYST: Person =
    Person { agency: "northfield-council-adult-care", person: "analyst-1", roles: &["analyst"] };

async fn begin(place: &Place) -> pb::BeginOptOutCheckResponse {
    let message = pb::BeginOptOutCheckRequest::default();
    place.facts().begin_opt_out_check(place.from(CLERK, message)).await.unwrap().into_inner()
}

async fn apply(
    place: &Place,
    reference: &str,
    clear: &[&str],
) -> Reply<pb::ApplyOptOutCheckResponse> {
    let message = pb::ApplyOptOutCheckRequest {
        reference: reference.to_owned(),
        not_opted_out: clear.iter().map(|number| (*number).to_owned()).collect(),
        request_id: String::new(),
    };
    place.facts().apply_opt_out_check(place.from(CLERK, message)).await
}

async fn place() -> Place {
    let place = Place::open().await;
    let now = place.clock.now();
    place.record(vec![staff(ANALYST, None), relationship(ANALYST, AISHA, now)]).await;
    place
}

/// What a planning extract is told about Aisha's confidential data.
async fn planning(place: &Place) -> Vec<String> {
    let question = pb::CanShareRequest {
        purpose: "service_planning".to_owned(),
        fields: vec!["health/summary.conditions".to_owned()],
        ..treatment(AISHA)
    };
    codes(place, ANALYST, question).await
}

async fn codes(place: &Place, who: Person, question: pb::CanShareRequest) -> Vec<String> {
    let message = place.from(who, request(question));
    let mut answers = place.sharing().request_records(message).await.unwrap().into_inner().answers;
    decision(&answers.pop().unwrap()).codes.clone()
}

#[tokio::test]
async fn a_check_opens_or_closes_the_extract_and_never_the_care() {
    let place = place().await;
    assert_eq!(planning(&place).await, ["SYS_NDO_STALE"], "nobody was asked");
    assert!(codes(&place, NURSE, treatment(AISHA)).await.is_empty());
    let begun = begin(&place).await;
    assert!(begun.nhs_numbers.contains(&AISHA.nhs_number.to_owned()));
    for hidden in [SEALED, PROTECTED] {
        let there = begun.nhs_numbers.contains(&hidden.nhs_number.to_owned());
        assert!(!there, "that they are registered is nobody's to know");
    }
    apply(&place, &begun.reference, &[AISHA.nhs_number]).await.unwrap();
    assert!(planning(&place).await.is_empty());
    let begun = begin(&place).await;
    apply(&place, &begun.reference, &[BEN.nhs_number]).await.unwrap();
    assert_eq!(planning(&place).await, ["CHO_NDO"]);
    assert!(codes(&place, NURSE, treatment(AISHA)).await.is_empty());
    // A day later it is as if nobody had been asked.
    place.clock.set(place.clock.now() + SignedDuration::from_hours(24));
    assert_eq!(planning(&place).await, ["CHO_NDO"]);
    place.clock.set(place.clock.now() + SignedDuration::from_secs(1));
    assert_eq!(planning(&place).await, ["SYS_NDO_STALE"]);
    assert!(codes(&place, NURSE, treatment(AISHA)).await.is_empty());
}

#[tokio::test]
async fn what_came_back_is_deleted_and_never_stood_anywhere_else() {
    let place = place().await;
    let begun = begin(&place).await;
    let before = place.log_size();
    apply(&place, &begun.reference, &[BEN.nhs_number]).await.unwrap();
    // The log says that the service was asked.
    let entry = place.entries(before).pop().unwrap();
    assert_eq!((entry.entry.kind, entry.facet(Facet::What)), (Kind::Fact, "opt-out|checked"));
    assert_eq!(entry.facet(Facet::Previous), begun.reference);
    assert_eq!(entry.facet(Facet::Count), "", "how many tells something of few");
    for slot in entry.slots.values() {
        let text = String::from_utf8_lossy(slot).into_owned();
        assert!(!text.contains(BEN.nhs_number) && !text.contains(AISHA.nhs_number), "{text}");
    }
    // A decision about care says nothing of it either.
    let before = place.log_size();
    codes(&place, NURSE, treatment(AISHA)).await;
    let entry = place.entries(before).pop().unwrap();
    let text = format!(
        "{:?}",
        entry.slots.values().map(|s| String::from_utf8_lossy(s)).collect::<Vec<_>>()
    );
    assert!(text.contains("ndo_checked_at\\\":null") && !text.contains("\\\"ndo\\\""), "{text}");
    let rows = || {
        let file = rusqlite::Connection::open(place.data().join("hub.db")).unwrap();
        let sql = "SELECT count(*) FROM opt_out_check";
        file.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert!(rows() > 0);
    place.app.hub.forget_checks().await;
    assert!(rows() > 0, "it is good for a day");
    place
        .clock
        .set(place.clock.now() + SignedDuration::from_hours(24) + SignedDuration::from_secs(1));
    place.app.hub.forget_checks().await;
    assert_eq!(rows(), 0);
}

#[tokio::test]
async fn a_list_is_taken_whole_or_not_at_all() {
    let place = place().await;
    let begun = begin(&place).await;
    let before = place.log_size();
    let (aisha, ben) = (AISHA.nhs_number, BEN.nhs_number);
    for (what, clear, field) in [
        ("a check digit", vec![aisha, "9434765918"], "not_opted_out[1]"),
        ("no number", vec!["", ben], "not_opted_out[0]"),
        ("twice", vec![aisha, ben, aisha], "not_opted_out[2]"),
        ("never asked", vec![aisha, "9000000041"], "not_opted_out[1]"),
        ("hidden", vec![SEALED.nhs_number], "not_opted_out[0]"),
    ] {
        let reply = apply(&place, &begun.reference, &clear).await;
        expect_refused(what, reply, Code::InvalidArgument, "REQUEST_INVALID", &[field]);
    }
    for reference in ["", "7"] {
        let reply = apply(&place, reference, &[aisha]).await;
        expect_refused(reference, reply, Code::InvalidArgument, "REQUEST_INVALID", &["reference"]);
    }
    place
        .clock
        .set(place.clock.now() + SignedDuration::from_hours(24) + SignedDuration::from_secs(1));
    let reply = apply(&place, &begun.reference, &[aisha]).await;
    expect_refused("old", reply, Code::InvalidArgument, "REQUEST_INVALID", &["reference"]);
    assert_eq!(place.log_size(), before);
    let never = apply(&place, "00000000-0000-4000-8000-000000000000", &[aisha]).await;
    expect_refused("never begun", never, Code::NotFound, "NOT_FOUND", &[]);
    let begun = begin(&place).await;
    apply(&place, &begun.reference, &[aisha]).await.unwrap();
    let again = refused(apply(&place, &begun.reference, &[aisha]).await);
    assert_eq!(again.2, ["reference"], "it is taken in once");
}

#[tokio::test]
async fn a_check_begun_again_is_the_same_check() {
    let place = place().await;
    let message = pb::BeginOptOutCheckRequest {
        request_id: "11111111-1111-4111-8111-111111111111".to_owned(),
    };
    let call = || async {
        let message = place.from(CLERK, message.clone());
        place.facts().begin_opt_out_check(message).await.unwrap().into_inner()
    };
    let (first, second) = (call().await, call().await);
    assert_eq!((&first.reference, &first.nhs_numbers), (&second.reference, &second.nhs_numbers));
    let answer = pb::ApplyOptOutCheckRequest {
        reference: first.reference,
        not_opted_out: vec![AISHA.nhs_number.to_owned()],
        request_id: "22222222-2222-4222-8222-222222222222".to_owned(),
    };
    let call = || async {
        let message = place.from(CLERK, answer.clone());
        place.facts().apply_opt_out_check(message).await.unwrap().into_inner()
    };
    let (first, second) = (call().await, call().await);
    assert_eq!(first.check_time.is_some(), second.check_time.is_some());
    assert_eq!(first.receipt.unwrap().name, second.receipt.unwrap().name);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_exchanges_files_with_the_hub_stopped() {
    let place = place().await;
    let (dir, _clock) = place.ended().await;
    let data = dir.path().join("data");
    let data = data.to_str().unwrap().to_owned();
    let list = dir.path().join("numbers.dat");
    let (exit, said) = weir(&["ndo", "request", "--data", &data, "--out", list.to_str().unwrap()]);
    assert_eq!(exit, 0, "{said}");
    let text = std::fs::read_to_string(&list).unwrap();
    let numbers: Vec<&str> = text.lines().collect();
    assert!(text.ends_with('\n') && numbers.contains(&AISHA.nhs_number), "{text}");
    assert!(numbers.iter().all(|number| number.len() == 10 && !said.contains(*number)));
    let reference = said.lines().find_map(|line| line.strip_prefix("Reference: ")).unwrap();
    // Nothing is overwritten.
    let (exit, _) = weir(&["ndo", "request", "--data", &data, "--out", list.to_str().unwrap()]);
    assert_eq!(exit, 2);
    let back = dir.path().join("back.dat");
    let apply = |text: &str, more: &[&str]| {
        std::fs::write(&back, text).unwrap();
        let all = ["ndo", "apply", "--data", &data, "--reference", reference];
        let (exit, said) = weir(&[&all[..], more, &[back.to_str().unwrap()]].concat());
        assert!(!said.contains("94347659"), "a number is repeated: {said}");
        (exit, said)
    };
    for (text, more, says) in [
        ("9434765919\n9434765918\n", &[][..], "line 2: is no NHS number"),
        ("9434765919\n9000000041\n", &[], "line 2: was never asked about"),
        ("9434765919\n9434765919\n", &[], "line 2: stands twice"),
        ("9434765919\n90000", &[], "line 2: the file breaks off here"),
        ("9434765919\n", &["--count", "2"], "line 1: the file ends after 1 lines, not 2"),
        ("", &[], "line 1: the file is empty"),
    ] {
        let (exit, said) = apply(text, more);
        assert_eq!(exit, 1, "{said}");
        assert!(said.contains(says) && said.contains("Nothing was imported"), "{said}");
    }
    let (exit, said) = apply("9434765919\n", &["--count", "1"]);
    assert_eq!(exit, 0, "{said}");
    let (exit, said) = apply("9434765919\n", &[]);
    assert!(exit == 2 && said.contains("no check with this reference is open"), "{said}");
    // A copy of the folder has none of it.
    let copy = dir.path().join("copy");
    weir::store::sqlite::backup::back_up(std::path::Path::new(&data), &copy, |_| {}).unwrap();
    for (folder, there) in [(dir.path().join("data"), true), (copy, false)] {
        let file = rusqlite::Connection::open(folder.join("hub.db")).unwrap();
        let sql = "SELECT EXISTS (SELECT 1 FROM opt_out_check)";
        assert_eq!(file.query_row(sql, [], |row| row.get::<_, bool>(0)), Ok(there));
    }
}
