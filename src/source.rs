//! Where record bodies come from. Here: the shelf, on which holders publish extracts. A partner's
//! live endpoint will be another implementation; a permit never cares which.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::{AgencyId, CategoryId, FieldId, FieldValue, Record, ResidentId};
use crate::store::Store;

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

    /// Everything that is known of `fields` of `resident`, whoever holds it, old values too: what must be
    /// read out of no other value. More than can be looked for is an error.
    async fn all_values(
        &self,
        resident: ResidentId,
        fields: &BTreeSet<FieldId>,
    ) -> Result<Vec<FieldValue>, SourceError>;
}

/// The shelf in the hub's own store.
pub struct Shelf {
    store: Arc<dyn Store>,
}

impl Shelf {
    /// Over `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

#[tonic::async_trait]
impl RecordSource for Shelf {
    async fn fetch(
        &self,
        holder: &AgencyId,
        resident: ResidentId,
        categories: &BTreeSet<CategoryId>,
    ) -> Result<Record, SourceError> {
        let categories = categories.iter().cloned().collect();
        self.store.shelf_record(holder.clone(), resident, categories).await.map_err(|error| {
            tracing::error!(error = %error, "The shelf could not be read");
            SourceError::Unavailable
        })
    }

    async fn present(
        &self,
        holder: &AgencyId,
        resident: ResidentId,
        categories: &BTreeSet<CategoryId>,
    ) -> Result<BTreeSet<FieldId>, SourceError> {
        Ok(self.fetch(holder, resident, categories).await?.values.into_keys().collect())
    }

    async fn all_values(
        &self,
        resident: ResidentId,
        fields: &BTreeSet<FieldId>,
    ) -> Result<Vec<FieldValue>, SourceError> {
        self.store.shelf_values(resident, fields.clone()).await.map_err(|error| {
            tracing::error!(error = %error, "The shelf could not be read");
            SourceError::Unavailable
        })
    }
}
