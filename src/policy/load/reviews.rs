//! Who acts after a decision, and by when: `words/duties.csv`, `words/referrals.csv`, and for
//! overrides `words/reviews.csv` and `words/outcomes.csv`.

use std::collections::BTreeMap;

use super::Findings;
use super::words::{Reader, Row, Words, keys};
use crate::domain::{Code, Duty, OutcomeId, OverrideId};
use crate::policy::book::{
    Disposition, DutyDue, DutyMeaning, DutyOwner, Ground, ReferralRule, ReviewOutcome, ReviewRule,
    RuleBook,
};

/// The longest time that a table may give: ten years.
const HOURS_MAX: i64 = 87_600;

/// The longest time that a review may take: a day's work.
const MINUTES_MAX: u32 = 480;

pub(super) fn duties(r: &mut Reader<'_>) -> BTreeMap<Duty, DutyMeaning> {
    r.table("duties", &["id", "meaning", "owner", "due_hours"], |row, f| {
        let meaning = row.text(f);
        let owner = match row.next().1 {
            "asker" => DutyOwner::Asker,
            "holder" => DutyOwner::Holder,
            "hub" => DutyOwner::Hub,
            other => {
                let message = format!("column owner: \"{other}\" must be asker, holder or hub.");
                row.bad("E10", message, f);
                return None;
            }
        };
        let (_, cell) = row.next();
        let due = match cell {
            "with-release" => DutyDue::WithRelease,
            "at-expiry" => DutyDue::AtExpiry,
            "standing" => DutyDue::Standing,
            hours => DutyDue::Hours(hours_of(row, "due_hours", hours, f)?),
        };
        if (owner == DutyOwner::Hub) != (due == DutyDue::WithRelease) {
            let message = "what is the hub's is met with-release, and nothing else is.".to_owned();
            row.bad("E10", message, f);
        }
        Some(DutyMeaning { meaning, owner, due })
    })
}

pub(super) fn referrals(r: &mut Reader<'_>, w: &Words) -> BTreeMap<Code, ReferralRule> {
    let roles = keys(&w.roles);
    let columns = ["code", "deciders", "due_hours", "grant_hours"];
    r.table("referrals", &columns, |row, f| {
        let deciders = row.list("words/roles.csv", &roles, f);
        if deciders.is_empty() {
            row.bad("E10", "column deciders is empty: nobody could decide.".to_owned(), f);
        }
        let (_, due) = row.next();
        let due_hours = hours_of(row, "due_hours", due, f)?;
        let (_, good) = row.next();
        let grant_hours = hours_of(row, "grant_hours", good, f)?;
        Some(ReferralRule { deciders, due_hours, grant_hours })
    })
}

pub(super) fn reviews(r: &mut Reader<'_>, w: &Words) -> BTreeMap<OverrideId, ReviewRule> {
    let overrides = keys(&w.overrides);
    let found = r.table("reviews", &["override", "due_hours", "minutes"], |row, f| {
        let kind = row.id.clone();
        row.one::<OverrideId>("override", &kind, "words/overrides.csv", &overrides, f)?;
        let (_, due) = row.next();
        let due_hours = hours_of(row, "due_hours", due, f)?;
        let (_, cell) = row.next();
        let minutes = cell.parse().ok().filter(|minutes| (1..=MINUTES_MAX).contains(minutes));
        if minutes.is_none() {
            let message =
                format!("column minutes: \"{cell}\" must be minutes from 1 to {MINUTES_MAX}.");
            row.bad("E10", message, f);
        }
        Some(ReviewRule { due_hours, minutes: minutes? })
    });
    let all: Vec<OverrideId> = w.overrides.keys().cloned().collect();
    r.complete("reviews", &all, &found);
    found
}

pub(super) fn outcomes(r: &mut Reader<'_>) -> BTreeMap<OutcomeId, ReviewOutcome> {
    let found: BTreeMap<OutcomeId, ReviewOutcome> =
        r.table("outcomes", &["id", "meaning", "unjustified"], |row, f| {
            Some(ReviewOutcome { meaning: row.text(f), unjustified: row.flag(f) })
        });
    for unjustified in [true, false] {
        if !found.values().any(|outcome| outcome.unjustified == unjustified) {
            let word = if unjustified { "yes" } else { "no" };
            let message = format!("no row has \"{word}\" in the column unjustified: add one.");
            r.findings.add("E10", "words/outcomes.csv", 0, message);
        }
    }
    found
}

fn hours_of(row: &Row<'_>, column: &str, cell: &str, f: &mut Findings) -> Option<i64> {
    let hours = cell.parse().ok().filter(|hours| (1..=HOURS_MAX).contains(hours));
    if hours.is_none() {
        let message = format!("column {column}: \"{cell}\" must be hours from 1 to {HOURS_MAX}.");
        row.bad("E10", message, f);
    }
    hours
}

/// Whatever may be referred has somebody who decides it, also together with what else may be.
pub(super) fn check(book: &RuleBook, findings: &mut Findings) {
    let file = "words/referrals.csv";
    let by_holder = book.rules.iter().any(|rule| rule.ground == Some(Ground::Holder));
    for (code, meaning) in &book.codes {
        let referred = meaning.disposition == Disposition::Referred
            || (*code == Code::CnfNoBasis && by_holder);
        if referred && !book.referrals.contains_key(code) {
            let message = format!("a person decides {code}, but no row says who. Add one.");
            findings.add("E47", file, 0, message);
        }
    }
    let mut rows = book.referrals.values();
    let common = rows.next().map(|first| {
        rows.fold(first.deciders.clone(), |all, row| {
            all.intersection(&row.deciders).cloned().collect()
        })
    });
    if common.is_some_and(|common| common.is_empty()) {
        let message =
            "no role stands in every row: what is referred for two reasons at once could \
                       be decided by nobody."
                .to_owned();
        findings.add("E47", file, 0, message);
    }
}
