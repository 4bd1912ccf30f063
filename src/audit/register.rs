//! The non-disclosure register: what was asked for and not given, by the hub's rules or by a holder, and what
//! was owed and not done in time. A refusal can do as much harm as a release, and is easier to overlook.
//! Pure: entries come from whoever has them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::entry::{Entry, Facet, Kind, SlotId};
use crate::domain::{AgencyId, Code, DecisionId, Duty};

/// Hours of a day of age.
const DAY: i64 = 24;

/// What was not disclosed or done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    /// The hub gave nothing.
    Refused,
    /// The hub gave a part of what was asked for.
    Withheld,
    /// The hub gave nothing, and a person of the holder is to decide.
    Referred,
    /// A duty of a release was not met in time.
    Late,
    /// A partner reported that a holder refused or did not answer, outside the hub.
    Reported,
}

impl Sort {
    /// Each.
    pub const ALL: [Self; 5] =
        [Self::Refused, Self::Withheld, Self::Referred, Self::Late, Self::Reported];

    /// The word on the wire and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Withheld => "withheld",
            Self::Referred => "referred",
            Self::Late => "late",
            Self::Reported => "reported",
        }
    }
}

/// What a report says.
const REPORTED: [&str; 2] = ["refused", "silent"];

/// Reads why something was not disclosed: a code, a duty, or what a report says.
///
/// # Errors
/// The nearest word there is.
pub fn read_why(text: &str) -> Result<String, String> {
    let codes = Code::ALL.iter().map(|code| code.as_str());
    let all = || codes.clone().chain(Duty::ALL.iter().map(|duty| duty.as_str())).chain(REPORTED);
    if all().any(|word| word == text) {
        return Ok(text.to_owned());
    }
    let asked: String = text.chars().take(40).collect();
    let near = all().min_by_key(|word| strsim::damerau_levenshtein(&asked, word));
    Err(format!("is no code and no duty; the nearest is `{}`", near.unwrap_or_default()))
}

/// A row of the register. It names nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterRow {
    /// The place of its entry.
    pub index: u64,
    /// Since when.
    pub at: Timestamp,
    /// What it is.
    pub sort: Sort,
    /// Who asked; of a late duty, whoever's release it is a duty of; `None`: not told here.
    pub asker: Option<AgencyId>,
    /// Who did not give it, or owes the duty.
    pub holder: String,
    /// For what it was asked; empty where the entry does not say.
    pub purpose: String,
    /// Why: the codes that the asker was told; of a late duty, the duty; of a report, `refused` or `silent`.
    pub codes: Vec<String>,
    /// The law commands the disclosure: somebody must look at once.
    pub alarm: bool,
    /// The fields that were withheld.
    pub fields: BTreeSet<String>,
    /// The release that a late duty is of.
    pub of: Option<DecisionId>,
}

impl RegisterRow {
    /// What an entry says was not disclosed or done; `None`: nothing of that sort.
    #[must_use]
    pub fn of(index: u64, at: Timestamp, entry: &Entry) -> Option<Self> {
        let word = |facet| entry.facets.get(&facet).cloned().unwrap_or_default();
        let words =
            |facet| entry.words(facet).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        let decided = entry.facets.contains_key(&Facet::Outcome);
        let codes: Vec<String> = words(Facet::Codes);
        let (sort, codes) = match entry.kind {
            Kind::Refuse if decided && word(Facet::Outcome) == "REFER" => (Sort::Referred, codes),
            Kind::Refuse if decided => (Sort::Refused, codes),
            Kind::Disclose if !codes.is_empty() => (Sort::Withheld, codes),
            Kind::Report => (Sort::Reported, words(Facet::What)),
            Kind::Review if word(Facet::What) == "overdue" => (Sort::Late, words(Facet::Duties)),
            Kind::Disclose
            | Kind::Refuse
            | Kind::Review
            | Kind::Genesis
            | Kind::Query
            | Kind::Choice
            | Kind::Hold
            | Kind::Fact
            | Kind::Policy
            | Kind::AuditRead
            | Kind::TurnedAway
            | Kind::Gap
            | Kind::Operation
            | Kind::Erase
            | Kind::Rights
            | Kind::Notice => return None,
        };
        Some(Self {
            index,
            at,
            sort,
            asker: entry.agency.clone(),
            holder: word(Facet::Holder),
            purpose: word(Facet::Purpose),
            codes,
            alarm: entry.facets.contains_key(&Facet::Alarm),
            fields: words(Facet::Withheld).into_iter().collect(),
            of: entry.facets.get(&Facet::Review).and_then(|id| id.parse().ok()),
        })
    }

    /// Takes what a later release to the same agency, of the same holder and resident for the same purpose
    /// gave; tells whether nothing of what was not disclosed is left.
    pub fn given(&mut self, release: &Entry) -> bool {
        if self.sort == Sort::Withheld {
            for field in release.words(Facet::Released) {
                self.fields.remove(field);
            }
            return self.fields.is_empty();
        }
        true
    }

    /// How old it is, in whole days.
    #[must_use]
    pub fn days(&self, until: Timestamp) -> u64 {
        days(until.duration_since(self.at))
    }
}

fn days(age: SignedDuration) -> u64 {
    u64::try_from(age.as_hours() / DAY).unwrap_or(0)
}

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing has come of it.
    Open,
    /// It was given or done later.
    Settled {
        /// By which entry.
        index: u64,
        /// When.
        at: Timestamp,
    },
    /// The resident was erased: nothing can be told any more.
    Erased,
}

impl State {
    /// The word on the wire and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Settled { .. } => "settled",
            Self::Erased => "erased",
        }
    }
}

/// Of whom figures are made: a holder or owner, what happened, and why.
pub type Figured = (String, Sort, String);

/// How often one thing happened to one agency's records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figure {
    /// So often.
    pub count: u64,
    /// Out of so many: decisions about the holder's records, releases with the duty; for reports, none.
    pub of: u64,
    /// Where the law commands the disclosure.
    pub alarms: u64,
    /// How many nothing has come of.
    pub open: u64,
    /// The age of the middle one of these, in days.
    pub median_days: u64,
    /// The age of the oldest, in days.
    pub oldest_days: u64,
}

type Key = (String, String, [u8; 16], String);

/// Makes figures of entries in the order of the log.
#[derive(Default)]
pub struct Figures {
    decisions: BTreeMap<String, u64>,
    duties: BTreeMap<String, u64>,
    rows: BTreeMap<Figured, Figure>,
    waiting: BTreeMap<Key, Vec<RegisterRow>>,
    /// Late duties by the release that they are of.
    late: BTreeMap<(DecisionId, String), RegisterRow>,
    ages: BTreeMap<Figured, Vec<RegisterRow>>,
}

impl Figures {
    /// Takes the next entry. Of one that was recorded after `counted` only what it settles is taken.
    pub fn take(&mut self, index: u64, at: Timestamp, entry: &Entry, counted: bool) {
        let decided = matches!(entry.kind, Kind::Disclose | Kind::Refuse)
            && entry.facets.contains_key(&Facet::Outcome);
        if decided && counted {
            for holder in entry.words(Facet::Holder) {
                *self.decisions.entry(holder.to_owned()).or_default() += 1;
            }
            for duty in entry.words(Facet::Duties).filter(|_| entry.kind == Kind::Disclose) {
                *self.duties.entry(duty.to_owned()).or_default() += 1;
            }
        }
        if entry.kind == Kind::Disclose
            && let Some(waiting) = self.waiting.get_mut(&key(entry))
        {
            waiting.retain_mut(|row| !row.given(entry));
        }
        let Some(row) = RegisterRow::of(index, at, entry).filter(|_| counted) else { return };
        for code in &row.codes {
            let figure = self.rows.entry((row.holder.clone(), row.sort, code.clone())).or_default();
            figure.count += 1;
            figure.alarms += u64::from(row.alarm);
        }
        match (row.sort, row.of) {
            (Sort::Late, Some(of)) => {
                let duty = row.codes.first().cloned().unwrap_or_default();
                self.late.insert((of, duty), row);
            }
            (_, _) if is_erased(entry) => {}
            (_, _) => self.waiting.entry(key(entry)).or_default().push(row),
        }
    }

    /// The late duties, by the release that they are of: what has become of them stands under ids of their
    /// own.
    pub fn late(&self) -> impl Iterator<Item = &(DecisionId, String)> {
        self.late.keys()
    }

    /// A duty was met after all.
    pub fn met(&mut self, late: &(DecisionId, String)) {
        self.late.remove(late);
    }

    /// The figures as of a time.
    #[must_use]
    pub fn finish(mut self, at: Timestamp) -> BTreeMap<Figured, Figure> {
        let open = self.waiting.into_values().flatten().chain(self.late.into_values());
        for row in open {
            for code in &row.codes {
                let figured = (row.holder.clone(), row.sort, code.clone());
                self.ages.entry(figured).or_default().push(row.clone());
            }
        }
        for ((holder, sort, code), figure) in &mut self.rows {
            let of = match sort {
                Sort::Refused | Sort::Withheld | Sort::Referred => self.decisions.get(holder),
                Sort::Late => self.duties.get(code),
                Sort::Reported => None,
            };
            figure.of = of.copied().unwrap_or(0);
            let ages = self.ages.get(&(holder.clone(), *sort, code.clone()));
            let mut ages: Vec<u64> = ages.into_iter().flatten().map(|row| row.days(at)).collect();
            ages.sort_unstable();
            figure.open = u64::try_from(ages.len()).unwrap_or(u64::MAX);
            figure.median_days = ages.get(ages.len() / 2).copied().unwrap_or(0);
            figure.oldest_days = ages.last().copied().unwrap_or(0);
        }
        self.rows
    }
}

/// Whom it is about can no longer be told.
#[must_use]
pub fn is_erased(entry: &Entry) -> bool {
    !entry.slots.contains_key(&SlotId::Subject)
}

/// The asker, the holder, the resident and the purpose.
fn key(entry: &Entry) -> Key {
    let word = |facet| entry.facets.get(&facet).cloned().unwrap_or_default();
    let asker = entry.agency.as_ref().map(ToString::to_string).unwrap_or_default();
    let subject = entry.slots.get(&SlotId::Subject).and_then(|s| s.as_slice().try_into().ok());
    (asker, word(Facet::Holder), subject.unwrap_or_default(), word(Facet::Purpose))
}

#[cfg(test)]
mod tests;
