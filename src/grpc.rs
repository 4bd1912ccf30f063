//! The wire: protobuf messages in and out, handlers of three lines, errors as statuses. Messages stay
//! in here; nothing is decided here.

mod connection;
pub mod convert;
pub mod pages;
pub mod pb;
pub mod renewal;
pub mod server;
pub mod services;
pub mod status;
pub mod strict;
pub mod tls;
pub mod web;
