//! Takes entries of the log up into the index, in batches that are sorted as the tables are.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::super::super::keys::{ChainKey, Keyring};
use super::super::parts::Files;
use super::super::{read, sqlite};
use super::file::{Mark, mark, set_mark};
use super::terms::{Term, damaged, terms_of};
use crate::audit::entry::SlotId;
use crate::audit::tree::leaf_hash;
use crate::limits::{INDEX_BATCH, INDEX_REMEMBERED_MAX};
use crate::store::StoreError;

/// A row of `subject` as it will stand, and the entry that it is about.
pub(super) struct SubjectRow {
    pub(super) label: [u8; 16],
    pub(super) place: i64,
    pub(super) index: u64,
}

/// Fills an index from a log.
pub(super) struct Filler<'k> {
    /// `None`: whom entries are about is left out.
    keys: Option<&'k Keyring>,
    words: HashMap<Term, i64>,
    /// How many rows a chain has.
    chains: HashMap<ChainKey, u64>,
}

impl<'k> Filler<'k> {
    pub(super) fn new(keys: Option<&'k Keyring>) -> Self {
        Self { keys, words: HashMap::new(), chains: HashMap::new() }
    }

    /// Takes up the next entries of the log that are before `size`, at most a batch; tells the new mark.
    /// All or none. `seen` is told of each row about somebody.
    pub(super) fn batch(
        &mut self,
        index: &mut Connection,
        log: &Files,
        size: u64,
        seen: impl FnMut(&SubjectRow),
    ) -> Result<Mark, StoreError> {
        if self.words.len() > INDEX_REMEMBERED_MAX || self.chains.len() > INDEX_REMEMBERED_MAX {
            self.forget();
        }
        let made = self.taken(index, log, size, seen);
        if made.is_err() {
            // Numbers that were given out in what was not committed mean nothing.
            self.forget();
        }
        made
    }

    /// Forgets what it knew of the file.
    pub(super) fn forget(&mut self) {
        self.words.clear();
        self.chains.clear();
    }

    /// Takes the rows of chains out, and leaves nothing of them in the file; tells how many.
    pub(super) fn take_out(
        &mut self,
        index: &mut Connection,
        chains: &[ChainKey],
    ) -> Result<u64, StoreError> {
        let t = index
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|e| sqlite(&e))?;
        let mut gone = 0;
        for chain in chains {
            for n in 0..length(&t, chain)? {
                t.prepare_cached("DELETE FROM subject WHERE label = ?1")
                    .and_then(|mut s| s.execute([chain.row(n).0]))
                    .map_err(|e| sqlite(&e))?;
                gone += 1;
            }
            self.chains.remove(chain);
        }
        t.commit().map_err(|e| sqlite(&e))?;
        let busy: i64 = index
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .map_err(|e| sqlite(&e))?;
        if busy != 0 {
            let why = "somebody reads the index, and rows that were taken out still lie beside it";
            return Err(StoreError::Unavailable(why.to_owned()));
        }
        Ok(gone)
    }

    fn taken(
        &mut self,
        index: &mut Connection,
        log: &Files,
        size: u64,
        mut seen: impl FnMut(&SubjectRow),
    ) -> Result<Mark, StoreError> {
        let t = index
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|e| sqlite(&e))?;
        let mut now = mark(&t)?;
        let end = now.size.saturating_add(INDEX_BATCH).min(size);
        let (mut postings, mut subjects) = (Vec::new(), Vec::new());
        read::leaves(log, now.size, end, |at, leaf| {
            let decoded = read::decoded(at, leaf)?;
            let entry = decoded.entry;
            for term in terms_of(&entry) {
                postings.push((self.word(&t, term)?, read::number(at)));
            }
            if let Some(keys) = self.keys
                && decoded.commitments.contains_key(&SlotId::Subject)
            {
                let sealed = read::sealed_slot(log.holding(at)?, at, SlotId::Subject)?;
                match keys.chain_of(entry.event, &sealed.unwrap_or_default()) {
                    Ok(Some(chain)) => {
                        let n = self.next_in(&t, &chain)?;
                        subjects.push(row(&chain, n, at));
                    }
                    Ok(None) => {}
                    // One changed byte must not cost the index of all entries.
                    Err(StoreError::Corrupt(_)) => {
                        tracing::warn!(
                            index = at,
                            "A slot of the log was changed: see weir audit verify"
                        );
                        postings.push((self.word(&t, damaged())?, read::number(at)));
                    }
                    Err(error) => return Err(error),
                }
            }
            now = Mark { size: at + 1, leaf: leaf_hash(leaf) };
            Ok(())
        })?;
        postings.sort_unstable();
        subjects.sort_unstable_by_key(|row: &SubjectRow| row.label);
        {
            let mut insert = t
                .prepare_cached("INSERT OR IGNORE INTO posting (word, idx) VALUES (?1, ?2)")
                .map_err(|e| sqlite(&e))?;
            for (word, at) in postings {
                insert.execute([word, at]).map_err(|e| sqlite(&e))?;
            }
            let mut insert = t
                .prepare_cached("INSERT INTO subject (label, place) VALUES (?1, ?2)")
                .map_err(|e| sqlite(&e))?;
            for row in &subjects {
                insert.execute(params![row.label, row.place]).map_err(|e| taken(&e))?;
                seen(row);
            }
        }
        set_mark(&t, now)?;
        t.commit().map_err(|e| sqlite(&e))?;
        Ok(now)
    }

    fn word(&mut self, t: &Transaction<'_>, term: Term) -> Result<i64, StoreError> {
        if let Some(id) = self.words.get(&term) {
            return Ok(*id);
        }
        let id = match word_id(t, &term)? {
            Some(id) => id,
            None => t
                .prepare_cached("INSERT INTO word (dim, word) VALUES (?1, ?2)")
                .and_then(|mut s| s.insert(params![term.0, term.1]))
                .map_err(|e| sqlite(&e))?,
        };
        self.words.insert(term, id);
        Ok(id)
    }

    /// The number of the next row of a chain.
    fn next_in(&mut self, t: &Transaction<'_>, chain: &ChainKey) -> Result<u64, StoreError> {
        let n = match self.chains.get(chain) {
            Some(n) => *n,
            None => length(t, chain)?,
        };
        self.chains.insert(chain.clone(), n + 1);
        Ok(n)
    }
}

/// A label is there that should not be: somebody has taken rows out, or put them in.
fn taken(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => {
            StoreError::Corrupt("the index holds a row that it cannot hold".to_owned())
        }
        Some(_) | None => sqlite(error),
    }
}

fn row(chain: &ChainKey, n: u64, index: u64) -> SubjectRow {
    let (label, mask) = chain.row(n);
    SubjectRow { label, place: i64::from_be_bytes((index ^ mask).to_be_bytes()), index }
}

pub(super) fn word_id(connection: &Connection, term: &Term) -> Result<Option<i64>, StoreError> {
    connection
        .prepare_cached("SELECT id FROM word WHERE dim = ?1 AND word = ?2")
        .and_then(|mut s| s.query_row(params![term.0, term.1], |row| row.get(0)).optional())
        .map_err(|e| sqlite(&e))
}

/// The place that the n-th row of a chain names; `None`: the chain is shorter.
pub(super) fn place_at(
    connection: &Connection,
    chain: &ChainKey,
    n: u64,
) -> Result<Option<u64>, StoreError> {
    let (label, mask) = chain.row(n);
    let found: Option<i64> = connection
        .prepare_cached("SELECT place FROM subject WHERE label = ?1")
        .and_then(|mut s| s.query_row([label], |row| row.get(0)).optional())
        .map_err(|e| sqlite(&e))?;
    Ok(found.map(|place| u64::from_be_bytes(place.to_be_bytes()) ^ mask))
}

/// How many rows a chain has: it has no gap.
fn length(connection: &Connection, chain: &ChainKey) -> Result<u64, StoreError> {
    let mut beyond = 1;
    while place_at(connection, chain, beyond - 1)?.is_some() {
        beyond *= 2;
    }
    let (mut low, mut high) = (beyond / 2, beyond - 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if place_at(connection, chain, middle)?.is_some() {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
