//! `weir audit search`, on a data folder that no hub has open.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::str::FromStr;

use jiff::Timestamp;

use super::super::Outcome;
use super::asked::{Asked, Known, searching, unheard};
use crate::app::DataFolder;
use crate::audit::checkpoint::VerifierKey;
use crate::audit::entry::{Facet, Kind, SlotId};
use crate::domain::{Code, ResidentId};
use crate::limits::AUDIT_BATCH_MAX;
use crate::policy::Outcome as Came;
use crate::store::{Search, StoreError, StoredEntry};

/// What to look for; all that is said must hold.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Filters {
    /// What happened, such as Disclose or AuditRead.
    #[arg(long)]
    kind: Option<String>,
    /// The agency that asked.
    #[arg(long)]
    agency: Option<String>,
    /// The person who asked: 32 hexadecimal digits, as an answer shows them.
    #[arg(long)]
    officer: Option<String>,
    /// The holder.
    #[arg(long)]
    holder: Option<String>,
    /// The purpose.
    #[arg(long)]
    purpose: Option<String>,
    /// A category of which something was released or withheld.
    #[arg(long)]
    category: Option<String>,
    /// A field that was released.
    #[arg(long)]
    released: Option<String>,
    /// A rule under which something was released.
    #[arg(long)]
    rule: Option<String>,
    /// An agreement under which something was released.
    #[arg(long)]
    agreement: Option<String>,
    /// The override that was asserted.
    #[arg(long = "override")]
    override_kind: Option<String>,
    /// PERMIT, PARTIAL, REFER or DENY.
    #[arg(long)]
    outcome: Option<String>,
    /// A refusal code.
    #[arg(long)]
    code: Option<String>,
    /// The resident, `residents/` and the id.
    #[arg(long)]
    resident: Option<String>,
    /// Recorded at this time or later, such as 2026-07-15T00:00:00Z.
    #[arg(long)]
    since: Option<String>,
    /// Recorded before this time.
    #[arg(long)]
    until: Option<String>,
}

/// A search.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example: weir audit search --data weir-data --outcome DENY")]
pub struct Wish {
    /// The data folder.
    #[arg(long, default_value = "weir-data")]
    data: PathBuf,
    /// The file of the hub key; without it, DIR.hub-key beside the data folder.
    #[arg(long)]
    hub_key_file: Option<PathBuf>,
    #[command(flatten)]
    filters: Filters,
    /// From this entry on.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// As if the log had only so many entries: pages of one answer end at one head.
    #[arg(long)]
    upto: Option<u64>,
    /// At most so many, up to 500.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Print one JSON object a line, and one for the end.
    #[arg(long)]
    json: bool,
}

/// `weir audit search --data DIR …`. Reading the log is an entry of its own, made first.
#[must_use]
pub fn run(wish: &Wish) -> Outcome {
    let found = tokio::runtime::Runtime::new()
        .map_err(|e| e.to_string())
        .and_then(|runtime| runtime.block_on(searched(wish)));
    match found {
        Ok(Told { text, notes }) => {
            for note in notes {
                // Where nobody reads it, nobody misses it.
                let _unread = writeln!(std::io::stderr(), "{note}");
            }
            Outcome { text, exit: 0 }
        }
        Err(text) => Outcome { text, exit: 2 },
    }
}

/// What was found, and what to say beside it.
struct Told {
    text: String,
    notes: Vec<String>,
}

fn word<T: FromStr<Err: std::fmt::Display>>(
    flag: &str,
    text: Option<&String>,
) -> Result<Option<T>, String> {
    text.map(|text| text.parse()).transpose().map_err(|e| format!("{flag}: {e}"))
}

fn time(flag: &str, text: Option<&String>) -> Result<Option<Timestamp>, String> {
    let wrong = |_| format!("{flag} must be a time such as 2026-07-15T00:00:00Z");
    text.map(|text| text.parse()).transpose().map_err(wrong)
}

/// The search, and what was looked for.
pub(super) fn search_of(filters: &Filters) -> Result<(Search, Asked), String> {
    let outcomes = Came::ALL.map(Came::as_str);
    if let Some(outcome) = filters.outcome.as_deref().filter(|word| !outcomes.contains(word)) {
        return Err(format!("--outcome \"{outcome}\" must be one of {}", outcomes.join(", ")));
    }
    if let Some(code) = filters.code.as_deref().filter(|word| word.parse::<Code>().is_err()) {
        return Err(format!("--code \"{code}\" is no code; docs/errors.md lists them"));
    }
    let mut search = Search {
        agency: word("--agency", filters.agency.as_ref())?,
        category: word("--category", filters.category.as_ref())?,
        since: time("--since", filters.since.as_ref())?,
        until: time("--until", filters.until.as_ref())?,
        ..Search::default()
    };
    if search.since.zip(search.until).is_some_and(|(since, until)| until < since) {
        return Err("--until must not be before --since".to_owned());
    }
    if let Some(kind) = &filters.kind {
        let all = (1..=u8::MAX).map_while(Kind::from_number);
        let found = all.into_iter().find(|one| format!("{one:?}") == *kind);
        let found = found.ok_or_else(|| {
            let all = (1..=u8::MAX).map_while(Kind::from_number).map(|one| format!("{one:?}"));
            format!("--kind \"{kind}\" must be one of {}", all.collect::<Vec<_>>().join(", "))
        })?;
        search.kinds = vec![found];
    }
    if let Some(officer) = &filters.officer {
        let bytes = hex::decode(officer).ok().and_then(|bytes| bytes.try_into().ok());
        search.principal = Some(bytes.ok_or("--officer must be 32 hexadecimal digits")?);
    }
    for (facet, word) in [
        (Facet::Holder, &filters.holder),
        (Facet::Purpose, &filters.purpose),
        (Facet::Released, &filters.released),
        (Facet::Rules, &filters.rule),
        (Facet::Agreements, &filters.agreement),
        (Facet::Override, &filters.override_kind),
        (Facet::Outcome, &filters.outcome),
        (Facet::Codes, &filters.code),
    ] {
        search.facets.extend(word.clone().map(|word| (facet, word)));
    }
    if let Some(resident) = &filters.resident {
        let id: ResidentId = resident
            .strip_prefix("residents/")
            .unwrap_or(resident)
            .parse()
            .map_err(|_| "--resident must be residents/ and a UUID".to_owned())?;
        search.slot = Some((SlotId::Subject, id.uuid().as_bytes().to_vec()));
    }
    let named = [
        ("kind", &filters.kind),
        ("agency", &filters.agency),
        ("officer", &filters.officer),
        ("category", &filters.category),
        ("since", &filters.since),
        ("until", &filters.until),
        ("resident", &filters.resident),
    ];
    let named = named.into_iter().filter_map(|(name, word)| Some((name, word.clone()?)));
    let asked =
        named.chain(search.facets.iter().map(|(facet, word)| (facet.as_str(), word.clone())));
    let asked = asked.collect();
    Ok((search, asked))
}

async fn searched(wish: &Wish) -> Result<Told, String> {
    let folder = DataFolder::with_key(&wish.data, wish.hub_key_file.as_deref());
    let data = folder.dir.as_path();
    let shown = data.display();
    let vkey = std::fs::read_to_string(data.join("audit.vkey"))
        .map_err(|e| format!("{shown}: audit.vkey cannot be read: {e}. Is this a data folder?"))?;
    let origin = VerifierKey::parse(&vkey).map_err(|e| format!("{shown}/audit.vkey: {e}"))?;
    let (search, asked) = search_of(&wish.filters)?;
    let (from_index, limit) = (wish.from, wish.limit.clamp(1, 500));
    let mut search = Search { from_index, limit, upto: wish.upto, ..search };
    let known = Known::in_force(data, &search)?;
    let clock = super::super::clock_in(data);
    let log = folder.log(origin.name(), clock, AUDIT_BATCH_MAX).map_err(|e| {
        let ask = if matches!(e, StoreError::InUse) {
            " Reading is an entry, and only the running hub can write one: ask it, AuditService.SearchEntries."
        } else {
            ""
        };
        format!("{shown}: {}.{ask}", e.to_string().trim_end_matches('.'))
    })?;
    let entry = searching("weir audit search", None, &asked, &known, &search);
    log.append(vec![entry]).await.map_err(|e| e.to_string())?;
    let mut entries = Vec::new();
    // A page may be short before the last one; whoever asks at a terminal wants it full.
    let (next, size) = loop {
        let page = log.search(search.clone()).await.map_err(|e| e.to_string())?;
        entries.extend(page.entries);
        match page.next_index {
            Some(next) if entries.len() < limit => {
                (search.from_index, search.upto) = (next, Some(page.size));
                search.limit = limit - entries.len();
            }
            next => break (next, page.size),
        }
    };
    let look = async |search| log.search(search).await;
    let notes =
        if entries.is_empty() { unheard(known, "agency", &look).await? } else { Vec::new() };
    let mut lines: Vec<String> = entries.iter().map(if wish.json { json } else { line }).collect();
    lines.push(match (wish.json, next) {
        (true, next) => serde_json::json!({ "next": next, "log_size": size }).to_string(),
        (false, Some(next)) => {
            format!("{} entries; go on with --from {next} --upto {size}", entries.len())
        }
        (false, None) => format!("{} entries; complete up to {size}", entries.len()),
    });
    Ok(Told { text: lines.join("\n"), notes })
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

fn json(stored: &StoredEntry) -> String {
    let entry = &stored.entry;
    let facets: BTreeMap<String, &String> =
        entry.facets.iter().map(|(facet, words)| (format!("{facet:?}"), words)).collect();
    serde_json::json!({
        "name": format!("entries/{}", stored.index), "time": stored.committed_at,
        "kind": format!("{:?}", entry.kind), "event": entry.event.to_string(),
        "rpc": entry.rpc, "call": entry.call.to_string(), "agency": entry.agency,
        "officer": hex::encode(entry.principal), "policy": hex::encode(entry.policy),
        "facets": facets,
    })
    .to_string()
}
