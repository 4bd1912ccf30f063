//! Questions that tie entries together: a release and its review, a consent and what relied on it, a refusal and
//! what came after.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::lists::reads;
use super::{Fold, Parameters, Plan, Reads, Seen};
use crate::audit::entry::{Facet, Kind, SlotId};
use crate::domain::{ConsentEvent, ConsentKind, ConsentState, DecisionId, PurposeId, RuleId};

/// What a review says of itself when it closes one.
const REVIEWED: [&str; 2] = ["reviewed", "closed"];

/// Overridden releases that no review is about.
struct Unreviewed {
    /// Released later than this there is time yet.
    before: Timestamp,
    now: Timestamp,
    open: BTreeMap<DecisionId, (u64, Timestamp, Vec<String>)>,
}

impl Fold for Unreviewed {
    fn take(&mut self, pass: usize, seen: &Seen<'_>) {
        if pass == 0 {
            if seen.at <= self.before {
                let (agency, officer) = seen.who();
                let words =
                    [Facet::Override, Facet::Purpose, Facet::Holder].map(|facet| seen.words(facet));
                let row = [agency, officer].into_iter().chain(words).collect();
                self.open.insert(seen.entry.event, (seen.index, seen.at, row));
            }
        } else if is_review(seen)
            && let Some(about) = seen.reviewed()
        {
            self.open.remove(&about);
        }
    }

    fn rows(self: Box<Self>) -> Vec<Vec<String>> {
        let now = self.now;
        let mut open: Vec<_> = self.open.into_values().collect();
        open.sort_by_key(|(index, ..)| *index);
        let rows = open.into_iter().map(|(index, at, row)| {
            let age = now.duration_since(at).as_hours();
            let first = [format!("entries/{index}"), at.to_string(), age.to_string()];
            first.into_iter().chain(row).collect()
        });
        rows.collect()
    }
}

/// A review was closed, or the duty of one was met.
fn is_review(seen: &Seen<'_>) -> bool {
    let met = || {
        let request = seen.entry.slots.get(&SlotId::Request)?;
        let request: serde_json::Value = serde_json::from_slice(request).ok()?;
        Some(request.get("duty")?.as_str()? == "REVIEW_BY")
    };
    let mut what = seen.entry.words(Facet::What);
    what.any(|what| REVIEWED.contains(&what) || (what == "met" && met().unwrap_or_default()))
}

pub(super) fn unreviewed(told: &Parameters) -> Plan {
    let before = told.at.checked_sub(told.hours(24)).unwrap_or(Timestamp::MIN);
    let overridden = Reads { has: Some(Facet::Override), ..reads(told, &[Kind::Disclose]) };
    // A review comes after its release, whenever that is.
    let reviews = Reads { until: None, whole: true, beyond: true, ..reads(told, &[Kind::Review]) };
    Plan {
        columns: &["entry", "time", "hours", "agency", "officer", "override", "purpose", "holder"],
        passes: vec![overridden, reviews],
        fold: Box::new(Unreviewed { before, now: told.at, open: BTreeMap::new() }),
    }
}

type Resident = [u8; 16];

/// Releases while no consent of the kind that their rule needs was live.
struct AfterWithdrawal {
    rules: BTreeMap<RuleId, ConsentKind>,
    /// What was said, by resident, kind and purpose, in order.
    said: BTreeMap<(Resident, ConsentKind, PurposeId), Vec<(u64, ConsentState)>>,
    /// By place: a release under two such rules comes twice.
    rows: BTreeMap<u64, Vec<String>>,
}

impl AfterWithdrawal {
    fn note(&mut self, seen: &Seen<'_>) -> Option<()> {
        let about = seen.about()?;
        let request = seen.entry.slots.get(&SlotId::Request)?;
        let consent: ConsentEvent = serde_json::from_slice(request).ok()?;
        for purpose in consent.purposes {
            let said = self.said.entry((about, consent.kind, purpose)).or_default();
            said.push((seen.index, consent.state));
        }
        Some(())
    }

    /// The rule that relied on what had been taken back, and the entry in which that was.
    fn broken(&self, seen: &Seen<'_>) -> Option<(String, u64)> {
        let about = seen.about()?;
        let purpose: PurposeId = seen.entry.facets.get(&Facet::Purpose)?.parse().ok()?;
        seen.entry.words(Facet::Rules).find_map(|rule| {
            let kind = self.rules.get(rule)?;
            let said = self.said.get(&(about, *kind, purpose.clone()))?;
            let (index, state) = said.iter().rev().find(|(index, _)| *index < seen.index)?;
            (!state.is_yes()).then(|| (rule.to_owned(), *index))
        })
    }
}

impl Fold for AfterWithdrawal {
    fn take(&mut self, pass: usize, seen: &Seen<'_>) {
        if pass == 0 {
            // Other choices than consents are no consents.
            let _other = self.note(seen);
        } else if let Some((rule, index)) = self.broken(seen) {
            let (agency, officer) = seen.who();
            let row = vec![
                seen.name(),
                seen.at.to_string(),
                agency,
                officer,
                seen.words(Facet::Purpose),
                seen.words(Facet::Holder),
                rule,
                format!("entries/{index}"),
            ];
            self.rows.insert(seen.index, row);
        }
    }

    fn rows(self: Box<Self>) -> Vec<Vec<String>> {
        self.rows.into_values().collect()
    }
}

pub(super) fn after_withdrawal(told: &Parameters) -> Plan {
    // What was said before the time that is asked about counts in it, whoever wrote it down.
    let choices = Reads {
        kinds: vec![Kind::Choice],
        resident: told.resident,
        until: told.until,
        whole: true,
        beyond: true,
        ..Reads::default()
    };
    // Rule by rule, as the index leads to them: most releases rely on no consent.
    let released = told.consents.keys().map(|rule| Reads {
        resident: told.resident,
        facets: vec![(Facet::Rules, rule.to_string())],
        ..reads(told, &[Kind::Disclose])
    });
    let passes = std::iter::once(choices).chain(released).collect();
    let rules = told.consents.clone();
    let fold = AfterWithdrawal { rules, said: BTreeMap::new(), rows: BTreeMap::new() };
    Plan {
        columns: &[
            "entry",
            "time",
            "agency",
            "officer",
            "purpose",
            "holder",
            "rule",
            "withdrawn in",
        ],
        passes,
        fold: Box::new(fold),
    }
}

/// A person and whom they asked about.
type Pair = ([u8; 16], Resident);

/// A release for one purpose soon after a refusal for another.
struct RefusedThenReleased {
    within: SignedDuration,
    refused: BTreeMap<Pair, Vec<(u64, Timestamp, String)>>,
    rows: Vec<Vec<String>>,
}

impl Fold for RefusedThenReleased {
    fn take(&mut self, _: usize, seen: &Seen<'_>) {
        let Some(about) = seen.about() else { return };
        let pair = (seen.entry.principal, about);
        let purpose = seen.words(Facet::Purpose);
        if seen.entry.kind == Kind::Refuse {
            self.refused.entry(pair).or_default().push((seen.index, seen.at, purpose));
            return;
        }
        let since = seen.at.checked_sub(self.within).unwrap_or(Timestamp::MIN);
        let refused = self.refused.entry(pair).or_default();
        refused.retain(|(_, at, _)| *at >= since);
        let other: Vec<_> = refused.iter().filter(|(_, _, before)| *before != purpose).collect();
        let Some((first, _, before)) = other.first() else { return };
        let (agency, officer) = seen.who();
        self.rows.push(vec![
            seen.name(),
            seen.at.to_string(),
            agency,
            officer,
            purpose,
            before.clone(),
            other.len().to_string(),
            format!("entries/{first}"),
        ]);
    }

    fn rows(self: Box<Self>) -> Vec<Vec<String>> {
        self.rows
    }
}

pub(super) fn refused_then_released(told: &Parameters) -> Plan {
    let fold =
        RefusedThenReleased { within: told.hours(24), refused: BTreeMap::new(), rows: Vec::new() };
    Plan {
        columns: &[
            "entry",
            "time",
            "agency",
            "officer",
            "purpose",
            "refused purpose",
            "refusals",
            "first refusal",
        ],
        passes: vec![reads(told, &[Kind::Refuse, Kind::Disclose])],
        fold: Box::new(fold),
    }
}

/// Looks that no request followed.
struct LookedOnly {
    within: SignedDuration,
    least: usize,
    names: BTreeMap<[u8; 16], (String, String)>,
    /// Looks, each open until a request follows.
    open: BTreeMap<Pair, Vec<Timestamp>>,
    looked: BTreeMap<[u8; 16], BTreeSet<Resident>>,
    opened: BTreeMap<[u8; 16], BTreeSet<Resident>>,
}

impl Fold for LookedOnly {
    fn take(&mut self, _: usize, seen: &Seen<'_>) {
        let Some(about) = seen.about() else { return };
        let person = seen.entry.principal;
        let pair = (person, about);
        if seen.entry.kind == Kind::Query {
            self.names.entry(person).or_insert_with(|| seen.who());
            self.looked.entry(person).or_default().insert(about);
            self.open.entry(pair).or_default().push(seen.at);
        } else if let Some(looks) = self.open.get(&pair) {
            let soon = |at: &Timestamp| seen.at.duration_since(*at) <= self.within;
            if looks.iter().any(soon) {
                self.opened.entry(person).or_default().insert(about);
            }
        }
    }

    fn rows(self: Box<Self>) -> Vec<Vec<String>> {
        let none = BTreeSet::new();
        let mut rows: Vec<(usize, Vec<String>)> = Vec::new();
        for (person, looked) in &self.looked {
            let opened = self.opened.get(person).unwrap_or(&none);
            let without = looked.difference(opened).count();
            if without < self.least {
                continue;
            }
            let (agency, officer) = self.names.get(person).cloned().unwrap_or_default();
            let numbers = [without.to_string(), looked.len().to_string()];
            rows.push((without, [agency, officer].into_iter().chain(numbers).collect()));
        }
        rows.sort_by(|(one, row), (two, other)| two.cmp(one).then(row.cmp(other)));
        rows.into_iter().map(|(_, row)| row).collect()
    }
}

pub(super) fn looked_only(told: &Parameters) -> Plan {
    let fold = LookedOnly {
        within: told.hours(24),
        least: told.least(3).max(1),
        names: BTreeMap::new(),
        open: BTreeMap::new(),
        looked: BTreeMap::new(),
        opened: BTreeMap::new(),
    };
    Plan {
        columns: &["agency", "officer", "residents without request", "residents looked at"],
        passes: vec![reads(told, &[Kind::Query, Kind::Refuse, Kind::Disclose])],
        fold: Box::new(fold),
    }
}
