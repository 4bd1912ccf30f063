//! Holders' extracts.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use prost::Message;

use tonic::{Request, Response, Status, Streaming};

use super::{Desk, Reply, key_of};
use crate::auth::RequestKey;
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
        let (extract, key) = collect(request.into_inner()).await?;
        let caller = caller.under(key);
        let published = self.hub.publish_records(&caller, extract).await;
        let published = published.map_err(status::of_hub)?;
        Ok(Response::new(convert::publish_response(published)))
    }

    async fn retract_records(
        &self,
        request: Request<pb::RetractRecordsRequest>,
    ) -> Reply<pb::RetractRecordsResponse> {
        let (caller, wanted): (_, convert::Retraction) = self.write(request).await?;
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
        let rpc = "ListHeldRecords";
        let (caller, page, seal): (_, convert::Page, _) = self.open_page(request, rpc).await?;
        let convert::Page { category, size, after } = page;
        let of = category.clone();
        let held = self.hub.held_records(&caller, category, after, size).await;
        let (held, more) = held.map_err(status::of_hub)?;
        let mut response = convert::held_response(held, more, of.as_ref());
        response.next_page_token = seal(response.next_page_token);
        Ok(Response::new(response))
    }
}

/// Reads a whole publishing stream, within bounds.
async fn collect(
    mut stream: Streaming<pb::PublishRecordsRequest>,
) -> Result<(Extract, Option<RequestKey>), Status> {
    let wrong = |field: String, what: &str| status::invalid(vec![Violation::new(field, what)]);
    let Some(first) = next(&mut stream).await? else {
        return Err(wrong("header".to_owned(), "must come first"));
    };
    let request_id = match &first.part {
        Some(pb::publish_records_request::Part::Header(header)) => header.request_id.clone(),
        Some(pb::publish_records_request::Part::Row(_)) | None => String::new(),
    };
    // Over all messages of the stream, each with its length.
    let mut messages = digest::Context::new(&digest::SHA256);
    messages.update(&first.encode_length_delimited_to_vec());
    let header = convert::read_header(first);
    let convert::Header(category, expires) = header.map_err(|wrong| status::invalid(wrong.0))?;
    let mut rows = Vec::new();
    let mut seen = BTreeSet::new();
    let mut len = 0_usize;
    while let Some(message) = next(&mut stream).await? {
        let n = rows.len();
        messages.update(&message.encode_length_delimited_to_vec());
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
    let key = key_of(&request_id, messages.finish().as_ref())?;
    Ok((Extract { category, expires, rows }, key))
}

/// The next message of a stream; the next must not be long in coming.
async fn next(
    stream: &mut Streaming<pb::PublishRecordsRequest>,
) -> Result<Option<pb::PublishRecordsRequest>, Status> {
    let in_time = tokio::time::timeout(limits::CALL_DEADLINE, stream.message()).await;
    in_time.map_err(|_| status::refuse(status::Reason::DeadlineExceeded))?
}
