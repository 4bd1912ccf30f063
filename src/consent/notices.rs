//! Which wording a yes was said to. A yes counts for what the wording asked, and for nothing that it did not.

use jiff::tz::TimeZone;

use crate::domain::{ConsentEvent, ConsentKind, Language, NoticeId, NoticeShown};
use crate::policy::book::RuleBook;

/// The wording that somebody says was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeRef {
    /// The notice.
    pub id: NoticeId,
    /// Its version.
    pub version: u32,
    /// In which language.
    pub language: Language,
}

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoticeError {
    /// None is named.
    #[error(
        "must name the wording that was shown: a notice of the policy, its version and language"
    )]
    Needed,
    /// No such notice.
    #[error("is no notice of the policy")]
    Unknown,
    /// No such version.
    #[error("is no version of this notice")]
    NoVersion,
    /// Not shown on that day.
    #[error("was not in force on the day of the event")]
    NotInForce,
    /// Not in that language.
    #[error("is no language that this version has")]
    NoLanguage,
    /// It asks for another kind.
    #[error("is not what this notice asks for")]
    OtherKind,
    /// It asks for other purposes.
    #[error("is no purpose for which this notice asks")]
    OtherPurpose,
}

/// True when an event can only be a yes to a wording. Implied consent is expected, not asked for.
#[must_use]
pub fn needs_notice(event: &ConsentEvent) -> bool {
    event.state.is_yes() && event.kind != ConsentKind::ConfidentialityImplied
}

/// The wording that was shown, with its hash; or everything that is wrong, each with the field of the event.
///
/// # Errors
/// When none is named and one is needed, or it is not one that asks for this on that day in that language.
pub fn shown(
    book: &RuleBook,
    event: &ConsentEvent,
    wanted: Option<&NoticeRef>,
    zone: &TimeZone,
) -> Result<Option<NoticeShown>, Vec<(String, NoticeError)>> {
    let one = |field: &str, error| Err(vec![(field.to_owned(), error)]);
    let Some(NoticeRef { id, version: number, language }) = wanted else {
        if needs_notice(event) {
            return one("notice", NoticeError::Needed);
        }
        return Ok(None);
    };
    let Some(notice) = book.notices.get(id) else {
        return one("notice.id", NoticeError::Unknown);
    };
    let Some(version) = notice.versions.get(number) else {
        return one("notice.version", NoticeError::NoVersion);
    };
    let mut wrong = Vec::new();
    if !version.in_force(event.at.to_zoned(zone.clone()).date()) {
        wrong.push(("notice.version".to_owned(), NoticeError::NotInForce));
    }
    if !version.kinds.contains(&event.kind) {
        wrong.push(("kind".to_owned(), NoticeError::OtherKind));
    }
    for (n, purpose) in event.purposes.iter().enumerate() {
        if !version.purposes.contains(purpose) {
            wrong.push((format!("purposes[{n}]"), NoticeError::OtherPurpose));
        }
    }
    match version.wordings.get(language) {
        Some(wording) if wrong.is_empty() => Ok(Some(NoticeShown {
            id: id.clone(),
            version: *number,
            language: *language,
            wording: wording.hash(),
        })),
        Some(_) => Err(wrong),
        None => {
            wrong.push(("notice.language".to_owned(), NoticeError::NoLanguage));
            Err(wrong)
        }
    }
}

#[cfg(test)]
mod tests;
