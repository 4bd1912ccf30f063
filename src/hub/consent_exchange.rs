//! Consents in the words of others: FHIR R4 resources out, and in by the same checks as any consent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::choices::{NewConsent, checked, concerns};
use super::entry::fresh_id;
use super::new_choice::NewChoice;
use super::words::Words;
use super::{Hub, HubError, Violation};
use crate::audit::entry::{Facet, Kind};
use crate::auth::Caller;
use crate::consent::fhir::Said;
use crate::domain::{DecisionId, ResidentId};
use crate::limits;
use crate::store::{ChoiceEvent, Receipt, StoredChoice};

/// The word of the entry of an import.
const IMPORTED: &str = "consent-import";

/// What the entry of an import says. It is about nobody, and so names no resident: their own entries do.
#[derive(Serialize, Deserialize)]
struct Request {
    choices: Vec<DecisionId>,
}

impl Hub {
    /// Records consents as resources say them, whole or not at all.
    ///
    /// # Errors
    /// When one of them is not sound, with its number and path; or a resident is not to be known.
    pub async fn import_consents(
        &self,
        caller: &Caller,
        said: Vec<Said>,
    ) -> Result<(Vec<(ResidentId, DecisionId)>, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let call = self.call("weir.hub.v1.ChoiceService/ImportConsents", caller, &policy, at);
        let residents: Vec<ResidentId> = said.iter().map(|one| one.resident).collect();
        let mut wrong = Vec::new();
        let mut events = Vec::new();
        for (n, one) in said.into_iter().enumerate() {
            let resident = one.resident;
            let beside = self.require_visible(&call, &policy, resident).await?;
            let mut words = Words::of(policy.book());
            let mut event = checked(&beside, &mut words, "", new(one), at);
            beside.evidenced(&mut event, "by")?;
            match words.done() {
                Ok(()) => events.push((resident, beside, event)),
                Err(HubError::Invalid(found)) => {
                    wrong.extend(found.into_iter().map(|one| {
                        let path = path(one.field.trim_start_matches('.'));
                        Violation::new(format!("resources[{n}].{path}"), one.what)
                    }));
                }
                Err(other) => return Err(other),
            }
        }
        if !wrong.is_empty() {
            wrong.truncate(limits::VIOLATIONS_MAX);
            return Err(HubError::Invalid(wrong));
        }
        if let Some(done) = self.done_before(&call).await? {
            return imported_before(&residents, done);
        }
        let mut choices = Vec::new();
        for (resident, beside, event) in events {
            let id = fresh_id(at);
            choices.push(NewChoice::consent(&call, &beside, resident, id, event, None)?);
        }
        let named: Vec<_> = choices.iter().map(|one| (one.resident, one.id)).collect();
        let ids = named.iter().map(|(_, id)| *id).collect();
        let request = serde_json::to_value(Request { choices: ids });
        let request = request.map_err(|_| HubError::Broken)?;
        let facets = BTreeMap::from([
            (Facet::What, IMPORTED.to_owned()),
            (Facet::Count, named.len().to_string()),
        ]);
        let none = BTreeMap::new();
        let entry = call.entry(call.event(), Kind::Choice, facets, None, none, &request);
        let made = match self.record_several(&call, entry, choices).await? {
            Ok(receipts) => Ok((named, receipts.into_iter().next().ok_or(HubError::Broken)?)),
            Err(error) => Err(error),
        };
        self.once(&call, made, |done| imported_before(&residents, done)).await
    }

    /// Consent events of a resident that the caller's agency recorded or that name it, oldest first. The look-up
    /// is in the log before anything is read.
    ///
    /// # Errors
    /// When the resident is not to be known.
    pub async fn export_consents(
        &self,
        caller: &Caller,
        resident: ResidentId,
    ) -> Result<(Vec<StoredChoice>, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let call = self.call("weir.hub.v1.ChoiceService/ExportConsents", caller, &policy, at);
        let beside = self.require_staff(&call, &policy, resident).await?;
        let facets = BTreeMap::from([(Facet::What, "consents".to_owned())]);
        let (about, none) = (Some(resident), BTreeMap::new());
        let request = serde_json::json!({});
        let entry = call.entry(fresh_id(at), Kind::Query, facets, about, none, &request);
        let receipt = self.append_one(entry).await?;
        let mut choices = self.store.choices(resident).await?;
        if beside.is_closed() {
            return Err(HubError::NotFound);
        }
        choices.retain(|choice| {
            matches!(choice.event, ChoiceEvent::Consent(_)) && concerns(choice, caller.agency())
        });
        Ok((choices, receipt))
    }
}

/// What the same call imported earlier: its resources are the same, and so are their residents.
fn imported_before(
    residents: &[ResidentId],
    done: super::again::Done,
) -> Result<(Vec<(ResidentId, DecisionId)>, Receipt), HubError> {
    let request: Request = done.request().ok_or(HubError::Broken)?;
    Ok((residents.iter().copied().zip(request.choices).collect(), done.receipt))
}

fn new(said: Said) -> NewConsent {
    let Said {
        resident,
        kind,
        state,
        at,
        until,
        purposes,
        recipients,
        fields,
        by,
        evidence,
        gillick,
        freely_given,
        parts,
        notice,
        channel,
        assessment,
    } = said;
    NewConsent {
        resident,
        kind,
        state,
        at: Some(at),
        until: Some(until),
        purposes: purposes.into_iter().collect(),
        recipients: recipients.into_iter().collect(),
        fields,
        by,
        evidence,
        gillick,
        freely_given,
        parts: parts.into_iter().collect(),
        notice,
        channel,
        assessment,
        // A resource names nobody on record: what another than the resident said is recorded and counts for
        // nothing.
        proxy: None,
    }
}

/// Where a resource says what a field of a consent says.
fn path(field: &str) -> &'static str {
    let name = field.split(['[', '.']).next().unwrap_or_default();
    match name {
        "kind" => "category",
        "state" => "status",
        "event_time" => "dateTime",
        "until_date" => "provision.period.end",
        "purposes" => "provision.purpose",
        "recipients" => "provision.actor",
        "fields" => "provision.code",
        "notice" => "sourceReference",
        _ => "extension",
    }
}
