//! The decision procedure: per field, every failure at once, then rolled up. Pure and total.

mod paths;
mod request;
mod rollup;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use casbin::rhai::ImmutableString;
use jiff::{SignedDuration, Timestamp};

use super::book::{Disposition, Effect, Field, Ground, Lifts, Rule};
use super::decision::{Decision, FieldOutcome, Path, Shortfall, UsedConsent};
use super::engine::{Request, SCOPE, Section, Verdict, WHEN};
use super::gates::{AgreementGate, Question};
use super::{EngineError, PolicySnapshot};
use crate::domain::{
    AgreementId, Ask, ChoiceKind, Code, Duty, Facts, FieldId, GatewayId, OverrideId, Scope,
};
pub(super) use rollup::{earlier, finish_duties};

type Codes = BTreeSet<Code>;
/// casbin's verdict and, on a no, the failing terms of each row.
type Ruling = (Verdict, Vec<(usize, u32)>);
/// A candidate row, its failing terms with their codes, and all of its codes.
type Candidate = (usize, Vec<(&'static str, Codes)>, Codes);

/// What stands for every field alike.
struct Common {
    asking: Codes,
    /// Steps 2, 5 (the match) and 9.
    stops: Codes,
    ladder: Option<Code>,
    claim: Option<Claim>,
}

/// What counts as met when casbin is asked again.
#[derive(Clone, Copy)]
struct Lift<'c> {
    claim: Option<&'c Claim>,
    /// Codes that a person granted for this field.
    granted: &'c Codes,
}

/// An override that was asserted.
struct Claim {
    kind: OverrideId,
    role_allowed: bool,
    /// Codes that it lifts.
    lifts: Codes,
    /// Failures of its own tests.
    tests: Codes,
    duties: BTreeSet<Duty>,
    ends: Option<Timestamp>,
}

/// Everything about one field that the candidate rules ask for.
struct FieldGates {
    meets: String,
    stops: Codes,
    gateways: BTreeMap<GatewayId, Codes>,
    agreements: BTreeMap<AgreementId, AgreementGate>,
    grounds: BTreeMap<(Ground, bool), Result<Option<UsedConsent>, Codes>>,
    choices: BTreeMap<ChoiceKind, Codes>,
    opt_out_consent: Option<UsedConsent>,
}

/// One field on its way to an outcome.
struct Judged {
    outcome: FieldOutcome,
    duties: BTreeSet<Duty>,
    ends: Option<Timestamp>,
    shortfalls: Vec<Shortfall>,
    /// The failures left of the paths on which every one left is a person's to decide.
    referred: Codes,
    /// A duty was refused for want of paper or of a ground.
    alarm: bool,
}

struct Decider<'a> {
    policy: &'a PolicySnapshot,
    q: Question<'a>,
    common: Common,
    /// casbin's verdicts by section, by the rows that list the field, and by the request with what
    /// names the field left out.
    memo: HashMap<(u32, u64, Request), Ruling>,
}

impl PolicySnapshot {
    /// Decides one ask. Pure and total: same inputs, same answer, for ever.
    #[must_use]
    pub fn decide(&self, ask: &Ask, facts: &Facts, as_of: Timestamp) -> Decision {
        let q = Question::new(&self.book, ask, facts, as_of);
        let common = self.common(&q);
        let mut decider = Decider { policy: self, q, common, memo: HashMap::new() };
        decider.run()
    }

    fn common(&self, q: &Question<'_>) -> Common {
        let asking = q.asking();
        let mut stops = asking.clone();
        stops.extend(q.standing_to_resident());
        stops.extend(q.subject());
        stops.extend(q.onward());
        let claim = q.ask.override_claim.as_ref().map(|claim| {
            let rule = self.book.overrides.get(&claim.kind);
            let role_allowed = rule.is_some_and(|r| r.roles.contains(&q.facts.requester.role));
            let lifts = rule.map(|r| self.lifted(&r.lifts)).unwrap_or_default();
            let asserted = claim.asserted_at.unwrap_or(q.at);
            Claim {
                kind: claim.kind.clone(),
                role_allowed,
                lifts,
                tests: rule.map(|r| q.override_tests(claim, r)).unwrap_or_default(),
                duties: rule.map(|r| r.duties.clone()).unwrap_or_default(),
                ends: rule.and_then(|r| {
                    asserted.checked_add(SignedDuration::from_hours(r.ceiling_hours)).ok()
                }),
            }
        });
        Common { ladder: self.ladder(q), asking, stops, claim }
    }

    fn lifted(&self, lifts: &Lifts) -> Codes {
        self.book
            .codes
            .iter()
            .filter(|(_, meaning)| meaning.lifted_by_override)
            .map(|(code, _)| *code)
            .filter(|code| match lifts {
                Lifts::All => true,
                Lifts::Only(only) => only.contains(code),
            })
            .collect()
    }

    /// Which rule (rule 3), up to the role: the first step at which no rule is left.
    fn ladder(&self, q: &Question<'_>) -> Option<Code> {
        if !self.book.purposes.contains_key(&q.ask.purpose) {
            return Some(Code::PurUnknown);
        }
        let who = &q.facts.requester;
        let mut found = Some(Code::LawNoGateway);
        for rule in self.allows_for(&q.ask.purpose) {
            if !rule.agencies.has(&who.agency) {
                found =
                    found.map(|c| if c == Code::LawNoGateway { Code::PurNotCovered } else { c });
            } else if rule.roles.has(&who.role) {
                return None;
            } else {
                found = Some(Code::WhoRoleNotAllowed);
            }
        }
        found
    }

    /// Whether a failure is a person's to decide: by the code, or because the rule leaves it to the
    /// holder.
    fn is_referred(&self, code: Code, ground: Option<Ground>) -> bool {
        let meaning = self.book.codes.get(&code);
        (code == Code::CnfNoBasis && ground == Some(Ground::Holder))
            || meaning.is_some_and(|meaning| meaning.disposition == Disposition::Referred)
    }
}

impl Decider<'_> {
    fn run(&mut self) -> Decision {
        let mut judged: Vec<(FieldId, Judged)> = Vec::new();
        for (field, known) in self.expand() {
            let result = match known {
                Some(about) => self.judge(&field, &about),
                None => self.unknown(),
            };
            match result {
                Ok(one) => judged.push((field, one)),
                Err(fault) => return self.faulted(fault),
            }
        }
        self.roll_up(judged)
    }

    /// The fields asked for, each once, categories expanded in vocabulary order.
    fn expand(&self) -> Vec<(FieldId, Option<Field>)> {
        let book = &self.policy.book;
        let mut seen = BTreeSet::new();
        let mut out = Vec::new();
        for asked in &self.q.ask.fields {
            let fields: Vec<FieldId> = match &asked.0 {
                Scope::Field(field) => vec![field.clone()],
                Scope::Category(category) => match book.categories.get(category) {
                    Some(known) => known.fields.clone(),
                    None => category.as_str().parse().into_iter().collect(),
                },
            };
            for field in fields {
                if seen.insert(field.clone()) {
                    let about = book.fields.get(&field).cloned();
                    out.push((field, about));
                }
            }
        }
        out
    }

    fn section(&self, about: Option<&Field>) -> Result<&Section, EngineError> {
        self.policy
            .engine
            .section(
                self.q.facts.requester.agency.as_str(),
                self.q.ask.purpose.as_str(),
                about.map(|about| &about.category),
            )
            .ok_or_else(|| EngineError("the index has no such cell".to_owned()))
    }

    /// A field that no vocabulary names.
    fn unknown(&self) -> Result<Judged, EngineError> {
        let mut codes = self.common.stops.clone();
        codes.insert(Code::ReqIncomplete);
        codes.extend(self.common.ladder);
        if self.q.dead() {
            codes.insert(Code::SubjDeceasedRoute);
        }
        let section = self.section(None)?;
        let nameless = FieldGates::nameless(&self.q, &codes);
        let request = self.request(None, &nameless, None);
        for (row, failing) in self.policy.engine.trace(section, &request)? {
            codes.extend(self.denied(row, failing)?);
        }
        codes.extend(self.claimed_in_vain());
        Ok(Judged::withheld(codes))
    }

    /// What is wrong with the override itself, of a field that no rule lists.
    fn claimed_in_vain(&self) -> Codes {
        match &self.common.claim {
            Some(claim) if claim.role_allowed => claim.tests.clone(),
            Some(_) => Codes::from([Code::OvrRoleNotAllowed]),
            None => Codes::new(),
        }
    }

    fn rule(&self, row: usize) -> Result<&Rule, EngineError> {
        self.policy.book.rules.get(row).ok_or_else(|| EngineError("no such row".to_owned()))
    }

    /// The code of a deny row that speaks of the question, whatever else stands in the way.
    fn denied(&self, row: usize, failing: u32) -> Result<Option<Code>, EngineError> {
        let rule = self.rule(row)?;
        let applies = failing & (SCOPE | (1 << WHEN)) == 0;
        Ok(if rule.effect == Effect::Deny && applies { rule.code } else { None })
    }

    fn judge(&mut self, field: &FieldId, about: &Field) -> Result<Judged, EngineError> {
        let rows = self.section(Some(about))?.rows.clone();
        let listing = self.listing(&rows, field, about)?;
        let gates = self.gates(&rows, listing, field, about)?;
        let request = self.request(Some((field, about)), &gates, None);
        let (verdict, failing) = self.ask_casbin(request, listing, about)?;
        if verdict.yes {
            let used = self.best(&verdict.hits)?;
            return self.released(used, field, about, &gates, None);
        }
        self.refused(field, about, &gates, listing, &failing)
    }

    /// Which rows of the section list the field: part of the memo's key.
    fn listing(&self, rows: &[usize], field: &FieldId, about: &Field) -> Result<u64, EngineError> {
        if rows.len() > 64 {
            return Ok(0);
        }
        let mut bits = 0_u64;
        for (i, row) in rows.iter().enumerate() {
            if self.rule(*row)?.lists(field, about) {
                bits |= 1 << i;
            }
        }
        Ok(bits)
    }

    /// Decides and, on a no, traces. Fields that the same rows list, and for which all else is alike,
    /// share one call.
    fn ask_casbin(
        &mut self,
        request: Request,
        listing: u64,
        about: &Field,
    ) -> Result<Ruling, EngineError> {
        let section = self.section(Some(about))?;
        let shared = section.rows.len() <= 64;
        let nameless = Request {
            field: ImmutableString::new(),
            letters: ImmutableString::new(),
            category: ImmutableString::new(),
            ..request.clone()
        };
        let key = (section.at, listing, nameless);
        if shared && let Some(known) = self.memo.get(&key) {
            return Ok(known.clone());
        }
        let verdict = self.policy.engine.decide(section, &request)?;
        let failing =
            if verdict.yes { Vec::new() } else { self.policy.engine.trace(section, &request)? };
        let answer = (verdict, failing);
        if shared {
            self.memo.insert(key, answer.clone());
        }
        Ok(answer)
    }
}

impl Judged {
    fn withheld(codes: Codes) -> Self {
        Self {
            outcome: FieldOutcome::Withheld(codes),
            duties: BTreeSet::new(),
            ends: None,
            shortfalls: Vec::new(),
            referred: Codes::new(),
            alarm: false,
        }
    }

    fn path(&self) -> Option<&Path> {
        match &self.outcome {
            FieldOutcome::Released(path) => Some(path),
            FieldOutcome::Withheld(_) => None,
        }
    }
}
