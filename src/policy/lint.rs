//! What a rule book says that it should not: findings beyond those of the reading. Each has a code, and
//! each code a severity, which `lints.toml` may change; a finding that is right as it is has an exception
//! there, with its reason. The loader refuses what is an error here and does not depend on the day, so
//! that a hub and `weir policy check` never differ.

mod agreements;
mod coverage;
mod law;
mod notices;
mod overlaps;
mod promises;
mod reach;
mod slips;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::book::{Exception, RuleBook};
use super::boxes::{Space, TooManyBoxes};
use super::scenario::Hits;
use crate::domain::RuleId;
pub use table::{LINTS, Lint, Severity, lint};

/// The file that settles severities and exceptions.
pub(super) const FILE: &str = "lints.toml";

/// One finding, with its severity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its code.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    pub file: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// The rule, promise, agreement, purpose or gateway that it is about.
    pub about: String,
    /// What is wrong, and what to do.
    pub message: String,
    /// The text that was found.
    pub found: String,
    /// The reason of the exception that excuses it.
    pub excused: Option<String>,
}

/// What is looked at.
pub(super) struct View<'a> {
    pub book: &'a RuleBook,
    /// The day on which what depends on the day is judged; none: it is not judged.
    pub day: Option<Date>,
    /// Which rules the folder's scenarios show; none: not looked at.
    pub hits: Option<&'a BTreeMap<RuleId, Hits>>,
    pub space: Space,
}

/// A family of lints: the codes that it can find, and how.
struct Family {
    codes: &'static [&'static str],
    run: fn(&View<'_>, &mut Found) -> Result<(), TooManyBoxes>,
}

const FAMILIES: [Family; 8] = [
    Family { codes: law::CODES, run: law::check },
    Family { codes: notices::CODES, run: notices::check },
    Family { codes: agreements::CODES, run: agreements::check },
    Family { codes: reach::CODES, run: reach::check },
    Family { codes: promises::CODES, run: promises::check },
    Family { codes: overlaps::CODES, run: overlaps::check },
    Family { codes: slips::CODES, run: slips::check },
    Family { codes: coverage::CODES, run: coverage::check },
];

/// Collects findings.
#[derive(Default)]
pub(super) struct Found(Vec<Finding>);

impl Found {
    /// `place` is a file and a line.
    pub(super) fn add(
        &mut self,
        code: &'static str,
        place: (&str, usize),
        about: &str,
        found: String,
        message: String,
    ) {
        self.0.push(Finding {
            code,
            severity: Severity::Error,
            file: place.0.to_owned(),
            line: place.1,
            about: about.to_owned(),
            message,
            found,
            excused: None,
        });
    }
}

/// Everything that is found of the book on the day, worst first; with exceptions that excuse nothing.
///
/// # Errors
/// When the rules are too many-sided for exact answers: nothing is claimed then.
pub fn check(
    book: &RuleBook,
    day: Date,
    hits: &BTreeMap<RuleId, Hits>,
) -> Result<Vec<Finding>, TooManyBoxes> {
    let view = View { book, day: Some(day), hits: Some(hits), space: Space::of(&[book]) };
    let mut found = settled(book, run(&view, |_| true)?);
    unused(book, &mut found, |_| true);
    found.sort_by(|a, b| {
        (a.excused.is_some(), a.severity, a.code, &a.file, a.line).cmp(&(
            b.excused.is_some(),
            b.severity,
            b.code,
            &b.file,
            b.line,
        ))
    });
    Ok(found)
}

impl Finding {
    /// The same thing is found, on whichever line.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (self.code, &self.file, &self.about, &self.message)
            == (other.code, &other.file, &other.about, &other.message)
    }
}

/// The warnings that depend on neither day nor scenarios, and are not excused.
///
/// # Errors
/// When the rules are too many-sided for exact answers.
pub fn standing(book: &RuleBook) -> Result<Vec<Finding>, TooManyBoxes> {
    let view = View { book, day: None, hits: None, space: Space::of(&[book]) };
    let mut found = settled(book, run(&view, |_| true)?);
    found.retain(|one| one.severity == Severity::Warning && one.excused.is_none());
    Ok(found)
}

/// The errors that refuse a load: those that depend on neither day nor scenarios, and are not excused.
///
/// # Errors
/// When the rules are too many-sided for exact answers.
pub(super) fn refusals(book: &RuleBook) -> Result<Vec<Finding>, TooManyBoxes> {
    let view = View { book, day: None, hits: None, space: Space::of(&[book]) };
    let is_error = |code: &&str| severity(book, code) == Severity::Error;
    let mut found = settled(book, run(&view, |family| family.codes.iter().any(is_error))?);
    let looked_at = |code: &str| {
        FAMILIES
            .iter()
            .any(|family| family.codes.contains(&code) && family.codes.iter().any(is_error))
            && lint(code).is_some_and(|lint| !lint.dated)
    };
    unused(book, &mut found, looked_at);
    found.retain(|one| one.severity == Severity::Error && one.excused.is_none());
    Ok(found)
}

fn run(view: &View<'_>, wanted: impl Fn(&Family) -> bool) -> Result<Vec<Finding>, TooManyBoxes> {
    let mut found = Found::default();
    for family in FAMILIES.iter().filter(|family| wanted(family)) {
        (family.run)(view, &mut found)?;
    }
    Ok(found.0)
}

fn severity(book: &RuleBook, code: &str) -> Severity {
    let settled = book.lints.severities.get(code).copied();
    settled.or_else(|| lint(code).map(|lint| lint.severity)).unwrap_or(Severity::Error)
}

fn settled(book: &RuleBook, mut found: Vec<Finding>) -> Vec<Finding> {
    for one in &mut found {
        one.severity = severity(book, one.code);
        let excuse = book.lints.exceptions.iter().find(|exception| excuses(exception, one));
        one.excused = excuse.map(|exception| exception.reason.clone());
    }
    found
}

fn excuses(exception: &Exception, one: &Finding) -> bool {
    exception.code == one.code && exception.on == one.about
}

/// An exception that excuses nothing is itself a finding: the reason has gone, or the name is misspelt.
fn unused(book: &RuleBook, found: &mut Vec<Finding>, looked_at: impl Fn(&str) -> bool) {
    let mut idle = Found::default();
    for exception in book.lints.exceptions.iter().filter(|e| looked_at(&e.code)) {
        if !found.iter().any(|one| excuses(exception, one)) {
            let message = format!(
                "the exception for {} from {} excuses nothing. Take it out, or correct the name.",
                exception.on, exception.code
            );
            let found = format!("{} {}", exception.code, exception.on);
            idle.add("E51", (FILE, exception.line), &exception.on, found, message);
        }
    }
    found.extend(settled(book, idle.0));
}

/// A set in words.
pub(super) fn listed<T: ToString>(words: &BTreeSet<T>) -> String {
    if words.is_empty() {
        return "-".to_owned();
    }
    words.iter().map(ToString::to_string).collect::<Vec<_>>().join("|")
}

#[cfg(test)]
mod tests;
