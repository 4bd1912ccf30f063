//! What is asked: the part of a request that the asker states.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AgencyId, BasisId, FieldId, GatewayId, OverrideId, PersonId, PurposeId, RoleId, Scope,
};

/// One question to one holder about one resident. Who asks is in
/// [`Facts`](super::Facts): it never comes from the asker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The agency that holds the data.
    pub from: AgencyId,
    /// Why it is asked for.
    pub purpose: PurposeId,
    /// What is asked for, as the asker wrote it: order kept, duplicates allowed.
    pub fields: Vec<Asked>,
    /// The reason in the asker's own words. May name people: never logged.
    pub reason: String,
    /// The asker's case reference.
    pub case_ref: String,
    /// Distinct residents in the same call, or in the policy's window where that is more.
    pub subjects: u32,
    /// The recipient's Article 6 basis, where the asker states one.
    pub basis: Option<BasisId>,
    /// The gateway that the asker cites; never chooses a path.
    pub cites: Option<GatewayId>,
    /// The statement that a threshold is met.
    pub threshold: Option<String>,
    /// The reference of a notice given to the person concerned.
    pub notice_ref: Option<String>,
    /// The purpose for which the asker first received the data that it passes on.
    pub received_for: Option<PurposeId>,
    /// Why the resident must not be told.
    pub do_not_tell: Option<String>,
    /// The override that the asker asserts.
    pub override_claim: Option<OverrideClaim>,
}

/// One item of the field list: a scope the vocabulary may or may not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked(pub Scope);

impl Asked {
    /// True when `field` itself was named, not only its category.
    #[must_use]
    pub fn names(&self, field: &FieldId) -> bool {
        matches!(&self.0, Scope::Field(named) if named == field)
    }
}

/// An asserted override with the answers to its test questions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideClaim {
    /// Which override.
    pub kind: OverrideId,
    /// Answers by question.
    pub answers: BTreeMap<String, Answer>,
    /// When it was asserted; the ask's own time where not said.
    pub asserted_at: Option<Timestamp>,
    /// The second person, confirmed by that person's own token.
    pub approver: Option<Approver>,
    /// Whom the asker names as the second person: a wish, which confirms nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<NamedApprover>,
}

/// Whom an asker would have approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedApprover {
    /// Their agency.
    pub agency: AgencyId,
    /// The person.
    pub person: PersonId,
}

/// An answer to a test question of an override.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// Yes or no.
    Flag(bool),
    /// Words. May name people: never logged.
    Text(String),
}

/// Who approved an override, confirmed. There is no way to one from what an asker writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approver {
    person: PersonId,
    agency: AgencyId,
    role: RoleId,
}

impl Approver {
    /// Takes who confirmed with their own token; a scenario's approver is such a one.
    #[must_use]
    pub const fn confirmed(person: PersonId, agency: AgencyId, role: RoleId) -> Self {
        Self { person, agency, role }
    }
    /// The person.
    #[must_use]
    pub const fn person(&self) -> &PersonId {
        &self.person
    }
    /// Their agency.
    #[must_use]
    pub const fn agency(&self) -> &AgencyId {
        &self.agency
    }
    /// Their role.
    #[must_use]
    pub const fn role(&self) -> &RoleId {
        &self.role
    }
}
