//! Weir, a local information-sharing hub: brokers resident records between partner agencies under
//! declarative policy, and leaves proof. `docs/ARCHITECTURE.md` is the map.

pub mod app;
pub mod audit;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod consent;
pub mod disclose;
pub mod domain;
pub mod grpc;
pub mod hub;
pub mod limits;
pub mod policy;
pub mod rights;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod witness;
