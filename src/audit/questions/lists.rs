//! Questions whose answer is entries, one a row.

use jiff::SignedDuration;

use super::{Fold, Parameters, Plan, Reads, Seen};
use crate::audit::entry::{Facet, Kind};

/// What a row says of a decision.
const DECISION: &[&str] = &[
    "entry",
    "time",
    "agency",
    "officer",
    "role",
    "purpose",
    "holder",
    "outcome",
    "codes",
    "released",
    "rules",
    "gateways",
    "agreements",
    "bases",
    "override",
];
/// What it says of anything else.
const EVENT: &[&str] = &["entry", "time", "kind", "agency", "officer", "what", "about"];

/// Rows as they come.
struct Each {
    of: fn(&Seen<'_>) -> Vec<String>,
    rows: Vec<(u64, Vec<String>)>,
}

impl Fold for Each {
    fn take(&mut self, _: usize, seen: &Seen<'_>) {
        self.rows.push((seen.index, (self.of)(seen)));
    }

    fn rows(mut self: Box<Self>) -> Vec<Vec<String>> {
        self.rows.sort_by_key(|(index, _)| *index);
        self.rows.dedup_by_key(|(index, _)| *index);
        self.rows.into_iter().map(|(_, row)| row).collect()
    }
}

fn plan(
    columns: &'static [&'static str],
    of: fn(&Seen<'_>) -> Vec<String>,
    passes: Vec<Reads>,
) -> Plan {
    Plan { columns, passes, fold: Box::new(Each { of, rows: Vec::new() }) }
}

pub(super) fn decision(seen: &Seen<'_>) -> Vec<String> {
    let facets = [
        Facet::Role,
        Facet::Purpose,
        Facet::Holder,
        Facet::Outcome,
        Facet::Codes,
        Facet::Released,
        Facet::Rules,
        Facet::Gateways,
        Facet::Agreements,
        Facet::Bases,
        Facet::Override,
    ];
    let mut row = vec![seen.name(), seen.at.to_string(), seen.agency(), seen.officer()];
    row.extend(facets.map(|facet| seen.words(facet)));
    row
}

fn event(seen: &Seen<'_>) -> Vec<String> {
    vec![
        seen.name(),
        seen.at.to_string(),
        format!("{:?}", seen.entry.kind),
        seen.agency(),
        seen.officer(),
        seen.words(Facet::What),
        seen.words(Facet::Review),
    ]
}

/// Entries of some kinds in the time that was told.
pub(super) fn reads(told: &Parameters, kinds: &[Kind]) -> Reads {
    Reads {
        kinds: kinds.to_vec(),
        asker: told.asker.clone(),
        since: told.since,
        until: told.until,
        ..Reads::default()
    }
}

fn with(reads: Reads, facet: Facet, word: impl ToString) -> Reads {
    Reads { facets: vec![(facet, word.to_string())], ..reads }
}

pub(super) fn who_saw(told: &Parameters) -> Plan {
    let reads = Reads { resident: told.resident, ..reads(told, &[Kind::Disclose]) };
    plan(DECISION, decision, vec![reads])
}

pub(super) fn officer_month(told: &Parameters) -> Plan {
    let until = told.until.unwrap_or(told.at);
    let month = until.checked_sub(SignedDuration::from_hours(31 * 24)).ok();
    let reads = reads(told, &[Kind::Disclose, Kind::Refuse, Kind::Query]);
    let reads = Reads { officer: told.officer, since: told.since.or(month), ..reads };
    plan(DECISION, decision, vec![reads])
}

pub(super) fn received(told: &Parameters) -> Plan {
    let reads = Reads { resident: told.resident, ..reads(told, &[Kind::Disclose]) };
    let passes = told.released.iter().map(|field| with(reads.clone(), Facet::Released, field));
    plan(DECISION, decision, passes.collect())
}

pub(super) fn under_agreement(told: &Parameters) -> Plan {
    let reads = reads(told, &[Kind::Disclose]);
    let passes = told.agreement.iter().map(|one| with(reads.clone(), Facet::Agreements, one));
    plan(DECISION, decision, passes.collect())
}

pub(super) fn own_or_known(told: &Parameters) -> Plan {
    let kinds = [Kind::Refuse, Kind::Disclose, Kind::Query];
    let passes = ["WHO_SELF_ACCESS", "WHO_CONFLICT_OF_INTEREST"];
    let passes = passes.map(|code| with(reads(told, &kinds), Facet::Codes, code));
    plan(DECISION, decision, passes.into())
}

pub(super) fn who_read(told: &Parameters) -> Plan {
    plan(EVENT, event, vec![reads(told, &[Kind::AuditRead])])
}

pub(super) fn after_leaving(told: &Parameters) -> Plan {
    let tried = with(reads(told, &[Kind::TurnedAway]), Facet::What, "account");
    let kinds = [Kind::Refuse, Kind::Query];
    let codes = ["WHO_ACCOUNT_INACTIVE", "WHO_TRAINING_LAPSED"];
    let codes = codes.map(|code| with(reads(told, &kinds), Facet::Codes, code));
    let columns = &["entry", "time", "kind", "agency", "officer", "what", "codes"];
    let of = |seen: &Seen<'_>| {
        let mut row = event(seen);
        row.pop();
        row.push(seen.words(Facet::Codes));
        row
    };
    plan(columns, of, std::iter::once(tried).chain(codes).collect())
}

pub(super) fn overdue(told: &Parameters) -> Plan {
    let reads = with(reads(told, &[Kind::Review]), Facet::What, "overdue");
    let of = |seen: &Seen<'_>| {
        vec![
            seen.name(),
            seen.at.to_string(),
            seen.words(Facet::Holder),
            seen.words(Facet::Duties),
            seen.words(Facet::Review),
        ]
    };
    plan(&["entry", "time", "owner", "duty", "disclosure"], of, vec![reads])
}

pub(super) fn not_disclosed(told: &Parameters) -> Plan {
    let of = |seen: &Seen<'_>| {
        vec![
            seen.name(),
            seen.at.to_string(),
            seen.agency(),
            seen.words(Facet::Holder),
            seen.words(Facet::Purpose),
            seen.words(Facet::What),
            seen.words(Facet::Alarm),
        ]
    };
    let columns = &["entry", "time", "agency", "holder", "purpose", "what", "alarm"];
    plan(columns, of, vec![reads(told, &[Kind::Report])])
}

pub(super) fn policy_changes(told: &Parameters) -> Plan {
    let of = |seen: &Seen<'_>| {
        vec![
            seen.name(),
            seen.at.to_string(),
            seen.words(Facet::What),
            hex::encode(seen.entry.policy),
            seen.words(Facet::Previous),
        ]
    };
    let reads = Reads { beyond: true, ..reads(told, &[Kind::Policy]) };
    plan(&["entry", "time", "what", "policy", "previous"], of, vec![reads])
}
