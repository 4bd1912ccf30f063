//! Extracts that holders publish. The holder is always the caller's own agency, never a word of the
//! message.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::again::Done;
use super::entry::fresh_id;
use super::words::Words;
use super::{Hub, HubError, Violation};
use crate::audit::entry::{Facet, Kind};
use crate::auth::{Caller, HubFunction};
use crate::disclose::counts;
use crate::domain::{CategoryId, FieldId, FieldValue};
use crate::limits;
use crate::store::{HeldRecord, Receipt, ShelfReport, ShelfRow};

/// One extract of one category.
pub struct Extract {
    /// The category.
    pub category: CategoryId,
    /// From when on nothing of it is released any more.
    pub expires: Timestamp,
    /// The rows.
    pub rows: Vec<ExtractRow>,
}

/// One row of an extract.
pub struct ExtractRow {
    /// The holder's own id for the resident.
    pub local_id: String,
    /// Values by field.
    pub values: Vec<(FieldId, FieldValue)>,
}

/// What happened to an extract.
pub struct Published {
    /// Rows stored, and rows linked to nobody.
    pub report: ShelfReport,
    /// The proof; `None`: nothing was stored.
    pub receipt: Option<Receipt>,
}

/// Whether a record published at `at` may be kept until `expires`: everything ends, and not too late.
#[must_use]
pub fn may_expire(at: Timestamp, expires: Timestamp) -> bool {
    let life = expires.duration_since(at);
    life.is_positive() && life <= limits::RECORD_LIFE_MAX
}

impl Hub {
    /// True when the caller may publish, so that nobody else gets to send an extract.
    ///
    /// # Errors
    /// When the caller is no publisher.
    pub async fn may_publish(&self, caller: &Caller) -> Result<(), HubError> {
        let policy = self.policy()?;
        let at = self.clock.now();
        let rpc = "weir.hub.v1.RecordService/PublishRecords";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::Publisher).await
    }

    /// Publishes an extract, all or nothing.
    ///
    /// # Errors
    /// When the caller is no publisher, or a word is unknown.
    pub async fn publish_records(
        &self,
        caller: &Caller,
        extract: Extract,
    ) -> Result<Published, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.RecordService/PublishRecords";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::Publisher).await?;
        let Extract { category, expires, rows } = extract;
        let mut words = Words::of(policy.book());
        words.published("header.category", &category);
        for (n, row) in rows.iter().enumerate() {
            for (field, value) in &row.values {
                let at = format!("rows[{n}].values");
                words.field_of(&at, &category, field);
                if policy.book().is_counts(field) && !counts::is_table(value) {
                    words.wrong(&at, counts::SHAPE);
                }
            }
        }
        words.done()?;
        if !may_expire(at, expires) {
            let what = "must be in the future, and not more than 400 days away";
            return Err(HubError::Invalid(vec![Violation::new("header.expire_time", what)]));
        }
        if let Some(done) = self.done_before(&call).await? {
            return Ok(published_before(done));
        }
        let facets = BTreeMap::from([
            (Facet::Holder, caller.agency().as_str().to_owned()),
            (Facet::What, category.as_str().to_owned()),
            (Facet::Count, rows.len().to_string()),
        ]);
        let request =
            serde_json::json!({ "publish": category, "rows": rows.len(), "expires": expires });
        let none = BTreeMap::new();
        let entry = call.entry(call.event(), Kind::Hold, facets, None, none, &request);
        let rows = rows
            .into_iter()
            .map(|row| ShelfRow { local_id: row.local_id, values: row.values })
            .collect();
        let holder = caller.agency().clone();
        let made = self.store.shelve(holder, category, rows, (at, expires), vec![entry]).await;
        let made = made
            .map(|(report, receipts)| Published { report, receipt: receipts.into_iter().next() });
        self.once(&call, made, |done| Ok(published_before(done))).await
    }

    /// Takes off the shelf what has expired, a bounded number at a time.
    pub async fn purge_expired(&self) {
        loop {
            match self.store.purge_expired(limits::PURGE_MAX).await {
                Ok(gone) if gone < u64::try_from(limits::PURGE_MAX).unwrap_or(u64::MAX) => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error = %error, "Expired records could not be purged");
                    return;
                }
            }
        }
    }

    /// Takes records back; tells how many there were.
    ///
    /// # Errors
    /// When the caller is no publisher, or a word is unknown.
    pub async fn retract_records(
        &self,
        caller: &Caller,
        category: CategoryId,
        local_ids: Vec<String>,
    ) -> Result<(u64, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.RecordService/RetractRecords";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::Publisher).await?;
        let mut words = Words::of(policy.book());
        words.category("category", &category);
        words.done()?;
        let facets = BTreeMap::from([
            (Facet::Holder, caller.agency().as_str().to_owned()),
            (Facet::What, category.as_str().to_owned()),
            (Facet::Count, local_ids.len().to_string()),
        ]);
        let request = serde_json::json!({ "retract": category, "local_ids": local_ids });
        let none = BTreeMap::new();
        if let Some(done) = self.done_before(&call).await? {
            return Ok((count(&done), done.receipt));
        }
        let entry = call.entry(call.event(), Kind::Hold, facets, None, none, &request);
        let holder = caller.agency().clone();
        let made = self.store.retract(holder, category, local_ids, vec![entry]).await;
        let made = made.map(|(gone, receipts)| (gone, receipts.into_iter().next()));
        let again = |done: Done| Ok((count(&done), Some(done.receipt)));
        let (gone, receipt) = self.once(&call, made, again).await?;
        Ok((gone, receipt.ok_or(HubError::Broken)?))
    }

    /// What the caller's agency has published, without content, after `after`; and whether there is
    /// more. The look is in the log before anything is read.
    ///
    /// # Errors
    /// When the caller is no publisher, or a word is unknown.
    pub async fn held_records(
        &self,
        caller: &Caller,
        category: Option<CategoryId>,
        after: Option<(CategoryId, String)>,
        limit: usize,
    ) -> Result<(Vec<HeldRecord>, bool), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.RecordService/ListHeldRecords";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::Publisher).await?;
        let mut words = Words::of(policy.book());
        if let Some(category) = &category {
            words.category("category", category);
        }
        words.done()?;
        let limit = limit.clamp(1, limits::PAGE_MAX);
        let facets = BTreeMap::from([
            (Facet::Holder, caller.agency().as_str().to_owned()),
            (Facet::What, "held".to_owned()),
        ]);
        let request = serde_json::json!({ "held": category, "limit": limit });
        let none = BTreeMap::new();
        let entry = call.entry(fresh_id(at), Kind::Query, facets, None, none, &request);
        self.append_one(entry).await?;
        let holder = caller.agency().clone();
        let wish = limit.saturating_add(1);
        let mut held = self.store.held(holder, category, after, wish).await?;
        let more = held.len() > limit;
        held.truncate(limit);
        Ok((held, more))
    }
}

/// How many rows or ids the entry of the first call tells of.
fn count(done: &Done) -> u64 {
    done.entry.facets.get(&Facet::Count).and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn published_before(done: Done) -> Published {
    let report = ShelfReport { stored: count(&done), unlinked: Vec::new() };
    Published { report, receipt: Some(done.receipt) }
}
