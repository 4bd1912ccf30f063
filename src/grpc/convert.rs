//! Messages to domain types and back. Every bound is checked here and every field is taken apart by
//! name, so that a new one cannot be forgotten. Violations never repeat what was written.

mod audit;
mod candidate;
mod choice;
mod exchange;
mod fact;
mod override_review;
mod policy;
mod proofs;
mod question;
mod record;
mod register;
mod resident;
mod review;
mod rights;
mod sharing;

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;

pub use audit::{
    AccessName, AccessReason, EntryIndex, Sought, WantedExport, entry_message, export_messages,
    search_response,
};
pub use candidate::{Checking, ReplayName, checked_response, replay_message};
pub use choice::{
    TakenObjection, Verdict, WantedConsentReceipt, Withdrawn, choice_name, consent_receipt_message,
    list_response, settled_response,
};
pub use exchange::{Importing, exported_response, imported_response};
pub use fact::{FactsPage, ToldFacts, facts_response};
pub use override_review::{Nothing, ReviewMinutes, figures_response, reviews_response};
use policy::version_message;
pub use policy::{
    Explaining, RuleBookForm, explained_response, policy_response, rule_book_response,
    versions_response,
};
pub use proofs::{
    WantedConsistency, WantedHeads, WantedInclusion, WantedReceipt, WantedTile,
    consistency_message, inclusion_message, proven_message, tile_message,
};
pub use question::{Asked, answered_response};
pub use record::{
    Header, Page, ResidentPage, Retraction, held_response, publish_response, read_header, read_row,
};
pub use register::{Figuring, Registering, register_figures_response, register_response};
pub use resident::{Link, Unlink};
pub use review::{TaskPage, obligation_message, referral_message};
pub use rights::{
    RightsPage, clocked_parts, figures_message, requests_response, sealed_response, seen_response,
};
pub use sharing::{Locating, Questions, answer_message, disclosure_message};

use super::pb;
use crate::domain::{AgencyId, DecisionId, IdError, ResidentId, Scope};
use crate::hub::Violation;
use crate::limits;
use crate::store::Receipt;

/// What is wrong with a message; never empty.
#[derive(Debug)]
pub struct Violations(pub Vec<Violation>);

/// Reads the fields of one message and keeps what is wrong with them.
#[derive(Default)]
pub struct Check {
    violations: Vec<Violation>,
}

impl Check {
    /// Something is wrong with `field`.
    pub fn wrong(&mut self, field: &str, what: impl Into<String>) {
        if self.violations.len() < limits::VIOLATIONS_MAX {
            self.violations.push(Violation::new(field, what));
        }
    }

    /// The value that was read, if nothing was wrong.
    pub fn done<T>(self, value: Option<T>) -> Result<T, Violations> {
        match value {
            Some(value) if self.violations.is_empty() => Ok(value),
            _ if self.violations.is_empty() => {
                Err(Violations(vec![Violation::new("", "is incomplete")]))
            }
            _ => Err(Violations(self.violations)),
        }
    }

    /// A word that must be there.
    pub fn word<T: FromStr<Err = IdError>>(&mut self, field: &str, text: &str) -> Option<T> {
        match text.parse() {
            Ok(word) => Some(word),
            Err(error) => {
                self.wrong(field, error.to_string());
                None
            }
        }
    }

    /// A word of a closed list.
    pub fn one_of<T: FromStr<Err = IdError> + Copy + std::fmt::Display + 'static>(
        &mut self,
        field: &str,
        text: &str,
        all: &'static [T],
    ) -> Option<T> {
        let word = text.parse().ok();
        if word.is_none() {
            let near = all.iter().min_by_key(|w| {
                strsim::damerau_levenshtein(text.get(..40).unwrap_or(text), &w.to_string())
            });
            match near {
                Some(near) => {
                    self.wrong(field, format!("is no word of the list; the nearest is `{near}`"))
                }
                None => self.wrong(field, "is no word of the list"),
            }
        }
        word
    }

    /// A word, or nothing where it is empty.
    pub fn maybe_word<T: FromStr<Err = IdError>>(&mut self, field: &str, text: &str) -> Option<T> {
        if text.is_empty() { None } else { self.word(field, text) }
    }

    /// What is wrong with a message within this one.
    pub fn beneath(&mut self, field: &str, wrong: Violations) {
        for one in wrong.0 {
            self.wrong(&format!("{field}.{}", one.field), one.what);
        }
    }

    /// Free text, which may be empty.
    pub fn text(&mut self, field: &str, text: String) -> String {
        self.bounded(field, text, limits::TEXT_LEN_MAX)
    }

    /// Free text, or nothing where it is empty.
    pub fn maybe_text(&mut self, field: &str, text: String) -> Option<String> {
        (!text.is_empty()).then(|| self.text(field, text))
    }

    /// Text with a bound of its own.
    pub fn bounded(&mut self, field: &str, text: String, max: usize) -> String {
        if text.len() > max {
            self.wrong(field, format!("is longer than {max} bytes"));
        }
        let plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
        if !text.chars().all(plain) {
            self.wrong(field, "holds a control character");
        }
        text
    }

    /// `residents/{uuid}`.
    pub fn resident(&mut self, field: &str, name: &str) -> Option<ResidentId> {
        let id = name.strip_prefix("residents/").and_then(|id| id.parse().ok());
        if id.is_none() {
            self.wrong(field, "must be residents/{uuid}");
        }
        id
    }

    /// `agencies/{agency}`.
    pub fn agency(&mut self, field: &str, name: &str) -> Option<AgencyId> {
        let id = name.strip_prefix("agencies/").and_then(|id| id.parse().ok());
        if id.is_none() {
            self.wrong(field, "must be agencies/{agency}");
        }
        id
    }

    /// `residents/{uuid}/choices/{uuid}`.
    pub fn choice(&mut self, field: &str, name: &str) -> Option<(ResidentId, DecisionId)> {
        let parts = name
            .strip_prefix("residents/")
            .and_then(|rest| rest.split_once("/choices/"))
            .and_then(|(resident, choice)| Some((resident.parse().ok()?, uuid_of(choice)?)));
        if parts.is_none() {
            self.wrong(field, "must be residents/{uuid}/choices/{uuid}");
        }
        parts
    }

    /// `{collection}/{uuid}`.
    pub fn event(&mut self, field: &str, collection: &str, name: &str) -> Option<DecisionId> {
        let id =
            name.strip_prefix(collection).and_then(|rest| rest.strip_prefix('/')).and_then(uuid_of);
        if id.is_none() {
            self.wrong(field, format!("must be {collection}/{{uuid}}"));
        }
        id
    }

    /// An agency's own id for a resident.
    pub fn local_id(&mut self, field: &str, id: String) -> String {
        if id.is_empty() || id.len() > limits::LOCAL_ID_LEN_MAX {
            self.wrong(field, format!("must have 1 to {} characters", limits::LOCAL_ID_LEN_MAX));
        } else if !id.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
            self.wrong(field, "must be printable ASCII");
        }
        id
    }

    /// True when a list has `min` to `max` items.
    pub fn count(&mut self, field: &str, len: usize, min: usize, max: usize) -> bool {
        let fits = (min..=max).contains(&len);
        if !fits {
            self.wrong(field, format!("must have {min} to {max} items"));
        }
        fits
    }

    /// Fields and categories.
    pub fn scopes(&mut self, field: &str, texts: &[String], min: usize) -> Vec<Scope> {
        if !self.count(field, texts.len(), min, limits::FIELDS_MAX) {
            return Vec::new();
        }
        texts
            .iter()
            .enumerate()
            .filter_map(|(n, text)| self.word(&format!("{field}[{n}]"), text))
            .collect()
    }

    /// Different items, in order of asking.
    pub fn distinct<T: Ord + Clone>(&mut self, field: &str, items: Vec<T>) -> Vec<T> {
        let mut seen = BTreeSet::new();
        for (n, item) in items.iter().enumerate() {
            if !seen.insert(item.clone()) {
                self.wrong(&format!("{field}[{n}]"), "is there twice");
            }
        }
        items
    }

    /// A time, where there is one.
    pub fn time(&mut self, field: &str, time: Option<prost_types::Timestamp>) -> Option<Timestamp> {
        let prost_types::Timestamp { seconds, nanos } = time?;
        let known = (0..1_000_000_000).contains(&nanos);
        let read = Timestamp::new(seconds, nanos).ok().filter(|_| known);
        if read.is_none() {
            self.wrong(field, "is no time");
        }
        read
    }

    /// A day, where there is one.
    pub fn day(&mut self, field: &str, text: &str) -> Option<Date> {
        if text.is_empty() {
            return None;
        }
        let shape = text.len() == 10 && text.is_ascii();
        let read = text.parse().ok().filter(|_| shape);
        if read.is_none() {
            self.wrong(field, "must be YYYY-MM-DD");
        }
        read
    }

    /// How many to return.
    pub fn page_size(&mut self, size: i32) -> usize {
        match usize::try_from(size) {
            Ok(0) => limits::PAGE_DEFAULT,
            Ok(size) => size.min(limits::PAGE_MAX),
            Err(_) => {
                self.wrong("page_size", "must not be negative");
                limits::PAGE_DEFAULT
            }
        }
    }
}

fn uuid_of(text: &str) -> Option<DecisionId> {
    (text.len() == 36).then(|| text.parse().ok())?
}

/// `residents/{uuid}`.
#[must_use]
pub fn resident_name(id: ResidentId) -> String {
    format!("residents/{}", id.uuid())
}

/// `agencies/{agency}`.
#[must_use]
pub fn agency_name(id: &AgencyId) -> String {
    format!("agencies/{id}")
}

/// A time on the wire.
#[must_use]
pub fn time_message(at: Timestamp) -> prost_types::Timestamp {
    let (mut seconds, mut nanos) = (at.as_second(), at.subsec_nanosecond());
    if nanos < 0 {
        seconds -= 1;
        nanos += 1_000_000_000;
    }
    prost_types::Timestamp { seconds, nanos }
}

/// A receipt; `collection` is `disclosures` or `events`.
#[must_use]
pub fn receipt_message(collection: &str, receipt: &Receipt) -> pb::Receipt {
    pb::Receipt {
        name: format!("{collection}/{}", receipt.event()),
        entry: format!("entries/{}", receipt.index()),
        leaf_hash: receipt.leaf_hash().to_vec(),
        tree_size: receipt.size(),
        root_hash: receipt.root().to_vec(),
    }
}

fn words<T: ToString>(items: impl IntoIterator<Item = T>) -> Vec<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}

#[cfg(test)]
mod tests;
