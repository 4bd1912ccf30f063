//! Witnesses: others than the hub who sign that a log only grew (C2SP tlog-witness, tlog-cosignature). Pure:
//! what a witness remembers, and what a hub keeps of witnesses, lives in `store`.

mod key;
mod quorum;
mod request;
mod staleness;

use super::checkpoint::{Checkpoint, NoteError, VerifierKey};
use super::proof::{SizedRoot, verify_consistency};
use super::tree::Edge;

pub use key::{Cosignature, WitnessKey, WitnessSigner};
pub use quorum::{Quorum, QuorumError};
pub use request::{AddCheckpoint, GROWTH_LEN_MAX, REQUEST_LEN_MAX, size_answer, size_answered};
pub use staleness::{Staleness, Turn};

/// Why a witness does not sign; each is one status of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// 400: the request is malformed, or its old size is above the new one.
    #[error("the request is malformed")]
    Malformed,
    /// 403: none of the keys that are trusted for the log has signed the head.
    #[error("no key that is trusted for this log has signed the head")]
    Untrusted,
    /// 404: the witness does not follow this log.
    #[error("this log is not known here")]
    Unknown,
    /// 409: the latest head that was signed here has this size, not the old one; or that size and another
    /// root.
    #[error("the latest head signed here has {0} entries")]
    Conflict(u64),
    /// 422: the log did not grow out of the one that was signed before, or that was not shown.
    #[error("the head is not shown to have grown out of the one that was signed before")]
    Inconsistent,
}

impl Declined {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Untrusted => 403,
            Self::Unknown => 404,
            Self::Conflict(_) => 409,
            Self::Inconsistent => 422,
        }
    }
}

/// The head that a request submits, if one of the keys `trusted` for its log has signed it.
///
/// # Errors
/// `Malformed`, `Unknown` or `Untrusted`; nothing has been compared yet.
pub fn submitted(request: &AddCheckpoint, trusted: &[VerifierKey]) -> Result<Checkpoint, Declined> {
    let origin = request.origin();
    let mut keys = trusted.iter().filter(|key| key.name() == origin).peekable();
    if keys.peek().is_none() {
        return Err(Declined::Unknown);
    }
    let mut why = Declined::Untrusted;
    for key in keys {
        match key.open(&request.note) {
            Ok(head) if request.old <= head.size => return Ok(head),
            Ok(_) | Err(NoteError::Malformed) => why = Declined::Malformed,
            Err(NoteError::Origin | NoteError::Unsigned | NoteError::Key) => {}
        }
    }
    Err(why)
}

/// Whether a head may be signed after the latest that was, `None` where there was none. The comparison and
/// the keeping of the new head must be one step.
///
/// # Errors
/// `Conflict` or `Inconsistent`.
pub fn may_follow(
    latest: Option<SizedRoot>,
    request: &AddCheckpoint,
    head: &Checkpoint,
) -> Result<(), Declined> {
    let latest = latest.unwrap_or(SizedRoot { size: 0, root: Edge::default().root() });
    if request.old != latest.size {
        return Err(Declined::Conflict(latest.size));
    }
    if head.size == latest.size && head.root != latest.root && head.size > 0 {
        return Err(Declined::Conflict(latest.size));
    }
    let head = SizedRoot { size: head.size, root: head.root };
    verify_consistency(latest, head, &request.growth).map_err(|_| Declined::Inconsistent)
}

#[cfg(test)]
mod tests;
