//! `weir audit non-disclosures`: the register of what was not given or not done in time, on a data folder that
//! no hub has open.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::json;

use super::super::Outcome;
use super::super::import::{Trouble, ended, failed, open, runtime};
use super::asked::{Known, reading, unheard};
use crate::app::DataFolder;
use crate::audit::entry::Facet;
use crate::audit::register::{RegisterRow, Sort, State, read_why};
use crate::domain::{AgencyId, PurposeId};
use crate::hub::{
    HubError, RegisterFigures, RegisterQuery, Registered, figures_from, registered_from,
};
use crate::limits;
use crate::store::{Search, Store};

/// Which rows, or their figures.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Example: weir audit non-disclosures --open --purpose safeguarding --older-than 2"
)]
pub struct Wish {
    /// The data folder; no hub must have it open.
    #[arg(long, default_value = "weir-data")]
    data: PathBuf,
    /// The file of the hub key; without it, DIR.hub-key beside the data folder.
    #[arg(long)]
    hub_key_file: Option<PathBuf>,
    /// Of these kinds: refused, withheld, referred, late, reported. Without it, of all.
    #[arg(long = "kind")]
    kinds: Vec<String>,
    /// Who did not give it, or owes the duty.
    #[arg(long)]
    holder: Option<String>,
    /// Who asked.
    #[arg(long)]
    asker: Option<String>,
    /// For what.
    #[arg(long)]
    purpose: Option<String>,
    /// A code; of late duties the duty; of reports `refused` or `silent`.
    #[arg(long, conflicts_with = "figures")]
    code: Option<String>,
    /// At least so many days old.
    #[arg(long, default_value_t = 0, conflicts_with = "figures")]
    older_than: u32,
    /// Only what nothing has come of.
    #[arg(long, conflicts_with = "figures")]
    open: bool,
    /// Recorded at this time or later, such as 2026-07-15T00:00:00Z.
    #[arg(long)]
    since: Option<String>,
    /// Recorded before this time.
    #[arg(long)]
    until: Option<String>,
    /// How often, out of how many and for how long, by holder, kind and code; no rows.
    #[arg(long, conflicts_with = "kinds")]
    figures: bool,
    /// Print JSON: an object a line.
    #[arg(long)]
    json: bool,
}

/// Runs it. Reading the log is an entry of its own, made first.
#[must_use]
pub fn run(wish: &Wish) -> Outcome {
    ended(runtime().and_then(|runtime| runtime.block_on(told(wish))))
}

fn read<T: std::str::FromStr<Err: std::fmt::Display>>(
    flag: &str,
    text: Option<&str>,
) -> Result<Option<T>, Trouble> {
    text.map(str::parse).transpose().map_err(|e| failed(format!("{flag}: {e}")))
}

fn query(wish: &Wish) -> Result<RegisterQuery, Trouble> {
    let sort = |word: &String| {
        let found = Sort::ALL.into_iter().find(|sort| sort.as_str() == word);
        found.ok_or_else(|| {
            let all = Sort::ALL.map(Sort::as_str).join(", ");
            failed(format!("--kind: \"{word}\" is none of {all}"))
        })
    };
    if wish.older_than > limits::REGISTER_DAYS_MAX {
        let most = limits::REGISTER_DAYS_MAX;
        return Err(failed(format!("--older-than must be at most {most}")));
    }
    Ok(RegisterQuery {
        sorts: wish.kinds.iter().map(sort).collect::<Result<_, _>>()?,
        holder: read("--holder", wish.holder.as_deref())?,
        asker: read("--asker", wish.asker.as_deref())?,
        purpose: read("--purpose", wish.purpose.as_deref())?,
        code: wish
            .code
            .as_deref()
            .map(|code| read_why(code).map_err(|what| failed(format!("--code {code} {what}"))))
            .transpose()?,
        since: read::<Timestamp>("--since", wish.since.as_deref())?,
        until: read::<Timestamp>("--until", wish.until.as_deref())?,
        days: wish.older_than,
        open: wish.open,
        limit: limits::PAGE_MAX,
        ..RegisterQuery::default()
    })
}

async fn told(wish: &Wish) -> Result<String, Trouble> {
    let mut query = query(wish)?;
    let at = super::super::clock_in(&wish.data).now();
    let store = open(&DataFolder::with_key(&wish.data, wish.hub_key_file.as_deref())).await?;
    // What it looks for, as a search would: to know a slip of the pen from a register that is empty.
    let facets = [
        (Facet::Holder, query.holder.as_ref().map(AgencyId::to_string)),
        (Facet::Purpose, query.purpose.as_ref().map(PurposeId::to_string)),
    ];
    let facets = facets.into_iter().filter_map(|(facet, word)| Some((facet, word?))).collect();
    let search = Search { agency: query.asker.clone(), facets, ..Search::default() };
    let known = Known::in_force(&wish.data, &search).map_err(failed)?;
    let request = serde_json::to_value(&query).map_err(failed)?;
    let rpc = "weir audit non-disclosures";
    let look = reading(rpc, "non-disclosures".to_owned(), None, &request);
    let receipts = store.append(vec![look]).await.map_err(failed)?;
    query.upto = receipts.last().map(|receipt| receipt.size());
    if wish.figures {
        let made = figures_from(&store, &query, at).await.map_err(said)?;
        if made.figures.is_empty() {
            unheard(known, "asker", &async |search| store.search(search).await)
                .await
                .map_err(failed)?;
        }
        return Ok(if wish.json { figures_json(&made) } else { figures_text(&made) });
    }
    let (mut lines, mut count) = (Vec::new(), 0_usize);
    loop {
        let page = registered_from(&store, &query, at).await.map_err(said)?;
        let Registered { rows, next_index, size, at } = page;
        count += rows.len();
        let line = |(row, state): &(RegisterRow, State)| {
            if wish.json { row_json(row, *state, at) } else { row_text(row, *state, at) }
        };
        lines.extend(rows.iter().map(line));
        match next_index {
            Some(next) if lines.len() < limits::QUESTION_ROWS_MAX => query.from_index = next,
            Some(_) => {
                lines.push(format!("{count} rows, and more: ask about a shorter time (--since)"));
                break;
            }
            None if wish.json => break,
            None => {
                lines.push(format!("{count} rows; complete up to {size} entries"));
                break;
            }
        }
    }
    if count == 0 {
        let look = async |search| store.search(search).await;
        unheard(known, "asker", &look).await.map_err(failed)?;
    }
    Ok(lines.join("\n"))
}

fn said(error: HubError) -> Trouble {
    if let HubError::Invalid(violations) = &error {
        let all: Vec<_> = violations.iter().map(|one| one.what.as_str()).collect();
        return failed(all.join("; "));
    }
    failed(error)
}

/// The age of a row until now, or until it was settled; and by which entry it was.
fn age(row: &RegisterRow, state: State, at: Timestamp) -> (u64, Option<u64>) {
    match state {
        State::Settled { index, at } => (row.days(at), Some(index)),
        State::Open | State::Erased => (row.days(at), None),
    }
}

fn row_text(row: &RegisterRow, state: State, at: Timestamp) -> String {
    let (days, settled) = age(row, state, at);
    let by = settled.map(|index| format!(" by entries/{index}")).unwrap_or_default();
    let alarm = if row.alarm { "  THE LAW COMMANDS IT" } else { "" };
    let asker = row.asker.as_ref().map(|asker| format!("  asker={asker}")).unwrap_or_default();
    let purpose = &row.purpose;
    let purpose = if purpose.is_empty() { String::new() } else { format!("  purpose={purpose}") };
    format!(
        "entries/{}  {}  {}  {days} days  {}{by}  holder={}{asker}{purpose}  {}{alarm}",
        row.index,
        row.at,
        row.sort.as_str(),
        state.as_str(),
        row.holder,
        row.codes.join("|"),
    )
}

fn row_json(row: &RegisterRow, state: State, at: Timestamp) -> String {
    let (days, settled) = age(row, state, at);
    json!({
        "entry": format!("entries/{}", row.index), "time": row.at.to_string(),
        "kind": row.sort.as_str(), "age_days": days, "state": state.as_str(),
        "settled_by": settled.map(|index| format!("entries/{index}")), "holder": row.holder,
        "asker": row.asker.as_ref().map(ToString::to_string), "purpose": row.purpose,
        "codes": row.codes, "alarm": row.alarm,
    })
    .to_string()
}

/// A share in tenths of a percent, as text; nothing where nobody knows out of how many.
fn rate(count: u64, of: u64) -> String {
    match count.saturating_mul(1000).checked_div(of) {
        Some(mille) => format!(" of {of} ({}.{} %)", mille / 10, mille % 10),
        None => String::new(),
    }
}

fn figures_text(made: &RegisterFigures) -> String {
    let mut lines = Vec::new();
    for ((holder, sort, code), figure) in &made.figures {
        let alarms = match figure.alarms {
            0 => String::new(),
            some => format!("  THE LAW COMMANDS {some}"),
        };
        let open = match figure.open {
            0 => "none open".to_owned(),
            open => format!(
                "{open} open, for {} days in the middle and {} at most",
                figure.median_days, figure.oldest_days
            ),
        };
        lines.push(format!(
            "{holder}  {}  {code}  {}{}  {open}{alarms}",
            sort.as_str(),
            figure.count,
            rate(figure.count, figure.of)
        ));
    }
    lines.push(format!("{} figures; complete up to {} entries", made.figures.len(), made.size));
    lines.join("\n")
}

fn figures_json(made: &RegisterFigures) -> String {
    let lines = made.figures.iter().map(|((holder, sort, code), figure)| {
        json!({
            "holder": holder, "kind": sort.as_str(), "code": code, "count": figure.count,
            "of": figure.of, "alarms": figure.alarms, "open": figure.open,
            "median_open_days": figure.median_days, "oldest_open_days": figure.oldest_days,
        })
        .to_string()
    });
    lines.collect::<Vec<_>>().join("\n")
}
