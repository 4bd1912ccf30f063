//! `weir policy diff`: what an edit changes, exactly, and who has to approve it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use super::Outcome;
use super::version::version;
use crate::clock::{Clock, SystemClock};
use crate::policy::book::RuleBook;
use crate::policy::diff::{Class, Diff, Side, between};
use crate::policy::load::{Files, load, read_dir};
use crate::policy::matrix;

/// What to compare.
#[derive(clap::Args)]
#[command(after_help = "Example: weir policy diff policies policies-new\n\
                  Example: weir policy diff policies policies@2027-04-01\n\
                  Example: weir policy diff version:41 policies --data weir-data\n\
                  Example: weir policy diff policies --matrix > matrix.csv")]
pub struct Wish {
    /// The folder as it is; FOLDER@YYYY-MM-DD: as of a day; version:N: what was in force under that number,
    /// and version: what is.
    old: String,
    /// The folder as it is to be; the same where it is not said.
    new: Option<String>,
    /// The day on which both are looked at; today where it is not said.
    #[arg(long)]
    as_of: Option<String>,
    /// The hub's data folder, for versions. The hub may run.
    #[arg(long, default_value = "weir-data")]
    data: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Print the grid of agency, purpose and category of the new folder as CSV.
    #[arg(long)]
    matrix: bool,
}

/// A folder that is loaded.
struct Folder {
    files: Files,
    book: RuleBook,
    day: Date,
}

/// Compares two folders.
pub(super) fn run(wish: &Wish) -> Outcome {
    match compared(wish) {
        Ok(text) => Outcome { text, exit: 0 },
        Err(text) => Outcome { text, exit: 2 },
    }
}

fn compared(wish: &Wish) -> Result<String, String> {
    let day = match &wish.as_of {
        Some(day) => Some(a_day(day, "--as-of")?),
        None => None,
    };
    let old = folder(&wish.old, day, &wish.data)?;
    let new = folder(wish.new.as_ref().unwrap_or(&wish.old), day, &wish.data)?;
    if wish.matrix {
        return matrix::grid(&new.book).map_err(|e| e.to_string());
    }
    let diff = between(
        Side { book: &old.book, files: &old.files, day: old.day },
        Side { book: &new.book, files: &new.files, day: new.day },
    )
    .map_err(|e| e.to_string())?;
    let edited = old.files != new.files;
    Ok(if wish.json { json(&diff) } else { text(&diff, edited) })
}

fn a_day(text: &str, flag: &str) -> Result<Date, String> {
    text.parse().map_err(|_| format!("{flag}: \"{text}\" must be a day like 2027-03-31"))
}

fn folder(named: &str, day: Option<Date>, data: &Path) -> Result<Folder, String> {
    let (dir, day) = match named.rsplit_once('@') {
        Some((dir, at)) if !Path::new(named).exists() => (dir, Some(a_day(at, named)?)),
        Some(_) | None => (named, day),
    };
    let path = PathBuf::from(dir);
    let broken = |findings: Vec<crate::policy::load::Finding>| {
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        format!("{}\n{dir}: cannot be compared until this is put right.", lines.join("\n"))
    };
    let files = match dir.strip_prefix("version:") {
        Some(number) if !path.exists() => version(number, data)?.1,
        Some(_) | None => read_dir(&path).map_err(broken)?,
    };
    let book = load(&files).map_err(broken)?;
    let today = day.unwrap_or_else(|| {
        let now = book.place.sample_clock.unwrap_or_else(|| SystemClock.now());
        now.to_zoned(book.place.zone.clone()).date()
    });
    Ok(Folder { files, book, day: today })
}

/// The report for people.
pub(super) fn text(diff: &Diff, edited: bool) -> String {
    let Some(class) = diff.class() else {
        return "No change.".to_owned();
    };
    let mut out = String::new();
    let mut counts: BTreeMap<Class, usize> = BTreeMap::new();
    for change in &diff.changes {
        *counts.entry(change.class).or_default() += 1;
    }
    let counted = |class| counts.get(&class).copied().unwrap_or_default();
    // Into memory, here and below.
    let _ = writeln!(
        out,
        "{class}. {} change(s) widen, {} narrow, {} reword. {} combination(s) of recipient, role, purpose \
         and field newly allowed, {} no longer, of {}.",
        counted(Class::Widens),
        counted(Class::Narrows),
        counted(Class::Rewords),
        diff.newly_allowed,
        diff.no_longer_allowed,
        diff.combinations
    );
    for change in &diff.changes {
        let _ = writeln!(out, "{:7}  {}  {}", change.class, change.place, change.text);
        for sample in &change.samples {
            let _ = writeln!(out, "           such as: {sample}");
        }
    }
    if !edited {
        out.push_str("Nothing is edited: the days do it by themselves.");
        return out;
    }
    let approvals = diff.approvals();
    let roles: Vec<&str> = approvals.roles.iter().copied().collect();
    let author = if approvals.class == Class::Widens { ", none of them its author" } else { "" };
    let _ = write!(
        out,
        "Needs the approval of {} person(s){author}{}.",
        approvals.people,
        if roles.is_empty() {
            String::new()
        } else {
            format!("; among them: {}", roles.join(", "))
        }
    );
    out
}

fn json(diff: &Diff) -> String {
    let changes: Vec<_> = diff
        .changes
        .iter()
        .map(|change| {
            serde_json::json!({
                "class": change.class.as_str(), "place": change.place, "text": change.text,
                "samples": change.samples,
            })
        })
        .collect();
    let approvals = diff.approvals();
    serde_json::json!({
        "class": diff.class().map_or("NO CHANGE", Class::as_str),
        "newly_allowed": diff.newly_allowed.to_string(),
        "no_longer_allowed": diff.no_longer_allowed.to_string(),
        "combinations": diff.combinations.to_string(),
        "changes": changes,
        "approvals": { "people": approvals.people, "roles": approvals.roles },
    })
    .to_string()
}
