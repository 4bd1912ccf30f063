//! What all writes have in common: one entry each, whole or not at all, there after reopening.

use std::collections::BTreeMap;
use std::task::Poll;

use super::knowledge::{flag, objection, order, relationship, release, staff, suspended};
use super::{
    Engine, Ground, choice, consent, entry, is_suspended, local, nobody, policies, recorded,
    resident, row, time, word,
};
use crate::audit::entry::{Entry, Facet, Kind};
use crate::domain::{ConsentState, ResidentId};
use crate::limits::AUDIT_BATCH_MAX;
use crate::store::{ChoiceEvent, Receipt, Refusal, Search, StoreError};

const NUMBER: &str = "9434765919";

/// Every kind of write, each with the id of the somebody that it is about.
#[derive(Debug, Clone, Copy)]
enum Write {
    Facts,
    Register,
    Link,
    Unlink,
    Choice,
    Shelve,
    Retract,
    Policy,
    Candidate,
}

const WRITES: [Write; 9] = [
    Write::Register,
    Write::Link,
    Write::Facts,
    Write::Choice,
    Write::Shelve,
    Write::Retract,
    Write::Unlink,
    Write::Candidate,
    Write::Policy,
];

/// Makes a write about `ann`, whose local id at the practice is p-1.
async fn write(
    ground: &Ground,
    write: Write,
    ann: ResidentId,
    entry: Entry,
) -> Result<Receipt, StoreError> {
    let store = &ground.store;
    match write {
        Write::Register => {
            let bob = resident("Bob", Some(NUMBER));
            store.register(vec![(bob, vec![local("befriend", "b-1")])], entry).await
        }
        Write::Link => store.link(ann, local("befriend", "a-1"), entry).await,
        Write::Unlink => store.unlink(local("oakdale-gp", "p-1"), entry).await,
        Write::Policy => {
            let policy = policies::kept(&entry, 1, [7; 32]);
            store.put_policy(policy, b"folder".to_vec(), entry).await
        }
        Write::Candidate => store.put_candidate(Some(policies::candidate([8; 32])), entry).await,
        Write::Facts | Write::Choice | Write::Shelve | Write::Retract => {
            let made = write_all(ground, write, ann, vec![entry]).await;
            made.map(|mut receipts| receipts.remove(0))
        }
    }
}

/// The writes that take along what follows from them.
const FOLLOWED: [Write; 4] = [Write::Facts, Write::Choice, Write::Shelve, Write::Retract];

/// Makes one of [`FOLLOWED`].
async fn write_all(
    ground: &Ground,
    write: Write,
    ann: ResidentId,
    entries: Vec<Entry>,
) -> Result<Vec<Receipt>, StoreError> {
    let store = &ground.store;
    let (holder, category) = (word("oakdale-gp"), word("health/summary"));
    match write {
        Write::Facts => {
            let facts = recorded(vec![flag(ann, "sealed", "befriend", true)]);
            store.record_facts(facts, entries).await
        }
        Write::Choice => store.record_choice(ann, choice(objection("2026-07-10")), entries).await,
        Write::Shelve => {
            let rows = vec![row("p-1", &[("health/summary.allergies", "peanuts")])];
            let times = (time(super::NOW), time(super::LATER));
            let made = store.shelve(holder, category, rows, times, entries).await;
            made.map(|(_, receipts)| receipts)
        }
        Write::Retract => {
            let made = store.retract(holder, category, vec!["p-1".to_owned()], entries).await;
            made.map(|(_, receipts)| receipts)
        }
        Write::Register | Write::Link | Write::Unlink | Write::Policy | Write::Candidate => {
            panic!("{write:?} takes one entry")
        }
    }
}

/// All that can be read back about `ann` and the place, as text.
async fn told(ground: &Ground, ann: ResidentId) -> Vec<String> {
    let known = ground.known(ann).await;
    let store = &ground.store;
    let held = store.held(word("oakdale-gp"), None, None, 100).await.unwrap();
    let born = word("1980-02-29");
    let page = store.search(Search { limit: 1_000, ..Search::default() }).await.unwrap();
    let entries = page.entries.iter().map(|e| {
        let entry = serde_json::to_string(&e.entry).unwrap();
        format!("{} {} {entry}", e.index, e.committed_at)
    });
    let person = known.resident.as_ref();
    let mut told = vec![
        format!("{:?}", store.kept_policy(None).await.unwrap()),
        format!("{:?}", store.candidate().await.unwrap()),
        format!("{:?}", person.map(|r| (&r.name, &r.nhs_number, r.born, &r.nation))),
        serde_json::to_string(&ground.facts(ann).await).unwrap(),
        format!("{:?}", known.facts.iter().map(|f| (&f.by, f.at)).collect::<Vec<_>>()),
        format!("{:?}", known.consents),
        serde_json::to_string(&known.choices).unwrap(),
        format!("{:?}", store.standing().await.unwrap()),
        format!("{:?}", store.choices(ann).await.unwrap().iter().map(|c| c.id).collect::<Vec<_>>()),
        format!("{:?}", ground.held_of("oakdale-gp", ann, &["health/summary"]).await),
        format!("{held:?}"),
        format!("{:?}", store.find(NUMBER, "Bob", born).await.unwrap().len()),
        format!("{:?}", store.local_ids(ann).await.unwrap().len()),
        format!("{:?}", store.resident_of(&local("befriend", "a-1")).await.unwrap() == Some(ann)),
        format!("{:?}", store.head().await.unwrap()),
    ];
    told.extend(entries);
    told
}

/// Somebody of whom there is something of every kind.
pub(super) async fn filled(ground: &Ground) -> ResidentId {
    let ann = ground.somebody(&[local("oakdale-gp", "p-1")]).await;
    ground
        .record(vec![
            staff("oakdale-gp", "nurse-1", Some("2026-12-31")),
            relationship(ann, "2026-01-01T00:00:00Z", None),
            flag(ann, "protected", "befriend", true),
            order(ann, "O-1", "oakdale-gp", ("2026-07-01", "2026-07-31")),
            release(ann, "oakdale-gp", &["contact/home"], "2026-12-31"),
            suspended("befriend", true),
        ])
        .await;
    let given = consent(ConsentState::Given, "2026-07-01T00:00:00Z", "direct_care");
    let given = choice(ChoiceEvent::Consent(given));
    ground.store.record_choice(ann, given, vec![entry(Kind::Choice)]).await.unwrap();
    let rows = vec![row("p-1", &[("health/summary.allergies", "latex")])];
    ground.shelve("oakdale-gp", "health/summary", rows).await;
    ann
}

pub(super) async fn every_write_leaves_one_entry<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let ann = filled(&ground).await;
    for kind in WRITES {
        let before = told(&ground, ann).await;
        let size = ground.size().await;
        let entry = entry(Kind::Hold);
        let receipt = write(&ground, kind, ann, entry.clone()).await.unwrap();
        assert_eq!((receipt.event(), receipt.index()), (entry.event, size), "{kind:?}");
        assert!(receipt.size() > receipt.index(), "{kind:?}");
        assert_eq!(ground.size().await, size + 1, "{kind:?}");
        let stored = ground.store.entry(entry.event).await.unwrap().unwrap();
        let (stored, entry) = (stored.entry, entry);
        assert_eq!((stored.rpc, stored.facets), (entry.rpc, entry.facets), "{kind:?}");
        assert_eq!(stored.slots, entry.slots, "{kind:?}");
        let after = told(&ground, ann).await;
        assert!(after[..13] != before[..13], "{kind:?} changed nothing that can be read");
    }
}

pub(super) async fn a_refused_write_leaves_none<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let ann = filled(&ground).await;
    write(&ground, Write::Register, ann, entry(Kind::Hold)).await.unwrap();
    write(&ground, Write::Link, ann, entry(Kind::Hold)).await.unwrap();
    let before = told(&ground, ann).await;
    for (kind, of, why) in [
        (Write::Register, ann, Refusal::IdentifierTaken),
        (Write::Link, ann, Refusal::LocalIdTaken),
        (Write::Link, nobody(), Refusal::NoResident),
        (Write::Choice, nobody(), Refusal::NoResident),
    ] {
        let made = write(&ground, kind, of, entry(Kind::Hold)).await;
        assert!(matches!(made, Err(StoreError::Refused(w)) if w == why), "{kind:?}: {made:?}");
        assert_eq!(told(&ground, ann).await, before, "{kind:?}");
    }
}

pub(super) async fn what_follows_from_a_change_goes_along<E: Engine>() {
    let mut ground = Ground::new::<E>().await;
    let ann = filled(&ground).await;
    for kind in FOLLOWED {
        let size = ground.size().await;
        let entries = [Kind::Hold, Kind::Report, Kind::Query, Kind::Report].map(entry).to_vec();
        let receipts = write_all(&ground, kind, ann, entries.clone()).await.unwrap();
        assert_eq!(receipts.len(), entries.len(), "{kind:?}");
        for reopened in [false, true] {
            for ((receipt, entry), place) in receipts.iter().zip(&entries).zip(size..) {
                assert_eq!((receipt.event(), receipt.index()), (entry.event, place), "{kind:?}");
                let stored = ground.store.entry(entry.event).await.unwrap().unwrap();
                assert_eq!(stored.index, place, "{kind:?}, reopened: {reopened}");
                assert_eq!(stored.entry.kind, entry.kind, "{kind:?}, reopened: {reopened}");
            }
            assert_eq!(ground.size().await, size + 4, "{kind:?}, reopened: {reopened}");
            if !reopened {
                ground = ground.again::<E>().await;
            }
        }
    }
}

/// The log turns down one of the entries: then there is neither the change nor any of the others.
pub(super) async fn a_refused_follower_changes_nothing<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let ann = filled(&ground).await;
    let taken = entry(Kind::Query);
    ground.store.append(vec![taken.clone()]).await.unwrap();
    let long = BTreeMap::from([(Facet::What, "x".repeat(Entry::LEAF_LEN_MAX))]);
    let before = told(&ground, ann).await;
    for kind in FOLLOWED {
        let own = entry(Kind::Hold);
        for (why, followers) in [
            (Refusal::EventTaken, vec![Entry { event: taken.event, ..entry(Kind::Report) }]),
            (Refusal::EventTaken, vec![Entry { event: own.event, ..entry(Kind::Report) }]),
            (Refusal::EntryTooLarge, vec![Entry { facets: long.clone(), ..entry(Kind::Report) }]),
            (Refusal::EntryTooLarge, vec![entry(Kind::Report); AUDIT_BATCH_MAX]),
        ] {
            let entries = [vec![own.clone(), entry(Kind::Report)], followers].concat();
            let made = write_all(&ground, kind, ann, entries).await;
            assert!(matches!(made, Err(StoreError::Refused(w)) if w == why), "{kind:?}: {made:?}");
            assert_eq!(told(&ground, ann).await, before, "{kind:?}: {why:?}");
        }
        let made = write_all(&ground, kind, ann, Vec::new()).await;
        assert!(matches!(made, Err(StoreError::Refused(_))), "{kind:?}: {made:?}");
        assert_eq!(told(&ground, ann).await, before, "{kind:?} without an entry");
    }
    let ground = ground.again::<E>().await;
    assert_eq!(told(&ground, ann).await, before);
}

/// The log turns the entry down: then the change is not made either, and nothing is left that would
/// stand in the way of the next one.
pub(super) async fn a_refused_entry_changes_nothing<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let ann = filled(&ground).await;
    let taken = entry(Kind::Query);
    ground.store.append(vec![taken.clone()]).await.unwrap();
    let long = BTreeMap::from([(Facet::What, "x".repeat(Entry::LEAF_LEN_MAX))]);
    let before = told(&ground, ann).await;
    for kind in WRITES {
        for (why, refused) in [
            (Refusal::EventTaken, Entry { event: taken.event, ..entry(Kind::Hold) }),
            (Refusal::EntryTooLarge, Entry { facets: long.clone(), ..entry(Kind::Hold) }),
        ] {
            let made = write(&ground, kind, ann, refused).await;
            assert!(matches!(made, Err(StoreError::Refused(w)) if w == why), "{kind:?}: {made:?}");
            assert_eq!(told(&ground, ann).await, before, "{kind:?}: {why:?}");
        }
    }
    let ground = ground.again::<E>().await;
    assert_eq!(told(&ground, ann).await, before);
    for kind in WRITES {
        write(&ground, kind, ann, entry(Kind::Hold)).await.unwrap();
    }
}

/// Polls `call` so many times, then drops it: a caller that goes away.
async fn cut<T>(polls: usize, call: impl Future<Output = T>) {
    let (mut call, mut left) = (Box::pin(call), polls);
    std::future::poll_fn(|context| {
        left -= 1;
        let ended = call.as_mut().poll(context).is_ready() || left == 0;
        if ended { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A caller that goes away at any point leaves a change that is made and in the log, or neither.
pub(super) async fn a_change_is_whole_when_its_caller_goes_away<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let store = &ground.store;
    let (mut people, mut facts) = (Vec::new(), Vec::new());
    for round in 0..100 {
        for polls in [2, 1 + round % 4, 2] {
            let (gone, lost) = (resident("Gone", None), entry(Kind::Hold));
            people.push((gone.id, lost.event));
            cut(polls, store.register(vec![(gone, vec![])], lost)).await;
        }
        let (agency, lost) = (format!("agency-{round}"), entry(Kind::Fact));
        facts.push((agency.clone(), lost.event));
        let facts = recorded(vec![suspended(&agency, true)]);
        cut(1 + round % 4, store.record_facts(facts, vec![lost])).await;
        let stays = vec![(resident("Stays", None), vec![])];
        store.register(stays, entry(Kind::Hold)).await.unwrap();
    }
    let mut begun = 0;
    for (id, event) in people {
        let made = ground.known(id).await.resident.is_some();
        let logged = store.entry(event).await.unwrap().is_some();
        assert_eq!(made, logged, "a change and its entry are not together");
        begun += usize::from(made);
    }
    for (agency, event) in facts {
        let made = is_suspended(store.as_ref(), &agency).await;
        let logged = store.entry(event).await.unwrap().is_some();
        assert_eq!(made, logged, "a fact and its entry are not together");
    }
    assert!(begun > 0, "no change had begun when its caller went away");
    let before = ground.size().await;
    assert_eq!(ground.again::<E>().await.size().await, before, "something was left for later");
}

pub(super) async fn reopening_gives_the_same_answers<E: Engine>() {
    let mut ground = Ground::new::<E>().await;
    let ann = filled(&ground).await;
    for kind in WRITES {
        write(&ground, kind, ann, entry(Kind::Hold)).await.unwrap();
        let before = told(&ground, ann).await;
        ground = ground.again::<E>().await;
        assert_eq!(told(&ground, ann).await, before, "{kind:?}");
    }
    let size = ground.size().await;
    let receipt = ground.store.append(vec![entry(Kind::Query)]).await.unwrap().remove(0);
    assert_eq!(receipt.index(), size);
}
