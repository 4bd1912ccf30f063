//! Facts that decisions rely on.

use tonic::{Request, Response};

use super::{Desk, Reply};
use crate::grpc::convert::{self, receipt_message};
use crate::grpc::{pb, status};

#[tonic::async_trait]
impl pb::fact_service_server::FactService for Desk {
    async fn record_facts(
        &self,
        request: Request<pb::RecordFactsRequest>,
    ) -> Reply<pb::RecordFactsResponse> {
        let (caller, told): (_, convert::ToldFacts) = self.write(request).await?;
        let facts = told.of(caller.agency(), self.hub.now());
        let (facts, seen) = facts.map_err(|wrong| status::invalid(wrong.0))?;
        let receipt = self.hub.record_facts(&caller, facts, seen).await.map_err(status::of_hub)?;
        let receipt = Some(receipt_message("events", &receipt));
        Ok(Response::new(pb::RecordFactsResponse { receipt }))
    }

    async fn list_facts(
        &self,
        request: Request<pb::ListFactsRequest>,
    ) -> Reply<pb::ListFactsResponse> {
        let rpc = "ListFacts";
        let (caller, page, seal): (_, convert::FactsPage, _) = self.open_page(request, rpc).await?;
        let about = page.about(caller.agency());
        let listed = self.hub.list_facts(&caller, about, page.skip, page.size).await;
        let mut response = convert::facts_response(&page, listed.map_err(status::of_hub)?);
        response.next_page_token = seal(response.next_page_token);
        Ok(Response::new(response))
    }

    async fn begin_opt_out_check(
        &self,
        request: Request<pb::BeginOptOutCheckRequest>,
    ) -> Reply<pb::BeginOptOutCheckResponse> {
        let (caller, _): (_, convert::BeginCheck) = self.write(request).await?;
        let begun = self.hub.begin_opt_out_check(&caller).await.map_err(status::of_hub)?;
        Ok(Response::new(pb::BeginOptOutCheckResponse {
            reference: begun.reference.to_string(),
            nhs_numbers: begun.numbers,
            receipt: Some(receipt_message("events", &begun.receipt)),
        }))
    }

    async fn apply_opt_out_check(
        &self,
        request: Request<pb::ApplyOptOutCheckRequest>,
    ) -> Reply<pb::ApplyOptOutCheckResponse> {
        let (caller, answer): (_, convert::CheckAnswer) = self.write_list(request).await?;
        let done = self.hub.apply_opt_out_check(&caller, answer.reference, answer.clear).await;
        let (made, receipt) = done.map_err(status::of_hub)?;
        Ok(Response::new(pb::ApplyOptOutCheckResponse {
            check_time: Some(convert::time_message(made)),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }
}
