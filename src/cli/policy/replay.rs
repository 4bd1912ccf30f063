//! `weir policy replay`: what the decisions of the past would come to under another folder.

use std::path::PathBuf;

use super::past::{Log, Span};
use super::{Outcome, findings, open};
use crate::audit::entry::Kind;
use crate::cli::import::{Trouble, ended, runtime};
use crate::hub::past::{is_decision, past};
use crate::policy::PolicySnapshot;
use crate::policy::replay::{Came, Report, replay};

/// What to replay.
#[derive(clap::Args)]
#[command(
    after_help = "Example: weir policy replay policies-new --data weir-data --last 90d\n\nThe data folder must not be open: stop the hub, or take a copy with its hub key."
)]
pub struct Wish {
    /// The folder under which everything is decided again.
    new: PathBuf,
    #[command(flatten)]
    span: Span,
    /// Compare with this folder instead of what was recorded.
    #[arg(long)]
    old: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Decides again.
pub(super) fn run(wish: &Wish) -> Outcome {
    let policy = match open(&wish.new) {
        Ok(policy) => policy,
        Err(lines) => return findings(&wish.new, &lines),
    };
    let old = match wish.old.as_deref().map(|old| (old, open(old))) {
        None => None,
        Some((_, Ok(old))) => Some(old),
        Some((dir, Err(lines))) => return findings(dir, &lines),
    };
    let found = runtime().and_then(|r| r.block_on(replayed(&policy, old.as_ref(), &wish.span)));
    ended(found.map(|report| if wish.json { report.json() } else { report.text() }))
}

async fn replayed(
    policy: &PolicySnapshot,
    old: Option<&PolicySnapshot>,
    span: &Span,
) -> Result<Report, Trouble> {
    let zone = &policy.book().place.zone;
    let what = hex::encode(policy.book().hash);
    let log = Log::within(span, zone, "weir policy replay", what).await?;
    let mut report = Report::default();
    log.each(&[Kind::Disclose, Kind::Refuse, Kind::Query], |entries| {
        let mut some = Vec::with_capacity(entries.len());
        for stored in entries.iter().filter(|stored| is_decision(stored)) {
            match past(stored) {
                Some(mut one) => {
                    if let Some(old) = old {
                        one.was = Came::of(&old.decide(&one.ask, &one.facts, one.as_of));
                    }
                    some.push(one);
                }
                None => report.without_facts += 1,
            }
        }
        let found = replay(policy, &some);
        report = std::mem::take(&mut report).with(found);
        Ok(())
    })
    .await?;
    Ok(report)
}
