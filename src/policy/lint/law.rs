//! What the law asks of a row: agreement, basis, conditions, the right kind of consent.

use super::{Found, View, listed};
use crate::domain::ConsentKind;
use crate::policy::book::{Cell, Effect, Field, GatewayKind, Ground, Rule, RuleBook};
use crate::policy::boxes::{Region, TooManyBoxes};

pub(super) const CODES: &[&str] = &["E20", "E22", "W23", "E24", "E25"];

/// The basis "consent" and the condition "explicit consent".
const CONSENT: &str = "6-1-a";
const EXPLICIT_CONSENT: &str = "9-2-a";
/// The group of purposes in which a patient expects sharing.
const CARE_GROUP: &str = "care";

pub(super) fn check(view: &View<'_>, found: &mut Found) -> Result<(), TooManyBoxes> {
    let book = view.book;
    for rule in allows(book) {
        paper(book, rule, found);
        consent_kind(book, rule, found);
        consent_basis(view, rule, found);
    }
    Ok(())
}

pub(super) fn allows(book: &RuleBook) -> impl Iterator<Item = &Rule> {
    book.rules.iter().filter(|rule| rule.effect == Effect::Allow)
}

pub(super) fn bad(found: &mut Found, code: &'static str, rule: &Rule, cell: String, says: &str) {
    let message = format!("({}) {says}", rule.id);
    found.add(code, (&rule.file, rule.line), rule.id.as_str(), cell, message);
}

fn lists(book: &RuleBook, rule: &Rule, wanted: impl Fn(&Field) -> bool) -> Option<String> {
    book.fields
        .iter()
        .find(|(field, about)| wanted(about) && rule.lists(field, about))
        .map(|(field, _)| field.to_string())
}

fn paper(book: &RuleBook, rule: &Rule, found: &mut Found) {
    let gateway = rule.gateway.as_ref().and_then(|id| book.gateways.get(id));
    let compelled = gateway.is_some_and(|gateway| gateway.kind == GatewayKind::Duty)
        || matches!(
            rule.ground,
            Some(Ground::Override | Ground::Holder | Ground::Order | Ground::Statute)
        );
    if rule.agreement.is_none() && !compelled {
        bad(
            found,
            "E20",
            rule,
            "agreement: -".to_owned(),
            "has no agreement, and neither a duty, an order, an override nor the holder's judgement \
             carries it. Name the agreement in the column agreement.",
        );
    }
    if let Some(art6) = &rule.art6
        && book.bases.get(art6).is_some_and(|basis| !basis.open_to_others)
    {
        for (id, _) in book
            .agencies
            .iter()
            .filter(|(id, about)| rule.agencies.has(*id) && !about.public_authority)
        {
            let says = format!(
                "basis {art6} is for public authorities in their own tasks, and {id} is none. Name \
                 the basis that {id} has, or note its task as an exception in lints.toml."
            );
            bad(found, "E22", rule, format!("art6: {art6}"), &says);
        }
    }
    let documented: Vec<&str> = rule
        .art9
        .iter()
        .filter(|condition| book.figures.apd_conditions.contains(*condition))
        .map(|condition| condition.as_str())
        .collect();
    if !documented.is_empty()
        && rule.art10.is_empty()
        && let Some(field) = lists(book, rule, |about| about.special)
    {
        let says = format!(
            "rests on {} for {field}, which needs a paragraph of DPA 2018 Sch 1; none is named. Write \
             the paragraph in the column art10.",
            documented.join("|")
        );
        bad(found, "W23", rule, "art10: -".to_owned(), &says);
    }
}

/// A consent does what its kind can do, and nothing else.
fn consent_kind(book: &RuleBook, rule: &Rule, found: &mut Found) {
    let art6 = rule.art6.as_ref().is_some_and(|basis| basis.as_str() == CONSENT);
    let art9 = rule.art9.iter().any(|basis| basis.as_str() == EXPLICIT_CONSENT);
    let kind = match rule.ground {
        Some(Ground::Consent(kind)) => Some(kind),
        _ => None,
    };
    let gdpr = matches!(kind, Some(ConsentKind::GdprArt6a | ConsentKind::GdprArt9Explicit));
    let cell = format!("ground: {}", rule.ground.map_or_else(|| "-".to_owned(), Ground::word));
    let mut wrong = |says: &str| bad(found, "E24", rule, cell.clone(), says);
    if art6 && !gdpr {
        wrong(
            "has the basis consent (6-1-a) and rests on another kind of yes. The ground must be \
             consent:gdpr_art6a or consent:gdpr_art9_explicit.",
        );
    }
    if art9 && kind != Some(ConsentKind::GdprArt9Explicit) {
        wrong(
            "has the condition explicit consent (9-2-a) and rests on another kind of yes. The ground \
             must be consent:gdpr_art9_explicit.",
        );
    }
    if gdpr && !art6 {
        wrong(
            "rests on a UK GDPR consent and has another basis. Name 6-1-a, or ask for the agreement \
             that lifts confidence.",
        );
    }
    let confidential = || lists(book, rule, |about| about.cpi);
    if kind == Some(ConsentKind::Participation)
        && let Some(field) = confidential()
    {
        wrong(&format!(
            "releases {field}, confidential patient information, on participation: agreement to a \
             visit or a service lifts no confidence. Ask for consent:confidentiality_explicit."
        ));
    }
    if kind == Some(ConsentKind::GdprArt6a)
        && let Some(field) = lists(book, rule, |about| about.special || about.cpi)
    {
        wrong(&format!(
            "releases {field} on an ordinary consent. Special data need \
             consent:gdpr_art9_explicit."
        ));
    }
    let outside = book
        .purposes
        .iter()
        .find(|(id, about)| rule.purposes.has(*id) && about.group != CARE_GROUP);
    if kind == Some(ConsentKind::ConfidentialityImplied)
        && let Some((purpose, _)) = outside
    {
        wrong(&format!(
            "rests on implied consent for {purpose}: patients expect that in their own care only. Ask \
             for consent:confidentiality_explicit."
        ));
    }
    if kind.is_none()
        && rule.ground == Some(Ground::Care)
        && let Some((purpose, _)) = outside
        && confidential().is_some()
    {
        wrong(&format!("rests on direct care for {purpose}, which is none. Name another ground."));
    }
}

/// Consent is no basis where a no changes nothing.
fn consent_basis(view: &View<'_>, rule: &Rule, found: &mut Found) {
    let book = view.book;
    if rule.art6.as_ref().is_none_or(|basis| basis.as_str() != CONSENT) {
        return;
    }
    let mut wrong = |says: &str| bad(found, "E25", rule, format!("art6: {CONSENT}"), says);
    let gateway = rule.gateway.as_ref().and_then(|id| book.gateways.get(id));
    let public =
        book.agencies.iter().any(|(id, about)| rule.agencies.has(id) && about.public_authority);
    // A duty binds authorities; a charity that takes part in it may well ask.
    if public && gateway.is_some_and(|gateway| gateway.kind == GatewayKind::Duty) {
        wrong(
            "has the basis consent for a public authority under a duty: a withdrawal could not stop it. \
             Name 6-1-c, the legal obligation.",
        );
    }
    if rule.overrides != Cell::These(std::collections::BTreeSet::new()) {
        let cell = match &rule.overrides {
            Cell::Any => "*".to_owned(),
            Cell::These(words) => listed(words),
        };
        wrong(&format!(
            "has the basis consent and runs without it under {cell}. Take the override out, or name \
             the basis on which it runs then."
        ));
    }
    let words = words_of(view, rule);
    for other in allows(book).filter(|other| other.art6 != rule.art6) {
        if words.meets(&words_of(view, other)) {
            wrong(&format!(
                "has the basis consent, and {} ({} line {}) opens the same without it: the resident's \
                 no would change nothing. Keep one of the two.",
                other.id, other.file, other.line
            ));
        }
    }
}

/// What a row opens, by its words only: whatever states and bases.
fn words_of(view: &View<'_>, rule: &Rule) -> Region {
    let words = Rule {
        gateway: None,
        art6: None,
        ground: None,
        agreement: None,
        choices: Default::default(),
        overrides: Cell::Any,
        ..rule.clone()
    };
    view.space.rule(view.book, &words)
}
