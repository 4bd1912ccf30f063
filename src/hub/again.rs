//! Calls that may be repeated (AIP-155). The event of a call with a request id is derived from the caller, the
//! call and that id; the log, which refuses an event that it has, is the memory: across restarts, and
//! without a second table. What the first call said is read from its entry.
//!
//! A writing use case asks [`Hub::done_before`] once it knows that the caller may act, names its entry by
//! [`Call::event`](super::entry::Call::event), and hands what the store says to [`Hub::once`].

use jiff::Timestamp;
use uuid::Uuid;

use super::entry::{Asker, Call, MESSAGE};
use super::{Hub, HubError};
use crate::audit::entry::{Entry, Facet, SlotId};
use crate::auth::RequestKey;
use crate::domain::{DecisionId, ResidentId};
use crate::store::{Receipt, Refusal, StoreError};

/// What the first call did.
pub(super) struct Done {
    /// Its receipt, under the newest head.
    pub receipt: Receipt,
    /// Its entry.
    pub entry: Entry,
}

impl Done {
    /// A time that the first call settled, from its recorded request.
    pub(super) fn time(&self, pointer: &str) -> Option<Timestamp> {
        self.word(pointer)?.parse().ok()
    }

    /// Whether the first call raised the alarm of a duty.
    pub(super) fn alarm(&self) -> bool {
        self.entry.facets.contains_key(&Facet::Alarm)
    }

    /// The event of another entry of the first call, from its recorded request.
    pub(super) fn event(&self, pointer: &str) -> Option<DecisionId> {
        self.word(pointer)?.parse().ok()
    }

    /// What the request slot of its entry says.
    pub(super) fn request<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(self.entry.slots.get(&SlotId::Request)?).ok()
    }

    fn word(&self, pointer: &str) -> Option<String> {
        let request = self.entry.slots.get(&SlotId::Request)?;
        let request: serde_json::Value = serde_json::from_slice(request).ok()?;
        Some(request.pointer(pointer)?.as_str()?.to_owned())
    }

    /// The resident that the entry is about.
    pub(super) fn resident(&self) -> Result<ResidentId, HubError> {
        let slot = self.entry.slots.get(&SlotId::Subject).ok_or(HubError::Broken)?;
        let id = Uuid::from_slice(slot).map_err(|_| HubError::Broken)?;
        Ok(ResidentId::from_uuid(id))
    }
}

impl Hub {
    /// What the same call did earlier under its request id, if it did anything.
    ///
    /// # Errors
    /// When another call was made under the id.
    pub(super) async fn done_before(&self, call: &Call<'_>) -> Result<Option<Done>, HubError> {
        if call.caller.request().is_none() {
            return Ok(None);
        }
        let event = call.event();
        match self.entry_of(event).await? {
            None => Ok(None),
            Some(entry) if is_same(call, &entry) => self.done_as(call, event).await,
            Some(_) => Err(self.turned_away(call, HubError::RequestIdReused).await),
        }
    }

    /// What the same call did earlier, where what it does has an event of its own and happens once
    /// anyway. `None` where it is not done, or by another call.
    pub(super) async fn done_as(
        &self,
        call: &Call<'_>,
        event: DecisionId,
    ) -> Result<Option<Done>, HubError> {
        let Some(entry) = self.entry_of(event).await? else {
            return Ok(None);
        };
        if !is_same(call, &entry) {
            return Ok(None);
        }
        let receipt = self.store.receipt(event).await?.ok_or(HubError::Broken)?;
        Ok(Some(Done { receipt, entry }))
    }

    async fn entry_of(&self, event: DecisionId) -> Result<Option<Entry>, HubError> {
        Ok(self.store.entry(event).await?.map(|stored| stored.entry))
    }

    /// The outcome of a write; where the same call was just faster, what that one did.
    pub(super) async fn once<T>(
        &self,
        call: &Call<'_>,
        made: Result<T, StoreError>,
        again: impl FnOnce(Done) -> Result<T, HubError>,
    ) -> Result<T, HubError> {
        match made {
            Ok(out) => Ok(out),
            Err(StoreError::Refused(Refusal::EventTaken)) => {
                let done = self.done_before(call).await?.ok_or(HubError::Broken)?;
                again(done)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The entry is of the same caller and the same message.
fn is_same(call: &Call<'_>, entry: &Entry) -> bool {
    let asker = entry.slots.get(&SlotId::Asker);
    let asker: Option<Asker> = asker.and_then(|slot| serde_json::from_slice(slot).ok());
    let message = asker.as_ref().and_then(|asker| asker.words.get(MESSAGE));
    let digest = call.caller.request().map(RequestKey::digest_text);
    digest.is_some() && message == digest.as_ref() && entry.principal == call.caller.principal()
}
