//! Receipts: an entry with the proof that it is in the log, under a signed head, as C2SP tlog-proof text.
//! Whoever has the log's key verifies one without the hub.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::checkpoint::{Checkpoint, NoteError, VerifierKey};
use super::entry::SlotId;
use super::leaf::{Leaf, LeafError, content_commitment, decode, slot_commitment};
use super::proof::{PROOF_LEN_MAX, ProofError, verify_inclusion};
use super::tree::{Hash, leaf_hash};

/// Longest text of a receipt, in bytes.
pub const RECEIPT_LEN_MAX: usize = 2 * 1024 * 1024;
/// First line.
const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Version of what stands in `extra`.
const VERSION: u8 = 1;

/// A slot laid open: what is needed to find the commitment that the leaf holds.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenedSlot {
    /// Which slot.
    pub id: SlotId,
    /// The salt of its content.
    pub salt: [u8; 32],
    /// What it says.
    pub content: Vec<u8>,
    /// SHA-256 of what is sealed.
    pub sealed: [u8; 32],
}

impl OpenedSlot {
    /// What the leaf must hold of it.
    pub(super) fn commitment(&self) -> [u8; 32] {
        let content = content_commitment(self.id, &self.salt, &self.content);
        slot_commitment(self.id, &content, &self.sealed)
    }
}

impl std::fmt::Debug for OpenedSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpenedSlot({:?}, ..)", self.id)
    }
}

/// An entry, where it stands, and under which head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenEntry {
    /// Its place, from 0.
    pub index: u64,
    /// The leaf.
    pub leaf: Vec<u8>,
    /// The inclusion proof.
    pub path: Vec<Hash>,
    /// The signed head.
    pub note: String,
    /// The slots that its holder may see, in order.
    pub slots: Vec<OpenedSlot>,
}

/// Why a text is no receipt, or a receipt proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not the text of a receipt.
    #[error("the receipt is malformed: {0}")]
    Malformed(&'static str),
    /// The head.
    #[error("the head: {0}")]
    Head(#[from] NoteError),
    /// The proof.
    #[error("{0}")]
    Proof(#[from] ProofError),
    /// The leaf.
    #[error("{0}")]
    Leaf(#[from] LeafError),
    /// A slot is not what was committed to.
    #[error("slot {0:?} is not what the entry committed to")]
    Slot(SlotId),
}

/// What stands in `extra`. The order of the members is part of the format.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Extra {
    weir: u8,
    leaf: String,
    slots: Vec<ExtraSlot>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExtraSlot {
    id: u8,
    salt: String,
    content: String,
    sealed: String,
}

/// What a receipt shows, once it is verified.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The head that covers the entry.
    pub head: Checkpoint,
    /// The entry; its slots hold what the receipt opened.
    pub leaf: Leaf,
}

impl ProvenEntry {
    /// The text, as `docs/receipt-format.md` describes it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{HEADER}\nextra {}\nindex {}\n", self.extra(), self.index);
        for hash in &self.path {
            text.push_str(&STANDARD.encode(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.note);
        text
    }

    fn extra(&self) -> String {
        let slots = self.slots.iter().map(|slot| ExtraSlot {
            id: slot.id as u8,
            salt: STANDARD.encode(slot.salt),
            content: STANDARD.encode(&slot.content),
            sealed: STANDARD.encode(slot.sealed),
        });
        let leaf = STANDARD.encode(&self.leaf);
        let extra = Extra { weir: VERSION, leaf, slots: slots.collect() };
        // Our own type of strings and numbers: serialising it cannot fail.
        STANDARD.encode(serde_json::to_vec(&extra).unwrap_or_default())
    }

    /// Reads the text of a receipt; what was read has no other text.
    ///
    /// # Errors
    /// When the text is no receipt.
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        let wrong = |what| ReceiptError::Malformed(what);
        if text.len() > RECEIPT_LEN_MAX {
            return Err(wrong("it is too long"));
        }
        let (above, note) = text.split_once("\n\n").ok_or(wrong("there is no head"))?;
        let mut lines = above.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(wrong("the first line"));
        }
        let extra = lines.next().and_then(|line| line.strip_prefix("extra "));
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(|n| n.parse().ok()).ok_or(wrong("the line of the index"))?;
        let extra = extra.and_then(|text| STANDARD.decode(text).ok());
        let extra: Extra = extra
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or(wrong("the line \"extra\""))?;
        if extra.weir != VERSION {
            return Err(wrong("its version"));
        }
        let mut path = Vec::new();
        for line in lines {
            if path.len() == PROOF_LEN_MAX {
                return Err(wrong("too many hashes"));
            }
            path.push(bytes32(line).ok_or(wrong("a hash"))?);
        }
        let leaf = STANDARD.decode(&extra.leaf).map_err(|_| wrong("the leaf"))?;
        let mut slots = Vec::new();
        for slot in &extra.slots {
            slots.push(opened(slot).ok_or(wrong("a slot"))?);
        }
        if !slots.is_sorted_by(|one, next| one.id < next.id) {
            return Err(wrong("the order of slots"));
        }
        let parsed = Self { index, leaf, path, note: note.to_owned(), slots };
        // Nothing can be hidden in another spelling of the same.
        if parsed.text() == text { Ok(parsed) } else { Err(wrong("it is spelled otherwise")) }
    }

    /// Verifies everything that the receipt says, under the key of the log.
    ///
    /// # Errors
    /// With the first thing that is wrong.
    pub fn verify(&self, key: &VerifierKey) -> Result<Shown, ReceiptError> {
        let head = key.open(&self.note)?;
        let hash = leaf_hash(&self.leaf);
        verify_inclusion(&hash, self.index, head.size, &self.path, &head.root)?;
        let mut leaf = decode(&self.leaf)?;
        for slot in &self.slots {
            if leaf.commitments.get(&slot.id) != Some(&slot.commitment()) {
                return Err(ReceiptError::Slot(slot.id));
            }
        }
        leaf.entry.slots = self
            .slots
            .iter()
            .map(|slot| (slot.id, slot.content.clone()))
            .collect::<BTreeMap<_, _>>();
        Ok(Shown { head, leaf })
    }
}

fn bytes32(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

fn opened(slot: &ExtraSlot) -> Option<OpenedSlot> {
    Some(OpenedSlot {
        id: SlotId::from_number(slot.id)?,
        salt: bytes32(&slot.salt)?,
        content: STANDARD.decode(&slot.content).ok()?,
        sealed: bytes32(&slot.sealed)?,
    })
}

/// SHA-256 of what is sealed, as an opened slot names it.
#[must_use]
pub fn sealed_hash(sealed: &[u8]) -> [u8; 32] {
    super::leaf::sha256(&[sealed])
}

#[cfg(test)]
mod tests;
