//! The non-disclosure register, read from the log: rows with what has become of them, and figures.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};

use super::super::reviews::met;
use super::super::{Hub, HubError, Violation};
use super::scope::Scope;
use crate::audit::entry::{Facet, Kind, SlotId};
use crate::audit::register::{Figure, Figured, Figures, RegisterRow, Sort, State, is_erased};
use crate::auth::{Caller, HubFunction};
use crate::domain::{AgencyId, DecisionId, Duty, PurposeId};
use crate::limits;
use crate::store::{Receipt, Search, Slots, Store, StoredEntry};

/// Pages read for one page of rows, at most.
const PAGES_MAX: usize = 20;

/// Which rows. Everything that is set must hold.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RegisterQuery {
    /// Of these sorts; none: of all.
    #[serde(serialize_with = "words")]
    pub sorts: Vec<Sort>,
    /// Who did not give it, or owes the duty.
    pub holder: Option<AgencyId>,
    /// Who asked.
    pub asker: Option<AgencyId>,
    /// For what.
    pub purpose: Option<PurposeId>,
    /// A code; or a duty; or `refused` or `silent` of a report.
    pub code: Option<String>,
    /// Since then or later.
    pub since: Option<Timestamp>,
    /// Before then.
    pub until: Option<Timestamp>,
    /// At least so many days old.
    pub days: u32,
    /// Only what nothing has come of.
    pub open: bool,
    /// A second sign-off to see every agency's entries.
    pub access: Option<DecisionId>,
    /// From this place on.
    pub from_index: u64,
    /// As if the log had only so many entries.
    pub upto: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

fn words<S: Serializer>(sorts: &[Sort], to: S) -> Result<S::Ok, S::Error> {
    sorts.iter().map(|sort| sort.as_str()).collect::<Vec<_>>().serialize(to)
}

/// Rows of the register.
pub struct Registered {
    /// The rows with where they stand, oldest first.
    pub rows: Vec<(RegisterRow, State)>,
    /// Where to go on.
    pub next_index: Option<u64>,
    /// Up to which size the answer is complete.
    pub size: u64,
    /// As of when rows are so old.
    pub at: Timestamp,
}

/// Figures of the register.
pub struct RegisterFigures {
    /// By holder, sort and code.
    pub figures: BTreeMap<Figured, Figure>,
    /// Up to which size the answer is complete.
    pub size: u64,
}

/// What to read from the log for a page of rows, sort by sort: each leads to its rows alone.
fn legs(query: &RegisterQuery, at: Timestamp, scope: Option<&Scope>) -> Vec<Search> {
    let old = SignedDuration::from_hours(24 * i64::from(query.days));
    let old = (query.days > 0).then(|| at.checked_sub(old).unwrap_or(Timestamp::MIN));
    let until = [query.until, old].into_iter().flatten().min();
    let wants = |sort| query.sorts.is_empty() || query.sorts.contains(&sort);
    let of_all = |kind: Kind, code: Facet| {
        let holder = query.holder.as_ref().map(|holder| (Facet::Holder, holder.to_string()));
        let coded = query.code.as_ref().map(|word| (code, word.clone()));
        Search {
            kinds: vec![kind],
            facets: holder.into_iter().chain(coded).collect(),
            since: query.since,
            until,
            concerns: scope.and_then(Scope::concerns),
            upto: query.upto,
            limit: query.limit,
            with: Slots::Subject,
            ..Search::default()
        }
    };
    let asked = |kind, code| {
        let mut search = of_all(kind, code);
        search.agency = query.asker.clone();
        let purpose = query.purpose.as_ref().map(|word| (Facet::Purpose, word.to_string()));
        search.facets.extend(purpose);
        search
    };
    let mut legs = Vec::new();
    if wants(Sort::Refused) || wants(Sort::Referred) {
        let mut leg = asked(Kind::Refuse, Facet::Codes);
        if !wants(Sort::Refused) {
            leg.facets.push((Facet::Outcome, "REFER".to_owned()));
        }
        legs.push(leg);
    }
    if wants(Sort::Withheld) {
        legs.push(Search { has: Some(Facet::Codes), ..asked(Kind::Disclose, Facet::Codes) });
    }
    if wants(Sort::Reported) {
        legs.push(asked(Kind::Report, Facet::What));
    }
    if wants(Sort::Late) {
        let mut leg = of_all(Kind::Review, Facet::Duties);
        leg.facets.push((Facet::What, "overdue".to_owned()));
        legs.push(leg);
    }
    legs
}

/// The next entries of all legs in the order of the log, and where to go on.
async fn next_entries(
    store: &dyn Store,
    legs: &[Search],
    from_index: u64,
) -> Result<(Vec<StoredEntry>, Option<u64>), HubError> {
    let (mut all, mut beyond) = (Vec::new(), None::<u64>);
    for leg in legs {
        let page = store.search(Search { from_index, ..leg.clone() }).await?;
        all.extend(page.entries);
        beyond = [beyond, page.next_index].into_iter().flatten().min();
    }
    // From where one leg goes on, the others do as well.
    all.retain(|stored| beyond.is_none_or(|beyond| stored.index < beyond));
    all.sort_by_key(|stored| stored.index);
    Ok((all, beyond))
}

/// Rows from the first `query.upto` entries of a log.
///
/// # Errors
/// When the store is not available.
pub async fn registered_from(
    store: &dyn Store,
    query: &RegisterQuery,
    at: Timestamp,
) -> Result<Registered, HubError> {
    registered(store, query, at, None).await
}

async fn registered(
    store: &dyn Store,
    query: &RegisterQuery,
    at: Timestamp,
    scope: Option<&Scope>,
) -> Result<Registered, HubError> {
    let size = query.upto.unwrap_or(u64::MAX);
    let (legs, mut rows) = (legs(query, at, scope), Vec::new());
    let mut next = Some(query.from_index);
    for _ in 0..PAGES_MAX {
        let Some(from) = next else { break };
        let (entries, beyond) = next_entries(store, &legs, from).await?;
        next = beyond;
        for stored in entries {
            if rows.len() == query.limit {
                next = Some(stored.index);
                break;
            }
            rows.extend(row(store, query, stored, size, scope).await?);
        }
        if rows.len() == query.limit {
            break;
        }
    }
    Ok(Registered { rows, next_index: next, size, at })
}

/// The row of an entry, if it is wanted.
async fn row(
    store: &dyn Store,
    query: &RegisterQuery,
    stored: StoredEntry,
    size: u64,
    scope: Option<&Scope>,
) -> Result<Option<(RegisterRow, State)>, HubError> {
    let shown = |stored| match scope {
        Some(scope) => scope.show(stored),
        None => Some(stored),
    };
    let Some(stored) = shown(stored) else { return Ok(None) };
    let found = RegisterRow::of(stored.index, stored.committed_at, &stored.entry);
    let Some(mut row) = found else { return Ok(None) };
    if let Some(of) = row.of.filter(|_| row.sort == Sort::Late)
        && let Some(release) = store.entry(of).await?.and_then(shown)
    {
        row.asker.clone_from(&release.entry.agency);
        row.purpose = release.entry.words(Facet::Purpose).collect();
    }
    let unwanted = |wanted: Option<&str>, found: Option<&str>| wanted.is_some() && wanted != found;
    if (!query.sorts.is_empty() && !query.sorts.contains(&row.sort))
        || unwanted(
            query.asker.as_ref().map(AgencyId::as_str),
            row.asker.as_ref().map(AgencyId::as_str),
        )
        || unwanted(query.purpose.as_ref().map(PurposeId::as_str), Some(&row.purpose))
    {
        return Ok(None);
    }
    let state = state(store, row.clone(), &stored, size).await?;
    Ok((!query.open || state == State::Open).then_some((row, state)))
}

/// What has become of a row, up to a size of the log.
async fn state(
    store: &dyn Store,
    mut row: RegisterRow,
    stored: &StoredEntry,
    size: u64,
) -> Result<State, HubError> {
    let settled = |by: &StoredEntry| State::Settled { index: by.index, at: by.committed_at };
    if row.sort == Sort::Late {
        let duty = row.codes.first().and_then(|duty| duty.parse::<Duty>().ok());
        let Some((of, duty)) = row.of.zip(duty) else { return Ok(State::Open) };
        let done = store.entry(met(of, duty)).await?.filter(|done| done.index < size);
        return Ok(done.as_ref().map_or(State::Open, settled));
    }
    if is_erased(&stored.entry) {
        return Ok(State::Erased);
    }
    let subject = stored.entry.slots.get(&SlotId::Subject).cloned().unwrap_or_default();
    let (Some(asker), false) = (row.asker.clone(), subject.iter().all(|byte| *byte == 0)) else {
        return Ok(State::Open);
    };
    let mut search = Some(Search {
        from_index: row.index + 1,
        limit: limits::PAGE_DEFAULT,
        kinds: vec![Kind::Disclose],
        agency: Some(asker),
        facets: vec![(Facet::Holder, row.holder.clone()), (Facet::Purpose, row.purpose.clone())],
        slot: Some((SlotId::Subject, subject)),
        upto: Some(size),
        with: Slots::Subject,
        ..Search::default()
    });
    while let Some(wanted) = search.take() {
        let page = store.search(wanted.clone()).await?;
        if let Some(by) = page.entries.iter().find(|release| row.given(&release.entry)) {
            return Ok(settled(by));
        }
        search = page.next_index.map(|from_index| Search { from_index, ..wanted });
    }
    Ok(State::Open)
}

/// Figures of what was decided and reported in a time, with what has become of it since; of all agencies, or
/// of what the query names.
///
/// # Errors
/// When more would be read than the bound allows.
pub async fn figures_from(
    store: &dyn Store,
    query: &RegisterQuery,
    at: Timestamp,
) -> Result<RegisterFigures, HubError> {
    figures(store, query, at, None).await
}

async fn figures(
    store: &dyn Store,
    query: &RegisterQuery,
    at: Timestamp,
    scope: Option<&Scope>,
) -> Result<RegisterFigures, HubError> {
    let size = query.upto.unwrap_or(u64::MAX);
    let mut search = Some(Search {
        limit: limits::PAGE_MAX,
        kinds: vec![Kind::Disclose, Kind::Refuse, Kind::Report, Kind::Review],
        since: query.since,
        concerns: scope.and_then(Scope::concerns),
        upto: Some(size),
        with: Slots::Subject,
        ..Search::default()
    });
    let (mut made, mut read) = (Figures::default(), 0_usize);
    while let Some(wanted) = search.take() {
        let page = store.search(wanted.clone()).await?;
        read = read.saturating_add(page.entries.len());
        if read > limits::QUESTION_READS_MAX {
            let most = limits::QUESTION_READS_MAX;
            let what = format!("more than {most} entries would be read: ask about a shorter time");
            return Err(HubError::Invalid(vec![Violation::new("start_time", what)]));
        }
        for stored in page.entries {
            let entry = &stored.entry;
            let says = |facet: Facet, wanted: Option<&str>| {
                wanted.is_none_or(|wanted| entry.words(facet).any(|word| word == wanted))
            };
            let counted = query.until.is_none_or(|until| stored.committed_at < until)
                && says(Facet::Holder, query.holder.as_ref().map(AgencyId::as_str))
                && says(Facet::Purpose, query.purpose.as_ref().map(PurposeId::as_str))
                && query.asker.as_ref().is_none_or(|asker| entry.agency.as_ref() == Some(asker));
            made.take(stored.index, stored.committed_at, entry, counted);
        }
        search = page.next_index.map(|from_index| Search { from_index, ..wanted });
    }
    let late: Vec<_> = made.late().cloned().collect();
    for late in late {
        let Ok(duty) = late.1.parse::<Duty>() else { continue };
        if store.entry(met(late.0, duty)).await?.is_some_and(|done| done.index < size) {
            made.met(&late);
        }
    }
    Ok(RegisterFigures { figures: made.finish(at), size })
}

impl Hub {
    /// Rows of the non-disclosure register of what the caller's agency asked for or held; with a second
    /// sign-off, of every agency's.
    ///
    /// # Errors
    /// When the caller is no auditor; as [`Hub::search_entries`].
    pub async fn list_non_disclosures(
        &self,
        caller: &Caller,
        mut query: RegisterQuery,
    ) -> Result<(Registered, Receipt), HubError> {
        let rpc = "weir.hub.v1.AuditService/ListNonDisclosures";
        query.limit = query.limit.clamp(1, limits::PAGE_MAX);
        let (scope, receipt) = self.register_look(caller, rpc, &query).await?;
        query.upto = Some(query.upto.unwrap_or(u64::MAX).min(receipt.size()));
        let (store, at) = (self.store.as_ref(), self.clock.now());
        Ok((registered(store, &query, at, Some(&scope)).await?, receipt))
    }

    /// Figures of the register, scoped in the same way.
    ///
    /// # Errors
    /// As [`Hub::list_non_disclosures`]; when too much would be read.
    pub async fn non_disclosure_figures(
        &self,
        caller: &Caller,
        mut query: RegisterQuery,
    ) -> Result<(RegisterFigures, Receipt), HubError> {
        let rpc = "weir.hub.v1.AuditService/GetNonDisclosureFigures";
        let (scope, receipt) = self.register_look(caller, rpc, &query).await?;
        query.upto = Some(receipt.size());
        let (store, at) = (self.store.as_ref(), self.clock.now());
        Ok((figures(store, &query, at, Some(&scope)).await?, receipt))
    }

    async fn register_look(
        &self,
        caller: &Caller,
        rpc: &'static str,
        query: &RegisterQuery,
    ) -> Result<(Scope, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::Auditor).await?;
        let scope = self.scope(&call, query.access).await?;
        let request = serde_json::to_value(query).map_err(|_| HubError::Broken)?;
        let receipt = self.look_with(&call, "non-disclosures", &request, query.access).await?;
        Ok((scope, receipt))
    }
}
