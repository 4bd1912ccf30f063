//! The rule book read the other way round: who may see what, as tables, prose and pages, all from the
//! live book. Reading views only; nothing is ever decided here.

mod access;
mod html;
mod links;
mod registers;
mod tidy;
mod why_not;

pub use access::{Filter, Seen, seen};
pub use html::{html, markdown};
pub use links::{Links, links};
pub use registers::{article_30, public_register, roles_by_data};
pub use tidy::tidied;
pub use why_not::why_not;

#[cfg(test)]
mod tests;
