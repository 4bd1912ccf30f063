//! Real clients in other languages, against the demonstration as it stays up.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// What a client says that is told the address, a token and a resident, after `first`; a skip says so.
fn check(needs: &str, program: impl FnOnce(&str, &Path) -> Option<Command>, expected: &str) {
    let dir = tempfile::tempdir().unwrap();
    let root = env!("CARGO_MANIFEST_DIR");
    #[expect(clippy::print_stdout, reason = "a test that does nothing must say so")]
    let Some(mut client) = program(root, dir.path()) else {
        println!("skipped: {needs} is not set (scripts/test sets it)");
        return;
    };
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
    let out = client.args([address.as_str(), token.trim(), resident]).output();
    hub.kill().unwrap();
    hub.wait().unwrap();
    let out = out.unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert_eq!(said, expected, "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn a_python_client_gets_data_reason_and_receipt() {
    let python = |root: &str, dir: &Path| {
        let mut client = Command::new(std::env::var_os("WEIR_TEST_PYTHON")?);
        client.arg(format!("{root}/tests/python/client.py")).arg(format!("{root}/proto")).arg(dir);
        Some(client)
    };
    check(
        "WEIR_TEST_PYTHON",
        python,
        "outcome OUTCOME_PERMIT\nfields health/summary.allergies\nreceipt True 32\n\
                    without UNAUTHENTICATED\nforged UNAUTHENTICATED\ntwice INVALID_ARGUMENT\n\
                    purposeless INVALID_ARGUMENT\n",
    );
}

#[test]
fn a_node_client_gets_data_reason_and_receipt() {
    let node = |root: &str, _: &Path| {
        let modules = std::env::var_os("WEIR_TEST_NODE")?;
        let mut client = Command::new("node");
        client
            .arg(format!("{root}/tests/node/client.js"))
            .arg(format!("{root}/proto"))
            .arg(modules);
        Some(client)
    };
    check(
        "WEIR_TEST_NODE",
        node,
        "outcome OUTCOME_PERMIT\nfields health/summary.allergies\nreceipt true 32\n\
                    without UNAUTHENTICATED\nforged UNAUTHENTICATED\n\
                    purposeless INVALID_ARGUMENT\n",
    );
}
