//! The words that casbin is asked with: what is met of each gate, for one field.

use std::collections::BTreeMap;

use super::{Codes, Decider, FieldGates, Lift};
use crate::domain::{Code, FieldId};
use crate::policy::EngineError;
use crate::policy::book::{Effect, Field, Ground};
use crate::policy::engine::Request;
use crate::policy::gates::{Question, is_online};

impl Decider<'_> {
    pub(super) fn gates(
        &self,
        rows: &[usize],
        listing: u64,
        field: &FieldId,
        about: &Field,
    ) -> Result<FieldGates, EngineError> {
        let q = &self.q;
        let mut gates = FieldGates::nameless(q, &self.common.stops);
        gates.meets = joined(q.meets(field, about));
        if q.unnamed_sub_code(field, about) {
            gates.stops.insert(Code::MinSensitiveSubcode);
        }
        let mut any_choice = false;
        for (i, row) in rows.iter().enumerate() {
            let rule = self.rule(*row)?;
            let listed =
                if rows.len() > 64 { rule.lists(field, about) } else { listing & (1 << i) != 0 };
            if rule.effect == Effect::Deny || !listed || !rule.roles.has(&q.facts.requester.role) {
                continue;
            }
            any_choice |= !rule.choices.is_empty();
            if let Some(id) = &rule.gateway {
                gates.gateways.entry(id.clone()).or_insert_with(|| q.gateway(id, about));
            }
            if let Some(id) = &rule.agreement {
                gates.agreements.entry(id.clone()).or_insert_with(|| q.agreement(id, about));
            }
            if let Some(ground) = rule.ground {
                let online = is_online(rule);
                gates
                    .grounds
                    .entry((ground, online))
                    .or_insert_with(|| q.ground(ground, online, field, about));
            }
        }
        if any_choice {
            (gates.choices, gates.opt_out_consent) = q.choices(field, about);
        }
        Ok(gates)
    }

    /// The words for casbin. What `lift` lifts counts as met.
    pub(super) fn request(
        &self,
        field: Option<(&FieldId, &Field)>,
        gates: &FieldGates,
        lift: Option<Lift<'_>>,
    ) -> Request {
        let q = &self.q;
        let lifts = |code: &Code, ground: Option<Ground>| {
            lift.is_some_and(|lift| {
                lift.claim.is_some_and(|claim| claim.lifts.contains(code))
                    || (lift.granted.contains(code) && self.policy.is_referred(*code, ground))
            })
        };
        let met = |codes: &Codes| codes.iter().all(|code| lifts(code, None));
        let mut stops: Vec<&str> = gates
            .stops
            .iter()
            .filter(|code| !lifts(code, None))
            .map(|code| code.as_str())
            .collect();
        let claim = lift.and_then(|lift| lift.claim);
        if let Some(claim) = claim {
            let failed = claim.tests.iter().filter(|code| !lifts(code, None));
            stops.extend(failed.map(|code| code.as_str()));
        }
        let grounds = gates.grounds.iter().filter(|((ground, _), result)| match result {
            Ok(_) => true,
            Err(codes) => codes.iter().all(|code| lifts(code, Some(*ground))),
        });
        let apd = q.apd_lapsed() && !lifts(&Code::LawApdMissing, None);
        let death = q.dead() && !lifts(&Code::SubjDeceasedRoute, None);
        let bulk = q.bulk() && !lifts(&Code::MinBulkNotJustified, None);
        let apd9 = match field {
            Some((_, about)) if apd && about.special => {
                joined(self.policy.book.figures.apd_conditions.iter().map(|b| b.as_str()))
            }
            Some(_) | None => "-".to_owned(),
        };
        let apd10 = matches!(field, Some((_, about)) if apd && about.criminal);
        Request {
            agency: q.facts.requester.agency.as_str().into(),
            role: q.facts.requester.role.as_str().into(),
            purpose: q.ask.purpose.as_str().into(),
            category: field.map_or("-", |(_, about)| about.category.as_str()).into(),
            field: field.map_or("-", |(field, _)| field.as_str()).into(),
            letters: joined(field.map(|(_, about)| letters(about)).unwrap_or_default()).into(),
            meets: gates.meets.as_str().into(),
            dead: if death { "after-death" } else { "-" }.into(),
            bulk: if bulk { "bulk" } else { "-" }.into(),
            stops: joined(stops).into(),
            gateways: joined(
                gates.gateways.iter().filter(|(_, c)| met(c)).map(|(id, _)| id.as_str()),
            )
            .into(),
            basis: match (&q.ask.basis, q.basis_open()) {
                (None, _) | (_, None) => "-",
                (Some(_), Some(false)) => "closed",
                (Some(basis), Some(true)) => basis.as_str(),
            }
            .into(),
            apd9: apd9.into(),
            apd10: if apd10 { "*" } else { "-" }.into(),
            grounds: joined(grounds.map(|((ground, online), _)| {
                if *online { format!("{}@online", ground.word()) } else { ground.word() }
            }))
            .into(),
            agreements: joined(
                gates.agreements.iter().filter(|(_, g)| met(&g.codes)).map(|(id, _)| id.as_str()),
            )
            .into(),
            choices: joined(
                gates.choices.iter().filter(|(_, c)| !met(c)).map(|(kind, _)| kind.as_str()),
            )
            .into(),
            override_kind: claim.map_or("-", |claim| claim.kind.as_str()).into(),
        }
    }
}

impl FieldGates {
    /// What stands before a field is known.
    pub(super) fn nameless(q: &Question<'_>, stops: &Codes) -> Self {
        let flags = q.facts.resident.flags.iter().map(|flag| format!("flag:{flag}"));
        Self {
            meets: joined(flags),
            stops: stops.clone(),
            gateways: BTreeMap::new(),
            agreements: BTreeMap::new(),
            grounds: BTreeMap::new(),
            choices: BTreeMap::new(),
            opt_out_consent: None,
        }
    }
}

fn letters(about: &Field) -> Vec<String> {
    let mut letters: Vec<String> = ['s', 'c', 'p', 'l', 't', 'x']
        .into_iter()
        .filter(|letter| about.has_letter(*letter))
        .map(String::from)
        .collect();
    letters.extend(about.bar.as_ref().map(|flag| format!("bar:{flag}")));
    letters
}

pub(super) fn joined<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> String {
    let mut out = String::new();
    for word in words {
        if !out.is_empty() {
            out.push('|');
        }
        out.push_str(word.as_ref());
    }
    if out.is_empty() { "-".to_owned() } else { out }
}
