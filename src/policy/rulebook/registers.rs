//! The registers that the law asks for, as CSV: records of processing (UK GDPR Art 30), lines of the
//! public register, roles by data for an impact assessment. Each line carries version and day.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::access::{Filter, Seen, seen};
use crate::domain::{CategoryId, RuleId};
use crate::policy::age::day_of;
use crate::policy::book::{Field, RuleBook};

/// A line for each rule, recipient and purpose: what is processed, for what, on which basis.
///
/// # Errors
/// When the book has an empty vocabulary.
pub fn article_30(book: &RuleBook, at: Timestamp) -> Result<String, String> {
    let mut out = Table::new(
        book,
        at,
        &[
            "controller",
            "recipient",
            "purpose",
            "meaning",
            "data_subjects",
            "categories",
            "fields",
            "special_category",
            "criminal_offence",
            "art6",
            "art9",
            "art10",
            "gateway",
            "statute",
            "holders",
            "agreement",
            "agreement_ends",
            "dpia",
            "duties",
            "rule",
            "on_this_day",
        ],
    );
    for group in grouped(&seen(book, &Filter::default(), at)?) {
        let Some(first) = group.first() else { continue };
        let rule = first.rule;
        let agency = book.agencies.get(first.agency);
        let fields: Vec<&Field> = group
            .iter()
            .flat_map(|row| row.fields.iter().filter_map(|field| book.fields.get(*field)))
            .collect();
        let gateway = rule.gateway.as_ref().and_then(|id| book.gateways.get(id));
        let agreement = rule.agreement.as_ref().and_then(|id| book.agreements.get(id));
        let holders = agreement.map(|agreement| {
            joined(agreement.parties.iter().filter(|party| *party != first.agency))
        });
        out.line([
            agency.map_or_else(String::new, |about| about.controller.clone()),
            first.agency.to_string(),
            first.purpose.to_string(),
            book.purposes.get(first.purpose).map_or_else(String::new, |p| p.meaning.clone()),
            "residents".to_owned(),
            joined(group.iter().map(|row| row.category)),
            joined(group.iter().flat_map(|row| &row.fields)),
            yes_no(fields.iter().any(|field| field.special)),
            yes_no(fields.iter().any(|field| field.criminal)),
            joined(&rule.art6),
            joined(&rule.art9),
            joined(&rule.art10),
            joined(&rule.gateway),
            gateway
                .map_or_else(String::new, |about| format!("{} {}", about.statute, about.section)),
            holders.unwrap_or_else(|| "any that holds it".to_owned()),
            joined(&rule.agreement),
            agreement.map_or_else(String::new, |about| about.end.to_string()),
            agreement.and_then(|about| about.dpia.clone()).unwrap_or_default(),
            joined(&rule.duties),
            rule.id.to_string(),
            standing(&group),
        ]);
    }
    Ok(out.text)
}

/// A line for each rule and purpose on a gateway that wants an entry in the public register.
///
/// # Errors
/// When the book has an empty vocabulary.
pub fn public_register(book: &RuleBook, at: Timestamp) -> Result<String, String> {
    let mut out = Table::new(
        book,
        at,
        &[
            "gateway",
            "statute",
            "section",
            "agreement",
            "title",
            "parties",
            "recipient",
            "purpose",
            "meaning",
            "categories",
            "from",
            "to",
            "review_due",
            "owner",
            "rule",
            "on_this_day",
        ],
    );
    for group in grouped(&seen(book, &Filter::default(), at)?) {
        let Some(first) = group.first() else { continue };
        let rule = first.rule;
        let gateway = rule.gateway.as_ref().and_then(|id| Some((id, book.gateways.get(id)?)));
        let Some((id, gateway)) = gateway.filter(|(_, about)| about.needs_registration) else {
            continue;
        };
        let agreement = rule.agreement.as_ref().and_then(|id| book.agreements.get(id));
        let of = |text: &dyn Fn(&crate::policy::book::Agreement) -> String| {
            agreement.map(text).unwrap_or_default()
        };
        out.line([
            id.to_string(),
            gateway.statute.clone(),
            gateway.section.clone(),
            joined(&rule.agreement),
            of(&|about| about.title.clone()),
            of(&|about| joined(&about.parties)),
            first.agency.to_string(),
            first.purpose.to_string(),
            book.purposes.get(first.purpose).map_or_else(String::new, |p| p.meaning.clone()),
            joined(group.iter().map(|row| row.category)),
            of(&|about| about.start.to_string()),
            of(&|about| about.end.to_string()),
            of(&|about| about.review_due.to_string()),
            of(&|about| about.owner.clone()),
            rule.id.to_string(),
            standing(&group),
        ]);
    }
    Ok(out.text)
}

/// A line for each recipient and role, a column for each category: the rules that open it.
///
/// # Errors
/// When the book has an empty vocabulary.
pub fn roles_by_data(book: &RuleBook, at: Timestamp) -> Result<String, String> {
    let rows = seen(book, &Filter::default(), at)?;
    let mut cells: BTreeMap<(&str, &str), BTreeMap<&CategoryId, BTreeSet<String>>> =
        BTreeMap::new();
    for row in &rows {
        for role in row.roles() {
            let late = if row.lapsed.is_empty() { "" } else { ", not on this day" };
            let text = format!("{} ({}{late})", row.rule.id, row.purpose);
            let categories = cells.entry((row.agency.as_str(), role)).or_default();
            categories.entry(row.category).or_default().insert(text);
        }
    }
    let mut columns = vec!["recipient", "role"];
    columns.extend(book.categories.keys().map(|category| category.as_str()));
    let mut out = Table::new(book, at, &columns);
    for ((agency, role), categories) in cells {
        let mut line = vec![agency.to_owned(), role.to_owned()];
        line.extend(book.categories.keys().map(|category| {
            let rules = categories.get(category).into_iter().flatten();
            rules.cloned().collect::<Vec<_>>().join("; ")
        }));
        out.line(line);
    }
    Ok(out.text)
}

/// Rows of one rule, recipient and purpose together.
fn grouped<'r, 'b>(rows: &'r [Seen<'b>]) -> Vec<Vec<&'r Seen<'b>>> {
    let mut groups: Vec<Vec<&Seen<'b>>> = Vec::new();
    let key = |row: &Seen<'b>| -> (RuleId, String, String) {
        (row.rule.id.clone(), row.agency.to_string(), row.purpose.to_string())
    };
    for row in rows {
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|last| key(last) == key(row)) => {
                group.push(row);
            }
            Some(_) | None => groups.push(vec![row]),
        }
    }
    groups
}

fn standing(group: &[&Seen<'_>]) -> String {
    let codes: BTreeSet<&str> =
        group.iter().flat_map(|row| row.lapsed.iter().map(|code| code.as_str())).collect();
    if codes.is_empty() { "open".to_owned() } else { joined(codes) }
}

fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

pub(super) fn joined<T: ToString>(words: impl IntoIterator<Item = T>) -> String {
    words.into_iter().map(|word| word.to_string()).collect::<Vec<_>>().join("|")
}

/// A CSV text whose lines begin with version and day.
struct Table {
    text: String,
    lead: [String; 2],
}

impl Table {
    fn new(book: &RuleBook, at: Timestamp, columns: &[&str]) -> Self {
        let lead = [hex::encode(book.hash), day_of(at, &book.place.zone).to_string()];
        let mut table = Self { text: String::new(), lead };
        let heads = ["policy", "as_of"].into_iter().chain(columns.iter().copied());
        table.push(heads.map(str::to_owned));
        table
    }

    fn line(&mut self, cells: impl IntoIterator<Item = String>) {
        let lead = self.lead.clone();
        self.push(lead.into_iter().chain(cells));
    }

    fn push(&mut self, cells: impl Iterator<Item = String>) {
        let cells: Vec<String> = cells.map(|text| cell(&text)).collect();
        self.text.push_str(&cells.join(","));
        self.text.push('\n');
    }
}

/// A cell that no spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    let guarded = match text.chars().next() {
        Some('=' | '+' | '-' | '@') => format!("'{text}"),
        Some(_) | None => text.to_owned(),
    };
    if guarded.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}
