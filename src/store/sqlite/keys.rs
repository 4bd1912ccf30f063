//! The keys that what is stored is under. One hub key, outside the data folder, wraps all others in
//! `keys.db`; what a key seals can be read no more once the key is destroyed.

mod hub;
mod ring;
mod seal;
mod slots;

pub use hub::HubKey;
pub(super) use ring::FILE;
pub use ring::{Keyring, Sound};
pub use slots::Opened;
pub(super) use slots::Sealer;

#[cfg(test)]
mod tests;
