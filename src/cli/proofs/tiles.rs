//! A static folder of a log, as C2SP tlog-tiles lays it out.

use std::path::Path;

use crate::audit::tile::{TILE_LEVEL_MAX, TILE_WIDTH, TileId, bundle_path};
use crate::store::StoreError;
use crate::store::sqlite::log::StoredTree;

/// Writes the folder, the checkpoint last: what it covers is there.
pub(super) fn write(log: &StoredTree, out: &Path, entries: bool) -> Result<String, String> {
    let shown = out.display();
    if std::fs::read_dir(out).is_ok_and(|mut inside| inside.next().is_some()) {
        return Err(format!("{shown} is not empty: name a new folder"));
    }
    let (head, tree) = (log.head(), log.tree());
    let mut files = 0_u64;
    for level in 0..=TILE_LEVEL_MAX {
        for n in 0_u64.. {
            let id = TileId { level, n };
            let width = id.width(head.size);
            let Some(hashes) = tree.tile(id, width).map_err(|e| e.to_string())? else { break };
            put(out, &id.path(width), &hashes.concat())?;
            files += 1;
        }
    }
    if entries {
        files += bundles(log, out)?;
    }
    put(out, "checkpoint", head.note.as_bytes())?;
    Ok(format!("{shown}: {} entries in {files} files, and the checkpoint", head.size))
}

/// Writes the leaves, each behind its length, 256 in a file.
fn bundles(log: &StoredTree, out: &Path) -> Result<u64, String> {
    let size = log.head().size;
    let (mut bundle, mut files) = (Vec::new(), 0);
    log.each_leaf(|index, leaf| {
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

fn put(out: &Path, path: &str, bytes: &[u8]) -> Result<(), String> {
    let file = out.join(path);
    let folder = file.parent().unwrap_or(out);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&file, bytes))
        .map_err(|e| format!("{}: {e}", file.display()))
}
