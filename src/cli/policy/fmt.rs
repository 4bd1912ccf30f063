//! `weir policy fmt`: tables with their spacing in order, and the same meaning as before.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Outcome, findings};
use crate::policy::book::RuleBook;
use crate::policy::load::{Files, load, read_dir};
use crate::policy::rulebook::tidied;

/// What to put in order.
#[derive(clap::Args)]
#[command(after_help = "Example: weir policy fmt policies --check")]
pub struct Wish {
    /// The policy folder.
    dir: PathBuf,
    /// Only say which files would change; exit code 1 where one would.
    #[arg(long)]
    check: bool,
}

/// Puts the folder's tables in order, or says which would change.
pub(super) fn run(wish: &Wish) -> Outcome {
    let lines = |found: Vec<crate::policy::load::Finding>| {
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        findings(&wish.dir, &lines)
    };
    let before = match read_dir(&wish.dir) {
        Ok(files) => files,
        Err(found) => return lines(found),
    };
    let old = match load(&before) {
        Ok(book) => book,
        Err(found) => return lines(found),
    };
    let mut after = before.clone();
    let mut changed = Vec::new();
    for (name, bytes) in &before {
        let text = String::from_utf8_lossy(bytes);
        if let Some(tidy) = tidied(name, &text).filter(|tidy| *tidy != text) {
            after.insert(name.clone(), tidy.into_bytes());
            changed.push(name.clone());
        }
    }
    if !load(&after).is_ok_and(|new| means_the_same(&old, &new)) {
        let text = format!(
            "{}: the files would mean something else. Nothing was changed.",
            wish.dir.display()
        );
        return Outcome { text, exit: 2 };
    }
    if changed.is_empty() {
        return Outcome { text: "every table is in order".to_owned(), exit: 0 };
    }
    if wish.check {
        let lines: Vec<String> =
            changed.iter().map(|name| format!("{name}: would be put in order")).collect();
        return Outcome { text: lines.join("\n"), exit: 1 };
    }
    match changed.iter().try_for_each(|name| replace(&wish.dir, name, &after)) {
        Ok(()) => {
            let lines: Vec<String> =
                changed.iter().map(|name| format!("{name}: put in order")).collect();
            Outcome { text: lines.join("\n"), exit: 0 }
        }
        Err(text) => Outcome { text, exit: 2 },
    }
}

/// True when the books differ in nothing but the hash over their bytes.
fn means_the_same(old: &RuleBook, new: &RuleBook) -> bool {
    let said = |book: &RuleBook| format!("{:?}", RuleBook { hash: [0; 32], ..book.clone() });
    said(old) == said(new)
}

/// Whole or not at all: written beside the file, then renamed over it. The name begins with a dot, which
/// the loader passes over.
fn replace(dir: &Path, name: &str, files: &Files) -> Result<(), String> {
    let bytes = files.get(name).map(Vec::as_slice).unwrap_or_default();
    let path = dir.join(name);
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{file}.tmp"));
    let permissions = fs::metadata(&path).map_err(failed)?.permissions();
    let written = fs::File::create(&beside)
        .and_then(|mut out| {
            std::io::Write::write_all(&mut out, bytes)?;
            out.set_permissions(permissions)?;
            out.sync_all()
        })
        .and_then(|()| fs::rename(&beside, &path));
    written.map_err(|error| {
        let problem = failed(error);
        match fs::remove_file(&beside) {
            Ok(()) | Err(_) => problem,
        }
    })
}
