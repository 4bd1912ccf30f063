//! An agency's own extract, and the file that says which of its columns is which key of a fact. Errors name
//! rows, columns and keys, never values.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::Date;
use jiff::fmt::strtime;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::domain::{AgencyId, Fact, FactKind, ResidentId, Tie};
use crate::policy::load::nearest;

/// Keys that say yes or no.
const FLAGS: [&str; 7] =
    ["set", "conflict", "is_self", "active", "registered", "competent", "sealed_copy"];
/// Keys that are days.
const DAYS: [&str; 8] =
    ["training_until", "interests_declared", "died", "on", "until_day", "from", "until", "at"];

/// Which column is which key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MappingFile {
    fact: FactKind,
    /// Whose local ids the column of `resident` holds; without it, the hub's own ids.
    resident_by: Option<AgencyId>,
    /// How the extract writes days; `%Y-%m-%d` where not said.
    day_format: Option<String>,
    /// What is the same in every row.
    #[serde(default)]
    set: BTreeMap<String, String>,
    /// Key of the fact = column of the extract.
    columns: BTreeMap<String, String>,
}

/// A mapping that was read.
pub(super) struct Mapping(MappingFile);

/// One row, not yet held against anything.
pub(super) struct Row {
    /// From 1, the header not counted; of a file without one, the line.
    pub(super) number: usize,
    /// The agency's own id for the resident, where the mapping says so.
    pub(super) local_id: Option<(AgencyId, String)>,
    value: Result<Value, String>,
}

impl Row {
    /// A line that is a JSON object.
    pub(super) fn of_json(number: usize, line: &str) -> Self {
        // Only the kind of the error: its text may repeat a value.
        let value = serde_json::from_str(line)
            .map_err(|error| format!("no JSON (column {})", error.column()));
        Self { number, local_id: None, value }
    }

    /// The fact that the row tells.
    pub(super) fn fact(self, resident: Option<ResidentId>) -> Result<Fact, String> {
        let mut value = self.value?;
        if let (Some(resident), Some(keys)) = (resident, value.as_object_mut()) {
            keys.insert("resident".to_owned(), resident.uuid().to_string().into());
        }
        if value.get("tie").is_some_and(|tie| !tie.is_null() && !is_tie(tie)) {
            let all: Vec<&str> = Tie::ALL.iter().map(|tie| tie.as_str()).collect();
            return Err(format!("tie: must be one of {}", all.join(", ")));
        }
        let kind = value.get("fact").and_then(Value::as_str).map(str::to_owned);
        let known = |kind: &str| FactKind::ALL.iter().any(|known| known.as_str() == kind);
        match kind {
            Some(kind) if known(&kind) => serde_json::from_value(value)
                .map_err(|e| format!("{kind}: {}", without_values(&e.to_string()))),
            Some(kind) => {
                let near = nearest(&kind, FactKind::ALL.iter().map(|k| k.as_str()));
                let near = near.map(|near| format!(" Nearest: \"{near}\".")).unwrap_or_default();
                Err(format!("there is no such kind of fact.{near}"))
            }
            None => Err("the key \"fact\" is missing".to_owned()),
        }
    }
}

fn is_tie(value: &Value) -> bool {
    value.as_str().is_some_and(|word| word.parse::<Tie>().is_ok())
}

/// The reader's own words about keys, without what it found.
fn without_values(error: &str) -> String {
    match error.split_once("missing field ").or_else(|| error.split_once("unknown field ")) {
        Some((_, key)) => {
            let kind = if error.contains("missing field") { "is missing" } else { "is not known" };
            let key = key.split(['`', ',']).nth(1).unwrap_or_default();
            format!("the key \"{key}\" {kind}")
        }
        None => "a value is not as it should be".to_owned(),
    }
}

impl Mapping {
    /// Reads a mapping file.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|e| format!("{shown}: {e}"))?;
        let file: MappingFile = toml::from_str(&text).map_err(|e| {
            let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            format!("{shown} line {line}: {}", e.message())
        })?;
        if let Some(key) = file.columns.keys().find(|key| file.set.contains_key(*key)) {
            return Err(format!("{shown}: \"{key}\" stands under [set] and under [columns]"));
        }
        Ok(Self(file))
    }

    /// The rows of an extract.
    pub(super) fn rows(&self, text: &str) -> Result<Vec<Row>, Vec<String>> {
        let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(text.as_bytes());
        let header = reader.headers().map_err(|_| vec!["the header cannot be read".to_owned()])?;
        let names: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        let mut places = BTreeMap::new();
        let mut wrong = Vec::new();
        for (key, column) in &self.0.columns {
            match names.iter().position(|name| name == column) {
                Some(place) => {
                    places.insert(key.as_str(), place);
                }
                None => {
                    let near = nearest(column, names.iter().map(String::as_str));
                    let near = near.map(|n| format!(" Nearest: \"{n}\".")).unwrap_or_default();
                    wrong
                        .push(format!("the extract has no column \"{column}\" (for {key}).{near}"));
                }
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let mut rows = Vec::new();
        for (at, record) in reader.records().enumerate() {
            let number = at + 1;
            match record {
                Ok(record) => rows.push(self.row(number, &record, &places)),
                Err(_) => wrong.push(format!(
                    "row {number}: has another number of columns than the header, or is cut off"
                )),
            }
        }
        if wrong.is_empty() { Ok(rows) } else { Err(wrong) }
    }

    fn row(
        &self,
        number: usize,
        record: &csv::StringRecord,
        places: &BTreeMap<&str, usize>,
    ) -> Row {
        let mut local_id = None;
        let value = self.value(record, places, &mut local_id);
        Row { number, local_id, value }
    }

    fn value(
        &self,
        record: &csv::StringRecord,
        places: &BTreeMap<&str, usize>,
        local_id: &mut Option<(AgencyId, String)>,
    ) -> Result<Value, String> {
        let mut keys = Map::new();
        keys.insert("fact".to_owned(), self.0.fact.as_str().into());
        let set = self.0.set.iter().map(|(key, text)| (key.as_str(), text.as_str()));
        let cells = places.iter().map(|(key, place)| (*key, record.get(*place).unwrap_or("")));
        for (key, text) in set.chain(cells) {
            let text = text.trim();
            match (&self.0.resident_by, key) {
                (Some(agency), "resident") => {
                    *local_id = Some((agency.clone(), text.to_owned()));
                }
                _ if text.is_empty() => {}
                _ => put(&mut keys, key, self.one(key, text)?)?,
            }
        }
        Ok(Value::Object(keys))
    }

    /// One cell as the key takes it.
    fn one(&self, key: &str, text: &str) -> Result<Value, String> {
        let name = key.rsplit('.').next().unwrap_or(key);
        if FLAGS.contains(&name) {
            return match text.to_ascii_lowercase().as_str() {
                "yes" | "true" | "y" | "1" => Ok(true.into()),
                "no" | "false" | "n" | "0" => Ok(false.into()),
                _ => Err(format!("{key}: must be yes or no")),
            };
        }
        if name == "tie" {
            return Ok(text.to_ascii_lowercase().into());
        }
        if name == "count" {
            let count: Result<u32, _> = text.parse();
            return count.map(Value::from).map_err(|_| format!("{key}: must be a number"));
        }
        if name == "fields" {
            return Ok(text.split('|').map(|field| Value::from(field.trim())).collect());
        }
        if DAYS.contains(&name)
            && let Some(format) = &self.0.day_format
        {
            let read = strtime::parse(format, text).and_then(|broken| broken.to_date());
            let day: Date =
                read.map_err(|_| format!("{key}: must be a day written as {format}"))?;
            return Ok(day.to_string().into());
        }
        Ok(text.into())
    }
}

/// Puts a value under a key that may have two parts, such as `order.id`.
fn put(keys: &mut Map<String, Value>, key: &str, value: Value) -> Result<(), String> {
    let Some((outer, inner)) = key.split_once('.') else {
        keys.insert(key.to_owned(), value);
        return Ok(());
    };
    let outer = keys.entry(outer).or_insert_with(|| Value::Object(Map::new()));
    match outer.as_object_mut() {
        Some(outer) => {
            outer.insert(inner.to_owned(), value);
            Ok(())
        }
        None => Err(format!("{key}: stands beside a key of the same name")),
    }
}
