//! Rows that can never do anything: closed by hard stops, by their gateway, by themselves.

use std::collections::BTreeSet;

use super::law::{allows, bad};
use super::{Found, View, listed};
use crate::domain::FieldId;
use crate::policy::approval::SUSPENDED;
use crate::policy::book::{
    Cell, Effect, Field, Ground, Promise, PromiseKind, Rule, RuleBook, When,
};
use crate::policy::boxes::{Region, TooManyBoxes};

pub(super) const CODES: &[&str] = &["E40", "W43", "W44", "E50"];

/// Boxes of a region that are written out.
const LINES_MAX: usize = 3;

pub(super) fn check(view: &View<'_>, found: &mut Found) -> Result<(), TooManyBoxes> {
    let (book, space) = (view.book, &view.space);
    let denied = space.rows(book, Effect::Deny);
    let plain: Vec<(&Rule, Region)> = book
        .rules
        .iter()
        .filter(|rule| rule.effect == Effect::Deny && rule.when.is_empty())
        .map(|rule| (rule, space.rule(book, rule)))
        .collect();
    let suspended = || book.rules.iter().filter(|rule| rule.file == SUSPENDED);
    for rule in allows(book) {
        let open = space.rule(book, rule);
        let left = open.clone().minus(&denied)?;
        if rule.when.contains(&When::Child) && rule.when.contains(&When::Parent) {
            let says = "asks for a child who is a parent of full age: nobody is. Split the row.";
            bad(found, "E40", rule, "when: child|parent".to_owned(), says);
        } else if left.is_empty() && suspended().any(|stop| space.rule(book, stop).meets(&open)) {
            // It is stopped for a while, and must go live at once.
            continue;
        } else if left.is_empty() {
            let stops: Vec<String> = book
                .rules
                .iter()
                .filter(|r| r.effect == Effect::Deny && space.rule(book, r).meets(&open))
                .map(|r| r.id.to_string())
                .collect();
            let says = format!(
                "can never allow: all of it is stopped by {}. Take the row out, or correct its \
                 purpose or categories.",
                if stops.is_empty() { "its own cells".to_owned() } else { stops.join(", ") }
            );
            bad(found, "E40", rule, rule.cells.get(3).cloned().unwrap_or_default(), &says);
        } else {
            for (stop, region) in plain.iter().filter(|(_, region)| region.meets(&open)) {
                let left = open.clone().minus(region)?;
                let says = format!(
                    "is stopped in part by {} ({} line {}). What is left: {}. Take the stopped part out \
                     of the row.",
                    stop.id,
                    stop.file,
                    stop.line,
                    space.sentences(&left, LINES_MAX).join("; ")
                );
                bad(found, "W43", rule, rule.cells.get(4).cloned().unwrap_or_default(), &says);
            }
        }
        closed_by_gateway(book, rule, found);
        closed_by_override(book, rule, found);
    }
    idle(view, found)
}

/// Fields that the row lists and its gateway is closed to.
fn closed_by_gateway(book: &RuleBook, rule: &Rule, found: &mut Found) {
    let Some((id, gateway)) =
        rule.gateway.as_ref().and_then(|id| Some((id, book.gateways.get(id)?)))
    else {
        return;
    };
    let closed = |about: &Field| {
        gateway.excludes_data.iter().any(|p| p.covers(&about.category))
            && !gateway.keeps_data.iter().any(|p| p.covers(&about.category))
    };
    let shut: BTreeSet<&FieldId> = book
        .fields
        .iter()
        .filter(|(field, about)| closed(about) && rule.lists(field, about))
        .map(|(field, _)| field)
        .collect();
    if !shut.is_empty() {
        let says = format!(
            "{id} is closed to {}: they can never be released under it. Take them out of the row, or \
             name another power.",
            listed(&shut)
        );
        bad(found, "E40", rule, format!("gateway: {id}"), &says);
    }
}

/// A row that only an override opens needs one that somebody of its roles may assert.
fn closed_by_override(book: &RuleBook, rule: &Rule, found: &mut Found) {
    let Cell::These(kinds) = &rule.overrides else {
        return;
    };
    let asserted = |kind| {
        book.overrides.get(kind).is_some_and(|o| o.roles.iter().any(|role| rule.roles.has(role)))
    };
    if rule.ground == Some(Ground::Override) && !kinds.iter().any(asserted) {
        let says = "is opened by an override only, and no role of the row may assert one that it \
                    accepts. Name such an override in the column overrides.";
        bad(found, "E40", rule, format!("overrides: {}", listed(kinds)), says);
    }
    for kind in kinds.iter().filter(|kind| !asserted(kind)) {
        if rule.ground != Some(Ground::Override) {
            let says = format!(
                "accepts {kind}, which no role of the row may assert. Take it out, or add the role."
            );
            bad(found, "W43", rule, format!("overrides: {}", listed(kinds)), &says);
        }
    }
}

/// Hard stops that stop nothing there is, and that nobody has named.
fn idle(view: &View<'_>, found: &mut Found) -> Result<(), TooManyBoxes> {
    let (book, space) = (view.book, &view.space);
    let open: Vec<Region> = allows(book).map(|rule| space.rule(book, rule)).collect();
    for rule in book.rules.iter().filter(|rule| rule.effect == Effect::Deny) {
        let stop = space.rule(book, rule);
        let shown =
            view.hits.is_some_and(|hits| hits.get(&rule.id).is_some_and(|hits| hits.refuses > 0));
        let promised = book.promises.iter().any(|promise| names(view, promise, rule, &stop));
        if shown || promised {
            continue;
        }
        let cell = rule.cells.get(3).cloned().unwrap_or_default();
        if !open.iter().any(|region| region.meets(&stop)) {
            let says = "stops nothing that any row allows, and no promise or scenario names it. If a \
                        word in it is wrong, correct it; if it guards against a row to come, add a \
                        promise or a scenario.";
            bad(found, "W44", rule, cell, says);
        } else if view.hits.is_some() {
            let says = "no scenario is stopped by it, and no promise names it: the row could go and \
                        nobody would notice. Add one to scenarios/ or promises.csv.";
            bad(found, "E50", rule, cell, says);
        }
    }
    Ok(())
}

/// A promise names a stop that it speaks of, with the same flag or without.
fn names(view: &View<'_>, promise: &Promise, rule: &Rule, stop: &Region) -> bool {
    let same = match rule.when.iter().next() {
        Some(When::Flag(flag)) => promise.flags.contains(flag),
        Some(_) => false,
        None => promise.flags.is_empty() && promise.bases.is_empty(),
    };
    promise.kind == PromiseKind::Never
        && same
        && super::promises::regions(promise, view).iter().any(|region| region.meets(stop))
}
