//! The daily anchor: a head of the log in a file of the day, for publication. Never overwritten.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::audit::anchor::{file_name, text};
use crate::audit::checkpoint::VerifierKey;
use crate::hub::Hub;
use crate::limits;

/// The name and the text of the anchor of the day.
///
/// # Errors
/// When the note is no head of the log.
pub fn anchored(key: &VerifierKey, note: &str, now: Timestamp) -> Result<(String, String), String> {
    let head = key.open(note).map_err(|e| format!("the head: {e}"))?;
    let day = now.to_zoned(TimeZone::UTC).date();
    Ok((file_name(day), text(day, key, &head, note)))
}

/// Writes a file that is not there yet, whole or not at all.
///
/// # Errors
/// When it is there, or cannot be written.
pub fn keep(path: &Path, text: &str) -> std::io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let _left = std::fs::remove_file(&new);
    let mut file = OpenOptions::new().create_new(true).write(true).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    // A rename would replace what came meanwhile.
    let linked = std::fs::hard_link(&new, path);
    std::fs::remove_file(&new)?;
    linked?;
    match path.parent().filter(|dir| *dir != Path::new("")) {
        Some(dir) => File::open(dir)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

/// Writes the anchor of the day into a folder, unless it is there; tells whether it was written.
fn of_the_day(dir: &Path, key: &VerifierKey, note: &str, now: Timestamp) -> Result<bool, String> {
    let (name, text) = anchored(key, note, now)?;
    let path = dir.join(name);
    if path.exists() {
        return Ok(false);
    }
    let said = |e: std::io::Error| format!("{}: {e}", path.display());
    std::fs::create_dir_all(dir).and_then(|()| keep(&path, &text)).map_err(said)?;
    Ok(true)
}

/// Writes the anchor of each day, again and again, until it is dropped.
pub(super) async fn run(hub: Arc<Hub>, dir: PathBuf, key: VerifierKey) {
    let mut turns = tokio::time::interval(limits::ANCHOR_LOOK_EVERY);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        let now = hub.now();
        // Witnesses have the morning; a day without them has its anchor all the same.
        let must = now.to_zoned(TimeZone::UTC).hour() >= 12;
        let Some(note) = hub.note_to_anchor(must).await else { continue };
        let (dir, key) = (dir.clone(), key.clone());
        let kept = tokio::task::spawn_blocking(move || of_the_day(&dir, &key, &note, now)).await;
        match kept {
            Ok(Ok(true)) => tracing::info!("The anchor of the day is written"),
            Ok(Ok(false)) | Err(_) => {}
            Ok(Err(error)) => tracing::error!(error, "The anchor of the day is not written"),
        }
    }
}
