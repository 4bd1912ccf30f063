//! One method per use case: the only place where caller, policy, store, source and log meet. Nothing
//! leaves here that is not in the audit log first.

mod answer;
mod bulk;
mod choices;
pub mod entry;
mod error;
mod facts;
mod log;
mod records;
mod residents;
mod reviews;
mod share;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;

pub use answer::{Answer, Findings, Question};
pub use choices::{NewConsent, NewObjection, NewRestriction, Withdrawal};
pub use error::{HubError, Violation};
pub use log::{Details, EntryQuery, Looked};
pub use records::{Extract, ExtractRow, Published};
pub use residents::{NewResident, Wanted};
pub use reviews::{
    Approving, Deciding, DutyState, Fulfilling, ListedDuty, ListedReferral, ReferralState, Review,
    Sweep, Verdict, duties,
};

use crate::audit::entry::{Facet, Kind};
use crate::auth::{Caller, HubFunction};
use crate::clock::SharedClock;
use crate::domain::{PurposeId, ResidentId, RoleId};
use crate::policy::PolicySnapshot;
use crate::source::RecordSource;
use crate::store::{Known, Store};
use bulk::Bulk;
use entry::{Call, fresh_id};

/// The hub.
pub struct Hub {
    store: Arc<dyn Store>,
    source: Arc<dyn RecordSource>,
    policy: Arc<ArcSwap<PolicySnapshot>>,
    clock: SharedClock,
    bulk: Bulk,
}

impl Hub {
    /// Joins the parts.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        source: Arc<dyn RecordSource>,
        policy: Arc<ArcSwap<PolicySnapshot>>,
        clock: SharedClock,
    ) -> Self {
        Self { store, source, policy, clock, bulk: Bulk::default() }
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> Arc<PolicySnapshot> {
        self.policy.load_full()
    }

    fn call<'a>(
        &self,
        rpc: &'static str,
        caller: &'a Caller,
        policy: &PolicySnapshot,
        at: Timestamp,
    ) -> Call<'a> {
        Call { rpc, id: fresh_id(at), caller, policy: policy.book().hash, at }
    }

    /// The caller's acting role, or the error that a turned away caller gets.
    async fn acting_role(&self, call: &Call<'_>) -> Result<RoleId, HubError> {
        match call.caller.role() {
            Some(role) => Ok(role.clone()),
            None => Err(self.turned_away(call, HubError::RoleNeeded).await),
        }
    }

    /// Lets through a caller with this function whose agency may act. An account that works by itself
    /// may have no staff record; one that has ended ends the function too.
    async fn require(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        function: HubFunction,
    ) -> Result<(), HubError> {
        if !call.caller.functions().contains(&function) {
            let error = HubError::FunctionNeeded(function);
            return Err(self.turned_away(call, error).await);
        }
        self.require_agency(call, policy).await?;
        let known = self.known_beside(call, entry::nobody()).await?;
        let ends = known.staff.and_then(|staff| staff.account_ends);
        if ends.is_some_and(|end| end <= call.at) {
            return Err(self.turned_away(call, HubError::AccountInactive).await);
        }
        Ok(())
    }

    async fn require_agency(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
    ) -> Result<(), HubError> {
        let agency = call.caller.agency();
        let suspended = self.store.standing().await?.suspended.contains(agency);
        if suspended || !policy.book().agencies.contains_key(agency) {
            return Err(self.turned_away(call, HubError::AgencyInactive).await);
        }
        Ok(())
    }

    /// Lets through a caller in a role of the policy whose agency, account and training are good,
    /// and tells what is known of `resident`. The same is read whoever that is.
    async fn require_staff(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        resident: ResidentId,
    ) -> Result<Known, HubError> {
        let role = self.acting_role(call).await?;
        if !policy.book().roles.contains_key(&role) {
            return Err(self.turned_away(call, HubError::RoleNeeded).await);
        }
        self.require_agency(call, policy).await?;
        let known = self.known_beside(call, resident).await?;
        if !facts::may_act(policy.book(), &known, call.at) {
            return Err(self.turned_away(call, HubError::AccountInactive).await);
        }
        Ok(known)
    }

    /// What is known of a resident where no question is asked: consents do not matter.
    async fn known_beside(&self, call: &Call<'_>, resident: ResidentId) -> Result<Known, HubError> {
        let purpose: PurposeId = "none".parse().map_err(|_| HubError::Broken)?;
        let agency = call.caller.agency().clone();
        let person = call.caller.person().clone();
        let known = self.store.known(agency, person, resident, purpose, call.at);
        Ok(known.await?)
    }

    /// Records that a caller was turned away, and gives back why.
    async fn turned_away(&self, call: &Call<'_>, why: HubError) -> HubError {
        self.turned_away_with(call, why, None, &serde_json::Value::Null).await
    }

    /// Records that a caller was turned away with what they asked for about whom, and gives back why.
    async fn turned_away_with(
        &self,
        call: &Call<'_>,
        why: HubError,
        about: Option<ResidentId>,
        request: &serde_json::Value,
    ) -> HubError {
        let facets = BTreeMap::from([(Facet::What, what(&why).to_owned())]);
        let entry = call.entry(
            fresh_id(call.at),
            Kind::TurnedAway,
            facets,
            about,
            BTreeMap::new(),
            request,
        );
        match self.store.append(vec![entry]).await {
            Ok(_) => why,
            Err(error) => error.into(),
        }
    }
}

/// The word of the log for why a caller got no answer.
const fn what(why: &HubError) -> &'static str {
    match why {
        HubError::RoleNeeded => "role",
        HubError::FunctionNeeded(_) => "function",
        HubError::AgencyInactive => "agency",
        HubError::AccountInactive => "account",
        HubError::NotFound => "not-found",
        HubError::Taken => "taken",
        HubError::Referred => "referred",
        HubError::TooMuch => "too-much",
        HubError::Review(why) => why.as_str(),
        HubError::SourceUnavailable => "source",
        HubError::Invalid(_) | HubError::StoreUnavailable | HubError::Broken => "other",
    }
}
