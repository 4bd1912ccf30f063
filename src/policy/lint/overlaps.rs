//! Rows that open the same: one of them without need, or with other duties.

use super::law::{allows, bad};
use super::{Found, View, listed};
use crate::policy::book::Rule;
use crate::policy::boxes::{Region, TooManyBoxes};

pub(super) const CODES: &[&str] = &["W41", "W42"];

pub(super) fn check(view: &View<'_>, found: &mut Found) -> Result<(), TooManyBoxes> {
    let open: Vec<(&Rule, Region)> =
        allows(view.book).map(|rule| (rule, view.space.rule(view.book, rule))).collect();
    for (at, (rule, region)) in open.iter().enumerate() {
        let mut left = Some(region.clone());
        let mut by = Vec::new();
        for (n, (other, theirs)) in open.iter().enumerate() {
            if n == at || !shares(rule, other) || !region.meets(theirs) {
                continue;
            }
            if other.duties != rule.duties && n > at {
                let says = format!(
                    "opens some of what {} ({} line {}) opens, with other duties: {} here, {} there. \
                     Of two rows that pass, a duty goes before a power, then the lower number. Give both \
                     the same duties, or tell them apart.",
                    other.id,
                    other.file,
                    other.line,
                    listed(&rule.duties),
                    listed(&other.duties)
                );
                bad(found, "W42", rule, format!("duties: {}", listed(&rule.duties)), &says);
            }
            // Of two rows that say the same, the later one is without need.
            let twin = n > at && theirs.clone().minus(region)?.is_empty();
            if other.duties.is_superset(&rule.duties)
                && !twin
                && let Some(rest) = left.take()
            {
                left = Some(rest.minus(theirs)?);
                by.push(other.id.to_string());
            }
        }
        if left.is_some_and(|left| left.is_empty()) {
            let says = format!(
                "opens nothing that {} does not open as well, with duties no lighter. Take it out, or \
                 tell it apart.",
                by.join(", ")
            );
            bad(found, "W41", rule, rule.cells.get(3).cloned().unwrap_or_default(), &says);
        }
    }
    Ok(())
}

/// Quicker than boxes, and never wrong: rows without a purpose in common have no request in common.
fn shares(rule: &Rule, other: &Rule) -> bool {
    use crate::policy::book::Cell;
    match (&rule.purposes, &other.purposes) {
        (Cell::These(mine), Cell::These(theirs)) => !mine.is_disjoint(theirs),
        (Cell::Any, _) | (_, Cell::Any) => true,
    }
}
