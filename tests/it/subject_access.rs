//! Copies for residents of what agencies keep about them: what reviewers gave, nothing about anybody else, and
//! nothing by which whoever holds the login could tell that more is kept.

use pb::export_subject_access_response::Part;
use prost::Message;
use tonic::{Code, Response, Status};
use weir::audit::entry::{Facet, Kind};
use weir::clock::Clock;
use weir::domain::FieldValue;
use weir::grpc::pb;
use weir::store::{LocalId, ShelfRow, Store};

use crate::support::{
    ABSENT, AISHA, BEN, EXPIRES, GP_AUDITOR, Inhabitant, NURSE, Place, SEALED, decision,
    expect_refused, flagged, prepared, refused, request, treatment,
};

type Person = weir::auth::issuer::Person<'static>;
type Reply<T> = Result<Response<T>, Status>;

const PORTAL: Person = Person {
    agency: "northfield-council-early-help",
    person: "portal-1",
    roles: &["hub-resident-portal"],
};

const fn officer(agency: &'static str) -> Person {
    Person { agency, person: "rights-1", roles: &["hub-rights-officer"] }
}

const GP: Person = officer("oakdale-gp");
const CARE: Person = officer("northfield-council-adult-care");
const HOUSING: Person = officer("northfield-council-housing");
const CHILDRENS: Person = officer("northfield-council-childrens");
const REFUGE: Person = officer("harbour-refuge");
const ALL: &[Person] = &[GP, CARE, HOUSING, CHILDRENS];

/// Words that belong to somebody else, or would endanger whoever is seen to know them.
const BROTHER: &str = "Zebulon Quist";
const CONCERN: &str = "afraid of her husband";
const HOUSE: &str = "Larkspur House";

/// Puts values on a holder's shelf; the holder knows them under the id of everybody else's.
async fn keeps(
    place: &Place,
    holder: &str,
    one: Inhabitant,
    category: &str,
    held: &[(&str, &str)],
) {
    let values = held.iter().map(|(name, text)| {
        let field = format!("{category}.{name}").parse().unwrap();
        (field, FieldValue::new((*text).to_owned()).unwrap())
    });
    let row = ShelfRow { local_id: one.local_id(), values: values.collect() };
    let times = (place.clock.now(), EXPIRES.parse().unwrap());
    let (holder, category) = (holder.parse().unwrap(), category.parse().unwrap());
    let store = &place.app.store;
    let kept = store.shelve(holder, category, vec![row], times, vec![prepared(Kind::Hold)]).await;
    assert_eq!(kept.unwrap().0.stored, 1);
}

/// Somebody about whom things are kept that must not be seen at a portal.
async fn in_danger(place: &Place, one: Inhabitant) {
    let refuge = LocalId { agency: "harbour-refuge".parse().unwrap(), id: one.local_id() };
    place.app.store.link(one.resident(), refuge, prepared(Kind::Hold)).await.unwrap();
    keeps(place, "harbour-refuge", one, "refuge/stay", &[("refuge_name", HOUSE)]).await;
    let care = "northfield-council-adult-care";
    keeps(place, care, one, "care/safeguarding", &[("concern", CONCERN)]).await;
}

async fn file(place: &Place, one: Inhabitant, controller: &str) -> String {
    let message = pb::FileRequestRequest {
        controller: controller.to_owned(),
        kind: "access".to_owned(),
        text: "Everything that you keep about me".to_owned(),
        request_id: String::new(),
    };
    let filed = place.rights().file_request(place.session(PORTAL, one, message)).await;
    filed.unwrap().into_inner().request
}

async fn draft(place: &Place, who: Person, request: &str) -> Reply<pb::GetSubjectAccessResponse> {
    let message = pb::GetSubjectAccessRequest { request: request.to_owned() };
    place.rights().get_subject_access(place.from(who, message)).await
}

async fn review(
    place: &Place,
    who: Person,
    request: &str,
    items: &[(&str, &str)],
) -> Reply<pb::ReviewSubjectAccessResponse> {
    let items = items.iter().map(|(field, exemption)| pb::SubjectAccessChoice {
        field: (*field).to_owned(),
        exemption: (*exemption).to_owned(),
    });
    let message = pb::ReviewSubjectAccessRequest {
        request: request.to_owned(),
        items: items.collect(),
        reason: "Read the whole file with the team".to_owned(),
        request_id: String::new(),
    };
    place.rights().review_subject_access(place.from(who, message)).await
}

async fn answer(place: &Place, who: Person, request: &str) {
    let message = pb::AdvanceRequestRequest {
        request: request.to_owned(),
        step: "answered".to_owned(),
        text: "Here is your copy".to_owned(),
        request_id: String::new(),
    };
    place.rights().advance_request(place.from(who, message)).await.unwrap();
}

async fn all_answer(place: &Place, request: &str) {
    for who in ALL {
        review(place, *who, request, &[]).await.unwrap();
        answer(place, *who, request).await;
    }
}

async fn parts(mut stream: tonic::Streaming<pb::ExportSubjectAccessResponse>) -> Vec<Part> {
    let mut out = Vec::new();
    while let Some(message) = stream.message().await.unwrap() {
        out.push(message.part.unwrap());
    }
    out
}

async fn copy(place: &Place, one: Inhabitant, request: &str) -> Vec<Part> {
    let message = pb::ExportSubjectAccessRequest { request: request.to_owned() };
    let reply = place.rights().export_subject_access(place.session(PORTAL, one, message)).await;
    parts(reply.unwrap().into_inner()).await
}

async fn own_copy(place: &Place, who: Person, request: &str) -> Vec<Part> {
    let message = pb::ExportSubjectAccessRequest { request: request.to_owned() };
    let reply = place.rights().export_subject_access(place.from(who, message)).await;
    parts(reply.unwrap().into_inner()).await
}

/// Everything that stands in the messages.
fn text(parts: &[Part]) -> String {
    let bytes = parts.iter().map(|part| {
        let part = Some(part.clone());
        pb::ExportSubjectAccessResponse { part }.encode_to_vec()
    });
    bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned() + "\n").collect()
}

fn values(parts: &[Part]) -> Vec<(&str, &str)> {
    let mut values = Vec::new();
    for part in parts {
        if let Part::Value(value) = part {
            values.push((value.field.as_str(), value.text.as_str()));
        }
    }
    values
}

async fn released(place: &Place, one: Inhabitant, told: bool) {
    let do_not_tell_reason = if told { "" } else { "A partner reads over her shoulder" };
    let question =
        pb::CanShareRequest { do_not_tell_reason: do_not_tell_reason.to_owned(), ..treatment(one) };
    let reply = place.sharing().request_records(place.from(NURSE, request(question))).await;
    let answer = reply.unwrap().into_inner().answers.pop().unwrap();
    assert_eq!(decision(&answer).outcome, i32::from(pb::Outcome::Permit));
}

#[tokio::test]
async fn a_copy_is_what_reviewers_gave_and_nothing_about_anybody_else() {
    let place = Place::open().await;
    in_danger(&place, AISHA).await;
    keeps(&place, "oakdale-gp", AISHA, "contact/network", &[("next_of_kin", BROTHER)]).await;
    let said = format!("asthma; {BROTHER} came along");
    let summary = [("conditions", said.as_str()), ("allergies", "penicillin")];
    keeps(&place, "oakdale-gp", AISHA, "health/summary", &summary).await;
    keeps(&place, "oakdale-gp", BEN, "health/summary", &[("conditions", "ben's own")]).await;
    released(&place, AISHA, true).await;
    released(&place, AISHA, false).await;

    let asked = file(&place, AISHA, "").await;
    // Nobody has answered: what is known to the hub itself, and nothing of agencies.
    let early = copy(&place, AISHA, &asked).await;
    assert_eq!(values(&early), []);
    let Part::About(about) = &early[0] else { panic!("it begins otherwise") };
    assert_eq!(about.name, "", "they know who they are");
    let items = draft(&place, GP, &asked).await.unwrap().into_inner().items;
    let kin = items.iter().find(|item| item.field == "contact/network.next_of_kin").unwrap();
    assert_eq!((kin.exemption.as_str(), kin.reviewed), ("SAR_THIRD_PARTY", false));
    let settled = review(&place, GP, &asked, &[]).await.unwrap().into_inner();
    assert_eq!((settled.given_count as usize, settled.left_count), (items.len() - 1, 1));
    // Reviewed and not answered yet.
    assert_eq!(values(&copy(&place, AISHA, &asked).await), []);
    answer(&place, GP, &asked).await;
    for who in [CARE, HOUSING, CHILDRENS, REFUGE] {
        review(&place, who, &asked, &[]).await.unwrap();
        answer(&place, who, &asked).await;
    }

    let before = place.log_size();
    let found = copy(&place, AISHA, &asked).await;
    let given = values(&found);
    assert!(given.contains(&("health/summary.allergies", "penicillin")), "{given:?}");
    assert!(given.contains(&("care/assessment.needs", "help with meals")));
    // Another's name is taken out wherever it stands.
    let masked = ("health/summary.conditions", "asthma; [withheld] came along");
    assert!(given.contains(&masked), "{given:?}");
    let all = text(&found);
    for marker in [BROTHER, "Zebulon", CONCERN, HOUSE, "ben's own", BEN.name, "refuge", "Refuge"] {
        assert!(!all.contains(marker), "{marker}");
    }
    // That something about others is left out is said; that anything is kept of a danger is not.
    let mut left = Vec::new();
    for part in &found {
        if let Part::LeftOut(part) = part {
            left.push((part.law.as_str(), part.categories.len()));
        }
    }
    assert_eq!(left, [("DPA 2018 Sch 2 para 16", 1)]);
    let lines = found.iter().filter(|part| matches!(part, Part::Disclosure(_))).count();
    assert_eq!(lines, 1, "who received what, without what is sealed");
    let Some(Part::End(end)) = found.last() else { panic!("no end") };
    assert_eq!(usize::try_from(end.part_count).unwrap(), found.len() - 1);
    // It was in the log before it was told, with whose records and which fields, and no value.
    let entry = place.entries(before).pop().unwrap();
    assert_eq!((entry.entry.kind, entry.facet(Facet::What)), (Kind::Rights, "copy"));
    assert!(entry.facet(Facet::Holder).contains("oakdale-gp"));
    assert!(!entry.facet(Facet::Released).contains("next_of_kin"));
    assert_eq!(entry.slots[&1], AISHA.resident().uuid().as_bytes());

    // Who is not reached safely gets their part from the agency itself.
    let own = own_copy(&place, REFUGE, &asked).await;
    assert_eq!(values(&own), [], "left out unless somebody gives it");
    review(&place, REFUGE, &asked, &[("refuge/stay.refuge_name", "")]).await.unwrap();
    let own = own_copy(&place, REFUGE, &asked).await;
    assert_eq!(values(&own), [("refuge/stay.refuge_name", HOUSE)]);
    assert!(!text(&copy(&place, AISHA, &asked).await).contains(HOUSE));
}

/// Everything that a copy and the list of requests show, without who it is and what is new with each call.
async fn shown(place: &Place, one: Inhabitant, asked: &str) -> String {
    let mut out = String::new();
    for part in copy(place, one, asked).await {
        match part {
            Part::About(about) => out.push_str(&about.notice.unwrap().en),
            Part::End(end) => out.push_str(&format!("{}\n", end.part_count)),
            Part::Disclosure(line) => out.push_str(&line.sentence.unwrap().en),
            other @ (Part::Value(_) | Part::LeftOut(_) | Part::Choice(_)) => {
                out.push_str(&text(&[other]));
            }
        }
    }
    let message = pb::ListRequestsRequest::default();
    let listed = place.rights().list_requests(place.session(PORTAL, one, message)).await;
    for request in listed.unwrap().into_inner().requests {
        let steps: Vec<_> = request.steps.iter().map(|s| (&s.step, &s.controller)).collect();
        out.push_str(&format!("{} {steps:?} {}\n", request.answer_by, request.overdue));
    }
    out
}

#[tokio::test]
async fn whoever_holds_the_login_cannot_tell_what_else_is_kept() {
    let place = Place::open().await;
    in_danger(&place, AISHA).await;
    let (hers, his) = (file(&place, AISHA, "").await, file(&place, BEN, "").await);
    assert_eq!(shown(&place, AISHA, &hers).await, shown(&place, BEN, &his).await);
    for request in [&hers, &his] {
        all_answer(&place, request).await;
    }
    let both = (shown(&place, AISHA, &hers).await, shown(&place, BEN, &his).await);
    assert_eq!(both.0, both.1);
    assert!(!both.0.contains("(\"answered\"") && both.0.contains("asthma"), "{}", both.0);
    // An agency that comes to know her leaves no trace, nor does what becomes of a request to a refuge.
    let police = LocalId { agency: "northshire-police".parse().unwrap(), id: AISHA.local_id() };
    place.app.store.link(AISHA.resident(), police, prepared(Kind::Hold)).await.unwrap();
    let (hers_named, his_named) = (
        file(&place, AISHA, "agencies/harbour-refuge").await,
        file(&place, BEN, "agencies/harbour-refuge").await,
    );
    review(&place, REFUGE, &hers_named, &[]).await.unwrap();
    answer(&place, REFUGE, &hers_named).await;
    assert_eq!(shown(&place, AISHA, &hers_named).await, shown(&place, BEN, &his_named).await);
    let both = (shown(&place, AISHA, &hers).await, shown(&place, BEN, &his).await);
    assert_eq!(both.0, both.1);
    // The refuge answers, or is late: the same.
    review(&place, REFUGE, &hers, &[]).await.unwrap();
    answer(&place, REFUGE, &hers).await;
    assert_eq!(shown(&place, AISHA, &hers).await, both.1);
    place.clock.set(place.clock.now() + jiff::SignedDuration::from_hours(24 * 90));
    assert_eq!(shown(&place, AISHA, &hers).await, shown(&place, BEN, &his).await);
}

#[tokio::test]
async fn somebody_hidden_and_nobody_are_one_copy() {
    let place = Place::open().await;
    let mut told = Vec::new();
    for one in [SEALED, ABSENT] {
        let asked = file(&place, one, "").await;
        told.push((shown(&place, one, &asked).await, copy(&place, one, &asked).await.len()));
    }
    assert_eq!(told[0], told[1]);
    // While an agency answers, the portal still shows nothing of it.
    let asked = file(&place, SEALED, "").await;
    all_answer(&place, &asked).await;
    assert_eq!(values(&copy(&place, SEALED, &asked).await), []);
}

#[tokio::test]
async fn the_moment_of_a_flag_is_not_to_be_seen() {
    let place = Place::open().await;
    let asked = file(&place, AISHA, "").await;
    all_answer(&place, &asked).await;
    let before = shown(&place, AISHA, &asked).await;
    assert!(before.contains("penicillin"));
    place.clock.set(place.clock.now() + jiff::SignedDuration::from_secs(1));
    let custodian =
        Person { agency: "oakdale-gp", person: "custodian-1", roles: &["hub-custodian"] };
    let flag = pb::FlagFact { resident: AISHA.path(), flag: "sealed".to_owned(), set: true };
    let fact = pb::Fact { etag: String::new(), fact: Some(pb::fact::Fact::Flag(flag)) };
    let message = pb::RecordFactsRequest { facts: vec![fact], request_id: String::new() };
    place.facts().record_facts(place.from(custodian, message)).await.unwrap();
    assert_eq!(shown(&place, AISHA, &asked).await, before);
    // What is reviewed from now on is not given.
    place.clock.set(place.clock.now() + jiff::SignedDuration::from_secs(1));
    review(&place, GP, &asked, &[("health/summary.allergies", "SAR_PRIVILEGE")]).await.unwrap();
    assert_eq!(shown(&place, AISHA, &asked).await, before);
    // An agency that knows them no more is told nothing of who they are.
    let own = own_copy(&place, GP, &asked).await;
    let Part::About(about) = &own[0] else { panic!("it begins otherwise") };
    assert_eq!(about.name, "");
}

#[tokio::test]
async fn a_request_id_of_a_portal_is_one_resident_s() {
    let place = Place::open().await;
    let filing = pb::FileRequestRequest {
        controller: "agencies/oakdale-gp".to_owned(),
        kind: "access".to_owned(),
        text: "Everything that you keep about me".to_owned(),
        request_id: "018f0000-0000-7000-8000-0000000000dd".to_owned(),
    };
    let mut names = Vec::new();
    for one in [AISHA, BEN, AISHA] {
        let filed = place.rights().file_request(place.session(PORTAL, one, filing.clone())).await;
        names.push(filed.unwrap().into_inner().request);
    }
    assert_ne!(names[0], names[1]);
    assert_eq!(names[0], names[2]);
    // Nobody files without end.
    let again = |n: u128| pb::FileRequestRequest {
        request_id: uuid::Uuid::from_u128(n).to_string(),
        ..filing.clone()
    };
    for n in 0..48 {
        place.rights().file_request(place.session(PORTAL, BEN, again(n))).await.unwrap();
    }
    place.rights().file_request(place.session(PORTAL, BEN, again(48))).await.unwrap();
    let reply = place.rights().file_request(place.session(PORTAL, BEN, again(49))).await;
    assert_eq!(refused(reply).0, Code::ResourceExhausted);
}

#[tokio::test]
async fn what_nobody_looked_at_is_not_given_and_flags_hide_where_somebody_is() {
    let place = Place::open().await;
    let asked = file(&place, AISHA, "agencies/oakdale-gp").await;
    review(&place, GP, &asked, &[]).await.unwrap();
    answer(&place, GP, &asked).await;
    let address = ("contact/home.address", "1 Foundry Lane");
    assert!(values(&copy(&place, AISHA, &asked).await).contains(&address));
    keeps(&place, "oakdale-gp", AISHA, "health/support", &[("mobility", "in a wheelchair")]).await;
    let found = copy(&place, AISHA, &asked).await;
    assert!(!values(&found).iter().any(|(field, _)| *field == "health/support.mobility"));
    let items = draft(&place, GP, &asked).await.unwrap().into_inner().items;
    let new: Vec<_> = items.iter().filter(|item| !item.reviewed).map(|i| &i.field).collect();
    assert_eq!(new, ["health/support.mobility"]);
    review(&place, GP, &asked, &[("health/summary.conditions", "SAR_PRIVILEGE")]).await.unwrap();
    let found = copy(&place, AISHA, &asked).await;
    assert!(values(&found).contains(&("health/support.mobility", "in a wheelchair")));
    assert!(!values(&found).iter().any(|(field, _)| *field == "health/summary.conditions"));
    place.record(vec![flagged(AISHA, "s-flag")]).await;
    let found = copy(&place, AISHA, &asked).await;
    assert!(!text(&found).contains("Foundry"), "no address at a portal");
    assert!(values(&found).iter().any(|(field, _)| *field == "health/summary.allergies"));
}

#[tokio::test]
async fn only_who_is_asked_reviews_and_only_who_asked_gets_it() {
    let place = Place::open().await;
    let asked = file(&place, AISHA, "agencies/oakdale-gp").await;
    let message = pb::ExportSubjectAccessRequest { request: asked.clone() };
    let his = place.session(PORTAL, BEN, message.clone());
    let reply = place.rights().export_subject_access(his).await;
    expect_refused("another's", reply, Code::NotFound, "NOT_FOUND", &[]);
    let reply = place.rights().export_subject_access(place.from(NURSE, message.clone())).await;
    expect_refused("a nurse", reply, Code::PermissionDenied, "FUNCTION_NEEDED", &[]);
    let reply = draft(&place, HOUSING, &asked).await;
    expect_refused("not asked", reply, Code::NotFound, "NOT_FOUND", &[]);
    // Asked of all, but not by whom nobody knows.
    let of_all = file(&place, AISHA, "").await;
    let reply = draft(&place, officer("befriend"), &of_all).await;
    expect_refused("knows nobody", reply, Code::NotFound, "NOT_FOUND", &[]);
    assert_eq!(draft(&place, HOUSING, &of_all).await.unwrap().into_inner().items.len(), 1);
    let reply = place.rights().export_subject_access(place.from(GP, message)).await;
    assert_eq!(refused(reply).2, ["request"], "not reviewed yet");
    let wrong = [
        ("health/summary.allergys", "", "items[0].field"),
        ("care/assessment.needs", "", "items[0].field"),
        ("health/summary.allergies", "SAR_BORED", "items[0].exemption"),
        ("health/summary.allergies", "RET_HOLD", "items[0].exemption"),
    ];
    for (field, why, at) in wrong {
        let reply = review(&place, GP, &asked, &[(field, why)]).await;
        expect_refused(field, reply, Code::InvalidArgument, "REQUEST_INVALID", &[at]);
    }
    let complaint = pb::FileRequestRequest {
        controller: String::new(),
        kind: "complaint".to_owned(),
        text: "I am not content".to_owned(),
        request_id: String::new(),
    };
    let reply = place.rights().file_request(place.session(PORTAL, AISHA, complaint)).await;
    expect_refused("of all", reply, Code::InvalidArgument, "REQUEST_INVALID", &["controller"]);
}

async fn receipt(place: &Place, event: &str) -> String {
    let message = pb::GetReceiptRequest { name: event.to_owned(), cosigned: false };
    place.audit().get_receipt(place.from(GP_AUDITOR, message)).await.unwrap().into_inner().text
}

async fn verified(place: &Place, text: String) -> pb::VerifyReceiptResponse {
    let message = pb::VerifyReceiptRequest { tlog_proof: text };
    let reply = place.rights().verify_receipt(place.session(PORTAL, AISHA, message)).await;
    reply.unwrap().into_inner()
}

#[tokio::test]
async fn a_receipt_is_verified_for_anybody_proven() {
    let place = Place::open().await;
    let asked = file(&place, AISHA, "agencies/oakdale-gp").await;
    let done = review(&place, GP, &asked, &[]).await.unwrap().into_inner().receipt.unwrap();
    let text = receipt(&place, &done.name).await;
    let found = verified(&place, text.clone()).await;
    assert!(found.valid, "{}", found.problem);
    let index: i64 = done.entry.strip_prefix("entries/").unwrap().parse().unwrap();
    assert_eq!((found.kind, found.entry_index), (pb::EntryKind::Rights.into(), index));
    let mut bytes = text.clone().into_bytes();
    bytes[60] ^= 1;
    let other = Place::open().await;
    let foreign = {
        let asked = file(&other, AISHA, "agencies/oakdale-gp").await;
        let done = review(&other, GP, &asked, &[]).await.unwrap().into_inner().receipt.unwrap();
        receipt(&other, &done.name).await
    };
    let broken = String::from_utf8(bytes).unwrap();
    for (what, text) in [("flipped", broken), ("of another hub", foreign), ("none", "x".to_owned())]
    {
        let found = verified(&place, text).await;
        assert!(!found.valid && !found.problem.is_empty(), "{what}");
        assert_eq!(found.commit_time, None, "{what}");
    }
    let message = pb::VerifyReceiptRequest { tlog_proof: String::new() };
    let reply = place.rights().verify_receipt(place.session(PORTAL, AISHA, message)).await;
    assert_eq!(refused(reply).2, ["tlog_proof"]);
}
