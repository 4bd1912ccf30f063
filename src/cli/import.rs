//! `weir records import` and `weir facts import`, into a data folder that no hub has open. A file is
//! taken whole or not at all; errors name rows, never values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use indicatif::ProgressBar;
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use super::Outcome;
use crate::app::DataFolder;
use crate::audit::checkpoint::VerifierKey;
use crate::audit::entry::{Entry, Facet, Kind};
use crate::domain::{CategoryId, DecisionId, FieldId, FieldValue};
use crate::hub::may_expire;
use crate::limits::AUDIT_BATCH_MAX;
use crate::policy::book::RuleBook;
use crate::store::sqlite::SqliteStore;
use crate::store::{ShelfRow, Store};

/// Most rows of a file.
pub(super) const ROWS_MAX: usize = 200_000;
/// Most errors that are listed.
const ERRORS_MAX: usize = 100;

/// What `weir records import` is told.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The holder.
    pub agency: String,
    /// The category.
    pub category: String,
    /// The last day on which the records are released.
    pub expires: String,
}

/// Why a file was not taken.
pub(super) enum Trouble {
    /// The file has errors: a line each.
    File(Vec<String>),
    /// The command cannot be carried out.
    Failed(String),
}

pub(super) fn ended(result: Result<String, Trouble>) -> Outcome {
    match result {
        Ok(text) => Outcome { text, exit: 0 },
        Err(Trouble::File(mut lines)) => {
            let more = lines.len().saturating_sub(ERRORS_MAX);
            lines.truncate(ERRORS_MAX);
            if more > 0 {
                lines.push(format!("and {more} more"));
            }
            lines.push("Nothing was imported.".to_owned());
            Outcome { text: lines.join("\n"), exit: 1 }
        }
        Err(Trouble::Failed(text)) => Outcome { text, exit: 2 },
    }
}

pub(super) fn failed(error: impl std::fmt::Display) -> Trouble {
    Trouble::Failed(error.to_string())
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Trouble> {
    tokio::runtime::Runtime::new().map_err(failed)
}

/// Opens the data folder of a hub that is not running.
pub(super) async fn open(folder: &DataFolder) -> Result<SqliteStore, Trouble> {
    let data = folder.dir.as_path();
    let shown = data.display();
    let vkey = std::fs::read_to_string(data.join("audit.vkey")).map_err(|e| {
        failed(format!("{shown}: audit.vkey cannot be read: {e}. Is this a data folder?"))
    })?;
    let origin =
        VerifierKey::parse(&vkey).map_err(|e| failed(format!("{shown}/audit.vkey: {e}")))?;
    let clock = super::clock_in(data);
    let log = folder
        .log(origin.name(), clock, AUDIT_BATCH_MAX)
        .map_err(|e| failed(format!("{shown}: {e}. Stop the hub first.")))?;
    SqliteStore::open(data, log).await.map_err(failed)
}

pub(super) fn entry(kind: Kind, rpc: &str, facets: &[(Facet, String)]) -> Entry {
    let event = DecisionId::from_uuid(Uuid::now_v7());
    Entry::of_hub(event, kind, rpc, facets.iter().cloned().collect())
}

/// `weir records import`.
#[must_use]
pub fn records(data: &DataFolder, policies: &Path, wish: &Wish, file: &Path) -> Outcome {
    ended(runtime().and_then(|runtime| runtime.block_on(import(data, policies, wish, file))))
}

async fn import(
    data: &DataFolder,
    policies: &Path,
    wish: &Wish,
    file: &Path,
) -> Result<String, Trouble> {
    let policy = super::policy::open(policies).map_err(|lines| failed(lines.join("\n")))?;
    let book = policy.book();
    let Some((agency, _)) = book.agencies.get_key_value(wish.agency.as_str()) else {
        let valid = book.agencies.keys().map(|a| a.as_str());
        return Err(failed(unknown("--agency", &wish.agency, valid)));
    };
    let Some((category, _)) = book.categories.get_key_value(wish.category.as_str()) else {
        let valid = book.categories.keys().map(CategoryId::as_str);
        return Err(failed(unknown("--category", &wish.category, valid)));
    };
    if category.as_str().split('/').next() == Some(crate::policy::book::INVOLVEMENT) {
        return Err(failed(format!(
            "--category: {category} is told by the hub itself from its links: nothing of it is imported"
        )));
    }
    let at = super::clock_in(&data.dir).now();
    let expires = end_of(&wish.expires, book).filter(|expires| may_expire(at, *expires));
    let expires = expires.ok_or_else(|| {
        failed("--expires must be a day like 2026-12-31, today or up to 400 days from now")
    })?;
    let text =
        std::fs::read_to_string(file).map_err(|e| failed(format!("{}: {e}", file.display())))?;
    let rows = match file.extension().and_then(|e| e.to_str()) {
        Some("csv") => from_csv(&text, category, book),
        Some("ndjson") => from_ndjson(&text, category, book),
        Some(_) | None => {
            return Err(failed(format!("{}: must end in .csv or .ndjson", file.display())));
        }
    }?;
    let (rows, lines): (Vec<ShelfRow>, Vec<usize>) = rows.into_iter().unzip();
    let store = open(data).await?;
    let bar = ProgressBar::new(u64::try_from(rows.len()).unwrap_or_default());
    let facets = [
        (Facet::Holder, agency.to_string()),
        (Facet::What, category.to_string()),
        (Facet::Count, rows.len().to_string()),
    ];
    let new = entry(Kind::Hold, "weir records import", &facets);
    let (report, receipts) = store
        .shelve(agency.clone(), category.clone(), rows, (at, expires), vec![new])
        .await
        .map_err(failed)?;
    bar.finish_and_clear();
    if !report.unlinked.is_empty() {
        let line = |at: &u64| usize::try_from(*at).ok().and_then(|at| lines.get(at)).copied();
        let missing = report.unlinked.iter().filter_map(line);
        return Err(Trouble::File(
            missing
                .map(|row| format!("row {row}: the local id is linked to no resident"))
                .collect(),
        ));
    }
    let place = receipts.first().map(|r| r.index()).unwrap_or_default();
    Ok(format!(
        "{} records of {category} imported for {agency}; audit entry {place}",
        report.stored
    ))
}

/// The end of a day at the place.
fn end_of(day: &str, book: &RuleBook) -> Option<Timestamp> {
    let next = day.parse::<Date>().ok()?.tomorrow().ok()?;
    Some(next.to_zoned(book.place.zone.clone()).ok()?.timestamp())
}

pub(super) fn unknown<'a>(flag: &str, found: &str, valid: impl Iterator<Item = &'a str>) -> String {
    let nearest = valid
        .max_by(|a, b| strsim::jaro_winkler(a, found).total_cmp(&strsim::jaro_winkler(b, found)));
    format!(
        "{flag}: \"{found}\" is not in the policy. Nearest: \"{}\".",
        nearest.unwrap_or_default()
    )
}

type Rows = Result<Vec<(ShelfRow, usize)>, Trouble>;

/// Takes rows one by one and keeps what is wrong with each.
struct Taken<'a> {
    category: &'a CategoryId,
    seen: BTreeSet<String>,
    rows: Vec<(ShelfRow, usize)>,
    wrong: Vec<String>,
}

impl<'a> Taken<'a> {
    fn new(category: &'a CategoryId) -> Self {
        Self { category, seen: BTreeSet::new(), rows: Vec::new(), wrong: Vec::new() }
    }

    fn take<'t>(
        &mut self,
        line: usize,
        local_id: &str,
        cells: impl Iterator<Item = (&'t str, &'t str)>,
    ) {
        let local_id = local_id.trim();
        if local_id.is_empty() || local_id.len() > 120 || !local_id.is_ascii() {
            self.wrong.push(format!("row {line}: local_id must be 1 to 120 ASCII characters"));
            return;
        }
        if !self.seen.insert(local_id.to_owned()) {
            self.wrong.push(format!("row {line}: the local_id stands twice in the file"));
            return;
        }
        let mut values: Vec<(FieldId, FieldValue)> = Vec::new();
        for (column, text) in cells {
            if text.len() > FieldValue::LEN_MAX {
                self.wrong.push(format!(
                    "row {line}: {column} is longer than {} bytes",
                    FieldValue::LEN_MAX
                ));
            }
            if let (Ok(field), Some(value)) =
                (format!("{}.{column}", self.category).parse(), FieldValue::new(text.to_owned()))
            {
                values.push((field, value));
            }
        }
        self.rows.push((ShelfRow { local_id: local_id.to_owned(), values }, line));
    }

    fn done(mut self) -> Rows {
        if self.rows.len() > ROWS_MAX {
            self.wrong.push(format!("the file has more than {ROWS_MAX} rows: split it"));
        }
        if self.rows.is_empty() && self.wrong.is_empty() {
            self.wrong.push("the file holds no row".to_owned());
        }
        if self.wrong.is_empty() { Ok(self.rows) } else { Err(Trouble::File(self.wrong)) }
    }
}

/// The short field names of a category.
fn columns(category: &CategoryId, book: &RuleBook) -> Vec<String> {
    let fields = book.categories.get(category).map(|c| c.fields.as_slice()).unwrap_or_default();
    fields
        .iter()
        .filter_map(|f| f.as_str().rsplit_once('.'))
        .map(|(_, name)| name.to_owned())
        .collect()
}

fn check_column(name: &str, valid: &[String], place: &str) -> Result<(), Trouble> {
    if valid.iter().any(|v| v == name) {
        return Ok(());
    }
    let text = unknown(&format!("{place}: column"), name, valid.iter().map(String::as_str));
    Err(Trouble::File(vec![text]))
}

fn from_csv(text: &str, category: &CategoryId, book: &RuleBook) -> Rows {
    let valid = columns(category, book);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let heading: Vec<String> = reader
        .headers()
        .map_err(|e| Trouble::File(vec![format!("row 1: {e}")]))?
        .iter()
        .map(|name| name.trim().to_owned())
        .collect();
    if heading.first().map(String::as_str) != Some("local_id") {
        return Err(Trouble::File(vec!["row 1: the first column must be local_id".to_owned()]));
    }
    for name in heading.iter().skip(1) {
        check_column(name, &valid, "row 1")?;
    }
    if heading.iter().collect::<BTreeSet<_>>().len() != heading.len() {
        return Err(Trouble::File(vec!["row 1: a column stands twice".to_owned()]));
    }
    let mut taken = Taken::new(category);
    for (at, record) in reader.records().enumerate() {
        let line = at + 2;
        match record {
            Ok(record) => {
                let cells = heading.iter().map(String::as_str).zip(record.iter()).skip(1);
                taken.take(line, record.get(0).unwrap_or_default(), cells);
            }
            // The reader's own text may repeat what the row holds.
            Err(_) => {
                taken.wrong.push(format!("row {line}: is not {} cells of UTF-8", heading.len()))
            }
        }
    }
    taken.done()
}

fn from_ndjson(text: &str, category: &CategoryId, book: &RuleBook) -> Rows {
    let valid = columns(category, book);
    let mut taken = Taken::new(category);
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        let Ok(row) = serde_json::from_str::<BTreeMap<String, String>>(line) else {
            taken.wrong.push(format!("row {number}: is not an object of texts"));
            continue;
        };
        for name in row.keys().filter(|name| *name != "local_id") {
            check_column(name, &valid, &format!("row {number}"))?;
        }
        let local_id = row.get("local_id").cloned().unwrap_or_default();
        let cells = row.iter().filter(|(name, _)| *name != "local_id");
        taken.take(number, &local_id, cells.map(|(name, text)| (name.as_str(), text.as_str())));
    }
    taken.done()
}
