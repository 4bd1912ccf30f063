//! What people are shown where a consent is asked for, and who the controllers are.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest;
use jiff::civil::Date;

use crate::domain::{AgencyId, ConsentKind, Language, PurposeId};

/// `notices/ID.toml`: one notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub title: String,
    /// Its versions by number; never empty.
    pub versions: BTreeMap<u32, NoticeVersion>,
}

/// A version of a notice. A new wording is a new version: who said yes to the old one said nothing to the new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeVersion {
    /// First day on which it may be shown.
    pub first_day: Date,
    /// Last day on which it may be shown; `None`: open.
    pub last_day: Option<Date>,
    /// For which kinds of consent.
    pub kinds: BTreeSet<ConsentKind>,
    /// For which purposes.
    pub purposes: BTreeSet<PurposeId>,
    /// The wording by language; never empty.
    pub wordings: BTreeMap<Language, Wording>,
}

/// What is shown, in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    /// What is asked.
    pub text: String,
    /// How to take a yes back.
    pub withdraw: String,
    /// What happens after a no.
    pub refuse: String,
}

/// `words/parties.csv`: a controller, as a record of consent names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Its name.
    pub name: String,
    /// Its postal address; empty: not known.
    pub address: String,
    /// How to reach whoever answers for data protection; empty: not known.
    pub contact: String,
    /// What it is, such as `local authority`.
    pub kind: String,
    /// Where it keeps what it is given; empty: not known.
    pub storage: String,
    /// For how long; empty: not known.
    pub retention: String,
}

impl NoticeVersion {
    /// True when it may be shown on `day`.
    #[must_use]
    pub fn in_force(&self, day: Date) -> bool {
        self.first_day <= day && self.last_day.is_none_or(|last| day <= last)
    }

    /// True when it asks for a consent of the kind for the purpose.
    #[must_use]
    pub fn covers(&self, kind: ConsentKind, purpose: &PurposeId) -> bool {
        self.kinds.contains(&kind) && self.purposes.contains(purpose)
    }
}

impl Wording {
    /// All that is shown: what is asked, how to take it back, what happens after a no, each a paragraph.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{}\n\n{}\n\n{}", self.text, self.withdraw, self.refuse)
    }

    /// SHA-256 of what is shown, in hex.
    #[must_use]
    pub fn hash(&self) -> String {
        hex::encode(digest::digest(&digest::SHA256, self.shown().as_bytes()))
    }
}

/// Controllers by id; an agency belongs to one of them.
pub type Parties = BTreeMap<AgencyId, Party>;
