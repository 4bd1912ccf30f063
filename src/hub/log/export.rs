//! Exports: what a search finds, with all that shows it is the log's; page by page, never the whole log at once.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use jiff::Timestamp;

use super::super::HubError;
use super::scope::Scope;
use crate::audit::entry::SlotId;
use crate::audit::export::{
    CSV, Covered, ENTRIES, FHIR, Listed, Manifest, Row, SEEN, covered_line, csv, entry_line, fhir,
};
use crate::domain::AgencyId;
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

/// An export as it is made.
pub struct Exporting<'a> {
    store: &'a dyn Store,
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

impl<'a> Exporting<'a> {
    /// Begins an export of what `search` finds among the entries of the newest head.
    ///
    /// # Errors
    /// When the store is not available.
    pub(super) async fn begin(
        store: &'a dyn Store,
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
        store: &'a dyn Store,
        auditor_of: Option<&AgencyId>,
        search: Search,
        formats: Formats,
        open: bool,
    ) -> Result<Self, HubError> {
        let scope = auditor_of.map(|agency| Scope::new(store, agency, false));
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
        if !self.begun && self.formats.csv {
            texts.insert(CSV, csv::header());
        }
        self.begun = true;
        let mut shown = Vec::with_capacity(page.entries.len());
        for stored in page.entries {
            shown.extend(self.seen(stored)?);
        }
        let given = shown.iter().filter(|(_, given)| *given).map(|(row, _)| row.index);
        let given: Vec<u64> = given.collect();
        let mut leaves = self.store.laid_open(given.clone(), self.open).await?.into_iter();
        let mut runs = Vec::with_capacity(given.len());
        for index in given {
            runs.push((self.done, index));
            self.done = index + 1;
        }
        let mut runs = self.store.covered(runs).await?.into_iter();
        for (row, given) in shown {
            let leaf = if given { leaves.next() } else { None };
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

    /// An entry as it may be seen, and whether its leaf is given: the leaf names who asked, and people of
    /// other agencies are not named (ADR 17).
    fn seen(&self, stored: StoredEntry) -> Result<Option<(Row, bool)>, HubError> {
        let agency = stored.entry.agency.clone();
        let own = |scope: &Scope| agency.as_ref().is_none_or(|agency| agency == scope.agency());
        let given = self.scope.as_ref().is_none_or(own);
        let shown = match &self.scope {
            Some(scope) => scope.show(stored),
            None => Some(stored),
        };
        let Some(StoredEntry { index, committed_at, mut entry }) = shown else { return Ok(None) };
        let open = if given { self.open } else { &[] };
        entry.slots.retain(|slot, _| open.contains(slot));
        Ok(Some((Row { index, at: committed_at, entry }, given)))
    }

    /// What it says of itself, once all bytes were taken.
    #[must_use]
    pub fn manifest(
        self,
        filter: serde_json::Value,
        agency: Option<&AgencyId>,
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
            scope: agency.map_or_else(|| "hub".to_owned(), |agency| format!("agency {agency}")),
            entries: self.entries,
            covered: self.head.size - self.entries,
            head: self.head.note,
            made: made.to_string(),
            policy: if policy == [0; 32] { String::new() } else { hex::encode(policy) },
            files: self.files.into_iter().map(file).collect(),
        }
    }
}
