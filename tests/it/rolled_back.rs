//! A data folder that was put back to an older copy, as an operator meets it.

use std::path::Path;

use crate::story::weir;

fn copy(from: &Path, to: &Path) {
    let _there = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

#[test]
fn an_older_copy_is_refused_until_somebody_accepts_it_and_that_stays_visible() {
    let dir = tempfile::tempdir().unwrap();
    let (data, old) = (dir.path().join("data"), dir.path().join("old"));
    let at = data.to_str().unwrap();
    let check = |arguments: &[&str], exit: i32, says: &[&str]| {
        let command = [arguments, &["--data", at]].concat();
        let (found, text) = weir(&command);
        assert_eq!(found, exit, "{command:?}: {text}");
        says.iter().for_each(|said| assert!(text.contains(said), "{command:?}: {said}: {text}"));
        text
    };
    assert_eq!(weir(&["demo", "--exit", "--data", at]).0, 0);
    copy(&data, &old);
    let search = ["audit", "search", "--outcome", "DENY", "--limit", "1"];
    check(&search, 0, &[]);
    let accept = ["audit", "accept-rollback", "--because", "The disk was lost; Ade Bakare"];
    check(&accept, 2, &["holds all that its lock has seen"]);
    copy(&old, &data);
    check(&search, 2, &["older copy", "accept-rollback"]);
    check(&["audit", "verify"], 1, &["when the lock was written"]);
    check(&["audit", "accept-rollback", "--because", " "], 2, &["--because is empty"]);
    check(&search, 2, &["older copy"]);
    let said = check(&accept, 0, &["1 entries or more are lost"]);
    let before = said.split("seen before was ").nth(1).unwrap().split(':').next().unwrap();
    check(&search, 0, &[]);
    check(&["audit", "verify"], 0, &["an older copy was accepted here", before]);
    // Why is for who has the keys, and what was seen is kept signed.
    let file = std::fs::read(data.join("audit-2026.db")).unwrap();
    let plain = |text: &[u8]| file.windows(text.len()).any(|window| window == text);
    assert!(!plain(b"Ade Bakare") && plain(b"older-copy"));
    let lock = dir.path().join("data.audit-lock");
    let lock = lock.to_str().unwrap();
    check(&["audit", "verify", "--lock", lock], 0, &[]);
    check(&["audit", "verify", "--lock", &format!("{lock}.gone")], 2, &["there is no lock here"]);
}
