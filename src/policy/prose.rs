//! An agreement as it reads on paper: parties, why, power, basis, what, who, unless, until, duties. A
//! reading view of the live files; never a second source.

use std::collections::BTreeSet;

use crate::domain::AgreementId;
use crate::policy::book::{Agreement, Cell, ChoiceForce, Effect, Rule, RuleBook, When};
use crate::policy::explain::{at, plain};

/// The agreement in prose.
#[must_use]
pub fn agreement(book: &RuleBook, id: &AgreementId, agreement: &Agreement) -> String {
    let rules: Vec<&Rule> = book
        .rules
        .iter()
        .filter(|rule| rule.effect == Effect::Allow && rule.agreement.as_ref() == Some(id))
        .collect();
    let mut out = format!("{} ({id})\n", agreement.title);
    part(
        &mut out,
        "Parties",
        agreement.parties.iter().map(|id| {
            book.agencies.get(id).map_or_else(|| id.to_string(), |about| about.name.clone())
        }),
    );
    part(
        &mut out,
        "Why",
        agreement.purposes.iter().map(|id| {
            let meaning = book.purposes.get(id).map_or("", |about| about.meaning.as_str());
            format!("{meaning} ({id})")
        }),
    );
    let until = [
        format!("from {} to {}, both days included", agreement.start, agreement.end),
        format!(
            "review due {}; sharing goes on for {} days after it",
            agreement.review_due, agreement.grace_days
        ),
        format!("status: {}", agreement.status),
        format!("impact assessment: {}", agreement.dpia.as_deref().unwrap_or("none")),
    ];
    part(&mut out, "Until", until);
    part(&mut out, "Owner", [agreement.owner.clone()]);
    if rules.is_empty() {
        out.push_str("\nNo rule rests on this agreement: it opens nothing.\n");
    }
    for rule in &rules {
        out.push_str(&format!("\n{}: {}\n", at(rule), rule.because));
        for (head, lines) in clauses(book, rule) {
            part(&mut out, head, lines);
        }
    }
    part(&mut out, "Unless (hard stops; nothing lifts them)", stops(book, &rules));
    out
}

fn part(out: &mut String, head: &str, lines: impl IntoIterator<Item = String>) {
    let mut lines = lines.into_iter().peekable();
    if lines.peek().is_none() {
        return;
    }
    out.push_str(&format!("  {head}:\n"));
    for line in lines {
        out.push_str(&format!("    - {line}\n"));
    }
}

/// What a rule says, clause by clause.
#[must_use]
pub fn clauses(book: &RuleBook, rule: &Rule) -> Vec<(&'static str, Vec<String>)> {
    let who = book.agencies.iter().filter(|(id, _)| rule.agencies.has(*id));
    let who = who.map(|(_, about)| about.name.clone()).collect();
    let roles = book.roles.iter().filter(|(id, _)| rule.roles.has(*id));
    let roles = roles.map(|(_, meaning)| meaning.clone()).collect();
    let purposes = book.purposes.iter().filter(|(id, _)| rule.purposes.has(*id));
    let purposes = purposes.map(|(_, about)| about.meaning.clone()).collect();
    let fields = book.fields.iter().filter(|(field, about)| rule.lists(field, about));
    let what = if rule.categories == Cell::Any && rule.only.is_empty() {
        vec!["everything, as ordered".to_owned()]
    } else {
        fields.map(|(field, _)| plain(field)).collect()
    };
    let basis = |id: &crate::domain::BasisId| {
        format!("{id}: {}", book.bases.get(id).map_or("", |about| about.meaning.as_str()))
    };
    let bases = rule.art6.iter().chain(&rule.art9).chain(&rule.art10).map(basis).collect();
    let power = rule.gateway.iter().map(|id| match book.gateways.get(id) {
        Some(gateway) => {
            let from = gateway.in_force_from.map_or_else(
                || "; no day of coming into force is appointed".to_owned(),
                |day| format!("; in force from {day}"),
            );
            format!("{} {} ({id}){from}", gateway.statute, gateway.section)
        }
        None => id.to_string(),
    });
    let mut only_if: Vec<String> = rule.when.iter().map(condition).collect();
    only_if.extend(rule.ground.map(|ground| format!("ground: {}", ground.word())));
    let mut unless: Vec<String> = Vec::new();
    let mut labelled = false;
    for choice in &rule.choices {
        match choice {
            ChoiceForce::Stops(kind) => unless.push(format!("the resident's choice: {kind}")),
            ChoiceForce::Label => labelled = true,
        }
    }
    if labelled {
        only_if.push("disputed data are labelled as disputed".to_owned());
    }
    let duties = rule.duties.iter().map(|duty| {
        book.duties.get(duty).map_or_else(|| duty.to_string(), |about| about.meaning.clone())
    });
    vec![
        ("Who", who),
        ("In which roles", roles),
        ("For what", purposes),
        ("What", what),
        ("Power", power.collect()),
        ("Basis", bases),
        ("Only if", only_if),
        ("Unless", unless),
        ("Duties", duties.collect()),
    ]
}

fn condition(when: &When) -> String {
    match when {
        When::Child => "the resident is a child".to_owned(),
        When::Parent => "the resident is a parent in the case".to_owned(),
        When::Factors => "enough factors of disadvantage are counted".to_owned(),
        When::Notice => "a notice was given".to_owned(),
        When::Flag(flag) => format!("the record carries the flag {flag}"),
    }
}

/// The hard stops that can meet a rule of the agreement.
fn stops(book: &RuleBook, rules: &[&Rule]) -> Vec<String> {
    let mut said = BTreeSet::new();
    let denies = book.rules.iter().filter(|rule| rule.effect == Effect::Deny);
    let touches = |deny: &&Rule| {
        rules.iter().any(|rule| {
            book.agencies.keys().any(|id| deny.agencies.has(id) && rule.agencies.has(id))
                && book.roles.keys().any(|id| deny.roles.has(id) && rule.roles.has(id))
                && book.purposes.keys().any(|id| deny.purposes.has(id) && rule.purposes.has(id))
                && book
                    .fields
                    .iter()
                    .any(|(field, about)| deny.lists(field, about) && rule.lists(field, about))
        })
    };
    denies
        .filter(touches)
        .map(|deny| format!("{} ({})", deny.because, deny.id))
        .filter(|line| said.insert(line.clone()))
        .collect()
}
