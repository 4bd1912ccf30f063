//! Reads a `Consent` resource strictly. Every error has the path of what is wrong and never its value.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::{
    ACT, AGENCY, CATEGORY, EXT_ASSESSMENT, EXT_CHANNEL, EXT_FREE, EXT_GILLICK, EXT_PART, EXT_STATE,
    FIELD, GIVER, KIND, NOTICE, PARTICIPATION, PURPOSE, SCOPE, Said, permits,
};
use crate::consent::notices::NoticeRef;
use crate::domain::{ConsentState, Giver, ResidentId, Scope};

/// Most problems that are told of one resource.
const PROBLEMS_MAX: usize = 32;

/// Something that is wrong with a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `provision.actor[0].reference`.
    pub path: String,
    /// What.
    pub what: &'static str,
}

type Members = Map<String, Value>;

/// Reads a resource.
///
/// # Errors
/// Everything that is wrong with it.
pub fn resource(value: &Value) -> Result<Said, Vec<Problem>> {
    let mut read = Read::default();
    let said = read.consent(value);
    match said {
        Some(said) if read.problems.is_empty() => Ok(said),
        _ if read.problems.is_empty() => {
            Err(vec![Problem { path: "Consent".to_owned(), what: "is incomplete" }])
        }
        _ => Err(read.problems),
    }
}

#[derive(Default)]
struct Read {
    problems: Vec<Problem>,
}

/// What the extensions say.
#[derive(Default)]
struct Extended {
    state: Option<ConsentState>,
    freely_given: Option<bool>,
    gillick: bool,
    parts: Vec<crate::domain::StatutoryPart>,
    channel: Option<crate::domain::Channel>,
    assessment: Option<crate::domain::AssessmentId>,
}

/// What the provision says.
struct Provided {
    permits: bool,
    until: Option<jiff::civil::Date>,
    recipients: Vec<crate::domain::AgencyId>,
    purposes: Vec<crate::domain::PurposeId>,
    fields: Option<Vec<Scope>>,
}

impl Read {
    fn wrong<T>(&mut self, path: &str, what: &'static str) -> Option<T> {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem { path: path.to_owned(), what });
        }
        None
    }

    /// An object, every member of which is known.
    fn members<'v>(&mut self, path: &str, value: &'v Value, known: &[&str]) -> Option<&'v Members> {
        let Some(members) = value.as_object() else {
            return self.wrong(path, "must be an object");
        };
        // Its name is not repeated: whoever writes a value where a name belongs would be quoted.
        if members.keys().any(|name| !known.contains(&name.as_str())) {
            self.wrong::<()>(path, "has a member that this hub does not read: take it out");
        }
        Some(members)
    }

    fn needed<'v>(&mut self, members: &'v Members, path: &str, name: &str) -> Option<&'v Value> {
        match members.get(name) {
            Some(value) => Some(value),
            None => self.wrong(&join(path, name), "is missing"),
        }
    }

    fn text<'v>(&mut self, path: &str, value: &'v Value) -> Option<&'v str> {
        match value.as_str() {
            Some(text) => Some(text),
            None => self.wrong(path, "must be a text"),
        }
    }

    fn list<'v>(&mut self, path: &str, value: &'v Value) -> &'v [Value] {
        match value.as_array() {
            Some(items) if !items.is_empty() => items,
            Some(_) | None => {
                self.wrong::<()>(path, "must be a list with at least one item");
                &[]
            }
        }
    }

    /// A list that must hold exactly one item.
    fn only<'v>(&mut self, path: &str, value: &'v Value) -> Option<&'v Value> {
        match self.list(path, value) {
            [one] => Some(one),
            [] => None,
            _ => self.wrong(path, "must have one item: this hub can say no more"),
        }
    }

    fn word<T: FromStr>(&mut self, path: &str, text: &str) -> Option<T> {
        match text.parse() {
            Ok(word) => Some(word),
            Err(_) => self.wrong(path, "is no word that this hub knows"),
        }
    }

    /// A coding: its system, which must be one of `systems`, and its code.
    fn coding<'v>(
        &mut self,
        path: &str,
        value: &'v Value,
        systems: &[&'static str],
    ) -> Option<(&'static str, &'v str)> {
        let members = self.members(path, value, &["system", "code", "display"])?;
        let system = self.needed(members, path, "system");
        let system = system.and_then(|value| self.text(&join(path, "system"), value))?;
        let Some(system) = systems.iter().find(|known| **known == system) else {
            return self.wrong(&join(path, "system"), "is not the code system that belongs here");
        };
        let code = self.needed(members, path, "code")?;
        Some((*system, self.text(&join(path, "code"), code)?))
    }

    /// A concept of one coding.
    fn concept<'v>(
        &mut self,
        path: &str,
        value: &'v Value,
        systems: &[&'static str],
    ) -> Option<(&'static str, &'v str)> {
        let members = self.members(path, value, &["coding"])?;
        let codings = self.needed(members, path, "coding")?;
        let at = join(path, "coding");
        let one = self.only(&at, codings)?;
        self.coding(&format!("{at}[0]"), one, systems)
    }

    /// A concept that can say only one thing here.
    fn fixed(&mut self, path: &str, value: &Value, system: &'static str, code: &str) {
        if let Some((_, found)) = self.concept(path, value, &[system])
            && found != code
        {
            self.wrong::<()>(path, "is a code that this hub cannot say");
        }
    }

    /// A logical reference: a type and an identifier of a system.
    fn identified<'v>(
        &mut self,
        path: &str,
        value: &'v Value,
        (kind, system): (&str, &str),
    ) -> Option<&'v str> {
        let members = self.members(path, value, &["type", "identifier", "display"])?;
        let named = self.needed(members, path, "type")?;
        if self.text(&join(path, "type"), named)? != kind {
            return self.wrong(&join(path, "type"), "is not the type that belongs here");
        }
        let identifier = self.needed(members, path, "identifier")?;
        let at = join(path, "identifier");
        let members = self.members(&at, identifier, &["system", "value"])?;
        let of = self.needed(members, &at, "system")?;
        if self.text(&join(&at, "system"), of)? != system {
            return self.wrong(&join(&at, "system"), "is not the system that belongs here");
        }
        let value = self.needed(members, &at, "value")?;
        self.text(&join(&at, "value"), value)
    }

    fn consent(&mut self, value: &Value) -> Option<Said> {
        const KNOWN: &[&str] = &[
            "resourceType",
            // Ids and versions are those of whoever sends it.
            "id",
            "meta",
            "extension",
            "status",
            "scope",
            "category",
            "patient",
            "dateTime",
            "performer",
            "sourceReference",
            "policyRule",
            "verification",
            "provision",
        ];
        let members = self.members("Consent", value, KNOWN)?;
        if members.get("resourceType").and_then(Value::as_str) != Some("Consent") {
            return self.wrong("resourceType", "must be Consent");
        }
        let extended = match members.get("extension") {
            Some(list) => self.extensions(list),
            None => Extended::default(),
        };
        if let Some(scope) = self.needed(members, "", "scope") {
            self.fixed("scope", scope, SCOPE, "patient-privacy");
        }
        if let Some(rule) = self.needed(members, "", "policyRule") {
            self.fixed("policyRule", rule, ACT, "OPTIN");
        }
        let kind = self
            .needed(members, "", "category")
            .and_then(|list| self.only("category", list))
            .and_then(|one| self.concept("category[0]", one, &[KIND]))
            .and_then(|(_, code)| self.word("category[0].coding[0].code", code));
        let resident = self.patient(members);
        let at = self
            .needed(members, "", "dateTime")
            .and_then(|value| self.text("dateTime", value))
            .and_then(|text| self.instant(text));
        let by = self.performer(members, resident);
        let evidence = self.verified(members);
        let notice = members.get("sourceReference").and_then(|value| self.notice(value));
        let provided =
            self.needed(members, "", "provision").and_then(|value| self.provision(value));
        let state = self.state(members, &extended);
        let Provided { permits: permitted, until, recipients, purposes, fields } = provided?;
        if state.is_some_and(|state| permits(state) != permitted) {
            self.wrong::<()>("provision.type", "contradicts status");
        }
        let freely_given = match (extended.freely_given, state) {
            (Some(free), _) => free,
            (None, Some(state)) if state.is_yes() => self.wrong(
                "extension",
                "must say whether the yes is tied to a service (urn:weir:fhir:freely-given)",
            )?,
            (None, _) => false,
        };
        Some(Said {
            resident: resident?,
            kind: kind?,
            state: state?,
            at: at?,
            until: until?,
            purposes,
            recipients,
            fields,
            by: by?,
            evidence,
            gillick: extended.gillick,
            freely_given,
            parts: extended.parts,
            notice,
            channel: extended.channel,
            assessment: extended.assessment,
        })
    }

    fn state(&mut self, members: &Members, extended: &Extended) -> Option<ConsentState> {
        let status = self.needed(members, "", "status")?;
        let plain = match self.text("status", status)? {
            "proposed" => ConsentState::Requested,
            "active" => ConsentState::Given,
            "rejected" => ConsentState::Refused,
            "inactive" => ConsentState::Withdrawn,
            "entered-in-error" => ConsentState::Invalidated,
            _ => return self.wrong("status", "is no status that this hub can say"),
        };
        match (plain, extended.state) {
            (plain, None) => Some(plain),
            (ConsentState::Given, Some(ConsentState::Renewed)) => Some(ConsentState::Renewed),
            (_, Some(_)) => self.wrong("extension", "contradicts status"),
        }
    }

    fn patient(&mut self, members: &Members) -> Option<ResidentId> {
        let patient = self.needed(members, "", "patient")?;
        let members = self.members("patient", patient, &["reference", "type", "display"])?;
        let reference = self.needed(members, "patient", "reference")?;
        let text = self.text("patient.reference", reference)?;
        let id = text.strip_prefix("Patient/").and_then(|id| id.parse().ok());
        match id {
            Some(id) => Some(id),
            None => self.wrong("patient.reference", "must be Patient/{uuid} of a resident here"),
        }
    }

    fn instant(&mut self, text: &str) -> Option<jiff::Timestamp> {
        match text.parse() {
            Ok(at) => Some(at),
            Err(_) => self.wrong("dateTime", "must be a time with its zone"),
        }
    }

    /// The patient, or somebody who speaks for them.
    fn performer(&mut self, members: &Members, resident: Option<ResidentId>) -> Option<Giver> {
        let list = self.needed(members, "", "performer")?;
        let one = self.only("performer", list)?;
        let at = "performer[0]";
        let Some(reference) = one.get("reference") else {
            let value = self.identified(at, one, ("RelatedPerson", GIVER))?;
            let path = "performer[0].identifier.value";
            let giver: Giver = self.word(path, value)?;
            if giver == Giver::Own {
                return self.wrong(path, "is the patient: refer to them");
            }
            return Some(giver);
        };
        self.members(at, one, &["reference", "type", "display"])?;
        let own = resident.map(|resident| format!("Patient/{}", resident.uuid()));
        if own.as_deref() == reference.as_str() {
            Some(Giver::Own)
        } else {
            self.wrong("performer[0].reference", "must be the patient")
        }
    }

    fn verified(&mut self, members: &Members) -> bool {
        let Some(list) = members.get("verification") else { return false };
        let Some(one) = self.only("verification", list) else { return false };
        let at = "verification[0]";
        let Some(members) = self.members(at, one, &["verified"]) else { return false };
        let Some(verified) = self.needed(members, at, "verified") else { return false };
        let path = "verification[0].verified";
        verified.as_bool().or_else(|| self.wrong(path, "must be true or false")).unwrap_or_default()
    }

    fn notice(&mut self, value: &Value) -> Option<NoticeRef> {
        let text = self.identified("sourceReference", value, ("DocumentReference", NOTICE))?;
        let path = "sourceReference.identifier.value";
        let mut parts = text.split('|');
        let (Some(id), Some(version), Some(language), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return self.wrong(path, "must be notice, version and language between bars");
        };
        let (id, version) = (self.word(path, id)?, self.word(path, version)?);
        Some(NoticeRef { id, version, language: self.word(path, language)? })
    }

    fn extensions(&mut self, list: &Value) -> Extended {
        let mut out = Extended::default();
        let mut seen: Vec<&str> = Vec::new();
        for (n, one) in self.list("extension", list).iter().enumerate() {
            let at = format!("extension[{n}]");
            let known = &["url", "valueCode", "valueBoolean", "valueString"];
            let Some(members) = self.members(&at, one, known) else { continue };
            let Some(url) = members.get("url").and_then(Value::as_str) else {
                self.wrong::<()>(&join(&at, "url"), "is missing");
                continue;
            };
            if url != EXT_PART && seen.contains(&url) {
                self.wrong::<()>(&at, "stands twice");
            }
            seen.push(url);
            if members.len() != 2 {
                self.wrong::<()>(&at, "must have one value");
                continue;
            }
            let code = || members.get("valueCode").and_then(Value::as_str).unwrap_or_default();
            let flag = members.get("valueBoolean").and_then(Value::as_bool);
            match url {
                EXT_STATE => out.state = self.word(&at, code()),
                EXT_PART => {
                    out.parts.extend(self.word::<crate::domain::StatutoryPart>(&at, code()))
                }
                EXT_CHANNEL => out.channel = self.word(&at, code()),
                EXT_FREE if flag.is_some() => out.freely_given = flag,
                EXT_GILLICK if flag.is_some() => out.gillick = flag.unwrap_or_default(),
                EXT_ASSESSMENT => {
                    let text = members.get("valueString").and_then(Value::as_str);
                    out.assessment = self.word(&at, text.unwrap_or_default());
                }
                EXT_FREE | EXT_GILLICK => {
                    self.wrong::<()>(&at, "must have valueBoolean");
                }
                _ => {
                    self.wrong::<()>(&at, "is no extension that this hub reads: take it out");
                }
            }
        }
        out
    }

    fn provision(&mut self, value: &Value) -> Option<Provided> {
        let known = &["type", "period", "actor", "purpose", "class", "code"];
        let path = "provision";
        let members = self.members(path, value, known)?;
        let permits = match members.get("type").and_then(Value::as_str) {
            Some("permit") => true,
            Some("deny") => false,
            _ => self.wrong("provision.type", "must be permit or deny")?,
        };
        let until = self.needed(members, path, "period").and_then(|period| {
            let members = self.members("provision.period", period, &["end"])?;
            let end = self.needed(members, "provision.period", "end")?;
            let text = self.text("provision.period.end", end)?;
            let day = (text.len() == 10).then(|| text.parse().ok()).flatten();
            day.or_else(|| self.wrong("provision.period.end", "must be a day, YYYY-MM-DD"))
        });
        let mut recipients = Vec::new();
        if let Some(actors) = self.needed(members, path, "actor") {
            for (n, actor) in self.list("provision.actor", actors).iter().enumerate() {
                recipients.extend(self.actor(&format!("provision.actor[{n}]"), actor));
            }
        }
        let mut purposes = Vec::new();
        if let Some(list) = self.needed(members, path, "purpose") {
            for (n, one) in self.list("provision.purpose", list).iter().enumerate() {
                let at = format!("provision.purpose[{n}]");
                if let Some((_, code)) = self.coding(&at, one, &[PURPOSE]) {
                    purposes.extend(self.word::<crate::domain::PurposeId>(&at, code));
                }
            }
        }
        let fields = self.fields(members);
        Some(Provided { permits, until, recipients, purposes, fields })
    }

    fn actor(&mut self, at: &str, actor: &Value) -> Option<crate::domain::AgencyId> {
        let members = self.members(at, actor, &["role", "reference"])?;
        if let Some(role) = self.needed(members, at, "role") {
            self.fixed(&join(at, "role"), role, PARTICIPATION, "IRCP");
        }
        let reference = self.needed(members, at, "reference")?;
        let path = join(at, "reference");
        let value = self.identified(&path, reference, ("Organization", AGENCY))?;
        self.word(&path, value)
    }

    fn fields(&mut self, members: &Members) -> Option<Vec<Scope>> {
        let (class, code) = (members.get("class"), members.get("code"));
        if class.is_some() && code.is_some() {
            let what = "stands beside class, which means both at once: this hub cannot say that";
            return self.wrong("provision.code", what);
        }
        let mut out = Vec::new();
        if let Some(list) = class {
            for (n, one) in self.list("provision.class", list).iter().enumerate() {
                let at = format!("provision.class[{n}]");
                if let Some((_, code)) = self.coding(&at, one, &[CATEGORY]) {
                    let category = self.word::<crate::domain::CategoryId>(&at, code);
                    out.extend(category.map(Scope::Category));
                }
            }
        }
        if let Some(list) = code {
            for (n, one) in self.list("provision.code", list).iter().enumerate() {
                let at = format!("provision.code[{n}]");
                let Some((system, code)) = self.concept(&at, one, &[FIELD, CATEGORY]) else {
                    continue;
                };
                if system == CATEGORY {
                    let category = self.word::<crate::domain::CategoryId>(&at, code);
                    out.extend(category.map(Scope::Category));
                } else {
                    let field = self.word::<crate::domain::FieldId>(&at, code);
                    out.extend(field.map(Scope::Field));
                }
            }
        }
        (class.is_some() || code.is_some()).then_some(out)
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
