//! `words/visibility.csv`, `words/told.csv` and `words/requests.csv`: what residents see of the log, in which words,
//! and what they may ask for. A folder
//! without them is one of before, and shows residents nothing.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::words::{AsWord, Reader, Row, Words, keys};
use super::{Finding, Findings};
use crate::domain::{RequestKind, Withdrawing};
use crate::policy::book::{RequestRule, Sight, SightRule, Telling, Told, Visibility};

/// Longest delay, and longest time until a person looks again, in days.
const DAYS_MAX: u16 = 730;
/// What a sentence must name.
const PLACES: [&str; 5] = ["{holder}", "{recipient}", "{what}", "{why}", "{under}"];

pub(super) fn visibility(r: &mut Reader<'_>, w: &Words) -> Visibility {
    if !r.has("visibility") {
        return Visibility::default();
    }
    let mut rows: BTreeMap<String, SightRule> =
        r.table("visibility", &["what", "sight", "days", "because"], |row, f| {
            let sight = sight(row, f)?;
            let days = days(row, sight, f)?;
            // Why it is so is for people; it must be said.
            row.text(f);
            Some(SightRule { sight, days })
        });
    let file = "visibility";
    let purposes = some(r, file, &mut rows, ("purpose:", "words/purposes.csv"), &keys(&w.purposes));
    let overrides =
        some(r, file, &mut rows, ("override:", "words/overrides.csv"), &keys(&w.overrides));
    let categories =
        some(r, file, &mut rows, ("category:", "words/categories.csv"), &keys(&w.categories));
    let out = Visibility {
        hidden_agency: one(r, file, &mut rows, "hidden-agency"),
        do_not_tell: one(r, file, &mut rows, "do-not-tell"),
        purposes,
        overrides,
        categories,
    };
    all(r, file, "purpose:", &w.purposes, &out.purposes);
    all(r, file, "override:", &w.overrides, &out.overrides);
    all(r, file, "category:", &w.categories, &out.categories);
    none_left(r, file, &rows);
    out
}

pub(super) fn telling(r: &mut Reader<'_>, w: &Words) -> Telling {
    if !r.has("told") {
        return Telling::default();
    }
    let mut rows: BTreeMap<String, Told> = r.table("told", &["what", "en", "cy"], |row, f| {
        let told = Told { en: row.text(f), cy: row.text(f) };
        if row.id == "sentence" {
            for text in [&told.en, &told.cy] {
                for place in PLACES.iter().filter(|place| text.matches(**place).count() != 1) {
                    row.bad("E10", format!("the sentence must say {place} once."), f);
                }
            }
        }
        Some(told)
    });
    let file = "told";
    let purposes = some(r, file, &mut rows, ("purpose:", "words/purposes.csv"), &keys(&w.purposes));
    let categories =
        some(r, file, &mut rows, ("category:", "words/categories.csv"), &keys(&w.categories));
    let agencies = some(r, file, &mut rows, ("agency:", "words/agencies.csv"), &keys(&w.agencies));
    let withdrawal = withdrawing(r, &mut rows);
    let out = Telling {
        withdrawal,
        sentence: one(r, file, &mut rows, "sentence"),
        and: one(r, file, &mut rows, "list-and"),
        no_law: one(r, file, &mut rows, "no-law"),
        copy: one(r, file, &mut rows, "copy"),
        // A folder of before has none, and no objection is rejected under it.
        complaint: rows.remove("complaint-route"),
        purposes,
        categories,
        agencies,
    };
    all(r, file, "purpose:", &w.purposes, &out.purposes);
    all(r, file, "category:", &w.categories, &out.categories);
    none_left(r, file, &rows);
    out
}

/// What whoever takes a consent back is told: every line, or none in a folder of before.
fn withdrawing(
    r: &mut Reader<'_>,
    rows: &mut BTreeMap<String, Told>,
) -> BTreeMap<Withdrawing, Told> {
    const FILE: &str = "words/told.csv";
    let words: Vec<&str> = Withdrawing::ALL.iter().map(|word| word.as_str()).collect();
    let found = some(r, "told", rows, ("withdrawal:", FILE), &words);
    if !found.is_empty() {
        for missing in Withdrawing::ALL.iter().filter(|word| !found.contains_key(*word)) {
            let message = format!("the line \"withdrawal:{missing}\" is missing.");
            r.findings.add("E10", FILE, 0, message);
        }
    }
    for (word, place) in [(Withdrawing::Recorded, "{why}"), (Withdrawing::GoesOn, "{under}")] {
        let told: Option<&Told> = found.get(&word);
        if told
            .is_some_and(|told| [&told.en, &told.cy].iter().any(|t| t.matches(place).count() != 1))
        {
            let message = format!("the line \"withdrawal:{word}\" must say {place} once.");
            r.findings.add("E10", FILE, 0, message);
        }
    }
    found
}

fn sight(row: &mut Row<'_>, f: &mut Findings) -> Option<Sight> {
    let (column, cell) = row.next();
    match cell {
        "visible" => Some(Sight::Visible),
        "delayed" => Some(Sight::Delayed),
        "sealed" => Some(Sight::Sealed),
        other => {
            let message =
                format!("column {column}: \"{other}\" must be visible, delayed or sealed.");
            row.bad("E10", message, f);
            None
        }
    }
}

fn days(row: &mut Row<'_>, sight: Sight, f: &mut Findings) -> Option<u16> {
    let (column, cell) = row.next();
    if sight == Sight::Visible {
        if !cell.is_empty() {
            row.bad("E10", format!("column {column} is empty where a release is visible."), f);
        }
        return Some(0);
    }
    let days = cell.parse().ok().filter(|days| (1..=DAYS_MAX).contains(days));
    if days.is_none() {
        let message = format!("column {column}: \"{cell}\" must be days from 1 to {DAYS_MAX}.");
        row.bad("E10", message, f);
    }
    days
}

/// Takes the rows with a prefix, whose other part is a word of a list.
fn some<K: FromStr + Ord, V>(
    r: &mut Reader<'_>,
    name: &str,
    rows: &mut BTreeMap<String, V>,
    (prefix, list): (&str, &str),
    valid: &[&str],
) -> BTreeMap<K, V> {
    let named: Vec<String> = rows.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
    let mut out = BTreeMap::new();
    for key in named {
        let word = key.strip_prefix(prefix).unwrap_or_default();
        let Some(value) = rows.remove(&key) else { continue };
        match word.parse::<K>() {
            Ok(found) if valid.contains(&word) => {
                out.insert(found, value);
            }
            Ok(_) | Err(_) => {
                let near = super::nearest(word, valid.iter().copied());
                r.findings.push(Finding {
                    code: "E10",
                    file: format!("words/{name}.csv"),
                    line: 0,
                    message: format!("({key}) \"{word}\" is not in {list}."),
                    found: Some(word.to_owned()),
                    nearest: near.map(|near| format!("{prefix}{near}")),
                });
            }
        }
    }
    out
}

fn one<V>(r: &mut Reader<'_>, name: &str, rows: &mut BTreeMap<String, V>, key: &str) -> Option<V> {
    let found = rows.remove(key);
    if found.is_none() {
        let message = format!("the line \"{key}\" is missing.");
        r.findings.add("E10", &format!("words/{name}.csv"), 0, message);
    }
    found
}

fn all<K: Ord + AsWord, V, T>(
    r: &mut Reader<'_>,
    name: &str,
    prefix: &str,
    words: &BTreeMap<K, V>,
    found: &BTreeMap<K, T>,
) {
    for missing in words.keys().filter(|word| !found.contains_key(word)) {
        let message = format!("the line \"{prefix}{}\" is missing.", missing.word());
        r.findings.add("E10", &format!("words/{name}.csv"), 0, message);
    }
}

fn none_left<V>(r: &mut Reader<'_>, name: &str, rows: &BTreeMap<String, V>) {
    for key in rows.keys() {
        let message = format!("\"{key}\" is no line of this table.");
        r.findings.add("E10", &format!("words/{name}.csv"), 0, message);
    }
}

/// `words/requests.csv`: what residents may ask for, and for how long it may take.
pub(super) fn requests(r: &mut Reader<'_>) -> BTreeMap<RequestKind, RequestRule> {
    if !r.has("requests") {
        return BTreeMap::new();
    }
    let columns = ["id", "answer_months", "extend_months", "acknowledge_days", "meaning"];
    let found = r.table("requests", &columns, |row, f| {
        let answer_months = number(row, 1, f)?;
        let extend_months = number(row, 0, f)?;
        let acknowledge_days = optional(row, f)?;
        row.text(f);
        Some(RequestRule { answer_months, extend_months, acknowledge_days })
    });
    r.complete("requests", RequestKind::ALL, &found);
    found
}

fn number(row: &mut Row<'_>, least: u8, f: &mut Findings) -> Option<u8> {
    let (column, cell) = row.next();
    let number = cell.parse().ok().filter(|number| (least..=12).contains(number));
    if number.is_none() {
        row.bad(
            "E10",
            format!("column {column}: \"{cell}\" must be months from {least} to 12."),
            f,
        );
    }
    number
}

fn optional(row: &mut Row<'_>, f: &mut Findings) -> Option<Option<u8>> {
    let (column, cell) = row.next();
    if cell.is_empty() {
        return Some(None);
    }
    let days = cell.parse().ok().filter(|days| (1..=90).contains(days));
    if days.is_none() {
        row.bad("E10", format!("column {column}: \"{cell}\" must be days from 1 to 90."), f);
    }
    days.map(Some)
}
