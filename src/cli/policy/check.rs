//! `weir policy check`: everything that is wrong with a folder, as the server would see it, and what
//! somebody should look at.

use std::path::PathBuf;

use jiff::civil::Date;

use super::{Outcome, now};
use crate::policy::check::check;
use crate::policy::load;

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

/// Loads the folder and says everything that is wrong with it.
pub(super) fn run(wish: &Wish) -> Outcome {
    let files = match load::read_dir(&wish.dir) {
        Ok(files) => files,
        Err(findings) => {
            let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
            return Outcome { text: lines.join("\n"), exit: 2 };
        }
    };
    let checked = check(&files, |policy| {
        let today = || now(policy).to_zoned(policy.book().place.zone.clone()).date();
        wish.as_of.unwrap_or_else(today)
    });
    match checked {
        Ok(checked) => Outcome {
            text: if wish.json { checked.json() } else { checked.text() },
            exit: u8::from(checked.counts().errors > 0),
        },
        Err(text) => Outcome { text, exit: 2 },
    }
}
