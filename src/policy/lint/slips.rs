//! Slips that read well: figures far from those of law and practice, duties that contradict each other, hard stops
//! that can be lifted, and a folder that promises nothing.

use super::law::bad;
use super::{Found, View};
use crate::domain::Duty;
use crate::policy::book::{Disposition, Effect, RuleBook};
use crate::policy::boxes::TooManyBoxes;
use crate::policy::load::PROMISES;

pub(super) const CODES: &[&str] = &["E48", "E49", "W46", "W47"];

/// An override that is good for longer than this is one no more.
const CEILING_HOURS: i64 = 90 * 24;
/// Agreements are reviewed yearly or so; the first review may come after two years.
const REVIEW_DAYS: i64 = 800;
/// And end after some years.
const TERM_DAYS: i64 = 11 * 366;

pub(super) fn check(view: &View<'_>, found: &mut Found) -> Result<(), TooManyBoxes> {
    let book = view.book;
    if book.promises.is_empty() {
        let message = "holds no promise: nothing is proved of this folder. Write what must never be \
                       possible, and what must always be.";
        found.add("E48", (PROMISES, 0), PROMISES, String::new(), message.to_owned());
    }
    figures(book, found);
    for rule in &book.rules {
        if rule.duties.contains(&Duty::NotifySubject) && rule.duties.contains(&Duty::DoNotNotify) {
            let says = "has the resident told and not told. Leave one out.";
            bad(found, "E49", rule, "duties: NOTIFY_SUBJECT|DO_NOT_NOTIFY".to_owned(), says);
        }
        let code = rule.code.filter(|_| rule.effect == Effect::Deny);
        let Some((code, meaning)) = code.and_then(|code| Some((code, book.codes.get(&code)?)))
        else {
            continue;
        };
        let yields = meaning.lifted_by_override || meaning.disposition == Disposition::Referred;
        if yields {
            let says = format!(
                "is a hard stop, and its code {} says that an override or a person can lift it. Name \
                 the code of what cannot be lifted, such as PUR_INCOMPATIBLE.",
                code.as_str()
            );
            bad(found, "W47", rule, format!("code: {}", code.as_str()), &says);
        }
    }
    Ok(())
}

/// Figures beyond which somebody should say why: those of Children Act 1989 s105, Mental Capacity Act 2005
/// s2(5) and UK GDPR Article 8, and of practice.
fn figures(book: &RuleBook, found: &mut Found) {
    const FILE: &str = "conditions.toml";
    let figures = &book.figures;
    let usual = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    for (key, value, least, most) in [
        ("adult_age", i64::from(figures.adult_age), 18, 18),
        ("own_voice_age", i64::from(figures.own_voice_age), 12, 16),
        ("parent_confidential_until_age", i64::from(figures.parent_confidential_until_age), 9, 16),
        ("digital_consent_age", i64::from(figures.digital_consent_age), 13, 16),
        ("reason_words_min", usual(figures.reason_words_min), 2, 20),
        ("ndo_hours", figures.ndo_hours, 1, 168),
        ("factors_min", i64::from(figures.factors_min), 2, 13),
        (
            "small_number_least",
            i64::try_from(figures.small_number_least).unwrap_or(i64::MAX),
            5,
            20,
        ),
        ("small_group", i64::from(figures.small_group), 1, 20),
        ("window_group", i64::from(figures.window_group), 1, 100),
        ("window_minutes", i64::from(figures.window_minutes), 5, 1_440),
    ] {
        if !(least..=most).contains(&value) {
            let message = format!(
                "{key} is usually {}. If it is meant, note it in lints.toml with the reason.",
                if least == most { least.to_string() } else { format!("from {least} to {most}") }
            );
            found.add("W46", (FILE, 0), key, format!("{key} = {value}"), message);
        }
    }
    for (id, agreement) in &book.agreements {
        let days = |to: jiff::civil::Date| to.duration_since(agreement.start).as_hours() / 24;
        for (key, day, most) in
            [("review_due", agreement.review_due, REVIEW_DAYS), ("end", agreement.end, TERM_DAYS)]
        {
            if days(day) > most {
                let message = format!(
                    "{key} is {} days after its start; {most} is long. Name an earlier day, or note it in \
                     lints.toml with the reason.",
                    days(day)
                );
                let file = format!("agreements/{id}.toml");
                found.add("W46", (&file, 0), id.as_str(), format!("{key} = {day}"), message);
            }
        }
    }
    for (id, rule) in &book.overrides {
        if rule.ceiling_hours > CEILING_HOURS {
            let message = format!(
                "{id} is good for {} hours; longer than {CEILING_HOURS} is sharing by rule and not by \
                 exception. Shorten it, or agree on it.",
                rule.ceiling_hours
            );
            let place = ("words/overrides.csv", 0);
            found.add("W46", place, id.as_str(), rule.ceiling_hours.to_string(), message);
        }
    }
}
