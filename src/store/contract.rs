//! What every engine of the store must do, as cases that run on each of them. A further engine is an
//! [`Engine`] and one line at the end of this file.

pub(super) mod knowledge;
mod log;
mod people;
mod policies;
mod proofs;
mod shelf;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use tempfile::TempDir;
use uuid::Uuid;

use super::sqlite::SqliteStore;
use super::sqlite::keys::{HubKey, Keyring};
use super::sqlite::log::Log;
use super::{
    ChoiceEvent, Fact, Known, LocalId, Receipt, Resident, ShelfRow, Store, StoreError, StoredChoice,
};
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::clock::{FixedClock, SharedClock};
use crate::domain::{
    ConsentEvent, ConsentKind, ConsentState, DecisionId, FieldValue, Giver, RecordedFact,
    ResidentId,
};

/// A way to open a store.
pub(super) trait Engine: 'static {
    /// Opens what `dir` stands for; the same folder is the same store.
    fn open(
        dir: &Path,
        clock: SharedClock,
    ) -> impl Future<Output = Result<Arc<dyn Store>, StoreError>> + Send;
}

/// An empty store in a folder of its own.
pub(super) struct Ground {
    pub store: Arc<dyn Store>,
    pub clock: FixedClock,
    dir: TempDir,
}

impl Ground {
    pub(super) async fn new<E: Engine>() -> Self {
        let dir = TempDir::new().unwrap();
        let clock = FixedClock::at(time(NOW));
        let store = E::open(dir.path(), Arc::new(clock.clone())).await.unwrap();
        Self { store, clock, dir }
    }

    /// Closes the store and opens it again.
    pub(super) async fn again<E: Engine>(self) -> Self {
        let Self { store, clock, dir } = self;
        drop(store);
        let store = E::open(dir.path(), Arc::new(clock.clone())).await.unwrap();
        Self { store, clock, dir }
    }

    /// The folder that the store stands in.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(super) async fn size(&self) -> u64 {
        self.store.head().await.unwrap().size
    }

    /// Registers somebody with these local ids.
    pub(super) async fn somebody(&self, local_ids: &[LocalId]) -> ResidentId {
        let resident = resident("Rosa Example", None);
        let id = resident.id;
        let batch = vec![(resident, local_ids.to_vec())];
        self.store.register(batch, entry(Kind::Hold)).await.unwrap();
        id
    }

    pub(super) async fn record(&self, facts: Vec<Fact>) -> Receipt {
        let made = self.store.record_facts(recorded(facts), vec![entry(Kind::Fact)]).await;
        made.unwrap().remove(0)
    }

    /// What is known to nurse-1 of the practice, for direct care.
    pub(super) async fn known(&self, resident: ResidentId) -> Known {
        let (agency, person) = (word("oakdale-gp"), "nurse-1".parse().unwrap());
        self.store.known(agency, person, resident, word("direct_care")).await.unwrap()
    }

    /// The facts that are known to nurse-1.
    pub(super) async fn facts(&self, resident: ResidentId) -> Vec<Fact> {
        self.known(resident).await.facts.into_iter().map(|recorded| recorded.fact).collect()
    }

    pub(super) async fn shelve(&self, holder: &str, category: &str, rows: Vec<ShelfRow>) {
        let (holder, category) = (word(holder), word(category));
        let made = self
            .store
            .shelve(holder, category, rows, (time(NOW), time(LATER)), vec![entry(Kind::Hold)])
            .await;
        assert!(!made.unwrap().1.is_empty(), "a row is not linked");
    }

    /// What the practice holds of somebody, as `field=value`.
    pub(super) async fn held_of(
        &self,
        holder: &str,
        of: ResidentId,
        categories: &[&str],
    ) -> Vec<String> {
        let categories = categories.iter().map(|c| word(c)).collect();
        let record = self.store.shelf_record(word(holder), of, categories).await.unwrap();
        record.values.iter().map(|(field, value)| format!("{field}={}", value.expose())).collect()
    }
}

/// Facts as the practice records them.
pub(super) fn recorded(facts: Vec<Fact>) -> Vec<RecordedFact> {
    let by = Some(word("oakdale-gp"));
    let one = |fact| RecordedFact { fact, by: by.clone(), at: time(NOW) };
    facts.into_iter().map(one).collect()
}

/// Whether the agency is known to be suspended.
pub(super) async fn is_suspended(store: &dyn Store, agency: &str) -> bool {
    let standing = store.standing().await.unwrap();
    standing.agencies.get(agency).is_some_and(|(active, _)| !active)
}

/// Somebody of whom there is everything, somebody sealed, somebody protected.
pub(super) async fn flagged(ground: &Ground) -> (ResidentId, ResidentId, ResidentId) {
    let everything = writes::filled(ground).await;
    let (sealed, protected) = (ground.somebody(&[]).await, ground.somebody(&[]).await);
    for (who, flag) in [(sealed, "sealed"), (protected, "protected")] {
        ground.record(vec![knowledge::flag(who, flag, "befriend", true)]).await;
    }
    (everything, sealed, protected)
}

pub(super) const NOW: &str = "2026-07-15T10:00:00+01:00";
/// When what is shelved in the cases expires.
pub(super) const LATER: &str = "2026-12-31T00:00:00Z";

pub(super) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn word<T: FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

pub(super) fn fresh() -> DecisionId {
    DecisionId::from_uuid(Uuid::now_v7())
}

pub(super) fn nobody() -> ResidentId {
    ResidentId::from_uuid(Uuid::new_v4())
}

pub(super) fn entry(kind: Kind) -> Entry {
    Entry {
        event: fresh(),
        kind,
        rpc: "contract".to_owned(),
        call: fresh(),
        part: 1,
        parts: 1,
        agency: Some(word("oakdale-gp")),
        principal: [1; 16],
        policy: [2; 32],
        facets: BTreeMap::from([(Facet::Purpose, "direct_care".to_owned())]),
        slots: BTreeMap::from([(SlotId::Subject, b"somebody".to_vec())]),
    }
}

pub(super) fn resident(name: &str, nhs_number: Option<&str>) -> Resident {
    Resident {
        id: nobody(),
        nhs_number: nhs_number.map(str::to_owned),
        name: name.to_owned(),
        born: Some(word("1980-02-29")),
        nation: "England".to_owned(),
    }
}

pub(super) fn local(agency: &str, id: &str) -> LocalId {
    LocalId { agency: word(agency), id: id.to_owned() }
}

pub(super) fn row(local_id: &str, values: &[(&str, &str)]) -> ShelfRow {
    let value = |text: &str| FieldValue::new(text.to_owned()).unwrap();
    ShelfRow {
        local_id: local_id.to_owned(),
        values: values.iter().map(|(field, text)| (word(field), value(text))).collect(),
    }
}

pub(super) fn choice(event: ChoiceEvent) -> StoredChoice {
    StoredChoice { id: fresh(), recorded_by: word("oakdale-gp"), recorded_at: time(NOW), event }
}

pub(super) fn consent(state: ConsentState, at: &str, purpose: &str) -> ConsentEvent {
    ConsentEvent {
        kind: ConsentKind::ConfidentialityExplicit,
        state,
        at: time(at),
        until: word("2027-01-01"),
        purposes: BTreeSet::from([word(purpose)]),
        recipients: BTreeSet::from([word("oakdale-gp")]),
        fields: None,
        by: Giver::Own,
        evidence: false,
        gillick: false,
        freely_given: true,
        parts: BTreeSet::new(),
    }
}

/// Each case on one engine, under its own name. A case that is in no list is an unused function, which
/// the lints refuse.
macro_rules! engine {
    ($name:ident, $engine:ty) => {
        engine!(@ $name, $engine,
            log: append_gives_places_in_order_under_the_head, nothing_to_append_is_nothing,
                an_id_is_taken_once, an_entry_too_large_is_refused_with_its_run,
                an_entry_is_found_by_its_id, a_search_finds_what_is_meant,
                a_search_is_scoped_and_pinned, a_search_is_complete_page_by_page, many_writers_get_dense_places;
            proofs: every_entry_is_proven_under_every_later_head, tiles_hold_the_leaf_hashes,
                a_proven_entry_opens_what_is_named;
            people: an_unknown_resident_is_nobody, registering_is_all_or_nothing,
                a_link_is_made_once_and_to_somebody, a_link_undone_takes_its_records_along,
                finding_needs_number_name_and_birth_date, local_ids_come_in_order;
            knowledge: the_latest_fact_wins_for_its_kind_and_key,
                a_fact_is_about_somebody_who_is_registered, facts_come_by_whom_they_tie,
                a_fact_is_replaced_only_where_nobody_was_faster,
                a_release_is_taken_back_scope_by_scope,
                standing_is_what_was_said_last, consents_come_by_purpose_and_whole,
                a_choice_is_of_somebody_and_once;
            shelf: shelving_is_all_or_none, a_row_replaces_its_category_and_nothing_else,
                of_two_local_ids_the_later_publication_wins, what_is_retracted_is_gone,
                what_is_held_comes_page_by_page;
            policies: a_policy_is_kept_whole_and_its_number_rises,
                the_same_folder_may_be_in_force_again, a_candidate_is_noted_until_a_policy_comes;
            writes: every_write_leaves_one_entry, a_refused_write_leaves_none,
                what_follows_from_a_change_goes_along, a_refused_follower_changes_nothing,
                a_refused_entry_changes_nothing, a_change_is_whole_when_its_caller_goes_away,
                reopening_gives_the_same_answers;
        );
    };
    (@ $name:ident, $engine:ty, $($file:ident: $($case:ident),*;)*) => {
        mod $name {
            $($(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$file::$case::<$engine>().await;
                }
            )*)*
        }
    };
}

/// The embedded engine.
pub(super) struct Sqlite;

impl Engine for Sqlite {
    async fn open(dir: &Path, clock: SharedClock) -> Result<Arc<dyn Store>, StoreError> {
        let keys = Keyring::open(dir, HubKey::from_bytes([1; 32]), clock.now())?;
        let log = Log::open(dir, Arc::new(keys), "hub.example/audit", clock)?;
        Ok(Arc::new(SqliteStore::open(dir, log).await?))
    }
}

engine!(sqlite, super::Sqlite);
