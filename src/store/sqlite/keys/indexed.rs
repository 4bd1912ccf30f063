//! Under what the index files the entries about somebody: rows that nobody can tie to each other, nor to
//! anybody, without the resident's key and that of kind and year. With either gone they are noise: `docs/adr/0016`.

use super::file::{Blind, Purpose};
use super::ring::Keyring;
use super::seal::{Secret, mac};
use super::slots::{Root, is_nobody};
use crate::domain::{DecisionId, KeptKind};
use crate::store::StoreError;

/// The key of one chain of rows: the entries of one lot about one resident, numbered from 0.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(in crate::store::sqlite) struct ChainKey(Blind);

impl ChainKey {
    fn of(lot: &Secret, root: &Secret, name: &Blind) -> Self {
        Self(mac(lot, "weir/index/1", &[&root.0, name]))
    }

    /// The label of the n-th row, and what hides its place.
    pub(in crate::store::sqlite) fn row(&self, n: u64) -> ([u8; 16], u64) {
        let bytes = mac(&Secret(self.0), "weir/index/row/1", &[&n.to_be_bytes()]);
        let (mut label, mut mask) = ([0; 16], [0; 8]);
        let halves = bytes.split_at(16);
        label.copy_from_slice(halves.0);
        for (to, from) in mask.iter_mut().zip(halves.1) {
            *to = *from;
        }
        (label, u64::from_be_bytes(mask))
    }
}

impl Keyring {
    /// The chains that entries about `subject` can be in, from before and after the registration; where
    /// kinds are named, of entries of other kinds only as far as they are under one key with them. `None`:
    /// nobody's, or somebody's who is not registered, or whose key is gone: only the log itself tells.
    /// Blocks.
    pub(in crate::store::sqlite) fn chains_about(
        &self,
        subject: &[u8],
        kinds: &[KeptKind],
    ) -> Result<Option<Vec<ChainKey>>, StoreError> {
        if is_nobody(subject) {
            return Ok(None);
        }
        let name = self.name(Purpose::Slots, subject);
        let Some(own) = self.secret(Purpose::Slots, &name)? else { return Ok(None) };
        let mut chains = Vec::new();
        let sought = |kind: Option<KeptKind>| {
            kind.is_none_or(|kind| kinds.is_empty() || kinds.contains(&kind))
        };
        for lot in self.lots()?.into_iter().filter(|lot| sought(lot.kind)) {
            if let Some(lot) = self.lot(lot)? {
                chains.push(ChainKey::of(&lot, &own, &name));
                chains.push(ChainKey::of(&lot, &self.strangers, &name));
            }
        }
        Ok(Some(chains))
    }

    /// The chain that an entry is in, by a slot of it; `None` where it is about nobody, or erased.
    /// Blocks.
    pub(in crate::store::sqlite) fn chain_of(
        &self,
        event: DecisionId,
        sealed: &[u8],
    ) -> Result<Option<ChainKey>, StoreError> {
        let Some((lot, root, name)) = self.locate(event, sealed)? else { return Ok(None) };
        let root = match root {
            Root::Place => return Ok(None),
            Root::Stranger => self.strangers.clone(),
            Root::Resident => match self.secret(Purpose::Slots, &name)? {
                Some(own) => own,
                None => return Ok(None),
            },
        };
        Ok(Some(ChainKey::of(&lot, &root, &name)))
    }
}
