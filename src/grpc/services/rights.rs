//! What residents see and ask for.

use tonic::codegen::BoxStream;
use tonic::{Request, Response};

use super::{Desk, Reply};
use crate::grpc::convert::{
    AccessRequest, Nothing, ReceiptText, RightsPage, clocked_parts, draft_response,
    figures_message, part_message, receipt_message, rectified_parts, requests_response,
    reviewed_access_response, sealed_response, seen_response, verified_response,
};
use crate::grpc::{pb, status};
use crate::hub::{Advance, Challenge, Correction, Erasure, NewRequest, Reviewing, ReviewingAccess};

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

    async fn get_subject_access(
        &self,
        request: Request<pb::GetSubjectAccessRequest>,
    ) -> Reply<pb::GetSubjectAccessResponse> {
        let (caller, AccessRequest(request)) = self.open(request).await?;
        let draft = self.hub.subject_access_draft(&caller, request).await;
        Ok(Response::new(draft_response(draft.map_err(status::of_hub)?)))
    }

    async fn review_subject_access(
        &self,
        request: Request<pb::ReviewSubjectAccessRequest>,
    ) -> Reply<pb::ReviewSubjectAccessResponse> {
        let (caller, wish): (_, ReviewingAccess) = self.write(request).await?;
        let settled = self.hub.review_subject_access(&caller, wish).await;
        Ok(Response::new(reviewed_access_response(&settled.map_err(status::of_hub)?)))
    }

    type ExportSubjectAccessStream = BoxStream<pb::ExportSubjectAccessResponse>;

    async fn export_subject_access(
        &self,
        request: Request<pb::ExportSubjectAccessRequest>,
    ) -> Reply<Self::ExportSubjectAccessStream> {
        let (caller, AccessRequest(request)) = self.open(request).await?;
        let parts = self.hub.export_subject_access(&caller, request).await;
        let parts = parts.map_err(status::of_hub)?.into_iter().filter_map(part_message).map(Ok);
        Ok(Response::new(Box::pin(tokio_stream::iter(parts))))
    }

    async fn rectify_record(
        &self,
        request: Request<pb::RectifyRecordRequest>,
    ) -> Reply<pb::RectifyRecordResponse> {
        let (caller, wish): (_, Correction) = self.write(request).await?;
        let done = self.hub.rectify_record(&caller, wish).await.map_err(status::of_hub)?;
        let (told_count, receipt) = rectified_parts(&done);
        Ok(Response::new(pb::RectifyRecordResponse { told_count, receipt }))
    }

    async fn erase_resident(
        &self,
        request: Request<pb::EraseResidentRequest>,
    ) -> Reply<pb::EraseResidentResponse> {
        let (caller, wish): (_, Erasure) = self.write(request).await?;
        let done = self.hub.erase_held(&caller, wish).await.map_err(status::of_hub)?;
        let (told_count, receipt) = rectified_parts(&done);
        Ok(Response::new(pb::EraseResidentResponse { told_count, receipt }))
    }

    async fn verify_receipt(
        &self,
        request: Request<pb::VerifyReceiptRequest>,
    ) -> Reply<pb::VerifyReceiptResponse> {
        let (_, ReceiptText(text)) = self.open(request).await?;
        let verified = self.hub.verify_receipt(&text).await.map_err(status::of_hub)?;
        Ok(Response::new(verified_response(verified)))
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
