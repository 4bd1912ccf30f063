//! Where a decision waits for a person.

use tonic::{Request, Response};

use super::{Desk, Reply};
use crate::grpc::convert::{
    DuePage, Nothing, ReviewMinutes, TaskPage, due_response, figures_response, obligation_message,
    receipt_message, referral_message, reviews_response, time_message,
};
use crate::grpc::{pb, status};
use crate::hub::{Approving, Closing, Deciding, Fulfilling};

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

    async fn list_due(&self, request: Request<pb::ListDueRequest>) -> Reply<pb::ListDueResponse> {
        let (caller, page, seal): (_, DuePage, _) = self.open_page(request, "ListDue").await?;
        let listed = self.hub.list_due(&caller, &page.wish).await.map_err(status::of_hub)?;
        let mut response = due_response(listed, page.size, page.after.as_ref());
        response.next_page_token = seal(response.next_page_token);
        Ok(Response::new(response))
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

    async fn list_reviews(
        &self,
        request: Request<pb::ListReviewsRequest>,
    ) -> Reply<pb::ListReviewsResponse> {
        let (caller, ReviewMinutes(minutes)) = self.open(request).await?;
        let queue = self.hub.list_reviews(&caller, minutes).await.map_err(status::of_hub)?;
        Ok(Response::new(reviews_response(queue)))
    }

    async fn close_review(
        &self,
        request: Request<pb::CloseReviewRequest>,
    ) -> Reply<pb::CloseReviewResponse> {
        let (caller, wanted): (_, Closing) = self.write(request).await?;
        let receipt = self.hub.close_review(&caller, wanted).await;
        let receipt = Some(receipt_message("events", &receipt.map_err(status::of_hub)?));
        Ok(Response::new(pb::CloseReviewResponse { receipt }))
    }

    async fn get_signal_figures(
        &self,
        request: Request<pb::GetSignalFiguresRequest>,
    ) -> Reply<pb::GetSignalFiguresResponse> {
        let (caller, Nothing) = self.open(request).await?;
        let figures = self.hub.signal_figures(&caller).await.map_err(status::of_hub)?;
        Ok(Response::new(figures_response(&figures)))
    }
}
