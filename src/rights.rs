//! What residents see of releases about them, and in which words. Pure. Whoever holds a resident's login may
//! be the danger to them: what is sealed leaves no gap, no count and no word.

pub mod access;
pub mod requests;
pub mod telling;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{AgencyId, AgreementId, CategoryId, GatewayId, OverrideId, PurposeId, RuleId};
use crate::policy::book::{Involvement, RuleBook, Sight, SightRule, Told};

/// A release, as far as it matters for who may see it.
#[derive(Debug, Clone)]
pub struct Release {
    /// When.
    pub at: Timestamp,
    /// Who gave.
    pub holder: AgencyId,
    /// Who got.
    pub recipient: AgencyId,
    /// What for; `None`: a word that the policy no longer has, or that cannot be read.
    pub purpose: Option<PurposeId>,
    /// The override that was used.
    pub override_kind: Option<OverrideId>,
    /// What about.
    pub categories: BTreeSet<CategoryId>,
    /// Under which gateways.
    pub gateways: BTreeSet<GatewayId>,
    /// Under which rules.
    pub rules: BTreeSet<RuleId>,
    /// Under which agreements.
    pub agreements: BTreeSet<AgreementId>,
    /// The asker said why the resident must not be told, or what the asker said cannot be read.
    pub untold: bool,
}

/// What a rights officer said of a release; the latest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// The resident sees it.
    Show,
    /// Sealed; to be looked at again at this time.
    Seal(Timestamp),
}

/// How a release stands towards its resident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It is seen.
    Visible,
    /// It will be, from this time on.
    Delayed(Timestamp),
    /// It is not seen. From this time on a person has to look again.
    Sealed(Timestamp),
}

/// What the policy's lines say of a release together: the strictest counts. Among seals, the one that is
/// looked at again the soonest; among delays, the longest.
#[must_use]
pub fn rule(book: &RuleBook, release: &Release) -> SightRule {
    const SHUT: SightRule = SightRule { sight: Sight::Sealed, days: 0 };
    let table = &book.visibility;
    let mut lines = Vec::new();
    let purpose = release.purpose.as_ref().and_then(|purpose| table.purposes.get(purpose));
    lines.push(purpose.copied().unwrap_or(SHUT));
    if let Some(kind) = &release.override_kind {
        lines.push(table.overrides.get(kind).copied().unwrap_or(SHUT));
    }
    let of = |category| table.categories.get(category).copied().unwrap_or(SHUT);
    lines.extend(release.categories.iter().map(of));
    if [&release.holder, &release.recipient].into_iter().any(|agency| is_hidden(book, agency)) {
        lines.push(table.hidden_agency.unwrap_or(SHUT));
    }
    if release.untold {
        lines.push(table.do_not_tell.unwrap_or(SHUT));
    }
    lines.into_iter().fold(SightRule { sight: Sight::Visible, days: 0 }, |a, b| {
        match a.sight.cmp(&b.sight) {
            std::cmp::Ordering::Less => b,
            std::cmp::Ordering::Greater => a,
            std::cmp::Ordering::Equal if a.sight == Sight::Sealed => a.min(b),
            std::cmp::Ordering::Equal => a.max(b),
        }
    })
}

/// An agency whose name tells something by itself, or of which the policy knows nothing.
#[must_use]
pub fn is_hidden(book: &RuleBook, agency: &AgencyId) -> bool {
    book.agencies.get(agency).is_none_or(|agency| agency.involvement != Involvement::Open)
}

/// How a release stands at `now`. What the policy has no words for is sealed.
#[must_use]
pub fn seen(book: &RuleBook, release: &Release, ruling: Option<Ruling>, now: Timestamp) -> Seen {
    let rule = rule(book, release);
    let after = |days: u16| {
        let span = SignedDuration::from_hours(i64::from(days).saturating_mul(24));
        release.at.checked_add(span).unwrap_or(Timestamp::MAX)
    };
    let seen = match (ruling, rule.sight) {
        (Some(Ruling::Show), _) | (None, Sight::Visible) => Seen::Visible,
        (Some(Ruling::Seal(again)), _) => Seen::Sealed(again),
        (None, Sight::Delayed) if after(rule.days) <= now => Seen::Visible,
        (None, Sight::Delayed) => Seen::Delayed(after(rule.days)),
        (None, Sight::Sealed) => Seen::Sealed(after(rule.days)),
    };
    if seen == Seen::Visible && told(book, release).is_none() {
        return Seen::Sealed(release.at);
    }
    seen
}

/// A release in words for residents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldRelease {
    /// The whole of it.
    pub sentence: Told,
    /// Who gave.
    pub holder: Told,
    /// Who got.
    pub recipient: Told,
    /// What for.
    pub purpose: Told,
    /// What about.
    pub categories: Vec<Told>,
    /// Statutes and sections, as they are cited.
    pub laws: Vec<String>,
}

/// A release in the words of the policy; `None` where it lacks one of them.
#[must_use]
pub fn told(book: &RuleBook, release: &Release) -> Option<ToldRelease> {
    let words = &book.telling;
    let (sentence, and) = (words.sentence.as_ref()?, words.and.as_ref()?);
    let purpose = words.purposes.get(release.purpose.as_ref()?)?.clone();
    let categories: Option<Vec<Told>> =
        release.categories.iter().map(|c| words.categories.get(c).cloned()).collect();
    let categories = categories.filter(|all| !all.is_empty())?;
    let named = |agency: &AgencyId| {
        let known = words.agencies.contains_key(agency) || book.agencies.contains_key(agency);
        known.then(|| agency_told(book, agency))
    };
    let (holder, recipient) = (named(&release.holder)?, named(&release.recipient)?);
    let laws: BTreeSet<String> = release
        .gateways
        .iter()
        .filter_map(|gateway| book.gateways.get(gateway))
        .map(|law| format!("{} {}", law.statute, law.section))
        .collect();
    let laws: Vec<String> = laws.into_iter().collect();
    let no_law = words.no_law.as_ref()?;
    let under = |none: &str, and: &str| {
        if laws.is_empty() { none.to_owned() } else { listed(&laws, and) }
    };
    let all = |pick: fn(&Told) -> &String, and: &str| {
        let parts: Vec<String> = categories.iter().map(|told| pick(told).clone()).collect();
        listed(&parts, and)
    };
    let fill = |text: &str, parts: [&str; 5]| filled(text, parts);
    let (what_en, what_cy) = (all(|told| &told.en, &and.en), all(|told| &told.cy, &and.cy));
    let (under_en, under_cy) = (under(&no_law.en, &and.en), under(&no_law.cy, &and.cy));
    let sentence = Told {
        en: fill(&sentence.en, [&holder.en, &recipient.en, &what_en, &purpose.en, &under_en]),
        cy: fill(&sentence.cy, [&holder.cy, &recipient.cy, &what_cy, &purpose.cy, &under_cy]),
    };
    Some(ToldRelease { sentence, holder, recipient, purpose, categories, laws })
}

/// An agency's name for residents; of one that the policy no longer has, its word.
#[must_use]
pub fn agency_told(book: &RuleBook, agency: &AgencyId) -> Told {
    let own = book.telling.agencies.get(agency).cloned();
    own.unwrap_or_else(|| {
        let known = book.agencies.get(agency);
        let name = known.map_or_else(|| agency.to_string(), |agency| agency.name.clone());
        Told { en: name.clone(), cy: name }
    })
}

/// Puts the parts in one after the other, so that a part that looks like a place stays as it is.
fn filled(text: &str, [holder, recipient, what, why, under]: [&str; 5]) -> String {
    let places = [
        ("{holder}", holder),
        ("{recipient}", recipient),
        ("{what}", what),
        ("{why}", why),
        ("{under}", under),
    ];
    let mut out = String::new();
    let mut rest = text;
    loop {
        let next = places
            .iter()
            .filter_map(|(place, part)| rest.split_once(place).map(|(a, b)| (a, b, part)))
            .min_by_key(|(before, _, _)| before.len());
        let Some((before, after, part)) = next else {
            out.push_str(rest);
            return out;
        };
        out.push_str(before);
        out.push_str(part);
        rest = after;
    }
}

/// `a, b and c`.
fn listed(parts: &[String], and: &str) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {and} {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests;
