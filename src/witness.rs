//! Witnesses on the wire: the small server that a partner agency runs, and how the hub calls one.

pub mod client;
pub mod server;

use aws_lc_rs::digest;

/// Where a witness takes heads.
pub const ADD_CHECKPOINT: &str = "/add-checkpoint";
/// Where a witness shows the latest head of a log that it has signed; followed by [`log_id`].
pub const LATEST: &str = "/latest/";
/// What the answer with a size is.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// What stands for a log in a path: hex of SHA-256 of its origin.
#[must_use]
pub fn log_id(origin: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, origin.as_bytes()))
}
