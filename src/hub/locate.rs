//! Who knows a resident, without content, and what holders did not disclose outside the hub. The rung is
//! decided holder by holder with the one evaluator; what is told is in the log before.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::answer::Question;
use super::entry::{Call, fresh_id};
use super::words::Words;
use super::{Hub, HubError, facts};
use crate::audit::entry::{Facet, Kind};
use crate::auth::Caller;
use crate::domain::{AgencyId, Ask, Asked, Code, Facts, FieldId, ResidentId, Scope};
use crate::policy::{Outcome, PathKind, PolicySnapshot};
use crate::store::Receipt;

/// The field of the rung: that a holder knows the resident.
pub const INVOLVEMENT: &str = "involvement/contact.holds";

/// Who knows a resident, as far as it may be told.
pub struct Located {
    /// The holders, in order.
    pub holders: Vec<AgencyId>,
    /// What stands against every holder, where none may be told of.
    pub codes: BTreeSet<Code>,
    /// Proof that the look-up is recorded.
    pub receipt: Receipt,
}

/// A refusal or a silence outside the hub.
pub struct NonDisclosure {
    /// What was asked of whom; the reason is what the holder said.
    pub question: Question,
    /// When the holder was asked.
    pub asked: Date,
    /// True: refused. False: no answer.
    pub refused: bool,
}

impl Hub {
    /// Tells which agencies know a resident, without content. The holder and the fields of `question` are
    /// not looked at.
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
        self.acting_role(&call).await?;
        let mut questions = vec![question];
        self.count_subjects(&policy, caller, &mut questions, at);
        let Some(Question { resident, mut ask, .. }) = questions.pop() else {
            return Err(HubError::Broken);
        };
        let field: FieldId = INVOLVEMENT.parse().map_err(|_| HubError::Broken)?;
        ask.fields = vec![Asked(Scope::Field(field.clone()))];
        let facts = self.facts_for(&call, &policy, resident, &ask).await?;
        // Read whoever it is about, and whatever is decided.
        let links = self.store.local_ids(resident).await?;
        let known: BTreeSet<&AgencyId> = links.iter().map(|local| &local.agency).collect();
        let (mut holders, mut against) = (Vec::new(), None::<BTreeSet<Code>>);
        for (n, holder) in policy.book().agencies.keys().enumerate() {
            // Deciding never waits by itself.
            if n > 0 {
                tokio::task::yield_now().await;
            }
            // What the asker's own agency holds it knows: an answer without it would tell why.
            if holder == caller.agency() {
                continue;
            }
            ask.from = holder.clone();
            let decision = policy.decide(&ask, &facts, at);
            if let Some(fault) = &decision.fault {
                tracing::error!(fault, "The policy engine failed");
                return Err(HubError::Broken);
            }
            let told = known.contains(holder);
            let view = policy.view(&decision, |_| true);
            if told && view.released.iter().any(|(released, _)| *released == field) {
                holders.push(holder.clone());
            }
            against = Some(match against {
                Some(all) => all.intersection(&view.codes).copied().collect(),
                None => view.codes,
            });
        }
        let codes = if holders.is_empty() { against.unwrap_or_default() } else { BTreeSet::new() };
        // Nobody who may be told of, and nobody at all, are the same answer.
        let codes = if holders.is_empty() && codes.is_empty() {
            BTreeSet::from([Code::SubjNotAvailable])
        } else {
            codes
        };
        let found = serde_json::json!({ "as_of": at, "facts": facts, "told": holders });
        let entry = call.located(policy.book(), resident, ask, &facts, &found);
        let receipt = self.append_one(entry).await?;
        Ok(Located { holders, codes, receipt })
    }

    /// Records that a holder did not disclose, outside the hub; tells whether the law commands it.
    ///
    /// # Errors
    /// When a word is unknown, the day lies in the future, or the resident is not to be known.
    pub async fn report_non_disclosure(
        &self,
        caller: &Caller,
        report: NonDisclosure,
    ) -> Result<(bool, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.SharingService/ReportNonDisclosure";
        let call = self.call(rpc, caller, &policy, at);
        let Question { resident, ask, .. } = report.question;
        let beside = self.require_visible(&call, &policy, resident).await?;
        let mut words = Words::of(policy.book());
        words.agency("holder", &ask.from);
        words.purpose("purpose", &ask.purpose);
        for (n, asked) in ask.fields.iter().enumerate() {
            words.scope(&format!("fields[{n}]"), &asked.0);
        }
        if report.asked > beside.judge().today() {
            words.wrong("asked_date", "must not be in the future");
        }
        words.done()?;
        let facts = self.facts_for(&call, &policy, resident, &ask).await?;
        let decision = policy.decide(&ask, &facts, at);
        let view = policy.view(&decision, |_| true);
        let commanded = view.released.iter().any(|(_, path)| path.kind == PathKind::Duty);
        let alarm = commanded || view.duty_alarm;
        let what = if report.refused { "refused" } else { "silent" };
        let mut facets = BTreeMap::from([
            (Facet::What, what.to_owned()),
            (Facet::Holder, ask.from.to_string()),
            (Facet::Purpose, ask.purpose.to_string()),
            (Facet::Outcome, Outcome::Deny.as_str().to_owned()),
        ]);
        if alarm {
            facets.insert(Facet::Alarm, "yes".to_owned());
        }
        let fields: Vec<String> = ask.fields.iter().map(|asked| asked.0.to_string()).collect();
        let request = serde_json::json!({ "fields": fields, "asked": report.asked.to_string() });
        let words =
            BTreeMap::from([("reason".to_owned(), ask.reason), ("case".to_owned(), ask.case_ref)]);
        let event = fresh_id(at);
        let entry = call.entry(event, Kind::Report, facets, Some(resident), words, &request);
        Ok((alarm, self.append_one(entry).await?))
    }

    /// The facts of one question.
    async fn facts_for(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        resident: ResidentId,
        ask: &Ask,
    ) -> Result<Facts, HubError> {
        let role = call.caller.role().ok_or(HubError::RoleNeeded)?;
        let (agency, person) = (call.caller.agency().clone(), call.caller.person().clone());
        let standing = self.store.standing().await?;
        let known = self.store.known(agency, person, resident, ask.purpose.clone()).await?;
        Ok(facts::gather(policy.book(), call.caller, role, known, &standing, call.at))
    }
}
