//! The life of a policy in a running hub: the folder is watched, read whole, loaded, built, held against itself
//! and its own examples and its approvals, entered in the log, and only then put in force. Whatever fails, the last
//! good policy stays.

mod judge;
mod last;
mod record;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use crate::clock::SharedClock;
use crate::hub::{Hub, InForce};
use crate::limits;
use crate::policy::approval::Trust;
use crate::policy::book::RuleBook;
use crate::policy::kept;
use crate::policy::load::{Files, hash};
use crate::store::{Candidate, KeptPolicy, Store, StoreError};
use judge::{Good, Judging};
use watch::{Print, Watched};

/// What else a rule book must agree with in this hub; a line for each thing that it does not.
pub type Fits = Arc<dyn Fn(&RuleBook) -> Vec<String> + Send + Sync>;

/// A policy folder that a hub follows.
#[derive(Clone)]
pub struct PolicyFolder {
    /// The folder.
    pub dir: PathBuf,
    /// Who approves.
    pub trust: Trust,
    /// What else a rule book must agree with.
    pub fits: Fits,
}

impl PolicyFolder {
    /// A folder that comes into force as it is edited, unsigned.
    #[must_use]
    pub fn unsigned(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), trust: Trust::default(), fits: Arc::new(|_| Vec::new()) }
    }
}

/// What a look at the folder came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// Nothing new.
    Same,
    /// The folder is being written; it is looked at again when it is quiet.
    Busy,
    /// It is what is in force.
    InForce,
    /// It came into force.
    Activated,
    /// It is approved, for later.
    Waits,
    /// It is refused; the reasons stand with the store.
    Refused,
}

/// Follows a policy folder.
pub struct Reloader {
    folder: PolicyFolder,
    hub: Arc<Hub>,
    store: Arc<dyn Store>,
    clock: SharedClock,
    watched: Watched,
    /// When the candidate that waits comes into force.
    waits_until: Option<Timestamp>,
    /// Looks at which it was being written, one after the other.
    busy: u32,
    /// Policies out of force that a call may still use: who ends last must not be the one that frees them.
    parked: Vec<Arc<InForce>>,
}

impl Reloader {
    /// Follows `folder` for `hub`.
    #[must_use]
    pub fn new(
        folder: PolicyFolder,
        hub: Arc<Hub>,
        store: Arc<dyn Store>,
        clock: SharedClock,
    ) -> Self {
        let watched = Watched::default();
        Self { folder, hub, store, clock, watched, waits_until: None, busy: 0, parked: Vec::new() }
    }

    /// Puts the folder in force, or what was in force last; or nothing, loudly.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn start(&mut self) -> Result<(), StoreError> {
        let print = self.print().await;
        if self.consider(print).await? == Looked::Busy {
            // Somebody writes: what was in force last is, until they are done.
            self.last_good().await?;
        }
        if let Ok(policy) = self.hub.policy() {
            let version = policy.version();
            tracing::info!(number = version.number, hash = %hex::encode(version.hash), "Policy in force");
        } else {
            tracing::error!(
                folder = %self.folder.dir.display(),
                "No policy is in force: every question is answered SYS_POLICY_NOT_APPROVED. \
                 `weir policy status` says why"
            );
        }
        Ok(())
    }

    /// Looks at the folder again and again until dropped.
    pub async fn follow(mut self) {
        let mut turns = tokio::time::interval(limits::POLICY_LOOK_EVERY);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            if let Err(error) = self.look().await {
                tracing::warn!(error = %error, "The policy folder could not be looked at to the end");
            }
        }
    }

    /// Looks at the folder once. What changed is considered when it did not change between two looks.
    ///
    /// # Errors
    /// When the store fails: what is in force stays, and the next look tries again.
    pub async fn look(&mut self) -> Result<Looked, StoreError> {
        self.free_parked().await;
        let print = self.print().await;
        let due = self.waits_until.is_some_and(|until| self.clock.now() >= until);
        if due || self.watched.is_worth_reading(&print) {
            return self.consider(print).await;
        }
        let same = self.watched.is_judged(&print);
        self.watched.saw(print);
        self.busy = if same { 0 } else { self.busy + 1 };
        if self.busy == limits::POLICY_READ_TURNS {
            tracing::warn!(
                "The policy folder is written to without a pause: nothing new comes into force"
            );
            let reason = "the folder is written to without a pause: it is read when it is quiet for a second. \
                          Stop what writes to it.";
            self.refused(None, vec![reason.to_owned()]).await?;
        }
        Ok(if same { Looked::Same } else { Looked::Busy })
    }

    async fn print(&self) -> Print {
        let dir = self.folder.dir.clone();
        let printed = tokio::task::spawn_blocking(move || watch::print(&dir)).await;
        printed.unwrap_or_else(|_| Err("the folder could not be looked at".to_owned()))
    }

    /// Reads the folder whole and puts it in force, if it may be.
    async fn consider(&mut self, print: Print) -> Result<Looked, StoreError> {
        let dir = self.folder.dir.clone();
        let read = tokio::task::spawn_blocking(move || {
            let read = crate::policy::load::read_dir(&dir);
            (read, watch::print(&dir))
        });
        let (read, after) = match read.await {
            Ok(read) => read,
            Err(_) => return Ok(Looked::Busy),
        };
        if after != print {
            self.watched.saw(after);
            return Ok(Looked::Busy);
        }
        let looked = match read {
            Ok(files) if self.watched.was_judged(&files) && self.waits_until.is_none() => {
                Looked::Same
            }
            Ok(files) => {
                let looked = self.judged(&files).await?;
                self.watched.judged(&files);
                looked
            }
            Err(findings) => {
                let lines = findings.iter().map(ToString::to_string).collect();
                self.watched.unreadable();
                self.refused(None, lines).await?
            }
        };
        self.watched.saw(print);
        self.watched.done();
        Ok(looked)
    }

    async fn judged(&mut self, files: &Files) -> Result<Looked, StoreError> {
        let hash = hash(files);
        let newest = self.store.kept_policy(None).await?;
        let in_force = self.hub.policy().ok();
        if in_force.as_ref().is_some_and(|policy| policy.version().hash == hash) {
            self.forgotten().await?;
            return Ok(Looked::InForce);
        }
        // What was in force last, and is not now: before a start, or where the log failed after it was kept.
        let goes_on = newest
            .as_ref()
            .filter(|(kept, _)| kept.hash == hash && self.may_go_on(kept))
            .map(|(kept, _)| kept.clone());
        let judging = Judging {
            files: files.clone(),
            before: self.before(newest).await?,
            trust: self.folder.trust.clone(),
            now: self.clock.now(),
            fits: Arc::clone(&self.folder.fits),
            goes_on,
        };
        let judged = tokio::task::spawn_blocking(move || judging.done()).await;
        let good = match judged {
            Ok(Ok(good)) => good,
            Ok(Err(reasons)) => return self.refused(Some(hash), reasons).await,
            Err(_) => {
                let reasons = vec!["the loader stopped: tell the hub's operator".to_owned()];
                return self.refused(Some(hash), reasons).await;
            }
        };
        let now = self.clock.now();
        match good.not_before.filter(|at| *at > now) {
            Some(until) => self.waits(hash, until).await,
            None => self.activated(files, good, now).await,
        }
    }

    /// Where the folder of what was in force last is needed to say what changes.
    async fn before(
        &self,
        newest: Option<(KeptPolicy, Vec<u8>)>,
    ) -> Result<Option<(KeptPolicy, Vec<u8>)>, StoreError> {
        let in_force = self.hub.policy().ok().map(|policy| policy.version().number);
        match (newest, in_force) {
            (Some((kept, bytes)), Some(number)) if kept.number != number => {
                // Kept, but never put in force: its number is taken, and its content is not what is followed.
                let followed = self.store.kept_policy(Some(number)).await?;
                let (hash, bytes) = followed.map_or((kept.hash, bytes), |(f, b)| (f.hash, b));
                Ok(Some((KeptPolicy { hash, ..kept }, bytes)))
            }
            (newest, _) => Ok(newest),
        }
    }

    fn may_go_on(&self, kept: &KeptPolicy) -> bool {
        !self.folder.trust.required || !kept.note.approved_by.is_empty()
    }

    /// Enters the policy in the log, then puts it in force: no answer is given under a policy that the log
    /// does not know.
    async fn activated(
        &mut self,
        files: &Files,
        good: Good,
        now: Timestamp,
    ) -> Result<Looked, StoreError> {
        let Good { policy, number, note, goes_on, .. } = good;
        let hash = policy.book().hash;
        let since = match goes_on {
            Some(kept) => {
                // It is in the log: what the log did not take before goes first.
                let facets = self.facets("resumed", number, None);
                let entry = self.entry(now, hash, facets, &json!({ "number": number }));
                self.store.append(vec![entry]).await?;
                kept.since
            }
            None => {
                let signed = if note.approved_by.is_empty() { "unsigned" } else { "signed" };
                let what = format!("activated|{}|{signed}", note.class);
                let facets = self.facets(&what, number, Some(note.scenarios_failing));
                let words = json!({ "number": number, "hash": hex::encode(hash), "note": note });
                let entry = self.entry(now, hash, facets, &words);
                let kept = KeptPolicy { number, hash, since: now, event: entry.event, note };
                self.store.put_policy(kept, kept::pack(files), entry).await?;
                now
            }
        };
        self.put_in_force(InForce::new(policy, number, since));
        tracing::info!(number, hash = %hex::encode(hash), "A policy came into force");
        Ok(Looked::Activated)
    }

    fn put_in_force(&mut self, policy: InForce) {
        self.waits_until = None;
        self.parked.extend(self.hub.put_in_force(Arc::new(policy)));
    }

    async fn waits(&mut self, hash: [u8; 32], until: Timestamp) -> Result<Looked, StoreError> {
        let at = self.clock.now();
        let candidate =
            Candidate { hash: Some(hash), at, waits_until: Some(until), reasons: Vec::new() };
        self.note(Some(candidate), "waiting", 0).await?;
        self.waits_until = Some(until);
        self.last_good().await?;
        tracing::info!(until = %until, "An approved policy waits for its time");
        Ok(Looked::Waits)
    }

    async fn refused(
        &mut self,
        hash: Option<[u8; 32]>,
        mut reasons: Vec<String>,
    ) -> Result<Looked, StoreError> {
        let findings = reasons.len();
        reasons.truncate(limits::POLICY_REASONS_MAX);
        for reason in &mut reasons {
            let end = reason.floor_char_boundary(limits::POLICY_REASON_LEN_MAX);
            reason.truncate(end);
        }
        let candidate = Candidate { hash, at: self.clock.now(), waits_until: None, reasons };
        self.note(Some(candidate), "refused", findings).await?;
        self.waits_until = None;
        self.last_good().await?;
        // What a policy file says may be anything: it stands with the store, not here.
        tracing::error!(
            findings,
            "The policy folder was refused, and the last good policy stays. `weir policy status` says why"
        );
        Ok(Looked::Refused)
    }

    /// The folder is again what is in force.
    async fn forgotten(&mut self) -> Result<(), StoreError> {
        self.waits_until = None;
        if self.store.candidate().await?.is_some() {
            self.note(None, "withdrawn", 0).await?;
        }
        Ok(())
    }

    /// Frees what nobody uses any more, off the threads that answer.
    async fn free_parked(&mut self) {
        let (free, used) = std::mem::take(&mut self.parked)
            .into_iter()
            .partition::<Vec<_>, _>(|policy| Arc::strong_count(policy) == 1);
        self.parked = used;
        if !free.is_empty() {
            // Freeing cannot fail.
            let _freed = tokio::task::spawn_blocking(move || drop(free)).await;
        }
    }

    /// How many policies out of force are still held.
    #[must_use]
    pub fn parked(&self) -> usize {
        self.parked.len()
    }
}
