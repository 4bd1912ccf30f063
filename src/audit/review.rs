//! Which uses of an override a reviewer looks at first. There is no score: each row says in words what
//! speaks for a look, and the order is the number of these signals, then age. A slice that the log itself
//! picks is looked at whatever speaks for it, so that it can be told how well the signals do.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::{DecisionId, Interests, PurposeId, Tie};

/// Uses of overrides by one person within [`BURST_WITHIN`] that count as a burst.
const BURST_LEAST: usize = 3;
/// See [`BURST_LEAST`].
const BURST_WITHIN: SignedDuration = SignedDuration::from_hours(1);
/// A purpose is rare when less than one in so many uses of the agency is for it.
const RARE_ONE_IN: usize = 20;
/// One in so many uses is in the slice.
const SLICE_ONE_IN: u64 = 10;
/// At most one in so many of a reviewer's minutes goes to the slice while others wait.
const SLICE_MINUTES_ONE_IN: u32 = 4;
/// The hours of a working day, from and until.
const DAY: (i8, i8) = (8, 18);

/// What speaks for a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// The record is the person's own.
    OwnRecord,
    /// Of the resident's household, or kin.
    Household,
    /// A neighbour of the resident.
    Neighbour,
    /// A colleague of the resident.
    Colleague,
    /// The person has not declared their interests in time, and may be any of these.
    Undeclared,
    /// A conflict of interest is on record, and not how. In reviews closed before ties were recorded: any of
    /// the four before.
    Conflict,
    /// One of several within the hour.
    Burst,
    /// Outside working hours.
    OutOfHours,
    /// No relationship of the person to the resident was on record.
    NoCase,
    /// The agency hardly ever uses an override for this purpose.
    RarePurpose,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::OwnRecord,
        Self::Household,
        Self::Neighbour,
        Self::Colleague,
        Self::Undeclared,
        Self::Conflict,
        Self::Burst,
        Self::OutOfHours,
        Self::NoCase,
        Self::RarePurpose,
    ];

    /// The word on the wire and in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OwnRecord => "own-record",
            Self::Household => "household",
            Self::Neighbour => "neighbour",
            Self::Colleague => "colleague",
            Self::Undeclared => "undeclared",
            Self::Conflict => "conflict",
            Self::Burst => "burst",
            Self::OutOfHours => "out-of-hours",
            Self::NoCase => "no-case",
            Self::RarePurpose => "rare-purpose",
        }
    }

    /// What it says, in words for the reviewer.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::OwnRecord => "the record is the person's own",
            Self::Household => "the person is of the resident's household, or kin",
            Self::Neighbour => "the person is a neighbour of the resident",
            Self::Colleague => "the person is a colleague of the resident",
            Self::Undeclared => "the person has no declaration of interests in date",
            Self::Conflict => {
                "the person has a conflict of interest with the resident, and how is not said"
            }
            Self::Burst => "at least three uses by the same person within one hour",
            Self::OutOfHours => "outside Monday to Friday, 8 to 18 o'clock",
            Self::NoCase => "no relationship of the person to the resident was on record",
            Self::RarePurpose => "fewer than one in twenty uses by the agency are for this purpose",
        }
    }
}

/// One use of an override, open or closed.
#[derive(Debug, Clone)]
pub struct Use {
    /// The release.
    pub id: DecisionId,
    /// When.
    pub at: Timestamp,
    /// Who, opaque.
    pub person: [u8; 16],
    /// For what.
    pub purpose: PurposeId,
    /// The record is the person's own.
    pub is_self: bool,
    /// How the person is tied to the resident, then or by now.
    pub ties: BTreeSet<Tie>,
    /// A conflict was or is on record, and not how.
    pub unsaid: bool,
    /// Then or now no declaration of interests was in date.
    pub undeclared: bool,
    /// A relationship to the resident was on record.
    pub relationship: bool,
    /// Hash of its leaf in the log.
    pub leaf: [u8; 32],
}

impl Use {
    /// Adds what is known of the person's ties.
    pub fn know(&mut self, interests: Interests) {
        let Interests { tie, unsaid, undeclared } = interests;
        self.ties.extend(tie);
        self.unsaid |= unsaid;
        self.undeclared |= undeclared;
    }

    /// Adds that there was a conflict of which the entry kept nothing more. Where the person has not declared
    /// now, that may have been all of it; `now` is known already.
    pub fn know_of_old(&mut self, now: Interests) {
        self.unsaid |= !now.undeclared;
    }

    fn is_any_of(&self, ties: &[Tie]) -> bool {
        ties.iter().any(|tie| self.ties.contains(tie))
    }
}

/// What speaks for a look at each of `uses`, which are all of one agency, oldest first.
#[must_use]
pub fn signals(uses: &[Use], zone: &TimeZone) -> BTreeMap<DecisionId, Vec<Signal>> {
    let mut purposes: BTreeMap<&PurposeId, usize> = BTreeMap::new();
    let mut people: BTreeMap<[u8; 16], Vec<Timestamp>> = BTreeMap::new();
    for one in uses {
        *purposes.entry(&one.purpose).or_default() += 1;
        people.entry(one.person).or_default().push(one.at);
    }
    let fired = |one: &Use| {
        let of_purpose = purposes.get(&one.purpose).copied().unwrap_or_default();
        let times = people.get(&one.person).map(Vec::as_slice).unwrap_or_default();
        let is = |signal: &Signal| match signal {
            Signal::OwnRecord => one.is_self,
            Signal::Household => one.is_any_of(&[Tie::Household, Tie::Kin]),
            Signal::Neighbour => one.is_any_of(&[Tie::Neighbour]),
            Signal::Colleague => one.is_any_of(&[Tie::Colleague]),
            Signal::Undeclared => one.undeclared,
            // Said later, it is said.
            Signal::Conflict => one.unsaid && one.ties.is_empty(),
            Signal::Burst => is_in_burst(times, one.at),
            Signal::OutOfHours => is_out_of_hours(one.at, zone),
            Signal::NoCase => !one.relationship,
            Signal::RarePurpose => of_purpose.saturating_mul(RARE_ONE_IN) < uses.len(),
        };
        Signal::ALL.into_iter().filter(is).collect()
    };
    uses.iter().map(|one| (one.id, fired(one))).collect()
}

/// Whether some hour that holds `at` holds enough of `times`, which are in order.
fn is_in_burst(times: &[Timestamp], at: Timestamp) -> bool {
    times.windows(BURST_LEAST).any(|some| match (some.first(), some.last()) {
        (Some(first), Some(last)) => {
            *first <= at && at <= *last && last.duration_since(*first) <= BURST_WITHIN
        }
        _ => false,
    })
}

fn is_out_of_hours(at: Timestamp, zone: &TimeZone) -> bool {
    let local = at.to_zoned(zone.clone());
    let works = local.weekday().to_monday_one_offset() <= 5;
    !(works && (DAY.0..DAY.1).contains(&local.hour()))
}

/// Whether the log picks this one whatever speaks for it: the first eight bytes of the hash of its leaf,
/// as a big-endian number, are a multiple of ten. Whoever has the log can work it out again.
#[must_use]
pub fn in_slice(leaf: &[u8; 32]) -> bool {
    let number = leaf.iter().take(8).fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
    number.is_multiple_of(SLICE_ONE_IN)
}

/// One row that waits for a reviewer.
pub trait Waiting {
    /// Signals that fired.
    fn signals(&self) -> usize;
    /// Whether the log picked it.
    fn in_slice(&self) -> bool;
    /// When the override was used.
    fn at(&self) -> Timestamp;
    /// About how long a review takes.
    fn minutes(&self) -> u32;
}

/// Puts rows in order and leaves those that fit into `minutes`; all where there is no limit. First come
/// those of the slice, oldest first, for a quarter of the minutes but at least one; then all others by the
/// number of signals, then age. The first that does not fit ends each part.
#[must_use]
pub fn queue<T: Waiting>(mut rows: Vec<T>, minutes: Option<u32>) -> Vec<T> {
    rows.sort_by_key(|row| (std::cmp::Reverse(row.signals()), row.at()));
    let Some(mut left) = minutes else {
        return rows;
    };
    let (mut slice, mut others): (Vec<T>, Vec<T>) = rows.into_iter().partition(T::in_slice);
    slice.sort_by_key(T::at);
    let mut share = left / SLICE_MINUTES_ONE_IN;
    let mut out = Vec::new();
    for (n, row) in slice.into_iter().enumerate() {
        let fits = row.minutes() <= share || (n == 0 && row.minutes() <= left);
        if fits {
            share = share.saturating_sub(row.minutes());
            left = left.saturating_sub(row.minutes());
            out.push(row);
        } else {
            share = 0;
            others.push(row);
        }
    }
    others.sort_by_key(|row| (std::cmp::Reverse(row.signals()), row.at()));
    for row in others {
        match left.checked_sub(row.minutes()) {
            Some(rest) => {
                left = rest;
                out.push(row);
            }
            None => break,
        }
    }
    out
}

/// What became of one review, for [`figures`].
#[derive(Debug, Clone)]
pub struct Closed {
    /// Signals that had fired.
    pub signals: Vec<Signal>,
    /// Whether the log had picked it.
    pub in_slice: bool,
    /// The override should not have been used so.
    pub unjustified: bool,
}

/// How many were closed, and how many of them were unjustified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hits {
    /// Closed.
    pub closed: u64,
    /// Of these unjustified.
    pub unjustified: u64,
}

impl Hits {
    fn count(&mut self, one: &Closed) {
        self.closed += 1;
        self.unjustified += u64::from(one.unjustified);
    }
}

/// How well the signals did: for each those in which it fired, and the slice to set them beside.
#[must_use]
pub fn figures(all: &[Closed]) -> (Vec<(Signal, Hits)>, Hits) {
    let mut slice = Hits::default();
    for one in all.iter().filter(|one| one.in_slice) {
        slice.count(one);
    }
    let of = |signal: Signal| {
        let mut hits = Hits::default();
        for one in all.iter().filter(|one| one.signals.contains(&signal)) {
            hits.count(one);
        }
        (signal, hits)
    };
    (Signal::ALL.into_iter().map(of).collect(), slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONDAY_TEN: &str = "2026-07-13T09:00:00Z";

    fn used(n: u128, minutes: i64, person: u8) -> Use {
        let start: Timestamp = MONDAY_TEN.parse().unwrap();
        Use {
            id: DecisionId::from_uuid(uuid::Uuid::from_u128(n)),
            at: start + SignedDuration::from_mins(minutes),
            person: [person; 16],
            purpose: "direct_care".parse().unwrap(),
            is_self: false,
            ties: BTreeSet::new(),
            unsaid: false,
            undeclared: false,
            relationship: true,
            leaf: [1; 32],
        }
    }

    #[track_caller]
    fn check(what: &str, uses: &[Use], nth: usize, want: &[Signal]) {
        let zone = TimeZone::get("Europe/London").unwrap();
        assert_eq!(signals(uses, &zone)[&uses[nth].id], want, "{what}");
    }

    #[test]
    fn each_signal_fires_where_it_says_and_nowhere_else() {
        check("a plain one", &[used(1, 0, 1)], 0, &[]);
        check("self", &[Use { is_self: true, ..used(1, 0, 1) }], 0, &[Signal::OwnRecord]);
        check("case", &[Use { relationship: false, ..used(1, 0, 1) }], 0, &[Signal::NoCase]);
        // Ten o'clock in summer is nine in UTC: the day begins two hours before and ends eight after.
        check("before eight", &[used(1, -121, 1)], 0, &[Signal::OutOfHours]);
        check("at eight", &[used(1, -120, 1)], 0, &[]);
        check("before six", &[used(1, 479, 1)], 0, &[]);
        check("at six", &[used(1, 480, 1)], 0, &[Signal::OutOfHours]);
        check("Saturday", &[used(1, 5 * 24 * 60, 1)], 0, &[Signal::OutOfHours]);
        let three = [used(1, 0, 1), used(2, 30, 1), used(3, 60, 1)];
        for nth in 0..3 {
            check("within the hour", &three, nth, &[Signal::Burst]);
        }
        check("beyond it", &[used(1, 0, 1), used(2, 30, 1), used(3, 61, 1)], 1, &[]);
        check("two people", &[used(1, 0, 1), used(2, 30, 2), used(3, 60, 1)], 1, &[]);
        let many = |n: u128| -> Vec<Use> {
            let rare = Use { purpose: "court_order".parse().unwrap(), ..used(0, 0, 0) };
            let others = (1..n).map(|i| used(i, 0, u8::try_from(i).unwrap()));
            [rare].into_iter().chain(others).collect()
        };
        check("one in twenty", &many(20), 0, &[]);
        check("one in twenty-one", &many(21), 0, &[Signal::RarePurpose]);
        check("the others", &many(21), 1, &[]);
    }

    #[test]
    fn each_tie_is_a_signal_of_its_own() {
        let unsaid = Interests { unsaid: true, ..Interests::default() };
        let undeclared = Interests { undeclared: true, ..Interests::default() };
        let tied = |tie| Interests { tie: Some(tie), ..Interests::default() };
        let (household, colleague) = (tied(Tie::Household), tied(Tie::Colleague));
        for (what, known, want) in [
            ("nothing", &[Interests::default()][..], &[][..]),
            ("household", &[household], &[Signal::Household]),
            ("kin", &[tied(Tie::Kin)], &[Signal::Household]),
            ("neighbour", &[tied(Tie::Neighbour)], &[Signal::Neighbour]),
            ("colleague", &[colleague], &[Signal::Colleague]),
            ("undeclared", &[undeclared], &[Signal::Undeclared]),
            ("unsaid", &[unsaid], &[Signal::Conflict]),
            ("household and kin are one", &[household, tied(Tie::Kin)], &[Signal::Household]),
            ("then and by now", &[household, colleague], &[Signal::Household, Signal::Colleague]),
            ("taken back since", &[household, Interests::default()], &[Signal::Household]),
            ("said since", &[unsaid, colleague], &[Signal::Colleague]),
            ("no longer said", &[colleague, unsaid], &[Signal::Colleague]),
            ("lapsed since", &[unsaid, undeclared], &[Signal::Undeclared, Signal::Conflict]),
            (
                "tied and undeclared",
                &[Interests { undeclared: true, ..colleague }],
                &[Signal::Colleague, Signal::Undeclared],
            ),
        ] {
            let mut one = used(1, 0, 1);
            known.iter().for_each(|interests| one.know(*interests));
            check(what, &[one], 0, want);
        }
        // Of an entry from before ties were kept only the conflict is known, and what is on record now.
        for (what, now, want) in [
            ("old, nothing now", Interests::default(), Signal::Conflict),
            ("old, colleague now", colleague, Signal::Colleague),
            ("old, undeclared now", undeclared, Signal::Undeclared),
        ] {
            let mut one = used(1, 0, 1);
            one.know(now);
            one.know_of_old(now);
            check(what, &[one], 0, &[want]);
        }
    }

    #[test]
    fn a_signal_has_one_word_in_the_log_and_on_the_wire_and_words_of_its_own() {
        let mut said = BTreeSet::new();
        for signal in Signal::ALL {
            let stored = serde_json::to_value(signal).unwrap();
            assert_eq!(stored, signal.as_str());
            assert!(said.insert(signal.as_str()) && said.insert(signal.says()), "{stored}");
        }
    }

    #[derive(Debug, Clone, Copy)]
    struct Row(&'static str, usize, bool, i64, u32);

    impl Waiting for Row {
        fn signals(&self) -> usize {
            self.1
        }
        fn in_slice(&self) -> bool {
            self.2
        }
        fn at(&self) -> Timestamp {
            Timestamp::from_second(self.3).unwrap()
        }
        fn minutes(&self) -> u32 {
            self.4
        }
    }

    #[test]
    fn the_order_is_signals_then_age_and_the_slice_has_its_share_of_the_minutes() {
        let rows = [
            Row("new", 1, false, 30, 10),
            Row("old", 1, false, 20, 10),
            Row("most", 2, false, 40, 10),
            Row("none", 0, false, 10, 10),
            Row("slice", 0, true, 50, 10),
            Row("slice too", 0, true, 51, 10),
        ];
        for (minutes, want) in [
            (None, ["most", "old", "new", "none", "slice", "slice too"].as_slice()),
            (Some(0), &[]),
            (Some(9), &[]),
            (Some(10), &["slice"]),
            (Some(20), &["slice", "most"]),
            (Some(39), &["slice", "most", "old"]),
            (Some(60), &["slice", "most", "old", "new", "none", "slice too"]),
            (Some(80), &["slice", "slice too", "most", "old", "new", "none"]),
        ] {
            let got: Vec<_> = queue(rows.to_vec(), minutes).iter().map(|row| row.0).collect();
            assert_eq!(got, want, "{minutes:?}");
        }
    }

    #[test]
    fn the_slice_follows_from_the_leaf() {
        let leaf = |number: u64, rest: u8| {
            let mut leaf = [rest; 32];
            leaf[..8].copy_from_slice(&number.to_be_bytes());
            leaf
        };
        for (number, want) in [(0, true), (10, true), (11, false), (256, false), (2560, true)] {
            assert_eq!(in_slice(&leaf(number, 0)), want, "{number}");
            assert_eq!(in_slice(&leaf(number, 255)), want, "{number}: only eight bytes count");
        }
    }

    #[test]
    fn figures_count_what_each_signal_found() {
        let one = |signals: &[Signal], in_slice, unjustified| Closed {
            signals: signals.to_vec(),
            in_slice,
            unjustified,
        };
        let all = [
            one(&[Signal::Burst, Signal::NoCase], false, true),
            one(&[Signal::Burst], false, false),
            one(&[], true, false),
            one(&[Signal::NoCase], true, true),
        ];
        let (by_signal, slice) = figures(&all);
        let of = |signal| by_signal.iter().find(|(s, _)| *s == signal).unwrap().1;
        assert_eq!(of(Signal::Burst), Hits { closed: 2, unjustified: 1 });
        assert_eq!(of(Signal::NoCase), Hits { closed: 2, unjustified: 2 });
        assert_eq!(of(Signal::OwnRecord), Hits::default());
        assert_eq!(slice, Hits { closed: 2, unjustified: 1 });
    }
}
