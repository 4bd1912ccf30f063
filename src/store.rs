//! Where the hub keeps what it must not forget. A method is one transaction that speaks the domain;
//! once it returns `Ok`, its writes are durable. SQL lives only below this module.

#[cfg(test)]
mod contract;
mod heads;
mod policies;
mod proofs;
pub mod sqlite;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_lc_rs::digest;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::domain::{
    AgencyId, CategoryId, ConsentEvent, DecisionId, FieldId, FieldValue, GatewayId, PersonId,
    PurposeId, Record, RecordedFact, Register, ResidentId,
};
pub use crate::domain::{ChoiceEvent, Fact};
pub use heads::{Heads, LastSigned, PublishedHead, SplitView};
pub use policies::{Candidate, KeptPolicy, PolicyNote};
pub use proofs::Proofs;

/// What can go wrong in the store; one variant for each thing a caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Busy, failing or closing: try again later. Nothing was promised; a state change may be made
    /// all the same, and then its entry goes into the log before any other.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The disk is full. Nothing was written.
    #[error("the disk is full")]
    Full,
    /// Another process has the data folder open.
    #[error("another process uses the data folder")]
    InUse,
    /// A key is missing, is another one, or lies where others can read it; an operator must look.
    #[error("{0}")]
    Keys(String),
    /// The log is an older copy than one that was seen here; an operator must find the newer one.
    #[error("{0}")]
    RolledBack(String),
    /// What is stored does not make sense; an operator must look.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// What was handed over cannot be stored as asked (for example a local id that another
    /// resident has).
    #[error("{0}")]
    Refused(Refusal),
}

/// Why a write was refused; nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such resident.
    #[error("no such resident")]
    NoResident,
    /// The agency's local id already belongs to another resident.
    #[error("that local id is linked to another resident")]
    LocalIdTaken,
    /// No such link.
    #[error("no such link")]
    NoLink,
    /// A legal hold is on the resident.
    #[error("a legal hold is on the resident")]
    Held,
    /// No such legal hold.
    #[error("no such legal hold")]
    NoHold,
    /// The strong identifier already belongs to another resident.
    #[error("that identifier belongs to another resident")]
    IdentifierTaken,
    /// The entry is larger than the log allows, or there are none or too many that follow from one change.
    #[error("the entry is too large for the audit log")]
    EntryTooLarge,
    /// What a fact was to replace has changed since it was read.
    #[error("the fact has changed since it was read")]
    FactChanged,
    /// An entry or a choice with this id is recorded already.
    #[error("that id is recorded already")]
    EventTaken,
    /// A policy with this number or a higher one was in force already.
    #[error("a policy with that number or a higher one was in force already")]
    PolicyNumberNotRising,
}

/// A resident as registered: the least identity needed to link agencies' local ids.
#[derive(Clone)]
pub struct Resident {
    /// The hub's id.
    pub id: ResidentId,
    /// NHS number, ten digits with a valid check digit.
    pub nhs_number: Option<String>,
    /// Given and family name.
    pub name: String,
    /// Date of birth.
    pub born: Option<Date>,
    /// Nation of registration.
    pub nation: String,
}

impl std::fmt::Debug for Resident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resident(..)")
    }
}

/// An agency's own id for a resident.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalId {
    /// The agency.
    pub agency: AgencyId,
    /// Its id; up to 120 printable ASCII characters.
    pub id: String,
}

impl std::fmt::Debug for LocalId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalId({}, ..)", self.agency)
    }
}

/// What the store knows that bears on one question, as it was recorded. What of it counts at a time
/// is not for the store to say.
#[derive(Clone, Default)]
pub struct Known {
    /// The resident, if registered.
    pub resident: Option<Resident>,
    /// The latest facts about the caller at work, about the resident, and about both together.
    pub facts: Vec<RecordedFact>,
    /// Consent events of the resident that name the purpose, in the order recorded.
    pub consents: Vec<ConsentEvent>,
    /// Other choice events of the resident, with their ids, in the order recorded.
    pub choices: Vec<(DecisionId, ChoiceEvent)>,
}

/// The version of a fact: another value, recorder or time is another version. Tells nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactVersion([u8; 16]);

impl FactVersion {
    /// The version of a fact as it is recorded.
    #[must_use]
    pub fn of(recorded: &RecordedFact) -> Self {
        let RecordedFact { fact, by, at } = recorded;
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"weir/fact-version/1");
        // Our own type with string keys: serialising it cannot fail.
        let body = serde_json::to_vec(&(fact, by, at)).unwrap_or_default();
        context.update(&body);
        let mut version = [0; 16];
        for (byte, from) in version.iter_mut().zip(context.finish().as_ref()) {
            *byte = *from;
        }
        Self(version)
    }

    /// From the 16 bytes of [`FactVersion::bytes`].
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// As bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// What the store knows of the place as a whole: the latest facts about agencies, gateways and registers.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Whether an agency takes part, and since when that is known.
    pub agencies: BTreeMap<AgencyId, (bool, Timestamp)>,
    /// Policy documents: the last good day, and when that was recorded.
    pub policy_documents: BTreeMap<AgencyId, (Option<Date>, Timestamp)>,
    /// Entries in the public register, and when that was recorded.
    pub registered: BTreeMap<GatewayId, (bool, Timestamp)>,
    /// As of when a register was read whole.
    pub registers: BTreeMap<Register, Timestamp>,
}

/// Which facts to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactsAbout {
    /// About the place: agencies, gateways, registers.
    Place,
    /// About a person at work.
    Person(AgencyId, PersonId),
    /// About a resident, those that tie them to a person at work too.
    Resident(ResidentId),
}

/// A choice event in the store.
#[derive(Clone)]
pub struct StoredChoice {
    /// Its id.
    pub id: DecisionId,
    /// The agency that recorded it.
    pub recorded_by: AgencyId,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// What it says.
    pub event: ChoiceEvent,
}

/// One row of a holder's extract.
#[derive(Debug, Clone)]
pub struct ShelfRow {
    /// The holder's own id for the resident.
    pub local_id: String,
    /// Values by field; all of one category.
    pub values: Vec<(FieldId, FieldValue)>,
}

/// What happened to a batch of shelf rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShelfReport {
    /// Rows stored.
    pub stored: u64,
    /// Positions (from 0) of rows whose local id is linked to nobody; when there is one, nothing
    /// of the batch is stored.
    pub unlinked: Vec<u64>,
}

/// What a holder has on the shelf, without content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRecord {
    /// The holder's own id for the resident.
    pub local_id: String,
    /// The category.
    pub category: CategoryId,
    /// When it was published.
    pub published_at: Timestamp,
    /// From when on it is released no more.
    pub expires_at: Timestamp,
}

/// Where an entry stands in the log. Made only by the store, once the entry is durable and covered
/// by a signed head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub(in crate::store) event: DecisionId,
    pub(in crate::store) index: u64,
    pub(in crate::store) leaf_hash: [u8; 32],
    pub(in crate::store) size: u64,
    pub(in crate::store) root: [u8; 32],
}

impl Receipt {
    /// The entry's id.
    #[must_use]
    pub const fn event(&self) -> DecisionId {
        self.event
    }
    /// Its place, from 0.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }
    /// RFC 6962 leaf hash.
    #[must_use]
    pub const fn leaf_hash(&self) -> [u8; 32] {
        self.leaf_hash
    }
    /// Size of the signed tree that covers it.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }
    /// Root of that tree.
    #[must_use]
    pub const fn root(&self) -> [u8; 32] {
        self.root
    }
}

/// What keeps a resident from being erased.
#[derive(Clone, PartialEq, Eq)]
pub struct LegalHold {
    /// Whom.
    pub resident: ResidentId,
    /// The reference of who placed it.
    pub reference: String,
    /// Since when.
    pub placed_at: Timestamp,
}

impl std::fmt::Debug for LegalHold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LegalHold(..)")
    }
}

/// What an erasure did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// Where it stands in the log.
    pub receipt: Receipt,
    /// Entries that can be read no more.
    pub entries: u64,
    /// Records that were on the shelf.
    pub records: u64,
}

/// An entry as it stands in the log.
#[derive(Debug, Clone)]
pub struct StoredEntry {
    /// Its place.
    pub index: u64,
    /// When its batch was committed.
    pub committed_at: Timestamp,
    /// The entry, decoded from the leaf, with its slots.
    pub entry: Entry,
}

/// What to look for in the log. Unset: anything.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// From this place on, towards newer entries.
    pub from_index: u64,
    /// At most so many; the store reads a bounded number of rows in one call, so that a page may be short
    /// before the last one.
    pub limit: usize,
    /// The caller's agency.
    pub agency: Option<AgencyId>,
    /// Kinds.
    pub kinds: Vec<Kind>,
    /// Facets whose `|`-list must hold the word.
    pub facets: Vec<(Facet, String)>,
    /// A slot that must hold exactly these bytes (for example the subject).
    pub slot: Option<(SlotId, Vec<u8>)>,
    /// The person.
    pub principal: Option<[u8; 16]>,
    /// Committed at or after.
    pub since: Option<Timestamp>,
    /// Committed before.
    pub until: Option<Timestamp>,
    /// Something of this category was released or withheld.
    pub category: Option<CategoryId>,
    /// A facet that must be there, whatever it says.
    pub has: Option<Facet>,
    /// The agency asked, or is named as the holder.
    pub concerns: Option<AgencyId>,
    /// As if the log had only so many entries, so that pages of one answer end at one head.
    pub upto: Option<u64>,
    /// The slots that the entries come with.
    pub with: Slots,
}

/// Which slots are opened for an answer: each costs a reading and an opening.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Slots {
    /// All that are there.
    #[default]
    All,
    /// Whom the entry is about, and nothing else.
    Subject,
}

/// A page of the log.
#[derive(Debug, Clone)]
pub struct Page {
    /// What was found, oldest first.
    pub entries: Vec<StoredEntry>,
    /// Where to go on; `None`: the end at `size` was reached.
    pub next_index: Option<u64>,
    /// The size of the log up to which the answer is complete.
    pub size: u64,
}

/// The signed head of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    /// Entries covered.
    pub size: u64,
    /// Root.
    pub root: [u8; 32],
    /// The C2SP signed note, as text.
    pub note: String,
}

/// The store of one hub.
///
/// What changes something takes along the entries that say so. Where these are several, the first is the
/// change's own and the others follow from it: the change and all of them are durable together or not at
/// all, they stand in the log as one run, and their receipts come in order. None, or more than
/// [`limits::AUDIT_BATCH_MAX`](crate::limits), are refused.
#[tonic::async_trait]
pub trait Store: Proofs + Heads + Send + Sync + 'static {
    /// Appends `entries` to the log as one contiguous run in one transaction. Receipts come in
    /// order, after the commit, never before. An id that the log has, or that comes twice, is
    /// refused with the whole run.
    async fn append(&self, entries: Vec<Entry>) -> Result<Vec<Receipt>, StoreError>;

    /// Whether the latest append was durable: false from one that failed until one that did not.
    fn is_able(&self) -> bool;

    /// A page of the log.
    async fn search(&self, search: Search) -> Result<Page, StoreError>;

    /// The entry with this id, or `None`.
    async fn entry(&self, event: DecisionId) -> Result<Option<StoredEntry>, StoreError>;

    /// The receipt of the entry with this id, under the newest head, or `None`.
    async fn receipt(&self, event: DecisionId) -> Result<Option<Receipt>, StoreError>;

    /// The newest signed head.
    async fn head(&self) -> Result<SignedHead, StoreError>;

    /// Waits until the log holds more than `size` entries, and tells how many.
    async fn grown(&self, size: u64) -> Result<u64, StoreError>;

    /// A name that is the same each time and that nobody can compute without the keys of the store.
    fn blind(&self, label: &str, parts: &[&[u8]]) -> [u8; 32];

    /// What bears on one question. The same reads are made whether or not the resident is
    /// registered. Facts come by kind and key, consents and choices whole and in the order recorded,
    /// for others to derive what held at a time.
    async fn known(
        &self,
        agency: AgencyId,
        person: PersonId,
        resident: ResidentId,
        purpose: PurposeId,
    ) -> Result<Known, StoreError>;

    /// What is known of the place as a whole.
    async fn standing(&self) -> Result<Arc<Standing>, StoreError>;

    /// Records facts, all or none, and `entries` in the log. A fact replaces the one of its kind about
    /// the same: a flag by custodian, an order by addressee and reference, a release by recipient and
    /// scope. A fact about somebody who is not registered is refused with the whole batch.
    async fn record_facts(
        &self,
        facts: Vec<RecordedFact>,
        entries: Vec<Entry>,
    ) -> Result<Vec<Receipt>, StoreError> {
        self.record_facts_unless_changed(facts, Vec::new(), entries).await
    }

    /// The same, unless what one of them replaces is no longer what its recorder has seen: of each place
    /// in `facts` that `seen` names, its fact must have that version, or there must be none.
    async fn record_facts_unless_changed(
        &self,
        facts: Vec<RecordedFact>,
        seen: Vec<(usize, Option<FactVersion>)>,
        entries: Vec<Entry>,
    ) -> Result<Vec<Receipt>, StoreError>;

    /// The latest facts about a resident, about a person at work (`about` both: of that pair), or, with
    /// neither, about the place; by kind and key, at most `limit` after the first `skip`.
    async fn facts(
        &self,
        about: FactsAbout,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<RecordedFact>, StoreError>;

    /// Registers residents with their first local ids, all or none, and `entry` in the log.
    async fn register(
        &self,
        residents: Vec<(Resident, Vec<LocalId>)>,
        entry: Entry,
    ) -> Result<Receipt, StoreError>;

    /// Links a local id to a resident.
    async fn link(
        &self,
        resident: ResidentId,
        local: LocalId,
        entry: Entry,
    ) -> Result<Receipt, StoreError>;

    /// Undoes a link; the records published under it are no longer the resident's.
    async fn unlink(&self, local: LocalId, entry: Entry) -> Result<Receipt, StoreError>;

    /// Residents with this NHS number whose name and date of birth also agree (name folded to
    /// lower case, white space collapsed).
    async fn find(
        &self,
        nhs_number: &str,
        name: &str,
        born: Date,
    ) -> Result<Vec<ResidentId>, StoreError>;

    /// Whether somebody is registered under this id.
    async fn is_registered(&self, resident: ResidentId) -> Result<bool, StoreError>;

    /// The resident behind an agency's own id.
    async fn resident_of(&self, local: &LocalId) -> Result<Option<ResidentId>, StoreError>;

    /// The local ids of a resident, in order.
    async fn local_ids(&self, resident: ResidentId) -> Result<Vec<LocalId>, StoreError>;

    /// Appends a choice event of a resident, and `entries` to the log.
    async fn record_choice(
        &self,
        resident: ResidentId,
        choice: StoredChoice,
        entries: Vec<Entry>,
    ) -> Result<Vec<Receipt>, StoreError>;

    /// All choice events of a resident, in the order recorded.
    async fn choices(&self, resident: ResidentId) -> Result<Vec<StoredChoice>, StoreError>;

    /// Deletes what is kept about a resident and destroys their keys, with `entry` in the log, to which are
    /// added how many entries that concerns, and a commitment to which (`audit::erasure`). Refused while a
    /// legal hold is on the resident. An error that is no refusal may come after the entry: then the rest is
    /// done within a minute, or at the next opening.
    async fn erase(&self, resident: ResidentId, entry: Entry) -> Result<Erased, StoreError>;

    /// Keeps a resident from being erased, until the hold with this reference is lifted.
    async fn place_hold(
        &self,
        resident: ResidentId,
        reference: String,
        entry: Entry,
    ) -> Result<Receipt, StoreError>;

    /// Lifts a hold.
    async fn lift_hold(
        &self,
        resident: ResidentId,
        reference: String,
        entry: Entry,
    ) -> Result<Receipt, StoreError>;

    /// The legal holds, oldest first, at most `limit`.
    async fn holds(&self, limit: usize) -> Result<Vec<LegalHold>, StoreError>;

    /// Puts a batch of one holder's extract on the shelf, all or none; a row replaces what the
    /// holder had under the local id in that category. `times`: when it was published, and from when
    /// on it is released no more. With an unlinked row nothing is written, the
    /// entries neither, and there is no receipt.
    async fn shelve(
        &self,
        holder: AgencyId,
        category: CategoryId,
        rows: Vec<ShelfRow>,
        times: (Timestamp, Timestamp),
        entries: Vec<Entry>,
    ) -> Result<(ShelfReport, Vec<Receipt>), StoreError>;

    /// Takes records off the shelf; returns how many there were.
    async fn retract(
        &self,
        holder: AgencyId,
        category: CategoryId,
        local_ids: Vec<String>,
        entries: Vec<Entry>,
    ) -> Result<(u64, Vec<Receipt>), StoreError>;

    /// What a holder has on the shelf, ordered by category and local id, after `after`.
    async fn held(
        &self,
        holder: AgencyId,
        category: Option<CategoryId>,
        after: Option<(CategoryId, String)>,
        limit: usize,
    ) -> Result<Vec<HeldRecord>, StoreError>;

    /// Takes off the shelf what has expired by the hub's clock, at most `limit` records, with an
    /// entry of their number where there are any; tells how many.
    async fn purge_expired(&self, limit: usize) -> Result<u64, StoreError>;

    /// The values that `holder` holds about `resident` in `categories`, without what has expired by
    /// the hub's clock.
    async fn shelf_record(
        &self,
        holder: AgencyId,
        resident: ResidentId,
        categories: Vec<CategoryId>,
    ) -> Result<Record, StoreError>;

    /// Every value of `fields` about `resident` on the shelf, of every holder and local id, expired or not;
    /// more than [`limits::HIDDEN_VALUES_MAX`](crate::limits) are not read, and that is an error.
    async fn shelf_values(
        &self,
        resident: ResidentId,
        fields: BTreeSet<FieldId>,
    ) -> Result<Vec<FieldValue>, StoreError>;

    /// Keeps a policy that is about to come into force, with the bytes of its folder; the candidate is
    /// forgotten. Refused unless its number is higher than every one before.
    async fn put_policy(
        &self,
        policy: KeptPolicy,
        bytes: Vec<u8>,
        entry: Entry,
    ) -> Result<Receipt, StoreError>;

    /// The policy with this number, or the newest, with the bytes of its folder.
    async fn kept_policy(
        &self,
        number: Option<u64>,
    ) -> Result<Option<(KeptPolicy, Vec<u8>)>, StoreError>;

    /// The newest policies, newest first, at most `limit`.
    async fn kept_policies(&self, limit: usize) -> Result<Vec<KeptPolicy>, StoreError>;

    /// Notes what became of the candidate in place of what was noted before; `None`: there is none any
    /// more.
    async fn put_candidate(
        &self,
        candidate: Option<Candidate>,
        entry: Entry,
    ) -> Result<Receipt, StoreError>;

    /// What became of the latest candidate.
    async fn candidate(&self) -> Result<Option<Candidate>, StoreError>;
}
