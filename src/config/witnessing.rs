//! `[audit]` and `[[audit.witness]]`: who witnesses, and what their silence means.

use jiff::SignedDuration;
use serde::Deserialize;

use super::AuditTable;
use crate::app::publishing::Publishing;
use crate::audit::witness::{Quorum, WitnessKey};
use crate::hub::Witnesses;
use crate::witness::client::WitnessUrl;

/// Without a quorum for so long it is told, where nothing else is said: a quarter of an hour.
const STALE_SECONDS: u32 = 900;

/// A witness.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WitnessTable {
    url: String,
    key: String,
}

impl AuditTable {
    /// Who witnesses, if anybody does.
    pub(super) fn publishing(self) -> Result<Option<Publishing>, String> {
        let Self { lock: _, anchor_dir: _, quorum, stale_seconds, strict_witness_hours, witness } =
            self;
        if witness.is_empty() {
            let alone =
                quorum.is_some() || stale_seconds.is_some() || strict_witness_hours.is_some();
            return match alone {
                true => Err("[audit] quorum, stale_seconds and strict_witness_hours go with \
                             [[audit.witness]]"
                    .to_owned()),
                false => Ok(None),
            };
        }
        let mut urls = Vec::new();
        for WitnessTable { url, key } in witness {
            let at = |what: &str, why: &dyn std::fmt::Display| {
                format!(
                    "[[audit.witness]] {what} \"{}\": {why}",
                    if what == "url" { &url } else { &key }
                )
            };
            let read = WitnessKey::parse(&key);
            let key = read.map_err(|_| {
                at("key", &"must be what `weir witness init` printed, name+id+base64")
            })?;
            urls.push((WitnessUrl::parse(&url).map_err(|why| at("url", &why))?, key));
        }
        // More than half, where nothing is said: two quorums then share a witness.
        let needed = quorum.unwrap_or(urls.len() / 2 + 1);
        let keys = urls.iter().map(|(_, key)| key.clone()).collect();
        let quorum = Quorum::new(needed, keys).map_err(|why| format!("[audit] quorum: {why}"))?;
        let stale = stale_seconds.unwrap_or(STALE_SECONDS);
        if stale == 0 || strict_witness_hours == Some(0) {
            return Err("[audit] stale_seconds and strict_witness_hours must not be 0".to_owned());
        }
        let stale_after = SignedDuration::from_secs(stale.into());
        let strict_after =
            strict_witness_hours.map(|hours| SignedDuration::from_hours(hours.into()));
        Ok(Some(Publishing { witnesses: Witnesses { quorum, stale_after, strict_after }, urls }))
    }
}
