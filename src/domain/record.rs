//! What a holder holds: typed categories with fields. The values are somebody's life: they do not
//! print.

use std::collections::BTreeMap;
use std::fmt;

use super::FieldId;

/// A value of a field, as text. Never empty: a field that holds nothing is absent.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldValue(String);

impl FieldValue {
    /// The longest value, in bytes.
    pub const LEN_MAX: usize = 16 * 1024;

    /// Takes the text, or `None` when it is blank or longer than [`Self::LEN_MAX`].
    #[must_use]
    pub fn new(text: String) -> Option<Self> {
        (!text.trim().is_empty() && text.len() <= Self::LEN_MAX).then_some(Self(text))
    }

    /// The text, to hand to a permitted recipient or to the shelf.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FieldValue(..)")
    }
}

/// What one holder holds about one resident, in the categories that were fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Values by field; a field that holds nothing is not there.
    pub values: BTreeMap<FieldId, FieldValue>,
}
