//! The yardstick: a gRPC server with tonic's defaults and none of the hub's layers, that sends the
//! same reply to everybody.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::grpc::pb;
use crate::grpc::pb::sharing_service_server::{SharingService, SharingServiceServer};

struct Same(Arc<pb::RequestRecordsResponse>);

#[tonic::async_trait]
impl SharingService for Same {
    async fn request_records(
        &self,
        _: Request<pb::RequestRecordsRequest>,
    ) -> Result<Response<pb::RequestRecordsResponse>, Status> {
        Ok(Response::new(pb::RequestRecordsResponse::clone(&self.0)))
    }

    async fn can_share(
        &self,
        _: Request<pb::CanShareRequest>,
    ) -> Result<Response<pb::CanShareResponse>, Status> {
        Err(Status::unimplemented("an echo"))
    }

    async fn batch_can_share(
        &self,
        _: Request<pb::BatchCanShareRequest>,
    ) -> Result<Response<pb::BatchCanShareResponse>, Status> {
        Err(Status::unimplemented("an echo"))
    }

    async fn locate_records(
        &self,
        _: Request<pb::LocateRecordsRequest>,
    ) -> Result<Response<pb::LocateRecordsResponse>, Status> {
        Err(Status::unimplemented("an echo"))
    }

    async fn report_non_disclosure(
        &self,
        _: Request<pb::ReportNonDisclosureRequest>,
    ) -> Result<Response<pb::ReportNonDisclosureResponse>, Status> {
        Err(Status::unimplemented("an echo"))
    }

    async fn get_disclosure(
        &self,
        _: Request<pb::GetDisclosureRequest>,
    ) -> Result<Response<pb::GetDisclosureResponse>, Status> {
        Err(Status::unimplemented("an echo"))
    }
}

/// A running echo.
pub(super) struct Echo {
    /// Where it listens.
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Echo {
    /// Starts one that answers `reply`.
    pub(super) async fn start(reply: pb::RequestRecordsResponse) -> Result<Self, String> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|e| e.to_string())?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        // What `Server::serve` does by default; without it Nagle's algorithm holds replies back.
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(
            Server::builder()
                .add_service(SharingServiceServer::new(Same(Arc::new(reply))))
                .serve_with_incoming_shutdown(incoming, async {
                    let _dropped = stopped.await;
                }),
        );
        Ok(Self { address, stop, serving })
    }

    /// Ends it.
    pub(super) async fn stop(self) -> Result<(), String> {
        drop(self.stop);
        self.serving.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
    }
}
