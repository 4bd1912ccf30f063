//! Erasing a resident, and what keeps that from happening. Whether somebody is to be erased is a decision of
//! people; the hub wants to know whose, and on what ground.

use std::collections::BTreeMap;

use super::entry::{fresh_id, subject};
use super::{Hub, HubError, Violation};
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::domain::ResidentId;
use crate::limits::AUTHORITY_LEN_MAX;
use crate::store::{Erased, Receipt};

/// On whose word, and why.
#[derive(Clone)]
pub struct Authority {
    /// The reference of who decided, such as `DPO-2026-17`.
    pub reference: String,
    /// The legal basis and the reason, in their words.
    pub because: String,
}

impl Hub {
    /// Erases a resident: identity, records, links, choices and facts are deleted, and what the log holds
    /// about them can be read no more, anywhere. The log itself stays as it is, and verifies. Cannot be
    /// taken back.
    ///
    /// # Errors
    /// [`HubError::Held`] while a legal hold is on the resident; [`HubError::NotFound`] when nobody is
    /// registered so; [`HubError::Invalid`] without an authority and a reason.
    pub async fn erase_resident(
        &self,
        rpc: &'static str,
        resident: ResidentId,
        authority: Authority,
    ) -> Result<Erased, HubError> {
        // Under the hub's own key: what the resident's opens goes with them.
        let entry = self.about_erasing(rpc, "resident", None, &authority)?;
        Ok(self.store.erase(resident, entry).await?)
    }

    /// Keeps a resident from being erased until the hold with this reference is lifted.
    ///
    /// # Errors
    /// [`HubError::NotFound`] when nobody is registered so; [`HubError::Invalid`] without an authority and
    /// a reason.
    pub async fn place_hold(
        &self,
        rpc: &'static str,
        resident: ResidentId,
        authority: Authority,
    ) -> Result<Receipt, HubError> {
        let entry = self.about_erasing(rpc, "hold-placed", Some(resident), &authority)?;
        Ok(self.store.place_hold(resident, authority.reference, entry).await?)
    }

    /// Lifts a hold.
    ///
    /// # Errors
    /// [`HubError::NotFound`] when there is none with this reference; [`HubError::Invalid`] without a reason.
    pub async fn lift_hold(
        &self,
        rpc: &'static str,
        resident: ResidentId,
        authority: Authority,
    ) -> Result<Receipt, HubError> {
        let entry = self.about_erasing(rpc, "hold-lifted", Some(resident), &authority)?;
        Ok(self.store.lift_hold(resident, authority.reference, entry).await?)
    }

    fn about_erasing(
        &self,
        rpc: &'static str,
        what: &str,
        about: Option<ResidentId>,
        authority: &Authority,
    ) -> Result<Entry, HubError> {
        let mut wrong = Vec::new();
        for (field, text) in [("authority", &authority.reference), ("because", &authority.because)]
        {
            if text.trim().is_empty() {
                wrong.push(Violation::new(field, "must say something"));
            } else if text.len() > AUTHORITY_LEN_MAX {
                wrong.push(Violation::new(field, "is too long"));
            }
        }
        if !wrong.is_empty() {
            return Err(HubError::Invalid(wrong));
        }
        let said = serde_json::json!({
            "authority": authority.reference, "because": authority.because,
        });
        let facets = BTreeMap::from([(Facet::What, what.to_owned())]);
        let slots = BTreeMap::from([
            (SlotId::Subject, subject(about)),
            (SlotId::Asker, said.to_string().into_bytes()),
            (SlotId::Request, Vec::new()),
        ]);
        let event = fresh_id(self.clock.now());
        Ok(Entry { slots, ..Entry::of_hub(event, Kind::Erase, rpc, facets) })
    }
}
