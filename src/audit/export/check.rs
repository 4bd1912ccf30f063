//! Verifies an export, line by line: that the lines lead to the signed head, that every entry is its leaf, and
//! what is said of both. Pure: whoever has the files hands them over.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::super::checkpoint::{Checkpoint, VerifierKey};
use super::super::entry::SlotId;
use super::super::leaf::{Leaf, decode};
use super::super::receipt::OpenedSlot;
use super::super::tree::{Edge, Hash, leaf_hash, node_hash};
use super::Manifest;

/// A line of either sort.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Line {
    Entry { index: u64, leaf: String, slots: Vec<Slot>, entry: Value },
    Covered { from: u64, count: u64, hash: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Slot {
    slot: u8,
    salt: String,
    content: String,
    sealed: String,
}

/// An export as it is read.
pub struct Checker {
    manifest: Manifest,
    head: Checkpoint,
    /// Perfect subtrees from the left: count and root.
    peaks: Vec<(u64, Hash)>,
    size: u64,
    entries: u64,
    covered: u64,
    /// How many entries the line before covers up.
    last_covered: Option<u64>,
    newest: Option<Timestamp>,
}

impl Checker {
    /// Begins with what the export says of itself.
    ///
    /// # Errors
    /// What of it is wrong.
    pub fn begin(manifest: &[u8], key: &VerifierKey) -> Result<Self, String> {
        let manifest: Manifest =
            serde_json::from_slice(manifest).map_err(|e| format!("is no manifest: {e}"))?;
        if manifest.weir_export != 1 {
            return Err(format!("weir_export: is {}, not 1", manifest.weir_export));
        }
        let head = key.open(&manifest.head).map_err(|e| format!("head: {e}"))?;
        if manifest.origin != head.origin {
            return Err("origin: is not that of the head".to_owned());
        }
        if manifest.from > manifest.to || manifest.to > head.size {
            let (from, to, size) = (manifest.from, manifest.to, head.size);
            return Err(format!("from, to: {from} to {to} is no range of {size} entries"));
        }
        Ok(Self {
            manifest,
            head,
            peaks: Vec::new(),
            size: 0,
            entries: 0,
            covered: 0,
            last_covered: None,
            newest: None,
        })
    }

    /// What the export says of itself.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Takes the next line, without its line break.
    ///
    /// # Errors
    /// What of it is wrong.
    pub fn line(&mut self, text: &str) -> Result<(), String> {
        let line: Line = serde_json::from_str(text)
            .map_err(|_| "is neither an entry nor a covered stretch".to_owned())?;
        let first = match &line {
            Line::Entry { index, .. } => *index,
            Line::Covered { from, .. } => *from,
        };
        if first != self.size {
            return Err(format!("begins at entry {first}; entry {} is the next", self.size));
        }
        match line {
            Line::Covered { from, count, hash } => {
                if !count.is_power_of_two() || !from.is_multiple_of(count) {
                    return Err(format!("entry {from}: {count} entries are no stretch there"));
                }
                if self.last_covered == Some(count) && !from.is_multiple_of(2 * count) {
                    let what = "is one covered stretch with the line before";
                    return Err(format!("entry {from}: {what}"));
                }
                if self.manifest.is_of_everything()
                    && from < self.manifest.to
                    && from.saturating_add(count) > self.manifest.from
                {
                    let what = "is covered up, and the export says that it holds everything there";
                    return Err(format!("entry {from}: {what}"));
                }
                self.last_covered = Some(count);
                let hash = hash_of(&hash).ok_or_else(|| format!("entry {from}: is no hash"))?;
                self.covered = self.covered.saturating_add(count);
                self.push(count, hash)
            }
            Line::Entry { index, leaf, slots, entry } => {
                let wrong = |what: &str| format!("entry {index}: {what}");
                if !(self.manifest.from..self.manifest.to).contains(&index) {
                    return Err(wrong("is not in the range that was asked for"));
                }
                let bytes = STANDARD.decode(leaf).map_err(|_| wrong("its leaf is no base64"))?;
                let leaf = decode(&bytes).map_err(|e| wrong(&e.to_string()))?;
                if self.newest.is_some_and(|newest| leaf.committed_at < newest) {
                    return Err(wrong("is older than an entry before it"));
                }
                self.newest = Some(leaf.committed_at);
                self.last_covered = None;
                for slot in &slots {
                    check_slot(slot, &leaf).map_err(|what| wrong(&what))?;
                }
                check_view(index, &leaf, &entry).map_err(|what| wrong(&what))?;
                self.entries += 1;
                self.push(1, leaf_hash(&bytes))
            }
        }
    }

    /// Joins a perfect subtree on.
    fn push(&mut self, count: u64, hash: Hash) -> Result<(), String> {
        let (mut count, mut hash) = (count, hash);
        let first = self.size;
        self.size = first
            .checked_add(count)
            .filter(|size| *size <= self.head.size)
            .ok_or_else(|| format!("entry {first}: is beyond the head's {}", self.head.size))?;
        while let Some((left, root)) = self.peaks.last().copied().filter(|(left, _)| *left == count)
        {
            hash = node_hash(&root, &hash);
            count += left;
            self.peaks.pop();
        }
        self.peaks.push((count, hash));
        Ok(())
    }

    fn root(&self) -> Hash {
        let mut smallest_first = self.peaks.iter().rev().map(|(_, root)| *root);
        let Some(last) = smallest_first.next() else { return Edge::default().root() };
        smallest_first.fold(last, |right, left| node_hash(&left, &right))
    }

    /// Ends the file of lines; tells how many entries it holds.
    ///
    /// # Errors
    /// What is wrong with the whole.
    pub fn finish(&self) -> Result<u64, String> {
        if self.size != self.head.size {
            return Err(format!(
                "covers {} entries; the head covers {}",
                self.size, self.head.size
            ));
        }
        if self.root() != self.head.root {
            let what = "an entry or a covered stretch was changed";
            return Err(format!("does not lead to the root of the head: {what}"));
        }
        for (name, said, counted) in [
            ("entries", self.manifest.entries, self.entries),
            ("covered", self.manifest.covered, self.covered),
        ] {
            if said != counted {
                return Err(format!("manifest.json says {name} {said}; there are {counted}"));
            }
        }
        Ok(self.entries)
    }
}

fn hash_of(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

fn check_slot(slot: &Slot, leaf: &Leaf) -> Result<(), String> {
    let number = slot.slot;
    let read = || {
        Some(OpenedSlot {
            id: SlotId::from_number(number)?,
            salt: hash_of(&slot.salt)?,
            content: STANDARD.decode(&slot.content).ok()?,
            sealed: hash_of(&slot.sealed)?,
        })
    };
    let opened = read().ok_or_else(|| format!("slot {number} is malformed"))?;
    if leaf.commitments.get(&opened.id) == Some(&opened.commitment()) {
        Ok(())
    } else {
        Err(format!("slot {number} is not what the entry committed to"))
    }
}

/// The view is for people; these of it must be those of the leaf.
fn check_view(index: u64, leaf: &Leaf, view: &Value) -> Result<(), String> {
    let text = |name: &str| view.get(name).and_then(Value::as_str).unwrap_or_default();
    let time = text("time").parse::<Timestamp>().ok();
    let facets = view.get("facets").and_then(Value::as_object);
    let says = |(name, words): (&'static str, &String)| {
        facets.and_then(|all| all.get(name)).and_then(Value::as_str) == Some(words)
    };
    let entry = &leaf.entry;
    let checks = [
        ("index", view.get("index").and_then(Value::as_u64) == Some(index)),
        ("event", text("event") == entry.event.to_string()),
        ("kind", text("kind") == format!("{:?}", entry.kind)),
        ("time", time == Some(leaf.committed_at)),
        ("agency", text("agency") == entry.agency.as_ref().map_or("", |a| a.as_str())),
        ("officer", text("officer") == hex::encode(entry.principal)),
        ("policy", text("policy") == hex::encode(entry.policy)),
        (
            "facets",
            facets.is_some_and(|all| all.len() == entry.facets.len())
                && entry.facets.iter().all(|(facet, words)| says((facet.as_str(), words))),
        ),
    ];
    match checks.into_iter().find(|(_, same)| !same) {
        Some((what, _)) => Err(format!("{what} of its view is not that of its leaf")),
        None => Ok(()),
    }
}
