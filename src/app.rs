//! The one place that builds and joins the parts, and that says in which order they start and stop.

pub mod anchoring;
pub mod publishing;
pub mod reload;

use std::future::Future;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::publishing::{Publisher, Publishing};
use self::reload::{PolicyFolder, Reloader};
use crate::auth::{Authenticator, Issuer};
use crate::clock::SharedClock;
use crate::grpc::pages::PageKey;
use crate::grpc::server::{Options, serve};
use crate::grpc::services::Desk;
use crate::hub::{Hub, InForce, Sweep};
use crate::limits;
use crate::policy::PolicySnapshot;
use crate::source::Shelf;
use crate::store::Store;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::keys::{HubKey, Keyring};
use crate::store::sqlite::log::{Log, RollbackLock};
use crate::store::{StoreError, sqlite};

/// A data folder, and where the hub key is that opens it.
#[derive(Debug, Clone)]
pub struct DataFolder {
    /// The folder.
    pub dir: PathBuf,
    /// The file of the hub key, outside the folder.
    pub hub_key_file: PathBuf,
    /// The lock of the audit log where it is named; otherwise the one beside the folder.
    pub audit_lock: Option<PathBuf>,
    /// For a folder that is new, a key that is not there is made. Never in production.
    pub makes_key: bool,
}

impl DataFolder {
    /// The folder with its key in the file named, or beside it as `DIR.hub-key`.
    #[must_use]
    pub fn with_key(dir: &Path, hub_key_file: Option<&Path>) -> Self {
        let mut beside = dir.components().as_path().as_os_str().to_owned();
        beside.push(".hub-key");
        let hub_key_file = hub_key_file.map_or_else(|| PathBuf::from(beside), Path::to_owned);
        Self { dir: dir.to_owned(), hub_key_file, audit_lock: None, makes_key: false }
    }

    /// The lock that its audit log is held against.
    #[must_use]
    pub fn rollback_lock(&self) -> RollbackLock {
        match &self.audit_lock {
            Some(file) => RollbackLock::at(file),
            None => RollbackLock::beside(&self.dir),
        }
    }

    /// Opens the audit log, held against its lock.
    ///
    /// # Errors
    /// When the keys or the log cannot be opened, or the log is an older copy.
    pub fn log(
        &self,
        origin: &str,
        clock: SharedClock,
        together: usize,
    ) -> Result<Log, StoreError> {
        let keys = self.keys(&clock)?;
        let lock = Some(self.rollback_lock());
        Log::open_locked(&self.dir, keys, origin, clock, together, lock)
    }

    /// Opens the keys that everything in the folder is under.
    ///
    /// # Errors
    /// When the hub key is not there, lies in the folder, is open to others or is another one.
    pub fn keys(&self, clock: &SharedClock) -> Result<Arc<Keyring>, StoreError> {
        let (file, dir) = (&self.hub_key_file, &self.dir);
        sqlite::refuse_without_keys(dir)?;
        let makes = self.makes_key && !file.exists() && !sqlite::is_there(dir);
        let hub = if makes { HubKey::make(file, Some(dir))? } else { HubKey::read(file, dir)? };
        Keyring::open(dir, hub, clock.now()).map(Arc::new)
    }
}

/// To try things out: the key lies beside the folder, and is made with it.
impl<P: AsRef<Path>> From<P> for DataFolder {
    fn from(dir: P) -> Self {
        Self { makes_key: true, ..Self::with_key(dir.as_ref(), None) }
    }
}

/// Where the policy is from.
pub enum Policies {
    /// Put in force by the program itself, for good: to try things out.
    Fixed(Box<PolicySnapshot>),
    /// A folder that the hub follows.
    Folder(PolicyFolder),
}

impl From<PolicySnapshot> for Policies {
    fn from(policy: PolicySnapshot) -> Self {
        Self::Fixed(Box::new(policy))
    }
}

impl From<PolicyFolder> for Policies {
    fn from(folder: PolicyFolder) -> Self {
        Self::Folder(folder)
    }
}

/// Why the hub cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The store.
    #[error("{0}")]
    Store(#[from] crate::store::StoreError),
    /// The issuers.
    #[error("{0}")]
    Issuers(#[from] crate::auth::IssuerError),
    /// The server.
    #[error("{0}")]
    Serve(#[from] crate::grpc::server::ServeError),
    /// The network.
    #[error("cannot listen: {0}")]
    Listen(std::io::Error),
}

/// The parts of a hub, joined.
pub struct App {
    /// The store.
    pub store: Arc<SqliteStore>,
    /// The use cases.
    pub hub: Arc<Hub>,
    authenticator: Arc<Authenticator>,
    /// Until it is served.
    reloader: Mutex<Option<Reloader>>,
    publishing: Mutex<Option<Publishing>>,
    anchors: Mutex<Option<PathBuf>>,
}

impl App {
    /// Opens the data folder and joins the parts: log, store, shelf, policy, callers.
    ///
    /// # Errors
    /// When a part cannot be opened. Nothing is served.
    pub async fn open(
        data: impl Into<DataFolder>,
        origin: &str,
        policy: impl Into<Policies>,
        issuers: Vec<Issuer>,
        clock: SharedClock,
    ) -> Result<Self, AppError> {
        let together = limits::AUDIT_BATCH_MAX;
        Self::open_committing(data, origin, policy, issuers, clock, together).await
    }

    /// As [`App::open`], with at most `together` requests in one commit of the log: what group
    /// commit is worth can be measured.
    ///
    /// # Errors
    /// As [`App::open`].
    pub async fn open_committing(
        data: impl Into<DataFolder>,
        origin: &str,
        policy: impl Into<Policies>,
        issuers: Vec<Issuer>,
        clock: SharedClock,
        together: usize,
    ) -> Result<Self, AppError> {
        let data = data.into();
        // What is in it is personal: the folder is its owner's alone.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&data.dir)
            .map_err(|e| StoreError::Unavailable(e.to_string()))?;
        let authenticator = Arc::new(Authenticator::new(issuers, Arc::clone(&clock))?);
        let log = data.log(origin, Arc::clone(&clock), together)?;
        let store = Arc::new(SqliteStore::open(&data.dir, log).await?);
        let shared: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
        let source = Arc::new(Shelf::new(Arc::clone(&shared)));
        let hub = Arc::new(Hub::new(Arc::clone(&shared), source, Arc::clone(&clock)));
        let reloader = match policy.into() {
            Policies::Fixed(policy) => {
                hub.put_in_force(Arc::new(InForce::new(*policy, 0, clock.now())));
                None
            }
            Policies::Folder(folder) => {
                let mut reloader = Reloader::new(folder, Arc::clone(&hub), shared, clock);
                reloader.start().await?;
                Some(reloader)
            }
        };
        let (reloader, publishing) = (Mutex::new(reloader), Mutex::new(None));
        let anchors = Mutex::new(None);
        Ok(Self { store, hub, authenticator, reloader, publishing, anchors })
    }

    /// Serves until `shutdown`, finishes what is running, then closes the log.
    ///
    /// # Errors
    /// When the transport fails.
    pub async fn serve(
        &self,
        listener: TcpListener,
        options: Options,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), AppError> {
        let desk = Desk {
            hub: Arc::clone(&self.hub),
            authenticator: Arc::clone(&self.authenticator),
            pages: PageKey::new(&self.store.log().keys().page_secret()),
        };
        let mut sweeping = tokio::task::JoinSet::new();
        if let Some(publisher) = self.publisher().await? {
            sweeping.spawn(publisher.run());
        }
        let anchors = self.anchors.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(dir) = anchors {
            let key = self.store.log().verifier().clone();
            sweeping.spawn(anchoring::run(Arc::clone(&self.hub), dir, key));
        }
        let hub = Arc::clone(&self.hub);
        sweeping.spawn(async move { purge(&hub).await });
        let hub = Arc::clone(&self.hub);
        sweeping.spawn(async move { sweep(&hub).await });
        if let Some(reloader) = self.reloader() {
            sweeping.spawn(reloader.follow());
        }
        let served = serve(listener, desk, options, shutdown).await;
        sweeping.shutdown().await;
        self.store.log().close();
        Ok(served?)
    }

    /// Has the log's heads shown to witnesses from when it is served.
    pub fn publish(&self, publishing: Publishing) {
        let mut place = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(publishing);
    }

    /// Has an anchor written into a folder each day from when it is served.
    pub fn anchor_in(&self, dir: PathBuf) {
        *self.anchors.lock().unwrap_or_else(PoisonError::into_inner) = Some(dir);
    }

    async fn publisher(&self) -> Result<Option<Publisher>, AppError> {
        let taken = self.publishing.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(publishing) = taken else { return Ok(None) };
        let store: Arc<dyn Store> = Arc::clone(&self.store) as Arc<dyn Store>;
        let key = self.store.log().verifier().clone();
        Ok(Some(Publisher::new(Arc::clone(&self.hub), store, key, publishing).await?))
    }

    /// What follows the policy folder, to be taken once; serving takes it.
    pub fn reloader(&self) -> Option<Reloader> {
        self.reloader.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Serves in the background until told to end.
    #[must_use]
    pub fn start(self: Arc<Self>, listener: TcpListener, options: Options) -> Running {
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            // A dropped sender also means that it is time to stop.
            let ended = async { stopped.await.unwrap_or_default() };
            self.serve(listener, options, ended).await
        });
        Running { stop, serving }
    }
}

/// Enters late duties in the log until it is ended.
/// Takes what has expired off the shelf, again and again. What has expired is released no more anyway.
async fn purge(hub: &Hub) {
    let mut turns = tokio::time::interval(limits::PURGE_EVERY);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        hub.purge_expired().await;
        hub.forget_checks().await;
    }
}

/// Enters duties that are late, again and again.
async fn sweep(hub: &Hub) {
    let mut state = Sweep::default();
    loop {
        match hub.sweep(&mut state).await {
            Ok(true) => tokio::task::yield_now().await,
            Ok(false) => tokio::time::sleep(limits::SWEEP).await,
            Err(error) => {
                tracing::warn!(error = %error, "Late duties could not be entered in the log");
                tokio::time::sleep(limits::SWEEP).await;
            }
        }
    }
}

/// A hub that serves in the background.
pub struct Running {
    stop: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<Result<(), AppError>>,
}

impl Running {
    /// Finishes what is running and ends.
    ///
    /// # Errors
    /// When the hub had ended by itself.
    pub async fn end(self) -> Result<(), String> {
        drop(self.stop);
        self.serving.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
    }
}
