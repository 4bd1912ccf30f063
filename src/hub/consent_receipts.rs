//! The receipt of a consent event, to keep: its record, and the proof that this record was entered. Whoever has
//! the log's key checks both without the hub.

use std::collections::BTreeMap;

use super::entry::fresh_id;
use super::new_choice::RECORD;
use super::{Hub, HubError};
use crate::audit::entry::{Facet, Kind, SlotId};
use crate::audit::receipt::ProvenEntry;
use crate::auth::Caller;
use crate::domain::{ChoiceEvent, DecisionId, ResidentId};
use crate::store::Receipt;

/// What a person keeps: about whom it is and what was said, and not which member of staff wrote it down.
const KEPT: &[SlotId] = &[SlotId::Subject, SlotId::Request];

/// A record, and the proof that it was entered.
pub struct ConsentReceipt {
    /// The record; empty for an event of before there were any.
    pub record: String,
    /// The entry, with the slot that holds the record laid open.
    pub proven: ProvenEntry,
    /// The look-up's own entry.
    pub receipt: Receipt,
}

impl Hub {
    /// The receipt of a consent event that the caller's agency recorded or that names it. The look-up is in the
    /// log before anything is read. `cosigned`: under a head that a quorum of witnesses has signed.
    ///
    /// # Errors
    /// When there is no such event, it does not concern the caller's agency, or the resident is not to be
    /// known; [`HubError::NotCosigned`] when no such head covers it yet.
    pub async fn consent_receipt(
        &self,
        caller: &Caller,
        resident: ResidentId,
        choice: DecisionId,
        cosigned: bool,
    ) -> Result<ConsentReceipt, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let call = self.call("weir.hub.v1.ChoiceService/GetConsentReceipt", caller, &policy, at);
        let beside = self.require_staff(&call, &policy, resident).await?;
        let facets = BTreeMap::from([(Facet::What, "consent-receipt".to_owned())]);
        let request = serde_json::json!({ "choice": choice.to_string() });
        let (about, none) = (Some(resident), BTreeMap::new());
        let entry = call.entry(fresh_id(at), Kind::Query, facets, about, none, &request);
        let receipt = self.append_one(entry).await?;
        let stored = self.store.choices(resident).await?;
        if beside.is_closed() {
            return Err(HubError::NotFound);
        }
        let found = stored.iter().any(|stored| {
            stored.id == choice
                && matches!(stored.event, ChoiceEvent::Consent(_))
                && super::choices::concerns(stored, caller.agency())
        });
        if !found {
            return Err(HubError::NotFound);
        }
        let proven = self.store.proven(choice, KEPT).await?.ok_or(HubError::NotFound)?;
        let record = recorded_text(&proven);
        let proven = if cosigned { self.cosigned(proven).await? } else { proven };
        Ok(ConsentReceipt { record, proven, receipt })
    }
}

/// The record that the opened slot holds.
fn recorded_text(proven: &ProvenEntry) -> String {
    let slot = proven.slots.iter().find(|slot| slot.id == SlotId::Request);
    let request: Option<serde_json::Value> =
        slot.and_then(|slot| serde_json::from_slice(&slot.content).ok());
    let text = request.as_ref().and_then(|request| request.get(RECORD)?.as_str());
    text.unwrap_or_default().to_owned()
}
