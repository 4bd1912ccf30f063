//! How the personal slots of an entry are sealed: under a key that comes of two, the resident's and the
//! year's, so that either can be destroyed. Who has only the files cannot tell whom an entry is about,
//! nor whether two are about the same.

use jiff::Timestamp;

use super::file::{Blind, Purpose};
use super::ring::{Keyring, year_of};
use super::seal::{OVERHEAD, Sealing, Secret, mac, open, seal};
use crate::domain::DecisionId;
use crate::store::StoreError;

/// Of what is sealed: version, year, and under the year's key whose key it is.
const PREFIX_LEN: usize = 1 + 2 + LOCATOR_LEN;
const LOCATOR_LEN: usize = OVERHEAD + 1 + 32;
const VERSION: u8 = 1;

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

/// Seals the slots of one entry.
pub(in crate::store::sqlite) struct Sealer {
    event: DecisionId,
    prefix: Vec<u8>,
    key: Sealing,
}

impl Sealer {
    /// Seals the parts of a slot's content, one after the other; 0 is no slot of the log's.
    pub(in crate::store::sqlite) fn seal(
        &self,
        slot: u8,
        parts: &[&[u8]],
    ) -> Result<Vec<u8>, StoreError> {
        self.key.seal(&self.prefix, &aad(self.event, slot, &self.prefix), parts)
    }
}

fn aad(event: DecisionId, slot: u8, prefix: &[u8]) -> Vec<u8> {
    [event.uuid().as_bytes().as_slice(), &[slot], prefix].concat()
}

fn entry_key(year: &Secret, root: &Secret, event: DecisionId) -> Secret {
    let both = Secret(mac(year, "weir/slots/1", &[&root.0]));
    Secret(mac(&both, "weir/entry/1", &[event.uuid().as_bytes()]))
}

fn locator_key(year: &Secret, event: DecisionId) -> Secret {
    Secret(mac(year, "weir/locator/1", &[event.uuid().as_bytes()]))
}

/// True for what the subject of an entry is when it is about nobody.
pub(super) fn is_nobody(subject: &[u8]) -> bool {
    subject.len() != 16 || subject.iter().all(|byte| *byte == 0)
}

impl Keyring {
    /// Seals for an entry about `subject`, if the keys are at hand; otherwise ask
    /// [`Keyring::sealer`].
    pub(in crate::store::sqlite) fn sealer_at_hand(
        &self,
        subject: &[u8],
        event: DecisionId,
        at: Timestamp,
    ) -> Result<Option<Sealer>, StoreError> {
        let Some(year) = self.year_remembered(year_of(at)) else { return Ok(None) };
        let name = self.name(Purpose::Slots, subject);
        let own =
            if is_nobody(subject) { Some(None) } else { self.remembered(Purpose::Slots, &name) };
        own.map(|own| self.sealing(&year, year_of(at), subject, &name, own, event)).transpose()
    }

    /// Seals for an entry about `subject`. The cost is the same for who is registered and who is not,
    /// and nothing is written but once a year. Blocks.
    pub(in crate::store::sqlite) fn sealer(
        &self,
        subject: &[u8],
        event: DecisionId,
        at: Timestamp,
    ) -> Result<Sealer, StoreError> {
        let year = self.year_for_sealing(year_of(at))?;
        let name = self.name(Purpose::Slots, subject);
        let own = if is_nobody(subject) { None } else { self.secret(Purpose::Slots, &name)? };
        self.sealing(&year, year_of(at), subject, &name, own, event)
    }

    fn sealing(
        &self,
        key: &Secret,
        year: i16,
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
        let mut prefix = vec![VERSION];
        prefix.extend(year.to_be_bytes());
        let bound = aad(event, 0, &prefix);
        prefix.extend(seal(&locator_key(key, event), &bound, &locator)?);
        let key = Sealing::with(&entry_key(key, &secret, event))?;
        Ok(Sealer { event, prefix, key })
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
        let Some((year, root, name)) = self.locate(event, sealed)? else {
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
        let (prefix, body) = sealed.split_at_checked(PREFIX_LEN).ok_or_else(changed)?;
        open(&entry_key(&year, &secret, event), &aad(event, slot, prefix), body)
            .map(Opened::Content)
            .ok_or_else(changed)
    }

    /// Whether what is sealed belongs to an entry about `subject`, also when its key is gone. Blocks.
    pub(in crate::store::sqlite) fn is_about(
        &self,
        event: DecisionId,
        sealed: &[u8],
        subject: &[u8],
    ) -> Result<bool, StoreError> {
        let found = self.locate(event, sealed)?;
        Ok(found.is_some_and(|(_, _, name)| name == self.name(Purpose::Slots, subject)))
    }

    /// The year's key, whose key it is and the blind name of the subject; `None`: the year has lapsed.
    pub(super) fn locate(
        &self,
        event: DecisionId,
        sealed: &[u8],
    ) -> Result<Option<(Secret, Root, Blind)>, StoreError> {
        let (prefix, _) = sealed.split_at_checked(PREFIX_LEN).ok_or_else(changed)?;
        let (bound, locator) = prefix.split_at_checked(3).ok_or_else(changed)?;
        let [VERSION, high, low] = *bound else { return Err(changed()) };
        let Some(year) = self.year(i16::from_be_bytes([high, low]))? else { return Ok(None) };
        let found = open(&locator_key(&year, event), &aad(event, 0, bound), locator);
        let found = found.ok_or_else(changed)?;
        let (root, name) = found.split_first().ok_or_else(changed)?;
        let root = match root {
            0 => Root::Place,
            1 => Root::Resident,
            2 => Root::Stranger,
            _ => return Err(changed()),
        };
        let name = name.try_into().map_err(|_| changed())?;
        Ok(Some((year, root, name)))
    }
}

/// The year whose key is needed for what is sealed; `None`: it is malformed.
pub(in crate::store::sqlite) fn year_of_sealed(sealed: &[u8]) -> Option<i16> {
    let [VERSION, high, low, ..] = *sealed else { return None };
    Some(i16::from_be_bytes([high, low]))
}

fn changed() -> StoreError {
    StoreError::Corrupt("a sealed slot was changed or moved".to_owned())
}
