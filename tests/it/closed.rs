//! The secrecy promise, byte for byte: to an outsider somebody whose record is sealed, somebody who is
//! protected and nobody at all are one and the same, in the reply, in its headers and in the log.

use std::collections::BTreeMap;

use tonic::{Code, Response, Status};
use weir::audit::entry::{Facet, Kind};
use weir::domain::{
    Capacity, ChoiceKind, ConsentEvent, ConsentKind, ConsentState, CourtOrder, CustodianRelease,
    DecisionId, Giver, ObjectionState,
};
use weir::grpc::pb;
use weir::store::{ChoiceEvent, Fact, Store, StoredChoice};

use crate::support::{
    ABSENT, AISHA, CARER, CHILDRENS, CONSTABLE, DOCTOR, GP_REGISTRAR, HOSPITAL_AUDITOR, HOUSING,
    Inhabitant, Logged, NURSE, PROTECTED, Place, REFUGEE, SEALED, prepared, request, staff,
    treatment,
};

type Person = weir::auth::issuer::Person<'static>;

const LEGAL: Person = Person { person: "legal-1", roles: &["legal-officer"], ..CHILDRENS };
const STRANGER: Person = Person { person: "nurse-11", ..NURSE };

/// Puts out what must differ between any two calls, after a look at its shape.
trait PutOut: prost::Message {
    fn put_out(&mut self);
}

fn receipt(receipt: &mut Option<pb::Receipt>) {
    let found = receipt.as_ref().unwrap();
    assert_eq!((found.leaf_hash.len(), found.root_hash.len()), (32, 32));
    let (collection, event) = found.name.split_once('/').unwrap();
    assert_eq!(event.len(), 36);
    assert!(found.entry.starts_with("entries/") && found.tree_size > 0);
    *receipt = Some(pb::Receipt { name: collection.to_owned(), ..Default::default() });
}

macro_rules! put_out {
    ($($reply:ident: |$this:ident| $what:expr;)*) => {
        $(impl PutOut for pb::$reply {
            fn put_out(&mut self) {
                let $this = self;
                $what
            }
        })*
    };
}

put_out! {
    RequestRecordsResponse: |this| this.answers.iter_mut().for_each(|a| receipt(&mut a.receipt));
    CanShareResponse: |this| this.answer.iter_mut().for_each(|a| receipt(&mut a.receipt));
    BatchCanShareResponse: |this| this.answers.iter_mut().for_each(|a| receipt(&mut a.receipt));
    FindResidentResponse: |this| receipt(&mut this.receipt);
    ListChoicesResponse: |this| receipt(&mut this.receipt);
    RecordConsentResponse: |this| receipt(&mut this.receipt);
    WithdrawConsentResponse: |this| receipt(&mut this.receipt);
    RecordObjectionResponse: |this| receipt(&mut this.receipt);
    SetRestrictionResponse: |this| receipt(&mut this.receipt);
    LinkIdentityResponse: |this| receipt(&mut this.receipt);
    GetDisclosureResponse: |this| {
        receipt(&mut this.receipt);
        let told = this.disclosure.as_mut().unwrap();
        told.name.truncate("disclosures/".len());
        told.entry.truncate("entries/".len());
    };
    GetEntryResponse: |this| {
        receipt(&mut this.receipt);
        entry(this.entry.as_mut().unwrap());
    };
    SearchEntriesResponse: |this| {
        receipt(&mut this.receipt);
        this.log_size = 0;
        this.entries.iter_mut().for_each(entry);
    };
}

fn entry(entry: &mut pb::AuditEntry) {
    entry.name.truncate("entries/".len());
    (entry.event, entry.call) = (String::new(), String::new());
    // A map has no order of its own on the wire.
    let facets = std::mem::take(&mut entry.facets).into_iter().collect::<BTreeMap<_, _>>();
    entry.rpc = format!("{} {facets:?}", entry.rpc);
}

/// Everything that came back, with the resident's own name put out.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    code: Code,
    message: String,
    details: Vec<u8>,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

fn without(bytes: &[u8], name: &str) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let all: Vec<usize> = (0..bytes.len().saturating_sub(name.len() - 1))
        .filter(|at| bytes[*at..].starts_with(name.as_bytes()))
        .collect();
    for at in all {
        bytes[at..at + name.len()].fill(b'#');
    }
    bytes
}

fn said<T: PutOut>(reply: Result<Response<T>, Status>, about: Inhabitant) -> Said {
    let headers = |metadata: tonic::metadata::MetadataMap| {
        let mut all: Vec<(String, Vec<u8>)> = metadata
            .into_headers()
            .iter()
            .filter(|(name, _)| *name != "date")
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect();
        all.sort();
        all
    };
    match reply {
        Ok(reply) => {
            let (metadata, mut message, _) = reply.into_parts();
            message.put_out();
            let id = about.resident().uuid().to_string();
            Said {
                code: Code::Ok,
                message: String::new(),
                details: Vec::new(),
                headers: headers(metadata),
                body: without(&message.encode_to_vec(), &id),
            }
        }
        Err(status) => Said {
            code: status.code(),
            message: status.message().to_owned(),
            details: status.details().to_vec(),
            headers: headers(status.metadata().clone()),
            body: Vec::new(),
        },
    }
}

/// What a reader of the log's headers, or of its file's sizes, can tell of an entry.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    kind: Kind,
    rpc: String,
    parts: (u32, u32),
    agency: Option<String>,
    principal: [u8; 16],
    policy: [u8; 32],
    facets: BTreeMap<Facet, String>,
    leaf_len: usize,
    slot_lens: BTreeMap<u8, usize>,
}

fn left(logged: Vec<Logged>) -> Vec<Left> {
    let left = |logged: Logged| Left {
        kind: logged.entry.kind,
        rpc: logged.entry.rpc,
        parts: (logged.entry.part, logged.entry.parts),
        agency: logged.entry.agency.map(|agency| agency.to_string()),
        principal: logged.entry.principal,
        policy: logged.entry.policy,
        facets: logged.entry.facets,
        leaf_len: logged.leaf_len,
        slot_lens: logged.slots.iter().map(|(slot, bytes)| (*slot, bytes.len())).collect(),
    };
    logged.into_iter().map(left).collect()
}

/// Makes the closed records as unlike nobody as can be: consents, objections, an order, releases.
async fn enrich(place: &Place) {
    let at: jiff::Timestamp = "2026-07-01T09:00:00Z".parse().unwrap();
    for one in [SEALED, PROTECTED] {
        let consent = ConsentEvent {
            kind: ConsentKind::ConfidentialityExplicit,
            state: ConsentState::Given,
            at,
            until: jiff::civil::date(2027, 6, 30),
            purposes: ["direct_care", "child_welfare", "medical_priority"]
                .map(|p| p.parse().unwrap())
                .into(),
            recipients: ["northfield-hospital", "northfield-council-housing"]
                .map(|a| a.parse().unwrap())
                .into(),
            fields: None,
            by: Giver::Own,
            evidence: true,
            gillick: true,
            freely_given: true,
            parts: [].into(),
        };
        let objection = weir::domain::Choice {
            kind: ChoiceKind::Art21,
            on: jiff::civil::date(2026, 7, 2),
            fields: None,
            lifted: None,
            purpose: Some("child_welfare".parse().unwrap()),
            state: ObjectionState::Pending,
        };
        for (n, event) in
            [ChoiceEvent::Consent(consent), ChoiceEvent::Choice(objection)].into_iter().enumerate()
        {
            let id = uuid::Uuid::from_u128(one.id + 0x1000 * (n as u128 + 1));
            let choice = StoredChoice {
                id: DecisionId::from_uuid(id),
                recorded_by: NURSE.agency.parse().unwrap(),
                recorded_at: at,
                event,
            };
            let store = place.app.store.as_ref();
            store.record_choice(one.resident(), choice, prepared(Kind::Choice)).await.unwrap();
        }
        let fields = vec!["identity/core".parse().unwrap()];
        place
            .record(vec![
                Fact::Circumstances {
                    resident: one.resident(),
                    died: (one.id == SEALED.id).then(|| jiff::civil::date(2026, 7, 3)),
                    flags: one.flag.iter().map(|flag| flag.parse().unwrap()).collect(),
                    capacity: Capacity::Lacks,
                    parent_of_case: true,
                    disadvantages: 3,
                },
                Fact::Conflict {
                    agency: NURSE.agency.parse().unwrap(),
                    person: NURSE.person.parse().unwrap(),
                    resident: one.resident(),
                    is_self: true,
                    conflict: true,
                },
                Fact::Order {
                    resident: one.resident(),
                    order: CourtOrder {
                        id: "FC-2026-77".to_owned(),
                        to: LEGAL.agency.parse().unwrap(),
                        fields: fields.clone(),
                        from: jiff::civil::date(2026, 7, 1),
                        until: jiff::civil::date(2026, 7, 31),
                        sealed_copy: true,
                    },
                },
                Fact::Release {
                    resident: one.resident(),
                    release: CustodianRelease {
                        fields: vec!["contact/home".parse().unwrap()],
                        to: NURSE.agency.parse().unwrap(),
                        until: jiff::civil::date(2026, 7, 31),
                    },
                },
            ])
            .await;
    }
}

/// What outsiders ask about somebody.
fn questions() -> Vec<(&'static str, Person, pb::CanShareRequest)> {
    let plain = || treatment(ABSENT);
    let fields = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let claim = |kind: &str, answers: &[(&str, &str)]| {
        let text = |text: &str| pb::OverrideAnswer {
            answer: Some(match text {
                "true" => pb::override_answer::Answer::Flag(true),
                text => pb::override_answer::Answer::Text(text.to_owned()),
            }),
        };
        let answers = answers.iter().map(|(q, a)| ((*q).to_owned(), text(a))).collect();
        Some(pb::OverrideClaim { kind: kind.to_owned(), answers, asserted_time: None })
    };
    let welfare = || pb::CanShareRequest {
        holder: "agencies/northfield-council-childrens".to_owned(),
        purpose: "child_welfare".to_owned(),
        fields: fields(&["identity/core", "contact/home"]),
        ..plain()
    };
    let crime = || pb::CanShareRequest {
        purpose: "serious_crime".to_owned(),
        fields: fields(&["identity/core.name", "identity/history.previous_names"]),
        r#override: claim(
            "SERIOUS_CRIME",
            &[("offence", "x"), ("necessity", "y"), ("prejudice", "z")],
        ),
        ..plain()
    };
    vec![
        ("treatment", NURSE, plain()),
        (
            "everything",
            NURSE,
            pb::CanShareRequest {
                fields: fields(&[
                    "health/summary",
                    "contact/home",
                    "health/sensitive",
                    "identity/core",
                ]),
                ..plain()
            },
        ),
        ("no relationship", STRANGER, plain()),
        (
            "unconscious",
            DOCTOR,
            pb::CanShareRequest {
                r#override: claim("BREAK_GLASS", &[("reason", "Unconscious in bay two")]),
                ..plain()
            },
        ),
        (
            "dying",
            DOCTOR,
            pb::CanShareRequest {
                purpose: "life_at_risk".to_owned(),
                r#override: claim(
                    "VITAL",
                    &[("immediate_risk", "now"), ("unable_to_consent", "true")],
                ),
                ..plain()
            },
        ),
        ("welfare", CHILDRENS, welfare()),
        (
            "protection",
            CHILDRENS,
            pb::CanShareRequest {
                purpose: "child_protection".to_owned(),
                threshold_statement: "Reasonable cause, injuries seen".to_owned(),
                ..welfare()
            },
        ),
        ("an order", LEGAL, pb::CanShareRequest { purpose: "court_order".to_owned(), ..welfare() }),
        ("a crime", CONSTABLE, crime()),
        (
            "an enquiry",
            CONSTABLE,
            pb::CanShareRequest {
                holder: "agencies/northfield-council-housing".to_owned(),
                purpose: "crime_enquiry".to_owned(),
                fields: fields(&["housing/tenancy.tenancy_status", "contact/home.address"]),
                ..plain()
            },
        ),
        (
            "a consent",
            HOUSING,
            pb::CanShareRequest {
                purpose: "medical_priority".to_owned(),
                fields: fields(&["health/support.mobility"]),
                ..plain()
            },
        ),
        ("care", CARER, pb::CanShareRequest { fields: fields(&["health/summary"]), ..plain() }),
        ("no reason", NURSE, pb::CanShareRequest { reason: String::new(), ..plain() }),
        (
            "no such purpose",
            NURSE,
            pb::CanShareRequest { purpose: "marketing".to_owned(), ..plain() },
        ),
        (
            "no such field",
            NURSE,
            pb::CanShareRequest {
                fields: fields(&["health/summary.shoe_size", "shoes/sizes"]),
                ..plain()
            },
        ),
        ("a wrong basis", NURSE, pb::CanShareRequest { basis: "6-1-ea".to_owned(), ..plain() }),
        (
            "a gateway cited",
            NURSE,
            pb::CanShareRequest {
                cited_gateway: "CA04-16LA".to_owned(),
                received_for_purpose: "marac".to_owned(),
                do_not_tell_reason: "Risk to a child".to_owned(),
                ..plain()
            },
        ),
        (
            "no such holder",
            NURSE,
            pb::CanShareRequest { holder: "agencies/elsewhere-gp".to_owned(), ..plain() },
        ),
        ("not their purpose", HOUSING, plain()),
        (
            "never for this",
            HOUSING,
            pb::CanShareRequest { purpose: "debt_recovery".to_owned(), ..plain() },
        ),
    ]
}

/// Calls about absent, sealed and protected, and compares all that they leave.
async fn alike<F>(place: &Place, what: &str, call: impl Fn(Inhabitant) -> F) -> Said
where
    F: Future<Output = Said>,
{
    let mut first: Option<(Said, Vec<Left>)> = None;
    for (who, about) in [("absent", ABSENT), ("sealed", SEALED), ("protected", PROTECTED)] {
        let before = place.log_size();
        let said = call(about).await;
        let found = (said, left(place.entries(before)));
        assert!(!found.1.is_empty(), "{what}: nothing was recorded");
        match &first {
            None => first = Some(found),
            Some(first) => {
                assert_eq!(first.0, found.0, "{what}: {who} is told apart in the reply");
                assert_eq!(first.1, found.1, "{what}: {who} is told apart in the log");
            }
        }
    }
    first.unwrap().0
}

async fn prepared_place() -> Place {
    let place = Place::open().await;
    place.record(vec![staff(LEGAL, None), staff(STRANGER, None)]).await;
    enrich(&place).await;
    place
}

#[tokio::test]
async fn no_question_tells_a_closed_record_from_none() {
    let place = &prepared_place().await;
    let mut questions = questions();
    for (what, who, asked) in &questions {
        // Nobody's window fills up here.
        let later = weir::clock::Clock::now(&place.clock) + jiff::SignedDuration::from_mins(11);
        place.clock.set(later);
        let question =
            |about: Inhabitant| pb::CanShareRequest { resident: about.path(), ..asked.clone() };
        let question = &question;
        let can = alike(place, what, |about| async move {
            let reply = place.sharing().can_share(place.from(*who, question(about))).await;
            said(reply, about)
        })
        .await;
        let gets = alike(place, what, |about| async move {
            let asked = request(question(about));
            said(place.sharing().request_records(place.from(*who, asked)).await, about)
        })
        .await;
        assert_eq!((can.code, gets.code), (Code::Ok, Code::Ok), "{what}: a refusal is an answer");
        let told = String::from_utf8_lossy(&gets.body).into_owned();
        assert!(told.contains("SUBJ_NOT_AVAILABLE") || *what == "no such holder", "{what}: {told}");
        for secret in ["BAR_", "sealed", "protected", "Sorrel", "Petra", "relationship"] {
            assert!(!told.contains(secret), "{what}: says {secret}: {told}");
        }
    }
    questions.truncate(8);
    alike(place, "a batch", |about| {
        let batch = questions.iter().map(|(_, _, asked)| asked.clone());
        let requests =
            batch.map(|asked| pb::CanShareRequest { resident: about.path(), ..asked }).collect();
        async move {
            let message = pb::BatchCanShareRequest { requests };
            said(place.sharing().batch_can_share(place.from(NURSE, message)).await, about)
        }
    })
    .await;
    // One among others is no more to be seen than alone.
    alike(place, "among others", |about| async move {
        let asked = pb::RequestRecordsRequest {
            residents: vec![AISHA.path(), about.path(), REFUGEE.path()],
            holders: ["oakdale-gp", "northfield-council-housing"]
                .map(|a| format!("agencies/{a}"))
                .into(),
            ..request(treatment(AISHA))
        };
        said(place.sharing().request_records(place.from(NURSE, asked)).await, about)
    })
    .await;
}

#[tokio::test]
async fn no_look_back_tells_a_closed_record_from_none() {
    let place = &prepared_place().await;
    let ask = |about: Inhabitant| async move {
        let asked = request(treatment(about));
        let reply = place.sharing().request_records(place.from(NURSE, asked)).await.unwrap();
        reply.into_inner().answers.pop().unwrap().receipt.unwrap()
    };
    alike(place, "GetDisclosure", |about| async move {
        let name = ask(about).await.name;
        let message = pb::GetDisclosureRequest { name };
        said(place.sharing().get_disclosure(place.from(NURSE, message)).await, about)
    })
    .await;
    alike(place, "GetEntry", |about| async move {
        let message = pb::GetEntryRequest { name: ask(about).await.entry };
        said(place.audit().get_entry(place.from(HOSPITAL_AUDITOR, message)).await, about)
    })
    .await;
    alike(place, "SearchEntries", |about| async move {
        let message = pb::SearchEntriesRequest { resident: about.path(), ..Default::default() };
        said(place.audit().search_entries(place.from(HOSPITAL_AUDITOR, message)).await, about)
    })
    .await;
}

#[tokio::test]
async fn no_identifier_finds_a_closed_record() {
    let place = &prepared_place().await;
    let find = |about: Inhabitant| {
        // As long a name as any, so that what differs is not what was asked.
        let message = pb::FindResidentRequest {
            nhs_number: about.nhs_number.to_owned(),
            name: about.name.to_owned(),
            birth_date: about.born.to_owned(),
            purpose: "direct_care".to_owned(),
            reason: "Found in the street".to_owned(),
        };
        async move { said(place.residents().find_resident(place.from(NURSE, message)).await, about) }
    };
    let open = find(AISHA).await;
    let name = "residents/".len();
    assert!(open.body.len() > name, "somebody who is open is found");
    // Names differ in length, and with them the slot that holds the question.
    let mut replies = Vec::new();
    for about in [ABSENT, SEALED, PROTECTED] {
        let before = place.log_size();
        let said = find(about).await;
        let mut left = left(place.entries(before));
        for entry in &mut left {
            let asked = entry.slot_lens.get_mut(&REQUEST).unwrap();
            *asked -= about.name.len();
        }
        replies.push((said, left));
    }
    assert_eq!(replies[0], replies[1]);
    assert_eq!(replies[0], replies[2]);
    assert_ne!(replies[0].0, open);
}

const REQUEST: u8 = weir::audit::entry::SlotId::Request as u8;

#[tokio::test]
async fn no_choice_is_recorded_or_listed_for_a_closed_record() {
    let place = &prepared_place().await;
    let consent = || pb::Consent {
        kind: "confidentiality_explicit".to_owned(),
        state: "given".to_owned(),
        purposes: vec!["medical_priority".to_owned()],
        recipients: vec!["agencies/northfield-council-housing".to_owned()],
        by: "self".to_owned(),
        evidence: true,
        freely_given: true,
        ..Default::default()
    };
    let mut replies = Vec::new();
    replies.push(
        alike(place, "RecordConsent", |about| async move {
            let message =
                pb::RecordConsentRequest { resident: about.path(), consent: Some(consent()) };
            said(place.choices().record_consent(place.from(NURSE, message)).await, about)
        })
        .await,
    );
    replies.push(
        alike(place, "RecordConsent of unknown words", |about| async move {
            let odd = pb::Consent { purposes: vec!["marketing".to_owned()], ..consent() };
            let message = pb::RecordConsentRequest { resident: about.path(), consent: Some(odd) };
            said(place.choices().record_consent(place.from(NURSE, message)).await, about)
        })
        .await,
    );
    replies.push(
        alike(place, "WithdrawConsent", |about| async move {
            // The closed records do have a consent with this id.
            let choice = uuid::Uuid::from_u128(about.id + 0x1000);
            let message = pb::WithdrawConsentRequest {
                choice: format!("{}/choices/{choice}", about.path()),
                by: "self".to_owned(),
                ..Default::default()
            };
            said(place.choices().withdraw_consent(place.from(NURSE, message)).await, about)
        })
        .await,
    );
    replies.push(
        alike(place, "RecordObjection", |about| async move {
            let message = pb::RecordObjectionRequest {
                resident: about.path(),
                kind: "direct-care-objection".to_owned(),
                ..Default::default()
            };
            said(place.choices().record_objection(place.from(NURSE, message)).await, about)
        })
        .await,
    );
    replies.push(
        alike(place, "SetRestriction", |about| async move {
            let message =
                pb::SetRestrictionRequest { resident: about.path(), ..Default::default() };
            said(place.choices().set_restriction(place.from(NURSE, message)).await, about)
        })
        .await,
    );
    replies.push(
        alike(place, "ListChoices", |about| async move {
            let message = pb::ListChoicesRequest { resident: about.path(), ..Default::default() };
            said(place.choices().list_choices(place.from(NURSE, message)).await, about)
        })
        .await,
    );
    replies.push(
        alike(place, "LinkIdentity", |about| async move {
            let message =
                pb::LinkIdentityRequest { resident: about.path(), local_id: "N-1".to_owned() };
            said(place.residents().link_identity(place.from(GP_REGISTRAR, message)).await, about)
        })
        .await,
    );
    for said in &replies {
        assert_eq!(said, &replies[0], "and each call says it in the same words");
        assert_eq!(said.code, Code::NotFound);
    }
}

#[tokio::test]
async fn a_field_that_must_not_be_found_is_a_field_that_holds_nothing() {
    let place = &prepared_place().await;
    let holder = "oakdale-gp".parse().unwrap();
    let home = "contact/home".parse().unwrap();
    let ids = vec![AISHA.local_id()];
    let store = place.app.store.as_ref();
    store.retract(holder, home, ids, prepared(Kind::Hold)).await.unwrap();
    for (what, who, fields) in [
        ("with something else", NURSE, ["health/summary.allergies", "contact/home.address"]),
        ("by itself", NURSE, ["contact/home.phone", "contact/home.address"]),
        ("for somebody else", CARER, ["contact/home.address", "health/summary.conditions"]),
    ] {
        for wish in ["have", "know"] {
            let mut replies = Vec::new();
            for about in [AISHA, REFUGEE] {
                let asked = pb::CanShareRequest {
                    fields: fields.iter().map(|f| (*f).to_owned()).collect(),
                    ..treatment(about)
                };
                let before = place.log_size();
                let said = if wish == "have" {
                    let asked = place.from(who, request(asked));
                    said(place.sharing().request_records(asked).await, about)
                } else {
                    said(place.sharing().can_share(place.from(who, asked)).await, about)
                };
                replies.push((said, left(place.entries(before))));
            }
            let text = String::from_utf8_lossy(&replies[0].0.body).into_owned();
            assert!(text.contains("SUBJ_NOT_AVAILABLE"), "{what}: {text}");
            assert_eq!(replies[0], replies[1], "{what}, to {wish}");
        }
    }
}
