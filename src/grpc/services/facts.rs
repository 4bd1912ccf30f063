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
}
