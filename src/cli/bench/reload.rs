//! Reloads while the hub is measured: a copy of the policy folder is edited again and again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::app::reload::{Looked, Reloader};
use crate::policy::load::{content, read_dir};

/// Time between two reloads.
const EVERY: Duration = Duration::from_millis(250);
/// The file that is edited, by a comment.
const EDITED: &str = "conditions.toml";

/// A copy of a policy folder.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Copies `policies` into `dir`.
    pub(super) fn copy(policies: &Path, dir: &Path) -> Result<Self, String> {
        let wrong = |e: std::io::Error| format!("{}: {e}", dir.display());
        let files = read_dir(policies).map_err(|found| {
            found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        })?;
        for (name, bytes) in content(&files) {
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(dir)).map_err(wrong)?;
            std::fs::write(path, bytes).map_err(wrong)?;
        }
        Ok(Self(dir.to_owned()))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Edits the folder and has each edit come into force until told to stop; tells how many did.
    pub(super) async fn reload(
        &self,
        reloader: &mut Reloader,
        mut stop: oneshot::Receiver<()>,
    ) -> Result<u64, String> {
        let path = self.0.join(EDITED);
        let wrong = |e: std::io::Error| format!("{}: {e}", path.display());
        let text = std::fs::read_to_string(&path).map_err(wrong)?;
        let mut reloads = 0;
        while stop.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
            let edited = format!("{text}# {reloads}\n");
            let (to, bytes) = (path.clone(), edited.into_bytes());
            let written = tokio::task::spawn_blocking(move || std::fs::write(to, bytes)).await;
            written.map_err(|e| e.to_string())?.map_err(wrong)?;
            let mut looked = Looked::Busy;
            while looked == Looked::Busy {
                looked = reloader.look().await.map_err(|e| e.to_string())?;
            }
            if looked != Looked::Activated {
                return Err(format!("an edit did not come into force: {looked:?}"));
            }
            reloads += 1;
            tokio::time::sleep(EVERY).await;
        }
        Ok(reloads)
    }
}
