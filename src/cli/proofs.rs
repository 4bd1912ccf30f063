//! `weir audit receipt`, `proof`, `tiles`: what outsiders verify; `check-receipt` and `check-growth`
//! verify it. Proofs and tiles are hashes and need no key; a receipt and the leaves are a reading of the log,
//! which is an entry, made first.

mod checks;
mod tiles;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use uuid::Uuid;

use super::Outcome;
use crate::app::DataFolder;
use crate::audit::checkpoint::VerifierKey;
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::audit::proof::{consistency, inclusion};
use crate::audit::tree::Hash;
use crate::domain::DecisionId;
use crate::limits::AUDIT_BATCH_MAX;
use crate::store::Search;
use crate::store::sqlite::log::{Log, StoredTree, files_in};

/// What the asker wrote.
const WRITTEN: &[SlotId] = &[SlotId::Subject, SlotId::Asker, SlotId::Request];

/// Proofs for outsiders.
#[derive(Subcommand)]
pub enum ProofCommand {
    /// Writes the receipt of an entry, which verifies without the hub. The reading is an entry too.
    #[command(
        after_help = "Example: weir audit receipt --data weir-data disclosures/UUID > mine.tlog-proof"
    )]
    Receipt {
        /// The data folder; no hub may have it open.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// The file of the hub key; without it, DIR.hub-key beside the data folder.
        #[arg(long)]
        hub_key_file: Option<PathBuf>,
        /// Lays open whom the entry is about and what the asker wrote.
        #[arg(long)]
        open: bool,
        /// `disclosures/UUID`, `events/UUID`, the UUID alone, or `entries/INDEX`.
        event: String,
    },
    /// Writes a proof that an entry is in the log (tlog-proof), or that the log only grew (as witnesses
    /// take it).
    #[command(after_help = "Examples: weir audit proof --data weir-data --index 7\n          \
                            weir audit proof --data weir-data --from 10 > growth.txt")]
    Proof {
        /// The data folder.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// The entry, from 0.
        #[arg(long, conflicts_with = "from", required_unless_present = "from")]
        index: Option<u64>,
        /// The smaller size.
        #[arg(long)]
        from: Option<u64>,
        /// The size that it leads to, one at which a head was signed; without it, the newest.
        #[arg(long, visible_alias = "size")]
        to: Option<u64>,
    },
    /// Writes the log as a C2SP tlog-tiles folder, for any web server: hashes and the signed head.
    #[command(after_help = "Example: weir audit tiles --data weir-data --out public-log")]
    Tiles {
        /// The data folder.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// The folder to write; must be empty or not there.
        #[arg(long)]
        out: PathBuf,
        /// Adds the entries, which tell who dealt with whom (nothing personal): not for publication. The
        /// reading is an entry too, and no hub may have the folder open.
        #[arg(long)]
        entries: bool,
        /// With --entries, the file of the hub key; without it, DIR.hub-key beside the data folder.
        #[arg(long)]
        hub_key_file: Option<PathBuf>,
    },
    /// Writes a year that is over as a C2SP tlog-tiles folder with its entries and sealed slots, to be kept
    /// elsewhere. The reading is an entry too.
    #[command(
        after_help = "Example: weir audit archive --data weir-data --year 2026 --out archive-2026"
    )]
    Archive {
        /// The data folder; no hub may have it open.
        #[arg(long, default_value = "weir-data")]
        data: PathBuf,
        /// The year, as in the name of its file.
        #[arg(long)]
        year: i16,
        /// The folder to write; must be empty or not there.
        #[arg(long)]
        out: PathBuf,
        /// The file of the hub key; without it, DIR.hub-key beside the data folder.
        #[arg(long)]
        hub_key_file: Option<PathBuf>,
    },
    /// Verifies a receipt, with nothing but the log's key.
    #[command(
        after_help = "Example: weir audit check-receipt mine.tlog-proof --key \"$(cat my-key.txt)\""
    )]
    CheckReceipt {
        /// The receipt.
        file: PathBuf,
        /// The verifier key that you have kept.
        #[arg(long)]
        key: String,
        /// Shows what the slots say, which is personal.
        #[arg(long)]
        show: bool,
        /// The key of a witness that you trust; may be repeated.
        #[arg(long = "witness")]
        witnesses: Vec<String>,
        /// So many of them must have signed; all, where it is not said.
        #[arg(long, requires = "witnesses")]
        quorum: Option<usize>,
        /// A record of consent that you were given: the entry must hold this and nothing else.
        #[arg(long)]
        record: Option<PathBuf>,
    },
    /// Verifies that a log only grew since a checkpoint that you have kept.
    #[command(
        after_help = "Example: weir audit check-growth old-checkpoint growth.txt --key \"$(cat my-key.txt)\""
    )]
    CheckGrowth {
        /// The checkpoint that you have kept.
        old: PathBuf,
        /// What `weir audit proof --from` wrote.
        proof: PathBuf,
        /// The verifier key that you have kept.
        #[arg(long)]
        key: String,
    },
}

/// Runs one of them.
#[must_use]
pub fn run(command: ProofCommand) -> Outcome {
    let done = match command {
        ProofCommand::Receipt { data, hub_key_file, open, event } => {
            receipt(&DataFolder::with_key(&data, hub_key_file.as_deref()), &event, open)
        }
        ProofCommand::Proof { data, index, from, to } => proof(&data, index, from, to),
        ProofCommand::Tiles { data, out, entries, hub_key_file } => {
            let folder = DataFolder::with_key(&data, hub_key_file.as_deref());
            let recorded = if entries { recorded(&folder, "tiles").map(drop) } else { Ok(()) };
            recorded.and_then(|()| tiles::write(&tree_in(&data)?, &out, entries))
        }
        ProofCommand::Archive { data, year, out, hub_key_file } => {
            let folder = DataFolder::with_key(&data, hub_key_file.as_deref());
            recorded(&folder, "archive").and_then(|_| tiles::archive(&tree_in(&data)?, &out, year))
        }
        ProofCommand::CheckReceipt { file, key, show, witnesses, quorum, record } => {
            return checks::receipt(&file, &key, show, (&witnesses, quorum), record.as_deref());
        }
        ProofCommand::CheckGrowth { old, proof, key } => return checks::growth(&old, &proof, &key),
    };
    match done {
        Ok(text) => Outcome { text, exit: 0 },
        Err(text) => Outcome { text, exit: 2 },
    }
}

/// Verifies a receipt with the log's key; shows nothing that is personal.
pub(super) fn verify_receipt(file: &Path, key: &VerifierKey) -> Outcome {
    checks::receipt(file, &key.text(), false, (&[], None), None)
}

pub(super) fn key_in(data: &Path) -> Result<VerifierKey, String> {
    let shown = data.display();
    let text = std::fs::read_to_string(data.join("audit.vkey"))
        .map_err(|e| format!("{shown}: audit.vkey cannot be read: {e}. Is this a data folder?"))?;
    VerifierKey::parse(&text).map_err(|e| format!("{shown}/audit.vkey: {e}"))
}

pub(super) fn tree_in(data: &Path) -> Result<StoredTree, String> {
    let shown = data.display();
    let key = key_in(data)?;
    let files = files_in(data).map_err(|e| format!("{shown}: {e}"))?;
    if files.is_empty() {
        return Err(format!("{shown}: there is no audit log here"));
    }
    StoredTree::read(&files, &key).map_err(|e| format!("{shown}: {e}"))
}

/// Opens a log and enters that it is read.
fn recorded(folder: &DataFolder, what: &str) -> Result<(Log, tokio::runtime::Runtime), String> {
    let shown = folder.dir.display();
    let origin = key_in(&folder.dir)?;
    let clock = super::clock_in(&folder.dir);
    let log = folder
        .log(origin.name(), clock, AUDIT_BATCH_MAX)
        .map_err(|e| format!("{shown}: {e}. While a hub runs, ask it: AuditService.GetReceipt."))?;
    let facets = BTreeMap::from([(Facet::What, what.to_owned())]);
    let event = DecisionId::from_uuid(Uuid::now_v7());
    let entry = Entry::of_hub(event, Kind::AuditRead, "weir audit", facets);
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    runtime.block_on(log.append(vec![entry])).map_err(|e| e.to_string())?;
    Ok((log, runtime))
}

fn receipt(folder: &DataFolder, event: &str, open: bool) -> Result<String, String> {
    let wanted = Wanted::read(event).ok_or_else(|| {
        format!("\"{event}\" must be disclosures/UUID, events/UUID, a UUID or entries/INDEX")
    })?;
    let (log, runtime) = recorded(folder, if open { "receipt|open" } else { "receipt" })?;
    let none = || format!("there is no entry of {event}");
    let id = match wanted {
        Wanted::Event(id) => id,
        Wanted::Index(from_index) => {
            let search = Search { from_index, limit: 1, ..Search::default() };
            let page = runtime.block_on(log.search(search)).map_err(|e| e.to_string())?;
            let found = page.entries.into_iter().find(|stored| stored.index == from_index);
            found.ok_or_else(none)?.entry.event
        }
    };
    let proven = runtime.block_on(log.proven(id, if open { WRITTEN } else { &[] }));
    let proven = proven.map_err(|e| e.to_string())?;
    Ok(printed(&proven.ok_or_else(none)?.text()))
}

/// Whose receipt.
enum Wanted {
    Event(DecisionId),
    Index(u64),
}

impl Wanted {
    fn read(text: &str) -> Option<Self> {
        if let Some(index) = text.strip_prefix("entries/") {
            return index.parse().ok().map(Self::Index);
        }
        let id = text.strip_prefix("disclosures/").or_else(|| text.strip_prefix("events/"));
        id.unwrap_or(text).parse().ok().map(Self::Event)
    }
}

/// What is printed gets its last newline at the terminal.
fn printed(text: &str) -> String {
    text.strip_suffix('\n').unwrap_or(text).to_owned()
}

fn proof(
    data: &Path,
    index: Option<u64>,
    from: Option<u64>,
    to: Option<u64>,
) -> Result<String, String> {
    let tree = tree_in(data)?;
    let newest = tree.head();
    let size = to.unwrap_or(newest.size);
    if size > newest.size {
        return Err(format!("the log has {} entries, not {size}", newest.size));
    }
    let note = tree.note_at(size).map_err(|e| e.to_string())?;
    let note = note.ok_or_else(|| format!("no head was signed at {size} entries"))?;
    let lines = |hashes: &[Hash]| {
        hashes.iter().map(|hash| STANDARD.encode(hash) + "\n").collect::<String>()
    };
    let beyond = |what: &str| format!("{what} is not within the first {size} entries");
    let text = match (index, from) {
        (Some(index), _) => {
            let path = inclusion(&tree.tree(), index, size).map_err(|e| e.to_string())?;
            let path = path.ok_or_else(|| beyond("--index"))?;
            format!("c2sp.org/tlog-proof@v1\nindex {index}\n{}\n{note}", lines(&path))
        }
        (None, from) => {
            let from = from.unwrap_or(0);
            let growth = consistency(&tree.tree(), from, size).map_err(|e| e.to_string())?;
            let growth = growth.ok_or_else(|| beyond("--from"))?;
            format!("old {from}\n{}\n{note}", lines(&growth))
        }
    };
    Ok(printed(&text))
}
