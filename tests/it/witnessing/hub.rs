//! A hub and its witnesses, each a real process.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rusqlite::Connection;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;
use weir::audit::checkpoint::VerifierKey;
use weir::audit::entry::{Entry, Facet};
use weir::audit::receipt::ProvenEntry;
use weir::audit::witness::Quorum;
use weir::auth::issuer::{DevelopmentIssuer, Person};
use weir::clock::Clock;
use weir::grpc::pb;
use weir::grpc::pb::audit_service_client::AuditServiceClient;

use super::{Witness, free_port, listening};
use crate::story::weir;

const AGENCY: &str = "northfield-hospital";
const AUDITOR: Person<'static> =
    Person { agency: AGENCY, person: "auditor-1", roles: &["auditor"] };

/// A data folder as the demonstration leaves it, and who witnesses it.
struct Site {
    dir: tempfile::TempDir,
    hub: Option<(Child, u16)>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Site {
    fn new() -> Self {
        let site = Self { dir: tempfile::tempdir().unwrap(), hub: None };
        let (exit, text) = weir(&["demo", "--exit", "--data", site.data().to_str().unwrap()]);
        assert_eq!(exit, 0, "{text}");
        site
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn key(&self) -> VerifierKey {
        VerifierKey::parse(&std::fs::read_to_string(self.data().join("audit.vkey")).unwrap())
            .unwrap()
    }

    fn witness(&self, name: &str) -> Witness {
        Witness::new(self.dir.path(), name, &self.key().text())
    }

    async fn serve(&mut self, audit: &str, witnesses: &[(&str, &str)]) {
        let (port, root) = (free_port(), env!("CARGO_MANIFEST_DIR"));
        let table = |(url, key): &(&str, &str)| {
            format!("[[audit.witness]]\nurl = \"{url}\"\nkey = \"{key}\"\n")
        };
        let witnesses: String = witnesses.iter().map(table).collect();
        let text = format!(
            "mode = \"development\"\nlisten = \"127.0.0.1:{port}\"\ndata_dir = \"data\"\n\
             policies_dir = \"{root}/policies\"\naudit_origin = \"{}\"\n\
             [audit]\n{audit}\n{witnesses}\
             [[issuer]]\nissuer = \"urn:weir:development:{AGENCY}\"\nagency = \"{AGENCY}\"\n\
             audience = \"urn:weir:hub\"\nalgorithm = \"ES256\"\n\
             jwks_file = \"data/issuer/jwks.json\"\nrole_claim = \"roles\"\n\
             functions = {{ auditor = \"auditor\" }}\n",
            self.key().name()
        );
        let config = self.dir.path().join("weir.toml");
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.arg("serve").arg("--config").arg(config);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.hub = Some((child, port));
        listening(port).await;
    }

    fn stop(&mut self) {
        if let Some((mut child, _)) = self.hub.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    async fn channel(&self) -> Channel {
        let port = self.hub.as_ref().unwrap().1;
        Channel::from_shared(format!("http://127.0.0.1:{port}")).unwrap().connect().await.unwrap()
    }

    async fn audit(&self) -> AuditServiceClient<Channel> {
        AuditServiceClient::new(self.channel().await)
    }

    fn from<T>(&self, message: T) -> Request<T> {
        let issuer = DevelopmentIssuer::open(&self.data().join("issuer")).unwrap();
        let kept = std::fs::read_to_string(self.data().join("sample-clock")).unwrap();
        let clock = weir::clock::SampleClock::starting_at(kept.trim().parse().unwrap());
        let token = issuer.token(AUDITOR, clock.now(), 10).unwrap();
        let mut request = Request::new(message);
        let value = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        request
    }

    /// Looks at an entry; the look is an entry, whose name it tells.
    async fn look(&self) -> String {
        let wanted = pb::SearchEntriesRequest { page_size: 1, ..Default::default() };
        let reply = self.audit().await.search_entries(self.from(wanted)).await.unwrap();
        reply.into_inner().receipt.unwrap().name
    }

    async fn receipt(&self, name: &str) -> Result<String, Status> {
        let wanted = pb::GetReceiptRequest { name: name.to_owned(), cosigned: true };
        Ok(self.audit().await.get_receipt(self.from(wanted)).await?.into_inner().text)
    }

    /// Waits for a receipt that witnesses have signed.
    async fn cosigned(&self, name: &str) -> String {
        let mut tries = 0;
        loop {
            let status = match self.receipt(name).await {
                Ok(text) => return text,
                Err(status) => status,
            };
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            let details = status.get_error_details();
            assert_eq!(details.error_info().unwrap().reason, "NOT_COSIGNED");
            assert!(details.retry_info().is_some());
            tries += 1;
            assert!(tries < 120, "nobody signs");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// What the hub itself has entered of its witnesses.
    fn said(&self) -> Vec<Entry> {
        let file = Connection::open(self.data().join("audit-2026.db")).unwrap();
        let mut leaves = file.prepare("SELECT leaf FROM entry ORDER BY idx").unwrap();
        let leaves = leaves.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        let entries = leaves.map(|leaf| weir::audit::leaf::decode(&leaf.unwrap()).unwrap().entry);
        let of_witnesses = |entry: &Entry| {
            entry
                .words(Facet::What)
                .any(|word| word.starts_with("witness-") || word == "split-view")
        };
        entries.filter(of_witnesses).collect()
    }

    fn words(&self) -> Vec<String> {
        self.said().iter().map(|entry| entry.facets[&Facet::What].clone()).collect()
    }

    async fn wait_for(&self, words: &[&str]) {
        let mut tries = 0;
        while self.words() != words {
            tries += 1;
            assert!(tries < 240, "{words:?}: {:?}", self.words());
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    async fn health(&self, name: &str) -> ServingStatus {
        let wanted = HealthCheckRequest { service: name.to_owned() };
        let reply = HealthClient::new(self.channel().await).check(wanted).await.unwrap();
        reply.into_inner().status()
    }

    async fn wait_for_health(&self, wanted: ServingStatus) {
        let mut tries = 0;
        while self.health("weir.witness").await != wanted {
            tries += 1;
            assert!(tries < 120, "{wanted:?}");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}

fn copy(from: &Path, to: &Path) {
    let _there = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_dir() {
            copy(&file.path(), &to.join(file.file_name()));
        } else {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

#[tokio::test]
async fn two_witnesses_cosign_and_a_receipt_shows_it() {
    let mut site = Site::new();
    let (mut one, mut two) = (site.witness("one.example"), site.witness("two.example"));
    one.start().await;
    let keys = [one.key.text(), two.key.text()];
    let (first, second) = (one.url(), two.url());
    let anchors = site.dir.path().join("anchors");
    let audit = format!("quorum = 2\nanchor_dir = \"{}\"", anchors.display());
    site.serve(&audit, &[(&first, &keys[0]), (&second, &keys[1])]).await;
    // One of two is no quorum.
    let name = site.look().await;
    let early = site.receipt(&name).await.unwrap_err();
    assert_eq!(early.get_error_details().error_info().unwrap().reason, "NOT_COSIGNED");
    two.start().await;
    let text = site.cosigned(&name).await;
    let proven = ProvenEntry::parse(&text).unwrap();
    let shown = proven.verify(&site.key()).unwrap();
    assert!(name.ends_with(&shown.leaf.entry.event.to_string()));
    let quorum = Quorum::new(2, vec![one.key.clone(), two.key.clone()]).unwrap();
    assert!(quorum.is_met(&proven.note), "{}", proven.note);
    // Whoever holds it verifies it with keys that they have kept.
    let file = site.dir.path().join("mine.tlog-proof");
    std::fs::write(&file, &text).unwrap();
    let (file, key) = (file.to_str().unwrap(), site.key().text());
    let stranger = site.witness("three.example").key.text();
    let check = |witnesses: &[&str], quorum: &[&str], exit: i32, says: &str| {
        let named = witnesses.iter().flat_map(|key| ["--witness", key]);
        let mut command = vec!["audit", "check-receipt", file, "--key", &key];
        command.extend(named.chain(quorum.iter().copied()));
        let (found, text) = weir(&command);
        assert_eq!(found, exit, "{text}");
        assert!(text.contains(says), "{says}: {text}");
    };
    check(&[&keys[0], &keys[1]], &[], 0, "Witnessed by two.example at 20");
    check(&[&keys[0], &stranger], &[], 1, "1 of the witnesses named have signed its head, not 2");
    check(&[&keys[0], &stranger], &["--quorum", "1"], 0, "The receipt verifies");
    check(&[&stranger], &[], 1, "does not verify");
    check(&[&keys[0], &keys[0]], &[], 2, "stands twice");
    check(&[&keys[0]], &["--quorum", "2"], 2, "--quorum");
    // Heads come as they are published, from where the caller was.
    let wanted = pb::WatchHeadsRequest { after_size: 0, heads: 2 };
    let mut heads = site.audit().await.watch_heads(site.from(wanted)).await.unwrap().into_inner();
    let head = heads.message().await.unwrap().unwrap();
    assert_eq!(site.key().open(&head.note).unwrap().size, head.tree_size);
    let after = shown.head.size;
    let wanted = pb::WatchHeadsRequest { after_size: after, heads: 1 };
    let mut heads = site.audit().await.watch_heads(site.from(wanted)).await.unwrap().into_inner();
    let _grows = site.look().await;
    let head = heads.message().await.unwrap().unwrap();
    assert!(head.tree_size > after && quorum.is_met(&head.note), "{}", head.note);
    assert!(heads.message().await.unwrap().is_none());
    // The anchor of the day is there, with the witnesses' signatures, and is not written twice.
    let mut tries = 0;
    while std::fs::read_dir(&anchors).map_or(0, Iterator::count) == 0 {
        tries += 1;
        assert!(tries < 240, "no anchor");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let anchor = anchors.join("anchor-2026-07-15.txt");
    let text = std::fs::read_to_string(&anchor).unwrap();
    let note = weir::audit::anchor::note_of(&text).unwrap();
    assert!(quorum.is_met(note) && site.key().open(note).is_ok(), "{text}");
    let (data, out) = (site.data(), anchor.to_str().unwrap());
    let (exit, said) = weir(&["audit", "anchor", "--data", data.to_str().unwrap(), "--out", out]);
    assert_eq!(exit, 2, "{said}");
    assert_eq!(std::fs::read_to_string(&anchor).unwrap(), text);
    assert_eq!(site.health("weir.witness").await, ServingStatus::Serving);
    site.stop();
    let data = data.to_str().unwrap();
    let (exit, said) = weir(&["audit", "verify", "--data", data]);
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("signed by witnesses"), "{said}");
    // A published head that is not of this log is found.
    // What witnesses signed goes into a copy.
    let (copy, back) = (site.dir.path().join("copy"), site.dir.path().join("back"));
    let (copy, back) = (copy.to_str().unwrap(), back.to_str().unwrap());
    assert_eq!(weir(&["backup", "--data", data, "--out", copy]).0, 0);
    let hub_key = format!("{data}.hub-key");
    let restore = ["restore", "--from", copy, "--data", back, "--hub-key-file", &hub_key];
    assert_eq!(weir(&restore).0, 0);
    let (exit, copied) = weir(&["audit", "verify", "--data", back]);
    assert!(exit == 0 && copied.contains("signed by witnesses"), "{copied}");
    let heads = Connection::open(site.data().join("heads.db")).unwrap();
    heads
        .execute("UPDATE head SET size = size + 1 WHERE size = (SELECT max(size) FROM head)", [])
        .unwrap();
    let forged =
        "UPDATE head SET note = replace(note, char(10) || char(10), 'A' || char(10) || char(10))";
    heads.execute(forged, []).unwrap();
    drop(heads);
    let (exit, said) = weir(&["audit", "verify", "--data", data]);
    assert_eq!(exit, 1, "{said}");
    assert!(said.contains("was published"), "{said}");
    assert_eq!(site.words(), Vec::<String>::new());
}

#[tokio::test]
async fn an_older_copy_is_a_split_view_until_somebody_accepts_it() {
    let mut site = Site::new();
    let mut witness = site.witness("one.example");
    witness.start().await;
    let (key, url) = (witness.key.text(), witness.url());
    site.serve("", &[(&url, &key)]).await;
    let name = site.look().await;
    let _signed = site.cosigned(&name).await;
    site.stop();
    // Somebody puts back yesterday's folder and its lock with it: the hub itself cannot know.
    let (data, old) = (site.data(), site.dir.path().join("old"));
    let lock = site.dir.path().join("data.audit-lock");
    let (_, kept) = (copy(&data, &old), std::fs::read(&lock).unwrap());
    site.serve("", &[(&url, &key)]).await;
    let name = site.look().await;
    let lost = ProvenEntry::parse(&site.cosigned(&name).await).unwrap();
    let lost = site.key().open(&lost.note).unwrap();
    site.stop();
    copy(&old, &data);
    std::fs::write(&lock, kept).unwrap();
    site.serve("", &[(&url, &key)]).await;
    site.wait_for(&["split-view|proven|one.example"]).await;
    let before = format!("{}:{}", lost.size, hex::encode(lost.root));
    assert_eq!(site.said()[0].facets[&Facet::Previous], before);
    site.wait_for_health(ServingStatus::NotServing).await;
    assert_eq!(site.health("weir.ready").await, ServingStatus::Serving);
    // It is entered once, and stays over a restart.
    site.stop();
    site.serve("", &[(&url, &key)]).await;
    site.wait_for_health(ServingStatus::NotServing).await;
    for _ in 0..3 {
        let _grows = site.look().await;
    }
    site.stop();
    assert_eq!(site.words().len(), 1, "{:?}", site.words());
    let at = data.to_str().unwrap();
    let check = |arguments: &[&str], exit: i32, says: &str| {
        let (found, text) = weir(&[arguments, &["--data", at]].concat());
        assert_eq!(found, exit, "{arguments:?}: {text}");
        assert!(text.contains(says), "{arguments:?}: {says}: {text}");
    };
    check(&["audit", "verify"], 1, "split view: since");
    let accept = ["audit", "accept-split", "--because", "The disk was lost; Ade Bakare"];
    check(&["audit", "accept-split", "--because", " "], 2, "--because is empty");
    check(&accept, 0, "1 split view(s) accepted");
    check(&accept, 2, "no witness has seen another log");
    check(&["audit", "verify"], 0, "The log is whole");
    // The witness goes on refusing; a new one signs.
    let mut new = site.witness("new.example");
    new.start().await;
    let (key, url) = (new.key.text(), new.url());
    site.serve("", &[(&url, &key)]).await;
    let name = site.look().await;
    let _signed = site.cosigned(&name).await;
    site.wait_for_health(ServingStatus::Serving).await;
}

#[tokio::test]
async fn the_silence_of_witnesses_is_told_once_and_so_is_its_end() {
    let mut site = Site::new();
    let mut witness = site.witness("one.example");
    witness.start().await;
    let (key, url) = (witness.key.text(), witness.url());
    // A minute is until the same head is shown again; here is something new all the time.
    site.serve("stale_seconds = 4", &[(&url, &key)]).await;
    let name = site.look().await;
    let _signed = site.cosigned(&name).await;
    assert_eq!(site.words(), Vec::<String>::new());
    witness.kill();
    site.wait_for(&["witness-stale"]).await;
    site.wait_for_health(ServingStatus::NotServing).await;
    // The hub goes on, and a restart tells nothing again.
    let name = site.look().await;
    assert!(site.receipt(&name).await.is_err());
    site.stop();
    site.serve("stale_seconds = 4", &[(&url, &key)]).await;
    site.wait_for_health(ServingStatus::NotServing).await;
    assert_eq!(site.words(), ["witness-stale"]);
    witness.start().await;
    let _signed = site.cosigned(&name).await;
    site.wait_for(&["witness-stale", "witness-fresh"]).await;
    site.wait_for_health(ServingStatus::Serving).await;
}

/// A witness that answers each connection with the same, or never.
async fn liar(says: Option<&'static str>) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                    if let Some(says) = says {
                        let _left = stream.write_all(says.as_bytes()).await;
                    }
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn silent_and_lying_witnesses_hold_up_nobody() {
    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n\u{2014} liar.example A\n";
    const ZERO: &str = "HTTP/1.1 409 Conflict\r\ncontent-length: 2\r\n\r\n0\n";
    const LEADS: &str =
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let mut site = Site::new();
    let mut good = site.witness("good.example");
    good.start().await;
    let others: Vec<String> =
        (0..4).map(|n| site.witness(&format!("liar-{n}.example")).key.text()).collect();
    let (url, key) = (good.url(), good.key.text());
    let urls =
        [liar(None).await, liar(Some(OK)).await, liar(Some(ZERO)).await, liar(Some(LEADS)).await];
    let mut all = vec![(url.as_str(), key.as_str())];
    all.extend(urls.iter().zip(&others).map(|(url, key)| (url.as_str(), key.as_str())));
    site.serve("quorum = 1", &all).await;
    let name = site.look().await;
    let text = site.cosigned(&name).await;
    let note = ProvenEntry::parse(&text).unwrap().note;
    assert!(good.key.find(&note).is_some());
    assert_eq!(note.matches('\u{2014}').count(), 2, "{note}");
    assert_eq!(site.words(), Vec::<String>::new());
}

#[tokio::test]
async fn the_word_of_a_witness_alone_is_told_as_its_word_and_stops_nothing() {
    const MORE: &str = "HTTP/1.1 409 Conflict\r\ncontent-length: 10\r\n\r\n999999999\n";
    let mut site = Site::new();
    let (url, key) = (liar(Some(MORE)).await, site.witness("liar.example").key.text());
    site.serve("", &[(&url, &key)]).await;
    site.wait_for(&["split-view|claimed|liar.example"]).await;
    assert!(!site.said()[0].facets.contains_key(&Facet::Previous));
    site.wait_for_health(ServingStatus::NotServing).await;
    let _answers = site.look().await;
    assert_eq!(site.health("weir.ready").await, ServingStatus::Serving);
    site.stop();
    // What the operator is shown of the configuration names who witnesses.
    let config = site.dir.path().join("weir.toml");
    let (exit, text) = weir(&["config", "check", "--config", config.to_str().unwrap()]);
    assert_eq!(exit, 0, "{text}");
    for says in ["audit.quorum = 1", "audit.strict_witness_hours = never", "liar.example at http"] {
        assert!(text.contains(says), "{says}: {text}");
    }
}
