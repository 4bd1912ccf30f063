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

/// A secret that seals more than once.
pub(super) struct Sealing(LessSafeKey);

impl Sealing {
    pub(super) fn with(secret: &Secret) -> Result<Self, StoreError> {
        key(secret).map(Self)
    }

    /// What stands `before`, in the clear; then nonce, ciphertext and tag of the parts, one after the other.
    /// A key seals far fewer than 2^32 times: see `docs/adr/0008`.
    pub(super) fn seal(
        &self,
        before: &[u8],
        aad: &[u8],
        parts: &[&[u8]],
    ) -> Result<Vec<u8>, StoreError> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let mut out = Vec::with_capacity(before.len() + len + OVERHEAD);
        out.extend(before);
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
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
    Sealing::with(secret)?.seal(&[], aad, &[plain])
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
