//! The words of the policy in force.

use super::{agency_name, words};
use crate::grpc::pb;
use crate::policy::book::RuleBook;

/// The policy in force on the wire.
#[must_use]
pub fn policy_response(book: &RuleBook) -> pb::GetPolicyResponse {
    pb::GetPolicyResponse {
        version: Some(pb::PolicyVersion {
            hash: book.hash.to_vec(),
            place: book.place.name.clone(),
        }),
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
