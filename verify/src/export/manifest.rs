//! What an export says of itself.

use std::path::Path;

use serde_json::Value;

use super::{ENTRIES, digest_of, named_digest};
use crate::leaf::Leaf;
use crate::note::{Head, Key};
use crate::{FILE_LEN_MAX, Fault, bytes_of};

const MANIFEST: &str = "manifest.json";
/// The calls whose entry says that an export was made.
const EXPORTS: [&str; 2] = ["weir audit export", "weir.hub.v1.AuditService/ExportEntries"];
/// Most files of an export.
const FILES_MAX: usize = 16;

/// The manifest, as far as it can be checked.
pub(super) struct Manifest {
    pub(super) head: Head,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) entries: u64,
    pub(super) covered: u64,
    /// It says that it holds every entry of its range.
    pub(super) everything: bool,
    files: Vec<(String, u64, String)>,
    digest: String,
}

/// A name of a file in the same folder.
fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty() && text.len() <= 100 && !text.starts_with('.') && text.bytes().all(allowed)
}

fn parsed(value: &Value, key: &Key, digest: String) -> Result<Manifest, String> {
    if value.get("weir_export").and_then(Value::as_u64) != Some(1) {
        return Err("weir_export: is not version 1".to_owned());
    }
    let number =
        |name: &str| value.get(name).and_then(Value::as_u64).ok_or(format!("{name}: is no number"));
    let note = value.get("head").and_then(Value::as_str).ok_or("head: is missing")?;
    let head = key.open(note)?;
    if value.get("origin").and_then(Value::as_str) != Some(head.origin.as_str()) {
        return Err("origin: is not that of the head".to_owned());
    }
    let (from, to) = (number("from")?, number("to")?);
    if from > to || to > head.size {
        let size = head.size;
        return Err(format!("from, to: {from} to {to} is no range of the {size} entries"));
    }
    let listed = value.get("files").and_then(Value::as_object).ok_or("files: are missing")?;
    if listed.len() > FILES_MAX {
        return Err(format!("files: more than {FILES_MAX}"));
    }
    let mut files = Vec::new();
    for (name, file) in listed {
        let bytes = file.get("bytes").and_then(Value::as_u64);
        let sha256 = file.get("sha256").and_then(Value::as_str);
        match (bytes, sha256) {
            (Some(bytes), Some(sha256)) if is_name(name) && name != MANIFEST => {
                files.push((name.clone(), bytes, sha256.to_owned()));
            }
            _ => return Err("files: one is malformed".to_owned()),
        }
    }
    if !listed.contains_key(ENTRIES) {
        return Err(format!("files: {ENTRIES} is not listed"));
    }
    let (entries, covered) = (number("entries")?, number("covered")?);
    let everything = value.get("filter").is_some_and(Value::is_null)
        && value.get("scope").and_then(Value::as_str) == Some("hub");
    Ok(Manifest { head, from, to, entries, covered, everything, files, digest })
}

impl Manifest {
    pub(super) fn read(folder: &Path, key: &Key) -> Result<Self, Fault> {
        let bytes = bytes_of(&folder.join(MANIFEST), FILE_LEN_MAX)?;
        let bytes = bytes.ok_or_else(|| Fault::one(format!("{MANIFEST}: is missing")))?;
        let value = serde_json::from_slice(&bytes).map_err(|_| "is no JSON".to_owned());
        value
            .and_then(|value: Value| parsed(&value, key, named_digest(&bytes)))
            .map_err(|what| Fault::one(format!("{MANIFEST}: {what}")))
    }

    /// Files that are not as listed, and files that are not listed.
    pub(super) fn files_differ(&self, folder: &Path) -> Result<Vec<String>, Fault> {
        let mut findings = Vec::new();
        for (name, bytes, sha256) in &self.files {
            match digest_of(&folder.join(name)) {
                Err(_) => findings.push(format!("{name}: is listed and cannot be read")),
                Ok((len, _)) if len != *bytes => {
                    findings.push(format!("{name}: has {len} bytes, not the {bytes} listed"));
                }
                Ok((_, own)) if own != *sha256 => {
                    findings.push(format!("{name}: its SHA-256 is not the one listed"));
                }
                Ok(_) => {}
            }
        }
        let unreadable = |e: std::io::Error| Fault::Usage(format!("{}: {e}", folder.display()));
        for file in std::fs::read_dir(folder).map_err(unreadable)? {
            let name = file.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
            if name != MANIFEST && self.files.iter().all(|(listed, _, _)| *listed != name) {
                findings.push(format!("{}: is not listed", crate::encoding::plain(&name)));
            }
        }
        Ok(findings)
    }

    /// Whether an entry of the log says that this export was made: by its first two words. Those behind
    /// them may be what somebody searched for.
    pub(super) fn is_entered_by(&self, leaf: &Leaf) -> bool {
        EXPORTS.contains(&leaf.call.as_str())
            && leaf.what().is_some_and(|words| {
                let mut words = words.split('|');
                words.next() == Some("export") && words.next() == Some(&self.digest)
            })
    }
}
