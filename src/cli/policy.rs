//! `weir policy …`: what a data protection officer runs after an edit. The loader and the evaluator are
//! the server's own.

mod approve;
mod check;
mod explain;
mod key;
mod rollback;
mod status;
mod suspend;
mod test;

use std::fs;
use std::path::Path;

use clap::Subcommand;
#[cfg(test)]
pub(super) use test::test;

use super::Outcome;
use crate::policy::PolicySnapshot;
use crate::policy::load::load_dir;
use crate::policy::scenario::{Case, parse};

/// Commands on policy folders.
#[derive(Subcommand)]
pub enum PolicyCommand {
    /// Loads a policy folder and says everything that is wrong with it.
    Check(check::Wish),
    /// Runs scenarios: the folder's own, or the files named. Ends with `N passed, N failed`.
    Test(test::Wish),
    /// Explains the decision of one case of a scenario file, in full.
    Explain(explain::Wish),
    /// Makes the key of an approver.
    Keygen(key::Wish),
    /// Approves what a folder changes: says what it is, and signs it.
    Approve(approve::Wish),
    /// Stops sharing under an agreement, or to an agency, at once and by one person.
    Suspend(suspend::Wish),
    /// Puts an earlier version back into the folder, to be approved.
    Rollback(rollback::Wish),
    /// Says what is in force, since when and by whose approval, what lapses next, and why a folder is
    /// refused.
    Status(status::Wish),
}

/// Runs one of them.
#[must_use]
pub fn run(command: PolicyCommand) -> Outcome {
    match command {
        PolicyCommand::Check(wish) => check::run(&wish),
        PolicyCommand::Test(wish) => test::run(&wish),
        PolicyCommand::Explain(wish) => explain::run(&wish),
        PolicyCommand::Keygen(wish) => key::run(&wish),
        PolicyCommand::Approve(wish) => approve::run(&wish),
        PolicyCommand::Suspend(wish) => suspend::run(&wish),
        PolicyCommand::Rollback(wish) => rollback::run(&wish),
        PolicyCommand::Status(wish) => status::run(&wish),
    }
}

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

fn cases(file: &Path, policy: &PolicySnapshot) -> Result<Vec<Case>, Vec<String>> {
    let text = fs::read_to_string(file).map_err(|e| vec![format!("cannot be read: {e}")])?;
    parse(&text, policy.book())
}
