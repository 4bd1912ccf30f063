//! The policies that are or were in force, as they are kept.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::DecisionId;

/// A policy that came into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPolicy {
    /// Its number; every later one is higher.
    pub number: u64,
    /// Its content.
    pub hash: [u8; 32],
    /// When it came into force.
    pub since: Timestamp,
    /// The entry of the log that tells of it.
    pub event: DecisionId,
    /// How it came into force.
    pub note: PolicyNote,
}

/// How a policy came into force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyNote {
    /// What it changed: `wording`, `narrowing` or `widening`.
    pub class: String,
    /// Who approved it; empty: it came into force unsigned.
    pub approved_by: Vec<String>,
    /// Who wrote it, as its approval says.
    pub author: Option<String>,
    /// Its own scenarios that did not come out as they say: only where sharing was suspended.
    pub scenarios_failing: usize,
}

/// What became of a folder that is not, or not yet, in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its content; `None`: it could not even be read.
    pub hash: Option<[u8; 32]>,
    /// When it was looked at.
    pub at: Timestamp,
    /// It is approved and comes into force then; `None`: it is refused.
    pub waits_until: Option<Timestamp>,
    /// Why it is refused, a line each.
    pub reasons: Vec<String>,
}
