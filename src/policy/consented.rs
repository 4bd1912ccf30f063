//! Consent: which event speaks for the resident, and whether its yes holds (scenarios, rule 11).

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;

use super::age::{birthday, day_of, is_at_least, is_under};
use super::book::{Field, RuleBook};
use super::decision::UsedConsent;
use crate::domain::{
    Ask, Capacity, Code, ConsentEvent, ConsentKind, ConsentState, Facts, FieldId, Giver,
    StatutoryPart,
};

/// The question that consent is asked for.
pub(super) struct Consents<'a> {
    pub book: &'a RuleBook,
    pub ask: &'a Ask,
    pub facts: &'a Facts,
    pub at: Timestamp,
    pub day: Date,
    pub digital_consent_age: i16,
}

impl<'a> Consents<'a> {
    /// A live yes of `kind` that covers `field`, or every reason why there is none. `online`: a
    /// child of the digital consent age speaks for themselves.
    pub(super) fn live(
        &self,
        kind: ConsentKind,
        online: bool,
        field: &FieldId,
        about: &Field,
    ) -> Result<UsedConsent, BTreeSet<Code>> {
        if kind == ConsentKind::StatutoryConsent {
            return self.statutory(online, field);
        }
        let named: Vec<&ConsentEvent> = self.naming_purpose().collect();
        let of_kind: Vec<&ConsentEvent> =
            named.iter().copied().filter(|e| e.kind == kind).collect();
        if of_kind.is_empty() {
            let other = latest(named.iter().copied()).is_some_and(|e| e.state.is_yes());
            return only(if other { Code::CnsWrongKind } else { Code::CnsAbsent });
        }
        let speaking: Vec<&ConsentEvent> =
            of_kind.iter().copied().filter(|e| self.in_scope(e, field)).collect();
        if speaking.is_empty() {
            let elsewhere = of_kind.iter().any(|e| e.state.is_yes());
            return only(if elsewhere { Code::CnsOutOfScope } else { Code::CnsAbsent });
        }
        let own = latest(speaking.iter().copied().filter(|e| self.own_counts(e, online)));
        let deciding = own.or_else(|| {
            latest(speaking.iter().copied().filter(|e| self.proxy_entitled(e, field, about)))
        });
        let Some(event) = deciding else {
            return only(Code::CnsGiverNotEntitled);
        };
        match event.state {
            ConsentState::Refused => only(Code::CnsRefused),
            ConsentState::Withdrawn => only(Code::CnsWithdrawn),
            ConsentState::Invalidated => only(Code::CnsInvalidated),
            ConsentState::Requested | ConsentState::Unknown => only(Code::CnsAbsent),
            ConsentState::Given | ConsentState::Renewed => {
                let stopped = self.stopped(event, online);
                if stopped.is_empty() { Ok(used(event)) } else { Err(stopped) }
            }
        }
    }

    /// The latest statutory agreement must be the resident's own live yes with all three parts, to
    /// the asking authority; a later choice of another authority ends it.
    fn statutory(&self, online: bool, field: &FieldId) -> Result<UsedConsent, BTreeSet<Code>> {
        let event =
            latest(self.naming_purpose().filter(|e| e.kind == ConsentKind::StatutoryConsent));
        match event {
            Some(event)
                if event.state.is_yes()
                    && self.own_counts(event, online)
                    && StatutoryPart::ALL.iter().all(|part| event.parts.contains(part))
                    && self.in_scope(event, field)
                    && self.stopped(event, online).is_empty() =>
            {
                Ok(used(event))
            }
            Some(_) | None => only(Code::CnsStatutoryRequired),
        }
    }

    fn naming_purpose(&self) -> impl Iterator<Item = &'a ConsentEvent> {
        let (ask, at) = (self.ask, self.at);
        self.facts.consents.iter().filter(move |e| e.at <= at && e.purposes.contains(&ask.purpose))
    }

    fn in_scope(&self, event: &ConsentEvent, field: &FieldId) -> bool {
        event.recipients.contains(&self.facts.requester.agency)
            && event.fields.as_ref().is_none_or(|all| all.iter().any(|s| s.covers(field)))
    }

    fn own_counts(&self, event: &ConsentEvent, online: bool) -> bool {
        let resident = &self.facts.resident;
        let then = day_of(event.at, &self.book.place.zone);
        let own_voice = self.book.figures.own_voice_age;
        event.by == Giver::Own
            && if is_at_least(resident.born, own_voice, then) {
                resident.capacity != Capacity::Lacks
            } else {
                resident.born.is_some()
                    && (event.gillick
                        || (online && is_at_least(resident.born, self.digital_consent_age, then)))
            }
    }

    fn proxy_entitled(&self, event: &ConsentEvent, field: &FieldId, about: &Field) -> bool {
        let resident = &self.facts.resident;
        let figures = &self.book.figures;
        let then = day_of(event.at, &self.book.place.zone);
        event.evidence
            && match event.by {
                Giver::Parent => {
                    let narrowed =
                        !is_under(resident.born, figures.parent_confidential_until_age, self.day);
                    is_under(resident.born, figures.own_voice_age, then)
                        && !(narrowed && (about.special || about.cpi))
                }
                Giver::AttorneyHw | Giver::DeputyHw => {
                    is_at_least(resident.born, figures.own_voice_age, self.day)
                        && resident.capacity == Capacity::Lacks
                }
                Giver::AttorneyPf => {
                    let group = field.as_str().split('/').next().unwrap_or_default();
                    resident.capacity != Capacity::Has && figures.attorney_pf_groups.contains(group)
                }
                Giver::Own | Giver::Appointee | Giver::Advocate => false,
            }
    }

    /// What stops a yes that was given.
    fn stopped(&self, event: &ConsentEvent, online: bool) -> BTreeSet<Code> {
        let resident = &self.facts.resident;
        let figures = &self.book.figures;
        let then = day_of(event.at, &self.book.place.zone);
        let mut codes = BTreeSet::new();
        if event.by == Giver::Own
            && resident.capacity == Capacity::InDoubt
            && is_at_least(resident.born, figures.own_voice_age, self.day)
        {
            codes.insert(Code::CnsCapacityInDoubt);
        }
        if !event.freely_given {
            codes.insert(Code::CnsNotFreelyGiven);
        }
        if self.day > event.until {
            codes.insert(Code::CnsExpired);
        }
        let mut ages = figures.reconfirm_ages.clone();
        if online && event.by == Giver::Parent {
            ages.push(self.digital_consent_age);
        }
        let passed = |age: &i16| {
            resident
                .born
                .and_then(|born| birthday(born, *age))
                .is_some_and(|birthday| then < birthday && self.day >= birthday)
        };
        if ages.iter().any(passed) {
            codes.insert(Code::CnsReconfirmAtAge);
        }
        codes
    }
}

fn latest<'e>(events: impl Iterator<Item = &'e ConsentEvent>) -> Option<&'e ConsentEvent> {
    events.max_by_key(|e| e.at)
}

fn used(event: &ConsentEvent) -> UsedConsent {
    UsedConsent { kind: event.kind, given_at: event.at, until: event.until }
}

fn only<T>(code: Code) -> Result<T, BTreeSet<Code>> {
    Err(BTreeSet::from([code]))
}
