//! The embedded store: SQLite files in one data folder.

pub mod log;
