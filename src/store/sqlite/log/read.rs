//! Reading the log: by place, and by what an entry says.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::keys::{Keyring, Opened, People};
use super::desk::Desk;
use super::file::reader;
use super::index::Next;
use super::parts::Files;
use super::sqlite;
use crate::audit::entry::{Entry, SlotId};
use crate::audit::leaf::{Leaf, SealedSlot, content_commitment, decode};
use crate::audit::receipt::{OpenedSlot, sealed_hash};
use crate::audit::tree::{Hash, leaf_hash};
use crate::domain::DecisionId;
use crate::store::{Page, Search, Slots, StoreError, StoredEntry};

/// Rows read for each row wanted, at most.
const READ_AHEAD: u64 = 50;

pub(super) fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn leaf_at(connection: &Connection, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
    connection
        .prepare_cached("SELECT leaf FROM entry WHERE idx = ?1")
        .and_then(|mut s| s.query_row([number(index)], |row| row.get(0)).optional())
        .map_err(|e| sqlite(&e))
}

pub(super) fn leaf_hash_at(files: &Files, index: u64) -> Result<Hash, StoreError> {
    leaf_at(files.holding(index)?, index)?
        .map(|leaf| leaf_hash(&leaf))
        .ok_or_else(|| StoreError::Corrupt(format!("entry {index} is missing")))
}

pub(super) fn entry_at(
    files: &Files,
    keys: &Keyring,
    index: u64,
) -> Result<Option<StoredEntry>, StoreError> {
    let connection = files.holding(index)?;
    let Some(leaf) = leaf_at(connection, index)? else { return Ok(None) };
    let leaf = decoded(index, &leaf)?;
    let slots = sealed(connection, index)?;
    stored(keys, index, leaf, slots).map(Some)
}

pub(super) fn decoded(index: u64, leaf: &[u8]) -> Result<Leaf, StoreError> {
    decode(leaf).map_err(|e| StoreError::Corrupt(format!("entry {index}: {e}")))
}

/// Says at which entry something is damaged, and who finds out what.
pub(super) fn at_entry(index: u64) -> impl Fn(StoreError) -> StoreError {
    move |error| match error {
        StoreError::Corrupt(why) => StoreError::Corrupt(format!(
            "entry {index}: {why}; `weir audit verify` names all that is wrong"
        )),
        StoreError::Unavailable(_)
        | StoreError::Full
        | StoreError::InUse
        | StoreError::Keys(_)
        | StoreError::RolledBack(_)
        | StoreError::Refused(_) => error,
    }
}

/// An entry with the slots that can be opened; what was erased is not there.
fn stored(
    keys: &Keyring,
    index: u64,
    leaf: Leaf,
    sealed: BTreeMap<SlotId, Slot>,
) -> Result<StoredEntry, StoreError> {
    let mut slots = BTreeMap::new();
    for (id, slot) in sealed {
        let content = opened(keys, &leaf.entry, id, &slot).map_err(at_entry(index))?;
        if let Some(content) = content {
            slots.insert(id, content);
        }
    }
    Ok(StoredEntry { index, committed_at: leaf.committed_at, entry: Entry { slots, ..leaf.entry } })
}

/// A slot's content; `None`: erased.
fn opened(
    keys: &Keyring,
    entry: &Entry,
    id: SlotId,
    slot: &Slot,
) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(laid_open(keys, entry.event, id, slot)?.map(|slot| slot.content))
}

/// A slot with all that shows what the leaf committed to; `None`: erased.
pub(super) fn laid_open(
    keys: &Keyring,
    event: DecisionId,
    id: SlotId,
    slot: &Slot,
) -> Result<Option<OpenedSlot>, StoreError> {
    let changed = || StoreError::Corrupt("a sealed slot is not what was committed to".to_owned());
    match keys.open_slot(event, id as u8, &slot.bytes)? {
        Opened::Erased => Ok(None),
        Opened::Content(plain) => {
            let (salt, content) = plain.split_first_chunk::<32>().ok_or_else(changed)?;
            if content_commitment(id, salt, content).as_slice() != slot.content {
                return Err(changed());
            }
            let sealed = sealed_hash(&slot.bytes);
            Ok(Some(OpenedSlot { id, salt: *salt, content: content.to_vec(), sealed }))
        }
    }
}

/// What [`check_slots`] found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlotsFound {
    /// Slots that open to what was committed to.
    pub open: u64,
    /// Slots whose key was destroyed.
    pub erased: u64,
    /// Slots that were changed or moved.
    pub wrong: u64,
}

/// Opens every slot of a log.
///
/// # Errors
/// When the file cannot be read.
pub fn check_slots(path: &Path, keys: &Keyring) -> Result<SlotsFound, StoreError> {
    let connection = reader(path)?;
    let mut found = SlotsFound::default();
    let mut statement =
        connection.prepare("SELECT idx, leaf FROM entry ORDER BY idx").map_err(|e| sqlite(&e))?;
    let mut rows = statement.query([]).map_err(|e| sqlite(&e))?;
    while let Some(row) = rows.next().map_err(|e| sqlite(&e))? {
        let leaf: Vec<u8> = row.get(1).map_err(|e| sqlite(&e))?;
        let index = row.get::<_, i64>(0).map_err(|e| sqlite(&e))?;
        let index = u64::try_from(index).unwrap_or_default();
        let leaf = decoded(index, &leaf)?;
        for (id, slot) in sealed(&connection, index)? {
            match opened(keys, &leaf.entry, id, &slot) {
                Ok(Some(_)) => found.open += 1,
                Ok(None) => found.erased += 1,
                Err(StoreError::Corrupt(_)) => found.wrong += 1,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found)
}

/// A slot as it stands in the file.
pub(super) struct Slot {
    content: Vec<u8>,
    bytes: Vec<u8>,
}

impl Slot {
    pub(super) fn stored(self, id: SlotId) -> Result<SealedSlot, StoreError> {
        let malformed = |_| StoreError::Corrupt("a slot is malformed".to_owned());
        let content = self.content.try_into().map_err(malformed)?;
        Ok(SealedSlot { id, content, bytes: self.bytes })
    }
}

pub(super) fn sealed(
    connection: &Connection,
    index: u64,
) -> Result<BTreeMap<SlotId, Slot>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT slot, content, bytes FROM slot WHERE idx = ?1 ORDER BY slot")
        .map_err(|e| sqlite(&e))?;
    let rows = statement
        .query_map([number(index)], |row| {
            Ok((row.get::<_, u8>(0)?, Slot { content: row.get(1)?, bytes: row.get(2)? }))
        })
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

/// The slots with one at most, for who wants no more.
fn sealed_only(
    connection: &Connection,
    index: u64,
    only: SlotId,
) -> Result<BTreeMap<SlotId, Slot>, StoreError> {
    let found = connection
        .prepare_cached("SELECT content, bytes FROM slot WHERE idx = ?1 AND slot = ?2")
        .and_then(|mut s| {
            s.query_row(params![number(index), only as u8], |row| {
                Ok(Slot { content: row.get(0)?, bytes: row.get(1)? })
            })
            .optional()
        })
        .map_err(|e| sqlite(&e))?;
    Ok(found.into_iter().map(|slot| (only, slot)).collect())
}

/// One slot as it stands in the file.
pub(super) fn sealed_slot(
    connection: &Connection,
    index: u64,
    slot: SlotId,
) -> Result<Option<Vec<u8>>, StoreError> {
    connection
        .prepare_cached("SELECT bytes FROM slot WHERE idx = ?1 AND slot = ?2")
        .and_then(|mut s| {
            s.query_row(params![number(index), slot as u8], |row| row.get(0)).optional()
        })
        .map_err(|e| sqlite(&e))
}

/// Hands over the leaves from `from` to before `end`, in order and without a gap: what is missing is no answer.
pub(super) fn leaves(
    files: &Files,
    from: u64,
    end: u64,
    mut each: impl FnMut(u64, &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut next = from;
    let gap = |next| Err(StoreError::Corrupt(format!("entry {next} is missing")));
    files.span(from, end, |file, from, end| {
        leaves_in(file, from, end, &mut |index, leaf| {
            if index != next {
                return gap(next);
            }
            next += 1;
            each(index, leaf)
        })
    })?;
    if next < end { gap(next) } else { Ok(()) }
}

fn leaves_in(
    connection: &Connection,
    from: u64,
    end: u64,
    each: &mut impl FnMut(u64, &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT idx, leaf FROM entry WHERE idx >= ?1 AND idx < ?2 ORDER BY idx")
        .map_err(|e| sqlite(&e))?;
    let mut rows = statement.query([number(from), number(end)]).map_err(|e| sqlite(&e))?;
    while let Some(row) = rows.next().map_err(|e| sqlite(&e))? {
        let index: i64 = row.get(0).map_err(|e| sqlite(&e))?;
        let index = u64::try_from(index)
            .map_err(|_| StoreError::Corrupt("a row has a negative number".to_owned()))?;
        let leaf = row.get_ref(1).and_then(|leaf| leaf.as_blob().map_err(Into::into));
        each(index, leaf.map_err(|e| sqlite(&e))?)?;
    }
    Ok(())
}

/// The first place of `[from, end)` that was committed at `since` or later; `end` where there is none.
/// Times do not go backwards in a log.
fn first_since(files: &Files, since: Timestamp, from: u64, end: u64) -> Result<u64, StoreError> {
    let (mut low, mut high) = (from, end);
    while low < high {
        let middle = low + (high - low) / 2;
        let leaf = leaf_at(files.holding(middle)?, middle)?
            .ok_or_else(|| StoreError::Corrupt(format!("entry {middle} is missing")))?;
        if decoded(middle, &leaf)?.committed_at < since { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// A page as it fills.
struct Filling<'a> {
    search: &'a Search,
    /// Whom entries must be about, where it is asked.
    about: Option<People>,
    keys: &'a Keyring,
    files: &'a Files,
    entries: Vec<StoredEntry>,
    limit: usize,
}

impl Filling<'_> {
    /// Looks at an entry; tells whether the page was full already and it is the first that is left.
    fn look(&mut self, index: u64, leaf: &[u8]) -> Result<bool, StoreError> {
        let leaf = decoded(index, leaf)?;
        if !meant(self.search, &leaf) {
            return Ok(false);
        }
        let subject_only = self.search.with == Slots::Subject;
        let slots = match &self.search.slot {
            None | Some((SlotId::Subject, _)) if subject_only => {
                sealed_only(self.files.holding(index)?, index, SlotId::Subject)?
            }
            None | Some(_) => sealed(self.files.holding(index)?, index)?,
        };
        let is_meant = self.slot_is_meant(&leaf, &slots);
        if !is_meant.map_err(at_entry(index))? {
            return Ok(false);
        }
        if self.entries.len() == self.limit {
            return Ok(true);
        }
        self.entries.push(stored(self.keys, index, leaf, slots)?);
        Ok(false)
    }
}

/// Reads on from `from_index` until the page is full, the log ends at `size`, or the bound on what is read
/// is met; `next_index` tells where to go on. Where the index has followed it leads from one entry to the
/// next; what it has not taken up is read row by row.
pub(super) fn search(
    desk: &mut Desk,
    keys: &Keyring,
    search: &Search,
    size: u64,
) -> Result<Page, StoreError> {
    let Desk { files, index } = desk;
    let size = search.upto.map_or(size, |upto| upto.min(size));
    let limit = search.limit.max(1);
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_mul(READ_AHEAD);
    let (mut from, mut last) = (search.from_index.min(size), size);
    if let Some(since) = search.since {
        from = first_since(files, since, from, size)?;
    }
    if let Some(until) = search.until {
        last = first_since(files, until, from, size)?;
    }
    let about = match &search.slot {
        Some((SlotId::Subject, subject)) => Some(keys.people([subject])),
        None | Some(_) => None,
    };
    let mut page = Filling { search, about, keys, files, entries: Vec::new(), limit };
    let (helped, sought) = index.sought(files, keys, search)?;
    let helped = helped.min(last);
    let mut read = 0;
    if let Some(mut sought) = sought {
        while from < helped {
            let at = match sought.next(from)? {
                Next::At(at) => at,
                Next::None => helped,
                Next::Beyond(at) => return Ok(page.ended(Some(at.min(helped)), last, size)),
            };
            if at >= helped {
                from = helped;
                break;
            }
            let leaf = leaf_at(files.holding(at)?, at)?
                .ok_or_else(|| StoreError::Corrupt(format!("entry {at} is missing")))?;
            if page.look(at, &leaf)? {
                return Ok(page.ended(Some(at), last, size));
            }
            from = at + 1;
            read += 1;
            if read >= bound && from < last {
                return Ok(page.ended(Some(from), last, size));
            }
        }
    }
    let end = from.saturating_add(bound).min(last);
    let mut rest = None;
    leaves(files, from, end, |at, leaf| {
        if rest.is_none() && page.look(at, leaf)? {
            rest = Some(at);
        }
        Ok(())
    })?;
    Ok(page.ended(rest.or(Some(end)), last, size))
}

impl Filling<'_> {
    /// Whom an entry is about is found without opening what it says, and also when that is erased.
    fn slot_is_meant(
        &self,
        leaf: &Leaf,
        slots: &BTreeMap<SlotId, Slot>,
    ) -> Result<bool, StoreError> {
        let (entry, commitments) = (&leaf.entry, &leaf.commitments);
        let Some((id, wanted)) = &self.search.slot else { return Ok(true) };
        let Some(slot) = slots.get(id) else {
            if commitments.contains_key(id) {
                return Err(StoreError::Corrupt("a sealed slot is missing".to_owned()));
            }
            return Ok(false);
        };
        if let Some(about) = &self.about {
            return self.keys.is_about(entry.event, &slot.bytes, about);
        }
        Ok(opened(self.keys, entry, *id, slot)?.as_ref() == Some(wanted))
    }

    /// The page, going on at `next` where that is before the last place that can be meant.
    fn ended(self, next: Option<u64>, last: u64, size: u64) -> Page {
        Page { entries: self.entries, next_index: next.filter(|next| *next < last), size }
    }
}

fn meant(search: &Search, stored: &Leaf) -> bool {
    let entry = &stored.entry;
    (search.kinds.is_empty() || search.kinds.contains(&entry.kind))
        && search.agency.as_ref().is_none_or(|agency| entry.agency.as_ref() == Some(agency))
        && search.principal.is_none_or(|principal| entry.principal == principal)
        && search.since.is_none_or(|since| stored.committed_at >= since)
        && search.until.is_none_or(|until| stored.committed_at < until)
        && search.category.as_ref().is_none_or(|c| entry.categories().contains(c.as_str()))
        && search.has.is_none_or(|facet| entry.facets.contains_key(&facet))
        && search.concerns.as_ref().is_none_or(|agency| entry.concerns(agency))
        && search.facets.iter().all(|(facet, word)| entry.words(*facet).any(|w| w == word))
}
