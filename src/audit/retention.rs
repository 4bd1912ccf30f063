//! When what a year's key opens is to be read no more.

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

/// What one year's key opens: entries by kind and by the year that they were committed in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct YearOfEntries {
    /// How many, by kind and year.
    pub entries: BTreeMap<(KeptKind, i16), u64>,
    /// Of these, entries about somebody on whom a legal hold is.
    pub held: u64,
    /// The key is there.
    pub opens: bool,
}

impl YearOfEntries {
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
    fn a_year_is_due_when_its_longest_kept_entry_is() {
        let years = BTreeMap::from([(KeptKind::Disclose, 8), (KeptKind::Query, 1)]);
        let check = |entries: &[(KeptKind, i16)], due: Option<i16>| {
            let entries = entries.iter().map(|one| (*one, 1)).collect();
            let year = YearOfEntries { entries, held: 0, opens: true };
            assert_eq!(year.due(&years), due, "{year:?}");
        };
        check(&[(KeptKind::Query, 2026)], Some(2028));
        check(&[(KeptKind::Query, 2026), (KeptKind::Disclose, 2026)], Some(2035));
        // Sealed in the last moment of a year, committed in the next.
        check(&[(KeptKind::Query, 2026), (KeptKind::Query, 2027)], Some(2029));
        check(&[(KeptKind::Query, 2026), (KeptKind::Review, 2026)], None);
        check(&[(KeptKind::Query, i16::MAX)], None);
    }
}
