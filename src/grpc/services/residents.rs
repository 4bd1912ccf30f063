//! Who is who.

use tonic::{Request, Response};

use super::{Desk, Reply};
use crate::grpc::convert::{self, receipt_message, resident_name};
use crate::grpc::{pb, status};

#[tonic::async_trait]
impl pb::resident_service_server::ResidentService for Desk {
    async fn register_resident(
        &self,
        request: Request<pb::RegisterResidentRequest>,
    ) -> Reply<pb::RegisterResidentResponse> {
        let (caller, new) = self.write(request).await?;
        let done = self.hub.register_resident(&caller, new).await;
        let (resident, receipt) = done.map_err(status::of_hub)?;
        Ok(Response::new(pb::RegisterResidentResponse {
            resident: resident_name(resident),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }

    async fn link_identity(
        &self,
        request: Request<pb::LinkIdentityRequest>,
    ) -> Reply<pb::LinkIdentityResponse> {
        let (caller, link): (_, convert::Link) = self.write(request).await?;
        let done = self.hub.link_identity(&caller, link.resident, link.local_id);
        let receipt = done.await.map_err(status::of_hub)?;
        let receipt = Some(receipt_message("events", &receipt));
        Ok(Response::new(pb::LinkIdentityResponse { receipt }))
    }

    async fn unlink_identity(
        &self,
        request: Request<pb::UnlinkIdentityRequest>,
    ) -> Reply<pb::UnlinkIdentityResponse> {
        let (caller, convert::Unlink(local_id)) = self.write(request).await?;
        let done = self.hub.unlink_identity(&caller, local_id).await;
        let receipt = Some(receipt_message("events", &done.map_err(status::of_hub)?));
        Ok(Response::new(pb::UnlinkIdentityResponse { receipt }))
    }

    async fn find_resident(
        &self,
        request: Request<pb::FindResidentRequest>,
    ) -> Reply<pb::FindResidentResponse> {
        let (caller, wanted) = self.open(request).await?;
        let found = self.hub.find_resident(&caller, wanted).await;
        let (resident, receipt) = found.map_err(status::of_hub)?;
        Ok(Response::new(pb::FindResidentResponse {
            resident: resident.map(resident_name).unwrap_or_default(),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }
}
