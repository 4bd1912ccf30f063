//! The life of a policy with approvals, by the commands that people run, beside a hub that runs.

use std::path::{Path, PathBuf};

use weir::app::reload::{Looked, PolicyFolder, Reloader};
use weir::clock::FixedClock;
use weir::grpc::pb;
use weir::policy::approval::{Trust, TrustedKey};
use weir::store::Store;

use crate::reloading::draft::{Draft, settled};
use crate::reloading::{answer, outcome, reasons, told, version};
use crate::story::weir;
use crate::support::{NURSE, OPENED, Place};

/// Three people with keys: two approve, one writes.
struct Office {
    draft: Draft,
    keys: tempfile::TempDir,
    trust: Trust,
}

const ADE: &str = "Ade Bakare";
const MAIR: &str = "Mair Pritchard";
const DEE: &str = "Dee Author";
/// The data protection officer.
const PIA: &str = "Pia Officer";

/// The exit code, and what was said.
impl Office {
    fn new() -> Self {
        let keys = tempfile::tempdir().unwrap();
        let mut trust = Trust { required: true, keys: Vec::new() };
        for (name, roles) in [
            (ADE, "caldicott-guardian|information-asset-owner"),
            (MAIR, "senior-information-risk-owner"),
            (DEE, "information-asset-owner"),
        ] {
            let file = keys.path().join(name);
            let made = weir(&["policy", "keygen", file.to_str().unwrap(), "--name", name]);
            assert_eq!(made.0, 0, "{}", made.1);
            let public = made.1.split("public = \"").nth(1).unwrap().split('"').next().unwrap();
            let public = hex::decode(public).unwrap().try_into().unwrap();
            let roles = roles.split('|').map(str::to_owned).collect();
            trust.keys.push(TrustedKey { name: name.to_owned(), public, roles });
        }
        Self { draft: Draft::new(), keys, trust }
    }

    fn folder(&self) -> PolicyFolder {
        PolicyFolder { trust: self.trust.clone(), ..self.draft.unsigned() }
    }

    fn key(&self, name: &str) -> PathBuf {
        self.keys.path().join(name)
    }

    async fn place(&self) -> (Place, Reloader) {
        let clock = FixedClock::at(OPENED.parse().unwrap());
        let dir = tempfile::tempdir().unwrap();
        let mut place = Place::following(dir, clock, self.folder()).await;
        let reloader = place.reloader.take().unwrap();
        (place, reloader)
    }

    /// `weir policy COMMAND WORDS… DIR`, as this person, beside the hub.
    fn run(&self, place: &Place, command: &str, words: &[&str], name: &str) -> (i32, String) {
        let (data, dir, key) = (place.data(), self.draft.path(), self.key(name));
        let mut all = vec!["policy", command, dir.to_str().unwrap()];
        all.extend(words);
        all.extend(["--key", key.to_str().unwrap(), "--name", name]);
        all.extend(["--data", data.to_str().unwrap()]);
        weir(&all)
    }

    /// Approves as somebody who reads what they are told and does what it says.
    #[track_caller]
    fn approve(&self, place: &Place, name: &str, more: &[&str]) -> String {
        let mut words: Vec<String> = more.iter().map(|word| (*word).to_owned()).collect();
        for _ in 0..4 {
            let all: Vec<&str> = words.iter().map(String::as_str).collect();
            let (exit, text) = self.run(place, "approve", &all, name);
            if exit != 1 {
                assert_eq!(exit, 0, "{name}: {text}");
                return text;
            }
            let (_, asked) = text.split_once("pprove with ").expect(&text);
            let (flag, rest) = asked.split_once(' ').unwrap();
            let word = rest.split(['.', ' ', '\n']).next().unwrap();
            words.push(flag.to_owned());
            match flag {
                "--advice" => words.extend(["lawful", "--advice-by", PIA].map(str::to_owned)),
                _ => words.push(word.to_owned()),
            }
        }
        unreachable!("{name}: it asks for more and more")
    }

    /// Both approve, and it comes into force.
    async fn approved(&self, place: &Place, reloader: &mut Reloader) {
        self.approve(place, ADE, &["--author", DEE]);
        self.approve(place, MAIR, &[]);
        assert_eq!(settled(reloader).await, Looked::Activated, "{:?}", reasons(place).await);
    }
}

fn status(place: &Place) -> (i32, String) {
    weir(&["policy", "status", "--data", place.data().to_str().unwrap()])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_policy_waits_for_two_who_are_not_its_author() {
    let office = Office::new();
    let (place, mut reloader) = office.place().await;
    assert!(place.app.hub.policy().is_err(), "unsigned and in force");
    assert!(reasons(&place).await[0].starts_with("A02"), "{:?}", reasons(&place).await);
    let (exit, text) = status(&place);
    assert!(exit == 1 && text.contains("Nothing is in force") && text.contains("A02"), "{text}");

    let (exit, text) = office.run(&place, "approve", &[], ADE);
    assert!(exit == 2 && text.contains("--author is missing"), "{text}");
    let (exit, text) = office.run(&place, "approve", &["--author", DEE], DEE);
    assert!(exit == 2 && text.contains("the author may not"), "{text}");
    let text = office.approve(&place, ADE, &["--author", DEE]);
    assert!(text.contains("Version 1 (widening)") && text.contains("2 people"), "{text}");
    assert_eq!(settled(&mut reloader).await, Looked::Refused);
    assert!(reasons(&place).await[0].starts_with("A05"), "{:?}", reasons(&place).await);
    let log = place.log_size();
    office.approve(&place, MAIR, &[]);
    assert_eq!(settled(&mut reloader).await, Looked::Activated);
    assert_eq!(told(&place, log)[0].0, "activated|widening|signed|v1");
    let (kept, _) = place.app.store.kept_policy(None).await.unwrap().unwrap();
    assert_eq!(kept.note.approved_by, [ADE, MAIR]);
    assert_eq!(kept.note.author.as_deref(), Some(DEE));
    let (exit, text) = status(&place);
    for says in ["In force: version 1", "approved by Ade Bakare, Mair Pritchard", "Lapses next:"] {
        assert!(exit == 0 && text.contains(says), "{says}: {text}");
    }

    drop(reloader);
    // The same under the same folder after a restart; and it goes on when the folder breaks.
    let (dir, clock) = place.ended().await;
    let place = Place::following(dir, clock, office.folder()).await;
    assert_eq!(version(&answer(&place).await).number, 1);
    office.draft.remove("model.conf");
    let (dir, clock) = place.ended().await;
    let place = Place::following(dir, clock, office.folder()).await;
    assert_eq!(version(&answer(&place).await).number, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_suspends_at_once_and_two_undo_it() {
    let office = Office::new();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let examples = std::fs::read(shipped.join("scenarios/direct-care.toml")).unwrap();
    office.draft.write("scenarios/direct-care.toml", examples);
    let (place, mut reloader) = office.place().await;
    office.approved(&place, &mut reloader).await;
    assert_eq!(outcome(&answer(&place).await), "OUTCOME_PERMIT");

    let (exit, text) = office.run(&place, "suspend", &["isa-car"], DEE);
    assert!(exit == 2 && text.contains("Nearest: \"isa-care\""), "{text}");
    let (exit, text) = office.run(&place, "suspend", &["isa-care"], DEE);
    assert!(exit == 0 && text.contains("examples no longer come out"), "{text}");
    assert_eq!(settled(&mut reloader).await, Looked::Activated, "{:?}", reasons(&place).await);
    let now = answer(&place).await;
    assert_eq!((outcome(&now), version(&now).number), ("OUTCOME_DENY", 2));
    let (kept, _) = place.app.store.kept_policy(None).await.unwrap().unwrap();
    assert!(kept.note.scenarios_failing > 0);
    assert_eq!(
        (kept.note.class.as_str(), &kept.note.approved_by[..]),
        ("narrowing", &[DEE.to_owned()][..])
    );
    let (exit, text) = office.run(&place, "suspend", &["isa-care"], DEE);
    assert!(exit == 2 && text.contains("is not live"), "{text}");

    // An agency: nothing is released to it; a draft, even a broken one, stands in nobody's way.
    let broken = "rules/isa-broken.csv";
    office.draft.write(broken, "p, nonsense");
    let (exit, text) = office.run(&place, "suspend", &["northfield-hospital"], ADE);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("held edits that are not in force"), "{text}");
    let name = office.draft.path().file_name().unwrap().to_string_lossy().into_owned();
    let aside = office.draft.path().with_file_name(format!("{name}-draft-1")).join(broken);
    assert_eq!(std::fs::read_to_string(aside).unwrap(), "p, nonsense");
    // A second one, before the first is in force, puts nothing aside.
    let (exit, text) = office.run(&place, "suspend", &["befriend"], ADE);
    assert!(exit == 0 && !text.contains("held edits"), "{text}");
    assert_eq!(settled(&mut reloader).await, Looked::Activated, "{:?}", reasons(&place).await);
    let now = answer(&place).await;
    assert_eq!(version(&now).number, 3);
    assert!(now.decision.unwrap().codes.contains(&"WHO_AGENCY_SUSPENDED".to_owned()));

    // Back to version 1: that widens.
    let (data, dir) = (place.data(), office.draft.path());
    let (data, dir) = (data.to_str().unwrap(), dir.to_str().unwrap());
    for (old, new, exit, says) in [
        ("version:1", "version:", 0, "NARROWS. 0 change(s) widen"),
        ("version:3", "version:1", 0, "WIDENS. "),
        ("version:3", dir, 0, "No change."),
        ("version:9", dir, 2, "no version 9 was ever in force"),
        ("version:one", dir, 2, "must be a number"),
    ] {
        let (code, text) = weir(&["policy", "diff", old, new, "--data", data]);
        assert!(code == exit && text.contains(says), "{old} {new}: {text}");
    }
    let (exit, text) = weir(&["policy", "rollback", "9", dir, "--data", data]);
    assert!(exit == 2 && text.contains("no version 9"), "{text}");
    let (exit, text) = weir(&["policy", "rollback", "1", dir, "--data", data]);
    assert_eq!(exit, 0, "{text}");
    let (first, _) = place.app.store.kept_policy(Some(1)).await.unwrap().unwrap();
    assert_eq!(office.draft.hash(), first.hash);
    assert_eq!(settled(&mut reloader).await, Looked::Refused);
    office.approve(&place, ADE, &["--author", DEE]);
    assert_eq!(settled(&mut reloader).await, Looked::Refused);
    assert!(reasons(&place).await[0].starts_with("A05"), "{:?}", reasons(&place).await);
    assert_eq!(version(&answer(&place).await).number, 3, "what was in force stays");
    office.approve(&place, MAIR, &[]);
    assert_eq!(settled(&mut reloader).await, Looked::Activated, "{:?}", reasons(&place).await);
    let now = answer(&place).await;
    assert_eq!((outcome(&now), version(&now).number), ("OUTCOME_PERMIT", 4));
    let (exit, text) = status(&place);
    assert!(exit == 0 && text.contains("Before:\n  3 ("), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_approved_for_later_waits_for_its_time() {
    let office = Office::new();
    let (place, mut reloader) = office.place().await;
    office.approved(&place, &mut reloader).await;
    office.draft.edit("agreements/isa-care.toml", "grace_days = 30", "grace_days = 31");
    let later = ["--author", DEE, "--not-before", "2026-08-01T00:00:00Z"];
    office.approve(&place, ADE, &later);
    office.approve(&place, MAIR, &[]);
    let log = place.log_size();
    assert_eq!(settled(&mut reloader).await, Looked::Waits);
    assert_eq!(told(&place, log)[0].0, "waiting");
    let (exit, text) = status(&place);
    assert!(exit == 0 && text.contains("Waits: the folder"), "{text}");
    let list = place.from(NURSE, pb::ListVersionsRequest {});
    let list = place.policies().list_versions(list).await.unwrap().into_inner();
    let versions: Vec<_> =
        list.versions.iter().map(|v| (v.number, v.change.as_str(), v.approvals)).collect();
    assert_eq!(versions, [(1, "widening", 2)]);
    let waits = list.candidate.unwrap();
    assert_eq!(waits.hash, office.draft.hash());
    let until: jiff::Timestamp = "2026-08-01T00:00:00Z".parse().unwrap();
    assert_eq!((waits.in_force_time.unwrap().seconds, waits.findings), (until.as_second(), 0));
    assert!(text.contains("from 2026-08-01T00:00:00Z on"), "{text}");
    assert_eq!(version(&answer(&place).await).number, 1);
    for (at, looked, number) in [
        ("2026-07-31T23:59:59Z", Looked::Same, 1),
        ("2026-08-01T00:00:00Z", Looked::Activated, 2),
        ("2026-08-01T00:00:01Z", Looked::Same, 2),
    ] {
        place.clock.set(at.parse().unwrap());
        assert_eq!(settled(&mut reloader).await, looked, "{at}");
        assert_eq!(place.app.hub.policy().unwrap().version().number, number, "{at}");
    }
}

/// Each attack on a hub that runs: refused by name, on record, and what was in force stays.
#[tokio::test(flavor = "multi_thread")]
async fn every_attack_is_refused_on_record_and_changes_nothing() {
    let office = Office::new();
    let (place, mut reloader) = office.place().await;
    office.approved(&place, &mut reloader).await;
    let good = office.draft.files();
    let eve = office.key("eve");
    let (exit, _) = weir(&["policy", "keygen", eve.to_str().unwrap()]);
    assert_eq!(exit, 0);
    let widen = |office: &Office| {
        office.draft.edit("rules/isa-care.csv", "doctor|nurse|", "doctor|nurse|social-worker|");
    };
    type Attack = fn(&Office, &Place);
    let attacks: [(&str, Attack, &str); 8] = [
        ("edited after the approval", |_, _| {}, "A12"),
        ("a file added", |o, _| o.draft.write("rules/zz.csv", "# nothing\n# end 0 rows\n"), "A1"),
        (
            "unsigned",
            |o, _| std::fs::remove_dir_all(o.draft.path().join("approvals")).unwrap(),
            "A02",
        ),
        (
            "signed by a key that nobody trusts",
            |o, p| {
                o.approve(p, ADE, &["--author", DEE]);
                o.approve(p, "eve", &[]);
            },
            "A03",
        ),
        ("one signature", |o, p| drop(o.approve(p, MAIR, &["--author", DEE])), "A05"),
        (
            "approved by its author",
            |o, p| {
                o.approve(p, ADE, &["--author", "Somebody"]);
                let file = o.draft.path().join("approvals/bundle.toml");
                let text = std::fs::read_to_string(&file).unwrap();
                std::fs::write(&file, text.replace("Somebody", ADE)).unwrap();
            },
            "A04",
        ),
        (
            "a key in the folder",
            |o, _| o.draft.write("approvals/weir.toml", "[[policy.key]]\nname = \"Eve\"\n"),
            "A01",
        ),
        ("a key elsewhere in the folder", |o, _| o.draft.write("trusted.key", "Eve"), "E00"),
    ];
    for (what, attack, code) in attacks {
        widen(&office);
        attack(&office, &place);
        let log = place.log_size();
        assert_eq!(settled(&mut reloader).await, Looked::Refused, "{what}");
        let reasons = reasons(&place).await;
        assert!(reasons[0].starts_with(code), "{what}: {reasons:?}");
        let told = told(&place, log);
        assert_eq!(told, [("refused".to_owned(), "1".to_owned())], "{what}");
        assert_eq!(version(&answer(&place).await).number, 1, "{what}");
        for name in office.draft.files().keys().filter(|name| !good.contains_key(*name)) {
            office.draft.remove(name);
        }
        for (name, bytes) in &good {
            office.draft.write(name, bytes);
        }
        assert_eq!(settled(&mut reloader).await, Looked::InForce, "{what}");
    }
    // The approval of an earlier version, with its content, once more.
    office.draft.close();
    office.approve(&place, ADE, &["--author", DEE]);
    assert_eq!(settled(&mut reloader).await, Looked::Activated, "{:?}", reasons(&place).await);
    for name in office.draft.files().keys().filter(|name| name.starts_with("approvals/")) {
        office.draft.remove(name);
    }
    for (name, bytes) in &good {
        office.draft.write(name, bytes);
    }
    assert_eq!(settled(&mut reloader).await, Looked::Refused);
    assert!(reasons(&place).await[0].starts_with("A08"), "{:?}", reasons(&place).await);
    assert_eq!(version(&answer(&place).await).number, 2);
}

#[test]
fn a_key_is_its_owner_s_alone_and_outside_the_folder() {
    use std::os::unix::fs::PermissionsExt;
    let office = Office::new();
    let (dir, data) = (office.draft.path(), office.keys.path().to_owned());
    let approve = |key: &Path| {
        weir(&[
            "policy",
            "approve",
            dir.to_str().unwrap(),
            "--key",
            key.to_str().unwrap(),
            "--name",
            ADE,
            "--author",
            DEE,
            "--data",
            data.to_str().unwrap(),
            "--acknowledge",
            "W23,W42,W43",
            "--advice",
            "lawful",
            "--advice-by",
            PIA,
        ])
    };
    let key = office.key(ADE);
    let (exit, text) = weir(&["policy", "keygen", key.to_str().unwrap()]);
    assert!(exit == 2 && text.contains("exists"), "overwritten: {text}");
    let inside = dir.join("approvals.key");
    std::fs::copy(&key, &inside).unwrap();
    let (exit, text) = approve(&inside);
    assert!(exit == 2 && text.contains("must not lie in the folder"), "{text}");
    std::fs::remove_file(&inside).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let (exit, text) = approve(&key);
    assert!(exit == 2 && text.contains("chmod 600"), "{text}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(approve(&key).0, 0);
    std::fs::write(&key, "weir policy approval key 1\n00\n").unwrap();
    let (exit, text) = approve(&key);
    assert!(exit == 2 && text.contains("is no key"), "{text}");
}
