//! Callers that keep a hub busy until it is gone or answers no more.

use std::sync::mpsc::Receiver;

use super::*;

pub(super) struct Callers {
    pub(super) runtime: tokio::runtime::Runtime,
    token: String,
    resident: String,
}

/// Calls under way, and word of each receipt.
pub(super) struct Busy {
    calls: Vec<tokio::task::JoinHandle<()>>,
    heard: Receiver<()>,
}

impl Callers {
    pub(super) fn of(site: &Site) -> Self {
        let issuer = DevelopmentIssuer::open(&site.data().join("issuer")).unwrap();
        let nurse = Person { agency: AGENCY, person: "nurse-7", roles: &["nurse", "registrar"] };
        let token = issuer.token(nurse, "2026-07-15T10:00:00+01:00".parse().unwrap(), 15).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        Self { runtime, token, resident: site.case() }
    }

    /// One who asks when told to.
    pub(super) fn one(&self, hub: &mut Hub, port: u16) -> Asker {
        let channel = self.runtime.block_on(reach(hub, port));
        let (hear, _) = std::sync::mpsc::channel();
        let (token, resident) = (self.token.clone(), self.resident.clone());
        Asker { channel, token, resident, n: 0, hear }
    }

    pub(super) fn call(&self, hub: &mut Hub, port: u16, count: usize, told: &Arc<Told>) -> Busy {
        let (hear, heard) = std::sync::mpsc::channel();
        let calls = (0..count).map(|n| {
            let asker = Asker { n, hear: hear.clone(), ..self.one(hub, port) };
            self.runtime.spawn(asker.call(Arc::clone(told)))
        });
        Busy { calls: calls.collect(), heard }
    }

    /// Waits until all of them have had no answer.
    pub(super) fn gone(&self, busy: Busy) {
        self.runtime.block_on(async {
            for call in busy.calls {
                call.await.unwrap();
            }
        });
    }
}

impl Busy {
    pub(super) fn hear(&self, receipts: u64) {
        for _ in 0..receipts {
            self.heard.recv_timeout(Duration::from_secs(60)).unwrap();
        }
    }
}
