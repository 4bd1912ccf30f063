//! How many residents a caller asked about lately, for the policy's rule on bulk. Counts whom a
//! caller asked about, never whether they exist. In memory: a restart forgets.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::domain::{PurposeId, ResidentId};
use crate::limits;

type Key = ([u8; 16], PurposeId);

/// The bounded memory of who asked about whom.
pub struct Bulk {
    callers_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    turn: u64,
    callers: HashMap<Key, Recent>,
    by_turn: BTreeMap<u64, Key>,
}

#[derive(Default)]
struct Recent {
    turn: u64,
    asked: HashMap<ResidentId, Timestamp>,
}

/// The policy's window.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Its length in minutes; 0: no window.
    pub minutes: u32,
    /// Most distinct residents in it that are not bulk.
    pub group: u32,
}

impl Default for Bulk {
    fn default() -> Self {
        Self::with_capacity(usize::try_from(limits::BULK_CALLERS_MAX).unwrap_or(usize::MAX))
    }
}

impl Bulk {
    /// Remembers at most so many pairs of caller and purpose; the one idle for longest goes first.
    #[must_use]
    pub fn with_capacity(callers_max: usize) -> Self {
        Self { callers_max: callers_max.max(1), state: Mutex::default() }
    }

    /// Remembers that `principal` asked about `residents` for `purpose` at `now`, and tells the
    /// number to judge: the residents of this call, or those of the window when they are more than
    /// the window allows.
    pub fn count(
        &self,
        principal: [u8; 16],
        purpose: &PurposeId,
        residents: &[ResidentId],
        in_call: u32,
        window: Window,
        now: Timestamp,
    ) -> u32 {
        if window.minutes == 0 {
            return in_call;
        }
        let group =
            usize::try_from(window.group).unwrap_or(usize::MAX).min(limits::BULK_RESIDENTS_MAX);
        let since = now
            .checked_sub(SignedDuration::from_mins(i64::from(window.minutes)))
            .unwrap_or(Timestamp::MIN);
        let key = (principal, purpose.clone());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = state.touch(key, self.callers_max);
        recent.asked.retain(|_, at| *at > since);
        for resident in residents {
            recent.asked.insert(*resident, now);
        }
        recent.forget_beyond(group.saturating_add(1));
        if recent.asked.len() > group {
            let window_count = u32::try_from(recent.asked.len()).unwrap_or(u32::MAX);
            in_call.max(window_count)
        } else {
            in_call
        }
    }
}

impl State {
    fn touch(&mut self, key: Key, callers_max: usize) -> &mut Recent {
        self.turn = self.turn.saturating_add(1);
        let turn = self.turn;
        if !self.callers.contains_key(&key)
            && self.callers.len() >= callers_max
            && let Some((_, idle)) = self.by_turn.pop_first()
        {
            self.callers.remove(&idle);
        }
        let recent = self.callers.entry(key.clone()).or_default();
        self.by_turn.remove(&recent.turn);
        recent.turn = turn;
        self.by_turn.insert(turn, key);
        recent
    }
}

impl Recent {
    /// Keeps the latest `most`: enough to know that a group is exceeded.
    fn forget_beyond(&mut self, most: usize) {
        if self.asked.len() <= most {
            return;
        }
        let mut times: Vec<(Timestamp, ResidentId)> =
            self.asked.iter().map(|(id, at)| (*at, *id)).collect();
        times.sort_unstable();
        for (_, id) in times.iter().take(times.len().saturating_sub(most)) {
            self.asked.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const WINDOW: Window = Window { minutes: 10, group: 3 };

    fn resident(n: u128) -> ResidentId {
        ResidentId::from_uuid(Uuid::from_u128(n))
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn care() -> PurposeId {
        "direct_care".parse().unwrap()
    }

    fn ask(bulk: &Bulk, who: u8, n: u128, minute: i64) -> u32 {
        bulk.count([who; 16], &care(), &[resident(n)], 1, WINDOW, at(minute))
    }

    #[test]
    fn one_by_one_is_bulk_once_the_window_is_full() {
        let bulk = Bulk::default();
        let counts: Vec<u32> = (0..6).map(|n| ask(&bulk, 1, n, 1)).collect();
        assert_eq!(counts, [1, 1, 1, 4, 4, 4]);
    }

    #[test]
    fn the_same_residents_again_do_not_count() {
        let bulk = Bulk::default();
        for round in 0..20 {
            assert_eq!(ask(&bulk, 1, round % 3, 1), 1);
        }
    }

    #[test]
    fn the_window_slides() {
        let bulk = Bulk::default();
        for n in 0..3 {
            ask(&bulk, 1, n, 0);
        }
        assert_eq!(ask(&bulk, 1, 9, 9), 4);
        assert_eq!(ask(&bulk, 1, 10, 19), 1, "those of minute 0 and 9 are out");
    }

    #[test]
    fn callers_and_purposes_are_apart() {
        let bulk = Bulk::default();
        for n in 0..3 {
            ask(&bulk, 1, n, 0);
        }
        assert_eq!(ask(&bulk, 2, 7, 0), 1);
        let other: PurposeId = "marac".parse().unwrap();
        let count = bulk.count([1; 16], &other, &[resident(8)], 1, WINDOW, at(0));
        assert_eq!(count, 1);
    }

    #[test]
    fn no_window_leaves_the_call() {
        let bulk = Bulk::default();
        let none = Window { minutes: 0, group: 0 };
        assert_eq!(bulk.count([1; 16], &care(), &[resident(1)], 7, none, at(0)), 7);
    }

    #[test]
    fn the_longest_idle_caller_is_forgotten_first() {
        let bulk = Bulk::with_capacity(2);
        for n in 0..3 {
            ask(&bulk, 1, n, 0);
            ask(&bulk, 2, n, 0);
        }
        ask(&bulk, 1, 0, 0);
        ask(&bulk, 3, 0, 0);
        assert_eq!(ask(&bulk, 1, 9, 0), 4, "the busy one is remembered");
        let state = bulk.state.lock().unwrap();
        assert_eq!(state.callers.len(), 2);
        assert_eq!(state.by_turn.len(), 2);
    }

    #[test]
    fn memory_of_one_caller_is_bounded() {
        let bulk = Bulk::default();
        let wide = Window { minutes: 10, group: u32::MAX };
        for n in 0..(limits::BULK_RESIDENTS_MAX as u128 + 50) {
            bulk.count([1; 16], &care(), &[resident(n)], 1, wide, at(0));
        }
        let state = bulk.state.lock().unwrap();
        let held = state.callers.values().next().unwrap().asked.len();
        assert_eq!(held, limits::BULK_RESIDENTS_MAX + 1);
    }
}
