//! How the personal slots of an entry are sealed: under a key that comes of two, the resident's and that of
//! the entry's kind and year, so that either can be destroyed. Who has only the files cannot tell whom an
//! entry is about, nor whether two are about the same.

use std::collections::HashSet;

use jiff::Timestamp;

use super::file::{Blind, Purpose};
use super::lots::{lot_of, name_of, year_of};
use super::ring::Keyring;
use super::seal::{Drawn, OVERHEAD, Sealing, Secret, mac, open};
use crate::audit::retention::Lot;
use crate::domain::{DecisionId, KeptKind};
use crate::store::StoreError;

/// Under the lot's key: whose key it is.
const LOCATOR_LEN: usize = OVERHEAD + 1 + 32;
/// Sealed under the key of a whole year, whose bytes follow. Read, and written no more.
const VERSION_YEAR: u8 = 1;
/// Sealed under the key of a kind in a year, whose bytes follow.
const VERSION_KIND: u8 = 2;

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Root {
    Place = 0,
    Resident = 1,
    Stranger = 2,
}

/// What a slot holds.
#[derive(Clone, PartialEq, Eq)]
pub enum Opened {
    /// This.
    Content(Vec<u8>),
    /// Nobody will ever know: its key was destroyed.
    Erased,
}

/// Whom entries may be about.
pub(in crate::store::sqlite) struct People(HashSet<Blind>);

/// Seals the slots of one entry.
pub(in crate::store::sqlite) struct Sealer {
    event: DecisionId,
    prefix: Vec<u8>,
    key: Sealing,
    drawn: Drawn,
}

impl Sealer {
    /// A salt that no other slot has.
    pub(in crate::store::sqlite) fn salt(&mut self) -> Result<[u8; 32], StoreError> {
        self.drawn.take()
    }

    /// Seals the parts of a slot's content, one after the other; 0 is no slot of the log's.
    pub(in crate::store::sqlite) fn seal(
        &mut self,
        slot: u8,
        parts: &[&[u8]],
    ) -> Result<Vec<u8>, StoreError> {
        let bound = aad(self.event, slot, &self.prefix);
        self.key.seal(&self.prefix, &bound, parts, self.drawn.take()?)
    }
}

fn aad(event: DecisionId, slot: u8, prefix: &[u8]) -> Vec<u8> {
    [event.uuid().as_bytes().as_slice(), &[slot], prefix].concat()
}

fn entry_key(lot: &Secret, root: &Secret, event: DecisionId) -> Secret {
    let both = Secret(mac(lot, "weir/slots/1", &[&root.0]));
    Secret(mac(&both, "weir/entry/1", &[event.uuid().as_bytes()]))
}

fn locator_key(lot: &Secret, event: DecisionId) -> Secret {
    Secret(mac(lot, "weir/locator/1", &[event.uuid().as_bytes()]))
}

/// What stands in front of what is sealed, for all to read: the version and the lot.
fn begun(lot: Lot) -> Vec<u8> {
    let version = if lot.kind.is_some() { VERSION_KIND } else { VERSION_YEAR };
    [[version].as_slice(), &name_of(lot)].concat()
}

/// What is sealed, in its parts.
struct Parts<'a> {
    lot: Lot,
    /// Version and lot.
    begun: &'a [u8],
    locator: &'a [u8],
    /// All that stands before the body.
    prefix: &'a [u8],
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    /// `None`: it is malformed.
    fn of(sealed: &'a [u8]) -> Option<Self> {
        let len = match *sealed.first()? {
            VERSION_YEAR => 3,
            VERSION_KIND => 4,
            _ => return None,
        };
        let (prefix, body) = sealed.split_at_checked(len + LOCATOR_LEN)?;
        let (begun, locator) = prefix.split_at_checked(len)?;
        let lot = lot_of(begun.get(1..)?)?;
        Some(Self { lot, begun, locator, prefix, body })
    }
}

/// True for what the subject of an entry is when it is about nobody.
pub(super) fn is_nobody(subject: &[u8]) -> bool {
    subject.len() != 16 || subject.iter().all(|byte| *byte == 0)
}

impl Keyring {
    /// Seals for an entry of a kind about `subject`, if the keys are at hand; otherwise ask
    /// [`Keyring::sealer`].
    pub(in crate::store::sqlite) fn sealer_at_hand(
        &self,
        subject: &[u8],
        event: DecisionId,
        kind: KeptKind,
        at: Timestamp,
    ) -> Result<Option<Sealer>, StoreError> {
        let lot = Lot::of(year_of(at), kind);
        let Some(key) = self.lot_remembered(lot) else { return Ok(None) };
        let name = self.name(Purpose::Slots, subject);
        let own =
            if is_nobody(subject) { Some(None) } else { self.remembered(Purpose::Slots, &name) };
        own.map(|own| self.sealing(&key, lot, subject, &name, own, event)).transpose()
    }

    /// Seals for an entry of a kind about `subject`. The cost is the same for who is registered and who is
    /// not, and nothing is written but once a year. Blocks.
    pub(in crate::store::sqlite) fn sealer(
        &self,
        subject: &[u8],
        event: DecisionId,
        kind: KeptKind,
        at: Timestamp,
    ) -> Result<Sealer, StoreError> {
        let lot = Lot::of(year_of(at), kind);
        let key = self.lot_for_sealing(lot.year, kind)?;
        let name = self.name(Purpose::Slots, subject);
        let own = if is_nobody(subject) { None } else { self.secret(Purpose::Slots, &name)? };
        self.sealing(&key, lot, subject, &name, own, event)
    }

    fn sealing(
        &self,
        key: &Secret,
        lot: Lot,
        subject: &[u8],
        name: &Blind,
        own: Option<Secret>,
        event: DecisionId,
    ) -> Result<Sealer, StoreError> {
        let (root, secret) = match own {
            Some(own) => (Root::Resident, own),
            None if is_nobody(subject) => (Root::Place, self.place.clone()),
            None => (Root::Stranger, self.strangers.clone()),
        };
        let locator = [&[root as u8], name.as_slice()].concat();
        let mut prefix = begun(lot);
        let bound = aad(event, 0, &prefix);
        let mut drawn = Drawn::fresh()?;
        let locating = Sealing::with(&locator_key(key, event))?;
        prefix.extend(locating.seal(&[], &bound, &[&locator], drawn.take()?)?);
        let key = Sealing::with(&entry_key(key, &secret, event))?;
        Ok(Sealer { event, prefix, key, drawn })
    }

    /// What was sealed in this slot of this entry. Blocks.
    ///
    /// # Errors
    /// When it was changed or is of another place.
    pub fn open_slot(
        &self,
        event: DecisionId,
        slot: u8,
        sealed: &[u8],
    ) -> Result<Opened, StoreError> {
        let parts = Parts::of(sealed).ok_or_else(changed)?;
        let Some((lot, root, name)) = self.located(event, &parts)? else {
            return Ok(Opened::Erased);
        };
        let secret = match root {
            Root::Place => self.place.clone(),
            Root::Stranger => self.strangers.clone(),
            Root::Resident => match self.secret(Purpose::Slots, &name)? {
                Some(secret) => secret,
                None => return Ok(Opened::Erased),
            },
        };
        open(&entry_key(&lot, &secret, event), &aad(event, slot, parts.prefix), parts.body)
            .map(Opened::Content)
            .ok_or_else(changed)
    }

    /// Somebody, to be looked for among those whom entries are about.
    pub(in crate::store::sqlite) fn people(
        &self,
        subjects: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> People {
        let name = |one: &[u8]| self.name(Purpose::Slots, one);
        People(subjects.into_iter().map(|one| name(one.as_ref())).collect())
    }

    /// Whether what is sealed belongs to an entry about one of those, also when its key is gone. Blocks.
    pub(in crate::store::sqlite) fn is_about(
        &self,
        event: DecisionId,
        sealed: &[u8],
        people: &People,
    ) -> Result<bool, StoreError> {
        let found = self.locate(event, sealed)?;
        Ok(found.is_some_and(|(_, _, name)| people.0.contains(&name)))
    }

    /// The lot's key, whose key it is and the blind name of the subject; `None`: the lot has lapsed.
    pub(super) fn locate(
        &self,
        event: DecisionId,
        sealed: &[u8],
    ) -> Result<Option<(Secret, Root, Blind)>, StoreError> {
        self.located(event, &Parts::of(sealed).ok_or_else(changed)?)
    }

    fn located(
        &self,
        event: DecisionId,
        parts: &Parts<'_>,
    ) -> Result<Option<(Secret, Root, Blind)>, StoreError> {
        let Some(lot) = self.lot(parts.lot)? else { return Ok(None) };
        let found = open(&locator_key(&lot, event), &aad(event, 0, parts.begun), parts.locator);
        let found = found.ok_or_else(changed)?;
        let (root, name) = found.split_first().ok_or_else(changed)?;
        let root = match root {
            0 => Root::Place,
            1 => Root::Resident,
            2 => Root::Stranger,
            _ => return Err(changed()),
        };
        let name = name.try_into().map_err(|_| changed())?;
        Ok(Some((lot, root, name)))
    }
}

/// The lot whose key is needed for what is sealed; `None`: it is malformed.
pub(in crate::store::sqlite) fn lot_of_sealed(sealed: &[u8]) -> Option<Lot> {
    Parts::of(sealed).map(|parts| parts.lot)
}

fn changed() -> StoreError {
    StoreError::Corrupt("a sealed slot was changed or moved".to_owned())
}
