//! Who may speak for a resident: put on record by a registrar who saw the evidence, ended by one, and listed with
//! what each may do now. Who they are stands in the log's sealed slot alone.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;

use super::entry::{Asker, Call, fresh_id};
use super::words::Words;
use super::{Beside, Hub, HubError, Violation};
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::auth::{Caller, HubFunction};
use crate::consent::proxy::{Halt, Powers, Proxy, Unbacked, Whom};
use crate::consent::proxy::{backed, disagreements, powers, proxies, stands};
use crate::domain::{
    AgencyId, ChoiceEvent, ConsentEvent, DecisionId, EvidenceId, Giver, ProxyGrant, PurposeId,
    ResidentId, Scope,
};
use crate::policy::PolicySnapshot;
use crate::store::{Receipt, StoredChoice};

/// Under which names who a proxy is stands in the log.
const NAME: &str = "name";
const CONTACT: &str = "contact";
const REFERENCE: &str = "reference";
const REASON: &str = "reason";

/// Who a proxy is. Never logged: kept in the sealed slot of the entry.
#[derive(Clone, Default)]
pub struct Party {
    /// Their name.
    pub name: String,
    /// How to reach them.
    pub contact: String,
    /// The reference that the evidence carries.
    pub reference: String,
}

/// A proxy to put on record.
pub struct NewProxy {
    /// For whom.
    pub resident: ResidentId,
    /// As whom.
    pub kind: Giver,
    /// Who.
    pub party: Party,
    /// What was seen.
    pub evidence: EvidenceId,
    /// When it was seen; `None`: today.
    pub seen: Option<Date>,
    /// First day; `None`: today.
    pub from: Option<Date>,
    /// Last day.
    pub until: Option<Date>,
    /// Which purposes; `None`: all.
    pub purposes: Option<BTreeSet<PurposeId>>,
    /// Which fields; `None`: all.
    pub fields: Option<Vec<Scope>>,
}

/// A proxy to end.
pub struct ProxyEnd {
    /// For whom.
    pub resident: ResidentId,
    /// The proxy.
    pub proxy: DecisionId,
    /// From when on; `None`: now.
    pub at: Option<Timestamp>,
    /// Why. May name people: never logged.
    pub reason: String,
}

/// A proxy as it stands.
pub struct ListedProxy {
    /// The proxy.
    pub proxy: Proxy,
    /// The agency that saw the evidence.
    pub recorded_by: AgencyId,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Who; `None`: not for the caller's agency.
    pub party: Option<Party>,
    /// Why they have no power now.
    pub halt: Option<Halt>,
    /// What they may do now.
    pub powers: Powers,
}

/// The proxies of a resident.
pub struct ListedProxies {
    /// In the order recorded, of the page only.
    pub proxies: Vec<ListedProxy>,
    /// There are more.
    pub more: bool,
    /// Parents who do not agree: the yes, then the no.
    pub disagreements: BTreeSet<(DecisionId, DecisionId)>,
    /// Proof that the look-up is recorded.
    pub receipt: Receipt,
}

impl Hub {
    /// Puts a proxy on record.
    ///
    /// # Errors
    /// When the caller is no registrar, a word is unknown, the policy knows no such evidence for the kind, the
    /// authority is over already, or the resident is not to be known.
    pub async fn grant_proxy(
        &self,
        caller: &Caller,
        new: NewProxy,
    ) -> Result<(DecisionId, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let call = self.call("weir.hub.v1.ChoiceService/GrantProxy", caller, &policy, at);
        let beside = self.require_keeper(&call, &policy, new.resident).await?;
        let today = beside.judge().today();
        let NewProxy { resident, kind, party, evidence, seen, from, until, purposes, fields } = new;
        let grant = ProxyGrant {
            kind,
            evidence,
            seen: seen.unwrap_or(today),
            from: from.unwrap_or(today),
            until,
            purposes,
            fields,
        };
        let mut words = Words::of(policy.book());
        check(&mut words, &policy, &grant, today);
        let proxy = Proxy { id: call.event(), grant: grant.clone(), ended: None };
        let born = beside.born();
        match stands(policy.book(), &proxy, born, beside.judge().recorded_death(&beside.known), at)
        {
            // What begins later, or narrows before it begins, may be on record before.
            Ok(_) | Err(Halt::NotYet | Halt::TooYoung | Halt::LastDay | Halt::NotInPolicy) => {}
            Err(Halt::Outgrown) => words.wrong("proxy.kind", "has no power over an adult"),
            Err(Halt::BirthUnknown) => {
                words.wrong("proxy.kind", "depends on a birth date, and none is known");
            }
            Err(Halt::Death) => words.wrong("resident", "has died: every proxy has ended"),
            Err(Halt::Ended) => return Err(HubError::Broken),
        }
        words.done()?;
        let facets = BTreeMap::from([(Facet::What, format!("proxy|{kind}|granted"))]);
        let texts = [(NAME, party.name), (CONTACT, party.contact), (REFERENCE, party.reference)];
        let event = ChoiceEvent::ProxyGranted(grant);
        self.record_proxy(&call, resident, facets, said(texts), event).await
    }

    /// Ends a proxy.
    ///
    /// # Errors
    /// When the caller is no registrar, there is no such proxy, it has ended, or the resident is not to be known.
    pub async fn end_proxy(&self, caller: &Caller, end: ProxyEnd) -> Result<Receipt, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let call = self.call("weir.hub.v1.ChoiceService/EndProxy", caller, &policy, at);
        let beside = self.require_keeper(&call, &policy, end.resident).await?;
        let on_record = proxies(&beside.known.choices);
        let Some(proxy) = on_record.into_iter().find(|proxy| proxy.id == end.proxy) else {
            return Err(self.nobody(&call, end.resident).await);
        };
        if let Some(done) = self.done_before(&call).await? {
            return Ok(done.receipt);
        }
        let from = end.at.unwrap_or(at);
        if from > at {
            return Err(wrong("end_time", "must not be in the future"));
        }
        // An earlier end than the one on record is a correction; a later one would revive it.
        if proxy.ended.is_some_and(|ended| ended <= from) {
            return Err(wrong("proxy", "is ended already"));
        }
        let facets = BTreeMap::from([(Facet::What, format!("proxy|{}|ended", proxy.grant.kind))]);
        let event = ChoiceEvent::ProxyEnded { of: end.proxy, at: from };
        let texts = said([(REASON, end.reason)]);
        Ok(self.record_proxy(&call, end.resident, facets, texts, event).await?.1)
    }

    /// Lists the proxies of a resident. The look-up is in the log before anything is read.
    ///
    /// # Errors
    /// When the resident is not to be known.
    pub async fn list_proxies(
        &self,
        caller: &Caller,
        resident: ResidentId,
        skip: usize,
        size: usize,
    ) -> Result<ListedProxies, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let call = self.call("weir.hub.v1.ChoiceService/ListProxies", caller, &policy, at);
        let beside = self.require_staff(&call, &policy, resident).await?;
        let facets = BTreeMap::from([(Facet::What, "proxies".to_owned())]);
        let (none, request) = (BTreeMap::new(), serde_json::json!({}));
        let about = Some(resident);
        let entry = call.entry(fresh_id(at), Kind::Query, facets, about, none, &request);
        let receipt = self.append_one(entry).await?;
        let stored = self.store.choices(resident).await?;
        if beside.is_closed() {
            return Err(HubError::NotFound);
        }
        let book = policy.book();
        let whom = Whom {
            born: beside.born(),
            died: beside.judge().died(&beside.known),
            capacity: beside.judge().capacity(&beside.known),
        };
        let events: Vec<_> = stored.iter().map(|one| (one.id, one.event.clone())).collect();
        let on_record = proxies(&events);
        let disagreements = if skip == 0 {
            let mut heard: Vec<ConsentEvent> = concerning(&stored, caller.agency()).collect();
            crate::consent::proxy::weigh(book, &on_record, &mut heard, whom.born, whom.died);
            disagreements(&heard)
        } else {
            BTreeSet::new()
        };
        let recorded: BTreeMap<DecisionId, &StoredChoice> =
            stored.iter().map(|one| (one.id, one)).collect();
        let more = on_record.len() > skip.saturating_add(size);
        let mut listed = Vec::new();
        for proxy in on_record.into_iter().skip(skip).take(size) {
            let Some(row) = recorded.get(&proxy.id) else { continue };
            let party = if row.recorded_by == *caller.agency() {
                let entry = self.store.entry(proxy.id).await?;
                entry.map(|stored| party(&stored.entry))
            } else {
                None
            };
            listed.push(ListedProxy {
                recorded_by: row.recorded_by.clone(),
                recorded_at: row.recorded_at,
                party,
                halt: stands(book, &proxy, whom.born, whom.died, at).err(),
                powers: powers(book, &proxy, whom, at),
                proxy,
            });
        }
        Ok(ListedProxies { proxies: listed, more, disagreements, receipt })
    }

    /// Lets through a registrar who may know of the resident.
    async fn require_keeper<'p>(
        &self,
        call: &Call<'_>,
        policy: &'p PolicySnapshot,
        resident: ResidentId,
    ) -> Result<Beside<'p>, HubError> {
        self.require(call, policy, HubFunction::Registrar).await?;
        let beside = self.known_beside(call, policy, resident).await?;
        if beside.is_closed() {
            return Err(self.nobody(call, resident).await);
        }
        Ok(beside)
    }

    async fn record_proxy(
        &self,
        call: &Call<'_>,
        resident: ResidentId,
        facets: BTreeMap<Facet, String>,
        texts: BTreeMap<String, String>,
        event: ChoiceEvent,
    ) -> Result<(DecisionId, Receipt), HubError> {
        if let Some(done) = self.done_before(call).await? {
            return Ok((done.receipt.event(), done.receipt));
        }
        let id = call.event();
        let request = serde_json::to_value(&event).map_err(|_| HubError::Broken)?;
        let entry = call.entry(id, Kind::Choice, facets, Some(resident), texts, &request);
        let choice = StoredChoice {
            id,
            recorded_by: call.caller.agency().clone(),
            recorded_at: call.at,
            event,
        };
        let made = self.store.record_choice(resident, choice, vec![entry]).await;
        let made = made.map(|receipts| receipts.into_iter().next());
        let receipt = self.once(call, made, |done| Ok(Some(done.receipt))).await?;
        Ok((id, receipt.ok_or(HubError::Broken)?))
    }
}

impl Beside<'_> {
    /// The birth date, where one is known.
    pub(super) fn born(&self) -> Option<Date> {
        self.known.resident.as_ref().and_then(|resident| resident.born)
    }

    /// Puts into an event of somebody other than the resident whether it rests on a proxy on record, and tells why
    /// it does not.
    ///
    /// # Errors
    /// When it names a proxy that is not on record, or one of another kind: that is a slip, and nothing is recorded.
    pub(super) fn evidenced(
        &self,
        event: &mut ConsentEvent,
        field: &str,
    ) -> Result<Option<Unbacked>, HubError> {
        if event.by == Giver::Own {
            event.proxy = None;
            return Ok(None);
        }
        let on_record = proxies(&self.known.choices);
        let died = self.judge().recorded_death(&self.known);
        let found = backed(self.book, &on_record, event, self.born(), died);
        event.evidence = found.is_ok();
        match found {
            Ok(()) => Ok(None),
            Err(why @ (Unbacked::Unknown | Unbacked::OtherKind)) => {
                Err(wrong(field, &why.to_string()))
            }
            Err(why) => Ok(Some(why)),
        }
    }
}

/// What is wrong with a grant, whoever the resident is.
fn check(words: &mut Words<'_>, policy: &PolicySnapshot, grant: &ProxyGrant, today: Date) {
    match policy.book().proxies.get(&grant.kind) {
        Some(rule) if !rule.evidence.contains(&grant.evidence) => {
            let known: Vec<&str> = rule.evidence.iter().map(EvidenceId::as_str).collect();
            let text =
                format!("proves nothing for this kind; the policy knows: {}", known.join(", "));
            words.wrong("proxy.evidence", &text);
        }
        Some(_) => {}
        None => words.wrong(
            "proxy.kind",
            "is not in the policy in force: it needs words/proxies.csv with a line for it",
        ),
    }
    if grant.seen > today {
        words.wrong("proxy.seen_date", "must not be in the future");
    }
    if grant.until.is_some_and(|until| until < grant.from) {
        words.wrong("proxy.end_date", "is before the first day");
    }
    if grant.until.is_some_and(|until| until < today) {
        words.wrong("proxy.end_date", "is past: there is nothing to put on record");
    }
    for (n, purpose) in grant.purposes.iter().flatten().enumerate() {
        words.purpose(&format!("proxy.purposes[{n}]"), purpose);
    }
    for (n, scope) in grant.fields.iter().flatten().enumerate() {
        words.scope(&format!("proxy.fields[{n}]"), scope);
    }
}

/// Consent events that the agency recorded or that name it.
fn concerning<'s>(
    stored: &'s [StoredChoice],
    agency: &'s AgencyId,
) -> impl Iterator<Item = ConsentEvent> + 's {
    stored.iter().filter_map(move |one| match &one.event {
        ChoiceEvent::Consent(event)
            if one.recorded_by == *agency || event.recipients.contains(agency) =>
        {
            Some(event.clone())
        }
        ChoiceEvent::Consent(_)
        | ChoiceEvent::Choice(_)
        | ChoiceEvent::Decided { .. }
        | ChoiceEvent::Lifted { .. }
        | ChoiceEvent::Stepped { .. }
        | ChoiceEvent::ProxyGranted(_)
        | ChoiceEvent::ProxyEnded { .. } => None,
    })
}

/// Texts by name, empty ones left out.
fn said<const N: usize>(texts: [(&str, String); N]) -> BTreeMap<String, String> {
    let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
    texts.map(|(name, text)| (name.to_owned(), text)).collect()
}

/// Who a proxy is, as far as the entry can be read.
fn party(entry: &Entry) -> Party {
    let asker = entry.slots.get(&SlotId::Asker);
    let asker: Option<Asker> = asker.and_then(|slot| serde_json::from_slice(slot).ok());
    let mut words = asker.map(|asker| asker.words).unwrap_or_default();
    let mut take = |name: &str| words.remove(name).unwrap_or_default();
    Party { name: take(NAME), contact: take(CONTACT), reference: take(REFERENCE) }
}

fn wrong(field: &str, what: &str) -> HubError {
    HubError::Invalid(vec![Violation::new(field, what)])
}
