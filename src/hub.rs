//! One method per use case: the only place where caller, policy, store, source and log meet. Nothing
//! leaves here that is not in the audit log first.

mod again;
mod answer;
mod bulk;
mod choices;
mod consent_exchange;
mod consent_receipts;
mod due;
pub mod entry;
mod erasing;
mod error;
mod explained;
mod facts;
mod in_force;
mod knowledge;
mod locate;
mod log;
mod new_choice;
pub mod notices;
mod opt_out;
pub mod past;
mod proofs;
mod proxies;
mod records;
mod rectify;
mod replays;
mod reported;
mod requests;
mod residents;
mod reviews;
mod rights;
mod share;
mod subject_access;
mod tracker;
mod withdrawing;
mod witnessing;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use tokio::sync::Semaphore;

pub use answer::{Answer, Findings, Question};
pub use choices::{ListedChoice, NewConsent, NewObjection, NewRestriction, Stand, Withdrawal};
pub use consent_receipts::ConsentReceipt;
pub use due::{Due, DueKind, DueList, DuePlace, DueWish};
pub use erasing::Authority;
pub use error::{HubError, Violation};
pub use explained::Explained;
pub use in_force::{InForce, PolicyVersion, Versions};
pub use knowledge::ListedFacts;
pub use locate::Located;
pub use log::{
    Answered, Details, EntryQuery, ExportStream, Exporting, Formats, Looked, ONE_RESIDENT, Piece,
    RegisterFigures, RegisterQuery, Registered, SignedOff, UnknownWord, answer_from, figures_from,
    judged_by, registered_from, unknown_words,
};
pub use notices::{
    Acknowledging, Chosen, Cursor, Heard, HeardEvent, ListedNotice, NoticePage, NoticeWatch,
    Notices, OpenedData, OwnCopy, ToldOf,
};
pub use opt_out::{BegunCheck, asking, numbers_of, oldest};
pub use proofs::{Proof, Verified};
pub use proxies::{ListedProxies, ListedProxy, NewProxy, Party, ProxyEnd};
pub use records::{Extract, ExtractRow, Published, may_expire};
pub use rectify::{Correction, Erasure, Rectified};
pub use replays::{Replay, ReplayState, Replayed};
pub use reported::NonDisclosure;
pub use requests::{Advance, Challenge, Clocked, ListedRequest, NewRequest, RequestPage, Taken};
pub use residents::{NewResident, Wanted};
pub use reviews::{
    Approving, Closing, Deciding, DutyState, Fulfilling, ListedDuty, ListedReferral, ReferralState,
    Review, ReviewQueue, SignalFigures, Sweep, Verdict, WaitingReview, duties,
};
pub use rights::Finding;
pub use subject_access::{CopyPart, Draft, DraftItem, ReviewingAccess, SettledAccess};
pub use tracker::{HiddenPage, HiddenRelease, Reviewing, SeenPage, SeenRelease, VisibilityFigures};
pub use withdrawing::{PurposeWithdrawal, Settled};
pub use witnessing::{HeadWatch, Witnesses};

use crate::audit::entry::{Entry, Facet, Kind};
use crate::auth::{Caller, HubFunction};
use crate::clock::SharedClock;
use crate::domain::{PurposeId, ResidentId, RoleId};
use crate::policy::PolicySnapshot;
use crate::policy::book::RuleBook;
use crate::source::RecordSource;
use crate::store::{Known, Standing, Store};
use bulk::Bulk;
use entry::{Call, fresh_id};
use facts::Judge;
use replays::Replays;

/// The hub.
pub struct Hub {
    store: Arc<dyn Store>,
    source: Arc<dyn RecordSource>,
    /// `None`: there is no policy, and nothing is decided.
    policy: ArcSwapOption<InForce>,
    clock: SharedClock,
    bulk: Bulk,
    replays: Replays,
    /// Who checks a candidate now: one at a time.
    checking: Semaphore,
    /// Exports that callers may take at once.
    exports: Arc<Semaphore>,
    witnessing: witnessing::Witnessing,
    /// Watches of notices at once.
    notice_watchers: Arc<Semaphore>,
}

impl Hub {
    /// Joins the parts; there is no policy yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, source: Arc<dyn RecordSource>, clock: SharedClock) -> Self {
        let policy = ArcSwapOption::empty();
        Self {
            store,
            source,
            policy,
            clock,
            bulk: Bulk::default(),
            replays: Replays::default(),
            checking: Semaphore::new(1),
            exports: Arc::new(Semaphore::new(crate::limits::EXPORTS_MAX)),
            witnessing: witnessing::Witnessing::default(),
            notice_watchers: Arc::new(Semaphore::new(crate::limits::NOTICE_WATCHERS_MAX)),
        }
    }

    /// The time by the hub's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether the hub can answer: there is a policy, and entries can be made durable. When the latest
    /// could not, tries one of its own, which stands in the log once that succeeds.
    pub async fn is_ready(&self) -> bool {
        if self.policy().is_err() {
            return false;
        }
        if self.store.is_able() {
            return true;
        }
        let facets = BTreeMap::from([(Facet::What, "ready".to_owned())]);
        let event = fresh_id(self.clock.now());
        let entry = Entry::of_hub(event, Kind::Operation, "weir serve", facets);
        self.store.append(vec![entry]).await.is_ok()
    }

    fn call<'a>(
        &self,
        rpc: &'static str,
        caller: &'a Caller,
        policy: &PolicySnapshot,
        at: Timestamp,
    ) -> Call<'a> {
        Call { rpc, id: fresh_id(at), caller, policy: policy.book().hash, at }
    }

    /// The caller's acting role, or the error that a turned away caller gets.
    async fn acting_role(&self, call: &Call<'_>) -> Result<RoleId, HubError> {
        match call.caller.role() {
            Some(role) => Ok(role.clone()),
            None => Err(self.turned_away(call, HubError::RoleNeeded).await),
        }
    }

    /// Lets through a caller with this function whose agency may act. An account that works by itself
    /// may have no staff record; one that has ended ends the function too.
    async fn require(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
        function: HubFunction,
    ) -> Result<(), HubError> {
        if !call.caller.functions().contains(&function) {
            let error = HubError::FunctionNeeded(function);
            return Err(self.turned_away(call, error).await);
        }
        self.require_agency(call, policy).await?;
        self.require_account(call, policy).await
    }

    /// Lets through a caller with no staff record, or one that is in order.
    async fn require_account(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
    ) -> Result<(), HubError> {
        let beside = self.known_beside(call, policy, entry::nobody()).await?;
        let judge = beside.judge();
        if judge.has_staff_record(&beside.known) && !judge.is_account_active(&beside.known) {
            return Err(self.turned_away(call, HubError::AccountInactive).await);
        }
        Ok(())
    }

    async fn require_agency(
        &self,
        call: &Call<'_>,
        policy: &PolicySnapshot,
    ) -> Result<(), HubError> {
        let agency = call.caller.agency();
        let standing = self.store.standing().await?;
        let active = Judge::new(policy.book(), &standing, call.at).is_active(agency);
        if !active || !policy.book().agencies.contains_key(agency) {
            return Err(self.turned_away(call, HubError::AgencyInactive).await);
        }
        Ok(())
    }

    /// Lets through a caller in a role of the policy whose agency, account and training are good,
    /// and tells what is known of `resident`. The same is read whoever that is.
    async fn require_staff<'p>(
        &self,
        call: &Call<'_>,
        policy: &'p PolicySnapshot,
        resident: ResidentId,
    ) -> Result<Beside<'p>, HubError> {
        let role = self.acting_role(call).await?;
        if !policy.book().roles.contains_key(&role) {
            return Err(self.turned_away(call, HubError::RoleNeeded).await);
        }
        self.require_agency(call, policy).await?;
        let beside = self.known_beside(call, policy, resident).await?;
        if !beside.judge().may_act(&beside.known) {
            return Err(self.turned_away(call, HubError::AccountInactive).await);
        }
        Ok(beside)
    }

    /// What is known of a resident where no question is asked: consents do not matter.
    async fn known_beside<'p>(
        &self,
        call: &Call<'_>,
        policy: &'p PolicySnapshot,
        resident: ResidentId,
    ) -> Result<Beside<'p>, HubError> {
        let purpose: PurposeId = "none".parse().map_err(|_| HubError::Broken)?;
        let agency = call.caller.agency().clone();
        let person = call.caller.person().clone();
        let standing = self.store.standing().await?;
        let known = self.store.known(agency, person, resident, purpose).await?;
        Ok(Beside { book: policy.book(), standing, at: call.at, known })
    }

    /// Records that a caller was turned away, and gives back why.
    async fn turned_away(&self, call: &Call<'_>, why: HubError) -> HubError {
        self.turned_away_with(call, why, None, &serde_json::Value::Null).await
    }

    /// Records that a caller was turned away with what they asked for about whom, and gives back why.
    async fn turned_away_with(
        &self,
        call: &Call<'_>,
        why: HubError,
        about: Option<ResidentId>,
        request: &serde_json::Value,
    ) -> HubError {
        let facets = BTreeMap::from([(Facet::What, what(&why).to_owned())]);
        let entry = call.entry(
            fresh_id(call.at),
            Kind::TurnedAway,
            facets,
            about,
            BTreeMap::new(),
            request,
        );
        match self.store.append(vec![entry]).await {
            Ok(_) => why,
            Err(error) => error.into(),
        }
    }
}

/// What is known beside a question, and what it is judged by.
struct Beside<'p> {
    book: &'p RuleBook,
    standing: Arc<Standing>,
    at: Timestamp,
    known: Known,
}

impl Beside<'_> {
    fn judge(&self) -> Judge<'_> {
        Judge::new(self.book, &self.standing, self.at)
    }

    /// To the caller there is nobody.
    fn is_closed(&self) -> bool {
        self.judge().is_closed(&self.known)
    }
}

/// The word of the log for why a caller got no answer.
const fn what(why: &HubError) -> &'static str {
    match why {
        HubError::RoleNeeded => "role",
        HubError::FunctionNeeded(_) => "function",
        HubError::NotYours => "not-yours",
        HubError::Powerless => "powerless",
        HubError::AgencyInactive => "agency",
        HubError::AccountInactive => "account",
        HubError::NotFound => "not-found",
        HubError::Taken => "taken",
        HubError::RequestIdReused => "request-id",
        HubError::Changed => "changed",
        HubError::Held => "held",
        HubError::Referred => "referred",
        HubError::TooMuch => "too-much",
        HubError::Busy => "busy",
        HubError::Review(why) => why.as_str(),
        HubError::SourceUnavailable => "source",
        HubError::NoPolicy => "policy",
        HubError::Unwitnessed | HubError::NotCosigned => "witness",
        HubError::Invalid(_) | HubError::StoreUnavailable | HubError::Broken => "other",
    }
}
