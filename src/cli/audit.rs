//! `weir audit`: the log of a data folder, without a running hub.

pub mod accept;
pub mod accept_split;
pub mod anchor;
mod asked;
pub mod export;
mod heads;
pub mod index;
mod policies;
pub mod question;
pub mod register;
pub mod retain;
pub mod search;

use std::path::Path;

use super::Outcome;
use crate::audit::checkpoint::VerifierKey;
use crate::audit::tile::TILE_WIDTH;
use crate::audit::verify::Verdict;
use crate::store::sqlite::log::{RollbackLock, files_in, verify_files};

/// `weir audit verify --data DIR [--key KEY] [--kept SIZE:ROOT]… [--lock FILE]`. Without a key that the auditor has
/// kept, the one in the folder is used: that finds every change but a log that was made anew with another key.
/// Without a lock that is named, the one beside the folder is used, if there is one.
#[must_use]
pub fn verify(data: &Path, key: Option<&str>, kept: &[String], lock: Option<&Path>) -> Outcome {
    match verified(data, key, kept, lock) {
        Ok(outcome) => outcome,
        Err(text) => Outcome { text, exit: 2 },
    }
}

/// `weir audit verify --export DIR [--key KEY]`: an export, which verifies alone.
#[must_use]
pub fn verify_export(export: &Path, data: &Path, key: Option<&str>) -> Outcome {
    match key_of(data, key) {
        Ok(key) => export::verify(export, &key),
        Err(text) => Outcome { text, exit: 2 },
    }
}

/// `weir audit verify --receipt FILE [--key KEY]`: a receipt, which verifies alone.
#[must_use]
pub fn verify_receipt(receipt: &Path, data: &Path, key: Option<&str>) -> Outcome {
    match key_of(data, key) {
        Ok(key) => super::proofs::verify_receipt(receipt, &key),
        Err(text) => Outcome { text, exit: 2 },
    }
}

/// The key that was named, or the one in the folder.
fn key_of(data: &Path, key: Option<&str>) -> Result<VerifierKey, String> {
    let shown = data.display();
    let text = match key {
        Some(key) => key.to_owned(),
        None => std::fs::read_to_string(data.join("audit.vkey")).map_err(|e| {
            format!("{shown}: audit.vkey cannot be read: {e}. Is this a data folder? Or name --key")
        })?,
    };
    VerifierKey::parse(&text).map_err(|e| format!("the verifier key: {e}"))
}

/// `SIZE:ROOT`, as an earlier verification printed it.
fn kept_root(text: &str) -> Option<(u64, [u8; 32])> {
    let (size, root) = text.split_once(':')?;
    Some((size.parse().ok()?, hex::decode(root).ok()?.try_into().ok()?))
}

/// The file of a checkpoint that the log has signed.
fn kept_checkpoint(path: &str, key: &VerifierKey) -> Result<(u64, [u8; 32]), String> {
    let note = std::fs::read_to_string(path).map_err(|e| {
        format!(
            "--kept \"{path}\" must be SIZE:ROOT, as an earlier verification printed it, or the \
             file of a checkpoint: {e}"
        )
    })?;
    let head = key.open(&note).map_err(|e| format!("--kept {path}: {e}"))?;
    Ok((head.size, head.root))
}

fn verified(
    data: &Path,
    key: Option<&str>,
    kept: &[String],
    lock: Option<&Path>,
) -> Result<Outcome, String> {
    let shown = data.display();
    let key = key_of(data, key)?;
    let kept =
        kept.iter().map(|text| kept_root(text).map_or_else(|| kept_checkpoint(text, &key), Ok));
    let kept: Vec<_> = kept.collect::<Result<_, _>>()?;
    let files = files_in(data).map_err(|e| format!("{shown}: {e}"))?;
    // Read before the log: a hub that goes on writing makes the log longer, never the lock.
    let kept_policies = policies::kept(data);
    let locked = lock.map_or_else(|| RollbackLock::beside(data), RollbackLock::at);
    let seen = locked.seen(data, &key).map_err(|e| e.to_string())?;
    if files.is_empty() {
        let none = format!("{shown}: there is no audit log here");
        let Some(seen) = seen else { return Err(none) };
        let text = format!("{none}, and the lock has seen one of {} entries", seen.size);
        return Ok(Outcome { text, exit: 1 });
    }
    if let Some(named) = lock.filter(|_| seen.is_none()) {
        return Err(format!("--lock {}: there is no lock here", named.display()));
    }
    let names: Vec<_> =
        files.iter().filter_map(|file| file.file_name()?.to_str().map(str::to_owned)).collect();
    let name = names.join(", ");
    let verdict = verify_files(&files, key.clone(), kept, seen.as_ref())
        .map_err(|e| format!("{shown}: {e}"))?;
    let mut wrong = verdict.findings.len();
    let mut lines: Vec<String> =
        verdict.findings.iter().map(|finding| format!("{name}: {finding}")).collect();
    let notes = verdict.accepted.iter().chain(&verdict.notes);
    lines.extend(notes.map(|note| format!("{name}: note: {note}")));
    let (entries, root) = (verdict.entries, hex::encode(verdict.root));
    lines.push(format!("{name}: {entries} entries, {}, root {root}", tiles(&verdict)));
    // What is not what was signed is nothing to hold a later one against.
    if verdict.findings.is_empty() {
        lines.push(format!("Keep for next time: --kept {entries}:{root}"));
    }
    let beside = [
        ("index.db", index::compared(data, None)),
        ("heads.db", heads::compared(data, &key)),
        ("hub.db", policies::compared(data, kept_policies, &verdict)),
    ];
    for (file, found) in beside {
        // What was found so far is told, whatever became of the rest.
        let found = found.unwrap_or_else(|why| {
            let lines = vec![format!("{file}: cannot be held against the log: {why}")];
            Some(index::Compared { findings: 1, lines })
        });
        if let Some(found) = found {
            wrong += found.findings;
            lines.extend(found.lines);
        }
    }
    lines.push(match (verdict.findings.len(), wrong) {
        (_, 0) => format!("The log is whole, under the key {}", key.text()),
        (0, _) => format!("{wrong} finding(s) beside the log; it is what its own heads say"),
        (_, _) => format!("{wrong} finding(s): the log is not what was signed"),
    });
    Ok(Outcome { text: lines.join("\n"), exit: u8::from(wrong > 0) })
}

/// What is said of the stored tiles.
fn tiles(verdict: &Verdict) -> String {
    match verdict.tiles {
        0 if verdict.entries >= TILE_WIDTH as u64 => "no tiles stored (yet)".to_owned(),
        tiles => format!("{tiles} full tiles"),
    }
}
