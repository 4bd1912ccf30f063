//! The promises proved with boxes: for every request there can be, not for those that somebody
//! thought of.

use std::collections::BTreeSet;

use super::law::allows;
use super::{Found, View};
use crate::domain::{AgencyId, CategoryId, FieldId, PurposeId, RoleId};
use crate::policy::book::{Agreement, Cell, Effect, Promise, PromiseKind, Rule, RuleBook};
use crate::policy::boxes::{Region, State, TooManyBoxes};
use crate::policy::load::PROMISES;

pub(super) const CODES: &[&str] = &["E46"];

/// Boxes of a broken region that are written out.
const LINES_MAX: usize = 3;
/// Cells of an `always` promise that are written out.
const CELLS_MAX: usize = 5;

pub(super) fn check(view: &View<'_>, found: &mut Found) -> Result<(), TooManyBoxes> {
    let (book, space) = (view.book, &view.space);
    if book.promises.is_empty() {
        return Ok(());
    }
    let denied = space.rows(book, Effect::Deny);
    let mut open: Vec<(&Rule, Region)> = Vec::new();
    for rule in allows(book) {
        open.push((rule, space.rule(book, rule).minus(&denied)?));
    }
    for promise in &book.promises {
        match promise.kind {
            PromiseKind::Never => never(promise, view, &open, found)?,
            PromiseKind::Always => always(promise, view, &open, found)?,
        }
    }
    Ok(())
}

/// The requests that a promise speaks of: a region for each flag that it names.
pub(super) fn regions(promise: &Promise, view: &View<'_>) -> Vec<Region> {
    let fields: BTreeSet<FieldId> = view
        .book
        .fields
        .iter()
        .filter(|(field, about)| promise.data.iter().any(|data| data.covers(field, about)))
        .map(|(field, _)| field.clone())
        .collect();
    let of = |so: &[State]| {
        view.space.region(
            these(&promise.agencies),
            these(&promise.roles),
            these(&promise.purposes),
            Some(&fields),
            so,
        )
    };
    if promise.flags.is_empty() {
        return vec![of(&[])];
    }
    promise.flags.iter().map(|flag| of(&[State::Flag(flag.clone())])).collect()
}

const fn these<T: Ord>(cell: &Cell<T>) -> Option<&BTreeSet<T>> {
    match cell {
        Cell::Any => None,
        Cell::These(words) => Some(words),
    }
}

fn counts(promise: &Promise, rule: &Rule) -> bool {
    promise.bases.is_empty() || rule.art6.as_ref().is_some_and(|b| promise.bases.contains(b))
}

/// Nothing that is left of an allow row after the deny rows may lie in the region.
fn never(
    promise: &Promise,
    view: &View<'_>,
    open: &[(&Rule, Region)],
    found: &mut Found,
) -> Result<(), TooManyBoxes> {
    for region in regions(promise, view) {
        for (rule, open) in open.iter().filter(|(rule, _)| counts(promise, rule)) {
            let broken = open.and(&region)?;
            let Some(sample) = view.space.samples(&broken, 1).pop() else {
                continue;
            };
            let lines = view.space.sentences(&broken, LINES_MAX);
            let message = format!(
                "promise {} is broken by {} ({} line {}): {}; yet it reaches {}. One request: {sample}. \
                 Narrow the row, add a deny row to rules/00-never.csv, or take the promise back.",
                promise.id,
                rule.id,
                rule.file,
                rule.line,
                promise.because,
                lines.join(" | "),
            );
            let place = (PROMISES, promise.line);
            found.add("E46", place, &promise.id, rule.id.to_string(), message);
        }
    }
    Ok(())
}

/// Each agency, purpose and category of the region, and each role that it names, has some path; where
/// it names no flag: when no flag stands.
fn always(
    promise: &Promise,
    view: &View<'_>,
    open: &[(&Rule, Region)],
    found: &mut Found,
) -> Result<(), TooManyBoxes> {
    let book = view.book;
    let mut paths: Vec<Region> = Vec::new();
    for (rule, open) in open {
        if !counts(promise, rule) || !is_live(view, rule) {
            continue;
        }
        for region in regions(promise, view) {
            let mut path = open.and(&region)?;
            for flag in book.flags.keys().filter(|_| promise.flags.is_empty()) {
                let flagged = [State::Flag(flag.clone())];
                path = path.minus(&view.space.region(None, None, None, None, &flagged))?;
            }
            paths.push(path);
        }
    }
    let mut missing = Vec::new();
    for agency in book.agencies.keys().filter(|word| promise.agencies.has(*word)) {
        for purpose in book.purposes.keys().filter(|word| promise.purposes.has(*word)) {
            for (category, fields) in cells(promise, book) {
                for role in roles(promise) {
                    let wanted: Option<BTreeSet<RoleId>> =
                        role.map(|r| BTreeSet::from([r.clone()]));
                    let cell = view.space.region(
                        Some(&BTreeSet::<AgencyId>::from([agency.clone()])),
                        wanted.as_ref(),
                        Some(&BTreeSet::<PurposeId>::from([purpose.clone()])),
                        Some(&fields),
                        &[],
                    );
                    if !paths.iter().any(|path| path.meets(&cell)) {
                        let role = role.map_or("any role", |role| role.as_str());
                        missing.push(format!("{agency} / {role} / {purpose} / {category}"));
                    }
                }
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let more = missing.len().saturating_sub(CELLS_MAX);
    let mut listed: Vec<String> = missing.into_iter().take(CELLS_MAX).collect();
    if more > 0 {
        listed.push(format!("{more} more"));
    }
    let message = format!(
        "promise {} is broken ({}): there is no path for {}. Add a rule, or take the promise back.",
        promise.id,
        promise.because,
        listed.join(", "),
    );
    found.add("E46", (PROMISES, promise.line), &promise.id, listed.join(", "), message);
    Ok(())
}

/// The row's gateway and agreement carry it on the day; of no day: they could.
fn is_live(view: &View<'_>, rule: &Rule) -> bool {
    let Some(day) = view.day else { return true };
    let gateway = rule.gateway.as_ref().and_then(|id| view.book.gateways.get(id));
    let agreement = |agreement: &Agreement| day >= agreement.start && day <= agreement.end;
    gateway.is_some_and(|gateway| {
        gateway.in_force_from.is_some_and(|from| day >= from)
            && gateway.in_force_to.is_none_or(|to| day <= to)
    }) && rule
        .agreement
        .as_ref()
        .is_none_or(|id| view.book.agreements.get(id).is_some_and(agreement))
}

/// The roles that are named; no role in particular where none is.
fn roles(promise: &Promise) -> Vec<Option<&RoleId>> {
    match &promise.roles {
        Cell::Any => vec![None],
        Cell::These(roles) => roles.iter().map(Some).collect(),
    }
}

/// The categories of the promise with its fields of each.
fn cells<'b>(
    promise: &Promise,
    book: &'b RuleBook,
) -> impl Iterator<Item = (&'b CategoryId, BTreeSet<FieldId>)> {
    book.categories.iter().filter_map(|(category, about)| {
        let named: BTreeSet<FieldId> = about
            .fields
            .iter()
            .filter(|field| {
                book.fields
                    .get(*field)
                    .is_some_and(|about| promise.data.iter().any(|data| data.covers(field, about)))
            })
            .cloned()
            .collect();
        (!named.is_empty()).then_some((category, named))
    })
}
