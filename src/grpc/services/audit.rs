//! The log, for auditors.

use tonic::codegen::BoxStream;
use tonic::{Request, Response};

use super::{Desk, Reply};
use crate::grpc::convert::{self, receipt_message};
use crate::grpc::{pb, status};
use crate::hub::HubError;
use crate::limits;
use crate::store::PublishedHead;

#[tonic::async_trait]
impl pb::audit_service_server::AuditService for Desk {
    type WatchHeadsStream = BoxStream<pb::WatchHeadsResponse>;

    async fn watch_heads(
        &self,
        request: Request<pb::WatchHeadsRequest>,
    ) -> Reply<Self::WatchHeadsStream> {
        let (caller, convert::WantedHeads(after, heads)) = self.open(request).await?;
        let mut watch = self.hub.watch_heads(&caller, after).await.map_err(status::of_hub)?;
        let end = tokio::time::Instant::now() + limits::HEAD_WATCH;
        Ok(Response::new(Box::pin(async_stream::stream! {
            for _ in 0..heads {
                let Ok(next) = tokio::time::timeout_at(end, watch.next()).await else { return };
                match next {
                    Ok(Some(PublishedHead { size, note })) => {
                        yield Ok(pb::WatchHeadsResponse { tree_size: size, note });
                    }
                    Ok(None) => return,
                    Err(error) => {
                        yield Err(status::of_hub(error));
                        return;
                    }
                }
            }
        })))
    }

    type ExportEntriesStream = BoxStream<pb::ExportEntriesResponse>;

    async fn export_entries(
        &self,
        request: Request<pb::ExportEntriesRequest>,
    ) -> Reply<Self::ExportEntriesStream> {
        let (caller, convert::WantedExport { query, formats, open }) = self.open(request).await?;
        let made = self.hub.export_entries(caller, query, formats, open).await;
        let mut made = made.map_err(status::of_hub)?;
        let end = tokio::time::Instant::now() + limits::EXPORT_TIME;
        Ok(Response::new(Box::pin(async_stream::stream! {
            loop {
                let Ok(next) = tokio::time::timeout_at(end, made.next()).await else {
                    yield Err(status::of_hub(HubError::TooMuch));
                    return;
                };
                match next {
                    Ok(Some(piece)) => {
                        for message in convert::export_messages(piece) {
                            yield Ok(message);
                        }
                    }
                    Ok(None) => return,
                    Err(error) => {
                        yield Err(status::of_hub(error));
                        return;
                    }
                }
            }
        })))
    }

    async fn search_entries(
        &self,
        request: Request<pb::SearchEntriesRequest>,
    ) -> Reply<pb::SearchEntriesResponse> {
        let rpc = "SearchEntries";
        let (caller, sought, seal): (_, convert::Sought, _) = self.open_page(request, rpc).await?;
        let looked = self.hub.search_entries(&caller, sought.query).await;
        let mut response = convert::search_response(looked.map_err(status::of_hub)?, &sought.key);
        response.next_page_token = seal(response.next_page_token);
        Ok(Response::new(response))
    }

    async fn get_entry(
        &self,
        request: Request<pb::GetEntryRequest>,
    ) -> Reply<pb::GetEntryResponse> {
        let (caller, convert::EntryIndex(index, access)) = self.open(request).await?;
        let found = self.hub.entry(&caller, index, access).await;
        let (stored, details, receipt) = found.map_err(status::of_hub)?;
        Ok(Response::new(pb::GetEntryResponse {
            entry: Some(convert::entry_message(stored, details)),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }

    async fn get_checkpoint(
        &self,
        request: Request<pb::GetCheckpointRequest>,
    ) -> Reply<pb::GetCheckpointResponse> {
        let caller = self.prove(&request).await?;
        let head = self.hub.checkpoint(&caller).await.map_err(status::of_hub)?;
        Ok(Response::new(pb::GetCheckpointResponse {
            tree_size: head.size,
            root_hash: head.root.to_vec(),
            note: head.note,
        }))
    }

    async fn answer_question(
        &self,
        request: Request<pb::AnswerQuestionRequest>,
    ) -> Reply<pb::AnswerQuestionResponse> {
        let (caller, convert::Asked { question, told, access }) = self.open(request).await?;
        let answered = self.hub.answer_question(&caller, question, told, access).await;
        let (answered, receipt) = answered.map_err(status::of_hub)?;
        Ok(Response::new(convert::answered_response(answered, &receipt)))
    }

    async fn list_non_disclosures(
        &self,
        request: Request<pb::ListNonDisclosuresRequest>,
    ) -> Reply<pb::ListNonDisclosuresResponse> {
        let rpc = "ListNonDisclosures";
        let (caller, wanted, seal): (_, convert::Registering, _) =
            self.open_page(request, rpc).await?;
        let listed = self.hub.list_non_disclosures(&caller, wanted.query).await;
        let (listed, receipt) = listed.map_err(status::of_hub)?;
        let mut response = convert::register_response(listed, &wanted.key, &receipt);
        response.next_page_token = seal(response.next_page_token);
        Ok(Response::new(response))
    }

    async fn get_non_disclosure_figures(
        &self,
        request: Request<pb::GetNonDisclosureFiguresRequest>,
    ) -> Reply<pb::GetNonDisclosureFiguresResponse> {
        let (caller, convert::Figuring(query)) = self.open(request).await?;
        let figures = self.hub.non_disclosure_figures(&caller, query).await;
        let (figures, receipt) = figures.map_err(status::of_hub)?;
        Ok(Response::new(convert::register_figures_response(figures, &receipt)))
    }

    async fn request_audit_access(
        &self,
        request: Request<pb::RequestAuditAccessRequest>,
    ) -> Reply<pb::RequestAuditAccessResponse> {
        let (caller, convert::AccessReason(reason)) = self.open(request).await?;
        let asked = self.hub.request_audit_access(&caller, reason).await;
        let (id, receipt) = asked.map_err(status::of_hub)?;
        Ok(Response::new(pb::RequestAuditAccessResponse {
            name: format!("auditAccesses/{id}"),
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }

    async fn approve_audit_access(
        &self,
        request: Request<pb::ApproveAuditAccessRequest>,
    ) -> Reply<pb::ApproveAuditAccessResponse> {
        let (caller, convert::AccessName(id)) = self.open(request).await?;
        let signed = self.hub.approve_audit_access(&caller, id).await.map_err(status::of_hub)?;
        Ok(Response::new(pb::ApproveAuditAccessResponse {
            agency: convert::agency_name(&signed.agency),
            reason: signed.reason,
            expire_time: Some(convert::time_message(signed.until)),
            receipt: Some(receipt_message("events", &signed.receipt)),
        }))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<pb::GetInclusionProofRequest>,
    ) -> Reply<pb::GetInclusionProofResponse> {
        let (caller, convert::WantedInclusion(index, size)) = self.open(request).await?;
        let proof = self.hub.inclusion_proof(&caller, index, size).await;
        Ok(Response::new(convert::inclusion_message(proof.map_err(status::of_hub)?)))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<pb::GetConsistencyProofRequest>,
    ) -> Reply<pb::GetConsistencyProofResponse> {
        let (caller, convert::WantedConsistency(from, to)) = self.open(request).await?;
        let proof = self.hub.consistency_proof(&caller, from, to).await;
        Ok(Response::new(convert::consistency_message(proof.map_err(status::of_hub)?)))
    }

    async fn get_tile(&self, request: Request<pb::GetTileRequest>) -> Reply<pb::GetTileResponse> {
        let (caller, convert::WantedTile(id, width)) = self.open(request).await?;
        let hashes = self.hub.tile(&caller, id, width).await;
        Ok(Response::new(convert::tile_message(&hashes.map_err(status::of_hub)?)))
    }

    async fn get_receipt(
        &self,
        request: Request<pb::GetReceiptRequest>,
    ) -> Reply<pb::GetReceiptResponse> {
        let (caller, convert::WantedReceipt(event, cosigned)) = self.open(request).await?;
        let proven = self.hub.entry_receipt(&caller, event, cosigned).await;
        let (proven, receipt) = proven.map_err(status::of_hub)?;
        Ok(Response::new(convert::proven_message(&proven, &receipt)))
    }
}
