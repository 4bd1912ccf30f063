//! An issuer's public keys: a JWKS file, read again when a token names a key that is not there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Header};

use super::AuthError;

/// Largest key set, in bytes.
const LEN_MAX: u64 = 256 * 1024;
/// Most keys of a set.
const KEYS_MAX: usize = 64;
/// A token with an unknown key makes the file be read again, but not more often than this.
const REREAD: Duration = Duration::from_secs(30);

struct Keys {
    by_kid: HashMap<String, Arc<DecodingKey>>,
    generation: u64,
    read_at: Instant,
}

pub(super) struct KeySet {
    path: PathBuf,
    algorithm: Algorithm,
    keys: RwLock<Keys>,
}

impl KeySet {
    pub(super) fn open(path: &Path, algorithm: Algorithm) -> Result<Self, String> {
        let by_kid = read(path, algorithm)?;
        let keys = Keys { by_kid, generation: 0, read_at: Instant::now() };
        Ok(Self { path: path.to_owned(), algorithm, keys: RwLock::new(keys) })
    }

    pub(super) fn generation(&self) -> u64 {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).generation
    }

    /// The key that a token names, of the algorithm that is pinned.
    pub(super) fn find(&self, header: &Header) -> Result<(Arc<DecodingKey>, u64), AuthError> {
        if header.alg != self.algorithm {
            return Err(AuthError::AlgorithmWrong);
        }
        let kid = header.kid.as_deref().ok_or(AuthError::Malformed)?;
        if let Some(found) = self.known(kid) {
            return Ok(found);
        }
        self.read_again();
        self.known(kid).ok_or(AuthError::KeyUnknown)
    }

    fn known(&self, kid: &str) -> Option<(Arc<DecodingKey>, u64)> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.by_kid.get(kid).map(|key| (Arc::clone(key), keys.generation))
    }

    fn read_again(&self) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.read_at.elapsed() < REREAD {
            return;
        }
        keys.read_at = Instant::now();
        match read(&self.path, self.algorithm) {
            Ok(by_kid) => {
                keys.by_kid = by_kid;
                keys.generation += 1;
            }
            // The keys that are known go on: a half-written file must not lock everybody out.
            Err(why) => tracing::error!(why, "Keys of an issuer could not be read again"),
        }
    }
}

fn read(path: &Path, algorithm: Algorithm) -> Result<HashMap<String, Arc<DecodingKey>>, String> {
    let len = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if len > LEN_MAX {
        return Err(format!("the key set is larger than {LEN_MAX} bytes"));
    }
    let text = std::fs::read(path).map_err(|e| e.to_string())?;
    let set: JwkSet = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
    if set.keys.len() > KEYS_MAX {
        return Err(format!("the key set has more than {KEYS_MAX} keys"));
    }
    let mut keys = HashMap::new();
    for jwk in &set.keys {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the list of the library is open")]
        let fits = match &jwk.algorithm {
            AlgorithmParameters::EllipticCurve(_) => algorithm == Algorithm::ES256,
            AlgorithmParameters::OctetKeyPair(_) => algorithm == Algorithm::EdDSA,
            AlgorithmParameters::RSA(_) => algorithm == Algorithm::RS256,
            _ => return Err("the key set holds a symmetric or unknown key".to_owned()),
        };
        if !fits {
            continue;
        }
        let kid = jwk.common.key_id.clone().ok_or("a key has no kid")?;
        let key = DecodingKey::from_jwk(jwk).map_err(|e| e.to_string())?;
        if keys.insert(kid, Arc::new(key)).is_some() {
            return Err("two keys have one kid".to_owned());
        }
    }
    if keys.is_empty() { Err("the key set holds no key to use".to_owned()) } else { Ok(keys) }
}
