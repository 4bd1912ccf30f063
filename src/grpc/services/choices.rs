//! What residents say yes and no to.

use tonic::{Request, Response};

use super::{Desk, Reply};
use crate::grpc::convert::{self, receipt_message};
use crate::grpc::{pb, status};

#[tonic::async_trait]
impl pb::choice_service_server::ChoiceService for Desk {
    async fn record_consent(
        &self,
        request: Request<pb::RecordConsentRequest>,
    ) -> Reply<pb::RecordConsentResponse> {
        let (caller, new): (_, crate::hub::NewConsent) = self.write(request).await?;
        let resident = new.resident;
        let done = self.hub.record_consent(&caller, new).await;
        let (choice, receipt, unbacked) = done.map_err(status::of_hub)?;
        Ok(Response::new(pb::RecordConsentResponse {
            choice: convert::choice_name(resident, choice),
            receipt: Some(receipt_message("events", &receipt)),
            not_counted: unbacked.map(|why| why.to_string()).unwrap_or_default(),
        }))
    }

    async fn withdraw_consent(
        &self,
        request: Request<pb::WithdrawConsentRequest>,
    ) -> Reply<pb::WithdrawConsentResponse> {
        let (caller, taken): (_, convert::Withdrawn) = self.write(request).await?;
        let taken = match taken {
            convert::Withdrawn::Consent(taken) => taken,
            convert::Withdrawn::Purpose(said) => {
                let resident = said.resident;
                let done = self.hub.withdraw_for_purpose(&caller, said).await;
                let (settled, receipt) = done.map_err(status::of_hub)?;
                return Ok(Response::new(convert::settled_response(resident, settled, &receipt)));
            }
        };
        let resident = taken.resident;
        let done = self.hub.withdraw_consent(&caller, taken).await;
        let (choice, receipt, unbacked) = done.map_err(status::of_hub)?;
        Ok(Response::new(pb::WithdrawConsentResponse {
            choice: convert::choice_name(resident, choice),
            receipt: Some(receipt_message("events", &receipt)),
            not_counted: unbacked.map(|why| why.to_string()).unwrap_or_default(),
            ..Default::default()
        }))
    }

    async fn record_objection(
        &self,
        request: Request<pb::RecordObjectionRequest>,
    ) -> Reply<pb::RecordObjectionResponse> {
        let (caller, new): (_, crate::hub::NewObjection) = self.write(request).await?;
        let resident = new.resident;
        let done = self.hub.record_objection(&caller, new).await;
        let (choice, receipt) = done.map_err(status::of_hub)?;
        Ok(Response::new(pb::RecordObjectionResponse {
            choice: convert::choice_name(resident, choice),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }

    async fn decide_objection(
        &self,
        request: Request<pb::DecideObjectionRequest>,
    ) -> Reply<pb::DecideObjectionResponse> {
        let (caller, verdict): (_, convert::Verdict) = self.write(request).await?;
        let done = self.hub.decide_objection(&caller, verdict.finding, verdict.upheld).await;
        let (receipt, complaint) = done.map_err(status::of_hub)?;
        let receipt = Some(receipt_message("events", &receipt));
        let complaint_route = complaint.map(convert::route_message);
        Ok(Response::new(pb::DecideObjectionResponse { receipt, complaint_route }))
    }

    async fn advance_choice(
        &self,
        request: Request<pb::AdvanceChoiceRequest>,
    ) -> Reply<pb::AdvanceChoiceResponse> {
        let (caller, wish): (_, convert::Advancing) = self.write(request).await?;
        let done = self.hub.advance_choice(&caller, wish.finding, wish.step).await;
        let receipt = Some(receipt_message("events", &done.map_err(status::of_hub)?));
        Ok(Response::new(pb::AdvanceChoiceResponse { receipt }))
    }

    async fn withdraw_objection(
        &self,
        request: Request<pb::WithdrawObjectionRequest>,
    ) -> Reply<pb::WithdrawObjectionResponse> {
        let (caller, taken): (_, convert::TakenObjection) = self.write(request).await?;
        let done = self.hub.withdraw_objection(&caller, taken.resident, taken.choice).await;
        let receipt = Some(receipt_message("events", &done.map_err(status::of_hub)?));
        Ok(Response::new(pb::WithdrawObjectionResponse { receipt }))
    }

    async fn lift_restriction(
        &self,
        request: Request<pb::LiftRestrictionRequest>,
    ) -> Reply<pb::LiftRestrictionResponse> {
        let (caller, finding): (_, crate::hub::Finding) = self.write(request).await?;
        let done = self.hub.lift_restriction(&caller, finding).await;
        let receipt = Some(receipt_message("events", &done.map_err(status::of_hub)?));
        Ok(Response::new(pb::LiftRestrictionResponse { receipt }))
    }

    async fn invalidate_consent(
        &self,
        request: Request<pb::InvalidateConsentRequest>,
    ) -> Reply<pb::InvalidateConsentResponse> {
        let (caller, finding): (_, crate::hub::Finding) = self.write(request).await?;
        let resident = finding.resident;
        let done = self.hub.invalidate_consent(&caller, finding).await;
        let (choice, receipt) = done.map_err(status::of_hub)?;
        Ok(Response::new(pb::InvalidateConsentResponse {
            choice: convert::choice_name(resident, choice),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }

    async fn set_restriction(
        &self,
        request: Request<pb::SetRestrictionRequest>,
    ) -> Reply<pb::SetRestrictionResponse> {
        let (caller, new): (_, crate::hub::NewRestriction) = self.write(request).await?;
        let resident = new.resident;
        let done = self.hub.set_restriction(&caller, new).await;
        let (choice, receipt) = done.map_err(status::of_hub)?;
        Ok(Response::new(pb::SetRestrictionResponse {
            choice: convert::choice_name(resident, choice),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }

    async fn get_consent_receipt(
        &self,
        request: Request<pb::GetConsentReceiptRequest>,
    ) -> Reply<pb::GetConsentReceiptResponse> {
        let (caller, wanted): (_, convert::WantedConsentReceipt) = self.open(request).await?;
        let convert::WantedConsentReceipt { resident, choice, cosigned } = wanted;
        let kept = self.hub.consent_receipt(&caller, resident, choice, cosigned).await;
        Ok(Response::new(convert::consent_receipt_message(kept.map_err(status::of_hub)?)))
    }

    async fn import_consents(
        &self,
        request: Request<pb::ImportConsentsRequest>,
    ) -> Reply<pb::ImportConsentsResponse> {
        let (caller, convert::Importing(said)) = self.write(request).await?;
        let done = self.hub.import_consents(&caller, said).await;
        let (choices, receipt) = done.map_err(status::of_hub)?;
        Ok(Response::new(convert::imported_response(&choices, &receipt)))
    }

    async fn export_consents(
        &self,
        request: Request<pb::ExportConsentsRequest>,
    ) -> Reply<pb::ExportConsentsResponse> {
        let rpc = "ExportConsents";
        let (caller, page, seal): (_, convert::ResidentPage, _) =
            self.open_page(request, rpc).await?;
        let (choices, receipt) =
            self.hub.export_consents(&caller, page.resident).await.map_err(status::of_hub)?;
        let mut response = convert::exported_response(&page, choices, &receipt);
        response.next_page_token = seal(response.next_page_token);
        Ok(Response::new(response))
    }

    async fn list_choices(
        &self,
        request: Request<pb::ListChoicesRequest>,
    ) -> Reply<pb::ListChoicesResponse> {
        let rpc = "ListChoices";
        let (caller, page, seal): (_, convert::ResidentPage, _) =
            self.open_page(request, rpc).await?;
        let listed = self.hub.list_choices(&caller, page.resident).await;
        let (choices, receipt) = listed.map_err(status::of_hub)?;
        let mut response = convert::list_response(&page, choices, &receipt);
        response.next_page_token = seal(response.next_page_token);
        Ok(Response::new(response))
    }

    async fn grant_proxy(
        &self,
        request: Request<pb::GrantProxyRequest>,
    ) -> Reply<pb::GrantProxyResponse> {
        let (caller, new): (_, crate::hub::NewProxy) = self.write(request).await?;
        let resident = new.resident;
        let done = self.hub.grant_proxy(&caller, new).await;
        let (proxy, receipt) = done.map_err(status::of_hub)?;
        Ok(Response::new(pb::GrantProxyResponse {
            proxy: convert::proxy_name(resident, proxy),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }

    async fn end_proxy(
        &self,
        request: Request<pb::EndProxyRequest>,
    ) -> Reply<pb::EndProxyResponse> {
        let (caller, end): (_, crate::hub::ProxyEnd) = self.write(request).await?;
        let done = self.hub.end_proxy(&caller, end).await;
        let receipt = Some(receipt_message("events", &done.map_err(status::of_hub)?));
        Ok(Response::new(pb::EndProxyResponse { receipt }))
    }

    async fn list_proxies(
        &self,
        request: Request<pb::ListProxiesRequest>,
    ) -> Reply<pb::ListProxiesResponse> {
        let rpc = "ListProxies";
        let (caller, page, seal): (_, convert::ProxyPage, _) = self.open_page(request, rpc).await?;
        let page = page.0;
        let listed = self.hub.list_proxies(&caller, page.resident, page.skip, page.size).await;
        let mut response = convert::proxies_response(&page, listed.map_err(status::of_hub)?);
        response.next_page_token = seal(response.next_page_token);
        Ok(Response::new(response))
    }
}
