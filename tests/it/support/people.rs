//! Who lives and works in the place, and who holds what about whom.

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;
use weir::audit::entry::Kind;
use weir::auth::issuer::Person;
use weir::domain::{Fact, FieldValue, RecordedFact, Register, ResidentId};
use weir::policy::book::RuleBook;
use weir::store::{LocalId, Resident, ShelfRow, Store};

use super::prepared;

const fn person(
    agency: &'static str,
    person: &'static str,
    roles: &'static [&'static str],
) -> Person<'static> {
    Person { agency, person, roles }
}

/// Somebody at work in the place. All have an open account and training.
pub(crate) const NURSE: Person<'_> = person("northfield-hospital", "nurse-7", &["nurse"]);
pub(crate) const NURSE_TWO: Person<'_> = person("northfield-hospital", "nurse-8", &["nurse"]);
pub(crate) const DOCTOR: Person<'_> = person("northfield-hospital", "doctor-9", &["doctor"]);
pub(crate) const CARER: Person<'_> =
    person("northfield-council-adult-care", "social-2", &["social-worker"]);
pub(crate) const HOUSING: Person<'_> =
    person("northfield-council-housing", "housing-4", &["housing-officer"]);
pub(crate) const CHILDRENS: Person<'_> =
    person("northfield-council-childrens", "social-8", &["social-worker"]);
pub(crate) const CONSTABLE: Person<'_> =
    person("northshire-police", "officer-5", &["police-officer"]);
/// Functions of an agency's own accounts.
pub(crate) const GP_PUBLISHER: Person<'_> = person("oakdale-gp", "feed-1", &["hub-publisher"]);
pub(crate) const GP_REGISTRAR: Person<'_> = person("oakdale-gp", "desk-1", &["hub-registrar"]);
pub(crate) const GP_AUDITOR: Person<'_> = person("oakdale-gp", "auditor-1", &["hub-auditor"]);
pub(crate) const HOSPITAL_AUDITOR: Person<'_> =
    person("northfield-hospital", "auditor-2", &["hub-auditor"]);

const STAFF: &[Person<'_>] = &[NURSE, NURSE_TWO, DOCTOR, CARER, HOUSING, CHILDRENS, CONSTABLE];

/// Somebody who lives in the place.
#[derive(Clone, Copy)]
pub(crate) struct Inhabitant {
    pub(crate) id: u128,
    pub(crate) name: &'static str,
    pub(crate) born: &'static str,
    pub(crate) nhs_number: &'static str,
    pub(crate) flag: Option<&'static str>,
}

pub(crate) const AISHA: Inhabitant = Inhabitant {
    id: 0x01a0_0000_0000_4000_8000_0000_0000_0001,
    name: "Aisha Rahman",
    born: "1980-06-15",
    nhs_number: "9434765919",
    flag: None,
};
pub(crate) const BEN: Inhabitant = Inhabitant {
    id: 0x01a0_0000_0000_4000_8000_0000_0000_0002,
    name: "Ben Okafor",
    born: "2014-02-03",
    nhs_number: "9000000009",
    flag: None,
};
pub(crate) const SEALED: Inhabitant = Inhabitant {
    id: 0x01a0_0000_0000_4000_8000_0000_0000_0003,
    name: "Sorrel Hidden",
    born: "2012-01-01",
    nhs_number: "9000000017",
    flag: Some("sealed"),
};
pub(crate) const PROTECTED: Inhabitant = Inhabitant {
    id: 0x01a0_0000_0000_4000_8000_0000_0000_0004,
    name: "Petra Guarded",
    born: "2012-01-01",
    nhs_number: "9000000025",
    flag: Some("protected-person"),
};
pub(crate) const REFUGEE: Inhabitant = Inhabitant {
    id: 0x01a0_0000_0000_4000_8000_0000_0000_0005,
    name: "Grace Sheltered",
    born: "1990-03-04",
    nhs_number: "9000000033",
    flag: Some("in-refuge"),
};
/// Nobody has registered them.
pub(crate) const ABSENT: Inhabitant = Inhabitant {
    id: 0x01a0_0000_0000_4000_8000_0000_0000_0009,
    name: "Nemo Nobody",
    born: "2012-01-01",
    nhs_number: "9000000041",
    flag: None,
};

const REGISTERED: &[Inhabitant] = &[AISHA, BEN, SEALED, PROTECTED, REFUGEE];

impl Inhabitant {
    pub(crate) fn resident(self) -> ResidentId {
        ResidentId::from_uuid(Uuid::from_u128(self.id))
    }

    /// `residents/{uuid}`.
    pub(crate) fn path(self) -> String {
        format!("residents/{}", Uuid::from_u128(self.id))
    }

    /// The id that each holder has for them.
    pub(crate) fn local_id(self) -> String {
        format!("L-{}", self.nhs_number)
    }
}

/// A holder, a category, and its fields by short name with their values.
type Holding = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Who holds what about everybody who is registered.
const HELD: &[Holding] = &[
    (
        "oakdale-gp",
        "health/summary",
        &[("allergies", "penicillin"), ("medicines", "salbutamol"), ("conditions", "asthma")],
    ),
    ("oakdale-gp", "health/support", &[("mobility", "walks with a stick")]),
    ("oakdale-gp", "contact/home", &[("address", "1 Foundry Lane"), ("phone", "01632 960001")]),
    ("oakdale-gp", "identity/core", &[("name", "on file"), ("birth_date", "on file")]),
    ("northfield-council-housing", "housing/tenancy", &[("tenancy_status", "secure")]),
    ("northfield-council-adult-care", "care/assessment", &[("needs", "help with meals")]),
    ("northfield-council-childrens", "identity/core", &[("name", "on file")]),
];

/// Registers everybody, and records what is held and known of them.
pub(super) async fn people_it(store: &dyn Store, book: &RuleBook, start: Timestamp) {
    let residents = REGISTERED
        .iter()
        .map(|one| {
            let holders: BTreeSet<&str> = HELD.iter().map(|(holder, _, _)| *holder).collect();
            let local =
                |holder: &str| LocalId { agency: holder.parse().unwrap(), id: one.local_id() };
            let resident = Resident {
                id: one.resident(),
                nhs_number: Some(one.nhs_number.to_owned()),
                name: one.name.to_owned(),
                born: Some(one.born.parse().unwrap()),
                nation: "England".to_owned(),
            };
            (resident, holders.into_iter().map(local).collect())
        })
        .collect();
    store.register(residents, prepared(Kind::Hold)).await.unwrap();
    for (holder, category, values) in HELD {
        let values: Vec<_> = values
            .iter()
            .map(|(name, text)| {
                let field = format!("{category}.{name}").parse().unwrap();
                (field, FieldValue::new((*text).to_owned()).unwrap())
            })
            .collect();
        let rows = REGISTERED
            .iter()
            .map(|one| ShelfRow { local_id: one.local_id(), values: values.clone() })
            .collect();
        let (holder, category) = (holder.parse().unwrap(), category.parse().unwrap());
        store
            .shelve(
                holder,
                category,
                rows,
                (start, EXPIRES.parse().unwrap()),
                vec![prepared(Kind::Hold)],
            )
            .await
            .unwrap();
    }
    let facts = recorded(facts(book, start), start);
    store.record_facts(facts, vec![prepared(Kind::Fact)]).await.unwrap();
}

/// Facts as recorded then by the operator.
pub(crate) fn recorded(facts: Vec<Fact>, at: Timestamp) -> Vec<RecordedFact> {
    facts.into_iter().map(|fact| RecordedFact { fact, by: None, at }).collect()
}

fn facts(book: &RuleBook, start: Timestamp) -> Vec<Fact> {
    let until = Some(jiff::civil::date(2026, 12, 31));
    let mut facts: Vec<Fact> = Register::ALL
        .iter()
        .map(|register| Fact::RegisterRead { register: *register, at: start })
        .collect();
    for agency in book.agencies.keys().cloned() {
        facts.push(Fact::Agency { agency: agency.clone(), active: true });
        facts.push(Fact::PolicyDocument { agency, until });
    }
    for who in STAFF {
        facts.push(staff(*who, None));
        // Everybody who is registered is a case of everybody's: what differs is who they are.
        for one in REGISTERED {
            facts.push(relationship(*who, *one, start));
        }
    }
    for one in REGISTERED {
        facts.extend(one.flag.map(|flag| flagged(*one, flag)));
    }
    facts
}

pub(crate) fn staff(who: Person<'_>, account_ends: Option<Timestamp>) -> Fact {
    Fact::Staff {
        agency: who.agency.parse().unwrap(),
        person: who.person.parse().unwrap(),
        account_ends,
        training_until: Some(jiff::civil::date(2026, 12, 31)),
        interests_declared: Some(jiff::civil::date(2026, 4, 1)),
    }
}

pub(crate) fn relationship(who: Person<'_>, one: Inhabitant, from: Timestamp) -> Fact {
    Fact::Relationship {
        agency: who.agency.parse().unwrap(),
        person: who.person.parse().unwrap(),
        resident: one.resident(),
        from,
        until: None,
    }
}

/// A flag that a custodian has set.
pub(crate) fn flagged(one: Inhabitant, flag: &str) -> Fact {
    Fact::Flag {
        resident: one.resident(),
        flag: flag.parse().unwrap(),
        agency: "northfield-council-childrens".parse().unwrap(),
        set: true,
    }
}

/// When what the holders have published expires.
pub(crate) const EXPIRES: &str = "2027-01-01T00:00:00Z";

/// The same on the wire.
pub(crate) fn expire_time() -> Option<prost_types::Timestamp> {
    let at: jiff::Timestamp = EXPIRES.parse().unwrap();
    Some(prost_types::Timestamp { seconds: at.as_second(), nanos: 0 })
}
