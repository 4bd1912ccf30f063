//! Witnesses: what they signed of the log, that they cease to, and that one of them saw another log.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::entry::fresh_id;
use super::{Hub, HubError, Violation};
use crate::audit::entry::{Entry, Facet, Kind};
use crate::audit::receipt::ProvenEntry;
use crate::audit::witness::{Quorum, Staleness, Turn};
use crate::auth::Caller;
use crate::limits;
use crate::store::{PublishedHead, SignedHead, SplitView, StoreError};

/// Who witnesses, and what their silence means.
#[derive(Debug, Clone)]
pub struct Witnesses {
    /// How many of which.
    pub quorum: Quorum,
    /// After so long without a quorum it is told.
    pub stale_after: SignedDuration,
    /// After so long nothing is disclosed any more; `None`: it goes on.
    pub strict_after: Option<SignedDuration>,
}

/// What the hub knows of its witnesses.
pub(super) struct Witnessing {
    followed: OnceLock<Witnesses>,
    staleness: Mutex<Option<Staleness>>,
    /// Microseconds: when nothing is disclosed any more.
    stops_at: AtomicI64,
    is_split: AtomicBool,
    /// The newest head to which witnesses have said what they say; 0: none in this run.
    published: AtomicU64,
    /// The newest head that a quorum has signed.
    cosigned: ArcSwapOption<PublishedHead>,
    watchers: Arc<Semaphore>,
}

impl Default for Witnessing {
    fn default() -> Self {
        Self {
            followed: OnceLock::new(),
            staleness: Mutex::new(None),
            stops_at: AtomicI64::new(i64::MAX),
            is_split: AtomicBool::new(false),
            published: AtomicU64::new(0),
            cosigned: ArcSwapOption::empty(),
            watchers: Arc::new(Semaphore::new(limits::HEAD_WATCHERS_MAX)),
        }
    }
}

impl Witnessing {
    /// The operator chose that without witnesses nothing is disclosed, and it is so late.
    pub(super) fn has_stopped(&self, at: Timestamp) -> bool {
        at.as_microsecond() >= self.stops_at.load(Ordering::Relaxed)
    }

    fn with_staleness<T>(&self, work: impl FnOnce(&mut Staleness) -> T) -> Option<T> {
        let mut staleness = self.staleness.lock().unwrap_or_else(PoisonError::into_inner);
        let told = staleness.as_mut().map(work);
        let strict = self.followed.get().and_then(|witnesses| witnesses.strict_after);
        if let Some((staleness, strict)) = staleness.as_ref().zip(strict) {
            let at = staleness.last().checked_add(strict).unwrap_or(Timestamp::MAX);
            self.stops_at.store(at.as_microsecond(), Ordering::Relaxed);
        }
        told
    }
}

/// A watch of published heads; it is one of a bounded number until it is dropped.
pub struct HeadWatch {
    hub: Arc<Hub>,
    after: u64,
    waiting: std::collections::VecDeque<PublishedHead>,
    _place: OwnedSemaphorePermit,
}

impl HeadWatch {
    /// The next head; waits until there is one. `None` when the hub ends.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn next(&mut self) -> Result<Option<PublishedHead>, HubError> {
        while !self.hub.witnessing.watchers.is_closed() {
            if let Some(head) = self.waiting.pop_front() {
                self.after = head.size;
                return Ok(Some(head));
            }
            self.waiting = self.hub.published_after(self.after).await?.into();
            if self.waiting.is_empty() {
                tokio::time::sleep(limits::PUBLISH_EVERY).await;
            }
        }
        Ok(None)
    }
}

impl Hub {
    /// Begins to hold the log against its witnesses, from what was kept before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn follow_witnesses(&self, witnesses: Witnesses) -> Result<(), StoreError> {
        let now = self.clock.now();
        let (since, told) = self.store.witnessed_since(now).await?;
        let staleness = Staleness::new(witnesses.stale_after, since.min(now), told);
        for head in self.store.newest_heads(limits::PAGE_MAX).await? {
            if witnesses.quorum.is_met(&head.note) {
                self.witnessing.cosigned.store(Some(Arc::new(head)));
                break;
            }
        }
        let is_split = !self.store.split_views().await?.is_empty();
        self.witnessing.is_split.store(is_split, Ordering::Relaxed);
        // Whoever follows a second time follows the first.
        let _first = self.witnessing.followed.set(witnesses);
        let put = |place: &mut Option<Staleness>| *place = Some(staleness);
        put(&mut self.witnessing.staleness.lock().unwrap_or_else(PoisonError::into_inner));
        self.witnessing.with_staleness(|_| ());
        Ok(())
    }

    /// Witnesses sign, and none of them saw another log; also where there are none.
    #[must_use]
    pub fn is_witnessed(&self) -> bool {
        let stale = self.witnessing.with_staleness(|staleness| staleness.is_stale());
        !stale.unwrap_or(false) && !self.witnessing.is_split.load(Ordering::Relaxed)
    }

    /// A head was shown to the witnesses and so many of them have signed it: their keys and lines, which
    /// were verified.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn witnessed(
        &self,
        head: &SignedHead,
        lines: Vec<(String, String)>,
    ) -> Result<(), StoreError> {
        let Some(witnesses) = self.witnessing.followed.get() else { return Ok(()) };
        let now = self.clock.now();
        self.store.keep_cosignatures(head.size, now, lines).await?;
        self.witnessing.published.store(head.size, Ordering::Relaxed);
        let kept = self.store.heads_after(head.size.saturating_sub(1), 1).await?;
        let met = kept.into_iter().find(|kept| witnesses.quorum.is_met(&kept.note));
        let turn = match met {
            Some(cosigned) => {
                self.witnessing.cosigned.store(Some(Arc::new(cosigned)));
                self.witnessing.with_staleness(|staleness| staleness.signed(now))
            }
            None => self.witnessing.with_staleness(|staleness| staleness.look(now)),
        };
        if let Some(turn) = turn.flatten() {
            self.tell_of(turn, head.size).await?;
        }
        let kept = self.witnessing.with_staleness(|s| (s.last(), s.is_stale()));
        match kept {
            Some((last, told)) => self.store.keep_witnessed(last, told).await,
            None => Ok(()),
        }
    }

    /// Looks at the time where no head was shown to the witnesses.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn look_at_witnesses(&self, size: u64) -> Result<(), StoreError> {
        let now = self.clock.now();
        let turn = self.witnessing.with_staleness(|staleness| staleness.look(now)).flatten();
        let Some(turn) = turn else { return Ok(()) };
        self.tell_of(turn, size).await?;
        let last = self.witnessing.with_staleness(|staleness| staleness.last());
        self.store.keep_witnessed(last.unwrap_or(now), true).await
    }

    /// Enters that witnesses cease to sign, or sign again.
    async fn tell_of(&self, turn: Turn, size: u64) -> Result<(), StoreError> {
        let word = match turn {
            Turn::Stale => "witness-stale",
            Turn::Fresh => "witness-fresh",
        };
        match turn {
            Turn::Stale => tracing::error!(size, "No quorum of witnesses has signed for too long"),
            Turn::Fresh => tracing::info!(size, "A quorum of witnesses signs again"),
        }
        let facets = [(Facet::What, word.to_owned()), (Facet::Count, size.to_string())];
        self.enter_of_witnesses(facets.into()).await
    }

    async fn enter_of_witnesses(&self, facets: BTreeMap<Facet, String>) -> Result<(), StoreError> {
        let event = fresh_id(self.clock.now());
        let entry = Entry::of_hub(event, Kind::Operation, "weir serve", facets);
        self.store.append(vec![entry]).await.map(drop)
    }

    /// A witness has signed another history of this log, or says so: entered once, and told until an operator
    /// accepts it. `name` is the witness's, `other` what its evidence is a head of.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn split_view(
        &self,
        name: &str,
        split: SplitView,
        other: Option<(u64, [u8; 32])>,
    ) -> Result<(), StoreError> {
        self.witnessing.is_split.store(true, Ordering::Relaxed);
        let (size, proven) = (split.size, other.is_some());
        let known = self.store.split_views().await?;
        let known = known.iter().find(|known| known.witness == split.witness);
        if known.is_some_and(|known| known.evidence.is_some() || !proven) {
            return Ok(());
        }
        tracing::error!(
            witness = name,
            size,
            proven,
            "SPLIT VIEW: a witness saw another audit log"
        );
        let word = if proven { "proven" } else { "claimed" };
        let what = format!("split-view|{word}|{}", name.replace('|', "_"));
        let mut facets = BTreeMap::from([(Facet::What, what), (Facet::Count, size.to_string())]);
        facets.extend(
            other.map(|(size, root)| (Facet::Previous, format!("{size}:{}", hex::encode(root)))),
        );
        // The entry first: what was cut off is entered twice, never missing.
        self.enter_of_witnesses(facets).await?;
        self.store.keep_split_view(split).await.map(drop)
    }

    /// Ends all watches: the hub ends.
    pub fn end_watches(&self) {
        self.witnessing.watchers.close();
        self.notice_watchers.close();
    }

    /// Watches the heads that are published after a size. They tell nothing of anybody and are not recorded.
    ///
    /// # Errors
    /// When the caller is no auditor, or too many watch.
    pub async fn watch_heads(
        self: &Arc<Self>,
        caller: &Caller,
        after: u64,
    ) -> Result<HeadWatch, HubError> {
        self.hashes_for(caller, "weir.hub.v1.AuditService/WatchHeads").await?;
        let place = Arc::clone(&self.witnessing.watchers).try_acquire_owned();
        let place = place.map_err(|_| HubError::Busy)?;
        Ok(HeadWatch { hub: Arc::clone(self), after, waiting: Default::default(), _place: place })
    }

    /// Heads above a size, oldest first: those that witnesses were shown; where there are none, the newest.
    async fn published_after(&self, after: u64) -> Result<Vec<PublishedHead>, HubError> {
        if self.witnessing.followed.get().is_none() {
            let SignedHead { size, note, .. } = self.store.head().await?;
            return Ok(Some(PublishedHead { size, note })
                .filter(|h| h.size > after)
                .into_iter()
                .collect());
        }
        let upto = self.witnessing.published.load(Ordering::Relaxed);
        if upto <= after {
            return Ok(Vec::new());
        }
        let mut heads = self.store.heads_after(after, limits::PAGE_DEFAULT).await?;
        heads.retain(|head| head.size <= upto);
        Ok(heads)
    }

    /// The head to be published today: the newest that a quorum has signed; the newest of all where there are
    /// no witnesses, or where it `must` be one.
    pub async fn note_to_anchor(&self, must: bool) -> Option<String> {
        if let Some(cosigned) = self.witnessing.cosigned.load_full() {
            return Some(cosigned.note.clone());
        }
        if self.witnessing.followed.get().is_some() && !must {
            return None;
        }
        self.store.head().await.ok().filter(|head| head.size > 0).map(|head| head.note)
    }

    /// A proven entry under a head that a quorum of witnesses has signed.
    pub(super) async fn cosigned(&self, proven: ProvenEntry) -> Result<ProvenEntry, HubError> {
        if self.witnessing.followed.get().is_none() {
            let what = "the hub has no witnesses".to_owned();
            return Err(HubError::Invalid(vec![Violation::new("cosigned", what)]));
        }
        let head = self.witnessing.cosigned.load_full();
        let head = head.filter(|head| head.size > proven.index).ok_or(HubError::NotCosigned)?;
        let path = self.store.inclusion(proven.index, head.size).await?;
        let path = path.ok_or(HubError::Broken)?;
        Ok(ProvenEntry { path, note: head.note.clone(), ..proven })
    }
}
