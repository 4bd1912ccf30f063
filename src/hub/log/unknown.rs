//! Words of a search that the policy in force does not have: a slip, or words of an earlier policy. An empty
//! answer that says nothing of them reads as if nothing had happened.

use super::super::entry::UNKNOWN;
use crate::audit::entry::Facet;
use crate::policy::book::RuleBook;
use crate::policy::load::nearest;
use crate::store::Search;

/// A word of a search that the policy in force does not have.
#[derive(Debug, Clone)]
pub struct UnknownWord {
    /// Where it stands in a search, as the contract names it.
    pub field: &'static str,
    /// What it should be: an agency, a purpose.
    pub what: &'static str,
    /// The word.
    pub word: String,
    /// The word of the policy that is most like it.
    pub nearest: Option<String>,
    /// A search for this word alone.
    alone: Search,
}

impl UnknownWord {
    /// A search for whatever entry has the word.
    #[must_use]
    pub fn alone(&self) -> Search {
        Search { limit: 1, ..self.alone.clone() }
    }
}

/// The words of `search` that `book` does not have. Codes and outcomes are no words of a policy.
#[must_use]
pub fn unknown_words(book: &RuleBook, search: &Search) -> Vec<UnknownWord> {
    let mut found = Vec::new();
    if let Some(agency) = &search.agency {
        let alone = Search { agency: Some(agency.clone()), ..Search::default() };
        let valid = book.agencies.keys().map(|one| one.as_str());
        found.extend(unknown(("asker", "agency"), agency.as_str(), valid, alone));
    }
    if let Some(category) = &search.category {
        let alone = Search { category: Some(category.clone()), ..Search::default() };
        let valid = book.categories.keys().map(|one| one.as_str());
        found.extend(unknown(("category", "category"), category.as_str(), valid, alone));
    }
    for (facet, word) in &search.facets {
        let Some((named, valid)) = vocabulary(book, *facet) else { continue };
        let alone = Search { facets: vec![(*facet, word.clone())], ..Search::default() };
        found.extend(unknown(named, word, valid.into_iter(), alone));
    }
    found
}

/// What the policy calls the words of a facet, and all of them; `None` where it has no say.
fn vocabulary(book: &RuleBook, facet: Facet) -> Option<((&'static str, &'static str), Vec<&str>)> {
    if facet == Facet::Holder {
        let all = book.agencies.keys().map(|one| one.as_str());
        return Some((("holder", "agency"), all.collect()));
    }
    if facet == Facet::Purpose {
        let all = book.purposes.keys().map(|one| one.as_str());
        return Some((("purpose", "purpose"), all.collect()));
    }
    if facet == Facet::Released {
        let all = book.fields.keys().map(|one| one.as_str());
        return Some((("released", "field"), all.collect()));
    }
    if facet == Facet::Rules {
        let all = book.rules.iter().map(|one| one.id.as_str());
        return Some((("rule", "rule"), all.collect()));
    }
    if facet == Facet::Agreements {
        let all = book.agreements.keys().map(|one| one.as_str());
        return Some((("agreement", "agreement"), all.collect()));
    }
    if facet == Facet::Override {
        let all = book.overrides.keys().map(|one| one.as_str());
        return Some((("override", "override"), all.collect()));
    }
    None
}

fn unknown<'a>(
    (field, what): (&'static str, &'static str),
    word: &str,
    valid: impl Iterator<Item = &'a str> + Clone,
    alone: Search,
) -> Option<UnknownWord> {
    if word == UNKNOWN || valid.clone().any(|one| one == word) {
        return None;
    }
    let nearest = nearest(word, valid);
    Some(UnknownWord { field, what, word: word.to_owned(), nearest, alone })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::policy::load::load_dir;

    #[test]
    fn each_word_of_a_search_is_held_against_the_policy() {
        let book = load_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")).unwrap();
        let rule = book.rules[0].id.to_string();
        let facet = |facet, word: &str| Search {
            facets: vec![(facet, word.to_owned())],
            ..Search::default()
        };
        let asker =
            |word: &str| Search { agency: Some(word.parse().unwrap()), ..Search::default() };
        let category =
            |word: &str| Search { category: Some(word.parse().unwrap()), ..Search::default() };
        for (what, search, wanted) in [
            ("nothing", Search::default(), None),
            ("a purpose", facet(Facet::Purpose, "direct_care"), None),
            ("a rule", facet(Facet::Rules, &rule), None),
            ("a code", facet(Facet::Codes, "nonsense"), None),
            ("an outcome", facet(Facet::Outcome, "nonsense"), None),
            ("what no policy had", facet(Facet::Purpose, UNKNOWN), None),
            ("purpose", facet(Facet::Purpose, "derect_care"), Some(("purpose", "direct_care"))),
            ("holder", facet(Facet::Holder, "oakdale-gq"), Some(("holder", "oakdale-gp"))),
            ("asker", asker("oakdale-gq"), Some(("asker", "oakdale-gp"))),
            ("category", category("health/sumary"), Some(("category", "health/summary"))),
            (
                "field",
                facet(Facet::Released, "health/summary.allergy"),
                Some(("released", "health/summary.allergies")),
            ),
            ("agreement", facet(Facet::Agreements, "isa-caer"), Some(("agreement", "isa-care"))),
            ("override", facet(Facet::Override, "BRAKE_GLASS"), Some(("override", "BREAK_GLASS"))),
        ] {
            let found = unknown_words(&book, &search);
            let told = found.first().map(|one| (one.field, one.nearest.as_deref().unwrap_or("")));
            assert_eq!((told, found.len() < 2), (wanted, true), "{what}");
            let alone = found.first().map(UnknownWord::alone);
            let same = |alone: &Search| {
                (&alone.agency, &alone.category, &alone.facets)
                    == (&search.agency, &search.category, &search.facets)
            };
            assert!(alone.is_none_or(|alone| same(&alone) && alone.limit == 1), "{what}");
        }
    }
}
