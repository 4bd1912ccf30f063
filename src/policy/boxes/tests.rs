//! Sectioned casbin, stock casbin, boxes and a naive reading of the cells say the same of random rows and
//! random requests; and the arithmetic of boxes is that of sets.
#![expect(clippy::wildcard_enum_match_arm, reason = "each question picks its own kind of state")]

use proptest::prelude::*;

use super::*;
use crate::policy::Layout;
use crate::policy::book::{Ground, Only};
use crate::policy::engine::{Engine, Request};
use crate::policy::load::load;
use crate::policy::tests::shipped;

/// The shipped book with few words and no rows.
pub(in crate::policy) fn small() -> RuleBook {
    let mut book = load(&shipped()).unwrap();
    let keep = ["northshire-police", "oakdale-gp", "befriend"];
    book.agencies.retain(|agency, _| keep.contains(&agency.as_str()));
    book.roles.retain(|role, _| ["gp", "doctor", "police-officer"].contains(&role.as_str()));
    book.purposes.retain(|p, _| ["direct_care", "marac", "fundraising"].contains(&p.as_str()));
    let groups = ["contact/home", "health/summary", "identity/history", "offences/record"];
    book.categories.retain(|category, _| groups.contains(&category.as_str()));
    book.fields.retain(|_, about| groups.contains(&about.category.as_str()));
    book.overrides.retain(|kind, _| ["VITAL", "SAFEGUARD_CHILD"].contains(&kind.as_str()));
    book.bases.retain(|basis, _| ["6-1-e", "6-1-c", "9-2-g", "9-2-h"].contains(&basis.as_str()));
    book.rules.clear();
    book
}

fn cell<T: Ord + Clone + fmt::Debug + 'static>(
    words: Vec<T>,
) -> impl Strategy<Value = Cell<T>> + use<T> {
    let len = words.len();
    prop_oneof![
        1 => Just(Cell::Any),
        3 => prop::sample::subsequence(words, 1..=len)
            .prop_map(|some| Cell::These(some.into_iter().collect())),
    ]
}

fn some<T: Ord + Clone + fmt::Debug + 'static>(
    words: Vec<T>,
    most: usize,
) -> impl Strategy<Value = BTreeSet<T>> + use<T> {
    prop::sample::subsequence(words, 0..=most).prop_map(|some| some.into_iter().collect())
}

fn written<T: fmt::Display + Ord>(cell: &Cell<T>) -> String {
    match cell {
        Cell::Any => "*".to_owned(),
        Cell::These(words) => listed(words.iter().map(ToString::to_string)),
    }
}

fn listed(words: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = words.collect();
    if all.is_empty() { "-".to_owned() } else { all.join("|") }
}

fn rule(book: &RuleBook) -> impl Strategy<Value = Rule> + use<> {
    let fields: Vec<FieldId> = book.fields.keys().cloned().collect();
    let only = prop_oneof![
        2 => Just(BTreeSet::new()),
        2 => some(fields.into_iter().map(Only::Field).collect(), 4),
        1 => Just(BTreeSet::from([Only::Letter('l')])),
        1 => Just(BTreeSet::from([Only::Bar("gender-recognition".parse().unwrap())])),
    ];
    let flag = |flag: &str| When::Flag(flag.parse().unwrap());
    let when =
        some(vec![When::Child, When::Parent, When::Notice, flag("sealed"), flag("s-flag")], 2);
    let despite = prop_oneof![
        1 => Just(Cell::Any),
        4 => some(vec![Despite::AfterDeath, Despite::Bulk, Despite::Online], 3)
            .prop_map(Cell::These),
    ];
    let gateway = some(vec!["CARE-42", "CLDC-PI"], 1);
    let art6 = some(vec!["6-1-e", "6-1-c"], 1);
    let art9 = some(vec!["9-2-g", "9-2-h"], 2);
    let grounds = vec![
        Ground::Ordinary,
        Ground::Threshold,
        Ground::Consent(crate::domain::ConsentKind::ALL[0]),
    ];
    let ground = prop::sample::select(grounds);
    let choices = some(
        vec![
            ChoiceForce::Stops(ChoiceKind::ALL[0]),
            ChoiceForce::Stops(ChoiceKind::ALL[1]),
            ChoiceForce::Label,
        ],
        2,
    );
    let kinds = cell(book.overrides.keys().cloned().collect());
    (
        (cell(book.agencies.keys().cloned().collect()), cell(book.roles.keys().cloned().collect())),
        (
            cell(book.purposes.keys().cloned().collect()),
            cell(book.categories.keys().cloned().collect()),
        ),
        (only, when, despite),
        (gateway, art6, art9, ground, some(vec!["isa-care", "isa-marac"], 1)),
        (choices, kinds, prop::bool::weighted(0.3), any::<bool>()),
    )
        .prop_map(|(who, what, how, law, rest)| {
            let ((agencies, roles), (purposes, categories)) = (who, what);
            let (only, when, despite) = how;
            let (gateway, art6, art9, ground, agreement) = law;
            let (choices, overrides, deny, criminal) = rest;
            let one = |words: BTreeSet<&'static str>| words.into_iter().next();
            let mut rule = Rule {
                file: "rules/x.csv".to_owned(),
                line: 1,
                id: "R".parse().unwrap(),
                agencies,
                roles,
                purposes,
                categories,
                only,
                when,
                despite,
                gateway: one(gateway).map(|g| g.parse().unwrap()),
                art6: one(art6).map(|b| b.parse().unwrap()),
                art9: art9.iter().map(|b| b.parse().unwrap()).collect(),
                art10: if criminal {
                    BTreeSet::from(["sch1-10".parse().unwrap()])
                } else {
                    BTreeSet::new()
                },
                ground: Some(ground),
                agreement: one(agreement).map(|a| a.parse().unwrap()),
                choices,
                overrides,
                duties: BTreeSet::new(),
                code: None,
                because: "x".to_owned(),
                effect: if deny { Effect::Deny } else { Effect::Allow },
                cells: Vec::new(),
            };
            if deny {
                // As the loader has them: a deny row has no law, and nothing beats it.
                rule.despite = Cell::Any;
                (rule.gateway, rule.art6, rule.ground, rule.agreement) = (None, None, None, None);
                (rule.art9, rule.art10, rule.choices) = Default::default();
                rule.overrides = Cell::Any;
            }
            rule.cells = cells(&rule);
            rule
        })
}

/// A row of the small book.
pub(in crate::policy) fn a_rule() -> impl Strategy<Value = Rule> {
    rule(&small())
}

/// The cells as casbin gets them.
fn cells(rule: &Rule) -> Vec<String> {
    let only = rule.only.iter().map(|only| match only {
        Only::Field(field) => field.to_string(),
        Only::Letter(letter) => format!("letter:{letter}"),
        Only::Bar(flag) => format!("bar:{flag}"),
    });
    let when = rule.when.iter().map(|when| match when {
        When::Child => "child".to_owned(),
        When::Parent => "parent".to_owned(),
        When::Factors => "factors".to_owned(),
        When::Notice => "notice".to_owned(),
        When::Flag(flag) => format!("flag:{flag}"),
    });
    let despite = match &rule.despite {
        Cell::Any => "*".to_owned(),
        Cell::These(all) => listed(all.iter().map(|one| {
            match one {
                Despite::AfterDeath => "after-death",
                Despite::Bulk => "bulk",
                Despite::Online => "online",
            }
            .to_owned()
        })),
    };
    let choices = rule.choices.iter().map(|one| match one {
        ChoiceForce::Stops(kind) => kind.as_str().to_owned(),
        ChoiceForce::Label => "label".to_owned(),
    });
    let word = |word: Option<String>| word.unwrap_or_else(|| "-".to_owned());
    vec![
        rule.id.to_string(),
        written(&rule.agencies),
        written(&rule.roles),
        written(&rule.purposes),
        written(&rule.categories),
        listed(only),
        listed(when),
        despite,
        word(rule.gateway.as_ref().map(ToString::to_string)),
        word(rule.art6.as_ref().map(ToString::to_string)),
        listed(rule.art9.iter().map(ToString::to_string)),
        listed(rule.art10.iter().map(ToString::to_string)),
        word(rule.ground.map(Ground::word)),
        word(rule.agreement.as_ref().map(ToString::to_string)),
        listed(choices),
        written(&rule.overrides),
        "-".to_owned(),
        "-".to_owned(),
        rule.because.clone(),
        if rule.effect == Effect::Allow { "allow" } else { "deny" }.to_owned(),
    ]
}

/// A request: the number of each word, and which states are so, by odds.
type Point = ([usize; WORDS], Bits);

fn point(space: &Space, seed: [usize; WORDS], so: &[bool]) -> Point {
    let mut words = seed;
    for (word, size) in words.iter_mut().zip(space.sizes()) {
        *word %= size;
    }
    let states = so.iter().take(space.states.len()).enumerate();
    (words, Bits::of(states.filter(|(_, so)| **so).map(|(n, _)| n)))
}

/// The point as the engine is asked.
fn asked(space: &Space, book: &RuleBook, (words, states): &Point) -> Request {
    fn word<T: fmt::Display>(words: &[T], n: usize) -> String {
        words.get(n).map_or_else(|| "nobody-has-this".to_owned(), ToString::to_string)
    }
    let so = |state: &State| space.state(state).is_some_and(|n| states.has(n));
    let all = |pick: &dyn Fn(&State) -> Option<String>| {
        let found = space.states.iter().filter(|state| so(state)).filter_map(pick);
        listed(found)
    };
    let [agency, role, purpose, field, kind, basis] = *words;
    let field = space.fields.get(field);
    let about = field.and_then(|field| book.fields.get(field));
    let letters = about.map(|about| {
        let mut letters: Vec<String> =
            "scpltx".chars().filter(|l| about.has_letter(*l)).map(String::from).collect();
        letters.extend(about.bar.as_ref().map(|flag| format!("bar:{flag}")));
        listed(letters.into_iter())
    });
    let lapsed = so(&State::NoPolicyDocument);
    let apd9 = lapsed && about.is_some_and(|a| a.special);
    let apd10 = lapsed && about.is_some_and(|a| a.criminal);
    let none = || "-".to_owned();
    Request {
        agency: word(&space.agencies, agency).into(),
        role: word(&space.roles, role).into(),
        purpose: word(&space.purposes, purpose).into(),
        category: about.map_or_else(none, |a| a.category.to_string()).into(),
        field: field.map_or_else(none, ToString::to_string).into(),
        letters: letters.unwrap_or_else(none).into(),
        meets: all(&|state| match state {
            State::Child => Some("child".to_owned()),
            State::Parent => Some("parent".to_owned()),
            State::Factors => Some("factors".to_owned()),
            State::Notice => Some("notice".to_owned()),
            State::Flag(flag) => Some(format!("flag:{flag}")),
            _ => None,
        })
        .into(),
        dead: if so(&State::Dead) { "after-death" } else { "-" }.into(),
        bulk: if so(&State::Bulk) { "bulk" } else { "-" }.into(),
        stops: "-".into(),
        gateways: all(&|state| match state {
            State::Gateway(gateway) => Some(gateway.to_string()),
            _ => None,
        })
        .into(),
        basis: match basis {
            0 => "-".to_owned(),
            n => space.bases.get(n - 1).map_or("closed".to_owned(), ToString::to_string),
        }
        .into(),
        apd9: if apd9 {
            listed(book.figures.apd_conditions.iter().map(ToString::to_string))
        } else {
            none()
        }
        .into(),
        apd10: if apd10 { "*" } else { "-" }.into(),
        grounds: all(&|state| match state {
            State::Ground(ground) => Some(ground.clone()),
            _ => None,
        })
        .into(),
        agreements: all(&|state| match state {
            State::Agreement(agreement) => Some(agreement.to_string()),
            _ => None,
        })
        .into(),
        choices: all(&|state| match state {
            State::Choice(kind) => Some(kind.as_str().to_owned()),
            _ => None,
        })
        .into(),
        override_kind: match kind {
            0 => none(),
            n => word(&space.overrides, n - 1),
        }
        .into(),
    }
}

/// Reads the cells by hand, one row after the other.
fn naive(book: &RuleBook, request: &Request) -> bool {
    let has = |list: &str, word: &str| list.split('|').any(|one| one == word);
    let means = |list: &str, word: &str| list == "*" || (word != "-" && has(list, word));
    let met = |need: &str, have: &str| {
        need == "-" || have == "*" || need.split('|').all(|word| has(have, word))
    };
    let clear = |a: &str, b: &str| {
        a == "-" || b == "-" || (a != "*" && b != "*" && !a.split('|').any(|word| has(b, word)))
    };
    let row = |rule: &Rule| {
        let c: Vec<&str> = rule.cells.iter().map(String::as_str).collect();
        let narrowed: Vec<&str> = c[5]
            .split('|')
            .filter(|word| {
                word.contains('.') && word.starts_with(&format!("{}.", request.category))
            })
            .collect();
        let signs = c[5].split('|').all(|word| match word.split_once(':') {
            Some(("letter", letter)) => has(&request.letters, letter),
            Some(_) => has(&request.letters, word),
            None => true,
        });
        let unknown = request.field == "-";
        let field = if unknown {
            c[4] == "*" && c[5] == "-"
        } else {
            signs
                && means(c[4], &request.category)
                && (narrowed.is_empty() || narrowed.contains(&request.field.as_str()))
        };
        let online = has(c[7], "online") && has(&request.grounds, &format!("{}@online", c[12]));
        means(c[1], &request.agency)
            && means(c[2], &request.role)
            && means(c[3], &request.purpose)
            && field
            && met(c[6], &request.meets)
            && met(&request.dead, c[7])
            && met(&request.bulk, c[7])
            && met(c[8], &request.gateways)
            && (request.basis == "-" || c[9] == "-" || c[9] == request.basis.as_str())
            && clear(&request.apd9, c[10])
            && clear(&request.apd10, c[11])
            && (c[12] == "-" || has(&request.grounds, c[12]) || online)
            && met(c[13], &request.agreements)
            && clear(&request.choices, c[14])
            && met(&request.override_kind, c[15])
    };
    let any = |effect| book.rules.iter().any(|rule| rule.effect == effect && row(rule));
    any(Effect::Allow) && !any(Effect::Deny)
}

fn decided(engine: &Engine, space: &Space, book: &RuleBook, point: &Point) -> bool {
    let request = asked(space, book, point);
    let category = space.fields.get(point.0[3]).and_then(|field| book.fields.get(field));
    let section = engine.section(&request.agency, &request.purpose, category.map(|a| &a.category));
    engine.decide(section.unwrap(), &request).unwrap().yes
}

impl Region {
    /// True when the point is in it: the number of each word, and the states that are so.
    fn holds(&self, words: [usize; WORDS], states: &Bits) -> bool {
        self.0.iter().any(|one| {
            one.words.iter().zip(words).all(|(bits, word)| bits.has(word))
                && one.yes.minus(states).is_empty()
                && !one.no.meets(states)
        })
    }
}

/// The states that matter to the rows, so that points do not all miss.
fn odds() -> impl Strategy<Value = Vec<bool>> {
    prop::collection::vec(prop::bool::weighted(0.6), 64)
}

fn seeds() -> impl Strategy<Value = Vec<([usize; WORDS], Vec<bool>)>> {
    prop::collection::vec((prop::array::uniform6(0usize..1000), odds()), 50)
}

/// Points that are like a row: its own words, so that something is allowed.
fn near(space: &Space, book: &RuleBook, seed: [usize; WORDS], so: &[bool]) -> Point {
    let (mut words, mut states) = point(space, seed, so);
    let rule = &book.rules[seed[0] % book.rules.len()];
    if let Some(one) = space.rule(book, rule).0.get(seed[1] % 2) {
        for (word, bits) in words.iter_mut().zip(&one.words) {
            if !bits.has(*word) {
                *word = bits.iter().nth(*word % usize::try_from(bits.len()).unwrap()).unwrap();
            }
        }
        states = states.or(&one.yes).minus(&one.no);
    }
    (words, states)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// 100 rule sets with 100 requests each.
    #[test]
    fn four_readings_agree(
        rules in prop::collection::vec(rule(&small()), 1..10),
        seeds in seeds(),
    ) {
        let mut book = small();
        book.rules = rules;
        let space = Space::of(&[&book]);
        let sectioned = Engine::build(&book, Layout::Sectioned).unwrap();
        let flat = Engine::build(&book, Layout::Flat).unwrap();
        let allowed = space.allowed(&book).unwrap();
        for (seed, so) in &seeds {
            for point in [point(&space, *seed, so), near(&space, &book, *seed, so)] {
                let boxed = allowed.holds(point.0, &point.1);
                let request = asked(&space, &book, &point);
                prop_assert_eq!(boxed, naive(&book, &request), "boxes and cells: {:?}", request);
                prop_assert_eq!(boxed, decided(&sectioned, &space, &book, &point), "{:?}", request);
                // Stock casbin reads a field of no vocabulary by its empty category.
                if space.fields.get(point.0[3]).is_some() {
                    prop_assert_eq!(boxed, decided(&flat, &space, &book, &point), "{:?}", request);
                }
            }
        }
    }

    #[test]
    fn arithmetic_is_that_of_sets(
        rules in prop::collection::vec(rule(&small()), 2..6),
        seeds in seeds(),
    ) {
        let mut book = small();
        book.rules = rules;
        let space = Space::of(&[&book]);
        let (one, rest) = book.rules.split_first().unwrap();
        let a = space.rule(&book, one);
        let b = rest.iter().fold(Region::default(), |all, r| all.or(space.rule(&book, r)));
        let (and, minus) = (a.and(&b).unwrap(), a.clone().minus(&b).unwrap());
        let disjoint = b.clone().disjoint().unwrap();
        prop_assert_eq!(a.meets(&b), !and.is_empty());
        for (seed, so) in &seeds {
            let (words, states) = near(&space, &book, *seed, so);
            let (in_a, in_b) = (a.holds(words, &states), b.holds(words, &states));
            prop_assert_eq!(and.holds(words, &states), in_a && in_b);
            prop_assert_eq!(minus.holds(words, &states), in_a && !in_b);
            prop_assert_eq!(disjoint.holds(words, &states), in_b);
            let times = disjoint.0.iter().filter(|one| {
                Region(vec![(*one).clone()]).holds(words, &states)
            });
            prop_assert_eq!(times.count(), usize::from(in_b), "boxes overlap");
        }
        // Counted one by one.
        let [agencies, roles, purposes, fields, ..] = space.sizes();
        let mut count = 0_u128;
        for agency in 0..agencies {
            for role in 0..roles {
                for purpose in 0..purposes {
                    for field in 0..fields {
                        let words = [agency, role, purpose, field];
                        let inside = |c: &Cuboid| {
                            c.words.iter().zip(words).all(|(bits, n)| bits.has(n))
                        };
                        count += u128::from(b.0.iter().any(inside));
                    }
                }
            }
        }
        prop_assert_eq!(space.combinations(&b).unwrap(), count);
    }
}

#[test]
fn the_shipped_rows_leave_what_they_leave() {
    let book = load(&shipped()).unwrap();
    let space = Space::of(&[&book]);
    let allowed = space.allowed(&book).unwrap();
    let sealed = space.region(None, None, None, None, &[State::Flag("sealed".parse().unwrap())]);
    assert!(!allowed.meets(&sealed), "something is allowed of a sealed record");
    let count = space.combinations(&allowed).unwrap();
    assert!(count > 500 && count < space.size(), "{count} of {}", space.size());
    let samples = space.samples(&allowed, 3);
    assert!(samples[0].to_string().contains(" / "), "{}", samples[0]);
}
