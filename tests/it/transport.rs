//! The wire itself: who is proven, what a well-formed call is, what anybody may know.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use prost::Message;
use tokio_stream::StreamExt;
use tonic::codegen::http::{HeaderMap, Request};
use tonic::codegen::{Body as _, Service};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;
use weir::auth::issuer::{AUDIENCE, DEVELOPMENT, DevelopmentIssuer};
use weir::clock::Clock;
use weir::grpc::pb;

use crate::support::{
    ABSENT, AISHA, GP_PUBLISHER, HOUSING, NURSE, Place, SEALED, bearing, decision, expect_refused,
    request, treatment,
};

const CAN_SHARE: &str = "/weir.hub.v1.SharingService/CanShare";

/// Every call of the published contract.
pub(crate) fn every_call() -> Vec<String> {
    let all = prost_types::FileDescriptorSet::decode(pb::DESCRIPTORS).unwrap();
    all.file
        .iter()
        .filter(|file| file.package() == "weir.hub.v1")
        .flat_map(|file| &file.service)
        .flat_map(|service| {
            let name = service.name().to_owned();
            service.method.iter().map(move |m| format!("/weir.hub.v1.{name}/{}", m.name()))
        })
        .collect()
}

/// A message in its frame. All of it is below 0x80, so that it is text too.
fn frame(message: &[u8]) -> String {
    let len = u32::try_from(message.len()).unwrap().to_be_bytes();
    let all = [&[0][..], &len[..], message].concat();
    String::from_utf8(all).unwrap()
}

/// Sends what no client would, and tells with which status it is answered.
async fn raw(place: &Place, request: Request<String>) -> Status {
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts, tonic::body::Body::new(body));
    let mut channel = place.channel.clone();
    std::future::poll_fn(|context| Service::poll_ready(&mut channel, context)).await.unwrap();
    let response = channel.call(request).await.unwrap();
    let (parts, mut body) = response.into_parts();
    let mut headers: HeaderMap = parts.headers;
    while let Some(frame) =
        std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await
    {
        if let Ok(trailers) = frame.unwrap().into_trailers() {
            headers.extend(trailers);
        }
    }
    Status::from_header_map(&headers).unwrap()
}

fn post(path: &str, headers: &[(&str, &str)], body: String) -> Request<String> {
    let mut request = Request::builder().method("POST").uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

/// The code and the reason for machines.
fn said(status: &Status) -> (Code, String) {
    let details = status.get_error_details();
    (status.code(), details.error_info().map(|info| info.reason.clone()).unwrap_or_default())
}

const GRPC: (&str, &str) = ("content-type", "application/grpc");

#[tokio::test]
async fn every_call_proves_its_caller_before_it_looks_at_anything() {
    let place = Place::open().await;
    let calls = every_call();
    assert_eq!(calls.len(), 81, "{calls:?}");
    let before = place.log_size();
    for path in &calls {
        let none = raw(&place, post(path, &[GRPC], frame(&[]))).await;
        assert_eq!(said(&none), (Code::Unauthenticated, "TOKEN_MISSING".to_owned()), "{path}");
        assert_eq!(none.message(), "the caller is not proven", "{path}");
        let wrong = [GRPC, ("authorization", "Bearer a.b.c")];
        let wrong = raw(&place, post(path, &wrong, frame(&[]))).await;
        assert_eq!(said(&wrong), (Code::Unauthenticated, "TOKEN_MALFORMED".to_owned()), "{path}");
    }
    assert_eq!(place.log_size(), before, "anybody could fill the log");
}

struct Claims(serde_json::Map<String, serde_json::Value>);

impl Claims {
    fn good(place: &Place) -> Self {
        let now = place.clock.now().as_second();
        let claims = serde_json::json!({
            "iss": format!("{DEVELOPMENT}{}", NURSE.agency), "sub": NURSE.person, "aud": AUDIENCE,
            "client_id": "it", "iat": now, "nbf": now, "exp": now + 600, "jti": "j-1",
            "roles": NURSE.roles,
        });
        Self(claims.as_object().unwrap().clone())
    }

    fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    fn signed(self, key: &EncodingKey, algorithm: Algorithm) -> String {
        let mut header = Header::new(algorithm);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some("development".to_owned());
        jsonwebtoken::encode(&header, &self.0, key).unwrap()
    }
}

#[tokio::test]
async fn a_token_counts_only_if_all_of_it_is_right() {
    let place = Place::open().await;
    let issuer = place.data().parent().unwrap().join("issuer/issuer.pk8");
    let key = EncodingKey::from_ec_der(&std::fs::read(issuer).unwrap());
    let good = || Claims::good(&place);
    let now = place.clock.now().as_second();
    let sign = |claims: Claims| claims.signed(&key, Algorithm::ES256);
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = DevelopmentIssuer::open(elsewhere.path()).unwrap();
    let own = sign(good());
    let (unsigned, _) = own.rsplit_once('.').unwrap();
    let secret = EncodingKey::from_secret(b"public");
    let table = [
        ("own", own.clone(), ""),
        ("ended", sign(good().with("iat", now - 900).with("exp", now - 31)), "TOKEN_EXPIRED"),
        ("early", sign(good().with("nbf", now + 31)), "TOKEN_NOT_YET_VALID"),
        ("for a day", sign(good().with("exp", now + 86_400)), "TOKEN_TOO_LONG"),
        ("stranger", sign(good().with("iss", "https://id.example")), "ISSUER_UNKNOWN"),
        ("other hub", sign(good().with("aud", "urn:weir:other")), "AUDIENCE_WRONG"),
        ("no audience", sign(good().with("aud", serde_json::Value::Null)), "TOKEN_MALFORMED"),
        ("foreign key", foreign.token(NURSE, place.clock.now(), 10).unwrap(), "SIGNATURE_WRONG"),
        ("unsigned", format!("{unsigned}."), "SIGNATURE_WRONG"),
        ("another algorithm", good().signed(&secret, Algorithm::HS256), "ALGORITHM_WRONG"),
        ("no role", sign(good().with("roles", serde_json::json!([]))), "ROLE_MISSING"),
        ("a role of no list", sign(good().with("roles", "wizard")), "ROLE_MISSING"),
        (
            "two roles",
            sign(good().with("roles", serde_json::json!(["nurse", "doctor"]))),
            "ROLE_AMBIGUOUS",
        ),
        ("nonsense", "nonsense".to_owned(), "TOKEN_MALFORMED"),
    ];
    for (what, token, reason) in table {
        let asked = bearing(&token, treatment(AISHA));
        let reply = place.sharing().can_share(asked).await;
        let code = if reason.is_empty() { Code::Ok } else { Code::Unauthenticated };
        expect_refused(what, reply, code, reason, &[]);
    }
    // A token that was good is good no longer once its time is over.
    place.clock.set("2026-07-15T10:10:31+01:00".parse().unwrap());
    let reply = place.sharing().can_share(bearing(&own, treatment(AISHA))).await;
    expect_refused("later", reply, Code::Unauthenticated, "TOKEN_EXPIRED", &[]);
}

#[tokio::test]
async fn what_is_no_grpc_call_is_turned_away() {
    let place = Place::open().await;
    let token = format!("Bearer {}", place.token(NURSE));
    let proof = ("authorization", token.as_str());
    let short = pb::CanShareRequest { case_reference: String::new(), ..treatment(AISHA) };
    let message = pb::CanShareRequest { reason: String::new(), ..short }.encode_to_vec();
    let body = || frame(&message);
    let malformed = (Code::InvalidArgument, "CALL_MALFORMED".to_owned());
    let query = format!("{CAN_SHARE}?as=oakdale-gp");
    let json = ("content-type", "application/json");
    let get = |mut request: Request<String>| {
        *request.method_mut() = tonic::codegen::http::Method::GET;
        request
    };
    for (what, request, wanted) in [
        ("as it should be", post(CAN_SHARE, &[GRPC, proof], body()), (Code::Ok, String::new())),
        ("GET", get(post(CAN_SHARE, &[GRPC, proof], body())), malformed.clone()),
        ("json", post(CAN_SHARE, &[json, proof], body()), malformed.clone()),
        ("no type", post(CAN_SHARE, &[proof], body()), malformed.clone()),
        ("a query", post(&query, &[GRPC, proof], body()), malformed.clone()),
        ("two proofs", post(CAN_SHARE, &[GRPC, proof, proof], body()), malformed.clone()),
        (
            "no such deadline",
            post(CAN_SHARE, &[GRPC, proof, ("grpc-timeout", "soon")], body()),
            malformed.clone(),
        ),
        (
            "no such call",
            post("/weir.hub.v1.SharingService/Everything", &[GRPC, proof], body()),
            (Code::Unimplemented, String::new()),
        ),
        (
            "no such service",
            post("/weir.hub.v1.Backdoor/CanShare", &[GRPC, proof], body()),
            (Code::Unimplemented, String::new()),
        ),
        (
            "another case",
            post("/weir.hub.v1.sharingservice/canshare", &[GRPC, proof], body()),
            (Code::Unimplemented, String::new()),
        ),
    ] {
        let status = raw(&place, request).await;
        assert_eq!(said(&status), wanted, "{what}: {}", status.message());
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_the_caller_s_mistake_and_is_not_repeated() {
    let place = Place::open().await;
    let token = format!("Bearer {}", place.token(NURSE));
    let headers = [GRPC, ("authorization", token.as_str())];
    let malformed = (Code::InvalidArgument, "MESSAGE_MALFORMED".to_owned());
    // A field longer than the message; a field that holds another type; a frame cut short.
    let cut = frame(b"\x0a\x7fAisha");
    let other = frame(b"\x09AishaAis");
    let short = frame(b"\x0a\x05Aisha")[..9].to_owned();
    for (what, body) in [("cut", cut), ("another type", other), ("a short frame", short)] {
        for path in every_call() {
            // Messages without a field: every field is one that is not known yet.
            let empty = [
                "GetCheckpoint",
                "GetPolicy",
                "ListVersions",
                "GetSignalFigures",
                "GetVisibilityFigures",
            ];
            if empty.iter().any(|c| path.ends_with(c)) {
                continue;
            }
            let status = raw(&place, post(&path, &headers, body.clone())).await;
            let publishing = path.ends_with("PublishRecords");
            if publishing {
                // Nobody's publisher gets to send anything.
                assert_eq!(status.code(), Code::PermissionDenied, "{path}");
                continue;
            }
            assert_eq!(said(&status), malformed, "{path} {what}: {}", status.message());
            assert!(!status.message().contains("Aisha"), "{path}: {}", status.message());
        }
    }
    let token = format!("Bearer {}", place.token(GP_PUBLISHER));
    let headers = [GRPC, ("authorization", token.as_str())];
    let path = "/weir.hub.v1.RecordService/PublishRecords";
    let status = raw(&place, post(path, &headers, frame(b"\x0a\x7fAisha"))).await;
    assert_eq!(said(&status), malformed, "{}", status.message());
}

#[tokio::test]
async fn a_message_over_its_bound_is_too_much() {
    let place = Place::open().await;
    let too_large = |what, reply: Result<Response<()>, Status>| {
        expect_refused(what, reply, Code::ResourceExhausted, "MESSAGE_TOO_LARGE", &[]);
    };
    let asked = pb::CanShareRequest { reason: "a ".repeat(40_000), ..treatment(AISHA) };
    let reply = place.sharing().can_share(place.from(NURSE, asked.clone())).await;
    too_large("CanShare", reply.map(|r| r.map(|_| ())));
    let reply = place.sharing().request_records(place.from(NURSE, request(asked.clone()))).await;
    too_large("RequestRecords", reply.map(|r| r.map(|_| ())));
    // Small on the wire, large when it is opened.
    let mut packed = place.sharing().send_compressed(tonic::codec::CompressionEncoding::Gzip);
    let reply = packed.can_share(place.from(NURSE, asked)).await;
    too_large("gzip", reply.map(|r| r.map(|_| ())));
    let category = "a".repeat(70_000);
    let asked = pb::RetractRecordsRequest {
        category: category.clone(),
        local_ids: vec![],
        request_id: String::new(),
    };
    let reply = place.records().retract_records(place.from(GP_PUBLISHER, asked)).await;
    too_large("RetractRecords", reply.map(|r| r.map(|_| ())));
    let asked = pb::ListHeldRecordsRequest { category, ..Default::default() };
    let reply = place.records().list_held_records(place.from(GP_PUBLISHER, asked)).await;
    too_large("ListHeldRecords", reply.map(|r| r.map(|_| ())));
    let header = pb::PublishHeader {
        category: "a".repeat(5 << 20),
        expire_time: crate::support::expire_time(),
        request_id: String::new(),
    };
    let part = Some(pb::publish_records_request::Part::Header(header));
    let stream = tokio_stream::iter([pb::PublishRecordsRequest { part }]);
    let reply = place.records().publish_records(place.from(GP_PUBLISHER, stream)).await;
    too_large("PublishRecords", reply.map(|r| r.map(|_| ())));
}

#[tokio::test]
async fn who_asks_is_what_the_token_says_and_nothing_else() {
    let place = Place::open().await;
    let before = place.log_size();
    let mut asked = place.from(NURSE, treatment(AISHA));
    for name in ["x-agency", "agency", "x-forwarded-user", "role", "x-role", "sub", "from"] {
        asked.metadata_mut().insert(name, "oakdale-gp".parse().unwrap());
    }
    let answer = place.sharing().can_share(asked).await.unwrap().into_inner().answer.unwrap();
    let plain = place.sharing().can_share(place.from(NURSE, treatment(AISHA))).await.unwrap();
    assert!(decision(&answer) == decision(&plain.into_inner().answer.unwrap()));
    for logged in place.entries(before) {
        assert_eq!(logged.entry.agency.as_ref().unwrap().as_str(), NURSE.agency);
    }
    // No message of the contract has a field in which a caller could say who they are.
    let all = prost_types::FileDescriptorSet::decode(pb::DESCRIPTORS).unwrap();
    let requests = all.file.iter().flat_map(|f| &f.message_type);
    let requests = requests.filter(|m| m.name().ends_with("Request"));
    let fields: Vec<String> = requests
        .flat_map(|m| m.field.iter().map(|f| format!("{}.{}", m.name(), f.name())))
        .filter(|f| {
            ["agency", "role", "person", "caller", "approver", "principal"]
                .iter()
                .any(|word| f.rsplit('.').next().unwrap().contains(word))
        })
        // A colleague at the caller's own agency, whoever that is.
        .filter(|f| f != "ListFactsRequest.person")
        .collect();
    assert!(fields.is_empty(), "{fields:?}");
}

macro_rules! reflected {
    ($version:ident, $path:literal, $place:expr) => {{
        use tonic_reflection::pb::$version as reflection;
        type Asked = reflection::ServerReflectionRequest;
        type Told = reflection::ServerReflectionResponse;
        let ask =
            reflection::server_reflection_request::MessageRequest::ListServices(String::new());
        let ask = Asked { host: String::new(), message_request: Some(ask) };
        let mut client = tonic::client::Grpc::new($place.channel.clone());
        client.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<Asked, Told>::default();
        let stream = tonic::Request::new(tokio_stream::iter([ask]));
        let path = tonic::codegen::http::uri::PathAndQuery::from_static($path);
        let mut told = client.streaming(stream, path, codec).await.unwrap().into_inner();
        let told = told.next().await.unwrap().unwrap().message_response.unwrap();
        match told {
            reflection::server_reflection_response::MessageResponse::ListServicesResponse(list) => {
                list.service.into_iter().map(|s| s.name).collect::<Vec<_>>()
            }
            _ => Vec::new(),
        }
    }};
}

#[tokio::test]
async fn reflection_lists_every_service_in_both_versions() {
    let place = Place::open().await;
    let v1 = reflected!(v1, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", place);
    let alpha = reflected!(
        v1alpha,
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        place
    );
    for listed in [v1, alpha] {
        for service in ["Sharing", "Record", "Resident", "Choice", "Audit", "Policy"] {
            let name = format!("weir.hub.v1.{service}Service");
            assert!(listed.contains(&name), "{name} is missing: {listed:?}");
        }
        assert!(listed.contains(&"grpc.health.v1.Health".to_owned()), "{listed:?}");
    }
}

#[tokio::test]
async fn anybody_proven_may_read_the_policy_s_words_and_nobody_else() {
    let place = Place::open().await;
    let mut client = pb::policy_service_client::PolicyServiceClient::new(place.channel.clone());
    let before = place.log_size();
    for who in [NURSE, GP_PUBLISHER] {
        let policy = client.get_policy(place.from(who, pb::GetPolicyRequest {})).await.unwrap();
        let policy = policy.into_inner();
        let version = policy.version.unwrap();
        assert_eq!((version.place.as_str(), version.hash.len()), ("Northfield", 32));
        assert!(policy.agencies.iter().any(|a| a.name == "agencies/oakdale-gp"));
        assert!(policy.purposes.iter().any(|p| p.purpose == "direct_care"));
        let summary = policy.categories.iter().find(|c| c.category == "health/summary").unwrap();
        assert_eq!(summary.fields.len(), 3);
        let glass = policy.overrides.iter().find(|o| o.r#override == "BREAK_GLASS").unwrap();
        assert_eq!(
            (glass.questions.as_slice(), glass.ceiling_hours),
            (&["reason".to_owned()][..], 8)
        );
        assert!(policy.rule_count > 30);
        let asked = place.sharing().can_share(place.from(NURSE, treatment(AISHA))).await.unwrap();
        let decided = asked.into_inner().answer.unwrap().policy.unwrap();
        assert_eq!(decided.hash, version.hash, "the policy that decides is the one that is told");
    }
    let reply = client.get_policy(pb::GetPolicyRequest {}).await;
    expect_refused("nobody", reply, Code::Unauthenticated, "TOKEN_MISSING", &[]);
    assert_eq!(place.log_size(), before + 2, "the words of a policy are nobody's secret");
}

#[tokio::test]
async fn the_rule_book_is_anybody_s_and_an_explanation_is_for_who_asked() {
    let place = Place::open().await;
    let book = |format: i32| pb::GetRuleBookRequest { format };
    let get = async |format| place.policies().get_rule_book(place.from(NURSE, book(format))).await;
    let markdown = get(0).await.unwrap().into_inner();
    assert!(markdown.text.starts_with("# ") && markdown.text.contains("Northfield"));
    assert_eq!(markdown.version.unwrap().hash.len(), 32);
    let page = get(2).await.unwrap().into_inner().text;
    assert!(page.starts_with("<!doctype html>") || page.starts_with("<!DOCTYPE html>"));
    let (code, reason) = (Code::InvalidArgument, "REQUEST_INVALID");
    expect_refused("format", get(9).await, code, reason, &["format"]);
    let explain = async |who, name: &str| {
        let message = pb::ExplainDecisionRequest { name: name.to_owned() };
        place.policies().explain_decision(place.from(who, message)).await
    };
    let mut told = Vec::new();
    for about in [AISHA, SEALED, ABSENT] {
        let message = place.from(NURSE, request(treatment(about)));
        let reply = place.sharing().request_records(message).await.unwrap().into_inner();
        let name = reply.answers[0].receipt.as_ref().unwrap().name.clone();
        let before = place.log_size();
        let explained = explain(NURSE, &name).await.unwrap().into_inner();
        assert_eq!(place.log_size(), before + 1, "a look is an entry");
        assert_eq!(explained.policy_hash.len(), 32);
        told.push(explained.text);
        // Nobody else's.
        let other = explain(HOUSING, &name).await;
        expect_refused("other", other, Code::NotFound, "NOT_FOUND", &[]);
    }
    assert!(told[0].contains("You may see everything"), "{}", told[0]);
    assert_eq!(told[1], told[2], "a sealed record and none are explained alike");
    expect_refused("name", explain(NURSE, "x").await, code, reason, &["name"]);
}
