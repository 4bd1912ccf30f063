//! AuditService over a socket: an auditor sees what concerns their agency, and is seen looking.

use tonic::{Code, Response, Status};
use weir::audit::checkpoint::VerifierKey;
use weir::audit::entry::{Facet, Kind};
use weir::grpc::pb;

use crate::support::{
    AISHA, BEN, CARER, GP_AUDITOR, GP_PUBLISHER, HOSPITAL_AUDITOR, NURSE, Place, expect_refused,
    request, staff, treatment,
};

type Person = weir::auth::issuer::Person<'static>;

const POLICE_AUDITOR: Person =
    Person { agency: "northshire-police", person: "auditor-3", roles: &["hub-auditor"] };

async fn search(
    place: &Place,
    who: Person,
    message: pb::SearchEntriesRequest,
) -> Result<Response<pb::SearchEntriesResponse>, Status> {
    place.audit().search_entries(place.from(who, message)).await
}

async fn found(
    place: &Place,
    who: Person,
    message: pb::SearchEntriesRequest,
) -> Vec<pb::AuditEntry> {
    search(place, who, message).await.unwrap().into_inner().entries
}

async fn read(
    place: &Place,
    who: Person,
    name: &str,
) -> Result<Response<pb::GetEntryResponse>, Status> {
    let message = pb::GetEntryRequest { name: name.to_owned(), ..Default::default() };
    place.audit().get_entry(place.from(who, message)).await
}

async fn ask(place: &Place, who: Person, question: pb::CanShareRequest) -> pb::Receipt {
    let asked = place.from(who, request(question));
    let reply = place.sharing().request_records(asked).await.unwrap();
    reply.into_inner().answers.pop().unwrap().receipt.unwrap()
}

fn time(text: &str) -> Option<prost_types::Timestamp> {
    let at: jiff::Timestamp = text.parse().unwrap();
    Some(prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() })
}

/// Two decisions at ten, one at eleven, of two agencies about two residents, all held by the GP.
async fn place() -> (Place, [String; 3]) {
    let place = Place::open().await;
    let permitted = ask(&place, NURSE, treatment(AISHA)).await.entry;
    let partly =
        pb::CanShareRequest { fields: vec!["health/summary".to_owned()], ..treatment(AISHA) };
    let partly = ask(&place, CARER, partly).await.entry;
    place.clock.set("2026-07-15T11:00:00+01:00".parse().unwrap());
    let unknown = pb::CanShareRequest { purpose: "marketing".to_owned(), ..treatment(BEN) };
    let unknown = ask(&place, NURSE, unknown).await.entry;
    (place, [permitted, partly, unknown])
}

#[tokio::test]
async fn everything_that_is_set_must_hold() {
    let (place, [permitted, partly, unknown]) = place().await;
    let any = pb::SearchEntriesRequest::default;
    let kind = |kind: pb::EntryKind| vec![i32::from(kind)];
    let decisions = || vec![pb::EntryKind::Disclose.into(), pb::EntryKind::Refuse.into()];
    let purpose = |word: &str| word.to_owned();
    let table: Vec<(&str, pb::SearchEntriesRequest, Vec<&String>)> = vec![
        (
            "decisions",
            pb::SearchEntriesRequest { kinds: decisions(), ..any() },
            vec![&permitted, &partly, &unknown],
        ),
        (
            "a purpose",
            pb::SearchEntriesRequest { purpose: purpose("direct_care"), ..any() },
            vec![&permitted, &partly],
        ),
        (
            "a code",
            pb::SearchEntriesRequest { code: "MIN_NOT_NECESSARY".to_owned(), ..any() },
            vec![&partly],
        ),
        ("a resident", pb::SearchEntriesRequest { resident: BEN.path(), ..any() }, vec![&unknown]),
        (
            "from a time",
            pb::SearchEntriesRequest {
                kinds: decisions(),
                start_time: time("2026-07-15T11:00:00+01:00"),
                ..any()
            },
            vec![&unknown],
        ),
        (
            "until a time",
            pb::SearchEntriesRequest {
                kinds: decisions(),
                end_time: time("2026-07-15T11:00:00+01:00"),
                ..any()
            },
            vec![&permitted, &partly],
        ),
        (
            "all of it",
            pb::SearchEntriesRequest {
                kinds: kind(pb::EntryKind::Disclose),
                purpose: purpose("direct_care"),
                holder: "agencies/oakdale-gp".to_owned(),
                resident: AISHA.path(),
                code: "MIN_NOT_NECESSARY".to_owned(),
                ..any()
            },
            vec![&partly],
        ),
        (
            "an agency",
            pb::SearchEntriesRequest {
                asker: "agencies/northfield-council-adult-care".to_owned(),
                ..any()
            },
            vec![&partly],
        ),
        (
            "an outcome",
            pb::SearchEntriesRequest { outcome: "DENY".to_owned(), ..any() },
            vec![&unknown],
        ),
        (
            "a category",
            pb::SearchEntriesRequest { category: "health/summary".to_owned(), ..any() },
            vec![&permitted, &partly, &unknown],
        ),
        (
            "a field that was released",
            pb::SearchEntriesRequest { released: "health/summary.allergies".to_owned(), ..any() },
            vec![&permitted],
        ),
        ("a rule", pb::SearchEntriesRequest { rule: "N04".to_owned(), ..any() }, vec![]),
        (
            "an agreement that nothing was released under",
            pb::SearchEntriesRequest { agreement: "isa-befriend".to_owned(), ..any() },
            vec![],
        ),
        (
            "an override that nobody asserted",
            pb::SearchEntriesRequest { r#override: "VITAL".to_owned(), ..any() },
            vec![],
        ),
        (
            "another holder",
            pb::SearchEntriesRequest { holder: "agencies/northshire-police".to_owned(), ..any() },
            vec![],
        ),
        (
            "a purpose that nobody had",
            pb::SearchEntriesRequest { purpose: purpose("marac"), ..any() },
            vec![],
        ),
    ];
    for (what, message, expected) in table {
        let before = place.log_size();
        let reply = search(&place, GP_AUDITOR, message).await.unwrap().into_inner();
        let names: Vec<&String> = reply.entries.iter().map(|e| &e.name).collect();
        assert_eq!(names, expected, "{what}");
        assert!(reply.entries.iter().all(|e| e.details.is_none()), "{what}");
        let logged = place.entries(before);
        assert_eq!((logged.len(), logged[0].entry.kind), (1, Kind::AuditRead), "{what}");
        assert_eq!(reply.receipt.unwrap().entry, format!("entries/{}", logged[0].index), "{what}");
        assert!(reply.log_size > u64::try_from(logged[0].index).unwrap(), "{what}");
    }
    let wrong: Vec<(&str, pb::SearchEntriesRequest)> = vec![
        ("kinds", pb::SearchEntriesRequest { kinds: vec![99], ..any() }),
        ("purpose", pb::SearchEntriesRequest { purpose: purpose("No Word"), ..any() }),
        ("holder", pb::SearchEntriesRequest { holder: "oakdale-gp".to_owned(), ..any() }),
        ("code", pb::SearchEntriesRequest { code: "MIN_NOT_NECESARY".to_owned(), ..any() }),
        ("resident", pb::SearchEntriesRequest { resident: "Aisha".to_owned(), ..any() }),
        ("asker", pb::SearchEntriesRequest { asker: "oakdale-gp".to_owned(), ..any() }),
        ("officer", pb::SearchEntriesRequest { officer: vec![1; 15], ..any() }),
        ("category", pb::SearchEntriesRequest { category: "a b".to_owned(), ..any() }),
        ("released", pb::SearchEntriesRequest { released: "a b".to_owned(), ..any() }),
        ("rule", pb::SearchEntriesRequest { rule: "N 4".to_owned(), ..any() }),
        ("agreement", pb::SearchEntriesRequest { agreement: "?".to_owned(), ..any() }),
        ("outcome", pb::SearchEntriesRequest { outcome: "permit".to_owned(), ..any() }),
        ("override", pb::SearchEntriesRequest { r#override: "?".to_owned(), ..any() }),
        ("access", pb::SearchEntriesRequest { access: "auditAccesses/1".to_owned(), ..any() }),
        ("page_size", pb::SearchEntriesRequest { page_size: -1, ..any() }),
        ("page_token", pb::SearchEntriesRequest { page_token: "x".to_owned(), ..any() }),
    ];
    for (field, message) in wrong {
        let reply = search(&place, GP_AUDITOR, message).await;
        expect_refused(field, reply, Code::InvalidArgument, "REQUEST_INVALID", &[field]);
    }
}

#[tokio::test]
async fn an_agency_sees_what_it_asked_and_what_it_held_and_nothing_else() {
    let (place, [permitted, partly, unknown]) = place().await;
    let decisions = || pb::SearchEntriesRequest {
        kinds: vec![pb::EntryKind::Disclose.into(), pb::EntryKind::Refuse.into()],
        ..Default::default()
    };
    for (who, expected) in [
        (GP_AUDITOR, vec![&permitted, &partly, &unknown]),
        (HOSPITAL_AUDITOR, vec![&permitted, &unknown]),
        (POLICE_AUDITOR, vec![]),
    ] {
        let entries = found(&place, who, decisions()).await;
        let names: Vec<&String> = entries.iter().map(|e| &e.name).collect();
        assert_eq!(names, expected, "{}", who.agency);
        for name in [&permitted, &partly, &unknown] {
            let reply = read(&place, who, name).await;
            if expected.contains(&name) {
                let entry = reply.unwrap().into_inner().entry.unwrap();
                // What the asker wrote is for the asker's own auditors.
                let own = entry.agency == format!("agencies/{}", who.agency);
                assert_eq!(entry.details.is_some(), own, "{} {name}", who.agency);
                if let Some(details) = entry.details {
                    assert!(details.asker.contains("Ward round"), "{}", details.asker);
                    assert!(details.asker.contains(NURSE.person), "{}", details.asker);
                    assert!(!details.request.contains("penicillin"), "{}", details.request);
                }
            } else {
                expect_refused(name, reply, Code::NotFound, "NOT_FOUND", &[]);
            }
        }
    }
    // Values are nowhere in the log, not even for those who got them.
    for logged in place.entries(0) {
        for bytes in logged.slots.values() {
            assert!(!String::from_utf8_lossy(bytes).contains("penicillin"));
        }
    }
}

#[tokio::test]
async fn pages_go_on_where_they_ended_and_belong_to_their_question() {
    let (place, _) = place().await;
    let page = |size, token: &str| pb::SearchEntriesRequest {
        purpose: "direct_care".to_owned(),
        page_size: size,
        page_token: token.to_owned(),
        ..Default::default()
    };
    let all: Vec<String> =
        found(&place, GP_AUDITOR, page(0, "")).await.into_iter().map(|e| e.name).collect();
    assert_eq!(all.len(), 2);
    let mut got = Vec::new();
    let mut token = String::new();
    for _ in 0..50 {
        let answer = search(&place, GP_AUDITOR, page(1, &token)).await.unwrap().into_inner();
        assert!(answer.entries.len() <= 1);
        got.extend(answer.entries.into_iter().map(|e| e.name));
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((got, token.as_str()), (all, ""));
    let first = search(&place, GP_AUDITOR, page(1, "")).await.unwrap().into_inner();
    assert!(!first.next_page_token.is_empty());
    let other =
        pb::SearchEntriesRequest { purpose: "marac".to_owned(), ..page(1, &first.next_page_token) };
    let reply = search(&place, GP_AUDITOR, other).await;
    let wrong = ["page_token"];
    expect_refused("another's", reply, Code::InvalidArgument, "REQUEST_INVALID", &wrong);
    // In the hand of somebody else it is worth nothing.
    let reply = search(&place, POLICE_AUDITOR, page(1, &first.next_page_token)).await;
    expect_refused("in another hand", reply, Code::InvalidArgument, "REQUEST_INVALID", &wrong);
}

#[tokio::test]
async fn only_an_auditor_reads_the_log_and_every_try_is_in_it() {
    let (place, [permitted, ..]) = place().await;
    let operator = Person { roles: &["hub-operator"], ..POLICE_AUDITOR };
    for who in [NURSE, GP_PUBLISHER, operator] {
        let before = place.log_size();
        let reply = search(&place, who, Default::default()).await;
        expect_refused("search", reply, Code::PermissionDenied, "AUDITOR_NEEDED", &[]);
        let reply = read(&place, who, &permitted).await;
        expect_refused("read", reply, Code::PermissionDenied, "AUDITOR_NEEDED", &[]);
        let head = place.from(who, pb::GetCheckpointRequest {});
        let reply = place.audit().get_checkpoint(head).await;
        expect_refused("head", reply, Code::PermissionDenied, "AUDITOR_NEEDED", &[]);
        let kinds: Vec<_> = place.entries(before).iter().map(|e| e.entry.kind).collect();
        assert_eq!(kinds, [Kind::TurnedAway; 3]);
    }
    let before = place.log_size();
    let nobody = format!("entries/{}", u64::MAX);
    for name in ["entries/0", "entries/999999", nobody.as_str()] {
        let reply = read(&place, GP_AUDITOR, name).await;
        expect_refused(name, reply, Code::NotFound, "NOT_FOUND", &[]);
    }
    for name in ["entries/", "entries/-1", "entries/+1", "entries/0x1", "entries/1 ", "1"] {
        let reply = read(&place, GP_AUDITOR, name).await;
        expect_refused(name, reply, Code::InvalidArgument, "REQUEST_INVALID", &["name"]);
    }
    let looks = place.entries(before);
    assert_eq!(looks.len(), 3, "a look that finds nothing is a look");
    assert!(looks.iter().all(|e| e.entry.kind == Kind::AuditRead));
    // An auditor of the same agency finds the looking itself.
    let looked = pb::SearchEntriesRequest {
        kinds: vec![pb::EntryKind::AuditRead.into()],
        ..Default::default()
    };
    let own = found(&place, GP_AUDITOR, looked.clone()).await;
    assert_eq!(own.len(), 4, "three looks and this one");
    assert!(own.iter().all(|e| e.agency == "agencies/oakdale-gp"));
    let theirs = found(&place, HOSPITAL_AUDITOR, looked).await;
    assert_eq!(theirs.len(), 1, "another agency sees its own look only");
}

#[tokio::test]
async fn what_was_looked_for_is_recorded() {
    let (place, _) = place().await;
    let sought = pb::SearchEntriesRequest {
        kinds: vec![pb::EntryKind::Refuse.into()],
        resident: AISHA.path(),
        page_size: 7,
        ..Default::default()
    };
    let before = place.log_size();
    found(&place, GP_AUDITOR, sought).await;
    let name = format!("entries/{before}");
    let entry = read(&place, GP_AUDITOR, &name).await.unwrap().into_inner().entry.unwrap();
    let request: serde_json::Value = serde_json::from_str(&entry.details.unwrap().request).unwrap();
    assert_eq!(request["resident"], AISHA.resident().uuid().to_string());
    assert_eq!(request["kinds"], serde_json::json!(["Refuse"]));
    assert_eq!(request["limit"], 7);
    assert_eq!(place.entries(before)[0].facet(Facet::What), "search");
}

#[tokio::test]
async fn the_newest_head_is_signed_and_covers_every_receipt() {
    let (place, _) = place().await;
    let text = std::fs::read_to_string(place.data().join("audit.vkey")).unwrap();
    let key = VerifierKey::parse(text.trim()).unwrap();
    let receipt = ask(&place, NURSE, treatment(AISHA)).await;
    let before = place.log_size();
    let head = place.from(GP_AUDITOR, pb::GetCheckpointRequest {});
    let head = place.audit().get_checkpoint(head).await.unwrap().into_inner();
    let opened = key.open(&head.note).unwrap();
    assert_eq!((opened.size, opened.root.to_vec()), (head.tree_size, head.root_hash.clone()));
    assert_eq!((receipt.tree_size, &receipt.root_hash), (head.tree_size, &head.root_hash));
    // A head tells nothing of anybody, and a witness asks for it often: reading it is not recorded.
    assert_eq!((place.log_size(), head.tree_size), (before, before));
    let forged = head.note.replacen(&head.tree_size.to_string(), "9999", 1);
    assert!(key.open(&forged).is_err());
    ask(&place, NURSE, treatment(AISHA)).await;
    let later = place.from(GP_AUDITOR, pb::GetCheckpointRequest {});
    let later = place.audit().get_checkpoint(later).await.unwrap().into_inner();
    assert_eq!(later.tree_size, before + 1);
    assert_ne!(later.root_hash, head.root_hash);
}

#[tokio::test]
async fn an_auditor_of_a_suspended_agency_reads_nothing() {
    let (place, [permitted, ..]) = place().await;
    let agency = "oakdale-gp".parse().unwrap();
    place.record(vec![weir::store::Fact::Agency { agency, active: false }]).await;
    let reply = read(&place, GP_AUDITOR, &permitted).await;
    expect_refused("suspended", reply, Code::PermissionDenied, "AGENCY_INACTIVE", &[]);
    let left = staff(GP_AUDITOR, Some("2026-07-15T10:30:00+01:00".parse().unwrap()));
    place
        .record(vec![
            left,
            weir::store::Fact::Agency { agency: "oakdale-gp".parse().unwrap(), active: true },
        ])
        .await;
    let reply = read(&place, GP_AUDITOR, &permitted).await;
    expect_refused("left", reply, Code::PermissionDenied, "ACCOUNT_INACTIVE", &[]);
}

#[tokio::test]
async fn a_search_that_finds_nothing_says_which_words_the_policy_does_not_have() {
    let (place, _) = place().await;
    let any = pb::SearchEntriesRequest::default;
    let kinds = || vec![pb::EntryKind::Disclose.into()];
    for (what, message, wanted) in [
        ("found", pb::SearchEntriesRequest { purpose: "direct_care".to_owned(), ..any() }, vec![]),
        (
            "nothing under a good word",
            pb::SearchEntriesRequest { purpose: "marac".to_owned(), kinds: kinds(), ..any() },
            vec![],
        ),
        (
            "a slip",
            pb::SearchEntriesRequest { purpose: "derect_care".to_owned(), ..any() },
            vec![("purpose", "direct_care")],
        ),
        (
            "like nothing",
            pb::SearchEntriesRequest { rule: "ZZ-99".to_owned(), ..any() },
            vec![("rule", "")],
        ),
        (
            "two slips",
            pb::SearchEntriesRequest {
                holder: "agencies/oakdale-gq".to_owned(),
                category: "health/sumary".to_owned(),
                ..any()
            },
            vec![("category", "health/summary"), ("holder", "oakdale-gp")],
        ),
    ] {
        let page = search(&place, GP_AUDITOR, message).await.unwrap().into_inner();
        let told: Vec<(&str, &str)> = page
            .unknown_words
            .iter()
            .map(|one| (one.field.as_str(), one.nearest.as_str()))
            .collect();
        assert_eq!(told, wanted, "{what}");
    }
}

/// Puts a policy into force in a data folder that nobody has open, as the shipped one with a rule renamed.
fn rename_a_rule(data: &std::path::Path, old: &str, new: &str) {
    use weir::policy::{kept, load};
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut files = load::read_dir(&shipped).unwrap();
    for bytes in files.values_mut() {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace(&format!("p, {old},"), &format!("p, {new},")).into_bytes();
    }
    assert!(load::load(&files).unwrap().rules.iter().all(|rule| rule.id.as_str() != old));
    let (hash, bytes) = (load::hash(&files), kept::pack(&files));
    let hub = rusqlite::Connection::open(data.join("hub.db")).unwrap();
    hub.execute("INSERT INTO policy_folder VALUES (?1, ?2)", (hash, bytes)).unwrap();
    let sql = "INSERT INTO policy SELECT number + 1, ?1, since_us, randomblob(16), note FROM policy \
               ORDER BY number DESC LIMIT 1";
    assert_eq!(hub.execute(sql, [hash]).unwrap(), 1);
}

#[test]
fn weir_audit_search_tells_a_slip_from_a_word_of_an_earlier_policy() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let at = data.to_str().unwrap();
    assert_eq!(crate::story::weir(&["demo", "--exit", "--data", at]).0, 0);
    let check = |wish: &[&str], exit: i32, out: &str, errors: &[&str]| {
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_weir"))
            .args(["audit", "search", "--data", at])
            .args(wish)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (told, wrong) = (text(&run.stdout), text(&run.stderr));
        assert_eq!(run.status.code(), Some(exit), "{wish:?}: {told}{wrong}");
        assert!(told.contains(out), "{wish:?}: {told}");
        assert_eq!(wrong.lines().count(), errors.len(), "{wish:?}: {wrong}");
        assert!(errors.iter().all(|one| wrong.contains(one)), "{wish:?}: {wrong}");
    };
    let nowhere = "in the policy in force, nor in any entry";
    for (flag, word, what, near) in [
        ("--purpose", "derect_care", "purpose", "; nearest: direct_care"),
        ("--category", "health/sumary", "category", "; nearest: health/summary"),
        ("--released", "health/summary.alergies", "field", "; nearest: health/summary.allergies"),
        ("--holder", "oakdale-gq", "agency", "; nearest: oakdale-gp"),
        ("--agency", "oakdale-gq", "agency", "; nearest: oakdale-gp"),
        ("--rule", "ZZ-99", "rule", ""),
        ("--agreement", "isa-caer", "agreement", "; nearest: isa-care"),
        ("--override", "BRAKE_GLASS", "override", "; nearest: BREAK_GLASS"),
    ] {
        let told = format!("{flag} {word}: no such {what} {nowhere}{near}");
        check(&[flag, word], 2, "", &[&told]);
        check(&[flag, word, "--json"], 2, "", &[&told]);
    }
    // An export that proves that a slip never happened is not written.
    let out = dir.path().join("out");
    let wish = ["audit", "export", "--data", at, "--purpose", "derect_care", "--out"];
    let (exit, text) = crate::story::weir(&[&wish[..], &[out.to_str().unwrap()]].concat());
    assert!(exit == 2 && text.contains("--purpose derect_care: no such purpose"), "{text}");
    assert_eq!(
        std::fs::read_dir(dir.path())
            .unwrap()
            .filter(|f| { f.as_ref().unwrap().file_name().to_string_lossy().starts_with("out") })
            .count(),
        0
    );
    // Nor one for auditors of nobody.
    let wish = ["audit", "export", "--data", at, "--auditor-of", "oakdale-gq", "--out"];
    let (exit, text) = crate::story::weir(&[&wish[..], &[out.to_str().unwrap()]].concat());
    assert!(exit == 2 && text.contains("--auditor-of oakdale-gq: no such agency"), "{text}");
    assert!(!out.exists());
    // Nor is a register empty because of one.
    for (flag, word, near) in
        [("--holder", "oakdale-gq", "oakdale-gp"), ("--asker", "oakdale-gq", "")]
    {
        let wish = ["audit", "non-disclosures", "--data", at, flag, word];
        let (exit, text) = crate::story::weir(&wish);
        let says = format!("{flag} {word}: no such agency {nowhere}");
        assert!(exit == 2 && text.contains(&says) && text.contains(near), "{text}");
        let (exit, text) = crate::story::weir(&[&wish[..], &["--figures"]].concat());
        assert!(exit == 2 && text.contains(&says) && text.contains(near), "{text}");
    }
    let between = ["--since", "2026-07-16T00:00:00Z", "--until", "2026-07-15T00:00:00Z"];
    check(&between, 2, "", &["--until must not be before --since"]);
    check(&["--code", "NONSENSE"], 2, "", &["--code \"NONSENSE\" is no code"]);
    check(&["--purpose", "x", "--rule", "y"], 2, "", &["--purpose x: ", "--rule y: "]);
    check(
        &["--since", "2026-07-15"],
        2,
        "",
        &["--since must be a time such as 2026-07-15T00:00:00Z"],
    );
    // Whatever was typed in place of a word is sealed: it may be somebody.
    check(&["--purpose", "Jane Doe 943"], 2, "", &["--purpose Jane Doe 943: no such purpose"]);
    for file in std::fs::read_dir(&data).unwrap().map(|file| file.unwrap().path()) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let typed = bytes.windows(8).any(|window| window == b"Jane Doe");
        assert!(!typed, "{}", file.display());
    }
    // Good words that nothing happened under, and words that were found, are nothing to speak of.
    let never = ["--purpose", "direct_care", "--until", "2020-01-01T00:00:00Z"];
    check(&never, 0, "0 entries; complete", &[]);
    check(&["--rule", "N01", "--limit", "1"], 0, "1 entries", &[]);
    rename_a_rule(&data, "N01", "N91");
    check(&["--rule", "N01", "--limit", "1"], 0, "1 entries", &[]);
    let older =
        "--rule N01: no such rule in the policy in force, only in older entries; nearest: N";
    check(&["--rule", "N01", "--outcome", "DENY"], 0, "0 entries; complete", &[older]);
    check(&["--rule", "N91"], 0, "0 entries; complete", &[]);
}
