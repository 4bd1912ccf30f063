//! Proofs for outsiders: that an entry is in the log, and that the log only grew. Hashes tell nothing of
//! anybody and are not recorded; a receipt shows an entry, and asking for one is recorded first.

use jiff::Timestamp;

use super::entry::{Call, nobody};
use super::log::is_own_decision;
use super::{Hub, HubError, Violation};
use crate::audit::entry::{Kind, SlotId};
use crate::audit::proof::verify_inclusion;
use crate::audit::receipt::ProvenEntry;
use crate::audit::tile::{TILE_LEVEL_MAX, TILE_WIDTH, TileId};
use crate::audit::tree::{Hash, leaf_hash};
use crate::auth::{Caller, HubFunction};
use crate::domain::DecisionId;
use crate::store::{Receipt, SignedHead, StoredEntry};

/// What an asker wrote; the facts and the full decision are in no receipt.
const WRITTEN: &[SlotId] = &[SlotId::Subject, SlotId::Asker, SlotId::Request];

/// The hashes of a proof, and what they are about.
pub struct Proof {
    /// The size of the tree that they lead to.
    pub size: u64,
    /// The newest head, where the proof leads to it.
    pub head: Option<SignedHead>,
    /// The hashes.
    pub hashes: Vec<Hash>,
}

/// What a receipt shows that verifies.
#[derive(Debug, Clone, Copy)]
pub struct Verified {
    /// The entry's place, from 0.
    pub index: u64,
    /// The size of the log that the receipt is under.
    pub size: u64,
    /// When the entry was committed.
    pub committed_at: Timestamp,
    /// What happened.
    pub kind: Kind,
}

impl Hub {
    /// The proof that the entry at `index` is among the first `size`; without a size, under the newest
    /// head.
    ///
    /// # Errors
    /// When the caller is no auditor, or the log is not so large.
    pub async fn inclusion_proof(
        &self,
        caller: &Caller,
        index: u64,
        size: Option<u64>,
    ) -> Result<Proof, HubError> {
        let head = self.hashes_for(caller, "weir.hub.v1.AuditService/GetInclusionProof").await?;
        let size = covered(&head, size, "tree_size")?;
        let hashes = self.store.inclusion(index, size).await?;
        let hashes = hashes.ok_or_else(|| wrong("entry", "must be before the tree size"))?;
        Ok(Proof { size, head: Some(head).filter(|head| head.size == size), hashes })
    }

    /// The proof that the first `to` entries, or all of the newest head, begin with the first `from`.
    ///
    /// # Errors
    /// When the caller is no auditor, or the log is not so large.
    pub async fn consistency_proof(
        &self,
        caller: &Caller,
        from: u64,
        to: Option<u64>,
    ) -> Result<Proof, HubError> {
        let head = self.hashes_for(caller, "weir.hub.v1.AuditService/GetConsistencyProof").await?;
        let size = covered(&head, to, "to_size")?;
        let hashes = self.store.consistency(from, size).await?;
        let hashes =
            hashes.ok_or_else(|| wrong("from_size", "must not be above the other size"))?;
        Ok(Proof { size, head: Some(head).filter(|head| head.size == size), hashes })
    }

    /// The first `width` hashes of a tile, as wide as the newest head makes it where none is given.
    ///
    /// # Errors
    /// When the caller is no auditor, or the log has not so many hashes there.
    pub async fn tile(
        &self,
        caller: &Caller,
        id: TileId,
        width: Option<usize>,
    ) -> Result<Vec<Hash>, HubError> {
        let head = self.hashes_for(caller, "weir.hub.v1.AuditService/GetTile").await?;
        if id.level > TILE_LEVEL_MAX || id.width(head.size) == 0 {
            return Err(wrong("tile", "is beyond the log"));
        }
        let width = width.unwrap_or_else(|| id.width(head.size));
        if width == 0 || width > TILE_WIDTH {
            return Err(wrong("width", "must be 1 to 256"));
        }
        let hashes = self.store.tile(id, width).await?;
        hashes.ok_or_else(|| wrong("width", "is more than the log has there"))
    }

    /// Lets through an auditor, who is not recorded; tells the newest head.
    pub(super) async fn hashes_for(
        &self,
        caller: &Caller,
        rpc: &'static str,
    ) -> Result<SignedHead, HubError> {
        let policy = self.policy()?;
        let call = self.call(rpc, caller, &policy, self.clock.now());
        self.require(&call, &policy, HubFunction::Auditor).await?;
        Ok(self.store.head().await?)
    }

    /// Whether the text of a receipt proves an entry of this log, whose newest head still covers it there.
    /// It tells nothing that the text does not say, and is not recorded.
    ///
    /// # Errors
    /// When the store is not available. What is no receipt, or proves nothing, is an answer.
    pub async fn verify_receipt(&self, text: &str) -> Result<Result<Verified, String>, HubError> {
        let verified = ProvenEntry::parse(text)
            .and_then(|proven| Ok((proven.verify(&self.store.verifier())?, proven)));
        let (shown, proven) = match verified {
            Ok(both) => both,
            Err(why) => return Ok(Err(why.to_string())),
        };
        let head = self.store.head().await?;
        let size = shown.head.size.max(head.size);
        let path = self.store.inclusion(proven.index, size).await?;
        let hash = leaf_hash(&proven.leaf);
        let root = Some(head.root).filter(|_| size == head.size);
        let covered = match (path, root) {
            (Some(path), Some(root)) => {
                verify_inclusion(&hash, proven.index, size, &path, &root).is_ok()
            }
            (_, _) => false,
        };
        if !covered {
            return Ok(Err(
                "the head is good, and this log does not have that entry there".to_owned()
            ));
        }
        Ok(Ok(Verified {
            index: proven.index,
            size: shown.head.size,
            committed_at: shown.leaf.committed_at,
            kind: shown.leaf.entry.kind,
        }))
    }

    /// An entry with its proof under the newest head. Auditors get those that their agency asked for,
    /// everybody else the decisions of their agency. What the asker wrote is laid open to themselves and
    /// to the auditors of their agency. `cosigned`: under a head that a quorum of witnesses has signed.
    ///
    /// # Errors
    /// [`HubError::NotCosigned`] when no such head covers it yet; when the caller is neither auditor nor staff; [`HubError::NotFound`] when there is no such entry,
    /// or it is not theirs.
    pub async fn entry_receipt(
        &self,
        caller: &Caller,
        event: DecisionId,
        cosigned: bool,
    ) -> Result<(ProvenEntry, Receipt), HubError> {
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.AuditService/GetReceipt";
        let call = self.call(rpc, caller, &policy, self.clock.now());
        let auditor = caller.functions().contains(&HubFunction::Auditor);
        if auditor {
            self.require(&call, &policy, HubFunction::Auditor).await?;
        } else {
            self.require_staff(&call, &policy, nobody()).await?;
        }
        let request = serde_json::json!({ "receipt": event.to_string() });
        let receipt = self.look(&call, "receipt", &request).await?;
        let stored = self.store.entry(event).await?.ok_or(HubError::NotFound)?;
        let open = laid_open(&call, auditor, &stored).ok_or(HubError::NotFound)?;
        let proven = self.store.proven(event, open).await?.ok_or(HubError::NotFound)?;
        let proven = if cosigned { self.cosigned(proven).await? } else { proven };
        Ok((proven, receipt))
    }
}

/// The slots that the caller may see of an entry; `None`: not even the entry.
fn laid_open(call: &Call<'_>, auditor: bool, stored: &StoredEntry) -> Option<&'static [SlotId]> {
    let (entry, agency) = (&stored.entry, call.caller.agency());
    // The leaf names the person who asked, as no other agency may know them.
    let asked = entry.agency.as_ref() == Some(agency);
    let theirs = if auditor { asked } else { is_own_decision(entry, agency) };
    let wrote = auditor || entry.principal == call.caller.principal();
    theirs.then_some(if wrote { WRITTEN } else { &[] })
}

/// A size that the newest head covers; without a wish, its own.
fn covered(head: &SignedHead, wish: Option<u64>, field: &str) -> Result<u64, HubError> {
    let size = wish.unwrap_or(head.size);
    if size > head.size { Err(wrong(field, "is more than the log has")) } else { Ok(size) }
}

fn wrong(field: &str, what: &str) -> HubError {
    HubError::Invalid(vec![Violation::new(field, what)])
}
