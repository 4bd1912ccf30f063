//! What waits, read from the log page by page: whose it is stands in the entry, and what became of it
//! stands under an id that follows from it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::obligations::met;
use super::{ObligationTask, ReferralTask, Reviewed, once, once_for};
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::auth::Caller;
use crate::domain::{AgencyId, DecisionId, Duty, PurposeId, ResidentId};
use crate::hub::{Hub, HubError};
use crate::limits;
use crate::store::{Refusal, Search, Store, StoreError, StoredEntry};

/// Where a referral stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferralState {
    /// Nobody has decided it.
    Open,
    /// It was decided and nothing was released on it.
    Decided,
    /// A release used the grant.
    Used,
}

/// A referral, without content.
pub struct ListedReferral {
    /// The decision that referred.
    pub referral: DecisionId,
    /// About whom.
    pub resident: ResidentId,
    /// The holder, whose people decide.
    pub holder: AgencyId,
    /// Who asked.
    pub asker: AgencyId,
    /// For what.
    pub purpose: PurposeId,
    /// What is referred, who decides, and by when.
    pub task: ReferralTask,
    /// Where it stands.
    pub state: ReferralState,
}

/// Where a duty stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DutyState {
    /// Not met, and not late.
    Open,
    /// Met.
    Met,
    /// Not met in time.
    Overdue,
}

/// A duty of a release.
pub struct ListedDuty {
    /// The release.
    pub disclosure: DecisionId,
    /// What is owed, by whom and when.
    pub task: ObligationTask,
    /// Where it stands.
    pub state: DutyState,
}

/// The duties of a release and where they stand; none where the entry is no release.
///
/// # Errors
/// When the store is not available.
pub async fn duties(
    store: &dyn Store,
    stored: &StoredEntry,
    at: Timestamp,
) -> Result<Vec<ListedDuty>, StoreError> {
    let Some(about) = Reviewed::read(stored) else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for task in about.recorded.tasks.obligations {
        let done = task.owner.is_none() || store.entry(met(about.id, task.duty)).await?.is_some();
        let state = match task.due {
            _ if done => DutyState::Met,
            Some(due) if due <= at => DutyState::Overdue,
            Some(_) | None => DutyState::Open,
        };
        all.push(ListedDuty { disclosure: about.id, task, state });
    }
    Ok(all)
}

/// What the sweep has read, and what is not late yet.
#[derive(Default)]
pub struct Sweep {
    next: u64,
    waiting: BTreeSet<(Timestamp, DecisionId, Duty)>,
}

impl Hub {
    /// Referrals that the caller's people may decide or have asked for, from a place in the log on;
    /// and where to go on.
    ///
    /// # Errors
    /// When the caller is nobody's staff.
    pub async fn list_referrals(
        &self,
        caller: &Caller,
        from_index: u64,
        limit: usize,
    ) -> Result<(Vec<ListedReferral>, Option<u64>), HubError> {
        let rpc = "weir.hub.v1.ReviewService/ListReferrals";
        self.look_at_tasks(caller, rpc, "referrals").await?;
        let facets = vec![(Facet::Outcome, "REFER".to_owned())];
        let kinds = vec![Kind::Refuse];
        let page =
            self.store.search(Search { from_index, limit, kinds, facets, ..Search::default() });
        let page = page.await?;
        let mut all = Vec::new();
        for about in page.entries.iter().filter_map(Reviewed::read) {
            let Some(task) = about.recorded.tasks.referral.clone() else { continue };
            let decides = about.ask.from == *caller.agency()
                && caller.role().is_some_and(|role| task.deciders.contains(role));
            if !decides && !about.is_by(caller) {
                continue;
            }
            let exists = |what| self.store.entry(once_for(what, about.id));
            let state = if exists("used").await?.is_some() {
                ReferralState::Used
            } else if exists("decided").await?.is_some() {
                ReferralState::Decided
            } else {
                ReferralState::Open
            };
            all.push(ListedReferral {
                referral: about.id,
                resident: about.resident,
                holder: about.ask.from,
                asker: about.asker,
                purpose: about.ask.purpose,
                task,
                state,
            });
        }
        Ok((all, page.next_index))
    }

    /// Duties that the caller's agency owes, from a place in the log on; and where to go on.
    ///
    /// # Errors
    /// When the caller is nobody's staff.
    pub async fn list_obligations(
        &self,
        caller: &Caller,
        from_index: u64,
        limit: usize,
    ) -> Result<(Vec<ListedDuty>, Option<u64>), HubError> {
        let rpc = "weir.hub.v1.ReviewService/ListObligations";
        self.look_at_tasks(caller, rpc, "obligations").await?;
        let kinds = vec![Kind::Disclose];
        let page = self.store.search(Search { from_index, limit, kinds, ..Search::default() });
        let page = page.await?;
        let mut all = Vec::new();
        for stored in &page.entries {
            let found = duties(self.store.as_ref(), stored, self.clock.now()).await?;
            let own = |one: &ListedDuty| one.task.owner.as_ref() == Some(caller.agency());
            all.extend(found.into_iter().filter(own));
        }
        Ok((all, page.next_index))
    }

    async fn look_at_tasks(
        &self,
        caller: &Caller,
        rpc: &'static str,
        what: &str,
    ) -> Result<(), HubError> {
        let policy = self.policy()?;
        let call = self.call(rpc, caller, &policy, self.clock.now());
        self.require_staff(&call, &policy, crate::hub::entry::nobody()).await?;
        self.look(&call, what, &serde_json::json!({ "list": what })).await?;
        Ok(())
    }

    /// Enters each duty that was not met in time in the log, once. Reads a bounded part of the log
    /// and tells whether there is more to do at once.
    ///
    /// # Errors
    /// When the store is not available.
    pub async fn sweep(&self, sweep: &mut Sweep) -> Result<bool, HubError> {
        let at = self.clock.now();
        let size = self.store.head().await?.size;
        if sweep.waiting.len() < limits::DUTIES_WAITING_MAX && sweep.next < size {
            let kinds = vec![Kind::Disclose];
            let (from_index, limit) = (sweep.next, limits::PAGE_DEFAULT);
            let page = self.store.search(Search { from_index, limit, kinds, ..Search::default() });
            let page = page.await?;
            for about in page.entries.iter().filter_map(Reviewed::read) {
                let owed = about.recorded.tasks.obligations.into_iter();
                let owed = owed.filter(|one| one.owner.is_some());
                sweep.waiting.extend(owed.filter_map(|one| Some((one.due?, about.id, one.duty))));
            }
            sweep.next = page.next_index.unwrap_or(page.size);
        }
        for _ in 0..limits::PAGE_DEFAULT {
            let Some((due, disclosure, duty)) = sweep.waiting.first().copied() else { break };
            if due > at {
                break;
            }
            self.mark_overdue(disclosure, duty).await?;
            sweep.waiting.pop_first();
        }
        let late = sweep.waiting.first().is_some_and(|(due, _, _)| *due <= at);
        Ok(late || sweep.next < size)
    }

    async fn mark_overdue(&self, disclosure: DecisionId, duty: Duty) -> Result<(), HubError> {
        let uuid = disclosure.uuid();
        let event = once("overdue", &[uuid.as_bytes(), duty.as_str().as_bytes()]);
        let known = self.store.entry(event).await?.is_some();
        if known || self.store.entry(met(disclosure, duty)).await?.is_some() {
            return Ok(());
        }
        let stored = self.store.entry(disclosure).await?.ok_or(HubError::Broken)?;
        let about = Reviewed::read(&stored).ok_or(HubError::Broken)?;
        let owner = about.recorded.tasks.obligations.iter().find(|one| one.duty == duty);
        let owner = owner.and_then(|one| one.owner.clone()).ok_or(HubError::Broken)?;
        let facets = [
            (Facet::What, "overdue".to_owned()),
            (Facet::Holder, owner.as_str().to_owned()),
            (Facet::Duties, duty.as_str().to_owned()),
            (Facet::Review, disclosure.to_string()),
        ];
        let mut entry = Entry::of_hub(event, Kind::Review, "weir due", facets.into());
        entry.slots = [SlotId::Asker, SlotId::Request, SlotId::Decision]
            .map(|slot| (slot, b"{}".to_vec()))
            .into();
        entry.slots.insert(SlotId::Subject, crate::hub::entry::subject(Some(about.resident)));
        match self.store.append(vec![entry]).await {
            Ok(_) | Err(StoreError::Refused(Refusal::EventTaken)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
