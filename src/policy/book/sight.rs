//! What residents see of the log, and in which words.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{AgencyId, CategoryId, OverrideId, PurposeId, Withdrawing};

/// Whether a resident sees a release, the strictest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// At once.
    Visible,
    /// After so many days.
    Delayed,
    /// Not until a person says so, who has to look again after so many days.
    Sealed,
}

impl Sight {
    /// The word in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Visible => "visible",
            Self::Delayed => "delayed",
            Self::Sealed => "sealed",
        }
    }
}

/// One line of `words/visibility.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SightRule {
    /// Whether it is seen.
    pub sight: Sight,
    /// Days until it is seen, or until a person has to look again; 0 where it is visible.
    pub days: u16,
}

/// `words/visibility.csv`. A folder without it shows residents nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visibility {
    /// By purpose; every purpose has one.
    pub purposes: BTreeMap<PurposeId, SightRule>,
    /// By the override that was used; every override has one.
    pub overrides: BTreeMap<OverrideId, SightRule>,
    /// By a category of which something was released; every category has one.
    pub categories: BTreeMap<CategoryId, SightRule>,
    /// Where giver or recipient is an agency whose name tells something by itself.
    pub hidden_agency: Option<SightRule>,
    /// Where the asker said why the resident must not be told.
    pub do_not_tell: Option<SightRule>,
}

/// The same words for residents in each language of theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// English.
    pub en: String,
    /// Welsh.
    pub cy: String,
}

/// `words/told.csv`: what residents are told in. A folder without it shows residents nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Telling {
    /// A release as a sentence, with `{holder}`, `{recipient}`, `{what}`, `{why}` and `{under}`.
    pub sentence: Option<Told>,
    /// Between the last two of a list.
    pub and: Option<Told>,
    /// In place of a law where there is none.
    pub no_law: Option<Told>,
    /// What residents should know who get a copy of what is kept about them (UK GDPR Art 15(1)).
    pub copy: Option<Told>,
    /// Where to complain, for whom an objection was rejected (UK GDPR Art 12(4)).
    pub complaint: Option<Told>,
    /// Every purpose.
    pub purposes: BTreeMap<PurposeId, Told>,
    /// Every category.
    pub categories: BTreeMap<CategoryId, Told>,
    /// Whoever takes a consent back; all, or none in a folder of before.
    pub withdrawal: BTreeMap<Withdrawing, Told>,
    /// Agencies with a name for residents; the others go by that of `words/agencies.csv`.
    pub agencies: BTreeMap<AgencyId, Told>,
}

impl Visibility {
    /// The lines of the table, by what they are about.
    #[must_use]
    pub fn lines(&self) -> BTreeMap<String, SightRule> {
        let Self { purposes, overrides, categories, hidden_agency, do_not_tell } = self;
        let purposes = purposes.iter().map(|(id, rule)| (format!("purpose:{id}"), *rule));
        let overrides = overrides.iter().map(|(id, rule)| (format!("override:{id}"), *rule));
        let categories = categories.iter().map(|(id, rule)| (format!("category:{id}"), *rule));
        let hidden = hidden_agency.iter().map(|rule| ("hidden-agency".to_owned(), *rule));
        let untold = do_not_tell.iter().map(|rule| ("do-not-tell".to_owned(), *rule));
        purposes.chain(overrides).chain(categories).chain(hidden).chain(untold).collect()
    }
}

impl Telling {
    /// The lines of the table, by what they are about.
    #[must_use]
    pub fn lines(&self) -> BTreeMap<String, Told> {
        let Self {
            sentence,
            and,
            no_law,
            copy,
            complaint,
            purposes,
            categories,
            withdrawal,
            agencies,
        } = self;
        let withdrawal =
            withdrawal.iter().map(|(word, told)| (format!("withdrawal:{word}"), told.clone()));
        let single = [
            ("sentence", sentence),
            ("list-and", and),
            ("no-law", no_law),
            ("copy", copy),
            ("complaint-route", complaint),
        ];
        let single =
            single.into_iter().filter_map(|(name, told)| Some((name.to_owned(), told.clone()?)));
        let purposes = purposes.iter().map(|(id, told)| (format!("purpose:{id}"), told.clone()));
        let categories =
            categories.iter().map(|(id, told)| (format!("category:{id}"), told.clone()));
        let agencies = agencies.iter().map(|(id, told)| (format!("agency:{id}"), told.clone()));
        single.chain(purposes).chain(categories).chain(withdrawal).chain(agencies).collect()
    }
}

/// One line of `words/requests.csv`: how long an agency has for what a resident asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRule {
    /// Calendar months until it is answered.
    pub answer_months: u8,
    /// Calendar months more where it is complex; 0: there are none.
    pub extend_months: u8,
    /// Days until it is said that it has arrived; `None`: it need not be.
    pub acknowledge_days: Option<u8>,
}

/// For what a reason is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExemptionUse {
    /// Something is not given to its own resident (UK GDPR Art 15 with DPA 2018 Sch 2 to 4).
    Access,
    /// Something is not erased (UK GDPR Art 17(3)).
    Erase,
}

/// One line of `words/exemptions.csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exemption {
    /// For what.
    pub of: ExemptionUse,
    /// What is left out of a copy unless a person who reviews it gives it: fields about others.
    pub third_parties: bool,
    /// What is left out likewise: whole categories.
    pub categories: BTreeSet<CategoryId>,
    /// The resident is told that something is left out, and why. Otherwise nothing tells that it is there.
    pub told: bool,
    /// The law, as it is cited.
    pub law: String,
    /// The reason in words for residents.
    pub words: Told,
}
