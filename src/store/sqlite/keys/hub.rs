//! The hub key: one file, outside the data folder, its owner's alone.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::seal::{Secret, mac};
use crate::store::StoreError;

/// The key that wraps all others.
#[derive(Clone)]
pub struct HubKey {
    pub(super) secret: Secret,
    id: [u8; 16],
}

impl std::fmt::Debug for HubKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HubKey({})", self.name())
    }
}

impl HubKey {
    /// The key that these bytes are.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let secret = Secret(bytes);
        let mut id = [0; 16];
        id.copy_from_slice(mac(&secret, "weir/hub-key/1", &[]).split_at(16).0);
        Self { secret, id }
    }

    /// Tells one hub key from another, and nothing about it.
    #[must_use]
    pub const fn id(&self) -> [u8; 16] {
        self.id
    }

    /// The id as people read it.
    #[must_use]
    pub fn name(&self) -> String {
        hex::encode(self.id)
    }

    /// Reads the key of a file that lies outside the folder `data`.
    ///
    /// # Errors
    /// When the file lies in the data folder or leads into it, is open to others, or holds no key.
    pub fn read(path: &Path, data: &Path) -> Result<Self, StoreError> {
        let shown = path.display();
        outside(path, data)?;
        let mut file = File::open(path).map_err(|e| {
            let new = "A new hub gets one with: weir keys new FILE";
            bad(format!("the hub key {shown} cannot be read: {e}. {new}"))
        })?;
        let about = file.metadata().map_err(|e| bad(format!("the hub key {shown}: {e}")))?;
        if !about.is_file() {
            return Err(bad(format!("the hub key {shown} is no file")));
        }
        let mode = about.permissions().mode() & 0o777;
        if mode & !0o600 != 0 {
            return Err(bad(format!(
                "the hub key {shown} is open to others (mode {mode:o}); run: chmod 600 {shown}"
            )));
        }
        // A longer file is no key, however long.
        let mut text = String::new();
        let read = Read::by_ref(&mut file).take(128).read_to_string(&mut text);
        let bytes = read.ok().and_then(|_| hex::decode(text.trim()).ok()?.try_into().ok());
        bytes.map(Self::from_bytes).ok_or_else(|| {
            bad(format!("{shown} holds no hub key: that is one line of 64 hexadecimal digits"))
        })
    }

    /// Makes a key in a file that is not there yet; a crash leaves all of it or nothing.
    ///
    /// # Errors
    /// When there is a file already, it would lie in the data folder (where one is named), or it cannot be written.
    pub fn make(path: &Path, data: Option<&Path>) -> Result<Self, StoreError> {
        data.map_or(Ok(()), |data| outside(path, data))?;
        let secret = Secret::fresh()?;
        let mut new: OsString = path.as_os_str().to_owned();
        new.push(".new");
        let new = PathBuf::from(new);
        // What a crash left is nobody's.
        let _left = std::fs::remove_file(&new);
        let written = (|| {
            let mut file =
                OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new)?;
            file.write_all(format!("{}\n", hex::encode(secret.0)).as_bytes())?;
            file.sync_all()?;
            // A rename would replace a key that came meanwhile.
            std::fs::hard_link(&new, path)?;
            std::fs::remove_file(&new)?;
            File::open(folder_of(path))?.sync_all()
        })();
        written.map_err(|e: std::io::Error| {
            bad(format!("the hub key {} cannot be made: {e}", path.display()))
        })?;
        Ok(Self::from_bytes(secret.0))
    }
}

fn bad(what: String) -> StoreError {
    StoreError::Keys(what)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        Some(_) | None => Path::new("."),
    }
}

/// A key that lies where the data lie protects nothing: whoever copies the folder has both.
fn outside(path: &Path, data: &Path) -> Result<(), StoreError> {
    let shown = path.display();
    match lies_in(path, data) {
        Err(e) => Err(bad(format!("the hub key {shown}: {e}"))),
        Ok(true) => Err(bad(format!(
            "the hub key {shown} lies in the data folder: whoever copied the folder would have both. \
             Put it elsewhere."
        ))),
        Ok(false) => Ok(()),
    }
}

/// Whether a file lies in the folder `data`, or is to be made there. Links are followed, so that neither
/// the file nor a folder on the way leads into it.
pub(in crate::store::sqlite) fn lies_in(path: &Path, data: &Path) -> std::io::Result<bool> {
    let whole = |path: &Path| {
        path.canonicalize().or_else(|_| {
            let dir = folder_of(path).canonicalize()?;
            Ok::<_, std::io::Error>(dir.join(path.file_name().unwrap_or_default()))
        })
    };
    // A data folder that is to be made below folders that are not there either holds nothing yet.
    let Ok(data) = whole(data) else { return Ok(false) };
    let dir = folder_of(path).canonicalize()?;
    Ok(dir.starts_with(&data) || whole(path)?.starts_with(&data))
}
