//! What an erasure commits to: which entries it made unreadable.

use super::leaf::sha256;
use super::tree::Hash;

/// Domain of the list of entries.
const DOMAIN: &[u8] = b"weir/audit/erasure/1";

/// Commits to the places, in order, of the entries about one resident among the first `size` of a log.
/// Salted: who has only the log cannot try which lists it may be.
#[must_use]
pub fn commitment(salt: &[u8; 32], size: u64, places: &[u64]) -> Hash {
    let places: Vec<u8> = places.iter().flat_map(|place| place.to_be_bytes()).collect();
    sha256(&[DOMAIN, salt, &size.to_be_bytes(), &places])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let own = commitment(&[1; 32], 9, &[2, 5]);
        // Of another tool: SHA-256 of domain, salt and three numbers of eight bytes.
        let pinned = "026c8bf15f31c3012a74b11a79dd803bbea3b30d7e3f4492a52b6dabd4fa9355";
        assert_eq!(hex::encode(own), pinned);
        for other in [
            commitment(&[2; 32], 9, &[2, 5]),
            commitment(&[1; 32], 8, &[2, 5]),
            commitment(&[1; 32], 9, &[2, 6]),
            commitment(&[1; 32], 9, &[5, 2]),
            commitment(&[1; 32], 9, &[2]),
        ] {
            assert_ne!(own, other);
        }
    }
}
