//! Nothing that is personal is in a log line, whatever happens: a call set over a socket, and every
//! line of the hub at its most talkative. By itself in its process, for a subscriber is for all.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;
use weir::grpc::pb;

use crate::support::{
    ABSENT, AISHA, GP_AUDITOR, GP_PUBLISHER, GP_REGISTRAR, HOUSING, NURSE, Place, SEALED, request,
    treatment,
};

/// Keeps what is written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

const REASON: &str = "Wheezing since the funeral";

/// Calls of every kind, good and bad, with a damaged store and without a log at the end.
async fn calls(place: &Place) {
    let question = |about: crate::support::Inhabitant| pb::CanShareRequest {
        reason: REASON.to_owned(),
        do_not_tell_reason: "The uncle must not hear".to_owned(),
        threshold_statement: "Bruises on both arms".to_owned(),
        ..treatment(about)
    };
    for about in [AISHA, SEALED, ABSENT] {
        let asked = place.from(NURSE, request(question(about)));
        place.sharing().request_records(asked).await.unwrap();
        let found = pb::FindResidentRequest {
            nhs_number: about.nhs_number.to_owned(),
            name: about.name.to_owned(),
            birth_date: about.born.to_owned(),
            purpose: "direct_care".to_owned(),
            reason: REASON.to_owned(),
        };
        place.residents().find_resident(place.from(NURSE, found)).await.unwrap();
        let registered = pb::RegisterResidentRequest {
            nhs_number: about.nhs_number.to_owned(),
            name: about.name.to_owned(),
            birth_date: about.born.to_owned(),
            nation: "England".to_owned(),
            local_id: "Q-77-X".to_owned(),
            request_id: String::new(),
        };
        let _taken =
            place.residents().register_resident(place.from(GP_REGISTRAR, registered)).await;
    }
    let odd = pb::CanShareRequest { purpose: "Aisha Rahman".to_owned(), ..question(AISHA) };
    place.sharing().can_share(place.from(NURSE, odd)).await.map(|_| ()).unwrap_err();
    let header = pb::PublishHeader {
        category: "contact/home".to_owned(),
        expire_time: crate::support::expire_time(),
        request_id: String::new(),
    };
    let value = pb::FieldText {
        field: "contact/home.address".to_owned(),
        text: "7 Larkspur Mews".to_owned(),
        labels: Vec::new(),
    };
    let row = pb::PublishRow { local_id: AISHA.local_id(), values: vec![value] };
    let pieces = [
        pb::publish_records_request::Part::Header(header),
        pb::publish_records_request::Part::Row(row),
    ];
    let pieces = pieces.map(|part| pb::PublishRecordsRequest { part: Some(part) });
    let stream = place.from(GP_PUBLISHER, tokio_stream::iter(pieces));
    place.records().publish_records(stream).await.unwrap();
    let looked = pb::SearchEntriesRequest { resident: AISHA.path(), ..Default::default() };
    place.audit().search_entries(place.from(GP_AUDITOR, looked)).await.unwrap();
    let forged = crate::support::bearing("forged.token.text", question(AISHA));
    place.sharing().can_share(forged).await.map(|_| ()).unwrap_err();

    // Now things break, and are said to break.
    let other = rusqlite::Connection::open(place.data().join("hub.db")).unwrap();
    other.execute("UPDATE shelf SET sealed = CAST('7 Larkspur Mews' AS BLOB)", []).unwrap();
    let asked = place.from(NURSE, request(question(AISHA)));
    place.sharing().request_records(asked).await.map(|_| ()).unwrap_err();
    other.execute("UPDATE choice SET event = 'x'", []).unwrap();
    let busy = place.log_file();
    busy.execute_batch("BEGIN IMMEDIATE").unwrap();
    let asked = place.from(HOUSING, request(question(AISHA)));
    place.sharing().request_records(asked).await.map(|_| ()).unwrap_err();
    busy.execute_batch("ROLLBACK").unwrap();
    place.app.store.log().close();
    let asked = place.from(NURSE, request(question(SEALED)));
    place.sharing().request_records(asked).await.map(|_| ()).unwrap_err();
}

/// The writer of the log is a thread of its own: a subscriber for this thread would miss it. The test
/// runs itself anew, alone in a process.
#[test]
fn no_log_line_holds_anything_personal() {
    let alone = "WEIR_TEST_QUIET";
    if std::env::var_os(alone).is_none() {
        let own = std::env::current_exe().unwrap();
        let name = "quiet::no_log_line_holds_anything_personal";
        let run = std::process::Command::new(own).args([name, "--exact"]).env(alone, "1").output();
        let run = run.unwrap();
        let text = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let kept = Kept::default();
    let filter = tracing_subscriber::EnvFilter::new("weir=trace");
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(kept.clone()).init();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (token, ids) = runtime.block_on(async {
        let place = Place::open().await;
        calls(&place).await;
        (place.token(NURSE), [AISHA, SEALED, ABSENT].map(|one| one.resident().uuid().to_string()))
    });
    let lines = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    for said in ["The shelf could not be read", "Audit entries could not be written"] {
        assert!(lines.contains(said), "nothing was captured: {lines}");
    }
    let personal = [
        "Aisha",
        "Rahman",
        "Sorrel",
        "Nemo",
        "9434765919",
        "9000000017",
        "9000000041",
        "1980-06-15",
        "Larkspur",
        "Foundry",
        "penicillin",
        "Wheezing",
        "uncle",
        "Bruises",
        "CASE-118",
        "Q-77-X",
        "nurse-7",
        "housing-4",
        "forged.token",
    ];
    let ids = ids.iter().map(String::as_str);
    let signature = token.rsplit_once('.').unwrap().1;
    for word in personal.into_iter().chain(ids).chain([signature]) {
        assert!(!lines.contains(word), "a log line holds {word}: {lines}");
    }
}
