//! What silence means, by a clock that is set.

use jiff::SignedDuration;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use weir::audit::entry::{Facet, Kind};
use weir::audit::witness::{Quorum, WitnessSigner};
use weir::clock::Clock;
use weir::hub::Witnesses;
use weir::store::{Heads, SplitView, Store};

use crate::support::{AISHA, NURSE, Place, request, treatment};

async fn ask(place: &Place) -> Result<(), Status> {
    let asked = place.from(NURSE, request(treatment(AISHA)));
    place.sharing().request_records(asked).await.map(drop)
}

/// Shows the newest head to the witness, as the publisher does.
async fn show(place: &Place, signer: &WitnessSigner) {
    let head = place.app.store.head().await.unwrap();
    place.app.store.keep_head(head.clone()).await.unwrap();
    let line = signer.cosign(&head.note, place.clock.now()).unwrap();
    let lines = vec![(signer.key().text(), line)];
    place.app.hub.witnessed(&head, lines).await.unwrap();
}

async fn following(strict_after: Option<SignedDuration>) -> (Place, WitnessSigner) {
    let place = Place::open().await;
    let signer = WitnessSigner::from_seed("w.example", &[5; 32]).unwrap();
    let quorum = Quorum::new(1, vec![signer.key()]).unwrap();
    let stale_after = SignedDuration::from_mins(15);
    let witnesses = Witnesses { quorum, stale_after, strict_after };
    place.app.hub.follow_witnesses(witnesses).await.unwrap();
    (place, signer)
}

#[tokio::test]
async fn without_a_quorum_nothing_is_disclosed_where_the_operator_chose_so() {
    let (place, signer) = following(Some(SignedDuration::from_hours(4))).await;
    show(&place, &signer).await;
    let start = place.clock.now();
    let later = |minutes: i64| place.clock.set(start + SignedDuration::from_mins(minutes));
    later(239);
    ask(&place).await.unwrap();
    later(240);
    let before = place.log_size();
    let refused = ask(&place).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let details = refused.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "SYS_UNWITNESSED");
    let entries = place.entries(before);
    assert_eq!((entries.len(), entries[0].entry.kind), (1, Kind::TurnedAway));
    assert_eq!(entries[0].facet(Facet::What), "witness");
    // What discloses nothing goes on.
    let asked = place.from(NURSE, treatment(AISHA));
    place.sharing().can_share(asked).await.unwrap();
    show(&place, &signer).await;
    ask(&place).await.unwrap();
}

#[tokio::test]
async fn without_a_quorum_the_hub_serves_on_where_nothing_is_said_and_tells_it_once() {
    let (place, signer) = following(None).await;
    let start = place.clock.now();
    let before = place.log_size();
    let words = || -> Vec<String> {
        let entries = place.entries(before).into_iter().filter(|e| e.entry.kind == Kind::Operation);
        entries.map(|entry| entry.facet(Facet::What).to_owned()).collect()
    };
    for (minutes, told) in [(14, 0), (15, 1), (16, 1), (600, 1)] {
        place.clock.set(start + SignedDuration::from_mins(minutes));
        place.app.hub.look_at_witnesses(place.log_size()).await.unwrap();
        assert_eq!(words().len(), told, "{minutes}");
        assert_eq!(place.app.hub.is_witnessed(), told == 0, "{minutes}");
        ask(&place).await.unwrap();
    }
    show(&place, &signer).await;
    assert_eq!(words(), ["witness-stale", "witness-fresh"]);
    assert!(place.app.hub.is_witnessed());
}

#[tokio::test]
async fn a_split_view_is_entered_when_it_is_claimed_and_once_more_when_it_is_proven() {
    let (place, signer) = following(None).await;
    let before = place.log_size();
    let split = |evidence: Option<&str>| SplitView {
        witness: signer.key().text(),
        size: 9,
        evidence: evidence.map(str::to_owned),
        since: place.clock.now(),
    };
    let other = Some((12, [3; 32]));
    for (evidence, other, entries) in [
        (None, None, 1),
        (None, None, 1),
        (Some("a note"), other, 2),
        (Some("a note"), other, 2),
        (None, None, 2),
    ] {
        place.app.hub.split_view("w.example", split(evidence), other).await.unwrap();
        assert_eq!(place.log_size() - before, entries);
        assert!(!place.app.hub.is_witnessed());
    }
    let entries = place.entries(before);
    assert_eq!(entries[0].facet(Facet::What), "split-view|claimed|w.example");
    assert_eq!(entries[1].facet(Facet::What), "split-view|proven|w.example");
    let kept = place.app.store.split_views().await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].evidence.as_deref(), Some("a note"));
}
