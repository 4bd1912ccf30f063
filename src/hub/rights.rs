//! What becomes of choices: objections decided or taken back, restrictions lifted, consents found invalid.
//! An event each; what was said before stands in the log.

use super::entry::Call;
use super::{Beside, Hub, HubError, Violation};
use crate::auth::{Caller, HubFunction};
use crate::consent;
use crate::domain::{ChoiceEvent, ChoiceKind, DecisionId, ObjectionState, ResidentId};
use crate::policy::PolicySnapshot;
use crate::store::Receipt;

/// What a privacy officer says of a choice.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Whose.
    pub resident: ResidentId,
    /// The choice.
    pub choice: DecisionId,
    /// Why. May name people: never logged.
    pub reason: String,
}

impl Hub {
    /// Upholds or rejects an objection (UK GDPR Art 21).
    ///
    /// # Errors
    /// When the caller is no privacy officer, or there is no such objection.
    pub async fn decide_objection(
        &self,
        caller: &Caller,
        finding: Finding,
        upheld: bool,
    ) -> Result<Receipt, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.ChoiceService/DecideObjection";
        let call = self.call(rpc, caller, &policy, at);
        let kind = self.officer_s(&call, &policy, finding.resident, finding.choice).await?;
        if kind != ChoiceKind::Art21 {
            return Err(wrong("must be an objection under art21"));
        }
        let state = if upheld { ObjectionState::Upheld } else { ObjectionState::Rejected };
        let event = ChoiceEvent::Decided { of: finding.choice, state, at };
        let (what, reason) = (format!("{kind}|{state}"), Some(finding.reason));
        let made = self.record_event_because(&call, finding.resident, what, event, reason).await;
        Ok(made?.1)
    }

    /// Takes an objection back.
    ///
    /// # Errors
    /// When there is no such objection, or the resident is not to be known.
    pub async fn withdraw_objection(
        &self,
        caller: &Caller,
        resident: ResidentId,
        choice: DecisionId,
    ) -> Result<Receipt, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.ChoiceService/WithdrawObjection";
        let call = self.call(rpc, caller, &policy, at);
        self.require_visible(&call, &policy, resident).await?;
        let kind = self.kind_of(&call, resident, choice).await?;
        if !matches!(kind, ChoiceKind::Art21 | ChoiceKind::DirectCareObjection) {
            return Err(wrong("must be an objection"));
        }
        let event = ChoiceEvent::Lifted { of: choice, at };
        Ok(self.record_event(&call, resident, format!("{kind}|lifted"), event).await?.1)
    }

    /// Lifts a restriction (UK GDPR Art 18(3)).
    ///
    /// # Errors
    /// When the caller is no privacy officer, or there is no such restriction.
    pub async fn lift_restriction(
        &self,
        caller: &Caller,
        finding: Finding,
    ) -> Result<Receipt, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.ChoiceService/LiftRestriction";
        let call = self.call(rpc, caller, &policy, at);
        let kind = self.officer_s(&call, &policy, finding.resident, finding.choice).await?;
        if kind != ChoiceKind::Art18 {
            return Err(wrong("must be a restriction"));
        }
        let event = ChoiceEvent::Lifted { of: finding.choice, at };
        let (what, reason) = (format!("{kind}|lifted"), Some(finding.reason));
        let made = self.record_event_because(&call, finding.resident, what, event, reason).await;
        Ok(made?.1)
    }

    /// Finds a consent invalid.
    ///
    /// # Errors
    /// When the caller is no privacy officer, or there is no such yes.
    pub async fn invalidate_consent(
        &self,
        caller: &Caller,
        finding: Finding,
    ) -> Result<(DecisionId, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.ChoiceService/InvalidateConsent";
        let call = self.call(rpc, caller, &policy, at);
        let beside = self.require_officer(&call, &policy, finding.resident).await?;
        let stored = self.store.choices(finding.resident).await?;
        let consent = stored.into_iter().find_map(|stored| match stored.event {
            ChoiceEvent::Consent(consent) if stored.id == finding.choice => Some(consent),
            ChoiceEvent::Consent(_)
            | ChoiceEvent::Choice(_)
            | ChoiceEvent::Decided { .. }
            | ChoiceEvent::Lifted { .. } => None,
        });
        let Some(consent) = consent else {
            return Err(self.nobody(&call, finding.resident).await);
        };
        let event = consent::invalidation(&consent, &policy.book().place.zone, at).map_err(
            |(field, error)| HubError::Invalid(vec![Violation::new(field, error.to_string())]),
        )?;
        let reason = Some(finding.reason);
        self.record_consent_event(&call, &beside, finding.resident, event, reason).await
    }

    /// Lets through a privacy officer who may know of the resident.
    async fn require_officer<'p>(
        &self,
        call: &Call<'_>,
        policy: &'p PolicySnapshot,
        resident: ResidentId,
    ) -> Result<Beside<'p>, HubError> {
        self.require(call, policy, HubFunction::PrivacyOfficer).await?;
        let beside = self.known_beside(call, policy, resident).await?;
        if beside.is_closed() {
            return Err(self.nobody(call, resident).await);
        }
        Ok(beside)
    }

    async fn officer_s(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        resident: ResidentId,
        choice: DecisionId,
    ) -> Result<ChoiceKind, HubError> {
        self.require_officer(call, policy, resident).await?;
        self.kind_of(call, resident, choice).await
    }

    /// The kind of an objection or restriction of the resident.
    async fn kind_of(
        &self,
        call: &Call<'_>,
        resident: ResidentId,
        choice: DecisionId,
    ) -> Result<ChoiceKind, HubError> {
        let stored = self.store.choices(resident).await?;
        let found = stored.into_iter().find_map(|stored| match stored.event {
            ChoiceEvent::Choice(found) if stored.id == choice => Some(found.kind),
            ChoiceEvent::Consent(_)
            | ChoiceEvent::Choice(_)
            | ChoiceEvent::Decided { .. }
            | ChoiceEvent::Lifted { .. } => None,
        });
        match found {
            Some(kind) => Ok(kind),
            None => Err(self.nobody(call, resident).await),
        }
    }
}

fn wrong(what: &str) -> HubError {
    HubError::Invalid(vec![Violation::new("choice", what)])
}
