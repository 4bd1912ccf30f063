//! Extracts that holders have published: a row for each holder, local id and category.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::keys::Keyring;
use super::log::sqlite;
use super::people::{key, resident_of};
use super::{at_micros, micros, word};
use crate::domain::{AgencyId, CategoryId, FieldId, FieldValue, Record, ResidentId};
use crate::limits;
use crate::store::{HeldRecord, LocalId, ShelfRow, StoreError};

/// Positions of rows whose local id is linked to nobody.
pub(super) fn unlinked(
    c: &Connection,
    holder: &AgencyId,
    rows: &[ShelfRow],
) -> Result<Vec<u64>, StoreError> {
    let mut statement = c
        .prepare_cached("SELECT 1 FROM identity WHERE agency = ?1 AND local_id = ?2")
        .map_err(|e| sqlite(&e))?;
    let mut missing = Vec::new();
    for (at, row) in (0_u64..).zip(rows) {
        let found: Option<i64> = statement
            .query_row(params![holder.as_str(), row.local_id], |row| row.get(0))
            .optional()
            .map_err(|e| sqlite(&e))?;
        if found.is_none() {
            missing.push(at);
        }
    }
    Ok(missing)
}

/// Where a record stands, for its seal: it cannot be moved, and its times cannot be changed.
fn at<T>(
    holder: &AgencyId,
    local_id: &str,
    category: &CategoryId,
    (published_us, expires_us): (i64, i64),
    then: impl FnOnce(&[&[u8]]) -> T,
) -> T {
    let (published, expires) = (published_us.to_be_bytes(), expires_us.to_be_bytes());
    let (holder, category) = (holder.as_str().as_bytes(), category.as_str().as_bytes());
    then(&[b"record", holder, local_id.as_bytes(), category, &published, &expires])
}

pub(super) fn shelve(
    t: &Transaction<'_>,
    keys: &Keyring,
    holder: &AgencyId,
    category: &CategoryId,
    rows: &[ShelfRow],
    (published, expires): (Timestamp, Timestamp),
) -> Result<u64, StoreError> {
    let mut insert = t
        .prepare_cached(
            "INSERT INTO shelf (holder, local_id, category, sealed, published_us, expires_us) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (holder, local_id, category) \
             DO UPDATE SET sealed = excluded.sealed, published_us = excluded.published_us, \
             expires_us = excluded.expires_us",
        )
        .map_err(|e| sqlite(&e))?;
    let times = (micros(published), micros(expires));
    let mut stored = 0;
    for row in rows {
        let local = LocalId { agency: holder.clone(), id: row.local_id.clone() };
        let resident = resident_of(t, &local)?
            .ok_or_else(|| StoreError::Corrupt("a row is linked to nobody".to_owned()))?;
        let body: BTreeMap<&str, &str> =
            row.values.iter().map(|(field, value)| (field.as_str(), value.expose())).collect();
        let body = serde_json::to_vec(&body)
            .map_err(|_| StoreError::Corrupt("a row cannot be written".to_owned()))?;
        let sealed = at(holder, &row.local_id, category, times, |place| {
            keys.seal_about(resident, place, &body)
        })?;
        let (holder, category) = (holder.as_str(), category.as_str());
        insert
            .execute(params![holder, row.local_id, category, sealed, times.0, times.1])
            .map_err(|e| sqlite(&e))?;
        stored += 1;
    }
    Ok(stored)
}

pub(super) fn retract(
    t: &Transaction<'_>,
    holder: &AgencyId,
    category: &CategoryId,
    local_ids: &[String],
) -> Result<u64, StoreError> {
    let mut delete = t
        .prepare_cached("DELETE FROM shelf WHERE holder = ?1 AND category = ?2 AND local_id = ?3")
        .map_err(|e| sqlite(&e))?;
    let mut gone = 0;
    for local_id in local_ids {
        let rows = delete
            .execute(params![holder.as_str(), category.as_str(), local_id])
            .map_err(|e| sqlite(&e))?;
        gone += u64::try_from(rows).unwrap_or_default();
    }
    Ok(gone)
}

pub(super) fn held(
    c: &Connection,
    holder: &AgencyId,
    category: Option<&CategoryId>,
    after: Option<&(CategoryId, String)>,
    limit: usize,
) -> Result<Vec<HeldRecord>, StoreError> {
    let (after_category, after_id) =
        after.map_or(("", ""), |(category, id)| (category.as_str(), id.as_str()));
    let mut statement = c
        .prepare_cached(
            "SELECT local_id, category, published_us, expires_us FROM shelf \
             WHERE holder = ?1 AND (?2 IS NULL OR category = ?2) \
             AND (category, local_id) > (?3, ?4) ORDER BY category, local_id LIMIT ?5",
        )
        .map_err(|e| sqlite(&e))?;
    let rows = statement
        .query_map(
            params![
                holder.as_str(),
                category.map(CategoryId::as_str),
                after_category,
                after_id,
                i64::try_from(limit).unwrap_or(i64::MAX)
            ],
            |row| {
                let times = (row.get::<_, i64>(2)?, row.get::<_, i64>(3)?);
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, times))
            },
        )
        .map_err(|e| sqlite(&e))?;
    rows.map(|row| {
        let (local_id, category, (published, expires)) = row.map_err(|e| sqlite(&e))?;
        Ok(HeldRecord {
            local_id,
            category: word(&category)?,
            published_at: at_micros(published)?,
            expires_at: at_micros(expires)?,
        })
    })
    .collect()
}

/// Takes off the shelf what has expired by `now`, at most `limit` records; tells how many.
pub(super) fn purge(t: &Transaction<'_>, now: Timestamp, limit: usize) -> Result<u64, StoreError> {
    let gone = t
        .execute(
            "DELETE FROM shelf WHERE (holder, local_id, category) IN \
             (SELECT holder, local_id, category FROM shelf WHERE expires_us <= ?1 LIMIT ?2)",
            params![micros(now), i64::try_from(limit).unwrap_or(i64::MAX)],
        )
        .map_err(|e| sqlite(&e))?;
    Ok(u64::try_from(gone).unwrap_or_default())
}

/// What has not expired at `now`. Where an agency has more than one local id for a resident, the later
/// publication wins. The order of the join is fixed: left to itself, SQLite reads all that the holder
/// has.
pub(super) fn record(
    c: &Connection,
    keys: &Keyring,
    holder: &AgencyId,
    resident: ResidentId,
    categories: &[CategoryId],
    now: Timestamp,
) -> Result<Record, StoreError> {
    let mut statement = c
        .prepare_cached(
            "SELECT s.sealed, s.local_id, s.published_us, s.expires_us \
             FROM identity i CROSS JOIN shelf s \
             ON s.holder = i.agency AND s.local_id = i.local_id AND s.category = ?3 \
             WHERE i.resident = ?1 AND i.agency = ?2 AND s.expires_us > ?4 \
             ORDER BY s.published_us, s.local_id",
        )
        .map_err(|e| sqlite(&e))?;
    let mut record = Record::default();
    for category in categories {
        let asked = params![key(resident), holder.as_str(), category.as_str(), micros(now)];
        let mut rows = statement.query(asked).map_err(|e| sqlite(&e))?;
        while let Some(row) = rows.next().map_err(|e| sqlite(&e))? {
            record.values.extend(opened(row, keys, resident, holder, category)?);
        }
    }
    Ok(record)
}

/// The values of a row from (sealed, local_id, published_us, expires_us).
fn opened(
    row: &Row<'_>,
    keys: &Keyring,
    resident: ResidentId,
    holder: &AgencyId,
    category: &CategoryId,
) -> Result<Vec<(FieldId, FieldValue)>, StoreError> {
    let columns = (|| Ok((row.get(0)?, row.get(1)?, (row.get(2)?, row.get(3)?))))();
    let (sealed, local_id, times): (Vec<u8>, String, (i64, i64)) =
        columns.map_err(|e: rusqlite::Error| sqlite(&e))?;
    let body =
        at(holder, &local_id, category, times, |place| keys.open_about(resident, place, &sealed))?;
    let body: BTreeMap<FieldId, String> = serde_json::from_slice(&body)
        .map_err(|_| StoreError::Corrupt("a stored row".to_owned()))?;
    let value = |(field, text)| Some((field, FieldValue::new(text)?));
    Ok(body.into_iter().filter_map(value).collect())
}

/// Every value of `fields`, whoever holds it and however old it is.
pub(super) fn values(
    c: &Connection,
    keys: &Keyring,
    resident: ResidentId,
    fields: &BTreeSet<FieldId>,
) -> Result<Vec<FieldValue>, StoreError> {
    let mut statement = c
        .prepare_cached(
            "SELECT s.sealed, s.local_id, s.published_us, s.expires_us, s.holder \
             FROM identity i CROSS JOIN shelf s \
             ON s.holder = i.agency AND s.local_id = i.local_id AND s.category = ?2 \
             WHERE i.resident = ?1",
        )
        .map_err(|e| sqlite(&e))?;
    let categories: BTreeSet<CategoryId> =
        fields.iter().filter_map(|field| field.category()?.parse().ok()).collect();
    let mut all = Vec::new();
    for category in &categories {
        let mut rows =
            statement.query(params![key(resident), category.as_str()]).map_err(|e| sqlite(&e))?;
        while let Some(row) = rows.next().map_err(|e| sqlite(&e))? {
            let holder: String = row.get(4).map_err(|e| sqlite(&e))?;
            let values = opened(row, keys, resident, &word(&holder)?, category)?;
            all.extend(values.into_iter().filter(|(f, _)| fields.contains(f)).map(|(_, v)| v));
            if all.len() > limits::HIDDEN_VALUES_MAX {
                let what = "more values are hidden than can be looked for";
                return Err(StoreError::Unavailable(what.to_owned()));
            }
        }
    }
    Ok(all)
}
