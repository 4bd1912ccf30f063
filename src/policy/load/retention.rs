//! `words/retention.csv`: how long entries of the audit log can be read. A folder without it is one of before
//! there were such figures, and keeps everything.

use std::collections::BTreeMap;

use super::words::Reader;
use crate::domain::KeptKind;

/// Longest time, in years.
const YEARS_MAX: u16 = 100;

pub(super) fn read(r: &mut Reader<'_>) -> BTreeMap<KeptKind, u16> {
    if !r.has("retention") {
        return BTreeMap::new();
    }
    let years = r.table("retention", &["id", "years", "because"], |row, f| {
        let (column, cell) = row.next();
        let years = cell.parse().ok().filter(|years| (1..=YEARS_MAX).contains(years));
        if years.is_none() {
            let message = format!("column {column} must be whole years from 1 to {YEARS_MAX}.");
            row.bad("E10", message, f);
        }
        // Why it is so long is for people; it must be said.
        row.text(f);
        years
    });
    // A table of before residents used their rights here, or agencies were told, says nothing of that: it is
    // kept for good.
    let late = [KeptKind::Rights, KeptKind::Notice];
    let needed: Vec<KeptKind> =
        KeptKind::ALL.iter().copied().filter(|kind| !late.contains(kind)).collect();
    r.complete("retention", &needed, &years);
    years
}
