//! `weir backup`, beside a hub that goes on, and `weir restore`.

use std::path::Path;

use super::{Outcome, clock_in};
use crate::app::DataFolder;
use crate::audit::checkpoint::VerifierKey;
use crate::store::StoreError;
use crate::store::sqlite::backup;
use crate::store::sqlite::log::{files_in, verify_files};

/// `weir backup --data DIR --out DIR2`. What was copied is verified: a copy that was never read is none.
#[must_use]
pub fn back_up(data: &Path, out: &Path) -> Outcome {
    let made = backup::back_up(data, out, |_| ()).and_then(|()| whole(out));
    match made {
        Ok(said) => Outcome {
            text: format!(
                "{}: {said}. The hub key is not in it: keep that elsewhere.",
                out.display()
            ),
            exit: 0,
        },
        Err(error) => Outcome { text: error.to_string(), exit: 2 },
    }
}

/// `weir restore --from DIR2 --data DIR [--hub-key-file FILE] [--lock FILE]`. Exit code 1: restored, but older
/// than what the lock has seen.
#[must_use]
pub fn restore(from: &Path, folder: &DataFolder) -> Outcome {
    match restored(from, folder) {
        Ok(outcome) => outcome,
        Err(error) => Outcome { text: error.to_string(), exit: 2 },
    }
}

fn restored(from: &Path, folder: &DataFolder) -> Result<Outcome, StoreError> {
    let data = &folder.dir;
    let (mut said, mut seen) = (String::new(), None);
    let check = |new: &Path| {
        said = whole(new)?;
        // A lock that cannot be read is told before anything is in its place.
        seen = folder.rollback_lock().seen(data, &key_of(new)?)?;
        // With the key at hand, what it opens is opened.
        if folder.hub_key_file.exists() {
            let there = DataFolder { dir: new.to_owned(), ..folder.clone() };
            let sound = there.keys(&clock_in(new))?.check()?;
            if sound.wrong > 0 {
                return Err(StoreError::Keys(format!("{} keys do not open", sound.wrong)));
            }
            said.push_str(&format!("; {} keys open", sound.keys));
        } else {
            let file = folder.hub_key_file.display();
            said.push_str(&format!("; the hub key {file} is not here, nothing was opened"));
        }
        Ok(())
    };
    backup::restore(from, data, check, |_| ())?;
    let mut text = format!("{}: {said}", data.display());
    let mut exit = 0;
    if let Some(seen) = &seen {
        let verdict = verify_files(&files_in(data)?, key_of(data)?, None, Some(seen))?;
        for finding in verdict.findings {
            exit = 1;
            text.push_str(&format!("\nOlder than what the lock has seen: {finding}"));
        }
        if exit == 1 {
            text.push_str(
                "\nThe hub does not start on it. Restore a newer copy; where there is none: weir audit \
                 accept-rollback",
            );
        }
    }
    Ok(Outcome { text, exit })
}

fn key_of(dir: &Path) -> Result<VerifierKey, StoreError> {
    let wrong = |why: String| StoreError::Corrupt(format!("{}: audit.vkey: {why}", dir.display()));
    let text = std::fs::read_to_string(dir.join("audit.vkey")).map_err(|e| wrong(e.to_string()))?;
    VerifierKey::parse(&text).map_err(|e| wrong(e.to_string()))
}

/// Verifies the log of a folder.
fn whole(dir: &Path) -> Result<String, StoreError> {
    let files = files_in(dir)?;
    let verdict = verify_files(&files, key_of(dir)?, None, None)?;
    match verdict.findings.first() {
        Some(finding) => Err(StoreError::Corrupt(format!("{}: {finding}", dir.display()))),
        None => Ok(format!("the log is whole with {} entries", verdict.entries)),
    }
}
