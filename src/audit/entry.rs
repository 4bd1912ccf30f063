//! What one entry says. The header holds no resident's details; whatever is personal goes into a
//! slot, of which only a salted commitment is part of the tree.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{AgencyId, DecisionId};

/// What happened.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[repr(u8)]
pub enum Kind {
    /// First leaf of a log.
    Genesis = 1,
    /// Something was released (PERMIT or PARTIAL).
    Disclose = 2,
    /// Nothing was released (DENY or REFER).
    Refuse = 3,
    /// A question without content (CanShare, FindResident).
    Query = 4,
    /// A consent, objection or restriction was recorded.
    Choice = 5,
    /// Records were published or retracted, residents registered or linked.
    Hold = 6,
    /// Facts about staff, agencies or cases changed.
    Fact = 7,
    /// A policy came into force, or a candidate was refused.
    Policy = 8,
    /// The log was read.
    AuditRead = 9,
    /// A caller was turned away before a decision.
    TurnedAway = 10,
    /// Entries could not be written for a while.
    Gap = 11,
    /// The hub started or its configuration of callers changed.
    Operation = 12,
    /// A person approved, decided or used what waited for a person; a duty was met or is overdue.
    Review = 13,
    /// A refusal or a silence outside the hub was reported.
    Report = 14,
    /// A resident was erased, or the key of a kind and year was destroyed; or a legal hold on that was placed or lifted.
    Erase = 15,
    /// A resident used a right, or what they may see of the log was settled.
    Rights = 16,
    /// An agency was told of something about data that it got, or said that it knows.
    Notice = 17,
}

impl Kind {
    /// The one with this number in the canonical bytes.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Genesis),
            2 => Some(Self::Disclose),
            3 => Some(Self::Refuse),
            4 => Some(Self::Query),
            5 => Some(Self::Choice),
            6 => Some(Self::Hold),
            7 => Some(Self::Fact),
            8 => Some(Self::Policy),
            9 => Some(Self::AuditRead),
            10 => Some(Self::TurnedAway),
            11 => Some(Self::Gap),
            12 => Some(Self::Operation),
            13 => Some(Self::Review),
            14 => Some(Self::Report),
            15 => Some(Self::Erase),
            16 => Some(Self::Rights),
            17 => Some(Self::Notice),
            _ => None,
        }
    }
}

/// The personal slots of an entry; each is committed to by itself.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[repr(u8)]
pub enum SlotId {
    /// The resident, as asked.
    Subject = 1,
    /// The person who asked, and the free text that they wrote.
    Asker = 2,
    /// The whole request, normalised.
    Request = 3,
    /// The facts and the full decision.
    Decision = 4,
}

impl SlotId {
    /// The one with this number in the canonical bytes.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Subject),
            2 => Some(Self::Asker),
            3 => Some(Self::Request),
            4 => Some(Self::Decision),
            _ => None,
        }
    }
}

/// An entry before it has a place in the log.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// Unique id; for a decision, the decision's id.
    pub event: DecisionId,
    /// What happened.
    pub kind: Kind,
    /// The call, `weir.hub.v1.SharingService/RequestRecords`, or `weir <command>`.
    pub rpc: String,
    /// Ties the entries of one call together.
    pub call: DecisionId,
    /// Which part of the call, from 1.
    pub part: u32,
    /// Of how many.
    pub parts: u32,
    /// The caller's agency; `None` for the hub itself.
    pub agency: Option<AgencyId>,
    /// Opaque id of the person: 16 bytes of a hash of issuer and subject; zero for the hub itself.
    pub principal: [u8; 16],
    /// The policy in force.
    pub policy: [u8; 32],
    /// Facets by name, as an outsider may know them: purpose, holder, outcome, codes, fields
    /// released, fields withheld, rules, gateways, agreements, duties, override. Values are words
    /// joined by `|`; at most [`Entry::FACETS_MAX`].
    pub facets: BTreeMap<Facet, String>,
    /// Personal content. Every entry of a kind has the same slots.
    pub slots: BTreeMap<SlotId, Vec<u8>>,
}

impl Entry {
    /// Most facets of one entry.
    pub const FACETS_MAX: usize = 24;
    /// Longest leaf, in bytes; a longer entry is refused before it is written.
    pub const LEAF_LEN_MAX: usize = 16 * 1024;
    /// Longest slot, in bytes.
    pub const SLOT_LEN_MAX: usize = 256 * 1024;

    /// An entry of what the hub itself did, a call of its own, with nothing personal in it.
    #[must_use]
    pub fn of_hub(
        event: DecisionId,
        kind: Kind,
        rpc: &str,
        facets: BTreeMap<Facet, String>,
    ) -> Self {
        Self {
            event,
            kind,
            rpc: rpc.to_owned(),
            call: event,
            part: 1,
            parts: 1,
            agency: None,
            principal: [0; 16],
            policy: [0; 32],
            facets,
            slots: BTreeMap::new(),
        }
    }
}

impl Entry {
    /// The words of a facet; none where it is not there.
    pub fn words(&self, facet: Facet) -> impl Iterator<Item = &str> {
        self.facets.get(&facet).into_iter().flat_map(|words| words.split('|'))
    }

    /// Categories of which something was released or withheld.
    #[must_use]
    pub fn categories(&self) -> BTreeSet<&str> {
        let fields = [Facet::Released, Facet::Withheld].into_iter().flat_map(|f| self.words(f));
        fields.filter_map(|field| field.split_once('.')).map(|(category, _)| category).collect()
    }

    /// Whether the agency asked, or is named as the holder.
    #[must_use]
    pub fn concerns(&self, agency: &AgencyId) -> bool {
        self.agency.as_ref() == Some(agency)
            || self.words(Facet::Holder).any(|holder| holder == agency.as_str())
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("event", &self.event).field("kind", &self.kind).finish()
    }
}

/// Names of facets. The numbers are part of the canonical bytes and never change their meaning.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[repr(u8)]
pub enum Facet {
    /// Acting role.
    Role = 1,
    /// Purpose.
    Purpose = 2,
    /// Holder.
    Holder = 3,
    /// PERMIT, PARTIAL, REFER, DENY.
    Outcome = 4,
    /// Codes that the requester was told.
    Codes = 5,
    /// Fields released.
    Released = 6,
    /// Fields withheld.
    Withheld = 7,
    /// Rules under which something was released.
    Rules = 8,
    /// Gateways under which something was released.
    Gateways = 9,
    /// Agreements under which something was released.
    Agreements = 10,
    /// Duties.
    Duties = 11,
    /// The override asserted.
    Override = 12,
    /// Duty alarm, `yes`.
    Alarm = 13,
    /// Lawful bases relied on.
    Bases = 14,
    /// Distinct residents counted for the bulk rule.
    Subjects = 15,
    /// What was written: a category, a consent kind, a fact.
    What = 16,
    /// How many rows or items.
    Count = 17,
    /// The log that came before, or the version that came before.
    Previous = 18,
    /// The referral or approval that was used, or the decision that a review is about.
    Review = 19,
}

impl Facet {
    /// The name on the wire and in exports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Purpose => "purpose",
            Self::Holder => "holder",
            Self::Outcome => "outcome",
            Self::Codes => "codes",
            Self::Released => "released",
            Self::Withheld => "withheld",
            Self::Rules => "rules",
            Self::Gateways => "gateways",
            Self::Agreements => "agreements",
            Self::Duties => "duties",
            Self::Override => "override",
            Self::Alarm => "alarm",
            Self::Bases => "bases",
            Self::Subjects => "subjects",
            Self::What => "what",
            Self::Count => "count",
            Self::Previous => "previous",
            Self::Review => "review",
        }
    }

    /// The one with this number in the canonical bytes.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Role),
            2 => Some(Self::Purpose),
            3 => Some(Self::Holder),
            4 => Some(Self::Outcome),
            5 => Some(Self::Codes),
            6 => Some(Self::Released),
            7 => Some(Self::Withheld),
            8 => Some(Self::Rules),
            9 => Some(Self::Gateways),
            10 => Some(Self::Agreements),
            11 => Some(Self::Duties),
            12 => Some(Self::Override),
            13 => Some(Self::Alarm),
            14 => Some(Self::Bases),
            15 => Some(Self::Subjects),
            16 => Some(Self::What),
            17 => Some(Self::Count),
            18 => Some(Self::Previous),
            19 => Some(Self::Review),
            _ => None,
        }
    }
}
