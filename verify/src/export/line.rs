//! One line of an export.

use serde_json::{Map, Value};

use crate::encoding::{Hash, base64, hash, time, uuid};
use crate::leaf::Leaf;
use crate::receipt::Slot;

/// What a line holds.
pub(super) enum Line {
    /// An entry.
    Entry(Taken),
    /// Entries that are covered up by the root over them.
    Covered { from: u64, count: u64, hash: Hash },
}

/// An entry as it is exported.
pub(super) struct Taken {
    pub(super) index: u64,
    pub(super) leaf: Vec<u8>,
    pub(super) slots: Vec<Slot>,
    view: Map<String, Value>,
}

impl Line {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|_| "is no JSON")?;
        let members = value.as_object().ok_or("is no object")?;
        let number = |name| members.get(name).and_then(Value::as_u64);
        let text = |name| members.get(name).and_then(Value::as_str);
        let names: Vec<&str> = members.keys().map(String::as_str).collect();
        match names.as_slice() {
            ["count", "from", "hash"] => {
                let hash = text("hash").and_then(hash).ok_or("its hash is no hash")?;
                let from = number("from").ok_or("its from is no number")?;
                let count = number("count").ok_or("its count is no number")?;
                Ok(Self::Covered { from, count, hash })
            }
            ["entry", "index", "leaf", "slots"] => {
                let index = number("index").ok_or("its index is no number")?;
                let wrong = |what: &str| format!("entry {index}: {what}");
                let leaf = text("leaf").and_then(base64).ok_or(wrong("its leaf is no base64"))?;
                let slots = members.get("slots").and_then(Value::as_array);
                let slots = slots.ok_or(wrong("its slots are no list"))?;
                let slots: Option<Vec<Slot>> =
                    slots.iter().map(|slot| Slot::read(slot, "slot")).collect();
                let slots = slots.ok_or(wrong("a slot is malformed"))?;
                if !slots.is_sorted_by(|one, next| one.number < next.number) {
                    return Err(wrong("its slots are not in order"));
                }
                let view = members.get("entry").and_then(Value::as_object);
                let view = view.ok_or(wrong("its view is no object"))?.clone();
                Ok(Self::Entry(Taken { index, leaf, slots, view }))
            }
            _ => Err("is neither an entry nor a covered stretch".to_owned()),
        }
    }

    /// Its first entry.
    pub(super) const fn first(&self) -> u64 {
        match self {
            Self::Entry(taken) => taken.index,
            Self::Covered { from, .. } => *from,
        }
    }
}

impl Taken {
    /// Whether index, event, kind and time of the view, which is for people, are those of the leaf.
    pub(super) fn view_is_of(&self, leaf: &Leaf) -> Result<(), String> {
        let text = |name| self.view.get(name).and_then(Value::as_str).unwrap_or_default();
        // A name such as `events/UUID` ends in the id.
        let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
        let index = match self.view.get("index") {
            Some(index) => index.as_u64(),
            None => text("name").strip_prefix("entries/").and_then(crate::encoding::number),
        };
        let kind: String =
            text("kind").chars().filter(|c| *c != '_').map(|c| c.to_ascii_uppercase()).collect();
        let checks = [
            ("index", index == Some(self.index)),
            ("event", last(text("event")) == uuid(&leaf.event)),
            ("kind", kind == leaf.kind().replace('_', "").to_ascii_uppercase()),
            ("time", trimmed(text("time")) == time(leaf.time)),
        ];
        match checks.into_iter().find(|(_, same)| !same) {
            Some((what, _)) => {
                Err(format!("entry {}: {what} of its view is not that of its leaf", self.index))
            }
            None => Ok(()),
        }
    }
}

/// A time without needless zeros.
fn trimmed(text: &str) -> String {
    match text.strip_suffix('Z').and_then(|text| text.split_once('.')) {
        Some((clock, fraction)) if fraction.bytes().all(|byte| byte.is_ascii_digit()) => {
            match fraction.trim_end_matches('0') {
                "" => format!("{clock}Z"),
                fraction => format!("{clock}.{fraction}Z"),
            }
        }
        _ => text.to_owned(),
    }
}
