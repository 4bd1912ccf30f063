//! Exports of the fixed log, as `docs/export-format.md` describes them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use weir::audit::entry::{Entry, Facet, Kind};
use weir::domain::DecisionId;

use super::Files;
use super::world::{EXPORTED, Kept, ORIGIN, World};

/// A stretch as it lies, and what one agency asked for within a range.
pub const NAMES: [&str; 2] = ["export-slice", "export-holes"];

/// Lines of an export, before they are text.
pub type Lines = Vec<Value>;

/// The entry that says that an export with this manifest was made.
pub fn entered(event: DecisionId, manifest: &[u8]) -> Entry {
    let what = format!("export|{}", hex::encode(Sha256::digest(manifest)));
    let facets = BTreeMap::from([(Facet::What, what)]);
    Entry::of_hub(event, Kind::AuditRead, "weir audit export", facets)
}

/// The range of an export, and its places.
fn places(world: &World, name: &str) -> ((u64, u64), Vec<u64>) {
    if name == "export-slice" {
        return ((40, 47), (40..47).collect());
    }
    let police = |index: &u64| {
        let kept = &world.kept[usize::try_from(*index).unwrap()];
        kept.entry.agency.as_ref().is_some_and(|agency| agency.as_str() == "golden-police")
    };
    ((250, 262), (250..262).filter(police).collect())
}

fn entry_line(index: u64, kept: &Kept) -> Value {
    let slots = kept.slots.iter().filter(|slot| slot.id as u8 != 4).map(|slot| {
        json!({
            "slot": slot.id as u8, "salt": STANDARD.encode(slot.salt),
            "content": STANDARD.encode(&slot.content), "sealed": STANDARD.encode(slot.sealed),
        })
    });
    json!({
        "index": index, "leaf": STANDARD.encode(&kept.leaf), "slots": slots.collect::<Vec<_>>(),
        "entry": {
            "index": index, "time": kept.time, "kind": format!("{:?}", kept.entry.kind),
            "event": kept.entry.event.to_string(),
        },
    })
}

/// The fewest subtrees over a stretch.
fn cover(world: &World, mut from: u64, to: u64, lines: &mut Lines) {
    while from < to {
        let mut count = 1;
        while from.is_multiple_of(2 * count) && from + 2 * count <= to {
            count *= 2;
        }
        let hash = STANDARD.encode(world.root(from..from + count));
        lines.push(json!({ "from": from, "count": count, "hash": hash }));
        from += count;
    }
}

/// The lines and the manifest's own words.
pub fn parts(world: &World, name: &str) -> (Lines, Value) {
    let ((from, to), places) = places(world, name);
    let (mut lines, mut next) = (Lines::new(), 0);
    for index in &places {
        cover(world, next, *index, &mut lines);
        lines.push(entry_line(*index, &world.kept[usize::try_from(*index).unwrap()]));
        next = index + 1;
    }
    cover(world, next, EXPORTED, &mut lines);
    let whole = name == "export-slice";
    let manifest = json!({
        "weir_export": 1, "origin": ORIGIN, "head": world.note(EXPORTED), "from": from, "to": to,
        "filter": if whole { Value::Null } else { json!({ "agency": "golden-police" }) },
        "scope": if whole { "hub" } else { "agency golden-police" },
        "entries": places.len(), "covered": EXPORTED - places.len() as u64,
        "made": "2026-07-20T10:00:00Z", "policy": "version 1",
    });
    (lines, manifest)
}

/// The files of an export; `others` are listed beside the entries.
pub fn written(lines: &[Value], mut manifest: Value, others: &[(&str, &str)]) -> Files {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut files = Files::from([("entries.jsonl".to_owned(), text.into_bytes())]);
    for (name, text) in others {
        files.insert((*name).to_owned(), text.as_bytes().to_vec());
    }
    let listed: serde_json::Map<String, Value> = files
        .iter()
        .map(|(name, bytes)| {
            let sha256 = hex::encode(Sha256::digest(bytes));
            (name.clone(), json!({ "sha256": sha256, "bytes": bytes.len() }))
        })
        .collect();
    manifest["files"] = Value::Object(listed);
    let manifest = serde_json::to_vec_pretty(&manifest).unwrap();
    files.insert("manifest.json".to_owned(), manifest);
    files
}

/// The files of one of them.
pub fn export(world: &World, name: &str) -> Files {
    let (lines, manifest) = parts(world, name);
    let csv = [("entries.csv", "index,kind\r\n40,Query\r\n")];
    written(&lines, manifest, if name == "export-slice" { &csv } else { &[] })
}

pub fn files(world: &World) -> Files {
    let named = |name: &'static str| {
        export(world, name).into_iter().map(move |(path, bytes)| (format!("{name}/{path}"), bytes))
    };
    NAMES.into_iter().flat_map(named).collect()
}
