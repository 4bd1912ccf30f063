//! Every way in which a yes is not to what was asked.

use std::path::Path;

use super::*;
use crate::domain::{Collected, ConsentState, Giver};

fn book() -> RuleBook {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut book = crate::policy::load::load_dir(&root).unwrap();
    // An older version of one of them, in English only, for more.
    let notice = book.notices.get_mut("befriending").unwrap();
    let mut old = notice.versions.remove(&1).unwrap();
    let mut new = old.clone();
    old.last_day = Some(jiff::civil::date(2026, 6, 30));
    new.first_day = jiff::civil::date(2026, 7, 1);
    new.wordings.remove(&Language::Cy);
    new.purposes.insert("early_help".parse().unwrap());
    notice.versions.extend([(1, old), (2, new)]);
    book
}

fn yes() -> ConsentEvent {
    ConsentEvent {
        kind: ConsentKind::GdprArt9Explicit,
        state: ConsentState::Given,
        at: "2026-07-15T09:00:00Z".parse().unwrap(),
        until: jiff::civil::date(2027, 7, 15),
        purposes: ["befriending".parse().unwrap()].into(),
        recipients: ["befriend".parse().unwrap()].into(),
        fields: None,
        by: Giver::Own,
        evidence: true,
        gillick: false,
        freely_given: true,
        parts: [].into(),
        collected: Collected::default(),
    }
}

fn named(id: &str, version: u32, language: Language) -> NoticeRef {
    NoticeRef { id: id.parse().unwrap(), version, language }
}

#[test]
fn a_yes_to_what_was_asked_keeps_the_hash_of_the_wording() {
    let book = book();
    let zone = &book.place.zone;
    let one = named("befriending", 2, Language::En);
    let found = shown(&book, &yes(), Some(&one), zone).unwrap().unwrap();
    assert_eq!(
        (found.id.as_str(), found.version, found.language),
        ("befriending", 2, one.language)
    );
    let wording = &book.notices["befriending"].versions[&2].wordings[&Language::En];
    assert_eq!(found.wording, wording.hash());
    let other = crate::policy::book::Wording { refuse: "Nothing.".to_owned(), ..wording.clone() };
    assert_ne!(other.hash(), wording.hash());
    // Both days of a version count, in the place's own zone.
    for (at, version) in [("2026-06-30T22:59:59Z", 1), ("2026-06-30T23:00:00Z", 2)] {
        let event = ConsentEvent { at: at.parse().unwrap(), ..yes() };
        for (tried, fits) in [(version, true), (3 - version, false)] {
            let one = named("befriending", tried, Language::En);
            assert_eq!(shown(&book, &event, Some(&one), zone).is_ok(), fits, "{at} {tried}");
        }
    }
}

#[test]
fn each_fault_is_named() {
    let book = book();
    type Spoil = fn(&mut ConsentEvent);
    let table: [(&str, u32, Language, Spoil, &str, NoticeError); 7] = [
        ("befrending", 2, Language::En, |_| {}, "notice.id", NoticeError::Unknown),
        ("befriending", 3, Language::En, |_| {}, "notice.version", NoticeError::NoVersion),
        ("befriending", 1, Language::En, |_| {}, "notice.version", NoticeError::NotInForce),
        ("befriending", 2, Language::Cy, |_| {}, "notice.language", NoticeError::NoLanguage),
        (
            "befriending",
            2,
            Language::En,
            |e| e.kind = ConsentKind::Participation,
            "kind",
            NoticeError::OtherKind,
        ),
        (
            "befriending",
            2,
            Language::En,
            |e| {
                e.purposes.insert("marac".parse().unwrap());
            },
            "purposes[1]",
            NoticeError::OtherPurpose,
        ),
        ("early-help", 1, Language::En, |_| {}, "purposes[0]", NoticeError::OtherPurpose),
    ];
    for (id, version, language, spoil, field, error) in table {
        let mut event = yes();
        spoil(&mut event);
        let one = named(id, version, language);
        let wrong = shown(&book, &event, Some(&one), &book.place.zone).unwrap_err();
        assert!(wrong.contains(&(field.to_owned(), error)), "{field} {error}: {wrong:?}");
    }
}

#[test]
fn only_what_was_asked_for_needs_a_wording() {
    let book = book();
    let wrong = |event: &ConsentEvent| shown(&book, event, None, &book.place.zone).err();
    let needed = Some(vec![("notice".to_owned(), NoticeError::Needed)]);
    for state in ConsentState::ALL {
        let event = ConsentEvent { state: *state, ..yes() };
        assert_eq!(wrong(&event), needed.clone().filter(|_| state.is_yes()), "{state}");
    }
    for kind in ConsentKind::ALL {
        let event = ConsentEvent { kind: *kind, ..yes() };
        let asked = *kind != ConsentKind::ConfidentialityImplied;
        assert_eq!(wrong(&event), needed.clone().filter(|_| asked), "{kind}");
    }
}
