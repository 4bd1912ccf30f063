//! Proofs from the log: made from stored tiles and the right side that the newest head covers.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use rusqlite::{Connection, OptionalExtension};

use super::file::reader;
use super::read::{laid_open, leaf_at, sealed};
use super::tiles::{Stored, has_tiles};
use super::{Log, blocking};
use crate::audit::checkpoint::VerifierKey;
use crate::audit::entry::SlotId;
use crate::audit::leaf::decode;
use crate::audit::proof::{consistency, inclusion, root as root_of};
use crate::audit::receipt::ProvenEntry;
use crate::audit::tile::{FullTiles, RightSide, TileId, Tiled};
use crate::audit::tree::{Hash, leaf_hash};
use crate::domain::DecisionId;
use crate::store::{SignedHead, StoreError};

impl Log {
    /// The newest head, and the tiles that are not full at it.
    fn snapshot(&self) -> (SignedHead, Arc<RightSide>) {
        let published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        (published.head.clone(), Arc::clone(&published.right))
    }

    /// Reads from the tree of the newest head, on a thread that may wait.
    async fn with_tree<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Tiled<'_, Stored<'_>>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (path, (_, right)) = (self.path.clone(), self.snapshot());
        blocking(move || {
            let connection = reader(&path)?;
            read(&Tiled { right: &right, full: Stored::of(&connection) })
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
        let (path, keys, (head, right)) =
            (self.path.clone(), Arc::clone(&self.keys), self.snapshot());
        let missing = move || StoreError::Corrupt(format!("entry {index} is missing"));
        blocking(move || {
            let connection = reader(&path)?;
            let leaf = leaf_at(&connection, index)?.ok_or_else(missing)?;
            let event = decode(&leaf)
                .map_err(|e| StoreError::Corrupt(format!("entry {index}: {e}")))?
                .entry
                .event;
            let tree = Tiled { right: &right, full: Stored::of(&connection) };
            let path = inclusion(&tree, index, head.size)?.ok_or_else(missing)?;
            let mut slots = Vec::new();
            for (id, slot) in sealed(&connection, index)? {
                if open.contains(&id) {
                    slots.extend(laid_open(&keys, event, id, &slot)?);
                }
            }
            Ok(Some(ProvenEntry { index, leaf, path, note: head.note, slots }))
        })
        .await
    }
}

/// A log's file as its newest head covers it, read without keys and while a hub may be writing.
pub struct StoredTree {
    connection: Connection,
    right: RightSide,
    head: SignedHead,
}

impl StoredTree {
    /// Reads a file, up to its newest head, which `key` must have signed.
    ///
    /// # Errors
    /// When the file cannot be read, or is not what its head says.
    pub fn read(path: &Path, key: &VerifierKey) -> Result<Self, StoreError> {
        let corrupt = |what: String| StoreError::Corrupt(what);
        let connection = reader(path)?;
        // One snapshot, while a hub goes on writing.
        connection.execute_batch("BEGIN").map_err(|e| super::sqlite(&e))?;
        if !has_tiles(&connection)? {
            let what = "the log has no tiles yet: let a hub of this version open it once";
            return Err(StoreError::Unavailable(what.to_owned()));
        }
        let newest = "SELECT note FROM head ORDER BY size DESC LIMIT 1";
        let note: String = connection
            .query_row(newest, [], |row| row.get(0))
            .optional()
            .map_err(|e| super::sqlite(&e))?
            .ok_or_else(|| corrupt("there is no signed head".to_owned()))?;
        let signed = key.open(&note).map_err(|e| corrupt(format!("the newest head: {e}")))?;
        let mut right = RightSide::default();
        super::file::each_leaf(&connection, |_, leaf| {
            right.push(leaf_hash(&leaf));
            Ok(())
        })?;
        let tree = Tiled { right: &right, full: Stored::of(&connection) };
        let root = root_of(&tree, right.size())?;
        if (signed.size, signed.root) != (right.size(), root) {
            return Err(corrupt("the newest head is not that of the entries".to_owned()));
        }
        let head = SignedHead { size: signed.size, root, note };
        Ok(Self { connection, right, head })
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
        let place = i64::try_from(size).unwrap_or(i64::MAX);
        self.connection
            .query_row("SELECT note FROM head WHERE size = ?1", [place], |row| row.get(0))
            .optional()
            .map_err(|e| super::sqlite(&e))
    }

    /// The tree, to make proofs and tiles from.
    #[must_use]
    pub fn tree(&self) -> Tiled<'_, impl FullTiles<Error = StoreError>> {
        Tiled { right: &self.right, full: Stored::of(&self.connection) }
    }

    /// Hands over every leaf in order.
    ///
    /// # Errors
    /// When the file cannot be read, or `take` fails.
    pub fn each_leaf(
        &self,
        mut take: impl FnMut(u64, Vec<u8>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        super::file::each_leaf(&self.connection, &mut take)
    }
}
