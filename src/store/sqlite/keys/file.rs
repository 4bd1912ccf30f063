//! `keys.db` row by row: a key is wrapped by the hub key and bound to what it is for.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::super::log::{files_in, sqlite, unavailable};
use super::hub::HubKey;
use super::seal::{Secret, open, seal};
use crate::store::StoreError;

/// The file of wrapped keys.
pub(in crate::store::sqlite) const FILE: &str = "keys.db";
/// Keys wrapped anew between two looks at the next.
const PAGE: usize = 1_000;

/// Version of the file; 1 was written as 0, and had no key for each kind of entry.
const VERSION: i64 = 2;

const SCHEMA_1: &str = "
CREATE TABLE IF NOT EXISTS hub (one INTEGER PRIMARY KEY CHECK (one = 1), id BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS wrapped (
    kind INTEGER NOT NULL, name BLOB NOT NULL, key BLOB NOT NULL, PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
";

/// `ended` names the lots whose keys were destroyed: such a key is never made again. A program of before looks at
/// no version, and would take what is sealed under a kind's key for changed: whatever needs keys reads `hub`
/// first, which tells it, and leads nowhere. A later version that changes tables drops the view before.
const SCHEMA_2: &str = "
CREATE TABLE ended (name BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
ALTER TABLE hub RENAME TO hub_key;
CREATE VIEW hub AS SELECT id FROM \"keys.db is of version 2: use a newer program\";
";

/// What a key is for. The numbers are bound into what is wrapped and never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(super) enum Purpose {
    /// Blind names: of residents in this file, of identifiers in `hub.db`.
    Index = 1,
    /// The seed of the log's signing key.
    Signing = 2,
    /// Entries about nobody.
    Place = 3,
    /// Entries about somebody who is not registered.
    Strangers = 4,
    /// Everything in the log of one year, of before each kind had a key.
    Year = 5,
    /// A resident's identity and records.
    Body = 6,
    /// Entries about a resident.
    Slots = 7,
    /// What is of one kind in the log of one year.
    Kind = 8,
}

/// The name of a key: of a resident's, a blind one; of a lot's, year and kind; of the others, nothing.
pub(super) type Blind = [u8; 32];

fn immediate(file: &mut Connection) -> Result<Transaction<'_>, StoreError> {
    file.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|e| sqlite(&e))
}

/// A transaction that writes keys. Under a hub key that was rotated away meanwhile nothing more may be
/// wrapped: nobody could open it.
pub(super) fn begin_writing<'c>(
    file: &'c mut Connection,
    hub: &HubKey,
) -> Result<Transaction<'c>, StoreError> {
    let t = immediate(file)?;
    let id: Vec<u8> =
        t.query_row("SELECT id FROM hub_key", [], |row| row.get(0)).map_err(|e| sqlite(&e))?;
    if id != hub.id() {
        return Err(StoreError::Keys("the hub key was rotated: start the hub anew".to_owned()));
    }
    Ok(t)
}

/// The place's own keys; made once, with the file.
pub(super) fn begin(
    file: &mut Connection,
    dir: &Path,
    hub: &HubKey,
) -> Result<[Secret; 4], StoreError> {
    let t = immediate(file)?;
    migrate(&t)?;
    let under: Option<Vec<u8>> = t
        .query_row("SELECT id FROM hub_key", [], |row| row.get(0))
        .optional()
        .map_err(|e| sqlite(&e))?;
    match under {
        None => {
            without_keys(dir)?;
            t.execute("INSERT INTO hub_key (one, id) VALUES (1, ?1)", [hub.id()])
                .map_err(|e| sqlite(&e))?;
            for purpose in OWN {
                put(&t, hub, purpose, &[], &Secret::fresh()?)?;
            }
        }
        Some(id) if id == hub.id() => {}
        Some(id) => {
            return Err(StoreError::Keys(format!(
                "{}: its keys are under the hub key {}, not under {}: name the file of that key",
                dir.display(),
                hex::encode(id),
                hub.name()
            )));
        }
    }
    let own = |purpose| {
        let found = wrapped(&t, purpose, &[])?
            .ok_or_else(|| StoreError::Keys(format!("keys.db holds no {purpose:?} key")))?;
        unwrapped(hub, purpose as u8, &[], &found)
    };
    let [index, signing, place, strangers] = OWN;
    let all = [own(index)?, own(signing)?, own(place)?, own(strangers)?];
    t.commit().map_err(|e| sqlite(&e))?;
    Ok(all)
}

/// Makes the tables, or brings those of before up to this version.
fn migrate(t: &Transaction<'_>) -> Result<(), StoreError> {
    let version: i64 =
        t.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(|e| sqlite(&e))?;
    if version > VERSION {
        return Err(StoreError::Keys(format!(
            "keys.db is of version {version}, this program knows {VERSION}: use a newer one"
        )));
    }
    if version < VERSION {
        let steps = format!("{SCHEMA_1} {SCHEMA_2} PRAGMA user_version = {VERSION};");
        t.execute_batch(&steps).map_err(|e| sqlite(&e))?;
    }
    Ok(())
}

/// The keys that a place has one of.
const OWN: [Purpose; 4] = [Purpose::Index, Purpose::Signing, Purpose::Place, Purpose::Strangers];

/// New keys would open nothing of what is there.
pub(in crate::store::sqlite) fn without_keys(dir: &Path) -> Result<(), StoreError> {
    if dir.join(super::super::FILE).exists() || !files_in(dir)?.is_empty() {
        return Err(StoreError::Keys(format!(
            "{} holds a hub without its keys: it is of a version that did not encrypt, or keys.db is \
             lost. A folder of such a version is not brought over: begin with an empty folder, register \
             and publish again, and keep the old one for its log.",
            dir.display()
        )));
    }
    Ok(())
}

pub(super) fn bound_to(kind: u8, name: &[u8]) -> Vec<u8> {
    [b"weir/keys/1".as_slice(), &[kind], name].concat()
}

/// Wraps and stores a key, unless there is one.
pub(super) fn put(
    t: &Transaction<'_>,
    hub: &HubKey,
    purpose: Purpose,
    name: &[u8],
    secret: &Secret,
) -> Result<(), StoreError> {
    let wrapped = seal(&hub.secret, &bound_to(purpose as u8, name), &secret.0)?;
    t.prepare_cached("INSERT OR IGNORE INTO wrapped (kind, name, key) VALUES (?1, ?2, ?3)")
        .and_then(|mut s| s.execute(params![purpose as u8, name, wrapped]))
        .map(drop)
        .map_err(|e| sqlite(&e))
}

pub(super) fn wrapped(
    c: &Connection,
    purpose: Purpose,
    name: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    c.prepare_cached("SELECT key FROM wrapped WHERE kind = ?1 AND name = ?2")
        .and_then(|mut s| s.query_row(params![purpose as u8, name], |row| row.get(0)).optional())
        .map_err(|e| sqlite(&e))
}

pub(super) fn unwrapped(
    hub: &HubKey,
    kind: u8,
    name: &[u8],
    wrapped: &[u8],
) -> Result<Secret, StoreError> {
    open(&hub.secret, &bound_to(kind, name), wrapped)
        .and_then(|bytes| bytes.try_into().ok())
        .map(Secret)
        .ok_or_else(|| StoreError::Keys("a key in keys.db was changed or moved".to_owned()))
}

pub(super) type Row = (u8, Vec<u8>, Vec<u8>);

pub(super) fn page(c: &Connection, after: &(u8, Vec<u8>)) -> Result<Vec<Row>, StoreError> {
    let mut statement = c
        .prepare_cached(
            "SELECT kind, name, key FROM wrapped WHERE (kind, name) > (?1, ?2) \
             ORDER BY kind, name LIMIT ?3",
        )
        .map_err(|e| sqlite(&e))?;
    let rows = statement
        .query_map(params![after.0, after.1, i64::try_from(PAGE).unwrap_or(i64::MAX)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .map_err(|e| sqlite(&e))?;
    rows.collect::<Result<_, _>>().map_err(|e| sqlite(&e))
}

/// Leaves nothing of what was deleted or replaced in the file's log.
pub(super) fn settle(file: &Connection) -> Result<(), StoreError> {
    let busy: i64 = file
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(|e| sqlite(&e))?;
    if busy == 0 { Ok(()) } else { Err(unavailable(&"keys.db is being read by somebody else")) }
}
