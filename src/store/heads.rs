//! Heads as they were published, and what witnesses said to them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{SignedHead, StoreError};

/// A head that was published, with the signatures of witnesses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedHead {
    /// Entries covered.
    pub size: u64,
    /// The note: signed by the log, and by the witnesses that have signed it.
    pub note: String,
}

/// A witness has signed, or says that it has, another history of the log than this hub's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitView {
    /// The key of the witness, as text.
    pub witness: String,
    /// The size at which it was seen.
    pub size: u64,
    /// A head that the log's key has signed and that is not of this log; without one it is the witness's word.
    pub evidence: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

/// What each witness signed last, by its key as text: the size, and when by the hub's clock.
pub type LastSigned = BTreeMap<String, (u64, Timestamp)>;

/// The heads that were published. Beside the log and no part of it: losing them loses no entry.
#[tonic::async_trait]
pub trait Heads: Send + Sync {
    /// Keeps a head that is to be published.
    async fn keep_head(&self, head: SignedHead) -> Result<(), StoreError>;

    /// Keeps what witnesses have signed: their keys as text and the lines of the note.
    async fn keep_cosignatures(
        &self,
        size: u64,
        at: Timestamp,
        lines: Vec<(String, String)>,
    ) -> Result<(), StoreError>;

    /// Heads above a size, oldest first.
    async fn heads_after(&self, size: u64, limit: usize) -> Result<Vec<PublishedHead>, StoreError>;

    /// The newest heads, newest first.
    async fn newest_heads(&self, limit: usize) -> Result<Vec<PublishedHead>, StoreError>;

    /// What each witness signed last.
    async fn last_signed(&self) -> Result<LastSigned, StoreError>;

    /// Split views that nobody has accepted.
    async fn split_views(&self) -> Result<Vec<SplitView>, StoreError>;

    /// Keeps a split view; tells whether it is the first with that witness, or the first that is proven.
    async fn keep_split_view(&self, split: SplitView) -> Result<bool, StoreError>;

    /// When a quorum has signed last, which begins `now` when none ever was asked, and whether it was told that
    /// it is long ago.
    async fn witnessed_since(&self, now: Timestamp) -> Result<(Timestamp, bool), StoreError>;

    /// Keeps when a quorum has signed last, and whether it was told that it is long ago.
    async fn keep_witnessed(&self, last: Timestamp, told: bool) -> Result<(), StoreError>;
}
