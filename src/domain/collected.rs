//! How a consent was asked for and said. It is kept with the event as evidence; no decision relies on it.

use serde::{Deserialize, Serialize};

use super::facts::closed;
use super::{AssessmentId, NoticeId};

closed! {
    /// Languages in which residents are told.
    Language {
        /// English.
        En = "en",
        /// Welsh.
        Cy = "cy",
    }
    /// How somebody said it.
    Channel {
        /// To somebody in the room.
        InPerson = "in-person",
        /// On the telephone.
        Telephone = "telephone",
        /// On a form that they signed.
        Paper = "paper",
        /// Through a portal at which they were logged in.
        Portal = "portal",
    }
    /// What somebody is told who takes a consent back.
    Withdrawing {
        /// It is recorded; holds `{why}`.
        Recorded = "recorded",
        /// Consents end.
        Ended = "ended",
        /// There was none.
        NoConsent = "no-consent",
        /// Another spoke for the resident, and this speaker may not be heard against them.
        Unheard = "unheard",
        /// It is an objection too.
        Objection = "objection",
        /// What goes on all the same; holds `{under}`.
        GoesOn = "goes-on",
        /// Nothing goes on.
        NothingGoesOn = "nothing-goes-on",
        /// Where somebody is in danger it may.
        Danger = "danger",
        /// To whom to complain.
        Complaint = "complaint",
    }
}

/// Which wording of the policy was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeShown {
    /// The notice.
    pub id: NoticeId,
    /// Its version.
    pub version: u32,
    /// In which language.
    pub language: Language,
    /// SHA-256 of the wording, in hex.
    pub wording: String,
}

/// How a consent was asked for and said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// The wording that was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<NoticeShown>,
    /// How it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// The assessment of capacity or competence that it rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assessment: Option<AssessmentId>,
}

impl Collected {
    /// Nothing is known of it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.notice.is_none() && self.channel.is_none() && self.assessment.is_none()
    }
}
