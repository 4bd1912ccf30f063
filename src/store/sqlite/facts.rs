//! Facts and choices: what is so now, and what bears on one question.

use rusqlite::{Connection, Row, Transaction, params};
use uuid::Uuid;

use super::log::{sqlite, unavailable};
use super::people::{is_registered, key, taken};
use super::{at_micros, micros, parsed, word};
use crate::domain::{AgencyId, DecisionId, Fact, RecordedFact, ResidentId, about, at_work};
use crate::store::{FactVersion, FactsAbout, Refusal, Standing, StoreError, StoredChoice};

/// Refuses when what one of `new` is to replace is not the version that its recorder has seen.
pub(super) fn unchanged(
    t: &Transaction<'_>,
    new: &[RecordedFact],
    seen: &[(usize, Option<FactVersion>)],
) -> Result<(), StoreError> {
    let mut stored = t
        .prepare_cached(
            "SELECT body, recorded_by, recorded_us FROM fact \
             WHERE about = ?1 AND kind = ?2 AND who = ?3",
        )
        .map_err(|e| sqlite(&e))?;
    for (n, version) in seen {
        for fact in new.get(*n).map(|one| one.fact.parts()).unwrap_or_default() {
            let (about, who) = fact.key();
            let mut rows =
                stored.query(params![about, fact.kind().as_str(), who]).map_err(|e| sqlite(&e))?;
            let now =
                rows.next().map_err(|e| sqlite(&e))?.map(|row| recorded(row, 0)).transpose()?;
            if now.as_ref().map(FactVersion::of) != *version {
                return Err(StoreError::Refused(Refusal::FactChanged));
            }
        }
    }
    Ok(())
}

pub(super) fn record(t: &Transaction<'_>, facts: &[RecordedFact]) -> Result<(), StoreError> {
    let mut now = t
        .prepare_cached(
            "INSERT INTO fact (about, kind, who, body, recorded_by, recorded_us) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (about, kind, who) DO UPDATE SET body = excluded.body, \
             recorded_by = excluded.recorded_by, recorded_us = excluded.recorded_us",
        )
        .map_err(|e| sqlite(&e))?;
    let mut ever = t
        .prepare_cached(
            "INSERT INTO fact_history (body, recorded_by, recorded_us) VALUES (?1, ?2, ?3)",
        )
        .map_err(|e| sqlite(&e))?;
    for RecordedFact { fact, by, at } in facts {
        for one in [fact.resident(), child(fact)].into_iter().flatten() {
            if !is_registered(t, one)? {
                return Err(StoreError::Refused(Refusal::NoResident));
            }
        }
        let by = by.as_ref().map(AgencyId::as_str);
        let body = serde_json::to_string(fact).map_err(|e| unavailable(&e))?;
        ever.execute(params![body, by, micros(*at)]).map_err(|e| sqlite(&e))?;
        for fact in fact.parts() {
            let body = serde_json::to_string(&fact).map_err(|e| unavailable(&e))?;
            let (about, who) = fact.key();
            let kind = fact.kind().as_str();
            now.execute(params![about, kind, who, body, by, micros(*at)])
                .map_err(|e| sqlite(&e))?;
        }
    }
    Ok(())
}

const fn child(fact: &Fact) -> Option<ResidentId> {
    if let Fact::Household { child, .. } = fact { Some(*child) } else { None }
}

/// A fact from (body, recorded_by, recorded_us), as they stand from `column` on.
pub(super) fn recorded(row: &Row<'_>, column: usize) -> Result<RecordedFact, StoreError> {
    let text = row.get_ref(column).and_then(|v| Ok(v.as_str()?)).map_err(|e| sqlite(&e))?;
    let fact = parsed(text)?;
    let by: Option<String> = row.get(column + 1).map_err(|e| sqlite(&e))?;
    let us = row.get(column + 2).map_err(|e| sqlite(&e))?;
    let by = by.map(|by| word(&by)).transpose()?;
    Ok(RecordedFact { fact, by, at: at_micros(us)? })
}

/// Facts about a resident, a person at work, or the place, by kind and key.
pub(super) fn listed(
    c: &Connection,
    of: &FactsAbout,
    skip: usize,
    limit: usize,
) -> Result<Vec<RecordedFact>, StoreError> {
    let about = match of {
        FactsAbout::Place => String::new(),
        FactsAbout::Person(agency, person) => at_work(agency, person),
        FactsAbout::Resident(resident) => about(*resident),
    };
    let mut statement = c
        .prepare_cached(
            "SELECT body, recorded_by, recorded_us FROM fact WHERE about = ?1 \
             ORDER BY kind, who LIMIT ?2 OFFSET ?3",
        )
        .map_err(|e| sqlite(&e))?;
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let mut rows =
        statement.query(params![about, count(limit), count(skip)]).map_err(|e| sqlite(&e))?;
    let mut out = Vec::new();
    while let Some(row) = rows.next().map_err(|e| sqlite(&e))? {
        out.push(recorded(row, 0)?);
    }
    Ok(out)
}

pub(super) fn standing(c: &Connection) -> Result<Standing, StoreError> {
    let mut standing = Standing::default();
    for RecordedFact { fact, at, .. } in listed(c, &FactsAbout::Place, 0, usize::MAX)? {
        match fact {
            Fact::Agency { agency, active } => {
                standing.agencies.insert(agency, (active, at));
            }
            Fact::PolicyDocument { agency, until } => {
                standing.policy_documents.insert(agency, (until, at));
            }
            Fact::Registered { gateway, registered } => {
                standing.registered.insert(gateway, (registered, at));
            }
            Fact::RegisterRead { register, at } => {
                standing.registers.insert(register, at);
            }
            Fact::Staff { .. }
            | Fact::Relationship { .. }
            | Fact::Conflict { .. }
            | Fact::Flag { .. }
            | Fact::Death { .. }
            | Fact::Capacity { .. }
            | Fact::Gillick { .. }
            | Fact::Household { .. }
            | Fact::Factors { .. }
            | Fact::Match { .. }
            | Fact::Order { .. }
            | Fact::Release { .. } => {
                return Err(StoreError::Corrupt("a fact in the wrong place".to_owned()));
            }
        }
    }
    Ok(standing)
}

pub(super) fn record_choice(
    t: &Transaction<'_>,
    id: ResidentId,
    choice: &StoredChoice,
) -> Result<(), StoreError> {
    if !is_registered(t, id)? {
        return Err(StoreError::Refused(Refusal::NoResident));
    }
    let event = serde_json::to_string(&choice.event).map_err(|e| unavailable(&e))?;
    t.execute(
        "INSERT INTO choice (id, resident, recorded_by, recorded_us, event) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            choice.id.uuid().as_bytes(),
            key(id),
            choice.recorded_by.as_str(),
            micros(choice.recorded_at),
            event
        ],
    )
    .map_err(|e| taken(&e, Refusal::EventTaken))?;
    Ok(())
}

pub(super) fn choices(c: &Connection, id: ResidentId) -> Result<Vec<StoredChoice>, StoreError> {
    let mut statement = c
        .prepare_cached(
            "SELECT id, recorded_by, recorded_us, event FROM choice WHERE resident = ?1 ORDER BY seq",
        )
        .map_err(|e| sqlite(&e))?;
    let rows = statement
        .query_map([key(id)], |row| {
            Ok((
                row.get::<_, [u8; 16]>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, String>(3)?,
            ))
        })
        .map_err(|e| sqlite(&e))?;
    rows.map(|row| {
        let (id, by, us, event) = row.map_err(|e| sqlite(&e))?;
        Ok(StoredChoice {
            id: DecisionId::from_uuid(Uuid::from_bytes(id)),
            recorded_by: word(&by)?,
            recorded_at: at_micros(us)?,
            event: parsed(&event)?,
        })
    })
    .collect()
}
