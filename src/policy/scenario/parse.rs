//! Scenario files: TOML -> cases. Strict: a key or a word that nobody knows is an error.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "every other kind of TOML value is refused alike"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use toml::{Table, Value};

use super::read::{Problem, Reader, merge};
use crate::domain::{
    AgencyId, AgreementAmendment, Amendments, Answer, Approver, Ask, Asked, Choice, ChoiceKind,
    Code, ConsentEvent, CourtOrder, CustodianRelease, Duty, Facts, FieldId, GatewayAmendment,
    GatewayId, Giver, MatchQuality, ObjectionState, OverrideClaim, RequesterFacts, ResidentFacts,
    Scope,
};
use crate::policy::book::RuleBook;
use crate::policy::decision::Outcome;

/// One case: a scenario without steps, or one step of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// The scenario's id, with `#step` where there are steps.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The time of the ask.
    pub at: Timestamp,
    /// What is known.
    pub facts: Facts,
    /// What is asked.
    pub ask: Ask,
    /// What must come out.
    pub want: Want,
}

/// What must come out of a case.
#[derive(Debug, Clone, Default)]
pub struct Want {
    /// Of the full decision.
    pub full: WantView,
    /// Of the requester's view, where the case says something about it.
    pub requester: Option<WantView>,
}

/// What must be in a view. Unset: not judged.
#[derive(Debug, Clone, Default)]
pub struct WantView {
    /// Equal.
    pub outcome: Option<Outcome>,
    /// Exactly these fields.
    pub permitted: Option<BTreeSet<FieldId>>,
    /// Exactly these fields, each with one of its codes.
    pub withheld: Option<BTreeMap<FieldId, Code>>,
    /// At least these.
    pub codes: BTreeSet<Code>,
    /// None of these.
    pub not_codes: BTreeSet<Code>,
    /// At least these.
    pub duties: BTreeSet<Duty>,
    /// None of these.
    pub not_duties: BTreeSet<Duty>,
    /// One of the gateways under which something is released.
    pub gateway: Option<GatewayId>,
    /// Equal.
    pub duty_alarm: Option<bool>,
}

/// The clock of a case that does not say when.
const DEFAULT_AT: &str = "2026-07-15T10:00:00+01:00";

/// Reads a scenario file against the words of `book`.
///
/// # Errors
/// Every case that cannot be read, each with its id and what is wrong; or the file as a whole.
pub fn parse(text: &str, book: &RuleBook) -> Result<Vec<Case>, Vec<String>> {
    let file: Table = text.parse().map_err(|e: toml::de::Error| vec![e.to_string()])?;
    if let Some(key) = file.keys().find(|key| *key != "scenario") {
        return Err(vec![format!("key `{key}` is not known here: a file holds [[scenario]] only")]);
    }
    let Some(Value::Array(scenarios)) = file.get("scenario") else {
        return Err(vec!["the file holds no [[scenario]]".to_owned()]);
    };
    let mut cases = Vec::new();
    let mut problems = Vec::new();
    let mut ids = BTreeSet::new();
    for (i, scenario) in scenarios.iter().enumerate() {
        let Value::Table(table) = scenario else {
            problems.push(format!("scenario {} is not a table", i + 1));
            continue;
        };
        let id = table.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        if id.is_empty() {
            problems.push(format!("scenario {} has no id", i + 1));
        } else if !ids.insert(id.clone()) {
            problems.push(format!("{id}: the id is used twice"));
        }
        match steps(table, book) {
            Ok(more) => cases.extend(more),
            Err(problem) => problems.push(format!("{id}: {problem}")),
        }
    }
    if cases.is_empty() && problems.is_empty() {
        problems.push("the file holds no case".to_owned());
    }
    if problems.is_empty() { Ok(cases) } else { Err(problems) }
}

fn steps(table: &Table, book: &RuleBook) -> Result<Vec<Case>, Problem> {
    let mut reader = Reader::new("", table);
    let id = reader.text("id")?.ok_or("`id` is missing")?.to_owned();
    let title = reader.text("title")?.unwrap_or_default().to_owned();
    reader.text("why")?;
    let unknown: BTreeSet<String> =
        reader.texts("unknown_words")?.unwrap_or_default().into_iter().map(str::to_owned).collect();
    let mut base = Table::new();
    for key in ["at", "given", "ask", "want"] {
        if let Some(value) = reader.take(key) {
            base.insert(key.to_owned(), value.clone());
        }
    }
    let steps = match reader.take("step") {
        None => None,
        Some(Value::Array(steps)) if !steps.is_empty() => Some(steps.clone()),
        Some(_) => return Err("`step` must be a list of tables".to_owned()),
    };
    reader.done()?;
    let words = Words { book, unknown };
    let Some(steps) = steps else {
        return Ok(vec![case(id, title, &base, &words)?]);
    };
    if base.contains_key("want") {
        return Err("`want` must stand in each step, not beside the steps".to_owned());
    }
    let mut cases = Vec::new();
    for (i, step) in steps.iter().enumerate() {
        let Value::Table(step) = step else {
            return Err("`step` must be a list of tables".to_owned());
        };
        let mut whole = base.clone();
        merge(&mut whole, step);
        let name = format!("{id}#{}", i + 1);
        cases.push(
            case(name, title.clone(), &whole, &words)
                .map_err(|problem| format!("step {}: {problem}", i + 1))?,
        );
    }
    Ok(cases)
}

/// The vocabulary, and the words that a scenario uses on purpose though no vocabulary has them.
pub(super) struct Words<'a> {
    pub(super) book: &'a RuleBook,
    pub(super) unknown: BTreeSet<String>,
}

impl Words<'_> {
    fn word<T: FromStr>(&self, path: &str, text: &str, known: bool) -> Result<T, Problem> {
        if !known && !self.unknown.contains(text) {
            return Err(format!(
                "`{path}`: \"{text}\" is in no vocabulary (and not in unknown_words)"
            ));
        }
        text.parse().map_err(|_| format!("`{path}`: \"{text}\" cannot be a word"))
    }

    fn agency(&self, path: &str, text: &str) -> Result<AgencyId, Problem> {
        self.word(path, text, self.book.agencies.contains_key(text))
    }

    fn agencies(&self, path: &str, texts: Vec<&str>) -> Result<BTreeSet<AgencyId>, Problem> {
        texts.into_iter().map(|text| self.agency(path, text)).collect()
    }

    fn scope(&self, path: &str, text: &str) -> Result<Scope, Problem> {
        let known = self.book.fields.contains_key(text) || self.book.categories.contains_key(text);
        self.word(path, text, known)
    }

    fn scopes(&self, path: &str, texts: Vec<&str>) -> Result<Vec<Scope>, Problem> {
        texts.into_iter().map(|text| self.scope(path, text)).collect()
    }

    /// Fields, with whole categories expanded.
    fn fields(&self, path: &str, text: &str) -> Result<Vec<FieldId>, Problem> {
        match self.scope(path, text)? {
            Scope::Field(field) => Ok(vec![field]),
            Scope::Category(category) => match self.book.categories.get(&category) {
                Some(known) => Ok(known.fields.clone()),
                None => self.word(path, text, false).map(|field| vec![field]),
            },
        }
    }
}

macro_rules! needed {
    ($reader:ident.$get:ident($key:literal)) => {
        $reader.$get($key)?.ok_or_else(|| format!("`{}` is missing", $reader.at($key)))
    };
}

pub(super) fn case(
    id: String,
    title: String,
    table: &Table,
    words: &Words<'_>,
) -> Result<Case, Problem> {
    let mut top = Reader::new("", table);
    let zone = &words.book.place.zone;
    let default = DEFAULT_AT.parse().map_err(|_| "the default clock is malformed")?;
    let at = top.time("at", zone)?.unwrap_or(default);
    let given = top.table("given")?.ok_or("`given.requester` is missing")?;
    let facts = facts(given, words, at)?;
    let asked = top.table("ask")?.ok_or("`ask` is missing")?;
    let ask = ask(asked, words)?;
    let wanted = top.table("want")?.ok_or("`want` is missing")?;
    let want = want(wanted, words)?;
    top.done()?;
    Ok(Case { id, title, at, facts, ask, want })
}

fn facts(mut given: Reader<'_>, words: &Words<'_>, at: Timestamp) -> Result<Facts, Problem> {
    let zone = &words.book.place.zone;
    let asker = given.table("requester")?.ok_or("`given.requester` is missing")?;
    let requester = requester(asker, words)?;
    let resident = match given.table("resident")? {
        Some(reader) => resident(reader, words)?,
        None => resident(Reader::new("given.resident", &Table::new()), words)?,
    };
    let consents = given
        .tables("consents")?
        .into_iter()
        .map(|reader| consent(reader, words))
        .collect::<Result<_, _>>()?;
    let choices = given
        .tables("choices")?
        .into_iter()
        .map(|reader| choice(reader, words))
        .collect::<Result<_, _>>()?;
    let mut amendments = Amendments::default();
    for (id, value) in given.entries("agreements")? {
        let path = format!("given.agreements.{id}");
        let key = words.word(&path, id, words.book.agreements.contains_key(id))?;
        amendments.agreements.insert(key, agreement(inner(&path, value)?, words)?);
    }
    for (id, value) in given.entries("gateways")? {
        let path = format!("given.gateways.{id}");
        let key: GatewayId = words.word(&path, id, words.book.gateways.contains_key(id))?;
        let known = words.book.gateways.get(&key);
        amendments.gateways.insert(key, gateway(inner(&path, value)?, known)?);
    }
    if let Some(mut policy) = given.table("policy")? {
        amendments.digital_consent_age = policy.number("digital_consent_age")?;
        policy.done()?;
    }
    let mut set = |key: &str| -> Result<BTreeSet<AgencyId>, Problem> {
        words.agencies(&format!("given.{key}"), given.texts(key)?.unwrap_or_default())
    };
    let suspended = set("suspended")?;
    let apd_lapsed = set("apd_lapsed")?;
    let registered = given
        .texts("registered")?
        .unwrap_or_else(|| vec!["DEA-35"])
        .into_iter()
        .map(|g| words.word("given.registered", g, words.book.gateways.contains_key(g)))
        .collect::<Result<_, _>>()?;
    let ndo_checked_at = Some(given.time("ndo_checked_at", zone)?.unwrap_or(at));
    let order = given.table("order")?.map(|reader| order(reader, words)).transpose()?;
    let custodian_releases = given
        .tables("custodian_release")?
        .into_iter()
        .map(|reader| release(reader, words))
        .collect::<Result<_, _>>()?;
    given.done()?;
    Ok(Facts {
        requester,
        resident,
        consents,
        choices,
        suspended,
        apd_lapsed,
        registered,
        ndo_checked_at,
        order,
        custodian_releases,
        amendments,
        grant: None,
    })
}

fn inner<'a>(path: &str, value: &'a Value) -> Result<Reader<'a>, Problem> {
    match value {
        Value::Table(table) => Ok(Reader::new(path, table)),
        _ => Err(format!("`{path}` must be a table")),
    }
}

fn requester(mut r: Reader<'_>, words: &Words<'_>) -> Result<RequesterFacts, Problem> {
    let zone = &words.book.place.zone;
    let agency = needed!(r.text("agency"))?;
    let role = needed!(r.text("role"))?;
    let out = RequesterFacts {
        agency: words.agency(&r.at("agency"), agency)?,
        role: words.word(&r.at("role"), role, words.book.roles.contains_key(role))?,
        person: r
            .text("person")?
            .unwrap_or("worker-1")
            .parse()
            .map_err(|_| format!("`{}` is not a person's id", r.at("person")))?,
        account_ends: r.time("account_ends", zone)?,
        training_until: Some(r.date("training_until")?.unwrap_or(Date::constant(2026, 12, 31))),
        relationship: r.flag("relationship", true)?,
        is_self: r.flag("self", false)?,
        conflict: r.flag("conflict", false)?,
    };
    r.done()?;
    Ok(out)
}

fn resident(mut r: Reader<'_>, words: &Words<'_>) -> Result<ResidentFacts, Problem> {
    let flags = r
        .texts("flags")?
        .unwrap_or_default()
        .into_iter()
        .map(|flag| words.word(&r.at("flags"), flag, words.book.flags.contains_key(flag)))
        .collect::<Result<_, _>>()?;
    let out = ResidentFacts {
        born: Some(r.date("born")?.unwrap_or(Date::constant(1980, 6, 15))),
        nation: r.text("nation")?.unwrap_or("England").to_owned(),
        died: r.date("died")?,
        flags,
        matched: r.parsed("match")?.unwrap_or(MatchQuality::Certain),
        capacity: r.parsed("capacity")?.unwrap_or(crate::domain::Capacity::Has),
        parent_of_case: r.flag("parent_of_case", false)?,
        disadvantages: r.number("disadvantages")?.unwrap_or(0),
    };
    r.done()?;
    Ok(out)
}

fn consent(mut r: Reader<'_>, words: &Words<'_>) -> Result<ConsentEvent, Problem> {
    let zone = &words.book.place.zone;
    let at = r.time("at", zone)?.ok_or_else(|| format!("`{}` is missing", r.at("at")))?;
    let day = at.to_zoned(zone.clone()).date();
    let year_later = day.saturating_add(jiff::Span::new().years(1));
    let purposes = needed!(r.texts("purposes"))?
        .into_iter()
        .map(|p| words.word(&r.at("purposes"), p, words.book.purposes.contains_key(p)))
        .collect::<Result<_, _>>()?;
    let recipients = needed!(r.texts("recipients"))?;
    let fields = r.texts("fields")?;
    let parts = r
        .texts("parts")?
        .unwrap_or_default()
        .into_iter()
        .map(|p| p.parse().map_err(|_| format!("`{}`: \"{p}\" is not a part", r.at("parts"))))
        .collect::<Result<_, _>>()?;
    let out = ConsentEvent {
        kind: needed!(r.parsed("kind"))?,
        state: needed!(r.parsed("state"))?,
        at,
        until: r.date("until")?.unwrap_or(year_later),
        purposes,
        recipients: words.agencies(&r.at("recipients"), recipients)?,
        fields: fields.map(|all| words.scopes(&r.at("fields"), all)).transpose()?,
        by: r.parsed("by")?.unwrap_or(Giver::Own),
        evidence: r.flag("evidence", true)?,
        gillick: r.flag("gillick", false)?,
        freely_given: r.flag("freely_given", true)?,
        parts,
        collected: Default::default(),
        // A case tells by `evidence` that authority was seen: there is no register in it.
        proxy: None,
    };
    r.done()?;
    Ok(out)
}

fn choice(mut r: Reader<'_>, words: &Words<'_>) -> Result<Choice, Problem> {
    let kind: ChoiceKind = needed!(r.parsed("kind"))?;
    let fields = r.texts("fields")?;
    let purpose = r.text("purpose")?;
    let state: Option<ObjectionState> = r.parsed("state")?;
    if kind != ChoiceKind::Art21 && (purpose.is_some() || state.is_some()) {
        return Err(format!("`{}`: purpose and state are for art21 only", r.at("kind")));
    }
    if kind == ChoiceKind::Art21 && purpose.is_none() {
        return Err(format!("`{}` is missing", r.at("purpose")));
    }
    let purpose = purpose
        .map(|p| words.word(&r.at("purpose"), p, words.book.purposes.contains_key(p)))
        .transpose()?;
    let out = Choice {
        kind,
        on: needed!(r.date("on"))?,
        fields: fields.map(|all| words.scopes(&r.at("fields"), all)).transpose()?,
        lifted: r.time("lifted", &words.book.place.zone)?,
        purpose,
        state: state.unwrap_or(ObjectionState::Pending),
    };
    r.done()?;
    Ok(out)
}

fn agreement(mut r: Reader<'_>, words: &Words<'_>) -> Result<AgreementAmendment, Problem> {
    let parties = r.texts("without_parties")?.unwrap_or_default();
    let categories = r.texts("without_categories")?.unwrap_or_default();
    let out = AgreementAmendment {
        status: r.parsed("status")?,
        start: r.date("start")?,
        end: r.date("end")?,
        review_due: r.date("review_due")?,
        dpia: r.maybe_flag("dpia")?,
        without_parties: words.agencies(&r.at("without_parties"), parties)?,
        without_categories: categories
            .into_iter()
            .map(|c| {
                let known = words.book.categories.contains_key(c);
                words.word(&r.at("without_categories"), c, known)
            })
            .collect::<Result<_, _>>()?,
    };
    r.done()?;
    Ok(out)
}

/// Each day that is given replaces the vocabulary's; the other stays.
fn gateway(
    mut r: Reader<'_>,
    known: Option<&crate::policy::book::Gateway>,
) -> Result<GatewayAmendment, Problem> {
    let out = GatewayAmendment {
        in_force_from: r.date("in_force_from")?.or(known.and_then(|g| g.in_force_from)),
        in_force_to: r.date("in_force_to")?.or(known.and_then(|g| g.in_force_to)),
    };
    r.done()?;
    Ok(out)
}

fn order(mut r: Reader<'_>, words: &Words<'_>) -> Result<CourtOrder, Problem> {
    let to = needed!(r.text("to"))?;
    let fields = needed!(r.texts("fields"))?;
    let out = CourtOrder {
        id: needed!(r.text("id"))?.to_owned(),
        to: words.agency(&r.at("to"), to)?,
        fields: words.scopes(&r.at("fields"), fields)?,
        from: needed!(r.date("from"))?,
        until: needed!(r.date("until"))?,
        sealed_copy: r.flag("sealed_copy", true)?,
    };
    r.done()?;
    Ok(out)
}

fn release(mut r: Reader<'_>, words: &Words<'_>) -> Result<CustodianRelease, Problem> {
    let to = needed!(r.text("to"))?;
    let fields = needed!(r.texts("fields"))?;
    let out = CustodianRelease {
        fields: words.scopes(&r.at("fields"), fields)?,
        to: words.agency(&r.at("to"), to)?,
        until: needed!(r.date("until"))?,
    };
    r.done()?;
    Ok(out)
}

fn ask(mut r: Reader<'_>, words: &Words<'_>) -> Result<Ask, Problem> {
    let book = words.book;
    let from = needed!(r.text("from"))?;
    let purpose = needed!(r.text("purpose"))?;
    let fields = needed!(r.texts("fields"))?;
    let word_of = |r: &mut Reader<'_>, key: &str, known: &dyn Fn(&str) -> bool| {
        r.text(key)?.map(|text| words.word(&r.at(key), text, known(text))).transpose()
    };
    let basis = word_of(&mut r, "basis", &|text| book.bases.contains_key(text))?;
    let cites = r.text("cites")?;
    let received = r.text("received_for")?;
    let claim = r.table("override")?.map(|reader| claim(reader, words)).transpose()?;
    let out = Ask {
        from: words.agency(&r.at("from"), from)?,
        purpose: words.word(&r.at("purpose"), purpose, book.purposes.contains_key(purpose))?,
        fields: words.scopes(&r.at("fields"), fields)?.into_iter().map(Asked).collect(),
        reason: r.text("reason")?.unwrap_or("Needed for the case named").to_owned(),
        case_ref: r.text("case_ref")?.unwrap_or("CASE-1").to_owned(),
        subjects: r.number("subjects")?.unwrap_or(1),
        basis,
        cites: cites
            .map(|g| words.word(&r.at("cites"), g, book.gateways.contains_key(g)))
            .transpose()?,
        threshold: r.text("threshold")?.map(str::to_owned),
        notice_ref: r.text("notice_ref")?.map(str::to_owned),
        received_for: received
            .map(|p| words.word(&r.at("received_for"), p, book.purposes.contains_key(p)))
            .transpose()?,
        do_not_tell: r.text("do_not_tell")?.map(str::to_owned),
        override_claim: claim,
    };
    r.done()?;
    Ok(out)
}

fn claim(mut r: Reader<'_>, words: &Words<'_>) -> Result<OverrideClaim, Problem> {
    let kind = needed!(r.text("kind"))?;
    let mut answers = BTreeMap::new();
    for (question, value) in r.entries("answers")? {
        let known = words.book.overrides.values().any(|o| o.answers.iter().any(|a| a == question));
        if !known && !words.unknown.contains(question) {
            return Err(format!("`{}`: no override asks \"{question}\"", r.at("answers")));
        }
        let answer = match value {
            Value::Boolean(flag) => Answer::Flag(*flag),
            Value::String(text) => Answer::Text(text.clone()),
            _ => {
                return Err(format!(
                    "`{}.{question}` must be true, false or a text",
                    r.at("answers")
                ));
            }
        };
        answers.insert(question.to_owned(), answer);
    }
    let approver = match r.table("approver")? {
        None => None,
        Some(mut a) => {
            let agency = needed!(a.text("agency"))?;
            let role = needed!(a.text("role"))?;
            let approver = Approver::confirmed(
                needed!(a.parsed("person"))?,
                words.agency(&a.at("agency"), agency)?,
                words.word(&a.at("role"), role, words.book.roles.contains_key(role))?,
            );
            a.done()?;
            Some(approver)
        }
    };
    let out = OverrideClaim {
        kind: words.word(&r.at("kind"), kind, words.book.overrides.contains_key(kind))?,
        answers,
        asserted_at: r.time("asserted_at", &words.book.place.zone)?,
        approver,
        named: None,
    };
    r.done()?;
    Ok(out)
}

fn want(mut r: Reader<'_>, words: &Words<'_>) -> Result<Want, Problem> {
    let full = want_view(&mut r, words)?;
    let requester = match r.table("requester")? {
        None => None,
        Some(mut inner) => {
            let mut view = want_view(&mut inner, words)?;
            view.not_codes.extend(codes(&mut inner, "never")?);
            inner.done()?;
            view.outcome = view.outcome.or(full.outcome);
            Some(view)
        }
    };
    r.done()?;
    Ok(Want { full, requester })
}

fn want_view(r: &mut Reader<'_>, words: &Words<'_>) -> Result<WantView, Problem> {
    let outcome = match r.text("outcome")? {
        None => None,
        Some("PERMIT") => Some(Outcome::Permit),
        Some("PARTIAL") => Some(Outcome::Partial),
        Some("REFER") => Some(Outcome::Refer),
        Some("DENY") => Some(Outcome::Deny),
        Some(other) => return Err(format!("`{}`: \"{other}\" is no outcome", r.at("outcome"))),
    };
    let permitted = match r.texts("permitted")? {
        None => None,
        Some(texts) => {
            let mut fields = BTreeSet::new();
            for text in texts {
                fields.extend(words.fields(&r.at("permitted"), text)?);
            }
            Some(fields)
        }
    };
    let listed = r.take("withheld").is_some();
    let mut withheld = BTreeMap::new();
    for (text, code) in r.entries("withheld")? {
        let code: Code = code
            .as_str()
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| format!("`{}.{text}` must be a known code", r.at("withheld")))?;
        for field in words.fields(&r.at("withheld"), text)? {
            withheld.insert(field, code);
        }
    }
    let gateway = r.text("gateway")?;
    Ok(WantView {
        outcome,
        permitted,
        withheld: listed.then_some(withheld),
        codes: codes(r, "codes")?,
        not_codes: codes(r, "not_codes")?,
        duties: duties(r, "duties")?,
        not_duties: duties(r, "not_duties")?,
        gateway: gateway
            .map(|g| words.word(&r.at("gateway"), g, words.book.gateways.contains_key(g)))
            .transpose()?,
        duty_alarm: r.maybe_flag("duty_alarm")?,
    })
}

fn codes(r: &mut Reader<'_>, key: &str) -> Result<BTreeSet<Code>, Problem> {
    closed(r, key, "code")
}

fn duties(r: &mut Reader<'_>, key: &str) -> Result<BTreeSet<Duty>, Problem> {
    closed(r, key, "duty")
}

fn closed<T: FromStr + Ord>(
    r: &mut Reader<'_>,
    key: &str,
    what: &str,
) -> Result<BTreeSet<T>, Problem> {
    r.texts(key)?
        .unwrap_or_default()
        .into_iter()
        .map(|text| text.parse().map_err(|_| format!("`{}`: \"{text}\" is no {what}", r.at(key))))
        .collect()
}
