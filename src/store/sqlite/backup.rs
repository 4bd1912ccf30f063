//! A copy of a data folder as of one moment, beside a hub that goes on, and a folder made of such a copy.
//!
//! All files are read as they were at one moment in which no change was being made: then there is no
//! change without its entry, no entry without its change, and no row without its key. That moment is
//! short; what is copied afterwards no longer moves. See `docs/adr/0019`.

use std::fs::{DirBuilder, File};
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::log::{VERIFIER, files_in, private, reader, sqlite, unavailable, write_whole};
use super::{FILE, heads, keys};
use crate::limits::{BACKUP_LOCK_RETRY, BACKUP_LOCK_TRIES};
use crate::store::StoreError;

/// What a copy consists of, as `sha256sum -c` reads it; written last: without it a copy is no copy.
const SUMS: &str = "SHA256SUMS";
/// Largest list of files that is read.
const SUMS_LEN_MAX: u64 = 64 * 1024;
/// Files beside the databases that a copy takes along where they are there.
const BESIDE: [&str; 2] = [VERIFIER, "sample-clock"];

/// Copies the data folder into `out`, which is empty or not there. The hub may go on; nothing changes
/// for the time it takes to open four files. `step` is told how far it is.
///
/// # Errors
/// When the folder holds no hub, `out` is not empty or in it, or something cannot be read or written.
pub fn back_up(data: &Path, out: &Path, mut step: impl FnMut(&str)) -> Result<(), StoreError> {
    if !data.join(FILE).exists() {
        return Err(unavailable(&format!("{}: there is no {FILE} here", data.display())));
    }
    empty(out)?;
    let shown = out.display();
    if keys::lies_in(out, data).map_err(|e| unavailable(&format!("{shown}: {e}")))? {
        return Err(unavailable(&format!("{shown}: lies in the data folder: name another place")));
    }
    let pinned = Pinned::at_rest(data)?;
    step("pinned");
    DirBuilder::new().recursive(true).mode(0o700).create(out).map_err(|e| unavailable(&e))?;
    let mut names = Vec::new();
    // Keys first: who destroys one waits until nobody reads the file.
    for (name, source) in pinned.files {
        copied(&source, &out.join(&name))?;
        if name == FILE {
            super::opt_out::left_out(&out.join(&name))?;
        }
        step(&name);
        names.push(name);
    }
    for name in BESIDE {
        if let Ok(text) = std::fs::read_to_string(data.join(name)) {
            write_whole(&out.join(name), &text, 0o644)?;
            names.push(name.to_owned());
        }
    }
    let mut sums = String::new();
    for name in &names {
        sums.push_str(&format!("{}  {name}\n", sum(&out.join(name))?));
    }
    step("copied");
    write_whole(&out.join(SUMS), &sums, 0o644)
}

/// Makes the folder `data`, which is empty or not there, of a copy. It stands there whole and approved by
/// `check`, or not at all.
///
/// # Errors
/// When the copy is not whole, `data` is not empty, or `check` says so.
pub fn restore(
    from: &Path,
    data: &Path,
    check: impl FnOnce(&Path) -> Result<(), StoreError>,
    mut step: impl FnMut(&str),
) -> Result<(), StoreError> {
    let files = listed(from)?;
    empty(data)?;
    let mut new = data.components().as_path().as_os_str().to_owned();
    new.push(".restoring");
    let new = PathBuf::from(new);
    // What a restoring left that was cut off is nobody's.
    match std::fs::remove_dir_all(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(unavailable(&error));
        }
        Ok(()) | Err(_) => {}
    }
    DirBuilder::new().recursive(true).mode(0o700).create(&new).map_err(|e| unavailable(&e))?;
    for (expected, name) in files {
        let (source, target) = (from.join(&name), new.join(&name));
        let wrong = |e: std::io::Error| unavailable(&format!("{}: {e}", source.display()));
        private(&target)?;
        std::fs::copy(&source, &target).map_err(wrong)?;
        // Of what was copied: a disk that fails meanwhile is found out.
        if sum(&target)? != expected {
            let what = format!("{}: is not the file that was copied", source.display());
            return Err(StoreError::Corrupt(what));
        }
        File::open(&target).and_then(|file| file.sync_all()).map_err(wrong)?;
        step(&name);
    }
    check(&new)?;
    step("checked");
    let placed = File::open(&new)
        .and_then(|folder| folder.sync_all())
        .and_then(|()| std::fs::rename(&new, data))
        .and_then(|()| match data.parent() {
            Some(dir) if dir != Path::new("") => File::open(dir)?.sync_all(),
            Some(_) | None => File::open(".")?.sync_all(),
        });
    placed.map_err(|e| unavailable(&format!("{}: {e}", data.display())))
}

/// Connections that each see their file as of one and the same moment.
struct Pinned {
    files: Vec<(String, Connection)>,
}

impl Pinned {
    /// A change and its entry are two commits. While this connection has the right to write `hub.db`, no
    /// change is made; what is on its way then stands in the outbox, and goes into the log when the copy is
    /// opened. The log is read after `hub.db` and the keys last: what is sealed has its key.
    fn at_rest(data: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let path = data.join(FILE);
        let mut writer = Connection::open_with_flags(&path, flags).map_err(|e| sqlite(&e))?;
        // A busy hub leaves the file for moments only. SQLite's own waiting looks ever more seldom and may
        // miss them all; this one looks often.
        writer
            .busy_handler(Some(|tries| {
                std::thread::sleep(BACKUP_LOCK_RETRY);
                u32::try_from(tries).is_ok_and(|tries| tries < BACKUP_LOCK_TRIES)
            }))
            .and_then(|()| writer.execute_batch("BEGIN IMMEDIATE"))
            .map_err(|e| sqlite(&e))?;
        let mut files = vec![(FILE.to_owned(), pinned(&path)?)];
        // What was published before the log is read is in it.
        if data.join(heads::FILE).exists() {
            files.push((heads::FILE.to_owned(), pinned(&data.join(heads::FILE))?));
        }
        for path in files_in(data)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push((name, pinned(&path)?));
        }
        files.push((keys::FILE.to_owned(), pinned(&data.join(keys::FILE))?));
        writer.execute_batch("ROLLBACK").map_err(|e| sqlite(&e))?;
        files.reverse();
        Ok(Self { files })
    }
}

/// A connection that sees the file as it is now, whatever is written later.
fn pinned(path: &Path) -> Result<Connection, StoreError> {
    let connection = reader(path)?;
    connection.execute_batch("BEGIN").map_err(|e| sqlite(&e))?;
    connection
        .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0))
        .map_err(|e| sqlite(&e))?;
    Ok(connection)
}

fn copied(source: &Connection, target: &Path) -> Result<(), StoreError> {
    private(target)?;
    let mut file = Connection::open(target).map_err(|e| sqlite(&e))?;
    let backup = Backup::new(source, &mut file).map_err(|e| sqlite(&e))?;
    // The source is in a transaction: this takes what that one sees.
    if backup.step(-1).map_err(|e| sqlite(&e))? != StepResult::Done {
        return Err(unavailable(&format!("{}: could not be copied whole", target.display())));
    }
    drop(backup);
    let sound: String =
        file.query_row("PRAGMA quick_check", [], |row| row.get(0)).map_err(|e| sqlite(&e))?;
    if sound != "ok" {
        return Err(StoreError::Corrupt(format!("{}: {sound}", target.display())));
    }
    file.close().map_err(|(_, e)| sqlite(&e))?;
    File::open(target).and_then(|file| file.sync_all()).map_err(|e| unavailable(&e))
}

fn sum(path: &Path) -> Result<String, StoreError> {
    let wrong = |e: std::io::Error| unavailable(&format!("{}: {e}", path.display()));
    let mut file = File::open(path).map_err(wrong)?;
    let (mut context, mut buffer) = (Context::new(&SHA256), vec![0; 64 * 1024]);
    loop {
        let read = file.read(&mut buffer).map_err(wrong)?;
        if read == 0 {
            return Ok(hex::encode(context.finish()));
        }
        context.update(buffer.get(..read).unwrap_or_default());
    }
}

/// The files of a copy with their sums.
fn listed(from: &Path) -> Result<Vec<(String, String)>, StoreError> {
    let shown = from.display();
    let not = |why: &str| StoreError::Corrupt(format!("{shown}: {why}"));
    let mut text = String::new();
    File::open(from.join(SUMS))
        .and_then(|file| file.take(SUMS_LEN_MAX).read_to_string(&mut text))
        .map_err(|e| not(&format!("{SUMS} cannot be read: {e}. Is this a whole backup?")))?;
    let mut files = Vec::new();
    for line in text.lines() {
        let (sum, name) = line.split_once("  ").ok_or_else(|| not("SHA256SUMS is malformed"))?;
        let ours = name == FILE
            || name == keys::FILE
            || name == heads::FILE
            || BESIDE.contains(&name)
            || (name.starts_with("audit-") && name.ends_with(".db") && !name.contains('/'));
        if !ours {
            return Err(not("SHA256SUMS names a file that is no part of a backup"));
        }
        files.push((sum.to_owned(), name.to_owned()));
    }
    let has = |wanted: &str| files.iter().any(|(_, name)| name == wanted);
    let log = files.iter().any(|(_, name)| name.starts_with("audit-"));
    if has(FILE) && has(keys::FILE) && has(VERIFIER) && log {
        Ok(files)
    } else {
        Err(not("a file is missing in SHA256SUMS"))
    }
}

/// Nothing is overwritten.
fn empty(dir: &Path) -> Result<(), StoreError> {
    let shown = dir.display();
    match std::fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(unavailable(&format!(
            "{shown}: is not empty. Name a new folder: nothing is overwritten."
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unavailable(&format!("{shown}: {error}"))),
    }
}
