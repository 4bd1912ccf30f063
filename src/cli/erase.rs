//! `weir erase` and `weir hold`, on a data folder that no hub has open.

use std::sync::Arc;

use super::import::{Trouble, ended, failed, open, runtime};
use super::{Outcome, clock_in};
use crate::app::DataFolder;
use crate::domain::ResidentId;
use crate::hub::{Authority, Hub, HubError};
use crate::limits::PAGE_MAX;
use crate::source::Shelf;
use crate::store::Store;

/// What to do about a resident.
pub enum Wish {
    /// Erase them, for good.
    Erase,
    /// Keep them from being erased.
    Hold,
    /// Lift a hold.
    Lift,
}

/// `weir erase RESIDENT`, `weir hold place RESIDENT` and `weir hold lift RESIDENT`, each with `--authority REF
/// --because TEXT`.
#[must_use]
pub fn run(data: &DataFolder, resident: &str, authority: Authority, wish: &Wish) -> Outcome {
    ended(runtime().and_then(|runtime| runtime.block_on(done(data, resident, authority, wish))))
}

async fn done(
    data: &DataFolder,
    resident: &str,
    authority: Authority,
    wish: &Wish,
) -> Result<String, Trouble> {
    let resident: ResidentId = resident
        .trim_start_matches("residents/")
        .parse()
        .map_err(|_| failed("the resident must be residents/ and a UUID"))?;
    let store: Arc<dyn Store> = Arc::new(open(data).await?);
    let source = Arc::new(Shelf::new(Arc::clone(&store)));
    let hub = Hub::new(store, source, clock_in(&data.dir));
    let why = |error: HubError| {
        if let HubError::Invalid(wrong) = &error {
            let all: Vec<String> =
                wrong.iter().map(|one| format!("--{} {}", one.field, one.what)).collect();
            return failed(all.join("\n"));
        }
        if matches!(error, HubError::NotFound) {
            return failed("there is no such resident, or no such hold");
        }
        failed(error)
    };
    match wish {
        Wish::Erase => {
            let erased =
                hub.erase_resident("weir erase", resident, authority).await.map_err(why)?;
            Ok(format!(
                "Erased: {} records and the identity are deleted, {} entries can be read no more; audit \
                 entry {}. Older backups hold the keys still: destroy them when the promise says so.",
                erased.records,
                erased.entries,
                erased.receipt.index()
            ))
        }
        Wish::Hold => {
            let receipt =
                hub.place_hold("weir hold place", resident, authority).await.map_err(why)?;
            Ok(format!("Held; audit entry {}", receipt.index()))
        }
        Wish::Lift => {
            let receipt =
                hub.lift_hold("weir hold lift", resident, authority).await.map_err(why)?;
            Ok(format!("Lifted; audit entry {}", receipt.index()))
        }
    }
}

/// `weir hold list`.
#[must_use]
pub fn holds(data: &DataFolder) -> Outcome {
    ended(runtime().and_then(|runtime| runtime.block_on(listed(data))))
}

async fn listed(data: &DataFolder) -> Result<String, Trouble> {
    let store = open(data).await?;
    let holds = store.holds(PAGE_MAX).await.map_err(failed)?;
    let mut lines: Vec<String> = holds
        .iter()
        .map(|hold| {
            format!(
                "residents/{}  since {}  {}",
                hold.resident.uuid(),
                hold.placed_at,
                hold.reference
            )
        })
        .collect();
    lines.push(format!("{} holds", holds.len()));
    Ok(lines.join("\n"))
}
