//! Entries as FHIR R4 AuditEvent, after the Basic Audit Log Patterns of IHE ITI (BALP 1.1.4): a release is a
//! privacy disclosure recorded at its source. The log's leaf is the record; this is a reading of it.

use serde_json::{Value, json};

use super::super::entry::{Facet, Kind, SlotId};
use super::super::tree::leaf_hash;
use super::Row;

/// Codes of DICOM part 16 for what happens to records.
const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
/// What happens to a record in its life.
const LIFE: &str = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle";
const DISCLOSURE: &str =
    "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PrivacyDisclosure.Source";

/// The resource of an entry of the log `origin`; `leaf` where it may be given.
#[must_use]
pub fn event(row: &Row, origin: &str, leaf: Option<&[u8]>) -> Value {
    let entry = &row.entry;
    let resident = row.text(SlotId::Subject);
    let (kind, subtype, action) = sort(entry.kind);
    let mut event = json!({
        "resourceType": "AuditEvent",
        "id": entry.event.to_string(),
        "type": { "system": DCM, "code": kind.0, "display": kind.1 },
        "subtype": subtypes(entry.kind, subtype, &entry.rpc),
        "action": action,
        "recorded": row.at.to_string(),
        "outcome": outcome(row),
        "agent": agents(row, leaf.is_some()),
        "source": {
            "site": origin,
            "observer": { "identifier": { "system": "urn:weir:log", "value": origin } },
            "type": [{
                "system": "http://terminology.hl7.org/CodeSystem/security-source-type",
                "code": "4", "display": "Application Server",
            }],
        },
        "entity": entities(row, origin, leaf, resident.as_deref()),
    });
    let Some(members) = event.as_object_mut() else { return event };
    let described = description(row);
    if !described.is_empty() {
        members.insert("outcomeDesc".to_owned(), Value::String(described));
    }
    let purposes = purposes(row);
    if !purposes.is_empty() {
        members.insert("purposeOfEvent".to_owned(), Value::Array(purposes));
    }
    // The profile wants the patient.
    if entry.kind == Kind::Disclose && resident.is_some() {
        members.insert("meta".to_owned(), json!({ "profile": [DISCLOSURE] }));
    }
    event
}

type Coded = (&'static str, &'static str);

/// The type, the part of a record's life where it is one, and the action.
const fn sort(kind: Kind) -> (Coded, Option<Coded>, &'static str) {
    const ACTIVITY: Coded = ("110100", "Application Activity");
    const QUERY: Coded = ("110112", "Query");
    match kind {
        Kind::Disclose => {
            (("110106", "Export"), Some(("disclose", "Disclose Record Lifecycle Event")), "R")
        }
        Kind::Refuse | Kind::Query => (QUERY, None, "E"),
        Kind::AuditRead => (("110101", "Audit Log Used"), None, "R"),
        Kind::TurnedAway => (("110113", "Security Alert"), None, "E"),
        Kind::Choice | Kind::Fact | Kind::Policy | Kind::Review | Kind::Rights | Kind::Notice => {
            (ACTIVITY, None, "U")
        }
        Kind::Hold => (("110107", "Import"), None, "C"),
        Kind::Erase => (ACTIVITY, Some(("destroy", "Destroy/Delete Record Lifecycle Event")), "D"),
        Kind::Genesis | Kind::Gap | Kind::Operation | Kind::Report => (ACTIVITY, None, "E"),
    }
}

fn subtypes(kind: Kind, life: Option<Coded>, rpc: &str) -> Value {
    let life =
        life.map(|(code, display)| json!({ "system": LIFE, "code": code, "display": display }));
    let own = json!({
        "system": "urn:weir:kind", "code": format!("{kind:?}").to_lowercase(), "display": rpc,
    });
    Value::Array(life.into_iter().chain([own]).collect())
}

/// Success, or of what was not given or not let in, serious failure.
fn outcome(row: &Row) -> &'static str {
    match (row.entry.kind, row.entry.facets.get(&Facet::Outcome).map(String::as_str)) {
        (Kind::Refuse | Kind::TurnedAway, _) | (_, Some("DENY" | "REFER")) => "8",
        (Kind::Gap, _) => "12",
        (_, Some("PARTIAL")) => "4",
        (_, _) => "0",
    }
}

fn word(row: &Row, facet: Facet) -> &str {
    row.entry.facets.get(&facet).map(String::as_str).unwrap_or_default()
}

fn description(row: &Row) -> String {
    let parts = [word(row, Facet::Outcome), word(row, Facet::Codes), word(row, Facet::What)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

fn purposes(row: &Row) -> Vec<Value> {
    let purpose = word(row, Facet::Purpose);
    let own = (!purpose.is_empty())
        .then(|| json!({ "coding": [{ "system": "urn:weir:purpose", "code": purpose }] }));
    let claimed = word(row, Facet::Override);
    let broken = (!claimed.is_empty()).then(|| {
        json!({
            "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
                "code": "BTG", "display": "break the glass",
            }],
            "text": claimed,
        })
    });
    own.into_iter().chain(broken).collect()
}

/// Who asked, the agency that it went to, and the one that it came from.
fn agents(row: &Row, named: bool) -> Value {
    let entry = &row.entry;
    let role = |code: &str, display: &str| json!({ "coding": [{ "system": DCM, "code": code, "display": display }] });
    let of =
        |agency: &str| json!({ "identifier": { "system": "urn:weir:agency", "value": agency } });
    // Where the leaf is not given, people stand under the names that the reader has for them.
    let person = if named { "urn:weir:person" } else { "urn:weir:pseudonym" };
    let holder = word(row, Facet::Holder);
    let mut all = Vec::new();
    if !holder.is_empty() {
        let kind = role("110153", "Source Role ID");
        all.push(json!({ "type": kind, "who": of(holder), "requestor": false }));
    }
    if let Some(agency) = &entry.agency {
        let kind = role("110152", "Destination Role ID");
        all.push(json!({ "type": kind, "who": of(agency.as_str()), "requestor": false }));
        let mut asker = json!({
            "who": {
                "identifier": { "system": person, "value": hex::encode(entry.principal) },
            },
            "requestor": true,
            "policy": [format!("urn:sha256:{}", hex::encode(entry.policy))],
        });
        let acting = word(row, Facet::Role);
        if let Some(members) = asker.as_object_mut().filter(|_| !acting.is_empty()) {
            let roles = json!([{ "coding": [{ "system": "urn:weir:role", "code": acting }] }]);
            members.insert("role".to_owned(), roles);
        }
        all.push(asker);
    } else {
        let hub = json!({ "display": "the hub" });
        all.push(json!({ "type": role("110150", "Application"), "who": hub, "requestor": true }));
    }
    Value::Array(all)
}

fn entities(row: &Row, origin: &str, leaf: Option<&[u8]>, resident: Option<&str>) -> Value {
    let kind = |code: &str, display: &str| {
        let system = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
        json!({ "system": system, "code": code, "display": display })
    };
    let role = |code: &str, display: &str| {
        let system = "http://terminology.hl7.org/CodeSystem/object-role";
        json!({ "system": system, "code": code, "display": display })
    };
    let mut detail = Vec::new();
    let mut say = |name: &str, text: String| {
        detail.push(json!({ "type": name, "valueString": text }));
    };
    if let Some(leaf) = leaf {
        say("leaf-hash", hex::encode(leaf_hash(leaf)));
    }
    for (facet, words) in &row.entry.facets {
        say(facet.as_str(), words.clone());
    }
    let place = format!("entries/{}", row.index);
    let record = json!({
        "what": { "identifier": { "system": format!("urn:weir:log:{origin}"), "value": place } },
        "type": kind("2", "System Object"), "role": role("13", "Security Resource"),
        "detail": detail,
    });
    let patient = resident.map(|resident| {
        json!({
            "what": { "identifier": { "system": "urn:weir:resident", "value": resident } },
            "type": kind("1", "Person"), "role": role("1", "Patient"),
        })
    });
    Value::Array(patient.into_iter().chain([record]).collect())
}
