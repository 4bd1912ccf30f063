//! Three views of one answer: the three kinds of no kept apart, and nothing said that must stay closed.

use std::collections::BTreeSet;

use super::Answer;
use crate::policy::PolicySnapshot;
use crate::policy::book::Effect;
use crate::policy::load::load;
use crate::policy::scenario::{Case, Request, parse};
use crate::policy::tests::shipped;

fn policy() -> PolicySnapshot {
    PolicySnapshot::build(load(&shipped()).unwrap()).unwrap()
}

fn nurse(fields: &str, given: &[&str]) -> Request {
    Request {
        agency: "northfield-hospital".to_owned(),
        role: "nurse".to_owned(),
        person: None,
        purpose: "direct_care".to_owned(),
        from: "oakdale-gp".to_owned(),
        fields: vec![fields.to_owned()],
        as_of: Some("2026-07-15".to_owned()),
        given: given.iter().map(|text| (*text).to_owned()).collect(),
        ask: Vec::new(),
    }
}

fn case(policy: &PolicySnapshot, request: &Request) -> Case {
    request.case(policy.book(), "2026-07-15T09:00:00Z".parse().unwrap()).unwrap()
}

#[test]
fn the_three_kinds_of_no_are_kept_apart() {
    let policy = policy();
    let kinds = ["no rule speaks of it:", "a condition failed:", "a hard stop applies:"];
    let check = |request: &Request, kind: usize, words: &[&str]| {
        let case = case(&policy, request);
        let text = Answer::new(&policy, &case.ask, &case.facts, case.at).dpo();
        for (i, phrase) in kinds.iter().enumerate() {
            assert_eq!(text.contains(phrase), i == kind, "{phrase}\n{text}");
        }
        for word in words {
            assert!(text.contains(word), "{word}\n{text}");
        }
    };
    let field = "health/summary.allergies";
    let role = Request { role: "police-officer".to_owned(), ..nurse(field, &[]) };
    check(
        &role,
        0,
        &["nearest N01 (rules/isa-care.csv:3): column role holds", "WHO_ROLE_NOT_ALLOWED"],
    );
    let purpose = Request { purpose: "debt_recovery".to_owned(), ..nurse("identity/core", &[]) };
    check(&purpose, 0, &["column purpose holds", "asked was \"debt_recovery\"", "may see nothing"]);
    check(
        &nurse(field, &["requester.relationship=false"]),
        1,
        &[
            "nearest N01 (rules/isa-care.csv:3), 1 of 17 conditions short:",
            "asking: Is nothing in the way",
            "the case allocator: have the case allocated to you",
            "satisfied: when, role, field, category,",
        ],
    );
    let lapsed = ["agreements.isa-care.end=2026-07-14", "requester.relationship=false"];
    check(
        &nurse(field, &lapsed),
        1,
        &["2 of 17 conditions short", "Column agreement holds \"isa-care\"", "AGR_EXPIRED"],
    );
    check(
        &nurse(field, &["resident.flags=[\"sealed\"]"]),
        2,
        &["B1 (rules/00-never.csv:7)", "BAR_SEALED", "only the hard stop stands in its way"],
    );
    let debt = Request { purpose: "debt_recovery".to_owned(), ..nurse(field, &[]) };
    check(&debt, 2, &["V1 (rules/00-never.csv:3)", "PUR_INCOMPATIBLE"]);
}

/// Whatever is closed looks to the desk, and to the resident's own page, like nothing at all.
#[test]
fn a_sealed_record_reads_like_an_unknown_person() {
    let policy = policy();
    let told = |given: &[&str]| {
        let case = case(&policy, &nurse("health/summary", given));
        let answer = Answer::new(&policy, &case.ask, &case.facts, case.at);
        (answer.desk(), answer.resident())
    };
    let unknown = told(&["resident.match=none"]);
    assert!(unknown.0.contains("SUBJ_NOT_AVAILABLE"));
    for flags in ["[\"sealed\"]", "[\"protected-person\"]", "[\"sealed\", \"in-refuge\"]"] {
        assert_eq!(told(&[&format!("resident.flags={flags}")]), unknown, "{flags}");
    }
    assert_ne!(told(&[]), unknown);
}

#[test]
fn no_view_but_the_officers_says_what_must_not_be_said() {
    let policy = policy();
    let book = policy.book();
    let closed: BTreeSet<&str> = book
        .codes
        .iter()
        .filter(|(_, meaning)| !meaning.spoken_to_requester)
        .map(|(code, _)| code.as_str())
        .collect();
    let stops = book.rules.iter().filter(|rule| rule.effect == Effect::Deny);
    let closed: Vec<&str> = closed.into_iter().chain(stops.map(|r| r.because.as_str())).collect();
    let (mut hidden, mut silent) = (0, 0);
    for (name, bytes) in shipped() {
        if !name.starts_with("scenarios/") {
            continue;
        }
        for case in parse(std::str::from_utf8(&bytes).unwrap(), book).unwrap() {
            let answer = Answer::new(&policy, &case.ask, &case.facts, case.at);
            let resident = answer.resident();
            silent += usize::from(resident.is_none());
            assert_eq!(resident.is_none(), case.ask.do_not_tell.is_some(), "{}", case.id);
            let full = answer.dpo();
            for text in [answer.desk(), resident.unwrap_or_default()] {
                for word in &closed {
                    assert!(!text.contains(word), "{}: {word}\n{text}", case.id);
                    hidden += usize::from(full.contains(word));
                }
            }
        }
    }
    assert!(hidden > 20 && silent > 0, "{hidden} hidden, {silent} silent");
}

#[test]
fn the_resident_reads_who_what_for_what_why_and_what_to_do() {
    let policy = policy();
    let consent = "consents=[{ kind = \"confidentiality_explicit\", state = \"given\", at = 2026-06-01, \
                   purposes = [\"medical_priority\"], recipients = [\"northfield-council-housing\"] }]";
    let request = Request {
        agency: "northfield-council-housing".to_owned(),
        role: "housing-officer".to_owned(),
        purpose: "medical_priority".to_owned(),
        ..nurse("health/support.support_needs_summary", &[consent])
    };
    let case = case(&policy, &request);
    let text = Answer::new(&policy, &case.ask, &case.facts, case.at).resident().unwrap();
    for words in [
        "Who asked: Northfield Council, housing options and tenancies",
        "Whom: Oakdale GP Practice, on 2026-07-15.",
        "What for: medical priority in housing allocation.",
        "What was given about you: support needs summary (health, support).",
        "Why: medical priority in housing allocation; the law allows it (Housing Act 1996 Part 6); you \
         agreed, and that is good until 2027-06-01.",
        "take your agreement back",
        "Information Commissioner",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn a_request_with_a_wrong_word_is_refused_with_the_nearest() {
    let policy = policy();
    let now = "2026-07-15T09:00:00Z".parse().unwrap();
    let check = |request: Request, says: &str| {
        let problem = request.case(policy.book(), now).unwrap_err();
        assert!(problem.contains(says), "{problem}");
    };
    let base = || nurse("health/summary", &[]);
    let word = |text: &str| text.to_owned();
    check(
        Request { agency: word("northfield-hospitl"), ..base() },
        "Nearest: \"northfield-hospital\"",
    );
    check(Request { role: word("nurs"), ..base() }, "Nearest: \"nurse\"");
    check(Request { purpose: word("directcare"), ..base() }, "Nearest: \"direct_care\"");
    check(Request { from: word("oakdale"), ..base() }, "Nearest: \"oakdale-gp\"");
    check(nurse("health/sumary", &[]), "Nearest: \"health/summary\"");
    for day in ["soon", "2026-13-01", "2026-07-15T10:00:00", ""] {
        check(Request { as_of: Some(word(day)), ..base() }, "is no day such as 2026-07-15");
    }
    check(nurse("health/summary", &["resident.flags"]), "not of the form key=value");
    check(nurse("health/summary", &["a b=1"]), "is no key");
    check(nurse("health/summary", &["resident.flgs=[]"]), "Nearest: `flags`");
    check(nurse("health/summary", &["resident.flags=[\"seald\"]"]), "is in no vocabulary");
    check(Request { ask: vec![word("thresold=\"x\"")], ..base() }, "Nearest: `threshold`");
}

#[test]
fn a_request_says_when_and_what_is_given() {
    let policy = policy();
    let at = |as_of: Option<&str>| {
        let request = Request { as_of: as_of.map(str::to_owned), ..nurse("health/summary", &[]) };
        case(&policy, &request).at.to_string()
    };
    assert_eq!(at(None), "2026-07-15T09:00:00Z");
    assert_eq!(at(Some("2026-01-02")), "2026-01-02T00:00:00Z");
    assert_eq!(at(Some("2026-07-02T10:00:00+01:00")), "2026-07-02T09:00:00Z");
    let stated = Request {
        ask: vec!["threshold=harm is likely".to_owned(), "subjects=7".to_owned()],
        ..nurse("health/summary", &["resident.capacity=lacks", "requester.self=true"])
    };
    let case = case(&policy, &stated);
    assert_eq!(case.ask.threshold.as_deref(), Some("harm is likely"));
    assert_eq!(case.ask.subjects, 7);
    assert_eq!(case.facts.resident.capacity.as_str(), "lacks");
    assert!(case.facts.requester.is_self);
    // Years from now nobody's training has lapsed merely for want of being mentioned.
    let later = Request { as_of: Some("2031-01-01".to_owned()), ..nurse("health/summary", &[]) };
    let decision = {
        let case = super::tests::case(&policy, &later);
        Answer::new(&policy, &case.ask, &case.facts, case.at).dpo()
    };
    assert!(!decision.contains("WHO_TRAINING_LAPSED"), "{decision}");
}
