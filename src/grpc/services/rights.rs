//! What residents see and ask for.

use tonic::{Request, Response};

use super::{Desk, Reply};
use crate::grpc::convert::{
    Nothing, RightsPage, clocked_parts, figures_message, receipt_message, requests_response,
    sealed_response, seen_response,
};
use crate::grpc::{pb, status};
use crate::hub::{Advance, Challenge, NewRequest, Reviewing};

#[tonic::async_trait]
impl pb::rights_service_server::RightsService for Desk {
    async fn list_disclosures(
        &self,
        request: Request<pb::ListDisclosuresRequest>,
    ) -> Reply<pb::ListDisclosuresResponse> {
        let (caller, page, seal): (_, RightsPage, _) =
            self.open_page(request, "ListDisclosures").await?;
        let listed = self.hub.list_disclosures(&caller, page.after, page.size).await;
        let mut response = seen_response(listed.map_err(status::of_hub)?);
        response.next_page_token = seal(response.next_page_token);
        Ok(Response::new(response))
    }

    async fn file_request(
        &self,
        request: Request<pb::FileRequestRequest>,
    ) -> Reply<pb::FileRequestResponse> {
        let (caller, wish): (_, NewRequest) = self.write(request).await?;
        let clocked = self.hub.file_request(&caller, wish).await.map_err(status::of_hub)?;
        let (request, answer_by, receipt) = clocked_parts(&clocked);
        Ok(Response::new(pb::FileRequestResponse { request, answer_by, receipt }))
    }

    async fn challenge_entry(
        &self,
        request: Request<pb::ChallengeEntryRequest>,
    ) -> Reply<pb::ChallengeEntryResponse> {
        let (caller, wish): (_, Challenge) = self.write(request).await?;
        let clocked = self.hub.challenge_entry(&caller, wish).await.map_err(status::of_hub)?;
        let (request, answer_by, receipt) = clocked_parts(&clocked);
        Ok(Response::new(pb::ChallengeEntryResponse { request, answer_by, receipt }))
    }

    async fn list_requests(
        &self,
        request: Request<pb::ListRequestsRequest>,
    ) -> Reply<pb::ListRequestsResponse> {
        let (caller, page, seal): (_, RightsPage, _) =
            self.open_page(request, "ListRequests").await?;
        let listed = self.hub.list_requests(&caller, page.only, page.after, page.size).await;
        let mut response = requests_response(listed.map_err(status::of_hub)?);
        response.next_page_token = seal(response.next_page_token);
        Ok(Response::new(response))
    }

    async fn advance_request(
        &self,
        request: Request<pb::AdvanceRequestRequest>,
    ) -> Reply<pb::AdvanceRequestResponse> {
        let (caller, wish): (_, Advance) = self.write(request).await?;
        let clocked = self.hub.advance_request(&caller, wish).await.map_err(status::of_hub)?;
        let (_, answer_by, receipt) = clocked_parts(&clocked);
        Ok(Response::new(pb::AdvanceRequestResponse { answer_by, receipt }))
    }

    async fn list_sealed(
        &self,
        request: Request<pb::ListSealedRequest>,
    ) -> Reply<pb::ListSealedResponse> {
        let (caller, page, seal): (_, RightsPage, _) =
            self.open_page(request, "ListSealed").await?;
        let listed = self.hub.list_sealed(&caller, page.only, page.after, page.size).await;
        let mut response = sealed_response(listed.map_err(status::of_hub)?);
        response.next_page_token = seal(response.next_page_token);
        Ok(Response::new(response))
    }

    async fn review_visibility(
        &self,
        request: Request<pb::ReviewVisibilityRequest>,
    ) -> Reply<pb::ReviewVisibilityResponse> {
        let (caller, wish): (_, Reviewing) = self.write(request).await?;
        let receipt = self.hub.review_visibility(&caller, wish).await.map_err(status::of_hub)?;
        let receipt = Some(receipt_message("events", &receipt));
        Ok(Response::new(pb::ReviewVisibilityResponse { receipt }))
    }

    async fn get_visibility_figures(
        &self,
        request: Request<pb::GetVisibilityFiguresRequest>,
    ) -> Reply<pb::GetVisibilityFiguresResponse> {
        let (caller, Nothing) = self.open(request).await?;
        let figures = self.hub.visibility_figures(&caller).await.map_err(status::of_hub)?;
        Ok(Response::new(figures_message(&figures)))
    }
}
