//! What an agency puts right or erases of what it keeps about a resident, and that everybody who received it
//! hears of it (UK GDPR Art 16, 17 and 19).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::entry::{Call, fresh_id};
use super::records::may_expire;
use super::requests::{ListedRequest, step_entry};
use super::words::Words;
use super::{Hub, HubError, Violation};
use crate::audit::entry::{Entry, Facet, Kind};
use crate::auth::{Caller, HubFunction};
use crate::domain::{
    CategoryId, DecisionId, ExemptionId, FieldId, FieldValue, NoticeKind, RequestKind, ResidentId,
    Scope,
};
use crate::limits;
use crate::policy::PolicySnapshot;
use crate::policy::book::ExemptionUse;
use crate::rights::requests::{Step, may};
use crate::rights::telling::Concern;
use crate::store::{LocalId, Receipt, ShelfRow};

/// The word of the entry that says that an agency has erased what it kept.
const ERASED: &str = "erased";

/// What is put right.
pub struct Correction {
    /// The request that asked for it, if one did.
    pub request: Option<DecisionId>,
    /// The caller's agency's own id for the resident.
    pub local_id: String,
    /// The category.
    pub category: CategoryId,
    /// The fields with what they say from now on; `None`: nothing any more. The others stay as they are.
    pub values: BTreeMap<FieldId, Option<FieldValue>>,
    /// From when on the record is released no more.
    pub expires: Timestamp,
    /// Why. May name people: never logged.
    pub reason: String,
}

/// What becomes of a request to erase.
pub struct Erasure {
    /// The request.
    pub request: DecisionId,
    /// Why nothing is erased; `None`: all that the caller's agency keeps is.
    pub kept_for: Option<ExemptionId>,
    /// What the resident is told.
    pub text: String,
}

/// It is done.
pub struct Rectified {
    /// How many agencies are told.
    pub told: usize,
    /// Proof that it is recorded.
    pub receipt: Receipt,
}

impl Hub {
    /// Puts right what the caller's agency keeps, and tells every agency that received the fields. The record
    /// and the notices are durable together.
    ///
    /// # Errors
    /// When the caller is no rights officer; [`HubError::NotFound`] when the agency knows nobody by that id, or
    /// is asked no such thing; when a word is unknown or nothing would be left.
    pub async fn rectify_record(
        &self,
        caller: &Caller,
        wish: Correction,
    ) -> Result<Rectified, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.RightsService/RectifyRecord";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::RightsOfficer).await?;
        let local = LocalId { agency: caller.agency().clone(), id: wish.local_id.clone() };
        let Some(resident) = self.store.resident_of(&local).await? else {
            return Err(self.turned_away(&call, HubError::NotFound).await);
        };
        if let Some(request) = wish.request {
            let asked = self.own_request(&call, &policy, request).await?;
            if asked.resident != resident || asked.kind != RequestKind::Rectify {
                return Err(wrong("request", "must be one to rectify, of the same resident"));
            }
        }
        if let Some(done) = self.done_before(&call).await? {
            return Ok(Rectified { told: told_in(&done.entry), receipt: done.receipt });
        }
        let mut words = Words::of(policy.book());
        words.published("category", &wish.category);
        for (n, field) in wish.values.keys().enumerate() {
            words.field_of(&format!("values[{n}].field"), &wish.category, field);
        }
        if !may_expire(at, wish.expires) {
            words.wrong("expire_time", "must be in the future, by no more than 400 days");
        }
        words.done()?;
        let categories = BTreeSet::from([wish.category.clone()]);
        let mut held = self.source.fetch(caller.agency(), resident, &categories).await?.values;
        for (field, value) in &wish.values {
            match value {
                Some(value) => held.insert(field.clone(), value.clone()),
                None => held.remove(field),
            };
        }
        if held.is_empty() {
            return Err(wrong("values", "would leave nothing: erase the record instead"));
        }
        let fields: BTreeSet<FieldId> = wish.values.keys().cloned().collect();
        let event = call.event();
        let concern = concern(caller, fields.clone());
        let (notices, told, late) =
            self.notices_about(&call, resident, event, NoticeKind::Correction, concern).await?;
        let mut facets = BTreeMap::from([
            (Facet::What, format!("rectified|{}", wish.category)),
            (Facet::Holder, caller.agency().to_string()),
            (Facet::Count, told.to_string()),
        ]);
        facets.extend(wish.request.map(|request| (Facet::Review, request.to_string())));
        let note = serde_json::json!({ "fields": fields });
        let words = BTreeMap::from([("reason".to_owned(), wish.reason)]);
        let own = call.entry(event, Kind::Rights, facets, Some(resident), words, &note);
        let entries = [vec![own], notices].concat();
        // The agency may know them under several ids: what is wrong must stand under none of them.
        let ids = self.store.local_ids(resident).await?;
        let own = ids.into_iter().filter(|local| local.agency == *caller.agency());
        let values: Vec<_> = held.into_iter().collect();
        let rows = own.map(|local| ShelfRow { local_id: local.id, values: values.clone() });
        let holder = caller.agency().clone();
        let (rows, times) = (rows.collect(), (at, wish.expires));
        let made = self.store.shelve(holder, wish.category, rows, times, entries).await;
        let made = made.map(|(_, receipts)| receipts.into_iter().next());
        let receipt = self.once(&call, made, |done| Ok(Some(done.receipt))).await?;
        let receipt = receipt.ok_or(HubError::Broken)?;
        self.tell_the_late(&call, resident, event, &late).await?;
        Ok(Rectified { told, receipt })
    }

    /// Erases what the caller's agency keeps about who asked for it, or says why not; either way the request is
    /// answered. Every agency that received something is told. What the hub itself must keep, the log and the
    /// identity that other agencies need, stays.
    ///
    /// # Errors
    /// When the caller is no rights officer; [`HubError::NotFound`] when the agency is asked no such thing;
    /// [`HubError::Held`] while a legal hold is on the resident.
    pub async fn erase_held(&self, caller: &Caller, wish: Erasure) -> Result<Rectified, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.RightsService/EraseResident";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::RightsOfficer).await?;
        let asked = self.own_request(&call, &policy, wish.request).await?;
        if let Some(done) = self.done_before(&call).await? {
            if done.entry.words(Facet::What).next() == Some(ERASED) {
                self.unlink_own(&call, &asked).await?;
            }
            return Ok(Rectified { told: told_in(&done.entry), receipt: done.receipt });
        }
        if asked.kind != RequestKind::Erase {
            return Err(wrong("request", "must be one to erase"));
        }
        let mut words = Words::of(policy.book());
        if let Some(why) = &wish.kept_for {
            words.exemption("exemption", why, ExemptionUse::Erase);
        }
        let rule = policy.book().requests.get(&asked.kind).copied();
        let today = at.to_zoned(policy.book().place.zone.clone()).date();
        let late =
            rule.is_none_or(|rule| may(&rule, &asked.standing, today, Step::Answered).is_err());
        if late {
            words.wrong("request", "is answered");
        }
        words.done()?;
        match wish.kept_for.clone() {
            Some(why) => self.keep_held(&call, &asked, &why, wish).await,
            None => self.erase_now(&call, &policy, &asked, wish).await,
        }
    }

    async fn keep_held(
        &self,
        call: &Call<'_>,
        asked: &ListedRequest,
        why: &ExemptionId,
        wish: Erasure,
    ) -> Result<Rectified, HubError> {
        let own = decided(call, asked, &format!("kept|{why}"), 0, wish.text.clone());
        let step = step_entry(call, fresh_id(call.at), asked, Step::Answered, wish.text);
        let made = self.store.append(vec![own, step]).await;
        let made = made.map(|receipts| receipts.into_iter().next());
        let receipt = self.once(call, made, |done| Ok(Some(done.receipt))).await?;
        Ok(Rectified { told: 0, receipt: receipt.ok_or(HubError::Broken)? })
    }

    async fn erase_now(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        asked: &ListedRequest,
        wish: Erasure,
    ) -> Result<Rectified, HubError> {
        let (resident, holder) = (asked.resident, call.caller.agency());
        let holds = self.store.holds(limits::HOLDS_MAX).await?;
        // More than can be looked at: one may be on this resident.
        if holds.len() >= limits::HOLDS_MAX || holds.iter().any(|hold| hold.resident == resident) {
            let request = serde_json::json!({ "request": asked.id.to_string() });
            return Err(self
                .turned_away_with(call, HubError::Held, Some(resident), &request)
                .await);
        }
        let held = self.all_held(policy, holder, resident).await?;
        let mut categories: BTreeMap<CategoryId, BTreeSet<FieldId>> = BTreeMap::new();
        for field in held.values.keys() {
            if let Some(about) = policy.book().fields.get(field) {
                categories.entry(about.category.clone()).or_default().insert(field.clone());
            }
        }
        let ids = self.store.local_ids(resident).await?;
        let own = ids.into_iter().filter(|local| local.agency == *holder);
        let local_ids: Vec<String> = own.map(|local| local.id).collect();
        let event = call.event();
        let (last, mut told_count) = (categories.pop_last(), 0);
        // Each category is a change of its own, with the notices to who received of it; the decision goes with the
        // last. An erasure that was cut off is not said to be done, and goes on when it is said again.
        for (category, fields) in categories {
            let id = fresh_id(call.at);
            let facets = BTreeMap::from([
                (Facet::What, format!("erasing|{category}")),
                (Facet::Holder, holder.to_string()),
                (Facet::Review, asked.id.to_string()),
            ]);
            let note = serde_json::json!({ "request": asked.id.to_string() });
            let none = BTreeMap::new();
            let entry = call.entry(id, Kind::Rights, facets, Some(resident), none, &note);
            let about = concern(call.caller, fields);
            let (notices, told, late) =
                self.notices_about(call, resident, id, NoticeKind::Erasure, about).await?;
            told_count = told_count.max(told);
            let entries = [vec![entry], notices].concat();
            let ids = local_ids.clone();
            self.store.retract(holder.clone(), category, ids, entries).await?;
            self.tell_the_late(call, resident, id, &late).await?;
        }
        let about = concern(call.caller, last.iter().flat_map(|(_, all)| all.clone()).collect());
        let (notices, told, late) =
            self.notices_about(call, resident, event, NoticeKind::Erasure, about).await?;
        let told = told_count.max(told);
        let text = wish.text.clone();
        let step = step_entry(call, fresh_id(call.at), asked, Step::Answered, text);
        let own_entry = decided(call, asked, ERASED, told, wish.text);
        let entries = [vec![own_entry, step], notices].concat();
        let made = match last {
            Some((category, _)) => {
                let gone = self.store.retract(holder.clone(), category, local_ids, entries).await;
                gone.map(|(_, receipts)| receipts.into_iter().next())
            }
            None => self.store.append(entries).await.map(|receipts| receipts.into_iter().next()),
        };
        let receipt = self.once(call, made, |done| Ok(Some(done.receipt))).await?;
        let receipt = receipt.ok_or(HubError::Broken)?;
        self.tell_the_late(call, resident, event, &late).await?;
        self.unlink_own(call, asked).await?;
        Ok(Rectified { told, receipt })
    }

    /// The agency does not know them any more; what is left of the link would say that it does.
    async fn unlink_own(&self, call: &Call<'_>, asked: &ListedRequest) -> Result<(), HubError> {
        let (resident, holder) = (asked.resident, call.caller.agency());
        for local in self.store.local_ids(resident).await? {
            if local.agency != *holder {
                continue;
            }
            let facets = BTreeMap::from([
                (Facet::What, "unlinked".to_owned()),
                (Facet::Holder, holder.to_string()),
            ]);
            let (id, none) = (fresh_id(call.at), BTreeMap::new());
            let note = serde_json::json!({ "request": asked.id.to_string() });
            let entry = call.entry(id, Kind::Hold, facets, Some(resident), none, &note);
            self.store.unlink(local, entry).await?;
        }
        Ok(())
    }
}

/// Who received fields from the caller's agency.
fn concern(caller: &Caller, fields: BTreeSet<FieldId>) -> Concern {
    let fields = Some(fields.into_iter().map(Scope::Field).collect());
    Concern { holder: Some(caller.agency().clone()), fields, ..Concern::default() }
}

/// The entry of a decision about a request.
fn decided(call: &Call<'_>, asked: &ListedRequest, what: &str, told: usize, text: String) -> Entry {
    let facets = BTreeMap::from([
        (Facet::What, what.to_owned()),
        (Facet::Holder, call.caller.agency().to_string()),
        (Facet::Review, asked.id.to_string()),
        (Facet::Count, told.to_string()),
    ]);
    let note = serde_json::json!({ "request": asked.id.to_string() });
    let words = BTreeMap::from([("text".to_owned(), text)]);
    let about: Option<ResidentId> = Some(asked.resident);
    call.entry(call.event(), Kind::Rights, facets, about, words, &note)
}

fn told_in(entry: &Entry) -> usize {
    entry.words(Facet::Count).next().and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn wrong(field: &str, what: &str) -> HubError {
    HubError::Invalid(vec![Violation::new(field, what)])
}
