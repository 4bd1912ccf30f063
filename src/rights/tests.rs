//! The shipped tables, and the strictest of several lines.

use proptest::prelude::*;

use super::*;
use crate::policy::load::load_dir;

fn book() -> RuleBook {
    load_dir(std::path::Path::new("policies")).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const NOW: &str = "2026-07-15T09:00:00Z";

fn release(purpose: &str) -> Release {
    Release {
        at: at(NOW),
        holder: "oakdale-gp".parse().unwrap(),
        recipient: "northfield-hospital".parse().unwrap(),
        purpose: Some(purpose.parse().unwrap()),
        override_kind: None,
        categories: BTreeSet::from(["health/summary".parse().unwrap()]),
        gateways: BTreeSet::new(),
        rules: BTreeSet::new(),
        agreements: BTreeSet::new(),
        untold: false,
    }
}

fn days(n: i64) -> Timestamp {
    at(NOW) + SignedDuration::from_hours(24 * n)
}

#[test]
fn each_line_of_the_shipped_table_counts() {
    let book = book();
    type Change = fn(&mut Release);
    let plain: Change = |_| {};
    let table: [(&str, &str, Change, Seen); 11] = [
        ("care", "direct_care", plain, Seen::Visible),
        ("a purpose", "child_protection", plain, Seen::Sealed(days(90))),
        ("delayed", "fraud_match", plain, Seen::Delayed(days(90))),
        (
            "an override",
            "direct_care",
            |r| r.override_kind = Some("SAFEGUARD_ADULT".parse().unwrap()),
            Seen::Sealed(days(90)),
        ),
        (
            "a delay by an override",
            "direct_care",
            |r| r.override_kind = Some("VITAL".parse().unwrap()),
            Seen::Delayed(days(3)),
        ),
        (
            "a category",
            "direct_care",
            |r| r.categories = BTreeSet::from(["refuge/stay".parse().unwrap()]),
            Seen::Sealed(days(180)),
        ),
        (
            "a giver that must not be named",
            "direct_care",
            |r| r.holder = "harbour-refuge".parse().unwrap(),
            Seen::Sealed(days(180)),
        ),
        (
            "a recipient that must not be named",
            "direct_care",
            |r| r.recipient = "harbour-refuge".parse().unwrap(),
            Seen::Sealed(days(180)),
        ),
        ("do not tell", "direct_care", |r| r.untold = true, Seen::Sealed(days(90))),
        (
            "an agency that has left",
            "direct_care",
            |r| r.holder = "gone".parse().unwrap(),
            Seen::Sealed(days(180)),
        ),
        ("a purpose that is gone", "direct_care", |r| r.purpose = None, Seen::Sealed(days(0))),
    ];
    for (what, purpose, change, expected) in table {
        let mut one = release(purpose);
        change(&mut one);
        assert_eq!(seen(&book, &one, None, at(NOW)), expected, "{what}");
    }
    assert_eq!(seen(&book, &release("fraud_match"), None, days(90)), Seen::Visible);
    assert_eq!(seen(&book, &release("child_protection"), None, days(900)), Seen::Sealed(days(90)));
}

#[test]
fn a_person_s_word_counts_over_the_table() {
    let book = book();
    let sealed = release("child_protection");
    assert_eq!(seen(&book, &sealed, Some(Ruling::Show), at(NOW)), Seen::Visible);
    let again = Some(Ruling::Seal(days(30)));
    assert_eq!(seen(&book, &release("direct_care"), again, at(NOW)), Seen::Sealed(days(30)));
}

#[test]
fn a_folder_without_the_tables_shows_nothing() {
    let mut bare = book();
    bare.visibility = Default::default();
    assert!(matches!(seen(&bare, &release("direct_care"), None, at(NOW)), Seen::Sealed(_)));
    let mut mute = book();
    mute.telling = Default::default();
    assert!(matches!(seen(&mute, &release("direct_care"), None, at(NOW)), Seen::Sealed(_)));
    let shown = seen(&mute, &release("child_protection"), Some(Ruling::Show), at(NOW));
    assert!(matches!(shown, Seen::Sealed(_)), "what cannot be said is not shown");
}

#[test]
fn a_release_is_told_in_both_languages() {
    let book = book();
    let mut one = release("direct_care");
    one.categories.insert("contact/home".parse().unwrap());
    one.gateways.insert("CA89-17".parse().unwrap());
    let told = told(&book, &one).unwrap();
    assert_eq!(
        told.sentence.en,
        "Oakdale GP Practice gave Northfield Hospital NHS Trust: where you live and how to reach you and a summary of your \
         health. Why: your own health or care. Under: Children Act 1989 ss17 27."
    );
    assert_eq!(told.laws, ["Children Act 1989 ss17 27"]);
    assert!(
        told.sentence
            .cy
            .starts_with("Rhoddodd Oakdale GP Practice i Northfield Hospital NHS Trust: ")
    );
    assert!(!told.sentence.cy.contains('{') && !told.sentence.en.contains('{'));
}

#[test]
fn a_name_that_looks_like_a_place_stays_a_name() {
    let text = filled("{holder} {recipient} {what} {why} {under}", ["{what}", "b", "c", "d", "e"]);
    assert_eq!(text, "{what} b c d e");
}

proptest! {
    /// Another reason to seal never shows more.
    #[test]
    fn more_reasons_never_show_more(
        purpose in prop::sample::select(
            book().purposes.keys().map(|p| p.as_str().to_owned()).collect::<Vec<_>>(),
        ),
        category in prop::sample::select(
            book().categories.keys().map(|c| c.as_str().to_owned()).collect::<Vec<_>>(),
        ),
        kind in prop::sample::select(
            book().overrides.keys().map(|o| o.as_str().to_owned()).collect::<Vec<_>>(),
        ),
        untold in any::<bool>(),
        hidden in any::<bool>(),
    ) {
        thread_local!(static BOOK: RuleBook = book());
        BOOK.with(|book| {
            let less = release(&purpose);
            let mut more = less.clone();
            more.categories.insert(category.parse().unwrap());
            more.override_kind = Some(kind.parse().unwrap());
            more.untold = untold;
            if hidden {
                more.holder = "harbour-refuge".parse().unwrap();
            }
            assert!(rule(book, &more).sight >= rule(book, &less).sight);
        });
    }
}
