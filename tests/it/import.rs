//! Imports as an operator runs them: whole or not at all, errors by row and without values.

use crate::story::weir;

#[test]
fn a_file_is_imported_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    assert_eq!(weir(&["demo", "--exit", "--data", data]).0, 0);
    let mut reader =
        csv::Reader::from_path(concat!(env!("CARGO_MANIFEST_DIR"), "/demo/residents.csv")).unwrap();
    let known: Vec<String> = reader
        .records()
        .map(Result::unwrap)
        .filter(|row| &row[1] == "gp")
        .map(|row| row[0].to_owned())
        .take(3)
        .collect();
    let import = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let arguments = ["records", "import", "--data", data, "--agency", "oakdale-gp"];
        let (exit, said) = weir(
            &[
                &arguments[..],
                &[
                    "--category",
                    "health/summary",
                    "--expires",
                    "2026-12-31",
                    path.to_str().unwrap(),
                ],
            ]
            .concat(),
        );
        assert!(!said.contains("penicillin"), "a value is repeated: {said}");
        (exit, said)
    };
    let [a, b, c] = [&known[0], &known[1], &known[2]];
    let (exit, said) =
        import("good.csv", format!("local_id,allergies\n{a},penicillin\n{b},none\n"));
    assert_eq!((exit, said.contains("2 records")), (0, true), "{said}");
    let (exit, said) =
        import("good.ndjson", format!("{{\"local_id\":\"{c}\",\"allergies\":\"penicillin\"}}\n"));
    assert_eq!(exit, 0, "{said}");
    for (name, text, says) in [
        ("column.csv", format!("local_id,alergies\n{a},penicillin\n"), "Nearest: \"allergies\""),
        ("first.csv", "id,allergies\n".to_owned(), "must be local_id"),
        (
            "twice.csv",
            format!("local_id,allergies\n{a},penicillin\n{a},none\n"),
            "row 3: the local_id stands twice",
        ),
        ("cells.csv", format!("local_id,allergies\n{a},penicillin,x\n"), "row 2: is not 2 cells"),
        (
            "nobody.csv",
            format!("local_id,allergies\n{a},penicillin\nx-1,none\n"),
            "row 3: the local id is linked to no",
        ),
        ("empty.csv", "local_id,allergies\n".to_owned(), "no row"),
        ("bad.ndjson", "{\"local_id\":7}\n".to_owned(), "row 1: is not an object of texts"),
    ] {
        let (exit, said) = import(name, text);
        assert_eq!(exit, 1, "{name}: {said}");
        assert!(said.contains(says) && said.contains("Nothing was imported"), "{name}: {said}");
    }
    assert_eq!(weir(&["audit", "verify", "--data", data]).0, 0);
}

#[test]
fn facts_are_read_strictly() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    assert_eq!(weir(&["demo", "--exit", "--data", data]).0, 0);
    let path = dir.path().join("facts.ndjson");
    let import = |text: &str| {
        std::fs::write(&path, text).unwrap();
        weir(&["facts", "import", "--data", data, path.to_str().unwrap()])
    };
    let good = r#"{"fact":"staff","agency":"oakdale-gp","person":"gp-1","account_ends":null,"training_until":"2026-12-31"}"#;
    let (exit, said) = import(good);
    assert_eq!(exit, 0, "{said}");
    let about = |resident: &str, flag: &str| {
        format!(
            "{{\"fact\":\"flag\",\"resident\":\"{resident}\",\"flag\":\"{flag}\",\
             \"agency\":\"oakdale-gp\",\"set\":true}}"
        )
    };
    let nobody = uuid::Uuid::new_v4().to_string();
    for (wrong, says) in [
        (good.replace("oakdale-gp", "oakdale"), "row 1: agency: \"oakdale\" is not in the policy"),
        (about(&nobody, "seald"), "Nearest: \"sealed\""),
        (about(&nobody, "sealed"), "nobody is registered"),
        (r#"{"fact":"registered","gateway":"DEA-53","registered":true}"#.to_owned(), "DEA-35"),
        (format!("{good}\n{good}"), "row 2: is about the same staff as row 1"),
        (
            good.replace("\"staff\"", "\"stuff\""),
            "row 1: there is no such kind of fact. Nearest: \"staff\"",
        ),
        (good.replace("\"person\"", "\"preson\""), "row 1: staff: the key \"preson\" is not known"),
        (good.replace("}", ",\"tie\":\"kin\"}"), "row 1: staff: the key \"tie\" is not known"),
        (good.replace("}", ",\"tie\":7}"), "row 1: tie: must be one of household, kin"),
        (good.replace("\"person\":\"gp-1\",", ""), "row 1: staff: the key \"person\" is missing"),
    ] {
        let (exit, said) = import(&wrong);
        assert_eq!(exit, 1, "{wrong}: {said}");
        assert!(said.contains(says) && said.contains("Nothing was imported"), "{said}");
    }
    for wrong in [
        good.replace("\"staff\"", "\"stuff\""),
        good.replace("\"person\"", "\"preson\""),
        good.replace("2026-12-31", "2026-13-31"),
        "{".to_owned(),
        String::new(),
    ] {
        let (exit, said) = import(&wrong);
        assert_eq!(exit, 1, "{wrong}: {said}");
        assert!(said.contains("Nothing was imported"), "{said}");
    }
    // A sample place keeps its own time, whatever the machine's clock says.
    let (exit, said) = weir(&["audit", "search", "--data", data, "--limit", "500"]);
    assert_eq!(exit, 0, "{said}");
    let entries: Vec<&str> = said.lines().filter(|line| line.contains("  weir ")).collect();
    assert!(entries.iter().any(|line| line.contains("weir facts import")), "{said}");
    assert!(entries.iter().all(|line| line.contains("  2026-07-15T")), "{said}");
    use std::os::unix::fs::PermissionsExt;
    let mode = |name: &str| {
        let path = std::path::Path::new(data).join(name);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    for name in ["hub.db", "audit-2026.db", "keys.db"] {
        assert_eq!(mode(name), 0o600, "{name} is its owner's alone");
    }
}

#[test]
fn an_issuer_of_no_agency_of_the_policy_is_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("issuer");
    let issue = ["token", "issue", "--issuer-dir", keys.to_str().unwrap(), "--agency"];
    let wish = ["oakdale-gp", "--person", "gp-1", "--role", "gp"];
    assert_eq!(weir(&[&issue[..], &wish[..]].concat()).0, 0);
    let (exit, said) = weir(&[&issue[..], &["Oak dale", "--person", "p", "--role", "gp"]].concat());
    assert_eq!(exit, 2, "{said}");
    assert!(said.contains("--agency"), "{said}");
    let root = env!("CARGO_MANIFEST_DIR");
    let config = dir.path().join("weir.toml");
    for (agency, role, says) in [
        ("oakdale", "gp", "agency: \"oakdale\" is not in the policy. Nearest: \"oakdale-gp\""),
        ("oakdale-gp", "gpp", "roles: \"gpp\" is not in the policy. Nearest: \"gp\""),
    ] {
        let text = format!(
            "mode = \"development\"\nlisten = \"127.0.0.1:0\"\ndata_dir = \"data\"\n\
             policies_dir = \"{root}/policies\"\naudit_origin = \"t.example/a\"\n[[issuer]]\n\
             issuer = \"urn:weir:development:oakdale-gp\"\nagency = \"{agency}\"\n\
             audience = \"urn:weir:hub\"\nalgorithm = \"ES256\"\njwks_file = \"issuer/jwks.json\"\n\
             role_claim = \"roles\"\nroles = {{ \"GP\" = \"{role}\" }}\n"
        );
        std::fs::write(&config, text).unwrap();
        let (exit, said) = weir(&["serve", "--config", config.to_str().unwrap()]);
        assert_eq!(exit, 2, "{said}");
        assert!(said.contains(says), "{said}");
    }
    assert!(!dir.path().join("data").exists(), "nothing was made");
}

/// An extract as a personnel system writes it, and its mapping.
const STAFF_CSV: &str = "\u{feff}Staff no,Name,Training expires,Declared,Left\n\
                         gp-7,Dr Gray,31/12/2026,01/04/2026,\n\
                         gp-8,Dr Grün,30/06/2026,01/04/2026,2026-07-01T00:00:00Z\n";
const STAFF_MAPPING: &str = r#"
fact = "staff"
day_format = "%d/%m/%Y"

[set]
agency = "oakdale-gp"

[columns]
person = "Staff no"
training_until = "Training expires"
interests_declared = "Declared"
account_ends = "Left"
"#;

#[test]
fn an_extract_comes_in_by_its_mapping() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    assert_eq!(weir(&["demo", "--exit", "--data", data]).0, 0);
    let (map, csv) = (dir.path().join("staff.toml"), dir.path().join("staff.csv"));
    let import = |mapping: &str, extract: &[u8]| {
        std::fs::write(&map, mapping).unwrap();
        std::fs::write(&csv, extract).unwrap();
        let (map, csv) = (map.to_str().unwrap(), csv.to_str().unwrap());
        weir(&["facts", "import", "--data", data, "--mapping", map, csv])
    };
    let good = STAFF_CSV.as_bytes();
    let mut latin1 = good.to_vec();
    let at = latin1.windows(2).position(|two| two == "ü".as_bytes()).unwrap();
    latin1.splice(at..at + 2, [0xfc]);
    let edit = |from: &str, to: &str| STAFF_CSV.replacen(from, to, 1).into_bytes();
    let remap = |from: &str, to: &str| STAFF_MAPPING.replacen(from, to, 1);
    for (what, mapping, extract, exit, says) in [
        ("Latin 1", STAFF_MAPPING.to_owned(), latin1, 1, "line 3: is not UTF-8"),
        (
            "another column",
            STAFF_MAPPING.to_owned(),
            edit("Staff no", "Staff nr"),
            1,
            "no column \"Staff no\" (for person). Nearest: \"Staff nr\"",
        ),
        ("a cell too few", STAFF_MAPPING.to_owned(), edit(",Declared", ""), 1, "Declared"),
        (
            "a row too short",
            STAFF_MAPPING.to_owned(),
            edit("01/04/2026,\n", "01/04/2026\n"),
            1,
            "row 1",
        ),
        (
            "another day",
            STAFF_MAPPING.to_owned(),
            edit("31/12/2026", "2026-12-31"),
            1,
            "row 1: training_until: must be a day written as %d/%m/%Y",
        ),
        (
            "twice",
            STAFF_MAPPING.to_owned(),
            edit("gp-8", "gp-7"),
            1,
            "row 2: is about the same staff",
        ),
        ("no agency", remap("agency = ", "agenci = "), good.to_vec(), 1, "row 1: staff"),
        (
            "agency unknown",
            remap("oakdale-gp", "oakdale"),
            good.to_vec(),
            1,
            "Nearest: \"oakdale-gp\"",
        ),
        ("kind unknown", remap("\"staff\"", "\"stuff\""), good.to_vec(), 2, "staff.toml line 2"),
        ("key unknown", remap("day_format", "dayformat"), good.to_vec(), 2, "unknown field"),
    ] {
        let (found, said) = import(&mapping, &extract);
        assert_eq!(found, exit, "{what}: {said}");
        assert!(said.contains(says), "{what}: {said}");
        assert!(!said.contains("Gray"), "{what}: {said}");
    }
    let (exit, said) = import(STAFF_MAPPING, good);
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("Facts imported: 2"), "{said}");
}

/// Who knows whom, as a personnel system writes it, and its mapping.
const TIES_CSV: &str = "Staff no,Patient,Knows,How\ngp-1,ONE,yes,Household\ngp-2,ONE,yes,\n";
const TIES_MAPPING: &str = r#"
fact = "conflict"
resident_by = "oakdale-gp"

[set]
agency = "oakdale-gp"
is_self = "no"

[columns]
person = "Staff no"
resident = "Patient"
conflict = "Knows"
tie = "How"
"#;

#[test]
fn how_a_person_is_tied_comes_in_by_a_column_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    assert_eq!(weir(&["demo", "--exit", "--data", data.to_str().unwrap()]).0, 0);
    let hub = rusqlite::Connection::open(data.join("hub.db")).unwrap();
    let sql = "SELECT local_id FROM identity WHERE agency = 'oakdale-gp' LIMIT 1";
    let id: String = hub.query_row(sql, [], |row| row.get(0)).unwrap();
    let (map, csv) = (dir.path().join("ties.toml"), dir.path().join("ties.csv"));
    std::fs::write(&map, TIES_MAPPING).unwrap();
    for (from, to, exit, says) in [
        ("yes,Household", "yes,Aunt", 1, "row 1: tie: must be one of household, kin, neighbour"),
        ("yes,Household", "no,kin", 1, "row 1: tie: must be left out where there is no conflict"),
        ("yes,Household", "perhaps,kin", 1, "row 1: conflict: must be yes or no"),
        ("", "", 0, "Facts imported: 2"),
    ] {
        std::fs::write(&csv, TIES_CSV.replacen(from, to, 1).replace("ONE", &id)).unwrap();
        let (map, csv) = (map.to_str().unwrap(), csv.to_str().unwrap());
        let data = data.to_str().unwrap();
        let (found, said) = weir(&["facts", "import", "--data", data, "--mapping", map, csv]);
        assert_eq!(found, exit, "{to}: {said}");
        assert!(said.contains(says) && !said.contains("Aunt"), "{to}: {said}");
    }
    let sql = "SELECT body FROM fact WHERE kind = 'conflict' AND who LIKE 'oakdale-gp gp-_' \
               ORDER BY who";
    let mut rows = hub.prepare(sql).unwrap();
    let bodies: Vec<serde_json::Value> = rows
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap()
        .map(|body| serde_json::from_str(&body.unwrap()).unwrap())
        .collect();
    let ties: Vec<_> = bodies.iter().map(|body| body.get("tie").cloned()).collect();
    assert_eq!(ties, [Some("household".into()), None]);
}

#[test]
fn residents_come_in_by_an_agency_s_own_ids() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    assert_eq!(weir(&["demo", "--exit", "--data", data.to_str().unwrap()]).0, 0);
    let hub = rusqlite::Connection::open(data.join("hub.db")).unwrap();
    let sql = "SELECT local_id FROM identity WHERE agency = 'oakdale-gp' LIMIT 1";
    let id: String = hub.query_row(sql, [], |row| row.get(0)).unwrap();
    drop(hub);
    let (map, csv) = (dir.path().join("deaths.toml"), dir.path().join("deaths.csv"));
    let mapping = "fact = \"death\"\nresident_by = \"oakdale-gp\"\n\n[columns]\nresident = \"Patient\"\n\
                   died = \"Date of death\"\n";
    std::fs::write(&map, mapping).unwrap();
    for (id, exit, says) in [
        (id.as_str(), 0, "Facts imported: 1"),
        ("no-such-id", 1, "row 1: resident: no resident has this local id"),
    ] {
        std::fs::write(&csv, format!("Patient,Date of death\n{id},2026-07-01\n")).unwrap();
        let (map, csv) = (map.to_str().unwrap(), csv.to_str().unwrap());
        let (found, said) =
            weir(&["facts", "import", "--data", data.to_str().unwrap(), "--mapping", map, csv]);
        assert_eq!(found, exit, "{said}");
        assert!(said.contains(says), "{said}");
    }
}
