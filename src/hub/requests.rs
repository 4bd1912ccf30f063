//! What residents ask of agencies: filed through a portal, advanced by the agency's rights officers, each step an
//! entry of the log. The clocks are worked out from those entries.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;

use super::entry::{Asker, Call, about};
use super::tracker::Doing;
use super::words::Words;
use super::{Hub, HubError, Violation};
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::auth::{Caller, HubFunction};
use crate::domain::{AgencyId, DecisionId, RequestKind, ResidentId};
use crate::policy::PolicySnapshot;
use crate::policy::book::RequestRule;
use crate::rights::requests::{Standing, Step, may, standing};
use crate::store::{Receipt, Search, StoredEntry};

/// The first word of an entry that files a request; its kind is the second.
const FILED: &str = "request";
/// The first word of an entry that says what became of one; the step is the second.
const STEP: &str = "step";
/// Under which name the words of a resident or an officer stand in the log.
const TEXT: &str = "text";

/// What a resident asks for.
pub struct NewRequest {
    /// Of whom.
    pub agency: AgencyId,
    /// What.
    pub kind: RequestKind,
    /// In their own words. Never logged.
    pub text: String,
}

/// A line that looks wrong to a resident.
pub struct Challenge {
    /// The release.
    pub disclosure: DecisionId,
    /// In their own words. Never logged.
    pub text: String,
}

/// The next step of a request.
pub struct Advance {
    /// The request.
    pub request: DecisionId,
    /// The step.
    pub step: Step,
    /// What the resident is told. Never logged.
    pub text: String,
}

/// A request that was filed, or a step that was taken.
pub struct Clocked {
    /// The request.
    pub request: DecisionId,
    /// The last day to answer.
    pub answer_by: Date,
    /// Proof that it is recorded.
    pub receipt: Receipt,
}

/// A request as it stands.
pub struct ListedRequest {
    /// The request.
    pub id: DecisionId,
    /// What was asked for.
    pub kind: RequestKind,
    /// Of whom.
    pub agency: AgencyId,
    /// By whom.
    pub resident: ResidentId,
    /// About which release.
    pub disclosure: Option<DecisionId>,
    /// When.
    pub filed: Timestamp,
    /// In the resident's own words.
    pub text: String,
    /// How it stands.
    pub standing: Standing,
    /// What became of it, oldest first, with what the resident was told.
    pub steps: Vec<(Timestamp, Step, String)>,
}

/// A page of requests.
pub struct RequestPage {
    /// Oldest first.
    pub requests: Vec<ListedRequest>,
    /// The request to go on behind; `None`: that is all.
    pub next: Option<DecisionId>,
    /// Proof that the look is recorded.
    pub receipt: Receipt,
}

impl Hub {
    /// Files a request of the resident who is logged in.
    ///
    /// # Errors
    /// When the caller is no portal, or a word is unknown.
    pub async fn file_request(
        &self,
        caller: &Caller,
        wish: NewRequest,
    ) -> Result<Clocked, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.RightsService/FileRequest";
        let call = self.call(rpc, caller, &policy, at);
        let resident = self.require_session(&call, &policy, Doing::Asking).await?;
        let mut words = Words::of(policy.book());
        words.agency("agency", &wish.agency);
        if wish.kind == RequestKind::Challenge {
            words.wrong("kind", "is made with ChallengeEntry");
        }
        words.done()?;
        self.filed(&call, &policy, resident, wish, None).await
    }

    /// Files that a line of what was disclosed looks wrong, with the agency that gave.
    ///
    /// # Errors
    /// When the caller is no portal; [`HubError::NotFound`] when the resident sees no such line.
    pub async fn challenge_entry(
        &self,
        caller: &Caller,
        wish: Challenge,
    ) -> Result<Clocked, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.RightsService/ChallengeEntry";
        let call = self.call(rpc, caller, &policy, at);
        let resident = self.require_session(&call, &policy, Doing::Asking).await?;
        let Some(agency) = self.seen_release(&call, &policy, resident, wish.disclosure).await?
        else {
            return Err(self.nobody(&call, resident).await);
        };
        let new = NewRequest { agency, kind: RequestKind::Challenge, text: wish.text };
        self.filed(&call, &policy, resident, new, Some(wish.disclosure)).await
    }

    async fn filed(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        resident: ResidentId,
        wish: NewRequest,
        disclosure: Option<DecisionId>,
    ) -> Result<Clocked, HubError> {
        let rule = rule(policy, wish.kind)?;
        let clocked = |receipt: Receipt, filed: Timestamp| {
            let zone = &policy.book().place.zone;
            let answer_by = standing(&rule, filed, &[], zone, filed).answer_by;
            Clocked { request: receipt.event(), answer_by, receipt }
        };
        let before = self.done_before(call).await?;
        if let Some(done) = before {
            let filed = done.time("/at").ok_or(HubError::Broken)?;
            return Ok(clocked(done.receipt, filed));
        }
        let mut facets = BTreeMap::from([
            (Facet::What, format!("{FILED}|{}", wish.kind)),
            (Facet::Holder, wish.agency.to_string()),
        ]);
        facets.extend(disclosure.map(|id| (Facet::Previous, id.to_string())));
        let request = serde_json::json!({ "at": call.at.to_string() });
        let words = BTreeMap::from([(TEXT.to_owned(), wish.text)]);
        let about = Some(resident);
        let entry = call.entry(call.event(), Kind::Rights, facets, about, words, &request);
        let made = self.store.append(vec![entry]).await;
        let made = made.map(|receipts| receipts.into_iter().next());
        let made = self.once(call, made, |done| Ok(Some(done.receipt))).await?;
        Ok(clocked(made.ok_or(HubError::Broken)?, call.at))
    }

    /// Requests with their clocks: the own ones of a resident who is logged in, or those to the agency of a
    /// rights officer.
    ///
    /// # Errors
    /// When the caller is neither; [`HubError::TooMuch`] above
    /// [`RELEASES_MAX`](crate::limits::RELEASES_MAX) entries about requests.
    pub async fn list_requests(
        &self,
        caller: &Caller,
        open_only: bool,
        after: Option<DecisionId>,
        size: usize,
    ) -> Result<RequestPage, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.RightsService/ListRequests";
        let call = self.call(rpc, caller, &policy, at);
        let resident = match caller.session() {
            Some(_) => Some(self.require_session(&call, &policy, Doing::Looking).await?),
            None => {
                self.require(&call, &policy, HubFunction::RightsOfficer).await?;
                None
            }
        };
        let receipt = self.rights_look(&call, "requests", resident).await?;
        let search = match resident {
            Some(resident) => {
                let slot = (SlotId::Subject, super::entry::subject(Some(resident)));
                Search { slot: Some(slot), ..Search::default() }
            }
            None => {
                let holder = (Facet::Holder, caller.agency().to_string());
                Search { facets: vec![holder], ..Search::default() }
            }
        };
        let all = self.requests(&policy, search, at).await?;
        let from =
            after.and_then(|id| all.iter().position(|one| one.id == id)).map_or(0, |n| n + 1);
        let mut requests: Vec<ListedRequest> = Vec::new();
        let mut next = None;
        for one in all.into_iter().skip(from) {
            if open_only && one.standing.answered {
                continue;
            }
            if requests.len() >= size {
                next = requests.last().map(|last| last.id);
                break;
            }
            requests.push(one);
        }
        Ok(RequestPage { requests, next, receipt })
    }

    /// Takes the next step of a request to the caller's agency.
    ///
    /// # Errors
    /// When the caller is no rights officer; [`HubError::NotFound`] when there is no such request to the
    /// agency; when the step cannot follow.
    pub async fn advance_request(
        &self,
        caller: &Caller,
        wish: Advance,
    ) -> Result<Clocked, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.RightsService/AdvanceRequest";
        let call = self.call(rpc, caller, &policy, at);
        self.require(&call, &policy, HubFunction::RightsOfficer).await?;
        let found = self.store.entry(wish.request).await?;
        let own = found.filter(|stored| {
            filed_kind(&stored.entry).is_some()
                && stored.entry.words(Facet::Holder).eq([caller.agency().as_str()])
        });
        let Some((filing, resident)) =
            own.and_then(|stored| about(&stored.entry).map(|resident| (stored, resident)))
        else {
            let request = serde_json::json!({ "request": wish.request.to_string() });
            let why = HubError::NotFound;
            return Err(self.turned_away_with(&call, why, None, &request).await);
        };
        let slot = Some((SlotId::Subject, super::entry::subject(Some(resident))));
        let facets = vec![(Facet::Holder, caller.agency().to_string())];
        let search = Search { slot, facets, ..Search::default() };
        let all = self.requests(&policy, search, at).await?;
        let now = all.into_iter().find(|one| one.id == wish.request).ok_or(HubError::Broken)?;
        if let Some(done) = self.done_before(&call).await? {
            let answer_by = now.standing.answer_by;
            return Ok(Clocked { request: wish.request, answer_by, receipt: done.receipt });
        }
        let rule = rule(&policy, now.kind)?;
        let zone = &policy.book().place.zone;
        let today = at.to_zoned(zone.clone()).date();
        if let Err(error) = may(&rule, &now.standing, today, wish.step) {
            return Err(wrong("step", &error.to_string()));
        }
        let facets = BTreeMap::from([
            (Facet::What, format!("{STEP}|{}", wish.step.as_str())),
            (Facet::Holder, caller.agency().to_string()),
            (Facet::Review, wish.request.to_string()),
        ]);
        // Two officers at once may say the same twice: of each step the first counts.
        let place = serde_json::json!({ "request": wish.request.to_string() });
        let words = BTreeMap::from([(TEXT.to_owned(), wish.text)]);
        let entry = call.entry(call.event(), Kind::Rights, facets, Some(resident), words, &place);
        let made = self.store.append(vec![entry]).await;
        let made = made.map(|receipts| receipts.into_iter().next());
        let made = self.once(&call, made, |done| Ok(Some(done.receipt))).await?;
        let receipt = made.ok_or(HubError::Broken)?;
        let mut steps: Vec<_> = now.steps.iter().map(|(at, step, _)| (*at, *step)).collect();
        steps.push((at, wish.step));
        let answer_by = standing(&rule, filing.committed_at, &steps, zone, at).answer_by;
        Ok(Clocked { request: wish.request, answer_by, receipt })
    }

    /// Requests that a search finds, as they stand, oldest first.
    async fn requests(
        &self,
        policy: &PolicySnapshot,
        search: Search,
        now: Timestamp,
    ) -> Result<Vec<ListedRequest>, HubError> {
        let with = |word: &str| {
            let facets = [search.facets.clone(), vec![(Facet::What, word.to_owned())]].concat();
            Search { kinds: vec![Kind::Rights], facets, ..search.clone() }
        };
        let (filings, _) = self.all_of(with(FILED)).await?;
        let (said, _) = self.all_of(with(STEP)).await?;
        let mut steps: BTreeMap<DecisionId, Vec<(Timestamp, Step, String)>> = BTreeMap::new();
        for stored in &said {
            if let Some((of, step)) = step_in(&stored.entry) {
                steps.entry(of).or_default().push((stored.committed_at, step, text(&stored.entry)));
            }
        }
        let mut out = Vec::new();
        for stored in &filings {
            let id = stored.entry.event;
            out.extend(listed(policy, stored, steps.remove(&id).unwrap_or_default(), now)?);
        }
        Ok(out)
    }
}

fn listed(
    policy: &PolicySnapshot,
    stored: &StoredEntry,
    steps: Vec<(Timestamp, Step, String)>,
    now: Timestamp,
) -> Result<Option<ListedRequest>, HubError> {
    let entry = &stored.entry;
    let parts = (filed_kind(entry), entry.words(Facet::Holder).next(), about(entry));
    let (Some(kind), Some(agency), Some(resident)) = parts else {
        return Ok(None);
    };
    let bare: Vec<_> = steps.iter().map(|(at, step, _)| (*at, *step)).collect();
    let zone = &policy.book().place.zone;
    let filed = stored.committed_at;
    Ok(Some(ListedRequest {
        id: entry.event,
        kind,
        agency: agency.parse().map_err(|_| HubError::Broken)?,
        resident,
        disclosure: entry.words(Facet::Previous).next().and_then(|id| id.parse().ok()),
        filed,
        text: text(entry),
        standing: standing(&rule(policy, kind)?, filed, &bare, zone, now),
        steps,
    }))
}

/// The policy's figures for a kind of request.
fn rule(policy: &PolicySnapshot, kind: RequestKind) -> Result<RequestRule, HubError> {
    let found = policy.book().requests.get(&kind).copied();
    found.ok_or_else(|| wrong("kind", "has no figures in the policy in force (words/requests.csv)"))
}

fn filed_kind(entry: &Entry) -> Option<RequestKind> {
    let mut words = entry.words(Facet::What);
    let filed = entry.kind == Kind::Rights && words.next() == Some(FILED);
    if filed { words.next()?.parse().ok() } else { None }
}

fn step_in(entry: &Entry) -> Option<(DecisionId, Step)> {
    let mut words = entry.words(Facet::What);
    if words.next() != Some(STEP) {
        return None;
    }
    let word = words.next()?;
    let step = Step::ALL.into_iter().find(|step| step.as_str() == word)?;
    Some((entry.words(Facet::Review).next()?.parse().ok()?, step))
}

/// What somebody wrote; empty where it cannot be read any more.
fn text(entry: &Entry) -> String {
    let asker = entry.slots.get(&SlotId::Asker);
    let asker: Option<Asker> = asker.and_then(|slot| serde_json::from_slice(slot).ok());
    asker.and_then(|mut asker| asker.words.remove(TEXT)).unwrap_or_default()
}

fn wrong(field: &str, what: &str) -> HubError {
    HubError::Invalid(vec![Violation::new(field, what)])
}
