//! Every command of the guides is run, in order, in a fresh folder: what they say stays true.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

/// The port that the guides name.
const PORT: &str = "50061";

/// The shell script that a guide is: its `sh` blocks, and its `python` blocks as programs.
fn script(guide: &str, port: u16) -> (String, usize) {
    // Whatever was started is stopped, also when a command fails.
    let mut script =
        "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n".to_owned();
    let mut blocks = 0;
    let mut rest = guide;
    while let Some((_, after)) = rest.split_once("\n```") {
        let (language, after) = after.split_once('\n').unwrap();
        let (block, after) = after.split_once("\n```").unwrap();
        match language {
            "sh" => script.push_str(&block.lines().map(line).collect::<String>()),
            "python" => {
                script.push_str(&format!("python3 <<'END OF PROGRAM'\n{block}\nEND OF PROGRAM"))
            }
            other => assert!(other.is_empty(), "a block in {other:?}: tests run sh and python"),
        }
        script.push('\n');
        blocks += 1;
        rest = after;
    }
    (script.replace(PORT, &port.to_string()), blocks)
}

/// `! command` must fail; the shell alone would let it pass.
fn line(line: &str) -> String {
    match line.strip_prefix("! ") {
        Some(command) => format!("if {command}; then echo 'this did not fail' >&2; exit 1; fi\n"),
        None => format!("{line}\n"),
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::copy(from, to).unwrap();
    }
}

#[track_caller]
fn check(guide: &str, blocks: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().unwrap();
    for folder in ["policies", "proto"] {
        copy(&root.join(folder), &dir.path().join(folder));
    }
    let text = std::fs::read_to_string(root.join("docs").join(guide)).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (script, found) = script(&text, port);
    assert_eq!(found, blocks, "{guide}: blocks of commands");
    let mut path = vec![Path::new(env!("CARGO_BIN_EXE_weir")).parent().unwrap().to_owned()];
    path.extend(
        std::env::var_os("WEIR_TEST_PYTHON").map(|p| Path::new(&p).parent().unwrap().to_owned()),
    );
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    // A guide that waits for ever has failed.
    let mut shell = Command::new("timeout")
        .args(["120", "bash", "-c", &script])
        .current_dir(dir.path())
        .env("PATH", std::env::join_paths(path).unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut errors = shell.stderr.take().unwrap();
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        errors.read_to_string(&mut text).unwrap();
        text
    });
    shell.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    let status = shell.wait().unwrap();
    let errors = reading.join().unwrap();
    assert!(status.success(), "{guide}: {status}\n--- said\n{said}\n--- errors\n{errors}");
}

/// Without one, what needs it is skipped, and says so.
fn has_python() -> bool {
    let there = std::env::var_os("WEIR_TEST_PYTHON").is_some();
    if !there {
        #[expect(clippy::print_stdout, reason = "a test that does nothing must say so")]
        {
            println!(
                "skipped: WEIR_TEST_PYTHON names no Python with grpcio (scripts/test sets it)"
            );
        }
    }
    there
}

#[test]
fn operators_can_do_what_their_guide_says() {
    if has_python() {
        check("guide-operators.md", 14);
    }
}

#[test]
fn auditors_can_do_what_their_guide_says() {
    crate::verifiers::weir_verify();
    check("guide-auditors.md", 13);
}

#[test]
fn data_protection_officers_can_do_what_their_guide_says() {
    check("guide-data-protection-officers.md", 17);
}

#[test]
fn partners_can_do_what_their_guide_says() {
    if has_python() {
        check("guide-partners.md", 6);
    }
}
