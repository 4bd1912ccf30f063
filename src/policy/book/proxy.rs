//! Who may speak for a resident beside themselves, and for what.

use std::collections::BTreeSet;

use super::Figures;
use crate::domain::EvidenceId;

/// When a proxy of a kind agrees for the resident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProxyVoice {
    /// Never.
    Never,
    /// For a child, until the child's own voice counts; from `parent_confidential_until_age` on not for special
    /// or confidential fields.
    UntilOwnVoice,
    /// While the resident, whose own voice would count, lacks capacity.
    WhileLacking,
    /// While the resident has no capacity that is beyond doubt, and only for the groups of
    /// `attorney_pf_groups`.
    WhileUnable,
}

impl ProxyVoice {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Never, Self::UntilOwnVoice, Self::WhileLacking, Self::WhileUnable];

    /// The word in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::UntilOwnVoice => "until-own-voice",
            Self::WhileLacking => "while-lacking",
            Self::WhileUnable => "while-unable",
        }
    }
}

/// A birthday of the resident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyAge {
    /// `own_voice_age` of `conditions.toml`.
    OwnVoice,
    /// `adult_age` of `conditions.toml`.
    Adult,
    /// So many years.
    Years(i16),
}

impl ProxyAge {
    /// In years.
    #[must_use]
    pub const fn years(self, figures: &Figures) -> i16 {
        match self {
            Self::OwnVoice => figures.own_voice_age,
            Self::Adult => figures.adult_age,
            Self::Years(years) => years,
        }
    }
}

/// One line of `words/proxies.csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyRule {
    /// What proves the authority; one of them was seen.
    pub evidence: BTreeSet<EvidenceId>,
    /// When they agree for the resident.
    pub voice: ProxyVoice,
    /// They may act at a portal.
    pub portal: bool,
    /// They may file what the resident may ask of agencies.
    pub requests: bool,
    /// Nothing before this birthday of the resident.
    pub from_age: Option<ProxyAge>,
    /// Nothing from this birthday of the resident on.
    pub until_age: Option<ProxyAge>,
    /// In words.
    pub meaning: String,
}
