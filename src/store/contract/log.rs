//! The log: places, receipts, ids, looking things up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Engine, Ground, entry, fresh, local, resident, time, word};
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::domain::DecisionId;
use crate::store::{Refusal, Search, Slots, StoreError};

pub(super) async fn append_gives_places_in_order_under_the_head<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let mut hashes = BTreeSet::new();
    for count in [1, 3, 10] {
        let before = ground.size().await;
        let entries: Vec<Entry> = (0..count).map(|_| entry(Kind::Disclose)).collect();
        let events: Vec<DecisionId> = entries.iter().map(|e| e.event).collect();
        let receipts = ground.store.append(entries).await.unwrap();
        let head = ground.store.head().await.unwrap();
        assert_eq!(receipts.iter().map(|r| r.event()).collect::<Vec<_>>(), events);
        for (at, receipt) in (before..).zip(&receipts) {
            assert_eq!((receipt.index(), receipt.size()), (at, before + count));
            assert_eq!((receipt.size(), receipt.root()), (head.size, head.root));
            assert!(hashes.insert(receipt.leaf_hash()), "two leaves have one hash");
            let stored = ground.store.entry(receipt.event()).await.unwrap().unwrap();
            assert_eq!(stored.index, at);
        }
        assert!(head.note.contains(&format!("\n{}\n", head.size)), "{}", head.note);
    }
}

pub(super) async fn nothing_to_append_is_nothing<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let before = ground.store.head().await.unwrap();
    assert_eq!(ground.store.append(Vec::new()).await.unwrap(), []);
    assert_eq!(ground.store.head().await.unwrap(), before);
    ground.store.append(vec![entry(Kind::Query)]).await.unwrap();
    assert_eq!(ground.size().await, before.size + 1);
}

pub(super) async fn an_id_is_taken_once<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let first = entry(Kind::Disclose);
    let taken = first.event;
    let receipt = ground.store.append(vec![first.clone()]).await.unwrap().remove(0);
    let other = Entry { event: taken, ..entry(Kind::Refuse) };
    let twin = entry(Kind::Query);
    let before = ground.size().await;
    for run in [
        vec![first],
        vec![other.clone()],
        vec![entry(Kind::Query), other],
        vec![twin.clone(), entry(Kind::Query), twin],
    ] {
        let refused = ground.store.append(run).await;
        assert!(matches!(refused, Err(StoreError::Refused(Refusal::EventTaken))), "{refused:?}");
    }
    assert_eq!(ground.size().await, before, "a part of a refused run is in the log");
    let stored = ground.store.entry(taken).await.unwrap().unwrap();
    assert_eq!((stored.index, stored.entry.kind), (receipt.index(), Kind::Disclose));
    // Callers of the same moment are neighbours in a batch: only one of them is to blame.
    let same = fresh();
    let mut callers = Vec::new();
    for _ in 0..16 {
        let store = Arc::clone(&ground.store);
        let entry = Entry { event: same, ..entry(Kind::Query) };
        callers.push(tokio::spawn(async move { store.append(vec![entry]).await.is_ok() }));
    }
    let mut taken = 0;
    for caller in callers {
        taken += u64::from(caller.await.unwrap());
    }
    assert_eq!((taken, ground.size().await), (1, before + 1));
}

pub(super) async fn an_entry_too_large_is_refused_with_its_run<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let before = ground.size().await;
    let long = "x".repeat(Entry::LEAF_LEN_MAX);
    let slot = vec![0; Entry::SLOT_LEN_MAX + 1];
    for large in [
        Entry { facets: BTreeMap::from([(Facet::What, long)]), ..entry(Kind::Query) },
        Entry { slots: BTreeMap::from([(SlotId::Asker, slot)]), ..entry(Kind::Query) },
    ] {
        let refused = ground.store.append(vec![entry(Kind::Query), large]).await;
        assert!(matches!(refused, Err(StoreError::Refused(Refusal::EntryTooLarge))), "{refused:?}");
    }
    assert_eq!(ground.size().await, before);
    let full = BTreeMap::from([(SlotId::Asker, vec![7; Entry::SLOT_LEN_MAX])]);
    let kept = Entry { slots: full.clone(), ..entry(Kind::Query) };
    let event = kept.event;
    ground.store.append(vec![kept]).await.unwrap();
    assert_eq!(ground.store.entry(event).await.unwrap().unwrap().entry.slots, full);
}

pub(super) async fn an_entry_is_found_by_its_id<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let wanted = entry(Kind::Disclose);
    ground.store.append(vec![entry(Kind::Query), wanted.clone()]).await.unwrap();
    let found = ground.store.entry(wanted.event).await.unwrap().unwrap();
    assert_eq!(found.committed_at, time(super::NOW));
    let (found, wanted) =
        (serde_json::to_value(found.entry).unwrap(), serde_json::to_value(wanted).unwrap());
    assert_eq!(found, wanted);
    assert!(ground.store.entry(fresh()).await.unwrap().is_none());
}

/// Twelve entries that differ in one word or another, a minute apart.
async fn written<E: Engine>() -> (Ground, Vec<Entry>) {
    let ground = Ground::new::<E>().await;
    let mut entries = Vec::new();
    for n in 0_u8..12 {
        let mut one = entry(if n % 2 == 0 { Kind::Disclose } else { Kind::Refuse });
        one.agency = (n % 3 > 0).then(|| word(if n % 3 == 1 { "a" } else { "b" }));
        one.principal = [n % 4; 16];
        one.facets = BTreeMap::from([(Facet::Codes, format!("X|C{}|CC", n % 5))]);
        one.slots = BTreeMap::from([(SlotId::Subject, vec![n % 6]), (SlotId::Asker, vec![9])]);
        ground.clock.set(time(&format!("2026-07-15T10:{n:02}:00Z")));
        ground.store.append(vec![one.clone()]).await.unwrap();
        entries.push(one);
    }
    (ground, entries)
}

pub(super) async fn a_search_finds_what_is_meant<E: Engine>() {
    let (ground, entries) = written::<E>().await;
    let any = || Search { from_index: 1, limit: 100, ..Search::default() };
    let codes =
        |words: &[&str]| words.iter().map(|w| (Facet::Codes, (*w).to_owned())).collect::<Vec<_>>();
    let minute = |n| Some(time(&format!("2026-07-15T10:{n:02}:00Z")));
    type Meant = fn(usize) -> bool;
    let cases: Vec<(Search, Meant)> = vec![
        (any(), |_| true),
        (Search { kinds: vec![Kind::Refuse], ..any() }, |n| n % 2 == 1),
        (Search { kinds: vec![Kind::Refuse, Kind::Disclose], ..any() }, |_| true),
        (Search { kinds: vec![Kind::Query], ..any() }, |_| false),
        (Search { agency: Some(word("a")), ..any() }, |n| n % 3 == 1),
        (Search { principal: Some([2; 16]), ..any() }, |n| n % 4 == 2),
        (Search { facets: codes(&["C3"]), ..any() }, |n| n % 5 == 3),
        (Search { facets: codes(&["X", "C3"]), ..any() }, |n| n % 5 == 3),
        (Search { facets: codes(&["C"]), ..any() }, |_| false),
        (Search { facets: codes(&["X|C3"]), ..any() }, |_| false),
        (Search { facets: vec![(Facet::Rules, "C3".to_owned())], ..any() }, |_| false),
        (Search { slot: Some((SlotId::Subject, vec![4])), ..any() }, |n| n % 6 == 4),
        (Search { slot: Some((SlotId::Asker, vec![4])), ..any() }, |_| false),
        (Search { slot: Some((SlotId::Request, vec![])), ..any() }, |_| false),
        (Search { since: minute(3), ..any() }, |n| n >= 3),
        (Search { until: minute(3), ..any() }, |n| n < 3),
        (Search { since: minute(3), until: minute(3), ..any() }, |_| false),
        (Search { from_index: 6, ..any() }, |n| n >= 5),
        (Search { from_index: 13, ..any() }, |_| false),
        (Search { from_index: u64::MAX, ..any() }, |_| false),
        (Search { kinds: vec![Kind::Disclose], agency: Some(word("b")), ..any() }, |n| {
            n % 2 == 0 && n % 3 == 2
        }),
    ];
    for (search, meant) in cases {
        let page = ground.store.search(search.clone()).await.unwrap();
        let found: Vec<DecisionId> = page.entries.iter().map(|e| e.entry.event).collect();
        let wanted: Vec<DecisionId> =
            (0..).zip(&entries).filter(|(n, _)| meant(*n)).map(|(_, e)| e.event).collect();
        assert_eq!(found, wanted, "{search:?}");
        assert_eq!((page.next_index, page.size), (None, 13), "{search:?}");
    }
}

pub(super) async fn a_search_is_scoped_and_pinned<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let known = ground.somebody(&[]).await;
    let before = ground.size().await;
    let (about, nobody) = (known.uuid().as_bytes().to_vec(), super::nobody());
    let stranger = nobody.uuid().as_bytes().to_vec();
    for n in 0_u64..40 {
        let mut one = entry(Kind::Disclose);
        one.agency = Some(word(if n % 2 == 0 { "a" } else { "b" }));
        let field = if n % 5 == 0 { "x/one.f" } else { "x/one-more.f" };
        one.facets = BTreeMap::from([
            (Facet::Holder, if n % 3 == 0 { "a|c" } else { "b" }.to_owned()),
            (if n % 2 == 0 { Facet::Released } else { Facet::Withheld }, field.to_owned()),
        ]);
        let whom = if n % 4 == 0 { &stranger } else { &about };
        one.slots = BTreeMap::from([(SlotId::Subject, whom.clone()), (SlotId::Asker, vec![9])]);
        ground.store.append(vec![one]).await.unwrap();
    }
    let any = || Search { from_index: before, limit: 100, ..Search::default() };
    let slot = |whom: &Vec<u8>| Some((SlotId::Subject, whom.clone()));
    type Meant = fn(u64) -> bool;
    let cases: Vec<(Search, Meant)> = vec![
        (Search { concerns: Some(word("a")), ..any() }, |n| n % 2 == 0 || n % 3 == 0),
        (Search { concerns: Some(word("c")), ..any() }, |n| n % 3 == 0),
        (Search { concerns: Some(word("a")), agency: Some(word("b")), ..any() }, |n| n % 6 == 3),
        (Search { concerns: Some(word("d")), ..any() }, |_| false),
        (Search { category: Some(word("x/one")), ..any() }, |n| n % 5 == 0),
        (Search { category: Some(word("x/two")), ..any() }, |_| false),
        (Search { slot: slot(&about), ..any() }, |n| n % 4 > 0),
        (Search { slot: slot(&stranger), ..any() }, |n| n % 4 == 0),
        (Search { upto: Some(before + 10), ..any() }, |n| n < 10),
        (Search { upto: Some(before + 1000), ..any() }, |_| true),
        (Search { upto: Some(before + 10), slot: slot(&about), ..any() }, |n| n < 10 && n % 4 > 0),
    ];
    for (search, meant) in cases {
        let wanted: Vec<u64> = (0..40).filter(|n| meant(*n)).map(|n| before + n).collect();
        for limit in [100, 3] {
            let mut search = Search { limit, ..search.clone() };
            let mut found = Vec::new();
            let size = search.upto.unwrap_or(u64::MAX).min(before + 40);
            loop {
                let page = ground.store.search(search.clone()).await.unwrap();
                assert_eq!(page.size, size, "{search:?}");
                found.extend(page.entries.iter().map(|stored| stored.index));
                let Some(next) = page.next_index else { break };
                search.from_index = next;
            }
            assert_eq!(found, wanted, "{search:?}");
        }
    }
    let page = ground.store.search(Search { with: Slots::Subject, ..any() }).await.unwrap();
    let only = |slots: &BTreeMap<SlotId, Vec<u8>>| slots.keys().eq([&SlotId::Subject]);
    assert!(page.entries.len() == 40 && page.entries.iter().all(|one| only(&one.entry.slots)));
}

pub(super) async fn a_search_is_complete_page_by_page<E: Engine>() {
    let ground = Ground::new::<E>().await;
    // More than one page of one wanted entry may read: the empty page in between must lead on.
    let mut wanted = BTreeSet::new();
    for n in 0..260 {
        let mut one = entry(Kind::Query);
        if n % 120 == 7 {
            one.kind = Kind::Refuse;
            wanted.insert(one.event);
        }
        ground.store.append(vec![one]).await.unwrap();
    }
    for (kinds, limit) in [
        (vec![Kind::Refuse], 0),
        (vec![Kind::Refuse], 1),
        (vec![Kind::Refuse], 2),
        (vec![Kind::Refuse], 3),
        (vec![], 100),
        (vec![], 261),
        (vec![Kind::Policy], 1),
    ] {
        let all = kinds.is_empty();
        let none = kinds == [Kind::Policy];
        let mut search = Search { kinds, limit, ..Search::default() };
        let (mut seen, mut pages) = (Vec::new(), 0);
        loop {
            let page = ground.store.search(search.clone()).await.unwrap();
            assert!(page.entries.len() <= limit.max(1), "limit {limit}");
            assert_eq!(page.size, 261);
            seen.extend(page.entries.iter().map(|e| (e.index, e.entry.event)));
            pages += 1;
            let Some(next) = page.next_index else { break };
            assert!(next > search.from_index && next < page.size, "limit {limit}: {next}");
            search.from_index = next;
        }
        assert!(seen.windows(2).all(|two| two[0].0 < two[1].0), "limit {limit}: out of order");
        if all {
            assert_eq!(seen.len(), 261, "limit {limit} in {pages} pages");
        } else {
            let found: BTreeSet<_> = seen.iter().map(|(_, event)| *event).collect();
            assert_eq!(found, if none { BTreeSet::new() } else { wanted.clone() }, "{limit}");
            assert_eq!(found.len(), seen.len(), "limit {limit}: something came twice");
        }
    }
}

pub(super) async fn many_writers_get_dense_places<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let mut callers = Vec::new();
    for n in 0..64 {
        let store = Arc::clone(&ground.store);
        callers.push(tokio::spawn(async move {
            let mut receipts = Vec::new();
            for round in 0..4 {
                let run = vec![entry(Kind::Disclose), entry(Kind::Refuse)];
                let run = store.append(run).await.unwrap();
                assert_eq!(run[1].index(), run[0].index() + 1, "a run was torn apart");
                receipts.extend(run);
                if round == 2 && n % 4 == 0 {
                    let somebody = (resident("Ann", None), vec![local("a", &n.to_string())]);
                    receipts.push(store.register(vec![somebody], entry(Kind::Hold)).await.unwrap());
                }
            }
            receipts
        }));
    }
    let mut places = BTreeMap::new();
    for caller in callers {
        for receipt in caller.await.unwrap() {
            assert!(receipt.index() < receipt.size(), "the head does not cover the entry");
            assert_eq!(places.insert(receipt.index(), receipt.event()), None, "one place for two");
        }
    }
    let size = ground.size().await;
    assert_eq!(places.keys().copied().collect::<Vec<_>>(), (1..size).collect::<Vec<_>>());
    assert_eq!(size, 1 + 64 * 8 + 16);
    for (index, event) in places {
        assert_eq!(ground.store.entry(event).await.unwrap().unwrap().index, index);
    }
}
