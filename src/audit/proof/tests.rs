use std::convert::Infallible;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof};
use sha2::Sha256;

use super::*;
use crate::audit::tree::leaf_hash;

/// All nodes of a tree, level by level.
struct Whole(Vec<Vec<Hash>>);

impl Whole {
    fn of(leaves: &[Vec<u8>]) -> Self {
        let mut levels = vec![leaves.iter().map(|leaf| leaf_hash(leaf)).collect::<Vec<_>>()];
        while levels.last().unwrap().len() > 1 {
            let below = levels.last().unwrap();
            let pairs = below.chunks_exact(2);
            levels.push(pairs.map(|pair| node_hash(&pair[0], &pair[1])).collect());
        }
        Self(levels)
    }

    fn sized(&self, size: u64) -> SizedRoot {
        SizedRoot { size, root: root(self, size).unwrap() }
    }

    fn path(&self, index: u64, size: u64) -> Vec<Hash> {
        inclusion(self, index, size).unwrap().unwrap()
    }

    fn growth(&self, from: u64, to: u64) -> Vec<Hash> {
        consistency(self, from, to).unwrap().unwrap()
    }
}

impl Nodes for Whole {
    type Error = Infallible;

    fn node(&self, level: u32, index: u64) -> Result<Hash, Infallible> {
        Ok(self.0[level as usize][usize::try_from(index).unwrap()])
    }
}

fn numbered(size: u64) -> Vec<Vec<u8>> {
    (0..size).map(|i| i.to_be_bytes().to_vec()).collect()
}

#[test]
fn another_implementation_makes_and_accepts_the_same_inclusion_proofs() {
    let (leaves, mut other) = (numbered(300), MemoryBackedTree::<Sha256, Vec<u8>>::new());
    let whole = Whole::of(&leaves);
    for leaf in &leaves {
        other.push(leaf.clone());
        let size = other.len();
        let top = other.root();
        assert_eq!(whole.sized(size).root.as_slice(), top.as_bytes().as_slice());
        for index in 0..size {
            let at = usize::try_from(index).unwrap();
            let ours = whole.path(index, size);
            assert_eq!(ours.concat(), other.prove_inclusion(at).as_bytes(), "{index} of {size}");
            let theirs = InclusionProof::try_from_bytes(ours.concat()).unwrap();
            top.verify_inclusion(&leaves[at], index, &theirs).unwrap();
            let hash = leaf_hash(&leaves[at]);
            verify_inclusion(&hash, index, size, &ours, &whole.sized(size).root).unwrap();
        }
    }
}

#[test]
fn another_implementation_makes_and_accepts_the_same_consistency_proofs() {
    let (leaves, mut other) = (numbered(100), MemoryBackedTree::<Sha256, Vec<u8>>::new());
    let whole = Whole::of(&leaves);
    let mut roots = Vec::new();
    for leaf in &leaves {
        other.push(leaf.clone());
        let to = other.len();
        roots.push(other.root());
        for from in 1..=to {
            let ours = whole.growth(from, to);
            let added = usize::try_from(to - from).unwrap();
            assert_eq!(ours.concat(), other.prove_consistency(added).as_bytes(), "{from} to {to}");
            let theirs = ConsistencyProof::try_from_bytes(ours.concat()).unwrap();
            let old = &roots[usize::try_from(from).unwrap() - 1];
            other.root().verify_consistency(old, &theirs).unwrap();
            verify_consistency(whole.sized(from), whole.sized(to), &ours).unwrap();
        }
    }
}

/// The leaves of the reference implementation of certificate transparency.
fn reference() -> Whole {
    let leaves = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    Whole::of(&leaves.map(|leaf| hex::decode(leaf).unwrap()))
}

const A: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const B: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const C: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
const D: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const E: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const F: &str = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7";
const G: &str = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125";
const H: &str = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
const I: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";

#[test]
fn the_vectors_of_certificate_transparency_come_out() {
    let whole = reference();
    let shown = |path: Vec<Hash>| path.iter().map(hex::encode).collect::<Vec<_>>();
    let paths: [(u64, u64, &[&str]); 5] =
        [(0, 1, &[]), (0, 8, &[A, B, C]), (5, 8, &[D, E, F]), (2, 3, &[G]), (1, 5, &[H, B, D])];
    for (index, size, wanted) in paths {
        assert_eq!(shown(whole.path(index, size)), wanted, "{index} of {size}");
    }
    let growths: [(u64, u64, &[&str]); 4] =
        [(1, 1, &[]), (1, 8, &[A, B, C]), (6, 8, &[I, E, F]), (2, 5, &[B, D])];
    for (from, to, wanted) in growths {
        assert_eq!(shown(whole.growth(from, to)), wanted, "{from} to {to}");
    }
}

/// Every proof with one bit flipped, one hash less, one more, or two swapped.
fn mutations(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = Vec::new();
    for bit in 0..proof.len() * 256 {
        let mut one = proof.to_vec();
        one[bit / 256][bit % 256 / 8] ^= 1 << (bit % 8);
        all.push(one);
    }
    for at in 0..proof.len() {
        let mut one = proof.to_vec();
        one.remove(at);
        all.push(one);
        for other in 0..at {
            let mut one = proof.to_vec();
            one.swap(at, other);
            all.push(one);
        }
    }
    for at in 0..=proof.len() {
        for more in proof.iter().copied().chain([[0; 32]]) {
            let mut one = proof.to_vec();
            one.insert(at, more);
            all.push(one);
        }
    }
    // Two hashes that are the same may be swapped; none are in these trees.
    all
}

#[test]
fn no_mutation_of_an_inclusion_proof_verifies() {
    let leaves = numbered(13);
    let whole = Whole::of(&leaves);
    for size in 1..=13 {
        let root = whole.sized(size).root;
        for index in 0..size {
            let leaf = leaf_hash(&leaves[usize::try_from(index).unwrap()]);
            let proof = whole.path(index, size);
            let check = |leaf: &Hash, index, proof: &[Hash], root: &Hash| {
                verify_inclusion(leaf, index, size, proof, root)
            };
            assert_eq!(check(&leaf, index, &proof, &root), Ok(()));
            for wrong in mutations(&proof) {
                assert_eq!(check(&leaf, index, &wrong, &root), Err(ProofError::Wrong));
            }
            for other in (0..size).filter(|other| *other != index) {
                assert_eq!(check(&leaf, other, &proof, &root), Err(ProofError::Wrong));
            }
            for bit in 0..256 {
                let mut wrong = root;
                wrong[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(check(&leaf, index, &proof, &wrong), Err(ProofError::Wrong));
                let mut wrong = leaf;
                wrong[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(check(&wrong, index, &proof, &root), Err(ProofError::Wrong));
            }
            assert_eq!(check(&leaf, size, &proof, &root), Err(ProofError::Beyond));
        }
    }
}

#[test]
fn no_mutation_of_a_consistency_proof_verifies() {
    let whole = Whole::of(&numbered(13));
    for to in 0..=13 {
        for from in 0..=to {
            let (earlier, later, proof) =
                (whole.sized(from), whole.sized(to), whole.growth(from, to));
            assert_eq!(verify_consistency(earlier, later, &proof), Ok(()), "{from} to {to}");
            for wrong in mutations(&proof) {
                assert_eq!(verify_consistency(earlier, later, &wrong), Err(ProofError::Wrong));
            }
            let other = |sized: SizedRoot| SizedRoot { root: [7; 32], ..sized };
            assert_eq!(verify_consistency(other(earlier), later, &proof), Err(ProofError::Wrong));
            if from > 0 {
                let wrong = verify_consistency(earlier, other(later), &proof);
                assert_eq!(wrong, Err(ProofError::Wrong));
            }
            if from < to {
                assert_eq!(verify_consistency(later, earlier, &proof), Err(ProofError::Beyond));
            }
        }
    }
}

#[test]
fn there_is_no_proof_of_what_is_beyond_the_tree() {
    let whole = Whole::of(&numbered(5));
    for (index, size) in [(5, 5), (0, 0), (u64::MAX, 5)] {
        assert_eq!(inclusion(&whole, index, size), Ok(None));
    }
    assert_eq!(consistency(&whole, 5, 4), Ok(None));
    assert_eq!(consistency(&whole, 0, 5), Ok(Some(Vec::new())));
}
