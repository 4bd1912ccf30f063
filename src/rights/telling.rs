//! Who is told that something about data has changed: the agencies that got them. Pure; what was released to
//! whom comes from the audit log.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{
    AgencyId, ChoiceEvent, ChoiceKind, ConsentEvent, ConsentState, DecisionId, FieldId, NoticeKind,
    ObjectionState, PurposeId, Scope,
};

/// A release about one resident, as far as it matters for who is told. What of it cannot be read any more is
/// `None`, and counts as concerned: somebody told for nothing is better than somebody not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The decision.
    pub id: DecisionId,
    /// Who gave.
    pub holder: Option<AgencyId>,
    /// Who got.
    pub recipient: AgencyId,
    /// What for.
    pub purpose: Option<PurposeId>,
    /// What.
    pub fields: Option<BTreeSet<FieldId>>,
}

/// What a change is about. `None`: whichever.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Concern {
    /// What this agency gave.
    pub holder: Option<AgencyId>,
    /// What these agencies got.
    pub recipients: Option<BTreeSet<AgencyId>>,
    /// What was given for these purposes.
    pub purposes: Option<BTreeSet<PurposeId>>,
    /// These fields.
    pub fields: Option<Vec<Scope>>,
}

/// What an agency that is told has got of what changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Got {
    /// In which releases, oldest first.
    pub disclosures: Vec<DecisionId>,
    /// From whom.
    pub holders: BTreeSet<AgencyId>,
    /// Which fields.
    pub fields: BTreeSet<FieldId>,
    /// What for.
    pub purposes: BTreeSet<PurposeId>,
}

impl Concern {
    /// What of a release is concerned; `None`: nothing.
    fn of(&self, given: &Given) -> Option<BTreeSet<FieldId>> {
        let is_in = |set: &Option<BTreeSet<AgencyId>>, agency: &AgencyId| {
            set.as_ref().is_none_or(|set| set.contains(agency))
        };
        let from = match (&self.holder, &given.holder) {
            (Some(wanted), Some(holder)) => wanted == holder,
            (Some(_) | None, None) | (None, Some(_)) => true,
        };
        let purpose = match (&self.purposes, &given.purpose) {
            (Some(purposes), Some(purpose)) => purposes.contains(purpose),
            (Some(_) | None, None) | (None, Some(_)) => true,
        };
        if !from || !purpose || !is_in(&self.recipients, &given.recipient) {
            return None;
        }
        let Some(fields) = &given.fields else {
            return Some(BTreeSet::new());
        };
        let covered = |field: &&FieldId| {
            self.fields.as_ref().is_none_or(|scopes| scopes.iter().any(|s| s.covers(field)))
        };
        let fields: BTreeSet<FieldId> = fields.iter().filter(covered).cloned().collect();
        (!fields.is_empty()).then_some(fields)
    }
}

/// Which agencies are told, each with what it got.
pub fn told<'a>(
    given: impl IntoIterator<Item = &'a Given>,
    concern: &Concern,
) -> BTreeMap<AgencyId, Got> {
    let mut all: BTreeMap<AgencyId, Got> = BTreeMap::new();
    for one in given {
        let Some(fields) = concern.of(one) else { continue };
        let got = all.entry(one.recipient.clone()).or_default();
        got.disclosures.push(one.id);
        got.holders.extend(one.holder.clone());
        got.fields.extend(fields);
        got.purposes.extend(one.purpose.clone());
    }
    all
}

/// What a choice tells those who got data; `None`: nothing that they would have to act on. `before` are the
/// resident's choices so far.
///
/// A consent that is taken back, found invalid or followed by a no concerns the recipients that it names: nobody
/// else relied on it. An objection counts once it is upheld; a restriction at once (UK GDPR Art 19).
#[must_use]
pub fn tells(
    event: &ChoiceEvent,
    before: &[(DecisionId, ChoiceEvent)],
) -> Option<(NoticeKind, Concern)> {
    match event {
        ChoiceEvent::Consent(consent) => {
            let kind = match consent.state {
                ConsentState::Withdrawn => NoticeKind::Withdrawal,
                ConsentState::Invalidated => NoticeKind::InvalidConsent,
                ConsentState::Refused if was_given(consent, before) => NoticeKind::Withdrawal,
                ConsentState::Refused
                | ConsentState::Requested
                | ConsentState::Given
                | ConsentState::Renewed
                | ConsentState::Unknown => return None,
            };
            let concern = Concern {
                holder: None,
                recipients: Some(consent.recipients.clone()),
                purposes: Some(consent.purposes.clone()),
                fields: consent.fields.clone(),
            };
            Some((kind, concern))
        }
        ChoiceEvent::Choice(choice) if choice.kind == ChoiceKind::Art18 => {
            let fields = choice.fields.clone();
            Some((NoticeKind::Restriction, Concern { fields, ..Concern::default() }))
        }
        ChoiceEvent::Decided { of, state: ObjectionState::Upheld, .. } => {
            let objection = before.iter().find_map(|(id, event)| match event {
                ChoiceEvent::Choice(choice) if id == of => Some(choice),
                ChoiceEvent::Choice(_)
                | ChoiceEvent::Consent(_)
                | ChoiceEvent::Decided { .. }
                | ChoiceEvent::Lifted { .. } => None,
            })?;
            let concern = Concern {
                purposes: objection.purpose.clone().map(|purpose| BTreeSet::from([purpose])),
                fields: objection.fields.clone(),
                ..Concern::default()
            };
            Some((NoticeKind::Objection, concern))
        }
        ChoiceEvent::Choice(_) | ChoiceEvent::Decided { .. } | ChoiceEvent::Lifted { .. } => None,
    }
}

/// There was a yes that this no takes something from.
fn was_given(no: &ConsentEvent, before: &[(DecisionId, ChoiceEvent)]) -> bool {
    before.iter().any(|(_, event)| match event {
        ChoiceEvent::Consent(yes) => {
            yes.kind == no.kind
                && yes.state.is_yes()
                && !yes.purposes.is_disjoint(&no.purposes)
                && !yes.recipients.is_disjoint(&no.recipients)
        }
        ChoiceEvent::Choice(_) | ChoiceEvent::Decided { .. } | ChoiceEvent::Lifted { .. } => false,
    })
}

#[cfg(test)]
mod tests;
