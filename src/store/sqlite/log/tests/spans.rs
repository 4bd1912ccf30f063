//! A log of more rows than one thread looks at: nothing is lost where two spans meet, nor behind the last.

use super::*;
use crate::limits::VERIFY_ROWS;

/// Entries of a log of more than two spans.
const ENTRIES: i64 = 2_100;

async fn filled() -> TempDir {
    let dir = TempDir::new().unwrap();
    let log = open(&dir);
    for _ in 0..ENTRIES / 100 {
        log.append((0..100).map(|_| entry(Kind::Query, "marac")).collect()).await.unwrap();
    }
    drop(log);
    dir
}

#[tokio::test]
async fn what_is_done_at_the_edges_of_spans_is_named() {
    let dir = filled().await;
    let change = |sql: &str| Connection::open(file(&dir)).unwrap().execute_batch(sql).unwrap();
    assert_eq!(findings(&dir), Vec::<String>::new());
    let slot = |index: i64| format!("INSERT INTO slot VALUES ({index}, 2, zeroblob(32), x'00')");
    for index in [0, VERIFY_ROWS - 1, VERIFY_ROWS, VERIFY_ROWS * 2 - 1, VERIFY_ROWS * 2] {
        change(&slot(index));
        assert_eq!(findings(&dir), [format!("entry {index}: slot Asker is not its own")]);
        change(&format!("DELETE FROM slot WHERE idx = {index} AND slot = 2"));
    }
    for index in [-5, ENTRIES + 1, ENTRIES + VERIFY_ROWS * 3, i64::MAX] {
        change(&slot(index));
        change(&format!("UPDATE slot SET slot = 3 WHERE idx = {index}; {}", slot(index)));
        let says = format!("entry {index}: is missing, but its slots are there");
        assert_eq!(findings(&dir), [says], "once, however many slots");
        change(&format!("DELETE FROM slot WHERE idx = {index}"));
    }
    assert_eq!(findings(&dir), Vec::<String>::new());
}

#[tokio::test]
async fn many_things_of_one_kind_do_not_crowd_out_what_follows_from_them() {
    let dir = filled().await;
    let change = |sql: &str| Connection::open(file(&dir)).unwrap().execute_batch(sql).unwrap();
    change(
        "DELETE FROM entry WHERE idx BETWEEN 1000 AND 1149; UPDATE slot SET bytes = x'00' WHERE idx > 1200",
    );
    let kept = Some((u64::try_from(ENTRIES).unwrap() + 1, [9; 32]));
    let found = verify_file(&file(&dir), verifier(&dir), kept, None).unwrap().findings;
    for says in [
        "entries 1000 to 1149: are missing, but their slots are there",
        "entry 1000: missing; the next one is 1150",
        "head 1001: the signed root is not that of the entries before 1001",
        "1951 entries are there; there were 2101 when the root was kept",
        "findings more",
    ] {
        assert!(found.iter().any(|one| one.contains(says)), "{says}: {:?}", found.last());
    }
}

#[tokio::test]
async fn a_row_that_was_moved_far_away_is_named_and_does_not_hide_the_others() {
    let dir = filled().await;
    let change = |sql: &str| Connection::open(file(&dir)).unwrap().execute_batch(sql).unwrap();
    for (index, to) in [(VERIFY_ROWS, i64::MAX), (VERIFY_ROWS * 2, i64::MAX / 2), (7, -7)] {
        change(&format!("UPDATE entry SET idx = {to} WHERE idx = {index}"));
        let found = findings(&dir);
        let gap = format!("entry {index}: missing; the next one is {}", index + 1);
        assert!(found.contains(&gap), "{index} to {to}: {found:?}");
        let away = match to {
            ..0 => format!("entry {to}: has a negative place"),
            _ => format!("entry {}: missing; the next one is {to}", ENTRIES + 1),
        };
        assert!(found.contains(&away), "{index} to {to}: {found:?}");
        change(&format!("UPDATE entry SET idx = {index} WHERE idx = {to}"));
        assert_eq!(findings(&dir), Vec::<String>::new());
    }
}
