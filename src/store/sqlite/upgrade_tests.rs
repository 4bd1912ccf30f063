//! A data folder of the version before, upgraded, also when the program is killed after each statement.

use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;

use super::{FILE, SCHEMAS, VERSION, migrate, upgrade};

fn open(dir: &Path) -> Connection {
    let file = Connection::open(dir.join(FILE)).unwrap();
    file.execute_batch("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON").unwrap();
    file
}

fn version(file: &Connection) -> i64 {
    file.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

fn schema(file: &Connection) -> Vec<String> {
    let sql = "SELECT coalesce(sql, name) FROM sqlite_master ORDER BY name";
    let mut statement = file.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// A folder as the program of that version leaves it, with something in it.
fn of_version(version: i64) -> TempDir {
    let dir = TempDir::new().unwrap();
    let file = open(dir.path());
    for (to, sql) in SCHEMAS.iter().filter(|(to, _)| *to <= version) {
        file.execute_batch(&upgrade(*to, sql)).unwrap();
    }
    file.execute("INSERT INTO fact VALUES ('', 'agency', 'befriend', '{}', NULL, 1)", []).unwrap();
    dir
}

/// What stands on the disk at this moment, as a kill would leave it.
fn killed(dir: &Path) -> TempDir {
    let left = TempDir::new().unwrap();
    for name in [FILE.to_owned(), format!("{FILE}-wal")] {
        std::fs::copy(dir.join(&name), left.path().join(&name)).unwrap();
    }
    left
}

fn statements(sql: &str) -> Vec<String> {
    let code: Vec<&str> = sql.lines().map(|line| line.split("--").next().unwrap()).collect();
    let code = code.join("\n");
    let all = code.split(';').map(str::trim).filter(|one| !one.is_empty());
    all.map(|one| format!("{one};")).collect()
}

#[test]
fn every_version_that_can_be_upgraded_becomes_this_one() {
    let fresh = Connection::open_in_memory().unwrap();
    migrate(&fresh).unwrap();
    assert_eq!((version(&fresh), SCHEMAS.last().unwrap().0), (VERSION, VERSION));
    for before in 2..=VERSION {
        let dir = of_version(before);
        for round in 0..2 {
            let file = open(dir.path());
            migrate(&file).unwrap();
            assert_eq!(version(&file), VERSION, "from {before}, round {round}");
            assert_eq!(schema(&file), schema(&fresh), "from {before}, round {round}");
            let facts = file.query_row("SELECT count(*) FROM fact", [], |row| row.get(0));
            assert_eq!(facts, Ok(1), "what was there stays");
        }
    }
}

#[test]
fn a_kill_after_any_statement_leaves_one_version_or_the_other() {
    for (to, sql) in SCHEMAS.into_iter().filter(|(to, _)| *to > 2) {
        let all = statements(&upgrade(to, sql));
        assert!(all.len() >= 5, "{all:?}");
        for done in 0..=all.len() {
            let dir = of_version(to - 1);
            let file = open(dir.path());
            let before = schema(&file);
            for one in all.iter().take(done) {
                file.execute_batch(one).unwrap();
            }
            // Also pages that a full memory has made SQLite write before the commit count for nothing.
            let _spilled = file.cache_flush();
            let left = killed(dir.path());
            let found = open(left.path());
            let made = done == all.len();
            assert_eq!(version(&found), if made { to } else { to - 1 }, "{to} after {done}");
            assert_eq!(schema(&found) == before, !made, "{to} after {done}");
            migrate(&found).unwrap();
            assert_eq!(version(&found), VERSION, "{to} after {done}");
        }
    }
}
