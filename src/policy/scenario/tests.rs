//! The format of scenario files: what is refused, and what must be read.

use super::parse;
use crate::policy::load::load;
use crate::policy::tests::shipped;

const CASE: &str = r#"[[scenario]]
id = "a"
title = "t"
why = "w"
given.requester = { agency = "northfield-hospital", role = "nurse" }
ask = { from = "oakdale-gp", purpose = "direct_care", fields = ["health/summary.allergies"] }
want = { outcome = "PERMIT" }
"#;

fn with(from: &str, to: &str) -> String {
    assert!(CASE.contains(from), "the case holds no {from:?}");
    CASE.replacen(from, to, 1)
}

#[test]
fn an_accident_in_a_file_is_refused() {
    let book = load(&shipped()).unwrap();
    let check = |text: &str| assert!(parse(text, &book).is_err(), "accepted:\n{text}");
    for text in ["", "# x\n", "scenario = []\n"] {
        check(text);
    }
    check(&format!("{CASE}{CASE}"));
    check(&format!("version = 1\n{CASE}"));
    check(&format!("{CASE}note = \"x\"\n"));
    check(&format!("{CASE}x = \n"));
    check(&format!("{CASE}[[scenario.step]]\nwant = {{ outcome = \"DENY\" }}\n"));
    for (from, to) in [
        ("id = \"a\"\n", ""),
        ("\"a\"", "\"\""),
        ("\"a\"", "1"),
        ("northfield-hospital", "nc-housing"),
        ("\"nurse\"", "\"nurs\""),
        (", role = \"nurse\"", ""),
        ("oakdale-gp", "oakdale"),
        ("direct_care", "directcare"),
        ("summary.allergies", "summary.allergy"),
        ("[\"health/summary.allergies\"]", "\"health/summary.allergies\""),
        (", fields = [\"health/summary.allergies\"]", ""),
        ("ask =", "aks ="),
        ("want = { outcome = \"PERMIT\" }\n", ""),
        ("want = { outcome = \"PERMIT\" }\n", "step = []\n"),
        ("want = { outcome = \"PERMIT\" }\n", "[[scenario.step]]\nat = 2026-07-15\n"),
        ("{ outcome = \"PERMIT\" }", "[\"PERMIT\"]"),
        ("why =", "at = \"2026-07-15 10h\"\nwhy ="),
        ("why =", "at = 2026-07-15T10:00:00\nwhy ="),
        ("why =", "at = 5\nwhy ="),
    ] {
        check(&with(from, to));
    }
    for more in ["rolle = 1", "account_ends = \"soon\"", "training_until = \"2026-13-01\""] {
        check(&with("role =", &format!("{more}, role =")));
    }
    for more in [
        "purpos = 1",
        "subjects = -1",
        "subjects = 1.5",
        "basis = \"6-1-z\"",
        "cites = \"X-1\"",
        "received_for = \"x\"",
        "override = { answers = {} }",
        "override = { kind = \"X\", answers = {} }",
        "override = { kind = \"VITAL\", answers = {}, x = 1 }",
        "override = { kind = \"VITAL\", answers = { x = \"y\" } }",
        "override = { kind = \"VITAL\", answers = { immediate_risk = 1 } }",
        "override = { kind = \"VITAL\", answers = {}, approver = { person = \"p\" } }",
    ] {
        check(&with("purpose =", &format!("{more}, purpose =")));
    }
    for more in [
        "outcome = \"ALLOW\"",
        "outcome = \"permit\"",
        "never = [\"AGR_NONE\"]",
        "outcme = \"PERMIT\"",
        "codes = [\"AGR_NOPE\"]",
        "codes = \"AGR_NONE\"",
        "not_codes = [\"AGR_NOPE\"]",
        "duties = [\"NOPE\"]",
        "gateway = \"NOPE\"",
        "permitted = [\"health/summary.x\"]",
        "withheld = { \"health/nope\" = \"AGR_NONE\" }",
        "withheld = { \"health/summary.allergies\" = \"NOPE\" }",
        "withheld = [\"health/summary.allergies\"]",
        "requester = { nope = 1 }",
        "requester = { requester = {} }",
        "duty_alarm = \"yes\"",
    ] {
        check(&with("outcome = \"PERMIT\"", more));
    }
    for (key, value) in [
        ("resident", "{ nme = \"x\" }"),
        ("resident", "{ flags = [\"seald\"] }"),
        ("resident", "{ match = \"maybe\" }"),
        ("resident", "{ capacity = \"some\" }"),
        ("resident", "{ born = 2026-02-30 }"),
        ("resident", "{ born = \"2010-01-01T00:00:00+01:00\" }"),
        ("resident", "{ born = 2010-01-01T00:00:00 }"),
        ("consent", "[]"),
        ("consents", "{ kind = \"participation\" }"),
        ("choices", "[{ kind = \"x\", on = 2026-01-01 }]"),
        ("choices", "[{ kind = \"ndo\" }]"),
        ("choices", "[{ kind = \"art21\", on = 2026-01-01 }]"),
        ("choices", "[{ kind = \"ndo\", on = 2026-01-01, purpose = \"marac\" }]"),
        ("agreements.isa-x", "{ status = \"none\" }"),
        ("agreements.isa-care", "{ stauts = \"none\" }"),
        ("agreements.isa-care", "{ status = \"dead\" }"),
        ("agreements.isa-care", "{ without_parties = [\"x\"] }"),
        ("agreements.isa-care", "{ without_categories = [\"x/y\"] }"),
        ("gateways.X", "{ in_force_to = 2026-01-01 }"),
        ("gateways.CARE-42", "{ to = 2026-01-01 }"),
        ("suspended", "[\"x\"]"),
        ("registered", "[\"x\"]"),
        ("order", "{ id = \"x\", to = \"oakdale-gp\", fields = [], from = 2026-01-01 }"),
        ("custodian_release", "[{ fields = [\"contact/home\"], to = \"x\", until = 2026-01-01 }]"),
        ("policy", "{ age = 1 }"),
    ] {
        check(&with("ask =", &format!("given.{key} = {value}\nask =")));
    }
    let event = "kind = \"participation\", state = \"given\", at = 2026-07-01, \
                 purposes = [\"marac\"], recipients = [\"befriend\"]";
    let given = |event: &str| with("ask =", &format!("given.consents = [{{ {event} }}]\nask ="));
    assert!(parse(&given(event), &book).is_ok(), "the event itself is well formed");
    for (from, to) in [
        ("participation", "partcipation"),
        ("\"given\"", "\"yes\""),
        ("at = 2026-07-01, ", ""),
        ("\"marac\"", "\"marak\""),
        (", recipients = [\"befriend\"]", ""),
        ("state", "by = \"mum\", state"),
        ("state", "x = 1, state"),
        ("state", "parts = [\"notices\"], state"),
        ("state", "until = \"2026-07-31T10:00:00+01:00\", state"),
    ] {
        check(&given(&event.replacen(from, to, 1)));
    }
}

#[test]
fn every_way_to_write_a_case_is_read() {
    let book = load(&shipped()).unwrap();
    let at = |text: &str| {
        let cases = parse(text, &book).unwrap_or_else(|why| panic!("{why:?}:\n{text}"));
        cases.first().map(|case| case.at.to_string()).unwrap_or_default()
    };
    assert_eq!(at(CASE), "2026-07-15T09:00:00Z");
    assert_eq!(at(&CASE.replace('\n', "\r\n")), "2026-07-15T09:00:00Z");
    for (written, read) in [
        ("2026-07-15", "2026-07-14T23:00:00Z"),
        ("\"2026-01-15\"", "2026-01-15T00:00:00Z"),
        ("2026-07-15 10:00:00+01:00", "2026-07-15T09:00:00Z"),
        ("\"2026-07-15T10:00Z\"", "2026-07-15T10:00:00Z"),
        ("\"2026-07-15T10:00:00.5+05:30\"", "2026-07-15T04:30:00.5Z"),
        ("\"1969-12-31T23:59:59Z\"", "1969-12-31T23:59:59Z"),
    ] {
        assert_eq!(at(&with("why =", &format!("at = {written}\nwhy ="))), read, "{written}");
    }
    at(&with("oakdale-gp", "oakdale").replace("why =", "unknown_words = [\"oakdale\"]\nwhy ="));
}
