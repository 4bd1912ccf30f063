//! A view in plain words: what may be seen and why, what not, what is missing and who can put it
//! right. Says nothing that the view does not show.

mod answer;
mod desk;
mod dpo;
mod reason;
mod resident;

use std::collections::{BTreeMap, BTreeSet};

use super::PolicySnapshot;
use super::book::{GatewayKind, Rule};
use super::decision::{Explanation, Missing, Outcome, View};
use crate::domain::{Ask, CategoryId, Code, Facts};
pub use answer::Answer;
pub(in crate::policy) use answer::plain;
pub use reason::{Failed, Nearest, Reason, Short, Why, at, cell};

impl PolicySnapshot {
    /// Explains a view in plain words.
    #[must_use]
    pub fn explain(&self, ask: &Ask, facts: &Facts, view: &View) -> Explanation {
        Explanation {
            text: self.sentences(ask, view),
            missing: view.codes.iter().filter_map(|code| self.missing(*code)).collect(),
            may_ask: self.may_ask(ask, facts),
            purpose: ask.purpose.clone(),
        }
    }

    /// A code explained; `None` for one that the vocabulary lacks, which a loaded book never has.
    #[must_use]
    pub fn missing(&self, code: Code) -> Option<Missing> {
        self.book.codes.get(&code).map(|meaning| Missing {
            code,
            disposition: meaning.disposition,
            meaning: meaning.meaning.clone(),
            fixer: meaning.fixer.clone(),
            fix: meaning.fix.clone(),
        })
    }

    fn sentences(&self, ask: &Ask, view: &View) -> String {
        let mut text = match view.outcome {
            Outcome::Permit => "You may see everything you asked for. ".to_owned(),
            Outcome::Partial => "You may see part of what you asked for. ".to_owned(),
            Outcome::Refer => {
                format!("Nothing is released yet: a person at {} must decide. ", ask.from)
            }
            Outcome::Deny => "Nothing is released. ".to_owned(),
        };
        let mut by_rule: BTreeMap<_, Vec<&str>> = BTreeMap::new();
        for (field, path) in &view.released {
            by_rule.entry(path).or_default().push(field.as_str());
        }
        for (path, fields) in by_rule {
            text.push_str(&format!("{}: ", fields.join(", ")));
            if let Some(gateway) = self.book.gateways.get(&path.gateway) {
                let kind = match gateway.kind {
                    GatewayKind::Duty => "the law commands it",
                    GatewayKind::Power | GatewayKind::Exemption => "the law allows it",
                };
                text.push_str(&format!("{kind} ({} {}", gateway.statute, gateway.section));
            }
            text.push_str(&format!(", rule {})", path.rule));
            if let Some(consent) = &path.consent {
                text.push_str(&format!(", and the resident agreed until {}", consent.until));
            }
            if let Some(kind) = &path.override_used {
                text.push_str(&format!(", by the override {kind}"));
            }
            text.push_str(". ");
        }
        let mut by_codes: BTreeMap<&BTreeSet<Code>, Vec<&str>> = BTreeMap::new();
        for (field, codes) in &view.withheld {
            by_codes.entry(codes).or_default().push(field.as_str());
        }
        for (codes, fields) in by_codes {
            let why: Vec<&str> = codes
                .iter()
                .filter_map(|code| self.book.codes.get(code))
                .map(|meaning| meaning.meaning.as_str())
                .collect();
            text.push_str(&format!("Not {}: {}. ", fields.join(", "), why.join("; ")));
        }
        if view.duty_alarm {
            text.push_str("The law commands this disclosure: the refusal is being looked at. ");
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// What this agency and role may ask this purpose for, by the rules alone.
    fn may_ask(&self, ask: &Ask, facts: &Facts) -> Vec<CategoryId> {
        let who = &facts.requester;
        let rules: Vec<&Rule> = self
            .allows_for(&ask.purpose)
            .filter(|rule| rule.agencies.has(&who.agency) && rule.roles.has(&who.role))
            .collect();
        let named = |category: &&CategoryId| rules.iter().any(|r| r.categories.has(*category));
        self.book.categories.keys().filter(named).cloned().collect()
    }
}

#[cfg(test)]
mod tests;
