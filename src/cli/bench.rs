//! `weir bench`: what a brokered, explained, durably recorded disclosure costs, beside what the wire
//! costs anyway and beside one commit for each request. Everything in one run, over real sockets.

mod crowd;
mod echo;
mod load;
mod reload;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::crowd::Crowd;
use self::load::{Load, Measured};
use self::reload::Folder;
use super::Outcome;
use super::demo::{ORIGIN, fresh, tell};
use crate::app::reload::{PolicyFolder, Reloader};
use crate::app::{App, Running};
use crate::auth::issuer::DevelopmentIssuer;
use crate::clock::{SampleClock, SharedClock};
use crate::limits;

/// What `weir bench` is told.
pub struct Options {
    /// How long each part is measured, 1 to 300.
    pub seconds: u64,
    /// Calls under way at once, 1 to 1,024.
    pub in_flight: usize,
    /// Print one JSON object and nothing else.
    pub json: bool,
    /// The data folder; must be empty or not there. Removed at the end where it is not named.
    pub data: Option<PathBuf>,
    /// The policy folder.
    pub policies: PathBuf,
}

/// Calls before measuring, so that tokens are known and pages are in memory.
const WARM_UP: Duration = Duration::from_secs(1);

/// Measures. Exit code 1 when what was measured is not what it should be: too few permits, or a log
/// that does not hold every answer.
#[must_use]
pub fn run(options: &Options) -> Outcome {
    let measured = tokio::runtime::Runtime::new()
        .map_err(|e| e.to_string())
        .and_then(|runtime| runtime.block_on(measured(options)));
    match measured {
        Ok(outcome) => outcome,
        Err(text) => Outcome { text, exit: 2 },
    }
}

async fn measured(options: &Options) -> Result<Outcome, String> {
    if !(1..=300).contains(&options.seconds) {
        return Err("--seconds must be from 1 to 300".to_owned());
    }
    if !(1..=1024).contains(&options.in_flight) {
        return Err("--in-flight must be from 1 to 1024".to_owned());
    }
    let data = fresh(options.data.as_deref(), "weir-bench-data")?;
    let outcome = compared(options, &data).await;
    if options.data.is_none() {
        // Its parent too, when this was the only run in it.
        let _left = std::fs::remove_dir_all(&data);
        let _others = data.parent().map(std::fs::remove_dir);
    }
    outcome
}

/// The three parts, one after the other: echo, hub, hub with one commit for each request, echo again.
async fn compared(options: &Options, data: &Path) -> Result<Outcome, String> {
    let say = |line: &str| {
        if !options.json {
            tell(line);
        }
    };
    let load = |address| Load {
        address,
        in_flight: options.in_flight,
        time: Duration::from_secs(options.seconds),
    };
    say("Preparing the place…");
    let mut hub =
        Standing::prepare(options, &data.join("together"), limits::AUDIT_BATCH_MAX).await?;
    let questions = hub.crowd.questions()?;
    Load { time: WARM_UP, ..load(hub.address) }.drive(&questions).await?;
    let typical = hub.typical().await?;
    let bare = crowd::without_tokens(&questions);

    let echo = echo::Echo::start(typical).await?;
    say("Measuring a bare echo…");
    let before = load(echo.address).drive(&bare).await?;
    say("Measuring the hub…");
    let recorded = hub.recorded().await?;
    let questions = hub.crowd.questions()?;
    let together = load(hub.address).drive(&questions).await?;
    let entries = hub.recorded().await? - recorded;
    say("Measuring the hub while its policy is reloaded…");
    let questions = hub.crowd.questions()?;
    let (reloaded, reloads) = hub.reloading(load(hub.address), &questions).await?;
    say("Measuring the bare echo again…");
    let after = load(echo.address).drive(&bare).await?;
    echo.stop().await?;
    let verdict = hub.end().await?;

    say("Measuring the hub with one commit for each request…");
    let mut single = Standing::prepare(options, &data.join("single"), 1).await?;
    let questions = single.crowd.questions()?;
    Load { time: WARM_UP, ..load(single.address) }.drive(&questions).await?;
    let alone = load(single.address).drive(&questions).await?;
    single.end().await?;

    let report = Report {
        in_flight: options.in_flight,
        residents: hub.crowd.residents(),
        askers: hub.crowd.askers(),
        echo: before.and(after),
        together,
        alone,
        reloaded,
        reloads,
        entries,
        whole: verdict.exit == 0,
    };
    let text = if options.json { report.json().to_string() } else { report.text() };
    Ok(Outcome { text, exit: u8::from(!report.is_sound()) })
}

/// A hub that stands on a socket.
struct Standing {
    address: SocketAddr,
    crowd: Crowd,
    app: Arc<App>,
    data: PathBuf,
    policies: Folder,
    reloader: Option<Reloader>,
    running: Option<Running>,
}

impl Standing {
    async fn prepare(options: &Options, data: &Path, together: usize) -> Result<Self, String> {
        let policy = super::policy::open(&options.policies).map_err(|lines| {
            format!("{}\n--policies: the folder does not load", lines.join("\n"))
        })?;
        let start = policy.book().place.sample_clock.ok_or_else(|| {
            "the benchmark needs a sample place: place.toml has no sample_clock".to_owned()
        })?;
        let clock: SharedClock = Arc::new(SampleClock::starting_at(start));
        let caseload = usize::try_from(policy.book().figures.window_group).unwrap_or(1).max(1);
        let issuer = DevelopmentIssuer::open(&data.join("issuer"))
            .map_err(|e| format!("the issuer: {e}"))?;
        let issuers = super::demo::prepare::issuers(policy.book(), &data.join("issuer"));
        let shared = Arc::clone(&clock);
        let policies = Folder::copy(&options.policies, &data.join("policies"))?;
        let folder = PolicyFolder::unsigned(policies.path());
        let app = App::open_committing(data, ORIGIN, folder, issuers, shared, together)
            .await
            .map_err(|e| e.to_string())?;
        let crowd = Crowd::settle(app.store.as_ref(), issuer, clock, caseload).await?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|e| e.to_string())?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let app = Arc::new(app);
        // Nothing is reloaded but where that is measured.
        let reloader = app.reloader();
        let running =
            Some(Arc::clone(&app).start(listener, crate::grpc::server::Options::plain(false)));
        let data = data.to_owned();
        Ok(Self { address, crowd, app, data, policies, reloader, running })
    }

    /// Measures while the policy is reloaded, and tells how often it was.
    async fn reloading(
        &mut self,
        load: Load,
        questions: &Arc<[load::Question]>,
    ) -> Result<(Measured, u64), String> {
        let reloader = self.reloader.as_mut().ok_or("nothing follows the policy folder")?;
        let (stop, stopped) = oneshot::channel();
        let driven = async {
            let measured = load.drive(questions).await;
            drop(stop);
            measured
        };
        let (measured, reloads) = tokio::join!(driven, self.policies.reload(reloader, stopped));
        Ok((measured?, reloads?))
    }

    /// A reply of middling length with released values, for the echo to send.
    async fn typical(&self) -> Result<crate::grpc::pb::RequestRecordsResponse, String> {
        load::typical(self.address, &self.crowd.questions()?).await
    }

    /// Entries in the log.
    async fn recorded(&self) -> Result<u64, String> {
        use crate::store::Store;
        Ok(self.app.store.head().await.map_err(|e| e.to_string())?.size)
    }

    /// Ends the hub and verifies its log as a stranger would.
    async fn end(&mut self) -> Result<Outcome, String> {
        if let Some(running) = self.running.take() {
            running.end().await?;
        }
        self.reloader = None;
        Ok(super::audit::verify(&self.data, None, &[], None))
    }
}

/// What came out.
struct Report {
    in_flight: usize,
    residents: usize,
    askers: usize,
    echo: Measured,
    together: Measured,
    alone: Measured,
    /// While its policy was reloaded, so many times.
    reloaded: Measured,
    reloads: u64,
    /// Entries that the measured calls left in the log.
    entries: u64,
    /// The log verified afterwards.
    whole: bool,
}

/// The least share of answers that release values; below it the benchmark measures refusals.
const PERMITS_MIN: f64 = 0.7;

impl Report {
    fn is_sound(&self) -> bool {
        self.whole
            && self.entries == self.together.calls()
            && self.together.share_released() >= PERMITS_MIN
            && self.together.failed == 0
            && self.alone.failed == 0
            && self.reloaded.failed == 0
            && self.reloads > 0
    }

    /// What reloads do to the slowest answers.
    fn p99_reloading(&self) -> f64 {
        let at_rest = self.together.percentile_us(99).max(1);
        f64::from(self.reloaded.percentile_us(99)) / f64::from(at_rest)
    }

    fn json(&self) -> serde_json::Value {
        let part = |m: &Measured| {
            json!({ "throughput": m.throughput().round(), "p50_us": m.percentile_us(50),
                    "p99_us": m.percentile_us(99), "cpu_us": rounded(m.processor_us()), "calls": m.calls(),
                    "failed": m.failed })
        };
        json!({
            "throughput": self.together.throughput().round(),
            "p50_us": self.together.percentile_us(50),
            "p99_us": self.together.percentile_us(99),
            "ratio_to_echo": rounded(self.together.throughput() / self.echo.throughput()),
            "ratio_to_one_commit_each":
                rounded(self.together.throughput() / self.alone.throughput()),
            "cpu_us": rounded(self.together.processor_us()),
            "share_released": rounded(self.together.share_released()),
            "in_flight": self.in_flight,
            "residents": self.residents,
            "askers": self.askers,
            "answers": self.together.calls(),
            "audit_entries": self.entries,
            "log_verified": self.whole,
            "echo": part(&self.echo),
            "one_commit_each": part(&self.alone),
            "reloading": part(&self.reloaded),
            "reloads": self.reloads,
            "ratio_p99_reloading": rounded(self.p99_reloading()),
        })
    }

    fn text(&self) -> String {
        let line = |name: &str, m: &Measured| {
            format!(
                "{name:<34}{:>7.0} a second  p50 {:>6} µs  p99 {:>6} µs  processor {:>5.0} µs a call",
                m.throughput(),
                m.percentile_us(50),
                m.percentile_us(99),
                m.processor_us()
            )
        };
        let mut lines = vec![
            format!(
                "RequestRecords, {} in flight, {} residents asked about at random by {} people:",
                self.in_flight, self.residents, self.askers
            ),
            line("bare tonic echo, same payload", &self.echo),
            line("weir, recorded before each answer", &self.together),
            line("weir, one commit for each request", &self.alone),
            line("weir, its policy reloaded", &self.reloaded),
            format!(
                "{} reloads, {} lost answers: p99 {:.2} times that at rest.",
                self.reloads,
                self.reloaded.failed,
                self.p99_reloading()
            ),
            format!(
                "{:.2} of the echo; {:.1} times one commit for each request; {:.0} % of answers \
                 released values.",
                self.together.throughput() / self.echo.throughput(),
                self.together.throughput() / self.alone.throughput(),
                100.0 * self.together.share_released()
            ),
            format!(
                "{} answers, {} entries in the log, which {}.",
                self.together.calls(),
                self.entries,
                if self.whole { "verifies" } else { "DOES NOT VERIFY" }
            ),
        ];
        if !self.is_sound() {
            lines.push(format!(
                "Not a sound measurement: {} calls failed, or the counts above do not agree, or \
                 fewer than {:.0} % released values.",
                self.together.failed + self.alone.failed + self.reloaded.failed,
                100.0 * PERMITS_MIN
            ));
        }
        lines.join("\n")
    }
}

fn rounded(ratio: f64) -> f64 {
    (ratio * 1000.0).round() / 1000.0
}
