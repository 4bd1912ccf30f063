//! One request said in words, outside any scenario file: the same keys, the same defaults.

use jiff::Timestamp;
use toml::{Table, Value};

use super::parse::{Case, Words, case};
use super::read::{Problem, merge};
use crate::policy::age::day_of;
use crate::policy::book::RuleBook;
use crate::policy::load::nearest;

/// A request in words.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Who asks.
    pub agency: String,
    /// In which role.
    pub role: String,
    /// The person; a scenario's where not said.
    pub person: Option<String>,
    /// For what.
    pub purpose: String,
    /// Whom.
    pub from: String,
    /// Fields and categories.
    pub fields: Vec<String>,
    /// A day or a time.
    pub as_of: Option<String>,
    /// `key=value` of a scenario's `given`.
    pub given: Vec<String>,
    /// `key=value` of a scenario's `ask`.
    pub ask: Vec<String>,
}

impl Request {
    /// The case that the words make: asked at `now` where they do not say when. Training is in date
    /// unless the words say otherwise.
    ///
    /// # Errors
    /// What is wrong, with the nearest word.
    pub fn case(&self, book: &RuleBook, now: Timestamp) -> Result<Case, Problem> {
        known("agency", &self.agency, book.agencies.keys().map(|id| id.as_str()))?;
        known("role", &self.role, book.roles.keys().map(|id| id.as_str()))?;
        known("purpose", &self.purpose, book.purposes.keys().map(|id| id.as_str()))?;
        known("from", &self.from, book.agencies.keys().map(|id| id.as_str()))?;
        for field in &self.fields {
            let fields = book.fields.keys().map(|id| id.as_str());
            known("fields", field, fields.chain(book.categories.keys().map(|id| id.as_str())))?;
        }
        let at = match &self.as_of {
            Some(text) => time(text, book)?,
            None => now,
        };
        let day = day_of(at, &book.place.zone);
        let text = |text: &str| Value::String(text.to_owned());
        let mut requester = Table::new();
        requester.insert("agency".to_owned(), text(&self.agency));
        requester.insert("role".to_owned(), text(&self.role));
        requester.insert("training_until".to_owned(), text(&day.to_string()));
        if let Some(person) = &self.person {
            requester.insert("person".to_owned(), text(person));
        }
        let mut given = Table::new();
        given.insert("requester".to_owned(), Value::Table(requester));
        let mut ask = Table::new();
        ask.insert("from".to_owned(), text(&self.from));
        ask.insert("purpose".to_owned(), text(&self.purpose));
        let fields = self.fields.iter().map(|field| text(field)).collect();
        ask.insert("fields".to_owned(), Value::Array(fields));
        for (name, base, pairs) in
            [("given", &mut given, &self.given), ("ask", &mut ask, &self.ask)]
        {
            for pair in pairs {
                merge(base, &read(name, pair)?);
            }
        }
        let mut whole = Table::new();
        whole.insert("at".to_owned(), text(&at.to_string()));
        whole.insert("given".to_owned(), Value::Table(given));
        whole.insert("ask".to_owned(), Value::Table(ask));
        whole.insert("want".to_owned(), Value::Table(Table::new()));
        let words = Words { book, unknown: std::collections::BTreeSet::new() };
        case("request".to_owned(), String::new(), &whole, &words)
    }
}

/// A word of a vocabulary, or a problem that names the nearest.
///
/// # Errors
/// When the word is not one of `valid`.
pub fn known<'a>(
    what: &str,
    word: &str,
    valid: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), String> {
    if valid.clone().any(|one| one == word) {
        return Ok(());
    }
    let near =
        nearest(word, valid).map(|near| format!(" Nearest: \"{near}\".")).unwrap_or_default();
    Err(format!("{what}: \"{word}\" is in no vocabulary.{near}"))
}

/// A time, or the first minute of a day in the place's zone.
///
/// # Errors
/// When the text is neither.
pub fn time(text: &str, book: &RuleBook) -> Result<Timestamp, String> {
    let mut table = Table::new();
    table.insert("as-of".to_owned(), Value::String(text.to_owned()));
    let read = super::read::Reader::new("", &table).time("as-of", &book.place.zone);
    read.ok().flatten().ok_or_else(|| {
        format!("as-of: \"{text}\" is no day such as 2026-07-15 and no time such as 2026-07-15T10:00:00+01:00")
    })
}

/// `key=value` as a table; a value that is no TOML is a text.
fn read(name: &str, pair: &str) -> Result<Table, Problem> {
    let Some((key, value)) = pair.split_once('=') else {
        return Err(format!("{name}: \"{pair}\" is not of the form key=value"));
    };
    let plain = || format!("{key} = {}", Value::String(value.to_owned()));
    pair.parse().or_else(|_| plain().parse()).map_err(|_| format!("{name}: \"{key}\" is no key"))
}
