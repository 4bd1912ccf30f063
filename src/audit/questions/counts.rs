//! Questions whose answer is numbers of persons, purposes and codes. Whom entries are about is counted, never
//! shown.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Weekday;

use super::lists::reads;
use super::{Fold, Parameters, Plan, Seen};
use crate::audit::entry::{Facet, Kind};

type Who = (String, String);

/// The most first, and each as many as counts.
fn ranked<T>(
    all: BTreeMap<Who, T>,
    least: usize,
    size: impl Fn(&T) -> usize,
    row: impl Fn(&T) -> Vec<String>,
) -> Vec<Vec<String>> {
    let mut all: Vec<_> = all.into_iter().filter(|(_, one)| size(one) >= least).collect();
    all.sort_by(|(who, one), (other, two)| size(two).cmp(&size(one)).then(who.cmp(other)));
    let rows = all.into_iter().map(|((agency, officer), one)| {
        let mut cells = vec![agency, officer];
        cells.extend(row(&one));
        cells
    });
    rows.collect()
}

/// Decisions and what was refused, by agency and purpose.
#[derive(Default)]
struct Refusals(BTreeMap<(String, String), Decisions>);

/// How many there were, and by code how many were refused whole and in part.
type Decisions = (u64, BTreeMap<String, (u64, u64)>);

impl Fold for Refusals {
    fn take(&mut self, _: usize, seen: &Seen<'_>) {
        if !seen.entry.facets.contains_key(&Facet::Outcome) {
            return;
        }
        let by = (seen.agency(), seen.words(Facet::Purpose));
        let (decisions, codes) = self.0.entry(by).or_default();
        *decisions += 1;
        for code in seen.entry.words(Facet::Codes).filter(|code| !code.is_empty()) {
            let (whole, part) = codes.entry(code.to_owned()).or_default();
            *(if seen.entry.kind == Kind::Refuse { whole } else { part }) += 1;
        }
    }

    fn rows(self: Box<Self>) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for ((agency, purpose), (decisions, codes)) in self.0 {
            let mut codes: Vec<_> = codes.into_iter().collect();
            codes.sort_by(|(code, (one, _)), (other, (two, _))| two.cmp(one).then(code.cmp(other)));
            for (code, (whole, part)) in codes {
                let numbers = [whole, part, decisions].map(|n| n.to_string());
                rows.push(
                    [agency.clone(), purpose.clone(), code].into_iter().chain(numbers).collect(),
                );
            }
        }
        rows
    }
}

pub(super) fn refusals(told: &Parameters) -> Plan {
    Plan {
        columns: &["agency", "purpose", "code", "refused", "withheld in part", "decisions"],
        passes: vec![reads(told, &[Kind::Disclose, Kind::Refuse])],
        fold: Box::new(Refusals::default()),
    }
}

/// Releases with suppressed counts, by person.
#[derive(Default)]
struct Small(BTreeMap<Who, (u64, BTreeSet<String>, BTreeSet<String>)>);

impl Fold for Small {
    fn take(&mut self, _: usize, seen: &Seen<'_>) {
        let (count, purposes, fields) = self.0.entry(seen.who()).or_default();
        *count += 1;
        purposes.insert(seen.words(Facet::Purpose));
        fields.extend(seen.entry.words(Facet::Released).map(str::to_owned));
    }

    fn rows(self: Box<Self>) -> Vec<Vec<String>> {
        let size = |(count, _, _): &(u64, _, _)| usize::try_from(*count).unwrap_or(usize::MAX);
        let joined = |words: &BTreeSet<String>| words.iter().cloned().collect::<Vec<_>>().join("|");
        ranked(self.0, 0, size, |(count, purposes, fields)| {
            vec![count.to_string(), joined(purposes), joined(fields)]
        })
    }
}

pub(super) fn small_numbers(told: &Parameters) -> Plan {
    let mut reads = reads(told, &[Kind::Disclose]);
    reads.facets.push((Facet::Duties, "SUPPRESS_SMALL".to_owned()));
    Plan {
        columns: &["agency", "officer", "releases", "purposes", "released"],
        passes: vec![reads],
        fold: Box::new(Small::default()),
    }
}

/// The most residents of one person in a window.
struct Bursts {
    window: jiff::SignedDuration,
    least: usize,
    by: BTreeMap<Who, Burst>,
}

#[derive(Default)]
struct Burst {
    recent: BTreeMap<[u8; 16], Timestamp>,
    most: usize,
    until: String,
    entry: String,
}

impl Fold for Bursts {
    fn take(&mut self, _: usize, seen: &Seen<'_>) {
        let Some(about) = seen.about() else { return };
        let since = seen.at.checked_sub(self.window).unwrap_or(Timestamp::MIN);
        let one = self.by.entry(seen.who()).or_default();
        one.recent.insert(about, seen.at);
        one.recent.retain(|_, at| *at > since);
        if one.recent.len() > one.most {
            (one.most, one.until, one.entry) = (one.recent.len(), seen.at.to_string(), seen.name());
        }
    }

    fn rows(self: Box<Self>) -> Vec<Vec<String>> {
        ranked(
            self.by,
            self.least,
            |one| one.most,
            |one| vec![one.most.to_string(), one.until.clone(), one.entry.clone()],
        )
    }
}

pub(super) fn bursts(told: &Parameters) -> Plan {
    let fold = Bursts { window: told.hours(1), least: told.least(20), by: BTreeMap::new() };
    Plan {
        columns: &["agency", "officer", "residents", "until", "entry"],
        passes: vec![reads(told, &[Kind::Disclose])],
        fold: Box::new(fold),
    }
}

/// Releases at odd times beside all, by person.
struct OutOfHours {
    zone: jiff::tz::TimeZone,
    least: usize,
    by: BTreeMap<Who, (usize, usize, String)>,
}

impl Fold for OutOfHours {
    fn take(&mut self, _: usize, seen: &Seen<'_>) {
        let there = seen.at.to_zoned(self.zone.clone());
        let odd = !(7..20).contains(&there.hour())
            || matches!(there.weekday(), Weekday::Saturday | Weekday::Sunday);
        let (odds, all, last) = self.by.entry(seen.who()).or_default();
        *all += 1;
        if odd {
            *odds += 1;
            *last = seen.name();
        }
    }

    fn rows(self: Box<Self>) -> Vec<Vec<String>> {
        ranked(
            self.by,
            self.least,
            |(odd, _, _)| *odd,
            |(odd, all, last)| vec![odd.to_string(), all.to_string(), last.clone()],
        )
    }
}

pub(super) fn out_of_hours(told: &Parameters) -> Plan {
    let (zone, least) = (told.zone.clone(), told.least(1).max(1));
    Plan {
        columns: &["agency", "officer", "out of hours", "releases", "last entry"],
        passes: vec![reads(told, &[Kind::Disclose])],
        fold: Box::new(OutOfHours { zone, least, by: BTreeMap::new() }),
    }
}

/// Residents and purposes, by person.
struct Breadth {
    least: usize,
    by: BTreeMap<Who, Had>,
}

/// Residents, purposes, releases.
type Had = (BTreeSet<[u8; 16]>, BTreeSet<String>, u64);

impl Fold for Breadth {
    fn take(&mut self, _: usize, seen: &Seen<'_>) {
        let (residents, purposes, releases) = self.by.entry(seen.who()).or_default();
        residents.extend(seen.about());
        purposes.insert(seen.words(Facet::Purpose));
        *releases += 1;
    }

    fn rows(self: Box<Self>) -> Vec<Vec<String>> {
        ranked(
            self.by,
            self.least,
            |(residents, _, _)| residents.len(),
            |(residents, purposes, n)| {
                vec![residents.len().to_string(), purposes.len().to_string(), n.to_string()]
            },
        )
    }
}

pub(super) fn breadth(told: &Parameters) -> Plan {
    Plan {
        columns: &["agency", "officer", "residents", "purposes", "releases"],
        passes: vec![reads(told, &[Kind::Disclose])],
        fold: Box::new(Breadth { least: told.least(1), by: BTreeMap::new() }),
    }
}
