//! What a question is answered with. An [`Answer`] needs a [`Receipt`], and only the store makes
//! those: nothing leaves the hub before it is in the log.

use jiff::Timestamp;

use crate::domain::{AgencyId, Ask, FieldId, FieldValue, ResidentId};
use crate::policy::{Explanation, View};
use crate::store::Receipt;

/// One question about one resident to one holder. The hub itself fills in `ask.subjects`.
#[derive(Debug, Clone)]
pub struct Question {
    /// About whom.
    pub resident: ResidentId,
    /// What is asked, of whom, why.
    pub ask: Ask,
}

/// What was found for one question, as the requester may see it.
#[derive(Debug)]
pub struct Findings {
    /// About whom.
    pub resident: ResidentId,
    /// Of whom.
    pub holder: AgencyId,
    /// The decision as the requester may see it.
    pub view: View,
    /// The same in plain words.
    pub explanation: Explanation,
    /// The released values, in the order of asking.
    pub values: Vec<(FieldId, FieldValue)>,
    /// The policy's hash.
    pub policy: [u8; 32],
    /// The place whose policy it is.
    pub place: String,
    /// As of when.
    pub as_of: Timestamp,
}

/// Findings that are recorded.
#[derive(Debug)]
pub struct Answer {
    findings: Findings,
    receipt: Receipt,
}

impl Answer {
    pub(super) const fn new(findings: Findings, receipt: Receipt) -> Self {
        Self { findings, receipt }
    }

    /// The findings and the proof that they are recorded.
    #[must_use]
    pub fn into_parts(self) -> (Findings, Receipt) {
        (self.findings, self.receipt)
    }
}
