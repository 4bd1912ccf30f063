//! What is put right, and what is erased.

use std::collections::BTreeMap;

use super::rights::said;
use super::{Check, Violations, receipt_message};
use crate::domain::{FieldId, FieldValue};
use crate::grpc::pb;
use crate::hub::{Correction, Erasure, Rectified};

/// Most fields of one correction.
const VALUES_MAX: usize = 200;

impl TryFrom<pb::RectifyRecordRequest> for Correction {
    type Error = Violations;

    fn try_from(message: pb::RectifyRecordRequest) -> Result<Self, Violations> {
        let pb::RectifyRecordRequest {
            request,
            local_id,
            category,
            values,
            expire_time,
            reason,
            request_id: _,
        } = message;
        let mut check = Check::default();
        let request =
            if request.is_empty() { None } else { check.event("request", "requests", &request) };
        let local_id = check.local_id("local_id", local_id);
        let category = check.word("category", &category);
        let reason = said(&mut check, "reason", reason);
        let expires = check.time("expire_time", expire_time);
        if expires.is_none() {
            check.wrong("expire_time", "is needed");
        }
        if values.is_empty() || values.len() > VALUES_MAX {
            check.wrong("values", format!("must be 1 to {VALUES_MAX}"));
            return check.done(None);
        }
        let mut all: BTreeMap<FieldId, Option<FieldValue>> = BTreeMap::new();
        for (n, pb::FieldCorrection { field, text }) in values.into_iter().enumerate() {
            let at = format!("values[{n}].field");
            let gone = text.is_empty();
            let value = FieldValue::new(text);
            if value.is_none() && !gone {
                let what = format!("must not be blank, and at most {} bytes", FieldValue::LEN_MAX);
                check.wrong(&format!("values[{n}].text"), what);
            }
            if let Some(field) = check.word(&at, &field)
                && all.insert(field, value).is_some()
            {
                check.wrong(&at, "is named twice");
            }
        }
        let both = category.zip(expires);
        check.done(both.map(|(category, expires)| Self {
            request,
            local_id,
            category,
            values: all,
            expires,
            reason,
        }))
    }
}

impl TryFrom<pb::EraseResidentRequest> for Erasure {
    type Error = Violations;

    fn try_from(message: pb::EraseResidentRequest) -> Result<Self, Violations> {
        let pb::EraseResidentRequest { request, exemption, text, request_id: _ } = message;
        let mut check = Check::default();
        let request = check.event("request", "requests", &request);
        let kept_for =
            if exemption.is_empty() { None } else { check.word("exemption", &exemption) };
        let text = said(&mut check, "text", text);
        check.done(request.map(|request| Self { request, kept_for, text }))
    }
}

/// How many are told, and the proof.
#[must_use]
pub fn rectified_parts(done: &Rectified) -> (i32, Option<pb::Receipt>) {
    let Rectified { told, receipt } = done;
    (i32::try_from(*told).unwrap_or(i32::MAX), Some(receipt_message("events", receipt)))
}
