//! The rule book: files -> [`book::RuleBook`] -> [`PolicySnapshot`] -> [`PolicySnapshot::decide`].
//! Pure after load; casbin is used nowhere else.

mod age;
pub mod approval;
pub mod book;
pub mod boxes;
pub mod check;
mod consented;
mod decide;
mod decision;
pub mod diff;
mod engine;
pub mod explain;
mod gates;
pub mod kept;
pub mod lapses;
pub mod lint;
pub mod load;
pub mod matrix;
pub mod prose;
pub mod recall;
pub mod replay;
pub mod rulebook;
pub mod scenario;
mod selfcheck;
pub mod traffic;
mod view;

use std::collections::HashMap;

use crate::domain::PurposeId;
pub use age::{birthday, is_at_least};
use book::{Cell, Effect, Rule, When};
pub use decision::{
    Decision, Explanation, FieldOutcome, Missing, Outcome, Path, PathKind, Permit, Shortfall,
    UsedConsent, View,
};
pub use engine::Layout;

/// An immutable rule book with its engine, swapped whole.
pub struct PolicySnapshot {
    book: book::RuleBook,
    engine: engine::Engine,
    /// Allow rows by purpose, and deny rows that close a whole record unsaid: positions in the table.
    /// They keep a decision from reading the whole table; they decide nothing.
    allows: HashMap<PurposeId, Vec<usize>>,
    closing: Vec<usize>,
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
        let allows =
            book.purposes
                .keys()
                .map(|purpose| {
                    let rows = book.rules.iter().enumerate().filter(|(_, rule)| {
                        rule.effect == Effect::Allow && rule.purposes.has(purpose)
                    });
                    (purpose.clone(), rows.map(|(row, _)| row).collect())
                })
                .collect();
        let unsaid = |rule: &Rule| {
            rule.code
                .and_then(|code| book.codes.get(&code))
                .is_some_and(|meaning| !meaning.spoken_to_requester)
        };
        let closing = (0..)
            .zip(&book.rules)
            .filter(|(_, rule)| {
                rule.effect == Effect::Deny
                    && rule.categories == Cell::Any
                    && rule.only.is_empty()
                    && rule.when.iter().any(|when| matches!(when, When::Flag(_)))
                    && unsaid(rule)
            })
            .map(|(row, _)| row)
            .collect();
        Ok(Self { book, engine, allows, closing })
    }

    /// The allow rows for a purpose; none for one that the vocabulary does not have.
    fn allows_for(&self, purpose: &PurposeId) -> impl Iterator<Item = &Rule> {
        let rows = self.allows.get(purpose).map(Vec::as_slice).unwrap_or_default();
        rows.iter().filter_map(|row| self.book.rules.get(*row))
    }

    /// The rule book inside.
    #[must_use]
    pub const fn book(&self) -> &book::RuleBook {
        &self.book
    }
}

#[cfg(test)]
mod tests;
