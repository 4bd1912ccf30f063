//! Exports: lines that cover the whole tree, so that a slice verifies alone, as `docs/export-format.md` says.

mod line;
mod manifest;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use self::line::{Line, Taken};
use self::manifest::Manifest;
use crate::encoding::hex;
use crate::note::Key;
use crate::receipt::Receipt;
use crate::tiles::Order;
use crate::tree::{Fold, leaf_hash, sha256};
use crate::{FINDINGS_MAX, Fault, text_of};

/// The file of entries.
const ENTRIES: &str = "entries.jsonl";
/// Longest line, in bytes: a leaf, its slots, and the view of it.
const LINE_LEN_MAX: u64 = 4 * 1024 * 1024;

/// Verifies an export, and that the receipts belong to it: of one of its entries, or of the entry that
/// says that this export was made, which alone covers the manifest's own words.
///
/// # Errors
/// When it cannot be read, or with what does not verify.
pub fn verify(folder: &Path, key: &Key, receipts: &[PathBuf]) -> Result<Vec<String>, Fault> {
    if !folder.is_dir() {
        return Err(Fault::Usage(format!("{}: there is no such folder", folder.display())));
    }
    let manifest = Manifest::read(folder, key)?;
    let mut wanted = Vec::new();
    for path in receipts {
        let receipt = Receipt::open(&text_of(path)?, key)
            .map_err(|what| Fault::one(format!("{}: {what}", path.display())))?;
        wanted.push((path, receipt));
    }
    let mut reading = Reading::default();
    let taken = reading.all(folder, &manifest, &wanted);
    let mut findings = Vec::new();
    match taken {
        Err(Fault::Findings(lines)) => findings.extend(lines),
        Err(usage) => return Err(usage),
        Ok(()) => findings.extend(reading.ends(&manifest)),
    }
    findings.extend(manifest.files_differ(folder)?);
    let mut entered = false;
    for (path, receipt) in &wanted {
        if manifest.is_entered_by(&receipt.leaf) {
            entered = true;
        } else if findings.is_empty() && !reading.tally.met.contains(&receipt.index) {
            let (path, index) = (path.display(), receipt.index);
            findings.push(format!("{path}: entry {index}: has nothing to do with this export"));
        }
    }
    if !findings.is_empty() {
        findings.truncate(FINDINGS_MAX);
        return Err(Fault::Findings(findings));
    }
    let Tally { entries, covered, slots, .. } = reading.tally;
    Ok(vec![
        format!("{entries} entries, {covered} covered up, under {}", manifest.head),
        format!("{slots} opened slots are what the entries committed to"),
        if entered {
            "manifest.json is the one whose hash the log holds".to_owned()
        } else {
            "what manifest.json says of range, filter, scope and time is its own word: the receipt of \
             the entry of this export (--receipt) would cover it"
                .to_owned()
        },
    ])
}

#[derive(Default)]
struct Tally {
    entries: u64,
    covered: u64,
    slots: u64,
    /// Receipts whose entry is in the export as it stands there.
    met: Vec<u64>,
}

#[derive(Default)]
struct Reading {
    fold: Fold,
    order: Order,
    tally: Tally,
}

impl Reading {
    /// Reads every line, up to the first that does not fit.
    fn all(
        &mut self,
        folder: &Path,
        manifest: &Manifest,
        receipts: &[(&PathBuf, Receipt)],
    ) -> Result<(), Fault> {
        let path = folder.join(ENTRIES);
        let file = File::open(&path).map_err(|_| Fault::one(format!("{ENTRIES}: is missing")))?;
        let mut file = BufReader::new(file);
        let mut last_cover = None;
        for number in 1_u64.. {
            let mut bytes = Vec::new();
            let read = (&mut file).take(LINE_LEN_MAX + 1).read_until(b'\n', &mut bytes);
            if read.map_err(|e| Fault::Usage(format!("{}: {e}", path.display())))? == 0 {
                break;
            }
            let named = |what: String| Fault::one(format!("{ENTRIES}: line {number}: {what}"));
            let text = bytes.strip_suffix(b"\n").ok_or_else(|| {
                named(format!("is cut short, or longer than {LINE_LEN_MAX} bytes"))
            })?;
            let line = Line::read(text).map_err(named)?;
            let next = self.fold.size();
            if line.first() != next {
                let first = line.first();
                return Err(named(format!("begins at entry {first}; entry {next} is the next")));
            }
            match line {
                Line::Covered { from, count, hash } => {
                    if !self.fold.subtree(count, hash) {
                        let what = "no subtree of the tree stands there";
                        return Err(named(format!(
                            "entries {from} and on, {count} of them: {what}"
                        )));
                    }
                    if last_cover == Some(count) && !from.is_multiple_of(2 * count) {
                        let what = "is one covered stretch with the line before";
                        return Err(named(format!("entry {from}: {what}")));
                    }
                    let within = from < manifest.to && from + count > manifest.from;
                    if manifest.everything && within {
                        let what =
                            "is covered up, and the export says that it holds everything there";
                        return Err(named(format!("entry {from}: {what}")));
                    }
                    self.tally.covered += count;
                    last_cover = Some(count);
                }
                Line::Entry(taken) => {
                    self.entry(&taken, manifest, receipts).map_err(named)?;
                    last_cover = None;
                }
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        taken: &Taken,
        manifest: &Manifest,
        receipts: &[(&PathBuf, Receipt)],
    ) -> Result<(), String> {
        let index = taken.index;
        if !(manifest.from..manifest.to).contains(&index) {
            let (from, to) = (manifest.from, manifest.to);
            return Err(format!("entry {index}: is not in the range {from} to {to}"));
        }
        let leaf = self.order.next(index, &taken.leaf)?;
        taken.slots.iter().try_for_each(|slot| slot.check(&leaf, index))?;
        taken.view_is_of(&leaf)?;
        for (_, receipt) in receipts.iter().filter(|(_, receipt)| receipt.index == index) {
            if receipt.bytes != taken.leaf {
                return Err(format!("entry {index}: its leaf is not that of the receipt"));
            }
            self.tally.met.push(index);
        }
        self.fold.entry(leaf_hash(&taken.leaf));
        self.tally.entries += 1;
        self.tally.slots += taken.slots.len() as u64;
        Ok(())
    }

    /// What is wrong once every line was taken.
    fn ends(&self, manifest: &Manifest) -> Vec<String> {
        let (size, own) = (manifest.head.size, self.fold.size());
        let mut findings = Vec::new();
        if own != size {
            findings.push(format!("{ENTRIES}: covers {own} entries; the head {size} of them"));
        } else if self.fold.root() != manifest.head.root {
            findings.push(format!(
                "{ENTRIES}: head {size}: its root is not that of the lines: an entry or a covered \
                 stretch was changed"
            ));
        }
        for (what, said, counted) in [
            ("entries", manifest.entries, self.tally.entries),
            ("covered", manifest.covered, self.tally.covered),
        ] {
            if said != counted {
                findings.push(format!("manifest.json: {what} is {said}; counted are {counted}"));
            }
        }
        findings
    }
}

/// Length and SHA-256 of a file of any length.
fn digest_of(path: &Path) -> std::io::Result<(u64, String)> {
    use sha2::{Digest, Sha256};
    let (mut file, mut hasher) = (File::open(path)?, Sha256::new());
    let (mut buffer, mut len) = (vec![0; 64 * 1024], 0);
    loop {
        let read = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hasher.update(bytes);
        len += bytes.len() as u64;
    }
    Ok((len, hex(&hasher.finalize())))
}

/// SHA-256 in hex, as entries of the log name files.
fn named_digest(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}
