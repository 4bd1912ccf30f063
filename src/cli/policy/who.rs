//! `weir policy who`, `why-not` and `agreements`: who may see what, and what the rules leave out.

use std::path::PathBuf;

use serde_json::json;

use super::past::{Folder, Log};
use super::{Outcome, findings, now, open};
use crate::audit::entry::{Facet, Kind};
use crate::cli::import::{Trouble, ended, runtime};
use crate::policy::PolicySnapshot;
use crate::policy::rulebook::{Filter, Seen, links, seen, why_not};
use crate::policy::scenario::{known, time};
use crate::policy::traffic::Traffic;

/// Whose access to list.
#[derive(clap::Args)]
#[command(after_help = "Example: weir policy who policies --category refuge/stay")]
pub struct Wish {
    /// The policy folder.
    dir: PathBuf,
    /// Of this category.
    #[arg(long)]
    category: Option<String>,
    /// Of this recipient.
    #[arg(long)]
    agency: Option<String>,
    /// Of this field.
    #[arg(long)]
    field: Option<String>,
    /// For this purpose.
    #[arg(long)]
    purpose: Option<String>,
    /// The day; today where not said, the sample clock's in a sample place.
    #[arg(long)]
    as_of: Option<String>,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// What is not seen.
#[derive(clap::Args)]
#[command(
    after_help = "Example: weir policy why-not policies northshire-police debt_recovery health/summary"
)]
pub struct WhyNotWish {
    /// The policy folder.
    dir: PathBuf,
    /// The recipient.
    agency: String,
    /// The purpose.
    purpose: String,
    /// The category.
    category: String,
    /// The role; any where not said.
    #[arg(long)]
    role: Option<String>,
}

/// Which agreements to compare with the rules.
#[derive(clap::Args)]
#[command(after_help = "Example: weir policy agreements policies --as-of 2027-04-01")]
pub struct AgreementsWish {
    /// The policy folder.
    dir: PathBuf,
    /// The day; today where not said, the sample clock's in a sample place.
    #[arg(long)]
    as_of: Option<String>,
    /// Compare with what went out, too: the data folder of a hub that is not running.
    #[arg(long)]
    data: Option<PathBuf>,
    /// The file of the hub key; without it, DIR.hub-key beside the data folder.
    #[arg(long, requires = "data")]
    hub_key_file: Option<PathBuf>,
}

/// Lists who may see what.
pub(super) fn run(wish: &Wish) -> Outcome {
    let policy = match open(&wish.dir) {
        Ok(policy) => policy,
        Err(lines) => return findings(&wish.dir, &lines),
    };
    match table(&policy, wish) {
        Ok(text) => Outcome { text, exit: 0 },
        Err(text) => Outcome { text, exit: 2 },
    }
}

fn table(policy: &PolicySnapshot, wish: &Wish) -> Result<String, String> {
    let book = policy.book();
    let check = |what: &str, word: &Option<String>, valid: Vec<&str>| match word {
        Some(word) => known(what, word, valid.into_iter()),
        None => Ok(()),
    };
    check("category", &wish.category, book.categories.keys().map(|id| id.as_str()).collect())?;
    check("agency", &wish.agency, book.agencies.keys().map(|id| id.as_str()).collect())?;
    check("field", &wish.field, book.fields.keys().map(|id| id.as_str()).collect())?;
    check("purpose", &wish.purpose, book.purposes.keys().map(|id| id.as_str()).collect())?;
    let at = match &wish.as_of {
        Some(text) => time(text, book)?,
        None => now(policy),
    };
    let filter = Filter {
        agency: wish.agency.clone(),
        category: wish.category.clone(),
        field: wish.field.clone(),
        purpose: wish.purpose.clone(),
    };
    let rows = seen(book, &filter, at)?;
    if wish.json {
        let lines: Vec<String> = rows.iter().map(|row| object(row).to_string()).collect();
        return Ok(lines.join("\n"));
    }
    if rows.is_empty() {
        return Ok("nobody: no rule opens it to anybody".to_owned());
    }
    let head = [
        "recipient",
        "purpose",
        "category",
        "roles",
        "gateway",
        "agreement",
        "rule",
        "on the day",
        "fields",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(line));
    Ok(aligned(&lines))
}

fn line(row: &Seen<'_>) -> Vec<String> {
    let codes: Vec<&str> = row.lapsed.iter().map(|code| code.as_str()).collect();
    let fields: Vec<&str> = row
        .fields
        .iter()
        .map(|field| field.as_str().rsplit_once('.').map_or(field.as_str(), |(_, name)| name))
        .collect();
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        row.agency.to_string(),
        row.purpose.to_string(),
        row.category.to_string(),
        row.roles().join("|"),
        or_none(row.rule.gateway.as_ref().map(ToString::to_string)),
        or_none(row.rule.agreement.as_ref().map(ToString::to_string)),
        row.rule.id.to_string(),
        if codes.is_empty() { "open".to_owned() } else { codes.join("|") },
        fields.join("|"),
    ]
}

fn object(row: &Seen<'_>) -> serde_json::Value {
    json!({
        "recipient": row.agency,
        "roles": row.roles(),
        "purpose": row.purpose,
        "category": row.category,
        "fields": row.fields,
        "gateway": row.rule.gateway,
        "art6": row.rule.art6,
        "agreement": row.rule.agreement,
        "ground": row.rule.ground.map(|ground| ground.word()),
        "rule": row.rule.id,
        "file": row.rule.file,
        "line": row.rule.line,
        "lapsed": row.lapsed.iter().map(|code| code.as_str()).collect::<Vec<_>>(),
    })
}

/// Columns side by side; the last one as long as it is.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|i| {
            lines
                .iter()
                .filter_map(|line| line.get(i))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let text = lines.iter().map(|line| {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    });
    text.collect::<Vec<_>>().join("\n")
}

/// Says which of agency, purpose and category has no rule.
pub(super) fn why_not_run(wish: &WhyNotWish) -> Outcome {
    let policy = match open(&wish.dir) {
        Ok(policy) => policy,
        Err(lines) => return findings(&wish.dir, &lines),
    };
    let said =
        why_not(policy.book(), &wish.agency, &wish.purpose, &wish.category, wish.role.as_deref());
    match said {
        Ok(text) => Outcome { text, exit: 0 },
        Err(text) => Outcome { text, exit: 2 },
    }
}

/// Compares agreements and rules.
pub(super) fn agreements_run(wish: &AgreementsWish) -> Outcome {
    let policy = match open(&wish.dir) {
        Ok(policy) => policy,
        Err(lines) => return findings(&wish.dir, &lines),
    };
    let at = wish.as_of.as_ref().map_or_else(|| Ok(now(&policy)), |text| time(text, policy.book()));
    let agreed = at.and_then(|at| links(policy.book(), at).map(|links| links.text()));
    let agreed = match agreed {
        Ok(text) => text,
        Err(text) => return Outcome { text, exit: 2 },
    };
    let Some(data) = &wish.data else {
        return Outcome { text: agreed, exit: 0 };
    };
    let folder = Folder { data: data.clone(), hub_key_file: wish.hub_key_file.clone() };
    let told = runtime().and_then(|runtime| runtime.block_on(traffic(&policy, &folder)));
    ended(told.map(|told| format!("{agreed}\n{told}")))
}

/// What went out, beside what is agreed.
async fn traffic(policy: &PolicySnapshot, folder: &Folder) -> Result<String, Trouble> {
    let log = Log::open(folder, "weir policy agreements", "traffic".to_owned()).await?;
    let (mut traffic, book) = (Traffic::default(), policy.book());
    log.each(&[Kind::Disclose], |entries| {
        for stored in &entries {
            let words = |facet| {
                let words = stored.entry.facets.get(&facet).map(String::as_str).unwrap_or_default();
                words.split('|').filter(|word| !word.is_empty())
            };
            let at = stored.committed_at;
            traffic.count(book, at, words(Facet::Rules), words(Facet::Agreements));
        }
        Ok(())
    })
    .await?;
    Ok(traffic.text(book, crate::cli::clock_in(&folder.data).now()))
}
