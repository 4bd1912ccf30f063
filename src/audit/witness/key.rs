//! Keys of witnesses, and what they sign: `cosignature/v1` with Ed25519.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::super::checkpoint::NoteError;

/// Signature type of a timestamped Ed25519 cosignature.
const COSIGNATURE_TYPE: u8 = 4;
/// Signatures of a note that are looked at.
const LINES_MAX: usize = 64;

/// What was found under a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// When the witness signed, by its clock.
    pub at: Timestamp,
    /// The line of the note, without its end.
    pub line: String,
}

/// The public key of a witness with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    public: Vec<u8>,
}

/// A name must be one word of a note.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('+') && !name.contains(char::is_whitespace)
}

/// The text above the signatures, with its last newline.
fn body(note: &str) -> Option<&str> {
    note.find("\n\n").and_then(|end| note.get(..=end))
}

fn message(body: &str, at: Timestamp) -> String {
    format!("cosignature/v1\ntime {}\n{body}", at.as_second())
}

impl WitnessKey {
    /// Reads `name+hash+base64`.
    ///
    /// # Errors
    /// When the text is no key of a witness, or its hash is not its own.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key);
        };
        let key = STANDARD.decode(key).map_err(|_| NoteError::Key)?;
        let Some((&COSIGNATURE_TYPE, public)) = key.split_first() else {
            return Err(NoteError::Key);
        };
        let parsed = Self { name: name.to_owned(), public: public.to_vec() };
        let sound = is_name(name) && public.len() == 32 && hex::encode(parsed.id()) == id;
        if sound { Ok(parsed) } else { Err(NoteError::Key) }
    }

    /// The name of the witness.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text form.
    #[must_use]
    pub fn text(&self) -> String {
        let mut key = vec![COSIGNATURE_TYPE];
        key.extend(&self.public);
        format!("{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(key))
    }

    /// Whether two keys are one under two names.
    #[must_use]
    pub fn is_same_key(&self, other: &Self) -> bool {
        self.public == other.public
    }

    fn id(&self) -> [u8; 4] {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(self.name.as_bytes());
        context.update(&[b'\n', COSIGNATURE_TYPE]);
        context.update(&self.public);
        let mut id = [0; 4];
        for (to, from) in id.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        id
    }

    /// What this witness has signed of a note, the newest where there are several.
    #[must_use]
    pub fn find(&self, note: &str) -> Option<Cosignature> {
        let body = body(note)?;
        let lines = note.get(body.len() + 1..)?.lines().take(LINES_MAX);
        lines.filter_map(|line| self.read(body, line)).max_by_key(|found| found.at)
    }

    /// What this witness has signed of the note `of`, if `line` says so.
    #[must_use]
    pub fn verify(&self, of: &str, line: &str) -> Option<Cosignature> {
        self.read(body(of)?, line)
    }

    fn read(&self, body: &str, line: &str) -> Option<Cosignature> {
        let (name, signed) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let signed = STANDARD.decode(signed).ok()?;
        let (id, rest) = signed.split_at_checked(4)?;
        let (seconds, signature) = rest.split_first_chunk::<8>()?;
        if name != self.name || id != self.id() {
            return None;
        }
        let seconds = i64::try_from(u64::from_be_bytes(*seconds)).ok()?;
        let at = Timestamp::from_second(seconds).ok()?;
        let key = UnparsedPublicKey::new(&ED25519, &self.public);
        key.verify(message(body, at).as_bytes(), signature).ok()?;
        Some(Cosignature { at, line: line.to_owned() })
    }
}

/// The signing key of a witness.
pub struct WitnessSigner {
    name: String,
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for WitnessSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WitnessSigner(..)")
    }
}

impl WitnessSigner {
    /// From its name and its 32 secret bytes.
    ///
    /// # Errors
    /// When the seed is not 32 bytes long, or the name is not one word without a plus sign.
    pub fn from_seed(name: &str, seed: &[u8]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::Key)?;
        if is_name(name) { Ok(Self { name: name.to_owned(), pair }) } else { Err(NoteError::Key) }
    }

    /// The key that others verify with.
    #[must_use]
    pub fn key(&self) -> WitnessKey {
        WitnessKey { name: self.name.clone(), public: self.pair.public_key().as_ref().to_vec() }
    }

    /// The signature line, without its end, that this witness puts under a note at a time.
    ///
    /// # Errors
    /// When the note is none, or the time is before 1970.
    pub fn cosign(&self, note: &str, at: Timestamp) -> Result<String, NoteError> {
        let body = body(note).ok_or(NoteError::Malformed)?;
        let seconds = u64::try_from(at.as_second()).map_err(|_| NoteError::Malformed)?;
        let mut signed = self.key().id().to_vec();
        signed.extend(seconds.to_be_bytes());
        signed.extend(self.pair.sign(message(body, at).as_bytes()).as_ref());
        Ok(format!("\u{2014} {} {}", self.name, STANDARD.encode(signed)))
    }
}
