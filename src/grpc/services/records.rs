//! Holders' extracts.

use std::collections::BTreeSet;

use tonic::{Request, Response, Status, Streaming};

use super::{Desk, Reply};
use crate::grpc::convert::{self, receipt_message};
use crate::grpc::{pb, status};
use crate::hub::{Extract, Violation};
use crate::limits;

#[tonic::async_trait]
impl pb::record_service_server::RecordService for Desk {
    async fn publish_records(
        &self,
        request: Request<Streaming<pb::PublishRecordsRequest>>,
    ) -> Reply<pb::PublishRecordsResponse> {
        let caller = self.prove(&request).await?;
        let allowed = self.hub.may_publish(&caller).await;
        allowed.map_err(status::of_hub)?;
        let extract = collect(request.into_inner()).await?;
        let published = self.hub.publish_records(&caller, extract).await;
        let published = published.map_err(status::of_hub)?;
        Ok(Response::new(convert::publish_response(published)))
    }

    async fn retract_records(
        &self,
        request: Request<pb::RetractRecordsRequest>,
    ) -> Reply<pb::RetractRecordsResponse> {
        let (caller, wanted): (_, convert::Retraction) = self.open(request).await?;
        let convert::Retraction { category, local_ids } = wanted;
        let done = self.hub.retract_records(&caller, category, local_ids).await;
        let (retracted_count, receipt) = done.map_err(status::of_hub)?;
        Ok(Response::new(pb::RetractRecordsResponse {
            retracted_count,
            receipt: Some(receipt_message("events", &receipt)),
        }))
    }

    async fn list_held_records(
        &self,
        request: Request<pb::ListHeldRecordsRequest>,
    ) -> Reply<pb::ListHeldRecordsResponse> {
        let (caller, page): (_, convert::Page) = self.open(request).await?;
        let convert::Page { category, size, after } = page;
        let of = category.clone();
        let held = self.hub.held_records(&caller, category, after, size).await;
        let (held, more) = held.map_err(status::of_hub)?;
        let response = convert::held_response(held, more, of.as_ref());
        Ok(Response::new(response))
    }
}

/// Reads a whole publishing stream, within bounds.
async fn collect(mut stream: Streaming<pb::PublishRecordsRequest>) -> Result<Extract, Status> {
    let wrong = |field: String, what: &str| status::invalid(vec![Violation::new(field, what)]);
    let Some(first) = next(&mut stream).await? else {
        return Err(wrong("header".to_owned(), "must come first"));
    };
    let header = convert::read_header(first);
    let convert::Header(category, expires) = header.map_err(|wrong| status::invalid(wrong.0))?;
    let mut rows = Vec::new();
    let mut seen = BTreeSet::new();
    let mut len = 0_usize;
    while let Some(message) = next(&mut stream).await? {
        let n = rows.len();
        let row = convert::read_row(message, n).map_err(|wrong| status::invalid(wrong.0))?;
        len = row.values.iter().fold(len, |sum, (_, v)| sum.saturating_add(v.expose().len()));
        if n >= limits::PUBLISH_ROWS_MAX || len > limits::PUBLISH_LEN_MAX {
            return Err(status::refuse(status::Reason::TooMuch));
        }
        if !seen.insert(row.local_id.clone()) {
            return Err(wrong(format!("rows[{n}].local_id"), "is there twice"));
        }
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(wrong("rows".to_owned(), "must have at least one"));
    }
    Ok(Extract { category, expires, rows })
}

/// The next message of a stream; the next must not be long in coming.
async fn next(
    stream: &mut Streaming<pb::PublishRecordsRequest>,
) -> Result<Option<pb::PublishRecordsRequest>, Status> {
    let in_time = tokio::time::timeout(limits::CALL_DEADLINE, stream.message()).await;
    in_time.map_err(|_| status::refuse(status::Reason::DeadlineExceeded))?
}
