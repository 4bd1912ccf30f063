//! Questions and answers.

use std::collections::BTreeMap;

use super::{
    Check, Violations, agency_name, receipt_message, resident_name, time_message, version_message,
    words,
};
use crate::audit::entry::Facet;
use crate::domain::{
    AgencyId, Answer as Test, Ask, Asked, DecisionId, FieldId, NamedApprover, OverrideClaim,
    ResidentId,
};
use crate::grpc::pb;
use crate::hub::{Answer, Findings, NonDisclosure, Question};
use crate::limits;
use crate::policy::{Explanation, Outcome, Path, PathKind, View};
use crate::store::StoredEntry;

/// The questions of one call, in the order of the answers.
#[derive(Debug)]
pub struct Questions(pub Vec<Question>);

/// What all questions of a request share, as it came.
struct Terms {
    purpose: String,
    fields: Vec<String>,
    reason: String,
    case_reference: String,
    basis: String,
    cited_gateway: String,
    threshold_statement: String,
    notice_reference: String,
    received_for_purpose: String,
    do_not_tell_reason: String,
    claim: Option<pb::OverrideClaim>,
}

impl Terms {
    /// An ask to the holder named.
    fn read(self, check: &mut Check, at: &str, from: Option<&AgencyId>) -> Option<Ask> {
        let path = |name: &str| format!("{at}{name}");
        let purpose = check.word(&path("purpose"), &self.purpose);
        let fields = check.scopes(&path("fields"), &self.fields, 1);
        let ask = Ask {
            from: from?.clone(),
            purpose: purpose?,
            fields: fields.into_iter().map(Asked).collect(),
            reason: check.text(&path("reason"), self.reason),
            case_ref: check.text(&path("case_reference"), self.case_reference),
            subjects: 1,
            basis: check.maybe_word(&path("basis"), &self.basis),
            cites: check.maybe_word(&path("cited_gateway"), &self.cited_gateway),
            threshold: check.maybe_text(&path("threshold_statement"), self.threshold_statement),
            notice_ref: check.maybe_text(&path("notice_reference"), self.notice_reference),
            received_for: check
                .maybe_word(&path("received_for_purpose"), &self.received_for_purpose),
            do_not_tell: check.maybe_text(&path("do_not_tell_reason"), self.do_not_tell_reason),
            override_claim: match self.claim {
                None => None,
                Some(claim) => Some(read_claim(check, &path("override"), claim)?),
            },
        };
        Some(ask)
    }
}

fn read_claim(check: &mut Check, at: &str, claim: pb::OverrideClaim) -> Option<OverrideClaim> {
    let pb::OverrideClaim { kind, answers, asserted_time, named_approver } = claim;
    let named = named_approver.and_then(|named| {
        let pb::NamedApprover { agency, person } = named;
        let agency = check.agency(&format!("{at}.named_approver.agency"), &agency);
        let person = check.word(&format!("{at}.named_approver.person"), &person);
        Some(NamedApprover { agency: agency?, person: person? })
    });
    let kind = check.word(&format!("{at}.kind"), &kind);
    let path = format!("{at}.answers");
    check.count(&path, answers.len(), 0, limits::OVERRIDE_ANSWERS_MAX);
    let mut read = BTreeMap::new();
    for (question, answer) in answers.into_iter().take(limits::OVERRIDE_ANSWERS_MAX) {
        let word: Option<crate::domain::OverrideId> = check.word(&path, &question);
        let answer = match answer.answer {
            Some(pb::override_answer::Answer::Flag(flag)) => Test::Flag(flag),
            Some(pb::override_answer::Answer::Text(text)) => Test::Text(check.text(&path, text)),
            None => {
                check.wrong(&path, "a question has no answer");
                continue;
            }
        };
        if word.is_some() {
            read.insert(question, answer);
        }
    }
    Some(OverrideClaim {
        kind: kind?,
        answers: read,
        asserted_at: check.time(&format!("{at}.asserted_time"), asserted_time),
        approver: None,
        named,
    })
}

impl TryFrom<pb::RequestRecordsRequest> for Questions {
    type Error = Violations;

    fn try_from(message: pb::RequestRecordsRequest) -> Result<Self, Violations> {
        let pb::RequestRecordsRequest {
            residents,
            holders,
            purpose,
            fields,
            reason,
            case_reference,
            basis,
            cited_gateway,
            threshold_statement,
            notice_reference,
            received_for_purpose,
            do_not_tell_reason,
            r#override,
            referral,
        } = message;
        let mut check = Check::default();
        let referral = if referral.is_empty() {
            None
        } else {
            check.event("referral", "referrals", &referral)
        };
        let fits = check.count("residents", residents.len(), 1, limits::RESIDENTS_MAX)
            & check.count("holders", holders.len(), 1, limits::HOLDERS_MAX);
        if !fits {
            return check.done(None);
        }
        if residents.len().saturating_mul(holders.len()) > limits::QUESTIONS_MAX {
            check.wrong(
                "residents",
                format!("times holders must not exceed {}", limits::QUESTIONS_MAX),
            );
        }
        if referral.is_some() && residents.len().saturating_mul(holders.len()) != 1 {
            check.wrong("referral", "goes with exactly one resident and one holder");
        }
        let residents: Vec<ResidentId> = residents
            .iter()
            .enumerate()
            .filter_map(|(n, name)| check.resident(&format!("residents[{n}]"), name))
            .collect();
        let residents = check.distinct("residents", residents);
        let holders: Vec<AgencyId> = holders
            .iter()
            .enumerate()
            .filter_map(|(n, name)| check.agency(&format!("holders[{n}]"), name))
            .collect();
        let holders = check.distinct("holders", holders);
        let terms = Terms {
            purpose,
            fields,
            reason,
            case_reference,
            basis,
            cited_gateway,
            threshold_statement,
            notice_reference,
            received_for_purpose,
            do_not_tell_reason,
            claim: r#override,
        };
        let ask = terms.read(&mut check, "", holders.first());
        let questions = ask.map(|ask| {
            let about = |resident| {
                let ask = &ask;
                holders.iter().map(move |holder| Question {
                    resident,
                    ask: Ask { from: holder.clone(), ..ask.clone() },
                    referral,
                })
            };
            Self(residents.into_iter().flat_map(about).collect())
        });
        check.done(questions)
    }
}

fn read_question(check: &mut Check, at: &str, message: pb::CanShareRequest) -> Option<Question> {
    let pb::CanShareRequest {
        resident,
        holder,
        purpose,
        fields,
        reason,
        case_reference,
        basis,
        cited_gateway,
        threshold_statement,
        notice_reference,
        received_for_purpose,
        do_not_tell_reason,
        r#override,
    } = message;
    let resident = check.resident(&format!("{at}resident"), &resident);
    let holder = check.agency(&format!("{at}holder"), &holder);
    let terms = Terms {
        purpose,
        fields,
        reason,
        case_reference,
        basis,
        cited_gateway,
        threshold_statement,
        notice_reference,
        received_for_purpose,
        do_not_tell_reason,
        claim: r#override,
    };
    let ask = terms.read(check, at, holder.as_ref())?;
    Some(Question { resident: resident?, ask, referral: None })
}

impl TryFrom<pb::CanShareRequest> for Questions {
    type Error = Violations;

    fn try_from(message: pb::CanShareRequest) -> Result<Self, Violations> {
        let mut check = Check::default();
        let question = read_question(&mut check, "", message);
        check.done(question.map(|question| Self(vec![question])))
    }
}

impl TryFrom<pb::BatchCanShareRequest> for Questions {
    type Error = Violations;

    fn try_from(message: pb::BatchCanShareRequest) -> Result<Self, Violations> {
        let pb::BatchCanShareRequest { requests } = message;
        let mut check = Check::default();
        if !check.count("requests", requests.len(), 1, limits::QUESTIONS_MAX) {
            return check.done(None);
        }
        let mut questions = Vec::with_capacity(requests.len());
        for (n, request) in requests.into_iter().enumerate() {
            let at = format!("requests[{n}].");
            questions.extend(read_question(&mut check, &at, request));
        }
        let residents: std::collections::BTreeSet<_> =
            questions.iter().map(|q| q.resident).collect();
        if residents.len() > limits::RESIDENTS_MAX {
            check.wrong(
                "requests",
                format!("must be about at most {} residents", limits::RESIDENTS_MAX),
            );
        }
        check.done(Some(Self(questions)))
    }
}

impl TryFrom<pb::GetDisclosureRequest> for DecisionId {
    type Error = Violations;

    fn try_from(message: pb::GetDisclosureRequest) -> Result<Self, Violations> {
        let pb::GetDisclosureRequest { name } = message;
        let mut check = Check::default();
        let id = check.event("name", "disclosures", &name);
        check.done(id)
    }
}

/// An answer on the wire.
#[must_use]
pub fn answer_message(answer: Answer) -> pb::Answer {
    let (findings, receipt) = answer.into_parts();
    let Findings { resident, holder, view, explanation, values, policy, as_of } = findings;
    let values = values
        .into_iter()
        .map(|(field, value, labels)| pb::FieldText {
            field: field.into(),
            text: value.expose().to_owned(),
            labels: labels.iter().map(|label| label.as_str().to_owned()).collect(),
        })
        .collect();
    pb::Answer {
        resident: resident_name(resident),
        holder: agency_name(&holder),
        decision: Some(decision_message(view, explanation)),
        values,
        receipt: Some(receipt_message("disclosures", &receipt)),
        policy: Some(version_message(&policy)),
        as_of_time: Some(time_message(as_of)),
    }
}

fn decision_message(view: View, explanation: Explanation) -> pb::Decision {
    let View { outcome, released, withheld, codes, duties, duty_alarm, expires_at } = view;
    let Explanation { text, missing, may_ask, purpose: _ } = explanation;
    pb::Decision {
        outcome: outcome_message(outcome).into(),
        permitted_fields: words(released.iter().map(|(field, _)| field)),
        withheld: withheld
            .into_iter()
            .map(|(field, codes)| pb::WithheldField { field: field.into(), codes: words(codes) })
            .collect(),
        codes: words(codes),
        duties: words(duties),
        duty_alarm,
        released: grouped(released),
        expires_time: expires_at.map(time_message),
        explanation: text,
        missing: missing
            .into_iter()
            .map(|m| pb::MissingPiece {
                code: m.code.to_string(),
                meaning: m.meaning,
                who_can_fix: m.fixer,
                how: m.fix,
            })
            .collect(),
        may_ask: words(may_ask),
    }
}

/// Released fields by path, paths in the order of their first field.
fn grouped(released: Vec<(FieldId, Path)>) -> Vec<pb::ReleasedGroup> {
    let mut groups: Vec<(Path, Vec<String>)> = Vec::new();
    for (field, path) in released {
        match groups.iter_mut().find(|(known, _)| *known == path) {
            Some((_, fields)) => fields.push(field.into()),
            None => groups.push((path, vec![field.into()])),
        }
    }
    groups.into_iter().map(|(path, fields)| group_message(path, fields)).collect()
}

fn group_message(path: Path, fields: Vec<String>) -> pb::ReleasedGroup {
    let Path {
        rule,
        place,
        gateway,
        kind,
        art6,
        conditions,
        agreement,
        ground,
        consent,
        override_used,
        granted: _,
        because,
    } = path;
    let kind = match kind {
        PathKind::Duty => pb::GatewayKind::Duty,
        PathKind::Power => pb::GatewayKind::Power,
    };
    let (consent_kind, consent_until) =
        consent.map(|used| (used.kind.to_string(), used.until.to_string())).unwrap_or_default();
    pb::ReleasedGroup {
        fields,
        rule: rule.into(),
        place,
        gateway: gateway.into(),
        kind: kind.into(),
        basis: art6.into(),
        conditions: words(conditions),
        agreement: agreement.map(|a| format!("agreements/{a}")).unwrap_or_default(),
        ground,
        r#override: override_used.map(String::from).unwrap_or_default(),
        consent_kind,
        consent_until,
        because,
    }
}

const fn outcome_message(outcome: Outcome) -> pb::Outcome {
    match outcome {
        Outcome::Permit => pb::Outcome::Permit,
        Outcome::Partial => pb::Outcome::Partial,
        Outcome::Refer => pb::Outcome::Refer,
        Outcome::Deny => pb::Outcome::Deny,
    }
}

/// An earlier decision on the wire.
#[must_use]
pub fn disclosure_message(stored: &StoredEntry) -> pb::Disclosure {
    let entry = &stored.entry;
    let one = |facet| entry.facets.get(&facet).cloned().unwrap_or_default();
    let many = |facet| -> Vec<String> {
        let text = entry.facets.get(&facet);
        text.map(|t| words(t.split('|'))).unwrap_or_default()
    };
    let outcomes = [Outcome::Permit, Outcome::Partial, Outcome::Refer, Outcome::Deny];
    let outcome = outcomes
        .into_iter()
        .find(|outcome| outcome.as_str() == one(Facet::Outcome))
        .map_or(pb::Outcome::Unspecified, outcome_message);
    pb::Disclosure {
        name: format!("disclosures/{}", entry.event),
        entry: format!("entries/{}", stored.index),
        create_time: Some(time_message(stored.committed_at)),
        requested: entry.kind != crate::audit::entry::Kind::Query,
        role: one(Facet::Role),
        holder: entry
            .facets
            .get(&Facet::Holder)
            .map(|holder| format!("agencies/{holder}"))
            .unwrap_or_default(),
        purpose: one(Facet::Purpose),
        outcome: outcome.into(),
        permitted_fields: many(Facet::Released),
        withheld_fields: many(Facet::Withheld),
        codes: many(Facet::Codes),
        rules: many(Facet::Rules),
        gateways: many(Facet::Gateways),
        agreements: many(Facet::Agreements),
        bases: many(Facet::Bases),
        duties: many(Facet::Duties),
        r#override: one(Facet::Override),
        duty_alarm: entry.facets.contains_key(&Facet::Alarm),
        policy_hash: entry.policy.to_vec(),
    }
}

/// A look for who knows a resident.
pub struct Locating(pub Question);

impl TryFrom<pb::LocateRecordsRequest> for Locating {
    type Error = Violations;

    fn try_from(message: pb::LocateRecordsRequest) -> Result<Self, Violations> {
        let pb::LocateRecordsRequest {
            resident,
            purpose,
            reason,
            case_reference,
            threshold_statement,
            r#override,
        } = message;
        // Every holder is asked, each only for its own field of the rung.
        let question = pb::CanShareRequest {
            resident,
            holder: "agencies/all".to_owned(),
            purpose,
            fields: vec!["involvement/contact.holds".to_owned()],
            reason,
            case_reference,
            threshold_statement,
            r#override,
            ..pb::CanShareRequest::default()
        };
        let mut check = Check::default();
        let question = read_question(&mut check, "", question);
        check.done(question.map(Self))
    }
}

impl TryFrom<pb::ReportNonDisclosureRequest> for NonDisclosure {
    type Error = Violations;

    fn try_from(message: pb::ReportNonDisclosureRequest) -> Result<Self, Violations> {
        let answer = message.answer();
        let pb::ReportNonDisclosureRequest {
            resident,
            holder,
            purpose,
            fields,
            asked_date,
            answer: _,
            reason,
            case_reference,
            threshold_statement,
            cited_gateway,
            request_id: _,
        } = message;
        let mut check = Check::default();
        for (field, text) in [("reason", &reason), ("case_reference", &case_reference)] {
            if text.trim().is_empty() {
                check.wrong(field, "must not be empty");
            }
        }
        let question = pb::CanShareRequest {
            resident,
            holder,
            purpose,
            fields,
            reason,
            case_reference,
            threshold_statement,
            cited_gateway,
            ..pb::CanShareRequest::default()
        };
        let question = read_question(&mut check, "", question);
        if asked_date.is_empty() {
            check.wrong("asked_date", "must be YYYY-MM-DD");
        }
        let asked = check.day("asked_date", &asked_date);
        let refused = match answer {
            pb::NonDisclosure::Refused => true,
            pb::NonDisclosure::Silent => false,
            pb::NonDisclosure::Unspecified => {
                check.wrong("answer", "must be refused or silent");
                false
            }
        };
        let report = question.zip(asked).map(|(question, asked)| Self { question, asked, refused });
        check.done(report)
    }
}
