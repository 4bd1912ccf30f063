//! Who may speak for a resident, over a socket: a yes of somebody else rests on a proxy on record, who they are is
//! told to nobody but the agency that saw the evidence, and powers end by themselves.

use jiff::SignedDuration;
use tonic::{Code, Response, Status};
use weir::audit::entry::{Facet, Kind};
use weir::clock::Clock;
use weir::domain::{Capacity, Fact};
use weir::grpc::pb;

use crate::support::{
    AISHA, BEN, CHILDRENS, GP_REGISTRAR, HOUSING, Inhabitant, NURSE, Place, SEALED, decision,
    expect_refused, refused, request, shown, treatment,
};

type Person = weir::auth::issuer::Person<'static>;
type Reply<T> = Result<Response<T>, Status>;

const HOSPITAL_REGISTRAR: Person =
    Person { agency: "northfield-hospital", person: "desk-2", roles: &["hub-registrar"] };
const HOUSING_OFFICER: Person = Person {
    agency: "northfield-council-housing",
    person: "privacy-1",
    roles: &["hub-privacy-officer"],
};

fn attorney() -> pb::Proxy {
    pb::Proxy {
        kind: "attorney-hw".to_owned(),
        person_name: "Tariq Markerson".to_owned(),
        contact: "07700 900 123".to_owned(),
        evidence: "registered-lpa".to_owned(),
        evidence_reference: "7000-1234-5678".to_owned(),
        start_date: "2026-01-01".to_owned(),
        ..Default::default()
    }
}

async fn grant(
    place: &Place,
    who: Person,
    of: Inhabitant,
    proxy: pb::Proxy,
) -> Reply<pb::GrantProxyResponse> {
    let message = pb::GrantProxyRequest {
        resident: of.path(),
        proxy: Some(proxy),
        request_id: String::new(),
    };
    place.choices().grant_proxy(place.from(who, message)).await
}

async fn granted(place: &Place, of: Inhabitant, proxy: pb::Proxy) -> String {
    grant(place, GP_REGISTRAR, of, proxy).await.unwrap().into_inner().proxy
}

async fn end(place: &Place, who: Person, proxy: &str) -> Reply<pb::EndProxyResponse> {
    let message = pb::EndProxyRequest {
        proxy: proxy.to_owned(),
        end_time: None,
        reason: "Revoked by the donor".to_owned(),
        request_id: String::new(),
    };
    place.choices().end_proxy(place.from(who, message)).await
}

async fn listed(place: &Place, who: Person, of: Inhabitant) -> pb::ListProxiesResponse {
    let message = pb::ListProxiesRequest { resident: of.path(), ..Default::default() };
    place.choices().list_proxies(place.from(who, message)).await.unwrap().into_inner()
}

fn yes(by: &str, proxy: &str) -> pb::Consent {
    pb::Consent {
        kind: "confidentiality_explicit".to_owned(),
        state: "given".to_owned(),
        purposes: vec!["medical_priority".to_owned()],
        recipients: vec!["agencies/northfield-council-housing".to_owned()],
        by: by.to_owned(),
        evidence: true,
        freely_given: true,
        proxy: proxy.to_owned(),
        notice: shown("medical-priority"),
        ..Default::default()
    }
}

async fn say(place: &Place, of: Inhabitant, consent: pb::Consent) -> pb::RecordConsentResponse {
    said(place, of, consent).await.unwrap().into_inner()
}

async fn said(
    place: &Place,
    of: Inhabitant,
    consent: pb::Consent,
) -> Reply<pb::RecordConsentResponse> {
    let message = pb::RecordConsentRequest {
        resident: of.path(),
        consent: Some(consent),
        request_id: String::new(),
    };
    place.choices().record_consent(place.from(HOUSING, message)).await
}

/// The codes of a question that needs the yes; empty: answered.
async fn codes(place: &Place) -> Vec<String> {
    let question = pb::CanShareRequest {
        purpose: "medical_priority".to_owned(),
        fields: vec!["health/support.mobility".to_owned()],
        ..treatment(AISHA)
    };
    let message = place.from(HOUSING, request(question));
    let mut answers = place.sharing().request_records(message).await.unwrap().into_inner().answers;
    decision(&answers.pop().unwrap()).codes.clone()
}

async fn without_capacity(place: &Place, of: Inhabitant) {
    let on = jiff::civil::date(2026, 7, 15);
    let fact = Fact::Capacity { resident: of.resident(), capacity: Capacity::Lacks, on };
    place.record(vec![fact]).await;
}

const NOT_ENTITLED: &str = "CNS_GIVER_NOT_ENTITLED";

#[tokio::test]
async fn what_a_caller_asserts_is_no_evidence() {
    let place = Place::open().await;
    without_capacity(&place, AISHA).await;
    let told = say(&place, AISHA, yes("attorney-hw", "")).await;
    assert!(told.not_counted.contains("no proxy is named"), "{}", told.not_counted);
    assert_eq!(codes(&place).await, [NOT_ENTITLED]);
    let proxy = granted(&place, AISHA, attorney()).await;
    let told = say(&place, AISHA, yes("attorney-hw", &proxy)).await;
    assert_eq!(told.not_counted, "");
    assert_eq!(codes(&place).await, Vec::<String>::new());
    // A slip records nothing.
    let before = place.log_size();
    let nobody = format!("{}/proxies/{}", AISHA.path(), uuid::Uuid::nil());
    let reply = said(&place, AISHA, yes("attorney-hw", &nobody)).await;
    expect_refused("none", reply, Code::InvalidArgument, "REQUEST_INVALID", &["consent.proxy"]);
    let reply = said(&place, AISHA, yes("deputy-hw", &proxy)).await;
    expect_refused("kind", reply, Code::InvalidArgument, "REQUEST_INVALID", &["consent.proxy"]);
    let reply = said(&place, BEN, yes("attorney-hw", &proxy)).await;
    expect_refused("whose", reply, Code::InvalidArgument, "REQUEST_INVALID", &["consent.proxy"]);
    assert_eq!(place.log_size(), before);
}

#[tokio::test]
async fn a_proxy_that_ends_takes_later_words_along_and_not_earlier_ones() {
    let place = Place::open().await;
    without_capacity(&place, AISHA).await;
    let proxy = granted(&place, AISHA, attorney()).await;
    let first = say(&place, AISHA, yes("attorney-hw", &proxy)).await;
    place.clock.set(place.clock.now() + SignedDuration::from_mins(1));
    end(&place, HOSPITAL_REGISTRAR, &proxy).await.unwrap();
    assert_eq!(codes(&place).await, Vec::<String>::new(), "what was agreed stands");
    // Nor can they take it back any more: that is said, and is for a privacy officer.
    let taken = pb::WithdrawConsentRequest {
        choice: first.choice.clone(),
        by: "attorney-hw".to_owned(),
        ..Default::default()
    };
    let told = place.choices().withdraw_consent(place.from(HOUSING, taken)).await.unwrap();
    assert!(told.into_inner().not_counted.contains("ended"));
    assert_eq!(codes(&place).await, Vec::<String>::new());
    let invalid = pb::InvalidateConsentRequest {
        choice: first.choice,
        reason: "The attorney acted after the power was revoked".to_owned(),
        request_id: String::new(),
    };
    place.choices().invalidate_consent(place.from(HOUSING_OFFICER, invalid)).await.unwrap();
    assert_eq!(codes(&place).await, ["CNS_INVALIDATED"]);
    let told = say(&place, AISHA, yes("attorney-hw", &proxy)).await;
    assert!(told.not_counted.contains("ended"), "{}", told.not_counted);
    assert_eq!(codes(&place).await, ["CNS_INVALIDATED"]);
    let reply = end(&place, GP_REGISTRAR, &proxy).await;
    expect_refused("twice", reply, Code::InvalidArgument, "REQUEST_INVALID", &["proxy"]);
}

#[tokio::test]
async fn a_proxy_ended_as_of_before_never_spoke() {
    let place = Place::open().await;
    without_capacity(&place, AISHA).await;
    let proxy = granted(&place, AISHA, attorney()).await;
    say(&place, AISHA, yes("attorney-hw", &proxy)).await;
    assert_eq!(codes(&place).await, Vec::<String>::new());
    let message = pb::EndProxyRequest {
        proxy,
        end_time: Some(prost_types::Timestamp { seconds: 1_780_000_000, nanos: 0 }),
        reason: "The court had ended it in May".to_owned(),
        request_id: String::new(),
    };
    place.choices().end_proxy(place.from(GP_REGISTRAR, message)).await.unwrap();
    assert_eq!(codes(&place).await, [NOT_ENTITLED]);
}

#[tokio::test]
async fn the_giver_takes_back_what_they_gave() {
    let place = Place::open().await;
    without_capacity(&place, AISHA).await;
    let proxy = granted(&place, AISHA, attorney()).await;
    let first = say(&place, AISHA, yes("attorney-hw", &proxy)).await;
    place.clock.set(place.clock.now() + SignedDuration::from_secs(1));
    let taken = pb::WithdrawConsentRequest {
        choice: first.choice,
        by: "attorney-hw".to_owned(),
        ..Default::default()
    };
    let told = place.choices().withdraw_consent(place.from(HOUSING, taken)).await.unwrap();
    assert_eq!(told.into_inner().not_counted, "");
    assert_eq!(codes(&place).await, ["CNS_WITHDRAWN"]);
}

#[tokio::test]
async fn who_they_are_stands_in_the_log_alone_and_is_told_to_who_saw_the_evidence() {
    let place = Place::open().await;
    let before = place.log_size();
    let proxy = granted(&place, AISHA, attorney()).await;
    let entry = place.entries(before).pop().unwrap();
    assert_eq!(entry.entry.kind, Kind::Choice);
    assert_eq!(entry.facet(Facet::What), "proxy|attorney-hw|granted");
    let facets = format!("{:?}", entry.entry.facets);
    for marker in ["Markerson", "900 123", "7000-1234"] {
        assert!(!facets.contains(marker), "{facets}");
        let sealed = entry
            .sealed
            .values()
            .any(|bytes| bytes.windows(marker.len()).any(|w| w == marker.as_bytes()));
        assert!(!sealed, "{marker} can be read in the log");
        for file in ["hub.db", "hub.db-wal"] {
            let bytes = std::fs::read(place.data().join(file)).unwrap_or_default();
            let there = bytes.windows(marker.len()).any(|w| w == marker.as_bytes());
            assert!(!there, "{marker} can be read in {file}");
        }
    }
    // The GP saw the evidence: a person in a role there is told who it is.
    let gp = Person { agency: "oakdale-gp", person: "gp-1", roles: &["gp"] };
    place.record(vec![crate::support::staff(gp, None)]).await;
    let told = listed(&place, gp, AISHA).await.proxies.pop().unwrap();
    let who = told.proxy.unwrap();
    assert_eq!(
        (who.person_name.as_str(), who.contact.as_str(), who.evidence_reference.as_str()),
        ("Tariq Markerson", "07700 900 123", "7000-1234-5678")
    );
    let told = listed(&place, NURSE, AISHA).await.proxies.pop().unwrap();
    let who = told.proxy.unwrap();
    assert_eq!((who.name.as_str(), who.kind.as_str()), (proxy.as_str(), "attorney-hw"));
    assert_eq!((who.person_name, who.contact, who.evidence_reference), Default::default());
    assert_eq!(told.recorded_by, "agencies/oakdale-gp");
    // Aisha has capacity: the power sleeps.
    assert_eq!((told.consents.as_str(), told.halted.as_str()), ("none", ""));
    without_capacity(&place, AISHA).await;
    assert_eq!(listed(&place, NURSE, AISHA).await.proxies[0].consents, "all");
    end(&place, GP_REGISTRAR, &proxy).await.unwrap();
    let told = listed(&place, NURSE, AISHA).await.proxies.pop().unwrap();
    assert_eq!((told.consents.as_str(), told.halted.as_str()), ("none", "ended"));
    assert!(!told.acts_in_portal && !told.files_requests && told.ended_time.is_some());
}

#[tokio::test]
async fn a_proxy_that_makes_no_sense_is_not_put_on_record() {
    let place = Place::open().await;
    type Change = fn(&mut pb::Proxy);
    let table: [(&str, Change, &str); 12] = [
        ("the resident", |p| p.kind = "self".to_owned(), "proxy.kind"),
        ("no kind", |p| p.kind = String::new(), "proxy.kind"),
        (
            "a parent of an adult",
            |p| {
                p.kind = "parent".to_owned();
                p.evidence = "birth-certificate".to_owned();
            },
            "proxy.kind",
        ),
        ("nobody", |p| p.person_name = " ".to_owned(), "proxy.person_name"),
        (
            "another kind's evidence",
            |p| p.evidence = "birth-certificate".to_owned(),
            "proxy.evidence",
        ),
        ("no evidence", |p| p.evidence = String::new(), "proxy.evidence"),
        ("seen tomorrow", |p| p.seen_date = "2026-07-16".to_owned(), "proxy.seen_date"),
        ("over before it began", |p| p.end_date = "2025-12-31".to_owned(), "proxy.end_date"),
        ("over", |p| p.end_date = "2026-07-14".to_owned(), "proxy.end_date"),
        ("no such purpose", |p| p.purposes = vec!["marketing".to_owned()], "proxy.purposes[0]"),
        ("no such field", |p| p.fields = vec!["shoes/sizes.left".to_owned()], "proxy.fields[0]"),
        ("a name of its own", |p| p.name = "residents/7/proxies/7".to_owned(), "proxy.name"),
    ];
    let before = place.log_size();
    for (what, change, field) in table {
        let mut odd = attorney();
        change(&mut odd);
        let (code, reason, fields) = refused(grant(&place, GP_REGISTRAR, AISHA, odd).await);
        assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "REQUEST_INVALID"), "{what}");
        assert!(fields.iter().any(|f| f == field), "{what}: {fields:?}");
    }
    assert_eq!(place.log_size(), before);
    // A sealed resident and none look the same.
    let hidden = refused(grant(&place, GP_REGISTRAR, SEALED, attorney()).await);
    let nobody = refused(grant(&place, GP_REGISTRAR, crate::support::ABSENT, attorney()).await);
    assert_eq!(hidden, nobody);
    assert_eq!(hidden.0, Code::NotFound);
}

#[tokio::test]
async fn parents_who_do_not_agree_are_told_of() {
    let place = Place::open().await;
    let parent = || pb::Proxy {
        kind: "parent".to_owned(),
        evidence: "birth-certificate".to_owned(),
        start_date: "2020-01-01".to_owned(),
        ..attorney()
    };
    let (one, two) = (granted(&place, BEN, parent()).await, granted(&place, BEN, parent()).await);
    let about =
        |proxy: &str, state: &str| pb::Consent { state: state.to_owned(), ..yes("parent", proxy) };
    say(&place, BEN, about(&one, "refused")).await;
    place.clock.set(place.clock.now() + SignedDuration::from_secs(1));
    say(&place, BEN, about(&two, "given")).await;
    let told = listed(&place, HOUSING, BEN).await;
    let pairs: Vec<_> =
        told.disagreements.into_iter().map(|pair| (pair.agrees, pair.refuses)).collect();
    assert_eq!(pairs, [(two, one)]);
    // Another agency's business is not told.
    assert!(listed(&place, CHILDRENS, BEN).await.disagreements.is_empty());
}

const PORTAL: Person = Person {
    agency: "northfield-council-early-help",
    person: "portal-1",
    roles: &["hub-resident-portal"],
};

/// A message of a portal at which a proxy is logged in for a resident.
fn logged_in<T>(place: &Place, of: Inhabitant, proxy: &str, message: T) -> tonic::Request<T> {
    let id = proxy.rsplit('/').next().unwrap().parse().unwrap();
    let now = place.clock.now();
    let token = place.issuer.proxy_session(PORTAL, of.resident(), id, now, 10).unwrap();
    crate::support::bearing(&token, message)
}

async fn looks(place: &Place, of: Inhabitant, proxy: &str) -> String {
    let message = pb::ListDisclosuresRequest::default();
    let reply = place.rights().list_disclosures(logged_in(place, of, proxy, message)).await;
    refused(reply).1
}

async fn files(place: &Place, of: Inhabitant, proxy: &str) -> String {
    let message = pb::FileRequestRequest {
        controller: "agencies/oakdale-gp".to_owned(),
        kind: "access".to_owned(),
        text: "Everything you have, please".to_owned(),
        request_id: String::new(),
    };
    let reply = place.rights().file_request(logged_in(place, of, proxy, message)).await;
    refused(reply).1
}

const NOT_AUTHORISED: &str = "SAR_NOT_AUTHORISED";

#[tokio::test]
async fn a_session_of_a_proxy_is_bounded_by_their_powers_at_each_call() {
    let place = Place::open().await;
    let proxy = granted(&place, AISHA, attorney()).await;
    assert_eq!(looks(&place, AISHA, &proxy).await, NOT_AUTHORISED, "she speaks for herself");
    without_capacity(&place, AISHA).await;
    assert_eq!(looks(&place, AISHA, &proxy).await, "");
    let before = place.log_size();
    assert_eq!(files(&place, AISHA, &proxy).await, "");
    let entry = place.entries(before).pop().unwrap();
    let id = proxy.rsplit('/').next().unwrap();
    let asker = String::from_utf8(entry.slots[&2].clone()).unwrap();
    assert!(asker.contains(id), "who was logged in stands in the sealed slot: {asker}");
    assert_eq!(looks(&place, BEN, &proxy).await, NOT_AUTHORISED, "another resident");
    end(&place, GP_REGISTRAR, &proxy).await.unwrap();
    let before = place.log_size();
    assert_eq!(looks(&place, AISHA, &proxy).await, NOT_AUTHORISED);
    let entry = place.entries(before).pop().unwrap();
    assert_eq!((entry.entry.kind, entry.facet(Facet::What)), (Kind::TurnedAway, "powerless"));
    assert_eq!(files(&place, AISHA, &proxy).await, NOT_AUTHORISED);
    // And as a proxy nobody asks as staff.
    let message =
        place.sharing().can_share(logged_in(&place, AISHA, &proxy, treatment(AISHA))).await;
    expect_refused("staff", message, Code::PermissionDenied, "ROLE_NEEDED", &[]);
}

#[tokio::test]
async fn who_may_act_beside_or_for_whom() {
    let place = Place::open().await;
    let of_kind = |kind: &str, evidence: &str| pb::Proxy {
        kind: kind.to_owned(),
        evidence: evidence.to_owned(),
        start_date: "2020-01-01".to_owned(),
        ..attorney()
    };
    let advocate = granted(&place, AISHA, of_kind("advocate", "written-authority")).await;
    assert_eq!(looks(&place, AISHA, &advocate).await, "");
    assert_eq!(files(&place, AISHA, &advocate).await, "");
    for (kind, evidence) in [("appointee", "dwp-appointment"), ("attorney-pf", "registered-lpa")] {
        let one = granted(&place, AISHA, of_kind(kind, evidence)).await;
        assert_eq!(looks(&place, AISHA, &one).await, NOT_AUTHORISED, "{kind}");
    }
    // Ben is twelve: what is held about him in confidence is no longer his parent's to see.
    let parent = granted(&place, BEN, of_kind("parent", "birth-certificate")).await;
    assert_eq!(looks(&place, BEN, &parent).await, NOT_AUTHORISED);
    assert_eq!(files(&place, BEN, &parent).await, NOT_AUTHORISED);
    // On the day before his eleventh birthday it was.
    place.clock.set("2025-02-02T12:00:00Z".parse().unwrap());
    assert_eq!(looks(&place, BEN, &parent).await, "");
    place.clock.set("2025-02-03T12:00:00Z".parse().unwrap());
    assert_eq!(looks(&place, BEN, &parent).await, NOT_AUTHORISED);
}

#[tokio::test]
async fn a_record_that_closes_closes_to_proxies_too() {
    let place = Place::open().await;
    let advocate = pb::Proxy {
        kind: "advocate".to_owned(),
        evidence: "written-authority".to_owned(),
        ..attorney()
    };
    let proxy = granted(&place, BEN, advocate).await;
    assert_eq!(looks(&place, BEN, &proxy).await, "");
    let sealed = Fact::Flag {
        resident: BEN.resident(),
        flag: "sealed".parse().unwrap(),
        agency: "northfield-council-childrens".parse().unwrap(),
        set: true,
    };
    place.record(vec![sealed]).await;
    assert_eq!(looks(&place, BEN, &proxy).await, NOT_AUTHORISED);
}
