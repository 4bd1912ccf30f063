//! What a candidate changes, and whom that concerns. What is not proved to be harmless counts as widening.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;

use crate::policy::book::RuleBook;
use crate::policy::diff;
use crate::policy::lint;
use crate::policy::load::{Files, content};

/// What a change does to what may be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Nothing: words and examples.
    Wording,
    /// Less is shared, and nothing more.
    Narrowing,
    /// Something more is shared, or it is not proved that nothing is.
    Widening,
}

impl Class {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Wording, "wording"), (Self::Narrowing, "narrowing"), (Self::Widening, "widening")];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wording => "wording",
            Self::Narrowing => "narrowing",
            Self::Widening => "widening",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Class {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|(_, word)| *word == text);
        found.map(|(class, _)| class).ok_or("class must be wording, narrowing or widening".into())
    }
}

/// What a candidate changes, and who must approve it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it does.
    pub class: Class,
    /// So many people who are not its author.
    pub people: usize,
    /// At least one approver in each of these roles.
    pub roles: BTreeSet<String>,
    /// Sharing is suspended and nothing else is done: at once, even where examples no longer come out.
    pub suspends: bool,
    /// Codes of warnings that `weir policy check` has on every day and did not have of what was in force.
    pub warnings: BTreeSet<String>,
    /// What changes, where something was in force and it can be compared exactly.
    pub diff: Option<diff::Diff>,
}

/// A folder with what it says.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The files.
    pub files: &'a Files,
    /// The rule book.
    pub book: &'a RuleBook,
    /// The day on which it is looked at.
    pub day: Date,
}

/// What `new` changes. Nothing in force before: all of it is new.
#[must_use]
pub fn between(old: Option<Side<'_>>, new: Side<'_>) -> Change {
    let everything = || Change {
        class: Class::Widening,
        people: 2,
        roles: roles(new.book),
        suspends: false,
        warnings: warnings(old.map(|old| old.book), new.book),
        diff: None,
    };
    let Some(old) = old else { return everything() };
    if by_files(old.files, new.files) == Class::Narrowing {
        let (class, roles) = (Class::Narrowing, BTreeSet::new());
        let warnings = BTreeSet::new();
        return Change { class, people: 1, roles, suspends: true, warnings, diff: None };
    }
    // What cannot be compared exactly may touch everything.
    let Ok(diff) = diff::between(old.compared(), new.compared()) else { return everything() };
    let needed = diff.approvals();
    let class = match needed.class {
        diff::Class::Rewords => Class::Wording,
        diff::Class::Narrows => Class::Narrowing,
        diff::Class::Widens => Class::Widening,
    };
    let roles = needed.roles.into_iter().map(str::to_owned).collect();
    let warnings = warnings(Some(old.book), new.book);
    Change { class, people: needed.people, roles, suspends: false, warnings, diff: Some(diff) }
}

impl<'a> Side<'a> {
    const fn compared(self) -> diff::Side<'a> {
        diff::Side { book: self.book, files: self.files, day: self.day }
    }
}

/// The codes of new warnings; where they cannot be found, the engine's bound is the warning.
fn warnings(old: Option<&RuleBook>, new: &RuleBook) -> BTreeSet<String> {
    let standing = |book| lint::standing(book).map_err(|_| BTreeSet::from(["W45".to_owned()]));
    let old = old.map(|book| standing(book).unwrap_or_default()).unwrap_or_default();
    match standing(new) {
        Ok(new) => new
            .into_iter()
            .filter(|one| !old.iter().any(|was| was.is_same(one)))
            .map(|one| one.code.to_owned())
            .collect(),
        Err(codes) => codes,
    }
}

impl Change {
    /// How many combinations are newly allowed by a change that widens and can be counted.
    #[must_use]
    pub fn newly_allowed(&self) -> Option<u128> {
        let diff = self.diff.as_ref().filter(|_| self.class == Class::Widening)?;
        Some(diff.newly_allowed)
    }

    /// How many people must approve it, in words.
    #[must_use]
    pub fn needs(&self) -> String {
        match self.people {
            0 | 1 => "1 person".to_owned(),
            more => format!("{more} people who are not its author"),
        }
    }
}

/// Whom a change concerns that may touch everything.
fn roles(book: &RuleBook) -> BTreeSet<String> {
    let mut roles = BTreeSet::from([diff::OWNER.to_owned()]);
    if book.fields.values().any(|field| field.cpi) {
        roles.insert(diff::GUARDIAN.to_owned());
    }
    if book.fields.values().any(|field| field.location) {
        roles.insert(diff::RISK_OWNER.to_owned());
    }
    roles
}

/// By the files alone: a suspension only takes away. Everything else may widen.
pub(super) fn by_files(old: &Files, new: &Files) -> Class {
    let names: BTreeSet<&String> = content(old).chain(content(new)).map(|(name, _)| name).collect();
    names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| {
            let texts = (text(old, name), text(new, name));
            match texts {
                (old, Some(new)) if name == SUSPENDED && denies_more(old.as_deref(), &new) => {
                    Class::Narrowing
                }
                (Some(old), Some(new))
                    if name.starts_with("agreements/") && is_suspended(&old, &new) =>
                {
                    Class::Narrowing
                }
                _ => Class::Widening,
            }
        })
        .max()
        .unwrap_or(Class::Wording)
}

/// The rows that suspend an agency.
pub const SUSPENDED: &str = "rules/00-suspended.csv";
/// How an agreement's file says that it is alive, and that it is suspended.
pub const STATUS: (&str, &str) = ("status = \"live\"", "status = \"suspended\"");

fn text(files: &Files, name: &str) -> Option<String> {
    files.get(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// Every row is a deny row, and every row from before is there.
fn denies_more(old: Option<&str>, new: &str) -> bool {
    let rows = |text: &str| -> Vec<String> {
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    };
    let (old, new) = (old.map(rows).unwrap_or_default(), rows(new));
    new.iter().all(|row| row.rsplit(',').next().is_some_and(|eft| eft.trim() == "deny"))
        && old.iter().all(|row| new.contains(row))
}

/// The status went from live to suspended, and no other byte changed.
fn is_suspended(old: &str, new: &str) -> bool {
    let line = |text: &str| old.lines().filter(|line| line.trim_end() == text).count();
    line(STATUS.0) == 1 && old.replacen(STATUS.0, STATUS.1, 1) == new
}
