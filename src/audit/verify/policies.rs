//! Which policy came into force with which entry, and what was decided under one that never did.

use std::collections::BTreeSet;

use super::examined::{More, Said};
use crate::audit::entry::Facet;
use crate::audit::leaf::View;
use crate::domain::DecisionId;

/// What an entry says first of a policy that came into force.
const ACTIVATED: &str = "activated";

/// A policy that came into force, as its entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    /// The entry's place.
    pub index: u64,
    /// Its id.
    pub event: DecisionId,
    /// The number of the policy.
    pub number: u64,
    /// SHA-256 of its folder.
    pub hash: [u8; 32],
}

/// The number of the policy that an entry says came into force.
pub(super) fn activated(leaf: &View<'_>) -> Option<u64> {
    let mut words = leaf.facet(Facet::What)?.split('|');
    words.next().filter(|what| *what == ACTIVATED)?;
    words.next_back()?.strip_prefix('v')?.parse().ok()
}

/// The policies of a log as it is read.
#[derive(Default)]
pub(super) struct Policies {
    pub(super) activated: Vec<Activation>,
    known: BTreeSet<[u8; 32]>,
    strange: BTreeSet<[u8; 32]>,
}

impl Policies {
    /// Takes the next entry; tells whether it is the first under a policy that no entry brought into force. A
    /// log of a version that did not enter policies says of none.
    pub(super) fn take(&mut self, index: u64, said: &Said) -> bool {
        let Said { event, policy: hash, .. } = *said;
        if let Some(More::Activates(number)) = said.more.as_deref() {
            let number = *number;
            self.known.insert(hash);
            self.activated.push(Activation { index, event, number, hash });
        }
        let entered = self.activated.is_empty() || hash == [0; 32] || self.known.contains(&hash);
        !entered && self.strange.insert(hash)
    }
}
