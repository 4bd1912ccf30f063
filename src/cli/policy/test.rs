//! `weir policy test`.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Outcome, cases, findings, open};
use crate::policy::scenario;

/// What to test.
#[derive(clap::Args)]
#[command(after_help = "Example: weir policy test policies my-cases.toml")]
pub struct Wish {
    /// The policy folder.
    dir: PathBuf,
    /// Scenario files; the folder's own where none is named.
    files: Vec<PathBuf>,
}

/// Runs the scenarios.
pub(super) fn run(wish: &Wish) -> Outcome {
    test(&wish.dir, &wish.files)
}

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
                let report = scenario::run(&policy, &cases);
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
