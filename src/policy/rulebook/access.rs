//! Who may see what for what, by the rules: one row for each rule, recipient, purpose and category.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::{AgencyId, CategoryId, Code, FieldId, PurposeId};
use crate::policy::book::{Cell, Effect, Field, Rule, RuleBook};
use crate::policy::gates::Question;
use crate::policy::scenario::Request;

/// Which rows are wanted; unset: all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this recipient.
    pub agency: Option<String>,
    /// Of this category.
    pub category: Option<String>,
    /// With this field.
    pub field: Option<String>,
    /// For this purpose.
    pub purpose: Option<String>,
}

/// What one rule lets one agency see of one category for one purpose.
#[derive(Debug)]
pub struct Seen<'b> {
    /// The rule.
    pub rule: &'b Rule,
    /// The recipient.
    pub agency: &'b AgencyId,
    /// The purpose.
    pub purpose: &'b PurposeId,
    /// The category.
    pub category: &'b CategoryId,
    /// Its fields, without those that a hard stop closes to everybody; never empty.
    pub fields: Vec<&'b FieldId>,
    /// What stands in the way on the day, whoever is asked about: the agreement or the gateway. Empty:
    /// nothing.
    pub lapsed: BTreeSet<Code>,
}

impl Seen<'_> {
    /// The roles, as the rule lists them.
    #[must_use]
    pub fn roles(&self) -> Vec<&str> {
        match &self.rule.roles {
            Cell::Any => vec!["*"],
            Cell::These(roles) => roles.iter().map(|role| role.as_str()).collect(),
        }
    }
}

/// The rows of the book on the day of `at`, in order of rule, recipient, purpose and category.
///
/// # Errors
/// When the book has no agency, role, purpose or category at all.
pub fn seen<'b>(
    book: &'b RuleBook,
    filter: &Filter,
    at: Timestamp,
) -> Result<Vec<Seen<'b>>, String> {
    let mut out = Vec::new();
    let wanted = |wish: &Option<String>, word: &str| wish.as_ref().is_none_or(|w| w == word);
    for rule in book.rules.iter().filter(|rule| rule.effect == Effect::Allow) {
        let agencies = book.agencies.keys().filter(|agency| rule.agencies.has(*agency));
        for agency in agencies.filter(|agency| wanted(&filter.agency, agency.as_str())) {
            let lapsed = Standing::new(book, agency, at)?;
            let purposes = book.purposes.keys().filter(|purpose| rule.purposes.has(*purpose));
            for purpose in purposes.filter(|purpose| wanted(&filter.purpose, purpose.as_str())) {
                for (category, about) in &book.categories {
                    if !rule.categories.has(category)
                        || !wanted(&filter.category, category.as_str())
                    {
                        continue;
                    }
                    let fields: Vec<(&FieldId, &Field)> = about
                        .fields
                        .iter()
                        .filter_map(|field| Some((field, book.fields.get(field)?)))
                        .filter(|(field, about)| rule.lists(field, about))
                        .filter(|(field, about)| {
                            !stopped(book, rule, agency, purpose, field, about)
                        })
                        .collect();
                    let named =
                        fields.iter().any(|(field, _)| wanted(&filter.field, field.as_str()));
                    let Some((_, first)) = fields.first().filter(|_| named) else {
                        continue;
                    };
                    out.push(Seen {
                        rule,
                        agency,
                        purpose,
                        category,
                        lapsed: lapsed.of(rule, first),
                        fields: fields.iter().map(|(field, _)| *field).collect(),
                    });
                }
            }
        }
    }
    Ok(out)
}

/// True when a hard stop that asks for no circumstance closes the field to every role of the rule.
pub(super) fn stopped(
    book: &RuleBook,
    rule: &Rule,
    agency: &AgencyId,
    purpose: &PurposeId,
    field: &FieldId,
    about: &Field,
) -> bool {
    book.rules.iter().any(|deny| {
        let every_role = match (&deny.roles, &rule.roles) {
            (Cell::Any, _) => true,
            (Cell::These(_), Cell::Any) => false,
            (Cell::These(stopped), Cell::These(roles)) => roles.is_subset(stopped),
        };
        deny.effect == Effect::Deny
            && deny.when.is_empty()
            && every_role
            && deny.agencies.has(agency)
            && deny.purposes.has(purpose)
            && deny.lists(field, about)
    })
}

/// The gates of agreement and gateway on a day, of an agency with itself: what a decision would find
/// whoever else is asked.
pub(super) struct Standing<'b> {
    book: &'b RuleBook,
    case: crate::policy::scenario::Case,
}

impl<'b> Standing<'b> {
    pub(super) fn new(
        book: &'b RuleBook,
        agency: &AgencyId,
        at: Timestamp,
    ) -> Result<Self, String> {
        let first = |word: Option<&str>| {
            word.map(str::to_owned)
                .ok_or_else(|| "the rule book has an empty vocabulary".to_owned())
        };
        let request = Request {
            agency: agency.to_string(),
            role: first(book.roles.keys().next().map(|role| role.as_str()))?,
            purpose: first(book.purposes.keys().next().map(|purpose| purpose.as_str()))?,
            from: agency.to_string(),
            fields: vec![first(book.fields.keys().next().map(|field| field.as_str()))?],
            ..Request::default()
        };
        let mut case = request.case(book, at)?;
        if let Some(about) = book.agencies.get(agency) {
            case.facts.resident.nation.clone_from(&about.nation);
        }
        // Whether an arrangement is in the public register is a fact of the hub, not of the book.
        case.facts.registered = book.gateways.keys().cloned().collect();
        Ok(Self { book, case })
    }

    pub(super) fn of(&self, rule: &Rule, about: &Field) -> BTreeSet<Code> {
        let q = Question::new(self.book, &self.case.ask, &self.case.facts, self.case.at);
        let mut codes = BTreeSet::new();
        if let Some(id) = &rule.agreement {
            codes.extend(q.agreement(id, about).codes);
        }
        if let Some(id) = &rule.gateway {
            codes.extend(q.gateway(id, about));
        }
        // It hangs on the agency that is asked, which is another one.
        codes.remove(&Code::LawGatewayExcludesBody);
        codes
    }
}
