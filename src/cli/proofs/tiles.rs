//! A static folder of a log, as C2SP tlog-tiles lays it out; of all of it, or of a year that is over.

use std::io::Write;
use std::ops::Range;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::audit::tile::{TILE_LEVEL_MAX, TILE_WIDTH, TileId, bundle_path};
use crate::store::StoreError;
use crate::store::sqlite::log::StoredTree;

/// The slots of an archive, as they are sealed.
const SLOTS: &str = "sealed-slots.jsonl";

/// Writes the folder of the whole log.
pub(super) fn write(log: &StoredTree, out: &Path, entries: bool) -> Result<String, String> {
    let head = log.head();
    let bundled = if entries { 0..head.size } else { 0..0 };
    let files = folder(log, out, head.size, &bundled)?;
    finish(out, &head.note)?;
    Ok(format!("{}: {} entries in {files} files, and the checkpoint", out.display(), head.size))
}

/// Writes the folder of a year that is over: the tree at its end, its entries, and their slots as they are
/// sealed, so that what is erased later is erased there as well.
pub(super) fn archive(log: &StoredTree, out: &Path, year: i16) -> Result<String, String> {
    let (entries, frozen) = log.year(year).ok_or_else(|| format!("there is no log of {year}"))?;
    if !frozen {
        return Err(format!(
            "the log of {year} is still written to: it is over with the next entry of a later year"
        ));
    }
    let note = log.note_at(entries.end).map_err(|e| e.to_string())?;
    let note = note.ok_or_else(|| format!("no head was signed at the end of {year}"))?;
    let files = folder(log, out, entries.end, &entries)? + 1;
    let slots = sealed(log, out, &entries)?;
    finish(out, &note)?;
    Ok(format!(
        "{}: entries {} to {} with {slots} sealed slots in {files} files, and the checkpoint",
        out.display(),
        entries.start,
        entries.end - 1
    ))
}

/// Writes the tiles of a size and the entries wanted; tells how many files.
fn folder(log: &StoredTree, out: &Path, size: u64, entries: &Range<u64>) -> Result<u64, String> {
    let shown = out.display();
    if std::fs::read_dir(out).is_ok_and(|mut inside| inside.next().is_some()) {
        return Err(format!("{shown} is not empty: name a new folder"));
    }
    let tree = log.tree();
    let mut files = 0_u64;
    for level in 0..=TILE_LEVEL_MAX {
        for n in 0_u64.. {
            let id = TileId { level, n };
            let width = id.width(size);
            let Some(hashes) = tree.tile(id, width).map_err(|e| e.to_string())? else { break };
            put(out, &id.path(width), &hashes.concat())?;
            files += 1;
        }
    }
    Ok(files + bundles(log, out, size, entries)?)
}

/// The checkpoint comes last: what it covers is there.
fn finish(out: &Path, note: &str) -> Result<(), String> {
    put(out, "checkpoint", note.as_bytes())
}

/// Writes the leaves, each behind its length, 256 in a file; whole files, where the first entry wanted is in
/// the middle of one.
fn bundles(log: &StoredTree, out: &Path, size: u64, entries: &Range<u64>) -> Result<u64, String> {
    let (mut bundle, mut files) = (Vec::new(), 0);
    let first = entries.start - entries.start % TILE_WIDTH as u64;
    log.each_leaf(first..entries.end, |index, leaf| {
        let too_long = |_| StoreError::Corrupt(format!("entry {index} is too long"));
        bundle.extend(u16::try_from(leaf.len()).map_err(too_long)?.to_be_bytes());
        bundle.extend(leaf);
        let next = index + 1;
        if next == size || next.is_multiple_of(TILE_WIDTH as u64) {
            let n = index / TILE_WIDTH as u64;
            let path = bundle_path(n, TileId { level: 0, n }.width(size));
            put(out, &path, &bundle).map_err(StoreError::Unavailable)?;
            bundle.clear();
            files += 1;
        }
        Ok(())
    })
    .map_err(|e| e.to_string())?;
    Ok(files)
}

/// Writes the slots, a line each; tells how many.
fn sealed(log: &StoredTree, out: &Path, entries: &Range<u64>) -> Result<u64, String> {
    let path = out.join(SLOTS);
    let wrong = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).map_err(wrong)?);
    let mut count = 0;
    log.each_slot(entries.clone(), |index, slot| {
        let line = json!({
            "index": index,
            "slot": slot.id as u8,
            "content": STANDARD.encode(slot.content),
            "sealed": STANDARD.encode(&slot.bytes),
        });
        count += 1;
        writeln!(file, "{line}").map_err(|e| StoreError::Unavailable(wrong(e)))
    })
    .map_err(|e| e.to_string())?;
    file.into_inner().map_err(|e| wrong(e.into_error()))?.sync_all().map_err(wrong)?;
    Ok(count)
}

fn put(out: &Path, path: &str, bytes: &[u8]) -> Result<(), String> {
    let file = out.join(path);
    let folder = file.parent().unwrap_or(out);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&file, bytes))
        .map_err(|e| format!("{}: {e}", file.display()))
}
