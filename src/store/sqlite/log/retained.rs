//! What the key of each lot opens.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::tz::TimeZone;
use rusqlite::params;

use super::file::reader;
use super::{Log, blocking, sqlite};
use crate::audit::entry::SlotId;
use crate::audit::leaf::decode;
use crate::audit::retention::{Lot, LotEntries};
use crate::domain::ResidentId;
use crate::store::StoreError;
use crate::store::sqlite::keys::{Keyring, People, lot_of_sealed};

impl Log {
    /// The entries of which something is sealed, by what lapses together; with how many are about one of
    /// `held`. Reads the whole log.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn lots(
        &self,
        held: Vec<ResidentId>,
    ) -> Result<BTreeMap<Lot, LotEntries>, StoreError> {
        let ((parts, head), keys) = (self.parts(), self.keys.clone());
        blocking(move || {
            let held = (!held.is_empty())
                .then(|| keys.people(held.iter().map(|one| one.uuid().into_bytes())));
            let mut lots = BTreeMap::new();
            for (path, from, end) in parts.span(0, head.size) {
                counted(path, &keys, held.as_ref(), (from, end), &mut lots)?;
            }
            for (lot, one) in &mut lots {
                one.opens = keys.opens_lot(*lot)?;
            }
            Ok(lots)
        })
        .await
    }
}

fn counted(
    path: &Path,
    keys: &Keyring,
    held: Option<&People>,
    (from, end): (u64, u64),
    lots: &mut BTreeMap<Lot, LotEntries>,
) -> Result<(), StoreError> {
    let connection = reader(path)?;
    // Whatever an entry seals it seals under one key; whom it is about stands before each slot.
    let mut statement = connection
        .prepare(
            "SELECT e.idx, e.leaf, s.bytes, s.slot FROM entry e JOIN slot s ON s.idx = e.idx \
             AND s.slot = (SELECT min(slot) FROM slot WHERE idx = e.idx) \
             WHERE e.idx >= ?1 AND e.idx < ?2 ORDER BY e.idx",
        )
        .map_err(|e| sqlite(&e))?;
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![number(from), number(end)]).map_err(|e| sqlite(&e))?;
    while let Some(row) = rows.next().map_err(|e| sqlite(&e))? {
        let column = || Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        let (index, leaf, sealed, slot): (i64, Vec<u8>, Vec<u8>, u8) =
            column().map_err(|e: rusqlite::Error| sqlite(&e))?;
        let damaged =
            |why: &dyn std::fmt::Display| StoreError::Corrupt(format!("entry {index}: {why}"));
        let leaf = decode(&leaf).map_err(|e| damaged(&e))?;
        let lot = lot_of_sealed(&sealed).ok_or_else(|| damaged(&"a slot is malformed"))?;
        let committed = leaf.committed_at.to_zoned(TimeZone::UTC).year();
        let one = lots.entry(lot).or_default();
        *one.entries.entry((leaf.entry.kind.kept(), committed)).or_default() += 1;
        if let Some(held) = held.filter(|_| slot == SlotId::Subject as u8) {
            match keys.is_about(leaf.entry.event, &sealed, held) {
                Ok(false) => {}
                // Of a slot that was changed nobody can tell: while anybody is under a hold it is kept.
                Ok(true) | Err(StoreError::Corrupt(_)) => one.held += 1,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
