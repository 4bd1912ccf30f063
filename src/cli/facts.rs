//! `weir facts import`, into a data folder that no hub has open: one fact a line, every word held
//! against the policy. A file is taken whole or not at all.

use std::path::Path;

use super::Outcome;
use super::import::{ROWS_MAX, Trouble, ended, entry, failed, open, runtime, unknown};
use crate::app::DataFolder;
use crate::audit::entry::{Facet, Kind};
use crate::domain::{AgencyId, ResidentId};
use crate::policy::book::RuleBook;
use crate::store::{Fact, Store};

/// `weir facts import FILE.ndjson`: one fact a line, as `{"fact":"staff",…}`.
#[must_use]
pub fn import(data: &DataFolder, policies: &Path, file: &Path) -> Outcome {
    ended(runtime().and_then(|runtime| runtime.block_on(imported(data, policies, file))))
}

async fn imported(data: &DataFolder, policies: &Path, file: &Path) -> Result<String, Trouble> {
    let policy = super::policy::open(policies).map_err(|lines| failed(lines.join("\n")))?;
    let text =
        std::fs::read_to_string(file).map_err(|e| failed(format!("{}: {e}", file.display())))?;
    let (mut facts, mut wrong) = (Vec::new(), Vec::new());
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let row = at + 1;
        match serde_json::from_str::<Fact>(line) {
            Ok(fact) => {
                wrong.extend(unknown_words(&fact, policy.book(), row));
                facts.push((row, fact));
            }
            Err(error) => {
                // Only the kind of the error: its text may repeat a value.
                let kind = if error.is_data() {
                    "a key or a value is not as it should be"
                } else {
                    "no JSON"
                };
                wrong.push(format!("row {row}: {kind} (column {})", error.column()));
            }
        }
    }
    if facts.is_empty() && wrong.is_empty() {
        wrong.push("the file holds no fact".to_owned());
    }
    if facts.len() > ROWS_MAX {
        wrong.push(format!("the file has more than {ROWS_MAX} rows: split it"));
    }
    if !wrong.is_empty() {
        return Err(Trouble::File(wrong));
    }
    let store = open(data).await?;
    for (row, fact) in &facts {
        if let Some(resident) = about(fact)
            && !store.is_registered(resident).await.map_err(failed)?
        {
            wrong.push(format!("row {row}: resident: nobody is registered under this id"));
        }
    }
    if !wrong.is_empty() {
        return Err(Trouble::File(wrong));
    }
    let count = facts.len();
    let facets = [(Facet::Count, count.to_string())];
    let new = entry(Kind::Fact, "weir facts import", &facets);
    let facts = facts.into_iter().map(|(_, fact)| fact).collect();
    let receipt = store.record_facts(facts, new).await.map_err(failed)?;
    Ok(format!("Facts imported: {count}; audit entry {}", receipt.index()))
}

const fn about(fact: &Fact) -> Option<ResidentId> {
    match fact {
        Fact::Relationship { resident, .. }
        | Fact::Conflict { resident, .. }
        | Fact::Circumstances { resident, .. }
        | Fact::Order { resident, .. }
        | Fact::Release { resident, .. } => Some(*resident),
        Fact::Staff { .. }
        | Fact::Suspended { .. }
        | Fact::PolicyDocument { .. }
        | Fact::Registered { .. }
        | Fact::OptOutListRead { .. } => None,
    }
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
    let mut agency = |key: &str, found: &AgencyId| {
        check(key, found.as_str(), &mut book.agencies.keys().map(AgencyId::as_str));
    };
    let scopes = match fact {
        Fact::Staff { agency: one, .. }
        | Fact::Relationship { agency: one, .. }
        | Fact::Conflict { agency: one, .. }
        | Fact::Suspended { agency: one, .. }
        | Fact::PolicyDocument { agency: one, .. } => {
            agency("agency", one);
            &[][..]
        }
        Fact::Order { order, .. } => {
            agency("order.to", &order.to);
            &order.fields
        }
        Fact::Release { release, .. } => {
            agency("release.to", &release.to);
            &release.fields
        }
        Fact::Circumstances { .. } | Fact::Registered { .. } | Fact::OptOutListRead { .. } => &[],
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
    if let Fact::Circumstances { flags, .. } = fact {
        for flag in flags {
            check("flags", flag.as_str(), &mut book.flags.keys().map(|f| f.as_str()));
        }
    }
    if let Fact::Registered { gateway, .. } = fact {
        check("gateway", gateway.as_str(), &mut book.gateways.keys().map(|g| g.as_str()));
    }
    wrong
}
