//! The grid of agency, purpose and category: what is possible at all, under some role and some facts. Pure.

use std::collections::BTreeSet;

use super::book::{Effect, Ground, RuleBook};
use super::boxes::{Region, Space, TooManyBoxes};
use crate::domain::FieldId;

/// The grid as CSV: a row for each agency and purpose that has something, a column for each category that
/// somebody may have something of. `F`: all fields; `f`: some; `r`: only where the holder judges; `.`: none.
///
/// # Errors
/// When the rows are too many-sided.
pub fn grid(book: &RuleBook) -> Result<String, TooManyBoxes> {
    let space = Space::of(&[book]);
    let denies = space.rows(book, Effect::Deny);
    let allows = |judged: bool| -> Result<Region, TooManyBoxes> {
        let rows = book.rules.iter().filter(|rule| {
            rule.effect == Effect::Allow && (judged || rule.ground != Some(Ground::Holder))
        });
        rows.fold(Region::default(), |all, rule| all.or(space.rule(book, rule))).minus(&denies)
    };
    let (plain, judged) = (allows(false)?, allows(true)?);
    let mut rows = Vec::new();
    for agency in book.agencies.keys() {
        for purpose in book.purposes.keys() {
            let (agencies, purposes) =
                (BTreeSet::from([agency.clone()]), BTreeSet::from([purpose.clone()]));
            let area = space.region(Some(&agencies), None, Some(&purposes), None, &[]);
            let (plain, judged) = (plain.and(&area)?, judged.and(&area)?);
            if judged.is_empty() {
                continue;
            }
            let cells: Vec<char> = book
                .categories
                .values()
                .map(|category| cell(&space, &category.fields, &plain, &judged))
                .collect();
            rows.push((agency, purpose, cells));
        }
    }
    let used: Vec<usize> = (0..book.categories.len())
        .filter(|n| rows.iter().any(|(_, _, cells)| cells.get(*n).is_some_and(|c| *c != '.')))
        .collect();
    let categories: Vec<&str> = book.categories.keys().map(|category| category.as_str()).collect();
    let named = used.iter().filter_map(|n| categories.get(*n).copied()).collect::<Vec<_>>();
    let mut out = format!("agency,purpose,{}\n", named.join(","));
    for (agency, purpose, cells) in rows {
        let shown: Vec<String> =
            used.iter().filter_map(|n| cells.get(*n)).map(ToString::to_string).collect();
        out.push_str(&format!("{agency},{purpose},{}\n", shown.join(",")));
    }
    Ok(out)
}

fn cell(space: &Space, fields: &[FieldId], plain: &Region, judged: &Region) -> char {
    let open = |region: &Region| {
        let one = |field: &&FieldId| {
            let field = BTreeSet::from([(*field).clone()]);
            region.meets(&space.region(None, None, None, Some(&field), &[]))
        };
        fields.iter().filter(one).count()
    };
    match (open(plain), open(judged)) {
        (0, 0) => '.',
        (0, _) => 'r',
        (some, _) if some == fields.len() => 'F',
        (_, _) => 'f',
    }
}
