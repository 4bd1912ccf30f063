//! What stands in two places says the same: neither can be lost, or misspelt, alone.

use std::collections::BTreeSet;

use super::read::{Texts, line_of};
use super::{Finding, Findings, nearest};
use crate::domain::{CategoryId, Code, PurposeId};
use crate::policy::book::{Cell, Effect, Rule, RuleBook, When};

const FILE: &str = "words/categories.csv";

pub(super) fn check(texts: &Texts, book: &RuleBook, findings: &mut Findings) {
    nations(texts, book, findings);
    flags(texts, book, findings);
    never_for(texts, book, findings);
}

/// A nation is one that an agency is of and that a gateway runs in.
fn nations(texts: &Texts, book: &RuleBook, findings: &mut Findings) {
    let agencies: BTreeSet<&str> = book.agencies.values().map(|a| a.nation.as_str()).collect();
    let gateways: BTreeSet<&str> =
        book.gateways.values().flat_map(|g| g.nations.iter().map(String::as_str)).collect();
    let mut lone = |file: &str, of: &BTreeSet<&str>, by: &BTreeSet<&str>, what: &str| {
        for nation in of.difference(by) {
            findings.push(Finding {
                found: Some((*nation).to_owned()),
                code: "E47",
                file: file.to_owned(),
                line: line_of(texts, file, nation),
                message: format!("the nation \"{nation}\" is that of no {what}."),
                nearest: nearest(nation, by.iter().copied()),
            });
        }
    };
    lone("words/agencies.csv", &agencies, &gateways, "gateway");
    lone("words/gateways.csv", &gateways, &agencies, "agency");
}

/// A flag that closes something has the row that closes it, for everybody and every purpose.
fn flags(texts: &Texts, book: &RuleBook, findings: &mut Findings) {
    let file = "words/flags.csv";
    for (flag, about) in &book.flags {
        let Some(code) = about.code else { continue };
        let stopped = book.rules.iter().any(|rule| {
            rule.effect == Effect::Deny
                && rule.code == Some(code)
                && rule.agencies == Cell::Any
                && rule.roles == Cell::Any
                && rule.purposes == Cell::Any
                && rule.categories == Cell::Any
                && rule.when.len() == 1
                && rule.when.iter().all(|when| *when == When::Flag(flag.clone()))
        });
        if !stopped {
            let message = format!(
                "{flag} closes with {code}, but no deny row for everybody has \"flag:{flag}\" in when. \
                 Put it back into rules/00-never.csv."
            );
            findings.add("E47", file, line_of(texts, file, flag.as_str()), message);
        }
    }
}

/// `never_for` in the words, and the deny rows that keep it.
fn never_for(texts: &Texts, book: &RuleBook, findings: &mut Findings) {
    let stops: Vec<&Rule> = book.rules.iter().filter(|rule| is_hard_stop(rule)).collect();
    for (category, about) in &book.categories {
        for purpose in &about.never_for {
            if !stops.iter().any(|rule| stops_here(rule, category, purpose)) {
                let message = format!(
                    "{category} is never for {purpose}, but no deny row with the code \
                     PUR_INCOMPATIBLE stops it. Add one to rules/00-never.csv."
                );
                findings.add("E47", FILE, line_of(texts, FILE, category.as_str()), message);
            }
        }
    }
    for rule in stops {
        for (category, about) in &book.categories {
            for purpose in book.purposes.keys() {
                if stops_here(rule, category, purpose) && !about.never_for.contains(purpose) {
                    let message = format!(
                        "({}) stops {category} for {purpose}, but never_for in {FILE} does not say \
                         so. Add the purpose there.",
                        rule.id
                    );
                    findings.add("E47", &rule.file, rule.line, message);
                }
            }
        }
    }
}

/// A row that stops everybody, whatever else holds.
fn is_hard_stop(rule: &Rule) -> bool {
    rule.effect == Effect::Deny
        && rule.code == Some(Code::PurIncompatible)
        && rule.agencies == Cell::Any
        && rule.roles == Cell::Any
        && rule.only.is_empty()
        && rule.when.is_empty()
}

fn stops_here(rule: &Rule, category: &CategoryId, purpose: &PurposeId) -> bool {
    rule.categories.has(category) && rule.purposes.has(purpose)
}
