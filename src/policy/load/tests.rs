//! Placeholder until the table below is filled.
