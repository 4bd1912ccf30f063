//! Tables in CSV, read more strictly than any spreadsheet writes them: what casbin or a lenient
//! reader would drop, shift or half-read is a finding with its line.

use super::{Finding, Findings};

/// One line of a table.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub number: usize,
    pub cells: Vec<String>,
}

/// Characters that look like something else.
const LOOKALIKES: [(char, &str); 9] = [
    ('\u{201c}', "a curly quote"),
    ('\u{201d}', "a curly quote"),
    ('\u{2018}', "a curly quote"),
    ('\u{2019}', "a curly quote"),
    ('\u{a0}', "a no-break space"),
    ('\u{202f}', "a no-break space"),
    ('\u{200b}', "an invisible space"),
    ('\u{feff}', "a byte order mark"),
    ('\t', "a tab"),
];

/// Reads a rules-like file: comment lines, data lines, and a last line `# end N rows` that proves
/// that nothing was cut off.
pub(super) fn rows(file: &str, text: &str, findings: &mut Findings) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut ends: Option<(usize, usize)> = None;
    if !text.ends_with('\n') {
        let last = text.lines().count();
        findings.add(
            "E02",
            file,
            last,
            "the last line is not ended: is the file whole?".to_owned(),
        );
    }
    for (i, line) in text.lines().enumerate() {
        let number = i + 1;
        let trimmed = line.trim();
        if let Some((end, _)) = ends
            && !trimmed.is_empty()
        {
            findings.add("E02", file, number, format!("stands after the end in line {end}."));
            continue;
        }
        if let Some(comment) = trimmed.strip_prefix('#') {
            ends = end_of(comment).map(|count| (number, count));
            continue;
        }
        if trimmed.is_empty() {
            continue;
        }
        if let Some(cells) = cells(file, number, line, true, findings) {
            lines.push(Line { number, cells });
        }
    }
    match ends {
        None => findings.add(
            "E02",
            file,
            text.lines().count(),
            format!(
                "the last line must be \"# end {} rows\": it shows that no row was cut off.",
                lines.len()
            ),
        ),
        Some((line, count)) if count != lines.len() => findings.add(
            "E02",
            file,
            line,
            format!("says {count} rows, but {} were read. Is a row missing?", lines.len()),
        ),
        Some(_) => {}
    }
    lines
}

fn end_of(comment: &str) -> Option<usize> {
    // A spreadsheet writes a comma for every other column of the line.
    let mut words = comment.trim_end_matches([',', ' ']).split_whitespace();
    let counted = (words.next()?, words.next()?.parse().ok()?, words.next()?);
    match counted {
        ("end", count, "rows" | "row") if words.next().is_none() => Some(count),
        _ => None,
    }
}

/// Reads a table with a heading line; `columns` must be its heading.
pub(super) fn table(
    file: &str,
    text: Option<&String>,
    columns: &[&str],
    findings: &mut Findings,
) -> Vec<Line> {
    let Some(text) = text else {
        findings.add("E00", file, 0, "the file is missing. Nothing works without it.".to_owned());
        return Vec::new();
    };
    if !text.ends_with('\n') {
        let last = text.lines().count();
        findings.add(
            "E02",
            file,
            last,
            "the last line is not ended: is the file whole?".to_owned(),
        );
    }
    let mut lines = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let Some(cells) = cells(file, i + 1, line, false, findings) else {
            continue;
        };
        if i == 0 {
            if cells != columns {
                findings.add("E03", file, 1, format!("the heading must be {}.", columns.join(",")));
            }
        } else if cells.len() == columns.len() {
            lines.push(Line { number: i + 1, cells });
        } else {
            findings.add(
                "E03",
                file,
                i + 1,
                format!("has {} cells, the heading has {}.", cells.len(), columns.len()),
            );
        }
    }
    if lines.is_empty() {
        findings.add("E03", file, 0, "holds no line.".to_owned());
    }
    lines
}

/// The cells of a line, or a finding. `strict`: no comment behind a row (casbin would take it for a
/// part of the last cell).
fn cells(
    file: &str,
    number: usize,
    line: &str,
    strict: bool,
    findings: &mut Findings,
) -> Option<Vec<String>> {
    let mut bad = |code: &'static str, message: String| {
        findings.push(Finding {
            found: None,
            code,
            file: file.to_owned(),
            line: number,
            message,
            nearest: None,
        });
    };
    if let Some((_, name)) = LOOKALIKES.iter().find(|(c, _)| line.contains(*c)) {
        bad("E04", format!("holds {name}. Type the cell again with plain characters."));
        return None;
    }
    if line.chars().any(char::is_control) {
        bad("E04", "holds a control character (perhaps a line end of another system).".to_owned());
        return None;
    }
    if strict && line.contains('#') {
        bad("E05", "holds a # behind the row. A comment needs a line of its own.".to_owned());
        return None;
    }
    if line.contains("\"\"") {
        bad("E06", "holds doubled quotes. Leave quotes out of cells.".to_owned());
        return None;
    }
    if !line.contains(',') && line.contains(';') {
        bad("E07", "is separated by semicolons. Save it with commas between cells.".to_owned());
        return None;
    }
    let mut cells = Vec::new();
    let mut rest = line;
    loop {
        let start = rest.trim_start();
        let (cell, after) = if let Some(quoted) = start.strip_prefix('"') {
            let Some((cell, after)) = quoted.split_once('"') else {
                bad("E06", "has a quote that is not closed.".to_owned());
                return None;
            };
            let after = after.trim_start();
            if !after.is_empty() && !after.starts_with(',') {
                bad("E06", "has text behind a quoted cell.".to_owned());
                return None;
            }
            (cell, after)
        } else {
            let cut = rest.find(',').unwrap_or(rest.len());
            let (cell, after) = rest.split_at_checked(cut)?;
            if cell.contains('"') {
                bad("E06", "has a quote inside a cell. Leave quotes out of cells.".to_owned());
                return None;
            }
            (cell, after)
        };
        cells.push(cell.trim().to_owned());
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some(cells),
        }
    }
}
