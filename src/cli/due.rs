//! `weir due`, on a data folder that no hub has open: what falls due, for whom, and what is late.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::SignedDuration;

use super::import::{Trouble, ended, failed, open, runtime};
use super::{Outcome, clock_in};
use crate::app::DataFolder;
use crate::domain::AgencyId;
use crate::hub::{Due, DueKind, DueWish, Hub, InForce};
use crate::policy::kept;
use crate::policy::load::hash;
use crate::source::Shelf;
use crate::store::Store;

/// What to list.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Wanted {
    /// Only of this agency; may be repeated. Without it: of all.
    #[arg(long = "agency")]
    pub agencies: Vec<AgencyId>,
    /// Only of this kind, such as review or answer; may be repeated.
    #[arg(long = "kind", value_parser = kind_of)]
    pub kinds: Vec<DueKind>,
    /// Only what this function or role sees to, such as privacy-officer.
    #[arg(long)]
    pub whose: Option<String>,
    /// Only what is late or falls due in so many days.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub within: Option<u16>,
    /// The policy folder to judge by, where none was taken up by a hub on this data folder yet.
    #[arg(long)]
    pub policies: Option<PathBuf>,
}

fn kind_of(text: &str) -> Result<DueKind, String> {
    let all: Vec<&str> = DueKind::ALL.iter().map(|kind| kind.as_str()).collect();
    text.parse().map_err(|_| format!("must be one of {}", all.join(", ")))
}

/// `weir due --data DIR [--agency A] [--kind K] [--whose W] [--within DAYS] [--json]`. Exit code 1 where something
/// is late.
#[must_use]
pub fn run(data: &DataFolder, wanted: &Wanted, json: bool) -> Outcome {
    match runtime().and_then(|runtime| runtime.block_on(found(data, wanted))) {
        Ok((all, judged)) => {
            let late = all.iter().filter(|one| one.overdue).count();
            let mut lines: Vec<String> = all.iter().map(|one| line(one, json)).collect();
            if !json {
                if !judged {
                    lines.push(
                        "No policy was in force here yet: requests, sealed releases, choices and agreements are \
                         left out. --policies DIR names one."
                            .to_owned(),
                    );
                }
                lines.push(format!("{} fall due, {late} of them late.", all.len()));
            }
            Outcome { text: lines.join("\n"), exit: u8::from(late > 0) }
        }
        Err(trouble) => ended(Err(trouble)),
    }
}

fn line(one: &Due, json: bool) -> String {
    let Due { at, overdue, kind, owner, whose, name, what } = one;
    let state = if *overdue { "overdue" } else { "open" };
    let name = match kind {
        DueKind::Obligation | DueKind::Review => format!("{name}/obligations/{what}"),
        DueKind::Reattest
        | DueKind::Referral
        | DueKind::Answer
        | DueKind::Acknowledge
        | DueKind::LookAgain
        | DueKind::DecideObjection
        | DueKind::DecideRestriction
        | DueKind::ConsentEnds
        | DueKind::Reconfirm
        | DueKind::ProxyEnds
        | DueKind::Notice
        | DueKind::Agreement => name.clone(),
    };
    let due = at.map(|at| at.to_string());
    if json {
        let (owner, kind) = (owner.as_str(), kind.as_str());
        return serde_json::json!({
            "name": name, "kind": kind, "what": what, "owner": owner, "whose": whose, "due": due,
            "state": state,
        })
        .to_string();
    }
    let (owner, kind) = (owner.as_str(), kind.as_str());
    let due = due.unwrap_or_else(|| "no time of its own".to_owned());
    let whose = if whose.is_empty() { "staff" } else { whose };
    format!("{state:8} {due:28} {owner:32} {whose:24} {kind:20} {what:24} {name}")
}

async fn found(data: &DataFolder, wanted: &Wanted) -> Result<(Vec<Due>, bool), Trouble> {
    let store: Arc<dyn Store> = Arc::new(open(data).await?);
    let policy = policy(store.as_ref(), wanted).await?;
    let source = Arc::new(Shelf::new(Arc::clone(&store)));
    let hub = Hub::new(Arc::clone(&store), source, clock_in(&data.dir));
    let standing = store.standing().await.map_err(failed)?;
    let mut owners: BTreeSet<AgencyId> = standing.agencies.keys().cloned().collect();
    owners.extend(policy.iter().flat_map(|policy| policy.book().agencies.keys().cloned()));
    if let Some(unknown) = wanted.agencies.iter().find(|agency| !owners.contains(*agency)) {
        return Err(failed(format!("--agency {unknown}: there is no such agency here")));
    }
    if !wanted.agencies.is_empty() {
        owners.retain(|owner| wanted.agencies.contains(owner));
    }
    let wish = DueWish {
        kinds: wanted.kinds.iter().copied().collect(),
        whose: wanted.whose.clone(),
        within: wanted.within.map(|days| SignedDuration::from_hours(i64::from(days) * 24)),
        back: None,
    };
    let mut all = Vec::new();
    for owner in &owners {
        all.extend(hub.due_of(policy.as_ref(), owner, &wish).await.map_err(failed)?);
    }
    all.sort_by_key(|one| (one.at.is_none(), one.place(), one.owner.clone()));
    Ok((all, policy.is_some()))
}

/// The policy that is in force here, or the one that is named.
async fn policy(store: &dyn Store, wanted: &Wanted) -> Result<Option<InForce>, Trouble> {
    if let Some(folder) = &wanted.policies {
        let policy = super::policy::open(folder).map_err(|found| failed(found.join("\n")))?;
        return Ok(Some(InForce::new(policy, 0, jiff::Timestamp::MIN)));
    }
    let Some((about, bytes)) = store.kept_policy(None).await.map_err(failed)? else {
        return Ok(None);
    };
    let files = kept::unpack(&bytes).filter(|files| hash(files) == about.hash);
    let files = files.ok_or_else(|| failed("the policy in force cannot be read"))?;
    let policy = kept::build(&files).map_err(|_| failed("the policy in force does not load"))?;
    Ok(Some(InForce::new(policy, about.number, about.since)))
}
