//! Checks the words of a write against the policy in force, and names the nearest word that it has.
//! Never repeats what the asker wrote.

use crate::domain::{
    AgencyId, CategoryId, ExemptionId, FieldId, FlagId, GatewayId, NoticeId, OutcomeId, PurposeId,
    Scope,
};
use crate::policy::book::{ExemptionUse, INVOLVEMENT, RuleBook};

use super::error::{HubError, Violation};

/// Collects what is wrong with the words of one request.
pub struct Words<'a> {
    book: &'a RuleBook,
    violations: Vec<Violation>,
}

impl<'a> Words<'a> {
    /// Checks against `book`.
    pub const fn of(book: &'a RuleBook) -> Self {
        Self { book, violations: Vec::new() }
    }

    /// A purpose.
    pub fn purpose(&mut self, field: &str, word: &PurposeId) {
        let book = self.book;
        let known = book.purposes.keys().map(PurposeId::as_str);
        self.check(field, "purpose", word.as_str(), known);
    }

    /// An agency.
    pub fn agency(&mut self, field: &str, word: &AgencyId) {
        let book = self.book;
        let known = book.agencies.keys().map(AgencyId::as_str);
        self.check(field, "agency", word.as_str(), known);
    }

    /// A flag.
    pub fn flag(&mut self, field: &str, word: &FlagId) {
        let book = self.book;
        let known = book.flags.keys().map(FlagId::as_str);
        self.check(field, "flag", word.as_str(), known);
    }

    /// A gateway.
    pub fn gateway(&mut self, field: &str, word: &GatewayId) {
        let book = self.book;
        let known = book.gateways.keys().map(GatewayId::as_str);
        self.check(field, "gateway", word.as_str(), known);
    }

    /// A category.
    pub fn category(&mut self, field: &str, word: &CategoryId) {
        let book = self.book;
        let known = book.categories.keys().map(CategoryId::as_str);
        self.check(field, "category", word.as_str(), known);
    }

    /// What a review found.
    pub fn outcome(&mut self, field: &str, word: &OutcomeId) {
        let book = self.book;
        let known = book.outcomes.keys().map(OutcomeId::as_str);
        self.check(field, "outcome", word.as_str(), known);
    }

    /// Why something is left out or kept.
    pub fn exemption(&mut self, field: &str, word: &ExemptionId, of: ExemptionUse) {
        let book = self.book;
        let good = book.exemptions.iter().filter(|(_, exemption)| exemption.of == of);
        self.check(field, "reason", word.as_str(), good.map(|(id, _)| id.as_str()));
    }

    /// A notice.
    pub fn notice(&mut self, field: &str, word: &NoticeId) {
        let book = self.book;
        let known = book.notices.keys().map(NoticeId::as_str);
        self.check(field, "notice", word.as_str(), known);
    }

    /// A category that holders publish.
    pub fn published(&mut self, field: &str, word: &CategoryId) {
        self.category(field, word);
        if word.as_str().split('/').next() == Some(INVOLVEMENT) {
            self.wrong(
                field,
                "is told by the hub itself from its links: nothing of it is published",
            );
        }
    }

    /// A field or a whole category.
    pub fn scope(&mut self, field: &str, scope: &Scope) {
        match scope {
            Scope::Category(category) => self.category(field, category),
            Scope::Field(one) => {
                let book = self.book;
                let known = book.fields.keys().map(FieldId::as_str);
                self.check(field, "field", one.as_str(), known);
            }
        }
    }

    /// A field of `category`.
    pub fn field_of(&mut self, field: &str, category: &CategoryId, word: &FieldId) {
        let book = self.book;
        let fields = book.categories.get(category).map(|c| c.fields.as_slice());
        let known = fields.unwrap_or_default().iter().map(FieldId::as_str);
        self.check(field, "field of this category", word.as_str(), known);
    }

    /// A nation that a partner agency has.
    pub fn nation(&mut self, field: &str, word: &str) {
        let book = self.book;
        let agencies = book.agencies.values().map(|a| a.nation.as_str());
        let gateways = book.gateways.values().flat_map(|g| g.nations.iter().map(String::as_str));
        self.check(field, "nation", word, agencies.chain(gateways));
    }

    /// Something else that is wrong.
    pub fn wrong(&mut self, field: &str, what: &str) {
        if self.violations.len() < crate::limits::VIOLATIONS_MAX {
            self.violations.push(Violation::new(field, what));
        }
    }

    /// Says what is wrong, if anything is.
    pub fn done(self) -> Result<(), HubError> {
        if self.violations.is_empty() { Ok(()) } else { Err(HubError::Invalid(self.violations)) }
    }

    fn check<'w>(
        &mut self,
        field: &str,
        what: &str,
        word: &str,
        known: impl Iterator<Item = &'w str> + Clone,
    ) {
        if known.clone().any(|k| k == word) {
            return;
        }
        let text = match nearest(word, known) {
            Some(near) => format!("is no {what} of the policy; the nearest is `{near}`"),
            None => format!("is no {what} of the policy"),
        };
        self.wrong(field, &text);
    }
}

/// The known word that is nearest to what was written.
fn nearest<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    known.min_by_key(|candidate| strsim::damerau_levenshtein(word, candidate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_named() {
        let known = ["direct_care", "marac", "court_order"];
        assert_eq!(nearest("derect_care", known.into_iter()), Some("direct_care"));
        assert_eq!(nearest("court-order", known.into_iter()), Some("court_order"));
        assert_eq!(nearest("x", std::iter::empty()), None);
    }
}
