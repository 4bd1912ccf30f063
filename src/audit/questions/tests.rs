//! Questions on entries made by hand: what counts, what does not, and where the edge is.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::*;
use crate::domain::PurposeId;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A release of one person to another, for direct care.
fn entry(kind: Kind, officer: u8, about: u8, facets: &[(Facet, &str)]) -> Entry {
    let mut all = BTreeMap::from([
        (Facet::Purpose, "direct_care".to_owned()),
        (Facet::Outcome, "PERMIT".to_owned()),
    ]);
    all.extend(facets.iter().map(|(facet, words)| (*facet, (*words).to_owned())));
    Entry {
        event: DecisionId::from_uuid(Uuid::from_u128(7)),
        kind,
        rpc: "test".to_owned(),
        call: DecisionId::from_uuid(Uuid::from_u128(7)),
        part: 1,
        parts: 1,
        agency: "oakdale-gp".parse().ok(),
        principal: [officer; 16],
        policy: [0; 32],
        facets: all,
        slots: BTreeMap::from([(SlotId::Subject, vec![about; 16])]),
    }
}

/// The rows of an answer, of entries by pass with their times.
fn answer(name: &str, told: &Parameters, entries: &[(usize, &str, Entry)]) -> Vec<Vec<String>> {
    let question = Question::named(name).unwrap();
    let mut plan = question.plan(told).unwrap();
    for pass in 0..plan.passes.len() {
        for (index, (of, at, entry)) in (0..).zip(entries) {
            if *of == pass {
                plan.fold.take(pass, &Seen { index, at: time(at), entry });
            }
        }
    }
    let rows = plan.fold.rows();
    assert!(rows.iter().all(|row| row.len() == plan.columns.len()), "{name}: {rows:?}");
    rows
}

fn told() -> Parameters {
    Parameters::at(time("2026-07-20T12:00:00Z"))
}

#[test]
fn names_are_distinct_and_say_what_they_ask() {
    let names: BTreeSet<_> = ALL.iter().map(|one| one.name).collect();
    assert_eq!(names.len(), ALL.len());
    for one in ALL {
        assert!(std::ptr::eq(Question::named(one.name).unwrap(), one));
        assert!(one.asks.ends_with('?'), "{}", one.name);
        assert!(one.needs.iter().all(|need| !one.takes.contains(need)), "{}", one.name);
    }
    assert!(Question::named("").is_none());
}

#[test]
fn what_is_told_must_fit_the_question() {
    let field = Parameters { released: "a/b.c".parse().ok(), ..told() };
    let table = [
        ("received-field", told(), Some(Parameter::Released)),
        ("received-field", field.clone(), None),
        ("who-read-the-log", field, Some(Parameter::Released)),
        ("bursts", Parameters { hours: Some(2), ..told() }, None),
        ("breadth", Parameters { hours: Some(2), ..told() }, Some(Parameter::Hours)),
    ];
    for (name, told, wrong) in table {
        let plan = Question::named(name).unwrap().plan(&told);
        assert_eq!(plan.err().map(|(parameter, _)| parameter), wrong, "{name}");
    }
}

#[test]
fn an_override_is_open_until_a_review_closes_it() {
    let released = || entry(Kind::Disclose, 1, 1, &[(Facet::Override, "VITAL")]);
    let review = |what: &str, about: &str, request: &str| {
        let mut one = entry(Kind::Review, 2, 1, &[(Facet::What, what), (Facet::Review, about)]);
        one.slots.insert(SlotId::Request, request.as_bytes().to_vec());
        one
    };
    let own = "00000000-0000-0000-0000-000000000007";
    let other = "00000000-0000-0000-0000-000000000008";
    let table = [
        ("nothing", None, true),
        ("a review", Some(review("reviewed", own, "{}")), false),
        ("a review of another release", Some(review("reviewed", other, "{}")), true),
        ("the duty", Some(review("met", own, r#"{"duty":"REVIEW_BY"}"#)), false),
        ("another duty", Some(review("met", own, r#"{"duty":"NOTIFY_SUBJECT"}"#)), true),
        ("a duty that says nothing", Some(review("met", own, "")), true),
        ("an approval", Some(review("approved", own, "{}")), true),
    ];
    for (what, review, open) in table {
        let mut entries = vec![(0, "2026-07-19T12:00:00Z", released())];
        entries.extend(review.map(|review| (1, "2026-07-19T13:00:00Z", review)));
        let rows = answer("break-glass-unreviewed", &told(), &entries);
        assert_eq!(!rows.is_empty(), open, "{what}");
    }
    let fresh = [(0, "2026-07-19T12:00:01Z", released())];
    assert!(answer("break-glass-unreviewed", &told(), &fresh).is_empty(), "a day is not over");
}

#[test]
fn a_consent_counts_for_its_resident_kind_and_purpose_until_it_is_taken_back() {
    let purpose: PurposeId = "direct_care".parse().unwrap();
    let consent = |state: &str, about: u8, kind: &str, purpose: &str| {
        let mut one = entry(Kind::Choice, 3, about, &[]);
        let event = serde_json::json!({
            "kind": kind, "state": state, "at": "2026-07-01T00:00:00Z", "until": "2027-07-01",
            "purposes": [purpose], "recipients": [], "fields": null, "by": "Own", "evidence": true,
            "gillick": false, "freely_given": true, "parts": [],
        });
        let mut event: crate::domain::ConsentEvent = serde_json::from_value(fixed(event)).unwrap();
        event.evidence = true;
        one.slots.insert(SlotId::Request, serde_json::to_vec(&event).unwrap());
        one
    };
    let released = || entry(Kind::Disclose, 1, 1, &[(Facet::Rules, "N1|N2")]);
    let kind = ConsentKind::ConfidentialityExplicit;
    let told = Parameters { consents: BTreeMap::from([("N2".parse().unwrap(), kind)]), ..told() };
    let (own, direct) = ("confidentiality_explicit", purpose.as_str());
    let table: Vec<(&str, Vec<Entry>, bool)> = vec![
        ("never asked", vec![], false),
        ("given", vec![consent("given", 1, own, direct)], false),
        (
            "withdrawn",
            vec![consent("given", 1, own, direct), consent("withdrawn", 1, own, direct)],
            true,
        ),
        (
            "given, and again",
            vec![consent("given", 1, own, direct), consent("renewed", 1, own, direct)],
            false,
        ),
        ("refused", vec![consent("refused", 1, own, direct)], true),
        (
            "given again",
            vec![consent("withdrawn", 1, own, direct), consent("given", 1, own, direct)],
            false,
        ),
        ("somebody else's", vec![consent("withdrawn", 2, own, direct)], false),
        ("another kind", vec![consent("withdrawn", 1, "participation", direct)], false),
        ("another purpose", vec![consent("withdrawn", 1, own, "befriending")], false),
    ];
    let day = "2026-07-15T12:00:00Z";
    for (what, said, found) in table {
        let mut entries: Vec<_> = said.into_iter().map(|one| (0, day, one)).collect();
        entries.push((1, day, released()));
        // What comes after the release is no matter.
        entries.push((0, day, consent("withdrawn", 1, own, direct)));
        let rows = answer("after-consent-withdrawal", &told, &entries);
        assert_eq!(!rows.is_empty(), found, "{what}: {rows:?}");
        let other = Parameters { consents: BTreeMap::new(), ..told.clone() };
        let rows = answer("after-consent-withdrawal", &other, &entries);
        assert!(rows.is_empty(), "{what}: no rule needs a consent");
    }
    // Only what relied on such a rule is read; what relied on two is one row.
    let consents = ["N1", "N2"].map(|rule| (rule.parse().unwrap(), kind)).into();
    let question = Question::named("after-consent-withdrawal").unwrap();
    let Plan { passes, mut fold, .. } = question.plan(&Parameters { consents, ..told }).unwrap();
    let rules: Vec<_> = passes.iter().skip(1).map(|reads| reads.facets.clone()).collect();
    assert_eq!(rules, ["N1", "N2"].map(|rule| vec![(Facet::Rules, rule.to_owned())]));
    let withdrawn = consent("withdrawn", 1, own, direct);
    for (pass, entry) in [(0, &withdrawn), (1, &released()), (2, &released())] {
        let index = u64::from(pass > 0);
        fold.take(pass, &Seen { index, at: time(day), entry });
    }
    assert_eq!(fold.rows().len(), 1);
}

/// The words of a consent as they are written down.
fn fixed(mut event: serde_json::Value) -> serde_json::Value {
    let giver = serde_json::to_value(crate::domain::Giver::Own).unwrap();
    event.as_object_mut().unwrap().insert("by".to_owned(), giver);
    event
}

#[test]
fn a_burst_counts_different_residents_within_the_window() {
    let at = |minute: u8| format!("2026-07-15T10:{minute:02}:00Z");
    let seen = |minutes: &[(u8, u8)]| -> Vec<(usize, String, Entry)> {
        minutes.iter().map(|(m, who)| (0, at(*m), entry(Kind::Disclose, 1, *who, &[]))).collect()
    };
    let told = Parameters { hours: Some(1), least: Some(3), ..told() };
    type Minutes = Vec<(u8, u8)>;
    let table: Vec<(&str, Minutes, bool)> = vec![
        ("three at once", vec![(0, 1), (0, 2), (0, 3)], true),
        ("one three times", vec![(0, 1), (1, 1), (2, 1)], false),
        ("two and one again", vec![(0, 1), (1, 2), (59, 1)], false),
        ("three in 59 minutes", vec![(0, 1), (30, 2), (59, 3)], true),
        ("nobody", vec![(0, 0), (0, 0), (0, 0)], false),
    ];
    for (what, minutes, found) in table {
        let entries = seen(&minutes);
        let entries: Vec<_> =
            entries.iter().map(|(pass, at, entry)| (*pass, at.as_str(), entry.clone())).collect();
        assert_eq!(!answer("bursts", &told, &entries).is_empty(), found, "{what}");
    }
    let slow = [
        (0, "2026-07-15T10:00:00Z", entry(Kind::Disclose, 1, 1, &[])),
        (0, "2026-07-15T10:30:00Z", entry(Kind::Disclose, 1, 2, &[])),
        (0, "2026-07-15T11:00:00Z", entry(Kind::Disclose, 1, 3, &[])),
    ];
    assert!(answer("bursts", &told, &slow).is_empty(), "the first has left the window");
}

#[test]
fn hours_are_those_of_the_place() {
    let told = Parameters { zone: TimeZone::get("Europe/London").unwrap(), ..told() };
    for (at, odd) in [
        ("2026-07-15T05:59:59Z", true),
        ("2026-07-15T06:00:00Z", false),
        ("2026-07-15T18:59:59Z", false),
        ("2026-07-15T19:00:00Z", true),
        ("2026-07-17T23:30:00Z", true),
        ("2026-07-18T12:00:00Z", true),
        ("2026-07-19T12:00:00Z", true),
        ("2026-01-15T06:59:59Z", true),
        ("2026-01-15T07:00:00Z", false),
    ] {
        let entries = [(0, at, entry(Kind::Disclose, 1, 1, &[]))];
        assert_eq!(!answer("out-of-hours", &told, &entries).is_empty(), odd, "{at}");
    }
}
