//! A place with a hub that listens on a real socket: the shipped policies, a real data folder, real
//! tokens, and a clock that stands still until it is set.

mod people;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;
use uuid::Uuid;
use weir::app::reload::{PolicyFolder, Reloader};
use weir::app::{App, AppError, Policies};
use weir::audit::entry::{Entry, Kind};
use weir::auth::issuer::{DevelopmentIssuer, Person};
use weir::clock::{Clock, FixedClock, SharedClock};
use weir::domain::DecisionId;
use weir::grpc::pb;
use weir::grpc::server::Options;
use weir::policy::book::RuleBook;
use weir::store::sqlite::keys::Opened;
use weir::store::{Fact, Store};

pub(crate) use people::*;

/// When every place opens.
pub(crate) const OPENED: &str = "2026-07-15T10:00:00+01:00";

/// A running hub.
pub(crate) struct Place {
    pub(crate) channel: Channel,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) clock: FixedClock,
    pub(crate) app: Arc<App>,
    pub(crate) issuer: DevelopmentIssuer,
    pub(crate) reloader: Option<Reloader>,
    dir: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<Result<(), AppError>>>,
}

/// An entry for what the set-up does through the store.
pub(crate) fn prepared(kind: Kind) -> Entry {
    Entry {
        event: DecisionId::from_uuid(Uuid::new_v4()),
        kind,
        rpc: "set-up".to_owned(),
        call: DecisionId::from_uuid(Uuid::new_v4()),
        part: 1,
        parts: 1,
        agency: None,
        principal: [0; 16],
        policy: [0; 32],
        facets: BTreeMap::new(),
        slots: BTreeMap::new(),
    }
}

impl Place {
    /// Opens the place with everybody in it.
    pub(crate) async fn open() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        let place = Self::empty(&root).await;
        let app = &place.app;
        people_it(app.store.as_ref(), app.hub.policy().unwrap().book(), place.clock.now()).await;
        place
    }

    /// Opens the place with nobody in it, under the policies of a folder.
    pub(crate) async fn empty(policies: &Path) -> Self {
        let start: Timestamp = OPENED.parse().unwrap();
        Self::at(tempfile::tempdir().unwrap(), FixedClock::at(start), policies).await
    }

    /// Ends the hub and starts it again on the same files, under the shipped policies.
    pub(crate) async fn restarted(self) -> Self {
        let (dir, clock) = self.ended().await;
        let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        Self::at(dir, clock, &policies).await
    }

    pub(crate) async fn at(dir: tempfile::TempDir, clock: FixedClock, policies: &Path) -> Self {
        let policy = weir::cli::policy::open(policies).unwrap();
        let book = policy.book().clone();
        Self::under(dir, clock, &book, policy).await
    }

    /// Opens the place following a policy folder, with everybody in it where it is new. Who may call is as
    /// in the shipped folder. The place looks at the folder when told, through its `reloader`.
    pub(crate) async fn following(
        dir: tempfile::TempDir,
        clock: FixedClock,
        folder: PolicyFolder,
    ) -> Self {
        let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        let book = weir::policy::load::load_dir(&policies).unwrap();
        let new = !dir.path().join("data").exists();
        let place = Self::under(dir, clock, &book, folder).await;
        if new {
            people_it(place.app.store.as_ref(), &book, place.clock.now()).await;
        }
        place
    }

    /// Ends the hub, and gives back what it stood on.
    pub(crate) async fn ended(mut self) -> (tempfile::TempDir, FixedClock) {
        self.shut_down().await.unwrap().unwrap();
        let Self { app, dir, clock, .. } = self;
        drop(app);
        (dir, clock)
    }

    async fn under(
        dir: tempfile::TempDir,
        clock: FixedClock,
        book: &RuleBook,
        policies: impl Into<Policies>,
    ) -> Self {
        let issuer = DevelopmentIssuer::open(&dir.path().join("issuer")).unwrap();
        let keys = dir.path().join("issuer");
        let issuers = weir::auth::issuer::issuers(book.agencies.keys(), book.roles.keys(), &keys);
        let shared: SharedClock = Arc::new(clock.clone());
        let data = dir.path().join("data");
        let app = App::open(&data, "northfield.example/it", policies, issuers, shared).await;
        let app = Arc::new(app.unwrap());
        let reloader = app.reloader();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn({
            let app = Arc::clone(&app);
            async move {
                app.serve(listener, Options::plain(true), async {
                    stopped.await.unwrap_or_default()
                })
                .await
            }
        });
        let channel =
            Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        let (stop, serving) = (Some(stop), Some(serving));
        Self { channel, address, clock, app, issuer, reloader, dir, stop, serving }
    }

    /// Asks the hub to end; the handle tells when it has.
    pub(crate) fn shut_down(&mut self) -> JoinHandle<Result<(), AppError>> {
        self.stop.take().unwrap().send(()).unwrap();
        self.serving.take().unwrap()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A token as `who`'s agency signs it now.
    pub(crate) fn token(&self, who: Person<'_>) -> String {
        self.issuer.token(who, self.clock.now(), 10).unwrap()
    }

    /// A message of a portal at which `one` is logged in.
    pub(crate) fn session<T>(&self, portal: Person<'_>, one: Inhabitant, message: T) -> Request<T> {
        let token = self.issuer.session(portal, one.resident(), self.clock.now(), 10).unwrap();
        bearing(&token, message)
    }

    /// A message from `who`.
    pub(crate) fn from<T>(&self, who: Person<'_>, message: T) -> Request<T> {
        bearing(&self.token(who), message)
    }

    pub(crate) async fn record(&self, facts: Vec<Fact>) {
        let facts = recorded(facts, self.clock.now());
        self.app.store.record_facts(facts, vec![prepared(Kind::Fact)]).await.unwrap();
    }

    pub(crate) fn sharing(&self) -> pb::sharing_service_client::SharingServiceClient<Channel> {
        pb::sharing_service_client::SharingServiceClient::new(self.channel.clone())
    }
    pub(crate) fn records(&self) -> pb::record_service_client::RecordServiceClient<Channel> {
        pb::record_service_client::RecordServiceClient::new(self.channel.clone())
    }
    pub(crate) fn residents(&self) -> pb::resident_service_client::ResidentServiceClient<Channel> {
        pb::resident_service_client::ResidentServiceClient::new(self.channel.clone())
    }
    pub(crate) fn choices(&self) -> pb::choice_service_client::ChoiceServiceClient<Channel> {
        pb::choice_service_client::ChoiceServiceClient::new(self.channel.clone())
    }
    pub(crate) fn facts(&self) -> pb::fact_service_client::FactServiceClient<Channel> {
        pb::fact_service_client::FactServiceClient::new(self.channel.clone())
    }
    pub(crate) fn reviews(&self) -> pb::review_service_client::ReviewServiceClient<Channel> {
        pb::review_service_client::ReviewServiceClient::new(self.channel.clone())
    }
    pub(crate) fn rights(&self) -> pb::rights_service_client::RightsServiceClient<Channel> {
        pb::rights_service_client::RightsServiceClient::new(self.channel.clone())
    }
    pub(crate) fn notices(&self) -> pb::notice_service_client::NoticeServiceClient<Channel> {
        pb::notice_service_client::NoticeServiceClient::new(self.channel.clone())
    }
    pub(crate) fn policies(&self) -> pb::policy_service_client::PolicyServiceClient<Channel> {
        pb::policy_service_client::PolicyServiceClient::new(self.channel.clone())
    }
    pub(crate) fn audit(&self) -> pb::audit_service_client::AuditServiceClient<Channel> {
        pb::audit_service_client::AuditServiceClient::new(self.channel.clone())
    }

    /// Entries in the log, without asking the hub.
    pub(crate) fn log_size(&self) -> u64 {
        self.app.store.log().head().size
    }

    /// The entries from `from` on, as they stand in the file.
    pub(crate) fn entries(&self, from: u64) -> Vec<Logged> {
        let log = self.log_file();
        let mut leaves =
            log.prepare("SELECT idx, leaf FROM entry WHERE idx >= ?1 ORDER BY idx").unwrap();
        let mut slots = log.prepare("SELECT slot, bytes FROM slot WHERE idx = ?1").unwrap();
        let rows = leaves.query_map([i64::try_from(from).unwrap()], |r| {
            Ok((r.get::<_, i64>(0)?, r.get::<_, Vec<u8>>(1)?))
        });
        rows.unwrap()
            .map(Result::unwrap)
            .map(|(index, leaf)| {
                let entry = weir::audit::leaf::decode(&leaf).unwrap().entry;
                let sealed: BTreeMap<u8, Vec<u8>> = slots
                    .query_map([index], |r| Ok((r.get(0)?, r.get(1)?)))
                    .unwrap()
                    .map(Result::unwrap)
                    .collect();
                let open = |(slot, sealed): (&u8, &Vec<u8>)| self.opened(&entry, *slot, sealed);
                let slots = sealed.iter().filter_map(open).collect();
                Logged { index, entry, leaf_len: leaf.len(), sealed, slots }
            })
            .collect()
    }

    /// What a slot says to who has the keys; `None`: it is erased.
    fn opened(&self, entry: &Entry, slot: u8, sealed: &[u8]) -> Option<(u8, Vec<u8>)> {
        match self.app.store.log().keys().open_slot(entry.event, slot, sealed).unwrap() {
            Opened::Content(salted) => Some((slot, salted[32..].to_vec())),
            Opened::Erased => None,
        }
    }

    /// A connection of one's own to the log's file.
    pub(crate) fn log_file(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.data().join("audit-2026.db")).unwrap()
    }
}

/// An entry as it stands in the file.
pub(crate) struct Logged {
    pub(crate) index: i64,
    pub(crate) entry: Entry,
    pub(crate) leaf_len: usize,
    /// The slots as they stand in the file.
    pub(crate) sealed: BTreeMap<u8, Vec<u8>>,
    /// What they say.
    pub(crate) slots: BTreeMap<u8, Vec<u8>>,
}

impl Logged {
    pub(crate) fn facet(&self, facet: weir::audit::entry::Facet) -> &str {
        self.entry.facets.get(&facet).map(String::as_str).unwrap_or_default()
    }
}

/// A message with a token.
pub(crate) fn bearing<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// A question for treatment that the hub permits about everybody whose record is open.
pub(crate) fn treatment(about: Inhabitant) -> pb::CanShareRequest {
    pb::CanShareRequest {
        resident: about.path(),
        holder: "agencies/oakdale-gp".to_owned(),
        purpose: "direct_care".to_owned(),
        fields: vec!["health/summary.allergies".to_owned()],
        reason: "Ward round this morning".to_owned(),
        case_reference: "CASE-118".to_owned(),
        ..Default::default()
    }
}

/// The same question as a request.
pub(crate) fn request(question: pb::CanShareRequest) -> pb::RequestRecordsRequest {
    pb::RequestRecordsRequest {
        residents: vec![question.resident],
        holders: vec![question.holder],
        purpose: question.purpose,
        fields: question.fields,
        reason: question.reason,
        case_reference: question.case_reference,
        basis: question.basis,
        cited_gateway: question.cited_gateway,
        threshold_statement: question.threshold_statement,
        notice_reference: question.notice_reference,
        received_for_purpose: question.received_for_purpose,
        do_not_tell_reason: question.do_not_tell_reason,
        r#override: question.r#override,
        referral: String::new(),
    }
}

/// The decision of an answer.
pub(crate) fn decision(answer: &pb::Answer) -> &pb::Decision {
    answer.decision.as_ref().unwrap()
}

/// How a call was turned down: its code, its reason for machines, and the fields that are wrong.
pub(crate) fn refused<T>(reply: Result<Response<T>, Status>) -> (Code, String, Vec<String>) {
    let Err(status) = reply else {
        return (Code::Ok, String::new(), Vec::new());
    };
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
    let fields = details.bad_request().map(|bad| {
        bad.field_violations
            .iter()
            .inspect(|v| assert!(!v.description.is_empty(), "{} is not explained", v.field))
            .map(|v| v.field.clone())
            .collect()
    });
    (status.code(), reason, fields.unwrap_or_default())
}

/// Expects a call to be turned down so.
#[track_caller]
pub(crate) fn expect_refused<T>(
    what: &str,
    reply: Result<Response<T>, Status>,
    code: Code,
    reason: &str,
    fields: &[&str],
) {
    let found = refused(reply);
    let fields = fields.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>();
    assert_eq!(found, (code, reason.to_owned(), fields), "{what}");
}
