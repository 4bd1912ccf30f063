//! What bears on one question, in one statement: one moment of the store, and the same reads whoever
//! the resident is and whether or not there is one.

use rusqlite::{Connection, Row, named_params};
use uuid::Uuid;

use super::facts::recorded;
use super::keys::Keyring;
use super::log::sqlite;
use super::people::{identity, key};
use super::{at_micros, parsed};
use crate::domain::{
    AgencyId, ChoiceEvent, DecisionId, PersonId, PurposeId, ResidentId, about, at_work,
};
use crate::store::{Known, OptOutCheck, Resident, StoreError};

/// Rows of (tag, then for a resident what is sealed; for a fact: body, by whom, when; for a choice: event,
/// its id, -; for a check: -, whether opted out, when). Each part is a look-up by key; a part's own order is kept.
const SQL: &str = "\
SELECT 'resident', sealed, NULL, NULL FROM resident WHERE id = :id \
UNION ALL SELECT 'fact', body, recorded_by, recorded_us FROM fact \
    WHERE about = :who AND kind = 'staff' AND who = '' \
UNION ALL SELECT 'fact', body, recorded_by, recorded_us FROM fact \
    WHERE about = :whom AND kind = 'relationship' AND who = :who \
UNION ALL SELECT 'fact', body, recorded_by, recorded_us FROM fact \
    WHERE about = :whom AND kind = 'conflict' AND who = :who \
UNION ALL SELECT * FROM (SELECT 'fact', body, recorded_by, recorded_us FROM fact \
    WHERE about = :whom AND kind IN ('capacity', 'death', 'factors', 'flag', 'gillick', 'household', \
    'match', 'order', 'release') ORDER BY kind, who) \
UNION ALL SELECT * FROM (SELECT 'choice', event, id, NULL FROM choice \
    WHERE resident = :id ORDER BY seq) \
UNION ALL SELECT 'check', NULL, opted_out, made_us FROM opt_out_check WHERE resident = :id";

pub(super) fn known(
    c: &Connection,
    keys: &Keyring,
    agency: &AgencyId,
    person: &PersonId,
    id: ResidentId,
    purpose: &PurposeId,
) -> Result<Known, StoreError> {
    let (who, whom) = (at_work(agency, person), about(id));
    let mut statement = c.prepare_cached(SQL).map_err(|e| sqlite(&e))?;
    let mut rows = statement
        .query(named_params! { ":id": key(id), ":who": who, ":whom": whom })
        .map_err(|e| sqlite(&e))?;
    let mut known = Known::default();
    while let Some(row) = rows.next().map_err(|e| sqlite(&e))? {
        let text = |column| row.get_ref(column).and_then(|v| Ok(v.as_str()?));
        match text(0).map_err(|e| sqlite(&e))? {
            "resident" => known.resident = Some(resident(keys, id, row)?),
            "fact" => known.facts.push(recorded(row, 1)?),
            "choice" => match parsed(text(1).map_err(|e| sqlite(&e))?)? {
                ChoiceEvent::Consent(event) if event.purposes.contains(purpose) => {
                    known.consents.push(event);
                }
                ChoiceEvent::Consent(_) => {}
                other @ (ChoiceEvent::Choice(_)
                | ChoiceEvent::Decided { .. }
                | ChoiceEvent::Lifted { .. }
                | ChoiceEvent::Stepped { .. }
                | ChoiceEvent::ProxyGranted(_)
                | ChoiceEvent::ProxyEnded { .. }) => {
                    let id: [u8; 16] = row.get(2).map_err(|e| sqlite(&e))?;
                    known.choices.push((DecisionId::from_uuid(Uuid::from_bytes(id)), other));
                }
            },
            "check" => {
                let opted_out = row.get(2).map_err(|e| sqlite(&e))?;
                let at = at_micros(row.get(3).map_err(|e| sqlite(&e))?)?;
                known.check = Some(OptOutCheck { opted_out, at });
            }
            _ => return Err(StoreError::Corrupt("a stored row".to_owned())),
        }
    }
    Ok(known)
}

fn resident(keys: &Keyring, id: ResidentId, row: &Row<'_>) -> Result<Resident, StoreError> {
    let sealed: Vec<u8> = row.get(1).map_err(|e| sqlite(&e))?;
    identity(keys, id, &sealed)
}
