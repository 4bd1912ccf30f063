//! What a decision says: per field, whole, and as the requester may see it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;

use crate::domain::{
    AgreementId, BasisId, CategoryId, Code, ConsentKind, Duty, FieldId, GatewayId, OverrideId,
    PurposeId, RuleId,
};

use super::book::{Disposition, GatewayKind};

/// The four outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Every field asked for is released.
    Permit,
    /// Some are.
    Partial,
    /// None is, and a named human must decide.
    Refer,
    /// None is.
    Deny,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Permit, Self::Partial, Self::Refer, Self::Deny];

    /// `PERMIT`, `PARTIAL`, `REFER` or `DENY`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "PERMIT",
            Self::Partial => "PARTIAL",
            Self::Refer => "REFER",
            Self::Deny => "DENY",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The path under which a field is released: one rule, whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// The rule.
    pub rule: RuleId,
    /// Where it stands, `rules/x.csv:12`.
    pub place: String,
    /// Its gateway.
    pub gateway: GatewayId,
    /// Duty or power.
    pub kind: PathKind,
    /// The recipient's Art 6 basis.
    pub art6: BasisId,
    /// Art 9 and Art 10 conditions, where the field needs them.
    pub conditions: Vec<BasisId>,
    /// The agreement, if one is needed.
    pub agreement: Option<AgreementId>,
    /// The ground on which confidence does not stand in the way, as in the rule.
    pub ground: String,
    /// The consent that was relied on, and its last moment of use.
    pub consent: Option<UsedConsent>,
    /// The override that was used.
    pub override_used: Option<OverrideId>,
    /// A person at the holder granted what was referred.
    pub granted: bool,
    /// The sentence that the rule's author wrote.
    pub because: String,
}

/// Duty or power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathKind {
    /// The law commands it.
    Duty,
    /// The law allows it.
    Power,
}

impl From<GatewayKind> for PathKind {
    fn from(kind: GatewayKind) -> Self {
        match kind {
            GatewayKind::Duty => Self::Duty,
            GatewayKind::Power | GatewayKind::Exemption => Self::Power,
        }
    }
}

/// A consent that a release relies on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsedConsent {
    /// Its kind.
    pub kind: ConsentKind,
    /// When it was given.
    pub given_at: Timestamp,
    /// The last day it is good for.
    pub until: jiff::civil::Date,
}

/// What is decided about one field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a decision holds a handful of fields")]
pub enum FieldOutcome {
    /// Released under this path.
    Released(Path),
    /// Withheld, for all of these codes; never empty.
    Withheld(BTreeSet<Code>),
}

/// One way in which one rule was short of a yes for one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// The rule.
    pub rule: RuleId,
    /// Where it stands, `rules/x.csv:12`.
    pub place: String,
    /// Matcher terms that were not met, in the model's order, with the codes each gave.
    pub terms: Vec<(&'static str, BTreeSet<Code>)>,
    /// What is left when an override has lifted what it lifts.
    pub left: BTreeSet<Code>,
}

/// The whole decision, as a data protection officer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Roll-up.
    pub outcome: Outcome,
    /// By field, in the order of asking (categories expanded in vocabulary order).
    pub fields: Vec<(FieldId, FieldOutcome)>,
    /// Every code of every withheld field, and those of the gateway cited.
    pub codes: BTreeSet<Code>,
    /// Codes that stand for the decision and not for a field: the gateway cited, an empty field list.
    pub beside: BTreeSet<Code>,
    /// Duties of the release.
    pub duties: BTreeSet<Duty>,
    /// Duties and end of use by released field, so that a view can leave a field out.
    pub(super) duties_by_field: BTreeMap<FieldId, (BTreeSet<Duty>, Option<Timestamp>)>,
    /// What a person may grant: by field, the failures left of the paths on which only such are left.
    pub referred: BTreeMap<FieldId, BTreeSet<Code>>,
    /// The law commands what is refused.
    pub duty_alarm: bool,
    /// The record is sealed, protected or unknown: to the requester there is nobody.
    pub closed: bool,
    /// Codes that an outsider may be told of a closed record: they do not concern the resident.
    pub(super) outside: BTreeSet<Code>,
    /// The resident must not be told.
    pub(super) silent: bool,
    /// For each withheld field, how each candidate rule fell short.
    pub shortfalls: Vec<(FieldId, Vec<Shortfall>)>,
    /// When an emergency release must end, by the override's hours or the consent's last day.
    pub expires_at: Option<Timestamp>,
    /// The permit, if something is released. Only [`super::decide`] makes one.
    pub permit: Option<Permit>,
    /// The engine failed: nothing is released, and what is said is no decision. An operator must
    /// look.
    pub fault: Option<String>,
}

/// Leave to open exactly these fields of a holder's record. Made only by [`super::decide`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    pub(super) fields: BTreeMap<FieldId, Path>,
}

impl Decision {
    /// True when the release of `field` brings the duty.
    #[must_use]
    pub fn owes(&self, field: &FieldId, duty: Duty) -> bool {
        self.duties_by_field.get(field).is_some_and(|(duties, _)| duties.contains(&duty))
    }
}

impl Permit {
    /// The fields that may be opened.
    pub fn fields(&self) -> impl Iterator<Item = &FieldId> {
        self.fields.keys()
    }

    /// True when `field` may be opened.
    #[must_use]
    pub fn covers(&self, field: &FieldId) -> bool {
        self.fields.contains_key(field)
    }

    /// The categories to fetch.
    #[must_use]
    pub fn categories(&self) -> BTreeSet<CategoryId> {
        self.fields.keys().filter_map(|f| f.category()?.parse().ok()).collect()
    }
}

/// The decision as the requester may see it (scenarios README, rule 17).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Roll-up of what is shown.
    pub outcome: Outcome,
    /// Released fields with the path; in the order of asking.
    pub released: Vec<(FieldId, Path)>,
    /// Withheld fields with the codes that may be said; never empty.
    pub withheld: Vec<(FieldId, BTreeSet<Code>)>,
    /// Every code shown.
    pub codes: BTreeSet<Code>,
    /// Duties.
    pub duties: BTreeSet<Duty>,
    /// Duty alarm.
    pub duty_alarm: bool,
    /// When use must end, if there is such a time.
    pub expires_at: Option<Timestamp>,
}

/// One refusal code, explained: what it means, who can put it right, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The code.
    pub code: Code,
    /// Who can do something about it.
    pub disposition: Disposition,
    /// What it means, in plain words.
    pub meaning: String,
    /// Who can put it right.
    pub fixer: String,
    /// How.
    pub fix: String,
}

/// Two sentences for a person: what may be seen and why, what may not and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Plain English.
    pub text: String,
    /// Each code shown, explained.
    pub missing: Vec<Missing>,
    /// What this agency and role may ask for under this purpose, from the rules alone.
    pub may_ask: Vec<CategoryId>,
    /// The purpose asked for.
    pub purpose: PurposeId,
}
