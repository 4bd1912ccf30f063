//! What decisions rely on and that is no record, consent or choice: each kind has an owner, an age and a
//! value that refuses when it is missing.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::facts::closed;
use super::{
    AgencyId, Capacity, CourtOrder, CustodianRelease, FlagId, GatewayId, MatchQuality, PersonId,
    PurposeId, ResidentId, Scope,
};

closed! {
    /// Kinds of facts. The policy says of each who may write it and how long it is good for.
    FactKind {
        /// A member of staff: account, training, declaration of interests.
        Staff = "staff",
        /// A legitimate relationship between a person at work and a resident.
        Relationship = "relationship",
        /// The person at work is the resident, or of their household, kin, neighbour or colleague.
        Conflict = "conflict",
        /// A flag or seal on a resident.
        Flag = "flag",
        /// A death.
        Death = "death",
        /// An assessment of capacity (Mental Capacity Act 2005).
        Capacity = "capacity",
        /// An assessment of a child's competence for a decision (Gillick).
        Gillick = "gillick",
        /// A parent in a child's case.
        Household = "household",
        /// Disadvantage factors (Digital Economy Act 2017 s35 objectives).
        Factors = "factors",
        /// An agency takes part, or is suspended.
        Agency = "agency",
        /// An agency's appropriate policy document (DPA 2018 Sch 1 Pt 4).
        PolicyDocument = "policy-document",
        /// An entry in the public register of data sharing (Digital Economy Act 2017).
        Registered = "registered",
        /// A register outside the hub was read whole.
        RegisterRead = "register-read",
        /// The outcome of a check with the National Data Opt-out service: no fact on record, and forgotten after
        /// some hours. The policy says who may ask.
        OptOut = "opt-out",
        /// How sure it is that what is linked is one person.
        Match = "match",
        /// An order of a court.
        Order = "order",
        /// A custodian lets location fields out.
        Release = "release",
    }
    /// How a person at work is tied to a resident. What is decided does not turn on it: it is for whoever
    /// reviews.
    Tie {
        /// They live together.
        Household = "household",
        /// Kin who live elsewhere.
        Kin = "kin",
        /// A neighbour.
        Neighbour = "neighbour",
        /// They work together.
        Colleague = "colleague",
    }
    /// Registers outside the hub whose silence is only worth something while the reading is fresh.
    Register {
        /// The National Data Opt-out list.
        OptOuts = "opt-outs",
        /// The custodians' lists of flags and seals.
        Flags = "flags",
        /// The register of deaths.
        Deaths = "deaths",
    }
}

/// One fact. The latest of its kind about the same replaces the earlier one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fact {
    /// A member of staff.
    Staff {
        /// The agency.
        agency: AgencyId,
        /// The person.
        person: PersonId,
        /// The account is inactive from then on; `None`: open-ended.
        #[serde(default)]
        account_ends: Option<Timestamp>,
        /// The last day on which training is good; `None`: never trained.
        #[serde(default)]
        training_until: Option<Date>,
        /// The day of the last declaration of interests; `None`: never declared.
        #[serde(default)]
        interests_declared: Option<Date>,
    },
    /// A legitimate relationship between a person at work and a resident.
    Relationship {
        /// The agency.
        agency: AgencyId,
        /// The person.
        person: PersonId,
        /// The resident.
        resident: ResidentId,
        /// First moment.
        from: Timestamp,
        /// No longer from this time on; `None`: open-ended.
        #[serde(default)]
        until: Option<Timestamp>,
    },
    /// The person at work is the resident, or of the household, kin, neighbour or colleague.
    Conflict {
        /// The agency.
        agency: AgencyId,
        /// The person.
        person: PersonId,
        /// The resident.
        resident: ResidentId,
        /// The person is the resident.
        is_self: bool,
        /// Of the household, kin, neighbour or colleague.
        conflict: bool,
        /// Which of these, where it is said; only with `conflict`. Facts from before it was asked have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tie: Option<Tie>,
    },
    /// A flag, set or taken back by one custodian. It stands while any custodian's stands.
    Flag {
        /// The resident.
        resident: ResidentId,
        /// The flag.
        flag: FlagId,
        /// The custodian.
        agency: AgencyId,
        /// True: set.
        set: bool,
    },
    /// A death, or that one was entered in error.
    Death {
        /// The resident.
        resident: ResidentId,
        /// The day; `None`: alive after all.
        died: Option<Date>,
    },
    /// An assessment of capacity.
    Capacity {
        /// The resident.
        resident: ResidentId,
        /// What was found.
        capacity: Capacity,
        /// The day of the assessment.
        on: Date,
    },
    /// An assessment of competence for one purpose.
    Gillick {
        /// The resident.
        resident: ResidentId,
        /// The purpose of the decision.
        purpose: PurposeId,
        /// What was found.
        competent: bool,
        /// The day of the assessment.
        on: Date,
    },
    /// The resident is a parent in a child's case.
    Household {
        /// The parent.
        resident: ResidentId,
        /// The child.
        child: ResidentId,
        /// No longer from this time on; `None`: open-ended.
        #[serde(default)]
        until: Option<Timestamp>,
    },
    /// Disadvantage factors.
    Factors {
        /// The resident.
        resident: ResidentId,
        /// How many of the factors listed for the objective; at most 13.
        count: u32,
    },
    /// An agency takes part, or is suspended.
    Agency {
        /// The agency.
        agency: AgencyId,
        /// False: suspended.
        active: bool,
    },
    /// An agency's appropriate policy document.
    PolicyDocument {
        /// The agency.
        agency: AgencyId,
        /// The last good day; `None`: there is none.
        #[serde(default)]
        until: Option<Date>,
    },
    /// An entry in the public register of data sharing.
    Registered {
        /// The gateway.
        gateway: GatewayId,
        /// True: entered.
        registered: bool,
    },
    /// A register was read whole.
    RegisterRead {
        /// Which.
        register: Register,
        /// As of when it was complete.
        at: Timestamp,
    },
    /// How sure it is that what is linked is one person.
    Match {
        /// The resident.
        resident: ResidentId,
        /// `certain` or `uncertain`.
        matched: MatchQuality,
    },
    /// An order of a court.
    Order {
        /// The resident.
        resident: ResidentId,
        /// The order.
        order: CourtOrder,
        /// SHA-256 of the sealed copy, in hexadecimal; there where `order.sealed_copy` is true.
        #[serde(default)]
        copy_sha256: Option<String>,
    },
    /// A custodian lets location fields out. Where several have closed the location, all must.
    Release {
        /// The resident.
        resident: ResidentId,
        /// The custodian.
        agency: AgencyId,
        /// What, to whom, until when.
        release: CustodianRelease,
    },
}

/// Only the kind: a fact is about somebody.
impl std::fmt::Debug for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fact({}, ..)", self.kind())
    }
}

impl Fact {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> FactKind {
        match self {
            Self::Staff { .. } => FactKind::Staff,
            Self::Relationship { .. } => FactKind::Relationship,
            Self::Conflict { .. } => FactKind::Conflict,
            Self::Flag { .. } => FactKind::Flag,
            Self::Death { .. } => FactKind::Death,
            Self::Capacity { .. } => FactKind::Capacity,
            Self::Gillick { .. } => FactKind::Gillick,
            Self::Household { .. } => FactKind::Household,
            Self::Factors { .. } => FactKind::Factors,
            Self::Agency { .. } => FactKind::Agency,
            Self::PolicyDocument { .. } => FactKind::PolicyDocument,
            Self::Registered { .. } => FactKind::Registered,
            Self::RegisterRead { .. } => FactKind::RegisterRead,
            Self::Match { .. } => FactKind::Match,
            Self::Order { .. } => FactKind::Order,
            Self::Release { .. } => FactKind::Release,
        }
    }

    /// The resident it is about, where it is about one.
    #[must_use]
    pub const fn resident(&self) -> Option<ResidentId> {
        match self {
            Self::Relationship { resident, .. }
            | Self::Conflict { resident, .. }
            | Self::Flag { resident, .. }
            | Self::Death { resident, .. }
            | Self::Capacity { resident, .. }
            | Self::Gillick { resident, .. }
            | Self::Household { resident, .. }
            | Self::Factors { resident, .. }
            | Self::Match { resident, .. }
            | Self::Order { resident, .. }
            | Self::Release { resident, .. } => Some(*resident),
            Self::Staff { .. }
            | Self::Agency { .. }
            | Self::PolicyDocument { .. }
            | Self::Registered { .. }
            | Self::RegisterRead { .. } => None,
        }
    }

    /// The agency whose fact it is, where only that agency may write it.
    #[must_use]
    pub const fn owner(&self) -> Option<&AgencyId> {
        match self {
            Self::Staff { agency, .. }
            | Self::Relationship { agency, .. }
            | Self::Conflict { agency, .. }
            | Self::Flag { agency, .. }
            | Self::Release { agency, .. } => Some(agency),
            Self::Death { .. }
            | Self::Capacity { .. }
            | Self::Gillick { .. }
            | Self::Household { .. }
            | Self::Factors { .. }
            | Self::Agency { .. }
            | Self::PolicyDocument { .. }
            | Self::Registered { .. }
            | Self::RegisterRead { .. }
            | Self::Match { .. }
            | Self::Order { .. } => None,
        }
    }

    /// About whom or what it is, and under which key it replaces an earlier one of its kind. The first
    /// is empty for the place.
    #[must_use]
    pub fn key(&self) -> (String, String) {
        let none = String::new;
        let scopes =
            |scopes: &[Scope]| scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        match self {
            Self::Staff { agency, person, .. } => (at_work(agency, person), none()),
            Self::Relationship { agency, person, resident, .. }
            | Self::Conflict { agency, person, resident, .. } => {
                (about(*resident), at_work(agency, person))
            }
            Self::Flag { resident, flag, agency, .. } => {
                (about(*resident), format!("{flag} {agency}"))
            }
            Self::Gillick { resident, purpose, .. } => (about(*resident), purpose.to_string()),
            Self::Household { resident, child, .. } => (about(*resident), about(*child)),
            Self::Death { resident, .. }
            | Self::Capacity { resident, .. }
            | Self::Factors { resident, .. }
            | Self::Match { resident, .. } => (about(*resident), none()),
            Self::Agency { agency, .. } | Self::PolicyDocument { agency, .. } => {
                (none(), agency.to_string())
            }
            Self::Registered { gateway, .. } => (none(), gateway.to_string()),
            Self::RegisterRead { register, .. } => (none(), register.to_string()),
            Self::Order { resident, order, .. } => {
                (about(*resident), format!("{} {}", order.to, order.id))
            }
            Self::Release { resident, agency, release } => {
                let what = scopes(&release.fields);
                (about(*resident), format!("{agency} {} {what}", release.to))
            }
        }
    }

    /// Names a tie where there is no conflict: one of the two is a slip.
    #[must_use]
    pub const fn contradicts_itself(&self) -> bool {
        matches!(self, Self::Conflict { conflict: false, tie: Some(_), .. })
    }

    /// A release stands scope by scope: one that is taken back ends, whatever it was let out with.
    /// Everything else stands as it is.
    #[must_use]
    pub fn parts(&self) -> Vec<Self> {
        let Self::Release { resident, agency, release } = self else {
            return vec![self.clone()];
        };
        let alone = |scope: &Scope| Self::Release {
            resident: *resident,
            agency: agency.clone(),
            release: CustodianRelease { fields: vec![scope.clone()], ..release.clone() },
        };
        release.fields.iter().map(alone).collect()
    }
}

/// What is known of how a person at work is tied to a resident, beside that it is a conflict at all.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interests {
    /// The tie that is on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tie: Option<Tie>,
    /// A conflict is on record, and not how.
    pub unsaid: bool,
    /// No declaration of interests is in date.
    pub undeclared: bool,
}

impl Interests {
    /// Whether it is a conflict of interest.
    #[must_use]
    pub const fn conflict(&self) -> bool {
        self.tie.is_some() || self.unsaid || self.undeclared
    }
}

/// Only whether it is a conflict: a tie is about somebody.
impl std::fmt::Debug for Interests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Interests(conflict: {}, ..)", self.conflict())
    }
}

/// How a person at work is named in keys.
#[must_use]
pub fn at_work(agency: &AgencyId, person: &PersonId) -> String {
    format!("{agency} {}", person.as_str())
}

/// How a resident is named in keys.
#[must_use]
pub fn about(resident: ResidentId) -> String {
    resident.uuid().simple().to_string()
}

/// A fact as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedFact {
    /// The fact.
    pub fact: Fact,
    /// The agency that recorded it; `None`: the hub's operator.
    pub by: Option<AgencyId>,
    /// When it was recorded, which is also when it was last confirmed.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE_TIES: &str = r#"{"fact":"conflict","agency":"befriend","person":"worker-1","resident":"00000000-0000-0000-0000-000000000007","is_self":false,"conflict":true}"#;

    #[test]
    fn a_conflict_of_before_ties_is_read_and_written_as_it_was() {
        let fact: Fact = serde_json::from_str(BEFORE_TIES).unwrap();
        assert!(matches!(fact, Fact::Conflict { conflict: true, tie: None, .. }));
        assert_eq!(serde_json::to_string(&fact).unwrap(), BEFORE_TIES, "its version is the same");
    }

    #[test]
    fn a_tie_is_one_of_four_words_and_needs_a_conflict() {
        for (conflict, tie, wanted) in [
            (true, "household", Some(true)),
            (true, "kin", Some(true)),
            (true, "neighbour", Some(true)),
            (true, "colleague", Some(true)),
            (false, "kin", Some(false)),
            (true, "friend", None),
            (true, "", None),
        ] {
            let text = BEFORE_TIES.replace("true}", &format!("{conflict},\"tie\":\"{tie}\"}}"));
            let fact = serde_json::from_str::<Fact>(&text).ok();
            let sound = fact.as_ref().map(|fact| !fact.contradicts_itself());
            assert_eq!(sound, wanted, "{tie} where conflict is {conflict}");
            let again = fact.map(|fact| serde_json::to_string(&fact).unwrap());
            assert!(again.is_none_or(|again| again == text), "{tie}");
        }
    }
}
