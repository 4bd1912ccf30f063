//! The log as an outsider reads its file, against what callers were told.

use std::collections::BTreeMap;

use rusqlite::Connection;
use weir::audit::entry::{Facet, Kind, SlotId};
use weir::audit::tree::{Edge, Hash, leaf_hash};
use weir::grpc::pb;
use weir::store::sqlite::keys::{Keyring, Opened};

/// The log as its file has it: event, leaf hash, and the root of every size; and whom its entries
/// say were registered, and what was released of whose.
pub(super) struct Log {
    pub(super) entries: Vec<(String, Hash)>,
    roots: Vec<Hash>,
    pub(super) registered: BTreeMap<String, usize>,
    /// Holders of what was released, by place.
    opened: BTreeMap<u64, (String, String)>,
}

impl Log {
    pub(super) fn read(file: &Connection, keys: &Keyring) -> Self {
        let mut log = Self {
            entries: Vec::new(),
            roots: Vec::new(),
            registered: BTreeMap::new(),
            opened: BTreeMap::new(),
        };
        let mut edge = Edge::default();
        let mut statement = file
            .prepare(
                "SELECT e.leaf, s.bytes FROM entry e LEFT JOIN slot s \
                 ON s.idx = e.idx AND s.slot = ?1 ORDER BY e.idx",
            )
            .unwrap();
        let mut rows = statement.query([SlotId::Subject as u8]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let leaf: Vec<u8> = row.get(0).unwrap();
            let entry = weir::audit::leaf::decode(&leaf).unwrap().entry;
            edge.push(leaf_hash(&leaf));
            log.roots.push(edge.root());
            log.entries.push((entry.event.to_string(), leaf_hash(&leaf)));
            let place = u64::try_from(log.entries.len() - 1).unwrap();
            if entry.kind == Kind::Disclose && entry.facets.contains_key(&Facet::Released) {
                let holder = entry.facets[&Facet::Holder].clone();
                log.opened.insert(place, (holder, format!("disclosures/{}", entry.event)));
            }
            let what = entry.facets.get(&Facet::What).map(String::as_str);
            if entry.kind == Kind::Hold && what == Some("register") {
                let sealed: Vec<u8> = row.get(1).unwrap();
                let slot = keys.open_slot(entry.event, SlotId::Subject as u8, &sealed).unwrap();
                let Opened::Content(salted) = slot else { continue };
                let subject = &salted[32..];
                *log.registered.entry(hex::encode(subject)).or_default() += 1;
            }
        }
        log
    }

    /// Releases of what an agency holds, by place.
    pub(super) fn opened_by(&self, holder: &str) -> BTreeMap<u64, String> {
        let own = self.opened.iter().filter(|(_, (of, _))| of == holder);
        own.map(|(place, (_, name))| (*place, name.clone())).collect()
    }

    /// What is wrong with a receipt.
    pub(super) fn wrong(&self, receipt: &pb::Receipt) -> Option<String> {
        let place: usize = receipt.entry.strip_prefix("entries/").unwrap().parse().unwrap();
        let event = receipt.name.split('/').next_back().unwrap();
        let size = usize::try_from(receipt.tree_size).unwrap();
        match self.entries.get(place) {
            None => Some(format!("{}: the log ends at {}", receipt.entry, self.entries.len())),
            Some((at, hash)) if at != event || *hash != receipt.leaf_hash[..] => {
                Some(format!("{}: another entry is there", receipt.entry))
            }
            Some(_) if size <= place => Some(format!("{}: not covered", receipt.entry)),
            Some(_) if self.roots.get(size - 1).is_none_or(|r| *r != receipt.root_hash[..]) => {
                Some(format!("{}: the root of size {size} differs", receipt.entry))
            }
            Some(_) => None,
        }
    }
}
