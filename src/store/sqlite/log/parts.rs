//! The files of one log: a year each, one tree over all of them. Places go on from file to file.

use std::cell::OnceCell;
use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::Connection;

use super::file::reader;
use super::{sqlite, unavailable};
use crate::store::StoreError;

/// The files, oldest first, each with the place of its first entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parts(Vec<(u64, PathBuf)>);

impl Parts {
    /// The file that entries are written to from this place on.
    pub(super) fn push(&mut self, first: u64, path: PathBuf) {
        self.0.push((first, path));
    }

    /// Which of the files holds an entry, if there is one so far.
    fn numbered(&self, index: u64) -> Result<usize, StoreError> {
        let found = self.0.iter().rposition(|(first, _)| *first <= index);
        found.ok_or_else(|| StoreError::Corrupt(format!("entry {index} is in no file")))
    }

    /// The files that hold the places from `from` up to `end`, with the places that each holds of them.
    pub(super) fn span(&self, from: u64, end: u64) -> impl Iterator<Item = (&Path, u64, u64)> {
        let ends = self.0.iter().skip(1).map(|(first, _)| *first).chain([u64::MAX]);
        self.0.iter().zip(ends).filter_map(move |((first, path), last)| {
            let (from, end) = (from.max(*first), end.min(last));
            (from < end).then_some((path.as_path(), from, end))
        })
    }
}

/// The files of a log, open for reading; each is opened when it is first read.
pub(super) struct Files {
    parts: Parts,
    open: Vec<OnceCell<Connection>>,
}

impl Files {
    pub(super) fn of(parts: Parts) -> Self {
        let open = parts.0.iter().map(|_| OnceCell::new()).collect();
        Self { parts, open }
    }

    /// All files, each as it is now, whether or not a hub is writing.
    pub(super) fn as_of_now(files: &[PathBuf]) -> Result<Self, StoreError> {
        let (mut parts, mut open) = (Parts::default(), Vec::new());
        for (path, connection) in snapshots(files)? {
            let first: Option<i64> = connection
                .query_row("SELECT min(idx) FROM entry", [], |row| row.get(0))
                .map_err(|e| sqlite(&e))?;
            if let Some(first) = first.and_then(|first| u64::try_from(first).ok()) {
                parts.push(first, path);
                open.push(OnceCell::from(connection));
            }
        }
        Ok(Self { parts, open })
    }

    pub(super) const fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The file that holds an entry, if there is one so far.
    pub(super) fn holding(&self, index: u64) -> Result<&Connection, StoreError> {
        self.opened(self.parts.numbered(index)?)
    }

    /// The newest file.
    pub(super) fn newest(&self) -> Result<&Connection, StoreError> {
        self.opened(self.parts.0.len().saturating_sub(1))
    }

    /// Hands over the files that hold the places from `from` up to `end`, with the places that each holds of
    /// them.
    pub(super) fn span(
        &self,
        from: u64,
        end: u64,
        mut each: impl FnMut(&Connection, u64, u64) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for (_, from, end) in self.parts.span(from, end) {
            each(self.holding(from)?, from, end)?;
        }
        Ok(())
    }

    fn opened(&self, n: usize) -> Result<&Connection, StoreError> {
        let nowhere = || StoreError::Corrupt("the log has no file".to_owned());
        let (cell, (_, path)) = self.open.get(n).zip(self.parts.0.get(n)).ok_or_else(nowhere)?;
        if let Some(open) = cell.get() {
            return Ok(open);
        }
        let connection = reader(path)?;
        Ok(cell.get_or_init(|| connection))
    }
}

/// Connections that each see a file as it is now. A file in which no table was made yet is no part of a log.
pub(super) fn snapshots(files: &[PathBuf]) -> Result<Vec<(PathBuf, Connection)>, StoreError> {
    let mut open = Vec::with_capacity(files.len());
    // The newest first: an older one has stopped growing before a newer one begins.
    for path in files.iter().rev() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let told = |why: String| format!("the file {name} cannot be read: {why}");
        let named = |error| match error {
            StoreError::Corrupt(why) => StoreError::Corrupt(told(why)),
            StoreError::Unavailable(why) => StoreError::Unavailable(told(why)),
            StoreError::Full
            | StoreError::InUse
            | StoreError::Keys(_)
            | StoreError::RolledBack(_)
            | StoreError::Refused(_) => error,
        };
        let connection = reader(path).map_err(named)?;
        let begun: bool = connection
            .execute_batch("BEGIN")
            .and_then(|()| connection.query_row(BEGUN, [], |row| row.get(0)))
            .map_err(|e| named(sqlite(&e)))?;
        if begun {
            open.push((path.clone(), connection));
        }
    }
    open.reverse();
    Ok(open)
}

const BEGUN: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table')";

/// The year, for the name of a file.
pub(super) fn year_of(at: Timestamp) -> i16 {
    at.to_zoned(TimeZone::UTC).year()
}

/// The file of a year.
pub(super) fn file_of(dir: &Path, year: i16) -> PathBuf {
    dir.join(format!("audit-{year}.db"))
}

/// The year that a file is named after.
pub(super) fn year_in_name(path: &Path) -> Option<i16> {
    path.file_name()?.to_str()?.strip_prefix("audit-")?.strip_suffix(".db")?.parse().ok()
}

/// Makes the name of a new file last.
pub(super) fn settle_name(path: &Path) -> Result<(), StoreError> {
    let dir = path.parent().filter(|dir| *dir != Path::new("")).unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| unavailable(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_in_one_file_and_a_span_goes_over_as_many_as_it_must() {
        let mut parts = Parts::default();
        assert!(parts.numbered(0).is_err());
        for (first, name) in [(0, "a"), (5, "b"), (9, "c")] {
            parts.push(first, PathBuf::from(name));
        }
        for (index, n) in [(0, 0), (4, 0), (5, 1), (8, 1), (9, 2), (99, 2)] {
            assert_eq!(parts.numbered(index).unwrap(), n, "{index}");
        }
        let check = |from, end, expected: &[(&str, u64, u64)]| {
            let found: Vec<_> = parts.span(from, end).collect();
            let expected: Vec<_> =
                expected.iter().map(|(name, from, end)| (Path::new(*name), *from, *end)).collect();
            assert_eq!(found, expected, "{from} to {end}");
        };
        check(0, 20, &[("a", 0, 5), ("b", 5, 9), ("c", 9, 20)]);
        check(5, 9, &[("b", 5, 9)]);
        check(4, 6, &[("a", 4, 5), ("b", 5, 6)]);
        check(9, 9, &[]);
        check(12, 13, &[("c", 12, 13)]);
    }
}
