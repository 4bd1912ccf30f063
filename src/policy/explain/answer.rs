//! One question with its answer, told in three ways: to the desk that asked, to the data protection
//! officer, to the resident.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::domain::{AgencyId, Ask, Facts, FieldId, PurposeId, RoleId};
use crate::policy::age::day_of;
use crate::policy::decision::{Decision, Outcome};
use crate::policy::{PolicySnapshot, View};

/// A question and its decision.
pub struct Answer<'a> {
    pub(super) policy: &'a PolicySnapshot,
    pub(super) ask: &'a Ask,
    pub(super) facts: &'a Facts,
    pub(super) at: Timestamp,
    pub(super) decision: Decision,
    pub(super) view: View,
}

impl<'a> Answer<'a> {
    /// Decides the question.
    #[must_use]
    pub fn new(policy: &'a PolicySnapshot, ask: &'a Ask, facts: &'a Facts, at: Timestamp) -> Self {
        // What the holder holds is not known here: the answer is as if it held everything.
        Self::of_held(policy, ask, facts, at, |_| true)
    }

    /// Decides a question whose holder holds something in the fields for which `holds` says so: the asker
    /// is told of no other.
    #[must_use]
    pub fn of_held(
        policy: &'a PolicySnapshot,
        ask: &'a Ask,
        facts: &'a Facts,
        at: Timestamp,
        holds: impl Fn(&FieldId) -> bool,
    ) -> Self {
        let decision = policy.decide(ask, facts, at);
        let view = policy.view(&decision, holds);
        Self { policy, ask, facts, at, decision, view }
    }

    /// The decision itself.
    #[must_use]
    pub const fn decision(&self) -> &Decision {
        &self.decision
    }

    /// What the requester may see of it.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// The day of the question.
    pub(super) fn day(&self) -> Date {
        day_of(self.at, &self.policy.book.place.zone)
    }

    pub(super) fn agency(&self, id: &'a AgencyId) -> &'a str {
        self.policy.book.agencies.get(id).map_or(id.as_str(), |agency| agency.name.as_str())
    }

    pub(super) fn role(&self, id: &'a RoleId) -> &'a str {
        self.policy.book.roles.get(id).map_or(id.as_str(), String::as_str)
    }

    pub(super) fn purpose(&self, id: &'a PurposeId) -> &'a str {
        self.policy.book.purposes.get(id).map_or(id.as_str(), |purpose| purpose.meaning.as_str())
    }

    /// First 12 characters of the rule book's hash.
    pub(super) fn version(&self) -> String {
        let mut text = hex::encode(self.policy.book.hash);
        text.truncate(12);
        text
    }
}

/// What an outcome is called at the head of an explanation.
pub(super) const fn headline(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Permit => "PERMITTED",
        Outcome::Partial => "PERMITTED IN PART",
        Outcome::Refer => "REFERRED",
        Outcome::Deny => "REFUSED",
    }
}

/// A field in plain words: `support needs summary (health, support)`.
pub(in crate::policy) fn plain(field: &FieldId) -> String {
    let plain = |text: &str| text.replace(['_', '-'], " ");
    match field.as_str().rsplit_once('.') {
        Some((category, name)) => {
            format!("{} ({})", plain(name), plain(category).replace('/', ", "))
        }
        None => plain(field.as_str()),
    }
}

pub(super) fn joined<T: ToString>(words: impl IntoIterator<Item = T>) -> String {
    words.into_iter().map(|word| word.to_string()).collect::<Vec<_>>().join(", ")
}
