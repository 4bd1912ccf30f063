//! Policies that are or were in force.

use super::{Engine, Ground, NOW, entry, fresh, time};
use crate::audit::entry::{Entry, Kind};
use crate::store::{Candidate, KeptPolicy, PolicyNote, Refusal, StoreError};

pub(super) fn kept(entry: &Entry, number: u64, hash: [u8; 32]) -> KeptPolicy {
    let note = PolicyNote {
        class: "widening".to_owned(),
        approved_by: vec!["Ade Bakare".to_owned()],
        author: Some("Dee Author".to_owned()),
        scenarios_failing: 3,
    };
    KeptPolicy { number, hash, since: time(NOW), event: entry.event, note }
}

pub(super) fn candidate(hash: [u8; 32]) -> Candidate {
    let reasons = vec!["rules/a.csv line 2: no such word".to_owned()];
    Candidate { hash: Some(hash), at: time(NOW), waits_until: None, reasons }
}

/// Puts the policy in the store; gives back what was refused.
async fn put(ground: &Ground, number: u64, hash: u8, bytes: &[u8]) -> Result<KeptPolicy, Refusal> {
    let entry = entry(Kind::Policy);
    let policy = kept(&entry, number, [hash; 32]);
    match ground.store.put_policy(policy.clone(), bytes.to_vec(), entry).await {
        Ok(receipt) => {
            assert_eq!(receipt.event(), policy.event);
            Ok(policy)
        }
        Err(StoreError::Refused(why)) => Err(why),
        Err(other) => panic!("{other}"),
    }
}

pub(super) async fn a_policy_is_kept_whole_and_its_number_rises<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let store = &ground.store;
    assert!(store.kept_policy(None).await.unwrap().is_none());
    assert!(store.kept_policies(10).await.unwrap().is_empty());
    let three = put(&ground, 3, 1, b"three").await.unwrap();
    let before = ground.size().await;
    for number in [0, 2, 3, u64::MAX] {
        assert_eq!(put(&ground, number, 2, b"x").await, Err(Refusal::PolicyNumberNotRising));
    }
    assert_eq!(ground.size().await, before, "what is refused leaves no entry");
    let seven = put(&ground, 7, 2, &[0, 255, 10]).await.unwrap();
    let ground = ground.again::<E>().await;
    let store = &ground.store;
    for (wanted, found) in [
        (None, Some((&seven, &[0, 255, 10][..]))),
        (Some(7), Some((&seven, &[0, 255, 10]))),
        (Some(3), Some((&three, b"three"))),
        (Some(4), None),
    ] {
        let got = store.kept_policy(wanted).await.unwrap();
        let found = found.map(|(kept, bytes)| (kept.clone(), bytes.to_vec()));
        assert_eq!(got, found, "{wanted:?}");
    }
    assert_eq!(store.kept_policies(10).await.unwrap(), [seven.clone(), three]);
    assert_eq!(store.kept_policies(1).await.unwrap(), [seven]);
}

pub(super) async fn the_same_folder_may_be_in_force_again<E: Engine>() {
    let ground = Ground::new::<E>().await;
    for (number, hash, bytes) in [(1, 1, b"one"), (2, 2, b"two"), (3, 1, b"one")] {
        put(&ground, number, hash, bytes).await.unwrap();
    }
    let (newest, bytes) = ground.store.kept_policy(None).await.unwrap().unwrap();
    assert_eq!((newest.number, newest.hash, bytes), (3, [1; 32], b"one".to_vec()));
}

pub(super) async fn a_candidate_is_noted_until_a_policy_comes<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let store = &ground.store;
    assert_eq!(store.candidate().await.unwrap(), None);
    let waiting = Candidate { waits_until: Some(time(NOW)), ..candidate([2; 32]) };
    for noted in [Some(candidate([1; 32])), Some(waiting), None, Some(candidate([3; 32]))] {
        let size = ground.size().await;
        let receipt = store.put_candidate(noted.clone(), entry(Kind::Policy)).await.unwrap();
        assert_eq!(receipt.index(), size);
        assert_eq!(store.candidate().await.unwrap(), noted);
    }
    let ground = ground.again::<E>().await;
    assert_eq!(ground.store.candidate().await.unwrap(), Some(candidate([3; 32])));
    put(&ground, 1, 4, b"one").await.unwrap();
    assert_eq!(ground.store.candidate().await.unwrap(), None);
    assert!(ground.store.entry(fresh()).await.unwrap().is_none());
}
