//! Questions and requests for records.

use tonic::{Request, Response};

use super::{Desk, Reply};
use crate::domain::DecisionId;
use crate::grpc::convert::{self, receipt_message};
use crate::grpc::{pb, status};

#[tonic::async_trait]
impl pb::sharing_service_server::SharingService for Desk {
    async fn can_share(
        &self,
        request: Request<pb::CanShareRequest>,
    ) -> Reply<pb::CanShareResponse> {
        let (caller, convert::Questions(asked)) = self.open(request).await?;
        let answers = self.hub.can_share(&caller, asked).await;
        let answer = answers.map_err(status::of_hub)?.pop();
        let answer = answer.map(convert::answer_message);
        Ok(Response::new(pb::CanShareResponse { answer }))
    }

    async fn batch_can_share(
        &self,
        request: Request<pb::BatchCanShareRequest>,
    ) -> Reply<pb::BatchCanShareResponse> {
        let (caller, convert::Questions(asked)) = self.open(request).await?;
        let answers = self.hub.batch_can_share(&caller, asked).await;
        let answers = answers.map_err(status::of_hub)?.into_iter();
        let answers = answers.map(convert::answer_message).collect();
        Ok(Response::new(pb::BatchCanShareResponse { answers }))
    }

    async fn request_records(
        &self,
        request: Request<pb::RequestRecordsRequest>,
    ) -> Reply<pb::RequestRecordsResponse> {
        let (caller, convert::Questions(asked)) = self.open(request).await?;
        let answers = self.hub.request_records(&caller, asked).await;
        let answers = answers.map_err(status::of_hub)?.into_iter();
        let answers = answers.map(convert::answer_message).collect();
        Ok(Response::new(pb::RequestRecordsResponse { answers }))
    }

    async fn locate_records(
        &self,
        request: Request<pb::LocateRecordsRequest>,
    ) -> Reply<pb::LocateRecordsResponse> {
        let (caller, convert::Locating(asked)) = self.open(request).await?;
        let located = self.hub.locate_records(&caller, asked).await.map_err(status::of_hub)?;
        Ok(Response::new(pb::LocateRecordsResponse {
            holders: located.holders.iter().map(convert::agency_name).collect(),
            codes: located.codes.iter().map(ToString::to_string).collect(),
            receipt: Some(receipt_message("events", &located.receipt)),
        }))
    }

    async fn report_non_disclosure(
        &self,
        request: Request<pb::ReportNonDisclosureRequest>,
    ) -> Reply<pb::ReportNonDisclosureResponse> {
        let (caller, report): (_, crate::hub::NonDisclosure) = self.write(request).await?;
        let done = self.hub.report_non_disclosure(&caller, report).await;
        let (duty_alarm, receipt) = done.map_err(status::of_hub)?;
        let receipt = Some(receipt_message("events", &receipt));
        Ok(Response::new(pb::ReportNonDisclosureResponse { duty_alarm, receipt }))
    }

    async fn get_disclosure(
        &self,
        request: Request<pb::GetDisclosureRequest>,
    ) -> Reply<pb::GetDisclosureResponse> {
        let (caller, id): (_, DecisionId) = self.open(request).await?;
        let found = self.hub.disclosure(&caller, id).await;
        let (stored, receipt) = found.map_err(status::of_hub)?;
        Ok(Response::new(pb::GetDisclosureResponse {
            disclosure: Some(convert::disclosure_message(&stored)),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }
}
