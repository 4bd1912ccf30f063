//! What is known at the time of a decision: gathered from the token and the store, never from the
//! message. Kept with the audit entry, so that a decision can be replayed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{
    AgencyId, AgreementId, CategoryId, Code, Collected, DecisionId, FieldId, FlagId, GatewayId,
    PersonId, ProxyGrant, PurposeId, RoleId, Scope,
};

/// Everything a decision relies on besides the policy, the ask and the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Who asks.
    pub requester: RequesterFacts,
    /// About whom.
    pub resident: ResidentFacts,
    /// Consent events of the resident, in any order.
    pub consents: Vec<ConsentEvent>,
    /// Objections, restrictions and opt-outs of the resident.
    pub choices: Vec<Choice>,
    /// Agencies suspended by the hub board.
    pub suspended: BTreeSet<AgencyId>,
    /// Agencies whose appropriate policy document has lapsed (DPA 2018 Sch 1 Pt 4).
    pub apd_lapsed: BTreeSet<AgencyId>,
    /// Gateways with an entry in the public register (Digital Economy Act 2017).
    pub registered: BTreeSet<GatewayId>,
    /// When the National Data Opt-out list was last read; `None`: never, which counts as stale.
    pub ndo_checked_at: Option<Timestamp>,
    /// A court order that the asker relies on.
    pub order: Option<CourtOrder>,
    /// What the custodian of a hidden location has let out.
    pub custodian_releases: Vec<CustodianRelease>,
    /// Changes to the rule book that a scenario or a trial makes; the running hub has none.
    pub amendments: Amendments,
    /// What a person at the holder granted to this asker for this case; not in older entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
}

/// A person's yes to what was referred to them. It lifts nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The referral, which is the refused decision.
    pub referral: DecisionId,
    /// By granted field, the codes that were referred.
    pub fields: BTreeMap<FieldId, BTreeSet<Code>>,
}

/// Who asks: from the verified token and the staff register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequesterFacts {
    /// The agency.
    pub agency: AgencyId,
    /// The acting role.
    pub role: RoleId,
    /// The person.
    pub person: PersonId,
    /// The time from which the account is inactive.
    pub account_ends: Option<Timestamp>,
    /// The last day on which training is good; `None`: never trained.
    pub training_until: Option<Date>,
    /// A legitimate relationship to the resident is recorded.
    pub relationship: bool,
    /// The person asks about themselves.
    pub is_self: bool,
    /// Of the household, kin, neighbour or colleague, or not declared.
    pub conflict: bool,
}

/// About whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResidentFacts {
    /// Date of birth; `None` fails every test of age.
    pub born: Option<Date>,
    /// The nation where the resident is registered.
    pub nation: String,
    /// Day of death.
    pub died: Option<Date>,
    /// Flags.
    pub flags: BTreeSet<FlagId>,
    /// How sure it is that this is the person meant.
    pub matched: MatchQuality,
    /// Capacity for this decision (Mental Capacity Act 2005).
    pub capacity: Capacity,
    /// A parent in the child's case that is asked about.
    pub parent_of_case: bool,
    /// Disadvantage factors counted (Digital Economy Act 2017 s35 objectives).
    pub disadvantages: u32,
}

macro_rules! closed {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// All of them, in the order of the vocabulary.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word of the vocabulary.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = super::IdError;
            fn from_str(text: &str) -> Result<Self, super::IdError> {
                match text { $($text => Ok(Self::$variant),)* _ => Err(super::IdError::Malformed) }
            }
        }
    )*};
}
pub(super) use closed;

closed! {
    /// How sure the resident index is.
    MatchQuality {
        /// One confident match.
        Certain = "certain",
        /// More than one candidate.
        Uncertain = "uncertain",
        /// Nobody.
        None = "none",
    }
    /// Capacity for the decision at hand.
    Capacity {
        /// Presumed or assessed to have it.
        Has = "has",
        /// Assessed to lack it.
        Lacks = "lacks",
        /// Not assessed for this decision.
        InDoubt = "in-doubt",
    }
    /// Kinds of consent; never interchangeable.
    ConsentKind {
        /// UK GDPR Art 6(1)(a).
        GdprArt6a = "gdpr_art6a",
        /// UK GDPR Art 9(2)(a).
        GdprArt9Explicit = "gdpr_art9_explicit",
        /// Lifts the common-law duty of confidence.
        ConfidentialityExplicit = "confidentiality_explicit",
        /// Expected by a patient in direct care.
        ConfidentialityImplied = "confidentiality_implied",
        /// Agreement a statute itself asks for.
        StatutoryConsent = "statutory_consent",
        /// Agreement to a service or a visit.
        Participation = "participation",
    }
    /// What a consent event says.
    ConsentState {
        /// Asked, not answered.
        Requested = "requested",
        /// Said yes.
        Given = "given",
        /// Said yes again.
        Renewed = "renewed",
        /// Said no.
        Refused = "refused",
        /// Took it back.
        Withdrawn = "withdrawn",
        /// Found invalid.
        Invalidated = "invalidated",
        /// Nobody knows.
        Unknown = "unknown",
    }
    /// Who speaks in a consent event.
    Giver {
        /// The resident.
        Own = "self",
        /// Holder of parental responsibility.
        Parent = "parent",
        /// Attorney, health and welfare.
        AttorneyHw = "attorney-hw",
        /// Attorney, property and finance.
        AttorneyPf = "attorney-pf",
        /// Court deputy, health and welfare.
        DeputyHw = "deputy-hw",
        /// DWP appointee.
        Appointee = "appointee",
        /// Advocate.
        Advocate = "advocate",
    }
    /// The three parts of a statutory agreement (Housing Act 1996 s213B).
    StatutoryPart {
        /// To be notified.
        Notice = "notice",
        /// To have contact details passed on.
        Contact = "contact",
        /// To the authority named.
        Authority = "authority",
    }
    /// Choices other than consent.
    ChoiceKind {
        /// Objects to sharing for own care.
        DirectCareObjection = "direct-care-objection",
        /// National Data Opt-out.
        Ndo = "ndo",
        /// Objection, UK GDPR Art 21.
        Art21 = "art21",
        /// Restriction, UK GDPR Art 18.
        Art18 = "art18",
    }
    /// Where an objection stands.
    ObjectionState {
        /// Received, not decided.
        Pending = "pending",
        /// Upheld.
        Upheld = "upheld",
        /// Rejected.
        Rejected = "rejected",
    }
    /// What becomes of an objection or a restriction besides the decision.
    ChoiceStep {
        /// It is complex, and takes longer (UK GDPR Art 12(3)).
        Extended = "extended",
        /// A restriction stays, after it was looked into.
        Kept = "kept",
        /// The resident was told that a restriction will be lifted (Art 18(3)).
        Told = "told",
    }
    /// Where an agreement stands.
    AgreementStatus {
        /// In use.
        Live = "live",
        /// Suspended.
        Suspended = "suspended",
        /// Withdrawn.
        None = "none",
    }
}

impl ConsentState {
    /// Somebody said no, or took a yes back.
    #[must_use]
    pub const fn is_no(self) -> bool {
        matches!(self, Self::Refused | Self::Withdrawn)
    }

    /// Only given and renewed are a yes.
    #[must_use]
    pub const fn is_yes(self) -> bool {
        matches!(self, Self::Given | Self::Renewed)
    }
}

/// One consent event. Append-only: state is derived, never edited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentEvent {
    /// Which kind.
    pub kind: ConsentKind,
    /// What it says.
    pub state: ConsentState,
    /// When.
    pub at: Timestamp,
    /// The last day it is good for.
    pub until: Date,
    /// The purposes it names.
    pub purposes: BTreeSet<PurposeId>,
    /// The recipients it names.
    pub recipients: BTreeSet<AgencyId>,
    /// The fields it covers; `None`: all.
    pub fields: Option<Vec<Scope>>,
    /// Who spoke.
    pub by: Giver,
    /// Evidence of the giver's authority was seen.
    pub evidence: bool,
    /// Gillick competence recorded for this decision.
    pub gillick: bool,
    /// Not tied to a service.
    pub freely_given: bool,
    /// Statutory agreement only: the parts agreed.
    pub parts: BTreeSet<StatutoryPart>,
    /// How it was asked for and said; nothing in older events, and in facts of a decision.
    #[serde(default, skip_serializing_if = "Collected::is_empty")]
    pub collected: Collected,
    /// The proxy whose authority the event rests on, where not the resident spoke; not in older events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<DecisionId>,
}

/// An objection, restriction or opt-out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Which kind.
    pub kind: ChoiceKind,
    /// From this day on.
    pub on: Date,
    /// The fields it covers; `None`: all.
    pub fields: Option<Vec<Scope>>,
    /// No force from this time on.
    pub lifted: Option<Timestamp>,
    /// Art 21 only: the purpose objected to.
    pub purpose: Option<PurposeId>,
    /// Art 21 only: where it stands.
    pub state: ObjectionState,
}

/// A choice of a resident as the hub records it: events are only ever added.
#[derive(Clone, Serialize, Deserialize)]
pub enum ChoiceEvent {
    /// A consent event.
    Consent(ConsentEvent),
    /// An objection, restriction or opt-out; its id is the event's.
    Choice(Choice),
    /// An objection was decided.
    Decided {
        /// The objection.
        of: DecisionId,
        /// How.
        state: ObjectionState,
        /// From when on.
        at: Timestamp,
    },
    /// An objection was taken back, or a restriction lifted.
    Lifted {
        /// The objection or restriction.
        of: DecisionId,
        /// From when on.
        at: Timestamp,
    },
    /// What else became of an objection or a restriction.
    Stepped {
        /// The objection or restriction.
        of: DecisionId,
        /// What.
        step: ChoiceStep,
        /// When.
        at: Timestamp,
    },
    /// Somebody may speak for the resident; the proxy's id is the event's.
    ProxyGranted(ProxyGrant),
    /// A proxy may no longer.
    ProxyEnded {
        /// The proxy.
        of: DecisionId,
        /// From when on.
        at: Timestamp,
    },
}

/// An order of a court.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CourtOrder {
    /// The court's reference.
    pub id: String,
    /// To whom data must be given.
    pub to: AgencyId,
    /// What must be given.
    pub fields: Vec<Scope>,
    /// First day.
    pub from: Date,
    /// Last day.
    pub until: Date,
    /// The hub holds a sealed copy.
    pub sealed_copy: bool,
}

/// Location fields let out by their custodian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustodianRelease {
    /// Which fields.
    pub fields: Vec<Scope>,
    /// To whom.
    pub to: AgencyId,
    /// Last day.
    pub until: Date,
}

/// Changes to the rule book that live beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amendments {
    /// By agreement.
    pub agreements: BTreeMap<AgreementId, AgreementAmendment>,
    /// By gateway.
    pub gateways: BTreeMap<GatewayId, GatewayAmendment>,
    /// In place of the policy's age of digital consent.
    pub digital_consent_age: Option<i16>,
}

/// What differs from the agreement's file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreementAmendment {
    /// Status.
    pub status: Option<AgreementStatus>,
    /// First day.
    pub start: Option<Date>,
    /// Last day.
    pub end: Option<Date>,
    /// Review day.
    pub review_due: Option<Date>,
    /// A DPIA reference is present.
    pub dpia: Option<bool>,
    /// Parties that have left.
    pub without_parties: BTreeSet<AgencyId>,
    /// Categories taken out.
    pub without_categories: BTreeSet<CategoryId>,
}

/// Days in force that replace the vocabulary's; both days count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayAmendment {
    /// First day.
    pub in_force_from: Option<Date>,
    /// Last day.
    pub in_force_to: Option<Date>,
}
