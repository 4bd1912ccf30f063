//! Checks with the National Data Opt-out service: who is asked about, and what came back, until it is too old.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::facts::recorded;
use super::keys::Keyring;
use super::log::{sqlite, unavailable};
use super::people::{identity, number_tag, resident_id};
use super::{at_micros, micros};
use crate::domain::{DecisionId, Fact, ResidentId, about};
use crate::store::{Asking, CheckFault, StoreError};

/// Remembers whom a check asks about; their numbers, ascending.
pub(super) fn begin(
    t: &Transaction<'_>,
    keys: &Keyring,
    reference: DecisionId,
    made: Timestamp,
    asking: &Asking,
) -> Result<Result<Vec<String>, CheckFault>, StoreError> {
    let closed = closed(t, asking)?;
    let mut numbers = BTreeSet::new();
    let mut statement = t
        .prepare_cached("SELECT id, sealed FROM resident WHERE number_tag IS NOT NULL")
        .map_err(|e| sqlite(&e))?;
    let mut insert = t
        .prepare_cached(
            "INSERT INTO opt_out_asked (reference, resident, made_us) VALUES (?1, ?2, ?3)",
        )
        .map_err(|e| sqlite(&e))?;
    let mut rows = statement.query([]).map_err(|e| sqlite(&e))?;
    while let Some(row) = rows.next().map_err(|e| sqlite(&e))? {
        let (id, sealed): (Vec<u8>, Vec<u8>) =
            row.get(0).and_then(|id| Ok((id, row.get(1)?))).map_err(|e| sqlite(&e))?;
        let resident = resident_id(&id)?;
        if closed.contains(&about(resident)) {
            continue;
        }
        let number = identity(keys, resident, &sealed)?.nhs_number;
        let Some(number) = number else { continue };
        numbers.insert(number);
        if numbers.len() > asking.most {
            return Ok(Err(CheckFault::TooMany));
        }
        insert
            .execute(params![reference.uuid().as_bytes(), id, micros(made)])
            .map_err(|e| sqlite(&e))?;
    }
    Ok(Ok(numbers.into_iter().collect()))
}

/// Who has a flag that closes their record, as facts name them.
fn closed(c: &Connection, asking: &Asking) -> Result<BTreeSet<String>, StoreError> {
    let mut statement = c
        .prepare_cached("SELECT body, recorded_by, recorded_us FROM fact WHERE kind = 'flag'")
        .map_err(|e| sqlite(&e))?;
    let mut rows = statement.query([]).map_err(|e| sqlite(&e))?;
    let mut closed = BTreeSet::new();
    while let Some(row) = rows.next().map_err(|e| sqlite(&e))? {
        if let Fact::Flag { resident, flag, set: true, .. } = recorded(row, 0)?.fact
            && !asking.open_flags.contains(&flag)
        {
            closed.insert(about(resident));
        }
    }
    Ok(closed)
}

/// An open check.
struct Open {
    /// When it was begun.
    made: Timestamp,
    /// Whom it asks about, by their rows.
    residents: BTreeSet<Vec<u8>>,
}

/// Whom an open check asks about, and since when.
fn asked(c: &Connection, reference: DecisionId) -> Result<Option<Open>, StoreError> {
    let mut statement = c
        .prepare_cached("SELECT resident, made_us FROM opt_out_asked WHERE reference = ?1")
        .map_err(|e| sqlite(&e))?;
    let mut rows = statement.query([reference.uuid().as_bytes()]).map_err(|e| sqlite(&e))?;
    let (mut made, mut all) = (None, BTreeSet::new());
    while let Some(row) = rows.next().map_err(|e| sqlite(&e))? {
        all.insert(row.get(0).map_err(|e| sqlite(&e))?);
        made = Some(at_micros(row.get(1).map_err(|e| sqlite(&e))?)?);
    }
    Ok(made.map(|made| Open { made, residents: all }))
}

/// The numbers that an open check asks about, ascending.
pub(super) fn numbers(
    c: &Connection,
    keys: &Keyring,
    reference: DecisionId,
) -> Result<Option<Vec<String>>, StoreError> {
    let Some(Open { residents, .. }) = asked(c, reference)? else {
        return Ok(None);
    };
    let mut numbers = BTreeSet::new();
    let mut statement =
        c.prepare_cached("SELECT sealed FROM resident WHERE id = ?1").map_err(|e| sqlite(&e))?;
    for id in residents {
        let sealed: Vec<u8> =
            statement.query_row([&id], |row| row.get(0)).map_err(|e| sqlite(&e))?;
        numbers.extend(identity(keys, resident_id(&id)?, &sealed)?.nhs_number);
    }
    Ok(Some(numbers.into_iter().collect()))
}

/// Takes in what came back: who is in `clear` has not opted out, everybody else who was asked about has.
pub(super) fn end(
    t: &Transaction<'_>,
    keys: &Keyring,
    reference: DecisionId,
    clear: &[String],
    oldest: Timestamp,
) -> Result<Result<Timestamp, CheckFault>, StoreError> {
    let open = asked(t, reference)?.filter(|open| open.made >= oldest);
    let Some(Open { made, residents }) = open else {
        return Ok(Err(CheckFault::NoCheck));
    };
    let mut by_number = t
        .prepare_cached("SELECT id FROM resident WHERE number_tag = ?1")
        .map_err(|e| sqlite(&e))?;
    let (mut cleared, mut never) = (BTreeSet::new(), Vec::new());
    for (at, number) in clear.iter().enumerate() {
        let mut rows = by_number.query([number_tag(keys, number)]).map_err(|e| sqlite(&e))?;
        let found: Option<Vec<u8>> = match rows.next().map_err(|e| sqlite(&e))? {
            Some(row) => Some(row.get(0).map_err(|e| sqlite(&e))?),
            None => None,
        };
        match found {
            Some(id) if residents.contains(&id) => {
                cleared.insert(id);
            }
            Some(_) | None => never.push(at),
        }
    }
    if !never.is_empty() {
        return Ok(Err(CheckFault::NeverAsked(never)));
    }
    let mut put = t
        .prepare_cached(
            "INSERT INTO opt_out_check (resident, opted_out, made_us) VALUES (?1, ?2, ?3) \
             ON CONFLICT (resident) DO UPDATE SET opted_out = excluded.opted_out, \
             made_us = excluded.made_us WHERE excluded.made_us >= made_us",
        )
        .map_err(|e| sqlite(&e))?;
    for id in residents {
        let opted_out = !cleared.contains(&id);
        put.execute(params![id, opted_out, micros(made)]).map_err(|e| sqlite(&e))?;
    }
    t.execute("DELETE FROM opt_out_asked WHERE reference = ?1", [reference.uuid().as_bytes()])
        .map_err(|e| sqlite(&e))?;
    Ok(Ok(made))
}

/// Whether there is anything that old.
pub(super) fn is_due(c: &Connection, oldest: Timestamp) -> Result<bool, StoreError> {
    c.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM opt_out_check WHERE made_us < ?1) \
         OR EXISTS (SELECT 1 FROM opt_out_asked WHERE made_us < ?1)",
    )
    .and_then(|mut s| s.query_row([micros(oldest)], |row| row.get(0)))
    .map_err(|e| sqlite(&e))
}

/// Deletes what is that old.
pub(super) fn forget(t: &Transaction<'_>, oldest: Timestamp) -> Result<u64, StoreError> {
    let mut gone = 0;
    for sql in [
        "DELETE FROM opt_out_check WHERE made_us < ?1",
        "DELETE FROM opt_out_asked WHERE made_us < ?1",
    ] {
        gone += t.execute(sql, [micros(oldest)]).map_err(|e| sqlite(&e))?;
    }
    Ok(u64::try_from(gone).unwrap_or_default())
}

/// Deletes everything about a resident who is erased.
pub(super) fn erase(t: &Transaction<'_>, resident: ResidentId) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM opt_out_check WHERE resident = ?1",
        "DELETE FROM opt_out_asked WHERE resident = ?1",
    ] {
        t.execute(sql, [resident.uuid().as_bytes()]).map_err(|e| sqlite(&e))?;
    }
    Ok(())
}

/// Takes all checks out of a copy of the file: a copy is kept for longer than an outcome is good.
pub(super) fn left_out(copy: &Path) -> Result<(), StoreError> {
    let file = Connection::open(copy).map_err(|e| sqlite(&e))?;
    // A folder of an earlier version has none.
    let there: bool = file
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'opt_out_check')",
            [],
            |row| row.get(0),
        )
        .map_err(|e| sqlite(&e))?;
    if there {
        file.execute_batch(
            "PRAGMA secure_delete = ON; DELETE FROM opt_out_check; DELETE FROM opt_out_asked;",
        )
        .map_err(|e| sqlite(&e))?;
    }
    file.close().map_err(|(_, e)| sqlite(&e))?;
    File::open(copy).and_then(|file| file.sync_all()).map_err(|e| unavailable(&e))
}
