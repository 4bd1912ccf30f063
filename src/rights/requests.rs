//! What a resident asks of an agency, and by when it has to be answered. Pure. The figures are the policy's
//! (`words/requests.csv`); UK GDPR Art 12(3) and 12A give one month, two more where a request is complex, and
//! stop the clock while the resident has to clarify; a complaint is acknowledged within 30 days.

use jiff::civil::Date;
use jiff::{Span, Timestamp, tz::TimeZone};

use crate::policy::book::RequestRule;

/// What became of a request, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It was said that it has arrived.
    Acknowledged,
    /// The resident has to clarify something, or to prove who they are.
    Paused,
    /// They did.
    Resumed,
    /// It is complex, and takes longer.
    Extended,
    /// It is answered, or refused with reasons.
    Answered,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Acknowledged, Self::Paused, Self::Resumed, Self::Extended, Self::Answered];

    /// The word in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Extended => "extended",
            Self::Answered => "answered",
        }
    }
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// It was said that it has arrived.
    pub acknowledged: bool,
    /// The clock stands still since then.
    pub paused: bool,
    /// It has more time.
    pub extended: bool,
    /// It is answered.
    pub answered: bool,
    /// The last day on which to say that it has arrived; `None`: said, or not needed.
    pub acknowledge_by: Option<Date>,
    /// The last day on which to answer. While the clock stands still: as if it went on today.
    pub answer_by: Date,
    /// A last day is past.
    pub overdue: bool,
}

/// Why a step cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// Nothing follows an answer.
    #[error("the request is answered")]
    Answered,
    /// It was made already.
    #[error("that was said already")]
    Again,
    /// There is nothing to resume.
    #[error("the clock does not stand still")]
    NotPaused,
    /// Requests of the kind take no longer.
    #[error("requests of this kind cannot be extended")]
    NoExtension,
    /// The last day is past: it has to be said before.
    #[error("the last day to answer is past")]
    TooLate,
}

/// Where a request stands at `now`. A month later is the same day of the next month, or its last where
/// there is no such day.
#[must_use]
pub fn standing(
    rule: &RequestRule,
    filed: Timestamp,
    steps: &[(Timestamp, Step)],
    zone: &TimeZone,
    now: Timestamp,
) -> Standing {
    let day = |at: Timestamp| at.to_zoned(zone.clone()).date();
    let has = |step: Step| steps.iter().any(|(_, found)| *found == step);
    let (mut stood, mut since) = (0_i64, None);
    for (at, step) in steps {
        match step {
            Step::Paused => since = since.or(Some(day(*at))),
            Step::Resumed => stood += since.take().map_or(0, |from| days(from, day(*at))),
            Step::Acknowledged | Step::Extended | Step::Answered => {}
        }
    }
    let (paused, answered, extended) =
        (since.is_some() && !has(Step::Answered), has(Step::Answered), has(Step::Extended));
    if let Some(from) = since {
        stood += days(from, day(now));
    }
    let months = rule.answer_months + if extended { rule.extend_months } else { 0 };
    let answer_by = later(day(filed), Span::new().months(i64::from(months)));
    let answer_by = later(answer_by, Span::new().days(stood));
    let acknowledged = has(Step::Acknowledged) || answered;
    let acknowledge_by = rule
        .acknowledge_days
        .filter(|_| !acknowledged)
        .map(|within| later(day(filed), Span::new().days(i64::from(within))));
    let today = day(now);
    let late = !answered && !paused && today > answer_by;
    let overdue = late || acknowledge_by.is_some_and(|by| today > by);
    Standing { acknowledged, paused, extended, answered, acknowledge_by, answer_by, overdue }
}

/// Whether a step can be made now.
///
/// # Errors
/// Why not.
pub fn may(rule: &RequestRule, now: &Standing, today: Date, step: Step) -> Result<(), StepError> {
    if now.answered {
        return Err(StepError::Answered);
    }
    match step {
        Step::Acknowledged if now.acknowledged => Err(StepError::Again),
        Step::Paused if now.paused => Err(StepError::Again),
        Step::Resumed if !now.paused => Err(StepError::NotPaused),
        Step::Extended if now.extended => Err(StepError::Again),
        Step::Extended if rule.extend_months == 0 => Err(StepError::NoExtension),
        // Art 12(3): the resident is told within the first month.
        Step::Extended | Step::Paused if today > now.answer_by => Err(StepError::TooLate),
        Step::Acknowledged | Step::Paused | Step::Resumed | Step::Extended | Step::Answered => {
            Ok(())
        }
    }
}

fn days(from: Date, to: Date) -> i64 {
    i64::from(to.since(from).map_or(0, |span| span.get_days())).max(0)
}

fn later(day: Date, by: Span) -> Date {
    day.checked_add(by).unwrap_or(Date::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ACCESS: RequestRule =
        RequestRule { answer_months: 1, extend_months: 2, acknowledge_days: None };
    const COMPLAINT: RequestRule =
        RequestRule { answer_months: 3, extend_months: 0, acknowledge_days: Some(30) };

    fn at(day: &str) -> Timestamp {
        format!("{day}T12:00:00Z").parse().unwrap()
    }

    fn now(rule: &RequestRule, filed: &str, steps: &[(&str, Step)], now: &str) -> Standing {
        let steps: Vec<_> = steps.iter().map(|(day, step)| (at(day), *step)).collect();
        standing(rule, at(filed), &steps, &TimeZone::UTC, at(now))
    }

    #[test]
    fn a_month_is_a_calendar_month() {
        for (filed, by) in [
            ("2026-01-15", "2026-02-15"),
            ("2026-01-31", "2026-02-28"),
            ("2028-01-31", "2028-02-29"),
            ("2026-03-31", "2026-04-30"),
            ("2026-12-31", "2027-01-31"),
        ] {
            let found = now(&ACCESS, filed, &[], filed).answer_by;
            assert_eq!(found, by.parse().unwrap(), "{filed}");
        }
    }

    #[test]
    fn late_is_after_the_last_day() {
        assert!(!now(&ACCESS, "2026-01-15", &[], "2026-02-15").overdue);
        assert!(now(&ACCESS, "2026-01-15", &[], "2026-02-16").overdue);
        let done = [("2026-02-14", Step::Answered)];
        assert!(!now(&ACCESS, "2026-01-15", &done, "2026-09-01").overdue);
    }

    #[test]
    fn a_pause_gives_its_days_back() {
        let pause = [("2026-01-20", Step::Paused), ("2026-01-30", Step::Resumed)];
        let found = now(&ACCESS, "2026-01-15", &pause, "2026-02-01");
        assert_eq!(found.answer_by, "2026-02-25".parse().unwrap());
        assert!(!found.paused);
        let still = now(&ACCESS, "2026-01-15", &pause[..1], "2026-06-20");
        assert!(still.paused && !still.overdue);
    }

    #[test]
    fn more_time_is_two_months_and_said_in_the_first() {
        let longer = [("2026-02-10", Step::Extended)];
        let found = now(&ACCESS, "2026-01-31", &longer, "2026-02-11");
        assert_eq!(found.answer_by, "2026-04-30".parse().unwrap());
        let late = now(&ACCESS, "2026-01-15", &[], "2026-02-16");
        let today = "2026-02-16".parse().unwrap();
        assert_eq!(may(&ACCESS, &late, today, Step::Extended), Err(StepError::TooLate));
        assert_eq!(may(&ACCESS, &late, today, Step::Answered), Ok(()));
        let early = now(&COMPLAINT, "2026-01-15", &[], "2026-01-16");
        let today = "2026-01-16".parse().unwrap();
        assert_eq!(may(&COMPLAINT, &early, today, Step::Extended), Err(StepError::NoExtension));
        assert_eq!(may(&COMPLAINT, &early, today, Step::Resumed), Err(StepError::NotPaused));
    }

    #[test]
    fn a_complaint_is_acknowledged_within_thirty_days() {
        let open = now(&COMPLAINT, "2026-01-01", &[], "2026-01-31");
        assert_eq!(open.acknowledge_by, Some("2026-01-31".parse().unwrap()));
        assert!(!open.overdue);
        assert!(now(&COMPLAINT, "2026-01-01", &[], "2026-02-01").overdue);
        let said = [("2026-01-05", Step::Acknowledged)];
        assert!(!now(&COMPLAINT, "2026-01-01", &said, "2026-02-01").overdue);
    }

    proptest! {
        /// Nothing that happens to a request makes it due earlier, and nothing follows an answer.
        #[test]
        fn steps_only_give_time(
            filed in 0_i64..3_000,
            steps in prop::collection::vec((0_i64..200, 0_usize..5), 0..8),
        ) {
            let start = at("2020-01-01") + jiff::SignedDuration::from_hours(filed * 24);
            let mut steps: Vec<(Timestamp, Step)> = steps
                .into_iter()
                .map(|(day, n)| (start + jiff::SignedDuration::from_hours(day * 24), Step::ALL[n]))
                .collect();
            steps.sort_by_key(|(at, _)| *at);
            let end = start + jiff::SignedDuration::from_hours(24 * 365);
            let plain = standing(&ACCESS, start, &[], &TimeZone::UTC, end);
            let found = standing(&ACCESS, start, &steps, &TimeZone::UTC, end);
            prop_assert!(found.answer_by >= plain.answer_by);
            if found.answered {
                let today = found.answer_by;
                for step in Step::ALL {
                    prop_assert_eq!(may(&ACCESS, &found, today, step), Err(StepError::Answered));
                }
            }
        }
    }
}
