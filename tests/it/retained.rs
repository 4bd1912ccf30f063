//! Entries of a kind are past their time: what that means, who may keep them, and what is left of them.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;
use uuid::Uuid;
use weir::app::reload::PolicyFolder;
use weir::audit::checkpoint::VerifierKey;
use weir::audit::entry::SlotId;
use weir::audit::leaf::{SealedSlot, decode};
use weir::audit::retention::Lot;
use weir::audit::tile::bundle_path;
use weir::audit::tree::{Edge, leaf_hash};
use weir::clock::{Clock, FixedClock};
use weir::domain::{KeptKind, ResidentId};
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

/// The shipped policies with other figures.
fn with_figures(dir: &Path, figures: &[(&str, &str)]) -> PathBuf {
    let policies = dir.join("policies");
    for (name, mut bytes) in weir::policy::load::read_dir(&shipped()).unwrap() {
        if name == "words/retention.csv" {
            let mut text = String::from_utf8(bytes).unwrap();
            for (from, to) in figures {
                assert!(text.contains(from), "{from}");
                text = text.replacen(from, to, 1);
            }
            bytes = text.into_bytes();
        }
        let path = policies.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    policies
}

/// The wrapped keys of a year: of each kind by its number, and of the whole year by 0.
fn keys_of(data: &Path, year: i16) -> BTreeMap<u8, Vec<u8>> {
    let file = Connection::open(data.join("keys.db")).unwrap();
    let sql = "SELECT name, key FROM wrapped WHERE kind IN (5, 8) AND substr(name, 1, 2) = ?1";
    let mut rows = file.prepare(sql).unwrap();
    let found = rows
        .query_map([year.to_be_bytes()], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?)))
        .unwrap()
        .map(|row| row.unwrap());
    found.map(|(name, key)| (name.get(2).copied().unwrap_or_default(), key)).collect()
}

#[track_caller]
fn check(data: &Path, day: &str, command: &[&str], exit: i32, says: &[&str]) {
    // Years after the newest entry the clock alone is not believed.
    let said = if command == DESTROY { &["--as-of", day][..] } else { &[] };
    let (found, text) = on(data, day, &[command, said].concat());
    assert_eq!(found, exit, "{day} {command:?}: {text}");
    for said in says {
        assert!(text.contains(said), "{day} {command:?}: {said}: {text}");
    }
}

#[track_caller]
fn gone(data: &Path, keys: &[&Vec<u8>]) {
    for name in ["keys.db", "keys.db-wal"] {
        let bytes = std::fs::read(data.join(name)).unwrap_or_default();
        for key in keys {
            assert!(!bytes.windows(key.len()).any(|window| window == key.as_slice()), "{name}");
        }
    }
}

const RETAIN: [&str; 2] = ["audit", "retain"];
const DESTROY: [&str; 3] = ["audit", "retain", "--destroy"];
const GONE: &str = "due, and destroyed now: nothing of it can be read any more";

#[tokio::test]
async fn each_kind_of_a_year_ends_when_its_own_time_is_past_unless_somebody_in_it_is_under_a_hold()
{
    let own = tempfile::tempdir().unwrap();
    let policies = with_figures(own.path(), &[("\ndisclose,8", "\ndisclose,2")]);
    let dir = folder(&policies).await;
    let data = &dir.path().join("data");
    let kept = "  disclose: 1, for 2 years: kept until the end of 2028\n";
    check(
        data,
        "2026-12-31",
        &RETAIN,
        0,
        &["2026\n", kept, "for 8 years: kept until the end of 2034"],
    );
    check(data, "2028-12-31", &DESTROY, 0, &[kept]);
    let ahead = ["audit", "retain", "--as-of", "2029-01-01"];
    let due = "  disclose: 1, for 2 years: due\n";
    check(data, "2028-12-31", &ahead, 0, &[due, "As of 2029-01-01, by policy 1."]);
    // A clock that has leapt years is asked about before anything is destroyed by it.
    let (exit, text) = on(data, "2060-01-01", &DESTROY);
    let says = "the clock says 2060-01-01: what is destroyed cannot be had back";
    assert!(exit == 2 && text.contains(says) && text.contains("--as-of 2060-01-01"), "{text}");
    let too_soon = ["audit", "retain", "--as-of", "2029-01-01", "--destroy"];
    check(data, "2028-12-31", &too_soon, 2, &["not in the future"]);
    check(data, "2028-12-31", &["audit", "retain", "--as-of", "soon"], 2, &["must be a day"]);
    let before = keys_of(data, 2026);
    assert_eq!(before.len(), 15);

    // A hold keeps the kinds that entries about its resident are of, and no others.
    let aisha = AISHA.path();
    let held = ["--authority", "INQUEST-12", "--because", "Inquest opened"];
    check(data, "2029-01-01", &[&["hold", "place", &aisha][..], &held].concat(), 0, &["Held"]);
    check(
        data,
        "2035-01-01",
        &DESTROY,
        0,
        &[
            "disclose: 1, for 2 years: due, but 1 entry is under a legal hold",
            "  policy: 1, for 8 years: due, and destroyed now",
            GONE,
        ],
    );
    let after = keys_of(data, 2026);
    let disclose = KeptKind::Disclose.number();
    assert_eq!(after.get(&disclose), before.get(&disclose));
    let ended: Vec<u8> = before.keys().filter(|kind| !after.contains_key(kind)).copied().collect();
    assert!(ended.contains(&KeptKind::Policy.number()) && !ended.contains(&disclose), "{ended:?}");
    gone(data, &ended.iter().map(|kind| &before[kind]).collect::<Vec<_>>());
    let about = ["audit", "search", "--outcome", "PERMIT", "--resident", &aisha];
    check(data, "2035-01-01", &about, 0, &["1 entries"]);

    check(data, "2035-01-01", &[&["hold", "lift", &aisha][..], &held].concat(), 0, &["Lifted"]);
    check(data, "2035-01-01", &DESTROY, 0, &[&format!("disclose: 1, for 2 years: {GONE}")]);
    gone(data, &[&before[&disclose]]);
    let said =
        ["2026\n", "disclose: 1, for 2 years: destroyed\n", "2035\n", "kept until the end of 2043"];
    check(data, "2035-01-01", &DESTROY, 0, &said);
    check(data, "2035-01-01", &["audit", "verify"], 0, &["The log is whole"]);
    check(data, "2035-01-01", &["audit", "index", "--check"], 0, &["what the log says"]);
    check(data, "2035-01-01", &["keys", "check"], 0, &[" erased, 0 changed or moved"]);
    check(data, "2035-01-01", &["audit", "search", "--outcome", "PERMIT"], 0, &["1 entries"]);
    check(data, "2035-01-01", &about, 0, &["0 entries"]);
}

#[tokio::test]
async fn what_was_cut_off_while_somebody_read_the_keys_is_finished_by_the_next_run() {
    let dir = folder(&shipped()).await;
    let data = &dir.path().join("data");
    let before = keys_of(data, 2026);
    let reading = Connection::open(data.join("keys.db")).unwrap();
    reading.execute_batch("BEGIN; SELECT count(*) FROM wrapped").unwrap();
    let says = ["not destroyed to the last byte", "Run the command again"];
    check(data, "2035-01-01", &DESTROY, 2, &says);
    drop(reading);
    // Nothing is due any more, and yet it is brought to its end.
    check(data, "2035-01-01", &DESTROY, 0, &["disclose: 1, for 8 years: destroyed\n"]);
    let after = keys_of(data, 2026);
    let ended: Vec<_> = before.iter().filter(|(kind, _)| !after.contains_key(kind)).collect();
    assert!(ended.iter().any(|(kind, _)| **kind == KeptKind::Disclose.number()), "{ended:?}");
    gone(data, &ended.into_iter().map(|(_, key)| key).collect::<Vec<_>>());
    check(data, "2035-01-01", &["audit", "index", "--check"], 0, &["what the log says"]);
    check(data, "2035-01-01", &["audit", "verify"], 0, &["The log is whole"]);
}

/// A folder that a program left which had one key for all of a year: its keys and its log of 2026. Under the hub
/// key of 32 bytes of `01`, residents 1 and 2 are registered. Resident 1 was asked about and refused, 2 was asked
/// about, and so was 3, who is not registered.
fn of_before() -> tempfile::TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/retained/of-before");
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    for name in ["keys", "audit-2026"] {
        let sql = std::fs::read_to_string(from.join(format!("{name}.sql"))).unwrap();
        let file = Connection::open(data.join(format!("{name}.db"))).unwrap();
        file.execute_batch(&sql).unwrap();
    }
    std::fs::copy(from.join("audit.vkey"), data.join("audit.vkey")).unwrap();
    let key = dir.path().join("data.hub-key");
    std::fs::write(&key, format!("{}\n", "01".repeat(32))).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    dir
}

fn of_before_resident(n: u128) -> ResidentId {
    ResidentId::from_uuid(Uuid::from_u128(0x01a0_0000_0000_4000_8000_0000_0000_0000 + n))
}

#[tokio::test]
async fn a_year_of_before_kinds_had_keys_is_read_and_lapses_as_a_whole_beside_what_came_since() {
    let dir = of_before();
    let data = dir.path().join("data");
    let whole = keys_of(&data, 2026);
    assert_eq!(whole.keys().collect::<Vec<_>>(), [&0]);
    check(
        &data,
        "2026-08-01",
        &["keys", "check"],
        0,
        &[" slots open, 0 erased, 0 changed or moved"],
    );
    check(&data, "2026-08-01", &["audit", "verify"], 0, &["The log is whole"]);
    assert_eq!(keys_of(&data, 2026).len(), 1 + KeptKind::ALL.len());
    assert_eq!(keys_of(&data, 2026)[&0], whole[&0], "what is there is not touched");
    let found = |day: &str, n: u128, kind: &str, says: &str| {
        let about = format!("residents/{}", of_before_resident(n).uuid());
        let command = ["audit", "search", "--kind", kind, "--resident", &about];
        check(&data, day, &command, 0, &[says]);
    };
    for (n, kind, says) in [
        (1, "Disclose", "1 entries"),
        (1, "Refuse", "1 entries"),
        (1, "Query", "0 entries"),
        (2, "Query", "1 entries"),
        (3, "Query", "1 entries"),
    ] {
        found("2026-08-01", n, kind, says);
    }

    // The hub goes on in the same year, under the keys of kinds.
    let own = tempfile::tempdir().unwrap();
    let figures = [("\nquery,8", "\nquery,1"), ("\npolicy,8", "\npolicy,2")];
    let policies = with_figures(own.path(), &figures);
    let clock = FixedClock::at("2026-08-02T10:00:00Z".parse().unwrap());
    let place = Place::following(dir, clock, PolicyFolder::unsigned(policies)).await;
    let log = place.app.store.log();
    let lots = log.lots(vec![of_before_resident(1)]).await.unwrap();
    let (old, policy) = (&lots[&Lot::whole(2026)], &lots[&Lot::of(2026, KeptKind::Policy)]);
    assert_eq!((old.count(), old.held, old.opens), (5, 2, true), "a hold keeps all of it");
    assert_eq!((policy.held, policy.opens), (0, true));
    let held = log.lots(vec![of_before_resident(2), of_before_resident(4)]).await.unwrap();
    assert_eq!(held[&Lot::whole(2026)].held, 1);
    let dir = place.ended().await.0;

    let old = "2026, under one key for all kinds: ";
    let kept = [
        &format!("{old}kept until the end of 2034\n"),
        "  disclose: 1, for 8 years\n",
        "  query: 2, for 1 years\n",
        "\n2026\n",
        "  policy: 1, for 2 years: kept until the end of 2028\n",
    ];
    check(&data, "2026-08-03", &RETAIN, 0, &kept);
    let policy = format!("  policy: 1, for 2 years: {GONE}\n");
    check(&data, "2029-01-01", &DESTROY, 0, &[kept[0], &policy]);
    found("2029-01-01", 2, "Query", "1 entries");
    let key = keys_of(&data, 2026)[&0].clone();
    assert_eq!(key, whole[&0]);
    check(&data, "2035-01-01", &DESTROY, 0, &[&format!("{old}{GONE}\n")]);
    gone(&data, &[&key]);
    check(&data, "2035-01-01", &RETAIN, 0, &[&format!("{old}destroyed\n")]);
    check(&data, "2035-01-01", &["audit", "verify"], 0, &["The log is whole"]);
    check(&data, "2035-01-01", &["audit", "index", "--check"], 0, &["what the log says"]);
    check(&data, "2035-01-01", &["keys", "check"], 0, &[" erased, 0 changed or moved"]);
    for n in [1, 2, 3] {
        found("2035-01-01", n, "Query", "0 entries");
    }
    drop(dir);
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
