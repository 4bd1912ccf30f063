//! Entries of the log.

use super::record::{read_token, token};
use super::{Check, Violations, agency_name, receipt_message, resident_name, time_message};
use crate::audit::entry::{Facet, Kind};
use crate::domain::Code;
use crate::grpc::pb;
use crate::hub::{Details, EntryQuery, Looked};
use crate::store::StoredEntry;

/// A search with what ties its page tokens to it.
pub struct Sought {
    /// What to look for.
    pub query: EntryQuery,
    /// The question, for page tokens.
    pub key: String,
}

impl TryFrom<pb::SearchEntriesRequest> for Sought {
    type Error = Violations;

    fn try_from(message: pb::SearchEntriesRequest) -> Result<Self, Violations> {
        let pb::SearchEntriesRequest {
            kinds,
            purpose,
            holder,
            code,
            resident,
            start_time,
            end_time,
            page_size,
            page_token,
        } = message;
        let mut check = Check::default();
        check.count("kinds", kinds.len(), 0, 12);
        let kinds: Vec<Kind> =
            kinds.iter().take(12).filter_map(|kind| read_kind(&mut check, *kind)).collect();
        let purpose = check.maybe_word("purpose", &purpose);
        let holder = match holder.as_str() {
            "" => None,
            some => check.agency("holder", some),
        };
        let code = match code.as_str() {
            "" => None,
            some => check.one_of("code", some, Code::ALL),
        };
        let resident = match resident.as_str() {
            "" => None,
            some => check.resident("resident", some),
        };
        let mut query = EntryQuery {
            kinds,
            purpose,
            holder,
            code,
            resident,
            since: check.time("start_time", start_time),
            until: check.time("end_time", end_time),
            from_index: 0,
            limit: check.page_size(page_size),
        };
        let key = key(&query);
        query.from_index = read_token(&mut check, &page_token, &key).unwrap_or(0);
        check.done(Some(Self { query, key }))
    }
}

/// A short digest of the question: tokens stay short and repeat nothing of it.
fn key(query: &EntryQuery) -> String {
    let EntryQuery {
        kinds,
        purpose,
        holder,
        code,
        resident,
        since,
        until,
        from_index: _,
        limit: _,
    } = query;
    let all = serde_json::json!([kinds, purpose, holder, code, resident, since, until]);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, all.to_string().as_bytes());
    hex::encode(digest.as_ref()).chars().take(16).collect()
}

fn read_kind(check: &mut Check, kind: i32) -> Option<Kind> {
    use pb::EntryKind as Wire;
    let Ok(kind) = Wire::try_from(kind) else {
        check.wrong("kinds", "is no kind of entry");
        return None;
    };
    match kind {
        Wire::Unspecified => None,
        Wire::Genesis => Some(Kind::Genesis),
        Wire::Disclose => Some(Kind::Disclose),
        Wire::Refuse => Some(Kind::Refuse),
        Wire::Query => Some(Kind::Query),
        Wire::Choice => Some(Kind::Choice),
        Wire::Hold => Some(Kind::Hold),
        Wire::Fact => Some(Kind::Fact),
        Wire::Policy => Some(Kind::Policy),
        Wire::AuditRead => Some(Kind::AuditRead),
        Wire::TurnedAway => Some(Kind::TurnedAway),
        Wire::Gap => Some(Kind::Gap),
        Wire::Operation => Some(Kind::Operation),
        Wire::Review => Some(Kind::Review),
        Wire::Report => Some(Kind::Report),
    }
}

const fn kind_message(kind: Kind) -> pb::EntryKind {
    use pb::EntryKind as Wire;
    match kind {
        Kind::Genesis => Wire::Genesis,
        Kind::Disclose => Wire::Disclose,
        Kind::Refuse => Wire::Refuse,
        Kind::Query => Wire::Query,
        Kind::Choice => Wire::Choice,
        Kind::Hold => Wire::Hold,
        Kind::Fact => Wire::Fact,
        Kind::Policy => Wire::Policy,
        Kind::AuditRead => Wire::AuditRead,
        Kind::TurnedAway => Wire::TurnedAway,
        Kind::Gap => Wire::Gap,
        Kind::Operation => Wire::Operation,
        Kind::Review => Wire::Review,
        Kind::Report => Wire::Report,
    }
}

const fn facet_name(facet: Facet) -> &'static str {
    match facet {
        Facet::Role => "role",
        Facet::Purpose => "purpose",
        Facet::Holder => "holder",
        Facet::Outcome => "outcome",
        Facet::Codes => "codes",
        Facet::Released => "released",
        Facet::Withheld => "withheld",
        Facet::Rules => "rules",
        Facet::Gateways => "gateways",
        Facet::Agreements => "agreements",
        Facet::Duties => "duties",
        Facet::Override => "override",
        Facet::Alarm => "alarm",
        Facet::Bases => "bases",
        Facet::Subjects => "subjects",
        Facet::What => "what",
        Facet::Count => "count",
        Facet::Previous => "previous",
        Facet::Review => "review",
    }
}

/// A page of entries on the wire.
#[must_use]
pub fn search_response(looked: Looked, key: &str) -> pb::SearchEntriesResponse {
    let Looked { entries, next_index, size, receipt } = looked;
    pb::SearchEntriesResponse {
        entries: entries.into_iter().map(|stored| entry_message(stored, None)).collect(),
        next_page_token: next_index.map(|next| token(&next, key)).unwrap_or_default(),
        log_size: size,
        receipt: Some(receipt_message("events", &receipt)),
    }
}

/// Which entry to read.
pub struct EntryIndex(pub u64);

impl TryFrom<pb::GetEntryRequest> for EntryIndex {
    type Error = Violations;

    fn try_from(message: pb::GetEntryRequest) -> Result<Self, Violations> {
        let pb::GetEntryRequest { name } = message;
        Self::read("name", &name)
    }
}

impl EntryIndex {
    /// `entries/{index}`.
    pub(super) fn read(field: &str, name: &str) -> Result<Self, Violations> {
        let mut check = Check::default();
        let index = name
            .strip_prefix("entries/")
            .filter(|index| index.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|index| index.parse().ok());
        if index.is_none() {
            check.wrong(field, "must be entries/{index}");
        }
        check.done(index.map(Self))
    }
}

/// An entry on the wire.
#[must_use]
pub fn entry_message(stored: StoredEntry, details: Option<Details>) -> pb::AuditEntry {
    let StoredEntry { index, committed_at, entry } = stored;
    pb::AuditEntry {
        name: format!("entries/{index}"),
        kind: kind_message(entry.kind).into(),
        create_time: Some(time_message(committed_at)),
        event: entry.event.to_string(),
        rpc: entry.rpc,
        call: entry.call.to_string(),
        part: entry.part,
        parts: entry.parts,
        agency: entry.agency.as_ref().map(agency_name).unwrap_or_default(),
        principal: entry.principal.to_vec(),
        policy_hash: entry.policy.to_vec(),
        facets: entry
            .facets
            .into_iter()
            .map(|(facet, text)| (facet_name(facet).to_owned(), text))
            .collect(),
        details: details.map(|details| pb::EntryDetails {
            resident: details.resident.map(resident_name).unwrap_or_default(),
            asker: details.asker,
            request: details.request,
        }),
    }
}
