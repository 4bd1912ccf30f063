//! gRPC-Web: a page calls over HTTP/1.1, from an origin that the operator has named.

use std::sync::Arc;

use prost::Message;
use reqwest::{Client, Method, Response, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weir::grpc::pb;
use weir::grpc::server::Options;
use weir::grpc::web::Origins;

use crate::support::{AISHA, NURSE, Place, treatment};

const PORTAL: &str = "https://portal.example";
const CALL: &str = "/weir.hub.v1.SharingService/CanShare";

/// The place, served once more with pages of the portal let in.
async fn site() -> (Place, std::net::SocketAddr) {
    let place = Place::open().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let web = Origins::new(&[PORTAL.to_owned()]).unwrap();
    let app = Arc::clone(&place.app);
    let options = Options { web, ..Options::plain(false) };
    tokio::spawn(async move { app.serve(listener, options, std::future::pending()).await });
    (place, address)
}

fn framed(message: &impl Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    let mut frame = vec![0];
    frame.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    frame.extend(body);
    frame
}

async fn call(
    address: std::net::SocketAddr,
    origin: Option<&str>,
    token: Option<&str>,
    kind: &str,
    body: Vec<u8>,
) -> Response {
    let mut request = Client::new()
        .post(format!("http://{address}{CALL}"))
        .header("content-type", kind)
        .header("x-grpc-web", "1")
        .body(body);
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.send().await.unwrap()
}

/// The frames of an answer: messages, and what the trailers say.
fn frames(mut body: &[u8]) -> (Vec<Vec<u8>>, String) {
    let (mut messages, mut trailers) = (Vec::new(), String::new());
    while let Some((head, rest)) = body.split_first_chunk::<5>() {
        let len = usize::try_from(u32::from_be_bytes(head[1..].try_into().unwrap())).unwrap();
        let (frame, rest) = rest.split_at(len);
        if head[0] & 0x80 == 0 {
            messages.push(frame.to_vec());
        } else {
            trailers.push_str(std::str::from_utf8(frame).unwrap());
        }
        body = rest;
    }
    (messages, trailers)
}

#[tokio::test]
async fn a_page_is_answered_like_any_caller() {
    let (place, address) = site().await;
    let token = place.token(NURSE);
    let kind = "application/grpc-web+proto";
    let body = framed(&treatment(AISHA));
    let before = place.log_size();
    let answer = call(address, Some(PORTAL), Some(&token), kind, body.clone()).await;
    assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_11));
    assert_eq!(answer.headers()["access-control-allow-origin"], PORTAL);
    let (messages, trailers) = frames(&answer.bytes().await.unwrap());
    assert!(trailers.contains("grpc-status:0"), "{trailers}");
    let told = pb::CanShareResponse::decode(messages[0].as_slice()).unwrap();
    assert!(!told.answer.unwrap().decision.unwrap().permitted_fields.is_empty());
    assert_eq!(place.log_size(), before + 1);
    // Without a token, or with what is no message, it is refused like any caller.
    let bare = call(address, Some(PORTAL), None, kind, body.clone()).await;
    assert_eq!(bare.headers()["grpc-status"], "16");
    let junk = call(address, Some(PORTAL), Some(&token), kind, vec![0, 0, 0, 0, 2, 9, 9]).await;
    assert_eq!(junk.headers()["grpc-status"], "3");
    // The same service still answers gRPC.
    let channel = tonic::transport::Channel::from_shared(format!("http://{address}")).unwrap();
    let channel = channel.connect().await.unwrap();
    let mut native = pb::sharing_service_client::SharingServiceClient::new(channel);
    native.can_share(place.from(NURSE, treatment(AISHA))).await.unwrap();
}

#[tokio::test]
async fn pages_of_other_origins_are_turned_away() {
    let (place, address) = site().await;
    let token = place.token(NURSE);
    let kind = "application/grpc-web+proto";
    for (origin, may) in [
        (Some(PORTAL), true),
        (None, true),
        (Some("https://evil.example"), false),
        (Some("http://portal.example"), false),
        (Some("https://portal.example.evil.example"), false),
        (Some("null"), false),
    ] {
        let before = place.log_size();
        let body = framed(&treatment(AISHA));
        let answer = call(address, origin, Some(&token), kind, body).await;
        assert_eq!(answer.headers().contains_key("grpc-status"), !may, "{origin:?}");
        assert_eq!(place.log_size() - before, u64::from(may), "{origin:?}");
        let preflight = Client::new()
            .request(Method::OPTIONS, format!("http://{address}{CALL}"))
            .header("origin", origin.unwrap_or("https://nowhere.example"))
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,x-grpc-web")
            .send()
            .await
            .unwrap();
        let allowed = preflight.headers().get("access-control-allow-origin");
        let wanted = origin.filter(|_| may);
        assert_eq!(allowed.map(|a| a.to_str().unwrap()), wanted, "{origin:?}");
    }
}

#[tokio::test]
async fn what_is_no_call_gets_a_short_answer_and_no_more() {
    let (place, address) = site().await;
    let get = Client::new().get(format!("http://{address}/")).send().await.unwrap();
    assert_eq!(get.status().as_u16(), 400);
    let token = place.token(NURSE);
    let body = framed(&treatment(AISHA));
    let plain = call(address, Some(PORTAL), Some(&token), "application/json", body.clone()).await;
    assert_eq!(plain.status().as_u16(), 400);
    // Without a named origin HTTP/1.1 is not spoken at all.
    let mut socket = TcpStream::connect(place.address).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    // Closed: by an end or by a reset, and without a status line.
    let _ = socket.read_to_end(&mut said).await;
    assert!(!said.starts_with(b"HTTP/1"), "{}", String::from_utf8_lossy(&said));
    // Over gRPC a page's origin counts too: a proxy may have translated.
    let mut call = place.from(NURSE, treatment(AISHA));
    call.metadata_mut().insert("origin", PORTAL.parse().unwrap());
    let refused = place.sharing().can_share(call).await.err().unwrap();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
}
