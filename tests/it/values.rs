//! What leaves, value by value: masked, stripped, suppressed and labelled as the release's duties order.

use jiff::SignedDuration;
use tonic::{Code, Response, Status};
use weir::auth::issuer::Person;
use weir::clock::Clock;
use weir::domain::Fact;
use weir::grpc::convert::time_message;
use weir::grpc::pb;

use crate::support::{
    AISHA, BEN, CHILDRENS, GP_PUBLISHER, HOUSING, Inhabitant, NURSE, Place, REFUGEE, decision,
    expect_refused, relationship, request, staff, treatment,
};

const POLICE: Person<'_> = Person {
    agency: "northshire-police",
    person: "feed-9",
    roles: &["hub-publisher", "hub-registrar"],
};
const ANALYST: Person<'_> = Person {
    agency: "northfield-council-community-safety",
    person: "analyst-1",
    roles: &["analyst"],
};

async fn published(
    place: &Place,
    who: Person<'_>,
    category: &str,
    local_id: String,
    values: &[(&str, &str)],
) -> Result<Response<pb::PublishRecordsResponse>, Status> {
    let header = pb::PublishHeader {
        category: category.to_owned(),
        expire_time: Some(time_message(place.clock.now() + SignedDuration::from_hours(24))),
        request_id: String::new(),
    };
    let values = values
        .iter()
        .map(|(name, text)| pb::FieldText {
            field: format!("{category}.{name}"),
            text: (*text).to_owned(),
            labels: Vec::new(),
        })
        .collect();
    let parts = [
        pb::publish_records_request::Part::Header(header),
        pb::publish_records_request::Part::Row(pb::PublishRow { local_id, values }),
    ];
    let parts = parts.map(|part| pb::PublishRecordsRequest { part: Some(part) });
    let stream = place.from(who, tokio_stream::iter(parts));
    place.records().publish_records(stream).await
}

async fn publish(
    place: &Place,
    who: Person<'_>,
    category: &str,
    local_id: String,
    values: &[(&str, &str)],
) {
    let reply = published(place, who, category, local_id, values).await.unwrap();
    assert_eq!(reply.into_inner().stored_count, 1);
}

async fn answer(place: &Place, who: Person<'_>, asked: pb::CanShareRequest) -> pb::Answer {
    let reply = place.sharing().request_records(place.from(who, request(asked))).await.unwrap();
    reply.into_inner().answers.remove(0)
}

/// The text and the labels of a field.
fn value<'a>(answer: &'a pb::Answer, field: &str) -> (&'a str, Vec<&'a str>) {
    let found = answer.values.iter().find(|v| v.field == field).unwrap();
    (&found.text, found.labels.iter().map(String::as_str).collect())
}

#[tokio::test]
async fn where_somebody_in_a_refuge_is_stands_in_no_value() {
    let place = Place::open().await;
    let field = "health/summary.conditions";
    let note =
        "asthma; seen at 1, foundry lane on Monday, ring 01632 960 001 or 07700 900123, B12 5mg";
    let ask = |about: Inhabitant| pb::CanShareRequest {
        fields: vec![field.to_owned(), "identity/core.name".to_owned()],
        ..treatment(about)
    };
    for about in [AISHA, REFUGEE] {
        let values = [("conditions", note)];
        publish(&place, GP_PUBLISHER, "health/summary", about.local_id(), &values).await;
    }
    // Her address was not even asked for.
    let hidden = answer(&place, NURSE, ask(REFUGEE)).await;
    let (text, labels) = value(&hidden, field);
    assert_eq!(
        text,
        "asthma; seen at [withheld] on Monday, ring [withheld] or [withheld], B12 5mg"
    );
    assert_eq!(labels, ["masked"]);
    assert_eq!(value(&hidden, "identity/core.name"), ("on file", vec![]));
    let open = answer(&place, NURSE, ask(AISHA)).await;
    assert_eq!(value(&open, field), (note, vec![]));
    // A value that is nothing but what is hidden is one that is not there.
    let values = [("conditions", "1 Foundry Lane")];
    publish(&place, GP_PUBLISHER, "health/summary", REFUGEE.local_id(), &values).await;
    let hidden = answer(&place, NURSE, ask(REFUGEE)).await;
    assert!(hidden.values.iter().all(|v| v.field != field));
    let withheld = &decision(&hidden).withheld;
    assert!(withheld.iter().any(|w| w.field == field && w.codes == ["SUBJ_NOT_AVAILABLE"]));
    // What the custodian lets out comes as it is, and the rest is still taken out of the notes.
    let release = Fact::Release {
        resident: REFUGEE.resident(),
        agency: "northfield-council-childrens".parse().unwrap(),
        release: weir::domain::CustodianRelease {
            fields: vec!["contact/home.phone".parse().unwrap()],
            to: NURSE.agency.parse().unwrap(),
            until: jiff::civil::date(2026, 7, 31),
        },
    };
    place.record(vec![release]).await;
    let values = [("conditions", note)];
    publish(&place, GP_PUBLISHER, "health/summary", REFUGEE.local_id(), &values).await;
    let asked = pb::CanShareRequest {
        fields: vec![field.to_owned(), "contact/home.phone".to_owned()],
        ..treatment(REFUGEE)
    };
    let let_out = answer(&place, NURSE, asked).await;
    assert_eq!(value(&let_out, "contact/home.phone"), ("01632 960001", vec![]));
    assert!(!value(&let_out, field).0.contains("foundry"));
}

#[tokio::test]
async fn small_numbers_are_not_told() {
    let place = Place::open().await;
    let link = pb::LinkIdentityRequest {
        resident: AISHA.path(),
        local_id: "P-1".to_owned(),
        request_id: String::new(),
    };
    place.residents().link_identity(place.from(POLICE, link)).await.unwrap();
    place.record(vec![staff(ANALYST, None), relationship(ANALYST, AISHA, place.clock.now())]).await;
    let ask = || pb::CanShareRequest {
        resident: AISHA.path(),
        holder: "agencies/northshire-police".to_owned(),
        purpose: "violence_reduction".to_owned(),
        fields: vec!["aggregate/statistics".to_owned()],
        reason: "The yearly needs assessment".to_owned(),
        case_reference: "SVD-1".to_owned(),
        ..Default::default()
    };
    let ward = ("counts_by_ward", "Abbey=3; Castle=30; Dene=12; total=45");
    // What is no table of counts could not be checked: it does not come in.
    let wrong = [ward, ("counts_by_month", "about a dozen")];
    let reply = published(&place, POLICE, "aggregate/statistics", "P-1".to_owned(), &wrong).await;
    let (code, reason) = (Code::InvalidArgument, "REQUEST_INVALID");
    expect_refused("no table", reply, code, reason, &["rows[0].values"]);
    publish(&place, POLICE, "aggregate/statistics", "P-1".to_owned(), &[ward]).await;
    let told = answer(&place, ANALYST, ask()).await;
    let (text, labels) = value(&told, "aggregate/statistics.counts_by_ward");
    assert_eq!(text, "Abbey=<5; Castle=30; Dene=12; total=suppressed");
    assert_eq!(labels, ["suppressed"]);
    assert!(decision(&told).duties.contains(&"SUPPRESS_SMALL".to_owned()));
}

#[tokio::test]
async fn what_the_resident_disputes_says_so() {
    let place = Place::open().await;
    let ask = || pb::CanShareRequest {
        resident: BEN.path(),
        purpose: "child_protection".to_owned(),
        fields: vec!["health/summary.conditions".to_owned(), "contact/home.phone".to_owned()],
        threshold_statement: "Significant harm is suspected".to_owned(),
        ..treatment(BEN)
    };
    let plain = answer(&place, CHILDRENS, ask()).await;
    assert_eq!(value(&plain, "health/summary.conditions"), ("asthma", vec![]));
    let restriction = pb::SetRestrictionRequest {
        resident: BEN.path(),
        fields: vec!["health/summary".to_owned()],
        on_date: String::new(),
        request_id: String::new(),
    };
    place.choices().set_restriction(place.from(HOUSING, restriction)).await.unwrap();
    let told = answer(&place, CHILDRENS, ask()).await;
    let contested = vec!["accuracy-contested"];
    assert_eq!(value(&told, "health/summary.conditions"), ("asthma", contested));
    assert_eq!(value(&told, "contact/home.phone"), ("01632 960001", vec![]));
}

const SCHOOL: Person<'_> = Person { agency: "st-annes-school", person: "dsl-1", roles: &["dsl"] };
const CHILDRENS_FEED: Person<'_> =
    Person { agency: "northfield-council-childrens", person: "feed-3", roles: &["hub-publisher"] };

#[tokio::test]
async fn who_told_is_read_out_of_no_value() {
    let place = Place::open().await;
    place.record(vec![staff(SCHOOL, None), relationship(SCHOOL, BEN, place.clock.now())]).await;
    let plan = "Weekly visits. Ann Other (neighbour) rang; Ann Other will ring again.";
    let values = [("plan", plan), ("informant", "Ann Other (neighbour)")];
    publish(&place, CHILDRENS_FEED, "child/protection", BEN.local_id(), &values).await;
    let ask = || pb::CanShareRequest {
        resident: BEN.path(),
        holder: "agencies/northfield-council-childrens".to_owned(),
        purpose: "child_protection".to_owned(),
        fields: vec!["child/protection".to_owned()],
        threshold_statement: "Significant harm is suspected".to_owned(),
        ..treatment(BEN)
    };
    let told = answer(&place, SCHOOL, ask()).await;
    assert!(decision(&told).duties.contains(&"STRIP_THIRD_PARTY".to_owned()));
    let (text, labels) = value(&told, "child/protection.plan");
    assert_eq!(text, "Weekly visits. [withheld]) rang; [withheld] will ring again.");
    assert_eq!(labels, ["masked"]);
    // What another holder has of her, expired or not, is as little to be read out.
    let values = [("next_of_kin", "Grace Far")];
    publish(&place, GP_PUBLISHER, "contact/network", BEN.local_id(), &values).await;
    let values = [("plan", "Ask Gräce Far before the visit.")];
    publish(&place, CHILDRENS_FEED, "child/protection", BEN.local_id(), &values).await;
    let told = answer(&place, SCHOOL, ask()).await;
    assert_eq!(value(&told, "child/protection.plan").0, "Ask [withheld] before the visit.");
}
