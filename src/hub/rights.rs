//! What becomes of choices: objections decided or taken back, restrictions lifted, consents found invalid.
//! An event each; what was said before stands in the log.

use super::choices::clock_of;
use super::entry::Call;
use super::{Beside, Hub, HubError, Violation};
use crate::auth::{Caller, HubFunction};
use crate::consent;
use crate::consent::standing::{Change, Course, courses, next};
use crate::domain::{Choice, ChoiceEvent, ChoiceStep, DecisionId, ObjectionState, ResidentId};
use crate::policy::PolicySnapshot;
use crate::policy::book::Told;
use crate::store::Receipt;

/// What a privacy officer says of a choice.
#[derive(Clone)]
pub struct Finding {
    /// Whose.
    pub resident: ResidentId,
    /// The choice.
    pub choice: DecisionId,
    /// Why. May name people: never logged.
    pub reason: String,
}

impl Hub {
    /// Upholds or rejects an objection (UK GDPR Art 21), once. Gives where the resident can complain, where it is
    /// rejected (Art 12(4)).
    ///
    /// # Errors
    /// When the caller is no privacy officer, there is no such objection, it is decided or was taken back, or the
    /// policy does not say where to complain.
    pub async fn decide_objection(
        &self,
        caller: &Caller,
        finding: Finding,
        upheld: bool,
    ) -> Result<(Receipt, Option<Told>), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.ChoiceService/DecideObjection";
        let call = self.call(rpc, caller, &policy, at);
        self.require_officer(&call, &policy, finding.resident).await?;
        let (choice, course) = self.course_of(&call, finding.resident, finding.choice).await?;
        let complaint = policy.book().telling.complaint.clone().filter(|_| !upheld);
        if let Some(done) = self.done_before(&call).await? {
            return Ok((done.receipt, complaint));
        }
        let change = if upheld { Change::Uphold } else { Change::Reject };
        next(course.state, change).map_err(|error| wrong(&error.to_string()))?;
        if !upheld && complaint.is_none() {
            let what = "cannot be rejected: words/told.csv of the policy in force has no line complaint-route";
            return Err(HubError::Invalid(vec![Violation::new("upheld", what)]));
        }
        let state = if upheld { ObjectionState::Upheld } else { ObjectionState::Rejected };
        let event = ChoiceEvent::Decided { of: finding.choice, state, at };
        let (what, reason) = (format!("{}|{state}", choice.kind), Some(finding.reason));
        let made = self.record_event_because(&call, finding.resident, what, event, reason).await;
        Ok((made?.1, complaint))
    }

    /// Records what else becomes of an objection or a restriction.
    ///
    /// # Errors
    /// When the caller is no privacy officer, there is no such choice, or the step cannot follow.
    pub async fn advance_choice(
        &self,
        caller: &Caller,
        finding: Finding,
        step: ChoiceStep,
    ) -> Result<Receipt, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let call = self.call("weir.hub.v1.ChoiceService/AdvanceChoice", caller, &policy, at);
        self.require_officer(&call, &policy, finding.resident).await?;
        let (choice, course) = self.course_of(&call, finding.resident, finding.choice).await?;
        if let Some(done) = self.done_before(&call).await? {
            return Ok(done.receipt);
        }
        let book = policy.book();
        let possible = match step {
            ChoiceStep::Extended => {
                let today = at.to_zoned(book.place.zone.clone()).date();
                course.may_extend(clock_of(book, choice.kind), &choice, today)
            }
            ChoiceStep::Kept => next(course.state, Change::Keep).map(drop),
            ChoiceStep::Told => next(course.state, Change::Tell).map(drop),
        };
        possible.map_err(|error| wrong(&error.to_string()))?;
        let event = ChoiceEvent::Stepped { of: finding.choice, step, at };
        let (what, reason) = (format!("{}|{step}", choice.kind), Some(finding.reason));
        let made = self.record_event_because(&call, finding.resident, what, event, reason).await;
        Ok(made?.1)
    }

    /// Takes an objection back.
    ///
    /// # Errors
    /// When there is no such objection, it has no force any more, or the resident is not to be known.
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
        let (one, course) = self.course_of(&call, resident, choice).await?;
        if let Some(done) = self.done_before(&call).await? {
            return Ok(done.receipt);
        }
        next(course.state, Change::Withdraw).map_err(|error| wrong(&error.to_string()))?;
        let event = ChoiceEvent::Lifted { of: choice, at };
        let what = format!("{}|lifted", one.kind);
        Ok(self.record_event(&call, resident, what, event).await?.1)
    }

    /// Lifts a restriction of which the resident was told that it will be lifted (UK GDPR Art 18(3)).
    ///
    /// # Errors
    /// When the caller is no privacy officer, there is no such restriction, or telling was not recorded.
    pub async fn lift_restriction(
        &self,
        caller: &Caller,
        finding: Finding,
    ) -> Result<Receipt, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.ChoiceService/LiftRestriction";
        let call = self.call(rpc, caller, &policy, at);
        self.require_officer(&call, &policy, finding.resident).await?;
        let (choice, course) = self.course_of(&call, finding.resident, finding.choice).await?;
        if let Some(done) = self.done_before(&call).await? {
            return Ok(done.receipt);
        }
        next(course.state, Change::Lift).map_err(|error| wrong(&error.to_string()))?;
        let event = ChoiceEvent::Lifted { of: finding.choice, at };
        let (what, reason) = (format!("{}|lifted", choice.kind), Some(finding.reason));
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
            | ChoiceEvent::Lifted { .. }
            | ChoiceEvent::Stepped { .. }
            | ChoiceEvent::ProxyGranted(_)
            | ChoiceEvent::ProxyEnded { .. } => None,
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

    /// An objection or a restriction of the resident, with what became of it.
    async fn course_of(
        &self,
        call: &Call<'_>,
        resident: ResidentId,
        choice: DecisionId,
    ) -> Result<(Choice, Course), HubError> {
        let stored = self.store.choices(resident).await?;
        let events: Vec<_> = stored.into_iter().map(|one| (one.id, one.event)).collect();
        let found = courses(&events).into_iter().find(|(id, _, _)| *id == choice);
        match found {
            Some((_, choice, course)) => Ok((choice, course)),
            None => Err(self.nobody(call, resident).await),
        }
    }
}

fn wrong(what: &str) -> HubError {
    HubError::Invalid(vec![Violation::new("choice", what)])
}
