//! For how long what the audit log holds is to be readable, what residents may ask for, and what agencies are told
//! of data that they got.

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
        /// An agency was told of something about data that it got, or said that it knows.
        Notice = "notice",
    }
}

closed! {
    /// What a resident may ask of an agency.
    RequestKind {
        /// A copy of what is kept (UK GDPR Art 15).
        Access = "access",
        /// Something is wrong or missing (Art 16).
        Rectify = "rectify",
        /// Something should no longer be kept (Art 17).
        Erase = "erase",
        /// Something should be kept and not used (Art 18).
        Restrict = "restrict",
        /// Something should not be done with the data (Art 21).
        Object = "object",
        /// A disclosure looks wrong to the resident.
        Challenge = "challenge",
        /// They are not content with how data are used.
        Complaint = "complaint",
    }
}

closed! {
    /// What an agency is told about data that it got.
    NoticeKind {
        /// Something in it was wrong and was put right (UK GDPR Art 16).
        Correction = "correction",
        /// The consent that it may rest on was taken back (Art 7(3)).
        Withdrawal = "withdrawal",
        /// An objection to its use was upheld (Art 21).
        Objection = "objection",
        /// It is to be kept and not used (Art 18).
        Restriction = "restriction",
        /// Who gave it no longer keeps it (Art 17).
        Erasure = "erasure",
        /// It should not have been given.
        Recall = "recall",
        /// The consent that it may rest on was found invalid.
        InvalidConsent = "invalid-consent",
    }
}
