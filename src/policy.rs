//! The rule book: files -> [`RuleBook`] -> [`PolicySnapshot`] -> [`decide`]. Pure after load; casbin
//! is used nowhere else.

pub mod book;
pub mod load;
