//! The schemas that editors read: every shipped file is valid under its own, and no misspelt key is.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn schema(name: &str) -> Validator {
    let path = root().join("docs/schemas").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

/// As an editor sees it: a day or a time is a text.
fn value(from: &toml::Value) -> Value {
    match from {
        toml::Value::String(text) => json!(text),
        toml::Value::Integer(number) => json!(number),
        toml::Value::Float(number) => json!(number),
        toml::Value::Boolean(flag) => json!(flag),
        toml::Value::Datetime(at) => json!(at.to_string()),
        toml::Value::Array(items) => items.iter().map(value).collect(),
        toml::Value::Table(table) => {
            Value::Object(table.iter().map(|(key, one)| (key.clone(), value(one))).collect())
        }
    }
}

fn read(text: &str) -> Value {
    value(&toml::Value::Table(text.parse().unwrap()))
}

/// Each shipped file of a kind, with its value.
fn shipped(kind: &str) -> Vec<(String, Value)> {
    let policies = root().join("policies");
    let files: Vec<PathBuf> = match kind {
        "agreement" | "notice" | "scenarios" => {
            let folder = match kind {
                "agreement" => "agreements",
                "notice" => "notices",
                kind => kind,
            };
            std::fs::read_dir(policies.join(folder)).unwrap().map(|e| e.unwrap().path()).collect()
        }
        kind => vec![policies.join(format!("{kind}.toml"))],
    };
    files
        .into_iter()
        .filter(|path| path.exists())
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.display().to_string(), read(&text))
        })
        .collect()
}

/// Keys that the files' authors choose themselves.
const OPEN: [&str; 5] = ["agreements", "gateways", "answers", "withheld", "severity"];

/// The value with one key misspelt, once for each key of each table.
fn misspelt(whole: &Value) -> Vec<(String, Value)> {
    fn walk(value: &Value, open: bool, out: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    if !open {
                        let mut wrong: Map<String, Value> = map.clone();
                        wrong.remove(key);
                        wrong.insert(format!("{key}x"), inner.clone());
                        out.push((key.clone(), Value::Object(wrong)));
                    }
                    let mut of_inner = Vec::new();
                    walk(inner, OPEN.contains(&key.as_str()), &mut of_inner);
                    out.extend(of_inner.into_iter().map(|(name, wrong)| {
                        let mut whole = map.clone();
                        whole.insert(key.clone(), wrong);
                        (format!("{key}.{name}"), Value::Object(whole))
                    }));
                }
            }
            Value::Array(items) => {
                for (i, inner) in items.iter().enumerate() {
                    let mut of_inner = Vec::new();
                    walk(inner, false, &mut of_inner);
                    // One item by itself is enough, and keeps the test from growing with the square.
                    out.extend(
                        of_inner.into_iter().map(|(name, wrong)| {
                            (format!("{i}.{name}"), Value::Array(vec![wrong]))
                        }),
                    );
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut out = Vec::new();
    walk(whole, false, &mut out);
    out
}

#[test]
fn every_shipped_file_is_valid_and_no_misspelt_key_is() {
    let check = |kind: &str, files_least: usize| {
        let schema = schema(kind);
        let files = shipped(kind);
        assert!(files.len() >= files_least, "{kind}: {} files", files.len());
        for (file, whole) in files {
            let problems: Vec<String> =
                schema.iter_errors(&whole).map(|e| format!("{}: {e}", e.instance_path())).collect();
            assert_eq!(problems, Vec::<String>::new(), "{file}");
            let wrong = misspelt(&whole);
            assert!(!wrong.is_empty(), "{file}");
            for (key, wrong) in wrong {
                assert!(!schema.is_valid(&wrong), "{file}: {key} misspelt is still valid");
            }
        }
    };
    check("agreement", 15);
    check("notice", 10);
    check("scenarios", 18);
    check("place", 1);
    check("conditions", 1);
    check("lints", 0);
}

#[test]
fn a_value_of_the_wrong_kind_is_seen() {
    let check = |kind: &str, from: &str, to: &str| {
        let schema = schema(kind);
        let text = match kind {
            "lints" => {
                "[severity]\nW31 = \"error\"\n[[exception]]\ncode = \"E24\"\non = \"N23\"\nreason = \"r\"\n"
                    .to_owned()
            }
            "agreement" => {
                std::fs::read_to_string(root().join("policies/agreements/isa-care.toml")).unwrap()
            }
            "notice" => {
                std::fs::read_to_string(root().join("policies/notices/befriending.toml")).unwrap()
            }
            "scenarios" => "[[scenario]]\nid = \"a\"\nat = 2026-07-15\ngiven.requester = { agency = \"a\" }\n\
                            ask = { subjects = 1 }\nwant = { outcome = \"DENY\" }\n"
                .to_owned(),
            kind => std::fs::read_to_string(root().join(format!("policies/{kind}.toml"))).unwrap(),
        };
        assert!(schema.is_valid(&read(&text)), "{kind} as it is");
        assert!(text.contains(from), "{kind} holds no {from:?}");
        assert!(!schema.is_valid(&read(&text.replacen(from, to, 1))), "{kind}: {from} -> {to}");
    };
    check("agreement", "grace_days = 30", "grace_days = \"30\"");
    check("agreement", "grace_days = 30", "grace_days = 400");
    check("agreement", "status = \"live\"", "status = \"alive\"");
    check("agreement", "start = 2025-04-01", "start = 2025-04-01T10:00:00");
    check("agreement", "\"oakdale-gp\"", "\"oakdale gp\"");
    check("notice", "number = 1", "number = 0");
    check("notice", "first_day = 2024-01-01", "first_day = 2024-01-01T10:00:00");
    check("notice", "gdpr_art9_explicit", "gdpr");
    check("notice", "[version.en]", "[version.de]");
    check("place", "zone = \"Europe/London\"", "zone = 1");
    check("place", "10:00:00+01:00", "10:00:00");
    check("conditions", "adult_age = 18", "adult_age = 180");
    check("conditions", "name = \"death\"", "name = \"deaht\"");
    check("lints", "\"error\"", "\"eror\"");
    check("lints", "reason = \"r\"\n", "");
    check("scenarios", "DENY", "deny");
    check("scenarios", "subjects = 1", "subjects = -1");
    check("scenarios", "at = 2026-07-15", "at = \"soon\"");
    check("scenarios", "want =", "[[scenario.step]]\nwant = {}\n[scenario.want]\nx =");
    check("scenarios", "want = { outcome = \"DENY\" }\n", "");
}
