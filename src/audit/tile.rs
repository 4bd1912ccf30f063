//! Tiles of C2SP tlog-tiles: the tree's nodes in runs of 256. A full tile never changes; the rightmost one
//! of each level is kept in memory until it is full.

use std::rc::Rc;

use super::proof::Nodes;
use super::tree::{Hash, node_hash};

/// Hashes of a full tile.
pub const TILE_WIDTH: usize = 256;
/// Levels of the tree from one level of tiles to the next.
const TILE_HEIGHT: u32 = 8;
/// Highest level of tiles that a tree can have.
pub const TILE_LEVEL_MAX: u8 = 7;

/// Which tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// Its level; 0 holds the leaf hashes.
    pub level: u8,
    /// Its place in the level, from 0.
    pub n: u64,
}

impl TileId {
    /// How many hashes the tile has in a tree of so many entries; 0: it has no such tile.
    #[must_use]
    pub fn width(self, size: u64) -> usize {
        let nodes = size.checked_shr(TILE_HEIGHT * u32::from(self.level)).unwrap_or(0);
        let width = TILE_WIDTH as u64;
        let before = self.n.saturating_mul(width);
        usize::try_from(nodes.saturating_sub(before).min(width)).unwrap_or(TILE_WIDTH)
    }

    /// The last of the entries that are under it when it is full.
    #[must_use]
    pub fn last_entry(self) -> u64 {
        let entries = 1_u64.checked_shl(TILE_HEIGHT * (u32::from(self.level) + 1));
        entries.map_or(u64::MAX, |entries| self.n.saturating_add(1).saturating_mul(entries) - 1)
    }

    /// Its path with so many hashes: `tile/0/x001/067`, `tile/0/x001/067.p/12`.
    #[must_use]
    pub fn path(self, width: usize) -> String {
        path(&self.level.to_string(), self.n, width)
    }
}

impl std::fmt::Display for TileId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "tile {}/{}", self.level, self.n)
    }
}

/// The path of the leaves under tile `n` of level 0, so many of them.
#[must_use]
pub fn bundle_path(n: u64, width: usize) -> String {
    path("entries", n, width)
}

fn path(level: &str, n: u64, width: usize) -> String {
    let mut groups = vec![format!("{:03}", n % 1000)];
    let mut rest = n / 1000;
    while rest > 0 {
        groups.push(format!("x{:03}", rest % 1000));
        rest /= 1000;
    }
    groups.reverse();
    let partial = if width < TILE_WIDTH { format!(".p/{width}") } else { String::new() };
    format!("tile/{level}/{}{partial}", groups.join("/"))
}

/// A full tile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Which.
    pub id: TileId,
    /// Its 256 hashes.
    pub hashes: Vec<Hash>,
}

/// Reads the hashes of a full tile; `None`: the bytes are none.
#[must_use]
pub fn full_tile(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    (rest.is_empty() && hashes.len() == TILE_WIDTH).then(|| hashes.to_vec())
}

/// The root over hashes whose number is a power of two.
fn perfect_root(hashes: &[Hash]) -> Hash {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        let (pairs, _) = row.as_chunks::<2>();
        row = pairs.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    row.first().copied().unwrap_or_default()
}

/// The right side of a tree: the tiles that are not full yet, one of each level. Grows leaf by leaf.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RightSide {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl RightSide {
    /// The right side of a tree of so many leaves, from its full tiles and the `leaves` after the last
    /// full one of the lowest level. Reads at most 255 tiles of each level.
    ///
    /// # Errors
    /// When a tile could not be read.
    pub fn of<T: FullTiles>(size: u64, full: &T, leaves: Vec<Hash>) -> Result<Self, T::Error> {
        if size == 0 {
            return Ok(Self::default());
        }
        let mut levels = vec![leaves];
        let (mut level, mut nodes) = (0, size >> TILE_HEIGHT);
        while nodes > 0 {
            let first = nodes - nodes % TILE_WIDTH as u64;
            let root = |n| full.full(TileId { level, n }).map(|hashes| perfect_root(&hashes));
            levels.push((first..nodes).map(root).collect::<Result<_, _>>()?);
            (level, nodes) = (level + 1, nodes >> TILE_HEIGHT);
        }
        Ok(Self { size, levels })
    }

    /// Leaves so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends one leaf by its hash; tells the tiles that are full now, the lowest first.
    pub fn push(&mut self, leaf: Hash) -> Vec<Tile> {
        self.size += 1;
        let (mut full, mut hash) = (Vec::new(), leaf);
        for (level, row) in (0_u8..).zip(&mut self.levels) {
            row.push(hash);
            if row.len() < TILE_WIDTH {
                return full;
            }
            let hashes = std::mem::take(row);
            hash = perfect_root(&hashes);
            let n = (self.size >> (TILE_HEIGHT * (u32::from(level) + 1))) - 1;
            full.push(Tile { id: TileId { level, n }, hashes });
        }
        self.levels.push(vec![hash]);
        full
    }

    /// The hashes of a tile that is not full.
    fn partial(&self, id: TileId) -> Option<&[Hash]> {
        let row = self.levels.get(usize::from(id.level))?;
        let nodes = self.size >> (TILE_HEIGHT * u32::from(id.level));
        (nodes / TILE_WIDTH as u64 == id.n).then_some(row)
    }
}

/// Where full tiles are read.
pub trait FullTiles {
    /// Why a tile could not be read.
    type Error;

    /// The 256 hashes of a tile.
    ///
    /// # Errors
    /// When it is not there or could not be read.
    fn full(&self, id: TileId) -> Result<Rc<Vec<Hash>>, Self::Error>;
}

/// A tree whose full tiles are stored and whose right side is at hand.
pub struct Tiled<'a, T> {
    /// What is not full yet.
    pub right: &'a RightSide,
    /// What is.
    pub full: T,
}

impl<T: FullTiles> Tiled<'_, T> {
    /// The first `width` hashes of a tile; `None` when the tree has not so many there, or none are
    /// asked for.
    ///
    /// # Errors
    /// When a stored tile could not be read.
    pub fn tile(&self, id: TileId, width: usize) -> Result<Option<Vec<Hash>>, T::Error> {
        let there = id.width(self.right.size);
        if width == 0 || width > there {
            return Ok(None);
        }
        if let Some(hashes) = self.right.partial(id).and_then(|row| row.get(..width)) {
            return Ok(Some(hashes.to_vec()));
        }
        Ok(self.full.full(id)?.get(..width).map(<[Hash]>::to_vec))
    }
}

impl<T: FullTiles> Nodes for Tiled<'_, T> {
    type Error = T::Error;

    fn node(&self, level: u32, index: u64) -> Result<Hash, T::Error> {
        let (tile_level, above) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
        let first = index << above;
        let width = TILE_WIDTH as u64;
        let id = TileId { level: u8::try_from(tile_level).unwrap_or(u8::MAX), n: first / width };
        let at = usize::try_from(first % width).unwrap_or(0);
        let run = at..at + (1 << above);
        if let Some(hashes) = self.right.partial(id).and_then(|row| row.get(run.clone())) {
            return Ok(perfect_root(hashes));
        }
        // A run of nodes under one node never leaves its tile.
        Ok(perfect_root(self.full.full(id)?.get(run).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::proof::{
        SizedRoot, consistency, inclusion, root, verify_consistency, verify_inclusion,
    };
    use super::super::tree::{Edge, leaf_hash};
    use super::*;

    #[test]
    fn paths_are_those_of_tlog_tiles() {
        let check = |level, n, width, path| assert_eq!(TileId { level, n }.path(width), path);
        check(0, 0, 256, "tile/0/000");
        check(1, 67, 12, "tile/1/067.p/12");
        check(0, 1_067, 256, "tile/0/x001/067");
        check(3, 1_234_067, 1, "tile/3/x001/x234/067.p/1");
        assert_eq!(bundle_path(1_000, 256), "tile/entries/x001/000");
        assert_eq!(bundle_path(0, 5), "tile/entries/000.p/5");
    }

    #[test]
    fn a_tile_is_as_wide_as_the_tree_makes_it() {
        let check = |level, n, size, width| assert_eq!(TileId { level, n }.width(size), width);
        check(0, 0, 0, 0);
        check(0, 0, 1, 1);
        check(0, 0, 256, 256);
        check(0, 1, 256, 0);
        check(0, 1, 300, 44);
        check(1, 0, 255, 0);
        check(1, 0, 65_536, 256);
        check(2, 0, 65_536, 1);
        check(7, 0, u64::MAX, 255);
        check(8, 0, u64::MAX, 0);
        check(200, u64::MAX, u64::MAX, 0);
    }

    struct Kept(BTreeMap<TileId, Vec<Hash>>);

    impl FullTiles for &Kept {
        type Error = TileId;
        fn full(&self, id: TileId) -> Result<Rc<Vec<Hash>>, TileId> {
            self.0.get(&id).cloned().map(Rc::new).ok_or(id)
        }
    }

    /// Sizes around the ends of tiles of two levels.
    fn is_telling(size: u64) -> bool {
        size % 8_191 == 3 || size % 8_192 < 2 || size > 65_530
    }

    #[test]
    fn proofs_from_tiles_lead_to_the_roots_of_every_kind_of_size() {
        let (mut edge, mut right, mut kept) =
            (Edge::default(), RightSide::default(), Kept(BTreeMap::new()));
        let mut roots: Vec<SizedRoot> = Vec::new();
        for i in 0_u64..65_540 {
            let leaf = leaf_hash(&i.to_be_bytes());
            edge.push(leaf);
            kept.0.extend(right.push(leaf).into_iter().map(|tile| (tile.id, tile.hashes)));
            let size = i + 1;
            if !is_telling(size) {
                continue;
            }
            let tree = Tiled { right: &right, full: &kept };
            let top = edge.root();
            assert_eq!(root(&tree, size), Ok(top));
            let last = (size - size % 256..size).map(|i| leaf_hash(&i.to_be_bytes())).collect();
            assert_eq!(RightSide::of(size, &&kept, last).as_ref(), Ok(&right));
            for index in [0, 1, 255, 256, size / 2, i].into_iter().filter(|index| *index < size) {
                let path = inclusion(&tree, index, size).unwrap().unwrap();
                let leaf = leaf_hash(&index.to_be_bytes());
                assert_eq!(verify_inclusion(&leaf, index, size, &path, &top), Ok(()));
            }
            let later = SizedRoot { size, root: top };
            for earlier in &roots {
                // Also in a tree that has grown since.
                assert_eq!(root(&tree, earlier.size), Ok(earlier.root));
                let growth = consistency(&tree, earlier.size, size).unwrap().unwrap();
                assert_eq!(verify_consistency(*earlier, later, &growth), Ok(()));
            }
            roots.push(later);
        }
        assert!(roots.len() > 20);
        assert_eq!(kept.0.len(), 257);
    }

    #[test]
    fn a_tile_is_served_at_every_width_up_to_its_own() {
        let (mut right, mut kept) = (RightSide::default(), Kept(BTreeMap::new()));
        let leaves: Vec<Hash> = (0_u64..600).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        for leaf in &leaves {
            kept.0.extend(right.push(*leaf).into_iter().map(|tile| (tile.id, tile.hashes)));
        }
        let tree = Tiled { right: &right, full: &kept };
        for n in 0..3_usize {
            let id = TileId { level: 0, n: n as u64 };
            for width in 1..=id.width(600) {
                let wanted = &leaves[n * 256..n * 256 + width];
                assert_eq!(tree.tile(id, width).unwrap().unwrap(), wanted);
            }
            assert_eq!(tree.tile(id, id.width(600) + 1), Ok(None));
            assert_eq!(tree.tile(id, 0), Ok(None));
        }
        let upper = TileId { level: 1, n: 0 };
        let wanted = [perfect_root(&leaves[..256]), perfect_root(&leaves[256..512])];
        assert_eq!(tree.tile(upper, 2).unwrap().unwrap(), wanted);
        assert_eq!(tree.tile(upper, 3), Ok(None));
    }
}
