//! Referrals: a person at the holder decides once, and a grant is good for one release.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ReferralTask, Review, Reviewed, ending, once_for, review_entry, within};
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::auth::Caller;
use crate::domain::{DecisionId, Grant, Scope};
use crate::hub::answer::Question;
use crate::hub::entry::Call;
use crate::hub::{Hub, HubError, Violation};
use crate::policy::PolicySnapshot;
use crate::policy::View;
use crate::store::{Receipt, StoredEntry};

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// What is named may be released.
    Grant,
    /// Nothing may be.
    Decline,
}

/// What a decider says.
pub struct Deciding {
    /// The referral: the decision that referred.
    pub referral: DecisionId,
    /// Yes or no.
    pub verdict: Verdict,
    /// What is granted of what was referred; none: all of it.
    pub fields: Vec<Scope>,
    /// When the grant ends; `None`: as late as the policy allows.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
}

/// A decision about a referral as its entry holds it.
#[derive(Serialize, Deserialize)]
struct Decided {
    grant: Option<Grant>,
    until: Option<Timestamp>,
}

/// What a question relies on that only one release may use.
#[derive(Default)]
pub(in crate::hub) struct Relied {
    /// The approval of its override.
    pub approval: Option<DecisionId>,
    /// What was granted.
    pub grant: Option<Grant>,
}

impl Relied {
    /// The entries with which a release uses up what it relied on: the log takes each once, and takes
    /// them together with the release or not at all.
    pub(in crate::hub) fn used(&self, call: &Call<'_>, release: &Entry, view: &View) -> Vec<Entry> {
        let paths = || view.released.iter().map(|(_, path)| path);
        let approval = self.approval.filter(|_| paths().any(|path| path.override_used.is_some()));
        let grant = self.grant.as_ref().map(|grant| grant.referral);
        let grant = grant.filter(|_| paths().any(|path| path.granted));
        let resident = crate::hub::entry::about(release);
        [approval, grant]
            .into_iter()
            .flatten()
            .map(|id| {
                let holder = release.facets.get(&Facet::Holder).cloned().unwrap_or_default();
                let facets = BTreeMap::from([
                    (Facet::What, "used".to_owned()),
                    (Facet::Holder, holder),
                    (Facet::Review, id.to_string()),
                ]);
                let by = serde_json::json!({ "used": id.to_string(), "by": release.event });
                let event = once_for("used", id);
                call.entry(event, Kind::Review, facets, resident, BTreeMap::new(), &by)
            })
            .collect()
    }
}

impl Hub {
    /// Decides a referral, once; tells until when a grant is good.
    ///
    /// # Errors
    /// When the caller may not decide it, or it has been decided.
    pub async fn decide_referral(
        &self,
        caller: &Caller,
        wish: Deciding,
    ) -> Result<(Option<Timestamp>, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let book = policy.book();
        let rpc = "weir.hub.v1.ReviewService/DecideReferral";
        let call = self.call(rpc, caller, &policy, at);
        self.require_staff(&call, &policy, crate::hub::entry::nobody()).await?;
        let about = self.reviewed(&call, wish.referral).await?;
        if let Some(done) = self.done_as(&call, once_for("decided", about.id)).await? {
            return Ok((done.time("/decided/until"), done.receipt));
        }
        let task = match self.may_decide(&call, &policy, &about).await {
            Ok(task) => task,
            Err(why) => {
                let resident = Some(about.resident);
                return Err(self.review_refused(&call, why, about.id, resident).await);
            }
        };
        if wish.reason.split_whitespace().count() < book.figures.reason_words_min {
            let what = format!("must have at least {} words", book.figures.reason_words_min);
            return Err(HubError::Invalid(vec![Violation::new("reason", what)]));
        }
        let decided = match wish.verdict {
            Verdict::Decline => Decided { grant: None, until: None },
            Verdict::Grant => {
                let all = task.fields.keys().cloned().collect();
                let granted = within(book, &wish.fields, &all)?;
                let until = ending("until_time", wish.until, task.grant_hours, at)?;
                let mut fields = task.fields;
                fields.retain(|field, _| granted.contains(field));
                Decided { grant: Some(Grant { referral: about.id, fields }), until: Some(until) }
            }
        };
        let until = decided.until;
        let what = if decided.grant.is_some() { "grant" } else { "decline" };
        let request = serde_json::json!({ "decide": about.id.to_string(), "decided": decided });
        let words = BTreeMap::from([("reason".to_owned(), wish.reason)]);
        let event = once_for("decided", about.id);
        let entry = review_entry(&call, event, what, &about, words, &request);
        let taken = Review::ReferralDecided;
        let receipt = self.append_once(&call, vec![entry], &about, taken).await?;
        Ok((until, receipt))
    }

    async fn may_decide(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        about: &Reviewed,
    ) -> Result<ReferralTask, HubError> {
        let task = about.recorded.tasks.referral.clone();
        let task = task.filter(|_| *call.caller.agency() == about.ask.from);
        let task = task.ok_or(HubError::NotFound)?;
        if about.is_by(call.caller) {
            return Err(HubError::Review(Review::OwnRequest));
        }
        let entitled = call.caller.role().is_some_and(|role| task.deciders.contains(role));
        if !entitled || self.knows(call, policy, about.resident).await? {
            return Err(HubError::Review(Review::DeciderNotEntitled));
        }
        Ok(task)
    }

    /// What was granted to the caller for exactly this question.
    pub(in crate::hub) async fn bring_grant(
        &self,
        call: &Call<'_>,
        question: &Question,
    ) -> Result<Option<Grant>, HubError> {
        let Some(referral) = question.referral else {
            return Ok(None);
        };
        let stored = self.store.entry(referral).await?;
        let about = stored
            .as_ref()
            .and_then(Reviewed::read)
            .filter(|about| about.recorded.tasks.referral.is_some())
            .filter(|about| about.asker == *call.caller.agency() && about.is_by(call.caller))
            .ok_or(HubError::NotFound)?;
        let refused = |why| Err(HubError::Review(why));
        let decided = self.store.entry(once_for("decided", referral)).await?;
        let Some(decided) = decided.as_ref() else {
            return refused(Review::ReferralOpen);
        };
        let Decided { grant, until } = read(decided).ok_or(HubError::Broken)?;
        let (Some(grant), Some(until)) = (grant, until) else {
            return refused(Review::ReferralDeclined);
        };
        let same = about.resident == question.resident
            && about.ask.from == question.ask.from
            && about.ask.purpose == question.ask.purpose
            && about.ask.case_ref.trim() == question.ask.case_ref.trim();
        if !same {
            return refused(Review::GrantMismatch);
        }
        if call.at >= until {
            return refused(Review::GrantExpired);
        }
        if self.store.entry(once_for("used", referral)).await?.is_some() {
            return refused(Review::GrantUsed);
        }
        Ok(Some(grant))
    }
}

fn read(stored: &StoredEntry) -> Option<Decided> {
    let entry = &stored.entry;
    let request = entry.slots.get(&SlotId::Request).filter(|_| entry.kind == Kind::Review)?;
    let mut request: serde_json::Value = serde_json::from_slice(request).ok()?;
    serde_json::from_value(request.get_mut("decided")?.take()).ok()
}
