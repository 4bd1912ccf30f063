//! The keys that what is stored is under. One hub key, outside the data folder, wraps all others in
//! `keys.db`; what a key seals can be read no more once the key is destroyed.

mod file;
mod hub;
mod indexed;
mod lots;
mod ring;
mod seal;
mod slots;

pub(super) use file::FILE;
pub(super) use file::without_keys as refuse_without_keys;
pub use hub::HubKey;
pub(super) use hub::lies_in;
pub(super) use indexed::ChainKey;
pub use ring::{Keyring, Sound};
pub use slots::Opened;
pub(super) use slots::{People, Sealer, lot_of_sealed};

#[cfg(test)]
mod tests;
