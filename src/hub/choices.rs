//! Consents, objections and restrictions: recorded as events, never edited. A resident whom the
//! caller may not know of and none at all are the same answer after the same reads.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;

use super::entry::{Call, fresh_id};
use super::new_choice::NewChoice;
use super::words::Words;
use super::{Beside, Hub, HubError};
use crate::audit::entry::{Facet, Kind};
use crate::auth::Caller;
use crate::consent::notices::{self, NoticeError, NoticeRef};
use crate::consent::{self, TakenBack};
use crate::domain::{
    AgencyId, AssessmentId, Channel, Choice, ChoiceKind, Collected, ConsentEvent, ConsentKind,
    ConsentState, DecisionId, Giver, ObjectionState, PurposeId, ResidentId, Scope, StatutoryPart,
};
use crate::policy::PolicySnapshot;
use crate::store::{ChoiceEvent, Receipt, StoredChoice};

/// What was said to a question about consent.
#[derive(Debug, Clone)]
pub struct NewConsent {
    /// Whose.
    pub resident: ResidentId,
    /// Which kind.
    pub kind: ConsentKind,
    /// What was said.
    pub state: ConsentState,
    /// When; `None`: now.
    pub at: Option<Timestamp>,
    /// The last day; `None`: the same day a year later.
    pub until: Option<Date>,
    /// For which purposes.
    pub purposes: BTreeSet<PurposeId>,
    /// To whom.
    pub recipients: BTreeSet<AgencyId>,
    /// Which fields; `None`: all.
    pub fields: Option<Vec<Scope>>,
    /// Who spoke.
    pub by: Giver,
    /// Evidence of authority was seen.
    pub evidence: bool,
    /// Gillick competence is recorded.
    pub gillick: bool,
    /// Not tied to a service.
    pub freely_given: bool,
    /// Parts of a statutory agreement.
    pub parts: BTreeSet<StatutoryPart>,
    /// The wording that was shown.
    pub notice: Option<NoticeRef>,
    /// How it was said.
    pub channel: Option<Channel>,
    /// The reference of an assessment of capacity or competence.
    pub assessment: Option<AssessmentId>,
}

/// A consent to take back.
#[derive(Debug, Clone)]
pub struct Withdrawal {
    /// Whose.
    pub resident: ResidentId,
    /// The consent event.
    pub choice: DecisionId,
    /// Who takes it back, and when.
    pub taken: TakenBack,
}

/// An objection.
#[derive(Debug, Clone)]
pub struct NewObjection {
    /// Whose.
    pub resident: ResidentId,
    /// To what.
    pub kind: ChoiceKind,
    /// Art 21: the purpose.
    pub purpose: Option<PurposeId>,
    /// Which fields; `None`: all.
    pub fields: Option<Vec<Scope>>,
    /// From this day on; `None`: today.
    pub on: Option<Date>,
}

/// A restriction (UK GDPR Art 18).
#[derive(Debug, Clone)]
pub struct NewRestriction {
    /// Whose.
    pub resident: ResidentId,
    /// Which fields; `None`: all.
    pub fields: Option<Vec<Scope>>,
    /// From this day on; `None`: today.
    pub on: Option<Date>,
}

impl Hub {
    /// Records a consent event.
    ///
    /// # Errors
    /// When a word is unknown, the event is not sound, or the resident is not to be known.
    pub async fn record_consent(
        &self,
        caller: &Caller,
        new: NewConsent,
    ) -> Result<(DecisionId, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let call = self.call("weir.hub.v1.ChoiceService/RecordConsent", caller, &policy, at);
        let beside = self.require_visible(&call, &policy, new.resident).await?;
        let (mut words, resident) = (Words::of(policy.book()), new.resident);
        let event = checked(&beside, &mut words, "consent", new, at);
        words.done()?;
        self.record_consent_event(&call, &beside, resident, event, None).await
    }

    /// Takes a consent back.
    ///
    /// # Errors
    /// When there is no such consent, or the resident is not to be known.
    pub async fn withdraw_consent(
        &self,
        caller: &Caller,
        withdrawal: Withdrawal,
    ) -> Result<(DecisionId, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.ChoiceService/WithdrawConsent";
        let call = self.call(rpc, caller, &policy, at);
        let beside = self.require_visible(&call, &policy, withdrawal.resident).await?;
        let stored = self.store.choices(withdrawal.resident).await?;
        let event = stored
            .into_iter()
            .find(|stored| stored.id == withdrawal.choice)
            .map(|stored| stored.event);
        let consent = match event {
            Some(ChoiceEvent::Consent(consent)) => consent,
            Some(
                ChoiceEvent::Choice(_) | ChoiceEvent::Decided { .. } | ChoiceEvent::Lifted { .. },
            )
            | None => {
                return Err(self.nobody(&call, withdrawal.resident).await);
            }
        };
        let zone = &policy.book().place.zone;
        let event = consent::withdrawal(&consent, withdrawal.taken, zone, at).map_err(
            |(field, error)| {
                HubError::Invalid(vec![super::Violation::new(field, error.to_string())])
            },
        )?;
        self.record_consent_event(&call, &beside, withdrawal.resident, event, None).await
    }

    /// Records an objection.
    ///
    /// # Errors
    /// When a word is unknown, the kind is no objection, or the resident is not to be known.
    pub async fn record_objection(
        &self,
        caller: &Caller,
        new: NewObjection,
    ) -> Result<(DecisionId, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.ChoiceService/RecordObjection";
        let call = self.call(rpc, caller, &policy, at);
        self.require_visible(&call, &policy, new.resident).await?;
        let mut words = Words::of(policy.book());
        match (new.kind, &new.purpose) {
            (ChoiceKind::Art21, Some(purpose)) => words.purpose("purpose", purpose),
            (ChoiceKind::Art21, None) => words.wrong("purpose", "is needed for art21"),
            (ChoiceKind::DirectCareObjection, None) => {}
            (ChoiceKind::DirectCareObjection, Some(_)) => {
                words.wrong("purpose", "is only for art21");
            }
            (ChoiceKind::Ndo | ChoiceKind::Art18, _) => {
                words.wrong("kind", "must be art21 or direct-care-objection");
            }
        }
        let choice = Choice {
            kind: new.kind,
            on: self.day(&mut words, &policy, new.on, at),
            fields: new.fields,
            lifted: None,
            purpose: new.purpose,
            state: ObjectionState::Pending,
        };
        self.record_stop(&call, words, new.resident, choice).await
    }

    /// Sets a restriction.
    ///
    /// # Errors
    /// When a word is unknown, or the resident is not to be known.
    pub async fn set_restriction(
        &self,
        caller: &Caller,
        new: NewRestriction,
    ) -> Result<(DecisionId, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.ChoiceService/SetRestriction";
        let call = self.call(rpc, caller, &policy, at);
        self.require_visible(&call, &policy, new.resident).await?;
        let mut words = Words::of(policy.book());
        let choice = Choice {
            kind: ChoiceKind::Art18,
            on: self.day(&mut words, &policy, new.on, at),
            fields: new.fields,
            lifted: None,
            purpose: None,
            state: ObjectionState::Pending,
        };
        self.record_stop(&call, words, new.resident, choice).await
    }

    async fn record_stop(
        &self,
        call: &Call<'_>,
        mut words: Words<'_>,
        resident: ResidentId,
        choice: Choice,
    ) -> Result<(DecisionId, Receipt), HubError> {
        check_scopes(&mut words, "fields", choice.fields.as_deref());
        words.done()?;
        let what = choice.kind.to_string();
        self.record_event(call, resident, what, ChoiceEvent::Choice(choice)).await
    }

    /// Choices of a resident that the caller's agency recorded or that name it as a recipient,
    /// oldest first. The look-up is in the log before anything is read.
    ///
    /// # Errors
    /// When the resident is not to be known.
    pub async fn list_choices(
        &self,
        caller: &Caller,
        resident: ResidentId,
    ) -> Result<(Vec<StoredChoice>, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let call = self.call("weir.hub.v1.ChoiceService/ListChoices", caller, &policy, at);
        let beside = self.require_staff(&call, &policy, resident).await?;
        let facets = BTreeMap::from([(Facet::What, "choices".to_owned())]);
        let request = serde_json::json!({});
        let about = Some(resident);
        let none = BTreeMap::new();
        let entry = call.entry(fresh_id(at), Kind::Query, facets, about, none, &request);
        let receipt = self.append_one(entry).await?;
        let mut choices = as_they_stand(self.store.choices(resident).await?);
        if beside.is_closed() {
            return Err(HubError::NotFound);
        }
        choices.retain(|choice| concerns(choice, caller.agency()));
        Ok((choices, receipt))
    }

    /// Lets through staff who may know of the resident.
    pub(super) async fn require_visible<'p>(
        &self,
        call: &Call<'_>,
        policy: &'p PolicySnapshot,
        resident: ResidentId,
    ) -> Result<Beside<'p>, HubError> {
        let beside = self.require_staff(call, policy, resident).await?;
        if beside.is_closed() {
            return Err(self.nobody(call, resident).await);
        }
        Ok(beside)
    }

    /// Records about whom it was that the caller is not to know, and says so.
    pub(super) async fn nobody(&self, call: &Call<'_>, resident: ResidentId) -> HubError {
        let none = serde_json::Value::Null;
        self.turned_away_with(call, HubError::NotFound, Some(resident), &none).await
    }

    fn day(
        &self,
        words: &mut Words<'_>,
        policy: &PolicySnapshot,
        on: Option<Date>,
        at: Timestamp,
    ) -> Date {
        let today = at.to_zoned(policy.book().place.zone.clone()).date();
        match on {
            Some(day) if day > today => {
                words.wrong("on_date", "must not be in the future");
                today
            }
            Some(day) => day,
            None => today,
        }
    }

    pub(super) async fn record_event(
        &self,
        call: &Call<'_>,
        resident: ResidentId,
        what: String,
        event: ChoiceEvent,
    ) -> Result<(DecisionId, Receipt), HubError> {
        self.record_event_because(call, resident, what, event, None).await
    }

    /// With the reason in the caller's own words.
    pub(super) async fn record_event_because(
        &self,
        call: &Call<'_>,
        resident: ResidentId,
        what: String,
        event: ChoiceEvent,
        reason: Option<String>,
    ) -> Result<(DecisionId, Receipt), HubError> {
        let request = match &event {
            ChoiceEvent::Choice(choice) => serde_json::to_value(choice),
            ChoiceEvent::Consent(_) | ChoiceEvent::Decided { .. } | ChoiceEvent::Lifted { .. } => {
                serde_json::to_value(&event)
            }
        }
        .map_err(|_| HubError::Broken)?;
        let id = call.event();
        self.record_new(call, NewChoice { id, resident, what, event, reason, request }).await
    }

    /// A consent event; its entry also holds the record that the person may keep.
    pub(super) async fn record_consent_event(
        &self,
        call: &Call<'_>,
        beside: &Beside<'_>,
        resident: ResidentId,
        event: ConsentEvent,
        reason: Option<String>,
    ) -> Result<(DecisionId, Receipt), HubError> {
        let new = NewChoice::consent(call, beside, resident, call.event(), event, reason)?;
        self.record_new(call, new).await
    }
}

/// The event that somebody wants to record. What is wrong with it goes into `words`, its fields under `at`.
pub(super) fn checked(
    beside: &Beside<'_>,
    words: &mut Words<'_>,
    at: &str,
    new: NewConsent,
    now: Timestamp,
) -> ConsentEvent {
    let zone = &beside.book.place.zone;
    let said_at = new.at.unwrap_or(now);
    let mut event = ConsentEvent {
        kind: new.kind,
        state: new.state,
        at: said_at,
        until: new.until.unwrap_or_else(|| consent::default_until(said_at, zone)),
        purposes: new.purposes,
        recipients: new.recipients,
        fields: new.fields,
        by: new.by,
        evidence: new.evidence,
        gillick: new.gillick,
        freely_given: new.freely_given,
        parts: new.parts,
        collected: Collected { notice: None, channel: new.channel, assessment: new.assessment },
    };
    for (n, purpose) in event.purposes.iter().enumerate() {
        words.purpose(&format!("{at}.purposes[{n}]"), purpose);
    }
    for (n, recipient) in event.recipients.iter().enumerate() {
        words.agency(&format!("{at}.recipients[{n}]"), recipient);
    }
    check_scopes(words, &format!("{at}.fields"), event.fields.as_deref());
    if let Err((field, error)) = consent::check(&event, zone, now) {
        words.wrong(&format!("{at}.{field}"), &error.to_string());
    }
    match notices::shown(beside.book, &event, new.notice.as_ref(), zone) {
        Ok(shown) => event.collected.notice = shown,
        Err(wrong) => refuse_notice(words, at, new.notice.as_ref(), wrong),
    }
    // A yes of a child rests on an assessment that somebody answers for. A no needs none.
    let competent =
        event.purposes.iter().all(|purpose| beside.judge().is_competent(&beside.known, purpose));
    if event.gillick && event.state.is_yes() && !competent {
        let text = "needs an assessment of competence on record for each purpose (FactService)";
        words.wrong(&format!("{at}.gillick"), text);
    }
    event
}

/// Says what is wrong with the wording that was shown; of an unknown one, which is the nearest.
fn refuse_notice(
    words: &mut Words<'_>,
    at: &str,
    named: Option<&NoticeRef>,
    wrong: Vec<(String, NoticeError)>,
) {
    for (field, error) in wrong {
        let field = format!("{at}.{field}");
        match (error, named) {
            (NoticeError::Unknown, Some(named)) => words.notice(&field, &named.id),
            (error, _) => words.wrong(&field, &error.to_string()),
        }
    }
}

fn check_scopes(words: &mut Words<'_>, name: &str, scopes: Option<&[Scope]>) {
    for (n, scope) in scopes.unwrap_or_default().iter().enumerate() {
        words.scope(&format!("{name}[{n}]"), scope);
    }
}

/// Objections and restrictions with what was decided or lifted later put in, in place of the events that
/// say so.
fn as_they_stand(stored: Vec<StoredChoice>) -> Vec<StoredChoice> {
    let mut events: Vec<_> = stored.iter().map(|s| (s.id, s.event.clone())).collect();
    consent::put_in(&mut events);
    let mut now: BTreeMap<DecisionId, ChoiceEvent> = events.into_iter().collect();
    stored
        .into_iter()
        .filter_map(|s| now.remove(&s.id).map(|event| StoredChoice { event, ..s }))
        .collect()
}

/// The agency recorded it, or it names the agency as a recipient.
pub(super) fn concerns(choice: &StoredChoice, agency: &AgencyId) -> bool {
    let named = match &choice.event {
        ChoiceEvent::Consent(consent) => consent.recipients.contains(agency),
        ChoiceEvent::Choice(_) | ChoiceEvent::Decided { .. } | ChoiceEvent::Lifted { .. } => false,
    };
    named || choice.recorded_by == *agency
}
