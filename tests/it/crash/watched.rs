//! A holder that watches, and a hub that is killed meanwhile: of every release that anybody was given the holder
//! hears, in the order of the log, whether it goes on from its last cursor or from an older one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tonic::Request;
use tonic::transport::Channel;
use weir::auth::issuer::{DevelopmentIssuer, Person};
use weir::grpc::pb;
use weir::grpc::pb::notice_service_client::NoticeServiceClient;
use weir::grpc::pb::watch_disclosures_response::Event;

use super::ledger::Log;
use super::{AGENCY, Asker, Dice, HOLDER, Site, Told, log_file, number, reach, verified};

/// What the holder has heard, as it would keep it itself.
#[derive(Default)]
struct Notebook {
    /// Cursors, oldest first.
    cursors: Vec<String>,
    /// Releases by place.
    heard: BTreeMap<u64, String>,
}

impl Notebook {
    /// Hears until the hub is gone, or with `once` until there is no more; then true.
    async fn hear(&mut self, channel: Channel, token: &str, once: bool) -> bool {
        let cursor = self.cursors.last().cloned().unwrap_or_else(|| "beginning".to_owned());
        let kinds = vec!["disclosure".to_owned()];
        let message = pb::WatchDisclosuresRequest { cursor, kinds, events: 0, once };
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        let mut client = NoticeServiceClient::new(channel);
        let Ok(stream) = client.watch_disclosures(request).await else { return false };
        let mut stream = stream.into_inner();
        let mut last = None;
        loop {
            match stream.message().await {
                Ok(Some(told)) => {
                    if let Some(Event::Opened(opened)) = told.event {
                        let place: u64 =
                            told.entry.strip_prefix("entries/").unwrap().parse().unwrap();
                        assert!(last < Some(place), "{place} came behind {last:?}");
                        last = Some(place);
                        let before = self.heard.insert(place, opened.name.clone());
                        assert!(
                            before.is_none_or(|name| name == opened.name),
                            "another at {place}"
                        );
                    }
                    self.cursors.push(told.cursor);
                }
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }
}

#[test]
fn a_holder_hears_of_every_release_across_kills() {
    let seed = number("WEIR_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 | 1);
    let kills = number("WEIR_KILLS").unwrap_or(8);
    let mut dice = Dice(seed);
    let site = Site::new();
    let issuer = DevelopmentIssuer::open(&site.data().join("issuer")).unwrap();
    let nurse = Person { agency: AGENCY, person: "nurse-7", roles: &["nurse", "registrar"] };
    let reader = Person { agency: HOLDER, person: "notices-1", roles: &["notice-reader"] };
    let start = "2026-07-15T10:00:00+01:00".parse().unwrap();
    let token = issuer.token(nurse, start, 15).unwrap();
    let reading = issuer.token(reader, start, 15).unwrap();
    let resident = site.case();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let told = Arc::new(Told::default());
    let mut notebook = Notebook::default();
    for round in 0..kills {
        let (mut hub, port) = site.serve();
        let (hear, heard) = std::sync::mpsc::channel();
        let (callers, watching) = runtime.block_on(async {
            let mut callers = Vec::new();
            for n in 0..3 {
                let channel = reach(&mut hub, port).await;
                let (token, resident) = (token.clone(), resident.clone());
                let asker = Asker { channel, token, resident, n, hear: hear.clone() };
                callers.push(tokio::spawn(asker.call(Arc::clone(&told))));
            }
            let channel = reach(&mut hub, port).await;
            let (mut taken, reading) = (std::mem::take(&mut notebook), reading.clone());
            let watching = tokio::spawn(async move {
                taken.hear(channel, &reading, false).await;
                taken
            });
            (callers, watching)
        });
        for _ in 0..=dice.below(60) {
            heard.recv_timeout(Duration::from_secs(60)).unwrap();
        }
        hub.kill();
        notebook = runtime.block_on(async {
            for caller in callers {
                caller.await.unwrap();
            }
            watching.await.unwrap()
        });
        // It kept its last cursor, or lost some of the last.
        let lost = usize::try_from(dice.below(4)).unwrap();
        notebook.cursors.truncate(notebook.cursors.len().saturating_sub(lost));
        assert!(
            !told.receipts.lock().unwrap().is_empty(),
            "seed {seed}: nobody was told anything in {round}"
        );
    }
    // What the last kill cut off is made good, and then there is an end to what can be heard.
    let (mut hub, port) = site.serve();
    let wanted = {
        runtime.block_on(reach(&mut hub, port));
        let log = Log::read(&log_file(&site.data()), &site.keys());
        log.opened_by(HOLDER)
    };
    assert!(!wanted.is_empty(), "seed {seed}: nothing was released");
    // Those whose cursor was lost come again first; then those that are still to be heard.
    runtime.block_on(async {
        let channel = reach(&mut hub, port).await;
        assert!(notebook.hear(channel, &reading, true).await, "seed {seed}: the hub went away");
    });
    hub.kill();
    assert_eq!(notebook.heard, wanted, "seed {seed}");
    let receipts = told.receipts.lock().unwrap();
    let released = receipts.iter().filter(|receipt| receipt.name.starts_with("disclosures/"));
    for receipt in released {
        let heard = notebook.heard.values().any(|name| *name == receipt.name);
        assert!(heard, "seed {seed}: {} was given and not heard of", receipt.name);
    }
    verified(&site.data());
}
