//! A policy folder tried out over a socket: what is wrong with it, and what it would have changed; the same
//! code and the same text as the commands have.

use std::path::Path;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;
use weir::auth::issuer::Person;
use weir::grpc::pb;
use weir::policy::load::read_dir;

use crate::replaying::edited;
use crate::story::weir;
use crate::support::{AISHA, BEN, NURSE, Place, request, treatment};

const OFFICER: Person<'static> =
    Person { agency: "northfield-hospital", person: "dpo-1", roles: &["hub-privacy-officer"] };
const OPERATOR: Person<'static> =
    Person { agency: "northfield-council-housing", person: "ops-1", roles: &["hub-operator"] };

/// A folder as a call takes it.
pub(crate) fn folder(dir: &Path) -> Vec<pb::PolicyFile> {
    let files = read_dir(dir).unwrap();
    files.into_iter().map(|(path, content)| pb::PolicyFile { path, content }).collect()
}

fn shipped() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

async fn check(
    place: &Place,
    files: Vec<pb::PolicyFile>,
    as_of: &str,
) -> Result<pb::CheckPolicyResponse, Status> {
    let message = pb::CheckPolicyRequest { files, as_of_date: as_of.to_owned() };
    place.policies().check_policy(place.from(OFFICER, message)).await.map(|r| r.into_inner())
}

#[track_caller]
fn refused<T>(found: Result<T, Status>, field: &str, says: &str) {
    let status = found.err().unwrap();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let details = status.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    let one = violations.iter().find(|v| v.field == field).expect(field);
    assert!(one.description.contains(says), "{}", one.description);
}

fn file(path: &str) -> Vec<pb::PolicyFile> {
    vec![pb::PolicyFile { path: path.to_owned(), content: b"x".to_vec() }]
}

#[tokio::test]
async fn a_folder_is_checked_as_the_command_checks_it() {
    let place = Place::open().await;
    let dir = tempfile::tempdir().unwrap();
    let broken = edited(dir.path(), "rules/isa-care.csv", "direct_care", "direct_caer");
    for (folder_dir, errors) in [(shipped(), false), (broken, true)] {
        for day in ["2026-07-15", "2027-05-02"] {
            let found = check(&place, folder(&folder_dir), day).await.unwrap();
            let args = ["policy", "check", folder_dir.to_str().unwrap(), "--as-of", day];
            let (_, json) = weir(&[&args[..], &["--json"]].concat());
            let (exit, text) = weir(&args);
            assert_eq!((found.json.as_str(), found.text.as_str()), (json.trim(), text.trim()));
            assert_eq!(found.errors > 0, exit == 1, "{text}");
            assert!(found.errors > 0 || !errors, "{text}");
        }
    }
    // Without a day it is the day of the hub.
    let today = check(&place, folder(&shipped()), "").await.unwrap();
    assert!(today.text.contains("As of 2026-07-15:"), "{}", today.text);
    refused(check(&place, file("model.conf"), "tomorrow").await, "as_of_date", "2027-04-01");
    refused(check(&place, vec![], "").await, "files", "1 to 2000");
    for path in ["", "/etc/passwd", "../model.conf", "rules//a.csv", ".git/config", "a\u{e9}.csv"] {
        refused(check(&place, file(path), "").await, "files[0].path", "must be a path");
    }
    let twice = [file("model.conf"), file("model.conf")].concat();
    refused(check(&place, twice, "").await, "files[1].path", "stands twice");
}

#[tokio::test]
async fn a_replay_beside_a_serving_hub_finds_what_the_command_finds() {
    let place = Place::open().await;
    for (who, about) in [(NURSE, AISHA), (NURSE, BEN)] {
        let message = place.from(who, request(treatment(about)));
        place.sharing().request_records(message).await.unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let draft = edited(
        dir.path(),
        "rules/isa-care.csv",
        "p, N01, northfield-hospital|oakdale-gp|northfield-mh-trust, doctor|nurse|gp|mh-clinician",
        "p, N01, northfield-hospital|oakdale-gp|northfield-mh-trust, doctor|gp|mh-clinician",
    );
    let begin = |files: Vec<pb::PolicyFile>| {
        let message = pb::ReplayPolicyRequest { files, ..Default::default() };
        let message = place.from(OPERATOR, message);
        let mut client = place.policies();
        async move { client.replay_policy(message).await.map(|r| r.into_inner()) }
    };
    let before = place.log_size();
    let begun = begin(folder(&draft)).await.unwrap();
    // That the log is read is in it, before anything is read.
    assert_eq!((place.log_size(), begun.entries_total), (before + 1, before + 1));
    let get = |name: &str, who: Person<'static>| {
        let message = place.from(who, pb::GetPolicyReplayRequest { name: name.to_owned() });
        let mut client = place.policies();
        async move { client.get_policy_replay(message).await.map(|r| r.into_inner()) }
    };
    let mut replay = begun;
    for _ in 0..600 {
        if replay.state() != pb::PolicyReplayState::Running {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        replay = get(&replay.name, OPERATOR).await.unwrap();
    }
    assert!(replay.state() == pb::PolicyReplayState::Done);
    assert_eq!(replay.entries_read, replay.entries_total);
    // Another agency's operator knows of none, as nobody knows of one that never was.
    let elsewhere = Person { agency: "northfield-hospital", ..OPERATOR };
    let nobody = "replays/00000000-0000-4000-8000-000000000000";
    for (name, who) in [(replay.name.as_str(), elsewhere), (nobody, OPERATOR)] {
        assert_eq!(get(name, who).await.err().unwrap().code(), Code::NotFound);
    }
    // One that has ended stays as it is.
    let message = pb::CancelPolicyReplayRequest { name: replay.name.clone() };
    let message = place.from(OPERATOR, message);
    let cancelled = place.policies().cancel_policy_replay(message).await.unwrap().into_inner();
    assert!(cancelled == replay);
    let mut bad = folder(&draft);
    bad.retain(|file| file.path != "place.toml");
    refused(begin(bad).await, "files", "place.toml");
    let (data_dir, _) = place.ended().await;
    let data = data_dir.path().join("data");
    let args = ["policy", "replay", draft.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let (_, text) = weir(&args);
    let (_, json) = weir(&[&args[..], &["--json"]].concat());
    assert_eq!((replay.text.as_str(), replay.json.as_str()), (text.trim(), json.trim()));
    assert!(text.contains("PERMIT -> DENY"), "{text}");
}
