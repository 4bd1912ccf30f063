//! `weir policy suspend`: stops sharing under an agreement, or to an agency, at once and by one person.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::approve::{Signing, write_whole};
use super::key::Key;
use super::version::version;
use super::{Outcome, findings};
use crate::policy::approval::{STATUS, SUSPENDED, Side, between};
use crate::policy::book::RuleBook;
use crate::policy::kept::build;
use crate::policy::load::{Files, hash, load, nearest, read_dir};

/// What to suspend.
#[derive(clap::Args)]
#[command(
    after_help = "Example: weir policy suspend policies isa-care --key ~/weir-approval.key --name 'Ade \
                  Bakare' --data weir-data"
)]
pub struct Wish {
    /// The policy folder.
    dir: PathBuf,
    /// An agreement, or an agency that is to receive nothing.
    what: String,
    /// The file of your key.
    #[arg(long)]
    key: PathBuf,
    /// Your name, as the operator has entered it beside your key.
    #[arg(long)]
    name: String,
    /// The hub's data folder. The hub may run.
    #[arg(long, default_value = "weir-data")]
    data: PathBuf,
}

/// Suspends, and signs.
pub(super) fn run(wish: &Wish) -> Outcome {
    match suspended(wish) {
        Ok(outcome) => outcome,
        Err(text) => Outcome { text, exit: 2 },
    }
}

fn suspended(wish: &Wish) -> Result<Outcome, String> {
    // Before anything is written.
    Key::read(&wish.key, &wish.dir)?;
    let now = super::super::clock_in(&wish.data).now();
    let there = read_dir(&wish.dir);
    // A suspension is of what is in force, and must not wait for a draft.
    let served = version("", &wish.data).ok().filter(|(kept, files)| {
        let is_so = |there: &Files| hash(there) == kept.hash || suspends(files, there, now);
        !there.as_ref().is_ok_and(is_so)
    });
    let files = match (&served, there) {
        (Some((_, files)), _) => files.clone(),
        (None, Ok(there)) => there,
        (None, Err(found)) => {
            let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
            return Ok(findings(&wish.dir, &lines));
        }
    };
    let policy = match build(&files) {
        Ok(policy) => policy,
        Err(found) => return Ok(findings(&wish.dir, &found)),
    };
    let day = now.to_zoned(policy.book().place.zone.clone());
    let (name, text) = edit(wish, &files, policy.book(), &day.date().to_string())?;
    let mut edited = files;
    edited.insert(name.clone(), text.clone().into_bytes());
    // Held against the loader before anything is written.
    if let Err(found) = build(&edited) {
        return Ok(findings(&wish.dir, &found));
    }
    let mut said = Vec::new();
    if let Some((kept, files)) = served {
        let aside = put_aside(&wish.dir)?;
        for (name, bytes) in &files {
            write_whole(&wish.dir.join(name), bytes)?;
        }
        said.push(format!(
            "{}: held edits that are not in force. They are in {} now, and version {} is back.",
            wish.dir.display(),
            aside.display(),
            kept.number
        ));
    }
    write_whole(&wish.dir.join(&name), text.as_bytes())?;
    let signing = Signing {
        dir: &wish.dir,
        key: &wish.key,
        name: &wish.name,
        author: Some(&wish.name),
        data: &wish.data,
        not_before: None,
        newly_allowed: None,
        acknowledged: BTreeSet::new(),
        advice: None,
    };
    let signed = signing.run();
    said.push(match signed.exit {
        0 => format!("{name}: {} is suspended.", wish.what),
        _ => format!("{name}: is written and NOT signed: {} is not suspended.", wish.what),
    });
    said.push(signed.text);
    Ok(Outcome { text: said.join("\n"), exit: signed.exit })
}

/// Whether a folder does nothing to what is in force but suspend: the one before may not be in force yet.
fn suspends(old: &Files, new: &Files, now: Timestamp) -> bool {
    let (Ok(was), Ok(is)) = (load(old), load(new)) else { return false };
    let day = now.to_zoned(is.place.zone.clone()).date();
    let old = Side { files: old, book: &was, day };
    between(Some(old), Side { files: new, book: &is, day }).suspends
}

/// Moves what a folder says into a new folder beside it. What is hidden, and the README, stay.
fn put_aside(dir: &Path) -> Result<PathBuf, String> {
    let wrong = |path: &Path, e: &std::io::Error| format!("{}: {e}", path.display());
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let mut free = (1..=ASIDE_MAX).map(|n| dir.with_file_name(format!("{name}-draft-{n}")));
    let aside = free.find(|path| !path.exists()).ok_or_else(|| {
        format!("{}: {ASIDE_MAX} drafts lie beside it already; clear them away", dir.display())
    })?;
    std::fs::create_dir(&aside).map_err(|e| wrong(&aside, &e))?;
    for entry in std::fs::read_dir(dir).map_err(|e| wrong(dir, &e))? {
        let entry = entry.map_err(|e| wrong(dir, &e))?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') || name == "README.md" {
            continue;
        }
        std::fs::rename(entry.path(), aside.join(&name)).map_err(|e| wrong(&entry.path(), &e))?;
    }
    Ok(aside)
}

/// Drafts put aside beside one folder.
const ASIDE_MAX: u32 = 1_000;

/// The file that suspends, with its text.
fn edit(
    wish: &Wish,
    files: &Files,
    book: &RuleBook,
    day: &str,
) -> Result<(String, String), String> {
    let what = wish.what.as_str();
    let text = |name: &str| {
        files.get(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
    };
    if book.agreements.keys().any(|id| id.as_str() == what) {
        let name = format!("agreements/{what}.toml");
        let old = text(&name);
        if !old.lines().any(|line| line.trim_end() == STATUS.0) {
            return Err(format!("{name}: the agreement is not live: nothing is shared under it"));
        }
        return Ok((name, old.replacen(STATUS.0, STATUS.1, 1)));
    }
    if !book.agencies.keys().any(|id| id.as_str() == what) {
        let words = book.agreements.keys().map(|id| id.as_str());
        let near = nearest(what, words.chain(book.agencies.keys().map(|id| id.as_str())));
        let near = near.map(|near| format!(" Nearest: \"{near}\".")).unwrap_or_default();
        return Err(format!("{what}: is no agreement and no agency of this folder.{near}"));
    }
    let old = text(SUSPENDED);
    let mut rows: Vec<&str> = old.lines().filter(|line| line.starts_with("p,")).collect();
    // Ids are never used twice, also not after one was lifted.
    let number =
        |row: &&str| row.split("SUSPENDED-").nth(1)?.split(',').next()?.parse::<u32>().ok();
    let next = rows.iter().filter_map(number).max().unwrap_or_default() + 1;
    let row = format!(
        "p, SUSPENDED-{next}, {what}, *, *, *, -, -, *, -, -, -, -, -, -, -, *, -, WHO_AGENCY_SUSPENDED, \
         suspended on {day}, deny"
    );
    rows.push(&row);
    let head = "# Agencies that receive nothing while they are suspended. `weir policy suspend` writes this \
                file.\n# p, id, agency, role, purpose, category, only, when, despite, gateway, art6, art9, \
                art10, ground, agreement, choices, overrides, duties, code, because, eft\n";
    let text = format!("{head}{}\n# end {} rows\n", rows.join("\n"), rows.len());
    Ok((SUSPENDED.to_owned(), text))
}
