//! The whole program from outside: one binary of tests.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod crash;
mod import;
mod layers;
mod python;
mod story;
