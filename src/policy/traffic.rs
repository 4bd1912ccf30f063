//! What went out, beside what is agreed: agreements that nothing uses, sharing past a review, rules that
//! nobody needs. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use super::book::{Effect, RuleBook};

/// A rule that nobody has used for so long is looked at (policy brief: 180 days).
const UNUSED: SignedDuration = SignedDuration::from_hours(180 * 24);

/// How often, and when last, a rule or an agreement opened something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Use {
    count: u64,
    last: Option<Timestamp>,
    past_review: u64,
}

/// What went out, by rule and by agreement.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    rules: BTreeMap<String, Use>,
    agreements: BTreeMap<String, Use>,
}

impl Traffic {
    /// Counts one disclosure, by the ids of what opened it.
    pub fn count<'w>(
        &mut self,
        book: &RuleBook,
        at: Timestamp,
        rules: impl Iterator<Item = &'w str>,
        agreements: impl Iterator<Item = &'w str>,
    ) {
        let put = |all: &mut BTreeMap<String, Use>, id: &str, late: bool| {
            let one = all.entry(id.to_owned()).or_default();
            one.count += 1;
            one.last = one.last.max(Some(at));
            one.past_review += u64::from(late);
        };
        for rule in rules {
            put(&mut self.rules, rule, false);
        }
        for id in agreements {
            let agreement = book.agreements.iter().find(|(one, _)| one.as_str() == id);
            let day = at.to_zoned(book.place.zone.clone()).date();
            put(&mut self.agreements, id, agreement.is_some_and(|(_, a)| day > a.review_due));
        }
    }

    /// In words, a line for each finding.
    #[must_use]
    pub fn text(&self, book: &RuleBook, now: Timestamp) -> String {
        let mut out = String::from("What went out:\n");
        for (id, agreement) in &book.agreements {
            // Into memory, here and below.
            let _ = match self.agreements.get(id.as_str()) {
                None => writeln!(out, "  {id}: nothing went out under it"),
                Some(used) => {
                    let last = used.last.map(|at| at.to_zoned(book.place.zone.clone()).date());
                    let last = last.map(|day| day.to_string()).unwrap_or_default();
                    let late = if used.past_review > 0 {
                        format!(
                            "; {} after its review was due on {}",
                            used.past_review, agreement.review_due
                        )
                    } else {
                        String::new()
                    };
                    writeln!(out, "  {id}: {} disclosures, the last on {last}{late}", used.count)
                }
            };
        }
        for (id, used) in &self.agreements {
            if !book.agreements.keys().any(|one| one.as_str() == id) {
                let _ = writeln!(
                    out,
                    "  {id}: {} disclosures, and it is not here any more",
                    used.count
                );
            }
        }
        let unused: Vec<&str> = book
            .rules
            .iter()
            .filter(|rule| rule.effect == Effect::Allow)
            .map(|rule| rule.id.as_str())
            .filter(|id| {
                let last = self.rules.get(*id).and_then(|used| used.last);
                last.is_none_or(|last| now.duration_since(last) > UNUSED)
            })
            .collect();
        let _ = write!(
            out,
            "Rules that opened nothing in 180 days: {}",
            if unused.is_empty() { "none".to_owned() } else { unused.join(" ") }
        );
        out
    }
}
