//! RecordService over a socket: extracts go in whole or not at all, and only a holder's own.

use std::collections::BTreeSet;

use tonic::{Code, Response, Status};
use weir::audit::entry::{Facet, Kind};
use weir::domain::FieldValue;
use weir::grpc::pb;
use weir::store::Fact;

use crate::support::{
    AISHA, BEN, GP_AUDITOR, GP_PUBLISHER, GP_REGISTRAR, Inhabitant, NURSE, Place, SEALED,
    expect_refused, request, treatment,
};

type Person = weir::auth::issuer::Person<'static>;
type Piece = pb::PublishRecordsRequest;

const HOSPITAL_PUBLISHER: Person =
    Person { agency: "northfield-hospital", person: "feed-2", roles: &["hub-publisher"] };

fn header(category: &str) -> Piece {
    let header = pb::PublishHeader {
        category: category.to_owned(),
        expire_time: crate::support::expire_time(),
        request_id: String::new(),
    };
    Piece { part: Some(pb::publish_records_request::Part::Header(header)) }
}

fn row(local_id: &str, values: &[(&str, &str)]) -> Piece {
    let value = |(field, text): &(&str, &str)| pb::FieldText {
        field: (*field).to_owned(),
        text: (*text).to_owned(),
        labels: Vec::new(),
    };
    let values = values.iter().map(value).collect();
    let row = pb::PublishRow { local_id: local_id.to_owned(), values };
    Piece { part: Some(pb::publish_records_request::Part::Row(row)) }
}

async fn publish(
    place: &Place,
    who: Person,
    pieces: Vec<Piece>,
) -> Result<Response<pb::PublishRecordsResponse>, Status> {
    place.records().publish_records(place.from(who, tokio_stream::iter(pieces))).await
}

async fn list(
    place: &Place,
    who: Person,
    message: pb::ListHeldRecordsRequest,
) -> Result<Response<pb::ListHeldRecordsResponse>, Status> {
    place.records().list_held_records(place.from(who, message)).await
}

async fn retract(
    place: &Place,
    who: Person,
    category: &str,
    ids: &[String],
) -> Result<Response<pb::RetractRecordsResponse>, Status> {
    let message = pb::RetractRecordsRequest {
        category: category.to_owned(),
        local_ids: ids.to_vec(),
        request_id: String::new(),
    };
    place.records().retract_records(place.from(who, message)).await
}

/// What a nurse is given of somebody's allergies.
async fn allergies(place: &Place, about: Inhabitant) -> Option<String> {
    let asked = place.from(NURSE, request(treatment(about)));
    let answers = place.sharing().request_records(asked).await.unwrap().into_inner().answers;
    answers[0].values.first().map(|value| value.text.clone())
}

const ALLERGIES: &str = "health/summary.allergies";

#[tokio::test]
async fn what_is_published_is_what_is_shared_until_it_is_taken_back() {
    let place = Place::open().await;
    let before = place.log_size();
    let pieces = vec![
        header("health/summary"),
        row(&AISHA.local_id(), &[(ALLERGIES, "latex"), ("health/summary.conditions", "none")]),
        row(&BEN.local_id(), &[(ALLERGIES, "peanuts")]),
    ];
    let done = publish(&place, GP_PUBLISHER, pieces).await.unwrap().into_inner();
    assert_eq!((done.stored_count, done.unlinked_rows.as_slice()), (2, &[][..]));
    let logged = place.entries(before);
    assert_eq!((logged.len(), logged[0].entry.kind), (1, Kind::Hold));
    assert_eq!(done.receipt.unwrap().entry, format!("entries/{}", logged[0].index));
    let facets = [Facet::Holder, Facet::What, Facet::Count].map(|f| logged[0].facet(f).to_owned());
    assert_eq!(facets, ["oakdale-gp", "health/summary", "2"]);
    assert_eq!(allergies(&place, AISHA).await.as_deref(), Some("latex"));
    assert_eq!(allergies(&place, BEN).await.as_deref(), Some("peanuts"));

    let ids = [AISHA.local_id(), "never-there".to_owned()];
    let gone = retract(&place, GP_PUBLISHER, "health/summary", &ids).await.unwrap().into_inner();
    assert_eq!(gone.retracted_count, 1);
    let last = place.entries(place.log_size() - 1);
    assert_eq!(gone.receipt.unwrap().entry, format!("entries/{}", last[0].index));
    assert_eq!(allergies(&place, AISHA).await, None);
    assert_eq!(allergies(&place, BEN).await.as_deref(), Some("peanuts"));
}

#[tokio::test]
async fn an_extract_with_anything_wrong_changes_nothing() {
    let place = Place::open().await;
    let aisha = AISHA.local_id();
    let good = || row(&aisha, &[(ALLERGIES, "latex")]);
    let summary = || header("health/summary");
    let long = "x".repeat(FieldValue::LEN_MAX + 1);
    let table: Vec<(&str, Vec<Piece>, &[&str])> = vec![
        ("nothing", vec![], &["header"]),
        ("a header alone", vec![summary()], &["rows"]),
        ("a row first", vec![good(), summary()], &["header"]),
        ("an empty piece first", vec![Piece { part: None }, good()], &["header"]),
        ("an empty piece", vec![summary(), good(), Piece { part: None }], &["rows[1]"]),
        ("a second header", vec![summary(), good(), summary()], &["rows[1]"]),
        ("no category", vec![header(""), good()], &["header.category"]),
        ("a category of no shape", vec![header("Health Summary"), good()], &["header.category"]),
        (
            "a category of no vocabulary",
            vec![header("shoes/sizes"), row(&aisha, &[("shoes/sizes.left", "9")])],
            &["header.category", "rows[0].values"],
        ),
        (
            "a field of another category",
            vec![summary(), good(), row("L-2", &[("housing/tenancy.tenancy_status", "secure")])],
            &["rows[1].values"],
        ),
        (
            "what only the hub tells",
            vec![header("involvement/contact"), row(&aisha, &[("involvement/contact.holds", "x")])],
            &["header.category"],
        ),
        ("no values", vec![summary(), row(&aisha, &[])], &["rows[0].values"]),
        ("a blank value", vec![summary(), row(&aisha, &[(ALLERGIES, "  ")])], &["rows[0].values"]),
        ("a long value", vec![summary(), row(&aisha, &[(ALLERGIES, &long)])], &["rows[0].values"]),
        (
            "a field twice",
            vec![summary(), row(&aisha, &[(ALLERGIES, "a"), (ALLERGIES, "b")])],
            &["rows[0].values"],
        ),
        ("a row twice", vec![summary(), good(), good()], &["rows[1].local_id"]),
        ("no local id", vec![summary(), row("", &[(ALLERGIES, "a")])], &["rows[0].local_id"]),
        ("an odd local id", vec![summary(), row("é", &[(ALLERGIES, "a")])], &["rows[0].local_id"]),
        (
            "a long local id",
            vec![summary(), row(&"1".repeat(121), &[(ALLERGIES, "a")])],
            &["rows[0].local_id"],
        ),
    ];
    let before = place.log_size();
    for (what, pieces, wrong) in table {
        let reply = publish(&place, GP_PUBLISHER, pieces).await;
        expect_refused(what, reply, Code::InvalidArgument, "REQUEST_INVALID", wrong);
    }
    // Rows that are linked to nobody are told by their places, and nothing is stored.
    let pieces = vec![
        summary(),
        row("nobody-1", &[(ALLERGIES, "latex")]),
        good(),
        row("nobody-2", &[(ALLERGIES, "latex")]),
    ];
    let done = publish(&place, GP_PUBLISHER, pieces).await.unwrap().into_inner();
    assert_eq!((done.stored_count, done.unlinked_rows), (0, vec![0, 2]));
    assert!(done.receipt.is_none(), "there is nothing to prove");
    assert_eq!(place.log_size(), before);
    assert_eq!(allergies(&place, AISHA).await.as_deref(), Some("penicillin"));
}

#[tokio::test]
async fn an_agency_publishes_for_itself_only() {
    let place = Place::open().await;
    // The same local id at another agency is nobody there.
    let pieces = || vec![header("health/summary"), row(&AISHA.local_id(), &[(ALLERGIES, "none")])];
    let done = publish(&place, HOSPITAL_PUBLISHER, pieces()).await.unwrap().into_inner();
    assert_eq!((done.stored_count, done.unlinked_rows), (0, vec![0]));
    let ids = [AISHA.local_id()];
    let gone = retract(&place, HOSPITAL_PUBLISHER, "health/summary", &ids).await.unwrap();
    assert_eq!(gone.into_inner().retracted_count, 0);
    let held = list(&place, HOSPITAL_PUBLISHER, Default::default()).await.unwrap().into_inner();
    assert!(held.records.is_empty());
    assert_eq!(allergies(&place, AISHA).await.as_deref(), Some("penicillin"));
    for who in [NURSE, GP_AUDITOR, GP_REGISTRAR] {
        let before = place.log_size();
        let reply = publish(&place, who, pieces()).await;
        expect_refused("publish", reply, Code::PermissionDenied, "PUBLISHER_NEEDED", &[]);
        let reply = retract(&place, who, "health/summary", &ids).await;
        expect_refused("retract", reply, Code::PermissionDenied, "PUBLISHER_NEEDED", &[]);
        let reply = list(&place, who, Default::default()).await;
        expect_refused("list", reply, Code::PermissionDenied, "PUBLISHER_NEEDED", &[]);
        let kinds: Vec<_> = place.entries(before).iter().map(|e| e.entry.kind).collect();
        assert_eq!(kinds, [Kind::TurnedAway; 3]);
    }
    let agency = "oakdale-gp".parse().unwrap();
    place.record(vec![Fact::Agency { agency, active: false }]).await;
    let reply = publish(&place, GP_PUBLISHER, pieces()).await;
    expect_refused("suspended", reply, Code::PermissionDenied, "AGENCY_INACTIVE", &[]);
}

#[tokio::test]
async fn what_is_held_is_listed_page_by_page_without_content() {
    let place = Place::open().await;
    let page = |size, token: &str| pb::ListHeldRecordsRequest {
        category: String::new(),
        page_size: size,
        page_token: token.to_owned(),
    };
    let before = place.log_size();
    let whole = list(&place, GP_PUBLISHER, page(0, "")).await.unwrap().into_inner();
    let looked = place.entries(before);
    assert_eq!((looked.len(), looked[0].entry.kind), (1, Kind::Query), "a look at whom one holds");
    assert_eq!(looked[0].facet(Facet::What), "held");
    assert_eq!((whole.records.len(), whole.next_page_token.as_str()), (20, ""));
    let key = |r: &pb::HeldRecord| (r.category.clone(), r.local_id.clone());
    let all: Vec<_> = whole.records.iter().map(key).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 20);
    assert!(all.is_sorted());
    // Their own list names everybody whom they hold, sealed or not, and nobody's values.
    assert!(all.iter().any(|(_, id)| *id == SEALED.local_id()));
    let bytes = prost::Message::encode_to_vec(&whole);
    assert!(!String::from_utf8_lossy(&bytes).contains("penicillin"));
    for size in [1, 7, 20, 500, i32::MAX] {
        let mut got = Vec::new();
        let mut token = String::new();
        loop {
            let answer = list(&place, GP_PUBLISHER, page(size, &token)).await.unwrap().into_inner();
            assert!(answer.records.len() <= usize::try_from(size).unwrap());
            got.extend(answer.records.iter().map(key));
            token = answer.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(got, all, "by {size}");
    }
    let one = pb::ListHeldRecordsRequest { category: "contact/home".to_owned(), ..page(2, "") };
    let one = list(&place, GP_PUBLISHER, one).await.unwrap().into_inner();
    assert_eq!(one.records.len(), 2);
    assert!(one.records.iter().all(|r| r.category == "contact/home"));

    // A forged place is no way to what others hold, and no way to break anything.
    let first = list(&place, GP_PUBLISHER, page(1, "")).await.unwrap().into_inner();
    let reply = list(&place, HOSPITAL_PUBLISHER, page(1, &first.next_page_token)).await;
    let (code, reason) = (Code::InvalidArgument, "REQUEST_INVALID");
    expect_refused("in another hand", reply, code, reason, &["page_token"]);
    for (what, category, token) in [
        ("of another question", "", one.next_page_token.as_str()),
        ("no token", "", "nonsense"),
        ("no base64", "", "###"),
        ("no position", "", "W10"),
        ("a long one", "", &"A".repeat(2000)),
        ("of the whole list", "contact/home", first.next_page_token.as_str()),
    ] {
        let asked = pb::ListHeldRecordsRequest { category: category.to_owned(), ..page(1, token) };
        let reply = list(&place, GP_PUBLISHER, asked).await;
        let wrong = ["page_token"];
        expect_refused(what, reply, Code::InvalidArgument, "REQUEST_INVALID", &wrong);
    }
    let reply = list(&place, GP_PUBLISHER, page(-1, "")).await;
    expect_refused("less", reply, Code::InvalidArgument, "REQUEST_INVALID", &["page_size"]);
    let odd = pb::ListHeldRecordsRequest { category: "shoes/sizes".to_owned(), ..page(1, "") };
    let reply = list(&place, GP_PUBLISHER, odd).await;
    expect_refused("odd", reply, Code::InvalidArgument, "REQUEST_INVALID", &["category"]);
    let ids: Vec<String> = (0..501).map(|n| n.to_string()).collect();
    let reply = retract(&place, GP_PUBLISHER, "contact/home", &ids).await;
    expect_refused("many", reply, Code::InvalidArgument, "REQUEST_INVALID", &["local_ids"]);
    let reply = retract(&place, GP_PUBLISHER, "contact/home", &[]).await;
    expect_refused("none", reply, Code::InvalidArgument, "REQUEST_INVALID", &["local_ids"]);
}
