//! Approvals, referrals and duties.

use super::{Check, Violations, agency_name, resident_name, time_message, words};
use crate::domain::{DecisionId, Duty, Scope};
use crate::grpc::pb;
use crate::hub::{
    Approving, Deciding, DutyState, Fulfilling, ListedDuty, ListedReferral, ReferralState, Verdict,
};

fn some_scopes(check: &mut Check, texts: &[String]) -> Vec<Scope> {
    if texts.is_empty() { Vec::new() } else { check.scopes("fields", texts, 1) }
}

impl TryFrom<pb::ApproveOverrideRequest> for Approving {
    type Error = Violations;

    fn try_from(message: pb::ApproveOverrideRequest) -> Result<Self, Violations> {
        let pb::ApproveOverrideRequest { disclosure, fields, expire_time, request_id: _ } = message;
        let mut check = Check::default();
        let disclosure = check.event("disclosure", "disclosures", &disclosure);
        let fields = some_scopes(&mut check, &fields);
        let until = check.time("expire_time", expire_time);
        check.done(disclosure.map(|disclosure| Self { disclosure, fields, until }))
    }
}

impl TryFrom<pb::DecideReferralRequest> for Deciding {
    type Error = Violations;

    fn try_from(message: pb::DecideReferralRequest) -> Result<Self, Violations> {
        let pb::DecideReferralRequest { name, decision, fields, until_time, reason, request_id: _ } =
            message;
        let mut check = Check::default();
        let referral = check.event("name", "referrals", &name);
        let fields = some_scopes(&mut check, &fields);
        let until = check.time("until_time", until_time);
        let reason = check.text("reason", reason);
        let verdict = match pb::ReferralDecision::try_from(decision) {
            Ok(pb::ReferralDecision::Grant) => Some(Verdict::Grant),
            Ok(pb::ReferralDecision::Decline) => {
                if !fields.is_empty() {
                    check.wrong("fields", "belong to a grant");
                }
                if until.is_some() {
                    check.wrong("until_time", "belongs to a grant");
                }
                Some(Verdict::Decline)
            }
            Ok(pb::ReferralDecision::Unspecified) | Err(_) => {
                check.wrong("decision", "must be GRANT or DECLINE");
                None
            }
        };
        let done = referral.zip(verdict);
        check.done(done.map(|(referral, verdict)| Self {
            referral,
            verdict,
            fields,
            until,
            reason,
        }))
    }
}

impl TryFrom<pb::FulfilObligationRequest> for Fulfilling {
    type Error = Violations;

    fn try_from(message: pb::FulfilObligationRequest) -> Result<Self, Violations> {
        let pb::FulfilObligationRequest { name, note, request_id: _ } = message;
        let mut check = Check::default();
        let parts: Option<(DecisionId, Duty)> =
            name.split_once("/obligations/").and_then(|(disclosure, duty)| {
                let disclosure =
                    disclosure.strip_prefix("disclosures/").and_then(super::uuid_of)?;
                Some((disclosure, duty.parse().ok()?))
            });
        if parts.is_none() {
            check.wrong("name", "must be disclosures/{uuid}/obligations/{DUTY}");
        }
        let note = check.text("note", note);
        if note.trim().is_empty() {
            check.wrong("note", "must not be empty");
        }
        check.done(parts.map(|(disclosure, duty)| Self { disclosure, duty, note }))
    }
}

/// A page of what waits: from where, and how much.
pub struct TaskPage {
    /// From this place in the log on.
    pub from: u64,
    /// At most so many.
    pub size: usize,
}

impl TaskPage {
    fn read(size: i32, token: &str) -> Result<Self, Violations> {
        let mut check = Check::default();
        let size = check.page_size(size);
        let from = if token.is_empty() { Ok(0) } else { token.parse() };
        if from.is_err() {
            check.wrong("page_token", "is none that was given out");
        }
        check.done(from.ok().map(|from| Self { from, size }))
    }
}

impl TryFrom<pb::ListReferralsRequest> for TaskPage {
    type Error = Violations;

    fn try_from(message: pb::ListReferralsRequest) -> Result<Self, Violations> {
        let pb::ListReferralsRequest { page_size, page_token } = message;
        Self::read(page_size, &page_token)
    }
}

impl TryFrom<pb::ListObligationsRequest> for TaskPage {
    type Error = Violations;

    fn try_from(message: pb::ListObligationsRequest) -> Result<Self, Violations> {
        let pb::ListObligationsRequest { page_size, page_token } = message;
        Self::read(page_size, &page_token)
    }
}

/// A referral on the wire.
#[must_use]
pub fn referral_message(listed: ListedReferral) -> pb::Referral {
    let ListedReferral { referral, resident, holder, asker, purpose, task, state } = listed;
    let state = match state {
        ReferralState::Open => pb::ReferralState::Open,
        ReferralState::Decided => pb::ReferralState::Decided,
        ReferralState::Used => pb::ReferralState::Used,
    };
    pb::Referral {
        name: format!("referrals/{referral}"),
        resident: resident_name(resident),
        holder: agency_name(&holder),
        asker: agency_name(&asker),
        purpose: purpose.into(),
        fields: words(task.fields.keys()),
        deciding_roles: words(&task.deciders),
        due_time: Some(time_message(task.due)),
        state: state.into(),
    }
}

/// A duty on the wire.
#[must_use]
pub fn obligation_message(listed: ListedDuty) -> pb::Obligation {
    let ListedDuty { disclosure, task, state } = listed;
    let state = match state {
        DutyState::Open => pb::ObligationState::Open,
        DutyState::Met => pb::ObligationState::Met,
        DutyState::Overdue => pb::ObligationState::Overdue,
    };
    pb::Obligation {
        name: format!("disclosures/{disclosure}/obligations/{}", task.duty),
        duty: task.duty.to_string(),
        due_time: task.due.map(time_message),
        state: state.into(),
    }
}
