//! The words of the policy in force.

use jiff::Timestamp;

use super::{Check, Violations, agency_name, receipt_message, time_message, words};
use crate::domain::DecisionId;
use crate::grpc::pb;
use crate::hub::{Explained, InForce, PolicyVersion, Versions};
use crate::policy::rulebook;
use crate::store::{Candidate, KeptPolicy, PolicyNote};

/// Which policy it is, on the wire.
pub(in crate::grpc::convert) fn version_message(version: &PolicyVersion) -> pb::PolicyVersion {
    let PolicyVersion { number, hash, place, since } = version;
    pb::PolicyVersion {
        hash: hash.to_vec(),
        place: place.clone(),
        number: *number,
        since_time: Some(time_message(*since)),
    }
}

/// The policies that are or were in force, on the wire. Who approved them, and why a folder is refused, is
/// not for everybody.
#[must_use]
pub fn versions_response((versions, candidate): Versions) -> pb::ListVersionsResponse {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let versions = versions.into_iter().map(|kept| {
        let KeptPolicy { number, hash, since, event: _, note } = kept;
        let PolicyNote { class, approved_by, author: _, scenarios_failing: _ } = note;
        pb::ListedVersion {
            number,
            hash: hash.to_vec(),
            since_time: Some(time_message(since)),
            change: class,
            approvals: count(approved_by.len()),
        }
    });
    let candidate = candidate.map(|candidate| {
        let Candidate { hash, at, waits_until, reasons } = candidate;
        pb::PolicyCandidate {
            hash: hash.map(|hash| hash.to_vec()).unwrap_or_default(),
            look_time: Some(time_message(at)),
            in_force_time: waits_until.map(time_message),
            findings: count(reasons.len()),
        }
    });
    pb::ListVersionsResponse { versions: versions.collect(), candidate }
}

/// The policy in force on the wire.
#[must_use]
pub fn policy_response(policy: &InForce) -> pb::GetPolicyResponse {
    let book = policy.book();
    pb::GetPolicyResponse {
        version: Some(version_message(policy.version())),
        agencies: book
            .agencies
            .iter()
            .map(|(id, agency)| pb::PolicyAgency {
                name: agency_name(id),
                display_name: agency.name.clone(),
                kind: agency.kind.clone(),
            })
            .collect(),
        purposes: book
            .purposes
            .iter()
            .map(|(id, purpose)| pb::PolicyPurpose {
                purpose: id.to_string(),
                meaning: purpose.meaning.clone(),
            })
            .collect(),
        categories: book
            .categories
            .iter()
            .map(|(id, category)| pb::PolicyCategory {
                category: id.to_string(),
                fields: words(&category.fields),
            })
            .collect(),
        overrides: book
            .overrides
            .iter()
            .map(|(id, rule)| pb::PolicyOverride {
                r#override: id.to_string(),
                questions: rule.answers.clone(),
                ceiling_hours: rule.ceiling_hours,
            })
            .collect(),
        rule_count: u32::try_from(book.rules.len()).unwrap_or(u32::MAX),
    }
}

/// How a rule book is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleBookForm {
    /// Markdown.
    Markdown,
    /// A page.
    Html,
}

impl TryFrom<pb::GetRuleBookRequest> for RuleBookForm {
    type Error = Violations;

    fn try_from(message: pb::GetRuleBookRequest) -> Result<Self, Violations> {
        let mut check = Check::default();
        let form = match pb::RuleBookFormat::try_from(message.format) {
            Ok(pb::RuleBookFormat::Unspecified | pb::RuleBookFormat::Markdown) => {
                Some(Self::Markdown)
            }
            Ok(pb::RuleBookFormat::Html) => Some(Self::Html),
            Err(_) => {
                check.wrong("format", "must be Markdown or HTML");
                None
            }
        };
        check.done(form)
    }
}

/// The public rule book on the wire; `None` where it cannot be written.
#[must_use]
pub fn rule_book_response(
    policy: &InForce,
    form: RuleBookForm,
    at: Timestamp,
) -> Option<pb::GetRuleBookResponse> {
    let text = match form {
        RuleBookForm::Markdown => rulebook::markdown(policy.book(), at),
        RuleBookForm::Html => rulebook::html(policy.book(), at),
    };
    let version = Some(version_message(policy.version()));
    Some(pb::GetRuleBookResponse { version, text: text.ok()? })
}

/// A look at why a decision came out as it did.
pub struct Explaining(pub DecisionId);

impl TryFrom<pb::ExplainDecisionRequest> for Explaining {
    type Error = Violations;

    fn try_from(message: pb::ExplainDecisionRequest) -> Result<Self, Violations> {
        let mut check = Check::default();
        let id = check.event("name", "disclosures", &message.name);
        check.done(id.map(Self))
    }
}

/// An explanation on the wire.
#[must_use]
pub fn explained_response(explained: Explained) -> pb::ExplainDecisionResponse {
    let Explained { text, policy, receipt } = explained;
    let receipt = Some(receipt_message("events", &receipt));
    pb::ExplainDecisionResponse { text, policy_hash: policy.to_vec(), receipt }
}
