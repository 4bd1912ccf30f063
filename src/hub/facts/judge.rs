//! What of the recorded facts counts at a time: pure. What is missing or too old counts as the value
//! that refuses, with one exception that the law makes: capacity is presumed.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each question is to one kind of fact; the others do not bear on it"
)]

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::domain::{
    AgencyId, Capacity, Choice, ChoiceKind, Code, CourtOrder, CustodianRelease, Fact, FactKind,
    FlagId, GatewayId, Interests, MatchQuality, ObjectionState, PurposeId, RecordedFact, Register,
    Scope,
};
use crate::policy::book::RuleBook;
use crate::store::{Known, OptOutCheck, Standing};

/// Judges the facts of a place at one time.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    book: &'a RuleBook,
    standing: &'a Standing,
    at: Timestamp,
    today: Date,
}

/// A person at work, as far as it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staff {
    /// The account is inactive from then on.
    pub account_ends: Option<Timestamp>,
    /// The last good day of training.
    pub training_until: Option<Date>,
}

/// What ties the person at work to the resident beside the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kin {
    /// The person is the resident.
    pub is_self: bool,
    /// Of the household, kin, neighbour or colleague, or nobody knows.
    pub interests: Interests,
}

impl<'a> Judge<'a> {
    /// Judges as of `at`.
    #[must_use]
    pub fn new(book: &'a RuleBook, standing: &'a Standing, at: Timestamp) -> Self {
        let today = at.to_zoned(book.place.zone.clone()).date();
        Self { book, standing, at, today }
    }

    /// The day, in the zone of the place.
    #[must_use]
    pub const fn today(&self) -> Date {
        self.today
    }

    fn days(&self, kind: FactKind) -> Option<i64> {
        self.book.facts.get(&kind).and_then(|rule| rule.max_age_days)
    }

    /// Recorded not longer ago than the policy allows; the last moment counts.
    fn is_fresh(&self, kind: FactKind, recorded_at: Timestamp) -> bool {
        self.days(kind).is_none_or(|days| {
            self.at.duration_since(recorded_at) <= SignedDuration::from_hours(days * 24)
        })
    }

    /// The time until which a fact counts; `None`: it has no age.
    #[must_use]
    pub fn fresh_until(&self, fact: &RecordedFact) -> Option<Timestamp> {
        let days = self.days(fact.fact.kind())?;
        fact.at.checked_add(SignedDuration::from_hours(days * 24)).ok()
    }

    /// The register was read whole, not too long ago.
    #[must_use]
    pub fn is_read(&self, register: Register) -> bool {
        let read = self.standing.registers.get(&register);
        read.is_some_and(|read| match register {
            // Nobody is opted out for not being in a list: each is asked about (`checked_at`).
            Register::OptOuts => false,
            Register::Flags | Register::Deaths => self.is_fresh(FactKind::RegisterRead, *read),
        })
    }

    /// The agency takes part.
    #[must_use]
    pub fn is_active(&self, agency: &AgencyId) -> bool {
        let known = self.standing.agencies.get(agency);
        known.is_some_and(|(active, at)| *active && self.is_fresh(FactKind::Agency, *at))
    }

    /// The agency's policy document is good today.
    #[must_use]
    pub fn has_document(&self, agency: &AgencyId) -> bool {
        let known = self.standing.policy_documents.get(agency);
        known.is_some_and(|(until, at)| {
            until.is_some_and(|until| self.today <= until)
                && self.is_fresh(FactKind::PolicyDocument, *at)
        })
    }

    /// The gateway stands in the public register.
    #[must_use]
    pub fn is_registered(&self, gateway: &GatewayId) -> bool {
        let known = self.standing.registered.get(gateway);
        known.is_some_and(|(entered, at)| *entered && self.is_fresh(FactKind::Registered, *at))
    }

    /// The caller's staff record. Missing or too old: inactive since ever and never trained.
    #[must_use]
    pub fn staff(&self, known: &Known) -> Staff {
        let found = known.facts.iter().find_map(|fact| match &fact.fact {
            Fact::Staff { account_ends, training_until, .. }
                if self.is_fresh(FactKind::Staff, fact.at) =>
            {
                Some(Staff { account_ends: *account_ends, training_until: *training_until })
            }
            _ => None,
        });
        found.unwrap_or(Staff { account_ends: Some(Timestamp::UNIX_EPOCH), training_until: None })
    }

    /// The account is active.
    #[must_use]
    pub fn is_account_active(&self, known: &Known) -> bool {
        self.staff(known).account_ends.is_none_or(|end| self.at < end)
    }

    /// There is a staff record, whatever it says.
    #[must_use]
    pub fn has_staff_record(&self, known: &Known) -> bool {
        known.facts.iter().any(|fact| fact.fact.kind() == FactKind::Staff)
    }

    /// Account and training are good.
    #[must_use]
    pub fn may_act(&self, known: &Known) -> bool {
        let trained = self.staff(known).training_until.is_some_and(|until| self.today <= until);
        self.is_account_active(known) && trained
    }

    /// The resident is the caller's case.
    #[must_use]
    pub fn relationship(&self, known: &Known) -> bool {
        known.facts.iter().any(|fact| match &fact.fact {
            Fact::Relationship { from, until, .. } => {
                *from <= self.at
                    && until.is_none_or(|until| self.at < until)
                    && self.is_fresh(FactKind::Relationship, fact.at)
            }
            _ => false,
        })
    }

    /// Who has not declared their interests in time may be anybody's kin. What was declared stands
    /// until it is taken back.
    #[must_use]
    pub fn kin(&self, known: &Known) -> Kin {
        let declared = known.facts.iter().any(|fact| match &fact.fact {
            Fact::Staff { interests_declared: Some(day), .. } => {
                let age = self.today.duration_since(*day);
                let limit = self.days(FactKind::Conflict).unwrap_or(0);
                *day <= self.today && age <= SignedDuration::from_hours(limit * 24)
            }
            _ => false,
        });
        let interests = Interests { undeclared: !declared, ..Interests::default() };
        let mut kin = Kin { is_self: false, interests };
        for fact in &known.facts {
            if let Fact::Conflict { is_self, conflict, tie, .. } = &fact.fact {
                kin.is_self |= is_self;
                // A tie alone is none: only the conflict is decided upon.
                match tie {
                    Some(tie) if *conflict => kin.interests.tie = Some(*tie),
                    Some(_) => {}
                    None => kin.interests.unsaid |= conflict,
                }
            }
        }
        kin
    }

    /// The resident's flags. A flag that the policy does not know may be one that protects, and while
    /// the custodians' lists are not read, everybody may be protected: the record is closed.
    #[must_use]
    pub fn flags(&self, known: &Known) -> BTreeSet<FlagId> {
        let mut flags: BTreeSet<FlagId> = set_flags(known).cloned().collect();
        let unknown = flags.iter().any(|flag| !self.book.flags.contains_key(flag));
        if unknown || !self.is_read(Register::Flags) {
            let sealed = self.book.flags.iter().find(|(_, f)| f.code == Some(Code::BarSealed));
            flags.extend(sealed.map(|(flag, _)| flag.clone()));
        }
        flags
    }

    /// True when the whole record is closed to everybody, or there is none: to the caller there is
    /// nobody.
    #[must_use]
    pub fn is_closed(&self, known: &Known) -> bool {
        let closes = |flag: &FlagId| match self.book.flags.get(flag) {
            Some(flag) => {
                matches!(flag.code, Some(Code::BarSealed | Code::BarProtectedPerson))
            }
            None => true,
        };
        // Every flag is looked at, found or not.
        let flags = self.flags(known).iter().filter(|flag| closes(flag)).count();
        known.resident.is_none() | (flags > 0)
    }

    /// The day of death. While the register of deaths is not read, everybody may be dead.
    #[must_use]
    pub fn died(&self, known: &Known) -> Option<Date> {
        self.recorded_death(known)
            .or_else(|| (!self.is_read(Register::Deaths)).then_some(self.today))
    }

    /// The day of death as recorded, whatever the state of the register.
    #[must_use]
    pub fn recorded_death(&self, known: &Known) -> Option<Date> {
        known.facts.iter().find_map(|fact| match &fact.fact {
            Fact::Death { died, .. } => *died,
            _ => None,
        })
    }

    /// Presumed where nothing is recorded (Mental Capacity Act 2005 s1(2)). An old finding to the
    /// contrary is a doubt.
    #[must_use]
    pub fn capacity(&self, known: &Known) -> Capacity {
        let found = known.facts.iter().find_map(|fact| match &fact.fact {
            Fact::Capacity { capacity, .. } => {
                Some((*capacity, self.is_fresh(FactKind::Capacity, fact.at)))
            }
            _ => None,
        });
        match found {
            None | Some((Capacity::Has, _)) => Capacity::Has,
            Some((capacity, true)) => capacity,
            Some((Capacity::Lacks | Capacity::InDoubt, false)) => Capacity::InDoubt,
        }
    }

    /// The child was found competent for decisions of this purpose.
    #[must_use]
    pub fn is_competent(&self, known: &Known, of: &PurposeId) -> bool {
        known.facts.iter().any(|fact| match &fact.fact {
            Fact::Gillick { purpose, competent, .. } => {
                purpose == of && *competent && self.is_fresh(FactKind::Gillick, fact.at)
            }
            _ => false,
        })
    }

    /// A parent in a child's case.
    #[must_use]
    pub fn is_parent_of_case(&self, known: &Known) -> bool {
        known.facts.iter().any(|fact| match &fact.fact {
            Fact::Household { until, .. } => {
                until.is_none_or(|until| self.at < until)
                    && self.is_fresh(FactKind::Household, fact.at)
            }
            _ => false,
        })
    }

    /// Disadvantage factors.
    #[must_use]
    pub fn disadvantages(&self, known: &Known) -> u32 {
        let found = known.facts.iter().find_map(|fact| match &fact.fact {
            Fact::Factors { count, .. } if self.is_fresh(FactKind::Factors, fact.at) => {
                Some(*count)
            }
            _ => None,
        });
        found.unwrap_or(0)
    }

    /// The time of the resident's check with the National Data Opt-out service, while it is good.
    #[must_use]
    pub fn checked_at(&self, known: &Known) -> Option<Timestamp> {
        self.good_check(known).map(|check| check.at)
    }

    /// The National Data Opt-out as a choice, while the check that found it is good.
    #[must_use]
    pub fn opt_out(&self, known: &Known) -> Option<Choice> {
        self.good_check(known).filter(|check| check.opted_out).map(|_| Choice {
            kind: ChoiceKind::Ndo,
            on: self.today,
            fields: None,
            lifted: None,
            purpose: None,
            state: ObjectionState::Pending,
        })
    }

    /// What is too old is forgotten, also in the minute before it is deleted; and nothing comes from the future.
    fn good_check(&self, known: &Known) -> Option<OptOutCheck> {
        let limit = SignedDuration::from_hours(self.book.figures.ndo_hours);
        known.check.filter(|check| {
            let age = self.at.duration_since(check.at);
            !age.is_negative() && age <= limit
        })
    }

    /// How sure it is that what is linked is one person.
    #[must_use]
    pub fn matched(&self, known: &Known) -> MatchQuality {
        let found = known.facts.iter().find_map(|fact| match &fact.fact {
            Fact::Match { matched, .. } => Some(*matched),
            _ => None,
        });
        found.unwrap_or(MatchQuality::Certain)
    }

    /// The order addressed to the agency: one in force before one that is not, then the one with the
    /// later first day, then the later reference.
    #[must_use]
    pub fn order(&self, known: &Known, to: &AgencyId) -> Option<CourtOrder> {
        let orders = known.facts.iter().filter_map(|fact| match &fact.fact {
            Fact::Order { order, .. } if order.to == *to => Some(order),
            _ => None,
        });
        let in_force = |o: &CourtOrder| o.from <= self.today && self.today <= o.until;
        orders.max_by_key(|o| (in_force(o), o.from, o.id.clone())).cloned()
    }

    /// What custodians let out to the agency: only what every custodian who has closed the location
    /// lets out.
    #[must_use]
    pub fn releases(&self, known: &Known, to: &AgencyId) -> Vec<CustodianRelease> {
        let closing = known.facts.iter().filter_map(|fact| match &fact.fact {
            Fact::Flag { flag, agency, set: true, .. } => {
                let code = self.book.flags.get(flag).and_then(|f| f.code);
                (code == Some(Code::MinLocationProtected)).then_some(agency)
            }
            _ => None,
        });
        let closing: BTreeSet<&AgencyId> = closing.collect();
        let let_out = || {
            known.facts.iter().filter_map(|fact| match &fact.fact {
                Fact::Release { agency, release, .. } if release.to == *to => {
                    Some((agency, release))
                }
                _ => None,
            })
        };
        let covers = |other: &CustodianRelease, scope: &Scope| {
            self.today <= other.until
                && other.fields.iter().any(|wide| match (wide, scope) {
                    (Scope::Category(_), Scope::Field(field)) => wide.covers(field),
                    (wide, scope) => wide == scope,
                })
        };
        let by_all = |release: &CustodianRelease| {
            closing.iter().all(|custodian| {
                release.fields.iter().all(|scope| {
                    let_out().any(|(agency, other)| agency == *custodian && covers(other, scope))
                })
            })
        };
        let_out().filter(|(_, release)| by_all(release)).map(|(_, r)| r.clone()).collect()
    }
}

/// Flags that a custodian has set and not taken back.
fn set_flags(known: &Known) -> impl Iterator<Item = &FlagId> {
    known.facts.iter().filter_map(|fact| match &fact.fact {
        Fact::Flag { flag, set: true, .. } => Some(flag),
        _ => None,
    })
}
