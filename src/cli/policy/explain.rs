//! `weir policy explain`: the whole decision of one case, as a data protection officer sees it, and what
//! the requester is told.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{Outcome, cases, findings, open};
use crate::domain::{Code, FieldId};
use crate::policy::book::Effect;
use crate::policy::scenario::Case;
use crate::policy::{Decision, FieldOutcome, PolicySnapshot};

/// What to explain.
#[derive(clap::Args)]
#[command(
    after_help = "Example: weir policy explain policies policies/scenarios/consent.toml consent-01"
)]
pub struct Wish {
    /// The policy folder.
    dir: PathBuf,
    /// A scenario file.
    file: PathBuf,
    /// The id of the case; `id#2` for its second step.
    id: String,
}

/// Explains the case.
pub(super) fn run(wish: &Wish) -> Outcome {
    let (dir, file, id) = (wish.dir.as_path(), wish.file.as_path(), wish.id.as_str());
    let policy = match open(dir) {
        Ok(policy) => policy,
        Err(lines) => return findings(dir, &lines),
    };
    let cases = match cases(file, &policy) {
        Ok(cases) => cases,
        Err(problems) => {
            return Outcome { text: problems.join("\n"), exit: 2 };
        }
    };
    let named: Vec<&Case> =
        cases.iter().filter(|c| c.id == id || c.id.split('#').next() == Some(id)).collect();
    if named.is_empty() {
        let ids: Vec<&str> = cases.iter().map(|c| c.id.as_str()).collect();
        let nearest = ids
            .iter()
            .max_by(|a, b| strsim::jaro_winkler(a, id).total_cmp(&strsim::jaro_winkler(b, id)));
        let text = format!(
            "{}: no case \"{id}\". Nearest: \"{}\".",
            file.display(),
            nearest.copied().unwrap_or_default()
        );
        return Outcome { text, exit: 2 };
    }
    let text: Vec<String> = named.iter().map(|case| explained(&policy, case)).collect();
    Outcome { text: text.join("\n\n"), exit: 0 }
}

fn explained(policy: &PolicySnapshot, case: &Case) -> String {
    let decision = policy.decide(&case.ask, &case.facts, case.at);
    let view = policy.view(&decision, |_| true);
    let who = &case.facts.requester;
    let mut lines = vec![
        format!("{}  {} (policy {})", case.id, case.title, short_hash(policy)),
        format!(
            "{}  {} / {} / {} asks {} at {}",
            decision.outcome,
            who.agency,
            who.role,
            case.ask.purpose,
            case.ask.from,
            case.at.to_zoned(policy.book().place.zone.clone())
        ),
    ];
    if let Some(fault) = &decision.fault {
        lines.push(format!("  the engine failed: {fault}"));
    }
    for (field, outcome) in &decision.fields {
        lines.push(field_line(field, outcome));
        lines.extend(tried(policy, &decision, field));
    }
    if !decision.duties.is_empty() {
        let duties: Vec<&str> = decision.duties.iter().map(|d| d.as_str()).collect();
        lines.push(format!("  duties: {}", duties.join(" ")));
    }
    for code in &decision.codes {
        if let Some(missing) = policy.missing(*code) {
            lines
                .push(format!("  {code}: {}. {}: {}", missing.meaning, missing.fixer, missing.fix));
        }
    }
    if decision.duty_alarm {
        lines.push("  DUTY ALARM: the law commands what is refused".to_owned());
    }
    let told = policy.explain(&case.ask, &case.facts, &view);
    let codes: Vec<&str> = view.codes.iter().map(|c| c.as_str()).collect();
    lines.push(format!("  the requester is told: {} [{}]", view.outcome, codes.join(" ")));
    lines.push(format!("    {}", told.text));
    lines.join("\n")
}

fn field_line(field: &FieldId, outcome: &FieldOutcome) -> String {
    match outcome {
        FieldOutcome::Released(path) => {
            let agreement = path.agreement.as_ref().map_or("none", |a| a.as_str());
            format!(
                "  + {field}: {} ({}), {}, {}, agreement {agreement}: {}",
                path.rule, path.place, path.gateway, path.art6, path.because
            )
        }
        FieldOutcome::Withheld(codes) => {
            let codes: Vec<&str> = codes.iter().map(|c: &Code| c.as_str()).collect();
            format!("  - {field}: {}", codes.join(" "))
        }
    }
}

/// Every rule that was tried for a field, with what it falls short of, nearest first; and the hard
/// stops that apply.
fn tried(policy: &PolicySnapshot, decision: &Decision, field: &FieldId) -> Vec<String> {
    let words = |codes: &BTreeSet<Code>| -> String {
        codes.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(" ")
    };
    let mut lines = Vec::new();
    let codes = decision.fields.iter().find_map(|(f, outcome)| match outcome {
        FieldOutcome::Withheld(codes) if f == field => Some(codes),
        FieldOutcome::Withheld(_) | FieldOutcome::Released(_) => None,
    });
    let stops = policy.book().rules.iter().filter(|rule| rule.effect == Effect::Deny);
    let about = policy.book().fields.get(field);
    for rule in stops {
        let applies = rule.code.is_some_and(|code| codes.is_some_and(|all| all.contains(&code)))
            && about.is_none_or(|about| rule.lists(field, about));
        if applies && let Some(code) = rule.code {
            lines.push(format!("      stop {} ({}:{}): {code}", rule.id, rule.file, rule.line));
        }
    }
    let mut short: Vec<_> = decision
        .shortfalls
        .iter()
        .filter(|(f, _)| f == field)
        .flat_map(|(_, shortfalls)| shortfalls)
        .collect();
    short.sort_by_key(|s| s.terms.len());
    for one in short {
        let terms: Vec<String> =
            one.terms.iter().map(|(term, codes)| format!("{term} ({})", words(codes))).collect();
        let why = if terms.is_empty() { "a hard stop".to_owned() } else { terms.join(", ") };
        lines.push(format!("      tried {} ({}), short of: {why}", one.rule, one.place));
        if decision.codes.iter().any(|code| code.as_str().starts_with("OVR_")) {
            lines.push(format!("        left with the override: {}", words(&one.left)));
        }
    }
    lines
}

fn short_hash(policy: &PolicySnapshot) -> String {
    let mut text = hex::encode(policy.book().hash);
    text.truncate(12);
    text
}
