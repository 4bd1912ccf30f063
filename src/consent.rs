//! Consent events as they may be recorded, and how one is taken back. Pure. Which event counts at
//! the time of a question is decided in `policy`, not here. [`proxy`] tells who may speak for a resident,
//! [`standing`] what becomes of objections and restrictions, [`clocks`] what of it falls due.

pub mod clocks;
pub mod proxy;
pub mod standing;

pub mod fhir;
pub mod notices;
pub mod record;
pub mod routing;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::domain::{
    Channel, Choice, ChoiceEvent, Collected, ConsentEvent, ConsentKind, ConsentState, DecisionId,
    Giver,
};

/// What is wrong with a consent event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConsentError {
    /// The event lies in the future.
    #[error("must not be in the future")]
    Future,
    /// The last day lies before the event.
    #[error("must not be before the day of the event")]
    EndsBeforeStart,
    /// The state is not one that a caller may record.
    #[error("must be requested, given, renewed, refused or unknown")]
    StateNotRecordable,
    /// No purpose.
    #[error("must name at least one purpose")]
    NoPurpose,
    /// No recipient.
    #[error("must name at least one recipient")]
    NoRecipient,
    /// Parts of a kind that has none.
    #[error("are only for statutory_consent")]
    PartsOfNoStatute,
    /// What should be taken back is no yes.
    #[error("is no consent that can be taken back")]
    NotAYes,
    /// Taken back before it was given.
    #[error("must be later than the consent")]
    BeforeConsent,
}

/// The last day of a consent for which none is named: the same day a year later.
#[must_use]
pub fn default_until(at: Timestamp, zone: &TimeZone) -> Date {
    let day = at.to_zoned(zone.clone()).date();
    day.checked_add(jiff::Span::new().years(1)).unwrap_or(day)
}

/// Checks an event that a caller wants to record at `now`.
///
/// # Errors
/// What is wrong, with the field of the event that is wrong.
pub fn check(
    event: &ConsentEvent,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<(), (&'static str, ConsentError)> {
    let recordable = match event.state {
        ConsentState::Requested
        | ConsentState::Given
        | ConsentState::Renewed
        | ConsentState::Refused
        | ConsentState::Unknown => true,
        ConsentState::Withdrawn | ConsentState::Invalidated => false,
    };
    if !recordable {
        return Err(("state", ConsentError::StateNotRecordable));
    }
    if event.at > now {
        return Err(("event_time", ConsentError::Future));
    }
    if event.until < event.at.to_zoned(zone.clone()).date() {
        return Err(("until_date", ConsentError::EndsBeforeStart));
    }
    if event.purposes.is_empty() {
        return Err(("purposes", ConsentError::NoPurpose));
    }
    if event.recipients.is_empty() {
        return Err(("recipients", ConsentError::NoRecipient));
    }
    if event.kind != ConsentKind::StatutoryConsent && !event.parts.is_empty() {
        return Err(("parts", ConsentError::PartsOfNoStatute));
    }
    Ok(())
}

/// Who takes a consent back, and when.
#[derive(Debug, Clone, Copy)]
pub struct TakenBack {
    /// When; `None`: now.
    pub at: Option<Timestamp>,
    /// Who speaks.
    pub by: Giver,
    /// Evidence of authority was seen.
    pub evidence: bool,
    /// Gillick competence is recorded.
    pub gillick: bool,
    /// How it was said.
    pub channel: Option<Channel>,
}

/// The event that takes `consent` back: same kind, purposes, recipients, fields and parts, and
/// always later than the consent, so that it is the latest.
///
/// # Errors
/// When `consent` is no yes, or the time is not between the consent and now.
pub fn withdrawal(
    consent: &ConsentEvent,
    taken: TakenBack,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<ConsentEvent, (&'static str, ConsentError)> {
    if !consent.state.is_yes() {
        return Err(("choice", ConsentError::NotAYes));
    }
    let at = match taken.at {
        Some(at) if at > now => return Err(("event_time", ConsentError::Future)),
        Some(at) if at <= consent.at => {
            return Err(("event_time", ConsentError::BeforeConsent));
        }
        Some(at) => at,
        None if now > consent.at => now,
        None => consent.at.checked_add(jiff::SignedDuration::from_nanos(1)).unwrap_or(consent.at),
    };
    let day = at.to_zoned(zone.clone()).date();
    let same = taken.by == consent.by;
    Ok(ConsentEvent {
        state: ConsentState::Withdrawn,
        at,
        until: consent.until.max(day),
        by: taken.by,
        // Whoever could give it can take it back: what was seen of them then still stands.
        evidence: taken.evidence || (same && consent.evidence),
        gillick: taken.gillick || (same && consent.gillick),
        // The wording that the yes was said to is still the one; how it was said is not.
        collected: Collected {
            notice: consent.collected.notice.clone(),
            channel: taken.channel,
            assessment: None,
        },
        proxy: consent.proxy.filter(|_| same),
        ..consent.clone()
    })
}

/// The event that finds `consent` invalid, always later than it.
///
/// # Errors
/// When `consent` is no yes.
pub fn invalidation(
    consent: &ConsentEvent,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<ConsentEvent, (&'static str, ConsentError)> {
    let taken = TakenBack {
        at: None,
        by: consent.by,
        evidence: consent.evidence,
        gillick: consent.gillick,
        channel: None,
    };
    let event = withdrawal(consent, taken, zone, now)?;
    Ok(ConsentEvent { state: ConsentState::Invalidated, ..event })
}

/// Puts what became of them into the objections and restrictions, and takes all other events but consents out.
/// One about something that is not there changes nothing.
pub fn put_in(events: &mut Vec<(DecisionId, ChoiceEvent)>) {
    let mut stand: std::collections::BTreeMap<DecisionId, Choice> = standing::courses(events)
        .into_iter()
        .map(|(id, choice, course)| {
            (id, Choice { state: course.decision, lifted: course.ended, ..choice })
        })
        .collect();
    events.retain(|(_, e)| matches!(e, ChoiceEvent::Consent(_) | ChoiceEvent::Choice(_)));
    for (id, event) in events.iter_mut() {
        if let ChoiceEvent::Choice(choice) = event
            && let Some(now) = stand.remove(id)
        {
            *choice = now;
        }
    }
}

/// Objections and restrictions as they stand after all events.
#[must_use]
pub fn choices_now(events: &[(DecisionId, ChoiceEvent)]) -> Vec<Choice> {
    standing::courses(events)
        .into_iter()
        .map(|(_, choice, course)| Choice {
            state: course.decision,
            lifted: course.ended,
            ..choice
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const NOW: &str = "2026-07-15T09:00:00Z";

    fn yes() -> ConsentEvent {
        ConsentEvent {
            kind: ConsentKind::ConfidentialityExplicit,
            state: ConsentState::Given,
            at: at("2026-07-01T09:00:00Z"),
            until: "2027-07-01".parse().unwrap(),
            purposes: BTreeSet::from(["early_help".parse().unwrap()]),
            recipients: BTreeSet::from(["befriend".parse().unwrap()]),
            fields: None,
            by: Giver::Own,
            evidence: true,
            gillick: false,
            freely_given: true,
            parts: BTreeSet::new(),
            collected: Collected::default(),
            proxy: None,
        }
    }

    fn taken(when: Option<&str>) -> TakenBack {
        TakenBack {
            at: when.map(at),
            by: Giver::Own,
            evidence: true,
            gillick: false,
            channel: None,
        }
    }

    #[test]
    fn a_sound_event_passes() {
        assert_eq!(check(&yes(), &TimeZone::UTC, at(NOW)), Ok(()));
    }

    #[test]
    fn each_fault_is_named() {
        type Spoil = fn(&mut ConsentEvent);
        let table: [(&str, Spoil); 7] = [
            ("state", |e| e.state = ConsentState::Withdrawn),
            ("state", |e| e.state = ConsentState::Invalidated),
            ("event_time", |e| e.at = at("2026-07-15T09:00:01Z")),
            ("until_date", |e| e.until = "2026-06-30".parse().unwrap()),
            ("purposes", |e| e.purposes.clear()),
            ("recipients", |e| e.recipients.clear()),
            ("parts", |e| {
                e.parts.insert(crate::domain::StatutoryPart::Notice);
            }),
        ];
        for (field, spoil) in table {
            let mut event = yes();
            spoil(&mut event);
            let found = check(&event, &TimeZone::UTC, at(NOW)).unwrap_err();
            assert_eq!(found.0, field);
        }
    }

    #[test]
    fn a_withdrawal_copies_the_scope_and_comes_later() {
        let event = withdrawal(&yes(), taken(None), &TimeZone::UTC, at(NOW)).unwrap();
        assert_eq!(event.state, ConsentState::Withdrawn);
        assert_eq!(event.at, at(NOW));
        assert_eq!(event.kind, yes().kind);
        assert_eq!(event.purposes, yes().purposes);
        assert_eq!(event.recipients, yes().recipients);
        let same_moment = withdrawal(&yes(), taken(None), &TimeZone::UTC, yes().at).unwrap();
        assert!(same_moment.at > yes().at);
    }

    #[test]
    fn whoever_could_give_it_can_take_it_back() {
        let given = ConsentEvent { gillick: true, ..yes() };
        let bare = TakenBack { evidence: false, gillick: false, ..taken(None) };
        let own = withdrawal(&given, bare, &TimeZone::UTC, at(NOW)).unwrap();
        assert!(own.evidence && own.gillick);
        let other = TakenBack { by: Giver::Parent, ..bare };
        let parent = withdrawal(&given, other, &TimeZone::UTC, at(NOW)).unwrap();
        assert!(!parent.evidence && !parent.gillick, "another is not seen to have authority");
    }

    #[test]
    fn a_withdrawal_that_would_not_count_is_turned_down() {
        let zone = TimeZone::UTC;
        let early = taken(Some("2026-07-01T09:00:00Z"));
        let late = taken(Some("2026-07-15T09:00:01Z"));
        let found = |t| withdrawal(&yes(), t, &zone, at(NOW)).unwrap_err().1;
        assert_eq!(found(early), ConsentError::BeforeConsent);
        assert_eq!(found(late), ConsentError::Future);
        let mut refused = yes();
        refused.state = ConsentState::Refused;
        let error = withdrawal(&refused, taken(None), &zone, at(NOW)).unwrap_err();
        assert_eq!(error.1, ConsentError::NotAYes);
    }

    #[test]
    fn a_year_later_is_the_default_end() {
        let until = default_until(at("2028-02-29T12:00:00Z"), &TimeZone::UTC);
        assert_eq!(until, "2029-02-28".parse().unwrap());
    }
}
