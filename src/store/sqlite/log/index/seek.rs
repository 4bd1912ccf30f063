//! Finds the places that all of several lists hold, by leaping from list to list: what is rare leads.

use std::collections::VecDeque;

use rusqlite::Connection;

use super::super::super::keys::{ChainKey, Keyring};
use super::super::sqlite;
use super::fill::{place_at, word_id};
use super::terms::{damaged, groups_of};
use crate::audit::entry::{Kind, SlotId};
use crate::domain::KeptKind;
use crate::limits::{INDEX_AHEAD_MAX, INDEX_STEPS_MAX};
use crate::store::{Search, StoreError};

/// Places in rising order, of which the next is asked for again and again.
struct List {
    of: Of,
    /// The place that was asked for last, and the first from there on.
    last: Option<(u64, Option<u64>)>,
}

/// The places of a word, read ahead as far as they are asked for one after the other.
struct Word {
    id: i64,
    ahead: VecDeque<u64>,
    asked: u64,
    /// So many are read at once, of which so many were asked for.
    reads: usize,
    used: usize,
}

enum Of {
    /// Those of a word.
    Word(Word),
    /// Those of somebody, under one key.
    Chain(Chain),
}

/// What is looked for, by list: of each group, a place must be in one of its lists.
pub(in crate::store::sqlite::log) struct Sought<'c> {
    index: &'c Connection,
    groups: Vec<Vec<List>>,
    steps: u64,
}

/// Where the next place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::sqlite::log) enum Next {
    /// Here.
    At(u64),
    /// Nowhere in the index.
    None,
    /// Not before here; looking any longer would take too long.
    Beyond(u64),
}

impl<'c> Sought<'c> {
    /// `None`: the index does not help.
    pub(super) fn of(
        index: &'c Connection,
        keys: &Keyring,
        search: &Search,
    ) -> Result<Option<Self>, StoreError> {
        let mut groups: Vec<Vec<List>> = Vec::new();
        if let Some((SlotId::Subject, subject)) = &search.slot
            && let Some(chains) = keys.chains_about(subject, &kept(&search.kinds))?
        {
            let chains = chains.into_iter().map(|key| Of::Chain(Chain::of(key)));
            let damaged = word_id(index, &damaged())?.map(|id| Of::Word(Word::of(id)));
            groups.push(chains.chain(damaged).map(List::of).collect());
        }
        for group in groups_of(search) {
            let mut lists = Vec::new();
            for term in group {
                // A word that the index has never seen is an empty list.
                lists.extend(word_id(index, &term)?.map(|id| List::of(Of::Word(Word::of(id)))));
            }
            groups.push(lists);
        }
        Ok((!groups.is_empty()).then_some(Self { index, groups, steps: 0 }))
    }

    /// How many looks into the index it took so far.
    #[cfg(test)]
    pub(super) const fn steps(&self) -> u64 {
        self.steps
    }

    /// The first place from `from` on that every group has.
    pub(in crate::store::sqlite::log) fn next(&mut self, from: u64) -> Result<Next, StoreError> {
        let Self { index, groups, steps } = self;
        let mut at = from;
        'leap: loop {
            if *steps > INDEX_STEPS_MAX {
                return Ok(Next::Beyond(at));
            }
            for (n, group) in groups.iter_mut().enumerate() {
                let mut first = None;
                for list in group {
                    let found = list.seek(index, at, steps)?;
                    first = [first, found].into_iter().flatten().min();
                }
                let Some(first) = first else { return Ok(Next::None) };
                if first > at {
                    at = first;
                    // The rarest says where to go on; the others are not asked in vain.
                    if n > 0 {
                        continue 'leap;
                    }
                }
            }
            return Ok(Next::At(at));
        }
    }
}

/// The kinds that entries are kept by, of those that are looked for.
fn kept(kinds: &[Kind]) -> Vec<KeptKind> {
    kinds.iter().map(|kind| kind.kept()).collect()
}

impl List {
    const fn of(of: Of) -> Self {
        Self { of, last: None }
    }

    /// The first place from `from` on. What was found before is not looked for again: a search about somebody
    /// has a list for each kind and year, most of them empty.
    fn seek(
        &mut self,
        index: &Connection,
        from: u64,
        steps: &mut u64,
    ) -> Result<Option<u64>, StoreError> {
        if let Some((asked, found)) = self.last
            && asked <= from
            && found.is_none_or(|found| found >= from)
        {
            return Ok(found);
        }
        let found = match &mut self.of {
            Of::Word(word) => word.seek(index, from, steps)?,
            Of::Chain(chain) => {
                *steps += 1;
                chain.seek(index, from)?
            }
        };
        self.last = Some((from, found));
        Ok(found)
    }
}

impl Word {
    const fn of(id: i64) -> Self {
        Self { id, ahead: VecDeque::new(), asked: 0, reads: 1, used: 0 }
    }

    /// The first place from `from` on.
    fn seek(
        &mut self,
        index: &Connection,
        from: u64,
        steps: &mut u64,
    ) -> Result<Option<u64>, StoreError> {
        if from < self.asked {
            self.ahead.clear();
        }
        self.asked = from;
        while self.ahead.front().is_some_and(|place| *place < from) {
            self.ahead.pop_front();
        }
        if self.ahead.is_empty() {
            // A list that leads is read on and on, one that is leapt through a place at a time.
            let wanted = if self.used * 2 >= self.reads { self.reads * 2 } else { self.reads / 2 };
            (self.reads, self.used) = (wanted.clamp(1, INDEX_AHEAD_MAX), 0);
            *steps += 1;
            self.ahead = places(index, self.id, from, self.reads)?;
        }
        self.used += 1;
        Ok(self.ahead.front().copied())
    }
}

/// The places of a word from `from` on, at most so many.
pub(super) fn places(
    index: &Connection,
    word: i64,
    from: u64,
    limit: usize,
) -> Result<VecDeque<u64>, StoreError> {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let sql = "SELECT idx FROM posting WHERE word = ?1 AND idx >= ?2 ORDER BY idx LIMIT ?3";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = index.prepare_cached(sql).map_err(|e| sqlite(&e))?;
    let found = statement.query_map([word, number(from), limit], |row| row.get::<_, i64>(0));
    found
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map(|found| found.into_iter().filter_map(|at| u64::try_from(at).ok()).collect())
        .map_err(|e| sqlite(&e))
}

/// The rows about somebody under one key, as far as they are known.
struct Chain {
    key: ChainKey,
    /// A row, and where it was asked for: all rows before it name places before that.
    low: (u64, u64),
    /// There is no row from here on.
    end: u64,
}

impl Chain {
    const fn of(key: ChainKey) -> Self {
        Self { key, low: (0, 0), end: u64::MAX }
    }

    /// The first place from `from` on. Goes on from where it was by growing leaps, and then halves: what
    /// comes next is near as a rule, and a chain without rows is found so by one look.
    fn seek(&mut self, index: &Connection, from: u64) -> Result<Option<u64>, StoreError> {
        let (start, asked) = self.low;
        let mut low = if asked <= from { start } else { 0 };
        let (mut high, mut leap, mut found) = (self.end, 0, None);
        while low < high {
            let middle = low + (high - low) / 2;
            let n = if found.is_none() { low.saturating_add(leap).min(middle) } else { middle };
            match place_at(index, &self.key, n)? {
                Some(place) if place < from => {
                    low = n + 1;
                    leap = leap.saturating_mul(2).max(1);
                }
                Some(place) => (high, found) = (n, Some(place)),
                None => (high, self.end) = (n, n),
            }
        }
        self.low = (low, from);
        Ok(found)
    }
}
