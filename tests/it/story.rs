//! The demonstration as a newcomer runs it, and its log as an auditor checks it.

use std::process::Command;

pub(crate) fn weir(arguments: &[&str]) -> (i32, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_weir"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    (out.status.code().unwrap(), text.into_owned())
}

#[test]
fn the_story_goes_as_told_and_its_log_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let (exit, text) = weir(&["demo", "--exit", "--data", data]);
    assert_eq!(exit, 0, "{text}");
    for outcome in ["PERMIT", "PARTIAL", "REFER", "DENY"] {
        assert!(text.contains(&format!("\n   {outcome}  ")), "{outcome} is missing: {text}");
    }
    let (exit, text) = weir(&["audit", "verify", "--data", data]);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("The log is whole"), "{text}");

    // The search finds what was asked, and is in the log itself.
    let (exit, text) = weir(&["audit", "search", "--data", data, "--code", "CNS_WITHDRAWN"]);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("northfield-council-housing") && text.contains("1 entries"), "{text}");
    let (_, text) = weir(&["audit", "search", "--data", data, "--from", "50", "--limit", "500"]);
    assert!(text.contains("AuditRead  the hub  weir audit search"), "{text}");

    // One changed byte, and the auditor is told where.
    let log = dir.path().join("data/audit-2026.db");
    rusqlite::Connection::open(&log)
        .unwrap()
        .execute("UPDATE slot SET bytes = x'00' WHERE idx = 42 AND slot = 1", [])
        .unwrap();
    let (exit, text) = weir(&["audit", "verify", "--data", data]);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("entry 42: slot Subject was changed"), "{text}");

    // A folder that is in use by a story is not used for another.
    let (exit, text) = weir(&["demo", "--exit", "--data", data]);
    assert_eq!(exit, 2);
    assert!(text.contains("the folder is not empty"), "{text}");
}

#[test]
fn a_sealed_and_an_unknown_resident_leave_the_same_entries() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (exit, text) = weir(&["demo", "--exit", "--data", data.to_str().unwrap()]);
    assert_eq!(exit, 0, "{text}");
    let log = rusqlite::Connection::open(data.join("audit-2026.db")).unwrap();
    let mut statement = log.prepare("SELECT idx, leaf FROM entry ORDER BY idx").unwrap();
    let rows: Vec<(i64, Vec<u8>)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut welfare = Vec::new();
    for (index, leaf) in rows {
        let decoded = weir::audit::leaf::decode(&leaf).unwrap();
        let facets = decoded.entry.facets;
        let purpose = facets.get(&weir::audit::entry::Facet::Purpose).cloned();
        if purpose.as_deref() == Some("child_welfare") {
            let slots: Vec<(i64, i64)> = log
                .prepare("SELECT slot, length(bytes) FROM slot WHERE idx = ?1 ORDER BY slot")
                .unwrap()
                .query_map([index], |row| Ok((row.get(0)?, row.get(1)?)))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            welfare.push((decoded.entry.kind, facets, leaf.len(), slots));
        }
    }
    assert_eq!(welfare.len(), 2, "the story asks about a sealed resident and about nobody");
    assert_eq!(welfare[0], welfare[1]);
}

#[test]
fn wrong_input_is_told_what_to_do() {
    let (exit, text) = weir(&["policy", "check", "no-such-folder"]);
    assert_eq!(exit, 2, "{text}");
    assert!(text.contains("cannot be read"), "{text}");
    let (exit, text) =
        weir(&["policy", "explain", "policies", "policies/scenarios/consent.toml", "consent-1"]);
    assert_eq!(exit, 2, "{text}");
    assert!(text.contains("Nearest: \"consent-"), "{text}");
    let (exit, text) = weir(&["audit", "verify", "--data", "no-such-folder"]);
    assert_eq!(exit, 2, "{text}");
    assert!(text.contains("audit.vkey"), "{text}");
    let (exit, _) = weir(&["policy", "chekc"]);
    assert_eq!(exit, 2);
}
