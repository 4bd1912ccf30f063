//! What residents ask of agencies: filed through a portal, advanced by the agency's rights officers, each step an
//! entry of the log. The clocks are worked out from those entries.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::entry::{Asker, Call, PROXY, about};
use super::tracker::Doing;
use super::words::Words;
use super::{Hub, HubError, Violation};
use crate::audit::entry::{Entry, Facet, Kind, SlotId};
use crate::auth::{Caller, HubFunction};
use crate::domain::{AgencyId, DecisionId, RequestKind, ResidentId};
use crate::limits;
use crate::policy::PolicySnapshot;
use crate::policy::book::RequestRule;
use crate::rights;
use crate::rights::requests::{Standing, Step, may, standing};
use crate::store::{Receipt, Search, StoredEntry};

/// The first word of an entry that files a request; its kind is the second.
const FILED: &str = "request";
/// The first word of an entry that says what became of one; the step is the second.
const STEP: &str = "step";
/// The third word of one that is filed with every agency that knows the resident.
const ALL: &str = "all";
/// In which time the filings of one resident are counted.
const FILING_WINDOW: SignedDuration = SignedDuration::from_hours(24 * 30);
/// Under which name the words of a resident or an officer stand in the log.
const TEXT: &str = "text";

/// What a resident asks for.
pub struct NewRequest {
    /// Of whom; `None`: of every agency that knows them.
    pub agency: Option<AgencyId>,
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
    /// Of whom; `None`: of every agency that knows the resident.
    pub agency: Option<AgencyId>,
    /// Whose.
    pub resident: ResidentId,
    /// The proxy who filed it; `None`: the resident.
    pub proxy: Option<DecisionId>,
    /// About which release.
    pub disclosure: Option<DecisionId>,
    /// When.
    pub filed: Timestamp,
    /// In the resident's own words.
    pub text: String,
    /// How it stands.
    pub standing: Standing,
    /// What became of it, oldest first.
    pub steps: Vec<Taken>,
}

/// A step that was taken.
#[derive(Clone)]
pub struct Taken {
    /// When.
    pub at: Timestamp,
    /// What.
    pub step: Step,
    /// By which agency.
    pub agency: AgencyId,
    /// What the resident was told.
    pub text: String,
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

/// Whose eyes see a request.
pub(super) enum Eyes {
    /// An agency: its own part.
    Agency(AgencyId),
    /// The resident. Of a request to all, and of one to an agency whose name tells something, they see that it was
    /// filed and its day, whatever became of it: who holds their login must not learn who knows them.
    Resident,
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
        match &wish.agency {
            Some(agency) => words.agency("controller", agency),
            None if wish.kind == RequestKind::Access => {}
            None => words.wrong("controller", "is needed for every kind but access"),
        }
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
        let new =
            NewRequest { agency: Some(agency), kind: RequestKind::Challenge, text: wish.text };
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
        self.may_file(call, resident).await?;
        let all = if wish.agency.is_none() { format!("|{ALL}") } else { String::new() };
        let mut facets = BTreeMap::from([(Facet::What, format!("{FILED}|{}{all}", wish.kind))]);
        facets.extend(wish.agency.map(|agency| (Facet::Holder, agency.to_string())));
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
        let all = match resident {
            Some(resident) => self.requests_of(&call, &policy, resident).await?,
            None => self.requests_to(&policy, caller.agency(), at).await?,
        };
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
        let now = self.own_request(&call, &policy, wish.request).await?;
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
        // Two officers at once may say the same twice: of each step the first counts.
        let entry = step_entry(&call, call.event(), &now, wish.step, wish.text);
        let made = self.store.append(vec![entry]).await;
        let made = made.map(|receipts| receipts.into_iter().next());
        let made = self.once(&call, made, |done| Ok(Some(done.receipt))).await?;
        let receipt = made.ok_or(HubError::Broken)?;
        let mut steps: Vec<_> = now.steps.iter().map(|one| (one.at, one.step)).collect();
        steps.push((at, wish.step));
        let answer_by = standing(&rule, now.filed, &steps, zone, at).answer_by;
        Ok(Clocked { request: wish.request, answer_by, receipt })
    }

    /// A request that the caller's agency is asked, as its own part stands.
    ///
    /// # Errors
    /// [`HubError::NotFound`], which is recorded, when the agency is asked no such thing.
    pub(super) async fn own_request(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        id: DecisionId,
    ) -> Result<ListedRequest, HubError> {
        let own = call.caller.agency();
        let filed = self.store.entry(id).await?.filter(|stored| is_filed(&stored.entry));
        let asked = match &filed {
            Some(stored) => self.asks(&stored.entry, own).await?,
            None => false,
        };
        let filed = filed.filter(|_| asked);
        let Some((stored, resident)) = filed.and_then(|stored| {
            let resident = about(&stored.entry)?;
            Some((stored, resident))
        }) else {
            let request = serde_json::json!({ "request": id.to_string() });
            return Err(self.turned_away_with(call, HubError::NotFound, None, &request).await);
        };
        let slot = Some((SlotId::Subject, super::entry::subject(Some(resident))));
        let facets = vec![(Facet::Holder, own.to_string())];
        let said = self.steps(Search { slot, facets, ..Search::default() }).await?;
        let eyes = Eyes::Agency(own.clone());
        listed(policy, &stored, &said, &eyes, call.at)?.ok_or(HubError::Broken)
    }

    /// Whether a filed request is one to `agency`: it is named, or all are that know the resident.
    async fn asks(&self, entry: &Entry, agency: &AgencyId) -> Result<bool, HubError> {
        if !is_to_all(entry) {
            return Ok(entry.words(Facet::Holder).eq([agency.as_str()]));
        }
        let Some(resident) = about(entry) else { return Ok(false) };
        let ids = self.store.local_ids(resident).await?;
        Ok(ids.iter().any(|local| local.agency == *agency))
    }

    /// Requests of a resident, as they see them, oldest first.
    pub(super) async fn requests_of(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        resident: ResidentId,
    ) -> Result<Vec<ListedRequest>, HubError> {
        let slot = Some((SlotId::Subject, super::entry::subject(Some(resident))));
        let search = Search { slot, ..Search::default() };
        let said = self.steps(search.clone()).await?;
        let filings = self.filings(search, FILED).await?;
        let eyes = Eyes::Resident;
        let all = filings.iter().map(|filed| listed(policy, filed, &said, &eyes, call.at));
        let mut all: Vec<ListedRequest> =
            all.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        // What one of those who speak for a resident asked is not for the others.
        all.retain(|one| one.proxy == call.caller.proxy());
        Ok(all)
    }

    /// Bounds what one resident can file: more is no use to them, and keeps others waiting.
    async fn may_file(&self, call: &Call<'_>, resident: ResidentId) -> Result<(), HubError> {
        let slot = Some((SlotId::Subject, super::entry::subject(Some(resident))));
        let since = call.at.checked_sub(FILING_WINDOW).ok();
        let filed = self.filings(Search { slot, since, ..Search::default() }, FILED).await?;
        if filed.len() < limits::FILINGS_MAX {
            return Ok(());
        }
        Err(self.turned_away(call, HubError::TooMuch).await)
    }

    /// Requests to an agency, as its own parts stand, oldest first.
    pub(super) async fn requests_to(
        &self,
        policy: &PolicySnapshot,
        agency: &AgencyId,
        now: Timestamp,
    ) -> Result<Vec<ListedRequest>, HubError> {
        let holder =
            Search { facets: vec![(Facet::Holder, agency.to_string())], ..Search::default() };
        let said = self.steps(holder.clone()).await?;
        let mut filings = self.filings(holder, FILED).await?;
        for filed in self.filings(Search::default(), ALL).await? {
            if self.asks(&filed.entry, agency).await? {
                filings.push(filed);
            }
        }
        filings.sort_by_key(|filed| filed.index);
        let eyes = Eyes::Agency(agency.clone());
        let all = filings.iter().map(|filed| listed(policy, filed, &said, &eyes, now));
        all.filter_map(Result::transpose).collect()
    }

    async fn filings(&self, search: Search, word: &str) -> Result<Vec<StoredEntry>, HubError> {
        let facets = [search.facets.clone(), vec![(Facet::What, word.to_owned())]].concat();
        let search = Search { kinds: vec![Kind::Rights], facets, ..search };
        let (mut found, _) = self.all_of(search).await?;
        found.retain(|stored| is_filed(&stored.entry));
        Ok(found)
    }

    pub(super) async fn steps(
        &self,
        search: Search,
    ) -> Result<BTreeMap<DecisionId, Vec<Taken>>, HubError> {
        let facets = [search.facets.clone(), vec![(Facet::What, STEP.to_owned())]].concat();
        let search = Search { kinds: vec![Kind::Rights], facets, ..search };
        let (said, _) = self.all_of(search).await?;
        let mut steps: BTreeMap<DecisionId, Vec<Taken>> = BTreeMap::new();
        for stored in &said {
            if let Some((of, taken)) = step_in(stored) {
                steps.entry(of).or_default().push(taken);
            }
        }
        Ok(steps)
    }
}

fn listed(
    policy: &PolicySnapshot,
    stored: &StoredEntry,
    said: &BTreeMap<DecisionId, Vec<Taken>>,
    eyes: &Eyes,
    now: Timestamp,
) -> Result<Option<ListedRequest>, HubError> {
    let entry = &stored.entry;
    let (Some(kind), Some(resident)) = (filed_kind(entry), about(entry)) else {
        return Ok(None);
    };
    let agency: Option<AgencyId> = match entry.words(Facet::Holder).next() {
        Some(word) => Some(word.parse().map_err(|_| HubError::Broken)?),
        None => None,
    };
    let mut steps = said.get(&entry.event).cloned().unwrap_or_default();
    let own = match eyes {
        Eyes::Agency(own) => Some(own),
        Eyes::Resident => agency.as_ref().filter(|one| !rights::is_hidden(policy.book(), one)),
    };
    steps.retain(|one| Some(&one.agency) == own);
    let (zone, filed) = (&policy.book().place.zone, stored.committed_at);
    let bare: Vec<_> = steps.iter().map(|one| (one.at, one.step)).collect();
    let mut stands = standing(&rule(policy, kind)?, filed, &bare, zone, now);
    // What is not shown is not late either.
    stands.overdue &= own.is_some();
    Ok(Some(ListedRequest {
        id: entry.event,
        kind,
        agency,
        resident,
        proxy: filed_by(entry),
        disclosure: entry.words(Facet::Previous).next().and_then(|id| id.parse().ok()),
        filed,
        text: text(entry),
        standing: stands,
        steps,
    }))
}

/// The entry in which the caller's agency takes a step of a request.
pub(super) fn step_entry(
    call: &Call<'_>,
    event: DecisionId,
    asked: &ListedRequest,
    step: Step,
    text: String,
) -> Entry {
    let facets = BTreeMap::from([
        (Facet::What, format!("{STEP}|{}", step.as_str())),
        (Facet::Holder, call.caller.agency().to_string()),
        (Facet::Review, asked.id.to_string()),
    ]);
    let place = serde_json::json!({ "request": asked.id.to_string() });
    let words = BTreeMap::from([(TEXT.to_owned(), text)]);
    call.entry(event, Kind::Rights, facets, Some(asked.resident), words, &place)
}

/// The policy's figures for a kind of request.
fn rule(policy: &PolicySnapshot, kind: RequestKind) -> Result<RequestRule, HubError> {
    let found = policy.book().requests.get(&kind).copied();
    found.ok_or_else(|| wrong("kind", "has no figures in the policy in force (words/requests.csv)"))
}

fn is_filed(entry: &Entry) -> bool {
    filed_kind(entry).is_some()
}

fn is_to_all(entry: &Entry) -> bool {
    entry.words(Facet::What).nth(2) == Some(ALL) && !entry.facets.contains_key(&Facet::Holder)
}

fn filed_kind(entry: &Entry) -> Option<RequestKind> {
    let mut words = entry.words(Facet::What);
    let filed = entry.kind == Kind::Rights && words.next() == Some(FILED);
    if filed { words.next()?.parse().ok() } else { None }
}

fn step_in(stored: &StoredEntry) -> Option<(DecisionId, Taken)> {
    let entry = &stored.entry;
    let mut words = entry.words(Facet::What);
    if words.next() != Some(STEP) {
        return None;
    }
    let word = words.next()?;
    let step = Step::ALL.into_iter().find(|step| step.as_str() == word)?;
    let agency = entry.words(Facet::Holder).next()?.parse().ok()?;
    let taken = Taken { at: stored.committed_at, step, agency, text: text(entry) };
    Some((entry.words(Facet::Review).next()?.parse().ok()?, taken))
}

/// The proxy who filed a request. What cannot be read names nobody who could be logged in.
fn filed_by(entry: &Entry) -> Option<DecisionId> {
    let asker = entry.slots.get(&SlotId::Asker);
    let asker: Option<Asker> = asker.and_then(|slot| serde_json::from_slice(slot).ok());
    asker?.words.get(PROXY)?.parse().ok()
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
