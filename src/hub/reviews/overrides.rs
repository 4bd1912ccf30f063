//! Every release that asserted an override is looked at by somebody else: a privacy officer of the asking
//! agency closes its review, once, with what it found. It is the duty `REVIEW_BY` of that release, with the
//! hours of the override, and is met by nothing else.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::obligations::met;
use super::{ObligationTask, Review, Reviewed, review_entry};
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::audit::review::{self, Closed, Hits, Signal, Use, Waiting};
use crate::auth::{Caller, HubFunction};
use crate::domain::{
    AgencyId, DecisionId, Duty, OutcomeId, OverrideId, PurposeId, RequesterFacts, ResidentId,
};
use crate::hub::facts::Judge;
use crate::hub::words::Words;
use crate::hub::{Hub, HubError, Violation};
use crate::limits;
use crate::policy::PolicySnapshot;
use crate::policy::book::{ReviewRule, RuleBook};
use crate::store::{Receipt, Search, StoredEntry};

/// What a review of an override that the policy does not name takes.
const UNNAMED: ReviewRule = ReviewRule { due_hours: 24, minutes: 30 };

/// What a privacy officer found.
pub struct Closing {
    /// The release.
    pub disclosure: DecisionId,
    /// What was found.
    pub outcome: OutcomeId,
    /// Why. May name people: never logged.
    pub reason: String,
}

/// A use of an override that nobody has reviewed. It names no resident.
pub struct WaitingReview {
    /// The release.
    pub disclosure: DecisionId,
    /// The override.
    pub kind: OverrideId,
    /// Who released.
    pub holder: AgencyId,
    /// For what.
    pub purpose: PurposeId,
    /// When.
    pub at: Timestamp,
    /// By when it must be closed.
    pub due: Option<Timestamp>,
    /// It is late.
    pub overdue: bool,
    /// What speaks for a look.
    pub signals: Vec<Signal>,
    /// The log picked it.
    pub in_slice: bool,
    /// About how long it takes.
    pub minutes: u32,
}

impl Waiting for WaitingReview {
    fn signals(&self) -> usize {
        self.signals.len()
    }
    fn in_slice(&self) -> bool {
        self.in_slice
    }
    fn at(&self) -> Timestamp {
        self.at
    }
    fn minutes(&self) -> u32 {
        self.minutes
    }
}

/// What a reviewer should look at.
pub struct ReviewQueue {
    /// In this order.
    pub reviews: Vec<WaitingReview>,
    /// How many wait in all.
    pub waiting: usize,
    /// How many of these are late.
    pub overdue: usize,
    /// Up to which size of the log this is complete.
    pub size: u64,
}

/// How well the signals did.
pub struct SignalFigures {
    /// Each signal.
    pub signals: Vec<(Signal, Hits)>,
    /// The slice that the log picked.
    pub slice: Hits,
}

/// A closed review as its entry holds it.
#[derive(Serialize, Deserialize)]
struct Found {
    outcome: OutcomeId,
    unjustified: bool,
    signals: Vec<Signal>,
    in_slice: bool,
}

/// One use of an override by the agency.
struct Used {
    row: Use,
    kind: OverrideId,
    holder: AgencyId,
    due: Option<Timestamp>,
    open: bool,
    /// It was a conflict of interest, in an entry from before how was kept.
    untold: bool,
}

/// The review that a release owes.
pub(super) fn task(
    book: &RuleBook,
    asker: &AgencyId,
    kind: &OverrideId,
    at: Timestamp,
) -> ObligationTask {
    let hours = rule(book, kind).due_hours;
    ObligationTask {
        duty: Duty::ReviewBy,
        owner: Some(asker.clone()),
        due: at.checked_add(SignedDuration::from_hours(hours)).ok(),
    }
}

fn rule<'b>(book: &'b RuleBook, kind: &OverrideId) -> &'b ReviewRule {
    book.reviews.get(kind).unwrap_or(&UNNAMED)
}

/// The review that a release owes, where it asserted an override.
fn owed(about: &Reviewed) -> Option<(&OverrideId, &ObligationTask)> {
    let kind = &about.ask.override_claim.as_ref()?.kind;
    let mut all = about.recorded.tasks.obligations.iter();
    Some((kind, all.find(|task| task.duty == Duty::ReviewBy)?))
}

impl Hub {
    /// Uses of overrides by the caller's agency that nobody has reviewed, in the order in which to look at
    /// them, as many as fit into `minutes`.
    ///
    /// # Errors
    /// When the caller is no privacy officer.
    pub async fn list_reviews(
        &self,
        caller: &Caller,
        minutes: Option<u32>,
    ) -> Result<ReviewQueue, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.ReviewService/ListReviews";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::PrivacyOfficer).await?;
        self.look(&call, "reviews", &serde_json::json!({ "minutes": minutes })).await?;
        let (uses, size) = self.uses(caller.agency(), &policy, at).await?;
        let mut signals = signals(&uses, &policy);
        let mut all = Vec::new();
        for one in uses.into_iter().filter(|one| one.open) {
            all.push(WaitingReview {
                disclosure: one.row.id,
                minutes: rule(policy.book(), &one.kind).minutes,
                kind: one.kind,
                holder: one.holder,
                at: one.row.at,
                overdue: one.due.is_some_and(|due| due <= at),
                due: one.due,
                signals: signals.remove(&one.row.id).unwrap_or_default(),
                in_slice: review::in_slice(&one.row.leaf),
                purpose: one.row.purpose,
            });
        }
        let (waiting, overdue) = (all.len(), all.iter().filter(|one| one.overdue).count());
        Ok(ReviewQueue { reviews: review::queue(all, minutes), waiting, overdue, size })
    }

    /// Closes a review, once.
    ///
    /// # Errors
    /// When the caller is no privacy officer of the asking agency, or asked, approved, or knows the
    /// resident; when it was closed.
    pub async fn close_review(&self, caller: &Caller, wish: Closing) -> Result<Receipt, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let book = policy.book();
        let rpc = "weir.hub.v1.ReviewService/CloseReview";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::PrivacyOfficer).await?;
        let about = self.reviewed(&call, wish.disclosure).await?;
        let event = met(about.id, Duty::ReviewBy);
        if let Some(done) = self.done_as(&call, event).await? {
            return Ok(done.receipt);
        }
        let mut why = may_close(caller, &about);
        if why.is_ok() && self.knows(&call, &policy, about.resident).await? {
            why = Err(HubError::Review(Review::ReviewerNotEntitled));
        }
        if let Err(why) = why {
            return Err(self.review_refused(&call, why, about.id, Some(about.resident)).await);
        }
        let mut words = Words::of(book);
        words.outcome("outcome", &wish.outcome);
        words.done()?;
        if wish.reason.split_whitespace().count() < book.figures.reason_words_min {
            let what = format!("must have at least {} words", book.figures.reason_words_min);
            return Err(HubError::Invalid(vec![Violation::new("reason", what)]));
        }
        let outcome = book.outcomes.get(&wish.outcome).ok_or(HubError::Broken)?;
        let (uses, _) = self.uses(caller.agency(), &policy, at).await?;
        let this = uses.iter().find(|one| one.row.id == about.id).ok_or(HubError::Broken)?;
        let found = Found {
            outcome: wish.outcome,
            unjustified: outcome.unjustified,
            signals: signals(&uses, &policy).remove(&about.id).unwrap_or_default(),
            in_slice: review::in_slice(&this.row.leaf),
        };
        // What was found is about a person at work: it stands in the request slot, not in the head.
        let request = serde_json::json!({ "review": about.id.to_string(), "found": found });
        let words = BTreeMap::from([("reason".to_owned(), wish.reason)]);
        let entry = review_entry(&call, event, "reviewed", &about, words, &request);
        self.append_once(&call, vec![entry], &about, Review::DutyNotOpen).await
    }

    /// How well the signals did in the reviews that the caller's agency has closed.
    ///
    /// # Errors
    /// When the caller is no privacy officer.
    pub async fn signal_figures(&self, caller: &Caller) -> Result<SignalFigures, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.ReviewService/GetSignalFigures";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::PrivacyOfficer).await?;
        let what = "review-figures";
        self.look(&call, what, &serde_json::json!({ "list": what })).await?;
        let search = Search {
            kinds: vec![Kind::Review],
            facets: vec![(Facet::What, "reviewed".to_owned())],
            ..Search::default()
        };
        let mut all = Vec::new();
        let take = |stored: &StoredEntry| {
            if all.len() <= limits::REVIEWS_MAX {
                all.extend(closed(&stored.entry));
            }
        };
        self.each_of(caller.agency(), search, take).await?;
        if all.len() > limits::REVIEWS_MAX {
            return Err(HubError::TooMuch);
        }
        let (signals, slice) = review::figures(&all);
        Ok(SignalFigures { signals, slice })
    }

    /// Reads all entries of an agency that `search` finds; tells up to which size of the log.
    async fn each_of(
        &self,
        agency: &AgencyId,
        search: Search,
        mut take: impl FnMut(&StoredEntry),
    ) -> Result<u64, HubError> {
        let limit = limits::PAGE_MAX;
        let mut search = Search { agency: Some(agency.clone()), limit, ..search };
        loop {
            let page = self.store.search(search.clone()).await?;
            page.entries.iter().for_each(&mut take);
            match page.next_index {
                Some(next) => search.from_index = next,
                None => return Ok(page.size),
            }
        }
    }

    /// All uses of overrides by an agency, oldest first.
    async fn uses(
        &self,
        agency: &AgencyId,
        policy: &PolicySnapshot,
        at: Timestamp,
    ) -> Result<(Vec<Used>, u64), HubError> {
        let has = Some(Facet::Override);
        let search = Search { kinds: vec![Kind::Disclose], has, ..Search::default() };
        let mut found = Vec::new();
        let size = self
            .each_of(agency, search, |stored| {
                if found.len() <= limits::REVIEWS_MAX {
                    found.extend(used(stored));
                }
            })
            .await?;
        if found.len() > limits::REVIEWS_MAX {
            return Err(HubError::TooMuch);
        }
        let standing = self.store.standing().await?;
        let judge = Judge::new(policy.book(), &standing, at);
        let mut uses = Vec::new();
        for (mut one, requester, resident) in found {
            one.open = self.store.entry(met(one.row.id, Duty::ReviewBy)).await?.is_none();
            if one.open {
                let receipt = self.store.receipt(one.row.id).await?.ok_or(HubError::Broken)?;
                one.row.leaf = receipt.leaf_hash();
                // Also what was declared since then.
                let purpose = one.row.purpose.clone();
                let RequesterFacts { agency, person, .. } = requester;
                let known = self.store.known(agency, person, resident, purpose).await?;
                let kin = judge.kin(&known);
                one.row.is_self |= kin.is_self;
                one.row.know(kin.interests);
                if one.untold {
                    one.row.know_of_old(kin.interests);
                }
            }
            uses.push(one);
        }
        Ok((uses, size))
    }
}

fn signals(uses: &[Used], policy: &PolicySnapshot) -> BTreeMap<DecisionId, Vec<Signal>> {
    let rows: Vec<Use> = uses.iter().map(|one| one.row.clone()).collect();
    review::signals(&rows, &policy.book().place.zone)
}

fn used(stored: &StoredEntry) -> Option<(Used, RequesterFacts, ResidentId)> {
    let about = Reviewed::read(stored)?;
    let (kind, task) = owed(&about)?;
    let (kind, due) = (kind.clone(), task.due);
    let requester = about.recorded.facts.requester;
    let interests = about.recorded.interests;
    let mut row = Use {
        id: about.id,
        at: about.recorded.as_of,
        person: about.principal,
        purpose: about.ask.purpose,
        is_self: requester.is_self,
        ties: BTreeSet::new(),
        unsaid: false,
        undeclared: false,
        relationship: requester.relationship,
        leaf: [0; 32],
    };
    row.know(interests.unwrap_or_default());
    let untold = interests.is_none() && requester.conflict;
    let used = Used { row, kind, holder: about.ask.from, due, open: true, untold };
    Some((used, requester, about.resident))
}

/// Another agency's release is as none; nobody closes what they asked for or approved.
fn may_close(caller: &Caller, about: &Reviewed) -> Result<(), HubError> {
    if about.asker != *caller.agency() || owed(about).is_none() {
        return Err(HubError::NotFound);
    }
    if about.is_by(caller) {
        return Err(HubError::Review(Review::OwnRequest));
    }
    let claim = about.ask.override_claim.as_ref();
    let approver = claim.and_then(|claim| claim.approver.as_ref());
    let approved = approver.is_some_and(|approver| {
        approver.agency() == caller.agency() && approver.person() == caller.person()
    });
    if approved { Err(HubError::Review(Review::ReviewerNotEntitled)) } else { Ok(()) }
}

fn closed(entry: &Entry) -> Option<Closed> {
    let request = entry.slots.get(&SlotId::Request)?;
    let mut request: serde_json::Value = serde_json::from_slice(request).ok()?;
    let found: Found = serde_json::from_value(request.get_mut("found")?.take()).ok()?;
    let Found { outcome: _, unjustified, signals, in_slice } = found;
    Some(Closed { signals, in_slice, unjustified })
}
