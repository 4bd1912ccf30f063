//! Checks with the National Data Opt-out service: good for whom was asked about, and gone when they are too old.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::knowledge::flag;
use super::{Engine, Ground, entry, fresh, resident, time, word};
use crate::audit::entry::Kind;
use crate::domain::{DecisionId, ResidentId};
use crate::store::{Asking, CheckFault, OptOutCheck};

const ANN: &str = "9434765919";
const BOB: &str = "9000000009";
const SEALED: &str = "9000000017";
const BEGUN: &str = "2026-07-15T09:00:00Z";

fn asking(most: usize) -> Asking {
    Asking { most, open_flags: BTreeSet::from([word("s-flag")]) }
}

async fn somebody(ground: &Ground, number: Option<&str>) -> ResidentId {
    let one = resident("Rosa Example", number);
    let id = one.id;
    ground.store.register(vec![(one, vec![])], entry(Kind::Hold)).await.unwrap();
    id
}

async fn begin(ground: &Ground, at: Timestamp) -> (DecisionId, Vec<String>) {
    let reference = fresh();
    let made = ground.store.begin_check(reference, at, asking(100), entry(Kind::Fact)).await;
    (reference, made.unwrap().unwrap().0)
}

async fn end(ground: &Ground, reference: DecisionId, clear: &[&str]) -> Result<(), CheckFault> {
    let clear = clear.iter().map(|number| (*number).to_owned()).collect();
    let oldest = time("2026-07-15T08:00:00Z");
    let made = ground.store.end_check(reference, clear, oldest, entry(Kind::Fact)).await.unwrap();
    made.map(|(begun, _)| assert_eq!(begun, time(BEGUN)))
}

pub(super) async fn a_check_says_of_everybody_asked_and_nobody_else<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let (ann, bob) = (somebody(&ground, Some(ANN)).await, somebody(&ground, Some(BOB)).await);
    let none = somebody(&ground, None).await;
    let sealed = somebody(&ground, Some(SEALED)).await;
    ground.record(vec![flag(sealed, "sealed", "befriend", true)]).await;
    ground.record(vec![flag(bob, "s-flag", "befriend", true)]).await;
    let (reference, numbers) = begin(&ground, time(BEGUN)).await;
    assert_eq!(numbers, [BOB, ANN], "ascending, and nobody whose record is closed");
    assert_eq!(ground.store.asked_numbers(reference).await.unwrap(), Some(numbers));
    assert_eq!(ground.known(ann).await.check, None);
    end(&ground, reference, &[ANN]).await.unwrap();
    let at = time(BEGUN);
    let check = async |who| ground.known(who).await.check;
    assert_eq!(check(ann).await, Some(OptOutCheck { opted_out: false, at }));
    assert_eq!(check(bob).await, Some(OptOutCheck { opted_out: true, at }));
    assert_eq!((check(none).await, check(sealed).await), (None, None));
    // It is open no more.
    assert_eq!(ground.store.asked_numbers(reference).await.unwrap(), None);
    assert_eq!(end(&ground, reference, &[ANN]).await, Err(CheckFault::NoCheck));
}

pub(super) async fn an_answer_that_is_wrong_changes_nothing<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let ann = somebody(&ground, Some(ANN)).await;
    let (reference, _) = begin(&ground, time(BEGUN)).await;
    let late = somebody(&ground, Some(BOB)).await;
    let size = ground.size().await;
    assert_eq!(end(&ground, fresh(), &[ANN]).await, Err(CheckFault::NoCheck));
    let never = Err(CheckFault::NeverAsked(vec![1, 2]));
    assert_eq!(end(&ground, reference, &[ANN, BOB, SEALED]).await, never);
    let (old, _) = begin(&ground, time("2026-07-15T07:59:59Z")).await;
    assert_eq!(end(&ground, old, &[ANN]).await, Err(CheckFault::NoCheck));
    let few = ground.store.begin_check(fresh(), time(BEGUN), asking(1), entry(Kind::Fact)).await;
    assert_eq!(few.unwrap().unwrap_err(), CheckFault::TooMany);
    assert_eq!(ground.size().await, size + 1, "only what was begun is entered");
    for who in [ann, late] {
        assert_eq!(ground.known(who).await.check, None);
    }
    end(&ground, reference, &[ANN]).await.unwrap();
    assert_eq!(ground.known(late).await.check, None, "nobody asked about them");
}

pub(super) async fn a_check_that_is_too_old_is_gone<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let ann = somebody(&ground, Some(ANN)).await;
    let (reference, _) = begin(&ground, time(BEGUN)).await;
    end(&ground, reference, &[]).await.unwrap();
    let (open, _) = begin(&ground, time(BEGUN)).await;
    let size = ground.size().await;
    assert_eq!(ground.store.forget_checks(time(BEGUN)).await.unwrap(), 0);
    assert!(ground.known(ann).await.check.is_some());
    let later = time("2026-07-15T09:00:01Z");
    assert_eq!(ground.store.forget_checks(later).await.unwrap(), 2);
    assert_eq!(ground.known(ann).await.check, None);
    assert_eq!(ground.store.asked_numbers(open).await.unwrap(), None);
    assert_eq!(ground.size().await, size, "the log says nothing of it");
    let ground = ground.again::<E>().await;
    assert_eq!(ground.known(ann).await.check, None);
}
