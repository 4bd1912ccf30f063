use uuid::Uuid;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn id(n: u128) -> DecisionId {
    DecisionId::from_uuid(Uuid::from_u128(n))
}

/// An entry of the surgery about somebody whom the council holds.
fn entry(kind: Kind, about: u8, facets: &[(Facet, &str)]) -> Entry {
    let mut all = BTreeMap::from([
        (Facet::Purpose, "safeguarding_child".to_owned()),
        (Facet::Holder, "northfield-council".to_owned()),
    ]);
    all.extend(facets.iter().map(|(facet, words)| (*facet, (*words).to_owned())));
    Entry {
        event: id(7),
        kind,
        rpc: "test".to_owned(),
        call: id(7),
        part: 1,
        parts: 1,
        agency: "oakdale-gp".parse().ok(),
        principal: [1; 16],
        policy: [0; 32],
        facets: all,
        slots: BTreeMap::from([(SlotId::Subject, vec![about; 16])]),
    }
}

const DENY: (Facet, &str) = (Facet::Outcome, "DENY");
const PERMIT: (Facet, &str) = (Facet::Outcome, "PERMIT");
const PARTIAL: (Facet, &str) = (Facet::Outcome, "PARTIAL");
const REFER: (Facet, &str) = (Facet::Outcome, "REFER");
const NO_BASIS: (Facet, &str) = (Facet::Codes, "WHY_NO_BASIS");

#[test]
fn a_row_is_what_was_not_given_or_done_and_nothing_else() {
    let check = |kind, facets: &[(Facet, &str)], expected: Option<(Sort, &[&str])>| {
        let found = RegisterRow::of(3, at("2026-07-15T10:00:00Z"), &entry(kind, 1, facets));
        let found = found.as_ref().map(|row| (row.sort, row.codes.clone()));
        let expected = expected.map(|(sort, codes)| {
            (sort, codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>())
        });
        assert_eq!(found, expected, "{kind:?} {facets:?}");
    };
    check(Kind::Refuse, &[DENY, NO_BASIS], Some((Sort::Refused, &["WHY_NO_BASIS"])));
    let two = (Facet::Codes, "A|B");
    check(Kind::Refuse, &[REFER, two], Some((Sort::Referred, &["A", "B"])));
    check(Kind::Disclose, &[PARTIAL, NO_BASIS], Some((Sort::Withheld, &["WHY_NO_BASIS"])));
    check(Kind::Disclose, &[PERMIT], None);
    check(Kind::Query, &[DENY, NO_BASIS], None);
    // Turned down before anything was decided.
    check(Kind::Refuse, &[NO_BASIS], None);
    let silent = (Facet::What, "silent");
    check(Kind::Report, &[silent, DENY], Some((Sort::Reported, &["silent"])));
    let overdue = [(Facet::What, "overdue"), (Facet::Duties, "REVIEW_BY")];
    check(Kind::Review, &overdue, Some((Sort::Late, &["REVIEW_BY"])));
    check(Kind::Review, &[(Facet::What, "met"), (Facet::Duties, "REVIEW_BY")], None);
}

#[test]
fn age_is_in_whole_days() {
    let row = RegisterRow::of(3, at("2026-07-15T10:00:00Z"), &entry(Kind::Report, 1, &[])).unwrap();
    for (until, days) in [
        ("2026-07-15T10:00:00Z", 0),
        ("2026-07-16T09:59:59Z", 0),
        ("2026-07-16T10:00:00Z", 1),
        ("2027-07-15T10:00:00Z", 365),
        ("2026-07-01T10:00:00Z", 0),
    ] {
        assert_eq!(row.days(at(until)), days, "{until}");
    }
}

/// The figure of one holder, sort and code.
fn figure(
    entries: &[(&str, Entry)],
    counted_until: &str,
    of: (&str, Sort, &str),
) -> Option<Figure> {
    let mut made = Figures::default();
    for (index, (time, entry)) in (0..).zip(entries) {
        made.take(index, at(time), entry, at(time) < at(counted_until));
    }
    let mut all = made.finish(at("2026-08-01T00:00:00Z"));
    all.remove(&(of.0.to_owned(), of.1, of.2.to_owned()))
}

#[test]
fn figures_count_by_holder_and_code_and_know_what_was_given_since() {
    let refused = |about| entry(Kind::Refuse, about, &[DENY, NO_BASIS]);
    let given = |about, fields| entry(Kind::Disclose, about, &[PERMIT, (Facet::Released, fields)]);
    let withheld =
        [PARTIAL, NO_BASIS, (Facet::Withheld, "a/b.c|a/b.d"), (Facet::Released, "x/y.z")];
    let mut elsewhere = given(2, "a/b.c");
    elsewhere.facets.insert(Facet::Holder, "oakdale-gp".to_owned());
    let mut another_purpose = given(2, "a/b.c");
    another_purpose.facets.insert(Facet::Purpose, "direct_care".to_owned());
    let mut another_asker = given(2, "a/b.c");
    another_asker.agency = "northfield-police".parse().ok();
    let entries = [
        ("2026-07-01T00:00:00Z", refused(1)),
        ("2026-07-02T00:00:00Z", refused(2)),
        ("2026-07-03T00:00:00Z", refused(3)),
        ("2026-07-04T00:00:00Z", given(1, "a/b.c")),
        ("2026-07-04T00:00:00Z", given(4, "a/b.c")),
        // None of these gives the surgery what it was refused about the second.
        ("2026-07-04T00:00:00Z", elsewhere),
        ("2026-07-04T00:00:00Z", another_purpose),
        ("2026-07-04T00:00:00Z", another_asker),
        ("2026-07-05T00:00:00Z", entry(Kind::Disclose, 5, &withheld)),
        ("2026-07-06T00:00:00Z", given(5, "a/b.c")),
        // After the time that is counted: it settles, and is not counted.
        ("2026-07-20T00:00:00Z", given(3, "a/b.c")),
        ("2026-07-21T00:00:00Z", refused(6)),
    ];
    let council =
        |sort, code| figure(&entries, "2026-07-15T00:00:00Z", ("northfield-council", sort, code));
    let found = council(Sort::Refused, "WHY_NO_BASIS").unwrap();
    let expected = Figure { count: 3, of: 9, alarms: 0, open: 1, median_days: 30, oldest_days: 30 };
    assert_eq!(found, expected);
    // One of two withheld fields came later: the other is still open.
    let found = council(Sort::Withheld, "WHY_NO_BASIS").unwrap();
    assert_eq!((found.count, found.of, found.open, found.oldest_days), (1, 9, 1, 27));
    let mut whole = entries.to_vec();
    whole.push(("2026-07-22T00:00:00Z", given(5, "a/b.d")));
    let of = ("northfield-council", Sort::Withheld, "WHY_NO_BASIS");
    assert_eq!(figure(&whole, "2026-07-15T00:00:00Z", of).unwrap().open, 0);
    assert_eq!(council(Sort::Refused, "OTHER"), None);
}

#[test]
fn duties_and_reports_have_figures_of_their_own() {
    let released = entry(Kind::Disclose, 1, &[PERMIT, (Facet::Duties, "REVIEW_BY|NOTIFY_HOLDER")]);
    let of = id(9).to_string();
    let mut late = entry(
        Kind::Review,
        1,
        &[(Facet::What, "overdue"), (Facet::Duties, "REVIEW_BY"), (Facet::Review, &of)],
    );
    late.agency = None;
    let report = entry(Kind::Report, 2, &[(Facet::What, "silent"), (Facet::Alarm, "yes"), DENY]);
    let entries = [
        ("2026-07-01T00:00:00Z", released.clone()),
        ("2026-07-01T00:00:00Z", released),
        ("2026-07-11T00:00:00Z", late),
        ("2026-07-12T00:00:00Z", report),
    ];
    let mut made = Figures::default();
    for (index, (time, entry)) in (0..).zip(&entries) {
        made.take(index, at(time), entry, true);
    }
    let waiting: Vec<_> = made.late().cloned().collect();
    assert_eq!(waiting, [(id(9), "REVIEW_BY".to_owned())]);
    let key = |sort, code: &str| ("northfield-council".to_owned(), sort, code.to_owned());
    let found =
        figure(&entries, "2027-01-01T00:00:00Z", ("northfield-council", Sort::Late, "REVIEW_BY"));
    let found = found.unwrap();
    assert_eq!((found.count, found.of, found.open, found.oldest_days), (1, 2, 1, 21));
    made.met(&waiting[0]);
    let all = made.finish(at("2026-08-01T00:00:00Z"));
    assert_eq!(
        (all[&key(Sort::Late, "REVIEW_BY")].count, all[&key(Sort::Late, "REVIEW_BY")].open),
        (1, 0)
    );
    let silent = &all[&key(Sort::Reported, "silent")];
    assert_eq!((silent.count, silent.of, silent.alarms, silent.open), (1, 0, 1, 1));
}

#[test]
fn of_whom_nothing_can_be_told_any_more_nothing_is_open() {
    let mut erased = entry(Kind::Refuse, 1, &[DENY, NO_BASIS]);
    erased.slots.clear();
    let of = ("northfield-council", Sort::Refused, "WHY_NO_BASIS");
    let found = figure(&[("2026-07-01T00:00:00Z", erased)], "2027-01-01T00:00:00Z", of).unwrap();
    assert_eq!((found.count, found.open), (1, 0));
}

#[test]
fn a_word_that_nothing_has_is_told_with_the_nearest() {
    for word in ["refused", "silent", Code::ALL[0].as_str(), Duty::ALL[0].as_str()] {
        assert_eq!(read_why(word).as_deref(), Ok(word));
    }
    assert!(read_why("silnet").unwrap_err().contains("`silent`"));
    assert!(read_why("").is_err() && read_why(&"x".repeat(10_000)).is_err());
}
