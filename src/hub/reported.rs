//! What holders did not disclose outside the hub: a refusal or a silence is a decision too, and somebody
//! must look where the law commands what was not disclosed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;

use super::answer::Question;
use super::words::Words;
use super::{Hub, HubError};
use crate::audit::entry::{Facet, Kind};
use crate::auth::Caller;
use crate::domain::{Ask, Code, Facts};
use crate::policy::{Outcome, PathKind, PolicySnapshot};
use crate::store::Receipt;

/// A refusal or a silence outside the hub.
pub struct NonDisclosure {
    /// What was asked of whom; the reason is what the holder said.
    pub question: Question,
    /// When the holder was asked.
    pub asked: Date,
    /// True: refused. False: no answer.
    pub refused: bool,
}

/// What the law says of what was not disclosed, on one day.
struct Law {
    commanded: bool,
    codes: BTreeSet<Code>,
}

impl Hub {
    /// Records that a holder did not disclose, outside the hub; tells whether the law commands it, on the
    /// day on which the holder was asked or now.
    ///
    /// # Errors
    /// When a word is unknown, the day lies in the future, or the resident is not to be known.
    pub async fn report_non_disclosure(
        &self,
        caller: &Caller,
        report: NonDisclosure,
    ) -> Result<(bool, Receipt), HubError> {
        let at = self.clock.now();
        let rpc = "weir.hub.v1.SharingService/ReportNonDisclosure";
        let policy = self.policy_for(rpc, caller, at).await?;
        let book = policy.book();
        let call = self.call(rpc, caller, &policy, at);
        let Question { resident, ask, .. } = report.question;
        let beside = self.require_visible(&call, &policy, resident).await?;
        if let Some(done) = self.done_before(&call).await? {
            return Ok((done.alarm(), done.receipt));
        }
        let mut words = Words::of(book);
        words.agency("holder", &ask.from);
        words.purpose("purpose", &ask.purpose);
        if let Some(gateway) = &ask.cites {
            words.gateway("cited_gateway", gateway);
        }
        for (n, asked) in ask.fields.iter().enumerate() {
            words.scope(&format!("fields[{n}]"), &asked.0);
        }
        if report.asked > beside.judge().today() {
            words.wrong("asked_date", "must not be in the future");
        }
        words.done()?;
        let facts = self.facts_for(&call, &policy, resident, &ask).await?.facts;
        let then = end_of(report.asked, &policy).filter(|end| *end < at).unwrap_or(at);
        let (law_then, law_now) =
            (law(&policy, &ask, &facts, then)?, law(&policy, &ask, &facts, at)?);
        let alarm = law_then.commanded || law_now.commanded;
        let what = if report.refused { "refused" } else { "silent" };
        let mut facets = BTreeMap::from([
            (Facet::What, what.to_owned()),
            (Facet::Holder, ask.from.to_string()),
            (Facet::Purpose, ask.purpose.to_string()),
            (Facet::Outcome, Outcome::Deny.as_str().to_owned()),
        ]);
        if let Some(gateway) = &ask.cites {
            facets.insert(Facet::Gateways, gateway.to_string());
        }
        if alarm {
            facets.insert(Facet::Alarm, "yes".to_owned());
        }
        let fields: Vec<String> = ask.fields.iter().map(|asked| asked.0.to_string()).collect();
        let codes: Vec<&str> = law_now.codes.iter().map(|code| code.as_str()).collect();
        // The facts are kept as those of a decision are, so that somebody can look at the alarm later.
        let request = serde_json::json!({
            "fields": fields, "asked": report.asked.to_string(), "facts": facts,
            "commanded_then": law_then.commanded, "commanded_now": law_now.commanded,
            "codes": codes,
        });
        let mut words =
            BTreeMap::from([("reason".to_owned(), ask.reason), ("case".to_owned(), ask.case_ref)]);
        if let Some(threshold) = ask.threshold {
            words.insert("threshold".to_owned(), threshold);
        }
        let event = call.event();
        let entry = call.entry(event, Kind::Report, facets, Some(resident), words, &request);
        let made = self.store.append(vec![entry]).await;
        let receipt = self
            .once(&call, made, |done| Ok(vec![done.receipt]))
            .await?
            .into_iter()
            .find(|receipt| receipt.event() == event)
            .ok_or(HubError::Broken)?;
        Ok((alarm, receipt))
    }
}

/// The last moment of a day.
fn end_of(day: Date, policy: &PolicySnapshot) -> Option<Timestamp> {
    let next = day.tomorrow().ok()?.to_zoned(policy.book().place.zone.clone()).ok()?;
    Some(next.timestamp())
}

fn law(policy: &PolicySnapshot, ask: &Ask, facts: &Facts, at: Timestamp) -> Result<Law, HubError> {
    let decision = policy.decide(ask, facts, at);
    if let Some(fault) = &decision.fault {
        tracing::error!(fault, "The policy engine failed");
        return Err(HubError::Broken);
    }
    let view = policy.view(&decision, |_| true);
    let commanded = view.released.iter().any(|(_, path)| path.kind == PathKind::Duty);
    Ok(Law { commanded: commanded || view.duty_alarm, codes: view.codes })
}
