//! Facts: who may record which, what is sound, and what is already known. A resident whom the caller may
//! not know of and none at all are the same answer after the same reads.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;

use super::entry::{Call, fresh_id, nobody};
use super::words::Words;
use super::{Beside, Hub, HubError};
use crate::audit::entry::{Facet, Kind};
use crate::auth::{Caller, HubFunction};
use crate::domain::{Fact, FactKind, MatchQuality, RecordedFact, Register, ResidentId};
use crate::policy::PolicySnapshot;
use crate::policy::book::{FactWriters, RuleBook};
use crate::store::{FactVersion, FactsAbout, Receipt, Refusal, StoreError};

/// Factors that the objective lists (Digital Economy Act 2017; Digital Government (Disclosure of
/// Information) Regulations 2018).
const FACTORS_MAX: u32 = 13;

/// A page of facts.
pub struct ListedFacts {
    /// Each with the time until which it counts; `None`: it has no age.
    pub facts: Vec<(RecordedFact, Option<Timestamp>)>,
    /// There are more.
    pub more: bool,
    /// The look-up's own entry.
    pub receipt: Receipt,
}

impl Hub {
    /// Records facts, all or none; of each place that `seen` names, only over the version that the caller has
    /// seen (`None`: where there is none).
    ///
    /// # Errors
    /// When the caller may not record one of them, what one replaces has changed, a word is unknown, one makes no sense or
    /// contradicts another, or the resident is not to be known. Nothing is recorded then.
    pub async fn record_facts(
        &self,
        caller: &Caller,
        facts: Vec<Fact>,
        seen: Vec<(usize, Option<FactVersion>)>,
    ) -> Result<Receipt, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let call = self.call("weir.hub.v1.FactService/RecordFacts", caller, &policy, at);
        self.require_recorder(&call, &policy, &facts).await?;
        let mut words = Words::of(policy.book());
        for (n, fact) in facts.iter().enumerate() {
            check_words(&mut words, n, fact);
        }
        check_together(&mut words, &facts);
        for (n, fact) in seen.iter().filter_map(|(n, _)| Some((n, facts.get(*n)?))) {
            if fact.parts().len() != 1 {
                let what = "is for one scope: record each scope as a fact of its own";
                words.wrong(&format!("facts[{n}].etag"), what);
            }
        }
        words.done()?;
        let resident = facts.iter().find_map(Fact::resident);
        let about = self.known_beside(&call, &policy, resident.unwrap_or(nobody())).await?;
        let mut words = Words::of(policy.book());
        for (n, fact) in facts.iter().enumerate() {
            check_times(&mut words, n, fact, &about);
        }
        words.done()?;
        for one in facts.iter().filter_map(child).chain(resident) {
            let beside = self.known_beside(&call, &policy, one).await?;
            if hides(&beside, caller) {
                return Err(self.nobody(&call, one).await);
            }
        }
        if let Some(done) = self.done_before(&call).await? {
            return Ok(done.receipt);
        }
        let kinds: BTreeSet<&str> = facts.iter().map(|fact| fact.kind().as_str()).collect();
        let facets = BTreeMap::from([
            (Facet::What, kinds.into_iter().collect::<Vec<_>>().join("|")),
            (Facet::Count, facts.len().to_string()),
        ]);
        let request = serde_json::to_value(&facts).map_err(|_| HubError::Broken)?;
        let none = BTreeMap::new();
        let entry = call.entry(call.event(), Kind::Fact, facets, resident, none, &request);
        let by = Some(caller.agency().clone());
        let facts =
            facts.into_iter().map(|fact| RecordedFact { fact, by: by.clone(), at }).collect();
        let made = match self.store.record_facts_unless_changed(facts, seen, vec![entry]).await {
            Err(StoreError::Refused(Refusal::FactChanged)) => {
                return Err(self
                    .turned_away_with(&call, HubError::Changed, resident, &request)
                    .await);
            }
            made => made,
        };
        let made = made.map(|receipts| receipts.into_iter().next());
        let made = self.once(&call, made, |done| Ok(Some(done.receipt))).await?;
        made.ok_or(HubError::Broken)
    }

    /// Lists facts that the caller could record. The look-up is in the log before anything is read.
    ///
    /// # Errors
    /// When the caller records no facts, or the resident is not to be known.
    pub async fn list_facts(
        &self,
        caller: &Caller,
        about: FactsAbout,
        skip: usize,
        size: usize,
    ) -> Result<ListedFacts, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let book = policy.book();
        let call = self.call("weir.hub.v1.FactService/ListFacts", caller, &policy, at);
        let mine = |function: &HubFunction| caller.functions().contains(function);
        if !book.facts.values().any(|rule| rule.functions.iter().any(mine)) {
            let error = HubError::FunctionNeeded(HubFunction::RegisterClerk);
            return Err(self.turned_away(&call, error).await);
        }
        self.require_agency(&call, &policy).await?;
        self.require_account(&call, &policy).await?;
        let resident = match &about {
            FactsAbout::Resident(resident) => Some(*resident),
            FactsAbout::Place | FactsAbout::Person(..) => None,
        };
        let facets = BTreeMap::from([(Facet::What, "facts".to_owned())]);
        let request = serde_json::json!({});
        let none = BTreeMap::new();
        let entry = call.entry(fresh_id(at), Kind::Query, facets, resident, none, &request);
        let receipt = self.append_one(entry).await?;
        let beside = self.known_beside(&call, &policy, resident.unwrap_or(nobody())).await?;
        let mut found = self.store.facts(about, skip, size + 1).await?;
        if resident.is_some() && hides(&beside, caller) {
            return Err(HubError::NotFound);
        }
        let more = found.len() > size;
        found.truncate(size);
        let facts = found
            .into_iter()
            .filter(|recorded| may_record(book, caller, &recorded.fact).is_ok())
            .map(|recorded| {
                let until = beside.judge().fresh_until(&recorded);
                (recorded, until)
            })
            .collect();
        Ok(ListedFacts { facts, more, receipt })
    }

    /// Lets through who may record all of `facts`. The board admits agencies, its own too.
    async fn require_recorder(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        facts: &[Fact],
    ) -> Result<(), HubError> {
        for fact in facts {
            if let Err(error) = may_record(policy.book(), call.caller, fact) {
                let kind = serde_json::json!({ "fact": fact.kind().as_str() });
                return Err(self.turned_away_with(call, error, fact.resident(), &kind).await);
            }
        }
        if !facts.iter().all(|fact| fact.kind() == FactKind::Agency) {
            self.require_agency(call, policy).await?;
        }
        self.require_account(call, policy).await
    }
}

/// Closed to the caller. A custodian keeps what closes a record, and so knows of it.
fn hides(beside: &Beside<'_>, caller: &Caller) -> bool {
    let closed = beside.is_closed();
    let keeps = caller.functions().contains(&HubFunction::Custodian);
    if keeps { beside.known.resident.is_none() } else { closed }
}

fn may_record(book: &RuleBook, caller: &Caller, fact: &Fact) -> Result<(), HubError> {
    let rule = book.facts.get(&fact.kind()).ok_or(HubError::Broken)?;
    if !rule.functions.iter().any(|function| caller.functions().contains(function)) {
        let wanted = rule.functions.first().copied().ok_or(HubError::Broken)?;
        return Err(HubError::FunctionNeeded(wanted));
    }
    let allowed = match &rule.writers {
        FactWriters::Own => fact.owner() == Some(caller.agency()),
        FactWriters::Any => true,
        FactWriters::These(agencies) => agencies.contains(caller.agency()),
    };
    if allowed { Ok(()) } else { Err(HubError::NotYours) }
}

const fn child(fact: &Fact) -> Option<ResidentId> {
    if let Fact::Household { child, .. } = fact { Some(*child) } else { None }
}

/// Words that the policy does not have: a flag with a slip would close nothing.
fn check_words(words: &mut Words<'_>, n: usize, fact: &Fact) {
    let at = |key: &str| format!("facts[{n}].{key}");
    match fact {
        Fact::Flag { flag, .. } => words.flag(&at("flag.flag"), flag),
        Fact::Gillick { purpose, .. } => words.purpose(&at("gillick.purpose"), purpose),
        Fact::Agency { agency, .. } => words.agency(&at("agency.agency"), agency),
        Fact::PolicyDocument { agency, .. } => {
            words.agency(&at("policy_document.agency"), agency);
        }
        Fact::Registered { gateway, .. } => words.gateway(&at("registered.gateway"), gateway),
        Fact::Order { order, .. } => {
            words.agency(&at("order.recipient"), &order.to);
            for (i, scope) in order.fields.iter().enumerate() {
                words.scope(&at(&format!("order.fields[{i}]")), scope);
            }
            if order.until < order.from {
                words.wrong(&at("order.end_date"), "is before the first day");
            }
        }
        Fact::Release { release, .. } => {
            words.agency(&at("release.recipient"), &release.to);
            for (i, scope) in release.fields.iter().enumerate() {
                words.scope(&at(&format!("release.fields[{i}]")), scope);
            }
        }
        Fact::Relationship { from, until, .. } if until.is_some_and(|until| until <= *from) => {
            words.wrong(&at("relationship.end_time"), "must be later than its start");
        }
        Fact::Household { resident, child, .. } if resident == child => {
            words.wrong(&at("household.child"), "must be another than the parent");
        }
        Fact::Factors { count, .. } if *count > FACTORS_MAX => {
            words.wrong(&at("factors.count"), &format!("must be at most {FACTORS_MAX}"));
        }
        Fact::Match { matched: MatchQuality::None, .. } => {
            words.wrong(&at("match.match"), "must be certain or uncertain");
        }
        Fact::RegisterRead { register: Register::OptOuts, .. } => {
            let text =
                "is no register that is read: each resident is asked about (BeginOptOutCheck)";
            words.wrong(&at("register_read.register"), text);
        }
        Fact::Conflict { .. } if fact.contradicts_itself() => {
            words.wrong(&at("conflict.tie"), "must be unset where there is no conflict");
        }
        Fact::Staff { .. }
        | Fact::Relationship { .. }
        | Fact::Conflict { .. }
        | Fact::Death { .. }
        | Fact::Capacity { .. }
        | Fact::Household { .. }
        | Fact::Factors { .. }
        | Fact::RegisterRead { .. }
        | Fact::Match { .. } => {}
    }
}

/// One call is about one resident, and says nothing twice.
fn check_together(words: &mut Words<'_>, facts: &[Fact]) {
    let mut said = BTreeMap::new();
    let mut first = None;
    for (n, fact) in facts.iter().enumerate() {
        for part in fact.parts() {
            if let Some(earlier) = said.insert((part.kind(), part.key()), n) {
                let text = format!("is about the same as facts[{earlier}]: one of them is wrong");
                words.wrong(&format!("facts[{n}]"), &text);
            }
        }
        if let Some(resident) = fact.resident() {
            let (earlier, of) = *first.get_or_insert((n, resident));
            if of != resident {
                let text = format!("is about another resident than facts[{earlier}]");
                words.wrong(&format!("facts[{n}]"), &text);
            }
        }
    }
}

/// What was seen, assessed or read was so in the past, and nobody dies before they are born.
fn check_times(words: &mut Words<'_>, n: usize, fact: &Fact, about: &Beside<'_>) {
    let today = about.judge().today();
    let at = |key: &str| format!("facts[{n}].{key}");
    let mut past = |key: &str, day: Option<Date>| {
        if day.is_some_and(|day| day > today) {
            words.wrong(&at(key), "must not be in the future");
        }
    };
    match fact {
        Fact::Staff { interests_declared, .. } => {
            past("staff.interests_declared_date", *interests_declared);
        }
        Fact::Death { died, .. } => {
            past("death.death_date", *died);
            let born = about.known.resident.as_ref().and_then(|resident| resident.born);
            if died.zip(born).is_some_and(|(died, born)| died < born) {
                words.wrong(&at("death.death_date"), "is before the day of birth");
            }
        }
        Fact::Capacity { on, .. } => past("capacity.assess_date", Some(*on)),
        Fact::Gillick { on, .. } => past("gillick.assess_date", Some(*on)),
        Fact::RegisterRead { at: read, .. } => {
            if *read > about.at {
                words.wrong(&at("register_read.read_time"), "must not be in the future");
            }
        }
        Fact::Relationship { .. }
        | Fact::Conflict { .. }
        | Fact::Flag { .. }
        | Fact::Household { .. }
        | Fact::Factors { .. }
        | Fact::Agency { .. }
        | Fact::PolicyDocument { .. }
        | Fact::Registered { .. }
        | Fact::Match { .. }
        | Fact::Order { .. }
        | Fact::Release { .. } => {}
    }
}
