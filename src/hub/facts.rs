//! Gathers the facts of one question from what the store knows. What is missing or too old is the
//! refusing value; nothing here looks at what was found to decide what to read next.

mod judge;

use std::collections::BTreeSet;

use jiff::Timestamp;

pub use judge::Judge;

use crate::auth::Caller;
use crate::consent;
use crate::domain::{
    AgencyId, Amendments, Collected, ConsentEvent, Facts, GatewayId, MatchQuality, Register,
    RequesterFacts, ResidentFacts, RoleId,
};
use crate::policy::book::RuleBook;
use crate::store::{Known, Standing};

/// The facts of one question by `caller` in `role` as of `at`.
#[must_use]
pub fn gather(
    book: &RuleBook,
    caller: &Caller,
    role: &RoleId,
    known: Known,
    standing: &Standing,
    at: Timestamp,
) -> Facts {
    let judge = Judge::new(book, standing, at);
    let staff = judge.staff(&known);
    let kin = judge.kin(&known);
    let requester = RequesterFacts {
        agency: caller.agency().clone(),
        role: role.clone(),
        person: caller.person().clone(),
        account_ends: staff.account_ends,
        training_until: staff.training_until,
        relationship: judge.relationship(&known),
        is_self: kin.is_self,
        conflict: kin.conflict,
    };
    let matched = match &known.resident {
        Some(_) => judge.matched(&known),
        None => MatchQuality::None,
    };
    let opt_out = judge.opt_out(&known);
    let mut resident = ResidentFacts {
        born: None,
        nation: nation_of(book, caller.agency()),
        died: judge.died(&known),
        flags: judge.flags(&known),
        matched,
        capacity: judge.capacity(&known),
        parent_of_case: judge.is_parent_of_case(&known),
        disadvantages: judge.disadvantages(&known),
    };
    let order = judge.order(&known, caller.agency());
    let custodian_releases = judge.releases(&known, caller.agency());
    if let Some(registered) = known.resident {
        (resident.born, resident.nation) = (registered.born, registered.nation);
    }
    let mut choices = consent::choices_now(&known.choices);
    choices.extend(opt_out);
    Facts {
        requester,
        resident,
        consents: known.consents.into_iter().map(without_evidence).collect(),
        choices,
        suspended: book.agencies.keys().filter(|a| !judge.is_active(a)).cloned().collect(),
        apd_lapsed: book.agencies.keys().filter(|a| !judge.has_document(a)).cloned().collect(),
        registered: registered(&judge, standing),
        ndo_checked_at: standing.registers.get(&Register::OptOuts).copied(),
        order,
        custodian_releases,
        amendments: Amendments::default(),
        grant: None,
    }
}

/// What was shown and how is evidence; decisions neither use nor repeat it.
fn without_evidence(event: ConsentEvent) -> ConsentEvent {
    ConsentEvent { collected: Collected::default(), ..event }
}

fn registered(judge: &Judge<'_>, standing: &Standing) -> BTreeSet<GatewayId> {
    standing.registered.keys().filter(|g| judge.is_registered(g)).cloned().collect()
}

/// An unregistered resident is nowhere; the asker's own nation adds no refusal of its own.
fn nation_of(book: &RuleBook, agency: &AgencyId) -> String {
    book.agencies.get(agency).map(|a| a.nation.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
