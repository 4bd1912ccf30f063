//! The tamper-evident log: entries, their canonical bytes, the Merkle tree over them, the signed
//! head, and its verification. Pure: storage and threads live in `store`.

pub mod checkpoint;
pub mod entry;
pub mod leaf;
pub mod review;
pub mod tree;
pub mod verify;
