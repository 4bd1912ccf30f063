//! No answer leaves before the flush of its entry: told by the order in which the hub itself wrote,
//! flushed and sent.

use super::load::Callers;
use super::shim::{Record, Shim};
use super::*;

const CALLS: [&str; 3] = ["RequestRecords", "CanShare", "RegisterResident"];

impl Asker {
    /// One call of each kind that decides, tells or changes something.
    pub(super) async fn ask(self, what: &'static str) -> Result<(), tonic::Status> {
        let mut sharing = SharingServiceClient::new(self.channel.clone());
        match what {
            "RequestRecords" => {
                let said = sharing.request_records(self.signed(self.records())).await?;
                assert!(!said.get_ref().answers[0].values.is_empty(), "{what}: nothing released");
            }
            "CanShare" => {
                let asked = pb::CanShareRequest {
                    resident: self.resident.clone(),
                    holder: "agencies/oakdale-gp".to_owned(),
                    purpose: "direct_care".to_owned(),
                    fields: vec!["health/summary.allergies".to_owned()],
                    ..pb::CanShareRequest::default()
                };
                sharing.can_share(self.signed(asked)).await?;
            }
            _ => {
                let mut people = ResidentServiceClient::new(self.channel.clone());
                people.register_resident(self.signed(newcomer())).await?;
            }
        }
        Ok(())
    }
}

impl Shim {
    /// Waits until such a record is in the journal behind a place.
    fn awaits(&self, call: &str, after: usize, is: impl Fn(&Record) -> bool) {
        let mut tries = 0;
        while !self.journal()[after..].iter().any(&is) {
            tries += 1;
            assert!(tries < 600, "{call}: no flush begins");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn position(records: &[Record], what: &str, found: impl Fn(&Record) -> bool) -> usize {
    records.iter().position(found).expect(what)
}

/// Written, flushed from beginning to end, sent: in this order.
fn in_order(call: &str, records: &[Record]) {
    let written = position(records, "a write is in the journal", |r| r.is_of_log(b'W'));
    let begun = position(records, "a flush is", |r| r.is_of_log(b'B'));
    let ended = position(records, "the end of a flush is", |r| r.is_of_log(b'E'));
    let sent = position(records, "an answer is", Record::is_answer);
    assert!(written < begun && begun < ended, "{call}: {written} {begun} {ended}");
    assert!(ended < sent, "{call}: answered at {sent}, flushed at {ended}");
}

#[test]
fn an_answer_is_sent_when_the_flush_of_its_entry_is_over() {
    let (site, shim) = (Site::new(), Shim::new());
    let callers = Callers::of(&site);
    let (mut hub, port) = site.serve_with(&shim.over(site.dir.path()));
    for call in CALLS {
        let asker = callers.one(&mut hub, port);
        for _ in 0..5 {
            let before = shim.journal().len();
            callers.runtime.block_on(asker.clone().ask(call)).unwrap();
            in_order(call, &shim.journal()[before..]);
        }
        // A flush that lasts: all that time there is no answer. A change has its own database to
        // flush first, so the log's is held on its own too before the others are let go.
        let before = shim.journal().len();
        shim.begin("hold", 0);
        let waiting = callers.runtime.spawn(asker.ask(call));
        shim.awaits(call, before, |r| r.what == b'B');
        shim.begin("hold-log", 0);
        shim.end("hold");
        shim.awaits(call, before, |r| r.is_of_log(b'B'));
        std::thread::sleep(Duration::from_millis(500));
        let held = shim.journal();
        let sent = held[before..].iter().position(Record::is_answer);
        assert_eq!(sent, None, "{call}: answered while the flush lasted");
        assert!(!waiting.is_finished(), "{call}");
        shim.end("hold-log");
        callers.runtime.block_on(waiting).unwrap().unwrap();
        in_order(call, &shim.journal()[before..]);
    }
}
