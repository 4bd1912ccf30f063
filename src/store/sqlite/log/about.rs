//! Which entries are about somebody, whether or not what they say can still be read.

use std::path::Path;

use rusqlite::params;

use super::file::reader;
use super::{Log, blocking, sqlite};
use crate::audit::entry::SlotId;
use crate::audit::leaf::decode;
use crate::store::StoreError;
use crate::store::sqlite::keys::{Keyring, People};

impl Log {
    /// The places, in order, of the entries about `subject` among the first `size`, and that size. Reads
    /// the whole log; entries whose kind's key of their year is destroyed are about nobody any more.
    pub(in crate::store::sqlite) async fn about(
        &self,
        subject: Vec<u8>,
    ) -> Result<(Vec<u64>, u64), StoreError> {
        let ((parts, head), keys) = (self.parts(), self.keys.clone());
        blocking(move || {
            let people = keys.people([subject]);
            let mut places = Vec::new();
            for (path, from, end) in parts.span(0, head.size) {
                about(path, &keys, &people, (from, end), &mut places)?;
            }
            Ok((places, head.size))
        })
        .await
    }
}

fn about(
    path: &Path,
    keys: &Keyring,
    people: &People,
    (from, end): (u64, u64),
    places: &mut Vec<u64>,
) -> Result<(), StoreError> {
    let connection = reader(path)?;
    let mut statement = connection
        .prepare(
            "SELECT e.idx, e.leaf, s.bytes FROM entry e JOIN slot s \
             ON s.idx = e.idx AND s.slot = ?1 WHERE e.idx >= ?2 AND e.idx < ?3 ORDER BY e.idx",
        )
        .map_err(|e| sqlite(&e))?;
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let mut rows = statement
        .query(params![SlotId::Subject as u8, number(from), number(end)])
        .map_err(|e| sqlite(&e))?;
    while let Some(row) = rows.next().map_err(|e| sqlite(&e))? {
        let column = || Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?));
        let (index, leaf, sealed): (i64, Vec<u8>, Vec<u8>) =
            column().map_err(|e: rusqlite::Error| sqlite(&e))?;
        let index = u64::try_from(index).unwrap_or_default();
        let leaf = decode(&leaf).map_err(|e| StoreError::Corrupt(format!("entry {index}: {e}")))?;
        match keys.is_about(leaf.entry.event, &sealed, people) {
            Ok(true) => places.push(index),
            Ok(false) => {}
            // Of a slot that was changed nobody can tell: that must not keep anybody from being erased.
            Err(StoreError::Corrupt(_)) => tracing::warn!(index, "A slot of the log was changed"),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
