//! What an agency was told, and that it knows.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{ACKNOWLEDGED, OwnCopy, acknowledged, notice_kind, said};
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::auth::Caller;
use crate::domain::{AgencyId, DecisionId, NoticeKind};
use crate::hub::entry::{Asker, about};
use crate::hub::{Hub, HubError};
use crate::store::{Receipt, Refusal, Search, StoreError, StoredEntry};

/// Under which name what the addressee wrote stands in the log.
const NOTE: &str = "note";

/// A notice, as its addressee sees it.
pub struct ListedNotice {
    /// Its id.
    pub id: DecisionId,
    /// When.
    pub at: Timestamp,
    /// What is told.
    pub kind: NoticeKind,
    /// The entry that it tells of.
    pub cause: Option<DecisionId>,
    /// What the addressee got of it.
    pub copies: Vec<OwnCopy>,
    /// Which fields are concerned.
    pub fields: Vec<String>,
    /// What they were given for.
    pub purposes: Vec<String>,
    /// When the addressee said that it knows, and what it wrote.
    pub known: Option<(Timestamp, String)>,
}

/// That an agency was told, as the agency sees it whose doing it is.
pub struct ToldOf {
    /// The notice.
    pub id: DecisionId,
    /// When.
    pub at: Timestamp,
    /// What was told.
    pub kind: NoticeKind,
    /// Whom.
    pub addressee: AgencyId,
    /// When the addressee said that it knows, and what it wrote.
    pub known: Option<(Timestamp, String)>,
}

/// Which notices.
#[derive(Debug, Clone, Copy)]
pub enum Notices {
    /// Those to the caller's agency, from a place in the log on.
    Own {
        /// Only those of which it has not said that it knows.
        open_only: bool,
        /// The place.
        from_index: u64,
        /// At most so many are read.
        size: usize,
    },
    /// Those about what the caller's agency did, as far as it knows of the addressees anyway.
    Of(DecisionId),
}

/// Notices that were asked for.
pub struct NoticePage {
    /// Those to the caller's agency.
    pub own: Vec<ListedNotice>,
    /// Those about what it did.
    pub told: Vec<ToldOf>,
    /// Where to go on; `None`: that is all.
    pub next_index: Option<u64>,
    /// Proof that the look is recorded.
    pub receipt: Receipt,
}

/// An agency says that it knows.
pub struct Acknowledging {
    /// The notice.
    pub notice: DecisionId,
    /// What it did about it. May name people: never logged.
    pub note: String,
}

impl Hub {
    /// Notices to the caller's agency, or who was told of what it did.
    ///
    /// # Errors
    /// When the caller deals with no notices; [`HubError::NotFound`] when its agency did no such thing;
    /// [`HubError::TooMuch`] above [`RELEASES_MAX`](crate::limits::RELEASES_MAX) notices of one.
    pub async fn list_notices(
        &self,
        caller: &Caller,
        which: Notices,
    ) -> Result<NoticePage, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.NoticeService/ListNotices";
        let call = self.call(rpc, caller, &policy, at);
        self.require_reader(&call, &policy).await?;
        let (own, told, next_index, receipt) = match which {
            Notices::Own { open_only, from_index, size } => {
                let request = serde_json::json!({ "open_only": open_only });
                let receipt = self.look(&call, "notices", &request).await?;
                let (own, next) =
                    self.own_notices(caller.agency(), open_only, from_index, size).await?;
                (own, Vec::new(), next, receipt)
            }
            Notices::Of(cause) => {
                let request = serde_json::json!({ "cause": cause.to_string() });
                let did = self.store.entry(cause).await?;
                if did.is_none_or(|stored| stored.entry.agency.as_ref() != Some(caller.agency())) {
                    let why = HubError::NotFound;
                    return Err(self.turned_away_with(&call, why, None, &request).await);
                }
                let receipt = self.look(&call, "notices", &request).await?;
                (Vec::new(), self.told_of(cause).await?, None, receipt)
            }
        };
        Ok(NoticePage { own, told, next_index, receipt })
    }

    async fn own_notices(
        &self,
        agency: &AgencyId,
        open_only: bool,
        from_index: u64,
        limit: usize,
    ) -> Result<(Vec<ListedNotice>, Option<u64>), HubError> {
        let search = Search {
            from_index,
            limit,
            kinds: vec![Kind::Notice],
            facets: vec![(Facet::Holder, agency.to_string())],
            ..Search::default()
        };
        let page = self.store.search(search).await?;
        let mut own = Vec::new();
        for stored in &page.entries {
            let Some(kind) = notice_kind(&stored.entry) else { continue };
            if open_only && self.store.entry(acknowledged(stored.entry.event)).await?.is_some() {
                continue;
            }
            own.push(self.listed_notice(agency, kind, stored).await?);
        }
        Ok((own, page.next_index))
    }

    /// Who was told of what an agency did, where that agency knows anyway that they got data.
    async fn told_of(&self, cause: DecisionId) -> Result<Vec<ToldOf>, HubError> {
        let search = Search {
            kinds: vec![Kind::Notice],
            facets: vec![(Facet::Review, cause.to_string())],
            ..Search::default()
        };
        let mut told = Vec::new();
        for stored in self.all_of(search).await?.0 {
            let entry = &stored.entry;
            let addressee = entry.words(Facet::Holder).next().and_then(|word| word.parse().ok());
            let Some((kind, addressee)) = notice_kind(entry).zip(addressee) else { continue };
            if said(entry).known {
                let (id, at) = (entry.event, stored.committed_at);
                let known = self.known_since(id).await?;
                told.push(ToldOf { id, at, kind, addressee, known });
            }
        }
        Ok(told)
    }

    /// A notice with what of its own its addressee finds by it.
    pub(super) async fn listed_notice(
        &self,
        addressee: &AgencyId,
        kind: NoticeKind,
        stored: &StoredEntry,
    ) -> Result<ListedNotice, HubError> {
        let entry = &stored.entry;
        let said = said(entry);
        Ok(ListedNotice {
            id: entry.event,
            at: stored.committed_at,
            kind,
            cause: entry.words(Facet::Review).next().and_then(|id| id.parse().ok()),
            copies: self.own_copies(addressee, &said.disclosures).await?,
            fields: said.fields.into_iter().map(String::from).collect(),
            purposes: said.purposes.into_iter().map(String::from).collect(),
            known: self.known_since(entry.event).await?,
        })
    }

    async fn known_since(
        &self,
        notice: DecisionId,
    ) -> Result<Option<(Timestamp, String)>, HubError> {
        let found = self.store.entry(acknowledged(notice)).await?;
        Ok(found.map(|stored| (stored.committed_at, note(&stored.entry))))
    }

    /// The caller's agency knows of a notice to it. Said once: said again, the first time counts.
    ///
    /// # Errors
    /// When the caller deals with no notices; [`HubError::NotFound`] when there is no such notice to its agency.
    pub async fn acknowledge_notice(
        &self,
        caller: &Caller,
        wish: Acknowledging,
    ) -> Result<Receipt, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.NoticeService/AcknowledgeNotice";
        let call = self.call(rpc, caller, &policy, at);
        self.require_reader(&call, &policy).await?;
        let request = serde_json::json!({ "acknowledged": wish.notice.to_string() });
        let found = self.store.entry(wish.notice).await?.filter(|stored| {
            notice_kind(&stored.entry).is_some()
                && stored.entry.words(Facet::Holder).eq([caller.agency().as_str()])
        });
        let Some(notice) = found else {
            let why = HubError::NotFound;
            return Err(self.turned_away_with(&call, why, None, &request).await);
        };
        let event = acknowledged(wish.notice);
        if let Some(receipt) = self.store.receipt(event).await? {
            return Ok(receipt);
        }
        let facets = BTreeMap::from([
            (Facet::What, ACKNOWLEDGED.to_owned()),
            (Facet::Review, wish.notice.to_string()),
        ]);
        let words = BTreeMap::from([(NOTE.to_owned(), wish.note)]);
        let resident = about(&notice.entry).filter(|resident| !resident.uuid().is_nil());
        let entry = call.entry(event, Kind::Notice, facets, resident, words, &request);
        let receipt = match self.store.append(vec![entry]).await {
            Ok(receipts) => receipts.into_iter().next(),
            Err(StoreError::Refused(Refusal::EventTaken)) => self.store.receipt(event).await?,
            Err(error) => return Err(error.into()),
        };
        receipt.ok_or(HubError::Broken)
    }
}

/// What the addressee wrote; empty where it cannot be read any more.
fn note(entry: &Entry) -> String {
    let asker = entry.slots.get(&SlotId::Asker);
    let asker: Option<Asker> = asker.and_then(|slot| serde_json::from_slice(slot).ok());
    asker.and_then(|mut asker| asker.words.remove(NOTE)).unwrap_or_default()
}
