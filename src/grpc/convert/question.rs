//! Questions that have a name, and their answers.

use jiff::Timestamp;

use super::audit::{maybe_agency, read_access, read_officer};
use super::{Check, Violations, receipt_message};
use crate::audit::questions::{ALL, Parameters, Question};
use crate::domain::DecisionId;
use crate::grpc::pb;
use crate::hub::Answered;
use crate::limits;
use crate::store::Receipt;

/// A question with what it is told.
pub struct Asked {
    /// The question.
    pub question: &'static Question,
    /// What it is told.
    pub told: Parameters,
    /// A second sign-off.
    pub access: Option<DecisionId>,
}

impl TryFrom<pb::AnswerQuestionRequest> for Asked {
    type Error = Violations;

    fn try_from(message: pb::AnswerQuestionRequest) -> Result<Self, Violations> {
        let pb::AnswerQuestionRequest {
            question,
            resident,
            officer,
            asker,
            released,
            agreement,
            start_time,
            end_time,
            hours,
            least,
            access,
        } = message;
        let mut check = Check::default();
        let found = Question::named(&question);
        if found.is_none() {
            let asked = question.get(..40).unwrap_or_default();
            let near = ALL.iter().min_by_key(|one| strsim::damerau_levenshtein(asked, one.name));
            let near = near.map(|one| one.name).unwrap_or_default();
            check.wrong("question", format!("has no such name; the nearest is `{near}`"));
        }
        if hours > limits::QUESTION_HOURS_MAX {
            check.wrong("hours", format!("must be at most {}", limits::QUESTION_HOURS_MAX));
        }
        let told = Parameters {
            resident: match resident.as_str() {
                "" => None,
                some => check.resident("resident", some),
            },
            officer: read_officer(&mut check, &officer),
            asker: maybe_agency(&mut check, "asker", &asker),
            released: check.maybe_word("released", &released),
            agreement: check.maybe_word("agreement", &agreement),
            since: check.time("start_time", start_time),
            until: check.time("end_time", end_time),
            hours: (hours > 0).then_some(hours),
            least: (least > 0).then_some(least),
            ..Parameters::at(Timestamp::UNIX_EPOCH)
        };
        let access = read_access(&mut check, "access", &access);
        check.done(found.map(|question| Self { question, told, access }))
    }
}

/// An answer on the wire.
#[must_use]
pub fn answered_response(answered: Answered, receipt: &Receipt) -> pb::AnswerQuestionResponse {
    let Answered { columns, rows, rows_left, must_be_nil, size } = answered;
    pb::AnswerQuestionResponse {
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        rows: rows.into_iter().map(|cells| pb::AnswerRow { cells }).collect(),
        rows_left: u32::try_from(rows_left).unwrap_or(u32::MAX),
        must_be_nil,
        log_size: size,
        receipt: Some(receipt_message("events", receipt)),
    }
}
