//! The one writer: takes what queued while the last commit ran, signs, commits, and only then tells
//! everybody. A commit that failed may have become durable all the same: the file is reopened and
//! what is there is adopted.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::Receiver;
use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior, params};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::file::{State, files_from};
use super::parts::{file_of, year_in_name, year_of};
use super::rollback::Seen;
use super::tiles::keep;
use super::{Draft, Job, Published, Reply, draft, sqlite};
use crate::audit::checkpoint::{Checkpoint, SigningKey};
use crate::audit::entry::{Entry, Facet, Kind};
use crate::audit::leaf::SealedSlot;
use crate::audit::tile::{RightSide, Tile};
use crate::audit::tree::{Edge, Hash, leaf_hash};
use crate::audit::verify::{CLOCK_BACK, head_before};
use crate::clock::SharedClock;
use crate::domain::DecisionId;
use crate::limits::CLOCK_BACK_LEAST;
use crate::store::{Receipt, Refusal, SignedHead, StoreError};

pub(super) struct Writer {
    /// `None`: poisoned; nothing is written before the file was reopened and verified.
    state: Option<State>,
    dir: PathBuf,
    key: SigningKey,
    origin: String,
    clock: SharedClock,
    published: Arc<Mutex<Published>>,
    /// Entries that could not be written since the last commit.
    missed: u64,
    /// The clock is behind the log, and the log says so.
    behind: bool,
}

/// Who waits for a run of so many entries.
struct Waiting {
    entries: usize,
    reply: Reply,
    _room: OwnedSemaphorePermit,
}

/// So many are told by the writer itself.
const TOLD_DIRECTLY: usize = 8;

/// Those whose entries are durable, each with what they are told when this is dropped.
struct Telling(Vec<(Waiting, Vec<Receipt>)>);

impl Telling {
    /// Tells many where they wait: to wake each of them from here costs more than to write their entries.
    fn tell(self, runtime: Option<Handle>) {
        match runtime.filter(|_| self.0.len() > TOLD_DIRECTLY) {
            Some(runtime) => drop(runtime.spawn(async move { drop(self) })),
            None => drop(self),
        }
    }
}

impl Drop for Telling {
    /// Also where the runtime has ended meanwhile: what is durable is told.
    fn drop(&mut self) {
        for (one, receipts) in self.0.drain(..) {
            // A waiter that has gone away does not change what is in the log.
            let _gone = one.reply.send(Ok(receipts));
        }
    }
}

/// An entry as it will stand in the log.
struct Row {
    index: u64,
    event: DecisionId,
    leaf: Vec<u8>,
    hash: Hash,
    slots: Vec<SealedSlot>,
}

/// A batch as it will stand in the log.
struct Batch {
    rows: Vec<Row>,
    edge: Edge,
    right: Arc<RightSide>,
    /// Tiles that the batch fills.
    tiles: Vec<Tile>,
    committed_at: Timestamp,
    head: SignedHead,
}

impl Writer {
    pub(super) fn new(
        state: State,
        dir: PathBuf,
        key: SigningKey,
        origin: String,
        clock: SharedClock,
        published: Arc<Mutex<Published>>,
    ) -> Result<Self, StoreError> {
        let fresh = state.edge.size() == 0;
        let state = Some(state);
        let mut writer =
            Self { state, dir, key, origin, clock, published, missed: 0, behind: false };
        if fresh {
            let genesis = draft(own_entry(Kind::Genesis, BTreeMap::new()), None)?;
            writer.commit(vec![genesis])?;
        }
        Ok(writer)
    }

    /// Serves until nobody can ask any more: one run, and what queued meanwhile up to so many entries
    /// `together`. Nobody is waited for.
    pub(super) fn run(mut self, jobs: &Receiver<Job>, together: usize) {
        while let Ok(first) = jobs.recv() {
            let mut batch = vec![first];
            let mut entries = batch.iter().map(|job| job.drafts.len()).sum::<usize>();
            while entries < together
                && let Ok(more) = jobs.try_recv()
            {
                entries += more.drafts.len();
                batch.push(more);
            }
            self.serve(batch);
        }
    }

    fn serve(&mut self, jobs: Vec<Job>) {
        let jobs = match self.ready() {
            Ok(()) => self.without_repeats(jobs),
            Err(error) => return self.fail(jobs.into_iter().map(Waiting::of), &error),
        };
        if jobs.is_empty() {
            return;
        }
        let of = |job: &Job| job.runtime.as_ref().map(Handle::id);
        let together = jobs.iter().map(of).collect::<HashSet<_>>().len() == 1;
        let (mut drafts, mut waiting, mut runtime) = (Vec::new(), Vec::new(), None);
        for job in jobs {
            runtime = job.runtime.filter(|_| together);
            waiting.push(Waiting { entries: job.drafts.len(), reply: job.reply, _room: job.room });
            drafts.extend(job.drafts);
        }
        match self.write(drafts) {
            Ok(receipts) => {
                let mut receipts = receipts.into_iter();
                let own = |one: Waiting| {
                    let own = receipts.by_ref().take(one.entries).collect();
                    (one, own)
                };
                Telling(waiting.into_iter().map(own).collect()).tell(runtime);
            }
            Err(error) => self.fail(waiting.into_iter(), &error),
        }
    }

    /// Tells everybody that nothing was promised, and remembers how many entries that were.
    fn fail(&mut self, waiting: impl Iterator<Item = Waiting>, error: &StoreError) {
        tracing::error!(error = %error, "Audit entries could not be written");
        for one in waiting {
            let count = u64::try_from(one.entries).unwrap_or(u64::MAX);
            self.missed = self.missed.saturating_add(count);
            let _gone = one.reply.send(Err(match error {
                StoreError::Full => StoreError::Full,
                StoreError::Unavailable(_)
                | StoreError::InUse
                | StoreError::Keys(_)
                | StoreError::RolledBack(_)
                | StoreError::Corrupt(_)
                | StoreError::Refused(_) => {
                    StoreError::Unavailable("the audit log could not be written".to_owned())
                }
            }));
        }
    }

    /// After a failure the file is reopened first: what is there is adopted.
    fn ready(&mut self) -> Result<(), StoreError> {
        if self.state.is_none() {
            let verifier = self.key.verifier(&self.origin);
            let head =
                { self.published.lock().unwrap_or_else(PoisonError::into_inner).head.clone() };
            // What somebody was told must be there still: of one size there is one signed root.
            let told = Seen::in_this_run(&head);
            let (state, places) =
                State::open(&files_from(&self.dir, self.clock.now())?, &verifier, told.as_ref())?;
            let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
            *published = Published {
                head: state.head(),
                right: Arc::clone(&state.right),
                places,
                parts: state.parts.clone(),
                grown: published.grown.clone(),
                last_commit: state.last_commit,
            };
            drop(published);
            self.state = Some(state);
        }
        Ok(())
    }

    /// Turns down a run with an id that the log has, or that came before in it or in this batch. Only
    /// here nothing can come between the look and the commit.
    fn without_repeats(&self, jobs: Vec<Job>) -> Vec<Job> {
        let published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = HashSet::new();
        let mut fresh = Vec::with_capacity(jobs.len());
        for job in jobs {
            let events = || job.drafts.iter().map(|draft| draft.event);
            let taken = |event| published.places.contains_key(&event) || seen.contains(&event);
            let mut own = HashSet::new();
            // Most runs are of one entry.
            let repeats = job.drafts.len() > 1 && !events().all(|event| own.insert(event));
            if repeats || events().any(taken) {
                let _gone = job.reply.send(Err(StoreError::Refused(Refusal::EventTaken)));
            } else {
                seen.extend(events());
                fresh.push(job);
            }
        }
        fresh
    }

    /// So many seconds that the clock is behind the log, where they are too many.
    fn seconds_behind(&self) -> Option<i64> {
        let behind = self.state.as_ref()?.last_commit.duration_since(self.clock.now());
        (behind >= CLOCK_BACK_LEAST).then(|| behind.as_secs())
    }

    /// Writes a batch, after an entry about the gap if there was one, and about a clock that went back.
    fn write(&mut self, mut drafts: Vec<Draft>) -> Result<Vec<Receipt>, StoreError> {
        let wanted = drafts.len();
        if self.missed > 0 {
            let count = BTreeMap::from([(Facet::Count, self.missed.to_string())]);
            drafts.insert(0, draft(own_entry(Kind::Gap, count), None)?);
        }
        let behind = self.seconds_behind();
        if let Some(seconds) = behind.filter(|_| !self.behind) {
            tracing::error!(seconds, "The clock went back: times in the audit log stand still");
            let what = BTreeMap::from([(Facet::What, format!("{CLOCK_BACK}|{seconds}"))]);
            drafts.insert(0, draft(own_entry(Kind::Operation, what), None)?);
        }
        if let Some(before) = self.new_year()? {
            let before = BTreeMap::from([(Facet::Previous, before)]);
            drafts.insert(0, draft(own_entry(Kind::Genesis, before), None)?);
        }
        let own = drafts.len() - wanted;
        let receipts = self.commit(drafts)?;
        self.missed = 0;
        self.behind = behind.is_some();
        Ok(receipts.into_iter().skip(own).collect())
    }

    /// Begins the file of a new year where it is one; tells the head before, where a file has yet to begin
    /// with it.
    fn new_year(&mut self) -> Result<Option<String>, StoreError> {
        let Some(mut state) = self.state.take() else {
            return Err(StoreError::Unavailable("the log is being reopened".to_owned()));
        };
        let year = year_of(self.clock.now().max(state.last_commit));
        if state.begun && year_in_name(&state.path).is_some_and(|written| written < year) {
            // An error leaves the writer poisoned: the files are reopened as they are.
            state.turn(file_of(&self.dir, year))?;
        }
        let before = (!state.begun).then(|| head_before(&state.edge));
        self.state = Some(state);
        Ok(before)
    }

    fn commit(&mut self, drafts: Vec<Draft>) -> Result<Vec<Receipt>, StoreError> {
        let Some(mut state) = self.state.take() else {
            return Err(StoreError::Unavailable("the log is being reopened".to_owned()));
        };
        let batch = self.prepare(&state, drafts);
        // Nothing is durable yet: a crash here costs the callers a retry.
        insert(&mut state.connection, &batch).map_err(|e| sqlite(&e))?;
        // Durable from here on, whether or not anybody hears of it. Only now is the state taken
        // back: an error above leaves the writer poisoned.
        let mut receipts = Vec::with_capacity(batch.rows.len());
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        for Row { index, event, hash, .. } in &batch.rows {
            published.places.insert(*event, *index);
            receipts.push(Receipt {
                event: *event,
                index: *index,
                leaf_hash: *hash,
                size: batch.head.size,
                root: batch.head.root,
            });
        }
        published.head = batch.head.clone();
        published.grown.send_replace(batch.head.size);
        published.right = Arc::clone(&batch.right);
        published.last_commit = batch.committed_at;
        if !state.begun {
            published.parts = state.parts.clone();
            state.begun = true;
        }
        drop(published);
        state.edge = batch.edge;
        state.right = batch.right;
        state.last_commit = batch.committed_at;
        state.note = batch.head.note;
        self.state = Some(state);
        Ok(receipts)
    }

    fn prepare(&self, state: &State, drafts: Vec<Draft>) -> Batch {
        // Time does not go backwards in the log, whatever the clock does.
        let committed_at = self.clock.now().max(state.last_commit);
        let (mut edge, mut right) = (state.edge.clone(), RightSide::clone(&state.right));
        let mut tiles = Vec::new();
        let mut rows = Vec::with_capacity(drafts.len());
        for Draft { event, leaf, slots } in drafts {
            let leaf = leaf.at(committed_at);
            let hash = leaf_hash(&leaf);
            rows.push(Row { index: edge.size(), event, leaf, hash, slots });
            edge.push(hash);
            tiles.extend(right.push(hash));
        }
        let (size, root) = (edge.size(), edge.root());
        let note = self.key.sign(&Checkpoint { origin: self.origin.clone(), size, root });
        let (right, head) = (Arc::new(right), SignedHead { size, root, note });
        Batch { rows, edge, right, tiles, committed_at, head }
    }
}

fn insert(connection: &mut Connection, batch: &Batch) -> Result<(), rusqlite::Error> {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut entry =
            transaction.prepare_cached("INSERT INTO entry (idx, leaf) VALUES (?1, ?2)")?;
        let mut slot = transaction.prepare_cached(
            "INSERT INTO slot (idx, slot, content, bytes) VALUES (?1, ?2, ?3, ?4)",
        )?;
        for row in &batch.rows {
            entry.execute(params![number(row.index), row.leaf])?;
            for sealed in &row.slots {
                slot.execute(params![
                    number(row.index),
                    sealed.id as u8,
                    sealed.content,
                    sealed.bytes
                ])?;
            }
        }
        for tile in &batch.tiles {
            keep(&transaction, tile)?;
        }
        transaction
            .prepare_cached("INSERT INTO head (size, note) VALUES (?1, ?2)")?
            .execute(params![number(batch.head.size), batch.head.note])?;
    }
    transaction.commit()
}

impl Waiting {
    fn of(job: Job) -> Self {
        Self { entries: job.drafts.len(), reply: job.reply, _room: job.room }
    }
}

/// An entry of the hub's own.
fn own_entry(kind: Kind, facets: BTreeMap<Facet, String>) -> Entry {
    Entry::of_hub(DecisionId::from_uuid(Uuid::now_v7()), kind, "weir audit", facets)
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Runtime;
    use tokio::sync::{Semaphore, oneshot};

    use super::*;

    #[test]
    fn what_is_durable_is_told_also_where_the_runtime_has_ended() {
        let alive = Runtime::new().unwrap();
        let ended = Runtime::new().unwrap().handle().clone();
        for (runtime, count) in
            [(Some(alive.handle().clone()), 20), (Some(ended), 20), (None, 20), (None, 1)]
        {
            let room = Arc::new(Semaphore::new(count));
            let (mut waiting, mut answers) = (Vec::new(), Vec::new());
            for _ in 0..count {
                let (reply, answer) = oneshot::channel();
                let place = Arc::clone(&room).try_acquire_owned().unwrap();
                waiting.push((Waiting { entries: 1, reply, _room: place }, Vec::new()));
                answers.push(answer);
            }
            // Somebody has gone away.
            drop(answers.pop());
            Telling(waiting).tell(runtime);
            for answer in answers {
                assert!(answer.blocking_recv().unwrap().unwrap().is_empty());
            }
        }
    }
}
