//! Cases with expected outcomes: what a rule book must decide. The same evaluator as the server's.

mod coverage;
mod parse;
mod read;
mod run;
#[cfg(test)]
mod tests;
mod words;

pub use coverage::{Hits, coverage};
pub use parse::{Case, Want, WantView, parse};
pub use run::{CaseReport, Report, run};
pub use words::{Request, known, time};
