//! Copies for residents, and receipts to verify.

use std::collections::BTreeMap;

use super::choice::choice_message;
use super::rights::{said, seen_message, told_message};
use super::{Check, Violations, receipt_message, time_message};
use crate::domain::DecisionId;
use crate::grpc::pb;
use crate::hub::{CopyPart, Draft, ListedChoice, ReviewingAccess, SettledAccess, Verified};

/// Most fields that one review names.
const ITEMS_MAX: usize = 500;
/// Longest text of a receipt that a message holds, in bytes.
const RECEIPT_LEN_MAX: usize = 60_000;

/// The request that a copy answers.
pub struct AccessRequest(pub DecisionId);

fn request_of(name: &str) -> Result<AccessRequest, Violations> {
    let mut check = Check::default();
    let request = check.event("request", "requests", name);
    check.done(request.map(AccessRequest))
}

impl TryFrom<pb::GetSubjectAccessRequest> for AccessRequest {
    type Error = Violations;

    fn try_from(message: pb::GetSubjectAccessRequest) -> Result<Self, Violations> {
        let pb::GetSubjectAccessRequest { request } = message;
        request_of(&request)
    }
}

impl TryFrom<pb::ExportSubjectAccessRequest> for AccessRequest {
    type Error = Violations;

    fn try_from(message: pb::ExportSubjectAccessRequest) -> Result<Self, Violations> {
        let pb::ExportSubjectAccessRequest { request } = message;
        request_of(&request)
    }
}

impl TryFrom<pb::ReviewSubjectAccessRequest> for ReviewingAccess {
    type Error = Violations;

    fn try_from(message: pb::ReviewSubjectAccessRequest) -> Result<Self, Violations> {
        let pb::ReviewSubjectAccessRequest { request, items, reason, request_id: _ } = message;
        let mut check = Check::default();
        let request = check.event("request", "requests", &request);
        let reason = said(&mut check, "reason", reason);
        if items.len() > ITEMS_MAX {
            check.wrong("items", format!("must be at most {ITEMS_MAX}"));
            return check.done(None);
        }
        let mut all = BTreeMap::new();
        for (n, item) in items.iter().enumerate() {
            let pb::SubjectAccessChoice { field, exemption } = item;
            let at = format!("items[{n}].field");
            let field = check.word(&at, field);
            let why = if exemption.is_empty() {
                None
            } else {
                check.word(&format!("items[{n}].exemption"), exemption)
            };
            if let Some(field) = field
                && all.insert(field, why).is_some()
            {
                check.wrong(&at, "is named twice");
            }
        }
        check.done(request.map(|request| Self { request, said: all, reason }))
    }
}

/// The text of a receipt.
pub struct ReceiptText(pub String);

impl TryFrom<pb::VerifyReceiptRequest> for ReceiptText {
    type Error = Violations;

    fn try_from(message: pb::VerifyReceiptRequest) -> Result<Self, Violations> {
        let pb::VerifyReceiptRequest { tlog_proof } = message;
        let mut check = Check::default();
        if tlog_proof.is_empty() || tlog_proof.len() > RECEIPT_LEN_MAX {
            let what = format!(
                "must be 1 to {RECEIPT_LEN_MAX} bytes; `weir audit check-receipt` takes longer ones"
            );
            check.wrong("tlog_proof", what);
        }
        check.done(Some(Self(tlog_proof)))
    }
}

/// What a reviewer sees.
#[must_use]
pub fn draft_response(draft: Draft) -> pb::GetSubjectAccessResponse {
    let Draft { items, receipt } = draft;
    let items = items.into_iter().map(|item| pb::SubjectAccessItem {
        field: item.field.to_string(),
        text: item.value.expose().to_owned(),
        exemption: item.left.map(String::from).unwrap_or_default(),
        reviewed: item.seen,
    });
    pb::GetSubjectAccessResponse {
        items: items.collect(),
        receipt: Some(receipt_message("events", &receipt)),
    }
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// What was settled.
#[must_use]
pub fn reviewed_access_response(settled: &SettledAccess) -> pb::ReviewSubjectAccessResponse {
    let SettledAccess { given, left, receipt } = settled;
    pb::ReviewSubjectAccessResponse {
        given_count: count(*given),
        left_count: count(*left),
        receipt: Some(receipt_message("events", receipt)),
    }
}

/// A part of a copy on the wire; `None` where there is nothing of it to say.
#[must_use]
pub fn part_message(part: CopyPart) -> Option<pb::ExportSubjectAccessResponse> {
    use pb::export_subject_access_response::Part;
    let part = match part {
        CopyPart::About { at, resident, notice } => {
            let notice = notice.map(told_message);
            let time = Some(time_message(at));
            Part::About(match resident {
                Some(one) => pb::SubjectAbout {
                    time,
                    name: one.name,
                    birth_date: one.born.map(|day| day.to_string()).unwrap_or_default(),
                    nhs_number: one.nhs_number.unwrap_or_default(),
                    nation: one.nation,
                    notice,
                },
                None => pb::SubjectAbout { time, notice, ..pb::SubjectAbout::default() },
            })
        }
        CopyPart::Value { holder, category, field, value, labels } => {
            Part::Value(pb::SubjectValue {
                holder: Some(told_message(holder)),
                category: Some(told_message(category)),
                field: field.to_string(),
                text: value.expose().to_owned(),
                labels: labels.into_iter().map(|label| label.as_str().to_owned()).collect(),
            })
        }
        CopyPart::LeftOut { holder, reason, law, categories } => {
            Part::LeftOut(pb::SubjectLeftOut {
                holder: Some(told_message(holder)),
                reason: Some(told_message(reason)),
                law,
                categories: categories.into_iter().map(told_message).collect(),
            })
        }
        CopyPart::Choice(resident, choice) => {
            Part::Choice(choice_message(resident, ListedChoice { choice: *choice, stand: None })?)
        }
        CopyPart::Released(release) => Part::Disclosure(seen_message(*release)),
        CopyPart::End { parts, receipt } => Part::End(pb::SubjectEnd {
            part_count: i64::try_from(parts).unwrap_or(i64::MAX),
            receipt: Some(receipt_message("events", &receipt)),
        }),
    };
    Some(pb::ExportSubjectAccessResponse { part: Some(part) })
}

/// What a receipt shows, or why it shows nothing.
#[must_use]
pub fn verified_response(verified: Result<Verified, String>) -> pb::VerifyReceiptResponse {
    match verified {
        Ok(Verified { index, size, committed_at, kind }) => pb::VerifyReceiptResponse {
            valid: true,
            problem: String::new(),
            entry_index: i64::try_from(index).unwrap_or(i64::MAX),
            commit_time: Some(time_message(committed_at)),
            kind: super::audit::kind_message(kind).into(),
            tree_size: i64::try_from(size).unwrap_or(i64::MAX),
        },
        Err(problem) => pb::VerifyReceiptResponse { problem, ..Default::default() },
    }
}
