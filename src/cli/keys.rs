//! `weir keys new`, `check` and `rotate`, on a data folder that no hub has open.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::Outcome;
use crate::app::DataFolder;
use crate::audit::checkpoint::VerifierKey;
use crate::audit::entry::{Entry, Facet, Kind};
use crate::domain::DecisionId;
use crate::limits::AUDIT_BATCH_MAX;
use crate::store::sqlite::keys::HubKey;
use crate::store::sqlite::log::{Log, check_slots, files_in};

fn ended(result: Result<Outcome, String>) -> Outcome {
    result.unwrap_or_else(|text| Outcome { text, exit: 2 })
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// `weir keys new FILE`.
#[must_use]
pub fn new(file: &Path) -> Outcome {
    // No data folder is named: what it lies in is looked at when it is used.
    let made = HubKey::make(file, None).map_err(text).map(|key| Outcome {
        text: format!("{}: hub key {}", file.display(), key.name()),
        exit: 0,
    });
    ended(made)
}

/// `weir keys check --data DIR [--hub-key-file FILE]`.
#[must_use]
pub fn check(folder: &DataFolder) -> Outcome {
    ended(checked(folder))
}

fn checked(folder: &DataFolder) -> Result<Outcome, String> {
    let log = open(folder)?;
    let keys = log.keys();
    let sound = keys.check().map_err(text)?;
    let (mut wrong, mut lines) = (sound.wrong, Vec::new());
    lines.push(format!("{} keys open under hub key {}", sound.keys, keys.hub_key().name()));
    if sound.wrong > 0 {
        lines.push(format!("{} keys were changed or moved", sound.wrong));
    }
    for file in files_in(&folder.dir).map_err(text)? {
        let found = check_slots(&file, keys).map_err(text)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        lines.push(format!(
            "{name}: {} slots open, {} erased, {} changed or moved",
            found.open, found.erased, found.wrong
        ));
        wrong += found.wrong;
    }
    Ok(Outcome { text: lines.join("\n"), exit: u8::from(wrong > 0) })
}

/// Nobody else has the folder as long as the log is open.
fn open(folder: &DataFolder) -> Result<Log, String> {
    let (dir, shown) = (&folder.dir, folder.dir.display());
    let vkey = std::fs::read_to_string(dir.join("audit.vkey"))
        .map_err(|e| format!("{shown}: audit.vkey cannot be read: {e}. Is this a data folder?"))?;
    let origin = VerifierKey::parse(&vkey).map_err(|e| format!("{shown}/audit.vkey: {e}"))?;
    let clock = super::clock_in(dir);
    folder
        .log(origin.name(), clock, AUDIT_BATCH_MAX)
        .map_err(|e| format!("{shown}: {e}. Stop the hub first."))
}

/// `weir keys rotate --data DIR --hub-key-file OLD --new-hub-key-file NEW`.
#[must_use]
pub fn rotate(folder: &DataFolder, new: &Path) -> Outcome {
    let rotated = tokio::runtime::Runtime::new()
        .map_err(text)
        .and_then(|runtime| runtime.block_on(rotated(folder, new, |_| ())));
    ended(rotated.map(|text| Outcome { text, exit: 0 }))
}

/// Rotates; `step` is told how far it is. The entry comes first: a rotation that was cut off may be in
/// the log twice, one that happened is never missing.
///
/// # Errors
/// When a key cannot be read or the folder cannot be opened; then all keys are under the old one.
pub async fn rotated(
    folder: &DataFolder,
    new: &Path,
    mut step: impl FnMut(&str),
) -> Result<String, String> {
    step("begun");
    let next = if new.exists() {
        HubKey::read(new, &folder.dir)
    } else {
        HubKey::make(new, Some(&folder.dir))
    };
    let next = next.map_err(text)?;
    step("made");
    let (done, old) = {
        let log = match open(folder) {
            Ok(log) => log,
            // What was cut off after its commit is done.
            Err(error) => {
                let again = DataFolder { hub_key_file: new.to_owned(), ..folder.clone() };
                return match open(&again) {
                    Ok(_) => Ok(format!("All keys are under hub key {} already", next.name())),
                    Err(_) => Err(error),
                };
            }
        };
        let old = log.keys().hub_key().name();
        let facets = BTreeMap::from([
            (Facet::What, format!("hub-key|{}", next.name())),
            (Facet::Previous, old.clone()),
        ]);
        let event = DecisionId::from_uuid(Uuid::now_v7());
        let entry = Entry::of_hub(event, Kind::Operation, "weir keys rotate", facets);
        log.append(vec![entry]).await.map_err(text)?;
        step("recorded");
        let keys = Arc::clone(log.keys());
        (keys.rewrap(&next, step).map_err(text)?, old)
    };
    Ok(format!(
        "{done} keys are under hub key {}. Enter the new file as hub_key_file; destroy {old} once no \
         backup needs it.",
        next.name()
    ))
}
