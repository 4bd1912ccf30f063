//! Signed heads: C2SP tlog-checkpoint bodies as C2SP signed notes, Ed25519.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::tree::Hash;

/// Signature type Ed25519 of the signed-note format.
const ED25519_TYPE: u8 = 1;

/// A head: how much, and which root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// Root.
    pub root: Hash,
}

/// Why a note is not a head signed by this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a signed note of the expected form.
    #[error("the note is malformed")]
    Malformed,
    /// Of another log.
    #[error("the note is of another log")]
    Origin,
    /// Not signed by the key.
    #[error("the note is not signed by this key")]
    Unsigned,
    /// Not a verifier key or a seed.
    #[error("the key is malformed")]
    Key,
}

/// Most signatures of a note, the log's and those of witnesses.
const SIGNATURES_MAX: usize = 16;

/// The hub's signing key.
pub struct SigningKey {
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

impl SigningKey {
    /// From its 32 secret bytes.
    ///
    /// # Errors
    /// When the seed is not 32 bytes long.
    pub fn from_seed(seed: &[u8]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::Key)?;
        Ok(Self { pair })
    }

    /// The key that others verify with.
    #[must_use]
    pub fn verifier(&self, name: &str) -> VerifierKey {
        VerifierKey { name: name.to_owned(), public: self.pair.public_key().as_ref().to_vec() }
    }

    /// Signs a head: the note's text, ending in a newline.
    #[must_use]
    pub fn sign(&self, checkpoint: &Checkpoint) -> String {
        let body = body(checkpoint);
        let mut signed = self.verifier(&checkpoint.origin).id().to_vec();
        signed.extend(self.pair.sign(body.as_bytes()).as_ref());
        format!("{body}\n\u{2014} {} {}\n", checkpoint.origin, STANDARD.encode(signed))
    }
}

fn body(checkpoint: &Checkpoint) -> String {
    format!("{}\n{}\n{}\n", checkpoint.origin, checkpoint.size, STANDARD.encode(checkpoint.root))
}

/// A public key with its name, in the text form of the signed-note format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: Vec<u8>,
}

impl VerifierKey {
    /// Reads `name+hash+base64`.
    ///
    /// # Errors
    /// When the text is no Ed25519 verifier key, or its hash is not its own.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key);
        };
        let key = STANDARD.decode(key).map_err(|_| NoteError::Key)?;
        let Some((&ED25519_TYPE, public)) = key.split_first() else {
            return Err(NoteError::Key);
        };
        let parsed = Self { name: name.to_owned(), public: public.to_vec() };
        if public.len() == 32 && hex::encode(parsed.id()) == id {
            Ok(parsed)
        } else {
            Err(NoteError::Key)
        }
    }

    /// The log's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text form.
    #[must_use]
    pub fn text(&self) -> String {
        let mut key = vec![ED25519_TYPE];
        key.extend(&self.public);
        format!("{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(key))
    }

    fn id(&self) -> [u8; 4] {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(self.name.as_bytes());
        context.update(&[b'\n', ED25519_TYPE]);
        context.update(&self.public);
        let digest = context.finish();
        let mut id = [0; 4];
        for (to, from) in id.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        id
    }

    /// Reads a note that this key has signed.
    ///
    /// # Errors
    /// When it is malformed, of another log, or not signed by this key.
    pub fn open(&self, note: &str) -> Result<Checkpoint, NoteError> {
        let (body, signatures) = note.split_once("\n\n").ok_or(NoteError::Malformed)?;
        let signatures = signatures.strip_suffix('\n').ok_or(NoteError::Malformed)?;
        let is_line = |line: &str| line.starts_with("\u{2014} ");
        if !signatures.split('\n').all(is_line) || signatures.split('\n').count() > SIGNATURES_MAX {
            return Err(NoteError::Malformed);
        }
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(NoteError::Malformed);
        };
        if origin != self.name {
            return Err(NoteError::Origin);
        }
        let number: u64 = size.parse().map_err(|_| NoteError::Malformed)?;
        if number.to_string() != size {
            return Err(NoteError::Malformed);
        }
        let root = STANDARD.decode(root).ok().and_then(|root| root.try_into().ok());
        let checkpoint = Checkpoint {
            origin: origin.to_owned(),
            size: number,
            root: root.ok_or(NoteError::Malformed)?,
        };
        let text = format!("{body}\n");
        let key = UnparsedPublicKey::new(&ED25519, &self.public);
        let prefix = format!("\u{2014} {} ", self.name);
        let signed = signatures.split('\n').any(|line| {
            let decoded = line.strip_prefix(&prefix).and_then(|s| STANDARD.decode(s).ok());
            decoded.is_some_and(|bytes| {
                bytes.split_at_checked(4).is_some_and(|(id, signature)| {
                    id == self.id() && key.verify(text.as_bytes(), signature).is_ok()
                })
            })
        });
        if signed { Ok(checkpoint) } else { Err(NoteError::Unsigned) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_head_opens_with_its_key_only() {
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        let head = Checkpoint { origin: "hub.example/audit".into(), size: 7, root: [9; 32] };
        let note = key.sign(&head);
        let verifier = VerifierKey::parse(&key.verifier(&head.origin).text()).unwrap();
        assert_eq!(verifier.open(&note), Ok(head.clone()));
        assert_eq!(verifier.open(&note.replace("\n7\n", "\n8\n")), Err(NoteError::Unsigned));
        assert_eq!(verifier.open(&note.replace("\n7\n", "\n07\n")), Err(NoteError::Malformed));
        let other = SigningKey::from_seed(&[2; 32]).unwrap();
        assert_eq!(other.verifier(&head.origin).open(&note), Err(NoteError::Unsigned));
        assert_eq!(key.verifier("else").open(&note), Err(NoteError::Origin));
        for wrong in [note.trim_end(), &format!("{note}\n"), &note.replace(" hub", "\r hub")] {
            assert_eq!(verifier.open(wrong), Err(NoteError::Malformed));
        }
        assert!(VerifierKey::parse("hub+00000000+AQ==").is_err());
        // Witnesses may have signed as well; sixteen signatures in all, and none beyond is read.
        let witnessed =
            |more: usize| format!("{note}{}", "\u{2014} witness AAAAAAAA\n".repeat(more));
        assert_eq!(verifier.open(&witnessed(15)), Ok(head));
        assert_eq!(verifier.open(&witnessed(16)), Err(NoteError::Malformed));
    }
}
