//! Exports: entries with all that shows they are the log's, and which part of it. What is not exported is covered
//! up by the roots over it, so that a slice verifies alone. The format is `docs/export-format.md`. Pure.

pub mod check;
pub mod csv;
pub mod fhir;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::entry::{Entry, SlotId};
use super::receipt::OpenedSlot;
use super::tree::Hash;

/// The lines that prove.
pub const ENTRIES: &str = "entries.jsonl";
/// Entries that the reader may see and not the leaf of.
pub const SEEN: &str = "seen.jsonl";
/// For spreadsheets.
pub const CSV: &str = "entries.csv";
/// For health systems.
pub const FHIR: &str = "audit-events.ndjson";
/// The scope of whoever may see everything.
pub const HUB: &str = "hub";
/// What the export says of itself.
pub const MANIFEST: &str = "manifest.json";

/// An entry as whoever asked for the export may see it.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its place.
    pub index: u64,
    /// When it was committed.
    pub at: Timestamp,
    /// The entry; its slots are those that are laid open.
    pub entry: Entry,
}

impl Row {
    /// What the row says of people, for people.
    #[must_use]
    pub fn view(&self) -> Value {
        let entry = &self.entry;
        let facets: BTreeMap<&str, &String> =
            entry.facets.iter().map(|(facet, words)| (facet.as_str(), words)).collect();
        let mut view = json!({
            "index": self.index, "time": self.at.to_string(), "kind": format!("{:?}", entry.kind),
            "event": entry.event.to_string(), "rpc": entry.rpc, "call": entry.call.to_string(),
            "part": entry.part, "parts": entry.parts, "agency": entry.agency,
            "officer": hex::encode(entry.principal), "policy": hex::encode(entry.policy),
            "facets": facets,
        });
        if let Some(members) = view.as_object_mut() {
            for (slot, name) in [
                (SlotId::Subject, "resident"),
                (SlotId::Asker, "asker"),
                (SlotId::Request, "request"),
            ] {
                if let Some(text) = self.text(slot) {
                    members.insert(name.to_owned(), Value::String(text));
                }
            }
        }
        view
    }

    /// What a slot says; `None`: it is not laid open, or about nobody.
    fn text(&self, slot: SlotId) -> Option<String> {
        let bytes = self.entry.slots.get(&slot)?;
        if slot != SlotId::Subject {
            return Some(String::from_utf8_lossy(bytes).into_owned());
        }
        let id = uuid::Uuid::from_slice(bytes).ok().filter(|id| !id.is_nil())?;
        Some(format!("residents/{id}"))
    }
}

/// The line of an entry.
#[must_use]
pub fn entry_line(row: &Row, leaf: &[u8], slots: &[OpenedSlot]) -> String {
    let slot = |slot: &OpenedSlot| {
        json!({
            "slot": slot.id as u8, "salt": STANDARD.encode(slot.salt),
            "content": STANDARD.encode(&slot.content), "sealed": STANDARD.encode(slot.sealed),
        })
    };
    let line = json!({
        "index": row.index, "leaf": STANDARD.encode(leaf),
        "slots": slots.iter().map(slot).collect::<Vec<_>>(), "entry": row.view(),
    });
    format!("{line}\n")
}

/// Entries from the first on, two to the power of the second, and the root over them.
pub type Covered = (u64, u32, Hash);

/// The line of a covered stretch.
#[must_use]
pub fn covered_line((from, level, hash): &Covered) -> String {
    let line = json!({ "from": from, "count": 1_u64 << level, "hash": STANDARD.encode(hash) });
    format!("{line}\n")
}

/// The fewest perfect subtrees that cover the places from `from` to before `to`: first place and level.
pub fn cover(from: u64, to: u64) -> impl Iterator<Item = (u64, u32)> {
    let mut at = from;
    std::iter::from_fn(move || {
        let left = to.checked_sub(at).filter(|left| *left > 0)?;
        let level = at.trailing_zeros().min(left.ilog2());
        let found = (at, level);
        at += 1 << level;
        Some(found)
    })
}

/// A file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its length.
    pub bytes: u64,
    /// SHA-256 in hex.
    pub sha256: String,
}

/// What an export says of itself. All but `head` is the word of whoever made it, until the entry of the
/// export, which holds the digest of this, is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format: 1.
    pub weir_export: u8,
    /// The name of the log.
    pub origin: String,
    /// The signed head that the lines lead to.
    pub head: String,
    /// The first place that was asked for.
    pub from: u64,
    /// The first place that was not.
    pub to: u64,
    /// What was looked for; `null`: everything.
    pub filter: Value,
    /// `hub`, or `agency` and its id: what the reader may see; or `every agency, seen by` and an id.
    pub scope: String,
    /// Lines that hold an entry.
    pub entries: u64,
    /// Entries that are covered up.
    pub covered: u64,
    /// When it was made.
    pub made: String,
    /// The policy in force, SHA-256 in hex; empty: none.
    pub policy: String,
    /// The files by name.
    pub files: BTreeMap<String, Listed>,
}

impl Manifest {
    /// Whether it says that it holds every entry of its range.
    #[must_use]
    pub fn is_of_everything(&self) -> bool {
        self.filter.is_null() && self.scope == HUB
    }

    /// The file.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests;
