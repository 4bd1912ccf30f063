//! One list of everything that falls due, by agency and by who there has to see to it: read from the log, the
//! choices and the policy, so that nothing has to be entered twice.

mod choices;

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::entry::about;
use super::reviews::{DutyState, Reviewed, duties, once_for};
use super::{Hub, HubError, InForce};
use crate::audit::entry::{Facet, Kind};
use crate::auth::{Caller, HubFunction};
use crate::domain::{AgencyId, DecisionId, Duty, OverrideId};
use crate::policy::book::RuleBook;
use crate::policy::lapses::lapses;
use crate::rights::Seen;
use crate::store::{Receipt, Search, StoredEntry};

/// What falls due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DueKind {
    /// A duty of a release.
    Obligation,
    /// The review of an override.
    Review,
    /// A release under an override goes on only where it is asserted again.
    Reattest,
    /// A referral that waits for its decision.
    Referral,
    /// A request of a resident that waits for its answer.
    Answer,
    /// A request whose arrival has to be said.
    Acknowledge,
    /// A sealed release at which a person has to look again.
    LookAgain,
    /// An objection that waits for its decision.
    DecideObjection,
    /// A restriction that waits for its decision.
    DecideRestriction,
    /// A consent ends.
    ConsentEnds,
    /// A consent has to be given again at a birthday.
    Reconfirm,
    /// The authority of a proxy ends.
    ProxyEnds,
    /// A notice that the agency has not said it knows.
    Notice,
    /// The review of an agreement, or its end.
    Agreement,
}

impl DueKind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Obligation,
        Self::Review,
        Self::Reattest,
        Self::Referral,
        Self::Answer,
        Self::Acknowledge,
        Self::LookAgain,
        Self::DecideObjection,
        Self::DecideRestriction,
        Self::ConsentEnds,
        Self::Reconfirm,
        Self::ProxyEnds,
        Self::Notice,
        Self::Agreement,
    ];

    /// The word in lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Obligation => "obligation",
            Self::Review => "review",
            Self::Reattest => "reattest",
            Self::Referral => "referral",
            Self::Answer => "answer",
            Self::Acknowledge => "acknowledge",
            Self::LookAgain => "look-again",
            Self::DecideObjection => "decide-objection",
            Self::DecideRestriction => "decide-restriction",
            Self::ConsentEnds => "consent-ends",
            Self::Reconfirm => "reconfirm-consent",
            Self::ProxyEnds => "proxy-ends",
            Self::Notice => "notice",
            Self::Agreement => "agreement",
        }
    }

    /// Which function sees to it; `None`: staff of the roles that the item names, or any.
    #[must_use]
    pub const fn function(self) -> Option<HubFunction> {
        match self {
            Self::Obligation | Self::Reattest | Self::Referral => None,
            Self::ConsentEnds | Self::Reconfirm | Self::ProxyEnds => None,
            Self::Answer | Self::Acknowledge | Self::LookAgain => Some(HubFunction::RightsOfficer),
            Self::Review | Self::DecideObjection | Self::DecideRestriction | Self::Agreement => {
                Some(HubFunction::PrivacyOfficer)
            }
            Self::Notice => Some(HubFunction::NoticeReader),
        }
    }
}

impl std::fmt::Display for DueKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for DueKind {
    type Err = crate::domain::IdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or(crate::domain::IdError::Malformed)
    }
}

/// Something that falls due. It names nobody; ids of residents stand in the names of their choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// When; `None`: as long as the data are kept, or at once.
    pub at: Option<Timestamp>,
    /// It is late.
    pub overdue: bool,
    /// What.
    pub kind: DueKind,
    /// The agency that has to see to it.
    pub owner: AgencyId,
    /// Who there: the word of a function, or roles; empty: staff.
    pub whose: String,
    /// What it is about, `disclosures/{uuid}` and the like.
    pub name: String,
    /// More of what: the duty, the override, what of an agreement ends.
    pub what: String,
}

/// Which of it.
#[derive(Debug, Clone, Default)]
pub struct DueWish {
    /// Only of these kinds; empty: of all.
    pub kinds: BTreeSet<DueKind>,
    /// Only what this function or role sees to.
    pub whose: Option<String>,
    /// Only what is late or falls due so soon; `None`: everything.
    pub within: Option<SignedDuration>,
    /// Only releases and referrals of so long ago or later; `None`: of all time.
    pub back: Option<SignedDuration>,
}

impl DueWish {
    fn wants(&self, kind: DueKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    fn takes(&self, due: &Due, now: Timestamp) -> bool {
        let whose = |word: &String| due.whose.split('|').any(|one| one == word);
        let soon = |within: SignedDuration| {
            due.overdue || due.at.is_some_and(|at| at.duration_since(now) <= within)
        };
        self.wants(due.kind)
            && self.whose.as_ref().is_none_or(whose)
            && self.within.is_none_or(soon)
    }
}

/// What falls due for an agency.
pub struct DueList {
    /// The soonest first; what has no time comes last.
    pub due: Vec<Due>,
    /// Proof that the look is recorded.
    pub receipt: Receipt,
}

/// A place in the list to go on behind.
pub type DuePlace = (Option<Timestamp>, DueKind, String, String);

impl Due {
    /// Where it stands in the list.
    #[must_use]
    pub fn place(&self) -> DuePlace {
        (self.at, self.kind, self.name.clone(), self.what.clone())
    }

    /// Whether it comes after a place in the list.
    #[must_use]
    pub fn is_behind(&self, place: &DuePlace) -> bool {
        self.order() > (place.0.is_none(), place.clone())
    }

    fn order(&self) -> (bool, DuePlace) {
        (self.at.is_none(), self.place())
    }

    fn new(kind: DueKind, owner: &AgencyId, name: String, at: Option<Timestamp>) -> Self {
        let whose = kind.function().map(|function| function.to_string()).unwrap_or_default();
        Self { at, overdue: false, kind, owner: owner.clone(), whose, name, what: String::new() }
    }
}

impl Hub {
    /// What falls due for the caller's agency. For its staff and for whoever has a function that sees to
    /// something.
    ///
    /// # Errors
    /// When the caller is neither; [`HubError::TooMuch`] where more would have to be read of a kind than one answer
    /// may: the other kinds can still be asked for, and of releases and referrals a shorter time back.
    pub async fn list_due(&self, caller: &Caller, wish: &DueWish) -> Result<DueList, HubError> {
        let at = self.clock.now();
        let policy = self.policy()?;
        let rpc = "weir.hub.v1.ReviewService/ListDue";
        let call = self.call(rpc, caller, &policy, at);
        let function = DueKind::ALL
            .into_iter()
            .filter_map(DueKind::function)
            .find(|function| caller.functions().contains(function));
        match function {
            Some(function) => self.require(&call, &policy, function).await?,
            None => {
                self.require_staff(&call, &policy, super::entry::nobody()).await?;
            }
        }
        let receipt = self.look(&call, "due", &serde_json::json!({ "list": "due" })).await?;
        let mut due = self.due_of(Some(&policy), caller.agency(), wish).await?;
        // What residents do not see of releases is for who decides on it.
        if !caller.functions().contains(&HubFunction::RightsOfficer) {
            due.retain(|one| one.kind != DueKind::LookAgain);
        }
        Ok(DueList { due, receipt })
    }

    /// What falls due for an agency. Without a policy: what needs none to be known.
    ///
    /// # Errors
    /// As [`Hub::list_due`].
    pub async fn due_of(
        &self,
        policy: Option<&InForce>,
        owner: &AgencyId,
        wish: &DueWish,
    ) -> Result<Vec<Due>, HubError> {
        let now = self.clock.now();
        let since = wish.back.and_then(|back| now.checked_sub(back).ok());
        let mut all = Vec::new();
        let releases =
            [DueKind::Obligation, DueKind::Review, DueKind::Reattest].map(|kind| wish.wants(kind));
        if releases.contains(&true) {
            self.due_of_releases(policy, owner, since, now, &mut all).await?;
        }
        if wish.wants(DueKind::Referral) {
            self.due_referrals(owner, since, now, &mut all).await?;
        }
        if wish.wants(DueKind::Notice) {
            self.due_notices(policy, owner, now, &mut all).await?;
        }
        if let Some(policy) = policy {
            if wish.wants(DueKind::Answer) || wish.wants(DueKind::Acknowledge) {
                self.due_requests(policy, owner, now, &mut all).await?;
            }
            if wish.wants(DueKind::LookAgain) {
                self.due_looks(policy, owner, now, &mut all).await?;
            }
            if choices::KINDS.into_iter().any(|kind| wish.wants(kind)) {
                self.due_choices(policy, owner, now, &mut all).await?;
            }
            due_agreements(policy.book(), owner, now, &mut all);
        }
        all.retain(|due| wish.takes(due, now));
        all.sort_by_key(Due::order);
        Ok(all)
    }

    async fn due_of_releases(
        &self,
        policy: Option<&InForce>,
        owner: &AgencyId,
        since: Option<Timestamp>,
        now: Timestamp,
        all: &mut Vec<Due>,
    ) -> Result<(), HubError> {
        let search = Search {
            kinds: vec![Kind::Disclose],
            concerns: Some(owner.clone()),
            since,
            ..Search::default()
        };
        let (found, _) = self.all_of(search).await?;
        for stored in &found {
            let claimed = stored.entry.words(Facet::Override).next();
            for one in duties(self.store.as_ref(), stored, now).await? {
                if one.task.owner.as_ref() != Some(owner) || one.state == DutyState::Met {
                    continue;
                }
                let review = one.task.duty == Duty::ReviewBy && claimed.is_some();
                let kind = if review { DueKind::Review } else { DueKind::Obligation };
                let name = format!("disclosures/{}", one.disclosure);
                let overdue = one.state == DutyState::Overdue;
                let what = one.task.duty.to_string();
                all.push(Due { overdue, what, ..Due::new(kind, owner, name, one.task.due) });
            }
            if let Some(policy) = policy
                && stored.entry.agency.as_ref() == Some(owner)
            {
                all.extend(reattest(policy.book(), owner, stored, now));
            }
        }
        Ok(())
    }

    async fn due_referrals(
        &self,
        owner: &AgencyId,
        since: Option<Timestamp>,
        now: Timestamp,
        all: &mut Vec<Due>,
    ) -> Result<(), HubError> {
        let search = Search {
            kinds: vec![Kind::Refuse],
            facets: vec![(Facet::Outcome, "REFER".to_owned()), (Facet::Holder, owner.to_string())],
            since,
            ..Search::default()
        };
        let (found, _) = self.all_of(search).await?;
        for about in found.iter().filter_map(Reviewed::read) {
            let Some(task) = about.recorded.tasks.referral.clone() else { continue };
            if self.store.entry(once_for("decided", about.id)).await?.is_some() {
                continue;
            }
            let roles: Vec<String> = task.deciders.iter().map(ToString::to_string).collect();
            let name = format!("referrals/{}", about.id);
            all.push(Due {
                overdue: task.due <= now,
                whose: roles.join("|"),
                what: about.ask.purpose.to_string(),
                ..Due::new(DueKind::Referral, owner, name, Some(task.due))
            });
        }
        Ok(())
    }

    async fn due_requests(
        &self,
        policy: &InForce,
        owner: &AgencyId,
        now: Timestamp,
        all: &mut Vec<Due>,
    ) -> Result<(), HubError> {
        for one in self.requests_to(policy, owner, now).await? {
            let name = || format!("requests/{}", one.id);
            let standing = one.standing;
            let mut add = |kind, by: Date, held: bool| {
                let at = end_of(policy.book(), by);
                let overdue = !held && at <= now;
                let what = one.kind.to_string();
                all.push(Due { overdue, what, ..Due::new(kind, owner, name(), Some(at)) });
            };
            if !standing.answered {
                add(DueKind::Answer, standing.answer_by, standing.paused);
            }
            if let Some(by) = standing.acknowledge_by {
                add(DueKind::Acknowledge, by, false);
            }
        }
        Ok(())
    }

    async fn due_looks(
        &self,
        policy: &InForce,
        owner: &AgencyId,
        now: Timestamp,
        all: &mut Vec<Due>,
    ) -> Result<(), HubError> {
        for (id, purpose, seen) in self.hidden_by(policy, owner, now).await? {
            if let Seen::Sealed(again) = seen {
                let name = format!("disclosures/{id}");
                all.push(Due {
                    overdue: again <= now,
                    what: purpose.map(String::from).unwrap_or_default(),
                    ..Due::new(DueKind::LookAgain, owner, name, Some(again))
                });
            }
        }
        Ok(())
    }
}

/// Until when a release under an override may be relied on.
fn reattest(
    book: &RuleBook,
    owner: &AgencyId,
    stored: &StoredEntry,
    now: Timestamp,
) -> Option<Due> {
    let kind: OverrideId = stored.entry.words(Facet::Override).next()?.parse().ok()?;
    let hours = book.overrides.get(&kind)?.ceiling_hours;
    let end = stored.committed_at.checked_add(SignedDuration::from_hours(hours)).ok()?;
    // Once it has ended there is nothing to renew: who needs the data asks anew.
    let open = end > now && about(&stored.entry).is_some();
    let name = format!("disclosures/{}", stored.entry.event);
    let what = kind.to_string();
    open.then(|| Due { what, ..Due::new(DueKind::Reattest, owner, name, Some(end)) })
}

fn due_agreements(book: &RuleBook, owner: &AgencyId, now: Timestamp, all: &mut Vec<Due>) {
    let today = now.to_zoned(book.place.zone.clone()).date();
    for lapse in lapses(book, today) {
        let party = book
            .agreements
            .iter()
            .any(|(id, agreement)| id.as_str() == lapse.name && agreement.parties.contains(owner));
        if party {
            let at = end_of(book, lapse.on);
            let name = format!("agreements/{}", lapse.name);
            let what = lapse.what.as_str().to_owned();
            all.push(Due { what, ..Due::new(DueKind::Agreement, owner, name, Some(at)) });
        }
    }
}

/// The end of a day at the place.
fn end_of(book: &RuleBook, day: Date) -> Timestamp {
    let next = day.tomorrow().unwrap_or(day);
    next.to_zoned(book.place.zone.clone()).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}

/// The id of a thing in the list.
pub(super) fn named(collection: &str, id: DecisionId) -> String {
    format!("{collection}/{id}")
}
