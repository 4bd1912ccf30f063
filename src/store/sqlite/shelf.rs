//! Extracts that holders have published: a row for each holder, local id and category.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::log::sqlite;
use super::people::key;
use super::{at_micros, micros, parsed, word};
use crate::domain::{AgencyId, CategoryId, FieldId, FieldValue, Record, ResidentId};
use crate::store::{HeldRecord, ShelfRow, StoreError};

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

pub(super) fn shelve(
    t: &Transaction<'_>,
    holder: &AgencyId,
    category: &CategoryId,
    rows: &[ShelfRow],
    at: Timestamp,
) -> Result<u64, StoreError> {
    let mut insert = t
        .prepare_cached(
            "INSERT INTO shelf (holder, local_id, category, body, published_us) \
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (holder, local_id, category) \
             DO UPDATE SET body = excluded.body, published_us = excluded.published_us",
        )
        .map_err(|e| sqlite(&e))?;
    let mut stored = 0;
    for row in rows {
        let body: BTreeMap<&str, &str> =
            row.values.iter().map(|(field, value)| (field.as_str(), value.expose())).collect();
        let body = serde_json::to_string(&body)
            .map_err(|_| StoreError::Corrupt("a row cannot be written".to_owned()))?;
        insert
            .execute(params![holder.as_str(), row.local_id, category.as_str(), body, micros(at)])
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
            "SELECT local_id, category, published_us FROM shelf \
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
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?)),
        )
        .map_err(|e| sqlite(&e))?;
    rows.map(|row| {
        let (local_id, category, us) = row.map_err(|e| sqlite(&e))?;
        Ok(HeldRecord { local_id, category: word(&category)?, published_at: at_micros(us)? })
    })
    .collect()
}

/// Where an agency has more than one local id for a resident, the later publication wins. The order
/// of the join is fixed: left to itself, SQLite reads all that the holder has.
pub(super) fn record(
    c: &Connection,
    holder: &AgencyId,
    resident: ResidentId,
    categories: &[CategoryId],
) -> Result<Record, StoreError> {
    let mut statement = c
        .prepare_cached(
            "SELECT s.body FROM identity i CROSS JOIN shelf s \
             ON s.holder = i.agency AND s.local_id = i.local_id AND s.category = ?3 \
             WHERE i.resident = ?1 AND i.agency = ?2 ORDER BY s.published_us, s.local_id",
        )
        .map_err(|e| sqlite(&e))?;
    let mut record = Record::default();
    for category in categories {
        let rows = statement
            .query_map(params![key(resident), holder.as_str(), category.as_str()], |row| {
                row.get::<_, String>(0)
            })
            .map_err(|e| sqlite(&e))?;
        for row in rows {
            let body: BTreeMap<FieldId, String> = parsed(&row.map_err(|e| sqlite(&e))?)?;
            for (field, text) in body {
                if let Some(value) = FieldValue::new(text) {
                    record.values.insert(field, value);
                }
            }
        }
    }
    Ok(record)
}
