//! The policies that are kept, held against the log: that what is said to have been in force was.

use std::collections::BTreeMap;
use std::path::Path;

use super::index::Compared;
use crate::audit::verify::{Activation, Verdict};
use crate::policy::kept::unpack_own;
use crate::store::sqlite::policies::PolicyReader;
use crate::store::{KeptPolicy, StoreError};

/// The policies of a data folder, each with whether its folder is the one of its hash.
pub(super) struct Kept(Result<Option<Vec<(KeptPolicy, bool)>>, StoreError>);

/// Reads what is kept. Before the log is read: a policy is kept first and entered then.
pub(super) fn kept(data: &Path) -> Kept {
    let read = || {
        let Some(reader) = PolicyReader::open(data)? else { return Ok(None) };
        let mut all = Vec::new();
        for policy in reader.listed(usize::MAX)? {
            let folder = reader.folder(Some(policy.number))?;
            let own = folder.and_then(|(_, bytes)| unpack_own(&bytes, policy.hash));
            let sound = own.is_some();
            // One that waits for the log is entered at the next opening.
            if !reader.waits(policy.event)? {
                all.push((policy, sound));
            }
        }
        Ok(Some(all))
    };
    Kept(read())
}

/// Whether the policies that are kept are those that the log says came into force, and all of them. `None`
/// where none is kept.
pub(super) fn compared(
    data: &Path,
    kept: Kept,
    verdict: &Verdict,
) -> Result<Option<Compared>, String> {
    let said = |e: StoreError| e.to_string();
    let Some(all) = kept.0.map_err(said)? else { return Ok(None) };
    // Read once more: what is in the log by now is kept by now.
    let now = match PolicyReader::open(data).map_err(said)? {
        Some(reader) => reader.listed(usize::MAX).map_err(said)?,
        None => Vec::new(),
    };
    let entered: BTreeMap<u64, &Activation> =
        verdict.activated.iter().map(|one| (one.number, one)).collect();
    let mut lines = Vec::new();
    for (policy, sound) in &all {
        let number = policy.number;
        if !sound {
            lines.push(format!("hub.db: policy {number}: its folder is not the one of its hash"));
        }
        match entered.get(&number) {
            Some(one) if (one.event, one.hash) == (policy.event, policy.hash) => {}
            Some(one) => lines.push(format!(
                "hub.db: policy {number}: is not the one that entry {} brought into force: that was {}",
                one.index,
                hex::encode(one.hash)
            )),
            // What an older copy of the log has lost was accepted, and is noted already.
            None if !verdict.accepted.is_empty() => {}
            None => lines.push(format!("hub.db: policy {number}: no entry brought it into force")),
        }
    }
    for (number, one) in entered {
        if now.iter().all(|policy| policy.number != number) {
            lines.push(format!(
                "hub.db: policy {number}, which entry {} brought into force, is not kept",
                one.index
            ));
        }
    }
    let findings = lines.len();
    if findings == 0 && !all.is_empty() {
        lines.push(format!("hub.db: {} policies kept, as the log says", all.len()));
    }
    Ok(Some(Compared { findings, lines }))
}
