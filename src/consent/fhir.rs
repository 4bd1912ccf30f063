//! Consent events as FHIR R4 `Consent` resources, and back. Pure. What FHIR cannot say is not written, and what a
//! resource says beyond this mapping, or leaves open, is refused and never guessed. An opt-out from the national
//! list is never one of these.
//!
//! Several codes of `provision.code` mean any of them; `class` and `code` together would mean both at once, so
//! fields and categories never stand in both.

mod read;

use serde_json::{Value, json};

use super::notices::NoticeRef;
use crate::domain::{
    AgencyId, AssessmentId, Channel, ConsentEvent, ConsentKind, ConsentState, DecisionId, Giver,
    NoticeShown, PurposeId, ResidentId, Scope, StatutoryPart,
};

pub use read::{Problem, resource};

/// Where our own codes come from.
const KIND: &str = "urn:weir:consent-kind";
const PURPOSE: &str = "urn:weir:purpose";
const AGENCY: &str = "urn:weir:agency";
const CATEGORY: &str = "urn:weir:category";
const FIELD: &str = "urn:weir:field";
const GIVER: &str = "urn:weir:giver";
const NOTICE: &str = "urn:weir:notice";
/// Extensions: what FHIR R4 has no element for.
const EXT_STATE: &str = "urn:weir:fhir:consent-state";
const EXT_FREE: &str = "urn:weir:fhir:freely-given";
const EXT_GILLICK: &str = "urn:weir:fhir:gillick-competence";
const EXT_PART: &str = "urn:weir:fhir:statutory-part";
const EXT_CHANNEL: &str = "urn:weir:fhir:channel";
const EXT_ASSESSMENT: &str = "urn:weir:fhir:assessment";
/// Code systems of HL7.
const SCOPE: &str = "http://terminology.hl7.org/CodeSystem/consentscope";
const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";

/// What a resource says: enough to record it, and nothing that only the hub knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// About whom.
    pub resident: ResidentId,
    /// Which kind.
    pub kind: ConsentKind,
    /// What was said.
    pub state: ConsentState,
    /// When.
    pub at: jiff::Timestamp,
    /// The last day.
    pub until: jiff::civil::Date,
    /// For which purposes, in the order of the resource.
    pub purposes: Vec<PurposeId>,
    /// To whom, in the order of the resource.
    pub recipients: Vec<AgencyId>,
    /// Which fields; `None`: all.
    pub fields: Option<Vec<Scope>>,
    /// Who spoke.
    pub by: Giver,
    /// Evidence of their authority was seen.
    pub evidence: bool,
    /// Gillick competence is recorded.
    pub gillick: bool,
    /// Not tied to a service.
    pub freely_given: bool,
    /// Parts of a statutory agreement.
    pub parts: Vec<StatutoryPart>,
    /// The wording that was shown.
    pub notice: Option<NoticeRef>,
    /// How it was said.
    pub channel: Option<Channel>,
    /// The assessment that it rests on.
    pub assessment: Option<AssessmentId>,
}

/// The status of a state; `None`: FHIR R4 has none.
const fn status(state: ConsentState) -> Option<&'static str> {
    match state {
        ConsentState::Requested => Some("proposed"),
        ConsentState::Given | ConsentState::Renewed => Some("active"),
        ConsentState::Refused => Some("rejected"),
        ConsentState::Withdrawn => Some("inactive"),
        ConsentState::Invalidated => Some("entered-in-error"),
        ConsentState::Unknown => None,
    }
}

/// Whether a provision permits: what is asked for or agreed does, what is refused or taken back does not.
const fn permits(state: ConsentState) -> bool {
    matches!(state, ConsentState::Requested | ConsentState::Given | ConsentState::Renewed)
}

fn coding(system: &str, code: &str) -> Value {
    json!({ "system": system, "code": code })
}

fn concept(system: &str, code: &str) -> Value {
    json!({ "coding": [coding(system, code)] })
}

/// The notice as one value: id, version and language between bars.
fn notice_value(id: &str, version: u32, language: &str) -> String {
    format!("{id}|{version}|{language}")
}

/// The resource of an event; `None` where FHIR R4 cannot say what it says.
#[must_use]
pub fn write(id: DecisionId, resident: ResidentId, event: &ConsentEvent) -> Option<Value> {
    let status = status(event.state)?;
    let patient = format!("Patient/{}", resident.uuid());
    let performer = match event.by {
        Giver::Own => json!({ "reference": patient }),
        Giver::Parent
        | Giver::AttorneyHw
        | Giver::AttorneyPf
        | Giver::DeputyHw
        | Giver::Appointee
        | Giver::Advocate => json!({
            "type": "RelatedPerson",
            "identifier": { "system": GIVER, "value": event.by.as_str() },
        }),
    };
    let mut resource = json!({
        "resourceType": "Consent",
        "id": id.to_string(),
        "extension": extensions(event),
        "status": status,
        "scope": concept(SCOPE, "patient-privacy"),
        "category": [concept(KIND, event.kind.as_str())],
        "patient": { "reference": patient },
        "dateTime": event.at.to_string(),
        "performer": [performer],
        "policyRule": concept(ACT, "OPTIN"),
        "verification": [{ "verified": event.evidence }],
        "provision": provision(event),
    });
    if let (Some(shown), Some(members)) = (&event.collected.notice, resource.as_object_mut()) {
        let NoticeShown { id, version, language, wording: _ } = shown;
        let value = notice_value(id.as_str(), *version, language.as_str());
        let source = json!({
            "type": "DocumentReference",
            "identifier": { "system": NOTICE, "value": value },
        });
        members.insert("sourceReference".to_owned(), source);
    }
    Some(resource)
}

fn extensions(event: &ConsentEvent) -> Vec<Value> {
    let code = |url: &str, code: &str| json!({ "url": url, "valueCode": code });
    let mut out = vec![json!({ "url": EXT_FREE, "valueBoolean": event.freely_given })];
    if event.state == ConsentState::Renewed {
        out.push(code(EXT_STATE, event.state.as_str()));
    }
    if event.gillick {
        out.push(json!({ "url": EXT_GILLICK, "valueBoolean": true }));
    }
    out.extend(event.parts.iter().map(|part| code(EXT_PART, part.as_str())));
    out.extend(event.collected.channel.map(|channel| code(EXT_CHANNEL, channel.as_str())));
    let assessment = event.collected.assessment.as_ref();
    out.extend(assessment.map(|one| json!({ "url": EXT_ASSESSMENT, "valueString": one.as_str() })));
    out
}

fn provision(event: &ConsentEvent) -> Value {
    let actor = |agency: &AgencyId| {
        json!({
            "role": concept(PARTICIPATION, "IRCP"),
            "reference": {
                "type": "Organization",
                "identifier": { "system": AGENCY, "value": agency.as_str() },
            },
        })
    };
    let mut provision = json!({
        "type": if permits(event.state) { "permit" } else { "deny" },
        "period": { "end": event.until.to_string() },
        "actor": event.recipients.iter().map(actor).collect::<Vec<_>>(),
        "purpose": event.purposes.iter().map(|one| coding(PURPOSE, one.as_str())).collect::<Vec<_>>(),
    });
    let Some(scopes) = &event.fields else {
        return provision;
    };
    let categories = scopes.iter().all(|scope| matches!(scope, Scope::Category(_)));
    let one = |scope: &Scope| {
        let (system, code) = match scope {
            Scope::Category(category) => (CATEGORY, category.as_str()),
            Scope::Field(field) => (FIELD, field.as_str()),
        };
        if categories { coding(system, code) } else { concept(system, code) }
    };
    let all: Vec<Value> = scopes.iter().map(one).collect();
    if let Some(members) = provision.as_object_mut() {
        members.insert(if categories { "class" } else { "code" }.to_owned(), all.into());
    }
    provision
}

#[cfg(test)]
mod tests;
