//! NoticeService over a socket: holders hear that their data were opened, recipients that something became of
//! what they got; a cursor goes on where it was, whatever happened meanwhile; nobody hears of anybody else's.

use jiff::SignedDuration;
use tokio_stream::StreamExt;
use tonic::{Code, Response, Status};
use weir::audit::entry::{Facet, Kind, SlotId};
use weir::clock::Clock;
use weir::domain::Fact;
use weir::grpc::pb;
use weir::grpc::pb::watch_disclosures_response::Event;

use crate::support::{
    AISHA, BEN, GP_AUDITOR, HOUSING, Inhabitant, NURSE, Place, decision, expect_refused,
    relationship, request, shown, treatment,
};

type Person = weir::auth::issuer::Person<'static>;
type Reply<T> = Result<Response<T>, Status>;

const fn reader(agency: &'static str) -> Person {
    weir::auth::issuer::Person { agency, person: "notices-1", roles: &["hub-notice-reader"] }
}

const GP: Person = reader("oakdale-gp");
const HOSPITAL: Person = reader("northfield-hospital");
const HOUSING_READER: Person = reader("northfield-council-housing");
const POLICE: Person = reader("northshire-police");
const HOUSING_OFFICER: Person = weir::auth::issuer::Person {
    agency: "northfield-council-housing",
    person: "rights-3",
    roles: &["hub-rights-officer"],
};

async fn place() -> Place {
    let place = Place::open().await;
    let now = place.clock.now();
    place.record([AISHA, BEN].map(|one| relationship(NURSE, one, now)).into()).await;
    place
}

fn later(place: &Place, minutes: i64) {
    place.clock.set(place.clock.now() + SignedDuration::from_mins(minutes));
}

/// Opens something; the name of the disclosure.
async fn opened(place: &Place, who: Person, question: pb::CanShareRequest) -> String {
    let reply = place.sharing().request_records(place.from(who, request(question))).await;
    let answer = reply.unwrap().into_inner().answers.pop().unwrap();
    assert!(!answer.values.is_empty(), "{:?}", decision(&answer).codes);
    answer.receipt.unwrap().name
}

fn mobility() -> pb::CanShareRequest {
    pb::CanShareRequest {
        purpose: "medical_priority".to_owned(),
        fields: vec!["health/support.mobility".to_owned()],
        ..treatment(AISHA)
    }
}

async fn consent(place: &Place) -> String {
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
    let reply = place.choices().record_consent(place.from(HOUSING, message)).await;
    reply.unwrap().into_inner().choice
}

/// Takes a consent back; the name of the event.
async fn withdraw(place: &Place, choice: &str, request_id: &str) -> String {
    let message = pb::WithdrawConsentRequest {
        choice: choice.to_owned(),
        by: "self".to_owned(),
        evidence: true,
        request_id: request_id.to_owned(),
        ..Default::default()
    };
    let reply = place.choices().withdraw_consent(place.from(HOUSING, message)).await;
    reply.unwrap().into_inner().receipt.unwrap().name
}

/// Restricts allergies; the name of the event.
async fn restrict(place: &Place, who: Person, about: Inhabitant) -> String {
    let message = pb::SetRestrictionRequest {
        resident: about.path(),
        fields: vec!["health/summary.allergies".to_owned()],
        on_date: String::new(),
        request_id: String::new(),
    };
    let reply = place.choices().set_restriction(place.from(who, message)).await;
    reply.unwrap().into_inner().receipt.unwrap().name
}

/// Waits for so many events; with 0, ends where there is no more.
async fn watch(
    place: &Place,
    who: Person,
    cursor: &str,
    kinds: &[&str],
    events: i32,
) -> Reply<tonic::Streaming<pb::WatchDisclosuresResponse>> {
    let message = pb::WatchDisclosuresRequest {
        cursor: cursor.to_owned(),
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        events,
        once: events == 0,
    };
    let mut notices = place.notices();
    notices.watch_disclosures(place.from(who, message)).await
}

/// So many events from a cursor on, with 0 all of them, and the last cursor.
async fn hear(
    place: &Place,
    who: Person,
    cursor: &str,
    kinds: &[&str],
    events: i32,
) -> (Vec<pb::WatchDisclosuresResponse>, String) {
    let stream = watch(place, who, cursor, kinds, events).await.unwrap().into_inner();
    let all: Vec<_> = stream.map(Result::unwrap).collect().await;
    let last = all.last().unwrap();
    assert!(last.event.is_none(), "the end tells where to go on");
    let cursor = last.cursor.clone();
    (all.into_iter().filter(|one| one.event.is_some()).collect(), cursor)
}

fn name(heard: &pb::WatchDisclosuresResponse) -> &str {
    match heard.event.as_ref().unwrap() {
        Event::Opened(opened) => &opened.name,
        Event::Notice(notice) => &notice.name,
    }
}

fn names(heard: &[pb::WatchDisclosuresResponse]) -> Vec<String> {
    heard.iter().map(|one| name(one).to_owned()).collect()
}

fn notice(heard: &pb::WatchDisclosuresResponse) -> &pb::Notice {
    let told = match heard.event.as_ref().unwrap() {
        Event::Notice(notice) => Some(notice),
        Event::Opened(_) => None,
    };
    told.expect("data were opened")
}

async fn list(place: &Place, who: Person, open_only: bool) -> Vec<pb::Notice> {
    let message = pb::ListNoticesRequest { open_only, page_size: 500, ..Default::default() };
    let reply = place.notices().list_notices(place.from(who, message)).await;
    reply.unwrap().into_inner().notices
}

async fn told_of(place: &Place, who: Person, cause: &str) -> Reply<pb::ListNoticesResponse> {
    let message = pb::ListNoticesRequest { cause: cause.to_owned(), ..Default::default() };
    place.notices().list_notices(place.from(who, message)).await
}

async fn acknowledge(
    place: &Place,
    who: Person,
    notice: &str,
    note: &str,
) -> Reply<pb::AcknowledgeNoticeResponse> {
    let message = pb::AcknowledgeNoticeRequest {
        notice: notice.to_owned(),
        note: note.to_owned(),
        request_id: String::new(),
    };
    place.notices().acknowledge_notice(place.from(who, message)).await
}

#[tokio::test]
async fn a_holder_hears_that_its_data_were_opened() {
    let place = place().await;
    let first = opened(&place, NURSE, treatment(AISHA)).await;
    let (heard, _) = hear(&place, GP, "beginning", &[], 0).await;
    let Some(Event::Opened(told)) = &heard[0].event else { panic!("no data were opened") };
    assert_eq!(told.name, first);
    assert_eq!(told.recipient, "agencies/northfield-hospital");
    assert_eq!((told.purpose.as_str(), told.r#override.as_str()), ("direct_care", ""));
    assert_eq!(told.fields, ["health/summary.allergies"]);
    assert!(!told.rules.is_empty());
    assert_eq!(told.local_ids, [AISHA.local_id()], "its own id, so that it knows who it is");
    let logged = place.entries(0);
    let logged = logged.iter().find(|one| one.entry.kind == Kind::Disclose).unwrap();
    assert_eq!(heard[0].entry, format!("entries/{}", logged.index));
}

/// What is heard while one waits comes at once; what came before is not told to who began now.
#[tokio::test]
async fn what_happens_is_heard_as_it_happens() {
    let place = place().await;
    opened(&place, NURSE, treatment(AISHA)).await;
    let mut stream = watch(&place, GP, "", &[], 2).await.unwrap().into_inner();
    let begun = stream.next().await.unwrap().unwrap();
    assert!(begun.event.is_none() && !begun.cursor.is_empty(), "where the watch begins");
    let mut heard = Vec::new();
    for one in [AISHA, BEN] {
        let made = opened(&place, NURSE, treatment(one)).await;
        let next = stream.next().await.unwrap().unwrap();
        assert_eq!(name(&next), made);
        heard.push(made);
    }
    assert!(stream.next().await.unwrap().unwrap().event.is_none());
    assert!(stream.next().await.is_none(), "after so many events the stream ends well");
    // Who had lost everything but the first cursor hears it all again.
    assert_eq!(names(&hear(&place, GP, &begun.cursor, &[], 2).await.0), heard);
}

#[tokio::test]
async fn a_recipient_is_told_of_a_withdrawal_with_it() {
    let place = place().await;
    let given = consent(&place).await;
    let got = opened(&place, HOUSING, mobility()).await;
    // Another agency got something for another purpose: this is nothing to it.
    opened(&place, NURSE, treatment(AISHA)).await;
    later(&place, 1);
    let before = place.log_size();
    let id = "018f0000-0000-7000-8000-0000000000ab";
    let cause = withdraw(&place, &given, id).await;
    let logged = place.entries(before);
    let kinds: Vec<Kind> = logged.iter().map(|one| one.entry.kind).collect();
    assert_eq!(kinds, [Kind::Choice, Kind::Notice], "one run");
    let head = &logged[1];
    assert_eq!(head.facet(Facet::What), "withdrawal");
    assert_eq!(head.facet(Facet::Holder), "northfield-council-housing");
    assert_eq!(format!("events/{}", head.facet(Facet::Review)), cause);
    assert_eq!(
        (head.entry.agency.as_ref(), head.entry.principal),
        (None, [0; 16]),
        "the hub tells"
    );
    assert_eq!(head.slots[&(SlotId::Subject as u8)], AISHA.resident().uuid().as_bytes());
    // Said twice, told once.
    withdraw(&place, &given, id).await;
    assert_eq!(place.entries(before).len(), 2);

    let (heard, _) = hear(&place, HOUSING_READER, "beginning", &["withdrawal"], 0).await;
    let told = notice(&heard[0]).clone();
    assert_eq!((told.kind.as_str(), told.cause.as_str()), ("withdrawal", cause.as_str()));
    assert_eq!(told.fields, ["health/support.mobility"]);
    assert_eq!(told.purposes, ["medical_priority"]);
    let copy = &told.copies[0];
    assert_eq!((&copy.disclosure, told.copies.len()), (&got, 1));
    assert_eq!(copy.local_ids, [AISHA.local_id()], "so that it finds its own copy");
    assert!(list(&place, HOSPITAL, false).await.is_empty(), "got it for something else");
    assert!(list(&place, GP, false).await.is_empty(), "gave it");

    // What is recorded so far is there after a restart too.
    let place = place.restarted().await;
    assert!(list(&place, HOUSING_READER, true).await == [told], "another after a restart");
}

#[tokio::test]
async fn a_notice_is_acknowledged_once_by_who_was_told() {
    let place = place().await;
    let given = consent(&place).await;
    opened(&place, HOUSING, mobility()).await;
    later(&place, 1);
    let cause = withdraw(&place, &given, "").await;
    let told = list(&place, HOUSING_READER, true).await.pop().unwrap();
    for (who, reply) in [
        ("of another agency", acknowledge(&place, HOSPITAL, &told.name, "Deleted").await),
        (
            "none",
            acknowledge(&place, HOUSING_READER, &cause.replace("events", "notices"), "x").await,
        ),
    ] {
        expect_refused(who, reply, Code::NotFound, "NOT_FOUND", &[]);
    }
    let reply = acknowledge(&place, HOUSING_READER, &told.name, " ").await;
    expect_refused("nothing", reply, Code::InvalidArgument, "REQUEST_INVALID", &["note"]);
    let standing = told_of(&place, HOUSING_OFFICER, &cause).await.unwrap().into_inner().told;
    assert_eq!((standing.len(), standing[0].acknowledge_time.is_some()), (1, false));

    let before = place.log_size();
    let first =
        acknowledge(&place, HOUSING_OFFICER, &told.name, "Aisha's letter is shredded").await;
    let first = first.unwrap().into_inner().receipt.unwrap();
    later(&place, 5);
    let again = acknowledge(&place, HOUSING_READER, &told.name, "Again").await.unwrap();
    assert_eq!(again.into_inner().receipt.unwrap().name, first.name);
    let said = place.entries(before);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].facet(Facet::What), "acknowledged");
    assert!(!format!("{:?}", said[0].entry.facets).contains("Aisha"), "no words in a head");
    assert!(list(&place, HOUSING_READER, true).await.is_empty());
    let all = list(&place, HOUSING_READER, false).await;
    assert_eq!(all[0].note, "Aisha's letter is shredded");
    let standing = told_of(&place, HOUSING_OFFICER, &cause).await.unwrap().into_inner().told;
    assert_eq!(standing[0].recipient, "agencies/northfield-council-housing");
    assert!(standing[0].acknowledge_time.is_some());
    // An acknowledgement is no event to who watches.
    let (heard, _) = hear(&place, HOUSING_READER, "beginning", &[], 0).await;
    assert_eq!(names(&heard), [told.name]);
}

/// The charity that records a restriction must not learn from it who else was given what.
#[tokio::test]
async fn nobody_learns_by_a_notice_what_others_got() {
    let place = place().await;
    let hospital = opened(&place, NURSE, treatment(AISHA)).await;
    later(&place, 1);
    let by_housing = restrict(&place, HOUSING, AISHA).await;
    let by_hospital = restrict(&place, NURSE, AISHA).await;
    // Told is who got allergies; housing got none, recorded it, and is told nothing of the hospital.
    let told = list(&place, HOSPITAL, false).await;
    assert_eq!(told.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>(), ["restriction"; 2]);
    assert_eq!(told[0].copies[0].disclosure, hospital);
    assert!(list(&place, HOUSING_READER, false).await.is_empty());
    assert!(list(&place, POLICE, false).await.is_empty());
    let standing = told_of(&place, HOUSING_OFFICER, &by_housing).await.unwrap().into_inner().told;
    assert!(standing.is_empty(), "it learns who else got data");
    let reply = told_of(&place, HOUSING_OFFICER, &by_hospital).await;
    expect_refused("another's", reply, Code::NotFound, "NOT_FOUND", &[]);
    let standing = told_of(&place, HOSPITAL, &by_hospital).await.unwrap().into_inner().told;
    assert_eq!(standing.len(), 1);
    // Nor do the auditors of the agency that recorded it.
    let auditor =
        weir::auth::issuer::Person { person: "auditor-9", roles: &["hub-auditor"], ..HOUSING };
    for (who, wanted) in [(auditor, 0), (crate::support::HOSPITAL_AUDITOR, 2), (GP_AUDITOR, 0)] {
        let message = pb::SearchEntriesRequest {
            kinds: vec![pb::EntryKind::Notice.into()],
            ..Default::default()
        };
        let reply = place.audit().search_entries(place.from(who, message)).await;
        assert_eq!(reply.unwrap().into_inner().entries.len(), wanted, "{}", who.agency);
    }
    // Each hears what it gave or got; the GP what it gave, and nothing of the restriction.
    later(&place, 1);
    let consent = consent(&place).await;
    let got = opened(&place, HOUSING, mobility()).await;
    withdraw(&place, &consent, "").await;
    let (heard, _) = hear(&place, GP, "beginning", &[], 0).await;
    assert_eq!(names(&heard), [hospital, got]);
    let (heard, _) = hear(&place, HOUSING_READER, "beginning", &[], 0).await;
    assert_eq!((heard.len(), notice(&heard[0]).kind.as_str()), (1, "withdrawal"));
    assert!(hear(&place, POLICE, "beginning", &[], 0).await.0.is_empty());
}

/// Who is hidden after data went out: those who gave and got still hear of their own, and of nothing else.
#[tokio::test]
async fn of_somebody_who_is_hidden_each_hears_of_its_own() {
    let place = place().await;
    let before = opened(&place, NURSE, treatment(AISHA)).await;
    later(&place, 1);
    restrict(&place, NURSE, AISHA).await;
    let flag = Fact::Flag {
        resident: AISHA.resident(),
        flag: "sealed".parse().unwrap(),
        agency: "oakdale-gp".parse().unwrap(),
        set: true,
    };
    place.record(vec![flag]).await;
    let (heard, _) = hear(&place, GP, "beginning", &[], 0).await;
    assert_eq!(names(&heard), std::slice::from_ref(&before));
    let told = list(&place, HOSPITAL, false).await;
    assert_eq!((told.len(), &told[0].copies[0].disclosure), (1, &before));
    // To restrict again is refused as for nobody, and tells nobody.
    let size = place.log_size();
    let message = pb::SetRestrictionRequest { resident: AISHA.path(), ..Default::default() };
    let reply = place.choices().set_restriction(place.from(NURSE, message)).await;
    expect_refused("hidden", reply, Code::NotFound, "NOT_FOUND", &[]);
    assert!(place.entries(size).iter().all(|one| one.entry.kind != Kind::Notice));
}

#[tokio::test]
async fn a_cursor_goes_on_after_a_week_and_a_restart() {
    let mut place = place().await;
    let mut made = Vec::new();
    let mut heard = Vec::new();
    let mut cursor = "beginning".to_owned();
    for round in 0..6 {
        for one in [AISHA, BEN].into_iter().cycle().take(1 + round % 3) {
            made.push(opened(&place, NURSE, treatment(one)).await);
        }
        if round % 2 == 1 {
            place.clock.set(place.clock.now() + SignedDuration::from_hours(24 * 2));
            place.record(renewed(&place)).await;
            place = place.restarted().await;
        }
        if round % 3 == 2 {
            let missed = i32::try_from(made.len() - heard.len()).unwrap();
            let (some, next) = hear(&place, GP, &cursor, &["disclosure"], missed).await;
            heard.extend(names(&some));
            cursor = next;
            assert_eq!(heard, made, "round {round}");
        }
    }
    // Every cursor on the way goes on right behind its event, whichever that is.
    let (all, _) = hear(&place, GP, "beginning", &["disclosure"], 12).await;
    assert_eq!(names(&all), made);
    for (n, one) in all.iter().enumerate().take(11) {
        let rest = i32::try_from(11 - n).unwrap();
        let (some, _) = hear(&place, GP, &one.cursor, &["disclosure"], rest).await;
        assert_eq!(names(&some), made[n + 1..], "behind event {n}");
    }
}

/// What would have grown too old meanwhile.
fn renewed(place: &Place) -> Vec<Fact> {
    let now = place.clock.now();
    [AISHA, BEN].map(|one| relationship(NURSE, one, now)).into()
}

/// A log that was restored from an older copy has other entries in the same places: who goes on there would
/// miss them.
#[tokio::test]
async fn a_cursor_of_another_log_is_refused() {
    let place = place().await;
    opened(&place, NURSE, treatment(AISHA)).await;
    let (_, cursor) = hear(&place, GP, "beginning", &[], 0).await;
    let other = self::place().await;
    let reply = watch(&other, GP, &cursor, &[], 1).await;
    expect_refused("beyond it", reply, Code::InvalidArgument, "REQUEST_INVALID", &["cursor"]);
    for _ in 0..4 {
        opened(&other, NURSE, treatment(BEN)).await;
    }
    let reply = watch(&other, GP, &cursor, &[], 1).await;
    expect_refused("another log", reply, Code::InvalidArgument, "REQUEST_INVALID", &["cursor"]);
    for wrong in ["x", "Beginning", &"A".repeat(500)] {
        let reply = watch(&other, GP, wrong, &[], 1).await;
        expect_refused(wrong, reply, Code::InvalidArgument, "REQUEST_INVALID", &["cursor"]);
    }
    let reply = watch(&other, GP, "", &["withdrawel"], 1).await;
    expect_refused("a kind", reply, Code::InvalidArgument, "REQUEST_INVALID", &["kinds[0]"]);
    let reply = watch(&other, GP, "", &[], -1).await;
    expect_refused("events", reply, Code::InvalidArgument, "REQUEST_INVALID", &["events"]);
}

#[tokio::test]
async fn who_watches_is_an_agency_s_account_in_good_standing() {
    let place = place().await;
    for who in [NURSE, GP_AUDITOR, HOUSING_OFFICER] {
        let reply = watch(&place, who, "beginning", &[], 1).await;
        expect_refused(who.person, reply, Code::PermissionDenied, "FUNCTION_NEEDED", &[]);
    }
    let before = place.log_size();
    let mut stream = watch(&place, GP, "", &["disclosure"], 5).await.unwrap().into_inner();
    stream.next().await.unwrap().unwrap();
    let begun = place.entries(before).remove(0);
    assert_eq!((begun.entry.kind, begun.facet(Facet::What)), (Kind::AuditRead, "watch"));
    // The board suspends the agency: the watch ends, although the token is still good.
    place.record(vec![Fact::Agency { agency: GP.agency.parse().unwrap(), active: false }]).await;
    let end = stream.next().await.unwrap();
    let status = end.err().unwrap();
    assert_eq!(status.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_hub_that_ends_ends_its_watches_well() {
    let mut place = place().await;
    let stream = watch(&place, GP, "", &[], 5).await.unwrap().into_inner();
    let ended = place.shut_down();
    let all: Vec<_> = stream.collect().await;
    assert!(all.len() >= 2 && all.iter().all(Result::is_ok), "{:?}", all.len());
    ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn notices_are_listed_page_by_page() {
    let place = place().await;
    opened(&place, NURSE, treatment(AISHA)).await;
    for _ in 0..5 {
        later(&place, 1);
        restrict(&place, NURSE, AISHA).await;
    }
    let (mut found, mut page_token) = (Vec::new(), String::new());
    for _ in 0..20 {
        let message = pb::ListNoticesRequest { page_size: 2, page_token, ..Default::default() };
        let reply = place.notices().list_notices(place.from(HOSPITAL, message)).await;
        let page = reply.unwrap().into_inner();
        assert!(page.notices.len() <= 2);
        found.extend(page.notices);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert!(found == list(&place, HOSPITAL, false).await, "page by page there is something else");
    assert_eq!(found.len(), 5);
}

/// What goes out while a restriction is being recorded is told of too: everything before it in the log.
#[tokio::test(flavor = "multi_thread")]
async fn what_goes_out_beside_a_restriction_is_told_of() {
    let place = place().await;
    for round in 0..6 {
        later(&place, 1);
        let before = place.log_size();
        let asking = (0..12).map(|_| {
            let (mut sharing, message) = (place.sharing(), request(treatment(AISHA)));
            let asked = place.from(NURSE, message);
            tokio::spawn(async move { sharing.request_records(asked).await.map(drop) })
        });
        let asking: Vec<_> = asking.collect();
        restrict(&place, NURSE, AISHA).await;
        for one in asking {
            one.await.unwrap().unwrap();
        }
        let logged = place.entries(before);
        let choice = logged.iter().find(|one| one.entry.kind == Kind::Choice).unwrap();
        let mut told = String::new();
        for one in logged.iter().filter(|one| one.entry.kind == Kind::Notice) {
            assert_eq!(one.facet(Facet::Review), choice.entry.event.to_string());
            told.push_str(&String::from_utf8_lossy(&one.slots[&(SlotId::Request as u8)]));
        }
        for one in &logged {
            let went = one.entry.kind == Kind::Disclose && one.index < choice.index;
            let is_told = told.contains(&one.entry.event.to_string());
            assert!(!went || is_told, "round {round}: entry {} is not told of", one.index);
        }
        lift(&place, &choice.entry.event.to_string()).await;
    }
}

/// Lifts a restriction, so that there is something to restrict again.
async fn lift(place: &Place, choice: &str) {
    let officer = weir::auth::issuer::Person {
        agency: "northfield-hospital",
        person: "privacy-1",
        roles: &["hub-privacy-officer"],
    };
    let told = pb::AdvanceChoiceRequest {
        choice: format!("{}/choices/{choice}", AISHA.path()),
        step: "told".to_owned(),
        reason: "By letter of today".to_owned(),
        request_id: String::new(),
    };
    place.choices().advance_choice(place.from(officer, told)).await.unwrap();
    let message = pb::LiftRestrictionRequest {
        choice: format!("{}/choices/{choice}", AISHA.path()),
        reason: "The question is settled".to_owned(),
        request_id: String::new(),
    };
    place.choices().lift_restriction(place.from(officer, message)).await.unwrap();
}

/// A recall is pushed the same way, and who has acknowledged it stands in the log.
#[tokio::test]
async fn a_recall_is_told_and_acknowledged() {
    let place = place().await;
    let got = opened(&place, NURSE, treatment(AISHA)).await;
    let (heard, cursor) = hear(&place, GP, "beginning", &[], 0).await;
    let Some(Event::Opened(opened)) = &heard[0].event else { panic!("no data were opened") };
    let rule = opened.rules[0].clone();
    let (dir, clock) = place.ended().await;
    let (data, pack) = (dir.path().join("data"), dir.path().join("pack"));
    let (data, pack) = (data.to_str().unwrap().to_owned(), pack.to_str().unwrap().to_owned());
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let policies = root.to_str().unwrap();
    let args = ["policy", "recall", policies, "--rule", &rule, "--data", &data, "--out", &pack];
    let (exit, text) = crate::story::weir(&[&args[..], &["--notify"]].concat());
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("1 notices entered"), "{text}");
    let ack = ["policy", "recall-ack", &pack, "--data", &data];
    let (exit, text) = crate::story::weir(&ack);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("1 recipients have not answered: northfield-hospital"), "{text}");

    let place = Place::at(dir, clock, &root).await;
    let told = hear(&place, HOSPITAL, "beginning", &["recall"], 0).await.0;
    let told = notice(&told[0]).clone();
    assert_eq!((told.kind.as_str(), &told.copies[0].disclosure), ("recall", &got));
    assert!(hear(&place, GP, &cursor, &[], 0).await.0.is_empty(), "gave it");
    acknowledge(&place, HOSPITAL, &told.name, "Deleted, ward told").await.unwrap();

    let (dir, _) = place.ended().await;
    for _ in 0..2 {
        let (exit, text) = crate::story::weir(&ack);
        assert_eq!((exit, text.trim()), (0, "Every recipient has answered."), "{text}");
    }
    let report = std::fs::read_to_string(dir.path().join("pack/report.md")).unwrap();
    assert!(report.contains("Deleted, ward told"), "{report}");
    let rows = std::fs::read_to_string(dir.path().join("pack/acknowledgements.csv")).unwrap();
    assert_eq!(rows.lines().count(), 2, "taken over once: {rows}");
}
