//! Reviews of the uses of overrides.

use super::{Check, Violations, agency_name, time_message};
use crate::audit::review::{Hits, Signal};
use crate::grpc::pb;
use crate::hub::{Closing, ReviewQueue, SignalFigures, WaitingReview};
use crate::limits;

/// How much time the reviewer has; `None`: enough.
pub struct ReviewMinutes(pub Option<u32>);

impl TryFrom<pb::ListReviewsRequest> for ReviewMinutes {
    type Error = Violations;

    fn try_from(message: pb::ListReviewsRequest) -> Result<Self, Violations> {
        let pb::ListReviewsRequest { minutes } = message;
        let mut check = Check::default();
        let found = u32::try_from(minutes).ok().filter(|some| *some <= limits::REVIEW_MINUTES_MAX);
        if found.is_none() {
            let most = limits::REVIEW_MINUTES_MAX;
            check.wrong("minutes", format!("must be from 0 to {most}"));
        }
        check.done(found.map(|some| Self((some > 0).then_some(some))))
    }
}

/// A message that says nothing.
pub struct Nothing;

impl TryFrom<pb::GetSignalFiguresRequest> for Nothing {
    type Error = Violations;

    fn try_from(message: pb::GetSignalFiguresRequest) -> Result<Self, Violations> {
        let pb::GetSignalFiguresRequest {} = message;
        Ok(Self)
    }
}

impl TryFrom<pb::CloseReviewRequest> for Closing {
    type Error = Violations;

    fn try_from(message: pb::CloseReviewRequest) -> Result<Self, Violations> {
        let pb::CloseReviewRequest { disclosure, outcome, reason, request_id: _ } = message;
        let mut check = Check::default();
        let disclosure = check.event("disclosure", "disclosures", &disclosure);
        let outcome = outcome.parse().ok();
        if outcome.is_none() {
            check.wrong("outcome", "must be a word of words/outcomes.csv");
        }
        let reason = check.text("reason", reason);
        let both = disclosure.zip(outcome);
        check.done(both.map(|(disclosure, outcome)| Self { disclosure, outcome, reason }))
    }
}

fn count(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

fn signal_message(signal: Signal) -> pb::ReviewSignal {
    pb::ReviewSignal { signal: signal.as_str().to_owned(), says: signal.says().to_owned() }
}

/// The queue on the wire.
#[must_use]
pub fn reviews_response(queue: ReviewQueue) -> pb::ListReviewsResponse {
    let ReviewQueue { reviews, waiting, overdue, size } = queue;
    pb::ListReviewsResponse {
        reviews: reviews.into_iter().map(review_message).collect(),
        waiting_count: count(waiting),
        overdue_count: count(overdue),
        log_size: count(size),
    }
}

fn review_message(one: WaitingReview) -> pb::OverrideReview {
    let WaitingReview {
        disclosure,
        kind,
        holder,
        purpose,
        at,
        due,
        overdue,
        signals,
        in_slice,
        minutes,
    } = one;
    pb::OverrideReview {
        disclosure: format!("disclosures/{disclosure}"),
        override_kind: kind.into(),
        holder: agency_name(&holder),
        purpose: purpose.into(),
        use_time: Some(time_message(at)),
        due_time: due.map(time_message),
        overdue,
        signals: signals.into_iter().map(signal_message).collect(),
        in_slice,
        minutes: i32::try_from(minutes).unwrap_or(i32::MAX),
    }
}

fn hits_message(hits: Hits) -> pb::ReviewCount {
    let Hits { closed, unjustified } = hits;
    pb::ReviewCount { closed_count: count(closed), unjustified_count: count(unjustified) }
}

/// The figures on the wire.
#[must_use]
pub fn figures_response(figures: &SignalFigures) -> pb::GetSignalFiguresResponse {
    let SignalFigures { signals, slice } = figures;
    let figure = |(signal, hits): &(Signal, Hits)| pb::SignalFigure {
        signal: Some(signal_message(*signal)),
        count: Some(hits_message(*hits)),
    };
    pb::GetSignalFiguresResponse {
        signals: signals.iter().map(figure).collect(),
        slice: Some(hits_message(*slice)),
    }
}
