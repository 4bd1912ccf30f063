//! `weir audit question` and `weir audit questions`: questions that have a name, on a data folder that no hub has
//! open.

use std::path::PathBuf;

use jiff::Timestamp;

use super::super::Outcome;
use super::super::import::{Trouble, ended, failed, open, runtime};
use super::asked::reading;
use crate::app::DataFolder;
use crate::audit::questions::{ALL, NOT_ANSWERED, Parameters, Question};
use crate::hub::entry::subject;
use crate::hub::{Answered, HubError, answer_from, judged_by};
use crate::limits;
use crate::store::Store;

/// A question, and what it is told.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example: weir audit question refusals-by-code --data weir-data")]
pub struct Wish {
    /// The question; `weir audit questions` lists them.
    name: String,
    /// The data folder; no hub must have it open.
    #[arg(long, default_value = "weir-data")]
    data: PathBuf,
    /// The file of the hub key; without it, DIR.hub-key beside the data folder.
    #[arg(long)]
    hub_key_file: Option<PathBuf>,
    /// The policy folder: the place's time zone, and which rules need a consent.
    #[arg(long, default_value = "policies")]
    policies: PathBuf,
    /// The resident, `residents/` and the id.
    #[arg(long)]
    resident: Option<String>,
    /// The person who asked: 32 hexadecimal digits, as answers show them.
    #[arg(long)]
    officer: Option<String>,
    /// The agency that asked.
    #[arg(long)]
    asker: Option<String>,
    /// A field that was released.
    #[arg(long)]
    released: Option<String>,
    /// An agreement.
    #[arg(long)]
    agreement: Option<String>,
    /// Recorded at this time or later, such as 2026-07-15T00:00:00Z.
    #[arg(long)]
    since: Option<String>,
    /// Recorded before this time.
    #[arg(long)]
    until: Option<String>,
    /// A number of hours.
    #[arg(long)]
    hours: Option<u32>,
    /// The least that is worth a row.
    #[arg(long)]
    least: Option<u32>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// `weir audit questions`.
#[must_use]
pub fn list() -> Outcome {
    let mut lines = Vec::new();
    for question in ALL {
        let flag = |parameter: &crate::audit::questions::Parameter| parameter.as_str();
        let needs = question.needs.iter().map(|one| format!(" --{} …", flag(one)));
        let takes = question.takes.iter().map(|one| format!(" [--{} …]", flag(one)));
        lines.push(format!("{}{}", question.name, needs.chain(takes).collect::<String>()));
        lines.push(format!("    {}", question.asks));
        if question.must_be_nil {
            lines.push("    There should be nothing: exit code 1 where there is.".to_owned());
        }
    }
    lines.push("\nEach takes --since and --until. What the hub cannot answer:".to_owned());
    lines.extend(NOT_ANSWERED.iter().map(|(what, why)| format!("- {what}: {why}")));
    Outcome { text: lines.join("\n"), exit: 0 }
}

/// `weir audit question NAME`. Reading the log is an entry of its own, made first. Exit code 1 where there should
/// be nothing and is.
#[must_use]
pub fn run(wish: &Wish) -> Outcome {
    match runtime().and_then(|runtime| runtime.block_on(answered(wish))) {
        Ok(answered) => Outcome {
            exit: u8::from(answered.must_be_nil && !answered.rows.is_empty()),
            text: if wish.json { json(wish, &answered) } else { table(&answered) },
        },
        Err(trouble) => ended(Err(trouble)),
    }
}

async fn answered(wish: &Wish) -> Result<Answered, Trouble> {
    let question = Question::named(&wish.name).ok_or_else(|| {
        let near = ALL.iter().min_by_key(|one| strsim::damerau_levenshtein(&wish.name, one.name));
        let near = near.map(|one| one.name).unwrap_or_default();
        failed(format!("no question is named \"{}\"; the nearest is {near}", wish.name))
    })?;
    let policy = super::super::policy::open(&wish.policies)
        .map_err(|lines| failed(format!("--policies: {}", lines.join("\n"))))?;
    let mut told = told(wish)?;
    judged_by(&mut told, policy.book());
    question.plan(&told).map_err(|(flag, what)| failed(format!("--{} {what}", flag.as_str())))?;
    let store = open(&DataFolder::with_key(&wish.data, wish.hub_key_file.as_deref())).await?;
    let request = serde_json::json!({ "question": question.name, "told": told });
    let about = told.resident.map(|resident| subject(Some(resident)));
    let what = format!("question|{}", question.name);
    let look = reading("weir audit question", what, about, &request);
    let receipts = store.append(vec![look]).await.map_err(failed)?;
    let size = receipts.last().map(|receipt| receipt.size()).unwrap_or_default();
    answer_from(&store, question, &told, size).await.map_err(|error| {
        if let HubError::Invalid(violations) = &error {
            let all: Vec<_> = violations.iter().map(|one| one.what.as_str()).collect();
            return failed(all.join("; "));
        }
        failed(error)
    })
}

fn told(wish: &Wish) -> Result<Parameters, Trouble> {
    fn read<T: std::str::FromStr<Err: std::fmt::Display>>(
        flag: &str,
        text: Option<&str>,
    ) -> Result<Option<T>, Trouble> {
        let parsed = text.map(str::parse).transpose();
        parsed.map_err(|e| failed(format!("{flag}: {e}")))
    }
    let at = super::super::clock_in(&wish.data).now();
    let resident = wish.resident.as_deref().map(|name| name.trim_start_matches("residents/"));
    let officer = match wish.officer.as_deref() {
        None => None,
        Some(text) => {
            let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
            Some(bytes.ok_or_else(|| failed("--officer must be 32 hexadecimal digits"))?)
        }
    };
    if wish.hours.is_some_and(|hours| !(1..=limits::QUESTION_HOURS_MAX).contains(&hours)) {
        return Err(failed(format!("--hours must be from 1 to {}", limits::QUESTION_HOURS_MAX)));
    }
    Ok(Parameters {
        resident: read("--resident must be residents/ and a UUID", resident)?,
        officer,
        asker: read("--asker", wish.asker.as_deref())?,
        released: read("--released", wish.released.as_deref())?,
        agreement: read("--agreement", wish.agreement.as_deref())?,
        since: read::<Timestamp>("--since", wish.since.as_deref())?,
        until: read::<Timestamp>("--until", wish.until.as_deref())?,
        hours: wish.hours,
        least: wish.least,
        ..Parameters::at(at)
    })
}

fn table(answered: &Answered) -> String {
    let Answered { columns, rows, rows_left, size, .. } = answered;
    let mut lines: Vec<String> = Vec::new();
    for row in rows {
        let cells = columns.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
        lines.push(cells.map(|(c, cell)| format!("{c}={cell}")).collect::<Vec<_>>().join("  "));
    }
    let more =
        if *rows_left > 0 { format!("; {rows_left} more are not shown") } else { String::new() };
    lines.push(format!("{} rows{more}; complete up to {size} entries", rows.len()));
    lines.join("\n")
}

fn json(wish: &Wish, answered: &Answered) -> String {
    let Answered { columns, rows, rows_left, must_be_nil, size } = answered;
    serde_json::json!({
        "question": wish.name, "columns": columns, "rows": rows, "rows_left": rows_left,
        "must_be_nil": must_be_nil, "log_size": size,
    })
    .to_string()
}
