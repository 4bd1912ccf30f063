//! Reads a log's file for the verifier, whether or not a hub is running.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::file::{SCHEMA, stored_notes};
use super::parts::snapshots;
use super::rollback::Seen;
use super::rows::{Found, in_order};
use super::sqlite;
use super::tiles::stored;
use crate::audit::checkpoint::VerifierKey;
use crate::audit::tile::TileId;
use crate::audit::verify::{Verdict, Verifier};
use crate::store::StoreError;

/// The table that a log of the version before does not have.
const TILES: &str = "tile";

/// Verifies the file of a log, all of it, against a size and root that were kept from earlier, and
/// against what its lock has seen.
///
/// # Errors
/// When the file cannot be read; what is wrong with what can be read is in the verdict.
pub fn verify_file(
    path: &Path,
    key: VerifierKey,
    kept: impl IntoIterator<Item = (u64, [u8; 32])>,
    lock: Option<&Seen>,
) -> Result<Verdict, StoreError> {
    verify_files(std::slice::from_ref(&path.to_owned()), key, kept, lock)
}

/// Verifies the files of one log, oldest first, as [`verify_file`] does.
///
/// # Errors
/// As there.
pub fn verify_files(
    files: &[PathBuf],
    key: VerifierKey,
    kept: impl IntoIterator<Item = (u64, [u8; 32])>,
    lock: Option<&Seen>,
) -> Result<Verdict, StoreError> {
    let seen = lock.map(|seen| (seen.size, seen.root));
    let begun = |heads| Verifier::new(key, heads).since(kept).locked(seen);
    let open = match snapshots(files) {
        // One that is no database any more says nothing, nor where the others stand.
        Err(StoreError::Corrupt(why)) => {
            let mut verifier = begun(Vec::new());
            verifier.find(why);
            return Ok(verifier.finish());
        }
        open => open?,
    };
    let (mut heads, mut damaged) = (Vec::new(), Vec::new());
    for (path, connection) in &open {
        match heads_of(connection) {
            Err(StoreError::Corrupt(why)) => {
                damaged
                    .push(format!("the heads in the file {} cannot be read: {why}", named(path)));
            }
            found => heads.extend(found?),
        }
    }
    let mut verifier = begun(heads);
    damaged.into_iter().for_each(|finding| verifier.find(finding));
    for (n, (path, connection)) in open.iter().enumerate() {
        if n > 0 {
            verifier.next_file();
        }
        match read(path, connection, &mut verifier) {
            Err(StoreError::Corrupt(why)) => {
                let (name, size) = (named(path), verifier.size());
                verifier
                    .find(format!("the file {name} cannot be read on from entry {size}: {why}"));
            }
            read => read?,
        }
    }
    Ok(verifier.finish())
}

/// The name of a file, for a finding.
fn named(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// All heads; one that is no text any more is none that was signed.
fn heads_of(connection: &Connection) -> Result<Vec<(u64, String)>, StoreError> {
    let notes = stored_notes(connection)?.into_iter();
    Ok(notes.map(|(size, note)| (size, String::from_utf8_lossy(&note).into_owned())).collect())
}

fn read(path: &Path, connection: &Connection, verifier: &mut Verifier) -> Result<(), StoreError> {
    let first = verifier.size();
    begins(path, connection, verifier);
    let has_tiles = foreign_parts(&named(path), connection, verifier)?;
    in_order(path, connection, |seen| {
        match seen {
            Found::Finding(finding) => verifier.find(finding),
            Found::Entry(index, row) => match u64::try_from(index) {
                Ok(index) => verifier.take(index, &row),
                Err(_) => verifier.find(format!("entry {index}: has a negative place")),
            },
        }
        for tile in verifier.filled() {
            if has_tiles {
                verifier.tile(&tile, stored(connection, tile.id)?.as_deref());
            }
        }
        Ok(())
    })?;
    if has_tiles {
        extra_tiles(connection, first, verifier)?;
    }
    Ok(())
}

/// Says where a file begins later than it should.
fn begins(path: &Path, connection: &Connection, verifier: &mut Verifier) {
    let begins: rusqlite::Result<Option<i64>> =
        connection.query_row("SELECT min(idx) FROM entry", [], |row| row.get(0));
    // One that cannot be read, and one that holds nothing, is spoken of when it is.
    let (Ok(Some(begins)), next) = (begins, verifier.next()) else { return };
    if u64::try_from(begins).is_ok_and(|begins| begins > next) {
        verifier.find(format!(
            "{} begins with entry {begins}: what was before it is missing, from entry {next} on, and \
             maybe its file",
            named(path)
        ));
    }
}

/// Names what is no part of a log; tells whether there are tiles.
///
/// # Errors
/// `Corrupt` where a table is not there that every log has.
fn foreign_parts(
    file: &str,
    connection: &Connection,
    verifier: &mut Verifier,
) -> Result<bool, StoreError> {
    let mut wanted = tables();
    let mut statement = connection
        .prepare("SELECT type, name, sql FROM sqlite_master ORDER BY type, name")
        .map_err(|e| sqlite(&e))?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?)))
        .map_err(|e| sqlite(&e))?;
    for row in rows {
        let (kind, name, sql): (String, String, Option<String>) = row.map_err(|e| sqlite(&e))?;
        // SQLite makes what a primary key needs by itself, and keeps no text of it.
        if kind == "index" && sql.is_none() && name.starts_with("sqlite_autoindex_") {
            continue;
        }
        match wanted.remove(&name) {
            Some(meant) if kind == "table" && sql.is_some_and(|sql| plain(&sql) == meant) => {}
            Some(_) => {
                verifier.find(format!("{kind} {name} in {file} is not made as a log makes it"));
            }
            None => verifier.find(format!("{kind} {name} in {file} is no part of a log")),
        }
    }
    let has_tiles = !wanted.contains_key(TILES);
    wanted.remove(TILES);
    match wanted.into_keys().next() {
        Some(missing) => Err(StoreError::Corrupt(format!("it has no table {missing}"))),
        None => Ok(has_tiles),
    }
}

/// The tables of a log by name, each as it is made.
fn tables() -> BTreeMap<String, String> {
    let made = SCHEMA.split(';').map(plain).filter(|sql| !sql.is_empty());
    let named = made.filter_map(|sql| {
        let name = sql.strip_prefix("CREATE TABLE ")?.split(' ').next()?.to_owned();
        Some((name, sql))
    });
    named.collect()
}

/// The text of a table without what changes nothing in it.
fn plain(sql: &str) -> String {
    let words: Vec<&str> = sql.split_whitespace().collect();
    words.join(" ").replace("CREATE TABLE IF NOT EXISTS ", "CREATE TABLE ")
}

/// Names the tiles that the entries of this file, from the `first` on, did not fill.
fn extra_tiles(
    connection: &Connection,
    first: u64,
    verifier: &mut Verifier,
) -> Result<(), StoreError> {
    let filled = first..verifier.size();
    let mut statement = connection
        .prepare("SELECT level, n FROM tile ORDER BY level, n")
        .map_err(|e| sqlite(&e))?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .map_err(|e| sqlite(&e))?;
    for row in rows {
        let (level, n) = row.map_err(|e| sqlite(&e))?;
        let id = match (u8::try_from(level), u64::try_from(n)) {
            (Ok(level), Ok(n)) => Some(TileId { level, n }),
            (_, _) => None,
        };
        if id.is_none_or(|id| !filled.contains(&id.last_entry())) {
            verifier.find(format!("tile {level}/{n}: is of entries that are not there"));
        }
    }
    Ok(())
}
