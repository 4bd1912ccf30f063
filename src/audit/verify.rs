//! Verifies a whole log from its rows, trusting nothing but the verifier key. Every finding names
//! the entry or the head.

mod examined;
mod policies;

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;

pub use self::examined::{Examined, Examining};
use self::examined::{More, Said};
pub use self::policies::Activation;
use self::policies::Policies;
use super::checkpoint::VerifierKey;
use super::entry::{Entry, Facet, Kind};
use super::tile::{RightSide, TILE_WIDTH, Tile, TileId, full_tile};
use super::tree::{Edge, Hash};
use crate::domain::DecisionId;

/// What the first entry of a further file says of the log before it: `SIZE:ROOT`.
#[must_use]
pub fn head_before(edge: &Edge) -> String {
    format!("{}:{}", edge.size(), hex::encode(edge.root()))
}

/// Whether the first entry of a file goes on from what is before it; the first of all from nothing.
#[must_use]
pub fn continues(entry: &Entry, before: &Edge) -> bool {
    let previous = entry.facets.get(&Facet::Previous).map(String::as_str);
    goes_on(entry.kind == Kind::Genesis, previous, before)
}

fn goes_on(begins: bool, previous: Option<&str>, before: &Edge) -> bool {
    before.size() == 0 || (begins && previous == Some(&head_before(before)))
}

/// The call of the entry that says that an older copy was accepted.
pub const ACCEPT_ROLLBACK: &str = "weir audit accept-rollback";

/// What an entry says first when the hub's clock went back; the seconds come second.
pub const CLOCK_BACK: &str = "clock-back";

/// Most findings that are listed.
const FINDINGS_MAX: usize = 100;

/// Fed with every row of a log in order, it says what is wrong.
pub struct Verifier {
    key: VerifierKey,
    edge: Edge,
    right: RightSide,
    /// Tiles that the entries filled and that are still to be compared.
    filled: Vec<Tile>,
    /// Tiles that are not stored as the entries make them.
    wrong_tiles: HashSet<TileId>,
    tiles: u64,
    /// The place of the next entry.
    next: u64,
    /// An entry is missing: those behind it are not at their places in the tiles.
    moved: bool,
    /// Heads still to come, by size.
    heads: BTreeMap<u64, String>,
    last: Option<Timestamp>,
    seen: HashSet<DecisionId>,
    findings: Vec<String>,
    /// Findings that are not listed.
    more: u64,
    covered: u64,
    /// Heads with a root that is not that of the entries, after the first.
    later_heads_wrong: Option<u64>,
    /// Sizes and roots that somebody has kept, and what that was.
    kept: Vec<(u64, Hash, [&'static str; 2])>,
    accepted: Vec<String>,
    notes: Vec<String>,
    policies: Policies,
    /// The next entry is the first of a further file.
    turned: bool,
}

/// What verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Entries read.
    pub entries: u64,
    /// Root over all of them.
    pub root: Hash,
    /// Full tiles that the entries make, if the log stores tiles and they were compared.
    pub tiles: u64,
    /// What is wrong; empty when the log is whole.
    pub findings: Vec<String>,
    /// Entries that say that an older copy was accepted knowingly.
    pub accepted: Vec<String>,
    /// What else the log says of itself that whoever reads it should know.
    pub notes: Vec<String>,
    /// The policies that came into force, in order.
    pub activated: Vec<Activation>,
}

impl Verifier {
    /// Begins with the heads that the log holds, by the size they are filed under.
    #[must_use]
    pub fn new(key: VerifierKey, heads: Vec<(u64, String)>) -> Self {
        let heads: BTreeMap<u64, String> = heads.into_iter().collect();
        Self {
            key,
            edge: Edge::default(),
            right: RightSide::default(),
            filled: Vec::new(),
            wrong_tiles: HashSet::new(),
            tiles: 0,
            next: 0,
            moved: false,
            heads,
            last: None,
            seen: HashSet::new(),
            findings: Vec::new(),
            more: 0,
            covered: 0,
            later_heads_wrong: None,
            kept: Vec::new(),
            accepted: Vec::new(),
            notes: Vec::new(),
            policies: Policies::default(),
            turned: false,
        }
    }

    /// The place of the next entry.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// The next entry is the first of a further file of the same log.
    pub fn next_file(&mut self) {
        self.turned = true;
    }

    /// Holds the log against what somebody kept from an earlier verification: it may only have grown.
    #[must_use]
    pub fn since(mut self, kept: impl IntoIterator<Item = (u64, Hash)>) -> Self {
        let kept = kept.into_iter();
        self.kept
            .extend(kept.map(|(size, root)| (size, root, ["root that was kept", "root was kept"])));
        self
    }

    /// Holds the log against its lock: it may only have grown since.
    #[must_use]
    pub fn locked(mut self, lock: Option<(u64, Hash)>) -> Self {
        self.kept.extend(
            lock.map(|(size, root)| (size, root, ["lock that was written", "lock was written"])),
        );
        self
    }

    /// Adds a finding that was made while reading.
    pub fn find(&mut self, finding: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// Entries taken so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.edge.size()
    }

    /// Takes the next entry, which was looked at with its slots.
    pub fn take(&mut self, index: u64, row: &Examined) {
        if index != self.next {
            self.find(format!("entry {}: missing; the next one is {index}", self.next));
            self.moved = true;
        }
        self.next = index.saturating_add(1);
        match &row.said {
            Err(error) => self.find(format!("entry {index}: {error}")),
            Ok(said) => self.said(index, said),
        }
        row.slots.iter().for_each(|what| self.find(format!("entry {index}: {what}")));
        self.grow(row.hash);
    }

    /// Holds what an entry says against those before it.
    fn said(&mut self, index: u64, said: &Said) {
        if self.last.is_some_and(|last| said.committed_at < last) {
            self.find(format!("entry {index}: committed before the entry before it"));
        }
        self.last = Some(said.committed_at);
        if !self.seen.insert(said.event) {
            self.find(format!("entry {index}: its id is used twice"));
        }
        match said.more.as_deref() {
            Some(More::Accepted(lost)) => self.accepted.push(format!(
                "entry {index}: an older copy was accepted here; seen before was {lost}"
            )),
            Some(More::ClockBack(seconds)) if self.notes.len() < FINDINGS_MAX => {
                self.notes.push(format!(
                    "entry {index}: the hub's clock went back by {seconds} seconds; times stand still \
                     until it caught up"
                ));
            }
            _ => {}
        }
        // What an older copy has lost may have brought others into force.
        if self.policies.take(index, said) && self.accepted.is_empty() {
            let hash = hex::encode(said.policy);
            self.find(format!(
                "entry {index}: was made under policy {hash}, which no entry before it brought \
                 into force"
            ));
        }
        let begins = match said.more.as_deref() {
            Some(More::Begins(previous)) => Some(previous.as_deref()),
            _ => None,
        };
        let goes_on = goes_on(begins.is_some(), begins.flatten(), &self.edge);
        if (self.turned || begins.is_some()) && !goes_on {
            self.find(format!("entry {index}: does not go on from the head before it"));
        }
    }

    /// The tree has one more leaf.
    fn grow(&mut self, hash: Hash) {
        self.turned = false;
        self.edge.push(hash);
        self.filled.extend(self.right.push(hash));
        let size = self.edge.size();
        let others =
            self.kept.iter().filter(|(kept, root, _)| *kept == size && *root != self.edge.root());
        let others: Vec<String> = others
            .map(|(_, _, [what, _])| {
                format!("the first {size} entries are not those of the {what}")
            })
            .collect();
        // One at most for each that was kept: not to be crowded out by what many entries have.
        self.findings.extend(others);
        if let Some(note) = self.heads.remove(&size) {
            self.head(&note);
        }
    }

    /// The tiles that the entries so far have filled since this was asked last.
    pub fn filled(&mut self) -> Vec<Tile> {
        std::mem::take(&mut self.filled)
    }

    /// Holds what is stored of a tile against the one that the entries make.
    pub fn tile(&mut self, own: &Tile, stored: Option<&[u8]>) {
        self.tiles += 1;
        if self.moved {
            return;
        }
        let id = own.id;
        let hashes = match stored.map(full_tile) {
            None => return self.find(format!("{id}: is missing")),
            Some(None) => return self.find(format!("{id}: is not {TILE_WIDTH} hashes")),
            Some(Some(hashes)) => hashes,
        };
        let differ: Vec<u64> = (id.n * TILE_WIDTH as u64..)
            .zip(hashes.iter().zip(&own.hashes))
            .filter_map(|(node, (stored, own))| (stored != own).then_some(node))
            .collect();
        let Some(first) = differ.first() else { return };
        self.wrong_tiles.insert(id);
        let below = |node| id.level.checked_sub(1).map(|level| TileId { level, n: node });
        // Where the tile below is wrong already, this one follows from it.
        if differ.iter().all(|node| below(*node).is_some_and(|b| self.wrong_tiles.contains(&b))) {
            return;
        }
        let of = below(*first).map_or_else(|| format!("entry {first}"), |b| b.to_string());
        let more = match differ.len() {
            1 => String::new(),
            count => format!(", nor are {} others", count - 1),
        };
        let at = first % TILE_WIDTH as u64;
        self.find(format!("{id}: hash {at} is not that of {of}{more}"));
    }

    fn head(&mut self, note: &str) {
        let size = self.edge.size();
        match self.key.open(note) {
            Err(error) => self.find(format!("head {size}: {error}")),
            Ok(head) if head.size != size => {
                self.find(format!("head {size}: is signed for size {}", head.size));
            }
            Ok(head) if head.root != self.edge.root() => match &mut self.later_heads_wrong {
                // Once an entry differs, no later root can agree.
                Some(later) => *later += 1,
                None => {
                    self.later_heads_wrong = Some(0);
                    let entries = match self.covered {
                        only if only + 1 == size => format!("entry {only}"),
                        first => format!("one of entries {first} to {}", size - 1),
                    };
                    self.findings.push(format!(
                        "head {size}: the signed root is not that of the entries before {size}: \
                         {entries} was changed"
                    ));
                }
            },
            Ok(_) => self.covered = size,
        }
    }

    /// Ends: every entry must be covered by a head, and every head by entries.
    #[must_use]
    pub fn finish(mut self) -> Verdict {
        let size = self.edge.size();
        let mut ahead = std::mem::take(&mut self.heads).into_keys();
        if let Some(first) = ahead.next() {
            self.findings
                .push(format!("head {first}: covers entries that are not there ({size} are)"));
            if let later @ 1.. = ahead.count() {
                self.findings.push(format!("and {later} later heads cover more"));
            }
        }
        for (kept, _, [_, when]) in std::mem::take(&mut self.kept) {
            if kept > size {
                self.findings
                    .push(format!("{size} entries are there; there were {kept} when the {when}"));
            }
        }
        if let Some(later @ 1..) = self.later_heads_wrong {
            self.findings.push(format!("and {later} later heads, which follow from it"));
        }
        if self.more > 0 {
            self.findings.push(format!("and {} findings more", self.more));
        }
        if self.covered < size && self.findings.is_empty() {
            self.find(format!("entries {} to {} are under no signed head", self.covered, size - 1));
        }
        let (root, tiles) = (self.edge.root(), self.tiles);
        Verdict {
            entries: size,
            root,
            tiles,
            findings: self.findings,
            accepted: self.accepted,
            notes: self.notes,
            activated: self.policies.activated,
        }
    }
}

#[cfg(test)]
mod tests;
