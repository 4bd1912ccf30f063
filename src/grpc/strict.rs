//! Turns away what is no well-formed call before anything is routed, ends what takes too long, and
//! says in the hub's own words what the transport found. Health needs no caller; every call of the
//! hub carries exactly one authorization header.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tonic::Code;
use tonic::codegen::http::{HeaderMap, Method, Request, Response, header};
use tower::{Layer, Service};

use super::connection::Peer;
use super::status::{self, Reason};
use super::web::Origins;
use crate::limits;

/// The call whose answer comes after a stream of messages.
const PUBLISHING: &str = "/weir.hub.v1.RecordService/PublishRecords";

/// Puts [`Strict`] around a service.
#[derive(Debug, Clone)]
pub struct StrictLayer {
    deadline: fn(&str) -> Duration,
    pages: Arc<Origins>,
}

impl Default for StrictLayer {
    fn default() -> Self {
        Self::from_pages(Origins::default())
    }
}

impl StrictLayer {
    /// Lets calls of pages through that are from here.
    #[must_use]
    pub fn from_pages(pages: Origins) -> Self {
        Self { deadline, pages: Arc::new(pages) }
    }
}

impl<S> Layer<S> for StrictLayer {
    type Service = Strict<S>;

    fn layer(&self, inner: S) -> Strict<S> {
        Strict { inner, deadline: self.deadline, pages: Arc::clone(&self.pages) }
    }
}

/// Lets only well-formed calls through.
#[derive(Debug, Clone)]
pub struct Strict<S> {
    inner: S,
    deadline: fn(&str) -> Duration,
    pages: Arc<Origins>,
}

impl<S, B, R> Service<Request<B>> for Strict<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    R: Default + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = tonic::codegen::BoxFuture<Response<R>, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some(peer) = request.extensions().get::<Peer>() {
            peer.asks();
        }
        let mut from = request.headers().get_all(header::ORIGIN).iter();
        let may_call = self.pages.may_call(from.next()) && from.next().is_none();
        if !may_call || !is_well_formed(&request) {
            let response = status::refuse(Reason::CallMalformed).into_http();
            return Box::pin(std::future::ready(Ok(response)));
        }
        let time = (self.deadline)(request.uri().path());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let Ok(answer) = tokio::time::timeout(time, answer).await else {
                return Ok(status::refuse(Reason::DeadlineExceeded).into_http());
            };
            let response = answer?;
            Ok(match found_by_transport(response.headers()) {
                Some(reason) => status::refuse(reason).into_http(),
                None => response,
            })
        })
    }
}

/// How long a call may take until its answer begins.
fn deadline(path: &str) -> Duration {
    if path == PUBLISHING { limits::PUBLISH_DEADLINE } else { limits::CALL_DEADLINE }
}

/// Why the transport itself turned a call down: with a phrase of its own, without details, and with
/// codes that blame the hub.
fn found_by_transport(headers: &HeaderMap) -> Option<Reason> {
    if headers.contains_key("grpc-status-details-bin") {
        return None;
    }
    let code = Code::from_bytes(headers.get("grpc-status")?.as_bytes());
    if code == Code::OutOfRange || code == Code::ResourceExhausted {
        Some(Reason::MessageTooLarge)
    } else if code == Code::Internal {
        Some(Reason::MessageMalformed)
    } else {
        None
    }
}

fn is_well_formed<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let grpc = match (types.next(), types.next()) {
        (Some(only), None) => is_grpc(only.as_bytes()),
        _ => false,
    };
    let proofs = headers.get_all(header::AUTHORIZATION).iter().count();
    let proofs_fit =
        if request.uri().path().starts_with("/weir.hub.") { proofs <= 1 } else { true };
    let mut deadlines = headers.get_all("grpc-timeout").iter();
    let deadline = match (deadlines.next(), deadlines.next()) {
        (None, _) => true,
        (Some(only), None) => is_deadline(only.as_bytes()),
        (Some(_), Some(_)) => false,
    };
    request.method() == Method::POST
        && request.uri().query().is_none()
        && grpc
        && proofs_fit
        && deadline
}

/// `application/grpc`, alone or followed by `+format` or parameters.
fn is_grpc(content_type: &[u8]) -> bool {
    match content_type.strip_prefix(b"application/grpc") {
        Some([]) | Some([b'+' | b';', ..]) => true,
        Some(_) | None => false,
    }
}

/// One to eight digits and a unit.
fn is_deadline(text: &[u8]) -> bool {
    match text.split_last() {
        Some((unit, digits)) => {
            b"HMSmun".contains(unit)
                && (1..=8).contains(&digits.len())
                && digits.iter().all(u8::is_ascii_digit)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;

    const CALL: &str = "/weir.hub.v1.SharingService/CanShare";

    async fn passes(request: Request<()>) -> bool {
        let inner = tower::service_fn(|_: Request<()>| async {
            Ok::<_, std::convert::Infallible>(Response::new("through"))
        });
        let response = StrictLayer::default().layer(inner).oneshot(request).await.unwrap();
        let body = *response.body() == "through";
        assert_eq!(body, !response.headers().contains_key("grpc-status"));
        body
    }

    fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    #[tokio::test]
    async fn what_takes_too_long_is_ended_and_says_so() {
        let hanging = tower::service_fn(|_: Request<()>| {
            std::future::pending::<Result<Response<&'static str>, std::convert::Infallible>>()
        });
        let layer = StrictLayer { deadline: |_| Duration::ZERO, ..StrictLayer::default() };
        let call = request("POST", CALL, &[("content-type", "application/grpc")]);
        let response = layer.layer(hanging).oneshot(call).await.unwrap();
        assert_eq!(response.headers()["grpc-status"], "4");
        assert!(response.headers().contains_key("grpc-status-details-bin"));
    }

    #[test]
    fn a_stream_of_records_has_its_own_time_and_nothing_else_has() {
        assert_eq!(deadline(PUBLISHING), limits::PUBLISH_DEADLINE);
        assert!(limits::PUBLISH_DEADLINE > limits::CALL_DEADLINE);
        for path in [CALL, "/weir.hub.v1.RecordService/RetractRecords", "", "/"] {
            assert_eq!(deadline(path), limits::CALL_DEADLINE, "{path}");
        }
    }

    #[test]
    fn only_what_the_transport_found_is_said_anew() {
        let table = [
            ("0", None, None),
            ("11", None, Some(Reason::MessageTooLarge)),
            ("8", None, Some(Reason::MessageTooLarge)),
            ("13", None, Some(Reason::MessageMalformed)),
            ("12", None, None),
            ("13", Some("AA"), None),
            ("8", Some("AA"), None),
        ];
        for (code, details, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-status", code.parse().unwrap());
            if let Some(details) = details {
                headers.insert("grpc-status-details-bin", details.parse().unwrap());
            }
            assert_eq!(found_by_transport(&headers), expected, "{code} {details:?}");
        }
        assert_eq!(found_by_transport(&HeaderMap::new()), None);
    }

    #[tokio::test]
    async fn only_well_formed_calls_pass() {
        let grpc = ("content-type", "application/grpc");
        let one = ("authorization", "Bearer a");
        let two = ("authorization", "Bearer b");
        let health = "/grpc.health.v1.Health/Check";
        let query = "/weir.hub.v1.SharingService/CanShare?x=1";
        type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], bool);
        let table: &[Row] = &[
            ("POST", CALL, &[grpc, one], true),
            ("POST", CALL, &[("content-type", "application/grpc+proto"), one], true),
            ("POST", health, &[grpc], true),
            ("GET", CALL, &[grpc, one], false),
            ("PUT", CALL, &[grpc, one], false),
            ("POST", query, &[grpc, one], false),
            ("POST", CALL, &[one], false),
            ("POST", CALL, &[grpc, grpc, one], false),
            ("POST", CALL, &[("content-type", "application/json"), one], false),
            ("POST", CALL, &[("content-type", "application/grpcx"), one], false),
            ("POST", CALL, &[grpc, one, two], false),
            ("POST", CALL, &[grpc, one, one], false),
            ("POST", CALL, &[grpc, one, ("grpc-timeout", "5S")], true),
            ("POST", CALL, &[grpc, one, ("grpc-timeout", "5")], false),
            ("POST", CALL, &[grpc, one, ("grpc-timeout", "S")], false),
            ("POST", CALL, &[grpc, one, ("grpc-timeout", "-5S")], false),
            ("POST", CALL, &[grpc, one, ("grpc-timeout", "123456789S")], false),
            ("POST", CALL, &[grpc, one, ("grpc-timeout", "5S"), ("grpc-timeout", "9S")], false),
        ];
        for (method, uri, headers, expected) in table {
            let found = passes(request(method, uri, headers)).await;
            assert_eq!(found, *expected, "{method} {uri} {headers:?}");
        }
    }
}
