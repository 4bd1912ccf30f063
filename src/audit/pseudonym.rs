//! Other agencies' staff, as one agency's auditors see them: always the same person under the same name,
//! nobody who is known by it elsewhere, and no way back without the hub.

use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey,
};

/// The id of the hub itself, which is nobody.
const HUB: [u8; 16] = [0; 16];

/// The names that one agency's auditors see: a keyed permutation of the ids of people.
pub struct Pseudonyms([u8; 32]);

impl Pseudonyms {
    /// With the secret of the agency that looks.
    #[must_use]
    pub const fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The name of a person; `None` where nothing can be computed.
    #[must_use]
    pub fn of(&self, person: [u8; 16]) -> Option<[u8; 16]> {
        if person == HUB {
            return Some(HUB);
        }
        let mut block = person;
        let key = UnboundCipherKey::new(&AES_256, &self.0).ok()?;
        EncryptingKey::ecb(key).ok()?.encrypt(&mut block).ok()?;
        Some(block)
    }

    /// The person with this name.
    #[must_use]
    pub fn person(&self, name: [u8; 16]) -> Option<[u8; 16]> {
        if name == HUB {
            return Some(HUB);
        }
        let mut block = name;
        let key = UnboundCipherKey::new(&AES_256, &self.0).ok()?;
        DecryptingKey::ecb(key).ok()?.decrypt(&mut block, DecryptionContext::None).ok()?;
        Some(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_and_says_nothing_elsewhere() {
        let (one, other) = (Pseudonyms::new([1; 32]), Pseudonyms::new([2; 32]));
        for person in [[3; 16], [4; 16]] {
            let name = one.of(person).unwrap();
            assert_eq!(one.person(name), Some(person));
            assert_eq!(one.of(person), Some(name), "a person has two names");
            assert_ne!(name, person);
            assert_ne!(other.of(person), Some(name));
            assert_ne!(other.person(name), Some(person));
        }
        assert_ne!(one.of([3; 16]), one.of([4; 16]));
        assert_eq!((one.of(HUB), one.person(HUB)), (Some(HUB), Some(HUB)));
    }
}
