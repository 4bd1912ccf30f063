//! The derived index: what the entries of the log say, by what is looked for. In a file of its own, filled
//! by a thread of its own after the commit, never in it. It can only leave something out, never invent:
//! each entry that it leads to is looked at. Deleted, it is made anew.

mod check;
mod file;
mod fill;
mod seek;
mod terms;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::Connection;

use self::file::{Mark, mark};
use self::fill::Filler;
pub(in crate::store::sqlite::log) use self::seek::Next;
use super::super::keys::{ChainKey, Keyring};
use super::parts::{Files, Parts};
use super::{Published, read, unavailable};
use crate::audit::tree::leaf_hash;
use crate::limits::{INDEX_BEHIND_MAX, INDEX_BUSY, INDEX_LINGER};
use crate::store::{Search, StoreError};

pub use self::check::{Checked, check};

/// Commands that wait for the thread; a reminder that finds no room is not needed.
const COMMANDS_MAX: usize = 64;

type Done = Sender<Result<u64, StoreError>>;

enum Command {
    /// There are more entries.
    Follow,
    /// Take up all that are there now, and tell how many entries are in the index.
    CatchUp(Done),
    /// Forget everything and begin anew.
    Rebuild(Done),
    /// Take the rows of these chains out; tells how many.
    Forget(Vec<ChainKey>, Done),
}

/// The index of an open log, and the thread that fills it.
pub(super) struct Index {
    commands: Mutex<Option<Sender<Command>>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    stop: Arc<AtomicBool>,
    /// The thread was told that there are more entries, and has not looked yet how many.
    reminded: Arc<AtomicBool>,
}

impl Index {
    /// Begins to follow a log.
    pub(super) fn follow(
        dir: &Path,
        keys: Arc<Keyring>,
        published: Arc<Mutex<Published>>,
    ) -> Result<Self, StoreError> {
        let (commands, orders) = bounded(COMMANDS_MAX);
        let stop = Arc::new(AtomicBool::new(false));
        let reminded = Arc::new(AtomicBool::new(false));
        let follower = Follower {
            path: dir.join(file::FILE),
            keys,
            published,
            stop: Arc::clone(&stop),
            reminded: Arc::clone(&reminded),
        };
        let thread = std::thread::Builder::new()
            .name("weir-index".to_owned())
            .spawn(move || follower.run(&orders))
            .map_err(|e| unavailable(&e))?;
        let (commands, thread) = (Mutex::new(Some(commands)), Mutex::new(Some(thread)));
        Ok(Self { commands, thread, stop, reminded })
    }

    /// Tells that there are more entries. Does not wait.
    pub(super) fn remind(&self) {
        if !self.reminded.swap(true, Ordering::AcqRel)
            && let Ok(commands) = self.commands()
        {
            let _full = commands.try_send(Command::Follow);
        }
    }

    /// Takes up everything that is there; tells how many entries. Blocks.
    pub(super) fn catch_up(&self) -> Result<u64, StoreError> {
        self.order(Command::CatchUp)
    }

    /// Makes the index anew; tells how many entries. Blocks.
    pub(super) fn rebuild(&self) -> Result<u64, StoreError> {
        self.order(Command::Rebuild)
    }

    /// Takes the rows of chains out; tells how many. Blocks.
    pub(super) fn forget(&self, chains: Vec<ChainKey>) -> Result<u64, StoreError> {
        self.order(|done| Command::Forget(chains, done))
    }

    fn commands(&self) -> Result<Sender<Command>, StoreError> {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner).clone();
        commands.ok_or_else(|| unavailable(&"the index is closed"))
    }

    fn order(&self, command: impl FnOnce(Done) -> Command) -> Result<u64, StoreError> {
        let (done, told) = bounded(1);
        let gone = |_| unavailable(&"the index is closed");
        self.commands()?.send(command(done)).map_err(|_| gone(()))?;
        told.recv().map_err(|_| gone(()))?
    }

    /// Ends the thread after the batch that it is at. What is left is taken up at the next opening.
    pub(super) fn close(&self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.commands.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("Index thread ended by a panic");
        }
    }
}

struct Follower {
    path: PathBuf,
    keys: Arc<Keyring>,
    published: Arc<Mutex<Published>>,
    stop: Arc<AtomicBool>,
    reminded: Arc<AtomicBool>,
}

/// The files as the thread holds them open.
struct Open {
    index: Connection,
    /// Which file that is.
    file: file::Identity,
    log: Files,
}

impl Follower {
    fn run(&self, orders: &Receiver<Command>) {
        let mut filler = Filler::new(Some(&self.keys));
        let mut open = None;
        self.tell(self.take_up(&mut open, &mut filler));
        while let Ok(command) = orders.recv() {
            let follows = matches!(command, Command::Follow);
            let command = if follows { self.gathered(orders, &open) } else { command };
            self.carry_out(command, &mut open, &mut filler);
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    /// Many commits, one batch: what else comes in a moment, and in the next while the log is busy. Whoever
    /// asks meanwhile reads the rest from the log.
    fn gathered(&self, orders: &Receiver<Command>, open: &Option<Open>) -> Command {
        let taken = open.as_ref().and_then(|open| mark(&open.index).ok()).unwrap_or_default().size;
        let mut before = self.newest().1;
        loop {
            // Each of the others takes up what is there as well.
            if let Ok(other) = orders.recv_timeout(INDEX_LINGER) {
                return other;
            }
            let size = self.newest().1;
            if self.stop.load(Ordering::Relaxed) || !waits(before, size, taken) {
                return Command::Follow;
            }
            before = size;
        }
    }

    fn carry_out(&self, command: Command, open: &mut Option<Open>, filler: &mut Filler<'_>) {
        // Before it is looked how many there are: who comes after that reminds again.
        self.reminded.store(false, Ordering::Release);
        // Whoever went away does not change what was done.
        match command {
            Command::Follow => self.tell(self.take_up(open, filler)),
            Command::CatchUp(done) => drop(done.send(self.take_up(open, filler))),
            Command::Rebuild(done) => drop(done.send(self.begin_anew(open, filler))),
            Command::Forget(chains, done) => {
                drop(done.send(self.taken_out(open, filler, &chains)));
            }
        }
    }

    /// The files of the log, and how many entries its newest head covers.
    fn newest(&self) -> (Parts, u64) {
        let published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        (published.parts.clone(), published.head.size)
    }

    fn tell(&self, taken: Result<u64, StoreError>) {
        if let Err(error) = taken {
            tracing::warn!(error = %error, "The index of the log could not be filled");
        }
    }

    /// Takes up what is there. An index that is damaged, or of another log, is made anew once.
    fn take_up(&self, open: &mut Option<Open>, filler: &mut Filler<'_>) -> Result<u64, StoreError> {
        // Somebody has deleted it, or put another in its place: what is still open here is nobody's, and what
        // SQLite has left beside it belongs to neither.
        if open.as_ref().is_some_and(|open| file::identity(&self.path) != Some(open.file)) {
            return self.begin_anew(open, filler);
        }
        match self.taken_up(open, filler) {
            Err(StoreError::Corrupt(why)) => {
                tracing::warn!(why, "The index of the log is made anew");
                self.begin_anew(open, filler)
            }
            taken => taken,
        }
    }

    fn begin_anew(
        &self,
        open: &mut Option<Open>,
        filler: &mut Filler<'_>,
    ) -> Result<u64, StoreError> {
        *open = None;
        file::remove(&self.path)?;
        self.taken_up(open, filler)
    }

    fn opened<'o>(
        &self,
        open: &'o mut Option<Open>,
        filler: &mut Filler<'_>,
    ) -> Result<&'o mut Open, StoreError> {
        if open.is_none() {
            filler.forget();
            let log = Files::of(self.newest().0);
            let index = file::open(&self.path)?;
            if !is_of(&index, &log)? {
                return Err(StoreError::Corrupt("it is the index of another log".to_owned()));
            }
            let gone = || unavailable(&"the file of the index is gone");
            let file = file::identity(&self.path).ok_or_else(gone)?;
            *open = Some(Open { index, file, log });
        }
        open.as_mut().ok_or_else(|| unavailable(&"the index is not open"))
    }

    fn taken_up(
        &self,
        open: &mut Option<Open>,
        filler: &mut Filler<'_>,
    ) -> Result<u64, StoreError> {
        let (parts, size) = self.newest();
        let files = self.opened(open, filler)?;
        if *files.log.parts() != parts {
            files.log = Files::of(parts);
        }
        let mut now = mark(&files.index)?;
        while now.size < size && !self.stop.load(Ordering::Relaxed) {
            let before = now;
            now = filler.batch(&mut files.index, &files.log, size, |_| ())?;
            if now == before {
                return Err(unavailable(&"the log is shorter than its head"));
            }
        }
        Ok(now.size)
    }

    fn taken_out(
        &self,
        open: &mut Option<Open>,
        filler: &mut Filler<'_>,
        chains: &[ChainKey],
    ) -> Result<u64, StoreError> {
        self.take_up(open, filler)?;
        let files = self.opened(open, filler)?;
        filler.take_out(&mut files.index, chains)
    }
}

/// Whether an index that has taken up so many entries waits on, of a log that has grown so in a moment.
const fn waits(before: u64, size: u64, taken: u64) -> bool {
    size.saturating_sub(before) >= INDEX_BUSY && size.saturating_sub(taken) < INDEX_BEHIND_MAX
}

/// Whether an index is of this log: the last entry that it has taken up stands at its place.
fn is_of(index: &Connection, log: &Files) -> Result<bool, StoreError> {
    let Mark { size, leaf } = mark(index)?;
    let Some(last) = size.checked_sub(1) else { return Ok(true) };
    // A log that is shorter than its index is another.
    let file = match log.holding(last) {
        Err(StoreError::Corrupt(_)) => return Ok(false),
        found => found?,
    };
    Ok(read::leaf_at(file, last)?.is_some_and(|found| leaf_hash(&found) == leaf))
}

/// An index as searches find it.
pub(super) struct Reading {
    path: PathBuf,
    open: Option<file::Held>,
}

impl Reading {
    pub(super) fn of(dir: &Path) -> Self {
        Self { path: dir.join(file::FILE), open: None }
    }

    /// How far the index helps with a search of this log, and how: up to that place, what is sought leads to
    /// every entry that is meant. One that is not there, is damaged or of another log has followed nothing:
    /// everything is read from the log.
    pub(super) fn sought(
        &mut self,
        log: &Files,
        keys: &Keyring,
        search: &Search,
    ) -> Result<(u64, Option<seek::Sought<'_>>), StoreError> {
        let followed = self.looked_at(log).unwrap_or_else(|error| {
            tracing::warn!(error = %error, "The index of the log cannot be read");
            0
        });
        let Some(index) = self.open.as_ref().filter(|_| followed > 0) else { return Ok((0, None)) };
        let sought = seek::Sought::of(index.connection(), keys, search)?;
        Ok(if sought.is_some() { (followed, sought) } else { (0, None) })
    }

    /// How many entries of this log the index has taken up, as the file stands now.
    fn looked_at(&mut self, log: &Files) -> Result<u64, StoreError> {
        // Somebody may have put another file in its place, or taken it away.
        if !self.open.as_ref().is_some_and(|open| open.stands_at(&self.path)) {
            self.open = file::Held::at(&self.path)?;
        }
        let Some(index) = self.open.as_ref().map(file::Held::connection) else { return Ok(0) };
        Ok(if is_of(index, log)? { mark(index)?.size } else { 0 })
    }
}

#[cfg(test)]
mod tests;
