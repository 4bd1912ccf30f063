//! The log's key files.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use super::unavailable;
use crate::audit::checkpoint::SigningKey;
use crate::store::StoreError;

/// Puts a file in its place whole: a crash leaves the old one or the new one.
pub(super) fn write_whole(path: &Path, text: &str, mode: u32) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let new = path.with_extension("new");
    // What a crash left has the mode it was made with.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(unavailable(&error));
        }
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(mode)
        .open(&new)
        .map_err(|e| unavailable(&e))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&new, path))
        .and_then(|()| match path.parent() {
            Some(dir) if dir != Path::new("") => File::open(dir)?.sync_all(),
            Some(_) | None => File::open(".")?.sync_all(),
        })
        .map_err(|e| unavailable(&e))
}

/// Reads the signing key of a file, or makes one there. The file must be its owner's alone.
///
/// # Errors
/// When the file cannot be read or made, is open to others, or holds no key.
pub fn key_file(path: &Path) -> Result<SigningKey, StoreError> {
    use std::os::unix::fs::PermissionsExt;
    let seed = if path.exists() {
        let mut file = File::open(path).map_err(|e| unavailable(&e))?;
        let mode = file.metadata().map_err(|e| unavailable(&e))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(unavailable(&format!(
                "{} is open to others (mode {:o}); run: chmod 600",
                path.display(),
                mode & 0o777
            )));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|e| unavailable(&e))?;
        hex::decode(text.trim()).unwrap_or_default()
    } else {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_| unavailable(&"no randomness"))?;
        write_whole(path, &format!("{}\n", hex::encode(seed)), 0o600)?;
        seed.to_vec()
    };
    SigningKey::from_seed(&seed)
        .map_err(|_| unavailable(&format!("{} holds no signing key", path.display())))
}
