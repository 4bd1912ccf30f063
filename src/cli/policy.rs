//! `weir policy check | test | explain`: what a data protection officer runs after an edit. The
//! loader and the evaluator are the server's own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::Outcome;
use crate::domain::{Code, FieldId};
use crate::policy::book::Effect;
use crate::policy::load::load_dir;
use crate::policy::scenario::{Case, parse, run};
use crate::policy::{Decision, FieldOutcome, PolicySnapshot};

/// Loads a folder and builds its engine, or says everything that is wrong with it.
///
/// # Errors
/// One line for each finding.
pub fn open(dir: &Path) -> Result<PolicySnapshot, Vec<String>> {
    let book = load_dir(dir)
        .map_err(|findings| findings.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    PolicySnapshot::build(book).map_err(|e| vec![e.to_string()])
}

fn findings(dir: &Path, lines: &[String]) -> Outcome {
    let mut text = lines.join("\n");
    text.push_str(&format!(
        "\n{}: {} finding(s). Nothing was changed; a running hub keeps its last good policy.",
        dir.display(),
        lines.len()
    ));
    Outcome { text, exit: 1 }
}

/// `weir policy check DIR`.
#[must_use]
pub fn check(dir: &Path) -> Outcome {
    match open(dir) {
        Ok(policy) => Outcome { text: crate::policy::load::check_summary(policy.book()), exit: 0 },
        Err(lines) => findings(dir, &lines),
    }
}

/// `weir policy test DIR [FILE…]`: the folder's own scenarios when no file is named. Ends with
/// `N passed, N failed`.
#[must_use]
pub fn test(dir: &Path, files: &[PathBuf]) -> Outcome {
    let policy = match open(dir) {
        Ok(policy) => policy,
        Err(lines) => return findings(dir, &lines),
    };
    let files = match files {
        [] => match scenario_files(&dir.join("scenarios")) {
            Ok(files) => files,
            Err(problem) => {
                return Outcome { text: problem, exit: 2 };
            }
        },
        named => named.to_vec(),
    };
    let (mut lines, mut passed, mut failed) = (Vec::new(), 0, 0);
    for file in &files {
        match cases(file, &policy) {
            Ok(cases) => {
                let report = run(&policy, &cases);
                passed += report.passed;
                failed += report.failures.len();
                let at = file.display();
                lines.extend(report.failures.iter().map(|line| format!("{at}: {line}")));
            }
            Err(problems) => {
                failed += problems.len();
                lines.extend(problems.iter().map(|p| format!("{}: {p}", file.display())));
            }
        }
    }
    if passed + failed == 0 {
        lines.push(format!("{}: no scenario was found", dir.display()));
        failed = 1;
    }
    lines.push(format!("{passed} passed, {failed} failed"));
    Outcome { text: lines.join("\n"), exit: u8::from(failed > 0) }
}

/// `weir policy explain DIR FILE ID`: the whole decision of one case, as a data protection officer
/// sees it, and what the requester is told.
#[must_use]
pub fn explain(dir: &Path, file: &Path, id: &str) -> Outcome {
    let policy = match open(dir) {
        Ok(policy) => policy,
        Err(lines) => return findings(dir, &lines),
    };
    let cases = match cases(file, &policy) {
        Ok(cases) => cases,
        Err(problems) => {
            return Outcome { text: problems.join("\n"), exit: 2 };
        }
    };
    let named: Vec<&Case> =
        cases.iter().filter(|c| c.id == id || c.id.split('#').next() == Some(id)).collect();
    if named.is_empty() {
        let ids: Vec<&str> = cases.iter().map(|c| c.id.as_str()).collect();
        let nearest = ids
            .iter()
            .max_by(|a, b| strsim::jaro_winkler(a, id).total_cmp(&strsim::jaro_winkler(b, id)));
        let text = format!(
            "{}: no case \"{id}\". Nearest: \"{}\".",
            file.display(),
            nearest.copied().unwrap_or_default()
        );
        return Outcome { text, exit: 2 };
    }
    let text: Vec<String> = named.iter().map(|case| explained(&policy, case)).collect();
    Outcome { text: text.join("\n\n"), exit: 0 }
}

fn cases(file: &Path, policy: &PolicySnapshot) -> Result<Vec<Case>, Vec<String>> {
    let text = fs::read_to_string(file).map_err(|e| vec![format!("cannot be read: {e}")])?;
    parse(&text, policy.book())
}

fn scenario_files(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "toml"))
        .collect();
    files.sort();
    Ok(files)
}

fn explained(policy: &PolicySnapshot, case: &Case) -> String {
    let decision = policy.decide(&case.ask, &case.facts, case.at);
    let view = policy.view(&decision, |_| true);
    let who = &case.facts.requester;
    let mut lines = vec![
        format!("{}  {} (policy {})", case.id, case.title, short_hash(policy)),
        format!(
            "{}  {} / {} / {} asks {} at {}",
            decision.outcome,
            who.agency,
            who.role,
            case.ask.purpose,
            case.ask.from,
            case.at.to_zoned(policy.book().place.zone.clone())
        ),
    ];
    if let Some(fault) = &decision.fault {
        lines.push(format!("  the engine failed: {fault}"));
    }
    for (field, outcome) in &decision.fields {
        lines.push(field_line(field, outcome));
        lines.extend(tried(policy, &decision, field));
    }
    if !decision.duties.is_empty() {
        let duties: Vec<&str> = decision.duties.iter().map(|d| d.as_str()).collect();
        lines.push(format!("  duties: {}", duties.join(" ")));
    }
    for code in &decision.codes {
        if let Some(missing) = policy.missing(*code) {
            lines
                .push(format!("  {code}: {}. {}: {}", missing.meaning, missing.fixer, missing.fix));
        }
    }
    if decision.duty_alarm {
        lines.push("  DUTY ALARM: the law commands what is refused".to_owned());
    }
    let told = policy.explain(&case.ask, &case.facts, &view);
    let codes: Vec<&str> = view.codes.iter().map(|c| c.as_str()).collect();
    lines.push(format!("  the requester is told: {} [{}]", view.outcome, codes.join(" ")));
    lines.push(format!("    {}", told.text));
    lines.join("\n")
}

fn field_line(field: &FieldId, outcome: &FieldOutcome) -> String {
    match outcome {
        FieldOutcome::Released(path) => {
            let agreement = path.agreement.as_ref().map_or("none", |a| a.as_str());
            format!(
                "  + {field}: {} ({}), {}, {}, agreement {agreement}: {}",
                path.rule, path.place, path.gateway, path.art6, path.because
            )
        }
        FieldOutcome::Withheld(codes) => {
            let codes: Vec<&str> = codes.iter().map(|c: &Code| c.as_str()).collect();
            format!("  - {field}: {}", codes.join(" "))
        }
    }
}

/// Every rule that was tried for a field, with what it falls short of, nearest first; and the hard
/// stops that apply.
fn tried(policy: &PolicySnapshot, decision: &Decision, field: &FieldId) -> Vec<String> {
    let words = |codes: &BTreeSet<Code>| -> String {
        codes.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(" ")
    };
    let mut lines = Vec::new();
    let codes = decision.fields.iter().find_map(|(f, outcome)| match outcome {
        FieldOutcome::Withheld(codes) if f == field => Some(codes),
        FieldOutcome::Withheld(_) | FieldOutcome::Released(_) => None,
    });
    let stops = policy.book().rules.iter().filter(|rule| rule.effect == Effect::Deny);
    let about = policy.book().fields.get(field);
    for rule in stops {
        let applies = rule.code.is_some_and(|code| codes.is_some_and(|all| all.contains(&code)))
            && about.is_none_or(|about| rule.lists(field, about));
        if applies && let Some(code) = rule.code {
            lines.push(format!("      stop {} ({}:{}): {code}", rule.id, rule.file, rule.line));
        }
    }
    let mut short: Vec<_> = decision
        .shortfalls
        .iter()
        .filter(|(f, _)| f == field)
        .flat_map(|(_, shortfalls)| shortfalls)
        .collect();
    short.sort_by_key(|s| s.terms.len());
    for one in short {
        let terms: Vec<String> =
            one.terms.iter().map(|(term, codes)| format!("{term} ({})", words(codes))).collect();
        let why = if terms.is_empty() { "a hard stop".to_owned() } else { terms.join(", ") };
        lines.push(format!("      tried {} ({}), short of: {why}", one.rule, one.place));
        if decision.codes.iter().any(|code| code.as_str().starts_with("OVR_")) {
            lines.push(format!("        left with the override: {}", words(&one.left)));
        }
    }
    lines
}

fn short_hash(policy: &PolicySnapshot) -> String {
    let mut text = hex::encode(policy.book().hash);
    text.truncate(12);
    text
}
