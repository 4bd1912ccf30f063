//! Why a decision of the past came out as it did, as the asker may read it: under the policy of that time,
//! from the facts that were kept with it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::entry::{recorded, recorded_ask};
use super::{Hub, HubError};
use crate::audit::entry::Facet;
use crate::auth::Caller;
use crate::domain::{DecisionId, FieldId};
use crate::limits;
use crate::policy::explain::Answer;
use crate::policy::{FieldOutcome, PolicySnapshot, kept};
use crate::store::Receipt;

/// A decision explained.
pub struct Explained {
    /// In plain words.
    pub text: String,
    /// The policy of the decision.
    pub policy: [u8; 32],
    /// Proof that the look is recorded.
    pub receipt: Receipt,
}

impl Hub {
    /// Explains an earlier decision for the caller's agency.
    ///
    /// # Errors
    /// As [`Hub::disclosure`]; [`HubError::NotFound`] too when what it rested on, or the policy of that time,
    /// is not kept (any more).
    pub async fn explain_decision(
        &self,
        caller: &Caller,
        id: DecisionId,
    ) -> Result<Explained, HubError> {
        let rpc = "weir.hub.v1.PolicyService/ExplainDecision";
        let (stored, receipt) = self.own_decision(caller, id, rpc).await?;
        let entry = stored.entry;
        let (Some(ask), Some(found)) = (recorded_ask(&entry), recorded(&entry)) else {
            return Err(HubError::NotFound);
        };
        let hash = entry.policy;
        let in_force = self.policy()?;
        let then: Option<PolicySnapshot> =
            if in_force.book().hash == hash { None } else { Some(self.policy_of(hash).await?) };
        let released = entry.facets.get(&Facet::Released).cloned().unwrap_or_default();
        // Deciding takes a moment and never waits.
        let text = tokio::task::spawn_blocking(move || {
            let policy: &PolicySnapshot = match &then {
                Some(then) => then,
                None => &in_force,
            };
            let shown: BTreeSet<&str> = released.split('|').collect();
            let decision = policy.decide(&ask, &found.facts, found.as_of);
            let opens = |field: &FieldId| {
                decision.fields.iter().any(|(one, outcome)| {
                    one == field && matches!(outcome, FieldOutcome::Released(_))
                })
            };
            // Of a field in which the holder held nothing the asker was told as of a closed one.
            let held = |field: &FieldId| shown.contains(field.as_str()) || !opens(field);
            Answer::of_held(policy, &ask, &found.facts, found.as_of, held).desk()
        });
        let text = text.await.map_err(|_| HubError::Broken)?;
        Ok(Explained { text, policy: hash, receipt })
    }

    /// The policy that had this hash, as it was kept.
    async fn policy_of(&self, hash: [u8; 32]) -> Result<PolicySnapshot, HubError> {
        let kept = self.store.kept_policies(limits::PAGE_MAX).await?;
        let number = kept.iter().find(|one| one.hash == hash).map(|one| one.number);
        let number = number.ok_or(HubError::NotFound)?;
        let (_, bytes) = self.store.kept_policy(Some(number)).await?.ok_or(HubError::NotFound)?;
        let bytes = Arc::new(bytes);
        let built = tokio::task::spawn_blocking(move || {
            let files = kept::unpack_own(&bytes, hash)?;
            kept::build(&files).ok()
        });
        built.await.map_err(|_| HubError::Broken)?.ok_or(HubError::NotFound)
    }
}
