//! The fixed log: 300 entries, a key that anybody can make.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use weir::audit::checkpoint::{Checkpoint, SigningKey};
use weir::audit::entry::{Entry, Facet, Kind, SlotId};
use weir::audit::leaf::{SealedSlot, content_commitment, encode};
use weir::audit::proof::{Nodes, consistency, inclusion, root};
use weir::audit::receipt::{OpenedSlot, ProvenEntry, sealed_hash};
use weir::audit::tile::{TILE_LEVEL_MAX, TileId, bundle_path};
use weir::audit::tree::{Edge, Hash, leaf_hash};
use weir::domain::DecisionId;

use super::Files;

pub const ORIGIN: &str = "golden.example/weir/audit";
/// Entries.
pub const SIZE: u64 = 300;
/// Entries that the exports are of: two later ones say that they were made.
pub const EXPORTED: u64 = 290;
const SEED: [u8; 32] = [0x47; 32];
/// 2026-07-15T09:00:00Z.
const FIRST_MICROS: i64 = 1_784_106_000_000_000;

/// An entry of the log.
#[derive(Clone)]
pub struct Kept {
    pub entry: Entry,
    pub time: Timestamp,
    pub leaf: Vec<u8>,
    pub slots: Vec<OpenedSlot>,
}

#[derive(Clone)]
pub struct World {
    pub kept: Vec<Kept>,
    hashes: Vec<Hash>,
}

pub fn key() -> SigningKey {
    SigningKey::from_seed(&SEED).unwrap()
}

fn digest(what: &str, index: u64, number: u8) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(what);
    hasher.update(index.to_be_bytes());
    hasher.update([number]);
    hasher.finalize().into()
}

fn id(what: &str, index: u64) -> DecisionId {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest(what, index, 0)[..16]);
    DecisionId::from_uuid(Uuid::from_bytes(bytes))
}

/// Some entries are of the same microsecond.
fn time(index: u64) -> Timestamp {
    let step = i64::try_from(index - u64::from(index % 5 == 4)).unwrap();
    Timestamp::from_microsecond(FIRST_MICROS + step * 61_000_037).unwrap()
}

fn slots(index: u64, kind: Kind) -> BTreeMap<SlotId, Vec<u8>> {
    if !matches!(kind, Kind::Disclose | Kind::Refuse | Kind::Query) {
        return BTreeMap::new();
    }
    let resident = digest("resident", index % 9, 0)[..16].to_vec();
    let asker = format!("{{\"person\":\"officer-{}\",\"note\":\"\u{e9}\\n\"}}", index % 4);
    let request = format!("{{\"purpose\":\"direct_care\",\"case\":\"C-{index}\"}}");
    BTreeMap::from([
        (SlotId::Subject, resident),
        (SlotId::Asker, asker.into_bytes()),
        (SlotId::Request, request.into_bytes()),
        (SlotId::Decision, b"{}".to_vec()),
    ])
}

/// What entry `index` says.
fn entry(index: u64) -> Entry {
    let kind = match index {
        0 => Kind::Genesis,
        _ => [
            Kind::Disclose,
            Kind::Refuse,
            Kind::Query,
            Kind::Fact,
            Kind::Choice,
            Kind::AuditRead,
            Kind::Review,
        ][usize::try_from(index % 7).unwrap()],
    };
    let by_hub = index == 0 || kind == Kind::Fact;
    let agencies = ["golden-hospital", "golden-council/housing", "golden-police"];
    let agency = agencies[usize::try_from(index % 3).unwrap()];
    let mut facets = BTreeMap::from([(Facet::What, format!("golden {index}"))]);
    if kind == Kind::Disclose || kind == Kind::Refuse {
        facets.insert(Facet::Purpose, "direct_care".to_owned());
        facets.insert(Facet::Holder, "golden-gp".to_owned());
        let outcome = if kind == Kind::Disclose { "PERMIT" } else { "DENY" };
        facets.insert(Facet::Outcome, outcome.to_owned());
        facets.insert(Facet::Released, "health/summary.allergies|health/summary.name".to_owned());
    }
    let call = if by_hub { "weir serve" } else { "weir.hub.v1.SharingService/RequestRecords" };
    let mut principal = [0; 16];
    if !by_hub {
        principal.copy_from_slice(&digest("principal", index % 4, 0)[..16]);
    }
    Entry {
        agency: (!by_hub).then(|| agency.parse().unwrap()),
        principal,
        policy: digest("policy", 0, 0),
        slots: slots(index, kind),
        ..Entry::of_hub(id("event", index), kind, call, facets)
    }
}

impl Kept {
    /// As the log would keep it, at this place and time.
    pub fn new(index: u64, entry: Entry, time: Timestamp) -> Self {
        let mut open = Vec::new();
        let mut commitments = BTreeMap::new();
        for (slot, content) in &entry.slots {
            let salt = digest("salt", index, *slot as u8);
            let sealed = digest("sealed", index, *slot as u8).to_vec();
            let (slot, content) = (*slot, content.clone());
            open.push(OpenedSlot {
                id: slot,
                salt,
                content: content.clone(),
                sealed: sealed_hash(&sealed),
            });
            let content = content_commitment(slot, &salt, &content);
            commitments.insert(slot, SealedSlot { id: slot, content, bytes: sealed }.commitment());
        }
        let leaf = encode(&entry, time, &commitments).unwrap();
        Self { entry, time, leaf, slots: open }
    }
}

impl World {
    pub fn new() -> Self {
        let first: Vec<Kept> =
            (0..EXPORTED).map(|index| Kept::new(index, entry(index), time(index))).collect();
        let mut world = Self { kept: first, hashes: Vec::new() };
        world.rehash();
        // The log says of each export that it was made, after the head that it is under.
        for (at, name) in (EXPORTED..).zip(super::exports::NAMES) {
            let manifest = super::exports::export(&world, name).remove("manifest.json").unwrap();
            world.kept.push(Kept::new(
                at,
                super::exports::entered(id("event", at), &manifest),
                time(at),
            ));
        }
        // Of another export, whose maker searched for the hash of the first.
        let at = world.size();
        let first = &world.kept[usize::try_from(EXPORTED).unwrap()].entry.facets[&Facet::What];
        let words = first.replace("export|", "");
        let mut other = super::exports::entered(id("event", at), b"another");
        other.facets.entry(Facet::What).and_modify(|what| *what = format!("{what}|export|{words}"));
        world.kept.push(Kept::new(at, other, time(at)));
        for index in world.size()..SIZE {
            world.kept.push(Kept::new(index, entry(index), time(index)));
        }
        world.rehash();
        world
    }

    /// The same with some leaves in other places, or others.
    pub fn with(&self, change: impl FnOnce(&mut Vec<Kept>)) -> Self {
        let mut world = self.clone();
        change(&mut world.kept);
        world.rehash();
        world
    }

    fn rehash(&mut self) {
        self.hashes = self.kept.iter().map(|kept| leaf_hash(&kept.leaf)).collect();
    }

    fn size(&self) -> u64 {
        self.kept.len() as u64
    }

    /// The root over a run of entries, as a tree of their own.
    pub fn root(&self, run: Range<u64>) -> Hash {
        let (from, to) = (usize::try_from(run.start).unwrap(), usize::try_from(run.end).unwrap());
        let mut edge = Edge::default();
        self.hashes[from..to].iter().for_each(|hash| edge.push(*hash));
        edge.root()
    }

    pub fn head(&self, size: u64) -> Checkpoint {
        let Ok(root) = root(self, size);
        assert_eq!(root, self.root(0..size));
        Checkpoint { origin: ORIGIN.to_owned(), size, root }
    }

    pub fn note(&self, size: u64) -> String {
        key().sign(&self.head(size))
    }

    /// The receipt of an entry under the head of `size`, with some slots laid open.
    pub fn receipt(&self, index: u64, size: u64, open: &[SlotId]) -> ProvenEntry {
        let kept = &self.kept[usize::try_from(index).unwrap()];
        let Ok(path) = inclusion(self, index, size);
        let slots = kept.slots.iter().filter(|slot| open.contains(&slot.id)).cloned().collect();
        let (leaf, path, note) = (kept.leaf.clone(), path.unwrap(), self.note(size));
        ProvenEntry { index, leaf, path, note, slots }
    }

    pub fn growth(&self, from: u64, to: u64) -> String {
        let Ok(hashes) = consistency(self, from, to);
        let lines: Vec<String> =
            hashes.unwrap().iter().map(|hash| STANDARD.encode(hash) + "\n").collect();
        format!("old {from}\n{}\n{}", lines.concat(), self.note(to))
    }

    /// The folder of tiles, as `weir audit tiles --entries` writes it.
    pub fn tiles(&self) -> Files {
        let mut files = Files::new();
        let size = self.size();
        for level in 0..=TILE_LEVEL_MAX {
            for n in 0.. {
                let id = TileId { level, n };
                let width = id.width(size) as u64;
                if width == 0 {
                    break;
                }
                let node = |at: u64| {
                    let Ok(hash) = self.node(8 * u32::from(level), n * 256 + at);
                    hash
                };
                let hashes: Vec<u8> = (0..width).flat_map(node).collect();
                files.insert(id.path(id.width(size)), hashes);
            }
        }
        for (n, run) in (0..).zip(self.kept.chunks(256)) {
            let bytes = run.iter().flat_map(|kept| {
                let len = u16::try_from(kept.leaf.len()).unwrap();
                [&len.to_be_bytes(), kept.leaf.as_slice()].concat()
            });
            files.insert(bundle_path(n, run.len()), bytes.collect());
        }
        files.insert("checkpoint".to_owned(), self.note(size).into_bytes());
        files
    }

    /// Everything but the exports.
    pub fn files(&self) -> Files {
        use SlotId::{Asker, Request, Subject};
        let mut files = Files::new();
        let mut put = |name: String, text: String| files.insert(name, text.into_bytes());
        put("key.vkey".to_owned(), key().verifier(ORIGIN).text() + "\n");
        for size in [1, 40, 255, 256, 257, EXPORTED, SIZE] {
            put(format!("checkpoints/{size}"), self.note(size));
        }
        // Witnesses sign below the log.
        let witness = SigningKey::from_seed(&[0x57; 32]).unwrap().sign(&self.head(SIZE));
        let witness = witness.lines().last().unwrap().replace(ORIGIN, "witness.example");
        put("checkpoints/300-cosigned".to_owned(), format!("{}{witness}\n", self.note(SIZE)));
        for (from, to) in
            [(1, 40), (40, 256), (40, 300), (255, 257), (256, 300), (290, 300), (300, 300)]
        {
            put(format!("growth/{from}-{to}.txt"), self.growth(from, to));
        }
        for (index, size, open) in [
            (0, 1, &[][..]),
            (0, SIZE, &[]),
            (7, 40, &[Subject, Asker, Request]),
            (8, SIZE, &[Subject, Asker, Request]),
            (15, 257, &[Asker]),
            (22, 256, &[]),
            (255, SIZE, &[Subject]),
            (256, 257, &[]),
            (299, SIZE, &[]),
            (EXPORTED, SIZE, &[]),
            (EXPORTED + 1, SIZE, &[]),
            (EXPORTED + 2, SIZE, &[]),
        ] {
            let receipt = self.receipt(index, size, open).text();
            put(format!("receipts/{index}-of-{size}.tlog-proof"), receipt);
        }
        files
            .extend(self.tiles().into_iter().map(|(path, bytes)| (format!("tiles/{path}"), bytes)));
        files
    }
}

impl Nodes for World {
    type Error = Infallible;
    fn node(&self, level: u32, index: u64) -> Result<Hash, Infallible> {
        Ok(self.root(index << level..(index + 1) << level))
    }
}
