//! Consents as FHIR resources, a line each.

use super::choice::choice_name;
use super::record::{ResidentPage, read_token, token};
use super::{Check, Violations, receipt_message, resident_name};
use crate::consent::fhir::{self, Said};
use crate::domain::{ChoiceEvent, DecisionId, ResidentId};
use crate::grpc::pb;
use crate::limits;
use crate::store::{Receipt, StoredChoice};

/// Consents to import.
pub struct Importing(pub Vec<Said>);

impl TryFrom<pb::ImportConsentsRequest> for Importing {
    type Error = Violations;

    fn try_from(message: pb::ImportConsentsRequest) -> Result<Self, Violations> {
        let pb::ImportConsentsRequest { ndjson, request_id: _ } = message;
        let mut check = Check::default();
        let lines: Vec<&str> = ndjson.lines().filter(|line| !line.trim().is_empty()).collect();
        if !check.count("ndjson", lines.len(), 1, limits::CONSENTS_IMPORTED_MAX) {
            return check.done(None);
        }
        let mut all = Vec::with_capacity(lines.len());
        for (n, line) in lines.into_iter().enumerate() {
            let Ok(value) = serde_json::from_str(line) else {
                check.wrong(&format!("resources[{n}]"), "is no JSON on one line");
                continue;
            };
            match fhir::resource(&value) {
                Ok(said) => all.push(said),
                Err(problems) => {
                    for one in problems {
                        check.wrong(&format!("resources[{n}].{}", one.path), one.what);
                    }
                }
            }
        }
        check.done(Some(Self(all)))
    }
}

/// What was imported, on the wire.
#[must_use]
pub fn imported_response(
    choices: &[(ResidentId, DecisionId)],
    receipt: &Receipt,
) -> pb::ImportConsentsResponse {
    pb::ImportConsentsResponse {
        choices: choices.iter().map(|(of, id)| choice_name(*of, *id)).collect(),
        receipt: Some(receipt_message("events", receipt)),
    }
}

impl TryFrom<pb::ExportConsentsRequest> for ResidentPage {
    type Error = Violations;

    fn try_from(message: pb::ExportConsentsRequest) -> Result<Self, Violations> {
        let pb::ExportConsentsRequest { resident, page_size, page_token } = message;
        let mut check = Check::default();
        let size = check.page_size(page_size);
        let skip = read_token(&mut check, &page_token, &resident).unwrap_or(0);
        let resident = check.resident("resident", &resident);
        check.done(resident.map(|resident| Self { resident, size, skip }))
    }
}

/// A page of consents as resources.
#[must_use]
pub fn exported_response(
    page: &ResidentPage,
    choices: Vec<StoredChoice>,
    receipt: &Receipt,
) -> pb::ExportConsentsResponse {
    let next = page.skip.saturating_add(page.size);
    let next_page_token = if choices.len() > next {
        token(&next, &resident_name(page.resident))
    } else {
        String::new()
    };
    let (mut ndjson, mut left_out) = (String::new(), Vec::new());
    for StoredChoice { id, event, .. } in choices.into_iter().skip(page.skip).take(page.size) {
        let resource = match &event {
            ChoiceEvent::Consent(consent) => fhir::write(id, page.resident, consent),
            ChoiceEvent::Choice(_) | ChoiceEvent::Decided { .. } | ChoiceEvent::Lifted { .. } => {
                None
            }
        };
        match resource {
            Some(resource) => {
                ndjson.push_str(&resource.to_string());
                ndjson.push('\n');
            }
            None => left_out.push(choice_name(page.resident, id)),
        }
    }
    pb::ExportConsentsResponse {
        ndjson,
        left_out,
        next_page_token,
        receipt: Some(receipt_message("events", receipt)),
    }
}
