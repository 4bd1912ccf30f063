//! Who may speak for a resident.

use std::collections::BTreeSet;

use super::record::{ResidentPage, read_token, token};
use super::{
    Check, Violations, agency_name, receipt_message, resident_name, time_message, uuid_of, words,
};
use crate::consent::proxy::Proxy;
use crate::domain::{DecisionId, Giver, ProxyGrant, PurposeId, ResidentId};
use crate::grpc::pb;
use crate::hub::{ListedProxies, ListedProxy, NewProxy, Party, ProxyEnd};
use crate::limits;

/// `residents/{uuid}/proxies/{uuid}`.
#[must_use]
pub fn proxy_name(resident: ResidentId, proxy: DecisionId) -> String {
    format!("{}/proxies/{proxy}", resident_name(resident))
}

fn read_name(check: &mut Check, field: &str, name: &str) -> Option<(ResidentId, DecisionId)> {
    let parts = name
        .strip_prefix("residents/")
        .and_then(|rest| rest.split_once("/proxies/"))
        .and_then(|(resident, proxy)| Some((resident.parse().ok()?, uuid_of(proxy)?)));
    if parts.is_none() {
        check.wrong(field, "must be residents/{uuid}/proxies/{uuid}");
    }
    parts
}

/// A proxy of this resident, or nothing where it is empty.
pub(super) fn proxy_of(
    check: &mut Check,
    field: &str,
    name: &str,
    of: Option<ResidentId>,
) -> Option<DecisionId> {
    if name.is_empty() {
        return None;
    }
    let (resident, proxy) = read_name(check, field, name)?;
    if of.is_some_and(|of| of != resident) {
        check.wrong(field, "is a proxy of another resident");
    }
    Some(proxy)
}

impl TryFrom<pb::GrantProxyRequest> for NewProxy {
    type Error = Violations;

    fn try_from(message: pb::GrantProxyRequest) -> Result<Self, Violations> {
        let pb::GrantProxyRequest { resident, proxy, request_id: _ } = message;
        let mut check = Check::default();
        let resident = check.resident("resident", &resident);
        let Some(proxy) = proxy else {
            check.wrong("proxy", "is empty");
            return check.done(None);
        };
        let pb::Proxy {
            name,
            kind,
            person_name,
            contact,
            evidence,
            evidence_reference,
            seen_date,
            start_date,
            end_date,
            purposes,
            fields,
        } = proxy;
        if !name.is_empty() {
            check.wrong("proxy.name", "is given by the hub: leave it empty");
        }
        let kind: Option<Giver> = check.one_of("proxy.kind", &kind, Giver::ALL);
        if kind == Some(Giver::Own) {
            check.wrong("proxy.kind", "must be somebody other than the resident");
        }
        if person_name.trim().is_empty() {
            check.wrong("proxy.person_name", "must say who");
        }
        let party = Party {
            name: check.bounded("proxy.person_name", person_name, limits::NAME_LEN_MAX),
            contact: check.text("proxy.contact", contact),
            reference: check.bounded(
                "proxy.evidence_reference",
                evidence_reference,
                limits::NAME_LEN_MAX,
            ),
        };
        let evidence = check.word("proxy.evidence", &evidence);
        let seen = check.day("proxy.seen_date", &seen_date);
        let from = check.day("proxy.start_date", &start_date);
        let until = check.day("proxy.end_date", &end_date);
        let many = check.count("proxy.purposes", purposes.len(), 0, limits::CONSENT_WORDS_MAX);
        let limited = !purposes.is_empty();
        let purposes: BTreeSet<PurposeId> = purposes
            .iter()
            .enumerate()
            .filter(|_| many)
            .filter_map(|(n, word)| check.word(&format!("proxy.purposes[{n}]"), word))
            .collect();
        let fields = (!fields.is_empty()).then(|| check.scopes("proxy.fields", &fields, 1));
        let new = match (resident, kind, evidence) {
            (Some(resident), Some(kind), Some(evidence)) => Some(Self {
                resident,
                kind,
                party,
                evidence,
                seen,
                from,
                until,
                purposes: limited.then_some(purposes),
                fields,
            }),
            _ => None,
        };
        check.done(new)
    }
}

impl TryFrom<pb::EndProxyRequest> for ProxyEnd {
    type Error = Violations;

    fn try_from(message: pb::EndProxyRequest) -> Result<Self, Violations> {
        let pb::EndProxyRequest { proxy, end_time, reason, request_id: _ } = message;
        let mut check = Check::default();
        let name = read_name(&mut check, "proxy", &proxy);
        let at = check.time("end_time", end_time);
        if reason.trim().is_empty() {
            check.wrong("reason", "must say why");
        }
        let reason = check.text("reason", reason);
        check.done(name.map(|(resident, proxy)| Self { resident, proxy, at, reason }))
    }
}

/// Whose proxies to list.
pub struct ProxyPage(pub ResidentPage);

impl TryFrom<pb::ListProxiesRequest> for ProxyPage {
    type Error = Violations;

    fn try_from(message: pb::ListProxiesRequest) -> Result<Self, Violations> {
        let pb::ListProxiesRequest { resident, page_size, page_token } = message;
        let mut check = Check::default();
        let size = check.page_size(page_size);
        let skip = read_token(&mut check, &page_token, &resident).unwrap_or(0);
        let resident = check.resident("resident", &resident);
        check.done(resident.map(|resident| Self(ResidentPage { resident, size, skip })))
    }
}

/// A page of proxies on the wire.
#[must_use]
pub fn proxies_response(page: &ResidentPage, listed: ListedProxies) -> pb::ListProxiesResponse {
    let ListedProxies { proxies, more, disagreements, receipt } = listed;
    let of = page.resident;
    let next = page.skip.saturating_add(page.size);
    let next_page_token = if more { token(&next, &resident_name(of)) } else { String::new() };
    let disagreement = |(agrees, refuses)| pb::Disagreement {
        agrees: proxy_name(of, agrees),
        refuses: proxy_name(of, refuses),
    };
    pb::ListProxiesResponse {
        proxies: proxies.into_iter().map(|one| listed_message(of, one)).collect(),
        next_page_token,
        disagreements: disagreements.into_iter().map(disagreement).collect(),
        receipt: Some(receipt_message("events", &receipt)),
    }
}

fn listed_message(of: ResidentId, listed: ListedProxy) -> pb::ListedProxy {
    let ListedProxy { proxy, recorded_by, recorded_at, party, halt, powers } = listed;
    let Proxy { id, grant, ended } = proxy;
    let ProxyGrant { kind, evidence, seen, from, until, purposes, fields } = grant;
    let Party { name, contact, reference } = party.unwrap_or_default();
    let proxy = pb::Proxy {
        name: proxy_name(of, id),
        kind: kind.to_string(),
        person_name: name,
        contact,
        evidence: evidence.to_string(),
        evidence_reference: reference,
        seen_date: seen.to_string(),
        start_date: from.to_string(),
        end_date: until.map(|day| day.to_string()).unwrap_or_default(),
        purposes: words(purposes.unwrap_or_default()),
        fields: words(fields.unwrap_or_default()),
    };
    pb::ListedProxy {
        proxy: Some(proxy),
        recorded_by: agency_name(&recorded_by),
        record_time: Some(time_message(recorded_at)),
        ended_time: ended.map(time_message),
        halted: halt.map(|halt| halt.as_str().to_owned()).unwrap_or_default(),
        consents: powers.voice.as_str().to_owned(),
        acts_in_portal: powers.portal,
        files_requests: powers.requests,
    }
}
