//! `weir policy replay`: what the decisions of the past would come to under another folder.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::past::{Log, Span, is_decision, past};
use super::{Outcome, findings, open};
use crate::audit::entry::Kind;
use crate::cli::import::{Trouble, ended, runtime};
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

/// What a log could not show.
#[derive(Default)]
struct Unseen {
    without_facts: u64,
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
    ended(found.map(
        |(report, unseen)| {
            if wish.json { json(&report, &unseen) } else { text(&report, &unseen) }
        },
    ))
}

async fn replayed(
    policy: &PolicySnapshot,
    old: Option<&PolicySnapshot>,
    span: &Span,
) -> Result<(Report, Unseen), Trouble> {
    let zone = &policy.book().place.zone;
    let what = hex::encode(policy.book().hash);
    let log = Log::within(span, zone, "weir policy replay", what).await?;
    let (mut report, mut unseen) = (Report::default(), Unseen::default());
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
                None => unseen.without_facts += 1,
            }
        }
        let found = replay(policy, &some);
        report = std::mem::take(&mut report).with(found);
        Ok(())
    })
    .await?;
    Ok((report, unseen))
}

/// What a replay cannot show.
const NOT_SHOWN: &str = "Not shown: questions that nobody asked, facts that were not known then, what people would have done after another \
     answer, and overrides or approvals that another rule would have asked for. weir policy diff says \
     what is possible; this says what happened.";

fn text(report: &Report, unseen: &Unseen) -> String {
    let mut out = String::new();
    // Into memory, here and below.
    let _ = writeln!(
        out,
        "{} decisions decided again: {} come out as they were, {} flip; {} residents are concerned.",
        report.replayed,
        report.alike,
        report.flipped(),
        report.residents()
    );
    for (flip, (count, ids)) in &report.flips {
        let ids: Vec<String> = ids.iter().map(|id| format!("disclosures/{id}")).collect();
        let _ = writeln!(
            out,
            "{} -> {}  {} / {}: {count}, such as {}",
            flip.was,
            flip.would_be,
            flip.agency,
            flip.purpose,
            ids.join(" ")
        );
    }
    for ((field, rule), count) in &report.widened {
        let _ = writeln!(out, "WIDENS   {field} by {rule}: {count}");
    }
    for ((field, rule), count) in &report.narrowed {
        let _ = writeln!(out, "NARROWS  {field}, by {rule} until now: {count}");
    }
    for ((field, was, is), count) in &report.by_another_rule {
        let _ = writeln!(out, "{field} by {is} and no longer {was}: {count}");
    }
    let _ = writeln!(out, "{} decisions bring other duties.", report.other_duties);
    if unseen.without_facts > 0 {
        let _ = writeln!(
            out,
            "{} decisions could not be decided again: what they rested on is not kept (any more).",
            unseen.without_facts
        );
    }
    out.push_str(NOT_SHOWN);
    out
}

fn json(report: &Report, unseen: &Unseen) -> String {
    let flips: Vec<_> = report
        .flips
        .iter()
        .map(|(flip, (count, ids))| {
            let samples: Vec<String> = ids.iter().map(|id| format!("disclosures/{id}")).collect();
            serde_json::json!({
                "agency": flip.agency, "purpose": flip.purpose, "was": flip.was,
                "would_be": flip.would_be, "count": count, "samples": samples,
            })
        })
        .collect();
    let fields = |all: &std::collections::BTreeMap<_, u64>| -> Vec<_> {
        all.iter()
            .map(|((field, rule), count): (&(crate::domain::FieldId, crate::domain::RuleId), _)| {
                serde_json::json!({ "field": field, "rule": rule, "count": count })
            })
            .collect()
    };
    serde_json::json!({
        "replayed": report.replayed, "alike": report.alike, "flipped": report.flipped(),
        "residents": report.residents(), "flips": flips, "widened": fields(&report.widened),
        "narrowed": fields(&report.narrowed), "other_duties": report.other_duties,
        "without_facts": unseen.without_facts, "not_shown": NOT_SHOWN,
    })
    .to_string()
}
