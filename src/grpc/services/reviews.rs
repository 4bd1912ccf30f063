//! Where a decision waits for a person.

use tonic::{Request, Response};

use super::{Desk, Reply};
use crate::grpc::convert::{receipt_message, time_message};
use crate::grpc::{pb, status};
use crate::hub::{Approving, Deciding, Fulfilling};

#[tonic::async_trait]
impl pb::review_service_server::ReviewService for Desk {
    async fn approve_override(
        &self,
        request: Request<pb::ApproveOverrideRequest>,
    ) -> Reply<pb::ApproveOverrideResponse> {
        let (caller, wanted): (_, Approving) = self.open(request).await?;
        let done = self.hub.approve_override(&caller, wanted).await;
        let (until, receipt) = done.map_err(status::of_hub)?;
        Ok(Response::new(pb::ApproveOverrideResponse {
            expire_time: Some(time_message(until)),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }

    async fn decide_referral(
        &self,
        request: Request<pb::DecideReferralRequest>,
    ) -> Reply<pb::DecideReferralResponse> {
        let (caller, wanted): (_, Deciding) = self.open(request).await?;
        let done = self.hub.decide_referral(&caller, wanted).await;
        let (until, receipt) = done.map_err(status::of_hub)?;
        Ok(Response::new(pb::DecideReferralResponse {
            until_time: until.map(time_message),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }

    async fn fulfil_obligation(
        &self,
        request: Request<pb::FulfilObligationRequest>,
    ) -> Reply<pb::FulfilObligationResponse> {
        let (caller, wanted): (_, Fulfilling) = self.open(request).await?;
        let receipt = self.hub.fulfil_obligation(&caller, wanted).await;
        let receipt = Some(receipt_message("events", &receipt.map_err(status::of_hub)?));
        Ok(Response::new(pb::FulfilObligationResponse { receipt }))
    }
}
