//! Every agency's entries: an auditor asks, an auditor of another agency signs off, and for some hours the
//! first sees what all agencies asked and held. Both stand in the log, and so does each use.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::entry::{Call, fresh_id};
use super::super::reviews::{Review, once_for};
use super::super::{Hub, HubError};
use super::scope::Scope;
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::auth::{Caller, HubFunction};
use crate::domain::{AgencyId, DecisionId};
use crate::limits;
use crate::store::{Receipt, Refusal, StoreError, StoredEntry};

const ASKED: &str = "audit-access";
const APPROVED: &str = "audit-access-approved";

/// A sign-off as its entry holds it.
#[derive(Serialize, Deserialize)]
struct SignOff {
    approved: DecisionId,
    until: Timestamp,
}

/// What was signed off.
pub struct SignedOff {
    /// Who will see every agency's entries.
    pub agency: AgencyId,
    /// Why, in their words.
    pub reason: String,
    /// Until when.
    pub until: Timestamp,
    /// Proof that it is recorded.
    pub receipt: Receipt,
}

impl Hub {
    /// Asks to see every agency's entries; an auditor of another agency signs off.
    ///
    /// # Errors
    /// When the caller is no auditor.
    pub async fn request_audit_access(
        &self,
        caller: &Caller,
        reason: String,
    ) -> Result<(DecisionId, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.AuditService/RequestAuditAccess";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::Auditor).await?;
        let facets = BTreeMap::from([(Facet::What, ASKED.to_owned())]);
        let words = BTreeMap::from([("reason".to_owned(), reason)]);
        let request = serde_json::json!({ "access": "every agency" });
        let id = fresh_id(at);
        let entry = call.entry(id, Kind::Review, facets, None, words, &request);
        Ok((id, self.append_one(entry).await?))
    }

    /// Signs off what an auditor of another agency asked for, for some hours.
    ///
    /// # Errors
    /// When the caller is no auditor, or of the same agency; [`HubError::NotFound`] when nobody asked;
    /// when it was signed off.
    pub async fn approve_audit_access(
        &self,
        caller: &Caller,
        id: DecisionId,
    ) -> Result<SignedOff, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.AuditService/ApproveAuditAccess";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::Auditor).await?;
        let asked = self.store.entry(id).await?.filter(|stored| is(&stored.entry, ASKED));
        let Some((stored, agency)) = asked.and_then(|stored| {
            let agency = stored.entry.agency.clone()?;
            Some((stored, agency))
        }) else {
            return Err(self.turned_away_from(&call, HubError::NotFound, id).await);
        };
        if agency == *caller.agency() || stored.entry.principal == caller.principal() {
            let why = HubError::Review(Review::SecondAgencyNeeded);
            return Err(self.turned_away_from(&call, why, id).await);
        }
        let until = at.checked_add(limits::AUDIT_ACCESS_LIFE).map_err(|_| HubError::Broken)?;
        let facets = BTreeMap::from([
            (Facet::What, APPROVED.to_owned()),
            // The agency that asked finds it among its own.
            (Facet::Holder, agency.as_str().to_owned()),
            (Facet::Review, id.to_string()),
        ]);
        let request = serde_json::to_value(SignOff { approved: id, until });
        let request = request.map_err(|_| HubError::Broken)?;
        let none = BTreeMap::new();
        let event = once_for(APPROVED, id);
        let entry = call.entry(event, Kind::Review, facets, None, none, &request);
        match self.store.append(vec![entry]).await {
            Ok(receipts) => {
                let receipt = receipts.into_iter().next().ok_or(HubError::Broken)?;
                Ok(SignedOff { agency, reason: reason_of(&stored), until, receipt })
            }
            Err(StoreError::Refused(Refusal::EventTaken)) => {
                let why = HubError::Review(Review::ApprovedAlready);
                Err(self.turned_away_from(&call, why, id).await)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What the caller may see: the entries of their agency, or, with a sign-off that they asked for and
    /// that has not ended, all.
    pub(super) async fn scope(
        &self,
        call: &Call<'_>,
        access: Option<DecisionId>,
    ) -> Result<Scope, HubError> {
        let whole = match access {
            None => false,
            Some(id) => match self.signed_off(call, id).await? {
                Ok(()) => true,
                Err(why) => return Err(self.turned_away_from(call, why, id).await),
            },
        };
        Ok(Scope::new(self.store.as_ref(), call.caller.agency(), whole))
    }

    async fn signed_off(
        &self,
        call: &Call<'_>,
        id: DecisionId,
    ) -> Result<Result<(), HubError>, HubError> {
        let caller = call.caller;
        let asked = self.store.entry(id).await?.filter(|stored| {
            is(&stored.entry, ASKED)
                && stored.entry.principal == caller.principal()
                && stored.entry.agency.as_ref() == Some(caller.agency())
        });
        if asked.is_none() {
            return Ok(Err(HubError::NotFound));
        }
        let Some(approval) = self.store.entry(once_for(APPROVED, id)).await? else {
            return Ok(Err(HubError::Review(Review::AccessOpen)));
        };
        let request = approval.entry.slots.get(&SlotId::Request);
        let sign_off: Option<SignOff> = request
            .filter(|_| is(&approval.entry, APPROVED))
            .and_then(|request| serde_json::from_slice(request).ok());
        let sign_off = sign_off.filter(|one| one.approved == id).ok_or(HubError::Broken)?;
        Ok(if call.at < sign_off.until {
            Ok(())
        } else {
            Err(HubError::Review(Review::AccessEnded))
        })
    }

    async fn turned_away_from(&self, call: &Call<'_>, why: HubError, id: DecisionId) -> HubError {
        let request = serde_json::json!({ "access": id.to_string() });
        self.turned_away_with(call, why, None, &request).await
    }
}

fn is(entry: &Entry, what: &str) -> bool {
    entry.kind == Kind::Review && entry.words(Facet::What).eq([what])
}

fn reason_of(stored: &StoredEntry) -> String {
    let asker = stored.entry.slots.get(&SlotId::Asker);
    let asker: Option<super::super::entry::Asker> =
        asker.and_then(|asker| serde_json::from_slice(asker).ok());
    asker.and_then(|mut asker| asker.words.remove("reason")).unwrap_or_default()
}
