//! The demonstration's residents and extracts, made from `demo/residents.csv`: who is who, which
//! agency holds what. Pure: text in, data out.

use std::collections::BTreeMap;

use jiff::civil::Date;
use uuid::Uuid;

use crate::domain::nhs_number;

/// The file, as shipped.
pub const RESIDENTS_CSV: &str = include_str!("../../../demo/residents.csv");

/// One row of an agency's extract.
#[derive(Clone, serde::Deserialize)]
struct Row {
    id: String,
    agency: String,
    nhs_number: String,
    nino: String,
    given_name: String,
    #[serde(rename = "middle_name")]
    _middle_name: String,
    surname: String,
    dob: String,
    sex: String,
    #[serde(rename = "uprn")]
    _uprn: String,
    address: String,
    postcode: String,
    email: String,
    recorded: String,
}

/// A resident of the demonstration, with each agency's own id.
#[derive(Clone)]
pub struct DemoResident {
    /// The hub's id: derived from the first row, so that two runs agree.
    pub id: Uuid,
    /// NHS number, if a valid one is known.
    pub nhs_number: Option<String>,
    /// Name.
    pub name: String,
    /// Date of birth.
    pub born: Option<Date>,
    /// (agency, local id).
    pub local_ids: Vec<(&'static str, String)>,
}

/// One agency's extract in one category: rows of (local id, values in the columns' order).
pub struct Extract {
    /// Holder.
    pub agency: &'static str,
    /// Category.
    pub category: &'static str,
    /// Short field names.
    pub columns: &'static [&'static str],
    /// Rows.
    pub rows: Vec<(String, Vec<String>)>,
}

/// What linking found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linking {
    /// Rows read.
    pub rows: usize,
    /// Rows with a valid NHS number.
    pub valid_numbers: usize,
    /// Pairs of rows that share a valid NHS number.
    pub pairs_by_number: usize,
    /// Of those, pairs in which birth date and name agree too: these are linked.
    pub pairs_linked: usize,
    /// Residents that came out.
    pub residents: usize,
}

/// The whole demonstration place.
pub struct DemoPlace {
    /// Residents.
    pub residents: Vec<DemoResident>,
    /// Extracts.
    pub extracts: Vec<Extract>,
    /// What linking found.
    pub linking: Linking,
}

fn agency_of(source: &str) -> Option<&'static str> {
    Some(match source {
        "gp" => "oakdale-gp",
        "asc" => "northfield-council-adult-care",
        "ctax" => "northfield-council-revenues",
        "housing" => "northfield-council-housing",
        "schools" => "st-annes-school",
        "charity" => "befriend",
        _ => return None,
    })
}

/// Reads the extracts and links them where the NHS number is valid *and* birth date and name agree.
///
/// # Errors
/// When the text is not the file that is shipped.
pub fn read(text: &str) -> Result<DemoPlace, csv::Error> {
    let rows: Vec<Row> =
        csv::Reader::from_reader(text.as_bytes()).deserialize().collect::<Result<_, _>>()?;
    let mut by_number: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (i, row) in rows.iter().enumerate() {
        if let Some(number) = nhs_number(&row.nhs_number) {
            by_number.entry(number).or_default().push(i);
        }
    }
    let mut linking = Linking {
        rows: rows.len(),
        valid_numbers: by_number.values().map(Vec::len).sum(),
        pairs_by_number: by_number.values().map(|all| all.len() * (all.len() - 1) / 2).sum(),
        pairs_linked: 0,
        residents: 0,
    };
    // A person is a key: the number with birth date and folded name, or the row by itself.
    let mut people: BTreeMap<(String, String, String), Vec<usize>> = BTreeMap::new();
    for (i, row) in rows.iter().enumerate() {
        let number = nhs_number(&row.nhs_number);
        let key = match (number, row.dob.is_empty()) {
            (Some(number), false) => (number, row.dob.clone(), folded(row)),
            _ => (String::new(), row.id.clone(), String::new()),
        };
        people.entry(key).or_default().push(i);
    }
    linking.pairs_linked = people.values().map(|all| all.len() * (all.len() - 1) / 2).sum();
    linking.residents = people.len();
    let residents = people
        .iter()
        .filter_map(|((number, _, _), members)| {
            let first = rows.get(*members.first()?)?;
            Some(DemoResident {
                id: demo_id(&first.id),
                nhs_number: (!number.is_empty()).then(|| number.clone()),
                name: name(first),
                born: first.dob.parse().ok(),
                local_ids: members
                    .iter()
                    .filter_map(|i| rows.get(*i))
                    .filter_map(|row| Some((agency_of(&row.agency)?, row.id.clone())))
                    .collect(),
            })
        })
        .collect();
    Ok(DemoPlace { residents, extracts: extracts(&rows), linking })
}

fn demo_id(row: &str) -> Uuid {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, row.as_bytes());
    let mut bytes = [0_u8; 16];
    for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

fn name(row: &Row) -> String {
    format!("{} {}", row.given_name, row.surname).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn folded(row: &Row) -> String {
    name(row).to_lowercase()
}

/// A stable pick for a row, so that the invented particulars are the same in every run.
fn pick<'a>(row: &Row, salt: u32, from: &[&'a str]) -> &'a str {
    let sum = row.id.bytes().fold(salt, |sum, b| sum.wrapping_mul(31).wrapping_add(u32::from(b)));
    let len = u32::try_from(from.len()).unwrap_or(1).max(1);
    let at = usize::try_from((sum >> 7) % len).unwrap_or_default();
    from.get(at).copied().unwrap_or_default()
}

const ALLERGIES: &[&str] = &["none known", "penicillin", "latex", "peanuts", "ibuprofen"];
const MEDICINES: &[&str] = &["none", "amlodipine 5 mg", "metformin 500 mg", "salbutamol inhaler"];
const CONDITIONS: &[&str] = &["none recorded", "hypertension", "type 2 diabetes", "asthma", "COPD"];
const MOBILITY: &[&str] = &["independent", "walks with a stick", "wheelchair user"];
const NEEDS: &[&str] = &["help with washing", "help with meals", "day centre twice a week"];
const TENANCY: &[&str] = &["secure", "introductory", "assured", "temporary accommodation"];
const ATTENDANCE: &[&str] = &["97 %", "92 %", "84 %", "71 %"];
const DISCOUNT: &[&str] = &["none", "single person", "student", "council tax support"];

type Maker = fn(&Row) -> Vec<String>;

/// Which agency's rows become which category, and how.
const MAKERS: &[(&str, &str, &[&str], Maker)] = &[
    ("gp", "health/summary", &["allergies", "medicines", "conditions"], |r| {
        [pick(r, 1, ALLERGIES), pick(r, 2, MEDICINES), pick(r, 3, CONDITIONS)]
            .map(str::to_owned)
            .to_vec()
    }),
    ("gp", "health/support", &["support_needs_summary", "mobility", "smoking"], |r| {
        let mobility = pick(r, 4, MOBILITY);
        let smoking = pick(r, 5, &["no", "yes", "stopped"]);
        vec![
            format!("mobility: {mobility}; sex: {}", r.sex),
            mobility.to_owned(),
            smoking.to_owned(),
        ]
    }),
    ("asc", "care/assessment", &["needs", "care_plan"], |r| {
        vec![pick(r, 6, NEEDS).to_owned(), format!("reviewed {}", r.recorded)]
    }),
    ("housing", "housing/tenancy", &["tenancy_status", "start_date"], |r| {
        vec![pick(r, 7, TENANCY).to_owned(), r.recorded.clone()]
    }),
    ("schools", "education/record", &["attendance", "exclusions"], |r| {
        vec![pick(r, 8, ATTENDANCE).to_owned(), pick(r, 9, &["none", "1 fixed term"]).to_owned()]
    }),
    ("ctax", "council-tax/account", &["liable_name", "liable_contact", "discount"], |r| {
        vec![name(r), home(r), pick(r, 10, DISCOUNT).to_owned()]
    }),
];

fn home(row: &Row) -> String {
    format!("{}, {}", row.address, row.postcode).trim_matches([',', ' ']).to_owned()
}

fn extracts(rows: &[Row]) -> Vec<Extract> {
    let mut out = Vec::new();
    for source in ["gp", "asc", "housing", "schools", "ctax", "charity"] {
        let Some(agency) = agency_of(source) else {
            continue;
        };
        let own: Vec<&Row> = rows.iter().filter(|row| row.agency == source).collect();
        let mut add = |category, columns, make: &dyn Fn(&Row) -> Vec<String>| {
            let rows = own.iter().map(|row| (row.id.clone(), make(row))).collect();
            out.push(Extract { agency, category, columns, rows });
        };
        add("identity/core", &["name", "birth_date"], &|r| vec![name(r), r.dob.clone()]);
        add("contact/home", &["address", "email"], &|r| vec![home(r), r.email.clone()]);
        if matches!(source, "gp" | "asc") {
            add("identity/numbers", &["nhs_number", "ni_number"], &|r| {
                vec![nhs_number(&r.nhs_number).unwrap_or_default(), r.nino.clone()]
            });
        }
        for (from, category, columns, make) in MAKERS {
            if *from == source {
                add(category, columns, make);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{RESIDENTS_CSV, read};

    #[test]
    fn the_shipped_file_links_with_care() {
        let place = read(RESIDENTS_CSV).unwrap();
        assert_eq!(place.linking.rows, 7_552);
        assert!(place.linking.pairs_linked > 0);
        assert!(
            place.linking.pairs_linked < place.linking.pairs_by_number,
            "the NHS number alone joins strangers"
        );
        assert_eq!(place.residents.len(), place.linking.residents);
        let links: usize = place.residents.iter().map(|r| r.local_ids.len()).sum();
        assert_eq!(links, 7_552, "every row belongs to exactly one resident");
        assert!(
            place.extracts.iter().all(|e| e.rows.iter().all(|(_, v)| v.len() == e.columns.len()))
        );
    }
}
