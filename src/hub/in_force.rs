//! The policy in force: swapped whole, never changed. A call takes it once and goes on with it.

use std::ops::Deref;
use std::sync::Arc;

use jiff::Timestamp;

use super::entry::{Call, fresh_id};
use super::{Hub, HubError};
use crate::auth::Caller;
use crate::limits;
use crate::policy::PolicySnapshot;
use crate::store::{Candidate, KeptPolicy};

/// A policy in force, which version it is and since when.
pub struct InForce {
    policy: PolicySnapshot,
    version: PolicyVersion,
}

/// Which policy an answer was given under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyVersion {
    /// Its number; every later one is higher. 0: put in force by the program itself, to try it out.
    pub number: u64,
    /// Its content.
    pub hash: [u8; 32],
    /// The place whose policy it is.
    pub place: String,
    /// When it came into force.
    pub since: Timestamp,
}

/// The policies that are or were in force, and what became of the folder.
pub type Versions = (Vec<KeptPolicy>, Option<Candidate>);

impl InForce {
    /// A policy with its number, in force since `since`.
    #[must_use]
    pub fn new(policy: PolicySnapshot, number: u64, since: Timestamp) -> Self {
        let (hash, place) = (policy.book().hash, policy.book().place.name.clone());
        Self { policy, version: PolicyVersion { number, hash, place, since } }
    }

    /// Which policy it is.
    #[must_use]
    pub const fn version(&self) -> &PolicyVersion {
        &self.version
    }
}

impl Deref for InForce {
    type Target = PolicySnapshot;

    fn deref(&self) -> &PolicySnapshot {
        &self.policy
    }
}

impl Hub {
    /// The policy in force.
    ///
    /// # Errors
    /// When there is none: nothing can be decided then, not even a refusal.
    pub fn policy(&self) -> Result<Arc<InForce>, HubError> {
        self.policy.load_full().ok_or(HubError::NoPolicy)
    }

    /// The policy in force for a question; without one, who asked stands in the log all the same.
    pub(super) async fn policy_for(
        &self,
        rpc: &'static str,
        caller: &Caller,
        at: Timestamp,
    ) -> Result<Arc<InForce>, HubError> {
        match self.policy() {
            Ok(policy) => Ok(policy),
            Err(why) => {
                let call = Call { rpc, id: fresh_id(at), caller, policy: [0; 32], at };
                Err(self.turned_away(&call, why).await)
            }
        }
    }

    /// The policies that are or were in force, newest first, and what became of the folder where it is not
    /// in force. They tell nothing of anybody; that they are read is not recorded.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn policy_versions(&self) -> Result<Versions, HubError> {
        let versions = self.store.kept_policies(limits::PAGE_DEFAULT).await?;
        Ok((versions, self.store.candidate().await?))
    }

    /// Puts a policy in force, for every call that begins from now on, and gives back the one before.
    /// Who calls this has its entry in the log.
    pub fn put_in_force(&self, policy: Arc<InForce>) -> Option<Arc<InForce>> {
        self.policy.swap(Some(policy))
    }
}
