//! Choice events on their way into the store: one entry each, and where several are made at once, all or none.

use std::collections::BTreeMap;

use super::entry::Call;
use super::share::number;
use super::{Beside, Hub, HubError};
use crate::audit::entry::{Entry, Facet, Kind};
use crate::consent::record::{self, Entered};
use crate::domain::{ChoiceEvent, ConsentEvent, DecisionId, ResidentId};
use crate::limits;
use crate::store::{Receipt, StoreError, StoredChoice};

/// The member of a request slot that holds the record of a consent event, as text.
pub const RECORD: &str = "record";

/// A choice event, and what its entry says of it.
pub(super) struct NewChoice {
    /// The event's own id and that of its entry.
    pub id: DecisionId,
    /// Whose.
    pub resident: ResidentId,
    /// The word of the entry.
    pub what: String,
    /// The event.
    pub event: ChoiceEvent,
    /// Why, in the caller's own words.
    pub reason: Option<String>,
    /// What the request slot says.
    pub request: serde_json::Value,
}

impl NewChoice {
    /// A consent event. Its entry also holds the record that the person may keep: a receipt that opens the
    /// slot proves it.
    pub(super) fn consent(
        call: &Call<'_>,
        beside: &Beside<'_>,
        resident: ResidentId,
        id: DecisionId,
        event: ConsentEvent,
        reason: Option<String>,
    ) -> Result<Self, HubError> {
        let entered = Entered {
            id,
            resident,
            born: beside.known.resident.as_ref().and_then(|registered| registered.born),
            by: call.caller.agency(),
            at: call.at,
        };
        let text = record::text(beside.book, &event, entered);
        let mut request = serde_json::to_value(&event).map_err(|_| HubError::Broken)?;
        request.as_object_mut().ok_or(HubError::Broken)?.insert(RECORD.to_owned(), text.into());
        let what = format!("{}|{}", event.kind, event.state);
        Ok(Self { id, resident, what, event: ChoiceEvent::Consent(event), reason, request })
    }

    /// What is stored of all of them, and their entries.
    pub(super) fn all(
        new: Vec<Self>,
        call: &Call<'_>,
    ) -> (Vec<(ResidentId, StoredChoice)>, Vec<Entry>) {
        new.into_iter().map(|one| one.parts(call)).unzip()
    }

    fn parts(self, call: &Call<'_>) -> ((ResidentId, StoredChoice), Entry) {
        let Self { id, resident, what, event, reason, request } = self;
        let facets = BTreeMap::from([(Facet::What, what)]);
        let words = reason.map(|reason| ("reason".to_owned(), reason)).into_iter().collect();
        let entry = call.entry(id, Kind::Choice, facets, Some(resident), words, &request);
        let choice = StoredChoice {
            id,
            recorded_by: call.caller.agency().clone(),
            recorded_at: call.at,
            event,
        };
        ((resident, choice), entry)
    }
}

impl Hub {
    /// Records an event whose id is that of the call.
    pub(super) async fn record_new(
        &self,
        call: &Call<'_>,
        new: NewChoice,
    ) -> Result<(DecisionId, Receipt), HubError> {
        if let Some(done) = self.done_before(call).await? {
            return Ok((done.receipt.event(), done.receipt));
        }
        let ((resident, choice), entry) = new.parts(call);
        let id = choice.id;
        // Those who got data are told in the same transaction.
        let (notices, late) = self.notices_of(call, resident, id, &choice.event).await?;
        let mut entries = vec![entry];
        entries.extend(notices);
        number(&mut entries)?;
        let made = self.store.record_choice(resident, choice, entries).await;
        let made = made.map(|receipts| receipts.into_iter().next());
        let made = self.once(call, made, |done| Ok(Some(done.receipt))).await?;
        let receipt = made.ok_or(HubError::Broken)?;
        if let Some(late) = late {
            self.tell_the_late(call, resident, id, &late).await?;
        }
        Ok((receipt.event(), receipt))
    }

    /// Records several choices with the entry that says so, all or none, and tells those who got data; the
    /// receipts, that of the entry first.
    pub(super) async fn record_several(
        &self,
        call: &Call<'_>,
        entry: Entry,
        new: Vec<NewChoice>,
    ) -> Result<Result<Vec<Receipt>, StoreError>, HubError> {
        let (stored, own) = NewChoice::all(new, call);
        let (mut entries, mut waiting) = (vec![entry], Vec::new());
        entries.extend(own);
        for (resident, choice) in &stored {
            let (notices, late) =
                self.notices_of(call, *resident, choice.id, &choice.event).await?;
            entries.extend(notices);
            waiting.extend(late.map(|late| (*resident, choice.id, late)));
        }
        if entries.len() > limits::AUDIT_BATCH_MAX {
            return Err(HubError::TooMuch);
        }
        number(&mut entries)?;
        let made = self.store.record_choices(stored, entries).await;
        if made.is_ok() {
            for (resident, id, late) in waiting {
                self.tell_the_late(call, resident, id, &late).await?;
            }
        }
        Ok(made)
    }
}
