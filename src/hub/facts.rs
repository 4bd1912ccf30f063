//! Gathers the facts of one question from what the store knows. What is missing or too old is the
//! refusing value; nothing here looks at what was found to decide what to read next.

mod judge;

use std::collections::BTreeSet;

use jiff::Timestamp;

pub use judge::Judge;

use crate::auth::Caller;
use crate::consent;
use crate::domain::{
    AgencyId, Amendments, ChoiceKind, Collected, ConsentEvent, Facts, GatewayId, Interests,
    MatchQuality, PurposeId, RequesterFacts, ResidentFacts, RoleId,
};
use crate::policy::book::{ChoiceForce, RuleBook};
use crate::store::{Known, Standing};

/// What was gathered for one question.
#[derive(Clone)]
pub struct Gathered {
    /// All that the policy sees.
    pub facts: Facts,
    /// How the person is tied to the resident; for whoever reviews, the policy sees nothing of it.
    pub interests: Interests,
}

/// The facts of one question by `caller` in `role` for `purpose` as of `at`.
#[must_use]
pub fn gather(
    book: &RuleBook,
    caller: &Caller,
    (role, purpose): (&RoleId, &PurposeId),
    known: Known,
    standing: &Standing,
    at: Timestamp,
) -> Gathered {
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
        conflict: kin.interests.conflict(),
    };
    let matched = match &known.resident {
        Some(_) => judge.matched(&known),
        None => MatchQuality::None,
    };
    // Where no rule asks for it, nothing of a check is said, and so nothing of it stands in the log.
    let asked = asks_for_opt_outs(book, purpose);
    let opt_out = judge.opt_out(&known).filter(|_| asked);
    let checked_at = judge.checked_at(&known).filter(|_| asked);
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
    let proxies = consent::proxy::proxies(&known.choices);
    let mut consents = known.consents;
    consent::proxy::weigh(book, &proxies, &mut consents, resident.born, resident.died);
    let mut choices = consent::choices_now(&known.choices);
    choices.extend(opt_out);
    let facts = Facts {
        requester,
        resident,
        consents: consents.into_iter().map(without_evidence).collect(),
        choices,
        suspended: book.agencies.keys().filter(|a| !judge.is_active(a)).cloned().collect(),
        apd_lapsed: book.agencies.keys().filter(|a| !judge.has_document(a)).cloned().collect(),
        registered: registered(&judge, standing),
        ndo_checked_at: checked_at,
        order,
        custodian_releases,
        amendments: Amendments::default(),
        grant: None,
    };
    Gathered { facts, interests: kin.interests }
}

/// Whether a rule for the purpose lets an opt-out stop anything.
fn asks_for_opt_outs(book: &RuleBook, purpose: &PurposeId) -> bool {
    let stops = ChoiceForce::Stops(ChoiceKind::Ndo);
    book.rules.iter().any(|rule| rule.purposes.has(purpose) && rule.choices.contains(&stops))
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
