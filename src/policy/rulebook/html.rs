//! The public rule book as one page: HTML that needs nothing else, and Markdown.

use jiff::Timestamp;

use super::access::{Filter, seen};
use crate::policy::age::day_of;
use crate::policy::book::{Cell, ChoiceForce, Effect, Rule, RuleBook};
use crate::policy::explain::plain;

/// A heading with its table.
struct Section {
    heading: String,
    caption: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// The page in HTML: no scripts, nothing from elsewhere.
///
/// # Errors
/// When the book has an empty vocabulary.
pub fn html(book: &RuleBook, at: Timestamp) -> Result<String, String> {
    let title = escaped(&format!("Rule book of {}", book.place.name));
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en-GB\">\n<head>\n<meta charset=\"utf-8\">\n<meta \
         name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>body{{font:1rem/1.5 sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem}}\
         table{{border-collapse:collapse;width:100%;margin-bottom:2rem}}caption{{text-align:left;\
         font-weight:bold}}th,td{{border:1px solid #555;padding:.3rem;text-align:left;\
         vertical-align:top}}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p>{}</p>\n",
        escaped(&lead(book, at))
    );
    for section in sections(book, at)? {
        out.push_str(&format!(
            "<h2>{}</h2>\n<table>\n<caption>{}</caption>\n<thead><tr>",
            escaped(&section.heading),
            escaped(&section.caption)
        ));
        for column in &section.columns {
            out.push_str(&format!("<th scope=\"col\">{}</th>", escaped(column)));
        }
        out.push_str("</tr></thead>\n<tbody>\n");
        for row in &section.rows {
            out.push_str("<tr>");
            for (i, cell) in row.iter().enumerate() {
                let cell = escaped(cell);
                out.push_str(&match i {
                    0 => format!("<th scope=\"row\">{cell}</th>"),
                    _ => format!("<td>{cell}</td>"),
                });
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody>\n</table>\n");
    }
    out.push_str("</main>\n</body>\n</html>\n");
    Ok(out)
}

/// The page in Markdown.
///
/// # Errors
/// When the book has an empty vocabulary.
pub fn markdown(book: &RuleBook, at: Timestamp) -> Result<String, String> {
    let mut out = format!("# Rule book of {}\n\n{}\n", book.place.name, lead(book, at));
    for section in sections(book, at)? {
        out.push_str(&format!("\n## {}\n\n{}\n\n", section.heading, section.caption));
        let line = |cells: &mut dyn Iterator<Item = String>| {
            format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        out.push_str(&line(&mut section.columns.iter().map(|column| (*column).to_owned())));
        out.push_str(&line(&mut section.columns.iter().map(|_| "---".to_owned())));
        for row in &section.rows {
            out.push_str(&line(&mut row.iter().map(|cell| in_cell(cell))));
        }
    }
    Ok(out)
}

fn lead(book: &RuleBook, at: Timestamp) -> String {
    format!(
        "Made from the live files: policy {}, as of {}. A rule opens nothing by itself: the resident's \
         own circumstances, consents and choices are looked at in every request.",
        hex::encode(book.hash),
        day_of(at, &book.place.zone)
    )
}

fn sections(book: &RuleBook, at: Timestamp) -> Result<Vec<Section>, String> {
    let mut out = Vec::new();
    for (purpose, about) in &book.purposes {
        let filter = Filter { purpose: Some(purpose.to_string()), ..Filter::default() };
        let mut rows: Vec<Vec<String>> = Vec::new();
        for row in seen(book, &filter, at)? {
            let agency = book.agencies.get(row.agency).map_or("", |about| about.name.as_str());
            let roles: Vec<&str> = row
                .roles()
                .into_iter()
                .map(|role| book.roles.get(role).map_or(role, String::as_str))
                .collect();
            let what: Vec<String> = row.fields.iter().map(|field| plain(field)).collect();
            let codes: Vec<&str> = row
                .lapsed
                .iter()
                .filter_map(|code| book.codes.get(code))
                .map(|code| code.meaning.as_str())
                .collect();
            let open = if codes.is_empty() { "open".to_owned() } else { codes.join("; ") };
            let [power, basis, conditions, agreement] = terms(book, row.rule);
            let lead = vec![agency.to_owned(), roles.join(", "), what.join(", ")];
            let rest = [
                power,
                basis,
                conditions,
                agreement,
                row.rule.because.clone(),
                open,
                row.rule.id.to_string(),
            ];
            rows.push(lead.into_iter().chain(rest).collect());
        }
        if !rows.is_empty() {
            out.push(Section {
                heading: format!("{} ({purpose})", about.meaning),
                caption: format!("Who may see what for {purpose}"),
                columns: vec![
                    "Recipient",
                    "Roles",
                    "What",
                    "Power",
                    "Basis",
                    "Conditions",
                    "Agreement",
                    "Why",
                    "On this day",
                    "Rule",
                ],
                rows,
            });
        }
    }
    out.push(never(book));
    out.push(agreements(book));
    Ok(out)
}

fn terms(book: &RuleBook, rule: &Rule) -> [String; 4] {
    let gateway = rule.gateway.as_ref().and_then(|id| book.gateways.get(id));
    let power =
        gateway.map_or_else(String::new, |about| format!("{} {}", about.statute, about.section));
    let bases: Vec<String> =
        rule.art6.iter().chain(&rule.art9).chain(&rule.art10).map(ToString::to_string).collect();
    let mut conditions: Vec<String> = rule.ground.map(|ground| ground.word()).into_iter().collect();
    conditions.extend(rule.choices.iter().map(|choice| match choice {
        ChoiceForce::Stops(kind) => format!("not against the choice {kind}"),
        ChoiceForce::Label => "disputed data are labelled".to_owned(),
    }));
    let agreement = rule.agreement.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
    [power, bases.join(", "), conditions.join(", "), agreement]
}

fn never(book: &RuleBook) -> Section {
    let named = |cell: Vec<&str>, any: bool| if any { "all".to_owned() } else { cell.join(", ") };
    let rows = book
        .rules
        .iter()
        .filter(|rule| rule.effect == Effect::Deny)
        .map(|rule| {
            let purposes = book.purposes.keys().filter(|purpose| rule.purposes.has(*purpose));
            let purposes = purposes.map(|purpose| purpose.as_str()).collect();
            let categories = book.categories.keys().filter(|c| rule.categories.has(*c));
            let categories = categories.map(|category| category.as_str()).collect();
            vec![
                rule.id.to_string(),
                rule.because.clone(),
                named(purposes, rule.purposes == Cell::Any),
                named(categories, rule.categories == Cell::Any),
            ]
        })
        .collect();
    Section {
        heading: "What is never shared".to_owned(),
        caption: "Hard stops: no rule and no emergency lifts them".to_owned(),
        columns: vec!["Stop", "Why", "Purposes", "Data"],
        rows,
    }
}

fn agreements(book: &RuleBook) -> Section {
    let rows = book
        .agreements
        .iter()
        .map(|(id, about)| {
            let parties = about.parties.iter().map(|party| {
                book.agencies.get(party).map_or_else(|| party.to_string(), |a| a.name.clone())
            });
            vec![
                format!("{} ({id})", about.title),
                parties.collect::<Vec<_>>().join(", "),
                about.purposes.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(", "),
                format!("{} to {}", about.start, about.end),
                about.review_due.to_string(),
                about.status.to_string(),
                about.owner.clone(),
            ]
        })
        .collect();
    Section {
        heading: "Agreements".to_owned(),
        caption: "Information sharing agreements".to_owned(),
        columns: vec!["Agreement", "Parties", "Purposes", "Days", "Review due", "Status", "Owner"],
        rows,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// Text that neither ends a Markdown cell nor opens a tag.
fn in_cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}
