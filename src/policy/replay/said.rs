//! What a replay found, in words and for machines: for the command and for the call alike.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Report;
use crate::domain::{FieldId, RuleId};

/// What a replay cannot show.
const NOT_SHOWN: &str = "Not shown: questions that nobody asked, facts that were not known then, what people would have done after another \
     answer, and overrides or approvals that another rule would have asked for. weir policy diff says \
     what is possible; this says what happened.";

impl Report {
    /// In words, a line each.
    #[must_use]
    pub fn text(&self) -> String {
        text(self)
    }

    /// As one JSON object.
    #[must_use]
    pub fn json(&self) -> String {
        json(self)
    }
}

fn text(report: &Report) -> String {
    let mut out = String::new();
    // Into memory, here and below.
    let _ = writeln!(
        out,
        "{} decisions decided again: {} come out as they were, {} flip; {} residents are concerned.",
        report.replayed,
        report.alike,
        report.flipped(),
        report.residents()
    );
    for (flip, (count, ids)) in &report.flips {
        let ids: Vec<String> = ids.iter().map(|id| format!("disclosures/{id}")).collect();
        let _ = writeln!(
            out,
            "{} -> {}  {} / {}: {count}, such as {}",
            flip.was,
            flip.would_be,
            flip.agency,
            flip.purpose,
            ids.join(" ")
        );
    }
    for ((field, rule), count) in &report.widened {
        let _ = writeln!(out, "WIDENS   {field} by {rule}: {count}");
    }
    for ((field, rule), count) in &report.narrowed {
        let _ = writeln!(out, "NARROWS  {field}, by {rule} until now: {count}");
    }
    for ((field, was, is), count) in &report.by_another_rule {
        let _ = writeln!(out, "{field} by {is} and no longer {was}: {count}");
    }
    let _ = writeln!(
        out,
        "{} decisions bring other duties, {} come out alike for other codes, {} end at another time.",
        report.other_duties, report.other_codes, report.other_ends
    );
    if report.without_facts > 0 {
        let _ = writeln!(
            out,
            "{} decisions could not be decided again: what they rested on is not kept (any more).",
            report.without_facts
        );
    }
    out.push_str(NOT_SHOWN);
    out
}

fn json(report: &Report) -> String {
    let flips: Vec<_> = report
        .flips
        .iter()
        .map(|(flip, (count, ids))| {
            let samples: Vec<String> = ids.iter().map(|id| format!("disclosures/{id}")).collect();
            serde_json::json!({
                "agency": flip.agency, "purpose": flip.purpose, "was": flip.was,
                "would_be": flip.would_be, "count": count, "samples": samples,
            })
        })
        .collect();
    let fields = |all: &BTreeMap<_, u64>| -> Vec<_> {
        all.iter()
            .map(|((field, rule), count): (&(FieldId, RuleId), _)| {
                serde_json::json!({ "field": field, "rule": rule, "count": count })
            })
            .collect()
    };
    serde_json::json!({
        "replayed": report.replayed, "alike": report.alike, "flipped": report.flipped(),
        "residents": report.residents(), "flips": flips, "widened": fields(&report.widened),
        "narrowed": fields(&report.narrowed), "other_duties": report.other_duties,
        "other_codes": report.other_codes, "other_ends": report.other_ends,
        "without_facts": report.without_facts, "not_shown": NOT_SHOWN,
    })
    .to_string()
}
