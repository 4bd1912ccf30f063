//! What the store proves of its log.

use super::StoreError;
use crate::audit::checkpoint::VerifierKey;
use crate::audit::entry::SlotId;
use crate::audit::export::Covered;
use crate::audit::receipt::{OpenedSlot, ProvenEntry};
use crate::audit::tile::TileId;
use crate::audit::tree::Hash;
use crate::domain::DecisionId;

/// Proofs under the heads that the store has signed; `None` is always "no signed head covers that".
#[tonic::async_trait]
pub trait Proofs: Send + Sync {
    /// The key under which the heads are signed.
    fn verifier(&self) -> VerifierKey;

    /// The inclusion proof of the entry at `index` in the tree of the first `size`.
    async fn inclusion(&self, index: u64, size: u64) -> Result<Option<Vec<Hash>>, StoreError>;

    /// The proof that the tree of the first `to` entries grew out of that of the first `from`.
    async fn consistency(&self, from: u64, to: u64) -> Result<Option<Vec<Hash>>, StoreError>;

    /// The first `width` hashes of a tile.
    async fn tile(&self, id: TileId, width: usize) -> Result<Option<Vec<Hash>>, StoreError>;

    /// The entry with this id, proven under the newest head, or `None`. Of its slots only those named in
    /// `open` are laid open, and none that is erased.
    async fn proven(
        &self,
        event: DecisionId,
        open: &'static [SlotId],
    ) -> Result<Option<ProvenEntry>, StoreError>;

    /// The leaves at these places, with the slots that are laid open as in [`Proofs::proven`].
    async fn laid_open(
        &self,
        indexes: Vec<u64>,
        open: &'static [SlotId],
    ) -> Result<Vec<(Vec<u8>, Vec<OpenedSlot>)>, StoreError>;

    /// The roots over these places in the tree of the newest head: of each run from a first place to before
    /// another, in the fewest perfect subtrees.
    async fn covered(&self, runs: Vec<(u64, u64)>) -> Result<Vec<Vec<Covered>>, StoreError>;
}
