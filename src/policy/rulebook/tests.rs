//! The reading views say what the decisions do, and their files are well formed.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    Filter, article_30, html, links, markdown, public_register, roles_by_data, seen, tidied,
    why_not,
};
use crate::policy::PolicySnapshot;
use crate::policy::book::RuleBook;
use crate::policy::decision::FieldOutcome;
use crate::policy::load::{Files, load};
use crate::policy::prose;
use crate::policy::scenario::parse;
use crate::policy::tests::{edited, shipped};

fn book() -> RuleBook {
    load(&shipped()).unwrap()
}

fn at(day: &str) -> Timestamp {
    format!("{day}T12:00:00Z").parse().unwrap()
}

/// Whatever a scenario releases, the table has; and on that day it is open there.
#[test]
fn whatever_is_released_stands_in_the_table() {
    let policy = PolicySnapshot::build(book()).unwrap();
    let book = policy.book();
    let mut released = 0;
    for (name, bytes) in shipped() {
        if !name.starts_with("scenarios/") {
            continue;
        }
        for case in parse(std::str::from_utf8(&bytes).unwrap(), book).unwrap() {
            let decision = policy.decide(&case.ask, &case.facts, case.at);
            let who = &case.facts.requester;
            let filter = Filter {
                agency: Some(who.agency.to_string()),
                purpose: Some(case.ask.purpose.to_string()),
                ..Filter::default()
            };
            let rows = seen(book, &filter, case.at).unwrap();
            let plain = case.facts.amendments == Default::default();
            for (field, outcome) in &decision.fields {
                let FieldOutcome::Released(path) = outcome else { continue };
                let row =
                    rows.iter().find(|row| row.rule.id == path.rule && row.fields.contains(&field));
                let row = row.unwrap_or_else(|| panic!("{}: {field} under {}", case.id, path.rule));
                assert!(row.roles().contains(&who.role.as_str()), "{}", case.id);
                let lifted = path.override_used.is_some() || path.granted;
                assert!(lifted || !plain || row.lapsed.is_empty(), "{}: {:?}", case.id, row.lapsed);
                released += 1;
            }
        }
    }
    assert!(released > 200, "{released}");
}

#[test]
fn the_table_is_narrowed_and_knows_the_day() {
    let book = book();
    let check = |filter: Filter, day: &str, rules: &[&str], open: bool| {
        let rows = seen(&book, &filter, at(day)).unwrap();
        let found: BTreeSet<&str> = rows.iter().map(|row| row.rule.id.as_str()).collect();
        assert_eq!(found, rules.iter().copied().collect(), "{filter:?}");
        for row in &rows {
            assert_eq!(row.lapsed.is_empty(), open, "{filter:?} {day} {:?}", row.lapsed);
            assert!(!row.fields.is_empty());
        }
    };
    let word = |text: &str| Some(text.to_owned());
    let befriend = || Filter { agency: word("befriend"), ..Filter::default() };
    check(befriend(), "2026-07-15", &["N22"], true);
    check(befriend(), "2027-03-31", &["N22"], false);
    check(befriend(), "2025-03-31", &["N22"], false);
    check(Filter { category: word("refuge/stay"), ..befriend() }, "2026-07-15", &[], true);
    check(Filter { field: word("identity/core.name"), ..befriend() }, "2026-07-15", &["N22"], true);
    check(Filter { field: word("identity/core.language"), ..befriend() }, "2026-07-15", &[], true);
    check(Filter { purpose: word("debt_recovery"), ..Filter::default() }, "2026-07-15", &[], true);
    let referral = || Filter { purpose: word("homelessness_referral"), ..Filter::default() };
    check(referral(), "2027-04-01", &["N24"], true);
    check(referral(), "2001-01-01", &["N24"], false);
}

/// A hard stop that asks for nothing takes its fields out of the table.
#[test]
fn what_is_never_shared_is_in_no_table() {
    let stop = "p, V9, befriend, *, befriending, identity/core, -, -, *, -, -, -, -, -, -, -, *, -, \
                PUR_NOT_COVERED, a test, deny\n# end 11 rows";
    let files = edited("rules/00-never.csv", "# end 10 rows", stop);
    let filter = Filter { agency: Some("befriend".to_owned()), ..Filter::default() };
    let has = |book: &RuleBook| {
        let rows = seen(book, &filter, at("2026-07-15")).unwrap();
        rows.iter().any(|row| row.category.as_str() == "identity/core")
    };
    assert!(has(&book()));
    assert!(!has(&load(&files).unwrap()));
}

#[test]
fn why_not_says_which_of_the_three_has_no_rule() {
    let book = book();
    let check = |words: [&str; 3], role: Option<&str>, says: &[&str]| {
        let text = why_not(&book, words[0], words[1], words[2], role).unwrap();
        for line in says {
            assert!(text.contains(line), "{line}\n{text}");
        }
    };
    check(
        ["northshire-police", "debt_recovery", "health/summary"],
        None,
        &[
            "a hard stop applies, V1 (rules/00-never.csv:3)",
            "any rule for debt_recovery: none",
            "may see nothing for debt_recovery",
        ],
    );
    check(
        ["befriend", "befriending", "refuge/stay"],
        None,
        &[
            "no rule lets befriend see refuge/stay for befriending:",
            "befriend on refuge/stay: none",
            "befriend for befriending: N22",
            "N22 (charity-worker): contact/home, health/support, identity/core",
        ],
    );
    check(
        ["befriend", "befriending", "identity/core"],
        Some("nurse"),
        &["any rule for befriend / nurse: none", "befriend / nurse may see nothing"],
    );
    let speaks = ["befriend", "befriending", "identity/core"];
    check(speaks, Some("charity-worker"), &["rules speak of it: N22."]);
    let wrong = |words: [&str; 3], role, says: &str| {
        let problem = why_not(&book, words[0], words[1], words[2], role).unwrap_err();
        assert!(problem.contains(says), "{problem}");
    };
    wrong(["befrend", "befriending", "identity/core"], None, "Nearest: \"befriend\"");
    wrong(["befriend", "befrending", "identity/core"], None, "Nearest: \"befriending\"");
    wrong(["befriend", "befriending", "identity/cor"], None, "Nearest: \"identity/core\"");
    wrong(["befriend", "befriending", "identity/core"], Some("nurs"), "Nearest: \"nurse\"");
}

#[test]
fn agreements_and_rules_are_held_against_each_other() {
    let check = |files: &Files, day: &str, says: &[&str], not: &[&str]| {
        let book = load(files).unwrap();
        let text = links(&book, at(day)).unwrap().text();
        for line in says {
            assert!(text.contains(line), "{line}\n{text}");
        }
        for line in not {
            assert!(!text.contains(line), "{line}\n{text}");
        }
    };
    let files = shipped();
    let quiet = ["no rule rests on it", "but no rule of it opens", "stops its rules"];
    let resting = [
        "agreement isa-care: rules N01 N02 N03 N04",
        "N24 (rules/statutory.csv:7) rests on no agreement",
    ];
    check(&files, "2026-07-15", &resting, &quiet);
    check(&files, "2027-04-01", &["agreement isa-care stops its rules: AGR_EXPIRED"], &[]);
    let mut more = shipped();
    more.insert("agreements/isa-empty.toml".to_owned(), more["agreements/isa-care.toml"].clone());
    let idle =
        ["agreement isa-empty: no rule rests on it", "isa-empty names direct_care, but no rule"];
    check(&more, "2026-07-15", &idle, &[]);
    let suspended =
        edited("agreements/isa-care.toml", "status = \"live\"", "status = \"suspended\"");
    check(&suspended, "2026-07-15", &["isa-care stops its rules: AGR_SUSPENDED"], &[]);
}

#[test]
fn an_agreement_reads_as_on_paper() {
    let book = book();
    let (id, about) = book.agreements.get_key_value("isa-befriend").unwrap();
    let text = prose::agreement(&book, id, about);
    for words in [
        "Befriend (charity)",
        "companionship for adults (befriending)",
        "from 2025-04-01 to 2027-03-31",
        "N22 (rules/isa-befriend.csv:3): a befriender whom the resident explicitly agreed to",
        "support needs summary (health, support)",
        "Care Act 2014 ss6 7 (CARE-6-7)",
        "ground: consent:gdpr_art9_explicit",
        "the resident's choice: art18",
        "a sealed record is closed to everybody (B1)",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    // Nothing of another agreement.
    assert!(!text.contains("N01"), "{text}");
}

#[test]
fn the_public_page_is_whole_and_escaped() {
    let mut book = book();
    book.place.name = "<script>alert(\"x\")</script> & Co | here".to_owned();
    let day = at("2026-07-15");
    let page = html(&book, day).unwrap();
    assert!(!page.contains("<script"), "a name became a tag");
    assert!(page.contains("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; Co"));
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en-GB\">"));
    for (tag, other) in
        [("<table>", "<caption>"), ("<tr>", "</tr>"), ("<th scope=\"row\">", "</tr>\n<t")]
    {
        assert!(page.contains(tag) && page.contains(other), "{tag} {other}");
    }
    assert_eq!(page.matches("<table>").count(), page.matches("<caption>").count());
    assert_eq!(page.matches("<h1>").count(), 1);
    let text = markdown(&book, day).unwrap();
    for said in [&page, &text] {
        assert!(said.contains(&hex::encode(book.hash)) && said.contains("as of 2026-07-15"));
        for rule in &book.rules {
            assert!(said.contains(rule.id.as_str()), "{}", rule.id);
        }
        for agreement in book.agreements.keys() {
            assert!(said.contains(agreement.as_str()), "{agreement}");
        }
    }
}

#[test]
fn the_registers_are_tables_without_formulas() {
    let files = edited(
        "agreements/isa-fraud.toml",
        "owner = \"Head of internal audit\"",
        "owner = '=1+1,\"x\"'",
    );
    let book = load(&files).unwrap();
    let day = at("2026-07-15");
    let read = |text: &str| -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        let lines = reader.records().map(|line| line.unwrap().iter().map(str::to_owned).collect());
        lines.collect()
    };
    for text in [
        article_30(&book, day).unwrap(),
        public_register(&book, day).unwrap(),
        roles_by_data(&book, day).unwrap(),
    ] {
        let lines = read(&text);
        assert!(lines.len() > 2);
        for line in &lines[1..] {
            assert_eq!(line[0], hex::encode(book.hash));
            assert_eq!(line[1], "2026-07-15");
            assert!(line.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@'])), "{line:?}");
        }
    }
    let register = read(&public_register(&book, day).unwrap());
    let gateways: BTreeSet<&str> = register[1..].iter().map(|line| line[2].as_str()).collect();
    assert_eq!(gateways, BTreeSet::from(["DEA-35", "DEA-56"]));
    assert!(register.iter().any(|line| line.contains(&"'=1+1,\"x\"".to_owned())));
    let article = read(&article_30(&book, day).unwrap());
    let rules: BTreeSet<&str> = article[1..].iter().map(|line| line[21].as_str()).collect();
    let allows = book.rules.iter().filter(|rule| rule.code.is_none());
    assert_eq!(rules, allows.map(|rule| rule.id.as_str()).collect());
}

#[test]
fn tidying_changes_spaces_and_nothing_else() {
    let check = |name: &str, text: &str, tidy: Option<&str>| {
        assert_eq!(tidied(name, text).as_deref(), tidy, "{name} {text:?}");
    };
    let rules = "rules/a.csv";
    check(rules, "p,a ,  b\n", Some("p, a, b\n"));
    check(rules, "p, \"a, b\" ,c\r\n\n", Some("p, \"a, b\", c\n\n"));
    check(rules, "p, \"a\", b\n", Some("p, a, b\n"));
    check(rules, "  # a  comment, as it is \n", Some("# a  comment, as it is\n"));
    check(rules, "#end  3 row\n", Some("# end 3 rows\n"));
    check(rules, "p, \"a\n", None);
    check(rules, "p, \"a\" b\n", None);
    check("promises.csv", "never,a\n", Some("never, a\n"));
    check("words/a.csv", "a, b ,\"c, d\",\n", Some("a,b,\"c, d\",\n"));
    for name in ["model.conf", "place.toml", "agreements/a.toml", "README.md", "a.csv"] {
        check(name, "a ,b\n", None);
    }
    let mut files = shipped();
    for (name, bytes) in &mut files {
        if let Some(tidy) = tidied(name, std::str::from_utf8(bytes).unwrap()) {
            assert_eq!(tidied(name, &tidy).as_ref(), Some(&tidy), "{name}");
            *bytes = tidy.into_bytes();
        }
    }
    let said = |book: RuleBook| format!("{:?}", RuleBook { hash: [0; 32], ..book });
    assert_eq!(said(load(&files).unwrap()), said(book()));
}
