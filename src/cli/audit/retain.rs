//! `weir audit retain`: what of the log is past its time, by the figures of the policy in force, and its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::super::import::{Trouble, ended, entry, failed, open, runtime};
use super::super::{Outcome, clock_in};
use crate::app::DataFolder;
use crate::audit::entry::{Facet, Kind, SlotId};
use crate::audit::retention::YearOfEntries;
use crate::domain::KeptKind;
use crate::hub::entry::subject;
use crate::limits::HOLDS_MAX;
use crate::policy::kept::unpack_own;
use crate::policy::load::load;
use crate::store::Store;

/// What `weir audit retain` is told.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The day that counts; today where not said.
    pub as_of: Option<String>,
    /// Destroy the keys of the years that are due.
    pub destroy: bool,
}

/// `weir audit retain --data DIR [--as-of DATE] [--destroy]`, on a data folder that no hub has open.
#[must_use]
pub fn run(folder: &DataFolder, wish: &Wish) -> Outcome {
    ended(runtime().and_then(|runtime| runtime.block_on(retained(folder, wish))))
}

async fn retained(folder: &DataFolder, wish: &Wish) -> Result<String, Trouble> {
    let store = open(folder).await?;
    let now = clock_in(&folder.dir).now();
    let today = now.to_zoned(TimeZone::UTC).date();
    let as_of: Date = match &wish.as_of {
        Some(text) => {
            text.parse().map_err(|_| failed("--as-of must be a day such as 2035-01-01"))?
        }
        None => today,
    };
    if wish.destroy && as_of > today {
        return Err(failed("--destroy goes with a day that is not in the future"));
    }
    // The approved figures, and no others: a folder beside could say anything.
    let kept = store.kept_policy(None).await.map_err(failed)?;
    let (policy, bytes) = kept.ok_or_else(|| failed("no policy was in force here yet"))?;
    let swapped = "the policy in force is not the one that was kept: see `weir audit verify`";
    let files = unpack_own(&bytes, policy.hash).ok_or_else(|| failed(swapped))?;
    let book = load(&files).map_err(|_| failed("the policy in force does not load any more"))?;
    if book.retention.is_empty() {
        return Ok("words/retention.csv is not in the policy in force: everything is kept.".into());
    }
    let holds = store.holds(HOLDS_MAX).await.map_err(failed)?;
    if holds.len() == HOLDS_MAX {
        return Err(failed(
            "there are more legal holds than can be looked at: nothing is destroyed",
        ));
    }
    let held = holds.into_iter().map(|hold| hold.resident).collect();
    let years = store.log().years(held).await.map_err(failed)?;
    let mut lines = Vec::new();
    for (year, one) in &years {
        let state = State::of(*year, one, &book.retention, as_of, today);
        lines.push(format!("{year}: {}", state.text(one)));
        lines.extend(kinds(one, &book.retention));
        if wish.destroy && matches!(state, State::Due) {
            let count: u64 = one.entries.values().sum();
            let facets = [(Facet::What, format!("year|{year}")), (Facet::Count, count.to_string())];
            let mut said = entry(Kind::Erase, "weir audit retain", &facets);
            let why = serde_json::json!({ "policy": policy.number, "as_of": as_of.to_string() });
            said.slots = BTreeMap::from([
                (SlotId::Subject, subject(None)),
                (SlotId::Asker, why.to_string().into_bytes()),
                (SlotId::Request, Vec::new()),
            ]);
            // The entry first: what was cut off is entered twice, never missing.
            store.append(vec![said]).await.map_err(failed)?;
            let (keys, year) = (Arc::clone(store.log().keys()), *year);
            tokio::task::spawn_blocking(move || keys.destroy_year(year))
                .await
                .map_err(failed)?
                .map_err(failed)?;
            lines.push("  destroyed: nothing of it can be read any more".to_owned());
        }
    }
    lines.push(format!("As of {as_of}, by policy {}.", policy.number));
    Ok(lines.join("\n"))
}

/// What is to become of a year.
enum State {
    Gone,
    Held,
    Due,
    /// Past its time, but still written to.
    GoesOn,
    /// From the first day of this year on; `None`: never.
    Later(Option<i16>),
}

impl State {
    fn of(
        year: i16,
        one: &YearOfEntries,
        figures: &BTreeMap<KeptKind, u16>,
        as_of: Date,
        today: Date,
    ) -> Self {
        let due = one.due(figures);
        match due {
            _ if !one.opens => Self::Gone,
            // A year that still goes on is never due, whatever the figures say.
            Some(due) if as_of.year() >= due && year >= today.year() => Self::GoesOn,
            Some(due) if as_of.year() >= due && one.held > 0 => Self::Held,
            Some(due) if as_of.year() >= due => Self::Due,
            Some(_) | None => Self::Later(due),
        }
    }

    fn text(&self, one: &YearOfEntries) -> String {
        match self {
            Self::Gone => "destroyed".to_owned(),
            Self::Held => format!("due, but {} entries are under a legal hold", one.held),
            Self::Due => "due".to_owned(),
            Self::GoesOn => "due once it is over: it still goes on".to_owned(),
            Self::Later(Some(due)) => format!("kept until the end of {}", due - 1),
            Self::Later(None) => "kept".to_owned(),
        }
    }
}

fn kinds(one: &YearOfEntries, figures: &BTreeMap<KeptKind, u16>) -> Vec<String> {
    let mut counts: BTreeMap<KeptKind, u64> = BTreeMap::new();
    for ((kind, _), count) in &one.entries {
        *counts.entry(*kind).or_default() += count;
    }
    let line = |(kind, count): (KeptKind, u64)| match figures.get(&kind) {
        Some(years) => format!("  {kind}: {count}, for {years} years"),
        None => format!("  {kind}: {count}, for good"),
    };
    counts.into_iter().map(line).collect()
}
