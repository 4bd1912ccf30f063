//! Publishes the log's heads: shows them to the witnesses and keeps what they sign. Beside the hub's work and
//! never in its way: no answer waits for a witness.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::audit::checkpoint::VerifierKey;
use crate::audit::proof::{SizedRoot, verify_consistency};
use crate::audit::tree::Hash;
use crate::audit::witness::{AddCheckpoint, WitnessKey};
use crate::hub::{Hub, Witnesses};
use crate::limits;
use crate::store::{SignedHead, SplitView, Store, StoreError};
use crate::witness::client::{Caller, Said, WitnessUrl};

/// The witnesses of a hub, and where each is.
#[derive(Debug, Clone)]
pub struct Publishing {
    /// Who they are.
    pub witnesses: Witnesses,
    /// Where each is; as many as there are witnesses.
    pub urls: Vec<(WitnessUrl, WitnessKey)>,
}

/// What came of asking one witness.
enum Asked {
    /// Its line under the head.
    Signed(String),
    /// It has signed another history, or says so; with a head of that history where it shows one.
    Split(Option<Evidence>),
    /// Neither.
    Failed(String),
}

/// A head that the log's key has signed and that is not of this log.
struct Evidence {
    note: String,
    size: u64,
    root: Hash,
}

/// One witness, between two heads.
struct Asking {
    caller: Caller,
    key: WitnessKey,
    /// The size that it signed last.
    known: u64,
    failures: u32,
    not_before: Instant,
}

impl Asking {
    /// The longer it fails the longer it is left alone, each time by another while.
    fn put_off(&mut self) {
        self.failures = self.failures.saturating_add(1);
        let most = limits::PUBLISH_EVERY.saturating_mul(1 << self.failures.min(10));
        let most = most.min(limits::WITNESS_BACK_OFF_MAX);
        let random = uuid::Uuid::new_v4().as_u128() % 1_000;
        let part = u32::try_from(random).unwrap_or_default();
        self.not_before = Instant::now() + most / 2 + (most / 2) * part / 1_000;
    }

    async fn ask(&self, store: &dyn Store, log: &VerifierKey, head: &SignedHead) -> Asked {
        let mut old = self.known.min(head.size);
        for _ in 0..limits::WITNESS_TRIES {
            let growth = match store.consistency(old, head.size).await {
                Ok(Some(growth)) => growth,
                Ok(None) => return Asked::Failed("the log has no such proof".to_owned()),
                Err(error) => return Asked::Failed(error.to_string()),
            };
            let request = AddCheckpoint { old, growth, note: head.note.clone() };
            match self.caller.add(&request).await {
                Err(error) => return Asked::Failed(error),
                Ok(Said::Else(what)) => return Asked::Failed(what),
                Ok(Said::Signed(lines)) => {
                    let own = |line: &str| self.key.verify(&head.note, line);
                    return match lines.lines().take(64).find_map(own) {
                        Some(signed) => Asked::Signed(signed.line),
                        None => Asked::Failed("its signature is not under its key".to_owned()),
                    };
                }
                // It goes on from there: nothing is wrong with that.
                Ok(Said::Conflict(size)) if size <= head.size && size != old => old = size,
                Ok(Said::Conflict(size)) if size == old && old < head.size => {
                    return Asked::Failed("it wants what it was given".to_owned());
                }
                // More than this hub has ever told, other entries, or another log of the same size.
                Ok(Said::Conflict(_) | Said::Inconsistent) => {
                    return Asked::Split(self.evidence(store, log, head).await);
                }
            }
        }
        Asked::Failed("it names another size each time".to_owned())
    }

    /// What the witness has signed, if the log's key has signed it and this log does not hold it.
    async fn evidence(
        &self,
        store: &dyn Store,
        log: &VerifierKey,
        head: &SignedHead,
    ) -> Option<Evidence> {
        let note = self.caller.latest(log.name()).await.ok()??;
        let other = log.open(&note).ok()?;
        let (size, root) = (other.size, other.root);
        if size <= head.size {
            let growth = store.consistency(size, head.size).await.ok()??;
            let later = SizedRoot { size: head.size, root: head.root };
            if verify_consistency(SizedRoot { size, root }, later, &growth).is_ok() {
                return None;
            }
        }
        Some(Evidence { note, size, root })
    }
}

/// What the publisher needs.
pub(super) struct Publisher {
    hub: Arc<Hub>,
    store: Arc<dyn Store>,
    log: VerifierKey,
    asking: Vec<Asking>,
    shown: Option<(u64, Instant)>,
}

impl Publisher {
    /// Prepares to ask, from what was kept.
    pub(super) async fn new(
        hub: Arc<Hub>,
        store: Arc<dyn Store>,
        log: VerifierKey,
        publishing: Publishing,
    ) -> Result<Self, StoreError> {
        hub.follow_witnesses(publishing.witnesses).await?;
        let signed = store.last_signed().await?;
        let mut asking = Vec::new();
        for (url, key) in publishing.urls {
            let caller = Caller::new(&url).map_err(StoreError::Unavailable)?;
            let known = signed.get(&key.text()).map_or(0, |(size, _)| *size);
            asking.push(Asking { caller, key, known, failures: 0, not_before: Instant::now() });
        }
        Ok(Self { hub, store, log, asking, shown: None })
    }

    /// Publishes again and again, until it is dropped.
    pub(super) async fn run(mut self) {
        let mut turns = tokio::time::interval(limits::PUBLISH_EVERY);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            if let Err(error) = self.turn().await {
                tracing::warn!(error = %error, "The audit log's head could not be published");
            }
        }
    }

    async fn turn(&mut self) -> Result<(), StoreError> {
        let head = self.store.head().await?;
        let again = self
            .shown
            .is_none_or(|(size, at)| head.size != size || at.elapsed() >= limits::PUBLISH_AGAIN);
        let late =
            self.asking.iter().any(|one| one.failures > 0 && one.not_before <= Instant::now());
        if head.size == 0 || !(again || late) {
            // A look at the time is owed also where nothing is new.
            return self.hub.look_at_witnesses(head.size).await;
        }
        self.store.keep_head(head.clone()).await?;
        self.shown = Some((head.size, Instant::now()));
        let lines = self.round(&head).await?;
        self.hub.witnessed(&head, lines).await
    }

    /// Shows a head to all witnesses at once; ends when each has answered or its time is over.
    async fn round(&mut self, head: &SignedHead) -> Result<Vec<(String, String)>, StoreError> {
        let (mut calls, mut lines, now) = (JoinSet::new(), Vec::new(), Instant::now());
        let (due, mut kept): (Vec<Asking>, Vec<Asking>) =
            std::mem::take(&mut self.asking).into_iter().partition(|one| one.not_before <= now);
        for one in due {
            let (store, log, head) = (Arc::clone(&self.store), self.log.clone(), head.clone());
            calls.spawn(async move {
                let asked = one.ask(store.as_ref(), &log, &head).await;
                (one, asked)
            });
        }
        let mut splits = Vec::new();
        while let Some(joined) = calls.join_next().await {
            let Ok((mut one, asked)) = joined else { continue };
            match asked {
                Asked::Signed(line) => {
                    (one.known, one.failures) = (head.size, 0);
                    lines.push((one.key.text(), line));
                }
                Asked::Split(evidence) => {
                    one.put_off();
                    splits.push((one.key.clone(), evidence));
                }
                Asked::Failed(why) => {
                    if one.failures == 0 {
                        tracing::warn!(witness = one.key.name(), why, "A witness has not signed");
                    }
                    one.put_off();
                }
            }
            kept.push(one);
        }
        self.asking = kept;
        for (key, evidence) in splits {
            let other = evidence.as_ref().map(|other| (other.size, other.root));
            let split = SplitView {
                witness: key.text(),
                size: head.size,
                evidence: evidence.map(|other| other.note),
                since: self.hub.now(),
            };
            self.hub.split_view(key.name(), split, other).await?;
        }
        Ok(lines)
    }
}
