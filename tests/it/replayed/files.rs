//! A policy folder with the changes that a scenario makes to the rule book, made where a data protection
//! officer would make them: in the files.

use std::path::Path;

use weir::domain::{AgreementAmendment, Amendments, GatewayAmendment};

use crate::support::copy;

/// A copy of the folder, changed; or why the files have no place for the change.
pub(super) fn amended(root: &Path, changes: &Amendments) -> Result<tempfile::TempDir, String> {
    let folder = tempfile::tempdir().unwrap();
    copy(root, folder.path());
    for (id, change) in &changes.agreements {
        let path = folder.path().join(format!("agreements/{id}.toml"));
        let text = std::fs::read_to_string(&path).map_err(|_| "no such agreement".to_owned())?;
        std::fs::write(&path, agreement(&text, change)?).unwrap();
    }
    for (id, change) in &changes.gateways {
        let path = folder.path().join("words/gateways.csv");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, gateway(&text, id.as_str(), change)).unwrap();
    }
    if let Some(age) = changes.digital_consent_age {
        let path = folder.path().join("conditions.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, line(&text, "digital_consent_age", &age.to_string())).unwrap();
    }
    let path = folder.path().join(format!("notices/{NOTICE}.toml"));
    std::fs::write(&path, notice(root)).unwrap();
    match weir::cli::policy::open(folder.path()) {
        Ok(_) => Ok(folder),
        Err(findings) => Err(format!("the changed folder does not load: {}", findings.join("; "))),
    }
}

/// The notice that [`amended`] adds.
pub(super) const NOTICE: &str = "everything";

/// A wording that asks for every kind of consent, for every purpose: scenarios give what no place would ask for.
fn notice(root: &Path) -> String {
    let words = |file: &str| -> Vec<String> {
        let text = std::fs::read_to_string(root.join("words").join(file)).unwrap();
        let ids = text.lines().skip(1).filter_map(|line| line.split(',').next());
        ids.filter(|id| *id != "confidentiality_implied").map(str::to_owned).collect()
    };
    let (kinds, purposes) = (words("consent-kinds.csv"), words("purposes.csv"));
    format!(
        "title = \"Everything\"\n[[version]]\nnumber = 1\nfirst_day = 2000-01-01\nkinds = {kinds:?}\n\
         purposes = {purposes:?}\n[version.en]\ntext = \"May we?\"\nwithdraw = \"Tell us.\"\n\
         refuse = \"Nothing.\"\n"
    )
}

/// The line of `key` with another value.
fn line(text: &str, key: &str, value: &str) -> String {
    let begins = format!("{key} = ");
    assert!(text.lines().any(|l| l.starts_with(&begins)), "{key} is not there");
    let lines = text
        .lines()
        .map(|l| if l.starts_with(&begins) { format!("{begins}{value}") } else { l.to_owned() });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn agreement(text: &str, change: &AgreementAmendment) -> Result<String, String> {
    let AgreementAmendment {
        status,
        start,
        end,
        review_due,
        dpia,
        without_parties,
        without_categories,
    } = change;
    if !without_categories.is_empty() {
        return Err("an agreement's file does not list categories: its rules do".to_owned());
    }
    let mut text = text.to_owned();
    if let Some(status) = status {
        text = line(&text, "status", &format!("\"{status}\""));
    }
    for (key, day) in [("start", start), ("end", end), ("review_due", review_due)] {
        if let Some(day) = day {
            text = line(&text, key, &day.to_string());
        }
    }
    if *dpia == Some(false) {
        text = text.lines().filter(|l| !l.starts_with("dpia")).collect::<Vec<_>>().join("\n");
    }
    for party in without_parties {
        text = text.replace(&format!("    \"{party}\",\n"), "");
    }
    Ok(text)
}

fn gateway(text: &str, id: &str, change: &GatewayAmendment) -> String {
    let GatewayAmendment { in_force_from, in_force_to } = change;
    let day = |day: &Option<jiff::civil::Date>| day.map(|d| d.to_string()).unwrap_or_default();
    let lines = text.lines().map(|l| {
        let mut cells: Vec<String> = l.split(',').map(str::to_owned).collect();
        if cells[0] == id {
            (cells[5], cells[6]) = (day(in_force_from), day(in_force_to));
        }
        cells.join(",")
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}
