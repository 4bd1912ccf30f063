//! Which entries an auditor sees, and how other agencies' people are shown to them.

use crate::audit::pseudonym::Pseudonyms;
use crate::domain::AgencyId;
use crate::store::{Store, StoredEntry};

/// What one auditor may see.
pub(in crate::hub) struct Scope {
    agency: AgencyId,
    /// Every agency's entries, by a second sign-off.
    whole: bool,
    names: Pseudonyms,
}

impl Scope {
    pub(super) fn new(store: &dyn Store, agency: &AgencyId, whole: bool) -> Self {
        let secret = store.blind("weir/pseudonym/1", &[agency.as_str().as_bytes()]);
        Self { agency: agency.clone(), whole, names: Pseudonyms::new(secret) }
    }

    /// In words, as an export says it.
    pub(super) fn text(&self) -> String {
        if self.whole {
            format!("every agency, seen by {}", self.agency)
        } else {
            format!("agency {}", self.agency)
        }
    }

    pub(super) const fn agency(&self) -> &AgencyId {
        &self.agency
    }

    /// Only entries that this agency asked for or held; `None`: all.
    pub(super) fn concerns(&self) -> Option<AgencyId> {
        (!self.whole).then(|| self.agency.clone())
    }

    /// The person of an agency who is shown so.
    pub(super) fn person(&self, of: &AgencyId, shown: [u8; 16]) -> Option<[u8; 16]> {
        if *of == self.agency { Some(shown) } else { self.names.person(shown) }
    }

    /// The entry as it is shown; `None`: it is not to be seen.
    pub(super) fn show(&self, stored: StoredEntry) -> Option<StoredEntry> {
        if !self.whole && !stored.entry.concerns(&self.agency) {
            return None;
        }
        self.named(stored)
    }

    /// An entry that is judged by, whosever it is; who wrote it is not shown either.
    pub(super) fn judge(&self, stored: StoredEntry) -> Option<StoredEntry> {
        self.named(stored)
    }

    fn named(&self, mut stored: StoredEntry) -> Option<StoredEntry> {
        let entry = &mut stored.entry;
        if entry.agency.as_ref() != Some(&self.agency) {
            entry.principal = self.names.of(entry.principal)?;
        }
        Some(stored)
    }
}
