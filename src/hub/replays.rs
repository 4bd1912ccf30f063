//! Candidates held against the past while the hub goes on: a replay runs beside the calls, one at a time, and
//! whoever began it looks in on it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use jiff::civil::Date;

use super::entry::fresh_id;
use super::past::{is_decision, past};
use super::{Hub, HubError, Violation};
use crate::audit::entry::Kind;
use crate::auth::{Caller, HubFunction};
use crate::domain::{AgencyId, DecisionId};
use crate::limits;
use crate::policy::PolicySnapshot;
use crate::policy::check::{Checked, check};
use crate::policy::kept::build;
use crate::policy::load::{Files, hash};
use crate::policy::replay::Report;
use crate::store::{Receipt, Search, StoredEntry};

/// A candidate to be held against the past.
pub struct Replay {
    /// Its files.
    pub files: Files,
    /// What was recorded at or after.
    pub since: Option<Timestamp>,
    /// What was recorded before.
    pub until: Option<Timestamp>,
}

/// How a replay stands.
pub struct Replayed {
    /// Its id.
    pub id: DecisionId,
    /// How far it is.
    pub state: ReplayState,
    /// Entries read.
    pub read: u64,
    /// Entries in the log when it began.
    pub size: u64,
    /// The candidate.
    pub candidate: [u8; 32],
    /// Proof that the reading is recorded.
    pub receipt: Receipt,
}

/// How far a replay is.
pub enum ReplayState {
    /// It goes on.
    Running,
    /// It has ended.
    Done(Arc<Report>),
    /// It was ended.
    Cancelled,
    /// It could not go on.
    Failed,
}

/// The replays that are remembered.
#[derive(Default)]
pub(super) struct Replays(Mutex<Vec<Arc<Work>>>);

/// A replay at work.
struct Work {
    id: DecisionId,
    agency: AgencyId,
    began: Timestamp,
    candidate: [u8; 32],
    size: u64,
    receipt: Receipt,
    read: AtomicU64,
    cancelled: AtomicBool,
    /// `None` in it: it could not go on.
    ended: OnceLock<Option<Arc<Report>>>,
}

impl Work {
    fn goes_on(&self) -> bool {
        self.ended.get().is_none()
    }

    fn state(&self) -> Replayed {
        let state = match self.ended.get() {
            None => ReplayState::Running,
            Some(_) if self.cancelled.load(Ordering::Acquire) => ReplayState::Cancelled,
            Some(Some(report)) => ReplayState::Done(Arc::clone(report)),
            Some(None) => ReplayState::Failed,
        };
        Replayed {
            id: self.id,
            state,
            read: self.read.load(Ordering::Acquire),
            size: self.size,
            candidate: self.candidate,
            receipt: self.receipt.clone(),
        }
    }
}

impl Replays {
    fn find(&self, id: DecisionId, agency: &AgencyId, now: Timestamp) -> Option<Arc<Work>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .find(|work| work.id == id && work.agency == *agency)
            .filter(|work| now.duration_since(work.began) < limits::REPLAY_LIFE)
            .cloned()
    }

    /// Remembers it, unless another goes on.
    fn begin(&self, work: Work) -> Option<Arc<Work>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.iter().any(|one| one.goes_on()) {
            return None;
        }
        all.retain(|one| work.began.duration_since(one.began) < limits::REPLAY_LIFE);
        let more = (all.len() + 1).saturating_sub(limits::REPLAYS_MAX);
        all.drain(..more);
        let work = Arc::new(work);
        all.push(Arc::clone(&work));
        Some(work)
    }

    fn is_busy(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|one| one.goes_on())
    }
}

impl Hub {
    /// Says everything that is wrong with a candidate. It tells nothing of anybody and is not recorded.
    ///
    /// # Errors
    /// When the caller is no privacy officer, or another check goes on.
    pub async fn check_policy(
        &self,
        caller: &Caller,
        files: Files,
        as_of: Option<Date>,
    ) -> Result<Checked, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.PolicyService/CheckPolicy";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::PrivacyOfficer).await?;
        let _turn = self.checking.try_acquire().map_err(|_| HubError::Busy)?;
        let checked = tokio::task::spawn_blocking(move || {
            let today = |policy: &PolicySnapshot| {
                as_of.unwrap_or_else(|| at.to_zoned(policy.book().place.zone.clone()).date())
            };
            check(&files, today)
        });
        let checked = checked.await.map_err(|_| HubError::Broken)?;
        checked.map_err(|what| HubError::Invalid(vec![Violation::new("files", what)]))
    }

    /// Begins to decide the past again under a candidate.
    ///
    /// # Errors
    /// When the caller is no operator, the candidate does not load, or another replay goes on.
    pub async fn begin_replay(
        self: &Arc<Self>,
        caller: &Caller,
        replay: Replay,
    ) -> Result<Replayed, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.PolicyService/ReplayPolicy";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::Operator).await?;
        if self.replays.is_busy() {
            return Err(HubError::Busy);
        }
        let Replay { files, since, until } = replay;
        let turn = self.checking.try_acquire().map_err(|_| HubError::Busy)?;
        let candidate = hash(&files);
        let built = tokio::task::spawn_blocking(move || build(&files));
        let built = built.await.map_err(|_| HubError::Broken)?.map_err(|lines| {
            HubError::Invalid(lines.into_iter().map(|l| Violation::new("files", l)).collect())
        })?;
        drop(turn);
        let request = serde_json::json!({
            "candidate": hex::encode(candidate), "since": since, "until": until,
        });
        let receipt = self.look(&call, "replay", &request).await?;
        let size = self.store.head().await?.size;
        let work = self.replays.begin(Work {
            id: fresh_id(at),
            agency: caller.agency().clone(),
            began: at,
            candidate,
            size,
            receipt,
            read: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
            ended: OnceLock::new(),
        });
        let work = work.ok_or(HubError::Busy)?;
        let running = Arc::clone(&work);
        // It must not keep a hub alive that ends.
        let hub = Arc::downgrade(self);
        let built = Arc::new(built);
        tokio::spawn(async move {
            let mut report = Report::default();
            let mut next = Some(0);
            while let Some(from_index) = next {
                let Some(hub) = hub.upgrade() else { return };
                if running.cancelled.load(Ordering::Acquire) {
                    break;
                }
                match hub.decided_again(&built, from_index, (since, until), running.size).await {
                    Ok((found, go_on)) => {
                        report = report.with(found);
                        next = go_on.filter(|index| *index < running.size);
                        running.read.store(next.unwrap_or(running.size), Ordering::Release);
                    }
                    Err(error) => {
                        tracing::error!(error = %error, "A replay could not go on");
                        let _only_here = running.ended.set(None);
                        return;
                    }
                }
            }
            let _only_here = running.ended.set(Some(Arc::new(report)));
        });
        Ok(work.state())
    }

    /// A page of the past decided again, and where to go on.
    async fn decided_again(
        &self,
        policy: &Arc<PolicySnapshot>,
        from_index: u64,
        (since, until): (Option<Timestamp>, Option<Timestamp>),
        size: u64,
    ) -> Result<(Report, Option<u64>), HubError> {
        let search = Search {
            from_index,
            limit: limits::PAGE_MAX,
            kinds: vec![Kind::Disclose, Kind::Refuse, Kind::Query],
            since,
            until,
            ..Search::default()
        };
        let page = self.store.search(search).await?;
        let policy = Arc::clone(policy);
        let next = page.next_index;
        let report = tokio::task::spawn_blocking(move || {
            let mut report = Report::default();
            let within = |stored: &&StoredEntry| stored.index < size && is_decision(stored);
            for stored in page.entries.iter().filter(within) {
                match past(stored) {
                    Some(one) => report.take(&policy, &one),
                    None => report.without_facts += 1,
                }
            }
            report
        });
        Ok((report.await.map_err(|_| HubError::Broken)?, next))
    }

    /// How a replay of the caller's agency stands.
    ///
    /// # Errors
    /// When the caller is no operator; [`HubError::NotFound`] when there is none.
    pub async fn replay(&self, caller: &Caller, id: DecisionId) -> Result<Replayed, HubError> {
        let rpc = "weir.hub.v1.PolicyService/GetPolicyReplay";
        Ok(self.replay_of(caller, id, rpc).await?.state())
    }

    /// Ends a replay of the caller's agency; one that has ended stays as it is.
    ///
    /// # Errors
    /// As [`Hub::replay`].
    pub async fn cancel_replay(
        &self,
        caller: &Caller,
        id: DecisionId,
    ) -> Result<Replayed, HubError> {
        let rpc = "weir.hub.v1.PolicyService/CancelPolicyReplay";
        let work = self.replay_of(caller, id, rpc).await?;
        if work.goes_on() {
            work.cancelled.store(true, Ordering::Release);
        }
        Ok(work.state())
    }

    async fn replay_of(
        &self,
        caller: &Caller,
        id: DecisionId,
        rpc: &'static str,
    ) -> Result<Arc<Work>, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::Operator).await?;
        match self.replays.find(id, caller.agency(), at) {
            Some(work) => Ok(work),
            None => Err(self.turned_away(&call, HubError::NotFound).await),
        }
    }
}
