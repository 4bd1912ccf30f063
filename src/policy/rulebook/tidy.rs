//! Tables with their spacing put in order. The cells stay what they are, line for line.

/// The text of a table of `rules/`, `words/` or `promises.csv`, tidied; `None` for what is no such file
/// or has a line that cannot be read.
#[must_use]
pub fn tidied(name: &str, text: &str) -> Option<String> {
    let rows = name.starts_with("rules/") || name == "promises.csv";
    if !(name.ends_with(".csv") && (rows || name.starts_with("words/"))) {
        return None;
    }
    let separator = if rows { ", " } else { "," };
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        if rows && line.trim().is_empty() {
            // An empty line parts groups of rows.
        } else if rows && line.trim_start().starts_with('#') {
            out.push_str(&comment(line));
        } else {
            let cells: Vec<String> = cells(line)?.iter().map(|cell| quoted(cell)).collect();
            out.push_str(&cells.join(separator));
        }
        out.push('\n');
    }
    Some(out)
}

/// A comment as it is, but for the spaces around it; the end line with one space between its words.
fn comment(line: &str) -> String {
    let text = line.trim();
    let words: Vec<&str> = text.trim_start_matches('#').split_whitespace().collect();
    match words.as_slice() {
        ["end", count, "rows" | "row"] if count.parse::<usize>().is_ok() => {
            format!("# end {count} rows")
        }
        _ => text.to_owned(),
    }
}

fn cells(line: &str) -> Option<Vec<String>> {
    let mut cells = Vec::new();
    let mut rest = line;
    loop {
        let start = rest.trim_start();
        let (cell, after) = match start.strip_prefix('"') {
            Some(open) => {
                let (cell, after) = open.split_once('"')?;
                (cell, after.trim_start())
            }
            None => rest.split_at_checked(rest.find(',').unwrap_or(rest.len()))?,
        };
        cells.push(cell.trim().to_owned());
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None if after.is_empty() => return Some(cells),
            None => return None,
        }
    }
}

fn quoted(cell: &str) -> String {
    if cell.contains(',') { format!("\"{cell}\"") } else { cell.to_owned() }
}
