//! Where record bodies come from: a stand-in until the shelf is merged.

use std::collections::BTreeSet;

use crate::domain::{AgencyId, CategoryId, FieldId, Record, ResidentId};

/// Why a source gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Try again later.
    #[error("the source is not available")]
    Unavailable,
}

/// Where record bodies come from.
#[tonic::async_trait]
pub trait RecordSource: Send + Sync + 'static {
    /// What `holder` holds about `resident` in `categories`.
    async fn fetch(
        &self,
        holder: &AgencyId,
        resident: ResidentId,
        categories: &BTreeSet<CategoryId>,
    ) -> Result<Record, SourceError>;

    /// Which fields hold something.
    async fn present(
        &self,
        holder: &AgencyId,
        resident: ResidentId,
        categories: &BTreeSet<CategoryId>,
    ) -> Result<BTreeSet<FieldId>, SourceError>;
}
