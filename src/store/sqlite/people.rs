//! Residents and the agencies' own ids for them.

use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use uuid::Uuid;

use super::keys::Keyring;
use super::log::sqlite;
use super::{parsed, word};
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

/// A resident's identity as it is sealed.
#[derive(serde::Serialize, serde::Deserialize)]
struct Identity {
    nhs_number: Option<String>,
    name: String,
    born: Option<Date>,
    nation: String,
}

/// Where an identity stands, for its seal.
const IDENTITY: &[&[u8]] = &[b"identity"];

/// The keys come first and are durable first: a resident without a key must not be.
pub(super) fn register(
    t: &Transaction<'_>,
    keys: &Keyring,
    residents: &[(Resident, Vec<LocalId>)],
) -> Result<(), StoreError> {
    let ids: Vec<ResidentId> = residents.iter().map(|(resident, _)| resident.id).collect();
    keys.add(&ids)?;
    let mut insert = t
        .prepare_cached(
            "INSERT INTO resident (id, number_tag, match_tag, sealed) VALUES (?1, ?2, ?3, ?4)",
        )
        .map_err(|e| sqlite(&e))?;
    for (resident, local_ids) in residents {
        let Resident { id, nhs_number, name, born, nation } = resident.clone();
        let number = nhs_number.as_ref().map(|n| number_tag(keys, n));
        let same = nhs_number.as_ref().zip(born).map(|(n, born)| same(keys, n, &name, born));
        let identity = serde_json::to_vec(&Identity { nhs_number, name, born, nation })
            .map_err(|_| StoreError::Corrupt("an identity cannot be written".to_owned()))?;
        let sealed = keys.seal_about(id, IDENTITY, &identity)?;
        insert
            .execute(params![key(id), number, same, sealed])
            .map_err(|e| taken(&e, Refusal::IdentifierTaken))?;
        for local in local_ids {
            link(t, id, local)?;
        }
    }
    Ok(())
}

/// The blind name of a number.
pub(super) fn number_tag(keys: &Keyring, nhs_number: &str) -> [u8; 32] {
    keys.blind("weir/number/1", &[nhs_number.as_bytes()])
}

/// The blind name of number, name and birth date together.
fn same(keys: &Keyring, nhs_number: &str, name: &str, born: Date) -> [u8; 32] {
    let (name, born) = (folded(name), born.to_string());
    keys.blind("weir/match/1", &[nhs_number.as_bytes(), name.as_bytes(), born.as_bytes()])
}

/// Opens an identity as it stands in its row.
pub(super) fn identity(
    keys: &Keyring,
    id: ResidentId,
    sealed: &[u8],
) -> Result<Resident, StoreError> {
    let plain = keys.open_about(id, IDENTITY, sealed)?;
    let plain =
        std::str::from_utf8(&plain).map_err(|_| StoreError::Corrupt("a stored row".to_owned()))?;
    let Identity { nhs_number, name, born, nation } = parsed(plain)?;
    Ok(Resident { id, nhs_number, name, born, nation })
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
    keys: &Keyring,
    nhs_number: &str,
    name: &str,
    born: Date,
) -> Result<Vec<ResidentId>, StoreError> {
    let mut statement =
        c.prepare_cached("SELECT id FROM resident WHERE match_tag = ?1").map_err(|e| sqlite(&e))?;
    let rows = statement
        .query_map([same(keys, nhs_number, name, born)], |row| row.get::<_, Vec<u8>>(0))
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
