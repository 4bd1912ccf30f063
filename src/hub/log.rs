//! Looking back: earlier decisions for the agency that asked, and entries for auditors. Every look is
//! in the log before anything is read; bodies and the full decision are never shown.

mod access;
mod export;
mod query;
mod questions;
mod register;
mod scope;
mod unknown;

use std::collections::BTreeMap;

use super::entry::{Call, fresh_id, nobody};
use super::{Hub, HubError};
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::auth::{Caller, HubFunction};
use crate::domain::{AgencyId, DecisionId, ResidentId};
use crate::limits;
use crate::store::{Receipt, Search, SignedHead, StoredEntry};

pub use access::SignedOff;
pub use export::{ExportStream, Exporting, Formats, ONE_RESIDENT, Piece};
pub use query::EntryQuery;
pub use questions::{Answered, answer_from, judged_by};
pub use register::{RegisterFigures, RegisterQuery, Registered, figures_from, registered_from};
pub use unknown::{UnknownWord, unknown_words};

/// A page of entries that the caller may see.
pub struct Looked {
    /// The entries, oldest first.
    pub entries: Vec<StoredEntry>,
    /// Where to go on.
    pub next_index: Option<u64>,
    /// Up to which size the answer is complete.
    pub size: u64,
    /// Where nothing was found: what the policy in force does not have of what was looked for.
    pub unknown: Vec<UnknownWord>,
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

    /// Entries that the caller's agency asked for or held; with a second sign-off, every agency's.
    ///
    /// # Errors
    /// When the caller is no auditor, or the sign-off is none, is not there yet or has ended.
    pub async fn search_entries(
        &self,
        caller: &Caller,
        mut query: EntryQuery,
    ) -> Result<Looked, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.AuditService/SearchEntries";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::Auditor).await?;
        query.limit = query.limit.clamp(1, limits::PAGE_MAX);
        let scope = self.scope(&call, query.access).await?;
        let request = serde_json::to_value(&query).map_err(|_| HubError::Broken)?;
        let receipt = self.look_with(&call, "search", &request, query.access).await?;
        let search = query.search(&scope).ok_or(HubError::Broken)?;
        let first = search.from_index == 0;
        let mut unknown = unknown_words(policy.book(), &search);
        let page = self.store.search(search).await?;
        let entries: Vec<StoredEntry> =
            page.entries.into_iter().filter_map(|stored| scope.show(stored)).collect();
        if !first || page.next_index.is_some() || !entries.is_empty() {
            unknown.clear();
        }
        Ok(Looked { entries, next_index: page.next_index, size: page.size, unknown, receipt })
    }

    /// One entry that the caller's agency asked for or held; what the caller of the entry wrote only
    /// for auditors of that caller's agency.
    ///
    /// # Errors
    /// When the caller is no auditor; [`HubError::NotFound`] when there is none, or it is not theirs; as
    /// [`Hub::search_entries`].
    pub async fn entry(
        &self,
        caller: &Caller,
        index: u64,
        access: Option<DecisionId>,
    ) -> Result<(StoredEntry, Option<Details>, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.AuditService/GetEntry";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::Auditor).await?;
        let scope = self.scope(&call, access).await?;
        let request = serde_json::json!({ "entry": index, "access": access });
        let receipt = self.look_with(&call, "entry", &request, access).await?;
        let search = Search { from_index: index, limit: 1, ..Search::default() };
        let page = self.store.search(search).await?;
        let stored = page
            .entries
            .into_iter()
            .find(|stored| stored.index == index)
            .and_then(|stored| scope.show(stored))
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
        self.look_with(call, what, request, None).await
    }

    /// A look that a second sign-off allows names it.
    async fn look_with(
        &self,
        call: &Call<'_>,
        what: &str,
        request: &serde_json::Value,
        access: Option<DecisionId>,
    ) -> Result<Receipt, HubError> {
        let mut facets = BTreeMap::from([(Facet::What, what.to_owned())]);
        facets.extend(access.map(|access| (Facet::Review, access.to_string())));
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
