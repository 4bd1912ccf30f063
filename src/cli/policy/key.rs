//! `weir policy keygen`, and the file of an approver's key.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

use super::Outcome;
use crate::policy::approval::{Bundle, Signature};

/// First line of a key's file.
const HEAD: &str = "weir policy approval key 1";

/// Which file.
#[derive(clap::Args)]
#[command(after_help = "Example: weir policy keygen ~/weir-approval.key")]
pub struct Wish {
    /// The file; must not be there yet. It is yours alone: whoever has it approves in your name.
    file: PathBuf,
    /// Your name, for the lines that the operator enters.
    #[arg(long, default_value = "YOUR NAME")]
    name: String,
}

/// Makes a key and says what the operator must enter.
pub(super) fn run(wish: &Wish) -> Outcome {
    match Key::make(&wish.file) {
        Ok(key) => Outcome {
            text: format!(
                "{}: made. Keep it to yourself. The operator enters in weir.toml:\n\n\
                 [[policy.key]]\nname = \"{}\"\npublic = \"{}\"\nroles = []",
                wish.file.display(),
                wish.name.replace(['"', '\\'], ""),
                hex::encode(key.public()),
            ),
            exit: 0,
        },
        Err(text) => Outcome { text, exit: 2 },
    }
}

/// The key of one approver.
pub(super) struct Key(Ed25519KeyPair);

impl Key {
    fn make(file: &Path) -> Result<Self, String> {
        let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
        let pair = Ed25519KeyPair::generate().map_err(|e| wrong(&e))?;
        let secret = pair.to_pkcs8().map_err(|e| wrong(&e))?;
        let mut out = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file)
            .map_err(|e| wrong(&e))?;
        let text = format!("{HEAD}\n{}\n", hex::encode(secret.as_ref()));
        out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(|e| wrong(&e))?;
        Ok(Self(pair))
    }

    /// Reads a key that stands outside the folder that it approves.
    pub(super) fn read(file: &Path, policies: &Path) -> Result<Self, String> {
        let shown = file.display();
        let wrong = |e: std::io::Error| format!("{shown}: {e}");
        let (at, folder) = (file.canonicalize().map_err(wrong)?, policies.canonicalize());
        if folder.is_ok_and(|folder| at.starts_with(folder)) {
            return Err(format!("{shown}: a key must not lie in the folder that it approves"));
        }
        let mode = at.metadata().map_err(wrong)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(format!("{shown}: is open to others: chmod 600 {shown}"));
        }
        let text = std::fs::read_to_string(&at).map_err(wrong)?;
        let secret = text.strip_prefix(HEAD).map(str::trim).and_then(|hex| hex::decode(hex).ok());
        let pair = secret.and_then(|secret| Ed25519KeyPair::from_pkcs8(&secret).ok());
        pair.map(Self).ok_or_else(|| format!("{shown}: is no key of `weir policy keygen`"))
    }

    fn public(&self) -> [u8; 32] {
        let mut public = [0; 32];
        public.copy_from_slice(self.0.public_key().as_ref());
        public
    }

    /// Signs the bundle's file.
    pub(super) fn sign(&self, name: &str, bundle: &[u8]) -> Signature {
        let bytes = self.0.sign(&Bundle::message(bundle)).as_ref().to_vec();
        Signature { name: name.to_owned(), key: self.public(), bytes }
    }
}
