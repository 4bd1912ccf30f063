//! What the hub writes into the audit log. Headers say only what the requester was told, so that a
//! sealed record and none at all leave the same header; whatever is personal goes into the slots.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::facts::Gathered;
use super::reviews::Tasks;
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::auth::Caller;
use crate::domain::{Answer, Ask, Code, DecisionId, Facts, FieldId, Interests, ResidentId, RoleId};
use crate::policy::book::RuleBook;
use crate::policy::{Decision, FieldOutcome, Outcome, View};

/// Decision slots are padded to a multiple of this, so that their length says little.
const PAD: usize = 4096;

/// As many fields asked for need one more [`PAD`]: whoever the resident is, what is said of so many
/// fits.
const FIELDS_IN_PAD: usize = 4;

/// Among the words of an asker: what was asked under a request id, as a digest.
pub const MESSAGE: &str = "message";

/// Among the words of an asker: the proxy as whom somebody is logged in for the resident.
pub const PROXY: &str = "proxy";

/// A word that no vocabulary has; what the asker wrote in its place may be personal.
pub const UNKNOWN: &str = "?";

/// What all entries of one call share.
pub struct Call<'a> {
    /// The call, such as `weir.hub.v1.SharingService/RequestRecords`.
    pub rpc: &'static str,
    /// Ties the entries together.
    pub id: DecisionId,
    /// Who calls.
    pub caller: &'a Caller,
    /// The policy in force.
    pub policy: [u8; 32],
    /// When.
    pub at: Timestamp,
}

/// A fresh id whose time part is `at`.
#[must_use]
pub fn fresh_id(at: Timestamp) -> DecisionId {
    let seconds = u64::try_from(at.as_second()).unwrap_or(0);
    let nanos = u32::try_from(at.subsec_nanosecond()).unwrap_or(0);
    let time = uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos);
    DecisionId::from_uuid(Uuid::new_v7(time))
}

/// The id of nobody.
#[must_use]
pub const fn nobody() -> ResidentId {
    ResidentId::from_uuid(Uuid::nil())
}

/// The bytes of the subject slot.
#[must_use]
pub fn subject(resident: Option<ResidentId>) -> Vec<u8> {
    resident.unwrap_or(nobody()).uuid().as_bytes().to_vec()
}

/// The resident that an entry is about; nobody's id where it is about nobody.
#[must_use]
pub fn about(entry: &Entry) -> Option<ResidentId> {
    let bytes = entry.slots.get(&SlotId::Subject)?;
    Uuid::from_slice(bytes).ok().map(ResidentId::from_uuid)
}

/// The asker slot: who called and what they wrote.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Asker {
    /// The person, as their agency names them.
    pub person: String,
    /// Free text by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub words: BTreeMap<String, String>,
}

/// The decision slot: what a decision rested on, enough to decide it again.
#[derive(Serialize, Deserialize)]
pub struct Recorded {
    /// As of when.
    pub as_of: Timestamp,
    /// The facts.
    pub facts: Facts,
    /// The full decision, as a data protection officer sees it.
    pub decision: serde_json::Value,
    /// What it leaves to be done; older entries say nothing of it.
    #[serde(default)]
    pub tasks: Tasks,
    /// How the asker is tied to the resident, kept for its review where an override was claimed; older entries
    /// say nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interests: Option<Interests>,
}

impl Call<'_> {
    /// The event of a writing call: derived from the request id where the caller gave one, fresh
    /// otherwise. A request id means nothing for another caller or another call.
    #[must_use]
    pub fn event(&self) -> DecisionId {
        let Some(request) = self.caller.request() else {
            return fresh_id(self.at);
        };
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"weir/request/1");
        context.update(&self.caller.principal());
        context.update(request.id().as_bytes());
        context.update(self.rpc.as_bytes());
        // A portal is one caller for all who are logged in: each of them has ids of their own.
        if let Some(resident) = self.caller.session() {
            context.update(b"session");
            context.update(resident.uuid().as_bytes());
            context.update(&self.caller.proxy().map_or([0; 16], |id| *id.uuid().as_bytes()));
        }
        let mut bytes = [0; 16];
        for (byte, from) in bytes.iter_mut().zip(context.finish().as_ref()) {
            *byte = *from;
        }
        DecisionId::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// An entry that is no decision. `request` must hold no free text.
    #[must_use]
    pub fn entry(
        &self,
        event: DecisionId,
        kind: Kind,
        facets: BTreeMap<Facet, String>,
        about: Option<ResidentId>,
        words: BTreeMap<String, String>,
        request: &serde_json::Value,
    ) -> Entry {
        let found = if kind == Kind::Query { padded(b"{}".to_vec()) } else { b"{}".to_vec() };
        self.with_slots(event, kind, facets, about, words, json(request), found)
    }

    /// The entry of a decision about `resident`.
    #[must_use]
    #[expect(clippy::too_many_arguments, reason = "an entry says all of it")]
    pub fn decision(
        &self,
        event: DecisionId,
        kind: Kind,
        book: &RuleBook,
        resident: ResidentId,
        ask: &Ask,
        gathered: Gathered,
        decision: &Decision,
        view: &View,
        tasks: Tasks,
    ) -> Entry {
        let Gathered { facts, interests } = gathered;
        let facets = decision_facets(book, &facts, ask, view);
        let interests = ask.override_claim.is_some().then_some(interests);
        let (ask, words) = apart(ask.clone());
        let request = json(&ask);
        let (told, fields) = (decision_json(decision), decision.fields.len());
        let recorded = Recorded { as_of: self.at, facts, decision: told, tasks, interests };
        let found = decision_slot(recorded, fields);
        self.with_slots(event, kind, facets, Some(resident), words, request, found)
    }

    /// The entry of a look for who knows `resident`; what was found is padded like a decision.
    #[must_use]
    pub fn located(
        &self,
        book: &RuleBook,
        resident: ResidentId,
        ask: Ask,
        facts: &Facts,
        (nobody, codes): (bool, &BTreeSet<Code>),
        found: &serde_json::Value,
    ) -> Entry {
        let mut facets = question_facets(book, &facts.requester.role, &ask);
        // Every holder was asked.
        facets.remove(&Facet::Holder);
        facets.insert(Facet::What, "locate".to_owned());
        let outcome = if nobody { Outcome::Deny } else { Outcome::Permit };
        facets.insert(Facet::Outcome, outcome.as_str().to_owned());
        if nobody {
            facets.insert(Facet::Codes, joined(codes.iter().map(|code| code.as_str())));
        }
        let (ask, words) = apart(ask);
        let (event, request) = (fresh_id(self.at), json(&ask));
        let about = Some(resident);
        self.with_slots(event, Kind::Query, facets, about, words, request, padded(json(found)))
    }

    /// The entry of a question that was not answered, because of `what`.
    #[must_use]
    pub fn unanswered(
        &self,
        book: &RuleBook,
        role: &RoleId,
        resident: ResidentId,
        ask: &Ask,
        what: &str,
    ) -> Entry {
        let mut facets = question_facets(book, role, ask);
        facets.insert(Facet::What, what.to_owned());
        let (ask, words) = apart(ask.clone());
        let request = json(&ask);
        let about = Some(resident);
        let (event, kind) = (fresh_id(self.at), Kind::TurnedAway);
        self.with_slots(event, kind, facets, about, words, request, b"{}".to_vec())
    }

    fn with_slots(
        &self,
        event: DecisionId,
        kind: Kind,
        facets: BTreeMap<Facet, String>,
        about: Option<ResidentId>,
        words: BTreeMap<String, String>,
        request: Vec<u8>,
        found: Vec<u8>,
    ) -> Entry {
        let mut asker = Asker { person: self.caller.person().as_str().to_owned(), words };
        if kind != Kind::TurnedAway
            && let Some(request) = self.caller.request()
        {
            asker.words.insert(MESSAGE.to_owned(), request.digest_text());
        }
        if let Some(proxy) = self.caller.proxy() {
            asker.words.insert(PROXY.to_owned(), proxy.to_string());
        }
        Entry {
            event,
            kind,
            rpc: self.rpc.to_owned(),
            call: self.id,
            part: 1,
            parts: 1,
            agency: Some(self.caller.agency().clone()),
            principal: self.caller.principal(),
            policy: self.policy,
            facets,
            slots: BTreeMap::from([
                (SlotId::Subject, subject(about)),
                (SlotId::Asker, json(&asker)),
                (SlotId::Request, request),
                (SlotId::Decision, found),
            ]),
        }
    }
}

/// Puts an ask together again from its slots, for a replay.
#[must_use]
pub fn recorded_ask(entry: &Entry) -> Option<Ask> {
    let ask: Ask = serde_json::from_slice(entry.slots.get(&SlotId::Request)?).ok()?;
    let asker: Asker = serde_json::from_slice(entry.slots.get(&SlotId::Asker)?).ok()?;
    Some(together(ask, asker.words))
}

/// What the decision of an entry rested on, for a replay.
#[must_use]
pub fn recorded(entry: &Entry) -> Option<Recorded> {
    serde_json::from_slice(entry.slots.get(&SlotId::Decision)?).ok()
}

/// Takes the free text out of an ask.
fn apart(mut ask: Ask) -> (Ask, BTreeMap<String, String>) {
    let mut words = BTreeMap::new();
    words.insert("reason".to_owned(), std::mem::take(&mut ask.reason));
    words.insert("case".to_owned(), std::mem::take(&mut ask.case_ref));
    for (name, text) in [
        ("threshold", &mut ask.threshold),
        ("notice", &mut ask.notice_ref),
        ("do-not-tell", &mut ask.do_not_tell),
    ] {
        if let Some(text) = text {
            words.insert(name.to_owned(), std::mem::take(text));
        }
    }
    if let Some(claim) = &mut ask.override_claim {
        for (question, answer) in &mut claim.answers {
            if let Answer::Text(text) = answer {
                words.insert(format!("answer:{question}"), std::mem::take(text));
            }
        }
    }
    (ask, words)
}

/// The reverse of [`apart`].
fn together(mut ask: Ask, mut words: BTreeMap<String, String>) -> Ask {
    ask.reason = words.remove("reason").unwrap_or_default();
    ask.case_ref = words.remove("case").unwrap_or_default();
    for (name, text) in [
        ("threshold", &mut ask.threshold),
        ("notice", &mut ask.notice_ref),
        ("do-not-tell", &mut ask.do_not_tell),
    ] {
        if let (Some(text), Some(written)) = (text.as_mut(), words.remove(name)) {
            *text = written;
        }
    }
    if let Some(claim) = &mut ask.override_claim {
        for (question, answer) in &mut claim.answers {
            if let Answer::Text(text) = answer {
                *text = words.remove(&format!("answer:{question}")).unwrap_or_default();
            }
        }
    }
    ask
}

/// What is asked of whom, in the words of the policy.
fn question_facets(book: &RuleBook, role: &RoleId, ask: &Ask) -> BTreeMap<Facet, String> {
    let word = |known: bool, word: &str| if known { word } else { UNKNOWN }.to_owned();
    let mut facets = BTreeMap::from([
        (Facet::Role, word(book.roles.contains_key(role), role.as_str())),
        (Facet::Purpose, word(book.purposes.contains_key(&ask.purpose), ask.purpose.as_str())),
        (Facet::Holder, word(book.agencies.contains_key(&ask.from), ask.from.as_str())),
        (Facet::Subjects, ask.subjects.to_string()),
    ]);
    if let Some(claim) = &ask.override_claim {
        let known = book.overrides.contains_key(&claim.kind);
        facets.insert(Facet::Override, word(known, claim.kind.as_str()));
    }
    facets
}

fn decision_facets(
    book: &RuleBook,
    facts: &Facts,
    ask: &Ask,
    view: &View,
) -> BTreeMap<Facet, String> {
    let mut facets = question_facets(book, &facts.requester.role, ask);
    let mut put = |facet, words: String| {
        if !words.is_empty() {
            facets.insert(facet, words);
        }
    };
    put(Facet::Outcome, view.outcome.as_str().to_owned());
    put(Facet::Codes, joined(view.codes.iter().map(|c| c.as_str())));
    put(Facet::Released, joined(view.released.iter().map(|(f, _)| field_word(book, f))));
    put(Facet::Withheld, joined(view.withheld.iter().map(|(f, _)| field_word(book, f))));
    let paths = || view.released.iter().map(|(_, path)| path);
    put(Facet::Rules, joined(paths().map(|p| p.rule.as_str())));
    put(Facet::Gateways, joined(paths().map(|p| p.gateway.as_str())));
    put(
        Facet::Agreements,
        joined(paths().filter_map(|p| p.agreement.as_ref().map(|a| a.as_str()))),
    );
    put(
        Facet::Bases,
        joined(paths().flat_map(|p| {
            std::iter::once(p.art6.as_str()).chain(p.conditions.iter().map(|c| c.as_str()))
        })),
    );
    put(Facet::Duties, joined(view.duties.iter().map(|d| d.as_str())));
    let grant = facts.grant.as_ref().map(|grant| grant.referral.to_string());
    put(Facet::Review, grant.unwrap_or_default());
    if view.duty_alarm {
        put(Facet::Alarm, "yes".to_owned());
    }
    facets
}

fn field_word<'a>(book: &RuleBook, field: &'a FieldId) -> &'a str {
    if book.fields.contains_key(field) { field.as_str() } else { UNKNOWN }
}

fn joined<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: BTreeSet<&str> = words.collect();
    words.into_iter().collect::<Vec<_>>().join("|")
}

fn decision_slot(mut recorded: Recorded, fields: usize) -> Vec<u8> {
    let least = (fields / FIELDS_IN_PAD + 1).saturating_mul(PAD);
    let mut slot = padded(json(&recorded));
    if slot.len() <= Entry::SLOT_LEN_MAX {
        slot.resize(slot.len().max(least.min(Entry::SLOT_LEN_MAX)), b' ');
        return slot;
    }
    // How rules fell short follows from the facts: it is the part that can be worked out again.
    if let Some(all) = recorded.decision.as_object_mut() {
        all.insert("shortfalls".to_owned(), "left out".into());
    }
    padded(json(&recorded))
}

fn decision_json(decision: &Decision) -> serde_json::Value {
    let codes =
        |codes: &BTreeSet<Code>| -> Vec<&str> { codes.iter().map(|c| c.as_str()).collect() };
    let fields: Vec<_> = decision
        .fields
        .iter()
        .map(|(field, outcome)| match outcome {
            FieldOutcome::Released(path) => serde_json::json!({
                "field": field, "rule": path.rule, "place": path.place,
                "gateway": path.gateway, "agreement": path.agreement, "override": path.override_used,
            }),
            FieldOutcome::Withheld(all) => serde_json::json!({
                "field": field, "codes": codes(all),
            }),
        })
        .collect();
    let shortfalls: Vec<_> = decision
        .shortfalls
        .iter()
        .flat_map(|(field, short)| short.iter().map(move |s| (field, s)))
        .map(|(field, s)| {
            let terms: BTreeMap<&str, Vec<&str>> =
                s.terms.iter().map(|(t, c)| (*t, codes(c))).collect();
            serde_json::json!({
                "field": field, "rule": s.rule, "terms": terms, "left": codes(&s.left),
            })
        })
        .collect();
    serde_json::json!({
        "outcome": decision.outcome.as_str(),
        "fields": fields,
        "codes": codes(&decision.codes),
        "beside": codes(&decision.beside),
        "duties": decision.duties.iter().map(|d| d.as_str()).collect::<Vec<_>>(),
        "duty_alarm": decision.duty_alarm,
        "closed": decision.closed,
        "expires_at": decision.expires_at,
        "shortfalls": shortfalls,
    })
}

fn padded(mut slot: Vec<u8>) -> Vec<u8> {
    slot.resize(slot.len().max(1).next_multiple_of(PAD), b' ');
    slot
}

/// Our own types with string keys: serialising them cannot fail.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OverrideClaim;

    fn ask() -> Ask {
        Ask {
            from: "oakdale-gp".parse().unwrap(),
            purpose: "direct_care".parse().unwrap(),
            fields: vec![],
            reason: "Aisha's asthma review".to_owned(),
            case_ref: "CASE-9".to_owned(),
            subjects: 1,
            basis: None,
            cites: None,
            threshold: Some("met for Aisha".to_owned()),
            notice_ref: None,
            received_for: None,
            do_not_tell: Some("risk from Aisha's uncle".to_owned()),
            override_claim: Some(OverrideClaim {
                kind: "VITAL".parse().unwrap(),
                answers: BTreeMap::from([
                    ("unable_to_consent".to_owned(), Answer::Flag(true)),
                    (
                        "immediate_risk".to_owned(),
                        Answer::Text("Aisha stopped breathing".to_owned()),
                    ),
                ]),
                asserted_at: None,
                approver: None,
                named: None,
            }),
        }
    }

    #[test]
    fn free_text_is_taken_out_and_put_back() {
        let (bare, words) = apart(ask());
        let request = String::from_utf8(json(&bare)).unwrap();
        assert!(!request.contains("Aisha"), "{request}");
        assert!(!request.contains("CASE-9"), "{request}");
        assert_eq!(together(bare, words), ask());
    }

    #[test]
    fn padding_reaches_a_multiple_and_still_parses() {
        for len in [0, 1, PAD - 1, PAD, PAD + 1] {
            let slot = padded(vec![b' '; len]);
            assert_eq!(slot.len() % PAD, 0);
            assert!(slot.len() >= PAD);
        }
        let slot = padded(b"{\"a\":1}".to_vec());
        let back: serde_json::Value = serde_json::from_slice(&slot).unwrap();
        assert_eq!(back["a"], 1);
    }

    #[test]
    fn an_id_carries_the_time_it_is_told() {
        let at: Timestamp = "2026-07-15T09:00:00Z".parse().unwrap();
        let (first, second) = (fresh_id(at), fresh_id(at));
        assert_ne!(first, second);
        let (seconds, _) = first.uuid().get_timestamp().unwrap().to_unix();
        assert_eq!(i64::try_from(seconds).unwrap(), at.as_second());
    }

    #[test]
    fn nobody_is_as_long_as_somebody() {
        let somebody = ResidentId::from_uuid(Uuid::from_u128(7));
        assert_eq!(subject(None).len(), subject(Some(somebody)).len());
        assert_ne!(subject(None), subject(Some(somebody)));
    }
}
