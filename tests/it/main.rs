//! The whole program from outside: one binary of tests.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod again;
mod approving;
mod auditing;
mod candidates;
mod choices;
mod clients;
mod closed;
mod crash;
mod draining;
mod erased;
mod errors_page;
mod exporting;
mod facts;
mod facts_page;
mod failing;
mod golden;
mod guides;
mod import;
mod issuers;
mod keys;
mod layers;
mod locate;
mod notices;
mod permissions;
mod proofs;
mod questions;
mod quiet;
mod records;
mod registered;
mod reloading;
mod replayed;
mod replaying;
mod reported;
mod residents;
mod retained;
mod reviewing;
mod reviews;
mod rights;
mod rolled_back;
mod schemas;
mod scopes;
mod sharing;
mod story;
mod support;
mod tls;
mod transport;
mod values;
mod verifiers;
mod web;
mod witnessing;
mod workshop;
