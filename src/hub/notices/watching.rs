//! An agency watches: its cursor is a place in the log, so that it goes on where it was after a restart, a week
//! or a year. What it hears comes at least once, in the order of the log, without a gap.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

use super::{ListedNotice, is_opened, notice_kind};
use crate::audit::entry::{Facet, Kind};
use crate::auth::{Caller, HubFunction};
use crate::domain::{AgencyId, DecisionId, NoticeKind};
use crate::hub::{Hub, HubError, Violation};
use crate::limits;
use crate::store::{Search, Slots, StoredEntry};

const RPC: &str = "weir.hub.v1.NoticeService/WatchDisclosures";

/// What an agency wants to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// That its own data are opened.
    pub opened: bool,
    /// Notices of these kinds.
    pub notices: BTreeSet<NoticeKind>,
}

impl Chosen {
    /// The word for that data were opened.
    pub const OPENED: &'static str = "disclosure";

    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self { opened: true, notices: NoticeKind::ALL.iter().copied().collect() }
    }

    fn words(&self) -> Vec<&'static str> {
        let opened = self.opened.then_some(Self::OPENED);
        opened.into_iter().chain(self.notices.iter().map(|kind| kind.as_str())).collect()
    }
}

/// A place in the log: behind so many entries, of which the last has this mark. A log in which another entry
/// stands there is another log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    next: u64,
    mark: [u8; 8],
}

impl Cursor {
    /// Before the first entry.
    pub const BEGINNING: Self = Self { next: 0, mark: [0; 8] };

    /// Behind an entry. The mark tells nothing of it to who does not know it.
    fn behind(index: u64, event: DecisionId) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"weir/cursor/1");
        context.update(event.uuid().as_bytes());
        let mut mark = [0; 8];
        for (to, from) in mark.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        Self { next: index.saturating_add(1), mark }
    }

    /// As it is given out.
    #[must_use]
    pub fn text(&self) -> String {
        BASE64.encode([self.next.to_be_bytes(), self.mark].concat())
    }

    /// The reverse of [`Cursor::text`].
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let bytes = (text.len() <= limits::CURSOR_LEN_MAX).then(|| BASE64.decode(text).ok())??;
        let (next, mark) = bytes.split_at_checked(8)?;
        Some(Self { next: u64::from_be_bytes(next.try_into().ok()?), mark: mark.try_into().ok()? })
    }
}

/// Data of the agency that watches were opened to another one.
pub struct OpenedData {
    /// The decision.
    pub id: DecisionId,
    /// To whom.
    pub recipient: AgencyId,
    /// What for.
    pub purpose: String,
    /// Which fields.
    pub fields: Vec<String>,
    /// Under which rules.
    pub rules: Vec<String>,
    /// The override that was asserted.
    pub override_kind: Option<String>,
    /// The holder's own ids of the resident, as linked now.
    pub local_ids: Vec<String>,
}

/// What happened.
pub enum HeardEvent {
    /// Its own data were opened.
    Opened(OpenedData),
    /// It is told of data that it got.
    Notice(ListedNotice),
}

/// What an agency that watches hears.
pub struct Heard {
    /// Where to go on once this is dealt with.
    pub cursor: Cursor,
    /// What happened, at which place of the log and when; `None`: nothing more up to the cursor.
    pub event: Option<(u64, Timestamp, HeardEvent)>,
}

/// A watch; it is one of a bounded number until it is dropped.
pub struct NoticeWatch {
    hub: Arc<Hub>,
    caller: Arc<Caller>,
    chosen: Chosen,
    /// It ends where the log ends.
    once: bool,
    /// What is read from here on.
    next: u64,
    /// What is read and not heard yet.
    waiting: VecDeque<Heard>,
    /// Behind what was heard.
    cursor: Cursor,
    _place: OwnedSemaphorePermit,
}

impl NoticeWatch {
    /// Where to go on after what was heard.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// What comes next; waits until there is something, or says `None` where it ends. `None` when the hub ends. May be dropped while it waits:
    /// nothing is lost.
    ///
    /// # Errors
    /// When the caller may hear no more, or the store fails.
    pub async fn next(&mut self) -> Result<Option<Heard>, HubError> {
        while !self.hub.notice_watchers.is_closed() {
            if let Some(heard) = self.waiting.pop_front() {
                self.cursor = heard.cursor;
                return Ok(Some(heard));
            }
            let is_more = self.read_on().await?;
            if is_more || !self.waiting.is_empty() {
                continue;
            }
            if self.once {
                return Ok(None);
            }
            // Told of the next commit; looked for anyway after a while, so that the hub's end is noticed.
            let grown = self.hub.store.grown(self.next);
            if tokio::time::timeout(limits::NOTICE_LOOK_EVERY, grown).await.is_ok() {
                // What comes in close together is read together.
                tokio::time::sleep(limits::NOTICE_LINGER).await;
            }
        }
        Ok(None)
    }

    /// Reads a page; whether there is more at once.
    async fn read_on(&mut self) -> Result<bool, HubError> {
        let hub = Arc::clone(&self.hub);
        if self.next >= hub.store.head().await?.size {
            return Ok(false);
        }
        let agency = self.caller.agency();
        let opened = self.chosen.opened.then_some(Kind::Disclose);
        let search = Search {
            from_index: self.next,
            kinds: opened.into_iter().chain([Kind::Notice]).collect(),
            facets: vec![(Facet::Holder, agency.to_string())],
            limit: limits::NOTICE_PAGE,
            ..Search::default()
        };
        let page = hub.store.search(search).await?;
        // Standing beats how long a watch lasts, and is judged by no less of the log than was read.
        let policy = hub.policy()?;
        let call = hub.call(RPC, &self.caller, &policy, hub.clock.now());
        hub.require_agency(&call, &policy).await?;
        hub.require_account(&call, &policy).await?;
        let mut heard = VecDeque::new();
        for stored in &page.entries {
            if let Some(event) = hub.heard(agency, &self.chosen, stored).await? {
                let cursor = Cursor::behind(stored.index, stored.entry.event);
                let event = Some((stored.index, stored.committed_at, event));
                heard.push_back(Heard { cursor, event });
            }
        }
        // Nothing waits from here on: what was read and how far are kept together.
        self.waiting = heard;
        self.next = page.next_index.unwrap_or(page.size);
        Ok(page.next_index.is_some())
    }
}

impl Hub {
    /// Watches what becomes of data that the caller's agency gave or got, from a cursor on; without one, from
    /// now on. That the watch begins is in the log first.
    ///
    /// # Errors
    /// When the caller reads no notices, too many watch, or the cursor is not of this log.
    pub async fn watch_notices(
        self: &Arc<Self>,
        caller: Arc<Caller>,
        cursor: Option<Cursor>,
        chosen: Chosen,
        once: bool,
    ) -> Result<NoticeWatch, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let call = self.call(RPC, &caller, &policy, at);
        self.require(&call, &policy, HubFunction::NoticeReader).await?;
        let place = Arc::clone(&self.notice_watchers).try_acquire_owned();
        let place = place.map_err(|_| HubError::Busy)?;
        let size = self.store.head().await?.size;
        let cursor = match cursor {
            Some(cursor) => self.of_this_log(cursor, size).await?,
            None => self.cursor_at(size).await?,
        };
        let request = serde_json::json!({ "watch": chosen.words(), "from": cursor.next });
        self.look(&call, "watch", &request).await?;
        // The first thing that is heard is where the watch begins: who keeps it loses nothing from here on.
        let waiting = VecDeque::from([Heard { cursor, event: None }]);
        let (hub, next) = (Arc::clone(self), cursor.next);
        Ok(NoticeWatch { hub, caller, chosen, once, next, waiting, cursor, _place: place })
    }

    /// The cursor behind the first `next` entries.
    async fn cursor_at(&self, next: u64) -> Result<Cursor, HubError> {
        let Some(last) = next.checked_sub(1) else {
            return Ok(Cursor::BEGINNING);
        };
        let search =
            Search { from_index: last, limit: 1, with: Slots::Subject, ..Search::default() };
        let page = self.store.search(search).await?;
        let stored = page.entries.first().filter(|stored| stored.index == last);
        let stored = stored.ok_or(HubError::Broken)?;
        Ok(Cursor::behind(last, stored.entry.event))
    }

    /// A cursor that was given out by this log: one that was restored from an older copy has other entries in
    /// its place.
    async fn of_this_log(&self, cursor: Cursor, size: u64) -> Result<Cursor, HubError> {
        if cursor.next <= size && self.cursor_at(cursor.next).await? == cursor {
            return Ok(cursor);
        }
        let what = "was not given out by this log, which may have been restored from an older copy: go on from \
                    `beginning` and leave out what is known by its name";
        Err(HubError::Invalid(vec![Violation::new("cursor", what)]))
    }

    /// What an agency hears of an entry; `None`: nothing.
    async fn heard(
        &self,
        agency: &AgencyId,
        chosen: &Chosen,
        stored: &StoredEntry,
    ) -> Result<Option<HeardEvent>, HubError> {
        let entry = &stored.entry;
        // The search has found it by this; what is told does not rest on a search alone.
        if !entry.words(Facet::Holder).any(|holder| holder == agency.as_str()) {
            return Ok(None);
        }
        if let Some(kind) = notice_kind(entry) {
            if !chosen.notices.contains(&kind) {
                return Ok(None);
            }
            let listed = self.listed_notice(agency, kind, stored).await?;
            return Ok(Some(HeardEvent::Notice(listed)));
        }
        if !chosen.opened || !is_opened(entry) {
            return Ok(None);
        }
        let words = |facet| entry.words(facet).map(str::to_owned).collect::<Vec<String>>();
        let local_ids = match crate::hub::entry::about(entry) {
            Some(resident) => self.local_ids_at(agency, resident).await?,
            None => Vec::new(),
        };
        Ok(Some(HeardEvent::Opened(OpenedData {
            id: entry.event,
            recipient: entry.agency.clone().ok_or(HubError::Broken)?,
            purpose: words(Facet::Purpose).into_iter().next().unwrap_or_default(),
            fields: words(Facet::Released),
            rules: words(Facet::Rules),
            override_kind: words(Facet::Override).into_iter().next(),
            local_ids,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_given() {
        let event = DecisionId::from_uuid(uuid::Uuid::from_u128(7));
        for cursor in [Cursor::BEGINNING, Cursor::behind(41, event)] {
            assert_eq!(Cursor::read(&cursor.text()), Some(cursor));
        }
        for wrong in ["", "x", "AAAA", &"A".repeat(64), "beginning"] {
            assert_eq!(Cursor::read(wrong), None, "{wrong}");
        }
        let other = DecisionId::from_uuid(uuid::Uuid::from_u128(8));
        assert_ne!(Cursor::behind(41, event), Cursor::behind(41, other));
        assert_ne!(Cursor::behind(41, event), Cursor::behind(42, event));
    }
}
