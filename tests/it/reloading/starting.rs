//! What a hub starts with: the folder; else what was in force last; else nothing, and then nothing is decided.

use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use weir::app::reload::Looked;
use weir::audit::entry::{Facet, Kind};
use weir::clock::FixedClock;
use weir::grpc::pb;

use super::draft::{Draft, settled};
use super::{answer, following, outcome, reasons, stamp, told, version};
use crate::support::{AISHA, NURSE, OPENED, Place, expect_refused, request, treatment};

async fn again(place: Place, draft: &Draft) -> Place {
    let (dir, clock) = place.ended().await;
    Place::following(dir, clock, draft.unsigned()).await
}

async fn health(place: &Place, service: &str) -> ServingStatus {
    let mut client = tonic_health::pb::health_client::HealthClient::new(place.channel.clone());
    let service = service.to_owned();
    client.check(HealthCheckRequest { service }).await.unwrap().into_inner().status()
}

/// As long as it takes, and an end all the same.
async fn becomes(place: &Place, service: &str, wanted: ServingStatus) -> bool {
    for _ in 0..600 {
        if health(place, service).await == wanted {
            return true;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_folder_goes_on_under_its_number() {
    let draft = Draft::new();
    let place = following(&draft).await;
    let first = answer(&place).await;
    let place = again(place, &draft).await;
    let second = answer(&place).await;
    assert_eq!(stamp(&first), stamp(&second), "number, hash and age");
    draft.close();
    let place = again(place, &draft).await;
    let third = answer(&place).await;
    assert_eq!((version(&third).number, outcome(&third)), (2, "OUTCOME_DENY"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_or_missing_folder_leaves_what_was_in_force_last() {
    let draft = Draft::new();
    let place = following(&draft).await;
    let first = stamp(&answer(&place).await);
    draft.edit("rules/isa-care.csv", "direct_care", "direct_car");
    let mut place = again(place, &draft).await;
    for broken in [true, false] {
        let log = place.log_size();
        let now = answer(&place).await;
        assert_eq!((stamp(&now), outcome(&now)), (first.clone(), "OUTCOME_PERMIT"));
        assert_eq!(health(&place, "weir.ready").await, ServingStatus::Serving);
        let reasons = reasons(&place).await;
        let why = if broken { "rules/isa-care.csv line" } else { "cannot be read" };
        assert!(reasons.iter().any(|line| line.contains(why)), "{reasons:?}");
        if broken {
            std::fs::remove_dir_all(draft.path()).unwrap();
            place = again(place, &draft).await;
            let words: Vec<String> = told(&place, log).into_iter().map(|(what, _)| what).collect();
            assert_eq!(words, ["refused", "last-good|v1"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_and_then_changed_is_not_put_in_force() {
    let draft = Draft::new();
    let place = following(&draft).await;
    let (dir, clock) = place.ended().await;
    draft.remove("model.conf");
    let hub = rusqlite::Connection::open(dir.path().join("data/hub.db")).unwrap();
    let bytes: Vec<u8> =
        hub.query_row("SELECT bytes FROM policy_folder", [], |row| row.get(0)).unwrap();
    let text = b"status = \"live\"";
    let at = bytes.windows(text.len()).position(|window| window == text).unwrap();
    let mut other = bytes.clone();
    other[at..at + text.len()].copy_from_slice(b"status = \"none\"");
    for (what, bytes, serves) in [("changed", other, false), ("as it was", bytes, true)] {
        hub.execute("UPDATE policy_folder SET bytes = ?1", [&bytes]).unwrap();
        let copy = tempfile::tempdir().unwrap();
        for part in ["data", "issuer", "data.hub-key"] {
            let status = std::process::Command::new("cp")
                .args(["-a".as_ref(), dir.path().join(part).as_os_str(), copy.path().as_os_str()])
                .status();
            assert!(status.unwrap().success(), "{part}");
        }
        let place = Place::following(copy, clock.clone(), draft.unsigned()).await;
        assert_eq!(place.app.hub.policy().is_ok(), serves, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_policy_nothing_is_decided_and_a_good_folder_goes_live_by_itself() {
    let draft = Draft::new();
    draft.edit("rules/isa-care.csv", "direct_care", "direct_car");
    let clock = FixedClock::at(OPENED.parse().unwrap());
    let mut place = Place::following(tempfile::tempdir().unwrap(), clock, draft.unsigned()).await;
    for (service, wanted) in [
        ("weir.ready", ServingStatus::NotServing),
        ("", ServingStatus::NotServing),
        ("weir.hub.v1.SharingService", ServingStatus::NotServing),
        ("weir.live", ServingStatus::Serving),
    ] {
        assert_eq!(health(&place, service).await, wanted, "{service}");
    }
    let log = place.log_size();
    let ask = || request(treatment(AISHA));
    let none = (Code::Unavailable, "SYS_POLICY_NOT_APPROVED");
    let reply = place.sharing().request_records(place.from(NURSE, ask())).await;
    expect_refused("a request", reply, none.0, none.1, &[]);
    let reply = place.sharing().can_share(place.from(NURSE, treatment(AISHA))).await;
    expect_refused("a question", reply, none.0, none.1, &[]);
    let reply = place.policies().get_policy(place.from(NURSE, pb::GetPolicyRequest {})).await;
    expect_refused("the policy", reply, none.0, none.1, &[]);
    let list = pb::ListChoicesRequest { resident: AISHA.path(), ..Default::default() };
    let reply = place.choices().list_choices(place.from(NURSE, list)).await;
    expect_refused("a list", reply, none.0, none.1, &[]);
    let away = place.entries(log);
    let away: Vec<&str> = away
        .iter()
        .filter(|e| e.entry.kind == Kind::TurnedAway)
        .map(|e| e.facet(Facet::What))
        .collect();
    assert_eq!(away, ["policy", "policy"], "who asked and was not answered is on record");

    draft.edit("rules/isa-care.csv", "direct_car,", "direct_care,");
    let mut reloader = place.reloader.take().unwrap();
    assert_eq!(settled(&mut reloader).await, Looked::Activated);
    assert_eq!(outcome(&answer(&place).await), "OUTCOME_PERMIT");
    for service in ["weir.ready", "", "weir.hub.v1.SharingService"] {
        assert!(becomes(&place, service, ServingStatus::Serving).await, "{service}");
    }
    // From here on by itself, as a hub that is served does.
    let following = tokio::spawn(reloader.follow());
    draft.close();
    let mut number = 1;
    for _ in 0..600 {
        number = version(&answer(&place).await).number;
        if number > 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    following.abort();
    assert_eq!(number, 2, "nobody looks at the folder");
}
