//! Brings a hub into the state that a case gives, through public calls by those who may, and asks.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use prost_types::Timestamp as WireTime;
use tonic::Status;
use weir::auth::issuer::Person;
use weir::domain::{
    Answer, Approver, Capacity, Choice, ChoiceKind, ConsentEvent, ConsentKind, ConsentState, Giver,
    MatchQuality, ObjectionState, Scope,
};
use weir::grpc::pb;
use weir::policy::scenario::Case;

use crate::support::{Place, shown};

/// Why a hub cannot be brought into the state of a case.
pub(super) struct Impossible(pub(super) String);

impl From<Status> for Impossible {
    fn from(status: Status) -> Self {
        use tonic_types::StatusExt;
        let details = status.get_error_details();
        let fields: Vec<String> = details
            .bad_request()
            .map(|b| {
                let all = b.field_violations.iter();
                all.map(|v| format!("{} {}", v.field, v.description)).collect()
            })
            .unwrap_or_default();
        let reason = details.error_info().map(|i| i.reason.clone()).unwrap_or_default();
        Self(format!("{:?} {reason} {fields:?}", status.code()))
    }
}

type Done<T> = Result<T, Impossible>;

const BOARD: Person<'_> = Person {
    agency: "northfield-council-adult-care",
    person: "board-1",
    roles: &["hub-board", "hub-register-clerk"],
};
/// Keeps flags and seals, and lets location fields out.
const CUSTODIAN: Person<'_> = Person {
    agency: "northfield-council-childrens",
    person: "custodian-1",
    roles: &["hub-custodian", "hub-case-allocator"],
};
const CLERK: Person<'_> = Person {
    agency: "northfield-hospital",
    person: "clerk-1",
    roles: &["hub-register-clerk", "hub-assessor", "hub-registrar", "hub-court-officer"],
};
const FAMILIES: Person<'_> = Person {
    agency: "northfield-council-early-help",
    person: "clerk-2",
    roles: &["hub-register-clerk"],
};
/// Writes down what residents say.
const FRONT: Person<'_> = Person {
    agency: "northfield-council-adult-care",
    person: "front-1",
    roles: &["social-worker", "hub-privacy-officer"],
};

fn wire(at: Timestamp) -> WireTime {
    weir::grpc::convert::time_message(at)
}

fn day(day: Option<Date>) -> String {
    day.map(|d| d.to_string()).unwrap_or_default()
}

fn fact(kind: pb::fact::Fact) -> pb::Fact {
    pb::Fact { etag: String::new(), fact: Some(kind) }
}

/// The wording of the folder that asks for everything; implied consent is not asked for.
fn notice(kind: ConsentKind) -> Option<pb::NoticeShown> {
    (kind != ConsentKind::ConfidentialityImplied).then(|| shown(super::files::NOTICE)).flatten()
}

fn scopes(scopes: &Option<Vec<Scope>>) -> Vec<String> {
    scopes.iter().flatten().map(ToString::to_string).collect()
}

/// A sound NHS number, another for each `n`.
fn nhs_number(n: usize) -> String {
    let sound = (0..10).find_map(|check| weir::domain::nhs_number(&format!("{:09}{check}", 2 * n)));
    let other =
        (0..10).find_map(|check| weir::domain::nhs_number(&format!("{:09}{check}", 2 * n + 1)));
    sound.or(other).unwrap()
}

/// What a case is answered.
pub(super) enum Told {
    /// With a decision.
    Answer(Box<pb::Answer>),
    /// By LocateRecords: whether the holder is told of.
    Located(bool),
}

/// The question is who knows the resident: it has a call of its own.
fn is_rung(case: &Case) -> bool {
    case.ask.fields.iter().any(|asked| asked.0.to_string().starts_with("involvement/"))
}

/// A hub that is brought from case to case.
pub(super) struct Set<'p> {
    place: &'p Place,
    agencies: Vec<String>,
    /// Counts cases, so that nobody in one is somebody in another.
    n: usize,
    /// What was last recorded of agencies, gateways and registers.
    stands: std::sync::Mutex<Option<Vec<pb::fact::Fact>>>,
}

impl<'p> Set<'p> {
    pub(super) async fn up(place: &'p Place) -> Self {
        let policy = place.app.hub.policy().unwrap();
        let agencies = policy.book().agencies.keys().map(ToString::to_string).collect();
        Self { place, agencies, n: 0, stands: std::sync::Mutex::default() }
    }

    async fn record(&self, who: Person<'_>, facts: Vec<pb::fact::Fact>) -> Done<()> {
        if facts.is_empty() {
            return Ok(());
        }
        let facts = facts.into_iter().map(fact).collect();
        let message = pb::RecordFactsRequest { facts, request_id: String::new() };
        self.place.facts().record_facts(self.place.from(who, message)).await?;
        Ok(())
    }

    /// Runs `later` of what is set at the latest of the times that it speaks of, and not before the ask.
    fn clock(&self, at: Timestamp) {
        self.place.clock.set(at);
    }

    /// The latest of the days and the ask.
    fn not_before(&self, case: &Case, day: Date) -> Timestamp {
        let zone = self.place.app.hub.policy().unwrap().book().place.zone.clone();
        let start = day.to_zoned(zone).map(|z| z.timestamp()).unwrap_or(case.at);
        case.at.max(start)
    }

    pub(super) async fn ask(&mut self, case: &Case) -> Done<Told> {
        self.n += 1;
        self.clock(case.at);
        self.standing(case, false).await?;
        let resident = self.resident(case).await?;
        let name = format!("residents/{resident}");
        self.publish(case, &name).await?;
        self.checked(case).await?;
        // Of nobody nothing can be said, and the answer is the same.
        if case.facts.resident.matched != MatchQuality::None {
            self.said(case, &name).await?;
        }
        self.about(case, &name).await?;
        self.at_work(case, &name).await?;
        self.clock(case.at);
        self.standing(case, true).await?;
        let answer = self.question(case, &name).await;
        // The next case begins with everybody taking part.
        self.clock(case.at);
        answer
    }

    /// What stands of agencies, gateways and registers: as given, or everybody taking part.
    async fn standing(&self, case: &Case, as_given: bool) -> Done<()> {
        let facts = &case.facts;
        let mut out = Vec::new();
        for agency in &self.agencies {
            let suspended = as_given && facts.suspended.iter().any(|a| a.as_str() == agency);
            let lapsed = as_given && facts.apd_lapsed.iter().any(|a| a.as_str() == agency);
            let name = format!("agencies/{agency}");
            out.push(pb::fact::Fact::Agency(pb::AgencyFact {
                agency: name.clone(),
                active: !suspended,
            }));
            out.push(pb::fact::Fact::PolicyDocument(pb::PolicyDocumentFact {
                agency: name,
                until_date: if lapsed { String::new() } else { "2099-12-31".to_owned() },
            }));
        }
        let known = |agency: &str| self.agencies.iter().any(|a| a == agency);
        if !facts.suspended.iter().chain(&facts.apd_lapsed).all(|a| known(a.as_str())) {
            return Err(Impossible("an agency that no list has cannot be suspended".to_owned()));
        }
        for gateway in ["DEA-35", "DEA-56"] {
            out.push(pb::fact::Fact::Registered(pb::RegisteredFact {
                gateway: gateway.to_owned(),
                registered: facts.registered.iter().any(|g| g.as_str() == gateway),
            }));
        }
        for register in ["flags", "deaths"] {
            out.push(pb::fact::Fact::RegisterRead(pb::RegisterReadFact {
                register: register.to_owned(),
                read_time: Some(wire(case.at)),
            }));
        }
        if self.stands.lock().unwrap().as_ref() == Some(&out) {
            return Ok(());
        }
        *self.stands.lock().unwrap() = None;
        // The board's own agency goes last, and first it is let in again.
        let board = pb::fact::Fact::Agency(pb::AgencyFact {
            agency: format!("agencies/{}", BOARD.agency),
            active: true,
        });
        self.record(BOARD, vec![board]).await?;
        self.record(BOARD, out.clone()).await?;
        *self.stands.lock().unwrap() = Some(out);
        Ok(())
    }

    async fn resident(&self, case: &Case) -> Done<uuid::Uuid> {
        let about = &case.facts.resident;
        if about.matched == MatchQuality::None {
            return Ok(uuid::Uuid::new_v4());
        }
        let message = pb::RegisterResidentRequest {
            name: format!("Somebody {}", self.n),
            birth_date: day(about.born),
            nation: about.nation.clone(),
            nhs_number: nhs_number(self.n),
            local_id: format!("S-{}", self.n),
            ..Default::default()
        };
        let made =
            self.place.residents().register_resident(self.place.from(CLERK, message)).await?;
        Ok(made.into_inner().resident.trim_start_matches("residents/").parse().unwrap())
    }

    /// The holder holds something in every field of the categories that are asked for.
    async fn publish(&self, case: &Case, resident: &str) -> Done<()> {
        let holder = case.ask.from.as_str();
        if case.facts.resident.matched == MatchQuality::None
            || !self.agencies.iter().any(|a| a == holder)
        {
            return Ok(());
        }
        let local_id = format!("H-{}", self.n);
        let keeper = Person {
            agency: holder,
            person: "keeper-1",
            roles: &["hub-registrar", "hub-publisher"],
        };
        let link = pb::LinkIdentityRequest {
            resident: resident.to_owned(),
            local_id: local_id.clone(),
            request_id: String::new(),
        };
        self.place.residents().link_identity(self.place.from(keeper, link)).await?;
        let policy = self.place.app.hub.policy().unwrap();
        let categories: BTreeSet<_> = case
            .ask
            .fields
            .iter()
            .filter_map(|asked| match &asked.0 {
                Scope::Category(category) => Some(category.clone()),
                Scope::Field(field) => policy.book().fields.get(field).map(|f| f.category.clone()),
            })
            .collect();
        for category in categories.into_iter().filter(|_| !is_rung(case)) {
            let Some(known) = policy.book().categories.get(&category) else { continue };
            let expires = case.at + SignedDuration::from_hours(24 * 30);
            let header = pb::PublishHeader {
                category: category.to_string(),
                expire_time: Some(wire(expires)),
                request_id: String::new(),
            };
            let values = known
                .fields
                .iter()
                .enumerate()
                .map(|(n, f)| pb::FieldText {
                    field: f.to_string(),
                    // Each says something else: what is withheld is taken out of the others. And each is
                    // a table of counts, so that one that should be is.
                    text: format!("{}-{n}={}", category.as_str().replace('/', "-"), 100 + n),
                    labels: Vec::new(),
                })
                .collect();
            let row = pb::PublishRow { local_id: local_id.clone(), values };
            let pieces = [
                pb::publish_records_request::Part::Header(header),
                pb::publish_records_request::Part::Row(row),
            ];
            let pieces = pieces.map(|part| pb::PublishRecordsRequest { part: Some(part) });
            let stream = self.place.from(keeper, tokio_stream::iter(pieces));
            self.place.records().publish_records(stream).await?;
        }
        Ok(())
    }

    /// The National Data Opt-out service is asked when the case says so, and answers as the case says.
    async fn checked(&self, case: &Case) -> Done<()> {
        let facts = &case.facts;
        let Some(at) = facts.ndo_checked_at else { return Ok(()) };
        if facts.resident.matched == MatchQuality::None {
            return Ok(());
        }
        let policy = self.place.app.hub.policy().unwrap();
        let (zone, figures) = (policy.book().place.zone.clone(), &policy.book().figures);
        let today = case.at.to_zoned(zone).date();
        let out = facts.choices.iter().any(|choice| {
            choice.kind == ChoiceKind::Ndo
                && choice.on <= today
                && choice.lifted.is_none_or(|lifted| case.at < lifted)
        });
        let age = case.at.duration_since(at);
        let stale = age > SignedDuration::from_hours(figures.ndo_hours);
        if out && stale && case.ask.purpose.as_str() == "service_planning" {
            return Err(Impossible("what a check found is forgotten with it".to_owned()));
        }
        self.clock(at);
        let begin = pb::BeginOptOutCheckRequest::default();
        let begun = self.place.facts().begin_opt_out_check(self.place.from(CLERK, begin)).await?;
        let begun = begun.into_inner();
        let number = nhs_number(self.n);
        assert!(begun.nhs_numbers.contains(&number));
        let answer = pb::ApplyOptOutCheckRequest {
            reference: begun.reference,
            not_opted_out: if out { Vec::new() } else { vec![number] },
            request_id: String::new(),
        };
        self.place.facts().apply_opt_out_check(self.place.from(CLERK, answer)).await?;
        self.clock(case.at);
        Ok(())
    }

    /// What the resident said: consents and choices.
    async fn said(&self, case: &Case, resident: &str) -> Done<()> {
        let staff = pb::fact::Fact::Staff(pb::StaffFact {
            person: FRONT.person.to_owned(),
            account_end_time: None,
            training_until_date: "2099-12-31".to_owned(),
            interests_declared_date: day(Some(case.at.to_zoned(jiff::tz::TimeZone::UTC).date())),
        });
        let manager = Person { person: "manager-1", roles: &["hub-staff-manager"], ..FRONT };
        if case.facts.consents.is_empty() && case.facts.choices.is_empty() {
            return Ok(());
        }
        self.record(manager, vec![staff]).await?;
        let proxies = self.proxies(case, resident).await?;
        for consent in &case.facts.consents {
            self.clock(case.at.max(consent.at));
            self.consent(consent, resident, &proxies).await?;
        }
        for choice in &case.facts.choices {
            self.choice(case, choice, resident).await?;
        }
        self.clock(case.at);
        Ok(())
    }

    /// Puts on record whoever speaks for the resident with evidence: one of each kind, since its first word. Whose
    /// authority is over is not put on record, and their word counts for nothing then.
    async fn proxies(&self, case: &Case, resident: &str) -> Done<BTreeMap<Giver, String>> {
        let mut first: BTreeMap<Giver, Timestamp> = BTreeMap::new();
        for said in case.facts.consents.iter().filter(|c| c.by != Giver::Own && c.evidence) {
            let at = first.entry(said.by).or_insert(said.at);
            *at = (*at).min(said.at);
        }
        let mut granted = BTreeMap::new();
        for (kind, since) in first {
            let evidence = match kind {
                Giver::Parent => "birth-certificate",
                Giver::AttorneyHw | Giver::AttorneyPf => "registered-lpa",
                Giver::DeputyHw => "court-order",
                Giver::Appointee => "dwp-appointment",
                Giver::Advocate | Giver::Own => "written-authority",
            };
            // A word that is taken back was said a second before.
            let since = since - SignedDuration::from_secs(1);
            let zone = self.place.app.hub.policy().unwrap().book().place.zone.clone();
            let proxy = pb::Proxy {
                kind: kind.to_string(),
                person_name: "Somebody Close".to_owned(),
                evidence: evidence.to_owned(),
                start_date: since.to_zoned(zone).date().to_string(),
                ..Default::default()
            };
            let message = pb::GrantProxyRequest {
                resident: resident.to_owned(),
                proxy: Some(proxy),
                request_id: String::new(),
            };
            let made = self.place.choices().grant_proxy(self.place.from(CLERK, message)).await;
            match made {
                Ok(made) => {
                    granted.insert(kind, made.into_inner().proxy);
                }
                Err(status) if status.code() == tonic::Code::InvalidArgument => {}
                Err(status) => return Err(status.into()),
            }
        }
        Ok(granted)
    }

    async fn consent(
        &self,
        said: &ConsentEvent,
        resident: &str,
        proxies: &BTreeMap<Giver, String>,
    ) -> Done<()> {
        let proxy = proxies.get(&said.by).filter(|_| said.evidence).cloned().unwrap_or_default();
        let (state, at) = match said.state {
            ConsentState::Withdrawn | ConsentState::Invalidated => {
                (ConsentState::Given, said.at - SignedDuration::from_secs(1))
            }
            other @ (ConsentState::Requested
            | ConsentState::Given
            | ConsentState::Renewed
            | ConsentState::Refused
            | ConsentState::Unknown) => (other, said.at),
        };
        if said.gillick && state.is_yes() {
            let today = self.place.app.hub.now().to_zoned(jiff::tz::TimeZone::UTC).date();
            let assessed = said.purposes.iter().map(|purpose| {
                pb::fact::Fact::Gillick(pb::GillickFact {
                    resident: resident.to_owned(),
                    purpose: purpose.to_string(),
                    competent: true,
                    assess_date: today.to_string(),
                })
            });
            self.record(CLERK, assessed.collect()).await?;
        }
        let consent = pb::Consent {
            kind: said.kind.to_string(),
            state: state.to_string(),
            event_time: Some(wire(at)),
            until_date: said.until.to_string(),
            purposes: said.purposes.iter().map(ToString::to_string).collect(),
            recipients: said.recipients.iter().map(|a| format!("agencies/{a}")).collect(),
            fields: scopes(&said.fields),
            by: said.by.to_string(),
            evidence: said.evidence,
            gillick: said.gillick,
            freely_given: said.freely_given,
            parts: said.parts.iter().map(ToString::to_string).collect(),
            notice: notice(said.kind),
            channel: "in-person".to_owned(),
            assessment: String::new(),
            proxy: proxy.clone(),
        };
        let message = pb::RecordConsentRequest {
            resident: resident.to_owned(),
            consent: Some(consent),
            request_id: String::new(),
        };
        let made = self.place.choices().record_consent(self.place.from(FRONT, message)).await?;
        let choice = made.into_inner().choice;
        if said.state == ConsentState::Withdrawn {
            let message = pb::WithdrawConsentRequest {
                choice: choice.clone(),
                event_time: Some(wire(said.at)),
                by: said.by.to_string(),
                evidence: said.evidence,
                gillick: said.gillick,
                channel: "in-person".to_owned(),
                proxy,
                ..Default::default()
            };
            self.place.choices().withdraw_consent(self.place.from(FRONT, message)).await?;
        }
        if said.state == ConsentState::Invalidated {
            let now = self.place.app.hub.now();
            self.clock(said.at);
            let reason = "The form was not signed".to_owned();
            let message =
                pb::InvalidateConsentRequest { choice, reason, request_id: String::new() };
            self.place.choices().invalidate_consent(self.place.from(FRONT, message)).await?;
            self.clock(now);
        }
        Ok(())
    }

    async fn choice(&self, case: &Case, choice: &Choice, resident: &str) -> Done<()> {
        let resident = resident.to_owned();
        let fields = scopes(&choice.fields);
        self.clock(self.not_before(case, choice.on));
        let on_date = choice.on.to_string();
        let made = match choice.kind {
            // Nothing of it is recorded: the service says so when it is asked.
            ChoiceKind::Ndo => return Ok(()),
            ChoiceKind::Art18 => {
                let message = pb::SetRestrictionRequest {
                    resident,
                    fields,
                    on_date,
                    request_id: String::new(),
                };
                let message = self.place.from(FRONT, message);
                self.place.choices().set_restriction(message).await?.into_inner().choice
            }
            ChoiceKind::Art21 | ChoiceKind::DirectCareObjection => {
                let message = pb::RecordObjectionRequest {
                    resident,
                    kind: choice.kind.to_string(),
                    purpose: choice.purpose.as_ref().map(ToString::to_string).unwrap_or_default(),
                    fields,
                    on_date,
                    request_id: String::new(),
                };
                let message = self.place.from(FRONT, message);
                self.place.choices().record_objection(message).await?.into_inner().choice
            }
        };
        if choice.kind == ChoiceKind::Art21 && choice.state != ObjectionState::Pending {
            let upheld = choice.state == ObjectionState::Upheld;
            let reason = "Weighed by the privacy officer".to_owned();
            let message = pb::DecideObjectionRequest {
                choice: made.clone(),
                upheld,
                reason,
                request_id: String::new(),
            };
            self.place.choices().decide_objection(self.place.from(FRONT, message)).await?;
        }
        if let Some(lifted) = choice.lifted {
            self.clock(lifted);
            if choice.kind == ChoiceKind::Art18 {
                let told = pb::AdvanceChoiceRequest {
                    choice: made.clone(),
                    step: "told".to_owned(),
                    reason: "By letter".to_owned(),
                    request_id: String::new(),
                };
                self.place.choices().advance_choice(self.place.from(FRONT, told)).await?;
                let reason = "Told, and checked".to_owned();
                let message =
                    pb::LiftRestrictionRequest { choice: made, reason, request_id: String::new() };
                self.place.choices().lift_restriction(self.place.from(FRONT, message)).await?;
            } else {
                let message =
                    pb::WithdrawObjectionRequest { choice: made, request_id: String::new() };
                self.place.choices().withdraw_objection(self.place.from(FRONT, message)).await?;
            }
        }
        Ok(())
    }

    /// What is so about the resident; flags last, since they may close the record.
    async fn about(&self, case: &Case, resident: &str) -> Done<()> {
        let about = &case.facts.resident;
        if about.matched == MatchQuality::None {
            return Ok(());
        }
        let name = || resident.to_owned();
        if about.matched == MatchQuality::Uncertain {
            let doubt = pb::MatchFact { resident: name(), r#match: "uncertain".to_owned() };
            self.record(CLERK, vec![pb::fact::Fact::Match(doubt)]).await?;
        }
        if about.capacity != Capacity::Has {
            let today = case.at.to_zoned(jiff::tz::TimeZone::UTC).date();
            let assessed = pb::CapacityFact {
                resident: name(),
                capacity: about.capacity.to_string(),
                assess_date: today.to_string(),
            };
            self.record(CLERK, vec![pb::fact::Fact::Capacity(assessed)]).await?;
        }
        if about.parent_of_case {
            let child = pb::RegisterResidentRequest {
                name: format!("Child {}", self.n),
                nation: about.nation.clone(),
                local_id: format!("C-{}", self.n),
                ..Default::default()
            };
            let made =
                self.place.residents().register_resident(self.place.from(CLERK, child)).await?;
            let child = made.into_inner().resident;
            let parent = pb::HouseholdFact { resident: name(), child, end_time: None };
            self.record(CUSTODIAN, vec![pb::fact::Fact::Household(parent)]).await?;
        }
        if about.disadvantages > 0 {
            let factors = pb::FactorsFact { resident: name(), count: about.disadvantages };
            self.record(FAMILIES, vec![pb::fact::Fact::Factors(factors)]).await?;
        }
        if let Some(order) = &case.facts.order {
            let order = pb::OrderFact {
                resident: name(),
                reference: order.id.clone(),
                recipient: format!("agencies/{}", order.to),
                fields: order.fields.iter().map(ToString::to_string).collect(),
                start_date: order.from.to_string(),
                end_date: order.until.to_string(),
                sealed_copy_sha256: if order.sealed_copy { vec![7; 32] } else { Vec::new() },
            };
            self.record(CLERK, vec![pb::fact::Fact::Order(order)]).await?;
        }
        if let Some(died) = about.died {
            self.clock(self.not_before(case, died));
            let death = pb::DeathFact { resident: name(), death_date: died.to_string() };
            self.record(CLERK, vec![pb::fact::Fact::Death(death)]).await?;
            self.clock(case.at);
        }
        let mut kept = Vec::new();
        for release in &case.facts.custodian_releases {
            kept.push(pb::fact::Fact::Release(pb::ReleaseFact {
                resident: name(),
                recipient: format!("agencies/{}", release.to),
                fields: release.fields.iter().map(ToString::to_string).collect(),
                until_date: release.until.to_string(),
            }));
        }
        for flag in &about.flags {
            kept.push(pb::fact::Fact::Flag(pb::FlagFact {
                resident: name(),
                flag: flag.to_string(),
                set: true,
            }));
        }
        self.record(CUSTODIAN, kept).await
    }

    /// The person of the case has a name of their own in each case, or a list would come about.
    fn person(&self, case: &Case) -> String {
        self.named(case.facts.requester.person.as_str())
    }

    fn named(&self, person: &str) -> String {
        format!("{person}-{}", self.n)
    }

    async fn at_work(&self, case: &Case, resident: &str) -> Done<()> {
        let asker = &case.facts.requester;
        let agency = asker.agency.as_str();
        if !self.agencies.iter().any(|a| a == agency) {
            return Err(Impossible("an agency that no list has has no issuer".to_owned()));
        }
        let person = self.person(case);
        let today = case.at.to_zoned(jiff::tz::TimeZone::UTC).date();
        let mut facts = vec![pb::fact::Fact::Staff(pb::StaffFact {
            person: person.clone(),
            account_end_time: asker.account_ends.map(wire),
            training_until_date: day(asker.training_until),
            interests_declared_date: day(Some(today)),
        })];
        let there = case.facts.resident.matched != MatchQuality::None;
        let closed = case
            .facts
            .resident
            .flags
            .iter()
            .any(|f| matches!(f.as_str(), "sealed" | "protected-person"));
        if there && !closed && asker.relationship {
            facts.push(pb::fact::Fact::Relationship(pb::RelationshipFact {
                person: person.clone(),
                resident: resident.to_owned(),
                start_time: None,
                end_time: None,
            }));
        }
        if there && !closed && (asker.is_self || asker.conflict) {
            facts.push(pb::fact::Fact::Conflict(pb::ConflictFact {
                person,
                resident: resident.to_owned(),
                is_self: asker.is_self,
                conflict: asker.conflict,
                // No decision turns on it.
                tie: if asker.conflict { pb::ConflictTie::Colleague.into() } else { 0 },
            }));
        }
        let manager = Person {
            agency,
            person: "manager-1",
            roles: &["hub-staff-manager", "hub-case-allocator"],
        };
        self.record(manager, facts).await
    }

    async fn question(&self, case: &Case, resident: &str) -> Done<Told> {
        let ask = &case.ask;
        let word = |word: Option<String>| word.unwrap_or_default();
        let mut residents = vec![resident.to_owned()];
        // A list is a list: how long it is beyond the limit of a call does not matter.
        for _ in 1..ask.subjects.min(100) {
            residents.push(format!("residents/{}", uuid::Uuid::new_v4()));
        }
        let claim = ask.override_claim.as_ref().map(|claim| pb::OverrideClaim {
            kind: claim.kind.to_string(),
            answers: claim
                .answers
                .iter()
                .map(|(question, answer)| {
                    let answer = match answer {
                        Answer::Flag(flag) => pb::override_answer::Answer::Flag(*flag),
                        Answer::Text(text) => pb::override_answer::Answer::Text(text.clone()),
                    };
                    (question.clone(), pb::OverrideAnswer { answer: Some(answer) })
                })
                .collect(),
            asserted_time: claim.asserted_at.map(wire),
            named_approver: claim.approver.as_ref().map(|approver| pb::NamedApprover {
                agency: format!("agencies/{}", approver.agency()),
                person: self.named(approver.person().as_str()),
            }),
        });
        let message = pb::RequestRecordsRequest {
            residents,
            holders: vec![format!("agencies/{}", ask.from)],
            purpose: ask.purpose.to_string(),
            fields: ask.fields.iter().map(|asked| asked.0.to_string()).collect(),
            reason: ask.reason.clone(),
            case_reference: ask.case_ref.clone(),
            basis: word(ask.basis.as_ref().map(ToString::to_string)),
            cited_gateway: word(ask.cites.as_ref().map(ToString::to_string)),
            threshold_statement: word(ask.threshold.clone()),
            notice_reference: word(ask.notice_ref.clone()),
            received_for_purpose: word(ask.received_for.as_ref().map(ToString::to_string)),
            do_not_tell_reason: word(ask.do_not_tell.clone()),
            r#override: claim,
            referral: String::new(),
        };
        let asker = &case.facts.requester;
        let (person, role) = (self.person(case), asker.role.as_str());
        let roles = [role];
        let who = Person { agency: asker.agency.as_str(), person: &person, roles: &roles };
        if is_rung(case) {
            let message = pb::LocateRecordsRequest {
                resident: resident.to_owned(),
                purpose: message.purpose,
                reason: message.reason,
                case_reference: message.case_reference,
                threshold_statement: message.threshold_statement,
                r#override: message.r#override,
            };
            let request = self.place.from(who, message);
            let found = self.place.sharing().locate_records(request).await?.into_inner();
            return Ok(Told::Located(found.holders.contains(&format!("agencies/{}", ask.from))));
        }
        let request = || self.place.from(who, message.clone());
        let first = self.place.sharing().request_records(request()).await?.into_inner();
        let first = first.answers.into_iter().next().unwrap();
        let approver = ask.override_claim.as_ref().and_then(|claim| claim.approver.as_ref());
        let Some(approver) = approver else {
            return Ok(Told::Answer(Box::new(first)));
        };
        // Refused for want of a second person, who now reads what was asked, and confirms.
        let disclosure = first.receipt.unwrap().name;
        self.approve(case, approver, disclosure).await?;
        let again = self.place.sharing().request_records(request()).await?.into_inner();
        Ok(Told::Answer(Box::new(again.answers.into_iter().next().unwrap())))
    }

    /// The second person confirms with their own token. One whom the policy does not let confirm is turned
    /// away, and the asker has only named somebody.
    async fn approve(&self, case: &Case, approver: &Approver, disclosure: String) -> Done<()> {
        let agency = approver.agency().as_str();
        let person = self.named(approver.person().as_str());
        if person != self.person(case) {
            let today = case.at.to_zoned(jiff::tz::TimeZone::UTC).date();
            let staff = pb::fact::Fact::Staff(pb::StaffFact {
                person: person.clone(),
                account_end_time: None,
                training_until_date: "2099-12-31".to_owned(),
                interests_declared_date: day(Some(today)),
            });
            let manager = Person { agency, person: "manager-1", roles: &["hub-staff-manager"] };
            self.record(manager, vec![staff]).await?;
        }
        let roles = [approver.role().as_str()];
        let who = Person { agency, person: &person, roles: &roles };
        let message = pb::ApproveOverrideRequest { disclosure, ..Default::default() };
        match self.place.reviews().approve_override(self.place.from(who, message)).await {
            Ok(_) => Ok(()),
            Err(status)
                if matches!(
                    status.code(),
                    tonic::Code::PermissionDenied
                        | tonic::Code::FailedPrecondition
                        | tonic::Code::NotFound
                ) =>
            {
                Ok(())
            }
            Err(status) => Err(status.into()),
        }
    }
}
