//! The architecture is a test: each module's `crate::` paths against what it may use.

use std::path::{Path, PathBuf};

/// Module, and what it may name besides itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("policy", &["domain", "limits"]),
    ("audit", &["domain"]),
    ("disclose", &["domain", "policy", "rights"]),
    ("consent", &["domain", "policy"]),
    ("rights", &["domain", "policy"]),
    ("auth", &["domain", "clock", "limits"]),
    ("store", &["domain", "audit", "clock", "limits"]),
    ("source", &["domain", "store"]),
    (
        "hub",
        &[
            "domain", "policy", "audit", "disclose", "consent", "auth", "store", "source", "clock",
            "limits", "rights",
        ],
    ),
    ("witness", &["audit", "store", "clock", "limits"]),
    (
        "grpc",
        &[
            "domain", "policy", "audit", "auth", "store", "hub", "limits", "source", "consent",
            "rights",
        ],
    ),
];

/// Words of the outside that pure modules must not name.
const IMPURE: &[&str] = &["tokio", "tonic", "rusqlite", "std::fs", "Timestamp::now", "std::net"];
const PURE: &[&str] = &["domain", "policy", "audit", "disclose", "consent", "rights"];

fn files(module: &str) -> Vec<PathBuf> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = vec![src.join(format!("{module}.rs"))];
    let mut folders = vec![src.join(module)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.retain(|path| path.extension().is_some_and(|e| e == "rs") && path.exists());
    found
}

/// The first path segments behind `crate::`, brace groups too.
fn named(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let group = &group[..group.find('}').unwrap()];
            out.extend(group.split(',').map(|w| w.trim().split("::").next().unwrap().to_owned()));
        } else {
            out.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    out
}

fn breaches(module: &str, may: &[&str], text: &str) -> Vec<String> {
    named(text).into_iter().filter(|n| n != module && !may.contains(&n.as_str())).collect()
}

#[test]
fn modules_use_what_they_may() {
    for (module, may) in MAY_USE {
        let files = files(module);
        assert!(!files.is_empty(), "{module} has no file");
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            assert_eq!(breaches(module, may, &text), Vec::<String>::new(), "{}", file.display());
        }
    }
}

#[test]
fn a_breach_is_seen() {
    assert_eq!(breaches("domain", &[], "use crate::store::Store;"), ["store"]);
    assert_eq!(breaches("audit", &["domain"], "use crate::{domain, hub::Hub};"), ["hub"]);
}

#[test]
fn pure_modules_name_nothing_of_the_outside() {
    for module in PURE {
        for file in files(module) {
            let text = std::fs::read_to_string(&file).unwrap();
            let shown = file.display().to_string();
            // The loader's reader is the one place in `policy` that opens files; tests may.
            if shown.ends_with("load/read.rs") || shown.ends_with("tests.rs") {
                continue;
            }
            for word in IMPURE {
                assert!(!text.contains(word), "{shown} names {word}");
            }
        }
    }
}
