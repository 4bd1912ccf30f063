//! `weir policy recall` and `recall-ack`: a rule or an agreement was found faulty, or somebody has misused what they
//! were given.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::past::{Folder, Log, Span};
use super::{Outcome, findings, open};
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::cli::import::{Trouble, ended, entry, failed, runtime};
use crate::clock::{Clock as _, SystemClock};
use crate::domain::{AgencyId, DecisionId, NoticeKind};
use crate::hub::entry::{Asker, about, recorded};
use crate::hub::notices::{Cause, acknowledged as known, notices};
use crate::policy::book::RuleBook;
use crate::policy::load::nearest;
use crate::policy::recall::{Acknowledgement, Fault, Pack, Release};
use crate::rights::telling::Got;
use crate::store::{Store, StoredEntry};

/// Whose disclosures to look for.
#[derive(clap::Args)]
#[command(
    after_help = "Example: weir policy recall policies --rule N27 --data weir-data --out breach-2026-07\n\nThe data folder must not be open: stop the hub, or take a copy with its hub key."
)]
pub struct Wish {
    /// The policy folder, for its words; a rule that is not in it any more is looked for all the same.
    dir: PathBuf,
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    span: Span,
    /// The folder that the pack is put into; must be empty or not there.
    #[arg(long)]
    out: PathBuf,
    /// Has the hub tell each recipient: enters a notice for it into the log, which comes with the next start. Only
    /// in the hub's own data folder; in a copy nobody would read it.
    #[arg(long)]
    notify: bool,
}

/// What was found faulty, or who has misused what they were given.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// The rule.
    #[arg(long)]
    rule: Option<String>,
    /// The agreement.
    #[arg(long)]
    agreement: Option<String>,
    /// A person who was given it: 32 hexadecimal digits, as `weir audit search` shows them.
    #[arg(long)]
    officer: Option<String>,
    /// The agency that was given it.
    #[arg(long)]
    asker: Option<String>,
}

impl Whose {
    fn fault(&self) -> Result<Fault, Trouble> {
        let Self { rule, agreement, officer, asker } = self;
        if let Some(officer) = officer {
            let bytes: Option<[u8; 16]> =
                hex::decode(officer).ok().and_then(|bytes| bytes.try_into().ok());
            let bytes = bytes.ok_or_else(|| failed("--officer must be 32 hexadecimal digits"))?;
            return Ok(Fault::Officer(hex::encode(bytes)));
        }
        let found = rule.clone().map(Fault::Rule);
        let found = found.or_else(|| agreement.clone().map(Fault::Agreement));
        let found = found.or_else(|| asker.clone().map(Fault::Asker));
        found.ok_or_else(|| failed("--rule, --agreement, --officer or --asker is missing"))
    }
}

/// Who has answered.
#[derive(clap::Args)]
#[command(
    after_help = "Example: weir policy recall-ack breach-2026-07 --agency oakdale-gp --by \"Ada Penn\" --note \"deleted on 16 July\""
)]
pub struct AckWish {
    /// The pack.
    pack: PathBuf,
    /// The recipient that has answered.
    #[arg(long, required_unless_present = "data")]
    agency: Option<AgencyId>,
    /// Who answered for it.
    #[arg(long, required_unless_present = "data")]
    by: Option<String>,
    /// What they did about it.
    #[arg(long, required_unless_present = "data")]
    note: Option<String>,
    /// Takes over from the log of this data folder who has acknowledged the notice of a recall with --notify; no hub
    /// must have it open.
    #[arg(long, conflicts_with_all = ["agency", "by", "note"])]
    data: Option<PathBuf>,
    /// The file of the hub key; without it, DIR.hub-key beside the data folder.
    #[arg(long, requires = "data")]
    hub_key_file: Option<PathBuf>,
}

/// Puts the pack together.
pub(super) fn run(wish: &Wish) -> Outcome {
    let policy = match open(&wish.dir) {
        Ok(policy) => policy,
        Err(lines) => return findings(&wish.dir, &lines),
    };
    let book = policy.book();
    ended(runtime().and_then(|runtime| runtime.block_on(recalled(wish, book))))
}

async fn recalled(wish: &Wish, book: &RuleBook) -> Result<String, Trouble> {
    let fault = wish.whose.fault()?;
    if wish.out.read_dir().is_ok_and(|mut some| some.next().is_some()) {
        return Err(failed(format!("--out {}: the folder is not empty", wish.out.display())));
    }
    let log = Log::within(&wish.span, &book.place.zone, "weir policy recall", fault.text()).await?;
    let mut releases = Vec::new();
    log.each(&[Kind::Disclose], |entries| {
        let under = |stored: &&StoredEntry| {
            let entry = &stored.entry;
            match &fault {
                Fault::Rule(id) => entry.words(Facet::Rules).any(|word| word == id),
                Fault::Agreement(id) => entry.words(Facet::Agreements).any(|word| word == id),
                Fault::Officer(id) => hex::encode(entry.principal) == *id,
                Fault::Asker(id) => entry.agency.as_ref().is_some_and(|asker| asker.as_str() == id),
            }
        };
        releases.extend(entries.iter().filter(under).filter_map(|one| release(one, &fault, book)));
        Ok(())
    })
    .await?;
    let known = match &fault {
        Fault::Rule(id) => book.rules.iter().any(|rule| rule.id.as_str() == id),
        Fault::Agreement(id) => book.agreements.keys().any(|one| one.as_str() == id),
        Fault::Asker(id) => book.agencies.keys().any(|one| one.as_str() == id),
        Fault::Officer(_) => true,
    };
    if releases.is_empty() && !known {
        let near = match &fault {
            Fault::Rule(id) => nearest(id, book.rules.iter().map(|rule| rule.id.as_str())),
            Fault::Agreement(id) => nearest(id, book.agreements.keys().map(|one| one.as_str())),
            Fault::Asker(id) => nearest(id, book.agencies.keys().map(|one| one.as_str())),
            Fault::Officer(_) => None,
        };
        let near = near.map(|near| format!(" Nearest: \"{near}\".")).unwrap_or_default();
        return Err(failed(format!(
            "{} is in neither the folder nor the log.{near}",
            fault.text()
        )));
    }
    let made_at = crate::cli::clock_in(&wish.span.folder.data).now();
    let pack = Pack { fault, made_at, span: (log.since, log.until), releases };
    let count = pack.releases.len().to_string();
    let facets = [(Facet::What, format!("recall {}", pack.fault.text())), (Facet::Count, count)];
    let made = entry(Kind::Review, RPC, &facets);
    let cause = made.event;
    let mut run = vec![made];
    if wish.notify {
        run.extend(notices_of(&pack, cause, book));
    }
    let told = run.len() - 1;
    number(&mut run);
    log.store.append(run).await.map_err(failed)?;
    written(&wish.out, &pack, wish.notify.then_some(cause))?;
    let told = if wish.notify { format!("; {told} notices entered") } else { String::new() };
    Ok(format!(
        "{} disclosures under {} to {} recipients about {} residents{told}: {}",
        pack.releases.len(),
        pack.fault.text(),
        pack.recipients().len(),
        pack.residents().len(),
        wish.out.join("report.md").display()
    ))
}

const RPC: &str = "weir policy recall";

/// What the recipients are told.
fn notices_of(pack: &Pack, cause: DecisionId, book: &RuleBook) -> Vec<Entry> {
    let mut told: BTreeMap<AgencyId, Got> = BTreeMap::new();
    for release in &pack.releases {
        let got = told.entry(release.recipient.clone()).or_default();
        got.disclosures.push(release.id);
        got.fields.extend(release.fields.iter().filter_map(|field| field.parse().ok()));
        got.purposes.extend(release.purpose.parse().ok());
    }
    let (kind, policy) = (NoticeKind::Recall, book.hash);
    let cause = Cause { rpc: RPC, call: cause, policy, id: cause, kind, resident: None };
    notices(&cause, told, |_, _| false)
}

/// Ties the entries together.
fn number(run: &mut [Entry]) {
    let parts = u32::try_from(run.len()).unwrap_or(u32::MAX);
    for (part, entry) in (1_u32..).zip(run) {
        (entry.part, entry.parts) = (part, parts);
    }
}

/// One disclosure; of its fields those that the faulty rule or agreement opened.
fn release(stored: &StoredEntry, fault: &Fault, book: &RuleBook) -> Option<Release> {
    let entry = &stored.entry;
    let word = |facet| entry.facets.get(&facet).cloned().unwrap_or_default();
    let all: BTreeSet<String> =
        word(Facet::Released).split('|').filter(|f| !f.is_empty()).map(str::to_owned).collect();
    // What each field was released under stands in the decision; older ones name the rule alone.
    let agreed = |rule: &str, id: &str| {
        book.rules.iter().any(|one| {
            one.id.as_str() == rule && one.agreement.as_ref().is_some_and(|a| a.as_str() == id)
        })
    };
    let under = |field: &serde_json::Value| {
        let rule = field.get("rule")?.as_str()?;
        let agreement = field.get("agreement");
        let is_so = match (fault, agreement) {
            (Fault::Rule(id), _) => rule == id,
            (Fault::Agreement(id), Some(agreement)) => agreement.as_str() == Some(id),
            (Fault::Agreement(id), None) => agreed(rule, id),
            (Fault::Officer(_) | Fault::Asker(_), _) => true,
        };
        is_so.then_some(())?;
        Some(field.get("field")?.as_str()?.to_owned())
    };
    let decision = recorded(entry).map(|recorded| recorded.decision).unwrap_or_default();
    let fields = decision.get("fields").and_then(|fields| fields.as_array()).into_iter().flatten();
    let opened: BTreeSet<String> = fields.filter_map(under).filter(|f| all.contains(f)).collect();
    Some(Release {
        id: entry.event,
        at: stored.committed_at,
        recipient: entry.agency.clone()?,
        role: word(Facet::Role),
        purpose: word(Facet::Purpose),
        holder: word(Facet::Holder),
        fields: if opened.is_empty() { all } else { opened },
        resident: about(entry),
    })
}

const PACK: &str = "pack.json";
const ACKS: &str = "acknowledgements.csv";
const REPORT: &str = "report.md";
const LIST: &str = "disclosures.csv";
/// In the pack: the entry that the notices to the recipients tell of.
const CAUSE: &str = "cause";

/// `cause`: what the notices to the recipients tell of.
fn written(out: &Path, pack: &Pack, cause: Option<DecisionId>) -> Result<(), Trouble> {
    std::fs::create_dir_all(out).map_err(|e| failed(format!("{}: {e}", out.display())))?;
    let mut json = pack.json();
    if let (Some(cause), Some(all)) = (cause, json.as_object_mut()) {
        all.insert(CAUSE.to_owned(), cause.to_string().into());
    }
    let json = format!("{json:#}\n");
    let head = "agency,by,time,note\n".to_owned();
    for (name, text) in [(PACK, json), (LIST, pack.csv()), (ACKS, head), (REPORT, pack.report(&[]))]
    {
        put(&out.join(name), &text)?;
    }
    Ok(())
}

/// Whole or not at all, and its owner's alone: it names residents.
fn put(path: &Path, text: &str) -> Result<(), Trouble> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let wrong = |e: std::io::Error| failed(format!("{}: {e}", path.display()));
    let aside = path.with_extension("new");
    let _ = std::fs::remove_file(&aside);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&aside).map_err(wrong)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(wrong)?;
    std::fs::rename(&aside, path).map_err(wrong)
}

/// Notes that a recipient has answered, and says who has not.
pub(super) fn ack_run(wish: &AckWish) -> Outcome {
    ended(acknowledged(wish))
}

fn acknowledged(wish: &AckWish) -> Result<String, Trouble> {
    let read = |name: &str| {
        let path = wish.pack.join(name);
        std::fs::read_to_string(&path).map_err(|e| {
            failed(format!("{}: {e}. Is this the folder of a recall?", path.display()))
        })
    };
    let pack: serde_json::Value = serde_json::from_str(&read(PACK)?).map_err(failed)?;
    let told: BTreeSet<&str> = pack
        .get("recipients")
        .and_then(|all| all.as_array())
        .into_iter()
        .flatten()
        .filter_map(|one| one.get("agency")?.as_str())
        .collect();
    let new = match &wish.data {
        Some(data) => {
            let folder = Folder { data: data.clone(), hub_key_file: wish.hub_key_file.clone() };
            runtime()?.block_on(from_log(&folder, &pack))?
        }
        None => vec![by_hand(wish, &told)?],
    };
    let mut rows = acknowledgements(&read(ACKS)?)?;
    // What is taken over again stands there once.
    for row in new {
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["agency", "by", "time", "note"]).map_err(failed)?;
    for row in &rows {
        let cells = [row.agency.as_str(), &row.by, &row.at.to_string(), &row.note];
        writer.write_record(cells).map_err(failed)?;
    }
    let text = writer.into_inner().map_err(failed)?;
    put(&wish.pack.join(ACKS), &String::from_utf8(text).map_err(failed)?)?;
    let report = pack_of(&pack, &read(LIST)?)?.report(&rows);
    put(&wish.pack.join(REPORT), &report)?;
    let answered: BTreeSet<&str> = rows.iter().map(|row| row.agency.as_str()).collect();
    let open: Vec<&str> = told.difference(&answered).copied().collect();
    Ok(match open.as_slice() {
        [] => "Every recipient has answered.".to_owned(),
        open => format!("{} recipients have not answered: {}", open.len(), open.join(", ")),
    })
}

/// What somebody says that a recipient has answered.
fn by_hand(wish: &AckWish, told: &BTreeSet<&str>) -> Result<Acknowledgement, Trouble> {
    let parts = (&wish.agency, &wish.by, &wish.note);
    let (Some(agency), Some(by), Some(note)) = parts else {
        return Err(failed("--agency, --by and --note, or --data, are missing"));
    };
    if !told.contains(agency.as_str()) {
        let near = nearest(agency.as_str(), told.iter().copied());
        let near = near.map(|near| format!(" Nearest: \"{near}\".")).unwrap_or_default();
        return Err(failed(format!("--agency {agency} is no recipient here.{near}")));
    }
    if by.trim().is_empty() || note.trim().is_empty() {
        return Err(failed("--by and --note must say who answered, and what they did"));
    }
    let (agency, by, note) = (agency.clone(), by.clone(), note.clone());
    Ok(Acknowledgement { agency, by, at: SystemClock.now(), note })
}

/// Recipients that have acknowledged every notice of the recall in the log.
async fn from_log(
    folder: &Folder,
    pack: &serde_json::Value,
) -> Result<Vec<Acknowledgement>, Trouble> {
    let cause = pack.get(CAUSE).and_then(|id| id.as_str()).ok_or_else(|| {
        failed("the recall was made without --notify: the hub has told nobody of it")
    })?;
    let log = Log::open(folder, "weir policy recall-ack", format!("recall-ack {cause}")).await?;
    let mut told: Vec<(AgencyId, DecisionId)> = Vec::new();
    log.each(&[Kind::Notice], |entries| {
        for stored in entries {
            let entry = stored.entry;
            let addressee = entry.words(Facet::Holder).next().and_then(|word| word.parse().ok());
            let is_own = entry.words(Facet::Review).eq([cause]);
            told.extend(addressee.filter(|_| is_own).map(|addressee| (addressee, entry.event)));
        }
        Ok(())
    })
    .await?;
    let (mut rows, mut open) = (Vec::new(), BTreeSet::new());
    for (agency, notice) in told {
        let Some(stored) = log.store.entry(known(notice)).await.map_err(failed)? else {
            open.insert(agency);
            continue;
        };
        let asker = stored.entry.slots.get(&SlotId::Asker);
        let asker: Option<Asker> = asker.and_then(|slot| serde_json::from_slice(slot).ok());
        let Asker { person, mut words } = asker.unwrap_or_default();
        let note = words.remove("note").unwrap_or_default();
        rows.push(Acknowledgement { agency, by: person, at: stored.committed_at, note });
    }
    rows.retain(|row| !open.contains(&row.agency));
    Ok(rows)
}

fn acknowledgements(text: &str) -> Result<Vec<Acknowledgement>, Trouble> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row.map_err(failed)?;
        let cell = |n: usize| row.get(n).unwrap_or_default().to_owned();
        rows.push(Acknowledgement {
            agency: cell(0).parse().map_err(failed)?,
            by: cell(1),
            at: cell(2).parse().map_err(failed)?,
            note: cell(3),
        });
    }
    Ok(rows)
}

/// The pack as it was written.
fn pack_of(json: &serde_json::Value, list: &str) -> Result<Pack, Trouble> {
    let damaged = || failed(format!("{PACK} is not as it was written"));
    let word = |key: &str| json.get(key).and_then(|word| word.as_str());
    let fault = word("fault").and_then(Fault::read).ok_or_else(damaged)?;
    let time = |key: &str| word(key).and_then(|at| at.parse::<Timestamp>().ok());
    let mut releases = Vec::new();
    for row in csv::Reader::from_reader(list.as_bytes()).records() {
        let row = row.map_err(failed)?;
        let cell = |n: usize| row.get(n).unwrap_or_default();
        let id = cell(0).strip_prefix("disclosures/").ok_or_else(damaged)?;
        releases.push(Release {
            id: id.parse().map_err(|_| damaged())?,
            at: cell(1).parse().map_err(|_| damaged())?,
            recipient: cell(2).parse().map_err(|_| damaged())?,
            role: cell(3).to_owned(),
            purpose: cell(4).to_owned(),
            holder: cell(5).to_owned(),
            fields: cell(6).split('|').map(str::to_owned).collect(),
            resident: cell(7).strip_prefix("residents/").and_then(|id| id.parse().ok()),
        });
    }
    let made_at = time("made_at").ok_or_else(damaged)?;
    Ok(Pack { fault, made_at, span: (time("from"), time("until")), releases })
}
