//! Verifies what a Weir hub proves of its log, without the hub. Written from `docs/receipt-format.md` and
//! `docs/export-format.md`, on a published Merkle crate; shares no code with the hub.

mod encoding;
mod export;
mod heads;
mod leaf;
mod note;
mod receipt;
mod tiles;
mod tree;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use export::verify as export;
pub use heads::{Growth, verify as heads};
pub use note::Key;
pub use receipt::{verify as receipt, verify_text as receipt_text};
pub use tiles::verify as tiles;

/// Longest file that is read whole, in bytes.
const FILE_LEN_MAX: u64 = 2 * 1024 * 1024;
/// Most findings that are listed.
const FINDINGS_MAX: usize = 100;

/// Why nothing was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Asked in a wrong way: exit code 2.
    Usage(String),
    /// It does not verify: exit code 1. Each sentence names what.
    Findings(Vec<String>),
}

impl Fault {
    fn one(finding: impl Into<String>) -> Self {
        Self::Findings(vec![finding.into()])
    }
}

/// The bytes of a file that is no longer than `max`; `None`: it is not there.
fn bytes_of(path: &Path, max: u64) -> Result<Option<Vec<u8>>, Fault> {
    let shown = path.display();
    let mut bytes = Vec::new();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Fault::Usage(format!("{shown}: {error}"))),
    };
    let read = file.take(max + 1).read_to_end(&mut bytes);
    read.map_err(|error| Fault::Usage(format!("{shown}: {error}")))?;
    if bytes.len() as u64 > max {
        return Err(Fault::one(format!("{shown}: longer than {max} bytes")));
    }
    Ok(Some(bytes))
}

/// The text of a file that somebody named.
fn text_of(path: &Path) -> Result<String, Fault> {
    let shown = path.display();
    let bytes = bytes_of(path, FILE_LEN_MAX)?;
    let bytes = bytes.ok_or_else(|| Fault::Usage(format!("{shown}: there is no such file")))?;
    String::from_utf8(bytes).map_err(|_| Fault::one(format!("{shown}: is no text")))
}

#[cfg(test)]
mod tests;
