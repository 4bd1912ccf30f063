//! What agencies are told of data that they gave or got.

use std::collections::BTreeSet;

use super::{Check, Violations, agency_name, receipt_message, time_message};
use crate::domain::NoticeKind;
use crate::grpc::pb;
use crate::grpc::pb::watch_disclosures_response::Event;
use crate::hub::{
    Acknowledging, Chosen, Cursor, Heard, HeardEvent, ListedNotice, NoticePage, Notices,
    OpenedData, OwnCopy, ToldOf,
};
use crate::limits;

/// The word for the first cursor.
const BEGINNING: &str = "beginning";

/// What is to be watched.
pub struct WantedWatch {
    /// From where on; `None`: from now on.
    pub cursor: Option<Cursor>,
    /// What.
    pub chosen: Chosen,
    /// For so many events.
    pub events: usize,
    /// Until there is nothing more.
    pub once: bool,
}

impl TryFrom<pb::WatchDisclosuresRequest> for WantedWatch {
    type Error = Violations;

    fn try_from(message: pb::WatchDisclosuresRequest) -> Result<Self, Violations> {
        let pb::WatchDisclosuresRequest { cursor, kinds, events, once } = message;
        let mut check = Check::default();
        let cursor = match cursor.as_str() {
            "" => None,
            BEGINNING => Some(Cursor::BEGINNING),
            text => {
                let read = Cursor::read(text);
                if read.is_none() {
                    let what = format!("must be a cursor of an earlier message, or {BEGINNING}");
                    check.wrong("cursor", what);
                }
                read
            }
        };
        let chosen = chosen(&mut check, &kinds);
        let events = match usize::try_from(events) {
            Ok(0) => limits::NOTICE_EVENTS_MAX,
            Ok(events) if events <= limits::NOTICE_EVENTS_MAX => events,
            Ok(_) | Err(_) => {
                check.wrong("events", format!("must be 0 to {}", limits::NOTICE_EVENTS_MAX));
                limits::NOTICE_EVENTS_MAX
            }
        };
        check.done(Some(Self { cursor, chosen, events, once }))
    }
}

fn chosen(check: &mut Check, kinds: &[String]) -> Chosen {
    let all = Chosen::all();
    if kinds.is_empty() || !check.count("kinds", kinds.len(), 0, NoticeKind::ALL.len() + 1) {
        return all;
    }
    let mut chosen = Chosen { opened: false, notices: BTreeSet::new() };
    for (n, word) in kinds.iter().enumerate() {
        if word == Chosen::OPENED {
            chosen.opened = true;
        } else {
            let kind = check.one_of(&format!("kinds[{n}]"), word, NoticeKind::ALL);
            chosen.notices.extend(kind);
        }
    }
    chosen
}

/// Which notices.
pub struct NoticesPage(pub Notices);

impl TryFrom<pb::ListNoticesRequest> for NoticesPage {
    type Error = Violations;

    fn try_from(message: pb::ListNoticesRequest) -> Result<Self, Violations> {
        let pb::ListNoticesRequest { open_only, cause, page_size, page_token } = message;
        let mut check = Check::default();
        let size = check.page_size(page_size);
        if !cause.is_empty() {
            if open_only {
                check
                    .wrong("open_only", "is for the notices to the caller's agency, without cause");
            }
            if !page_token.is_empty() {
                check.wrong("page_token", "does not belong to this question");
            }
            let cause = check.event("cause", "events", &cause);
            return check.done(cause.map(|cause| Self(Notices::Of(cause))));
        }
        let from_index = if page_token.is_empty() { Some(0) } else { page_token.parse().ok() };
        if from_index.is_none() {
            check.wrong("page_token", "does not belong to this question");
        }
        check.done(from_index.map(|from_index| Self(Notices::Own { open_only, from_index, size })))
    }
}

impl TryFrom<pb::AcknowledgeNoticeRequest> for Acknowledging {
    type Error = Violations;

    fn try_from(message: pb::AcknowledgeNoticeRequest) -> Result<Self, Violations> {
        let pb::AcknowledgeNoticeRequest { notice, note, request_id: _ } = message;
        let mut check = Check::default();
        let notice = check.event("notice", "notices", &notice);
        if note.trim().is_empty() {
            check.wrong("note", "is empty: say what was done about it");
        }
        let note = check.text("note", note);
        check.done(notice.map(|notice| Self { notice, note }))
    }
}

/// What was heard.
#[must_use]
pub fn watch_response(heard: Heard) -> pb::WatchDisclosuresResponse {
    let Heard { cursor, event } = heard;
    let cursor = cursor.text();
    let Some((index, at, event)) = event else {
        return pb::WatchDisclosuresResponse { cursor, ..Default::default() };
    };
    let event = match event {
        HeardEvent::Opened(opened) => Event::Opened(opened_message(opened)),
        HeardEvent::Notice(notice) => Event::Notice(notice_message(notice)),
    };
    pb::WatchDisclosuresResponse {
        cursor,
        time: Some(time_message(at)),
        entry: format!("entries/{index}"),
        event: Some(event),
    }
}

fn opened_message(opened: OpenedData) -> pb::OpenedData {
    let OpenedData { id, recipient, purpose, fields, rules, override_kind, local_ids } = opened;
    pb::OpenedData {
        name: format!("disclosures/{id}"),
        recipient: agency_name(&recipient),
        purpose,
        fields,
        rules,
        r#override: override_kind.unwrap_or_default(),
        local_ids,
    }
}

fn notice_message(notice: ListedNotice) -> pb::Notice {
    let ListedNotice { id, at, kind, cause, copies, fields, purposes, known } = notice;
    let (acknowledged, note) = known.unzip();
    pb::Notice {
        name: format!("notices/{id}"),
        time: Some(time_message(at)),
        kind: kind.to_string(),
        cause: cause.map(|cause| format!("events/{cause}")).unwrap_or_default(),
        copies: copies.into_iter().map(copy_message).collect(),
        fields,
        purposes,
        acknowledge_time: acknowledged.map(time_message),
        note: note.unwrap_or_default(),
    }
}

fn copy_message(copy: OwnCopy) -> pb::OwnCopy {
    let OwnCopy { id, at, fields, local_ids } = copy;
    let disclosure = format!("disclosures/{id}");
    pb::OwnCopy { disclosure, time: Some(time_message(at)), fields, local_ids }
}

/// Notices, and where to go on.
#[must_use]
pub fn notices_response(page: NoticePage) -> pb::ListNoticesResponse {
    let NoticePage { own, told, next_index, receipt } = page;
    pb::ListNoticesResponse {
        notices: own.into_iter().map(notice_message).collect(),
        told: told.into_iter().map(standing_message).collect(),
        next_page_token: next_index.map(|index| index.to_string()).unwrap_or_default(),
        receipt: Some(receipt_message("events", &receipt)),
    }
}

fn standing_message(told: ToldOf) -> pb::NoticeStanding {
    let ToldOf { id, at, kind, addressee, known } = told;
    let (acknowledged, note) = known.unzip();
    pb::NoticeStanding {
        name: format!("notices/{id}"),
        recipient: agency_name(&addressee),
        time: Some(time_message(at)),
        kind: kind.to_string(),
        acknowledge_time: acknowledged.map(time_message),
        note: note.unwrap_or_default(),
    }
}
