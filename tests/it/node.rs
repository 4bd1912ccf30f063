//! A real client in Node, against the demonstration as it stays up.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[test]
fn a_node_client_gets_data_reason_and_receipt() {
    #[expect(clippy::print_stdout, reason = "a test that does nothing must say so")]
    let Some(modules) = std::env::var_os("WEIR_TEST_NODE") else {
        println!(
            "skipped: WEIR_TEST_NODE names no folder with @grpc/grpc-js (scripts/test sets it)"
        );
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let root = env!("CARGO_MANIFEST_DIR");
    let mut hub = Command::new(env!("CARGO_BIN_EXE_weir"))
        .current_dir(root)
        .args(["demo", "--port", "0", "--data"])
        .arg(dir.path().join("data"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(hub.stdout.take().unwrap()).lines().map(Result::unwrap);
    let up = lines.find(|line| line.contains("The hub stays up at")).unwrap();
    let address =
        up.split_whitespace().find(|word| word.contains("127.0.0.1:")).unwrap().to_owned();
    let token = lines.next().unwrap();
    let request = lines.find(|line| line.contains("residents/")).unwrap();
    let resident = request.split('"').find(|word| word.starts_with("residents/")).unwrap();
    let out = Command::new("node")
        .arg(format!("{root}/tests/node/client.js"))
        .arg(format!("{root}/proto"))
        .arg(modules)
        .args([address.as_str(), token.trim(), resident])
        .output();
    hub.kill().unwrap();
    hub.wait().unwrap();
    let out = out.unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    let expected = "outcome OUTCOME_PERMIT\nfields health/summary.allergies\nreceipt true 32\n\
                    without UNAUTHENTICATED\nforged UNAUTHENTICATED\n\
                    purposeless INVALID_ARGUMENT\n";
    assert_eq!(said, expected, "{}", String::from_utf8_lossy(&out.stderr));
}
