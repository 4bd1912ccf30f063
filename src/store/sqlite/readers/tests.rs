//! The statements that a question costs, as SQLite itself reports them: the same list for everybody,
//! or the time and the load of an answer would tell who is known here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

use crate::domain::ResidentId;
use crate::store::StoreError;
use crate::store::contract::{Ground, Sqlite, nobody};

/// What ran on the readers of a watched file.
static SEEN: Mutex<BTreeMap<PathBuf, Vec<String>>> = Mutex::new(BTreeMap::new());

/// Reports every statement of `connection` if its file is watched.
pub(super) fn watch(connection: &mut Connection, path: &Path) {
    let path = path.to_owned();
    if SEEN.lock().unwrap().contains_key(&path) {
        let report = move |event: TraceEvent<'_>| {
            if let TraceEvent::Stmt(_, sql) = event {
                SEEN.lock().unwrap().entry(path.clone()).or_default().push(sql.to_owned());
            }
        };
        connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(report)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_costs_the_same_statements_whoever_it_is_about() {
    let ground = Ground::new::<Sqlite>().await;
    let file = ground.dir().join("hub.db");
    SEEN.lock().unwrap().insert(file.clone(), Vec::new());
    let ground = ground.again::<Sqlite>().await;
    let plain = ground.somebody(&[]).await;
    let (everything, sealed, protected) = crate::store::contract::flagged(&ground).await;
    let taken = || std::mem::take(SEEN.lock().unwrap().get_mut(&file).unwrap());
    type Asked = (&'static str, ResidentId);
    let everybody: [Asked; 5] = [
        ("absent", nobody()),
        ("plain", plain),
        ("known in full", everything),
        ("sealed", sealed),
        ("protected", protected),
    ];
    taken();
    let mut known = Vec::new();
    for (who, id) in everybody {
        ground.known(id).await;
        known.push((who, taken()));
    }
    assert!(known[0].1.iter().any(|sql| sql.contains("FROM resident")), "{:?}", known[0]);
    for (who, statements) in &known {
        assert_eq!(statements, &known[0].1, "known: {who}");
    }
    let wanted = ["health/summary", "contact/home"];
    let mut shelf = Vec::new();
    for (who, id) in everybody {
        ground.held_of("oakdale-gp", id, &wanted).await;
        shelf.push((who, taken()));
    }
    assert!(shelf[0].1.iter().any(|sql| sql.contains("shelf")), "{:?}", shelf[0]);
    for (who, statements) in &shelf {
        assert_eq!(statements, &shelf[0].1, "shelf: {who}");
    }
    ground.again::<Sqlite>().await;
    SEEN.lock().unwrap().remove(&file);
}

#[tokio::test]
async fn a_read_that_panics_costs_no_reader() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("hub.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (n)").unwrap();
    let readers = super::Readers::open(&path).unwrap();
    for _ in 0..20 {
        let read = readers.read::<()>(|c| {
            let mut statement = c.prepare_cached("SELECT count(*) FROM t").unwrap();
            let _row = statement.query([]).unwrap();
            panic!("planted")
        });
        assert!(matches!(read.await, Err(StoreError::Unavailable(_))));
    }
    let count = readers.read(|c| Ok(c.query_row("SELECT count(*) FROM t", [], |row| row.get(0))));
    assert_eq!(count.await.unwrap(), Ok(0_i64));
}
