//! The secrecy promise, byte for byte: to an outsider somebody whose record is sealed, somebody who is
//! protected and nobody at all are one and the same, in the reply, in its headers and in the log.

mod asked;
mod compare;

use asked::{enrich, questions};
use compare::{Left, Said, left, said};
use tonic::Code;
use weir::audit::entry::Kind;
use weir::grpc::pb;
use weir::store::Store;

use crate::support::{
    ABSENT, AISHA, CARER, CHILDRENS, GP_REGISTRAR, HOSPITAL_AUDITOR, Inhabitant, NURSE, PROTECTED,
    Place, REFUGEE, SEALED, prepared, request, staff, treatment,
};

type Person = weir::auth::issuer::Person<'static>;

const LEGAL: Person = Person { person: "legal-1", roles: &["legal-officer"], ..CHILDRENS };
const STRANGER: Person = Person { person: "nurse-11", ..NURSE };

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
        let message = pb::GetEntryRequest { name: ask(about).await.entry, ..Default::default() };
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
            let message = pb::RecordConsentRequest {
                resident: about.path(),
                consent: Some(consent()),
                request_id: String::new(),
            };
            said(place.choices().record_consent(place.from(NURSE, message)).await, about)
        })
        .await,
    );
    replies.push(
        alike(place, "RecordConsent of unknown words", |about| async move {
            let odd = pb::Consent { purposes: vec!["marketing".to_owned()], ..consent() };
            let message = pb::RecordConsentRequest {
                resident: about.path(),
                consent: Some(odd),
                request_id: String::new(),
            };
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
            let message = pb::LinkIdentityRequest {
                resident: about.path(),
                local_id: "N-1".to_owned(),
                request_id: String::new(),
            };
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
    store.retract(holder, home, ids, vec![prepared(Kind::Hold)]).await.unwrap();
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
