//! Gathers the facts of one question from what the store knows. What is missing is the refusing
//! value; nothing here looks at what was found to decide what to read next.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::auth::Caller;
use crate::domain::{
    AgencyId, Amendments, Capacity, Code, Facts, FlagId, MatchQuality, RequesterFacts,
    ResidentFacts, RoleId,
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
    let (account_ends, training_until) = match known.staff {
        Some(staff) => (staff.account_ends, staff.training_until),
        None => (Some(Timestamp::UNIX_EPOCH), None),
    };
    let requester = RequesterFacts {
        agency: caller.agency().clone(),
        role: role.clone(),
        person: caller.person().clone(),
        account_ends,
        training_until,
        relationship: known.relationship,
        is_self: known.is_self,
        conflict: known.conflict,
    };
    let (matched, born, nation) = match known.resident {
        Some(resident) => (MatchQuality::Certain, resident.born, resident.nation),
        None => (MatchQuality::None, None, nation_of(book, caller.agency())),
    };
    Facts {
        requester,
        resident: ResidentFacts {
            born,
            nation,
            died: known.died,
            flags: closing_where_unknown(book, known.flags),
            matched,
            capacity: known.capacity.unwrap_or(Capacity::Has),
            parent_of_case: known.parent_of_case,
            disadvantages: known.disadvantages,
        },
        consents: known.consents,
        choices: known.choices,
        suspended: standing.suspended.clone(),
        apd_lapsed: lapsed(book, standing, at),
        registered: standing.registered.clone(),
        ndo_checked_at: standing.ndo_checked_at,
        order: known.order,
        custodian_releases: known.releases,
        amendments: Amendments::default(),
        grant: None,
    }
}

/// A flag that the policy does not know may be one that protects: the record is closed with it.
fn closing_where_unknown(book: &RuleBook, mut flags: BTreeSet<FlagId>) -> BTreeSet<FlagId> {
    if flags.iter().any(|flag| !book.flags.contains_key(flag)) {
        let sealed = book.flags.iter().find(|(_, about)| about.code == Some(Code::BarSealed));
        flags.extend(sealed.map(|(flag, _)| flag.clone()));
    }
    flags
}

/// An unregistered resident is nowhere; the asker's own nation adds no refusal of its own.
fn nation_of(book: &RuleBook, agency: &AgencyId) -> String {
    book.agencies.get(agency).map(|a| a.nation.clone()).unwrap_or_default()
}

/// Agencies without a policy document that is good on the day.
fn lapsed(book: &RuleBook, standing: &Standing, at: Timestamp) -> BTreeSet<AgencyId> {
    let today = at.to_zoned(book.place.zone.clone()).date();
    let in_date = |agency: &AgencyId| {
        standing.policy_documents.get(agency).is_some_and(|until| *until >= today)
    };
    book.agencies.keys().filter(|agency| !in_date(agency)).cloned().collect()
}

/// True when the whole record is closed to everybody, or there is none: to the caller there is
/// nobody. A flag that the policy does not know closes.
#[must_use]
pub fn is_closed(book: &RuleBook, known: &Known) -> bool {
    let closes = |flag: &FlagId| match book.flags.get(flag) {
        Some(flag) => matches!(flag.code, Some(Code::BarSealed | Code::BarProtectedPerson)),
        None => true,
    };
    // Every flag is looked at, found or not.
    let flags = known.flags.iter().filter(|flag| closes(flag)).count();
    known.resident.is_none() | (flags > 0)
}

/// True when the caller's own staff record lets them act at `at`.
#[must_use]
pub fn may_act(book: &RuleBook, known: &Known, at: Timestamp) -> bool {
    let today = at.to_zoned(book.place.zone.clone()).date();
    known.staff.as_ref().is_some_and(|staff| {
        staff.account_ends.is_none_or(|end| at < end)
            && staff.training_until.is_some_and(|until| today <= until)
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_flag_that_the_policy_does_not_know_closes_the_record() {
        let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        let book = crate::policy::load::load_dir(&policies).unwrap();
        let flags = |words: &[&str]| -> BTreeSet<FlagId> {
            words.iter().map(|word| word.parse().unwrap()).collect()
        };
        for (known, closed) in [(&[][..], false), (&["watch"], false), (&["seald"], true)] {
            let all = closing_where_unknown(&book, flags(known));
            assert_eq!(all.contains("sealed"), closed, "{known:?}");
        }
    }
}
