//! The engine against casbin as it comes, and against the cells read by hand: every row, every term.

use std::collections::BTreeSet;

use casbin::MemoryAdapter;

use super::*;
use crate::domain::FieldId;
use crate::policy::load::load;
use crate::policy::tests::shipped;

/// SplitMix64 (Steele, Lea, Flood 2014): the same questions in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a>(&mut self, words: &'a [String]) -> &'a str {
        &words[self.below(words.len())]
    }

    /// Most of the words, one in `miss` left out; `-` for none.
    fn most(&mut self, words: &[String], miss: usize) -> ImmutableString {
        let taken: Vec<&str> =
            words.iter().map(String::as_str).filter(|_| !self.one_in(miss)).collect();
        if taken.is_empty() { "-".into() } else { taken.join("|").into() }
    }

    /// `-`, or one of the words once in `n`.
    fn seldom(&mut self, words: &[String], n: usize) -> ImmutableString {
        if self.one_in(n) { self.pick(words).into() } else { "-".into() }
    }
}

/// casbin with its own effector, one section, its own token names; the matcher needs our functions.
fn stock(book: &RuleBook) -> Enforcer {
    let mut model = ready(DefaultModel::from_str(&book.model)).unwrap().unwrap();
    let rows: Vec<Vec<String>> = book.rules.iter().map(|rule| rule.cells.clone()).collect();
    assert!(model.add_policies("p", "p", rows));
    let adapter = MemoryAdapter::default();
    let mut enforcer = ready(Enforcer::new_raw(model, adapter)).unwrap().unwrap();
    register(&mut enforcer);
    enforcer
}

fn words(cell: &str) -> BTreeSet<&str> {
    if cell == "-" { BTreeSet::new() } else { cell.split('|').collect() }
}

/// The matcher's seventeen terms, read from a row's cells by hand, in the order of [`TERMS`].
fn terms_by_hand(cells: &[String], r: &Request) -> [bool; 17] {
    let cell = |name: &str| -> &str {
        &cells[Rule::COLUMNS.iter().position(|column| *column == name).unwrap()]
    };
    let named =
        |column: &str, word: &str| cell(column) == "*" || words(cell(column)).contains(word);
    let covered = |column: &str, have: &str| words(cell(column)).is_subset(&words(have));
    let spared = |column: &str, need: &str| need == "-" || named(column, need);
    let apart = |column: &str, against: &str| match (cell(column), against) {
        ("-", _) | (_, "-") => true,
        ("*", _) | (_, "*") => false,
        (row, against) => words(row).is_disjoint(&words(against)),
    };
    let category = r.field.rsplit_once('.').map_or("", |(category, _)| category);
    let only = words(cell("only"));
    let (marks, fields): (Vec<&str>, Vec<&str>) =
        only.into_iter().partition(|word| word.contains(':'));
    let letters = words(&r.letters);
    let marked = marks.iter().all(|mark| letters.contains(mark.trim_start_matches("letter:")));
    let narrowed: Vec<&str> = fields
        .into_iter()
        .filter(|field| field.rsplit_once('.').is_some_and(|(c, _)| c == category))
        .collect();
    let ground = cell("ground");
    let online = format!("{ground}@online");
    let grounds = words(&r.grounds);
    [
        covered("when", &r.meets),
        named("role", &r.role),
        marked && (narrowed.is_empty() || narrowed.contains(&r.field.as_str())),
        named("category", &r.category),
        named("purpose", &r.purpose),
        named("agency", &r.agency),
        spared("despite", &r.dead),
        spared("despite", &r.bulk),
        r.stops == "-",
        covered("gateway", &r.gateways),
        r.basis == "-" || cell("art6") == "-" || words(cell("art6")).contains(r.basis.as_str()),
        apart("art9", &r.apd9),
        apart("art10", &r.apd10),
        ground == "-"
            || grounds.contains(ground)
            || (words(cell("despite")).contains("online") && grounds.contains(online.as_str())),
        covered("agreement", &r.agreements),
        apart("choices", &r.choices),
        spared("overrides", &r.override_kind),
    ]
}

/// All words that the rows have in a column.
fn column(book: &RuleBook, name: &str) -> Vec<String> {
    let at = Rule::COLUMNS.iter().position(|column| *column == name).unwrap();
    let all: BTreeSet<&str> =
        book.rules.iter().flat_map(|rule| words(&rule.cells[at])).filter(|w| *w != "*").collect();
    all.into_iter().map(str::to_owned).collect()
}

/// A question near a row: mostly of its words, so that yes and no both come often.
fn question(dice: &mut Dice, book: &RuleBook) -> (Request, Option<CategoryId>) {
    let row = &book.rules[dice.below(book.rules.len())];
    let near = |dice: &mut Dice, name: &str, all: &[String]| -> ImmutableString {
        let at = Rule::COLUMNS.iter().position(|column| *column == name).unwrap();
        let own: Vec<String> = words(&row.cells[at]).into_iter().map(str::to_owned).collect();
        let stray = dice.one_in(10) || own.is_empty() || own[0] == "*";
        if stray { dice.pick(all).into() } else { dice.pick(&own).into() }
    };
    let ids = |all: Vec<&str>| -> Vec<String> { all.into_iter().map(str::to_owned).collect() };
    let agencies = ids(book.agencies.keys().map(|a| a.as_str()).collect());
    let roles = ids(book.roles.keys().map(|a| a.as_str()).collect());
    let purposes = ids(book.purposes.keys().map(|a| a.as_str()).collect());
    let listed: Vec<&FieldId> =
        book.fields.iter().filter(|(f, about)| row.lists(f, about)).map(|(f, _)| f).collect();
    let all: Vec<&FieldId> = book.fields.keys().collect();
    let from = if dice.one_in(5) || listed.is_empty() { all } else { listed };
    let field = from[dice.below(from.len())];
    let about = &book.fields[field];
    let mut letters: Vec<String> =
        "scpltx".chars().filter(|l| about.has_letter(*l)).map(String::from).collect();
    letters.extend(about.bar.as_ref().map(|flag| format!("bar:{flag}")));
    let (when, flags): (Vec<String>, Vec<String>) =
        column(book, "when").into_iter().partition(|word| !word.starts_with("flag:"));
    let mut meets = dice.most(&when, 8);
    if dice.one_in(6) {
        meets = format!("{meets}|{}", dice.pick(&flags)).trim_start_matches("-|").into();
    }
    let grounds = column(book, "ground");
    let online: Vec<String> = grounds.iter().map(|g| format!("{g}@online")).collect();
    let request = Request {
        agency: near(dice, "agency", &agencies),
        role: near(dice, "role", &roles),
        purpose: near(dice, "purpose", &purposes),
        category: about.category.as_str().into(),
        field: field.as_str().into(),
        letters: if letters.is_empty() { "-".into() } else { letters.join("|").into() },
        meets,
        dead: dice.seldom(&["after-death".to_owned()], 10),
        bulk: dice.seldom(&["bulk".to_owned()], 10),
        stops: dice.seldom(&["WHO_NO_RELATIONSHIP".to_owned()], 12),
        gateways: dice.most(&column(book, "gateway"), 12),
        basis: dice.seldom(&column(book, "art6"), 6),
        apd9: dice.seldom(&column(book, "art9"), 8),
        apd10: dice.seldom(&["*".to_owned()], 8),
        grounds: if dice.one_in(4) { dice.most(&online, 8) } else { dice.most(&grounds, 8) },
        agreements: dice.most(&column(book, "agreement"), 12),
        choices: dice.seldom(&ids(vec!["art18", "art21", "ndo", "direct-care-objection"]), 6),
        override_kind: dice.seldom(&ids(book.overrides.keys().map(|o| o.as_str()).collect()), 6),
    };
    (request, Some(about.category.clone()))
}

#[test]
fn sections_stock_casbin_and_the_cells_read_by_hand_say_the_same() {
    let book = load(&shipped()).unwrap();
    let engine = Engine::build(&book, Layout::Sectioned).unwrap();
    let stock = stock(&book);
    let mut dice = Dice(20_260_715);
    let (mut yes, mut denied, mut failed) = (0, 0, [0_u32; 17]);
    for n in 0..4_000 {
        let (request, category) = question(&mut dice, &book);
        let by_hand: Vec<[bool; 17]> =
            book.rules.iter().map(|rule| terms_by_hand(&rule.cells, &request)).collect();
        let hits: BTreeSet<usize> =
            (0..book.rules.len()).filter(|row| by_hand[*row].iter().all(|met| *met)).collect();
        let of = |effect| hits.iter().filter(|row| book.rules[**row].effect == effect).count();
        let expected = of(Effect::Allow) > 0 && of(Effect::Deny) == 0;
        yes += u32::from(expected);
        denied += u32::from(of(Effect::Deny) > 0);

        assert_eq!(stock.enforce(request.values()).unwrap(), expected, "{n}: stock {request:?}");
        let section = engine.section(&request.agency, &request.purpose, category.as_ref()).unwrap();
        let verdict = engine.decide(section, &request).unwrap();
        assert_eq!(verdict.yes, expected, "{n}: sections {request:?}");
        assert_eq!(verdict.hits.into_iter().collect::<BTreeSet<_>>(), hits, "{n}: {request:?}");
        for (row, bits) in engine.trace(section, &request).unwrap() {
            for (term, met) in by_hand[row].iter().enumerate() {
                let rule = &book.rules[row].id;
                assert_eq!(
                    bits & (1 << term) == 0,
                    *met,
                    "{n}: {rule} {} {request:?}",
                    TERMS[term]
                );
                failed[term] += u32::from(!met);
            }
        }
        // A row outside the section speaks of something else.
        for (row, terms) in
            by_hand.iter().enumerate().filter(|(row, _)| !section.rows.contains(row))
        {
            assert!(!terms[2..6].iter().all(|met| *met), "{n}: {row} is not in its section");
        }
    }
    assert!(yes > 200 && denied > 200, "{yes} yes, {denied} denied");
    // Agency, purpose and category are the index's own: inside a section they always hold.
    for (term, count) in failed.iter().enumerate().filter(|(term, _)| !(3..6).contains(term)) {
        assert!(*count > 0, "{} never failed", TERMS[term]);
    }
}
