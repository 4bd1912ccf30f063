//! What residents see and ask for.

use jiff::civil::Date;

use super::{Check, Violations, agency_name, receipt_message, resident_name, time_message, words};
use crate::domain::{DecisionId, RequestKind};
use crate::grpc::pb;
use crate::hub::{
    Advance, Challenge, Clocked, HiddenPage, HiddenRelease, ListedRequest, NewRequest, RequestPage,
    Reviewing, SeenPage, SeenRelease, Taken, VisibilityFigures,
};
use crate::policy::book::Told;
use crate::rights::Seen;
use crate::rights::ToldRelease;
use crate::rights::requests::Step;

/// Longest time until a person looks again, in days; as in `words/visibility.csv`.
const DAYS_MAX: u16 = 730;

/// Which page of a list.
pub struct RightsPage {
    /// Only what is open, or due.
    pub only: bool,
    /// At most so many.
    pub size: usize,
    /// Behind this one.
    pub after: Option<DecisionId>,
}

fn page(only: bool, size: i32, token: &str) -> Result<RightsPage, Violations> {
    let mut check = Check::default();
    let size = check.page_size(size);
    let after = super::uuid_of(token);
    if after.is_none() && !token.is_empty() {
        check.wrong("page_token", "does not belong to this question");
    }
    check.done(Some(RightsPage { only, size, after }))
}

impl TryFrom<pb::ListDisclosuresRequest> for RightsPage {
    type Error = Violations;

    fn try_from(message: pb::ListDisclosuresRequest) -> Result<Self, Violations> {
        let pb::ListDisclosuresRequest { page_size, page_token } = message;
        page(false, page_size, &page_token)
    }
}

impl TryFrom<pb::ListSealedRequest> for RightsPage {
    type Error = Violations;

    fn try_from(message: pb::ListSealedRequest) -> Result<Self, Violations> {
        let pb::ListSealedRequest { due_only, page_size, page_token } = message;
        page(due_only, page_size, &page_token)
    }
}

impl TryFrom<pb::ListRequestsRequest> for RightsPage {
    type Error = Violations;

    fn try_from(message: pb::ListRequestsRequest) -> Result<Self, Violations> {
        let pb::ListRequestsRequest { open_only, page_size, page_token } = message;
        page(open_only, page_size, &page_token)
    }
}

pub(super) fn said(check: &mut Check, field: &str, text: String) -> String {
    if text.trim().is_empty() {
        check.wrong(field, "is empty");
    }
    check.text(field, text)
}

impl TryFrom<pb::FileRequestRequest> for NewRequest {
    type Error = Violations;

    fn try_from(message: pb::FileRequestRequest) -> Result<Self, Violations> {
        let pb::FileRequestRequest { controller, kind, text, request_id: _ } = message;
        let mut check = Check::default();
        let agency =
            if controller.is_empty() { None } else { check.agency("controller", &controller) };
        let kind = check.one_of("kind", &kind, RequestKind::ALL);
        let text = said(&mut check, "text", text);
        check.done(kind.map(|kind| Self { agency, kind, text }))
    }
}

impl TryFrom<pb::ChallengeEntryRequest> for Challenge {
    type Error = Violations;

    fn try_from(message: pb::ChallengeEntryRequest) -> Result<Self, Violations> {
        let pb::ChallengeEntryRequest { disclosure, text, request_id: _ } = message;
        let mut check = Check::default();
        let disclosure = check.event("disclosure", "disclosures", &disclosure);
        let text = said(&mut check, "text", text);
        check.done(disclosure.map(|disclosure| Self { disclosure, text }))
    }
}

impl TryFrom<pb::AdvanceRequestRequest> for Advance {
    type Error = Violations;

    fn try_from(message: pb::AdvanceRequestRequest) -> Result<Self, Violations> {
        let pb::AdvanceRequestRequest { request, step, text, request_id: _ } = message;
        let mut check = Check::default();
        let request = check.event("request", "requests", &request);
        let step = Step::ALL.into_iter().find(|one| one.as_str() == step);
        if step.is_none() {
            let all: Vec<&str> = Step::ALL.iter().map(|step| step.as_str()).collect();
            check.wrong("step", format!("must be one of {}", all.join(", ")));
        }
        let text = said(&mut check, "text", text);
        let both = request.zip(step);
        check.done(both.map(|(request, step)| Self { request, step, text }))
    }
}

impl TryFrom<pb::ReviewVisibilityRequest> for Reviewing {
    type Error = Violations;

    fn try_from(message: pb::ReviewVisibilityRequest) -> Result<Self, Violations> {
        let pb::ReviewVisibilityRequest { disclosure, show, review_days, reason, request_id: _ } =
            message;
        let mut check = Check::default();
        let disclosure = check.event("disclosure", "disclosures", &disclosure);
        let days = u16::try_from(review_days).ok().filter(|days| (1..=DAYS_MAX).contains(days));
        if show && review_days != 0 {
            check.wrong("review_days", "must be 0 where the resident sees it");
        }
        if !show && days.is_none() {
            check.wrong("review_days", format!("must be from 1 to {DAYS_MAX} where it is sealed"));
        }
        let reason = said(&mut check, "reason", reason);
        let seal_days = if show { None } else { days };
        check.done(disclosure.map(|disclosure| Self { disclosure, seal_days, reason }))
    }
}

/// A message that says nothing.
impl TryFrom<pb::GetVisibilityFiguresRequest> for super::Nothing {
    type Error = Violations;

    fn try_from(message: pb::GetVisibilityFiguresRequest) -> Result<Self, Violations> {
        let pb::GetVisibilityFiguresRequest {} = message;
        Ok(Self)
    }
}

pub(super) fn told_message(told: Told) -> pb::Told {
    let Told { en, cy } = told;
    pb::Told { en, cy }
}

/// What a resident sees, and where to go on.
#[must_use]
pub fn seen_response(page: SeenPage) -> pb::ListDisclosuresResponse {
    let SeenPage { releases, next, receipt } = page;
    pb::ListDisclosuresResponse {
        disclosures: releases.into_iter().map(seen_message).collect(),
        next_page_token: next.map(|id| id.to_string()).unwrap_or_default(),
        receipt: Some(receipt_message("events", &receipt)),
    }
}

pub(super) fn seen_message(release: SeenRelease) -> pb::SeenDisclosure {
    let SeenRelease { id, at, told, rules, agreements } = release;
    let ToldRelease { sentence, holder, recipient, purpose, categories, laws } = told;
    pb::SeenDisclosure {
        name: format!("disclosures/{id}"),
        time: Some(time_message(at)),
        sentence: Some(told_message(sentence)),
        holder: Some(told_message(holder)),
        recipient: Some(told_message(recipient)),
        purpose: Some(told_message(purpose)),
        categories: categories.into_iter().map(told_message).collect(),
        laws,
        rules: words(rules),
        agreements: agreements.into_iter().map(|id| format!("agreements/{id}")).collect(),
    }
}

/// What an agency keeps from residents, and where to go on.
#[must_use]
pub fn sealed_response(page: HiddenPage) -> pb::ListSealedResponse {
    let HiddenPage { releases, next, receipt } = page;
    pb::ListSealedResponse {
        disclosures: releases.into_iter().map(sealed_message).collect(),
        next_page_token: next.map(|id| id.to_string()).unwrap_or_default(),
        receipt: Some(receipt_message("events", &receipt)),
    }
}

fn sealed_message(release: HiddenRelease) -> pb::SealedDisclosure {
    let HiddenRelease { id, at, recipient, purpose, seen } = release;
    let (shown, again) = match seen {
        Seen::Visible => (None, None),
        Seen::Delayed(until) => (Some(until), None),
        Seen::Sealed(again) => (None, Some(again)),
    };
    pb::SealedDisclosure {
        name: format!("disclosures/{id}"),
        time: Some(time_message(at)),
        recipient: agency_name(&recipient),
        purpose: purpose.map(String::from).unwrap_or_default(),
        shown_time: shown.map(time_message),
        review_time: again.map(time_message),
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The figures on the wire.
#[must_use]
pub fn figures_message(figures: &VisibilityFigures) -> pb::GetVisibilityFiguresResponse {
    let VisibilityFigures { visible, delayed, sealed, overdue, size, receipt } = figures;
    pb::GetVisibilityFiguresResponse {
        visible_count: count(*visible),
        delayed_count: count(*delayed),
        sealed_count: count(*sealed),
        overdue_count: count(*overdue),
        log_size: *size,
        receipt: Some(receipt_message("events", receipt)),
    }
}

/// Requests, and where to go on.
#[must_use]
pub fn requests_response(page: RequestPage) -> pb::ListRequestsResponse {
    let RequestPage { requests, next, receipt } = page;
    pb::ListRequestsResponse {
        requests: requests.into_iter().map(request_message).collect(),
        next_page_token: next.map(|id| id.to_string()).unwrap_or_default(),
        receipt: Some(receipt_message("events", &receipt)),
    }
}

fn request_message(request: ListedRequest) -> pb::ResidentRequest {
    let ListedRequest {
        id,
        kind,
        agency,
        resident,
        proxy,
        disclosure,
        filed,
        text,
        standing,
        steps,
    } = request;
    pb::ResidentRequest {
        name: format!("requests/{id}"),
        kind: kind.to_string(),
        controller: agency.as_ref().map(agency_name).unwrap_or_default(),
        resident: resident_name(resident),
        disclosure: disclosure.map(|id| format!("disclosures/{id}")).unwrap_or_default(),
        file_time: Some(time_message(filed)),
        text,
        acknowledge_by: standing.acknowledge_by.map(day).unwrap_or_default(),
        answer_by: day(standing.answer_by),
        paused: standing.paused,
        overdue: standing.overdue,
        steps: steps
            .into_iter()
            .map(|Taken { at, step, agency, text }| pb::RequestStep {
                step: step.as_str().to_owned(),
                time: Some(time_message(at)),
                text,
                controller: agency_name(&agency),
            })
            .collect(),
        filed_by: match proxy {
            Some(proxy) => super::proxy::proxy_name(resident, proxy),
            None => "self".to_owned(),
        },
    }
}

fn day(day: Date) -> String {
    day.to_string()
}

/// Name, last day and receipt of a request.
#[must_use]
pub fn clocked_parts(clocked: &Clocked) -> (String, String, Option<pb::Receipt>) {
    let Clocked { request, answer_by, receipt } = clocked;
    let receipt = Some(receipt_message("events", receipt));
    (format!("requests/{request}"), day(*answer_by), receipt)
}
