//! The commands of the policy workshop, as they are typed: what they say and how they end.

use std::path::{Path, PathBuf};

use crate::story::weir;

#[track_caller]
fn check(args: &[&str], exit: i32, says: &str) {
    let (code, said) = weir(args);
    assert_eq!(code, exit, "{args:?}\n{said}");
    assert!(said.contains(says), "{args:?}\n{said}");
}

fn copy(to: &Path) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let draft = to.join("draft");
    for entry in std::iter::once(from.clone()).chain(
        std::fs::read_dir(&from).unwrap().map(|e| e.unwrap().path()).filter(|path| path.is_dir()),
    ) {
        let target = draft.join(entry.strip_prefix(&from).unwrap());
        std::fs::create_dir_all(&target).unwrap();
        for file in std::fs::read_dir(&entry).unwrap().map(|e| e.unwrap().path()) {
            if file.is_file() {
                std::fs::copy(&file, target.join(file.file_name().unwrap())).unwrap();
            }
        }
    }
    draft
}

const ASK: [&str; 13] = [
    "policy",
    "explain",
    "policies",
    "--agency",
    "northfield-hospital",
    "--role",
    "nurse",
    "--purpose",
    "direct_care",
    "--from",
    "oakdale-gp",
    "--fields",
    "health/summary.allergies,identity/core",
];

#[test]
fn right_words_are_answered() {
    check(&ASK, 0, "PERMITTED (policy ");
    check(&[&ASK[..], &["--view", "desk"]].concat(), 0, "You may see everything you asked for.");
    check(&[&ASK[..], &["--view", "resident"]].concat(), 0, "Who asked: Northfield Hospital");
    let silent = ["--view", "resident", "--ask", "do_not_tell=harm"];
    check(&[&ASK[..], &silent].concat(), 0, "Nothing is to be said to the resident");
    check(&[&ASK[..], &["--as-of", "2028-01-01"]].concat(), 0, "AGR_EXPIRED");
    let consent = "policies/scenarios/consent.toml";
    check(&["policy", "explain", "policies", consent, "consent-01"], 0, "PERMITTED IN PART");
    check(&["policy", "who", "policies", "--agency", "befriend"], 0, "N22");
    let day =
        ["policy", "who", "policies", "--agency", "befriend", "--as-of", "2028-01-01", "--json"];
    check(&day, 0, "\"lapsed\":[\"AGR_EXPIRED\"");
    check(&["policy", "who", "policies", "--purpose", "debt_recovery"], 0, "nobody");
    let why = ["policy", "why-not", "policies", "befriend", "befriending", "refuge/stay"];
    check(&why, 0, "befriend on refuge/stay: none");
    check(&["policy", "agreements", "policies"], 0, "agreement isa-care: rules N01");
    check(&["policy", "show", "policies", "isa-befriend"], 0, "Befriending");
}

#[test]
fn wrong_words_end_with_two() {
    let with = |at: usize, word: &'static str| {
        let mut args = ASK;
        args[at] = word;
        args
    };
    check(&with(4, "northfield-hospitl"), 2, "Nearest: \"northfield-hospital\"");
    check(&with(12, "health/sumary"), 2, "Nearest: \"health/summary\"");
    check(&with(2, "no-such-folder"), 2, "no-such-folder");
    check(&[&ASK[..], &["--as-of", "15 July"]].concat(), 2, "is no day such as");
    check(&[&ASK[..], &["--view", "press"]].concat(), 2, "possible values: desk, dpo, resident");
    check(&[&ASK[..], &["--given", "resident.flgs=[]"]].concat(), 2, "Nearest: `flags`");
    check(&ASK[..5], 2, "--role");
    check(&["policy", "explain", "policies"], 2, "name a scenario file and a case, or a request");
    check(&["policy", "who", "policies", "--agency", "befrend"], 2, "Nearest: \"befriend\"");
    check(&["policy", "who", "policies", "--field", "identity/core.nam"], 2, "identity/core.name");
    check(&["policy", "who", "policies", "--as-of", "soon"], 2, "is no day such as");
    check(&["policy", "who", "nowhere"], 2, "nowhere");
    check(&["policy", "why-not", "policies", "a", "b", "c"], 2, "in no vocabulary");
    check(&["policy", "agreements", "policies", "--as-of", "2026-02-30"], 2, "is no day such as");
    check(&["policy", "show", "policies", "isa-cares"], 2, "Nearest: \"isa-care\"");
    check(&["policy", "rulebook", "nowhere", "--out", "nowhere-either"], 2, "nowhere");
    check(&["policy", "fmt", "nowhere"], 2, "nowhere");
    check(&["policy", "test", "nowhere"], 2, "nowhere");
}

/// Who may be told what for what at a glance, for reviewers of an edit to read the ticks. Written anew with
/// `WEIR_WRITE_DOCS=1`.
#[test]
fn the_grid_page_is_that_of_the_shipped_folder() {
    let (exit, grid) = weir(&["policy", "diff", "policies", "--matrix"]);
    assert_eq!(exit, 0, "{grid}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy-grid.csv");
    if std::env::var_os("WEIR_WRITE_DOCS").is_some() {
        std::fs::write(&path, &grid).unwrap();
    }
    assert_eq!(grid, std::fs::read_to_string(&path).unwrap_or_default());
}

#[test]
fn the_rule_book_is_written_beside_the_policies_and_never_among_them() {
    let dir = tempfile::tempdir().unwrap();
    let draft = copy(dir.path());
    let (draft, out) = (draft.to_str().unwrap(), dir.path().join("public"));
    check(&["policy", "rulebook", draft, "--out", out.to_str().unwrap()], 0, "index.html");
    let files: std::collections::BTreeSet<String> = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        files.iter().map(String::as_str).collect::<Vec<_>>(),
        [
            "article-30.csv",
            "dpia-roles-by-data.csv",
            "index.html",
            "public-register.csv",
            "rulebook.md"
        ]
    );
    check(&["policy", "rulebook", draft, "--out", draft], 2, "Name another folder.");
    check(&["policy", "check", draft], 0, "0 errors");
}

#[test]
fn tidying_writes_what_means_the_same_and_refuses_a_broken_folder() {
    let dir = tempfile::tempdir().unwrap();
    let draft = copy(dir.path());
    let rules = draft.join("rules/isa-befriend.csv");
    let before = std::fs::read_to_string(&rules).unwrap();
    let draft = draft.to_str().unwrap();
    assert_eq!(weir(&["policy", "fmt", draft]).0, 0);
    check(&["policy", "fmt", draft, "--check"], 0, "in order");
    std::fs::write(&rules, before.replace("befriend, charity", "befriend  ,charity")).unwrap();
    check(&["policy", "fmt", draft, "--check"], 1, "rules/isa-befriend.csv");
    assert!(std::fs::read_to_string(&rules).unwrap().contains("befriend  ,charity"));
    check(&["policy", "fmt", draft], 0, "rules/isa-befriend.csv: put in order");
    assert_eq!(std::fs::read_to_string(&rules).unwrap(), before);
    let broken = before.replace("befriend, charity", "befriend  ,charit");
    std::fs::write(&rules, &broken).unwrap();
    check(&["policy", "fmt", draft], 1, "Nearest: \"charity-worker\"");
    assert_eq!(std::fs::read_to_string(&rules).unwrap(), broken);
}

#[test]
fn tests_report_what_differs_what_is_unshown_and_for_build_servers() {
    let dir = tempfile::tempdir().unwrap();
    let (file, xml) = (dir.path().join("a.toml"), dir.path().join("out.xml"));
    let case = |role: &str| {
        format!(
            "[[scenario]]\nid = \"a\"\ntitle = \"<t> & more\"\ngiven.requester = {{ agency = \
             \"northfield-hospital\", role = \"{role}\" }}\nask = {{ from = \"oakdale-gp\", purpose = \
             \"direct_care\", fields = [\"health/summary.allergies\"] }}\nwant = {{ outcome = \"PERMIT\" }}\n"
        )
    };
    let run = ["policy", "test", "policies", file.to_str().unwrap()];
    std::fs::write(&file, case("nurse")).unwrap();
    let named = weir(&run);
    assert_eq!((named.0, named.1.trim_end()), (0, "1 passed, 0 failed"));
    std::fs::write(&file, case("analyst")).unwrap();
    check(
        &[&run[..], &["--junit", xml.to_str().unwrap()]].concat(),
        1,
        "nearest N01 (rules/isa-care.csv:3): column role holds \"doctor|nurse|gp|mh-clinician\", asked was \
         \"analyst\"",
    );
    let written = std::fs::read_to_string(&xml).unwrap();
    assert!(written.contains("name=\"a: &lt;t&gt; &amp; more\""), "{written}");
    let (code, json) = weir(&[&run[..], &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, json["failed"].as_u64(), json["passed"].as_u64()), (1, Some(1), Some(0)));
    let (code, whole) = weir(&["policy", "test", "policies"]);
    assert_eq!(code, 0, "{whole}");
    assert!(whole.contains("rules are shown from both sides"), "{whole}");
    let (_, without) = weir(&["policy", "test", "policies", "--no-coverage"]);
    assert_eq!(without.lines().count(), 1, "{without}");
    let nowhere = dir.path().join("no/such/out.xml");
    check(&[&run[..], &["--junit", nowhere.to_str().unwrap()]].concat(), 2, "out.xml");
}
