//! The heads that were published, held against the log.

use std::path::Path;

use super::index::Compared;
use crate::audit::checkpoint::VerifierKey;
use crate::audit::proof::root;
use crate::store::sqlite::heads::{heads_in, split_views_in};
use crate::store::sqlite::log::{StoredTree, files_in};

/// Whether every head that was published is one of this log, and whether a witness saw another. `None` where
/// nothing was published.
pub(super) fn compared(data: &Path, key: &VerifierKey) -> Result<Option<Compared>, String> {
    let said = |e: crate::store::StoreError| e.to_string();
    let kept = usize::try_from(crate::limits::HEADS_KEPT).unwrap_or(usize::MAX);
    let heads = heads_in(data, kept).map_err(said)?;
    if heads.is_empty() {
        return Ok(None);
    }
    let mut lines = Vec::new();
    // Read after the heads: a hub that goes on makes the log longer.
    let tree = match StoredTree::read(&files_in(data).map_err(said)?, key) {
        Ok(tree) => tree,
        Err(why) => {
            let lines = vec![format!("heads.db: cannot be held against the log: {why}")];
            return Ok(Some(Compared { findings: 1, lines }));
        }
    };
    let mut signed = 0_usize;
    for head in &heads {
        signed += usize::from(head.note.matches("\n\u{2014} ").count() > 1);
        let wrong = match key.open(&head.note) {
            Err(why) => Some(why.to_string()),
            Ok(opened) if opened.size > tree.head().size => {
                Some(format!("the log has {} entries only", tree.head().size))
            }
            Ok(opened) => {
                let root = root(&tree.tree(), opened.size).map_err(said)?;
                (root != opened.root).then(|| "it is not of these entries".to_owned())
            }
        };
        lines.extend(wrong.map(|why| format!("heads.db: head {} was published: {why}", head.size)));
    }
    for split in split_views_in(data).map_err(said)? {
        let proven =
            if split.evidence.is_some() { "proves it by a signed head" } else { "says so" };
        lines.push(format!(
            "heads.db: split view: since {} the witness {} has seen another log, and {proven}",
            split.since, split.witness
        ));
    }
    let findings = lines.len();
    lines.push(format!(
        "heads.db: {} published heads, {signed} of them signed by witnesses",
        heads.len()
    ));
    Ok(Some(Compared { findings, lines }))
}
