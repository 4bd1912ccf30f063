//! State changes with their entries in the log. WAL commits are not atomic across files, so the entries
//! travel with their change in an outbox first, and from there into the log exactly once.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::keys::Opened;
use super::log::{Log, sqlite, subject_of, unavailable};
use crate::audit::entry::Entry;
use crate::domain::DecisionId;
use crate::store::{Receipt, StoreError};

/// What seals an entry on its way; no slot of the log has this number.
const OUTBOX: u8 = 0;

/// The one writer of the operational file, and the log that it tells.
pub(super) struct Changes {
    log: Arc<Log>,
    writer: Arc<Mutex<Connection>>,
    /// One at a time, so that the outbox holds the entries of one change at most.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// A change is committed that the log did not take.
    behind: AtomicBool,
}

impl Changes {
    /// Over a migrated file; finishes what a crash left unfinished.
    pub(super) async fn open(connection: Connection, log: Arc<Log>) -> Result<Self, StoreError> {
        let changes = Self {
            log,
            writer: Arc::new(Mutex::new(connection)),
            turn: Arc::default(),
            behind: AtomicBool::new(false),
        };
        changes.flush().await?;
        changes.known_to_the_log().await?;
        Ok(changes)
    }

    /// Makes a change and enters it in the log.
    pub(super) async fn make<T: Send + 'static>(
        self: &Arc<Self>,
        entries: Vec<Entry>,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<(T, Vec<Receipt>), StoreError> {
        let made = self.make_if(entries, move |t| work(t).map(Ok::<T, Infallible>)).await?;
        Ok(made.unwrap_or_else(|never| match never {}))
    }

    /// Makes a change and enters it in the log, unless `work` says otherwise: then nothing of it is
    /// left.
    pub(super) async fn make_if<T: Send + 'static, N: Send + 'static>(
        self: &Arc<Self>,
        entries: Vec<Entry>,
        work: impl FnOnce(&Transaction<'_>) -> Result<Result<T, N>, StoreError> + Send + 'static,
    ) -> Result<Result<(T, Vec<Receipt>), N>, StoreError> {
        let changes = Arc::clone(self);
        self.in_turn(async move { changes.make_now(entries, work).await }).await
    }

    /// Runs `change` when it is its turn, and to its end, whether or not the caller still waits: a
    /// change that is cut off between its two commits would leave the log behind.
    pub(super) async fn in_turn<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let begun = tokio::spawn(async move {
            let out = change.await;
            drop(turn);
            out
        });
        begun.await.map_err(|_| unavailable(&"a change was stopped"))?
    }

    /// As [`Changes::make_if`], for who has the turn.
    pub(super) async fn make_now<T: Send + 'static, N: Send + 'static>(
        &self,
        entries: Vec<Entry>,
        work: impl FnOnce(&Transaction<'_>) -> Result<Result<T, N>, StoreError> + Send + 'static,
    ) -> Result<Result<(T, Vec<Receipt>), N>, StoreError> {
        // What an earlier failure left behind goes first: nothing changes while the log is behind.
        self.flush().await?;
        // What the log would turn down must not be committed: it would stand in the outbox for ever.
        self.log.would_take(&entries)?;
        let (log, outgoing) = (Arc::clone(&self.log), entries.clone());
        let out = self
            .write(move |transaction| {
                let out = work(transaction)?;
                if out.is_ok() {
                    for entry in &outgoing {
                        transaction
                            .execute(
                                "INSERT INTO outbox (event, sealed) VALUES (?1, ?2)",
                                params![entry.event.uuid().as_bytes(), sealed(&log, entry)?],
                            )
                            .map_err(|e| sqlite(&e))?;
                    }
                }
                Ok((out.is_ok(), out))
            })
            .await?;
        let out = match out {
            Ok(out) => out,
            Err(not) => return Ok(Err(not)),
        };
        // The change is durable and so are its entries, in the outbox. A crash here costs nothing: they
        // are put into the log when the store is opened, before anything is served.
        let receipts = self.log.append_once(entries).await.map_err(|error| {
            self.behind.store(true, Ordering::Release);
            unavailable(&format!("the change is made, but not yet in the log: {error}"))
        })?;
        // The entries are in the log: an outbox that cannot be emptied now is emptied before the next
        // change, and nothing is appended twice.
        if let Err(error) = self.empty_outbox().await {
            tracing::warn!(error = %error, "Outbox could not be emptied");
        }
        Ok(Ok((out, receipts)))
    }

    /// Puts into the log what it did not take when the change was made.
    pub(super) async fn catch_up(self: &Arc<Self>) -> Result<(), StoreError> {
        if !self.behind.load(Ordering::Acquire) {
            return Ok(());
        }
        let changes = Arc::clone(self);
        self.in_turn(async move { changes.flush().await }).await
    }

    async fn flush(&self) -> Result<(), StoreError> {
        let log = Arc::clone(&self.log);
        let waiting: Vec<Entry> = self
            .write(move |transaction| {
                let mut statement = transaction
                    .prepare_cached("SELECT event, sealed FROM outbox ORDER BY seq")
                    .map_err(|e| sqlite(&e))?;
                let rows = statement
                    .query_map([], |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get(1)?)))
                    .map_err(|e| sqlite(&e))?;
                let rows: Vec<([u8; 16], Vec<u8>)> =
                    rows.collect::<Result<_, _>>().map_err(|e| sqlite(&e))?;
                let opened = rows.into_iter().map(|(event, sealed)| {
                    let event = DecisionId::from_uuid(uuid::Uuid::from_bytes(event));
                    opened(&log, event, &sealed)
                });
                Ok((true, opened.collect::<Result<_, _>>()?))
            })
            .await?;
        if !waiting.is_empty() {
            self.log.append_once(waiting).await?;
            self.empty_outbox().await?;
        }
        self.behind.store(false, Ordering::Release);
        Ok(())
    }

    /// Every change left an entry: where there are changes and a log that has just begun, the log is
    /// not the one that belongs here.
    async fn known_to_the_log(&self) -> Result<(), StoreError> {
        let changed = self
            .write(|transaction| {
                let sql = "SELECT EXISTS (SELECT 1 FROM resident) \
                           OR EXISTS (SELECT 1 FROM fact_history) \
                           OR EXISTS (SELECT 1 FROM policy)";
                let changed = transaction.query_row(sql, [], |row| row.get::<_, bool>(0));
                Ok((false, changed.map_err(|e| sqlite(&e))?))
            })
            .await?;
        if changed && self.log.head().size <= 1 {
            let what = "residents, facts or policies are there, but the audit log that tells of them is not";
            return Err(StoreError::Corrupt(what.to_owned()));
        }
        Ok(())
    }

    async fn empty_outbox(&self) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM outbox", []).map_err(|e| sqlite(&e))?;
            Ok((true, ()))
        })
        .await
    }

    /// Leaves nothing of what was deleted in the file's log.
    pub(super) async fn settle(&self) -> Result<(), StoreError> {
        let writer = Arc::clone(&self.writer);
        let done = tokio::task::spawn_blocking(move || {
            let writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            let busy: i64 = writer
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
                .map_err(|e| sqlite(&e))?;
            if busy == 0 {
                Ok(())
            } else {
                Err(unavailable(&"hub.db is being read by somebody else"))
            }
        });
        done.await.map_err(|_| unavailable(&"a worker was stopped"))?
    }

    /// One transaction, committed when `work` says so.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<(bool, T), StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let writer = Arc::clone(&self.writer);
        let done = tokio::task::spawn_blocking(move || {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = writer
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(|e| sqlite(&e))?;
            let (keep, out) = work(&transaction)?;
            if keep { transaction.commit() } else { transaction.rollback() }
                .map_err(|e| sqlite(&e))?;
            Ok(out)
        });
        done.await.map_err(|_| unavailable(&"a worker was stopped"))?
    }
}

/// An entry on its way to the log says nothing that it would not say there.
fn sealed(log: &Log, entry: &Entry) -> Result<Vec<u8>, StoreError> {
    let plain = serde_json::to_vec(entry).map_err(|e| unavailable(&e))?;
    let kind = entry.kind.kept();
    log.keys()
        .sealer(subject_of(entry), entry.event, kind, log.sealing_time())?
        .seal(OUTBOX, &[&plain])
}

fn opened(log: &Log, event: DecisionId, sealed: &[u8]) -> Result<Entry, StoreError> {
    let damaged = || StoreError::Corrupt("an entry on its way to the log".to_owned());
    match log.keys().open_slot(event, OUTBOX, sealed)? {
        Opened::Content(plain) => serde_json::from_slice(&plain).map_err(|_| damaged()),
        Opened::Erased => Err(damaged()),
    }
}

#[cfg(test)]
mod tests;
