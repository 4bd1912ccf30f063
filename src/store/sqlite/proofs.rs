//! Proofs come from the log alone.

use super::SqliteStore;
use crate::audit::checkpoint::VerifierKey;
use crate::audit::entry::SlotId;
use crate::audit::export::Covered;
use crate::audit::receipt::{OpenedSlot, ProvenEntry};
use crate::audit::tile::TileId;
use crate::audit::tree::Hash;
use crate::domain::DecisionId;
use crate::store::{Proofs, StoreError};

#[tonic::async_trait]
impl Proofs for SqliteStore {
    fn verifier(&self) -> VerifierKey {
        self.log.verifier().clone()
    }

    async fn inclusion(&self, index: u64, size: u64) -> Result<Option<Vec<Hash>>, StoreError> {
        self.log.inclusion(index, size).await
    }

    async fn consistency(&self, from: u64, to: u64) -> Result<Option<Vec<Hash>>, StoreError> {
        self.log.consistency(from, to).await
    }

    async fn tile(&self, id: TileId, width: usize) -> Result<Option<Vec<Hash>>, StoreError> {
        self.log.tile(id, width).await
    }

    async fn proven(
        &self,
        event: DecisionId,
        open: &'static [SlotId],
    ) -> Result<Option<ProvenEntry>, StoreError> {
        self.log.proven(event, open).await
    }

    async fn laid_open(
        &self,
        indexes: Vec<u64>,
        open: &'static [SlotId],
    ) -> Result<Vec<(Vec<u8>, Vec<OpenedSlot>)>, StoreError> {
        self.log.laid_open(indexes, open).await
    }

    async fn covered(&self, runs: Vec<(u64, u64)>) -> Result<Vec<Vec<Covered>>, StoreError> {
        self.log.covered(runs).await
    }
}
