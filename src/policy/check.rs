//! Everything that is wrong with a folder, as the server would see it, and what somebody should look at: for
//! the command and for the call alike, in the same words.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde_json::json;

use super::PolicySnapshot;
use super::kept::failing_scenarios;
use super::lint::{self, Severity};
use super::load::{self, check_summary};
use super::scenario::{coverage, parse};

/// What a check found.
pub struct Checked {
    /// The day on which it was judged; `None` where it does not load.
    day: Option<Date>,
    rows: Vec<Row>,
    summary: String,
    /// A hub keeps what it has: the folder does not load, or its own examples fail.
    refused: bool,
}

/// How many findings there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// These keep the folder from coming into force.
    pub errors: usize,
    /// Somebody should look at these.
    pub warnings: usize,
    /// For information.
    pub infos: usize,
    /// Excused in `lints.toml`.
    pub excused: usize,
}

/// One finding as it is shown.
struct Row {
    code: String,
    severity: Severity,
    file: String,
    line: usize,
    message: String,
    found: String,
    nearest: Option<String>,
    excused: Option<String>,
}

/// Checks a folder on the day that `day` names for it.
///
/// # Errors
/// When the engine of a folder that loads cannot be built, or what it says is too much to be proved.
pub fn check(
    files: &load::Files,
    day: impl FnOnce(&PolicySnapshot) -> Date,
) -> Result<Checked, String> {
    let book = match load::load(files) {
        Ok(book) => book,
        Err(findings) => {
            let rows = refused(&findings, files);
            return Ok(Checked { day: None, rows, summary: String::new(), refused: true });
        }
    };
    let policy = PolicySnapshot::build(book).map_err(|error| error.to_string())?;
    let day = day(&policy);
    let mut rows = Vec::new();
    let mut cases = Vec::new();
    for (name, bytes) in files.iter().filter(|(name, _)| name.starts_with("scenarios/")) {
        let text = String::from_utf8_lossy(bytes);
        match parse(&text, policy.book()) {
            Ok(of_file) => cases.extend(of_file),
            Err(problems) => rows.extend(problems.into_iter().map(|message| Row {
                code: "E10".to_owned(),
                severity: Severity::Error,
                file: name.clone(),
                line: 0,
                message,
                found: String::new(),
                nearest: None,
                excused: None,
            })),
        }
    }
    if rows.is_empty() {
        rows.extend(failing_scenarios(files, &policy).into_iter().map(|message| Row {
            code: "E52".to_owned(),
            severity: Severity::Error,
            file: "scenarios/".to_owned(),
            line: 0,
            message,
            found: String::new(),
            nearest: None,
            excused: None,
        }));
    }
    let refused = !rows.is_empty();
    let found = lint::check(policy.book(), day, &coverage(&policy, &cases));
    rows.extend(found.map_err(|error| error.to_string())?.into_iter().map(|one| Row {
        code: one.code.to_owned(),
        severity: one.severity,
        line: if one.line > 0 { one.line } else { line_of(files, &one.file, &one.found) },
        file: one.file,
        message: one.message,
        found: one.found,
        nearest: None,
        excused: one.excused,
    }));
    Ok(Checked { day: Some(day), rows, summary: check_summary(policy.book()), refused })
}

/// The line in which the text found stands, or the key of `key = value`; 0 where none does.
fn line_of(files: &load::Files, file: &str, found: &str) -> usize {
    let text = files.get(file).map(|bytes| String::from_utf8_lossy(bytes)).unwrap_or_default();
    let key = found.split_once(" = ").map(|(key, _)| format!("{key} ="));
    let holds = |line: &str| match &key {
        Some(key) => line.starts_with(key),
        None => !found.is_empty() && !line.starts_with('#') && line.contains(found),
    };
    text.lines().position(holds).map_or(0, |at| at + 1)
}

/// What the loader refuses; the text found is the line, or the word in it.
fn refused(findings: &[load::Finding], files: &load::Files) -> Vec<Row> {
    let line = |file: &str, line: usize| -> String {
        let text = files.get(file).map(|bytes| String::from_utf8_lossy(bytes)).unwrap_or_default();
        let line = line.checked_sub(1).and_then(|at| text.lines().nth(at)).unwrap_or_default();
        line.chars().take(FOUND_MAX).collect()
    };
    findings
        .iter()
        .map(|one| Row {
            code: one.code.to_owned(),
            severity: Severity::Error,
            file: one.file.clone(),
            line: one.line,
            message: one.message.clone(),
            found: one.found.clone().unwrap_or_else(|| line(&one.file, one.line)),
            nearest: one.nearest.clone(),
            excused: None,
        })
        .collect()
}

/// Characters of a line that are shown as the text found.
const FOUND_MAX: usize = 160;

impl Checked {
    /// How many there are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let count = |severity| {
            self.rows.iter().filter(|r| r.excused.is_none() && r.severity == severity).count()
        };
        Counts {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            infos: count(Severity::Info),
            excused: self.rows.iter().filter(|row| row.excused.is_some()).count(),
        }
    }

    /// The codes of the warnings that nothing excuses, each once.
    #[must_use]
    pub fn warned(&self) -> BTreeSet<String> {
        let open = |row: &&Row| row.excused.is_none() && row.severity == Severity::Warning;
        self.rows.iter().filter(open).map(|row| row.code.clone()).collect()
    }

    /// In words, a line each.
    #[must_use]
    pub fn text(&self) -> String {
        let Counts { errors, warnings, infos, excused } = self.counts();
        let mut lines: Vec<String> = self.rows.iter().map(Row::line).collect();
        if let Some(day) = self.day {
            lines.push(format!(
                "As of {day}: {errors} errors, {warnings} warnings, {infos} for information, {excused} \
                 excused in lints.toml."
            ));
        }
        lines.push(match errors {
            0 => self.summary.clone(),
            _ if !self.refused => format!(
                "{errors} finding(s). The folder loads all the same: where nobody has to approve it, a \
                 running hub puts it in force."
            ),
            _ => format!(
                "{errors} finding(s). Nothing was changed; a running hub keeps its last good policy."
            ),
        });
        lines.join("\n")
    }

    /// As one JSON object.
    #[must_use]
    pub fn json(&self) -> String {
        let Counts { errors, warnings, infos, excused } = self.counts();
        let findings: Vec<serde_json::Value> = self.rows.iter().map(Row::json).collect();
        json!({
            "as_of": self.day.map(|day| day.to_string()),
            "errors": errors,
            "warnings": warnings,
            "infos": infos,
            "excused": excused,
            "findings": findings,
        })
        .to_string()
    }
}

impl Row {
    fn line(&self) -> String {
        let mut text = match &self.excused {
            Some(_) => format!("{} excused {}", self.code, self.file),
            None => format!("{} {} {}", self.code, self.severity, self.file),
        };
        if self.line > 0 {
            text.push_str(&format!(" line {}", self.line));
        }
        text.push_str(&format!(": {}", self.message));
        if !self.found.is_empty() {
            text.push_str(&format!(" Found: \"{}\".", self.found));
        }
        if let Some(nearest) = &self.nearest {
            text.push_str(&format!(" Nearest: \"{nearest}\"."));
        }
        if let Some(reason) = &self.excused {
            text.push_str(&format!(" Excused: {reason}"));
        }
        text
    }

    fn json(&self) -> serde_json::Value {
        let lint = lint::lint(&self.code);
        let fields: BTreeMap<&str, serde_json::Value> = BTreeMap::from([
            ("code", json!(self.code)),
            ("severity", json!(self.severity.to_string())),
            ("file", json!(self.file)),
            ("line", json!(self.line)),
            ("message", json!(self.message)),
            ("found", json!(self.found)),
            ("nearest", json!(self.nearest)),
            ("meaning", json!(lint.map(|lint| lint.meaning))),
            ("fix", json!(lint.map(|lint| lint.fix))),
            ("excused", json!(self.excused)),
        ]);
        json!(fields)
    }
}
