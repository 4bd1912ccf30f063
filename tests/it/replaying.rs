//! What the past says of an edit, and what went out under a faulty rule: the commands, over the data folder of
//! a hub that has answered.

use std::path::{Path, PathBuf};
use std::process::Command;

use weir::grpc::pb;

use crate::story::weir;
use crate::support::{
    AISHA, BEN, CHILDRENS, CONSTABLE, DOCTOR, HOUSING, NURSE, Place, SEALED, relationship, request,
    treatment,
};

/// The shipped folder with one edit.
pub(crate) fn edited(to: &Path, file: &str, from: &str, into: &str) -> PathBuf {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let draft = to.join(format!("draft-{}", into.len()));
    let copied = Command::new("cp").arg("-r").arg(&shipped).arg(&draft).status().unwrap();
    assert!(copied.success());
    let text = std::fs::read_to_string(draft.join(file)).unwrap();
    assert!(text.contains(from), "{file} holds no {from:?}");
    std::fs::write(draft.join(file), text.replacen(from, into, 1)).unwrap();
    draft
}

/// A day at the hub: what was asked for, refused, located, and asked about without content.
async fn a_day() -> (tempfile::TempDir, String, Vec<String>) {
    let place = Place::open().await;
    place.record(vec![relationship(CONSTABLE, BEN, weir::clock::Clock::now(&place.clock))]).await;
    let (mut released, mut nothing_there) = (String::new(), Vec::new());
    for (who, about) in [(NURSE, AISHA), (NURSE, BEN), (DOCTOR, AISHA), (NURSE, SEALED)] {
        let message = place.from(who, request(treatment(about)));
        let reply = place.sharing().request_records(message).await.unwrap().into_inner();
        let receipt = reply.answers[0].receipt.as_ref().unwrap();
        if who.person == DOCTOR.person {
            released = receipt.name.clone();
        }
    }
    // What the practice holds nothing of, and a sealed record, in the same words.
    for about in [AISHA, SEALED] {
        let asked = pb::CanShareRequest {
            fields: vec!["health/episodes.attendance_date".to_owned()],
            ..treatment(about)
        };
        let message = place.from(DOCTOR, request(asked));
        let reply = place.sharing().request_records(message).await.unwrap().into_inner();
        nothing_there.push(reply.answers[0].receipt.as_ref().unwrap().name.clone());
    }
    // A refusal, a question without content, and a look for who is involved.
    let tenancy = pb::CanShareRequest {
        holder: "agencies/northfield-council-housing".to_owned(),
        purpose: "tenancy_management".to_owned(),
        fields: vec!["health/summary.conditions".to_owned()],
        ..treatment(AISHA)
    };
    place.sharing().request_records(place.from(HOUSING, request(tenancy))).await.unwrap();
    place.sharing().can_share(place.from(NURSE, treatment(AISHA))).await.unwrap();
    let look = pb::LocateRecordsRequest {
        resident: BEN.path(),
        purpose: "child_protection".to_owned(),
        reason: "Section 47 enquiry opened today".to_owned(),
        case_reference: "CP-1".to_owned(),
        threshold_statement: "Significant harm is suspected".to_owned(),
        r#override: None,
    };
    let found = place.sharing().locate_records(place.from(CHILDRENS, look)).await.unwrap();
    assert_eq!(found.into_inner().holders.len(), 2);
    let (dir, _) = place.ended().await;
    (dir, released, nothing_there)
}

fn replay(data: &str, folder: &str, more: &[&str]) -> serde_json::Value {
    let args = [&["policy", "replay", folder, "--data", data, "--json"], more].concat();
    let (exit, text) = weir(&args);
    assert_eq!(exit, 0, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_policy_over_its_own_log_flips_nothing_and_an_edit_what_it_touches() {
    let (dir, released, _) = a_day().await;
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let same = replay(data, "policies", &[]);
    // Four requests, a refusal, a question, and two holders that were told of.
    assert_eq!(
        (&same["replayed"], &same["alike"], &same["flipped"]),
        (&10.into(), &10.into(), &0.into())
    );
    assert_eq!((&same["residents"], &same["without_facts"]), (&0.into(), &0.into()));
    let draft = edited(
        dir.path(),
        "rules/isa-care.csv",
        "p, N01, northfield-hospital|oakdale-gp|northfield-mh-trust, doctor|nurse|gp|mh-clinician",
        "p, N01, northfield-hospital|oakdale-gp|northfield-mh-trust, nurse|gp|mh-clinician",
    );
    let found = replay(data, draft.to_str().unwrap(), &[]);
    assert_eq!((&found["replayed"], &found["flipped"]), (&10.into(), &2.into()), "{found:#}");
    let flip = &found["flips"][0];
    assert_eq!((&flip["was"], &flip["would_be"]), (&"PERMIT".into(), &"DENY".into()));
    assert_eq!(flip["samples"][0], released.as_str());
    let fields: Vec<_> =
        found["narrowed"].as_array().unwrap().iter().map(|one| one["field"].as_str()).collect();
    let wanted = ["health/episodes.attendance_date", "health/summary.allergies"];
    assert_eq!(fields, wanted.map(Some));
    assert_eq!((&found["residents"], &found["widened"]), (&2.into(), &serde_json::json!([])));
    // Back again widens, where the edit is the past.
    let old = ["--old", draft.to_str().unwrap()];
    let back = replay(data, "policies", &old);
    assert_eq!((&back["flipped"], &back["widened"][0]["rule"]), (&2.into(), &"N01".into()));
    // A span in which nothing was asked.
    let none = replay(data, "policies", &["--from", "2001-01-01", "--to", "2001-01-31"]);
    assert_eq!(none["replayed"], 0);
    for (args, says) in [
        (&["--last", "ninety"][..], "--last"),
        (&["--from", "yesterday"], "--from"),
        (&["--from", "2026-02-01", "--to", "2026-01-01"], "--to is before --from"),
    ] {
        let args = [&["policy", "replay", "policies", "--data", data], args].concat();
        let (exit, text) = weir(&args);
        assert!(exit == 2 && text.contains(says), "{exit}: {text}");
    }
}

#[tokio::test]
async fn what_went_out_under_a_faulty_rule_is_listed_and_acknowledged() {
    let (dir, _, _) = a_day().await;
    let data = dir.path().join("data");
    let (data, out) = (data.to_str().unwrap(), dir.path().join("breach"));
    let pack = out.to_str().unwrap();
    let args = ["policy", "recall", "policies", "--rule", "N01", "--data", data, "--out", pack];
    let (exit, text) = weir(&args);
    assert_eq!(exit, 0, "{text}");
    assert!(
        text.contains("3 disclosures under rule N01 to 1 recipients about 2 residents"),
        "{text}"
    );
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&read("pack.json")).unwrap();
    assert_eq!(json["recipients"][0]["fields"], serde_json::json!(["health/summary.allergies"]));
    assert_eq!(read("disclosures.csv").lines().count(), 4);
    let report = read("report.md");
    assert!(report.contains("**not yet**") && report.contains("72 hours"), "{report}");
    assert!(!report.contains("penicillin"), "a value is in the report");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(out.join("pack.json")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let ack = |agency: &str, note: &str| {
        weir(&["policy", "recall-ack", pack, "--agency", agency, "--by", "A. Penn", "--note", note])
    };
    let (exit, text) = ack("northfield-hospitel", "deleted");
    assert!(exit == 2 && text.contains("Nearest: \"northfield-hospital\""), "{text}");
    let (exit, text) = ack("northfield-hospital", " ");
    assert!(exit == 2 && text.contains("--note"), "{text}");
    let (exit, text) = ack("northfield-hospital", "deleted, and told the ward");
    assert!(exit == 0 && text.contains("Every recipient has answered"), "{text}");
    let report = read("report.md");
    assert!(report.contains("by A. Penn: deleted, and told the ward"), "{report}");
    assert!(!report.contains("**not yet**"), "{report}");
    // By agreement: the look-up was under another, and the wrong word is named.
    let other = dir.path().join("other");
    let by = |rule: &[&str]| {
        let args =
            ["policy", "recall", "policies", "--data", data, "--out", other.to_str().unwrap()];
        weir(&[&args[..], rule].concat())
    };
    let (exit, text) = by(&["--rule", "N0l"]);
    assert!(exit == 2 && text.contains("Nearest"), "{text}");
    let (exit, text) = by(&["--agreement", "isa-children"]);
    assert!(exit == 0 && text.contains("2 disclosures under agreement isa-children"), "{text}");
    let (exit, text) = by(&["--agreement", "isa-children"]);
    assert!(exit == 2 && text.contains("not empty"), "{text}");
    // By who has misused what they were given.
    let report = read("report.md");
    assert!(
        report.contains("Art 33(3)") && report.contains("1 categories: health/summary"),
        "{report}"
    );
    let found = weir(&["audit", "search", "--data", data, "--kind", "Disclose", "--json"]).1;
    let first: serde_json::Value = serde_json::from_str(found.lines().next().unwrap()).unwrap();
    let (officer, asker) = (first["officer"].as_str().unwrap(), first["agency"].as_str().unwrap());
    for (n, (flag, id)) in [("--officer", officer), ("--asker", asker)].into_iter().enumerate() {
        let out = dir.path().join(format!("misuse-{n}"));
        let args = ["policy", "recall", "policies", "--data", data, "--out", out.to_str().unwrap()];
        let (exit, text) = weir(&[&args[..], &[flag, id]].concat());
        assert!(exit == 0 && text.contains(" to 1 recipients about "), "{flag}: {text}");
        let json = std::fs::read_to_string(out.join("pack.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["recipients"][0]["agency"], asker);
    }
    let none = dir.path().join("none");
    let wrong = |whose: &[&str]| {
        let args =
            ["policy", "recall", "policies", "--data", data, "--out", none.to_str().unwrap()];
        weir(&[&args[..], whose].concat())
    };
    let (exit, text) = wrong(&["--officer", "nurse-7"]);
    assert!(exit == 2 && text.contains("32 hexadecimal digits"), "{text}");
    let (exit, text) = wrong(&["--asker", "northfield-hospitel"]);
    assert!(exit == 2 && text.contains("Nearest: \"northfield-hospital\""), "{text}");
    let (exit, text) = wrong(&["--asker", asker, "--rule", "N01"]);
    assert!(exit == 2 && text.contains("cannot be used with"), "{text}");
}

#[tokio::test]
async fn a_decision_of_the_past_is_explained_and_traffic_is_set_beside_the_agreements() {
    let (dir, released, nothing_there) = a_day().await;
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let explain = |folder: &str, id: &str, more: &[&str]| {
        let args = ["policy", "explain", folder, "--decision", id, "--data", data];
        weir(&[&args[..], more].concat())
    };
    let (exit, text) = explain("policies", &released, &[]);
    assert_eq!(exit, 0, "{text}");
    for part in [
        "under this folder: PERMIT; released health/summary.allergies (N01)",
        "comes to the same now",
        "PERMITTED (policy ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Another day: the agreement has ended.
    let (exit, text) = explain("policies", &released, &["--as-of", "2027-05-01"]);
    assert!(exit == 0 && text.contains("comes to: DENY"), "{text}");
    let (exit, text) = explain("policies", &released, &["--view", "desk"]);
    assert!(exit == 0 && text.contains("You may see everything"), "{text}");
    assert!(!text.contains("Recorded"), "what was decided is not the desk's: {text}");
    // A record in which nothing is held, and a sealed one, are explained to the desk alike.
    let alike: Vec<String> = nothing_there
        .iter()
        .map(|id| {
            let (exit, text) = explain("policies", id, &["--view", "desk"]);
            assert_eq!(exit, 0, "{text}");
            text
        })
        .collect();
    assert_eq!(alike[0], alike[1]);
    assert!(alike[0].contains("Nothing is released"), "{}", alike[0]);
    for (id, says) in [
        ("nonsense", "a UUID"),
        ("disclosures/01a00000-0000-4000-8000-000000000001", "is no decision"),
    ] {
        let (exit, text) = explain("policies", id, &[]);
        assert!(exit == 2 && text.contains(says), "{text}");
    }
    let (exit, text) = weir(&["policy", "agreements", "policies", "--data", data]);
    assert_eq!(exit, 0, "{text}");
    for part in [
        "isa-care: 3 disclosures, the last on 2026-07-15",
        "isa-fire: nothing went out under it",
        "Rules that opened nothing in 180 days:",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (exit, text) = weir(&["policy", "agreements", "policies", "--data", "no-such-folder"]);
    assert!(exit == 2 && text.contains("data folder"), "{text}");
}
