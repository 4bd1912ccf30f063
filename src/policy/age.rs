//! Days and ages: worked out on the day of the decision, in the place's own zone.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The day on which `at` falls.
#[must_use]
pub fn day_of(at: Timestamp, zone: &TimeZone) -> Date {
    at.to_zoned(zone.clone()).date()
}

/// The day on which somebody born on `born` reaches `age`. 29 February births age on 1 March.
#[must_use]
pub fn birthday(born: Date, age: i16) -> Option<Date> {
    let year = born.year().checked_add(age)?;
    Date::new(year, born.month(), born.day()).or_else(|_| Date::new(year, 3, 1)).ok()
}

/// True when somebody born on `born` is at least `age` on `day`; unknown birth fails.
#[must_use]
pub fn is_at_least(born: Option<Date>, age: i16, day: Date) -> bool {
    born.and_then(|born| birthday(born, age)).is_some_and(|birthday| day >= birthday)
}

/// True when somebody born on `born` is under `age` on `day`; unknown birth fails.
#[must_use]
pub fn is_under(born: Option<Date>, age: i16, day: Date) -> bool {
    born.and_then(|born| birthday(born, age)).is_some_and(|birthday| day < birthday)
}

/// The last moment of `day` that is still `day`, in whole seconds.
#[must_use]
pub fn end_of(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    let next = day.tomorrow().ok()?.to_zoned(zone.clone()).ok()?;
    next.timestamp().checked_sub(jiff::SignedDuration::from_secs(1)).ok()
}
