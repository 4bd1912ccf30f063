//! The embedded store: SQLite files in one data folder. SQL stays below this module.

pub mod backup;
mod change;
mod erasing;
mod facts;
pub mod heads;
pub mod keys;
mod known;
pub mod log;
mod people;
pub mod policies;
mod proofs;
mod readers;
mod shelf;
pub mod witness;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{Connection, Transaction};

use self::change::Changes;
use self::keys::Keyring;
use self::log::{Log, sqlite};
use self::readers::Readers;
use super::{
    Candidate, Erased, FactVersion, FactsAbout, HeldRecord, KeptPolicy, Known, LegalHold, LocalId,
    Page, Receipt, Resident, Search, ShelfReport, ShelfRow, SignedHead, Standing, Store,
    StoreError, StoredChoice, StoredEntry,
};
use crate::audit::entry::{Entry, Facet, Kind};
use crate::domain::{
    AgencyId, CategoryId, DecisionId, FieldId, FieldValue, PersonId, PurposeId, Record,
    RecordedFact, ResidentId,
};

/// The operational file.
const FILE: &str = "hub.db";
/// The schema that this program writes.
const VERSION: i64 = 4;

/// The store of one hub in one folder.
pub struct SqliteStore {
    log: Arc<Log>,
    changes: Arc<Changes>,
    readers: Readers,
    /// What is known of the place as a whole; `None` while it changes. Only who changes it puts it
    /// here.
    standing: Arc<ArcSwapOption<Standing>>,
    /// The latest append was durable.
    able: AtomicBool,
    heads: Arc<heads::HeadsFile>,
}

/// Refuses a folder that holds a hub without its keys: that of a version that did not encrypt.
///
/// # Errors
/// When it does.
pub fn refuse_without_keys(dir: &Path) -> Result<(), StoreError> {
    if dir.join(keys::FILE).exists() { Ok(()) } else { keys::refuse_without_keys(dir) }
}

/// Whether a folder holds something of a hub.
#[must_use]
pub fn is_there(dir: &Path) -> bool {
    dir.join(FILE).exists()
        || dir.join(keys::FILE).exists()
        || log::files_in(dir).is_ok_and(|files| !files.is_empty())
}

impl SqliteStore {
    /// Opens `hub.db` beside the log; finishes what a crash left unfinished.
    ///
    /// # Errors
    /// When a file cannot be opened, or is of a newer version of the program.
    pub async fn open(dir: &Path, log: Log) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        log::private(&path)?;
        let writer = Connection::open(&path).map_err(|e| sqlite(&e))?;
        writer
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                 PRAGMA busy_timeout = 2000; PRAGMA secure_delete = ON;",
            )
            .map_err(|e| sqlite(&e))?;
        migrate(&writer)?;
        let log = Arc::new(log);
        let changes = Arc::new(Changes::open(writer, Arc::clone(&log)).await?);
        let readers = Readers::open(&path)?;
        // Before anything is served; what cannot be finished now is finished by the purge.
        if let Err(error) = erasing::finish(&readers, &changes, &log).await {
            tracing::warn!(error = %error, "An erasure is not finished");
        }
        let standing = readers.read(facts::standing).await?;
        let standing = Arc::new(ArcSwapOption::from_pointee(standing));
        let (able, heads) = (AtomicBool::new(true), Arc::new(heads::HeadsFile::of(dir)));
        Ok(Self { log, changes, readers, standing, able, heads })
    }

    /// The log, for closing it and for its key.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    fn keys(&self) -> Arc<Keyring> {
        Arc::clone(self.log.keys())
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.read(work).await
    }

    async fn change<T: Send + 'static>(
        &self,
        entry: Entry,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<(T, Receipt), StoreError> {
        let (out, receipts) = self.changes.make(vec![entry], work).await?;
        Ok((out, own(receipts)?))
    }
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt("a stored row".to_owned()))
}

fn migrate(connection: &Connection) -> Result<(), StoreError> {
    let version: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|e| sqlite(&e))?;
    if version > VERSION {
        return Err(StoreError::Corrupt(format!(
            "the data folder is of version {version}, this program knows {VERSION}: use a newer one"
        )));
    }
    if version == 1 {
        return Err(StoreError::Corrupt(
            "the data folder is of version 1, which did not encrypt: publish the extracts and import \
             the facts into a new folder, and keep this one for its audit log"
                .to_owned(),
        ));
    }
    for (to, schema) in SCHEMAS.into_iter().filter(|(to, _)| *to > version) {
        connection.execute_batch(&upgrade(to, schema)).map_err(|e| sqlite(&e))?;
    }
    Ok(())
}

/// What makes each version of the one before.
const SCHEMAS: [(i64, &str); 3] = [
    (2, include_str!("sqlite/schema.sql")),
    (3, include_str!("sqlite/schema-3.sql")),
    (4, include_str!("sqlite/schema-4.sql")),
];

/// A step, whole or not at all.
fn upgrade(to: i64, schema: &str) -> String {
    format!("BEGIN; {schema} PRAGMA user_version = {to}; COMMIT;")
}

fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

fn at_micros(us: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(us).map_err(|_| StoreError::Corrupt("a stored time".to_owned()))
}

fn word<T: std::str::FromStr>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt("a stored word".to_owned()))
}

/// The receipt of the change's own entry.
fn own(receipts: Vec<Receipt>) -> Result<Receipt, StoreError> {
    let own = receipts.into_iter().next();
    own.ok_or_else(|| StoreError::Corrupt("no receipt came back".to_owned()))
}

#[tonic::async_trait]
impl Store for SqliteStore {
    async fn append(&self, entries: Vec<Entry>) -> Result<Vec<Receipt>, StoreError> {
        // What a resident chose stands in the log before what was decided on it.
        let appended = match self.changes.catch_up().await {
            Ok(()) => self.log.append(entries).await,
            Err(error) => Err(error),
        };
        let failed = matches!(appended, Err(StoreError::Unavailable(_) | StoreError::Full));
        self.able.store(!failed, Ordering::Relaxed);
        appended
    }

    fn is_able(&self) -> bool {
        self.able.load(Ordering::Relaxed)
    }

    async fn search(&self, search: Search) -> Result<Page, StoreError> {
        self.log.search(search).await
    }

    async fn entry(&self, event: DecisionId) -> Result<Option<StoredEntry>, StoreError> {
        self.log.entry(event).await
    }

    async fn receipt(&self, event: DecisionId) -> Result<Option<Receipt>, StoreError> {
        self.log.receipt(event).await
    }

    async fn head(&self) -> Result<SignedHead, StoreError> {
        Ok(self.log.head())
    }

    async fn grown(&self, size: u64) -> Result<u64, StoreError> {
        self.log.grown(size).await
    }

    fn blind(&self, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        self.log.keys().blind(label, parts)
    }

    async fn known(
        &self,
        agency: AgencyId,
        person: PersonId,
        resident: ResidentId,
        purpose: PurposeId,
    ) -> Result<Known, StoreError> {
        let keys = self.keys();
        self.read(move |c| known::known(c, &keys, &agency, &person, resident, &purpose)).await
    }

    async fn standing(&self) -> Result<Arc<Standing>, StoreError> {
        match self.standing.load_full() {
            Some(standing) => Ok(standing),
            None => Ok(Arc::new(self.read(facts::standing).await?)),
        }
    }

    async fn facts(
        &self,
        about: FactsAbout,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<RecordedFact>, StoreError> {
        self.read(move |c| facts::listed(c, &about, skip, limit)).await
    }

    async fn record_facts_unless_changed(
        &self,
        new: Vec<RecordedFact>,
        seen: Vec<(usize, Option<FactVersion>)>,
        entries: Vec<Entry>,
    ) -> Result<Vec<Receipt>, StoreError> {
        let (changes, standing) = (Arc::clone(&self.changes), Arc::clone(&self.standing));
        let change = async move {
            // From here until it is read again everybody reads the file: a failure half-way leaves
            // nothing old in memory.
            standing.store(None);
            let made = changes.make_now(entries, move |t| {
                facts::unchanged(t, &new, &seen)?;
                facts::record(t, &new)?;
                facts::standing(t).map(Ok::<Standing, Infallible>)
            });
            let (now, receipts) = made.await?.unwrap_or_else(|never| match never {});
            standing.store(Some(Arc::new(now)));
            Ok(receipts)
        };
        self.changes.in_turn(change).await
    }

    async fn register(
        &self,
        residents: Vec<(Resident, Vec<LocalId>)>,
        entry: Entry,
    ) -> Result<Receipt, StoreError> {
        let keys = self.keys();
        let (_, receipt) =
            self.change(entry, move |t| people::register(t, &keys, &residents)).await?;
        Ok(receipt)
    }

    async fn link(
        &self,
        resident: ResidentId,
        local: LocalId,
        entry: Entry,
    ) -> Result<Receipt, StoreError> {
        let (_, receipt) = self.change(entry, move |t| people::link(t, resident, &local)).await?;
        Ok(receipt)
    }

    async fn unlink(&self, local: LocalId, entry: Entry) -> Result<Receipt, StoreError> {
        let (_, receipt) = self.change(entry, move |t| people::unlink(t, &local)).await?;
        Ok(receipt)
    }

    async fn find(
        &self,
        nhs_number: &str,
        name: &str,
        born: Date,
    ) -> Result<Vec<ResidentId>, StoreError> {
        let (nhs_number, name) = (nhs_number.to_owned(), name.to_owned());
        let keys = self.keys();
        self.read(move |c| people::find(c, &keys, &nhs_number, &name, born)).await
    }

    async fn is_registered(&self, resident: ResidentId) -> Result<bool, StoreError> {
        self.read(move |c| people::is_registered(c, resident)).await
    }

    async fn resident_of(&self, local: &LocalId) -> Result<Option<ResidentId>, StoreError> {
        let local = local.clone();
        self.read(move |c| people::resident_of(c, &local)).await
    }

    async fn local_ids(&self, resident: ResidentId) -> Result<Vec<LocalId>, StoreError> {
        self.read(move |c| people::local_ids(c, resident)).await
    }

    async fn record_choice(
        &self,
        resident: ResidentId,
        choice: StoredChoice,
        entries: Vec<Entry>,
    ) -> Result<Vec<Receipt>, StoreError> {
        let record = move |t: &Transaction<'_>| facts::record_choice(t, resident, &choice);
        Ok(self.changes.make(entries, record).await?.1)
    }

    async fn choices(&self, resident: ResidentId) -> Result<Vec<StoredChoice>, StoreError> {
        self.read(move |c| facts::choices(c, resident)).await
    }

    async fn shelve(
        &self,
        holder: AgencyId,
        category: CategoryId,
        rows: Vec<ShelfRow>,
        times: (Timestamp, Timestamp),
        entries: Vec<Entry>,
    ) -> Result<(ShelfReport, Vec<Receipt>), StoreError> {
        // Looked up where it is written: a link that is undone meanwhile must not leave a row that
        // the next holder of the local id would get.
        let keys = self.keys();
        let made = self.changes.make_if(entries, move |t| {
            let unlinked = shelf::unlinked(t, &holder, &rows)?;
            if unlinked.is_empty() {
                shelf::shelve(t, &keys, &holder, &category, &rows, times).map(Ok)
            } else {
                Ok(Err(unlinked))
            }
        });
        Ok(match made.await? {
            Ok((stored, receipts)) => (ShelfReport { stored, unlinked: Vec::new() }, receipts),
            Err(unlinked) => (ShelfReport { stored: 0, unlinked }, Vec::new()),
        })
    }

    async fn retract(
        &self,
        holder: AgencyId,
        category: CategoryId,
        local_ids: Vec<String>,
        entries: Vec<Entry>,
    ) -> Result<(u64, Vec<Receipt>), StoreError> {
        let retract = move |t: &Transaction<'_>| shelf::retract(t, &holder, &category, &local_ids);
        self.changes.make(entries, retract).await
    }

    async fn held(
        &self,
        holder: AgencyId,
        category: Option<CategoryId>,
        after: Option<(CategoryId, String)>,
        limit: usize,
    ) -> Result<Vec<HeldRecord>, StoreError> {
        self.read(move |c| shelf::held(c, &holder, category.as_ref(), after.as_ref(), limit)).await
    }

    async fn erase(&self, resident: ResidentId, entry: Entry) -> Result<Erased, StoreError> {
        self.erase_now(resident, entry).await
    }

    async fn place_hold(
        &self,
        resident: ResidentId,
        reference: String,
        entry: Entry,
    ) -> Result<Receipt, StoreError> {
        let (keys, at) = (self.keys(), self.log.now());
        let place =
            move |t: &Transaction<'_>| erasing::place_hold(t, &keys, resident, &reference, at);
        Ok(self.change(entry, place).await?.1)
    }

    async fn lift_hold(
        &self,
        resident: ResidentId,
        reference: String,
        entry: Entry,
    ) -> Result<Receipt, StoreError> {
        let keys = self.keys();
        let lift = move |t: &Transaction<'_>| erasing::lift_hold(t, &keys, resident, &reference);
        Ok(self.change(entry, lift).await?.1)
    }

    async fn holds(&self, limit: usize) -> Result<Vec<LegalHold>, StoreError> {
        let keys = self.keys();
        self.read(move |c| erasing::holds(c, &keys, limit)).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<u64, StoreError> {
        // What expires does not wait for an erasure that a backup keeps from being finished.
        if let Err(error) = erasing::finish(&self.readers, &self.changes, &self.log).await {
            tracing::warn!(error = %error, "An erasure is not finished");
        }
        let now = self.log.now();
        let due = self
            .read(move |c| {
                let sql = "SELECT count(*) FROM \
                           (SELECT 1 FROM shelf WHERE expires_us <= ?1 LIMIT ?2)";
                c.query_row(sql, [micros(now), i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
                    row.get::<_, i64>(0)
                })
                .map_err(|e| sqlite(&e))
            })
            .await?;
        let due = usize::try_from(due).unwrap_or_default();
        if due == 0 {
            return Ok(0);
        }
        let event = DecisionId::from_uuid(uuid::Uuid::now_v7());
        let facets = [(Facet::What, "expired".to_owned()), (Facet::Count, due.to_string())];
        let entry = Entry::of_hub(event, Kind::Hold, "weir purge", facets.into());
        // Only so many as the entry says: a change in between finds its record in the next round.
        let (gone, _) = self.change(entry, move |t| shelf::purge(t, now, due)).await?;
        Ok(gone)
    }

    async fn shelf_record(
        &self,
        holder: AgencyId,
        resident: ResidentId,
        categories: Vec<CategoryId>,
    ) -> Result<Record, StoreError> {
        let keys = self.keys();
        let now = self.log.now();
        self.read(move |c| shelf::record(c, &keys, &holder, resident, &categories, now)).await
    }

    async fn shelf_values(
        &self,
        resident: ResidentId,
        fields: BTreeSet<FieldId>,
    ) -> Result<Vec<FieldValue>, StoreError> {
        let keys = self.keys();
        self.read(move |c| shelf::values(c, &keys, resident, &fields)).await
    }

    async fn put_policy(
        &self,
        policy: KeptPolicy,
        bytes: Vec<u8>,
        entry: Entry,
    ) -> Result<Receipt, StoreError> {
        let ((), receipt) = self.change(entry, move |t| policies::put(t, &policy, &bytes)).await?;
        Ok(receipt)
    }

    async fn kept_policy(
        &self,
        number: Option<u64>,
    ) -> Result<Option<(KeptPolicy, Vec<u8>)>, StoreError> {
        self.read(move |c| policies::folder(c, number)).await
    }

    async fn kept_policies(&self, limit: usize) -> Result<Vec<KeptPolicy>, StoreError> {
        self.read(move |c| policies::listed(c, limit)).await
    }

    async fn put_candidate(
        &self,
        candidate: Option<Candidate>,
        entry: Entry,
    ) -> Result<Receipt, StoreError> {
        let ((), receipt) =
            self.change(entry, move |t| policies::put_candidate(t, candidate.as_ref())).await?;
        Ok(receipt)
    }

    async fn candidate(&self) -> Result<Option<Candidate>, StoreError> {
        self.read(policies::candidate).await
    }
}

#[cfg(test)]
mod upgrade_tests;
