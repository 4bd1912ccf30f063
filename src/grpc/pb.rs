//! The messages and services of `proto/weir/hub/v1`, as generated. Nothing outside `grpc` uses them.

#![expect(
    clippy::all,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]

tonic::include_proto!("weir.hub.v1");

/// The descriptors that reflection serves.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/weir.hub.v1.bin"));
