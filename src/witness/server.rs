//! The server of a witness: HTTP/1.1, two paths. Nothing waits without a bound.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::{ADD_CHECKPOINT, LATEST, SIZE_TYPE, log_id};
use crate::audit::checkpoint::VerifierKey;
use crate::audit::witness::{
    AddCheckpoint, Declined, REQUEST_LEN_MAX, WitnessSigner, size_answer, submitted,
};
use crate::clock::SharedClock;
use crate::limits;
use crate::store::StoreError;
use crate::store::sqlite::witness::WitnessMemory;

/// A witness of some logs.
pub struct Witness {
    /// Its key.
    pub signer: WitnessSigner,
    /// Whose heads it signs; a log may have several keys.
    pub logs: Vec<VerifierKey>,
    /// What it has signed.
    pub memory: WitnessMemory,
    /// When it signs.
    pub clock: SharedClock,
}

impl Witness {
    /// Signs a head that is submitted, if it grew out of the last; what was signed is durable before this
    /// returns. Blocks.
    fn cosign(&self, body: &str) -> Result<Result<String, Declined>, StoreError> {
        let request = match AddCheckpoint::parse(body) {
            Ok(request) => request,
            Err(why) => return Ok(Err(why)),
        };
        let head = match submitted(&request, &self.logs) {
            Ok(head) => head,
            Err(why) => return Ok(Err(why)),
        };
        let now = self.clock.now();
        let sign = || self.signer.cosign(&request.note, now).map_err(|_| Declined::Malformed);
        let taken = self.memory.take(&request, &head, now, sign)?;
        match &taken {
            Err(Declined::Inconsistent) => {
                tracing::error!(log = %head.origin, size = head.size,
                    "A head was submitted that did not grow out of the last; not signed");
            }
            Err(Declined::Conflict(size)) if *size == head.size && request.old == head.size => {
                tracing::error!(log = %head.origin, size = head.size,
                    "Another head of the size of the last was submitted; not signed");
            }
            Err(_) | Ok(_) => {}
        }
        Ok(taken)
    }
}

fn answer(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}

fn declined(why: Declined) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(why.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let Declined::Conflict(size) = why else { return answer(status, format!("{why}\n")) };
    let mut response = answer(status, size_answer(size));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(SIZE_TYPE));
    response
}

fn failing(error: &StoreError) -> Response<Full<Bytes>> {
    tracing::error!(error = %error, "The witness cannot keep what it signs; nothing was signed");
    answer(StatusCode::SERVICE_UNAVAILABLE, "the witness cannot keep what it signs\n".to_owned())
}

async fn add(witness: Arc<Witness>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let body = Limited::new(request.into_body(), REQUEST_LEN_MAX);
    let Ok(read) = tokio::time::timeout(limits::WITNESS_BODY, body.collect()).await else {
        return answer(StatusCode::REQUEST_TIMEOUT, "the request took too long\n".to_owned());
    };
    let body = read.ok().and_then(|body| String::from_utf8(body.to_bytes().into()).ok());
    let Some(body) = body else { return declined(Declined::Malformed) };
    let signed = tokio::task::spawn_blocking(move || witness.cosign(&body)).await;
    match signed {
        Ok(Ok(Ok(line))) => answer(StatusCode::OK, format!("{line}\n")),
        Ok(Ok(Err(why))) => declined(why),
        Ok(Err(error)) => failing(&error),
        Err(_) => failing(&StoreError::Unavailable("a thread was stopped".to_owned())),
    }
}

async fn latest(witness: Arc<Witness>, id: String) -> Response<Full<Bytes>> {
    let none = || answer(StatusCode::NOT_FOUND, "nothing of this log was signed here\n".to_owned());
    let log = witness.logs.iter().map(VerifierKey::name).find(|name| log_id(name) == id);
    let Some(origin) = log.map(str::to_owned) else { return none() };
    let read = tokio::task::spawn_blocking(move || witness.memory.latest(&origin)).await;
    match read {
        Ok(Ok(Some(note))) => answer(StatusCode::OK, note),
        Ok(Ok(None)) => none(),
        Ok(Err(error)) => failing(&error),
        Err(_) => failing(&StoreError::Unavailable("a thread was stopped".to_owned())),
    }
}

async fn route(witness: Arc<Witness>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    match (request.method(), path, path.strip_prefix(LATEST)) {
        (&Method::POST, ADD_CHECKPOINT, _) => add(witness, request).await,
        (&Method::GET, _, Some(id)) => latest(witness, id.to_owned()).await,
        (_, ADD_CHECKPOINT, _) | (_, _, Some(_)) => {
            answer(StatusCode::METHOD_NOT_ALLOWED, "POST /add-checkpoint\n".to_owned())
        }
        (_, _, None) => answer(StatusCode::NOT_FOUND, "POST /add-checkpoint\n".to_owned()),
    }
}

async fn converse(witness: Arc<Witness>, stream: TcpStream) {
    let service = service_fn(move |request| {
        let witness = Arc::clone(&witness);
        async move { Ok::<_, Infallible>(route(witness, request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::WITNESS_HEADERS)
        .max_buf_size(limits::WITNESS_BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    // A peer that left, sent no HTTP or stayed too long: it is closed, and nobody is the worse for it.
    let _ended = tokio::time::timeout(limits::WITNESS_CONNECTION, connection).await;
}

/// Serves on `listener` until `shutdown`, at most so many connections at once.
pub async fn serve(
    listener: TcpListener,
    witness: Arc<Witness>,
    shutdown: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(limits::WITNESS_CONNECTIONS_MAX));
    tokio::pin!(shutdown);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut shutdown => return,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file handles, or a peer that left: neither is a reason to end.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let witness = Arc::clone(&witness);
        tokio::spawn(async move {
            converse(witness, stream).await;
            drop(place);
        });
    }
}
