//! Why a field came out as it did: under which rule, or in which of the three ways there was no yes.
//! No rule speaks of it; a rule speaks and a condition failed; a hard stop applies.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::{Ask, Code, Facts, FieldId};
use crate::policy::PolicySnapshot;
use crate::policy::book::{Cell, Effect, Field, Rule, When};
use crate::policy::decision::{Decision, FieldOutcome, Shortfall};
use crate::policy::engine::TERMS;
use crate::policy::gates::Question;

/// What became of one field, and why.
#[derive(Debug)]
pub struct Reason<'b> {
    /// The field.
    pub field: FieldId,
    /// The codes with which it is withheld; none where it is released.
    pub codes: BTreeSet<Code>,
    /// Why.
    pub why: Why<'b>,
}

/// A yes, or one of the three kinds of no.
#[derive(Debug)]
pub enum Why<'b> {
    /// Every cell of this rule is met.
    Released(&'b Rule),
    /// A hard stop applies; the rules that would have spoken stand beside it, nearest first.
    Stopped(Vec<&'b Rule>, Vec<Short<'b>>),
    /// Rules speak of it, and each is short of a condition: nearest first, never empty.
    Short(Vec<Short<'b>>),
    /// No rule speaks of it for this agency, role and purpose; the rule that comes nearest.
    Silent(Option<Nearest<'b>>),
}

/// A rule that speaks of the field, and what it is short of.
#[derive(Debug)]
pub struct Short<'b> {
    /// The rule.
    pub rule: &'b Rule,
    /// What failed, in the model's order; empty where only a hard stop stands in the way.
    pub failed: Vec<Failed<'b>>,
    /// The terms that are met, in the model's order.
    pub met: Vec<&'static str>,
    /// What is left of the failures when an override has lifted what it lifts.
    pub left: BTreeSet<Code>,
}

/// A term of the matcher that failed.
#[derive(Debug)]
pub struct Failed<'b> {
    /// Its name in `conditions.toml`.
    pub term: &'static str,
    /// The cell of the rule that asks for it, by column; none for what no cell says.
    pub cell: Option<(&'static str, &'b str)>,
    /// Its codes.
    pub codes: BTreeSet<Code>,
}

/// The rule that would speak if one cell more were met.
#[derive(Debug)]
pub struct Nearest<'b> {
    /// The rule.
    pub rule: &'b Rule,
    /// The first cell that differs, by column.
    pub column: &'static str,
    /// What the cell holds.
    pub holds: &'b str,
    /// What was asked.
    pub asked: String,
}

impl PolicySnapshot {
    /// Why each field of `decision` came out as it did. `decision` must be that of the same ask.
    #[must_use]
    pub fn reasons(
        &self,
        ask: &Ask,
        facts: &Facts,
        at: Timestamp,
        decision: &Decision,
    ) -> Vec<Reason<'_>> {
        let q = Question::new(&self.book, ask, facts, at);
        let reason = |(field, outcome): &(FieldId, FieldOutcome)| match outcome {
            FieldOutcome::Released(path) => {
                let why = self.rule(&path.rule).map_or(Why::Silent(None), Why::Released);
                Reason { field: field.clone(), codes: BTreeSet::new(), why }
            }
            FieldOutcome::Withheld(codes) => {
                let stops = self.stops(&q, field, codes);
                let short = self.short(decision, field);
                let why = match (stops.is_empty(), short.is_empty()) {
                    (false, _) => Why::Stopped(stops, short),
                    (true, false) => Why::Short(short),
                    (true, true) => Why::Silent(self.nearest(&q, field)),
                };
                Reason { field: field.clone(), codes: codes.clone(), why }
            }
        };
        decision.fields.iter().map(reason).collect()
    }

    fn rule(&self, id: &crate::domain::RuleId) -> Option<&Rule> {
        self.book.rules.iter().find(|rule| rule.id == *id)
    }

    /// The deny rows that apply to the field and whose code stands.
    fn stops(&self, q: &Question<'_>, field: &FieldId, codes: &BTreeSet<Code>) -> Vec<&Rule> {
        let about = self.book.fields.get(field);
        let who = &q.facts.requester;
        let met = about.map(|about| q.meets(field, about));
        let applies = |rule: &&Rule| {
            rule.effect == Effect::Deny
                && rule.code.is_some_and(|code| codes.contains(&code))
                && rule.agencies.has(&who.agency)
                && rule.roles.has(&who.role)
                && rule.purposes.has(&q.ask.purpose)
                && about.map_or(
                    rule.categories == Cell::Any && rule.only.is_empty(),
                    |about: &Field| rule.lists(field, about),
                )
                && rule.when.iter().all(|when| match (when, &met) {
                    (When::Flag(flag), Some(met)) => met.contains(&format!("flag:{flag}")),
                    (when, _) => q.meets_one(when),
                })
        };
        self.book.rules.iter().filter(applies).collect()
    }

    fn short(&self, decision: &Decision, field: &FieldId) -> Vec<Short<'_>> {
        let of_field = decision.shortfalls.iter().filter(|(f, _)| f == field);
        let mut short: Vec<Short<'_>> = of_field
            .flat_map(|(_, all)| all)
            .filter_map(|one| self.rule(&one.rule).map(|rule| short(rule, one)))
            .collect();
        short.sort_by_key(|one| {
            (one.failed.len(), one.failed.iter().map(|f| f.codes.len()).sum::<usize>())
        });
        short
    }

    /// Of all paths the one with the fewest cells to change before it speaks of the question; of
    /// several, one for the same purpose, and then the first.
    fn nearest(&self, q: &Question<'_>, field: &FieldId) -> Option<Nearest<'_>> {
        let who = &q.facts.requester;
        let about = self.book.fields.get(field);
        let category = field.category().unwrap_or(field.as_str());
        let judge = |rule: &Rule| {
            [
                ("purpose", rule.purposes.has(&q.ask.purpose), q.ask.purpose.as_str()),
                ("agency", rule.agencies.has(&who.agency), who.agency.as_str()),
                ("role", rule.roles.has(&who.role), who.role.as_str()),
                ("category", rule.categories.has(category), category),
                ("only", about.is_some_and(|about| rule.lists(field, about)), field.as_str()),
            ]
            .map(|(column, met, asked)| (column, met, asked.to_owned()))
        };
        let rule = self.book.rules.iter().filter(|rule| rule.effect == Effect::Allow).min_by_key(
            |rule| {
                let cells = judge(rule);
                let met = cells.iter().filter(|(_, met, _)| *met).count();
                Reverse((met, rule.purposes.has(&q.ask.purpose)))
            },
        )?;
        let (column, _, asked) = judge(rule).into_iter().find(|(_, met, _)| !met)?;
        Some(Nearest { rule, column, holds: cell(rule, column), asked })
    }
}

fn short<'b>(rule: &'b Rule, one: &Shortfall) -> Short<'b> {
    let failed: Vec<Failed<'b>> = one
        .terms
        .iter()
        .map(|(term, codes)| Failed {
            term,
            cell: column(term).map(|column| (column, cell(rule, column))),
            codes: codes.clone(),
        })
        .collect();
    let met = TERMS.into_iter().filter(|term| failed.iter().all(|f| f.term != *term)).collect();
    Short { rule, failed, met, left: one.left.clone() }
}

/// What stands in a cell of the rule, by its column.
#[must_use]
pub fn cell<'b>(rule: &'b Rule, column: &str) -> &'b str {
    let at = Rule::COLUMNS.iter().position(|name| *name == column);
    at.and_then(|at| rule.cells.get(at)).map_or("", String::as_str)
}

/// The column that a term of the matcher asks about.
fn column(term: &str) -> Option<&'static str> {
    let column = match term {
        "field" => "only",
        "death" | "bulk" => "despite",
        "basis" => "art6",
        "apd9" => "art9",
        "apd10" => "art10",
        "override" => "overrides",
        other => other,
    };
    Rule::COLUMNS.into_iter().find(|name| *name == column)
}

impl Reason<'_> {
    /// One line: the deciding rule with its place, and the first cell that differs.
    #[must_use]
    pub fn sentence(&self) -> String {
        let field = &self.field;
        match &self.why {
            Why::Released(rule) => format!("{field} is released by {}", at(rule)),
            Why::Stopped(stops, _) => {
                let stops: Vec<String> = stops.iter().map(|rule| at(rule)).collect();
                format!("{field} meets the hard stop {}", stops.join(" and "))
            }
            Why::Short(short) => short.first().map_or_else(String::new, |nearest| {
                let first = nearest.failed.first().map(Failed::sentence).unwrap_or_default();
                format!("{field} is refused, nearest {}: {first}", at(nearest.rule))
            }),
            Why::Silent(None) => format!("no rule speaks of {field}"),
            Why::Silent(Some(nearest)) => format!(
                "no rule speaks of {field}, nearest {}: column {} holds \"{}\", asked was \"{}\"",
                at(nearest.rule),
                nearest.column,
                nearest.holds,
                nearest.asked
            ),
        }
    }
}

impl Failed<'_> {
    fn sentence(&self) -> String {
        let codes: Vec<&str> = self.codes.iter().map(|code| code.as_str()).collect();
        match self.cell {
            Some((column, holds)) => {
                format!("column {column} holds \"{holds}\", not met: {}", codes.join(" "))
            }
            None => format!("{} not met: {}", self.term, codes.join(" ")),
        }
    }
}

/// `N21 (rules/isa-care.csv:3)`.
#[must_use]
pub fn at(rule: &Rule) -> String {
    format!("{} ({}:{})", rule.id, rule.file, rule.line)
}
