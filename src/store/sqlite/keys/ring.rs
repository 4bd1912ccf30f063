//! `keys.db`: every key but the hub key, each wrapped by it and bound to what it is for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use jiff::Timestamp;
use moka::sync::Cache;
use rusqlite::{Connection, params};

use super::super::log::{private, sqlite, unavailable};
use super::file::{
    Blind, FILE, Purpose, begin, begin_writing, bound_to, page, put, settle, unwrapped, wrapped,
};
use super::hub::HubKey;
use super::lots::year_of;
use super::seal::{OVERHEAD, Secret, mac, open, seal};
use crate::audit::checkpoint::SigningKey;
use crate::audit::retention::Lot;
use crate::domain::ResidentId;
use crate::limits::KEYS_CACHED_MAX;
use crate::store::StoreError;

/// What `weir keys check` found in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// Keys that open.
    pub keys: u64,
    /// Keys that do not open under the hub key for what they stand for.
    pub wrong: u64,
}

/// The keys of one data folder.
pub struct Keyring {
    pub(super) hub: HubKey,
    file: Mutex<Connection>,
    index: Secret,
    signing: Secret,
    pub(super) place: Secret,
    pub(super) strangers: Secret,
    /// The keys of lots that were read.
    pub(super) lots: RwLock<BTreeMap<Lot, Secret>>,
    /// Residents' keys, and that there is none. Set only by who has the file.
    cached: Cache<(u8, Blind), Option<Secret>>,
}

impl Keyring {
    /// Opens the keys of a data folder, or makes those of an empty one.
    ///
    /// # Errors
    /// When the hub key is another one, a key was changed, or the folder holds a hub without keys.
    pub fn open(dir: &Path, hub: HubKey, now: Timestamp) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).map_err(|e| unavailable(&e))?;
        let path = dir.join(FILE);
        private(&path)?;
        let mut file = Connection::open(&path).map_err(|e| sqlite(&e))?;
        // What is deleted here must be gone.
        file.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; \
             PRAGMA busy_timeout = 2000;",
        )
        .map_err(|e| sqlite(&e))?;
        let begun = begin(&mut file, dir, &hub)?;
        let [index, signing, place, strangers] = begun;
        let ring = Self {
            hub,
            file: Mutex::new(file),
            index,
            signing,
            place,
            strangers,
            lots: RwLock::default(),
            cached: Cache::new(KEYS_CACHED_MAX),
        };
        ring.begin_year(year_of(now))?;
        Ok(ring)
    }

    /// The key that signs the log's heads.
    ///
    /// # Errors
    /// When its seed makes no key.
    pub fn signing_key(&self) -> Result<SigningKey, StoreError> {
        SigningKey::from_seed(&self.signing.0)
            .map_err(|_| StoreError::Keys("keys.db holds no signing key".to_owned()))
    }

    /// The hub key's id.
    #[must_use]
    pub const fn hub_key(&self) -> &HubKey {
        &self.hub
    }

    /// Makes the keys of residents who have none, durably. Blocks.
    pub(in crate::store::sqlite) fn add(&self, residents: &[ResidentId]) -> Result<(), StoreError> {
        let mut file = self.file();
        let t = begin_writing(&mut file, &self.hub)?;
        let mut names = Vec::with_capacity(residents.len().saturating_mul(2));
        for resident in residents {
            for purpose in [Purpose::Body, Purpose::Slots] {
                let name = self.name(purpose, resident.uuid().as_bytes());
                put(&t, &self.hub, purpose, &name, &Secret::fresh()?)?;
                names.push((purpose as u8, name));
            }
        }
        t.commit().map_err(|e| sqlite(&e))?;
        names.iter().for_each(|name| self.cached.invalidate(name));
        Ok(())
    }

    /// Destroys a resident's keys: identity, records and entries can be read no more. Blocks.
    ///
    /// # Errors
    /// When the file cannot be written; then the keys are there still.
    pub fn destroy(&self, resident: ResidentId) -> Result<(), StoreError> {
        let mut file = self.file();
        let t = begin_writing(&mut file, &self.hub)?;
        for purpose in [Purpose::Body, Purpose::Slots] {
            let name = self.name(purpose, resident.uuid().as_bytes());
            t.execute(
                "DELETE FROM wrapped WHERE kind = ?1 AND name = ?2",
                params![purpose as u8, name],
            )
            .map_err(|e| sqlite(&e))?;
            self.cached.invalidate(&(purpose as u8, name));
        }
        t.commit().map_err(|e| sqlite(&e))?;
        settle(&file)
    }

    /// Wraps every key anew under another hub key, all or none. `step` is told how far it is, before
    /// the commit and after. Blocks.
    ///
    /// # Errors
    /// When a key does not open, or the file cannot be written: then all are under the old key.
    pub fn rewrap(&self, new: &HubKey, mut step: impl FnMut(&str)) -> Result<u64, StoreError> {
        let mut file = self.file();
        let t = begin_writing(&mut file, &self.hub)?;
        let (mut done, mut after) = (0, (0, Vec::new()));
        loop {
            let rows = page(&t, &after)?;
            let Some((kind, name, _)) = rows.last() else { break };
            after = (*kind, name.clone());
            for (kind, name, wrapped) in rows {
                let aad = bound_to(kind, &name);
                let secret = unwrapped(&self.hub, kind, &name, &wrapped)?;
                let wrapped = seal(&new.secret, &aad, &secret.0)?;
                t.prepare_cached("UPDATE wrapped SET key = ?3 WHERE kind = ?1 AND name = ?2")
                    .and_then(|mut s| s.execute(params![kind, name, wrapped]))
                    .map_err(|e| sqlite(&e))?;
                done += 1;
            }
            step("wrapped");
        }
        t.execute("UPDATE hub_key SET id = ?1", [new.id()]).map_err(|e| sqlite(&e))?;
        step("ready");
        t.commit().map_err(|e| sqlite(&e))?;
        step("committed");
        settle(&file)?;
        step("settled");
        Ok(done)
    }

    /// Opens every key of the file. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn check(&self) -> Result<Sound, StoreError> {
        let file = self.file();
        let (mut sound, mut after) = (Sound { keys: 0, wrong: 0 }, (0, Vec::new()));
        loop {
            let rows = page(&file, &after)?;
            let Some((kind, name, _)) = rows.last() else { return Ok(sound) };
            after = (*kind, name.clone());
            for (kind, name, wrapped) in rows {
                match unwrapped(&self.hub, kind, &name, &wrapped) {
                    Ok(_) => sound.keys += 1,
                    Err(_) => sound.wrong += 1,
                }
            }
        }
    }

    /// The secret that page tokens are proven with; the same after a restart, another under another hub key.
    #[must_use]
    pub fn page_secret(&self) -> [u8; 32] {
        self.blind("page token", &[])
    }

    /// A name that says nothing to who has only the files, and is the same each time.
    pub(in crate::store::sqlite) fn blind(&self, label: &str, parts: &[&[u8]]) -> Blind {
        mac(&self.index, label, parts)
    }

    pub(super) fn name(&self, purpose: Purpose, resident: &[u8]) -> Blind {
        let label = if purpose == Purpose::Body { "weir/body/1" } else { "weir/slots/1" };
        self.blind(label, &[resident])
    }

    /// A resident's key as it is remembered; `None`: the file must be asked.
    pub(super) fn remembered(&self, purpose: Purpose, name: &Blind) -> Option<Option<Secret>> {
        self.cached.get(&(purpose as u8, *name))
    }

    /// A resident's key, or that there is none: at the same cost. Blocks.
    pub(super) fn secret(
        &self,
        purpose: Purpose,
        name: &Blind,
    ) -> Result<Option<Secret>, StoreError> {
        if let Some(secret) = self.remembered(purpose, name) {
            return Ok(secret);
        }
        let file = self.file();
        let wrapped = wrapped(&file, purpose, name)?;
        let secret = match &wrapped {
            Some(wrapped) => Some(unwrapped(&self.hub, purpose as u8, name, wrapped)?),
            None => {
                // Somebody unknown must not be told by a shorter wait.
                let nothing = open(&self.hub.secret, &bound_to(0, name), &[0; 32 + OVERHEAD]);
                std::hint::black_box(nothing);
                None
            }
        };
        // While the file is held: a key that is made or destroyed meanwhile must not be missed.
        self.cached.insert((purpose as u8, *name), secret.clone());
        drop(file);
        Ok(secret)
    }

    /// Seals what is kept about a resident in `hub.db`, for one place there. Blocks.
    pub(in crate::store::sqlite) fn seal_about(
        &self,
        resident: ResidentId,
        place: &[&[u8]],
        plain: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        seal(&self.body(resident)?, &self.kept_at(resident, place), plain)
    }

    /// Opens what [`Keyring::seal_about`] sealed for the same resident and place. Blocks.
    pub(in crate::store::sqlite) fn open_about(
        &self,
        resident: ResidentId,
        place: &[&[u8]],
        sealed: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        open(&self.body(resident)?, &self.kept_at(resident, place), sealed).ok_or_else(|| {
            StoreError::Corrupt("what is kept of a resident was changed or moved".to_owned())
        })
    }

    fn body(&self, resident: ResidentId) -> Result<Secret, StoreError> {
        let name = self.name(Purpose::Body, resident.uuid().as_bytes());
        self.secret(Purpose::Body, &name)?.ok_or_else(|| {
            StoreError::Corrupt("a resident is registered whose key is not there".to_owned())
        })
    }

    fn kept_at(&self, resident: ResidentId, place: &[&[u8]]) -> [u8; 32] {
        let id = resident.uuid();
        let parts: Vec<&[u8]> =
            std::iter::once(id.as_bytes().as_slice()).chain(place.iter().copied()).collect();
        self.blind("weir/kept/1", &parts)
    }

    pub(super) fn file(&self) -> MutexGuard<'_, Connection> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
