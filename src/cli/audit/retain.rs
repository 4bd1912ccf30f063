//! `weir audit retain`: what of the log is past its time, by the figures of the policy in force, and its end.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::super::import::{Trouble, ended, entry, failed, open, runtime};
use super::super::{Outcome, clock_in};
use crate::app::DataFolder;
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::audit::retention::{Lot, LotEntries};
use crate::domain::KeptKind;
use crate::hub::entry::subject;
use crate::limits::{AUDIT_BATCH_MAX, HOLDS_MAX};
use crate::policy::kept::unpack_own;
use crate::policy::load::load;
use crate::store::Store;
use crate::store::sqlite::SqliteStore;

/// A clock that is further ahead of the newest entry is not believed without being asked.
const IDLE_DAYS_MAX: i64 = 31;

/// What `weir audit retain` is told.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The day that counts; today where not said.
    pub as_of: Option<String>,
    /// Destroy the keys of what is due.
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
            let wrong = || failed("--as-of must be a day such as 2035-01-01");
            let day: Date = text.parse().map_err(|_| wrong())?;
            if *text != day.to_string() {
                return Err(wrong());
            }
            day
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
    let lots = store.log().lots(held).await.map_err(failed)?;
    let mut states: Vec<(Lot, LotEntries, State)> = lots
        .into_iter()
        .map(|(lot, one)| {
            let state = State::of(lot.year, &one, &book.retention, as_of, today);
            (lot, one, state)
        })
        .collect();
    if wish.destroy {
        if states.iter().any(|(_, _, state)| matches!(state, State::Due)) {
            believed(&store, wish, today)?;
        }
        let mut due = Vec::new();
        for (lot, one, state) in &mut states {
            if matches!(state, State::Due) {
                due.push((*lot, said(*lot, one, policy.number, as_of)));
                *state = State::Ended;
            }
        }
        destroyed(store, due).await?;
    }
    let mut lines = Vec::new();
    let mut year = None;
    for (lot, one, state) in &states {
        if lot.kind.is_some() && year.replace(lot.year) != Some(lot.year) {
            lines.push(lot.year.to_string());
        }
        lines.extend(shown(*lot, one, &book.retention, state));
    }
    lines.push(format!("As of {as_of}, by policy {}.", policy.number));
    Ok(lines.join("\n"))
}

/// Makes sure that the clock is meant: what is destroyed by a wrong one cannot be had back.
fn believed(store: &SqliteStore, wish: &Wish, today: Date) -> Result<(), Trouble> {
    let newest = store.log().last_commit().to_zoned(TimeZone::UTC).date();
    if wish.as_of.is_some() || newest.saturating_add(IDLE_DAYS_MAX.days()) >= today {
        return Ok(());
    }
    Err(failed(format!(
        "the newest entry is of {newest}, and the clock says {today}: what is destroyed cannot be had back. \
         Where the clock is right, say so: --as-of {today}"
    )))
}

/// Destroys the keys of lots, each with the entry that says so, and leaves nothing of any that ever were.
async fn destroyed(store: SqliteStore, due: Vec<(Lot, Entry)>) -> Result<(), Trouble> {
    let (lots, said): (Vec<Lot>, Vec<Entry>) = due.into_iter().unzip();
    // The entries first: what was cut off is entered twice, never missing.
    for some in said.chunks(AUDIT_BATCH_MAX) {
        store.append(some.to_vec()).await.map_err(failed)?;
    }
    let ended = tokio::task::spawn_blocking(move || {
        let keys = store.log().keys();
        // Also what was cut off earlier is brought to its end: nothing may be due any more, and yet be left.
        let settled = if lots.is_empty() { keys.settle() } else { keys.destroy_lots(&lots) };
        settled.map_err(|e| {
            failed(format!(
                "what was due is not destroyed to the last byte: {e}. Run the command again when nobody reads \
                 the folder."
            ))
        })?;
        // What leads to the entries is noise by now, and need not stay either.
        store.log().rebuild_index().map_err(|e| {
            let next = "`weir audit index --rebuild` makes it anew";
            failed(format!("the keys are destroyed, but index.db is not settled ({next}): {e}"))
        })
    });
    ended.await.map_err(failed)?.map(drop)
}

/// The entry that a lot's key is destroyed.
fn said(lot: Lot, one: &LotEntries, policy: u64, as_of: Date) -> Entry {
    let what = match lot.kind {
        None => format!("year|{}", lot.year),
        Some(kind) => format!("year|{}|{kind}", lot.year),
    };
    let facets = [(Facet::What, what), (Facet::Count, one.count().to_string())];
    let mut said = entry(Kind::Erase, "weir audit retain", &facets);
    let why = serde_json::json!({ "policy": policy, "as_of": as_of.to_string() });
    said.slots = BTreeMap::from([
        (SlotId::Subject, subject(None)),
        (SlotId::Asker, why.to_string().into_bytes()),
        (SlotId::Request, Vec::new()),
    ]);
    said
}

/// What is to become of a lot.
enum State {
    Gone,
    Held,
    Due,
    /// Was due, and has been destroyed now.
    Ended,
    /// Past its time, but still written to.
    GoesOn,
    /// From the first day of this year on; `None`: never.
    Later(Option<i16>),
}

impl State {
    fn of(
        year: i16,
        one: &LotEntries,
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

    fn text(&self, one: &LotEntries) -> String {
        match self {
            Self::Gone => "destroyed".to_owned(),
            Self::Held if one.held == 1 => "due, but 1 entry is under a legal hold".to_owned(),
            Self::Held => format!("due, but {} entries are under a legal hold", one.held),
            Self::Due => "due".to_owned(),
            Self::Ended => "due, and destroyed now: nothing of it can be read any more".to_owned(),
            Self::GoesOn => "due once it is over: it still goes on".to_owned(),
            Self::Later(Some(due)) => format!("kept until the end of {}", due - 1),
            Self::Later(None) => "kept".to_owned(),
        }
    }
}

/// A lot in lines: that of a kind in one, under its year; one of all kinds with a line for each of them.
fn shown(
    lot: Lot,
    one: &LotEntries,
    figures: &BTreeMap<KeptKind, u16>,
    state: &State,
) -> Vec<String> {
    let mut counts: BTreeMap<KeptKind, u64> = BTreeMap::new();
    for ((kind, _), count) in &one.entries {
        *counts.entry(*kind).or_default() += count;
    }
    let line = |(kind, count): (KeptKind, u64)| match figures.get(&kind) {
        Some(years) => format!("  {kind}: {count}, for {years} years"),
        None => format!("  {kind}: {count}, for good"),
    };
    let lines = counts.into_iter().map(line);
    let state = state.text(one);
    if lot.kind.is_some() {
        return lines.map(|line| format!("{line}: {state}")).collect();
    }
    let year = format!("{}, under one key for all kinds: {state}", lot.year);
    std::iter::once(year).chain(lines).collect()
}
