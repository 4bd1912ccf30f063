//! Proofs, tiles and receipts of the log.

use super::audit::entry_index;
use super::{Check, Violations, receipt_message};
use crate::audit::receipt::ProvenEntry;
use crate::audit::tile::{TILE_LEVEL_MAX, TILE_WIDTH, TileId};
use crate::audit::tree::Hash;
use crate::domain::DecisionId;
use crate::grpc::pb;
use crate::hub::Proof;
use crate::store::Receipt;

/// Which inclusion proof: an entry, and the size where one is given.
pub struct WantedInclusion(pub u64, pub Option<u64>);

impl TryFrom<pb::GetInclusionProofRequest> for WantedInclusion {
    type Error = Violations;

    fn try_from(message: pb::GetInclusionProofRequest) -> Result<Self, Violations> {
        let pb::GetInclusionProofRequest { entry, tree_size } = message;
        let mut check = Check::default();
        let index = entry_index(&mut check, "entry", &entry);
        check.done(index.map(|index| Self(index, given(tree_size))))
    }
}

/// Which consistency proof: from a size, to another where one is given.
pub struct WantedConsistency(pub u64, pub Option<u64>);

impl TryFrom<pb::GetConsistencyProofRequest> for WantedConsistency {
    type Error = Violations;

    fn try_from(message: pb::GetConsistencyProofRequest) -> Result<Self, Violations> {
        let pb::GetConsistencyProofRequest { from_size, to_size } = message;
        Ok(Self(from_size, given(to_size)))
    }
}

/// Which tile, and how much of it where that is given.
pub struct WantedTile(pub TileId, pub Option<usize>);

impl TryFrom<pb::GetTileRequest> for WantedTile {
    type Error = Violations;

    fn try_from(message: pb::GetTileRequest) -> Result<Self, Violations> {
        let pb::GetTileRequest { level, index, width } = message;
        let mut check = Check::default();
        let level = u8::try_from(level).ok().filter(|level| *level <= TILE_LEVEL_MAX);
        if level.is_none() {
            check.wrong("level", format!("must be 0 to {TILE_LEVEL_MAX}"));
        }
        let width = usize::try_from(width).ok().filter(|width| *width <= TILE_WIDTH);
        if width.is_none() {
            check.wrong("width", format!("must be 0 to {TILE_WIDTH}"));
        }
        let wanted = level.zip(width);
        check.done(wanted.map(|(level, width)| {
            Self(TileId { level, n: index }, Some(width).filter(|width| *width > 0))
        }))
    }
}

/// From where on heads are watched, and how many at most.
pub struct WantedHeads(pub u64, pub u32);

impl TryFrom<pb::WatchHeadsRequest> for WantedHeads {
    type Error = Violations;

    fn try_from(message: pb::WatchHeadsRequest) -> Result<Self, Violations> {
        let pb::WatchHeadsRequest { after_size, heads } = message;
        Ok(Self(after_size, if heads == 0 { u32::MAX } else { heads }))
    }
}

/// Whose receipt, and whether witnesses must have signed.
pub struct WantedReceipt(pub DecisionId, pub bool);

impl TryFrom<pb::GetReceiptRequest> for WantedReceipt {
    type Error = Violations;

    fn try_from(message: pb::GetReceiptRequest) -> Result<Self, Violations> {
        let pb::GetReceiptRequest { name, cosigned } = message;
        let mut check = Check::default();
        let collection = if name.starts_with("events/") { "events" } else { "disclosures" };
        let event = check.event("name", collection, &name);
        check.done(event.map(|event| Self(event, cosigned)))
    }
}

/// 0 on the wire: none is given.
fn given(size: u64) -> Option<u64> {
    Some(size).filter(|size| *size > 0)
}

fn bytes(hashes: Vec<Hash>) -> Vec<Vec<u8>> {
    hashes.into_iter().map(Vec::from).collect()
}

/// An inclusion proof on the wire.
#[must_use]
pub fn inclusion_message(proof: Proof) -> pb::GetInclusionProofResponse {
    let Proof { size, head, hashes } = proof;
    let note = head.map(|head| head.note).unwrap_or_default();
    pb::GetInclusionProofResponse { tree_size: size, hashes: bytes(hashes), note }
}

/// A consistency proof on the wire.
#[must_use]
pub fn consistency_message(proof: Proof) -> pb::GetConsistencyProofResponse {
    let Proof { size, head, hashes } = proof;
    let note = head.map(|head| head.note).unwrap_or_default();
    pb::GetConsistencyProofResponse { to_size: size, hashes: bytes(hashes), note }
}

/// A tile on the wire.
#[must_use]
pub fn tile_message(hashes: &[Hash]) -> pb::GetTileResponse {
    pb::GetTileResponse { hashes: hashes.concat() }
}

/// A receipt on the wire, and proof that it was asked for.
#[must_use]
pub fn proven_message(proven: &ProvenEntry, receipt: &Receipt) -> pb::GetReceiptResponse {
    pb::GetReceiptResponse {
        entry: format!("entries/{}", proven.index),
        text: proven.text(),
        receipt: Some(receipt_message("events", receipt)),
    }
}
