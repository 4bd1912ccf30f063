//! `promises.csv`: what no rule may ever do, checked for every agency, role, purpose and category.

use super::Findings;
use super::read::Texts;
use super::sheet::rows;
use super::words::{Row, keys};
use crate::policy::book::{Effect, Rule, RuleBook, When};

const FILE: &str = "promises.csv";
const COLUMNS: [&str; 9] =
    ["promise", "id", "agency", "role", "purpose", "category", "flag", "basis", "because"];

/// One promise: no release in this region.
struct Promise {
    id: String,
    line: usize,
    agency: String,
    role: String,
    purpose: String,
    category: String,
    flag: Option<String>,
    bases: Vec<String>,
}

pub(super) fn check(texts: &Texts, book: &RuleBook, findings: &mut Findings) {
    let Some(text) = texts.get(FILE) else {
        findings.add("E00", FILE, 0, "the file is missing. Nothing works without it.".to_owned());
        return;
    };
    let lines = rows(FILE, text, findings);
    for line in &lines {
        if line.cells.len() != COLUMNS.len() {
            let message =
                format!("has {} cells, a promise has {}.", line.cells.len(), COLUMNS.len());
            findings.add("E03", FILE, line.number, message);
            continue;
        }
        let mut row = Row::new(FILE, line, &COLUMNS);
        if let Some(promise) = promise(&mut row, line.number, book, findings) {
            hold(&promise, book, findings);
        }
    }
}

fn promise(
    row: &mut Row<'_>,
    line: usize,
    book: &RuleBook,
    findings: &mut Findings,
) -> Option<Promise> {
    let before = findings.0.len();
    let (_, kind) = row.next();
    if kind != "never" {
        row.bad("E10", format!("\"{kind}\" must be never."), findings);
    }
    let id = row.next().1.to_owned();
    let mut any = |row: &mut Row<'_>, list: &str, valid: &[&str]| {
        let (column, cell) = row.next();
        if cell != "*" {
            for word in cell.split('|') {
                row.one::<String>(column, word, list, valid, findings);
            }
        }
        cell.to_owned()
    };
    let mut agencies = keys(&book.agencies);
    agencies.push("public-authority");
    let agency = any(row, "words/agencies.csv", &agencies);
    let role = any(row, "words/roles.csv", &keys(&book.roles));
    let purpose = any(row, "words/purposes.csv", &keys(&book.purposes));
    let mut categories: Vec<String> =
        book.categories.keys().map(|c| c.as_str().to_owned()).collect();
    categories.extend(
        book.categories
            .keys()
            .filter_map(|c| c.as_str().split('/').next())
            .map(|group| format!("{group}/*")),
    );
    let categories: Vec<&str> = categories.iter().map(String::as_str).collect();
    let category = any(row, "words/categories.csv", &categories);
    let mut none = |row: &mut Row<'_>, list: &str, valid: &[&str]| {
        let (column, cell) = row.next();
        let words: Vec<String> =
            cell.split('|').filter(|_| cell != "-").map(str::to_owned).collect();
        for word in &words {
            row.one::<String>(column, word, list, valid, findings);
        }
        words
    };
    let flag = none(row, "words/flags.csv", &keys(&book.flags)).into_iter().next();
    let bases = none(row, "words/bases.csv", &keys(&book.bases));
    (findings.0.len() == before).then_some(Promise {
        id,
        line,
        agency,
        role,
        purpose,
        category,
        flag,
        bases,
    })
}

fn meant(cell: &str, word: &str) -> bool {
    cell == "*"
        || cell.split('|').any(|one| {
            one == word
                || one.strip_suffix("/*").is_some_and(|group| word.split('/').next() == Some(group))
        })
}

/// Every allow row that reaches into the region must be stopped there by a deny row.
fn hold(promise: &Promise, book: &RuleBook, findings: &mut Findings) {
    let allows = book.rules.iter().filter(|rule| rule.effect == Effect::Allow);
    for rule in allows {
        let based = promise.bases.is_empty()
            || rule.art6.as_ref().is_some_and(|b| promise.bases.iter().any(|p| p == b.as_str()));
        if based && let Some(cell) = open_cell(promise, rule, book) {
            let message = format!(
                "promise {} is broken by {} ({} line {}): {cell}.",
                promise.id, rule.id, rule.file, rule.line
            );
            findings.add("E46", FILE, promise.line, message);
        }
    }
}

/// A combination in the region that the row allows and no deny row stops.
fn open_cell(promise: &Promise, rule: &Rule, book: &RuleBook) -> Option<String> {
    for (agency, about) in &book.agencies {
        let in_region = match promise.agency.as_str() {
            "public-authority" => about.public_authority,
            cell => meant(cell, agency.as_str()),
        };
        if !in_region || !rule.agencies.has(agency) {
            continue;
        }
        for role in book.roles.keys() {
            if !meant(&promise.role, role.as_str()) || !rule.roles.has(role) {
                continue;
            }
            for purpose in book.purposes.keys() {
                if !meant(&promise.purpose, purpose.as_str()) || !rule.purposes.has(purpose) {
                    continue;
                }
                for category in book.categories.keys() {
                    if !meant(&promise.category, category.as_str())
                        || !rule.categories.has(category)
                    {
                        continue;
                    }
                    let stopped = book.rules.iter().any(|deny| {
                        deny.effect == Effect::Deny
                            && deny.only.is_empty()
                            && deny.agencies.has(agency)
                            && deny.roles.has(role)
                            && deny.purposes.has(purpose)
                            && deny.categories.has(category)
                            && deny.when.iter().all(|when| match when {
                                When::Flag(flag) => Some(flag.as_str()) == promise.flag.as_deref(),
                                When::Child | When::Parent | When::Factors | When::Notice => false,
                            })
                    });
                    if !stopped {
                        return Some(format!("{agency} / {role} / {purpose} / {category}"));
                    }
                }
            }
        }
    }
    None
}
