//! `weir serve` and `weir token issue`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::net::TcpListener;

use super::Outcome;
use super::import::unknown;
use crate::app::reload::{Fits, PolicyFolder};
use crate::app::{App, DataFolder};
use crate::auth::Issuer;
use crate::auth::issuer::{DevelopmentIssuer, Person};
use crate::clock::{Clock, SampleClock, SharedClock, SystemClock};
use crate::config::{Config, Mode};
use crate::domain::{AgencyId, PersonId, RoleId};
use crate::grpc::renewal::LiveTls;
use crate::grpc::server::Options;
use crate::policy::book::RuleBook;
use crate::policy::load::load_dir;
use crate::store::sqlite::policies::PolicyReader;

/// Runs the hub until it is told to stop.
#[must_use]
pub fn run(path: &Path) -> Outcome {
    crate::telemetry::start();
    let served = tokio::runtime::Runtime::new()
        .map_err(|e| e.to_string())
        .and_then(|runtime| runtime.block_on(serve(path)));
    match served {
        Ok(()) => Outcome { text: "Stopped.".to_owned(), exit: 0 },
        Err(text) => Outcome { text, exit: 2 },
    }
}

async fn serve(path: &Path) -> Result<(), String> {
    let config = Config::load(path).map_err(|e| e.to_string())?;
    refuse_misfit(&config)?;
    let sample = sample_clock(&config);
    let clock: SharedClock = match sample {
        Some(start) => Arc::new(SampleClock::starting_at(start)),
        None if config.mode == Mode::Development => super::clock_in(&config.data_dir),
        None => Arc::new(SystemClock),
    };
    let policies = PolicyFolder {
        dir: config.policies_dir.clone(),
        trust: config.trust.clone(),
        fits: fits(&config),
    };
    let pages = !config.web_origins.is_empty();
    let tls = config.tls.clone().map(|files| LiveTls::open(files, pages)).transpose();
    let tls = tls.map_err(|e| format!("[tls] {e}"))?;
    let options = Options { reflection: config.reflection, tls, web: config.web_origins.clone() };
    let key_file = config.hub_key_file.as_deref();
    let folder = DataFolder {
        makes_key: config.mode == Mode::Development,
        audit_lock: config.audit_lock.clone(),
        ..DataFolder::with_key(&config.data_dir, key_file)
    };
    let app = App::open(folder, &config.audit_origin, policies, config.issuers, clock)
        .await
        .map_err(|e| e.to_string())?;
    if let Some(publishing) = config.publishing {
        app.publish(publishing);
    }
    if let Some(dir) = config.anchor_dir {
        app.anchor_in(dir);
    }
    if let Some(start) = sample {
        super::keep_clock(&config.data_dir, start)?;
    }
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|e| format!("listen = \"{}\": {e}", config.listen))?;
    tracing::info!(listen = %config.listen, "Serving");
    app.serve(listener, options, stop()).await.map_err(|e| e.to_string())
}

/// Where the clock of a sample place starts. A folder that does not load is the reloader's to refuse.
fn sample_clock(config: &Config) -> Option<Timestamp> {
    let book = load_dir(&config.policies_dir).ok()?;
    book.place.sample_clock.filter(|_| config.mode == Mode::Development)
}

/// A slip in the configuration is told at once. Where the folder changed under a configuration that was
/// good, the policy that was in force last goes on.
fn refuse_misfit(config: &Config) -> Result<(), String> {
    let Ok(book) = load_dir(&config.policies_dir) else { return Ok(()) };
    let wrong = fits(config)(&book);
    let reader = PolicyReader::open(&config.data_dir).map_err(|e| e.to_string())?;
    let last = reader.map(|reader| reader.listed(1)).transpose().map_err(|e| e.to_string())?;
    let last = last.and_then(|all| all.into_iter().next());
    let changed = last.is_some_and(|last| last.hash != book.hash);
    if wrong.is_empty() || changed { Ok(()) } else { Err(wrong.join("\n")) }
}

/// What a rule book must agree with in the configuration.
fn fits(config: &Config) -> Fits {
    let config = config.clone();
    Arc::new(move |book| {
        let place = config.check_place(book.place.sample_clock.is_some());
        let mut wrong: Vec<String> = place.err().map(|e| e.to_string()).into_iter().collect();
        wrong.extend(check_issuers(&config.issuers, book).err().unwrap_or_default());
        wrong
    })
}

/// Every issuer's agency and roles must be words of the policy: with a slip, nobody there could ever
/// be answered, and nothing would say why.
pub(super) fn check_issuers(issuers: &[Issuer], book: &RuleBook) -> Result<(), Vec<String>> {
    let mut wrong = Vec::new();
    for issuer in issuers {
        let at = |key: &str| format!("[[issuer]] {}: {key}", issuer.issuer);
        let agencies = book.agencies.keys().map(|a| a.as_str());
        if !book.agencies.contains_key(&issuer.agency) {
            wrong.push(unknown(&at("agency"), issuer.agency.as_str(), agencies));
        }
        for role in issuer.roles.values().filter(|role| !book.roles.contains_key(*role)) {
            let roles = book.roles.keys().map(|r| r.as_str());
            wrong.push(unknown(&at("roles"), role.as_str(), roles));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// Ctrl-C or SIGTERM.
pub(super) async fn stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        // Without the signal there is still Ctrl-C.
        Err(_) => {
            let _ended = tokio::signal::ctrl_c().await;
        }
    }
}

/// What `weir token issue` is told.
pub struct TokenWish {
    /// The issuer's folder.
    pub issuer_dir: PathBuf,
    /// The agency.
    pub agency: String,
    /// The person.
    pub person: String,
    /// Acting role and functions.
    pub roles: Vec<String>,
    /// The resident who is logged in at a portal.
    pub resident: Option<String>,
    /// Good for so many minutes.
    pub minutes: i64,
    /// The time of issue; now where not said.
    pub at: Option<String>,
    /// A configuration; one for production refuses.
    pub config: Option<PathBuf>,
}

/// The role of a token for a resident who is logged in.
const PORTAL: &str = "hub-resident-portal";

/// Signs a token of the development issuer.
#[must_use]
pub fn token(wish: &TokenWish) -> Outcome {
    match issued(wish) {
        Ok(text) => Outcome { text, exit: 0 },
        Err(text) => Outcome { text, exit: 2 },
    }
}

fn issued(wish: &TokenWish) -> Result<String, String> {
    if let Some(path) = &wish.config {
        let config = Config::load(path).map_err(|e| e.to_string())?;
        if config.mode == Mode::Production {
            return Err(format!(
                "{}: mode is production: tokens come from the agency's own identity provider",
                path.display()
            ));
        }
    }
    if !(1..=15).contains(&wish.minutes) {
        return Err("--minutes must be from 1 to 15: the hub accepts no longer tokens".to_owned());
    }
    let at: Timestamp = match &wish.at {
        Some(text) => text
            .parse()
            .map_err(|_| "--at must be a time like 2026-07-15T10:00:00+01:00".to_owned())?,
        None => SystemClock.now(),
    };
    let malformed = |flag: &str, text: &str| format!("{flag} \"{text}\" is no word of that kind");
    wish.agency.parse::<AgencyId>().map_err(|_| malformed("--agency", &wish.agency))?;
    wish.person.parse::<PersonId>().map_err(|_| malformed("--person", &wish.person))?;
    for role in &wish.roles {
        role.parse::<RoleId>().map_err(|_| malformed("--role", role))?;
    }
    let roles: Vec<&str> = wish.roles.iter().map(String::as_str).collect();
    let person = Person { agency: &wish.agency, person: &wish.person, roles: &roles };
    let issuer = DevelopmentIssuer::open(&wish.issuer_dir)
        .map_err(|e| format!("--issuer-dir {}: {e}", wish.issuer_dir.display()))?;
    let token = match &wish.resident {
        Some(name) => {
            let id = name.strip_prefix("residents/").and_then(|id| id.parse().ok());
            let id = id.ok_or_else(|| "--resident must be residents/ and an id".to_owned())?;
            if roles != [PORTAL] {
                return Err(format!("--resident goes with --role {PORTAL} and no other"));
            }
            issuer.session(person, id, at, wish.minutes)
        }
        None if roles.contains(&PORTAL) => return Err(format!("--role {PORTAL} needs --resident")),
        None => issuer.token(person, at, wish.minutes),
    };
    token.map_err(|e| e.to_string())
}
