//! Residents and the agencies' own ids for them.

use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use uuid::Uuid;

use super::log::sqlite;
use super::word;
use crate::domain::ResidentId;
use crate::store::{LocalId, Refusal, Resident, StoreError};

/// Lower case, white space collapsed.
fn folded(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

pub(super) fn key(resident: ResidentId) -> [u8; 16] {
    *resident.uuid().as_bytes()
}

pub(super) fn resident_id(bytes: &[u8]) -> Result<ResidentId, StoreError> {
    Uuid::from_slice(bytes)
        .map(ResidentId::from_uuid)
        .map_err(|_| StoreError::Corrupt("a stored resident".to_owned()))
}

/// A broken uniqueness is a refusal; everything else is the store's trouble.
pub(super) fn taken(error: &rusqlite::Error, refusal: Refusal) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => StoreError::Refused(refusal),
        Some(_) | None => sqlite(error),
    }
}

pub(super) fn register(
    t: &Transaction<'_>,
    residents: &[(Resident, Vec<LocalId>)],
) -> Result<(), StoreError> {
    let mut insert = t
        .prepare_cached(
            "INSERT INTO resident (id, nhs_number, name, folded, born, nation) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .map_err(|e| sqlite(&e))?;
    for (resident, local_ids) in residents {
        insert
            .execute(params![
                key(resident.id),
                resident.nhs_number,
                resident.name,
                folded(&resident.name),
                resident.born.map(|born| born.to_string()),
                resident.nation
            ])
            .map_err(|e| taken(&e, Refusal::IdentifierTaken))?;
        for local in local_ids {
            link(t, resident.id, local)?;
        }
    }
    Ok(())
}

pub(super) fn link(
    t: &Transaction<'_>,
    resident: ResidentId,
    local: &LocalId,
) -> Result<(), StoreError> {
    let known: Option<i64> = t
        .prepare_cached("SELECT 1 FROM resident WHERE id = ?1")
        .and_then(|mut s| s.query_row([key(resident)], |row| row.get(0)).optional())
        .map_err(|e| sqlite(&e))?;
    if known.is_none() {
        return Err(StoreError::Refused(Refusal::NoResident));
    }
    t.prepare_cached("INSERT INTO identity (agency, local_id, resident) VALUES (?1, ?2, ?3)")
        .and_then(|mut s| s.execute(params![local.agency.as_str(), local.id, key(resident)]))
        .map_err(|e| taken(&e, Refusal::LocalIdTaken))?;
    Ok(())
}

pub(super) fn unlink(t: &Transaction<'_>, local: &LocalId) -> Result<(), StoreError> {
    let gone = t
        .execute(
            "DELETE FROM identity WHERE agency = ?1 AND local_id = ?2",
            params![local.agency.as_str(), local.id],
        )
        .map_err(|e| sqlite(&e))?;
    if gone == 0 {
        return Err(StoreError::Refused(Refusal::NoLink));
    }
    // What was published under the link was published about somebody: it does not pass to whoever
    // gets the local id next.
    t.execute(
        "DELETE FROM shelf WHERE holder = ?1 AND local_id = ?2",
        params![local.agency.as_str(), local.id],
    )
    .map_err(|e| sqlite(&e))?;
    Ok(())
}

pub(super) fn find(
    c: &Connection,
    nhs_number: &str,
    name: &str,
    born: Date,
) -> Result<Vec<ResidentId>, StoreError> {
    let mut statement = c
        .prepare_cached(
            "SELECT id FROM resident WHERE nhs_number = ?1 AND folded = ?2 AND born = ?3",
        )
        .map_err(|e| sqlite(&e))?;
    let rows = statement
        .query_map(params![nhs_number, folded(name), born.to_string()], |row| {
            row.get::<_, Vec<u8>>(0)
        })
        .map_err(|e| sqlite(&e))?;
    rows.map(|row| resident_id(&row.map_err(|e| sqlite(&e))?)).collect()
}

pub(super) fn is_registered(c: &Connection, id: ResidentId) -> Result<bool, StoreError> {
    c.prepare_cached("SELECT EXISTS (SELECT 1 FROM resident WHERE id = ?1)")
        .and_then(|mut s| s.query_row([key(id)], |row| row.get(0)))
        .map_err(|e| sqlite(&e))
}

pub(super) fn resident_of(
    c: &Connection,
    local: &LocalId,
) -> Result<Option<ResidentId>, StoreError> {
    let found: Option<Vec<u8>> = c
        .prepare_cached("SELECT resident FROM identity WHERE agency = ?1 AND local_id = ?2")
        .and_then(|mut s| {
            s.query_row(params![local.agency.as_str(), local.id], |row| row.get(0)).optional()
        })
        .map_err(|e| sqlite(&e))?;
    found.map(|bytes| resident_id(&bytes)).transpose()
}

pub(super) fn local_ids(c: &Connection, resident: ResidentId) -> Result<Vec<LocalId>, StoreError> {
    let mut statement = c
        .prepare_cached(
            "SELECT agency, local_id FROM identity WHERE resident = ?1 ORDER BY agency, local_id",
        )
        .map_err(|e| sqlite(&e))?;
    let rows = statement
        .query_map([key(resident)], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))
        .map_err(|e| sqlite(&e))?;
    rows.map(|row| {
        let (agency, id) = row.map_err(|e| sqlite(&e))?;
        Ok(LocalId { agency: word(&agency)?, id })
    })
    .collect()
}

pub(super) fn resident(c: &Connection, id: ResidentId) -> Result<Option<Resident>, StoreError> {
    type Row = (Option<String>, String, Option<String>, String);
    let row: Option<Row> = c
        .prepare_cached("SELECT nhs_number, name, born, nation FROM resident WHERE id = ?1")
        .and_then(|mut s| {
            s.query_row([key(id)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
                .optional()
        })
        .map_err(|e| sqlite(&e))?;
    row.map(|(nhs_number, name, born, nation)| {
        let born = born.map(|born| word(&born)).transpose()?;
        Ok(Resident { id, nhs_number, name, born, nation })
    })
    .transpose()
}
