//! One bit of any byte of a log is another: verification finds it and names the entry, slot, tile or head.
//! `WEIR_FLIPS=all` takes every byte of a row, not one of each; and more of those of the file.

use rusqlite::params;

use super::*;

/// Entries with a head of their own; the rest have one for many.
const SINGLE: u64 = 10;

/// A log with tiles, with everything brought over into its file.
async fn stored() -> TempDir {
    let dir = TempDir::new().unwrap();
    let log = open(&dir);
    while log.head().size < SINGLE {
        log.append(vec![about(16)]).await.unwrap();
    }
    log.append((SINGLE..300).map(|_| entry(Kind::Query, "marac")).collect()).await.unwrap();
    log.catch_up_index().unwrap();
    drop(log);
    dir
}

/// An entry about a resident.
fn about(resident: u8) -> Entry {
    let slots = BTreeMap::from([(SlotId::Subject, vec![resident; 16])]);
    Entry { slots, ..entry(Kind::Disclose, "direct_care") }
}

fn all() -> bool {
    std::env::var("WEIR_FLIPS").is_ok_and(|wanted| wanted == "all")
}

/// Places of bytes: all of them, or the first, the last and one between.
fn places(len: usize) -> Vec<usize> {
    if all() { (0..len).collect() } else { vec![0, len / 3, len - 1] }
}

/// Whether a finding begins with, or ends in, this name, and not in a longer number.
fn names(finding: &str, name: &str) -> bool {
    finding
        .match_indices(name)
        .any(|(at, _)| !finding[at + name.len()..].starts_with(|next: char| next.is_ascii_digit()))
}

#[tokio::test]
async fn a_flipped_byte_of_a_row_is_found_and_named() {
    let dir = stored().await;
    let (verifier, path) = (verifier(&dir), file(&dir));
    let connection = Connection::open(&path).unwrap();
    let found = || verify_file(&path, verifier.clone(), None, None).unwrap().findings;
    assert_eq!(found(), Vec::<String>::new());
    let cases = [
        ("entry", "leaf", "idx = 7", "entry 7"),
        ("slot", "content", "idx = 7", "entry 7: slot Subject"),
        ("slot", "bytes", "idx = 7", "entry 7: slot Subject"),
        ("tile", "hashes", "n = 0", "tile 0/0: hash"),
        ("head", "note", "size = 8", "head 8"),
    ];
    for (table, column, which, name) in cases {
        let read = format!("SELECT CAST({column} AS BLOB) FROM {table} WHERE {which}");
        let clean: Vec<u8> = connection.query_row(&read, [], |row| row.get(0)).unwrap();
        let kind = if table == "head" { "TEXT" } else { "BLOB" };
        let write = format!("UPDATE {table} SET {column} = CAST(?1 AS {kind}) WHERE {which}");
        for at in places(clean.len()) {
            let mut flipped = clean.clone();
            flipped[at] ^= 1;
            assert_eq!(connection.execute(&write, params![flipped]).unwrap(), 1);
            let found = found();
            let name =
                if table == "tile" { format!("{name} {}", at / 32) } else { name.to_owned() };
            assert!(found.iter().any(|f| names(f, &name)), "{table}.{column} {at}: {found:?}");
        }
        connection.execute(&write, params![clean]).unwrap();
        assert_eq!(found(), Vec::<String>::new(), "{table}.{column}");
    }
}

#[tokio::test]
async fn a_flipped_byte_of_the_index_is_found() {
    let dir = stored().await;
    let keys = keys(&dir);
    let connection = Connection::open(dir.path().join("index.db")).unwrap();
    let found = || check_index(dir.path(), Some(&keys)).map(|found| found.unwrap().findings);
    assert_eq!(found().unwrap(), Vec::<String>::new());
    let cases = [
        ("word", "word", "length(word) > 1"),
        ("subject", "label", "true"),
        ("mark", "leaf", "true"),
    ];
    for (table, column, which) in cases {
        let read = format!("SELECT {column} FROM {table} WHERE {which} LIMIT 1");
        let clean: Vec<u8> = connection.query_row(&read, [], |row| row.get(0)).unwrap();
        let write = format!("UPDATE {table} SET {column} = ?2 WHERE {column} = ?1");
        for at in places(clean.len()) {
            let mut flipped = clean.clone();
            flipped[at] ^= 1;
            let changed = connection.execute(&write, params![clean, flipped]).unwrap();
            assert!(changed > 0, "{table}.{column}");
            assert!(!found().unwrap().is_empty(), "{table}.{column} {at}: not found");
            connection.execute(&write, params![flipped, clean]).unwrap();
        }
        assert_eq!(found().unwrap(), Vec::<String>::new(), "{table}.{column}");
    }
}

/// What the rows of a log say, whatever lies between them in the file; `None`: it cannot be read.
fn said(path: &Path) -> Option<Vec<Vec<u8>>> {
    let connection = reader(path).ok()?;
    let mut said = Vec::new();
    for sql in [
        "SELECT idx || '', leaf FROM entry ORDER BY idx",
        "SELECT idx || ' ' || slot, content || bytes FROM slot ORDER BY idx, slot",
        "SELECT size || '', CAST(note AS BLOB) FROM head ORDER BY size",
        "SELECT level || ' ' || n, hashes FROM tile ORDER BY level, n",
    ] {
        let mut rows = connection.prepare(sql).ok()?;
        let mut rows = rows.query([]).ok()?;
        while let Some(row) = rows.next().ok()? {
            said.push(row.get_ref(0).ok()?.as_bytes().ok()?.to_vec());
            said.push(row.get_ref(1).ok()?.as_bytes().ok()?.to_vec());
        }
    }
    Some(said)
}

/// Whether a finding says where it is: which entry, head or tile, or at least which file.
fn is_located(finding: &str) -> bool {
    ["entry ", "entries ", "head ", "tile ", "audit-2026.db"]
        .iter()
        .any(|place| finding.contains(place))
}

/// In the file as it lies there, and in what SQLite has written beside it and not yet brought over.
#[tokio::test]
async fn a_flipped_byte_of_a_file_is_found_and_located_or_says_nothing() {
    let dir = stored().await;
    let (verifier, path) = (verifier(&dir), file(&dir));
    let log = open(&dir);
    log.append(vec![entry(Kind::Disclose, "direct_care")]).await.unwrap();
    let (head, beside) = (log.head(), path.with_extension("db-wal"));
    let clean = [std::fs::read(&path).unwrap(), std::fs::read(&beside).unwrap()];
    drop(log);
    let put = |bytes: &[Vec<u8>; 2]| {
        let to = TempDir::new().unwrap();
        let path = file(&to);
        std::fs::write(&path, &bytes[0]).unwrap();
        std::fs::write(path.with_extension("db-wal"), &bytes[1]).unwrap();
        to
    };
    let found = |dir: &TempDir| {
        let kept = Some((head.size, head.root));
        verify_file(&file(dir), verifier.clone(), kept, None).map(|verdict| verdict.findings)
    };
    let whole = put(&clean);
    assert_eq!(found(&whole).unwrap(), Vec::<String>::new());
    let meant = said(&file(&whole)).unwrap();
    let mut caught = 0;
    for part in [0, 1] {
        let step = if all() { 7 } else { 997 };
        for at in (0..clean[part].len()).step_by(step) {
            let mut flipped = clean.clone();
            flipped[part][at] ^= 1;
            let changed = put(&flipped);
            match found(&changed) {
                Ok(findings) if findings.is_empty() => {
                    let same = said(&file(&changed)).as_ref() == Some(&meant);
                    assert!(same, "byte {at} of part {part} is not found");
                }
                Ok(findings) => {
                    let at = format!("byte {at} of part {part}");
                    assert!(is_located(&findings[0]), "{at}: {findings:?}");
                    caught += 1;
                }
                // No database any more: the file is named, and that is all that can be said.
                Err(error) => {
                    let error = error.to_string();
                    assert!(at < 100, "byte {at} of part {part} ends the looking: {error}");
                    assert!(is_located(&error), "byte {at} of part {part}: {error}");
                    caught += 1;
                }
            }
        }
    }
    assert!(caught > 20, "{caught} found");
}
