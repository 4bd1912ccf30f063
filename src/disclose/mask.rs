//! Withheld values are read out of no other value. Pure.
//!
//! What is looked for: each withheld value whole; its parts between commas, lines, brackets and strokes; a
//! street without its number; a telephone number under any prefix. Letters and digits only are compared,
//! without case and accents: spelling and signs hide nothing. A value that names nobody and no place, such
//! as "no" or "unknown", is not looked for: a word taken out of every sentence would hide what is meant to
//! be read.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use icu_normalizer::DecomposingNormalizerBorrowed;
use regex::{Captures, Regex};

use crate::domain::FieldValue;

/// What stands in place of what was taken out.
pub const GAP: &str = "[withheld]";
/// Shortest part of a withheld value that is looked for by itself, in letters and digits.
const PART_MIN: usize = 4;
/// From this length on a value is found inside longer words too.
const LONG: usize = 8;
/// Fewer digits alone are a count or a house number.
const DIGITS_MIN: usize = 5;
/// Digits of a telephone number without its prefix.
const TELEPHONE: std::ops::RangeInclusive<usize> = 9..=11;
/// Values of a form that name nobody and no place, in letters and digits.
const EMPTY: [&str; 22] = [
    "no",
    "none",
    "yes",
    "nil",
    "na",
    "unknown",
    "notknown",
    "notrecorded",
    "notstated",
    "notapplicable",
    "unk",
    "other",
    "self",
    "current",
    "onfile",
    "true",
    "false",
    "male",
    "female",
    "refused",
    "confirmed",
    "withheld",
];

/// Withheld values that must not be read out of others. They go no further than here: no `Debug`, no way
/// out.
#[derive(Default)]
pub struct Needles {
    /// Letters and digits only; found wherever they stand.
    anywhere: BTreeSet<String>,
    /// The same, found where they stand alone.
    alone: BTreeSet<String>,
}

impl Needles {
    /// Looks for `values`.
    #[must_use]
    pub fn of<'v>(values: impl IntoIterator<Item = &'v FieldValue>) -> Self {
        let mut needles = Self::default();
        for value in values {
            needles.add(value.expose());
        }
        needles
    }

    fn add(&mut self, text: &str) {
        self.put(folded(text), 1);
        for part in text.split([',', ';', '\n', '(', ')', '[', ']', '/', '|']) {
            self.put(folded(part), PART_MIN);
            // A street without its number.
            let street = part.trim_start_matches(|c: char| !c.is_alphabetic());
            let words = street.split_whitespace().count();
            if street.len() < part.trim_start().len() && words >= 2 {
                self.put(folded(street), PART_MIN);
            }
        }
        if let Some(number) = telephone(text) {
            self.anywhere.insert(number);
        }
    }

    fn put(&mut self, needle: String, least: usize) {
        let len = needle.chars().count();
        let digits = needle.chars().all(|c| c.is_ascii_digit());
        let least = if digits { DIGITS_MIN } else { least.max(3) };
        if len < least || EMPTY.contains(&needle.as_str()) {
            return;
        }
        if len >= LONG {
            self.anywhere.insert(needle);
        } else {
            self.alone.insert(needle);
        }
    }

    /// Nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.anywhere.is_empty() && self.alone.is_empty()
    }
}

/// The digits of a telephone number without the prefix of a country or of a call inside it; `None` for
/// what is none.
fn telephone(text: &str) -> Option<String> {
    let written =
        |c: char| c.is_ascii_digit() || c.is_whitespace() || "+().-/\u{2010}\u{2011}".contains(c);
    if !text.trim().chars().all(written) {
        return None;
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let national = match digits.strip_prefix("00") {
        Some(abroad) => abroad.get(2..)?,
        None if text.trim_start().starts_with('+') => digits.get(2..)?,
        None => digits.strip_prefix('0')?,
    };
    let national = national.strip_prefix('0').unwrap_or(national);
    TELEPHONE.contains(&national.len()).then(|| national.to_owned())
}

/// A letter or digit without case and accents; several where one stands for several.
fn fold(c: char) -> impl Iterator<Item = char> {
    let parts = DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(std::iter::once(c));
    parts.filter(|part| part.is_alphanumeric()).flat_map(char::to_lowercase)
}

fn folded(text: &str) -> String {
    text.chars().flat_map(fold).collect()
}

/// The value without what the needles say, and whether something was taken out; `None` where nothing is
/// left.
#[must_use]
pub fn masked(value: &FieldValue, needles: &Needles, places: bool) -> (Option<FieldValue>, bool) {
    let mut text = without(value.expose(), needles);
    if places {
        for pattern in PLACES.iter() {
            let gap = |found: &Captures<'_>| match found.name("ordinal") {
                // "2 1st" is no postcode.
                Some(ordinal) if is_ordinal(ordinal.as_str()) => {
                    found.get(0).map_or("", |all| all.as_str()).to_owned()
                }
                Some(_) | None => GAP.to_owned(),
            };
            text = pattern.replace_all(&text, gap).into_owned();
        }
    }
    let changed = text != value.expose();
    let left = text.replace(GAP, "");
    let left = if left.chars().any(char::is_alphanumeric) { FieldValue::new(text) } else { None };
    (left, changed)
}

fn is_ordinal(letters: &str) -> bool {
    ["st", "nd", "rd", "th"].contains(&letters)
}

/// Postcodes, telephone numbers and e-mail addresses, as they are written in the United Kingdom. A
/// pattern that did not compile would be found by the first test.
static PLACES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // No postcode ends in two letters of which one is C, I, K, M, O or V (BS 7666): "B12 5mg" is a
        // dose.
        r"(?i)\b[A-Z]{1,2}[0-9][A-Z0-9]?[\s\u{a0}]*[0-9](?P<ordinal>[ABD-HJLNP-UW-Z]{2})\b",
        // With a leading nought or a country's code: ten digits alone are an NHS number.
        r"(?:\+[1-9]|\b00|\(?\b0)(?:[\s\u{a0}().\-/]{0,3}[0-9]){8,13}\b",
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
        .flat_map(|(at, c)| fold(c).map(move |low| (low, at, at + c.len_utf8())))
        .collect();
    let mut found: Vec<(usize, usize)> = Vec::new();
    let anywhere = needles.anywhere.iter().map(|needle| (needle, false));
    for (needle, alone) in anywhere.chain(needles.alone.iter().map(|needle| (needle, true))) {
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

/// No letter or digit stands right before or behind; an accent of its own belongs to its letter.
fn stands_alone(text: &str, from: usize, to: usize) -> bool {
    let bound = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    let behind =
        text.get(to..).map(|t| t.trim_start_matches(|c| fold(c).next().is_none() && !c.is_ascii()));
    bound(text.get(..from).and_then(|t| t.chars().next_back()))
        && bound(behind.and_then(|t| t.chars().next()))
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

    fn check(withheld: &[&str], places: bool, table: &[(&str, &str)]) {
        for (text, left) in table {
            assert_eq!(said(text, withheld, places), left.replace('#', GAP), "{text}");
        }
    }

    #[test]
    fn where_somebody_lives_is_read_out_of_nothing() {
        let home = &["1 Foundry Lane, Northfield, NF1 2AB", "01632 960001"];
        check(
            home,
            false,
            &[
                ("Visit at 1 Foundry Lane tomorrow", "Visit at # tomorrow"),
                ("Visit at 1, foundry-lane tomorrow", "Visit at # tomorrow"),
                ("Seen in FOUNDRY LANE", "Seen in #"),
                ("Post to nf12ab please", "Post to # please"),
                ("Lives in Northfield near the park", "Lives in # near the park"),
                ("1 Foundry Lane, Northfield, NF1 2AB", ""),
                ("No foundry here", "No foundry here"),
                ("Ring 01632960001 first", "Ring # first"),
                ("Ring 01632.960.001 first", "Ring # first"),
                ("Ring 01632\u{a0}960\u{a0}001 first", "Ring # first"),
                ("Ring (01632) 960-001 first", "Ring (# first"),
                ("Ring 0044 1632 960001 first", "Ring 0044 # first"),
                ("Ring +44 (0)1632 960001", "Ring +44 (#"),
            ],
        );
        for written in ["+44 1632 960001", "0044 1632 960001", "+44 (0)1632 960 001"] {
            check(&[written], false, &[("Ring 01632 960001 now", "Ring 0# now")]);
        }
        check(&["+353 1 555 0123"], false, &[("Ring 00353 15550123", "Ring 00#")]);
    }

    #[test]
    fn who_somebody_is_is_read_out_of_nothing() {
        let others = &["Ann Other (mother)", "Zo\u{eb} Baker", "Bo Li", "Ann"];
        check(
            others,
            false,
            &[
                ("Told by Ann Other today", "Told by # today"),
                ("Told by Zoe\u{308} Baker today", "Told by # today"),
                ("Told by ZOE BAKER today", "Told by # today"),
                ("Rang Bo Li.", "Rang #."),
                ("Rang Ann.", "Rang #."),
                ("The annual review", "The annual review"),
                ("A bolide fell", "A bolide fell"),
            ],
        );
        check(&["Ann", "Ann-Marie Baker"], false, &[("Rang Ann-Marie Baker, Ann", "Rang #, #")]);
    }

    #[test]
    fn what_names_nobody_takes_no_word_away() {
        let text = "No allergies known, none unknown: yes, 12 of 7, 1980";
        check(
            &["no", "None", "Unknown", "yes", "12", "7", "1980", "n/a", "known?"],
            false,
            &[(text, "No allergies #, none unknown: yes, 12 of 7, 1980")],
        );
    }

    #[test]
    fn what_else_locates_goes_by_its_shape() {
        check(
            &["zz"],
            true,
            &[
                ("Now at SW1A 1AA with an aunt", "Now at # with an aunt"),
                ("Now at sw1a1aa with an aunt", "Now at # with an aunt"),
                ("New number +44 7700 900123 since May", "New number # since May"),
                ("New number 0044.7700.900123", "New number #"),
                ("New number 07700\u{a0}900123", "New number #"),
                ("New number +353 86 555 0123", "New number #"),
                ("Write to a.b@example.org please", "Write to # please"),
                ("Takes 20 mg at 8", "Takes 20 mg at 8"),
                ("B12 5mg, NHS 943 476 5919", "B12 5mg, NHS 943 476 5919"),
                ("On ward t2 1st of May", "On ward t2 1st of May"),
            ],
        );
    }

    #[test]
    fn a_long_text_ends() {
        let long = "abcdefgh ".repeat(300);
        assert_eq!(said(&format!("{long}end"), &["abcdefgh"], false).matches("abc").count(), 0);
    }

    proptest! {
        #[test]
        fn no_withheld_value_stands_in_what_is_left(
            text in "[a-c1-2 ,.é-]{1,60}",
            withheld in prop::collection::vec("[a-c1-2 ,.é]{2,14}", 1..4),
        ) {
            prop_assume!(!text.trim().is_empty());
            let all: Vec<&str> = withheld.iter().map(String::as_str).collect();
            let left = said(&text, &all, false);
            for piece in left.split(GAP) {
                for one in &all {
                    let one = folded(one);
                    let sought = one.chars().count() >= LONG;
                    prop_assert!(!sought || !folded(piece).contains(&one), "{one} in {left}");
                }
                let words = piece.split(|c: char| !c.is_alphanumeric());
                for word in words.map(folded).filter(|w| (3..LONG).contains(&w.chars().count())) {
                    let letters = word.chars().any(|c| !c.is_ascii_digit());
                    let sought = letters && all.iter().any(|one| folded(one) == word);
                    // Cut out of a longer word it stands for nothing.
                    prop_assert!(!sought || piece.len() < left.len(), "{word} in {left}");
                }
            }
        }
    }
}
