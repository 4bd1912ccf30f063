//! The closed vocabularies: `words/*.csv`.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use jiff::civil::Date;

use super::read::Texts;
use super::sheet::{Line, table};
use super::{Finding, Findings, nearest};
use crate::domain::{
    AgencyId, BasisId, CategoryId, ChoiceKind, Code, ConsentKind, ConsentState, Duty, ExemptionId,
    FactKind, FieldId, FlagId, GatewayId, Giver, HubFunction, KeptKind, OutcomeId, OverrideId,
    PurposeId, RequestKind, RoleId,
};
use crate::policy::book::{
    Agency, ApproverOf, Basis, Category, CodeMeaning, DataPattern, Disposition, DutyMeaning,
    Exemption, FactRule, FactWriters, Field, Flag, Gateway, GatewayKind, Involvement, Lifts,
    OverrideRule, OverrideTest, Parties, ProxyRule, Purpose, ReferralRule, RequestRule,
    ReviewOutcome, ReviewRule, Telling, Visibility,
};

/// All vocabularies.
#[derive(Default)]
pub(super) struct Words {
    pub agencies: BTreeMap<AgencyId, Agency>,
    pub roles: BTreeMap<RoleId, String>,
    pub purposes: BTreeMap<PurposeId, Purpose>,
    pub categories: BTreeMap<CategoryId, Category>,
    pub fields: BTreeMap<FieldId, Field>,
    pub flags: BTreeMap<FlagId, Flag>,
    pub gateways: BTreeMap<GatewayId, Gateway>,
    pub bases: BTreeMap<BasisId, Basis>,
    pub codes: BTreeMap<Code, CodeMeaning>,
    pub duties: BTreeMap<Duty, DutyMeaning>,
    pub referrals: BTreeMap<Code, ReferralRule>,
    pub facts: BTreeMap<FactKind, FactRule>,
    pub retention: BTreeMap<KeptKind, u16>,
    pub visibility: Visibility,
    pub telling: Telling,
    pub requests: BTreeMap<RequestKind, RequestRule>,
    pub exemptions: BTreeMap<ExemptionId, Exemption>,
    pub parties: Parties,
    pub proxies: BTreeMap<Giver, ProxyRule>,
    pub overrides: BTreeMap<OverrideId, OverrideRule>,
    pub reviews: BTreeMap<OverrideId, ReviewRule>,
    pub outcomes: BTreeMap<OutcomeId, ReviewOutcome>,
}

/// One line with its file, so that every finding names both.
pub(super) struct Row<'a> {
    pub file: &'a str,
    pub line: usize,
    /// The row's id for messages, when it has one.
    pub id: String,
    cells: std::slice::Iter<'a, String>,
    columns: std::slice::Iter<'a, &'a str>,
}

impl<'a> Row<'a> {
    pub(super) fn new(file: &'a str, line: &'a Line, columns: &'a [&'a str]) -> Self {
        let id = line.cells.first().cloned().unwrap_or_default();
        Self { file, line: line.number, id, cells: line.cells.iter(), columns: columns.iter() }
    }

    pub(super) fn next(&mut self) -> (&'a str, &'a str) {
        let cell = self.cells.next().map_or("", String::as_str);
        (self.columns.next().copied().unwrap_or("?"), cell)
    }

    pub(super) fn bad(&self, code: &'static str, message: String, findings: &mut Findings) {
        let message = format!("({}) {message}", self.id);
        findings.add(code, self.file, self.line, message);
    }

    /// The next cell as a word of the closed list `valid`, which stands in `list`.
    pub(super) fn word<T: FromStr>(
        &mut self,
        list: &str,
        valid: &[&str],
        findings: &mut Findings,
    ) -> Option<T> {
        let (column, cell) = self.next();
        self.one(column, cell, list, valid, findings)
    }

    pub(super) fn one<T: FromStr>(
        &self,
        column: &str,
        cell: &str,
        list: &str,
        valid: &[&str],
        findings: &mut Findings,
    ) -> Option<T> {
        if valid.contains(&cell)
            && let Ok(word) = cell.parse()
        {
            return Some(word);
        }
        findings.push(Finding {
            found: Some(cell.to_owned()),
            code: "E10",
            file: self.file.to_owned(),
            line: self.line,
            message: format!("({}) column {column}: \"{cell}\" is not in {list}.", self.id),
            nearest: nearest(cell, valid.iter().copied()),
        });
        None
    }

    /// The next cell as a `|`-list of words; empty is none.
    pub(super) fn list<T: FromStr + Ord>(
        &mut self,
        list: &str,
        valid: &[&str],
        findings: &mut Findings,
    ) -> BTreeSet<T> {
        let (column, cell) = self.next();
        cell.split('|')
            .filter(|_| !cell.is_empty())
            .filter_map(|word| self.one(column, word, list, valid, findings))
            .collect()
    }

    pub(super) fn flag(&mut self, findings: &mut Findings) -> bool {
        let (column, cell) = self.next();
        match cell {
            "yes" => true,
            "no" => false,
            other => {
                let message = format!("column {column}: \"{other}\" must be yes or no.");
                self.bad("E10", message, findings);
                false
            }
        }
    }

    pub(super) fn text(&mut self, findings: &mut Findings) -> String {
        let (column, cell) = self.next();
        if cell.is_empty() {
            self.bad("E10", format!("column {column} is empty."), findings);
        }
        cell.to_owned()
    }

    fn date(&mut self, findings: &mut Findings) -> Option<Date> {
        let (column, cell) = self.next();
        if cell.is_empty() {
            return None;
        }
        let date = cell.parse().ok();
        if date.is_none() {
            let message = format!("column {column}: \"{cell}\" must be a day such as 2026-07-15.");
            self.bad("E10", message, findings);
        }
        date
    }
}

pub(super) struct Reader<'a> {
    texts: &'a Texts,
    pub(super) findings: &'a mut Findings,
}

impl Reader<'_> {
    /// Whether the folder has this table.
    pub(super) fn has(&self, name: &str) -> bool {
        self.texts.contains_key(&format!("words/{name}.csv"))
    }

    /// Reads one table: the first cell is the id, unique.
    pub(super) fn table<K: FromStr + Ord, V>(
        &mut self,
        name: &str,
        columns: &[&str],
        mut read: impl FnMut(&mut Row<'_>, &mut Findings) -> Option<V>,
    ) -> BTreeMap<K, V> {
        let file = format!("words/{name}.csv");
        let lines = table(&file, self.texts.get(&file), columns, self.findings);
        let mut out = BTreeMap::new();
        for line in &lines {
            let mut row = Row::new(&file, line, columns);
            let (_, id) = row.next();
            let Ok(key) = id.parse::<K>() else {
                row.bad("E10", format!("\"{id}\" cannot be a word."), self.findings);
                continue;
            };
            if let Some(value) = read(&mut row, self.findings)
                && out.insert(key, value).is_some()
            {
                row.bad("E08", "the id is used twice.".to_owned(), self.findings);
            }
        }
        out
    }

    /// A list whose words the program knows: none may be missing, none more.
    fn closed<T: FromStr + Ord + Copy + std::fmt::Display>(
        &mut self,
        name: &str,
        columns: &[&str],
        all: &[T],
    ) {
        let found: BTreeMap<T, ()> = self.table(name, columns, |_, _| Some(()));
        self.complete(name, all, &found);
    }

    pub(super) fn complete<T: Ord + std::fmt::Display, V>(
        &mut self,
        name: &str,
        all: &[T],
        found: &BTreeMap<T, V>,
    ) {
        for missing in all.iter().filter(|word| !found.contains_key(word)) {
            let file = format!("words/{name}.csv");
            self.findings.add("E10", &file, 0, format!("the word \"{missing}\" is missing."));
        }
    }
}

/// The names of a map's words.
pub(super) fn keys<K: AsWord, V>(map: &BTreeMap<K, V>) -> Vec<&str> {
    map.keys().map(AsWord::word).collect()
}

/// A word as written.
pub(super) trait AsWord {
    fn word(&self) -> &str;
}

macro_rules! as_word {
    ($($name:ident),*) => {$(impl AsWord for $name {
        fn word(&self) -> &str { self.as_str() }
    })*};
}
as_word!(AgencyId, RoleId, PurposeId, CategoryId, FieldId, FlagId, GatewayId, BasisId, OverrideId);
as_word!(Code, Duty, FactKind, HubFunction);

pub(super) fn read(texts: &Texts, findings: &mut Findings) -> Words {
    let mut r = Reader { texts, findings };
    let mut w = Words {
        agencies: r.table(
            "agencies",
            &["id", "name", "type", "nation", "public_authority", "controller", "involvement"],
            |row, f| {
                Some(Agency {
                    name: row.text(f),
                    kind: row.text(f),
                    nation: row.text(f),
                    public_authority: row.flag(f),
                    controller: row.text(f),
                    involvement: involvement(row, f)?,
                })
            },
        ),
        roles: r.table("roles", &["id", "meaning"], |row, f| Some(row.text(f))),
        purposes: r.table("purposes", &["id", "meaning", "group"], |row, f| {
            Some(Purpose { meaning: row.text(f), group: row.text(f) })
        }),
        ..Words::default()
    };
    r.closed("consent-kinds", &["id", "meaning"], ConsentKind::ALL);
    consent_states(&mut r);
    r.closed("givers", &["id", "meaning"], Giver::ALL);
    r.closed("choices", &["id", "code"], ChoiceKind::ALL);
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    w.flags = r.table("flags", &["id", "meaning", "code"], |row, f| {
        let meaning = row.text(f);
        let (column, cell) = row.next();
        let code = if cell.is_empty() {
            None
        } else {
            Some(row.one(column, cell, "words/codes.csv", &codes, f)?)
        };
        Some(Flag { meaning, code })
    });
    w.codes = codes_table(&mut r);
    r.complete("codes", Code::ALL, &w.codes);
    w.duties = super::reviews::duties(&mut r);
    r.complete("duties", Duty::ALL, &w.duties);
    w.referrals = super::reviews::referrals(&mut r, &w);
    w.bases = r.table("bases", &["id", "meaning", "open_to"], |row, f| {
        let meaning = row.text(f);
        let (_, open_to) = row.next();
        let open_to_public_authority = match open_to {
            "not a public authority" => false,
            "all" | "public authority" | "all, never a public authority's default" => true,
            other => {
                row.bad("E10", format!("column open_to: \"{other}\" is not known."), f);
                return None;
            }
        };
        let open_to_others = open_to != "public authority";
        Some(Basis { meaning, open_to_public_authority, open_to_others })
    });
    categories(&mut r, &mut w);
    gateways(&mut r, &mut w);
    facts(&mut r, &mut w);
    w.retention = super::retention::read(&mut r);
    overrides(&mut r, &mut w);
    w.reviews = super::reviews::reviews(&mut r, &w);
    w.outcomes = super::reviews::outcomes(&mut r);
    w.visibility = super::sight::visibility(&mut r, &w);
    w.telling = super::sight::telling(&mut r, &w);
    w.requests = super::sight::requests(&mut r);
    w.exemptions = super::exemptions::read(&mut r, &w);
    w.parties = super::notices::parties(&mut r, &w.agencies);
    w.proxies = super::proxies::read(&mut r);
    w
}

fn consent_states(r: &mut Reader<'_>) {
    let found: BTreeMap<ConsentState, bool> =
        r.table("consent-states", &["id", "counts_as_yes"], |row, f| Some(row.flag(f)));
    r.complete("consent-states", ConsentState::ALL, &found);
    for (state, yes) in found {
        if yes != state.is_yes() {
            let message = format!("\"{state}\": only given and renewed are a yes.");
            r.findings.add("E10", "words/consent-states.csv", 0, message);
        }
    }
}

fn codes_table(r: &mut Reader<'_>) -> BTreeMap<Code, CodeMeaning> {
    let columns = [
        "id",
        "disposition",
        "lifted_by_override",
        "spoken_to_requester",
        "meaning",
        "fixer",
        "fix",
    ];
    r.table("codes", &columns, |row, f| {
        let (column, letter) = row.next();
        let disposition = match letter {
            "H" => Disposition::Hard,
            "O" => Disposition::Overridable,
            "F" => Disposition::Fixable,
            "R" => Disposition::Referred,
            other => {
                let message = format!("column {column}: \"{other}\" must be H, O, F or R.");
                row.bad("E10", message, f);
                return None;
            }
        };
        Some(CodeMeaning {
            disposition,
            lifted_by_override: row.flag(f),
            spoken_to_requester: row.flag(f),
            meaning: row.text(f),
            fixer: row.text(f),
            fix: row.text(f),
        })
    })
}

fn involvement(row: &mut Row<'_>, f: &mut Findings) -> Option<Involvement> {
    match row.next() {
        (_, "open") => Some(Involvement::Open),
        (_, "sensitive") => Some(Involvement::Sensitive),
        (_, "never") => Some(Involvement::Never),
        (column, cell) => {
            let message = format!(
                "{column} \"{cell}\" must be open, sensitive (its name tells what somebody suffers from) or \
                 never (its name tells where somebody is)."
            );
            row.bad("E10", message, f);
            None
        }
    }
}

fn categories(r: &mut Reader<'_>, w: &mut Words) {
    let agencies = keys(&w.agencies);
    let purposes = keys(&w.purposes);
    let mut categories: BTreeMap<CategoryId, Category> =
        r.table("categories", &["category", "usual_holder", "never_for"], |row, f| {
            let (column, holder) = row.next();
            let usual_holder = if holder == "any" {
                None
            } else {
                Some(row.one(column, holder, "words/agencies.csv", &agencies, f)?)
            };
            let never_for = row.list("words/purposes.csv", &purposes, f);
            if row.id.split('/').count() != 2 {
                row.bad("E10", "a category is written group/name.".to_owned(), f);
            }
            Some(Category { usual_holder, never_for, fields: Vec::new() })
        });
    let columns = [
        "field",
        "category",
        "special",
        "criminal",
        "cpi",
        "location",
        "third_party",
        "sub_code",
        "bar",
    ];
    let known: Vec<String> = categories.keys().map(|c| c.as_str().to_owned()).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let flags = keys(&w.flags);
    let mut order: Vec<(CategoryId, FieldId)> = Vec::new();
    w.fields = r.table("fields", &columns, |row, f| {
        let category: CategoryId = row.word("words/categories.csv", &known, f)?;
        if !row.id.starts_with(&format!("{category}.")) {
            row.bad("E10", "a field is written category.name.".to_owned(), f);
        }
        order.push((category.clone(), row.id.parse().ok()?));
        let letters: Vec<bool> = (0..6).map(|_| row.flag(f)).collect();
        let &[special, criminal, cpi, location, third_party, sub_code] = letters.as_slice() else {
            return None;
        };
        let (column, flag) = row.next();
        let bar = if flag.is_empty() {
            None
        } else {
            Some(row.one(column, flag, "words/flags.csv", &flags, f)?)
        };
        Some(Field { category, special, criminal, cpi, location, third_party, sub_code, bar })
    });
    for (category, field) in order {
        if let Some(category) = categories.get_mut(&category) {
            category.fields.push(field);
        }
    }
    for (id, _) in categories.iter().filter(|(_, c)| c.fields.is_empty()) {
        r.findings.add("E10", "words/categories.csv", 0, format!("\"{id}\" has no field."));
    }
    w.categories = categories;
}

fn pattern(text: &str, w: &Words) -> Option<DataPattern> {
    if text == "*" {
        return Some(DataPattern::All);
    }
    if let Some(group) = text.strip_suffix("/*") {
        let known = w.categories.keys().any(|c| c.as_str().split('/').next() == Some(group));
        return known.then(|| DataPattern::Group(group.to_owned()));
    }
    w.categories.contains_key(text).then(|| text.parse().ok().map(DataPattern::Category))?
}

fn patterns(row: &mut Row<'_>, w: &Words, f: &mut Findings) -> Vec<DataPattern> {
    let (column, cell) = row.next();
    let mut out = Vec::new();
    for text in cell.split('|').filter(|text| !text.is_empty()) {
        match pattern(text, w) {
            Some(pattern) => out.push(pattern),
            None => {
                row.bad("E10", format!("column {column}: \"{text}\" names no category."), f);
            }
        }
    }
    out
}

fn gateways(r: &mut Reader<'_>, w: &mut Words) {
    let columns = [
        "id",
        "statute",
        "section",
        "kind",
        "nations",
        "in_force_from",
        "in_force_to",
        "excludes_data",
        "keeps_data",
        "excludes_holder_types",
        "needs_registration",
    ];
    let words = &*w;
    let kinds: BTreeSet<&str> = words.agencies.values().map(|a| a.kind.as_str()).collect();
    let gateways = r.table("gateways", &columns, |row, f| {
        let statute = row.text(f);
        let section = row.text(f);
        let kind = match row.next().1 {
            "duty" => GatewayKind::Duty,
            "power" => GatewayKind::Power,
            "exemption" => GatewayKind::Exemption,
            other => {
                row.bad(
                    "E10",
                    format!("column kind: \"{other}\" must be duty, power or exemption."),
                    f,
                );
                return None;
            }
        };
        let nations: BTreeSet<String> =
            row.next().1.split('|').filter(|n| !n.is_empty()).map(str::to_owned).collect();
        if nations.is_empty() {
            row.bad("E10", "column nations is empty.".to_owned(), f);
        }
        let in_force_from = row.date(f);
        let in_force_to = row.date(f);
        let excludes_data = patterns(row, words, f);
        let keeps_data = patterns(row, words, f);
        let (column, types) = row.next();
        let mut excludes_holder_types = BTreeSet::new();
        for kind in types.split('|').filter(|t| !t.is_empty()) {
            if kinds.contains(kind) {
                excludes_holder_types.insert(kind.to_owned());
            } else {
                row.bad("E10", format!("column {column}: \"{kind}\" is no agency's type."), f);
            }
        }
        Some(Gateway {
            statute,
            section,
            kind,
            nations,
            in_force_from,
            in_force_to,
            excludes_data,
            keeps_data,
            excludes_holder_types,
            needs_registration: row.flag(f),
        })
    });
    w.gateways = gateways;
}

fn facts(r: &mut Reader<'_>, w: &mut Words) {
    let columns = ["id", "functions", "agencies", "max_age_days", "meaning", "missing"];
    let functions: Vec<&str> = HubFunction::ALL.iter().map(|f| f.as_str()).collect();
    let agencies = keys(&w.agencies);
    let facts = r.table("facts", &columns, |row, f| {
        let functions = row.list("the functions of the hub", &functions, f);
        if functions.is_empty() {
            row.bad("E10", "column functions is empty: nobody could record it.".to_owned(), f);
        }
        let writers = match row.next() {
            (_, "own") => FactWriters::Own,
            (_, "any") => FactWriters::Any,
            (column, "") => {
                let message = format!("column {column} must be own, any, or agencies.");
                row.bad("E10", message, f);
                return None;
            }
            (column, cell) => FactWriters::These(
                cell.split('|')
                    .filter_map(|one| row.one(column, one, "words/agencies.csv", &agencies, f))
                    .collect(),
            ),
        };
        let max_age_days = match row.next().1 {
            "" => None,
            days => match days.parse() {
                Ok(days) if (1..=3_660).contains(&days) => Some(days),
                _ => {
                    let message = "column max_age_days must be days from 1 to 3660, or empty where \
                                   the fact has an end of its own.";
                    row.bad("E10", message.to_owned(), f);
                    return None;
                }
            },
        };
        let (meaning, missing) = (row.text(f), row.text(f));
        Some(FactRule { functions, writers, max_age_days, meaning, missing })
    });
    r.complete("facts", FactKind::ALL, &facts);
    for (kind, rule) in &facts {
        if rule.max_age_days.is_none() && ages(*kind) {
            let message = format!("\"{kind}\": max_age_days is empty. It must have an age.");
            r.findings.add("E10", "words/facts.csv", 0, message);
        }
    }
    w.facts = facts;
}

/// Kinds that refuse when nobody confirms them: without an age they would hold for ever.
const fn ages(kind: FactKind) -> bool {
    match kind {
        FactKind::Staff
        | FactKind::Relationship
        | FactKind::Conflict
        | FactKind::Capacity
        | FactKind::Gillick
        | FactKind::Household
        | FactKind::Factors
        | FactKind::Agency
        | FactKind::PolicyDocument
        | FactKind::Registered
        | FactKind::RegisterRead => true,
        FactKind::Flag
        | FactKind::Death
        | FactKind::OptOut
        | FactKind::Match
        | FactKind::Order
        | FactKind::Release => false,
    }
}

fn overrides(r: &mut Reader<'_>, w: &mut Words) {
    let columns = [
        "id",
        "roles",
        "answers",
        "ceiling_hours",
        "lifts",
        "tests",
        "approver_roles",
        "approver_of",
        "duties",
    ];
    let roles = keys(&w.roles);
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let duties: Vec<&str> = Duty::ALL.iter().map(|duty| duty.as_str()).collect();
    let overrides = r.table("overrides", &columns, |row, f| {
        let asserting = row.list("words/roles.csv", &roles, f);
        let answers: Vec<String> =
            row.next().1.split('|').filter(|a| !a.is_empty()).map(str::to_owned).collect();
        let ceiling_hours = match row.next().1.parse() {
            Ok(hours) if (1..=87_600).contains(&hours) => hours,
            _ => {
                row.bad("E10", "column ceiling_hours must be hours from 1 to 87600.".to_owned(), f);
                return None;
            }
        };
        let (column, lifts) = row.next();
        let lifts = if lifts == "all" {
            Lifts::All
        } else {
            Lifts::Only(
                lifts
                    .split('|')
                    .filter_map(|code| row.one(column, code, "words/codes.csv", &codes, f))
                    .collect(),
            )
        };
        let mut tests = BTreeSet::new();
        for test in row.next().1.split('|').filter(|t| !t.is_empty()) {
            match test {
                "unable" => tests.insert(OverrideTest::Unable),
                "second-person" => tests.insert(OverrideTest::SecondPerson),
                "capacity" => tests.insert(OverrideTest::Capacity),
                other => {
                    let message = format!(
                        "column tests: \"{other}\" must be unable, second-person or capacity."
                    );
                    row.bad("E10", message, f);
                    false
                }
            };
        }
        let approver_roles = row.list("words/roles.csv", &roles, f);
        let approver_of = match row.next().1 {
            "holder" | "" => ApproverOf::Holder,
            "holder-or-asker" => ApproverOf::HolderOrAsker,
            other => {
                let message =
                    format!("column approver_of: \"{other}\" must be holder or holder-or-asker.");
                row.bad("E10", message, f);
                return None;
            }
        };
        Some(OverrideRule {
            roles: asserting,
            answers,
            ceiling_hours,
            lifts,
            duties: row.list("words/duties.csv", &duties, f),
            tests,
            approver_roles,
            approver_of,
        })
    });
    w.overrides = overrides;
}
