//! Facts and choices: what is so now, and what bears on one question.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use uuid::Uuid;

use super::log::{sqlite, unavailable};
use super::people::{is_registered, key, taken};
use super::{at_micros, micros, parsed, word};
use crate::domain::{AgencyId, CustodianRelease, DecisionId, PersonId, ResidentId, Scope};
use crate::store::{Fact, Refusal, Standing, StoreError, StoredChoice};

pub(super) fn at_work(agency: &AgencyId, person: &PersonId) -> String {
    format!("{agency} {}", person.as_str())
}

pub(super) fn about(resident: &ResidentId) -> String {
    resident.uuid().simple().to_string()
}

/// Under which key a fact replaces an earlier one.
fn place(fact: &Fact) -> Result<(&'static str, String, String), StoreError> {
    let none = String::new;
    Ok(match fact {
        Fact::Staff { agency, person, .. } => ("staff", at_work(agency, person), none()),
        Fact::Relationship { agency, person, resident, .. } => {
            ("relationship", about(resident), at_work(agency, person))
        }
        Fact::Conflict { agency, person, resident, .. } => {
            ("conflict", about(resident), at_work(agency, person))
        }
        Fact::Circumstances { resident, .. } => ("circumstances", about(resident), none()),
        Fact::Suspended { agency, .. } => ("suspended", agency.to_string(), none()),
        Fact::PolicyDocument { agency, .. } => ("policy_document", agency.to_string(), none()),
        Fact::Registered { gateway, .. } => ("registered", gateway.to_string(), none()),
        Fact::OptOutListRead { .. } => ("opt_out_list_read", none(), none()),
        Fact::Order { resident, order } => {
            ("order", about(resident), format!("{} {}", order.to, order.id))
        }
        Fact::Release { resident, release } => {
            let what = serde_json::to_string(&release.fields).map_err(|e| unavailable(&e))?;
            ("release", about(resident), format!("{} {what}", release.to))
        }
    })
}

pub(super) fn record(t: &Transaction<'_>, facts: &[Fact]) -> Result<(), StoreError> {
    let mut now = t
        .prepare_cached(
            "INSERT INTO fact (kind, about, who, body) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (kind, about, who) DO UPDATE SET body = excluded.body",
        )
        .map_err(|e| sqlite(&e))?;
    let mut ever =
        t.prepare_cached("INSERT INTO fact_history (body) VALUES (?1)").map_err(|e| sqlite(&e))?;
    for fact in facts {
        let body = serde_json::to_string(fact).map_err(|e| unavailable(&e))?;
        ever.execute([body]).map_err(|e| sqlite(&e))?;
        for fact in by_scope(fact) {
            let body = serde_json::to_string(&fact).map_err(|e| unavailable(&e))?;
            let (kind, about, who) = place(&fact)?;
            now.execute(params![kind, about, who, body]).map_err(|e| sqlite(&e))?;
        }
    }
    Ok(())
}

/// A release stands scope by scope: one that is taken back ends, whatever it was let out with.
fn by_scope(fact: &Fact) -> Vec<Fact> {
    let Fact::Release { resident, release } = fact else {
        return vec![fact.clone()];
    };
    let alone = |scope: &Scope| Fact::Release {
        resident: *resident,
        release: CustodianRelease { fields: vec![scope.clone()], ..release.clone() },
    };
    release.fields.iter().map(alone).collect()
}

fn one(c: &Connection, kind: &str, about: &str, who: &str) -> Result<Option<Fact>, StoreError> {
    let body: Option<String> = c
        .prepare_cached("SELECT body FROM fact WHERE kind = ?1 AND about = ?2 AND who = ?3")
        .and_then(|mut s| s.query_row([kind, about, who], |row| row.get(0)).optional())
        .map_err(|e| sqlite(&e))?;
    body.map(|body| parsed(&body)).transpose()
}

fn all(c: &Connection, kind: &str) -> Result<Vec<Fact>, StoreError> {
    let mut statement = c
        .prepare_cached("SELECT body FROM fact WHERE kind = ?1 ORDER BY about, who")
        .map_err(|e| sqlite(&e))?;
    let rows =
        statement.query_map([kind], |row| row.get::<_, String>(0)).map_err(|e| sqlite(&e))?;
    rows.map(|row| parsed(&row.map_err(|e| sqlite(&e))?)).collect()
}

pub(super) fn standing(c: &Connection) -> Result<Standing, StoreError> {
    let mut standing = Standing::default();
    for fact in all(c, "suspended")? {
        if let Fact::Suspended { agency, suspended: true } = fact {
            standing.suspended.insert(agency);
        }
    }
    for fact in all(c, "policy_document")? {
        if let Fact::PolicyDocument { agency, until: Some(until) } = fact {
            standing.policy_documents.insert(agency, until);
        }
    }
    for fact in all(c, "registered")? {
        if let Fact::Registered { gateway, registered: true } = fact {
            standing.registered.insert(gateway);
        }
    }
    if let Some(Fact::OptOutListRead { at }) = one(c, "opt_out_list_read", "", "")? {
        standing.ndo_checked_at = Some(at);
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
