//! The golden files: a log with a fixed key, what is proven of it, and broken copies of that. Any verifier
//! must accept and refuse them as `tests/golden/bad/cases.json` says. Made from `src/audit` alone.

mod bad;
mod exports;
mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use world::World;

/// Files by their path under `tests/golden`.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What must not verify: a command on a good thing with some files in place of others.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Also the folder of its files under `bad/`.
    pub name: String,
    /// The good folder that it is a broken copy of, under `tests/golden`.
    pub of: String,
    /// Files of the copy that are not there.
    pub without: Vec<String>,
    /// The command, with paths in the copy.
    pub command: Vec<String>,
    /// What a verifier must name.
    pub says: Vec<String>,
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Every file that `src/audit` makes of the fixed entries.
fn made() -> Files {
    let world = World::new();
    let mut files = world.files();
    files.extend(exports::files(&world));
    let cases = bad::cases(&world, &files);
    for (case, own) in &cases {
        let named = |(path, bytes): (&String, &Vec<u8>)| {
            (format!("bad/{}/{path}", case.name), bytes.clone())
        };
        files.extend(own.iter().map(named).collect::<Vec<_>>());
    }
    let cases: Vec<&Case> = cases.iter().map(|(case, _)| case).collect();
    let cases = serde_json::to_string_pretty(&cases).unwrap() + "\n";
    files.insert("bad/cases.json".to_owned(), cases.into_bytes());
    files
}

/// Every file below a folder but what is for people.
pub fn read(folder: &Path) -> Files {
    let (mut found, mut folders) = (Files::new(), vec![folder.to_owned()]);
    while let Some(inside) = folders.pop() {
        for entry in std::fs::read_dir(inside).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("README.md") {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_golden_files_are_what_the_audit_code_makes() {
    let (made, kept) = (made(), read(&folder()));
    let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&made), names(&kept), "made and kept");
    for (name, bytes) in &made {
        assert!(kept.get(name) == Some(bytes), "{name} is another one: see the test below");
    }
}

/// `cargo test --test it -- --ignored writes_the_golden_files`. A change of these files is a change of the
/// format: old receipts must verify for as long as anybody keeps one.
#[test]
#[ignore = "writes tests/golden"]
fn writes_the_golden_files() {
    for name in read(&folder()).keys() {
        std::fs::remove_file(folder().join(name)).unwrap();
    }
    put(&folder(), &made());
}

pub fn put(folder: &Path, files: &Files) {
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}
