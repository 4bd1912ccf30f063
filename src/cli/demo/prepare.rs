//! Fills the demonstration's hub: residents, extracts, the people at work.

use std::collections::BTreeSet;
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use uuid::Uuid;

use super::place::{self, DemoPlace, DemoResident, RESIDENTS_CSV};
use crate::audit::entry::{Entry, Facet, Kind};
use crate::auth::Issuer;
use crate::auth::issuer::Person;
use crate::domain::{DecisionId, FieldValue, RecordedFact, Register, ResidentId};
use crate::policy::book::RuleBook;
use crate::store::{Fact, LocalId, Resident, ShelfRow, Store};

/// Rows that go to the shelf in one transaction.
const BATCH: usize = 1_000;

/// Who plays in the story.
pub(super) struct Cast {
    /// The resident of the story, `residents/…`.
    pub resident: String,
    /// A resident whose record is sealed.
    pub sealed: String,
    /// What preparing has to tell.
    pub told: Vec<String>,
}

impl Cast {
    pub(super) fn nurse(&self) -> Person<'static> {
        Person { agency: "northfield-hospital", person: "nurse-7", roles: &["nurse"] }
    }
}

/// Everybody at work in the story: agency, person, and whether the resident is their case.
const STAFF: [(&str, &str, bool); 7] = [
    ("northfield-hospital", "nurse-7", true),
    ("northfield-hospital", "doctor-9", false),
    ("northfield-council-adult-care", "social-2", true),
    ("northfield-council-housing", "housing-4", true),
    ("northshire-police", "officer-5", true),
    ("northfield-council-childrens", "social-8", true),
    ("oakdale-gp", "auditor-1", false),
];

/// One development issuer for each agency.
pub(in crate::cli) fn issuers(book: &RuleBook, dir: &Path) -> Vec<Issuer> {
    crate::auth::issuer::issuers(book.agencies.keys(), book.roles.keys(), dir)
}

fn entry(kind: Kind, facets: &[(Facet, String)]) -> Entry {
    let event = DecisionId::from_uuid(Uuid::now_v7());
    Entry::of_hub(event, kind, "weir demo", facets.iter().cloned().collect())
}

fn bad(error: &dyn std::fmt::Display) -> String {
    format!("the demonstration could not be prepared: {error}")
}

/// Imports the six agencies' extracts and the facts that the story rests on.
pub(super) async fn fill(
    store: &dyn Store,
    book: &RuleBook,
    now: Timestamp,
) -> Result<Cast, String> {
    let place = place::read(RESIDENTS_CSV).map_err(|e| bad(&e))?;
    let lead = lead(&place)?;
    let sealed = place.residents.first().ok_or_else(|| bad(&"nobody lives here"))?;
    register(store, &place).await?;
    let rows = shelve(store, &place, now).await?;
    let mut facts = standing(book, now);
    facts.extend(story_facts(lead, sealed, now)?);
    let count = facts.len();
    record(store, facts, now).await?;
    let l = place.linking;
    Ok(Cast {
        resident: format!("residents/{}", lead.id),
        sealed: format!("residents/{}", sealed.id),
        told: vec![
            format!(
                "Six agencies' extracts: {} rows, {} with a valid NHS number, {rows} records shelved.",
                l.rows, l.valid_numbers
            ),
            format!(
                "Pairs of rows that share a valid NHS number: {}. Of these, birth date and name agree in {}: \
                 those are linked; the other {} would have joined strangers. Residents: {}.",
                l.pairs_by_number,
                l.pairs_linked,
                l.pairs_by_number - l.pairs_linked,
                l.residents
            ),
            format!("{count} facts about staff and cases recorded."),
        ],
    })
}

/// Records facts about staff, cases and circumstances.
pub(in crate::cli) async fn record(
    store: &dyn Store,
    facts: Vec<Fact>,
    now: Timestamp,
) -> Result<(), String> {
    let kinds: BTreeSet<&str> = facts.iter().map(|fact| fact.kind().as_str()).collect();
    let kinds: Vec<&str> = kinds.into_iter().collect();
    let what = [(Facet::What, kinds.join("|"))];
    let facts = facts.into_iter().map(|fact| RecordedFact { fact, by: None, at: now }).collect();
    store.record_facts(facts, vec![entry(Kind::Fact, &what)]).await.map_err(|e| bad(&e))?;
    Ok(())
}

/// An adult whom the practice, adult care and housing all know.
fn lead(place: &DemoPlace) -> Result<&DemoResident, String> {
    let wanted = ["oakdale-gp", "northfield-council-housing", "northfield-council-adult-care"];
    let knows = |r: &DemoResident, agency: &str| r.local_ids.iter().any(|(a, _)| *a == agency);
    place
        .residents
        .iter()
        .find(|r| {
            wanted.iter().all(|agency| knows(r, agency)) && r.born.is_some_and(|b| b.year() < 2000)
        })
        .or_else(|| {
            place
                .residents
                .iter()
                .find(|r| knows(r, "oakdale-gp") && knows(r, "northfield-council-housing"))
        })
        .ok_or_else(|| bad(&"no resident is known to enough agencies"))
}

/// Registers the residents.
pub(in crate::cli) async fn register(store: &dyn Store, place: &DemoPlace) -> Result<(), String> {
    let mut residents = Vec::new();
    let mut numbers = BTreeSet::new();
    for one in &place.residents {
        let local_ids = one
            .local_ids
            .iter()
            .map(|(agency, id)| {
                Ok(LocalId { agency: agency.parse().map_err(|e| bad(&e))?, id: id.clone() })
            })
            .collect::<Result<Vec<_>, String>>()?;
        // A number that two people carry identifies neither: the second goes without.
        let nhs_number = one.nhs_number.clone().filter(|n| numbers.insert(n.clone()));
        let resident = Resident {
            id: ResidentId::from_uuid(one.id),
            nhs_number,
            name: one.name.clone(),
            born: one.born,
            nation: "England".to_owned(),
        };
        residents.push((resident, local_ids));
    }
    let count = [(Facet::Count, residents.len().to_string())];
    store.register(residents, entry(Kind::Hold, &count)).await.map_err(|e| bad(&e))?;
    Ok(())
}

/// Puts the extracts on the shelf; returns how many records.
pub(in crate::cli) async fn shelve(
    store: &dyn Store,
    place: &DemoPlace,
    now: Timestamp,
) -> Result<u64, String> {
    let total: usize = place.extracts.iter().map(|e| e.rows.len()).sum();
    let bar = ProgressBar::new(u64::try_from(total).unwrap_or_default());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} records {msg}") {
        bar.set_style(style);
    }
    let expires = now.checked_add(jiff::SignedDuration::from_hours(365 * 24));
    let expires = expires.map_err(|e| bad(&e))?;
    let mut stored = 0;
    for extract in &place.extracts {
        let category: crate::domain::CategoryId = extract.category.parse().map_err(|e| bad(&e))?;
        bar.set_message(extract.category);
        for batch in extract.rows.chunks(BATCH) {
            let rows: Vec<ShelfRow> = batch
                .iter()
                .map(|(local_id, values)| ShelfRow {
                    local_id: local_id.clone(),
                    values: extract
                        .columns
                        .iter()
                        .zip(values)
                        .filter_map(|(column, text)| {
                            let field = format!("{category}.{column}").parse().ok()?;
                            Some((field, FieldValue::new(text.clone())?))
                        })
                        .collect(),
                })
                .collect();
            let facets = [
                (Facet::What, extract.category.to_owned()),
                (Facet::Count, rows.len().to_string()),
            ];
            let holder = extract.agency.parse().map_err(|e| bad(&e))?;
            let made = entry(Kind::Hold, &facets);
            let (report, _) = store
                .shelve(holder, category.clone(), rows, (now, expires), vec![made])
                .await
                .map_err(|e| bad(&e))?;
            stored += report.stored;
            bar.inc(u64::try_from(batch.len()).unwrap_or_default());
        }
    }
    bar.finish_and_clear();
    Ok(stored)
}

/// Every agency of the sample place takes part, with a policy document, and every register is read.
pub(in crate::cli) fn standing(book: &RuleBook, now: Timestamp) -> Vec<Fact> {
    let registers = Register::ALL.iter().map(|one| Fact::RegisterRead { register: *one, at: now });
    let until = Some(jiff::civil::date(2026, 12, 31));
    let agencies = book.agencies.keys().flat_map(|agency| {
        [
            Fact::Agency { agency: agency.clone(), active: true },
            Fact::PolicyDocument { agency: agency.clone(), until },
        ]
    });
    registers.chain(agencies).collect()
}

fn story_facts(
    lead: &DemoResident,
    sealed: &DemoResident,
    now: Timestamp,
) -> Result<Vec<Fact>, String> {
    let mut facts = Vec::new();
    for (agency, person, case) in STAFF {
        let agency: crate::domain::AgencyId = agency.parse().map_err(|e| bad(&e))?;
        let person: crate::domain::PersonId = person.parse().map_err(|e| bad(&e))?;
        facts.push(Fact::Staff {
            agency: agency.clone(),
            person: person.clone(),
            account_ends: None,
            training_until: Some(jiff::civil::date(2026, 12, 31)),
            interests_declared: Some(jiff::civil::date(2026, 4, 1)),
        });
        for resident in [lead, sealed].into_iter().filter(|_| case) {
            facts.push(Fact::Relationship {
                agency: agency.clone(),
                person: person.clone(),
                resident: ResidentId::from_uuid(resident.id),
                from: now,
                until: None,
            });
        }
    }
    facts.push(Fact::Flag {
        resident: ResidentId::from_uuid(sealed.id),
        flag: "sealed".parse().map_err(|e| bad(&e))?,
        agency: "northfield-council-childrens".parse().map_err(|e| bad(&e))?,
        set: true,
    });
    Ok(facts)
}
