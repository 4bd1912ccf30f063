//! `weir demo`: the story of the hub, told over a real socket on a synthetic place.

pub mod place;
pub(super) mod prepare;
mod story;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;

use super::Outcome;
use crate::app::App;
use crate::app::reload::PolicyFolder;
use crate::auth::issuer::DevelopmentIssuer;
use crate::clock::{Clock, SampleClock, SharedClock};

/// The log's name in the demonstration.
pub(super) const ORIGIN: &str = "northfield.example/weir/audit";

/// What `weir demo` is told.
pub struct Options {
    /// End after the story.
    pub exit: bool,
    /// The data folder; must be empty or not there.
    pub data: Option<PathBuf>,
    /// The policy folder.
    pub policies: PathBuf,
    /// The port on the loopback address; 0: any.
    pub port: u16,
}

/// Prints a line of the story.
pub(super) fn tell(line: &str) {
    use std::io::Write;
    // A closed terminal does not change the story.
    let _closed = writeln!(std::io::stdout(), "{line}");
}

/// Runs the demonstration.
#[must_use]
pub fn run(options: &Options) -> Outcome {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Outcome { text: error.to_string(), exit: 2 },
    };
    match runtime.block_on(told(options)) {
        Ok(outcome) => outcome,
        Err(text) => Outcome { text, exit: 2 },
    }
}

/// A folder that is empty or not there: the one wanted, or a new one below `otherwise`.
pub(super) fn fresh(wanted: Option<&Path>, otherwise: &str) -> Result<PathBuf, String> {
    let empty =
        |path: &Path| std::fs::read_dir(path).map_or(!path.exists(), |mut d| d.next().is_none());
    match wanted {
        Some(path) if empty(path) => Ok(path.to_owned()),
        Some(path) => Err(format!(
            "--data {}: the folder is not empty. Name one that is, or leave --data out.",
            path.display()
        )),
        None => (1..10_000)
            .map(|n| PathBuf::from(format!("{otherwise}/{n}")))
            .find(|path| empty(path))
            .ok_or_else(|| format!("{otherwise} holds too many runs: remove it")),
    }
}

async fn told(options: &Options) -> Result<Outcome, String> {
    let data = fresh(options.data.as_deref(), "demo-data")?;
    let policy = super::policy::open(&options.policies).map_err(|lines| {
        let at = options.policies.display();
        format!("{}\n--policies {at}: the folder does not load", lines.join("\n"))
    })?;
    let start = policy.book().place.sample_clock.ok_or_else(|| {
        "the demonstration needs a sample place: place.toml has no sample_clock".to_owned()
    })?;
    let clock = Arc::new(SampleClock::starting_at(start));
    tell(&format!(
        "Weir at {}, where it is {}. Data folder: {}",
        policy.book().place.name,
        start.to_zoned(policy.book().place.zone.clone()),
        data.display()
    ));
    let issuer =
        DevelopmentIssuer::open(&data.join("issuer")).map_err(|e| format!("the issuer: {e}"))?;
    let issuers = prepare::issuers(policy.book(), &data.join("issuer"));
    let shared: SharedClock = Arc::clone(&clock) as SharedClock;
    let folder = PolicyFolder::unsigned(&options.policies);
    let app = App::open(&data, ORIGIN, folder, issuers, shared).await.map_err(|e| e.to_string())?;
    super::keep_clock(&data, start)?;
    let policy = app.hub.policy().map_err(|e| e.to_string())?;
    let cast = prepare::fill(app.store.as_ref(), policy.book(), clock.now()).await?;
    for line in &cast.told {
        tell(line);
    }
    let address = ("127.0.0.1", if options.exit { 0 } else { options.port });
    let listener = TcpListener::bind(address)
        .await
        .map_err(|e| format!("--port {}: {e}. Choose another one.", options.port))?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let hub = Arc::new(app).start(listener, crate::grpc::server::Options::plain(true));
    let wrong = story::walk(address, &issuer, clock.as_ref(), &cast).await?;
    if !options.exit {
        let token =
            issuer.token(cast.nurse(), clock.now(), 15).map_err(|e| format!("the issuer: {e}"))?;
        tell(&how_to_call(&address.to_string(), &token, &cast.resident));
        tokio::signal::ctrl_c().await.map_err(|e| e.to_string())?;
    }
    hub.end().await?;
    let verdict = super::audit::verify(&data, None, &[], None);
    tell(&verdict.text);
    let text = match (wrong, verdict.exit) {
        (0, 0) => format!(
            "The story went as told. Look again: weir audit verify --data {}",
            data.display()
        ),
        (wrong, _) => format!("{wrong} step(s) did not go as told, or the log does not verify"),
    };
    Ok(Outcome { text, exit: u8::from(wrong > 0 || verdict.exit > 0) })
}

fn how_to_call(address: &str, token: &str, resident: &str) -> String {
    format!(
        "\nThe hub stays up at {address} (Ctrl-C ends it). A token for nurse-7, good for 15 minutes:\n\
         {token}\n\n\
         buf curl --protocol grpc --http2-prior-knowledge -H \"authorization: Bearer $TOKEN\" \\\n  \
         -d '{{\"residents\":[\"{resident}\"],\"holders\":[\"agencies/oakdale-gp\"],\"purpose\":\"direct_care\",\
         \"fields\":[\"health/summary.allergies\"],\"reason\":\"Ward round this morning\",\"caseReference\":\"W-1\"}}' \\\n  \
         http://{address}/weir.hub.v1.SharingService/RequestRecords\n\n\
         Python (pip install grpcio grpcio-tools; python -m grpc_tools.protoc -Iproto --python_out=. \
         --grpc_python_out=. proto/weir/hub/v1/*.proto):\n  \
         stub = SharingServiceStub(grpc.insecure_channel(\"{address}\"))\n  \
         stub.RequestRecords(request, metadata=[(\"authorization\", \"Bearer \" + token)])\n\n\
         Node (npm install @grpc/grpc-js @grpc/proto-loader): load proto/weir/hub/v1/sharing.proto with \
         includeDirs [\"proto\"], then\n  \
         new hub.SharingService(\"{address}\", grpc.credentials.createInsecure()).RequestRecords(request, metadata, done)"
    )
}
