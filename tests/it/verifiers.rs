//! Every verifier (the hub's own commands, `weir-verify`, the one in Node) on every golden file: all good ones are
//! accepted, all broken ones refused by name, and no flipped byte is let through.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use weir::audit::receipt::ProvenEntry;

use crate::golden::{Case, Files, folder, put, read};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// What the good golden files are, in commands.
const GOOD: &[&str] = &[
    "heads golden/checkpoints/256 golden/checkpoints/300-cosigned --tiles golden/tiles",
    "heads golden/checkpoints/300-cosigned golden/checkpoints/300 --tiles golden/tiles",
    "tiles golden/tiles",
    "export golden/export-slice",
    "export golden/export-holes",
    "export golden/export-slice --receipt golden/receipts/290-of-300.tlog-proof",
    "export golden/export-holes --receipt golden/receipts/291-of-300.tlog-proof",
];

/// `weir-verify` as it is now.
pub fn weir_verify() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.current_dir(ROOT).args(["build", "--quiet", "--locked", "-p", "weir-verify"]);
        assert!(build.status().unwrap().success());
        let target = Path::new(env!("CARGO_BIN_EXE_weir")).parent().unwrap().parent().unwrap();
        target.join("debug/weir-verify")
    })
}

fn key() -> String {
    std::fs::read_to_string(folder().join("key.vkey")).unwrap().trim().to_owned()
}

/// Exit code and what was said; `None`: the program is not here, or has no such command.
type Said = Option<(Option<i32>, String)>;

fn run(mut program: Command, words: &[String]) -> Said {
    let out = program.args(words).args(["--key", &key()]).output().unwrap();
    let said = [out.stdout, out.stderr].concat();
    Some((out.status.code(), String::from_utf8_lossy(&said).into_owned()))
}

fn by_weir_verify(words: &[String]) -> Said {
    run(Command::new(weir_verify()), words)
}

fn by_node(words: &[String]) -> Said {
    std::env::var_os("WEIR_TEST_NODE")?;
    let mut node = Command::new("node");
    node.arg(format!("{ROOT}/verifiers/node/weir-verify.mjs"));
    run(node, words)
}

/// The hub's own commands have other names, and take the newer head from the proof.
fn by_hub(words: &[String]) -> Said {
    let mut hub = Command::new(env!("CARGO_BIN_EXE_weir"));
    hub.arg("audit");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let words = match words.as_slice() {
        ["receipt", rest @ ..] => [&["check-receipt"], rest].concat(),
        ["heads", old, new, "--proof", proof] => {
            let [new, text] = [new, proof].map(|file| std::fs::read_to_string(file).unwrap());
            (text.split_once("\n\n")?.1 == new).then(|| vec!["check-growth", old, proof])?
        }
        _ => return None,
    };
    run(hub, &words.into_iter().map(str::to_owned).collect::<Vec<_>>())
}

type Verify = fn(&[String]) -> Said;

const VERIFIERS: [(&str, Verify); 3] =
    [("weir-verify", by_weir_verify), ("node", by_node), ("weir audit", by_hub)];

#[expect(clippy::print_stdout, reason = "a test that does nothing must say so")]
fn has_node() -> bool {
    let is_there = std::env::var_os("WEIR_TEST_NODE").is_some();
    if !is_there {
        println!("skipped: WEIR_TEST_NODE is not set (scripts/test sets it)");
    }
    is_there
}

/// The words of a command, with `golden/` and `of` as paths.
fn words<'a>(command: impl IntoIterator<Item = &'a str>, of: &Path) -> Vec<String> {
    let path = |word: &str| match (word, word.split_once('/')) {
        ("of", _) => of.display().to_string(),
        (_, Some(("of", rest))) => of.join(rest).display().to_string(),
        (_, Some(("golden", rest))) => folder().join(rest).display().to_string(),
        _ => word.to_owned(),
    };
    command.into_iter().map(path).collect()
}

#[test]
fn every_verifier_accepts_every_good_one() {
    has_node();
    let mut commands: Vec<String> = GOOD.iter().map(|&command| command.to_owned()).collect();
    for name in read(&folder()).keys() {
        if name.starts_with("receipts/") {
            commands.push(format!("receipt golden/{name}"));
        }
        let sizes = name.strip_prefix("growth/").and_then(|name| name.strip_suffix(".txt"));
        if let Some((old, new)) = sizes.and_then(|sizes| sizes.split_once('-')) {
            let heads = format!("heads golden/checkpoints/{old} golden/checkpoints/{new}");
            commands.push(format!("{heads} --proof golden/{name}"));
            commands.push(format!("{heads} --tiles golden/tiles"));
        }
    }
    assert_eq!(commands.len(), GOOD.len() + 12 + 2 * 7);
    for command in commands {
        for (verifier, verify) in VERIFIERS {
            let Some(said) = verify(&words(command.split(' '), Path::new(""))) else { continue };
            assert_eq!(said.0, Some(0), "{verifier}: {command}: {}", said.1);
        }
    }
}

#[test]
fn every_verifier_refuses_every_bad_one_by_name() {
    has_node();
    let cases = std::fs::read(folder().join("bad/cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&cases).unwrap();
    assert!(cases.len() > 75, "{}", cases.len());
    let all = read(&folder());
    let below = |path: &str| -> Files {
        let path = format!("{path}/");
        let inside =
            all.iter().filter_map(|(name, bytes)| Some((name.strip_prefix(&path)?, bytes)));
        inside.map(|(name, bytes)| (name.to_owned(), bytes.clone())).collect()
    };
    let mut wrong = Vec::new();
    for case in cases {
        let mut files = below(&case.of);
        assert!(!files.is_empty(), "{}", case.name);
        files.extend(below(&format!("bad/{}", case.name)));
        for name in &case.without {
            files.remove(name).unwrap();
        }
        let copy = tempfile::tempdir().unwrap();
        put(copy.path(), &files);
        let words = words(case.command.iter().map(String::as_str), copy.path());
        for (verifier, verify) in VERIFIERS {
            let Some((code, said)) = verify(&words) else { continue };
            // The hub says the same in its own words.
            let named = verifier == "weir audit" || case.says.iter().all(|one| said.contains(one));
            if code != Some(1) || !named {
                let (name, says) = (&case.name, &case.says);
                wrong.push(format!("{name}: {verifier}: {code:?}, should name {says:?}: {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every byte of a file flipped in turn, one bit of each.
fn flips(name: &str) -> impl Iterator<Item = (usize, Vec<u8>)> {
    let good = std::fs::read(folder().join(name)).unwrap();
    (0..good.len()).map(move |at| {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        (at, bytes)
    })
}

#[test]
fn no_flipped_byte_is_let_through() {
    let key = weir_verify::Key::parse(&key()).unwrap();
    let receipt = "receipts/8-of-300.tlog-proof";
    let good = std::fs::read_to_string(folder().join(receipt)).unwrap();
    assert!(weir_verify::receipt_text(&good, &key, false).is_ok());
    for (at, bytes) in flips(receipt) {
        let Ok(text) = String::from_utf8(bytes) else { continue };
        assert!(weir_verify::receipt_text(&text, &key, false).is_err(), "receipt, byte {at}");
    }
    let copy = tempfile::tempdir().unwrap();
    let (old, new) = (copy.path().join("old"), folder().join("checkpoints/300"));
    let growth = weir_verify::Growth::Proof(folder().join("growth/40-300.txt"));
    for (at, bytes) in flips("checkpoints/40") {
        std::fs::write(&old, bytes).unwrap();
        assert!(weir_verify::heads(&old, &new, &growth, &key).is_err(), "checkpoint, byte {at}");
    }
    let files: Files = read(&folder().join("export-holes"));
    let entered = [folder().join("receipts/291-of-300.tlog-proof")];
    for name in files.keys() {
        let copy = tempfile::tempdir().unwrap();
        put(copy.path(), &files);
        assert!(weir_verify::export(copy.path(), &key, &entered).is_ok());
        for (at, bytes) in flips(&format!("export-holes/{name}")) {
            std::fs::write(copy.path().join(name), bytes).unwrap();
            let verified = weir_verify::export(copy.path(), &key, &entered);
            assert!(verified.is_err(), "{name}, byte {at}");
        }
    }
}

#[test]
fn no_flipped_byte_is_let_through_by_the_hub() {
    let key = weir::audit::checkpoint::VerifierKey::parse(&key()).unwrap();
    let verified = |text: &str| ProvenEntry::parse(text).is_ok_and(|one| one.verify(&key).is_ok());
    let (receipt, head) = ("receipts/8-of-300.tlog-proof", "checkpoints/40");
    let good = |name: &str| std::fs::read_to_string(folder().join(name)).unwrap();
    assert!(verified(&good(receipt)) && key.open(&good(head)).is_ok());
    for (at, bytes) in flips(receipt) {
        let wrong = String::from_utf8(bytes).is_ok_and(|text| verified(&text));
        assert!(!wrong, "receipt, byte {at}");
    }
    for (at, bytes) in flips(head) {
        let wrong = String::from_utf8(bytes).is_ok_and(|text| key.open(&text).is_ok());
        assert!(!wrong, "checkpoint, byte {at}");
    }
}

#[test]
fn no_flipped_byte_is_let_through_by_node() {
    if !has_node() {
        return;
    }
    let table = [
        ("receipts", "8-of-300.tlog-proof", "receipt of/8-of-300.tlog-proof"),
        ("checkpoints", "40", "heads of/40 of/300 --proof golden/growth/40-300.txt"),
        ("checkpoints", "300", "heads of/40 of/300 --tiles golden/tiles"),
        (
            "export-holes",
            "manifest.json",
            "export of --receipt golden/receipts/291-of-300.tlog-proof",
        ),
        (
            "export-holes",
            "entries.jsonl",
            "export of --receipt golden/receipts/291-of-300.tlog-proof",
        ),
    ];
    for (from, name, command) in table {
        let copy = tempfile::tempdir().unwrap();
        put(copy.path(), &read(&folder().join(from)));
        let bytes = std::fs::metadata(copy.path().join(name)).unwrap().len();
        let mut node = Command::new("node");
        node.arg(format!("{ROOT}/tests/node/flips.mjs"))
            .arg(format!("{ROOT}/verifiers/node/weir-verify.mjs"))
            .args([copy.path().join(name).as_os_str(), "--".as_ref()]);
        let (code, said) = run(node, &words(command.split(' '), copy.path())).unwrap();
        assert_eq!(said, format!("{bytes} flips, 0 let through\n"), "{command}: {code:?}");
    }
}

/// What no honest hub writes: each is refused in a sentence, by no crash.
#[test]
fn nonsense_is_refused_in_a_sentence() {
    has_node();
    let deep = "[".repeat(200_000);
    let extra = |json: &str| {
        use base64::Engine;
        let json = base64::engine::general_purpose::STANDARD.encode(json);
        let good = std::fs::read_to_string(folder().join("receipts/8-of-300.tlog-proof")).unwrap();
        let line = good.lines().nth(1).unwrap().to_owned();
        good.replace(&line, &format!("extra {json}"))
    };
    let listed = |change: &dyn Fn(&mut serde_json::Value)| {
        let manifest = std::fs::read(folder().join("export-holes/manifest.json")).unwrap();
        let mut manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        change(&mut manifest);
        manifest.to_string()
    };
    let mut table: Vec<(&str, &str, String)> = Vec::new();
    for line in [
        "",
        "null",
        "1",
        "\"x\"",
        "[]",
        "{}",
        "{",
        &deep,
        "\u{0}",
        "{\"index\":0}",
        "{\"from\":0,\"count\":0,\"hash\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
        "{\"from\":0,\"count\":18446744073709551615,\"hash\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
        "{\"from\":-1,\"count\":1,\"hash\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
        "{\"from\":0,\"count\":1e400,\"hash\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
        "{\"from\":0,\"count\":1,\"hash\":7}",
        "{\"from\":0,\"count\":4611686018427387904,\"hash\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
        "{\"index\":0,\"leaf\":null,\"slots\":[],\"entry\":{}}",
        "{\"index\":0,\"leaf\":\"\",\"slots\":[],\"entry\":null}",
        "{\"index\":0,\"leaf\":\"\",\"slots\":null,\"entry\":{}}",
        "{\"index\":0,\"leaf\":\"\",\"slots\":[null],\"entry\":{}}",
        "{\"index\":0.5,\"leaf\":\"\",\"slots\":[],\"entry\":{}}",
    ] {
        table.push(("export-holes", "entries.jsonl", format!("{line}\n")));
    }
    for json in ["", "null", "[]", "{}", "7", &deep] {
        table.push(("export-holes", "manifest.json", json.to_owned()));
        table.push(("receipts", "8-of-300.tlog-proof", extra(json)));
    }
    let changes: [&dyn Fn(&mut serde_json::Value); 7] = [
        &|manifest| manifest["head"] = 7.into(),
        &|manifest| manifest["from"] = (-1).into(),
        &|manifest| manifest["files"] = serde_json::Value::Null,
        &|manifest| manifest["files"] = serde_json::json!({ "../key.vkey": {} }),
        &|manifest| manifest["files"]["entries.jsonl"] = serde_json::Value::Null,
        &|manifest| manifest["files"]["entries.jsonl"]["bytes"] = "7".into(),
        &|manifest| manifest["entries"] = 1e300.into(),
    ];
    for change in changes {
        table.push(("export-holes", "manifest.json", listed(change)));
    }
    for json in [
        "{\"weir\":1}",
        "{\"weir\":1,\"leaf\":7,\"slots\":[]}",
        "{\"weir\":1,\"leaf\":\"\",\"slots\":{}}",
        "{\"weir\":1,\"leaf\":\"\",\"slots\":[null]}",
        "{\"weir\":1,\"leaf\":\"\",\"slots\":[]}",
    ] {
        table.push(("receipts", "8-of-300.tlog-proof", extra(json)));
    }
    for (of, file, text) in table {
        let copy = tempfile::tempdir().unwrap();
        put(copy.path(), &read(&folder().join(of)));
        std::fs::write(copy.path().join(file), &text).unwrap();
        let command =
            if of == "receipts" { format!("receipt of/{file}") } else { "export of".into() };
        for (verifier, verify) in [VERIFIERS[0], VERIFIERS[1]] {
            let given = words(command.split(' '), copy.path());
            let Some((code, said)) = verify(&given) else { continue };
            let (text, refused) =
                (text.get(..100).unwrap_or(&text), said.contains("Does NOT verify"));
            assert!(code == Some(1) && refused, "{verifier}: {file}: {text}: {code:?}: {said}");
        }
    }
}

#[test]
fn what_is_asked_wrongly_is_no_finding() {
    has_node();
    let receipt = "receipt golden/receipts/8-of-300.tlog-proof";
    let table = [
        "".to_owned(),
        "nothing".to_owned(),
        "receipt".to_owned(),
        "receipt golden/not-there".to_owned(),
        "tiles golden/not-there".to_owned(),
        "export golden/not-there".to_owned(),
        "heads golden/checkpoints/40 golden/checkpoints/300".to_owned(),
        format!("{receipt} --proof x"),
        format!("{receipt} --unknown"),
        format!("{receipt} --key"),
    ];
    for command in table {
        for (verifier, verify) in [VERIFIERS[0], VERIFIERS[1]] {
            let given = words(command.split_whitespace(), Path::new(""));
            let Some((code, said)) = verify(&given) else { continue };
            assert_eq!(code, Some(2), "{verifier}: {command}: {said}");
        }
    }
}

#[test]
fn what_is_personal_is_shown_on_request_only() {
    has_node();
    let receipt = words(["receipt", "golden/receipts/8-of-300.tlog-proof"], Path::new(""));
    let shown = [receipt.clone(), vec!["--show".to_owned()]].concat();
    for (verifier, verify) in VERIFIERS {
        let Some((_, said)) = verify(&receipt) else { continue };
        assert!(!said.contains("officer-0") && !said.contains("residents/"), "{verifier}: {said}");
        let (_, said) = verify(&shown).unwrap();
        assert!(said.contains("officer-0") && said.contains("residents/"), "{verifier}: {said}");
    }
}

#[test]
fn weir_verify_is_built_on_nothing_of_the_hub() {
    let manifest = std::fs::read_to_string(format!("{ROOT}/verify/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let names: Vec<&String> = manifest["dependencies"].as_table().unwrap().keys().collect();
    assert_eq!(names, ["base64", "ct-merkle", "ed25519-dalek", "serde_json", "sha2"]);
    for (name, bytes) in read(&Path::new(ROOT).join("verify/src")) {
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains("use weir::") && !text.contains("#[path"), "{name}");
    }
}
