//! `weir policy rollback`: puts the files of an earlier version back into the folder, to be approved like any other
//! change.

use std::path::PathBuf;

use super::Outcome;
use super::approve::write_whole;
use super::version::version as kept_version;
use crate::policy::kept::build;
use crate::policy::load::{Files, content, read_dir};

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
    let (kept, files) = kept_version(&version.to_string(), data)?;
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
