//! Who is calling: a stand-in until the verifier of tokens is merged.

use std::collections::BTreeSet;

use crate::domain::{AgencyId, PersonId, RoleId};

/// What a caller may do at the hub besides asking in a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HubFunction {
    /// Publishes the agency's records.
    Publisher,
    /// Registers residents and links local ids.
    Registrar,
    /// Reads the audit log.
    Auditor,
    /// Runs the hub.
    Operator,
}

/// A caller whose token was verified.
pub struct Caller {
    agency: AgencyId,
    role: Option<RoleId>,
    person: PersonId,
    principal: [u8; 16],
    functions: BTreeSet<HubFunction>,
}

impl Caller {
    /// The agency.
    #[must_use]
    pub const fn agency(&self) -> &AgencyId {
        &self.agency
    }
    /// The acting role.
    #[must_use]
    pub const fn role(&self) -> Option<&RoleId> {
        self.role.as_ref()
    }
    /// The person.
    #[must_use]
    pub const fn person(&self) -> &PersonId {
        &self.person
    }
    /// Opaque id of the person.
    #[must_use]
    pub const fn principal(&self) -> [u8; 16] {
        self.principal
    }
    /// What they may do at the hub.
    #[must_use]
    pub const fn functions(&self) -> &BTreeSet<HubFunction> {
        &self.functions
    }
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is none.
    #[error("no token")]
    Missing,
    /// The keys cannot be had.
    #[error("keys unavailable")]
    KeysUnavailable,
}

impl AuthError {
    /// The word for machines.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "TOKEN_MISSING",
            Self::KeysUnavailable => "KEYS_UNAVAILABLE",
        }
    }
}

/// Verifies tokens.
pub struct Authenticator;

impl Authenticator {
    /// The caller behind a token.
    ///
    /// # Errors
    /// When the token is not accepted.
    pub async fn authenticate(&self, _token: &str) -> Result<std::sync::Arc<Caller>, AuthError> {
        Err(AuthError::Missing)
    }
}
