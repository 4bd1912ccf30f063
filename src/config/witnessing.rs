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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::witness::WitnessSigner;

    fn key(n: u8) -> String {
        WitnessSigner::from_seed(&format!("w{n}.example"), &[n; 32]).unwrap().key().text()
    }

    fn read(text: &str) -> Result<Option<Publishing>, String> {
        let table: AuditTable = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        table.publishing()
    }

    fn witness(n: u8) -> String {
        format!("[[witness]]\nurl = \"https://w{n}.example/weir/\"\nkey = \"{}\"\n", key(n))
    }

    #[test]
    fn a_quorum_is_more_than_half_where_nothing_is_said() {
        assert!(read("lock = \"a\"").unwrap().is_none());
        for (count, needed) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)] {
            let text: String = (1..=count).map(witness).collect();
            let found = read(&text).unwrap().unwrap();
            assert_eq!(found.witnesses.quorum.needed(), needed, "{count}");
            assert_eq!(found.urls[0].0.as_str(), "https://w1.example/weir");
            assert_eq!(found.witnesses.stale_after, SignedDuration::from_mins(15));
            assert_eq!(found.witnesses.strict_after, None);
        }
        let strict = format!("quorum = 1\nstrict_witness_hours = 4\n{}{}", witness(1), witness(2));
        let found = read(&strict).unwrap().unwrap();
        assert_eq!(found.witnesses.quorum.needed(), 1);
        assert_eq!(found.witnesses.strict_after, Some(SignedDuration::from_hours(4)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let two = format!("{}{}", witness(1), witness(2));
        let url = |to: &str| two.replace("https://w1.example/weir/", to);
        for (text, says) in [
            (format!("quorum = 3\n{two}"), "1 to 2"),
            (format!("quorum = 0\n{two}"), "1 to 2"),
            (format!("{two}{}", witness(1)), "stands twice"),
            ("quorum = 1".to_owned(), "go with [[audit.witness]]"),
            ("strict_witness_hours = 4".to_owned(), "go with [[audit.witness]]"),
            (format!("stale_seconds = 0\n{two}"), "must not be 0"),
            (format!("strict_witness_hours = 0\n{two}"), "must not be 0"),
            (two.replace(&key(1), "x"), "weir witness init"),
            (url("w1.example"), "absolute URL"),
            (url("ftp://w1.example/"), "http"),
            (url("https://a:b@w1.example/"), "password"),
            (url("https://w1.example/?a=b"), "its path"),
            (two.replace("url =", "uri ="), "unknown field"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(says), "{says}: {error}");
        }
    }
}
