//! What of a resident's choices falls due: for the one list of everything that does. Pure.

use jiff::Timestamp;
use jiff::civil::Date;

use super::proxy::{Halt, proxies, stands};
use super::standing::courses;
use crate::domain::{AgencyId, ChoiceEvent, ChoiceKind, ConsentEvent, DecisionId, RequestKind};
use crate::policy::age::{birthday, day_of};
use crate::policy::book::RuleBook;

/// What falls due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClockKind {
    /// An objection has to be decided.
    DecideObjection,
    /// A restriction has to be looked into.
    DecideRestriction,
    /// A consent ends.
    ConsentEnds,
    /// A consent has to be given again at a birthday.
    Reconfirm,
    /// A proxy's authority ends.
    ProxyEnds,
}

impl ClockKind {
    /// The word in lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DecideObjection => "decide-objection",
            Self::DecideRestriction => "decide-restriction",
            Self::ConsentEnds => "consent-ends",
            Self::Reconfirm => "reconfirm-consent",
            Self::ProxyEnds => "proxy-ends",
        }
    }
}

/// Something that falls due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// What.
    pub kind: ClockKind,
    /// The last day to act; for what ends by itself, the last day on which it is good.
    pub due: Date,
    /// The event that it is about.
    pub of: DecisionId,
    /// The agency that recorded it, and that has to act.
    pub agency: AgencyId,
}

/// A choice event as it is stored: its id, the agency that recorded it, and what it says.
pub type Event = (DecisionId, AgencyId, ChoiceEvent);

/// The open clocks of one resident's choices at `now`, the soonest first. `events` come in the order recorded.
/// What somebody has to decide stays when it is late; what ends by itself goes when it has ended.
#[must_use]
pub fn open_clocks(
    events: &[Event],
    born: Option<Date>,
    book: &RuleBook,
    now: Timestamp,
) -> Vec<Clock> {
    let today = day_of(now, &book.place.zone);
    let bare: Vec<(DecisionId, ChoiceEvent)> =
        events.iter().map(|(id, _, event)| (*id, event.clone())).collect();
    let agency_of = |of: DecisionId| {
        events.iter().find(|(id, _, _)| *id == of).map(|(_, agency, _)| agency.clone())
    };
    let mut found: Vec<(ClockKind, Date, DecisionId)> = Vec::new();
    for (id, choice, course) in courses(&bare) {
        let (kind, asked) = match choice.kind {
            ChoiceKind::Art18 => (ClockKind::DecideRestriction, RequestKind::Restrict),
            ChoiceKind::Art21 | ChoiceKind::DirectCareObjection | ChoiceKind::Ndo => {
                (ClockKind::DecideObjection, RequestKind::Object)
            }
        };
        let by = course.decide_by(book.requests.get(&asked), &choice);
        found.extend(by.map(|by| (kind, by, id)));
    }
    let consents: Vec<(DecisionId, &ConsentEvent)> = events
        .iter()
        .filter_map(|(id, _, event)| match event {
            ChoiceEvent::Consent(consent) => Some((*id, consent)),
            ChoiceEvent::Choice(_)
            | ChoiceEvent::Decided { .. }
            | ChoiceEvent::Lifted { .. }
            | ChoiceEvent::Stepped { .. }
            | ChoiceEvent::ProxyGranted(_)
            | ChoiceEvent::ProxyEnded { .. } => None,
        })
        .collect();
    for (n, (id, consent)) in consents.iter().enumerate() {
        let later = consents.iter().enumerate();
        let replaced = later
            .filter(|(at, _)| *at != n)
            .any(|(at, (_, other))| (other.at, at) > (consent.at, n) && says_again(other, consent));
        if !consent.state.is_yes() || replaced || consent.until < today {
            continue;
        }
        found.push((ClockKind::ConsentEnds, consent.until, *id));
        let given = day_of(consent.at, &book.place.zone);
        let ages = book.figures.reconfirm_ages.iter();
        let birthdays = ages.filter_map(|age| birthday(born?, *age));
        let next = birthdays.filter(|day| *day > given && *day <= consent.until).min();
        // From the birthday on it does not count: the day before is the last good one.
        let last = next.and_then(|day| day.yesterday().ok()).filter(|last| *last >= today);
        found.extend(last.map(|last| (ClockKind::Reconfirm, last, *id)));
    }
    for proxy in proxies(&bare) {
        let halted = stands(book, &proxy, born, None, now).err();
        if !matches!(halted, None | Some(Halt::NotYet | Halt::TooYoung)) {
            continue;
        }
        let rule = book.proxies.get(&proxy.grant.kind);
        let age = rule.and_then(|rule| rule.until_age).map(|age| age.years(&book.figures));
        let outgrown = age.and_then(|age| birthday(born?, age)?.yesterday().ok());
        let ended = proxy.ended.map(|ended| day_of(ended, &book.place.zone));
        let last = [proxy.grant.until, outgrown, ended].into_iter().flatten().min();
        found.extend(last.map(|last| (ClockKind::ProxyEnds, last, proxy.id)));
    }
    found.sort_by_key(|(kind, due, of)| (*due, *kind, *of));
    found
        .into_iter()
        .filter_map(|(kind, due, of)| Some(Clock { kind, due, of, agency: agency_of(of)? }))
        .collect()
}

/// A later event that speaks of all that an earlier one spoke of, by the same giver.
fn says_again(later: &ConsentEvent, earlier: &ConsentEvent) -> bool {
    let fields = match (&later.fields, &earlier.fields) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(all), Some(some)) => some.iter().all(|scope| all.contains(scope)),
    };
    later.kind == earlier.kind
        && later.by == earlier.by
        && later.proxy == earlier.proxy
        && earlier.purposes.is_subset(&later.purposes)
        && earlier.recipients.is_subset(&later.recipients)
        && fields
}

#[cfg(test)]
mod tests;
