//! Checks with the National Data Opt-out service by exchange of lists: who is asked about, and what came back. The
//! outcome is nobody's flag: it is kept apart, for the policy's hours, and then deleted. The log says that the
//! service was asked, and nothing of what it said.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::entry::Call;
use super::{Hub, HubError, Violation};
use crate::audit::entry::{Facet, Kind};
use crate::auth::Caller;
use crate::domain::{Code, DecisionId, FactKind, FlagId, nhs_number};
use crate::limits;
use crate::policy::PolicySnapshot;
use crate::policy::book::{FactWriters, RuleBook};
use crate::store::{Asking, CheckFault, Receipt};

/// A check that is begun.
pub struct BegunCheck {
    /// Names it.
    pub reference: DecisionId,
    /// The numbers to ask about.
    pub numbers: Vec<String>,
    /// Proof that it is recorded.
    pub receipt: Receipt,
}

impl Hub {
    /// Begins a check of everybody with an NHS number whose record is not closed.
    ///
    /// # Errors
    /// When the policy does not let the caller ask, or too many people are registered.
    pub async fn begin_opt_out_check(&self, caller: &Caller) -> Result<BegunCheck, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let call = self.call("weir.hub.v1.FactService/BeginOptOutCheck", caller, &policy, at);
        self.require_asker(&call, &policy).await?;
        if let Some(done) = self.done_before(&call).await? {
            let reference = done.receipt.event();
            let numbers = self.store.asked_numbers(reference).await?;
            let gone =
                || wrong("request_id", "is of a check that is taken in or too old: begin another");
            return Ok(BegunCheck {
                reference,
                numbers: numbers.ok_or_else(gone)?,
                receipt: done.receipt,
            });
        }
        let reference = call.event();
        let facets = BTreeMap::from([(Facet::What, "opt-out|asked".to_owned())]);
        let (none, request) = (BTreeMap::new(), serde_json::json!({}));
        let entry = call.entry(reference, Kind::Fact, facets, None, none, &request);
        let asking = asking(policy.book(), limits::CHECK_NUMBERS_MAX);
        let made = self.store.begin_check(reference, at, asking, entry).await?;
        let (numbers, receipt) = made.map_err(|_| HubError::TooMuch)?;
        Ok(BegunCheck { reference, numbers, receipt })
    }

    /// Takes in what the service sent back for a check; gives when that was begun.
    ///
    /// # Errors
    /// When the policy does not let the caller, no such check was begun or it is used up or too old, or a number is none, stands
    /// twice or was never asked about. Nothing is taken in then.
    pub async fn apply_opt_out_check(
        &self,
        caller: &Caller,
        reference: DecisionId,
        clear: Vec<String>,
    ) -> Result<(Timestamp, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let call = self.call("weir.hub.v1.FactService/ApplyOptOutCheck", caller, &policy, at);
        self.require_asker(&call, &policy).await?;
        if let Some(done) = self.done_before(&call).await? {
            return Ok((done.time("/made").ok_or(HubError::Broken)?, done.receipt));
        }
        let clear = numbers_of(&clear).map_err(|faults| listed(&faults))?;
        // The time stands in the entry, so that the call can be answered again.
        let begun = self.store.entry(reference).await?.map(|stored| stored.committed_at);
        let Some(begun) = begun else {
            return Err(self.turned_away(&call, HubError::NotFound).await);
        };
        let facets = BTreeMap::from([
            (Facet::What, "opt-out|checked".to_owned()),
            (Facet::Previous, reference.to_string()),
        ]);
        let request = serde_json::json!({ "made": begun.to_string() });
        let none = BTreeMap::new();
        let entry = call.entry(call.event(), Kind::Fact, facets, None, none, &request);
        let oldest = oldest(policy.book(), at);
        let made = self.store.end_check(reference, clear, oldest, entry).await?;
        made.map_err(|why| fault(&why))
    }

    /// Deletes outcomes of checks that are too old, and checks that nobody answered in time.
    pub async fn forget_checks(&self) {
        let Ok(policy) = self.policy() else { return };
        let oldest = oldest(policy.book(), self.clock.now());
        if let Err(error) = self.store.forget_checks(oldest).await {
            tracing::warn!(error = %error, "Old checks of opt-outs could not be deleted");
        }
    }

    /// Lets through who may ask by the policy.
    async fn require_asker(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
    ) -> Result<(), HubError> {
        let rule = policy.book().facts.get(&FactKind::OptOut).ok_or(HubError::Broken)?;
        let caller = call.caller;
        let may = rule.functions.iter().find(|function| caller.functions().contains(function));
        let Some(function) = may.copied() else {
            let wanted = rule.functions.first().copied().ok_or(HubError::Broken)?;
            return Err(self.turned_away(call, HubError::FunctionNeeded(wanted)).await);
        };
        self.require(call, policy, function).await?;
        let own = match &rule.writers {
            FactWriters::Any | FactWriters::Own => true,
            FactWriters::These(agencies) => agencies.contains(caller.agency()),
        };
        if own { Ok(()) } else { Err(self.turned_away(call, HubError::NotYours).await) }
    }
}

/// Whom a check asks about: not those whose whole record a flag closes.
#[must_use]
pub fn asking(book: &RuleBook, most: usize) -> Asking {
    let open = book
        .flags
        .iter()
        .filter(|(_, flag)| !matches!(flag.code, Some(Code::BarSealed | Code::BarProtectedPerson)));
    let open_flags: BTreeSet<FlagId> = open.map(|(flag, _)| flag.clone()).collect();
    Asking { most, open_flags }
}

/// A check that was begun before this is too old at `now`.
#[must_use]
pub fn oldest(book: &RuleBook, now: Timestamp) -> Timestamp {
    let hours = SignedDuration::from_hours(book.figures.ndo_hours);
    now.checked_sub(hours).unwrap_or(Timestamp::MIN)
}

/// What is wrong with a line of a list of NHS numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberFault {
    /// It is none.
    #[error("is no NHS number: ten digits, of which the last checks the others")]
    NoNumber,
    /// It stands twice.
    #[error("stands twice")]
    Twice,
}

/// A list of NHS numbers in plain digits.
///
/// # Errors
/// What is wrong, by place in the list.
pub fn numbers_of(lines: &[String]) -> Result<Vec<String>, Vec<(usize, NumberFault)>> {
    let (mut numbers, mut faults) = (BTreeSet::new(), Vec::new());
    for (at, line) in lines.iter().enumerate() {
        match nhs_number(line) {
            None => faults.push((at, NumberFault::NoNumber)),
            Some(number) => {
                if !numbers.insert(number) {
                    faults.push((at, NumberFault::Twice));
                }
            }
        }
    }
    // In the order of the lines, so that what is never asked about is found by its place.
    if faults.is_empty() {
        Ok(lines.iter().filter_map(|l| nhs_number(l)).collect())
    } else {
        Err(faults)
    }
}

fn listed(faults: &[(usize, NumberFault)]) -> HubError {
    let named = faults.iter().take(limits::VIOLATIONS_MAX);
    HubError::Invalid(
        named
            .map(|(at, why)| Violation::new(format!("not_opted_out[{at}]"), why.to_string()))
            .collect(),
    )
}

fn fault(why: &CheckFault) -> HubError {
    match why {
        CheckFault::NoCheck => wrong("reference", &why.to_string()),
        CheckFault::NeverAsked(places) => {
            let named = places.iter().take(limits::VIOLATIONS_MAX);
            let what = "was never asked about";
            HubError::Invalid(
                named.map(|at| Violation::new(format!("not_opted_out[{at}]"), what)).collect(),
            )
        }
        CheckFault::TooMany => HubError::TooMuch,
    }
}

fn wrong(field: &str, what: &str) -> HubError {
    HubError::Invalid(vec![Violation::new(field, what)])
}
