//! A disk that fails or is full while callers ask: nobody is told anything, and nothing that was told
//! before is lost.

use super::load::Callers;
use super::shim::Shim;
use super::*;

/// Rounds with a disk that fails in each way.
const ROUNDS: u64 = 3;

fn nothing_leaves(fault: &str, callers: &Callers, asker: &Asker) {
    for call in ["RequestRecords", "CanShare", "RegisterResident"].repeat(3) {
        let answer = callers.runtime.block_on(asker.clone().ask(call));
        let status = answer.expect_err(&format!("{fault}: {call} was answered"));
        let code = status.code();
        assert!(
            matches!(code, tonic::Code::Unavailable | tonic::Code::ResourceExhausted),
            "{fault}: {call}: {status:?}"
        );
        assert!(!status.message().contains("enicillin"), "{fault}: {call}: {status:?}");
    }
}

#[test]
fn on_a_disk_that_fails_or_is_full_nothing_is_told_and_nothing_told_is_lost() {
    let seed = number("WEIR_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 | 1);
    let mut dice = Dice(seed);
    let (site, shim) = (Site::new(), Shim::new());
    let (callers, told) = (Callers::of(&site), Arc::new(Told::default()));
    for fault in ["eio", "full"] {
        let (mut hub, port) = site.serve_with(&shim.over(site.dir.path()));
        let asker = callers.one(&mut hub, port);
        for round in 0..ROUNDS {
            let busy = callers.call(&mut hub, port, 6, &told);
            busy.hear(10 + dice.below(20));
            shim.begin(fault, 1 + dice.below(8));
            callers.gone(busy);
            nothing_leaves(fault, &callers, &asker);
            shim.end(fault);
            // It comes back by itself: what is on the disk is taken up.
            let mut tries = 0;
            while callers.runtime.block_on(asker.clone().ask("RequestRecords")).is_err() {
                tries += 1;
                assert!(tries < 600, "seed {seed}: {fault} {round}: the hub does not recover");
                std::thread::sleep(Duration::from_millis(50));
            }
            let receipts = told.receipts.lock().unwrap();
            verified(&site.data());
            let log = Log::read(&log_file(&site.data()), &site.keys());
            let wrong: Vec<String> = receipts.iter().filter_map(|r| log.wrong(r)).collect();
            assert_eq!(wrong, Vec::<String>::new(), "seed {seed}: {fault} {round}");
        }
        hub.kill();
        let receipts = told.receipts.lock().unwrap();
        verified(&site.data());
        let log = Log::read(&log_file(&site.data()), &site.keys());
        let wrong: Vec<String> = receipts.iter().filter_map(|r| log.wrong(r)).collect();
        assert_eq!(wrong, Vec::<String>::new(), "seed {seed}: {fault}, after a kill");
    }
    let failed = shim.journal().iter().filter(|r| r.is_of_log(b'F')).count();
    assert!(failed >= 3, "seed {seed}: {failed} flushes of the log failed");
    assert!(!told.registered.lock().unwrap().is_empty(), "seed {seed}");
}
