//! What a snapshot must show before it goes live: every section is evaluated once, every deny row
//! bites in every section that has it, and every allow row allows in its own section.

use super::EngineError;
use super::book::{Cell, Effect, Ground, Only, Rule, RuleBook, When};
use super::engine::{Engine, Request};

/// Proves the engine against each row of the book.
///
/// # Errors
/// When casbin does not do with a section what its rows say.
pub(super) fn check(engine: &Engine, book: &RuleBook) -> Result<(), EngineError> {
    for section in engine.sections() {
        for row in &section.rows {
            let Some(rule) = book.rules.get(*row) else {
                return Err(EngineError("a section names a row that is not there".to_owned()));
            };
            let Some(request) = inside(rule, book) else {
                continue;
            };
            let verdict = engine.decide(section, &request)?;
            if !verdict.hits.contains(row) {
                return Err(EngineError(format!("row {} does not match its own words", rule.id)));
            }
            if rule.effect == Effect::Deny && verdict.yes {
                return Err(EngineError(format!("deny row {} is not honoured", rule.id)));
            }
            let overridden = Request { override_kind: "ANY".into(), ..request.clone() };
            if rule.effect == Effect::Deny
                && !engine.decide(section, &overridden)?.hits.contains(row)
            {
                return Err(EngineError(format!("deny row {} gives way to an override", rule.id)));
            }
            let stopped = Request { stops: "X".into(), ..request };
            if engine.decide(section, &stopped)?.yes {
                return Err(EngineError(format!("row {} allows what is stopped", rule.id)));
            }
        }
    }
    Ok(())
}

/// A request that the row speaks of and, if it allows, allows.
fn inside(rule: &Rule, book: &RuleBook) -> Option<Request> {
    let field = book.fields.iter().find(|(id, about)| rule.lists(id, about))?;
    let mut letters: Vec<String> =
        "scpltx".chars().filter(|letter| field.1.has_letter(*letter)).map(String::from).collect();
    letters.extend(field.1.bar.as_ref().map(|flag| format!("bar:{flag}")));
    letters.extend(rule.only.iter().filter_map(|only| match only {
        Only::Letter(letter) => Some(letter.to_string()),
        Only::Bar(flag) => Some(format!("bar:{flag}")),
        Only::Field(_) => None,
    }));
    let meets: Vec<String> = rule
        .when
        .iter()
        .map(|when| match when {
            When::Child => "child".to_owned(),
            When::Parent => "parent".to_owned(),
            When::Factors => "factors".to_owned(),
            When::Notice => "notice".to_owned(),
            When::Flag(flag) => format!("flag:{flag}"),
        })
        .collect();
    let first = |cell: Option<&str>, any: &str| cell.unwrap_or(any).to_owned();
    let word = |words: String| {
        if words.is_empty() { "-".to_owned() } else { words }
    };
    Some(Request {
        agency: first(one(&rule.agencies), "any-agency").into(),
        role: first(one(&rule.roles), "any-role").into(),
        purpose: first(one(&rule.purposes), "any-purpose").into(),
        category: field.1.category.as_str().into(),
        field: field.0.as_str().into(),
        letters: word(letters.join("|")).into(),
        meets: word(meets.join("|")).into(),
        dead: "-".into(),
        bulk: "-".into(),
        stops: "-".into(),
        gateways: first(rule.gateway.as_ref().map(|g| g.as_str()), "-").into(),
        basis: first(rule.art6.as_ref().map(|b| b.as_str()), "-").into(),
        apd9: "-".into(),
        apd10: "-".into(),
        grounds: word(rule.ground.map(Ground::word).unwrap_or_default()).into(),
        agreements: first(rule.agreement.as_ref().map(|a| a.as_str()), "-").into(),
        choices: "-".into(),
        override_kind: "-".into(),
    })
}

fn one<T: Ord + std::borrow::Borrow<str>>(cell: &Cell<T>) -> Option<&str> {
    match cell {
        Cell::Any => None,
        Cell::These(words) => words.first().map(std::borrow::Borrow::borrow),
    }
}
