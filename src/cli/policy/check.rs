//! `weir policy check`.

use std::path::PathBuf;

use super::{Outcome, findings, open};
use crate::policy::load::check_summary;

/// What to check.
#[derive(clap::Args)]
#[command(after_help = "Example: weir policy check policies")]
pub struct Wish {
    /// The policy folder.
    dir: PathBuf,
}

/// Loads the folder and says everything that is wrong with it.
pub(super) fn run(wish: &Wish) -> Outcome {
    match open(&wish.dir) {
        Ok(policy) => Outcome { text: check_summary(policy.book()), exit: 0 },
        Err(lines) => findings(&wish.dir, &lines),
    }
}
