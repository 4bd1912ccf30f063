//! The bytes that are hashed: written by hand, versioned, length-prefixed, big-endian. Each leaf has
//! exactly one decoding; a verifier hashes first and reads afterwards.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use jiff::Timestamp;
use uuid::Uuid;

use super::entry::{Entry, Facet, Kind, SlotId};
use crate::domain::{AgencyId, DecisionId};

/// First bytes of every leaf.
const MAGIC: &[u8; 4] = b"WEIR";
/// Version of the format.
const VERSION: u8 = 2;
/// Where the time of the commit stands, behind the two.
const TIME: std::ops::Range<usize> = 5..13;
/// Domain of what commits to a slot's content.
const CONTENT_DOMAIN: &[u8] = b"weir/audit/slot/1";
/// Domain of what the leaf holds: the content's commitment and what is sealed.
const SLOT_DOMAIN: &[u8] = b"weir/audit/slot/2";

/// A slot as it is kept beside the log: only its commitment is part of the tree.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSlot {
    /// Which slot.
    pub id: SlotId,
    /// [`content_commitment`] of what is sealed.
    pub content: [u8; 32],
    /// Salt and content, sealed under keys that can be destroyed.
    pub bytes: Vec<u8>,
}

impl SealedSlot {
    /// SHA-256 over domain, slot id, the content's commitment and the hash of what is sealed: who has
    /// no key finds every change, and who has it cannot open the slot to anything else.
    #[must_use]
    pub fn commitment(&self) -> [u8; 32] {
        sealed_commitment(self.id, &self.content, &self.bytes)
    }
}

/// As [`SealedSlot::commitment`], of a slot whose bytes lie elsewhere.
#[must_use]
pub fn sealed_commitment(id: SlotId, content: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    slot_commitment(id, content, &sha256(&[bytes]))
}

/// What the leaf holds of a slot, from its content's commitment and the hash of what is sealed.
#[must_use]
pub fn slot_commitment(id: SlotId, content: &[u8; 32], sealed: &[u8; 32]) -> [u8; 32] {
    sha256(&[SLOT_DOMAIN, &[id as u8], content, sealed])
}

/// SHA-256 over domain, slot id, salt and content. The salt is random: short content cannot be guessed.
#[must_use]
pub fn content_commitment(id: SlotId, salt: &[u8; 32], content: &[u8]) -> [u8; 32] {
    sha256(&[CONTENT_DOMAIN, &[id as u8], salt, content])
}

/// SHA-256 over parts, one after the other. They are short: laying them together costs less than a hasher that
/// takes them one by one.
pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let hash = match parts {
        [whole] => digest::digest(&digest::SHA256, whole),
        parts => digest::digest(&digest::SHA256, &parts.concat()),
    };
    let mut out = [0; 32];
    out.copy_from_slice(hash.as_ref());
    out
}

/// Why bytes are no leaf, or an entry cannot become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// Ends too early.
    #[error("the leaf is cut short")]
    Short,
    /// Goes on after its end.
    #[error("the leaf goes on after its end")]
    Long,
    /// Not this format or version.
    #[error("the leaf is of another format")]
    Format,
    /// A field holds what it cannot hold.
    #[error("the leaf holds a malformed {0}")]
    Malformed(&'static str),
    /// Larger than the log allows.
    #[error("the entry is larger than the log allows")]
    TooLarge,
}

/// A decoded leaf: the entry without the content of its slots.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// When its batch was committed.
    pub committed_at: Timestamp,
    /// The entry; its slots are empty.
    pub entry: Entry,
    /// Commitments by slot.
    pub commitments: BTreeMap<SlotId, [u8; 32]>,
}

/// Encodes an entry with its commit time and the commitments of its slots.
///
/// # Errors
/// When the entry is larger than the log allows.
pub fn encode(
    entry: &Entry,
    committed_at: Timestamp,
    commitments: &BTreeMap<SlotId, [u8; 32]>,
) -> Result<Vec<u8>, LeafError> {
    Ok(Undated::encode(entry, commitments)?.at(committed_at))
}

/// A leaf that lacks nothing but the time of its commit, which is known last.
pub struct Undated(Vec<u8>);

impl Undated {
    /// Encodes an entry with the commitments of its slots.
    ///
    /// # Errors
    /// When the entry is larger than the log allows.
    pub fn encode(
        entry: &Entry,
        commitments: &BTreeMap<SlotId, [u8; 32]>,
    ) -> Result<Self, LeafError> {
        // A new field cannot be forgotten.
        let Entry {
            event,
            kind,
            rpc,
            call,
            part,
            parts,
            agency,
            principal,
            policy,
            facets,
            slots: _,
        } = entry;
        let mut out = Vec::with_capacity(512);
        out.extend(MAGIC);
        out.push(VERSION);
        out.extend([0; TIME.end - TIME.start]);
        out.extend(event.uuid().as_bytes());
        out.push(*kind as u8);
        put(&mut out, rpc.as_bytes())?;
        out.extend(call.uuid().as_bytes());
        out.extend(part.to_be_bytes());
        out.extend(parts.to_be_bytes());
        put(&mut out, agency.as_ref().map_or("", AgencyId::as_str).as_bytes())?;
        out.extend(principal);
        out.extend(policy);
        if facets.len() > Entry::FACETS_MAX {
            return Err(LeafError::TooLarge);
        }
        out.push(u8::try_from(facets.len()).map_err(|_| LeafError::TooLarge)?);
        for (facet, value) in facets {
            out.push(*facet as u8);
            put(&mut out, value.as_bytes())?;
        }
        out.push(u8::try_from(commitments.len()).map_err(|_| LeafError::TooLarge)?);
        for (slot, commitment) in commitments {
            out.push(*slot as u8);
            out.extend(commitment);
        }
        if out.len() > Entry::LEAF_LEN_MAX { Err(LeafError::TooLarge) } else { Ok(Self(out)) }
    }

    /// The leaf of an entry that is committed at this time.
    #[must_use]
    pub fn at(self, committed_at: Timestamp) -> Vec<u8> {
        let Self(mut leaf) = self;
        let time = committed_at.as_microsecond().to_be_bytes();
        for (place, byte) in leaf.iter_mut().skip(TIME.start).zip(time) {
            *place = byte;
        }
        leaf
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), LeafError> {
    let len = u16::try_from(bytes.len()).map_err(|_| LeafError::TooLarge)?;
    out.extend(len.to_be_bytes());
    out.extend(bytes);
    Ok(())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], LeafError> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(LeafError::Short)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], LeafError> {
        self.take(N)?.try_into().map_err(|_| LeafError::Short)
    }

    fn byte(&mut self) -> Result<u8, LeafError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    fn text(&mut self, what: &'static str) -> Result<&'a str, LeafError> {
        let len = usize::from(u16::from_be_bytes(self.array()?));
        std::str::from_utf8(self.take(len)?).map_err(|_| LeafError::Malformed(what))
    }

    fn id(&mut self) -> Result<DecisionId, LeafError> {
        Ok(DecisionId::from_uuid(Uuid::from_bytes(self.array()?)))
    }
}

/// What a leaf says, where it lies: for who reads many and keeps few.
pub struct View<'a> {
    /// When its batch was committed.
    pub committed_at: Timestamp,
    /// As [`Entry::event`].
    pub event: DecisionId,
    /// As [`Entry::kind`].
    pub kind: Kind,
    /// As [`Entry::rpc`].
    pub rpc: &'a str,
    call: DecisionId,
    part: u32,
    parts: u32,
    agency: Option<AgencyId>,
    principal: [u8; 16],
    /// As [`Entry::policy`].
    pub policy: [u8; 32],
    facets: Vec<(Facet, &'a str)>,
    /// Commitments by slot, in order.
    pub commitments: Vec<(SlotId, [u8; 32])>,
}

impl<'a> View<'a> {
    /// Reads a leaf, all of it.
    ///
    /// # Errors
    /// When the bytes are not a leaf of this version.
    pub fn of(bytes: &'a [u8]) -> Result<Self, LeafError> {
        if bytes.len() > Entry::LEAF_LEN_MAX {
            return Err(LeafError::TooLarge);
        }
        let mut r = Reader(bytes);
        if r.take(4)? != MAGIC || r.byte()? != VERSION {
            return Err(LeafError::Format);
        }
        let committed_at = Timestamp::from_microsecond(i64::from_be_bytes(r.array()?))
            .map_err(|_| LeafError::Malformed("time"))?;
        let event = r.id()?;
        let kind = Kind::from_number(r.byte()?).ok_or(LeafError::Malformed("kind"))?;
        let rpc = r.text("call")?;
        let call = r.id()?;
        let part = u32::from_be_bytes(r.array()?);
        let parts = u32::from_be_bytes(r.array()?);
        let agency = match r.text("agency")? {
            "" => None,
            text => Some(text.parse().map_err(|_| LeafError::Malformed("agency"))?),
        };
        let principal = r.array()?;
        let policy = r.array()?;
        let count = usize::from(r.byte()?);
        if count > Entry::FACETS_MAX {
            return Err(LeafError::TooLarge);
        }
        let mut facets: Vec<(Facet, &str)> = Vec::with_capacity(count);
        for _ in 0..count {
            let facet = Facet::from_number(r.byte()?).ok_or(LeafError::Malformed("facet"))?;
            let value = r.text("facet")?;
            if facets.last().is_some_and(|(last, _)| *last >= facet) {
                return Err(LeafError::Malformed("order of facets"));
            }
            facets.push((facet, value));
        }
        let mut commitments: Vec<(SlotId, [u8; 32])> = Vec::new();
        for _ in 0..r.byte()? {
            let slot = SlotId::from_number(r.byte()?).ok_or(LeafError::Malformed("slot"))?;
            if commitments.last().is_some_and(|(last, _)| *last >= slot) {
                return Err(LeafError::Malformed("order of slots"));
            }
            commitments.push((slot, r.array()?));
        }
        if !r.0.is_empty() {
            return Err(LeafError::Long);
        }
        Ok(Self {
            committed_at,
            event,
            kind,
            rpc,
            call,
            part,
            parts,
            agency,
            principal,
            policy,
            facets,
            commitments,
        })
    }

    /// What a facet says; `None`: it is not there.
    #[must_use]
    pub fn facet(&self, facet: Facet) -> Option<&'a str> {
        self.facets.iter().find(|(one, _)| *one == facet).map(|(_, value)| *value)
    }
}

/// Decodes a leaf. What decodes, encodes to the same bytes.
///
/// # Errors
/// When the bytes are not a leaf of this version.
pub fn decode(bytes: &[u8]) -> Result<Leaf, LeafError> {
    let view = View::of(bytes)?;
    let View { committed_at, event, kind, call, part, parts, agency, principal, policy, .. } = view;
    let owned = |(facet, value): (Facet, &str)| (facet, value.to_owned());
    let entry = Entry {
        event,
        kind,
        rpc: view.rpc.to_owned(),
        call,
        part,
        parts,
        agency,
        principal,
        policy,
        facets: view.facets.into_iter().map(owned).collect(),
        slots: BTreeMap::new(),
    };
    Ok(Leaf { committed_at, entry, commitments: view.commitments.into_iter().collect() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> (Entry, BTreeMap<SlotId, [u8; 32]>) {
        let entry = Entry {
            event: DecisionId::from_uuid(Uuid::from_u128(1)),
            kind: Kind::Disclose,
            rpc: "a/B".to_owned(),
            call: DecisionId::from_uuid(Uuid::from_u128(2)),
            part: 1,
            parts: 2,
            agency: "oakdale-gp".parse().ok(),
            principal: [3; 16],
            policy: [4; 32],
            facets: BTreeMap::from([(Facet::Purpose, "direct_care".to_owned())]),
            slots: BTreeMap::new(),
        };
        (entry, BTreeMap::from([(SlotId::Subject, [5; 32])]))
    }

    #[test]
    fn the_bytes_are_these() {
        let (entry, commitments) = sample();
        let bytes = encode(&entry, Timestamp::UNIX_EPOCH, &commitments).unwrap();
        let known = concat!(
            "57454952",
            "02",
            "0000000000000000",
            "00000000000000000000000000000001",
            "02",
            "0003612f42",
            "00000000000000000000000000000002",
            "00000001",
            "00000002",
            "000a6f616b64616c652d6770",
            "03030303030303030303030303030303",
            "0404040404040404040404040404040404040404040404040404040404040404",
            "01",
            "02",
            "000b6469726563745f63617265",
            "01",
            "01",
            "0505050505050505050505050505050505050505050505050505050505050505",
        );
        assert_eq!(hex::encode(&bytes), known);
    }

    #[test]
    fn a_commitment_is_this() {
        let hash = |bytes: &[u8]| sha256(&[bytes]);
        let content = content_commitment(SlotId::Subject, &[7; 32], b"somebody");
        let preimage = [b"weir/audit/slot/1\x01".as_slice(), &[7; 32], b"somebody"].concat();
        assert_eq!(content, hash(&preimage));
        let slot = SealedSlot { id: SlotId::Subject, content, bytes: b"sealed".to_vec() };
        let preimage = [b"weir/audit/slot/2\x01".as_slice(), &content, &hash(b"sealed")].concat();
        assert_eq!(slot.commitment(), hash(&preimage));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_to_one_entry_or_to_an_error(change in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>()) {
            let (entry, commitments) = sample();
            let whole = encode(&entry, Timestamp::UNIX_EPOCH, &commitments).unwrap();
            prop_assert!(decode(&whole[..cut.index(whole.len())]).is_err());
            let longer = [whole.clone(), vec![byte]].concat();
            prop_assert!(decode(&longer).is_err());
            // Another byte may make another entry, with or without one more behind it; then it is the
            // one way to write that entry.
            for mut bytes in [whole, longer] {
                let at = change.index(bytes.len());
                bytes[at] = byte;
                if let Ok(leaf) = decode(&bytes) {
                    let again = encode(&leaf.entry, leaf.committed_at, &leaf.commitments);
                    prop_assert_eq!(again.unwrap(), bytes);
                }
            }
        }
    }
}
