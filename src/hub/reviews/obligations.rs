//! Duties of releases: who owes them by when, and that they were met.

use std::collections::BTreeMap;

use super::{Review, once, review_entry};
use crate::auth::Caller;
use crate::domain::{DecisionId, Duty};
use crate::hub::{Hub, HubError};
use crate::store::Receipt;

/// What somebody says of a duty that was met.
pub struct Fulfilling {
    /// The release.
    pub disclosure: DecisionId,
    /// The duty.
    pub duty: Duty,
    /// How it was met.
    pub note: String,
}

/// The id of the entry that says that a duty was met.
pub(in crate::hub) fn met(disclosure: DecisionId, duty: Duty) -> DecisionId {
    once("met", &[disclosure.uuid().as_bytes(), duty.as_str().as_bytes()])
}

impl Hub {
    /// Says that a duty of the caller's agency was met, once.
    ///
    /// # Errors
    /// [`HubError::NotFound`] when the agency owes no such duty; when it was met already.
    pub async fn fulfil_obligation(
        &self,
        caller: &Caller,
        wish: Fulfilling,
    ) -> Result<Receipt, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.ReviewService/FulfilObligation";
        let call = self.call(rpc, caller, &policy, at);
        self.require_staff(&call, &policy, crate::hub::entry::nobody()).await?;
        let about = self.reviewed(&call, wish.disclosure).await?;
        let owes = about
            .recorded
            .tasks
            .obligations
            .iter()
            .any(|one| one.duty == wish.duty && one.owner.as_ref() == Some(caller.agency()));
        if let Some(done) = self.done_as(&call, met(about.id, wish.duty)).await? {
            return Ok(done.receipt);
        }
        if !owes {
            let resident = Some(about.resident);
            let why = HubError::NotFound;
            return Err(self.review_refused(&call, why, about.id, resident).await);
        }
        if wish.duty == Duty::ReviewBy && about.ask.override_claim.is_some() {
            let why = HubError::Review(Review::ReviewerNotEntitled);
            return Err(self.review_refused(&call, why, about.id, Some(about.resident)).await);
        }
        let request = serde_json::json!({ "met": about.id.to_string(), "duty": wish.duty });
        let words = BTreeMap::from([("note".to_owned(), wish.note)]);
        let event = met(about.id, wish.duty);
        let entry = review_entry(&call, event, "met", &about, words, &request);
        self.append_once(&call, vec![entry], &about, Review::DutyNotOpen).await
    }
}
