//! A hub with something between it and its disk: `tests/shim/flush.c`, built once and preloaded.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Whether it is the file that the log's entries are flushed to, of whatever year.
fn is_log(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let year = name.strip_prefix("audit-").and_then(|rest| rest.strip_suffix(".db-wal"));
    year.is_some_and(|year| year.parse::<i16>().is_ok())
}

fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (own, library) = (format!("flush-{}.so", std::process::id()), dir.join("flush.so"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shim/flush.c");
        // Others may build it at the same moment, and a hub may have it open.
        let own = dir.join(own);
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
            .args([own.as_path(), Path::new(source), Path::new("-lpthread")])
            .status()
            .unwrap();
        assert!(built.success(), "{source} does not build");
        std::fs::rename(&own, &library).unwrap();
        library
    })
}

/// What is said to the library, and what it says.
pub(super) struct Shim {
    dir: tempfile::TempDir,
}

impl Shim {
    pub(super) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// The environment of a process whose files under a folder are to be stood before.
    pub(super) fn over(&self, under: &Path) -> Vec<(&'static str, PathBuf)> {
        vec![
            ("LD_PRELOAD", library().to_owned()),
            ("WEIR_SHIM_UNDER", under.canonicalize().unwrap()),
            ("WEIR_SHIM_CONTROL", self.dir.path().to_owned()),
            ("WEIR_SHIM_JOURNAL", self.journal_file()),
        ]
    }

    fn journal_file(&self) -> PathBuf {
        self.dir.path().join("journal")
    }

    /// From now on: `hold`, `hold-log`, `eio`, `full`, `swallow`, with the number that belongs to it.
    pub(super) fn begin(&self, what: &str, number: u64) {
        // Whole from its first moment on.
        let new = self.dir.path().join("new");
        std::fs::write(&new, number.to_string()).unwrap();
        std::fs::rename(new, self.dir.path().join(what)).unwrap();
    }

    pub(super) fn end(&self, what: &str) {
        std::fs::remove_file(self.dir.path().join(what)).unwrap();
    }

    /// Everything recorded so far.
    pub(super) fn journal(&self) -> Vec<Record> {
        let bytes = std::fs::read(self.journal_file()).unwrap_or_default();
        let mut rest = bytes.as_slice();
        std::iter::from_fn(|| Record::taken(&mut rest)).collect()
    }

    pub(super) fn marks(&self) -> Marks {
        let made = OpenOptions::new().create(true).append(true).open(self.journal_file());
        Marks(made.unwrap())
    }
}

/// Puts what callers were told between what the hub wrote.
pub(super) struct Marks(File);

impl Marks {
    /// So many receipts and registrations were told by now.
    pub(super) fn mark(&self, receipts: usize, registered: usize) {
        let mut record = vec![b'A', 0, 0, 0, 0];
        record.extend(u32::try_from(registered).unwrap().to_ne_bytes());
        record.extend((receipts as u64).to_ne_bytes());
        record.extend(0_u64.to_ne_bytes());
        (&self.0).write_all(&record).unwrap();
    }
}

/// A record of the journal, as the head of `flush.c` has it; `A` is a mark.
pub(super) struct Record {
    pub(super) what: u8,
    pub(super) number: u32,
    pub(super) offset: u64,
    pub(super) path: PathBuf,
    pub(super) second: PathBuf,
    pub(super) bytes: Vec<u8>,
}

impl Record {
    /// Takes a record off the front; none where it is not whole yet.
    fn taken(rest: &mut &[u8]) -> Option<Self> {
        let head = rest.get(..25)?;
        let short = |at: usize| usize::from(u16::from_ne_bytes([head[at], head[at + 1]]));
        let long = |at: usize| u64::from_ne_bytes(head[at..at + 8].try_into().unwrap());
        let (path, second) = (short(1), short(3));
        let len = usize::try_from(long(17)).unwrap();
        let body = rest.get(25..25 + path + second + len)?;
        let name = |bytes: &[u8]| PathBuf::from(str::from_utf8(bytes).unwrap());
        let record = Self {
            what: head[0],
            number: u32::from_ne_bytes(head[5..9].try_into().unwrap()),
            offset: long(9),
            path: name(&body[..path]),
            second: name(&body[path..path + second]),
            bytes: body[path + second..].to_vec(),
        };
        *rest = &rest[25 + body.len()..];
        Some(record)
    }

    pub(super) fn is_of_log(&self, what: u8) -> bool {
        self.what == what && is_log(&self.path)
    }

    /// Whether an answer or a part of one was sent: HTTP/2 frames of headers or data.
    pub(super) fn is_answer(&self) -> bool {
        let mut rest = if self.what == b'S' { self.bytes.as_slice() } else { &[] };
        while let [a, b, c, kind, _, _, _, _, _, body @ ..] = rest {
            if *kind < 2 {
                return true;
            }
            let len = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            rest = body.get(len..).unwrap_or_default();
        }
        false
    }
}

#[test]
fn the_log_is_told_by_its_name_in_every_year() {
    for (path, wanted) in [
        ("data/audit-2026.db-wal", true),
        ("data/audit-2027.db-wal", true),
        ("data/audit-2027.db", false),
        ("data/hub.db-wal", false),
        ("data/audit-.db-wal", false),
        ("audit-2027.db-wal/hub.db", false),
    ] {
        assert_eq!(is_log(Path::new(path)), wanted, "{path}");
    }
}
