//! AES-256-GCM with random nonces, and HMAC-SHA256 over parts that cannot run into each other.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use super::super::log::unavailable;
use crate::store::StoreError;

/// How much longer what is sealed is than what was.
pub(super) const OVERHEAD: usize = NONCE_LEN + 16;

/// 256 bits that open something. Does not print.
#[derive(Clone)]
pub(super) struct Secret(pub(super) [u8; 32]);

impl Secret {
    pub(super) fn fresh() -> Result<Self, StoreError> {
        let mut bytes = [0; 32];
        random(&mut bytes)?;
        Ok(Self(bytes))
    }
}

fn random(bytes: &mut [u8]) -> Result<(), StoreError> {
    SystemRandom::new().fill(bytes).map_err(|_| unavailable(&"no randomness"))
}

fn key(secret: &Secret) -> Result<LessSafeKey, StoreError> {
    let unbound = UnboundKey::new(&AES_256_GCM, &secret.0);
    unbound.map(LessSafeKey::new).map_err(|_| unavailable(&"a key of the wrong length"))
}

/// So many random bytes are drawn at once: enough for a usual entry.
const DRAWN: usize = 256;

/// Random bytes that were drawn at once and are handed out piece by piece, none of them twice: drawing costs as
/// much as sealing.
pub(super) struct Drawn {
    bytes: [u8; DRAWN],
    taken: usize,
}

impl Drawn {
    pub(super) fn fresh() -> Result<Self, StoreError> {
        let mut drawn = Self { bytes: [0; DRAWN], taken: 0 };
        random(&mut drawn.bytes)?;
        Ok(drawn)
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        const { assert!(N <= DRAWN, "more than is drawn at once") };
        if let Some(piece) = self.bytes.get(self.taken..).and_then(<[u8]>::first_chunk) {
            self.taken += N;
            return Ok(*piece);
        }
        *self = Self::fresh()?;
        self.take()
    }
}

/// A secret that seals more than once.
pub(super) struct Sealing(LessSafeKey);

impl Sealing {
    pub(super) fn with(secret: &Secret) -> Result<Self, StoreError> {
        key(secret).map(Self)
    }

    /// What stands `before`, in the clear; then nonce, ciphertext and tag of the parts, one after the other.
    /// The nonce is random and used for nothing else; a key seals far fewer than 2^32 times: see `docs/adr/0008`.
    pub(super) fn seal(
        &self,
        before: &[u8],
        aad: &[u8],
        parts: &[&[u8]],
        nonce: [u8; NONCE_LEN],
    ) -> Result<Vec<u8>, StoreError> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let mut out = Vec::with_capacity(before.len() + len + OVERHEAD);
        out.extend(before);
        out.extend(nonce);
        let start = out.len();
        parts.iter().for_each(|part| out.extend(*part));
        let (_, plain) = out.split_at_mut(start);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), plain);
        out.extend(tag.map_err(|_| unavailable(&"nothing could be sealed"))?.as_ref());
        Ok(out)
    }
}

/// Nonce, ciphertext and tag.
pub(super) fn seal(secret: &Secret, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut nonce = [0; NONCE_LEN];
    random(&mut nonce)?;
    Sealing::with(secret)?.seal(&[], aad, &[plain], nonce)
}

/// What was sealed under this key and for this place; `None` for everything else.
pub(super) fn open(secret: &Secret, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut body = body.to_vec();
    let len = key(secret).ok()?.open_in_place(nonce, Aad::from(aad), &mut body).ok()?.len();
    body.truncate(len);
    Some(body)
}

/// A fixed function of the parts that nobody can compute without the secret.
pub(super) fn mac(secret: &Secret, label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &secret.0));
    for part in [label.as_bytes()].iter().chain(parts) {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_byte_that_was_drawn_is_handed_out_twice() {
        let mut drawn = Drawn::fresh().unwrap();
        let mut seen = HashSet::new();
        // Over the end of what is drawn at once, several times.
        for _ in 0..40 {
            let (nonce, salt): ([u8; 12], [u8; 32]) =
                (drawn.take().unwrap(), drawn.take().unwrap());
            for piece in [nonce.as_slice(), &salt] {
                assert!(piece.windows(8).all(|window| seen.insert(window.to_vec())));
            }
        }
    }
}
