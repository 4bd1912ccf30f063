//! What an edit of a policy folder changes: exactly, in words, over every file. Pure.
//!
//! Of rules, boxes say who gains and who loses what. Of everything else each value is compared by a rule of
//! its own, which says whether more of it lets more through; where that is not certain it counts as
//! widening.

mod agreements;
mod notes;
mod rules;
mod words;

use std::collections::BTreeSet;
use std::fmt;

use jiff::civil::Date;

use super::book::RuleBook;
use super::boxes::{Space, TooManyBoxes};
use super::load::Files;
use notes::Notes;

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Words that people read.
    Rewords,
    /// Less can be shared, or under more conditions.
    Narrows,
    /// More can be shared, or under fewer conditions, or it is not certain that it cannot.
    Widens,
}

impl Class {
    /// `WIDENS`, `NARROWS` or `REWORDS`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rewords => "REWORDS",
            Self::Narrows => "NARROWS",
            Self::Widens => "WIDENS",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// What it does.
    pub class: Class,
    /// The file, and the line in the new folder where it is a row.
    pub place: String,
    /// What changes, in words.
    pub text: String,
    /// Requests whose answer it may change, in words; of a widened box, one that is newly allowed.
    pub samples: Vec<String>,
}

/// One of the two folders that are compared, as of a day.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The rule book.
    pub book: &'a RuleBook,
    /// The files.
    pub files: &'a Files,
    /// The day on which agreements and gateways are looked at.
    pub day: Date,
}

/// Everything that an edit changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    /// What changes, widening first.
    pub changes: Vec<Change>,
    /// Combinations of recipient, role, purpose and field that some row newly allows.
    pub newly_allowed: u128,
    /// Combinations in which something is no longer allowed.
    pub no_longer_allowed: u128,
    /// How many combinations there are.
    pub combinations: u128,
    /// Whose widening data is confidential patient information.
    touches_patients: bool,
    /// Whose widening data tells where somebody is.
    touches_places: bool,
}

/// Who has to approve a change before it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approvals {
    /// The class of the whole.
    pub class: Class,
    /// So many different people, none of them the author where it widens.
    pub people: usize,
    /// Roles of which each must be among them.
    pub roles: BTreeSet<&'static str>,
}

/// Role of an approver: the owner of the information that is shared.
pub const OWNER: &str = "information-asset-owner";
/// Role of an approver: guards confidential patient information (National Data Guardian's guidance 2021).
pub const GUARDIAN: &str = "caldicott-guardian";
/// Role of an approver: the senior information risk owner.
pub const RISK_OWNER: &str = "senior-information-risk-owner";

impl Diff {
    /// What the whole edit does; `None`: nothing.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        self.changes.iter().map(|change| change.class).max()
    }

    /// Who has to approve it.
    #[must_use]
    pub fn approvals(&self) -> Approvals {
        let class = self.class().unwrap_or(Class::Rewords);
        // Words and examples are anybody's to approve.
        let owner = (class != Class::Rewords).then_some(OWNER);
        let mut roles = BTreeSet::from_iter(owner);
        if class == Class::Widens {
            roles.extend(self.touches_patients.then_some(GUARDIAN));
            roles.extend(self.touches_places.then_some(RISK_OWNER));
        }
        Approvals { class, people: if class == Class::Widens { 2 } else { 1 }, roles }
    }
}

/// Compares two folders.
///
/// # Errors
/// When the rules are too many-sided to be compared exactly.
pub fn between(old: Side<'_>, new: Side<'_>) -> Result<Diff, TooManyBoxes> {
    let mut notes = Notes::default();
    words::compare(old.book, new.book, &mut notes);
    agreements::compare(old, new, &mut notes);
    files(old.files, new.files, &mut notes);
    let space = Space::of(&[old.book, new.book]);
    let found = rules::compare(&space, old.book, new.book, &mut notes)?;
    other_words(old.files, new.files, &mut notes);
    let mut changes = notes.changes;
    changes.sort_by(|a, b| (b.class, &a.place, &a.text).cmp(&(a.class, &b.place, &b.text)));
    // Letters, flags and ages say what all data are: whoever they protect is touched.
    let touches_words =
        changes.iter().any(|c| c.class == Class::Widens && !c.place.starts_with("rules/"));
    Ok(Diff {
        changes,
        newly_allowed: found.newly_allowed,
        no_longer_allowed: found.no_longer_allowed,
        combinations: space.size(),
        touches_patients: found.touches_patients || touches_words,
        touches_places: found.touches_places || touches_words,
    })
}

/// Files that say nothing in the rule book but guard it, line by line.
fn files(old: &Files, new: &Files, notes: &mut Notes) {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let guards = matches!(name.as_str(), "promises.csv" | "lints.toml");
        if !guards && !name.starts_with("scenarios/") {
            continue;
        }
        let lines = |files: &Files| -> BTreeSet<String> {
            let text = files.get(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            let text = text.unwrap_or_default();
            let meant = text.lines().map(str::trim);
            meant.filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned).collect()
        };
        let (was, is) = (lines(old), lines(new));
        if was == is {
            continue;
        }
        if !guards {
            // Whoever takes an example away lets a later edit go unnoticed.
            let ids = |lines: &BTreeSet<String>| -> BTreeSet<String> {
                lines.iter().filter(|line| line.starts_with("id =")).cloned().collect()
            };
            let gone: Vec<String> = ids(&was).difference(&ids(&is)).cloned().collect();
            match gone.as_slice() {
                [] => notes.put(Class::Rewords, name, "its cases have changed".to_owned()),
                [one] => notes.put(Class::Widens, name, format!("the case {one} is taken away")),
                [one, ..] => notes.put(
                    Class::Widens,
                    name,
                    format!("{} cases are taken away, such as {one}", gone.len()),
                ),
            }
        } else if name == "lints.toml" {
            notes.put(Class::Widens, name, "what the checks forgive has changed".to_owned());
        } else {
            for gone in was.difference(&is) {
                notes.put(Class::Widens, name, format!("a promise is taken back: {gone}"));
            }
            for added in is.difference(&was) {
                notes.put(Class::Narrows, name, format!("a promise is made: {added}"));
            }
        }
    }
}

/// A file that is written differently without any change so far: comments, spaces, an order, a contact.
fn other_words(old: &Files, new: &Files, notes: &mut Notes) {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let meant = |name: &&String| name.as_str() != "README.md" && !name.starts_with("approvals/");
    for name in names.into_iter().filter(meant) {
        let noted = notes.changes.iter().any(|change| change.place.starts_with(name.as_str()));
        if old.get(name) != new.get(name) && !noted {
            let what = match (old.get(name), new.get(name)) {
                (None, _) => "is a new file",
                (_, None) => "the file is gone",
                (Some(_), Some(_)) => "is written differently, and says the same",
            };
            notes.put(Class::Rewords, name, what.to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
