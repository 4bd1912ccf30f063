//! `words/exemptions.csv`: why something is not given to its own resident, or not erased. A folder without it is
//! one of before, and knows no reason.

use std::collections::{BTreeMap, BTreeSet};

use super::Findings;
use super::words::{Reader, Row, Words, keys};
use crate::domain::{CategoryId, ExemptionId};
use crate::policy::book::{Exemption, ExemptionUse, Told};

/// The word for fields about others among what is left out by default.
const THIRD_PARTIES: &str = "letter:third-party";
/// Before the name of a category among what is left out by default.
const CATEGORY: &str = "category:";

pub(super) fn read(r: &mut Reader<'_>, w: &Words) -> BTreeMap<ExemptionId, Exemption> {
    if !r.has("exemptions") {
        return BTreeMap::new();
    }
    let categories = keys(&w.categories);
    let columns = ["id", "use", "by_default", "told", "law", "en", "cy"];
    let mut taken: BTreeSet<String> = BTreeSet::new();
    r.table("exemptions", &columns, |row, f| {
        let (column, cell) = row.next();
        let of = match cell {
            "access" => ExemptionUse::Access,
            "erase" => ExemptionUse::Erase,
            other => {
                let message = format!("column {column}: \"{other}\" must be access or erase.");
                row.bad("E10", message, f);
                return None;
            }
        };
        let (third_parties, left) = by_default(row, of, &categories, &mut taken, f);
        let told = row.flag(f);
        let law = row.text(f);
        let words = Told { en: row.text(f), cy: row.text(f) };
        Some(Exemption { of, third_parties, categories: left, told, law, words })
    })
}

/// What is left out unless somebody gives it. Of each thing one reason.
fn by_default(
    row: &mut Row<'_>,
    of: ExemptionUse,
    categories: &[&str],
    taken: &mut BTreeSet<String>,
    f: &mut Findings,
) -> (bool, BTreeSet<CategoryId>) {
    let (column, cell) = row.next();
    let (mut third_parties, mut left) = (false, BTreeSet::new());
    if of == ExemptionUse::Erase && !cell.is_empty() {
        row.bad("E10", format!("column {column} is empty where the use is erase."), f);
        return (false, left);
    }
    for word in cell.split('|').filter(|word| !word.is_empty()) {
        if !taken.insert(word.to_owned()) {
            row.bad("E10", format!("column {column}: \"{word}\" has a reason already."), f);
        }
        match word.strip_prefix(CATEGORY) {
            Some(name) => {
                left.extend(row.one(column, name, "words/categories.csv", categories, f));
            }
            None if word == THIRD_PARTIES => third_parties = true,
            None => {
                let message = format!(
                    "column {column}: \"{word}\" must be {THIRD_PARTIES} or {CATEGORY} and a category."
                );
                row.bad("E10", message, f);
            }
        }
    }
    (third_parties, left)
}
