//! What can go wrong in a use case that is no decision. A refusal to share is never an error.

use super::reviews::Review;
use crate::auth::HubFunction;
use crate::source::SourceError;
use crate::store::{Refusal, StoreError};

/// One thing wrong with a request. Says nothing that the asker wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field of the request, such as `residents[3]`.
    pub field: String,
    /// What is wrong with it.
    pub what: String,
}

impl Violation {
    /// A violation.
    pub fn new(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self { field: field.into(), what: what.into() }
    }
}

/// What can go wrong; one variant for each thing a caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The request does not make sense under the policy's words.
    #[error("the request does not make sense")]
    Invalid(Vec<Violation>),
    /// There is none, or none that the caller may know of.
    #[error("not found")]
    NotFound,
    /// The caller's token gives no acting role.
    #[error("the caller has no role")]
    RoleNeeded,
    /// The caller's token does not give this function.
    #[error("the caller lacks a function at the hub")]
    FunctionNeeded(HubFunction),
    /// The policy leaves this kind of fact to other agencies.
    #[error("another agency records this")]
    NotYours,
    /// The proxy who is logged in has no power for this, or none any more.
    #[error("the proxy may not do this")]
    Powerless,
    /// The caller's agency is not in the policy, or suspended.
    #[error("the caller's agency may not act")]
    AgencyInactive,
    /// The caller's account or training has ended, or was never recorded.
    #[error("the caller's account may not act")]
    AccountInactive,
    /// The caller's local id is linked to somebody else.
    #[error("the local id is taken")]
    Taken,
    /// The caller made another call under this request id.
    #[error("the request id is used")]
    RequestIdReused,
    /// What a fact was to replace has changed since the caller read it.
    #[error("the fact has changed")]
    Changed,
    /// A legal hold is on the resident. Nothing was erased.
    #[error("a legal hold is on the resident")]
    Held,
    /// Whom a registration names may be registered already: a person must decide. Says neither that
    /// there is somebody nor who.
    #[error("a person must decide")]
    Referred,
    /// What waits for a person cannot go on so.
    #[error("what waits for a person cannot go on so")]
    Review(Review),
    /// The answer or its audit entry would be too large.
    #[error("too much was asked for")]
    TooMuch,
    /// Work of this kind is done one at a time, and somebody else's goes on.
    #[error("the hub does this one at a time")]
    Busy,
    /// A holder's records cannot be had now. Nothing was released.
    #[error("the holder's records are not available")]
    SourceUnavailable,
    /// The store is busy, full or closing. Nothing was released.
    #[error("the store is not available")]
    StoreUnavailable,
    /// No policy is in force: nothing can be decided, not even a refusal.
    #[error("no policy is in force")]
    NoPolicy,
    /// No quorum of witnesses has signed for so long that the operator has disclosures stopped.
    #[error("no quorum of witnesses signs the log")]
    Unwitnessed,
    /// No quorum of witnesses has signed a head that covers the entry yet.
    #[error("no quorum of witnesses has signed it yet")]
    NotCosigned,
    /// Something that cannot be; an operator must look. Nothing was released.
    #[error("the hub is broken")]
    Broken,
}

impl From<StoreError> for HubError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Full | StoreError::InUse => {
                Self::StoreUnavailable
            }
            StoreError::Corrupt(_)
            | StoreError::Keys(_)
            | StoreError::RolledBack(_)
            | StoreError::Refused(Refusal::EventTaken | Refusal::PolicyNumberNotRising) => {
                Self::Broken
            }
            StoreError::Refused(Refusal::NoResident | Refusal::NoLink | Refusal::NoHold) => {
                Self::NotFound
            }
            StoreError::Refused(Refusal::Held) => Self::Held,
            StoreError::Refused(Refusal::LocalIdTaken | Refusal::IdentifierTaken) => Self::Taken,
            StoreError::Refused(Refusal::EntryTooLarge) => Self::TooMuch,
            StoreError::Refused(Refusal::FactChanged) => Self::Changed,
        }
    }
}

impl From<SourceError> for HubError {
    fn from(_: SourceError) -> Self {
        Self::SourceUnavailable
    }
}
