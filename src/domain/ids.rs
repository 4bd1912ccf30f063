//! Ids. Words of the policy print; ids of people do not.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not an id. The text itself is not repeated: it may be personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Empty.
    #[error("is empty")]
    Empty,
    /// Longer than [`WORD_LEN_MAX`] bytes.
    #[error("is longer than {WORD_LEN_MAX} bytes")]
    TooLong,
    /// A character that no word of the vocabulary has.
    #[error("may only hold ASCII letters, digits and the characters - _ / .")]
    BadCharacter,
    /// Not the expected shape (a UUID, `category.field`).
    #[error("does not have the expected form")]
    Malformed,
}

/// The longest word, in bytes.
pub const WORD_LEN_MAX: usize = 120;

fn check_word(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > WORD_LEN_MAX {
        return Err(IdError::TooLong);
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/' | b'.');
    if text.bytes().all(plain) { Ok(()) } else { Err(IdError::BadCharacter) }
}

macro_rules! word {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The word as written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                check_word(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                check_word(&text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> String {
                word.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

word! {
    /// A partner agency; council departments are agencies of their own.
    AgencyId;
    /// A role in which a person asks.
    RoleId;
    /// A coded purpose from the closed list of the place.
    PurposeId;
    /// A data category, `group/name`.
    CategoryId;
    /// A data field, `group/name.field`.
    FieldId;
    /// A row of the rule book.
    RuleId;
    /// A statutory gateway.
    GatewayId;
    /// An information sharing agreement.
    AgreementId;
    /// A lawful basis or condition, such as `6-1-e` or `9-2-g`.
    BasisId;
    /// A flag on a resident, such as `sealed`.
    FlagId;
    /// A kind of override, such as `VITAL`.
    OverrideId;
    /// What the review of an override found, such as `justified`.
    OutcomeId;
    /// Why something is not given to its own resident, or not erased, such as `SAR_THIRD_PARTY`.
    ExemptionId;
    /// A notice that is shown where a consent is asked for.
    NoticeId;
    /// The reference of an assessment of capacity or competence, as its agency files it.
    AssessmentId;
    /// What was seen of somebody's authority to speak for another, such as `birth-certificate`.
    EvidenceId;
}

impl FieldId {
    /// The category part, or `None` when the text has no `.`.
    #[must_use]
    pub fn category(&self) -> Option<&str> {
        self.0.rsplit_once('.').map(|(category, _)| category)
    }
}

impl CategoryId {
    /// True when `field` names a field of this category.
    #[must_use]
    pub fn holds(&self, field: &FieldId) -> bool {
        field.category() == Some(self.as_str())
    }
}

/// A whole category or one field of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scope {
    /// All fields of the category.
    Category(CategoryId),
    /// This field only.
    Field(FieldId),
}

impl Scope {
    /// True when the scope includes `field`.
    #[must_use]
    pub fn covers(&self, field: &FieldId) -> bool {
        match self {
            Self::Category(category) => category.holds(field),
            Self::Field(only) => only == field,
        }
    }
}

impl FromStr for Scope {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.contains('.') {
            Ok(Self::Field(text.parse()?))
        } else {
            Ok(Self::Category(text.parse()?))
        }
    }
}

impl TryFrom<String> for Scope {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> String {
        match scope {
            Scope::Category(category) => category.into(),
            Scope::Field(field) => field.into(),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Category(category) => category.fmt(f),
            Self::Field(field) => field.fmt(f),
        }
    }
}

/// The hub's own, opaque id of a resident: random, never derived from a person's details.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResidentId(Uuid);

impl ResidentId {
    /// Wraps a random (version 4) UUID.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID inside, for the store and the wire.
    #[must_use]
    pub const fn uuid(&self) -> Uuid {
        self.0
    }
}

impl fmt::Debug for ResidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResidentId(..)")
    }
}

impl FromStr for ResidentId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != 36 {
            return Err(IdError::Malformed);
        }
        Uuid::parse_str(text).map(Self).map_err(|_| IdError::Malformed)
    }
}

/// A person at work, as the agency's own identity provider names them (`sub`). Opaque to the hub.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PersonId(String);

impl PersonId {
    /// The id as the identity provider wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonId(..)")
    }
}

impl FromStr for PersonId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.is_empty() {
            return Err(IdError::Empty);
        }
        if text.len() > WORD_LEN_MAX {
            return Err(IdError::TooLong);
        }
        if text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::BadCharacter)
        }
    }
}

impl TryFrom<String> for PersonId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<PersonId> for String {
    fn from(person: PersonId) -> String {
        person.0
    }
}

/// One decision, and the audit entry that carries it (UUID version 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DecisionId(Uuid);

impl DecisionId {
    /// Wraps a UUID.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID inside.
    #[must_use]
    pub const fn uuid(&self) -> Uuid {
        self.0
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for DecisionId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Uuid::parse_str(text).map(Self).map_err(|_| IdError::Malformed)
    }
}
