//! The rows of a log's file, looked at by as many threads as the machine has and handed over in their order.
//! Only what stood there when the reading began; a row of a log never changes.

use std::collections::VecDeque;
use std::path::Path;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use rusqlite::types::{FromSqlError, ValueRef};
use rusqlite::{Connection, Row, Rows};

use super::file::reader;
use super::sqlite;
use crate::audit::verify::{Examined, Examining};
use crate::limits::{VERIFY_ROWS, VERIFY_THREADS_MAX};
use crate::store::StoreError;

/// What was seen.
pub(super) enum Found {
    /// An entry at a place.
    Entry(i64, Examined),
    /// What is no entry and no part of one.
    Finding(String),
}

/// Rows by their places, from the first up to and with the last.
#[derive(Debug, Clone, Copy)]
struct Span {
    first: i64,
    last: i64,
    /// The place of the row behind it, found by its number; none behind the last of all.
    next: Option<i64>,
}

/// Runs of entries that are missing and have slots: so many are named of each span.
const ORPHANS_MAX: usize = 100;

/// What a thread has seen of a span, up to where it could be read.
#[derive(Default)]
struct Part {
    seen: Vec<Found>,
    /// The place of the row that lies behind the span in the file.
    next: Option<i64>,
    /// Entries that are missing, one after the other, and whose slots are there.
    orphans: Option<(i64, i64)>,
    /// How many times such were named.
    named: usize,
    error: Option<StoreError>,
}

/// A span and who waits for it.
type Job = (Span, Sender<Part>);

/// Hands over what stands in a file, in order; `snapshot` says up to where. A row that lies between others and
/// is found by no number is a finding.
pub(super) fn in_order(
    path: &Path,
    snapshot: &Connection,
    mut each: impl FnMut(Found) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(VERIFY_THREADS_MAX);
    thread::scope(|scope| {
        // Gone when this is left: then the threads end.
        let (jobs, orders) = bounded::<Job>(threads * 2);
        for _ in 0..threads {
            let orders = orders.clone();
            scope.spawn(move || work(path, &orders));
        }
        drop(orders);
        let mut spans = Spans::of(snapshot);
        let mut waiting: VecDeque<(Span, Receiver<Part>)> = VecDeque::new();
        let gone = || StoreError::Unavailable("a thread that reads the log has ended".to_owned());
        loop {
            while waiting.len() < threads * 2
                && let Some(span) = spans.next()
            {
                let (done, part) = bounded(1);
                jobs.send((span, done)).map_err(|_| gone())?;
                waiting.push_back((span, part));
            }
            let Some((span, part)) = waiting.pop_front() else { return Ok(()) };
            let part = part.recv().map_err(|_| gone())?;
            part.seen.into_iter().try_for_each(&mut each)?;
            part.error.map_or(Ok(()), Err)?;
            if let Some(next) = span.next
                && part.next != Some(next)
            {
                let lies =
                    part.next.map_or_else(|| "nothing".to_owned(), |at| format!("entry {at}"));
                each(Found::Finding(format!(
                    "entry {next}: {lies} lies before it in the file, and has no place there"
                )))?;
            }
        }
    })?;
    outside(snapshot)?.into_iter().try_for_each(each)
}

/// The slots before the first entry and behind the last.
fn outside(snapshot: &Connection) -> Result<Vec<Found>, StoreError> {
    let (first, last) = ends(snapshot).map_err(|e| sqlite(&e))?;
    let mut part = Part::default();
    for (sql, end) in [
        ("SELECT idx FROM slot WHERE idx < ?1 ORDER BY idx", first.unwrap_or(i64::MAX)),
        ("SELECT idx FROM slot WHERE idx > ?1 ORDER BY idx", last.unwrap_or(i64::MAX)),
    ] {
        let mut slots = snapshot.prepare(sql).map_err(|e| sqlite(&e))?;
        let mut rows = slots.query([end]).map_err(|e| sqlite(&e))?;
        while part.named < ORPHANS_MAX
            && let Some(row) = rows.next().map_err(|e| sqlite(&e))?
        {
            part.orphan(row.get(0).map_err(|e| sqlite(&e))?);
        }
        part.name_orphans();
    }
    Ok(part.seen)
}

/// The places of the first and the last entry.
fn ends(snapshot: &Connection) -> rusqlite::Result<(Option<i64>, Option<i64>)> {
    let end = |sql| snapshot.query_row(sql, [], |row| row.get(0));
    Ok((end("SELECT min(idx) FROM entry")?, end("SELECT max(idx) FROM entry")?))
}

/// Cuts the places of a table into spans that each begin with a row. Where the table cannot be read, the last
/// span is all that is left: who reads it finds out where.
struct Spans<'c> {
    snapshot: &'c Connection,
    next: Option<i64>,
    last: i64,
}

impl<'c> Spans<'c> {
    fn of(snapshot: &'c Connection) -> Self {
        let (next, last) = ends(snapshot).unwrap_or((Some(i64::MIN), Some(i64::MAX)));
        Self { snapshot, next, last: last.unwrap_or(i64::MIN) }
    }

    /// The first row behind a place, up to the last.
    fn behind(&self, place: i64) -> rusqlite::Result<Option<i64>> {
        self.snapshot
            .prepare_cached("SELECT min(idx) FROM entry WHERE idx > ?1 AND idx <= ?2")?
            .query_row([place, self.last], |row| row.get(0))
    }
}

impl Iterator for Spans<'_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        let first = self.next?;
        let last = first.saturating_add(VERIFY_ROWS - 1).min(self.last);
        let (last, next) = match self.behind(last) {
            Ok(None) => (self.last, None),
            Ok(Some(next)) => (next - 1, Some(next)),
            Err(_) => (i64::MAX, None),
        };
        self.next = next;
        Some(Span { first, last, next })
    }
}

/// Looks at spans until there are no more.
fn work(path: &Path, orders: &Receiver<Job>) {
    let mut file = None;
    while let Ok((span, done)) = orders.recv() {
        let mut part = Part::default();
        let opened = match file.take() {
            Some(open) => Ok(open),
            None => reader(path),
        };
        match opened {
            Ok(open) => {
                part.error = part.read(&open, span).err();
                file = Some(open);
            }
            Err(error) => part.error = Some(error),
        }
        // Whoever has heard enough does not wait.
        let _gone = done.send(part);
    }
}

impl Part {
    fn read(&mut self, file: &Connection, span: Span) -> Result<(), StoreError> {
        // Without an end: what lies behind the span is seen as it lies.
        let mut entries = file
            .prepare_cached("SELECT idx, leaf FROM entry WHERE idx >= ?1 ORDER BY idx")
            .map_err(|e| sqlite(&e))?;
        let mut slots = file
            .prepare_cached(
                "SELECT idx, slot, content, bytes FROM slot WHERE idx BETWEEN ?1 AND ?2 \
                 ORDER BY idx, slot",
            )
            .map_err(|e| sqlite(&e))?;
        let mut entries = entries.query([span.first]).map_err(|e| sqlite(&e))?;
        let mut slots = Slots::of(slots.query([span.first, span.last]).map_err(|e| sqlite(&e))?)?;
        while let Some(row) = entries.next().map_err(|e| sqlite(&e))? {
            let index: i64 = row.get(0).map_err(|e| sqlite(&e))?;
            if index > span.last {
                self.next = Some(index);
                break;
            }
            let mut examining = Examining::leaf(blob(row, 1)?);
            while let Some(at) = slots.at.filter(|at| *at <= index) {
                if at == index {
                    slots.show(&mut examining)?;
                } else {
                    self.orphan(at);
                }
                slots.on()?;
            }
            self.name_orphans();
            self.seen.push(Found::Entry(index, examining.end()));
        }
        while let Some(at) = slots.at {
            self.orphan(at);
            slots.on()?;
        }
        self.name_orphans();
        Ok(())
    }

    /// A slot of an entry that is not there.
    fn orphan(&mut self, index: i64) {
        match &mut self.orphans {
            Some((_, last)) if *last == index => {}
            Some((_, last)) if last.checked_add(1) == Some(index) => *last = index,
            _ => {
                self.name_orphans();
                self.orphans = Some((index, index));
            }
        }
    }

    /// Names the entries that are missing and whose slots are there, one after the other; so many times.
    fn name_orphans(&mut self) {
        let Some((first, last)) = self.orphans.take() else { return };
        self.named += 1;
        if self.named > ORPHANS_MAX {
            return;
        }
        let finding = if first == last {
            format!("entry {first}: is missing, but its slots are there")
        } else {
            format!("entries {first} to {last}: are missing, but their slots are there")
        };
        self.seen.push(Found::Finding(finding));
    }
}

/// The slots of a span, one after the other.
struct Slots<'s> {
    rows: Rows<'s>,
    /// Whose the one is that is there now; `None`: there are no more.
    at: Option<i64>,
}

impl<'s> Slots<'s> {
    fn of(rows: Rows<'s>) -> Result<Self, StoreError> {
        let mut slots = Self { rows, at: None };
        slots.on()?;
        Ok(slots)
    }

    fn on(&mut self) -> Result<(), StoreError> {
        let row = self.rows.next().map_err(|e| sqlite(&e))?;
        self.at = row.map(|row| row.get(0)).transpose().map_err(|e| sqlite(&e))?;
        Ok(())
    }

    fn show(&self, examining: &mut Examining) -> Result<(), StoreError> {
        let Some(row) = self.rows.get() else { return Ok(()) };
        let id = row.get(1).map_err(|e| sqlite(&e))?;
        examining.slot(id, blob(row, 2)?, blob(row, 3)?);
        Ok(())
    }
}

/// The bytes of a column, where they lie.
fn blob<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r [u8], StoreError> {
    match row.get_ref(column).map_err(|e| sqlite(&e))? {
        ValueRef::Blob(bytes) => Ok(bytes),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => {
            Err(StoreError::Corrupt(FromSqlError::InvalidType.to_string()))
        }
    }
}
