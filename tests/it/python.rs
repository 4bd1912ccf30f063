//! A real client in another language, against the demonstration as it stays up.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[test]
fn a_python_client_gets_data_reason_and_receipt() {
    #[expect(clippy::print_stdout, reason = "a test that does nothing must say so")]
    let Some(python) = std::env::var_os("WEIR_TEST_PYTHON") else {
        println!("skipped: WEIR_TEST_PYTHON names no Python with grpcio (scripts/test sets it)");
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
    let out = Command::new(python)
        .arg(format!("{root}/tests/python/client.py"))
        .arg(format!("{root}/proto"))
        .arg(dir.path())
        .args([address.as_str(), token.trim(), resident])
        .output();
    hub.kill().unwrap();
    hub.wait().unwrap();
    let out = out.unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    let expected = "outcome OUTCOME_PERMIT\nfields health/summary.allergies\nreceipt True 32\n\
                    without UNAUTHENTICATED\nforged UNAUTHENTICATED\ntwice INVALID_ARGUMENT\n\
                    purposeless INVALID_ARGUMENT\n";
    assert_eq!(said, expected, "{}", String::from_utf8_lossy(&out.stderr));
}
