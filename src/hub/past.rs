//! Decisions of the past as the log has them.

use super::entry::{about, recorded, recorded_ask};
use crate::audit::entry::Facet;
use crate::policy::replay::{Came, Past};
use crate::store::StoredEntry;

/// A recorded decision; `None` where its facts are not kept (any more).
pub fn past(stored: &StoredEntry) -> Option<Past> {
    let found = recorded(&stored.entry)?;
    Some(Past {
        id: stored.entry.event,
        resident: about(&stored.entry)?,
        ask: recorded_ask(&stored.entry)?,
        was: Came::recorded(&found.decision)?,
        facts: found.facts,
        as_of: found.as_of,
    })
}

/// The entry says what was decided about one question.
pub fn is_decision(stored: &StoredEntry) -> bool {
    let entry = &stored.entry;
    let summary = entry.facets.get(&Facet::What).is_some_and(|what| what == "locate");
    entry.facets.contains_key(&Facet::Outcome) && !summary
}
