//! What agencies are told of data that they gave or got.

use tonic::codegen::BoxStream;
use tonic::{Request, Response};

use super::{Desk, Reply};
use crate::grpc::convert::{
    NoticesPage, WantedWatch, notices_response, receipt_message, watch_response,
};
use crate::grpc::{pb, status};
use crate::hub::{Acknowledging, Heard};
use crate::limits;

#[tonic::async_trait]
impl pb::notice_service_server::NoticeService for Desk {
    type WatchDisclosuresStream = BoxStream<pb::WatchDisclosuresResponse>;

    async fn watch_disclosures(
        &self,
        request: Request<pb::WatchDisclosuresRequest>,
    ) -> Reply<Self::WatchDisclosuresStream> {
        let (caller, wish): (_, WantedWatch) = self.open(request).await?;
        let made = self.hub.watch_notices(caller, wish.cursor, wish.chosen, wish.once).await;
        let mut watch = made.map_err(status::of_hub)?;
        let end = tokio::time::Instant::now() + limits::NOTICE_WATCH;
        Ok(Response::new(Box::pin(async_stream::stream! {
            let mut left = wish.events;
            while left > 0 {
                // Out of time, nothing more, or the hub ends: all end the stream well.
                let Ok(next) = tokio::time::timeout_at(end, watch.next()).await else { break };
                match next {
                    Ok(Some(heard)) => {
                        left -= usize::from(heard.event.is_some());
                        yield Ok(watch_response(heard));
                    }
                    Ok(None) => break,
                    Err(error) => {
                        yield Err(status::of_hub(error));
                        return;
                    }
                }
            }
            yield Ok(watch_response(Heard { cursor: watch.cursor(), event: None }));
        })))
    }

    async fn list_notices(
        &self,
        request: Request<pb::ListNoticesRequest>,
    ) -> Reply<pb::ListNoticesResponse> {
        let (caller, page, seal): (_, NoticesPage, _) =
            self.open_page(request, "ListNotices").await?;
        let listed = self.hub.list_notices(&caller, page.0).await;
        let mut response = notices_response(listed.map_err(status::of_hub)?);
        response.next_page_token = seal(response.next_page_token);
        Ok(Response::new(response))
    }

    async fn acknowledge_notice(
        &self,
        request: Request<pb::AcknowledgeNoticeRequest>,
    ) -> Reply<pb::AcknowledgeNoticeResponse> {
        let (caller, wish): (_, Acknowledging) = self.write(request).await?;
        let receipt = self.hub.acknowledge_notice(&caller, wish).await.map_err(status::of_hub)?;
        let receipt = Some(receipt_message("events", &receipt));
        Ok(Response::new(pb::AcknowledgeNoticeResponse { receipt }))
    }
}
