//! Facts. What is an agency's own is about the caller's agency, whatever the message says.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each reader is handed the kinds that it reads"
)]

use jiff::Timestamp;

use super::record::{read_token, token};
use super::{Check, Violations, agency_name, receipt_message, resident_name, time_message, words};
use crate::domain::{
    AgencyId, Capacity, CourtOrder, CustodianRelease, Fact, MatchQuality, PersonId, RecordedFact,
    Register, ResidentId, Tie,
};
use crate::grpc::pb;
use crate::grpc::pb::fact::Fact as Kind;
use crate::hub::ListedFacts;
use crate::limits;
use crate::store::{FactVersion, FactsAbout};

/// Facts as a message tells them.
pub struct ToldFacts(Vec<pb::Fact>);

impl TryFrom<pb::RecordFactsRequest> for ToldFacts {
    type Error = Violations;

    fn try_from(message: pb::RecordFactsRequest) -> Result<Self, Violations> {
        let pb::RecordFactsRequest { facts, request_id: _ } = message;
        let mut check = Check::default();
        check.count("facts", facts.len(), 1, limits::FACTS_MAX);
        check.done(Some(Self(facts)))
    }
}

impl ToldFacts {
    /// The facts as `agency` tells them at `now`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of(self, agency: &AgencyId, now: Timestamp) -> Result<(Vec<Fact>, Seen), Violations> {
        let mut check = Check::default();
        let mut seen = Vec::new();
        let facts: Vec<Fact> = self
            .0
            .into_iter()
            .enumerate()
            .filter_map(|(n, fact)| {
                let mut one = One { check: &mut check, n, agency, now };
                match etag(&fact.etag) {
                    Some(Some(version)) => seen.push((n, version)),
                    Some(None) => {}
                    None => one.wrong("etag", "must be one that ListFacts gave, `none`, or empty"),
                }
                let Some(fact) = fact.fact else {
                    one.wrong("fact", "is empty");
                    return None;
                };
                one.read(fact)
            })
            .collect();
        check.done(Some((facts, seen)))
    }
}

/// The places of facts with an etag, and the version that each names; `None`: there is to be none.
type Seen = Vec<(usize, Option<FactVersion>)>;

/// What an etag asks for: nothing, no fact, or a version. `None`: it is none.
fn etag(text: &str) -> Option<Option<Option<FactVersion>>> {
    match text {
        "" => Some(None),
        "none" => Some(Some(None)),
        version => {
            let mut bytes = [0; 16];
            hex::decode_to_slice(version, &mut bytes).ok()?;
            Some(Some(Some(FactVersion::from_bytes(bytes))))
        }
    }
}

/// One fact of a message.
struct One<'a> {
    check: &'a mut Check,
    n: usize,
    agency: &'a AgencyId,
    now: Timestamp,
}

impl One<'_> {
    fn at(&self, key: &str) -> String {
        format!("facts[{}].{key}", self.n)
    }

    fn wrong(&mut self, key: &str, what: &str) {
        let at = self.at(key);
        self.check.wrong(&at, what);
    }

    fn resident(&mut self, key: &str, name: &str) -> Option<ResidentId> {
        let at = self.at(key);
        self.check.resident(&at, name)
    }

    fn person(&mut self, key: &str, person: &str) -> Option<PersonId> {
        let at = self.at(key);
        self.check.word(&at, person)
    }

    fn day(&mut self, key: &str, text: &str) -> Option<jiff::civil::Date> {
        let at = self.at(key);
        self.check.day(&at, text)
    }

    /// A day that must be there.
    fn set_day(&mut self, key: &str, text: &str) -> Option<jiff::civil::Date> {
        if text.is_empty() {
            self.wrong(key, "must be YYYY-MM-DD");
        }
        self.day(key, text)
    }

    fn time(&mut self, key: &str, time: Option<prost_types::Timestamp>) -> Option<Timestamp> {
        let at = self.at(key);
        self.check.time(&at, time)
    }

    fn tie(&mut self, key: &str, tie: i32) -> Option<Tie> {
        match pb::ConflictTie::try_from(tie) {
            Ok(pb::ConflictTie::Unspecified) => None,
            Ok(pb::ConflictTie::Household) => Some(Tie::Household),
            Ok(pb::ConflictTie::Kin) => Some(Tie::Kin),
            Ok(pb::ConflictTie::Neighbour) => Some(Tie::Neighbour),
            Ok(pb::ConflictTie::Colleague) => Some(Tie::Colleague),
            Err(_) => {
                self.wrong(key, "is no tie that this hub knows");
                None
            }
        }
    }

    fn read(&mut self, fact: Kind) -> Option<Fact> {
        match fact {
            Kind::Staff(_) | Kind::Relationship(_) | Kind::Conflict(_) => self.at_work(fact),
            Kind::Agency(_)
            | Kind::PolicyDocument(_)
            | Kind::Registered(_)
            | Kind::RegisterRead(_) => self.of_place(fact),
            Kind::Flag(pb::FlagFact { resident, flag, set }) => {
                let resident = self.resident("flag.resident", &resident);
                let at = self.at("flag.flag");
                let flag = self.check.word(&at, &flag);
                let agency = self.agency.clone();
                Some(Fact::Flag { resident: resident?, flag: flag?, agency, set })
            }
            Kind::Order(order) => self.order(order),
            Kind::Release(release) => self.release(release),
            other => self.of_resident(other),
        }
    }

    fn at_work(&mut self, fact: Kind) -> Option<Fact> {
        let agency = self.agency.clone();
        match fact {
            Kind::Staff(pb::StaffFact {
                person,
                account_end_time,
                training_until_date,
                interests_declared_date,
            }) => {
                let person = self.person("staff.person", &person);
                let account_ends = self.time("staff.account_end_time", account_end_time);
                let training_until = self.day("staff.training_until_date", &training_until_date);
                let interests_declared =
                    self.day("staff.interests_declared_date", &interests_declared_date);
                let person = person?;
                Some(Fact::Staff {
                    agency,
                    person,
                    account_ends,
                    training_until,
                    interests_declared,
                })
            }
            Kind::Relationship(pb::RelationshipFact { person, resident, start_time, end_time }) => {
                let person = self.person("relationship.person", &person);
                let resident = self.resident("relationship.resident", &resident);
                let from = self.time("relationship.start_time", start_time).unwrap_or(self.now);
                let until = self.time("relationship.end_time", end_time);
                Some(Fact::Relationship {
                    agency,
                    person: person?,
                    resident: resident?,
                    from,
                    until,
                })
            }
            Kind::Conflict(pb::ConflictFact { person, resident, is_self, conflict, tie }) => {
                let person = self.person("conflict.person", &person);
                let resident = self.resident("conflict.resident", &resident);
                let tie = self.tie("conflict.tie", tie);
                Some(Fact::Conflict {
                    agency,
                    person: person?,
                    resident: resident?,
                    is_self,
                    conflict,
                    tie,
                })
            }
            _ => None,
        }
    }

    fn of_place(&mut self, fact: Kind) -> Option<Fact> {
        match fact {
            Kind::Agency(pb::AgencyFact { agency, active }) => {
                let at = self.at("agency.agency");
                let agency = self.check.agency(&at, &agency)?;
                Some(Fact::Agency { agency, active })
            }
            Kind::PolicyDocument(pb::PolicyDocumentFact { agency, until_date }) => {
                let at = self.at("policy_document.agency");
                let agency = self.check.agency(&at, &agency);
                let until = self.day("policy_document.until_date", &until_date);
                Some(Fact::PolicyDocument { agency: agency?, until })
            }
            Kind::Registered(pb::RegisteredFact { gateway, registered }) => {
                let at = self.at("registered.gateway");
                Some(Fact::Registered { gateway: self.check.word(&at, &gateway)?, registered })
            }
            Kind::RegisterRead(pb::RegisterReadFact { register, read_time }) => {
                let at = self.at("register_read.register");
                let register = self.check.one_of(&at, &register, Register::ALL);
                let read = self.time("register_read.read_time", read_time).unwrap_or(self.now);
                Some(Fact::RegisterRead { register: register?, at: read })
            }
            _ => None,
        }
    }

    fn of_resident(&mut self, fact: Kind) -> Option<Fact> {
        match fact {
            Kind::Death(pb::DeathFact { resident, death_date }) => {
                let resident = self.resident("death.resident", &resident);
                let died = self.day("death.death_date", &death_date);
                Some(Fact::Death { resident: resident?, died })
            }
            Kind::Capacity(pb::CapacityFact { resident, capacity, assess_date }) => {
                let resident = self.resident("capacity.resident", &resident);
                let at = self.at("capacity.capacity");
                let capacity = self.check.one_of(&at, &capacity, Capacity::ALL);
                let on = self.set_day("capacity.assess_date", &assess_date);
                Some(Fact::Capacity { resident: resident?, capacity: capacity?, on: on? })
            }
            Kind::Gillick(pb::GillickFact { resident, purpose, competent, assess_date }) => {
                let resident = self.resident("gillick.resident", &resident);
                let at = self.at("gillick.purpose");
                let purpose = self.check.word(&at, &purpose);
                let on = self.set_day("gillick.assess_date", &assess_date);
                Some(Fact::Gillick { resident: resident?, purpose: purpose?, competent, on: on? })
            }
            Kind::Household(pb::HouseholdFact { resident, child, end_time }) => {
                let resident = self.resident("household.resident", &resident);
                let child = self.resident("household.child", &child);
                let until = self.time("household.end_time", end_time);
                Some(Fact::Household { resident: resident?, child: child?, until })
            }
            Kind::Factors(pb::FactorsFact { resident, count }) => Some(Fact::Factors {
                resident: self.resident("factors.resident", &resident)?,
                count,
            }),
            Kind::Match(pb::MatchFact { resident, r#match }) => {
                let resident = self.resident("match.resident", &resident);
                let at = self.at("match.match");
                let matched = self.check.one_of(&at, &r#match, MatchQuality::ALL);
                Some(Fact::Match { resident: resident?, matched: matched? })
            }
            _ => None,
        }
    }

    fn order(&mut self, order: pb::OrderFact) -> Option<Fact> {
        let pb::OrderFact {
            resident,
            reference,
            recipient,
            fields,
            start_date,
            end_date,
            sealed_copy_sha256,
        } = order;
        let resident = self.resident("order.resident", &resident);
        let at = self.at("order.reference");
        let id = self.check.local_id(&at, reference);
        let at = self.at("order.recipient");
        let to = self.check.agency(&at, &recipient);
        let at = self.at("order.fields");
        let fields = self.check.scopes(&at, &fields, 1);
        let from = self.set_day("order.start_date", &start_date);
        let until = self.set_day("order.end_date", &end_date);
        if !matches!(sealed_copy_sha256.len(), 0 | 32) {
            self.wrong("order.sealed_copy_sha256", "must have 32 bytes, or none");
        }
        let copy = (!sealed_copy_sha256.is_empty()).then(|| hex::encode(sealed_copy_sha256));
        let sealed_copy = copy.is_some();
        let order = CourtOrder { id, to: to?, fields, from: from?, until: until?, sealed_copy };
        Some(Fact::Order { resident: resident?, order, copy_sha256: copy })
    }

    fn release(&mut self, release: pb::ReleaseFact) -> Option<Fact> {
        let pb::ReleaseFact { resident, recipient, fields, until_date } = release;
        let resident = self.resident("release.resident", &resident);
        let at = self.at("release.recipient");
        let to = self.check.agency(&at, &recipient);
        let at = self.at("release.fields");
        let fields = self.check.scopes(&at, &fields, 1);
        let until = self.set_day("release.until_date", &until_date);
        let release = CustodianRelease { fields, to: to?, until: until? };
        Some(Fact::Release { resident: resident?, agency: self.agency.clone(), release })
    }
}

/// A page of facts.
pub struct FactsPage {
    resident: Option<ResidentId>,
    person: Option<PersonId>,
    key: String,
    /// At most so many.
    pub size: usize,
    /// Skip so many.
    pub skip: usize,
}

impl TryFrom<pb::ListFactsRequest> for FactsPage {
    type Error = Violations;

    fn try_from(message: pb::ListFactsRequest) -> Result<Self, Violations> {
        let pb::ListFactsRequest { resident, person, page_size, page_token } = message;
        let mut check = Check::default();
        let key = format!("{resident} {person}");
        if !resident.is_empty() && !person.is_empty() {
            check.wrong("person", "must be empty where a resident is named");
        }
        let size = check.page_size(page_size);
        let skip = read_token(&mut check, &page_token, &key).unwrap_or(0);
        let resident =
            if resident.is_empty() { None } else { check.resident("resident", &resident) };
        let person = check.maybe_word("person", &person);
        check.done(Some(Self { resident, person, key, size, skip }))
    }
}

impl FactsPage {
    /// What it is about, of the caller's agency.
    #[must_use]
    pub fn about(&self, agency: &AgencyId) -> FactsAbout {
        match (self.resident, &self.person) {
            (Some(resident), _) => FactsAbout::Resident(resident),
            (None, Some(person)) => FactsAbout::Person(agency.clone(), person.clone()),
            (None, None) => FactsAbout::Place,
        }
    }
}

/// A page of facts on the wire.
#[must_use]
pub fn facts_response(page: &FactsPage, listed: ListedFacts) -> pb::ListFactsResponse {
    let ListedFacts { facts, more, receipt } = listed;
    let next = page.skip.saturating_add(page.size);
    pb::ListFactsResponse {
        facts: facts.into_iter().map(|(fact, until)| recorded_message(fact, until)).collect(),
        next_page_token: if more { token(&next, &page.key) } else { String::new() },
        receipt: Some(receipt_message("events", &receipt)),
    }
}

fn recorded_message(recorded: RecordedFact, until: Option<Timestamp>) -> pb::RecordedFact {
    let etag = hex::encode(FactVersion::of(&recorded).bytes());
    let RecordedFact { fact, by, at } = recorded;
    pb::RecordedFact {
        fact: Some(pb::Fact { etag, fact: Some(fact_message(fact)) }),
        recorded_by: by.as_ref().map(agency_name).unwrap_or_default(),
        record_time: Some(time_message(at)),
        fresh_until_time: until.map(time_message),
    }
}

const fn tie_message(tie: Tie) -> pb::ConflictTie {
    match tie {
        Tie::Household => pb::ConflictTie::Household,
        Tie::Kin => pb::ConflictTie::Kin,
        Tie::Neighbour => pb::ConflictTie::Neighbour,
        Tie::Colleague => pb::ConflictTie::Colleague,
    }
}

fn fact_message(fact: Fact) -> Kind {
    let day = |day: Option<jiff::civil::Date>| day.map(|d| d.to_string()).unwrap_or_default();
    match fact {
        Fact::Staff { agency: _, person, account_ends, training_until, interests_declared } => {
            Kind::Staff(pb::StaffFact {
                person: person.as_str().to_owned(),
                account_end_time: account_ends.map(time_message),
                training_until_date: day(training_until),
                interests_declared_date: day(interests_declared),
            })
        }
        Fact::Relationship { agency: _, person, resident, from, until } => {
            Kind::Relationship(pb::RelationshipFact {
                person: person.as_str().to_owned(),
                resident: resident_name(resident),
                start_time: Some(time_message(from)),
                end_time: until.map(time_message),
            })
        }
        Fact::Conflict { agency: _, person, resident, is_self, conflict, tie } => {
            Kind::Conflict(pb::ConflictFact {
                person: person.as_str().to_owned(),
                resident: resident_name(resident),
                is_self,
                conflict,
                tie: tie.map_or(pb::ConflictTie::Unspecified, tie_message).into(),
            })
        }
        Fact::Flag { resident, flag, agency: _, set } => {
            Kind::Flag(pb::FlagFact { resident: resident_name(resident), flag: flag.into(), set })
        }
        Fact::Death { resident, died } => {
            Kind::Death(pb::DeathFact { resident: resident_name(resident), death_date: day(died) })
        }
        Fact::Capacity { resident, capacity, on } => Kind::Capacity(pb::CapacityFact {
            resident: resident_name(resident),
            capacity: capacity.to_string(),
            assess_date: on.to_string(),
        }),
        Fact::Gillick { resident, purpose, competent, on } => Kind::Gillick(pb::GillickFact {
            resident: resident_name(resident),
            purpose: purpose.into(),
            competent,
            assess_date: on.to_string(),
        }),
        Fact::Household { resident, child, until } => Kind::Household(pb::HouseholdFact {
            resident: resident_name(resident),
            child: resident_name(child),
            end_time: until.map(time_message),
        }),
        Fact::Factors { resident, count } => {
            Kind::Factors(pb::FactorsFact { resident: resident_name(resident), count })
        }
        Fact::Agency { agency, active } => {
            Kind::Agency(pb::AgencyFact { agency: agency_name(&agency), active })
        }
        Fact::PolicyDocument { agency, until } => Kind::PolicyDocument(pb::PolicyDocumentFact {
            agency: agency_name(&agency),
            until_date: day(until),
        }),
        Fact::Registered { gateway, registered } => {
            Kind::Registered(pb::RegisteredFact { gateway: gateway.into(), registered })
        }
        Fact::RegisterRead { register, at } => Kind::RegisterRead(pb::RegisterReadFact {
            register: register.to_string(),
            read_time: Some(time_message(at)),
        }),
        Fact::Match { resident, matched } => Kind::Match(pb::MatchFact {
            resident: resident_name(resident),
            r#match: matched.to_string(),
        }),
        Fact::Order { resident, order, copy_sha256 } => {
            let CourtOrder { id, to, fields, from, until, sealed_copy: _ } = order;
            Kind::Order(pb::OrderFact {
                resident: resident_name(resident),
                reference: id,
                recipient: agency_name(&to),
                fields: words(fields),
                start_date: from.to_string(),
                end_date: until.to_string(),
                sealed_copy_sha256: copy_sha256
                    .and_then(|c| hex::decode(c).ok())
                    .unwrap_or_default(),
            })
        }
        Fact::Release { resident, agency: _, release } => {
            let CustodianRelease { fields, to, until } = release;
            Kind::Release(pb::ReleaseFact {
                resident: resident_name(resident),
                recipient: agency_name(&to),
                fields: words(fields),
                until_date: until.to_string(),
            })
        }
    }
}
