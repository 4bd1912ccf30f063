//! Looking back: earlier decisions for the agency that asked, and entries for auditors. Every look is
//! in the log before anything is read; bodies and the full decision are never shown.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::entry::{Call, fresh_id, nobody, subject};
use super::{Hub, HubError};
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::auth::{Caller, HubFunction};
use crate::domain::{AgencyId, Code, DecisionId, PurposeId, ResidentId};
use crate::limits;
use crate::store::{Receipt, Search, SignedHead, StoredEntry};

/// What an auditor looks for. Unset: anything.
#[derive(Debug, Clone, Default)]
pub struct EntryQuery {
    /// Kinds.
    pub kinds: Vec<Kind>,
    /// Purpose.
    pub purpose: Option<PurposeId>,
    /// Holder.
    pub holder: Option<AgencyId>,
    /// A code that was shown.
    pub code: Option<Code>,
    /// Resident.
    pub resident: Option<ResidentId>,
    /// Recorded at or after.
    pub since: Option<Timestamp>,
    /// Recorded before.
    pub until: Option<Timestamp>,
    /// From this place on.
    pub from_index: u64,
    /// At most so many.
    pub limit: usize,
}

/// A page of entries that the caller may see.
pub struct Looked {
    /// The entries, oldest first.
    pub entries: Vec<StoredEntry>,
    /// Where to go on.
    pub next_index: Option<u64>,
    /// Up to which size the answer is complete.
    pub size: u64,
    /// Proof that the look is recorded.
    pub receipt: Receipt,
}

/// What the caller of an entry wrote.
pub struct Details {
    /// The resident slot, if it names somebody.
    pub resident: Option<ResidentId>,
    /// The asker slot, JSON.
    pub asker: String,
    /// The request slot, JSON.
    pub request: String,
}

impl Hub {
    /// An earlier decision for the caller's agency.
    ///
    /// # Errors
    /// When the caller is nobody's staff, or no longer; [`HubError::NotFound`] when there is no such
    /// decision, or it is another agency's.
    pub async fn disclosure(
        &self,
        caller: &Caller,
        id: DecisionId,
    ) -> Result<(StoredEntry, Receipt), HubError> {
        self.own_decision(caller, id, "weir.hub.v1.SharingService/GetDisclosure").await
    }

    /// An earlier decision for the caller's agency, looked at by `rpc`.
    pub(super) async fn own_decision(
        &self,
        caller: &Caller,
        id: DecisionId,
        rpc: &'static str,
    ) -> Result<(StoredEntry, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let call = self.call(rpc, caller, &policy, at);
        self.require_staff(&call, &policy, nobody()).await?;
        let request = serde_json::json!({ "disclosure": id.to_string() });
        let receipt = self.look(&call, "disclosure", &request).await?;
        let stored = self.store.entry(id).await?;
        let stored = stored.filter(|stored| is_own_decision(&stored.entry, caller.agency()));
        Ok((stored.ok_or(HubError::NotFound)?, receipt))
    }

    /// Entries that the caller's agency asked for or held.
    ///
    /// # Errors
    /// When the caller is no auditor.
    pub async fn search_entries(
        &self,
        caller: &Caller,
        query: EntryQuery,
    ) -> Result<Looked, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.AuditService/SearchEntries";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::Auditor).await?;
        let limit = query.limit.clamp(1, limits::PAGE_MAX);
        let request = serde_json::json!({
            "kinds": query.kinds, "limit": limit, "purpose": query.purpose, "holder": query.holder, "code": query.code,
            "resident": query.resident, "since": query.since, "until": query.until,
            "from_index": query.from_index,
        });
        let receipt = self.look(&call, "search", &request).await?;
        let mut facets = Vec::new();
        if let Some(purpose) = query.purpose {
            facets.push((Facet::Purpose, purpose.into()));
        }
        if let Some(holder) = query.holder {
            facets.push((Facet::Holder, holder.into()));
        }
        if let Some(code) = query.code {
            facets.push((Facet::Codes, code.as_str().to_owned()));
        }
        let search = Search {
            from_index: query.from_index,
            limit,
            agency: None,
            kinds: query.kinds,
            facets,
            slot: query.resident.map(|resident| (SlotId::Subject, subject(Some(resident)))),
            principal: None,
            since: query.since,
            until: query.until,
        };
        let mut page = self.store.search(search).await?;
        page.entries.retain(|stored| may_see(&stored.entry, caller.agency()));
        Ok(Looked { entries: page.entries, next_index: page.next_index, size: page.size, receipt })
    }

    /// One entry that the caller's agency asked for or held; what the caller of the entry wrote only
    /// for auditors of that caller's agency.
    ///
    /// # Errors
    /// When the caller is no auditor; [`HubError::NotFound`] when there is none, or it is not theirs.
    pub async fn entry(
        &self,
        caller: &Caller,
        index: u64,
    ) -> Result<(StoredEntry, Option<Details>, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.AuditService/GetEntry";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::Auditor).await?;
        let request = serde_json::json!({ "entry": index });
        let receipt = self.look(&call, "entry", &request).await?;
        let search = Search { from_index: index, limit: 1, ..Search::default() };
        let page = self.store.search(search).await?;
        let stored = page
            .entries
            .into_iter()
            .find(|stored| stored.index == index)
            .filter(|stored| may_see(&stored.entry, caller.agency()))
            .ok_or(HubError::NotFound)?;
        let own = stored.entry.agency.as_ref() == Some(caller.agency());
        let details = own.then(|| details(&stored.entry));
        Ok((stored, details, receipt))
    }

    /// The newest signed head of the log. It tells nothing of anybody and is not recorded.
    ///
    /// # Errors
    /// When the caller is no auditor.
    pub async fn checkpoint(&self, caller: &Caller) -> Result<SignedHead, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.AuditService/GetCheckpoint";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::Auditor).await?;
        Ok(self.store.head().await?)
    }

    pub(super) async fn look(
        &self,
        call: &Call<'_>,
        what: &str,
        request: &serde_json::Value,
    ) -> Result<Receipt, HubError> {
        let facets = BTreeMap::from([(Facet::What, what.to_owned())]);
        let none = BTreeMap::new();
        let event = fresh_id(call.at);
        let entry = call.entry(event, Kind::AuditRead, facets, None, none, request);
        self.append_one(entry).await
    }
}

/// A decision has an outcome and a holder, and was made for `agency`.
pub(super) fn is_own_decision(entry: &Entry, agency: &AgencyId) -> bool {
    let decided = matches!(entry.kind, Kind::Disclose | Kind::Refuse | Kind::Query)
        && entry.facets.contains_key(&Facet::Outcome)
        && entry.facets.contains_key(&Facet::Holder);
    decided && entry.agency.as_ref() == Some(agency)
}

/// The agency asked, or is named as the holder.
pub(super) fn may_see(entry: &Entry, agency: &AgencyId) -> bool {
    let held = entry
        .facets
        .get(&Facet::Holder)
        .is_some_and(|holders| holders.split('|').any(|h| h == agency.as_str()));
    held || entry.agency.as_ref() == Some(agency)
}

fn details(entry: &Entry) -> Details {
    let text = |slot| {
        let bytes = entry.slots.get(&slot).map(Vec::as_slice);
        String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
    };
    let resident = entry
        .slots
        .get(&SlotId::Subject)
        .and_then(|bytes| uuid::Uuid::from_slice(bytes).ok())
        .filter(|uuid| !uuid.is_nil())
        .map(ResidentId::from_uuid);
    Details { resident, asker: text(SlotId::Asker), request: text(SlotId::Request) }
}
