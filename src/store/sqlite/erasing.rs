//! Erasing a resident. What is kept in `hub.db` goes in one transaction with the entry that says so, and
//! leaves a mark; then the keys are destroyed, and only then the mark goes: an erasure that was cut off is
//! finished at the next opening, or a minute later. See `docs/adr/0020`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::change::Changes;
use super::keys::Keyring;
use super::log::{IndexRows, Log, sqlite, unavailable};
use super::people::{is_registered, key, resident_id};
use super::readers::Readers;
use super::{SqliteStore, at_micros, micros};
use crate::audit::entry::{Entry, Facet, SlotId};
use crate::audit::erasure::commitment;
use crate::domain::{ResidentId, about};
use crate::store::{Erased, LegalHold, Refusal, StoreError};

/// Where the reference of a hold stands, for its seal.
fn place<T>(tag: &[u8; 32], then: impl FnOnce(&[&[u8]]) -> T) -> T {
    then(&[b"hold", tag])
}

pub(super) fn place_hold(
    t: &Transaction<'_>,
    keys: &Keyring,
    resident: ResidentId,
    reference: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    if !is_registered(t, resident)? {
        return Err(StoreError::Refused(Refusal::NoResident));
    }
    let tag = keys.blind("weir/hold/1", &[reference.as_bytes()]);
    let sealed = place(&tag, |place| keys.seal_about(resident, place, reference.as_bytes()))?;
    t.execute(
        "INSERT OR IGNORE INTO legal_hold (resident, tag, sealed, placed_us) VALUES (?1, ?2, ?3, ?4)",
        params![key(resident), tag, sealed, micros(at)],
    )
    .map(drop)
    .map_err(|e| sqlite(&e))
}

pub(super) fn lift_hold(
    t: &Transaction<'_>,
    keys: &Keyring,
    resident: ResidentId,
    reference: &str,
) -> Result<(), StoreError> {
    let tag = keys.blind("weir/hold/1", &[reference.as_bytes()]);
    let gone = t
        .execute(
            "DELETE FROM legal_hold WHERE resident = ?1 AND tag = ?2",
            params![key(resident), tag],
        )
        .map_err(|e| sqlite(&e))?;
    if gone == 0 { Err(StoreError::Refused(Refusal::NoHold)) } else { Ok(()) }
}

pub(super) fn holds(
    c: &Connection,
    keys: &Keyring,
    limit: usize,
) -> Result<Vec<LegalHold>, StoreError> {
    let mut statement = c
        .prepare_cached(
            "SELECT resident, tag, sealed, placed_us FROM legal_hold \
             ORDER BY placed_us, resident, tag LIMIT ?1",
        )
        .map_err(|e| sqlite(&e))?;
    type Row = (Vec<u8>, [u8; 32], Vec<u8>, i64);
    let rows = statement
        .query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .map_err(|e| sqlite(&e))?;
    rows.map(|row| {
        let (resident, tag, sealed, placed): Row = row.map_err(|e| sqlite(&e))?;
        let resident = resident_id(&resident)?;
        let reference = place(&tag, |place| keys.open_about(resident, place, &sealed))?;
        Ok(LegalHold {
            resident,
            reference: String::from_utf8_lossy(&reference).into_owned(),
            placed_at: at_micros(placed)?,
        })
    })
    .collect()
}

/// Takes everything about a resident out of the file, and marks that the keys are to follow; tells how
/// many records there were.
fn erase(t: &Transaction<'_>, resident: ResidentId) -> Result<u64, StoreError> {
    if !is_registered(t, resident)? {
        return Err(StoreError::Refused(Refusal::NoResident));
    }
    let run =
        |sql: &str, values: &[&dyn rusqlite::ToSql]| t.execute(sql, values).map_err(|e| sqlite(&e));
    let id = key(resident);
    let held: bool = t
        .query_row("SELECT EXISTS (SELECT 1 FROM legal_hold WHERE resident = ?1)", [id], |row| {
            row.get(0)
        })
        .map_err(|e| sqlite(&e))?;
    if held {
        return Err(StoreError::Refused(Refusal::Held));
    }
    let records = run(
        "DELETE FROM shelf WHERE (holder, local_id) IN \
         (SELECT agency, local_id FROM identity WHERE resident = ?1)",
        &[&id],
    )?;
    run("DELETE FROM identity WHERE resident = ?1", &[&id])?;
    run("DELETE FROM choice WHERE resident = ?1", &[&id])?;
    super::opt_out::erase(t, resident)?;
    // A fact about somebody else may name the resident, as a child of theirs.
    let (plain, written) = (about(resident), resident.uuid().to_string());
    run(
        "DELETE FROM fact WHERE about = ?1 OR who = ?1 OR instr(body, ?1) OR instr(body, ?2)",
        &[&plain, &written],
    )?;
    run("DELETE FROM fact_history WHERE instr(body, ?1) OR instr(body, ?2)", &[&plain, &written])?;
    run("DELETE FROM resident WHERE id = ?1", &[&id])?;
    run("INSERT OR IGNORE INTO erasure (resident) VALUES (?1)", &[&id])?;
    Ok(u64::try_from(records).unwrap_or_default())
}

/// Says in the entry how many entries became unreadable and, in a way that can be proved, which.
fn completed(
    mut entry: Entry,
    resident: ResidentId,
    places: &[u64],
    size: u64,
) -> Result<Entry, StoreError> {
    let mut salt = [0; 32];
    SystemRandom::new().fill(&mut salt).map_err(|_| unavailable(&"no randomness"))?;
    let list = hex::encode(commitment(&salt, size, places));
    entry.facets.extend(BTreeMap::from([
        (Facet::What, format!("resident|{list}")),
        (Facet::Count, places.len().to_string()),
    ]));
    let opening = serde_json::json!({
        "resident": resident.uuid().to_string(), "size": size, "salt": hex::encode(salt),
    });
    entry.slots.insert(SlotId::Request, opening.to_string().into_bytes());
    Ok(entry)
}

impl SqliteStore {
    pub(super) async fn erase_now(
        &self,
        resident: ResidentId,
        entry: Entry,
    ) -> Result<Erased, StoreError> {
        let (changes, log) = (Arc::clone(&self.changes), Arc::clone(&self.log));
        let erased = self.changes.in_turn(async move {
            let (places, size) = log.about(key(resident).to_vec()).await?;
            let entry = completed(entry, resident, &places, size)?;
            let erase = move |t: &Transaction<'_>| erase(t, resident).map(Ok::<u64, Infallible>);
            let made = changes.make_now(vec![entry], erase);
            let (records, receipts) = made.await?.unwrap_or_else(|never| match never {});
            let receipt = super::own(receipts)?;
            let entries = u64::try_from(places.len()).unwrap_or_default();
            Ok(Erased { receipt, entries, records })
        });
        let erased = erased.await?;
        finish(&self.readers, &self.changes, &self.log).await.map_err(|error| {
            unavailable(&format!("the erasure is entered, and goes on within a minute: {error}"))
        })?;
        Ok(erased)
    }
}

/// Destroys the keys of who was erased, and what the file's log still holds of them.
pub(super) async fn finish(
    readers: &Readers,
    changes: &Changes,
    log: &Arc<Log>,
) -> Result<(), StoreError> {
    let marked = readers
        .read(|c| {
            let mut statement =
                c.prepare_cached("SELECT resident FROM erasure").map_err(|e| sqlite(&e))?;
            let rows =
                statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).map_err(|e| sqlite(&e))?;
            rows.map(|row| resident_id(&row.map_err(|e| sqlite(&e))?))
                .collect::<Result<Vec<_>, _>>()
        })
        .await?;
    if marked.is_empty() {
        return Ok(());
    }
    let (erased, all) = (Arc::clone(log), marked.clone());
    let destroyed = tokio::task::spawn_blocking(move || {
        // The index finds its rows by the keys: first which they are, and out when nothing needs them. The keys
        // of all go first: they are what matters.
        let mut rows = IndexRows::default();
        for one in all {
            rows.add(erased.rows_about(one)?);
            erased.keys().destroy(one)?;
        }
        erased.forget_rows(rows).map(drop)
    });
    destroyed.await.map_err(|_| unavailable(&"a worker was stopped"))??;
    // The mark goes last: where somebody else still reads, this is done again.
    changes.settle().await?;
    changes
        .write(move |t| {
            for resident in &marked {
                t.execute("DELETE FROM erasure WHERE resident = ?1", [key(*resident)])
                    .map_err(|e| sqlite(&e))?;
            }
            Ok((true, ()))
        })
        .await
}
