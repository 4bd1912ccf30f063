//! `weir audit verify` on a data folder in which something beside the entries was changed.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use rusqlite::Connection;
use weir::policy::kept::{pack, unpack};
use weir::policy::load::hash;

use crate::story::weir;

/// A data folder as the demonstration leaves it.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (exit, text) = weir(&["demo", "--exit", "--data", dir.path().to_str().unwrap()]);
    assert_eq!(exit, 0, "{text}");
    dir
}

#[track_caller]
fn check(data: &Path, exit: i32, says: &[&str]) {
    let (found, text) = weir(&["audit", "verify", "--data", data.to_str().unwrap()]);
    assert_eq!(found, exit, "{text}");
    says.iter().for_each(|said| assert!(text.contains(said), "{said}: {text}"));
}

#[test]
fn a_policy_that_is_not_the_one_that_came_into_force_is_named() {
    let dir = folder();
    check(dir.path(), 0, &["hub.db: 1 policies kept, as the log says"]);
    let file = Connection::open(dir.path().join("hub.db")).unwrap();
    let bytes: Vec<u8> =
        file.query_row("SELECT bytes FROM policy_folder", [], |row| row.get(0)).unwrap();
    let own = hash(&unpack(&bytes).unwrap());
    // Another policy, whole and with its own hash: one figure is another.
    let mut files = unpack(&bytes).unwrap();
    let rules = files.get_mut("conditions.toml").unwrap();
    rules.extend(b"\n# another\n");
    let (other, other_bytes) = (hash(&files), pack(&files));
    assert_ne!(other, own);

    let put = |bytes: &[u8]| file.execute("UPDATE policy_folder SET bytes = ?1", [bytes]).unwrap();
    put(&other_bytes);
    check(dir.path(), 1, &["hub.db: policy 1: its folder is not the one of its hash"]);
    let (exit, text) = weir(&["audit", "retain", "--data", dir.path().to_str().unwrap()]);
    assert_eq!(exit, 2, "{text}");
    assert!(text.contains("not the one that was kept"), "{text}");
    put(b"no folder at all");
    check(dir.path(), 1, &["hub.db: policy 1: its folder is not the one of its hash"]);
    put(&bytes);

    file.execute("INSERT INTO policy_folder VALUES (?1, ?2)", (other, other_bytes)).unwrap();
    file.execute("UPDATE policy SET hash = ?1", [other]).unwrap();
    let was =
        format!("is not the one that entry 1 brought into force: that was {}", hex::encode(own));
    check(dir.path(), 1, &["hub.db: policy 1: ", &was, "1 finding(s) beside the log"]);
    file.execute("UPDATE policy SET hash = ?1", [own]).unwrap();
    check(dir.path(), 0, &["The log is whole"]);

    file.execute(
        "INSERT INTO policy SELECT 2, ?1, since_us, zeroblob(16), note FROM policy",
        [other],
    )
    .unwrap();
    check(dir.path(), 1, &["hub.db: policy 2: no entry brought it into force"]);
    file.execute("DELETE FROM policy", []).unwrap();
    let gone = "hub.db: policy 1, which entry 1 brought into force, is not kept";
    check(dir.path(), 1, &[gone]);
}

#[test]
fn a_log_holds_every_head_that_was_kept_or_the_one_that_it_does_not_hold_is_named() {
    let dir = folder();
    let data = dir.path().to_str().unwrap();
    let verify = |kept: &[&str]| {
        let flags: Vec<&str> = kept.iter().flat_map(|kept| ["--kept", kept]).collect();
        weir(&[&["audit", "verify", "--data", data], flags.as_slice()].concat())
    };
    let kept = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("Keep for next time: --kept "));
        line.unwrap().to_owned()
    };
    let early = kept(&verify(&[]).1);
    let receipt = dir.path().join("one.tlog-proof");
    let (exit, text) = weir(&["audit", "receipt", "--data", data, "entries/7"]);
    assert_eq!(exit, 0, "{text}");
    std::fs::write(&receipt, text).unwrap();
    let late = kept(&verify(&[&early]).1);
    assert_ne!(early, late);
    let (exit, text) = verify(&[&early, &late]);
    assert_eq!(exit, 0, "{text}");
    // The sizes of the one with the root of the other.
    let (size, (_, root)) = (early.split_once(':').unwrap().0, late.split_once(':').unwrap());
    let (exit, text) = verify(&[&late, &format!("{size}:{root}")]);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains(&format!("the first {size} entries are not those")), "{text}");

    let receipt = receipt.to_str().unwrap();
    let check = |exit: i32| {
        let (found, text) = weir(&["audit", "verify", "--data", data, "--receipt", receipt]);
        assert_eq!(found, exit, "{text}");
        text
    };
    assert!(check(0).contains("Entry 7 of "), "{}", check(0));
    let changed = std::fs::read_to_string(receipt).unwrap().replace("index 7", "index 8");
    std::fs::write(receipt, changed).unwrap();
    check(1);
}

#[test]
fn what_is_missing_before_a_file_is_named_and_nothing_of_it_is_kept_for_next_time() {
    let dir = folder();
    let data = dir.path().to_str().unwrap();
    let log = dir.path().join("audit-2026.db");
    let file = Connection::open(&log).unwrap();
    file.execute_batch("DELETE FROM slot WHERE idx < 9; DELETE FROM entry WHERE idx < 9").unwrap();
    drop(file);
    let verify = || weir(&["audit", "verify", "--data", data]);
    let (exit, text) = verify();
    assert!(exit == 1 && !text.contains("Keep for next time"), "{text}");
    let says = "audit-2026.db begins with entry 9: what was before it is missing, from entry 0 on";
    assert!(text.contains(says), "{text}");
    // No file at all: the lock tells that there was one.
    std::fs::remove_file(&log).unwrap();
    let (exit, text) = verify();
    let says = "there is no audit log here, and the lock has seen one of ";
    assert!(exit == 1 && text.contains(says), "{text}");
    std::fs::remove_file(format!("{data}.audit-lock")).unwrap();
    let (exit, text) = verify();
    assert!(exit == 2 && text.trim_end().ends_with("there is no audit log here"), "{text}");
}

#[test]
fn a_page_of_the_log_that_cannot_be_read_is_named_with_what_is_around_it() {
    let dir = folder();
    let log = dir.path().join("audit-2026.db");
    let page: u32 = Connection::open(&log)
        .unwrap()
        .query_row(
            "SELECT pageno FROM dbstat WHERE name = 'entry' AND pagetype = 'leaf' \
             ORDER BY path DESC LIMIT 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let mut file = std::fs::File::options().read(true).write(true).open(&log).unwrap();
    let mut size = [0; 2];
    file.seek(SeekFrom::Start(16)).unwrap();
    file.read_exact(&mut size).unwrap();
    file.seek(SeekFrom::Start(u64::from(page - 1) * u64::from(u16::from_be_bytes(size)))).unwrap();
    file.write_all(&[255; 64]).unwrap();
    check(
        dir.path(),
        1,
        &[
            "the file audit-2026.db cannot be read on from entry ",
            "head ",
            "the log is not what was signed",
        ],
    );
    // Nothing of it can be read at all.
    file.seek(SeekFrom::Start(0)).unwrap();
    file.write_all(&[255; 64]).unwrap();
    check(dir.path(), 1, &["the file audit-2026.db cannot be read: "]);
}
