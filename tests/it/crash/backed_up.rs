//! Copies of a hub that callers keep busy, each restored and held against what callers were told; and
//! copies that are not whole.

use weir::audit::checkpoint::VerifierKey;
use weir::store::sqlite::log::RollbackLock;

use super::*;

fn ran(exit: i32, command: &[&str]) -> String {
    let (found, text) = weir(command);
    assert_eq!(found, exit, "{command:?}: {text}");
    text
}

/// Everybody registered in the folder has one entry, and the other way round.
fn consistent(data: &Path, keys: &weir::store::sqlite::keys::Keyring) -> (Log, usize) {
    let file = |name: &str| Connection::open(data.join(name)).unwrap();
    let log = Log::read(&log_file(data), keys);
    let sql = "SELECT lower(hex(resident)) FROM identity WHERE agency = ?1 AND local_id LIKE 'K-%'";
    let hub = file("hub.db");
    let mut rows = hub.prepare(sql).unwrap();
    let there: BTreeMap<String, usize> =
        rows.query_map([AGENCY], |row| Ok((row.get(0)?, 1))).unwrap().map(Result::unwrap).collect();
    assert_eq!(log.registered, there, "a change and its entry are not together");
    let count = there.len();
    (log, count)
}

/// How many entries a copy's log holds.
fn held(copy: &Path) -> u64 {
    let file = log_file(copy);
    let count = file.query_row("SELECT count(*) FROM entry", [], |row| row.get::<_, i64>(0));
    u64::try_from(count.unwrap()).unwrap()
}

fn verifier_key(data: &Path) -> VerifierKey {
    VerifierKey::parse(&std::fs::read_to_string(data.join("audit.vkey")).unwrap()).unwrap()
}

#[test]
fn a_copy_of_a_busy_hub_is_whole_and_holds_what_was_told_before() {
    let site = Site::new();
    let issuer = DevelopmentIssuer::open(&site.data().join("issuer")).unwrap();
    let nurse = Person { agency: AGENCY, person: "nurse-7", roles: &["nurse", "registrar"] };
    let token = issuer.token(nurse, "2026-07-15T10:00:00+01:00".parse().unwrap(), 15).unwrap();
    let (resident, told) = (site.case(), Arc::new(Told::default()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut hub, port) = site.serve();
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
    let data = site.data();
    let at = |name: String| site.dir.path().join(name);
    while told.registered.lock().unwrap().is_empty() {
        heard.recv_timeout(Duration::from_secs(60)).unwrap();
    }
    let mut before = Vec::new();
    for n in 0..4 {
        for _ in 0..20 {
            heard.recv_timeout(Duration::from_secs(60)).unwrap();
        }
        let receipts = told.receipts.lock().unwrap().clone();
        before.push((receipts, told.registered.lock().unwrap().len()));
        let out = at(format!("copy-{n}"));
        ran(0, &["backup", "--data", data.to_str().unwrap(), "--out", out.to_str().unwrap()]);
        // Callers go on being answered.
        let after = told.receipts.lock().unwrap().len();
        while told.receipts.lock().unwrap().len() == after {
            heard.recv_timeout(Duration::from_secs(60)).unwrap();
        }
    }
    // The lock is written once a second: here it has seen more than the first copy holds.
    let (lock, key) = (RollbackLock::beside(&data), verifier_key(&data));
    let first = held(&at("copy-0".to_owned()));
    while lock.seen(&data, &key).unwrap().is_none_or(|seen| seen.size <= first) {
        heard.recv_timeout(Duration::from_secs(60)).unwrap();
    }
    hub.kill();
    runtime.block_on(async {
        for caller in callers {
            caller.await.unwrap();
        }
    });
    let key = at("data.hub-key".to_owned());
    let key = key.to_str().unwrap();
    for (n, (receipts, registered)) in before.into_iter().enumerate() {
        let (copy, back) = (at(format!("copy-{n}")), at(format!("back-{n}")));
        let (copy, back_at) = (copy.to_str().unwrap(), back.to_str().unwrap());
        let restore = ["restore", "--from", copy, "--data", back_at, "--hub-key-file", key];
        let said = ran(0, &restore);
        assert!(said.contains("keys open"), "{said}");
        // Opened once, what was on its way stands in the log.
        let (exit, text) = weir(&["due", "--data", back_at, "--hub-key-file", key]);
        assert!(exit < 2, "{text}");
        ran(0, &["audit", "verify", "--data", back_at]);
        ran(0, &["keys", "check", "--data", back_at, "--hub-key-file", key]);
        let (log, there) = consistent(&back, &site.keys());
        let wrong: Vec<String> = receipts.iter().filter_map(|r| log.wrong(r)).collect();
        assert_eq!(wrong, Vec::<String>::new(), "copy {n}");
        assert!(there >= registered && registered > 0, "copy {n}: {there} of {registered}");
        ran(2, &restore);
    }
    // In place of the lost folder, the hub's own lock tells that it is older.
    std::fs::rename(&data, at("lost".to_owned())).unwrap();
    let copy = at("copy-0".to_owned());
    let (copy, data) = (copy.to_str().unwrap(), data.to_str().unwrap());
    let said = ran(1, &["restore", "--from", copy, "--data", data]);
    assert!(said.contains("Older than what the lock has seen"), "{said}");
    assert!(ran(2, &["due", "--data", data]).contains("older copy"));
    ran(0, &["audit", "accept-rollback", "--data", data, "--because", "The disk was lost"]);
    assert!(ran(0, &["audit", "verify", "--data", data]).contains("older copy was accepted"));
}

#[test]
fn a_copy_that_is_not_whole_restores_nothing() {
    let site = Site::new();
    let (data, dir) = (site.data(), site.dir.path());
    let (copy, back) = (dir.join("copy"), dir.join("back"));
    let backup = |out: &Path| {
        weir(&["backup", "--data", data.to_str().unwrap(), "--out", out.to_str().unwrap()])
    };
    let key = dir.join("data.hub-key");
    let restore = || {
        let (from, to) = (copy.to_str().unwrap(), back.to_str().unwrap());
        weir(&["restore", "--from", from, "--data", to, "--hub-key-file", key.to_str().unwrap()])
    };
    assert_eq!(backup(&copy).0, 0);
    let (exit, text) = backup(&copy);
    assert!(exit == 2 && text.contains("is not empty"), "{text}");
    let (exit, text) = backup(&data.join("inside"));
    assert!(exit == 2 && text.contains("lies in the data folder"), "{text}");
    let log = log_name(&copy);
    for name in ["hub.db", "keys.db", &log, "audit.vkey", "SHA256SUMS"] {
        let file = copy.join(name);
        let whole = std::fs::read(&file).unwrap();
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        let short = whole[..whole.len() - 1].to_vec();
        for bytes in [Some(changed), Some(short), None] {
            match bytes {
                Some(bytes) if name == "SHA256SUMS" && bytes.len() < whole.len() => {
                    // Without its last line break it says the same.
                    std::fs::write(&file, &bytes[..bytes.len() - 70]).unwrap();
                }
                Some(bytes) => std::fs::write(&file, bytes).unwrap(),
                None => std::fs::remove_file(&file).unwrap(),
            }
            let (exit, text) = restore();
            assert_eq!(exit, 2, "{name}: {text}");
            assert!(!back.exists(), "{name}: a folder stands there");
        }
        std::fs::write(&file, whole).unwrap();
    }
    // A lock that is none is told before anything stands there.
    let (from, to) = (copy.to_str().unwrap(), back.to_str().unwrap());
    let sums = copy.join("SHA256SUMS");
    let lock = ["restore", "--from", from, "--data", to, "--lock", sums.to_str().unwrap()];
    let (exit, text) = weir(&lock);
    assert!(exit == 2 && !back.exists(), "{text}");
    let (exit, text) = restore();
    assert_eq!(exit, 0, "{text}");
    // Another hub's key opens nothing.
    std::fs::remove_dir_all(&back).unwrap();
    std::fs::write(&key, format!("{}\n", "42".repeat(32))).unwrap();
    let (exit, text) = restore();
    assert!(exit == 2 && text.contains("its keys are under the hub key"), "{text}");
    assert!(!back.exists());
}
