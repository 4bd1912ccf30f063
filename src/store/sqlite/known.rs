//! What bears on one question, in one statement: one moment of the store, and the same reads whoever
//! the resident is and whether or not there is one.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::{Connection, Row, named_params};

use super::facts::{about, at_work};
use super::keys::Keyring;
use super::log::sqlite;
use super::parsed;
use super::people::{identity, key};
use crate::domain::{AgencyId, CourtOrder, PersonId, PurposeId, ResidentId};
use crate::store::{ChoiceEvent, Fact, Known, Resident, StaffRecord, StoreError};

/// Rows of (tag, text; for a resident what is sealed). Each part is a look-up by key; a part's own
/// order is kept.
const SQL: &str = "\
SELECT 'resident', sealed FROM resident WHERE id = :id \
UNION ALL SELECT 'fact', body FROM fact \
    WHERE kind = 'staff' AND about = :who AND who = '' \
UNION ALL SELECT 'fact', body FROM fact \
    WHERE kind = 'relationship' AND about = :whom AND who = :who \
UNION ALL SELECT 'fact', body FROM fact \
    WHERE kind = 'conflict' AND about = :whom AND who = :who \
UNION ALL SELECT 'fact', body FROM fact \
    WHERE kind = 'circumstances' AND about = :whom AND who = '' \
UNION ALL SELECT * FROM (SELECT 'fact', body FROM fact \
    WHERE kind = 'order' AND about = :whom ORDER BY who) \
UNION ALL SELECT * FROM (SELECT 'fact', body FROM fact \
    WHERE kind = 'release' AND about = :whom ORDER BY who) \
UNION ALL SELECT * FROM (SELECT 'choice', event FROM choice \
    WHERE resident = :id ORDER BY seq)";

pub(super) fn known(
    c: &Connection,
    keys: &Keyring,
    agency: &AgencyId,
    person: &PersonId,
    id: ResidentId,
    purpose: &PurposeId,
    at: Timestamp,
) -> Result<Known, StoreError> {
    let (who, whom) = (at_work(agency, person), about(&id));
    let mut statement = c.prepare_cached(SQL).map_err(|e| sqlite(&e))?;
    let mut rows = statement
        .query(named_params! { ":id": key(id), ":who": who, ":whom": whom })
        .map_err(|e| sqlite(&e))?;
    let mut known = Known::default();
    while let Some(row) = rows.next().map_err(|e| sqlite(&e))? {
        let text = |column| row.get_ref(column).and_then(|v| Ok(v.as_str()?));
        match text(0).map_err(|e| sqlite(&e))? {
            "resident" => known.resident = Some(resident(keys, id, row)?),
            "fact" => {
                let fact = parsed(text(1).map_err(|e| sqlite(&e))?)?;
                known = with_fact(known, fact, agency, at);
            }
            "choice" => match parsed(text(1).map_err(|e| sqlite(&e))?)? {
                ChoiceEvent::Consent(event) if event.purposes.contains(purpose) => {
                    known.consents.push(event);
                }
                ChoiceEvent::Consent(_) => {}
                ChoiceEvent::Choice(choice) => known.choices.push(choice),
            },
            _ => return Err(StoreError::Corrupt("a stored row".to_owned())),
        }
    }
    Ok(known)
}

fn resident(keys: &Keyring, id: ResidentId, row: &Row<'_>) -> Result<Resident, StoreError> {
    let sealed: Vec<u8> = row.get(1).map_err(|e| sqlite(&e))?;
    identity(keys, id, &sealed)
}

fn with_fact(mut known: Known, fact: Fact, agency: &AgencyId, at: Timestamp) -> Known {
    match fact {
        Fact::Staff { account_ends, training_until, .. } => {
            known.staff = Some(StaffRecord { account_ends, training_until });
        }
        Fact::Relationship { from, until, .. } => {
            known.relationship = from <= at && until.is_none_or(|until| at < until);
        }
        Fact::Conflict { is_self, conflict, .. } => {
            known.is_self = is_self;
            known.conflict = conflict;
        }
        Fact::Circumstances { died, flags, capacity, parent_of_case, disadvantages, .. } => {
            known.died = died;
            known.flags = flags;
            known.capacity = Some(capacity);
            known.parent_of_case = parent_of_case;
            known.disadvantages = disadvantages;
        }
        Fact::Order { order, .. } => {
            // Only which of several orders is handed on; whether it is in force is for the policy to
            // say, which knows the place's zone.
            let day = at.to_zoned(TimeZone::UTC).date();
            let rank = |o: &CourtOrder| (o.from <= day && day <= o.until, o.from);
            let better = known.order.as_ref().is_none_or(|other| rank(other) <= rank(&order));
            if order.to == *agency && better {
                known.order = Some(order);
            }
        }
        Fact::Release { release, .. } => {
            if release.to == *agency {
                known.releases.push(release);
            }
        }
        Fact::Suspended { .. }
        | Fact::PolicyDocument { .. }
        | Fact::Registered { .. }
        | Fact::OptOutListRead { .. } => {}
    }
    known
}
