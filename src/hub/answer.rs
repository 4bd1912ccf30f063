//! What a question is answered with. An [`Answer`] needs a [`Receipt`], and only the store makes
//! those: nothing leaves the hub before it is in the log.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::in_force::PolicyVersion;
use crate::disclose::Label;
use crate::domain::{AgencyId, Ask, DecisionId, FieldId, FieldValue, ResidentId};
use crate::policy::{Explanation, View};
use crate::store::Receipt;

/// One question about one resident to one holder. The hub itself fills in `ask.subjects`.
#[derive(Debug, Clone)]
pub struct Question {
    /// About whom.
    pub resident: ResidentId,
    /// What is asked, of whom, why.
    pub ask: Ask,
    /// The referral that a person granted.
    pub referral: Option<DecisionId>,
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
    pub values: Vec<(FieldId, FieldValue, BTreeSet<Label>)>,
    /// The policy that it was decided under.
    pub policy: PolicyVersion,
    /// As of when.
    pub as_of: Timestamp,
}

impl Findings {
    /// About how many bytes they take in a reply; rather too many than too few.
    pub(super) fn reply_len(&self) -> usize {
        // Names, hashes, times and the framing of each piece.
        const FIXED: usize = 600;
        const PIECE: usize = 16;
        const GROUP: usize = 400;
        let Self { view, explanation, values, .. } = self;
        let values = values.iter().map(|(f, v, _)| f.as_str().len() + v.expose().len() + PIECE);
        let released = view.released.iter().map(|(f, _)| 2 * (f.as_str().len() + PIECE));
        let mut last = None;
        let groups = view.released.iter().map(|(_, path)| {
            let same = last == Some(path);
            last = Some(path);
            if same { 0 } else { GROUP + path.place.len() + path.ground.len() + path.because.len() }
        });
        let withheld = view.withheld.iter().map(|(f, codes)| {
            f.as_str().len() + PIECE + codes.iter().map(|c| c.as_str().len() + 2).sum::<usize>()
        });
        let missing = explanation.missing.iter().map(|m| {
            2 * m.code.as_str().len() + m.meaning.len() + m.fixer.len() + m.fix.len() + 2 * PIECE
        });
        let may_ask = explanation.may_ask.iter().map(|c| c.as_str().len() + 2);
        FIXED
            + explanation.text.len()
            + values.sum::<usize>()
            + released.sum::<usize>()
            + groups.sum::<usize>()
            + withheld.sum::<usize>()
            + missing.sum::<usize>()
            + may_ask.sum::<usize>()
    }
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
