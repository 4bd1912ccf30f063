//! `weir policy test`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Outcome, cases, findings, junit, open};
use crate::domain::RuleId;
use crate::policy::PolicySnapshot;
use crate::policy::book::{Effect, Rule};
use crate::policy::scenario::{self, CaseReport, Hits, coverage};

/// What to test.
#[derive(clap::Args)]
#[command(after_help = "Example: weir policy test policies my-cases.toml")]
pub struct Wish {
    /// The policy folder.
    dir: PathBuf,
    /// Scenario files; the folder's own where none is named.
    files: Vec<PathBuf>,
    /// Do not say which rules the folder's own scenarios leave unshown.
    #[arg(long)]
    no_coverage: bool,
    /// Also write the results as JUnit XML into this file.
    #[arg(long)]
    junit: Option<PathBuf>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

/// How the cases of one file went.
pub(super) struct Tested {
    pub file: String,
    pub cases: Vec<CaseReport>,
    /// What cannot be read in it.
    pub problems: Vec<String>,
}

/// Runs the scenarios.
pub(super) fn run(wish: &Wish) -> Outcome {
    let policy = match open(&wish.dir) {
        Ok(policy) => policy,
        Err(lines) => return findings(&wish.dir, &lines),
    };
    let files = match wish.files.as_slice() {
        [] => match scenario_files(&wish.dir.join("scenarios")) {
            Ok(files) => files,
            Err(problem) => return Outcome { text: problem, exit: 2 },
        },
        named => named.to_vec(),
    };
    let (mut tested, mut all) = (Vec::new(), Vec::new());
    for file in &files {
        let (report, problems) = match cases(file, &policy) {
            Ok(cases) => {
                let report = scenario::run(&policy, &cases).cases;
                all.extend(cases);
                (report, Vec::new())
            }
            Err(problems) => (Vec::new(), problems),
        };
        tested.push(Tested { file: file.display().to_string(), cases: report, problems });
    }
    if tested.iter().all(|file| file.cases.is_empty() && file.problems.is_empty()) {
        let problem = format!("{}: no scenario was found", wish.dir.display());
        return Outcome { text: format!("{problem}\n0 passed, 1 failed"), exit: 1 };
    }
    // What one file shows of a whole rule book says nothing.
    let hits = (wish.files.is_empty() && !wish.no_coverage).then(|| coverage(&policy, &all));
    if let Some(file) = &wish.junit
        && let Err(problem) = fs::write(file, junit::xml(&tested))
    {
        return Outcome { text: format!("{}: {problem}", file.display()), exit: 2 };
    }
    let failed = tested.iter().map(Tested::failed).sum::<usize>();
    let text = if wish.json {
        as_json(&policy, &tested, hits.as_ref()).to_string()
    } else {
        as_text(&policy, &tested, hits.as_ref())
    };
    Outcome { text, exit: u8::from(failed > 0) }
}

#[cfg(test)]
pub fn test(dir: &Path, files: &[PathBuf]) -> Outcome {
    run(&Wish {
        dir: dir.to_owned(),
        files: files.to_vec(),
        no_coverage: true,
        junit: None,
        json: false,
    })
}

impl Tested {
    fn failed(&self) -> usize {
        self.problems.len() + self.cases.iter().filter(|case| case.failure.is_some()).count()
    }

    fn passed(&self) -> usize {
        self.cases.iter().filter(|case| case.failure.is_none()).count()
    }
}

type Coverage = BTreeMap<RuleId, Hits>;

fn as_text(policy: &PolicySnapshot, tested: &[Tested], hits: Option<&Coverage>) -> String {
    let mut lines = Vec::new();
    for Tested { file, cases, problems } in tested {
        for case in cases {
            if let Some(failure) = &case.failure {
                lines.push(format!("{file}: {} ({}): {failure}", case.id, case.title));
            }
        }
        lines.extend(problems.iter().map(|problem| format!("{file}: {problem}")));
    }
    if let Some(hits) = hits {
        lines.extend(unshown(policy, hits).into_iter().map(|(rule, hits)| {
            format!("{} line {} ({}): {}", rule.file, rule.line, rule.id, gap(rule, hits))
        }));
        let rules = policy.book().rules.len();
        let whole = rules - unshown(policy, hits).len();
        lines.push(format!(
            "{whole} of {rules} rules are shown from both sides (a hard stop: from its one side)"
        ));
    }
    let passed = tested.iter().map(Tested::passed).sum::<usize>();
    let failed = tested.iter().map(Tested::failed).sum::<usize>();
    lines.push(format!("{passed} passed, {failed} failed"));
    lines.join("\n")
}

fn unshown<'p>(policy: &'p PolicySnapshot, hits: &Coverage) -> Vec<(&'p Rule, Hits)> {
    let with_hits = policy
        .book()
        .rules
        .iter()
        .map(|rule| (rule, hits.get(&rule.id).copied().unwrap_or_default()));
    with_hits.filter(|(rule, hits)| !hits.is_whole(rule.effect)).collect()
}

fn gap(rule: &Rule, hits: Hits) -> &'static str {
    match (rule.effect, hits.permits + hits.refers > 0, hits.refuses > 0) {
        (Effect::Deny, _, _) => "no scenario shows it stop anything",
        (Effect::Allow, false, false) => "no scenario shows it at all",
        (Effect::Allow, false, true) => "no scenario releases or refers under it",
        (Effect::Allow, true, _) => "no scenario shows it fall short",
    }
}

fn as_json(
    policy: &PolicySnapshot,
    tested: &[Tested],
    hits: Option<&Coverage>,
) -> serde_json::Value {
    let files: Vec<_> = tested
        .iter()
        .map(|Tested { file, cases, problems }| {
            let cases: Vec<_> = cases
                .iter()
                .map(|case| json!({"id": case.id, "title": case.title, "failure": case.failure}))
                .collect();
            json!({"file": file, "cases": cases, "problems": problems})
        })
        .collect();
    let rules = hits.map(|hits| {
        let of = |rule: &Rule| {
            let hits = hits.get(&rule.id).copied().unwrap_or_default();
            json!({
                "rule": rule.id,
                "file": rule.file,
                "line": rule.line,
                "permits": hits.permits,
                "refers": hits.refers,
                "refuses": hits.refuses,
                "whole": hits.is_whole(rule.effect),
            })
        };
        policy.book().rules.iter().map(of).collect::<Vec<_>>()
    });
    json!({
        "policy": hex::encode(policy.book().hash),
        "passed": tested.iter().map(Tested::passed).sum::<usize>(),
        "failed": tested.iter().map(Tested::failed).sum::<usize>(),
        "files": files,
        "coverage": rules,
    })
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
