//! `weir policy suspend`: stops sharing under an agreement, or to an agency, at once and by one person.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::approve::{Signing, write_whole};
use super::key::Key;
use super::{Outcome, findings};
use crate::policy::approval::{STATUS, SUSPENDED};
use crate::policy::book::RuleBook;
use crate::policy::kept::build;
use crate::policy::load::{Files, nearest, read_dir};

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
    let lines = |all: Vec<crate::policy::load::Finding>| -> Vec<String> {
        all.iter().map(ToString::to_string).collect()
    };
    let files = match read_dir(&wish.dir) {
        Ok(files) => files,
        Err(found) => return Ok(findings(&wish.dir, &lines(found))),
    };
    let policy = match build(&files) {
        Ok(policy) => policy,
        Err(found) => return Ok(findings(&wish.dir, &found)),
    };
    let day = super::super::clock_in(&wish.data).now().to_zoned(policy.book().place.zone.clone());
    let (name, text) = edit(wish, &files, policy.book(), &day.date().to_string())?;
    let mut edited = files;
    edited.insert(name.clone(), text.clone().into_bytes());
    // Held against the loader before anything is written.
    if let Err(found) = build(&edited) {
        return Ok(findings(&wish.dir, &found));
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
    Ok(Outcome { text: format!("{name}: {} is suspended.\n{}", wish.what, signed.text), ..signed })
}

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
    let row = format!(
        "p, SUSPENDED-{}, {what}, *, *, *, -, -, *, -, -, -, -, -, -, -, *, -, WHO_AGENCY_SUSPENDED, \
         suspended on {day}, deny",
        rows.len() + 1
    );
    rows.push(&row);
    let head = "# Agencies that receive nothing while they are suspended. `weir policy suspend` writes this \
                file.\n# p, id, agency, role, purpose, category, only, when, despite, gateway, art6, art9, \
                art10, ground, agreement, choices, overrides, duties, code, because, eft\n";
    let text = format!("{head}{}\n# end {} rows\n", rows.join("\n"), rows.len());
    Ok((SUSPENDED.to_owned(), text))
}
