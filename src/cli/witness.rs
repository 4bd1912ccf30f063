//! `weir witness`: the small server by which a partner agency sees to it that the hub has one log only.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use tokio::net::TcpListener;

use super::Outcome;
use super::serve::stop;
use crate::audit::checkpoint::VerifierKey;
use crate::clock::SystemClock;
use crate::store::sqlite::witness::{WitnessMemory, begin, signer};
use crate::witness::server::{Witness, serve};

/// What `weir witness` is told.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Example: weir witness --data witness --listen 0.0.0.0:8480 --log \"$(cat council-audit.vkey)\""
)]
pub struct WitnessArguments {
    #[command(subcommand)]
    init: Option<WitnessCommand>,
    /// The folder that `weir witness init` made.
    #[arg(long, required = true)]
    data: Option<PathBuf>,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8480")]
    listen: SocketAddr,
    /// The verifier key of a log whose heads are signed; may be repeated.
    #[arg(long = "log", required = true)]
    logs: Vec<String>,
}

#[derive(Subcommand)]
enum WitnessCommand {
    /// Makes a witness: its folder, its key (which others must not read) and an empty memory. Prints the public
    /// key, for the hub's weir.toml and for whoever verifies.
    #[command(
        after_help = "Example: weir witness init --data witness --name police.example/weir-witness"
    )]
    Init {
        /// The folder; must be empty or not there.
        #[arg(long)]
        data: PathBuf,
        /// The name of the witness, such as an address without its scheme.
        #[arg(long)]
        name: String,
    },
}

/// Runs it.
#[must_use]
pub fn run(arguments: WitnessArguments) -> Outcome {
    let WitnessArguments { init, data, listen, logs } = arguments;
    let done = match (init, data) {
        (Some(WitnessCommand::Init { data, name }), _) => {
            begin(&data, &name).map(|signer| signer.key().text()).map_err(|e| e.to_string())
        }
        (None, Some(data)) => serving(data, listen, &logs),
        (None, None) => Err("--data is missing".to_owned()),
    };
    match done {
        Ok(text) => Outcome { text, exit: 0 },
        Err(text) => Outcome { text, exit: 2 },
    }
}

fn serving(data: PathBuf, listen: SocketAddr, logs: &[String]) -> Result<String, String> {
    crate::telemetry::start();
    let logs = logs
        .iter()
        .map(|text| VerifierKey::parse(text).map_err(|e| format!("--log \"{text}\": {e}")))
        .collect::<Result<Vec<_>, _>>()?;
    let said = |e: crate::store::StoreError| e.to_string();
    let memory = WitnessMemory::open(&data).map_err(said)?;
    let witness = Witness {
        signer: signer(&data).map_err(said)?,
        logs,
        memory,
        clock: Arc::new(SystemClock),
    };
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    runtime.block_on(async move {
        let listener =
            TcpListener::bind(listen).await.map_err(|e| format!("--listen {listen}: {e}"))?;
        tracing::info!(%listen, witness = %witness.signer.key().text(), "Witnessing");
        serve(listener, Arc::new(witness), stop()).await;
        Ok("Stopped.".to_owned())
    })
}
