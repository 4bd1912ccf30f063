//! `weir due`, on a data folder that no hub has open: which duties of releases are open, which late.

use super::Outcome;
use super::import::{Trouble, ended, failed, open, runtime};
use crate::app::DataFolder;
use crate::audit::entry::Kind;
use crate::hub::{DutyState, ListedDuty, duties};
use crate::store::{Search, Store};

/// `weir due --data DIR [--json]`. Exit code 1 where something is late.
#[must_use]
pub fn run(data: &DataFolder, json: bool) -> Outcome {
    match runtime().and_then(|runtime| runtime.block_on(found(data))) {
        Ok(all) => {
            let late = all.iter().filter(|one| one.state == DutyState::Overdue).count();
            let mut lines: Vec<String> = all.iter().map(|one| line(one, json)).collect();
            if !json {
                lines.push(format!("{} duties are open, {late} of them late.", all.len()));
            }
            Outcome { text: lines.join("\n"), exit: u8::from(late > 0) }
        }
        Err(trouble) => ended(Err(trouble)),
    }
}

fn line(one: &ListedDuty, json: bool) -> String {
    let state = if one.state == DutyState::Overdue { "overdue" } else { "open" };
    let owner = one.task.owner.as_ref().map(|owner| owner.as_str()).unwrap_or_default();
    let due = one.task.due.map(|due| due.to_string());
    if json {
        let name = format!("disclosures/{}/obligations/{}", one.disclosure, one.task.duty);
        return serde_json::json!({ "name": name, "owner": owner, "due": due, "state": state })
            .to_string();
    }
    let due = due.unwrap_or_else(|| "as long as the data are kept".to_owned());
    format!("{state:8} {due:28} {owner:32} {:24} disclosures/{}", one.task.duty, one.disclosure)
}

async fn found(data: &DataFolder) -> Result<Vec<ListedDuty>, Trouble> {
    let store = open(data).await?;
    let at = super::clock_in(&data.dir).now();
    let mut all = Vec::new();
    let mut next = Some(0);
    while let Some(from_index) = next {
        let search = Search {
            from_index,
            limit: crate::limits::PAGE_MAX,
            kinds: vec![Kind::Disclose],
            ..Search::default()
        };
        let page = store.search(search).await.map_err(failed)?;
        for stored in &page.entries {
            let found = duties(&store, stored, at).await.map_err(failed)?;
            all.extend(found.into_iter().filter(|one| one.state != DutyState::Met));
        }
        next = page.next_index;
    }
    all.sort_by_key(|one| (one.task.due.is_none(), one.task.due));
    Ok(all)
}
