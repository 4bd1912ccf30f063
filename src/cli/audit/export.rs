//! `weir audit export`, on a data folder that no hub has open, and `weir audit verify --export`.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::Outcome;
use super::super::import::{Trouble, ended, failed, open, runtime};
use super::asked::{Asked, Known, reading, searching, unheard};
use super::search::{Filters, search_of};
use crate::app::DataFolder;
use crate::audit::checkpoint::VerifierKey;
use crate::audit::export::check::Checker;
use crate::audit::export::{ENTRIES, Listed, MANIFEST};
use crate::domain::AgencyId;
use crate::hub::{Exporting, Formats, ONE_RESIDENT};
use crate::store::{Search, Store};

/// Longest line of an export that is read, in bytes.
const LINE_LEN_MAX: u64 = 4 * 1024 * 1024;
/// Longest manifest that is read, in bytes.
const MANIFEST_LEN_MAX: u64 = 1024 * 1024;
/// Differences that are named.
const FINDINGS_MAX: usize = 100;

/// What to export.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Example: weir audit export --data weir-data --kind Refuse --out refusals --format csv"
)]
pub struct Wish {
    /// The data folder; no hub must have it open.
    #[arg(long, default_value = "weir-data")]
    data: PathBuf,
    /// The file of the hub key; without it, DIR.hub-key beside the data folder.
    #[arg(long)]
    hub_key_file: Option<PathBuf>,
    #[command(flatten)]
    filters: Filters,
    /// From this entry on.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Up to before this entry.
    #[arg(long)]
    to: Option<u64>,
    /// As an auditor of this agency would see it: what it asked for or held, others' people under other names.
    #[arg(long)]
    auditor_of: Option<String>,
    /// Beside the lines that prove: csv (for spreadsheets), fhir (R4 AuditEvent).
    #[arg(long = "format", value_delimiter = ',')]
    formats: Vec<String>,
    /// Lays open whom the entries are about and what the askers wrote, which is personal.
    #[arg(long)]
    open: bool,
    /// The folder to write; must not be there.
    #[arg(long)]
    out: PathBuf,
    /// No progress bar.
    #[arg(long)]
    quiet: bool,
}

/// Runs it. That it is made is an entry before anything is read, and its manifest's digest another one before the
/// folder is there.
#[must_use]
pub fn run(wish: &Wish) -> Outcome {
    ended(runtime().and_then(|runtime| runtime.block_on(exported(wish))))
}

fn formats(wish: &Wish) -> Result<Formats, Trouble> {
    let mut formats = Formats::default();
    for format in &wish.formats {
        match format.as_str() {
            "csv" => formats.csv = true,
            "fhir" => formats.fhir = true,
            "jsonl" => {}
            other => {
                return Err(failed(format!("--format \"{other}\" must be jsonl, csv or fhir")));
            }
        }
    }
    Ok(formats)
}

/// The folder while it is written; gone again where it did not become whole.
struct Part {
    dir: PathBuf,
    whole: bool,
}

impl Part {
    fn beside(out: &Path) -> Result<Self, Trouble> {
        let shown = out.display();
        if out.exists() {
            return Err(failed(format!("--out {shown}: is there already: name a new folder")));
        }
        let mut name = out.components().as_path().as_os_str().to_owned();
        name.push(".part");
        let dir = PathBuf::from(name);
        // Not one that is there: it is somebody's, or what is left of an export that was cut off.
        DirBuilder::new().mode(0o700).create(&dir).map_err(|e| {
            failed(format!(
                "{}: {e}. Nothing is written over: remove it, or name another",
                dir.display()
            ))
        })?;
        Ok(Self { dir, whole: false })
    }
}

/// A file that its owner alone may read: it may say what somebody has asked about whom.
fn made(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.whole {
            let _left = std::fs::remove_dir_all(&self.dir);
        }
    }
}

async fn exported(wish: &Wish) -> Result<String, Trouble> {
    let formats = formats(wish)?;
    let (search, asked) = search_of(&wish.filters).map_err(failed)?;
    if wish.to.is_some_and(|to| to < wish.from) {
        return Err(failed("--to must not be before --from"));
    }
    let search = Search { from_index: wish.from, upto: wish.to, ..search };
    let auditor = wish.auditor_of.as_deref().map(str::parse::<AgencyId>).transpose();
    let auditor = auditor.map_err(|e| failed(format!("--auditor-of: {e}")))?;
    let folder = DataFolder::with_key(&wish.data, wish.hub_key_file.as_deref());
    let store: Arc<dyn Store> = Arc::new(open(&folder).await?);
    let receipt = wish.out.with_added_extension("tlog-proof");
    if receipt.exists() {
        let shown = receipt.display();
        return Err(failed(format!("{shown}: is there already: name another folder for --out")));
    }
    let mut part = Part::beside(&wish.out)?;
    let known = Known::in_force(&wish.data, &search).map_err(failed)?;
    let first = searching("weir audit export", Some("exporting"), &asked, &known, &search);
    store.append(vec![first]).await.map_err(failed)?;
    // A file that proves that a slip of the pen never happened proves nothing.
    let look = async |search| store.search(search).await;
    unheard(known, "agency", &look).await.map_err(failed)?;
    let seen_by = Search { agency: auditor.clone(), ..Search::default() };
    let auditors = Known::in_force(&wish.data, &seen_by).map_err(failed)?;
    unheard(auditors, "auditor-of", &look).await.map_err(failed)?;

    let made =
        Exporting::of_log(Arc::clone(&store), auditor.as_ref(), search, formats, wish.open).await;
    let mut made = made.map_err(failed)?;
    let write =
        |name: &str, e: std::io::Error| failed(format!("{}: {e}", part.dir.join(name).display()));
    let mut files = BTreeMap::new();
    for name in made.names() {
        files.insert(name, self::made(&part.dir.join(name)).map_err(|e| write(name, e))?);
    }
    let bar = bar(wish.quiet, made.progress().1);
    while let Some(chunks) = made.next().await.map_err(failed)? {
        for (name, text) in chunks {
            if let Some(file) = files.get_mut(name) {
                file.write_all(text.as_bytes()).map_err(|e| write(name, e))?;
            }
        }
        bar.set_position(made.progress().0);
    }
    bar.finish_and_clear();
    for (name, file) in files {
        file.sync_all().map_err(|e| write(name, e))?;
    }
    let filter = filter(asked, wish.open);
    let policy = store.kept_policy(None).await.map_err(failed)?;
    let policy = policy.map(|(kept, _)| kept.hash).unwrap_or_default();
    let at = super::super::clock_in(&wish.data).now();
    let manifest = made.manifest(filter, policy, at);
    let text = manifest.text();
    let mut file = self::made(&part.dir.join(MANIFEST)).map_err(|e| write(MANIFEST, e))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|e| write(MANIFEST, e))?;
    let sum = hex::encode(digest::digest(&digest::SHA256, text.as_bytes()));
    let last =
        reading("weir audit export", format!("export|{sum}"), None, &serde_json::Value::Null);
    let event = last.event;
    store.append(vec![last]).await.map_err(failed)?;
    let proven = store.proven(event, &[]).await.map_err(failed)?;
    let proven = proven.ok_or_else(|| failed("the entry of the export is not there"))?;
    self::made(&receipt)
        .and_then(|mut file| file.write_all(proven.text().as_bytes()))
        .map_err(|e| failed(format!("{}: {e}", receipt.display())))?;
    std::fs::rename(&part.dir, &wish.out)
        .map_err(|e| failed(format!("{}: {e}", wish.out.display())))?;
    part.whole = true;
    Ok(format!(
        "{}: {} entries, {} covered up; {} is the receipt of this export",
        wish.out.display(),
        manifest.entries,
        manifest.covered,
        receipt.display()
    ))
}

/// What was looked for, as the manifest says it: whom only where slots are laid open.
fn filter(asked: Asked, open: bool) -> serde_json::Value {
    if asked.is_empty() {
        return serde_json::Value::Null;
    }
    let named = asked.into_iter().map(|(name, word)| match name {
        "resident" if !open => (name.to_owned(), ONE_RESIDENT.into()),
        name => (name.to_owned(), word.into()),
    });
    serde_json::Value::Object(named.collect())
}

fn bar(quiet: bool, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if quiet {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of {len} entries, {eta} to go")
    {
        bar.set_style(style);
    }
    bar
}

/// `weir audit verify --export DIR`.
#[must_use]
pub fn verify(dir: &Path, key: &VerifierKey) -> Outcome {
    match verified(dir, key) {
        Ok(outcome) => outcome,
        Err(text) => Outcome { text, exit: 2 },
    }
}

fn verified(dir: &Path, key: &VerifierKey) -> Result<Outcome, String> {
    let shown = dir.display();
    let mut text = Vec::new();
    File::open(dir.join(MANIFEST))
        .and_then(|file| file.take(MANIFEST_LEN_MAX).read_to_end(&mut text))
        .map_err(|e| format!("{shown}/{MANIFEST}: {e}. Is this an export?"))?;
    let found = |findings: Vec<String>| Outcome {
        text: findings.into_iter().map(|one| format!("{shown}/{one}\n")).collect::<String>()
            + "The export does not verify",
        exit: 1,
    };
    let mut checker = match Checker::begin(&text, key) {
        Ok(checker) => checker,
        Err(what) => return Ok(found(vec![format!("{MANIFEST}: {what}")])),
    };
    let mut findings = lines(dir, &mut checker)?;
    findings.extend(files(dir, &checker.manifest().files)?);
    if !findings.is_empty() {
        findings.truncate(FINDINGS_MAX);
        return Ok(found(findings));
    }
    let manifest = checker.manifest();
    let sum = hex::encode(digest::digest(&digest::SHA256, &text));
    Ok(Outcome {
        text: format!(
            "{shown}: {} entries and {} covered up lead to the signed head\nNot looked at: whether range, \
             filter and scope are as {MANIFEST} says. The receipt of the export shows it, which holds {sum}",
            manifest.entries, manifest.covered
        ),
        exit: 0,
    })
}

/// What is wrong with the lines: the first of them, or the whole.
fn lines(dir: &Path, checker: &mut Checker) -> Result<Vec<String>, String> {
    let path = dir.join(ENTRIES);
    let Ok(file) = File::open(&path) else { return Ok(vec![format!("{ENTRIES}: is missing")]) };
    let mut file = BufReader::new(file);
    for number in 1_u64.. {
        let mut line = Vec::new();
        let read = (&mut file).take(LINE_LEN_MAX).read_until(b'\n', &mut line);
        if read.map_err(|e| format!("{}: {e}", path.display()))? == 0 {
            break;
        }
        let said = match line.strip_suffix(b"\n").map(std::str::from_utf8) {
            Some(Ok(text)) => checker.line(text),
            Some(Err(_)) => Err("is no UTF-8".to_owned()),
            None => Err("is cut short or too long".to_owned()),
        };
        if let Err(what) = said {
            return Ok(vec![format!("{ENTRIES}: line {number}: {what}")]);
        }
    }
    Ok(checker.finish().err().map(|what| format!("{ENTRIES}: {what}")).into_iter().collect())
}

/// Files that are not as listed, and files that are not listed.
fn files(dir: &Path, listed: &BTreeMap<String, Listed>) -> Result<Vec<String>, String> {
    let mut findings = Vec::new();
    for (name, wanted) in listed {
        if name.contains(['/', '\\']) || name.starts_with('.') {
            findings.push(format!("{MANIFEST}: names a file elsewhere"));
            continue;
        }
        match sum(&dir.join(name)) {
            Err(_) => findings.push(format!("{name}: is listed and cannot be read")),
            Ok(own) if own != *wanted => {
                findings.push(format!("{name}: is not the file that is listed"));
            }
            Ok(_) => {}
        }
    }
    if !listed.contains_key(ENTRIES) {
        findings.push(format!("{MANIFEST}: does not list {ENTRIES}"));
    }
    for file in std::fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))? {
        let file = file.map_err(|e| format!("{}: {e}", dir.display()))?;
        let name = file.file_name().to_string_lossy().into_owned();
        if name != MANIFEST && !listed.contains_key(&name) {
            findings.push(format!("{name:?}: is not listed"));
        }
    }
    Ok(findings)
}

fn sum(path: &Path) -> std::io::Result<Listed> {
    let (mut file, mut bytes) = (File::open(path)?, 0);
    let (mut context, mut buffer) = (digest::Context::new(&digest::SHA256), vec![0; 64 * 1024]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(Listed { bytes, sha256: hex::encode(context.finish()) });
        }
        bytes += u64::try_from(read).unwrap_or(u64::MAX);
        context.update(buffer.get(..read).unwrap_or_default());
    }
}
