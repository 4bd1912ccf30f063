//! Facts, consents and choices: what bears on one question.

use std::collections::BTreeSet;

use super::{Engine, Ground, choice, consent, entry, fresh, nobody, time, word};
use crate::audit::entry::Kind;
use crate::domain::{
    Capacity, Choice, ChoiceKind, ConsentState, CourtOrder, CustodianRelease, ObjectionState,
    ResidentId,
};
use crate::store::{ChoiceEvent, Fact, Refusal, StaffRecord, StoreError, StoredChoice};

pub(super) fn staff(agency: &str, person: &str, training_until: Option<&str>) -> Fact {
    Fact::Staff {
        agency: word(agency),
        person: word(person),
        account_ends: None,
        training_until: training_until.map(word),
    }
}

pub(super) fn relationship(resident: ResidentId, from: &str, until: Option<&str>) -> Fact {
    Fact::Relationship {
        agency: word("oakdale-gp"),
        person: word("nurse-1"),
        resident,
        from: time(from),
        until: until.map(time),
    }
}

pub(super) fn circumstances(resident: ResidentId, flags: &[&str], disadvantages: u32) -> Fact {
    Fact::Circumstances {
        resident,
        died: None,
        flags: flags.iter().map(|f| word(f)).collect(),
        capacity: Capacity::InDoubt,
        parent_of_case: true,
        disadvantages,
    }
}

pub(super) fn order(resident: ResidentId, id: &str, to: &str, (from, until): (&str, &str)) -> Fact {
    let order = CourtOrder {
        id: id.to_owned(),
        to: word(to),
        fields: vec![word("health/summary")],
        from: word(from),
        until: word(until),
        sealed_copy: true,
    };
    Fact::Order { resident, order }
}

pub(super) fn release(resident: ResidentId, to: &str, fields: &[&str], until: &str) -> Fact {
    let fields = fields.iter().map(|f| word(f)).collect();
    Fact::Release {
        resident,
        release: CustodianRelease { fields, to: word(to), until: word(until) },
    }
}

pub(super) fn objection(on: &str) -> ChoiceEvent {
    ChoiceEvent::Choice(Choice {
        kind: ChoiceKind::Art21,
        on: word(on),
        fields: None,
        lifted: None,
        purpose: Some(word("direct_care")),
        state: ObjectionState::Pending,
    })
}

pub(super) async fn the_latest_fact_wins_for_its_kind_and_key<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let (ann, bob) = (ground.somebody(&[]).await, ground.somebody(&[]).await);
    let conflict = |agency: &str, resident, is_self, conflict| Fact::Conflict {
        agency: word(agency),
        person: word("nurse-1"),
        resident,
        is_self,
        conflict,
    };
    ground
        .record(vec![
            staff("oakdale-gp", "nurse-1", Some("2026-01-01")),
            circumstances(ann, &["sealed"], 1),
            conflict("oakdale-gp", ann, true, true),
            relationship(ann, "2026-01-01T00:00:00Z", None),
        ])
        .await;
    // Beside each of them: the same kind about another key.
    ground
        .record(vec![
            staff("befriend", "nurse-1", Some("2030-01-01")),
            staff("oakdale-gp", "nurse-2", Some("2030-01-01")),
            circumstances(bob, &["other"], 9),
            conflict("befriend", ann, false, true),
            conflict("oakdale-gp", bob, false, true),
            relationship(bob, "2020-01-01T00:00:00Z", None),
        ])
        .await;
    let known = ground.known(ann).await;
    let training_until = Some(word("2026-01-01"));
    assert_eq!(known.staff, Some(StaffRecord { account_ends: None, training_until }));
    assert_eq!(known.flags, BTreeSet::from([word("sealed")]));
    assert_eq!((known.disadvantages, known.capacity), (1, Some(Capacity::InDoubt)));
    assert!(known.parent_of_case && known.is_self && known.conflict && known.relationship);
    // Each said again: the last word counts whole, within one batch too.
    ground
        .record(vec![
            staff("oakdale-gp", "nurse-1", Some("2027-01-01")),
            staff("oakdale-gp", "nurse-1", None),
            circumstances(ann, &[], 2),
            conflict("oakdale-gp", ann, false, false),
            relationship(ann, "2026-01-01T00:00:00Z", Some("2026-02-01T00:00:00Z")),
        ])
        .await;
    let known = ground.known(ann).await;
    assert_eq!(known.staff, Some(StaffRecord { account_ends: None, training_until: None }));
    assert_eq!((known.flags, known.disadvantages), (BTreeSet::new(), 2));
    assert!(!known.is_self && !known.conflict && !known.relationship);
    assert!(ground.known(bob).await.relationship);
}

pub(super) async fn a_relationship_has_two_ends<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let ann = ground.somebody(&[]).await;
    let (from, until) = ("2026-07-15T09:00:00Z", "2026-07-15T10:00:00Z");
    ground.record(vec![relationship(ann, from, Some(until))]).await;
    for (at, holds) in [
        ("2026-07-15T08:59:59.999999Z", false),
        (from, true),
        ("2026-07-15T09:59:59.999999Z", true),
        (until, false),
    ] {
        assert_eq!(ground.known_at(ann, time(at)).await.relationship, holds, "{at}");
    }
    ground.record(vec![relationship(ann, from, None)]).await;
    assert!(ground.known_at(ann, time("2099-01-01T00:00:00Z")).await.relationship);
}

pub(super) async fn an_order_in_force_comes_first<E: Engine>() {
    let now = ("2026-07-01", "2026-07-31");
    let then = ("2026-01-01", "2026-01-31");
    let soon = ("2026-09-01", "2026-09-30");
    let long = ("2026-02-01", "2026-12-31");
    let mine = "oakdale-gp";
    type Days = (&'static str, &'static str);
    type Order = (&'static str, &'static str, Days);
    let cases: &[(&str, &[Order], Option<&str>)] = &[
        ("none", &[], None),
        ("another's", &[("A", "befriend", now)], None),
        ("one", &[("A", mine, now)], Some("A")),
        ("one that is over is said to be over", &[("A", mine, then)], Some("A")),
        ("a coming one hides none", &[("A", mine, now), ("B", mine, soon)], Some("A")),
        ("a short one hides no long one", &[("A", mine, long), ("B", mine, then)], Some("A")),
        ("the order of recording is no matter", &[("B", mine, soon), ("A", mine, now)], Some("A")),
        ("of two in force the later", &[("B", mine, now), ("A", mine, long)], Some("B")),
        ("one reference to two", &[("A", mine, now), ("A", "befriend", now)], Some("A")),
        ("said again", &[("A", mine, now), ("B", mine, long), ("A", mine, then)], Some("B")),
    ];
    for (what, orders, wanted) in cases {
        let ground = Ground::new::<E>().await;
        let ann = ground.somebody(&[]).await;
        for (id, to, days) in *orders {
            ground.record(vec![order(ann, id, to, *days)]).await;
        }
        let found = ground.known(ann).await.order.map(|order| order.id);
        assert_eq!(found.as_deref(), *wanted, "{what}");
        assert!(ground.known(nobody()).await.order.is_none(), "{what}");
    }
}

pub(super) async fn a_release_is_taken_back_scope_by_scope<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let ann = ground.somebody(&[]).await;
    let (address, email) = ("contact/home.address", "contact/home.email");
    let (later, over) = ("2026-12-31", "2026-01-01");
    let mine = "oakdale-gp";
    ground
        .record(vec![
            release(ann, mine, &[address, email], later),
            release(ann, "befriend", &[address, email], later),
        ])
        .await;
    let live = async |scope: &str| {
        let known = ground.known(ann).await;
        assert!(known.releases.iter().all(|r| r.to == word(mine)), "another's release");
        let (scope, last) = (word(scope), word(later));
        known.releases.iter().any(|r| r.until == last && r.fields.contains(&scope))
    };
    assert!(live(address).await && live(email).await);
    ground.record(vec![release(ann, mine, &[address], over)]).await;
    assert!(!live(address).await, "what is taken back is still let out");
    assert!(live(email).await);
    ground.record(vec![release(ann, mine, &[email, address], over)]).await;
    assert!(!live(address).await && !live(email).await);
}

pub(super) async fn standing_is_what_was_said_last<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let standing = ground.store.standing().await.unwrap();
    assert!(standing.suspended.is_empty() && standing.registered.is_empty());
    assert!(standing.policy_documents.is_empty() && standing.ndo_checked_at.is_none());
    let suspended = |agency: &str, suspended| Fact::Suspended { agency: word(agency), suspended };
    let document = |agency: &str, until: Option<&str>| Fact::PolicyDocument {
        agency: word(agency),
        until: until.map(word),
    };
    let registered =
        |gateway: &str, registered| Fact::Registered { gateway: word(gateway), registered };
    let read = |at| Fact::OptOutListRead { at: time(at) };
    ground
        .record(vec![
            suspended("a", true),
            suspended("b", true),
            document("a", Some("2026-01-01")),
            document("b", Some("2026-01-01")),
            registered("g1", true),
            registered("g2", true),
            read("2026-07-01T00:00:00Z"),
        ])
        .await;
    ground
        .record(vec![
            suspended("a", false),
            document("a", None),
            document("b", Some("2027-01-01")),
            registered("g1", false),
            read("2026-06-01T00:00:00Z"),
        ])
        .await;
    // The same from memory and, opened again, from the file.
    let mut ground = ground;
    for _ in 0..2 {
        let standing = ground.store.standing().await.unwrap();
        assert_eq!(standing.suspended, BTreeSet::from([word("b")]));
        let documents: Vec<_> = standing.policy_documents.clone().into_iter().collect();
        assert_eq!(documents, [(word("b"), word("2027-01-01"))]);
        assert_eq!(standing.registered, BTreeSet::from([word("g2")]));
        assert_eq!(standing.ndo_checked_at, Some(time("2026-06-01T00:00:00Z")));
        ground = ground.again::<E>().await;
    }
}

pub(super) async fn consents_come_by_purpose_and_whole<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let (ann, bob) = (ground.somebody(&[]).await, ground.somebody(&[]).await);
    let given = consent(ConsentState::Given, "2026-07-01T00:00:00Z", "direct_care");
    let marac = consent(ConsentState::Given, "2026-07-02T00:00:00Z", "marac");
    let mut both = consent(ConsentState::Renewed, "2026-06-01T00:00:00Z", "marac");
    both.purposes.insert(word("direct_care"));
    // Later than the question: a clock that was set back must not hide a withdrawal here.
    let withdrawn = consent(ConsentState::Withdrawn, "2026-08-01T00:00:00Z", "direct_care");
    let events = [&given, &marac, &both, &withdrawn];
    for (of, event) in events.map(|e| (ann, e)).into_iter().chain([(bob, &given)]) {
        let event = choice(ChoiceEvent::Consent(event.clone()));
        ground.store.record_choice(of, event, entry(Kind::Choice)).await.unwrap();
    }
    for on in ["2026-07-10", "2026-07-20"] {
        let event = choice(objection(on));
        ground.store.record_choice(ann, event, entry(Kind::Choice)).await.unwrap();
    }
    let known = ground.known(ann).await;
    assert_eq!(known.consents, [given.clone(), both, withdrawn], "in the order recorded");
    let days: Vec<String> = known.choices.iter().map(|c| c.on.to_string()).collect();
    assert_eq!(days, ["2026-07-10", "2026-07-20"]);
    let known = ground.known(bob).await;
    assert_eq!((known.consents, known.choices.len()), (vec![given], 0));
}

pub(super) async fn a_choice_is_of_somebody_and_once<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let ann = ground.somebody(&[]).await;
    let before = ground.size().await;
    let made =
        ground.store.record_choice(nobody(), choice(objection("2026-07-10")), entry(Kind::Choice));
    assert!(matches!(made.await, Err(StoreError::Refused(Refusal::NoResident))));
    assert_eq!(ground.size().await, before);
    let first = StoredChoice { id: fresh(), ..choice(objection("2026-07-10")) };
    let record = |c: &StoredChoice| ground.store.record_choice(ann, c.clone(), entry(Kind::Choice));
    record(&first).await.unwrap();
    let again = StoredChoice { id: first.id, ..choice(objection("2026-07-11")) };
    let made = record(&again).await;
    assert!(matches!(made, Err(StoreError::Refused(Refusal::EventTaken))), "{made:?}");
    record(&choice(objection("2026-07-12"))).await.unwrap();
    let stored = ground.store.choices(ann).await.unwrap();
    assert_eq!((stored.len(), ground.size().await), (2, before + 2));
    assert_eq!((stored[0].id, stored[0].recorded_at), (first.id, time(super::NOW)));
    assert_eq!(stored[0].recorded_by, word("oakdale-gp"));
}
