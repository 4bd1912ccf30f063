//! Witnesses as real processes on real sockets: what they sign, what they refuse, and what they remember.

mod hub;
mod strict;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Client;
use weir::audit::checkpoint::{Checkpoint, SigningKey};
use weir::audit::proof::{Nodes, consistency, root};
use weir::audit::tree::{Hash, leaf_hash, node_hash};
use weir::audit::witness::{AddCheckpoint, WitnessKey};

use crate::story::weir;

const ORIGIN: &str = "northfield.example/weir/audit";

/// A tree of any size; two of them are the same up to 8 entries.
pub(crate) struct Tree(pub(crate) u8);

impl Nodes for Tree {
    type Error = std::convert::Infallible;
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        Ok(if level == 0 {
            let salt = if index < 8 { 0 } else { self.0 };
            leaf_hash(&[&[salt][..], &index.to_be_bytes()].concat())
        } else {
            node_hash(&self.node(level - 1, 2 * index)?, &self.node(level - 1, 2 * index + 1)?)
        })
    }
}

fn log_key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

fn request(tree: &Tree, old: u64, size: u64) -> AddCheckpoint {
    let (Ok(root), Ok(growth)) = (root(tree, size), consistency(tree, old.min(size), size));
    let note = log_key().sign(&Checkpoint { origin: ORIGIN.to_owned(), size, root });
    AddCheckpoint { old, growth: growth.unwrap(), note }
}

/// A port that is free at the moment.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Waits until somebody listens.
pub(crate) async fn listening(port: u16) {
    let mut tries = 0;
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        tries += 1;
        assert!(tries < 600, "nobody listens on {port}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A witness in a process of its own; it does not outlive the test.
pub(crate) struct Witness {
    pub(crate) dir: PathBuf,
    pub(crate) key: WitnessKey,
    pub(crate) port: u16,
    log: String,
    child: Option<Child>,
}

impl Witness {
    pub(crate) fn new(dir: &Path, name: &str, log: &str) -> Self {
        let dir = dir.join(name);
        let (exit, key) =
            weir(&["witness", "init", "--data", dir.to_str().unwrap(), "--name", name]);
        assert_eq!(exit, 0, "{key}");
        let key = WitnessKey::parse(&key).unwrap();
        Self { dir, key, port: free_port(), log: log.to_owned(), child: None }
    }

    fn command(&self, port: u16) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(["witness", "--data"]).arg(&self.dir).args(["--log", &self.log]);
        command.arg("--listen").arg(format!("127.0.0.1:{port}"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    pub(crate) async fn start(&mut self) {
        self.child = Some(self.command(self.port).spawn().unwrap());
        listening(self.port).await;
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn latest(&self) -> Option<u64> {
        let file = rusqlite::Connection::open(self.dir.join("witness.db")).unwrap();
        let size = file.query_row("SELECT size FROM latest", [], |row| row.get::<_, i64>(0));
        size.ok().map(|size| u64::try_from(size).unwrap())
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn client() -> Client {
    Client::builder().tls_certs_only(Vec::new()).no_proxy().build().unwrap()
}

async fn post(witness: &Witness, body: String) -> (u16, String, String) {
    let url = format!("{}/add-checkpoint", witness.url());
    let response = client().post(url).body(body).send().await.unwrap();
    let status = response.status().as_u16();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    (status, kind, response.text().await.unwrap())
}

#[tokio::test]
async fn a_witness_answers_as_the_protocol_says() {
    let dir = tempfile::tempdir().unwrap();
    let mut witness = Witness::new(dir.path(), "w.example", &log_key().verifier(ORIGIN).text());
    witness.start().await;
    let (one, other) = (Tree(0), Tree(1));
    let stranger = SigningKey::from_seed(&[8; 32]).unwrap();
    let head = Checkpoint { origin: ORIGIN.to_owned(), size: 3, root: [0; 32] };
    let unsigned = AddCheckpoint { note: stranger.sign(&head), ..request(&one, 0, 3) };
    let elsewhere = Checkpoint { origin: "else".to_owned(), ..head };
    let unknown = AddCheckpoint { note: stranger.sign(&elsewhere), ..request(&one, 0, 3) };
    let mut broken = request(&one, 12, 20);
    broken.growth[0] = [0; 32];
    let sized = |size: &str| Some(size.to_owned());
    for (what, body, status, size) in [
        ("nothing", String::new(), 400, None),
        ("too long", "x".repeat(70_000), 400, None),
        ("another log", unknown.text(), 404, None),
        ("not signed", unsigned.text(), 403, None),
        ("not yet seen", request(&one, 3, 9).text(), 409, sized("0\n")),
        ("first", request(&one, 0, 9).text(), 200, None),
        ("first again", request(&one, 0, 9).text(), 409, sized("9\n")),
        ("the same once more", request(&one, 9, 9).text(), 200, None),
        ("grown", request(&one, 9, 12).text(), 200, None),
        ("shrunk", request(&one, 12, 9).text(), 400, None),
        ("behind", request(&one, 9, 20).text(), 409, sized("12\n")),
        ("another of the same size", request(&other, 12, 12).text(), 409, sized("12\n")),
        ("forked", request(&other, 12, 20).text(), 422, None),
        ("a proof that is none", broken.text(), 422, None),
        ("grown again", request(&one, 12, 20).text(), 200, None),
    ] {
        let (found, kind, answer) = post(&witness, body.clone()).await;
        assert_eq!(found, status, "{what}: {answer}");
        assert_eq!(kind == "text/x.tlog.size", status == 409, "{what}: {kind}");
        if let Some(size) = size {
            assert_eq!(answer, size, "{what}");
        }
        let line = answer.strip_suffix('\n').unwrap();
        let note = body.split_once("\n\n").map_or("", |(_, note)| note);
        assert_eq!(witness.key.verify(note, line).is_some(), status == 200, "{what}: {answer}");
    }
    let id = weir::witness::log_id(ORIGIN);
    for (path, status) in [(id.as_str(), 200), ("00", 404)] {
        let url = format!("{}/latest/{path}", witness.url());
        let response = client().get(url).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        let note = response.text().await.unwrap();
        let signed = log_key().verifier(ORIGIN).open(&note).map(|head| head.size);
        assert_eq!(signed.ok(), (status == 200).then_some(20));
        assert_eq!(witness.key.find(&note).is_some(), status == 200);
    }
    for (path, status) in [("/add-checkpoint", 405), ("/", 404), ("/latest/../witness.key", 404)] {
        let found = client().get(format!("{}{path}", witness.url())).send().await.unwrap();
        assert_eq!(found.status().as_u16(), status, "{path}");
    }
    // What was to have it sign a second history is kept, and nothing else.
    witness.kill();
    let file = rusqlite::Connection::open(witness.dir.join("witness.db")).unwrap();
    let kept: i64 = file.query_row("SELECT count(*) FROM evidence", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 3);
}

#[tokio::test]
async fn a_witness_that_is_killed_before_it_answers_remembers_what_it_signed() {
    let dir = tempfile::tempdir().unwrap();
    let mut witness = Witness::new(dir.path(), "w.example", &log_key().verifier(ORIGIN).text());
    let (one, other) = (Tree(0), Tree(1));
    for round in 0..5_u64 {
        let (old, size) = (10 * round, 10 * round + 10);
        witness.start().await;
        // Nobody reads the answer.
        let url = format!("{}/add-checkpoint", witness.url());
        let body = request(&one, old, size).text();
        let asking =
            tokio::spawn(async move { client().post(url).body(body).send().await.is_ok() });
        let mut tries = 0;
        while witness.latest() != Some(size) {
            tries += 1;
            assert!(tries < 30_000, "nothing was kept");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        witness.kill();
        let _answered = asking.await.unwrap();
        witness.start().await;
        let (status, _, answer) = post(&witness, request(&one, old, size).text()).await;
        assert_eq!((status, answer), (409, format!("{size}\n")), "round {round}");
        let (status, _, _) = post(&witness, request(&other, size, size + 5).text()).await;
        assert_eq!(status, 422, "round {round}");
        let (status, _, _) = post(&witness, request(&one, size, size).text()).await;
        assert_eq!(status, 200, "round {round}");
        witness.kill();
    }
}

#[tokio::test]
async fn a_witness_keeps_its_key_to_itself_and_never_begins_twice() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let mut witness = Witness::new(dir.path(), "w.example", &log_key().verifier(ORIGIN).text());
    let at = witness.dir.clone();
    let mode = |name: &str| std::fs::metadata(at.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("witness.key"), mode("witness.db")), (0o700, 0o600, 0o600));
    let (data, log) = (at.to_str().unwrap(), log_key().verifier(ORIGIN).text());
    let check = |arguments: &[&str], says: &str| {
        let (exit, text) = weir(&[&["witness"], arguments].concat());
        assert_eq!(exit, 2, "{arguments:?}: {text}");
        assert!(text.contains(says), "{arguments:?}: {text}");
    };
    check(&["init", "--data", data, "--name", "w.example"], "holds something already");
    check(&["init", "--data", &format!("{data}-2"), "--name", "a b"], "one word");
    check(&["--data", data], "--log");
    check(&["--data", data, "--log", "x"], "the key is malformed");
    witness.start().await;
    check(&["--data", data, "--listen", "127.0.0.1:0", "--log", &log], "another process");
    witness.kill();
    let wide = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(at.join("witness.key"), wide).unwrap();
    check(&["--data", data, "--listen", "127.0.0.1:0", "--log", &log], "others may read it");
    // A witness that lost its memory would sign a second history.
    for file in ["witness.db", "witness.db-wal", "witness.db-shm"] {
        let _gone = std::fs::remove_file(at.join(file));
    }
    check(&["--data", data, "--listen", "127.0.0.1:0", "--log", &log], "must not sign again");
}
