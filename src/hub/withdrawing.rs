//! "I withdraw my consent": a consent that is named, or all that somebody says by it about a purpose.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::entry::Call;
use super::new_choice::NewChoice;
use super::words::Words;
use super::{Beside, Hub, HubError, Violation};
use crate::audit::entry::{Facet, Kind};
use crate::auth::Caller;
use crate::consent::TakenBack;
use crate::consent::routing::{self, Routed, Speaker};
use crate::domain::{ChoiceEvent, DecisionId, PurposeId, ResidentId};
use crate::limits;
use crate::policy::PolicySnapshot;
use crate::policy::book::Told;
use crate::store::Receipt;

/// The word of the entry that says what became of the words.
const ROUTED: &str = "withdrawal";

/// What somebody takes back.
#[derive(Debug, Clone)]
pub struct PurposeWithdrawal {
    /// Whose consent.
    pub resident: ResidentId,
    /// For what.
    pub purpose: PurposeId,
    /// Who takes it back, and when.
    pub taken: TakenBack,
    /// The proxy who does; `None`: who gave it, where that is the same.
    pub proxy: Option<DecisionId>,
}

/// What became of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settled {
    /// The events that took consents back.
    pub withdrawn: Vec<DecisionId>,
    /// The objection that was recorded.
    pub objection: Option<DecisionId>,
    /// What the person is told, in English.
    pub en: String,
    /// And in Welsh.
    pub cy: String,
    /// The law under which sharing goes on.
    pub goes_on: BTreeSet<String>,
}

/// What the entry of a withdrawal says.
#[derive(Serialize, Deserialize)]
struct Request {
    purpose: PurposeId,
    by: String,
    channel: Option<String>,
    settled: Settled,
}

impl Hub {
    /// Takes back all consent for a purpose: consents end, an objection is recorded where the law has one, and
    /// the person is told what goes on all the same. All of it, or nothing.
    ///
    /// # Errors
    /// When the purpose is unknown, the policy has no words for the answer, the time is not sound, or the
    /// resident is not to be known.
    pub async fn withdraw_for_purpose(
        &self,
        caller: &Caller,
        said: PurposeWithdrawal,
    ) -> Result<(Settled, Receipt), HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.ChoiceService/WithdrawConsent";
        let call = self.call(rpc, caller, &policy, at);
        let beside = self.require_visible(&call, &policy, said.resident).await?;
        let mut words = Words::of(policy.book());
        words.purpose("purpose", &said.purpose);
        if said.taken.at.is_some_and(|time| time > at) {
            words.wrong("event_time", "must not be in the future");
        }
        words.done()?;
        if let Some(done) = self.done_before(&call).await? {
            return settled_before(done);
        }
        let mut routed = self.routed(&call, &beside, &said).await?;
        for (_, event) in &mut routed.ends {
            event.proxy = said.proxy.or(event.proxy);
            routed.unheard |= beside.evidenced(event, "proxy")?.is_some();
        }
        let (settled, choices) = settle(&call, &beside, &policy, &said, routed)?;
        let entry = {
            let request = Request {
                purpose: said.purpose,
                by: said.taken.by.to_string(),
                channel: said.taken.channel.map(|channel| channel.to_string()),
                settled: settled.clone(),
            };
            let facets = BTreeMap::from([(Facet::What, ROUTED.to_owned())]);
            let request = serde_json::to_value(&request).map_err(|_| HubError::Broken)?;
            let (id, about) = (call.event(), Some(said.resident));
            call.entry(id, Kind::Choice, facets, about, BTreeMap::new(), &request)
        };
        let made = match self.record_several(&call, entry, choices).await? {
            Ok(receipts) => match receipts.into_iter().next() {
                Some(receipt) => Ok((settled, receipt)),
                None => return Err(HubError::Broken),
            },
            Err(error) => Err(error),
        };
        self.once(&call, made, settled_before).await
    }

    async fn routed(
        &self,
        call: &Call<'_>,
        beside: &Beside<'_>,
        said: &PurposeWithdrawal,
    ) -> Result<Routed, HubError> {
        let stored = self.store.choices(said.resident).await?;
        let events: Vec<_> = stored.into_iter().map(|one| (one.id, one.event)).collect();
        let speaker = Speaker {
            taken: said.taken,
            born: beside.known.resident.as_ref().and_then(|registered| registered.born),
            capacity: beside.judge().capacity(&beside.known),
        };
        let routed = routing::route(beside.book, &said.purpose, &events, speaker, call.at);
        if routed.ends.len() > limits::WITHDRAWN_MAX { Err(HubError::TooMuch) } else { Ok(routed) }
    }
}

/// What was settled, and the choices to record of it.
fn settle(
    call: &Call<'_>,
    beside: &Beside<'_>,
    policy: &PolicySnapshot,
    said: &PurposeWithdrawal,
    routed: Routed,
) -> Result<(Settled, Vec<NewChoice>), HubError> {
    let Some(Told { en, cy }) = routing::told(policy.book(), &said.purpose, &routed) else {
        let what = "the policy in force has no words for what the person is to be told: name the \
                    consent instead (words/told.csv)";
        return Err(HubError::Invalid(vec![Violation::new("purpose", what)]));
    };
    let mut choices = Vec::new();
    let mut settled =
        Settled { withdrawn: Vec::new(), objection: None, en, cy, goes_on: routed.goes_on };
    for (_, event) in routed.ends {
        let id = super::entry::fresh_id(call.at);
        settled.withdrawn.push(id);
        choices.push(NewChoice::consent(call, beside, said.resident, id, event, None)?);
    }
    if let Some(choice) = routed.objection {
        let id = super::entry::fresh_id(call.at);
        settled.objection = Some(id);
        choices.push(NewChoice {
            id,
            resident: said.resident,
            what: choice.kind.to_string(),
            request: serde_json::to_value(&choice).map_err(|_| HubError::Broken)?,
            event: ChoiceEvent::Choice(choice),
            reason: None,
        });
    }
    Ok((settled, choices))
}

/// What the same call settled earlier.
fn settled_before(done: super::again::Done) -> Result<(Settled, Receipt), HubError> {
    let request: Request = done.request().ok_or(HubError::Broken)?;
    Ok((request.settled, done.receipt))
}
