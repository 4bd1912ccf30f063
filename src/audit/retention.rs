//! What of the log lapses together, and when it is to be read no more.

use std::collections::BTreeMap;

use super::entry::Kind;
use crate::domain::KeptKind;

impl Kind {
    /// The word of the policy for how long entries of this kind are kept.
    #[must_use]
    pub const fn kept(self) -> KeptKind {
        match self {
            Self::Disclose => KeptKind::Disclose,
            Self::Refuse => KeptKind::Refuse,
            Self::Query => KeptKind::Query,
            Self::Choice => KeptKind::Choice,
            Self::Hold => KeptKind::Hold,
            Self::Fact => KeptKind::Fact,
            Self::Policy => KeptKind::Policy,
            Self::AuditRead => KeptKind::AuditRead,
            Self::TurnedAway => KeptKind::TurnedAway,
            Self::Genesis | Self::Gap | Self::Operation => KeptKind::Operation,
            Self::Review => KeptKind::Review,
            Self::Report => KeptKind::Report,
            Self::Erase => KeptKind::Erase,
            Self::Rights => KeptKind::Rights,
            Self::Notice => KeptKind::Notice,
        }
    }
}

impl KeptKind {
    /// Its number in what is sealed and in the name of its keys; never changes its meaning.
    #[must_use]
    pub const fn number(self) -> u8 {
        let one = match self {
            Self::Disclose => Kind::Disclose,
            Self::Refuse => Kind::Refuse,
            Self::Query => Kind::Query,
            Self::Choice => Kind::Choice,
            Self::Hold => Kind::Hold,
            Self::Fact => Kind::Fact,
            Self::Policy => Kind::Policy,
            Self::AuditRead => Kind::AuditRead,
            Self::TurnedAway => Kind::TurnedAway,
            Self::Operation => Kind::Operation,
            Self::Review => Kind::Review,
            Self::Report => Kind::Report,
            Self::Erase => Kind::Erase,
            Self::Rights => Kind::Rights,
            Self::Notice => Kind::Notice,
        };
        one as u8
    }

    /// The one with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.number() == number)
    }
}

/// Entries under one key, which lapse together: those of a kind that were sealed in a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lot {
    /// The year in which they were sealed.
    pub year: i16,
    /// Their kind; `None`: all of them, as it was before each kind had a key.
    pub kind: Option<KeptKind>,
}

impl Lot {
    /// The lot that an entry of this kind is in which is sealed in this year.
    #[must_use]
    pub const fn of(year: i16, kind: KeptKind) -> Self {
        Self { year, kind: Some(kind) }
    }

    /// All that was sealed in a year before each kind had a key.
    #[must_use]
    pub const fn whole(year: i16) -> Self {
        Self { year, kind: None }
    }
}

/// What the key of a lot opens: entries by kind and by the year that they were committed in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LotEntries {
    /// How many, by kind and year.
    pub entries: BTreeMap<(KeptKind, i16), u64>,
    /// Of these, entries about somebody on whom a legal hold is.
    pub held: u64,
    /// The key is there.
    pub opens: bool,
}

impl LotEntries {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.entries.values().sum()
    }

    /// The year on whose first day the last of them is past, where each is kept for whole years after the
    /// year of its commit. `None`: never; a kind without a figure is kept.
    #[must_use]
    pub fn due(&self, years: &BTreeMap<KeptKind, u16>) -> Option<i16> {
        let one = |(kind, year): &(KeptKind, i16)| {
            let kept = i16::try_from(*years.get(kind)?).ok()?;
            year.checked_add(kept)?.checked_add(1)
        };
        self.entries.keys().map(one).try_fold(i16::MIN, |latest, due| Some(latest.max(due?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lot_is_due_when_its_longest_kept_entry_is() {
        let years = BTreeMap::from([(KeptKind::Disclose, 8), (KeptKind::Query, 1)]);
        let check = |entries: &[(KeptKind, i16)], due: Option<i16>| {
            let entries = entries.iter().map(|one| (*one, 1)).collect();
            let lot = LotEntries { entries, held: 0, opens: true };
            assert_eq!(lot.due(&years), due, "{lot:?}");
        };
        check(&[(KeptKind::Query, 2026)], Some(2028));
        check(&[(KeptKind::Disclose, 2026)], Some(2035));
        // Sealed in the last moment of a year, committed in the next.
        check(&[(KeptKind::Query, 2026), (KeptKind::Query, 2027)], Some(2029));
        check(&[(KeptKind::Review, 2026)], None);
        check(&[(KeptKind::Query, i16::MAX)], None);
        // Only where all kinds of a year are under one key does one wait for another.
        check(&[(KeptKind::Query, 2026), (KeptKind::Disclose, 2026)], Some(2035));
        check(&[(KeptKind::Query, 2026), (KeptKind::Review, 2026)], None);
    }

    #[test]
    fn numbers_of_kinds_never_change_their_meaning() {
        let numbers: Vec<(u8, &str)> =
            KeptKind::ALL.iter().map(|kind| (kind.number(), kind.as_str())).collect();
        let wanted = [
            (2, "disclose"),
            (3, "refuse"),
            (4, "query"),
            (5, "choice"),
            (6, "hold"),
            (7, "fact"),
            (8, "policy"),
            (9, "audit-read"),
            (10, "turned-away"),
            (12, "operation"),
            (13, "review"),
            (14, "report"),
            (15, "erase"),
            (16, "rights"),
            (17, "notice"),
        ];
        assert_eq!(numbers, wanted);
        for number in 0..=u8::MAX {
            let kind = KeptKind::from_number(number);
            assert_eq!(kind.is_some(), wanted.iter().any(|(one, _)| *one == number), "{number}");
            assert!(kind.is_none_or(|kind| kind.number() == number), "{number}");
        }
        for kind in (0..=u8::MAX).filter_map(Kind::from_number) {
            assert_eq!(KeptKind::from_number(kind.kept().number()), Some(kind.kept()));
        }
    }
}
