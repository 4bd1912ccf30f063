//! Who asks whom for what: each resident of the place is on the caseload of somebody at work who has
//! a reason to ask the agency that knows them.

use std::sync::Arc;

use tonic::metadata::MetadataValue;

use super::load::Question;
use crate::auth::issuer::{DevelopmentIssuer, Person};
use crate::clock::SharedClock;
use crate::domain::{Register, ResidentId};
use crate::grpc::pb;
use crate::store::{Fact, Store};

use super::super::demo::place::{self, RESIDENTS_CSV};
use super::super::demo::prepare;

/// People in one role at one agency, and what they ask a holder for.
struct Trade {
    holder: &'static str,
    agency: &'static str,
    role: &'static str,
    purpose: &'static str,
    fields: &'static [&'static str],
    threshold: &'static str,
}

/// A resident's trade is the first whose holder knows them. What the last one asks is refused.
const TRADES: &[Trade] = &[
    Trade {
        holder: "oakdale-gp",
        agency: "northfield-hospital",
        role: "nurse",
        purpose: "direct_care",
        fields: &["identity/core.name", "health/summary", "health/support.mobility"],
        threshold: "",
    },
    Trade {
        holder: "northfield-council-adult-care",
        agency: "oakdale-gp",
        role: "gp",
        purpose: "direct_care",
        fields: &["identity/core", "contact/home", "care/assessment.needs"],
        threshold: "",
    },
    Trade {
        holder: "st-annes-school",
        agency: "northfield-council-childrens",
        role: "social-worker",
        purpose: "child_protection",
        fields: &["identity/core", "education/record.attendance"],
        threshold: "reasonable cause to suspect significant harm",
    },
    Trade {
        holder: "northfield-council-housing",
        agency: "northfield-council-community-safety",
        role: "asb-officer",
        purpose: "asb_enforcement",
        fields: &["identity/core", "contact/home.address", "housing/tenancy.tenancy_status"],
        threshold: "",
    },
    Trade {
        holder: "northfield-council-revenues",
        agency: "northfield-council-housing",
        role: "housing-officer",
        purpose: "empty_homes",
        fields: &["council-tax/account.liable_name", "council-tax/account.liable_contact"],
        threshold: "",
    },
    Trade {
        holder: "befriend",
        agency: "northfield-council-housing",
        role: "housing-officer",
        purpose: "tenancy_management",
        fields: &["identity/core", "contact/home"],
        threshold: "",
    },
];

/// Somebody at work with their caseload.
struct Asker {
    trade: &'static Trade,
    person: String,
    caseload: Vec<ResidentId>,
}

/// Everybody who asks.
pub(super) struct Crowd {
    askers: Vec<Asker>,
    issuer: DevelopmentIssuer,
    clock: SharedClock,
}

impl Crowd {
    /// Fills `store` with the place, its staff and their caseloads of `caseload` residents: as many
    /// as one person may ask about before the policy calls it bulk.
    pub(super) async fn settle(
        store: &dyn Store,
        issuer: DevelopmentIssuer,
        clock: SharedClock,
        caseload: usize,
    ) -> Result<Self, String> {
        let place = place::read(RESIDENTS_CSV).map_err(|e| e.to_string())?;
        prepare::register(store, &place).await?;
        prepare::shelve(store, &place, clock.now()).await?;
        let mut askers = Vec::new();
        for (at, trade) in TRADES.iter().enumerate() {
            let residents: Vec<ResidentId> = place
                .residents
                .iter()
                .filter(|resident| trade_of(resident) == Some(at))
                .map(|resident| ResidentId::from_uuid(resident.id))
                .collect();
            for caseload in residents.chunks(caseload) {
                let person = format!("worker-{}", askers.len());
                askers.push(Asker { trade, person, caseload: caseload.to_vec() });
            }
        }
        let crowd = Self { askers, issuer, clock };
        prepare::record(store, crowd.facts()?, crowd.clock.now()).await?;
        Ok(crowd)
    }

    /// Residents asked about.
    pub(super) fn residents(&self) -> usize {
        self.askers.iter().map(|asker| asker.caseload.len()).sum()
    }

    /// People who ask.
    pub(super) fn askers(&self) -> usize {
        self.askers.len()
    }

    fn facts(&self) -> Result<Vec<Fact>, String> {
        let now = self.clock.now();
        let good = jiff::civil::date(2099, 12, 31);
        let mut facts: Vec<Fact> = Register::ALL
            .iter()
            .map(|register| Fact::RegisterRead { register: *register, at: now })
            .collect();
        for agency in TRADES.iter().flat_map(|trade| [trade.agency, trade.holder]) {
            let agency: crate::domain::AgencyId =
                agency.parse().map_err(|_| format!("{agency} is no agency"))?;
            facts.push(Fact::Agency { agency: agency.clone(), active: true });
            facts.push(Fact::PolicyDocument { agency, until: Some(good) });
        }
        for asker in &self.askers {
            let agency: crate::domain::AgencyId =
                asker.trade.agency.parse().map_err(|_| "an agency has no name".to_owned())?;
            let person: crate::domain::PersonId =
                asker.person.parse().map_err(|_| "a person has no name".to_owned())?;
            facts.push(Fact::Staff {
                agency: agency.clone(),
                person: person.clone(),
                account_ends: None,
                training_until: Some(good),
                interests_declared: Some(now.to_zoned(jiff::tz::TimeZone::UTC).date()),
            });
            facts.extend(asker.caseload.iter().map(|resident| Fact::Relationship {
                agency: agency.clone(),
                person: person.clone(),
                resident: *resident,
                from: now,
                until: None,
            }));
        }
        Ok(facts)
    }

    /// One question for each resident, with fresh tokens.
    pub(super) fn questions(&self) -> Result<Arc<[Question]>, String> {
        let mut questions = Vec::new();
        for asker in &self.askers {
            let Trade { holder, agency, role, purpose, fields, threshold } = asker.trade;
            let person = Person { agency, person: &asker.person, roles: &[role] };
            let token = self
                .issuer
                .token(person, self.clock.now(), 15)
                .map_err(|e| format!("the issuer: {e}"))?;
            let token: MetadataValue<_> =
                format!("Bearer {token}").parse().map_err(|_| "a token is no header".to_owned())?;
            questions.extend(asker.caseload.iter().map(|resident| Question {
                message: pb::RequestRecordsRequest {
                    residents: vec![format!("residents/{}", resident.uuid())],
                    holders: vec![format!("agencies/{holder}")],
                    purpose: (*purpose).to_owned(),
                    fields: fields.iter().map(|field| (*field).to_owned()).collect(),
                    reason: "Preparing tomorrow's visit to the resident".to_owned(),
                    case_reference: "CASE-2026-118".to_owned(),
                    threshold_statement: (*threshold).to_owned(),
                    ..pb::RequestRecordsRequest::default()
                },
                token: Some(token.clone()),
            }));
        }
        Ok(questions.into())
    }
}

fn trade_of(resident: &place::DemoResident) -> Option<usize> {
    let knows = |holder: &str| resident.local_ids.iter().any(|(agency, _)| *agency == holder);
    TRADES.iter().position(|trade| knows(trade.holder))
}

/// The same questions from nobody.
pub(super) fn without_tokens(questions: &[Question]) -> Arc<[Question]> {
    questions.iter().map(|q| Question { message: q.message.clone(), token: None }).collect()
}
