//! Exports: what they hold, that they verify alone by each verifier, and that no change of them does.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use weir::auth::issuer::Person;
use weir::clock::{Clock, FixedClock};
use weir::grpc::pb;

use crate::story::weir;
use crate::support::{
    AISHA, BEN, GP_AUDITOR, HOSPITAL_AUDITOR, HOUSING, NURSE, Place, request, treatment,
};

/// A data folder with entries of two agencies.
struct Folder {
    dir: tempfile::TempDir,
    key: String,
}

impl Folder {
    async fn new() -> Self {
        let place = Place::open().await;
        let ask = async |who: Person<'_>, question: pb::CanShareRequest| {
            let message = place.from(who, request(question));
            place.sharing().request_records(message).await.unwrap();
        };
        let unknown =
            |about| pb::CanShareRequest { purpose: "marketing".to_owned(), ..treatment(about) };
        for about in [AISHA, BEN] {
            ask(NURSE, treatment(about)).await;
            ask(NURSE, unknown(about)).await;
            ask(HOUSING, unknown(about)).await;
        }
        let (dir, clock): (_, FixedClock) = place.ended().await;
        let data = dir.path().join("data");
        std::fs::write(data.join("sample-clock"), format!("{}\n", clock.now())).unwrap();
        let key = std::fs::read_to_string(data.join("audit.vkey")).unwrap().trim().to_owned();
        Self { dir, key }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, more: &[&str]) -> (i32, String) {
        let data = self.at("data");
        weir(&[&["audit", "export", "--quiet", "--data", data.to_str().unwrap()], more].concat())
    }

    /// Makes an export that must be whole.
    fn export(&self, name: &str, more: &[&str]) -> PathBuf {
        let out = self.at(name);
        let (exit, text) = self.run(&[&["--out", out.to_str().unwrap()], more].concat());
        assert_eq!(exit, 0, "{text}");
        let (exit, text) = self.verified(&out);
        assert_eq!(exit, 0, "{text}");
        out
    }

    fn verified(&self, export: &Path) -> (i32, String) {
        let export = export.to_str().unwrap();
        weir(&["audit", "verify", "--key", &self.key, "--export", export])
    }

    /// By the verifier that shares nothing with the hub.
    fn independently(&self, export: &Path, receipt: bool) -> Result<Vec<String>, String> {
        let key = weir_verify::Key::parse(&self.key).unwrap();
        let receipts: Vec<PathBuf> =
            receipt.then(|| export.with_added_extension("tlog-proof")).into_iter().collect();
        weir_verify::export(export, &key, &receipts).map_err(|fault| match fault {
            weir_verify::Fault::Findings(lines) => lines.join("; "),
            weir_verify::Fault::Usage(what) => what,
        })
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn entries(export: &Path) -> Vec<Value> {
    lines(&export.join("entries.jsonl")).into_iter().filter(|l| l.get("entry").is_some()).collect()
}

#[tokio::test]
async fn an_export_verifies_alone_and_says_what_was_looked_for() {
    let folder = Folder::new().await;
    let all = folder.export("all", &["--format", "csv,fhir"]);
    let exported = entries(&all);
    assert_eq!(exported[0]["entry"]["kind"], "Genesis");
    let csv = std::fs::read_to_string(all.join("entries.csv")).unwrap();
    assert_eq!(csv.lines().count(), exported.len() + 1);
    assert_eq!(lines(&all.join("audit-events.ndjson")).len(), exported.len());
    assert!(!all.join("seen.jsonl").exists());
    let refused = folder.export("refused", &["--kind", "Refuse"]);
    assert_eq!(entries(&refused).len(), 4);
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(refused.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(
        (&manifest["filter"], &manifest["scope"]),
        (&serde_json::json!({ "kind": "Refuse" }), &serde_json::json!("hub"))
    );
    assert_eq!(manifest["entries"], 4);
    let slice = folder.export("slice", &["--from", "3", "--to", "7"]);
    let places: Vec<u64> =
        entries(&slice).iter().map(|line| line["index"].as_u64().unwrap()).collect();
    assert_eq!(places, [3, 4, 5, 6]);
    let nothing = folder.export("nothing", &["--purpose", "nothing_of_that_name"]);
    assert_eq!(entries(&nothing).len(), 0);
    for export in [&all, &refused, &slice, &nothing] {
        let said = folder.independently(export, true).unwrap();
        assert!(said.iter().any(|line| line.contains("whose hash the log holds")), "{said:?}");
    }
    // Whom it was filtered by is said, and named only where slots are laid open.
    let aisha = AISHA.path();
    let about = folder.export("about", &["--resident", &aisha]);
    let filter = |export: &Path| -> Value {
        let text = std::fs::read(export.join("manifest.json")).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap()["filter"].take()
    };
    assert_eq!(filter(&about)["resident"], "one, who is not named here");
    assert!(!std::fs::read_to_string(about.join("manifest.json")).unwrap().contains(&aisha));
    let open = folder.export("about-open", &["--resident", &aisha, "--open"]);
    assert_eq!(filter(&open)["resident"], aisha);
    let (held, asked) = (["--holder", "oakdale-gp"], ["--agency", "oakdale-gp"]);
    assert_ne!(
        filter(&folder.export("held-by", &held)),
        filter(&folder.export("asked-by", &asked))
    );
    // The first reading is an entry that the second export holds.
    assert!(folder.independently(&refused, false).is_ok());
    let looks = folder.export("looks", &["--kind", "AuditRead"]);
    for look in entries(&looks) {
        assert!(look["entry"]["facets"]["what"].as_str().unwrap().starts_with("export"), "{look}");
    }
    assert_eq!(entries(&looks).len(), 2 * 8 + 1);
}

#[tokio::test]
async fn what_is_personal_is_laid_open_only_on_request() {
    let folder = Folder::new().await;
    let closed = folder.export("closed", &["--format", "csv,fhir", "--kind", "Disclose"]);
    let open = folder.export("open", &["--format", "csv,fhir", "--kind", "Disclose", "--open"]);
    let says = |export: &Path, name: &str, text: &str| {
        std::fs::read_to_string(export.join(name)).unwrap().contains(text)
    };
    for name in ["entries.jsonl", "entries.csv", "audit-events.ndjson"] {
        assert!(!says(&closed, name, &AISHA.path()), "{name}");
        assert!(says(&open, name, &AISHA.path()), "{name}");
    }
    assert!(entries(&closed).iter().all(|line| line["slots"] == serde_json::json!([])));
    let slots = entries(&open)[0]["slots"].as_array().unwrap().len();
    assert_eq!(slots, 3, "whom it is about, who asked, the request");
    assert!(folder.independently(&open, true).unwrap().iter().any(|l| l.contains("opened slots")));
}

#[tokio::test]
async fn an_agency_s_export_names_no_people_of_others() {
    let folder = Folder::new().await;
    let own = folder.export("own", &["--auditor-of", "northfield-hospital", "--format", "csv"]);
    let held = folder.export("held", &["--auditor-of", "oakdale-gp", "--format", "csv", "--open"]);
    assert_eq!(entries(&own).len(), 4);
    assert!(entries(&own).iter().all(|line| line["entry"]["agency"] == "northfield-hospital"));
    // What the surgery held it sees; the leaves name who asked.
    assert_eq!(entries(&held).len(), 0);
    let seen = lines(&held.join("seen.jsonl"));
    assert_eq!(seen.len(), 6);
    let nurse = entries(&own)[0]["entry"]["officer"].clone();
    assert!(seen.iter().all(|row| row["officer"] != nurse && row.get("resident").is_none()));
    let csv = std::fs::read_to_string(held.join("entries.csv")).unwrap();
    assert!(csv.lines().count() == 7 && !csv.contains(nurse.as_str().unwrap()));
    for export in [&own, &held] {
        folder.independently(export, true).unwrap();
    }
}

/// Changes the lines of an export.
fn edited(export: &Path, change: &dyn Fn(&mut Vec<String>)) {
    let path = export.join("entries.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
}

#[tokio::test]
async fn every_change_of_an_export_is_found_and_named() {
    let folder = Folder::new().await;
    let whole = folder.export("whole", &["--kind", "Refuse", "--open", "--format", "csv"]);
    let changed = |name: &str, change: &dyn Fn(&Path)| {
        let copy = folder.at(&format!("changed-{name}"));
        std::fs::create_dir(&copy).unwrap();
        for file in std::fs::read_dir(&whole).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
        change(&copy);
        let (exit, text) = folder.verified(&copy);
        assert_eq!(exit, 1, "{name}: {text}");
        assert!(folder.independently(&copy, false).is_err(), "{name}: not found independently");
        text
    };
    let text = std::fs::read_to_string(whole.join("entries.jsonl")).unwrap();
    let entry = text.lines().position(|line| line.contains("\"entry\"")).unwrap();
    let cover = text.lines().position(|line| line.contains("\"count\"")).unwrap();
    let index = entries(&whole)[0]["index"].clone();
    let line = entry + 1;
    let named = format!("entries.jsonl: line {line}: entry {index}: ");
    let edit = |from: &'static str, to: &'static str| {
        move |lines: &mut Vec<String>| lines[entry] = lines[entry].replace(from, to)
    };
    type Change<'a> = Box<dyn Fn(&mut Vec<String>) + 'a>;
    let cases: Vec<(&str, Change<'_>, String)> = vec![
        ("dropped", Box::new(|l| drop(l.remove(entry))), "begins at entry".to_owned()),
        ("doubled", Box::new(|l| l.insert(entry, l[entry].clone())), "begins at entry".to_owned()),
        ("swapped", Box::new(|l| l.swap(entry, entry + 1)), "begins at entry".to_owned()),
        ("cut", Box::new(|l| l.truncate(l.len() - 1)), "the head covers".to_owned()),
        ("uncovered", Box::new(|l| drop(l.remove(cover))), "begins at entry".to_owned()),
        ("a leaf", Box::new(edit("\"leaf\":\"V0VJUg", "\"leaf\":\"V0VJUh")), named.clone()),
        (
            "a view",
            Box::new(edit("\"kind\":\"Refuse\"", "\"kind\":\"Disclose\"")),
            format!("{named}kind of its view"),
        ),
        (
            "a facet",
            Box::new(edit("\"outcome\":\"DENY\"", "\"outcome\":\"PERMIT\"")),
            format!("{named}facets of its view"),
        ),
        ("a slot", Box::new(edit("\"salt\":\"", "\"salt\":\"AAAA")), format!("{named}slot 1")),
        (
            "a cover's place",
            Box::new(|l| l[cover] = l[cover].replace("\"from\":0", "\"from\":2")),
            "line 1".to_owned(),
        ),
        (
            "nonsense",
            Box::new(|l| l[entry] = "{}".to_owned()),
            "is neither an entry nor".to_owned(),
        ),
    ];
    for (name, change, says) in &cases {
        if *name == "a facet" {
            continue;
        }
        let text = changed(name, &|copy: &Path| edited(copy, change));
        assert!(text.contains(says), "{name}: {text}");
    }
    // The other verifier holds fewer members of the view against the leaf; the hub's own holds all.
    let copy = folder.at("changed-facet");
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(&whole).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let (_, change, says) = cases.iter().find(|(name, _, _)| *name == "a facet").unwrap();
    edited(&copy, change);
    let (exit, said) = folder.verified(&copy);
    assert!(exit == 1 && said.contains(says), "{said}");

    let covers = |lines: &mut Vec<String>| {
        let mut line: Value = serde_json::from_str(&lines[cover]).unwrap();
        line["hash"] = format!("{}=", "A".repeat(43)).into();
        lines[cover] = line.to_string();
    };
    let text = changed("a cover's hash", &|copy: &Path| edited(copy, &covers));
    assert!(text.contains("does not lead to the root"), "{text}");
    for (name, from, to, says) in [
        ("the range", "\"from\": 0", "\"from\": 99999", "is no range"),
        ("the count", "\"entries\": 4", "\"entries\": 5", "says entries 5; there are 4"),
        ("the head", "origin\": \"", "origin\": \"x", "origin: is not that of the head"),
        ("a digest", "\"sha256\": \"", "\"sha256\": \"0", "is not the file that is listed"),
        ("the version", "\"weir_export\": 1", "\"weir_export\": 2", "weir_export: is 2"),
    ] {
        let change = |copy: &Path| {
            let path = copy.join("manifest.json");
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        };
        let text = changed(name, &change);
        assert!(text.contains(says), "{name}: {text}");
    }
    let text = changed("the table", &|copy: &Path| {
        let path = copy.join("entries.csv");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("DENY", "PERMIT", 1)).unwrap();
    });
    assert!(text.contains("entries.csv: is not the file that is listed"), "{text}");
    // Of everything, nothing may be covered up.
    let all = folder.export("everything", &[]);
    edited(&all, &|lines: &mut Vec<String>| {
        let line: Value = serde_json::from_str(&lines[3]).unwrap();
        let leaf = STANDARD.decode(line["leaf"].as_str().unwrap()).unwrap();
        let hash = STANDARD.encode(weir::audit::tree::leaf_hash(&leaf));
        lines[3] = serde_json::json!({ "from": 3, "count": 1, "hash": hash }).to_string();
    });
    let (exit, said) = folder.verified(&all);
    assert!(exit == 1 && said.contains("says that it holds everything"), "{said}");
    let said = folder.independently(&all, false).unwrap_err();
    assert!(said.contains("says that it holds everything"), "{said}");
    let text = changed("one file more", &|copy: &Path| {
        std::fs::write(copy.join("more.txt"), "more").unwrap();
    });
    assert!(text.contains("more.txt\": is not listed"), "{text}");
    let text = changed("one file less", &|copy: &Path| {
        std::fs::remove_file(copy.join("entries.csv")).unwrap();
    });
    assert!(text.contains("entries.csv: is listed and cannot be read"), "{text}");
}

#[tokio::test]
async fn wrong_wishes_leave_nothing_behind() {
    let folder = Folder::new().await;
    let out = folder.at("out");
    let shown = out.to_str().unwrap();
    for (more, says) in [
        (&["--format", "pdf"][..], "--format \"pdf\" must be jsonl, csv or fhir"),
        (&["--kind", "Refused"], "--kind \"Refused\" must be one of"),
        (&["--auditor-of", "No Agency"], "--auditor-of"),
        (&["--resident", "Aisha"], "--resident must be"),
        (&["--from", "5", "--to", "3"], "--to must not be before --from"),
    ] {
        let (exit, text) = folder.run(&[&["--out", shown], more].concat());
        assert!(exit == 2 && text.contains(says), "{more:?}: {text}");
    }
    folder.export("out", &[]);
    // It may say what somebody has asked about whom: its owner alone may read it.
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&out), 0o700);
    for file in std::fs::read_dir(&out).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    let (exit, text) = folder.run(&["--out", shown]);
    assert!(exit == 2 && text.contains("is there already"), "{text}");
    // What somebody has under the name that it is written by stays theirs.
    let theirs = folder.at("next.part");
    std::fs::create_dir(&theirs).unwrap();
    std::fs::write(theirs.join("notes.txt"), "mine").unwrap();
    let (exit, text) = folder.run(&["--out", folder.at("next").to_str().unwrap()]);
    assert!(exit == 2 && text.contains("next.part: "), "{text}");
    assert_eq!(std::fs::read_to_string(theirs.join("notes.txt")).unwrap(), "mine");
    std::fs::remove_dir_all(&theirs).unwrap();
    let (exit, text) = folder.verified(&folder.at("nowhere"));
    assert!(exit == 2 && text.contains("Is this an export?"), "{text}");
    let left: Vec<_> = std::fs::read_dir(folder.dir.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".part"))
        .collect();
    assert_eq!(left, [""; 0]);
}

/// Takes an export over a socket into a folder, with the receipt beside it.
async fn taken(
    place: &Place,
    who: Person<'_>,
    message: pb::ExportEntriesRequest,
    out: &Path,
) -> Result<(), tonic::Status> {
    let mut stream = place.audit().export_entries(place.from(who, message)).await?.into_inner();
    std::fs::create_dir(out).unwrap();
    let mut last = None;
    while let Some(piece) = stream.message().await? {
        let pb::ExportEntriesResponse { file, data, tlog_proof } = piece;
        assert!(last.is_none() && data.len() <= 256 * 1024);
        let path = out.join(&file);
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        std::io::Write::write_all(&mut file, &data).unwrap();
        if !tlog_proof.is_empty() {
            std::fs::write(out.with_added_extension("tlog-proof"), &tlog_proof).unwrap();
            last = Some(tlog_proof);
        }
    }
    assert!(last.is_some(), "an export without its end is none");
    Ok(())
}

#[tokio::test]
async fn an_auditor_takes_an_export_from_a_serving_hub() {
    let place = Place::open().await;
    for who in [NURSE, HOUSING] {
        let message = place.from(who, request(treatment(AISHA)));
        place.sharing().request_records(message).await.unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let vkey = std::fs::read_to_string(place.data().join("audit.vkey")).unwrap();
    let key = weir_verify::Key::parse(vkey.trim()).unwrap();
    let wanted = || pb::ExportEntriesRequest { csv: true, open: true, ..Default::default() };
    for (who, name, given, seen) in
        [(HOSPITAL_AUDITOR, "hospital", 1, 0), (GP_AUDITOR, "surgery", 0, 2)]
    {
        let out = dir.path().join(name);
        let decisions = pb::SearchEntriesRequest {
            kinds: vec![pb::EntryKind::Disclose.into(), pb::EntryKind::Refuse.into()],
            ..Default::default()
        };
        let message = pb::ExportEntriesRequest { search: Some(decisions), ..wanted() };
        taken(&place, who, message, &out).await.unwrap();
        let receipts = [out.with_added_extension("tlog-proof")];
        let said = weir_verify::export(&out, &key, &receipts).unwrap();
        assert!(said.iter().any(|line| line.contains("whose hash the log holds")), "{said:?}");
        assert_eq!(entries(&out).len(), given, "{name}");
        let rows = std::fs::read_to_string(out.join("seen.jsonl")).unwrap_or_default();
        assert_eq!(rows.lines().count(), seen, "{name}");
        assert!(entries(&out).iter().all(|line| line["slots"].as_array().unwrap().len() == 3));
        assert!(!rows.contains(&AISHA.path()), "whom others asked about is not laid open");
    }
    let refused = async |who, message| {
        taken(&place, who, message, &dir.path().join("none")).await.unwrap_err()
    };
    let paged = pb::SearchEntriesRequest { page_size: 5, ..Default::default() };
    let paged = pb::ExportEntriesRequest { search: Some(paged), ..wanted() };
    assert_eq!(refused(GP_AUDITOR, paged).await.code(), tonic::Code::InvalidArgument);
    let backwards = pb::ExportEntriesRequest { from_index: 5, to_index: 3, ..wanted() };
    assert_eq!(refused(GP_AUDITOR, backwards).await.code(), tonic::Code::InvalidArgument);
    assert_eq!(refused(NURSE, wanted()).await.code(), tonic::Code::PermissionDenied);
}
