//! Which policy came into force with which entry, and what was decided under one that never did.

use std::collections::BTreeSet;

use crate::audit::entry::{Entry, Facet, Kind};
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

impl Activation {
    fn read(index: u64, entry: &Entry) -> Option<Self> {
        if entry.kind != Kind::Policy {
            return None;
        }
        let mut words = entry.words(Facet::What);
        words.next().filter(|what| *what == ACTIVATED)?;
        let number = words.last()?.strip_prefix('v')?.parse().ok()?;
        Some(Self { index, event: entry.event, number, hash: entry.policy })
    }
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
    pub(super) fn take(&mut self, index: u64, entry: &Entry) -> bool {
        if let Some(one) = Activation::read(index, entry) {
            self.known.insert(one.hash);
            self.activated.push(one);
        }
        let entered = self.activated.is_empty()
            || entry.policy == [0; 32]
            || self.known.contains(&entry.policy);
        !entered && self.strange.insert(entry.policy)
    }
}
