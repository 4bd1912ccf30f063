//! Keys and signed heads: C2SP signed notes that hold checkpoints, Ed25519.

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::encoding::{Hash, base64, hash, hex, number, to_base64};

/// Signature type Ed25519 of signed notes.
const ED25519: u8 = 1;
/// Longest note, in bytes.
const NOTE_LEN_MAX: usize = 64 * 1024;
/// Most signatures of a note.
const SIGNATURES_MAX: usize = 16;
/// Most entries of a log that this program follows.
pub(crate) const SIZE_MAX: u64 = 1 << 62;

/// A log's public key with its name.
#[derive(Debug, Clone)]
pub struct Key {
    name: String,
    public: VerifyingKey,
}

/// What a log has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) origin: String,
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

impl Key {
    /// Reads `name+id+base64(01 ‖ public key)`.
    ///
    /// # Errors
    /// With a sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(bytes)) = (parts.next(), parts.next(), parts.next()) else {
            return Err("a verifier key has three parts joined by +".to_owned());
        };
        let bytes = base64(bytes).ok_or("the verifier key is no base64")?;
        let Some((&ED25519, public)) = bytes.split_first() else {
            return Err("the verifier key is none of Ed25519".to_owned());
        };
        let public = <[u8; 32]>::try_from(public).map_err(|_| "the verifier key is too short")?;
        let public = VerifyingKey::from_bytes(&public)
            .map_err(|_| "the verifier key is no point of Ed25519")?;
        let key = Self { name: name.to_owned(), public };
        if name.is_empty() || name.contains(char::is_whitespace) || hex(&key.id()) != id {
            return Err("the verifier key's id is not that of its name and bytes".to_owned());
        }
        Ok(key)
    }

    /// The log's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first 4 bytes of SHA-256 over name, newline, type and key.
    fn id(&self) -> Vec<u8> {
        let mut hasher = Sha256::new();
        hasher.update(self.name.as_bytes());
        hasher.update([b'\n', ED25519]);
        hasher.update(self.public.as_bytes());
        hasher.finalize().into_iter().take(4).collect()
    }

    /// The head that this key has signed.
    pub(crate) fn open(&self, note: &str) -> Result<Head, String> {
        if note.len() > NOTE_LEN_MAX {
            return Err("head: it is too long".to_owned());
        }
        let (body, signatures) =
            note.split_once("\n\n").ok_or("head: no empty line before the signatures")?;
        let signatures =
            signatures.strip_suffix('\n').ok_or("head: does not end with a newline")?;
        let head = head_of(body)?;
        if head.origin != self.name {
            return Err(format!("head {}: it is of another log, not {}", head.size, self.name));
        }
        let lines: Vec<&str> = signatures.split('\n').collect();
        if lines.len() > SIGNATURES_MAX {
            return Err(format!("head {}: more than {SIGNATURES_MAX} signatures", head.size));
        }
        let (text, own) = (format!("{body}\n"), self.id());
        let mut signed = false;
        for (at, line) in (1..).zip(lines) {
            let (name, id, signature) = signature_of(line)
                .ok_or_else(|| format!("head {}: signature {at} is malformed", head.size))?;
            let by_key = name == self.name && id == own;
            signed |= by_key
                && Signature::from_slice(&signature).is_ok_and(|signature| {
                    self.public.verify_strict(text.as_bytes(), &signature).is_ok()
                });
        }
        if signed { Ok(head) } else { Err(format!("head {}: not signed by the key", head.size)) }
    }
}

/// The three lines above the empty one.
fn head_of(body: &str) -> Result<Head, String> {
    let lines: Vec<&str> = body.split('\n').collect();
    let [origin, size, root] = lines.as_slice() else {
        return Err("head: it is not three lines".to_owned());
    };
    let size = number(size).ok_or("head: the size is no number")?;
    if size > SIZE_MAX {
        return Err("head: no log has so many entries".to_owned());
    }
    let root = hash(root).ok_or_else(|| format!("head {size}: the root is no hash"))?;
    Ok(Head { origin: (*origin).to_owned(), size, root })
}

/// Name, key id and signature of a line.
fn signature_of(line: &str) -> Option<(&str, Vec<u8>, Vec<u8>)> {
    let (name, signed) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let mut id = base64(signed)?;
    if name.is_empty() || id.len() < 5 {
        return None;
    }
    let signature = id.split_off(4);
    Some((name, id, signature))
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} entries of {}, root {}", self.size, self.origin, to_base64(&self.root))
    }
}
