//! Extracts, and pages of what is held.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use super::{Check, Violations, receipt_message, time_message};
use crate::domain::{CategoryId, FieldValue, ResidentId};
use crate::grpc::pb;
use crate::hub::{ExtractRow, Published};
use crate::limits;
use crate::store::HeldRecord;

/// The header of an extract.
#[derive(Debug)]
pub struct Header(pub CategoryId, pub Timestamp);

/// Reads the first message of a publishing stream.
///
/// # Errors
/// When it is no sound header.
pub fn read_header(message: pb::PublishRecordsRequest) -> Result<Header, Violations> {
    let pb::PublishRecordsRequest { part } = message;
    let mut check = Check::default();
    let header = match part {
        Some(pb::publish_records_request::Part::Header(header)) => {
            let pb::PublishHeader { category, expire_time, request_id: _ } = header;
            let category = check.word("header.category", &category);
            if expire_time.is_none() {
                check.wrong("header.expire_time", "is required");
            }
            let expires = check.time("header.expire_time", expire_time);
            category.zip(expires).map(|(category, expires)| Header(category, expires))
        }
        Some(pb::publish_records_request::Part::Row(_)) | None => {
            check.wrong("header", "must come first");
            None
        }
    };
    check.done(header)
}

/// Reads a later message of a publishing stream; `n` counts rows from 0.
///
/// # Errors
/// When it is no sound row.
pub fn read_row(message: pb::PublishRecordsRequest, n: usize) -> Result<ExtractRow, Violations> {
    let pb::PublishRecordsRequest { part } = message;
    let mut check = Check::default();
    let Some(pb::publish_records_request::Part::Row(row)) = part else {
        check.wrong(&format!("rows[{n}]"), "must be a row");
        return check.done(None);
    };
    let pb::PublishRow { local_id, values } = row;
    let local_id = check.local_id(&format!("rows[{n}].local_id"), local_id);
    let at = format!("rows[{n}].values");
    check.count(&at, values.len(), 1, limits::FIELDS_MAX);
    let mut read = Vec::with_capacity(values.len().min(limits::FIELDS_MAX));
    for pb::FieldText { field, text, labels } in values.into_iter().take(limits::FIELDS_MAX) {
        let field = check.word(&at, &field);
        if !labels.is_empty() {
            check.wrong(&at, "labels are only for answers");
        }
        let value = FieldValue::new(text);
        if value.is_none() {
            check.wrong(
                &at,
                format!("a value is blank or longer than {} bytes", FieldValue::LEN_MAX),
            );
        }
        read.extend(field.zip(value));
    }
    let mut seen = std::collections::BTreeSet::new();
    if !read.iter().all(|(field, _)| seen.insert(field)) {
        check.wrong(&at, "a field is there twice");
    }
    let row = ExtractRow { local_id, values: read };
    check.done(Some(row))
}

/// What happened to an extract.
#[must_use]
pub fn publish_response(published: Published) -> pb::PublishRecordsResponse {
    let Published { report, receipt } = published;
    pb::PublishRecordsResponse {
        stored_count: report.stored,
        unlinked_rows: report.unlinked,
        receipt: receipt.map(|receipt| receipt_message("events", &receipt)),
    }
}

/// Records to take back.
pub struct Retraction {
    /// The category.
    pub category: CategoryId,
    /// The holder's own ids.
    pub local_ids: Vec<String>,
}

impl TryFrom<pb::RetractRecordsRequest> for Retraction {
    type Error = Violations;

    fn try_from(message: pb::RetractRecordsRequest) -> Result<Self, Violations> {
        let pb::RetractRecordsRequest { category, local_ids, request_id: _ } = message;
        let mut check = Check::default();
        if !check.count("local_ids", local_ids.len(), 1, limits::PAGE_MAX) {
            return check.done(None);
        }
        let category = check.word("category", &category);
        let local_ids = local_ids
            .into_iter()
            .enumerate()
            .map(|(n, id)| check.local_id(&format!("local_ids[{n}]"), id))
            .collect();
        let retraction = category.map(|category| Self { category, local_ids });
        check.done(retraction)
    }
}

/// A page of what is held.
pub struct Page {
    /// The category; `None`: all.
    pub category: Option<CategoryId>,
    /// At most so many.
    pub size: usize,
    /// After this one.
    pub after: Option<(CategoryId, String)>,
}

impl TryFrom<pb::ListHeldRecordsRequest> for Page {
    type Error = Violations;

    fn try_from(message: pb::ListHeldRecordsRequest) -> Result<Self, Violations> {
        let pb::ListHeldRecordsRequest { category, page_size, page_token } = message;
        let mut check = Check::default();
        let size = check.page_size(page_size);
        let after = read_token(&mut check, &page_token, &category);
        let category = check.maybe_word("category", &category);
        check.done(Some(Self { category, size, after }))
    }
}

/// A page of what is held, on the wire.
#[must_use]
pub fn held_response(
    held: Vec<HeldRecord>,
    more: bool,
    category: Option<&CategoryId>,
) -> pb::ListHeldRecordsResponse {
    let last = held.last().filter(|_| more);
    let query = category.map(CategoryId::as_str).unwrap_or_default();
    let next_page_token =
        last.map(|last| token(&(&last.category, &last.local_id), query)).unwrap_or_default();
    let records = held
        .into_iter()
        .map(|record| pb::HeldRecord {
            local_id: record.local_id,
            category: record.category.into(),
            publish_time: Some(time_message(record.published_at)),
            expire_time: Some(time_message(record.expires_at)),
        })
        .collect();
    pb::ListHeldRecordsResponse { records, next_page_token }
}

/// A page of a resident's choices.
pub struct ResidentPage {
    /// Whose.
    pub resident: ResidentId,
    /// At most so many.
    pub size: usize,
    /// Skip so many.
    pub skip: usize,
}

/// A short digest of a question: tokens stay short and repeat nothing of it.
pub(super) fn key_of(asked: &impl Serialize) -> String {
    let all = serde_json::to_vec(asked).unwrap_or_default();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &all);
    hex::encode(digest.as_ref()).chars().take(16).collect()
}

/// A page token: a position, tied to the question. It is no secret and opens nothing: the answer to
/// a forged one is still cut to what the caller may see.
pub fn token(position: &impl Serialize, query: &str) -> String {
    let json = serde_json::to_vec(&(position, query)).unwrap_or_default();
    BASE64.encode(json)
}

/// The position of a page token; `None` on the first page, and when the token is wrong.
pub fn read_token<T: DeserializeOwned>(check: &mut Check, token: &str, query: &str) -> Option<T> {
    if token.is_empty() {
        return None;
    }
    let read = (token.len() <= limits::PAGE_TOKEN_LEN_MAX)
        .then(|| BASE64.decode(token).ok())
        .flatten()
        .and_then(|json| serde_json::from_slice::<(T, String)>(&json).ok())
        .filter(|(_, of)| of == query)
        .map(|(position, _)| position);
    if read.is_none() {
        check.wrong("page_token", "does not belong to this question");
    }
    read
}
