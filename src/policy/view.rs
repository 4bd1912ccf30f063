//! The decision as the requester may see it: a closed record, a closed field and an empty one look
//! alike (scenarios, rule 17).

use std::collections::BTreeSet;

use super::PolicySnapshot;
use super::decide::{earlier, finish_duties};
use super::decision::{Decision, FieldOutcome, Outcome, View};
use crate::domain::{Code, Duty, FieldId};

impl PolicySnapshot {
    /// What the requester may see of `decision`. `holds` tells whether the holder has a value for a
    /// released field: one that holds nothing is shown like one that is closed.
    #[must_use]
    pub fn view(&self, decision: &Decision, holds: impl Fn(&FieldId) -> bool) -> View {
        if decision.closed || decision.fault.is_some() {
            return closed(decision);
        }
        let spoken = |code: &Code| self.book.codes.get(code).is_some_and(|m| m.spoken_to_requester);
        let mut released = Vec::new();
        let mut withheld = Vec::new();
        let mut duties = BTreeSet::new();
        let mut expires_at = None;
        for (field, outcome) in &decision.fields {
            match outcome {
                FieldOutcome::Released(path) if holds(field) => {
                    if let Some((of_field, ends)) = decision.duties_by_field.get(field) {
                        duties.extend(of_field.iter().copied());
                        expires_at = earlier(expires_at, *ends);
                    }
                    released.push((field.clone(), path.clone()));
                }
                FieldOutcome::Withheld(codes) if codes.iter().all(spoken) => {
                    withheld.push((field.clone(), codes.clone()));
                }
                FieldOutcome::Released(_) | FieldOutcome::Withheld(_) => {
                    withheld.push((field.clone(), BTreeSet::from([Code::SubjNotAvailable])));
                }
            }
        }
        let mut codes: BTreeSet<Code> = decision.beside.iter().copied().filter(spoken).collect();
        codes.extend(withheld.iter().flat_map(|(_, codes)| codes.iter().copied()));
        let nothing_shown = released.is_empty();
        if !nothing_shown {
            finish_duties(&mut duties, &decision.fields, decision.silent);
            duties.remove(&Duty::MaskLocation);
        }
        View {
            outcome: match (nothing_shown, withheld.is_empty()) {
                (false, true) => Outcome::Permit,
                (false, false) => Outcome::Partial,
                (true, _) if decision.outcome == Outcome::Refer => Outcome::Refer,
                (true, _) => Outcome::Deny,
            },
            released,
            withheld,
            codes,
            duties,
            duty_alarm: decision.duty_alarm,
            expires_at,
        }
    }
}

/// The view of an unknown person, which a sealed and a protected one copy.
fn closed(decision: &Decision) -> View {
    let withheld: Vec<(FieldId, BTreeSet<Code>)> = decision
        .fields
        .iter()
        .map(|(field, outcome)| {
            let mut codes = decision.outside.clone();
            codes.insert(Code::SubjNotAvailable);
            if let FieldOutcome::Withheld(all) = outcome
                && all.contains(&Code::ReqIncomplete)
            {
                codes.insert(Code::ReqIncomplete);
            }
            (field.clone(), codes)
        })
        .collect();
    let mut codes = decision.outside.clone();
    codes.insert(Code::SubjNotAvailable);
    codes.extend(withheld.iter().flat_map(|(_, codes)| codes.iter().copied()));
    View {
        outcome: Outcome::Deny,
        released: Vec::new(),
        withheld,
        codes,
        duties: BTreeSet::new(),
        duty_alarm: false,
        expires_at: None,
    }
}
