//! Consents over a socket: to which wording, kept as a record with its proof, in the words of FHIR, and taken back
//! in whatever words.

mod exchange;
mod kept;
mod withdrawn;

use tonic::{Code, Response, Status};
use weir::grpc::pb;

use crate::support::{
    AISHA, HOUSING, Inhabitant, Place, decision, expect_refused, refused, request, shown, treatment,
};

type Person = weir::auth::issuer::Person<'static>;

/// A yes to what the notice on medical priority asks.
fn consent() -> pb::Consent {
    pb::Consent {
        kind: "confidentiality_explicit".to_owned(),
        state: "given".to_owned(),
        purposes: vec!["medical_priority".to_owned()],
        recipients: vec!["agencies/northfield-council-housing".to_owned()],
        by: "self".to_owned(),
        evidence: true,
        freely_given: true,
        notice: shown("medical-priority"),
        channel: "telephone".to_owned(),
        assessment: "MCA-2026-14".to_owned(),
        ..Default::default()
    }
}

async fn record(
    place: &Place,
    about: Inhabitant,
    consent: pb::Consent,
) -> Result<Response<pb::RecordConsentResponse>, Status> {
    let message = pb::RecordConsentRequest {
        resident: about.path(),
        consent: Some(consent),
        request_id: String::new(),
    };
    place.choices().record_consent(place.from(HOUSING, message)).await
}

async fn recorded(place: &Place, about: Inhabitant, consent: pb::Consent) -> String {
    record(place, about, consent).await.unwrap().into_inner().choice
}

async fn listed(place: &Place, who: Person, about: Inhabitant) -> Vec<pb::Choice> {
    let message = pb::ListChoicesRequest { resident: about.path(), ..Default::default() };
    place.choices().list_choices(place.from(who, message)).await.unwrap().into_inner().choices
}

fn consents(choices: Vec<pb::Choice>) -> Vec<pb::Consent> {
    let events = choices.into_iter().filter_map(|choice| match choice.event {
        Some(pb::choice::Event::Consent(consent)) => Some(consent),
        _ => None,
    });
    events.collect()
}

/// As they stand on the wire, to be compared.
fn bytes(all: &[pb::Consent]) -> Vec<Vec<u8>> {
    all.iter().map(prost::Message::encode_to_vec).collect()
}

/// Whether housing is answered with values, and with which codes.
async fn asked(place: &Place, who: Person, question: pb::CanShareRequest) -> (bool, Vec<String>) {
    let message = place.from(who, request(question));
    let mut answers = place.sharing().request_records(message).await.unwrap().into_inner().answers;
    let answer = answers.pop().unwrap();
    (!answer.values.is_empty(), decision(&answer).codes.clone())
}

fn mobility() -> pb::CanShareRequest {
    pb::CanShareRequest {
        purpose: "medical_priority".to_owned(),
        fields: vec!["health/support.mobility".to_owned()],
        ..treatment(AISHA)
    }
}

#[tokio::test]
async fn a_yes_is_to_a_wording_that_asks_for_it() {
    let place = Place::open().await;
    type Change = fn(&mut pb::Consent);
    fn notice(consent: &mut pb::Consent) -> &mut pb::NoticeShown {
        consent.notice.as_mut().unwrap()
    }
    let table: [(&str, Change, &str); 13] = [
        ("to no wording", |c| c.notice = None, "consent.notice"),
        (
            "again, to none",
            |c| (c.state, c.notice) = ("renewed".to_owned(), None),
            "consent.notice",
        ),
        ("unknown", |c| notice(c).id = "medical-priorty".to_owned(), "consent.notice.id"),
        ("no word", |c| notice(c).id = "medical priority".to_owned(), "consent.notice.id"),
        ("no version", |c| notice(c).version = 2, "consent.notice.version"),
        ("version nought", |c| notice(c).version = 0, "consent.notice.version"),
        ("no language", |c| notice(c).language = "de".to_owned(), "consent.notice.language"),
        (
            "a hash of one's own",
            |c| notice(c).wording_sha256 = "00".to_owned(),
            "consent.notice.wording_sha256",
        ),
        (
            "before its first day",
            |c| {
                c.event_time = Some(prost_types::Timestamp { seconds: 1_704_000_000, nanos: 0 });
                c.until_date = "2027-01-01".to_owned();
            },
            "consent.notice.version",
        ),
        ("another kind", |c| c.kind = "participation".to_owned(), "consent.kind"),
        (
            "another purpose too",
            |c| c.purposes.push("tenancy_management".to_owned()),
            "consent.purposes[1]",
        ),
        ("a channel of no list", |c| c.channel = "fax".to_owned(), "consent.channel"),
        ("free text", |c| c.assessment = "seems well".to_owned(), "consent.assessment"),
    ];
    let before = place.log_size();
    for (what, change, field) in table {
        let mut odd = consent();
        change(&mut odd);
        let reply = record(&place, AISHA, odd).await;
        expect_refused(what, reply, Code::InvalidArgument, "REQUEST_INVALID", &[field]);
    }
    assert_eq!(place.log_size(), before);
    // What is no yes, or is not asked for, needs no wording.
    for (kind, state) in [
        ("confidentiality_explicit", "requested"),
        ("confidentiality_explicit", "refused"),
        ("confidentiality_explicit", "unknown"),
        ("confidentiality_implied", "given"),
    ] {
        let bare = pb::Consent {
            kind: kind.to_owned(),
            state: state.to_owned(),
            notice: None,
            ..consent()
        };
        assert_eq!(refused(record(&place, AISHA, bare).await).0, Code::Ok, "{kind} {state}");
    }
    recorded(&place, AISHA, consent()).await;
    let last = consents(listed(&place, HOUSING, AISHA).await).pop().unwrap();
    let notice = last.notice.unwrap();
    assert_eq!((notice.id.as_str(), notice.version), ("medical-priority", 1));
    assert_eq!((last.channel.as_str(), last.assessment.as_str()), ("telephone", "MCA-2026-14"));
    let policy = place.app.hub.policy().unwrap();
    let version = &policy.book().notices["medical-priority"].versions[&1];
    let wording = &version.wordings[&weir::domain::Language::En];
    assert_eq!(notice.wording_sha256, wording.hash());
}

#[tokio::test]
async fn a_new_wording_neither_ends_nor_extends_a_yes_to_the_old_one() {
    let place = Place::open().await;
    recorded(&place, AISHA, consent()).await;
    let first = consents(listed(&place, HOUSING, AISHA).await);
    let (dir, clock) = place.ended().await;
    // The old wording ends today, and the new one asks for another purpose too.
    let folder = tempfile::tempdir().unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    crate::support::copy(&root, folder.path());
    let path = folder.path().join("notices/medical-priority.toml");
    let old = std::fs::read_to_string(&path).unwrap();
    let new = old
        .replace("number = 1", "number = 2")
        .replace("first_day = 2024-01-01", "first_day = 2026-07-15")
        .replace("[\"medical_priority\"]", "[\"medical_priority\", \"tenancy_management\"]");
    let new = &new[new.find("[[version]]").unwrap()..];
    let ended = old.replace("2024-01-01\n", "2024-01-01\nlast_day = 2026-07-14\n");
    std::fs::write(&path, format!("{ended}\n{new}")).unwrap();
    let place = Place::at(dir, clock, folder.path()).await;
    assert_eq!(asked(&place, HOUSING, mobility()).await, (true, vec![]));
    assert_eq!(bytes(&consents(listed(&place, HOUSING, AISHA).await)), bytes(&first));
    let reply = record(&place, AISHA, consent()).await;
    let field = "consent.notice.version";
    expect_refused("the old one", reply, Code::InvalidArgument, "REQUEST_INVALID", &[field]);
    let mut again = consent();
    again.notice.as_mut().unwrap().version = 2;
    recorded(&place, AISHA, again).await;
}
