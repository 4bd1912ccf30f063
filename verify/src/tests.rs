//! Whatever is read, nothing panics, and nothing that was cut or changed verifies.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(path)
}

fn key() -> Key {
    Key::parse(&std::fs::read_to_string(golden("key.vkey")).unwrap()).unwrap()
}

/// A copy of a golden folder with one file replaced.
fn with(folder: &str, file: &str, bytes: &[u8]) -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let to = to.join(path.file_name().unwrap());
            if path.is_dir() {
                copy(&path, &to);
            } else {
                std::fs::copy(&path, &to).unwrap();
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    copy(&golden(folder), dir.path());
    std::fs::write(dir.path().join(file), bytes).unwrap();
    dir
}

fn read(path: &str) -> Vec<u8> {
    std::fs::read(golden(path)).unwrap()
}

#[test]
fn nothing_that_is_cut_verifies() {
    let (key, receipt) = (key(), read("receipts/8-of-300.tlog-proof"));
    for len in 0..receipt.len() {
        if let Ok(text) = std::str::from_utf8(&receipt[..len]) {
            assert!(receipt_text(text, &key, true).is_err(), "receipt cut at {len}");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let (file, new) = (dir.path().join("proof"), golden("checkpoints/300"));
    let growth = read("growth/40-300.txt");
    for len in 0..growth.len() {
        std::fs::write(&file, &growth[..len]).unwrap();
        let by = Growth::Proof(file.clone());
        assert!(heads(&golden("checkpoints/40"), &new, &by, &key).is_err(), "proof cut at {len}");
    }
    for (folder, name, step) in [
        ("export-holes", "entries.jsonl", 7),
        ("export-holes", "manifest.json", 1),
        ("tiles", "tile/entries/001.p/44", 97),
        ("tiles", "tile/0/000", 1021),
        ("tiles", "tile/1/000.p/1", 1),
        ("tiles", "checkpoint", 1),
    ] {
        let bytes = read(&format!("{folder}/{name}"));
        let dir = with(folder, name, &bytes);
        let verified = || match folder {
            "tiles" => tiles(dir.path(), &key),
            _ => export(dir.path(), &key, &[]),
        };
        assert!(verified().is_ok(), "{name}");
        for len in (0..bytes.len()).step_by(step) {
            std::fs::write(dir.path().join(name), &bytes[..len]).unwrap();
            let verified = verified();
            assert!(matches!(verified, Err(Fault::Findings(_))), "{name} cut at {len}");
        }
    }
}

#[test]
fn what_is_too_long_is_not_read() {
    let key = key();
    let long = vec![b'a'; usize::try_from(FILE_LEN_MAX).unwrap() + 1];
    let dir = with("receipts", "long", &long);
    let check = |verified: Result<Vec<String>, Fault>, says: &str| match verified {
        Err(Fault::Findings(said)) => assert!(said.join("\n").contains(says), "{said:?}"),
        other => panic!("{other:?}"),
    };
    check(receipt(&dir.path().join("long"), &key, false, None), "longer than 2097152 bytes");
    let dir = with("tiles", "tile/0/000", &long);
    check(tiles(dir.path(), &key), "longer than 8192 bytes");
    let line = vec![b' '; usize::try_from(4 * 1024 * 1024_u64).unwrap() + 2];
    let dir = with("export-holes", "entries.jsonl", &line);
    check(export(dir.path(), &key, &[]), "line 1: is cut short, or longer than 4194304 bytes");
}

#[test]
fn a_wrong_key_is_named() {
    let good = std::fs::read_to_string(golden("key.vkey")).unwrap();
    let good = good.trim();
    let check = |text: &str, says: &str| {
        let said = Key::parse(text).unwrap_err();
        assert!(said.contains(says), "{said}: {says}");
    };
    assert_eq!(Key::parse(&format!(" {good}\n")).unwrap().name(), "golden.example/weir/audit");
    check("", "three parts");
    check("a+b", "three parts");
    check("a+b+%", "no base64");
    check("a+b+AQ==", "too short");
    check("a+b+Ag==", "none of Ed25519");
    check(&good.replacen("golden", "gilded", 1), "id is not that");
    check(&good.replacen("golden", "", 1), "id is not that");
}

proptest! {
    #[test]
    fn no_text_makes_a_receipt_panic(text in "(c2sp.org/tlog-proof@v1\n)?(extra [A-Za-z0-9=]{0,40}\n)?(index [0-9]{0,21}\n)?(.|\n){0,200}") {
        prop_assert!(receipt_text(&text, &key(), true).is_err());
    }

    #[test]
    fn no_change_of_a_receipt_verifies(at in any::<prop::sample::Index>(), to in any::<char>()) {
        let good = String::from_utf8(read("receipts/8-of-300.tlog-proof")).unwrap();
        let mut chars: Vec<char> = good.chars().collect();
        let place = at.index(chars.len());
        if let Some(c) = chars.get_mut(place) {
            *c = to;
        }
        let text: String = chars.into_iter().collect();
        prop_assert_eq!(receipt_text(&text, &key(), true).is_ok(), text == good);
    }

    #[test]
    fn no_size_of_a_head_makes_a_proof_panic(
        old in any::<u64>(), new in any::<u64>(), index in any::<u64>(), hashes in 0_usize..66,
    ) {
        use crate::note::{Head, SIZE_MAX};
        let head = |size| Head { origin: String::new(), size, root: [1; 32] };
        let proof = vec![[2; 32]; hashes];
        let (old, new) = (head(old % (SIZE_MAX + 1)), head(new % (SIZE_MAX + 1)));
        prop_assert!(new.grew_from(&old, &proof).is_err() || old.size == new.size);
        prop_assert!(new.includes(b"leaf", index, &proof).is_err());
    }
}
