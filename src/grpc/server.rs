//! The gRPC server: limits, health, reflection and an orderly end. Nothing waits without a bound.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Sleep;
use tokio_stream::Stream;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::transport::Server;
use tonic::transport::server::{Connected, TcpConnectInfo};
use tonic_health::ServingStatus;

use super::pb;
use super::pb::audit_service_server::AuditServiceServer;
use super::pb::choice_service_server::ChoiceServiceServer;
use super::pb::fact_service_server::FactServiceServer;
use super::pb::policy_service_server::PolicyServiceServer;
use super::pb::record_service_server::RecordServiceServer;
use super::pb::resident_service_server::ResidentServiceServer;
use super::pb::review_service_server::ReviewServiceServer;
use super::pb::sharing_service_server::SharingServiceServer;
use super::services::Desk;
use super::strict::StrictLayer;
use crate::limits;

/// What an operator chooses.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Tell anybody the contract over reflection.
    pub reflection: bool,
}

/// Why the server ended early.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The transport failed.
    #[error("the transport failed")]
    Transport(#[from] tonic::transport::Error),
    /// The descriptors are damaged.
    #[error("the descriptors for reflection cannot be read")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// All services, for health.
const SERVICES: [&str; 9] = [
    "",
    "weir.hub.v1.SharingService",
    "weir.hub.v1.RecordService",
    "weir.hub.v1.ResidentService",
    "weir.hub.v1.ChoiceService",
    "weir.hub.v1.FactService",
    "weir.hub.v1.AuditService",
    "weir.hub.v1.PolicyService",
    "weir.hub.v1.ReviewService",
];

/// Serves on `listener` until `shutdown`, then says so to health checks, finishes running calls and
/// ends, at the latest after [`limits::DRAIN`].
///
/// # Errors
/// When the transport fails.
pub async fn serve(
    listener: TcpListener,
    desk: Desk,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (mut health, health_service) = tonic_health::server::health_reporter();
    for service in SERVICES {
        let serving = ServingStatus::Serving;
        health.set_service_status(service, serving).await;
    }
    let (reflection, reflection_alpha) = if options.reflection {
        (Some(describe().build_v1()?), Some(describe().build_v1alpha()?))
    } else {
        (None, None)
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let (ping_every, ping_wait) = limits::KEEPALIVE;
    macro_rules! unary {
        ($server:ident) => {
            $server::new(desk.clone())
                .max_decoding_message_size(limits::MESSAGE_LEN_MAX)
                .max_encoding_message_size(limits::REPLY_LEN_MAX)
                .accept_compressed(Gzip)
        };
    }
    let publishing = RecordServiceServer::new(desk.clone())
        .max_decoding_message_size(limits::PUBLISH_MESSAGE_LEN_MAX)
        .max_encoding_message_size(limits::REPLY_LEN_MAX)
        .accept_compressed(Gzip);
    let serving = Server::builder()
        .max_concurrent_streams(limits::STREAMS_MAX)
        .http2_max_header_list_size(limits::HEADERS_LEN_MAX)
        .http2_keepalive_interval(Some(ping_every))
        .http2_keepalive_timeout(Some(ping_wait))
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .concurrency_limit_per_connection(limits::CALLS_PER_CONNECTION_MAX)
        .load_shed(true)
        .layer(StrictLayer::default())
        .add_service(health_service)
        .add_optional_service(reflection)
        .add_optional_service(reflection_alpha)
        .add_service(unary!(SharingServiceServer))
        .add_service(publishing)
        .add_service(unary!(ResidentServiceServer))
        .add_service(unary!(ChoiceServiceServer))
        .add_service(unary!(FactServiceServer))
        .add_service(unary!(AuditServiceServer))
        .add_service(unary!(PolicyServiceServer))
        .add_service(unary!(ReviewServiceServer))
        .serve_with_incoming_shutdown(incoming(listener), async {
            // A dropped sender also means that it is time to stop.
            let _ = stopped.await;
        });
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => return Ok(ended?),
        () = shutdown => {}
    }
    for service in SERVICES {
        let ending = ServingStatus::NotServing;
        health.set_service_status(service, ending).await;
    }
    drop(stop);
    // Who watches has been told; a watch has no end of its own and would hold up the hub's.
    for service in SERVICES {
        health.clear_service_status(service).await;
    }
    match tokio::time::timeout(limits::DRAIN, serving).await {
        Ok(ended) => Ok(ended?),
        Err(_) => Ok(()),
    }
}

fn describe() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// Connections, at most [`limits::CONNECTIONS_MAX`] at once; more wait in the listener's backlog.
fn incoming(listener: TcpListener) -> impl Stream<Item = io::Result<Connection>> {
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
    async_stream::stream! {
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // Without it, small replies only wait longer.
                    let _ = stream.set_nodelay(true);
                    yield Ok(Connection::new(stream, place));
                }
                // Out of file handles, or a peer that left: neither is a reason to end.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

/// A connection that must send its first bytes in time.
struct Connection {
    stream: TcpStream,
    first_bytes: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit) -> Self {
        Self {
            stream,
            first_bytes: Some(Box::pin(tokio::time::sleep(limits::FIRST_BYTES))),
            _place: place,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if polled.is_ready() {
            self.first_bytes = None;
            return polled;
        }
        match self.first_bytes.as_mut().map(|late| late.as_mut().poll(context)) {
            Some(Poll::Ready(())) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Some(Poll::Pending) | None => Poll::Pending,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}
