//! The hub killed at random moments while callers ask and register: what anybody was told is in the
//! log, at the place they were told. `WEIR_KILLS` says how often, `WEIR_SEED` repeats the moments.

mod backed_up;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(target_os = "linux")]
mod flushed;
mod ledger;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod power;
#[cfg(target_os = "linux")]
mod shim;
mod watched;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use tonic::Request;
use tonic::transport::Channel;
use weir::auth::issuer::{DevelopmentIssuer, Person};
use weir::grpc::pb;
use weir::grpc::pb::resident_service_client::ResidentServiceClient;
use weir::grpc::pb::sharing_service_client::SharingServiceClient;

use self::ledger::Log;
use crate::story::weir;

const AGENCY: &str = "northfield-hospital";
/// Who holds what they ask for.
const HOLDER: &str = "oakdale-gp";
const CALLERS: usize = 12;

/// A data folder as the demonstration leaves it, and a configuration that serves it.
struct Site {
    dir: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self { dir: tempfile::tempdir().unwrap() };
        let data = site.data();
        let (exit, text) = weir(&["demo", "--exit", "--data", data.to_str().unwrap()]);
        assert_eq!(exit, 0, "{text}");
        site
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A configuration with a port that is free at the moment.
    fn config(&self) -> (PathBuf, u16) {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let root = env!("CARGO_MANIFEST_DIR");
        let text = format!(
            "mode = \"development\"\nlisten = \"127.0.0.1:{port}\"\ndata_dir = \"data\"\n\
             policies_dir = \"{root}/policies\"\naudit_origin = \"northfield.example/weir/audit\"\n\
             [[issuer]]\nissuer = \"urn:weir:development:{AGENCY}\"\nagency = \"{AGENCY}\"\n\
             audience = \"urn:weir:hub\"\nalgorithm = \"ES256\"\n\
             jwks_file = \"data/issuer/jwks.json\"\nrole_claim = \"roles\"\n\
             roles = {{ nurse = \"nurse\" }}\nfunctions = {{ registrar = \"registrar\" }}\n\
             [[issuer]]\nissuer = \"urn:weir:development:{HOLDER}\"\nagency = \"{HOLDER}\"\n\
             audience = \"urn:weir:hub\"\nalgorithm = \"ES256\"\n\
             jwks_file = \"data/issuer/jwks.json\"\nrole_claim = \"roles\"\n\
             roles = {{}}\nfunctions = {{ notice-reader = \"notice-reader\" }}\n"
        );
        let path = self.dir.path().join("weir.toml");
        std::fs::write(&path, text).unwrap();
        (path, port)
    }

    /// The keys of the folder, with the hub key beside it.
    fn keys(&self) -> std::sync::Arc<weir::store::sqlite::keys::Keyring> {
        let clock: weir::clock::SharedClock = std::sync::Arc::new(weir::clock::SystemClock);
        weir::app::DataFolder::with_key(&self.data(), None).keys(&clock).unwrap()
    }

    /// The nurse's case in the story, who is not sealed; theirs since long before the sample clock's
    /// start.
    fn case(&self) -> String {
        let sql = "SELECT about FROM fact WHERE kind = 'relationship' AND who = ?1 \
                   AND about NOT IN (SELECT about FROM fact WHERE kind = 'flag')";
        let who = format!("{AGENCY} nurse-7");
        let id: String = self.file("hub.db").query_row(sql, [who], |row| row.get(0)).unwrap();
        let id = uuid::Uuid::parse_str(&id).unwrap();
        let fact = format!(
            "{{\"fact\":\"relationship\",\"agency\":\"{AGENCY}\",\"person\":\"nurse-7\",\
             \"resident\":\"{id}\",\"from\":\"2026-07-01T00:00:00Z\",\"until\":null}}\n"
        );
        let (path, data) = (self.dir.path().join("case.ndjson"), self.data());
        std::fs::write(&path, fact).unwrap();
        let (data, path) = (data.to_str().unwrap(), path.to_str().unwrap());
        let (exit, text) = weir(&["facts", "import", "--data", data, path]);
        assert_eq!(exit, 0, "{text}");
        format!("residents/{id}")
    }

    fn serve(&self) -> (Hub, u16) {
        self.serve_with(&[])
    }

    fn serve_with(&self, environment: &[(&str, PathBuf)]) -> (Hub, u16) {
        let (config, port) = self.config();
        let child = Command::new(env!("CARGO_BIN_EXE_weir"))
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .arg("serve")
            .arg("--config")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        (Hub(child), port)
    }

    fn file(&self, name: &str) -> Connection {
        Connection::open(self.data().join(name)).unwrap()
    }
}

/// The name of the log's newest file in a data folder: its year is the one of the folder's clock.
fn log_name(data: &Path) -> String {
    let names = std::fs::read_dir(data).unwrap().map(|one| one.unwrap().file_name());
    let names = names.filter_map(|name| name.into_string().ok());
    names.filter(|name| name.starts_with("audit-") && name.ends_with(".db")).max().unwrap()
}

/// The log's newest file.
fn log_file(data: &Path) -> Connection {
    Connection::open(data.join(log_name(data))).unwrap()
}

/// A running hub; it does not outlive the test.
struct Hub(Child);

impl Hub {
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// Numbers that look random and can be had again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What callers were told.
#[derive(Default)]
struct Told {
    receipts: Mutex<Vec<pb::Receipt>>,
    registered: Mutex<Vec<String>>,
    released: AtomicUsize,
    /// Where a hub's writes and flushes are recorded: then what was told, too, in its place.
    #[cfg(target_os = "linux")]
    journal: Option<shim::Marks>,
}

async fn reach(hub: &mut Hub, port: u16) -> Channel {
    let address = format!("http://127.0.0.1:{port}");
    let mut tries = 0;
    loop {
        if let Ok(channel) = Channel::from_shared(address.clone()).unwrap().connect().await {
            return channel;
        }
        assert!(hub.0.try_wait().unwrap().is_none(), "the hub does not start again");
        tries += 1;
        assert!(tries < 600, "the hub cannot be reached");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Somebody whom nobody has registered yet.
fn newcomer() -> pb::RegisterResidentRequest {
    pb::RegisterResidentRequest {
        name: "Rosa Example".to_owned(),
        birth_date: "1980-02-29".to_owned(),
        nation: "England".to_owned(),
        local_id: format!("K-{}", uuid::Uuid::new_v4().simple()),
        ..pb::RegisterResidentRequest::default()
    }
}

/// Somebody who asks and registers in turns.
#[derive(Clone)]
struct Asker {
    channel: Channel,
    token: String,
    resident: String,
    n: usize,
    /// Told of every receipt, at once.
    hear: std::sync::mpsc::Sender<()>,
}

impl Asker {
    fn signed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let token = format!("Bearer {}", self.token).parse().unwrap();
        request.metadata_mut().insert("authorization", token);
        request
    }

    fn records(&self) -> pb::RequestRecordsRequest {
        pb::RequestRecordsRequest {
            residents: vec![self.resident.clone()],
            holders: vec!["agencies/oakdale-gp".to_owned()],
            purpose: "direct_care".to_owned(),
            fields: vec!["health/summary.allergies".to_owned()],
            reason: "Ward round this morning".to_owned(),
            case_reference: "W-1".to_owned(),
            ..pb::RequestRecordsRequest::default()
        }
    }

    fn heard(&self, told: &Told, receipt: Option<pb::Receipt>) {
        let mut receipts = told.receipts.lock().unwrap();
        receipts.push(receipt.unwrap());
        #[cfg(target_os = "linux")]
        if let Some(journal) = &told.journal {
            journal.mark(receipts.len(), told.registered.lock().unwrap().len());
        }
        drop(receipts);
        // The test hears no more once it has killed the hub.
        let _gone = self.hear.send(());
    }

    /// Goes on until the hub is gone.
    async fn call(self, told: Arc<Told>) {
        let mut sharing = SharingServiceClient::new(self.channel.clone());
        let mut people = ResidentServiceClient::new(self.channel.clone());
        let ask = self.records();
        for round in 0.. {
            let Ok(answer) = sharing.request_records(self.signed(ask.clone())).await else {
                return;
            };
            for answer in answer.into_inner().answers {
                told.released.fetch_add(answer.values.len(), Ordering::Relaxed);
                self.heard(&told, answer.receipt);
            }
            if round % 3 != self.n % 3 {
                continue;
            }
            let Ok(made) = people.register_resident(self.signed(newcomer())).await else { return };
            let made = made.into_inner();
            told.registered.lock().unwrap().push(made.resident);
            self.heard(&told, made.receipt);
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn verified(data: &Path) -> String {
    let (exit, text) = weir(&["audit", "verify", "--data", data.to_str().unwrap()]);
    assert_eq!(exit, 0, "{text}");
    text
}

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let seed = number("WEIR_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 | 1);
    let kills = number("WEIR_KILLS").unwrap_or(50);
    let mut dice = Dice(seed);
    let site = Site::new();
    let issuer = DevelopmentIssuer::open(&site.data().join("issuer")).unwrap();
    let nurse = Person { agency: AGENCY, person: "nurse-7", roles: &["nurse", "registrar"] };
    // The sample place's clock starts anew with each hub.
    let start = "2026-07-15T10:00:00+01:00".parse().unwrap();
    let token = issuer.token(nurse, start, 15).unwrap();
    let resident = site.case();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let told = Arc::new(Told::default());
    let mut report = format!("seed {seed}, {kills} kills");
    for round in 0..kills {
        let (mut hub, port) = site.serve();
        let before = told.receipts.lock().unwrap().len();
        let (hear, heard) = std::sync::mpsc::channel();
        let callers: Vec<_> = runtime.block_on(async {
            let mut callers = Vec::new();
            for n in 0..CALLERS {
                let channel = reach(&mut hub, port).await;
                let (token, resident) = (token.clone(), resident.clone());
                let asker = Asker { channel, token, resident, n, hear: hear.clone() };
                callers.push(tokio::spawn(asker.call(Arc::clone(&told))));
            }
            callers
        });
        // In one round at a random moment; in the next the moment that somebody was told something:
        // then a hub that tells before it has committed is caught.
        for _ in 0..=dice.below(40) {
            heard.recv_timeout(Duration::from_secs(60)).unwrap();
        }
        if round % 2 == 0 {
            std::thread::sleep(Duration::from_micros(dice.below(100_000)));
        }
        hub.kill();
        runtime.block_on(async {
            for caller in callers {
                caller.await.unwrap();
            }
        });
        let receipts = told.receipts.lock().unwrap();
        assert!(receipts.len() > before, "{report}: nobody was told anything in round {round}");
        verified(&site.data());
        let log = Log::read(&log_file(&site.data()), &site.keys());
        let wrong: Vec<String> = receipts.iter().filter_map(|r| log.wrong(r)).collect();
        assert_eq!(wrong, Vec::<String>::new(), "{report}: round {round}");
        let more = receipts.len() - before;
        write!(report, "; {more} told, {} in the log", log.entries.len()).unwrap();
    }
    // Opened once more, what the last kill cut off is made good: everybody registered has one entry.
    let (mut hub, port) = site.serve();
    runtime.block_on(reach(&mut hub, port));
    hub.kill();
    verified(&site.data());
    let log = Log::read(&log_file(&site.data()), &site.keys());
    let there: BTreeMap<String, usize> = site
        .file("hub.db")
        .prepare(
            "SELECT lower(hex(resident)) FROM identity WHERE agency = ?1 AND local_id LIKE 'K-%'",
        )
        .unwrap()
        .query_map([AGENCY], |row| Ok((row.get(0)?, 1)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(log.registered, there, "{report}: a change and its entry are not together");
    let registered = told.registered.lock().unwrap();
    for name in registered.iter() {
        let id = name.strip_prefix("residents/").unwrap().replace('-', "");
        assert!(there.contains_key(&id), "{report}: a registration was lost");
    }
    assert!(told.released.load(Ordering::Relaxed) > 0, "{report}: nothing was released");
    assert!(!registered.is_empty(), "{report}: nobody was registered");
    tell(&report);
}

/// So that a run can be repeated.
#[expect(clippy::print_stdout, reason = "a run that found something must be repeatable")]
fn tell(report: &str) {
    println!("{report}");
}

#[test]
fn a_folder_is_served_by_one_process() {
    let site = Site::new();
    let data = site.data();
    let data = data.to_str().unwrap();
    let (mut hub, port) = site.serve();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(reach(&mut hub, port));
    let (config, _) = site.config();
    let rows = site.dir.path().join("facts.ndjson");
    std::fs::write(&rows, "{\"fact\":\"agency\",\"agency\":\"befriend\",\"active\":false}\n")
        .unwrap();
    let (config, rows) = (config.to_str().unwrap(), rows.to_str().unwrap());
    for command in [
        &["serve", "--config", config][..],
        &["facts", "import", "--data", data, rows],
        &["audit", "search", "--data", data],
    ] {
        let (exit, text) = weir(command);
        assert_eq!(exit, 2, "{command:?}: {text}");
        assert!(text.contains("another process uses the data folder"), "{command:?}: {text}");
    }
    // The first goes on; the log can be verified meanwhile, and the folder is free after a kill.
    assert!(hub.0.try_wait().unwrap().is_none(), "the first hub has ended");
    verified(site.data().as_path());
    hub.kill();
    let (exit, text) = weir(&["facts", "import", "--data", data, rows]);
    assert_eq!(exit, 0, "{text}");
}
