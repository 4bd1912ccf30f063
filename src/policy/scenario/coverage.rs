//! Which rules the cases show at work: a rule that no case permits by, or none refuses by, could change
//! and no example would notice.

use std::collections::BTreeMap;

use super::parse::{Case, WantView};
use super::run::passes;
use crate::domain::{Code, FieldId, RuleId};
use crate::policy::PolicySnapshot;
use crate::policy::book::{Effect, Ground, Rule};
use crate::policy::decision::{Decision, Outcome, Shortfall};
use crate::policy::explain::{Reason, Why};

/// How many cases show a rule at work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hits {
    /// Cases that expect a release and get one under the rule.
    pub permits: usize,
    /// Cases that expect a referral, which the rule leaves to a person.
    pub refers: usize,
    /// Cases that expect a refusal, in which the rule fell short; of a deny row, which it stopped.
    pub refuses: usize,
}

impl Hits {
    /// True when the rule is shown from both sides; a deny row has only one.
    #[must_use]
    pub const fn is_whole(self, effect: Effect) -> bool {
        match effect {
            Effect::Allow => self.refuses > 0 && self.permits + self.refers > 0,
            Effect::Deny => self.refuses > 0,
        }
    }
}

/// How often each rule of the book is hit by `cases`; every rule is in the answer. A case that does
/// not come out as it wants shows nothing.
#[must_use]
pub fn coverage(policy: &PolicySnapshot, cases: &[Case]) -> BTreeMap<RuleId, Hits> {
    let mut hits: BTreeMap<RuleId, Hits> =
        policy.book().rules.iter().map(|rule| (rule.id.clone(), Hits::default())).collect();
    for case in cases {
        let decision = policy.decide(&case.ask, &case.facts, case.at);
        if !passes(policy, case, &decision) {
            continue;
        }
        let reasons = policy.reasons(&case.ask, &case.facts, case.at, &decision);
        // A rule that opens five fields of one case is shown by one case.
        let mut shown: BTreeMap<&RuleId, Shown> = BTreeMap::new();
        for reason in &reasons {
            show(&case.want.full, &decision, reason, &mut shown);
        }
        for (rule, shown) in shown {
            let hits = hits.entry(rule.clone()).or_default();
            hits.permits += usize::from(shown.permits);
            hits.refers += usize::from(shown.refers);
            hits.refuses += usize::from(shown.refuses);
        }
    }
    hits
}

#[derive(Default)]
struct Shown {
    permits: bool,
    refers: bool,
    refuses: bool,
}

fn show<'r>(
    want: &WantView,
    decision: &Decision,
    reason: &Reason<'r>,
    shown: &mut BTreeMap<&'r RuleId, Shown>,
) {
    match &reason.why {
        Why::Released(rule) if wants_release(want, &reason.field) => {
            shown.entry(&rule.id).or_default().permits = true;
        }
        Why::Stopped(stops, short) => {
            if wants_refusal(want, &reason.field) {
                // A rule that nothing but the stop stands against is not shown to fall short.
                let fell = short.iter().filter(|one| !one.failed.is_empty()).map(|one| one.rule);
                let rules = stops.iter().copied().chain(fell);
                for rule in rules {
                    shown.entry(&rule.id).or_default().refuses = true;
                }
            }
        }
        Why::Short(short) => {
            for one in short {
                let entry = shown.entry(&one.rule.id).or_default();
                entry.refuses |= wants_refusal(want, &reason.field);
                entry.refers |= want.outcome == Some(Outcome::Refer)
                    && is_referred(decision, &reason.field, one.rule);
            }
        }
        Why::Released(_) | Why::Silent(_) => {}
    }
}

fn wants_release(want: &WantView, field: &FieldId) -> bool {
    matches!(want.outcome, Some(Outcome::Permit | Outcome::Partial))
        || want.permitted.as_ref().is_some_and(|fields| fields.contains(field))
}

fn wants_refusal(want: &WantView, field: &FieldId) -> bool {
    want.outcome == Some(Outcome::Deny)
        || want.withheld.as_ref().is_some_and(|fields| fields.contains_key(field))
}

/// True when all that is left of the rule's failures is a person's to decide.
fn is_referred(decision: &Decision, field: &FieldId, rule: &Rule) -> bool {
    let Some(referred) = decision.referred.get(field) else {
        return false;
    };
    let left = |one: &Shortfall| {
        let to_holder = rule.ground == Some(Ground::Holder);
        !one.left.is_empty()
            && one.left.is_subset(referred)
            && (to_holder || !one.left.contains(&Code::CnfNoBasis))
    };
    let of_field = decision.shortfalls.iter().filter(|(f, _)| f == field);
    of_field.flat_map(|(_, all)| all).any(|one| one.rule == rule.id && left(one))
}

#[cfg(test)]
mod tests {
    use super::{Hits, coverage};
    use crate::policy::PolicySnapshot;
    use crate::policy::book::Effect;
    use crate::policy::load::load;
    use crate::policy::scenario::parse;
    use crate::policy::tests::shipped;

    const NURSE: &str = r#"{ agency = "northfield-hospital", role = "nurse" }"#;
    const POLICE: &str = r#"{ agency = "northshire-police", role = "police-officer" }"#;
    const HOUSING: &str = r#"{ agency = "northfield-council-housing", role = "housing-officer" }"#;
    const BEFRIEND: &str = r#"{ agency = "befriend", role = "charity-worker" }"#;
    const SUMMARY: &str = r#""health/support.support_needs_summary""#;
    const ALLERGIES: &str = r#""health/summary.allergies""#;

    const fn hits(permits: usize, refers: usize, refuses: usize) -> Hits {
        Hits { permits, refers, refuses }
    }

    #[test]
    fn a_case_shows_what_it_expects_and_gets() {
        let policy = PolicySnapshot::build(load(&shipped()).unwrap()).unwrap();
        let check = |who: &str, more: &str, ask: (&str, &str, &str), want: &str, shown: &[_]| {
            let (from, purpose, fields) = ask;
            let text = format!(
                "[[scenario]]\nid = \"a\"\ngiven.requester = {who}\n{more}\nask = {{ from = \
                 \"{from}\", purpose = \"{purpose}\", fields = [{fields}] }}\nwant = {{ {want} }}\n"
            );
            let cases = parse(&text, policy.book()).unwrap();
            let found: Vec<(String, Hits)> = coverage(&policy, &cases)
                .into_iter()
                .filter(|(_, hits)| *hits != Hits::default())
                .map(|(rule, hits)| (rule.to_string(), hits))
                .collect();
            let shown: Vec<(String, Hits)> = shown
                .iter()
                .map(|(rule, hits): &(&str, Hits)| ((*rule).to_owned(), *hits))
                .collect();
            assert_eq!(found, shown, "{text}");
        };
        let care = ("oakdale-gp", "direct_care", ALLERGIES);
        let permit = "outcome = \"PERMIT\"";
        let deny = "outcome = \"DENY\"";
        check(NURSE, "", care, permit, &[("N01", hits(1, 0, 0))]);
        // A case that comes out otherwise shows nothing, and one that expects nothing neither.
        check(NURSE, "", care, deny, &[]);
        check(NURSE, "", care, "codes = []", &[]);
        // Five fields, one case.
        let many = ("oakdale-gp", "direct_care", "\"health/summary\", \"identity/core\"");
        check(NURSE, "", many, permit, &[("N01", hits(1, 0, 0))]);
        // No rule speaks.
        check(HOUSING, "", care, deny, &[]);
        // A condition failed; a hard stop, which is not the rule's own falling short; both.
        let stranger =
            "{ agency = \"northfield-hospital\", role = \"nurse\", relationship = false }";
        check(stranger, "", care, deny, &[("N01", hits(0, 0, 1))]);
        let sealed = "given.resident = { flags = [\"sealed\"] }";
        check(NURSE, sealed, care, deny, &[("B1", hits(0, 0, 1))]);
        check(stranger, sealed, care, deny, &[("B1", hits(0, 0, 1)), ("N01", hits(0, 0, 1))]);
        // Of the rows that refuse with one code, only the one that applies.
        let debt = ("oakdale-gp", "fundraising", "\"refuge/stay\"");
        check(BEFRIEND, "", debt, deny, &[("V4", hits(0, 0, 1))]);
        // A field that a partial release withholds.
        let both = (
            "oakdale-gp",
            "medical_priority",
            &*format!("{SUMMARY}, \"health/summary.conditions\""),
        );
        let consent = format!(
            "given.consents = [{{ kind = \"confidentiality_explicit\", state = \"given\", at = \
             2026-06-01, purposes = [\"medical_priority\"], fields = [{SUMMARY}], recipients = \
             [\"northfield-council-housing\"] }}]"
        );
        let part = format!(
            "outcome = \"PARTIAL\", permitted = [{SUMMARY}], withheld = {{ \
             \"health/summary.conditions\" = \"CNS_OUT_OF_SCOPE\" }}"
        );
        check(HOUSING, &consent, both, &part, &[("N25", hits(1, 0, 1))]);
        // What the holder judges is shown by a referral.
        let judged = ("northfield-council-housing", "crime_enquiry", "\"contact/home.address\"");
        check(POLICE, "", judged, "outcome = \"REFER\"", &[("N33", hits(0, 1, 0))]);
    }

    #[test]
    fn a_rule_is_whole_from_both_sides_and_a_stop_from_its_one() {
        let whole =
            |effect, all: &[Hits]| all.iter().map(|hits| hits.is_whole(effect)).collect::<Vec<_>>();
        let all = [hits(1, 0, 0), hits(0, 1, 0), hits(0, 0, 1), hits(1, 0, 1), hits(0, 1, 1)];
        assert_eq!(whole(Effect::Allow, &all), [false, false, false, true, true]);
        assert_eq!(whole(Effect::Deny, &all), [false, false, true, true, true]);
    }
}
