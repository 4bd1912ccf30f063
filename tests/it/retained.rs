//! A year of the log is past its time: what that means, who may keep it, and what is left of it.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;
use weir::app::reload::PolicyFolder;
use weir::audit::checkpoint::VerifierKey;
use weir::audit::entry::SlotId;
use weir::audit::leaf::{SealedSlot, decode};
use weir::audit::tile::bundle_path;
use weir::audit::tree::{Edge, leaf_hash};
use weir::clock::{Clock, FixedClock};
use weir::store::Store;

use crate::story::weir;
use crate::support::{AISHA, NURSE, OPENED, Place, request, treatment};

/// A data folder with entries of 2026, under the shipped policies or those of another folder.
async fn folder(policies: &Path) -> tempfile::TempDir {
    let clock = FixedClock::at(OPENED.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let place = Place::following(dir, clock, PolicyFolder::unsigned(policies.to_owned())).await;
    let asked = place.from(NURSE, request(treatment(AISHA)));
    let answers = place.sharing().request_records(asked).await.unwrap().into_inner().answers;
    assert!(!answers[0].values.is_empty());
    assert_eq!(place.clock.now(), OPENED.parse().unwrap());
    assert!(place.app.store.kept_policy(None).await.unwrap().is_some());
    place.ended().await.0
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

/// Runs a command on the folder as of a day of its own clock.
fn on(data: &Path, day: &str, command: &[&str]) -> (i32, String) {
    std::fs::write(data.join("sample-clock"), format!("{day}T10:00:00Z\n")).unwrap();
    weir(&[command, &["--data", data.to_str().unwrap()]].concat())
}

#[tokio::test]
async fn a_year_ends_when_its_time_is_past_unless_somebody_is_under_a_hold() {
    let dir = folder(&shipped()).await;
    let data = dir.path().join("data");
    let check = |day: &str, command: &[&str], exit: i32, says: &[&str]| {
        let (found, text) = on(&data, day, command);
        assert_eq!(found, exit, "{day} {command:?}: {text}");
        for said in says {
            assert!(text.contains(said), "{day} {command:?}: {said}: {text}");
        }
    };
    let year_key = || {
        let file = Connection::open(data.join("keys.db")).unwrap();
        let sql = "SELECT key FROM wrapped WHERE kind = 5 AND name = x'07EA'";
        let mut rows = file.prepare(sql).unwrap();
        let found: Vec<Vec<u8>> =
            rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        found
    };
    let retain = ["audit", "retain"];
    let destroy = ["audit", "retain", "--destroy"];
    check("2026-12-31", &retain, 0, &["2026: kept until the end of 2034", "disclose: 1, for 8"]);
    check("2034-12-31", &destroy, 0, &["2026: kept until the end of 2034"]);
    let ahead = ["audit", "retain", "--as-of", "2035-01-01"];
    check("2034-12-31", &ahead, 0, &["2026: due\n", "As of 2035-01-01, by policy 1"]);
    let too_soon = ["audit", "retain", "--as-of", "2035-01-01", "--destroy"];
    check("2034-12-31", &too_soon, 2, &["not in the future"]);
    check("2034-12-31", &["audit", "retain", "--as-of", "soon"], 2, &["must be a day"]);
    let key = year_key();
    assert_eq!(key.len(), 1);

    let aisha = AISHA.path();
    let held = ["--authority", "INQUEST-12", "--because", "Inquest opened"];
    check("2035-01-01", &[&["hold", "place", &aisha][..], &held].concat(), 0, &["Held"]);
    check("2035-01-01", &destroy, 0, &["due, but 1 entries are under a legal hold"]);
    assert_eq!(year_key(), key);
    check("2035-01-01", &[&["hold", "lift", &aisha][..], &held].concat(), 0, &["Lifted"]);
    check("2035-01-01", &destroy, 0, &["2026: due\n", "destroyed: nothing of it can be read"]);
    assert!(year_key().is_empty());
    for name in ["keys.db", "keys.db-wal"] {
        let bytes = std::fs::read(data.join(name)).unwrap_or_default();
        assert!(!bytes.windows(key[0].len()).any(|window| window == key[0]), "{name}");
    }
    check("2035-01-01", &destroy, 0, &["2026: destroyed", "2035: kept until the end of 2043"]);
    check("2035-01-01", &["audit", "verify"], 0, &["The log is whole"]);
    check("2035-01-01", &["keys", "check"], 0, &[" erased, 0 changed or moved"]);
    check("2035-01-01", &["audit", "search", "--outcome", "PERMIT"], 0, &["1 entries"]);
}

#[tokio::test]
async fn without_figures_everything_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let policies = dir.path().join("policies");
    let files = weir::policy::load::read_dir(&shipped()).unwrap();
    for (name, bytes) in files.iter().filter(|(name, _)| *name != "words/retention.csv") {
        let path = policies.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let place = folder(&policies).await;
    let data = place.path().join("data");
    let (exit, text) = on(&data, "2099-01-01", &["audit", "retain", "--destroy"]);
    assert!(exit == 0 && text.contains("everything is kept"), "{text}");
    let (exit, text) = on(&data, "2099-01-01", &["audit", "search", "--outcome", "PERMIT"]);
    assert!(exit == 0 && text.contains("1 entries"), "{text}");
}

#[test]
fn a_figure_that_makes_no_sense_is_refused_with_its_line() {
    let files = weir::policy::load::read_dir(&shipped()).unwrap();
    let own = String::from_utf8(files["words/retention.csv"].clone()).unwrap();
    for (from, to, says) in [
        ("disclose,8", "disclose,0", "line 2: (disclose) column years must be whole years"),
        ("disclose,8", "disclose,101", "must be whole years from 1 to 100"),
        ("disclose,8", "disclose,", "must be whole years"),
        ("refuse,8", "refused,8", "\"refused\" cannot be a word"),
        ("query,8", "refuse,8", "the id is used twice"),
        ("erase,8", "#erase,8", "erase"),
        (",as what went out", ",", "because"),
    ] {
        let mut files = files.clone();
        assert!(own.contains(from), "{from}");
        files.insert("words/retention.csv".into(), own.replacen(from, to, 1).into_bytes());
        let found: Vec<String> = match weir::policy::load::load(&files) {
            Ok(_) => panic!("{to} loads"),
            Err(findings) => findings.iter().map(ToString::to_string).collect(),
        };
        assert!(found.iter().any(|one| one.contains(says)), "{to}: {found:?}");
    }
}

#[tokio::test]
async fn a_year_that_is_over_is_archived_with_its_entries_and_sealed_slots() {
    let dir = folder(&shipped()).await;
    let data = dir.path().join("data");
    let archive = |year: &str, exit: i32, says: &str| {
        let out = dir.path().join(format!("archive-{year}"));
        let command = ["audit", "archive", "--year", year, "--out", out.to_str().unwrap()];
        let (found, text) = on(&data, "2027-01-04", &command);
        assert_eq!(found, exit, "{text}");
        assert!(text.contains(says), "{text}");
        out
    };
    archive("2025", 2, "there is no log of 2025");
    archive("2027", 2, "the log of 2027 is still written to");
    let out = archive("2026", 0, "entries 0 to ");
    archive("2026", 2, "is not empty");

    // What the folder says, read without the hub's code but for its leaf and tree.
    let read = |path: &str| std::fs::read(out.join(path)).unwrap();
    let vkey = std::fs::read_to_string(data.join("audit.vkey")).unwrap();
    let note = String::from_utf8(read("checkpoint")).unwrap();
    let head = VerifierKey::parse(&vkey).unwrap().open(&note).unwrap();
    let rows = Connection::open(data.join("audit-2026.db")).unwrap();
    let count = |table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        rows.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(i64::try_from(head.size).unwrap(), count("entry"));
    let mut rest = read(&bundle_path(0, usize::try_from(head.size).unwrap()));
    let (mut edge, mut committed) = (Edge::default(), Vec::new());
    while !rest.is_empty() {
        let len = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        let leaf: Vec<u8> = rest.drain(..2 + len).skip(2).collect();
        for (slot, commitment) in decode(&leaf).unwrap().commitments {
            committed.push((edge.size(), slot as u64, commitment));
        }
        edge.push(leaf_hash(&leaf));
    }
    assert_eq!((edge.size(), edge.root()), (head.size, head.root));
    let slots = String::from_utf8(read("sealed-slots.jsonl")).unwrap();
    let slots: Vec<serde_json::Value> =
        slots.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(i64::try_from(slots.len()).unwrap(), count("slot"));
    let named = slots.iter().map(|slot| {
        let bytes = |name: &str| STANDARD.decode(slot[name].as_str().unwrap()).unwrap();
        let id = SlotId::from_number(u8::try_from(slot["slot"].as_u64().unwrap()).unwrap());
        let content = bytes("content").try_into().unwrap();
        let slot_there = SealedSlot { id: id.unwrap(), content, bytes: bytes("sealed") };
        (slot["index"].as_u64().unwrap(), id.unwrap() as u64, slot_there.commitment())
    });
    assert_eq!(named.collect::<Vec<_>>(), committed);
    assert!(!String::from_utf8_lossy(&read("sealed-slots.jsonl")).contains(&AISHA.path()));
    let (exit, text) = on(&data, "2027-01-04", &["audit", "verify"]);
    assert!(exit == 0 && text.contains("audit-2026.db, audit-2027.db: "), "{text}");
}
