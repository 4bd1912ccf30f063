//! The gRPC server: limits, health, reflection and an orderly end. Nothing waits without a bound.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::util::option_layer;

use super::connection::incoming;
use super::pb;
use super::pb::audit_service_server::AuditServiceServer;
use super::pb::choice_service_server::ChoiceServiceServer;
use super::pb::fact_service_server::FactServiceServer;
use super::pb::notice_service_server::NoticeServiceServer;
use super::pb::policy_service_server::PolicyServiceServer;
use super::pb::record_service_server::RecordServiceServer;
use super::pb::resident_service_server::ResidentServiceServer;
use super::pb::review_service_server::ReviewServiceServer;
use super::pb::rights_service_server::RightsServiceServer;
use super::pb::sharing_service_server::SharingServiceServer;
use super::renewal::{LiveTls, follow};
use super::services::Desk;
use super::strict::StrictLayer;
use super::web::Origins;
use crate::hub::Hub;
use crate::limits;

/// What an operator chooses.
#[derive(Clone, Default)]
pub struct Options {
    /// Tell anybody the contract over reflection.
    pub reflection: bool,
    /// The certificate; `None`: no TLS.
    pub tls: Option<LiveTls>,
    /// Origins whose pages may call over gRPC-Web.
    pub web: Origins,
}

impl Options {
    /// Without TLS.
    #[must_use]
    pub fn plain(reflection: bool) -> Self {
        Self { reflection, ..Self::default() }
    }
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
const SERVICES: [&str; 12] = [
    "",
    "weir.ready",
    "weir.hub.v1.SharingService",
    "weir.hub.v1.RecordService",
    "weir.hub.v1.ResidentService",
    "weir.hub.v1.ChoiceService",
    "weir.hub.v1.FactService",
    "weir.hub.v1.AuditService",
    "weir.hub.v1.PolicyService",
    "weir.hub.v1.ReviewService",
    "weir.hub.v1.RightsService",
    "weir.hub.v1.NoticeService",
];

/// The process is there, whether or not it can answer: for whoever would start it again. All other names
/// say whether the hub is ready: for whoever sends it calls.
const LIVE: &str = "weir.live";

/// Witnesses sign the log's heads, and none of them saw another log; also where there are none. It says nothing of
/// whether the hub answers.
const WITNESS: &str = "weir.witness";

async fn tell_of_witnesses(health: &HealthReporter, hub: &Hub) {
    let sound = hub.is_witnessed();
    let status = if sound { ServingStatus::Serving } else { ServingStatus::NotServing };
    health.set_service_status(WITNESS, status).await;
}

/// Tells the health checks whether the hub is ready.
async fn tell(health: &HealthReporter, ready: bool) {
    let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
    for service in SERVICES {
        health.set_service_status(service, status).await;
    }
}

/// Tells the health checks when the hub becomes ready or ceases to be, until dropped.
async fn watch(hub: &Hub, health: &HealthReporter, told: bool) {
    let mut told = told;
    loop {
        tokio::time::sleep(limits::READY_EVERY).await;
        tell_of_witnesses(health, hub).await;
        let ready = hub.is_ready().await;
        if ready != told {
            told = ready;
            tell(health, ready).await;
        }
    }
}

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
    let ready = desk.hub.is_ready().await;
    tell(&health, ready).await;
    let (reflection, reflection_alpha) = if options.reflection {
        (Some(describe().build_v1()?), Some(describe().build_v1alpha()?))
    } else {
        (None, None)
    };
    health.set_service_status(LIVE, ServingStatus::Serving).await;
    let hub = Arc::clone(&desk.hub);
    tell_of_witnesses(&health, &hub).await;
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
    let policy = PolicyServiceServer::new(desk.clone())
        .max_decoding_message_size(limits::POLICY_MESSAGE_LEN_MAX)
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
        .max_connection_age(limits::CONNECTION_AGE)
        .max_connection_age_grace(limits::CONNECTION_GRACE)
        .accept_http1(!options.web.is_empty())
        .layer(option_layer(options.web.cors()))
        .layer(option_layer(options.web.translation()))
        .layer(StrictLayer::from_pages(options.web))
        .add_service(health_service)
        .add_optional_service(reflection)
        .add_optional_service(reflection_alpha)
        .add_service(unary!(SharingServiceServer))
        .add_service(publishing)
        .add_service(unary!(ResidentServiceServer))
        .add_service(unary!(ChoiceServiceServer))
        .add_service(unary!(FactServiceServer))
        .add_service(unary!(AuditServiceServer))
        .add_service(policy)
        .add_service(unary!(ReviewServiceServer))
        .add_service(unary!(RightsServiceServer))
        .add_service(unary!(NoticeServiceServer))
        .serve_with_incoming_shutdown(incoming(listener, options.tls.clone()), async {
            // A dropped sender also means that it is time to stop.
            let _ = stopped.await;
        });
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => return Ok(ended?),
        () = watch(&hub, &health, ready) => {}
        () = follow(options.tls) => {}
        () = shutdown => {}
    }
    tell(&health, false).await;
    hub.end_watches();
    drop(stop);
    health.clear_service_status(LIVE).await;
    health.clear_service_status(WITNESS).await;
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
