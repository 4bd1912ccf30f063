//! The folder's bytes: read whole, bounded, and only files that have a meaning.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Files, Finding, Findings};
use crate::limits::{POLICY_FILE_LEN_MAX, POLICY_FILES_MAX};

/// The text of each file by its path in the folder.
pub(super) type Texts = BTreeMap<String, String>;

/// Folders and the ending of their files.
const FOLDERS: [(&str, &str); 6] = [
    ("rules", ".csv"),
    ("words", ".csv"),
    ("agreements", ".toml"),
    ("notices", ".toml"),
    ("scenarios", ".toml"),
    ("approvals", ""),
];
/// Files that stand in the folder itself.
const FILES: [&str; 6] =
    ["model.conf", "place.toml", "conditions.toml", "promises.csv", "lints.toml", "README.md"];

/// Reads a folder and its folders whole, one level deep. Links are not followed.
///
/// # Errors
/// When something cannot be read, is no plain file, or is too large or too much.
pub fn read_dir(dir: &Path) -> Result<Files, Vec<Finding>> {
    let mut files = Files::new();
    let mut findings = Findings::default();
    walk(dir, "", &mut files, &mut findings);
    if findings.0.is_empty() { Ok(files) } else { Err(findings.0) }
}

fn walk(dir: &Path, prefix: &str, files: &mut Files, findings: &mut Findings) {
    let shown = if prefix.is_empty() { dir.display().to_string() } else { prefix.to_owned() };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            findings.add("E00", &shown, 0, format!("the folder cannot be read: {error}."));
            return;
        }
    };
    for entry in entries {
        let Ok(entry) = entry else {
            findings.add("E00", &shown, 0, "an entry of the folder cannot be read.".to_owned());
            continue;
        };
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let Ok(meta) = fs::symlink_metadata(entry.path()) else {
            findings.add("E00", &name, 0, "cannot be read.".to_owned());
            continue;
        };
        if meta.is_symlink() {
            findings.add("E00", &name, 0, "is a link; policy files are plain files.".to_owned());
        } else if meta.is_dir() && prefix.is_empty() {
            walk(&entry.path(), &format!("{name}/"), files, findings);
        } else if meta.is_file() {
            take(&entry.path(), name, meta.len(), files, findings);
        } else {
            findings.add("E00", &name, 0, "is not a plain file.".to_owned());
        }
    }
}

fn take(path: &Path, name: String, len: u64, files: &mut Files, findings: &mut Findings) {
    if len > POLICY_FILE_LEN_MAX {
        findings.add("E00", &name, 0, format!("is larger than {POLICY_FILE_LEN_MAX} bytes."));
    } else if files.len() >= POLICY_FILES_MAX {
        findings.add(
            "E00",
            &name,
            0,
            format!("the folder has more than {POLICY_FILES_MAX} files."),
        );
    } else {
        match fs::read(path) {
            Ok(bytes) => {
                files.insert(name, bytes);
            }
            Err(error) => findings.add("E00", &name, 0, format!("cannot be read: {error}.")),
        }
    }
}

/// The files as text. A file that no part of the loader would read is a finding: a misspelt name
/// would otherwise lose its rules in silence.
pub(super) fn texts(files: &Files, findings: &mut Findings) -> Texts {
    let mut texts = Texts::new();
    for (name, bytes) in files {
        let known = FILES.contains(&name.as_str())
            || name.split_once('/').is_some_and(|(folder, file)| {
                FOLDERS.iter().any(|(f, ending)| *f == folder && file.ends_with(ending))
            });
        if !known {
            findings.push(Finding {
                found: None,
                code: "E00",
                file: name.clone(),
                line: 0,
                message: "no part of a policy folder has this name. Rename or remove it."
                    .to_owned(),
                nearest: super::nearest(name, FILES.into_iter().chain(FOLDERS.map(|(f, _)| f))),
            });
            continue;
        }
        // Spreadsheets write a byte order mark that they do not show.
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        match String::from_utf8(bytes.to_vec()) {
            Ok(text) => {
                texts.insert(name.clone(), text);
            }
            Err(error) => {
                let valid = bytes.get(..error.utf8_error().valid_up_to()).unwrap_or_default();
                let line = valid.iter().filter(|b| **b == b'\n').count() + 1;
                findings.add(
                    "E01",
                    name,
                    line,
                    "is not UTF-8 text. Save it as UTF-8 (in Excel: \"CSV UTF-8\").".to_owned(),
                );
            }
        }
    }
    texts
}

/// The first line of `file` in which `word` stands outside a comment; 0 when there is none.
pub(super) fn line_of(texts: &Texts, file: &str, word: &str) -> usize {
    let text = texts.get(file).map(String::as_str).unwrap_or_default();
    let holds = |line: &str| !line.trim_start().starts_with('#') && line.contains(word);
    text.lines().position(holds).map_or(0, |at| at + 1)
}
