//! The same at the terminal: receipts, proofs and a static folder from a data folder, verified by files alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use weir::audit::checkpoint::VerifierKey;
use weir::audit::tile::{TileId, bundle_path};
use weir::audit::tree::{Edge, Hash, leaf_hash};
use weir::clock::Clock as _;

use super::{ask, on_disk};
use crate::support::{AISHA, NURSE, Place, treatment};

/// A folder that no hub has open, with the name of a decision in it.
struct Folder {
    dir: tempfile::TempDir,
    data: PathBuf,
    key: String,
    decision: String,
    leaves: Vec<Hash>,
}

impl Folder {
    async fn of(size: u64) -> Self {
        let place = Place::open().await;
        let decision = ask(&place, NURSE, treatment(AISHA)).await.name;
        while place.log_size() < size {
            let asked = vec![treatment(AISHA); 60];
            let asked = weir::grpc::pb::BatchCanShareRequest { requests: asked };
            place.sharing().batch_can_share(place.from(NURSE, asked)).await.unwrap();
        }
        let (data, (leaves, _)) = (place.data(), on_disk(&place));
        let key = std::fs::read_to_string(data.join("audit.vkey")).unwrap().trim().to_owned();
        let now = place.clock.now();
        let (dir, _) = place.ended().await;
        // The commands live by the clock of the place: in another year they would begin another file, with an
        // entry of its own.
        std::fs::write(data.join("sample-clock"), format!("{now}\n")).unwrap();
        Self { dir, data, key, decision, leaves }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn audit(&self, arguments: &[&str]) -> (i32, String) {
        weir(&[&["audit"], arguments, &["--data", self.data.to_str().unwrap()]].concat())
    }

    /// What a command on the folder prints.
    fn said(&self, arguments: &[&str]) -> String {
        let (exit, text) = self.audit(arguments);
        assert_eq!(exit, 0, "{arguments:?}: {text}");
        text
    }

    fn check(&self, command: &str, files: &[&Path], more: &[&str]) -> (i32, String) {
        let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
        weir(&[&["audit", command], files.as_slice(), &["--key", &self.key], more].concat())
    }
}

fn weir(arguments: &[&str]) -> (i32, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_weir")).args(arguments).output().unwrap();
    let text = [out.stdout, out.stderr].concat();
    (out.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn a_receipt_is_written_and_checked_at_the_terminal() {
    let folder = Folder::of(0).await;
    let before = folder.leaves.len();
    let closed = folder.said(&["receipt", &folder.decision]);
    let file = folder.file("closed.tlog-proof", &closed);
    let (exit, text) = folder.check("check-receipt", &[&file], &[]);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("Disclose") && text.ends_with("The receipt verifies\n"), "{text}");
    assert!(!text.contains("  Subject: "), "{text}");
    let open = folder.said(&["receipt", "--open", &folder.decision]);
    let file = folder.file("open.tlog-proof", &open);
    let resident = AISHA.path();
    for (more, personal) in [(vec![], false), (vec!["--show"], true)] {
        let (exit, text) = folder.check("check-receipt", &[&file], &more);
        assert_eq!((exit, text.contains(&resident)), (0, personal), "{text}");
        assert!(text.contains("  Subject: ") && text.contains("  Asker: "), "{text}");
    }
    let by_place = folder.said(&["receipt", &format!("entries/{}", before - 1)]);
    let file = folder.file("place.tlog-proof", &by_place);
    let (exit, text) = folder.check("check-receipt", &[&file], &[]);
    assert!(exit == 0 && text.starts_with(&format!("Entry {} of", before - 1)), "{text}");
    // Each reading is an entry.
    let read = folder.said(&["search", "--from", &before.to_string()]);
    assert!(read.contains("What=receipt\n") && read.contains("What=receipt|open\n"), "{read}");

    let other = folder.file("other.tlog-proof", &open.replace("index ", "index 1"));
    let longer = folder.file("longer.tlog-proof", &format!("{open}\n"));
    let empty = folder.file("empty.tlog-proof", "");
    for wrong in [&other, &longer, &empty] {
        let (exit, text) = folder.check("check-receipt", &[wrong], &[]);
        assert_eq!(exit, 1, "{text}");
        assert!(text.contains("does not verify"), "{text}");
    }
    assert_eq!(folder.check("check-receipt", &[Path::new("none")], &[]).0, 2);
    for wrong in
        ["disclosures/00000000-0000-4000-8000-000000000000", "entries/9999", "entries/x", ""]
    {
        assert_eq!(folder.audit(&["receipt", wrong]).0, 2, "{wrong}");
    }
}

#[tokio::test]
async fn a_log_is_shown_to_have_only_grown_at_the_terminal() {
    let folder = Folder::of(0).await;
    let newest = folder.leaves.len();
    let at = |size: usize| folder.said(&["proof", "--index", "0", "--size", &size.to_string()]);
    let checkpoint = |proof: String| proof.split_once("\n\n").unwrap().1.to_owned();
    let old = checkpoint(at(newest - 1));
    let from = (newest - 1).to_string();
    let growth = folder.said(&["proof", "--from", &from]);
    let old = folder.file("old", &old);
    let proof = folder.file("growth", &growth);
    let (exit, text) = folder.check("check-growth", &[&old, &proof], &[]);
    assert_eq!((exit, text.contains("only grew")), (0, true), "{text}");
    let hash = growth.lines().nth(1).unwrap();
    let wrongs = [
        growth.replace(&format!("old {from}"), "old 1"),
        growth.replacen(&format!("{hash}\n"), "", 1),
        growth.replacen(hash, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 1),
        growth.replacen(hash, "AAAA", 1),
        checkpoint(growth.clone()),
        String::new(),
    ];
    for wrong in wrongs {
        assert_ne!(wrong, growth);
        let proof = folder.file("wrong", &wrong);
        let (exit, text) = folder.check("check-growth", &[&old, &proof], &[]);
        assert_eq!(exit, 1, "{text}");
    }
    // No proof of what is not there, or was not signed.
    let beyond = (newest + 1).to_string();
    for wrong in [
        vec!["proof", "--from", &beyond],
        vec!["proof", "--from", "0", "--to", &beyond],
        vec!["proof", "--index", &beyond],
        vec!["proof", "--index", "0", "--size", "0"],
        vec!["proof"],
        vec!["proof", "--index", "0", "--from", "0"],
    ] {
        assert_eq!(folder.audit(&wrong).0, 2, "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_are_made_of_a_folder_that_a_hub_has_open() {
    let place = Place::open().await;
    ask(&place, NURSE, treatment(AISHA)).await;
    let (data, size) = (place.data(), place.log_size());
    let data = data.to_str().unwrap();
    let out = place.data().parent().unwrap().join("published");
    for arguments in [
        vec!["verify"],
        vec!["proof", "--from", "1"],
        vec!["proof", "--index", "1"],
        vec!["tiles", "--out", out.to_str().unwrap()],
    ] {
        let (exit, text) = weir(&[&["audit"], &arguments[..], &["--data", data]].concat());
        assert_eq!(exit, 0, "{arguments:?}: {text}");
    }
    // What is an entry first wants the folder for itself.
    let more = out.with_extension("more");
    for arguments in
        [vec!["receipt", "entries/1"], vec!["tiles", "--entries", "--out", more.to_str().unwrap()]]
    {
        let (exit, text) = weir(&[&["audit"], &arguments[..], &["--data", data]].concat());
        assert_eq!(exit, 2, "{text}");
        assert!(text.contains("another process uses the data folder"), "{text}");
    }
    assert!(!more.exists());
    assert_eq!(place.log_size(), size);
}

#[tokio::test]
async fn a_static_folder_holds_the_tree_and_its_entries_only_when_asked() {
    let folder = Folder::of(300).await;
    let key = VerifierKey::parse(&folder.key).unwrap();
    for (name, entries) in [("public", false), ("own", true)] {
        let out = folder.dir.path().join(name);
        let mut arguments = vec!["tiles", "--out", out.to_str().unwrap()];
        arguments.extend(entries.then_some("--entries"));
        folder.said(&arguments);
        let read = |path: &str| std::fs::read(out.join(path));
        let note = String::from_utf8(read("checkpoint").unwrap()).unwrap();
        let head = key.open(&note).unwrap();
        let size = folder.leaves.len() as u64 + u64::from(entries);
        assert_eq!(head.size, size, "that it is written with entries is an entry");
        let (mut edge, mut leaves) = (Edge::default(), Vec::new());
        for n in 0..2 {
            let id = TileId { level: 0, n };
            let tile = read(&id.path(id.width(size))).unwrap();
            leaves.extend(tile.chunks(32).map(|hash| Hash::try_from(hash).unwrap()));
            let bundle = read(&bundle_path(n, id.width(size)));
            assert_eq!(bundle.is_ok(), entries);
            let mut rest = bundle.unwrap_or_default();
            let mut bundled = Vec::new();
            while !rest.is_empty() {
                let len = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
                bundled.push(leaf_hash(&rest[2..2 + len]));
                rest.drain(..2 + len);
            }
            if entries {
                let first = usize::try_from(n).unwrap() * 256;
                assert_eq!(bundled, leaves[first..]);
            }
        }
        leaves.iter().for_each(|leaf| edge.push(*leaf));
        assert_eq!((edge.size(), edge.root()), (size, head.root));
        assert_eq!(leaves[..folder.leaves.len()], folder.leaves);
        assert_eq!(read("tile/1/000.p/1").unwrap().len(), 32);
        assert!(read("tile/2/000.p/1").is_err());
        assert_eq!(folder.audit(&arguments).0, 2, "a folder with something in it is left alone");
    }
}
