//! Two heads of one log: that nothing was altered or taken away in between.

use std::path::{Path, PathBuf};

use crate::encoding::number;
use crate::note::{Head, Key};
use crate::receipt::hashes_of;
use crate::tiles::Folder;
use crate::tree::Fold;
use crate::{Fault, text_of};

/// What shows the growth.
#[derive(Debug, Clone)]
pub enum Growth {
    /// The file that `weir audit proof --from` wrote.
    Proof(PathBuf),
    /// A folder of tiles that covers both heads.
    Tiles(PathBuf),
}

/// Verifies that the log of the head in `new` grew out of that in `old`.
///
/// # Errors
/// When something cannot be read or does not verify.
pub fn verify(old: &Path, new: &Path, growth: &Growth, key: &Key) -> Result<Vec<String>, Fault> {
    let named = |path: &Path, what: &str| Fault::one(format!("{}: {what}", path.display()));
    let open = |path: &Path| key.open(&text_of(path)?).map_err(|what| named(path, &what));
    let (earlier, later) = (open(old)?, open(new)?);
    let plain = later.is_plain(&earlier).map_err(|what| named(new, &what))?;
    match growth {
        Growth::Proof(file) => {
            let text = text_of(file)?;
            proven(&text, &earlier, &later, key).map_err(|what| named(file, &what))?;
        }
        Growth::Tiles(folder) => {
            if !plain {
                rooted(&Folder::new(folder), &earlier, &later)?;
            }
        }
    }
    Ok(vec![format!("From {} to {} entries the log only grew", earlier.size, later.size)])
}

fn proven(text: &str, earlier: &Head, later: &Head, key: &Key) -> Result<(), String> {
    let (above, note) = text.split_once("\n\n").ok_or("no empty line before the head")?;
    let mut lines = above.split('\n');
    let from = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(number);
    if from != Some(earlier.size) {
        return Err(format!("line 1: does not begin at head {}", earlier.size));
    }
    let hashes = hashes_of(lines, 2)?;
    let own = key.open(note)?;
    if own != *later {
        return Err(format!("head {}: is not the head of {} entries given", own.size, later.size));
    }
    later.grew_from(earlier, &hashes)
}

/// The leaf hashes of the folder lead to both roots.
fn rooted(folder: &Folder<'_>, earlier: &Head, later: &Head) -> Result<(), Fault> {
    let mut fold = Fold::default();
    let (mut at, mut tile) = (0, 0);
    while at < later.size {
        for hash in folder.hashes(0, tile, later.size)? {
            fold.entry(hash);
            at += 1;
            for head in [earlier, later] {
                if head.size == at && head.root != fold.root() {
                    let what = "the hashes in the tiles do not lead to its root";
                    return Err(Fault::one(format!("head {}: {what}", head.size)));
                }
            }
        }
        tile += 1;
    }
    Ok(())
}
