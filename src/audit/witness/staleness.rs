//! For how long no quorum of witnesses has signed.

use jiff::{SignedDuration, Timestamp};

/// What is to be told, once each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It has lasted too long.
    Stale,
    /// A quorum has signed again.
    Fresh,
}

/// Since when there was no quorum, and whether that has been told.
#[derive(Debug, Clone, Copy)]
pub struct Staleness {
    after: SignedDuration,
    last: Timestamp,
    told: bool,
}

impl Staleness {
    /// There was a quorum `last`; that it is stale was `told` already, before a restart.
    #[must_use]
    pub const fn new(after: SignedDuration, last: Timestamp, told: bool) -> Self {
        Self { after, last, told }
    }

    /// A quorum has signed.
    pub fn signed(&mut self, at: Timestamp) -> Option<Turn> {
        self.last = self.last.max(at);
        std::mem::take(&mut self.told).then_some(Turn::Fresh)
    }

    /// Looks at the time.
    pub fn look(&mut self, now: Timestamp) -> Option<Turn> {
        if self.told || now.duration_since(self.last) < self.after {
            return None;
        }
        self.told = true;
        Some(Turn::Stale)
    }

    /// The last quorum.
    #[must_use]
    pub const fn last(&self) -> Timestamp {
        self.last
    }

    /// It has lasted too long.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once_and_once_more_when_it_ends() {
        let at = |minute: i64| Timestamp::from_second(60 * minute).unwrap();
        let mut one = Staleness::new(SignedDuration::from_mins(15), at(100), false);
        assert_eq!((one.look(at(100)), one.look(at(114))), (None, None));
        assert_eq!(one.look(at(115)), Some(Turn::Stale));
        assert_eq!((one.look(at(116)), one.look(at(500))), (None, None));
        assert_eq!(one.signed(at(501)), Some(Turn::Fresh));
        assert_eq!((one.signed(at(502)), one.look(at(516))), (None, None));
        assert_eq!(one.look(at(517)), Some(Turn::Stale));
        // What was told before a restart is not told again, and its end is.
        let mut again = Staleness::new(SignedDuration::from_mins(15), at(100), true);
        assert_eq!((again.look(at(200)), again.signed(at(201))), (None, Some(Turn::Fresh)));
        // A clock that goes back takes nothing back.
        let mut back = Staleness::new(SignedDuration::from_mins(15), at(100), false);
        assert_eq!((back.signed(at(90)), back.last()), (None, at(100)));
        assert_eq!(back.look(at(50)), None);
    }
}
