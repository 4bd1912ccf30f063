//! `weir facts import`, into a data folder that no hub has open: facts one a line, or an agency's own
//! extract with a mapping. Every word is held against the policy. A file is taken whole or not at all.

mod mapping;

use std::collections::BTreeMap;
use std::path::Path;

use indicatif::ProgressBar;

use super::Outcome;
use super::import::{ROWS_MAX, Trouble, ended, entry, failed, open, runtime, unknown};
use crate::app::DataFolder;
use crate::audit::entry::{Facet, Kind};
use crate::domain::{AgencyId, Fact, RecordedFact};
use crate::policy::book::RuleBook;
use crate::store::{LocalId, Store};
use mapping::{Mapping, Row};

/// Largest file, in bytes.
const FILE_LEN_MAX: u64 = 64 * 1024 * 1024;

/// `weir facts import FILE.ndjson`, one fact a line as `{"fact":"staff",…}`; with a mapping, of
/// `FILE.csv`.
#[must_use]
pub fn import(data: &DataFolder, policies: &Path, mapping: Option<&Path>, file: &Path) -> Outcome {
    let imported = imported(data, policies, mapping, file);
    ended(runtime().and_then(|runtime| runtime.block_on(imported)))
}

async fn imported(
    data: &DataFolder,
    policies: &Path,
    mapping: Option<&Path>,
    file: &Path,
) -> Result<String, Trouble> {
    let policy = super::policy::open(policies).map_err(|lines| failed(lines.join("\n")))?;
    let text = text_of(file)?;
    let rows = match mapping {
        Some(path) => {
            let mapping = Mapping::read(path).map_err(failed)?;
            mapping.rows(&text).map_err(Trouble::File)?
        }
        None => lines(&text),
    };
    if rows.len() > ROWS_MAX {
        let line = format!("the file has more than {ROWS_MAX} rows: split it");
        return Err(Trouble::File(vec![line]));
    }
    let store = open(data).await?;
    let facts = told(&store, policy.book(), rows).await?;
    let count = facts.len();
    let mut kinds: Vec<&str> = facts.iter().map(|fact| fact.kind().as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let facets = [(Facet::What, kinds.join("|")), (Facet::Count, count.to_string())];
    let new = entry(Kind::Fact, "weir facts import", &facets);
    let at = super::clock_in(&data.dir).now();
    let facts = facts.into_iter().map(|fact| RecordedFact { fact, by: None, at }).collect();
    let receipts = store.record_facts(facts, vec![new]).await.map_err(failed)?;
    let place = receipts.first().map(|r| r.index()).unwrap_or_default();
    Ok(format!("Facts imported: {count}; audit entry {place}"))
}

/// The file as text. A byte order mark is no part of it.
fn text_of(file: &Path) -> Result<String, Trouble> {
    let shown = file.display();
    let about = std::fs::metadata(file).map_err(|e| failed(format!("{shown}: {e}")))?;
    if about.len() > FILE_LEN_MAX {
        let most = FILE_LEN_MAX / 1024 / 1024;
        return Err(failed(format!("{shown}: is larger than {most} MiB: split it")));
    }
    let bytes = std::fs::read(file).map_err(|e| failed(format!("{shown}: {e}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..good).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let text = format!("line {line}: is not UTF-8. Export the file as UTF-8 and try again.");
        Trouble::File(vec![text])
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// One JSON object a line.
fn lines(text: &str) -> Vec<Row> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| Row::of_json(at + 1, line)).collect()
}

/// The facts of all rows, or everything that is wrong with them.
async fn told(store: &dyn Store, book: &RuleBook, rows: Vec<Row>) -> Result<Vec<Fact>, Trouble> {
    let bar = ProgressBar::new(u64::try_from(rows.len()).unwrap_or_default());
    let (mut facts, mut wrong) = (Vec::with_capacity(rows.len()), Vec::new());
    let mut said: BTreeMap<_, usize> = BTreeMap::new();
    for row in rows {
        bar.inc(1);
        let at = row.number;
        let by_local_id = match &row.local_id {
            Some((agency, id)) => {
                let local = LocalId { agency: agency.clone(), id: id.clone() };
                match store.resident_of(&local).await.map_err(failed)? {
                    Some(resident) => Some(resident),
                    None => {
                        wrong.push(format!("row {at}: resident: no resident has this local id"));
                        continue;
                    }
                }
            }
            None => None,
        };
        let fact = match row.fact(by_local_id) {
            Ok(fact) => fact,
            Err(why) => {
                wrong.push(format!("row {at}: {why}"));
                continue;
            }
        };
        wrong.extend(unknown_words(&fact, book, at));
        if fact.contradicts_itself() {
            wrong.push(format!("row {at}: tie: must be left out where there is no conflict"));
        }
        for part in fact.parts() {
            if let Some(earlier) = said.insert((part.kind(), part.key()), at) {
                let kind = part.kind();
                wrong.push(format!("row {at}: is about the same {kind} as row {earlier}"));
            }
        }
        let residents = [fact.resident(), child(&fact)];
        for resident in residents.into_iter().flatten() {
            if !store.is_registered(resident).await.map_err(failed)? {
                wrong.push(format!("row {at}: resident: nobody is registered under this id"));
            }
        }
        facts.push(fact);
    }
    bar.finish_and_clear();
    if facts.is_empty() && wrong.is_empty() {
        wrong.push("the file holds no fact".to_owned());
    }
    if wrong.is_empty() { Ok(facts) } else { Err(Trouble::File(wrong)) }
}

const fn child(fact: &Fact) -> Option<crate::domain::ResidentId> {
    if let Fact::Household { child, .. } = fact { Some(*child) } else { None }
}

/// Words that the policy does not have: a flag with a slip would close nothing.
fn unknown_words(fact: &Fact, book: &RuleBook, row: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |key: &str, found: &str, valid: &mut dyn Iterator<Item = &str>| {
        let valid: Vec<&str> = valid.collect();
        if !valid.contains(&found) {
            wrong.push(unknown(&format!("row {row}: {key}"), found, valid.into_iter()));
        }
    };
    let agencies = || book.agencies.keys().map(AgencyId::as_str);
    let scopes = match fact {
        Fact::Staff { agency, .. }
        | Fact::Relationship { agency, .. }
        | Fact::Conflict { agency, .. }
        | Fact::Agency { agency, .. }
        | Fact::PolicyDocument { agency, .. } => {
            check("agency", agency.as_str(), &mut agencies());
            &[][..]
        }
        Fact::Flag { agency, flag, .. } => {
            check("agency", agency.as_str(), &mut agencies());
            check("flag", flag.as_str(), &mut book.flags.keys().map(|f| f.as_str()));
            &[]
        }
        Fact::Gillick { purpose, .. } => {
            check("purpose", purpose.as_str(), &mut book.purposes.keys().map(|p| p.as_str()));
            &[]
        }
        Fact::Registered { gateway, .. } => {
            check("gateway", gateway.as_str(), &mut book.gateways.keys().map(|g| g.as_str()));
            &[]
        }
        Fact::Order { order, .. } => {
            check("order.to", order.to.as_str(), &mut agencies());
            &order.fields
        }
        Fact::Release { agency, release, .. } => {
            check("agency", agency.as_str(), &mut agencies());
            check("release.to", release.to.as_str(), &mut agencies());
            &release.fields
        }
        Fact::Death { .. }
        | Fact::Capacity { .. }
        | Fact::Household { .. }
        | Fact::Factors { .. }
        | Fact::RegisterRead { .. }
        | Fact::Match { .. } => &[],
    };
    for scope in scopes {
        let mut words = book.fields.keys().map(|f| f.as_str());
        let mut categories = book.categories.keys().map(|c| c.as_str());
        match scope {
            crate::domain::Scope::Field(field) => check("fields", field.as_str(), &mut words),
            crate::domain::Scope::Category(category) => {
                check("fields", category.as_str(), &mut categories);
            }
        }
    }
    wrong
}
