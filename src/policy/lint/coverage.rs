//! Rows that reach too far, and rows that no scenario shows.

use super::law::{allows, bad};
use super::{Found, View};
use crate::policy::book::{Effect, Rule, RuleBook};
use crate::policy::boxes::TooManyBoxes;

pub(super) const CODES: &[&str] = &["W45", "E50"];

/// A row that opens more than one in so many combinations of recipient, purpose and category is broad.
const SHARE: usize = 50;

pub(super) fn check(view: &View<'_>, found: &mut Found) -> Result<(), TooManyBoxes> {
    let book = view.book;
    for rule in allows(book) {
        broad(book, rule, found);
        let Some(hits) = view.hits else { continue };
        let hits = hits.get(&rule.id).copied().unwrap_or_default();
        if hits.is_whole(Effect::Allow) {
            continue;
        }
        let lacks = match (hits.permits + hits.refers, hits.refuses) {
            (0, 0) => {
                "at all: one that is released (or referred) under it, and one that is refused"
            }
            (0, _) => "that is released or referred under it",
            (_, _) => "that is refused under it",
        };
        let says = format!(
            "no scenario passes {lacks}: the row could change and nobody would notice. Add it to \
             scenarios/."
        );
        let seen =
            format!("{} permit, {} refer, {} refuse", hits.permits, hits.refers, hits.refuses);
        bad(found, "E50", rule, seen, &says);
    }
    Ok(())
}

fn broad(book: &RuleBook, rule: &Rule, found: &mut Found) {
    let agencies = book.agencies.keys().filter(|word| rule.agencies.has(*word)).count();
    let purposes = book.purposes.keys().filter(|word| rule.purposes.has(*word)).count();
    let categories = book.categories.keys().filter(|word| rule.categories.has(*word)).count();
    let opened = agencies * purposes * categories;
    let all = book.agencies.len() * book.purposes.len() * book.categories.len();
    if opened.saturating_mul(SHARE) > all && opened > SHARE {
        let says = format!(
            "opens {opened} of the {all} combinations of recipient, purpose and category, more than \
             one in {SHARE}. Split it into rows that name what each needs."
        );
        bad(found, "W45", rule, rule.cells.get(4).cloned().unwrap_or_default(), &says);
    }
}
