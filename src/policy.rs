//! The rule book: files -> [`book::RuleBook`] -> [`PolicySnapshot`] -> [`PolicySnapshot::decide`].
//! Pure after load; casbin is used nowhere else.

mod age;
pub mod book;
mod consented;
mod decide;
mod decision;
mod engine;
mod explain;
mod gates;
pub mod load;
pub mod scenario;
mod selfcheck;
mod view;

pub use decision::{
    Decision, Explanation, FieldOutcome, Missing, Outcome, Path, PathKind, Permit, Shortfall,
    UsedConsent, View,
};
pub use engine::Layout;

/// An immutable rule book with its engine, swapped whole.
pub struct PolicySnapshot {
    book: book::RuleBook,
    engine: engine::Engine,
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
        let policy = Self::build_as(book, Layout::Sectioned)?;
        selfcheck::check(&policy.engine, &policy.book)?;
        Ok(policy)
    }

    /// Builds the engine in another layout, without the checks: for comparison only.
    ///
    /// # Errors
    /// When the model or a row is not accepted by casbin.
    pub fn build_as(book: book::RuleBook, layout: Layout) -> Result<Self, EngineError> {
        let engine = engine::Engine::build(&book, layout)?;
        Ok(Self { book, engine })
    }

    /// The rule book inside.
    #[must_use]
    pub const fn book(&self) -> &book::RuleBook {
        &self.book
    }
}

#[cfg(test)]
mod tests;
