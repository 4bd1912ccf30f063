//! `weir audit accept-rollback`: goes on with an older copy of the log, or without its lock, knowingly.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::super::{Outcome, clock_in};
use crate::app::DataFolder;
use crate::audit::checkpoint::VerifierKey;
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::audit::verify::ACCEPT_ROLLBACK;
use crate::domain::DecisionId;
use crate::limits::AUDIT_BATCH_MAX;
use crate::store::sqlite::log::Log;
use crate::store::{Receipt, StoreError};

/// `weir audit accept-rollback --data DIR [--hub-key-file FILE] [--lock FILE] --because TEXT`.
#[must_use]
pub fn run(folder: &DataFolder, because: &str) -> Outcome {
    let accepted = tokio::runtime::Runtime::new()
        .map_err(|e| e.to_string())
        .and_then(|runtime| runtime.block_on(accepted(folder, because)));
    match accepted {
        Ok(text) => Outcome { text, exit: 0 },
        Err(text) => Outcome { text, exit: 2 },
    }
}

/// The entry comes first, then the lock: what was cut off may be in the log twice, never missing.
async fn accepted(folder: &DataFolder, because: &str) -> Result<String, String> {
    if because.trim().is_empty() {
        return Err("--because is empty: say why, and who decided so".to_owned());
    }
    let text = |error: StoreError| error.to_string();
    let dir = folder.dir.as_path();
    let origin = origin(dir)?;
    let (clock, lock) = (clock_in(dir), folder.rollback_lock());
    match folder.log(&origin, Arc::clone(&clock), AUDIT_BATCH_MAX) {
        Ok(_) => return Err("the audit log holds all that its lock has seen".to_owned()),
        Err(StoreError::RolledBack(_)) => {}
        Err(error) => return Err(error.to_string()),
    }
    let keys = folder.keys(&clock).map_err(text)?;
    let key = keys.signing_key().map_err(text)?.verifier(&origin);
    let seen = lock.seen(dir, &key).map_err(text)?;
    let note = lock.note(dir).map_err(text)?.unwrap_or_default();
    let log = Log::open(dir, keys, &origin, clock).map_err(text)?;
    let size = log.head().size;
    let (before, lost) = match &seen {
        None => ("no lock".to_owned(), "nobody can tell how many entries are lost".to_owned()),
        Some(seen) => {
            let lost = match seen.size.checked_sub(size) {
                Some(lost @ 1..) => format!("{lost} entries or more are lost"),
                Some(0) | None => "entries that were seen are lost".to_owned(),
            };
            (format!("{}:{}", seen.size, hex::encode(seen.root)), lost)
        }
    };
    let facets = BTreeMap::from([
        (Facet::What, "older-copy".to_owned()),
        (Facet::Previous, before.clone()),
        (Facet::Count, size.to_string()),
    ]);
    // The head that was seen is signed: kept here, it proves what was lost.
    let slots = BTreeMap::from([
        (SlotId::Asker, because.as_bytes().to_vec()),
        (SlotId::Request, note.into_bytes()),
    ]);
    let event = DecisionId::from_uuid(Uuid::now_v7());
    let entry = Entry { slots, ..Entry::of_hub(event, Kind::Operation, ACCEPT_ROLLBACK, facets) };
    let receipts = log.append(vec![entry]).await.map_err(text)?;
    let index = receipts.first().map_or(size, Receipt::index);
    lock.keep(&log.head().note).map_err(text)?;
    Ok(format!(
        "The older copy with {size} entries is accepted; seen before was {before}: {lost}. That stays in \
         the log, as entry {index}; whoever has kept a newer head can prove it."
    ))
}

fn origin(dir: &Path) -> Result<String, String> {
    let shown = dir.display();
    let vkey = std::fs::read_to_string(dir.join("audit.vkey"))
        .map_err(|e| format!("{shown}: audit.vkey cannot be read: {e}. Is this a data folder?"))?;
    let key = VerifierKey::parse(&vkey).map_err(|e| format!("{shown}/audit.vkey: {e}"))?;
    Ok(key.name().to_owned())
}
