//! Threads that only read: each has a connection of its own, and all take work from one queue. A busy
//! thread goes on without being woken, and no reader waits for another one's connection.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

use super::log::{sqlite, unavailable};
use crate::limits::READ_QUEUE_MAX;
use crate::store::StoreError;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// The reading threads of one file.
pub(super) struct Readers {
    queue: Mutex<Option<Sender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    /// Opens as many connections as there are processors, 2 to 8.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let count = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8));
        let (queue, jobs) = bounded(READ_QUEUE_MAX);
        let threads = (0..count)
            .map(|_| {
                let (connection, jobs) = (connection(path)?, jobs.clone());
                std::thread::Builder::new()
                    .name("weir-reader".to_owned())
                    .spawn(move || work(&connection, &jobs))
                    .map_err(|e| unavailable(&e))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { queue: Mutex::new(Some(queue)), threads: Mutex::new(threads) })
    }

    /// Has `work` done by the next free thread.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Who asked may have gone away.
            let _gone = reply.send(work(connection));
        });
        {
            let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            let queue = queue.as_ref().ok_or_else(|| unavailable(&"the store is closed"))?;
            queue.try_send(job).map_err(|_| unavailable(&"too many reads are waiting"))?;
        }
        answer.await.map_err(|_| unavailable(&"a reader was stopped"))?
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("A reader of the store ended by a panic");
            }
        }
    }
}

fn connection(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| sqlite(&e))?;
    connection
        .execute_batch(
            "PRAGMA query_only = ON; PRAGMA busy_timeout = 2000; PRAGMA cache_size = -32768;",
        )
        .map_err(|e| sqlite(&e))?;
    // Otherwise SQLite prepares a statement anew whenever another key is bound to it.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(|e| sqlite(&e))?;
    connection.set_prepared_statement_cache_capacity(64);
    #[cfg(test)]
    let connection = {
        let mut connection = connection;
        tests::watch(&mut connection, path);
        connection
    };
    Ok(connection)
}

fn work(connection: &Connection, jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        // One question that cannot be answered must not leave fewer threads for all others.
        if catch_unwind(AssertUnwindSafe(|| job(connection))).is_err() {
            tracing::error!("A read of the store ended by a panic");
        }
    }
}

#[cfg(test)]
mod tests;
