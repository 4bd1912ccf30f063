//! The embedded store: SQLite files in one data folder. SQL stays below this module.

mod facts;
mod known;
pub mod log;
mod people;
mod readers;
mod shelf;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use self::log::{Log, sqlite, unavailable};
use self::readers::Readers;
use super::{
    Fact, HeldRecord, Known, LocalId, Page, Receipt, Resident, Search, ShelfReport, ShelfRow,
    SignedHead, Standing, Store, StoreError, StoredChoice, StoredEntry,
};
use crate::audit::entry::Entry;
use crate::domain::{AgencyId, CategoryId, DecisionId, PersonId, PurposeId, Record, ResidentId};

/// The operational file.
const FILE: &str = "hub.db";
/// The schema that this program writes.
const VERSION: i64 = 1;

/// The store of one hub in one folder.
pub struct SqliteStore {
    log: Log,
    writer: Arc<Mutex<Connection>>,
    readers: Readers,
    /// What is known of the place as a whole; `None` while it changes. Only the writer puts it here.
    standing: ArcSwapOption<Standing>,
    /// One state change at a time, so that the outbox holds one entry at most.
    change: tokio::sync::Mutex<()>,
}

impl SqliteStore {
    /// Opens `hub.db` beside the log; finishes what a crash left unfinished.
    ///
    /// # Errors
    /// When a file cannot be opened, or is of a newer version of the program.
    pub async fn open(dir: &Path, log: Log) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        let writer = Connection::open(&path).map_err(|e| sqlite(&e))?;
        writer
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                 PRAGMA busy_timeout = 2000;",
            )
            .map_err(|e| sqlite(&e))?;
        migrate(&writer)?;
        let store = Self {
            log,
            writer: Arc::new(Mutex::new(writer)),
            readers: Readers::open(&path)?,
            standing: ArcSwapOption::empty(),
            change: tokio::sync::Mutex::new(()),
        };
        store.flush().await?;
        let standing = store.read(facts::standing).await?;
        store.standing.store(Some(Arc::new(standing)));
        Ok(store)
    }

    /// The log, for closing it and for its key.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.read(work).await
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let writer = Arc::clone(&self.writer);
        blocking(move || {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = writer
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(|e| sqlite(&e))?;
            let out = work(&transaction)?;
            transaction.commit().map_err(|e| sqlite(&e))?;
            Ok(out)
        })
        .await
    }

    /// Changes state and enters it in the log. WAL commits are not atomic across files, so the
    /// entry travels with the change first.
    async fn change<T: Send + 'static>(
        &self,
        entry: Entry,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<(T, Receipt), StoreError> {
        let _one = self.change.lock().await;
        self.change_held(entry, work).await
    }

    /// As [`SqliteStore::change`], for who holds the lock.
    async fn change_held<T: Send + 'static>(
        &self,
        entry: Entry,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<(T, Receipt), StoreError> {
        // What an earlier failure left behind goes first: nothing changes while the log is behind.
        self.flush().await?;
        let text = serde_json::to_string(&entry).map_err(|e| unavailable(&e))?;
        let out = self
            .write(move |transaction| {
                let out = work(transaction)?;
                transaction
                    .execute("INSERT INTO outbox (entry) VALUES (?1)", [text])
                    .map_err(|e| sqlite(&e))?;
                Ok(out)
            })
            .await?;
        // The change is durable and so is its entry, in the outbox. A crash here costs nothing: the
        // entry is put into the log when the store is opened, before anything is served.
        let receipt = self.log.append_once(entry).await?;
        self.write(|transaction| {
            transaction.execute("DELETE FROM outbox", []).map_err(|e| sqlite(&e))
        })
        .await?;
        Ok((out, receipt))
    }

    async fn flush(&self) -> Result<(), StoreError> {
        let waiting: Vec<String> = self
            .write(|transaction| {
                let mut statement = transaction
                    .prepare_cached("SELECT entry FROM outbox ORDER BY seq")
                    .map_err(|e| sqlite(&e))?;
                let rows = statement.query_map([], |row| row.get(0)).map_err(|e| sqlite(&e))?;
                rows.collect::<Result<_, _>>().map_err(|e| sqlite(&e))
            })
            .await?;
        if waiting.is_empty() {
            return Ok(());
        }
        for text in waiting {
            let entry: Entry = parsed(&text)?;
            self.log.append_once(entry).await?;
        }
        self.write(|transaction| {
            transaction.execute("DELETE FROM outbox", []).map_err(|e| sqlite(&e))?;
            Ok(())
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| unavailable(&"a worker was stopped"))?
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
    if version == 0 {
        let schema = include_str!("sqlite/schema.sql");
        connection
            .execute_batch(&format!("BEGIN; {schema} PRAGMA user_version = {VERSION}; COMMIT;"))
            .map_err(|e| sqlite(&e))?;
    }
    Ok(())
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

#[tonic::async_trait]
impl Store for SqliteStore {
    async fn append(&self, entries: Vec<Entry>) -> Result<Vec<Receipt>, StoreError> {
        self.log.append(entries).await
    }

    async fn search(&self, search: Search) -> Result<Page, StoreError> {
        self.log.search(search).await
    }

    async fn entry(&self, event: DecisionId) -> Result<Option<StoredEntry>, StoreError> {
        self.log.entry(event).await
    }

    async fn head(&self) -> Result<SignedHead, StoreError> {
        Ok(self.log.head())
    }

    async fn known(
        &self,
        agency: AgencyId,
        person: PersonId,
        resident: ResidentId,
        purpose: PurposeId,
        at: Timestamp,
    ) -> Result<Known, StoreError> {
        self.read(move |c| known::known(c, &agency, &person, resident, &purpose, at)).await
    }

    async fn standing(&self) -> Result<Arc<Standing>, StoreError> {
        match self.standing.load_full() {
            Some(standing) => Ok(standing),
            None => Ok(Arc::new(self.read(facts::standing).await?)),
        }
    }

    async fn record_facts(&self, new: Vec<Fact>, entry: Entry) -> Result<Receipt, StoreError> {
        let _one = self.change.lock().await;
        // From here until it is read again everybody reads the file: a failure half-way leaves
        // nothing old in memory.
        self.standing.store(None);
        let (standing, receipt) = self
            .change_held(entry, move |t| {
                facts::record(t, &new)?;
                facts::standing(t)
            })
            .await?;
        self.standing.store(Some(Arc::new(standing)));
        Ok(receipt)
    }

    async fn register(
        &self,
        residents: Vec<(Resident, Vec<LocalId>)>,
        entry: Entry,
    ) -> Result<Receipt, StoreError> {
        let (_, receipt) = self.change(entry, move |t| people::register(t, &residents)).await?;
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
        self.read(move |c| people::find(c, &nhs_number, &name, born)).await
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
        entry: Entry,
    ) -> Result<Receipt, StoreError> {
        let (_, receipt) =
            self.change(entry, move |t| facts::record_choice(t, resident, &choice)).await?;
        Ok(receipt)
    }

    async fn choices(&self, resident: ResidentId) -> Result<Vec<StoredChoice>, StoreError> {
        self.read(move |c| facts::choices(c, resident)).await
    }

    async fn shelve(
        &self,
        holder: AgencyId,
        category: CategoryId,
        rows: Vec<ShelfRow>,
        at: Timestamp,
        entry: Entry,
    ) -> Result<(ShelfReport, Option<Receipt>), StoreError> {
        let checked = (holder.clone(), rows.iter().map(|r| r.local_id.clone()).collect::<Vec<_>>());
        let unlinked = self.read(move |c| shelf::unlinked(c, &checked.0, &checked.1)).await?;
        if !unlinked.is_empty() {
            return Ok((ShelfReport { stored: 0, unlinked }, None));
        }
        let (stored, receipt) =
            self.change(entry, move |t| shelf::shelve(t, &holder, &category, &rows, at)).await?;
        Ok((ShelfReport { stored, unlinked }, Some(receipt)))
    }

    async fn retract(
        &self,
        holder: AgencyId,
        category: CategoryId,
        local_ids: Vec<String>,
        entry: Entry,
    ) -> Result<(u64, Receipt), StoreError> {
        self.change(entry, move |t| shelf::retract(t, &holder, &category, &local_ids)).await
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

    async fn shelf_record(
        &self,
        holder: AgencyId,
        resident: ResidentId,
        categories: Vec<CategoryId>,
    ) -> Result<Record, StoreError> {
        self.read(move |c| shelf::record(c, &holder, resident, &categories)).await
    }
}
