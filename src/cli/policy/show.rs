//! `weir policy show` and `rulebook`: the live files as people read them.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Outcome, findings, now, open};
use crate::policy::PolicySnapshot;
use crate::policy::scenario::{known, time};
use crate::policy::{prose, rulebook};

/// Which agreement to show.
#[derive(clap::Args)]
#[command(after_help = "Example: weir policy show policies isa-care")]
pub struct Wish {
    /// The policy folder.
    dir: PathBuf,
    /// The agreement: the name of its file without .toml.
    agreement: String,
}

/// Where the rule book goes.
#[derive(clap::Args)]
#[command(after_help = "Example: weir policy rulebook policies --out public")]
pub struct RulebookWish {
    /// The policy folder.
    dir: PathBuf,
    /// The folder to write into; made where it is not there.
    #[arg(long)]
    out: PathBuf,
    /// The day; today where not said, the sample clock's in a sample place.
    #[arg(long)]
    as_of: Option<String>,
}

/// Shows the agreement as prose.
pub(super) fn run(wish: &Wish) -> Outcome {
    let policy = match open(&wish.dir) {
        Ok(policy) => policy,
        Err(lines) => return findings(&wish.dir, &lines),
    };
    let book = policy.book();
    let ids = book.agreements.keys().map(|id| id.as_str());
    if let Err(text) = known("agreement", &wish.agreement, ids) {
        return Outcome { text, exit: 2 };
    }
    let found = book.agreements.get_key_value(wish.agreement.as_str());
    let text = found.map(|(id, about)| prose::agreement(book, id, about)).unwrap_or_default();
    Outcome { text: text.trim_end().to_owned(), exit: 0 }
}

/// Writes the rule book.
pub(super) fn rulebook_run(wish: &RulebookWish) -> Outcome {
    let policy = match open(&wish.dir) {
        Ok(policy) => policy,
        Err(lines) => return findings(&wish.dir, &lines),
    };
    match written(&policy, wish) {
        Ok(text) => Outcome { text, exit: 0 },
        Err(text) => Outcome { text, exit: 2 },
    }
}

fn written(policy: &PolicySnapshot, wish: &RulebookWish) -> Result<String, String> {
    let book = policy.book();
    let at = match &wish.as_of {
        Some(text) => time(text, book)?,
        None => now(policy),
    };
    let files = [
        ("index.html", rulebook::html(book, at)?),
        ("rulebook.md", rulebook::markdown(book, at)?),
        ("article-30.csv", rulebook::article_30(book, at)?),
        ("public-register.csv", rulebook::public_register(book, at)?),
        ("dpia-roles-by-data.csv", rulebook::roles_by_data(book, at)?),
    ];
    let out = &wish.out;
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(out).map_err(|error| failed(out, error))?;
    let inside =
        |dir: &Path| Ok::<_, std::io::Error>(out.canonicalize()?.starts_with(dir.canonicalize()?));
    if inside(&wish.dir).map_err(|error| failed(out, error))? {
        return Err(format!(
            "{}: lies in the policy folder, which holds policy files only. Name another folder.",
            out.display()
        ));
    }
    let mut lines = Vec::new();
    for (name, text) in files {
        let path = out.join(name);
        fs::write(&path, text).map_err(|error| failed(&path, error))?;
        lines.push(path.display().to_string());
    }
    Ok(lines.join("\n"))
}
