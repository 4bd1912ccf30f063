//! Entries of the log.

use super::record::{key_of, read_token, token};
use super::{Check, Violations, agency_name, receipt_message, resident_name, time_message};
use crate::audit::entry::Kind;
use crate::audit::export::MANIFEST;
use crate::domain::{AgencyId, Code, DecisionId};
use crate::grpc::pb;
use crate::hub::{Details, EntryQuery, Formats, Looked, Piece, UnknownWord};
use crate::limits;
use crate::policy::Outcome;
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
            asker,
            officer,
            category,
            released,
            rule,
            agreement,
            outcome,
            r#override,
            access,
        } = message;
        let mut check = Check::default();
        check.count("kinds", kinds.len(), 0, 12);
        let kinds: Vec<Kind> =
            kinds.iter().take(12).filter_map(|kind| read_kind(&mut check, *kind)).collect();
        let code = match code.as_str() {
            "" => None,
            some => check.one_of("code", some, Code::ALL),
        };
        let resident = match resident.as_str() {
            "" => None,
            some => check.resident("resident", some),
        };
        let outcome = match outcome.as_str() {
            "" => None,
            some => {
                let found = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == some);
                if found.is_none() {
                    check.wrong("outcome", "must be PERMIT, PARTIAL, REFER or DENY");
                }
                found
            }
        };
        let mut query = EntryQuery {
            kinds,
            purpose: check.maybe_word("purpose", &purpose),
            holder: maybe_agency(&mut check, "holder", &holder),
            code,
            resident,
            since: check.time("start_time", start_time),
            until: check.time("end_time", end_time),
            agency: maybe_agency(&mut check, "asker", &asker),
            principal: read_officer(&mut check, &officer),
            category: check.maybe_word("category", &category),
            released: check.maybe_word("released", &released),
            rule: check.maybe_word("rule", &rule),
            agreement: check.maybe_word("agreement", &agreement),
            outcome,
            override_kind: check.maybe_word("override", &r#override),
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

/// What to export.
pub struct WantedExport {
    /// What to look for.
    pub query: EntryQuery,
    /// Which files beside the lines that prove.
    pub formats: Formats,
    /// Whether slots are laid open.
    pub open: bool,
}

impl TryFrom<pb::ExportEntriesRequest> for WantedExport {
    type Error = Violations;

    fn try_from(message: pb::ExportEntriesRequest) -> Result<Self, Violations> {
        let pb::ExportEntriesRequest { search, csv, fhir, open, from_index, to_index } = message;
        let search = search.unwrap_or_default();
        let mut check = Check::default();
        if search.page_size != 0 || !search.page_token.is_empty() {
            check.wrong("search.page_size", "an export has no pages");
        }
        if to_index != 0 && to_index < from_index {
            check.wrong("to_index", "must not be before from_index");
        }
        let sought = match Sought::try_from(search) {
            Ok(sought) => Some(sought),
            Err(wrong) => {
                check.beneath("search", wrong);
                None
            }
        };
        check.done(sought.map(|Sought { query, key: _ }| {
            let upto = (to_index > 0).then_some(to_index);
            let query = EntryQuery { from_index, upto, ..query };
            Self { query, formats: Formats { csv, fhir }, open }
        }))
    }
}

/// A piece of an export on the wire.
pub fn export_messages(piece: Piece) -> Vec<pb::ExportEntriesResponse> {
    let message = |file: &str, data: &[u8], tlog_proof: String| pb::ExportEntriesResponse {
        file: file.to_owned(),
        data: data.to_vec(),
        tlog_proof,
    };
    match piece {
        Piece::Files(chunks) => chunks
            .iter()
            .flat_map(|(file, text)| {
                let empty = text.is_empty().then_some(&[][..]);
                let pieces = text.as_bytes().chunks(limits::EXPORT_PIECE_LEN_MAX).chain(empty);
                pieces.map(move |piece| message(file, piece, String::new()))
            })
            .collect(),
        Piece::Last(manifest, proof) => vec![message(MANIFEST, manifest.as_bytes(), proof)],
    }
}

pub(super) fn maybe_agency(check: &mut Check, field: &str, name: &str) -> Option<AgencyId> {
    if name.is_empty() { None } else { check.agency(field, name) }
}

pub(super) fn read_officer(check: &mut Check, bytes: &[u8]) -> Option<[u8; 16]> {
    if bytes.is_empty() {
        return None;
    }
    let read = bytes.try_into().ok();
    if read.is_none() {
        check.wrong("officer", "must be 16 bytes, as in an entry");
    }
    read
}

pub(super) fn read_access(check: &mut Check, field: &str, name: &str) -> Option<DecisionId> {
    if name.is_empty() { None } else { check.event(field, "auditAccesses", name) }
}

fn key(query: &EntryQuery) -> String {
    // A new filter cannot be forgotten; where to go on is no part of the question.
    let asked = EntryQuery { from_index: 0, upto: None, limit: 0, ..query.clone() };
    key_of(&asked)
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
        Wire::Erase => Some(Kind::Erase),
        Wire::Rights => Some(Kind::Rights),
        Wire::Notice => Some(Kind::Notice),
    }
}

pub(super) const fn kind_message(kind: Kind) -> pb::EntryKind {
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
        Kind::Erase => Wire::Erase,
        Kind::Rights => Wire::Rights,
        Kind::Notice => Wire::Notice,
    }
}

/// A page of entries on the wire.
#[must_use]
pub fn search_response(looked: Looked, key: &str) -> pb::SearchEntriesResponse {
    let Looked { entries, next_index, size, unknown, receipt } = looked;
    let unknown_word = |word: UnknownWord| pb::UnknownWord {
        field: word.field.to_owned(),
        nearest: word.nearest.unwrap_or_default(),
    };
    pb::SearchEntriesResponse {
        entries: entries.into_iter().map(|stored| entry_message(stored, None)).collect(),
        next_page_token: next_index.map(|next| token(&(next, size), key)).unwrap_or_default(),
        log_size: size,
        receipt: Some(receipt_message("events", &receipt)),
        unknown_words: unknown.into_iter().map(unknown_word).collect(),
    }
}

/// Which entry to read, and by which sign-off.
pub struct EntryIndex(pub u64, pub Option<DecisionId>);

impl TryFrom<pb::GetEntryRequest> for EntryIndex {
    type Error = Violations;

    fn try_from(message: pb::GetEntryRequest) -> Result<Self, Violations> {
        let pb::GetEntryRequest { name, access } = message;
        let mut check = Check::default();
        let index = entry_index(&mut check, "name", &name);
        let access = read_access(&mut check, "access", &access);
        check.done(index.map(|index| Self(index, access)))
    }
}

/// `entries/{index}`.
pub(super) fn entry_index(check: &mut Check, field: &str, name: &str) -> Option<u64> {
    let index = name
        .strip_prefix("entries/")
        .filter(|index| index.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|index| index.parse().ok());
    if index.is_none() {
        check.wrong(field, "must be entries/{index}");
    }
    index
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
            .map(|(facet, text)| (facet.as_str().to_owned(), text))
            .collect(),
        details: details.map(|details| pb::EntryDetails {
            resident: details.resident.map(resident_name).unwrap_or_default(),
            asker: details.asker,
            request: details.request,
        }),
    }
}

/// Why every agency's entries are to be seen.
pub struct AccessReason(pub String);

impl TryFrom<pb::RequestAuditAccessRequest> for AccessReason {
    type Error = Violations;

    fn try_from(message: pb::RequestAuditAccessRequest) -> Result<Self, Violations> {
        let pb::RequestAuditAccessRequest { reason } = message;
        let mut check = Check::default();
        if reason.trim().is_empty() {
            check.wrong("reason", "is empty");
        }
        let reason = check.text("reason", reason);
        check.done(Some(Self(reason)))
    }
}

/// Which access to sign off.
pub struct AccessName(pub DecisionId);

impl TryFrom<pb::ApproveAuditAccessRequest> for AccessName {
    type Error = Violations;

    fn try_from(message: pb::ApproveAuditAccessRequest) -> Result<Self, Violations> {
        let pb::ApproveAuditAccessRequest { name } = message;
        let mut check = Check::default();
        let id = check.event("name", "auditAccesses", &name);
        check.done(id.map(Self))
    }
}
