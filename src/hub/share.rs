//! May this be shared, and please share it: the one way for data to flow. Question, facts, decision,
//! disclosure, log, answer, in this order; the types allow no other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::answer::{Answer, Findings, Question};
use super::bulk::Window;
use super::entry::{Call, fresh_id};
use super::reviews::{Relied, Review, Tasks};
use super::{Hub, HubError, InForce, Violation, facts, what};
use crate::audit::entry::{Entry, Kind};
use crate::auth::Caller;
use crate::disclose::{Disclosure, Needles, Treatment};
use crate::domain::{Ask, Code, Duty, Facts, FieldId, PurposeId, ResidentId, RoleId};
use crate::limits;
use crate::policy::book::RuleBook;
use crate::policy::{Decision, Permit, PolicySnapshot};
use crate::store::{Known, Refusal, Standing, StoreError};

const BATCH: &str = "weir.hub.v1.SharingService/BatchCanShare";

/// With content or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// What would be answered.
    Know,
    /// The records.
    Have,
}

/// The values that may leave, and the fields that hold something.
struct Opened {
    disclosure: Disclosure,
    present: BTreeSet<FieldId>,
}

/// What a release is opened by.
struct Opening<'a> {
    book: &'a RuleBook,
    decision: &'a Decision,
    facts: &'a Facts,
    permit: &'a Permit,
}

impl Opening<'_> {
    /// Where the resident is must not be told: somebody keeps it closed, asked for or not.
    fn hides_places(&self) -> bool {
        self.facts.resident.flags.iter().any(|flag| {
            let code = self.book.flags.get(flag).and_then(|flag| flag.code);
            code == Some(Code::MinLocationProtected)
        })
    }

    /// Fields that are withheld and whose values must not be read out of others.
    fn hidden(&self) -> BTreeSet<FieldId> {
        let (places, others) =
            (self.hides_places(), self.decision.duties.contains(&Duty::StripThirdParty));
        let hidden = self.book.fields.iter().filter(|(field, about)| {
            ((places && about.location) || (others && about.third_party))
                && !self.permit.covers(field)
        });
        hidden.map(|(field, _)| field.clone()).collect()
    }

    fn treatment(&self, needles: Needles) -> Treatment {
        let with = |duty| -> BTreeSet<FieldId> {
            self.permit.fields().filter(|f| self.decision.owes(f, duty)).cloned().collect()
        };
        Treatment {
            needles,
            silent: Needles::default(),
            hides_places: self.hides_places(),
            let_out: self
                .permit
                .fields()
                .filter(|f| self.book.fields.get(*f).is_some_and(|a| a.location))
                .cloned()
                .collect(),
            suppress: with(Duty::SuppressSmall),
            least: self.book.figures.small_number_least,
            contested: with(Duty::LabelAccuracyContested),
        }
    }
}

impl Hub {
    /// Answers what a request would be answered, without content.
    ///
    /// # Errors
    /// When the caller has no role, or the store or a source is not available. Nothing was said.
    pub async fn can_share(
        &self,
        caller: &Caller,
        questions: Vec<Question>,
    ) -> Result<Vec<Answer>, HubError> {
        let rpc = "weir.hub.v1.SharingService/CanShare";
        self.share(caller, questions, Wish::Know, rpc).await
    }

    /// [`Hub::can_share`] for several questions at once, in the order of the answers.
    ///
    /// # Errors
    /// As [`Hub::can_share`].
    pub async fn batch_can_share(
        &self,
        caller: &Caller,
        questions: Vec<Question>,
    ) -> Result<Vec<Answer>, HubError> {
        self.share(caller, questions, Wish::Know, BATCH).await
    }

    /// Answers requests for records.
    ///
    /// # Errors
    /// When the caller has no role, too much was asked for, or the store or a source is not
    /// available. Nothing was released.
    pub async fn request_records(
        &self,
        caller: &Caller,
        questions: Vec<Question>,
    ) -> Result<Vec<Answer>, HubError> {
        let rpc = "weir.hub.v1.SharingService/RequestRecords";
        self.share(caller, questions, Wish::Have, rpc).await
    }

    async fn share(
        &self,
        caller: &Caller,
        mut questions: Vec<Question>,
        wish: Wish,
        rpc: &'static str,
    ) -> Result<Vec<Answer>, HubError> {
        let at = self.clock.now();
        let policy = self.policy_for(rpc, caller, at).await?;
        let call = self.call(rpc, caller, &policy, at);
        let role = self.acting_role(&call).await?;
        if wish == Wish::Have && self.witnessing.has_stopped(at) {
            return Err(self.turned_away(&call, HubError::Unwitnessed).await);
        }
        if questions.len() > limits::QUESTIONS_MAX {
            return Err(self.turned_away(&call, HubError::TooMuch).await);
        }
        if let Some(n) = questions.iter().position(|q| is_asserted_after(&q.ask, at)) {
            let of = if rpc == BATCH { format!("requests[{n}].") } else { String::new() };
            let field = format!("{of}override.asserted_time");
            let violation = Violation::new(field, "must not be in the future");
            return Err(HubError::Invalid(vec![violation]));
        }
        self.count_subjects(&policy, caller, &mut questions, at);
        let relied = match self.bring(&call, &policy, &mut questions).await {
            Ok(relied) => relied,
            Err(error) => {
                return Err(self.unanswered(&call, &policy, &role, &questions, error).await);
            }
        };
        match self.settle_all(&call, &policy, &role, &questions, &relied, wish).await {
            Ok((findings, entries)) => match self.record(findings, entries).await {
                // Another release was quicker: nothing of this one is in the log.
                Err(HubError::Review(why)) => {
                    let why = HubError::Review(why);
                    Err(self.unanswered(&call, &policy, &role, &questions, why).await)
                }
                // Too much even for the log: nothing is in it yet.
                Err(HubError::TooMuch) => Err(self.turned_away(&call, HubError::TooMuch).await),
                answered => answered,
            },
            Err(error) => Err(self.unanswered(&call, &policy, &role, &questions, error).await),
        }
    }

    /// What the questions rely on that only one release may use.
    async fn bring(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        questions: &mut [Question],
    ) -> Result<Vec<Relied>, HubError> {
        let mut all = Vec::with_capacity(questions.len());
        for question in questions {
            let grant = self.bring_grant(call, question).await?;
            let approval = self.bring_approval(call, policy.book(), question).await?;
            all.push(Relied { approval, grant });
        }
        Ok(all)
    }

    /// Decides all questions and opens what the decisions permit. Nothing has been said yet.
    async fn settle_all(
        &self,
        call: &Call<'_>,
        policy: &InForce,
        role: &RoleId,
        questions: &[Question],
        relied: &[Relied],
        wish: Wish,
    ) -> Result<(Vec<Findings>, Vec<Entry>), HubError> {
        let standing = self.store.standing().await?;
        let known = self.known_for(call.caller, questions).await?;
        let mut findings = Vec::with_capacity(questions.len());
        let mut entries = Vec::with_capacity(questions.len());
        let mut used = Vec::new();
        let (mut values_len, mut reply_len) = (0_usize, 0_usize);
        for (n, (question, relied)) in questions.iter().zip(relied).enumerate() {
            // Deciding never waits by itself: without this, a large call would hold up all others
            // and outlive its own deadline.
            if n > 0 {
                tokio::task::yield_now().await;
            }
            let (found, entry) = self
                .settle(call, policy, role, &standing, &known, (question, relied), wish)
                .await?;
            values_len = found
                .values
                .iter()
                .fold(values_len, |sum, (_, v, _)| sum.saturating_add(v.expose().len()));
            reply_len = reply_len.saturating_add(found.reply_len());
            if values_len > limits::REPLY_VALUES_LEN_MAX || reply_len > limits::REPLY_LEN_MAX {
                return Err(HubError::TooMuch);
            }
            if wish == Wish::Have {
                used.extend(relied.used(call, &entry, &found.view));
            }
            findings.push(found);
            entries.push(entry);
        }
        entries.extend(used);
        Ok((findings, entries))
    }

    /// Records that questions were asked and none was answered, and gives back why.
    pub(super) async fn unanswered(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        role: &RoleId,
        questions: &[Question],
        why: HubError,
    ) -> HubError {
        let what = what(&why);
        let mut entries: Vec<Entry> = questions
            .iter()
            .map(|q| call.unanswered(policy.book(), role, q.resident, &q.ask, what))
            .collect();
        if number(&mut entries).is_err() {
            return HubError::TooMuch;
        }
        match self.store.append(entries).await.map_err(HubError::from) {
            Ok(_) => why,
            Err(HubError::TooMuch) => self.turned_away(call, why).await,
            Err(error) => error,
        }
    }

    /// Decides one question and opens what the decision permits.
    async fn settle(
        &self,
        call: &Call<'_>,
        policy: &InForce,
        role: &RoleId,
        standing: &Standing,
        known: &HashMap<(ResidentId, PurposeId), Known>,
        (question, relied): (&Question, &Relied),
        wish: Wish,
    ) -> Result<(Findings, Entry), HubError> {
        let Question { resident, ask, referral: _ } = question;
        let resident = *resident;
        let known = known.get(&(resident, ask.purpose.clone())).cloned().ok_or(HubError::Broken)?;
        let book = policy.book();
        let mut gathered =
            facts::gather(book, call.caller, (role, &ask.purpose), known, standing, call.at);
        gathered.facts.grant.clone_from(&relied.grant);
        let facts = &gathered.facts;
        let decision = policy.decide(ask, facts, call.at);
        if let Some(fault) = &decision.fault {
            // No decision was made: nothing is said and nothing is released.
            tracing::error!(fault, "The policy engine failed");
            return Err(HubError::Broken);
        }
        let mut opened = match &decision.permit {
            Some(permit) => {
                let opening = Opening { book, decision: &decision, facts, permit };
                self.open(&ask.from, resident, &opening, wish).await?
            }
            None => Opened { disclosure: Disclosure::default(), present: BTreeSet::new() },
        };
        let view = policy.view(&decision, |field| opened.present.contains(field));
        let explanation = policy.explain(ask, facts, &view);
        let values = view
            .released
            .iter()
            .filter_map(|(field, _)| {
                let labels = opened.disclosure.labels(field);
                Some((field.clone(), opened.disclosure.take(field)?, labels))
            })
            .collect();
        let kind = match wish {
            Wish::Know => Kind::Query,
            Wish::Have if view.released.is_empty() => Kind::Refuse,
            Wish::Have => Kind::Disclose,
        };
        let event = fresh_id(call.at);
        let tasks = match wish {
            Wish::Know => Tasks::default(),
            Wish::Have => Tasks::of(book, call.caller.agency(), ask, &decision, &view, call.at),
        };
        let entry =
            call.decision(event, kind, book, resident, ask, gathered, &decision, &view, tasks);
        let findings = Findings {
            resident,
            holder: ask.from.clone(),
            view,
            explanation,
            values,
            policy: policy.version().clone(),
            as_of: call.at,
        };
        Ok((findings, entry))
    }

    async fn open(
        &self,
        holder: &crate::domain::AgencyId,
        resident: ResidentId,
        opening: &Opening<'_>,
        wish: Wish,
    ) -> Result<Opened, HubError> {
        let permit = opening.permit;
        let categories = permit.categories();
        match wish {
            Wish::Know => {
                let present = self.source.present(holder, resident, &categories).await?;
                Ok(Opened { disclosure: Disclosure::default(), present })
            }
            Wish::Have => {
                let record = self.source.fetch(holder, resident, &categories).await?;
                let hidden = opening.hidden();
                let withheld = if hidden.is_empty() {
                    Vec::new()
                } else {
                    self.source.all_values(resident, &hidden).await?
                };
                let treatment = opening.treatment(Needles::of(&withheld));
                let disclosure = Disclosure::of(record, permit).treated(&treatment);
                let present =
                    permit.fields().filter(|field| disclosure.holds(field)).cloned().collect();
                Ok(Opened { disclosure, present })
            }
        }
    }

    /// Writes all entries of the call in one append; only then are there answers.
    async fn record(
        &self,
        findings: Vec<Findings>,
        mut entries: Vec<Entry>,
    ) -> Result<Vec<Answer>, HubError> {
        number(&mut entries)?;
        let events: Vec<_> = entries.iter().map(|e| e.event).collect();
        let receipts = match self.store.append(entries).await {
            // Fresh ids are nobody's: what is taken is what only one release may use.
            Err(StoreError::Refused(Refusal::EventTaken)) if events.len() > findings.len() => {
                return Err(HubError::Review(Review::GrantUsed));
            }
            appended => appended?,
        };
        let matching = receipts.len() == events.len()
            && receipts.iter().zip(&events).all(|(r, e)| r.event() == *e);
        if !matching {
            return Err(HubError::Broken);
        }
        Ok(findings
            .into_iter()
            .zip(receipts)
            .map(|(found, receipt)| Answer::new(found, receipt))
            .collect())
    }

    /// Fills in how many residents each question counts as. Unknown purposes are not remembered:
    /// they are refused anyway, and their number has no bound.
    pub(super) fn count_subjects(
        &self,
        policy: &PolicySnapshot,
        caller: &Caller,
        questions: &mut [Question],
        at: Timestamp,
    ) {
        let mut by_purpose: BTreeMap<PurposeId, BTreeSet<ResidentId>> = BTreeMap::new();
        let mut all = BTreeSet::new();
        for question in questions.iter() {
            all.insert(question.resident);
            by_purpose.entry(question.ask.purpose.clone()).or_default().insert(question.resident);
        }
        let in_call = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let figures = &policy.book().figures;
        let window = Window { minutes: figures.window_minutes, group: figures.window_group };
        let mut counts: BTreeMap<PurposeId, u32> = BTreeMap::new();
        for (purpose, residents) in by_purpose {
            if policy.book().purposes.contains_key(&purpose) {
                let residents: Vec<ResidentId> = residents.into_iter().collect();
                let principal = caller.principal();
                let count = self.bulk.count(principal, &purpose, &residents, in_call, window, at);
                counts.insert(purpose, count);
            }
        }
        for question in questions {
            question.ask.subjects = counts.get(&question.ask.purpose).copied().unwrap_or(in_call);
        }
    }

    /// What the store knows for each resident and purpose of the call, each read once.
    async fn known_for(
        &self,
        caller: &Caller,
        questions: &[Question],
    ) -> Result<HashMap<(ResidentId, PurposeId), Known>, HubError> {
        let wanted: BTreeSet<_> =
            questions.iter().map(|q| (q.resident, q.ask.purpose.clone())).collect();
        let mut all = HashMap::with_capacity(wanted.len());
        for (resident, purpose) in wanted {
            let agency = caller.agency().clone();
            let person = caller.person().clone();
            let known = self.store.known(agency, person, resident, purpose.clone());
            all.insert((resident, purpose), known.await?);
        }
        Ok(all)
    }
}

/// Numbers the entries of one call.
pub(super) fn number(entries: &mut [Entry]) -> Result<(), HubError> {
    let parts = u32::try_from(entries.len()).map_err(|_| HubError::TooMuch)?;
    for (part, entry) in (1_u32..).zip(entries) {
        entry.part = part;
        entry.parts = parts;
    }
    Ok(())
}

/// An override from the future would last longer than its hours.
fn is_asserted_after(ask: &Ask, at: Timestamp) -> bool {
    let claim = ask.override_claim.as_ref();
    claim.and_then(|claim| claim.asserted_at).is_some_and(|asserted| asserted > at)
}
