//! The full tiles of a log on disk. They follow from the entries: what is missing is made anew at opening,
//! what differs from the entries stops it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use rusqlite::{Connection, OptionalExtension, params};

use super::parts::Files;
use super::sqlite;
use crate::audit::tile::{FullTiles, RightSide, Tile, TileId, full_tile};
use crate::audit::tree::Hash;
use crate::store::StoreError;

/// Keeps a full tile, in the transaction of the entries that fill it.
pub(super) fn keep(connection: &Connection, tile: &Tile) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached("INSERT INTO tile (level, n, hashes) VALUES (?1, ?2, ?3)")?
        .execute(params![tile.id.level, place(tile.id), tile.hashes.concat()])
        .map(drop)
}

fn place(id: TileId) -> i64 {
    i64::try_from(id.n).unwrap_or(i64::MAX)
}

/// What is stored of a tile.
pub(super) fn stored(connection: &Connection, id: TileId) -> Result<Option<Vec<u8>>, StoreError> {
    connection
        .prepare_cached("SELECT hashes FROM tile WHERE level = ?1 AND n = ?2")
        .and_then(|mut found| {
            found.query_row(params![id.level, place(id)], |row| row.get(0)).optional()
        })
        .map_err(|e| sqlite(&e))
}

/// Whether a log keeps tiles; one of the version before does not.
pub(super) fn has_tiles(connection: &Connection) -> Result<bool, StoreError> {
    let count = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'tile'";
    connection.query_row(count, [], |row| row.get(0)).map_err(|e| sqlite(&e))
}

/// Takes the entries of a log that is being opened, file by file, and holds the tiles against them.
#[derive(Default)]
pub(super) struct Adopting {
    right: RightSide,
    /// Tiles that the entries of this file have filled.
    full: u64,
    made: u64,
}

impl Adopting {
    /// `keep` is given what is missing in the file.
    pub(super) fn push(
        &mut self,
        file: &Connection,
        leaf: Hash,
        keep: &mut dyn FnMut(&Tile) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for tile in self.right.push(leaf) {
            self.full += 1;
            match stored(file, tile.id)? {
                Some(bytes) if bytes == tile.hashes.concat() => {}
                Some(_) => {
                    let what = format!("{} is not that of the entries", tile.id);
                    return Err(StoreError::Corrupt(what));
                }
                None => {
                    self.made += 1;
                    keep(&tile)?;
                }
            }
        }
        Ok(())
    }

    /// There is no tile in the file but those that its entries filled.
    pub(super) fn end_of_file(&mut self, file: &Connection) -> Result<(), StoreError> {
        let count: i64 = file
            .query_row("SELECT count(*) FROM tile", [], |row| row.get(0))
            .map_err(|e| sqlite(&e))?;
        if u64::try_from(count) != Ok(std::mem::take(&mut self.full)) {
            let what = "there are tiles of entries that are not there".to_owned();
            return Err(StoreError::Corrupt(what));
        }
        Ok(())
    }

    pub(super) fn finish(self) -> RightSide {
        if self.made > 0 {
            tracing::warn!(
                tiles = self.made,
                "Tiles of the audit log were missing and are made anew"
            );
        }
        self.right
    }
}

/// Reads full tiles, each once. A tile is in the file with the entry that filled it.
pub(super) struct Stored<'a> {
    files: &'a Files,
    read: RefCell<BTreeMap<TileId, Rc<Vec<Hash>>>>,
}

impl<'a> Stored<'a> {
    pub(super) const fn of(files: &'a Files) -> Self {
        Self { files, read: RefCell::new(BTreeMap::new()) }
    }
}

impl FullTiles for Stored<'_> {
    type Error = StoreError;

    fn full(&self, id: TileId) -> Result<Rc<Vec<Hash>>, StoreError> {
        if let Some(read) = self.read.borrow().get(&id) {
            return Ok(Rc::clone(read));
        }
        let bytes = stored(self.files.holding(id.last_entry())?, id)?
            .ok_or_else(|| StoreError::Corrupt(format!("{id} is missing")))?;
        let hashes = full_tile(&bytes)
            .ok_or_else(|| StoreError::Corrupt(format!("{id} is not 256 hashes")))?;
        let hashes = Rc::new(hashes);
        self.read.borrow_mut().insert(id, Rc::clone(&hashes));
        Ok(hashes)
    }
}
