//! ResidentService over a socket: who is who, told only to who may know, and every try recorded.

use tonic::{Code, Response, Status};
use weir::audit::entry::{Facet, Kind, SlotId};
use weir::grpc::pb;

use crate::support::{
    ABSENT, AISHA, GP_AUDITOR, GP_PUBLISHER, GP_REGISTRAR, HOUSING, Inhabitant, NURSE, PROTECTED,
    Place, SEALED, expect_refused, refused, staff,
};

type Person = weir::auth::issuer::Person<'static>;

const HOSPITAL_REGISTRAR: Person =
    Person { agency: "northfield-hospital", person: "desk-2", roles: &["hub-registrar"] };

fn registration(one: Inhabitant, local_id: &str) -> pb::RegisterResidentRequest {
    pb::RegisterResidentRequest {
        nhs_number: one.nhs_number.to_owned(),
        name: one.name.to_owned(),
        birth_date: one.born.to_owned(),
        nation: "England".to_owned(),
        local_id: local_id.to_owned(),
        request_id: String::new(),
    }
}

async fn register(
    place: &Place,
    who: Person,
    message: pb::RegisterResidentRequest,
) -> Result<Response<pb::RegisterResidentResponse>, Status> {
    place.residents().register_resident(place.from(who, message)).await
}

async fn link(
    place: &Place,
    who: Person,
    resident: &str,
    id: &str,
) -> Result<Response<()>, Status> {
    let message = pb::LinkIdentityRequest {
        resident: resident.to_owned(),
        local_id: id.to_owned(),
        request_id: String::new(),
    };
    let reply = place.residents().link_identity(place.from(who, message)).await;
    reply.map(|reply| reply.map(|linked| assert!(linked.receipt.is_some())))
}

async fn unlink(place: &Place, who: Person, id: &str) -> Result<Response<()>, Status> {
    let message = pb::UnlinkIdentityRequest { local_id: id.to_owned(), request_id: String::new() };
    let reply = place.residents().unlink_identity(place.from(who, message)).await;
    reply.map(|reply| reply.map(|unlinked| assert!(unlinked.receipt.is_some())))
}

fn wanted(one: Inhabitant) -> pb::FindResidentRequest {
    pb::FindResidentRequest {
        nhs_number: one.nhs_number.to_owned(),
        name: one.name.to_owned(),
        birth_date: one.born.to_owned(),
        purpose: "direct_care".to_owned(),
        reason: "Brought in without papers".to_owned(),
    }
}

async fn find(place: &Place, who: Person, message: pb::FindResidentRequest) -> String {
    let reply = place.residents().find_resident(place.from(who, message)).await;
    reply.unwrap().into_inner().resident
}

#[tokio::test]
async fn who_is_registered_is_found_by_identifiers_that_all_agree() {
    let place = Place::open().await;
    let before = place.log_size();
    let reply = register(&place, HOSPITAL_REGISTRAR, registration(ABSENT, "H-1")).await.unwrap();
    let done = reply.into_inner();
    let logged = place.entries(before);
    assert_eq!((logged.len(), logged[0].entry.kind), (1, Kind::Hold));
    assert_eq!(done.receipt.unwrap().entry, format!("entries/{}", logged[0].index));
    let nobody = String::new();
    let with = |change: fn(&mut pb::FindResidentRequest)| {
        let mut message = wanted(ABSENT);
        change(&mut message);
        message
    };
    let table = [
        ("as registered", wanted(ABSENT), &done.resident),
        ("folded", with(|m| m.name = "  nemo   NOBODY ".to_owned()), &done.resident),
        ("in groups", with(|m| m.nhs_number = "900 000 0041".to_owned()), &done.resident),
        ("another name", with(|m| m.name = "Nemo Nobodi".to_owned()), &nobody),
        ("half a name", with(|m| m.name = "Nemo".to_owned()), &nobody),
        ("another day", with(|m| m.birth_date = "2012-01-02".to_owned()), &nobody),
        ("another number", with(|m| m.nhs_number = "9000000068".to_owned()), &nobody),
        ("somebody else's number", with(|m| m.nhs_number = AISHA.nhs_number.to_owned()), &nobody),
        ("a pattern", with(|m| m.name = "%".to_owned()), &nobody),
    ];
    for (what, message, expected) in table {
        let before = place.log_size();
        assert_eq!(&find(&place, NURSE, message).await, expected, "{what}");
        let logged = place.entries(before);
        assert_eq!((logged.len(), logged[0].entry.kind), (1, Kind::Query), "{what}");
        assert_eq!(logged[0].facet(Facet::Purpose), "direct_care", "{what}");
        let leaf = serde_json::to_string(&logged[0].entry).unwrap();
        assert!(!leaf.to_lowercase().contains("nemo") && !leaf.contains("9000000041"), "{what}");
    }
    for closed in [SEALED, PROTECTED] {
        assert_eq!(find(&place, NURSE, wanted(closed)).await, "", "a closed record is nobody");
    }
    assert_eq!(find(&place, NURSE, wanted(AISHA)).await, AISHA.path());
}

#[tokio::test]
async fn identifiers_that_make_no_sense_are_named() {
    let place = Place::open().await;
    let numbers = [
        ("a wrong check digit", "9434765918"),
        ("nine digits", "943476591"),
        ("eleven digits", "94347659190"),
        ("letters", "943476591X"),
        ("a placeholder", "0000000000"),
        ("another placeholder", "1111111111"),
        ("spaces", "          "),
    ];
    for (what, number) in numbers {
        let message = pb::RegisterResidentRequest {
            nhs_number: number.to_owned(),
            ..registration(ABSENT, "G-1")
        };
        let reply = register(&place, GP_REGISTRAR, message).await;
        let wrong = ["nhs_number"];
        expect_refused(what, reply, Code::InvalidArgument, "REQUEST_INVALID", &wrong);
        let message = pb::FindResidentRequest { nhs_number: number.to_owned(), ..wanted(AISHA) };
        let reply = place.residents().find_resident(place.from(NURSE, message)).await;
        expect_refused(what, reply, Code::InvalidArgument, "REQUEST_INVALID", &wrong);
    }
    type Change = fn(&mut pb::RegisterResidentRequest);
    let table: [(&str, Change, &str); 8] = [
        ("no name", |m| m.name = " ".to_owned(), "name"),
        ("a long name", |m| m.name = "n".repeat(201), "name"),
        ("no such day", |m| m.birth_date = "2012-02-30".to_owned(), "birth_date"),
        ("another order", |m| m.birth_date = "01-02-2012".to_owned(), "birth_date"),
        ("tomorrow", |m| m.birth_date = "2026-07-16".to_owned(), "birth_date"),
        ("no nation", |m| m.nation = String::new(), "nation"),
        ("no such nation", |m| m.nation = "Mercia".to_owned(), "nation"),
        ("no local id", |m| m.local_id = String::new(), "local_id"),
    ];
    for (what, change, field) in table {
        let mut message = registration(ABSENT, "G-1");
        change(&mut message);
        let reply = register(&place, GP_REGISTRAR, message).await;
        expect_refused(what, reply, Code::InvalidArgument, "REQUEST_INVALID", &[field]);
    }
    type Ask = fn(&mut pb::FindResidentRequest);
    let table: [(&str, Ask, &str); 5] = [
        ("no number", |m| m.nhs_number = String::new(), "nhs_number"),
        ("no name", |m| m.name = String::new(), "name"),
        ("no day", |m| m.birth_date = String::new(), "birth_date"),
        ("no reason", |m| m.reason = " ".to_owned(), "reason"),
        ("no such purpose", |m| m.purpose = "marketing".to_owned(), "purpose"),
    ];
    for (what, change, field) in table {
        let mut message = wanted(AISHA);
        change(&mut message);
        let reply = place.residents().find_resident(place.from(NURSE, message)).await;
        let (code, reason, fields) = refused(reply);
        assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "REQUEST_INVALID"), "{what}");
        assert!(!fields.is_empty() && fields.iter().all(|f| f == field), "{what}: {fields:?}");
    }
    assert_eq!(find(&place, NURSE, wanted(ABSENT)).await, "", "nobody was registered");
}

/// To a registrar, somebody who is closed is as any who is registered: nothing tells which.
#[tokio::test]
async fn a_registration_that_meets_somebody_is_referred_whoever_that_is() {
    let place = Place::open().await;
    let mut seen = Vec::new();
    for (what, one) in [("open", AISHA), ("sealed", SEALED), ("protected", PROTECTED)] {
        let before = place.log_size();
        // Under a name and day of one's own making: the number alone says it.
        let message = pb::RegisterResidentRequest {
            nhs_number: one.nhs_number.to_owned(),
            ..registration(ABSENT, "H-1")
        };
        let status = register(&place, HOSPITAL_REGISTRAR, message).await.map(|_| ()).unwrap_err();
        let logged = place.entries(before);
        assert_eq!(logged.len(), 1, "{what}: a try is recorded");
        let entry = &logged[0];
        assert_eq!(entry.entry.kind, Kind::TurnedAway, "{what}");
        assert_eq!(entry.facet(Facet::What), "referred", "{what}");
        let asked = entry.slots.get(&(SlotId::Request as u8)).unwrap();
        let asked: serde_json::Value = serde_json::from_slice(asked).unwrap();
        assert_eq!(asked["nhs_number"], one.nhs_number, "{what}: for the person who decides");
        let lens: Vec<usize> = entry.slots.values().map(Vec::len).collect();
        let subject = entry.slots.get(&(SlotId::Subject as u8)).cloned();
        seen.push((
            (status.code(), status.message().to_owned(), status.details().to_vec()),
            (entry.entry.facets.clone(), entry.leaf_len, lens, subject),
        ));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    assert_eq!(seen[0].0.0, Code::FailedPrecondition);
    assert!(!seen[0].0.1.contains("exist") && !seen[0].0.1.contains("taken"), "{:?}", seen[0].0);

    // One's own id that is in use says it in the same words.
    let message = registration(ABSENT, &AISHA.local_id());
    let status = register(&place, GP_REGISTRAR, message).await.map(|_| ()).unwrap_err();
    assert_eq!(seen[0].0.2, status.details());
    assert_eq!(find(&place, NURSE, wanted(ABSENT)).await, "", "nobody was registered");
}

#[tokio::test]
async fn an_agency_links_its_own_ids_to_whom_it_may_know() {
    let place = Place::open().await;
    let aisha = AISHA.path();
    link(&place, HOSPITAL_REGISTRAR, &aisha, "H-7").await.unwrap();
    let before = place.log_size();
    let reply = link(&place, HOSPITAL_REGISTRAR, &aisha, "H-7").await;
    expect_refused("again", reply, Code::AlreadyExists, "LOCAL_ID_TAKEN", &[]);
    for one in [ABSENT, SEALED, PROTECTED] {
        let reply = link(&place, HOSPITAL_REGISTRAR, &one.path(), "H-8").await;
        expect_refused("closed", reply, Code::NotFound, "NOT_FOUND", &[]);
        // Not even with an id that is in use: that would tell them apart.
        let reply = link(&place, HOSPITAL_REGISTRAR, &one.path(), "H-7").await;
        expect_refused("closed, in use", reply, Code::NotFound, "NOT_FOUND", &[]);
    }
    // Another agency's link is not one's own to undo.
    let reply = unlink(&place, GP_REGISTRAR, "H-7").await;
    expect_refused("theirs", reply, Code::NotFound, "NOT_FOUND", &[]);
    let tried = place.entries(before);
    assert_eq!(tried.len(), 8);
    assert!(tried.iter().all(|e| e.entry.kind == Kind::TurnedAway), "every try is recorded");
    let sealed = tried.iter().filter(|e| {
        let subject = e.slots.get(&(SlotId::Subject as u8)).unwrap();
        subject.as_slice() == SEALED.resident().uuid().as_bytes()
    });
    assert_eq!(sealed.count(), 2, "and about whom, for those who may know");
    unlink(&place, HOSPITAL_REGISTRAR, "H-7").await.unwrap();
    link(&place, HOSPITAL_REGISTRAR, &aisha, "H-7").await.unwrap();
    // What was published under a link is gone with it.
    unlink(&place, GP_REGISTRAR, &AISHA.local_id()).await.unwrap();
    link(&place, GP_REGISTRAR, &aisha, &AISHA.local_id()).await.unwrap();
    let asked = crate::support::request(crate::support::treatment(AISHA));
    let reply = place.sharing().request_records(place.from(NURSE, asked)).await.unwrap();
    assert!(reply.into_inner().answers[0].values.is_empty());
    let reply = link(&place, GP_REGISTRAR, "Aisha", "").await;
    let wrong = ["resident", "local_id"];
    expect_refused("nonsense", reply, Code::InvalidArgument, "REQUEST_INVALID", &wrong);
}

#[tokio::test]
async fn only_a_registrar_registers_and_only_staff_looks_for_somebody() {
    let place = Place::open().await;
    for who in [NURSE, GP_PUBLISHER, GP_AUDITOR] {
        let before = place.log_size();
        let denied = (Code::PermissionDenied, "REGISTRAR_NEEDED");
        let reply = register(&place, who, registration(ABSENT, "X-1")).await;
        expect_refused("register", reply, denied.0, denied.1, &[]);
        let reply = link(&place, who, &AISHA.path(), "X-1").await;
        expect_refused("link", reply, denied.0, denied.1, &[]);
        let reply = unlink(&place, who, &AISHA.local_id()).await;
        expect_refused("unlink", reply, denied.0, denied.1, &[]);
        assert_eq!(place.entries(before).len(), 3);
    }
    let stranger = Person { person: "nurse-99", ..NURSE };
    let left = Person { person: "housing-5", ..HOUSING };
    let ended = "2026-07-15T09:59:59+01:00".parse().unwrap();
    place.record(vec![staff(left, Some(ended))]).await;
    for (what, who, reason) in [
        ("no role", GP_REGISTRAR, "ROLE_NEEDED"),
        ("never recorded", stranger, "ACCOUNT_INACTIVE"),
        ("left", left, "ACCOUNT_INACTIVE"),
    ] {
        let mut same = Vec::new();
        for one in [AISHA, SEALED, ABSENT] {
            let reply = place.residents().find_resident(place.from(who, wanted(one))).await;
            let status = reply.map(|_| ()).unwrap_err();
            same.push((status.code(), status.message().to_owned(), status.details().to_vec()));
            let reply = place.residents().find_resident(place.from(who, wanted(one))).await;
            expect_refused(what, reply, Code::PermissionDenied, reason, &[]);
        }
        assert!(same.windows(2).all(|pair| pair[0] == pair[1]), "{what}");
    }
}
