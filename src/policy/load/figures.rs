//! `place.toml` and `conditions.toml`: the place, the figures, the sentences.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::engine::TERMS;
use super::read::{Texts, line_of};
use super::words::{Words, keys};
use super::{Finding, Findings, nearest};
use crate::domain::{BasisId, PurposeId};
use crate::policy::book::{Figures, Place, TermText};

/// A TOML file, every key of which is known.
pub(super) fn toml<T: DeserializeOwned>(
    file: &str,
    texts: &Texts,
    findings: &mut Findings,
) -> Option<T> {
    let Some(text) = texts.get(file) else {
        findings.add("E00", file, 0, "the file is missing. Nothing works without it.".to_owned());
        return None;
    };
    match toml::from_str(text) {
        Ok(value) => Some(value),
        Err(error) => {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            findings.add("E03", file, line, format!("{}.", error.message()));
            None
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceFile {
    name: String,
    zone: String,
    sample_clock: Option<String>,
}

pub(super) fn place(texts: &Texts, findings: &mut Findings) -> Option<Place> {
    let file: PlaceFile = toml("place.toml", texts, findings)?;
    let mut bad = |message: String| findings.add("E10", "place.toml", 0, message);
    let zone = TimeZone::get(&file.zone).ok();
    if zone.is_none() {
        bad(format!("zone \"{}\" is not known. Write it like \"Europe/London\".", file.zone));
    }
    let clock: Option<Result<Timestamp, _>> = file.sample_clock.map(|text| text.parse());
    let sample_clock = match clock {
        None => None,
        Some(Ok(at)) => Some(at),
        Some(Err(_)) => {
            bad("sample_clock must be a time like 2026-07-15T10:00:00+01:00.".to_owned());
            None
        }
    };
    Some(Place { name: file.name, zone: zone?, sample_clock })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionsFile {
    figures: FiguresFile,
    term: Vec<TermFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FiguresFile {
    adult_age: i16,
    own_voice_age: i16,
    parent_confidential_until_age: i16,
    digital_consent_age: i16,
    reconfirm_ages: Vec<i16>,
    reason_words_min: usize,
    ndo_hours: i64,
    factors_min: u32,
    small_number_least: u64,
    small_group: u32,
    window_group: u32,
    window_minutes: u32,
    apd_conditions: Vec<String>,
    #[serde(default)]
    objection_bases: Vec<String>,
    onward_purposes: Vec<String>,
    attorney_pf_groups: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TermFile {
    name: String,
    sentence: String,
    fixer: String,
}

const FILE: &str = "conditions.toml";

pub(super) fn conditions(
    texts: &Texts,
    words: &Words,
    findings: &mut Findings,
) -> (Option<Figures>, BTreeMap<String, TermText>) {
    let Some(file) = toml::<ConditionsFile>(FILE, texts, findings) else {
        return (None, BTreeMap::new());
    };
    let f = file.figures;
    let mut within = |key: &str, found: i64, least: i64, most: i64| {
        if !(least..=most).contains(&found) {
            let message = format!("{key} = {found} must be from {least} to {most}.");
            findings.add("E10", FILE, line_of(texts, FILE, key), message);
        }
    };
    let least = i64::try_from(f.small_number_least).unwrap_or(i64::MAX);
    within("small_number_least", least, 2, 1_000);
    within("adult_age", f.adult_age.into(), 0, 130);
    within("own_voice_age", f.own_voice_age.into(), 0, 130);
    within("parent_confidential_until_age", f.parent_confidential_until_age.into(), 0, 130);
    within("digital_consent_age", f.digital_consent_age.into(), 0, 130);
    for age in &f.reconfirm_ages {
        within("reconfirm_ages", i64::from(*age), 0, 130);
    }
    within("ndo_hours", f.ndo_hours, 0, 8_784);
    within("small_group", f.small_group.into(), 1, u32::MAX.into());
    within("window_minutes", f.window_minutes.into(), 0, 10_080);
    let groups: BTreeSet<&str> =
        words.categories.keys().filter_map(|c| c.as_str().split('/').next()).collect();
    for group in f.attorney_pf_groups.iter().filter(|g| !groups.contains(g.as_str())) {
        unknown(texts, "attorney_pf_groups", group, groups.iter().copied(), findings);
    }
    let figures = Figures {
        adult_age: f.adult_age,
        own_voice_age: f.own_voice_age,
        parent_confidential_until_age: f.parent_confidential_until_age,
        digital_consent_age: f.digital_consent_age,
        reconfirm_ages: f.reconfirm_ages,
        reason_words_min: f.reason_words_min,
        ndo_hours: f.ndo_hours,
        factors_min: f.factors_min,
        small_number_least: f.small_number_least,
        small_group: f.small_group,
        window_group: f.window_group,
        window_minutes: f.window_minutes,
        apd_conditions: listed::<BasisId>(
            texts,
            "apd_conditions",
            &f.apd_conditions,
            &keys(&words.bases),
            findings,
        ),
        objection_bases: listed::<BasisId>(
            texts,
            "objection_bases",
            &f.objection_bases,
            &keys(&words.bases),
            findings,
        ),
        onward_purposes: listed::<PurposeId>(
            texts,
            "onward_purposes",
            &f.onward_purposes,
            &keys(&words.purposes),
            findings,
        ),
        attorney_pf_groups: f.attorney_pf_groups.into_iter().collect(),
    };
    let mut terms = BTreeMap::new();
    for term in file.term {
        if TERMS.contains(&term.name.as_str()) {
            let text = TermText { sentence: term.sentence, fixer: term.fixer };
            if terms.insert(term.name.clone(), text).is_some() {
                let message = format!("the term \"{}\" stands twice.", term.name);
                findings.add("E08", FILE, 0, message);
            }
        } else {
            unknown(texts, "name", &term.name, TERMS.into_iter(), findings);
        }
    }
    for term in TERMS.iter().filter(|term| !terms.contains_key(**term)) {
        findings.add("E10", FILE, 0, format!("the term \"{term}\" is missing."));
    }
    (Some(figures), terms)
}

fn unknown<'a>(
    texts: &Texts,
    key: &str,
    found: &str,
    valid: impl Iterator<Item = &'a str>,
    findings: &mut Findings,
) {
    findings.push(Finding {
        found: None,
        code: "E10",
        file: FILE.to_owned(),
        line: line_of(texts, FILE, found),
        message: format!("{key}: \"{found}\" is not known."),
        nearest: nearest(found, valid),
    });
}

fn listed<T: std::str::FromStr + Ord>(
    texts: &Texts,
    key: &str,
    found: &[String],
    valid: &[&str],
    findings: &mut Findings,
) -> BTreeSet<T> {
    let mut out = BTreeSet::new();
    for word in found {
        match word.parse() {
            Ok(parsed) if valid.contains(&word.as_str()) => {
                out.insert(parsed);
            }
            _ => unknown(texts, key, word, valid.iter().copied(), findings),
        }
    }
    out
}
