//! Finds the places that all of several lists hold, by leaping from list to list: what is rare leads.

use rusqlite::{Connection, OptionalExtension};

use super::super::super::keys::{ChainKey, Keyring};
use super::super::sqlite;
use super::fill::{length, place_at, word_id};
use super::terms::groups_of;
use crate::audit::entry::SlotId;
use crate::limits::INDEX_STEPS_MAX;
use crate::store::{Search, StoreError};

/// Places in rising order.
enum List {
    /// Those of a word.
    Word(i64),
    /// Those of somebody in a year.
    Chain(ChainKey, u64),
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
        let mut groups = Vec::new();
        if let Some((SlotId::Subject, subject)) = &search.slot
            && let Some(chains) = keys.chains_about(subject)?
        {
            let mut lists = Vec::new();
            for chain in chains {
                let len = length(index, &chain)?;
                lists.push(List::Chain(chain, len));
            }
            groups.push(lists);
        }
        for group in groups_of(search) {
            let mut lists = Vec::new();
            for term in group {
                // A word that the index has never seen is an empty list.
                lists.extend(word_id(index, &term)?.map(List::Word));
            }
            groups.push(lists);
        }
        Ok((!groups.is_empty()).then_some(Self { index, groups, steps: 0 }))
    }

    /// The first place from `from` on that every group has.
    pub(in crate::store::sqlite::log) fn next(&mut self, from: u64) -> Result<Next, StoreError> {
        let mut at = from;
        'leap: loop {
            if self.steps > INDEX_STEPS_MAX {
                return Ok(Next::Beyond(at));
            }
            for (n, group) in self.groups.iter().enumerate() {
                let mut first = None;
                for list in group {
                    self.steps += 1;
                    let found = seek(self.index, list, at)?;
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

/// The first place of a list from `from` on.
fn seek(index: &Connection, list: &List, from: u64) -> Result<Option<u64>, StoreError> {
    match list {
        List::Word(word) => {
            let from = i64::try_from(from).unwrap_or(i64::MAX);
            let sql = "SELECT idx FROM posting WHERE word = ?1 AND idx >= ?2 ORDER BY idx LIMIT 1";
            let found: Option<i64> = index
                .prepare_cached(sql)
                .and_then(|mut s| s.query_row([*word, from], |row| row.get(0)).optional())
                .map_err(|e| sqlite(&e))?;
            Ok(found.and_then(|at| u64::try_from(at).ok()))
        }
        List::Chain(chain, len) => {
            let (mut low, mut high) = (0, *len);
            while low < high {
                let middle = low + (high - low) / 2;
                match place_at(index, chain, middle)? {
                    Some(place) if place < from => low = middle + 1,
                    Some(_) | None => high = middle,
                }
            }
            if low == *len { Ok(None) } else { place_at(index, chain, low) }
        }
    }
}
