//! Whether a folder that was read may come into force. No thread that answers does this.

use jiff::Timestamp;

use super::Fits;
use crate::policy::PolicySnapshot;
use crate::policy::approval::{Approved, Before, Change, Side, Trust, between};
use crate::policy::kept::{build, failing_scenarios, unpack_own};
use crate::policy::load::{Files, load};
use crate::store::{KeptPolicy, PolicyNote};

/// A folder to be judged, and by what.
pub(super) struct Judging {
    pub files: Files,
    /// What it follows: its number is the highest there was; with the bytes of its folder.
    pub before: Option<(KeptPolicy, Vec<u8>)>,
    pub trust: Trust,
    pub now: Timestamp,
    pub fits: Fits,
    /// It was accepted and entered before.
    pub goes_on: Option<KeptPolicy>,
}

/// A folder that may come into force.
pub(super) struct Good {
    pub policy: PolicySnapshot,
    pub number: u64,
    pub note: PolicyNote,
    pub not_before: Option<Timestamp>,
    pub goes_on: Option<KeptPolicy>,
}

impl Judging {
    /// Judges it.
    ///
    /// # Errors
    /// Everything that stands against it, a line each.
    pub(super) fn done(self) -> Result<Good, Vec<String>> {
        let policy = build(&self.files)?;
        let unfit = (self.fits)(policy.book());
        if !unfit.is_empty() {
            return Err(unfit);
        }
        if let Some(kept) = self.goes_on {
            let (number, note) = (kept.number, kept.note.clone());
            return Ok(Good { policy, number, note, not_before: None, goes_on: Some(kept) });
        }
        let change = self.change(&policy);
        let failing = failing_scenarios(&self.files, &policy);
        if !failing.is_empty() && !change.suspends {
            return Err(failing);
        }
        let before = self.before.as_ref().map_or_else(Before::default, |(kept, _)| Before {
            number: kept.number,
            hash: Some(kept.hash),
        });
        let approved = self.trust.approves(&self.files, before, &change);
        let approved = match approved {
            Ok(approved) => Some(approved),
            Err(why) if self.trust.required => return Err(vec![why.to_string()]),
            Err(_) => None,
        };
        let number = approved.as_ref().map_or(before.number + 1, |a| a.number);
        let not_before = approved.as_ref().and_then(|a| a.not_before);
        let note = note(&change, approved, failing.len());
        Ok(Good { policy, number, note, not_before, goes_on: None })
    }

    /// What it changes. A policy that could not be in force by itself is nothing to follow.
    fn change(&self, policy: &PolicySnapshot) -> Change {
        let day = self.now.to_zoned(policy.book().place.zone.clone()).date();
        let new = Side { files: &self.files, book: policy.book(), day };
        let old = self
            .before
            .as_ref()
            .filter(|(kept, _)| !self.trust.required || !kept.note.approved_by.is_empty())
            .and_then(|(kept, bytes)| unpack_own(bytes, kept.hash))
            .and_then(|files| Some((load(&files).ok()?, files)));
        between(old.as_ref().map(|(book, files)| Side { files, book, day }), new)
    }
}

fn note(change: &Change, approved: Option<Approved>, scenarios_failing: usize) -> PolicyNote {
    let (approved_by, author) = approved.map_or((Vec::new(), None), |a| (a.by, Some(a.author)));
    PolicyNote { class: change.class.to_string(), approved_by, author, scenarios_failing }
}
