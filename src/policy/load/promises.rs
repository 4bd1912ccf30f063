//! `promises.csv`: what no rule may ever do, and what must always be possible. Read here; proved for
//! all requests by the lints.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::Findings;
use super::read::Texts;
use super::sheet::rows;
use super::words::{Row, Words, keys};
use crate::domain::{AgencyId, CategoryId};
use crate::policy::book::{Cell, DataPattern, Promise, PromiseKind, Promised};

pub(in crate::policy) const FILE: &str = "promises.csv";
const COLUMNS: [&str; 9] =
    ["promise", "id", "agency", "role", "purpose", "category", "flag", "basis", "because"];
/// Stands for every agency that is one.
const PUBLIC: &str = "public-authority";

pub(super) fn read(texts: &Texts, words: &Words, findings: &mut Findings) -> Vec<Promise> {
    let Some(text) = texts.get(FILE) else {
        findings.add("E00", FILE, 0, "the file is missing. Nothing works without it.".to_owned());
        return Vec::new();
    };
    let mut promises: Vec<Promise> = Vec::new();
    for line in rows(FILE, text, findings) {
        if line.cells.len() != COLUMNS.len() {
            let message =
                format!("has {} cells, a promise has {}.", line.cells.len(), COLUMNS.len());
            findings.add("E03", FILE, line.number, message);
            continue;
        }
        let mut row = Row::new(FILE, &line, &COLUMNS);
        if let Some(promise) = promise(&mut row, words, findings) {
            if promises.iter().any(|earlier| earlier.id == promise.id) {
                row.bad("E08", format!("the id \"{}\" is used twice.", promise.id), findings);
            }
            promises.push(promise);
        }
    }
    promises
}

fn promise(row: &mut Row<'_>, words: &Words, findings: &mut Findings) -> Option<Promise> {
    let before = findings.0.len();
    let (column, kind) = row.next();
    let kind = match kind {
        "never" => PromiseKind::Never,
        "always" => PromiseKind::Always,
        other => {
            row.one::<String>(column, other, "never, always", &["never", "always"], findings);
            PromiseKind::Never
        }
    };
    let id = row.next().1.to_owned();
    let agencies = agencies(row, words, findings);
    let roles = cell(row, "words/roles.csv", &keys(&words.roles), findings);
    let purposes = cell(row, "words/purposes.csv", &keys(&words.purposes), findings);
    let data = data(row, words, findings);
    let flags = list(row, "words/flags.csv", &keys(&words.flags), findings);
    let bases = list(row, "words/bases.csv", &keys(&words.bases), findings);
    let because = row.text(findings);
    (findings.0.len() == before).then_some(Promise {
        line: row.line,
        kind,
        id,
        agencies,
        roles,
        purposes,
        data,
        flags,
        bases,
        because,
    })
}

fn agencies(row: &mut Row<'_>, words: &Words, f: &mut Findings) -> Cell<AgencyId> {
    let (column, text) = row.next();
    if text == "*" {
        return Cell::Any;
    }
    let mut valid = keys(&words.agencies);
    valid.push(PUBLIC);
    let mut out = BTreeSet::new();
    for word in text.split('|') {
        if word == PUBLIC {
            let public = words.agencies.iter().filter(|(_, agency)| agency.public_authority);
            out.extend(public.map(|(id, _)| id.clone()));
        } else {
            out.extend(row.one::<AgencyId>(column, word, "words/agencies.csv", &valid, f));
        }
    }
    Cell::These(out)
}

fn cell<T: FromStr + Ord>(
    row: &mut Row<'_>,
    list: &str,
    valid: &[&str],
    f: &mut Findings,
) -> Cell<T> {
    let (column, text) = row.next();
    if text == "*" {
        return Cell::Any;
    }
    Cell::These(text.split('|').filter_map(|word| row.one(column, word, list, valid, f)).collect())
}

fn list<T: FromStr + Ord>(
    row: &mut Row<'_>,
    list: &str,
    valid: &[&str],
    f: &mut Findings,
) -> BTreeSet<T> {
    let (column, text) = row.next();
    text.split('|')
        .filter(|_| text != "-")
        .filter_map(|word| row.one(column, word, list, valid, f))
        .collect()
}

/// `*`, `group/*`, categories, fields, `letter:l`.
fn data(row: &mut Row<'_>, words: &Words, f: &mut Findings) -> Vec<Promised> {
    let (column, text) = row.next();
    let mut valid: Vec<String> = vec!["*".to_owned()];
    valid.extend(words.categories.keys().map(|c| c.as_str().to_owned()));
    valid.extend(words.categories.keys().filter_map(group).map(|group| format!("{group}/*")));
    valid.extend("scpltx".chars().map(|letter| format!("letter:{letter}")));
    valid.extend(words.fields.keys().map(|field| field.as_str().to_owned()));
    let valid: Vec<&str> = valid.iter().map(String::as_str).collect();
    let mut out = Vec::new();
    for word in text.split('|') {
        let list = "words/categories.csv or words/fields.csv";
        if row.one::<String>(column, word, list, &valid, f).is_none() {
            continue;
        }
        let letter = word.strip_prefix("letter:").and_then(|letter| letter.chars().next());
        out.extend(if word == "*" {
            Some(Promised::Data(DataPattern::All))
        } else if let Some(letter) = letter {
            Some(Promised::Letter(letter))
        } else if let Some(group) = word.strip_suffix("/*") {
            Some(Promised::Data(DataPattern::Group(group.to_owned())))
        } else if let Ok(field) = word.parse()
            && words.fields.contains_key(&field)
        {
            Some(Promised::Field(field))
        } else {
            word.parse().ok().map(|category| Promised::Data(DataPattern::Category(category)))
        });
    }
    out
}

fn group(category: &CategoryId) -> Option<&str> {
    category.as_str().split('/').next()
}
