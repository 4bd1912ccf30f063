//! The strict loader: a folder of policy files -> [`RuleBook`], or every reason why not, with file,
//! line, what was found and the nearest valid word. Half a folder is never a rule book.

mod agreements;
mod cross;
mod exemptions;
mod figures;
mod lints;
mod notices;
mod promises;
mod proxies;
mod read;
mod retention;
mod reviews;
mod rules;
mod sheet;
mod sight;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use aws_lc_rs::digest;

use super::book::{Effect, RuleBook};
use super::lint;
use figures::{conditions, place};
pub(super) use promises::FILE as PROMISES;

/// The model as released; a change of the model is a release, not an edit.
const MODEL: &str = include_str!("../../policies/model.conf");
/// Most findings that are listed.
const FINDINGS_MAX: usize = 200;

/// The files of a folder by path relative to it, with `/` between folders.
pub type Files = BTreeMap<String, Vec<u8>>;

/// One thing that is wrong with a policy folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its code, `E01` and so on.
    pub code: &'static str,
    /// The file.
    pub file: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong, what was found, and what to do.
    pub message: String,
    /// The text that was found, where a word of the line was; else the line itself says it.
    pub found: Option<String>,
    /// The nearest valid word.
    pub nearest: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.file)?;
        if self.line > 0 {
            write!(f, " line {}", self.line)?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(nearest) = &self.nearest {
            write!(f, " Nearest: \"{nearest}\".")?;
        }
        Ok(())
    }
}

/// Collects findings while reading goes on, so that one edit shows all its errors at once.
#[derive(Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, code: &'static str, file: &str, line: usize, message: String) {
        self.push(Finding {
            code,
            file: file.to_owned(),
            line,
            message,
            found: None,
            nearest: None,
        });
    }

    fn push(&mut self, finding: Finding) {
        if self.0.len() < FINDINGS_MAX {
            self.0.push(finding);
        }
    }
}

/// The valid word that is most like `found`, if one is at all like it.
pub fn nearest<'a>(found: &str, valid: impl Iterator<Item = &'a str>) -> Option<String> {
    valid
        .map(|word| (strsim::jaro_winkler(found, word), word))
        .filter(|(likeness, _)| *likeness > 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word.to_owned())
}

/// Reads a folder whole into memory: bounded, links not followed.
///
/// # Errors
/// When a file cannot be read, or there are too many or too large ones.
pub fn read_dir(dir: &Path) -> Result<Files, Vec<Finding>> {
    read::read_dir(dir)
}

/// Reads a folder whole into memory, then loads it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_dir(dir: &Path) -> Result<RuleBook, Vec<Finding>> {
    load(&read_dir(dir)?)
}

/// Loads a folder that is in memory. Pure.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(files: &Files) -> Result<RuleBook, Vec<Finding>> {
    let mut findings = Findings::default();
    let texts = read::texts(files, &mut findings);
    let model = texts.get("model.conf").cloned().unwrap_or_default();
    if model != MODEL {
        findings.add(
            "E11",
            "model.conf",
            0,
            "differs from the model of this release. Put the released file back: rules are edited in \
             rules/, not here."
                .to_owned(),
        );
    }
    let place = place(&texts, &mut findings);
    let words = words::read(&texts, &mut findings);
    let (figures, terms) = conditions(&texts, &words, &mut findings);
    let agreements = agreements::read(&texts, &words, &mut findings);
    let notices = notices::read(&texts, &words, &mut findings);
    let rules = rules::read(&texts, &words, &agreements, &mut findings);
    let promises = promises::read(&texts, &words, &mut findings);
    let lints = lints::read(&texts, &mut findings);
    causes(&texts, &mut findings);
    if let (Some(place), Some(figures)) = (place, figures)
        && findings.0.is_empty()
    {
        let book = RuleBook {
            hash: hash(files),
            place,
            figures,
            terms,
            model,
            agencies: words.agencies,
            roles: words.roles,
            purposes: words.purposes,
            categories: words.categories,
            fields: words.fields,
            flags: words.flags,
            gateways: words.gateways,
            bases: words.bases,
            codes: words.codes,
            duties: words.duties,
            facts: words.facts,
            referrals: words.referrals,
            retention: words.retention,
            visibility: words.visibility,
            telling: words.telling,
            requests: words.requests,
            exemptions: words.exemptions,
            proxies: words.proxies,
            overrides: words.overrides,
            reviews: words.reviews,
            outcomes: words.outcomes,
            notices,
            parties: words.parties,
            agreements,
            rules,
            promises,
            lints,
        };
        reviews::check(&book, &mut findings);
        cross::check(&texts, &book, &mut findings);
        linted(&book, &mut findings);
        if findings.0.is_empty() {
            return Ok(book);
        }
    }
    if findings.0.is_empty() {
        findings.add("E00", "place.toml", 0, "the folder could not be read".to_owned());
    }
    Err(findings.0)
}

/// Takes out what only follows: a word that its table has, in a row that is itself refused, is no slip where it
/// is used, and its nearest word would be the wrong one.
fn causes(texts: &read::Texts, findings: &mut Findings) {
    let faulty = |file: &str, word: &str| {
        let text = texts.get(file).map(String::as_str).unwrap_or_default();
        let row = text.lines().position(|line| line.split(',').next().map(str::trim) == Some(word));
        row.is_some_and(|at| findings.0.iter().any(|one| one.file == file && one.line == at + 1))
    };
    let follows = |one: &Finding| {
        let word = one.found.as_deref()?;
        let file = one.message.split_whitespace().find(|part| part.starts_with("words/"))?;
        faulty(file.trim_end_matches('.'), word).then_some(())
    };
    let kept = findings.0.iter().filter(|one| follows(one).is_none()).cloned().collect();
    findings.0 = kept;
}

/// What the lints refuse whatever the day.
fn linted(book: &RuleBook, findings: &mut Findings) {
    match lint::refusals(book) {
        Ok(found) => {
            for one in found {
                findings.push(Finding {
                    code: one.code,
                    file: one.file,
                    line: one.line,
                    message: one.message,
                    found: Some(one.found),
                    nearest: None,
                });
            }
        }
        Err(error) => findings.add("E46", "rules/", 0, format!("{error}: nothing is proved.")),
    }
}

/// What of a folder is the policy: not what explains it, nor what approves it.
pub fn content(files: &Files) -> impl Iterator<Item = (&String, &Vec<u8>)> {
    files.iter().filter(|(name, _)| *name != "README.md" && !name.starts_with("approvals/"))
}

/// SHA-256 over name, length and bytes of every file of the [`content`], in order of name.
#[must_use]
pub fn hash(files: &Files) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for (name, bytes) in content(files) {
        for part in [name.as_bytes(), bytes.as_slice()] {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// What `weir policy check` says of a folder that loads.
#[must_use]
pub fn check_summary(book: &RuleBook) -> String {
    let allow = book.rules.iter().filter(|rule| rule.effect == Effect::Allow).count();
    format!(
        "{}: {} allow rows, {} deny rows, {} agreements, {} agencies, {} purposes, {} fields, {} \
         gateways, {} codes.\npolicy {}",
        book.place.name,
        allow,
        book.rules.len() - allow,
        book.agreements.len(),
        book.agencies.len(),
        book.purposes.len(),
        book.fields.len(),
        book.gateways.len(),
        book.codes.len(),
        hex::encode(book.hash),
    )
}

#[cfg(test)]
mod tests;
