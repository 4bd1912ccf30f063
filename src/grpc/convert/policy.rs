//! The words of the policy in force.

use super::{agency_name, time_message, words};
use crate::grpc::pb;
use crate::hub::{InForce, PolicyVersion};

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
