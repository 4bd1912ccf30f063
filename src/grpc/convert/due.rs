//! Everything that falls due.

use jiff::{SignedDuration, Timestamp};

use super::{Check, Violations, receipt_message, time_message};
use crate::grpc::pb;
use crate::hub::{Due, DueKind, DueList, DuePlace, DueWish};

/// Longest look ahead and back, in days.
const DAYS_MAX: i32 = 3_650;
/// How far back releases and referrals are looked at where nothing is said, in days.
const BACK_DAYS: i32 = 90;
/// Longest word of a function or role, in bytes.
const WHOSE_LEN_MAX: usize = 120;

/// Which page of what falls due.
pub struct DuePage {
    /// What of it.
    pub wish: DueWish,
    /// At most so many.
    pub size: usize,
    /// Behind this place.
    pub after: Option<DuePlace>,
}

/// A place in the list as a page token says it.
fn place_of(token: &str) -> Option<DuePlace> {
    let (at, kind, name, what): (Option<Timestamp>, String, String, String) =
        serde_json::from_str(token).ok()?;
    Some((at, kind.parse().ok()?, name, what))
}

fn token_of(due: &Due) -> String {
    let (at, kind, name, what) = due.place();
    serde_json::json!([at, kind.as_str(), name, what]).to_string()
}

impl TryFrom<pb::ListDueRequest> for DuePage {
    type Error = Violations;

    fn try_from(message: pb::ListDueRequest) -> Result<Self, Violations> {
        let pb::ListDueRequest { kinds, whose, within_days, back_days, page_size, page_token } =
            message;
        let mut check = Check::default();
        let size = check.page_size(page_size);
        let after = place_of(&page_token);
        if after.is_none() && !page_token.is_empty() {
            check.wrong("page_token", "does not belong to this question");
        }
        if kinds.len() > DueKind::ALL.len() {
            check.wrong("kinds", format!("must be at most {}", DueKind::ALL.len()));
            return check.done(None);
        }
        let kinds = kinds
            .iter()
            .enumerate()
            .filter_map(|(n, kind)| check.one_of(&format!("kinds[{n}]"), kind, &DueKind::ALL))
            .collect();
        if whose.len() > WHOSE_LEN_MAX {
            check.wrong("whose", "must be the word of a function or a role");
        }
        let mut days = |field: &str, days: i32| {
            if !(0..=DAYS_MAX).contains(&days) {
                check.wrong(field, format!("must be from 0 to {DAYS_MAX}"));
            }
            SignedDuration::from_hours(i64::from(days) * 24)
        };
        let within = Some(days("within_days", within_days)).filter(|_| within_days != 0);
        let back = days("back_days", if back_days == 0 { BACK_DAYS } else { back_days });
        let whose = Some(whose).filter(|whose| !whose.is_empty());
        let wish = DueWish { kinds, whose, within, back: Some(back) };
        check.done(Some(Self { wish, size, after }))
    }
}

/// What falls due on the wire, and where to go on.
#[must_use]
pub fn due_response(list: DueList, size: usize, after: Option<&DuePlace>) -> pb::ListDueResponse {
    let DueList { due, receipt } = list;
    let rest: Vec<Due> =
        due.into_iter().filter(|one| after.is_none_or(|place| one.is_behind(place))).collect();
    let more = rest.len() > size;
    let page: Vec<Due> = rest.into_iter().take(size).collect();
    let next_page_token = page.last().filter(|_| more).map(token_of).unwrap_or_default();
    pb::ListDueResponse {
        due: page.into_iter().map(due_message).collect(),
        next_page_token,
        receipt: Some(receipt_message("events", &receipt)),
    }
}

fn due_message(due: Due) -> pb::DueItem {
    let Due { at, overdue, kind, owner: _, whose, name, what } = due;
    pb::DueItem {
        name,
        kind: kind.to_string(),
        what,
        whose,
        due_time: at.map(time_message),
        overdue,
    }
}
