//! `weir demo`: the story of the hub, told on a synthetic place.

pub mod place;
