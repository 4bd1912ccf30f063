//! What may be said to the resident: who, what for, what, why, and what they can do. Made of the
//! requester's view, so that it gives away nothing that stays closed.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{Answer, plain};
use crate::domain::{ChoiceKind, Code, FieldId};
use crate::policy::book::{ChoiceForce, GatewayKind, Rule};
use crate::policy::decision::Path;

impl Answer<'_> {
    /// The explanation in plain words to the resident; `None` where the asker said why the resident
    /// must not be told: then nothing is said.
    #[must_use]
    pub fn resident(&self) -> Option<String> {
        if self.decision.silent {
            return None;
        }
        let who = &self.facts.requester;
        let (asker, holder) = (self.agency(&who.agency), self.agency(&self.ask.from));
        let mut lines = vec![
            format!("Who asked: {asker} ({}).", self.role(&who.role)),
            format!("Whom: {holder}, on {}.", self.day()),
            format!("What for: {}.", self.purpose(&self.ask.purpose)),
        ];
        if self.view.released.is_empty() {
            lines.push("What was given about you: nothing.".to_owned());
        }
        let mut by_path: BTreeMap<&Path, Vec<&FieldId>> = BTreeMap::new();
        for (field, path) in &self.view.released {
            by_path.entry(path).or_default().push(field);
        }
        for (path, fields) in &by_path {
            lines.push(format!("What was given about you: {}.", listed(fields)));
            lines.push(format!("  Why: {}.", self.why(path)));
        }
        let mut by_codes: BTreeMap<&BTreeSet<Code>, Vec<&FieldId>> = BTreeMap::new();
        for (field, codes) in &self.view.withheld {
            by_codes.entry(codes).or_default().push(field);
        }
        for (codes, fields) in by_codes {
            lines.push(format!("What was not given: {}.", listed(&fields)));
            lines.push(format!("  Why not: {}.", self.why_not(codes, holder)));
        }
        lines.push("What you can do:".to_owned());
        let paths: Vec<&Path> = by_path.into_keys().collect();
        lines.extend(
            self.can_do(&paths, asker, holder).into_iter().map(|line| format!("  - {line}")),
        );
        Some(lines.join("\n"))
    }

    fn why(&self, path: &Path) -> String {
        let book = &self.policy.book;
        let mut text = path.because.clone();
        if let Some(gateway) = book.gateways.get(&path.gateway) {
            let kind = match gateway.kind {
                GatewayKind::Duty => "the law commands it",
                GatewayKind::Power | GatewayKind::Exemption => "the law allows it",
            };
            text.push_str(&format!("; {kind} ({} {})", gateway.statute, gateway.section));
        }
        if let Some(consent) = &path.consent {
            text.push_str(&format!("; you agreed, and that is good until {}", consent.until));
        }
        if path.override_used.is_some() {
            text.push_str("; the asker stated an emergency, which is looked at afterwards");
        }
        if path.granted {
            text.push_str("; a person there looked at the request and agreed to it");
        }
        text
    }

    fn why_not(&self, codes: &BTreeSet<Code>, holder: &str) -> String {
        if codes.contains(&Code::SubjNotAvailable) {
            return format!(
                "no reason can be given here; the data protection officer of {holder} can tell you more"
            );
        }
        let meanings = codes.iter().filter_map(|code| self.policy.book.codes.get(code));
        meanings.map(|code| code.meaning.as_str()).collect::<Vec<_>>().join("; ")
    }

    fn can_do(&self, paths: &[&Path], asker: &str, holder: &str) -> Vec<String> {
        let mut lines = Vec::new();
        if paths.iter().any(|path| path.consent.is_some()) {
            lines.push(
                "take your agreement back at any time; nothing more is given after that".to_owned(),
            );
        }
        let rules: Vec<&Rule> = paths
            .iter()
            .filter_map(|path| self.policy.book.rules.iter().find(|rule| rule.id == path.rule))
            .collect();
        let listened = |kind: ChoiceKind| {
            rules.iter().any(|rule| rule.choices.contains(&ChoiceForce::Stops(kind)))
        };
        for (kind, line) in [
            (ChoiceKind::DirectCareObjection, "object to sharing for your own care"),
            (ChoiceKind::Ndo, "opt out of uses of your patient data beyond your own care"),
            (ChoiceKind::Art21, "object to this use, for reasons of your own situation"),
            (ChoiceKind::Art18, "ask that use is restricted while what is held is in dispute"),
        ] {
            if listened(kind) {
                lines.push(line.to_owned());
            }
        }
        lines.push(format!("ask {holder} or {asker} what they hold about you, and for a copy"));
        lines.push("ask that what is wrong is put right".to_owned());
        lines.push(format!(
            "complain to the data protection officer of {holder} or of {asker}, or to the Information \
             Commissioner"
        ));
        lines
    }
}

fn listed(fields: &[&FieldId]) -> String {
    fields.iter().map(|field| plain(field)).collect::<Vec<_>>().join(", ")
}
