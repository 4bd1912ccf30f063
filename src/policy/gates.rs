//! The gates of a path, each by itself: what is met, and with which codes what is not met fails.
//! casbin combines them; nothing here says yes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::age::{day_of, is_at_least, is_under};
use super::book::{
    Agency, Agreement, ApproverOf, ChoiceForce, Despite, Field, Gateway, GatewayKind, Ground,
    OverrideRule, OverrideTest, Rule, RuleBook, When,
};
use super::consented::Consents;
use super::decision::UsedConsent;
use crate::domain::{
    AgreementId, AgreementStatus, Answer, Ask, Choice, ChoiceKind, Code, ConsentKind, Facts,
    FieldId, FlagId, GatewayId, MatchQuality, ObjectionState, OverrideClaim, Scope,
};

/// The question, with what is derived from it once.
pub(super) struct Question<'a> {
    pub book: &'a RuleBook,
    pub ask: &'a Ask,
    pub facts: &'a Facts,
    pub at: Timestamp,
    pub day: Date,
    consents: Consents<'a>,
}

/// What an agreement says on the day.
pub(super) struct AgreementGate {
    pub codes: BTreeSet<Code>,
    /// Past its review, within the days of grace.
    pub review_late: bool,
}

impl<'a> Question<'a> {
    pub(super) fn new(book: &'a RuleBook, ask: &'a Ask, facts: &'a Facts, at: Timestamp) -> Self {
        let day = day_of(at, &book.place.zone);
        let digital_consent_age =
            facts.amendments.digital_consent_age.unwrap_or(book.figures.digital_consent_age);
        let consents = Consents { book, ask, facts, at, day, digital_consent_age };
        Self { book, ask, facts, at, day, consents }
    }

    fn asker(&self) -> Option<&Agency> {
        self.book.agencies.get(&self.facts.requester.agency)
    }

    fn holder(&self) -> Option<&Agency> {
        self.book.agencies.get(&self.ask.from)
    }

    /// Asking (rule 2): codes that do not concern the resident.
    pub(super) fn asking(&self) -> BTreeSet<Code> {
        let mut codes = BTreeSet::new();
        let who = &self.facts.requester;
        let reason = self.ask.reason.trim();
        if reason.is_empty() || self.ask.case_ref.trim().is_empty() || self.ask.fields.is_empty() {
            codes.insert(Code::ReqIncomplete);
        }
        if reason.split_whitespace().count() < self.book.figures.reason_words_min {
            codes.insert(Code::ReqReasonInadequate);
        }
        if self.asker().is_none() || self.holder().is_none() {
            codes.insert(Code::WhoAgencyUnknown);
        }
        if self.facts.suspended.contains(&who.agency)
            || self.facts.suspended.contains(&self.ask.from)
        {
            codes.insert(Code::WhoAgencySuspended);
        }
        if who.account_ends.is_some_and(|ends| self.at >= ends) {
            codes.insert(Code::WhoAccountInactive);
        }
        if who.training_until.is_none_or(|last| self.day > last) {
            codes.insert(Code::WhoTrainingLapsed);
        }
        codes
    }

    /// Asking (rule 2): codes that tell something of the resident.
    pub(super) fn standing_to_resident(&self) -> BTreeSet<Code> {
        let who = &self.facts.requester;
        let mut codes = BTreeSet::new();
        if who.is_self {
            codes.insert(Code::WhoSelfAccess);
        }
        if who.conflict {
            codes.insert(Code::WhoConflictOfInterest);
        }
        if !who.relationship {
            codes.insert(Code::WhoNoRelationship);
        }
        codes
    }

    /// The match (rule 5).
    pub(super) fn subject(&self) -> BTreeSet<Code> {
        match self.facts.resident.matched {
            MatchQuality::Certain => BTreeSet::new(),
            MatchQuality::Uncertain => BTreeSet::from([Code::SubjMatchUncertain]),
            MatchQuality::None => BTreeSet::from([Code::SubjNotAvailable]),
        }
    }

    /// Dead on that day.
    pub(super) fn dead(&self) -> bool {
        self.facts.resident.died.is_some_and(|died| died <= self.day)
    }

    /// Onward use of received copies (rule 9).
    pub(super) fn onward(&self) -> BTreeSet<Code> {
        let barred = self.ask.received_for.as_ref().is_some_and(|first| {
            *first != self.ask.purpose
                && !self.book.figures.onward_purposes.contains(&self.ask.purpose)
        });
        if barred { BTreeSet::from([Code::PurOnwardBarred]) } else { BTreeSet::new() }
    }

    /// More residents than one asks for singly (rule 13).
    pub(super) fn bulk(&self) -> bool {
        self.ask.subjects > self.book.figures.small_group
    }

    /// A sensitive sub-code that was not asked for by name (rule 13).
    pub(super) fn unnamed_sub_code(&self, field: &FieldId, about: &Field) -> bool {
        about.sub_code && !self.ask.fields.iter().any(|asked| asked.names(field))
    }

    /// The conditions of a `when` cell that hold for `field`.
    pub(super) fn meets(&self, field: &FieldId, about: &Field) -> Vec<String> {
        let mut met: Vec<String> = Vec::new();
        for (name, when) in [
            ("child", When::Child),
            ("parent", When::Parent),
            ("factors", When::Factors),
            ("notice", When::Notice),
        ] {
            if self.meets_one(&when) {
                met.push(name.to_owned());
            }
        }
        met.extend(self.flags_on(field, about).map(|flag| format!("flag:{flag}")));
        met
    }

    /// One condition. A flag is asked of the whole record here.
    pub(super) fn meets_one(&self, when: &When) -> bool {
        let resident = &self.facts.resident;
        let figures = &self.book.figures;
        match when {
            When::Child => is_under(resident.born, figures.adult_age, self.day),
            When::Parent => {
                resident.parent_of_case && is_at_least(resident.born, figures.adult_age, self.day)
            }
            When::Factors => resident.disadvantages >= figures.factors_min,
            When::Notice => said(self.ask.notice_ref.as_deref()),
            When::Flag(flag) => resident.flags.contains(flag),
        }
    }

    /// The flags that stand against `field`: all of the resident's, less those on a location that
    /// its custodian has let out to the asking agency.
    fn flags_on<'f>(
        &'f self,
        field: &'f FieldId,
        about: &'f Field,
    ) -> impl Iterator<Item = &'f FlagId> {
        let released = about.location
            && self.facts.custodian_releases.iter().any(|release| {
                release.to == self.facts.requester.agency
                    && self.day <= release.until
                    && release.fields.iter().any(|scope| scope.covers(field))
            });
        self.facts.resident.flags.iter().filter(move |flag| {
            let hides_location = self
                .book
                .flags
                .get(*flag)
                .is_some_and(|f| f.code == Some(Code::MinLocationProtected));
            !(released && hides_location)
        })
    }

    fn in_force(&self, id: &GatewayId, gateway: &Gateway) -> bool {
        let (from, to) = self
            .facts
            .amendments
            .gateways
            .get(id)
            .map_or((gateway.in_force_from, gateway.in_force_to), |amended| {
                (amended.in_force_from, amended.in_force_to)
            });
        from.is_some_and(|from| self.day >= from) && to.is_none_or(|to| self.day <= to)
    }

    /// A duty in force on the day.
    pub(super) fn is_duty_in_force(&self, id: &GatewayId) -> bool {
        self.book
            .gateways
            .get(id)
            .is_some_and(|g| g.kind == GatewayKind::Duty && self.in_force(id, g))
    }

    fn excludes_data(gateway: &Gateway, about: &Field) -> bool {
        gateway.excludes_data.iter().any(|p| p.covers(&about.category))
            && !gateway.keeps_data.iter().any(|p| p.covers(&about.category))
    }

    fn excludes_body(&self, gateway: &Gateway) -> bool {
        self.holder().is_some_and(|h| gateway.excludes_holder_types.contains(&h.kind))
    }

    /// The gateway's own failures, data left out of account (rule 7).
    fn gateway_itself(&self, id: &GatewayId, gateway: &Gateway) -> BTreeSet<Code> {
        let mut codes = BTreeSet::new();
        if !self.in_force(id, gateway) {
            codes.insert(Code::LawGatewayNotInForce);
        }
        let here = |nation: &str| gateway.nations.contains(nation);
        if !here(&self.facts.resident.nation)
            || !self.holder().is_some_and(|a| here(&a.nation))
            || !self.asker().is_some_and(|a| here(&a.nation))
        {
            codes.insert(Code::LawGatewayWrongNation);
        }
        if self.excludes_body(gateway) {
            codes.insert(Code::LawGatewayExcludesBody);
        }
        if gateway.needs_registration && !self.facts.registered.contains(id) {
            codes.insert(Code::LawGatewayNotRegistered);
        }
        codes
    }

    /// The gateway's failures for a field.
    pub(super) fn gateway(&self, id: &GatewayId, about: &Field) -> BTreeSet<Code> {
        let Some(gateway) = self.book.gateways.get(id) else {
            return BTreeSet::from([Code::LawNoGateway]);
        };
        let mut codes = self.gateway_itself(id, gateway);
        if Self::excludes_data(gateway, about) {
            codes.insert(Code::LawGatewayExcludesData);
        }
        codes
    }

    /// For a field that no rule lists: whether the gateway of one of the rules is closed to it.
    pub(super) fn gateway_exclusions(&self, id: &GatewayId, about: &Field) -> BTreeSet<Code> {
        let mut codes = BTreeSet::new();
        if let Some(gateway) = self.book.gateways.get(id) {
            if Self::excludes_data(gateway, about) {
                codes.insert(Code::LawGatewayExcludesData);
            }
            if self.excludes_body(gateway) {
                codes.insert(Code::LawGatewayExcludesBody);
            }
        }
        codes
    }

    /// The cited gateway's own failures: for the decision, not for a field.
    pub(super) fn cited<'f>(&self, fields: impl Iterator<Item = &'f Field>) -> BTreeSet<Code> {
        let Some(id) = &self.ask.cites else {
            return BTreeSet::new();
        };
        let Some(gateway) = self.book.gateways.get(id) else {
            return BTreeSet::from([Code::LawNoGateway]);
        };
        let mut codes = self.gateway_itself(id, gateway);
        if gateway.kind == GatewayKind::Exemption {
            codes.insert(Code::LawExemptionIsNotPower);
        }
        if fields.into_iter().any(|about| Self::excludes_data(gateway, about)) {
            codes.insert(Code::LawGatewayExcludesData);
        }
        codes
    }

    /// The stated basis: `None` when none is stated, else whether it is open to the asker.
    pub(super) fn basis_open(&self) -> Option<bool> {
        let stated = self.ask.basis.as_ref()?;
        let closed_to_public =
            self.book.bases.get(stated).is_some_and(|basis| !basis.open_to_public_authority);
        Some(!(closed_to_public && self.asker().is_some_and(|a| a.public_authority)))
    }

    /// A policy document has lapsed at the holder or the asker (rule 8).
    pub(super) fn apd_lapsed(&self) -> bool {
        self.facts.apd_lapsed.contains(&self.ask.from)
            || self.facts.apd_lapsed.contains(&self.facts.requester.agency)
    }

    /// The agreement on the day (rule 6).
    pub(super) fn agreement(&self, id: &AgreementId, about: &Field) -> AgreementGate {
        let none = || AgreementGate { codes: BTreeSet::from([Code::AgrNone]), review_late: false };
        let Some(agreement) = self.book.agreements.get(id) else {
            return none();
        };
        let amended = self.facts.amendments.agreements.get(id).cloned().unwrap_or_default();
        let mut codes = BTreeSet::new();
        match amended.status.unwrap_or(agreement.status) {
            AgreementStatus::None => return none(),
            AgreementStatus::Suspended => {
                codes.insert(Code::AgrSuspended);
            }
            AgreementStatus::Live => {}
        }
        let party = |agency| {
            agreement.parties.contains(agency) && !amended.without_parties.contains(agency)
        };
        if !party(&self.ask.from) || !party(&self.facts.requester.agency) {
            codes.insert(Code::AgrNotParty);
        }
        if self.day < amended.start.unwrap_or(agreement.start) {
            codes.insert(Code::AgrNotYetEffective);
        }
        if self.day > amended.end.unwrap_or(agreement.end) {
            codes.insert(Code::AgrExpired);
        }
        let late = self.days_late(agreement, amended.review_due);
        if late > agreement.grace_days {
            codes.insert(Code::AgrReviewOverdue);
        }
        if !amended.dpia.unwrap_or(agreement.dpia.is_some()) {
            codes.insert(Code::AgrDpiaMissing);
        }
        if amended.without_categories.contains(&about.category) {
            codes.insert(Code::AgrCategoryNotListed);
        }
        AgreementGate { codes, review_late: late > 0 && late <= agreement.grace_days }
    }

    fn days_late(&self, agreement: &Agreement, amended: Option<Date>) -> i64 {
        let due = amended.unwrap_or(agreement.review_due);
        self.day.duration_since(due).as_hours() / 24
    }

    /// The ground (rules 10 and 11): the consent it rests on, if any, or the codes it fails with.
    pub(super) fn ground(
        &self,
        ground: Ground,
        online: bool,
        field: &FieldId,
        about: &Field,
    ) -> Result<Option<UsedConsent>, BTreeSet<Code>> {
        let no_basis = || Err(BTreeSet::from([Code::CnfNoBasis]));
        match ground {
            Ground::Ordinary | Ground::Care | Ground::Statute => Ok(None),
            Ground::Threshold => {
                if said(self.ask.threshold.as_deref()) {
                    Ok(None)
                } else {
                    no_basis()
                }
            }
            Ground::Override | Ground::Holder => no_basis(),
            Ground::Order => {
                let codes = self.order(field);
                if codes.is_empty() { Ok(None) } else { Err(codes) }
            }
            Ground::Consent(kind) => self.consents.live(kind, online, field, about).map(Some),
        }
    }

    fn order(&self, field: &FieldId) -> BTreeSet<Code> {
        let Some(order) = &self.facts.order else {
            return BTreeSet::from([Code::LawNoGateway]);
        };
        let mut codes = BTreeSet::new();
        if order.to != self.facts.requester.agency || !order.sealed_copy {
            codes.insert(Code::LawNoGateway);
        }
        if self.day < order.from || self.day > order.until {
            codes.insert(Code::LawGatewayNotInForce);
        }
        if !order.fields.iter().any(|scope| scope.covers(field)) {
            codes.insert(Code::MinNotNecessary);
        }
        codes
    }

    /// Choices that stand against `field`, by kind, with their codes (rule 12); and the consent
    /// that lifts an opt-out, where one was needed.
    pub(super) fn choices(
        &self,
        field: &FieldId,
        about: &Field,
    ) -> (BTreeMap<ChoiceKind, BTreeSet<Code>>, Option<UsedConsent>) {
        let mut found: BTreeMap<ChoiceKind, BTreeSet<Code>> = BTreeMap::new();
        let mut lifted_by = None;
        let live = |choice: &&Choice| {
            choice.on <= self.day
                && choice.lifted.is_none_or(|lifted| self.at < lifted)
                && choice.fields.as_ref().is_none_or(|all| covers(all, field))
        };
        for choice in self.facts.choices.iter().filter(live) {
            let code = match choice.kind {
                ChoiceKind::DirectCareObjection => Some(Code::ChoDirectCareObjection),
                ChoiceKind::Art18 => Some(Code::ChoArt18Restricted),
                // An objection that names no purpose is to every purpose.
                ChoiceKind::Art21
                    if choice.purpose.as_ref().is_none_or(|p| *p == self.ask.purpose) =>
                {
                    match choice.state {
                        ObjectionState::Pending => Some(Code::ChoArt21Pending),
                        ObjectionState::Upheld => Some(Code::ChoArt21Upheld),
                        ObjectionState::Rejected => None,
                    }
                }
                ChoiceKind::Art21 => None,
                ChoiceKind::Ndo => self.opt_out(field, about, &mut lifted_by),
            };
            if let Some(code) = code {
                found.entry(choice.kind).or_default().insert(code);
            }
        }
        if about.cpi && self.opt_out_list_stale() {
            found.entry(ChoiceKind::Ndo).or_default().insert(Code::SysNdoStale);
        }
        (found, lifted_by)
    }

    fn opt_out(
        &self,
        field: &FieldId,
        about: &Field,
        lifted_by: &mut Option<UsedConsent>,
    ) -> Option<Code> {
        if !about.cpi {
            return None;
        }
        match self.consents.live(ConsentKind::ConfidentialityExplicit, false, field, about) {
            Ok(consent) => {
                *lifted_by = Some(consent);
                None
            }
            Err(_) => Some(Code::ChoNdo),
        }
    }

    fn opt_out_list_stale(&self) -> bool {
        let limit = SignedDuration::from_hours(self.book.figures.ndo_hours);
        self.facts.ndo_checked_at.is_none_or(|read| self.at.duration_since(read) > limit)
    }

    /// The override's own tests (rule 14), for an override that this role may assert.
    pub(super) fn override_tests(
        &self,
        claim: &OverrideClaim,
        rule: &OverrideRule,
    ) -> BTreeSet<Code> {
        let mut codes = BTreeSet::new();
        let asserted = claim.asserted_at.unwrap_or(self.at);
        let answered =
            rule.answers.iter().all(|q| claim.answers.get(q).is_some_and(|a| fits(q, a)));
        if !answered || asserted > self.at {
            codes.insert(Code::OvrTestNotMet);
        }
        let good_until = asserted.checked_add(SignedDuration::from_hours(rule.ceiling_hours));
        if good_until.is_ok_and(|end| self.at > end) {
            codes.insert(Code::OvrExpired);
        }
        for test in &rule.tests {
            match test {
                OverrideTest::Unable => {
                    if flag(claim, "unable_to_consent") != Some(true) {
                        codes.insert(Code::OvrTestNotMet);
                    }
                }
                OverrideTest::SecondPerson => {
                    if !self.approved(claim, rule) {
                        codes.insert(Code::OvrNeedsSecondPerson);
                    }
                }
                OverrideTest::Capacity => codes.extend(self.capacity_test(claim, rule)),
            }
        }
        codes
    }

    fn capacity_test(&self, claim: &OverrideClaim, rule: &OverrideRule) -> Option<Code> {
        let view = match claim.answers.get("capacity_view") {
            Some(Answer::Text(view)) => view.as_str(),
            Some(Answer::Flag(_)) | None => return Some(Code::OvrTestNotMet),
        };
        match view {
            "lacks" => None,
            "has" if flag(claim, "others_at_risk") == Some(false) => {
                let nobody = claim.approver.is_none() && claim.named.is_none();
                if flag(claim, "coercion") != Some(true) || nobody {
                    Some(Code::OvrCapacitousRefusal)
                } else if self.approved(claim, rule) {
                    None
                } else {
                    Some(Code::OvrNeedsSecondPerson)
                }
            }
            "has" => None,
            _ => Some(Code::OvrTestNotMet),
        }
    }

    fn approved(&self, claim: &OverrideClaim, rule: &OverrideRule) -> bool {
        claim.approver.as_ref().is_some_and(|approver| {
            let of = match rule.approver_of {
                ApproverOf::Holder => *approver.agency() == self.ask.from,
                ApproverOf::HolderOrAsker => {
                    *approver.agency() == self.ask.from
                        || *approver.agency() == self.facts.requester.agency
                }
            };
            of && *approver.person() != self.facts.requester.person
                && rule.approver_roles.contains(approver.role())
        })
    }
}

/// True when the rule lets the choice stop the field.
pub(super) fn has_force(rule: &Rule, kind: ChoiceKind) -> bool {
    rule.choices.contains(&ChoiceForce::Stops(kind))
}

/// True when the rule lets a child of the digital consent age speak.
pub(super) fn is_online(rule: &Rule) -> bool {
    match &rule.despite {
        super::book::Cell::Any => false,
        super::book::Cell::These(words) => words.contains(&Despite::Online),
    }
}

pub(super) fn said(text: Option<&str>) -> bool {
    text.is_some_and(|text| !text.trim().is_empty())
}

fn covers(scopes: &[Scope], field: &FieldId) -> bool {
    scopes.iter().any(|scope| scope.covers(field))
}

fn flag(claim: &OverrideClaim, question: &str) -> Option<bool> {
    match claim.answers.get(question) {
        Some(Answer::Flag(yes)) => Some(*yes),
        Some(Answer::Text(_)) | None => None,
    }
}

/// The kind of answer that a question takes.
fn fits(question: &str, answer: &Answer) -> bool {
    match (question, answer) {
        ("unable_to_consent" | "others_at_risk" | "coercion", Answer::Flag(_)) => true,
        ("unable_to_consent" | "others_at_risk" | "coercion", Answer::Text(_))
        | (_, Answer::Flag(_)) => false,
        ("capacity_view", Answer::Text(view)) => {
            matches!(view.as_str(), "has" | "lacks" | "unclear")
        }
        (_, Answer::Text(text)) => !text.trim().is_empty(),
    }
}
