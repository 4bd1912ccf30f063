//! A static folder of C2SP tlog-tiles: entry bundles, tiles of every level, the checkpoint.

use std::collections::HashSet;
use std::path::Path;

use crate::encoding::{Hash, time};
use crate::leaf::{LEAF_LEN_MAX, decode};
use crate::note::Key;
use crate::tree::{Fold, leaf_hash, root_of};
use crate::{FINDINGS_MAX, Fault, bytes_of, text_of};

/// Hashes of a full tile.
const WIDTH: u64 = 256;
/// Levels of tiles that a log can have.
const LEVELS: u32 = 8;

/// Such a folder.
pub(crate) struct Folder<'a>(&'a Path);

/// How many nodes a tree has at a level of tiles.
fn nodes(level: u32, size: u64) -> u64 {
    size.checked_shr(8 * level).unwrap_or(0)
}

fn path_of(level: &str, n: u64) -> String {
    let mut path = format!("{:03}", n % 1000);
    let mut rest = n / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    format!("tile/{level}/{path}")
}

impl<'a> Folder<'a> {
    pub(crate) const fn new(path: &'a Path) -> Self {
        Self(path)
    }

    /// The file of a tile of which `width` places are needed, how many it has, and its bytes. A partial one may
    /// be gone when a wider one is there.
    fn read(&self, level: &str, n: u64, width: u64, max: u64) -> Result<Run, Fault> {
        let full = path_of(level, n);
        let partial = (width..WIDTH).map(|wide| (format!("{full}.p/{wide}"), wide));
        for (name, width) in partial.chain([(full.clone(), WIDTH)]) {
            if let Some(bytes) = bytes_of(&self.0.join(&name), max)? {
                return Ok(Run { name, width, bytes });
            }
        }
        let name = if width < WIDTH { format!("{full}.p/{width}") } else { full };
        Err(Fault::one(format!("{name}: is missing")))
    }

    /// The hashes of a tile in a log of so many entries.
    pub(crate) fn hashes(&self, level: u32, n: u64, size: u64) -> Result<Vec<Hash>, Fault> {
        let needed = nodes(level, size).saturating_sub(n * WIDTH).min(WIDTH);
        let Run { name, width, bytes } = self.read(&level.to_string(), n, needed, WIDTH * 32)?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || hashes.len() as u64 != width {
            return Err(Fault::one(format!("{name}: is not {width} hashes of 32 bytes")));
        }
        Ok(hashes.iter().zip(0..needed).map(|(hash, _)| *hash).collect())
    }

    /// Name of a bundle, and its leaves.
    fn leaves(&self, n: u64, size: u64) -> Result<(String, Vec<Vec<u8>>), Fault> {
        let first = n * WIDTH;
        let needed = size.saturating_sub(first).min(WIDTH);
        let max = WIDTH * (LEAF_LEN_MAX as u64 + 2);
        let Run { name, width, bytes } = self.read("entries", n, needed, max)?;
        let (mut rest, mut leaves) = (bytes.as_slice(), Vec::new());
        for index in first..first + width {
            let short = || Fault::one(format!("{name}: entry {index}: is cut short"));
            let (len, behind) = rest.split_first_chunk::<2>().ok_or_else(short)?;
            let len = usize::from(u16::from_be_bytes(*len));
            let (leaf, behind) = behind.split_at_checked(len).ok_or_else(short)?;
            leaves.push(leaf.to_vec());
            rest = behind;
        }
        if !rest.is_empty() {
            return Err(Fault::one(format!("{name}: goes on after entry {}", first + width - 1)));
        }
        leaves.truncate(usize::try_from(needed).unwrap_or(usize::MAX));
        Ok((name, leaves))
    }
}

/// A file with a run of hashes or leaves.
struct Run {
    name: String,
    width: u64,
    bytes: Vec<u8>,
}

/// What must hold from entry to entry.
#[derive(Default)]
pub(crate) struct Order {
    last: Option<i64>,
    seen: HashSet<[u8; 16]>,
}

impl Order {
    /// What is wrong with the next leaf, in its own bytes or behind those before it.
    pub(crate) fn next(&mut self, index: u64, bytes: &[u8]) -> Result<crate::leaf::Leaf, String> {
        let leaf = decode(bytes).map_err(|what| format!("entry {index}: its leaf {what}"))?;
        let last = self.last.replace(leaf.time);
        if let Some(last) = last.filter(|last| leaf.time < *last) {
            let (now, last) = (time(leaf.time), time(last));
            return Err(format!("entry {index}: its time {now} is before {last}, the one before"));
        }
        if !self.seen.insert(leaf.event) {
            return Err(format!("entry {index}: its event id was used by an entry before it"));
        }
        Ok(leaf)
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    findings: Vec<String>,
    /// Places at which leaf and tile of the lowest level differ.
    differ: Vec<(u64, String, String)>,
}

impl Found {
    fn add(&mut self, finding: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// Keeps what was found of a file and goes on.
    fn keep<T>(&mut self, read: Result<T, Fault>) -> Result<Option<T>, Fault> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(Fault::Findings(findings)) => {
                findings.into_iter().for_each(|finding| self.add(finding));
                Ok(None)
            }
            Err(usage) => Err(usage),
        }
    }
}

/// Verifies the whole folder.
///
/// # Errors
/// When it cannot be read, or with what does not verify.
pub fn verify(path: &Path, key: &Key) -> Result<Vec<String>, Fault> {
    let folder = Folder::new(path);
    let head = key.open(&text_of(&path.join("checkpoint"))?);
    let head = head.map_err(|what| Fault::one(format!("checkpoint: {what}")))?;
    let size = head.size;
    let has_entries = path.join("tile/entries").exists();
    let (mut found, mut order) = (Found::default(), Order::default());
    let (mut by_leaf, mut by_tile) = (Fold::default(), Fold::default());
    // The roots of the full tiles of the level before, and whether the tile could be read.
    let mut below: Vec<Option<Hash>> = Vec::new();
    for n in 0..size.div_ceil(WIDTH) {
        let tile = found.keep(folder.hashes(0, n, size))?;
        let full = size - n * WIDTH >= WIDTH;
        if full {
            below.push(tile.as_deref().map(root_of));
        }
        tile.iter().flatten().for_each(|hash| by_tile.entry(*hash));
        let bundle = if has_entries { found.keep(folder.leaves(n, size))? } else { None };
        let Some((name, leaves)) = bundle else { continue };
        for (at, leaf) in leaves.iter().enumerate() {
            let (index, hash) = (n * WIDTH + at as u64, leaf_hash(leaf));
            by_leaf.entry(hash);
            if let Err(what) = order.next(index, leaf) {
                found.add(what);
            }
            let other = tile.as_ref().is_some_and(|tile| tile.get(at) != Some(&hash));
            if other && found.differ.len() < FINDINGS_MAX {
                found.differ.push((index, name.clone(), path_of("0", n)));
            }
        }
    }
    let entries_good = by_leaf.size() == size && by_leaf.root() == head.root;
    let tiles_good = by_tile.size() == size && by_tile.root() == head.root;
    for (index, bundle, tile) in std::mem::take(&mut found.differ) {
        found.add(match (entries_good, tiles_good) {
            (true, _) => format!(
                "{tile}: hash {} is not that of entry {index}, which the head covers",
                index % WIDTH
            ),
            (false, true) => format!(
                "entry {index}: was changed: its leaf in {bundle} is not the one under {tile}, which \
                 the head covers"
            ),
            (false, false) => format!("entry {index}: its leaf in {bundle} is not the one under {tile}"),
        });
    }
    let whole = by_tile.size() == size && (!has_entries || by_leaf.size() == size);
    if found.findings.is_empty() && whole && !tiles_good {
        let of = if has_entries { "the entries" } else { "the tiles" };
        found.add(format!("checkpoint: head {size}: its root is not that of {of}"));
    }
    for level in 1..LEVELS {
        below = level_of(&folder, level, size, &below, &mut found)?;
    }
    if !found.findings.is_empty() {
        return Err(Fault::Findings(found.findings));
    }
    let entries = if has_entries { "entries, tiles" } else { "tiles (no entries are there)" };
    Ok(vec![format!("{entries} and checkpoint agree: {head}")])
}

/// Holds the tiles of a level against the roots of the full ones below; the roots of its own.
fn level_of(
    folder: &Folder<'_>,
    level: u32,
    size: u64,
    below: &[Option<Hash>],
    found: &mut Found,
) -> Result<Vec<Option<Hash>>, Fault> {
    let mut roots = Vec::new();
    for (n, row) in (0_u64..).zip(below.chunks(256)) {
        let tile = found.keep(folder.hashes(level, n, size))?;
        let Some(tile) = tile else {
            roots.push(None);
            continue;
        };
        for (at, (own, root)) in tile.iter().zip(row).enumerate() {
            if root.is_some_and(|root| root != *own) {
                let name = path_of(&level.to_string(), n);
                let lower = path_of(&(level - 1).to_string(), n * WIDTH + at as u64);
                found.add(format!("{name}: hash {at} is not the root of {lower}"));
            }
        }
        if row.len() == 256 {
            roots.push(Some(root_of(&tile)));
        }
    }
    Ok(roots)
}
