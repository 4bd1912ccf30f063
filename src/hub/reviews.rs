//! Where a decision waits for a person: second persons, referrals and duties. All of it stands in the
//! log: what happens once has an id that follows from what it is about, and the log takes no id twice.

mod approvals;
mod lists;
mod obligations;
mod overrides;
mod referrals;

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::entry::{Call, recorded_ask};
use super::{Hub, HubError, Violation};
use crate::audit::entry::{Entry, Facet, Kind};
use crate::auth::Caller;
use crate::domain::{AgencyId, Ask, Code, DecisionId, Duty, FieldId, ResidentId, RoleId, Scope};
use crate::policy::book::{DutyDue, DutyOwner, RuleBook};
use crate::policy::{Decision, Outcome, PolicySnapshot, View};
use crate::store::{Receipt, Refusal, StoreError, StoredEntry};

pub use approvals::Approving;
pub use lists::{DutyState, ListedDuty, ListedReferral, ReferralState, Sweep, duties};
pub use obligations::Fulfilling;
pub(super) use obligations::met;
pub use overrides::{Closing, ReviewQueue, SignalFigures, WaitingReview};
pub(super) use referrals::Relied;
pub use referrals::{Deciding, Verdict};

/// Why what waits for a person cannot go on so; one variant for each thing a caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Review {
    /// The caller's agency or role may not approve this override, or knows the resident.
    ApproverNotEntitled,
    /// Nobody approves or decides their own request.
    OwnRequest,
    /// The request asserted no override that takes an approver, or was not refused.
    NothingToApprove,
    /// The request has its approval, or one like it is open.
    ApprovedAlready,
    /// The caller's role may not decide this referral, or they know the resident.
    DeciderNotEntitled,
    /// The referral was decided.
    ReferralDecided,
    /// Nobody has decided the referral.
    ReferralOpen,
    /// The referral was declined.
    ReferralDeclined,
    /// The grant has ended.
    GrantExpired,
    /// The grant, or the approval, was used.
    GrantUsed,
    /// The grant is for another resident, holder, purpose or case.
    GrantMismatch,
    /// The duty was met, or is not one that anybody tells of.
    DutyNotOpen,
    /// An auditor of another agency signs off.
    SecondAgencyNeeded,
    /// Nobody has signed off that every agency's entries are seen.
    AccessOpen,
    /// The sign-off has ended.
    AccessEnded,
    /// The caller may not close this review: another person must, who is a privacy officer.
    ReviewerNotEntitled,
}

impl Review {
    /// The word of the log.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::ApproverNotEntitled => "approver",
            Self::OwnRequest => "own-request",
            Self::NothingToApprove => "nothing-to-approve",
            Self::ApprovedAlready => "approved-already",
            Self::DeciderNotEntitled => "decider",
            Self::ReferralDecided => "referral-decided",
            Self::ReferralOpen => "referral-open",
            Self::ReferralDeclined => "referral-declined",
            Self::GrantExpired => "grant-expired",
            Self::GrantUsed => "grant-used",
            Self::GrantMismatch => "grant-mismatch",
            Self::DutyNotOpen => "duty-not-open",
            Self::SecondAgencyNeeded => "second-agency",
            Self::AccessOpen => "access-open",
            Self::AccessEnded => "access-ended",
            Self::ReviewerNotEntitled => "reviewer",
        }
    }
}

/// What a decision leaves to be done, as its entry holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tasks {
    /// What a person must decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referral: Option<ReferralTask>,
    /// The duties of the release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<ObligationTask>,
}

/// What a person at the holder must decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferralTask {
    /// Roles that may.
    pub deciders: BTreeSet<RoleId>,
    /// By when.
    pub due: Timestamp,
    /// A grant is good for so many hours.
    pub grant_hours: i64,
    /// What is referred.
    pub fields: BTreeMap<FieldId, BTreeSet<Code>>,
}

/// A duty of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObligationTask {
    /// The duty.
    pub duty: Duty,
    /// Whose it is; `None`: the hub's, met with the release.
    pub owner: Option<AgencyId>,
    /// By when; `None`: it is never late.
    pub due: Option<Timestamp>,
}

impl Tasks {
    /// What a request that was decided so leaves to be done.
    #[must_use]
    pub(super) fn of(
        book: &RuleBook,
        asker: &AgencyId,
        ask: &Ask,
        decision: &Decision,
        view: &View,
        at: Timestamp,
    ) -> Self {
        let after = |hours: i64| at.checked_add(SignedDuration::from_hours(hours)).ok();
        let referral = (view.outcome == Outcome::Refer).then(|| {
            let codes: BTreeSet<Code> = decision.referred.values().flatten().copied().collect();
            let mut rules = codes.iter().filter_map(|code| book.referrals.get(code));
            let first = rules.next()?.clone();
            let all = rules.fold(first, |mut all, rule| {
                all.deciders.retain(|role| rule.deciders.contains(role));
                all.due_hours = all.due_hours.min(rule.due_hours);
                all.grant_hours = all.grant_hours.min(rule.grant_hours);
                all
            });
            Some(ReferralTask {
                deciders: all.deciders,
                due: after(all.due_hours)?,
                grant_hours: all.grant_hours,
                fields: decision.referred.clone(),
            })
        });
        let review = ask.override_claim.as_ref().filter(|_| !view.released.is_empty());
        let review = review.map(|claim| overrides::task(book, asker, &claim.kind, at));
        // A release that asserted an override has one review, within the hours of the override.
        let is_other = |duty: &&Duty| review.is_none() || **duty != Duty::ReviewBy;
        let obligations = view.duties.iter().filter(is_other).filter_map(|duty| {
            let about = book.duties.get(duty)?;
            Some(ObligationTask {
                duty: *duty,
                owner: match about.owner {
                    DutyOwner::Asker => Some(asker.clone()),
                    DutyOwner::Holder => Some(ask.from.clone()),
                    DutyOwner::Hub => None,
                },
                due: match about.due {
                    DutyDue::Hours(hours) => after(hours),
                    DutyDue::AtExpiry => view.expires_at,
                    DutyDue::WithRelease | DutyDue::Standing => None,
                },
            })
        });
        Self {
            referral: referral.flatten(),
            obligations: obligations.chain(review.clone()).collect(),
        }
    }
}

/// The id of what happens once: it follows from what it is about.
#[must_use]
pub(super) fn once(what: &str, parts: &[&[u8]]) -> DecisionId {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in std::iter::once(what.as_bytes()).chain(parts.iter().copied()) {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    DecisionId::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// The same, about one decision.
pub(super) fn once_for(what: &str, about: DecisionId) -> DecisionId {
    once(what, &[about.uuid().as_bytes()])
}

/// A refused or answered request that a review is about.
pub(super) struct Reviewed {
    pub(super) id: DecisionId,
    resident: ResidentId,
    pub(super) ask: Ask,
    asker: AgencyId,
    principal: [u8; 16],
    pub(super) recorded: super::entry::Recorded,
}

impl Reviewed {
    /// `None` when the entry is no decision about a request.
    pub(super) fn read(stored: &StoredEntry) -> Option<Self> {
        let entry = &stored.entry;
        let requested = matches!(entry.kind, Kind::Disclose | Kind::Refuse)
            && entry.facets.contains_key(&Facet::Outcome);
        requested.then(|| {
            Some(Self {
                id: entry.event,
                resident: super::entry::about(entry)?,
                ask: recorded_ask(entry)?,
                asker: entry.agency.clone()?,
                principal: entry.principal,
                recorded: super::entry::recorded(entry)?,
            })
        })?
    }

    fn is_by(&self, caller: &Caller) -> bool {
        let who = &self.recorded.facts.requester;
        self.principal == caller.principal()
            || (who.agency == *caller.agency() && who.person == *caller.person())
    }
}

/// The fields that scopes stand for.
fn expand(book: &RuleBook, scopes: &[Scope]) -> BTreeSet<FieldId> {
    let fields = |scope: &Scope| match scope {
        Scope::Field(field) => vec![field.clone()],
        Scope::Category(category) => {
            book.categories.get(category).map(|c| c.fields.clone()).unwrap_or_default()
        }
    };
    scopes.iter().flat_map(fields).collect()
}

/// What was asked for in an ask, field by field.
fn asked(book: &RuleBook, ask: &Ask) -> BTreeSet<FieldId> {
    let scopes: Vec<Scope> = ask.fields.iter().map(|asked| asked.0.clone()).collect();
    expand(book, &scopes)
}

/// Of `wish` what is within `all`, or all where nothing is wished for.
fn within(
    book: &RuleBook,
    wish: &[Scope],
    all: &BTreeSet<FieldId>,
) -> Result<BTreeSet<FieldId>, HubError> {
    if wish.is_empty() {
        return Ok(all.clone());
    }
    let fields = expand(book, wish);
    if fields.is_empty() || !fields.is_subset(all) {
        let what = "must be among those of the request";
        return Err(HubError::Invalid(vec![Violation::new("fields", what)]));
    }
    Ok(fields)
}

/// An end within `hours` from `at`; the latest where none is wished for.
fn ending(
    field: &str,
    wish: Option<Timestamp>,
    hours: i64,
    at: Timestamp,
) -> Result<Timestamp, HubError> {
    let latest = at.checked_add(SignedDuration::from_hours(hours)).map_err(|_| HubError::Broken)?;
    let until = wish.unwrap_or(latest);
    if until <= at || until > latest {
        let what = format!("must be in the future and at most {hours} hours from now");
        return Err(HubError::Invalid(vec![Violation::new(field, what)]));
    }
    Ok(until)
}

impl Hub {
    /// The decision about a request, or the error of a caller who may not know of it.
    async fn reviewed(&self, call: &Call<'_>, id: DecisionId) -> Result<Reviewed, HubError> {
        let stored = self.store.entry(id).await?;
        match stored.as_ref().and_then(Reviewed::read) {
            Some(reviewed) => Ok(reviewed),
            None => Err(self.review_refused(call, HubError::NotFound, id, None).await),
        }
    }

    /// Records that a review was turned down, and gives back why.
    async fn review_refused(
        &self,
        call: &Call<'_>,
        why: HubError,
        id: DecisionId,
        about: Option<ResidentId>,
    ) -> HubError {
        let request = serde_json::json!({ "review": id.to_string() });
        self.turned_away_with(call, why, about, &request).await
    }

    /// Appends entries of which one happens once; `taken` is said where it has happened.
    async fn append_once(
        &self,
        call: &Call<'_>,
        mut entries: Vec<Entry>,
        about: &Reviewed,
        taken: Review,
    ) -> Result<Receipt, HubError> {
        super::share::number(&mut entries)?;
        match self.store.append(entries).await {
            Ok(receipts) => receipts.into_iter().next().ok_or(HubError::Broken),
            Err(StoreError::Refused(Refusal::EventTaken)) => {
                let why = HubError::Review(taken);
                Err(self.review_refused(call, why, about.id, Some(about.resident)).await)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the caller is, or knows, the resident, or has not declared their interests in time.
    async fn knows(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        resident: ResidentId,
    ) -> Result<bool, HubError> {
        let beside = self.known_beside(call, policy, resident).await?;
        let kin = beside.judge().kin(&beside.known);
        Ok(kin.is_self || kin.interests.conflict())
    }
}

/// An entry of a review.
fn review_entry(
    call: &Call<'_>,
    event: DecisionId,
    what: &str,
    about: &Reviewed,
    words: BTreeMap<String, String>,
    request: &serde_json::Value,
) -> Entry {
    let facets = BTreeMap::from([
        (Facet::What, what.to_owned()),
        (Facet::Holder, about.ask.from.as_str().to_owned()),
        (Facet::Purpose, about.ask.purpose.as_str().to_owned()),
        (Facet::Review, about.id.to_string()),
    ]);
    call.entry(event, Kind::Review, facets, Some(about.resident), words, request)
}
