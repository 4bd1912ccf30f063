//! Typed access to a TOML table that must not hold a key or a word that nobody knows.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "every other kind of TOML value is refused alike"
)]

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use toml::{Table, Value};

use crate::policy::load::nearest;

/// Length of `2026-07-15`.
const DAY_LENGTH: usize = 10;

/// What is wrong with a case, and where in it.
pub(super) type Problem = String;

/// A table being read: every key must be taken before [`Reader::done`].
pub(super) struct Reader<'a> {
    path: String,
    table: &'a Table,
    taken: BTreeSet<&'a str>,
    /// Keys that the format has, written or not.
    known: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(path: &str, table: &'a Table) -> Self {
        Self { path: path.to_owned(), table, taken: BTreeSet::new(), known: BTreeSet::new() }
    }

    pub(super) fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn take(&mut self, key: &str) -> Option<&'a Value> {
        self.known.insert(key.to_owned());
        let (key, value) = self.table.get_key_value(key)?;
        self.taken.insert(key.as_str());
        Some(value)
    }

    /// Fails on a key that nothing has taken.
    pub(super) fn done(self) -> Result<(), Problem> {
        let known = || self.known.iter().map(String::as_str);
        match self.table.keys().find(|key| !self.taken.contains(key.as_str())) {
            None => Ok(()),
            Some(key) => {
                let near = nearest(key, known()).map(|near| format!(" Nearest: `{near}`."));
                Err(format!(
                    "key `{}` is not known here (known: {}).{}",
                    self.at(key),
                    known().collect::<Vec<_>>().join(", "),
                    near.unwrap_or_default()
                ))
            }
        }
    }

    fn wrong<T>(&self, key: &str, wanted: &str) -> Result<T, Problem> {
        Err(format!("`{}` must be {wanted}", self.at(key)))
    }

    pub(super) fn table(&mut self, key: &str) -> Result<Option<Reader<'a>>, Problem> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Table(table)) => Ok(Some(Reader::new(&self.at(key), table))),
            Some(_) => self.wrong(key, "a table"),
        }
    }

    /// The tables of a list of tables.
    pub(super) fn tables(&mut self, key: &str) -> Result<Vec<Reader<'a>>, Problem> {
        let Some(value) = self.take(key) else {
            return Ok(Vec::new());
        };
        let Value::Array(items) = value else {
            return self.wrong(key, "a list of tables");
        };
        items
            .iter()
            .enumerate()
            .map(|(i, item)| match item {
                Value::Table(table) => Ok(Reader::new(&format!("{}[{i}]", self.at(key)), table)),
                _ => self.wrong(key, "a list of tables"),
            })
            .collect()
    }

    /// All entries of a table whose keys are words.
    pub(super) fn entries(&mut self, key: &str) -> Result<Vec<(&'a str, &'a Value)>, Problem> {
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(Value::Table(table)) => Ok(table.iter().map(|(k, v)| (k.as_str(), v)).collect()),
            Some(_) => self.wrong(key, "a table"),
        }
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<&'a str>, Problem> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => self.wrong(key, "a text"),
        }
    }

    pub(super) fn flag(&mut self, key: &str, default: bool) -> Result<bool, Problem> {
        Ok(self.maybe_flag(key)?.unwrap_or(default))
    }

    pub(super) fn maybe_flag(&mut self, key: &str) -> Result<Option<bool>, Problem> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Boolean(flag)) => Ok(Some(*flag)),
            Some(_) => self.wrong(key, "true or false"),
        }
    }

    pub(super) fn number<T: TryFrom<i64>>(&mut self, key: &str) -> Result<Option<T>, Problem> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Integer(n)) => match T::try_from(*n) {
                Ok(n) => Ok(Some(n)),
                Err(_) => self.wrong(key, "a number in range"),
            },
            Some(_) => self.wrong(key, "a number"),
        }
    }

    pub(super) fn texts(&mut self, key: &str) -> Result<Option<Vec<&'a str>>, Problem> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let Value::Array(items) = value else {
            return self.wrong(key, "a list of texts");
        };
        let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
        texts.map_or_else(|| self.wrong(key, "a list of texts"), |texts| Ok(Some(texts)))
    }

    pub(super) fn parsed<T: FromStr>(&mut self, key: &str) -> Result<Option<T>, Problem> {
        match self.text(key)? {
            None => Ok(None),
            Some(text) => match text.parse() {
                Ok(value) => Ok(Some(value)),
                Err(_) => self.wrong(key, &format!("a known word, not \"{text}\"")),
            },
        }
    }

    pub(super) fn date(&mut self, key: &str) -> Result<Option<Date>, Problem> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        // `Date` would take a time as well, and drop its offset.
        let day = written(value).filter(|text| text.len() == DAY_LENGTH);
        match day.and_then(|text| text.parse().ok()) {
            Some(date) => Ok(Some(date)),
            None => self.wrong(key, "a date such as 2026-07-15"),
        }
    }

    /// A time; a bare date is its first minute in the place's zone.
    pub(super) fn time(
        &mut self,
        key: &str,
        zone: &TimeZone,
    ) -> Result<Option<Timestamp>, Problem> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let Some(text) = written(value) else {
            return self.wrong(key, "a time such as 2026-07-15T10:00:00+01:00");
        };
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Some(at));
        }
        let first = text
            .parse::<Date>()
            .ok()
            .filter(|_| text.len() == DAY_LENGTH)
            .and_then(|day| day.to_zoned(zone.clone()).ok());
        match first {
            Some(first) => Ok(Some(first.timestamp())),
            None => self.wrong(key, "a time such as 2026-07-15T10:00:00+01:00"),
        }
    }
}

fn written(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Datetime(at) => Some(at.to_string()),
        Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Array(_)
        | Value::Table(_) => None,
    }
}

/// Adds `more` to `base`: tables merge, everything else replaces.
pub(super) fn merge(base: &mut Table, more: &Table) {
    for (key, value) in more {
        match (base.get_mut(key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}
