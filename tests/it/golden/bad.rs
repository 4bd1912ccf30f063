//! Broken copies of the golden things, each with what a verifier must name.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::ToSpan;
use serde_json::{Value, json};
use weir::audit::checkpoint::{Checkpoint, SigningKey};
use weir::audit::entry::{Facet, SlotId};
use weir::audit::receipt::ProvenEntry;

use super::exports::{parts, written};
use super::world::{Kept, ORIGIN, SIZE, World, key};
use super::{Case, Files};

type Cases = Vec<(Case, Files)>;

/// Words `of/…` of a command are in the copy, `golden/…` in `tests/golden`.
fn case(name: &str, of: &str, command: &str, says: &[&str], files: Files) -> (Case, Files) {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let says = says.iter().map(|&text| text.to_owned()).collect();
    let (name, of) = (name.to_owned(), of.to_owned());
    (Case { name, of, without: Vec::new(), command: words(command), says }, files)
}

fn one(path: &str, bytes: impl Into<Vec<u8>>) -> Files {
    Files::from([(path.to_owned(), bytes.into())])
}

pub fn cases(world: &World, good: &Files) -> Cases {
    let mut all = receipts(world);
    all.extend(heads(world));
    all.extend(tiles(world, good));
    all.extend(exports(world));
    all
}

fn other_key() -> SigningKey {
    SigningKey::from_seed(&[0x48; 32]).unwrap()
}

/// The leaf of an entry that says something else.
fn reworded(world: &World, index: usize) -> Kept {
    let kept = &world.kept[index];
    let mut entry = kept.entry.clone();
    entry.facets.insert(Facet::What, "reworded".to_owned());
    Kept::new(index as u64, entry, kept.time)
}

fn receipts(world: &World) -> Cases {
    let sample = || world.receipt(8, SIZE, &[SlotId::Subject, SlotId::Asker, SlotId::Request]);
    let text = sample().text();
    let command = "receipt of/8-of-300.tlog-proof";
    let own = |name: &str, says: &[&str], text: String| {
        case(name, "receipts", command, says, one("8-of-300.tlog-proof", text))
    };
    let with = |name: &str, says: &[&str], change: &dyn Fn(&mut ProvenEntry)| {
        let mut receipt = sample();
        change(&mut receipt);
        own(name, says, receipt.text())
    };
    let head = world.head(SIZE);
    let elsewhere = Checkpoint { origin: "elsewhere.example/log".to_owned(), ..head.clone() };
    let extra = text.lines().nth(1).unwrap().strip_prefix("extra ").unwrap();
    let json = String::from_utf8(STANDARD.decode(extra).unwrap()).unwrap();
    let spelled = text.replace(extra, &STANDARD.encode(json.replacen(':', ": ", 1)));
    vec![
        with("receipt-of-another-place", &["entry 9"], &|r| r.index = 9),
        with("receipt-beyond-the-head", &["entry 300"], &|r| r.index = SIZE),
        with("receipt-leaf-reworded", &["entry 8"], &|r| r.leaf = reworded(world, 8).leaf),
        with("receipt-leaf-cut", &["entry 8"], &|r| r.leaf.truncate(r.leaf.len() - 1)),
        with("receipt-hash-missing", &["entry 8"], &|r| r.path.truncate(r.path.len() - 1)),
        with("receipt-hash-added", &["entry 8"], &|r| r.path.push([0; 32])),
        with("receipt-hashes-swapped", &["entry 8"], &|r| r.path.swap(0, 1)),
        with("receipt-slot-changed", &["entry 8", "slot 2 (asker)"], &|r| {
            r.slots[1].content = b"{}".to_vec();
        }),
        with("receipt-slot-of-another-entry", &["entry 8", "slot 1 (subject)"], &|r| {
            r.slots[0] = world.kept[15].slots[0].clone();
        }),
        with("receipt-slot-not-its-own", &["entry 262", "slot 2 (asker)"], &|r| {
            // A fact has no slots.
            *r = ProvenEntry { slots: vec![r.slots[1].clone()], ..world.receipt(262, SIZE, &[]) };
        }),
        with("receipt-slots-not-in-order", &["line 2 (extra)"], &|r| r.slots.reverse()),
        with("receipt-head-of-another-key", &["head 300"], &|r| {
            r.note = other_key().sign(&head);
        }),
        with("receipt-head-of-another-log", &["head 300", "another log"], &|r| {
            r.note = key().sign(&elsewhere);
        }),
        with("receipt-head-of-another-size", &["entry 8"], &|r| r.note = world.note(256)),
        with("receipt-head-cut", &["head"], &|r| r.note.truncate(r.note.len() - 1)),
        own("receipt-index-spelled", &["line 3 (index)"], text.replace("index 8", "index 08")),
        own("receipt-extra-spelled", &["line 2 (extra)"], spelled),
        own("receipt-first-line", &["line 1"], text.replace("proof@v1", "proof@v2")),
        own("receipt-line-added", &["line 4"], text.replace("index 8", "index 8\nindex 8")),
    ]
}

fn heads(world: &World) -> Cases {
    let command = "heads of/40 of/300 --proof golden/growth/40-300.txt";
    let forked = world.with(|kept| kept[20] = reworded(world, 20));
    let size = |size: u64, root| Checkpoint { origin: ORIGIN.to_owned(), size, root };
    let root = STANDARD.encode(world.head(40).root);
    let own = |name: &str, says: &[&str], command: &str, file: &str, text: String| {
        case(name, "checkpoints", command, says, one(file, text))
    };
    let mut unsigned: Vec<String> = world.note(40).lines().map(str::to_owned).collect();
    unsigned[4] = unsigned[4].replace(ORIGIN, "witness.example");
    vec![
        own("heads-log-forked", &["head 300"], command, "300", forked.note(SIZE)),
        own("heads-old-one-forked", &["head 300"], command, "40", forked.note(40)),
        own("heads-of-no-entry", &["head 0"], &command.replace("of/40", "of/0"), "0", {
            key().sign(&size(0, [0; 32]))
        }),
        own(
            "heads-fork-through-tiles",
            &["head 40"],
            "heads of/40 of/300 --tiles golden/tiles",
            "40",
            forked.note(40),
        ),
        own(
            "heads-two-roots-of-a-size",
            &["head 300", "another root"],
            "heads golden/checkpoints/300 of/300 --proof golden/growth/300-300.txt",
            "300",
            forked.note(SIZE),
        ),
        case(
            "heads-shrunk",
            "checkpoints",
            "heads of/300 of/256 --proof golden/growth/256-300.txt",
            &["head 256", "fewer entries than head 300"],
            Files::new(),
        ),
        case(
            "heads-proof-of-others",
            "checkpoints",
            "heads of/40 of/300 --proof golden/growth/256-300.txt",
            &["line 1", "head 40"],
            Files::new(),
        ),
        own(
            "heads-proof-cut",
            &["head 300"],
            "heads golden/checkpoints/40 golden/checkpoints/300 --proof of/proof",
            "proof",
            {
                let text = world.growth(40, SIZE);
                let first = text.lines().nth(1).unwrap().to_owned();
                text.replacen(&format!("{first}\n"), "", 1)
            },
        ),
        own("heads-of-another-key", &["head 40"], command, "40", other_key().sign(&world.head(40))),
        own("heads-signed-by-others-only", &["head 40"], command, "40", unsigned.join("\n") + "\n"),
        own(
            "heads-size-spelled",
            &["head"],
            command,
            "40",
            world.note(40).replace("\n40\n", "\n040\n"),
        ),
        own("heads-root-replaced", &["head 40"], command, "40", {
            world.note(40).replace(&root, &STANDARD.encode([7; 32]))
        }),
        own(
            "heads-line-added",
            &["head"],
            command,
            "40",
            world.note(40).replace("\n\n", "\nmore\n\n"),
        ),
    ]
}

/// Where a changed world's folder differs from the good one.
fn differing(world: &World, good: &Files) -> Files {
    let same = |path: &String, bytes: &Vec<u8>| good.get(&format!("tiles/{path}")) == Some(bytes);
    world.tiles().into_iter().filter(|(path, bytes)| !same(path, bytes)).collect()
}

fn tiles(world: &World, good: &Files) -> Cases {
    let own =
        |name: &str, says: &[&str], files: Files| case(name, "tiles", "tiles of", says, files);
    let kept = |path: &str| good[&format!("tiles/{path}")].clone();
    // Only the leaves of a changed log, under the hashes and the head of the good one.
    let leaves = |changed: &World| {
        let mut files = differing(changed, good);
        files.retain(|path, _| path.starts_with("tile/entries/"));
        files
    };
    let whole = |change: &dyn Fn(&mut Vec<Kept>)| differing(&world.with(|kept| change(kept)), good);
    let mut flipped = kept("tile/0/000");
    flipped[17 * 32] ^= 1;
    let mut upper = kept("tile/1/000.p/1");
    upper[0] ^= 1;
    let mut swapped = kept("tile/0/001.p/44");
    swapped.rotate_left(32);
    let mut longer = kept("tile/entries/001.p/44");
    longer.extend([0, 1, 0]);
    let mut shorter = kept("tile/entries/001.p/44");
    shorter.pop();
    let mut wide = kept("tile/0/001.p/44");
    wide.extend([0; 32]);
    let (first, second) = ("tile/0/000", "tile/0/001.p/44");
    let gone = |path: &str, name: &str, says: &[&str]| {
        let (mut case, files) = own(name, says, Files::new());
        case.without.push(path.to_owned());
        (case, files)
    };
    vec![
        own("tiles-entry-reworded", &["entry 17", "was changed"], {
            leaves(&world.with(|kept| kept[17] = reworded(world, 17)))
        }),
        own("tiles-entries-swapped", &["entry 20", "entry 21"], {
            leaves(&world.with(|kept| kept.swap(20, 21)))
        }),
        own("tiles-entry-doubled", &["entry 261"], {
            leaves(&world.with(|kept| kept[261] = kept[260].clone()))
        }),
        own("tiles-log-made-anew", &["head 300"], {
            let mut files = whole(&|kept| kept[17] = reworded(world, 17));
            files.remove("checkpoint");
            files
        }),
        own("tiles-hash-changed", &["tile/0/000", "entry 17"], one(first, flipped)),
        own("tiles-hashes-moved", &["tile/0/001", "entry 256"], one(second, swapped)),
        own("tiles-upper-changed", &["tile/1/000", "tile/0/000"], one("tile/1/000.p/1", upper)),
        own("tiles-too-wide", &["tile/0/001"], one(second, wide)),
        own("tiles-bundle-goes-on", &["tile/entries/001", "entry 299"], {
            one("tile/entries/001.p/44", longer)
        }),
        own("tiles-bundle-cut", &["tile/entries/001", "entry 299"], {
            one("tile/entries/001.p/44", shorter)
        }),
        gone(second, "tiles-tile-missing", &["tile/0/001.p/44"]),
        gone("tile/1/000.p/1", "tiles-upper-missing", &["tile/1/000.p/1"]),
        gone("tile/entries/000", "tiles-bundle-missing", &["tile/entries/000"]),
        // Signed by the log itself, and wrong all the same.
        own("tiles-clock-back", &["entry 299", "time"], {
            whole(&|kept| {
                let time = kept[299].time.checked_sub(3.hours()).unwrap();
                kept[299] = Kept::new(299, kept[299].entry.clone(), time);
            })
        }),
        own("tiles-event-twice", &["entry 299", "event"], {
            whole(&|kept| {
                let (mut entry, time) = (kept[299].entry.clone(), kept[299].time);
                entry.event = kept[3].entry.event;
                kept[299] = Kept::new(299, entry, time);
            })
        }),
        own("tiles-head-of-another-key", &["checkpoint", "head 300"], {
            one("checkpoint", other_key().sign(&world.head(SIZE)))
        }),
        own("tiles-cut-off", &["001.p/45"], {
            let head =
                Checkpoint { origin: ORIGIN.to_owned(), size: 301, root: world.head(SIZE).root };
            one("checkpoint", key().sign(&head))
        }),
    ]
}

fn exports(world: &World) -> Cases {
    const CSV: [(&str, &str); 1] = [("entries.csv", "index,kind\r\n40,Query\r\n")];
    let command = "export of";
    // Lines and manifest are changed, and listed as they are then.
    let with = |name: &str, says: &[&str], change: &dyn Fn(&mut Vec<Value>, &mut Value)| {
        let (mut lines, mut manifest) = parts(world, "export-slice");
        change(&mut lines, &mut manifest);
        let files = written(&lines, manifest, &CSV);
        case(name, "export-slice", command, says, files)
    };
    let at = |lines: &[Value], index: u64| lines.iter().position(|l| l["index"] == index).unwrap();
    let cover = |lines: &[Value]| lines.iter().position(|l| l.get("hash").is_some()).unwrap();
    let (lines, manifest) = parts(world, "export-slice");
    let good = written(&lines, manifest, &CSV);
    let text = |name: &str| String::from_utf8(good[name].clone()).unwrap();
    let (entries, listed) = (text("entries.jsonl"), text("manifest.json"));
    let raw = |name: &str, says: &[&str], path: &str, text: String| {
        case(name, "export-slice", command, says, one(path, text))
    };
    let gone = |name: &str, path: &str| {
        let (mut case, files) = case(name, "export-slice", command, &[path], Files::new());
        case.without.push(path.to_owned());
        (case, files)
    };
    vec![
        with("export-entry-dropped", &["entries.jsonl", "line 6", "entry 43"], &|lines, _| {
            drop(lines.remove(at(lines, 43)));
        }),
        with("export-entry-doubled", &["entries.jsonl", "entry 43"], &|lines, _| {
            let place = at(lines, 43);
            lines.insert(place, lines[place].clone());
        }),
        with("export-entries-swapped", &["entries.jsonl", "entry 42"], &|lines, _| {
            let place = at(lines, 42);
            lines.swap(place, place + 1);
        }),
        with("export-leaf-reworded", &["entries.jsonl", "head 290"], &|lines, _| {
            let place = at(lines, 43);
            lines[place]["leaf"] = json!(STANDARD.encode(reworded(world, 43).leaf));
            lines[place]["slots"] = json!([]);
        }),
        with("export-leaf-cut", &["entries.jsonl", "entry 43"], &|lines, _| {
            let (place, leaf) = (at(lines, 43), &world.kept[43].leaf);
            lines[place]["leaf"] = json!(STANDARD.encode(&leaf[..leaf.len() - 1]));
        }),
        with("export-slot-changed", &["entry 43", "slot 2 (asker)"], &|lines, _| {
            let place = at(lines, 43);
            lines[place]["slots"][1]["content"] = json!(STANDARD.encode("{}"));
        }),
        with("export-slot-of-another-entry", &["entry 43", "slot 1 (subject)"], &|lines, _| {
            let (place, other) = (at(lines, 43), at(lines, 44));
            lines[place]["slots"][0] = lines[other]["slots"][0].clone();
        }),
        with("export-view-kind", &["entry 41", "kind"], &|lines, _| {
            let place = at(lines, 41);
            lines[place]["entry"]["kind"] = json!("Genesis");
        }),
        with("export-view-time", &["entry 41", "time"], &|lines, _| {
            let place = at(lines, 41);
            lines[place]["entry"]["time"] = json!("2026-07-15T09:00:00Z");
        }),
        with("export-view-event", &["entry 41", "event"], &|lines, _| {
            let (place, other) = (at(lines, 41), at(lines, 42));
            lines[place]["entry"]["event"] = lines[other]["entry"]["event"].clone();
        }),
        with("export-view-index", &["entry 41", "index"], &|lines, _| {
            let place = at(lines, 41);
            lines[place]["entry"]["index"] = json!(42);
        }),
        with("export-cover-changed", &["entries.jsonl", "head 290"], &|lines, _| {
            let place = cover(lines);
            lines[place]["hash"] = json!(STANDARD.encode([7; 32]));
        }),
        with("export-cover-dropped", &["entries.jsonl", "line 1"], &|lines, _| {
            drop(lines.remove(cover(lines)));
        }),
        with("export-cover-count", &["entries.jsonl", "line 1", "31 of them"], &|lines, _| {
            let place = cover(lines);
            lines[place]["count"] = json!(31);
        }),
        with("export-gap", &["entries.jsonl", "line 2", "entry 32; entry 16"], &|lines, _| {
            let place = cover(lines);
            lines[place]["count"] = json!(16);
        }),
        with("export-cover-split", &["entries.jsonl", "line 2", "entry 16"], &|lines, _| {
            let place = cover(lines);
            let halves = [0..16, 16..32].map(|run| {
                json!({ "from": run.start, "count": 16, "hash": STANDARD.encode(world.root(run)) })
            });
            lines.splice(place..=place, halves);
        }),
        with(
            "export-entry-covered-up",
            &["entries.jsonl", "line 6", "entry 43", "covered up"],
            &|lines, _| {
                let place = at(lines, 43);
                let hash = STANDARD.encode(world.root(43..44));
                lines[place] = json!({ "from": 43, "count": 1, "hash": hash });
            },
        ),
        with("export-cut-off", &["entries.jsonl", "head 290"], &|lines, _| drop(lines.pop())),
        with("export-beyond-the-range", &["entry 46", "range"], &|_, manifest| {
            manifest["to"] = json!(46);
        }),
        with("export-range-beyond-the-log", &["manifest.json", "from, to"], &|_, manifest| {
            manifest["to"] = json!(291);
        }),
        with("export-entries-miscounted", &["manifest.json", "entries is 8"], &|_, manifest| {
            manifest["entries"] = json!(8);
        }),
        with("export-head-of-another-size", &["entries.jsonl", "head"], &|_, manifest| {
            manifest["head"] = json!(world.note(256));
            manifest["covered"] = json!(249);
        }),
        with("export-head-of-another-key", &["manifest.json", "head 290"], &|_, manifest| {
            manifest["head"] = json!(other_key().sign(&world.head(290)));
        }),
        with("export-of-another-origin", &["manifest.json", "origin"], &|_, manifest| {
            manifest["origin"] = json!("elsewhere.example/log");
        }),
        with("export-of-another-version", &["manifest.json", "weir_export"], &|_, manifest| {
            manifest["weir_export"] = json!(2);
        }),
        raw("export-last-line-cut", &["entries.jsonl", "cut short"], "entries.jsonl", {
            entries[..entries.len() - 1].to_owned()
        }),
        raw("export-file-not-as-listed", &["entries.csv"], "entries.csv", "index\r\n".to_owned()),
        raw("export-file-not-listed", &["more.csv"], "more.csv", "index\r\n".to_owned()),
        gone("export-file-missing", "entries.csv"),
        gone("export-entries-missing", "entries.jsonl"),
        gone("export-manifest-missing", "manifest.json"),
        case(
            "export-made-otherwise",
            "export-slice",
            "export of --receipt golden/receipts/290-of-300.tlog-proof",
            &["entry 290", "nothing to do with this export"],
            one("manifest.json", listed.replace("\"scope\": \"hub\"", "\"scope\": \"HUB\"")),
        ),
        case(
            "export-receipt-with-its-hash-searched-for",
            "export-slice",
            "export of --receipt golden/receipts/292-of-300.tlog-proof",
            &["entry 292", "nothing to do with this export"],
            Files::new(),
        ),
        case(
            "export-receipt-of-another",
            "export-slice",
            "export of --receipt golden/receipts/291-of-300.tlog-proof",
            &["entry 291", "nothing to do with this export"],
            Files::new(),
        ),
    ]
}
