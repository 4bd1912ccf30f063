#![expect(clippy::wildcard_enum_match_arm, reason = "only some kinds are looked at")]

use std::path::Path;

use jiff::civil::date;

use super::*;
use crate::domain::{
    Capacity, CourtOrder, CustodianRelease, Fact, FactKind, RecordedFact, Register, ResidentId, Tie,
};
use crate::policy::load::load_dir;
use crate::store::{OptOutCheck, Resident};

const NOW: &str = "2026-07-15T09:00:00Z";

fn book() -> RuleBook {
    load_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")).unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn word<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| unreachable!("{text}"))
}

fn somebody() -> ResidentId {
    ResidentId::from_uuid(uuid::Uuid::from_u128(7))
}

/// Somebody registered, of whom these facts were recorded `days` ago.
fn known(facts: Vec<Fact>, days: i64) -> Known {
    let at = time(NOW) - jiff::SignedDuration::from_hours(days * 24);
    Known {
        resident: Some(Resident {
            id: somebody(),
            nhs_number: None,
            name: "Rosa Example".to_owned(),
            born: Some(date(1980, 6, 15)),
            nation: "England".to_owned(),
        }),
        facts: facts.into_iter().map(|fact| RecordedFact { fact, by: None, at }).collect(),
        ..Known::default()
    }
}

/// A place whose registers were read and whose agency was confirmed `days` ago.
fn standing(days: i64) -> Standing {
    let at = time(NOW) - jiff::SignedDuration::from_hours(days * 24);
    let mut standing = Standing::default();
    standing.agencies.insert(word("befriend"), (true, at));
    standing.policy_documents.insert(word("befriend"), (Some(date(2026, 12, 31)), at));
    standing.registered.insert(word("DEA-35"), (true, at));
    for register in Register::ALL {
        standing.registers.insert(*register, at);
    }
    standing
}

fn staff(declared: Option<jiff::civil::Date>) -> Fact {
    Fact::Staff {
        agency: word("befriend"),
        person: word("worker-1"),
        account_ends: None,
        training_until: Some(date(2026, 12, 31)),
        interests_declared: declared,
    }
}

fn relationship(from: &str, until: Option<&str>) -> Fact {
    Fact::Relationship {
        agency: word("befriend"),
        person: word("worker-1"),
        resident: somebody(),
        from: time(from),
        until: until.map(time),
    }
}

fn capacity(capacity: Capacity) -> Fact {
    Fact::Capacity { resident: somebody(), capacity, on: date(2026, 7, 1) }
}

/// A kind, how old, and what then counts as a word.
fn found(book: &RuleBook, kind: FactKind, days: Option<i64>) -> String {
    let fact = match kind {
        FactKind::Staff => staff(None),
        FactKind::Conflict => staff(Some(date(2026, 7, 14))),
        FactKind::Relationship => relationship("2020-01-01T00:00:00Z", None),
        FactKind::Capacity => capacity(Capacity::Lacks),
        FactKind::Gillick => Fact::Gillick {
            resident: somebody(),
            purpose: word("youth_portal"),
            competent: true,
            on: date(2026, 7, 1),
        },
        FactKind::Household => {
            Fact::Household { resident: somebody(), child: somebody(), until: None }
        }
        FactKind::Factors => Fact::Factors { resident: somebody(), count: 3 },
        _ => Fact::Death { resident: somebody(), died: None },
    };
    let known = match (kind, days) {
        // The declaration's own day counts, not the day of recording.
        (FactKind::Conflict, Some(days)) => {
            let declared = date(2026, 7, 15) - jiff::Span::new().days(days);
            known(vec![staff(Some(declared))], 0)
        }
        (_, Some(days)) => known(vec![fact], days),
        (_, None) => known(vec![], 0),
    };
    let standing = days.map(standing).unwrap_or_default();
    let judge = Judge::new(book, &standing, time(NOW));
    match kind {
        FactKind::Staff => judge.may_act(&known).to_string(),
        FactKind::Relationship => judge.relationship(&known).to_string(),
        FactKind::Conflict => judge.kin(&known).interests.conflict().to_string(),
        FactKind::Capacity => judge.capacity(&known).to_string(),
        FactKind::Gillick => judge.is_competent(&known, &word("youth_portal")).to_string(),
        FactKind::Household => judge.is_parent_of_case(&known).to_string(),
        FactKind::Factors => judge.disadvantages(&known).to_string(),
        FactKind::Agency => judge.is_active(&word("befriend")).to_string(),
        FactKind::PolicyDocument => judge.has_document(&word("befriend")).to_string(),
        FactKind::Registered => judge.is_registered(&word("DEA-35")).to_string(),
        FactKind::RegisterRead => {
            format!("{} {}", judge.is_closed(&known), judge.died(&known).is_some())
        }
        _ => String::new(),
    }
}

#[test]
fn what_is_missing_or_too_old_refuses() {
    let book = book();
    // Fresh to the last day, too old a day later, and never recorded.
    let cases = [
        (FactKind::Staff, ["true", "false", "false"]),
        (FactKind::Relationship, ["true", "false", "false"]),
        (FactKind::Conflict, ["false", "true", "true"]),
        (FactKind::Capacity, ["lacks", "in-doubt", "has"]),
        (FactKind::Gillick, ["true", "false", "false"]),
        (FactKind::Household, ["true", "false", "false"]),
        (FactKind::Factors, ["3", "0", "0"]),
        (FactKind::Agency, ["true", "false", "false"]),
        (FactKind::PolicyDocument, ["true", "false", "false"]),
        (FactKind::Registered, ["true", "false", "false"]),
        (FactKind::RegisterRead, ["false false", "true true", "true true"]),
    ];
    let aged: BTreeSet<FactKind> = cases.iter().map(|(kind, _)| *kind).collect();
    for (kind, [fresh, old, missing]) in cases {
        let days = book.facts[&kind].max_age_days.unwrap();
        assert_eq!(found(&book, kind, Some(days)), fresh, "{kind} on its last day");
        assert_eq!(found(&book, kind, Some(days + 1)), old, "{kind} too old");
        assert_eq!(found(&book, kind, None), missing, "{kind} missing");
    }
    for (kind, rule) in &book.facts {
        assert_eq!(rule.max_age_days.is_some(), aged.contains(kind), "{kind} is not judged here");
    }
}

#[test]
fn the_opt_out_list_has_a_figure_of_its_own() {
    let book = book();
    let standing = standing(0);
    let judge = Judge::new(&book, &standing, time(NOW));
    for (read, good) in [
        ("2026-07-14T09:00:00Z", true),
        ("2026-07-14T08:59:59Z", false),
        ("2026-07-15T09:00:00.000001Z", false),
    ] {
        for opted_out in [false, true] {
            let check = Some(OptOutCheck { opted_out, at: time(read) });
            let known = Known { check, ..known(vec![], 0) };
            assert_eq!(judge.checked_at(&known), good.then(|| time(read)), "{read}");
            assert_eq!(judge.opt_out(&known).is_some(), good && opted_out, "{read}");
        }
        assert!(judge.is_read(Register::Flags));
    }
    // Nobody who was not asked about is anything.
    let nobody = known(vec![], 0);
    assert_eq!((judge.checked_at(&nobody), judge.opt_out(&nobody)), (None, None));
    assert!(!judge.is_read(Register::OptOuts), "a list that is read whole says nothing");
}

#[test]
fn a_flag_stands_while_a_custodian_s_stands_and_an_unknown_one_closes() {
    let book = book();
    let standing = standing(0);
    let judge = Judge::new(&book, &standing, time(NOW));
    let flag = |flag: &str, agency: &str, set| Fact::Flag {
        resident: somebody(),
        flag: word(flag),
        agency: word(agency),
        set,
    };
    for (facts, closed) in [
        (vec![], false),
        (vec![flag("watch", "befriend", true)], false),
        (vec![flag("in-refuge", "befriend", true)], false),
        (vec![flag("seald", "befriend", true)], true),
        (vec![flag("seald", "befriend", false)], false),
        (vec![flag("sealed", "befriend", true)], true),
        (vec![flag("protected-person", "befriend", true)], true),
        (vec![flag("sealed", "a", true), flag("sealed", "b", false)], true),
        (vec![flag("sealed", "a", false), flag("sealed", "b", false)], false),
    ] {
        let shown = serde_json::to_string(&facts).unwrap();
        assert_eq!(judge.is_closed(&known(facts, 0)), closed, "{shown}");
    }
    assert!(judge.is_closed(&Known::default()), "nobody is closed");
}

#[test]
fn a_relationship_has_two_ends() {
    let book = book();
    let standing = standing(0);
    let (from, until) = ("2026-07-15T09:00:00Z", "2026-07-15T10:00:00Z");
    for (at, holds) in [
        ("2026-07-15T08:59:59.999999Z", false),
        (from, true),
        ("2026-07-15T09:59:59.999999Z", true),
        (until, false),
    ] {
        let judge = Judge::new(&book, &standing, time(at));
        let found = judge.relationship(&known(vec![relationship(from, Some(until))], 0));
        assert_eq!(found, holds, "{at}");
    }
}

#[test]
fn a_tie_is_told_and_only_the_conflict_decides() {
    let book = book();
    let standing = standing(0);
    let judge = Judge::new(&book, &standing, time(NOW));
    let with = |conflict, tie| Fact::Conflict {
        agency: word("befriend"),
        person: word("worker-1"),
        resident: somebody(),
        is_self: false,
        conflict,
        tie,
    };
    let declared = || staff(Some(date(2026, 7, 14)));
    let unsaid = Interests { unsaid: true, ..Interests::default() };
    let tied = |tie| Interests { tie: Some(tie), ..Interests::default() };
    let undeclared = |interests| Interests { undeclared: true, ..interests };
    let none = Interests::default();
    for (what, facts, wanted) in [
        ("declared", vec![declared()], none),
        ("not said how", vec![declared(), with(true, None)], unsaid),
        ("taken back", vec![declared(), with(false, None)], none),
        ("a tie without a conflict", vec![declared(), with(false, Some(Tie::Kin))], none),
        ("undeclared", vec![], undeclared(none)),
        ("undeclared, not said how", vec![with(true, None)], undeclared(unsaid)),
        ("undeclared kin", vec![with(true, Some(Tie::Kin))], undeclared(tied(Tie::Kin))),
    ] {
        assert!(judge.kin(&known(facts, 0)).interests == wanted, "{what}");
    }
    for tie in Tie::ALL.iter().copied() {
        let interests = judge.kin(&known(vec![declared(), with(true, Some(tie))], 0)).interests;
        assert!(interests == tied(tie) && interests.conflict(), "{tie}");
    }
    assert_eq!([none, unsaid, undeclared(none)].map(|one| one.conflict()), [false, true, true]);
}

#[test]
fn an_order_in_force_comes_first() {
    let book = book();
    let standing = standing(0);
    let judge = Judge::new(&book, &standing, time(NOW));
    type Days = (i8, i8);
    let (now, then, soon, long) = ((7, 7), (1, 1), (9, 9), (2, 12));
    let order = |(id, to, (from, until)): &(&str, &str, Days)| Fact::Order {
        resident: somebody(),
        order: CourtOrder {
            id: (*id).to_owned(),
            to: word(to),
            fields: vec![word("health/summary")],
            from: date(2026, *from, 1),
            until: date(2026, *until, 28),
            sealed_copy: true,
        },
        copy_sha256: None,
    };
    let mine = "befriend";
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str, Days)], Option<&'a str>);
    let cases: &[Case<'_>] = &[
        ("none", &[], None),
        ("another's", &[("A", "oakdale-gp", now)], None),
        ("one", &[("A", mine, now)], Some("A")),
        ("one that is over is said to be over", &[("A", mine, then)], Some("A")),
        ("a coming one hides none", &[("A", mine, now), ("B", mine, soon)], Some("A")),
        ("a short one hides no long one", &[("A", mine, long), ("B", mine, then)], Some("A")),
        ("the order of recording is no matter", &[("B", mine, soon), ("A", mine, now)], Some("A")),
        ("of two in force the later", &[("B", mine, now), ("A", mine, long)], Some("B")),
        ("one reference to two", &[("A", mine, now), ("A", "oakdale-gp", now)], Some("A")),
    ];
    for (what, orders, wanted) in cases {
        let facts = orders.iter().map(order).collect();
        let found = judge.order(&known(facts, 0), &word(mine)).map(|order| order.id);
        assert_eq!(found.as_deref(), *wanted, "{what}");
    }
}

#[test]
fn every_custodian_who_closed_the_location_must_let_it_out() {
    let book = book();
    let standing = standing(0);
    let judge = Judge::new(&book, &standing, time(NOW));
    let flag = |agency: &str, flag: &str, set| Fact::Flag {
        resident: somebody(),
        flag: word(flag),
        agency: word(agency),
        set,
    };
    let release = |agency: &str, to: &str, field: &str, until| Fact::Release {
        resident: somebody(),
        agency: word(agency),
        release: CustodianRelease { fields: vec![word(field)], to: word(to), until },
    };
    let (home, address) = ("contact/home", "contact/home.address");
    let (live, over) = (date(2026, 7, 15), date(2026, 7, 14));
    let refuge = || flag("harbour-refuge", "in-refuge", true);
    let trust = || flag("northfield-hospital", "s-flag", true);
    let mine = "befriend";
    for (what, facts, out) in [
        ("nobody closed it", vec![release("harbour-refuge", mine, home, live)], 1),
        ("the custodian", vec![refuge(), release("harbour-refuge", mine, home, live)], 1),
        ("to another", vec![refuge(), release("harbour-refuge", "oakdale-gp", home, live)], 0),
        ("over", vec![refuge(), release("harbour-refuge", mine, home, over)], 0),
        ("no custodian", vec![refuge(), release("oakdale-gp", mine, home, live)], 0),
        ("one of two", vec![refuge(), trust(), release("harbour-refuge", mine, home, live)], 0),
        (
            "both, one more than the other",
            vec![
                refuge(),
                trust(),
                release("harbour-refuge", mine, home, live),
                release("northfield-hospital", mine, address, live),
            ],
            1,
        ),
        (
            "one has opened it again",
            vec![
                refuge(),
                flag("northfield-hospital", "s-flag", false),
                release("harbour-refuge", mine, home, live),
            ],
            1,
        ),
    ] {
        assert_eq!(judge.releases(&known(facts, 0), &word(mine)).len(), out, "{what}");
    }
}
