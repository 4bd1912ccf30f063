//! Runs cases through the decision and says, in one line each, what differs.

use std::collections::{BTreeMap, BTreeSet};

use super::parse::{Case, WantView};
use crate::domain::{Code, Duty, FieldId, GatewayId};
use crate::policy::PolicySnapshot;
use crate::policy::decision::{Decision, FieldOutcome, Outcome, View};

/// How a set of cases went.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Cases that came out as wanted.
    pub passed: usize,
    /// Cases that did not: a line each.
    pub failures: Vec<String>,
    /// Every case, in order.
    pub cases: Vec<CaseReport>,
}

/// How one case went.
#[derive(Debug, Clone)]
pub struct CaseReport {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What differs: expected, got, the deciding rule and the first cell that differs.
    pub failure: Option<String>,
}

/// Runs `cases` and compares with what each wants.
#[must_use]
pub fn run(policy: &PolicySnapshot, cases: &[Case]) -> Report {
    let mut report = Report::default();
    for case in cases {
        let decision = policy.decide(&case.ask, &case.facts, case.at);
        let mut differs = differences(policy, case, &decision);
        let failure = if differs.is_empty() {
            report.passed += 1;
            None
        } else {
            differs.extend(deciding(policy, case, &decision));
            let differs = differs.join("; ");
            report.failures.push(format!("{} ({}): {differs}", case.id, case.title));
            Some(differs)
        };
        report.cases.push(CaseReport { id: case.id.clone(), title: case.title.clone(), failure });
    }
    report
}

/// True when the case comes out as it wants.
pub(super) fn passes(policy: &PolicySnapshot, case: &Case, decision: &Decision) -> bool {
    differences(policy, case, decision).is_empty()
}

fn differences(policy: &PolicySnapshot, case: &Case, decision: &Decision) -> Vec<String> {
    let mut differs = Vec::new();
    if let Some(fault) = &decision.fault {
        differs.push(format!("the engine failed: {fault}"));
    }
    compare("", &case.want.full, &Seen::full(decision), &mut differs);
    if let Some(want) = &case.want.requester {
        let view = policy.view(decision, |_| true);
        compare("requester: ", want, &Seen::view(&view), &mut differs);
    }
    differs
}

/// Why the first field that came out against the case did so.
fn deciding(policy: &PolicySnapshot, case: &Case, decision: &Decision) -> Option<String> {
    let want = &case.want.full;
    let against = |field: &FieldId, released: bool| {
        let listed = |fields: bool| if released { !fields } else { fields };
        if let Some(permitted) = &want.permitted {
            return listed(permitted.contains(field));
        }
        if let Some(withheld) = &want.withheld
            && withheld.contains_key(field)
        {
            return released;
        }
        match want.outcome {
            Some(Outcome::Permit | Outcome::Partial) => !released,
            Some(Outcome::Deny | Outcome::Refer) | None => released,
        }
    };
    let reasons = policy.reasons(&case.ask, &case.facts, case.at, decision);
    let first = reasons
        .iter()
        .find(|reason| against(&reason.field, reason.codes.is_empty()))
        .or(reasons.first())?;
    Some(first.sentence())
}

/// What a case can speak of, of either view.
struct Seen<'a> {
    outcome: Outcome,
    released: BTreeMap<&'a FieldId, &'a GatewayId>,
    withheld: BTreeMap<&'a FieldId, &'a BTreeSet<Code>>,
    codes: &'a BTreeSet<Code>,
    duties: &'a BTreeSet<Duty>,
    duty_alarm: bool,
}

impl<'a> Seen<'a> {
    fn full(decision: &'a Decision) -> Self {
        let mut released = BTreeMap::new();
        let mut withheld = BTreeMap::new();
        for (field, outcome) in &decision.fields {
            match outcome {
                FieldOutcome::Released(path) => {
                    released.insert(field, &path.gateway);
                }
                FieldOutcome::Withheld(codes) => {
                    withheld.insert(field, codes);
                }
            }
        }
        Self {
            outcome: decision.outcome,
            released,
            withheld,
            codes: &decision.codes,
            duties: &decision.duties,
            duty_alarm: decision.duty_alarm,
        }
    }

    fn view(view: &'a View) -> Self {
        Self {
            outcome: view.outcome,
            released: view.released.iter().map(|(f, path)| (f, &path.gateway)).collect(),
            withheld: view.withheld.iter().map(|(f, codes)| (f, codes)).collect(),
            codes: &view.codes,
            duties: &view.duties,
            duty_alarm: view.duty_alarm,
        }
    }
}

fn compare(who: &str, want: &WantView, seen: &Seen<'_>, differs: &mut Vec<String>) {
    let mut differ = |what: &str, wanted: String, got: String| {
        differs.push(format!("{who}{what}: expected {wanted}, got {got}"));
    };
    if let Some(outcome) = want.outcome
        && outcome != seen.outcome
    {
        let codes = words(seen.codes);
        differ("outcome", outcome.to_string(), format!("{} [{codes}]", seen.outcome));
    }
    if let Some(permitted) = &want.permitted {
        let got: BTreeSet<&FieldId> = seen.released.keys().copied().collect();
        if permitted.iter().collect::<BTreeSet<_>>() != got {
            differ("permitted", words(permitted), words(&got));
        }
    }
    if let Some(withheld) = &want.withheld {
        let got: BTreeSet<&FieldId> = seen.withheld.keys().copied().collect();
        if withheld.keys().collect::<BTreeSet<_>>() != got {
            let wanted: BTreeSet<&FieldId> = withheld.keys().collect();
            differ("withheld", words(&wanted), words(&got));
        }
        for (field, code) in withheld {
            if let Some(codes) = seen.withheld.get(field)
                && !codes.contains(code)
            {
                differ(field.as_str(), code.to_string(), words(*codes));
            }
        }
    }
    if !want.codes.is_subset(seen.codes) {
        differ("codes", words(&want.codes), words(seen.codes));
    }
    if !want.not_codes.is_disjoint(seen.codes) {
        differ("codes", format!("none of {}", words(&want.not_codes)), words(seen.codes));
    }
    if !want.duties.is_subset(seen.duties) {
        differ("duties", words(&want.duties), words(seen.duties));
    }
    if !want.not_duties.is_disjoint(seen.duties) {
        differ("duties", format!("none of {}", words(&want.not_duties)), words(seen.duties));
    }
    if let Some(gateway) = &want.gateway
        && !seen.released.values().any(|used| *used == gateway)
    {
        let got: BTreeSet<&GatewayId> = seen.released.values().copied().collect();
        differ("gateway", gateway.to_string(), words(&got));
    }
    if let Some(alarm) = want.duty_alarm
        && alarm != seen.duty_alarm
    {
        differ("duty_alarm", alarm.to_string(), seen.duty_alarm.to_string());
    }
}

fn words<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = all.into_iter().map(|word| word.to_string()).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(" ") }
}
