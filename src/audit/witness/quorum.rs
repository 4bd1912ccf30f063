//! How many of which witnesses must have signed a head.

use super::key::{Cosignature, WitnessKey};

/// Most witnesses of one log: a reader takes 16 signatures of a note, one of which is the log's.
pub const WITNESSES_MAX: usize = 15;

/// Why so many of these witnesses are no quorum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// More than there are, or none.
    #[error("a quorum is 1 to {0}, as many as there are witnesses")]
    Number(usize),
    /// Two with one name or one key: one would count for two.
    #[error("the witness {0} stands twice")]
    Twice(String),
    /// More than a note is read for.
    #[error("there are more than {WITNESSES_MAX} witnesses")]
    Many,
}

/// So many of these witnesses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    needed: usize,
    of: Vec<WitnessKey>,
}

impl Quorum {
    /// `needed` of the witnesses `of`.
    ///
    /// # Errors
    /// When that means nothing, or one witness would count twice.
    pub fn new(needed: usize, of: Vec<WitnessKey>) -> Result<Self, QuorumError> {
        if of.len() > WITNESSES_MAX {
            return Err(QuorumError::Many);
        }
        for (n, key) in of.iter().enumerate() {
            let twice = |other: &&WitnessKey| other.is_same_key(key) || other.name() == key.name();
            if of.iter().take(n).any(|other| twice(&other)) {
                return Err(QuorumError::Twice(key.name().to_owned()));
            }
        }
        if needed == 0 || needed > of.len() {
            return Err(QuorumError::Number(of.len()));
        }
        Ok(Self { needed, of })
    }

    /// How many are needed.
    #[must_use]
    pub const fn needed(&self) -> usize {
        self.needed
    }

    /// The witnesses.
    #[must_use]
    pub fn witnesses(&self) -> &[WitnessKey] {
        &self.of
    }

    /// Who of them has signed a note.
    #[must_use]
    pub fn signed(&self, note: &str) -> Vec<(&WitnessKey, Cosignature)> {
        self.of.iter().filter_map(|key| Some((key, key.find(note)?))).collect()
    }

    /// Whether enough of them have signed a note.
    #[must_use]
    pub fn is_met(&self, note: &str) -> bool {
        self.signed(note).len() >= self.needed
    }
}
