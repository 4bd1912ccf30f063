//! Who knows a resident, without content. The rung is decided holder by holder with the one evaluator;
//! what is told is in the log before.

use std::collections::BTreeSet;

use super::answer::Question;
use super::entry::{Call, fresh_id};
use super::reviews::{Relied, Tasks};
use super::share::number;
use super::{Hub, HubError, facts};
use crate::audit::entry::{Entry, Facet, Kind};
use crate::auth::Caller;
use crate::domain::{AgencyId, Ask, Asked, Code, FieldId, ResidentId, Scope};
use crate::policy::book::{Involvement, RuleBook};
use crate::policy::{Outcome, PolicySnapshot, View};
use crate::store::{Receipt, Refusal, StoreError};

/// Who knows a resident, as far as it may be told.
pub struct Located {
    /// The holders, in order.
    pub holders: Vec<AgencyId>,
    /// What stands against every holder, where none may be told of.
    pub codes: BTreeSet<Code>,
    /// Proof that the look-up is recorded.
    pub receipt: Receipt,
}

/// What was found out, before anything is said.
#[derive(Default)]
struct Found {
    holders: Vec<AgencyId>,
    against: Option<BTreeSet<Code>>,
    /// One release for each holder that is told of, and what these use up.
    releases: Vec<Entry>,
    used: Vec<Entry>,
}

impl Found {
    fn codes(&self) -> BTreeSet<Code> {
        match &self.against {
            _ if !self.holders.is_empty() => BTreeSet::new(),
            Some(codes) if !codes.is_empty() => codes.clone(),
            // Nobody who may be told of, and nobody at all, are the same answer.
            Some(_) | None => BTreeSet::from([Code::SubjNotAvailable]),
        }
    }
}

impl Hub {
    /// Tells which agencies know a resident, without content. The holder and the fields of `question` are
    /// not looked at. Each holder that is told of is a release of its own in the log, with its duties.
    ///
    /// # Errors
    /// When the caller has no role, or the store is not available. Nothing was said.
    pub async fn locate_records(
        &self,
        caller: &Caller,
        question: Question,
    ) -> Result<Located, HubError> {
        let at = self.clock.now();
        let rpc = "weir.hub.v1.SharingService/LocateRecords";
        let policy = self.policy_for(rpc, caller, at).await?;
        let call = self.call(rpc, caller, &policy, at);
        let role = self.acting_role(&call).await?;
        let mut questions = vec![question];
        self.count_subjects(&policy, caller, &mut questions, at);
        match self.look_about(&call, &policy, &questions).await {
            Ok(located) => Ok(located),
            Err(why) => Err(self.unanswered(&call, &policy, &role, &questions, why).await),
        }
    }

    async fn look_about(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        questions: &[Question],
    ) -> Result<Located, HubError> {
        let Some(Question { resident, ask, .. }) = questions.first() else {
            return Err(HubError::Broken);
        };
        let resident = *resident;
        let gathered = self.facts_for(call, policy, resident, ask).await?;
        let facts = &gathered.facts;
        // Read whoever it is about, and whatever is decided.
        let links = self.store.local_ids(resident).await?;
        let known: BTreeSet<&AgencyId> = links.iter().map(|local| &local.agency).collect();
        let mut found = Found::default();
        for (holder, about) in &policy.book().agencies {
            // Deciding never waits by itself.
            tokio::task::yield_now().await;
            // What the asker's own agency holds it knows: an answer without it would tell why.
            let Some(field) = about.involvement.field() else { continue };
            if holder == call.caller.agency() {
                continue;
            }
            let field: FieldId = field.parse().map_err(|_| HubError::Broken)?;
            let question = Question {
                resident,
                ask: Ask {
                    from: holder.clone(),
                    fields: vec![Asked(Scope::Field(field))],
                    ..ask.clone()
                },
                referral: None,
            };
            self.look_at(call, policy, question, &gathered, known.contains(holder), &mut found)
                .await?;
        }
        let codes = found.codes();
        let view = (found.holders.is_empty(), &codes);
        let seen = serde_json::json!({ "as_of": call.at, "facts": facts, "told": found.holders });
        let mut entries =
            vec![call.located(policy.book(), resident, ask.clone(), facts, view, &seen)];
        entries.append(&mut found.releases);
        entries.append(&mut found.used);
        number(&mut entries)?;
        let receipts = match self.store.append(entries).await {
            // Fresh ids are nobody's: what is taken is an approval that another release has used.
            Err(StoreError::Refused(Refusal::EventTaken)) => {
                return Err(HubError::Review(super::Review::GrantUsed));
            }
            appended => appended?,
        };
        let receipt = receipts.into_iter().next().ok_or(HubError::Broken)?;
        Ok(Located { holders: found.holders, codes, receipt })
    }

    /// Decides whether one holder may be told of.
    async fn look_at(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        mut question: Question,
        gathered: &facts::Gathered,
        knows: bool,
        found: &mut Found,
    ) -> Result<(), HubError> {
        let book: &RuleBook = policy.book();
        let approval = self.bring_approval(call, book, &mut question).await?;
        let Question { resident, ask, .. } = question;
        let decision = policy.decide(&ask, &gathered.facts, call.at);
        if let Some(fault) = &decision.fault {
            tracing::error!(fault, "The policy engine failed");
            return Err(HubError::Broken);
        }
        let view: View = policy.view(&decision, |_| true);
        let opened = view.outcome == Outcome::Permit;
        // What a clinic has against it is no hint at all for the rest.
        let open = book.agencies.get(&ask.from).is_some_and(|a| a.involvement == Involvement::Open);
        if open {
            found.against = Some(match found.against.take() {
                Some(all) => all.intersection(&view.codes).copied().collect(),
                None => view.codes.clone(),
            });
        }
        if !opened || !knows {
            return Ok(());
        }
        found.holders.push(ask.from.clone());
        let tasks = Tasks::of(book, call.caller.agency(), &ask, &decision, &view, call.at);
        let (event, gathered) = (fresh_id(call.at), gathered.clone());
        let kind = Kind::Disclose;
        let mut entry =
            call.decision(event, kind, book, resident, &ask, gathered, &decision, &view, tasks);
        entry.facets.insert(Facet::What, "located".to_owned());
        let relied = Relied { approval, grant: None };
        found.used.extend(relied.used(call, &entry, &view));
        found.releases.push(entry);
        Ok(())
    }

    /// The facts of one question, and what is gathered beside them.
    pub(super) async fn facts_for(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        resident: ResidentId,
        ask: &Ask,
    ) -> Result<facts::Gathered, HubError> {
        let role = call.caller.role().ok_or(HubError::RoleNeeded)?;
        let (agency, person) = (call.caller.agency().clone(), call.caller.person().clone());
        let standing = self.store.standing().await?;
        let known = self.store.known(agency, person, resident, ask.purpose.clone()).await?;
        Ok(facts::gather(
            policy.book(),
            call.caller,
            (role, &ask.purpose),
            known,
            &standing,
            call.at,
        ))
    }
}
