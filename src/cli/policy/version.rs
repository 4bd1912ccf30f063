//! Versions that were in force, as a hub's data folder keeps them. The hub may run.

use std::path::Path;

use crate::policy::kept::unpack;
use crate::policy::load::{Files, hash};
use crate::store::sqlite::policies::PolicyReader;
use crate::store::{KeptPolicy, StoreError};

/// A version with its files: by its number, or the newest where that is empty.
pub(super) fn version(number: &str, data: &Path) -> Result<(KeptPolicy, Files), String> {
    let shown = data.display();
    let wanted = match number {
        "" => None,
        number => Some(number.parse::<u64>().map_err(|_| {
            format!("version:{number}: must be a number that `weir policy status` lists")
        })?),
    };
    let wrong = |e: StoreError| format!("--data {shown}: {e}");
    let none = || match wanted {
        Some(number) => format!("--data {shown}: no version {number} was ever in force"),
        None => format!("--data {shown}: nothing was ever in force"),
    };
    let reader = PolicyReader::open(data).map_err(wrong)?.ok_or_else(none)?;
    let (kept, bytes) = reader.folder(wanted).map_err(wrong)?.ok_or_else(none)?;
    match unpack(&bytes).filter(|files| hash(files) == kept.hash) {
        Some(files) => Ok((kept, files)),
        None => Err(format!("version {}: what is kept of it was changed", kept.number)),
    }
}
