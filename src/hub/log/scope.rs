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
    pub(super) fn show(&self, mut stored: StoredEntry) -> Option<StoredEntry> {
        let entry = &mut stored.entry;
        if !self.whole && !entry.concerns(&self.agency) {
            return None;
        }
        if entry.agency.as_ref() != Some(&self.agency) {
            entry.principal = self.names.of(entry.principal)?;
        }
        Some(stored)
    }
}
