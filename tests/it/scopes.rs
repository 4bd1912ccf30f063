//! What an auditor sees of others: their own agency's entries, other agencies' people under other names, and
//! everything only when an auditor of another agency has signed that off.

use tonic::{Code, Response, Status};
use weir::audit::entry::{Facet, Kind};
use weir::auth::issuer::Person;
use weir::clock::Clock;
use weir::grpc::pb;

use crate::support::{
    AISHA, BEN, CARER, GP_AUDITOR, HOSPITAL_AUDITOR, NURSE, NURSE_TWO, Place, expect_refused,
    request, treatment,
};

const POLICE_AUDITOR: Person<'_> =
    Person { agency: "northshire-police", person: "auditor-3", roles: &["hub-auditor"] };
const POLICE_AUDITOR_TWO: Person<'_> = Person { person: "auditor-4", ..POLICE_AUDITOR };

/// Three decisions of two agencies, all held by the GP.
async fn place() -> Place {
    let place = Place::open().await;
    for (who, about) in [(NURSE, AISHA), (CARER, AISHA), (NURSE, BEN), (NURSE_TWO, BEN)] {
        let asked = place.from(who, request(treatment(about)));
        place.sharing().request_records(asked).await.unwrap();
    }
    place
}

fn decisions() -> pb::SearchEntriesRequest {
    pb::SearchEntriesRequest {
        kinds: vec![pb::EntryKind::Disclose.into(), pb::EntryKind::Refuse.into()],
        ..Default::default()
    }
}

async fn search(
    place: &Place,
    who: Person<'_>,
    message: pb::SearchEntriesRequest,
) -> Result<Response<pb::SearchEntriesResponse>, Status> {
    place.audit().search_entries(place.from(who, message)).await
}

async fn found(
    place: &Place,
    who: Person<'_>,
    message: pb::SearchEntriesRequest,
) -> Vec<pb::AuditEntry> {
    search(place, who, message).await.unwrap().into_inner().entries
}

async fn asked(place: &Place, who: Person<'_>) -> String {
    let message = pb::RequestAuditAccessRequest { reason: "Complaint 12 of the board".to_owned() };
    let reply = place.audit().request_audit_access(place.from(who, message)).await;
    reply.unwrap().into_inner().name
}

async fn signed_off(
    place: &Place,
    who: Person<'_>,
    name: &str,
) -> Result<Response<pb::ApproveAuditAccessResponse>, Status> {
    let message = pb::ApproveAuditAccessRequest { name: name.to_owned() };
    place.audit().approve_audit_access(place.from(who, message)).await
}

#[tokio::test]
async fn other_agencies_people_have_another_name_for_each_agency_that_looks() {
    let place = place().await;
    let gp = found(&place, GP_AUDITOR, decisions()).await;
    let hospital = found(&place, HOSPITAL_AUDITOR, decisions()).await;
    assert_eq!((gp.len(), hospital.len()), (4, 3));
    let logged = place.entries(0);
    let real = |name: &str| {
        let index: i64 = name.strip_prefix("entries/").unwrap().parse().unwrap();
        logged.iter().find(|e| e.index == index).unwrap().entry.principal.to_vec()
    };
    // One's own people are who they are; the same person is always the same.
    assert!(hospital.iter().all(|e| e.principal == real(&e.name)));
    assert_eq!(gp[0].principal, gp[2].principal);
    for (n, one) in gp.iter().enumerate() {
        assert_ne!(one.principal, real(&one.name), "entry {n}");
    }
    assert_eq!(gp.iter().filter(|e| e.principal == gp[0].principal).count(), 2);
    // By one entry or by many, the name is the same.
    let message = pb::GetEntryRequest { name: gp[0].name.clone(), ..Default::default() };
    let one = place.audit().get_entry(place.from(GP_AUDITOR, message)).await.unwrap();
    assert_eq!(one.into_inner().entry.unwrap().principal, gp[0].principal);
    // By that name, and the agency, the rest is found; by the real one nothing.
    let agency = "agencies/northfield-hospital".to_owned();
    let by = |officer: Vec<u8>, asker: &str| pb::SearchEntriesRequest {
        officer,
        asker: asker.to_owned(),
        ..decisions()
    };
    let names = |found: Vec<pb::AuditEntry>| found.into_iter().map(|e| e.name).collect::<Vec<_>>();
    let theirs = names(found(&place, GP_AUDITOR, by(gp[0].principal.clone(), &agency)).await);
    assert_eq!(theirs, [gp[0].name.clone(), gp[2].name.clone()]);
    let real_one = real(&gp[0].name);
    for message in
        [by(real_one.clone(), &agency), by(real_one.clone(), ""), by(gp[0].principal.clone(), "")]
    {
        assert_eq!(found(&place, GP_AUDITOR, message).await.len(), 0);
    }
    // The hospital finds its own person without naming itself.
    let own = names(found(&place, HOSPITAL_AUDITOR, by(real_one, "")).await);
    assert_eq!(own, theirs);
}

#[tokio::test]
async fn everything_is_seen_with_the_yes_of_another_agency_and_for_a_while() {
    let place = place().await;
    assert_eq!(found(&place, POLICE_AUDITOR, decisions()).await.len(), 0);
    let name = asked(&place, POLICE_AUDITOR).await;
    let with = |name: &str| pb::SearchEntriesRequest { access: name.to_owned(), ..decisions() };
    let reply = search(&place, POLICE_AUDITOR, with(&name)).await;
    expect_refused("open", reply, Code::FailedPrecondition, "ACCESS_NOT_APPROVED", &[]);
    // Neither oneself nor a colleague.
    for who in [POLICE_AUDITOR, POLICE_AUDITOR_TWO] {
        let reply = signed_off(&place, who, &name).await;
        expect_refused("own", reply, Code::PermissionDenied, "SECOND_AGENCY_NEEDED", &[]);
    }
    let reply = signed_off(&place, NURSE, &name).await;
    expect_refused("a nurse", reply, Code::PermissionDenied, "AUDITOR_NEEDED", &[]);
    let nobody_s = "auditAccesses/00000000-0000-4000-8000-000000000000";
    let reply = signed_off(&place, GP_AUDITOR, nobody_s).await;
    expect_refused("nobody's", reply, Code::NotFound, "NOT_FOUND", &[]);
    // What is no such request is none, whoever made it.
    let event = found(&place, GP_AUDITOR, decisions()).await[0].event.clone();
    let reply = signed_off(&place, HOSPITAL_AUDITOR, &format!("auditAccesses/{event}")).await;
    expect_refused("a decision", reply, Code::NotFound, "NOT_FOUND", &[]);
    let reply = search(&place, POLICE_AUDITOR, with(&name)).await;
    expect_refused("still open", reply, Code::FailedPrecondition, "ACCESS_NOT_APPROVED", &[]);

    let signed = signed_off(&place, GP_AUDITOR, &name).await.unwrap().into_inner();
    assert_eq!(signed.agency, "agencies/northshire-police");
    assert_eq!(signed.reason, "Complaint 12 of the board");
    assert_eq!(
        signed.expire_time.unwrap().seconds - place.clock.now().as_second(),
        8 * 3600,
        "for how long"
    );
    let reply = signed_off(&place, HOSPITAL_AUDITOR, &name).await;
    expect_refused("twice", reply, Code::FailedPrecondition, "APPROVED_ALREADY", &[]);

    let before = place.log_size();
    let all = found(&place, POLICE_AUDITOR, with(&name)).await;
    assert_eq!(all.len(), 4);
    let looked = place.entries(before);
    assert_eq!((looked.len(), looked[0].entry.kind), (1, Kind::AuditRead));
    assert_eq!(format!("auditAccesses/{}", looked[0].facet(Facet::Review)), name);
    // Everybody in it is of another agency, and shown under another name; details stay closed.
    let logged = place.entries(0);
    let real: Vec<Vec<u8>> = logged.iter().map(|e| e.entry.principal.to_vec()).collect();
    assert!(all.iter().all(|e| !real.contains(&e.principal)));
    let read = pb::GetEntryRequest { name: all[0].name.clone(), access: name.clone() };
    let read = place.audit().get_entry(place.from(POLICE_AUDITOR, read)).await.unwrap();
    assert!(read.into_inner().entry.unwrap().details.is_none());
    // It is the asker's alone, and not without its name.
    assert_eq!(found(&place, POLICE_AUDITOR, decisions()).await.len(), 0);
    for who in [POLICE_AUDITOR_TWO, GP_AUDITOR] {
        let reply = search(&place, who, with(&name)).await;
        expect_refused("another's", reply, Code::NotFound, "NOT_FOUND", &[]);
    }
    // Whoever asked finds in the log who signed off.
    let reviews = pb::SearchEntriesRequest {
        kinds: vec![pb::EntryKind::Review.into()],
        ..Default::default()
    };
    let seen = found(&place, POLICE_AUDITOR, reviews).await;
    let said: Vec<_> = seen.iter().map(|e| e.facets["what"].as_str()).collect();
    assert_eq!(said, ["audit-access", "audit-access-approved"]);

    let place = place.restarted().await;
    assert_eq!(found(&place, POLICE_AUDITOR, with(&name)).await.len(), 4, "after a restart");
    place.clock.set(place.clock.now() + jiff::SignedDuration::from_hours(8));
    let reply = search(&place, POLICE_AUDITOR, with(&name)).await;
    expect_refused("ended", reply, Code::FailedPrecondition, "ACCESS_ENDED", &[]);
    let read = pb::GetEntryRequest { name: all[0].name.clone(), access: name };
    let reply = place.audit().get_entry(place.from(POLICE_AUDITOR, read)).await;
    expect_refused("ended", reply, Code::FailedPrecondition, "ACCESS_ENDED", &[]);
}

#[tokio::test]
async fn pages_of_one_answer_end_where_the_log_ended_at_the_first() {
    let place = place().await;
    let page = |token: &str| pb::SearchEntriesRequest {
        page_size: 1,
        page_token: token.to_owned(),
        ..decisions()
    };
    let first = search(&place, GP_AUDITOR, page("")).await.unwrap().into_inner();
    let (mut count, mut token) = (first.entries.len(), first.next_page_token);
    while !token.is_empty() {
        // Something new each time: without the pin there would be no end.
        let asked = place.from(NURSE, request(treatment(AISHA)));
        place.sharing().request_records(asked).await.unwrap();
        let next = search(&place, GP_AUDITOR, page(&token)).await.unwrap().into_inner();
        assert_eq!(next.log_size, first.log_size);
        count += next.entries.len();
        token = next.next_page_token;
        assert!(count < 10, "no end");
    }
    assert_eq!(count, 4);
}
