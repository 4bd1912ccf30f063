//! What a folder looks like from outside, and whether it is worth reading.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use aws_lc_rs::digest;

use crate::limits::{POLICY_FILES_MAX, POLICY_READ_TURNS};
use crate::policy::load::Files;

/// Length, times of writing and of change, and number of each file; or why it cannot be looked at.
pub(super) type Print = Result<BTreeMap<String, [i64; 5]>, String>;

/// Looks at a folder and its folders, one level deep, without reading.
pub(super) fn print(dir: &Path) -> Print {
    let mut out = BTreeMap::new();
    look(dir, "", &mut out).map_err(|error| error.kind().to_string())?;
    Ok(out)
}

fn look(dir: &Path, prefix: &str, out: &mut BTreeMap<String, [i64; 5]>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        // More than a folder may hold: the reading says so.
        if out.len() > POLICY_FILES_MAX {
            break;
        }
        // What explains a folder is no part of what it says.
        if entry.file_name().to_string_lossy().starts_with('.') || name == "README.md" {
            continue;
        }
        let meta = std::fs::symlink_metadata(entry.path())?;
        if meta.is_dir() && prefix.is_empty() {
            look(&entry.path(), &format!("{name}/"), out)?;
        } else {
            let time = |seconds: i64, nanos: i64| seconds.wrapping_mul(1_000_000_000) + nanos;
            let print = [
                i64::try_from(meta.len()).unwrap_or(i64::MAX),
                time(meta.mtime(), meta.mtime_nsec()),
                time(meta.ctime(), meta.ctime_nsec()),
                meta.ino().cast_signed(),
                i64::from(meta.mode()),
            ];
            out.insert(name, print);
        }
    }
    Ok(())
}

/// What was seen and judged so far.
#[derive(Default)]
pub(super) struct Watched {
    /// The latest look.
    seen: Option<Print>,
    /// The latest look that was followed by a judgement.
    done: Option<Print>,
    /// All bytes that were judged last, approvals too.
    content: Option<[u8; 32]>,
    /// Looks since the folder was read.
    turns: u32,
}

impl Watched {
    /// It changed and is quiet now; or it has not been read for long, and some file systems do not
    /// tell of every change.
    pub(super) fn is_worth_reading(&mut self, print: &Print) -> bool {
        self.turns += 1;
        let quiet = self.seen.as_ref() == Some(print);
        quiet && (self.done.as_ref() != Some(print) || self.turns >= POLICY_READ_TURNS)
    }

    /// Nothing changed since it was judged.
    pub(super) fn is_judged(&self, print: &Print) -> bool {
        self.done.as_ref() == Some(print)
    }

    pub(super) fn saw(&mut self, print: Print) {
        self.seen = Some(print);
    }

    /// What was seen is judged.
    pub(super) fn done(&mut self) {
        self.done.clone_from(&self.seen);
        self.turns = 0;
    }

    pub(super) fn was_judged(&self, files: &Files) -> bool {
        self.content == Some(all(files))
    }

    pub(super) fn judged(&mut self, files: &Files) {
        self.content = Some(all(files));
    }

    pub(super) fn unreadable(&mut self) {
        self.content = None;
    }
}

fn all(files: &Files) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in files.iter().flat_map(|(name, bytes)| [name.as_bytes(), bytes.as_slice()]) {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}
