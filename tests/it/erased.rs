//! A resident is erased: nothing of them is left in any file, and the log still proves all it proved.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use weir::audit::entry::{Facet, Kind, SlotId};
use weir::audit::erasure::commitment;
use weir::domain::ResidentId;
use weir::grpc::pb;
use weir::hub::{Authority, HubError};
use weir::store::{Fact, LocalId, Resident, Store};

use crate::story::weir;
use crate::support::{AISHA, BEN, NURSE, Place, prepared, request, treatment};

const LOCAL: &str = "PLANTED-7781-LOCAL";

fn authority() -> Authority {
    Authority { reference: "DPO-2026-17".to_owned(), because: "UK GDPR 17(1)(d)".to_owned() }
}

/// Somebody with everything that the hub keeps about anybody.
async fn planted(place: &Place) -> ResidentId {
    let id = ResidentId::from_uuid(uuid::Uuid::new_v4());
    let resident = Resident {
        id,
        nhs_number: None,
        name: "Planted Example".to_owned(),
        born: "1980-02-29".parse().ok(),
        nation: "England".to_owned(),
    };
    let local = LocalId { agency: "oakdale-gp".parse().unwrap(), id: LOCAL.to_owned() };
    let store = &place.app.store;
    store.register(vec![(resident, vec![local])], prepared(Kind::Hold)).await.unwrap();
    place
        .record(vec![
            Fact::Household { resident: id, child: AISHA.resident(), until: None },
            Fact::Household { resident: BEN.resident(), child: id, until: None },
        ])
        .await;
    let row = weir::store::ShelfRow { local_id: LOCAL.to_owned(), values: Vec::new() };
    let at = place.app.hub.now();
    let until = at.checked_add(jiff::SignedDuration::from_hours(24)).unwrap();
    let (holder, category) = ("oakdale-gp".parse().unwrap(), "health/summary".parse().unwrap());
    store
        .shelve(holder, category, vec![row], (at, until), vec![prepared(Kind::Hold)])
        .await
        .unwrap();
    for _ in 0..2 {
        ask(place, id).await;
    }
    id
}

async fn ask(place: &Place, about: ResidentId) -> pb::Answer {
    let resident = format!("residents/{}", about.uuid());
    let asked = pb::CanShareRequest { resident, ..treatment(AISHA) };
    let reply = place.sharing().request_records(place.from(NURSE, request(asked))).await.unwrap();
    reply.into_inner().answers.pop().unwrap()
}

/// All that can be told from a file about who has been erased.
fn traces(data: &Path, id: ResidentId, planted: &[Vec<u8>]) -> Vec<String> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(data).unwrap() {
        let path: PathBuf = file.unwrap().path();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let holds = |wanted: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
        for (n, wanted) in planted.iter().enumerate() {
            if holds(wanted) {
                found.push(format!("{}: piece {n}", path.display()));
            }
        }
        let (plain, written) = (id.uuid().simple().to_string(), id.uuid().to_string());
        for name in [LOCAL.as_bytes(), plain.as_bytes(), written.as_bytes(), b"Planted Example"] {
            if holds(name) {
                let name = String::from_utf8_lossy(name);
                found.push(format!("{}: {name}", path.display()));
            }
        }
    }
    found
}

fn column(data: &Path, file: &str, sql: &str) -> Vec<Vec<u8>> {
    let file = Connection::open(data.join(file)).unwrap();
    let mut rows = file.prepare(sql).unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn nothing_is_left_in_any_file_and_the_log_proves_what_it_proved() {
    let place = Place::open().await;
    let wrapped = "SELECT key FROM wrapped";
    let others = column(&place.data(), "keys.db", wrapped);
    let id = planted(&place).await;
    let sealed = format!("SELECT sealed FROM resident WHERE id = x'{}'", id.uuid().simple());
    let mut pieces = column(&place.data(), "hub.db", &sealed);
    let records = format!("SELECT sealed FROM shelf WHERE local_id = '{LOCAL}'");
    pieces.extend(column(&place.data(), "hub.db", &records));
    let keys = column(&place.data(), "keys.db", wrapped);
    pieces.extend(keys.into_iter().filter(|key| !others.contains(key)));
    assert_eq!(pieces.len(), 4, "identity, record and two keys");
    let before = traces(&place.data(), id, &pieces);
    assert!(before.len() >= pieces.len() + 3, "{before:?}");
    let kept = place.app.store.log().head();
    let about: Vec<u64> = place
        .entries(0)
        .iter()
        .filter(|e| e.slots.get(&1).is_some_and(|s| s == id.uuid().as_bytes()))
        .map(|e| u64::try_from(e.index).unwrap())
        .collect();
    assert_eq!(about.len(), 2, "the set-up's entries are about nobody");

    // In the index, as in every file, the rows that their entries are found by.
    let log = place.app.store.log();
    log.catch_up_index().unwrap();
    let rows = || column(&place.data(), "index.db", "SELECT label FROM subject").len();
    let listed = rows();
    let erased = place.app.hub.erase_resident("test", id, authority()).await.unwrap();
    assert_eq!((erased.entries, erased.records), (2, 1));
    log.catch_up_index().unwrap();
    assert_eq!(rows(), listed - 2, "the entry of the erasure is about nobody who is known");
    assert_eq!(traces(&place.data(), id, &pieces), Vec::<String>::new());

    // The entry says how many, by whose word, and which in a way that can be proved.
    let entry = place.entries(kept.size).remove(0);
    assert_eq!((entry.entry.kind, entry.facet(Facet::Count)), (Kind::Erase, "2"));
    let said = String::from_utf8(entry.slots[&(SlotId::Asker as u8)].clone()).unwrap();
    assert!(said.contains("DPO-2026-17") && said.contains("17(1)(d)"), "{said}");
    let opening: serde_json::Value =
        serde_json::from_slice(&entry.slots[&(SlotId::Request as u8)]).unwrap();
    let salt = hex::decode(opening["salt"].as_str().unwrap()).unwrap().try_into().unwrap();
    let list = commitment(&salt, opening["size"].as_u64().unwrap(), &about);
    assert_eq!(entry.facet(Facet::What), format!("resident|{}", hex::encode(list)));

    // Theirs are erased, everybody else's are not; they are a stranger from now on.
    for logged in place.entries(0) {
        let own = about.contains(&u64::try_from(logged.index).unwrap());
        assert_eq!(logged.slots.is_empty() && !logged.sealed.is_empty(), own, "{}", logged.index);
    }
    let open = ask(&place, AISHA.resident()).await;
    assert!(!open.values.is_empty());
    assert!(ask(&place, id).await.values.is_empty());
    let again = place.app.hub.erase_resident("test", id, authority()).await;
    assert!(matches!(again, Err(HubError::NotFound)), "{again:?}");

    let data = place.data();
    let earlier = format!("{}:{}", kept.size, hex::encode(kept.root));
    let verify = ["audit", "verify", "--data", data.to_str().unwrap(), "--kept", &earlier];
    let (exit, text) = weir(&verify);
    assert_eq!(exit, 0, "{text}");
    let place = place.restarted().await;
    assert_eq!(traces(&place.data(), id, &pieces), Vec::<String>::new());
}

#[tokio::test]
async fn a_legal_hold_wins_until_it_is_lifted() {
    let place = Place::open().await;
    let id = planted(&place).await;
    let hub = &place.app.hub;
    let hold = |text: &str| Authority { reference: text.to_owned(), ..authority() };
    for reference in ["INQUEST-12", "CLAIM-3", "CLAIM-3"] {
        hub.place_hold("test", id, hold(reference)).await.unwrap();
    }
    let size = place.log_size();
    let erased = hub.erase_resident("test", id, authority()).await;
    assert!(matches!(erased, Err(HubError::Held)), "{erased:?}");
    assert_eq!(place.log_size(), size, "nothing is entered that did not happen");
    hub.lift_hold("test", id, hold("CLAIM-3")).await.unwrap();
    let gone = hub.lift_hold("test", id, hold("CLAIM-3")).await;
    assert!(matches!(gone, Err(HubError::NotFound)), "{gone:?}");
    let holds = place.app.store.holds(10).await.unwrap();
    let left: Vec<_> = holds.iter().map(|one| (one.resident, one.reference.as_str())).collect();
    assert_eq!(left, [(id, "INQUEST-12")]);
    assert!(matches!(hub.erase_resident("test", id, authority()).await, Err(HubError::Held)));
    hub.lift_hold("test", id, hold("INQUEST-12")).await.unwrap();
    let whats: Vec<String> =
        place.entries(size - 3).iter().map(|e| e.facet(Facet::What).to_owned()).collect();
    assert_eq!(whats, ["hold-placed", "hold-placed", "hold-placed", "hold-lifted", "hold-lifted"]);
    for (reference, because) in [("", "why"), ("DPO-1", " "), (&"x".repeat(2_001), "why")] {
        let told = Authority { reference: reference.to_owned(), because: because.to_owned() };
        let refused = hub.erase_resident("test", id, told).await;
        assert!(matches!(refused, Err(HubError::Invalid(_))), "{reference}: {refused:?}");
    }
    hub.erase_resident("test", id, authority()).await.unwrap();
    let nobody = hub.place_hold("test", id, hold("LATE-1")).await;
    assert!(matches!(nobody, Err(HubError::NotFound)), "{nobody:?}");
}

#[tokio::test]
async fn an_erasure_that_was_cut_off_is_finished_at_the_next_opening() {
    let place = Place::open().await;
    let others = column(&place.data(), "keys.db", "SELECT key FROM wrapped");
    let id = planted(&place).await;
    let keys = column(&place.data(), "keys.db", "SELECT key FROM wrapped");
    let own: Vec<_> = keys.into_iter().filter(|key| !others.contains(key)).collect();
    let (dir, clock) = place.ended().await;
    let data = dir.path().join("data");
    // What the first commit leaves, with a connection that does not overwrite what it deletes.
    let hub = Connection::open(data.join("hub.db")).unwrap();
    let key = format!("x'{}'", id.uuid().simple());
    hub.execute_batch(&format!(
        "BEGIN; DELETE FROM shelf WHERE local_id = '{LOCAL}';
         DELETE FROM identity WHERE resident = {key}; DELETE FROM resident WHERE id = {key};
         INSERT INTO erasure (resident) VALUES ({key}); COMMIT;"
    ))
    .unwrap();
    drop(hub);
    assert_eq!(own.len(), 2);
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let place = Place::at(dir, clock, &policies).await;
    let left = column(&place.data(), "keys.db", "SELECT key FROM wrapped");
    assert!(!left.is_empty() && own.iter().all(|key| !left.contains(key)));
    assert!(column(&place.data(), "hub.db", "SELECT resident FROM erasure").is_empty());
}

#[test]
fn the_command_erases_and_says_what_it_did() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let at = data.to_str().unwrap();
    assert_eq!(weir(&["demo", "--exit", "--data", at]).0, 0);
    let ids = column(&data, "hub.db", "SELECT id FROM resident LIMIT 1");
    let id = format!("residents/{}", uuid::Uuid::from_slice(&ids[0]).unwrap());
    let on = ["--data", at, "--authority", "DPO-1", "--because", "Registered without a basis"];
    let check = |command: &[&str], exit: i32, says: &str| {
        let (found, text) = weir(command);
        assert!(found == exit && text.contains(says), "{command:?}: {found} {text}");
    };
    check(&[&["hold", "place", &id][..], &on].concat(), 0, "Held; audit entry");
    check(&["hold", "list", "--data", at], 0, "DPO-1");
    check(&[&["erase", &id][..], &on].concat(), 2, "a legal hold is on the resident");
    check(&[&["hold", "lift", &id][..], &on].concat(), 0, "Lifted");
    check(&[&["erase", &id][..], &on].concat(), 0, "can be read no more");
    check(&[&["erase", &id][..], &on].concat(), 2, "no such resident");
    check(&[&["erase", "somebody"][..], &on].concat(), 2, "must be residents/");
    check(&["keys", "check", "--data", at], 0, " erased, 0 changed or moved");
    check(&["audit", "verify", "--data", at], 0, "The log is whole");
}
