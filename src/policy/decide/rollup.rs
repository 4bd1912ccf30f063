//! The fields' outcomes rolled up into one decision.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Codes, Decider, Judged};
use crate::domain::{Code, Duty, FieldId};
use crate::policy::EngineError;
use crate::policy::decision::{Decision, FieldOutcome, Outcome, Permit};
use crate::policy::gates::said;

impl Decider<'_> {
    pub(super) fn roll_up(&self, judged: Vec<(FieldId, Judged)>) -> Decision {
        let book = &self.policy.book;
        let released = judged.iter().filter(|(_, j)| j.path().is_some()).count();
        let outcome = if released == judged.len() && released > 0 {
            Outcome::Permit
        } else if released > 0 {
            Outcome::Partial
        } else if judged.iter().any(|(_, j)| !j.referred.is_empty()) {
            Outcome::Refer
        } else {
            Outcome::Deny
        };
        let mut beside =
            self.q.cited(judged.iter().filter_map(|(field, _)| book.fields.get(field)));
        if judged.is_empty() {
            beside.extend(self.common.asking.iter().copied());
        }
        let mut codes = beside.clone();
        let mut duties = BTreeSet::new();
        let mut duties_by_field = BTreeMap::new();
        let mut permit = BTreeMap::new();
        let mut expires_at = None;
        let mut referred = BTreeMap::new();
        let (mut fields, mut shortfalls, mut alarm) = (Vec::new(), Vec::new(), false);
        for (field, one) in judged {
            match &one.outcome {
                FieldOutcome::Released(path) => {
                    permit.insert(field.clone(), path.clone());
                    duties.extend(one.duties.iter().copied());
                    duties_by_field.insert(field.clone(), (one.duties, one.ends));
                    expires_at = earlier(expires_at, one.ends);
                }
                FieldOutcome::Withheld(why) => codes.extend(why.iter().copied()),
            }
            alarm |= one.alarm;
            if !one.referred.is_empty() {
                referred.insert(field.clone(), one.referred);
            }
            if !one.shortfalls.is_empty() {
                shortfalls.push((field.clone(), one.shortfalls));
            }
            fields.push((field, one.outcome));
        }
        let silent = said(self.q.ask.do_not_tell.as_deref());
        if released > 0 {
            finish_duties(&mut duties, &fields, silent);
        }
        Decision {
            outcome,
            codes,
            beside,
            duties,
            duties_by_field,
            referred,
            duty_alarm: alarm && matches!(outcome, Outcome::Deny | Outcome::Refer),
            closed: self.closed(),
            outside: self.outside(),
            silent,
            shortfalls,
            expires_at,
            permit: (released > 0).then_some(Permit { fields: permit }),
            fields,
            fault: None,
        }
    }

    /// The record is sealed, protected or unknown: a bar on the whole record that is not spoken of.
    fn closed(&self) -> bool {
        let who = &self.q.facts.requester;
        self.common.stops.contains(&Code::SubjNotAvailable)
            || self.policy.closing.iter().filter_map(|row| self.policy.book.rules.get(*row)).any(
                |rule| {
                    rule.agencies.has(&who.agency)
                        && rule.roles.has(&who.role)
                        && rule.purposes.has(&self.q.ask.purpose)
                        && rule.when.iter().all(|when| self.q.meets_one(when))
                },
            )
    }

    /// Codes that do not concern the resident (rule 17).
    fn outside(&self) -> Codes {
        let mut codes = self.common.asking.clone();
        codes.extend(self.common.ladder);
        codes
    }

    pub(super) fn faulted(&self, fault: EngineError) -> Decision {
        Decision {
            outcome: Outcome::Deny,
            fields: Vec::new(),
            codes: Codes::new(),
            beside: Codes::new(),
            duties: BTreeSet::new(),
            duties_by_field: BTreeMap::new(),
            referred: BTreeMap::new(),
            duty_alarm: false,
            closed: false,
            outside: Codes::new(),
            silent: false,
            shortfalls: Vec::new(),
            expires_at: None,
            permit: None,
            fault: Some(fault.0),
        }
    }
}

/// Duties that hang on the release as a whole (rule 15).
pub(in crate::policy) fn finish_duties(
    duties: &mut BTreeSet<Duty>,
    fields: &[(FieldId, FieldOutcome)],
    silent: bool,
) {
    duties.insert(Duty::UpdateRecipientLedger);
    if silent {
        duties.insert(Duty::DoNotNotify);
        duties.remove(&Duty::NotifySubject);
    }
    let failed = |code: Code| {
        fields.iter().any(|(_, outcome)| match outcome {
            FieldOutcome::Withheld(codes) => codes.contains(&code),
            FieldOutcome::Released(_) => false,
        })
    };
    if failed(Code::MinLocationProtected) {
        duties.insert(Duty::MaskLocation);
    }
    if failed(Code::MinThirdParty) {
        duties.insert(Duty::StripThirdParty);
    }
}

pub(in crate::policy) fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
