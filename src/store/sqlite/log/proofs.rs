//! Proofs from the log: made from stored tiles and the right side that the newest head covers.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use rusqlite::{Connection, OptionalExtension};

use super::super::keys::Keyring;
use super::file::newest_head;
use super::parts::{Files, Parts, year_in_name};
use super::read::{at_entry, decoded, laid_open, leaf_at, leaves, number, sealed};
use super::tiles::{Stored, has_tiles};
use super::{Log, blocking};
use crate::audit::checkpoint::VerifierKey;
use crate::audit::entry::SlotId;
use crate::audit::export::{Covered, cover};
use crate::audit::leaf::{SealedSlot, decode};
use crate::audit::proof::{Nodes, consistency, inclusion, root as root_of};
use crate::audit::receipt::{OpenedSlot, ProvenEntry};
use crate::audit::tile::{FullTiles, RightSide, TILE_WIDTH, TileId, Tiled};
use crate::audit::tree::{Hash, leaf_hash};
use crate::domain::DecisionId;
use crate::store::{SignedHead, StoreError};

impl Log {
    /// The newest head, the tiles that are not full at it, and the files.
    fn snapshot(&self) -> (SignedHead, Arc<RightSide>, Parts) {
        let published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        (published.head.clone(), Arc::clone(&published.right), published.parts.clone())
    }

    /// Reads from the tree of the newest head, on a thread that may wait.
    async fn with_tree<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Tiled<'_, Stored<'_>>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (_, right, parts) = self.snapshot();
        blocking(move || {
            let files = Files::of(parts);
            read(&Tiled { right: &right, full: Stored::of(&files) })
        })
        .await
    }

    /// The inclusion proof of an entry in the tree of the first `size`; `None` when it is not among them,
    /// or no signed head covers so many.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn inclusion(&self, index: u64, size: u64) -> Result<Option<Vec<Hash>>, StoreError> {
        self.with_tree(move |tree| {
            if size > tree.right.size() { Ok(None) } else { inclusion(tree, index, size) }
        })
        .await
    }

    /// The proof that the tree of the first `to` entries grew out of that of the first `from`; `None` when
    /// `from` is larger, or no signed head covers so many.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn consistency(&self, from: u64, to: u64) -> Result<Option<Vec<Hash>>, StoreError> {
        self.with_tree(
            move |tree| {
                if to > tree.right.size() { Ok(None) } else { consistency(tree, from, to) }
            },
        )
        .await
    }

    /// The first `width` hashes of a tile; `None` when no signed head covers so many there.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn tile(&self, id: TileId, width: usize) -> Result<Option<Vec<Hash>>, StoreError> {
        self.with_tree(move |tree| tree.tile(id, width)).await
    }

    /// An entry with its proof under the newest head; of its slots those of `open` that are not erased.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn proven(
        &self,
        event: DecisionId,
        open: &'static [SlotId],
    ) -> Result<Option<ProvenEntry>, StoreError> {
        let Some(index) = self.place(event) else {
            return Ok(None);
        };
        let (keys, (head, right, parts)) = (Arc::clone(&self.keys), self.snapshot());
        let missing = move || StoreError::Corrupt(format!("entry {index} is missing"));
        blocking(move || {
            let files = Files::of(parts);
            let file = files.holding(index)?;
            let leaf = leaf_at(file, index)?.ok_or_else(missing)?;
            let event = decode(&leaf)
                .map_err(|e| StoreError::Corrupt(format!("entry {index}: {e}")))?
                .entry
                .event;
            let tree = Tiled { right: &right, full: Stored::of(&files) };
            let path = inclusion(&tree, index, head.size)?.ok_or_else(missing)?;
            let slots = opened(file, &keys, index, event, open)?;
            Ok(Some(ProvenEntry { index, leaf, path, note: head.note, slots }))
        })
        .await
    }
}

impl Log {
    /// The leaves at these places, with the slots of `open` that are not erased.
    ///
    /// # Errors
    /// When a file cannot be read, or there is no such place.
    pub async fn laid_open(
        &self,
        indexes: Vec<u64>,
        open: &'static [SlotId],
    ) -> Result<Vec<(Vec<u8>, Vec<OpenedSlot>)>, StoreError> {
        let (keys, (_, _, parts)) = (Arc::clone(&self.keys), self.snapshot());
        blocking(move || {
            let (files, mut all) = (Files::of(parts), Vec::with_capacity(indexes.len()));
            for index in indexes {
                let missing = || StoreError::Corrupt(format!("entry {index} is missing"));
                let file = files.holding(index)?;
                let leaf = leaf_at(file, index)?.ok_or_else(missing)?;
                let event = decoded(index, &leaf)?.entry.event;
                let slots = opened(file, &keys, index, event, open)?;
                all.push((leaf, slots));
            }
            Ok(all)
        })
        .await
    }

    /// The roots over runs of places, each in the fewest perfect subtrees.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub async fn covered(&self, runs: Vec<(u64, u64)>) -> Result<Vec<Vec<Covered>>, StoreError> {
        self.with_tree(move |tree| {
            let of = |(from, to)| {
                cover(from, to)
                    .map(|(at, level)| Ok((at, level, tree.node(level, at >> level)?)))
                    .collect()
            };
            runs.into_iter().map(of).collect()
        })
        .await
    }
}

fn opened(
    file: &Connection,
    keys: &Keyring,
    index: u64,
    event: DecisionId,
    open: &[SlotId],
) -> Result<Vec<OpenedSlot>, StoreError> {
    let mut slots = Vec::new();
    if !open.is_empty() {
        for (id, slot) in sealed(file, index)? {
            if open.contains(&id) {
                slots.extend(laid_open(keys, event, id, &slot).map_err(at_entry(index))?);
            }
        }
    }
    Ok(slots)
}

/// A log as its newest head covers it, read without keys and while a hub may be writing.
pub struct StoredTree {
    files: Files,
    right: RightSide,
    head: SignedHead,
}

impl StoredTree {
    /// Opens the files of a log, oldest first, up to the newest head, which `key` must have signed. Reads
    /// tiles and the last entries, not every entry: that is what verification is for.
    ///
    /// # Errors
    /// When a file cannot be read, or the log is not what its head says.
    pub fn read(files: &[PathBuf], key: &VerifierKey) -> Result<Self, StoreError> {
        let corrupt = |what: String| StoreError::Corrupt(what);
        let files = Files::as_of_now(files)?;
        let newest = files.newest()?;
        if !has_tiles(newest)? {
            let what = "the log has no tiles yet: let a hub of this version open it once";
            return Err(StoreError::Unavailable(what.to_owned()));
        }
        let note =
            newest_head(newest)?.ok_or_else(|| corrupt("there is no signed head".to_owned()))?;
        let signed = key.open(&note).map_err(|e| corrupt(format!("the newest head: {e}")))?;
        let (tiled, mut last) = (signed.size - signed.size % TILE_WIDTH as u64, Vec::new());
        leaves(&files, tiled, signed.size, |_, leaf| {
            last.push(leaf_hash(leaf));
            Ok(())
        })?;
        let full = Stored::of(&files);
        let right = RightSide::of(signed.size, &full, last)?;
        let root = root_of(&Tiled { right: &right, full }, signed.size)?;
        if signed.root != root {
            return Err(corrupt("the newest head is not that of the entries".to_owned()));
        }
        let head = SignedHead { size: signed.size, root, note };
        Ok(Self { files, right, head })
    }

    /// The newest head.
    #[must_use]
    pub const fn head(&self) -> &SignedHead {
        &self.head
    }

    /// The note that was signed at a size, if one was.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn note_at(&self, size: u64) -> Result<Option<String>, StoreError> {
        // The head of so many entries was written with the last of them.
        let Some(last) = size.checked_sub(1) else { return Ok(None) };
        self.files
            .holding(last)?
            .query_row("SELECT note FROM head WHERE size = ?1", [number(size)], |row| row.get(0))
            .optional()
            .map_err(|e| super::sqlite(&e))
    }

    /// The tree, to make proofs and tiles from.
    #[must_use]
    pub fn tree(&self) -> Tiled<'_, impl FullTiles<Error = StoreError>> {
        Tiled { right: &self.right, full: Stored::of(&self.files) }
    }

    /// The entries of the file of a year, and whether it is frozen; `None`: there is no such file.
    #[must_use]
    pub fn year(&self, year: i16) -> Option<(Range<u64>, bool)> {
        let mut parts = self.files.parts().span(0, self.head.size);
        let (_, from, end) = parts.find(|(path, _, _)| year_in_name(path) == Some(year))?;
        Some((from..end, end < self.head.size))
    }

    /// Hands over the leaves of these places in order.
    ///
    /// # Errors
    /// When a file cannot be read, or `take` fails.
    pub fn each_leaf(
        &self,
        places: Range<u64>,
        take: impl FnMut(u64, &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        leaves(&self.files, places.start, places.end.min(self.head.size), take)
    }

    /// Hands over the slots of these places in order, as they are sealed.
    ///
    /// # Errors
    /// When a file cannot be read, or `take` fails.
    pub fn each_slot(
        &self,
        places: Range<u64>,
        mut take: impl FnMut(u64, SealedSlot) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for index in places.start..places.end.min(self.head.size) {
            for (id, slot) in sealed(self.files.holding(index)?, index)? {
                take(index, slot.stored(id)?)?;
            }
        }
        Ok(())
    }
}
