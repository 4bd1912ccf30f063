//! What stands in the files after a real run, and the commands on the keys.

use std::path::Path;
use std::sync::Arc;

use tonic::Code;
use weir::app::{App, DataFolder};
use weir::audit::entry::{Facet, Kind};
use weir::clock::{Clock, FixedClock};
use weir::grpc::pb;

use crate::story::weir;
use crate::support::{
    ABSENT, AISHA, GP_PUBLISHER, NURSE, OPENED, Place, SEALED, expect_refused, expire_time,
    request, treatment,
};

type Part = pb::publish_records_request::Part;

fn extract(
    value: &str,
    expire_time: Option<prost_types::Timestamp>,
) -> Vec<pb::PublishRecordsRequest> {
    let header = pb::PublishHeader {
        category: "health/summary".to_owned(),
        expire_time,
        request_id: String::new(),
    };
    let field = "health/summary.allergies".to_owned();
    let values = vec![pb::FieldText { field, text: value.to_owned(), labels: Vec::new() }];
    let row = pb::PublishRow { local_id: AISHA.local_id(), values };
    [Part::Header(header), Part::Row(row)]
        .map(|part| pb::PublishRecordsRequest { part: Some(part) })
        .into()
}

async fn values(place: &Place) -> Vec<String> {
    let asked = place.from(NURSE, request(treatment(AISHA)));
    let answers = place.sharing().request_records(asked).await.unwrap().into_inner().answers;
    answers[0].values.iter().map(|value| value.text.clone()).collect()
}

#[tokio::test]
async fn after_a_real_run_nothing_personal_stands_in_the_files() {
    let place = Place::open().await;
    for about in [AISHA, SEALED, ABSENT] {
        let asked = pb::CanShareRequest {
            reason: "Wheezing since the funeral".to_owned(),
            threshold_statement: "Bruises on both arms".to_owned(),
            ..treatment(about)
        };
        place.sharing().request_records(place.from(NURSE, request(asked))).await.unwrap();
    }
    let pieces = tokio_stream::iter(extract("Strawberries", expire_time()));
    place.records().publish_records(place.from(GP_PUBLISHER, pieces)).await.unwrap();
    assert_eq!(values(&place).await, ["Strawberries"]);
    place.app.store.log().catch_up_index().unwrap();
    let mut bytes = Vec::new();
    for name in ["hub.db", "keys.db", "audit-2026.db", "index.db"] {
        for name in [name.to_owned(), format!("{name}-wal")] {
            bytes.extend(std::fs::read(place.data().join(&name)).unwrap());
        }
    }
    // An agency's own id for a resident is not sealed; here it is made of the number.
    let holds = |word: &str| {
        let mut places = bytes.windows(word.len() + 2).filter(|w| &w[2..] == word.as_bytes());
        places.any(|found| &found[..2] != b"L-")
    };
    assert!(holds("oakdale-gp") && holds("direct_care"), "nothing was read");
    let personal = ["Strawberries", "penicillin", "Wheezing", "Bruises", "CASE-118", "Foundry"];
    let known = [AISHA, SEALED, ABSENT].map(|one| [one.name, one.nhs_number, one.born]);
    for word in personal.iter().chain(known.iter().flatten()) {
        assert!(!holds(word), "the files hold {word}");
    }
}

#[tokio::test]
async fn a_record_is_released_until_it_expires_and_no_longer() {
    let place = Place::open().await;
    let opened: jiff::Timestamp = OPENED.parse().unwrap();
    let wire =
        |after: i64| Some(prost_types::Timestamp { seconds: opened.as_second() + after, nanos: 0 });
    let publish = async |value: &str, expires| {
        let pieces = tokio_stream::iter(extract(value, expires));
        place.records().publish_records(place.from(GP_PUBLISHER, pieces)).await
    };
    for (what, expires) in [
        ("no end", None),
        ("an end that was", wire(-1)),
        ("an end now", wire(0)),
        ("an end too far away", wire(400 * 24 * 3600 + 1)),
    ] {
        let refused = publish("Nuts", expires).await;
        expect_refused(
            what,
            refused,
            Code::InvalidArgument,
            "REQUEST_INVALID",
            &["header.expire_time"],
        );
    }
    publish("Nuts", wire(400 * 24 * 3600)).await.unwrap();
    publish("Strawberries", wire(3600)).await.unwrap();
    let message =
        pb::ListHeldRecordsRequest { category: "health/summary".to_owned(), ..Default::default() };
    let held = place.records().list_held_records(place.from(GP_PUBLISHER, message)).await.unwrap();
    assert!(held.into_inner().records.iter().any(|one| one.expire_time == wire(3600)));
    let end = opened.checked_add(jiff::SignedDuration::from_secs(3600)).unwrap();
    place.clock.set(end.checked_sub(jiff::SignedDuration::from_micros(1)).unwrap());
    assert_eq!(values(&place).await, ["Strawberries"]);
    place.clock.set(end);
    assert!(values(&place).await.is_empty());
    let before = place.log_size();
    place.app.hub.purge_expired().await;
    let logged = place.entries(before);
    assert_eq!(logged.len(), 1);
    let (entry, one) = (&logged[0].entry, &logged[0]);
    assert_eq!(
        (entry.kind, one.facet(Facet::What), one.facet(Facet::Count)),
        (Kind::Hold, "expired", "1")
    );
    assert!(logged[0].slots.is_empty(), "an entry of the purge names somebody");
    place.app.hub.purge_expired().await;
    assert_eq!(place.log_size(), before + 1);
}

async fn made(data: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let policy = weir::cli::policy::open(&root.join("policies")).unwrap();
    let clock = FixedClock::at(OPENED.parse().unwrap());
    assert_eq!(clock.now(), OPENED.parse().unwrap());
    App::open(data, "t.example/a", policy, Vec::new(), Arc::new(clock)).await.unwrap();
}

#[test]
fn a_rotation_is_entered_and_can_be_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    tokio::runtime::Runtime::new().unwrap().block_on(made(&data));
    let (old, new) = (dir.path().join("data.hub-key"), dir.path().join("new"));
    let [at, old, new] = [&data, &old, &new].map(|path| path.to_str().unwrap());
    let keys = |command: &str, key: &str, more: &[&str]| {
        weir(&[&["keys", command, "--data", at, "--hub-key-file", key], more].concat())
    };
    assert_eq!(keys("check", old, &[]).0, 0);
    for (key, next, says) in [
        ("/no/such/key", new, "No such file"),
        (old, "/no/such/folder/key", "No such file"),
        (old, &format!("{at}/key"), "in the data folder"),
    ] {
        let (exit, said) = keys("rotate", key, &["--new-hub-key-file", next]);
        assert!(exit == 2 && said.contains(says), "{said}");
    }
    // Cut off at each step before the commit: the old key works, and it is run again.
    let folder = DataFolder::with_key(&data, Some(Path::new(old)));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for cut in ["begun", "made", "recorded", "wrapped", "ready"] {
        let cut_off = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let step = |step: &str| assert_ne!(step, cut, "cut off here");
            runtime.block_on(weir::cli::keys::rotated(&folder, Path::new(new), step))
        }));
        assert!(cut_off.is_err(), "{cut} is no step");
        let (exit, said) = keys("check", old, &[]);
        assert_eq!(exit, 0, "{cut}: {said}");
    }
    let (exit, said) = keys("rotate", old, &["--new-hub-key-file", new]);
    assert!(exit == 0 && said.contains("keys are under hub key"), "{said}");
    let (exit, said) = keys("check", old, &[]);
    assert!(exit == 2 && said.contains("its keys are under the hub key"), "{said}");
    assert_eq!(keys("check", new, &[]).0, 0);
    let (exit, said) = keys("rotate", old, &["--new-hub-key-file", new]);
    assert!(exit == 0 && said.contains("already"), "{said}");
    let (exit, said) = weir(&["audit", "search", "--data", at, "--hub-key-file", new]);
    assert!(exit == 0 && said.contains("weir keys rotate"), "{said}");
    assert_eq!(weir(&["audit", "verify", "--data", at]).0, 0, "no key is needed");
}
