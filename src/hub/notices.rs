//! Agencies are told of what became of data that they gave or got. A notice is an entry of the log that is
//! durable together with what it tells of; who watches reads the log from a place on, so that nothing is lost
//! for who was away (`docs/adr/0032`).

mod lists;
mod watching;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::entry::{Call, subject};
use super::reviews::once;
use super::{Hub, HubError};
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::auth::HubFunction;
use crate::domain::{
    AgencyId, ChoiceEvent, DecisionId, FieldId, NoticeKind, PurposeId, ResidentId,
};
use crate::limits;
use crate::policy::PolicySnapshot;
use crate::rights::telling::{Concern, Given, Got, tells, told};
use crate::store::{Search, Slots, StoredEntry};

pub use lists::{Acknowledging, ListedNotice, NoticePage, Notices, ToldOf};
pub use watching::{Chosen, Cursor, Heard, HeardEvent, NoticeWatch, OpenedData};

/// The word of an entry in which an agency says that it knows.
const ACKNOWLEDGED: &str = "acknowledged";
/// The word of an entry that says that more would have been told than one change may tell.
const INCOMPLETE: &str = "incomplete";

/// What a notice says, in its sealed slot.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Said {
    /// What the addressee got, at most [`limits::NOTICE_DISCLOSURES_MAX`].
    disclosures: Vec<DecisionId>,
    /// Which fields are concerned.
    fields: BTreeSet<FieldId>,
    /// What they were given for.
    purposes: BTreeSet<PurposeId>,
    /// The agency whose doing it tells of knows anyway that the addressee got data: it named it, or gave them.
    known: bool,
}

/// What notices tell of.
pub struct Cause<'a> {
    /// The call, or the command.
    pub rpc: &'a str,
    /// What ties the entries together.
    pub call: DecisionId,
    /// The policy in force.
    pub policy: [u8; 32],
    /// The entry.
    pub id: DecisionId,
    /// What is told.
    pub kind: NoticeKind,
    /// About whom; `None`: about several.
    pub resident: Option<ResidentId>,
}

/// The id of a notice: it follows from what it tells, whom, and which piece of it this is.
fn notice_id(cause: DecisionId, addressee: &AgencyId, piece: u64) -> DecisionId {
    let (cause, piece) = (cause.uuid(), piece.to_be_bytes());
    once("notice", &[cause.as_bytes(), addressee.as_str().as_bytes(), &piece])
}

/// The id of the entry in which the addressee says that it knows.
#[must_use]
pub fn acknowledged(notice: DecisionId) -> DecisionId {
    once("notice-acknowledged", &[notice.uuid().as_bytes()])
}

/// The notices to those who are told, to go into the log with what they tell of. What an agency got comes in
/// pieces of [`limits::NOTICE_DISCLOSURES_MAX`] releases, a notice each. `is_known` says whether the agency
/// whose doing it is knows anyway that this one got data.
#[must_use]
pub fn notices(
    cause: &Cause<'_>,
    told: BTreeMap<AgencyId, Got>,
    is_known: impl Fn(&AgencyId, &Got) -> bool,
) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut is_whole = true;
    for (addressee, got) in told {
        let known = is_known(&addressee, &got);
        for (piece, some) in (0_u64..).zip(got.disclosures.chunks(limits::NOTICE_DISCLOSURES_MAX)) {
            let said = Said {
                disclosures: some.to_vec(),
                fields: got.fields.clone(),
                purposes: got.purposes.clone(),
                known,
            };
            is_whole = entries.len() < limits::NOTICES_MAX;
            if !is_whole {
                break;
            }
            let facets = [
                (Facet::What, cause.kind.to_string()),
                (Facet::Holder, addressee.to_string()),
                (Facet::Review, cause.id.to_string()),
            ];
            let event = notice_id(cause.id, &addressee, piece);
            entries.push(of_hub(cause, event, facets.into(), &said));
        }
    }
    if !is_whole {
        entries.push(incomplete(cause));
    }
    entries
}

/// Not all who got data are told: a person has to see to it.
fn incomplete(cause: &Cause<'_>) -> Entry {
    let facets = [(Facet::What, INCOMPLETE.to_owned()), (Facet::Review, cause.id.to_string())];
    let event = once("notice-incomplete", &[cause.id.uuid().as_bytes()]);
    tracing::error!(cause = %cause.id, "More agencies or releases are concerned than one change may tell of");
    of_hub(cause, event, facets.into(), &Said::default())
}

/// The hub tells, not the agency whose doing it is: who else got data is not for that agency's auditors.
fn of_hub(
    cause: &Cause<'_>,
    event: DecisionId,
    facets: BTreeMap<Facet, String>,
    said: &Said,
) -> Entry {
    let mut entry = Entry::of_hub(event, Kind::Notice, cause.rpc, facets);
    (entry.call, entry.policy) = (cause.call, cause.policy);
    // Our own type with string keys: serialising it cannot fail.
    let said = serde_json::to_vec(said).unwrap_or_default();
    entry.slots = BTreeMap::from([
        (SlotId::Subject, subject(cause.resident)),
        (SlotId::Asker, b"{}".to_vec()),
        (SlotId::Request, said),
        (SlotId::Decision, b"{}".to_vec()),
    ]);
    entry
}

/// A notice as it stands in the log; `None`: the entry is none.
fn notice_kind(entry: &Entry) -> Option<NoticeKind> {
    let is_notice = entry.kind == Kind::Notice;
    is_notice.then(|| entry.words(Facet::What).next()?.parse().ok())?
}

/// What a notice says; nothing where it can be read no more.
fn said(entry: &Entry) -> Said {
    let slot = entry.slots.get(&SlotId::Request);
    slot.and_then(|slot| serde_json::from_slice(slot).ok()).unwrap_or_default()
}

/// A release to an agency.
fn is_opened(entry: &Entry) -> bool {
    entry.kind == Kind::Disclose
        && entry.agency.is_some()
        && entry.facets.contains_key(&Facet::Released)
}

/// A release as it matters for who is told; `None`: the entry is none.
fn given(stored: &StoredEntry) -> Option<Given> {
    let entry = &stored.entry;
    let recipient = is_opened(entry).then(|| entry.agency.clone())??;
    let fields: Result<BTreeSet<FieldId>, _> =
        entry.words(Facet::Released).map(str::parse).collect();
    Some(Given {
        id: entry.event,
        holder: entry.words(Facet::Holder).next().and_then(|word| word.parse().ok()),
        recipient,
        purpose: entry.words(Facet::Purpose).next().and_then(|word| word.parse().ok()),
        fields: fields.ok(),
    })
}

impl Hub {
    /// Who got what of a resident's data, as far as a concern goes, from the log, to go with
    /// [`notices`] into the same change; whether that is all of them; and up to which size of the log.
    ///
    /// Those to whom a holder gave some fields, for a correction or an erasure:
    /// `Concern { holder: Some(holder), fields: Some(fields), ..Concern::default() }`.
    pub(super) async fn recipients(
        &self,
        resident: ResidentId,
        concern: &Concern,
        from_index: u64,
    ) -> Result<(BTreeMap<AgencyId, Got>, bool, u64), HubError> {
        let mut search = Search {
            from_index,
            kinds: vec![Kind::Disclose],
            slot: Some((SlotId::Subject, subject(Some(resident)))),
            with: Slots::Subject,
            limit: limits::PAGE_MAX,
            ..Search::default()
        };
        let mut all: Vec<Given> = Vec::new();
        loop {
            let page = self.store.search(search.clone()).await?;
            all.extend(page.entries.iter().filter_map(given));
            // What comes in meanwhile is looked for after the change.
            search.upto = Some(page.size);
            match page.next_index {
                // A change is not refused because it concerns too many: those found are told, and an entry
                // says that there are more.
                Some(_) if all.len() > limits::RELEASES_MAX => {
                    return Ok((told(&all, concern), false, page.size));
                }
                Some(next) => search.from_index = next,
                None => return Ok((told(&all, concern), true, page.size)),
            }
        }
    }

    /// The notices that follow from a choice, and up to which size of the log its recipients were looked for.
    pub(super) async fn notices_of(
        &self,
        call: &Call<'_>,
        resident: ResidentId,
        id: DecisionId,
        event: &ChoiceEvent,
    ) -> Result<(Vec<Entry>, Option<Late>), HubError> {
        let before = self.store.choices(resident).await?;
        let before: Vec<_> = before.into_iter().map(|one| (one.id, one.event)).collect();
        let Some((kind, concern)) = tells(event, &before) else {
            return Ok((Vec::new(), None));
        };
        let (entries, _, late) = self.notices_about(call, resident, id, kind, concern).await?;
        Ok((entries, Some(late)))
    }

    /// The notices that follow from a change; how many agencies they go to, the caller's own left out; and up to
    /// which size of the log its recipients were looked for.
    pub(super) async fn notices_about(
        &self,
        call: &Call<'_>,
        resident: ResidentId,
        id: DecisionId,
        kind: NoticeKind,
        concern: Concern,
    ) -> Result<(Vec<Entry>, usize, Late), HubError> {
        let (told, is_whole, size) = self.recipients(resident, &concern, 0).await?;
        let others = told.keys().filter(|agency| *agency != call.caller.agency()).count();
        let cause = cause_of(call, id, kind, resident);
        let mut entries =
            notices(&cause, told, |agency, got| is_known(call, &concern, agency, got));
        if !is_whole && !entries.iter().any(is_incomplete) {
            entries.push(incomplete(&cause));
        }
        Ok((entries, others, Late { kind, concern, size }))
    }

    /// Tells those who got data while a change was being recorded: behind the look at the log, by what was known
    /// before it.
    pub(super) async fn tell_the_late(
        &self,
        call: &Call<'_>,
        resident: ResidentId,
        id: DecisionId,
        late: &Late,
    ) -> Result<(), HubError> {
        let (told, _, _) = self.recipients(resident, &late.concern, late.size).await?;
        let cause = cause_of(call, id, late.kind, resident);
        let known = |agency: &AgencyId, got: &Got| is_known(call, &late.concern, agency, got);
        for (addressee, got) in told {
            let mut entries = notices(&cause, BTreeMap::from([(addressee.clone(), got)]), known);
            // Behind the pieces that the addressee has got.
            let mut piece = 0;
            while self.store.entry(notice_id(id, &addressee, piece)).await?.is_some() {
                piece += 1;
            }
            for (piece, entry) in (piece..).zip(&mut entries) {
                entry.event = notice_id(id, &addressee, piece);
            }
            self.store.append(entries).await?;
        }
        Ok(())
    }

    /// Lets through who deals with an agency's notices: its account that reads them, or a rights officer.
    async fn require_reader(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
    ) -> Result<(), HubError> {
        let is_officer = call.caller.functions().contains(&HubFunction::RightsOfficer);
        let function =
            if is_officer { HubFunction::RightsOfficer } else { HubFunction::NoticeReader };
        self.require(call, policy, function).await
    }

    /// What of its own an agency got in releases, as it can find it: only what it got itself.
    async fn own_copies(
        &self,
        agency: &AgencyId,
        disclosures: &[DecisionId],
    ) -> Result<Vec<OwnCopy>, HubError> {
        let mut copies = Vec::new();
        let mut known: BTreeMap<ResidentId, Vec<String>> = BTreeMap::new();
        for id in disclosures.iter().take(limits::NOTICE_DISCLOSURES_MAX) {
            let Some(stored) = self.store.entry(*id).await? else { continue };
            let entry = &stored.entry;
            if !is_opened(entry) || entry.agency.as_ref() != Some(agency) {
                continue;
            }
            let local_ids = match super::entry::about(entry) {
                None => Vec::new(),
                Some(resident) => match known.get(&resident) {
                    Some(ids) => ids.clone(),
                    None => {
                        let ids = self.local_ids_at(agency, resident).await?;
                        known.insert(resident, ids.clone());
                        ids
                    }
                },
            };
            copies.push(OwnCopy {
                id: *id,
                at: stored.committed_at,
                fields: entry.words(Facet::Released).map(str::to_owned).collect(),
                local_ids,
            });
        }
        Ok(copies)
    }

    /// An agency's own ids of a resident, and no other's.
    async fn local_ids_at(
        &self,
        agency: &AgencyId,
        resident: ResidentId,
    ) -> Result<Vec<String>, HubError> {
        if resident.uuid().is_nil() {
            return Ok(Vec::new());
        }
        let all = self.store.local_ids(resident).await?.into_iter();
        let own = all.filter(|local| local.agency == *agency).map(|local| local.id);
        Ok(own.take(limits::NOTICE_LOCAL_IDS_MAX).collect())
    }
}

/// What is still to be looked for once a change is recorded.
pub(super) struct Late {
    /// What is told.
    pub(super) kind: NoticeKind,
    /// What it is about.
    pub(super) concern: Concern,
    /// Up to which size of the log was looked before.
    pub(super) size: u64,
}

/// What an agency got in one release.
pub struct OwnCopy {
    /// The release.
    pub id: DecisionId,
    /// When.
    pub at: jiff::Timestamp,
    /// All fields that it got.
    pub fields: Vec<String>,
    /// Its own ids of the resident, as linked now.
    pub local_ids: Vec<String>,
}

fn cause_of<'a>(
    call: &Call<'a>,
    id: DecisionId,
    kind: NoticeKind,
    resident: ResidentId,
) -> Cause<'a> {
    let (rpc, policy) = (call.rpc, call.policy);
    Cause { rpc, call: call.id, policy, id, kind, resident: Some(resident) }
}

/// The caller's agency named the other one, or gave it data, or is it.
fn is_known(call: &Call<'_>, concern: &Concern, agency: &AgencyId, got: &Got) -> bool {
    let own = call.caller.agency();
    let named = concern.recipients.as_ref().is_some_and(|named| named.contains(agency));
    named || agency == own || got.holders.contains(own)
}

fn is_incomplete(entry: &Entry) -> bool {
    entry.words(Facet::What).next() == Some(INCOMPLETE)
}
