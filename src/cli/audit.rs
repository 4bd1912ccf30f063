//! `weir audit verify` and `weir audit search`, on a data folder that no hub has open.

use std::collections::BTreeMap;
use std::path::Path;

use uuid::Uuid;

use super::Outcome;
use crate::app::DataFolder;
use crate::audit::checkpoint::VerifierKey;
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::audit::tile::TILE_WIDTH;
use crate::audit::verify::Verdict;
use crate::domain::{Code, DecisionId, ResidentId};
use crate::store::sqlite::log::{Log, files_in, verify_file};
use crate::store::{Search, StoredEntry};

/// `weir audit verify --data DIR [--key KEY] [--kept SIZE:ROOT]`. Without a key that the auditor has kept, the one in
/// the folder is used: that finds every change but a log that was made anew with another key.
#[must_use]
pub fn verify(data: &Path, key: Option<&str>, kept: Option<&str>) -> Outcome {
    match verified(data, key, kept) {
        Ok(outcome) => outcome,
        Err(text) => Outcome { text, exit: 2 },
    }
}

/// `SIZE:ROOT`, as an earlier verification printed it.
fn kept_root(text: &str) -> Option<(u64, [u8; 32])> {
    let (size, root) = text.split_once(':')?;
    Some((size.parse().ok()?, hex::decode(root).ok()?.try_into().ok()?))
}

/// The file of a checkpoint that the log has signed.
fn kept_checkpoint(path: &str, key: &VerifierKey) -> Result<(u64, [u8; 32]), String> {
    let note = std::fs::read_to_string(path).map_err(|e| {
        format!(
            "--kept \"{path}\" must be SIZE:ROOT, as an earlier verification printed it, or the \
             file of a checkpoint: {e}"
        )
    })?;
    let head = key.open(&note).map_err(|e| format!("--kept {path}: {e}"))?;
    Ok((head.size, head.root))
}

fn verified(data: &Path, key: Option<&str>, kept: Option<&str>) -> Result<Outcome, String> {
    let shown = data.display();
    let text = match key {
        Some(key) => key.to_owned(),
        None => std::fs::read_to_string(data.join("audit.vkey")).map_err(|e| {
            format!("{shown}: audit.vkey cannot be read: {e}. Is this a data folder?")
        })?,
    };
    let key = VerifierKey::parse(&text).map_err(|e| format!("the verifier key: {e}"))?;
    let kept = match kept {
        None => None,
        Some(text) => match kept_root(text) {
            Some(kept) => Some(kept),
            None => Some(kept_checkpoint(text, &key)?),
        },
    };
    let files = files_in(data).map_err(|e| format!("{shown}: {e}"))?;
    if files.is_empty() {
        return Err(format!("{shown}: there is no audit log here"));
    }
    let (mut lines, mut wrong) = (Vec::new(), 0);
    if files.len() > 1 {
        wrong += 1;
        lines.push(format!("{shown}: {} logs are here, there must be one", files.len()));
    }
    for file in files {
        let verdict = verify_file(&file, key.clone(), kept).map_err(|e| format!("{shown}: {e}"))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        wrong += verdict.findings.len();
        lines.extend(verdict.findings.iter().map(|finding| format!("{name}: {finding}")));
        lines.push(format!(
            "{name}: {} entries, {}, root {}\nKeep for next time: --kept {}:{}",
            verdict.entries,
            tiles(&verdict),
            hex::encode(verdict.root),
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

/// What is said of the stored tiles.
fn tiles(verdict: &Verdict) -> String {
    match verdict.tiles {
        0 if verdict.entries >= TILE_WIDTH as u64 => "no tiles stored (yet)".to_owned(),
        tiles => format!("{tiles} full tiles"),
    }
}

/// What `weir audit search` looks for.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The agency that asked.
    pub agency: Option<String>,
    /// The purpose.
    pub purpose: Option<String>,
    /// PERMIT, PARTIAL, REFER or DENY.
    pub outcome: Option<String>,
    /// A refusal code.
    pub code: Option<String>,
    /// The resident.
    pub resident: Option<String>,
    /// From this entry on.
    pub from: u64,
    /// At most so many.
    pub limit: usize,
}

/// `weir audit search --data DIR …`. Reading the log is an entry of its own, made first.
#[must_use]
pub fn search(data: &DataFolder, wish: &Wish) -> Outcome {
    let found = tokio::runtime::Runtime::new()
        .map_err(|e| e.to_string())
        .and_then(|runtime| runtime.block_on(searched(data, wish)));
    match found {
        Ok(text) => Outcome { text, exit: 0 },
        Err(text) => Outcome { text, exit: 2 },
    }
}

async fn searched(folder: &DataFolder, wish: &Wish) -> Result<String, String> {
    let data = folder.dir.as_path();
    let shown = data.display();
    let vkey = std::fs::read_to_string(data.join("audit.vkey"))
        .map_err(|e| format!("{shown}: audit.vkey cannot be read: {e}. Is this a data folder?"))?;
    let origin = VerifierKey::parse(&vkey).map_err(|e| format!("{shown}/audit.vkey: {e}"))?;
    let mut search =
        Search { from_index: wish.from, limit: wish.limit.clamp(1, 500), ..Search::default() };
    let mut asked = Vec::new();
    let outcomes = ["PERMIT", "PARTIAL", "REFER", "DENY"];
    if let Some(outcome) = wish.outcome.as_deref().filter(|word| !outcomes.contains(word)) {
        return Err(format!("--outcome \"{outcome}\" must be one of {}", outcomes.join(", ")));
    }
    if let Some(code) = wish.code.as_deref().filter(|word| word.parse::<Code>().is_err()) {
        return Err(format!("--code \"{code}\" is no code; docs/errors.md lists them"));
    }
    if let Some(agency) = &wish.agency {
        search.agency = Some(agency.parse().map_err(|e| format!("--agency: {e}"))?);
        asked.push(agency.clone());
    }
    for (facet, word) in [
        (Facet::Purpose, &wish.purpose),
        (Facet::Outcome, &wish.outcome),
        (Facet::Codes, &wish.code),
    ] {
        if let Some(word) = word {
            search.facets.push((facet, word.clone()));
            asked.push(word.clone());
        }
    }
    let mut slots = BTreeMap::new();
    if let Some(resident) = &wish.resident {
        let id: ResidentId = resident
            .trim_start_matches("residents/")
            .parse()
            .map_err(|_| "--resident must be residents/ and a UUID".to_owned())?;
        let bytes = id.uuid().as_bytes().to_vec();
        search.slot = Some((SlotId::Subject, bytes.clone()));
        slots.insert(SlotId::Subject, bytes);
    }
    let clock = super::clock_in(data);
    let keys = folder.keys(&clock).map_err(|e| e.to_string())?;
    let log = Log::open(data, keys, origin.name(), clock).map_err(|e| {
        format!("{shown}: {e}. While a hub runs, ask it: AuditService.SearchEntries.")
    })?;
    // What was looked for stands in one facet: a search for a code finds refusals, not searches.
    let facets = BTreeMap::from([(Facet::What, asked.join("|"))]);
    let event = DecisionId::from_uuid(Uuid::now_v7());
    let entry =
        Entry { slots, ..Entry::of_hub(event, Kind::AuditRead, "weir audit search", facets) };
    log.append(vec![entry]).await.map_err(|e| e.to_string())?;
    let page = log.search(search).await.map_err(|e| e.to_string())?;
    let mut lines: Vec<String> = page.entries.iter().map(line).collect();
    lines.push(match page.next_index {
        Some(next) => format!("{} entries; go on with --from {next}", page.entries.len()),
        None => format!("{} entries; complete up to {}", page.entries.len(), page.size),
    });
    Ok(lines.join("\n"))
}

fn line(stored: &StoredEntry) -> String {
    let entry = &stored.entry;
    let agency = entry.agency.as_ref().map_or("the hub", |agency| agency.as_str());
    let facets: Vec<String> =
        entry.facets.iter().map(|(facet, words)| format!("{facet:?}={words}")).collect();
    format!(
        "{}  {}  {:?}  {agency}  {}  {}",
        stored.index,
        stored.committed_at,
        entry.kind,
        entry.rpc,
        facets.join(" ")
    )
}
