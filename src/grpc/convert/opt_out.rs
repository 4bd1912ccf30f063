//! Checks with the National Data Opt-out service.

use super::{Check, Violations, uuid_of};
use crate::domain::DecisionId;
use crate::grpc::pb;
use crate::limits;

/// A check to begin: nothing is said of it.
pub struct BeginCheck;

impl TryFrom<pb::BeginOptOutCheckRequest> for BeginCheck {
    type Error = Violations;

    fn try_from(message: pb::BeginOptOutCheckRequest) -> Result<Self, Violations> {
        let pb::BeginOptOutCheckRequest { request_id: _ } = message;
        Ok(Self)
    }
}

/// What the service sent back.
pub struct CheckAnswer {
    /// The check.
    pub reference: DecisionId,
    /// The numbers as written.
    pub clear: Vec<String>,
}

impl TryFrom<pb::ApplyOptOutCheckRequest> for CheckAnswer {
    type Error = Violations;

    fn try_from(message: pb::ApplyOptOutCheckRequest) -> Result<Self, Violations> {
        let pb::ApplyOptOutCheckRequest { reference, not_opted_out, request_id: _ } = message;
        let mut check = Check::default();
        let reference = uuid_of(&reference);
        if reference.is_none() {
            check.wrong("reference", "must be the reference of a check that was begun");
        }
        check.count("not_opted_out", not_opted_out.len(), 0, limits::CHECK_NUMBERS_MAX);
        check.done(reference.map(|reference| Self { reference, clear: not_opted_out }))
    }
}
