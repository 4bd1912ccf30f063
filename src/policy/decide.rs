//! The decision procedure: per field, every failure at once, then rolled up. Pure and total.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use casbin::rhai::ImmutableString;
use jiff::{SignedDuration, Timestamp};

use super::age::end_of;
use super::book::{Disposition, Effect, Field, Ground, Lifts, Rule};
use super::decision::{Decision, FieldOutcome, Outcome, Path, Permit, Shortfall, UsedConsent};
use super::engine::{Request, SCOPE, Section, TERMS, Verdict, WHEN};
use super::gates::{AgreementGate, Question, has_force, is_online};
use super::{EngineError, PolicySnapshot};
use crate::domain::{
    AgreementId, Ask, ChoiceKind, Code, Duty, Facts, FieldId, GatewayId, OverrideId, Scope,
};

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
    /// For some path every failure left is a person's to decide.
    refers: bool,
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

    fn disposition(&self, code: Code, rule: &Rule) -> Disposition {
        if code == Code::CnfNoBasis && rule.ground == Some(Ground::Holder) {
            return Disposition::Referred;
        }
        self.book.codes.get(&code).map_or(Disposition::Hard, |meaning| meaning.disposition)
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

    fn gates(
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

    /// The words for casbin. With `claim`, what its override lifts counts as met.
    fn request(
        &self,
        field: Option<(&FieldId, &Field)>,
        gates: &FieldGates,
        claim: Option<&Claim>,
    ) -> Request {
        let q = &self.q;
        let none = Codes::new();
        let lifts = claim.map_or(&none, |claim| &claim.lifts);
        let met = |codes: &Codes| codes.iter().all(|code| lifts.contains(code));
        let mut stops: Vec<&str> = gates
            .stops
            .iter()
            .filter(|code| !lifts.contains(code))
            .map(|code| code.as_str())
            .collect();
        if let Some(claim) = claim {
            stops.extend(claim.tests.iter().map(|code| code.as_str()));
        }
        let grounds = gates.grounds.iter().filter(|(_, result)| match result {
            Ok(_) => true,
            Err(codes) => met(codes),
        });
        let apd = q.apd_lapsed() && !lifts.contains(&Code::LawApdMissing);
        let death = q.dead() && !lifts.contains(&Code::SubjDeceasedRoute);
        let bulk = q.bulk() && !lifts.contains(&Code::MinBulkNotJustified);
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

    /// Of several paths that pass: a duty before a power, then the lower number.
    fn best(&self, hits: &[usize]) -> Result<usize, EngineError> {
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

    fn released(
        &self,
        row: usize,
        field: &FieldId,
        about: &Field,
        gates: &FieldGates,
        claim: Option<(&Claim, &Codes)>,
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
            && rule.choices.contains(&super::book::ChoiceForce::Label)
        {
            duties.insert(Duty::LabelAccuracyContested);
        }
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
            because: rule.because.clone(),
        };
        Ok(Judged {
            outcome: FieldOutcome::Released(path),
            duties,
            ends,
            shortfalls: Vec::new(),
            refers: false,
            alarm: false,
        })
    }

    fn refused(
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
        let mut lifted_verdict = None;
        if let Some(claim) = self.common.claim.as_ref().filter(|claim| claim.role_allowed) {
            let request = self.request(Some((field, about)), gates, Some(claim));
            let (verdict, _) = self.ask_casbin(request, listing, about)?;
            lifted_verdict = Some(verdict);
        }
        let mut codes = denials;
        let mut shortfalls = Vec::new();
        let mut could = Vec::new();
        let (mut refers, mut alarm) = (false, false);
        for (row, terms, failures) in paths {
            let rule = self.rule(row)?;
            let mut listed = failures.clone();
            let mut left = failures.clone();
            if let Some(claim) = &self.common.claim {
                if claim.role_allowed && rule.overrides.has(&claim.kind) {
                    left.retain(|code| !claim.lifts.contains(code));
                    left.extend(claim.tests.iter().copied());
                    listed.extend(claim.tests.iter().copied());
                    if left.is_empty() {
                        could.push((row, failures.clone()));
                    }
                } else {
                    left.insert(Code::OvrRoleNotAllowed);
                    listed.insert(Code::OvrRoleNotAllowed);
                }
            }
            let referred =
                |code: &Code| self.policy.disposition(*code, rule) == Disposition::Referred;
            refers |= !left.is_empty() && left.iter().all(referred);
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
        if let (true, Some(verdict), Some(claim)) = (yes, lifted_verdict, &self.common.claim) {
            let row = self.best(&verdict.hits)?;
            let failures = could.into_iter().find(|(r, _)| *r == row).map(|(_, f)| f);
            let failures = failures
                .ok_or_else(|| EngineError("the override's row has failures left".to_owned()))?;
            return self.released(row, field, about, gates, Some((claim, &failures)));
        }
        Ok(Judged {
            outcome: FieldOutcome::Withheld(codes),
            duties: BTreeSet::new(),
            ends: None,
            shortfalls,
            refers,
            alarm,
        })
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

    fn roll_up(&self, judged: Vec<(FieldId, Judged)>) -> Decision {
        let book = &self.policy.book;
        let released = judged.iter().filter(|(_, j)| j.path().is_some()).count();
        let outcome = if released == judged.len() && released > 0 {
            Outcome::Permit
        } else if released > 0 {
            Outcome::Partial
        } else if judged.iter().any(|(_, j)| j.refers) {
            Outcome::Refer
        } else {
            Outcome::Deny
        };
        let mut beside =
            self.q.cited(judged.iter().filter_map(|(field, _)| book.fields.get(field)));
        if judged.is_empty() {
            beside.extend(self.common.asking.iter().copied());
        }
        let mut codes = beside.clone();
        let mut duties = BTreeSet::new();
        let mut duties_by_field = BTreeMap::new();
        let mut permit = BTreeMap::new();
        let mut expires_at = None;
        let (mut fields, mut shortfalls, mut alarm) = (Vec::new(), Vec::new(), false);
        for (field, one) in judged {
            match &one.outcome {
                FieldOutcome::Released(path) => {
                    permit.insert(field.clone(), path.clone());
                    duties.extend(one.duties.iter().copied());
                    duties_by_field.insert(field.clone(), (one.duties, one.ends));
                    expires_at = earlier(expires_at, one.ends);
                }
                FieldOutcome::Withheld(why) => codes.extend(why.iter().copied()),
            }
            alarm |= one.alarm;
            if !one.shortfalls.is_empty() {
                shortfalls.push((field.clone(), one.shortfalls));
            }
            fields.push((field, one.outcome));
        }
        let silent = super::gates::said(self.q.ask.do_not_tell.as_deref());
        if released > 0 {
            finish_duties(&mut duties, &fields, silent);
        }
        Decision {
            outcome,
            codes,
            beside,
            duties,
            duties_by_field,
            duty_alarm: alarm && matches!(outcome, Outcome::Deny | Outcome::Refer),
            closed: self.closed(),
            outside: self.outside(),
            silent,
            shortfalls,
            expires_at,
            permit: (released > 0).then_some(Permit { fields: permit }),
            fields,
            fault: None,
        }
    }

    /// The record is sealed, protected or unknown: a bar on the whole record that is not spoken of.
    fn closed(&self) -> bool {
        let who = &self.q.facts.requester;
        self.common.stops.contains(&Code::SubjNotAvailable)
            || self.policy.closing.iter().filter_map(|row| self.policy.book.rules.get(*row)).any(
                |rule| {
                    rule.agencies.has(&who.agency)
                        && rule.roles.has(&who.role)
                        && rule.purposes.has(&self.q.ask.purpose)
                        && rule.when.iter().all(|when| self.q.meets_one(when))
                },
            )
    }

    /// Codes that do not concern the resident (rule 17).
    fn outside(&self) -> Codes {
        let mut codes = self.common.asking.clone();
        codes.extend(self.common.ladder);
        codes
    }

    fn faulted(&self, fault: EngineError) -> Decision {
        Decision {
            outcome: Outcome::Deny,
            fields: Vec::new(),
            codes: Codes::new(),
            beside: Codes::new(),
            duties: BTreeSet::new(),
            duties_by_field: BTreeMap::new(),
            duty_alarm: false,
            closed: false,
            outside: Codes::new(),
            silent: false,
            shortfalls: Vec::new(),
            expires_at: None,
            permit: None,
            fault: Some(fault.0),
        }
    }
}

/// Duties that hang on the release as a whole (rule 15).
pub(super) fn finish_duties(
    duties: &mut BTreeSet<Duty>,
    fields: &[(FieldId, FieldOutcome)],
    silent: bool,
) {
    duties.insert(Duty::UpdateRecipientLedger);
    if silent {
        duties.insert(Duty::DoNotNotify);
        duties.remove(&Duty::NotifySubject);
    }
    let failed = |code: Code| {
        fields.iter().any(|(_, outcome)| match outcome {
            FieldOutcome::Withheld(codes) => codes.contains(&code),
            FieldOutcome::Released(_) => false,
        })
    };
    if failed(Code::MinLocationProtected) {
        duties.insert(Duty::MaskLocation);
    }
    if failed(Code::MinThirdParty) {
        duties.insert(Duty::StripThirdParty);
    }
}

impl Judged {
    fn withheld(codes: Codes) -> Self {
        Self {
            outcome: FieldOutcome::Withheld(codes),
            duties: BTreeSet::new(),
            ends: None,
            shortfalls: Vec::new(),
            refers: false,
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

impl FieldGates {
    /// What stands before a field is known.
    fn nameless(q: &Question<'_>, stops: &Codes) -> Self {
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

fn is_alarming(code: Code) -> bool {
    let name = code.as_str();
    name.starts_with("AGR_") || name.starts_with("CNF_") || code == Code::LawApdMissing
}

fn place(rule: &Rule) -> String {
    format!("{}:{}", rule.file, rule.line)
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

fn joined<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> String {
    let mut out = String::new();
    for word in words {
        if !out.is_empty() {
            out.push('|');
        }
        out.push_str(word.as_ref());
    }
    if out.is_empty() { "-".to_owned() } else { out }
}

pub(super) fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

/// The numbers in an id, so that N9 comes before N10 and N10.1 before N10.2.
fn number(id: &str) -> (Vec<u32>, String) {
    let numbers =
        id.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
    (numbers, id.to_owned())
}
