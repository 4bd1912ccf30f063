//! Second persons: an approval of an override by the approver's own token, for one release.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Review, Reviewed, asked, ending, once, once_for, review_entry, within};
use crate::audit::entry::{Kind, SlotId};
use crate::auth::Caller;
use crate::domain::{AgencyId, Approver, Ask, DecisionId, FieldId, OverrideId, ResidentId, Scope};
use crate::hub::answer::Question;
use crate::hub::entry::Call;
use crate::hub::{Hub, HubError};
use crate::policy::PolicySnapshot;
use crate::policy::book::{ApproverOf, OverrideTest, RuleBook};
use crate::store::{Receipt, Store};

/// Approvals of one and the same question that follow each other; more are turned down.
const SERIES_MAX: u32 = 64;

/// What an approver says.
pub struct Approving {
    /// The refused request.
    pub disclosure: DecisionId,
    /// What is approved of what was asked for; none: all of it.
    pub fields: Vec<Scope>,
    /// When the approval ends; `None`: as late as the override allows.
    pub until: Option<Timestamp>,
}

/// An approval as its entry holds it.
#[derive(Serialize, Deserialize)]
struct Approval {
    fields: BTreeSet<FieldId>,
    until: Timestamp,
    approver: Approver,
}

/// One question of one asker, whichever fields: approvals of it follow each other.
struct Series<'a> {
    principal: [u8; 16],
    resident: ResidentId,
    ask: &'a Ask,
    kind: &'a OverrideId,
}

impl Series<'_> {
    /// The id of an approval: under a key, so that whoever knows person, resident and question cannot look
    /// whether there is one.
    fn id(&self, store: &dyn Store, n: u32) -> DecisionId {
        self.with(n, |parts| {
            let secret = store.blind("weir/approval/1", parts);
            once("approval", &[&secret])
        })
    }

    /// The id that versions before gave, which their approvals keep.
    fn id_of_before(&self, n: u32) -> DecisionId {
        self.with(n, |parts| once("approval", parts))
    }

    fn with(&self, n: u32, id: impl FnOnce(&[&[u8]]) -> DecisionId) -> DecisionId {
        let (resident, n) = (self.resident.uuid(), n.to_be_bytes());
        id(&[
            &self.principal,
            resident.as_bytes(),
            self.ask.from.as_str().as_bytes(),
            self.ask.purpose.as_str().as_bytes(),
            self.kind.as_str().as_bytes(),
            &n,
        ])
    }
}

/// Whether an override of this kind takes an approver.
fn takes_approver(book: &RuleBook, kind: &OverrideId) -> bool {
    book.overrides.get(kind).is_some_and(|rule| {
        rule.tests
            .iter()
            .any(|test| matches!(test, OverrideTest::SecondPerson | OverrideTest::Capacity))
    })
}

impl Hub {
    /// Approves the override that a refused request asserted; tells until when.
    ///
    /// # Errors
    /// When the caller may not approve it, or it has been approved.
    pub async fn approve_override(
        &self,
        caller: &Caller,
        wish: Approving,
    ) -> Result<(Timestamp, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let book = policy.book();
        let rpc = "weir.hub.v1.ReviewService/ApproveOverride";
        let call = self.call(rpc, caller, &policy, at);
        self.require_staff(&call, &policy, crate::hub::entry::nobody()).await?;
        let about = self.reviewed(&call, wish.disclosure).await?;
        if let Some(mark) = self.done_as(&call, once_for("approved", about.id)).await?
            && let Some(event) = mark.event("/event")
            && let Some(done) = self.done_as(&call, event).await?
        {
            let until = done.time("/approval/until").ok_or(HubError::Broken)?;
            return Ok((until, done.receipt));
        }
        if let Err(why) = self.may_approve(&call, &policy, &about).await {
            let resident = Some(about.resident);
            return Err(self.review_refused(&call, why, about.id, resident).await);
        }
        let kind = about.ask.override_claim.as_ref().map(|claim| claim.kind.clone());
        let kind = kind.ok_or(HubError::Broken)?;
        let rule = book.overrides.get(&kind).ok_or(HubError::Broken)?;
        let fields = within(book, &wish.fields, &asked(book, &about.ask))?;
        let until = ending("expire_time", wish.until, rule.ceiling_hours, at)?;
        let Reviewed { principal, resident, ask, .. } = &about;
        let series = Series { principal: *principal, resident: *resident, ask, kind: &kind };
        let (n, open) = self.newest(&series, at).await?;
        if open.is_some() {
            let why = HubError::Review(Review::ApprovedAlready);
            return Err(self.review_refused(&call, why, about.id, Some(about.resident)).await);
        }
        let role = self.acting_role(&call).await?;
        let approver = Approver::confirmed(caller.person().clone(), caller.agency().clone(), role);
        let request = serde_json::json!({
            "approve": about.id.to_string(), "override": kind,
            "approval": Approval { fields, until, approver },
        });
        let event = series.id(self.store.as_ref(), n);
        let none = BTreeMap::new;
        let entry = review_entry(&call, event, "approve", &about, none(), &request);
        // A request has one approval in all, whatever became of it.
        let marker = once_for("approved", about.id);
        let done =
            serde_json::json!({ "approved": about.id.to_string(), "event": event.to_string() });
        let mark = review_entry(&call, marker, "approved", &about, none(), &done);
        let taken = Review::ApprovedAlready;
        let receipt = self.append_once(&call, vec![entry, mark], &about, taken).await?;
        Ok((until, receipt))
    }

    async fn may_approve(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        about: &Reviewed,
    ) -> Result<(), HubError> {
        let book = policy.book();
        let agency: &AgencyId = call.caller.agency();
        let of_holder = *agency == about.ask.from;
        if !of_holder && *agency != about.asker {
            return Err(HubError::NotFound);
        }
        if about.is_by(call.caller) {
            return Err(HubError::Review(Review::OwnRequest));
        }
        let claim = about.ask.override_claim.as_ref();
        let rule = claim
            .filter(|claim| takes_approver(book, &claim.kind))
            .and_then(|claim| book.overrides.get(&claim.kind))
            .filter(|_| about.recorded.decision.get("outcome").is_some_and(|o| o != "PERMIT"))
            .ok_or(HubError::Review(Review::NothingToApprove))?;
        let role = call.caller.role().ok_or(HubError::RoleNeeded)?;
        let entitled = (of_holder || rule.approver_of == ApproverOf::HolderOrAsker)
            && rule.approver_roles.contains(role);
        if !entitled || self.knows(call, policy, about.resident).await? {
            return Err(HubError::Review(Review::ApproverNotEntitled));
        }
        Ok(())
    }

    /// The place in the series that is free, and the approval before it, if that is still open.
    async fn newest(
        &self,
        series: &Series<'_>,
        at: Timestamp,
    ) -> Result<(u32, Option<(DecisionId, Approval)>), HubError> {
        let mut last = None;
        for n in 0..SERIES_MAX {
            let found = match self.store.entry(series.id(self.store.as_ref(), n)).await? {
                None => self.store.entry(series.id_of_before(n)).await?,
                found => found,
            };
            let Some(stored) = found else {
                let Some(stored): Option<crate::store::StoredEntry> = last else {
                    return Ok((n, None));
                };
                let id = stored.entry.event;
                let used = self.store.entry(once_for("used", id)).await?.is_some();
                let approval = approval(&stored.entry).filter(|one| !used && at < one.until);
                return Ok((n, approval.map(|one| (id, one))));
            };
            last = Some(stored);
        }
        Err(HubError::TooMuch)
    }

    /// Puts the approver into the claim of a question that has an open approval of all its fields;
    /// gives back the approval.
    pub(in crate::hub) async fn bring_approval(
        &self,
        call: &Call<'_>,
        book: &RuleBook,
        question: &mut Question,
    ) -> Result<Option<DecisionId>, HubError> {
        let Some(kind) = question.ask.override_claim.as_ref().map(|claim| claim.kind.clone())
        else {
            return Ok(None);
        };
        if !takes_approver(book, &kind) {
            return Ok(None);
        }
        let series = Series {
            principal: call.caller.principal(),
            resident: question.resident,
            ask: &question.ask,
            kind: &kind,
        };
        let (_, open) = self.newest(&series, call.at).await?;
        let open = open.filter(|(_, one)| asked(book, &question.ask).is_subset(&one.fields));
        let Some((id, approval)) = open else {
            return Ok(None);
        };
        if let Some(claim) = &mut question.ask.override_claim {
            claim.approver = Some(approval.approver);
        }
        Ok(Some(id))
    }
}

fn approval(entry: &crate::audit::entry::Entry) -> Option<Approval> {
    let request = entry.slots.get(&SlotId::Request).filter(|_| entry.kind == Kind::Review)?;
    let mut request: serde_json::Value = serde_json::from_slice(request).ok()?;
    serde_json::from_value(request.get_mut("approval")?.take()).ok()
}
