//! Calls made again under their request id, and page tokens in the wrong hands.

use tonic::Code;
use tonic_types::StatusExt;
use uuid::Uuid;
use weir::auth::issuer::Person;
use weir::clock::Clock;
use weir::grpc::pb;

use crate::support::{
    ABSENT, AISHA, BEN, GP_AUDITOR, GP_PUBLISHER, GP_REGISTRAR, HOSPITAL_AUDITOR, HOUSING, NURSE,
    NURSE_TWO, Place, expect_refused, shown,
};

const ALLOCATOR: Person<'_> =
    Person { agency: "northfield-hospital", person: "allocator-1", roles: &["hub-case-allocator"] };

/// Calls a method with a message of a request id, and tells the answer or the reason as text.
macro_rules! called {
    ($place:expr, $client:ident . $method:ident, $who:expr, $message:expr) => {{
        let reply = $place.$client().$method($place.from($who, $message)).await;
        match reply {
            // The newest head covers more later on: all else must be the same.
            Ok(reply) => {
                let mut reply = reply.into_inner();
                if let Some(receipt) = reply.receipt.as_mut() {
                    receipt.tree_size = 0;
                    receipt.root_hash.clear();
                }
                format!("{:?}", prost::Message::encode_to_vec(&reply))
            }
            Err(status) => {
                let details = status.get_error_details();
                details.error_info().map(|info| info.reason.clone()).unwrap_or_default()
            }
        }
    }};
}

fn consent(id: &str, state: &str) -> pb::RecordConsentRequest {
    pb::RecordConsentRequest {
        resident: BEN.path(),
        consent: Some(pb::Consent {
            kind: "confidentiality_explicit".to_owned(),
            state: state.to_owned(),
            purposes: vec!["medical_priority".to_owned()],
            recipients: vec!["agencies/northfield-council-housing".to_owned()],
            by: "self".to_owned(),
            evidence: true,
            freely_given: true,
            notice: shown("medical-priority"),
            ..Default::default()
        }),
        request_id: id.to_owned(),
    }
}

fn registration(id: &str, name: &str) -> pb::RegisterResidentRequest {
    pb::RegisterResidentRequest {
        nhs_number: ABSENT.nhs_number.to_owned(),
        name: name.to_owned(),
        birth_date: ABSENT.born.to_owned(),
        nation: "England".to_owned(),
        local_id: "G-77".to_owned(),
        request_id: id.to_owned(),
    }
}

fn relationship(id: &str, person: &str) -> pb::RecordFactsRequest {
    let fact = pb::fact::Fact::Relationship(pb::RelationshipFact {
        person: person.to_owned(),
        resident: AISHA.path(),
        start_time: None,
        end_time: None,
    });
    pb::RecordFactsRequest {
        facts: vec![pb::Fact { etag: String::new(), fact: Some(fact) }],
        request_id: id.to_owned(),
    }
}

fn restriction(id: &str, field: &str) -> pb::SetRestrictionRequest {
    pb::SetRestrictionRequest {
        resident: BEN.path(),
        fields: vec![field.to_owned()],
        on_date: String::new(),
        request_id: id.to_owned(),
    }
}

fn retraction(id: &str, local_id: String) -> pb::RetractRecordsRequest {
    pb::RetractRecordsRequest {
        category: "health/support".to_owned(),
        local_ids: vec![local_id],
        request_id: id.to_owned(),
    }
}

fn link(id: &str, local_id: &str) -> pb::LinkIdentityRequest {
    pb::LinkIdentityRequest {
        resident: BEN.path(),
        local_id: local_id.to_owned(),
        request_id: id.to_owned(),
    }
}

fn unlink(id: &str, local_id: &str) -> pb::UnlinkIdentityRequest {
    pb::UnlinkIdentityRequest { local_id: local_id.to_owned(), request_id: id.to_owned() }
}

/// Each writing call as (name, the same again, another under the same id).
macro_rules! each {
    ($place:expr, $id:expr, $other:literal, $check:expr) => {{
        let pick = |first: &'static str, second: &'static str| if $other { second } else { first };
        let check: &mut dyn FnMut(&str, String) = $check;
        let message = registration(&$id("register"), pick("Nemo Nobody", "Another Name"));
        check("register", called!($place, residents.register_resident, GP_REGISTRAR, message));
        let message = link(&$id("link"), pick("G-78", "G-79"));
        check("link", called!($place, residents.link_identity, GP_REGISTRAR, message));
        let message = unlink(&$id("unlink"), pick("G-78", "G-80"));
        check("unlink", called!($place, residents.unlink_identity, GP_REGISTRAR, message));
        let message = consent(&$id("consent"), pick("given", "refused"));
        check("consent", called!($place, choices.record_consent, HOUSING, message));
        let message = restriction(&$id("restriction"), pick("identity/core", "contact/home"));
        check("restriction", called!($place, choices.set_restriction, HOUSING, message));
        let message = relationship(&$id("facts"), pick("nurse-7", "nurse-8"));
        check("facts", called!($place, facts.record_facts, ALLOCATOR, message));
        let message =
            retraction(&$id("retract"), if $other { AISHA.local_id() } else { BEN.local_id() });
        check("retract", called!($place, records.retract_records, GP_PUBLISHER, message));
    }};
}

#[tokio::test]
async fn the_same_call_is_answered_alike_and_does_nothing_also_after_a_restart() {
    let mut place = Place::open().await;
    let id = |what: &str| {
        let mut bytes = [7; 16];
        bytes.iter_mut().zip(what.bytes()).for_each(|(byte, from)| *byte = from);
        Uuid::from_bytes(bytes).to_string()
    };
    let mut first = std::collections::BTreeMap::new();
    each!(place, id, false, &mut |what, said| {
        assert!(said.starts_with('['), "{what}: {said}");
        first.insert(what.to_owned(), said);
    });
    assert_eq!(first.len(), 7);
    for restarted in [false, true] {
        if restarted {
            place = place.restarted().await;
        }
        let size = place.log_size();
        each!(place, id, false, &mut |what, said| {
            assert_eq!(said, first[what], "{what}, restarted: {restarted}");
        });
        assert_eq!(place.log_size(), size, "something was done again");
        each!(place, id, true, &mut |what, said| {
            assert_eq!(said, "REQUEST_ID_REUSED", "{what}");
        });
        assert_eq!(place.log_size(), size + 7, "each of them is in the log as turned away");
    }
}

#[tokio::test]
async fn a_request_id_is_the_caller_s_own() {
    let place = Place::open().await;
    let id = Uuid::new_v4().to_string();
    let first = called!(place, choices.set_restriction, HOUSING, restriction(&id, "identity/core"));
    let other = called!(place, choices.set_restriction, NURSE, restriction(&id, "contact/home"));
    assert!(first.starts_with('[') && other.starts_with('['), "{other}");
    assert_ne!(first, other);
    // Another call of the same caller under the same id.
    let other = called!(place, choices.record_consent, HOUSING, consent(&id, "given"));
    assert!(other.starts_with('['), "{other}");
    for wrong in ["1", "not-a-uuid", "00000000-0000-4000-8000-00000000000g", &format!("{id} ")] {
        let message = restriction(wrong, "identity/core");
        let reply = place.choices().set_restriction(place.from(HOUSING, message)).await;
        let (code, reason) = (Code::InvalidArgument, "REQUEST_INVALID");
        expect_refused(wrong, reply, code, reason, &["request_id"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_calls_that_race_under_one_id_one_has_an_effect() {
    let place = Place::open().await;
    let id = Uuid::new_v4().to_string();
    let before = place.log_size();
    let mut racing = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (mut client, message) = (place.choices(), consent(&id, "given"));
        let message = place.from(HOUSING, message);
        racing.spawn(
            async move { client.record_consent(message).await.unwrap().into_inner().choice },
        );
    }
    let choices: std::collections::BTreeSet<String> = racing.join_all().await.into_iter().collect();
    assert_eq!(choices.len(), 1, "{choices:?}");
    assert_eq!(place.log_size(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlinking_that_races_with_itself_is_answered_alike() {
    let place = Place::open().await;
    for round in 0..8 {
        let local_id = format!("G-9{round}");
        let message = place.from(GP_REGISTRAR, link("", &local_id));
        place.residents().link_identity(message).await.unwrap();
        let (id, before) = (Uuid::new_v4().to_string(), place.log_size());
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let mut client = place.residents();
            let message = place.from(GP_REGISTRAR, unlink(&id, &local_id));
            racing.spawn(async move {
                let reply = client.unlink_identity(message).await;
                reply.map(|r| r.into_inner().receipt.unwrap().name).map_err(|s| s.to_string())
            });
        }
        let told: std::collections::BTreeSet<_> = racing.join_all().await.into_iter().collect();
        assert!(told.len() == 1 && told.iter().all(Result::is_ok), "{told:?}");
        assert_eq!(place.log_size(), before + 1);
    }
}

#[tokio::test]
async fn a_stream_is_the_same_when_all_its_rows_are() {
    let place = Place::open().await;
    let id = Uuid::new_v4().to_string();
    let expires = place.clock.now() + jiff::SignedDuration::from_hours(24);
    let publish = async |text: &str| {
        let header = pb::PublishHeader {
            category: "health/support".to_owned(),
            expire_time: Some(weir::grpc::convert::time_message(expires)),
            request_id: id.clone(),
        };
        let value = pb::FieldText {
            field: "health/support.mobility".to_owned(),
            text: text.to_owned(),
            labels: Vec::new(),
        };
        let row = pb::PublishRow { local_id: AISHA.local_id(), values: vec![value] };
        let parts = [
            pb::publish_records_request::Part::Header(header),
            pb::publish_records_request::Part::Row(row),
        ];
        let parts = parts.map(|part| pb::PublishRecordsRequest { part: Some(part) });
        place.records().publish_records(place.from(GP_PUBLISHER, tokio_stream::iter(parts))).await
    };
    let first = publish("walks alone").await.unwrap().into_inner();
    let size = place.log_size();
    let again = publish("walks alone").await.unwrap().into_inner();
    assert_eq!((again.stored_count, place.log_size()), (1, size));
    assert_eq!(again.receipt.unwrap().name, first.receipt.unwrap().name);
    let reply = publish("walks with help").await;
    expect_refused("other rows", reply, Code::AlreadyExists, "REQUEST_ID_REUSED", &[]);
}

#[tokio::test]
async fn a_page_token_is_for_one_caller_one_list_and_one_hour() {
    let place = Place::open().await;
    for _ in 0..3 {
        let message = restriction("", "identity/core");
        place.choices().set_restriction(place.from(NURSE, message)).await.unwrap();
    }
    let page = |token: &str| pb::ListChoicesRequest {
        resident: BEN.path(),
        page_size: 1,
        page_token: token.to_owned(),
    };
    let list = async |who: Person<'_>, message: pb::ListChoicesRequest| {
        place.choices().list_choices(place.from(who, message)).await
    };
    let first = list(NURSE, page("")).await.unwrap().into_inner();
    let token = first.next_page_token;
    let second = list(NURSE, page(&token)).await.unwrap().into_inner();
    assert_ne!(second.choices[0].name, first.choices[0].name);
    let refused = |what: &str, reply| {
        let (code, reason) = (Code::InvalidArgument, "REQUEST_INVALID");
        expect_refused::<pb::ListChoicesResponse>(what, reply, code, reason, &["page_token"]);
    };
    refused("a colleague's", list(NURSE_TWO, page(&token)).await);
    let other = pb::ListChoicesRequest { resident: AISHA.path(), ..page(&token) };
    refused("another question", list(NURSE, other).await);
    let mut altered = token.clone().into_bytes();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    refused("altered", list(NURSE, page(std::str::from_utf8(&altered).unwrap())).await);
    refused("made up", list(NURSE, page("WzEsIiJd")).await);
    let search = |token: &str| pb::SearchEntriesRequest {
        page_size: 1,
        page_token: token.to_owned(),
        ..Default::default()
    };
    let found = place.audit().search_entries(place.from(HOSPITAL_AUDITOR, search(""))).await;
    let theirs = found.unwrap().into_inner().next_page_token;
    let reply = place.audit().search_entries(place.from(GP_AUDITOR, search(&theirs))).await;
    let (code, reason) = (Code::InvalidArgument, "REQUEST_INVALID");
    expect_refused("another auditor's", reply, code, reason, &["page_token"]);
    place.clock.set(place.clock.now() + jiff::SignedDuration::from_secs(60 * 60));
    refused("an hour old", list(NURSE, page(&token)).await);
}
