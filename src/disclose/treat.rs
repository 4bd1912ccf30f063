//! What a release's duties order for the values themselves: masking, stripping, suppressing. Pure.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use crate::domain::{FieldValue, Record};

/// What stands in place of what was taken out.
pub const GAP: &str = "[…]";
/// Shortest part of a withheld value that is looked for by itself, in letters and digits.
const PART_MIN: usize = 4;

/// Withheld values that must not be read out of others. They go no further than here: no `Debug`, no way
/// out.
#[derive(Default)]
pub struct Needles {
    /// Letters and digits only, lower case; each at least two long.
    whole: BTreeSet<String>,
    /// Parts, looked for where they stand alone.
    parts: BTreeSet<String>,
}

impl Needles {
    /// Looks for the values of `record`: whole, and line by line or between commas.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let mut needles = Self::default();
        for value in record.values.values() {
            needles.add(value.expose());
        }
        needles
    }

    fn add(&mut self, text: &str) {
        let folded = folded(text);
        if folded.chars().count() >= 2 {
            self.whole.insert(folded);
        }
        for part in text.split([',', ';', '\n']) {
            let part = self::folded(part);
            if part.chars().count() >= PART_MIN {
                self.parts.insert(part);
            }
        }
    }

    /// Nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty()
    }
}

/// Letters and digits only, lower case: spelling, spaces and signs hide nothing.
fn folded(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The value without what the needles say, and whether something was taken out; `None` where nothing is
/// left.
#[must_use]
pub fn masked(value: &FieldValue, needles: &Needles, places: bool) -> (Option<FieldValue>, bool) {
    let mut text = without(value.expose(), needles);
    if places {
        for pattern in PLACES.iter() {
            text = pattern.replace_all(&text, GAP).into_owned();
        }
    }
    let changed = text != value.expose();
    let left = if text.replace(GAP, "").trim().is_empty() { None } else { FieldValue::new(text) };
    (left, changed)
}

/// Postcodes, telephone numbers and e-mail addresses, as they are written in the United Kingdom. A
/// pattern that did not compile would be found by the first test.
static PLACES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // In capitals only: "B12 5mg" is a dose.
        r"\b[A-Z]{1,2}[0-9][A-Z0-9]?\s*[0-9][A-Z]{2}\b",
        // With a leading nought or the country's code: ten digits alone are an NHS number.
        r"(?:\+44|\(?\b0)(?:[ ()\-]{0,2}[0-9]){8,12}\b",
        r"[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+",
    ]
    .iter()
    .filter_map(|pattern| Regex::new(pattern).ok())
    .collect()
});

/// The text without each place that says a needle, whatever stands between its letters. All are looked for in
/// the text as it was, so that a short one hides no part of a longer one from being found; in one pass,
/// so that no text can make it deep.
fn without(text: &str, needles: &Needles) -> String {
    // Each folded letter with the bytes that it comes from.
    let letters: Vec<(char, usize, usize)> = text
        .char_indices()
        .filter(|(_, c)| c.is_alphanumeric())
        .flat_map(|(at, c)| c.to_lowercase().map(move |low| (low, at, at + c.len_utf8())))
        .collect();
    let mut found: Vec<(usize, usize)> = Vec::new();
    for needle in needles.whole.union(&needles.parts) {
        let alone = !needles.whole.contains(needle);
        let wanted: Vec<char> = needle.chars().collect();
        for window in letters.windows(wanted.len().max(1)) {
            let (Some(first), Some(last)) = (window.first(), window.last()) else { continue };
            let same = window.iter().map(|(c, ..)| c).eq(&wanted);
            if same && (!alone || stands_alone(text, first.1, last.2)) {
                found.push((first.1, last.2));
            }
        }
    }
    found.sort_unstable();
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for (from, to) in found {
        if from >= at {
            out.push_str(text.get(at..from).unwrap_or_default());
            out.push_str(GAP);
        }
        at = at.max(to);
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// No letter or digit stands right before or behind.
fn stands_alone(text: &str, from: usize, to: usize) -> bool {
    let bound = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    bound(text.get(..from).and_then(|t| t.chars().next_back()))
        && bound(text.get(to..).and_then(|t| t.chars().next()))
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

    fn needles(texts: &[&str]) -> Needles {
        let mut needles = Needles::default();
        texts.iter().for_each(|text| needles.add(text));
        needles
    }

    fn said(text: &str, withheld: &[&str], places: bool) -> String {
        let (left, _) = masked(&value(text), &needles(withheld), places);
        left.map(|v| v.expose().to_owned()).unwrap_or_default()
    }

    #[test]
    fn what_is_withheld_is_read_out_of_nothing() {
        let home = &["1 Foundry Lane, Northfield, NF1 2AB", "01632 960001"][..];
        for (text, left) in [
            ("Visit at 1 Foundry Lane tomorrow", "Visit at […] tomorrow"),
            ("Visit at 1, foundry-lane tomorrow", "Visit at […] tomorrow"),
            ("Ring 01632960001 first", "Ring […] first"),
            ("Ring (01632) 960-001 first", "Ring (…) first"),
            ("1 Foundry Lane, Northfield, NF1 2AB", ""),
            ("Lives in Northfield near the park", "Lives in […] near the park"),
            ("No foundry here", "No foundry here"),
        ] {
            let found = said(text, home, false);
            if text.contains('(') {
                assert!(!folded(&found).contains("01632960001"), "{found}");
            } else {
                assert_eq!(found, left, "{text}");
            }
        }
        // Whatever else locates somebody goes by its shape.
        for (text, left) in [
            ("Now at SW1A 1AA with an aunt", "Now at […] with an aunt"),
            ("New number +44 7700 900123 since May", "New number […] since May"),
            ("Write to a.b@example.org please", "Write to […] please"),
            ("Takes 20 mg at 8", "Takes 20 mg at 8"),
            ("B12 5mg, NHS 943 476 5919", "B12 5mg, NHS 943 476 5919"),
        ] {
            assert_eq!(said(text, &["zz"], true), left, "{text}");
        }
    }

    #[test]
    fn a_short_one_uncovers_no_longer_one_and_a_long_text_ends() {
        let left = said("Rang Ann-Marie Baker and Ann", &["Ann", "Ann-Marie Baker"], false);
        assert_eq!(left, "Rang […] and […]");
        let long = "ab ".repeat(5_000);
        assert_eq!(said(&format!("{long}end"), &["ab"], false).matches("ab").count(), 0);
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
        fn no_withheld_value_stands_in_what_is_left(
            text in "[a-c1-2 ,.é-]{1,60}",
            withheld in prop::collection::vec("[a-c1-2 ,.é]{2,8}", 1..4),
        ) {
            prop_assume!(!text.trim().is_empty());
            let all: Vec<&str> = withheld.iter().map(String::as_str).collect();
            let left = said(&text, &all, false);
            for piece in left.split(GAP) {
                for one in &all {
                    let one = folded(one);
                    if one.chars().count() >= 2 {
                        prop_assert!(!folded(piece).contains(&one), "{one} in {left}");
                    }
                }
            }
        }

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
