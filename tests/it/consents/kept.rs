//! The record that a person keeps, and the proof that it was entered: verified by files alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tonic::Code;
use weir::audit::entry::{Facet, Kind, SlotId};
use weir::audit::receipt::ProvenEntry;
use weir::grpc::pb;

use super::{Person, consent, listed, recorded};
use crate::support::{
    ABSENT, AISHA, CHILDRENS, GP_REGISTRAR, HOUSING, NURSE, Place, SEALED, expect_refused, refused,
};

async fn receipt(
    place: &Place,
    who: Person,
    choice: &str,
) -> Result<tonic::Response<pb::GetConsentReceiptResponse>, tonic::Status> {
    let message = pb::GetConsentReceiptRequest { choice: choice.to_owned(), ..Default::default() };
    place.choices().get_consent_receipt(place.from(who, message)).await
}

/// What `weir-verify` says, and the command of the hub: always the same.
fn verifies(dir: &Path, key: &str, record: &[u8]) -> bool {
    let file: PathBuf = dir.join("record.json");
    std::fs::write(&file, record).unwrap();
    let parsed = weir_verify::Key::parse(key).unwrap();
    weir_verify::receipt(&dir.join("mine.tlog-proof"), &parsed, false, Some(&file)).is_ok()
}

#[tokio::test]
async fn what_was_agreed_is_kept_and_proven_without_the_hub() {
    let place = Place::open().await;
    let choice = recorded(&place, AISHA, consent()).await;
    let before = place.log_size();
    let kept = receipt(&place, HOUSING, &choice).await.unwrap().into_inner();
    let logged = place.entries(before);
    assert_eq!((logged.len(), logged[0].entry.kind), (1, Kind::Query), "the look is recorded");
    assert_eq!(logged[0].facet(Facet::What), "consent-receipt");

    let record: Value = serde_json::from_str(&kept.record).unwrap();
    let id = choice.rsplit('/').next().unwrap();
    assert_eq!(record["schema_version"], "ISO/IEC TS 27560:2023");
    assert_eq!(record["record_id"], id);
    assert_eq!(record["hub"]["receipt_id"], format!("events/{id}"));
    assert_eq!(record["event"]["event_state"], "given");
    assert_eq!(record["hub"]["next_confirmation"]["on"], "2027-07-15");
    let asked = record["pii_processing"]["privacy_notice"]["shown"].as_str().unwrap();
    assert!(asked.contains("medical priority"), "{asked}");

    // It opens what the person may keep, and not which member of staff wrote it down.
    let proven = ProvenEntry::parse(&kept.text).unwrap();
    let slots: Vec<SlotId> = proven.slots.iter().map(|slot| slot.id).collect();
    assert_eq!(slots, [SlotId::Subject, SlotId::Request]);
    let key = std::fs::read_to_string(place.data().join("audit.vkey")).unwrap();
    let (key, dir) = (key.trim(), tempfile::tempdir().unwrap());
    std::fs::write(dir.path().join("mine.tlog-proof"), &kept.text).unwrap();
    assert!(!kept.text.contains(HOUSING.person));

    assert!(verifies(dir.path(), key, kept.record.as_bytes()));
    // A line end that a terminal added does not count; anything else does.
    assert!(verifies(dir.path(), key, format!("{}\n", kept.record).as_bytes()));
    for at in (0..kept.record.len()).step_by(97) {
        let mut flipped = kept.record.clone().into_bytes();
        flipped[at] ^= 1;
        assert!(!verifies(dir.path(), key, &flipped), "byte {at}");
    }
    assert!(!verifies(dir.path(), key, b""));

    let command = |record: &[u8]| {
        std::fs::write(dir.path().join("record.json"), record).unwrap();
        let done = Command::new(env!("CARGO_BIN_EXE_weir"))
            .current_dir(dir.path())
            .args(["audit", "check-receipt", "mine.tlog-proof", "--record", "record.json", "--key"])
            .arg(key)
            .output()
            .unwrap();
        (done.status.code(), String::from_utf8(done.stdout).unwrap())
    };
    let (exit, said) = command(kept.record.as_bytes());
    assert!(exit == Some(0) && said.contains("The entry holds the record"), "{said}");
    let no = kept.record.replace("\"given\"", "\"refused\"");
    let (exit, said) = command(no.as_bytes());
    assert!(exit == Some(1) && said.contains("holds another record"), "{said}");

    // The receipt of another event does not prove this record.
    let other = recorded(&place, AISHA, consent()).await;
    let other = receipt(&place, HOUSING, &other).await.unwrap().into_inner();
    std::fs::write(dir.path().join("mine.tlog-proof"), &other.text).unwrap();
    assert!(!verifies(dir.path(), key, kept.record.as_bytes()));
    assert!(verifies(dir.path(), key, other.record.as_bytes()));
}

#[tokio::test]
async fn a_receipt_is_for_those_whom_the_consent_concerns() {
    let place = Place::open().await;
    let choice = recorded(&place, AISHA, consent()).await;
    let nobody = format!("{}/choices/{}", AISHA.path(), uuid::Uuid::nil());
    let message = pb::SetRestrictionRequest { resident: AISHA.path(), ..Default::default() };
    let done = place.choices().set_restriction(place.from(HOUSING, message)).await.unwrap();
    let restriction = done.into_inner().choice;
    for (what, who, name) in [
        ("neither recorded it nor is named", CHILDRENS, &choice),
        ("another's", NURSE, &choice),
        ("no such event", HOUSING, &nobody),
        ("no consent", HOUSING, &restriction),
    ] {
        let reply = receipt(&place, who, name).await;
        expect_refused(what, reply, Code::NotFound, "NOT_FOUND", &[]);
    }
    let reply = receipt(&place, GP_REGISTRAR, &choice).await;
    expect_refused("no role", reply, Code::PermissionDenied, "ROLE_NEEDED", &[]);
    let reply = receipt(&place, HOUSING, "choices/7").await;
    expect_refused("no name", reply, Code::InvalidArgument, "REQUEST_INVALID", &["choice"]);
    // Whom nobody may know of and nobody at all are the same.
    let mut said = Vec::new();
    for one in [SEALED, ABSENT] {
        let (before, name) =
            (place.log_size(), format!("{}/choices/{}", one.path(), uuid::Uuid::nil()));
        let reply = receipt(&place, HOUSING, &name).await;
        said.push((refused(reply), place.log_size() - before));
    }
    assert_eq!(said[0], said[1]);
    assert_eq!(said[0].0.0, Code::NotFound);
}

#[tokio::test]
async fn a_withdrawal_has_a_record_of_its_own() {
    let place = Place::open().await;
    let choice = recorded(&place, AISHA, consent()).await;
    let message = pb::WithdrawConsentRequest {
        choice,
        by: "self".to_owned(),
        channel: "paper".to_owned(),
        ..Default::default()
    };
    let done = place.choices().withdraw_consent(place.from(HOUSING, message)).await.unwrap();
    let kept = receipt(&place, HOUSING, &done.into_inner().choice).await.unwrap().into_inner();
    let record: Value = serde_json::from_str(&kept.record).unwrap();
    assert_eq!(record["event"]["event_state"], "withdrawn");
    assert_eq!(record["hub"]["channel"], "paper");
    assert_eq!(record["hub"]["next_confirmation"], Value::Null);
    assert_eq!(record["pii_processing"]["privacy_notice"]["id"], "medical-priority");
    assert_eq!(listed(&place, HOUSING, AISHA).await.len(), 2);
}
