//! Entries for spreadsheets, RFC 4180. A cell that a spreadsheet would compute is defused.

use super::super::entry::{Facet, SlotId};
use super::Row;

/// Facets in the order of their columns.
const FACETS: [Facet; 19] = [
    Facet::Role,
    Facet::Purpose,
    Facet::Holder,
    Facet::Outcome,
    Facet::Codes,
    Facet::Released,
    Facet::Withheld,
    Facet::Rules,
    Facet::Gateways,
    Facet::Agreements,
    Facet::Duties,
    Facet::Override,
    Facet::Alarm,
    Facet::Bases,
    Facet::Subjects,
    Facet::What,
    Facet::Count,
    Facet::Previous,
    Facet::Review,
];

/// The line of the columns' names.
#[must_use]
pub fn header() -> String {
    let fixed = ["index", "time", "kind", "event", "rpc", "call", "part", "parts"];
    let people = ["agency", "officer", "policy"];
    let slots = ["resident", "asker", "request"];
    line(fixed.into_iter().chain(people).chain(FACETS.map(Facet::as_str)).chain(slots))
}

/// The line of an entry.
#[must_use]
pub fn row(row: &Row) -> String {
    let entry = &row.entry;
    let fixed = [
        row.index.to_string(),
        row.at.to_string(),
        format!("{:?}", entry.kind),
        entry.event.to_string(),
        entry.rpc.clone(),
        entry.call.to_string(),
        entry.part.to_string(),
        entry.parts.to_string(),
        entry.agency.as_ref().map(ToString::to_string).unwrap_or_default(),
        hex::encode(entry.principal),
        hex::encode(entry.policy),
    ];
    let facets = FACETS.map(|facet| entry.facets.get(&facet).cloned().unwrap_or_default());
    let slots = [SlotId::Subject, SlotId::Asker, SlotId::Request];
    let slots = slots.map(|slot| row.text(slot).unwrap_or_default());
    line(fixed.into_iter().chain(facets).chain(slots))
}

fn line(cells: impl Iterator<Item = impl AsRef<str>>) -> String {
    let cells: Vec<String> = cells.map(|cell| quoted(&defused(cell.as_ref()))).collect();
    format!("{}\r\n", cells.join(","))
}

/// What a spreadsheet computes begins so, in plain or in wide letters.
const COMPUTED: [char; 12] = [
    '=', '+', '-', '@', '|', '%', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '\u{ff5c}',
    '\u{ff05}',
];

/// A spreadsheet computes a cell that begins with one of these, whatever spaces and quotes come first; behind an
/// apostrophe it is text.
fn defused(cell: &str) -> String {
    let begins = cell.trim_start_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'');
    let computed = begins.starts_with(COMPUTED) || cell.starts_with(['\t', '\r', '\n']);
    if computed { format!("'{cell}") } else { cell.to_owned() }
}

fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', ';', '\t', '\r', '\n'])
        || cell.starts_with(' ')
        || cell.ends_with(' ')
    {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_cell_is_computed() {
        let check = |cell: &str, expected: &str| assert_eq!(quoted(&defused(cell)), expected);
        for cell in
            ["=1+1", "+1", "-1", "@SUM(A1)", "|x", "%0", "\u{ff1d}1", "\u{ff0d}1", "\u{ff20}x"]
        {
            check(cell, &format!("'{cell}"));
        }
        check("\t=1", "\"'\t=1\"");
        check(" =1", "' =1");
        check("\"=1\"", "\"'\"\"=1\"\"\"");
        check("a=1", "a=1");
        check("2026-07-15T10:00:00Z", "2026-07-15T10:00:00Z");
        check("one, two", "\"one, two\"");
        check("a;=1+1", "\"a;=1+1\"");
        check("", "");
        check("two\nlines", "\"two\nlines\"");
    }

    #[test]
    fn every_facet_has_a_column() {
        let all: Vec<Facet> = (1..=u8::MAX).map_while(Facet::from_number).collect();
        assert_eq!(FACETS.to_vec(), all);
        assert_eq!(header().split(',').count(), 11 + all.len() + 3);
    }
}
