//! The shelf: extracts that holders publish.

use super::{Engine, Ground, LATER, NOW, entry, local, row, time, word};
use crate::audit::entry::Kind;
use crate::store::{ShelfReport, ShelfRow};

const SUMMARY: &str = "health/summary";
const ALLERGIES: &str = "health/summary.allergies";
const MEDICINES: &str = "health/summary.medicines";

async fn shelve(ground: &Ground, rows: Vec<ShelfRow>) -> (ShelfReport, bool) {
    let made = ground.store.shelve(
        word("oakdale-gp"),
        word(SUMMARY),
        rows,
        (time(NOW), time(LATER)),
        vec![entry(Kind::Hold)],
    );
    let (report, receipts) = made.await.unwrap();
    (report, !receipts.is_empty())
}

pub(super) async fn shelving_is_all_or_none<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let ids = [local("oakdale-gp", "p-1"), local("befriend", "p-2")];
    let ann = ground.somebody(&ids).await;
    let before = ground.size().await;
    let value = [(ALLERGIES, "latex")];
    let rows = ["p-1", "p-2", "p-3", "p-1", ""].map(|id| row(id, &value)).to_vec();
    let (report, receipt) = shelve(&ground, rows).await;
    assert_eq!((report.stored, report.unlinked, receipt), (0, vec![1, 2, 4], false));
    assert!(ground.held_of("oakdale-gp", ann, &[SUMMARY]).await.is_empty());
    assert_eq!(ground.size().await, before, "an entry tells of nothing");
    let (report, receipt) = shelve(&ground, vec![row("p-1", &value)]).await;
    assert_eq!((report.stored, report.unlinked, receipt), (1, vec![], true));
    assert_eq!(ground.size().await, before + 1);
}

pub(super) async fn a_row_replaces_its_category_and_nothing_else<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let ids = ["oakdale-gp", "befriend"].map(|agency| local(agency, "p-1"));
    let ann = ground.somebody(&ids).await;
    let bob = ground.somebody(&[local("oakdale-gp", "p-2")]).await;
    let old = [(ALLERGIES, "latex"), (MEDICINES, "none")];
    ground.shelve("oakdale-gp", SUMMARY, vec![row("p-1", &old), row("p-2", &old)]).await;
    ground.shelve("befriend", SUMMARY, vec![row("p-1", &old)]).await;
    let support = [("health/support.mobility", "independent")];
    ground.shelve("oakdale-gp", "health/support", vec![row("p-1", &support)]).await;
    ground.shelve("oakdale-gp", SUMMARY, vec![row("p-1", &[(ALLERGIES, "peanuts")])]).await;
    for (holder, of, categories, wanted) in [
        ("oakdale-gp", ann, &[SUMMARY][..], &["health/summary.allergies=peanuts"][..]),
        ("oakdale-gp", ann, &["health/support"], &["health/support.mobility=independent"]),
        (
            "oakdale-gp",
            ann,
            &[SUMMARY, "health/support"],
            &["health/summary.allergies=peanuts", "health/support.mobility=independent"],
        ),
        ("oakdale-gp", ann, &[], &[]),
        ("oakdale-gp", ann, &["health"], &[]),
        (
            "befriend",
            ann,
            &[SUMMARY],
            &["health/summary.allergies=latex", "health/summary.medicines=none"],
        ),
        ("befriend", bob, &[SUMMARY], &[]),
        (
            "oakdale-gp",
            bob,
            &[SUMMARY],
            &["health/summary.allergies=latex", "health/summary.medicines=none"],
        ),
    ] {
        assert_eq!(ground.held_of(holder, of, categories).await, wanted, "{holder} {categories:?}");
    }
}

pub(super) async fn of_two_local_ids_the_later_publication_wins<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let ids = ["p-1", "p-2"].map(|id| local("oakdale-gp", id));
    let ann = ground.somebody(&ids).await;
    let publish = async |id: &str, at: &str, value: &str| {
        let rows = vec![row(id, &[(ALLERGIES, value)])];
        let (holder, category) = (word("oakdale-gp"), word(SUMMARY));
        ground
            .store
            .shelve(holder, category, rows, (time(at), time(LATER)), vec![entry(Kind::Hold)])
            .await
            .unwrap();
        ground.held_of("oakdale-gp", ann, &[SUMMARY]).await.remove(0)
    };
    assert_eq!(publish("p-2", "2026-07-01T00:00:00Z", "a").await, format!("{ALLERGIES}=a"));
    assert_eq!(publish("p-1", "2026-07-02T00:00:00Z", "b").await, format!("{ALLERGIES}=b"));
    assert_eq!(publish("p-2", "2026-07-03T00:00:00Z", "c").await, format!("{ALLERGIES}=c"));
}

pub(super) async fn what_is_retracted_is_gone<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let ids = ["p-1", "p-2"].map(|id| local("oakdale-gp", id));
    let ann = ground.somebody(&ids[..1]).await;
    let bob = ground.somebody(&[ids[1].clone(), local("befriend", "p-1")]).await;
    let value = [(ALLERGIES, "latex")];
    let rows = vec![row("p-1", &value), row("p-2", &value)];
    for category in [SUMMARY, "health/support"] {
        ground.shelve("oakdale-gp", category, rows.clone()).await;
    }
    ground.shelve("befriend", SUMMARY, vec![row("p-1", &value)]).await;
    let retract = async |ids: &[&str]| {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        let before = ground.size().await;
        let (gone, receipts) = ground
            .store
            .retract(word("oakdale-gp"), word(SUMMARY), ids, vec![entry(Kind::Hold)])
            .await
            .unwrap();
        assert_eq!(receipts[0].index(), before);
        gone
    };
    assert_eq!(retract(&["p-1", "p-9"]).await, 1);
    assert_eq!(retract(&["p-1"]).await, 0);
    assert!(ground.held_of("oakdale-gp", ann, &[SUMMARY]).await.is_empty());
    assert_eq!(ground.held_of("oakdale-gp", ann, &["health/support"]).await.len(), 1);
    assert_eq!(ground.held_of("oakdale-gp", bob, &[SUMMARY]).await.len(), 1);
    assert_eq!(ground.held_of("befriend", bob, &[SUMMARY]).await.len(), 1);
}

pub(super) async fn what_is_held_comes_page_by_page<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let ids: Vec<String> = (0..25).map(|n| format!("p-{n:02}")).collect();
    let linked: Vec<_> = ids.iter().map(|id| local("oakdale-gp", id)).collect();
    ground.somebody(&linked).await;
    ground.somebody(&[local("befriend", "p-00")]).await;
    let value = [(ALLERGIES, "latex")];
    let rows: Vec<ShelfRow> = ids.iter().rev().map(|id| row(id, &value)).collect();
    ground.shelve("oakdale-gp", SUMMARY, rows.clone()).await;
    ground.shelve("oakdale-gp", "care/assessment", rows).await;
    ground.shelve("befriend", SUMMARY, vec![row("p-00", &value)]).await;
    let both = ["care/assessment", SUMMARY];
    for (category, limit, wanted) in [
        (None, 7, &both[..]),
        (None, 50, &both[..]),
        (Some(SUMMARY), 7, &both[1..]),
        (None, 1, &both[..]),
    ] {
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let category = category.map(word);
            let page = ground.store.held(word("oakdale-gp"), category, after, limit).await.unwrap();
            assert!(page.len() <= limit, "{limit}");
            let Some(last) = page.last() else { break };
            assert_eq!(last.published_at, time(NOW));
            after = Some((last.category.clone(), last.local_id.clone()));
            seen.extend(page.into_iter().map(|r| (r.category.to_string(), r.local_id)));
        }
        let all: Vec<_> = wanted
            .iter()
            .flat_map(|category| ids.iter().map(|id| ((*category).to_owned(), id.clone())))
            .collect();
        assert_eq!(seen, all, "{category:?} {limit}");
    }
}
