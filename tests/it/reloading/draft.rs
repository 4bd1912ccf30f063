//! A policy folder that is edited while a hub follows it.

use std::path::{Path, PathBuf};

use weir::app::reload::{Looked, PolicyFolder, Reloader};
use weir::policy::load::{Files, hash, read_dir};

/// An example that holds whatever the tests edit.
const SCENARIO: &str = r#"[[scenario]]
id = "start"
title = "A reason of one word"
why = "Nobody is told anything without a reason"
at = "2026-07-15T10:00:00+01:00"
given.requester = { agency = "northfield-hospital", role = "nurse" }
ask = { from = "oakdale-gp", purpose = "direct_care", fields = ["health/summary.allergies"], reason = "Care" }
want = { outcome = "DENY", codes = ["REQ_REASON_INADEQUATE"] }
"#;
const AGREEMENT: &str = "agreements/isa-care.toml";
const LIVE: &str = "status = \"live\"";
const SUSPENDED: &str = "status = \"suspended\"";

/// The shipped folder, with one scenario of its own.
pub(crate) struct Draft {
    dir: tempfile::TempDir,
}

impl Draft {
    pub(crate) fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        let draft = Self { dir: tempfile::tempdir().unwrap() };
        for (name, bytes) in read_dir(&root).unwrap() {
            if !name.starts_with("scenarios/") {
                draft.write(&name, bytes);
            }
        }
        draft.write("scenarios/start.toml", SCENARIO);
        draft
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("policies")
    }

    pub(crate) fn unsigned(&self) -> PolicyFolder {
        PolicyFolder::unsigned(self.path())
    }

    pub(crate) fn files(&self) -> Files {
        read_dir(&self.path()).unwrap()
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        hash(&self.files())
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.path().join(name)).unwrap();
    }

    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path().join(name)).unwrap();
        assert!(text.contains(from), "{name} has no {from}");
        self.write(name, text.replacen(from, to, 1));
    }

    /// What a nurse is told of allergies is refused from now on.
    pub(crate) fn close(&self) {
        self.edit(AGREEMENT, LIVE, SUSPENDED);
    }

    /// It is permitted again.
    pub(crate) fn open(&self) {
        self.edit(AGREEMENT, SUSPENDED, LIVE);
    }

    /// One of the two, by turns.
    pub(crate) fn turn(&self) {
        let text = std::fs::read_to_string(self.path().join(AGREEMENT)).unwrap();
        if text.contains(LIVE) { self.close() } else { self.open() }
    }
}

/// Looks until the folder is quiet.
pub(crate) async fn settled(reloader: &mut Reloader) -> Looked {
    let mut looked = reloader.look().await.unwrap();
    for _ in 0..4 {
        if looked == Looked::Busy {
            looked = reloader.look().await.unwrap();
        }
    }
    assert!(looked != Looked::Busy, "the folder is never quiet");
    looked
}
