//! `weir ndo request` and `weir ndo apply`, on a data folder that no hub has open: the exchange of lists with the
//! National Data Opt-out service. A list that comes back is taken whole or not at all; errors name lines, never
//! numbers.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::Outcome;
use super::import::{Trouble, ended, entry, failed, open, runtime};
use crate::app::DataFolder;
use crate::audit::entry::{Facet, Kind};
use crate::domain::DecisionId;
use crate::hub::{asking, numbers_of, oldest};
use crate::store::{CheckFault, Store};

/// Largest list, in bytes: a line for everybody in England.
const FILE_LEN_MAX: u64 = 1024 * 1024 * 1024;

/// `weir ndo request --out FILE`.
#[must_use]
pub fn request(data: &DataFolder, policies: &Path, out: &Path) -> Outcome {
    ended(runtime().and_then(|runtime| runtime.block_on(requested(data, policies, out))))
}

/// `weir ndo apply FILE --reference REFERENCE`.
#[must_use]
pub fn apply(
    data: &DataFolder,
    policies: &Path,
    reference: &str,
    count: Option<usize>,
    file: &Path,
) -> Outcome {
    let applied = applied(data, policies, reference, count, file);
    ended(runtime().and_then(|runtime| runtime.block_on(applied)))
}

async fn requested(data: &DataFolder, policies: &Path, out: &Path) -> Result<String, Trouble> {
    let policy = super::policy::open(policies).map_err(|lines| failed(lines.join("\n")))?;
    let shown = out.display();
    // Before anything is recorded: the list must have a place.
    let mut list =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(out).map_err(
            |e| failed(format!("{shown}: {e}. Name a new file: nothing is overwritten.")),
        )?;
    let store = open(data).await?;
    let at = super::clock_in(&data.dir).now();
    let new = entry(Kind::Fact, "weir ndo request", &[(Facet::What, "opt-out|asked".to_owned())]);
    let reference = new.event;
    let asking = asking(policy.book(), usize::MAX);
    let begun = store.begin_check(reference, at, asking, new).await.map_err(failed)?;
    let (numbers, receipt) = begun.map_err(failed)?;
    let text: String = numbers.iter().map(|number| format!("{number}\n")).collect();
    list.write_all(text.as_bytes())
        .and_then(|()| list.sync_all())
        .map_err(|e| failed(format!("{shown}: {e}")))?;
    let hours = policy.book().figures.ndo_hours;
    Ok(format!(
        "{} NHS numbers are in {shown}; audit entry {}.\nReference: {reference}\n\
         Send the list, and take in what comes back within {hours} hours:\n  \
         weir ndo apply --reference {reference} RETURNED-FILE",
        numbers.len(),
        receipt.index()
    ))
}

async fn applied(
    data: &DataFolder,
    policies: &Path,
    reference: &str,
    count: Option<usize>,
    file: &Path,
) -> Result<String, Trouble> {
    let policy = super::policy::open(policies).map_err(|lines| failed(lines.join("\n")))?;
    let reference: DecisionId = reference
        .parse()
        .map_err(|_| failed("--reference must be the one that `weir ndo request` printed"))?;
    let lines = lines_of(&text_of(file)?, count).map_err(Trouble::File)?;
    let clear = numbers_of(&lines).map_err(|faults| {
        let named = faults.iter().map(|(at, why)| format!("line {}: {why}", at + 1));
        Trouble::File(named.collect())
    })?;
    let store = open(data).await?;
    let at = super::clock_in(&data.dir).now();
    let facets =
        [(Facet::What, "opt-out|checked".to_owned()), (Facet::Previous, reference.to_string())];
    let new = entry(Kind::Fact, "weir ndo apply", &facets);
    let returned = clear.len();
    let oldest = oldest(policy.book(), at);
    let made = store.end_check(reference, clear, oldest, new).await.map_err(failed)?;
    let (made, receipt) = made.map_err(|why| match why {
        CheckFault::NeverAsked(places) => Trouble::File(
            places.iter().map(|at| format!("line {}: was never asked about", at + 1)).collect(),
        ),
        CheckFault::NoCheck | CheckFault::TooMany => failed(why),
    })?;
    store.forget_checks(oldest).await.map_err(failed)?;
    let hours = policy.book().figures.ndo_hours;
    Ok(format!(
        "{returned} NHS numbers came back; good for {hours} hours from {made}, then deleted; audit entry {}",
        receipt.index()
    ))
}

fn text_of(file: &Path) -> Result<String, Trouble> {
    let shown = file.display();
    let about = std::fs::metadata(file).map_err(|e| failed(format!("{shown}: {e}")))?;
    if about.len() > FILE_LEN_MAX {
        return Err(failed(format!("{shown}: is larger than {} MiB", FILE_LEN_MAX / 1024 / 1024)));
    }
    std::fs::read_to_string(file).map_err(|e| failed(format!("{shown}: {e}")))
}

/// The lines of a list, each ended. What breaks off, is empty or has another length than was said is no whole list:
/// whoever is missing in it would count as opted out.
fn lines_of(text: &str, count: Option<usize>) -> Result<Vec<String>, Vec<String>> {
    let lines: Vec<String> =
        text.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect();
    let mut wrong = Vec::new();
    if !text.is_empty() && !text.ends_with('\n') {
        wrong.push(format!("line {}: the file breaks off here", lines.len()));
    }
    if lines.is_empty() && count != Some(0) {
        wrong.push(
            "line 1: the file is empty. Where nobody at all came back, say so: --count 0"
                .to_owned(),
        );
    }
    if let Some(count) = count
        && count != lines.len()
    {
        wrong.push(format!("line {}: the file ends after {0} lines, not {count}", lines.len()));
    }
    if wrong.is_empty() { Ok(lines) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::lines_of;

    #[test]
    fn half_a_file_is_no_list() {
        let number = "9434765919";
        let whole = format!("{number}\r\n9000000009\n");
        let both = vec![number.to_owned(), "9000000009".to_owned()];
        assert_eq!(lines_of(&whole, None), Ok(both.clone()));
        assert_eq!(lines_of(&whole, Some(2)), Ok(both));
        assert_eq!(lines_of("", Some(0)), Ok(vec![]));
        for (text, count, wanted) in [
            (&whole[..whole.len() - 1], None, "line 2: the file breaks off here"),
            (&whole[..whole.len() - 4], None, "line 2: the file breaks off here"),
            (whole.as_str(), Some(3), "line 2: the file ends after 2 lines, not 3"),
            ("", None, "line 1: the file is empty."),
            ("", Some(2), "line 0: the file ends after 0 lines, not 2"),
        ] {
            let found = lines_of(text, count).unwrap_err().join("; ");
            assert!(found.contains(wanted), "{found}");
        }
    }
}
