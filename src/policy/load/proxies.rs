//! `words/proxies.csv`: who may speak for a resident, on what evidence and when. A folder without it is one of
//! before there were proxies on record, and nobody speaks for anybody under it.

use std::collections::{BTreeMap, BTreeSet};

use super::Findings;
use super::words::{Reader, Row};
use crate::domain::{EvidenceId, Giver};
use crate::policy::book::{ProxyAge, ProxyRule, ProxyVoice};

/// Oldest age that a table may give.
const AGE_MAX: i16 = 130;

pub(super) fn read(r: &mut Reader<'_>) -> BTreeMap<Giver, ProxyRule> {
    if !r.has("proxies") {
        return BTreeMap::new();
    }
    let columns = [
        "id",
        "evidence",
        "consents",
        "acts_in_portal",
        "files_requests",
        "from_age",
        "until_age",
        "meaning",
    ];
    let others: Vec<Giver> = Giver::ALL.iter().copied().filter(|one| *one != Giver::Own).collect();
    let words: Vec<&str> = others.iter().map(|one| one.as_str()).collect();
    let rows: BTreeMap<Giver, ProxyRule> = r.table("proxies", &columns, |row, f| {
        let id = row.id.clone();
        let kind: Giver = row.one("id", &id, "words/givers.csv, self left out", &words, f)?;
        let evidence = evidence(row, f)?;
        let voice = voice(row, kind, f)?;
        let (portal, requests) = (row.flag(f), row.flag(f));
        let (from_age, until_age) = (age(row, f)?, age(row, f)?);
        let meaning = row.text(f);
        Some(ProxyRule { evidence, voice, portal, requests, from_age, until_age, meaning })
    });
    r.complete("proxies", &others, &rows);
    rows
}

fn evidence(row: &mut Row<'_>, f: &mut Findings) -> Option<BTreeSet<EvidenceId>> {
    let (column, cell) = row.next();
    let words: Result<BTreeSet<EvidenceId>, _> = cell.split('|').map(str::parse).collect();
    if words.is_err() {
        let message =
            format!("column {column} must be words, such as birth-certificate|court-order.");
        row.bad("E10", message, f);
    }
    words.ok()
}

/// Whose yes can count is the law's; a place can only leave it out.
fn voice(row: &mut Row<'_>, kind: Giver, f: &mut Findings) -> Option<ProxyVoice> {
    let most = match kind {
        Giver::Parent => ProxyVoice::UntilOwnVoice,
        Giver::AttorneyHw | Giver::DeputyHw => ProxyVoice::WhileLacking,
        Giver::AttorneyPf => ProxyVoice::WhileUnable,
        Giver::Own | Giver::Appointee | Giver::Advocate => ProxyVoice::Never,
    };
    let (column, cell) = row.next();
    let found = [ProxyVoice::Never, most].into_iter().find(|voice| voice.as_str() == cell);
    if found.is_none() {
        let most = most.as_str();
        let or = if most == "never" { String::new() } else { format!(" or {most}") };
        row.bad("E10", format!("column {column}: \"{cell}\" must be never{or}."), f);
    }
    found
}

fn age(row: &mut Row<'_>, f: &mut Findings) -> Option<Option<ProxyAge>> {
    let (column, cell) = row.next();
    match cell {
        "" => Some(None),
        "own_voice_age" => Some(Some(ProxyAge::OwnVoice)),
        "adult_age" => Some(Some(ProxyAge::Adult)),
        years => {
            let years = years.parse().ok().filter(|years| (0..=AGE_MAX).contains(years));
            if years.is_none() {
                let message = format!(
                    "column {column}: \"{cell}\" must be own_voice_age, adult_age, years from 0 to \
                     {AGE_MAX}, or empty."
                );
                row.bad("E10", message, f);
            }
            years.map(|years| Some(ProxyAge::Years(years)))
        }
    }
}
