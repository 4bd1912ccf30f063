//! Copies for residents of what agencies keep about them (UK GDPR Art 15). A rights officer of each agency looks
//! at its own records; what they settled goes out, and nothing that they have not seen. The entry is in the log
//! before anything goes out.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::choices::as_they_stand;
use super::entry::{Call, about, subject};
use super::requests::ListedRequest;
use super::tracker::{Doing, SeenRelease};
use super::words::Words;
use super::{Hub, HubError, Violation};
use crate::audit::entry::{Facet, Kind, SlotId};
use crate::auth::{Caller, HubFunction};
use crate::disclose::{Disclosure, Label, Needles, Treatment};
use crate::domain::{
    AgencyId, CategoryId, DecisionId, ExemptionId, FieldId, FieldValue, FlagId, PurposeId, Record,
    RequestKind, ResidentId,
};
use crate::limits;
use crate::policy::PolicySnapshot;
use crate::policy::book::{ExemptionUse, Field, RuleBook, Sight, Told};
use crate::rights;
use crate::rights::access::{self, ReviewKey, Reviewed, SubjectCopy};
use crate::rights::requests::Step;
use crate::store::{ChoiceEvent, Receipt, Resident, Search, StoredChoice};

/// The word of an entry in which a reviewer settles what of their agency's records a copy gives.
const REVIEWED: &str = "access-review";

/// A value that the caller's agency keeps, as a reviewer sees it.
pub struct DraftItem {
    /// The field.
    pub field: FieldId,
    /// The value.
    pub value: FieldValue,
    /// Why it is left out as things stand; `None`: it is given.
    pub left: Option<ExemptionId>,
    /// A reviewer has looked at this value.
    pub seen: bool,
}

/// What the caller's agency keeps about who asked.
pub struct Draft {
    /// By field.
    pub items: Vec<DraftItem>,
    /// Proof that the look is recorded.
    pub receipt: Receipt,
}

/// What a reviewer settles.
pub struct ReviewingAccess {
    /// The request.
    pub request: DecisionId,
    /// Against the policy's word: why a field is left out; `None`: it is given.
    pub said: BTreeMap<FieldId, Option<ExemptionId>>,
    /// Why. May name people: never logged.
    pub reason: String,
}

/// How many fields a review gives and leaves out.
pub struct SettledAccess {
    /// Given.
    pub given: usize,
    /// Left out.
    pub left: usize,
    /// Proof that it is recorded.
    pub receipt: Receipt,
}

/// A part of a copy.
pub enum CopyPart {
    /// Who it is about, as the hub's index knows them; nothing where there is nobody to be known.
    About {
        /// When the copy was made.
        at: Timestamp,
        /// Who.
        resident: Option<Box<Resident>>,
        /// What residents should know of their rights.
        notice: Option<Told>,
    },
    /// A value that an agency keeps.
    Value {
        /// The agency.
        holder: Told,
        /// The category.
        category: Told,
        /// The field.
        field: FieldId,
        /// What it says.
        value: FieldValue,
        /// What was done to it.
        labels: BTreeSet<Label>,
    },
    /// Something that is left out, where the resident is told so.
    LeftOut {
        /// The agency.
        holder: Told,
        /// Why.
        reason: Told,
        /// The law, as it is cited.
        law: String,
        /// What about.
        categories: Vec<Told>,
    },
    /// A choice of the resident.
    Choice(ResidentId, Box<StoredChoice>),
    /// Who received what about them.
    Released(Box<SeenRelease>),
    /// That was all of it.
    End {
        /// Parts before this one.
        parts: u64,
        /// Proof that it is recorded.
        receipt: Receipt,
    },
}

/// One agency's part while it is put together.
struct OwnPart {
    holder: AgencyId,
    copy: SubjectCopy,
    disclosure: Disclosure,
}

impl Hub {
    /// What the caller's agency keeps about who asked for a copy, with what would be left out.
    ///
    /// # Errors
    /// When the caller is no rights officer, or their agency is asked for no such copy.
    pub async fn subject_access_draft(
        &self,
        caller: &Caller,
        request: DecisionId,
    ) -> Result<Draft, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.RightsService/GetSubjectAccess";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::RightsOfficer).await?;
        let asked = self.asked_for_copy(&call, &policy, request).await?;
        let facets = BTreeMap::from([
            (Facet::What, "access-draft".to_owned()),
            (Facet::Holder, caller.agency().to_string()),
            (Facet::Review, request.to_string()),
        ]);
        let note = serde_json::json!({ "request": request.to_string() });
        let (id, none) = (super::entry::fresh_id(at), BTreeMap::new());
        let entry = call.entry(id, Kind::Rights, facets, Some(asked.resident), none, &note);
        let receipt = self.append_one(entry).await?;
        let held = self.all_held(&policy, caller.agency(), asked.resident).await?;
        let before = self.review_of(asked.resident, request, caller.agency(), None).await?;
        let before = before.unwrap_or_default();
        let key = self.review_key(request);
        let seen_now = access::of_review(policy.book(), &before, &held, &BTreeSet::new(), &key);
        let mut len = 0_usize;
        let mut items = Vec::with_capacity(held.values.len());
        for (field, value) in held.values {
            len = len.saturating_add(value.expose().len());
            let seen = !seen_now.unseen().contains(&field);
            let left = match before.fields.get(&field) {
                Some(item) if seen => item.left.clone(),
                Some(_) | None => access::by_default(policy.book(), &field).cloned(),
            };
            items.push(DraftItem { field, value, left, seen });
        }
        if len > limits::REPLY_VALUES_LEN_MAX {
            return Err(HubError::TooMuch);
        }
        Ok(Draft { items, receipt })
    }

    /// Settles what of the caller's agency's records a copy gives: all that is held now, by the policy's word
    /// unless said otherwise.
    ///
    /// # Errors
    /// When the caller is no rights officer, their agency is asked for no such copy, or a field or reason is
    /// unknown or not held.
    pub async fn review_subject_access(
        &self,
        caller: &Caller,
        wish: ReviewingAccess,
    ) -> Result<SettledAccess, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.RightsService/ReviewSubjectAccess";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::RightsOfficer).await?;
        let asked = self.asked_for_copy(&call, &policy, wish.request).await?;
        let count = |reviewed: &Reviewed, receipt| {
            let left = reviewed.fields.values().filter(|item| item.left.is_some()).count();
            SettledAccess { given: reviewed.fields.len() - left, left, receipt }
        };
        if let Some(done) = self.done_before(&call).await? {
            let reviewed = review_in(&done.entry).ok_or(HubError::Broken)?;
            return Ok(count(&reviewed, done.receipt));
        }
        let held = self.all_held(&policy, caller.agency(), asked.resident).await?;
        said_of(&policy, &held, &wish.said)?;
        let key = self.review_key(wish.request);
        let reviewed = access::settled(policy.book(), &held, &wish.said, &key);
        let facets = BTreeMap::from([
            (Facet::What, REVIEWED.to_owned()),
            (Facet::Holder, caller.agency().to_string()),
            (Facet::Review, wish.request.to_string()),
        ]);
        let note = serde_json::json!({ "reviewed": reviewed });
        let words = BTreeMap::from([("reason".to_owned(), wish.reason)]);
        let about = Some(asked.resident);
        let entry = call.entry(call.event(), Kind::Rights, facets, about, words, &note);
        let made = self.store.append(vec![entry]).await;
        let made = made.map(|receipts| receipts.into_iter().next());
        let receipt = self.once(&call, made, |done| Ok(Some(done.receipt))).await?;
        Ok(count(&reviewed, receipt.ok_or(HubError::Broken)?))
    }

    /// The copy: to the resident who is logged in what every agency that answered has settled, with their own
    /// choices and who received what; to a rights officer the own part of their agency, for who is not reached
    /// through a portal. Agencies whose name tells something by itself give theirs in this second way only.
    ///
    /// # Errors
    /// When the caller is neither; [`HubError::NotFound`] when there is no such request; [`HubError::TooMuch`]
    /// above [`limits::SUBJECT_COPY_LEN_MAX`] bytes of values.
    pub async fn export_subject_access(
        &self,
        caller: &Caller,
        request: DecisionId,
    ) -> Result<Vec<CopyPart>, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.RightsService/ExportSubjectAccess";
        let call = self.call(rpc, caller, &policy, at);
        if caller.session().is_some() {
            let resident = self.require_session(&call, &policy, Doing::Asking).await?;
            return self.copy_for_resident(&call, &policy, resident, request).await;
        }
        self.require(&call, &policy, HubFunction::RightsOfficer).await?;
        let asked = self.asked_for_copy(&call, &policy, request).await?;
        let beside = self.known_beside(&call, &policy, asked.resident).await?;
        let flags = beside.judge().flags(&beside.known);
        let holder = caller.agency().clone();
        let mine = self.store.local_ids(asked.resident).await?;
        let known = mine.iter().any(|local| local.agency == holder) && !beside.is_closed();
        let place = (asked.resident, request, None);
        let part = self.part_of(&policy, &flags, place, holder).await?;
        let part = part.ok_or_else(|| wrong("request", "has not been reviewed by your agency"))?;
        // Who the index knows is told to an agency that knows them.
        let who = beside.known.resident.filter(|_| known);
        self.copied(&call, &policy, asked.resident, who, vec![part], Vec::new()).await
    }

    async fn copy_for_resident(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        resident: ResidentId,
        request: DecisionId,
    ) -> Result<Vec<CopyPart>, HubError> {
        let all = self.requests_of(call, policy, resident).await?;
        let asked = all.into_iter().find(|one| one.id == request);
        let Some(asked) = asked.filter(|one| one.kind == RequestKind::Access) else {
            return Err(self.nobody(call, resident).await);
        };
        let before = self.closed_since(call, policy, resident).await?;
        let beside = self.known_beside(call, policy, resident).await?;
        let flags = beside.judge().flags(&beside.known);
        // Whoever holds the login of somebody who is hidden sees what they saw before, and nothing since.
        let then = |at: Timestamp| before.is_none_or(|since| at < since);
        let slot = Some((SlotId::Subject, subject(Some(resident))));
        let said = self.steps(Search { slot, ..Search::default() }).await?;
        let answered = said.get(&request).into_iter().flatten();
        let answered = answered.filter(|one| one.step == Step::Answered && then(one.at));
        let holders: BTreeSet<AgencyId> = answered
            .map(|one| one.agency.clone())
            .filter(|one| !rights::is_hidden(policy.book(), one))
            .filter(|one| asked.agency.as_ref().is_none_or(|agency| agency == one))
            .collect();
        let choices = as_they_stand(self.store.choices(resident).await?);
        let shown = choices
            .into_iter()
            .filter(|choice| then(choice.recorded_at) && shows(policy.book(), choice));
        let mut more: Vec<CopyPart> =
            shown.map(|choice| CopyPart::Choice(resident, Box::new(choice))).collect();
        let released = self.seen_by(call, policy, resident).await?;
        more.extend(released.into_iter().map(|one| CopyPart::Released(Box::new(one))));
        let mut parts = Vec::new();
        for holder in holders {
            let place = (resident, request, before);
            parts.extend(self.part_of(policy, &flags, place, holder).await?);
        }
        // Who they are they know; who is hidden may have another name by now.
        self.copied(call, policy, resident, None, parts, more).await
    }

    /// Enters the copy in the log, and then gives it.
    async fn copied(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        resident: ResidentId,
        who: Option<Resident>,
        parts: Vec<OwnPart>,
        more: Vec<CopyPart>,
    ) -> Result<Vec<CopyPart>, HubError> {
        let book = policy.book();
        let words = |all: BTreeSet<String>| all.into_iter().collect::<Vec<_>>().join("|");
        let mut facets = BTreeMap::from([(Facet::What, "copy".to_owned())]);
        let mut out = vec![CopyPart::About {
            at: call.at,
            resident: who.map(Box::new),
            notice: book.telling.copy.clone(),
        }];
        let (mut released, mut holders, mut len) = (BTreeSet::new(), BTreeSet::new(), 0_usize);
        for part in parts {
            holders.insert(part.holder.to_string());
            for value in part.values(book) {
                if let CopyPart::Value { field, value, .. } = &value {
                    released.insert(field.to_string());
                    len = len.saturating_add(value.expose().len());
                }
                out.push(value);
            }
        }
        if len > limits::SUBJECT_COPY_LEN_MAX {
            return Err(self.turned_away(call, HubError::TooMuch).await);
        }
        out.extend(more);
        for (facet, all) in [(Facet::Holder, holders), (Facet::Released, released)] {
            if !all.is_empty() {
                facets.insert(facet, words(all));
            }
        }
        let parts = u64::try_from(out.len()).unwrap_or(u64::MAX);
        let note = serde_json::json!({ "parts": parts });
        let (id, none) = (super::entry::fresh_id(call.at), BTreeMap::new());
        let entry = call.entry(id, Kind::Rights, facets, Some(resident), none, &note);
        let receipt = self.append_one(entry).await?;
        out.push(CopyPart::End { parts, receipt });
        Ok(out)
    }

    /// What one agency's review gives now, the last one before a time; `None`: it has not been reviewed.
    async fn part_of(
        &self,
        policy: &PolicySnapshot,
        flags: &BTreeSet<FlagId>,
        (resident, request, before): (ResidentId, DecisionId, Option<Timestamp>),
        holder: AgencyId,
    ) -> Result<Option<OwnPart>, HubError> {
        let Some(reviewed) = self.review_of(resident, request, &holder, before).await? else {
            return Ok(None);
        };
        let book = policy.book();
        let held = self.all_held(policy, &holder, resident).await?;
        let copy = access::of_review(book, &reviewed, &held, flags, &self.review_key(request));
        // What is not given must not be read out of what is: other people whoever holds them, and what this
        // agency leaves out.
        let hides_places = access::hides_places(book, flags);
        let hidden: BTreeSet<FieldId> = book
            .fields
            .iter()
            .filter(|(_, about)| about.third_party || (hides_places && about.location))
            .map(|(field, _)| field.clone())
            .collect();
        let given: BTreeSet<&str> = held
            .values
            .iter()
            .filter(|(field, _)| copy.gives(field))
            .map(|(_, value)| value.expose())
            .collect();
        let mut withheld = self.source.all_values(resident, &hidden).await?;
        withheld.retain(|value| !given.contains(value.expose()));
        let reason_told = |field: &FieldId| {
            let why = copy.left().get(field)?;
            Some(book.exemptions.get(why).is_some_and(|reason| reason.told))
        };
        let of = |wanted: bool| -> Vec<FieldValue> {
            let all = held.values.iter();
            let all = all.filter(|(field, _)| reason_told(field) == Some(wanted));
            all.map(|(_, value)| value.clone()).collect()
        };
        withheld.extend(of(true));
        let silent = of(false);
        let given_anyway = |about: &Field| about.third_party || about.location;
        let treatment = Treatment {
            needles: Needles::of(&withheld),
            silent: Needles::of(&silent),
            hides_places,
            let_out: book
                .fields
                .iter()
                .filter(|(field, about)| given_anyway(about) && copy.gives(field))
                .map(|(field, _)| field.clone())
                .collect(),
            ..Treatment::default()
        };
        let disclosure = Disclosure::to_subject(held, &copy).treated(&treatment);
        Ok(Some(OwnPart { holder, copy, disclosure }))
    }

    /// A request for a copy that the caller's agency is asked.
    async fn asked_for_copy(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        request: DecisionId,
    ) -> Result<ListedRequest, HubError> {
        let asked = self.own_request(call, policy, request).await?;
        if asked.kind == RequestKind::Access {
            Ok(asked)
        } else {
            Err(wrong("request", "must be one for access"))
        }
    }

    /// What values of one request are known again by.
    fn review_key(&self, request: DecisionId) -> ReviewKey {
        ReviewKey::new(&self.store.blind("access-review", &[request.uuid().as_bytes()]))
    }

    /// The latest review of an agency, or the latest before a time.
    async fn review_of(
        &self,
        resident: ResidentId,
        request: DecisionId,
        holder: &AgencyId,
        before: Option<Timestamp>,
    ) -> Result<Option<Reviewed>, HubError> {
        let search = Search {
            kinds: vec![Kind::Rights],
            slot: Some((SlotId::Subject, subject(Some(resident)))),
            facets: vec![
                (Facet::What, REVIEWED.to_owned()),
                (Facet::Holder, holder.to_string()),
                (Facet::Review, request.to_string()),
            ],
            until: before,
            ..Search::default()
        };
        let (found, _) = self.all_of(search).await?;
        let last = found.into_iter().rfind(|one| about(&one.entry) == Some(resident));
        last.map(|one| review_in(&one.entry).ok_or(HubError::Broken)).transpose()
    }

    /// All that an agency keeps about a resident.
    pub(super) async fn all_held(
        &self,
        policy: &PolicySnapshot,
        holder: &AgencyId,
        resident: ResidentId,
    ) -> Result<Record, HubError> {
        let all: BTreeSet<CategoryId> = policy.book().categories.keys().cloned().collect();
        Ok(self.source.fetch(holder, resident, &all).await?)
    }
}

impl OwnPart {
    /// What goes out of it, by field, and then what the resident is told is left out.
    fn values(mut self, book: &RuleBook) -> Vec<CopyPart> {
        let holder = rights::agency_told(book, &self.holder);
        let category = |field: &FieldId| {
            let about = book.fields.get(field)?;
            book.telling.categories.get(&about.category).cloned()
        };
        let fields: Vec<FieldId> =
            book.fields.keys().filter(|field| self.copy.gives(field)).cloned().collect();
        let mut out = Vec::new();
        for field in fields {
            let labels = self.disclosure.labels(&field);
            let value = self.disclosure.take(&field);
            if let (Some(value), Some(category)) = (value, category(&field)) {
                let holder = holder.clone();
                out.push(CopyPart::Value { holder, category, field, value, labels });
            }
        }
        // An agency of which nothing is given leaves no line: that it knows the resident may be what must not
        // be seen.
        if out.is_empty() {
            return out;
        }
        for (why, categories) in self.copy.told(book) {
            let Some(reason) = book.exemptions.get(&why) else { continue };
            let told = |category| book.telling.categories.get(category).cloned();
            out.push(CopyPart::LeftOut {
                holder: holder.clone(),
                reason: reason.words.clone(),
                law: reason.law.clone(),
                categories: categories.iter().filter_map(told).collect(),
            });
        }
        out
    }
}

/// Whether a choice is shown where somebody else may look on: not one that names an agency whose name tells
/// something, or a purpose that is sealed.
fn shows(book: &RuleBook, choice: &StoredChoice) -> bool {
    let (agencies, purposes): (Vec<&AgencyId>, Vec<&PurposeId>) = match &choice.event {
        ChoiceEvent::Consent(consent) => {
            (consent.recipients.iter().collect(), consent.purposes.iter().collect())
        }
        ChoiceEvent::Choice(choice) => (Vec::new(), choice.purpose.iter().collect()),
        // What became of choices stands in them; who may speak for the resident is another person's data.
        ChoiceEvent::Decided { .. }
        | ChoiceEvent::Lifted { .. }
        | ChoiceEvent::Stepped { .. }
        | ChoiceEvent::ProxyGranted(_)
        | ChoiceEvent::ProxyEnded { .. } => return false,
    };
    let sealed = |purpose: &PurposeId| {
        let rule = book.visibility.purposes.get(purpose);
        rule.is_none_or(|rule| rule.sight == Sight::Sealed)
    };
    let hidden = |agency: &AgencyId| rights::is_hidden(book, agency);
    !hidden(&choice.recorded_by)
        && !agencies.into_iter().any(hidden)
        && !purposes.into_iter().any(sealed)
}

/// Checks what a reviewer says against what is held and the reasons there are.
fn said_of(
    policy: &PolicySnapshot,
    held: &Record,
    said: &BTreeMap<FieldId, Option<ExemptionId>>,
) -> Result<(), HubError> {
    let book = policy.book();
    let mut words = Words::of(book);
    for (n, (field, why)) in said.iter().enumerate() {
        if !held.values.contains_key(field) {
            words.wrong(&format!("items[{n}].field"), "is not kept by your agency about them");
        }
        if let Some(why) = why {
            words.exemption(&format!("items[{n}].exemption"), why, ExemptionUse::Access);
        }
    }
    words.done()
}

fn review_in(entry: &crate::audit::entry::Entry) -> Option<Reviewed> {
    let request = entry.slots.get(&SlotId::Request)?;
    let mut request: serde_json::Value = serde_json::from_slice(request).ok()?;
    serde_json::from_value(request.get_mut("reviewed")?.take()).ok()
}

fn wrong(field: &str, what: &str) -> HubError {
    HubError::Invalid(vec![Violation::new(field, what)])
}
