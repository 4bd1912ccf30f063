//! `weir policy …`: what a data protection officer runs after an edit. The loader and the evaluator are
//! the server's own.

mod approve;
mod check;
mod diff;
mod explain;
mod fmt;
mod junit;
mod key;
mod past;
mod recall;
mod replay;
mod rollback;
mod show;
mod status;
mod suspend;
mod test;
mod version;
mod who;

use std::fs;
use std::path::Path;

use clap::Subcommand;
use jiff::Timestamp;
#[cfg(test)]
pub(super) use test::test;

use super::Outcome;
use crate::clock::{Clock, SystemClock};
use crate::policy::PolicySnapshot;
use crate::policy::load::load_dir;
use crate::policy::scenario::{Case, parse};

/// Commands on policy folders.
#[derive(Subcommand)]
pub enum PolicyCommand {
    /// Loads a policy folder and says everything that is wrong with it.
    Check(check::Wish),
    /// Says what an edit changes: who gains what, who loses what, and who has to approve it.
    Diff(diff::Wish),
    /// Runs scenarios: the folder's own, or the files named. Ends with `N passed, N failed`.
    Test(test::Wish),
    /// Explains the decision of one case of a scenario file, or of a request in words.
    Explain(Box<explain::Wish>),
    /// Says which of agency, purpose and category no rule speaks of, and what that agency may see.
    WhyNot(who::WhyNotWish),
    /// Lists who may see what, for what, on which gateway and agreement.
    Who(who::Wish),
    /// Compares agreements and rules: what is agreed and opens nothing, what opens and is not agreed.
    Agreements(who::AgreementsWish),
    /// Shows an agreement as it reads on paper.
    Show(show::Wish),
    /// Writes the public rule book and the registers that the law asks for.
    Rulebook(show::RulebookWish),
    /// Puts the spacing of the tables in order; never changes what they mean.
    Fmt(fmt::Wish),
    /// Says what the decisions of the past would come to under another folder.
    Replay(replay::Wish),
    /// Lists everything that went out under a faulty rule or agreement, and whom to tell.
    Recall(recall::Wish),
    /// Notes that a recipient of a recall has answered.
    RecallAck(recall::AckWish),
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
        PolicyCommand::Diff(wish) => diff::run(&wish),
        PolicyCommand::Test(wish) => test::run(&wish),
        PolicyCommand::Explain(wish) => explain::run(&wish),
        PolicyCommand::WhyNot(wish) => who::why_not_run(&wish),
        PolicyCommand::Who(wish) => who::run(&wish),
        PolicyCommand::Agreements(wish) => who::agreements_run(&wish),
        PolicyCommand::Show(wish) => show::run(&wish),
        PolicyCommand::Rulebook(wish) => show::rulebook_run(&wish),
        PolicyCommand::Fmt(wish) => fmt::run(&wish),
        PolicyCommand::Replay(wish) => replay::run(&wish),
        PolicyCommand::Recall(wish) => recall::run(&wish),
        PolicyCommand::RecallAck(wish) => recall::ack_run(&wish),
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

/// The clock of a command that is not told when: a sample place's own.
fn now(policy: &PolicySnapshot) -> Timestamp {
    policy.book().place.sample_clock.unwrap_or_else(|| SystemClock.now())
}

fn findings(dir: &Path, lines: &[String]) -> Outcome {
    let mut text = lines.join("\n");
    text.push_str(&format!(
        "\n{}: {} finding(s). Nothing was changed; a running hub keeps its last good policy.",
        dir.display(),
        lines.len()
    ));
    // A folder that is not there is no finding about policies.
    Outcome { text, exit: if dir.is_dir() { 1 } else { 2 } }
}

fn cases(file: &Path, policy: &PolicySnapshot) -> Result<Vec<Case>, Vec<String>> {
    let text = fs::read_to_string(file).map_err(|e| vec![format!("cannot be read: {e}")])?;
    parse(&text, policy.book())
}
