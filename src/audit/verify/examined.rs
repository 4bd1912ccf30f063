//! What one row of a log says by itself. That is most of the work of verifying, and rows may be looked at in
//! any order and at the same time.

use jiff::Timestamp;

use super::policies::activated;
use super::{ACCEPT_ROLLBACK, CLOCK_BACK};
use crate::audit::entry::{Facet, Kind, SlotId};
use crate::audit::leaf::{LeafError, View, sealed_commitment};
use crate::audit::tree::{Hash, leaf_hash};
use crate::domain::DecisionId;

/// So many things that are wrong with its slots are named of one entry.
const WRONG_MAX: usize = 10;

/// A row while its slots are looked at.
pub struct Examining {
    row: Examined,
    /// Slots of which nothing was seen yet, with their commitments; `None`: nobody knows what should be there.
    missing: Option<Vec<(SlotId, [u8; 32])>>,
}

/// A row that was looked at by itself; [`super::Verifier::take`] takes all rows in their order.
pub struct Examined {
    pub(super) hash: Hash,
    pub(super) said: Result<Said, LeafError>,
    /// What is wrong with its slots, each to follow the name of the entry.
    pub(super) slots: Vec<String>,
}

/// What matters of an entry to the log as a whole. Small: there is one for each entry.
pub(super) struct Said {
    pub(super) committed_at: Timestamp,
    pub(super) event: DecisionId,
    pub(super) policy: [u8; 32],
    pub(super) more: Option<Box<More>>,
}

/// What few entries say.
pub(super) enum More {
    /// It begins a log or a file, and says which head was before.
    Begins(Option<String>),
    /// The policy of this number came into force.
    Activates(u64),
    /// An older copy was accepted: what was seen before.
    Accepted(String),
    /// The clock went back by so many seconds.
    ClockBack(String),
}

impl Said {
    fn by(leaf: &View<'_>) -> Self {
        let View { committed_at, event, policy, .. } = *leaf;
        Self { committed_at, event, policy, more: More::said_by(leaf).map(Box::new) }
    }
}

impl More {
    fn said_by(leaf: &View<'_>) -> Option<Self> {
        let previous = leaf.facet(Facet::Previous).map(str::to_owned);
        match leaf.kind {
            Kind::Genesis => Some(Self::Begins(previous)),
            Kind::Policy => activated(leaf).map(Self::Activates),
            Kind::Operation if leaf.rpc == ACCEPT_ROLLBACK => previous.map(Self::Accepted),
            Kind::Operation => clock_back(leaf).map(|said| Self::ClockBack(said.to_owned())),
            Kind::Disclose
            | Kind::Refuse
            | Kind::Query
            | Kind::Choice
            | Kind::Hold
            | Kind::Fact
            | Kind::AuditRead
            | Kind::TurnedAway
            | Kind::Gap
            | Kind::Review
            | Kind::Report
            | Kind::Erase
            | Kind::Rights
            | Kind::Notice => None,
        }
    }
}

/// The seconds that an entry says a clock went back.
fn clock_back<'a>(leaf: &View<'a>) -> Option<&'a str> {
    let mut words = leaf.facet(Facet::What)?.split('|');
    words.next().filter(|what| *what == CLOCK_BACK)?;
    words.next()
}

impl Examining {
    /// Looks at a leaf; its slots follow.
    #[must_use]
    pub fn leaf(bytes: &[u8]) -> Self {
        let (said, missing) = match View::of(bytes) {
            Ok(leaf) => (Ok(Said::by(&leaf)), Some(leaf.commitments)),
            Err(error) => (Err(error), None),
        };
        let row = Examined { hash: leaf_hash(bytes), said, slots: Vec::new() };
        Self { row, missing }
    }

    /// Looks at what lies beside the leaf as one of its slots.
    pub fn slot(&mut self, id: i64, content: &[u8], sealed: &[u8]) {
        let wrong = &mut self.row.slots;
        if wrong.len() >= WRONG_MAX {
            return;
        }
        let known = u8::try_from(id).ok().and_then(SlotId::from_number);
        let (Some(id), Ok(content)) = (known, <&[u8; 32]>::try_from(content)) else {
            return wrong.push(format!("slot {id} is malformed"));
        };
        let Some(missing) = &mut self.missing else { return };
        match missing.iter().position(|(slot, _)| *slot == id) {
            None => wrong.push(format!("slot {id:?} is not its own")),
            Some(n) => {
                let (_, commitment) = missing.remove(n);
                if commitment != sealed_commitment(id, content, sealed) {
                    wrong.push(format!("slot {id:?} was changed"));
                }
            }
        }
    }

    /// There are no more slots.
    #[must_use]
    pub fn end(self) -> Examined {
        let Self { mut row, missing } = self;
        for (slot, _) in missing.unwrap_or_default() {
            row.slots.push(format!("slot {slot:?} is missing"));
        }
        row
    }
}
