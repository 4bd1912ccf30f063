//! Holds the index against the log: what it leaves out, and what it says that the log does not. An entry that
//! an index leaves out is not found by anybody who searches, and nothing else tells of it.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Rows, params};

use super::super::super::keys::Keyring;
use super::super::file::files_in;
use super::super::parts::Files;
use super::super::{read, sqlite};
use super::file::{self, FILE, SCHEMA, mark};
use super::fill::{Filler, word_id};
use super::seek::places;
use super::terms::{DAMAGED, Term, damaged, shown};
use crate::store::StoreError;

/// Most entries that are named.
const FINDINGS_MAX: usize = 100;

/// What [`check`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Entries that the index has taken up.
    pub entries: u64,
    /// Whether it was looked at by whom entries are found, which needs the keys.
    pub subjects: bool,
    /// What is wrong; empty when the index says what the log says.
    pub findings: Vec<String>,
}

/// Differences, by entry.
#[derive(Default)]
struct Findings {
    by_entry: BTreeMap<u64, Vec<String>>,
    more: u64,
    others: Vec<String>,
}

impl Findings {
    fn note(&mut self, index: u64, what: String) {
        if self.by_entry.len() < FINDINGS_MAX || self.by_entry.contains_key(&index) {
            self.by_entry.entry(index).or_default().push(what);
        } else {
            self.more += 1;
        }
    }

    fn lines(self) -> Vec<String> {
        let mut lines = self.others;
        let entries = self.by_entry.into_iter();
        lines.extend(entries.map(|(index, what)| format!("entry {index}: {}", what.join("; "))));
        if self.more > 0 {
            lines.push(format!("and {} differences more", self.more));
        }
        lines
    }
}

/// Compares the index of a data folder with what the log makes, whether or not a hub is running; without keys
/// it is not looked at whom entries are found by. `None`: there is no index.
///
/// # Errors
/// When a file cannot be read.
pub fn check(dir: &Path, keys: Option<&Keyring>) -> Result<Option<Checked>, StoreError> {
    let subjects = keys.is_some();
    let found = |entries, findings| Ok(Some(Checked { entries, subjects, findings }));
    let index = match file::reader(&dir.join(FILE)) {
        Ok(None) => return Ok(None),
        Ok(Some(index)) => index,
        Err(StoreError::Corrupt(why)) => return found(0, vec![format!("the file: {why}")]),
        Err(error) => return Err(error),
    };
    match compared(&index, dir, keys) {
        Ok((entries, findings)) => found(entries, findings),
        Err(StoreError::Corrupt(why)) => found(0, vec![format!("the file: {why}")]),
        Err(error) => Err(error),
    }
}

fn compared(
    index: &Connection,
    dir: &Path,
    keys: Option<&Keyring>,
) -> Result<(u64, Vec<String>), StoreError> {
    // One snapshot of each, the log's later: it holds what the index has taken up.
    index.execute_batch("BEGIN").map_err(|e| sqlite(&e))?;
    let now = mark(index)?;
    let log = Files::as_of_now(&files_in(dir)?)?;
    if !super::is_of(index, &log)? {
        let what = format!(
            "it has taken up {} entries of another log, or of one that was changed",
            now.size
        );
        return Ok((now.size, vec![what]));
    }
    let made = made_anew(&log, keys, now.size)?;
    let mut findings = Findings::default();
    words(&made, index, keys.is_some(), &mut findings)?;
    if keys.is_some() {
        subjects(&made, index, &mut findings)?;
    }
    Ok((now.size, findings.lines()))
}

/// What the index should be, in a file that goes away with its connection.
fn made_anew(log: &Files, keys: Option<&Keyring>, size: u64) -> Result<Connection, StoreError> {
    let mut made = Connection::open("").map_err(|e| sqlite(&e))?;
    made.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        .and_then(|()| made.execute_batch(SCHEMA))
        .and_then(|()| {
            made.execute_batch(
                "CREATE TABLE whose (label BLOB PRIMARY KEY, idx INTEGER NOT NULL) WITHOUT ROWID",
            )
        })
        .map_err(|e| sqlite(&e))?;
    let mut filler = Filler::new(keys);
    let mut done = 0;
    while done < size {
        let mut rows = Vec::new();
        let now = filler.batch(&mut made, log, size, |row| rows.push((row.label, row.index)))?.size;
        if now == done {
            return Err(StoreError::Corrupt(format!("the log has only {now} entries")));
        }
        done = now;
        let mut insert = made
            .prepare_cached("INSERT INTO whose (label, idx) VALUES (?1, ?2)")
            .map_err(|e| sqlite(&e))?;
        for (label, at) in rows {
            insert.execute(params![label, read::number(at)]).map_err(|e| sqlite(&e))?;
        }
    }
    Ok(made)
}

/// Goes through two sorted lists side by side; `tell` gets what only one has, and whether it is the first.
fn beside<K: Ord>(
    mut first: impl FnMut() -> Result<Option<K>, StoreError>,
    mut second: impl FnMut() -> Result<Option<K>, StoreError>,
    mut tell: impl FnMut(K, bool) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let (mut one, mut two) = (first()?, second()?);
    loop {
        match (one, two) {
            (None, None) => return Ok(()),
            (Some(a), Some(b)) if a == b => (one, two) = (first()?, second()?),
            (Some(a), b) if b.as_ref().is_none_or(|b| a < *b) => {
                tell(a, true)?;
                (one, two) = (first()?, b);
            }
            (a, Some(b)) => {
                tell(b, false)?;
                (one, two) = (a, second()?);
            }
            (Some(_), None) => return Ok(()),
        }
    }
}

const POSTINGS: &str = "SELECT w.dim, w.word, p.idx FROM word w CROSS JOIN posting p \
                        ON p.word = w.id WHERE w.dim <> ?1 ORDER BY w.dim, w.word, p.idx";

fn posting(rows: &mut Rows<'_>) -> Result<Option<(Term, i64)>, StoreError> {
    let Some(row) = rows.next().map_err(|e| sqlite(&e))? else { return Ok(None) };
    let read =
        || -> rusqlite::Result<(Term, i64)> { Ok(((row.get(0)?, row.get(1)?), row.get(2)?)) };
    read().map(Some).map_err(|e| sqlite(&e))
}

fn words(
    made: &Connection,
    index: &Connection,
    has_keys: bool,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    // Without keys nobody sees that a slot does not open.
    let left_out = if has_keys { -1 } else { i64::from(DAMAGED) };
    let mut wanted = made.prepare(POSTINGS).map_err(|e| sqlite(&e))?;
    let mut there = index.prepare(POSTINGS).map_err(|e| sqlite(&e))?;
    if let Some(word) = word_id(made, &damaged())? {
        for at in places(made, word, 0, FINDINGS_MAX)? {
            let what = "its slot was changed: a search about anybody stops there";
            findings.note(at, what.to_owned());
        }
    }
    let mut wanted = wanted.query([left_out]).map_err(|e| sqlite(&e))?;
    let mut there = there.query([left_out]).map_err(|e| sqlite(&e))?;
    beside(
        || posting(&mut wanted),
        || posting(&mut there),
        |(term, at), missing| {
            let term = shown(&term);
            match u64::try_from(at) {
                Ok(at) if missing => findings.note(at, format!("left out under {term}")),
                Ok(at) => findings.note(at, format!("stands under {term} and does not say so")),
                Err(_) => findings.others.push(format!("a place below 0 stands under {term}")),
            }
            Ok(())
        },
    )
}

fn subjects(
    made: &Connection,
    index: &Connection,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    const SUBJECTS: &str = "SELECT label, place FROM subject ORDER BY label";
    let mut wanted = made.prepare(SUBJECTS).map_err(|e| sqlite(&e))?;
    let mut there = index.prepare(SUBJECTS).map_err(|e| sqlite(&e))?;
    let mut wanted = wanted.query([]).map_err(|e| sqlite(&e))?;
    let mut there = there.query([]).map_err(|e| sqlite(&e))?;
    let mut strange = 0_u64;
    beside(
        || subject(&mut wanted),
        || subject(&mut there),
        |(label, _), missing| {
            let whose: Option<i64> = made
                .prepare_cached("SELECT idx FROM whose WHERE label = ?1")
                .and_then(|mut s| s.query_row([&label], |row| row.get(0)).optional())
                .map_err(|e| sqlite(&e))?;
            match whose.and_then(|at| u64::try_from(at).ok()) {
                Some(at) if missing => {
                    findings.note(at, "left out under whom it is about".to_owned());
                }
                Some(_) => {}
                None => strange += 1,
            }
            Ok(())
        },
    )?;
    if strange > 0 {
        findings.others.push(format!(
            "{strange} rows are about nobody who has keys: left over from an erasure, or put in; \
             making the index anew removes them"
        ));
    }
    Ok(())
}

fn subject(rows: &mut Rows<'_>) -> Result<Option<(Vec<u8>, i64)>, StoreError> {
    let Some(row) = rows.next().map_err(|e| sqlite(&e))? else { return Ok(None) };
    let read = || -> rusqlite::Result<(Vec<u8>, i64)> { Ok((row.get(0)?, row.get(1)?)) };
    read().map(Some).map_err(|e| sqlite(&e))
}
