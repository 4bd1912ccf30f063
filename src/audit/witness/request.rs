//! The body of `add-checkpoint`, and of the answer that names a size.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::tree::Hash;
use super::Declined;

/// Longest body, in bytes.
pub const REQUEST_LEN_MAX: usize = 64 * 1024;
/// Most hashes of a proof in it.
pub const GROWTH_LEN_MAX: usize = 63;

/// A head that is submitted to a witness, with the proof that it grew out of an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the proof begins at.
    pub old: u64,
    /// The consistency proof.
    pub growth: Vec<Hash>,
    /// The signed note, whole.
    pub note: String,
}

/// A decimal as the protocol has it: no sign, no leading zero.
fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

impl AddCheckpoint {
    /// Reads a body.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(text: &str) -> Result<Self, Declined> {
        if text.len() > REQUEST_LEN_MAX || !text.ends_with('\n') {
            return Err(Declined::Malformed);
        }
        let (above, note) = text.split_once("\n\n").ok_or(Declined::Malformed)?;
        let mut lines = above.split('\n');
        let old = lines.next().and_then(|line| decimal(line.strip_prefix("old ")?));
        let mut growth = Vec::new();
        for line in lines {
            if growth.len() == GROWTH_LEN_MAX {
                return Err(Declined::Malformed);
            }
            let hash = STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok());
            growth.push(hash.ok_or(Declined::Malformed)?);
        }
        let old = old.ok_or(Declined::Malformed)?;
        Ok(Self { old, growth, note: note.to_owned() })
    }

    /// The body.
    #[must_use]
    pub fn text(&self) -> String {
        let growth: String = self.growth.iter().map(|h| STANDARD.encode(h) + "\n").collect();
        format!("old {}\n{growth}\n{}", self.old, self.note)
    }

    /// The name of the log, as the head says; nothing has verified it.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.note.split('\n').next().unwrap_or_default()
    }
}

/// The body of a conflict: the size of the latest head that was signed.
#[must_use]
pub fn size_answer(size: u64) -> String {
    format!("{size}\n")
}

/// The size that such a body names.
#[must_use]
pub fn size_answered(body: &str) -> Option<u64> {
    decimal(body.strip_suffix('\n')?)
}
