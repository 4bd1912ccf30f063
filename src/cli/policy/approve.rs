//! `weir policy approve`: says what a folder changes, and signs it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::key::Key;
use super::{Outcome, findings};
use crate::policy::approval::{
    Advice, Bundle, Change, Class, FOLDER, Side, between, file_digests, may_be_one_person, person,
    signature_file,
};
use crate::policy::kept::{build, failing_scenarios, unpack_own};
use crate::policy::load::{Files, load, read_dir};
use crate::store::sqlite::policies::PolicyReader;

/// What to approve.
#[derive(clap::Args)]
#[command(
    after_help = "Example: weir policy approve policies --key ~/weir-approval.key --name 'Ade Bakare' \
                  --author 'Dee Author' --data weir-data\n\nThe first approver names the author; the \
                  others sign the same bundle."
)]
pub struct Wish {
    /// The policy folder.
    dir: PathBuf,
    /// The file of your key.
    #[arg(long)]
    key: PathBuf,
    /// Your name, as the operator has entered it beside your key.
    #[arg(long)]
    name: String,
    /// Who wrote the change.
    #[arg(long)]
    author: Option<String>,
    /// The hub's data folder: what is in force stands there. The hub may run.
    #[arg(long, default_value = "weir-data")]
    data: PathBuf,
    /// From when on it may be in force, such as 2026-08-01T00:00:00+01:00; at once where not said.
    #[arg(long)]
    not_before: Option<Timestamp>,
    /// How many combinations the diff says are newly allowed: every approver of a change that widens types it.
    #[arg(long, value_name = "NUMBER")]
    newly_allowed: Option<u128>,
    /// Codes of the warnings that the change brings, such as W42,W43.
    #[arg(long, value_delimiter = ',', value_name = "CODES")]
    acknowledge: Vec<String>,
    /// What the data protection officer advised about a change that widens.
    #[arg(long, requires = "advice_by", value_name = "TEXT")]
    advice: Option<String>,
    /// The data protection officer.
    #[arg(long, requires = "advice", value_name = "NAME")]
    advice_by: Option<String>,
    /// Why the advice is not followed.
    #[arg(long, requires = "advice", value_name = "REASON")]
    advice_not_followed: Option<String>,
}

impl Wish {
    fn advice(&self) -> Option<Advice> {
        let (text, by) = self.advice.clone().zip(self.advice_by.clone())?;
        Some(Advice { by, text, not_followed: self.advice_not_followed.clone() })
    }
}

/// Approves the folder.
pub(super) fn run(wish: &Wish) -> Outcome {
    let signing = Signing {
        dir: &wish.dir,
        key: &wish.key,
        name: &wish.name,
        author: wish.author.as_deref(),
        data: &wish.data,
        not_before: wish.not_before,
        newly_allowed: wish.newly_allowed,
        acknowledged: wish.acknowledge.iter().map(|code| code.trim().to_owned()).collect(),
        advice: wish.advice(),
    };
    signing.run()
}

/// One approval, by whichever command.
pub(super) struct Signing<'a> {
    pub dir: &'a Path,
    pub key: &'a Path,
    pub name: &'a str,
    pub author: Option<&'a str>,
    pub data: &'a Path,
    pub not_before: Option<Timestamp>,
    pub newly_allowed: Option<u128>,
    pub acknowledged: BTreeSet<String>,
    pub advice: Option<Advice>,
}

/// What is in force, as the data folder has it.
struct Served {
    number: u64,
    hash: Option<[u8; 32]>,
    files: Option<Files>,
}

fn served(data: &Path) -> Result<Served, String> {
    if !data.is_dir() {
        return Err(format!(
            "--data {}: there is no such folder. It says what is in force, which a change follows; for a \
             hub that never started, start it once: it waits for a policy.",
            data.display()
        ));
    }
    let wrong = |e: crate::store::StoreError| format!("--data {}: {e}", data.display());
    let newest = match PolicyReader::open(data).map_err(wrong)? {
        Some(reader) => reader.folder(None).map_err(wrong)?,
        None => None,
    };
    Ok(match newest {
        None => Served { number: 0, hash: None, files: None },
        Some((kept, bytes)) => Served {
            number: kept.number,
            hash: Some(kept.hash),
            // Unsigned: for who needs approvals it never was in force.
            files: unpack_own(&bytes, kept.hash).filter(|_| !kept.note.approved_by.is_empty()),
        },
    })
}

impl Signing<'_> {
    pub(super) fn run(&self) -> Outcome {
        match self.signed() {
            Ok(outcome) => outcome,
            Err(text) => Outcome { text, exit: 2 },
        }
    }

    fn signed(&self) -> Result<Outcome, String> {
        let key = Key::read(self.key, self.dir)?;
        let files = match read_dir(self.dir) {
            Ok(files) => files,
            Err(found) => {
                let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
                return Ok(findings(self.dir, &lines));
            }
        };
        let policy = match build(&files) {
            Ok(policy) => policy,
            Err(lines) => return Ok(findings(self.dir, &lines)),
        };
        let served = served(self.data)?;
        let old = served.files.as_ref().and_then(|files| Some((load(files).ok()?, files)));
        let now = super::super::clock_in(self.data).now();
        let day = now.to_zoned(policy.book().place.zone.clone()).date();
        let old = old.as_ref().map(|(book, files)| Side { files, book, day });
        let change = between(old, Side { files: &files, book: policy.book(), day });
        let failing = failing_scenarios(&files, &policy);
        if !failing.is_empty() && !change.suspends {
            return Ok(findings(self.dir, &failing));
        }
        let (bundle, bytes, anew) = self.bundle(&files, &served, &change)?;
        let alone = change.class == Class::Widening;
        if alone && may_be_one_person(self.name, &bundle.author) {
            return Err(format!(
                "--name {}: the author may not approve a change that widens. Another person must.",
                self.name
            ));
        }
        let typed = Bundle { newly_allowed: self.newly_allowed, ..bundle.clone() };
        if let Err(unknown) = typed.knows(&change) {
            let mut text = format!("{unknown}\nNothing was signed.");
            if let Some(diff) = &change.diff {
                text = format!("{}\n{text}", super::diff::text(diff, true));
            }
            return Ok(Outcome { text, exit: 1 });
        }
        if anew {
            self.put_away(&files)?;
            self.write(Bundle::FILE, &bytes)?;
        }
        let (file, text) = signature_file(&key.sign(self.name, &bytes));
        self.write(&file, text.as_bytes())?;
        Ok(Outcome { text: told(&bundle, &change, failing.len(), self.name), exit: 0 })
    }

    /// The bundle that is there, where it is of this folder and follows what is in force; else a new one.
    fn bundle(
        &self,
        files: &Files,
        served: &Served,
        change: &Change,
    ) -> Result<(Bundle, Vec<u8>, bool), String> {
        let there =
            files.get(Bundle::FILE).and_then(|bytes| Some((Bundle::parse(bytes).ok()?, bytes)));
        if let Some((bundle, bytes)) = there
            && bundle.fits(files).is_ok()
            && bundle.version > served.number
            && bundle.previous == served.hash
            && bundle.class >= change.class
        {
            let other = |author: &str| person(author) != person(&bundle.author);
            if self.author.is_some_and(other) {
                return Err(format!("--author: the others signed that {} wrote it", bundle.author));
            }
            if self.advice.is_some() && self.advice != bundle.advice {
                return Err("--advice: the others signed other words".to_owned());
            }
            if !self.acknowledged.is_subset(&bundle.acknowledged) {
                return Err("--acknowledge: the others signed other warnings".to_owned());
            }
            if self.not_before.is_some() && self.not_before != bundle.not_before {
                return Err("--not-before: the others signed another time".to_owned());
            }
            return Ok((bundle, bytes.clone(), false));
        }
        let author = self.author.ok_or(
            "--author is missing: nobody has approved this folder as it is, and the first approver \
             says who wrote the change",
        )?;
        let bundle = Bundle {
            version: served.number + 1,
            previous: served.hash,
            not_before: self.not_before,
            author: author.to_owned(),
            class: change.class,
            newly_allowed: change.newly_allowed(),
            acknowledged: self.acknowledged.clone(),
            advice: self.advice.clone(),
            files: file_digests(files),
        };
        let bytes = bundle.text().into_bytes();
        Ok((bundle, bytes, true))
    }

    /// Takes away what approved another content.
    fn put_away(&self, files: &Files) -> Result<(), String> {
        for name in files.keys().filter(|name| name.starts_with(FOLDER)) {
            let path = self.dir.join(name);
            std::fs::remove_file(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        write_whole(&self.dir.join(name), bytes)
    }
}

/// Writes a file whole or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let wrong = |e: std::io::Error| format!("{}: {e}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(wrong)?;
    // A name that a hub does not read.
    let mut beside = std::ffi::OsString::from(".");
    beside.push(path.file_name().unwrap_or_default());
    let beside = folder.join(beside);
    std::fs::write(&beside, bytes).map_err(wrong)?;
    std::fs::rename(&beside, path).map_err(wrong)
}

fn told(bundle: &Bundle, change: &Change, failing: usize, name: &str) -> String {
    let mut lines = vec![format!(
        "Version {} ({}), by {}: approved by {name}. It needs {}.",
        bundle.version,
        change.class,
        bundle.author,
        change.needs()
    )];
    if !change.roles.is_empty() {
        let roles: Vec<&str> = change.roles.iter().map(String::as_str).collect();
        lines.push(format!("Among them must be the roles: {}.", roles.join(", ")));
    }
    if let Some(Advice { by, text, not_followed }) = &bundle.advice {
        let followed = match not_followed {
            None => "followed".to_owned(),
            Some(reason) => format!("not followed: {reason}"),
        };
        lines.push(format!("Advice of {by}: {text} ({followed})"));
    }
    if failing > 0 {
        lines.push(format!(
            "{failing} examples no longer come out as they say. A suspension goes live all the same; \
             the next change must put them right."
        ));
    }
    if let Some(diff) = &change.diff {
        lines.push(super::diff::text(diff, true));
    }
    match bundle.not_before {
        Some(at) => lines.push(format!("It comes into force at {at}, once all have signed.")),
        None => lines.push("It comes into force as soon as all have signed.".to_owned()),
    }
    lines.join("\n")
}
