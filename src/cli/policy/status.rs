//! `weir policy status`: what is in force, since when and by whose approval, what lapses next, and why a candidate
//! is not in force. Reads beside a hub that runs.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::json;

use super::Outcome;
use crate::policy::kept::unpack;
use crate::policy::lapses::{Lapse, lapses};
use crate::policy::load::{hash, load};
use crate::store::sqlite::policies::PolicyReader;
use crate::store::{Candidate, KeptPolicy, StoreError};

/// Earlier versions that are listed.
const LISTED: usize = 10;
/// What lapses next: so much of it.
const NEXT: usize = 10;

/// Of which hub.
#[derive(clap::Args)]
#[command(
    after_help = "Example: weir policy status --data weir-data\n\nExit code 1 where the folder is \
                        refused or nothing is in force. It tells what was put in force last; GetPolicy of \
                        a running hub tells what it answers by."
)]
pub struct Wish {
    /// The hub's data folder. The hub may run.
    #[arg(long, default_value = "weir-data")]
    data: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

struct Status {
    now: Timestamp,
    versions: Vec<KeptPolicy>,
    candidate: Option<Candidate>,
    /// `None`: the kept folder cannot be read any more.
    next: Option<Vec<Lapse>>,
}

/// Says it.
pub(super) fn run(wish: &Wish) -> Outcome {
    match read(wish) {
        Ok(status) => {
            let refused = status.candidate.as_ref().is_some_and(|c| c.waits_until.is_none());
            let text = if wish.json { status.json() } else { status.text() };
            Outcome { text, exit: u8::from(refused || status.versions.is_empty()) }
        }
        Err(error) => Outcome { text: format!("--data {}: {error}", wish.data.display()), exit: 2 },
    }
}

fn read(wish: &Wish) -> Result<Status, StoreError> {
    let now = super::super::clock_in(&wish.data).now();
    let Some(reader) = PolicyReader::open(&wish.data)? else {
        return Err(StoreError::Unavailable("holds no hub that kept a policy".to_owned()));
    };
    let versions = reader.listed(LISTED)?;
    let next = reader.folder(None)?.and_then(|(kept, bytes)| {
        let files = unpack(&bytes).filter(|files| hash(files) == kept.hash)?;
        let book = load(&files).ok()?;
        let today = now.to_zoned(book.place.zone.clone()).date();
        Some(lapses(&book, today).into_iter().take(NEXT).collect())
    });
    Ok(Status { now, versions, candidate: reader.candidate()?, next })
}

fn approved(kept: &KeptPolicy) -> String {
    if kept.note.approved_by.is_empty() {
        return "unsigned".to_owned();
    }
    let author = kept.note.author.as_deref().unwrap_or("nobody named");
    format!("approved by {}; author {author}", kept.note.approved_by.join(", "))
}

fn short(hash: &[u8; 32]) -> String {
    hex::encode(hash.get(..6).unwrap_or(hash))
}

impl Status {
    fn text(&self) -> String {
        let mut lines = Vec::new();
        match self.versions.first() {
            None => lines.push(
                "Nothing is in force: every question is answered SYS_POLICY_NOT_APPROVED."
                    .to_owned(),
            ),
            Some(kept) => {
                let days = self.now.duration_since(kept.since).as_hours() / 24;
                lines.push(format!(
                    "In force: version {} ({}), since {}, {days} days. {}, {}.",
                    kept.number,
                    short(&kept.hash),
                    kept.since,
                    kept.note.class,
                    approved(kept)
                ));
                if kept.note.scenarios_failing > 0 {
                    lines.push(format!(
                        "  Sharing is suspended: {} examples do not come out as they say.",
                        kept.note.scenarios_failing
                    ));
                }
            }
        }
        if let Some(candidate) = &self.candidate {
            let hash = candidate.hash.as_ref().map_or_else(|| "unread".to_owned(), short);
            match candidate.waits_until {
                Some(until) => {
                    lines.push(format!("Waits: the folder ({hash}) is approved from {until} on."));
                }
                None => {
                    lines.push(format!("Refused: the folder ({hash}), at {}:", candidate.at));
                    lines.extend(candidate.reasons.iter().map(|reason| format!("  {reason}")));
                }
            }
        }
        match &self.next {
            Some(next) if !next.is_empty() => {
                lines.push("Lapses next:".to_owned());
                lines.extend(next.iter().map(|lapse| format!("  {lapse}")));
            }
            Some(_) | None => {}
        }
        if self.versions.len() > 1 {
            lines.push("Before:".to_owned());
            lines.extend(self.versions.iter().skip(1).map(|kept| {
                let (number, hash) = (kept.number, short(&kept.hash));
                format!(
                    "  {number} ({hash})  {}  {}, {}",
                    kept.since,
                    kept.note.class,
                    approved(kept)
                )
            }));
        }
        lines.join("\n")
    }

    fn json(&self) -> String {
        let version = |kept: &KeptPolicy| {
            json!({
                "number": kept.number, "hash": hex::encode(kept.hash), "since": kept.since,
                "class": kept.note.class, "approved_by": kept.note.approved_by,
                "author": kept.note.author, "scenarios_failing": kept.note.scenarios_failing,
            })
        };
        let candidate = self.candidate.as_ref().map(|candidate| {
            json!({
                "hash": candidate.hash.map(hex::encode), "at": candidate.at,
                "waits_until": candidate.waits_until, "reasons": candidate.reasons,
            })
        });
        let lapses: Vec<_> = self.next.iter().flatten().map(|l| l.to_string()).collect();
        json!({
            "in_force": self.versions.first().map(version),
            "before": self.versions.iter().skip(1).map(version).collect::<Vec<_>>(),
            "candidate": candidate,
            "lapses_next": lapses,
        })
        .to_string()
    }
}
