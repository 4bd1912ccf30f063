//! One field along each of its paths: released under the best that passes, or withheld with every
//! failure of each.

use std::collections::BTreeSet;

use super::rollup::earlier;
use super::{Candidate, Codes, Decider, FieldGates, Judged, Lift};
use crate::domain::{ChoiceKind, Code, Duty, FieldId};
use crate::policy::EngineError;
use crate::policy::age::end_of;
use crate::policy::book::{ChoiceForce, Effect, Field, Rule};
use crate::policy::decision::{FieldOutcome, Path, Shortfall};
use crate::policy::engine::{SCOPE, TERMS};
use crate::policy::gates::{has_force, is_online};

impl Decider<'_> {
    /// Of several paths that pass: a duty before a power, then the lower number.
    pub(super) fn best(&self, hits: &[usize]) -> Result<usize, EngineError> {
        let rank = |row: &usize| {
            let rule = self.policy.book.rules.get(*row);
            let duty =
                rule.and_then(|r| r.gateway.as_ref()).is_some_and(|g| self.q.is_duty_in_force(g));
            (!duty, rule.map(|r| number(r.id.as_str())))
        };
        hits.iter()
            .copied()
            .min_by_key(rank)
            .ok_or_else(|| EngineError("a yes without a row".to_owned()))
    }

    pub(super) fn released(
        &self,
        row: usize,
        field: &FieldId,
        about: &Field,
        gates: &FieldGates,
        lifted: Option<(Lift<'_>, &Codes)>,
    ) -> Result<Judged, EngineError> {
        let rule = self.rule(row)?;
        let broken = || EngineError(format!("row {} allows without gateway or basis", rule.id));
        if rule.effect != Effect::Allow || !rule.lists(field, about) {
            return Err(EngineError(format!("row {} does not list the field", rule.id)));
        }
        let gateway = rule.gateway.clone().ok_or_else(broken)?;
        let kind = self.policy.book.gateways.get(&gateway).ok_or_else(broken)?.kind.into();
        let ground = rule.ground.ok_or_else(broken)?;
        let mut duties = rule.duties.clone();
        let mut ends = None;
        let consent = match gates.grounds.get(&(ground, is_online(rule))) {
            Some(Ok(used)) => used.clone(),
            Some(Err(_)) | None => None,
        };
        let opt_out = gates.opt_out_consent.clone().filter(|_| has_force(rule, ChoiceKind::Ndo));
        if let Some(used) = consent.as_ref().or(opt_out.as_ref()) {
            duties.insert(Duty::ExpireAt);
            ends = end_of(used.until, &self.policy.book.place.zone);
        }
        if let Some(id) = &rule.agreement
            && gates.agreements.get(id).is_some_and(|gate| gate.review_late)
        {
            duties.insert(Duty::OpenAgreementTask);
        }
        if gates.choices.contains_key(&ChoiceKind::Art18)
            && rule.choices.contains(&ChoiceForce::Label)
        {
            duties.insert(Duty::LabelAccuracyContested);
        }
        let claim = lifted.and_then(|(lift, failures)| Some((lift.claim?, failures)));
        let granted = lifted.is_some_and(|(lift, failures)| {
            let tests = lift.claim.iter().flat_map(|claim| &claim.tests);
            failures.iter().chain(tests).any(|code| lift.granted.contains(code))
        });
        if let Some((claim, failures)) = claim {
            duties.extend(claim.duties.iter().copied());
            ends = earlier(ends, claim.ends);
            if failures.iter().any(|code| code.as_str().starts_with("AGR_")) {
                duties.insert(Duty::OpenAgreementTask);
            }
        }
        let mut conditions = Vec::new();
        if about.special || about.cpi {
            conditions.extend(rule.art9.iter().cloned());
        }
        if about.criminal {
            conditions.extend(rule.art10.iter().cloned());
        }
        let path = Path {
            rule: rule.id.clone(),
            place: place(rule),
            gateway,
            kind,
            art6: rule.art6.clone().ok_or_else(broken)?,
            conditions,
            agreement: rule.agreement.clone(),
            ground: ground.word(),
            consent: consent.or(opt_out),
            override_used: claim.map(|(claim, _)| claim.kind.clone()),
            granted,
            because: rule.because.clone(),
        };
        Ok(Judged {
            outcome: FieldOutcome::Released(path),
            duties,
            ends,
            shortfalls: Vec::new(),
            referred: Codes::new(),
            alarm: false,
        })
    }

    pub(super) fn refused(
        &mut self,
        field: &FieldId,
        about: &Field,
        gates: &FieldGates,
        listing: u64,
        failing: &[(usize, u32)],
    ) -> Result<Judged, EngineError> {
        let mut denials = Codes::new();
        for (row, bits) in failing {
            denials.extend(self.denied(*row, *bits)?);
        }
        let mut paths: Vec<Candidate> = Vec::new();
        for (row, bits) in failing {
            let rule = self.rule(*row)?;
            if rule.effect == Effect::Allow && bits & SCOPE == 0 {
                let terms = self.terms_failed(rule, *bits, gates)?;
                let mut failures: Codes = terms.iter().flat_map(|(_, c)| c.clone()).collect();
                failures.extend(denials.iter().copied());
                if failures.is_empty() {
                    return Err(EngineError(format!("row {} fails on nothing", rule.id)));
                }
                paths.push((*row, terms, failures));
            }
        }
        if paths.is_empty() {
            return self.unlisted(field, about, denials);
        }
        let granted = self.granted(field, &denials);
        let claim = self.common.claim.as_ref().filter(|claim| claim.role_allowed);
        let claimed_in_vain = self.common.claim.is_some() && claim.is_none();
        let mut lifted_verdict = None;
        if claim.is_some() || (!granted.is_empty() && !claimed_in_vain) {
            let lift = Lift { claim, granted: &granted };
            let request = self.request(Some((field, about)), gates, Some(lift));
            let (verdict, _) = self.ask_casbin(request, listing, about)?;
            lifted_verdict = Some(verdict);
        }
        let mut codes = denials;
        let mut shortfalls = Vec::new();
        let mut could = Vec::new();
        let (mut referred, mut alarm) = (Codes::new(), false);
        for (row, terms, failures) in paths {
            let rule = self.rule(row)?;
            let mut listed = failures.clone();
            let mut left = failures.clone();
            if let Some(claim) = &self.common.claim {
                if claim.role_allowed && rule.overrides.has(&claim.kind) {
                    left.retain(|code| !claim.lifts.contains(code));
                    left.extend(claim.tests.iter().copied());
                    listed.extend(claim.tests.iter().copied());
                } else {
                    left.insert(Code::OvrRoleNotAllowed);
                    listed.insert(Code::OvrRoleNotAllowed);
                }
            }
            let is_referred = |code: &Code| self.policy.is_referred(*code, rule.ground);
            left.retain(|code| !(granted.contains(code) && is_referred(code)));
            if left.is_empty() {
                could.push((row, failures.clone()));
            } else if left.iter().all(is_referred) {
                referred.extend(left.iter().copied());
            }
            alarm |= rule.gateway.as_ref().is_some_and(|g| self.q.is_duty_in_force(g))
                && failures.iter().all(|code| is_alarming(*code));
            codes.extend(listed);
            shortfalls.push(Shortfall { rule: rule.id.clone(), place: place(rule), terms, left });
        }
        // casbin, asked again with the lifted failures met, must say what the codes say.
        let yes = lifted_verdict.as_ref().is_some_and(|verdict| verdict.yes);
        if yes == could.is_empty() {
            return Err(EngineError("the override's verdict and its codes disagree".to_owned()));
        }
        if let (true, Some(verdict)) = (yes, lifted_verdict) {
            let row = self.best(&verdict.hits)?;
            let failures = could.into_iter().find(|(r, _)| *r == row).map(|(_, f)| f);
            let failures = failures
                .ok_or_else(|| EngineError("the override's row has failures left".to_owned()))?;
            let claim = self.common.claim.as_ref().filter(|claim| claim.role_allowed);
            let lift = Lift { claim, granted: &granted };
            return self.released(row, field, about, gates, Some((lift, &failures)));
        }
        Ok(Judged {
            outcome: FieldOutcome::Withheld(codes),
            duties: BTreeSet::new(),
            ends: None,
            shortfalls,
            referred,
            alarm,
        })
    }

    /// What a person granted for the field; a deny row's code is nobody's to grant.
    fn granted(&self, field: &FieldId, denials: &Codes) -> Codes {
        let grant = self.q.facts.grant.as_ref().and_then(|grant| grant.fields.get(field));
        grant.map(|codes| codes.difference(denials).copied().collect()).unwrap_or_default()
    }

    /// A field that no rule lists for this agency and role.
    fn unlisted(
        &self,
        field: &FieldId,
        about: &Field,
        denials: Codes,
    ) -> Result<Judged, EngineError> {
        let q = &self.q;
        let mut codes = self.common.stops.clone();
        codes.extend(denials);
        if q.dead() {
            codes.insert(Code::SubjDeceasedRoute);
        }
        if about.sub_code {
            if q.unnamed_sub_code(field, about) {
                codes.insert(Code::MinSensitiveSubcode);
            }
            if q.bulk() {
                codes.insert(Code::MinBulkNotJustified);
            }
        }
        match self.common.ladder {
            Some(code) => {
                codes.insert(code);
            }
            None => {
                codes.insert(if about.third_party {
                    Code::MinThirdParty
                } else {
                    Code::MinNotNecessary
                });
                for rule in self.policy.allows_for(&q.ask.purpose) {
                    if rule.agencies.has(&q.facts.requester.agency)
                        && rule.roles.has(&q.facts.requester.role)
                        && let Some(gateway) = &rule.gateway
                    {
                        codes.extend(q.gateway_exclusions(gateway, about));
                    }
                }
            }
        }
        codes.extend(self.claimed_in_vain());
        Ok(Judged::withheld(codes))
    }

    /// The failing terms of a path, each with its codes. A term that fails without a code would be
    /// a refusal nobody could act on: that is a fault.
    fn terms_failed(
        &self,
        rule: &Rule,
        bits: u32,
        gates: &FieldGates,
    ) -> Result<Vec<(&'static str, Codes)>, EngineError> {
        let mut failed = Vec::new();
        for (i, term) in TERMS.iter().enumerate() {
            if bits & (1 << i) == 0 {
                continue;
            }
            let codes = self.codes_of(term, rule, gates);
            if codes.is_empty() {
                return Err(EngineError(format!("row {} fails on {term} without a code", rule.id)));
            }
            failed.push((*term, codes));
        }
        Ok(failed)
    }

    fn codes_of(&self, term: &str, rule: &Rule, gates: &FieldGates) -> Codes {
        match term {
            "when" => Codes::from([Code::LawNoGateway]),
            "death" => Codes::from([Code::SubjDeceasedRoute]),
            "bulk" => Codes::from([Code::MinBulkNotJustified]),
            "asking" => gates.stops.clone(),
            "gateway" => rule
                .gateway
                .as_ref()
                .and_then(|id| gates.gateways.get(id))
                .cloned()
                .unwrap_or_default(),
            "basis" => Codes::from([match self.q.basis_open() {
                Some(false) => Code::LawBasisNotOpenToController,
                Some(true) | None => Code::LawNoArt6,
            }]),
            "apd9" | "apd10" => Codes::from([Code::LawApdMissing]),
            "ground" => match rule.ground.and_then(|g| gates.grounds.get(&(g, is_online(rule)))) {
                Some(Err(codes)) => codes.clone(),
                Some(Ok(_)) | None => Codes::new(),
            },
            "agreement" => rule
                .agreement
                .as_ref()
                .and_then(|id| gates.agreements.get(id))
                .map(|gate| gate.codes.clone())
                .unwrap_or_default(),
            "choices" => gates
                .choices
                .iter()
                .filter(|(kind, _)| has_force(rule, **kind))
                .flat_map(|(_, codes)| codes.clone())
                .collect(),
            _ => Codes::new(),
        }
    }
}

fn is_alarming(code: Code) -> bool {
    let name = code.as_str();
    name.starts_with("AGR_") || name.starts_with("CNF_") || code == Code::LawApdMissing
}

fn place(rule: &Rule) -> String {
    format!("{}:{}", rule.file, rule.line)
}

/// The numbers in an id, so that N9 comes before N10 and N10.1 before N10.2.
fn number(id: &str) -> (Vec<u32>, String) {
    let numbers =
        id.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
    (numbers, id.to_owned())
}
