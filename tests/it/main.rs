//! The whole program from outside: one binary of tests.

mod layers;
mod story;
