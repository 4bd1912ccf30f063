//! What the log is told of policies.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::Reloader;
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::hub::entry::{fresh_id, subject};
use crate::store::{Candidate, StoreError};

impl Reloader {
    /// Notes what became of the candidate, once.
    pub(super) async fn note(
        &self,
        candidate: Option<Candidate>,
        what: &str,
        findings: usize,
    ) -> Result<(), StoreError> {
        let before = self.store.candidate().await?;
        let same = |a: &Candidate, b: &Candidate| {
            (a.hash, a.waits_until, &a.reasons) == (b.hash, b.waits_until, &b.reasons)
        };
        if let (Some(a), Some(b)) = (&before, &candidate)
            && same(a, b)
        {
            return Ok(());
        }
        let facets = self.facets(what, 0, Some(findings));
        let entry = self.entry(self.clock.now(), self.in_force(), facets, &json!(candidate));
        self.store.put_candidate(candidate, entry).await.map(drop)
    }

    fn in_force(&self) -> [u8; 32] {
        self.hub.policy().map_or([0; 32], |policy| policy.version().hash)
    }

    pub(super) fn facets(
        &self,
        what: &str,
        number: u64,
        findings: Option<usize>,
    ) -> BTreeMap<Facet, String> {
        let numbered = if number > 0 { format!("{what}|v{number}") } else { what.to_owned() };
        let mut facets = BTreeMap::from([(Facet::What, numbered)]);
        if let Some(findings) = findings {
            facets.insert(Facet::Count, findings.to_string());
        }
        if let Ok(policy) = self.hub.policy() {
            facets.insert(Facet::Previous, hex::encode(policy.version().hash));
        }
        facets
    }

    pub(super) fn entry(
        &self,
        at: Timestamp,
        policy: [u8; 32],
        facets: BTreeMap<Facet, String>,
        words: &serde_json::Value,
    ) -> Entry {
        let slots =
            [(SlotId::Subject, subject(None)), (SlotId::Request, words.to_string().into_bytes())];
        let entry = Entry::of_hub(fresh_id(at), Kind::Policy, "weir serve", facets);
        Entry { policy, slots: slots.into(), ..entry }
    }
}
