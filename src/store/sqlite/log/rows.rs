//! The rows of a log's file, looked at by as many threads as the machine has and handed over in their order.
//! Only what stood there when the reading began; a row of a log never changes.

use std::collections::VecDeque;
use std::path::Path;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use rusqlite::types::{FromSqlError, ValueRef};
use rusqlite::{Connection, Row, Rows, params};

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
}

/// What a thread has seen of a span, up to where it could be read.
#[derive(Default)]
struct Part {
    seen: Vec<Found>,
    entries: u64,
    slots: u64,
    error: Option<StoreError>,
}

/// A span and who waits for it.
type Job = (Span, Sender<Part>);

/// Hands over what stands in a file, in order; `snapshot` says up to where. What lies in the tables and is
/// found by no number is a finding.
pub(super) fn in_order(
    path: &Path,
    snapshot: &Connection,
    mut each: impl FnMut(Found) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(VERIFY_THREADS_MAX);
    let mut whole = Part::default();
    thread::scope(|scope| {
        // Gone when this is left: then the threads end.
        let (jobs, orders) = bounded::<Job>(threads * 2);
        for _ in 0..threads {
            let orders = orders.clone();
            scope.spawn(move || work(path, &orders));
        }
        drop(orders);
        let mut spans = Spans::of(snapshot);
        let mut waiting: VecDeque<Receiver<Part>> = VecDeque::new();
        let gone = || StoreError::Unavailable("a thread that reads the log has ended".to_owned());
        loop {
            while waiting.len() < threads * 2
                && let Some(span) = spans.next()
            {
                let (done, part) = bounded(1);
                jobs.send((span, done)).map_err(|_| gone())?;
                waiting.push_back(part);
            }
            let Some(part) = waiting.pop_front() else { return Ok(()) };
            let part = part.recv().map_err(|_| gone())?;
            part.seen.into_iter().try_for_each(&mut each)?;
            whole.entries += part.entries;
            whole.slots += part.slots;
            part.error.map_or(Ok(()), Err)?;
        }
    })?;
    beyond(snapshot, &mut whole)?;
    for (table, seen) in [("entry", whole.entries), ("slot", whole.slots)] {
        let rows: i64 = snapshot
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
            .map_err(|e| sqlite(&e))?;
        if u64::try_from(rows) != Ok(seen) {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            whole.seen.push(Found::Finding(format!(
                "the file {file}: its table {table} holds {rows} rows, {seen} are found by their places"
            )));
        }
    }
    whole.seen.into_iter().try_for_each(each)
}

/// The slots behind the last entry.
fn beyond(snapshot: &Connection, whole: &mut Part) -> Result<(), StoreError> {
    let last: Option<i64> = snapshot
        .query_row("SELECT max(idx) FROM entry", [], |row| row.get(0))
        .map_err(|e| sqlite(&e))?;
    let mut slots = snapshot
        .prepare("SELECT idx FROM slot WHERE ?1 IS NULL OR idx > ?1 ORDER BY idx")
        .map_err(|e| sqlite(&e))?;
    let mut rows = slots.query([last]).map_err(|e| sqlite(&e))?;
    let mut before = None;
    while let Some(row) = rows.next().map_err(|e| sqlite(&e))? {
        let index = row.get(0).map_err(|e| sqlite(&e))?;
        whole.slots += 1;
        whole.orphan(index, &mut before);
    }
    Ok(())
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
        let last = snapshot.query_row("SELECT max(idx) FROM entry", [], |row| row.get(0));
        match last {
            Ok(None) => Self { snapshot, next: None, last: i64::MIN },
            Ok(Some(last)) => Self { snapshot, next: Some(i64::MIN), last },
            Err(_) => Self { snapshot, next: Some(i64::MIN), last: i64::MAX },
        }
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
        // What lies before the first row belongs to its span: slots may.
        let last = match first {
            i64::MIN => VERIFY_ROWS - 1,
            first => first.saturating_add(VERIFY_ROWS - 1),
        };
        let last = last.min(self.last);
        let (last, next) = match self.behind(last) {
            Ok(None) => (self.last, None),
            Ok(Some(next)) => (next - 1, Some(next)),
            Err(_) => (i64::MAX, None),
        };
        self.next = next;
        Some(Span { first, last })
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
        let range = params![span.first, span.last];
        let mut entries = file
            .prepare_cached("SELECT idx, leaf FROM entry WHERE idx BETWEEN ?1 AND ?2 ORDER BY idx")
            .map_err(|e| sqlite(&e))?;
        let mut slots = file
            .prepare_cached(
                "SELECT idx, slot, content, bytes FROM slot WHERE idx BETWEEN ?1 AND ?2 \
                 ORDER BY idx, slot",
            )
            .map_err(|e| sqlite(&e))?;
        let mut entries = entries.query(range).map_err(|e| sqlite(&e))?;
        let mut slots = Slots::of(slots.query(range).map_err(|e| sqlite(&e))?)?;
        let mut before = None;
        while let Some(row) = entries.next().map_err(|e| sqlite(&e))? {
            let index: i64 = row.get(0).map_err(|e| sqlite(&e))?;
            let mut examining = Examining::leaf(blob(row, 1)?);
            self.entries += 1;
            while let Some(at) = slots.at.filter(|at| *at <= index) {
                self.slots += 1;
                if at == index {
                    slots.show(&mut examining)?;
                } else {
                    self.orphan(at, &mut before);
                }
                slots.on()?;
            }
            self.seen.push(Found::Entry(index, examining.end()));
        }
        while let Some(at) = slots.at {
            self.slots += 1;
            self.orphan(at, &mut before);
            slots.on()?;
        }
        Ok(())
    }

    /// A slot of an entry that is not there; named once.
    fn orphan(&mut self, index: i64, before: &mut Option<i64>) {
        if before.replace(index) != Some(index) {
            let finding = format!("entry {index}: is missing, but its slots are there");
            self.seen.push(Found::Finding(finding));
        }
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
