//! What is shown where a consent is asked for: `notices/<id>.toml`. A folder without any is one of before, and
//! no yes is recorded under it. And `words/parties.csv`: controllers, as records of consent name them.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use jiff::civil::Date;
use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use super::figures::toml;
use super::read::Texts;
use super::words::{Reader, Words, keys};
use super::{Finding, Findings, nearest};
use crate::domain::{AgencyId, ConsentKind, Language, NoticeId};
use crate::policy::book::{Agency, Notice, NoticeVersion, Parties, Party, Wording};

/// Longest part of a wording, in bytes.
const TEXT_LEN_MAX: usize = 8_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoticeFile {
    title: Spanned<String>,
    #[serde(default)]
    version: Vec<VersionFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionFile {
    number: Spanned<u32>,
    first_day: Spanned<Datetime>,
    last_day: Option<Spanned<Datetime>>,
    kinds: Spanned<Vec<Spanned<String>>>,
    purposes: Spanned<Vec<Spanned<String>>>,
    en: Option<WordingFile>,
    cy: Option<WordingFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WordingFile {
    text: Spanned<String>,
    withdraw: Spanned<String>,
    refuse: Spanned<String>,
}

/// A file that is read, so that each finding names its line.
struct Page<'a> {
    file: &'a str,
    text: &'a str,
    findings: &'a mut Findings,
}

impl Page<'_> {
    fn line<T>(&self, at: &Spanned<T>) -> usize {
        let before = self.text.get(..at.span().start).unwrap_or_default();
        before.matches('\n').count() + 1
    }

    fn bad<T>(&mut self, at: &Spanned<T>, message: String) {
        let line = self.line(at);
        self.findings.add("E10", self.file, line, message);
    }

    fn day(&mut self, key: &str, at: &Spanned<Datetime>) -> Option<Date> {
        let value = at.get_ref();
        let day = value.to_string().parse().ok().filter(|_| value.time.is_none());
        if day.is_none() {
            self.bad(at, format!("{key} must be a day such as 2026-07-15."));
        }
        day
    }

    fn said(&mut self, key: &str, at: &Spanned<String>) -> String {
        let text = at.get_ref().trim();
        if text.is_empty() {
            self.bad(at, format!("{key} is empty."));
        } else if text.len() > TEXT_LEN_MAX {
            self.bad(at, format!("{key} is longer than {TEXT_LEN_MAX} bytes."));
        } else if text.chars().any(|c| c.is_control() && c != '\n') {
            self.bad(at, format!("{key} holds a control character."));
        }
        text.to_owned()
    }

    fn words<T: FromStr + Ord>(
        &mut self,
        key: &str,
        found: &Spanned<Vec<Spanned<String>>>,
        (list, valid): (&str, &[&str]),
    ) -> BTreeSet<T> {
        let mut out = BTreeSet::new();
        if found.get_ref().is_empty() {
            self.bad(found, format!("{key} names none."));
        }
        for at in found.get_ref() {
            let word = at.get_ref();
            match word.parse() {
                Ok(parsed) if valid.contains(&word.as_str()) => {
                    if !out.insert(parsed) {
                        let line = self.line(at);
                        let message = format!("{key}: \"{word}\" stands twice.");
                        self.findings.add("E08", self.file, line, message);
                    }
                }
                _ => {
                    let line = self.line(at);
                    self.findings.push(Finding {
                        code: "E10",
                        file: self.file.to_owned(),
                        line,
                        message: format!("{key}: \"{word}\" is not in {list}."),
                        found: Some(word.clone()),
                        nearest: nearest(word, valid.iter().copied()),
                    });
                }
            }
        }
        out
    }
}

pub(super) fn read(
    texts: &Texts,
    words: &Words,
    findings: &mut Findings,
) -> BTreeMap<NoticeId, Notice> {
    let mut out = BTreeMap::new();
    for (file, text) in texts.iter().filter(|(name, _)| name.starts_with("notices/")) {
        let id = file.trim_start_matches("notices/").trim_end_matches(".toml");
        let Some(read) = toml::<NoticeFile>(file, texts, findings) else {
            continue;
        };
        let Ok(id) = id.parse() else {
            findings.add("E10", file, 0, "the file's name is not a word.".to_owned());
            continue;
        };
        let mut page = Page { file, text, findings };
        let title = page.said("title", &read.title);
        if read.version.is_empty() {
            page.bad(&read.title, "there is no [[version]].".to_owned());
        }
        let mut versions = BTreeMap::new();
        for one in read.version {
            if versions.last_key_value().is_some_and(|(last, _)| last >= one.number.get_ref()) {
                page.bad(&one.number, "versions stand in order, each number once.".to_owned());
            }
            let number = *one.number.get_ref();
            if let Some(version) = version(&mut page, one, words) {
                versions.insert(number, version);
            }
        }
        out.insert(id, Notice { title, versions });
    }
    out
}

fn version(page: &mut Page<'_>, one: VersionFile, words: &Words) -> Option<NoticeVersion> {
    if *one.number.get_ref() == 0 {
        page.bad(&one.number, "number counts from 1.".to_owned());
    }
    // Expected in one's own care: nobody is asked, so nothing is shown.
    let kinds: Vec<&str> = ConsentKind::ALL
        .iter()
        .filter(|kind| **kind != ConsentKind::ConfidentialityImplied)
        .map(|kind| kind.as_str())
        .collect();
    let kinds = page.words("kinds", &one.kinds, ("words/consent-kinds.csv, asked for", &kinds));
    let purposes = keys(&words.purposes);
    let purposes = page.words("purposes", &one.purposes, ("words/purposes.csv", &purposes));
    let mut wordings = BTreeMap::new();
    for (language, wording) in [(Language::En, one.en), (Language::Cy, one.cy)] {
        if let Some(wording) = wording {
            let key = |part: &str| format!("{language}.{part}");
            let text = page.said(&key("text"), &wording.text);
            let withdraw = page.said(&key("withdraw"), &wording.withdraw);
            let refuse = page.said(&key("refuse"), &wording.refuse);
            wordings.insert(language, Wording { text, withdraw, refuse });
        }
    }
    if wordings.is_empty() {
        page.bad(&one.number, "the version has no wording: write [version.en].".to_owned());
    }
    let first_day = page.day("first_day", &one.first_day)?;
    let last_day = match &one.last_day {
        Some(at) => Some(page.day("last_day", at)?),
        None => None,
    };
    if let (Some(last), Some(at)) = (last_day, &one.last_day)
        && last < first_day
    {
        page.bad(at, "last_day is before first_day.".to_owned());
    }
    Some(NoticeVersion { first_day, last_day, kinds, purposes, wordings })
}

/// Only controllers that an agency belongs to have a line. What is not known yet is empty.
pub(super) fn parties(r: &mut Reader<'_>, agencies: &BTreeMap<AgencyId, Agency>) -> Parties {
    const FILE: &str = "words/parties.csv";
    if !r.has("parties") {
        return Parties::new();
    }
    let columns = ["id", "name", "address", "contact", "type", "storage", "retention"];
    let found: Parties = r.table("parties", &columns, |row, f| {
        Some(Party {
            name: row.text(f),
            address: row.next().1.to_owned(),
            contact: row.next().1.to_owned(),
            kind: row.text(f),
            storage: row.next().1.to_owned(),
            retention: row.next().1.to_owned(),
        })
    });
    let controllers: BTreeSet<&str> = agencies.values().map(|a| a.controller.as_str()).collect();
    for other in found.keys().filter(|id| !controllers.contains(id.as_str())) {
        r.findings.push(Finding {
            code: "E10",
            file: FILE.to_owned(),
            line: 0,
            message: format!("\"{other}\" is the controller of no agency in words/agencies.csv."),
            found: Some(other.to_string()),
            nearest: nearest(other.as_str(), controllers.iter().copied()),
        });
    }
    found
}
