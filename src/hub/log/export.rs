//! Exports: what a search finds, with all that shows it is the log's; page by page, never the whole log at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::digest;
use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

use super::super::{Hub, HubError};
use super::EntryQuery;
use super::scope::Scope;
use crate::audit::entry::SlotId;
use crate::audit::export::{
    CSV, Covered, ENTRIES, FHIR, HUB, Listed, Manifest, Row, SEEN, covered_line, csv, entry_line,
    fhir,
};
use crate::auth::{Caller, HubFunction};
use crate::domain::{AgencyId, DecisionId};
use crate::limits;
use crate::store::{Search, SignedHead, Store, StoredEntry};

/// What an asker wrote; the facts and the full decision are in no export.
pub const WRITTEN: &[SlotId] = &[SlotId::Subject, SlotId::Asker, SlotId::Request];

/// What beside the lines that prove is wanted.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Formats {
    /// A table for spreadsheets.
    pub csv: bool,
    /// FHIR R4 AuditEvents.
    pub fhir: bool,
}

/// Some bytes of a file.
pub type Chunk = (&'static str, String);

/// What is given of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    /// Its leaf, and slots that are wanted laid open.
    Open,
    /// Its leaf.
    Leaf,
    /// What may be seen of it.
    View,
}

/// An export as it is made.
pub struct Exporting {
    store: Arc<dyn Store>,
    scope: Option<Scope>,
    /// `None`: all of it was read.
    search: Option<Search>,
    head: SignedHead,
    origin: String,
    formats: Formats,
    open: &'static [SlotId],
    /// Places before this one are written or covered up.
    done: u64,
    files: BTreeMap<&'static str, (u64, digest::Context)>,
    entries: u64,
    begun: bool,
    range: (u64, u64),
}

impl Exporting {
    /// Begins an export of what `search` finds among the entries of the newest head.
    ///
    /// # Errors
    /// When the store is not available.
    pub(super) async fn begin(
        store: Arc<dyn Store>,
        scope: Option<Scope>,
        search: Search,
        formats: Formats,
        open: &'static [SlotId],
    ) -> Result<Self, HubError> {
        let head = store.head().await?;
        let origin = head.note.lines().next().unwrap_or_default().to_owned();
        let size = head.size;
        let to = search.upto.unwrap_or(size).min(size);
        let from = search.from_index.min(to);
        let search =
            Search { from_index: from, upto: Some(to), limit: limits::EXPORT_PAGE, ..search };
        let mut names = vec![ENTRIES];
        names.extend(scope.as_ref().map(|_| SEEN));
        names.extend(formats.csv.then_some(CSV));
        names.extend(formats.fhir.then_some(FHIR));
        let fresh = |name| (name, (0, digest::Context::new(&digest::SHA256)));
        Ok(Self {
            store,
            scope,
            search: Some(search),
            head,
            origin,
            formats,
            open,
            done: 0,
            files: names.into_iter().map(fresh).collect(),
            entries: 0,
            begun: false,
            range: (from, to),
        })
    }

    /// Of a log that nobody has open but whoever runs this; as an agency's auditor would see it, or everything.
    ///
    /// # Errors
    /// When the store is not available.
    pub async fn of_log(
        store: Arc<dyn Store>,
        auditor_of: Option<&AgencyId>,
        search: Search,
        formats: Formats,
        open: bool,
    ) -> Result<Self, HubError> {
        let scope = auditor_of.map(|agency| Scope::new(store.as_ref(), agency, false));
        let concerns = scope.as_ref().and_then(Scope::concerns);
        let search = Search { concerns, ..search };
        Self::begin(store, scope, search, formats, if open { WRITTEN } else { &[] }).await
    }

    /// The files that it will have.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.files.keys().copied()
    }

    /// How far it is, and how far it will go.
    #[must_use]
    pub const fn progress(&self) -> (u64, u64) {
        (self.done, self.head.size)
    }

    /// The next bytes of its files; `None`: that was all.
    ///
    /// # Errors
    /// When the store is not available, or the log is damaged.
    pub async fn next(&mut self) -> Result<Option<Vec<Chunk>>, HubError> {
        let Some(search) = self.search.take() else { return Ok(None) };
        let page = self.store.search(search.clone()).await?;
        let mut texts: BTreeMap<&'static str, String> = BTreeMap::new();
        if !self.begun {
            // A file without a line is there all the same.
            texts = self.files.keys().map(|name| (*name, String::new())).collect();
            texts.extend(self.formats.csv.then(|| (CSV, csv::header())));
        }
        self.begun = true;
        let mut shown = Vec::with_capacity(page.entries.len());
        for stored in page.entries {
            shown.extend(self.seen(stored));
        }
        let of = |wanted: Given| {
            let all = shown.iter().filter(move |(_, given)| *given == wanted);
            all.map(|(row, _)| row.index).collect::<Vec<u64>>()
        };
        let mut open = self.store.laid_open(of(Given::Open), self.open).await?.into_iter();
        let mut leaves = self.store.laid_open(of(Given::Leaf), &[]).await?.into_iter();
        let mut runs = Vec::with_capacity(shown.len());
        for (row, _) in shown.iter().filter(|(_, given)| *given != Given::View) {
            runs.push((self.done, row.index));
            self.done = row.index + 1;
        }
        let mut runs = self.store.covered(runs).await?.into_iter();
        for (row, given) in shown {
            let leaf = match given {
                Given::Open => open.next(),
                Given::Leaf => leaves.next(),
                Given::View => None,
            };
            match &leaf {
                Some((leaf, slots)) => {
                    let lines = texts.entry(ENTRIES).or_default();
                    runs.next().iter().flatten().for_each(|one| lines.push_str(&covered_line(one)));
                    lines.push_str(&entry_line(&row, leaf, slots));
                    self.entries += 1;
                }
                None => texts.entry(SEEN).or_default().push_str(&format!("{}\n", row.view())),
            }
            if self.formats.csv {
                texts.entry(CSV).or_default().push_str(&csv::row(&row));
            }
            if self.formats.fhir {
                let leaf = leaf.as_ref().map(|(leaf, _)| leaf.as_slice());
                let event = fhir::event(&row, &self.origin, leaf);
                texts.entry(FHIR).or_default().push_str(&format!("{event}\n"));
            }
        }
        match page.next_index {
            Some(from_index) => self.search = Some(Search { from_index, ..search }),
            None => {
                let rest = self.store.covered(vec![(self.done, self.head.size)]).await?;
                let rest: Vec<Covered> = rest.into_iter().flatten().collect();
                let lines = texts.entry(ENTRIES).or_default();
                rest.iter().for_each(|one| lines.push_str(&covered_line(one)));
                self.done = self.head.size;
            }
        }
        for (name, text) in &texts {
            if let Some((len, digest)) = self.files.get_mut(name) {
                *len += u64::try_from(text.len()).unwrap_or(u64::MAX);
                digest.update(text.as_bytes());
            }
        }
        Ok(Some(texts.into_iter().collect()))
    }

    /// An entry as it may be seen, and what is given of it: the leaf names who asked, and people of other
    /// agencies are not named (ADR 17).
    fn seen(&self, stored: StoredEntry) -> Option<(Row, Given)> {
        let agency = stored.entry.agency.as_ref();
        let (given, shown) = match &self.scope {
            None => (Given::Open, Some(stored)),
            Some(scope) => {
                let given = match agency {
                    Some(agency) if agency == scope.agency() => Given::Open,
                    Some(_) => Given::View,
                    None => Given::Leaf,
                };
                (given, scope.show(stored))
            }
        };
        let StoredEntry { index, committed_at, mut entry } = shown?;
        entry.slots.retain(|slot, _| given == Given::Open && self.open.contains(slot));
        Some((Row { index, at: committed_at, entry }, given))
    }

    /// What it says of itself, once all bytes were taken.
    #[must_use]
    pub fn manifest(
        self,
        filter: serde_json::Value,
        policy: [u8; 32],
        made: Timestamp,
    ) -> Manifest {
        let file = |(name, (bytes, digest)): (&'static str, (u64, digest::Context))| {
            (name.to_owned(), Listed { bytes, sha256: hex::encode(digest.finish()) })
        };
        Manifest {
            weir_export: 1,
            origin: self.origin,
            from: self.range.0,
            to: self.range.1,
            filter,
            scope: self.scope.map_or_else(|| HUB.to_owned(), |scope| scope.text()),
            entries: self.entries,
            covered: self.head.size - self.entries,
            head: self.head.note,
            made: made.to_string(),
            policy: if policy == [0; 32] { String::new() } else { hex::encode(policy) },
            files: self.files.into_iter().map(file).collect(),
        }
    }
}

/// A piece of an export on its way to a caller.
pub enum Piece {
    /// Bytes of files.
    Files(Vec<Chunk>),
    /// The manifest, and the receipt of the entry that holds its digest: that was all.
    Last(String, String),
}

/// An export that a caller takes piece by piece.
pub struct ExportStream {
    hub: Arc<Hub>,
    caller: Arc<Caller>,
    made: Option<Exporting>,
    filter: serde_json::Value,
    access: Option<DecisionId>,
    _place: OwnedSemaphorePermit,
}

/// What was looked for, as the manifest says it: whom only where slots are laid open.
fn filter(asked: serde_json::Value, open: bool) -> serde_json::Value {
    let serde_json::Value::Object(mut asked) = asked else { return serde_json::Value::Null };
    for place in ["from_index", "upto", "limit", "access"] {
        asked.remove(place);
    }
    let is_set = |value: &serde_json::Value| {
        !value.is_null() && value.as_array().is_none_or(|all| !all.is_empty())
    };
    asked.retain(|_, value| is_set(value));
    if let Some(resident) = asked.get_mut("resident").filter(|_| !open) {
        *resident = ONE_RESIDENT.into();
    }
    if asked.is_empty() { serde_json::Value::Null } else { asked.into() }
}

/// In place of whom an export was filtered by.
pub const ONE_RESIDENT: &str = "one, who is not named here";

const EXPORT: &str = "weir.hub.v1.AuditService/ExportEntries";

impl Hub {
    /// Begins an export of what the caller's agency asked for or held; with a second sign-off, of every
    /// agency's entries.
    ///
    /// # Errors
    /// When the caller is no auditor, too many exports are made; as [`Hub::search_entries`].
    pub async fn export_entries(
        self: &Arc<Self>,
        caller: Arc<Caller>,
        query: EntryQuery,
        formats: Formats,
        open: bool,
    ) -> Result<ExportStream, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let call = self.call(EXPORT, &caller, &policy, at);
        self.require(&call, &policy, HubFunction::Auditor).await?;
        let scope = self.scope(&call, query.access).await?;
        let place = Arc::clone(&self.exports).try_acquire_owned().map_err(|_| HubError::Busy)?;
        let asked = serde_json::to_value(&query).map_err(|_| HubError::Broken)?;
        let request = serde_json::json!({ "export": asked, "formats": formats, "open": open });
        let filter = filter(asked, open);
        self.look_with(&call, "exporting", &request, query.access).await?;
        let access = query.access;
        let search = query.search(&scope).ok_or(HubError::Broken)?;
        let store = Arc::clone(&self.store);
        let open = if open { WRITTEN } else { &[] };
        let made = Exporting::begin(store, Some(scope), search, formats, open).await?;
        let hub = Arc::clone(self);
        Ok(ExportStream { hub, caller, made: Some(made), filter, access, _place: place })
    }
}

impl ExportStream {
    /// The next piece; `None`: that was all.
    ///
    /// # Errors
    /// When the log cannot be read, or that the export was made cannot be recorded.
    pub async fn next(&mut self) -> Result<Option<Piece>, HubError> {
        let Some(mut made) = self.made.take() else { return Ok(None) };
        if let Some(chunks) = made.next().await? {
            self.made = Some(made);
            return Ok(Some(Piece::Files(chunks)));
        }
        let (hub, caller) = (self.hub.as_ref(), self.caller.as_ref());
        let (at, policy) = (hub.clock.now(), hub.policy()?);
        let hash = policy.book().hash;
        let manifest = made.manifest(self.filter.take(), hash, at).text();
        let sum = hex::encode(digest::digest(&digest::SHA256, manifest.as_bytes()));
        let call = hub.call(EXPORT, caller, &policy, at);
        let request = serde_json::json!({ "manifest": sum });
        let receipt = hub.look_with(&call, &format!("export|{sum}"), &request, self.access).await?;
        let proven = hub.store.proven(receipt.event(), &[]).await?.ok_or(HubError::Broken)?;
        Ok(Some(Piece::Last(manifest, proven.text())))
    }
}
