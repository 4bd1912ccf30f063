//! Tiles and proofs on real files: in the same commit as the entries, for every size, after an upgrade, and
//! every kind of tampering.

use super::*;
use crate::audit::entry::SlotId;
use crate::audit::proof::{SizedRoot, inclusion, verify_consistency, verify_inclusion};
use crate::audit::tile::{TILE_WIDTH, TileId, full_tile};
use crate::audit::tree::{Edge, Hash, leaf_hash};

/// A log of so many entries, the first among them.
async fn log_of(dir: &TempDir, size: u64) -> Log {
    let log = open(dir);
    while log.head().size < size {
        let room = usize::try_from(size - log.head().size).unwrap().min(100);
        log.append((0..room).map(|_| entry(Kind::Query, "marac")).collect()).await.unwrap();
    }
    log
}

fn leaf_hashes(dir: &TempDir) -> Vec<Hash> {
    let rows = stored_rows(&Connection::open(file(dir)).unwrap()).unwrap();
    rows.iter().map(|(_, leaf)| leaf_hash(leaf)).collect()
}

fn roots(hashes: &[Hash]) -> Vec<Hash> {
    let mut edge = Edge::default();
    let mut roots = vec![edge.root()];
    for hash in hashes {
        edge.push(*hash);
        roots.push(edge.root());
    }
    roots
}

fn tiles(dir: &TempDir) -> Vec<(u8, u64, Vec<u8>)> {
    let connection = Connection::open(file(dir)).unwrap();
    let mut rows = connection.prepare("SELECT * FROM tile ORDER BY level, n").unwrap();
    let rows = rows
        .query_map([], |row| {
            Ok((row.get(0)?, u64::try_from(row.get::<_, i64>(1)?).unwrap(), row.get(2)?))
        })
        .unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn full_tiles_and_no_others_stand_beside_the_entries() {
    let dir = TempDir::new().unwrap();
    let log = log_of(&dir, 255).await;
    assert_eq!(tiles(&dir), Vec::new());
    log.append(vec![entry(Kind::Query, "marac")]).await.unwrap();
    log.append((0..600).map(|_| entry(Kind::Query, "marac")).collect()).await.unwrap();
    let (stored, hashes) = (tiles(&dir), leaf_hashes(&dir));
    assert_eq!(stored.len(), 3);
    for (n, (level, place, bytes)) in stored.iter().enumerate() {
        assert_eq!((*level, *place), (0, n as u64));
        let wanted = &hashes[n * TILE_WIDTH..(n + 1) * TILE_WIDTH];
        assert_eq!(full_tile(bytes).unwrap(), wanted);
    }
    assert_eq!(findings(&dir), Vec::<String>::new());
    let verdict = verify_file(&file(&dir), verifier(&dir), None, None).unwrap();
    assert_eq!(verdict.tiles, 3);
}

#[tokio::test]
async fn every_signed_size_has_its_proofs_and_tiles() {
    let dir = TempDir::new().unwrap();
    let log = log_of(&dir, 530).await;
    let hashes = leaf_hashes(&dir);
    let roots = roots(&hashes);
    let sized = |size: u64| SizedRoot { size, root: roots[usize::try_from(size).unwrap()] };
    for size in [1, 2, 255, 256, 257, 511, 512, 513, 530] {
        for index in [0, 1, 255, 256, 511, 512, size - 1] {
            let proof = log.inclusion(index, size).await.unwrap();
            if index >= size {
                assert_eq!(proof, None);
                continue;
            }
            let (leaf, root) = (hashes[usize::try_from(index).unwrap()], sized(size).root);
            assert_eq!(verify_inclusion(&leaf, index, size, &proof.unwrap(), &root), Ok(()));
        }
        for from in [0, 1, 200, 256, 300, 512, 530] {
            let proof = log.consistency(from, size).await.unwrap();
            match proof {
                None => assert!(from > size),
                Some(proof) => {
                    assert_eq!(verify_consistency(sized(from), sized(size), &proof), Ok(()));
                }
            }
        }
    }
    // What no head covers is not proven.
    assert_eq!(log.inclusion(0, 531).await.unwrap(), None);
    assert_eq!(log.consistency(5, 531).await.unwrap(), None);
    for (n, width) in [(0, 1), (0, 256), (1, 255), (2, 18)] {
        let tile = log.tile(TileId { level: 0, n }, width).await.unwrap().unwrap();
        let first = usize::try_from(n).unwrap() * TILE_WIDTH;
        assert_eq!(tile, &hashes[first..first + width]);
    }
    assert_eq!(log.tile(TileId { level: 0, n: 2 }, 19).await.unwrap(), None);
    assert_eq!(log.tile(TileId { level: 1, n: 0 }, 2).await.unwrap().unwrap().len(), 2);
    assert_eq!(log.tile(TileId { level: 1, n: 0 }, 3).await.unwrap(), None);
    assert_eq!(log.tile(TileId { level: 9, n: u64::MAX }, 1).await.unwrap(), None);
}

#[tokio::test]
async fn an_entry_is_proven_as_soon_as_it_is_promised() {
    const OPEN: &[SlotId] = &[SlotId::Subject];
    let dir = TempDir::new().unwrap();
    let log = open(&dir);
    for _ in 0..3 {
        let wanted = entry(Kind::Disclose, "direct_care");
        let receipt = log.append(vec![wanted.clone()]).await.unwrap().remove(0);
        for (open, slots) in [(OPEN, 1), (&[SlotId::Asker], 0), (&[], 0)] {
            let proven = log.proven(wanted.event, open).await.unwrap().unwrap();
            let shown = proven.verify(&verifier(&dir)).unwrap();
            assert_eq!((shown.head.size, shown.head.root), (receipt.size(), receipt.root()));
            assert_eq!(
                (proven.index, leaf_hash(&proven.leaf)),
                (receipt.index(), receipt.leaf_hash())
            );
            assert_eq!(shown.leaf.entry.event, wanted.event);
            assert_eq!(shown.leaf.entry.slots.len(), slots);
        }
    }
    let nobody = DecisionId::from_uuid(Uuid::now_v7());
    assert_eq!(log.proven(nobody, OPEN).await.unwrap(), None);
}

#[tokio::test]
async fn a_log_of_the_version_before_gets_its_tiles_at_the_next_opening() {
    let dir = TempDir::new().unwrap();
    drop(log_of(&dir, 600).await);
    let whole = tiles(&dir);
    assert_eq!(whole.len(), 2);
    for older in ["DROP TABLE tile", "DELETE FROM tile WHERE n = 1"] {
        Connection::open(file(&dir)).unwrap().execute_batch(older).unwrap();
        let read = || StoredTree::read(&[file(&dir)], &verifier(&dir));
        let proven = || inclusion(&read()?.tree(), 300, 600);
        let early = proven().unwrap_err();
        let says = if older.starts_with("DROP") { "no tiles yet" } else { "tile 0/1 is missing" };
        assert!(early.to_string().contains(says), "{early}");
        let log = open(&dir);
        assert_eq!(tiles(&dir), whole);
        let proof = log.inclusion(3, 600).await.unwrap().unwrap();
        let (hashes, head) = (leaf_hashes(&dir), log.head());
        assert_eq!(verify_inclusion(&hashes[3], 3, 600, &proof, &head.root), Ok(()));
        drop(log);
        assert_eq!(findings(&dir), Vec::<String>::new());
        let path = proven().unwrap().unwrap();
        assert_eq!(verify_inclusion(&hashes[300], 300, 600, &path, &head.root), Ok(()));
    }
}

#[tokio::test]
async fn an_upgrade_of_what_is_not_the_signed_log_leaves_it_as_it_was() {
    let dir = TempDir::new().unwrap();
    drop(log_of(&dir, 300).await);
    let sql = "DROP TABLE tile; UPDATE entry SET leaf = (SELECT leaf FROM entry WHERE idx = 9) \
               WHERE idx = 8";
    Connection::open(file(&dir)).unwrap().execute_batch(sql).unwrap();
    assert!(matches!(
        Log::open(dir.path(), keys(&dir), ORIGIN, clock()),
        Err(StoreError::Corrupt(_))
    ));
    let connection = Connection::open(file(&dir)).unwrap();
    assert!(connection.prepare("SELECT * FROM tile").is_err(), "nothing is half made");
}

#[tokio::test]
async fn every_kind_of_tampering_with_tiles_is_found_and_named() {
    let dir = TempDir::new().unwrap();
    drop(log_of(&dir, 800).await);
    let clean = std::fs::read(file(&dir)).unwrap();
    let cases = [
        (
            "UPDATE tile SET hashes = (SELECT hashes FROM tile WHERE n = 1) WHERE n = 0",
            "tile 0/0: hash 0 is not that of entry 0, nor are 255 others",
        ),
        (
            "UPDATE tile SET n = n + 100 WHERE n < 2; UPDATE tile SET n = 101 - n WHERE n >= 100",
            "tile 0/1: hash 0 is not that of entry 256, nor are 255 others",
        ),
        (
            "UPDATE tile SET hashes = CAST(substr(hashes, 1, 544) || zeroblob(1) || \
             substr(hashes, 546) AS BLOB) WHERE n = 2",
            "tile 0/2: hash 17 is not that of entry 529",
        ),
        ("UPDATE tile SET hashes = x'00' WHERE n = 1", "tile 0/1: is not 256 hashes"),
        ("DELETE FROM tile WHERE n = 1", "tile 0/1: is missing"),
        ("INSERT INTO tile VALUES (0, 3, zeroblob(8192))", "tile 0/3: is of entries that are not"),
        ("INSERT INTO tile VALUES (1, 0, zeroblob(8192))", "tile 1/0: is of entries that are not"),
        ("INSERT INTO tile VALUES (-1, 0, zeroblob(8192))", "tile -1/0: is of entries that are"),
        // An entry that was changed is located by its tile.
        (
            "UPDATE entry SET leaf = (SELECT leaf FROM entry WHERE idx = 600) WHERE idx = 601",
            "tile 0/2: hash 89 is not that of entry 601",
        ),
    ];
    for (sql, says) in cases {
        std::fs::write(file(&dir), &clean).unwrap();
        let _none = std::fs::remove_file(file(&dir).with_extension("db-wal"));
        assert_eq!(findings(&dir), Vec::<String>::new());
        Connection::open(file(&dir)).unwrap().execute_batch(sql).unwrap();
        let found = findings(&dir);
        assert!(found.iter().any(|finding| finding.starts_with(says)), "{sql}: {found:?}");
        let opened = Log::open(dir.path(), keys(&dir), ORIGIN, clock());
        let heals = sql.starts_with("DELETE");
        assert_eq!(matches!(opened, Err(StoreError::Corrupt(_))), !heals, "{sql}");
    }
}

#[tokio::test]
async fn a_missing_entry_is_named_and_not_everything_behind_it() {
    let dir = TempDir::new().unwrap();
    drop(log_of(&dir, 800).await);
    let sql = "DELETE FROM entry WHERE idx = 300; DELETE FROM slot WHERE idx = 300";
    Connection::open(file(&dir)).unwrap().execute_batch(sql).unwrap();
    let found = findings(&dir);
    assert_eq!(found[0], "entry 300: missing; the next one is 301", "{found:?}");
    assert!(found.len() < 6, "{found:?}");
}

/// Log and tiles, as they lie on disk, against the bytes of the leaves.
#[tokio::test]
async fn log_and_tiles_take_at_most_a_quarter_more_than_the_leaves() {
    let dir = TempDir::new().unwrap();
    let log = open(&dir);
    for _ in 0..40 {
        let entries = (0..256).map(|_| usual()).collect();
        log.append(entries).await.unwrap();
    }
    drop(log);
    let connection = Connection::open(file(&dir)).unwrap();
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, f64>(0)).unwrap();
    let stored = number(
        "SELECT CAST(sum(pgsize) AS REAL) FROM dbstat WHERE name IN ('entry', 'tile', 'head')",
    );
    let leaves = number("SELECT CAST(sum(length(leaf)) AS REAL) FROM entry");
    let ratio = stored / leaves;
    let each = leaves / 10_241.0;
    assert!((400.0..700.0).contains(&each), "{each} bytes a leaf are not usual");
    assert!(ratio <= 1.25, "log and tiles take {ratio:.3} of the leaves, {each:.0} bytes each");
}

/// As large as the entry of a usual disclosure.
fn usual() -> Entry {
    let words = [
        (Facet::Role, "social_worker"),
        (Facet::Purpose, "child_protection_enquiry"),
        (Facet::Holder, "oakdale-gp"),
        (Facet::Outcome, "PARTIAL"),
        (Facet::Codes, "FIELD_NOT_NEEDED"),
        (Facet::Released, "health/gp_summary.conditions|health/gp_summary.medication"),
        (Facet::Withheld, "health/gp_summary.notes"),
        (Facet::Rules, "R-CP-014"),
        (Facet::Gateways, "children_act_1989_s47"),
        (Facet::Agreements, "northfield-mash-2026"),
        (Facet::Duties, "tell_holder|record_reason"),
        (Facet::Bases, "6-1-e|9-2-g"),
        (Facet::Subjects, "1"),
    ];
    let mut one = entry(Kind::Disclose, "x");
    one.rpc = "weir.hub.v1.SharingService/RequestRecords".to_owned();
    one.facets = words.into_iter().map(|(facet, word)| (facet, word.to_owned())).collect();
    for slot in [SlotId::Asker, SlotId::Request, SlotId::Decision] {
        one.slots.insert(slot, b"{}".to_vec());
    }
    one
}
