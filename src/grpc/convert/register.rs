//! The non-disclosure register.

use super::audit::{maybe_agency, read_access};
use super::record::{key_of, read_token, token};
use super::{Check, Violations, receipt_message, time_message};
use crate::audit::register::{Figure, Figured, RegisterRow, Sort, State, read_why};
use crate::grpc::pb;
use crate::hub::{RegisterFigures, RegisterQuery, Registered};
use crate::limits;
use crate::store::Receipt;

/// Which rows, with what ties page tokens to them.
pub struct Registering {
    /// Which.
    pub query: RegisterQuery,
    /// The question, for page tokens.
    pub key: String,
}

/// Of what figures are wanted.
pub struct Figuring(pub RegisterQuery);

impl TryFrom<pb::ListNonDisclosuresRequest> for Registering {
    type Error = Violations;

    fn try_from(message: pb::ListNonDisclosuresRequest) -> Result<Self, Violations> {
        let pb::ListNonDisclosuresRequest {
            kinds,
            holder,
            asker,
            purpose,
            code,
            min_age_days,
            open_only,
            start_time,
            end_time,
            page_size,
            page_token,
            access,
        } = message;
        let mut check = Check::default();
        check.count("kinds", kinds.len(), 0, Sort::ALL.len());
        let kinds = kinds.into_iter().take(Sort::ALL.len());
        let sorts = kinds.filter_map(|kind| read_sort(&mut check, kind)).collect();
        if min_age_days > limits::REGISTER_DAYS_MAX {
            let most = limits::REGISTER_DAYS_MAX;
            check.wrong("min_age_days", format!("must be at most {most}"));
        }
        let mut query = RegisterQuery {
            sorts,
            holder: maybe_agency(&mut check, "holder", &holder),
            asker: maybe_agency(&mut check, "asker", &asker),
            purpose: check.maybe_word("purpose", &purpose),
            code: word(&mut check, &code),
            since: check.time("start_time", start_time),
            until: check.time("end_time", end_time),
            days: min_age_days,
            open: open_only,
            access: read_access(&mut check, "access", &access),
            from_index: 0,
            upto: None,
            limit: check.page_size(page_size),
        };
        let key = key(&query);
        if let Some((from, upto)) = read_token::<(u64, u64)>(&mut check, &page_token, &key) {
            (query.from_index, query.upto) = (from, Some(upto));
        }
        check.done(Some(Self { query, key }))
    }
}

impl TryFrom<pb::GetNonDisclosureFiguresRequest> for Figuring {
    type Error = Violations;

    fn try_from(message: pb::GetNonDisclosureFiguresRequest) -> Result<Self, Violations> {
        let pb::GetNonDisclosureFiguresRequest {
            start_time,
            end_time,
            holder,
            asker,
            purpose,
            access,
        } = message;
        let mut check = Check::default();
        let query = RegisterQuery {
            holder: maybe_agency(&mut check, "holder", &holder),
            asker: maybe_agency(&mut check, "asker", &asker),
            purpose: check.maybe_word("purpose", &purpose),
            since: check.time("start_time", start_time),
            until: check.time("end_time", end_time),
            access: read_access(&mut check, "access", &access),
            ..RegisterQuery::default()
        };
        check.done(Some(Self(query)))
    }
}

/// Why something was not disclosed.
fn word(check: &mut Check, code: &str) -> Option<String> {
    if code.is_empty() {
        return None;
    }
    read_why(code).map_err(|what| check.wrong("code", what)).ok()
}

fn key(query: &RegisterQuery) -> String {
    let asked = RegisterQuery { from_index: 0, upto: None, limit: 0, ..query.clone() };
    key_of(&asked)
}

fn read_sort(check: &mut Check, kind: i32) -> Option<Sort> {
    use pb::NonDisclosureKind as Wire;
    match Wire::try_from(kind) {
        Ok(Wire::Unspecified) => None,
        Ok(Wire::Refused) => Some(Sort::Refused),
        Ok(Wire::Withheld) => Some(Sort::Withheld),
        Ok(Wire::Referred) => Some(Sort::Referred),
        Ok(Wire::Late) => Some(Sort::Late),
        Ok(Wire::Reported) => Some(Sort::Reported),
        Err(_) => {
            check.wrong("kinds", "is no kind of non-disclosure");
            None
        }
    }
}

const fn sort_message(sort: Sort) -> pb::NonDisclosureKind {
    use pb::NonDisclosureKind as Wire;
    match sort {
        Sort::Refused => Wire::Refused,
        Sort::Withheld => Wire::Withheld,
        Sort::Referred => Wire::Referred,
        Sort::Late => Wire::Late,
        Sort::Reported => Wire::Reported,
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn holder_name(holder: &str) -> String {
    if holder.is_empty() { String::new() } else { format!("agencies/{holder}") }
}

/// A page of the register on the wire.
#[must_use]
pub fn register_response(
    registered: Registered,
    key: &str,
    receipt: &Receipt,
) -> pb::ListNonDisclosuresResponse {
    let Registered { rows, next_index, size, at } = registered;
    let row = |(row, state): (RegisterRow, State)| {
        let (wire, settled) = match state {
            State::Open => (pb::NonDisclosureState::Open, None),
            State::Settled { index, at } => (pb::NonDisclosureState::Settled, Some((index, at))),
            State::Erased => (pb::NonDisclosureState::Erased, None),
        };
        pb::NonDisclosureRow {
            entry: format!("entries/{}", row.index),
            kind: sort_message(row.sort).into(),
            create_time: Some(time_message(row.at)),
            age_days: small(row.days(settled.map_or(at, |(_, at)| at))),
            asker: row.asker.map(|asker| format!("agencies/{asker}")).unwrap_or_default(),
            holder: holder_name(&row.holder),
            purpose: row.purpose,
            codes: row.codes,
            alarm: row.alarm,
            state: wire.into(),
            settled_by: settled.map(|(index, _)| format!("entries/{index}")).unwrap_or_default(),
        }
    };
    pb::ListNonDisclosuresResponse {
        rows: rows.into_iter().map(row).collect(),
        next_page_token: next_index.map(|next| token(&(next, size), key)).unwrap_or_default(),
        log_size: size,
        receipt: Some(receipt_message("events", receipt)),
    }
}

/// Figures on the wire.
#[must_use]
pub fn register_figures_response(
    figures: RegisterFigures,
    receipt: &Receipt,
) -> pb::GetNonDisclosureFiguresResponse {
    let figure = |((holder, sort, code), figure): (Figured, Figure)| pb::NonDisclosureFigure {
        holder: holder_name(&holder),
        kind: sort_message(sort).into(),
        code,
        count: figure.count,
        of_count: figure.of,
        alarm_count: figure.alarms,
        open_count: figure.open,
        median_open_days: small(figure.median_days),
        oldest_open_days: small(figure.oldest_days),
    };
    pb::GetNonDisclosureFiguresResponse {
        figures: figures.figures.into_iter().map(figure).collect(),
        log_size: figures.size,
        receipt: Some(receipt_message("events", receipt)),
    }
}
