//! Proofs of RFC 6962: that an entry is in a tree, and that a tree grew out of an earlier one. Made from
//! the tree's nodes, wherever they are kept; verified from nothing but hashes.

use super::tree::{Edge, Hash, node_hash};

/// Most hashes of a proof: a tree of 2^63 entries needs no more.
pub const PROOF_LEN_MAX: usize = 64;

/// Where the nodes of a tree are read.
pub trait Nodes {
    /// Why a node could not be read.
    type Error;

    /// The root of the perfect subtree over the entries from `index * 2^level`, `2^level` of them.
    ///
    /// # Errors
    /// When it could not be read.
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// Why there is no such proof, or why one proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The entry is not among the first so many, or the earlier tree is larger than the later one.
    #[error("there is no such proof: the place or the smaller size is beyond the tree")]
    Beyond,
    /// The hashes do not lead to the root.
    #[error("the proof does not lead to the root")]
    Wrong,
}

/// The root of a tree of so many entries, read from its nodes.
///
/// # Errors
/// When a node could not be read.
pub fn root<N: Nodes>(nodes: &N, size: u64) -> Result<Hash, N::Error> {
    if size == 0 { Ok(Edge::default().root()) } else { subtree(nodes, 0, size) }
}

/// The root over the entries from `start` to before `end`, at least one of them; `start` is a multiple
/// of the power of two that holds them all.
fn subtree<N: Nodes>(nodes: &N, start: u64, end: u64) -> Result<Hash, N::Error> {
    let (mut at, mut peaks) = (start, Vec::new());
    while at < end {
        let level = (end - at).ilog2();
        peaks.push(nodes.node(level, at >> level)?);
        at += 1 << level;
    }
    let mut smallest_first = peaks.into_iter().rev();
    let last = smallest_first.next().unwrap_or_default();
    Ok(smallest_first.fold(last, |right, left| node_hash(&left, &right)))
}

/// The largest power of two below `n`, which is at least 2.
const fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// The audit path of an entry in the tree of the first `size` entries, from its sibling upwards; `None`
/// when the entry is not among them.
///
/// # Errors
/// When a node could not be read.
pub fn inclusion<N: Nodes>(
    nodes: &N,
    index: u64,
    size: u64,
) -> Result<Option<Vec<Hash>>, N::Error> {
    if index >= size {
        return Ok(None);
    }
    let (mut start, mut end) = (0, size);
    let mut downwards = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            downwards.push(subtree(nodes, middle, end)?);
            end = middle;
        } else {
            downwards.push(subtree(nodes, start, middle)?);
            start = middle;
        }
    }
    downwards.reverse();
    Ok(Some(downwards))
}

/// The proof that the tree of the first `to` entries grew out of that of the first `from`; `None` when
/// `from` is larger. From nothing, and from the same size, it is empty.
///
/// # Errors
/// When a node could not be read.
pub fn consistency<N: Nodes>(nodes: &N, from: u64, to: u64) -> Result<Option<Vec<Hash>>, N::Error> {
    if from > to {
        return Ok(None);
    }
    if from == 0 {
        return Ok(Some(Vec::new()));
    }
    let (mut start, mut end) = (0, to);
    let mut downwards = Vec::new();
    while from != end {
        let middle = start + split(end - start);
        if from <= middle {
            downwards.push(subtree(nodes, middle, end)?);
            end = middle;
        } else {
            downwards.push(subtree(nodes, start, middle)?);
            start = middle;
        }
    }
    // The earlier tree itself need not be told: who verifies has its root.
    if start != 0 {
        downwards.push(subtree(nodes, start, end)?);
    }
    downwards.reverse();
    Ok(Some(downwards))
}

/// A walk from a node to the root of a tree: how far it and the last node of each level are.
struct Walk {
    node: u64,
    last: u64,
}

impl Walk {
    const fn up(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }

    /// Whether the next hash of the proof stands to the left; goes up to where it joins.
    const fn is_right(&mut self) -> bool {
        if self.node & 1 == 0 && self.node != self.last {
            return false;
        }
        while self.node & 1 == 0 && self.node != 0 {
            self.up();
        }
        true
    }
}

/// Verifies that the leaf with this hash is at `index` in the tree of `size` entries with this root.
///
/// # Errors
/// When the proof does not show it.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Beyond);
    }
    let mut walk = Walk { node: index, last: size - 1 };
    let mut hash = *leaf;
    for sibling in proof {
        if walk.last == 0 {
            return Err(ProofError::Wrong);
        }
        hash = if walk.is_right() { node_hash(sibling, &hash) } else { node_hash(&hash, sibling) };
        walk.up();
    }
    if walk.last == 0 && hash == *root { Ok(()) } else { Err(ProofError::Wrong) }
}

/// A size and the root at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizedRoot {
    /// Entries.
    pub size: u64,
    /// Root.
    pub root: Hash,
}

/// Verifies that the `later` tree grew out of the `earlier` one: nothing altered, nothing taken away.
///
/// # Errors
/// When the proof does not show it.
pub fn verify_consistency(
    earlier: SizedRoot,
    later: SizedRoot,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if earlier.size > later.size {
        return Err(ProofError::Beyond);
    }
    let wrong = Err(ProofError::Wrong);
    if earlier.size == later.size || earlier.size == 0 {
        let whole = earlier.size == 0 && earlier.root == Edge::default().root();
        let same = earlier.size == later.size && earlier.root == later.root;
        let roots = if later.size == 0 { whole && same } else { whole || same };
        return if roots && proof.is_empty() { Ok(()) } else { wrong };
    }
    let mut walk = Walk { node: earlier.size - 1, last: later.size - 1 };
    while walk.node & 1 == 1 {
        walk.up();
    }
    // A perfect earlier tree is itself the first node.
    let (first, rest) = if earlier.size.is_power_of_two() {
        (earlier.root, proof)
    } else {
        match proof.split_first() {
            Some((first, rest)) => (*first, rest),
            None => return wrong,
        }
    };
    let (mut old, mut new) = (first, first);
    for sibling in rest {
        if walk.last == 0 {
            return wrong;
        }
        if walk.is_right() {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
        } else {
            new = node_hash(&new, sibling);
        }
        walk.up();
    }
    if walk.last == 0 && old == earlier.root && new == later.root { Ok(()) } else { wrong }
}

#[cfg(test)]
mod tests;
