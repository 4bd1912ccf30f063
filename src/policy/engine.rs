//! casbin, and nothing but casbin: it says every yes and no. Rows are put into one section for each
//! distinct list of candidates, found by (recipient agency, purpose, category); the full matcher
//! judges them. The index is a prefilter and never decides.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use casbin::rhai::{Dynamic, ImmutableString};
use casbin::{
    CoreApi, DefaultModel, EffectKind, Effector, EffectorStream, EnforceContext, Enforcer, Model,
};

use super::EngineError;
use super::book::{Cell, Effect, Only, Rule, RuleBook};
use crate::domain::CategoryId;

/// The matcher's terms in the model's order, by the name that `conditions.toml` gives them. What most
/// often says no stands first: casbin stops there.
pub(super) const TERMS: [&str; 17] = [
    "when",
    "role",
    "field",
    "category",
    "purpose",
    "agency",
    "death",
    "bulk",
    "asking",
    "gateway",
    "basis",
    "apd9",
    "apd10",
    "ground",
    "agreement",
    "choices",
    "override",
];

/// The terms that say whether a row speaks of the question at all: role to agency.
pub(super) const SCOPE: u32 = 0b11_1110;
/// Position of `when`.
pub(super) const WHEN: usize = 0;

/// The request's words, in the order of the model's request definition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Request {
    pub agency: ImmutableString,
    pub role: ImmutableString,
    pub purpose: ImmutableString,
    pub category: ImmutableString,
    pub field: ImmutableString,
    pub letters: ImmutableString,
    pub meets: ImmutableString,
    pub dead: ImmutableString,
    pub bulk: ImmutableString,
    pub stops: ImmutableString,
    pub gateways: ImmutableString,
    pub basis: ImmutableString,
    pub apd9: ImmutableString,
    pub apd10: ImmutableString,
    pub grounds: ImmutableString,
    pub agreements: ImmutableString,
    pub choices: ImmutableString,
    pub override_kind: ImmutableString,
}

impl Request {
    fn values(&self) -> Vec<ImmutableString> {
        let Self {
            agency,
            role,
            purpose,
            category,
            field,
            letters,
            meets,
            dead,
            bulk,
            stops,
            gateways,
            basis,
            apd9,
            apd10,
            grounds,
            agreements,
            choices,
            override_kind,
        } = self.clone();
        vec![
            agency,
            role,
            purpose,
            category,
            field,
            letters,
            meets,
            dead,
            bulk,
            stops,
            gateways,
            basis,
            apd9,
            apd10,
            grounds,
            agreements,
            choices,
            override_kind,
        ]
    }
}

/// The rows that could matter for one (agency, purpose, category): positions in the rule table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// Its number; another one has other rows.
    pub at: u32,
    key: String,
    /// Deny rows first, each part in file order.
    pub rows: Vec<usize>,
}

/// How rows are laid out for casbin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A section for each distinct list of candidates: what the hub runs on.
    Sectioned,
    /// All rows in one section, as stock casbin would have them: for comparison.
    Flat,
}

/// What casbin said, and which rows it said it for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Some allow row matches, and no deny row does.
    pub yes: bool,
    /// Rows that match, by position in the rule table.
    pub hits: Vec<usize>,
}

/// One enforcer with many sections.
pub(super) struct Engine {
    enforcer: Enforcer,
    sections: Vec<Section>,
    index: Index,
    agencies: HashMap<String, u32>,
    purposes: HashMap<String, u32>,
    categories: HashMap<CategoryId, u32>,
}

/// The index of a word that the vocabulary does not have.
const UNKNOWN: u32 = u32::MAX;
const EFFECT: &str = "some(where (p_eft == allow)) && !some(where (p_eft == deny))";

impl Engine {
    pub(super) fn build(book: &RuleBook, layout: Layout) -> Result<Self, EngineError> {
        let mut model = ready(DefaultModel::from_str(&book.model))?.map_err(engine)?;
        let matcher = matcher_of(&book.model)?;
        let terms = terms_of(matcher)?;
        check_readers(&terms)?;
        let traced: Vec<String> =
            terms.iter().enumerate().map(|(i, term)| format!("mark({i}, {term})")).collect();
        if !model.add_def("m", "m2", &traced.join(" & ")) {
            return Err(EngineError("the tracing matcher was not accepted".to_owned()));
        }
        let columns: Vec<usize> = Rule::COLUMNS
            .iter()
            .enumerate()
            .filter(|(_, name)| matches!(**name, "id" | "eft") || reads_column(matcher, name))
            .map(|(i, _)| i)
            .collect();
        let (sections, index, words) = sections(book, layout);
        for section in &sections {
            add_section(&mut model, section, book, &columns)?;
        }
        let mut enforcer = ready(Enforcer::new_raw(model, ()))?.map_err(engine)?;
        register(&mut enforcer);
        enforcer.set_effector(Box::new(Recorder));
        Ok(Self {
            enforcer,
            sections,
            index,
            agencies: words.0,
            purposes: words.1,
            categories: words.2,
        })
    }

    /// The candidates for a question; `category` is `None` for a field that no vocabulary names.
    pub(super) fn section(
        &self,
        agency: &str,
        purpose: &str,
        category: Option<&CategoryId>,
    ) -> Option<&Section> {
        let agency = self.agencies.get(agency).copied().unwrap_or(UNKNOWN);
        let purpose = self.purposes.get(purpose).copied().unwrap_or(UNKNOWN);
        let category = category.and_then(|c| self.categories.get(c).copied()).unwrap_or(UNKNOWN);
        let at = *self.index.get(&(agency, purpose, category))?;
        self.sections.get(usize::try_from(at).ok()?)
    }

    /// casbin's yes or no.
    pub(super) fn decide(
        &self,
        section: &Section,
        request: &Request,
    ) -> Result<Verdict, EngineError> {
        let (yes, trace) = self.enforce(section, request, "m")?;
        let hits = trace
            .effects
            .iter()
            .zip(&section.rows)
            .filter(|(effect, _)| **effect)
            .map(|(_, row)| *row)
            .collect();
        Ok(Verdict { yes, hits })
    }

    /// For each row of the section, the terms that fail, as a bit set over [`TERMS`]: every term is
    /// evaluated by casbin for every row.
    pub(super) fn trace(
        &self,
        section: &Section,
        request: &Request,
    ) -> Result<Vec<(usize, u32)>, EngineError> {
        let (_, trace) = self.enforce(section, request, "m2")?;
        if trace.failing.len() != section.rows.len() {
            return Err(EngineError("a row was not evaluated".to_owned()));
        }
        Ok(section.rows.iter().copied().zip(trace.failing).collect())
    }

    pub(super) fn sections(&self) -> &[Section] {
        &self.sections
    }

    fn enforce(
        &self,
        section: &Section,
        request: &Request,
        matcher: &str,
    ) -> Result<(bool, Trace), EngineError> {
        if section.rows.is_empty() {
            return Ok((false, Trace::default()));
        }
        let context = EnforceContext {
            r_type: "r".to_owned(),
            p_type: section.key.clone(),
            e_type: "e".to_owned(),
            m_type: matcher.to_owned(),
        };
        TRACE.with_borrow_mut(|trace| *trace = Trace::default());
        let answer = self.enforcer.enforce_with_context(context, request.values());
        let trace = TRACE.with_borrow_mut(std::mem::take);
        Ok((answer.map_err(engine)?, trace))
    }
}

fn engine(error: casbin::Error) -> EngineError {
    EngineError(error.to_string())
}

/// casbin's constructors are async but never wait for data in memory: one poll is enough.
fn ready<T>(future: impl Future<Output = T>) -> Result<T, EngineError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err(EngineError("casbin waited while it was being built".to_owned())),
    }
}

fn matcher_of(model: &str) -> Result<&str, EngineError> {
    model
        .lines()
        .find_map(|line| line.trim().strip_prefix("m = "))
        .ok_or_else(|| EngineError("model.conf has no matcher".to_owned()))
}

fn terms_of(matcher: &str) -> Result<Vec<&str>, EngineError> {
    let terms: Vec<&str> = matcher.split("&&").map(str::trim).collect();
    if terms.len() == TERMS.len() {
        Ok(terms)
    } else {
        Err(EngineError(format!(
            "the matcher has {} terms, the engine knows {}",
            terms.len(),
            TERMS.len()
        )))
    }
}

/// What names the field is read by two terms only: a verdict is then the same for every field of which
/// each row speaks alike, and is asked for once.
fn check_readers(terms: &[&str]) -> Result<(), EngineError> {
    for (name, term) in TERMS.iter().zip(terms) {
        let reads = ["r.field", "r.letters", "r.category"].iter().any(|word| term.contains(word));
        if reads && !matches!(*name, "field" | "category") {
            return Err(EngineError(format!(
                "the matcher's term {name} reads the field: only field and category may"
            )));
        }
    }
    Ok(())
}

fn reads_column(matcher: &str, column: &str) -> bool {
    let wanted = format!("p.{column}");
    matcher
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
        .any(|w| w == wanted)
}

/// Which section serves (agency, purpose, category), by the numbers of the words.
type Index = HashMap<(u32, u32, u32), u32>;
type Words = (HashMap<String, u32>, HashMap<String, u32>, HashMap<CategoryId, u32>);

fn numbered<K: std::hash::Hash + Eq>(words: impl Iterator<Item = K>) -> HashMap<K, u32> {
    words.zip(0_u32..).collect()
}

fn sections(book: &RuleBook, layout: Layout) -> (Vec<Section>, Index, Words) {
    let agencies = numbered(book.agencies.keys().map(|a| a.as_str().to_owned()));
    let purposes = numbered(book.purposes.keys().map(|p| p.as_str().to_owned()));
    let categories = numbered(book.categories.keys().cloned());
    let mut order: Vec<usize> = (0..book.rules.len()).collect();
    order.sort_by_key(|i| book.rules.get(*i).is_none_or(|r| r.effect == Effect::Allow));
    let mut sections: Vec<Section> = Vec::new();
    let mut by_rows: HashMap<Vec<usize>, u32> = HashMap::new();
    let mut index = HashMap::new();
    let any = |words: &HashMap<String, u32>| -> Vec<(Option<String>, u32)> {
        words
            .iter()
            .map(|(w, i)| (Some(w.clone()), *i))
            .chain(std::iter::once((None, UNKNOWN)))
            .collect()
    };
    for (agency, a) in any(&agencies) {
        for (purpose, p) in any(&purposes) {
            let speaks: Vec<usize> = order
                .iter()
                .copied()
                .filter(|i| {
                    book.rules.get(*i).is_some_and(|rule| {
                        names(&rule.agencies, agency.as_deref())
                            && names(&rule.purposes, purpose.as_deref())
                    })
                })
                .collect();
            for (category, c) in categories
                .iter()
                .map(|(c, i)| (Some(c), *i))
                .chain(std::iter::once((None, UNKNOWN)))
            {
                let rows: Vec<usize> = match layout {
                    Layout::Flat => order.clone(),
                    Layout::Sectioned => speaks
                        .iter()
                        .copied()
                        .filter(|i| {
                            book.rules.get(*i).is_some_and(|rule| may_list(rule, category, book))
                        })
                        .collect(),
                };
                let at = *by_rows.entry(rows).or_insert_with_key(|rows| {
                    let at = u32::try_from(sections.len()).unwrap_or(UNKNOWN);
                    sections.push(Section {
                        at,
                        key: format!("p{}", sections.len() + 2),
                        rows: rows.clone(),
                    });
                    at
                });
                index.insert((a, p, c), at);
            }
        }
    }
    (sections, index, (agencies, purposes, categories))
}

fn names<T: Ord + std::borrow::Borrow<str>>(cell: &Cell<T>, word: Option<&str>) -> bool {
    match (cell, word) {
        (Cell::Any, _) => true,
        (Cell::These(_), Some(word)) => cell.has(word),
        (Cell::These(_), None) => false,
    }
}

fn may_list(rule: &Rule, category: Option<&CategoryId>, book: &RuleBook) -> bool {
    let Some(category) = category else {
        return rule.categories == Cell::Any && rule.only.is_empty();
    };
    if !rule.categories.has(category) {
        return false;
    }
    let fields = book.categories.get(category).map(|c| c.fields.as_slice()).unwrap_or_default();
    rule.only.iter().all(|only| match only {
        Only::Field(_) => true,
        Only::Letter(letter) => {
            fields.iter().filter_map(|f| book.fields.get(f)).any(|f| f.has_letter(*letter))
        }
        Only::Bar(flag) => {
            fields.iter().filter_map(|f| book.fields.get(f)).any(|f| f.bar.as_ref() == Some(flag))
        }
    })
}

/// Adds a section and gives it the token names that the one matcher reads. casbin would name them
/// after the section and then neither find them nor honour a deny; the self-check holds this.
fn add_section(
    model: &mut DefaultModel,
    section: &Section,
    book: &RuleBook,
    columns: &[usize],
) -> Result<(), EngineError> {
    if section.rows.is_empty() {
        return Ok(());
    }
    let pick = |cells: &[String]| -> Vec<String> {
        columns.iter().filter_map(|c| cells.get(*c).cloned()).collect()
    };
    let tokens: Vec<String> =
        columns.iter().filter_map(|c| Rule::COLUMNS.get(*c)).map(|c| format!("p_{c}")).collect();
    model.add_def("p", &section.key, &tokens.join(", "));
    let assertion = model
        .get_mut_model()
        .get_mut("p")
        .and_then(|sections| sections.get_mut(&section.key))
        .ok_or_else(|| EngineError("a section was not accepted".to_owned()))?;
    assertion.tokens = tokens;
    for row in &section.rows {
        let rule = book.rules.get(*row).ok_or_else(|| EngineError("no such row".to_owned()))?;
        let cells = pick(&rule.cells);
        if cells.len() != columns.len() || !assertion.policy.insert(cells) {
            return Err(EngineError(format!("row {} was not accepted", rule.id)));
        }
    }
    Ok(())
}

pub(super) fn register(enforcer: &mut Enforcer) {
    use casbin::function_map::OperatorFunction::{Arg1, Arg2, Arg3};
    enforcer.add_function("anyOf", Arg2(|word, list| two(&word, &list, any_of)));
    enforcer.add_function("allOf", Arg2(|need, have| two(&need, &have, all_of)));
    enforcer.add_function("noneOf", Arg2(|a, b| two(&a, &b, none_of)));
    enforcer.add_function("none", Arg1(|a| two(&a, &a, |a, _| a == "-")));
    enforcer.add_function("stated", Arg2(|basis, own| two(&basis, &own, stated)));
    enforcer.add_function("lists", Arg3(|f, l, only| three(&f, &l, &only, lists)));
    enforcer.add_function("grounded", Arg3(|g, all, despite| three(&g, &all, &despite, grounded)));
    enforcer.add_function("mark", Arg2(mark));
}

fn two(a: &Dynamic, b: &Dynamic, test: fn(&str, &str) -> bool) -> Dynamic {
    let (Ok(a), Ok(b)) = (a.as_immutable_string_ref(), b.as_immutable_string_ref()) else {
        return Dynamic::FALSE;
    };
    test(&a, &b).into()
}

fn three(a: &Dynamic, b: &Dynamic, c: &Dynamic, test: fn(&str, &str, &str) -> bool) -> Dynamic {
    let (Ok(a), Ok(b), Ok(c)) =
        (a.as_immutable_string_ref(), b.as_immutable_string_ref(), c.as_immutable_string_ref())
    else {
        return Dynamic::FALSE;
    };
    test(&a, &b, &c).into()
}

fn holds(list: &str, word: &str) -> bool {
    list.split('|').any(|w| w == word)
}

fn any_of(word: &str, list: &str) -> bool {
    list == "*" || (word != "-" && holds(list, word))
}

fn all_of(need: &str, have: &str) -> bool {
    need == "-" || have == "*" || need.split('|').all(|word| holds(have, word))
}

fn none_of(a: &str, b: &str) -> bool {
    a == "-" || b == "-" || (a != "*" && b != "*" && !a.split('|').any(|word| holds(b, word)))
}

fn stated(basis: &str, own: &str) -> bool {
    basis == "-" || own == "-" || holds(own, basis)
}

fn grounded(ground: &str, grounds: &str, despite: &str) -> bool {
    ground == "-"
        || holds(grounds, ground)
        || (holds(despite, "online")
            && grounds.split('|').any(|g| g.strip_suffix("@online") == Some(ground)))
}

fn lists(field: &str, letters: &str, only: &str) -> bool {
    if only == "-" {
        return true;
    }
    let category = field.rsplit_once('.').map_or("", |(category, _)| category);
    let (mut narrowed, mut named) = (false, false);
    for word in only.split('|') {
        if let Some(letter) = word.strip_prefix("letter:") {
            if !holds(letters, letter) {
                return false;
            }
        } else if word.starts_with("bar:") {
            if !holds(letters, word) {
                return false;
            }
        } else if word.rsplit_once('.').is_some_and(|(c, _)| c == category) {
            narrowed = true;
            named |= word == field;
        }
    }
    !narrowed || named
}

#[derive(Default)]
struct Trace {
    effects: Vec<bool>,
    failing: Vec<u32>,
    row: u32,
}

thread_local! {
    static TRACE: RefCell<Trace> = RefCell::new(Trace::default());
}

fn mark(term: Dynamic, met: Dynamic) -> Dynamic {
    let met = met.as_bool().unwrap_or(false);
    if !met {
        let term = term.as_int().ok().and_then(|t| u32::try_from(t).ok()).unwrap_or(31);
        TRACE.with_borrow_mut(|trace| trace.row |= 1_u32.checked_shl(term).unwrap_or(1 << 31));
    }
    met.into()
}

/// Allow-and-no-deny, never stopping early, remembering every row.
struct Recorder;

struct Recording {
    allowed: bool,
    denied: bool,
}

impl Effector for Recorder {
    fn new_stream(&self, expr: &str, _cap: usize) -> Box<dyn EffectorStream> {
        // A model with another effect is never loaded; were it, nothing would be allowed.
        Box::new(Recording { allowed: false, denied: expr != EFFECT })
    }
}

impl EffectorStream for Recording {
    fn next(&self) -> bool {
        self.allowed && !self.denied
    }

    fn push_effect(&mut self, effect: EffectKind) -> bool {
        self.allowed |= effect == EffectKind::Allow;
        self.denied |= effect == EffectKind::Deny;
        TRACE.with_borrow_mut(|trace| {
            trace.effects.push(effect != EffectKind::Indeterminate);
            let row = std::mem::take(&mut trace.row);
            trace.failing.push(row);
        });
        false
    }
}

#[cfg(test)]
mod tests;
