//! The wire: protobuf messages in and out.

pub mod pb;
pub mod status;
