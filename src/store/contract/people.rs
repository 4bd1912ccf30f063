//! Residents and the agencies' own ids for them.

use super::{Engine, Ground, entry, local, nobody, resident, row, time, word};
use crate::audit::entry::Kind;
use crate::domain::FactKind;
use crate::store::{LocalId, Refusal, Resident, StoreError};

const NUMBER: &str = "9434765919";
const OTHER: &str = "9434765870";

pub(super) async fn an_unknown_resident_is_nobody<E: Engine>() {
    let ground = Ground::new::<E>().await;
    // Somebody of whom there is everything to leak.
    super::writes::filled(&ground).await;
    let nobody = nobody();
    let known = ground.known(nobody).await;
    assert!(known.resident.is_none());
    assert!(known.consents.is_empty() && known.choices.is_empty());
    let kinds: Vec<_> = known.facts.iter().map(|f| f.fact.kind()).collect();
    assert_eq!(kinds, [FactKind::Staff], "what is known of the caller, and nothing else");
    assert!(ground.store.choices(nobody).await.unwrap().is_empty());
    assert!(ground.store.local_ids(nobody).await.unwrap().is_empty());
    assert_eq!(ground.store.resident_of(&local("oakdale-gp", "p-2")).await.unwrap(), None);
    assert!(ground.held_of("oakdale-gp", nobody, &["health/summary"]).await.is_empty());
}

pub(super) async fn registering_is_all_or_nothing<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let there = resident("Ann", Some(NUMBER));
    let first = vec![(there.clone(), vec![local("a", "1")])];
    ground.store.register(first, entry(Kind::Hold)).await.unwrap();
    let before = ground.size().await;
    let free = || (resident("Bob", Some(OTHER)), vec![local("a", "2"), local("b", "1")]);
    let again = free();
    type Batch = Vec<(Resident, Vec<LocalId>)>;
    let refused: Vec<(&str, Batch, Refusal)> = vec![
        ("number", vec![free(), (resident("Cy", Some(NUMBER)), vec![])], Refusal::IdentifierTaken),
        ("id", vec![free(), (there.clone(), vec![])], Refusal::IdentifierTaken),
        ("id twice", vec![again.clone(), (again.0, vec![])], Refusal::IdentifierTaken),
        (
            "number twice",
            vec![free(), (resident("Cy", Some(OTHER)), vec![])],
            Refusal::IdentifierTaken,
        ),
        (
            "local id",
            vec![free(), (resident("Cy", None), vec![local("a", "1")])],
            Refusal::LocalIdTaken,
        ),
        (
            "local id twice",
            vec![free(), (resident("Cy", None), vec![local("a", "2")])],
            Refusal::LocalIdTaken,
        ),
    ];
    for (what, batch, why) in refused {
        let ids: Vec<_> = batch.iter().map(|(r, _)| r.id).collect();
        let made = ground.store.register(batch, entry(Kind::Hold)).await;
        assert!(matches!(made, Err(StoreError::Refused(w)) if w == why), "{what}: {made:?}");
        for id in ids.into_iter().filter(|id| *id != there.id) {
            assert!(ground.known(id).await.resident.is_none(), "{what}: one of the batch is there");
            assert!(ground.store.local_ids(id).await.unwrap().is_empty(), "{what}");
        }
        for free in [local("a", "2"), local("b", "1")] {
            assert_eq!(ground.store.resident_of(&free).await.unwrap(), None, "{what}");
        }
        let born = word("1980-02-29");
        assert!(ground.store.find(OTHER, "Bob", born).await.unwrap().is_empty(), "{what}");
        assert_eq!(ground.size().await, before, "{what}: an entry tells of nothing");
    }
    ground.store.register(vec![free()], entry(Kind::Hold)).await.unwrap();
    let known = ground.known(there.id).await.resident.unwrap();
    assert_eq!((known.name.as_str(), known.nhs_number.as_deref()), ("Ann", Some(NUMBER)));
    assert_eq!((known.born, known.nation.as_str()), (there.born, "England"));
}

pub(super) async fn a_link_is_made_once_and_to_somebody<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let (ann, bob) = (ground.somebody(&[]).await, ground.somebody(&[local("b", "1")]).await);
    let link = |to, local| ground.store.link(to, local, entry(Kind::Hold));
    let refused = |made, why| matches!(made, Err(StoreError::Refused(w)) if w == why);
    assert!(refused(link(nobody(), local("a", "1")).await, Refusal::NoResident));
    assert_eq!(ground.store.resident_of(&local("a", "1")).await.unwrap(), None);
    link(ann, local("a", "1")).await.unwrap();
    assert_eq!(ground.store.resident_of(&local("a", "1")).await.unwrap(), Some(ann));
    for (to, taken) in [(bob, local("a", "1")), (ann, local("a", "1")), (ann, local("b", "1"))] {
        assert!(refused(link(to, taken).await, Refusal::LocalIdTaken));
    }
    // Another agency may use the same id for somebody else.
    link(bob, local("c", "1")).await.unwrap();
    assert_eq!(ground.store.resident_of(&local("a", "1")).await.unwrap(), Some(ann));
    assert_eq!(ground.store.resident_of(&local("c", "1")).await.unwrap(), Some(bob));
}

pub(super) async fn a_link_undone_takes_its_records_along<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let here = local("oakdale-gp", "p-1");
    let ann = ground.somebody(&[here.clone(), local("befriend", "p-1")]).await;
    let bob = ground.somebody(&[]).await;
    let category = &["health/summary"];
    let values = [("health/summary.allergies", "latex")];
    for holder in ["oakdale-gp", "befriend"] {
        ground.shelve(holder, "health/summary", vec![row("p-1", &values)]).await;
    }
    ground.store.unlink(here.clone(), entry(Kind::Hold)).await.unwrap();
    let gone = ground.store.unlink(here.clone(), entry(Kind::Hold)).await;
    assert!(matches!(gone, Err(StoreError::Refused(Refusal::NoLink))), "{gone:?}");
    assert!(ground.held_of("oakdale-gp", ann, category).await.is_empty());
    let held = ground.store.held(word("oakdale-gp"), None, None, 10).await.unwrap();
    assert!(held.is_empty(), "{held:?}");
    assert_eq!(ground.held_of("befriend", ann, category).await.len(), 1, "the other holder's");
    let (holder, rows) = (word("oakdale-gp"), vec![row("p-1", &values)]);
    let (report, receipts) = ground
        .store
        .shelve(
            holder,
            word("health/summary"),
            rows,
            (time(super::NOW), time(super::LATER)),
            vec![entry(Kind::Hold)],
        )
        .await
        .unwrap();
    assert_eq!((report.unlinked, receipts.is_empty()), (vec![0], true));
    // Whoever gets the local id next starts with nothing.
    ground.store.link(bob, here, entry(Kind::Hold)).await.unwrap();
    assert!(ground.held_of("oakdale-gp", bob, category).await.is_empty());
    let values = [("health/summary.allergies", "none")];
    ground.shelve("oakdale-gp", "health/summary", vec![row("p-1", &values)]).await;
    let found = ground.held_of("oakdale-gp", bob, category).await;
    assert_eq!(found, ["health/summary.allergies=none"]);
    assert!(ground.held_of("oakdale-gp", ann, category).await.is_empty());
}

pub(super) async fn finding_needs_number_name_and_birth_date<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let wanted = resident("Zoë  van der Berg", Some(NUMBER));
    let unborn = Resident { born: None, ..resident("Zoë van der Berg", Some(OTHER)) };
    let batch = vec![(wanted.clone(), vec![]), (unborn, vec![])];
    ground.store.register(batch, entry(Kind::Hold)).await.unwrap();
    for (number, name, born, found) in [
        (NUMBER, "Zoë van der Berg", "1980-02-29", true),
        (NUMBER, "  ZOË VAN\tder  berg ", "1980-02-29", true),
        (NUMBER, "Zoe van der Berg", "1980-02-29", false),
        (NUMBER, "Zoë", "1980-02-29", false),
        (NUMBER, "Zoë vander Berg", "1980-02-29", false),
        (NUMBER, "", "1980-02-29", false),
        (NUMBER, "%", "1980-02-29", false),
        (NUMBER, "Zoë van der Berg", "1980-02-28", false),
        (OTHER, "Zoë van der Berg", "1980-02-29", false),
        ("", "Zoë van der Berg", "1980-02-29", false),
        ("943 476 5919", "Zoë van der Berg", "1980-02-29", false),
    ] {
        let ids = ground.store.find(number, name, word(born)).await.unwrap();
        assert_eq!(ids, if found { vec![wanted.id] } else { vec![] }, "{number} {name} {born}");
    }
}

pub(super) async fn local_ids_come_in_order<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let ids = [local("b", "2"), local("b", "10"), local("a", "3"), local("c", "1")];
    let ann = ground.somebody(&ids).await;
    ground.somebody(&[local("a", "1")]).await;
    let mut sorted = ids.to_vec();
    sorted.sort();
    assert_eq!(ground.store.local_ids(ann).await.unwrap(), sorted);
}
