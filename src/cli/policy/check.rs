//! `weir policy check`: everything that is wrong with a folder, as the server would see it, and what
//! somebody should look at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde_json::json;

use super::{Outcome, now};
use crate::policy::PolicySnapshot;
use crate::policy::lint::{self, Severity};
use crate::policy::load::{self, check_summary};
use crate::policy::scenario::{coverage, parse};

/// What to check.
#[derive(clap::Args)]
#[command(after_help = "Example: weir policy check policies --as-of 2027-04-01\n\n\
    Ends with 0 when no error is found (warnings are listed and counted), 1 with errors, 2 when the \
    folder could not be looked at.")]
pub struct Wish {
    /// The policy folder.
    dir: PathBuf,
    /// The day on which agreements and gateways are judged; today where none is named, and the sample
    /// clock's day for a sample place.
    #[arg(long, value_name = "DATE")]
    as_of: Option<Date>,
    /// One JSON object, for machines.
    #[arg(long)]
    json: bool,
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

/// Loads the folder and says everything that is wrong with it.
pub(super) fn run(wish: &Wish) -> Outcome {
    let files = match load::read_dir(&wish.dir) {
        Ok(files) => files,
        Err(findings) => {
            let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
            return Outcome { text: lines.join("\n"), exit: 2 };
        }
    };
    let book = match load::load(&files) {
        Ok(book) => book,
        Err(findings) => return said(wish, None, refused(&findings, &files), String::new()),
    };
    let policy = match PolicySnapshot::build(book) {
        Ok(policy) => policy,
        Err(error) => return Outcome { text: error.to_string(), exit: 2 },
    };
    let day = wish
        .as_of
        .unwrap_or_else(|| now(&policy).to_zoned(policy.book().place.zone.clone()).date());
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
    match lint::check(policy.book(), day, &coverage(&policy, &cases)) {
        Ok(found) => rows.extend(found.into_iter().map(|one| Row {
            code: one.code.to_owned(),
            severity: one.severity,
            file: one.file,
            line: one.line,
            message: one.message,
            found: one.found,
            nearest: None,
            excused: one.excused,
        })),
        Err(error) => return Outcome { text: error.to_string(), exit: 2 },
    }
    said(wish, Some(day), rows, check_summary(policy.book()))
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

fn said(wish: &Wish, day: Option<Date>, rows: Vec<Row>, summary: String) -> Outcome {
    let count = |severity| {
        rows.iter().filter(|row| row.excused.is_none() && row.severity == severity).count()
    };
    let (errors, warnings, infos) =
        (count(Severity::Error), count(Severity::Warning), count(Severity::Info));
    let excused = rows.iter().filter(|row| row.excused.is_some()).count();
    let exit = u8::from(errors > 0);
    if wish.json {
        let findings: Vec<serde_json::Value> = rows.iter().map(Row::json).collect();
        let text = json!({
            "folder": wish.dir.display().to_string(),
            "as_of": day.map(|day| day.to_string()),
            "errors": errors,
            "warnings": warnings,
            "infos": infos,
            "excused": excused,
            "findings": findings,
        });
        return Outcome { text: text.to_string(), exit };
    }
    let mut lines: Vec<String> = rows.iter().map(Row::line).collect();
    if let Some(day) = day {
        lines.push(format!(
            "As of {day}: {errors} errors, {warnings} warnings, {infos} for information, {excused} \
             excused in lints.toml."
        ));
    }
    if errors > 0 {
        lines.push(fallen(&wish.dir, errors));
    } else {
        lines.push(summary);
    }
    Outcome { text: lines.join("\n"), exit }
}

fn fallen(dir: &Path, errors: usize) -> String {
    format!(
        "{}: {errors} finding(s). Nothing was changed; a running hub keeps its last good policy.",
        dir.display()
    )
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
