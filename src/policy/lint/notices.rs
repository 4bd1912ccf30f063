//! Where a rule relies on a yes, somebody must be able to say it: to a wording that the policy has.

use super::law::{allows, bad};
use super::{Found, View};
use crate::domain::ConsentKind;
use crate::policy::book::{Ground, NoticeVersion, Party};
use crate::policy::boxes::TooManyBoxes;

pub(super) const CODES: &[&str] = &["W24", "W25", "I26"];

pub(super) fn check(view: &View<'_>, found: &mut Found) -> Result<(), TooManyBoxes> {
    asked_for(view, found);
    named(view, found);
    Ok(())
}

fn asked_for(view: &View<'_>, found: &mut Found) {
    let book = view.book;
    for rule in allows(book) {
        let Some(Ground::Consent(kind)) = rule.ground else { continue };
        // Expected in one's own care: nobody is asked.
        if kind == ConsentKind::ConfidentialityImplied {
            continue;
        }
        let cell = format!("ground: consent:{kind}");
        for purpose in book.purposes.keys().filter(|purpose| rule.purposes.has(*purpose)) {
            let asking: Vec<&NoticeVersion> = book
                .notices
                .values()
                .flat_map(|notice| notice.versions.values())
                .filter(|version| version.covers(kind, purpose))
                .collect();
            if asking.is_empty() {
                let says = format!(
                    "relies on {kind} for {purpose}, and no notice asks for it: nobody can say yes. \
                     Write one into notices/."
                );
                bad(found, "W24", rule, cell.clone(), &says);
            } else if let Some(day) = view.day
                && !asking.iter().any(|version| version.in_force(day))
            {
                let says = format!(
                    "relies on {kind} for {purpose}, and no version of a notice that asks for it is in \
                     force on {day}: nobody can say yes. Add a version."
                );
                bad(found, "W25", rule, cell.clone(), &says);
            }
        }
    }
}

fn named(view: &View<'_>, found: &mut Found) {
    const FILE: &str = "words/parties.csv";
    // A folder of before has no such table.
    let agencies = view.book.agencies.values().filter(|_| !view.book.parties.is_empty());
    let controllers: std::collections::BTreeSet<&str> =
        agencies.map(|agency| agency.controller.as_str()).collect();
    for id in controllers.into_iter().filter(|id| !view.book.parties.contains_key(*id)) {
        let message = format!(
            "({id}) has no line: records of consent (ISO/IEC TS 27560) name its address and contact. Add it."
        );
        found.add("I26", (FILE, 0), id, String::new(), message);
    }
    for (id, party) in &view.book.parties {
        let Party { name: _, address, contact, kind: _, storage, retention } = party;
        let columns = [
            ("address", address),
            ("contact", contact),
            ("storage", storage),
            ("retention", retention),
        ];
        let empty: Vec<&str> = columns
            .into_iter()
            .filter(|(_, cell)| cell.is_empty())
            .map(|(column, _)| column)
            .collect();
        if !empty.is_empty() {
            let message = format!(
                "({id}) has no {}: records of consent (ISO/IEC TS 27560) name it. Complete the line.",
                empty.join(", ")
            );
            found.add("I26", (FILE, 0), id.as_str(), String::new(), message);
        }
    }
}
