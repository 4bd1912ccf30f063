//! The whole decision, as a data protection officer reads it: per field the rule, or which of the three
//! kinds of no it is, what failed, and who can put it right.

use std::collections::BTreeMap;

use super::answer::{Answer, headline, joined};
use super::reason::{Reason, Short, Why, at};
use crate::domain::{Code, FieldId};
use crate::policy::book::{Disposition, Effect, GatewayKind, Rule};
use crate::policy::decision::{FieldOutcome, Path};
use crate::policy::engine::TERMS;

impl Answer<'_> {
    /// The explanation in full. May hold what the requester must not be told.
    #[must_use]
    pub fn dpo(&self) -> String {
        let who = &self.facts.requester;
        let time = self.at.to_zoned(self.policy.book.place.zone.clone());
        let mut lines = vec![format!(
            "{} (policy {})  {} / {} / {} asks {} at {}",
            headline(self.decision.outcome),
            self.version(),
            who.agency,
            who.role,
            self.ask.purpose,
            self.ask.from,
            time.strftime("%Y-%m-%d %H:%M %Z"),
        )];
        if let Some(fault) = &self.decision.fault {
            lines.push(format!("  the engine failed, and nothing is released: {fault}"));
        }
        // Fields of which the same is to be said are said together.
        let mut said: Vec<(Vec<FieldId>, Vec<String>)> = Vec::new();
        for reason in self.policy.reasons(self.ask, self.facts, self.at, &self.decision) {
            let text = self.reason(&reason);
            match said.iter_mut().find(|(_, known)| *known == text) {
                Some((fields, _)) => fields.push(reason.field),
                None => said.push((vec![reason.field], text)),
            }
        }
        for (fields, text) in said {
            lines.push(format!("{}:", joined(&fields)));
            lines.extend(text.into_iter().map(|line| format!("  {line}")));
        }
        lines.extend(self.beside());
        lines.extend(self.may_see());
        let codes = joined(&self.view.codes);
        lines.push(format!("the requester is told {} [{codes}]:", self.view.outcome));
        let told = self.policy.explain(self.ask, self.facts, &self.view).text;
        lines.push(format!("  {told}"));
        lines.join("\n")
    }

    fn reason(&self, reason: &Reason<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        match &reason.why {
            Why::Released(rule) => lines.extend(self.released(&reason.field, rule)),
            Why::Stopped(stops, short) => {
                lines.push("a hard stop applies:".to_owned());
                for stop in stops {
                    let codes = self.codes(stop.code.iter(), "  ");
                    lines.push(format!("  {}: {}", at(stop), stop.because));
                    lines.extend(codes.into_iter().map(|line| format!("  {line}")));
                }
                lines.extend(self.short(short));
            }
            Why::Short(short) => {
                lines.push("a rule speaks of it, but a condition failed:".to_owned());
                lines.extend(self.short(short));
            }
            Why::Silent(nearest) => {
                lines.push("no rule speaks of it:".to_owned());
                lines.extend(self.codes(reason.codes.iter(), "  "));
                lines.extend(nearest.as_ref().map(|nearest| {
                    let (rule, column) = (at(nearest.rule), nearest.column);
                    let (holds, asked) = (nearest.holds, &nearest.asked);
                    format!(
                        "  nearest {rule}: column {column} holds \"{holds}\", asked was \"{asked}\""
                    )
                }));
            }
        }
        lines
    }

    fn released(&self, field: &FieldId, rule: &Rule) -> Vec<String> {
        let path = self.decision.fields.iter().find_map(|(f, outcome)| match outcome {
            FieldOutcome::Released(path) if f == field => Some(path),
            FieldOutcome::Released(_) | FieldOutcome::Withheld(_) => None,
        });
        let mut lines = vec![format!("released under {}: {}", at(rule), rule.because)];
        lines.extend(path.into_iter().flat_map(|path| self.path(path)));
        lines
    }

    fn path(&self, path: &Path) -> Vec<String> {
        let book = &self.policy.book;
        let meaning = |id: &crate::domain::BasisId| {
            let meaning = book.bases.get(id).map_or("", |basis| basis.meaning.as_str());
            format!("{id} ({meaning})")
        };
        let mut lines = Vec::new();
        if let Some(gateway) = book.gateways.get(&path.gateway) {
            let kind = match gateway.kind {
                GatewayKind::Duty => "a duty",
                GatewayKind::Power => "a power",
                GatewayKind::Exemption => "an exemption",
            };
            let (statute, section) = (&gateway.statute, &gateway.section);
            lines.push(format!("  gateway {}: {statute} {section}, {kind}", path.gateway));
        }
        let conditions = path.conditions.iter().map(meaning);
        lines.push(format!(
            "  basis {}",
            joined([meaning(&path.art6)].into_iter().chain(conditions))
        ));
        if let Some(id) = &path.agreement {
            let ends = book.agreements.get(id).map_or_else(String::new, |agreement| {
                format!(", to {}, review due {}", agreement.end, agreement.review_due)
            });
            lines.push(format!("  agreement {id}{ends}"));
        }
        let mut ground = format!("  ground {}", path.ground);
        if let Some(consent) = &path.consent {
            ground.push_str(&format!(", consent good until {}", consent.until));
        }
        if let Some(kind) = &path.override_used {
            ground.push_str(&format!(", by the override {kind}"));
        }
        if path.granted {
            ground.push_str(", granted by a person at the holder");
        }
        lines.push(ground);
        lines
    }

    fn short(&self, short: &[Short<'_>]) -> Vec<String> {
        let mut lines = Vec::new();
        for (i, one) in short.iter().enumerate() {
            let lead = if i == 0 { "nearest" } else { "then" };
            if one.failed.is_empty() {
                lines.push(format!(
                    "  {lead} {}: only the hard stop stands in its way",
                    at(one.rule)
                ));
                continue;
            }
            let (failed, all) = (one.failed.len(), TERMS.len());
            lines.push(format!("  {lead} {}, {failed} of {all} conditions short:", at(one.rule)));
            for failed in &one.failed {
                let term = self.policy.book.terms.get(failed.term);
                let asks = term.map_or("", |term| term.sentence.as_str());
                lines.push(match failed.cell {
                    Some((column, holds)) => {
                        format!("    {}: {asks} Column {column} holds \"{holds}\".", failed.term)
                    }
                    None => format!("    {}: {asks}", failed.term),
                });
                lines.extend(self.codes(failed.codes.iter(), "      "));
            }
            if self.ask.override_claim.is_some() {
                lines.push(format!("    left with the override: {}", none_or(joined(&one.left))));
            }
            lines.push(format!("    satisfied: {}", joined(&one.met)));
        }
        lines
    }

    /// Each code with what it means, who can put it right and how.
    fn codes<'c>(&self, codes: impl Iterator<Item = &'c Code>, indent: &str) -> Vec<String> {
        let missing = codes.filter_map(|code| self.policy.missing(*code));
        let line = |missing: crate::policy::Missing| {
            let letter = match missing.disposition {
                Disposition::Hard => "H",
                Disposition::Overridable => "O",
                Disposition::Fixable => "F",
                Disposition::Referred => "R",
            };
            format!(
                "{indent}{}: {}. {}: {} [{letter}]",
                missing.code, missing.meaning, missing.fixer, missing.fix
            )
        };
        missing.map(line).collect()
    }

    /// What stands for the decision and not for a field.
    fn beside(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.decision.beside.is_empty() {
            lines.push("of the request as a whole:".to_owned());
            lines.extend(self.codes(self.decision.beside.iter(), "  "));
        }
        if !self.decision.referred.is_empty() {
            let fields = joined(self.decision.referred.keys());
            lines.push(format!("a person at {} may grant: {fields}", self.ask.from));
        }
        if self.decision.duty_alarm {
            lines.push("DUTY ALARM: the law commands what is refused".to_owned());
        }
        for duty in &self.decision.duties {
            let meaning = self.policy.book.duties.get(duty).map_or("", |d| d.meaning.as_str());
            lines.push(format!("duty {duty}: {meaning}"));
        }
        lines
    }

    /// By the rules alone, what this agency and role may see for the purpose.
    fn may_see(&self) -> Vec<String> {
        let (book, who) = (&self.policy.book, &self.facts.requester);
        let rules = book.rules.iter().filter(|rule| {
            rule.effect == Effect::Allow
                && rule.agencies.has(&who.agency)
                && rule.roles.has(&who.role)
                && rule.purposes.has(&self.ask.purpose)
        });
        let mut by_categories: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for rule in rules {
            let categories = joined(book.categories.keys().filter(|c| rule.categories.has(*c)));
            by_categories.entry(categories).or_default().push(rule.id.as_str());
        }
        if by_categories.is_empty() {
            return vec![
                "by the rules alone, this role may see nothing for this purpose".to_owned(),
            ];
        }
        let line = |(categories, rules): (String, Vec<&str>)| {
            format!("  {categories} ({})", joined(rules))
        };
        let head = "by the rules alone, this role may see for this purpose:".to_owned();
        std::iter::once(head).chain(by_categories.into_iter().map(line)).collect()
    }
}

fn none_or(text: String) -> String {
    if text.is_empty() { "nothing".to_owned() } else { text }
}
