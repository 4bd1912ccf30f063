//! The words of the policy in force.

use super::{agency_name, time_message, words};
use crate::grpc::pb;
use crate::hub::{InForce, PolicyVersion, Versions};
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
