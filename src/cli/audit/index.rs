//! `weir audit index`: the derived index of a data folder is filled, made anew, or held against the log.

use std::path::Path;

use super::super::Outcome;
use crate::app::DataFolder;
use crate::audit::checkpoint::VerifierKey;
use crate::limits::AUDIT_BATCH_MAX;
use crate::store::sqlite::keys::Keyring;
use crate::store::sqlite::log::{CheckedIndex, check_index, files_in};

/// What a comparison has to say.
pub(super) struct Compared {
    /// A line for each finding, and one for the end.
    pub lines: Vec<String>,
    /// How many findings.
    pub findings: usize,
}

/// Holds the index of a data folder against its log; `None`: there is no index. One that is not there is no finding:
/// it is made at the next opening.
pub(super) fn compared(data: &Path, keys: Option<&Keyring>) -> Result<Option<Compared>, String> {
    let found = check_index(data, keys).map_err(|e| format!("index.db: {e}"))?;
    Ok(found.map(|CheckedIndex { entries, subjects, findings }| {
        let count = findings.len();
        let mut lines: Vec<String> =
            findings.into_iter().map(|finding| format!("index.db: {finding}")).collect();
        lines.push(match (count, subjects) {
            (0, true) => format!("index.db: says of {entries} entries what the log says"),
            (0, false) => format!(
                "index.db: says of {entries} entries what the log says; whom they are about is checked by \
                 `weir audit index --check`, which needs the keys"
            ),
            (_, _) => "index.db: searches may miss entries; `weir audit index --rebuild` makes it \
                       anew, and `weir audit verify` names what was changed in the log itself. Somebody may have changed \
                       the index"
                .to_owned(),
        });
        Compared { lines, findings: count }
    }))
}

/// `weir audit index --check`. Changes nothing; a hub may have the folder open.
#[must_use]
pub fn check(data: &DataFolder) -> Outcome {
    match checked(data) {
        Ok(outcome) => outcome,
        Err(text) => Outcome { text, exit: 2 },
    }
}

fn checked(data: &DataFolder) -> Result<Outcome, String> {
    let shown = data.dir.display();
    let clock = super::super::clock_in(&data.dir);
    if files_in(&data.dir).map_err(|e| format!("{shown}: {e}"))?.is_empty() {
        return Err(format!("{shown}: there is no audit log here"));
    }
    let keys = data.keys(&clock).map_err(|e| e.to_string())?;
    Ok(match compared(&data.dir, Some(&keys))? {
        Some(found) => Outcome { text: found.lines.join("\n"), exit: u8::from(found.findings > 0) },
        None => Outcome {
            text: format!("{shown}: there is no index; it is made when the folder is opened"),
            exit: 0,
        },
    })
}

/// `weir audit index [--rebuild]`, in a folder that no hub has open.
#[must_use]
pub fn fill(data: &DataFolder, rebuild: bool) -> Outcome {
    match filled(data, rebuild) {
        Ok(text) => Outcome { text, exit: 0 },
        Err(text) => Outcome { text, exit: 2 },
    }
}

fn filled(folder: &DataFolder, rebuild: bool) -> Result<String, String> {
    let data = folder.dir.as_path();
    let shown = data.display();
    let vkey = std::fs::read_to_string(data.join("audit.vkey"))
        .map_err(|e| format!("{shown}: audit.vkey cannot be read: {e}. Is this a data folder?"))?;
    let origin = VerifierKey::parse(&vkey).map_err(|e| format!("{shown}/audit.vkey: {e}"))?;
    let clock = super::super::clock_in(data);
    let log = folder
        .log(origin.name(), clock, AUDIT_BATCH_MAX)
        .map_err(|e| format!("{shown}: {e}. A running hub fills its index itself."))?;
    let entries = if rebuild { log.rebuild_index() } else { log.catch_up_index() };
    let entries = entries.map_err(|e| format!("{shown}/index.db: {e}"))?;
    Ok(format!("index.db: {entries} entries are taken up"))
}
