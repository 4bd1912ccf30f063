//! The tamper-evident log: entries, their canonical bytes, the Merkle tree over them, the signed
//! head, and its verification. Pure: storage and threads live in `store`.

pub mod anchor;
pub mod checkpoint;
pub mod entry;
pub mod erasure;
pub mod export;
pub mod leaf;
pub mod proof;
pub mod pseudonym;
pub mod questions;
pub mod receipt;
pub mod register;
pub mod retention;
pub mod review;
pub mod tile;
pub mod tree;
pub mod verify;
pub mod witness;
