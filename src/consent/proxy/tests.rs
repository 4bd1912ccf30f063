use std::path::Path;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::{ConsentKind, ConsentState};
use crate::policy::load::load_dir;

/// Read once for all the cases of a property.
static BOOK: std::sync::OnceLock<RuleBook> = std::sync::OnceLock::new();

fn book() -> RuleBook {
    load_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")).unwrap()
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// Noon of a day, in the zone of the place.
fn noon(text: &str) -> Timestamp {
    format!("{text}T12:00:00Z").parse().unwrap()
}

fn id(n: u128) -> DecisionId {
    DecisionId::from_uuid(Uuid::from_u128(n))
}

fn proxy(kind: Giver) -> Proxy {
    let grant = ProxyGrant {
        kind,
        evidence: "court-order".parse().unwrap(),
        seen: day("2020-01-01"),
        from: day("2020-01-01"),
        until: None,
        purposes: None,
        fields: None,
    };
    Proxy { id: id(1), grant, ended: None }
}

fn whom(born: &str, capacity: Capacity) -> Whom {
    Whom { born: Some(day(born)), died: None, capacity }
}

#[test]
fn parental_responsibility_narrows_and_ends_by_itself() {
    let book = book();
    let parent = proxy(Giver::Parent);
    let at = |born: &str, on: &str| powers(&book, &parent, whom(born, Capacity::Has), noon(on));
    for (born, on, voice, portal) in [
        ("2015-07-15", "2026-07-14", Voice::All, true),
        ("2015-07-15", "2026-07-15", Voice::Ordinary, false),
        ("2010-07-15", "2026-07-14", Voice::Ordinary, false),
        ("2010-07-15", "2026-07-15", Voice::None, false),
        ("2008-07-15", "2026-07-14", Voice::None, false),
        ("2008-07-15", "2026-07-15", Voice::None, false),
        // Born on a leap day: a year older on 1 March of a common year, on the day itself of a leap year.
        ("2016-02-29", "2027-02-28", Voice::All, true),
        ("2016-02-29", "2027-03-01", Voice::Ordinary, false),
        ("2012-02-29", "2028-02-28", Voice::Ordinary, false),
        ("2012-02-29", "2028-02-29", Voice::None, false),
        ("2012-02-29", "2030-02-28", Voice::None, false),
        ("2012-02-29", "2030-03-01", Voice::None, false),
        ("2084-02-29", "2100-02-28", Voice::Ordinary, false),
        ("2084-02-29", "2100-03-01", Voice::None, false),
    ] {
        let found = at(born, on);
        assert_eq!((found.voice, found.portal), (voice, portal), "born {born}, on {on}");
    }
    let nobody_knows = Whom { born: None, died: None, capacity: Capacity::Has };
    assert_eq!(powers(&book, &parent, nobody_knows, noon("2026-07-15")), Powers::NONE);
}

#[test]
fn attorneys_and_deputies_speak_only_while_capacity_is_lacking() {
    use Capacity::{Has, InDoubt, Lacks};
    let book = book();
    let voice = |kind, born: &str, capacity| {
        powers(&book, &proxy(kind), whom(born, capacity), noon("2026-07-15")).voice
    };
    for kind in [Giver::AttorneyHw, Giver::DeputyHw] {
        assert_eq!(voice(kind, "1950-01-01", Lacks), Voice::All);
        assert_eq!(voice(kind, "1950-01-01", InDoubt), Voice::None);
        assert_eq!(voice(kind, "1950-01-01", Has), Voice::None);
        assert_eq!(voice(kind, "2010-07-16", Lacks), Voice::None, "fifteen");
        assert_eq!(voice(kind, "2010-07-15", Lacks), Voice::All, "sixteen today");
    }
    assert_eq!(voice(Giver::AttorneyPf, "1950-01-01", Lacks), Voice::Money);
    assert_eq!(voice(Giver::AttorneyPf, "1950-01-01", InDoubt), Voice::Money);
    assert_eq!(voice(Giver::AttorneyPf, "1950-01-01", Has), Voice::None);
    for kind in [Giver::Appointee, Giver::Advocate] {
        for capacity in [Has, InDoubt, Lacks] {
            assert_eq!(voice(kind, "1950-01-01", capacity), Voice::None);
            assert_eq!(voice(kind, "2018-01-01", capacity), Voice::None);
        }
    }
}

#[test]
fn a_voice_covers_its_fields() {
    let book = book();
    let covers = |voice: Voice, field: &str| {
        let field: FieldId = field.parse().unwrap();
        voice.covers(&book, &field, &book.fields[&field])
    };
    for (field, ordinary, money) in [
        ("identity/core.name", true, false),
        ("health/summary.allergies", false, false),
        ("child/protection.concern", false, false),
        ("benefits/awards.award_code", true, true),
        ("housing/tenancy.tenancy_status", true, true),
        ("housing/need.medical_priority_letter", false, true),
    ] {
        let found = [Voice::None, Voice::Ordinary, Voice::Money, Voice::All];
        let found = found.map(|voice| covers(voice, field));
        assert_eq!(found, [false, ordinary, money, true], "{field}");
    }
}

#[test]
fn every_power_ends() {
    let book = book();
    let born = Some(day("1950-01-01"));
    let mut one = proxy(Giver::AttorneyHw);
    one.grant.from = day("2026-01-01");
    one.grant.until = Some(day("2026-12-31"));
    one.ended = Some(noon("2026-07-15"));
    let halt = |one: &Proxy, died, at| stands(&book, one, born, died, at).err();
    assert_eq!(halt(&one, None, noon("2025-12-31")), Some(Halt::NotYet));
    assert_eq!(halt(&one, None, noon("2026-01-01")), None);
    let just = noon("2026-07-15") - jiff::SignedDuration::from_nanos(1);
    assert_eq!(halt(&one, None, just), None);
    assert_eq!(halt(&one, None, noon("2026-07-15")), Some(Halt::Ended));
    one.ended = None;
    assert_eq!(halt(&one, None, noon("2026-12-31")), None);
    assert_eq!(halt(&one, None, noon("2027-01-01")), Some(Halt::LastDay));
    let died = Some(day("2026-03-01"));
    assert_eq!(halt(&one, died, noon("2026-02-28")), None);
    assert_eq!(halt(&one, died, noon("2026-03-01")), Some(Halt::Death));
    let mut before = book.clone();
    before.proxies.clear();
    let found = stands(&before, &one, born, None, noon("2026-02-01")).err();
    assert_eq!(found, Some(Halt::NotInPolicy));
}

fn event(by: Giver, on: &str) -> ConsentEvent {
    ConsentEvent {
        kind: ConsentKind::ConfidentialityExplicit,
        state: ConsentState::Given,
        at: noon(on),
        until: day("2030-01-01"),
        purposes: BTreeSet::from(["early_help".parse().unwrap()]),
        recipients: BTreeSet::from(["befriend".parse().unwrap()]),
        fields: Some(vec!["early-help/notes.plan".parse().unwrap()]),
        by,
        evidence: true,
        gillick: false,
        freely_given: true,
        parts: BTreeSet::new(),
        collected: Default::default(),
        proxy: Some(id(1)),
    }
}

#[test]
fn an_event_rests_on_a_proxy_who_could_speak_so_then() {
    let book = book();
    let child = Some(day("2014-05-05"));
    let parent = proxy(Giver::Parent);
    let found = |proxy: &Proxy, event: &ConsentEvent, born| {
        backed(&book, std::slice::from_ref(proxy), event, born, None).err()
    };
    let yes = event(Giver::Parent, "2026-07-01");
    assert_eq!(found(&parent, &yes, child), None);
    let unnamed = ConsentEvent { proxy: None, ..yes.clone() };
    assert_eq!(found(&parent, &unnamed, child), Some(Unbacked::NoProxy));
    let other = ConsentEvent { proxy: Some(id(2)), ..yes.clone() };
    assert_eq!(found(&parent, &other, child), Some(Unbacked::Unknown));
    let deputy = event(Giver::DeputyHw, "2026-07-01");
    assert_eq!(found(&parent, &deputy, child), Some(Unbacked::OtherKind));
    assert_eq!(found(&parent, &yes, Some(day("2010-07-02"))), None, "sixteen tomorrow");
    assert_eq!(found(&parent, &yes, Some(day("2010-07-01"))), Some(Unbacked::OwnVoice));
    let grown = Some(day("2008-07-01"));
    assert_eq!(found(&parent, &yes, grown), Some(Unbacked::Halted(Halt::Outgrown)));
    let early = event(Giver::Parent, "2019-12-31");
    assert_eq!(found(&parent, &early, child), Some(Unbacked::Halted(Halt::NotYet)));
    let advocate = event(Giver::Advocate, "2026-07-01");
    assert_eq!(found(&proxy(Giver::Advocate), &advocate, child), Some(Unbacked::Voiceless));

    let limit = |purposes: &[&str], fields: &[&str]| {
        let mut one = parent.clone();
        one.grant.purposes = Some(purposes.iter().map(|p| p.parse().unwrap()).collect());
        one.grant.fields = Some(fields.iter().map(|f| f.parse().unwrap()).collect());
        one
    };
    let notes = ["early-help/notes"];
    assert_eq!(found(&limit(&["early_help"], &notes), &yes, child), None);
    assert_eq!(found(&limit(&["befriending"], &notes), &yes, child), Some(Unbacked::Limits));
    let other = ["education/record"];
    assert_eq!(found(&limit(&["early_help"], &other), &yes, child), Some(Unbacked::Limits));
    let all = ConsentEvent { fields: None, ..yes.clone() };
    assert_eq!(found(&limit(&["early_help"], &notes), &all, child), Some(Unbacked::Limits));
    let own = ConsentEvent { by: Giver::Own, proxy: None, ..yes };
    assert_eq!(found(&parent, &own, child), None, "a resident needs nobody");
}

#[test]
fn a_proxy_ended_as_of_before_takes_later_words_along() {
    let book = book();
    let child = Some(day("2014-05-05"));
    let mut parent = proxy(Giver::Parent);
    parent.ended = Some(noon("2026-06-01"));
    let invalid =
        ConsentEvent { state: ConsentState::Invalidated, ..event(Giver::Parent, "2026-07-02") };
    let unseen = ConsentEvent { evidence: false, ..event(Giver::Parent, "2026-05-02") };
    let own = ConsentEvent { by: Giver::Own, ..event(Giver::Parent, "2026-07-02") };
    let mut events = vec![
        event(Giver::Parent, "2026-05-01"),
        event(Giver::Parent, "2026-07-01"),
        invalid,
        unseen,
        own,
    ];
    weigh(&book, &[parent], &mut events, child, None);
    let evidence: Vec<bool> = events.iter().map(|event| event.evidence).collect();
    assert_eq!(evidence, [true, false, true, false, true]);
}

#[test]
fn the_earliest_end_counts() {
    let grant = ChoiceEvent::ProxyGranted(proxy(Giver::Parent).grant);
    let end = |of, on: &str| ChoiceEvent::ProxyEnded { of, at: noon(on) };
    let events = vec![
        (id(1), grant.clone()),
        (id(2), grant),
        (id(3), end(id(1), "2026-07-01")),
        (id(4), end(id(1), "2026-06-01")),
        (id(5), end(id(9), "2026-05-01")),
    ];
    let ended: Vec<_> = proxies(&events).into_iter().map(|one| (one.id, one.ended)).collect();
    assert_eq!(ended, [(id(1), Some(noon("2026-06-01"))), (id(2), None)]);
}

#[test]
fn parents_who_do_not_agree_are_found() {
    let said = |who, state, on: &str| ConsentEvent {
        proxy: Some(id(who)),
        state,
        ..event(Giver::Parent, on)
    };
    use ConsentState::{Given, Refused, Withdrawn};
    let check = |events: &[ConsentEvent], wanted: &[(u128, u128)]| {
        let wanted: BTreeSet<_> = wanted.iter().map(|(a, b)| (id(*a), id(*b))).collect();
        assert_eq!(disagreements(events), wanted);
    };
    let yes = said(1, Given, "2026-07-02");
    check(&[said(2, Refused, "2026-07-01"), yes.clone()], &[(1, 2)]);
    check(&[yes.clone(), said(2, Withdrawn, "2026-07-03")], &[(1, 2)]);
    check(&[yes.clone(), said(1, Refused, "2026-07-03")], &[]);
    check(&[said(2, Refused, "2026-07-01"), yes.clone(), said(2, Given, "2026-07-03")], &[]);
    check(&[said(2, Refused, "2026-07-01"), yes.clone(), said(1, Withdrawn, "2026-07-03")], &[]);
    let elsewhere = ConsentEvent {
        recipients: BTreeSet::from(["dwp-northshire".parse().unwrap()]),
        ..said(2, Refused, "2026-07-01")
    };
    check(&[elsewhere, yes.clone()], &[]);
    let unseen = ConsentEvent { evidence: false, ..said(2, Refused, "2026-07-01") };
    check(&[unseen, yes], &[]);
}

proptest! {
    /// A power, once ended, does not come back by itself as days go by; a voice only narrows for a child.
    #[test]
    fn powers_only_narrow_with_age(born in 0_i64..12_000, first in 0_i64..9_000, more in 0_i64..4_000) {
        let book = BOOK.get_or_init(book);
        let start = day("1995-01-01");
        let after = |days: i64| start.checked_add(jiff::Span::new().days(days)).unwrap();
        let born = Some(after(born));
        let whom = Whom { born, died: None, capacity: Capacity::Lacks };
        let mut parent = proxy(Giver::Parent);
        parent.grant.from = day("1990-01-01");
        let rank = |at: Date| {
            let noon = noon(&at.to_string());
            match powers(book, &parent, whom, noon) {
                Powers { voice: Voice::All, .. } => 3,
                Powers { voice: Voice::Ordinary, .. } => 2,
                Powers { .. } => 0,
            }
        };
        let on = after(4_000 + first);
        prop_assert!(rank(after(4_000 + first + more)) <= rank(on));
    }
}
