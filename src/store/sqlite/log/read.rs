//! Reading the log: by place, and by what an entry says.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::file::reader;
use super::sqlite;
use crate::audit::entry::{Entry, SlotId};
use crate::audit::leaf::decode;
use crate::audit::tree::{Hash, leaf_hash};
use crate::store::{Page, Search, StoreError, StoredEntry};

/// Rows read for each row wanted, at most.
const READ_AHEAD: u64 = 50;

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn leaf_at(connection: &Connection, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
    connection
        .query_row("SELECT leaf FROM entry WHERE idx = ?1", [number(index)], |row| row.get(0))
        .optional()
        .map_err(|e| sqlite(&e))
}

pub(super) fn leaf_hash_at(path: &Path, index: u64) -> Result<Hash, StoreError> {
    leaf_at(&reader(path)?, index)?
        .map(|leaf| leaf_hash(&leaf))
        .ok_or_else(|| StoreError::Corrupt(format!("entry {index} is missing")))
}

pub(super) fn entry_at(path: &Path, index: u64) -> Result<Option<StoredEntry>, StoreError> {
    let connection = reader(path)?;
    leaf_at(&connection, index)?.map(|leaf| stored(&connection, index, &leaf)).transpose()
}

fn stored(connection: &Connection, index: u64, leaf: &[u8]) -> Result<StoredEntry, StoreError> {
    let decoded = decode(leaf).map_err(|e| StoreError::Corrupt(format!("entry {index}: {e}")))?;
    let slots = slots(connection, index)?;
    Ok(StoredEntry {
        index,
        committed_at: decoded.committed_at,
        entry: Entry { slots, ..decoded.entry },
    })
}

fn slots(connection: &Connection, index: u64) -> Result<BTreeMap<SlotId, Vec<u8>>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT slot, bytes FROM slot WHERE idx = ?1 ORDER BY slot")
        .map_err(|e| sqlite(&e))?;
    let rows = statement
        .query_map([number(index)], |row| Ok((row.get::<_, u8>(0)?, row.get(1)?)))
        .map_err(|e| sqlite(&e))?;
    let mut slots = BTreeMap::new();
    for row in rows {
        let (slot, bytes) = row.map_err(|e| sqlite(&e))?;
        let slot = SlotId::from_number(slot)
            .ok_or_else(|| StoreError::Corrupt(format!("entry {index} has an unknown slot")))?;
        slots.insert(slot, bytes);
    }
    Ok(slots)
}

/// Reads on from `from_index` until the page is full, the log ends at `size`, or the bound on rows
/// read is met; `next_index` tells where to go on.
pub(super) fn search(path: &Path, search: &Search, size: u64) -> Result<Page, StoreError> {
    let connection = reader(path)?;
    let limit = search.limit.max(1);
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_mul(READ_AHEAD);
    let end = search.from_index.saturating_add(bound).min(size);
    let mut statement = connection
        .prepare("SELECT idx, leaf FROM entry WHERE idx >= ?1 AND idx < ?2 ORDER BY idx")
        .map_err(|e| sqlite(&e))?;
    let mut rows =
        statement.query(params![number(search.from_index), number(end)]).map_err(|e| sqlite(&e))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next().map_err(|e| sqlite(&e))? {
        let index: i64 = row.get(0).map_err(|e| sqlite(&e))?;
        let leaf: Vec<u8> = row.get(1).map_err(|e| sqlite(&e))?;
        let index = u64::try_from(index)
            .map_err(|_| StoreError::Corrupt("a row has a negative number".to_owned()))?;
        let entry = stored(&connection, index, &leaf)?;
        if !meant(search, &entry) {
            continue;
        }
        if entries.len() == limit {
            return Ok(Page { entries, next_index: Some(index), size });
        }
        entries.push(entry);
    }
    Ok(Page { entries, next_index: (end < size).then_some(end), size })
}

fn meant(search: &Search, stored: &StoredEntry) -> bool {
    let entry = &stored.entry;
    (search.kinds.is_empty() || search.kinds.contains(&entry.kind))
        && search.agency.as_ref().is_none_or(|agency| entry.agency.as_ref() == Some(agency))
        && search.principal.is_none_or(|principal| entry.principal == principal)
        && search.since.is_none_or(|since| stored.committed_at >= since)
        && search.until.is_none_or(|until| stored.committed_at < until)
        && search.facets.iter().all(|(facet, word)| {
            entry.facets.get(facet).is_some_and(|words| words.split('|').any(|w| w == word))
        })
        && search.slot.as_ref().is_none_or(|(slot, bytes)| entry.slots.get(slot) == Some(bytes))
}
