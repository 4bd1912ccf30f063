//! The tree of RFC 6962. Proofs are followed by ct-merkle; roots over what is read in order are folded here.

use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use sha2::{Digest, Sha256};

use crate::encoding::Hash;
use crate::note::Head;

/// Most hashes of a proof.
pub(crate) const PROOF_LEN_MAX: usize = 64;

/// SHA-256(00 ‖ leaf).
pub(crate) fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(leaf).finalize().into()
}

/// SHA-256(01 ‖ left ‖ right).
fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// SHA-256 of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

impl Head {
    fn root_hash(&self) -> RootHash<Sha256> {
        RootHash::new(self.root.into(), self.size)
    }

    /// Whether the leaf is at `index` under this head.
    pub(crate) fn includes(&self, leaf: &[u8], index: u64, path: &[Hash]) -> Result<(), String> {
        if index >= self.size {
            return Err(format!("entry {index}: is not among the {} of the head", self.size));
        }
        let wrong = |error| format!("entry {index}: the proof does not lead to the root: {error}");
        let path = InclusionProof::try_from_bytes(path.concat()).map_err(wrong)?;
        self.root_hash().verify_inclusion(&leaf, index, &path).map_err(wrong)
    }

    /// Whether the tree of this head grew out of that of `old`.
    pub(crate) fn grew_from(&self, old: &Self, proof: &[Hash]) -> Result<(), String> {
        let (from, to) = (old.size, self.size);
        if self.is_plain(old)? {
            let needless = || format!("head {to}: the proof from {from} should be empty");
            return if proof.is_empty() { Ok(()) } else { Err(needless()) };
        }
        let wrong =
            |error| format!("head {to}: the proof from head {from} shows no growth: {error}");
        let proof = ConsistencyProof::try_from_bytes(proof.concat()).map_err(wrong)?;
        self.root_hash().verify_consistency(&old.root_hash(), &proof).map_err(wrong)
    }

    /// Whether no hash is needed to see that this head grew out of `old`.
    pub(crate) fn is_plain(&self, old: &Self) -> Result<bool, String> {
        let (from, to) = (old.size, self.size);
        if from > to {
            return Err(format!("head {to}: covers fewer entries than head {from} before it"));
        }
        if from == to && old.root != self.root {
            return Err(format!("head {to}: another root than the other head of {from} entries"));
        }
        for head in [old, self] {
            if head.size == 0 && head.root != sha256(b"") {
                return Err("head 0: its root is not that of no entry".to_owned());
            }
        }
        Ok(from == to || from == 0)
    }
}

/// A perfect subtree.
struct Peak {
    from: u64,
    count: u64,
    hash: Hash,
}

/// The tree over subtrees that are taken in order, without gap.
#[derive(Default)]
pub(crate) struct Fold {
    peaks: Vec<Peak>,
    next: u64,
}

impl Fold {
    /// Entries so far.
    pub(crate) const fn size(&self) -> u64 {
        self.next
    }

    /// Takes one entry.
    pub(crate) fn entry(&mut self, hash: Hash) {
        self.take(1, hash);
    }

    /// Takes a perfect subtree of `count` entries; the next place must be a multiple of it. `false`:
    /// it cannot stand there.
    pub(crate) fn subtree(&mut self, count: u64, hash: Hash) -> bool {
        let fits = count.is_power_of_two()
            && self.next.is_multiple_of(count)
            && self.next.checked_add(count).is_some_and(|end| end <= crate::note::SIZE_MAX);
        if fits {
            self.take(count, hash);
        }
        fits
    }

    fn take(&mut self, count: u64, hash: Hash) {
        let mut top = Peak { from: self.next, count, hash };
        self.next = self.next.saturating_add(count);
        while let Some(left) =
            self.peaks.pop_if(|l| l.count == top.count && l.from.is_multiple_of(2 * top.count))
        {
            let hash = node(&left.hash, &top.hash);
            top = Peak { from: left.from, count: 2 * top.count, hash };
        }
        self.peaks.push(top);
    }

    /// The root.
    pub(crate) fn root(&self) -> Hash {
        let mut from_right = self.peaks.iter().rev();
        let Some(last) = from_right.next() else { return sha256(b"") };
        from_right.fold(last.hash, |right, left| node(&left.hash, &right))
    }
}

/// The root over some hashes, as a tree of their own.
pub(crate) fn root_of(hashes: &[Hash]) -> Hash {
    let mut fold = Fold::default();
    hashes.iter().for_each(|hash| fold.entry(*hash));
    fold.root()
}

#[cfg(test)]
mod tests {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;

    use super::*;

    /// Leaves and roots of the test vectors of the certificate transparency reference implementation.
    const LEAVES: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn the_roots_of_rfc_6962_come_out() {
        let mut fold = Fold::default();
        for (leaf, root) in LEAVES.iter().zip(ROOTS) {
            assert_eq!(crate::encoding::hex(&fold.root()), root);
            fold.entry(leaf_hash(leaf));
        }
        assert_eq!(crate::encoding::hex(&fold.root()), ROOTS[8]);
    }

    #[test]
    fn subtrees_fold_to_the_root_of_the_published_crate() {
        let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        let mut leaves = Vec::new();
        for i in 0_u64..70 {
            let bytes = i.to_be_bytes().to_vec();
            leaves.push(leaf_hash(&bytes));
            tree.push(bytes);
            // Every way to cover a stretch by the fewest subtrees.
            for from in 0..=i {
                let mut fold = Fold::default();
                for leaf in leaves.iter().take(usize::try_from(from).unwrap()) {
                    fold.entry(*leaf);
                }
                while fold.size() < i + 1 {
                    let at = fold.size();
                    let mut count = 1;
                    while at.is_multiple_of(2 * count) && at + 2 * count <= i + 1 {
                        count *= 2;
                    }
                    let run = usize::try_from(at).unwrap()..usize::try_from(at + count).unwrap();
                    assert!(fold.subtree(count, root_of(&leaves[run])));
                }
                assert_eq!(fold.root(), <Hash>::from(*tree.root().as_bytes()), "{from} {i}");
            }
        }
    }

    #[test]
    fn a_subtree_stands_at_a_multiple_of_itself() {
        let mut fold = Fold::default();
        fold.entry([1; 32]);
        for count in [0, 2, 3, 4, 1 << 63, u64::MAX] {
            assert!(!fold.subtree(count, [2; 32]), "{count}");
        }
        assert!(fold.subtree(1, [2; 32]) && fold.subtree(2, [3; 32]) && fold.size() == 4);
    }

    #[test]
    fn proofs_of_the_published_crate_are_followed_and_no_other() {
        let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        let mut heads = vec![Head { origin: "log".to_owned(), size: 0, root: sha256(b"") }];
        for i in 0_u64..40 {
            tree.push(i.to_be_bytes().to_vec());
            let root = (*tree.root().as_bytes()).into();
            heads.push(Head { origin: "log".to_owned(), size: i + 1, root });
        }
        let split = |bytes: &[u8]| bytes.as_chunks::<32>().0.to_vec();
        let newest = heads.last().unwrap();
        for index in 0_u64..40 {
            let leaf = index.to_be_bytes();
            let path = split(tree.prove_inclusion(usize::try_from(index).unwrap()).as_bytes());
            assert_eq!(newest.includes(&leaf, index, &path), Ok(()));
            assert!(newest.includes(&leaf, index + 1, &path).is_err());
            assert!(newest.includes(b"x", index, &path).is_err());
            assert!(newest.includes(&leaf, index, &path[1..]).is_err());
        }
        for old in &heads[..] {
            let more = usize::try_from(40 - old.size).unwrap();
            let plain = old.size == 0 || old.size == 40;
            let proof =
                if plain { Vec::new() } else { split(tree.prove_consistency(more).as_bytes()) };
            assert_eq!(newest.grew_from(old, &proof), Ok(()), "{}", old.size);
            let other = Head { root: [9; 32], ..old.clone() };
            assert!(newest.grew_from(&other, &proof).is_err(), "{}", old.size);
            let longer = [proof, vec![[0; 32]]].concat();
            assert!(newest.grew_from(old, &longer).is_err(), "{}", old.size);
            assert_eq!(old.grew_from(newest, &[]).is_ok(), old.size == 40, "{}", old.size);
        }
    }
}
