//! `weir policy explain`: one case of a scenario file, or a request given in words, as the desk, the
//! data protection officer or the resident reads it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::past::{Folder, Log};
use super::{Outcome, cases, findings, now, open};
use crate::audit::entry::Facet;
use crate::cli::import::{Trouble, ended, failed, runtime};
use crate::domain::FieldId;
use crate::hub::past::{is_decision, past};
use crate::policy::PolicySnapshot;
use crate::policy::explain::Answer;
use crate::policy::replay::Came;
use crate::policy::scenario::{Case, Request, time};
use crate::store::Store;

/// What to explain.
#[derive(clap::Args)]
#[command(
    after_help = "Example: weir policy explain policies policies/scenarios/consent.toml consent-01\n\
    Example: weir policy explain policies --agency northfield-hospital --role nurse --purpose direct_care \
    --from oakdale-gp --fields health/summary.allergies --given resident.flags='[\"sealed\"]'\n\nWhat --given \
    does not say is as a scenario takes it: training in date, a relationship recorded, an adult who was found \
    without doubt, no flag, no consent, no choice."
)]
pub struct Wish {
    /// The policy folder.
    dir: PathBuf,
    /// A scenario file.
    #[arg(requires = "id")]
    file: Option<PathBuf>,
    /// The id of the case; `id#2` for its second step.
    id: Option<String>,
    /// A decision of the past, `disclosures/` and its id, of --data: what it rested on, decided under this
    /// folder; with --as-of, as of another day.
    #[arg(long, conflicts_with_all = ["file", "agency"])]
    decision: Option<String>,
    #[command(flatten)]
    log: Folder,
    #[command(flatten)]
    request: RequestWish,
    /// For whom.
    #[arg(long, value_enum, default_value_t = Reader::Dpo)]
    view: Reader,
}

/// A request in words.
#[derive(clap::Args)]
#[group(conflicts_with = "file", multiple = true)]
struct RequestWish {
    /// The agency that asks.
    #[arg(long, requires_all = ["role", "purpose", "from", "fields"])]
    agency: Option<String>,
    /// The acting role.
    #[arg(long)]
    role: Option<String>,
    /// The person, where it matters who.
    #[arg(long)]
    person: Option<String>,
    /// The purpose.
    #[arg(long)]
    purpose: Option<String>,
    /// The agency that is asked.
    #[arg(long)]
    from: Option<String>,
    /// Fields and categories, separated by commas.
    #[arg(long, value_delimiter = ',')]
    fields: Vec<String>,
    /// The day or time of asking; now where not said, the sample clock in a sample place.
    #[arg(long)]
    as_of: Option<String>,
    /// key=value of a scenario's `given`; may be repeated.
    #[arg(long)]
    given: Vec<String>,
    /// key=value of a scenario's `ask`, such as threshold="..."; may be repeated.
    #[arg(long)]
    ask: Vec<String>,
}

/// Who reads the explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Reader {
    /// Whoever asked: only what may be said to them.
    Desk,
    /// The data protection officer: everything.
    Dpo,
    /// The resident, in plain words.
    Resident,
}

/// Explains the case.
pub(super) fn run(wish: &Wish) -> Outcome {
    let policy = match open(&wish.dir) {
        Ok(policy) => policy,
        Err(lines) => return findings(&wish.dir, &lines),
    };
    if let Some(id) = &wish.decision {
        let read = runtime().and_then(|runtime| runtime.block_on(recorded(&policy, wish, id)));
        return ended(read);
    }
    let found = match (&wish.file, &wish.id) {
        (Some(file), Some(id)) => named(&policy, file, id),
        _ => wish.request.cases(&policy),
    };
    match found {
        Err(text) => Outcome { text, exit: 2 },
        Ok(cases) => {
            let text: Vec<String> =
                cases.iter().map(|case| explained(&policy, case, wish.view)).collect();
            Outcome { text: text.join("\n\n"), exit: 0 }
        }
    }
}

/// A decision as it was recorded, and what the same question comes to under this folder.
async fn recorded(policy: &PolicySnapshot, wish: &Wish, id: &str) -> Result<String, Trouble> {
    let event = id
        .trim_start_matches("disclosures/")
        .parse()
        .map_err(|_| failed(format!("--decision: \"{id}\" must be disclosures/ and a UUID")))?;
    let zone = &policy.book().place.zone;
    let log = Log::open(&wish.log, "weir policy explain", id.to_owned()).await?;
    let stored = log.store.entry(event).await.map_err(failed)?;
    let stored = stored.filter(is_decision).ok_or_else(|| {
        failed(format!("--decision: {id} is no decision in {}", wish.log.data.display()))
    })?;
    let past = past(&stored)
        .ok_or_else(|| failed(format!("--decision: what {id} rested on is not kept (any more)")))?;
    let at = match &wish.request.as_of {
        Some(text) => time(text, policy.book()).map_err(failed)?,
        None => past.as_of,
    };
    let came = Came::of(&policy.decide(&past.ask, &past.facts, at));
    let same_policy = stored.entry.policy == policy.book().hash;
    let under = if same_policy { "under this folder" } else { "under another folder" };
    let mut text = String::new();
    // The whole of what was decided is for the officer alone.
    if wish.view == Reader::Dpo {
        text = format!(
            "Recorded {} {under}: {}.\n",
            stored.committed_at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z"),
            told(&past.was)
        );
        text.push_str(&if came == past.was {
            "The same question comes to the same now.\n\n".to_owned()
        } else {
            format!("The same question, with what was known then, comes to: {}.\n\n", told(&came))
        });
    }
    // Of a field in which the holder held nothing the asker was told as of a closed one.
    let released = stored.entry.facets.get(&Facet::Released).map(String::as_str);
    let shown: BTreeSet<&str> = released.unwrap_or_default().split('|').collect();
    let withheld = |field: &FieldId| past.was.fields.get(field).is_none_or(Option::is_none);
    let held = |field: &FieldId| shown.contains(field.as_str()) || withheld(field);
    let answer = Answer::of_held(policy, &past.ask, &past.facts, at, held);
    text.push_str(&match wish.view {
        Reader::Desk => answer.desk(),
        Reader::Dpo => answer.dpo(),
        Reader::Resident => answer.resident().unwrap_or_else(|| UNSAID.to_owned()),
    });
    Ok(text)
}

fn told(came: &Came) -> String {
    let fields = |released: bool| -> Vec<String> {
        let of = came.fields.iter().filter(|(_, rule)| rule.is_some() == released);
        of.map(|(field, rule)| match rule {
            Some(rule) => format!("{field} ({rule})"),
            None => field.to_string(),
        })
        .collect()
    };
    let (released, withheld) = (fields(true), fields(false));
    let part = |what: &str, fields: &[String]| {
        if fields.is_empty() { String::new() } else { format!("; {what} {}", fields.join(", ")) }
    };
    format!("{}{}{}", came.outcome, part("released", &released), part("withheld", &withheld))
}

/// Where the resident must not be told.
const UNSAID: &str =
    "Nothing is to be said to the resident: the asker stated why they must not be told.";

fn named(policy: &PolicySnapshot, file: &Path, id: &str) -> Result<Vec<Case>, String> {
    let cases = cases(file, policy).map_err(|problems| problems.join("\n"))?;
    let ids: Vec<String> = cases.iter().map(|case| case.id.clone()).collect();
    let named: Vec<Case> = cases
        .into_iter()
        .filter(|case| case.id == id || case.id.split('#').next() == Some(id))
        .collect();
    if named.is_empty() {
        let nearest = ids
            .iter()
            .max_by(|a, b| strsim::jaro_winkler(a, id).total_cmp(&strsim::jaro_winkler(b, id)));
        return Err(format!(
            "{}: no case \"{id}\". Nearest: \"{}\".",
            file.display(),
            nearest.map_or("", String::as_str)
        ));
    }
    Ok(named)
}

impl RequestWish {
    fn cases(&self, policy: &PolicySnapshot) -> Result<Vec<Case>, String> {
        let (Some(agency), Some(role), Some(purpose), Some(from)) =
            (&self.agency, &self.role, &self.purpose, &self.from)
        else {
            return Err(
                "name a scenario file and a case, or a request: --agency, --role, --purpose, \
                        --from and --fields"
                    .to_owned(),
            );
        };
        let request = Request {
            agency: agency.clone(),
            role: role.clone(),
            person: self.person.clone(),
            purpose: purpose.clone(),
            from: from.clone(),
            fields: self.fields.clone(),
            as_of: self.as_of.clone(),
            given: self.given.clone(),
            ask: self.ask.clone(),
        };
        request.case(policy.book(), now(policy)).map(|case| vec![case])
    }
}

fn explained(policy: &PolicySnapshot, case: &Case, view: Reader) -> String {
    let answer = Answer::new(policy, &case.ask, &case.facts, case.at);
    let text = match view {
        Reader::Desk => answer.desk(),
        Reader::Dpo => answer.dpo(),
        Reader::Resident => answer.resident().unwrap_or_else(|| UNSAID.to_owned()),
    };
    if case.title.is_empty() { text } else { format!("{}  {}\n{text}", case.id, case.title) }
}
