//! The questions that auditors ask again and again, by name: what of the log each reads, and what it makes of
//! that. Pure: entries come from whoever has them, in the order of the log.

mod chains;
mod counts;
mod lists;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::entry::{Entry, Facet, Kind, SlotId};
use crate::domain::{AgencyId, AgreementId, ConsentKind, DecisionId, FieldId, ResidentId, RuleId};

/// What a question may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// A resident.
    Resident,
    /// A person at work, as entries show them.
    Officer,
    /// The agency that asked.
    Asker,
    /// A field that was released.
    Released,
    /// An agreement.
    Agreement,
    /// A number of hours.
    Hours,
    /// The least that is worth a row.
    Least,
}

impl Parameter {
    /// The word on the wire and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resident => "resident",
            Self::Officer => "officer",
            Self::Asker => "asker",
            Self::Released => "released",
            Self::Agreement => "agreement",
            Self::Hours => "hours",
            Self::Least => "least",
        }
    }
}

/// What was told to a question, and what it judges by.
#[derive(Debug, Clone, Serialize)]
pub struct Parameters {
    /// A resident.
    pub resident: Option<ResidentId>,
    /// A person at work, as entries show them.
    pub officer: Option<[u8; 16]>,
    /// The agency that asked.
    pub asker: Option<AgencyId>,
    /// A field that was released.
    pub released: Option<FieldId>,
    /// An agreement.
    pub agreement: Option<AgreementId>,
    /// Recorded at or after.
    pub since: Option<Timestamp>,
    /// Recorded before.
    pub until: Option<Timestamp>,
    /// A number of hours.
    pub hours: Option<u32>,
    /// The least that is worth a row.
    pub least: Option<u32>,
    /// Now.
    pub at: Timestamp,
    /// Where hours and days of the week are looked up.
    #[serde(skip)]
    pub zone: TimeZone,
    /// Rules that need a consent, and of which kind.
    #[serde(skip)]
    pub consents: BTreeMap<RuleId, ConsentKind>,
}

impl Parameters {
    /// Nothing was told.
    #[must_use]
    pub const fn at(at: Timestamp) -> Self {
        Self {
            resident: None,
            officer: None,
            asker: None,
            released: None,
            agreement: None,
            since: None,
            until: None,
            hours: None,
            least: None,
            at,
            zone: TimeZone::UTC,
            consents: BTreeMap::new(),
        }
    }

    fn is_told(&self, parameter: Parameter) -> bool {
        match parameter {
            Parameter::Resident => self.resident.is_some(),
            Parameter::Officer => self.officer.is_some(),
            Parameter::Asker => self.asker.is_some(),
            Parameter::Released => self.released.is_some(),
            Parameter::Agreement => self.agreement.is_some(),
            Parameter::Hours => self.hours.is_some(),
            Parameter::Least => self.least.is_some(),
        }
    }

    fn hours(&self, otherwise: u32) -> SignedDuration {
        SignedDuration::from_hours(self.hours.unwrap_or(otherwise).into())
    }

    fn least(&self, otherwise: usize) -> usize {
        self.least.map_or(otherwise, |least| usize::try_from(least).unwrap_or(usize::MAX))
    }
}

/// What of the log is read: everything that is set must hold of an entry.
#[derive(Debug, Clone, Default)]
pub struct Reads {
    /// Kinds.
    pub kinds: Vec<Kind>,
    /// Facets that must hold a word.
    pub facets: Vec<(Facet, String)>,
    /// A facet that must be there.
    pub has: Option<Facet>,
    /// Whom it is about.
    pub resident: Option<ResidentId>,
    /// The person, as shown.
    pub officer: Option<[u8; 16]>,
    /// The agency that asked.
    pub asker: Option<AgencyId>,
    /// Recorded at or after.
    pub since: Option<Timestamp>,
    /// Recorded before.
    pub until: Option<Timestamp>,
    /// Every slot is wanted, not only whom it is about.
    pub whole: bool,
    /// Read whichever agency's it is: it says nothing of people, or is judged by and not shown.
    pub beyond: bool,
}

/// An entry, as whoever asks may see it.
pub struct Seen<'a> {
    /// Its place.
    pub index: u64,
    /// When it was committed.
    pub at: Timestamp,
    /// The entry with whom it is about, if that can be read.
    pub entry: &'a Entry,
}

impl Seen<'_> {
    /// Whom it is about; `None`: nobody, or erased.
    fn about(&self) -> Option<[u8; 16]> {
        let bytes = self.entry.slots.get(&SlotId::Subject)?.as_slice().try_into().ok()?;
        (bytes != [0; 16]).then_some(bytes)
    }

    fn words(&self, facet: Facet) -> String {
        self.entry.facets.get(&facet).cloned().unwrap_or_default()
    }

    fn agency(&self) -> String {
        self.entry.agency.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    fn officer(&self) -> String {
        hex::encode(self.entry.principal)
    }

    /// The agency and the person.
    fn who(&self) -> (String, String) {
        (self.agency(), self.officer())
    }

    fn name(&self) -> String {
        format!("entries/{}", self.index)
    }

    /// Which entry is meant by a review.
    fn reviewed(&self) -> Option<DecisionId> {
        self.entry.facets.get(&Facet::Review)?.parse().ok()
    }
}

/// Makes an answer of entries. They come pass by pass, each in the order of the log.
pub trait Fold: Send {
    /// Takes the next entry of a pass.
    fn take(&mut self, pass: usize, seen: &Seen<'_>);
    /// The rows of the answer, as wide as its columns.
    fn rows(self: Box<Self>) -> Vec<Vec<String>>;
}

/// How a question is answered.
pub struct Plan {
    /// The columns of the answer.
    pub columns: &'static [&'static str],
    /// What is read, one after the other.
    pub passes: Vec<Reads>,
    /// What is made of it.
    pub fold: Box<dyn Fold>,
}

/// A question that has a name.
pub struct Question {
    /// The name.
    pub name: &'static str,
    /// What it asks.
    pub asks: &'static str,
    /// What must be told.
    pub needs: &'static [Parameter],
    /// What else may be told, beside a time.
    pub takes: &'static [Parameter],
    /// A row is a finding: the answer must be empty.
    pub must_be_nil: bool,
    plan: fn(&Parameters) -> Plan,
}

impl Question {
    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|question| question.name == name)
    }

    /// How it is answered.
    ///
    /// # Errors
    /// What is not told that must be, or told that means nothing here.
    pub fn plan(&self, told: &Parameters) -> Result<Plan, (Parameter, &'static str)> {
        use Parameter::{Agreement, Asker, Hours, Least, Officer, Released, Resident};
        for one in [Resident, Officer, Asker, Released, Agreement, Hours, Least] {
            match (told.is_told(one), self.needs.contains(&one), self.takes.contains(&one)) {
                (false, true, _) => return Err((one, "must be told to this question")),
                (true, false, false) => return Err((one, "means nothing to this question")),
                (_, _, _) => {}
            }
        }
        Ok((self.plan)(told))
    }
}

/// Every question that has a name.
pub static ALL: &[Question] = &[
    Question {
        name: "who-saw-resident",
        asks: "Who was given what of a resident's records, when, for what, under which rule?",
        needs: &[Parameter::Resident],
        takes: &[Parameter::Asker],
        must_be_nil: false,
        plan: lists::who_saw,
    },
    Question {
        name: "officer-month",
        asks: "What did a person look at in the last month?",
        needs: &[Parameter::Officer],
        takes: &[Parameter::Asker],
        must_be_nil: false,
        plan: lists::officer_month,
    },
    Question {
        name: "break-glass-unreviewed",
        asks: "Which releases under an override has nobody reviewed for more than 24 hours (--hours)?",
        needs: &[],
        takes: &[Parameter::Hours],
        must_be_nil: true,
        plan: chains::unreviewed,
    },
    Question {
        name: "after-consent-withdrawal",
        asks: "Which releases relied on a consent that had been withdrawn, refused or found invalid?",
        needs: &[],
        takes: &[Parameter::Resident],
        must_be_nil: true,
        plan: chains::after_withdrawal,
    },
    Question {
        name: "received-field",
        asks: "Who was given a field that is now known to be wrong?",
        needs: &[Parameter::Released],
        takes: &[Parameter::Resident],
        must_be_nil: false,
        plan: lists::received,
    },
    Question {
        name: "under-agreement",
        asks: "What was released under an agreement?",
        needs: &[Parameter::Agreement],
        takes: &[],
        must_be_nil: false,
        plan: lists::under_agreement,
    },
    Question {
        name: "refusals-by-code",
        asks: "How often was which purpose refused, by which code: is safeguarding refused too often?",
        needs: &[],
        takes: &[Parameter::Asker],
        must_be_nil: false,
        plan: counts::refusals,
    },
    Question {
        name: "who-read-the-log",
        asks: "Who read the audit log?",
        needs: &[],
        takes: &[Parameter::Asker],
        must_be_nil: false,
        plan: lists::who_read,
    },
    Question {
        name: "policy-changes",
        asks: "Which policy came into force when, in place of which, and what was turned down?",
        needs: &[],
        takes: &[],
        must_be_nil: false,
        plan: lists::policy_changes,
    },
    Question {
        name: "refused-then-released",
        asks: "Who was refused, and given the same resident's records for another purpose within 24 hours (--hours)?",
        needs: &[],
        takes: &[Parameter::Hours, Parameter::Asker],
        must_be_nil: false,
        plan: chains::refused_then_released,
    },
    Question {
        name: "looked-without-opening",
        asks: "Who asked what they would be given of at least 3 residents (--least) and took nothing within 24 hours (--hours)?",
        needs: &[],
        takes: &[Parameter::Hours, Parameter::Least, Parameter::Asker],
        must_be_nil: false,
        plan: chains::looked_only,
    },
    Question {
        name: "small-numbers",
        asks: "Who asked for counts of which small ones were suppressed?",
        needs: &[],
        takes: &[Parameter::Asker],
        must_be_nil: false,
        plan: counts::small_numbers,
    },
    Question {
        name: "bursts",
        asks: "Who was given records of at least 20 residents (--least) within an hour (--hours)?",
        needs: &[],
        takes: &[Parameter::Hours, Parameter::Least, Parameter::Asker],
        must_be_nil: false,
        plan: counts::bursts,
    },
    Question {
        name: "out-of-hours",
        asks: "Who was given records before 7, from 20 o'clock on, or on a Saturday or Sunday?",
        needs: &[],
        takes: &[Parameter::Least, Parameter::Asker],
        must_be_nil: false,
        plan: counts::out_of_hours,
    },
    Question {
        name: "breadth",
        asks: "How many residents and purposes did each person have, the most first?",
        needs: &[],
        takes: &[Parameter::Least, Parameter::Asker],
        must_be_nil: false,
        plan: counts::breadth,
    },
    Question {
        name: "own-or-known",
        asks: "Who asked about themselves, kin, a neighbour or a colleague, as they had declared?",
        needs: &[],
        takes: &[Parameter::Asker],
        must_be_nil: false,
        plan: lists::own_or_known,
    },
    Question {
        name: "after-leaving",
        asks: "Who tried after their account or training had ended?",
        needs: &[],
        takes: &[Parameter::Asker],
        must_be_nil: false,
        plan: lists::after_leaving,
    },
    Question {
        name: "duties-overdue",
        asks: "Which duties of releases were not met in time?",
        needs: &[],
        takes: &[],
        must_be_nil: false,
        plan: lists::overdue,
    },
    Question {
        name: "not-disclosed",
        asks: "Which refusals and silences of holders outside the hub were reported?",
        needs: &[],
        takes: &[Parameter::Asker],
        must_be_nil: false,
        plan: lists::not_disclosed,
    },
];

/// What auditors ask and the hub cannot answer, and why.
pub const NOT_ANSWERED: &[(&str, &str)] = &[
    (
        "access with no later contact in the case",
        "the hub has no case records: only the agency's own system knows of contacts",
    ),
    (
        "views of family, neighbours and colleagues who were not declared",
        "the hub holds no household of staff, no addresses of theirs and no kinship; what they declare is judged \
         at each request, see own-or-known",
    ),
    (
        "views of councillors, celebrities and former clients",
        "the hub has no such lists, and a list of well-known people would itself be a risk",
    ),
    (
        "ids in sequence",
        "ids of residents are random: there is no sequence to walk; see bursts and breadth",
    ),
    (
        "what a decision would be today, or why it was what it was",
        "that is decided again, not read: `weir policy explain --decision` and `weir policy replay`",
    ),
    (
        "duties refused",
        "the log knows what was met, what is late and what was reported: see duties-overdue, not-disclosed and `weir audit non-disclosures`",
    ),
];

#[cfg(test)]
mod tests;
