//! Rows of rules, by boxes: who gains and who loses what, exactly.

use std::collections::{BTreeMap, BTreeSet};

use super::notes::Notes;
use super::{Change, Class};
use crate::domain::{Duty, FieldId, RuleId};
use crate::policy::book::{ChoiceForce, Effect, Ground, Rule, RuleBook};
use crate::policy::boxes::{Region, Sample, Space, TooManyBoxes};

/// Most samples of one change.
const SAMPLES: usize = 3;

/// What all rows together do.
pub(super) struct Found {
    pub(super) newly_allowed: u128,
    pub(super) no_longer_allowed: u128,
    pub(super) touches_patients: bool,
    pub(super) touches_places: bool,
}

/// One book's rows as regions.
struct Rows<'a> {
    book: &'a RuleBook,
    by_id: BTreeMap<&'a RuleId, &'a Rule>,
    allows: Region,
    denies: Region,
}

impl<'a> Rows<'a> {
    fn of(space: &Space, book: &'a RuleBook) -> Self {
        Self {
            book,
            by_id: book.rules.iter().map(|rule| (&rule.id, rule)).collect(),
            allows: space.rows(book, Effect::Allow),
            denies: space.rows(book, Effect::Deny),
        }
    }

    /// Of `region`, what the rows do not allow.
    fn refused(&self, region: &Region) -> Result<Region, TooManyBoxes> {
        let unspoken = region.clone().minus(&self.allows)?;
        Ok(unspoken.or(region.and(&self.denies)?))
    }
}

pub(super) fn compare(
    space: &Space,
    old: &RuleBook,
    new: &RuleBook,
    notes: &mut Notes,
) -> Result<Found, TooManyBoxes> {
    let (was, is) = (Rows::of(space, old), Rows::of(space, new));
    let same = |rule: &Rule, rows: &Rows<'_>| {
        rows.by_id.get(&rule.id).is_some_and(|other| other.cells == rule.cells)
    };
    let denies_alike = {
        let cells = |book: &RuleBook| {
            let denies = book.rules.iter().filter(|rule| rule.effect == Effect::Deny);
            denies.map(|rule| rule.cells.clone()).collect::<BTreeSet<_>>()
        };
        cells(old) == cells(new)
            && old.fields == new.fields
            && old.figures.apd_conditions == new.figures.apd_conditions
    };
    let mut gained = Region::default();
    let mut lost = Region::default();
    let mut touched = Region::default();
    let mut ids: BTreeSet<&RuleId> = was.by_id.keys().copied().collect();
    ids.extend(is.by_id.keys());
    for id in ids {
        let (before, after) = (was.by_id.get(id).copied(), is.by_id.get(id).copied());
        let unchanged = after.is_some_and(|rule| same(rule, &was)) && denies_alike;
        if unchanged {
            continue;
        }
        let gains = gain(space, after, &is, &was)?;
        let loses = gain(space, before, &was, &is)?;
        let noted = notes.changes.len();
        note(space, (before, after), (&gains, &loses), (&was, &is), notes)?;
        let new_notes = notes.changes.iter().skip(noted);
        if new_notes.clone().any(|change| change.class == Class::Widens) {
            // Whoever guards what the row is about is asked, whatever it is that widens.
            let rows = [(before, old), (after, new)];
            for (rule, book) in rows.into_iter().filter_map(|(rule, book)| Some((rule?, book))) {
                touched = touched.or(space.rule(book, rule));
            }
        }
        gained = gained.or(gains);
        lost = lost.or(loses);
    }
    let touches = |pick: fn(&crate::policy::book::Field) -> bool| {
        let fields: BTreeSet<FieldId> =
            new.fields.iter().filter(|(_, f)| pick(f)).map(|(id, _)| id.clone()).collect();
        touched.meets(&space.region(None, None, None, Some(&fields), &[]))
    };
    Ok(Found {
        newly_allowed: space.combinations(&gained)?,
        no_longer_allowed: space.combinations(&lost)?,
        touches_patients: touches(|field| field.cpi),
        touches_places: touches(|field| field.location),
    })
}

/// What an allow row opens under its own book and the other book keeps closed.
fn gain(
    space: &Space,
    rule: Option<&Rule>,
    own: &Rows<'_>,
    other: &Rows<'_>,
) -> Result<Region, TooManyBoxes> {
    match rule {
        Some(rule) if rule.effect == Effect::Allow => {
            let opened = space.rule(own.book, rule).minus(&own.denies)?;
            other.refused(&opened)
        }
        Some(_) | None => Ok(Region::default()),
    }
}

fn note(
    space: &Space,
    (before, after): (Option<&Rule>, Option<&Rule>),
    (gains, loses): (&Region, &Region),
    (was, is): (&Rows<'_>, &Rows<'_>),
    notes: &mut Notes,
) -> Result<(), TooManyBoxes> {
    let Some(rule) = after.or(before) else {
        return Ok(());
    };
    let place = format!("{}:{}", rule.file, rule.line);
    let what = match (before, after) {
        (None, Some(_)) => "is new".to_owned(),
        (Some(_), None) => "is gone".to_owned(),
        (Some(before), Some(after)) => cells(before, after),
        (None, None) => return Ok(()),
    };
    let mut put = |class, text: String, samples: Vec<Sample>| {
        let samples = samples.iter().map(ToString::to_string).collect();
        notes.changes.push(Change { class, place: place.clone(), text, samples });
    };
    let mut said = false;
    let id = &rule.id;
    let deny = rule.effect == Effect::Deny;
    if deny {
        // What a stop does shows in the rows that it stops.
        let (opens, closes) = stops(space, (before, after), (was, is))?;
        if !opens.is_empty() {
            let text = format!("hard stop {id} {what}; it keeps less closed");
            put(Class::Widens, text, space.samples(&opens, SAMPLES));
            said = true;
        }
        if !closes.is_empty() {
            let text = format!("hard stop {id} {what}; it closes more");
            put(Class::Narrows, text, space.samples(&closes, SAMPLES));
            said = true;
        }
        let coded =
            before.zip(after).is_some_and(|(a, b)| a.code != b.code || a.effect != b.effect);
        if coded {
            put(Class::Widens, format!("hard stop {id} {what}"), Vec::new());
            said = true;
        }
    }
    if !gains.is_empty() {
        let count = space.combinations(gains)?;
        let text = format!(
            "rule {id} {what}: {count} combination(s) of recipient, role, purpose and field newly allowed"
        );
        put(Class::Widens, text, space.samples(gains, SAMPLES));
        said = true;
    }
    if !loses.is_empty() {
        let count = space.combinations(loses)?;
        let text = format!("rule {id} {what}: {count} combination(s) no longer allowed");
        put(Class::Narrows, text, space.samples(loses, SAMPLES));
        said = true;
    }
    if let Some(after) = after.filter(|rule| rule.effect == Effect::Allow) {
        if let Some(before) = before.filter(|before| ground(before) != ground(after)) {
            let text =
                format!("rule {id} stands on another legal ground: {}", cells(before, after));
            put(Class::Widens, text, Vec::new());
            said = true;
        }
        if let Some(text) = lighter(space, after, (was, is)) {
            put(Class::Widens, text, Vec::new());
            said = true;
        }
        if before.is_some_and(|before| !owed(after).is_subset(&owed(before))) {
            put(Class::Narrows, format!("rule {id} {what}: more is owed"), Vec::new());
            said = true;
        }
    }
    let changed = before.zip(after).is_none_or(|(before, after)| before.cells != after.cells);
    if let Some(before) = before.filter(|rule| rule.effect == Effect::Allow && changed)
        && let Some(text) = left_lighter(space, before, (was, is))
    {
        put(Class::Widens, text, Vec::new());
        said = true;
    }
    if !said && !what.is_empty() {
        let who = if deny { "hard stop" } else { "rule" };
        put(Class::Rewords, format!("{who} {id} {what}"), Vec::new());
    }
    Ok(())
}

/// What a stop no longer keeps closed, and what it closes, of what rows of its book open.
fn stops(
    space: &Space,
    (before, after): (Option<&Rule>, Option<&Rule>),
    (was, is): (&Rows<'_>, &Rows<'_>),
) -> Result<(Region, Region), TooManyBoxes> {
    let region = |rule: Option<&Rule>, book| rule.map(|rule| space.rule(book, rule));
    let (held, holds) =
        (region(before, was.book).unwrap_or_default(), region(after, is.book).unwrap_or_default());
    let opens = held.clone().minus(&holds)?.and(&is.allows)?.minus(&is.denies)?;
    let closes = holds.minus(&held)?.and(&was.allows)?.minus(&was.denies)?;
    Ok((opens, closes))
}

/// What a row says that the law allows it by.
fn ground(rule: &Rule) -> impl PartialEq + use<> {
    let Rule { gateway, art6, art9, art10, ground, agreement, .. } = rule;
    (gateway.clone(), art6.clone(), art9.clone(), art10.clone(), *ground, agreement.clone())
}

/// What is owed under a row: its duties, the label, and the end that a consent brings.
fn owed(rule: &Rule) -> BTreeSet<String> {
    let mut owed = super::notes::owed(&rule.duties);
    if rule.choices.contains(&ChoiceForce::Label) {
        owed.insert("label".to_owned());
    }
    if matches!(rule.ground, Some(Ground::Consent(_))) {
        owed.insert(Duty::ExpireAt.as_str().to_owned());
    }
    owed
}

/// A row that goes, or opens less: what it opened another may open now, with less owed.
fn left_lighter(space: &Space, before: &Rule, (was, is): (&Rows<'_>, &Rows<'_>)) -> Option<String> {
    let region = space.rule(was.book, before);
    let owes = owed(before);
    is.by_id.values().filter(|other| other.id != before.id).find_map(|other| {
        let less: Vec<String> = owes.difference(&owed(other)).cloned().collect();
        let takes_over = other.effect == Effect::Allow
            && !less.is_empty()
            && space.rule(is.book, other).meets(&region);
        takes_over.then(|| {
            format!(
                "rule {} opens without {} what {} opened with it",
                other.id,
                less.join(" and "),
                before.id
            )
        })
    })
}

/// A row that opens what another opened before, with less owed: which path is taken may change.
fn lighter(space: &Space, rule: &Rule, (was, is): (&Rows<'_>, &Rows<'_>)) -> Option<String> {
    let region = space.rule(is.book, rule);
    let mine = owed(rule);
    let changed = was.by_id.get(&rule.id).is_none_or(|before| before.cells != rule.cells);
    if !changed {
        return None;
    }
    was.by_id.values().find_map(|other| {
        let less: Vec<String> = owed(other).difference(&mine).cloned().collect();
        let overlaps = other.effect == Effect::Allow
            && !less.is_empty()
            && space.rule(was.book, other).meets(&region);
        overlaps.then(|| {
            format!(
                "rule {} opens without {} what {} opened with it",
                rule.id,
                less.join(" and "),
                other.id
            )
        })
    })
}

/// The cells that differ, in words.
fn cells(before: &Rule, after: &Rule) -> String {
    let pairs = Rule::COLUMNS.iter().zip(before.cells.iter().zip(&after.cells));
    let words = |cell: &str| {
        cell.split('|').filter(|word| *word != "-").map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let differs: Vec<String> = pairs
        .filter(|(_, (old, new))| old != new)
        .map(|(column, (old, new))| {
            if *column == "because" {
                return "has another note".to_owned();
            }
            let (was, is) = (words(old), words(new));
            let list = |words: Vec<&String>| {
                words.into_iter().map(String::as_str).collect::<Vec<_>>().join(" ")
            };
            let (added, gone) =
                (list(is.difference(&was).collect()), list(was.difference(&is).collect()));
            match (added.is_empty(), gone.is_empty()) {
                (false, true) => format!("{column} now also {added}"),
                (true, false) => format!("{column} no longer {gone}"),
                (false, false) => format!("{column} {gone} -> {added}"),
                (true, true) => format!("{column} in another order"),
            }
        })
        .collect();
    differs.join("; ")
}
