//! Tables of counts: what an aggregate must look like, and small numbers suppressed in it. Pure.

use std::collections::BTreeSet;

use crate::domain::FieldValue;

/// What a table of counts must look like, for people.
pub const SHAPE: &str = "must be name=count between semicolons, such as `Abbey=12; Castle=30`";

/// True when `value` is a table of counts, so that small ones in it can be suppressed.
#[must_use]
pub fn is_table(value: &FieldValue) -> bool {
    counts(value.expose()).is_some()
}

/// Counts, as an aggregate is published: `name=number` between semicolons, names different, one of them
/// `total` or none.
fn counts(text: &str) -> Option<Vec<(&str, u64)>> {
    let mut names = BTreeSet::new();
    let counts: Option<Vec<_>> = text
        .split(';')
        .map(|cell| {
            let (name, number) = cell.trim().split_once('=')?;
            let (name, number) = (name.trim(), number.trim());
            let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            (digits && !name.is_empty() && names.insert(name)).then_some(())?;
            Some((name, number.parse().ok()?))
        })
        .collect();
    counts.filter(|counts| !counts.is_empty())
}

/// The value with counts from 1 to below `least` suppressed, and whether some were. Totals go with
/// them: a hidden cell could be worked out from one. `None`: the value is no table of counts,
/// and is withheld.
#[must_use]
pub fn suppressed(value: &FieldValue, least: u64) -> Option<(FieldValue, bool)> {
    let counts = counts(value.expose())?;
    let is_total = |name: &str| name.eq_ignore_ascii_case("total");
    let small = |count: u64| (1..least).contains(&count);
    let mut hidden: BTreeSet<&str> =
        counts.iter().filter(|(_, count)| small(*count)).map(|(name, _)| *name).collect();
    // Beside a total the hidden cells could be worked out: it goes too, whatever it is called.
    let all: u64 = counts.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count));
    if !hidden.is_empty() {
        let sums = counts.iter().filter(|(name, count)| is_total(name) || *count == all - count);
        hidden.extend(sums.map(|(name, _)| *name));
    }
    let text: Vec<String> = counts
        .iter()
        .map(|(name, count)| match (hidden.contains(name), small(*count)) {
            (true, true) => format!("{name}=<{least}"),
            (true, false) => format!("{name}=suppressed"),
            (false, _) => format!("{name}={count}"),
        })
        .collect();
    Some((FieldValue::new(text.join("; "))?, !hidden.is_empty()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> FieldValue {
        FieldValue::new(text.to_owned()).unwrap()
    }

    #[test]
    fn small_numbers_are_suppressed_and_cannot_be_worked_out() {
        for (text, left) in [
            ("Abbey=12; Castle=30", Some("Abbey=12; Castle=30")),
            ("Abbey=3; Castle=30", Some("Abbey=<5; Castle=30")),
            ("Abbey=0; Castle=4", Some("Abbey=0; Castle=<5")),
            ("Abbey=3; Castle=30; total=33", Some("Abbey=<5; Castle=30; total=suppressed")),
            ("A=1; B=1; C=9; total=11", Some("A=<5; B=<5; C=9; total=suppressed")),
            ("A=1; B=30; All wards=31", Some("A=<5; B=30; All wards=suppressed")),
            ("Abbey=3; Castle=0; total=3", Some("Abbey=<5; Castle=0; total=<5")),
            ("Abbey=7; Castle=0; total=7", Some("Abbey=7; Castle=0; total=7")),
            ("about 12", None),
            ("Abbey=1.5", None),
            ("Abbey=-3", None),
            ("Abbey=3; Abbey=30", None),
            ("Abbey=", None),
            ("=3", None),
        ] {
            let found = suppressed(&value(text), 5).map(|(v, _)| v.expose().to_owned());
            assert_eq!(found.as_deref(), left, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_small_number_is_told(counts in prop::collection::vec(0u64..12, 1..6), total: bool) {
            let mut text: Vec<String> =
                counts.iter().enumerate().map(|(n, c)| format!("w{n}={c}")).collect();
            if total {
                text.push(format!("total={}", counts.iter().sum::<u64>()));
            }
            let (left, _) = suppressed(&value(&text.join(";")), 5).unwrap();
            let told: Vec<(&str, &str)> =
                left.expose().split("; ").map(|cell| cell.split_once('=').unwrap()).collect();
            for (name, count) in &told {
                let count: Option<u64> = count.parse().ok();
                prop_assert!(count.is_none_or(|c| c == 0 || c >= 5), "{name} in {}", left.expose());
            }
            // With the total told, nothing is hidden.
            let hidden = told.iter().filter(|(n, c)| *n != "total" && c.parse::<u64>().is_err());
            let total_told = told.iter().any(|(n, c)| *n == "total" && c.parse::<u64>().is_ok());
            prop_assert!(!total_told || hidden.count() == 0, "{}", left.expose());
        }
    }
}
