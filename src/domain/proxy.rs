//! Who may speak for a resident beside themselves, as it is recorded: on what evidence, for what, and from when to
//! when. Who they are stands in the log alone, sealed; what they may do on a day is worked out in `consent::proxy`.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{EvidenceId, Giver, PurposeId, Scope};

/// A proxy as granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyGrant {
    /// As whom they speak; never the resident.
    pub kind: Giver,
    /// What was seen of their authority, a word of the policy.
    pub evidence: EvidenceId,
    /// The day on which it was seen.
    pub seen: Date,
    /// The first day of their authority.
    pub from: Date,
    /// Its last day; `None`: it ends with what it rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// The purposes they may speak about; `None`: all that the kind may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purposes: Option<BTreeSet<PurposeId>>,
    /// The fields or whole categories they may speak about; `None`: all that the kind may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<Scope>>,
}
