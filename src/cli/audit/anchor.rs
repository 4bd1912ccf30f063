//! `weir audit anchor`: a head to be published where the hub cannot rewrite it.

use std::path::Path;

use super::super::{Outcome, clock_in, proofs};
use crate::app::anchoring::{anchored, keep};
use crate::store::sqlite::heads::heads_in;

/// `weir audit anchor --data DIR [--out FILE]`. Nothing is overwritten.
#[must_use]
pub fn run(data: &Path, out: Option<&Path>) -> Outcome {
    match written(data, out) {
        Ok(text) => Outcome { text, exit: 0 },
        Err(text) => Outcome { text, exit: 2 },
    }
}

fn written(data: &Path, out: Option<&Path>) -> Result<String, String> {
    let key = proofs::key_in(data)?;
    // What witnesses have signed says more than what is newest.
    let heads = heads_in(data, 1_000).map_err(|e| e.to_string())?;
    let signatures = |note: &str| note.matches("\n\u{2014} ").count();
    let signed = heads.iter().rev().max_by_key(|head| (signatures(&head.note) > 1, head.size));
    let note = match signed.filter(|head| signatures(&head.note) > 1) {
        Some(head) => head.note.clone(),
        None => proofs::tree_in(data)?.head().note.clone(),
    };
    let now = clock_in(data).now();
    let Some(out) = out else { return anchored(&key, &note, now).map(|(_, text)| text) };
    let (_, text) = anchored(&key, &note, now)?;
    keep(out, &text).map_err(|e| format!("{}: {e}", out.display()))?;
    Ok(format!("{}: written", out.display()))
}
