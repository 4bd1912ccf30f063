//! Who may speak for a resident on a day, and how far. Pure. A proxy's powers narrow and end by themselves: with the
//! resident's birthdays, with capacity, on the last day, when they are ended, and at death. Whether a yes or a no
//! of a proxy decides is rule 11 of `policy::consented`; here is what may count as evidence for it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::domain::{
    Capacity, ChoiceEvent, ConsentEvent, ConsentState, DecisionId, FieldId, Giver, ProxyGrant,
    PurposeId, Scope,
};
use crate::policy::age::{birthday, day_of, is_at_least, is_under};
use crate::policy::book::{Field, ProxyRule, ProxyVoice, RuleBook};

/// A proxy on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// The grant.
    pub id: DecisionId,
    /// What was granted.
    pub grant: ProxyGrant,
    /// No longer from this time on.
    pub ended: Option<Timestamp>,
}

/// What of the resident bears on a proxy's powers.
#[derive(Debug, Clone, Copy)]
pub struct Whom {
    /// Date of birth; `None` fails every test of age.
    pub born: Option<Date>,
    /// Day of death.
    pub died: Option<Date>,
    /// Capacity now.
    pub capacity: Capacity,
}

/// Why a proxy has no power at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// The policy has no line for the kind.
    NotInPolicy,
    /// Before the first day.
    NotYet,
    /// After the last day.
    LastDay,
    /// It was ended.
    Ended,
    /// The resident has died.
    Death,
    /// The resident is too young for it.
    TooYoung,
    /// The resident has outgrown it.
    Outgrown,
    /// The birth date is not known.
    BirthUnknown,
}

impl Halt {
    /// The word in lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotInPolicy => "not-in-policy",
            Self::NotYet => "not-yet",
            Self::LastDay => "last-day-past",
            Self::Ended => "ended",
            Self::Death => "resident-dead",
            Self::TooYoung => "resident-too-young",
            Self::Outgrown => "resident-of-age",
            Self::BirthUnknown => "birth-date-unknown",
        }
    }
}

/// For which fields a proxy agrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// For none.
    None,
    /// For ordinary fields: neither special nor confidential.
    Ordinary,
    /// For the groups of `attorney_pf_groups`.
    Money,
    /// For all.
    All,
}

impl Voice {
    /// The word in lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ordinary => "ordinary",
            Self::Money => "money",
            Self::All => "all",
        }
    }

    /// Whether it covers a field.
    #[must_use]
    pub fn covers(self, book: &RuleBook, field: &FieldId, about: &Field) -> bool {
        match self {
            Self::None => false,
            Self::Ordinary => !(about.special || about.cpi),
            Self::Money => {
                let group = field.as_str().split('/').next().unwrap_or_default();
                book.figures.attorney_pf_groups.contains(group)
            }
            Self::All => true,
        }
    }
}

/// What a proxy may do at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Powers {
    /// Agree for the resident.
    pub voice: Voice,
    /// Act at a portal.
    pub portal: bool,
    /// File what the resident may ask of agencies.
    pub requests: bool,
}

impl Powers {
    /// None at all.
    pub const NONE: Self = Self { voice: Voice::None, portal: false, requests: false };
}

/// The proxies among `events`, in the order recorded. Of several ends the earliest counts.
#[must_use]
pub fn proxies(events: &[(DecisionId, ChoiceEvent)]) -> Vec<Proxy> {
    let granted = events.iter().filter_map(|(id, event)| match event {
        ChoiceEvent::ProxyGranted(grant) => Some((*id, grant)),
        ChoiceEvent::Consent(_)
        | ChoiceEvent::Choice(_)
        | ChoiceEvent::Decided { .. }
        | ChoiceEvent::Lifted { .. }
        | ChoiceEvent::Stepped { .. }
        | ChoiceEvent::ProxyEnded { .. } => None,
    });
    let ended = |id: DecisionId| {
        let ends = events.iter().filter_map(|(_, event)| match event {
            ChoiceEvent::ProxyEnded { of, at } if *of == id => Some(*at),
            ChoiceEvent::ProxyEnded { .. }
            | ChoiceEvent::Consent(_)
            | ChoiceEvent::Choice(_)
            | ChoiceEvent::Decided { .. }
            | ChoiceEvent::Lifted { .. }
            | ChoiceEvent::Stepped { .. }
            | ChoiceEvent::ProxyGranted(_) => None,
        });
        ends.min()
    };
    granted.map(|(id, grant)| Proxy { id, grant: grant.clone(), ended: ended(id) }).collect()
}

/// Whether the proxy's authority stands at `at`, whatever they want to do; gives the policy's line.
///
/// # Errors
/// Why it does not.
pub fn stands<'b>(
    book: &'b RuleBook,
    proxy: &Proxy,
    born: Option<Date>,
    died: Option<Date>,
    at: Timestamp,
) -> Result<&'b ProxyRule, Halt> {
    let rule = book.proxies.get(&proxy.grant.kind).ok_or(Halt::NotInPolicy)?;
    let day = day_of(at, &book.place.zone);
    if proxy.ended.is_some_and(|ended| at >= ended) {
        return Err(Halt::Ended);
    }
    if day < proxy.grant.from {
        return Err(Halt::NotYet);
    }
    if proxy.grant.until.is_some_and(|until| day > until) {
        return Err(Halt::LastDay);
    }
    if died.is_some_and(|died| day >= died) {
        return Err(Halt::Death);
    }
    let reached = |age: i16| {
        let birthday = born.and_then(|born| birthday(born, age)).ok_or(Halt::BirthUnknown)?;
        Ok(day >= birthday)
    };
    if let Some(from) = rule.from_age
        && !reached(from.years(&book.figures))?
    {
        return Err(Halt::TooYoung);
    }
    if let Some(until) = rule.until_age
        && reached(until.years(&book.figures))?
    {
        return Err(Halt::Outgrown);
    }
    Ok(rule)
}

/// What a proxy may do at `at`, with the limits of the grant left out: those are of purposes and fields.
#[must_use]
pub fn powers(book: &RuleBook, proxy: &Proxy, whom: Whom, at: Timestamp) -> Powers {
    let Ok(rule) = stands(book, proxy, whom.born, whom.died, at) else {
        return Powers::NONE;
    };
    let (day, figures) = (day_of(at, &book.place.zone), &book.figures);
    let voice = match rule.voice {
        ProxyVoice::Never => Voice::None,
        ProxyVoice::UntilOwnVoice => {
            if !is_under(whom.born, figures.own_voice_age, day) {
                Voice::None
            } else if is_under(whom.born, figures.parent_confidential_until_age, day) {
                Voice::All
            } else {
                Voice::Ordinary
            }
        }
        ProxyVoice::WhileLacking => {
            let lacks = whom.capacity == Capacity::Lacks;
            if lacks && is_at_least(whom.born, figures.own_voice_age, day) {
                Voice::All
            } else {
                Voice::None
            }
        }
        ProxyVoice::WhileUnable => {
            if whom.capacity == Capacity::Has {
                Voice::None
            } else {
                Voice::Money
            }
        }
    };
    // Who sees and files what the resident does sees all of it: only while their word covers all, or where
    // they act beside a resident who speaks for themselves.
    let limited = proxy.grant.purposes.is_some() || proxy.grant.fields.is_some();
    let whole = !limited && (rule.voice == ProxyVoice::Never || voice == Voice::All);
    Powers { voice, portal: rule.portal && whole, requests: rule.requests && whole }
}

/// Why a consent event of somebody other than the resident counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unbacked {
    /// It names no proxy.
    #[error("no proxy is named: it counts for nothing until one on record is")]
    NoProxy,
    /// There is no such proxy.
    #[error("the proxy is not on record")]
    Unknown,
    /// The proxy is of another kind.
    #[error("the proxy speaks in another capacity than the event says")]
    OtherKind,
    /// The proxy had no authority then.
    #[error("the proxy had no authority at that time: {}", .0.as_str())]
    Halted(Halt),
    /// A proxy of the kind agrees to nothing.
    #[error("a proxy of this kind does not agree or refuse for a resident")]
    Voiceless,
    /// The resident's own voice counted.
    #[error("the resident was old enough to speak for themselves")]
    OwnVoice,
    /// Beyond the limits of the grant.
    #[error("the proxy may not speak about all of these purposes and fields")]
    Limits,
}

/// Whether a consent event rests on a proxy on record that could speak so at its time. What capacity makes of it is
/// judged at the time of the question.
///
/// # Errors
/// Why it does not.
pub fn backed(
    book: &RuleBook,
    proxies: &[Proxy],
    event: &ConsentEvent,
    born: Option<Date>,
    died: Option<Date>,
) -> Result<(), Unbacked> {
    if event.by == Giver::Own {
        return Ok(());
    }
    let id = event.proxy.ok_or(Unbacked::NoProxy)?;
    let proxy = proxies.iter().find(|proxy| proxy.id == id).ok_or(Unbacked::Unknown)?;
    if proxy.grant.kind != event.by {
        return Err(Unbacked::OtherKind);
    }
    let rule = stands(book, proxy, born, died, event.at).map_err(Unbacked::Halted)?;
    match rule.voice {
        ProxyVoice::Never => return Err(Unbacked::Voiceless),
        ProxyVoice::UntilOwnVoice => {
            let then = day_of(event.at, &book.place.zone);
            if !is_under(born, book.figures.own_voice_age, then) {
                return Err(Unbacked::OwnVoice);
            }
        }
        ProxyVoice::WhileLacking | ProxyVoice::WhileUnable => {}
    }
    if within(&proxy.grant, &event.purposes, event.fields.as_deref()) {
        Ok(())
    } else {
        Err(Unbacked::Limits)
    }
}

/// Whether the limits of a grant hold all of these.
fn within(grant: &ProxyGrant, purposes: &BTreeSet<PurposeId>, fields: Option<&[Scope]>) -> bool {
    let purposes = grant.purposes.as_ref().is_none_or(|may| purposes.is_subset(may));
    let fields = match (&grant.fields, fields) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(may), Some(said)) => said.iter().all(|scope| {
            may.iter().any(|wide| match scope {
                Scope::Field(field) => wide.covers(field),
                Scope::Category(_) => wide == scope,
            })
        }),
    };
    purposes && fields
}

/// Puts into consent events of others than the resident whether they still rest on a proxy on record: a proxy that
/// was ended as of before takes its later events along. Nothing becomes evidence that was not when recorded, and what
/// an officer found invalid stays invalid whatever became of the proxy.
pub fn weigh(
    book: &RuleBook,
    proxies: &[Proxy],
    events: &mut [ConsentEvent],
    born: Option<Date>,
    died: Option<Date>,
) {
    let spoken = |event: &&mut ConsentEvent| {
        event.by != Giver::Own && event.state != ConsentState::Invalidated
    };
    for event in events.iter_mut().filter(spoken) {
        event.evidence &= backed(book, proxies, event, born, died).is_ok();
    }
}

/// Two holders of parental responsibility on record of whom one says yes and another no, to the same kind for a
/// purpose and a recipient: the ids of the two, the yes first. Each's own latest word counts.
#[must_use]
pub fn disagreements(events: &[ConsentEvent]) -> BTreeSet<(DecisionId, DecisionId)> {
    let spoken = || {
        events
            .iter()
            .filter_map(|e| Some((e.proxy?, e)))
            .filter(|(_, e)| e.by == Giver::Parent && e.evidence)
    };
    let mut out = BTreeSet::new();
    for (yes, agreed) in spoken().filter(|(_, e)| e.state.is_yes()) {
        for (no, against) in spoken().filter(|(id, e)| *id != yes && e.state.is_no()) {
            let same = agreed.kind == against.kind
                && !agreed.purposes.is_disjoint(&against.purposes)
                && !agreed.recipients.is_disjoint(&against.recipients);
            // A later word of the same person about the same takes the earlier one back.
            let stands = |who: DecisionId, said: &ConsentEvent| {
                !spoken().any(|(id, e)| {
                    id == who
                        && e.at > said.at
                        && e.kind == said.kind
                        && e.state.is_yes() != said.state.is_yes()
                        && !e.purposes.is_disjoint(&said.purposes)
                        && !e.recipients.is_disjoint(&said.recipients)
                })
            };
            if same && stands(yes, agreed) && stands(no, against) {
                out.insert((yes, no));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests;
