//! What residents see of releases about them, and what persons say of that. A resident calls through a portal;
//! the look-up is in the log before anything is read.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use super::entry::{Asker, Call, about, fresh_id, subject};
use super::{Hub, HubError, Violation};
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::auth::{Caller, HubFunction};
use crate::consent::proxy::{Powers, Whom, powers, proxies};
use crate::domain::{AgencyId, AgreementId, DecisionId, OverrideId, PurposeId, ResidentId, RuleId};
use crate::limits;
use crate::policy::PolicySnapshot;
use crate::rights::{self, Release, Ruling, Seen, ToldRelease};
use crate::store::{Receipt, Search, StoredEntry};

/// The word of entries in which a person says whether a resident sees a release.
const RULED: &str = "visibility";

/// What somebody who is logged in for a resident wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// See what the resident sees.
    Looking,
    /// File what the resident may ask of agencies.
    Asking,
}

/// A release as its resident sees it.
pub struct SeenRelease {
    /// The decision.
    pub id: DecisionId,
    /// When.
    pub at: Timestamp,
    /// In words.
    pub told: ToldRelease,
    /// Under which rules.
    pub rules: BTreeSet<RuleId>,
    /// Under which agreements.
    pub agreements: BTreeSet<AgreementId>,
}

/// What a resident sees of releases about them.
pub struct SeenPage {
    /// Newest first.
    pub releases: Vec<SeenRelease>,
    /// The release to go on behind; `None`: that is all.
    pub next: Option<DecisionId>,
    /// Proof that the look is recorded.
    pub receipt: Receipt,
}

/// A release that its resident does not see.
pub struct HiddenRelease {
    /// The decision.
    pub id: DecisionId,
    /// When.
    pub at: Timestamp,
    /// Who got.
    pub recipient: AgencyId,
    /// What for.
    pub purpose: Option<PurposeId>,
    /// How it stands.
    pub seen: Seen,
}

/// A page of releases that residents do not see.
pub struct HiddenPage {
    /// Oldest first.
    pub releases: Vec<HiddenRelease>,
    /// The release to go on behind; `None`: that is all.
    pub next: Option<DecisionId>,
    /// Proof that the look is recorded.
    pub receipt: Receipt,
}

/// What a person says of a release.
pub struct Reviewing {
    /// The release.
    pub disclosure: DecisionId,
    /// The days until a person looks again; `None`: the resident sees it.
    pub seal_days: Option<u16>,
    /// Why. May name people: never logged.
    pub reason: String,
}

/// How many releases stand how.
pub struct VisibilityFigures {
    /// Seen.
    pub visible: u64,
    /// Seen later.
    pub delayed: u64,
    /// Sealed.
    pub sealed: u64,
    /// Sealed, and a person should have looked again.
    pub overdue: u64,
    /// Up to which size of the log.
    pub size: u64,
    /// Proof that the look is recorded.
    pub receipt: Receipt,
}

/// A release with what is said of it.
struct Tracked {
    id: DecisionId,
    release: Release,
    seen: Seen,
}

impl Hub {
    /// The resident who is logged in at a portal, or for whom somebody is who may do `what` for them now.
    pub(super) async fn require_session(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        what: Doing,
    ) -> Result<ResidentId, HubError> {
        let Some(resident) = call.caller.session() else {
            let error = HubError::FunctionNeeded(HubFunction::ResidentPortal);
            return Err(self.turned_away(call, error).await);
        };
        self.require_agency(call, policy).await?;
        self.require_account(call, policy).await?;
        let beside = self.known_beside(call, policy, resident).await?;
        // A right ends with a life; whoever goes on using the login is somebody else.
        if beside.judge().recorded_death(&beside.known).is_some() {
            let none = serde_json::Value::Null;
            let why = HubError::Powerless;
            return Err(self.turned_away_with(call, why, Some(resident), &none).await);
        }
        if let Some(proxy) = call.caller.proxy() {
            self.require_power(call, policy, (resident, proxy), what).await?;
        }
        Ok(resident)
    }

    /// Lets through a proxy who may do `what` now. Whose record is closed has nobody who may: what a flag keeps
    /// from everybody it keeps from those who held the login before.
    async fn require_power(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        (resident, proxy): (ResidentId, DecisionId),
        what: Doing,
    ) -> Result<(), HubError> {
        let beside = self.known_beside(call, policy, resident).await?;
        let whom = Whom {
            born: beside.born(),
            died: beside.judge().died(&beside.known),
            capacity: beside.judge().capacity(&beside.known),
        };
        let found = proxies(&beside.known.choices).into_iter().find(|one| one.id == proxy);
        let powers = found.map_or(Powers::NONE, |one| powers(policy.book(), &one, whom, call.at));
        let may = match what {
            Doing::Looking => powers.portal,
            Doing::Asking => powers.portal && powers.requests,
        };
        if may && !beside.is_closed() {
            return Ok(());
        }
        let none = serde_json::Value::Null;
        Err(self.turned_away_with(call, HubError::Powerless, Some(resident), &none).await)
    }

    /// Releases about the resident who is logged in, as far as they are to see them, newest first.
    ///
    /// # Errors
    /// When the caller is no portal; [`HubError::TooMuch`] above [`limits::RELEASES_MAX`] releases.
    pub async fn list_disclosures(
        &self,
        caller: &Caller,
        after: Option<DecisionId>,
        size: usize,
    ) -> Result<SeenPage, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.RightsService/ListDisclosures";
        let call = self.call(rpc, caller, &policy, at);
        let resident = self.require_session(&call, &policy, Doing::Looking).await?;
        let receipt = self.rights_look(&call, "disclosures", Some(resident)).await?;
        let mut all = self.tracked_of(&call, &policy, resident).await?;
        all.reverse();
        // The place is found among all of them: what was shown a page ago may be sealed by now.
        let from =
            after.and_then(|id| all.iter().position(|one| one.id == id)).map_or(0, |n| n + 1);
        let mut releases = Vec::new();
        let mut next = None;
        let shown = all.into_iter().skip(from).filter(|one| one.seen == Seen::Visible);
        for one in shown {
            if releases.len() >= size {
                next = releases.last().map(|last: &SeenRelease| last.id);
                break;
            }
            releases.push(seen_release(&policy, one)?);
        }
        Ok(SeenPage { releases, next, receipt })
    }

    /// All releases that a resident sees, newest first.
    pub(super) async fn seen_by(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        resident: ResidentId,
    ) -> Result<Vec<SeenRelease>, HubError> {
        let all = self.tracked_of(call, policy, resident).await?;
        let shown = all.into_iter().rev().filter(|one| one.seen == Seen::Visible);
        shown.map(|one| seen_release(policy, one)).collect()
    }

    /// A release that the resident who is logged in sees; `None`: they see none such.
    pub(super) async fn seen_release(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        resident: ResidentId,
        id: DecisionId,
    ) -> Result<Option<AgencyId>, HubError> {
        let all = self.tracked_of(call, policy, resident).await?;
        let found = all.into_iter().find(|one| one.id == id && one.seen == Seen::Visible);
        Ok(found.map(|one| one.release.holder))
    }

    /// Releases that the caller's agency gave and residents do not see, oldest first.
    ///
    /// # Errors
    /// When the caller is no rights officer; [`HubError::TooMuch`] above [`limits::RELEASES_MAX`] releases.
    pub async fn list_sealed(
        &self,
        caller: &Caller,
        due_only: bool,
        after: Option<DecisionId>,
        size: usize,
    ) -> Result<HiddenPage, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.RightsService/ListSealed";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::RightsOfficer).await?;
        let receipt = self.rights_look(&call, "sealed", None).await?;
        let search = Search {
            facets: vec![(Facet::Holder, caller.agency().to_string())],
            ..Search::default()
        };
        let (all, _) = self.tracked(&policy, search, at).await?;
        let from =
            after.and_then(|id| all.iter().position(|one| one.id == id)).map_or(0, |n| n + 1);
        let mut releases = Vec::new();
        let mut next = None;
        let is_due = |seen: Seen| matches!(seen, Seen::Sealed(again) if again <= at);
        let hidden = all
            .into_iter()
            .skip(from)
            .filter(|one| one.seen != Seen::Visible && (!due_only || is_due(one.seen)));
        for one in hidden {
            if releases.len() >= size {
                next = releases.last().map(|last: &HiddenRelease| last.id);
                break;
            }
            let Release { at, recipient, purpose, .. } = one.release;
            releases.push(HiddenRelease { id: one.id, at, recipient, purpose, seen: one.seen });
        }
        Ok(HiddenPage { releases, next, receipt })
    }

    /// Releases of an agency that residents do not see, with what they were for.
    pub(super) async fn hidden_by(
        &self,
        policy: &PolicySnapshot,
        holder: &AgencyId,
        now: Timestamp,
    ) -> Result<Vec<(DecisionId, Option<PurposeId>, Seen)>, HubError> {
        let facets = vec![(Facet::Holder, holder.to_string())];
        let (all, _) = self.tracked(policy, Search { facets, ..Search::default() }, now).await?;
        let hidden = all.into_iter().filter(|one| one.seen != Seen::Visible);
        Ok(hidden.map(|one| (one.id, one.release.purpose, one.seen)).collect())
    }

    /// Shows a release to its resident, or seals it. The agency that gave decides, by another person than
    /// the one who asked.
    ///
    /// # Errors
    /// When the caller is no rights officer; [`HubError::NotFound`] when the agency gave no such release.
    pub async fn review_visibility(
        &self,
        caller: &Caller,
        wish: Reviewing,
    ) -> Result<Receipt, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.RightsService/ReviewVisibility";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::RightsOfficer).await?;
        let request = serde_json::json!({ "disclosure": wish.disclosure.to_string() });
        let found = self.store.entry(wish.disclosure).await?.filter(|stored| {
            is_release(&stored.entry)
                && stored.entry.words(Facet::Holder).eq([caller.agency().as_str()])
        });
        let Some((found, resident)) = found.and_then(|stored| {
            let resident = about(&stored.entry)?;
            Some((stored, resident))
        }) else {
            let why = HubError::NotFound;
            return Err(self.turned_away_with(&call, why, None, &request).await);
        };
        if found.entry.principal == caller.principal() {
            let why = HubError::Review(super::reviews::Review::OwnRequest);
            return Err(self.turned_away_with(&call, why, Some(resident), &request).await);
        }
        if wish.reason.split_whitespace().count() < policy.book().figures.reason_words_min {
            let least = policy.book().figures.reason_words_min;
            let what = format!("must have at least {least} words");
            return Err(HubError::Invalid(vec![Violation::new("reason", what)]));
        }
        if let Some(done) = self.done_before(&call).await? {
            return Ok(done.receipt);
        }
        let again = wish.seal_days.map(|days| {
            let span = SignedDuration::from_hours(i64::from(days).saturating_mul(24));
            at.checked_add(span).unwrap_or(Timestamp::MAX)
        });
        let facets = BTreeMap::from([
            (Facet::What, RULED.to_owned()),
            (Facet::Holder, caller.agency().to_string()),
            (Facet::Review, wish.disclosure.to_string()),
        ]);
        // Whether it is sealed stands in a slot: heads are for everybody.
        let request = serde_json::json!({
            "disclosure": wish.disclosure.to_string(), "again": again.map(|at| at.to_string()),
        });
        let words = BTreeMap::from([("reason".to_owned(), wish.reason)]);
        let about = Some(resident);
        let entry = call.entry(call.event(), Kind::Rights, facets, about, words, &request);
        let made = self.store.append(vec![entry]).await;
        let made = made.map(|receipts| receipts.into_iter().next());
        let receipt = self.once(&call, made, |done| Ok(Some(done.receipt))).await?;
        receipt.ok_or(HubError::Broken)
    }

    /// How many releases that the caller's agency gave or got residents see.
    ///
    /// # Errors
    /// When the caller is no auditor; [`HubError::TooMuch`] above [`limits::RELEASES_MAX`] releases.
    pub async fn visibility_figures(&self, caller: &Caller) -> Result<VisibilityFigures, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.RightsService/GetVisibilityFigures";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::Auditor).await?;
        let receipt = self.rights_look(&call, "visibility-figures", None).await?;
        let search = Search { concerns: Some(caller.agency().clone()), ..Search::default() };
        let (all, size) = self.tracked(&policy, search, at).await?;
        let mut figures =
            VisibilityFigures { visible: 0, delayed: 0, sealed: 0, overdue: 0, size, receipt };
        for one in all {
            match one.seen {
                Seen::Visible => figures.visible += 1,
                Seen::Delayed(_) => figures.delayed += 1,
                Seen::Sealed(again) => {
                    figures.sealed += 1;
                    figures.overdue += u64::from(again <= at);
                }
            }
        }
        Ok(figures)
    }

    /// Records a look.
    pub(super) async fn rights_look(
        &self,
        call: &Call<'_>,
        what: &str,
        resident: Option<ResidentId>,
    ) -> Result<Receipt, HubError> {
        let facets = BTreeMap::from([(Facet::What, what.to_owned())]);
        let (event, none) = (fresh_id(call.at), BTreeMap::new());
        let request = serde_json::json!({ "list": what });
        let entry = call.entry(event, Kind::Rights, facets, resident, none, &request);
        self.append_one(entry).await
    }

    /// All releases about a resident, oldest first. While their whole record is closed, what happened since
    /// the first flag was set is sealed too: where somebody's data go now may say where they are. Nobody is
    /// known to the caller in the same way, after the same reads.
    async fn tracked_of(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        resident: ResidentId,
    ) -> Result<Vec<Tracked>, HubError> {
        let slot = Some((SlotId::Subject, subject(Some(resident))));
        let search = Search { slot, ..Search::default() };
        let (mut all, _) = self.tracked(policy, search, call.at).await?;
        if let Some(since) = self.closed_since(call, policy, resident).await? {
            for one in all.iter_mut().filter(|one| one.release.at >= since) {
                one.seen = Seen::Sealed(one.release.at);
            }
        }
        Ok(all)
    }

    /// Since when somebody's whole record is closed: since the first flag, for ever where nobody is known; `None`:
    /// it is open. Read alike for everybody.
    pub(super) async fn closed_since(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        resident: ResidentId,
    ) -> Result<Option<Timestamp>, HubError> {
        let flagged = Search {
            slot: Some((SlotId::Subject, subject(Some(resident)))),
            kinds: vec![Kind::Fact],
            facets: vec![(Facet::What, "flag".to_owned())],
            limit: 1,
            ..Search::default()
        };
        let first = self.first(flagged).await?;
        let closed = self.known_beside(call, policy, resident).await?.is_closed();
        Ok(closed.then(|| first.map_or(Timestamp::MIN, |stored| stored.committed_at)))
    }

    /// The first entry that a search finds.
    async fn first(&self, mut search: Search) -> Result<Option<StoredEntry>, HubError> {
        loop {
            let page = self.store.search(search.clone()).await?;
            match (page.entries.into_iter().next(), page.next_index) {
                (Some(found), _) => return Ok(Some(found)),
                (None, Some(next)) => search.from_index = next,
                (None, None) => return Ok(None),
            }
        }
    }

    /// Releases that a search finds, with what is said of them, oldest first; up to which size of the log.
    async fn tracked(
        &self,
        policy: &PolicySnapshot,
        search: Search,
        now: Timestamp,
    ) -> Result<(Vec<Tracked>, u64), HubError> {
        let book = policy.book();
        // A person's word is found by whom it is about, or by the agency that gave; for an agency that got,
        // among all of them.
        let facets = [vec![(Facet::What, RULED.to_owned())], search.facets.clone()].concat();
        let ruled = Search { kinds: vec![Kind::Rights], facets, concerns: None, ..search.clone() };
        let (said, _) = self.all_of(ruled).await?;
        let mut rulings = BTreeMap::new();
        for stored in &said {
            if let Some((of, ruling)) = ruled_in(&stored.entry) {
                rulings.insert(of, ruling);
            }
        }
        let (found, size) = self.all_of(Search { kinds: vec![Kind::Disclose], ..search }).await?;
        let all =
            found.into_iter().filter(|stored| is_release(&stored.entry)).filter_map(|stored| {
                let release = release_of(&stored)?;
                let id = stored.entry.event;
                let seen = rights::seen(book, &release, rulings.get(&id).copied(), now);
                Some(Tracked { id, release, seen })
            });
        Ok((all.collect(), size))
    }

    /// Everything that a search finds, up to a bound.
    pub(super) async fn all_of(&self, search: Search) -> Result<(Vec<StoredEntry>, u64), HubError> {
        let mut search = Search { limit: limits::PAGE_MAX, ..search };
        let mut found = Vec::new();
        loop {
            let page = self.store.search(search.clone()).await?;
            found.extend(page.entries);
            if found.len() > limits::RELEASES_MAX {
                return Err(HubError::TooMuch);
            }
            // What comes in meanwhile belongs to the next answer.
            search.upto = Some(page.size);
            match page.next_index {
                Some(next) => search.from_index = next,
                None => return Ok((found, page.size)),
            }
        }
    }
}

fn seen_release(policy: &PolicySnapshot, one: Tracked) -> Result<SeenRelease, HubError> {
    let told = rights::told(policy.book(), &one.release).ok_or(HubError::Broken)?;
    let Release { at, rules, agreements, .. } = one.release;
    Ok(SeenRelease { id: one.id, at, told, rules, agreements })
}

/// Something about one resident went from one agency to another.
fn is_release(entry: &Entry) -> bool {
    let to_somebody = entry.kind == Kind::Disclose && entry.agency.is_some();
    let one = about(entry).is_some_and(|resident| !resident.uuid().is_nil());
    to_somebody && one && entry.facets.contains_key(&Facet::Released)
}

/// A release as it stands in the log; `None`: it is not told who gave it to whom.
fn release_of(stored: &StoredEntry) -> Option<Release> {
    let entry = &stored.entry;
    let holder = entry.words(Facet::Holder).next()?.parse().ok()?;
    let asker = entry.slots.get(&SlotId::Asker);
    let asker: Option<Asker> = asker.and_then(|slot| serde_json::from_slice(slot).ok());
    let claimed = entry.words(Facet::Override).next();
    let override_kind: Option<OverrideId> = claimed.and_then(|word| word.parse().ok());
    // What cannot be read may be the reason not to tell.
    let unread = claimed.is_some() && override_kind.is_none();
    Some(Release {
        at: stored.committed_at,
        holder,
        recipient: entry.agency.clone()?,
        purpose: entry.words(Facet::Purpose).next().and_then(|word| word.parse().ok()),
        override_kind,
        categories: entry
            .words(Facet::Released)
            .filter_map(|field| field.split_once('.')?.0.parse().ok())
            .collect(),
        gateways: all_words(entry, Facet::Gateways),
        rules: all_words(entry, Facet::Rules),
        agreements: all_words(entry, Facet::Agreements),
        untold: unread || asker.is_none_or(|asker| asker.words.contains_key("do-not-tell")),
    })
}

fn all_words<T: FromStr + Ord>(entry: &Entry, facet: Facet) -> BTreeSet<T> {
    entry.words(facet).filter_map(|word| word.parse().ok()).collect()
}

/// What a person said of which release. What cannot be read seals.
fn ruled_in(entry: &Entry) -> Option<(DecisionId, Ruling)> {
    let of = entry.words(Facet::Review).next()?.parse().ok()?;
    let request = entry.slots.get(&SlotId::Request);
    let request: Option<serde_json::Value> =
        request.and_then(|slot| serde_json::from_slice(slot).ok());
    let again = request.as_ref().and_then(|request| request.get("again"));
    let ruling = match again {
        Some(serde_json::Value::Null) => Ruling::Show,
        Some(serde_json::Value::String(at)) => Ruling::Seal(at.parse().unwrap_or(Timestamp::MIN)),
        Some(_) | None => Ruling::Seal(Timestamp::MIN),
    };
    Some((of, ruling))
}
