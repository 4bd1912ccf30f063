//! Every accident of a spreadsheet or an editor is refused, with file, line and the nearest word.

use proptest::prelude::*;

use super::{Files, load};
use crate::policy::tests::{edited, shipped};

const RULES: &str = "rules/isa-care.csv";

#[track_caller]
fn refused(files: &Files, file: &str, line: usize, says: &str) {
    let Err(findings) = load(files) else {
        panic!("{file} line {line}: loads, though {says:?}");
    };
    let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(
        findings.iter().any(|f| f.file == file
            && (line == 0 || f.line == line)
            && f.to_string().contains(says)),
        "{file} line {line} {says:?}: {text:#?}"
    );
}

#[test]
fn the_shipped_folder_has_no_finding() {
    assert_eq!(load(&shipped()).map(|book| book.rules.len()).ok(), Some(62));
}

#[test]
fn accidents_in_rules_are_refused_where_they_are() {
    let cases: &[(&str, &str, usize, &str)] = &[
        // (found, made of it, line, says)
        ("needs, allow", "needs, Allow", 3, "Nearest: \"allow\""),
        ("needs, allow", "needs, alow", 3, "must be allow or deny. Nearest: \"allow\""),
        ("p, N01", "P, N01", 3, "the first cell must be \"p\", not \"P\""),
        ("p, N01", "p2, N01", 3, "the first cell must be \"p\""),
        ("p, N01", "policy, N01", 3, "the first cell must be \"p\""),
        ("p, N02", "p, N01", 4, "the id \"N01\" is used in"),
        ("needs, allow", "needs, allow,", 3, "22 cells"),
        ("6-1-c, 9-2-h", "6-1-c 9-2-h", 3, "20 cells"),
        ("needs, allow", "needs, allow # for wards", 3, "a # behind the row"),
        ("clinicians", "\"\"clinicians\"\"", 3, "doubled quotes"),
        ("clinicians", "\"clinicians", 3, "a quote that is not closed"),
        ("clinicians", "\u{201c}clinicians\u{201d}", 3, "a curly quote"),
        ("direct_care, id", "\u{a0}direct_care, id", 3, "a no-break space"),
        ("direct_care, id", "\tdirect_care, id", 3, "a tab"),
        ("direct_care, id", "direct-care, id", 3, "Nearest: \"direct_care\""),
        ("northfield-hospital|", "northfeild-hospital|", 3, "Nearest: \"northfield-hospital\""),
        ("doctor|nurse", "doctor|nruse", 3, "Nearest: \"nurse\""),
        ("doctor|nurse", "doctor|doctor", 3, "a word stands twice"),
        ("health/summary", "health/sumary", 3, "Nearest: \"health/summary\""),
        ("contact/network.next_of_kin", "contact/network.next_of_kim", 3, "next_of_kin"),
        ("HSCA-251B", "HSCA-251", 3, "Nearest: \"HSCA-251B\""),
        ("HSCA-251B", "-", 3, "names its gateway"),
        ("HSCA-251B", "DPA-2-2", 3, "an exemption is never a power"),
        ("6-1-c", "-", 3, "names its Art 6 basis"),
        ("6-1-c", "6-1-f", 3, "closed to northfield-hospital, a public authority"),
        ("6-1-c, 9-2-h", "6-1-c, -", 3, "without an Art 9 condition"),
        (", care,", ", caring,", 3, "Nearest: \"care\""),
        (", care,", ", ordinary,", 3, "on the ground ordinary"),
        (", care,", ", consent:explicit,", 3, "is not in words/consent-kinds.csv"),
        ("isa-care, direct-care-objection", "isa-car, direct-care-objection", 3, "\"isa-care\""),
        ("isa-care, direct-care-objection", "isa-fire, direct-care-objection", 3, "is no party"),
        ("direct-care-objection|art18", "direct-care-objection|art19", 3, "Nearest: \"art18\""),
        ("BREAK_GLASS", "BREAKGLASS", 3, "Nearest: \"BREAK_GLASS\""),
        ("INCLUDE_NHS_NUMBER", "INCLUDE_NHS_NO", 3, "Nearest: \"INCLUDE_NHS_NUMBER\""),
        ("northfield-hospital|oakdale-gp|northfield-mh-trust,", "*,", 3, "no *"),
        ("N04, northfield-council-adult-care", "N04, -", 6, "no -"),
        ("# end 4 rows", "# end 5 rows", 7, "says 5 rows, but 4 were read"),
        ("# end 4 rows\n", "", 6, "the last line must be \"# end 4 rows\""),
        ("# end 4 rows\n", "# end 4 rows\np, N99", 8, "stands after the end"),
        ("needs, allow", "needs, al\rlow", 3, "a control character"),
    ];
    for (from, to, line, says) in cases {
        refused(&edited(RULES, from, to), RULES, *line, says);
    }
}

#[test]
fn accidents_in_notices_are_refused_where_they_are() {
    let notice = "notices/befriending.toml";
    for (from, to, line, says) in [
        ("title = \"Support", "titel = \"Support", 2, "unknown field `titel`"),
        ("title = \"Support needs for a befriender\"", "title = \" \"", 2, "title is empty"),
        ("[[version]]\nnumber = 1", "[[version]]\nnumber = 0", 5, "counts from 1"),
        ("first_day = 2024-01-01", "first_day = 2024-01-01T10:00:00", 6, "must be a day"),
        ("2024-01-01\n", "2024-01-01\nlast_day = 2023-12-31\n", 7, "before first_day"),
        ("\"gdpr_art9_explicit\"", "\"gdpr_art9_explict\"", 7, "Nearest: \"gdpr_art9_explicit\""),
        ("\"gdpr_art9_explicit\"", "\"confidentiality_implied\"", 7, "asked for"),
        ("[\"gdpr_art9_explicit\"]", "[]", 7, "kinds names none"),
        ("[\"befriending\"]", "[\"befriending\", \"befriending\"]", 8, "stands twice"),
        ("\"befriending\"", "\"befrending\"", 8, "Nearest: \"befriending\""),
        ("[version.en]", "[version.de]", 10, "unknown field `de`"),
        ("refuse = \"If", "refuse = \"\" # If", 13, "en.refuse is empty"),
    ] {
        refused(&edited(notice, from, to), notice, line, says);
    }
    let twice = "\n[[version]]\nnumber = 1\nfirst_day = 2025-01-01\nkinds = [\"participation\"]\n\
                 purposes = [\"befriending\"]\n";
    let mut files = shipped();
    files.get_mut(notice).unwrap().extend(twice.as_bytes());
    refused(&files, notice, 21, "each number once");
    refused(&files, notice, 21, "has no wording");
    let parties = "words/parties.csv";
    for (from, to, says) in [
        ("\nbefriend,", "\nbefrend,", "Nearest: \"befriend\""),
        ("\nbefriend,Befriend,", "\nbefriend,,", "column name is empty"),
    ] {
        refused(&edited(parties, from, to), parties, 0, says);
    }
    // A folder of before there were notices loads.
    let mut before = shipped();
    before.retain(|name, _| !name.starts_with("notices/") && name != parties);
    assert!(load(&before).is_ok());
}

#[test]
fn a_deny_row_cannot_be_weakened() {
    let never = "rules/00-never.csv";
    for (from, to, line, says) in [
        ("everybody, deny", "everybody, Deny", 7, "Nearest: \"deny\""),
        ("everybody, deny", "everybody, dney", 7, "must be allow or deny"),
        ("flag:sealed", "flag:seald", 7, "Nearest: \"sealed\""),
        ("flag:sealed, *", "flag:sealed, -", 7, "nothing beats it"),
        ("flag:sealed, *, -", "flag:sealed, *, COURT", 7, "they would weaken it"),
        ("BAR_SEALED", "-", 7, "names the code"),
        ("BAR_SEALED", "BAR_SEAL", 7, "Nearest: \"BAR_SEALED\""),
        ("flag:sealed", "child", 7, "may depend on a flag only"),
    ] {
        refused(&edited(never, from, to), never, line, says);
    }
}

#[test]
fn a_broken_promise_is_refused() {
    let never = edited("rules/00-never.csv", "# end 10 rows", "# end 9 rows");
    let text = String::from_utf8(never["rules/00-never.csv"].clone()).unwrap();
    for (row, promise) in [("p, B1", "P1"), ("p, B2", "P2")] {
        let mut files = never.clone();
        let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with(row)).collect();
        files.insert("rules/00-never.csv".to_owned(), (kept.join("\n") + "\n").into_bytes());
        refused(&files, "promises.csv", 0, &format!("promise {promise} is broken by"));
    }
}

#[test]
fn accidents_in_the_other_files_are_refused() {
    let cases: &[(&str, &str, &str, &str)] = &[
        ("model.conf", "&& noneOf(r.choices, p.choices) ", "", "differs from the model"),
        ("place.toml", "Europe/London", "Europe/Londn", "is not known"),
        ("place.toml", "zone =", "zome =", "unknown field `zome`"),
        ("conditions.toml", "adult_age = 18", "adult_aeg = 18", "unknown field `adult_aeg`"),
        ("conditions.toml", "adult_age = 18", "adult_age = 1800", "from 0 to 130"),
        ("conditions.toml", "\"child_protection\"", "\"child_protecton\"", "child_protection"),
        ("conditions.toml", "name = \"ground\"", "name = \"grounds\"", "\"ground\""),
        ("agreements/isa-care.toml", "\"oakdale-gp\"", "\"oakdal-gp\"", "oakdale-gp"),
        ("agreements/isa-care.toml", "end = 2027-03-31", "end = 2024-03-31", "before start"),
        ("agreements/isa-care.toml", "\"live\"", "\"alive\"", "live, suspended or none"),
        ("words/fields.csv", "identity/core.name,", "identity/core.nmae;", "8 cells"),
        ("words/fields.csv", ",no,no,no,no,no,no,", ",no,no,no,no,no,maybe,", "yes or no"),
        ("words/codes.csv", "CNS_REFUSED,O", "CNS_REFUSED,X", "must be H, O, F or R"),
        ("words/codes.csv", "CNS_REFUSED,O", "CNS_REFUSE,O", "cannot be a word"),
        ("words/consent-states.csv", "refused,no", "refused,yes", "only given and renewed"),
        ("words/overrides.csv", ",24,", ",0,", "hours from 1"),
        ("words/gateways.csv", "2015-10-01", "2015-13-01", "must be a day"),
        (
            "words/agencies.csv",
            "\"Northfield Council, adult",
            "\"Northfield\" Council, adult",
            "behind",
        ),
        ("words/categories.csv", ",debt_recovery|fundraising", ",fundraising", "does not say so"),
        ("words/agencies.csv", ",Wales,", ",Wlaes,", "Nearest: \"Wales\""),
        ("words/gateways.csv", ",England,", ",Englnd,", "Nearest: \"England\""),
        ("words/proxies.csv", "parent,birth", "parnt,birth", "cannot be a word"),
        ("words/proxies.csv", "advocate,statutory", "self,statutory", "self left out"),
        ("words/proxies.csv", ",while-unable,", ",while-unabel,", "never or while-unable"),
        (
            "words/proxies.csv",
            "dwp-appointment,never",
            "dwp-appointment,while-lacking",
            "must be never.",
        ),
        ("words/proxies.csv", "dwp-appointment,", "dwp appointment,", "must be words, such as"),
        ("words/proxies.csv", ",adult_age,", ",adult_aeg,", "own_voice_age, adult_age, years"),
        ("words/proxies.csv", ",adult_age,", ",131,", "years from 0 to 130"),
        ("words/proxies.csv", ",until-own-voice,yes,", ",until-own-voice,perhaps,", "yes or no"),
        ("promises.csv", "never, P1", "nevr, P1", "Nearest: \"never\""),
        ("promises.csv", "debt_recovery", "debt_recovry", "Nearest: \"debt_recovery\""),
    ];
    for (file, from, to, says) in cases {
        // A word and the rows that keep it stand in two files; the row is named.
        let named = if *says == "does not say so" { "rules/00-never.csv" } else { file };
        refused(&edited(file, from, to), named, 0, says);
    }
    for (row, file, line, says) in [
        ("V4", "words/categories.csv", 28, "refuge/stay is never for fundraising"),
        ("B1", "words/flags.csv", 0, "sealed closes with BAR_SEALED"),
        ("B5", "words/flags.csv", 0, "s-flag closes with MIN_LOCATION_PROTECTED"),
        ("B6", "words/flags.csv", 0, "in-refuge closes with MIN_LOCATION_PROTECTED"),
    ] {
        let mut files = edited("rules/00-never.csv", &format!("p, {row}"), &format!("# p, {row}"));
        let text = String::from_utf8(files["rules/00-never.csv"].clone()).unwrap();
        let text = text.replace("10 rows", "9 rows").into_bytes();
        files.insert("rules/00-never.csv".to_owned(), text);
        refused(&files, file, line, says);
    }
    let mut files = shipped();
    files.insert("rules/extra.txt".to_owned(), b"p".to_vec());
    refused(&files, "rules/extra.txt", 0, "no part of a policy folder has this name");
    let mut files = shipped();
    let bom = [b"\xEF\xBB\xBF", files[RULES].as_slice()].concat();
    files.insert(RULES.to_owned(), bom);
    assert!(load(&files).is_ok(), "what a spreadsheet writes unasked");
    let mut files = shipped();
    let padded = String::from_utf8(files[RULES].clone()).unwrap();
    let padded = padded.replace(" rows\n", " rows,,,,,,\n");
    files.insert(RULES.to_owned(), padded.into_bytes());
    assert!(load(&files).is_ok(), "a spreadsheet pads every line");
    let mut files = shipped();
    let semicolons = String::from_utf8(files[RULES].clone()).unwrap().replace(", ", "; ");
    files.insert(RULES.to_owned(), semicolons.into_bytes());
    refused(&files, RULES, 3, "separated by semicolons");
    let mut files = shipped();
    files.insert(RULES.to_owned(), b"p, N\xff01\n".to_vec());
    refused(&files, RULES, 1, "is not UTF-8");
    let mut files = shipped();
    files.retain(|name, _| !name.starts_with("rules/"));
    refused(&files, "rules/", 0, "holds no rule");
    assert!(load(&Files::new()).is_err());
}

/// A file that is cut off anywhere is noticed, also exactly behind a row.
#[test]
fn a_half_written_file_never_loads() {
    for file in [RULES, "rules/00-never.csv", "promises.csv", "conditions.toml"] {
        let whole = shipped()[file].clone();
        for cut in (0..whole.len()).step_by(41).chain(ends_of_lines(&whole)) {
            let mut files = shipped();
            files.insert(file.to_owned(), whole[..cut].to_vec());
            if let Ok(book) = load(&files) {
                let kept = String::from_utf8_lossy(&whole[cut..]).trim().to_owned();
                assert!(
                    kept.is_empty(),
                    "{file} cut at {cut} loads with {} rows",
                    book.rules.len()
                );
            }
        }
    }
}

fn ends_of_lines(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|i| *i > 0 && bytes[*i - 1] == b'\n').collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_byte_may_change_without_a_panic(pick in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut files = shipped();
        let names: Vec<String> = files.keys().cloned().collect();
        let file = files.get_mut(&names[pick.index(names.len())]).unwrap();
        let place = at.index(file.len());
        file[place] = byte;
        let _ = load(&files);
    }
}

#[test]
fn who_acts_after_a_decision_is_said_in_full() {
    let (referrals, duties) = ("words/referrals.csv", "words/duties.csv");
    let (reviews, outcomes) = ("words/reviews.csv", "words/outcomes.csv");
    for (file, from, to, line, says) in [
        (referrals, "authorised-officer|cal", "authorised-oficer|cal", 2, "authorised-officer"),
        (
            referrals,
            "CNF_NO_BASIS,authorised-officer|caldicott-guardian,",
            "CNF_NO_BASIS,,",
            2,
            "nobody",
        ),
        (referrals, "guardian,24,72", "guardian,0,72", 2, "due_hours"),
        (referrals, "CNS_CAPACITY_IN_DOUBT", "CNS_ABSENT", 0, "no row says who"),
        (
            referrals,
            "safeguarding-lead|caldicott-guardian,8,24",
            "safeguarding-lead,8,24",
            0,
            "no role stands",
        ),
        (reviews, "VITAL,24", "VITAL,0", 4, "due_hours"),
        (reviews, "VITAL,24,10", "VITAL,24,0", 4, "minutes"),
        (reviews, "VITAL,24", "VITALS,24", 4, "VITAL"),
        (reviews, "BREAK_GLASS,24,10\n", "", 0, "\"BREAK_GLASS\" is missing"),
        (outcomes, "properly used,no", "properly used,perhaps", 2, "yes or no"),
        (outcomes, "properly used,no", "properly used,yes", 0, "has \"no\""),
        (duties, "tell the resident,asker", "tell the resident,askr", 7, "must be asker"),
        (duties, "asker,720", "asker,soon", 7, "due_hours"),
        (duties, "asker,720", "hub,720", 7, "with-release"),
    ] {
        refused(&edited(file, from, to), file, line, says);
    }
}

#[test]
fn what_only_follows_is_not_said() {
    let files = edited("words/overrides.csv", "2160,all,,,,RECORD", "0,all,,,,RECORD");
    let found = load(&files).unwrap_err();
    assert!(matches!(found.as_slice(), [one] if one.file == "words/overrides.csv"), "{found:#?}");
    let files = edited("agreements/isa-fire.toml", "grace_days", "grace_dys");
    let found = load(&files).unwrap_err();
    assert!(found.iter().all(|one| one.file == "agreements/isa-fire.toml"), "{found:#?}");
}
