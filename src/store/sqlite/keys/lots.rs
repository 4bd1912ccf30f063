//! The keys that entries lapse with: one for each kind of entry in each year, all of a year made together. A
//! year of before kinds had keys has one for all of them, which is read and destroyed, and never made.

use std::sync::PoisonError;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::params;

use super::super::log::{sqlite, unavailable};
use super::file::{Purpose, begin_writing, put, settle, unwrapped, wrapped};
use super::ring::Keyring;
use super::seal::Secret;
use crate::audit::retention::Lot;
use crate::domain::KeptKind;
use crate::store::StoreError;

/// The year that an entry's key is of.
pub(super) fn year_of(at: Timestamp) -> i16 {
    at.to_zoned(TimeZone::UTC).year()
}

/// A lot in bytes: the year, and the kind where it is of one.
pub(super) fn name_of(lot: Lot) -> Vec<u8> {
    let mut name = lot.year.to_be_bytes().to_vec();
    name.extend(lot.kind.map(KeptKind::number));
    name
}

/// The lot of such bytes; `None`: they are malformed.
pub(super) fn lot_of(name: &[u8]) -> Option<Lot> {
    match *name {
        [high, low] => Some(Lot::whole(i16::from_be_bytes([high, low]))),
        [high, low, kind] => {
            Some(Lot::of(i16::from_be_bytes([high, low]), KeptKind::from_number(kind)?))
        }
        _ => None,
    }
}

const fn purpose_of(lot: Lot) -> Purpose {
    if lot.kind.is_some() { Purpose::Kind } else { Purpose::Year }
}

impl Keyring {
    /// The key of a lot as it is remembered.
    pub(super) fn lot_remembered(&self, lot: Lot) -> Option<Secret> {
        self.lots.read().unwrap_or_else(PoisonError::into_inner).get(&lot).cloned()
    }

    /// The key of a lot; `None`: there is none, or no more. Blocks.
    pub(super) fn lot(&self, lot: Lot) -> Result<Option<Secret>, StoreError> {
        if let Some(secret) = self.lot_remembered(lot) {
            return Ok(Some(secret));
        }
        let file = self.file();
        let (purpose, name) = (purpose_of(lot), name_of(lot));
        let Some(wrapped) = wrapped(&file, purpose, &name)? else { return Ok(None) };
        let secret = unwrapped(&self.hub, purpose as u8, &name, &wrapped)?;
        // While the file is held: a key that is destroyed meanwhile must not be remembered.
        let mut lots = self.lots.write().unwrap_or_else(PoisonError::into_inner);
        lots.insert(lot, secret.clone());
        drop((lots, file));
        Ok(Some(secret))
    }

    /// The lots that there is a key of. Blocks.
    pub(super) fn lots(&self) -> Result<Vec<Lot>, StoreError> {
        let file = self.file();
        let mut statement = file
            .prepare_cached("SELECT name FROM wrapped WHERE kind IN (?1, ?2) ORDER BY kind, name")
            .map_err(|e| sqlite(&e))?;
        let names = statement
            .query_map([Purpose::Year as u8, Purpose::Kind as u8], |row| row.get::<_, Vec<u8>>(0))
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|e| sqlite(&e))?;
        let wrong = || StoreError::Keys("keys.db holds a malformed year or kind".to_owned());
        names.iter().map(|name| lot_of(name).ok_or_else(wrong)).collect()
    }

    /// The key that an entry of a kind is sealed under in a year. Blocks.
    pub(super) fn lot_for_sealing(&self, year: i16, kind: KeptKind) -> Result<Secret, StoreError> {
        let lot = Lot::of(year, kind);
        if let Some(secret) = self.lot(lot)? {
            return Ok(secret);
        }
        self.begin_year(year)?;
        self.lot(lot)?.ok_or_else(|| unavailable(&"the keys of the year could not be made"))
    }

    /// Makes the keys of a year that are not there, for every kind in one transaction: a key that is made
    /// when the first entry of its kind comes would tell by its time when that was. Remembers them. Blocks.
    pub(super) fn begin_year(&self, year: i16) -> Result<(), StoreError> {
        let mut is_whole = true;
        for kind in KeptKind::ALL {
            is_whole &= self.lot(Lot::of(year, *kind))?.is_some();
        }
        if is_whole {
            return Ok(());
        }
        let mut file = self.file();
        let t = begin_writing(&mut file, &self.hub)?;
        for kind in KeptKind::ALL {
            let name = name_of(Lot::of(year, *kind));
            // Under another key what was sealed under the one that is gone would read as changed.
            let ended: bool = t
                .query_row("SELECT EXISTS (SELECT 1 FROM ended WHERE name = ?1)", [&name], |row| {
                    row.get(0)
                })
                .map_err(|e| sqlite(&e))?;
            if !ended {
                put(&t, &self.hub, Purpose::Kind, &name, &Secret::fresh()?)?;
            }
        }
        t.commit().map_err(|e| sqlite(&e))?;
        drop(file);
        KeptKind::ALL.iter().try_for_each(|kind| self.lot(Lot::of(year, *kind)).map(drop))
    }

    /// Destroys the keys of lots, all or none: no entry in them can be opened any more, nor found by whom it
    /// is about. Blocks.
    ///
    /// # Errors
    /// When the file cannot be written; then the keys are there still. Or as [`Keyring::settle`].
    pub fn destroy_lots(&self, lots: &[Lot]) -> Result<(), StoreError> {
        let mut file = self.file();
        let t = begin_writing(&mut file, &self.hub)?;
        for lot in lots {
            t.execute(
                "DELETE FROM wrapped WHERE kind = ?1 AND name = ?2",
                params![purpose_of(*lot) as u8, name_of(*lot)],
            )
            .and_then(|_| {
                t.execute("INSERT OR IGNORE INTO ended (name) VALUES (?1)", [name_of(*lot)])
            })
            .map_err(|e| sqlite(&e))?;
        }
        t.commit().map_err(|e| sqlite(&e))?;
        self.lots
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|lot, _| !lots.contains(lot));
        drop(file);
        self.settle()
    }

    /// Leaves nothing in the file's log of keys that were destroyed. Blocks.
    ///
    /// # Errors
    /// When somebody else reads the file; the keys are destroyed all the same.
    pub fn settle(&self) -> Result<(), StoreError> {
        settle(&self.file())
    }

    /// Whether the key of a lot is there. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn opens_lot(&self, lot: Lot) -> Result<bool, StoreError> {
        self.lot(lot).map(|key| key.is_some())
    }
}
