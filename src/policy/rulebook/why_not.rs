//! Why an agency may not see a category for a purpose: which of the three has no rule.

use crate::policy::book::{Cell, Effect, Rule, RuleBook};
use crate::policy::explain::at;
use crate::policy::scenario::known;

/// Walks the rules: which of agency, purpose and category none speaks of, alone and together, and what
/// the agency may see for the purpose.
///
/// # Errors
/// A word that no vocabulary has, with the nearest.
pub fn why_not(
    book: &RuleBook,
    agency: &str,
    purpose: &str,
    category: &str,
    role: Option<&str>,
) -> Result<String, String> {
    known("agency", agency, book.agencies.keys().map(|id| id.as_str()))?;
    known("purpose", purpose, book.purposes.keys().map(|id| id.as_str()))?;
    known("category", category, book.categories.keys().map(|id| id.as_str()))?;
    if let Some(role) = role {
        known("role", role, book.roles.keys().map(|id| id.as_str()))?;
    }
    let allows: Vec<&Rule> =
        book.rules.iter().filter(|rule| rule.effect == Effect::Allow).collect();
    let rules = |test: &dyn Fn(&Rule) -> bool| -> Vec<&str> {
        allows.iter().filter(|rule| test(rule)).map(|rule| rule.id.as_str()).collect()
    };
    let by_agency =
        |rule: &Rule| rule.agencies.has(agency) && role.is_none_or(|role| rule.roles.has(role));
    let by_purpose = |rule: &Rule| rule.purposes.has(purpose);
    let by_category = |rule: &Rule| rule.categories.has(category);
    let who = role.map_or_else(|| agency.to_owned(), |role| format!("{agency} / {role}"));
    let all = rules(&|rule| by_agency(rule) && by_purpose(rule) && by_category(rule));
    let stops: Vec<&Rule> = book
        .rules
        .iter()
        .filter(|rule| {
            rule.effect == Effect::Deny
                && rule.when.is_empty()
                && rule.only.is_empty()
                && rule.agencies.has(agency)
                && role.map_or(rule.roles == Cell::Any, |role| rule.roles.has(role))
                && by_purpose(rule)
                && by_category(rule)
        })
        .collect();
    let mut lines = Vec::new();
    for stop in &stops {
        lines.push(format!("a hard stop applies, {}: {}", at(stop), stop.because));
    }
    if all.is_empty() {
        lines.push(format!("no rule lets {who} see {category} for {purpose}:"));
        for (what, found) in [
            (format!("any rule for {who}"), rules(&by_agency)),
            (format!("any rule for {purpose}"), rules(&by_purpose)),
            (format!("any rule on {category}"), rules(&by_category)),
            (format!("{who} for {purpose}"), rules(&|r| by_agency(r) && by_purpose(r))),
            (format!("{who} on {category}"), rules(&|r| by_agency(r) && by_category(r))),
            (format!("{purpose} on {category}"), rules(&|r| by_purpose(r) && by_category(r))),
        ] {
            let found = if found.is_empty() { "none".to_owned() } else { found.join(" ") };
            lines.push(format!("  {what}: {found}"));
        }
    } else {
        lines.push(format!(
            "rules speak of it: {}. What is missing is a condition, not a rule:",
            all.join(" ")
        ));
        lines.push(
            "  ask weir policy explain with --agency, --role, --purpose, --from and --fields"
                .to_owned(),
        );
    }
    let open: Vec<&&Rule> =
        allows.iter().filter(|rule| by_agency(rule) && by_purpose(rule)).collect();
    if open.is_empty() {
        lines.push(format!("{who} may see nothing for {purpose}"));
    } else {
        lines.push(format!("{who} may see for {purpose}, by the rules alone:"));
    }
    for rule in open {
        let categories: Vec<&str> = book
            .categories
            .keys()
            .filter(|category| rule.categories.has(*category))
            .map(|category| category.as_str())
            .collect();
        let roles = match &rule.roles {
            Cell::Any => "every role".to_owned(),
            Cell::These(roles) => {
                roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
            }
        };
        lines.push(format!("  {} ({roles}): {}", rule.id, categories.join(", ")));
    }
    Ok(lines.join("\n"))
}
