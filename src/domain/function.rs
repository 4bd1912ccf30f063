//! What a caller may do at the hub besides asking in a role.

/// What a caller may do at the hub besides asking in a role.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum HubFunction {
    /// Publishes the agency's records.
    Publisher,
    /// Registers residents and links local ids.
    Registrar,
    /// Reads the audit log.
    Auditor,
    /// Runs the hub.
    Operator,
    /// Keeps the agency's staff accounts: training, declarations, leavers.
    StaffManager,
    /// Allocates cases: who works with whom.
    CaseAllocator,
    /// Keeps flags, seals and what of a hidden location may be let out.
    Custodian,
    /// Sits on the hub board: admits and suspends agencies, keeps registers and policy documents.
    Board,
    /// Enters what another register holds: deaths, opt-outs, households, factors.
    RegisterClerk,
    /// Enters assessments of capacity and of Gillick competence.
    Assessor,
    /// Enters orders of courts.
    CourtOfficer,
    /// Decides objections, lifts restrictions, finds consents invalid.
    PrivacyOfficer,
    /// Answers what residents ask for, and settles what of the log they see.
    RightsOfficer,
    /// Acts for one resident who is logged in at a portal, and for nobody else.
    ResidentPortal,
    /// Hears for its agency what became of data that the agency gave or got.
    NoticeReader,
}

impl HubFunction {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Publisher,
        Self::Registrar,
        Self::Auditor,
        Self::Operator,
        Self::StaffManager,
        Self::CaseAllocator,
        Self::Custodian,
        Self::Board,
        Self::RegisterClerk,
        Self::Assessor,
        Self::CourtOfficer,
        Self::PrivacyOfficer,
        Self::RightsOfficer,
        Self::ResidentPortal,
        Self::NoticeReader,
    ];

    /// The word in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publisher => "publisher",
            Self::Registrar => "registrar",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
            Self::StaffManager => "staff-manager",
            Self::CaseAllocator => "case-allocator",
            Self::Custodian => "custodian",
            Self::Board => "board",
            Self::RegisterClerk => "register-clerk",
            Self::Assessor => "assessor",
            Self::CourtOfficer => "court-officer",
            Self::PrivacyOfficer => "privacy-officer",
            Self::RightsOfficer => "rights-officer",
            Self::ResidentPortal => "resident-portal",
            Self::NoticeReader => "notice-reader",
        }
    }
}

impl std::fmt::Display for HubFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for HubFunction {
    type Err = super::IdError;
    fn from_str(text: &str) -> Result<Self, super::IdError> {
        let found = Self::ALL.into_iter().find(|function| function.as_str() == text);
        found.ok_or(super::IdError::Malformed)
    }
}
