//! For how long what the audit log holds is to be readable.

use serde::{Deserialize, Serialize};

use super::facts::closed;

closed! {
    /// Kinds of entries of the audit log, as the policy says how long each is kept.
    KeptKind {
        /// Something was released.
        Disclose = "disclose",
        /// Nothing was released.
        Refuse = "refuse",
        /// A question without content.
        Query = "query",
        /// A resident's choice.
        Choice = "choice",
        /// Records were published, residents registered or linked.
        Hold = "hold",
        /// Facts changed.
        Fact = "fact",
        /// A policy came into force.
        Policy = "policy",
        /// The log was read.
        AuditRead = "audit-read",
        /// A caller was turned away.
        TurnedAway = "turned-away",
        /// What the hub and its operators did.
        Operation = "operation",
        /// A person approved or decided, or a duty was met.
        Review = "review",
        /// A refusal outside the hub was reported.
        Report = "report",
        /// Somebody was erased, or a hold on that placed.
        Erase = "erase",
        /// A resident used a right, or what they may see of the log was settled.
        Rights = "rights",
    }
}
