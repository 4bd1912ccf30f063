//! What "I withdraw my consent" does. Most sharing by public bodies rests on no consent: the words are taken for
//! all that they can mean, and the person is told the truth about the rest. Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;

use super::{TakenBack, withdrawal};
use crate::domain::{
    Capacity, Choice, ChoiceEvent, ChoiceKind, ConsentEvent, DecisionId, Giver, ObjectionState,
    PurposeId, Scope, Withdrawing,
};
use crate::policy::book::{Cell, ChoiceForce, Effect, Ground, Rule, RuleBook, Told};
use crate::policy::is_at_least;

/// Who says it.
#[derive(Debug, Clone, Copy)]
pub struct Speaker {
    /// How it was said, and by whom.
    pub taken: TakenBack,
    /// When the resident was born.
    pub born: Option<Date>,
    /// Whether the resident has the capacity for it.
    pub capacity: Capacity,
}

/// What it does for one purpose.
#[derive(Debug, Clone, Default)]
pub struct Routed {
    /// The events that take consents back, each with the consent.
    pub ends: Vec<(DecisionId, ConsentEvent)>,
    /// For one of them another spoke, against whom this speaker may not be heard.
    pub unheard: bool,
    /// The objection to record.
    pub objection: Option<Choice>,
    /// An objection to the same stands already.
    pub objected_before: bool,
    /// The law under which sharing goes on all the same, as it is cited.
    pub goes_on: BTreeSet<String>,
    /// A rule can be opened by an override where somebody is in danger.
    pub in_danger: bool,
}

/// Works out what the words do for `purpose`, after the events so far.
///
/// A consent that names several purposes ends for this one only.
#[must_use]
pub fn route(
    book: &RuleBook,
    purpose: &PurposeId,
    events: &[(DecisionId, ChoiceEvent)],
    speaker: Speaker,
    now: Timestamp,
) -> Routed {
    let zone = &book.place.zone;
    let at = speaker.taken.at.unwrap_or(now);
    let day = at.to_zoned(zone.clone()).date();
    let mut routed = Routed::default();
    // Without a time of its own it comes after all that was said so far.
    let before = |consent: &ConsentEvent| {
        if speaker.taken.at.is_some() { consent.at < at } else { consent.at <= at }
    };
    for (id, consent) in standing(purpose, events, before, day) {
        let narrowed =
            ConsentEvent { purposes: BTreeSet::from([purpose.clone()]), ..consent.clone() };
        let Ok(event) = withdrawal(&narrowed, speaker.taken, zone, now) else { continue };
        routed.unheard |= !is_heard(book, consent, speaker, day);
        routed.ends.push((id, event));
    }
    let rules = || {
        book.rules.iter().filter(|rule| rule.effect == Effect::Allow && rule.purposes.has(purpose))
    };
    let objectable = |rule: &Rule| {
        rule.art6.as_ref().is_some_and(|basis| book.figures.objection_bases.contains(basis))
    };
    if rules().any(objectable) {
        routed.objected_before = objects_already(purpose, events, now);
        routed.objection = (!routed.objected_before).then(|| Choice {
            kind: ChoiceKind::Art21,
            on: day,
            fields: None,
            lifted: None,
            purpose: Some(purpose.clone()),
            state: ObjectionState::Pending,
        });
    }
    let stops = |rule: &Rule| {
        matches!(rule.ground, Some(Ground::Consent(_)))
            || (objectable(rule) && rule.choices.contains(&ChoiceForce::Stops(ChoiceKind::Art21)))
    };
    let laws = rules().filter(|rule| !stops(rule)).filter_map(|rule| rule.gateway.as_ref());
    routed.goes_on = laws
        .filter_map(|gateway| book.gateways.get(gateway))
        .map(|law| format!("{} {}", law.statute, law.section))
        .collect();
    routed.in_danger = rules().any(|rule| rule.overrides != Cell::These(BTreeSet::new()));
    routed
}

/// The latest yes of each giver and scope that names the purpose, was not taken back since, and has not run out.
fn standing<'e>(
    purpose: &PurposeId,
    events: &'e [(DecisionId, ChoiceEvent)],
    before: impl Fn(&ConsentEvent) -> bool,
    day: Date,
) -> Vec<(DecisionId, &'e ConsentEvent)> {
    let consents = || {
        events.iter().filter_map(|(id, event)| match event {
            ChoiceEvent::Consent(consent)
                if consent.purposes.contains(purpose) && before(consent) =>
            {
                Some((*id, consent))
            }
            ChoiceEvent::Consent(_)
            | ChoiceEvent::Choice(_)
            | ChoiceEvent::Decided { .. }
            | ChoiceEvent::Lifted { .. } => None,
        })
    };
    let same = |one: &ConsentEvent, other: &ConsentEvent| {
        one.kind == other.kind
            && one.by == other.by
            && one.recipients == other.recipients
            && covers_same(&one.fields, &other.fields)
    };
    consents()
        .filter(|(_, consent)| consent.state.is_yes() && day <= consent.until)
        .filter(|(id, consent)| {
            // Of two at the same moment the one that stands later in the list.
            let after = consents().skip_while(|(other, _)| other != id).skip(1);
            let before = consents().take_while(|(other, _)| other != id);
            let later = after.filter(|(_, other)| other.at >= consent.at);
            let earlier = before.filter(|(_, other)| other.at > consent.at);
            !later.chain(earlier).any(|(_, other)| same(consent, other))
        })
        .collect()
}

fn covers_same(one: &Option<Vec<Scope>>, other: &Option<Vec<Scope>>) -> bool {
    let words = |scopes: &Option<Vec<Scope>>| -> Option<BTreeSet<String>> {
        scopes.as_ref().map(|all| all.iter().map(ToString::to_string).collect())
    };
    words(one) == words(other)
}

/// Whether the speaker's word counts against that of whoever gave the consent: it is their own, or the
/// resident speaks for themselves.
fn is_heard(book: &RuleBook, consent: &ConsentEvent, speaker: Speaker, day: Date) -> bool {
    let own_voice = if is_at_least(speaker.born, book.figures.own_voice_age, day) {
        speaker.capacity != Capacity::Lacks
    } else {
        speaker.taken.gillick
    };
    consent.by == speaker.taken.by || (speaker.taken.by == Giver::Own && own_voice)
}

fn objects_already(
    purpose: &PurposeId,
    events: &[(DecisionId, ChoiceEvent)],
    now: Timestamp,
) -> bool {
    super::choices_now(events).iter().any(|choice| {
        choice.kind == ChoiceKind::Art21
            && choice.purpose.as_ref() == Some(purpose)
            && choice.fields.is_none()
            && choice.state != ObjectionState::Rejected
            && choice.lifted.is_none_or(|lifted| lifted > now)
    })
}

/// What the person is told, in the words of the policy; `None` where it lacks one.
#[must_use]
pub fn told(book: &RuleBook, purpose: &PurposeId, routed: &Routed) -> Option<Told> {
    let words = &book.telling;
    let (say, and) = (|word: Withdrawing| words.withdrawal.get(&word), words.and.as_ref()?);
    let why = words.purposes.get(purpose)?;
    let mut parts = vec![filled(say(Withdrawing::Recorded)?, "{why}", &why.en, &why.cy)];
    parts.push(
        say(if routed.ends.is_empty() { Withdrawing::NoConsent } else { Withdrawing::Ended })?
            .clone(),
    );
    if routed.unheard {
        parts.push(say(Withdrawing::Unheard)?.clone());
    }
    if routed.objection.is_some() || routed.objected_before {
        parts.push(say(Withdrawing::Objection)?.clone());
    }
    if routed.goes_on.is_empty() {
        parts.push(say(Withdrawing::NothingGoesOn)?.clone());
    } else {
        let laws: Vec<&str> = routed.goes_on.iter().map(String::as_str).collect();
        let (en, cy) = (listed(&laws, &and.en), listed(&laws, &and.cy));
        parts.push(filled(say(Withdrawing::GoesOn)?, "{under}", &en, &cy));
    }
    if routed.in_danger {
        parts.push(say(Withdrawing::Danger)?.clone());
    }
    parts.push(say(Withdrawing::Complaint)?.clone());
    let joined = |pick: fn(&Told) -> &String| {
        parts.iter().map(|told| pick(told).as_str()).collect::<Vec<_>>().join(" ")
    };
    Some(Told { en: joined(|told| &told.en), cy: joined(|told| &told.cy) })
}

fn filled(told: &Told, place: &str, en: &str, cy: &str) -> Told {
    Told { en: told.en.replacen(place, en, 1), cy: told.cy.replacen(place, cy, 1) }
}

/// `a, b and c`.
fn listed(parts: &[&str], and: &str) -> String {
    match parts {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} {} {last}", first.join(", "), and.trim()),
    }
}

#[cfg(test)]
mod tests;
