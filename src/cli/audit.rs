//! `weir audit verify`: proof that a log is whole, without a running hub.

use std::path::Path;

use super::Outcome;
use crate::audit::checkpoint::VerifierKey;
use crate::store::sqlite::log::verify_file;

/// `weir audit verify --data DIR [--key KEY]`. Without a key that the auditor has kept, the one in
/// the folder is used: that finds every change but a log that was made anew with another key.
#[must_use]
pub fn verify(data: &Path, key: Option<&str>) -> Outcome {
    match verified(data, key) {
        Ok(outcome) => outcome,
        Err(text) => Outcome { text, exit: 2 },
    }
}

fn verified(data: &Path, key: Option<&str>) -> Result<Outcome, String> {
    let shown = data.display();
    let text = match key {
        Some(key) => key.to_owned(),
        None => std::fs::read_to_string(data.join("audit.vkey")).map_err(|e| {
            format!("{shown}: audit.vkey cannot be read: {e}. Is this a data folder?")
        })?,
    };
    let key = VerifierKey::parse(&text).map_err(|e| format!("the verifier key: {e}"))?;
    let mut files: Vec<_> = std::fs::read_dir(data)
        .map_err(|e| format!("{shown}: {e}"))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.starts_with("audit-") && name.ends_with(".db")
        })
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(format!("{shown}: there is no audit log here"));
    }
    let (mut lines, mut wrong) = (Vec::new(), 0);
    for file in files {
        let verdict = verify_file(&file, key.clone()).map_err(|e| format!("{shown}: {e}"))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        wrong += verdict.findings.len();
        lines.extend(verdict.findings.iter().map(|finding| format!("{name}: {finding}")));
        lines.push(format!(
            "{name}: {} entries, root {}",
            verdict.entries,
            hex::encode(verdict.root)
        ));
    }
    lines.push(if wrong == 0 {
        format!("The log is whole, under the key {}", key.text())
    } else {
        format!("{wrong} finding(s): the log is not what was signed")
    });
    Ok(Outcome { text: lines.join("\n"), exit: u8::from(wrong > 0) })
}
