//! Where a decision waits for a person.

use tonic::{Request, Response};

use super::{Desk, Reply};
use crate::grpc::convert::{
    TaskPage, obligation_message, receipt_message, referral_message, time_message,
};
use crate::grpc::{pb, status};
use crate::hub::{Approving, Deciding, Fulfilling};

#[tonic::async_trait]
impl pb::review_service_server::ReviewService for Desk {
    async fn approve_override(
        &self,
        request: Request<pb::ApproveOverrideRequest>,
    ) -> Reply<pb::ApproveOverrideResponse> {
        let (caller, wanted): (_, Approving) = self.write(request).await?;
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
        let (caller, wanted): (_, Deciding) = self.write(request).await?;
        let done = self.hub.decide_referral(&caller, wanted).await;
        let (until, receipt) = done.map_err(status::of_hub)?;
        Ok(Response::new(pb::DecideReferralResponse {
            until_time: until.map(time_message),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }

    async fn list_referrals(
        &self,
        request: Request<pb::ListReferralsRequest>,
    ) -> Reply<pb::ListReferralsResponse> {
        let (caller, page, seal): (_, TaskPage, _) =
            self.open_page(request, "ListReferrals").await?;
        let listed = self.hub.list_referrals(&caller, page.from, page.size).await;
        let (all, next) = listed.map_err(status::of_hub)?;
        Ok(Response::new(pb::ListReferralsResponse {
            referrals: all.into_iter().map(referral_message).collect(),
            next_page_token: seal(next.map(|next| next.to_string()).unwrap_or_default()),
        }))
    }

    async fn list_obligations(
        &self,
        request: Request<pb::ListObligationsRequest>,
    ) -> Reply<pb::ListObligationsResponse> {
        let (caller, page, seal): (_, TaskPage, _) =
            self.open_page(request, "ListObligations").await?;
        let listed = self.hub.list_obligations(&caller, page.from, page.size).await;
        let (all, next) = listed.map_err(status::of_hub)?;
        Ok(Response::new(pb::ListObligationsResponse {
            obligations: all.into_iter().map(obligation_message).collect(),
            next_page_token: seal(next.map(|next| next.to_string()).unwrap_or_default()),
        }))
    }

    async fn fulfil_obligation(
        &self,
        request: Request<pb::FulfilObligationRequest>,
    ) -> Reply<pb::FulfilObligationResponse> {
        let (caller, wanted): (_, Fulfilling) = self.write(request).await?;
        let receipt = self.hub.fulfil_obligation(&caller, wanted).await;
        let receipt = Some(receipt_message("events", &receipt.map_err(status::of_hub)?));
        Ok(Response::new(pb::FulfilObligationResponse { receipt }))
    }
}
