//! The rule book: files -> [`book::RuleBook`] -> [`PolicySnapshot`] -> [`PolicySnapshot::decide`].
//! Pure after load; casbin is used nowhere else.

pub mod book;
mod decision;
pub mod load;

use jiff::Timestamp;

pub use decision::{
    Decision, Explanation, FieldOutcome, Missing, Outcome, Path, PathKind, Permit, Shortfall,
    UsedConsent, View,
};

use crate::domain::{Ask, Facts, FieldId};

/// An immutable rule book with its engine, swapped whole.
pub struct PolicySnapshot {
    book: book::RuleBook,
}

/// Why a rule book cannot be put to work.
#[derive(Debug, thiserror::Error)]
#[error("the policy cannot be put to work: {0}")]
pub struct EngineError(String);

impl PolicySnapshot {
    /// Builds the engine and checks it against itself.
    ///
    /// # Errors
    /// When the model or a row does not do in casbin what it says.
    pub fn build(book: book::RuleBook) -> Result<Self, EngineError> {
        Ok(Self { book })
    }

    /// The rule book inside.
    #[must_use]
    pub const fn book(&self) -> &book::RuleBook {
        &self.book
    }

    /// Decides one ask. Pure and total: same inputs, same answer, for ever.
    #[must_use]
    pub fn decide(&self, _ask: &Ask, _facts: &Facts, _as_of: Timestamp) -> Decision {
        unimplemented!()
    }

    /// What the requester may see of `decision`. `holds` tells whether the holder has a value for a
    /// released field: one that holds nothing is shown like one that is closed.
    #[must_use]
    pub fn view(&self, _decision: &Decision, _holds: impl Fn(&FieldId) -> bool) -> View {
        unimplemented!()
    }

    /// Explains a view in plain words.
    #[must_use]
    pub fn explain(&self, _ask: &Ask, _facts: &Facts, _view: &View) -> Explanation {
        unimplemented!()
    }
}
