//! A rule or an agreement was found faulty, or a person or an agency has misused what they were given: what went out,
//! to whom, about whom, and who has been told.
//! Pure; no value of any record is in here, only names of fields and ids.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::Timestamp;

use crate::domain::{AgencyId, DecisionId, ResidentId};

/// What was found faulty, or who has misused what they got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A rule.
    Rule(String),
    /// An agreement.
    Agreement(String),
    /// A person at work, by the id that entries show: 32 hexadecimal digits.
    Officer(String),
    /// An agency that asked.
    Asker(String),
}

impl Fault {
    /// In words.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Rule(id) => format!("rule {id}"),
            Self::Agreement(id) => format!("agreement {id}"),
            Self::Officer(id) => format!("officer {id}"),
            Self::Asker(id) => format!("asker {id}"),
        }
    }

    /// As [`Fault::text`] says it.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (sort, id) = text.split_once(' ')?;
        let id = id.to_owned();
        match sort {
            "rule" => Some(Self::Rule(id)),
            "agreement" => Some(Self::Agreement(id)),
            "officer" => Some(Self::Officer(id)),
            "asker" => Some(Self::Asker(id)),
            _ => None,
        }
    }

    /// What counts, in a sentence.
    const fn counts(&self) -> &'static str {
        match self {
            Self::Rule(_) => {
                "A disclosure counts here where the faulty rule opened at least one of its fields."
            }
            Self::Agreement(_) => {
                "A disclosure counts here where the faulty agreement opened at least one of its fields."
            }
            Self::Officer(_) => "Every disclosure to this person counts here, whatever it was for.",
            Self::Asker(_) => "Every disclosure to this agency counts here, whatever it was for.",
        }
    }
}

/// One disclosure under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its id.
    pub id: DecisionId,
    /// When.
    pub at: Timestamp,
    /// To whom.
    pub recipient: AgencyId,
    /// In which role.
    pub role: String,
    /// For what.
    pub purpose: String,
    /// By whom it is held.
    pub holder: String,
    /// What went out under the faulty rule or agreement; where it is not kept which rule opened which
    /// field, all that went out.
    pub fields: BTreeSet<String>,
    /// About whom; `None`: not kept (any more).
    pub resident: Option<ResidentId>,
}

/// A recipient that was told, and said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Which.
    pub agency: AgencyId,
    /// Who said so.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What they did about it.
    pub note: String,
}

/// Everything about one fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// What was faulty.
    pub fault: Fault,
    /// When this was put together.
    pub made_at: Timestamp,
    /// The first and the last moment that were looked at; `None`: all that the log has.
    pub span: (Option<Timestamp>, Option<Timestamp>),
    /// What went out, oldest first.
    pub releases: Vec<Release>,
}

impl Pack {
    /// Recipients that have to be told, with how many disclosures and which fields.
    #[must_use]
    pub fn recipients(&self) -> BTreeMap<&AgencyId, (usize, BTreeSet<&str>)> {
        let mut all: BTreeMap<&AgencyId, (usize, BTreeSet<&str>)> = BTreeMap::new();
        for release in &self.releases {
            let (count, fields) = all.entry(&release.recipient).or_default();
            *count += 1;
            fields.extend(release.fields.iter().map(String::as_str));
        }
        all
    }

    /// Residents concerned.
    #[must_use]
    pub fn residents(&self) -> BTreeSet<ResidentId> {
        self.releases.iter().filter_map(|release| release.resident).collect()
    }

    /// For machines.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let recipients: Vec<_> = self
            .recipients()
            .into_iter()
            .map(|(agency, (count, fields))| {
                serde_json::json!({ "agency": agency, "disclosures": count, "fields": fields })
            })
            .collect();
        let residents: Vec<String> =
            self.residents().iter().map(|id| format!("residents/{}", id.uuid())).collect();
        serde_json::json!({
            "fault": self.fault.text(), "made_at": self.made_at,
            "from": self.span.0, "until": self.span.1,
            "disclosures": self.releases.len(), "recipients": recipients,
            "residents": residents,
        })
    }

    /// A row for each disclosure.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let columns =
            ["disclosure", "time", "recipient", "role", "purpose", "holder", "fields", "resident"];
        // Into memory, and all rows are as long.
        let _ = writer.write_record(columns);
        for one in &self.releases {
            let fields: Vec<&str> = one.fields.iter().map(String::as_str).collect();
            let resident =
                one.resident.map(|id| format!("residents/{}", id.uuid())).unwrap_or_default();
            let _ = writer.write_record([
                format!("disclosures/{}", one.id),
                one.at.to_string(),
                one.recipient.to_string(),
                one.role.clone(),
                one.purpose.clone(),
                one.holder.clone(),
                fields.join("|"),
                resident,
            ]);
        }
        String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
    }

    /// What UK GDPR Art 33(3) asks for, as far as the log knows it.
    fn for_the_commissioner(&self) -> String {
        let fields: BTreeSet<&str> =
            self.releases.iter().flat_map(|one| one.fields.iter().map(String::as_str)).collect();
        let categories: BTreeSet<&str> =
            fields.iter().map(|field| field.split_once('.').map_or(*field, |(c, _)| c)).collect();
        let values: usize = self.releases.iter().map(|one| one.fields.len()).sum();
        let joined = |all: BTreeSet<&str>| all.into_iter().collect::<Vec<_>>().join(", ");
        let times = self.releases.first().zip(self.releases.last());
        let times = times.map_or_else(String::new, |(first, last)| {
            format!(", the first {} and the last {}", first.at, last.at)
        });
        format!(
            "\n## For the Commissioner (UK GDPR Art 33(3))\n\n- Nature (a): {} disclosures under {}{times}. \
             Residents concerned, approximately: {}. Records concerned, approximately: {values} fields in {} \
             categories: {}.\n- Contact (b): _to be filled in: the data protection officer_\n- Likely \
             consequences (c): _to be filled in_\n- Measures taken or proposed (d): _to be filled in_\n\n\
             The entries themselves, as they can be proven: `weir audit export`.\n",
            self.releases.len(),
            self.fault.text(),
            self.residents().len(),
            categories.len(),
            joined(categories)
        )
    }

    /// For people, with who has answered.
    #[must_use]
    pub fn report(&self, answered: &[Acknowledgement]) -> String {
        let mut out = format!("# Disclosures under {}\n\n", self.fault.text());
        let day = |at: &Option<Timestamp>, open: &str| {
            at.map_or_else(|| open.to_owned(), |at| at.to_string())
        };
        // Into memory, here and below.
        let _ = writeln!(
            out,
            "Put together {} from the access log, from {} to {}.\n\n{} disclosures, {} recipients, {} \
             residents. What was released is named by field; no value is in this pack.\n",
            self.made_at,
            day(&self.span.0, "its beginning"),
            day(&self.span.1, "its end"),
            self.releases.len(),
            self.recipients().len(),
            self.residents().len()
        );
        out.push_str(
            "If this is a personal data breach, the Commissioner is told within 72 hours of becoming aware \
             of it, unless it is unlikely to be a risk to people (UK GDPR Art 33); people are told without \
             undue delay where the risk is high (Art 34).\n\n## Recipients to be told\n\n",
        );
        out.push_str("| recipient | disclosures | fields | answered |\n|---|---|---|---|\n");
        for (agency, (count, fields)) in self.recipients() {
            let said = answered.iter().rev().find(|one| one.agency == *agency);
            let said = said.map_or_else(
                || "**not yet**".to_owned(),
                |one| {
                    let note = one.note.replace(['|', '\n'], " ");
                    format!("{} by {}: {note}", one.at, one.by.replace(['|', '\n'], " "))
                },
            );
            let fields: Vec<&str> = fields.into_iter().collect();
            let _ = writeln!(out, "| {agency} | {count} | {} | {said} |", fields.join(", "));
        }
        out.push_str("\n## Residents concerned\n\n");
        for resident in self.residents() {
            let _ = writeln!(out, "- residents/{}", resident.uuid());
        }
        let lost = self.releases.iter().filter(|one| one.resident.is_none()).count();
        let _ = write!(
            out,
            "\n## What is not known\n\n{lost} disclosures are about residents whose part of the log was \
             erased. What recipients passed on outside the hub is not in its log. {}\n",
            self.fault.counts()
        );
        out.push_str(&self.for_the_commissioner());
        out
    }
}
