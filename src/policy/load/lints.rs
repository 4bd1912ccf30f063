//! `lints.toml`: severities, and findings that are right as they are. A folder without it has the
//! released severities and no exception.

use serde::Deserialize;

use super::figures::toml;
use super::read::{Texts, line_of};
use super::{Finding, Findings, nearest};
use crate::policy::book::{Exception, Lints};
use crate::policy::lint::{LINTS, lint};

const FILE: &str = crate::policy::lint::FILE;
/// Words that the reason of an exception has at least.
const REASON_WORDS_MIN: usize = 5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LintsFile {
    #[serde(default)]
    severity: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    exception: Vec<ExceptionFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExceptionFile {
    code: toml::Spanned<String>,
    on: String,
    reason: String,
}

pub(super) fn read(texts: &Texts, findings: &mut Findings) -> Lints {
    let Some(text) = texts.get(FILE) else {
        return Lints::default();
    };
    let Some(file) = toml::<LintsFile>(FILE, texts, findings) else {
        return Lints::default();
    };
    let mut lints = Lints::default();
    for (code, severity) in file.severity {
        let line = line_of(texts, FILE, &format!("{code} ="));
        let known = yields(&code, line, findings);
        match severity.parse() {
            Ok(severity) if known => {
                lints.severities.insert(code, severity);
            }
            Ok(_) => {}
            Err(()) => findings.push(Finding {
                found: Some(severity.clone()),
                code: "E10",
                file: FILE.to_owned(),
                line,
                message: format!("{code}: \"{severity}\" must be error, warning or info."),
                nearest: nearest(&severity, ["error", "warning", "info"].into_iter()),
            }),
        }
    }
    for one in file.exception {
        let before = text.get(..one.code.span().start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let code = one.code.into_inner();
        if !yields(&code, line, findings) {
            continue;
        }
        if one.reason.split_whitespace().count() < REASON_WORDS_MIN {
            let message = format!(
                "the exception for {} has no reason worth the name: say in a sentence why it is right.",
                one.on
            );
            findings.add("E10", FILE, line, message);
        }
        if lints.exceptions.iter().any(|e| e.code == code && e.on == one.on) {
            findings.add("E08", FILE, line, format!("{code} for {} stands twice.", one.on));
        }
        lints.exceptions.push(Exception { line, code, on: one.on, reason: one.reason });
    }
    lints
}

/// Known, and one that a file may settle.
fn yields(code: &str, line: usize, findings: &mut Findings) -> bool {
    match lint(code) {
        Some(lint) if lint.yields => true,
        Some(lint) => {
            let message = format!(
                "{code} ({}) has no exception and no other severity: put right what it finds.",
                lint.meaning
            );
            findings.add("E10", FILE, line, message);
            false
        }
        None => {
            findings.push(Finding {
                found: Some(code.to_owned()),
                code: "E10",
                file: FILE.to_owned(),
                line,
                message: format!("\"{code}\" is no code of a finding."),
                nearest: nearest(code, LINTS.iter().map(|lint| lint.code)),
            });
            false
        }
    }
}
