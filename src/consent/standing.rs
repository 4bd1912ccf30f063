//! Objections and restrictions as state machines with clocks. Pure. An objection holds the processing for its
//! purpose from the day it is received until it is rejected or taken back (UK GDPR Art 21, 18(1)(d)); a
//! restriction stays until it is lifted, and the resident is told before (Art 18(3)).

use jiff::civil::Date;
use jiff::{Span, Timestamp, tz::TimeZone};

use crate::domain::{Choice, ChoiceEvent, ChoiceKind, ChoiceStep, DecisionId, ObjectionState};
use crate::policy::book::RequestRule;

/// Where an objection or a restriction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// An objection under Art 21 is received and not decided: the processing is held.
    Pending,
    /// It is upheld.
    Upheld,
    /// It is rejected, with reasons and the way to complain.
    Rejected,
    /// An objection to direct care, which nobody decides: it has force until it is taken back.
    Standing,
    /// An objection was taken back.
    Withdrawn,
    /// A restriction is set.
    Set,
    /// It was looked into, and stays.
    Kept,
    /// The resident was told that it will be lifted.
    Told,
    /// It is lifted.
    Lifted,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Upheld,
        Self::Rejected,
        Self::Standing,
        Self::Withdrawn,
        Self::Set,
        Self::Kept,
        Self::Told,
        Self::Lifted,
    ];

    /// The word in lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Upheld => "upheld",
            Self::Rejected => "rejected",
            Self::Standing => "standing",
            Self::Withdrawn => "withdrawn",
            Self::Set => "set",
            Self::Kept => "kept",
            Self::Told => "told",
            Self::Lifted => "lifted",
        }
    }

    /// The processing is held, or the data are kept apart.
    #[must_use]
    pub const fn has_force(self) -> bool {
        !matches!(self, Self::Rejected | Self::Withdrawn | Self::Lifted)
    }

    /// Somebody has to decide.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Set)
    }
}

/// What happens to an objection or a restriction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is upheld.
    Uphold,
    /// It is rejected.
    Reject,
    /// The resident takes it back.
    Withdraw,
    /// It needs longer.
    Extend,
    /// It stays.
    Keep,
    /// The resident is told that it will be lifted.
    Tell,
    /// It is lifted.
    Lift,
}

impl Change {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Uphold,
        Self::Reject,
        Self::Withdraw,
        Self::Extend,
        Self::Keep,
        Self::Tell,
        Self::Lift,
    ];
}

/// Why something cannot happen now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Only objections under Art 21 are decided.
    #[error("must be an objection under art21")]
    NotDecided,
    /// Only objections are taken back.
    #[error("must be an objection")]
    NoObjection,
    /// Only restrictions are kept, told and lifted.
    #[error("must be a restriction")]
    NoRestriction,
    /// Only what somebody decides takes longer.
    #[error("is not decided by anybody: nothing to extend")]
    NoClock,
    /// It was decided before.
    #[error("is decided already: it is {}", .0.as_str())]
    Decided(State),
    /// It has no force any more.
    #[error("has no force any more: it is {}", .0.as_str())]
    Over(State),
    /// The resident was not told.
    #[error(
        "the resident must be told before it is lifted (UK GDPR Art 18(3)): record that with AdvanceChoice, \
         step told"
    )]
    NotTold,
    /// It was said before.
    #[error("was said already: it is {}", .0.as_str())]
    Again(State),
    /// It has more time already.
    #[error("has more time already")]
    Extended,
    /// The policy gives no more time.
    #[error("cannot be extended: words/requests.csv gives no more time")]
    NoMoreTime,
    /// Whoever needs longer says so in the first month.
    #[error("cannot be extended: the last day to decide is past")]
    TooLate,
}

/// How it begins.
#[must_use]
pub const fn begin(kind: ChoiceKind) -> State {
    match kind {
        ChoiceKind::Art21 => State::Pending,
        ChoiceKind::DirectCareObjection | ChoiceKind::Ndo => State::Standing,
        ChoiceKind::Art18 => State::Set,
    }
}

/// What `change` makes of `state`.
///
/// # Errors
/// Why it cannot happen.
pub const fn next(state: State, change: Change) -> Result<State, ChangeError> {
    use Change as C;
    use State as S;
    let restriction = matches!(state, S::Set | S::Kept | S::Told | S::Lifted);
    match (state, change) {
        (_, C::Uphold | C::Reject) if restriction || matches!(state, S::Standing) => {
            Err(ChangeError::NotDecided)
        }
        (_, C::Withdraw) if restriction => Err(ChangeError::NoObjection),
        (_, C::Keep | C::Tell | C::Lift) if !restriction => Err(ChangeError::NoRestriction),
        (S::Standing, C::Extend) => Err(ChangeError::NoClock),
        (S::Rejected, C::Uphold | C::Reject) => Err(ChangeError::Decided(state)),
        (S::Withdrawn | S::Lifted | S::Rejected, _) => Err(ChangeError::Over(state)),
        (S::Pending, C::Uphold) => Ok(S::Upheld),
        (S::Pending, C::Reject) => Ok(S::Rejected),
        (S::Upheld, C::Uphold | C::Reject | C::Extend) | (S::Kept | S::Told, C::Extend) => {
            Err(ChangeError::Decided(state))
        }
        (_, C::Withdraw) => Ok(S::Withdrawn),
        (S::Pending | S::Set, C::Extend) => Ok(state),
        (S::Kept, C::Keep) | (S::Told, C::Tell) => Err(ChangeError::Again(state)),
        (_, C::Keep) => Ok(S::Kept),
        (_, C::Tell) => Ok(S::Told),
        (S::Told, C::Lift) => Ok(S::Lifted),
        (_, C::Lift) => Err(ChangeError::NotTold),
        // Left to say for the compiler: each is met above.
        (S::Set | S::Kept | S::Told | S::Standing, C::Uphold | C::Reject) => {
            Err(ChangeError::NotDecided)
        }
    }
}

/// What became of a choice, from the events about it in the order recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    /// Where it stands.
    pub state: State,
    /// It has more time.
    pub extended: bool,
    /// How it was decided, whatever came after.
    pub decision: ObjectionState,
    /// Since when it has no force.
    pub ended: Option<Timestamp>,
    /// When the resident was told that it will be lifted.
    pub told: Option<Timestamp>,
    /// The event that decided it.
    pub decided: Option<DecisionId>,
}

impl Course {
    /// How a choice begins.
    #[must_use]
    pub const fn new(choice: &Choice) -> Self {
        Self {
            state: begin(choice.kind),
            extended: false,
            decision: choice.state,
            ended: choice.lifted,
            told: None,
            decided: None,
        }
    }

    /// Takes in what an event says. What could not happen did not, with one exception: a restriction that
    /// was lifted before telling the resident was recorded stays lifted.
    pub fn take(&mut self, id: DecisionId, change: Change, at: Timestamp) {
        let lifted = change == Change::Lift && matches!(self.state, State::Set | State::Kept);
        let to = if lifted {
            State::Lifted
        } else {
            match next(self.state, change) {
                Ok(to) => to,
                Err(_) => return,
            }
        };
        self.state = to;
        match change {
            Change::Uphold => (self.decision, self.decided) = (ObjectionState::Upheld, Some(id)),
            Change::Reject => (self.decision, self.decided) = (ObjectionState::Rejected, Some(id)),
            Change::Withdraw | Change::Lift => self.ended = self.ended.or(Some(at)),
            Change::Extend => self.extended = true,
            Change::Keep => self.told = None,
            Change::Tell => self.told = Some(at),
        }
    }

    /// The last day to decide; `None`: nobody has to (any more), or the policy has no figures.
    #[must_use]
    pub fn decide_by(&self, rule: Option<&RequestRule>, choice: &Choice) -> Option<Date> {
        if !self.state.is_open() {
            return None;
        }
        let rule = rule?;
        let months = rule.answer_months + if self.extended { rule.extend_months } else { 0 };
        Some(choice.on.checked_add(Span::new().months(i64::from(months))).unwrap_or(Date::MAX))
    }

    /// Whether more time can be taken today.
    ///
    /// # Errors
    /// Why not.
    pub fn may_extend(
        &self,
        rule: Option<&RequestRule>,
        choice: &Choice,
        today: Date,
    ) -> Result<(), ChangeError> {
        next(self.state, Change::Extend)?;
        if self.extended {
            return Err(ChangeError::Extended);
        }
        if rule.is_none_or(|rule| rule.extend_months == 0) {
            return Err(ChangeError::NoMoreTime);
        }
        if self.decide_by(rule, choice).is_some_and(|by| today > by) {
            return Err(ChangeError::TooLate);
        }
        Ok(())
    }
}

/// What an event says about which choice; `None`: nothing about one. `kind` tells of what kind that is.
#[must_use]
pub fn change_in(event: &ChoiceEvent) -> Option<(DecisionId, Said, Timestamp)> {
    match event {
        ChoiceEvent::Decided { of, state: ObjectionState::Upheld, at } => {
            Some((*of, Said::Change(Change::Uphold), *at))
        }
        ChoiceEvent::Decided { of, state: ObjectionState::Rejected, at } => {
            Some((*of, Said::Change(Change::Reject), *at))
        }
        ChoiceEvent::Lifted { of, at } => Some((*of, Said::Ended, *at)),
        ChoiceEvent::Stepped { of, step, at } => {
            let change = match step {
                ChoiceStep::Extended => Change::Extend,
                ChoiceStep::Kept => Change::Keep,
                ChoiceStep::Told => Change::Tell,
            };
            Some((*of, Said::Change(change), *at))
        }
        ChoiceEvent::Decided { state: ObjectionState::Pending, .. }
        | ChoiceEvent::Consent(_)
        | ChoiceEvent::Choice(_)
        | ChoiceEvent::ProxyGranted(_)
        | ChoiceEvent::ProxyEnded { .. } => None,
    }
}

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// This happened.
    Change(Change),
    /// It ended: an objection was taken back, or a restriction lifted.
    Ended,
}

impl Said {
    /// What it is for a choice of the kind.
    #[must_use]
    pub const fn of(self, kind: ChoiceKind) -> Change {
        match (self, kind) {
            (Self::Change(change), _) => change,
            (Self::Ended, ChoiceKind::Art18) => Change::Lift,
            (
                Self::Ended,
                ChoiceKind::Art21 | ChoiceKind::DirectCareObjection | ChoiceKind::Ndo,
            ) => Change::Withdraw,
        }
    }
}

/// The objections and restrictions among `events` with what became of them, in the order recorded. One about
/// something that is not there changes nothing.
#[must_use]
pub fn courses(events: &[(DecisionId, ChoiceEvent)]) -> Vec<(DecisionId, Choice, Course)> {
    let mut out: Vec<(DecisionId, Choice, Course)> = Vec::new();
    let mut places = std::collections::BTreeMap::new();
    for (id, event) in events {
        if let ChoiceEvent::Choice(choice) = event {
            places.insert(*id, out.len());
            out.push((*id, choice.clone(), Course::new(choice)));
        }
    }
    for (id, event) in events {
        let Some((of, said, at)) = change_in(event) else { continue };
        if let Some((_, choice, course)) = places.get(&of).and_then(|place| out.get_mut(*place)) {
            course.take(*id, said.of(choice.kind), at);
        }
    }
    out
}

/// Today, in the zone of the place.
#[must_use]
pub fn today(now: Timestamp, zone: &TimeZone) -> Date {
    now.to_zoned(zone.clone()).date()
}

#[cfg(test)]
#[expect(clippy::wildcard_enum_match_arm, reason = "a naive reading looks at what matters to it")]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    /// Every state with everything that could happen to it, written out.
    #[test]
    fn every_state_and_every_change() {
        use Change as C;
        use ChangeError as E;
        use State as S;
        type Row = [Result<State, ChangeError>; 7];
        let over = |state| Err(E::Over(state));
        let decided = |state| Err(E::Decided(state));
        // Uphold, Reject, Withdraw, Extend, Keep, Tell, Lift.
        let no = Err(E::NoRestriction);
        let (not, obj) = (Err(E::NotDecided), Err(E::NoObjection));
        let table: [(State, Row); 9] = [
            (
                S::Pending,
                [Ok(S::Upheld), Ok(S::Rejected), Ok(S::Withdrawn), Ok(S::Pending), no, no, no],
            ),
            (
                S::Upheld,
                [
                    decided(S::Upheld),
                    decided(S::Upheld),
                    Ok(S::Withdrawn),
                    decided(S::Upheld),
                    no,
                    no,
                    no,
                ],
            ),
            (
                S::Rejected,
                [
                    decided(S::Rejected),
                    decided(S::Rejected),
                    over(S::Rejected),
                    over(S::Rejected),
                    no,
                    no,
                    no,
                ],
            ),
            (S::Standing, [not, not, Ok(S::Withdrawn), Err(E::NoClock), no, no, no]),
            (
                S::Withdrawn,
                [
                    over(S::Withdrawn),
                    over(S::Withdrawn),
                    over(S::Withdrawn),
                    over(S::Withdrawn),
                    no,
                    no,
                    no,
                ],
            ),
            (S::Set, [not, not, obj, Ok(S::Set), Ok(S::Kept), Ok(S::Told), Err(E::NotTold)]),
            (
                S::Kept,
                [
                    not,
                    not,
                    obj,
                    decided(S::Kept),
                    Err(E::Again(S::Kept)),
                    Ok(S::Told),
                    Err(E::NotTold),
                ],
            ),
            (
                S::Told,
                [
                    not,
                    not,
                    obj,
                    decided(S::Told),
                    Ok(S::Kept),
                    Err(E::Again(S::Told)),
                    Ok(S::Lifted),
                ],
            ),
            (
                S::Lifted,
                [not, not, obj, over(S::Lifted), over(S::Lifted), over(S::Lifted), over(S::Lifted)],
            ),
        ];
        assert_eq!(table.map(|(state, _)| state), S::ALL);
        for (state, row) in table {
            for (change, wanted) in C::ALL.into_iter().zip(row) {
                assert_eq!(next(state, change), wanted, "{state:?} {change:?}");
            }
        }
    }

    const MONTH: RequestRule =
        RequestRule { answer_months: 1, extend_months: 2, acknowledge_days: None };

    fn choice(kind: ChoiceKind, on: &str) -> Choice {
        Choice {
            kind,
            on: on.parse().unwrap(),
            fields: None,
            lifted: None,
            purpose: None,
            state: ObjectionState::Pending,
        }
    }

    fn id(n: u128) -> DecisionId {
        DecisionId::from_uuid(Uuid::from_u128(n))
    }

    fn at(n: i64) -> Timestamp {
        Timestamp::from_second(n).unwrap()
    }

    #[test]
    fn the_clock_of_an_objection() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let one = choice(ChoiceKind::Art21, "2026-01-31");
        let mut course = Course::new(&one);
        assert_eq!(course.decide_by(Some(&MONTH), &one), Some(day("2026-02-28")));
        assert_eq!(course.decide_by(None, &one), None);
        let late = course.may_extend(Some(&MONTH), &one, day("2026-03-01"));
        assert_eq!(late, Err(ChangeError::TooLate));
        assert_eq!(course.may_extend(None, &one, day("2026-02-01")), Err(ChangeError::NoMoreTime));
        assert_eq!(course.may_extend(Some(&MONTH), &one, day("2026-02-28")), Ok(()));
        course.take(id(2), Change::Extend, at(1));
        assert_eq!(course.decide_by(Some(&MONTH), &one), Some(day("2026-04-30")));
        let again = course.may_extend(Some(&MONTH), &one, day("2026-02-01"));
        assert_eq!(again, Err(ChangeError::Extended));
        course.take(id(3), Change::Reject, at(2));
        assert_eq!(course.decide_by(Some(&MONTH), &one), None);
        assert_eq!((course.state, course.decided), (State::Rejected, Some(id(3))));
        let care = choice(ChoiceKind::DirectCareObjection, "2026-01-31");
        assert_eq!(Course::new(&care).decide_by(Some(&MONTH), &care), None);
    }

    #[test]
    fn a_restriction_lifted_before_telling_was_recorded_stays_lifted() {
        let one = choice(ChoiceKind::Art18, "2026-01-31");
        let mut course = Course::new(&one);
        course.take(id(2), Change::Lift, at(1));
        assert_eq!((course.state, course.ended), (State::Lifted, Some(at(1))));
    }

    /// The events of three choices, and what is said later of these and of one that is not there.
    fn events(said: &[(u128, usize)]) -> Vec<(DecisionId, ChoiceEvent)> {
        let kinds = [ChoiceKind::Art21, ChoiceKind::Art18, ChoiceKind::DirectCareObjection];
        let begun = kinds
            .into_iter()
            .zip(0_u128..)
            .map(|(kind, n)| (id(n), ChoiceEvent::Choice(choice(kind, "2026-01-31"))));
        let later = said.iter().zip(10_u128..).map(|((of, what), n)| {
            let (of, at) = (id(*of), at(i64::try_from(n).unwrap()));
            let event = match *what {
                0 => ChoiceEvent::Decided { of, state: ObjectionState::Upheld, at },
                1 => ChoiceEvent::Decided { of, state: ObjectionState::Rejected, at },
                2 => ChoiceEvent::Lifted { of, at },
                n => ChoiceEvent::Stepped { of, step: ChoiceStep::ALL[n - 3], at },
            };
            (id(n), event)
        });
        begun.chain(later).collect()
    }

    /// A second reading of one choice's events, by scanning them for what matters: no state machine.
    fn naive(
        of: DecisionId,
        kind: ChoiceKind,
        events: &[(DecisionId, ChoiceEvent)],
    ) -> (bool, &'static str) {
        let mine: Vec<&ChoiceEvent> = events
            .iter()
            .map(|(_, event)| event)
            .filter(|event| match event {
                ChoiceEvent::Decided { of: about, .. }
                | ChoiceEvent::Lifted { of: about, .. }
                | ChoiceEvent::Stepped { of: about, .. } => *about == of,
                _ => false,
            })
            .collect();
        let first = |wanted: &dyn Fn(&ChoiceEvent) -> bool| mine.iter().position(|e| wanted(e));
        let lifted = first(&|e| matches!(e, ChoiceEvent::Lifted { .. }));
        let decided = first(&|e| matches!(e, ChoiceEvent::Decided { .. }));
        let upheld = decided
            .map(|n| matches!(mine[n], ChoiceEvent::Decided { state: ObjectionState::Upheld, .. }));
        match kind {
            ChoiceKind::Art18 => {
                let steps: Vec<ChoiceStep> = mine
                    .iter()
                    .take(lifted.unwrap_or(mine.len()))
                    .filter_map(|e| match e {
                        ChoiceEvent::Stepped { step, .. } if *step != ChoiceStep::Extended => {
                            Some(*step)
                        }
                        _ => None,
                    })
                    .collect();
                match (lifted, steps.last()) {
                    (Some(_), _) => (false, "lifted"),
                    (None, Some(ChoiceStep::Told)) => (true, "told"),
                    (None, Some(_)) => (true, "kept"),
                    (None, None) => (true, "set"),
                }
            }
            ChoiceKind::Art21 => match (decided, lifted, upheld) {
                (None, None, _) => (true, "pending"),
                (None, Some(_), _) => (false, "withdrawn"),
                (Some(d), Some(l), _) if l < d => (false, "withdrawn"),
                (Some(_), Some(_), Some(true)) => (false, "withdrawn"),
                (Some(_), _, Some(true)) => (true, "upheld"),
                (Some(_), _, _) => (false, "rejected"),
            },
            _ => (lifted.is_none(), if lifted.is_some() { "withdrawn" } else { "standing" }),
        }
    }

    proptest! {
        #[test]
        fn any_order_of_events_is_read_as_a_naive_replay_reads_it(
            said in prop::collection::vec((0_u128..4, 0_usize..6), 0..24),
        ) {
            let events = events(&said);
            let courses = courses(&events);
            prop_assert_eq!(courses.len(), 3);
            for (of, choice, course) in &courses {
                let (force, word) = naive(*of, choice.kind, &events);
                prop_assert_eq!((course.state.has_force(), course.state.as_str()), (force, word));
                prop_assert_eq!(course.ended.is_some(), matches!(word, "withdrawn" | "lifted"));
            }
            // What the decision reads is the same.
            for choice in crate::consent::choices_now(&events) {
                let at = courses.iter().find(|(_, one, _)| one.kind == choice.kind).unwrap();
                prop_assert_eq!(choice.state, at.2.decision);
                prop_assert_eq!(choice.lifted, at.2.ended);
            }
        }
    }
}
