//! Facts, consents and choices: what bears on one question.
#![expect(clippy::wildcard_enum_match_arm, reason = "only some kinds are looked at")]

use super::{Engine, Ground, choice, consent, entry, fresh, nobody, recorded, time, word};
use crate::audit::entry::Kind;
use crate::domain::{
    Capacity, Choice, ChoiceKind, ConsentState, CourtOrder, CustodianRelease, FactKind,
    ObjectionState, Register, ResidentId, Tie,
};
use crate::store::{ChoiceEvent, Fact, FactVersion, FactsAbout, Refusal, StoreError, StoredChoice};

pub(super) fn staff(agency: &str, person: &str, training_until: Option<&str>) -> Fact {
    Fact::Staff {
        agency: word(agency),
        person: word(person),
        account_ends: None,
        training_until: training_until.map(word),
        interests_declared: None,
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

pub(super) fn flag(resident: ResidentId, flag: &str, by: &str, set: bool) -> Fact {
    Fact::Flag { resident, flag: word(flag), agency: word(by), set }
}

pub(in crate::store) fn suspended(agency: &str, suspended: bool) -> Fact {
    Fact::Agency { agency: word(agency), active: !suspended }
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
    Fact::Order { resident, order, copy_sha256: None }
}

pub(super) fn release(resident: ResidentId, to: &str, fields: &[&str], until: &str) -> Fact {
    let fields = fields.iter().map(|f| word(f)).collect();
    Fact::Release {
        resident,
        agency: word("befriend"),
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

/// The facts of one kind as one text.
async fn said(ground: &Ground, of: ResidentId, kind: FactKind) -> String {
    let facts: Vec<Fact> =
        ground.facts(of).await.into_iter().filter(|fact| fact.kind() == kind).collect();
    serde_json::to_string(&facts).unwrap()
}

pub(super) async fn the_latest_fact_wins_for_its_kind_and_key<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let (ann, bob) = (ground.somebody(&[]).await, ground.somebody(&[]).await);
    let conflict = |agency: &str, resident, is_self| Fact::Conflict {
        agency: word(agency),
        person: word("nurse-1"),
        resident,
        is_self,
        conflict: true,
        tie: (!is_self).then_some(Tie::Neighbour),
    };
    let factors = |resident, count| Fact::Factors { resident, count };
    let capacity =
        |resident, capacity| Fact::Capacity { resident, capacity, on: word("2026-07-01") };
    let gillick = |purpose: &str, competent| Fact::Gillick {
        resident: ann,
        purpose: word(purpose),
        competent,
        on: word("2026-07-01"),
    };
    let died = |died: Option<&str>| Fact::Death { resident: ann, died: died.map(word) };
    let parent = |child, until: Option<&str>| Fact::Household {
        resident: ann,
        child,
        until: until.map(time),
    };
    // What stands beside, what is said first, and what is said later.
    let early = "2026-01-01T00:00:00Z";
    let cases: Vec<(FactKind, Vec<Fact>, Fact, Fact)> = vec![
        (
            FactKind::Staff,
            vec![staff("befriend", "nurse-1", None), staff("oakdale-gp", "nurse-2", None)],
            staff("oakdale-gp", "nurse-1", Some("2026-01-01")),
            staff("oakdale-gp", "nurse-1", None),
        ),
        (
            FactKind::Relationship,
            vec![relationship(bob, early, None)],
            relationship(ann, early, None),
            relationship(ann, early, Some("2026-02-01T00:00:00Z")),
        ),
        (
            FactKind::Conflict,
            vec![conflict("befriend", ann, false), conflict("oakdale-gp", bob, false)],
            conflict("oakdale-gp", ann, true),
            conflict("oakdale-gp", ann, false),
        ),
        (FactKind::Factors, vec![factors(bob, 9)], factors(ann, 1), factors(ann, 2)),
        (
            FactKind::Capacity,
            vec![capacity(bob, Capacity::Has)],
            capacity(ann, Capacity::Lacks),
            capacity(ann, Capacity::InDoubt),
        ),
        (FactKind::Death, vec![], died(Some("2026-07-01")), died(None)),
        (FactKind::Household, vec![], parent(bob, None), parent(bob, Some(early))),
    ];
    for (kind, beside, first, later) in cases {
        ground.record(vec![first.clone()]).await;
        ground.record(beside).await;
        let one = |fact: &Fact| serde_json::to_string(&[fact]).unwrap();
        assert_eq!(said(&ground, ann, kind).await, one(&first), "{kind}");
        // Within one batch too, the last word counts, whole.
        ground.record(vec![first.clone(), later.clone()]).await;
        assert_eq!(said(&ground, ann, kind).await, one(&later), "{kind}");
    }
    // Beside each other stand: flags by custodian, competence by purpose.
    ground.record(vec![flag(ann, "sealed", "befriend", true)]).await;
    ground.record(vec![flag(ann, "sealed", "oakdale-gp", true)]).await;
    ground.record(vec![flag(ann, "sealed", "befriend", false)]).await;
    let flags = said(&ground, ann, FactKind::Flag).await;
    assert_eq!(flags.matches("\"set\":true").count(), 1, "{flags}");
    assert_eq!(flags.matches("\"set\":false").count(), 1, "{flags}");
    ground.record(vec![gillick("direct_care", true), gillick("marac", false)]).await;
    let competent = said(&ground, ann, FactKind::Gillick).await;
    assert_eq!(competent.matches("competent").count(), 2, "{competent}");
}

pub(super) async fn facts_come_by_whom_they_tie<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let (ann, bob) = (ground.somebody(&[]).await, ground.somebody(&[]).await);
    let days = ("2026-07-01", "2026-07-31");
    ground
        .record(vec![
            staff("oakdale-gp", "nurse-2", None),
            relationship(bob, "2026-01-01T00:00:00Z", None),
            flag(bob, "sealed", "befriend", true),
            order(bob, "O-1", "oakdale-gp", days),
            suspended("befriend", true),
        ])
        .await;
    for nothing in [ann, nobody()] {
        assert!(ground.facts(nothing).await.is_empty(), "another's facts");
    }
    // Orders and releases come whoever they are addressed to: to whom they speak is judged elsewhere.
    let of_bob = vec![order(bob, "O-1", "befriend", days), order(bob, "O-2", "oakdale-gp", days)];
    ground.record(of_bob).await;
    assert_eq!(said(&ground, bob, FactKind::Order).await.matches("order").count(), 6);
    let listed = async |about| ground.store.facts(about, 0, 100).await.unwrap();
    let person = |id: &str| FactsAbout::Person(word("oakdale-gp"), word(id));
    assert_eq!(listed(FactsAbout::Place).await.len(), 1);
    assert_eq!(listed(person("nurse-2")).await.len(), 1);
    assert_eq!(listed(person("nurse-1")).await.len(), 0);
    let all = listed(FactsAbout::Resident(bob)).await;
    assert_eq!(all.len(), 5);
    assert!(all.iter().all(|f| f.by == Some(word("oakdale-gp")) && f.at == time(super::NOW)));
    let paged = ground.store.facts(FactsAbout::Resident(bob), 1, 2).await.unwrap();
    assert_eq!(paged, all[1..3]);
}

pub(super) async fn a_fact_is_about_somebody_who_is_registered<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let ann = ground.somebody(&[]).await;
    let before = ground.size().await;
    let of_nobody = flag(nobody(), "sealed", "befriend", true);
    let child = Fact::Household { resident: ann, child: nobody(), until: None };
    for wrong in [of_nobody, child] {
        let facts = recorded(vec![flag(ann, "sealed", "befriend", true), wrong]);
        let made = ground.store.record_facts(facts, vec![entry(Kind::Fact)]).await;
        assert!(matches!(made, Err(StoreError::Refused(Refusal::NoResident))), "{made:?}");
        assert!(ground.facts(ann).await.is_empty(), "half of a batch is written");
        assert_eq!(ground.size().await, before);
    }
}

pub(super) async fn a_fact_is_replaced_only_where_nobody_was_faster<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let ann = ground.somebody(&[]).await;
    let put = async |set, seen| {
        let facts = recorded(vec![flag(ann, "sealed", "befriend", set)]);
        let entries = vec![entry(Kind::Fact)];
        ground.store.record_facts_unless_changed(facts, vec![(0, seen)], entries).await
    };
    let changed = |made: Result<_, StoreError>| {
        assert!(matches!(made, Err(StoreError::Refused(Refusal::FactChanged))), "{made:?}");
    };
    put(true, None).await.unwrap();
    let before = ground.size().await;
    changed(put(false, None).await);
    let now = async || ground.store.facts(FactsAbout::Resident(ann), 0, 9).await.unwrap();
    let seen = FactVersion::of(&now().await[0]);
    put(false, Some(seen)).await.unwrap();
    changed(put(true, Some(seen)).await);
    let after = now().await;
    assert_ne!(FactVersion::of(&after[0]), seen);
    assert_eq!(after[0].fact, flag(ann, "sealed", "befriend", false));
    assert_eq!(ground.size().await, before + 1, "what is refused leaves no entry of its own");
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
        let (scope, last) = (word(scope), word(later));
        ground.facts(ann).await.iter().any(|fact| match fact {
            Fact::Release { release, .. } => {
                release.to == word(mine) && release.until == last && release.fields.contains(&scope)
            }
            _ => false,
        })
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
    assert!(standing.agencies.is_empty() && standing.registered.is_empty());
    assert!(standing.policy_documents.is_empty() && standing.registers.is_empty());
    let document = |agency: &str, until: Option<&str>| Fact::PolicyDocument {
        agency: word(agency),
        until: until.map(word),
    };
    let registered =
        |gateway: &str, registered| Fact::Registered { gateway: word(gateway), registered };
    let read = |register, at| Fact::RegisterRead { register, at: time(at) };
    ground
        .record(vec![
            suspended("a", true),
            suspended("b", true),
            document("a", Some("2026-01-01")),
            document("b", Some("2026-01-01")),
            registered("g1", true),
            registered("g2", true),
            read(Register::OptOuts, "2026-07-01T00:00:00Z"),
            read(Register::Flags, "2026-07-02T00:00:00Z"),
        ])
        .await;
    ground
        .record(vec![
            suspended("a", false),
            document("a", None),
            document("b", Some("2027-01-01")),
            registered("g1", false),
            read(Register::OptOuts, "2026-06-01T00:00:00Z"),
        ])
        .await;
    // The same from memory and, opened again, from the file.
    let now = time(super::NOW);
    let mut ground = ground;
    for _ in 0..2 {
        let standing = ground.store.standing().await.unwrap();
        let agencies: Vec<_> = standing.agencies.clone().into_iter().collect();
        assert_eq!(agencies, [(word("a"), (true, now)), (word("b"), (false, now))]);
        let documents: Vec<_> = standing.policy_documents.clone().into_iter().collect();
        let good = Some(word("2027-01-01"));
        assert_eq!(documents, [(word("a"), (None, now)), (word("b"), (good, now))]);
        let registered: Vec<_> = standing.registered.clone().into_iter().collect();
        assert_eq!(registered, [(word("g1"), (false, now)), (word("g2"), (true, now))]);
        let registers: Vec<_> = standing.registers.clone().into_iter().collect();
        let (first, second) = (time("2026-06-01T00:00:00Z"), time("2026-07-02T00:00:00Z"));
        assert_eq!(registers, [(Register::OptOuts, first), (Register::Flags, second)]);
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
        ground.store.record_choice(of, event, vec![entry(Kind::Choice)]).await.unwrap();
    }
    for on in ["2026-07-10", "2026-07-20"] {
        let event = choice(objection(on));
        ground.store.record_choice(ann, event, vec![entry(Kind::Choice)]).await.unwrap();
    }
    let known = ground.known(ann).await;
    assert_eq!(known.consents, [given.clone(), both, withdrawn], "in the order recorded");
    let days: Vec<String> = known
        .choices
        .iter()
        .filter_map(|(_, event)| match event {
            ChoiceEvent::Choice(choice) => Some(choice.on.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(days, ["2026-07-10", "2026-07-20"]);
    let known = ground.known(bob).await;
    assert_eq!((known.consents, known.choices.len()), (vec![given], 0));
}

pub(super) async fn choices_of_one_call_are_all_or_none<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let (ann, bob) = (ground.somebody(&[]).await, ground.somebody(&[]).await);
    let record = |of: [ResidentId; 2]| {
        let choices = of.map(|one| (one, choice(objection("2026-07-10")))).to_vec();
        // The first entry is of the call as a whole.
        let entries = [(); 3].map(|()| entry(Kind::Choice)).to_vec();
        (choices, entries)
    };
    let (choices, entries) = record([ann, bob]);
    let ids: Vec<_> = entries.iter().map(|entry| entry.event).collect();
    let before = ground.store.head().await.unwrap().size;
    let receipts = ground.store.record_choices(choices, entries).await.unwrap();
    assert_eq!(receipts.iter().map(|one| one.event()).collect::<Vec<_>>(), ids);
    let places: Vec<u64> = receipts.iter().map(|one| one.index()).collect();
    assert_eq!(places, [before, before + 1, before + 2], "together, in order");
    for one in [ann, bob] {
        assert_eq!(ground.store.choices(one).await.unwrap().len(), 1);
    }
    // Somebody whom nobody has registered, or an entry that the log has: nothing of it is made.
    let (choices, entries) = record([ann, nobody()]);
    let made = ground.store.record_choices(choices, entries).await;
    assert!(matches!(made, Err(StoreError::Refused(Refusal::NoResident))));
    let (choices, mut entries) = record([ann, bob]);
    entries[2].event = ids[0];
    let made = ground.store.record_choices(choices, entries).await;
    assert!(matches!(made, Err(StoreError::Refused(Refusal::EventTaken))));
    assert_eq!(ground.store.head().await.unwrap().size, before + 3);
    for one in [ann, bob] {
        assert_eq!(ground.store.choices(one).await.unwrap().len(), 1);
    }
}

pub(super) async fn a_choice_is_of_somebody_and_once<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let ann = ground.somebody(&[]).await;
    let before = ground.size().await;
    let objected = choice(objection("2026-07-10"));
    let made = ground.store.record_choice(nobody(), objected, vec![entry(Kind::Choice)]);
    assert!(matches!(made.await, Err(StoreError::Refused(Refusal::NoResident))));
    assert_eq!(ground.size().await, before);
    let first = StoredChoice { id: fresh(), ..choice(objection("2026-07-10")) };
    let record =
        |c: &StoredChoice| ground.store.record_choice(ann, c.clone(), vec![entry(Kind::Choice)]);
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
