//! Agreements against rules: what is agreed and opens nothing, what opens something and is not agreed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::access::Standing;
use crate::domain::{AgreementId, Code, PurposeId};
use crate::policy::book::{Agreement, Effect, Rule, RuleBook};

/// What does not fit between agreements and rules.
#[derive(Debug, Default)]
pub struct Links<'b> {
    /// Rules that rest on each agreement, by agreement; empty for one without rules.
    pub rules: BTreeMap<&'b AgreementId, Vec<&'b Rule>>,
    /// Allow rows that name no agreement.
    pub without_agreement: Vec<&'b Rule>,
    /// Purposes of an agreement for which none of its rules opens anything.
    pub idle_purposes: Vec<(&'b AgreementId, &'b PurposeId)>,
    /// Rules that open a purpose which their agreement does not name.
    pub other_purpose: Vec<(&'b Rule, &'b PurposeId)>,
    /// Agreements that stop their rules on the day, with the codes.
    pub lapsed: Vec<(&'b AgreementId, BTreeSet<Code>)>,
}

/// Compares agreements and rules on the day of `at`.
///
/// # Errors
/// When the book has an empty vocabulary.
pub fn links(book: &RuleBook, at: Timestamp) -> Result<Links<'_>, String> {
    let mut found = Links::default();
    let allows: Vec<&Rule> =
        book.rules.iter().filter(|rule| rule.effect == Effect::Allow).collect();
    found.without_agreement =
        allows.iter().copied().filter(|rule| rule.agreement.is_none()).collect();
    for (id, agreement) in &book.agreements {
        let rules: Vec<&Rule> =
            allows.iter().copied().filter(|rule| rule.agreement.as_ref() == Some(id)).collect();
        found.idle_purposes.extend(
            agreement
                .purposes
                .iter()
                .filter(|purpose| !rules.iter().any(|rule| rule.purposes.has(*purpose)))
                .map(|purpose| (id, purpose)),
        );
        for rule in &rules {
            let others = book.purposes.keys().filter(|purpose| {
                rule.purposes.has(*purpose) && !agreement.purposes.contains(*purpose)
            });
            found.other_purpose.extend(others.map(|purpose| (*rule, purpose)));
        }
        let lapsed = lapsed(book, agreement, &rules, at)?;
        if !lapsed.is_empty() {
            found.lapsed.push((id, lapsed));
        }
        found.rules.insert(id, rules);
    }
    Ok(found)
}

/// What stops every rule of the agreement on the day, seen by its first party.
fn lapsed(
    book: &RuleBook,
    agreement: &Agreement,
    rules: &[&Rule],
    at: Timestamp,
) -> Result<BTreeSet<Code>, String> {
    let (Some(party), Some(rule)) = (agreement.parties.first(), rules.first()) else {
        return Ok(BTreeSet::new());
    };
    let about = book.fields.iter().find(|(field, about)| rule.lists(field, about));
    let Some((_, about)) = about else {
        return Ok(BTreeSet::new());
    };
    let codes = Standing::new(book, party, at)?.of(rule, about);
    Ok(codes.into_iter().filter(|code| code.as_str().starts_with("AGR_")).collect())
}

impl Links<'_> {
    /// In words, a line for each finding.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        for (agreement, rules) in &self.rules {
            let ids: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
            lines.push(match ids.as_slice() {
                [] => format!("agreement {agreement}: no rule rests on it"),
                ids => format!("agreement {agreement}: rules {}", ids.join(" ")),
            });
        }
        for (agreement, purpose) in &self.idle_purposes {
            lines.push(format!(
                "agreement {agreement} names {purpose}, but no rule of it opens that"
            ));
        }
        for (rule, purpose) in &self.other_purpose {
            let at = crate::policy::explain::at(rule);
            lines.push(format!("{at} opens {purpose}, which its agreement does not name"));
        }
        for (agreement, codes) in &self.lapsed {
            let codes: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
            lines.push(format!("agreement {agreement} stops its rules: {}", codes.join(" ")));
        }
        for rule in &self.without_agreement {
            let at = crate::policy::explain::at(rule);
            lines.push(format!("{at} rests on no agreement: {}", rule.because));
        }
        lines.join("\n")
    }
}
