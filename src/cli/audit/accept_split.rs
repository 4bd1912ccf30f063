//! `weir audit accept-split`: goes on though a witness has seen another log, knowingly.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::super::{Outcome, clock_in, proofs};
use crate::app::DataFolder;
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::domain::DecisionId;
use crate::limits::AUDIT_BATCH_MAX;
use crate::store::Receipt;
use crate::store::sqlite::heads::{accept_split_views_in, split_views_in};

/// `weir audit accept-split --data DIR [--hub-key-file FILE] --because TEXT`.
#[must_use]
pub fn run(folder: &DataFolder, because: &str) -> Outcome {
    match accepted(folder, because) {
        Ok(text) => Outcome { text, exit: 0 },
        Err(text) => Outcome { text, exit: 2 },
    }
}

/// The entry comes first, then the end of the alarm.
fn accepted(folder: &DataFolder, because: &str) -> Result<String, String> {
    if because.trim().is_empty() {
        return Err("--because is empty: say why, and who decided so".to_owned());
    }
    let text = |error: crate::store::StoreError| error.to_string();
    let dir = folder.dir.as_path();
    let origin = proofs::key_in(dir)?;
    let log = folder.log(origin.name(), clock_in(dir), AUDIT_BATCH_MAX).map_err(text)?;
    let splits = split_views_in(dir).map_err(text)?;
    if splits.is_empty() {
        return Err("no witness has seen another log".to_owned());
    }
    let facets = BTreeMap::from([
        (Facet::What, "split-view|accepted".to_owned()),
        (Facet::Count, splits.len().to_string()),
    ]);
    // The head of the other history is signed: kept here, it proves that there was one.
    let notes: Vec<_> = splits
        .iter()
        .map(
            |s| serde_json::json!({ "witness": s.witness, "size": s.size, "evidence": s.evidence }),
        )
        .collect();
    let slots = BTreeMap::from([
        (SlotId::Asker, because.as_bytes().to_vec()),
        (SlotId::Request, serde_json::Value::from(notes).to_string().into_bytes()),
    ]);
    let event = DecisionId::from_uuid(Uuid::now_v7());
    let entry = Entry::of_hub(event, Kind::Operation, "weir audit accept-split", facets);
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    let receipts = runtime.block_on(log.append(vec![Entry { slots, ..entry }])).map_err(text)?;
    accept_split_views_in(dir).map_err(text)?;
    let index = receipts.first().map_or(0, Receipt::index);
    Ok(format!(
        "{} split view(s) accepted; that stays in the log, as entry {index}. A witness that saw another log goes \
         on refusing this one: its agency begins a new witness, or weir.toml names it no more.",
        splits.len()
    ))
}
