//! Facts over the wire: who may record which, what makes no sense, and what is in the log.

use tonic::Code;
use weir::audit::entry::{Facet, Kind};
use weir::auth::issuer::Person;
use weir::grpc::pb;
use weir::grpc::pb::fact::Fact;

use crate::support::{
    ABSENT, AISHA, BEN, Inhabitant, NURSE, OPENED, Place, SEALED, decision, expect_refused,
    request, treatment,
};

const MANAGER: Person<'_> =
    Person { agency: "northfield-hospital", person: "manager-1", roles: &["hub-staff-manager"] };
const ALLOCATOR: Person<'_> =
    Person { agency: "northfield-hospital", person: "allocator-1", roles: &["hub-case-allocator"] };
const CUSTODIAN: Person<'_> =
    Person { agency: "harbour-refuge", person: "custodian-1", roles: &["hub-custodian"] };
const CLERK: Person<'_> =
    Person { agency: "northfield-hospital", person: "clerk-1", roles: &["hub-register-clerk"] };
const BOARD: Person<'_> =
    Person { agency: "northfield-council-housing", person: "board-1", roles: &["hub-board"] };
const ASSESSOR: Person<'_> =
    Person { agency: "oakdale-gp", person: "assessor-1", roles: &["hub-assessor"] };
const COURT: Person<'_> = Person {
    agency: "northfield-council-adult-care",
    person: "court-1",
    roles: &["hub-court-officer"],
};

type Reply = Result<tonic::Response<pb::RecordFactsResponse>, tonic::Status>;

async fn record(place: &Place, who: Person<'_>, facts: Vec<Fact>) -> Reply {
    let facts =
        facts.into_iter().map(|fact| pb::Fact { etag: String::new(), fact: Some(fact) }).collect();
    let message = pb::RecordFactsRequest { facts, request_id: String::new() };
    place.facts().record_facts(place.from(who, message)).await
}

fn staff(training: &str, declared: &str) -> Fact {
    Fact::Staff(pb::StaffFact {
        person: NURSE.person.to_owned(),
        account_end_time: None,
        training_until_date: training.to_owned(),
        interests_declared_date: declared.to_owned(),
    })
}

fn case(about: Inhabitant) -> pb::RelationshipFact {
    pb::RelationshipFact {
        person: NURSE.person.to_owned(),
        resident: about.path(),
        start_time: None,
        end_time: None,
    }
}

fn flag(about: Inhabitant, flag: &str, set: bool) -> Fact {
    Fact::Flag(pb::FlagFact { resident: about.path(), flag: flag.to_owned(), set })
}

fn death(about: Inhabitant, day: &str) -> Fact {
    Fact::Death(pb::DeathFact { resident: about.path(), death_date: day.to_owned() })
}

fn conflict(conflict: bool, tie: i32) -> Fact {
    Fact::Conflict(pb::ConflictFact {
        person: NURSE.person.to_owned(),
        resident: AISHA.path(),
        is_self: false,
        conflict,
        tie,
    })
}

fn order(about: Inhabitant) -> pb::OrderFact {
    pb::OrderFact {
        resident: about.path(),
        reference: "FC-1".to_owned(),
        recipient: "agencies/northshire-police".to_owned(),
        fields: vec!["identity/core".to_owned()],
        start_date: "2026-07-01".to_owned(),
        end_date: "2026-07-31".to_owned(),
        sealed_copy_sha256: vec![7; 32],
    }
}

/// What the nurse is answered.
async fn codes(place: &Place, about: Inhabitant) -> Vec<String> {
    let message = request(treatment(about));
    let reply = place.sharing().request_records(place.from(NURSE, message)).await.unwrap();
    decision(&reply.into_inner().answers[0]).codes.clone()
}

#[tokio::test]
async fn a_fact_changes_the_answer_at_once_and_stands_in_the_log() {
    let place = Place::open().await;
    assert_eq!(codes(&place, AISHA).await, [""; 0]);
    let steps: [(&str, Person, Fact, &[&str]); 6] = [
        ("training", MANAGER, staff("2026-07-14", "2026-04-01"), &["WHO_TRAINING_LAPSED"]),
        ("never declared", MANAGER, staff("2026-12-31", ""), &["WHO_CONFLICT_OF_INTEREST"]),
        ("all well", MANAGER, staff("2026-12-31", "2026-04-01"), &[]),
        ("dead", CLERK, death(AISHA, "2026-07-10"), &["SUBJ_DECEASED_ROUTE"]),
        ("in error", CLERK, death(AISHA, ""), &[]),
        ("sealed", CUSTODIAN, flag(AISHA, "sealed", true), &["SUBJ_NOT_AVAILABLE"]),
    ];
    for (what, who, fact, wanted) in steps {
        let before = place.log_size();
        let receipt = record(&place, who, vec![fact]).await.unwrap().into_inner().receipt.unwrap();
        let entry = &place.entries(before)[0];
        assert_eq!(receipt.entry, format!("entries/{}", entry.index), "{what}");
        assert_eq!(entry.entry.kind, Kind::Fact, "{what}");
        assert_eq!(entry.facet(Facet::Count), "1", "{what}");
        assert_eq!(codes(&place, AISHA).await, wanted, "{what}");
    }
    // Another custodian cannot take it back; the one who set it can.
    let other = Person { agency: "northfield-hospital", ..CUSTODIAN };
    record(&place, other, vec![flag(AISHA, "sealed", false)]).await.unwrap();
    assert_eq!(codes(&place, AISHA).await, ["SUBJ_NOT_AVAILABLE"]);
    record(&place, CUSTODIAN, vec![flag(AISHA, "sealed", false)]).await.unwrap();
    assert_eq!(codes(&place, AISHA).await, [""; 0]);
}

#[tokio::test]
async fn how_a_person_is_tied_is_kept_and_listed_and_no_decision_turns_on_it() {
    use pb::ConflictTie::{Colleague, Household, Kin, Neighbour, Unspecified};
    let place = Place::open().await;
    let file = rusqlite::Connection::open(place.data().join("hub.db")).unwrap();
    let sql = "SELECT body FROM fact WHERE kind = 'conflict'";
    for tie in [Unspecified, Household, Kin, Neighbour, Colleague] {
        record(&place, MANAGER, vec![conflict(true, tie.into())]).await.unwrap();
        assert_eq!(
            codes(&place, AISHA).await,
            ["WHO_CONFLICT_OF_INTEREST"],
            "{}",
            tie.as_str_name()
        );
        let message = pb::ListFactsRequest { resident: AISHA.path(), ..Default::default() };
        let reply = place.facts().list_facts(place.from(MANAGER, message)).await.unwrap();
        let listed = reply.into_inner().facts.pop().unwrap().fact.unwrap().fact.unwrap();
        assert!(listed == conflict(true, tie.into()), "{}", tie.as_str_name());
        let body: String = file.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(body.contains("\"tie\""), tie != Unspecified, "{body}");
    }
    record(&place, MANAGER, vec![conflict(false, 0)]).await.unwrap();
    assert_eq!(codes(&place, AISHA).await, [""; 0]);
    // As a hub wrote it before ties were recorded.
    let id = AISHA.resident().uuid();
    let old = format!(
        "{{\"fact\":\"conflict\",\"agency\":\"{}\",\"person\":\"{}\",\"resident\":\"{id}\",\
         \"is_self\":false,\"conflict\":true}}",
        NURSE.agency, NURSE.person
    );
    let sql = "UPDATE fact SET body = ?1 WHERE kind = 'conflict'";
    assert_eq!(file.execute(sql, [old]).unwrap(), 1);
    assert_eq!(codes(&place, AISHA).await, ["WHO_CONFLICT_OF_INTEREST"]);
}

#[tokio::test]
async fn of_two_who_edit_a_fact_the_second_has_to_look_again() {
    let place = Place::open().await;
    let put = async |etag: &str, training: &str| {
        let fact = pb::Fact { etag: etag.to_owned(), fact: Some(staff(training, "2026-04-01")) };
        let message = pb::RecordFactsRequest { facts: vec![fact], request_id: String::new() };
        place.facts().record_facts(place.from(MANAGER, message)).await
    };
    let listed = async || {
        let message =
            pb::ListFactsRequest { person: NURSE.person.to_owned(), ..Default::default() };
        let page = place.facts().list_facts(place.from(MANAGER, message)).await.unwrap();
        page.into_inner().facts[0].fact.clone().unwrap()
    };
    let seen = listed().await.etag;
    put(&seen, "2026-11-30").await.unwrap();
    let (code, reason) = (Code::Aborted, "FACT_CHANGED");
    let before = place.log_size();
    expect_refused("late", put(&seen, "2027-12-31").await, code, reason, &[]);
    expect_refused("there is one", put("none", "2027-12-31").await, code, reason, &[]);
    let refused: Vec<_> = place.entries(before).into_iter().map(|one| one.entry.kind).collect();
    assert_eq!(refused, [Kind::TurnedAway, Kind::TurnedAway]);
    let Some(Fact::Staff(now)) = listed().await.fact else { panic!("another fact") };
    assert_eq!(now.training_until_date, "2026-11-30");
    put(&listed().await.etag, "2027-12-31").await.unwrap();
    put("", "2027-12-30").await.unwrap();
    for wrong in ["xyz", "00", "NONE"] {
        let reply = put(wrong, "2027-12-31").await;
        let (code, reason) = (Code::InvalidArgument, "REQUEST_INVALID");
        expect_refused(wrong, reply, code, reason, &["facts[0].etag"]);
    }
}

#[tokio::test]
async fn what_nobody_confirms_counts_no_more() {
    let place = Place::open().await;
    for (days, wanted) in [(30, &[][..]), (32, &["SUBJ_NOT_AVAILABLE"])] {
        let opened: jiff::Timestamp = OPENED.parse().unwrap();
        place.clock.set(opened + jiff::SignedDuration::from_hours(24 * days));
        assert_eq!(codes(&place, AISHA).await, wanted, "{days} days after the lists were read");
    }
    let read = |register: &str| {
        let register = register.to_owned();
        Fact::RegisterRead(pb::RegisterReadFact { register, read_time: None })
    };
    record(&place, CLERK, vec![read("flags")]).await.unwrap();
    assert_eq!(codes(&place, AISHA).await, ["SUBJ_DECEASED_ROUTE"]);
    record(&place, CLERK, vec![read("deaths")]).await.unwrap();
    assert_eq!(codes(&place, AISHA).await, [""; 0]);
}

#[tokio::test]
async fn a_fact_is_recorded_by_those_whom_the_policy_names() {
    let place = Place::open().await;
    let capacity = || {
        Fact::Capacity(pb::CapacityFact {
            resident: AISHA.path(),
            capacity: "has".to_owned(),
            assess_date: "2026-07-14".to_owned(),
        })
    };
    let household = || {
        Fact::Household(pb::HouseholdFact {
            resident: AISHA.path(),
            child: BEN.path(),
            end_time: None,
        })
    };
    let agency =
        |active| Fact::Agency(pb::AgencyFact { agency: "agencies/befriend".to_owned(), active });
    for (what, who, fact, reason) in [
        ("a nurse, her own training", NURSE, staff("2099-12-31", ""), "FUNCTION_NEEDED"),
        ("a manager, a case", MANAGER, Fact::Relationship(case(AISHA)), "FUNCTION_NEEDED"),
        ("an allocator, a seal", ALLOCATOR, flag(AISHA, "sealed", true), "FUNCTION_NEEDED"),
        ("a custodian, a death", CUSTODIAN, death(AISHA, "2026-07-10"), "FUNCTION_NEEDED"),
        ("a clerk, capacity", CLERK, capacity(), "FUNCTION_NEEDED"),
        ("an assessor, a suspension", ASSESSOR, agency(false), "FUNCTION_NEEDED"),
        ("a board, an order", BOARD, Fact::Order(order(AISHA)), "FUNCTION_NEEDED"),
        ("the hospital, a child's household", ALLOCATOR, household(), "NOT_YOURS"),
        (
            "a school's clerk, a death",
            Person { agency: "st-annes-school", ..CLERK },
            death(AISHA, "2026-07-10"),
            "NOT_YOURS",
        ),
    ] {
        let before = place.log_size();
        let reply = record(&place, who, vec![fact]).await;
        expect_refused(what, reply, Code::PermissionDenied, reason, &[]);
        let kinds: Vec<_> = place.entries(before).iter().map(|e| e.entry.kind).collect();
        assert_eq!(kinds, [Kind::TurnedAway], "{what}");
    }
    // A suspended agency records nothing; the board lets it in again, and its own agency too.
    for suspended in [CLERK.agency, BOARD.agency] {
        let standing = |active| {
            let agency = format!("agencies/{suspended}");
            Fact::Agency(pb::AgencyFact { agency, active })
        };
        record(&place, BOARD, vec![standing(false)]).await.unwrap();
        let who = Person { agency: suspended, ..MANAGER };
        let reply = record(&place, who, vec![staff("2026-12-31", "")]).await;
        expect_refused(suspended, reply, Code::PermissionDenied, "AGENCY_INACTIVE", &[]);
        record(&place, BOARD, vec![standing(true)]).await.unwrap();
        record(&place, who, vec![staff("2026-12-31", "")]).await.unwrap();
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_not_recorded() {
    let place = Place::open().await;
    let before = place.log_size();
    let early = Some(weir::grpc::convert::time_message("2020-01-01T00:00:00Z".parse().unwrap()));
    let later = Some(weir::grpc::convert::time_message("2099-01-01T00:00:00Z".parse().unwrap()));
    for (what, who, facts, field) in [
        ("nothing", MANAGER, vec![], "facts"),
        (
            "declared tomorrow",
            MANAGER,
            vec![staff("", "2026-07-16")],
            "facts[0].staff.interests_declared_date",
        ),
        (
            "ends before it starts",
            ALLOCATOR,
            vec![Fact::Relationship(pb::RelationshipFact { end_time: early, ..case(AISHA) })],
            "facts[0].relationship.end_time",
        ),
        (
            "two residents",
            ALLOCATOR,
            vec![Fact::Relationship(case(AISHA)), Fact::Relationship(case(BEN))],
            "facts[1]",
        ),
        ("said twice", CLERK, vec![death(AISHA, "2026-07-01"), death(AISHA, "")], "facts[1]"),
        ("dies tomorrow", CLERK, vec![death(AISHA, "2026-07-16")], "facts[0].death.death_date"),
        ("dies before birth", CLERK, vec![death(AISHA, "1980-06-14")], "facts[0].death.death_date"),
        (
            "a tie and no conflict",
            MANAGER,
            vec![conflict(false, pb::ConflictTie::Kin.into())],
            "facts[0].conflict.tie",
        ),
        ("a tie of later", MANAGER, vec![conflict(true, 5)], "facts[0].conflict.tie"),
        ("a slip", CUSTODIAN, vec![flag(AISHA, "seald", true)], "facts[0].flag.flag"),
        (
            "an order that ends first",
            COURT,
            vec![Fact::Order(pb::OrderFact { end_date: "2026-06-30".to_owned(), ..order(AISHA) })],
            "facts[0].order.end_date",
        ),
        (
            "half a digest",
            COURT,
            vec![Fact::Order(pb::OrderFact { sealed_copy_sha256: vec![7; 16], ..order(AISHA) })],
            "facts[0].order.sealed_copy_sha256",
        ),
        (
            "a list read tomorrow",
            CLERK,
            vec![Fact::RegisterRead(pb::RegisterReadFact {
                register: "deaths".to_owned(),
                read_time: later,
            })],
            "facts[0].register_read.read_time",
        ),
        (
            "no such list",
            CLERK,
            vec![Fact::RegisterRead(pb::RegisterReadFact {
                register: "births".to_owned(),
                read_time: None,
            })],
            "facts[0].register_read.register",
        ),
    ] {
        let reply = record(&place, who, facts).await;
        expect_refused(what, reply, Code::InvalidArgument, "REQUEST_INVALID", &[field]);
    }
    assert_eq!(place.log_size(), before, "something was recorded");
}

#[tokio::test]
async fn a_closed_record_and_none_are_told_alike() {
    let place = Place::open().await;
    for about in [SEALED, ABSENT] {
        let before = place.log_size();
        let facts = vec![Fact::Relationship(case(about))];
        let reply = record(&place, ALLOCATOR, facts).await;
        expect_refused(about.name, reply, Code::NotFound, "NOT_FOUND", &[]);
        let message = pb::ListFactsRequest { resident: about.path(), ..Default::default() };
        let reply = place.facts().list_facts(place.from(ALLOCATOR, message)).await;
        expect_refused(about.name, reply, Code::NotFound, "NOT_FOUND", &[]);
        let kinds: Vec<_> = place.entries(before).iter().map(|e| e.entry.kind).collect();
        assert_eq!(kinds, [Kind::TurnedAway, Kind::Query], "{}", about.name);
    }
    // Who keeps seals can open one that they set.
    record(&place, CUSTODIAN, vec![flag(SEALED, "watch", true)]).await.unwrap();
    let reply = record(&place, CUSTODIAN, vec![flag(ABSENT, "watch", true)]).await;
    expect_refused("nobody", reply, Code::NotFound, "NOT_FOUND", &[]);
}

#[tokio::test]
async fn facts_are_listed_to_those_who_keep_them_with_their_age() {
    let place = Place::open().await;
    record(&place, ALLOCATOR, vec![Fact::Relationship(case(AISHA))]).await.unwrap();
    record(&place, CUSTODIAN, vec![flag(AISHA, "watch", true)]).await.unwrap();
    let list = async |who: Person<'_>, message: pb::ListFactsRequest| {
        let reply = place.facts().list_facts(place.from(who, message)).await.unwrap();
        reply.into_inner()
    };
    let of_aisha = || pb::ListFactsRequest { resident: AISHA.path(), ..Default::default() };
    let found = list(ALLOCATOR, of_aisha()).await.facts;
    // Every colleague's case of the same hospital, and nobody else's.
    assert_eq!(found.len(), 3);
    assert!(
        found.iter().all(|f| matches!(f.fact.as_ref().unwrap().fact, Some(Fact::Relationship(_))))
    );
    let mine = found.iter().find(|f| f.recorded_by == "agencies/northfield-hospital").unwrap();
    let (at, until) = (mine.record_time.unwrap(), mine.fresh_until_time.unwrap());
    assert_eq!(until.seconds - at.seconds, 184 * 24 * 60 * 60);
    let found = list(CUSTODIAN, of_aisha()).await.facts;
    assert_eq!(found.len(), 1);
    assert!(found[0].fresh_until_time.is_none(), "a flag has no age");
    let of_nurse = pb::ListFactsRequest { person: NURSE.person.to_owned(), ..Default::default() };
    assert_eq!(list(MANAGER, of_nurse.clone()).await.facts.len(), 1);
    let other = Person { agency: "oakdale-gp", ..MANAGER };
    assert_eq!(list(other, of_nurse).await.facts.len(), 0, "another agency's staff");
    let page = |token: &str| pb::ListFactsRequest {
        page_size: 30,
        page_token: token.to_owned(),
        ..Default::default()
    };
    let first = list(BOARD, page("")).await;
    let second = list(BOARD, page(&first.next_page_token)).await;
    assert_eq!(first.facts.len() + second.facts.len(), 38, "agencies and policy documents");
    assert_eq!(second.next_page_token, "");
    let reply = place.facts().list_facts(place.from(NURSE, of_aisha())).await;
    expect_refused("a nurse", reply, Code::PermissionDenied, "FUNCTION_NEEDED", &[]);
}
