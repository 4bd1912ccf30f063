//! Files as a disk may hold them when the power fails. Of a file, everything written before a flush
//! began that ended is there; of what came later any part, by sectors. Names made, changed and taken
//! away come in order, up to any of them behind the last one whose folder was flushed; a file that was
//! flushed has its name.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::super::Dice;
use super::super::shim::Record;

const SECTOR: usize = 512;

/// What was done to a file.
enum Done {
    Written(usize, Vec<u8>),
    Cut(usize),
}

/// A file, whatever its name.
#[derive(Default)]
struct Content {
    /// What is on the disk for certain.
    base: Vec<u8>,
    since: Vec<Done>,
    /// How much of `since` the flush that is under way will have covered, by descriptor.
    flushing: BTreeMap<u32, usize>,
}

enum Name {
    Made(PathBuf, usize),
    Moved(PathBuf, PathBuf),
    Gone(PathBuf),
}

/// A folder and what was done to it.
pub(super) struct Disk {
    root: PathBuf,
    contents: Vec<Content>,
    /// Names as a process sees them.
    seen: BTreeMap<PathBuf, usize>,
    /// Names as the disk has them for certain.
    kept: BTreeMap<PathBuf, usize>,
    /// What was done to names since.
    names: Vec<Name>,
}

impl Disk {
    /// What was under `root`, of which there is a copy.
    pub(super) fn of(root: &Path, copy: &Path) -> Self {
        let (mut contents, mut kept) = (Vec::new(), BTreeMap::new());
        for path in files(copy) {
            let base = std::fs::read(&path).unwrap();
            kept.insert(root.join(path.strip_prefix(copy).unwrap()), contents.len());
            contents.push(Content { base, ..Content::default() });
        }
        Self { root: root.to_owned(), contents, seen: kept.clone(), kept, names: Vec::new() }
    }

    pub(super) fn take(&mut self, record: &Record) {
        let offset = usize::try_from(record.offset).unwrap();
        match record.what {
            b'W' => {
                let done = Done::Written(offset, record.bytes.clone());
                self.content(&record.path).since.push(done);
            }
            b'T' => self.content(&record.path).since.push(Done::Cut(offset)),
            b'O' => drop(self.content(&record.path)),
            b'R' => {
                if let Some(id) = self.seen.remove(&record.path) {
                    self.seen.insert(record.second.clone(), id);
                    self.names.push(Name::Moved(record.path.clone(), record.second.clone()));
                }
            }
            b'U' if self.seen.remove(&record.path).is_some() => {
                self.names.push(Name::Gone(record.path.clone()));
            }
            b'B' if self.seen.contains_key(&record.path) => {
                let content = self.content(&record.path);
                content.flushing.insert(record.number, content.since.len());
            }
            b'E' => self.flushed(record),
            b'F' => self.lost(record),
            _ => {}
        }
    }

    fn content(&mut self, path: &Path) -> &mut Content {
        let id = *self.seen.entry(path.to_owned()).or_insert_with(|| {
            self.names.push(Name::Made(path.to_owned(), self.contents.len()));
            self.contents.push(Content::default());
            self.contents.len() - 1
        });
        &mut self.contents[id]
    }

    fn flushed(&mut self, record: &Record) {
        let Some(&id) = self.seen.get(&record.path) else {
            // A folder: what was done to names in it so far lasts, and all that was done before.
            let inside = |path: &Path| path.parent() == Some(&record.path);
            let last = self.names.iter().rposition(|name| match name {
                Name::Made(path, _) | Name::Moved(_, path) | Name::Gone(path) => inside(path),
            });
            return self.settle(last);
        };
        let content = &mut self.contents[id];
        let Some(covered) = content.flushing.remove(&record.number) else { return };
        for done in content.since.drain(..covered) {
            done.to(&mut content.base, &mut |_| true);
        }
        for under_way in content.flushing.values_mut() {
            *under_way = under_way.saturating_sub(covered);
        }
        let made = |name: &Name| matches!(name, Name::Made(_, made) if *made == id);
        let last = self.names.iter().rposition(made);
        self.settle(last);
    }

    /// A flush has failed: what it was to bring to the disk may never get there, though every process goes
    /// on seeing it, and no later flush tries it again.
    fn lost(&mut self, record: &Record) {
        let Some(&id) = self.seen.get(&record.path) else { return };
        let content = &mut self.contents[id];
        let Some(covered) = content.flushing.remove(&record.number) else { return };
        content.since.drain(..covered).for_each(drop);
        for under_way in content.flushing.values_mut() {
            *under_way = under_way.saturating_sub(covered);
        }
    }

    fn settle(&mut self, last: Option<usize>) {
        for name in self.names.drain(..last.map_or(0, |last| last + 1)) {
            name.to(&mut self.kept);
        }
    }

    /// The power fails: the files as they may be found, in a folder of their own. Without dice nothing
    /// is lost, as when only the process ends.
    pub(super) fn cut(mut self, to: &Path, mut dice: Option<&mut Dice>) {
        let mut below = |limit| dice.as_mut().map(|dice| dice.below(limit));
        let names = self.names.len();
        let some = below(names as u64 + 1).map_or(names, |some| usize::try_from(some).unwrap());
        for name in self.names.drain(..some) {
            name.to(&mut self.kept);
        }
        for (path, id) in &self.kept {
            let content = &mut self.contents[*id];
            for done in content.since.drain(..) {
                match below(3) {
                    Some(0) => {}
                    Some(1) | None => done.to(&mut content.base, &mut |_| true),
                    Some(_) => done.to(&mut content.base, &mut |_| below(2) == Some(0)),
                }
            }
            let path = to.join(path.strip_prefix(&self.root).unwrap());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &content.base).unwrap();
            std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        }
    }
}

impl Done {
    /// By sectors, those that `there` says.
    fn to(self, base: &mut Vec<u8>, there: &mut dyn FnMut(usize) -> bool) {
        match self {
            Self::Cut(len) if there(0) => base.resize(len, 0),
            Self::Cut(_) => {}
            Self::Written(at, bytes) => {
                let mut from = 0;
                while from < bytes.len() {
                    let sector = (at + from) / SECTOR;
                    let end = ((sector + 1) * SECTOR - at).min(bytes.len());
                    if there(sector) {
                        base.resize(base.len().max(at + end), 0);
                        base[at + from..at + end].copy_from_slice(&bytes[from..end]);
                    }
                    from = end;
                }
            }
        }
    }
}

impl Name {
    fn to(self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Made(path, id) => drop(names.insert(path, id)),
            Self::Moved(from, to) => {
                if let Some(id) = names.remove(&from) {
                    names.insert(to, id);
                }
            }
            Self::Gone(path) => drop(names.remove(&path)),
        }
    }
}

/// Every file under a folder but shared memory, which does not outlive its processes.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&path));
        } else if !path.to_str().unwrap().ends_with("-shm") {
            found.push(path);
        }
    }
    found
}

/// A copy of a folder that nobody writes to.
pub(super) fn copied(from: &Path, to: &Path) {
    for path in files(from) {
        let copy = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::copy(&path, copy).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(what: u8, path: &str, offset: u64, bytes: &[u8]) -> Record {
        let (path, second) = (PathBuf::from(path), PathBuf::new());
        Record { what, number: 3, offset, path, second, bytes: bytes.to_vec() }
    }

    /// What a cut may leave of one file after these records, over many cuts.
    fn left(records: &[Record]) -> std::collections::BTreeSet<Option<Vec<u8>>> {
        let mut dice = Dice(7);
        let one = |dice: &mut Dice| {
            let (copy, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let mut disk = Disk::of(Path::new("/place"), copy.path());
            records.iter().for_each(|record| disk.take(record));
            disk.cut(to.path(), Some(dice));
            std::fs::read(to.path().join("file")).ok()
        };
        (0..64).map(|_| one(&mut dice)).collect()
    }

    #[test]
    fn what_was_flushed_is_there_and_of_the_rest_any_part() {
        let file = "/place/file";
        let first = || record(b'W', file, 0, &[1; 512]);
        let second = || record(b'W', file, 0, &[2; 1024]);
        let (begun, ended) = (|| record(b'B', file, 0, &[]), || record(b'E', file, 0, &[]));
        let whole = |byte: u8, len: usize| Some(vec![byte; len]);
        // Nothing flushed: not even the name is certain.
        let found = left(&[first()]);
        assert_eq!(found, [None, Some(Vec::new()), whole(1, 512)].into());
        let found = left(&[first(), begun(), ended()]);
        assert_eq!(found, [whole(1, 512)].into());
        // Written while the flush was under way: it may be missing.
        let found = left(&[first(), begun(), second(), ended()]);
        assert!(found.contains(&whole(1, 512)) && found.contains(&whole(2, 1024)));
        let torn = |found: &&Option<Vec<u8>>| {
            found.as_ref().is_some_and(|bytes| bytes.len() == 1024 && bytes[0] == 1)
        };
        assert!(found.iter().any(|found| torn(&found)), "a sector of it alone");
        assert!(!found.contains(&None));
        // A flush that failed promises nothing.
        let failed = record(b'F', file, 0, &[]);
        assert!(left(&[first(), begun(), failed]).contains(&None));
    }
}
