//! Information sharing agreements: `agreements/<id>.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use jiff::civil::Date;
use serde::Deserialize;

use super::figures::toml;
use super::read::{Texts, line_of};
use super::words::{Words, keys};
use super::{Finding, Findings, nearest};
use crate::domain::AgreementId;
use crate::policy::book::Agreement;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgreementFile {
    title: String,
    parties: Vec<String>,
    purposes: Vec<String>,
    start: toml::value::Datetime,
    end: toml::value::Datetime,
    review_due: toml::value::Datetime,
    grace_days: i64,
    dpia: Option<String>,
    status: String,
    owner: String,
    #[serde(rename = "contact")]
    _contact: String,
}

pub(super) fn read(
    texts: &Texts,
    words: &Words,
    findings: &mut Findings,
) -> BTreeMap<AgreementId, Agreement> {
    let mut out = BTreeMap::new();
    for file in texts.keys().filter(|name| name.starts_with("agreements/")) {
        let id = file.trim_start_matches("agreements/").trim_end_matches(".toml");
        let Some(text) = toml::<AgreementFile>(file, texts, findings) else {
            continue;
        };
        let parties =
            listed(("parties", file), &text.parties, &keys(&words.agencies), texts, findings);
        let purposes =
            listed(("purposes", file), &text.purposes, &keys(&words.purposes), texts, findings);
        let mut day = |key: &str, at: &toml::value::Datetime| {
            let day: Option<Date> = at.to_string().parse().ok().filter(|_| at.time.is_none());
            if day.is_none() {
                let line = line_of(texts, file, key);
                let message = format!("{key} must be a day such as 2026-07-15.");
                findings.add("E10", file, line, message);
            }
            day
        };
        let days =
            (day("start", &text.start), day("end", &text.end), day("review_due", &text.review_due));
        let (Some(start), Some(end), Some(review_due)) = days else {
            continue;
        };
        let mut bad = |key: &str, message: &str| {
            findings.add("E10", file, line_of(texts, file, key), message.to_owned());
        };
        if end < start {
            bad("end", "end is before start.");
        }
        if !(0..=366).contains(&text.grace_days) {
            bad("grace_days", "grace_days must be from 0 to 366.");
        }
        if text.dpia.as_ref().is_some_and(|dpia| dpia.trim().is_empty()) {
            bad("dpia", "dpia is empty: leave the line out if there is no impact assessment.");
        }
        let Ok(status) = text.status.parse() else {
            bad("status", "status must be live, suspended or none.");
            continue;
        };
        let Ok(id) = id.parse() else {
            bad("\n", "the file's name is not a word.");
            continue;
        };
        let agreement = Agreement {
            title: text.title,
            parties,
            purposes,
            start,
            end,
            review_due,
            grace_days: text.grace_days,
            dpia: text.dpia,
            status,
            owner: text.owner,
        };
        out.insert(id, agreement);
    }
    out
}

fn listed<T: FromStr + Ord>(
    (key, file): (&str, &str),
    found: &[String],
    valid: &[&str],
    texts: &Texts,
    findings: &mut Findings,
) -> BTreeSet<T> {
    let mut out = BTreeSet::new();
    for word in found {
        match word.parse() {
            Ok(parsed) if valid.contains(&word.as_str()) => {
                if !out.insert(parsed) {
                    let line = line_of(texts, file, &format!("\"{word}\""));
                    findings.add("E08", file, line, format!("{key}: \"{word}\" stands twice."));
                }
            }
            _ => findings.push(Finding {
                found: Some(word.clone()),
                code: "E10",
                file: file.to_owned(),
                line: line_of(texts, file, &format!("\"{word}\"")),
                message: format!("{key}: \"{word}\" is in no vocabulary."),
                nearest: nearest(word, valid.iter().copied()),
            }),
        }
    }
    out
}
