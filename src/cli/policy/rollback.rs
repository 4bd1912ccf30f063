//! `weir policy rollback`: puts the files of an earlier version back into the folder, to be approved like any other
//! change.

use std::path::PathBuf;

use super::Outcome;
use super::approve::write_whole;
use crate::policy::kept::{build, unpack};
use crate::policy::load::{Files, content, hash, read_dir};
use crate::store::sqlite::policies::PolicyReader;

/// Which version, and where to.
#[derive(clap::Args)]
#[command(
    after_help = "Example: weir policy rollback 41 policies --data weir-data\n\nThe version comes into \
                  force once it is approved: where it widens, two people must."
)]
pub struct Wish {
    /// The number of the version.
    version: u64,
    /// The policy folder.
    dir: PathBuf,
    /// The hub's data folder. The hub may run.
    #[arg(long, default_value = "weir-data")]
    data: PathBuf,
}

/// Puts the files back.
pub(super) fn run(wish: &Wish) -> Outcome {
    match put_back(wish) {
        Ok(text) => Outcome { text, exit: 0 },
        Err(text) => Outcome { text, exit: 2 },
    }
}

fn put_back(wish: &Wish) -> Result<String, String> {
    let Wish { version, dir, data } = wish;
    let wrong = |e: crate::store::StoreError| format!("--data {}: {e}", data.display());
    let none = || format!("--data {}: no version {version} was ever in force", data.display());
    let reader = PolicyReader::open(data).map_err(wrong)?.ok_or_else(none)?;
    let (kept, bytes) = reader.folder(Some(*version)).map_err(wrong)?.ok_or_else(none)?;
    let files = unpack(&bytes).filter(|files| hash(files) == kept.hash);
    let files =
        files.ok_or_else(|| format!("version {version}: what is kept of it was changed"))?;
    build(&files).map_err(|lines| {
        format!("version {version} does not load in this program:\n{}", lines.join("\n"))
    })?;
    let there = read_dir(dir).map_err(|found| {
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })?;
    replace(wish, &there, &files)?;
    Ok(format!(
        "{}: holds version {version} (in force since {}) again. Approve it: weir policy approve {}",
        dir.display(),
        kept.since,
        dir.display()
    ))
}

fn replace(wish: &Wish, there: &Files, files: &Files) -> Result<(), String> {
    let dir = &wish.dir;
    for (name, bytes) in files.iter().filter(|(name, bytes)| there.get(*name) != Some(*bytes)) {
        write_whole(&dir.join(name), bytes)?;
    }
    for (name, _) in content(there).filter(|(name, _)| !files.contains_key(*name)) {
        let path = dir.join(name);
        std::fs::remove_file(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(())
}
