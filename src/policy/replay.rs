//! Decisions of the past decided again under another rule book, from the facts that were kept with them.
//! Pure: what is read and where it goes is others' business.

mod said;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::Timestamp;

use super::PolicySnapshot;
use super::decision::{Decision, FieldOutcome};
use crate::domain::{AgencyId, Ask, DecisionId, Facts, FieldId, PurposeId, ResidentId, RuleId};

/// Most sample decisions of one kind of flip.
const SAMPLES_MAX: usize = 10;

/// What a decision came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Came {
    /// PERMIT, PARTIAL, REFER or DENY.
    pub outcome: String,
    /// By field: the rule under which it was released; `None`: withheld.
    pub fields: BTreeMap<FieldId, Option<RuleId>>,
    /// Duties.
    pub duties: BTreeSet<String>,
    /// Codes of what stood against it.
    pub codes: BTreeSet<String>,
    /// When what was released must no longer be used.
    pub expires_at: Option<Timestamp>,
}

/// A decision as it was recorded.
pub struct Past {
    /// Its id.
    pub id: DecisionId,
    /// Whom it was about.
    pub resident: ResidentId,
    /// What was asked.
    pub ask: Ask,
    /// What it rested on.
    pub facts: Facts,
    /// As of when.
    pub as_of: Timestamp,
    /// What it came to.
    pub was: Came,
}

impl Came {
    /// What a decision comes to.
    #[must_use]
    pub fn of(decision: &Decision) -> Self {
        let rule = |outcome: &FieldOutcome| match outcome {
            FieldOutcome::Released(path) => Some(path.rule.clone()),
            FieldOutcome::Withheld(_) => None,
        };
        let fields = decision.fields.iter().map(|(field, outcome)| (field.clone(), rule(outcome)));
        Self {
            outcome: decision.outcome.as_str().to_owned(),
            fields: fields.collect(),
            duties: decision.duties.iter().map(|duty| duty.as_str().to_owned()).collect(),
            codes: decision.codes.iter().map(|code| code.as_str().to_owned()).collect(),
            expires_at: decision.expires_at,
        }
    }

    /// From the record of a decision; `None` where it does not say.
    #[must_use]
    pub fn recorded(decision: &serde_json::Value) -> Option<Self> {
        let field = |one: &serde_json::Value| -> Option<(FieldId, Option<RuleId>)> {
            let rule = one.get("rule").and_then(|rule| rule.as_str());
            let rule = rule.map(str::parse).transpose().ok()?;
            Some((one.get("field")?.as_str()?.parse().ok()?, rule))
        };
        let words = |key: &str| -> Option<BTreeSet<String>> {
            let all = decision.get(key)?.as_array()?.iter();
            Some(all.filter_map(|word| Some(word.as_str()?.to_owned())).collect())
        };
        let expires_at = decision.get("expires_at").and_then(|at| at.as_str());
        Some(Self {
            outcome: decision.get("outcome")?.as_str()?.to_owned(),
            fields: decision.get("fields")?.as_array()?.iter().map(field).collect::<Option<_>>()?,
            duties: words("duties")?,
            codes: words("codes")?,
            expires_at: expires_at.map(str::parse).transpose().ok()?,
        })
    }
}

/// One kind of flip: whose question, for what, from which outcome to which.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flip {
    /// Who asked.
    pub agency: AgencyId,
    /// For what.
    pub purpose: PurposeId,
    /// What it came to.
    pub was: String,
    /// What it would come to.
    pub would_be: String,
}

/// What a replay found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Decisions decided again.
    pub replayed: u64,
    /// Of these, those that come out in every way as they were.
    pub alike: u64,
    /// Flips of the outcome, with how many, and some of their ids.
    pub flips: BTreeMap<Flip, (u64, Vec<DecisionId>)>,
    /// Fields that would be released and were not, by the rule that would, with how many.
    pub widened: BTreeMap<(FieldId, RuleId), u64>,
    /// Fields that were released and would not be, by the rule that did, with how many.
    pub narrowed: BTreeMap<(FieldId, RuleId), u64>,
    /// Fields that would be released by another rule, with how many.
    pub by_another_rule: BTreeMap<(FieldId, RuleId, RuleId), u64>,
    /// Decisions that would bring other duties.
    pub other_duties: u64,
    /// Decisions of the same outcome that would name other codes.
    pub other_codes: u64,
    /// Decisions whose release would end at another time.
    pub other_ends: u64,
    /// Decisions that could not be decided again: what they rested on is not kept (any more).
    pub without_facts: u64,
    /// Residents of whom some decision would come out otherwise.
    residents: HashSet<ResidentId>,
}

impl Report {
    /// Decides one again and counts what differs.
    pub fn take(&mut self, policy: &PolicySnapshot, past: &Past) {
        let is = Came::of(&policy.decide(&past.ask, &past.facts, past.as_of));
        self.compare(past, &is);
    }

    /// Counts what differs between what a decision came to and `is`.
    pub fn compare(&mut self, past: &Past, is: &Came) {
        self.replayed += 1;
        if past.was == *is {
            self.alike += 1;
            return;
        }
        self.residents.insert(past.resident);
        if past.was.outcome != is.outcome {
            let flip = Flip {
                agency: past.facts.requester.agency.clone(),
                purpose: past.ask.purpose.clone(),
                was: past.was.outcome.clone(),
                would_be: is.outcome.clone(),
            };
            let (count, ids) = self.flips.entry(flip).or_default();
            *count += 1;
            if ids.len() < SAMPLES_MAX {
                ids.push(past.id);
            }
        }
        let fields: BTreeSet<&FieldId> = past.was.fields.keys().chain(is.fields.keys()).collect();
        for field in fields {
            let rule = |all: &BTreeMap<FieldId, Option<RuleId>>| all.get(field).cloned().flatten();
            match (rule(&past.was.fields), rule(&is.fields)) {
                (None, Some(rule)) => {
                    *self.widened.entry((field.clone(), rule)).or_default() += 1;
                }
                (Some(rule), None) => {
                    *self.narrowed.entry((field.clone(), rule)).or_default() += 1;
                }
                (Some(was), Some(is)) if was != is => {
                    *self.by_another_rule.entry((field.clone(), was, is)).or_default() += 1;
                }
                (Some(_) | None, _) => {}
            }
        }
        if past.was.duties != is.duties {
            self.other_duties += 1;
        }
        if past.was.outcome == is.outcome && past.was.codes != is.codes {
            self.other_codes += 1;
        }
        if past.was.expires_at != is.expires_at {
            self.other_ends += 1;
        }
    }

    /// Puts what another replay found to this one.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.replayed += other.replayed;
        self.alike += other.alike;
        self.other_duties += other.other_duties;
        self.other_codes += other.other_codes;
        self.other_ends += other.other_ends;
        self.without_facts += other.without_facts;
        self.residents.extend(other.residents);
        for (flip, (count, ids)) in other.flips {
            let (all, samples) = self.flips.entry(flip).or_default();
            *all += count;
            samples.extend(ids);
            samples.truncate(SAMPLES_MAX);
        }
        for (key, count) in other.widened {
            *self.widened.entry(key).or_default() += count;
        }
        for (key, count) in other.narrowed {
            *self.narrowed.entry(key).or_default() += count;
        }
        for (key, count) in other.by_another_rule {
            *self.by_another_rule.entry(key).or_default() += count;
        }
        self
    }

    /// Decisions whose outcome flips.
    #[must_use]
    pub fn flipped(&self) -> u64 {
        self.flips.values().map(|(count, _)| count).sum()
    }

    /// How many residents are concerned.
    #[must_use]
    pub fn residents(&self) -> usize {
        self.residents.len()
    }
}

/// Decides all of `past` again, on every core.
#[must_use]
pub fn replay(policy: &PolicySnapshot, past: &[Past]) -> Report {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = past.len().div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = past
            .chunks(share)
            .map(|some| {
                scope.spawn(move || {
                    let mut report = Report::default();
                    some.iter().for_each(|one| report.take(policy, one));
                    report
                })
            })
            .collect();
        let reports = workers.into_iter().map(|worker| match worker.join() {
            Ok(report) => report,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        reports.fold(Report::default(), Report::with)
    })
}
