//! What the hub writes for others, read by tools that know nothing of it: `signed_note` and `tlog_tiles`, which
//! follow the programs of Go's module log.

use std::path::{Path, PathBuf};

use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{
    Checkpoint, Error, Hash, Tile, TileHashReader, TileReader, check_record, check_tree,
    prove_record, prove_tree, record_hash, tree_hash,
};

use crate::golden::folder;
use crate::story::weir;

/// A folder as a web server would show it.
struct Published(PathBuf);

impl Published {
    /// The path in C2SP's form: the height of tiles is always 8 and not said.
    fn file(&self, tile: &Tile) -> PathBuf {
        self.0.join(tile.path().replacen("tile/8/", "tile/", 1))
    }

    /// The entries under a tile of the lowest level, each behind its length.
    fn entries(&self, tile: &Tile) -> Vec<Vec<u8>> {
        let mut data = *tile;
        data.set_is_data();
        let path = data.path().replacen("tile/8/data/", "tile/entries/", 1);
        let bytes = std::fs::read(self.0.join(path)).unwrap();
        let (mut rest, mut all) = (bytes.as_slice(), Vec::new());
        while let [high, low, after @ ..] = rest {
            let (entry, after) = after.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            all.push(entry.to_vec());
            rest = after;
        }
        all
    }
}

impl TileReader for Published {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        Ok(tiles.iter().map(|tile| std::fs::read(self.file(tile)).unwrap()).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// The head that a note says, if this key signed it.
fn opened(note: &str, key: &str) -> Option<Checkpoint> {
    let note = Note::from_bytes(note.as_bytes()).ok()?;
    let key = StandardVerifier::new(key.trim()).unwrap();
    note.verify(&VerifierList::new(vec![Box::new(key)])).ok()?;
    Some(Checkpoint::from_bytes(note.text()).unwrap())
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn hashes(lines: &str) -> Vec<Hash> {
    lines.lines().map(|line| Hash::parse_hash(line).unwrap()).collect()
}

/// Reads a whole folder and proves every entry; tells how many there are.
fn proven(dir: &Path, key: &str) -> u64 {
    let published = Published(dir.to_owned());
    let head = opened(&text(&dir.join("checkpoint")), key).unwrap();
    let (size, root) = (head.size(), *head.hash());
    let tiles = TileHashReader::new(size, root, &published);
    assert_eq!(tree_hash(size, &tiles).unwrap(), root);
    let mut entries = Vec::new();
    for n in 0..size.div_ceil(256) {
        let width = (size - n * 256).min(256);
        let tile = Tile::new(8, 0, n, u32::try_from(width).unwrap(), false);
        entries.extend(published.entries(&tile));
    }
    assert_eq!(entries.len() as u64, size);
    for (index, entry) in (0..).zip(&entries) {
        let proof = prove_record(size, index, &tiles).unwrap();
        check_record(&proof, size, root, index, record_hash(entry)).unwrap();
    }
    size
}

#[test]
fn the_golden_log_its_receipts_and_its_growth_are_read_by_stock_tools() {
    let (golden, key) = (folder(), text(&folder().join("key.vkey")));
    assert_eq!(proven(&golden.join("tiles"), &key), 300);
    let head = |note: &str| opened(note, &key).unwrap();
    let mut read = 0;
    for receipt in std::fs::read_dir(golden.join("receipts")).unwrap() {
        let receipt = text(&receipt.unwrap().path());
        let (proof, note) = receipt.split_once("\n\n").unwrap();
        let lines = proof.strip_prefix("c2sp.org/tlog-proof@v1\n").unwrap();
        let (extra, lines) = lines.split_once('\n').unwrap();
        let (index, lines) = lines.split_once('\n').unwrap_or((lines, ""));
        let index: u64 = index.strip_prefix("index ").unwrap().parse().unwrap();
        let extra = base64(extra.strip_prefix("extra ").unwrap());
        let extra: serde_json::Value = serde_json::from_slice(&extra).unwrap();
        let leaf = record_hash(&base64(extra["leaf"].as_str().unwrap()));
        let (head, proof) = (head(note), hashes(lines));
        check_record(&proof, head.size(), *head.hash(), index, leaf).unwrap();
        let another = record_hash(b"another");
        assert!(check_record(&proof, head.size(), *head.hash(), index, another).is_err());
        read += 1;
    }
    for growth in std::fs::read_dir(golden.join("growth")).unwrap() {
        let growth = text(&growth.unwrap().path());
        let (proof, note) = growth.split_once("\n\n").unwrap();
        let (old, lines) = proof.split_once('\n').unwrap_or((proof, ""));
        let old = old.strip_prefix("old ").unwrap();
        let (new, old) = (head(note), head(&text(&golden.join("checkpoints").join(old))));
        let proof = hashes(lines);
        if old.size() < new.size() {
            check_tree(&proof, new.size(), *new.hash(), old.size(), *old.hash()).unwrap();
        }
        read += 1;
    }
    assert_eq!(read, 19);
    // A head with the line of a witness is a note like any other.
    let cosigned = text(&golden.join("checkpoints/300-cosigned"));
    assert_eq!(head(&cosigned).size(), 300);
    assert!(opened(&cosigned.replace("\n300\n", "\n299\n"), &key).is_none());
}

#[test]
fn the_log_of_a_hub_is_read_by_stock_tools_as_it_grows() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let run = |words: &[&str]| {
        let (exit, text) = weir(words);
        assert_eq!(exit, 0, "{words:?}: {text}");
        text
    };
    let data = at("data");
    run(&["demo", "--exit", "--data", &data]);
    let key = text(&dir.path().join("data/audit.vkey"));
    let mut sizes = Vec::new();
    for folder in [at("early"), at("late")] {
        run(&["audit", "tiles", "--data", &data, "--entries", "--out", &folder]);
        sizes.push(proven(Path::new(&folder), &key));
    }
    let [early, late] = ["early", "late"]
        .map(|name| opened(&text(&dir.path().join(name).join("checkpoint")), &key).unwrap());
    assert!(early.size() < late.size(), "{sizes:?}");
    let published = Published(dir.path().join("late"));
    let tiles = TileHashReader::new(late.size(), *late.hash(), &published);
    let growth = prove_tree(late.size(), early.size(), &tiles).unwrap();
    check_tree(&growth, late.size(), *late.hash(), early.size(), *early.hash()).unwrap();
    // What the hub itself proves of its growth is the same.
    let own = run(&["audit", "proof", "--data", &data, "--from", &early.size().to_string()]);
    let (lines, note) = own.split_once("\n\n").unwrap();
    assert_eq!(opened(&format!("{}\n", note.trim_end()), &key).unwrap(), late);
    assert_eq!(hashes(lines.split_once('\n').unwrap().1), growth);
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}
