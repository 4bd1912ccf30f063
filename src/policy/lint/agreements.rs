//! Agreements and gateways against the rules that rest on them, and against the day.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::law::{allows, bad};
use super::{Found, View};
use crate::domain::{AgreementId, AgreementStatus, GatewayId, PurposeId};
use crate::policy::book::{Agreement, GatewayKind, RuleBook};
use crate::policy::boxes::TooManyBoxes;

pub(super) const CODES: &[&str] = &["E30", "W30", "W31", "I47"];

/// Days before a review at which it is near.
const NEAR_DAYS: i64 = 60;

pub(super) fn check(view: &View<'_>, found: &mut Found) -> Result<(), TooManyBoxes> {
    let book = view.book;
    nations(book, found);
    gaps(book, found);
    for (id, agreement) in &book.agreements {
        if agreement.dpia.is_none() {
            let message = "has no impact assessment: nothing is shared under it. Complete one and \
                           write its reference in dpia."
                .to_owned();
            found.add("W31", (&file(id), 0), id.as_str(), "no dpia".to_owned(), message);
        }
        if let Some(day) = view.day {
            on_day(id, agreement, day, found);
        }
    }
    if let Some(day) = view.day {
        gateways(book, day, found);
    }
    Ok(())
}

fn file(id: &AgreementId) -> String {
    format!("agreements/{id}.toml")
}

/// A recipient of a nation in which the gateway is no law can never use it.
fn nations(book: &RuleBook, found: &mut Found) {
    for rule in allows(book) {
        let Some((id, gateway)) =
            rule.gateway.as_ref().and_then(|id| Some((id, book.gateways.get(id)?)))
        else {
            continue;
        };
        for (agency, about) in book.agencies.iter().filter(|(id, _)| rule.agencies.has(*id)) {
            if !gateway.nations.contains(&about.nation) {
                let says = format!(
                    "{agency} is in {}, where {id} is no law. Take it out of the row, or name the \
                     power that it has there.",
                    about.nation
                );
                bad(found, "E30", rule, format!("gateway: {id}"), &says);
            }
        }
    }
}

/// Agreements without rules, and duties without a path.
fn gaps(book: &RuleBook, found: &mut Found) {
    for (id, agreement) in &book.agreements {
        let under: BTreeSet<&PurposeId> = allows(book)
            .filter(|rule| rule.agreement.as_ref() == Some(id))
            .flat_map(|rule| agreement.purposes.iter().filter(|p| rule.purposes.has(*p)))
            .collect();
        for purpose in agreement.purposes.iter().filter(|purpose| !under.contains(purpose)) {
            let message = format!(
                "is for {purpose}, and no rule under it is. Add the rule, or take the purpose out."
            );
            found.add("I47", (&file(id), 0), id.as_str(), purpose.to_string(), message);
        }
    }
    let used: BTreeSet<&GatewayId> =
        book.rules.iter().filter_map(|rule| rule.gateway.as_ref()).collect();
    for (id, gateway) in book.gateways.iter().filter(|(id, _)| !used.contains(id)) {
        if gateway.kind == GatewayKind::Duty {
            let message = format!(
                "{id} ({} {}) commands a disclosure, and no rule has it. Add the rule, or leave it if \
                 the duty is met elsewhere.",
                gateway.statute, gateway.section
            );
            let place = ("words/gateways.csv", 0);
            found.add("I47", place, id.as_str(), id.to_string(), message);
        }
    }
}

fn days(from: Date, to: Date) -> i64 {
    to.duration_since(from).as_hours() / 24
}

fn on_day(id: &AgreementId, agreement: &Agreement, day: Date, found: &mut Found) {
    let file = file(id);
    let mut add = |code, text: String, message: String| {
        found.add(code, (&file, 0), id.as_str(), text, message);
    };
    match agreement.status {
        AgreementStatus::Live => {}
        AgreementStatus::Suspended => add(
            "W30",
            "status = \"suspended\"".to_owned(),
            "is suspended: nothing is shared under it. Have the suspension lifted, or withdraw it."
                .to_owned(),
        ),
        AgreementStatus::None => add(
            "W30",
            "status = \"none\"".to_owned(),
            "is withdrawn: nothing is shared under it. Take its rules out when none follows it."
                .to_owned(),
        ),
    }
    if day < agreement.start {
        add(
            "W30",
            format!("start = {}", agreement.start),
            format!("begins on {}: until then nothing is shared under it.", agreement.start),
        );
    }
    if day > agreement.end {
        add(
            "E30",
            format!("end = {}", agreement.end),
            format!(
                "ended on {}: its rules refuse. Renew it, or take its rules out.",
                agreement.end
            ),
        );
        return;
    }
    let due = agreement.review_due;
    let left = days(day, due);
    let text = format!("review_due = {due}");
    if left < -agreement.grace_days {
        let message = format!(
            "should have been reviewed by {due}, and its {} days of grace are over: its rules refuse. \
             {} holds the review.",
            agreement.grace_days, agreement.owner
        );
        add("E30", text, message);
    } else if left <= NEAR_DAYS {
        let message = format!(
            "is to be reviewed by {due}, {left} days from {day}. {} holds the review.",
            agreement.owner
        );
        add("W31", text, message);
    }
}

/// Rules whose gateway has no force on the day.
fn gateways(book: &RuleBook, day: Date, found: &mut Found) {
    for rule in allows(book) {
        let Some((id, gateway)) =
            rule.gateway.as_ref().and_then(|id| Some((id, book.gateways.get(id)?)))
        else {
            continue;
        };
        let cell = || format!("gateway: {id}");
        match gateway.in_force_from {
            None => {
                let says =
                    format!("{id} has no day on which it comes into force: the row is closed.");
                bad(found, "W30", rule, cell(), &says);
            }
            Some(from) if day < from => {
                let says =
                    format!("{id} comes into force on {from}: until then the row is closed.");
                bad(found, "W30", rule, cell(), &says);
            }
            Some(_) => {}
        }
        if let Some(to) = gateway.in_force_to
            && day > to
        {
            let says =
                format!("{id} lapsed on {to}: the row refuses. Name the power that followed it.");
            bad(found, "E30", rule, cell(), &says);
        }
    }
}
