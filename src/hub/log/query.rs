//! What an auditor looks for, and how the store is asked for it.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::super::entry::subject;
use super::scope::Scope;
use crate::audit::entry::{Facet, Kind, SlotId};
use crate::domain::{
    AgencyId, AgreementId, CategoryId, Code, DecisionId, FieldId, OverrideId, PurposeId,
    ResidentId, RuleId,
};
use crate::policy::Outcome;
use crate::store::Search;

/// What an auditor looks for. Unset: anything.
#[derive(Debug, Clone, Default, Serialize)]
pub struct EntryQuery {
    /// Kinds.
    pub kinds: Vec<Kind>,
    /// Purpose.
    pub purpose: Option<PurposeId>,
    /// Holder.
    pub holder: Option<AgencyId>,
    /// A code that was shown.
    pub code: Option<Code>,
    /// Resident.
    pub resident: Option<ResidentId>,
    /// Recorded at or after.
    pub since: Option<Timestamp>,
    /// Recorded before.
    pub until: Option<Timestamp>,
    /// The agency that asked.
    pub agency: Option<AgencyId>,
    /// The person, as an entry shows them to the one who looks; of `agency`, or of their own.
    pub principal: Option<[u8; 16]>,
    /// Something of this category was released or withheld.
    pub category: Option<CategoryId>,
    /// This field was released.
    pub released: Option<FieldId>,
    /// Something was released under this rule.
    pub rule: Option<RuleId>,
    /// Something was released under this agreement.
    pub agreement: Option<AgreementId>,
    /// What came of it.
    #[serde(serialize_with = "word")]
    pub outcome: Option<Outcome>,
    /// The override that was asserted.
    #[serde(rename = "override")]
    pub override_kind: Option<OverrideId>,
    /// A second sign-off to see every agency's entries.
    pub access: Option<DecisionId>,
    /// From this place on.
    pub from_index: u64,
    /// As if the log had only so many entries.
    pub upto: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

fn word<S: Serializer>(outcome: &Option<Outcome>, to: S) -> Result<S::Ok, S::Error> {
    outcome.map(Outcome::as_str).serialize(to)
}

impl EntryQuery {
    /// The search of the store within a scope; `None` where the person cannot be told.
    pub(super) fn search(self, scope: &Scope) -> Option<Search> {
        let agency = match (self.principal, self.agency) {
            (Some(_), None) => Some(scope.agency().clone()),
            (_, agency) => agency,
        };
        let principal = match (self.principal, &agency) {
            (Some(shown), Some(of)) => Some(scope.person(of, shown)?),
            (_, _) => None,
        };
        let words = [
            (Facet::Purpose, self.purpose.map(String::from)),
            (Facet::Holder, self.holder.map(String::from)),
            (Facet::Codes, self.code.map(|code| code.as_str().to_owned())),
            (Facet::Released, self.released.map(String::from)),
            (Facet::Rules, self.rule.map(String::from)),
            (Facet::Agreements, self.agreement.map(String::from)),
            (Facet::Outcome, self.outcome.map(|outcome| outcome.as_str().to_owned())),
            (Facet::Override, self.override_kind.map(String::from)),
        ];
        let facets = words.into_iter().filter_map(|(facet, word)| Some((facet, word?))).collect();
        Some(Search {
            from_index: self.from_index,
            limit: self.limit,
            agency,
            kinds: self.kinds,
            facets,
            slot: self.resident.map(|resident| (SlotId::Subject, subject(Some(resident)))),
            principal,
            since: self.since,
            until: self.until,
            category: self.category,
            concerns: scope.concerns(),
            upto: self.upto,
            ..Search::default()
        })
    }
}
