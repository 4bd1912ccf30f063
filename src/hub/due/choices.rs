//! What of residents' choices falls due for the agency that recorded them, and which notices it has not said
//! it knows.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{Due, DueKind, end_of, named};
use crate::audit::entry::Kind;
use crate::consent::clocks::{ClockKind, open_clocks};
use crate::domain::{AgencyId, Duty, PurposeId, ResidentId};
use crate::hub::entry::about;
use crate::hub::{Beside, Hub, HubError, InForce};
use crate::policy::book::DutyDue;
use crate::store::{Search, Slots};

/// What of choices falls due.
pub(super) const KINDS: [DueKind; 5] = [
    DueKind::DecideObjection,
    DueKind::DecideRestriction,
    DueKind::ConsentEnds,
    DueKind::Reconfirm,
    DueKind::ProxyEnds,
];

const fn kind(clock: ClockKind) -> DueKind {
    match clock {
        ClockKind::DecideObjection => DueKind::DecideObjection,
        ClockKind::DecideRestriction => DueKind::DecideRestriction,
        ClockKind::ConsentEnds => DueKind::ConsentEnds,
        ClockKind::Reconfirm => DueKind::Reconfirm,
        ClockKind::ProxyEnds => DueKind::ProxyEnds,
    }
}

impl Hub {
    pub(super) async fn due_choices(
        &self,
        policy: &InForce,
        owner: &AgencyId,
        now: Timestamp,
        all: &mut Vec<Due>,
    ) -> Result<(), HubError> {
        for resident in self.with_choices(owner).await? {
            let stored = self.store.choices(resident).await?;
            let events: Vec<_> =
                stored.into_iter().map(|one| (one.id, one.recorded_by, one.event)).collect();
            let Some(born) = self.born(policy, owner, resident, now).await? else { continue };
            for clock in open_clocks(&events, born, policy.book(), now) {
                if clock.agency != *owner {
                    continue;
                }
                let at = end_of(policy.book(), clock.due);
                let name = format!("residents/{}/choices/{}", resident.uuid(), clock.of);
                let due = Due::new(kind(clock.kind), owner, name, Some(at));
                all.push(Due { overdue: at <= now, ..due });
            }
        }
        Ok(())
    }

    /// Residents of whom an agency has recorded choices.
    async fn with_choices(&self, owner: &AgencyId) -> Result<BTreeSet<ResidentId>, HubError> {
        let search = Search {
            kinds: vec![Kind::Choice],
            agency: Some(owner.clone()),
            with: Slots::Subject,
            ..Search::default()
        };
        let (found, _) = self.all_of(search).await?;
        let residents = found.iter().filter_map(|stored| about(&stored.entry));
        Ok(residents.filter(|resident| !resident.uuid().is_nil()).collect())
    }

    /// When somebody was born, as far as that is known; `None`: their record is closed, and nothing is told of them.
    async fn born(
        &self,
        policy: &InForce,
        owner: &AgencyId,
        resident: ResidentId,
        now: Timestamp,
    ) -> Result<Option<Option<jiff::civil::Date>>, HubError> {
        let purpose: PurposeId = "none".parse().map_err(|_| HubError::Broken)?;
        let nobody = "none".parse().map_err(|_| HubError::Broken)?;
        let known = self.store.known(owner.clone(), nobody, resident, purpose).await?;
        let standing = self.store.standing().await?;
        let beside = Beside { book: policy.book(), standing, at: now, known };
        Ok((!beside.is_closed()).then(|| beside.born()))
    }

    /// A notice is to be known in the time that the policy gives to confirm a receipt.
    pub(super) async fn due_notices(
        &self,
        policy: Option<&InForce>,
        owner: &AgencyId,
        now: Timestamp,
        all: &mut Vec<Due>,
    ) -> Result<(), HubError> {
        let rule = policy.and_then(|policy| policy.book().duties.get(&Duty::ConfirmReceipt));
        let hours = match rule.map(|rule| &rule.due) {
            Some(DutyDue::Hours(hours)) => Some(SignedDuration::from_hours(*hours)),
            Some(DutyDue::WithRelease | DutyDue::AtExpiry | DutyDue::Standing) | None => None,
        };
        for (id, kind, told) in self.unknown_notices(owner).await? {
            let at = hours.and_then(|hours| told.checked_add(hours).ok());
            let overdue = at.is_some_and(|at| at <= now);
            let due = Due::new(DueKind::Notice, owner, named("notices", id), at);
            all.push(Due { overdue, what: kind.to_string(), ..due });
        }
        Ok(())
    }
}
