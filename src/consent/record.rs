//! A consent event as the record of ISO/IEC TS 27560:2023, for the person to keep. Pure: what it says comes
//! from the event and from the policy that is in force when it is recorded.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

use crate::domain::{
    AgencyId, ConsentEvent, ConsentKind, DecisionId, Giver, PurposeId, ResidentId, Scope,
};
use crate::policy::birthday;
use crate::policy::book::{
    Despite, Effect, Field, Ground, NoticeVersion, Party, Rule, RuleBook, Wording,
};

/// The schema that a record follows.
pub const SCHEMA: &str = "ISO/IEC TS 27560:2023";

/// Where and about whom an event is recorded.
#[derive(Debug, Clone, Copy)]
pub struct Entered<'a> {
    /// The event's own id, which is that of its entry in the log.
    pub id: DecisionId,
    /// About whom.
    pub resident: ResidentId,
    /// When they were born.
    pub born: Option<Date>,
    /// Who recorded it.
    pub by: &'a AgencyId,
    /// When.
    pub at: Timestamp,
}

/// Why a yes has to be given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// Its last day.
    Expiry,
    /// The person reaches this age, or whoever spoke for them may do so no longer, or for less.
    Age(i16),
}

/// When a yes has to be given again, and why: on its last day, or on a birthday before.
///
/// Ages are those of the policy; whoever was born on 29 February ages on 1 March. `None` for what is no
/// yes.
#[must_use]
pub fn next_confirmation(
    book: &RuleBook,
    event: &ConsentEvent,
    born: Option<Date>,
) -> Option<(Date, Trigger)> {
    if !event.state.is_yes() {
        return None;
    }
    let figures = &book.figures;
    let given = event.at.to_zoned(book.place.zone.clone()).date();
    let mut ages = figures.reconfirm_ages.clone();
    if event.by == Giver::Parent {
        ages.push(figures.parent_confidential_until_age);
        if relying(book, event).any(|rule| rule.despite.has(&Despite::Online)) {
            ages.push(figures.digital_consent_age);
        }
    }
    let reached = |age: &i16| born.and_then(|born| birthday(born, *age)).map(|day| (day, *age));
    let birthday = ages.iter().filter_map(reached).filter(|(day, _)| *day > given).min();
    match birthday {
        Some((day, age)) if day <= event.until => Some((day, Trigger::Age(age))),
        _ => Some((event.until, Trigger::Expiry)),
    }
}

/// The record, as text: JSON, its members in order of name.
#[must_use]
pub fn text(book: &RuleBook, event: &ConsentEvent, entered: Entered<'_>) -> String {
    // Strings, numbers and lists of our own making: serialising them cannot fail.
    serde_json::to_string_pretty(&record(book, event, entered)).unwrap_or_default()
}

/// The record. What is not known is null.
#[must_use]
pub fn record(book: &RuleBook, event: &ConsentEvent, entered: Entered<'_>) -> Value {
    let controllers = controllers(book, event, entered.by);
    let (notice, wording) = wording(book, event);
    json!({
        "schema_version": SCHEMA,
        "record_id": entered.id.to_string(),
        "pii_principal_id": entered.resident.uuid().to_string(),
        "pii_processing": {
            "privacy_notice": notice,
            "language": event.collected.notice.as_ref().map(|shown| shown.language.as_str()),
            "purposes": purposes(book, event, &controllers, wording),
        },
        "party_identification": parties(book, &controllers),
        "event": {
            "event_time": event.at.to_string(),
            "validity_duration": { "from": event.at.to_string(), "until": event.until.to_string() },
            "entity_id": entity(event, entered),
            "event_type": kind(event.kind),
            "event_state": event.state.as_str(),
        },
        "hub": hub(book, event, entered, wording),
    })
}

/// What the hub adds to the members of the standard.
fn hub(
    book: &RuleBook,
    event: &ConsentEvent,
    entered: Entered<'_>,
    wording: Option<&Wording>,
) -> Value {
    let collected = &event.collected;
    let next = next_confirmation(book, event, entered.born).map(|(on, why)| {
        let because = match why {
            Trigger::Expiry => "expiry".to_owned(),
            Trigger::Age(age) => format!("age {age}"),
        };
        json!({ "on": on.to_string(), "because": because })
    });
    json!({
        "consent_kind": event.kind.as_str(),
        "giver": event.by.as_str(),
        "authority_evidence_seen": event.evidence,
        "gillick_competence_recorded": event.gillick,
        "assessment": collected.assessment.as_ref().map(|one| one.as_str()),
        "channel": collected.channel.map(|channel| channel.as_str()),
        "wording_sha256": collected.notice.as_ref().map(|shown| shown.wording.as_str()),
        "freely_given": event.freely_given,
        "if_refused": wording.map(|wording| wording.refuse.as_str()),
        "statutory_parts": event.parts.iter().map(|part| part.as_str()).collect::<Vec<_>>(),
        "collected_by": entered.by.as_str(),
        "recorded_at": entered.at.to_string(),
        "receipt_id": format!("events/{}", entered.id),
        "next_confirmation": next,
    })
}

const fn kind(kind: ConsentKind) -> &'static str {
    match kind {
        ConsentKind::ConfidentialityImplied => "implied",
        ConsentKind::GdprArt6a
        | ConsentKind::GdprArt9Explicit
        | ConsentKind::ConfidentialityExplicit
        | ConsentKind::StatutoryConsent
        | ConsentKind::Participation => "explicit",
    }
}

/// Who spoke: the person by their id, anybody else by what they are.
fn entity(event: &ConsentEvent, entered: Entered<'_>) -> String {
    match event.by {
        Giver::Own => entered.resident.uuid().to_string(),
        Giver::Parent
        | Giver::AttorneyHw
        | Giver::AttorneyPf
        | Giver::DeputyHw
        | Giver::Appointee
        | Giver::Advocate => event.by.to_string(),
    }
}

/// The wording that was shown, as the policy has it.
fn wording<'b>(book: &'b RuleBook, event: &ConsentEvent) -> (Value, Option<&'b Wording>) {
    let Some(shown) = &event.collected.notice else {
        return (Value::Null, None);
    };
    let notice = book.notices.get(&shown.id);
    let version: Option<&NoticeVersion> = notice.and_then(|one| one.versions.get(&shown.version));
    let wording = version.and_then(|version| version.wordings.get(&shown.language));
    // What was shown once and reads otherwise now is not what was shown.
    let wording = wording.filter(|wording| wording.hash() == shown.wording);
    let value = json!({
        "id": shown.id.as_str(),
        "version": shown.version,
        "wording_sha256": shown.wording,
        "title": notice.map(|notice| notice.title.as_str()),
        "shown": wording.map(Wording::shown),
    });
    (value, wording)
}

fn purposes(
    book: &RuleBook,
    event: &ConsentEvent,
    controllers: &BTreeSet<String>,
    wording: Option<&Wording>,
) -> Vec<Value> {
    let recipients: Vec<Value> = event
        .recipients
        .iter()
        .map(|id| {
            let agency = book.agencies.get(id);
            json!({
                "party_id": id.as_str(),
                "party_name": agency.map(|agency| agency.name.as_str()),
                "controller": agency.map(|agency| agency.controller.as_str()),
            })
        })
        .collect();
    let jurisdiction: BTreeSet<&str> = event
        .recipients
        .iter()
        .filter_map(|id| book.agencies.get(id))
        .map(|agency| agency.nation.as_str())
        .collect();
    let of_each = |pick: fn(&Party) -> &String| -> Vec<Value> {
        let all = controllers.iter().filter_map(|id| {
            let party = book.parties.get(id.as_str())?;
            Some(json!({ "party_id": id, "said": known(pick(party)) }))
        });
        all.collect()
    };
    let one = |purpose: &PurposeId| {
        let about = book.purposes.get(purpose);
        let basis: BTreeSet<&str> = relying(book, event)
            .filter(|rule| rule.purposes.has(purpose))
            .flat_map(|rule| rule.art6.iter().chain(&rule.art9).chain(&rule.art10))
            .map(|basis| basis.as_str())
            .collect();
        json!({
            "purpose": purpose.as_str(),
            "purpose_meaning": about.map(|about| about.meaning.as_str()),
            "purpose_type": about.map(|about| about.group.as_str()),
            "lawful_basis": basis,
            "pii_information": information(book, event, purpose),
            "pii_controllers": controllers,
            "recipient_third_parties": recipients,
            "storage_locations": of_each(|party| &party.storage),
            "retention_period": of_each(|party| &party.retention),
            "jurisdiction": jurisdiction,
            "withdrawal_method": wording.map(|wording| wording.withdraw.as_str()),
        })
    };
    event.purposes.iter().map(one).collect()
}

/// What a consent covers: what it names, or where it names nothing, what rules let out on it.
fn information(book: &RuleBook, event: &ConsentEvent, purpose: &PurposeId) -> Vec<Value> {
    let of = |field: &str, about: &Field| {
        json!({
            "pii_type": about.category.as_str(),
            "pii_attribute_id": field,
            "special_pii_category": about.special,
            "sensitive_pii_category": about.cpi || about.criminal,
        })
    };
    match &event.fields {
        Some(scopes) => scopes
            .iter()
            .map(|scope| match scope {
                Scope::Field(field) => match book.fields.get(field) {
                    Some(about) => of(field.as_str(), about),
                    None => json!({ "pii_attribute_id": field.as_str() }),
                },
                Scope::Category(category) => {
                    let within = || book.fields.values().filter(|f| f.category == *category);
                    json!({
                        "pii_type": category.as_str(),
                        "pii_attribute_id": null,
                        "special_pii_category": within().any(|f| f.special),
                        "sensitive_pii_category": within().any(|f| f.cpi || f.criminal),
                    })
                }
            })
            .collect(),
        None => book
            .fields
            .iter()
            .filter(|(field, about)| {
                relying(book, event)
                    .any(|rule| rule.purposes.has(purpose) && rule.lists(field, about))
            })
            .map(|(field, about)| of(field.as_str(), about))
            .collect(),
    }
}

/// Rows that open on a yes of this kind, to one of its recipients, for one of its purposes.
fn relying<'b>(book: &'b RuleBook, event: &ConsentEvent) -> impl Iterator<Item = &'b Rule> {
    book.rules.iter().filter(|rule| {
        rule.effect == Effect::Allow
            && rule.ground == Some(Ground::Consent(event.kind))
            && event.recipients.iter().any(|agency| rule.agencies.has(agency))
            && event.purposes.iter().any(|purpose| rule.purposes.has(purpose))
    })
}

/// The controllers of whoever receives and of whoever asked.
fn controllers(book: &RuleBook, event: &ConsentEvent, by: &AgencyId) -> BTreeSet<String> {
    let agencies = event.recipients.iter().chain([by]);
    agencies.filter_map(|id| book.agencies.get(id)).map(|one| one.controller.clone()).collect()
}

fn parties(book: &RuleBook, controllers: &BTreeSet<String>) -> Vec<Value> {
    let one = |id: &String| {
        let party = book.parties.get(id.as_str());
        let said = |pick: fn(&Party) -> &String| party.map_or(Value::Null, |p| known(pick(p)));
        json!({
            "party_id": id,
            "party_role": "controller",
            "party_name": said(|party| &party.name),
            "party_address": said(|party| &party.address),
            "party_contact": said(|party| &party.contact),
            "party_type": said(|party| &party.kind),
        })
    };
    controllers.iter().map(one).collect()
}

fn known(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

#[cfg(test)]
mod tests;
